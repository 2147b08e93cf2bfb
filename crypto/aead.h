#ifndef CAIRN_CRYPTO_AEAD_H
#define CAIRN_CRYPTO_AEAD_H

#include "crypto/base.h"

/* AES-256-GCM for bulk bytes and the transport: libipsec-mb where the library
 * and the processor have it, else OpenSSL; the same bytes either way. The
 * other ciphers of this design (ChaCha20-Poly1305 in HPKE, XChaCha20-Poly1305
 * in key files) are small and call libsodium where they are used. */

#define AEAD_KEY_SIZE   32
#define AEAD_NONCE_SIZE 12
#define AEAD_TAG_SIZE   16

/* An expanded key. Holds secrets: aead_key_wipe() on every way out. May be
 * used from several threads at once after init. Lies in any memory, but is
 * never copied or moved: the kernels align their part of it themselves. */
struct aead_key {
    uint8_t opaque[2048];
};

void aead_key_init(struct aead_key *k, const uint8_t key[AEAD_KEY_SIZE]);
void aead_key_wipe(struct aead_key *k);

/* Seal |plain| into |out| (plain.size bytes) and |tag|. In place allowed when
 * out == plain.data. Nonces are the caller's duty: never twice under a key. */
void aead_seal(const struct aead_key *k,
               const uint8_t nonce[AEAD_NONCE_SIZE],
               struct slice ad,
               struct slice plain,
               uint8_t *out,
               uint8_t tag[AEAD_TAG_SIZE]);

/* The same of |head| and |body|, as if they lay one behind the other; each of
 * them may already stand in its place in |out|, and overlaps no other. */
void aead_seal_joined(const struct aead_key *k,
                      const uint8_t nonce[AEAD_NONCE_SIZE],
                      struct slice ad,
                      struct slice head,
                      struct slice body,
                      uint8_t *out,
                      uint8_t tag[AEAD_TAG_SIZE]);

/* Open |sealed| (without its tag) into |out|. On ERR_AUTH |out| holds zeros
 * only: nothing unauthenticated is released. In place allowed. */
MUST_CHECK int aead_open(const struct aead_key *k,
                         const uint8_t nonce[AEAD_NONCE_SIZE],
                         struct slice ad,
                         struct slice sealed,
                         const uint8_t tag[AEAD_TAG_SIZE],
                         uint8_t *out);

/* The same to two places: the first |head_size| bytes to |head|, the others to
 * |body|. Each may be where its bytes lie sealed. */
MUST_CHECK int aead_open_split(const struct aead_key *k,
                               const uint8_t nonce[AEAD_NONCE_SIZE],
                               struct slice ad,
                               struct slice sealed,
                               const uint8_t tag[AEAD_TAG_SIZE],
                               uint8_t *head,
                               size_t head_size,
                               uint8_t *body);

/* Which kernel runs, for the bench and `cairnd` at start: "ipsec-mb" or
 * "openssl". aead_force_portable() gives OpenSSL to the keys made from then on
 * in this process, so that tests compare the two. */
const char *aead_kernel(void);
void aead_force_portable(void);

#endif /* CAIRN_CRYPTO_AEAD_H */
