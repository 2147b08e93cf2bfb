#include "crypto/hash.h"
#include "crypto/possession.h"
#include "tests/suite.h"

/* q, little-endian (RFC 9496 section 4.4). */
#define ORDER "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010"

#define Z1 ELEMENT_SIZE
#define Z2 (ELEMENT_SIZE + SCALAR_SIZE)

static struct rng rng;
static struct digest ctx;
static struct vss_share share;
static struct element public_share;
static uint8_t proof[POSSESSION_PROOF_SIZE];

static const uint8_t hedge[POSSESSION_HEDGE_SIZE] = {1, 2, 3};

static void setup(void)
{
    static const uint8_t seed[RNG_SEED_SIZE] = {'p'};

    rng_init_seed(&rng, seed);
    rng_bytes(&rng, ctx.bytes, sizeof(ctx.bytes));
    share.index = 1;
    scalar_random(&share.s, &rng);
    scalar_random(&share.r, &rng);
    element_commit(&public_share, &share.s, &share.r);
    possession_prove(&ctx, &share, &rng, proof);
}

static int verify(void)
{
    return possession_verify(&ctx, &public_share, proof);
}

static struct slice element_slice(const struct element *p)
{
    return slice_of(p->bytes, ELEMENT_SIZE);
}

/* The z of a proof for which a prover without the share can hope: any. */
static void some_answers(struct scalar *z1, struct scalar *z2)
{
    scalar_random(z1, &rng);
    scalar_random(z2, &rng);
    memcpy(proof + Z1, z1->bytes, SCALAR_SIZE);
    memcpy(proof + Z2, z2->bytes, SCALAR_SIZE);
}

/* out = com(z1, z2) - c * p. */
static void com_minus(struct element *out,
                      const struct scalar *z1,
                      const struct scalar *z2,
                      const struct scalar *c,
                      const struct element *p)
{
    struct scalar zero, negative;
    struct element com, cp;

    scalar_from_u64(&zero, 0);
    scalar_sub(&negative, &zero, c);
    element_commit(&com, z1, z2);
    ck_assert_int_eq(element_mul(&cp, &negative, p), OK);
    ck_assert_int_eq(element_add(out, &com, &cp), OK);
}

/* Does the proof answer the challenge hashed from |parts|? */
static bool answers(const struct slice *parts, size_t parts_len)
{
    struct scalar c, z1, z2;
    struct element t;

    scalar_hash(&c, "okamoto-chal", parts, parts_len);
    memcpy(z1.bytes, proof + Z1, SCALAR_SIZE);
    memcpy(z2.bytes, proof + Z2, SCALAR_SIZE);
    com_minus(&t, &z1, &z2, &c, &public_share);
    return memcmp(t.bytes, proof, ELEMENT_SIZE) == 0;
}

/* Who holds the share proves it. */
START_TEST(test_possession_holder_proves)
{
    ck_assert_int_eq(verify(), OK);
}
END_TEST

/* A proof for one context says nothing in another. */
START_TEST(test_possession_proof_serves_one_context)
{
    ctx.bytes[31] ^= 1;
    ck_assert_int_eq(verify(), ERR_AUTH);
}
END_TEST

/* A proof of one share is no proof of another, nor of s and r swapped. */
START_TEST(test_possession_proof_serves_one_share)
{
    struct vss_share other = share;

    other.s = share.r;
    other.r = share.s;
    element_commit(&public_share, &other.s, &other.r);
    ck_assert_int_eq(verify(), ERR_AUTH);
    possession_prove(&ctx, &other, &rng, proof);
    ck_assert_int_eq(verify(), OK);
    element_commit(&public_share, &share.s, &share.r);
    ck_assert_int_eq(verify(), ERR_AUTH);
}
END_TEST

/* Who has another share, even one off by one, cannot prove this one. */
START_TEST(test_possession_wrong_share_fails)
{
    struct scalar one;

    scalar_from_u64(&one, 1);
    scalar_add(&share.s, &share.s, &one);
    possession_prove(&ctx, &share, &rng, proof);
    ck_assert_int_eq(verify(), ERR_AUTH);
}
END_TEST

/* No bit of a proof is idle. */
START_TEST(test_possession_every_bit_counts)
{
    for (size_t i = 0; i < POSSESSION_PROOF_SIZE; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            proof[i] ^= (uint8_t)BIT(bit);
            ck_assert_int_ne(verify(), OK);
            proof[i] ^= (uint8_t)BIT(bit);
        }
    }
    ck_assert_int_eq(verify(), OK);
}
END_TEST

