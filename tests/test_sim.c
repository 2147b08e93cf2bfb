#include <stdlib.h>

#include "protocol/feed.h"
#include "replication/keys.h"
#include "sim/client.h"
#include "sim/faults.h"
#include "sim/oracles.h"
#include "sim/story.h"
#include "tests/suite.h"

#define MODEL_SIZE 300000U

static struct sim *world(uint64_t seed, unsigned faults)
{
    const struct sim_options o = {
        .seed = seed, .faults = faults, .model_size = MODEL_SIZE};

    return sim_new(&o);
}

static void run_to(struct sim *w, enum story_phase phase)
{
    while (story_phase(w) != phase && sim_run_one(w)) {
    }
}

static struct digest history(uint64_t seed, unsigned faults)
{
    struct sim *w = world(seed, faults);
    struct digest hash;

    run_to(w, STORY_DONE);
    ck_assert_msg(!w->oracles->failed, "seed %llu, faults %u: %s",
                  (unsigned long long)seed, faults, w->oracles->text);
    ck_assert_int_eq(story_phase(w), STORY_DONE);
    sha256_peek(&w->trace, &hash);
    sim_free(w);
    return hash;
}

/* One seed is one history, and another seed another one. */
START_TEST(test_sim_seed_is_history)
{
    struct digest first = history(7, SIM_FAULTS_SOME);
    struct digest again = history(7, SIM_FAULTS_SOME);
    struct digest other = history(8, SIM_FAULTS_SOME);

    ck_assert_mem_eq(first.bytes, again.bytes, DIGEST_SIZE);
    ck_assert_mem_ne(first.bytes, other.bytes, DIGEST_SIZE);
}
END_TEST

/* Without faults a lab, three stewards and their custodians are lost, and the
 * model comes back. */
START_TEST(test_sim_without_faults)
{
    (void)history((uint64_t)_i + 1, SIM_FAULTS_NONE);
}
END_TEST

/* It does whatever else goes wrong meanwhile. The loop index is the seed. */
START_TEST(test_sim_with_some_faults)
{
    (void)history((uint64_t)_i + 1, SIM_FAULTS_SOME);
}
END_TEST

START_TEST(test_sim_with_many_faults)
{
    (void)history((uint64_t)_i + 1, SIM_FAULTS_MANY);
}
END_TEST

/* Three stewards drip from the deposit on. The others are enough, and nobody
 * waits for what takes a cell more than a minute; the oracles hold. */
START_TEST(test_sim_with_stewards_that_drip)
{
    const struct sim_options o = {.seed = (uint64_t)_i + 1,
                                  .faults = SIM_FAULTS_NONE,
                                  .model_size = MODEL_SIZE,
                                  .drips = true};
    struct sim *w = sim_new(&o);
    uint64_t began_us;

    run_to(w, STORY_RECOVER);
    began_us = w->now_us;
    run_to(w, STORY_SETTLE);
    ck_assert_uint_lt(w->now_us - began_us, 45 * SIM_SECOND);
    run_to(w, STORY_DONE);
    ck_assert_msg(!w->oracles->failed, "%s", w->oracles->text);
    ck_assert_int_eq(story_phase(w), STORY_DONE);
    sim_free(w);
}
END_TEST

/* --- Oracles see what they are for --------------------------------------- */

static struct sim *deposited(void)
{
    struct sim *w = world(1, SIM_FAULTS_NONE);

    run_to(w, STORY_APPROVE);
    ck_assert(!w->oracles->failed);
    return w;
}

static void expect(struct sim *w, const char *promise)
{
    ck_assert(w->oracles->failed);
    ck_assert_msg(strncmp(w->oracles->text, promise, 2) == 0, "%s",
                  w->oracles->text);
    ck_assert(!sim_run_one(w));
    sim_free(w);
}

static unsigned survivor(const struct sim *w)
{
    unsigned node = 0;

    while (w->nodes[node].gone) {
        node++;
    }
    return node;
}

/* A shard that has rotted no longer has the root that its receipt says. */
START_TEST(test_sim_oracle_sees_rot)
{
    struct sim *w = deposited();

    oracle_receipts(w);
    ck_assert(!w->oracles->failed);
    sim_shard_rot(w, survivor(w), 12345);
    oracle_receipts(w);
    expect(w, "P4");
}
END_TEST

/* The first entry of a feed is written anew. */
START_TEST(test_sim_oracle_sees_two_entries)
{
    struct sim *w = deposited();
    const struct person *p = &w->people.persons[survivor(w)];
    uint8_t bytes[1024];
    struct feed_tip tip;
    struct key key = key_entry(&p->id, 0, 0);
    struct core_op op = {.key = key_slice(&key)};
    size_t size = 0;

    feed_tip_init(&tip, &w->people.net, &p->id, 0);
    ck_assert_int_eq(feed_append(&tip, &p->node, FEED_HOLDING, slice_str("x"),
                                 1, bytes, sizeof(bytes), &size),
                     OK);
    op.value = slice_of(bytes, size);
    oracle_row(w, survivor(w), &op);
    expect(w, "P5");
}
END_TEST

/* An envelope of a release that nobody has decided on. */
START_TEST(test_sim_oracle_sees_silent_release)
{
    struct sim *w = deposited();
    const uint8_t release[DIGEST_SIZE] = {1};

    oracle_handed(w, survivor(w), release);
    expect(w, "P7");
}
END_TEST

/* One byte of the model is another. */
START_TEST(test_sim_oracle_compares)
{
    struct sim *w = deposited();
    struct slice source = sim_lab_source(w);
    uint8_t *other = malloc(source.size);

    ck_assert_ptr_nonnull(other);
    memcpy(other, source.data, source.size);
    oracle_recovered(w, source, slice_of(other, source.size));
    ck_assert(!w->oracles->failed);
    other[source.size / 2] ^= 1;
    oracle_recovered(w, source, slice_of(other, source.size));
    free(other);
    expect(w, "P1");
}
END_TEST

/* A steward that has lost an entry, and nobody tells it. */
START_TEST(test_sim_oracle_compares_feeds)
{
    struct sim *w = world(1, SIM_FAULTS_NONE);
    struct key key;
    struct core_op op = {.remove = true};

    run_to(w, STORY_DONE);
    ck_assert(!w->oracles->failed);
    ck_assert(oracle_feeds_agree(w));
    key = key_entry(&w->people.persons[SIM_STEWARDS].id, 0, 0);
    op.key = key_slice(&key);
    sim_rows_apply(&w->nodes[survivor(w)].rows, &op);
    ck_assert(!oracle_feeds_agree(w));
    sim_free(w);
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("sim");
    TCase *tc = tcase_create("histories");

    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, test_sim_seed_is_history);
    tcase_add_loop_test(tc, test_sim_without_faults, 0, 2);
    tcase_add_loop_test(tc, test_sim_with_some_faults, 0, 4);
    tcase_add_loop_test(tc, test_sim_with_many_faults, 0, 3);
    tcase_add_loop_test(tc, test_sim_with_stewards_that_drip, 0, 4);
    suite_add_tcase(s, tc);
    tc = tcase_create("oracles");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, test_sim_oracle_sees_rot);
    tcase_add_test(tc, test_sim_oracle_sees_two_entries);
    tcase_add_test(tc, test_sim_oracle_sees_silent_release);
    tcase_add_test(tc, test_sim_oracle_compares);
    tcase_add_test(tc, test_sim_oracle_compares_feeds);
    suite_add_tcase(s, tc);
    return s;
}
