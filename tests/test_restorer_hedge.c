#include "tests/restorer_world.h"

/* Streams that are so slow that nobody can wait for them. */
#define DRIP_MS ((uint64_t)1 << 40)
/* What a job takes that waits for no one: each of its steps some 20 ms. */
#define BRISK_MS 5000U

static uint64_t begin_ms;

/* These streams drip, as bits; all others are fast. */
static void drip(uint64_t streams)
{
    for (uint32_t i = 0; i < params.code.n; i++) {
        world.streams[i].least_ms =
            (streams & stream_bit(i)) != 0 ? DRIP_MS : 0;
    }
}

/* |drops|: the driver can give up readings, as that of a network can. */
static void begin(bool drops)
{
    boot();
    world.drops = drops;
    begin_ms = world.now_ms;
    world_start(&world);
}

static uint64_t took_ms(void)
{
    return world.now_ms - begin_ms;
}

static void run_until_sent(size_t segments)
{
    while (sent < segments) {
        ck_assert(!world_run(&world, 1));
    }
}

static void reported_are(uint64_t streams)
{
    for (uint32_t i = 0; i < params.code.n; i++) {
        ck_assert_uint_eq(reported[i], (streams & stream_bit(i)) != 0);
    }
}

/* One stream drips. Each segment of the first window costs a cell more, none
 * after that, and one wait is all that is lost. */
START_TEST(test_hedge_one_drips)
{
    unsigned window = 1 + 7 * (unsigned)(_i % 2);

    deposit((uint64_t)_i, 4, 7, window, 12);
    drip(stream_bit((uint32_t)_i % 4));
    begin(true);
    ends_complete();
    ck_assert_uint_ge(took_ms(), HOLDERS_LATE_MS);
    ck_assert_uint_le(took_ms(), HOLDERS_LATE_MS + BRISK_MS);
    ck_assert_uint_le(reads, 12 * 4 + window);
    reported_are(stream_bit((uint32_t)_i % 4));
    forget();
}
END_TEST

/* Those that drip are the ones that are preferred. */
START_TEST(test_hedge_preferred_drip)
{
    deposit((uint64_t)_i, 4, 7, 4, 12);
    config.preferred = 0x72;
    drip(stream_bit(1) | stream_bit(5));
    begin(true);
    ends_complete();
    ck_assert_uint_le(took_ms(), 3 * HOLDERS_LATE_MS + BRISK_MS);
    ck_assert_uint_le(reads, 12 * 4 + 4 * 2);
    reported_are(stream_bit(1) | stream_bit(5));
    forget();
}
END_TEST

/* Two drip, and one of them stands in for the other: each segment finds its way
 * to those that are left. */
START_TEST(test_hedge_two_drip)
{
    static const uint64_t pairs[] = {0x03, 0x05, 0x09, 0x11, 0x18, 0x21};
    uint64_t slow = pairs[_i];

    deposit((uint64_t)_i, 4, 7, 4, 12);
    drip(slow);
    begin(true);
    ends_complete();
    ck_assert_uint_le(took_ms(), 3 * HOLDERS_LATE_MS + BRISK_MS);
    ck_assert_uint_le(reads, 12 * 4 + 4 * 2);
    ck_assert_uint_ge(reported[slow & 0x0f ? __builtin_ctzll(slow) : 4], 1);
    forget();
}
END_TEST

/* All that were asked first drip, and there is no cell to compare with. */
START_TEST(test_hedge_blind)
{
    deposit((uint64_t)_i, _i % 2 == 0 ? 1 : 3, _i % 2 == 0 ? 2 : 6, 2, 6);
    drip(_i % 2 == 0 ? 0x01 : 0x07);
    begin(true);
    ends_complete();
    ck_assert_uint_ge(took_ms(), HOLDERS_BLIND_MS);
    ck_assert_uint_le(took_ms(),
                      HOLDERS_BLIND_MS + 3 * HOLDERS_LATE_MS + BRISK_MS);
    forget();
}
END_TEST

/* Fewer than k are fast: the slow ones are used, all at once where there is a
 * choice, and the job ends as it would if nobody minded. */
START_TEST(test_hedge_slow_are_used)
{
    deposit((uint64_t)_i, 4, 7, 1 + (unsigned)_i % 4, 9);
    for (uint32_t i = 0; i < 4; i++) {
        world.streams[(i + (uint32_t)_i) % 7].least_ms = 60000;
    }
    begin(_i % 3 != 0);
    ends_complete();
    ck_assert_uint_le(took_ms(), 9 * (61000 + 3ULL * HOLDERS_LATE_MS));
    ck_assert_uint_le(reads, 9ULL * 7);
    forget();
}
END_TEST

