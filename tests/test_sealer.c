#include "crypto/hash.h"
#include "replication/mover/sealer.h"
#include "tests/mover_world.h"

#define SMALL        65536U
#define SEGMENTS_MAX 12U
#define SALTS_MAX    512U

/* One deposit, which outlives the sealers that work on it: the world keeps its
 * source and shards, |journal| what was noted. */
static struct world world;
static struct segment_params params;
static struct sealer sealer;
static struct sealer_config config;
static bool system_salts; /* Not from the dice. */
static struct rng dice;
static struct digest preambles[MANIFEST_SHARDS_MAX];
static size_t catalogue_size;
static bool catalogue_early;
/* A commit of one segment each; ranges only where a real one ended. */
static struct sealer_commit journal[SEGMENTS_MAX];
static uint64_t journal_len;
static unsigned commits, commit_least;
static uint8_t salts[SALTS_MAX][CHUNKED_SALT_SIZE];
static size_t salts_len;
static const char *kinds; /* Of the source's blocks: 'r'andom, or NULL. */

/* What a sealer is seen to do. */
static uint64_t reads, notes, read_end;
static bool tiled[SEGMENTS_MAX];
static uint8_t begun[SEGMENTS_MAX][CHUNKED_SALT_SIZE]; /* Where |tiled|. */
static bool flushing[MANIFEST_SHARDS_MAX];
static uint64_t gone; /* Streams that the sealer knows to be lost. */

/* The |fault_at|th action of |fault_type| from now fails. */
static enum mover_action_type fault_type;
static uint64_t fault_at;
static int fault_status;

static uint64_t data_segments(void)
{
    return (config.data_size + SMALL - 1) / SMALL;
}

static uint64_t segments(void)
{
    return data_segments() + (catalogue_size + SMALL - 1) / SMALL;
}

static void step(void *mover,
                 const struct mover_event *ev,
                 struct mover_out *out)
{
    struct sealer *s = mover;

    if (ev->type == MV_READ && ev->status == OK &&
        ev->id + 1 == data_segments() && !catalogue_early) {
        sealer_catalogue(s, catalogue_size);
    }
    sealer_step(s, ev, out);
}

/* A commit is asked for in order, one at a time, and no sooner than the sealer
 * knows that enough streams, which it does not know to be lost, hold it. */
static void note_is_earned(const struct mover_action *a)
{
    const struct sealer_commit *commit = a->arg;
    unsigned holding = 0;

    ck_assert_uint_ge(commit->count, 1);
    ck_assert_uint_le(commit->count, SEALER_BATCH);
    ck_assert_uint_eq(notes, journal_len);
    notes += commit->count;
    ck_assert_uint_eq(commit->segment + 1, notes);
    ck_assert_uint_eq(a->id, commit->segment);
    for (uint32_t i = 0; i < params.code.n; i++) {
        holding += (gone & stream_bit(i)) == 0 &&
                   world.streams[i].told >= commit->offset;
    }
    ck_assert_uint_ge(holding, config.quorum);
}

/* No salt is ever met twice, whatever is done over. */
static void salt_is_fresh(const uint8_t *salt)
{
    ck_assert_uint_lt(salts_len, SALTS_MAX);
    for (size_t i = 0; i < salts_len; i++) {
        ck_assert_mem_ne(salts[i], salt, CHUNKED_SALT_SIZE);
    }
    memcpy(salts[salts_len++], salt, CHUNKED_SALT_SIZE);
}

/* Sealing as it is read has a salt before there is a byte. */
static void source_is_asked(const struct mover_action *a)
{
    const struct sealer_slot *slot = a->arg;

    ck_assert_uint_lt(a->id, SEGMENTS_MAX);
    tiled[a->id] = a->take != NULL;
    if (tiled[a->id]) {
        memcpy(begun[a->id], slot->room.data, CHUNKED_SALT_SIZE);
        salt_is_fresh(begun[a->id]);
    }
}

