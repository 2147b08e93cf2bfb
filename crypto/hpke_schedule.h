#ifndef CAIRN_CRYPTO_HPKE_SCHEDULE_H
#define CAIRN_CRYPTO_HPKE_SCHEDULE_H

#include "crypto/hpke.h"

/* What hpke.c is made of: the KEM, the key schedule and the cipher of RFC 9180
 * for its one suite. Only hpke.c and the runner of the RFC's vectors include
 * this. All four modes are here, so that every line is checked by a public
 * vector; hpke.h offers the first two. */

#define HPKE_NONCE_SIZE  12
#define HPKE_SECRET_SIZE 32

enum hpke_mode {
    HPKE_BASE = 0,
    HPKE_PSK = 1,
    HPKE_AUTH = 2,
    HPKE_AUTH_PSK = 3
};

/* Secret: hpke_context_wipe() on every way out. */
struct hpke_context {
    uint8_t key[HPKE_KEY_SIZE];
    uint8_t base_nonce[HPKE_NONCE_SIZE];
    uint8_t exporter[HPKE_SECRET_SIZE];
};

/* A secret shared with the owner of |pk_r|, by the fresh key |sk_e|. |sk_s|
 * is the sender's key in the two auth modes, NULL otherwise. ERR_BAD when a
 * result is all zero, which a low-order |pk_r| makes it. */
MUST_CHECK int hpke_encap(const uint8_t pk_r[HPKE_KEY_SIZE],
                          const uint8_t sk_e[HPKE_KEY_SIZE],
                          const uint8_t *sk_s,
                          uint8_t enc[HPKE_ENC_SIZE],
                          uint8_t secret[HPKE_SECRET_SIZE]);

/* The same secret from the other side; |pk_s| is the sender's key in the two
 * auth modes, NULL otherwise. ERR_BAD as above. */
MUST_CHECK int hpke_decap(const uint8_t sk_r[HPKE_KEY_SIZE],
                          const uint8_t enc[HPKE_ENC_SIZE],
                          const uint8_t *pk_s,
                          uint8_t secret[HPKE_SECRET_SIZE]);

/* |psk| is NULL in the two modes without one, and only then. */
void hpke_schedule(enum hpke_mode mode,
                   const uint8_t secret[HPKE_SECRET_SIZE],
                   struct slice info,
                   const struct hpke_psk *psk,
                   struct hpke_context *c);
void hpke_context_wipe(struct hpke_context *c);

/* |out| gets plain.size + HPKE_TAG_SIZE bytes. A context never seals two
 * messages under one |seq|. */
void hpke_context_seal(const struct hpke_context *c,
                       uint64_t seq,
                       struct slice ad,
                       struct slice plain,
                       uint8_t *out);

/* |out| gets sealed.size - HPKE_TAG_SIZE bytes. ERR_BAD when there is not
 * even a tag. */
MUST_CHECK int hpke_context_open(const struct hpke_context *c,
                                 uint64_t seq,
                                 struct slice ad,
                                 struct slice sealed,
                                 uint8_t *out);

#endif /* CAIRN_CRYPTO_HPKE_SCHEDULE_H */
