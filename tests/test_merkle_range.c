#include "crypto/merkle.h"
#include "crypto/rng.h"
#include "tests/suite.h"

/* Many leaves or subtrees appended at once, against one leaf at a time, which
 * test_merkle.c holds against the definition. */

#define LEAVES 670U
#define LEVELS 10 /* Of nodes over LEAVES, leaves included. */

static struct rng rng;
static struct digest known[LEVELS][LEAVES]; /* All complete nodes. */
static struct merkle_range by_leaf[LEAVES + 1];

static void start(uint8_t history)
{
    const uint8_t seed[RNG_SEED_SIZE] = {history, 2};

    rng_init_seed(&rng, seed);
    rng_bytes(&rng, known[0], sizeof(known[0]));
    for (unsigned level = 1; level < LEVELS; level++) {
        for (size_t i = 0; i < LEAVES >> level; i++) {
            merkle_node(&known[level - 1][2 * i], &known[level - 1][2 * i + 1],
                        &known[level][i]);
        }
    }
    merkle_range_init(&by_leaf[0]);
    for (size_t i = 0; i < LEAVES; i++) {
        by_leaf[i + 1] = by_leaf[i];
        merkle_range_append(&by_leaf[i + 1], &known[0][i], NULL, NULL);
    }
}

static void setup(void)
{
    start(0);
}

/* Which node a run must tell next: the leaves are there when it begins, and
 * then at every level one after the other. */
struct run {
    unsigned level;
    uint64_t next[LEVELS];
    bool good;
};

static void on_run_node(void *arg,
                        unsigned level,
                        uint64_t index,
                        const struct digest *node)
{
    struct run *run = arg;

    if (level == 0 || level < run->level || level >= LEVELS ||
        index != run->next[level] || index >= LEAVES >> level ||
        (level > run->level && 2 * index + 1 >= run->next[level - 1]) ||
        !digest_equal(node, &known[level][index])) {
        run->good = false;
        return;
    }
    run->next[level]++;
}

static void run_append(struct merkle_range *r, unsigned level, size_t len)
{
    uint64_t end = r->leaves + ((uint64_t)len << level);
    struct run run = {.level = level, .good = true};

    for (unsigned l = 1; l < LEVELS; l++) {
        run.next[l] = r->leaves >> l;
    }
    run.next[0] = end;
    merkle_range_append_run(r, level, &known[level][r->leaves >> level], len,
                            on_run_node, &run);
    ck_assert(run.good);
    ck_assert_uint_eq(r->leaves, end);
    for (unsigned l = level > 0 ? level : 1; l < LEVELS; l++) {
        ck_assert_uint_eq(run.next[l], end >> l);
    }
}

static void run_from(size_t from, size_t len)
{
    struct merkle_range r = by_leaf[from];

    run_append(&r, 0, len);
    ck_assert(merkle_range_equal(&r, &by_leaf[from + len]));
}

/* Leaves that come many at once make the range they make one by one, wherever
 * they begin, and tell of the same nodes. */
START_TEST(test_merkle_range_takes_runs)
{
    for (size_t from = 0; from <= 70; from++) {
        for (size_t len = 0; len <= 600; len++) {
            run_from(from, len);
        }
    }
    run_from(255, 256); /* Nothing carries as far, and leaves as much behind. */
}
END_TEST

/* Whole subtrees and leaves, one or many, mixed by chance, make the same tree,
 * and each subtree is told, with what it completes. */
START_TEST(test_merkle_range_takes_subtrees)
{
    struct merkle_range r;

    start((uint8_t)_i);
    merkle_range_init(&r);
    for (;;) {
        unsigned level = (unsigned)rng_below(&rng, 7);
        size_t len = (size_t)rng_below(&rng, 20);

        while (r.leaves % ((uint64_t)1 << level) != 0) {
            level--;
        }
        if (r.leaves + ((uint64_t)len << level) > LEAVES) {
            break;
        }
        run_append(&r, level, len);
        ck_assert(merkle_range_equal(&r, &by_leaf[r.leaves]));
    }
}
END_TEST

/* The root over leaves in one go. */
START_TEST(test_merkle_root_over_leaves)
{
    struct digest got, want;

    for (size_t n = 0; n <= LEAVES; n++) {
        merkle_root(known[0], n, &got);
        merkle_range_root(&by_leaf[n], &want);
        ck_assert(digest_equal(&got, &want));
    }
}
END_TEST

/* A run fills the largest tree there can be, and carries all the way up. */
START_TEST(test_merkle_range_run_ends_the_largest_tree)
{
    struct merkle_range r, single;

    merkle_range_init(&r);
    for (unsigned level = MERKLE_DEPTH_MAX; level-- > 9;) {
        merkle_range_append_run(&r, level, &known[0][level], 1, NULL, NULL);
    }
    single = r;
    merkle_range_append_run(&r, 0, known[0], 512, NULL, NULL);
    for (size_t i = 0; i < 512; i++) {
        merkle_range_append(&single, &known[0][i], NULL, NULL);
    }
    ck_assert_uint_eq(r.leaves, MERKLE_LEAVES_MAX);
    ck_assert(merkle_range_equal(&r, &single));
    merkle_range_append_run(&r, 0, known[0], 0, NULL, NULL);
    merkle_range_append_run(&r, MERKLE_DEPTH_MAX, known[0], 0, NULL, NULL);
    ck_assert(merkle_range_equal(&r, &single));
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("merkle_range");
    TCase *tc = tcase_create("merkle_range");

    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, test_merkle_range_takes_runs);
    tcase_add_loop_test(tc, test_merkle_range_takes_subtrees, 0, 20);
    tcase_add_test(tc, test_merkle_root_over_leaves);
    tcase_add_test(tc, test_merkle_range_run_ends_the_largest_tree);
    suite_add_tcase(s, tc);
    return s;
}
