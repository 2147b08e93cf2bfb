#include <stdlib.h>

#include "replication/mover/rebuilder.h"
#include "replication/mover/sealer.h"
#include "tests/mover_world.h"

#define SMALL      65536U
#define PLACES_MAX 24U

/* A deposit as a sealer made it: |truth| is what it had sent, column by
 * column. The world keeps what there is of it. */
static struct world world;
static struct segment_params params;
static struct sealer sealer;
static struct sealer_config sealing;
static struct rebuilder rebuilder;
static struct rebuilder_config config;
static struct restorer_place places[PLACES_MAX];
static size_t places_len;
static uint8_t *truth[MANIFEST_SHARDS_MAX];
static size_t truth_size;
static struct rng dice;

/* Cells that are missing or damaged, by segment: streams as bits. */
static uint64_t bad[PLACES_MAX];
/* The |fault_at|th action of |fault_type| on a stream of |fault_streams| from
 * now fails; a stream that failed so is lost. */
static enum mover_action_type fault_type;
static uint64_t fault_streams;
static uint64_t fault_at;
static int fault_status;
/* A driver that says less of this stream is durable than it was asked for. */
static uint64_t short_streams;

/* What a rebuilder is seen to do. */
static uint64_t asked_streams; /* Read, as bits. */
static uint64_t gone;          /* The mover knows that they are lost. */
static int last_loss;          /* Of a target. */
static uint64_t flushing;      /* As bits. */
static uint64_t promised[MANIFEST_SHARDS_MAX]; /* By its last flush. */
static unsigned flushes[MANIFEST_SHARDS_MAX], refused[MANIFEST_SHARDS_MAX];
static uint64_t read_bytes, progress, progress_of;
static unsigned reads;
static uint64_t reported; /* As slow, as bits. */

static bool is_target(uint32_t i)
{
    return (config.targets & stream_bit(i)) != 0;
}

static uint64_t all_streams(void)
{
    return params.code.n == 64 ? UINT64_MAX : stream_bit(params.code.n) - 1;
}

/* ---- A deposit. ---- */

static void seal_step(void *mover,
                      const struct mover_event *ev,
                      struct mover_out *out)
{
    sealer_step(mover, ev, out);
}

static void seal_on_ask(void *arg, const struct mover_action *a)
{
    (void)arg;
    if (a->type == MV_NOTE) {
        const struct sealer_commit *commit = a->arg;
        uint64_t offset = LEAF_SIZE;

        if (places_len > 0) {
            const struct restorer_place *p = &places[places_len - 1];

            offset = p->offset + (uint64_t)p->size.leaves * LEAF_SIZE;
        }
        for (unsigned i = 0; i < commit->count; i++) {
            const struct sealer_segment *added = &commit->added[i];

            ck_assert_uint_lt(places_len, PLACES_MAX);
            places[places_len] = (struct restorer_place){
                .segment = places_len,
                .offset = offset,
                .size = {.leaves = added->cell_leaves,
                         .ciphertext_size = added->ciphertext_size}};
            places_len++;
            offset += (uint64_t)added->cell_leaves * LEAF_SIZE;
        }
        ck_assert_uint_eq(places_len, commit->segment + 1);
        ck_assert_uint_eq(offset, commit->offset);
    }
}

static void source_fill(size_t segments)
{
    static uint8_t bytes[SMALL];

    for (size_t i = 0; i < segments; i++) {
        bool random = rng_below(&dice, 2) == 0;

        rng_bytes(&dice, bytes, sizeof(bytes));
        for (size_t j = 0; j < SMALL && !random; j++) {
            bytes[j] &= 0x11;
        }
        world_append(&world.source, bytes,
                     i + 1 < segments ? SMALL
                                      : 1 + (size_t)rng_below(&dice, SMALL));
    }
}

/* The source into n columns. */
static void seal(void)
{
    static const struct digest preambles[MANIFEST_SHARDS_MAX];
    const uint8_t leaf[LEAF_SIZE] = {'p', 'r', 'e'};
    uint8_t bytes[RNG_SEED_SIZE];

    sealing = (struct sealer_config){.params = &params,
                                     .window = 2,
                                     .quorum = params.code.n,
                                     .data_size = world.source.size - 1};
    for (unsigned i = 0; i < sealing.window; i++) {
        rng_bytes(&dice, bytes, sizeof(bytes));
        rng_init_seed(&sealing.rngs[i], bytes);
        ck_assert_int_eq(codec_state_new(&sealing.codecs[i]), OK);
    }
    for (uint32_t i = 0; i < params.code.n; i++) {
        world_append(&world.streams[i], leaf, sizeof(leaf));
    }
    world.step = seal_step;
    world.mover = &sealer;
    world.window = sealing.window;
    world.buffer_size = sealer_buffer_size(&params);
    world.on_ask = seal_on_ask;
    world_boot(&world, rng_below(&dice, UINT32_MAX));
    sealer_init(&sealer, &sealing, preambles, NULL);
    sealer_catalogue(&sealer, 1);
    world_start(&world);
    ck_assert(world_run(&world, SIZE_MAX));
    ck_assert_int_eq(world.status, OK);
    for (unsigned i = 0; i < sealing.window; i++) {
        codec_state_free(sealing.codecs[i]);
    }
}