/* Well-formed parts of another proof of the same share do not fit in. */
START_TEST(test_possession_parts_do_not_mix)
{
    static const size_t offsets[] = {0, Z1, Z2};
    uint8_t other[POSSESSION_PROOF_SIZE], mine[POSSESSION_PROOF_SIZE];

    memcpy(mine, proof, sizeof(mine));
    possession_prove(&ctx, &share, &rng, other);
    for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
        memcpy(proof, mine, sizeof(proof));
        memcpy(proof + offsets[i], other + offsets[i], 32);
        ck_assert_int_eq(verify(), ERR_AUTH);
    }
}
END_TEST

/* z + q is the same residue, and would be a second proof; it is malformed. */
START_TEST(test_possession_answers_must_be_canonical)
{
    size_t at = _i == 0 ? Z1 : Z2;
    uint8_t order[SCALAR_SIZE];
    unsigned carry = 0;

    hex_read(ORDER, order, sizeof(order));
    for (size_t i = 0; i < SCALAR_SIZE; i++) {
        carry += (unsigned)proof[at + i] + order[i];
        proof[at + i] = (uint8_t)carry;
        carry >>= 8;
    }
    ck_assert_int_eq(verify(), ERR_BAD);
    memset(proof + at, 0xff, SCALAR_SIZE);
    ck_assert_int_eq(verify(), ERR_BAD);
}
END_TEST

/* Neither T nor S may be junk, and S not the identity, of which everybody
 * knows the share. */
START_TEST(test_possession_elements_must_be_valid)
{
    static const struct vss_share nothing;
    struct element good = public_share;

    public_share = (struct element){{1}};
    ck_assert_int_eq(verify(), ERR_BAD);
    element_identity(&public_share);
    ck_assert_int_eq(verify(), ERR_BAD);
    possession_prove(&ctx, &nothing, &rng, proof);
    ck_assert_int_eq(verify(), ERR_BAD);
    public_share.bytes[31] = 0x80;
    ck_assert_int_eq(verify(), ERR_BAD);
    public_share = good;
    memset(proof, 0, ELEMENT_SIZE);
    proof[0] = 1;
    ck_assert_int_eq(verify(), ERR_BAD);
}
END_TEST

/* A proof is a function of context, share and hedge; changing any of them
 * changes T, so that no nonce answers two challenges. */
START_TEST(test_possession_nonce_is_never_shared)
{
    uint8_t again[POSSESSION_PROOF_SIZE], other[POSSESSION_HEDGE_SIZE] = {9};

    possession_prove_hedged(&ctx, &share, hedge, proof);
    ck_assert_int_eq(verify(), OK);
    possession_prove_hedged(&ctx, &share, hedge, again);
    ck_assert_bytes_eq(again, proof, sizeof(proof));
    possession_prove_hedged(&ctx, &share, other, again);
    ck_assert_mem_ne(again, proof, ELEMENT_SIZE);
    ctx.bytes[0] ^= 1;
    possession_prove_hedged(&ctx, &share, hedge, again);
    ck_assert_mem_ne(again, proof, ELEMENT_SIZE);
    ctx.bytes[0] ^= 1;
    share.s.bytes[0] ^= 1;
    possession_prove_hedged(&ctx, &share, hedge, again);
    ck_assert_mem_ne(again, proof, ELEMENT_SIZE);
    share.s.bytes[0] ^= 1;
    share.r.bytes[0] ^= 1;
    possession_prove_hedged(&ctx, &share, hedge, again);
    ck_assert_mem_ne(again, proof, ELEMENT_SIZE);
}
END_TEST

/* The stream gives the hedge: two proofs in a row differ. */
START_TEST(test_possession_proofs_are_hedged)
{
    uint8_t again[POSSESSION_PROOF_SIZE];

    possession_prove(&ctx, &share, &rng, again);
    ck_assert_mem_ne(again, proof, ELEMENT_SIZE);
}
END_TEST

