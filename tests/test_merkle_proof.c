#include "crypto/hash.h"
#include "crypto/merkle.h"
#include "crypto/rng.h"
#include "tests/suite.h"

#define LEAVES_MAX 300
#define NODES_MAX  LEAVES_MAX

/* One tree of random leaves and one proof about it. */
static struct rng rng;
static struct digest leaves[LEAVES_MAX], root;
static uint64_t n;
static struct digest proof[NODES_MAX + 1];
static size_t proof_len;
static uint64_t samples[LEAVES_MAX];
static struct digest hashes[LEAVES_MAX + 1];
static size_t samples_len;
static uint64_t first;

static void start(uint8_t history)
{
    const uint8_t seed[RNG_SEED_SIZE] = {history, 2};

    rng_init_seed(&rng, seed);
    rng_bytes(&rng, leaves, sizeof(leaves));
}

static void setup(void)
{
    start(0);
}

static uint64_t split(uint64_t size)
{
    uint64_t k = 1;

    while (2 * k < size) {
        k *= 2;
    }
    return k;
}

/* RFC 6962 2.1. */
static struct digest tree(uint64_t lo, uint64_t hi)
{
    uint8_t input[1 + 2 * DIGEST_SIZE] = {1};
    struct digest left, right, d;

    if (hi - lo == 1) {
        return leaves[lo];
    }
    left = tree(lo, lo + split(hi - lo));
    right = tree(lo + split(hi - lo), hi);
    memcpy(input + 1, left.bytes, DIGEST_SIZE);
    memcpy(input + 1 + DIGEST_SIZE, right.bytes, DIGEST_SIZE);
    sha256(slice_of(input, sizeof(input)), &d);
    return d;
}

/* RFC 6962 2.1.1. */
static void path(uint64_t m, uint64_t lo, uint64_t hi)
{
    uint64_t mid;

    if (hi - lo == 1) {
        return;
    }
    mid = lo + split(hi - lo);
    if (m < mid) {
        path(m, lo, mid);
        proof[proof_len++] = tree(mid, hi);
    } else {
        path(m, mid, hi);
        proof[proof_len++] = tree(lo, mid);
    }
}

/* RFC 6962 2.1.2: from the first |m| leaves; |whole| while the old tree is
 * the subtree looked at. */
static void subproof(uint64_t m, uint64_t lo, uint64_t hi, bool whole)
{
    uint64_t mid;

    if (m == hi) {
        if (!whole) {
            proof[proof_len++] = tree(lo, hi);
        }
        return;
    }
    mid = lo + split(hi - lo);
    if (m <= mid) {
        subproof(m, lo, mid, whole);
        proof[proof_len++] = tree(mid, hi);
    } else {
        subproof(m, mid, hi, false);
        proof[proof_len++] = tree(lo, mid);
    }
}

static int lookup(void *arg, uint64_t lo, uint64_t hi, struct digest *out)
{
    ck_assert_ptr_eq(arg, &rng);
    ck_assert(lo < hi && hi <= n);
    *out = tree(lo, hi);
    return OK;
}

static void flip(struct digest *d)
{
    uint64_t bit = rng_below(&rng, (uint64_t)DIGEST_SIZE * 8);

    d->bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
}

/* Every single change of a proof that |check| accepts is refused: a changed,
 * missing, added or exchanged node. */
static void expect_proof_is_exact(int (*check)(void))
{
    struct digest saved;

    ck_assert_int_eq(check(), OK);
    for (size_t i = 0; i < proof_len; i++) {
        saved = proof[i];
        flip(&proof[i]);
        ck_assert_int_eq(check(), ERR_AUTH);
        proof[i] = saved;
    }
    for (size_t i = 1; i < proof_len; i++) {
        saved = proof[i];
        proof[i] = proof[i - 1];
        proof[i - 1] = saved;
        ck_assert_int_eq(check(), ERR_AUTH);
        proof[i - 1] = proof[i];
        proof[i] = saved;
    }
    if (proof_len > 0) {
        proof_len--;
        ck_assert_int_eq(check(), ERR_AUTH);
        proof_len++;
        memmove(proof, proof + 1, (proof_len - 1) * sizeof(proof[0]));
        proof_len--;
        ck_assert_int_eq(check(), ERR_AUTH);
        proof_len++;
    }
}