static void truth_take(void)
{
    truth_size = world.streams[0].size;
    for (uint32_t i = 0; i < params.code.n; i++) {
        ck_assert_uint_eq(world.streams[i].size, truth_size);
        truth[i] = malloc(truth_size);
        ck_assert_ptr_nonnull(truth[i]);
        memcpy(truth[i], world.streams[i].bytes, truth_size);
    }
}

/* ---- A rebuilder. ---- */

/* A flush need not cover more than what the target had taken, and the mover
 * been told of, when it was asked for; nor does it where the driver lies. */
static void step(void *mover,
                 const struct mover_event *ev,
                 struct mover_out *out)
{
    struct mover_event told = *ev;

    if (ev->type == MV_DURABLE && ev->status == OK) {
        ck_assert_uint_ge(ev->off, promised[ev->stream]);
        told.off = promised[ev->stream];
        if ((short_streams & stream_bit(ev->stream)) != 0) {
            told.off -= LEAF_SIZE;
        }
    }
    rebuilder_step(mover, &told, out);
}

static void flush_is_fair(const struct mover_action *a)
{
    uint64_t taken = world.streams[a->stream].size;

    ck_assert(is_target(a->stream));
    ck_assert_uint_eq(flushing & stream_bit(a->stream), 0);
    flushing |= stream_bit(a->stream);
    flushes[a->stream]++;
    for (size_t i = 0; i < world.ops_len; i++) {
        const struct mover_action *b = &world.ops[i].act;

        if (b->type == MV_SEND && b->stream == a->stream && b->off < taken) {
            taken = b->off;
        }
    }
    ck_assert_uint_gt(taken, promised[a->stream]);
    promised[a->stream] = taken;
}

static void read_is_fair(const struct mover_action *a)
{
    const struct restorer_place *place = &places[a->id];
    uint64_t end = place->offset + (uint64_t)place->size.leaves * LEAF_SIZE;

    ck_assert_uint_lt(a->id, places_len);
    ck_assert_uint_ne(config.holders & stream_bit(a->stream), 0);
    ck_assert_uint_ge(a->off, place->offset);
    ck_assert_uint_eq(a->off % LEAF_SIZE, 0);
    ck_assert_uint_gt(a->len, 0);
    ck_assert_uint_eq(a->off + a->len, end);
    asked_streams |= stream_bit(a->stream);
    read_bytes += a->len;
    reads++;
}

static void send_is_true(const struct mover_action *a)
{
    ck_assert(is_target(a->stream));
    ck_assert_uint_le(a->off + a->bytes.size, truth_size);
    ck_assert_bytes_eq(a->bytes.data, truth[a->stream] + a->off, a->bytes.size);
}

static void on_ask(void *arg, const struct mover_action *a)
{
    (void)arg;
    if (a->type == MV_READ_AT || a->type == MV_SEND || a->type == MV_FLUSH) {
        ck_assert_uint_eq(gone & stream_bit(a->stream), 0);
    }
    if (a->type == MV_READ_AT) {
        read_is_fair(a);
    } else if (a->type == MV_SEND) {
        send_is_true(a);
    } else if (a->type == MV_FLUSH) {
        flush_is_fair(a);
    } else if (a->type == MV_SLOW) {
        ck_assert_uint_eq(reported & stream_bit(a->stream), 0);
        reported |= stream_bit(a->stream);
    } else if (a->type == MV_PROGRESS) {
        ck_assert_uint_ge(a->off, progress);
        progress = a->off;
        progress_of = a->len;
    }
}

static int on_do(void *arg, const struct mover_action *a)
{
    bool of_stream = a->type == MV_SEND || a->type == MV_FLUSH;

    (void)arg;
    if (a->type == fault_type && fault_at > 0 &&
        (!of_stream || (fault_streams & stream_bit(a->stream)) != 0) &&
        --fault_at == 0) {
        if (of_stream) {
            world.streams[a->stream].lost = true;
        }
        return fault_status;
    }
    if (a->type == MV_READ_AT && (bad[a->id] & stream_bit(a->stream)) != 0) {
        return a->id % 2 == 0 ? ERR_MISMATCH : ERR_NOTFOUND;
    }
    return OK;
}

