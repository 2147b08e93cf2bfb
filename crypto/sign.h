#ifndef CAIRN_CRYPTO_SIGN_H
#define CAIRN_CRYPTO_SIGN_H

#include "crypto/base.h"
#include "crypto/rng.h"

/* Ed25519 by libsodium only: it refuses small-order keys and non-canonical
 * encodings that OpenSSL accepts.
 *
 *   SIGN(key, dst, net, m) = Ed25519(key, TH512(dst, net, m))
 *
 * |net| is the 32-byte id of the network's founding charter, so that nothing
 * signed in one network means anything in another. */

#define SIGN_PK_SIZE   32
#define SIGN_SEED_SIZE 32
#define SIGN_SIZE      64

/* |pk| is always the one of |seed|; sign_make() asserts it, because signing
 * under another would give the key away. */
struct sign_key {
    uint8_t pk[SIGN_PK_SIZE];
    uint8_t seed[SIGN_SEED_SIZE]; /* Secret. */
};

void sign_key_init(struct sign_key *k, struct rng *r);
void sign_key_from_seed(struct sign_key *k, const uint8_t seed[SIGN_SEED_SIZE]);
void sign_key_wipe(struct sign_key *k);

void sign_make(const struct sign_key *k,
               const char *dst,
               const struct digest *net,
               struct slice message,
               uint8_t sig[SIGN_SIZE]);

MUST_CHECK int sign_verify(const uint8_t pk[SIGN_PK_SIZE],
                           const char *dst,
                           const struct digest *net,
                           struct slice message,
                           const uint8_t sig[SIGN_SIZE]);

#endif /* CAIRN_CRYPTO_SIGN_H */