static void on_ask(void *arg, const struct mover_action *a)
{
    (void)arg;
    switch (a->type) {
    case MV_READ_AT:
        ck_assert_uint_eq(a->stream, MOVER_SOURCE);
        ck_assert_uint_eq(a->id, reads++);
        ck_assert_uint_eq(a->off, read_end);
        ck_assert_uint_ge(a->len, 1);
        read_end += a->len;
        source_is_asked(a);
        break;
    case MV_SEND:
        ck_assert_uint_eq(gone & stream_bit(a->stream), 0);
        break;
    case MV_FLUSH:
        ck_assert_uint_eq(gone & stream_bit(a->stream), 0);
        ck_assert(!flushing[a->stream]);
        flushing[a->stream] = true;
        break;
    case MV_NOTE:
        note_is_earned(a);
        break;
    case MV_GET_BUF:
    case MV_PUT_BUF:
    case MV_WORK:
    case MV_PROGRESS:
    case MV_DROP:
    case MV_SLOW:
    case MV_WAKE_AT:
    case MV_END:
        break;
    }
}

static uint64_t commit_start(uint64_t i)
{
    return i == 0 ? LEAF_SIZE : journal[i - 1].offset;
}

static void journal_take(const struct sealer_commit *c)
{
    for (unsigned i = 0; i < c->count; i++) {
        struct sealer_commit *one = &journal[journal_len];

        memset(one, 0, sizeof(*one));
        one->segment = journal_len;
        one->count = 1;
        one->added[0] = c->added[i];
        one->offset = commit_start(journal_len) +
                      (uint64_t)c->added[i].cell_leaves * LEAF_SIZE;
        journal_len++;
        ck_assert_uint_le(journal_len, SEGMENTS_MAX);
    }
    memcpy(journal[journal_len - 1].ranges, c->ranges, sizeof(c->ranges));
    ck_assert_uint_eq(journal[journal_len - 1].offset, c->offset);
    ck_assert_uint_eq(journal[journal_len - 1].segment, c->segment);
    commits++;
    commit_least = c->count < commit_least ? c->count : commit_least;
}

static int on_do(void *arg, const struct mover_action *a)
{
    (void)arg;
    if (a->type == fault_type && fault_at > 0 && --fault_at == 0) {
        if (a->type == MV_SEND || a->type == MV_FLUSH) {
            world.streams[a->stream].lost = true;
        }
        return fault_status;
    }
    if (a->type == MV_NOTE) {
        journal_take(a->arg);
    }
    if (a->type == MV_SEND && a->stream == 0 &&
        (!tiled[a->id] ||
         memcmp(begun[a->id], a->bytes.data, CHUNKED_SALT_SIZE) != 0)) {
        salt_is_fresh(a->bytes.data);
    }
    return OK;
}

static void on_tell(void *arg, const struct mover_event *ev)
{
    (void)arg;
    if (ev->type == MV_DURABLE) {
        flushing[ev->stream] = false;
    }
    if (ev->type == MV_LOST ||
        ((ev->type == MV_SENT || ev->type == MV_DURABLE) && ev->status != OK)) {
        gone |= stream_bit(ev->stream);
    }
}

static void source_fill(size_t size)
{
    static uint8_t block[SMALL];
    bool random = rng_below(&dice, 2) == 0;

    while (size > 0) {
        size_t part = size < SMALL ? size : SMALL;

        if (kinds != NULL) {
            random = kinds[world.source.size / SMALL % strlen(kinds)] == 'r';
        }
        rng_bytes(&dice, block, part);
        for (size_t i = 0; i < part && !random; i++) {
            block[i] &= 0x11;
        }
        world_append(&world.source, block, part);
        random = !random;
        size -= part;
    }
}

/* A deposit of which nothing is sealed yet. */
static void deposit(uint64_t seed,
                    uint16_t k,
                    uint16_t n,
                    unsigned window,
                    size_t data_size)
{
    uint8_t bytes[RNG_SEED_SIZE] = {'d', 'i', 'c', 'e'};
    uint8_t leaf[LEAF_SIZE];

    u64le_store(bytes + 8, seed);
    rng_init_seed(&dice, bytes);
    journal_len = salts_len = 0;
    commits = 0;
    commit_least = SEALER_BATCH;
    rng_bytes(&dice, &params.key, sizeof(params.key));
    ck_assert_int_eq(erasure_init(&params.code, k, n), OK);
    params.segment_size = SMALL;
    params.codec = CODEC_CHOOSE_AUTO;
    catalogue_size = (size_t)rng_below(&dice, 5 * SMALL / 2) + 1;
    catalogue_early = data_size == 0 || rng_below(&dice, 3) == 0;
    config = (struct sealer_config){.params = &params,
                                    .window = window,
                                    .quorum = n,
                                    .data_size = data_size};
    for (unsigned i = 0; i < window; i++) {
        ck_assert_int_eq(codec_state_new(&config.codecs[i]), OK);
    }
    source_fill(data_size + catalogue_size);
    for (uint32_t i = 0; i < n; i++) {
        memset(leaf, (int)i, sizeof(leaf));
        merkle_leaf(slice_of(leaf, sizeof(leaf)), &preambles[i]);
        world_append(&world.streams[i], leaf, sizeof(leaf));
    }
    world.step = step;
    world.mover = &sealer;
    world.window = window;
    world.buffer_size = sealer_buffer_size(&params);
    world.on_ask = on_ask;
    world.on_do = on_do;
    world.on_tell = on_tell;
}