static void on_tell(void *arg, const struct mover_event *ev)
{
    bool fails = ev->type == MV_LOST;

    (void)arg;
    if (ev->type == MV_DURABLE) {
        flushing &= ~stream_bit(ev->stream);
    }
    if (ev->type == MV_DURABLE || ev->type == MV_SENT) {
        fails = ev->status != OK;
    }
    if (ev->type == MV_READ && ev->status != OK && ev->status != ERR_CANCELED) {
        refused[ev->stream]++;
    }
    if (fails && is_target(ev->stream) &&
        (gone & stream_bit(ev->stream)) == 0) {
        last_loss = ev->status;
    }
    if (fails) {
        gone |= stream_bit(ev->stream);
    }
}

static void boot(void)
{
    world.step = step;
    world.mover = &rebuilder;
    world.window = config.window;
    world.buffer_size = rebuilder_buffer_size(&config);
    world.on_ask = on_ask;
    world.on_do = on_do;
    world.on_tell = on_tell;
    for (uint32_t i = 0; i < params.code.n; i++) {
        world.streams[i].lost = false;
    }
    world_boot(&world, rng_below(&dice, UINT32_MAX));
    rebuilder_init(&rebuilder, &config);
    fault_at = 0;
    fault_streams = all_streams();
    short_streams = 0;
    asked_streams = gone = flushing = read_bytes = 0;
    for (uint32_t i = 0; i < params.code.n; i++) {
        promised[i] = config.leaves[i] * LEAF_SIZE;
    }
    progress = progress_of = 0;
    reads = 0;
    reported = 0;
    last_loss = OK;
    memset(flushes, 0, sizeof(flushes));
    memset(refused, 0, sizeof(refused));
}

/* Column |i| is there up to |leaves|. */
static void column_cut(uint32_t i, uint64_t leaves)
{
    world_truncate(&world.streams[i], 0);
    world_append(&world.streams[i], truth[i], (size_t)leaves * LEAF_SIZE);
    config.leaves[i] = leaves;
}

/* These columns are to be filled; they end at any leaf after the preamble, most
 * of them early. */
static void targets_are(uint64_t targets)
{
    config.targets = targets;
    config.holders &= ~targets;
    for (uint32_t i = 0; i < params.code.n; i++) {
        if (is_target(i)) {
            uint64_t most = rng_below(&dice, truth_size / LEAF_SIZE) + 1;

            column_cut(i, rng_below(&dice, most) + 1);
        }
    }
}

static void deposit(uint64_t seed,
                    uint16_t k,
                    uint16_t n,
                    unsigned window,
                    size_t segments)
{
    uint8_t bytes[RNG_SEED_SIZE] = {'d', 'i', 'c', 'e'};

    u64le_store(bytes + 8, seed);
    rng_init_seed(&dice, bytes);
    rng_bytes(&dice, &params.key, sizeof(params.key));
    ck_assert_int_eq(erasure_init(&params.code, k, n), OK);
    params.segment_size = SMALL;
    params.codec = CODEC_CHOOSE_AUTO;
    places_len = 0;
    memset(bad, 0, sizeof(bad));
    source_fill(segments);
    seal();
    truth_take();
    config = (struct rebuilder_config){.code = &params.code,
                                       .window = window,
                                       .places = places,
                                       .places_len = places_len,
                                       .holders = all_streams()};
}

static void forget(void)
{
    for (uint32_t i = 0; i < params.code.n; i++) {
        free(truth[i]);
        truth[i] = NULL;
    }
    world_free(&world);
}

/* |count| random streams of |of|. */
static uint64_t streams_choose(uint64_t of, unsigned count)
{
    unsigned left = (unsigned)__builtin_popcountll(of);
    uint64_t bits = 0;

    for (uint32_t i = 0; i < params.code.n; i++) {
        if ((of & stream_bit(i)) != 0 && rng_below(&dice, left--) < count) {
            bits |= stream_bit(i);
            count--;
        }
    }
    return bits;
}

/* Any code, window and length; some columns lack something, and the others may
 * be read. */
static void any_deposit(uint64_t seed)
{
    static const uint16_t codes[][2] = {{1, 2}, {4, 7}, {3, 5}};
    static const size_t lens[] = {1, 2, 5, 9};
    const uint16_t *code = codes[seed % 3];

    deposit(seed, code[0], code[1], 1 + (unsigned)(seed / 3 % 4),
            lens[seed / 12 % 4]);
    targets_are(streams_choose(
        all_streams(),
        1 + (unsigned)rng_below(&dice, (uint64_t)(code[1] - code[0]))));
}

/* What was filled is what the sealer had sent, and durable; of the others there
 * is a part of it. */
static void columns_are_true(uint64_t filled)
{
    ck_assert_uint_eq(rebuilder_filled(&rebuilder), filled);
    for (uint32_t i = 0; i < params.code.n; i++) {
        const struct world_stream *s = &world.streams[i];

        ck_assert_uint_le(s->size, truth_size);
        ck_assert_bytes_eq(s->bytes, truth[i], s->size);
        ck_assert_uint_eq(rebuilder.fetcher.holders.errors[i], refused[i]);
        if ((filled & stream_bit(i)) != 0) {
            ck_assert_uint_eq(s->durable, truth_size);
        }
    }
}