static void expect_no_extra_node(int (*check)(void))
{
    proof[proof_len++] = root;
    ck_assert_int_eq(check(), ERR_AUTH);
    proof[proof_len - 1] = leaves[0];
    ck_assert_int_eq(check(), ERR_AUTH);
    proof_len--;
    ck_assert_int_eq(check(), OK);
}

static int check_inclusion(void)
{
    return merkle_inclusion_verify(&hashes[0], first, n, proof, proof_len,
                                   &root);
}

/* Every leaf of every small tree has a proof, and it is the only one. */
START_TEST(test_merkle_inclusion_any_leaf)
{
    for (n = 1; n <= 40; n++) {
        root = tree(0, n);
        for (first = 0; first < n; first++) {
            proof_len = 0;
            path(first, 0, n);
            hashes[0] = leaves[first];
            expect_no_extra_node(check_inclusion);
            flip(&hashes[0]);
            ck_assert_int_eq(check_inclusion(), ERR_AUTH);
            hashes[0] = leaves[first];
            flip(&root);
            ck_assert_int_eq(check_inclusion(), ERR_AUTH);
            root = tree(0, n);
            expect_proof_is_exact(check_inclusion);
        }
    }
}
END_TEST

/* At another index, or past the end, the same leaf does not verify. */
START_TEST(test_merkle_inclusion_other_index)
{
    n = 21;
    root = tree(0, n);
    for (uint64_t at = 0; at < n; at++) {
        proof_len = 0;
        path(at, 0, n);
        hashes[0] = leaves[at];
        for (first = 0; first < n; first++) {
            ck_assert_int_eq(check_inclusion(), first == at ? OK : ERR_AUTH);
        }
        ck_assert_int_eq(check_inclusion(), ERR_BAD);
    }
}
END_TEST

/* Numbers that no tree has are bad, whatever the proof. */
START_TEST(test_merkle_inclusion_impossible_numbers)
{
    proof_len = 0;
    root = hashes[0] = leaves[0];
    first = 0;
    n = 1;
    ck_assert_int_eq(check_inclusion(), OK);
    n = 0;
    ck_assert_int_eq(check_inclusion(), ERR_BAD);
    n = MERKLE_LEAVES_MAX + 1;
    ck_assert_int_eq(check_inclusion(), ERR_BAD);
    n = UINT64_MAX;
    first = UINT64_MAX;
    ck_assert_int_eq(check_inclusion(), ERR_BAD);
    /* The largest tree is possible. */
    n = MERKLE_LEAVES_MAX;
    first = n - 1;
    for (proof_len = 0; proof_len < MERKLE_DEPTH_MAX; proof_len++) {
        proof[proof_len] = leaves[proof_len];
        merkle_node(&leaves[proof_len], &root, &root);
    }
    ck_assert_int_eq(check_inclusion(), OK);
    proof_len--;
    ck_assert_int_eq(check_inclusion(), ERR_AUTH);
}
END_TEST

static uint64_t old_n;
static struct digest old_root;

static int check_consistency(void)
{
    return merkle_consistency_verify(old_n, n, &old_root, &root, proof,
                                     proof_len);
}

/* Every tree grows out of every smaller one, in one way. */
START_TEST(test_merkle_consistency_any_sizes)
{
    for (n = 1; n <= 33; n++) {
        root = tree(0, n);
        for (old_n = 1; old_n <= n; old_n++) {
            old_root = tree(0, old_n);
            proof_len = 0;
            subproof(old_n, 0, n, true);
            expect_no_extra_node(check_consistency);
            flip(&old_root);
            ck_assert_int_eq(check_consistency(), ERR_AUTH);
            old_root = tree(0, old_n);
            flip(&root);
            ck_assert_int_eq(check_consistency(), ERR_AUTH);
            root = tree(0, n);
            expect_proof_is_exact(check_consistency);
        }
    }
}
END_TEST

