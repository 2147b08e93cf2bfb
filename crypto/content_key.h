#ifndef CAIRN_CRYPTO_CONTENT_KEY_H
#define CAIRN_CRYPTO_CONTENT_KEY_H

#include "crypto/base.h"
#include "crypto/chunked.h"

/* From the secret in custody to the key of one segment (DESIGN.md 4).
 *
 *   PRK          = HKDF-Extract(SHA-512, TH256("root-salt", deposit_id), s)
 *   content_root = HKDF-Expand(PRK, "cairn/v1/content-root", 32)
 *   key_commit   = HKDF-Expand(PRK, "cairn/v1/key-commit", 32) -> manifest
 *   segment_key  = HKDF-Expand(SHA-512, content_root,
 *                              "cairn/v1/segment" || u64le index, 32)
 *   context      = TH256("segment-ctx", deposit_id, u64le index)
 *
 * Every attempt at a segment draws a fresh salt, so no key and nonce ever meet
 * two plaintexts. Frozen in tests/vectors/chunked/model-segment.json. */

struct content_key {
    struct digest deposit_id;
    uint8_t root[32]; /* Secret; lives in secret memory. */
};

/* |scalar| is the canonical 32-byte secret. Writes the key commitment, which
 * a recipient compares with the manifest before touching data. */
void content_key_derive(struct content_key *k,
                        const struct digest *deposit_id,
                        const uint8_t scalar[32],
                        struct digest *key_commit);

/* Key and context of segment |index|; wipe |key| after use. */
void content_key_segment(const struct content_key *k,
                         uint64_t index,
                         uint8_t key[CHUNKED_KEY_SIZE],
                         struct digest *context);

void content_key_wipe(struct content_key *k);

#endif /* CAIRN_CRYPTO_CONTENT_KEY_H */
