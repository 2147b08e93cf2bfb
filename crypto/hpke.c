#include "crypto/hpke.h"

#include <sodium.h>

#include "crypto/hpke_schedule.h"

void hpke_keypair(struct rng *r,
                  uint8_t sk[HPKE_KEY_SIZE],
                  uint8_t pk[HPKE_KEY_SIZE])
{
    rng_bytes(r, sk, HPKE_KEY_SIZE);
    crypto_scalarmult_curve25519_base(pk, sk);
}

/* One message a context: its sequence number is always 0. */
static void schedule(const uint8_t secret[HPKE_SECRET_SIZE],
                     struct slice info,
                     const struct hpke_psk *psk,
                     struct hpke_context *c)
{
    if (psk != NULL) {
        assert((psk->psk.size == 0) == (psk->id.size == 0));
    }
    if (psk == NULL || psk->psk.size == 0) {
        hpke_schedule(HPKE_BASE, secret, info, NULL, c);
    } else {
        hpke_schedule(HPKE_PSK, secret, info, psk, c);
    }
}

int hpke_seal(const uint8_t pk[HPKE_KEY_SIZE],
              struct slice info,
              struct slice ad,
              const struct hpke_psk *psk,
              struct slice plain,
              struct rng *r,
              uint8_t *out)
{
    struct hpke_context c;
    uint8_t sk_e[HPKE_KEY_SIZE], secret[HPKE_SECRET_SIZE];
    int rv;

    rng_bytes(r, sk_e, sizeof(sk_e));
    rv = hpke_encap(pk, sk_e, NULL, out, secret);
    if (rv == OK) {
        schedule(secret, info, psk, &c);
        hpke_context_seal(&c, 0, ad, plain, out + HPKE_ENC_SIZE);
        hpke_context_wipe(&c);
    }
    sodium_memzero(sk_e, sizeof(sk_e));
    sodium_memzero(secret, sizeof(secret));
    return rv;
}

int hpke_open(const uint8_t sk[HPKE_KEY_SIZE],
              struct slice info,
              struct slice ad,
              const struct hpke_psk *psk,
              struct slice sealed,
              uint8_t *out)
{
    struct hpke_context c;
    uint8_t secret[HPKE_SECRET_SIZE];
    int rv;

    if (sealed.size < HPKE_OVERHEAD_SIZE) {
        return ERR_BAD;
    }
    rv = hpke_decap(sk, sealed.data, NULL, secret);
    if (rv == OK) {
        schedule(secret, info, psk, &c);
        rv = hpke_context_open(
            &c, 0, ad,
            slice_of(sealed.data + HPKE_ENC_SIZE, sealed.size - HPKE_ENC_SIZE),
            out);
        hpke_context_wipe(&c);
    }
    sodium_memzero(secret, sizeof(secret));
    return rv;
}