/* A log that changed an old leaf has no proof; neither has one that shrank,
 * and growth from nothing proves nothing. */
START_TEST(test_merkle_consistency_no_rewriting)
{
    old_n = 5;
    old_root = tree(0, old_n);
    flip(&leaves[3]);
    n = 9;
    root = tree(0, n);
    proof_len = 0;
    subproof(old_n, 0, n, true);
    ck_assert_int_eq(check_consistency(), ERR_AUTH);
    n = 4;
    ck_assert_int_eq(check_consistency(), ERR_BAD);
    old_n = 0;
    ck_assert_int_eq(check_consistency(), ERR_BAD);
    n = 0;
    ck_assert_int_eq(check_consistency(), ERR_BAD);
    old_n = 1;
    n = MERKLE_LEAVES_MAX + 1;
    ck_assert_int_eq(check_consistency(), ERR_BAD);
}
END_TEST

static int check_multi(void)
{
    return merkle_multi_verify(n, samples, samples_len, hashes, proof,
                               proof_len, &root);
}

static int check_run(void)
{
    return merkle_run_verify(n, first, samples_len, hashes, proof, proof_len,
                             &root);
}

/* The definition in the header, for comparison. */
static void plain_prove(uint64_t lo, uint64_t hi)
{
    bool inside = false;

    for (size_t i = 0; i < samples_len; i++) {
        inside = inside || (samples[i] >= lo && samples[i] < hi);
    }
    if (!inside) {
        proof[proof_len++] = tree(lo, hi);
    } else if (hi - lo > 1) {
        plain_prove(lo, lo + split(hi - lo));
        plain_prove(lo + split(hi - lo), hi);
    }
}

static void expect_proof_as_defined(size_t nodes_len,
                                    const struct digest *nodes)
{
    proof_len = 0;
    plain_prove(0, n);
    ck_assert_uint_eq(nodes_len, proof_len);
    ck_assert(memcmp(nodes, proof, proof_len * sizeof(proof[0])) == 0);
}

/* Any leaf hash that is not that leaf's is refused. */
static void expect_leaves_are_exact(int (*check)(void))
{
    for (size_t i = 0; i < samples_len; i++) {
        flip(&hashes[i]);
        ck_assert_int_eq(check(), ERR_AUTH);
        hashes[i] = leaves[samples[i]];
    }
    flip(&root);
    ck_assert_int_eq(check(), ERR_AUTH);
    root = tree(0, n);
    ck_assert_int_eq(check(), OK);
}

/* Samples chosen by chance: the proof is as defined, verifies, and nothing
 * near it does. */
START_TEST(test_merkle_multi_any_samples)
{
    struct digest nodes[NODES_MAX];
    size_t nodes_len;
    uint64_t one_in;

    start((uint8_t)_i);
    n = 1 + rng_below(&rng, _i < 40 ? 20 : LEAVES_MAX);
    root = tree(0, n);
    one_in = 1 + rng_below(&rng, 10);
    samples_len = 0;
    for (uint64_t i = 0; i < n; i++) {
        if (rng_below(&rng, one_in) == 0) {
            hashes[samples_len] = leaves[i];
            samples[samples_len++] = i;
        }
    }
    if (samples_len == 0) {
        hashes[0] = leaves[0];
        samples[samples_len++] = 0;
    }
    ck_assert_int_eq(merkle_multi_prove(n, samples, samples_len, lookup, &rng,
                                        nodes, NODES_MAX, &nodes_len),
                     OK);
    expect_proof_as_defined(nodes_len, nodes);
    expect_no_extra_node(check_multi);
    expect_leaves_are_exact(check_multi);
    for (size_t i = 0; i < samples_len; i++) {
        if (samples[i] + 1 < n &&
            (i + 1 == samples_len || samples[i + 1] > samples[i] + 1)) {
            samples[i]++; /* The same leaf, said to be its neighbour. */
            ck_assert_int_eq(check_multi(), ERR_AUTH);
            samples[i]--;
        }
    }
    expect_proof_is_exact(check_multi);
}
END_TEST

