#include "protocol/manifest.h"
#include "protocol/shard.h"
#include "tests/fuzz/fuzz.h"

/* What decodes is encoded to the same bytes, and its numbers can be computed
 * with. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t again[MANIFEST_SIZE_MAX];
    struct manifest m;
    size_t again_size = 0;
    int rv;

    if (manifest_decode(&m, slice_of(data, size)) != OK) {
        return 0;
    }
    rv = manifest_encode(&m, again, sizeof(again), &again_size);
    assert(rv == OK);
    assert(slice_equal(slice_of(again, again_size), slice_of(data, size)));
    assert(m.shard_size >= shard_size(LEAF_SIZE, m.segments));
    return 0;
}