/* One of those that must be used never ends a cell. It is no use waiting for it
 * while another slow one does. */
START_TEST(test_hedge_one_never_ends)
{
    deposit((uint64_t)_i, 4, 7, 2, 5);
    drip(stream_bit((uint32_t)_i % 7));
    for (uint32_t i = 1; i < 4; i++) {
        world.streams[(i + (uint32_t)_i) % 7].least_ms = 60000;
    }
    begin(true);
    ends_complete();
    ck_assert_uint_le(took_ms(), 5 * 61000 + 5 * HOLDERS_BLIND_MS);
    forget();
}
END_TEST

/* As slow as the others is not slow, nor is half as fast. */
START_TEST(test_hedge_not_for_a_slow_line)
{
    deposit(3, 4, 7, 4, 9);
    for (uint32_t i = 0; i < 7; i++) {
        world.streams[i].least_ms = i == 1 ? 20000 : 10000;
    }
    begin(true);
    ends_complete();
    ck_assert_uint_eq(reads, 9ULL * 4);
    ck_assert_uint_eq(asked_streams, 0x0f);
    reported_are(0);
    forget();
}
END_TEST

/* However many segments wait for the slow one, few others are asked at once,
 * and those that hold up the rest come first. */
START_TEST(test_hedge_few_at_once)
{
    unsigned most = 0;

    deposit((uint64_t)_i, 4, 7, RESTORER_WINDOW_MAX, 12);
    drip(0x02);
    world.streams[4].delay_ms = 400;
    begin(true);
    while (sent < 1) {
        unsigned hedges = 0;

        for (size_t i = 0; i < world.ops_len; i++) {
            const struct mover_action *a = &world.ops[i].act;

            if (a->type == MV_READ_AT && a->stream >= 4) {
                ck_assert(reads > 8 * 4 + 2 || a->id < 2);
                hedges++;
            }
        }
        ck_assert(!world_run(&world, 1));
        most = hedges > most ? hedges : most;
    }
    ck_assert_uint_eq(most, FETCHER_HEDGES_MAX);
    ends_complete();
    forget();
}
END_TEST

/* It is tried again after its rest, with one cell, and rests for longer if it
 * is still slow; once it is fast it serves like any other. */
START_TEST(test_hedge_tries_again)
{
    uint64_t rest;
    unsigned busy = 0;

    deposit((uint64_t)_i, 4, 7, 4, 16);
    drip(0x01);
    begin(true);
    run_until_sent(4);
    rest = restorer.fetcher.holders.rest_until[0];
    ck_assert_uint_gt(rest, world.now_ms);
    asked_streams = 0;
    run_until_sent(6);
    ck_assert_uint_eq(asked_streams & 0x01, 0);

    world.now_ms = rest;
    while (restorer.fetcher.holders.rest_until[0] == rest) {
        unsigned now = 0;

        ck_assert(!world_run(&world, 1));
        for (size_t i = 0; i < world.ops_len; i++) {
            now += world.ops[i].act.type == MV_READ_AT &&
                           world.ops[i].act.stream == 0
                       ? 1U
                       : 0U;
        }
        busy = now > busy ? now : busy;
    }
    ck_assert_uint_eq(busy, 1);
    ck_assert_uint_ge(restorer.fetcher.holders.rest_until[0],
                      rest + 2ULL * HOLDERS_REST_MS);
    ck_assert_uint_eq(reported[0], 1);

    drip(0);
    world.now_ms = restorer.fetcher.holders.rest_until[0];
    asked_streams = 0;
    ends_complete();
    ck_assert_uint_eq(asked_streams & 0x01, 0x01);
    ck_assert_uint_lt(restorer.fetcher.holders.slow[0], 2);
    forget();
}
END_TEST

/* The others are away when one becomes slow, and come back: they are asked
 * again although nothing has failed since. */
static uint64_t back_ms;

static int on_do_away(void *arg, const struct mover_action *a)
{
    if (a->type == MV_READ_AT && a->stream >= 4 && world.now_ms < back_ms) {
        return ERR_IO;
    }
    return on_do(arg, a);
}

START_TEST(test_hedge_others_come_back)
{
    deposit((uint64_t)_i, 4, 7, 2, 5);
    drip(0x04);
    world.on_do = on_do_away;
    back_ms = world.now_ms + 50000;
    begin(true);
    ends_complete();
    ck_assert_uint_le(took_ms(), 50000 + 2 * HOLDERS_LATE_MS + BRISK_MS);
    forget();
}
END_TEST