static void ends(int status, uint64_t filled)
{
    ck_assert(world_run(&world, SIZE_MAX));
    ck_assert_int_eq(world.status, status);
    columns_are_true(filled);
}

static void ends_complete(void)
{
    ends(OK, config.targets);
    ck_assert_uint_eq(progress, progress_of);
}

/* Several seeds in one process, because a fork takes longer than a history.
 * The loop index replays them. */
static void histories(void (*history)(uint64_t seed), uint64_t batch)
{
    for (uint64_t seed = batch * 10; seed < (batch + 1) * 10; seed++) {
        history(seed);
        forget();
    }
}

/* ---- The stories. ---- */

/* Every choice of k of n columns fills all others, whatever the order of
 * answers and wherever they ended. */
START_TEST(test_rebuilder_every_k)
{
    unsigned choices = 0;

    deposit((uint64_t)_i, 4, 7, 1 + (unsigned)_i, 6);
    for (uint64_t holders = 0; holders < 128; holders++) {
        if (__builtin_popcountll(holders) != 4) {
            continue;
        }
        for (uint32_t i = 0; i < 7; i++) {
            column_cut(i, truth_size / LEAF_SIZE);
        }
        config.holders = holders;
        targets_are(127 & ~holders);
        boot();
        world_start(&world);
        ends_complete();
        ck_assert_uint_eq(asked_streams & ~holders, 0);
        choices++;
    }
    ck_assert_uint_eq(choices, 35);
    forget();
}
END_TEST

/* Any columns of any code, from the first leaf on; nothing is sent that was
 * there already, and no more read than the one that lacks most asks for. */
static void history_any_columns(uint64_t seed)
{
    uint64_t first;

    any_deposit(seed);
    first = truth_size;
    for (uint32_t i = 0; i < params.code.n; i++) {
        uint64_t leaves;

        if (!is_target(i)) {
            continue;
        }
        leaves = seed % 2 == 0 ? 1 : config.leaves[i];
        column_cut(i, leaves);
        first = leaves * LEAF_SIZE < first ? leaves * LEAF_SIZE : first;
    }
    boot();
    world_start(&world);
    ends_complete();
    ck_assert_uint_eq(read_bytes, params.code.k * (truth_size - first));
}

START_TEST(test_rebuilder_any_columns)
{
    histories(history_any_columns, (uint64_t)_i);
}
END_TEST

/* Cells of holders are missing or damaged, others in each segment, and a holder
 * is slow: while k of each segment are good, all is filled. */
static void history_bad_cells(uint64_t seed)
{
    unsigned spare;

    any_deposit(seed);
    spare = (unsigned)__builtin_popcountll(config.holders) - params.code.k;
    for (size_t i = 0; i < places_len; i++) {
        bad[i] = streams_choose(config.holders, spare);
    }
    world.streams[seed % params.code.n].delay_ms =
        (uint64_t)3 * FETCHER_REST_MS;
    boot();
    world_start(&world);
    ends_complete();
}

START_TEST(test_rebuilder_bad_cells)
{
    histories(history_bad_cells, (uint64_t)_i);
}
END_TEST

/* Holders go away half-way, with reads under way. All but k can be spared; one
 * more cannot, unless all was read before. */
static void history_holders_are_lost(uint64_t seed)
{
    unsigned spare;
    uint64_t lost;

    any_deposit(seed);
    spare = (unsigned)__builtin_popcountll(config.holders) - params.code.k;
    lost = streams_choose(config.holders, spare + (seed % 4 == 3 ? 1U : 0U));
    boot();
    world_start(&world);
    for (uint32_t i = 0; i < params.code.n; i++) {
        if ((lost & stream_bit(i)) != 0 &&
            !world_run(&world, (size_t)rng_below(&dice, 30))) {
            world_lose(&world, i);
        }
    }
    ck_assert(world_run(&world, SIZE_MAX));
    if (seed % 4 != 3 || world.status == OK) {
        ends_complete();
    } else {
        ends(ERR_NOTFOUND, rebuilder_filled(&rebuilder));
    }
}

START_TEST(test_rebuilder_holders_are_lost)
{
    histories(history_holders_are_lost, (uint64_t)_i);
}
END_TEST

/* One segment has fewer than k good cells: the job says so, and nothing that
 * comes after it was sent. */
static void history_too_few_cells(uint64_t seed)
{
    unsigned holders;
    size_t at;

    any_deposit(seed);
    at = (size_t)rng_below(&dice, places_len);
    holders = (unsigned)__builtin_popcountll(config.holders);
    bad[at] = streams_choose(config.holders, holders - params.code.k + 1);
    for (uint32_t i = 0; i < params.code.n; i++) {
        if (is_target(i)) {
            column_cut(i, 1);
        }
    }
    boot();
    world_start(&world);
    ends(ERR_NOTFOUND, 0);
    for (uint32_t i = 0; i < params.code.n; i++) {
        if (is_target(i)) {
            ck_assert_uint_le(world.streams[i].size, places[at].offset);
        }
    }
}

