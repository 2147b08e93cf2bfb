#include "crypto/vss.h"
#include "tests/vectors.h"
#include "tests/vectors_group.h"

/* ZF FROST over ristretto255, as far as it is secret sharing: its Feldman
 * dealings are ours with all blinding zero, which is also where libsodium
 * gives no point for a product. */

/* The dealer's key and coefficients give the participants' shares. */
static void run_dealer(const json_t *inputs, struct vectors_report *r)
{
    const json_t *coefficients =
        json_object_get(inputs, "share_polynomial_coefficients");
    struct vss_polynomials poly = {.t = 1};
    struct vss_share got, want = {0}, known[VSS_T_MAX];
    struct element e[VSS_T_MAX], key;
    struct scalar s, b;
    const json_t *item;
    size_t k, known_len = 0;
    bool ok;

    ok = scalar_read(json_object_get(inputs, "group_secret_key"), &poly.a[0]) &&
         json_array_size(coefficients) < VSS_T_MAX;
    json_array_foreach(coefficients, k, item)
    {
        ok = ok && scalar_read(item, &poly.a[poly.t++]);
    }
    if (!ok) {
        vectors_case(r, false, "dealer unreadable");
        return;
    }
    vss_commit(&poly, e);
    vectors_case(
        r,
        element_read(json_object_get(inputs, "verifying_key_key"), &key) &&
            element_equal(&e[0], &key),
        "group key");
    json_array_foreach(json_object_get(inputs, "participant_shares"), k, item)
    {
        want.index =
            (uint16_t)json_integer_value(json_object_get(item, "identifier"));
        ok = want.index >= 1 && want.index <= VSS_N_MAX &&
             scalar_read(json_object_get(item, "participant_share"), &want.s);
        if (ok) {
            vss_deal(&poly, want.index, &got);
            ok = scalar_equal(&got.s, &want.s) && scalar_is_zero(&got.r) &&
                 vss_share_verify(&want, e, poly.t, VSS_N_MAX) == OK;
        }
        vectors_case(r, ok, "participant share");
        if (ok && known_len < VSS_T_MAX) {
            known[known_len++] = want;
        }
    }
    for (k = 0; k + poly.t <= known_len; k++) {
        vectors_case(r,
                     vss_combine(&known[k], poly.t, &s, &b) == OK &&
                         scalar_equal(&s, &poly.a[0]) && scalar_is_zero(&b),
                     "interpolation gives the group key");
    }
}

/* Values of FROST's two rounds, as far as they are scalars and elements. */
static void run_round_one(const json_t *outputs, struct vectors_report *r)
{
    static const char *const names[] = {"hiding", "binding"};
    struct element want, got;
    struct scalar nonce;
    const json_t *item;
    char key[40];
    size_t i;
    bool ok;

    json_array_foreach(outputs, i, item)
    {
        for (size_t k = 0; k < 2; k++) {
            snprintf(key, sizeof(key), "%s_nonce", names[k]);
            ok = scalar_read(json_object_get(item, key), &nonce) &&
                 scalar_is_canonical(&nonce);
            snprintf(key, sizeof(key), "%s_nonce_commitment", names[k]);
            ok = ok && element_read(json_object_get(item, key), &want);
            if (ok) {
                element_mul_base(&got, &nonce);
                ok = element_equal(&got, &want);
            }
            vectors_case(r, ok, key);
        }
    }
    vectors_skip(r, "the signature of FROST: nothing here signs with it");
}

/* The share of |receiver| from |sender|'s dealing; `signing_shares` of the
 * file are those that a participant received, by sender. */
static bool dkg_subshare(const json_t *inputs,
                         const char *receiver,
                         const char *sender,
                         struct vss_share *out)
{
    const json_t *item = json_object_get(inputs, receiver);

    *out = (struct vss_share){.index = index_of(receiver)};
    return out->index >= 1 &&
           scalar_read(
               json_object_get(json_object_get(item, "signing_shares"), sender),
               &out->s);
}

/* One participant's dealing: its commitments, and what it sent to others. */
static void run_dkg_sender(json_t *inputs,
                           const char *sender,
                           struct vss_polynomials *poly,
                           struct vectors_report *r)
{
    const json_t *item = json_object_get(inputs, sender);
    struct element want[VSS_T_MAX], got[VSS_T_MAX];
    struct vss_share share, dealt;
    const char *receiver;
    json_t *other;

    memset(poly, 0, sizeof(*poly));
    poly->t = 2;
    if (!scalar_read(json_object_get(item, "signing_key"), &poly->a[0]) ||
        !scalar_read(json_object_get(item, "coefficient"), &poly->a[1]) ||
        elements_read(json_object_get(item, "vss_commitments"), want,
                      VSS_T_MAX) != 2) {
        vectors_case(r, false, "dealing unreadable");
        return;
    }
    vss_commit(poly, got);
    vectors_case(r, element_equal(&got[0], &want[0]), "commitment 0");
    vectors_case(r, element_equal(&got[1], &want[1]), "commitment 1");
    json_object_foreach(inputs, receiver, other)
    {
        if (index_of(receiver) == 0 || strcmp(receiver, sender) == 0) {
            continue;
        }
        if (!dkg_subshare(inputs, receiver, sender, &share)) {
            vectors_case(r, false, "subshare unreadable");
            continue;
        }
        vss_deal(poly, share.index, &dealt);
        vectors_case(r,
                     scalar_equal(&dealt.s, &share.s) &&
                         vss_share_verify(&share, want, 2, 3) == OK,
                     "subshare");
    }
}

