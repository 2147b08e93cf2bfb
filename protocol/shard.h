#ifndef CAIRN_PROTOCOL_SHARD_H
#define CAIRN_PROTOCOL_SHARD_H

#include "crypto/base.h"
#include "crypto/merkle.h"
#include "protocol/manifest.h"

/* The fixed parts of a shard (docs/FORMAT.md 3): the preamble that tells a
 * stranger what he found, the entries of the segment table, the trailer. */

#define SHARD_TABLE_ENTRY_SIZE 8U

struct shard_preamble {
    struct digest deposit_id, net, lab;
    uint16_t index, k, n;
    char label[MANIFEST_LABEL_MAX + 1];
};

/* The bytes are those of version 1 for ever: a shard that is built anew from
 * the manifest must come out with the same root. So decoding refuses every leaf
 * that encoding does not write. */
void shard_preamble_encode(const struct shard_preamble *p,
                           uint8_t out[LEAF_SIZE]);
MUST_CHECK int shard_preamble_decode(struct shard_preamble *p,
                                     const uint8_t in[LEAF_SIZE]);

struct shard_trailer {
    uint16_t index, k, n;
    uint32_t segment_size;
    uint64_t segments;
    uint32_t catalogue_segments;
    uint64_t table_offset;
    struct digest deposit_id;
};

void shard_trailer_encode(const struct shard_trailer *t,
                          uint8_t out[LEAF_SIZE]);
/* Also checks the numbers against each other and against |shard_size|. */
MUST_CHECK int shard_trailer_decode(struct shard_trailer *t,
                                    uint64_t shard_size,
                                    const uint8_t in[LEAF_SIZE]);

struct shard_segment {
    uint32_t leaves, ciphertext_size;
};

void shard_segment_encode(const struct shard_segment *s,
                          uint8_t out[SHARD_TABLE_ENTRY_SIZE]);
/* Refuses entries that no segment of this code and segment_size has. */
MUST_CHECK int shard_segment_decode(struct shard_segment *s,
                                    uint16_t k,
                                    uint32_t segment_size,
                                    const uint8_t in[SHARD_TABLE_ENTRY_SIZE]);

/* Leaves of a cell: the least number with k * leaves * 4096 >= size. */
uint32_t shard_cell_leaves(uint16_t k, uint64_t ciphertext_size);

/* The largest ciphertext of a segment, and the largest cell in bytes. */
uint64_t shard_ciphertext_max(uint32_t segment_size);
uint64_t shard_cell_max(uint16_t k, uint32_t segment_size);

/* The length of the table in bytes, padded to whole leaves. */
uint64_t shard_table_size(uint64_t segments);

/* A shard's length, given where its table begins. */
uint64_t shard_size(uint64_t table_offset, uint64_t segments);

/* Can the table begin there? After the preamble come |segments| cells, each of
 * at least one leaf and at most the largest. */
bool shard_table_offset_is_valid(uint16_t k,
                                 uint32_t segment_size,
                                 uint64_t segments,
                                 uint64_t table_offset);

#endif /* CAIRN_PROTOCOL_SHARD_H */