START_TEST(test_rebuilder_too_few_cells)
{
    histories(history_too_few_cells, (uint64_t)_i);
}
END_TEST

/* There were never k holders, or none at all. */
START_TEST(test_rebuilder_too_few_holders)
{
    for (unsigned holders = 0; holders < 4; holders++) {
        deposit(7, 4, 7, 2, 3);
        column_cut(6, 1);
        config.targets = 0x40;
        config.holders = (1U << holders) - 1;
        boot();
        world_start(&world);
        ends(ERR_NOTFOUND, 0);
        ck_assert_uint_eq(world.streams[6].size, LEAF_SIZE);
        forget();
    }
}
END_TEST

/* A target is lost half-way, for itself or by a send or flush that fails: the
 * others are filled all the same. */
static void history_target_is_lost(uint64_t seed)
{
    static const enum mover_action_type types[] = {MV_END, MV_SEND, MV_FLUSH};
    uint32_t lost = (uint32_t)(seed / 3 % 7);
    uint64_t others;

    deposit(seed, 3, 7, 1 + (unsigned)(seed % 4), 9);
    targets_are(stream_bit(lost) | stream_bit((lost + 1) % 7) |
                stream_bit((lost + 3) % 7));
    column_cut(lost, 1);
    others = config.targets & ~stream_bit(lost);
    boot();
    fault_type = types[seed % 3];
    fault_streams = stream_bit(lost);
    fault_at = fault_type == MV_SEND ? 1 + rng_below(&dice, places_len) : 1;
    fault_status = ERR_FULL;
    world_start(&world);
    if (fault_type == MV_END &&
        !world_run(&world, (size_t)rng_below(&dice, 40))) {
        world_lose(&world, lost);
    }
    ends(OK, others);
    ck_assert_uint_eq(gone, stream_bit(lost));
    ck_assert_uint_eq(progress, progress_of);
}

START_TEST(test_rebuilder_target_is_lost)
{
    histories(history_target_is_lost, (uint64_t)_i);
}
END_TEST

/* All targets are lost, one after the other: the error of the last. */
static void history_targets_are_lost(uint64_t seed)
{
    deposit(seed, 3, 5, 1 + (unsigned)(seed % 4), 9);
    config.targets = 0x11;
    config.holders = 0x0e;
    column_cut(0, 1);
    column_cut(4, 1 + seed % 3);
    boot();
    fault_type = MV_SEND;
    fault_streams = 0x01;
    fault_at = 1 + rng_below(&dice, places_len);
    fault_status = ERR_FULL;
    world_start(&world);
    ck_assert(!world_run(&world, (size_t)rng_below(&dice, 40)));
    world_lose(&world, 4);
    ck_assert(world_run(&world, SIZE_MAX));
    ends(last_loss, 0);
    ck_assert_uint_eq(gone, 0x11);
}

START_TEST(test_rebuilder_targets_are_lost)
{
    int seen[2] = {0};

    for (uint64_t seed = 1; seed < 30; seed++) {
        history_targets_are_lost(seed);
        seen[last_loss == ERR_FULL]++;
        forget();
    }
    ck_assert(seen[0] > 0 && seen[1] > 0);
}
END_TEST

/* A target that was filled and then lost stays filled, and the job ends well
 * although the other one fails. */
START_TEST(test_rebuilder_filled_then_lost)
{
    deposit(8, 3, 5, 2, 5);
    config.targets = 0x11;
    config.holders = 0x0e;
    column_cut(0, truth_size / LEAF_SIZE - 1);
    column_cut(4, 1);
    /* Its last leaf comes with the last cell of the other one. */
    world.streams[4].delay_ms = 100000;
    boot();
    world_start(&world);
    while (rebuilder_filled(&rebuilder) == 0) {
        ck_assert(!world_run(&world, 1));
    }
    ck_assert(!world.ended);
    world_lose(&world, 0);
    ck_assert(!world.ended);
    world_lose(&world, 4);
    ends(OK, 0x01);
    forget();
}
END_TEST

/* A driver that answers a flush with less than was asked for has lost the
 * stream: nothing is called durable that is not. */
START_TEST(test_rebuilder_short_flush)
{
    deposit(9, 3, 5, 2, 5);
    targets_are(0x11);
    column_cut(0, 1);
    boot();
    short_streams = 0x01;
    world_start(&world);
    ends(OK, 0x10);
    forget();

    deposit(9, 3, 5, 2, 5);
    targets_are(0x01);
    column_cut(0, 1);
    boot();
    short_streams = 0x01;
    world_start(&world);
    ends(ERR_IO, 0);
    forget();
}
END_TEST

/* A buffer or a worker fails: the job ends with that, once nothing is under way
 * any more. */
