#include <pthread.h>
#include <stdlib.h>

#include "crypto/hash.h"
#include "crypto/merkle.h"
#include "crypto/rng.h"
#include "tests/suite.h"

#define LEAVES 600
#define BATCH  50

static struct rng rng;
static struct digest leaves[LEAVES];
static uint8_t bytes[BATCH * LEAF_SIZE + 64];

static void start(uint8_t history)
{
    const uint8_t seed[RNG_SEED_SIZE] = {history, 1};

    rng_init_seed(&rng, seed);
    rng_bytes(&rng, leaves, sizeof(leaves));
    rng_bytes(&rng, bytes, sizeof(bytes));
}

static void setup(void)
{
    start(0);
}

/* The definitions of RFC 6962, written down as they stand. */
static struct digest plain_leaf(struct slice data)
{
    uint8_t *input = malloc(data.size + 1);
    struct digest d;

    ck_assert_ptr_nonnull(input);
    input[0] = 0;
    if (data.size > 0) {
        memcpy(input + 1, data.data, data.size);
    }
    sha256(slice_of(input, data.size + 1), &d);
    free(input);
    return d;
}

static struct digest plain_node(struct digest left, struct digest right)
{
    uint8_t input[1 + 2 * DIGEST_SIZE] = {1};
    struct digest d;

    memcpy(input + 1, left.bytes, DIGEST_SIZE);
    memcpy(input + 1 + DIGEST_SIZE, right.bytes, DIGEST_SIZE);
    sha256(slice_of(input, sizeof(input)), &d);
    return d;
}

static struct digest plain_tree(uint64_t lo, uint64_t hi)
{
    uint64_t k = 1;

    if (hi - lo == 1) {
        return leaves[lo];
    }
    while (2 * k < hi - lo) {
        k *= 2;
    }
    return plain_node(plain_tree(lo, lo + k), plain_tree(lo + k, hi));
}

static struct digest range_root(const struct merkle_range *r)
{
    struct digest d;

    merkle_range_root(r, &d);
    return d;
}

static void expect_equal(struct digest got, struct digest want)
{
    ck_assert_bytes_eq(got.bytes, want.bytes, DIGEST_SIZE);
}

/* Leaves of any length, and nodes, also over their own inputs. */
START_TEST(test_merkle_leaf_and_node)
{
    struct digest d;

    for (size_t size = 0; size < 300; size++) {
        merkle_leaf(slice_of(bytes, size), &d);
        expect_equal(d, plain_leaf(slice_of(bytes, size)));
    }
    merkle_node(&leaves[0], &leaves[1], &d);
    expect_equal(d, plain_node(leaves[0], leaves[1]));
    d = leaves[0];
    merkle_node(&d, &leaves[1], &d);
    expect_equal(d, plain_node(leaves[0], leaves[1]));
    d = leaves[1];
    merkle_node(&leaves[0], &d, &d);
    expect_equal(d, plain_node(leaves[0], leaves[1]));
}
END_TEST

/* The bytes of two hashes as data are not the node above them, so no node
 * passes for a leaf or a leaf for a node. */
START_TEST(test_merkle_leaf_is_never_a_node)
{
    uint8_t both[2 * DIGEST_SIZE], prefixed[1 + sizeof(both)] = {1};
    struct digest node, leaf;

    memcpy(both, leaves, sizeof(both));
    memcpy(prefixed + 1, leaves, sizeof(both));
    merkle_node(&leaves[0], &leaves[1], &node);
    merkle_leaf(slice_of(both, sizeof(both)), &leaf);
    ck_assert(!digest_equal(&leaf, &node));
    merkle_leaf(slice_of(prefixed, sizeof(prefixed)), &leaf);
    ck_assert(!digest_equal(&leaf, &node));
}
END_TEST

/* A short last leaf is another leaf than the same one padded with zeros. */
START_TEST(test_merkle_padding_is_seen)
{
    static uint8_t padded[LEAF_SIZE];
    struct digest a, b;

    memcpy(padded, bytes, 100);
    merkle_leaf(slice_of(padded, 100), &a);
    merkle_leaf(slice_of(padded, LEAF_SIZE), &b);
    ck_assert(!digest_equal(&a, &b));
    merkle_leaves(padded, 1, &a);
    expect_equal(a, b);
}
END_TEST

/* Whatever their number and address, leaves hash as one by one: with the
 * kernel of this processor, then without it. */
