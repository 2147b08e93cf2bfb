#include "crypto/vss.h"
#include "tests/suite.h"

/* q, little-endian (RFC 9496 section 4.4). */
#define ORDER "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010"

#define T 3
#define N 6

static struct rng rng;
static struct vss_polynomials poly;
static struct element commitments[VSS_T_MAX + 1];
static struct vss_share shares[VSS_N_MAX];

static void deal(uint16_t t, uint16_t n)
{
    vss_polynomials_init(&poly, t, &rng);
    vss_commit(&poly, commitments);
    for (uint16_t i = 1; i <= n; i++) {
        vss_deal(&poly, i, &shares[i - 1]);
    }
}

static void setup(void)
{
    static const uint8_t seed[RNG_SEED_SIZE] = {'v'};

    rng_init_seed(&rng, seed);
    deal(T, N);
}

static int verify(const struct vss_share *share)
{
    return vss_share_verify(share, commitments, T, N);
}

static bool scalar_equal(const struct scalar *a, const struct scalar *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

static bool combines(const struct vss_share *from, size_t len)
{
    struct scalar s, r;

    ck_assert_int_eq(vss_combine(from, len, &s, &r), OK);
    return scalar_equal(&s, &poly.a[0]) && scalar_equal(&r, &poly.b[0]);
}

static void increment(struct scalar *a)
{
    struct scalar one;

    scalar_from_u64(&one, 1);
    scalar_add(a, a, &one);
}

/* a + q as a 256-bit number: the same residue in another encoding. */
static void add_order(struct scalar *a)
{
    uint8_t order[SCALAR_SIZE];
    unsigned carry = 0;

    hex_read(ORDER, order, sizeof(order));
    for (size_t i = 0; i < SCALAR_SIZE; i++) {
        carry += (unsigned)a->bytes[i] + order[i];
        a->bytes[i] = (uint8_t)carry;
        carry >>= 8;
    }
    ck_assert_uint_eq(carry, 0);
}

/* What was dealt verifies, at its own index alone. */
START_TEST(test_vss_share_verifies_at_its_index)
{
    struct vss_share share;

    ck_assert_int_eq(vss_commitments_check(commitments, T), OK);
    for (uint16_t i = 1; i <= N; i++) {
        share = shares[i - 1];
        ck_assert_uint_eq(share.index, i);
        for (uint16_t j = 1; j <= N; j++) {
            share.index = j;
            ck_assert_int_eq(verify(&share), i == j ? OK : ERR_AUTH);
        }
    }
}
END_TEST

/* The public share is the commitment to the private one. */
START_TEST(test_vss_public_share_commits_to_share)
{
    struct element want, got;

    for (uint16_t i = 1; i <= N; i++) {
        element_commit(&want, &shares[i - 1].s, &shares[i - 1].r);
        ck_assert_int_eq(vss_public_share(commitments, T, i, &got), OK);
        ck_assert(element_equal(&got, &want));
    }
}
END_TEST

/* Every t of the shares give the secret, in whatever order they come; t - 1
 * give something else. The loop index is the seed and decides t. */
START_TEST(test_vss_any_t_shares_give_the_secret)
{
    const uint8_t seed[RNG_SEED_SIZE] = {(uint8_t)_i};
    uint16_t t = (uint16_t)(1 + _i % N);
    struct vss_share some[N];

    rng_init_seed(&rng, seed);
    deal(t, N);
    for (unsigned subset = 1; subset < 1U << N; subset++) {
        size_t len = 0;

        for (unsigned i = 0; i < N; i++) {
            if ((subset & BIT(i)) != 0) {
                some[len++] = shares[i];
            }
        }
        for (size_t i = len; i > 1; i--) {
            size_t j = (size_t)rng_below(&rng, i);
            struct vss_share moved = some[i - 1];

            some[i - 1] = some[j];
            some[j] = moved;
        }
        ck_assert(combines(some, len) == (len >= t));
    }
}
END_TEST

/* The widest set that the format admits. */
START_TEST(test_vss_largest_threshold_and_index)
{
    deal(VSS_T_MAX, VSS_N_MAX);
    ck_assert_int_eq(vss_share_verify(&shares[VSS_N_MAX - 1], commitments,
                                      VSS_T_MAX, VSS_N_MAX),
                     OK);
    ck_assert(combines(&shares[VSS_N_MAX - VSS_T_MAX], VSS_T_MAX));
    ck_assert(!combines(&shares[VSS_N_MAX - VSS_T_MAX], VSS_T_MAX - 1));
}
END_TEST

/* A share that is off by one in either part is wrong, and it would spoil the
 * secret. */
START_TEST(test_vss_changed_share_is_refused)
{
    struct vss_share share = shares[1];

    increment(&share.s);
    ck_assert_int_eq(verify(&share), ERR_AUTH);
    share = shares[1];
    increment(&share.r);
    ck_assert_int_eq(verify(&share), ERR_AUTH);
    share = shares[1];
    share.s = shares[1].r;
    share.r = shares[1].s;
    ck_assert_int_eq(verify(&share), ERR_AUTH);
    increment(&shares[1].s);
    ck_assert(!combines(shares, T));
}
END_TEST

/* The same residue in another encoding is no share. */
START_TEST(test_vss_scalars_must_be_canonical)
{
    struct vss_share share = shares[0];
    struct scalar s, r;

    add_order(&share.s);
    ck_assert_int_eq(verify(&share), ERR_BAD);
    ck_assert_int_eq(vss_combine(&share, 1, &s, &r), ERR_BAD);
    share = shares[0];
    add_order(&share.r);
    ck_assert_int_eq(verify(&share), ERR_BAD);
    ck_assert_int_eq(vss_combine(&share, 1, &s, &r), ERR_BAD);
    share = shares[0];
    share.s.bytes[31] |= 0x80;
    ck_assert_int_eq(verify(&share), ERR_BAD);
}
END_TEST

/* Indices are 1..n; zero would be the secret itself. */
START_TEST(test_vss_index_out_of_range_is_refused)
{
    static const uint16_t bad[] = {0, N + 1, VSS_N_MAX + 1, UINT16_MAX};
    struct vss_share share = {.s = poly.a[0], .r = poly.b[0]};
    struct element before = group_b, out = before;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        share.index = bad[i];
        ck_assert_int_eq(verify(&share), ERR_BAD);
    }
    share = shares[0];
    ck_assert_int_eq(vss_share_verify(&share, commitments, T, VSS_N_MAX + 1),
                     ERR_BAD);
    ck_assert_int_eq(vss_public_share(commitments, T, 0, &out), ERR_BAD);
    ck_assert_int_eq(vss_public_share(commitments, T, VSS_N_MAX + 1, &out),
                     ERR_BAD);
    ck_assert(element_equal(&out, &before));
}
END_TEST