/* Any deposit, as the seed has it. */
static void any_deposit(uint64_t seed)
{
    static const uint16_t codes[][2] = {{1, 2}, {4, 7}, {3, 5}};
    static const size_t sizes[] = {0,
                                   1,
                                   SMALL - 1,
                                   SMALL,
                                   SMALL + 1,
                                   3 * (size_t)SMALL,
                                   (size_t)SMALL * 9 / 2,
                                   (size_t)SMALL * 6};
    const uint16_t *code = codes[seed % 3];

    deposit(seed, code[0], code[1], 1 + (unsigned)(seed / 3 % 4),
            sizes[seed / 12 % 8]);
    config.quorum =
        code[0] + (unsigned)rng_below(&dice, code[1] - code[0] + 1U);
}

/* A sealer that goes on from the journal. */
static void boot(void)
{
    bool none_left;

    world_boot(&world, rng_below(&dice, UINT32_MAX));
    for (unsigned i = 0; i < SEALER_WINDOW_MAX && !system_salts; i++) {
        uint8_t seed[RNG_SEED_SIZE];

        rng_bytes(&dice, seed, sizeof(seed));
        rng_init_seed(&config.rngs[i], seed);
    }
    sealer_init(&sealer, &config, preambles,
                journal_len > 0 ? &journal[journal_len - 1] : NULL);
    none_left = journal_len >= data_segments();
    if (catalogue_early || none_left) {
        sealer_catalogue(&sealer, catalogue_size);
    }
    reads = notes = journal_len;
    read_end = journal_len * SMALL;
    if (none_left) {
        read_end =
            config.data_size + (journal_len - data_segments()) * (size_t)SMALL;
    }
    memset(flushing, 0, sizeof(flushing));
    gone = 0;
    fault_at = 0;
}

static void forget(void)
{
    for (unsigned i = 0; i < config.window; i++) {
        codec_state_free(config.codecs[i]);
    }
    world_free(&world);
}

/* ---- What a deposit must be worth, whatever happened. ---- */

/* k random streams that hold segment |i| durably, in ascending order. */
static void holders_choose(uint64_t i, uint8_t present[ERASURE_K_MAX])
{
    size_t holders = 0;
    uint16_t want = params.code.k;

    for (uint32_t j = 0; j < params.code.n; j++) {
        holders += world.streams[j].durable >= journal[i].offset;
    }
    ck_assert_uint_ge(holders, config.quorum);
    for (uint32_t j = 0; j < params.code.n; j++) {
        if (world.streams[j].durable < journal[i].offset) {
            continue;
        }
        if (rng_below(&dice, holders--) < want) {
            present[params.code.k - want--] = (uint8_t)j;
        }
    }
    ck_assert_uint_eq(want, 0);
}

/* All n cells of segment |i|, from k of them. */
static void cells_rebuild(uint64_t i, uint8_t *cells, size_t size)
{
    static struct erasure_plan plan;
    uint8_t present[ERASURE_K_MAX] = {0}, want[MANIFEST_SHARDS_MAX];
    const uint8_t *have[ERASURE_K_MAX] = {NULL};
    uint8_t *out[MANIFEST_SHARDS_MAX] = {NULL};
    size_t have_len = 0, want_len = 0;

    holders_choose(i, present);
    for (uint16_t j = 0; j < params.code.n; j++) {
        if (have_len < params.code.k && present[have_len] == j) {
            memcpy(cells + j * size, world.streams[j].bytes + commit_start(i),
                   size);
            have[have_len++] = cells + j * size;
        } else {
            out[want_len] = cells + j * size;
            want[want_len++] = (uint8_t)j;
        }
    }
    ck_assert_int_eq(
        erasure_plan_init(&plan, &params.code, present, want, want_len), OK);
    erasure_rebuild(&plan, have, out, size);
}

