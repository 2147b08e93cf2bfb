#include "protocol/catalogue.h"
#include "tests/fuzz/fuzz.h"

/* A value written again is the same as the bytes at |at|. */
static size_t check_same(struct slice in,
                         size_t at,
                         const uint8_t *again,
                         size_t size,
                         int rv)
{
    assert(rv == OK && size <= in.size - at);
    assert(memcmp(in.data + at, again, size) == 0);
    return at + size;
}

static void check_end(struct catalogue_walk *w, struct slice in, size_t at)
{
    static uint8_t again[1U << 20]; /* Longer inputs are not made. */
    struct slice statements[CATALOGUE_PROVENANCE_MAX];
    size_t len = 0, size = 0;
    int rv;

    if (catalogue_walk_end(w, statements, &len) != OK) {
        return;
    }
    rv = catalogue_provenance_encode(statements, len, again, sizeof(again),
                                     &size);
    at = check_same(in, at, again, size, rv);
    assert(at == in.size);
}

/* What is read is written to the same bytes, adds up, and is safe to restore.
 * The first byte chooses the size of segments. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct catalogue_walk w;
    static struct catalogue_file f;
    uint8_t again[CATALOGUE_VALUE_MAX];
    uint64_t files = 0, bytes = 0;
    size_t at, again_size = 0;
    struct slice in;
    int rv;

    if (size == 0) {
        return 0;
    }
    in = slice_of(data + 1, size - 1);
    if (catalogue_walk_init(&w, in, SEGMENT_SIZE_MIN << (data[0] % 11)) != OK) {
        return 0;
    }
    rv = catalogue_head_encode(&w.head, again, sizeof(again), &again_size);
    at = check_same(in, 0, again, again_size, rv);
    while (catalogue_walk_next(&w, &f) == OK) {
        assert(catalogue_path_is_safe(slice_str(f.path)));
        rv = catalogue_file_encode(&f, again, sizeof(again), &again_size);
        at = check_same(in, at, again, again_size, rv);
        files++;
        bytes += f.size;
    }
    if (files == w.head.files) {
        assert(bytes == w.head.plain_size);
        check_end(&w, in, at);
    }
    return 0;
}
