#include "protocol/custody.h"
#include "tests/fuzz/fuzz.h"

/* What decodes is encoded to the same bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t again[CUSTODY_SIZE_MAX];
    static struct custody c;
    size_t again_size = 0;
    int rv;

    rv = custody_decode(&c, slice_of(data, size));
    assert(rv == OK || rv == ERR_BAD || rv == ERR_UNSUPPORTED);
    if (rv == OK) {
        rv = custody_encode(&c, again, sizeof(again), &again_size);
        assert(rv == OK);
        assert(slice_equal(slice_of(again, again_size), slice_of(data, size)));
    }
    return 0;
}
