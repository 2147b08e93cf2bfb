#include "protocol/manifest.h"
#include "protocol/shard.h"
#include "tests/fuzz/fuzz.h"

/* The first bytes are the author. What decodes is encoded to the same bytes,
 * and its numbers can be computed with. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t again[MANIFEST_SIZE_MAX];
    struct digest author;
    struct manifest m;
    struct slice in;
    size_t again_size = 0;
    int rv;

    if (size < DIGEST_SIZE) {
        return 0;
    }
    memcpy(author.bytes, data, DIGEST_SIZE);
    in = slice_of(data + DIGEST_SIZE, size - DIGEST_SIZE);
    if (manifest_decode(&m, &author, in) != OK) {
        return 0;
    }
    rv = manifest_encode(&m, again, sizeof(again), &again_size);
    assert(rv == OK);
    assert(slice_equal(slice_of(again, again_size), in));
    assert(m.shard_size >= shard_size(LEAF_SIZE, m.segments));
    return 0;
}