/* A participant's share is the share of the sum of all dealings. */
static void run_dkg_share(const json_t *inputs,
                          const char *name,
                          const struct vss_polynomials *sum,
                          struct vectors_report *r)
{
    const json_t *item = json_object_get(inputs, name);
    struct element commitments[2], want_public, got_public;
    struct vss_share share;
    struct scalar want;

    vss_deal(sum, index_of(name), &share);
    vss_commit(sum, commitments);
    vectors_case(r,
                 scalar_read(json_object_get(item, "signing_share"), &want) &&
                     scalar_equal(&share.s, &want),
                 "signing share");
    vectors_case(
        r,
        element_read(json_object_get(item, "verifying_share"), &want_public) &&
            vss_public_share(commitments, 2, share.index, &got_public) == OK &&
            element_equal(&got_public, &want_public),
        "verifying share");
}

static void run_dkg(json_t *inputs, struct vectors_report *r)
{
    struct vss_polynomials sum = {.t = 2}, poly;
    struct element key, got;
    const char *name;
    json_t *item;

    json_object_foreach(inputs, name, item)
    {
        if (index_of(name) != 0) {
            run_dkg_sender(inputs, name, &poly, r);
            scalar_add(&sum.a[0], &sum.a[0], &poly.a[0]);
            scalar_add(&sum.a[1], &sum.a[1], &poly.a[1]);
            vectors_skip(r, "proof_of_knowledge: a Schnorr proof of FROST");
        }
    }
    element_mul_base(&got, &sum.a[0]);
    vectors_case(r,
                 element_read(json_object_get(inputs, "verifying_key"), &key) &&
                     element_equal(&got, &key),
                 "group key");
    json_object_foreach(inputs, name, item)
    {
        if (index_of(name) != 0) {
            run_dkg_share(inputs, name, &sum, r);
        }
    }
}

/* NAME_1 + NAME_2 + ... == NAME_sum, as repairing a share adds. */
static void run_sum(const json_t *o, const char *name, struct vectors_report *r)
{
    struct scalar sum, next, want;
    char key[40];
    size_t i = 1;

    scalar_from_u64(&sum, 0);
    for (;; i++) {
        snprintf(key, sizeof(key), "%s_%zu", name, i);
        if (!scalar_read(json_object_get(o, key), &next) ||
            !scalar_is_canonical(&next)) {
            break;
        }
        scalar_add(&sum, &sum, &next);
    }
    snprintf(key, sizeof(key), "%s_sum", name);
    vectors_case(r,
                 i > 2 && scalar_read(json_object_get(o, key), &want) &&
                     scalar_equal(&sum, &want),
                 key);
}

/* Encodings that FROST's tests use as samples of good and bad ones. */
static void run_samples(const json_t *root, struct vectors_report *r)
{
    static const char *const scalars[] = {"identifier", "scalar1"};
    static const char *const elements[] = {"element1", "element2"};
    struct scalar a;
    struct element p;

    for (size_t i = 0; i < 2; i++) {
        vectors_case(r,
                     scalar_read(json_object_get(root, scalars[i]), &a) &&
                         scalar_is_canonical(&a),
                     scalars[i]);
        vectors_case(r,
                     element_read(json_object_get(root, elements[i]), &p) &&
                         element_is_valid(&p),
                     elements[i]);
    }
    vectors_skip(r, "proof_of_knowledge: a Schnorr proof of FROST");
}

static void run_invalid_element(const json_t *elements,
                                struct vectors_report *r)
{
    struct element p;

    vectors_case(
        r,
        element_read(json_object_get(elements, "invalid_element"), &p) &&
            !element_is_valid(&p),
        "invalid_element");
}

void vectors_frost(json_t *root, struct vectors_report *r)
{
    json_t *inputs = json_object_get(root, "inputs");

    if (json_object_get(inputs, "share_polynomial_coefficients") != NULL) {
        run_dealer(inputs, r);
        run_round_one(
            json_object_get(json_object_get(root, "round_one_outputs"),
                            "outputs"),
            r);
    } else if (inputs != NULL) {
        run_dkg(inputs, r);
    } else if (json_object_get(root, "elements") != NULL) {
        run_invalid_element(json_object_get(root, "elements"), r);
    } else if (json_object_get(root, "element1") != NULL) {
        run_samples(root, r);
    } else {
        run_sum(json_object_get(root, "scalar_generation"), "random_scalar", r);
        run_sum(json_object_get(root, "sigma_generation"), "sigma", r);
    }
}