/* Where a stream has the segment it has just these cells, and lost or not, its
 * range is that of the column. */
static void columns_match(uint64_t i,
                          const uint8_t *cells,
                          size_t size,
                          struct merkle_range *ranges)
{
    for (uint32_t j = 0; j < params.code.n; j++) {
        const struct world_stream *s = &world.streams[j];
        const struct merkle_range *got = &journal[i].ranges[j];
        const uint8_t *cell = cells + j * size;
        struct digest leaf;

        if (s->durable >= journal[i].offset) {
            ck_assert_bytes_eq(s->bytes + commit_start(i), cell, size);
        }
        for (size_t at = 0; at < size; at += LEAF_SIZE) {
            merkle_leaf(slice_of(cell + at, LEAF_SIZE), &leaf);
            merkle_range_append(&ranges[j], &leaf, NULL, NULL);
        }
        if (got->leaves == 0) {
            continue; /* Others were committed with it. */
        }
        ck_assert_uint_eq(got->leaves * LEAF_SIZE, journal[i].offset);
        ck_assert_uint_eq(got->leaves, ranges[j].leaves);
        ck_assert_bytes_eq(got->nodes, ranges[j].nodes,
                           merkle_range_nodes_len(got->leaves) * DIGEST_SIZE);
    }
}

static void opens_to_source(uint64_t i, uint8_t *cells)
{
    static uint8_t scratch[SMALL];
    const struct sealer_segment *c = &journal[i].added[0];
    size_t off = i * SMALL, left;
    struct slice plain;
    struct digest digest;

    if (i >= data_segments()) {
        off = config.data_size + (i - data_segments()) * SMALL;
        left = world.source.size - off;
    } else {
        left = config.data_size - off;
    }
    ck_assert_uint_eq(c->plain_size, left < SMALL ? left : SMALL);
    ck_assert_int_eq(segment_open(&params, config.codecs[0], i, cells,
                                  c->ciphertext_size, scratch, &plain),
                     OK);
    ck_assert_uint_eq(plain.size, c->plain_size);
    if (params.codec == CODEC_CHOOSE_AUTO) {
        ck_assert((codec_decide(config.codecs[0], params.codec, plain) ==
                   CODEC_RAW) ==
                  (c->ciphertext_size ==
                   chunked_sealed_size(SEGMENT_HEADER_SIZE + c->plain_size)));
    }
    ck_assert_bytes_eq(plain.data, world.source.bytes + off, plain.size);
    sha256(plain, &digest);
    ck_assert(digest_equal(&digest, &c->plain));
}

/* Every segment in the journal can be had back from any k that hold it. */
static void commits_hold(void)
{
    static struct merkle_range ranges[MANIFEST_SHARDS_MAX];
    static uint8_t cells[MANIFEST_SHARDS_MAX * 2 * SMALL];

    for (uint32_t j = 0; j < params.code.n; j++) {
        merkle_range_init(&ranges[j]);
        merkle_range_append(&ranges[j], &preambles[j], NULL, NULL);
    }
    for (uint64_t i = 0; i < journal_len; i++) {
        size_t size = (size_t)journal[i].added[0].cell_leaves * LEAF_SIZE;

        ck_assert_uint_le(params.code.n * size, sizeof(cells));
        ck_assert_uint_eq(journal[i].segment, i);
        ck_assert_uint_eq(journal[i].offset, commit_start(i) + size);
        cells_rebuild(i, cells, size);
        columns_match(i, cells, size, ranges);
        opens_to_source(i, cells);
    }
}

static void ends_complete(void)
{
    ck_assert(world_run(&world, SIZE_MAX));
    ck_assert_int_eq(world.status, OK);
    ck_assert_uint_eq(journal_len, segments());
    ck_assert_uint_eq(sealer_segments(&sealer), segments());
    ck_assert_uint_eq(reads, segments());
    commits_hold();
}

/* ---- Stories. ---- */

/* Several seeds in one process, because a fork takes longer than a history.
 * The loop index replays them. */
static void histories(void (*history)(uint64_t seed), uint64_t batch)
{
    for (uint64_t seed = batch * 10; seed < (batch + 1) * 10; seed++) {
        history(seed);
    }
}

/* Whatever the order of answers, the shards hold the model and its catalogue,
 * and every stream is as long as the last commit says. */
