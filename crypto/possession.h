#ifndef CAIRN_CRYPTO_POSSESSION_H
#define CAIRN_CRYPTO_POSSESSION_H

#include "crypto/vss.h"

/* Proof that somebody knows the share behind a public share S = com(s, r),
 * which reveals nothing about it however often it is repeated (Okamoto 1992;
 * crypto.md 4.4). proof = T || z1 || z2, 96 bytes.
 *
 * |ctx| says for what the proof was made and is built by both sides from
 * typed fields, so that no proof serves twice. */

#define POSSESSION_PROOF_SIZE 96
#define POSSESSION_HEDGE_SIZE 32

void possession_prove(const struct digest *ctx,
                      const struct vss_share *share,
                      struct rng *r,
                      uint8_t proof[POSSESSION_PROOF_SIZE]);

/* The same with the random bytes given, for repeating a known proof. The
 * nonces depend on share and |ctx| too, so a |hedge| that repeats or is
 * guessed gives nothing away. */
void possession_prove_hedged(const struct digest *ctx,
                             const struct vss_share *share,
                             const uint8_t hedge[POSSESSION_HEDGE_SIZE],
                             uint8_t proof[POSSESSION_PROOF_SIZE]);

/* ERR_BAD for encodings that are not canonical, ERR_AUTH for a false proof. */
MUST_CHECK int possession_verify(const struct digest *ctx,
                                 const struct element *public_share,
                                 const uint8_t proof[POSSESSION_PROOF_SIZE]);

#endif /* CAIRN_CRYPTO_POSSESSION_H */