START_TEST(test_merkle_leaves_any_count)
{
    const uint8_t *at[BATCH];
    struct digest got[BATCH + 1], mark = leaves[0];

    if (_i == 1) {
        merkle_force_portable();
        ck_assert(!merkle_is_wide());
    }
    for (size_t count = 0; count <= BATCH; count++) {
        const uint8_t *data = bytes + rng_below(&rng, 64);

        got[count] = mark;
        merkle_leaves(data, count, got);
        for (size_t i = 0; i < count; i++) {
            expect_equal(got[i],
                         plain_leaf(slice_of(data + i * LEAF_SIZE, LEAF_SIZE)));
            at[i] = bytes + rng_below(&rng, (uint64_t)(BATCH - 1) * LEAF_SIZE);
        }
        expect_equal(got[count], mark);
        merkle_leaves_at(at, count, got);
        for (size_t i = 0; i < count; i++) {
            expect_equal(got[i], plain_leaf(slice_of(at[i], LEAF_SIZE)));
        }
        expect_equal(got[count], mark);
    }
}
END_TEST

/* Whatever their number and place, nodes hash as one by one, also over their
 * own children: with the kernel of this processor, then without it. */
START_TEST(test_merkle_nodes_any_count)
{
    struct digest got[2 * BATCH + 1];

    if (_i == 1) {
        merkle_force_portable();
    }
    for (size_t count = 0; count <= BATCH; count++) {
        const struct digest *pairs = leaves + rng_below(&rng, BATCH);

        got[count] = leaves[LEAVES - 1];
        merkle_nodes(pairs, count, got);
        expect_equal(got[count], leaves[LEAVES - 1]);
        for (size_t i = 0; i < count; i++) {
            expect_equal(got[i], plain_node(pairs[2 * i], pairs[2 * i + 1]));
        }
        memcpy(got, pairs, 2 * count * sizeof(got[0]));
        got[2 * count] = leaves[LEAVES - 1];
        merkle_nodes(got, count, got);
        for (size_t i = 0; i < count; i++) {
            expect_equal(got[i], plain_node(pairs[2 * i], pairs[2 * i + 1]));
        }
        for (size_t i = count; i < 2 * count; i++) {
            expect_equal(got[i], pairs[i]);
        }
        expect_equal(got[2 * count], leaves[LEAVES - 1]);
    }
}
END_TEST

/* The kernel changes while threads and leaves wait: the digests do not. */
START_TEST(test_merkle_kernels_agree)
{
    struct digest chosen[2 * BATCH], portable[2 * BATCH];

    merkle_leaves(bytes, BATCH, chosen);
    merkle_nodes(leaves, BATCH, chosen + BATCH);
    merkle_force_portable();
    merkle_leaves(bytes, BATCH, portable);
    merkle_nodes(leaves, BATCH, portable + BATCH);
    ck_assert_bytes_eq(chosen, portable, sizeof(chosen));
}
END_TEST

static void *hash_leaves(void *arg)
{
    struct digest want[BATCH], got[BATCH];
    bool *good = arg;

    *good = true;
    for (size_t i = 0; i < BATCH; i++) {
        want[i] = plain_leaf(slice_of(bytes + i * LEAF_SIZE, LEAF_SIZE));
    }
    for (size_t round = 0; round < 40; round++) {
        memset(got, 0, sizeof(got));
        merkle_leaves(bytes, BATCH - round % 16, got);
        *good = *good &&
                memcmp(got, want, sizeof(got[0]) * (BATCH - round % 16)) == 0;
    }
    return NULL;
}

/* Threads come, hash at the same time and go; nothing is lost with them. */
START_TEST(test_merkle_leaves_on_threads)
{
    pthread_t threads[6];
    bool good[6];

    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 6; i++) {
            ck_assert_int_eq(
                pthread_create(&threads[i], NULL, hash_leaves, &good[i]), 0);
        }
        for (int i = 0; i < 6; i++) {
            pthread_join(threads[i], NULL);
            ck_assert(good[i]);
        }
    }
}
END_TEST

/* No leaf: the hash of nothing. One: the leaf itself. */
START_TEST(test_merkle_smallest_trees)
{
    struct merkle_range r;
    struct digest want;

    merkle_range_init(&r);
    sha256(slice_str(""), &want);
    expect_equal(range_root(&r), want);
    merkle_range_append(&r, &leaves[0], NULL, NULL);
    expect_equal(range_root(&r), leaves[0]);
}
END_TEST

/* Leaf by leaf, the root is that of the recursive definition. */
START_TEST(test_merkle_range_is_the_recursive_tree)
{
    struct merkle_range r;

    merkle_range_init(&r);
    for (uint64_t n = 1; n <= LEAVES; n++) {
        merkle_range_append(&r, &leaves[n - 1], NULL, NULL);
        ck_assert_uint_eq(r.leaves, n);
        expect_equal(range_root(&r), plain_tree(0, n));
    }
}
END_TEST

/* Repeating the last leaf makes another tree (CVE-2012-2459). */
START_TEST(test_merkle_repeated_last_leaf_is_another_tree)
{
    for (uint64_t n = 1; n < 40; n++) {
        struct merkle_range a, b;

        merkle_range_init(&a);
        for (uint64_t i = 0; i < n; i++) {
            merkle_range_append(&a, &leaves[i], NULL, NULL);
        }
        b = a;
        for (uint64_t i = n; i < n + 8; i++) {
            struct digest root_a, root_b;

            merkle_range_append(&b, &leaves[n - 1], NULL, NULL);
            merkle_range_root(&a, &root_a);
            merkle_range_root(&b, &root_b);
            ck_assert(!digest_equal(&root_a, &root_b));
        }
    }
}
END_TEST

