#include "protocol/share.h"
#include "tests/fuzz/fuzz.h"

/* What is a share is written again as the same bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = slice_of(data, size);
    uint8_t out[SHARE_FILE_MAX];
    struct share_file f;
    size_t got = 0;
    int rv;

    if (share_file_decode(&f, in) != OK) {
        return 0;
    }
    assert(f.share.index >= 1 && f.share.index <= VSS_N_MAX);
    rv = share_file_encode(&f, out, sizeof(out), &got);
    assert(rv == OK && slice_equal(slice_of(out, got), in));
    share_file_wipe(&f);
    return 0;
}
