#include "crypto/vss.h"

#include <sodium.h>

void vss_polynomials_init(struct vss_polynomials *p, uint16_t t, struct rng *r)
{
    assert(t >= 1 && t <= VSS_T_MAX);
    memset(p, 0, sizeof(*p));
    p->t = t;
    for (size_t k = 0; k < t; k++) {
        scalar_random(&p->a[k], r);
        scalar_random(&p->b[k], r);
    }
}

void vss_polynomials_wipe(struct vss_polynomials *p)
{
    sodium_memzero(p, sizeof(*p));
}

void vss_commit(const struct vss_polynomials *p, struct element *commitments)
{
    assert(p->t >= 1 && p->t <= VSS_T_MAX);
    for (size_t k = 0; k < p->t; k++) {
        element_commit(&commitments[k], &p->a[k], &p->b[k]);
    }
}

/* Horner's rule, from the highest coefficient down. */
static void evaluate(struct scalar *out,
                     const struct scalar *coefficients,
                     size_t len,
                     const struct scalar *x)
{
    *out = coefficients[len - 1];
    for (size_t k = len - 1; k > 0; k--) {
        scalar_mul(out, out, x);
        scalar_add(out, out, &coefficients[k - 1]);
    }
}

void vss_deal(const struct vss_polynomials *p,
              uint16_t index,
              struct vss_share *out)
{
    struct scalar x;

    assert(p->t >= 1 && p->t <= VSS_T_MAX);
    assert(index >= 1 && index <= VSS_N_MAX);
    scalar_from_u64(&x, index);
    out->index = index;
    evaluate(&out->s, p->a, p->t, &x);
    evaluate(&out->r, p->b, p->t, &x);
}

void vss_share_wipe(struct vss_share *share)
{
    sodium_memzero(share, sizeof(*share));
}

int vss_commitments_check(const struct element *commitments, size_t t)
{
    if (t < 1 || t > VSS_T_MAX) {
        return ERR_BAD;
    }
    for (size_t k = 0; k < t; k++) {
        if (!element_is_valid(&commitments[k])) {
            return ERR_BAD;
        }
    }
    return OK;
}

int vss_public_share(const struct element *commitments,
                     size_t t,
                     uint16_t index,
                     struct element *out)
{
    struct element sum;
    struct scalar x;
    int rv;

    if (index < 1 || index > VSS_N_MAX) {
        return ERR_BAD;
    }
    rv = vss_commitments_check(commitments, t);
    if (rv != OK) {
        return rv;
    }
    scalar_from_u64(&x, index);
    sum = commitments[t - 1];
    for (size_t k = t - 1; k > 0 && rv == OK; k--) {
        rv = element_mul(&sum, &x, &sum);
        if (rv == OK) {
            rv = element_add(&sum, &sum, &commitments[k - 1]);
        }
    }
    if (rv == OK) {
        *out = sum;
    }
    return rv;
}

int vss_share_verify(const struct vss_share *share,
                     const struct element *commitments,
                     size_t t,
                     uint16_t n)
{
    struct element promised, actual;
    int rv;

    if (n > VSS_N_MAX || t > n || share->index < 1 || share->index > n ||
        !scalar_is_canonical(&share->s) || !scalar_is_canonical(&share->r)) {
        return ERR_BAD;
    }
    rv = vss_public_share(commitments, t, share->index, &promised);
    if (rv != OK) {
        return rv;
    }
    element_commit(&actual, &share->s, &share->r);
    return element_equal(&actual, &promised) ? OK : ERR_AUTH;
}

/* Interpolation needs distinct indices and no index at the point where it
 * evaluates; anything else would divide by zero. */
static int check_shares(const struct vss_share *shares, size_t len)
{
    if (len < 1 || len > VSS_T_MAX) {
        return ERR_BAD;
    }
    for (size_t i = 0; i < len; i++) {
        if (shares[i].index < 1 || shares[i].index > VSS_N_MAX ||
            !scalar_is_canonical(&shares[i].s) ||
            !scalar_is_canonical(&shares[i].r)) {
            return ERR_BAD;
        }
        for (size_t j = 0; j < i; j++) {
            if (shares[j].index == shares[i].index) {
                return ERR_BAD;
            }
        }
    }
    return OK;
}

/* lambda_i = product of m / (m - i) over the other indices m, mod q. */
static void lagrange_at_zero(const struct vss_share *shares,
                             size_t len,
                             size_t i,
                             struct scalar *lambda)
{
    struct scalar above, below, x_i, x_m, difference;
    int rv;

    scalar_from_u64(&above, 1);
    scalar_from_u64(&below, 1);
    scalar_from_u64(&x_i, shares[i].index);
    for (size_t m = 0; m < len; m++) {
        if (m == i) {
            continue;
        }
        scalar_from_u64(&x_m, shares[m].index);
        scalar_sub(&difference, &x_m, &x_i);
        scalar_mul(&above, &above, &x_m);
        scalar_mul(&below, &below, &difference);
    }
    rv = scalar_invert(&below, &below);
    assert(rv == OK && "distinct indices");
    scalar_mul(lambda, &above, &below);
}

int vss_combine(const struct vss_share *shares,
                size_t len,
                struct scalar *s,
                struct scalar *r)
{
    struct scalar lambda, term, sum_s, sum_r;
    int rv;

    rv = check_shares(shares, len);
    if (rv != OK) {
        return rv;
    }
    scalar_from_u64(&sum_s, 0);
    scalar_from_u64(&sum_r, 0);
    for (size_t i = 0; i < len; i++) {
        lagrange_at_zero(shares, len, i, &lambda);
        scalar_mul(&term, &lambda, &shares[i].s);
        scalar_add(&sum_s, &sum_s, &term);
        scalar_mul(&term, &lambda, &shares[i].r);
        scalar_add(&sum_r, &sum_r, &term);
    }
    *s = sum_s;
    *r = sum_r;
    sodium_memzero(&term, sizeof(term));
    sodium_memzero(&sum_s, sizeof(sum_s));
    sodium_memzero(&sum_r, sizeof(sum_r));
    return OK;
}