static void history_faults(uint64_t seed)
{
    any_deposit(seed);
    for (uint32_t i = 0; i < params.code.n; i++) {
        if (is_target(i)) {
            column_cut(i, 1);
        }
    }
    boot();
    fault_type = seed % 2 == 0 ? MV_GET_BUF : MV_WORK;
    fault_at = 1 + rng_below(&dice, seed % 2 == 0 ? config.window : places_len);
    fault_status = ERR_NOMEM;
    world_start(&world);
    ck_assert(world_run(&world, SIZE_MAX));
    ck_assert_uint_eq(fault_at, 0);
    ends(ERR_NOMEM, 0);
}

START_TEST(test_rebuilder_faults)
{
    histories(history_faults, (uint64_t)_i);
}
END_TEST

/* Canceled at any moment, also before there is a buffer. */
static void history_cancel(uint64_t seed)
{
    any_deposit(seed);
    boot();
    world_start(&world);
    if (!world_run(&world, (size_t)(seed * 3 / 2))) {
        world_cancel(&world);
        ck_assert(world_run(&world, SIZE_MAX));
        ends(ERR_CANCELED, rebuilder_filled(&rebuilder));
    }
}

START_TEST(test_rebuilder_cancel)
{
    histories(history_cancel, (uint64_t)_i);
}
END_TEST

/* Canceled before it started: it asks for nothing and ends. */
START_TEST(test_rebuilder_cancel_before_start)
{
    any_deposit(5);
    boot();
    world_cancel(&world);
    ck_assert(world.ended);
    ck_assert_int_eq(world.status, ERR_CANCELED);
    rebuilder_step(&rebuilder, &(struct mover_event){.type = MV_START},
                   &world.out);
    ck_assert_uint_eq(world.out.len, 0);
    forget();
}
END_TEST

/* A cancel while a segment waits for its last reads, after it was found that
 * they cannot be enough: the first reason stands. */
START_TEST(test_rebuilder_first_reason)
{
    deposit(1, 3, 7, 1, 1);
    targets_are(0x01);
    column_cut(0, 1);
    bad[0] = 0x3e;
    world.streams[6].delay_ms = (uint64_t)1 << 40;
    boot();
    world_start(&world);
    while (rebuilder.status == OK) {
        ck_assert(!world_run(&world, 1));
    }
    ck_assert(!world.ended);
    world_cancel(&world);
    ck_assert(!world.ended);
    ends(ERR_NOTFOUND, 0);
    forget();
}
END_TEST

/* Power fails again and again; each run goes on after what is durable. */
static void history_crashes(uint64_t seed)
{
    any_deposit(seed);
    for (unsigned runs = 0; runs < 4; runs++) {
        boot();
        world_start(&world);
        if (world_run(&world, (size_t)rng_below(&dice, 200))) {
            break;
        }
        world_crash(&world);
        for (uint32_t i = 0; i < params.code.n; i++) {
            if (is_target(i)) {
                ck_assert_uint_le(world.streams[i].told, world.streams[i].size);
                column_cut(i, world.streams[i].size / LEAF_SIZE);
            }
        }
    }
    if (!world.ended) {
        boot();
        world_start(&world);
    }
    ends_complete();
}

START_TEST(test_rebuilder_crashes)
{
    histories(history_crashes, (uint64_t)_i);
}
END_TEST

/* Progress survives: flushes on the way, but not after each cell. */
START_TEST(test_rebuilder_flushes)
{
    deposit((uint64_t)_i, 3, 5, 1 + (unsigned)_i, 20);
    targets_are(0x03);
    column_cut(0, 1);
    column_cut(1, 1);
    boot();
    world_start(&world);
    ends_complete();
    for (uint32_t i = 0; i < 2; i++) {
        ck_assert_uint_ge(flushes[i], places_len / REBUILDER_FLUSH_SEGMENTS);
        ck_assert_uint_le(flushes[i],
                          places_len / REBUILDER_FLUSH_SEGMENTS + 2);
    }
    forget();
}
END_TEST

/* Answer what was asked without doing it; returns how many flushes were
 * asked. */
static unsigned answer_all(struct mover_out *out, uint8_t *mem, size_t size)
{
    static struct mover_event events[MOVER_ACTS_MAX];
    unsigned asked = 0;
    size_t len = 0;

    for (size_t i = 0; i < out->len; i++) {
        const struct mover_action *a = &out->acts[i];
        struct mover_event ev = {
            .stream = a->stream, .id = a->id, .off = a->off, .len = a->len};

        if (a->type == MV_GET_BUF) {
            ev.type = MV_BUF;
            ev.mem = mem;
            ev.len = size;
        } else if (a->type == MV_READ_AT) {
            ev.type = MV_READ;
        } else if (a->type == MV_WORK) {
            ev.type = MV_WORKED;
        } else if (a->type == MV_SEND) {
            ev.type = MV_SENT;
        } else {
            asked += a->type == MV_FLUSH;
            continue; /* A flush is not answered here. */
        }
        events[len++] = ev;
    }
    ck_assert_uint_eq(len, 1); /* One holder, one target, one slot. */
    rebuilder_step(&rebuilder, &events[0], out);
    return asked;
}

