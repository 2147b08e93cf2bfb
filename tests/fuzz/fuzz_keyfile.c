#include <stdlib.h>

#include "crypto/keyfile.h"
#include "tests/fuzz/fuzz.h"

/* A file whose header is sound and says that it is in the clear differs from
 * what keyfile_seal() makes of its payload in the tag at most, and opens
 * exactly when it does not differ at all. */
static void check_plain(struct slice file, const struct keyfile_info *info)
{
    struct slice payload =
        slice_of(file.data + KEYFILE_HEADER_SIZE, info->payload_size);
    uint8_t *made = malloc(file.size);
    uint8_t *opened = malloc(info->payload_size + 1);
    const struct slice none = slice_of(NULL, 0);
    struct rng r;
    int rv;

    assert(made != NULL && opened != NULL);
    rng_init_system(&r);
    rv = keyfile_seal(info->purpose, none, payload, &r, made);
    assert(rv == OK);
    assert(memcmp(made, file.data, file.size - KEYFILE_TAG_SIZE) == 0);
    rv = keyfile_open(info->purpose, none, slice_of(made, file.size), opened);
    assert(rv == OK && memcmp(opened, payload.data, payload.size) == 0);
    rv = keyfile_open(info->purpose, none, file, opened);
    assert(rv ==
           (slice_equal(file, slice_of(made, file.size)) ? OK : ERR_AUTH));
    free(made);
    free(opened);
}

/* Sealed files are inspected and refused without a passphrase: opening would
 * spend its time in Argon2id. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice file = slice_of(data, size);
    struct keyfile_info info;
    uint8_t byte;
    int rv;

    if (keyfile_inspect(file, &info) != OK) {
        rv = keyfile_open(KEYFILE_NODE, slice_str("x"), file, &byte);
        assert(rv != OK);
        return 0;
    }
    assert(info.payload_size + KEYFILE_OVERHEAD == size);
    if (!info.sealed) {
        check_plain(file, &info);
        return 0;
    }
    assert(info.ops >= KEYFILE_OPS_MIN && info.ops <= KEYFILE_OPS_MAX);
    assert(info.mem >= KEYFILE_MEM_MIN && info.mem <= KEYFILE_MEM_MAX);
    rv = keyfile_open(info.purpose, slice_of(NULL, 0), file, &byte);
    assert(rv == ERR_AUTH);
    return 0;
}
