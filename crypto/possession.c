#include "crypto/possession.h"

#include <sodium.h>

#include "crypto/hash.h"

/* k = Hs("okamoto-nonce", which, s, r, ctx, hedge). */
static void nonce(struct scalar *k,
                  const char *which,
                  const struct vss_share *share,
                  const struct digest *ctx,
                  const uint8_t *hedge)
{
    scalar_hash(
        k, "okamoto-nonce",
        TH_PARTS(slice_str(which), slice_of(share->s.bytes, SCALAR_SIZE),
                 slice_of(share->r.bytes, SCALAR_SIZE), digest_slice(ctx),
                 slice_of(hedge, POSSESSION_HEDGE_SIZE)));
}

/* The whole statement is hashed, B, H and S included: a challenge that leaves
 * one out can be met without knowing the share. */
static void challenge(struct scalar *c,
                      const struct digest *ctx,
                      const struct element *public_share,
                      const struct element *t)
{
    scalar_hash(c, "okamoto-chal",
                TH_PARTS(digest_slice(ctx),
                         slice_of(group_b.bytes, ELEMENT_SIZE),
                         slice_of(group_h.bytes, ELEMENT_SIZE),
                         slice_of(public_share->bytes, ELEMENT_SIZE),
                         slice_of(t->bytes, ELEMENT_SIZE)));
}

/* z = k + c * x. */
static void respond(struct scalar *z,
                    const struct scalar *k,
                    const struct scalar *c,
                    const struct scalar *x)
{
    struct scalar cx;

    scalar_mul(&cx, c, x);
    scalar_add(z, k, &cx);
    sodium_memzero(&cx, sizeof(cx));
}

void possession_prove_hedged(const struct digest *ctx,
                             const struct vss_share *share,
                             const uint8_t hedge[POSSESSION_HEDGE_SIZE],
                             uint8_t proof[POSSESSION_PROOF_SIZE])
{
    struct element public_share, t;
    struct scalar k1, k2, c, z1, z2;

    nonce(&k1, "1", share, ctx, hedge);
    nonce(&k2, "2", share, ctx, hedge);
    element_commit(&t, &k1, &k2);
    element_commit(&public_share, &share->s, &share->r);
    challenge(&c, ctx, &public_share, &t);
    respond(&z1, &k1, &c, &share->s);
    respond(&z2, &k2, &c, &share->r);
    memcpy(proof, t.bytes, ELEMENT_SIZE);
    memcpy(proof + ELEMENT_SIZE, z1.bytes, SCALAR_SIZE);
    memcpy(proof + ELEMENT_SIZE + SCALAR_SIZE, z2.bytes, SCALAR_SIZE);
    sodium_memzero(&k1, sizeof(k1));
    sodium_memzero(&k2, sizeof(k2));
}

void possession_prove(const struct digest *ctx,
                      const struct vss_share *share,
                      struct rng *r,
                      uint8_t proof[POSSESSION_PROOF_SIZE])
{
    uint8_t hedge[POSSESSION_HEDGE_SIZE];

    rng_bytes(r, hedge, sizeof(hedge));
    possession_prove_hedged(ctx, share, hedge, proof);
    sodium_memzero(hedge, sizeof(hedge));
}

int possession_verify(const struct digest *ctx,
                      const struct element *public_share,
                      const uint8_t proof[POSSESSION_PROOF_SIZE])
{
    struct element t, want, got;
    struct scalar c, z1, z2;
    int rv;

    memcpy(t.bytes, proof, ELEMENT_SIZE);
    memcpy(z1.bytes, proof + ELEMENT_SIZE, SCALAR_SIZE);
    memcpy(z2.bytes, proof + ELEMENT_SIZE + SCALAR_SIZE, SCALAR_SIZE);
    if (!scalar_is_canonical(&z1) || !scalar_is_canonical(&z2) ||
        !element_is_valid(public_share)) {
        return ERR_BAD;
    }
    challenge(&c, ctx, public_share, &t);
    rv = element_mul(&want, &c, public_share);
    if (rv != OK) {
        return rv;
    }
    rv = element_add(&want, &t, &want);
    if (rv != OK) {
        return rv;
    }
    element_commit(&got, &z1, &z2);
    return element_equal(&got, &want) ? OK : ERR_AUTH;
}