/* 1 <= t <= n, and t never above what the format holds. */
START_TEST(test_vss_threshold_out_of_range_is_refused)
{
    struct element out;

    deal(VSS_T_MAX, 1);
    commitments[VSS_T_MAX] = group_b;
    ck_assert_int_eq(vss_share_verify(shares, commitments, 0, N), ERR_BAD);
    ck_assert_int_eq(vss_share_verify(shares, commitments, N + 1, N), ERR_BAD);
    ck_assert_int_eq(
        vss_share_verify(shares, commitments, VSS_T_MAX + 1, VSS_N_MAX),
        ERR_BAD);
    ck_assert_int_eq(vss_commitments_check(commitments, 0), ERR_BAD);
    ck_assert_int_eq(vss_commitments_check(commitments, VSS_T_MAX), OK);
    ck_assert_int_eq(vss_commitments_check(commitments, VSS_T_MAX + 1),
                     ERR_BAD);
    ck_assert_int_eq(vss_public_share(commitments, 0, 1, &out), ERR_BAD);
    ck_assert_int_eq(vss_public_share(commitments, VSS_T_MAX + 1, 1, &out),
                     ERR_BAD);
}
END_TEST

/* A commitment that is the identity or no element spoils the whole set,
 * wherever it stands. */
START_TEST(test_vss_bad_commitment_is_refused)
{
    struct element bad[4] = {{{0}}, {{1}}, {{0}}, {{0}}};
    struct element good, out;

    /* The identity, no element, and with bit 255 set the identity and the
     * element itself. */
    bad[2].bytes[31] = 0x80;
    for (size_t k = 0; k < T; k++) {
        good = commitments[k];
        bad[3] = good;
        bad[3].bytes[31] |= 0x80;
        for (size_t i = 0; i < 4; i++) {
            commitments[k] = bad[i];
            ck_assert_int_eq(vss_commitments_check(commitments, T), ERR_BAD);
            ck_assert_int_eq(vss_public_share(commitments, T, 1, &out),
                             ERR_BAD);
            ck_assert_int_eq(verify(&shares[0]), ERR_BAD);
        }
        commitments[k] = good;
    }
    ck_assert_int_eq(verify(&shares[0]), OK);
}
END_TEST

