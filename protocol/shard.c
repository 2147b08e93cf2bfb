#include "protocol/shard.h"

#include "crypto/chunked.h"
#include "crypto/hash.h"

#define TRAILER_VERSION 1
/* The fields under the digest, and the trailer without its zeros. */
#define FIELDS_SIZE  80U
#define TRAILER_SIZE (FIELDS_SIZE + DIGEST_SIZE)

/* Before the payload of a segment: codec, and length of the plaintext. */
#define MESSAGE_HEADER_SIZE 5U

static const uint8_t trailer_magic[8] = {'C', 'R', 'N', 'T',
                                         'R', 'A', 'I', 'L'};

/* So that no sum or product of lengths below overflows. */
#define SHARD_SIZE_MAX (MERKLE_LEAVES_MAX * LEAF_SIZE)

uint32_t shard_cell_leaves(uint16_t k, uint64_t ciphertext_size)
{
    uint64_t row = (uint64_t)k * LEAF_SIZE;
    uint64_t leaves;

    assert(k >= 1);
    leaves = ciphertext_size / row + (ciphertext_size % row != 0 ? 1 : 0);
    assert(leaves <= UINT32_MAX);
    return (uint32_t)leaves;
}

uint64_t shard_ciphertext_max(uint32_t segment_size)
{
    return chunked_sealed_size(MESSAGE_HEADER_SIZE + (uint64_t)segment_size);
}

uint64_t shard_cell_max(uint16_t k, uint32_t segment_size)
{
    uint64_t max = shard_ciphertext_max(segment_size);

    return (uint64_t)shard_cell_leaves(k, max) * LEAF_SIZE;
}

uint64_t shard_table_size(uint64_t segments)
{
    assert(segments <= MERKLE_LEAVES_MAX);
    return (segments * SHARD_TABLE_ENTRY_SIZE + LEAF_SIZE - 1) / LEAF_SIZE *
           LEAF_SIZE;
}

uint64_t shard_size(uint64_t table_offset, uint64_t segments)
{
    assert(table_offset <= SHARD_SIZE_MAX);
    return table_offset + shard_table_size(segments) + LEAF_SIZE;
}

bool shard_table_offset_is_valid(uint16_t k,
                                 uint32_t segment_size,
                                 uint64_t segments,
                                 uint64_t table_offset)
{
    uint64_t leaves = table_offset / LEAF_SIZE;
    uint64_t cell_max = shard_cell_max(k, segment_size) / LEAF_SIZE;

    /* Once segments are fewer than leaves, the product does not overflow. */
    return table_offset % LEAF_SIZE == 0 && table_offset <= SHARD_SIZE_MAX &&
           segments < leaves && leaves - 1 <= segments * cell_max;
}

static bool trailer_is_sound(const struct shard_trailer *t)
{
    return manifest_code_is_valid(t->k, t->n) && t->index < t->n &&
           manifest_segment_size_is_valid(t->segment_size) &&
           t->catalogue_segments >= 1 && t->catalogue_segments <= t->segments &&
           shard_table_offset_is_valid(t->k, t->segment_size, t->segments,
                                       t->table_offset);
}

void shard_trailer_encode(const struct shard_trailer *t, uint8_t out[LEAF_SIZE])
{
    struct digest sum;

    assert(trailer_is_sound(t));
    memset(out, 0, LEAF_SIZE);
    memcpy(out, trailer_magic, sizeof(trailer_magic));
    u16le_store(out + 8, TRAILER_VERSION);
    out[10] = SUITE_CONTENT_1;
    out[11] = SUITE_CODE_1;
    out[12] = SUITE_TREE_1;
    u16le_store(out + 14, t->index);
    u16le_store(out + 16, t->k);
    u16le_store(out + 18, t->n);
    u32le_store(out + 20, t->segment_size);
    u64le_store(out + 24, t->segments);
    u32le_store(out + 32, t->catalogue_segments);
    u64le_store(out + 40, t->table_offset);
    memcpy(out + 48, t->deposit_id.bytes, DIGEST_SIZE);
    sha256(slice_of(out, FIELDS_SIZE), &sum);
    memcpy(out + FIELDS_SIZE, sum.bytes, DIGEST_SIZE);
}

static bool is_zero(const uint8_t *in, size_t size)
{
    uint8_t any = 0;

    for (size_t i = 0; i < size; i++) {
        any |= in[i];
    }
    return any == 0;
}

/* Is it a trailer, of a version and of suites known here? The digest comes
 * before the suites, so that a damaged byte is not taken for a new suite. */
static int trailer_check_kind(const uint8_t in[LEAF_SIZE])
{
    struct digest sum;

    if (memcmp(in, trailer_magic, sizeof(trailer_magic)) != 0) {
        return ERR_BAD;
    }
    if (u16le_load(in + 8) != TRAILER_VERSION) {
        return ERR_UNSUPPORTED;
    }
    sha256(slice_of(in, FIELDS_SIZE), &sum);
    if (memcmp(in + FIELDS_SIZE, sum.bytes, DIGEST_SIZE) != 0) {
        return ERR_BAD;
    }
    if (in[10] != SUITE_CONTENT_1 || in[11] != SUITE_CODE_1 ||
        in[12] != SUITE_TREE_1) {
        return ERR_UNSUPPORTED;
    }
    return OK;
}

/* In a function of its own, for it has a parameter named like the function
 * that it needs. */
static bool size_is(const struct shard_trailer *t, uint64_t size)
{
    return shard_size(t->table_offset, t->segments) == size;
}

int shard_trailer_decode(struct shard_trailer *t,
                         uint64_t shard_size,
                         const uint8_t in[LEAF_SIZE])
{
    struct shard_trailer got;
    int rv = trailer_check_kind(in);

    if (rv != OK) {
        return rv;
    }
    got.index = u16le_load(in + 14);
    got.k = u16le_load(in + 16);
    got.n = u16le_load(in + 18);
    got.segment_size = u32le_load(in + 20);
    got.segments = u64le_load(in + 24);
    got.catalogue_segments = u32le_load(in + 32);
    got.table_offset = u64le_load(in + 40);
    memcpy(got.deposit_id.bytes, in + 48, DIGEST_SIZE);
    if (in[13] != 0 || !is_zero(in + 36, 4) ||
        !is_zero(in + TRAILER_SIZE, LEAF_SIZE - TRAILER_SIZE) ||
        !trailer_is_sound(&got) || !size_is(&got, shard_size)) {
        return ERR_BAD;
    }
    *t = got;
    return OK;
}

void shard_segment_encode(const struct shard_segment *s,
                          uint8_t out[SHARD_TABLE_ENTRY_SIZE])
{
    u32le_store(out, s->leaves);
    u32le_store(out + 4, s->ciphertext_size);
}

int shard_segment_decode(struct shard_segment *s,
                         uint16_t k,
                         uint32_t segment_size,
                         const uint8_t in[SHARD_TABLE_ENTRY_SIZE])
{
    struct shard_segment got = {
        .leaves = u32le_load(in),
        .ciphertext_size = u32le_load(in + 4),
    };
    uint64_t message;
    int rv;

    assert(k >= 1 && manifest_segment_size_is_valid(segment_size));
    rv = chunked_plain_size(got.ciphertext_size, &message);
    if (rv != OK) {
        return rv;
    }
    /* No segment grows by its codec. */
    if (message < MESSAGE_HEADER_SIZE ||
        message > MESSAGE_HEADER_SIZE + (uint64_t)segment_size ||
        got.leaves != shard_cell_leaves(k, got.ciphertext_size)) {
        return ERR_BAD;
    }
    *s = got;
    return OK;
}
