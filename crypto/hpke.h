#ifndef CAIRN_CRYPTO_HPKE_H
#define CAIRN_CRYPTO_HPKE_H

#include "crypto/base.h"
#include "crypto/rng.h"

/* HPKE (RFC 9180) with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and
 * ChaCha20-Poly1305, single shot: the envelope of key shares. Mode base when
 * |psk| is empty, mode psk otherwise; the other two modes of the RFC are not
 * used. Tested with the vectors of the RFC.
 *
 * |info| and |ad| are authenticated and not encrypted; both sides build them
 * from what they know, so an envelope opens only in the place that it was made
 * for. It says nothing of who sealed it: that is for a signature around it.
 * Keys are X25519 keys as in RFC 7748, little endian, as they come. */

/* Bytes; what a sealed message is longer than its plaintext. */
#define HPKE_KEY_SIZE      32
#define HPKE_TAG_SIZE      16
#define HPKE_ENC_SIZE      32
#define HPKE_OVERHEAD_SIZE (HPKE_ENC_SIZE + HPKE_TAG_SIZE)

/* A secret that both sides share besides, and its public name; lent. |id| is
 * empty exactly when |psk| is. */
struct hpke_psk {
    struct slice psk, id;
};

/* A new key from the stream |r|; |sk| is the caller's to wipe. */
void hpke_keypair(struct rng *r,
                  uint8_t sk[HPKE_KEY_SIZE],
                  uint8_t pk[HPKE_KEY_SIZE]);

/* Seal |plain| to |pk|. |out| gets enc || ciphertext || tag: plain.size +
 * HPKE_OVERHEAD_SIZE bytes, and does not overlap |plain|. ERR_BAD for a
 * low-order recipient key. |psk| may be NULL. Every call draws a new ephemeral
 * key from |r|, so the same plaintext never gives the same bytes. */
MUST_CHECK int hpke_seal(const uint8_t pk[HPKE_KEY_SIZE],
                         struct slice info,
                         struct slice ad,
                         const struct hpke_psk *psk,
                         struct slice plain,
                         struct rng *r,
                         uint8_t *out);

/* The other way. |out| gets sealed.size - HPKE_OVERHEAD_SIZE bytes, secret like
 * what was sealed. ERR_BAD for a size or key that cannot be; ERR_AUTH when it
 * was not sealed to this key, with this |info|, |ad| and |psk|, or was changed
 * since. */
MUST_CHECK int hpke_open(const uint8_t sk[HPKE_KEY_SIZE],
                         struct slice info,
                         struct slice ad,
                         const struct hpke_psk *psk,
                         struct slice sealed,
                         uint8_t *out);

#endif /* CAIRN_CRYPTO_HPKE_H */