/* Large cells are flushed sooner. The memory is never touched. */
START_TEST(test_rebuilder_flushes_large_cells)
{
    static struct mover_out out;
    const uint32_t leaves = (uint32_t)(REBUILDER_FLUSH_BYTES / 2 / LEAF_SIZE);
    unsigned flushed = 0;
    unsigned steps = 1;
    size_t size;
    uint8_t *mem;

    ck_assert_int_eq(erasure_init(&params.code, 1, 2), OK);
    for (uint64_t i = 0; i < 5; i++) {
        places[i] = (struct restorer_place){
            .segment = i,
            .offset = LEAF_SIZE + i * leaves * LEAF_SIZE,
            .size = {.leaves = leaves, .ciphertext_size = 1}};
    }
    config = (struct rebuilder_config){.code = &params.code,
                                       .window = 1,
                                       .places = places,
                                       .places_len = 5,
                                       .holders = 1,
                                       .targets = 2};
    config.leaves[1] = 1;
    size = rebuilder_buffer_size(&config);
    ck_assert_uint_eq(size, REBUILDER_FLUSH_BYTES);
    mem = malloc(size);
    rebuilder_init(&rebuilder, &config);
    rebuilder_step(&rebuilder, &(struct mover_event){.type = MV_START}, &out);
    /* A buffer; then read, rebuild and send twice. */
    for (; steps <= 1 + 2 * 3; steps++) {
        ck_assert_uint_eq(flushed, 0);
        ck_assert_uint_eq(answer_all(&out, mem, size), 0);
        for (size_t i = 0; i < out.len; i++) {
            flushed += out.acts[i].type == MV_FLUSH;
        }
    }
    ck_assert_uint_eq(flushed, 1);
    free(mem);
}
END_TEST

/* Targets that hold all cells already, one of them also a part of the table:
 * they are filled, and nothing is asked. */
START_TEST(test_rebuilder_nothing_lacks)
{
    deposit(4, 3, 5, 2, 2);
    config.targets = 0x11;
    config.holders = 0;
    config.leaves[0] = truth_size / LEAF_SIZE;
    config.leaves[4] = truth_size / LEAF_SIZE + 1;
    boot();
    world_start(&world);
    ck_assert(world.ended);
    ends(OK, 0x11);
    forget();
}
END_TEST

/* Data cells are asked for while they come; a holder that failed is left alone
 * for a while, then tried again. */
START_TEST(test_rebuilder_prefers)
{
    deposit(5, 3, 6, 1, 5);
    config.targets = 0x20;
    config.holders = 0x1f;
    column_cut(5, 1);
    boot();
    world_start(&world);
    ends_complete();
    ck_assert_uint_eq(asked_streams, 0x07);

    column_cut(5, 1);
    bad[0] = 0x02;
    boot();
    world_start(&world);
    while (refused[1] == 0) {
        ck_assert(!world_run(&world, 1));
    }
    asked_streams = 0;
    while (world.streams[5].size < places[2].offset) {
        ck_assert(!world_run(&world, 1));
    }
    ck_assert_uint_eq(asked_streams & 0x02, 0);
    world.now_ms += FETCHER_REST_MS;
    ends_complete();
    ck_assert_uint_ne(asked_streams & 0x02, 0);
    forget();
}
END_TEST

/* Of the others, the one that answers fastest. */
START_TEST(test_rebuilder_prefers_the_fast)
{
    deposit(6, 1, 5, 1, 9);
    config.targets = 0x01;
    config.holders = 0x1e;
    column_cut(0, 1);
    world.streams[1].delay_ms = world.streams[3].delay_ms = 1 << 20;
    world.streams[2].delay_ms = 1 << 20;
    boot();
    world_start(&world);
    while (world.streams[0].size < places[4].offset) { /* Each was tried. */
        ck_assert(!world_run(&world, 1));
    }
    asked_streams = 0;
    ends_complete();
    ck_assert_uint_eq(asked_streams, 0x10);
    forget();
}
END_TEST

/* A holder that gives next to nothing, and what a job takes that waits for no
 * one: each of its steps some 20 ms. */
#define DRIP_MS  ((uint64_t)1 << 40)
#define BRISK_MS 8000U

/* Holders drip, and others do what they left undone: a few cells more are read
 * than without, one wait for each of them is all that is lost, and people hear
 * who it was. */
