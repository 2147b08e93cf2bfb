#ifndef CAIRN_CRYPTO_HPKE_H
#define CAIRN_CRYPTO_HPKE_H

#include "crypto/base.h"
#include "crypto/rng.h"

/* HPKE (RFC 9180) with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and
 * ChaCha20-Poly1305, single shot: the envelope of key shares. Mode base when
 * |psk| is empty, mode psk otherwise; the other two modes of the RFC are not
 * used. |psk_id| names the secret and is empty exactly when |psk| is. */

#define HPKE_KEY_SIZE      32
#define HPKE_TAG_SIZE      16
#define HPKE_ENC_SIZE      32
#define HPKE_OVERHEAD_SIZE (HPKE_ENC_SIZE + HPKE_TAG_SIZE)

struct hpke_psk {
    struct slice psk, id;
};

void hpke_keypair(struct rng *r,
                  uint8_t sk[HPKE_KEY_SIZE],
                  uint8_t pk[HPKE_KEY_SIZE]);

/* |out| gets enc || ciphertext || tag: plain.size + HPKE_OVERHEAD_SIZE.
 * ERR_BAD for a low-order recipient key. |psk| may be NULL. */
MUST_CHECK int hpke_seal(const uint8_t pk[HPKE_KEY_SIZE],
                         struct slice info,
                         struct slice ad,
                         const struct hpke_psk *psk,
                         struct slice plain,
                         struct rng *r,
                         uint8_t *out);

/* |out| gets sealed.size - HPKE_OVERHEAD_SIZE bytes. ERR_BAD for a size or
 * key that cannot be, ERR_AUTH otherwise. */
MUST_CHECK int hpke_open(const uint8_t sk[HPKE_KEY_SIZE],
                         struct slice info,
                         struct slice ad,
                         const struct hpke_psk *psk,
                         struct slice sealed,
                         uint8_t *out);

#endif /* CAIRN_CRYPTO_HPKE_H */
