#include <stdlib.h>

#include "crypto/rng.h"
#include "replication/mover/tail.h"
#include "tests/mover_world.h"

/* The ends of seven shards, whose cells are there already. */
#define N      7U
#define QUORUM 5U
#define CELLS  (3ULL * LEAF_SIZE)
#define ALL    0x7fU

static struct world world;
static struct tail tail;
static struct tail_config config;
static uint8_t trailers[N * LEAF_SIZE];
static uint64_t deaf;   /* Streams whose flushes say that nothing is durable. */
static uint64_t broken; /* Streams whose sends fail. */
static uint64_t flushed;
static int read_status;

static uint64_t bit(uint32_t i)
{
    return (uint64_t)1 << i;
}

static void step(void *mover,
                 const struct mover_event *ev,
                 struct mover_out *out)
{
    struct mover_event seen = *ev;

    if (ev->type == MV_DURABLE && (deaf & bit(ev->stream)) != 0) {
        seen.off -= LEAF_SIZE;
    }
    tail_step(mover, &seen, out);
}

/* Nothing is flushed before all of it has been sent. */
static void on_ask(void *arg, const struct mover_action *a)
{
    (void)arg;
    if (a->type == MV_FLUSH) {
        const struct world_stream *s = &world.streams[a->stream];

        ck_assert(s->lost || s->size == CELLS + config.table_size + LEAF_SIZE);
        ck_assert_uint_eq(flushed & bit(a->stream), 0);
        flushed |= bit(a->stream);
    }
    if (a->type == MV_READ_AT) {
        ck_assert_uint_eq(a->stream, MOVER_SOURCE);
        ck_assert_uint_le(a->len, TAIL_BUFFER);
    }
}

static int on_do(void *arg, const struct mover_action *a)
{
    (void)arg;
    if (a->type == MV_READ_AT) {
        return read_status;
    }
    return a->type == MV_SEND && (broken & bit(a->stream)) != 0 ? ERR_FULL : OK;
}

static void begin(uint64_t seed, uint64_t leaves)
{
    static uint8_t leaf[LEAF_SIZE];

    world_free(&world);
    world.step = step;
    world.mover = &tail;
    world.window = 1;
    world.buffer_size = TAIL_BUFFER;
    world.on_ask = on_ask;
    world.on_do = on_do;
    world_boot(&world, seed);
    deaf = broken = flushed = 0;
    read_status = OK;
    for (uint64_t i = 0; i < leaves; i++) {
        rng_bytes(&world.rng, leaf, sizeof(leaf));
        world_append(&world.source, leaf, sizeof(leaf));
    }
    rng_bytes(&world.rng, trailers, sizeof(trailers));
    for (uint32_t i = 0; i < N; i++) {
        memset(leaf, (int)i, sizeof(leaf));
        for (unsigned j = 0; j < CELLS / LEAF_SIZE; j++) {
            world_append(&world.streams[i], leaf, sizeof(leaf));
        }
        world.streams[i].delay_ms = rng_below(&world.rng, 50);
    }
    config = (struct tail_config){.table_offset = CELLS,
                                  .table_size = leaves * LEAF_SIZE,
                                  .n = N,
                                  .quorum = QUORUM,
                                  .streams = ALL,
                                  .trailers = trailers};
    tail_init(&tail, &config);
}

static int end(void)
{
    ck_assert(world_run(&world, SIZE_MAX));
    return world.status;
}

static int run(void)
{
    world_start(&world);
    return end();
}

/* That stream ends as it should, durably. */
static bool is_whole(uint32_t i)
{
    const struct world_stream *s = &world.streams[i];
    const uint8_t *trailer = trailers + (size_t)i * LEAF_SIZE;
    size_t size = CELLS + config.table_size + LEAF_SIZE;

    return s->durable == size && s->size == size &&
           memcmp(s->bytes + CELLS, world.source.bytes, world.source.size) ==
               0 &&
           memcmp(s->bytes + size - LEAF_SIZE, trailer, LEAF_SIZE) == 0;
}

static unsigned whole_len(void)
{
    unsigned len = 0;

    for (uint32_t i = 0; i < N; i++) {
        len += is_whole(i) ? 1U : 0U;
    }
    return len;
}

/* Whatever the order of answers and the pieces of the table, every shard gets
 * the same table and its own trailer. */
START_TEST(test_tail_ends_all_shards)
{
    static const uint64_t leaves[] = {1, 255, 256, 257, 700};

    begin((uint64_t)_i, leaves[_i % 5]);
    ck_assert_int_eq(run(), OK);
    ck_assert_uint_eq(tail.durable, ALL);
    ck_assert_uint_eq(whole_len(), N);
}
END_TEST