/* The challenge covers context, B, H, S and T, in this order. */
START_TEST(test_possession_challenge_covers_everything)
{
    struct element t, other = group_b;
    struct digest other_ctx = ctx;
    struct slice parts[5], kept;

    memcpy(t.bytes, proof, ELEMENT_SIZE);
    parts[0] = digest_slice(&ctx);
    parts[1] = element_slice(&group_b);
    parts[2] = element_slice(&group_h);
    parts[3] = element_slice(&public_share);
    parts[4] = element_slice(&t);
    ck_assert(answers(parts, 5));
    other_ctx.bytes[7] ^= 1;
    other.bytes[0] ^= 1;
    for (size_t i = 0; i < 5; i++) {
        kept = parts[i];
        parts[i] = i == 0 ? digest_slice(&other_ctx) : element_slice(&other);
        ck_assert(!answers(parts, 5));
        parts[i] = kept;
    }
    ck_assert(!answers(parts, 4));
}
END_TEST

/* If the challenge left out T, anybody could compute a T that fits. */
START_TEST(test_possession_forged_t_fails)
{
    struct scalar c, z1, z2;
    struct element t;

    some_answers(&z1, &z2);
    scalar_hash(&c, "okamoto-chal",
                TH_PARTS(digest_slice(&ctx), element_slice(&group_b),
                         element_slice(&group_h),
                         element_slice(&public_share)));
    com_minus(&t, &z1, &z2, &c, &public_share);
    memcpy(proof, t.bytes, ELEMENT_SIZE);
    ck_assert_int_eq(verify(), ERR_AUTH);
}
END_TEST

/* If it left out S, anybody could compute an S for a finished proof. */
START_TEST(test_possession_forged_statement_fails)
{
    struct scalar c, z1, z2, one;
    struct element t;

    some_answers(&z1, &z2);
    memcpy(t.bytes, group_b.bytes, ELEMENT_SIZE);
    memcpy(proof, t.bytes, ELEMENT_SIZE);
    scalar_hash(&c, "okamoto-chal",
                TH_PARTS(digest_slice(&ctx), element_slice(&group_b),
                         element_slice(&group_h), element_slice(&t)));
    scalar_from_u64(&one, 1);
    com_minus(&public_share, &z1, &z2, &one, &t);
    ck_assert_int_eq(scalar_invert(&c, &c), OK);
    ck_assert_int_eq(element_mul(&public_share, &c, &public_share), OK);
    ck_assert_int_eq(verify(), ERR_AUTH);
}
END_TEST

/* Shares without blinding, or of zero, prove like any other. */
START_TEST(test_possession_zero_in_share)
{
    struct vss_share whole = share;

    scalar_from_u64(&share.r, 0);
    element_commit(&public_share, &share.s, &share.r);
    possession_prove(&ctx, &share, &rng, proof);
    ck_assert_int_eq(verify(), OK);
    share = whole;
    scalar_from_u64(&share.s, 0);
    element_commit(&public_share, &share.s, &share.r);
    possession_prove(&ctx, &share, &rng, proof);
    ck_assert_int_eq(verify(), OK);
}
END_TEST

/* The statement is the public share that the commitments give. */
START_TEST(test_possession_of_a_dealt_share)
{
    struct vss_polynomials poly;
    struct element commitments[3];

    vss_polynomials_init(&poly, 3, &rng);
    vss_commit(&poly, commitments);
    vss_deal(&poly, 5, &share);
    possession_prove(&ctx, &share, &rng, proof);
    ck_assert_int_eq(vss_public_share(commitments, 3, 5, &public_share), OK);
    ck_assert_int_eq(verify(), OK);
    ck_assert_int_eq(vss_public_share(commitments, 3, 4, &public_share), OK);
    ck_assert_int_eq(verify(), ERR_AUTH);
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("possession");
    TCase *tc = tcase_create("possession");

    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_possession_holder_proves);
    tcase_add_test(tc, test_possession_proof_serves_one_context);
    tcase_add_test(tc, test_possession_proof_serves_one_share);
    tcase_add_test(tc, test_possession_wrong_share_fails);
    tcase_add_test(tc, test_possession_every_bit_counts);
    tcase_add_test(tc, test_possession_parts_do_not_mix);
    tcase_add_loop_test(tc, test_possession_answers_must_be_canonical, 0, 2);
    tcase_add_test(tc, test_possession_elements_must_be_valid);
    tcase_add_test(tc, test_possession_nonce_is_never_shared);
    tcase_add_test(tc, test_possession_proofs_are_hedged);
    tcase_add_test(tc, test_possession_challenge_covers_everything);
    tcase_add_test(tc, test_possession_forged_t_fails);
    tcase_add_test(tc, test_possession_forged_statement_fails);
    tcase_add_test(tc, test_possession_zero_in_share);
    tcase_add_test(tc, test_possession_of_a_dealt_share);
    suite_add_tcase(s, tc);
    return s;
}
