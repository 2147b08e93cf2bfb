#include "crypto/content_key.h"

#include <sodium.h>

#include "crypto/group.h"
#include "crypto/hash.h"

#define ROOT_INFO    "cairn/v1/content-root"
#define COMMIT_INFO  "cairn/v1/key-commit"
#define SEGMENT_INFO "cairn/v1/segment"

void content_key_derive(struct content_key *k,
                        const struct digest *deposit_id,
                        const uint8_t scalar[SCALAR_SIZE],
                        struct digest *key_commit)
{
    uint8_t prk[SHA512_SIZE];
    struct digest salt;

    TH256(&salt, "root-salt", digest_slice(deposit_id));
    hkdf512_extract(digest_slice(&salt), slice_of(scalar, SCALAR_SIZE), prk);
    k->deposit_id = *deposit_id;
    hkdf512_expand(slice_of(prk, sizeof(prk)), slice_str(ROOT_INFO), k->root,
                   sizeof(k->root));
    hkdf512_expand(slice_of(prk, sizeof(prk)), slice_str(COMMIT_INFO),
                   key_commit->bytes, DIGEST_SIZE);
    sodium_memzero(prk, sizeof(prk));
}

void content_key_segment(const struct content_key *k,
                         uint64_t index,
                         uint8_t key[CHUNKED_KEY_SIZE],
                         struct digest *context)
{
    uint8_t info[sizeof(SEGMENT_INFO) - 1 + 8];
    uint8_t *number = info + sizeof(SEGMENT_INFO) - 1;

    memcpy(info, SEGMENT_INFO, sizeof(SEGMENT_INFO) - 1);
    u64le_store(number, index);
    hkdf512_expand(slice_of(k->root, sizeof(k->root)),
                   slice_of(info, sizeof(info)), key, CHUNKED_KEY_SIZE);
    TH256(context, "segment-ctx", digest_slice(&k->deposit_id),
          slice_of(number, 8));
}

void content_key_wipe(struct content_key *k)
{
    sodium_memzero(k, sizeof(*k));
}
