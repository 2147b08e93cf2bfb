#include "replication/coding/segment.h"

#include "crypto/secret.h"
#include "protocol/shard.h"

#define TILE_LEAVES (ERASURE_TILE / LEAF_SIZE)

static size_t align64(size_t size)
{
    return (size + 63) / 64 * 64;
}

/* Of parity, and of the plaintext before it. */
static size_t room_second_size(uint16_t k, uint16_t n, uint32_t segment_size)
{
    size_t parity = (size_t)(n - k) * (size_t)shard_cell_max(k, segment_size);

    return align64(parity > segment_size ? parity : segment_size);
}

size_t segment_room_size(uint16_t k, uint16_t n, uint32_t segment_size)
{
    size_t cell_max = (size_t)shard_cell_max(k, segment_size);
    size_t leaves = n * (cell_max / LEAF_SIZE);

    return k * cell_max + room_second_size(k, n, segment_size) +
           align64(leaves * sizeof(struct digest));
}

void segment_room_init(struct segment_room *room,
                       uint16_t k,
                       uint16_t n,
                       uint32_t segment_size,
                       uint8_t *mem)
{
    size_t cell_max = (size_t)shard_cell_max(k, segment_size);
    void *leaves;

    assert(k < n && (uintptr_t)mem % 64 == 0);
    room->data = mem;
    room->parity = room->data + k * cell_max;
    room->plain = room->parity;
    leaves = room->parity + room_second_size(k, n, segment_size);
    room->leaves = leaves;
}

/* The message on its way into chunks. Each chunk is sealed where it will stay:
 * straight from a piece that holds all of it, or gathered there first. */
struct sealing {
    struct chunked chunked;
    uint64_t index; /* Of the chunk in the making. */
    uint8_t *chunk; /* Its place, */
    size_t fill;    /* and how much of it is there. */
};

static void seal_chunk(struct sealing *s, struct slice plain)
{
    chunked_seal(&s->chunked, s->index++, plain, s->chunk);
    s->chunk += plain.size + AEAD_TAG_SIZE;
    s->fill = 0;
}

static void on_message(void *arg, struct slice piece)
{
    struct sealing *s = arg;
    size_t size;

    while (piece.size > 0) {
        size = CHUNKED_CHUNK_SIZE - s->fill;
        if (s->fill == 0 && piece.size >= size) {
            seal_chunk(s, slice_of(piece.data, size));
        } else {
            size = piece.size < size ? piece.size : size;
            memcpy(s->chunk + s->fill, piece.data, size);
            s->fill += size;
            if (s->fill == CHUNKED_CHUNK_SIZE) {
                seal_chunk(s, slice_of(s->chunk, s->fill));
            }
        }
        piece.data += size;
        piece.size -= size;
    }
}

/* Seal |plain| into room->data; the length of the ciphertext in |*size|. */
static int seal_message(const struct segment_params *p,
                        struct codec_state *state,
                        enum codec codec,
                        const uint8_t salt[CHUNKED_SALT_SIZE],
                        uint64_t index,
                        struct slice plain,
                        uint8_t *out,
                        size_t *size)
{
    struct sealing s = {.chunk = out + CHUNKED_HEADER_SIZE};
    uint8_t key[CHUNKED_KEY_SIZE], header[SEGMENT_HEADER_SIZE];
    struct digest context;
    int rv;

    content_key_segment(&p->key, index, key, &context);
    chunked_seal_init(&s.chunked, key, salt, digest_slice(&context), out);
    secret_wipe(key, sizeof(key));

    header[0] = (uint8_t)codec;
    u32le_store(header + 1, (uint32_t)plain.size);
    on_message(&s, slice_of(header, sizeof(header)));
    rv = codec_encode(state, codec, plain, plain.size, on_message, &s);
    if (rv == OK) {
        seal_chunk(&s, slice_of(s.chunk, s.fill)); /* Shorter than all. */
        *size = (size_t)(s.chunk - out);
    }
    chunked_wipe(&s.chunked);
    return rv;
}

/* Hash |count| leaves of each of the n cells, from leaf |first| on: all at
 * once, so that the lanes of the hash stay busy. */
