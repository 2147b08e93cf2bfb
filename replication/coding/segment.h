#ifndef CAIRN_REPLICATION_SEGMENT_H
#define CAIRN_REPLICATION_SEGMENT_H

#include "crypto/content_key.h"
#include "crypto/merkle.h"
#include "crypto/rng.h"
#include "replication/coding/codec.h"
#include "replication/coding/erasure.h"

/* A segment from plaintext to cells and back (docs/FORMAT.md 6). Pure CPU
 * work over buffers of the caller, on any thread.
 *
 * Two tiled passes over memory: compress and seal straight into the data
 * cells, which lie one after the other, so that the ciphertext is already cut,
 * and what is not compressed as it is read; then, 64 KiB of every cell at a
 * time, encode parity and hash all leaves. */

/* Before the payload of a sealed message: u8 codec || u32le plain_len. */
#define SEGMENT_HEADER_SIZE 5U

/* What all segments of a deposit share. Read-only while workers run. */
struct segment_params {
    struct content_key key; /* Secret. */
    struct erasure code;
    uint32_t segment_size;
    enum codec_choice codec;
};

/* Memory for one segment in flight while sealing, carved from one block. The
 * plaintext lies where parity will: it is gone when the segment is sealed. */
struct segment_room {
    uint8_t *data;         /* k * cell_max, then */
    uint8_t *parity;       /* (n - k) * cell_max, and the same place: */
    uint8_t *plain;        /* segment_size */
    struct digest *leaves; /* n * cell_max / LEAF_SIZE: cell after cell */
};

/* Bytes of the block, a multiple of 64, and carve it (64-byte aligned |mem|;
 * aligned to pages, plaintext and cells are too when segment_size is). */
size_t segment_room_size(uint16_t k, uint16_t n, uint32_t segment_size);
void segment_room_init(struct segment_room *room,
                       uint16_t k,
                       uint16_t n,
                       uint32_t segment_size,
                       uint8_t *mem);

struct segment_result {
    uint32_t cell_leaves, ciphertext_size;
    enum codec codec;
};

/* Seal and code |plain_size| bytes in room->plain as segment |index|. |r|
 * gives the salt, a fresh one for every attempt, also inside this call when
 * compression turns out not to pay. Afterwards cell i is segment_cell(i), its
 * leaf hashes segment_cell_leaves(i). */
MUST_CHECK int segment_seal(const struct segment_params *p,
                            struct codec_state *codec,
                            struct rng *r,
                            uint64_t index,
                            size_t plain_size,
                            struct segment_room *room,
                            struct segment_result *out);

/* The same of a segment that comes in pieces, |plain_size| bytes in order, and
 * is sealed as they come: each is in the cells, and not needed any more, when
 * it was taken. It may lie in room->plain until then, but not in the cells.
 * They go in raw, and samples of them are kept. If those say in the end that
 * compression pays, all is opened again and goes the way of segment_seal(). The
 * codec is the same either way: this one is for who expects CODEC_RAW.
 *
 * What is given at the beginning stays until the end. Wipe what comes to no
 * end; it may be zeroed, or be wiped twice. */
struct segment_sealing {
    const struct segment_params *p;
    struct codec_state *codec;
    struct rng *r;
    struct segment_room *room;
    uint64_t index;
    size_t left;            /* Bytes that are still to come. */
    struct chunked chunked; /* Secret. */
    uint64_t chunks;        /* That are sealed. */
    uint8_t *chunk;         /* Where the next will stay, */
    size_t fill;            /* and how much of it is there. */
};

void segment_sealing_begin(struct segment_sealing *s,
                           const struct segment_params *p,
                           struct codec_state *codec,
                           struct rng *r,
                           uint64_t index,
                           size_t plain_size,
                           struct segment_room *room);
void segment_sealing_take(struct segment_sealing *s, struct slice piece);
MUST_CHECK int segment_sealing_end(struct segment_sealing *s,
                                   struct segment_result *out);
void segment_sealing_wipe(struct segment_sealing *s);

/* One attempt under a given codec and salt: the core of segment_seal(), and
 * for vectors. A salt is used once for a segment, whatever comes of it.
 * ERR_FULL when compression does not pay. */
MUST_CHECK int segment_seal_with_salt(const struct segment_params *p,
                                      struct codec_state *state,
                                      enum codec codec,
                                      const uint8_t salt[CHUNKED_SALT_SIZE],
                                      uint64_t index,
                                      size_t plain_size,
                                      struct segment_room *room,
                                      struct segment_result *out);

uint8_t *segment_cell(const struct segment_params *p,
                      const struct segment_room *room,
                      const struct segment_result *res,
                      uint16_t i);
const struct digest *segment_cell_leaves(const struct segment_room *room,
                                         const struct segment_result *res,
                                         uint16_t i);

/* Opening. |data| has room for k cells of cell_max and holds cell j < k at
 * j * cell_leaves * LEAF_SIZE where it was present; missing data cells are
 * rebuilt first (segment_rebuild). ERR_BAD for a plan that wants parity. */
MUST_CHECK int segment_rebuild(const struct erasure_plan *plan,
                               const uint8_t *const *have,
                               uint8_t *data,
                               uint32_t cell_leaves);

/* Authenticate, then decode. The ciphertext in |data| is overwritten. On OK
 * |*plain| begins at |data| (raw) or |scratch| (segment_size bytes), and so is
 * aligned as they are.
 * ERR_AUTH: a cell is damaged or the key is wrong; ERR_BAD: the lab sealed
 * something that is no segment; ERR_UNSUPPORTED: a codec not known here. */
MUST_CHECK int segment_open(const struct segment_params *p,
                            struct codec_state *codec,
                            uint64_t index,
                            uint8_t *data,
                            uint32_t ciphertext_size,
                            uint8_t *scratch,
                            struct slice *plain);

/* Do these cell bytes hash to these leaves of a tree? A convenience over
 * merkle_leaves() and merkle_run_verify(). |hashes| is scratch of |count|. */
MUST_CHECK int segment_cell_verify(const uint8_t *cell,
                                   uint64_t first_leaf,
                                   uint32_t count,
                                   uint64_t shard_leaves,
                                   const struct digest *root,
                                   const struct digest *nodes,
                                   size_t nodes_len,
                                   struct digest *hashes);

#endif /* CAIRN_REPLICATION_SEGMENT_H */
