#ifndef CAIRN_CRYPTO_VSS_H
#define CAIRN_CRYPTO_VSS_H

#include "crypto/group.h"

/* Pedersen verifiable secret sharing over ristretto255 (Pedersen 1991;
 * crypto.md 5.2). The dealer draws f and g of degree t-1 with f(0) = s and
 * publishes E_k = com(a_k, b_k). Share i is (f(i), g(i)); anyone computes its
 * public image S_i from the commitments, and nobody, not even with a quantum
 * computer, learns s from them. Any t shares give s; fewer give nothing.
 *
 * The polynomials are journalled by the dealer, never drawn again: shares of
 * two dealings of the same secret combine to garbage. */

#define VSS_T_MAX 64
#define VSS_N_MAX 255

struct vss_share {
    uint16_t index; /* 1..n */
    struct scalar s, r;
};

/* What a dealer keeps until the deposit is sealed. Secret. */
struct vss_polynomials {
    uint16_t t;
    struct scalar a[VSS_T_MAX], b[VSS_T_MAX];
};

void vss_polynomials_init(struct vss_polynomials *p, uint16_t t, struct rng *r);
void vss_polynomials_wipe(struct vss_polynomials *p);

/* The t commitments; and the share of |index| (1..VSS_N_MAX). */
void vss_commit(const struct vss_polynomials *p, struct element *commitments);
void vss_deal(const struct vss_polynomials *p,
              uint16_t index,
              struct vss_share *out);
void vss_share_wipe(struct vss_share *share);

/* All valid, none the identity, 1 <= t <= VSS_T_MAX; else ERR_BAD. */
MUST_CHECK int vss_commitments_check(const struct element *commitments,
                                     size_t t);

/* S_i = sum of i^k E_k. ERR_BAD for a bad index or commitment. */
MUST_CHECK int vss_public_share(const struct element *commitments,
                                size_t t,
                                uint16_t index,
                                struct element *out);

/* Is this the share that the commitments promise? ERR_BAD for scalars that
 * are not canonical or an index out of 1..n, ERR_AUTH for a wrong share. */
MUST_CHECK int vss_share_verify(const struct vss_share *share,
                                const struct element *commitments,
                                size_t t,
                                uint16_t n);

/* Lagrange at 0 over exactly |len| = t shares of distinct indices, in any
 * order: s and its blinding r. ERR_BAD for a repeated or zero index. The
 * caller has verified every share. Wipe both after use. */
MUST_CHECK int vss_combine(const struct vss_share *shares,
                           size_t len,
                           struct scalar *s,
                           struct scalar *r);

#endif /* CAIRN_CRYPTO_VSS_H */