/* One commitment too many or too few, or two in the wrong order, promise
 * other shares. */
START_TEST(test_vss_other_commitments_promise_other_shares)
{
    struct element first = commitments[0];

    commitments[T] = group_b;
    for (uint16_t i = 1; i <= N; i++) {
        ck_assert_int_eq(
            vss_share_verify(&shares[i - 1], commitments, T + 1, N), ERR_AUTH);
        ck_assert_int_eq(
            vss_share_verify(&shares[i - 1], commitments, T - 1, N), ERR_AUTH);
    }
    commitments[0] = commitments[1];
    commitments[1] = first;
    ck_assert_int_eq(verify(&shares[1]), ERR_AUTH);
}
END_TEST

/* A repeated, zero or excessive index would divide by zero or count one
 * custodian twice; nothing is written then. */
START_TEST(test_vss_combine_refuses_bad_indices)
{
    struct scalar s = {{7}}, r = {{8}};

    shares[1] = shares[0];
    ck_assert_int_eq(vss_combine(shares, T, &s, &r), ERR_BAD);
    shares[1].index = 0;
    ck_assert_int_eq(vss_combine(shares, T, &s, &r), ERR_BAD);
    shares[1].index = VSS_N_MAX + 1;
    ck_assert_int_eq(vss_combine(shares, T, &s, &r), ERR_BAD);
    ck_assert_int_eq(vss_combine(shares, 0, &s, &r), ERR_BAD);
    deal(T, VSS_T_MAX + 1);
    ck_assert_int_eq(vss_combine(shares, VSS_T_MAX + 1, &s, &r), ERR_BAD);
    ck_assert_uint_eq(s.bytes[0], 7);
    ck_assert_uint_eq(r.bytes[0], 8);
}
END_TEST

/* Without blinding (Feldman's scheme) the factor of H is always zero, for
 * which libsodium gives no point. */
START_TEST(test_vss_zero_blinding_works)
{
    memset(poly.b, 0, sizeof(poly.b));
    vss_commit(&poly, commitments);
    for (uint16_t i = 1; i <= N; i++) {
        vss_deal(&poly, i, &shares[i - 1]);
        ck_assert(scalar_is_zero(&shares[i - 1].r));
        ck_assert_int_eq(verify(&shares[i - 1]), OK);
    }
    ck_assert(combines(&shares[2], T));
}
END_TEST

/* Zero coefficients, too, deal and combine; but a commitment to (0, 0) gives
 * away what it commits to and is refused. */
START_TEST(test_vss_zero_coefficients)
{
    scalar_from_u64(&poly.a[1], 0);
    scalar_from_u64(&poly.a[0], 0);
    vss_commit(&poly, commitments);
    for (uint16_t i = 1; i <= N; i++) {
        vss_deal(&poly, i, &shares[i - 1]);
        ck_assert_int_eq(verify(&shares[i - 1]), OK);
    }
    ck_assert(combines(&shares[1], T));
    scalar_from_u64(&poly.b[1], 0);
    vss_commit(&poly, commitments);
    ck_assert(element_is_identity(&commitments[1]));
    vss_deal(&poly, 1, &shares[0]);
    ck_assert_int_eq(verify(&shares[0]), ERR_BAD);
}
END_TEST

