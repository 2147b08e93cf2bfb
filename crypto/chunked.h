#ifndef CAIRN_CRYPTO_CHUNKED_H
#define CAIRN_CRYPTO_CHUNKED_H

#include "crypto/aead.h"
#include "crypto/base.h"

/* Cobblestone-256, the C2SP chunked-encryption construction with AES-256-GCM
 * and HKDF-SHA-512 (C2SP chunked-encryption.md). It commits to its key and
 * context, and any chunk can be opened alone.
 *
 *   key[32] || base_nonce[12] || commitment[32] = HKDF-Expand(SHA-512, key,
 *     "c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM" || 00 || salt || ctx)
 *   out = salt[24] || commitment[32] || chunks
 *   chunk i = AES-256-GCM(key, base_nonce xor u96be(i), "", 16 KiB); the last
 *   chunk is always shorter than 16 KiB and may be empty. */

#define CHUNKED_KEY_SIZE    32
#define CHUNKED_SALT_SIZE   24
#define CHUNKED_HEADER_SIZE 56
#define CHUNKED_CHUNK_SIZE  16384U
#define CHUNKED_SEALED_SIZE (CHUNKED_CHUNK_SIZE + AEAD_TAG_SIZE)

/* Limits of the specification, and ours on contexts, which are digests. */
#define CHUNKED_CHUNKS_MAX  ((uint64_t)1 << 38)
#define CHUNKED_PLAIN_MAX   (CHUNKED_CHUNKS_MAX * CHUNKED_CHUNK_SIZE - 1)
#define CHUNKED_CONTEXT_MAX 256

/* Bytes that a plaintext of |plain_size|, at most CHUNKED_PLAIN_MAX, seals
 * into. */
uint64_t chunked_sealed_size(uint64_t plain_size);

/* The plaintext size of a sealed message, or ERR_BAD when no plaintext seals
 * into |sealed_size| bytes. */
MUST_CHECK int chunked_plain_size(uint64_t sealed_size, uint64_t *plain_size);

struct chunked {
    struct aead_key key;
    uint8_t base_nonce[AEAD_NONCE_SIZE];
};

/* Begin to seal: derive from (key, salt, context) and write the header. */
void chunked_seal_init(struct chunked *c,
                       const uint8_t key[CHUNKED_KEY_SIZE],
                       const uint8_t salt[CHUNKED_SALT_SIZE],
                       struct slice context,
                       uint8_t header[CHUNKED_HEADER_SIZE]);

/* Begin to open: ERR_AUTH when the commitment is not that of this key and
 * context, before any chunk is looked at. */
MUST_CHECK int chunked_open_init(struct chunked *c,
                                 const uint8_t key[CHUNKED_KEY_SIZE],
                                 struct slice context,
                                 const uint8_t header[CHUNKED_HEADER_SIZE]);

/* Seal chunk |index|: |plain| is CHUNKED_CHUNK_SIZE bytes, or fewer for the
 * last. Writes plain.size + AEAD_TAG_SIZE bytes. */
void chunked_seal(const struct chunked *c,
                  uint64_t index,
                  struct slice plain,
                  uint8_t *out);

/* Open chunk |index|: |sealed| is CHUNKED_SEALED_SIZE bytes, or fewer (but at
 * least a tag) for the last; ERR_BAD, and nothing written, for other sizes and
 * for an index past the last possible chunk. Writes sealed.size -
 * AEAD_TAG_SIZE bytes; zeros when it returns ERR_AUTH. Truncation is caught
 * because only the last chunk may be short: the caller opens by the sizes of
 * chunked_plain_size(). */
MUST_CHECK int chunked_open(const struct chunked *c,
                            uint64_t index,
                            struct slice sealed,
                            uint8_t *out);

/* Whole messages at once. |out| has chunked_sealed_size() bytes, or the plain
 * size, and does not overlap the input. On ERR_AUTH all of |out| is zeroed;
 * on ERR_BAD, when no plaintext seals into sealed.size, nothing is written. */
void chunked_seal_all(const uint8_t key[CHUNKED_KEY_SIZE],
                      const uint8_t salt[CHUNKED_SALT_SIZE],
                      struct slice context,
                      struct slice plain,
                      uint8_t *out);
MUST_CHECK int chunked_open_all(const uint8_t key[CHUNKED_KEY_SIZE],
                                struct slice context,
                                struct slice sealed,
                                uint8_t *out);

void chunked_wipe(struct chunked *c);

#endif /* CAIRN_CRYPTO_CHUNKED_H */