static void hash_tile(const struct segment_params *p,
                      const struct segment_room *room,
                      const struct segment_result *res,
                      size_t first,
                      size_t count)
{
    const uint8_t *leaves[TILE_LEAVES * MANIFEST_SHARDS_MAX] = {NULL};
    struct digest hashes[TILE_LEAVES * MANIFEST_SHARDS_MAX];
    uint16_t n = p->code.n;

    for (uint16_t i = 0; i < n; i++) {
        for (size_t j = 0; j < count; j++) {
            leaves[i * count + j] =
                segment_cell(p, room, res, i) + (first + j) * LEAF_SIZE;
        }
    }
    merkle_leaves_at(leaves, n * count, hashes);
    for (uint16_t i = 0; i < n; i++) {
        memcpy(&room->leaves[(size_t)i * res->cell_leaves + first],
               &hashes[i * count], count * sizeof(struct digest));
    }
}

/* Parity and leaf hashes, while a tile of all cells is in the cache. */
static void code_and_hash(const struct segment_params *p,
                          const struct segment_room *room,
                          const struct segment_result *res)
{
    const uint8_t *data[ERASURE_K_MAX] = {NULL};
    uint8_t *parity[MANIFEST_SHARDS_MAX] = {NULL};
    size_t count;
    uint16_t k = p->code.k;

    for (size_t leaf = 0; leaf < res->cell_leaves; leaf += count) {
        count = res->cell_leaves - leaf;
        count = count < TILE_LEAVES ? count : TILE_LEAVES;
        for (uint16_t i = 0; i < k; i++) {
            data[i] = segment_cell(p, room, res, i) + leaf * LEAF_SIZE;
        }
        for (uint16_t i = k; i < p->code.n; i++) {
            parity[i - k] = segment_cell(p, room, res, i) + leaf * LEAF_SIZE;
        }
        erasure_encode(&p->code, data, parity, count * LEAF_SIZE);
        hash_tile(p, room, res, leaf, count);
    }
}

int segment_seal_with_salt(const struct segment_params *p,
                           struct codec_state *state,
                           enum codec codec,
                           const uint8_t salt[CHUNKED_SALT_SIZE],
                           uint64_t index,
                           size_t plain_size,
                           struct segment_room *room,
                           struct segment_result *out)
{
    struct segment_result res = {.codec = codec};
    size_t size = 0, padded;
    int rv;

    assert(plain_size <= p->segment_size);
    rv = seal_message(p, state, codec, salt, index,
                      slice_of(room->plain, plain_size), room->data, &size);
    if (rv != OK) {
        return rv;
    }
    assert(size <= shard_ciphertext_max(p->segment_size));
    res.ciphertext_size = (uint32_t)size;
    res.cell_leaves = shard_cell_leaves(p->code.k, size);
    padded = (size_t)p->code.k * res.cell_leaves * LEAF_SIZE;
    memset(room->data + size, 0, padded - size);
    code_and_hash(p, room, &res);
    *out = res;
    return OK;
}

int segment_seal(const struct segment_params *p,
                 struct codec_state *codec,
                 struct rng *r,
                 uint64_t index,
                 size_t plain_size,
                 struct segment_room *room,
                 struct segment_result *out)
{
    uint8_t salt[CHUNKED_SALT_SIZE];
    enum codec chosen =
        codec_decide(codec, p->codec, slice_of(room->plain, plain_size));
    int rv;

    rng_bytes(r, salt, sizeof(salt));
    rv = segment_seal_with_salt(p, codec, chosen, salt, index, plain_size, room,
                                out);
    if (rv == ERR_FULL && chosen != CODEC_RAW) {
        /* Chunks were sealed under that salt: it is spent. */
        rng_bytes(r, salt, sizeof(salt));
        rv = segment_seal_with_salt(p, codec, CODEC_RAW, salt, index,
                                    plain_size, room, out);
    }
    return rv;
}

uint8_t *segment_cell(const struct segment_params *p,
                      const struct segment_room *room,
                      const struct segment_result *res,
                      uint16_t i)
{
    size_t cell_size = (size_t)res->cell_leaves * LEAF_SIZE;
    uint16_t k = p->code.k;

    assert(i < p->code.n);
    return i < k ? room->data + i * cell_size
                 : room->parity + (size_t)(i - k) * cell_size;
}

const struct digest *segment_cell_leaves(const struct segment_room *room,
                                         const struct segment_result *res,
                                         uint16_t i)
{
    return &room->leaves[(size_t)i * res->cell_leaves];
}