/* A public share may come out as the identity on the way or at the end. */
START_TEST(test_vss_identity_in_between)
{
    struct vss_share share = {.index = 1};
    struct element out;
    struct scalar zero, minus_two, b;

    /* E_2 = B, E_1 = -2B: at index 2 the first step of Horner's rule gives
     * the identity. */
    scalar_from_u64(&zero, 0);
    scalar_from_u64(&b, 2);
    scalar_sub(&minus_two, &zero, &b);
    commitments[2] = group_b;
    element_mul_base(&commitments[1], &minus_two);
    commitments[0] = group_h;
    ck_assert_int_eq(vss_public_share(commitments, 3, 2, &out), OK);
    ck_assert(element_equal(&out, &group_h));
    /* E_0 = 2B, E_1 = -2B: the identity at index 1, promised to (0, 0). */
    element_mul_base(&commitments[0], &b);
    ck_assert_int_eq(vss_public_share(commitments, 2, 1, &out), OK);
    ck_assert(element_is_identity(&out));
    ck_assert_int_eq(vss_share_verify(&share, commitments, 2, 2), OK);
}
END_TEST

/* Shares of two dealings of one secret do not mix: hence the journal. */
START_TEST(test_vss_two_dealings_do_not_mix)
{
    struct vss_share mixed[T];
    struct vss_polynomials first = poly;

    memcpy(mixed, shares, sizeof(mixed));
    vss_polynomials_init(&poly, T, &rng);
    poly.a[0] = first.a[0];
    poly.b[0] = first.b[0];
    vss_commit(&poly, commitments);
    vss_deal(&poly, 3, &mixed[2]);
    ck_assert_int_eq(verify(&mixed[2]), OK);
    ck_assert_int_eq(verify(&mixed[0]), ERR_AUTH);
    ck_assert(!combines(mixed, T));
}
END_TEST

/* One stream, one dealing; no coefficient is zero or used twice. */
START_TEST(test_vss_polynomials_follow_the_stream)
{
    static const uint8_t seed[RNG_SEED_SIZE] = {'v'};
    struct vss_polynomials again;

    rng_init_seed(&rng, seed);
    vss_polynomials_init(&again, T, &rng);
    ck_assert_mem_eq(&again, &poly, sizeof(poly));
    for (size_t k = 0; k < VSS_T_MAX; k++) {
        ck_assert(scalar_is_zero(&poly.a[k]) == (k >= T));
        ck_assert(scalar_is_zero(&poly.b[k]) == (k >= T));
        ck_assert(k >= T || !scalar_equal(&poly.a[k], &poly.b[k]));
    }
    vss_polynomials_init(&again, T, &rng);
    ck_assert(!scalar_equal(&again.a[0], &poly.a[0]));
}
END_TEST

/* Nothing of a secret stays behind. */
START_TEST(test_vss_wipe_leaves_zeroes)
{
    static const struct vss_polynomials no_poly;
    static const struct vss_share no_share;

    vss_polynomials_wipe(&poly);
    ck_assert_mem_eq(&poly, &no_poly, sizeof(poly));
    vss_share_wipe(&shares[0]);
    ck_assert_mem_eq(&shares[0], &no_share, sizeof(no_share));
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("vss");
    TCase *tc = tcase_create("vss");

    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_vss_share_verifies_at_its_index);
    tcase_add_test(tc, test_vss_public_share_commits_to_share);
    tcase_add_loop_test(tc, test_vss_any_t_shares_give_the_secret, 0, 24);
    tcase_add_test(tc, test_vss_largest_threshold_and_index);
    tcase_add_test(tc, test_vss_changed_share_is_refused);
    tcase_add_test(tc, test_vss_scalars_must_be_canonical);
    tcase_add_test(tc, test_vss_index_out_of_range_is_refused);
    tcase_add_test(tc, test_vss_threshold_out_of_range_is_refused);
    tcase_add_test(tc, test_vss_bad_commitment_is_refused);
    tcase_add_test(tc, test_vss_other_commitments_promise_other_shares);
    tcase_add_test(tc, test_vss_combine_refuses_bad_indices);
    tcase_add_test(tc, test_vss_zero_blinding_works);
    tcase_add_test(tc, test_vss_zero_coefficients);
    tcase_add_test(tc, test_vss_identity_in_between);
    tcase_add_test(tc, test_vss_two_dealings_do_not_mix);
    tcase_add_test(tc, test_vss_polynomials_follow_the_stream);
    tcase_add_test(tc, test_vss_wipe_leaves_zeroes);
    suite_add_tcase(s, tc);
    return s;
}
