#include "replication/mover/holders.h"
#include "replication/mover/mover.h"
#include "tests/suite.h"

#define K   4U
#define N   7U
#define ALL ((uint64_t)0x7f)

static struct holders holders;
static uint64_t preferred;

static void fresh(void)
{
    memset(&holders, 0, sizeof(holders));
    preferred = stream_bit(K) - 1;
}

static int best(uint64_t among, uint64_t busy, uint64_t now_ms)
{
    return holders_best(&holders, among, busy, preferred, now_ms);
}

static void answer_all(uint64_t took_ms)
{
    for (unsigned i = 0; i < HOLDERS_RECENT; i++) {
        holders_answered(&holders, i % N, took_ms);
    }
}

/* Those preferred, then the fast, then those that failed, then the slow. */
START_TEST(test_holders_rank)
{
    fresh();
    ck_assert_int_eq(best(0, 0, 0), -1);
    ck_assert_int_eq(best(ALL, 0, 0), 0);
    ck_assert_int_eq(best(0x70, 0, 0), 4);
    holders_answered(&holders, 4, 100);
    ck_assert_int_eq(best(0x70, 0, 0), 5);
    ck_assert_int_eq(best(0x11, 0, 0), 0);
    preferred = 0x30;
    ck_assert_int_eq(best(ALL, 0, 0), 5);
    preferred = 0x0f;

    holders_outrun(&holders, 0, 1, 0);
    holders_failed(&holders, 1, 100);
    ck_assert_int_eq(best(0x43, 0, 0), 6);
    ck_assert_int_eq(best(0x03, 0, 0), 1);
    ck_assert_int_eq(best(0x01, 0, 0), 0);
    ck_assert_uint_eq(holders.errors[0], 0);
    ck_assert_uint_eq(holders.errors[1], 1);
    ck_assert_int_eq(best(0x43, 0, 100), 1);
    ck_assert_int_eq(best(0x43, 0, HOLDERS_REST_MS), 0);
}
END_TEST

/* One that was slow is tried with one cell at a time, until it has made good;
 * others may be as busy as they like. */
START_TEST(test_holders_trial)
{
    fresh();
    holders_outrun(&holders, 0, 1, 0);
    ck_assert_int_eq(best(ALL, 0, HOLDERS_REST_MS), 0);
    ck_assert_int_eq(best(ALL, 0x01, HOLDERS_REST_MS), 1);
    ck_assert_int_eq(best(ALL, 0x03, HOLDERS_REST_MS), 1);
    ck_assert_int_eq(best(0x01, 0x01, HOLDERS_REST_MS), 0);
    holders_answered(&holders, 0, 5);
    ck_assert_int_eq(best(ALL, 0x01, HOLDERS_REST_MS), 0);
}
END_TEST

/* A cell is late when it takes several times as long as the last ones. */
START_TEST(test_holders_late)
{
    fresh();
    ck_assert_uint_eq(holders_late_ms(&holders), HOLDERS_BLIND_MS);
    holders_answered(&holders, 0, 1);
    ck_assert_uint_eq(holders_late_ms(&holders), HOLDERS_LATE_MS);
    answer_all(10000);
    ck_assert_uint_eq(holders_late_ms(&holders), HOLDERS_LATE_TIMES * 10000ULL);
    /* A few that took very long, or no time, change nothing. */
    for (unsigned i = 0; i < HOLDERS_RECENT / 2 - 1; i++) {
        holders_answered(&holders, 6, i % 2 == 0 ? 1 << 30 : 1);
    }
    ck_assert_uint_eq(holders_late_ms(&holders), HOLDERS_LATE_TIMES * 10000ULL);
    answer_all(20000);
    ck_assert_uint_eq(holders_late_ms(&holders), HOLDERS_LATE_TIMES * 20000ULL);
}
END_TEST

/* The rest doubles each time, up to a bound; it fits the time that was lost; a
 * cell in time makes good for one. */
START_TEST(test_holders_rest)
{
    uint64_t now = 1000;

    fresh();
    for (unsigned i = 0; i < 10; i++) {
        unsigned times = i < HOLDERS_SLOW_MAX ? i : HOLDERS_SLOW_MAX;
        uint64_t until = now + ((uint64_t)HOLDERS_REST_MS << times);

        holders_outrun(&holders, 3, 2000, now);
        ck_assert_uint_eq(holders.rest_until[3], until);
        holders_outrun(&holders, 3, 2000, until - 1); /* It rests already. */
        holders_failed(&holders, 3, now + 1);
        ck_assert_uint_eq(holders.rest_until[3], until);
        now = until;
    }
    answer_all(2000);
    ck_assert_uint_eq(holders.slow[3], 0);
    holders_outrun(&holders, 3, HOLDERS_REST_MS, now);
    ck_assert_uint_eq(holders.rest_until[3],
                      now + (uint64_t)HOLDERS_REST_TIMES * HOLDERS_REST_MS);
    ck_assert_uint_eq(holders.slow[3], 1);
    holders_answered(&holders, 3, holders_late_ms(&holders));
    ck_assert_uint_eq(holders.slow[3], 1);
    holders_answered(&holders, 3, 2);
    ck_assert_uint_eq(holders.slow[3], 0);
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("holders");
    TCase *tc = tcase_create("holders");

    tcase_add_test(tc, test_holders_rank);
    tcase_add_test(tc, test_holders_trial);
    tcase_add_test(tc, test_holders_late);
    tcase_add_test(tc, test_holders_rest);
    suite_add_tcase(s, tc);
    return s;
}
