#include "crypto/sign.h"

#include <sodium.h>

#include "crypto/hash.h"

void sign_key_init(struct sign_key *k, struct rng *r)
{
    uint8_t seed[SIGN_SEED_SIZE];

    rng_bytes(r, seed, sizeof(seed));
    sign_key_from_seed(k, seed);
    sodium_memzero(seed, sizeof(seed));
}

void sign_key_from_seed(struct sign_key *k, const uint8_t seed[SIGN_SEED_SIZE])
{
    uint8_t sk[crypto_sign_ed25519_SECRETKEYBYTES];

    memmove(k->seed, seed, SIGN_SEED_SIZE);
    crypto_sign_ed25519_seed_keypair(k->pk, sk, k->seed);
    sodium_memzero(sk, sizeof(sk));
}

void sign_key_wipe(struct sign_key *k)
{
    sodium_memzero(k, sizeof(*k));
}

void sign_make(const struct sign_key *k,
               const char *dst,
               const struct digest *net,
               struct slice message,
               uint8_t sig[SIGN_SIZE])
{
    uint8_t pk[SIGN_PK_SIZE];
    uint8_t sk[crypto_sign_ed25519_SECRETKEYBYTES];
    uint8_t hash[SHA512_SIZE];

    /* Two signatures of one message under one seed and two public keys give
     * the seed's scalar away, so the public key is computed, not believed. */
    crypto_sign_ed25519_seed_keypair(pk, sk, k->seed);
    assert(memcmp(pk, k->pk, SIGN_PK_SIZE) == 0);
    TH512(hash, dst, digest_slice(net), message);
    crypto_sign_ed25519_detached(sig, NULL, hash, sizeof(hash), sk);
    sodium_memzero(sk, sizeof(sk));
}

int sign_verify(const uint8_t pk[SIGN_PK_SIZE],
                const char *dst,
                const struct digest *net,
                struct slice message,
                const uint8_t sig[SIGN_SIZE])
{
    uint8_t hash[SHA512_SIZE];

    TH512(hash, dst, digest_slice(net), message);
    return crypto_sign_ed25519_verify_detached(sig, hash, sizeof(hash), pk) == 0
               ? OK
               : ERR_AUTH;
}