static void history_any_order(uint64_t seed)
{
    any_deposit(seed);
    boot();
    world_start(&world);
    ends_complete();
    for (uint32_t i = 0; i < params.code.n; i++) {
        ck_assert_uint_eq(world.streams[i].size,
                          journal[journal_len - 1].offset);
    }
    forget();
}

START_TEST(test_sealer_any_order)
{
    histories(history_any_order, (uint64_t)_i);
}
END_TEST

/* What goes raw is sealed as it is read: all of it if that was asked for, else
 * what follows a segment that went raw. */
START_TEST(test_sealer_seals_what_it_reads)
{
    kinds = "rrrcccrcr";
    deposit((uint64_t)_i, 4, 7, 1, (size_t)SMALL * 9);
    params.codec = (enum codec_choice)(_i % 3);
    boot();
    world_start(&world);
    ends_complete();
    for (size_t i = 0; i < 9; i++) {
        bool want = i > 0 && kinds[i - 1] == 'r';

        if (params.codec != CODEC_CHOOSE_AUTO) {
            want = params.codec == CODEC_CHOOSE_RAW;
        }
        ck_assert_int_eq(tiled[i], want);
    }
    forget();
}
END_TEST

/* A slow stream holds up the others, but harms nothing. */
START_TEST(test_sealer_slow_stream)
{
    deposit((uint64_t)_i, 3, 5, 2, (size_t)SMALL * 4);
    config.quorum = 3;
    world.streams[_i % 5].delay_ms = 5000;
    boot();
    world_start(&world);
    ends_complete();
    forget();
}
END_TEST

/* Segments are committed several at a time, while disks and links are quick. */
START_TEST(test_sealer_commits_together)
{
    deposit((uint64_t)_i, 4, 7, 4, (size_t)SMALL * 6);
    boot();
    world_start(&world);
    ends_complete();
    ck_assert_uint_eq(commits, (segments() + SEALER_BATCH - 1) / SEALER_BATCH);
    forget();
}
END_TEST

/* Over a link on which a segment takes long, each commits as it has come. */
START_TEST(test_sealer_commits_in_time)
{
    deposit((uint64_t)_i, 1, 2, 1, (size_t)SMALL * 6);
    config.quorum = 2;
    world.streams[0].delay_ms = 3ULL * SEALER_BATCH_MS;
    boot();
    world_start(&world);
    ends_complete();
    ck_assert_uint_gt(commits, segments() / SEALER_BATCH + 1);
    ck_assert_uint_lt(commit_least, SEALER_BATCH);
    forget();
}
END_TEST

/* Lose a stream at any moment: told so, or by an action that fails. */
static void lose_one(void)
{
    uint32_t stream = (uint32_t)rng_below(&dice, params.code.n);
    bool told = rng_below(&dice, 2) == 0;

    if (world_run(&world, (size_t)rng_below(&dice, 60))) {
        return;
    }
    if (told) {
        while (world.streams[stream].lost) {
            stream = (stream + 1) % params.code.n;
        }
        world_lose(&world, stream);
        return;
    }
    fault_type = rng_below(&dice, 2) == 0 ? MV_SEND : MV_FLUSH;
    fault_at = 1 + rng_below(&dice, 10);
    fault_status = ERR_FULL;
    while (fault_at > 0 && !world_run(&world, 1)) {
    }
}

/* Streams are lost with whatever was asked of them unanswered; while there is
 * a quorum, the deposit goes on without them, and the trees of their columns
 * too. */
static void history_streams_are_lost(uint64_t seed)
{
    any_deposit(seed);
    boot();
    world_start(&world);
    for (uint32_t i = config.quorum; i < params.code.n; i++) {
        lose_one();
    }
    ends_complete();
    forget();
}

START_TEST(test_sealer_streams_are_lost)
{
    histories(history_streams_are_lost, (uint64_t)_i);
}
END_TEST

/* One stream too many is lost: the job ends, and what it noted before holds.
 * The loss may come when all is done. */
static void history_too_few_streams(uint64_t seed)
{
    unsigned live = 0;

    any_deposit(seed);
    boot();
    world_start(&world);
    for (uint32_t i = config.quorum; i <= params.code.n; i++) {
        lose_one();
    }
    ck_assert(world_run(&world, SIZE_MAX));
    for (uint32_t i = 0; i < params.code.n; i++) {
        live += (gone & stream_bit(i)) == 0;
    }
    if (live < config.quorum) {
        ck_assert(world.status == ERR_IO || world.status == ERR_FULL);
    } else {
        ck_assert_int_eq(world.status, OK);
        ck_assert_uint_eq(journal_len, segments());
    }
    commits_hold();
    forget();
}

