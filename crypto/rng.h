#ifndef CAIRN_CRYPTO_RNG_H
#define CAIRN_CRYPTO_RNG_H

#include "crypto/base.h"

/* A stream of random bytes, handed to whoever needs randomness, so that
 * machines under test repeat a history from one seed.
 *
 * rng_init_system() draws from the kernel (libsodium randombytes, safe after
 * fork). rng_init_seed() is a ChaCha20 key stream: for simulation and tests,
 * never for keys that protect anything. */

#define RNG_SEED_SIZE 32

struct rng {
    bool seeded;
    uint64_t block; /* Next 64-byte block of the key stream. */
    uint8_t seed[RNG_SEED_SIZE];
};

void rng_init_system(struct rng *r);
void rng_init_seed(struct rng *r, const uint8_t seed[RNG_SEED_SIZE]);

/* Fill |out|. Cannot fail: the system source aborts the process rather than
 * return weak bytes. A seeded stream spends whole 64-byte blocks a call. */
void rng_bytes(struct rng *r, void *out, size_t size);

/* A number below |bound| (> 0), without modulo bias. */
uint64_t rng_below(struct rng *r, uint64_t bound);

#endif /* CAIRN_CRYPTO_RNG_H */