/* They do not come back, and the slow one gives its cells after all. Nothing is
 * done meanwhile but to ask the others now and then. */
START_TEST(test_hedge_slow_one_ends)
{
    deposit((uint64_t)_i, 4, 7, 2, 3);
    world.streams[2].least_ms = 60000;
    world.on_do = on_do_away;
    back_ms = UINT64_MAX;
    begin(true);
    ck_assert(world_run(&world, 2000));
    ends_complete();
    forget();
}
END_TEST

/* The slow one breaks off while all others are away: what failed may recover,
 * as it may where nobody was slow. */
START_TEST(test_hedge_slow_one_breaks_off)
{
    deposit((uint64_t)_i, 4, 7, 1, 3);
    world.streams[2].least_ms = 10000;
    bad[0] = 0x04;
    bad_status = ERR_IO;
    world.on_do = on_do_away;
    back_ms = world.now_ms + 12000;
    begin(true);
    ends_complete();
    ck_assert_uint_ge(took_ms(), 12000);
    ck_assert_uint_le(took_ms(), 10000 + 20000);
    forget();
}
END_TEST

/* Ctrl-C while a stream drips: where readings can be given up the job ends at
 * once, and elsewhere when they have been answered. */
START_TEST(test_hedge_cancel)
{
    deposit((uint64_t)_i, 3, 5, 2, 4);
    config.streams = 0x07;
    drip(0x02);
    begin(_i % 2 == 0);
    while (took_ms() < 1000) {
        ck_assert(!world_run(&world, 1));
    }
    world_cancel(&world);
    ends(ERR_CANCELED);
    ck_assert_int_eq(took_ms() < DRIP_MS, _i % 2 == 0);
    forget();
}
END_TEST

/* Whoever is slow, however much, and whatever the driver can: all is restored.
 * When k are fast and readings can be given up, it does not take long. */
START_TEST(test_hedge_any_history)
{
    uint64_t slow = 0;
    uint64_t waits;

    deposit((uint64_t)_i, 4, 7, 1 + (unsigned)_i % 8, 10);
    for (uint32_t i = 0; i < 7; i++) {
        uint64_t least = (uint64_t)1 << rng_below(&dice, 24);

        if (rng_below(&dice, 3) == 0) {
            world.streams[i].least_ms = least;
            slow |= stream_bit(i);
        }
        if (rng_below(&dice, 4) == 0) {
            bad[rng_below(&dice, 10)] |= stream_bit(i);
        }
    }
    for (size_t i = 0; i < 10; i++) {
        while (stream_bits_len(bad[i]) > 3) {
            bad[i] &= bad[i] - 1;
        }
    }
    begin(rng_below(&dice, 2) == 0);
    ends_complete();
    ck_assert_uint_le(reads, 10ULL * 7);
    /* Everyone who is slow may be met by each segment of a window, and the
     * first while nothing is known. */
    waits = HOLDERS_BLIND_MS + (uint64_t)10 * 3 * HOLDERS_LATE_MS;
    for (size_t i = 0; i < 10; i++) {
        slow |= bad[i];
    }
    if (world.drops && stream_bits_len(slow) <= 3) {
        ck_assert_uint_le(took_ms(), waits + BRISK_MS);
    }
    forget();
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("restorer_hedge");
    TCase *tc = tcase_create("hedge");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, test_hedge_one_drips, 0, 8);
    tcase_add_loop_test(tc, test_hedge_preferred_drip, 0, 4);
    tcase_add_loop_test(tc, test_hedge_two_drip, 0, 6);
    tcase_add_loop_test(tc, test_hedge_blind, 0, 4);
    tcase_add_loop_test(tc, test_hedge_slow_are_used, 0, 12);
    tcase_add_loop_test(tc, test_hedge_one_never_ends, 0, 7);
    tcase_add_test(tc, test_hedge_not_for_a_slow_line);
    tcase_add_loop_test(tc, test_hedge_few_at_once, 0, 4);
    tcase_add_loop_test(tc, test_hedge_tries_again, 0, 4);
    tcase_add_loop_test(tc, test_hedge_others_come_back, 0, 4);
    tcase_add_loop_test(tc, test_hedge_slow_one_ends, 0, 4);
    tcase_add_loop_test(tc, test_hedge_slow_one_breaks_off, 0, 4);
    tcase_add_loop_test(tc, test_hedge_cancel, 0, 4);
    tcase_add_loop_test(tc, test_hedge_any_history, 0, 100);
    suite_add_tcase(s, tc);
    return s;
}