START_TEST(test_sealer_too_few_streams)
{
    histories(history_too_few_streams, (uint64_t)_i);
}
END_TEST

/* A job that needs all its streams ends with the first error that it was told,
 * once nothing is under way any more. */
static void history_first_error(uint64_t seed)
{
    static const enum mover_action_type types[] = {
        MV_GET_BUF, MV_READ_AT, MV_SEND, MV_FLUSH, MV_WORK, MV_NOTE};
    any_deposit(seed);
    config.quorum = params.code.n;
    boot();
    fault_type = types[seed % 6];
    fault_at = 1 + rng_below(&dice, seed % 6 == 0 ? config.window : 5);
    fault_status = ERR_FULL;
    world_start(&world);
    while (fault_at > 0 && !world_run(&world, 1)) {
    }
    fault_type = types[rng_below(&dice, 6)];
    fault_at = 1 + rng_below(&dice, 2);
    fault_status = ERR_NOMEM;
    ck_assert(world_run(&world, SIZE_MAX));
    ck_assert_int_eq(world.status, world.first_error);
    ck_assert(world.status != OK || journal_len == segments());
    commits_hold();
    forget();
}

START_TEST(test_sealer_first_error)
{
    histories(history_first_error, (uint64_t)_i);
}
END_TEST

/* Canceled at any moment, also before there is a buffer. */
static void history_cancel(uint64_t seed)
{
    any_deposit(seed);
    boot();
    world_start(&world);
    if (!world_run(&world, (size_t)seed)) {
        world_cancel(&world);
        ck_assert(world_run(&world, SIZE_MAX));
        ck_assert_int_eq(world.status, ERR_CANCELED);
    }
    commits_hold();
    forget();
}

START_TEST(test_sealer_cancel)
{
    histories(history_cancel, (uint64_t)_i);
}
END_TEST

/* Canceled before it started: it asks for nothing and ends. */
START_TEST(test_sealer_cancel_before_start)
{
    any_deposit(5);
    boot();
    world_cancel(&world);
    ck_assert(world.ended);
    ck_assert_int_eq(world.status, ERR_CANCELED);
    ck_assert_uint_eq(world.out.len, 1);
    sealer_step(&sealer, &(struct mover_event){.type = MV_START}, &world.out);
    ck_assert_uint_eq(world.out.len, 0);
    forget();
}
END_TEST

/* Cut the streams back to the last commit, which enough of them hold; those
 * that are behind it are lost to the new sealer, before or after it starts. */
static void go_on(void)
{
    uint64_t offset = commit_start(journal_len);
    bool first = rng_below(&dice, 2) == 0;
    uint64_t behind = 0;

    for (uint32_t i = 0; i < params.code.n; i++) {
        struct world_stream *s = &world.streams[i];

        s->lost = false;
        if (s->size < offset) {
            behind |= stream_bit(i);
        } else {
            world_truncate(s, offset);
        }
    }
    boot();
    if (!first) {
        world_start(&world);
    }
    for (uint32_t i = 0; i < params.code.n && !world.ended; i++) {
        if ((behind & stream_bit(i)) != 0) {
            world_lose(&world, i);
        }
    }
    if (first && !world.ended) {
        world_start(&world);
    }
}

static bool streams_to_spare(void)
{
    unsigned live = 0;

    for (uint32_t i = 0; i < params.code.n; i++) {
        live += !world.streams[i].lost;
    }
    return live > config.quorum;
}

/* Power fails, again and again. The journal and the durable bytes are enough
 * to go on, and what is sealed again is sealed under new salts. */
static void history_crash(uint64_t seed)
{
    any_deposit(seed);
    boot();
    world_start(&world);
    for (unsigned i = 0; i < 4; i++) {
        if (i == 1 && streams_to_spare()) {
            lose_one();
        }
        if (!world_run(&world, (size_t)rng_below(&dice, 120))) {
            world_crash(&world);
            commits_hold();
            go_on();
        }
    }
    ends_complete();
    forget();
}

START_TEST(test_sealer_crash)
{
    histories(history_crash, (uint64_t)_i);
}
END_TEST