/* Runs chosen by chance, as for samples. */
START_TEST(test_merkle_run_any_run)
{
    struct digest nodes[MERKLE_RUN_NODES_MAX];
    size_t nodes_len;

    start((uint8_t)_i);
    n = 1 + rng_below(&rng, _i < 40 ? 20 : LEAVES_MAX);
    root = tree(0, n);
    first = rng_below(&rng, n);
    samples_len = (size_t)(1 + rng_below(&rng, n - first));
    for (size_t i = 0; i < samples_len; i++) {
        samples[i] = first + i;
        hashes[i] = leaves[first + i];
    }
    ck_assert_int_eq(merkle_run_prove(n, first, samples_len, lookup, &rng,
                                      nodes, MERKLE_RUN_NODES_MAX, &nodes_len),
                     OK);
    expect_proof_as_defined(nodes_len, nodes);
    expect_no_extra_node(check_run);
    ck_assert_int_eq(check_multi(), OK);
    expect_leaves_are_exact(check_run);
    if (first + samples_len < n) {
        first++;
        ck_assert_int_eq(check_run(), ERR_AUTH);
        first--;
        hashes[samples_len] = leaves[first + samples_len];
        samples_len++;
        ck_assert_int_eq(check_run(), ERR_AUTH);
        samples_len--;
    }
    if (samples_len > 1) {
        samples_len--;
        ck_assert_int_eq(check_run(), ERR_AUTH);
        samples_len++;
    }
    expect_proof_is_exact(check_run);
}
END_TEST

static int prove_samples(size_t room)
{
    size_t len = 77;
    int rv = merkle_multi_prove(n, samples, samples_len, lookup, &rng, proof,
                                room, &len);

    ck_assert(rv == OK || len == 77);
    return rv;
}

static int prove_run(size_t room)
{
    size_t len = 77;
    int rv = merkle_run_prove(n, first, samples_len, lookup, &rng, proof, room,
                              &len);

    ck_assert(rv == OK || len == 77);
    return rv;
}

static void expect_bad_samples(void)
{
    ck_assert_int_eq(prove_samples(NODES_MAX), ERR_BAD);
    ck_assert_int_eq(check_multi(), ERR_BAD);
}

/* Samples that repeat, go down, leave the tree or are none are bad. */
START_TEST(test_merkle_multi_bad_samples)
{
    n = 10;
    samples_len = 3;
    samples[0] = 2;
    samples[1] = 2;
    samples[2] = 5;
    expect_bad_samples();
    samples[1] = 1;
    expect_bad_samples();
    samples[1] = 3;
    ck_assert_int_eq(prove_samples(NODES_MAX), OK);
    samples[2] = 10;
    expect_bad_samples();
    samples[2] = UINT64_MAX;
    expect_bad_samples();
    samples[2] = 5;
    n = 0;
    expect_bad_samples();
    n = MERKLE_LEAVES_MAX + 1;
    expect_bad_samples();
    n = 10;
    samples_len = 0;
    expect_bad_samples();
}
END_TEST

static void expect_bad_run(uint64_t from, size_t count)
{
    first = from;
    samples_len = count;
    ck_assert_int_eq(prove_run(NODES_MAX), ERR_BAD);
    ck_assert_int_eq(check_run(), ERR_BAD);
}

/* So are runs that leave the tree, also by overflow, or are empty. */
START_TEST(test_merkle_run_bad_runs)
{
    n = 10;
    expect_bad_run(0, 0);
    expect_bad_run(10, 1);
    expect_bad_run(9, 2);
    expect_bad_run(0, 11);
    expect_bad_run(5, SIZE_MAX - 4);
    expect_bad_run(UINT64_MAX, 1);
    n = 0;
    expect_bad_run(0, 1);
    n = MERKLE_LEAVES_MAX + 1;
    expect_bad_run(0, 1);
}
END_TEST

