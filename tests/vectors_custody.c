#include "crypto/hash.h"
#include "crypto/possession.h"
#include "crypto/vss.h"
#include "tests/vectors.h"
#include "tests/vectors_group.h"

/* The model of key custody: Pedersen dealing and proofs of possession. */

static struct vss_polynomials poly;
static struct element commitments[VSS_T_MAX];
static struct vss_share shares[VSS_N_MAX];
static uint16_t t, n;

static void run_h(const json_t *root, struct vectors_report *r)
{
    uint8_t want[SHA512_SIZE], got[SHA512_SIZE];
    struct element h;

    TH512(got, "pedersen-H", slice_of(group_b.bytes, ELEMENT_SIZE));
    vectors_case(
        r,
        vectors_hex_into(root, "H_preimage_sha512", want, sizeof(want)) &&
            memcmp(got, want, sizeof(want)) == 0,
        "preimage of H");
    vectors_case(r,
                 element_read(json_object_get(root, "H"), &h) &&
                     element_equal(&h, &group_h),
                 "H");
}

/* Reads all of the dealing, which the other parts build on. */
static bool read_deal(const json_t *deal)
{
    const json_t *a = json_object_get(deal, "coeff_a");
    const json_t *b = json_object_get(deal, "coeff_b");
    json_int_t t_read = json_integer_value(json_object_get(deal, "t"));
    json_int_t n_read = json_integer_value(json_object_get(deal, "n"));

    if (t_read < 1 || t_read > VSS_T_MAX || n_read < t_read ||
        n_read > VSS_N_MAX) {
        return false;
    }
    t = (uint16_t)t_read;
    n = (uint16_t)n_read;
    memset(&poly, 0, sizeof(poly));
    poly.t = t;
    for (size_t k = 0; k < t; k++) {
        if (!scalar_read(json_array_get(a, k), &poly.a[k]) ||
            !scalar_read(json_array_get(b, k), &poly.b[k])) {
            return false;
        }
    }
    return elements_read(json_object_get(deal, "commitments"), commitments,
                         VSS_T_MAX) == t;
}

static void run_share(const json_t *shares_by_index,
                      uint16_t index,
                      struct vectors_report *r)
{
    struct vss_share *want = &shares[index - 1];
    struct element want_public, got_public;
    struct vss_share got;
    const json_t *item;
    char key[8];

    snprintf(key, sizeof(key), "%u", (unsigned)index);
    item = json_object_get(shares_by_index, key);
    if (!share_read(item, index, want) ||
        !element_read(json_object_get(item, "S"), &want_public)) {
        vectors_case(r, false, "share unreadable");
        return;
    }
    vss_deal(&poly, index, &got);
    vectors_case(
        r, scalar_equal(&got.s, &want->s) && scalar_equal(&got.r, &want->r),
        "share");
    vectors_case(r,
                 vss_public_share(commitments, t, index, &got_public) == OK &&
                     element_equal(&got_public, &want_public),
                 "public share");
    vectors_case(r, vss_share_verify(want, commitments, t, n) == OK,
                 "share verifies");
}

/* Every run of t neighbours, the last ones wrapping round: unsorted too. */
static void run_combine(const json_t *deal, struct vectors_report *r)
{
    struct scalar want_s, want_r, s, b;
    struct vss_share some[VSS_T_MAX];
    bool ok;

    for (size_t first = 0; first < n; first++) {
        for (size_t i = 0; i < t; i++) {
            some[i] = shares[(first + i) % n];
        }
        ok = scalar_read(json_object_get(deal, "secret_s"), &want_s) &&
             scalar_read(json_object_get(deal, "secret_r"), &want_r) &&
             vss_combine(some, t, &s, &b) == OK && scalar_equal(&s, &want_s) &&
             scalar_equal(&b, &want_r);
        vectors_case(r, ok, "t shares give the secret");
    }
}

static bool run_deal(const json_t *deal, struct vectors_report *r)
{
    struct element got[VSS_T_MAX];

    if (!read_deal(deal)) {
        vectors_case(r, false, "dealing unreadable");
        return false;
    }
    vss_commit(&poly, got);
    for (size_t k = 0; k < t; k++) {
        vectors_case(r, element_equal(&got[k], &commitments[k]), "commitment");
    }
    for (uint16_t i = 1; i <= n; i++) {
        run_share(json_object_get(deal, "shares"), i, r);
    }
    run_combine(deal, r);
    return true;
}

/* A share that was tampered with, or one coefficient too many, under which no
 * share of the dealing may verify. */
static void run_deal_negative(const json_t *cases, struct vectors_report *r)
{
    struct element more[VSS_T_MAX];
    struct vss_share share;
    const json_t *item;
    size_t i, more_len;
    bool ok;

    json_array_foreach(cases, i, item)
    {
        const json_t *index = json_object_get(item, "i");

        if (index != NULL) {
            ok =
                share_read(item, (uint16_t)json_integer_value(index), &share) &&
                vss_share_verify(&share, commitments, t, n) == ERR_AUTH;
        } else {
            more_len = elements_read(json_object_get(item, "commitments"), more,
                                     VSS_T_MAX);
            ok = more_len > t;
            for (size_t k = 0; k < n; k++) {
                ok = ok && vss_share_verify(&shares[k], more, more_len, n) ==
                               ERR_AUTH;
            }
        }
        vectors_case(r, ok, json_string_value(json_object_get(item, "why")));
    }
}

static void run_okamoto(const json_t *o, struct vectors_report *r)
{
    json_int_t index = json_integer_value(json_object_get(o, "i"));
    uint8_t hedge[POSSESSION_HEDGE_SIZE];
    uint8_t want[POSSESSION_PROOF_SIZE], got[POSSESSION_PROOF_SIZE];
    uint8_t bad[POSSESSION_PROOF_SIZE];
    struct element public_share;
    struct digest ctx;

    if (index < 1 || index > n ||
        !vectors_hex_into(o, "ctx", ctx.bytes, sizeof(ctx.bytes)) ||
        !vectors_hex_into(o, "rand", hedge, sizeof(hedge)) ||
        !vectors_hex_into(o, "proof", want, sizeof(want)) ||
        !vectors_hex_into(o, "neg_noncanonical_z1", bad, sizeof(bad)) ||
        !element_read(json_object_get(o, "S"), &public_share)) {
        vectors_case(r, false, "okamoto unreadable");
        return;
    }
    possession_prove_hedged(&ctx, &shares[index - 1], hedge, got);
    vectors_case(r, memcmp(got, want, sizeof(want)) == 0, "okamoto proof");
    vectors_case(r, possession_verify(&ctx, &public_share, want) == OK,
                 "okamoto verifies");
    vectors_case(r, possession_verify(&ctx, &public_share, bad) == ERR_BAD,
                 "okamoto with z1 + q");
    ctx.bytes[0] ^= 1;
    vectors_case(r, possession_verify(&ctx, &public_share, want) == ERR_AUTH,
                 "okamoto in another context");
}

void vectors_custody(json_t *root, struct vectors_report *r)
{
    run_h(root, r);
    if (!run_deal(json_object_get(root, "deal"), r)) {
        return;
    }
    run_deal_negative(json_object_get(root, "deal_negative"), r);
    run_okamoto(json_object_get(root, "okamoto"), r);
    vectors_skip(r, "okamoto_batch: no batch of proofs yet");
    vectors_skip(r, "vsr: no redistribution yet");
    vectors_skip(r, "redeal_equality: no proof of equal dealings yet");
}
