#include "crypto/rng.h"

#include <sodium.h>

#define RNG_BLOCK_SIZE 64

void rng_init_system(struct rng *r)
{
    *r = (struct rng){.seeded = false};
}

void rng_init_seed(struct rng *r, const uint8_t seed[RNG_SEED_SIZE])
{
    *r = (struct rng){.seeded = true};
    memcpy(r->seed, seed, RNG_SEED_SIZE);
}

void rng_bytes(struct rng *r, void *out, size_t size)
{
    static const uint8_t nonce[crypto_stream_chacha20_NONCEBYTES];

    if (size == 0) {
        return;
    }
    if (!r->seeded) {
        randombytes_buf(out, size);
        return;
    }
    memset(out, 0, size);
    crypto_stream_chacha20_xor_ic(out, out, size, nonce, r->block, r->seed);
    r->block += (size + RNG_BLOCK_SIZE - 1) / RNG_BLOCK_SIZE;
}

uint64_t rng_below(struct rng *r, uint64_t bound)
{
    uint8_t bytes[8];
    uint64_t v;
    /* Values below 2^64 mod bound would make small results likelier. */
    uint64_t biased = (0 - bound) % bound;

    assert(bound > 0);
    do {
        rng_bytes(r, bytes, sizeof(bytes));
        v = u64le_load(bytes);
    } while (v < biased);
    return v % bound;
}
