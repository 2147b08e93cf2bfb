#include "crypto/hash.h"
#include "protocol/shard.h"
#include "tests/fuzz/fuzz.h"

/* The first byte says what the rest is. Leaves may come short, and are padded
 * with zeros. What decodes is encoded to the same bytes. */
enum what {
    WHAT_PREAMBLE,
    WHAT_TRAILER,
    WHAT_TRAILER_RESEALED, /* Its digest is made to fit. */
    WHAT_ENTRY,
    WHAT_COUNT
};

static void leaf_fill(uint8_t leaf[LEAF_SIZE], struct slice in)
{
    memset(leaf, 0, LEAF_SIZE);
    if (in.size > 0) {
        memcpy(leaf, in.data, in.size < LEAF_SIZE ? in.size : LEAF_SIZE);
    }
}

static void fuzz_preamble(struct slice in)
{
    uint8_t leaf[LEAF_SIZE], again[LEAF_SIZE];
    struct shard_preamble p;

    leaf_fill(leaf, in);
    if (shard_preamble_decode(&p, leaf) == OK) {
        shard_preamble_encode(&p, again);
        assert(memcmp(leaf, again, LEAF_SIZE) == 0);
    }
}

/* The length of the shard comes before its trailer. */
static void fuzz_trailer(struct slice in, bool reseal)
{
    uint8_t leaf[LEAF_SIZE], again[LEAF_SIZE];
    struct shard_trailer t;
    struct digest sum;

    if (in.size < 8) {
        return;
    }
    leaf_fill(leaf, slice_of(in.data + 8, in.size - 8));
    if (reseal) {
        sha256(slice_of(leaf, 80), &sum);
        memcpy(leaf + 80, sum.bytes, DIGEST_SIZE);
    }
    if (shard_trailer_decode(&t, u64le_load(in.data), leaf) == OK) {
        shard_trailer_encode(&t, again);
        assert(memcmp(leaf, again, LEAF_SIZE) == 0);
        assert(shard_size(t.table_offset, t.segments) == u64le_load(in.data));
    }
}

/* k and the leaves of a segment come before the entry. */
static void fuzz_entry(struct slice in)
{
    uint8_t again[SHARD_TABLE_ENTRY_SIZE];
    struct shard_segment s;
    uint32_t segment_size;
    uint16_t k;

    if (in.size != 3 + SHARD_TABLE_ENTRY_SIZE) {
        return;
    }
    k = (uint16_t)(1 + in.data[0] % (MANIFEST_SHARDS_MAX - 1));
    segment_size = u16le_load(in.data + 1) * LEAF_SIZE;
    if (!manifest_segment_size_is_valid(segment_size)) {
        return;
    }
    if (shard_segment_decode(&s, k, segment_size, in.data + 3) == OK) {
        shard_segment_encode(&s, again);
        assert(memcmp(in.data + 3, again, sizeof(again)) == 0);
        assert(s.leaves * (uint64_t)LEAF_SIZE <=
               shard_cell_max(k, segment_size));
        assert(s.ciphertext_size <= (uint64_t)k * s.leaves * LEAF_SIZE);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest;

    if (size == 0) {
        return 0;
    }
    rest = slice_of(data + 1, size - 1);
    switch ((enum what)(data[0] % WHAT_COUNT)) {
    case WHAT_PREAMBLE:
        fuzz_preamble(rest);
        break;
    case WHAT_TRAILER:
        fuzz_trailer(rest, false);
        break;
    case WHAT_TRAILER_RESEALED:
        fuzz_trailer(rest, true);
        break;
    case WHAT_ENTRY:
        fuzz_entry(rest);
        break;
    case WHAT_COUNT:
        break;
    }
    return 0;
}
