#include "replication/mover/finder.h"
#include "tests/mover_world.h"

#define STREAMS 7U
#define ALL     ((uint64_t)0x7f)
#define SIZE    300U
#define NEVER   ((uint64_t)1 << 40)

/* Streams that all hold the same at the same place. */
static struct world world;
static struct finder finder;
static uint8_t mem[STREAMS * SIZE], table[SIZE];
static unsigned asked; /* How many. */
static uint64_t failing, begin_ms;
static int fail_status;

static void step(void *mover,
                 const struct mover_event *ev,
                 struct mover_out *out)
{
    finder_step(mover, ev, out);
}

static void on_ask(void *arg, const struct mover_action *a)
{
    (void)arg;
    asked += a->type == MV_READ_AT ? 1U : 0U;
}

static int on_do(void *arg, const struct mover_action *a)
{
    (void)arg;
    return (failing & stream_bit(a->stream)) != 0 ? fail_status : OK;
}

static void begin(uint64_t streams, uint32_t first)
{
    const struct finder_config config = {.streams = streams,
                                         .first = first,
                                         .off = 100,
                                         .len = SIZE,
                                         .mem = mem};
    uint8_t before[100] = {0};

    world = (struct world){.step = step, .mover = &finder};
    world.on_ask = on_ask;
    world.on_do = on_do;
    for (size_t i = 0; i < SIZE; i++) {
        table[i] = (uint8_t)(i * 7);
    }
    for (uint32_t i = 0; i < STREAMS; i++) {
        world_append(&world.streams[i], before, sizeof(before));
        world_append(&world.streams[i], table, SIZE);
    }
    world_boot(&world, first);
    world.drops = true;
    begin_ms = world.now_ms;
    asked = 0;
    failing = 0;
    fail_status = ERR_MISMATCH;
    finder_init(&finder, &config);
}

static void ends(int status, unsigned streams)
{
    world_start(&world);
    ck_assert(world_run(&world, SIZE_MAX));
    ck_assert_int_eq(world.status, status);
    ck_assert_uint_eq(asked, streams);
    if (status == OK) {
        ck_assert_mem_eq(finder_found(&finder), table, SIZE);
    } else {
        ck_assert_ptr_null(finder_found(&finder));
    }
    world_free(&world);
}

/* One is enough, whichever is the first. */
START_TEST(test_finder_one)
{
    begin(ALL, (uint32_t)_i);
    ends(OK, 1);
    begin(0x10, (uint32_t)_i);
    ends(OK, 1);
}
END_TEST

/* Who fails is followed by the next, without a wait; the last failure is that
 * of all. */
START_TEST(test_finder_failures)
{
    begin(ALL, 2);
    failing = 0x1c;
    ends(OK, 4);
    ck_assert_uint_lt(world.now_ms, FINDER_LATE_MS);
    begin(0x0f, 2);
    failing = ALL;
    fail_status = ERR_NOTFOUND;
    ends(ERR_NOTFOUND, 4);
}
END_TEST

/* Those that drip hold nothing up, and are let go in the end. */
START_TEST(test_finder_drip)
{
    begin(ALL, 0);
    world.streams[0].least_ms = world.streams[1].least_ms = NEVER;
    world_start(&world);
    ck_assert(world_run(&world, SIZE_MAX));
    ck_assert_int_eq(world.status, OK);
    ck_assert_uint_eq(asked, 3);
    ck_assert_uint_lt(world.now_ms - begin_ms, 4ULL * FINDER_LATE_MS);
    ck_assert_mem_eq(finder_found(&finder), table, SIZE);
    world_free(&world);
}
END_TEST

/* All are slow: the first that was asked is waited for, and on a thin line the
 * others are not all asked. */
START_TEST(test_finder_all_slow)
{
    begin(ALL, 3);
    for (uint32_t i = 0; i < STREAMS; i++) {
        world.streams[i].least_ms = 20000;
    }
    ends(OK, 4);
}
END_TEST

/* Canceled, also with readings that cannot be given up; streams are lost. */
START_TEST(test_finder_cancel)
{
    begin(ALL, 0);
    world.drops = _i == 0;
    world.streams[0].least_ms = world.streams[1].least_ms = 1000000;
    world_start(&world);
    while (asked < 2) {
        ck_assert(!world_run(&world, 1));
    }
    world_cancel(&world);
    ck_assert(world_run(&world, SIZE_MAX));
    ck_assert_int_eq(world.status, ERR_CANCELED);
    world_free(&world);

    begin(0x03, 0);
    world.streams[0].least_ms = 1000000;
    world_start(&world);
    world_lose(&world, 1);
    ck_assert(world_run(&world, SIZE_MAX));
    ck_assert_int_eq(world.status, OK);
    ck_assert_uint_eq(asked, 1);
    world_free(&world);
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("finder");
    TCase *tc = tcase_create("finder");

    tcase_add_loop_test(tc, test_finder_one, 0, STREAMS);
    tcase_add_test(tc, test_finder_failures);
    tcase_add_test(tc, test_finder_drip);
    tcase_add_test(tc, test_finder_all_slow);
    tcase_add_loop_test(tc, test_finder_cancel, 0, 2);
    suite_add_tcase(s, tc);
    return s;
}