START_TEST(test_rebuilder_holders_drip)
{
    static const uint64_t drips[] = {0x01, 0x02, 0x08, 0x05, 0x12};
    uint64_t drip = drips[_i];
    unsigned drip_len = (unsigned)__builtin_popcountll(drip);
    unsigned window = 1 + 3 * (unsigned)(_i % 2);
    uint64_t begin_ms;

    deposit((uint64_t)_i, 4, 8, window, 12);
    targets_are(0xc0);
    column_cut(7, 1);
    for (uint32_t i = 0; i < 8; i++) {
        world.streams[i].least_ms = (drip & stream_bit(i)) != 0 ? DRIP_MS : 0;
    }
    boot();
    world.drops = true;
    begin_ms = world.now_ms;
    world_start(&world);
    ends_complete();
    ck_assert_uint_ge(world.now_ms - begin_ms, HOLDERS_LATE_MS);
    ck_assert_uint_le(world.now_ms - begin_ms,
                      (drip_len + 1) * HOLDERS_LATE_MS + BRISK_MS);
    ck_assert_uint_gt(reads, places_len * 4);
    ck_assert_uint_le(reads, places_len * 4 + (size_t)window * drip_len);
    ck_assert_uint_ne(reported, 0);
    ck_assert_uint_eq(reported & ~drip, 0);
    forget();
}
END_TEST

/* Nobody is left to send to while a holder drips: its cell is not waited for.
 */
START_TEST(test_rebuilder_target_is_lost_while_one_drips)
{
    uint64_t begin_ms;

    deposit(3, 4, 7, 2, 9);
    targets_are(0x40);
    column_cut(6, 1);
    world.streams[1].least_ms = DRIP_MS;
    boot();
    world.drops = true;
    begin_ms = world.now_ms;
    world_start(&world);
    ck_assert(!world_run(&world, 8));
    world_lose(&world, 6);
    ends(ERR_IO, 0);
    ck_assert_uint_lt(world.now_ms - begin_ms, HOLDERS_LATE_MS);
    forget();
}
END_TEST

/* The only others are away for a while, and come back. */
static uint64_t back_ms;

static int on_do_away(void *arg, const struct mover_action *a)
{
    if (a->type == MV_READ_AT && a->stream >= 3 && world.now_ms < back_ms) {
        return ERR_IO;
    }
    return on_do(arg, a);
}

START_TEST(test_rebuilder_holders_come_back)
{
    deposit(3, 4, 7, 2, 5);
    targets_are(0x40);
    column_cut(6, 1);
    boot();
    world.on_do = on_do_away;
    back_ms = world.now_ms + 10000;
    world_start(&world);
    ends_complete();
    forget();
}
END_TEST

/* The actions of one step have room also for the widest code, and for the one
 * with most targets. */
START_TEST(test_rebuilder_widest_code)
{
    uint16_t k = _i % 2 == 0 ? 48 : 1;

    deposit((uint64_t)_i, k, 64, REBUILDER_WINDOW_MAX, 12);
    targets_are(streams_choose(UINT64_MAX, 64U - k));
    boot();
    world_start(&world);
    ends_complete();
    ck_assert_uint_lt(world.acts_max, MOVER_ACTS_MAX - 16);
    forget();
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("rebuilder");
    TCase *tc = tcase_create("rebuilder");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, test_rebuilder_every_k, 0, 2);
    tcase_add_loop_test(tc, test_rebuilder_any_columns, 0, 6);
    tcase_add_loop_test(tc, test_rebuilder_bad_cells, 0, 6);
    tcase_add_loop_test(tc, test_rebuilder_holders_are_lost, 0, 6);
    tcase_add_loop_test(tc, test_rebuilder_too_few_cells, 0, 3);
    tcase_add_test(tc, test_rebuilder_too_few_holders);
    tcase_add_loop_test(tc, test_rebuilder_target_is_lost, 0, 6);
    tcase_add_test(tc, test_rebuilder_targets_are_lost);
    tcase_add_test(tc, test_rebuilder_filled_then_lost);
    tcase_add_test(tc, test_rebuilder_short_flush);
    tcase_add_loop_test(tc, test_rebuilder_faults, 0, 3);
    tcase_add_loop_test(tc, test_rebuilder_cancel, 0, 8);
    tcase_add_test(tc, test_rebuilder_cancel_before_start);
    tcase_add_test(tc, test_rebuilder_first_reason);
    tcase_add_loop_test(tc, test_rebuilder_crashes, 0, 5);
    tcase_add_loop_test(tc, test_rebuilder_flushes, 0, 4);
    tcase_add_test(tc, test_rebuilder_flushes_large_cells);
    tcase_add_test(tc, test_rebuilder_nothing_lacks);
    tcase_add_test(tc, test_rebuilder_prefers);
    tcase_add_test(tc, test_rebuilder_prefers_the_fast);
    tcase_add_loop_test(tc, test_rebuilder_holders_drip, 0, 5);
    tcase_add_test(tc, test_rebuilder_target_is_lost_while_one_drips);
    tcase_add_test(tc, test_rebuilder_holders_come_back);
    tcase_add_loop_test(tc, test_rebuilder_widest_code, 0, 2);
    suite_add_tcase(s, tc);
    return s;
}