static int failing_lookup(void *arg,
                          uint64_t lo,
                          uint64_t hi,
                          struct digest *out)
{
    int *left = arg;

    (void)lo, (void)hi;
    memset(out, 0, sizeof(*out));
    return (*left)-- == 0 ? ERR_IO : OK;
}

/* A proof without room, or whose nodes cannot be read, says so. */
START_TEST(test_merkle_multi_prover_fails)
{
    size_t len = 77;

    n = 64;
    first = samples[0] = 33;
    samples_len = 1;
    for (size_t room = 0; room < 6; room++) {
        int left = (int)room;

        ck_assert_int_eq(prove_samples(room), ERR_FULL);
        ck_assert_int_eq(prove_run(room), ERR_FULL);
        ck_assert_int_eq(merkle_multi_prove(n, samples, 1, failing_lookup,
                                            &left, proof, NODES_MAX, &len),
                         ERR_IO);
        ck_assert_uint_eq(len, 77);
    }
    ck_assert_int_eq(prove_samples(6), OK);
    ck_assert_int_eq(prove_run(6), OK);
}
END_TEST

/* A tree of equal leaves, so that its nodes depend on their sizes alone. */
static int uniform_lookup(void *arg,
                          uint64_t lo,
                          uint64_t hi,
                          struct digest *out)
{
    struct merkle_range r;

    (void)arg;
    merkle_range_init(&r);
    for (unsigned level = MERKLE_DEPTH_MAX + 1; level-- > 0;) {
        if (((hi - lo) >> level & 1) != 0) {
            struct digest node = leaves[0];

            for (unsigned i = 0; i < level; i++) {
                merkle_node(&node, &node, &node);
            }
            merkle_range_append_run(&r, level, &node, 1, NULL, NULL);
        }
    }
    merkle_range_root(&r, out);
    return OK;
}

/* The largest trees there can be: depth and number of nodes keep within their
 * bounds at both edges and on both sides of the middle. */
START_TEST(test_merkle_run_in_the_largest_trees)
{
    const uint64_t sizes[] = {MERKLE_LEAVES_MAX, MERKLE_LEAVES_MAX - 1,
                              MERKLE_LEAVES_MAX / 2 + 1};

    samples_len = 5;
    for (size_t i = 0; i < samples_len; i++) {
        hashes[i] = leaves[0];
    }
    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        const uint64_t firsts[] = {0, 1, sizes[s] / 2 - 2, sizes[s] / 2 - 3,
                                   sizes[s] - 5};

        n = sizes[s];
        ck_assert_int_eq(uniform_lookup(NULL, 0, n, &root), OK);
        for (size_t f = 0; f < sizeof(firsts) / sizeof(firsts[0]); f++) {
            first = firsts[f];
            ck_assert_int_eq(merkle_run_prove(n, first, samples_len,
                                              uniform_lookup, NULL, proof,
                                              MERKLE_RUN_NODES_MAX, &proof_len),
                             OK);
            ck_assert_int_eq(check_run(), OK);
            proof_len--;
            ck_assert_int_eq(check_run(), ERR_AUTH);
        }
    }
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("merkle_proof");
    TCase *tc = tcase_create("merkle_proof");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, test_merkle_inclusion_any_leaf);
    tcase_add_test(tc, test_merkle_inclusion_other_index);
    tcase_add_test(tc, test_merkle_inclusion_impossible_numbers);
    tcase_add_test(tc, test_merkle_consistency_any_sizes);
    tcase_add_test(tc, test_merkle_consistency_no_rewriting);
    tcase_add_loop_test(tc, test_merkle_multi_any_samples, 0, 55);
    tcase_add_loop_test(tc, test_merkle_run_any_run, 0, 55);
    tcase_add_test(tc, test_merkle_multi_bad_samples);
    tcase_add_test(tc, test_merkle_run_bad_runs);
    tcase_add_test(tc, test_merkle_multi_prover_fails);
    tcase_add_test(tc, test_merkle_run_in_the_largest_trees);
    suite_add_tcase(s, tc);
    return s;
}
