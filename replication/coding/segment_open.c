#include "crypto/secret.h"
#include "protocol/shard.h"
#include "replication/coding/segment.h"

int segment_rebuild(const struct erasure_plan *plan,
                    const uint8_t *const *have,
                    uint8_t *data,
                    uint32_t cell_leaves)
{
    uint8_t *out[MANIFEST_SHARDS_MAX] = {NULL};
    size_t cell_size = (size_t)cell_leaves * LEAF_SIZE;

    for (size_t i = 0; i < plan->want_len; i++) {
        if (plan->want[i] >= plan->k) {
            return ERR_BAD;
        }
        out[i] = data + plan->want[i] * cell_size;
    }
    erasure_rebuild(plan, have, out, cell_size);
    return OK;
}

/* Open all chunks of |data|, move the message's |header| out and the payload
 * together at the beginning. Each chunk is opened where it lies: the cipher
 * works in place or apart, but not on memory that overlaps itself. */
static int open_chunks(const struct chunked *c,
                       uint8_t *data,
                       size_t left,
                       uint8_t header[SEGMENT_HEADER_SIZE])
{
    uint8_t *from = data + CHUNKED_HEADER_SIZE, *to = data;
    size_t skip = SEGMENT_HEADER_SIZE;
    size_t size;
    uint64_t index = 0;
    int rv;

    assert(left >= skip);
    do { /* The last chunk is shorter than the others, and may be empty. */
        size = left < CHUNKED_CHUNK_SIZE ? left : CHUNKED_CHUNK_SIZE;
        rv = chunked_open(c, index++, slice_of(from, size + AEAD_TAG_SIZE),
                          from);
        if (rv != OK) {
            return rv;
        }
        memcpy(header, from, skip);
        memmove(to, from + skip, size - skip);
        from += size + AEAD_TAG_SIZE;
        to += size - skip;
        left -= size;
        skip = 0;
    } while (size == CHUNKED_CHUNK_SIZE);
    return OK;
}

static int open_message(const struct segment_params *p,
                        uint64_t index,
                        uint8_t *data,
                        size_t message_size,
                        uint8_t header[SEGMENT_HEADER_SIZE])
{
    struct chunked c;
    struct digest context;
    uint8_t key[CHUNKED_KEY_SIZE];
    int rv;

    content_key_segment(&p->key, index, key, &context);
    rv = chunked_open_init(&c, key, digest_slice(&context), data);
    secret_wipe(key, sizeof(key));
    if (rv == OK) {
        rv = open_chunks(&c, data, message_size, header);
        chunked_wipe(&c);
    }
    return rv;
}

int segment_open(const struct segment_params *p,
                 struct codec_state *codec,
                 uint64_t index,
                 uint8_t *data,
                 uint32_t ciphertext_size,
                 uint8_t *scratch,
                 struct slice *plain)
{
    uint8_t header[SEGMENT_HEADER_SIZE];
    struct slice payload;
    uint64_t message_size;
    uint32_t plain_size;
    int rv;

    if (ciphertext_size > shard_ciphertext_max(p->segment_size) ||
        chunked_plain_size(ciphertext_size, &message_size) != OK ||
        message_size < SEGMENT_HEADER_SIZE) {
        return ERR_BAD;
    }
    rv = open_message(p, index, data, (size_t)message_size, header);
    if (rv != OK) {
        return rv;
    }
    plain_size = u32le_load(header + 1);
    payload = slice_of(data, (size_t)message_size - SEGMENT_HEADER_SIZE);
    if (plain_size > p->segment_size) {
        return ERR_BAD;
    }
    if (header[0] == CODEC_RAW) {
        if (payload.size != plain_size) {
            return ERR_BAD;
        }
        *plain = payload;
        return OK;
    }
    if (header[0] != CODEC_ZSTD) {
        return ERR_UNSUPPORTED;
    }
    rv = codec_decode(codec, CODEC_ZSTD, payload, scratch, plain_size);
    if (rv == OK) {
        *plain = slice_of(scratch, plain_size);
    }
    return rv;
}

int segment_cell_verify(const uint8_t *cell,
                        uint64_t first_leaf,
                        uint32_t count,
                        uint64_t shard_leaves,
                        const struct digest *root,
                        const struct digest *nodes,
                        size_t nodes_len,
                        struct digest *hashes)
{
    merkle_leaves(cell, count, hashes);
    return merkle_run_verify(shard_leaves, first_leaf, count, hashes, nodes,
                             nodes_len, root);
}
