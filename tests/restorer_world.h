#ifndef CAIRN_TESTS_RESTORER_WORLD_H
#define CAIRN_TESTS_RESTORER_WORLD_H

#include <stdlib.h>

#include "replication/mover/restorer.h"
#include "tests/mover_world.h"

/* A restorer in a world of movers; included once by each suite that drives
 * it. */

#define SMALL      65536U
#define PLACES_MAX 16U

/* A sealed model as n shards, which the world keeps; world.source is the
 * plaintext that must come out. */
static struct world world;
static struct segment_params params;
static struct restorer restorer;
static struct restorer_config config;
static struct restorer_place places[PLACES_MAX];
static size_t places_len;
static size_t plain_at[PLACES_MAX + 1]; /* By segment, in world.source. */
static struct rng dice;

/* Cells that are missing or damaged, by segment: streams as bits. */
static uint64_t bad[PLACES_MAX];
static int bad_status;
/* The |fault_at|th action of |fault_type| from now fails. */
static enum mover_action_type fault_type;
static uint64_t fault_at;
static int fault_status;

/* What a restorer is seen to do. */
static size_t sent;                            /* Places handed out. */
static uint64_t asked_streams;                 /* As bits. */
static unsigned reads;                         /* Asked for. */
static unsigned reported[MANIFEST_SHARDS_MAX]; /* As slow. */
static uint64_t gone;                          /* Lost, as bits. */
static unsigned refused[MANIFEST_SHARDS_MAX];

static void step(void *mover,
                 const struct mover_event *ev,
                 struct mover_out *out)
{
    restorer_step(mover, ev, out);
}

static void on_ask(void *arg, const struct mover_action *a)
{
    (void)arg;
    if (a->type == MV_READ_AT) {
        ck_assert_uint_ne(config.streams & stream_bit(a->stream), 0);
        ck_assert_uint_eq(gone & stream_bit(a->stream), 0);
        asked_streams |= stream_bit(a->stream);
        reads++;
    } else if (a->type == MV_SLOW) {
        reported[a->stream]++;
    }
}

/* Plaintext comes in order, each segment once, and is what was sealed. */
static void plain_is_next(const struct mover_action *a)
{
    size_t i = (size_t)config.places[sent].segment;

    ck_assert_uint_lt(sent, config.places_len);
    ck_assert_uint_eq(a->stream, MOVER_SOURCE);
    ck_assert_uint_eq(a->id, i);
    ck_assert_uint_eq(a->bytes.size, plain_at[i + 1] - plain_at[i]);
    ck_assert_bytes_eq(a->bytes.data, world.source.bytes + plain_at[i],
                       a->bytes.size);
    sent++;
}

static int on_do(void *arg, const struct mover_action *a)
{
    (void)arg;
    if (a->type == fault_type && fault_at > 0 && --fault_at == 0) {
        return fault_status;
    }
    if (a->type == MV_READ_AT && (bad[a->id] & stream_bit(a->stream)) != 0) {
        return bad_status;
    }
    if (a->type == MV_SEND) {
        plain_is_next(a);
    }
    return OK;
}

static void on_tell(void *arg, const struct mover_event *ev)
{
    (void)arg;
    if (ev->type == MV_READ && ev->status != OK && ev->status != ERR_CANCELED) {
        refused[ev->stream]++;
    }
    if (ev->type == MV_LOST) {
        gone |= stream_bit(ev->stream);
    }
}

/* Seal one more segment of |size| bytes and append its cells. */
static void segment_add(size_t size, bool random)
{
    size_t room_size = segment_room_size(params.code.k, params.code.n, SMALL);
    struct restorer_place *place = &places[places_len];
    struct segment_room room;
    struct segment_result res;
    uint8_t *mem = aligned_alloc(64, room_size);

    ck_assert(mem != NULL && places_len < PLACES_MAX);
    segment_room_init(&room, params.code.k, params.code.n, SMALL, mem);
    rng_bytes(&dice, room.plain, size);
    for (size_t i = 0; i < size && !random; i++) {
        room.plain[i] &= 0x11;
    }
    world_append(&world.source, room.plain, size);
    ck_assert_int_eq(segment_seal(&params, config.codecs[0], &dice, places_len,
                                  size, &room, &res),
                     OK);
    place->segment = places_len;
    place->offset = world.streams[0].size;
    place->size.leaves = res.cell_leaves;
    place->size.ciphertext_size = res.ciphertext_size;
    for (uint16_t i = 0; i < params.code.n; i++) {
        world_append(&world.streams[i], segment_cell(&params, &room, &res, i),
                     (size_t)res.cell_leaves * LEAF_SIZE);
    }
    plain_at[++places_len] = world.source.size;
    free(mem);
}

static void deposit(uint64_t seed,
                    uint16_t k,
                    uint16_t n,
                    unsigned window,
                    size_t segments)
{
    uint8_t bytes[RNG_SEED_SIZE] = {'d', 'i', 'c', 'e'};
    uint8_t leaf[LEAF_SIZE] = {0};

    u64le_store(bytes + 8, seed);
    rng_init_seed(&dice, bytes);
    rng_bytes(&dice, &params.key, sizeof(params.key));
    ck_assert_int_eq(erasure_init(&params.code, k, n), OK);
    params.segment_size = SMALL;
    params.codec = CODEC_CHOOSE_AUTO;
    places_len = 0;
    memset(bad, 0, sizeof(bad));
    bad_status = ERR_MISMATCH;
    config = (struct restorer_config){.params = &params,
                                      .window = window,
                                      .places = places,
                                      .streams = n == 64 ? UINT64_MAX
                                                         : stream_bit(n) - 1};
    for (unsigned i = 0; i < window; i++) {
        ck_assert_int_eq(codec_state_new(&config.codecs[i]), OK);
    }
    for (uint32_t i = 0; i < n; i++) {
        world_append(&world.streams[i], leaf, sizeof(leaf));
    }
    for (size_t i = 0; i < segments; i++) {
        segment_add(i + 1 < segments ? SMALL
                                     : 1 + (size_t)rng_below(&dice, SMALL),
                    rng_below(&dice, 2) == 0);
    }
    config.places_len = places_len;
    world.step = step;
    world.mover = &restorer;
    world.window = window;
    world.buffer_size = restorer_buffer_size(&params);
    world.on_ask = on_ask;
    world.on_do = on_do;
    world.on_tell = on_tell;
}

static void boot(void)
{
    world_boot(&world, rng_below(&dice, UINT32_MAX));
    restorer_init(&restorer, &config);
    sent = 0;
    asked_streams = gone = 0;
    fault_at = 0;
    reads = 0;
    memset(refused, 0, sizeof(refused));
    memset(reported, 0, sizeof(reported));
}

static void forget(void)
{
    for (unsigned i = 0; i < config.window; i++) {
        codec_state_free(config.codecs[i]);
    }
    world_free(&world);
}

static void ends(int status)
{
    ck_assert(world_run(&world, SIZE_MAX));
    ck_assert_int_eq(world.status, status);
    for (uint32_t i = 0; i < params.code.n; i++) {
        ck_assert_uint_eq(restorer.fetcher.holders.errors[i], refused[i]);
    }
}

static void ends_complete(void)
{
    ends(OK);
    ck_assert_uint_eq(sent, config.places_len);
}

#endif /* CAIRN_TESTS_RESTORER_WORLD_H */
