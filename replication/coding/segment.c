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
static void seal_chunk(struct segment_sealing *s, struct slice plain)
{
    chunked_seal(&s->chunked, s->chunks++, plain, s->chunk);
    s->chunk += plain.size + AEAD_TAG_SIZE;
    s->fill = 0;
}

static void on_message(void *arg, struct slice piece)
{
    struct segment_sealing *s = arg;
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

/* Up to the payload. */
static void message_begin(struct segment_sealing *s,
                          const struct segment_params *p,
                          enum codec codec,
                          const uint8_t salt[CHUNKED_SALT_SIZE],
                          uint64_t index,
                          size_t plain_size,
                          uint8_t *out)
{
    uint8_t key[CHUNKED_KEY_SIZE], header[SEGMENT_HEADER_SIZE];
    struct digest context;

    assert(plain_size <= p->segment_size);
    content_key_segment(&p->key, index, key, &context);
    chunked_seal_init(&s->chunked, key, salt, digest_slice(&context), out);
    secret_wipe(key, sizeof(key));
    s->chunks = 0;
    s->chunk = out + CHUNKED_HEADER_SIZE;
    s->fill = 0;

    header[0] = (uint8_t)codec;
    u32le_store(header + 1, (uint32_t)plain_size);
    on_message(s, slice_of(header, sizeof(header)));
}

/* Behind the payload: the length of the ciphertext, which began at |out|. */
static size_t message_end(struct segment_sealing *s, const uint8_t *out)
{
    seal_chunk(s, slice_of(s->chunk, s->fill)); /* Shorter than all. */
    chunked_wipe(&s->chunked);
    return (size_t)(s->chunk - out);
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

/* From the ciphertext in room->data to cells. */
static void cells_make(const struct segment_params *p,
                       const struct segment_room *room,
                       enum codec codec,
                       size_t size,
                       struct segment_result *out)
{
    struct segment_result res = {.codec = codec};
    size_t padded;

    assert(size <= shard_ciphertext_max(p->segment_size));
    res.ciphertext_size = (uint32_t)size;
    res.cell_leaves = shard_cell_leaves(p->code.k, size);
    padded = (size_t)p->code.k * res.cell_leaves * LEAF_SIZE;
    memset(room->data + size, 0, padded - size);
    code_and_hash(p, room, &res);
    *out = res;
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
    struct slice plain = slice_of(room->plain, plain_size);
    struct segment_sealing s;
    int rv;

    message_begin(&s, p, codec, salt, index, plain_size, room->data);
    rv = codec_encode(state, codec, plain, plain_size, on_message, &s);
    if (rv != OK) {
        chunked_wipe(&s.chunked);
        return rv;
    }
    cells_make(p, room, codec, message_end(&s, room->data), out);
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

void segment_sealing_begin(struct segment_sealing *s,
                           const struct segment_params *p,
                           struct codec_state *codec,
                           struct rng *r,
                           uint64_t index,
                           size_t plain_size,
                           struct segment_room *room)
{
    uint8_t salt[CHUNKED_SALT_SIZE];

    s->p = p;
    s->codec = codec;
    s->r = r;
    s->room = room;
    s->index = index;
    s->left = plain_size;
    codec_samples_begin(codec, plain_size);
    rng_bytes(r, salt, sizeof(salt));
    message_begin(s, p, CODEC_RAW, salt, index, plain_size, room->data);
}

void segment_sealing_take(struct segment_sealing *s, struct slice piece)
{
    assert(piece.size <= s->left);
    s->left -= piece.size;
    codec_samples_take(s->codec, piece);
    on_message(s, piece);
}

int segment_sealing_end(struct segment_sealing *s, struct segment_result *out)
{
    uint8_t *data = s->room->data;
    struct slice plain;
    size_t size;
    int rv;

    assert(s->left == 0);
    size = message_end(s, data);
    if (codec_samples_decide(s->codec, s->p->codec) == CODEC_RAW) {
        cells_make(s->p, s->room, CODEC_RAW, size, out);
        return OK;
    }
    rv = segment_open(s->p, s->codec, s->index, data, (uint32_t)size, NULL,
                      &plain);
    if (rv != OK) {
        return rv;
    }
    memcpy(s->room->plain, plain.data, plain.size);
    return segment_seal(s->p, s->codec, s->r, s->index, plain.size, s->room,
                        out);
}

void segment_sealing_wipe(struct segment_sealing *s)
{
    chunked_wipe(&s->chunked);
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