/* Streams that are not there from the start are never asked. */
START_TEST(test_tail_leaves_out_absent_streams)
{
    begin((uint64_t)_i, 300);
    config.streams = ALL & ~bit(2) & ~bit(6);
    tail_init(&tail, &config);
    ck_assert_int_eq(run(), OK);
    ck_assert_uint_eq(tail.durable, config.streams);
    ck_assert_uint_eq(world.streams[2].size, CELLS);
    ck_assert_uint_eq(world.streams[6].size, CELLS);
}
END_TEST

/* Two of seven may be lost, wherever it happens, and the others end. */
START_TEST(test_tail_goes_on_without_lost_streams)
{
    begin((uint64_t)_i, 600);
    world_start(&world);
    for (unsigned i = 0; i < 2; i++) {
        if (!world_run(&world, rng_below(&world.rng, 20))) {
            world_lose(&world, 1 + 3 * i);
        }
    }
    ck_assert_int_eq(end(), OK);
    for (uint32_t i = 0; i < N; i++) {
        ck_assert((tail.durable & bit(i)) == 0 || is_whole(i));
        ck_assert(i == 1 || i == 4 || is_whole(i));
    }
}
END_TEST

/* With three of seven lost before anything is durable there is no end, and the
 * error is that of the one that is missed. */
START_TEST(test_tail_fails_below_quorum)
{
    begin((uint64_t)_i, 300);
    broken = bit(0) | bit(3) | bit(5);
    ck_assert_int_eq(run(), ERR_FULL);
    ck_assert_uint_lt(whole_len(), QUORUM);
    ck_assert_uint_eq(flushed, 0);
}
END_TEST

/* Fewer streams than the quorum at the start are not worth a buffer. */
START_TEST(test_tail_fails_at_once_without_streams)
{
    begin(1, 3);
    config.streams = 0xf;
    tail_init(&tail, &config);
    world_start(&world);
    ck_assert(world.ended);
    ck_assert_int_eq(world.status, ERR_IO);
}
END_TEST

/* A flush that does not reach the trailer is none. */
START_TEST(test_tail_wants_all_of_it_durable)
{
    begin((uint64_t)_i, 10);
    deaf = bit(1) | bit(4);
    ck_assert_int_eq(run(), OK);
    ck_assert_uint_eq(tail.durable, ALL & ~deaf);

    begin((uint64_t)_i, 10);
    deaf = bit(1) | bit(4) | bit(6);
    ck_assert_int_eq(run(), ERR_IO);
}
END_TEST

/* Streams that go after they are durable are missed by nobody. */
START_TEST(test_tail_keeps_what_is_durable)
{
    unsigned lost = 0;

    begin((uint64_t)_i, 10);
    world_start(&world);
    while (!world_run(&world, 1)) {
        for (uint32_t i = 0; i < N && !world.ended; i++) {
            if ((tail.durable & bit(i)) != 0 && !world.streams[i].lost) {
                world_lose(&world, i);
                lost++;
            }
        }
    }
    ck_assert_int_eq(world.status, OK);
    ck_assert_uint_eq(lost, N - 1);
    ck_assert_uint_eq(tail.durable, ALL);
}
END_TEST

/* A table that cannot be read ends the job. */
START_TEST(test_tail_fails_with_its_source)
{
    begin((uint64_t)_i, 10);
    read_status = ERR_NOTFOUND;
    ck_assert_int_eq(run(), ERR_NOTFOUND);
    ck_assert_uint_eq(world.streams[0].size, CELLS);
}
END_TEST

/* A cancel at any moment puts the buffer back, after the last answer. */
START_TEST(test_tail_can_be_canceled)
{
    begin((uint64_t)_i, 300);
    world_start(&world);
    if (!world_run(&world, rng_below(&world.rng, 40))) {
        world_cancel(&world);
    }
    (void)end();
    ck_assert(world.status == ERR_CANCELED || whole_len() == N);
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("tail");
    TCase *tc = tcase_create("tail");

    tcase_add_loop_test(tc, test_tail_ends_all_shards, 0, 20);
    tcase_add_loop_test(tc, test_tail_leaves_out_absent_streams, 0, 10);
    tcase_add_loop_test(tc, test_tail_goes_on_without_lost_streams, 0, 40);
    tcase_add_loop_test(tc, test_tail_fails_below_quorum, 0, 10);
    tcase_add_test(tc, test_tail_fails_at_once_without_streams);
    tcase_add_loop_test(tc, test_tail_wants_all_of_it_durable, 0, 5);
    tcase_add_loop_test(tc, test_tail_keeps_what_is_durable, 0, 10);
    tcase_add_loop_test(tc, test_tail_fails_with_its_source, 0, 5);
    tcase_add_loop_test(tc, test_tail_can_be_canceled, 0, 40);
    suite_add_tcase(s, tc);
    return s;
}