/* Which nodes the range told of. */
struct told {
    uint64_t count, last_end;
};

static void on_node(void *arg,
                    unsigned level,
                    uint64_t index,
                    const struct digest *node)
{
    struct told *t = arg;
    uint64_t lo = index << level, hi = (index + 1) << level;

    ck_assert_uint_ge(level, 1);
    ck_assert_uint_ge(hi, t->last_end);
    expect_equal(*node, plain_tree(lo, hi));
    t->last_end = hi;
    t->count++;
}

/* Every complete node is told once, with its place, as soon as it is. */
START_TEST(test_merkle_range_tells_complete_nodes)
{
    struct told t = {.count = 0};
    struct merkle_range r;
    uint64_t want = 0;

    merkle_range_init(&r);
    for (uint64_t n = 1; n <= LEAVES; n++) {
        merkle_range_append(&r, &leaves[n - 1], on_node, &t);
        for (uint64_t span = 2; n % span == 0; span *= 2) {
            want++;
            ck_assert_uint_eq(t.last_end, n);
        }
        ck_assert_uint_eq(t.count, want);
    }
}
END_TEST

/* What nodes_len() says is all that a checkpoint must keep. */
START_TEST(test_merkle_range_resumes_from_a_checkpoint)
{
    for (uint64_t cut = 0; cut <= 70; cut++) {
        struct merkle_range r, resumed;
        size_t len;

        merkle_range_init(&r);
        for (uint64_t i = 0; i < cut; i++) {
            merkle_range_append(&r, &leaves[i], NULL, NULL);
        }
        len = merkle_range_nodes_len(r.leaves);
        memset(&resumed, 0xa5, sizeof(resumed));
        resumed.leaves = r.leaves;
        memcpy(resumed.nodes, r.nodes, len * sizeof(r.nodes[0]));
        ck_assert(merkle_range_equal(&r, &resumed));
        resumed.leaves ^= 1;
        ck_assert(!merkle_range_equal(&r, &resumed));
        resumed.leaves ^= 1;
        if (len > 0) {
            resumed.nodes[len - 1].bytes[31] ^= 1;
            ck_assert(!merkle_range_equal(&r, &resumed));
            resumed.nodes[len - 1].bytes[31] ^= 1;
        }
        if (cut > 0) {
            expect_equal(range_root(&resumed), plain_tree(0, cut));
        }
        for (uint64_t i = cut; i < cut + 70; i++) {
            merkle_range_append(&resumed, &leaves[i], NULL, NULL);
        }
        expect_equal(range_root(&resumed), plain_tree(0, cut + 70));
    }
}
END_TEST

/* The largest tree there can be fits, to its last leaf. */
START_TEST(test_merkle_range_largest_tree)
{
    struct merkle_range r;

    merkle_range_init(&r);
    for (unsigned level = MERKLE_DEPTH_MAX; level-- > 0;) {
        merkle_range_append_run(&r, level, &leaves[level], 1, NULL, NULL);
    }
    ck_assert_uint_eq(r.leaves, MERKLE_LEAVES_MAX - 1);
    ck_assert_uint_eq(merkle_range_nodes_len(r.leaves), MERKLE_DEPTH_MAX);
    merkle_range_append(&r, &leaves[0], NULL, NULL);
    ck_assert_uint_eq(r.leaves, MERKLE_LEAVES_MAX);
    ck_assert_uint_eq(merkle_range_nodes_len(r.leaves), 1);
    expect_equal(range_root(&r), r.nodes[0]);
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("merkle");
    TCase *tc = tcase_create("merkle");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, test_merkle_leaf_and_node);
    tcase_add_test(tc, test_merkle_leaf_is_never_a_node);
    tcase_add_test(tc, test_merkle_padding_is_seen);
    tcase_add_loop_test(tc, test_merkle_leaves_any_count, 0, 2);
    tcase_add_loop_test(tc, test_merkle_nodes_any_count, 0, 2);
    tcase_add_test(tc, test_merkle_kernels_agree);
    tcase_add_test(tc, test_merkle_leaves_on_threads);
    tcase_add_test(tc, test_merkle_smallest_trees);
    tcase_add_test(tc, test_merkle_range_is_the_recursive_tree);
    tcase_add_test(tc, test_merkle_repeated_last_leaf_is_another_tree);
    tcase_add_test(tc, test_merkle_range_tells_complete_nodes);
    tcase_add_test(tc, test_merkle_range_resumes_from_a_checkpoint);
    tcase_add_test(tc, test_merkle_range_largest_tree);
    suite_add_tcase(s, tc);
    return s;
}