/* The source ends in the middle of a segment that is sealed as it is read: that
 * attempt is lost, with its salt and its key, and the next one is another. */
START_TEST(test_sealer_source_breaks_off)
{
    static const uint8_t zeros[sizeof(struct chunked)];
    size_t size, left;

    kinds = "r";
    deposit((uint64_t)_i, 4, 7, 1 + (unsigned)_i % 3, (size_t)SMALL * 6);
    size = world.source.size;
    boot();
    world.source.size -= catalogue_size + SMALL + 1 + rng_below(&dice, SMALL);
    left = world.source.size;
    world_start(&world);
    ck_assert(world_run(&world, SIZE_MAX));
    ck_assert_int_eq(world.status, ERR_NOTFOUND);
    ck_assert(tiled[left / SMALL]);
    for (unsigned i = 0; i < config.window; i++) {
        ck_assert_bytes_eq(&sealer.slots[i].sealing.chunked, zeros,
                           sizeof(zeros));
    }
    ck_assert_uint_le(journal_len, left / SMALL);
    commits_hold();
    world.source.size = size;
    go_on();
    ends_complete();
    forget();
}
END_TEST

/* All is committed already: nothing is read, sent or noted. */
START_TEST(test_sealer_nothing_left)
{
    size_t size;

    any_deposit(53);
    boot();
    world_start(&world);
    ends_complete();
    size = world.streams[0].size;
    boot();
    world_start(&world);
    ends_complete();
    ck_assert_uint_eq(world.streams[0].size, size);
    ck_assert_uint_eq(world.events, 1 + config.window);
    forget();
}
END_TEST

/* The actions of one step have room also for the widest code, also when
 * streams are lost. */
START_TEST(test_sealer_widest_code)
{
    static const uint16_t ks[] = {48, 22, 1};

    deposit((uint64_t)_i, ks[_i % 3], 64, SEALER_WINDOW_MAX, (size_t)SMALL * 8);
    config.quorum = _i % 2 == 0 ? 50 : 64;
    boot();
    world_start(&world);
    for (uint32_t i = config.quorum; i < params.code.n; i += 5) {
        lose_one();
    }
    ends_complete();
    ck_assert_uint_ge(world.acts_max, config.quorum);
    ck_assert_uint_lt(world.acts_max, MOVER_ACTS_MAX - 16);
    forget();
}
END_TEST

/* On a real node salts come from the system. */
START_TEST(test_sealer_system_salts)
{
    deposit(1, 1, 2, 2, (size_t)SMALL * 3);
    system_salts = true;
    for (unsigned i = 0; i < SEALER_WINDOW_MAX; i++) {
        rng_init_system(&config.rngs[i]);
    }
    for (unsigned i = 0; i < 2; i++) {
        boot();
        world_start(&world);
        ends_complete();
        journal_len = 0;
        world_truncate(&world.streams[0], LEAF_SIZE);
        world_truncate(&world.streams[1], LEAF_SIZE);
    }
    ck_assert_uint_eq(salts_len, 2 * segments());
    system_salts = false;
    forget();
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("sealer");
    TCase *tc = tcase_create("sealer");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, test_sealer_any_order, 0, 20);
    tcase_add_loop_test(tc, test_sealer_seals_what_it_reads, 0, 6);
    tcase_add_loop_test(tc, test_sealer_source_breaks_off, 0, 12);
    tcase_add_loop_test(tc, test_sealer_slow_stream, 0, 5);
    tcase_add_loop_test(tc, test_sealer_commits_together, 0, 5);
    tcase_add_loop_test(tc, test_sealer_commits_in_time, 0, 5);
    tcase_add_loop_test(tc, test_sealer_streams_are_lost, 0, 20);
    tcase_add_loop_test(tc, test_sealer_too_few_streams, 0, 10);
    tcase_add_loop_test(tc, test_sealer_first_error, 0, 20);
    tcase_add_loop_test(tc, test_sealer_cancel, 0, 15);
    tcase_add_test(tc, test_sealer_cancel_before_start);
    tcase_add_loop_test(tc, test_sealer_crash, 0, 20);
    tcase_add_test(tc, test_sealer_nothing_left);
    tcase_add_loop_test(tc, test_sealer_widest_code, 0, 6);
    tcase_add_test(tc, test_sealer_system_salts);
    suite_add_tcase(s, tc);
    return s;
}
