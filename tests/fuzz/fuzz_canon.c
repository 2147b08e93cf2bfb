#include <stdlib.h>

#include "protocol/canon.h"
#include "tests/fuzz/fuzz.h"

/* Copy one value item by item, by the getters that a decoder would use. */
static void copy(struct canon_reader *r, struct canon_writer *w)
{
    uint8_t first = r->at < r->size ? r->data[r->at] : 0xc1;
    uint32_t len;

    if (first < 0x80 || (first >= 0xcc && first <= 0xcf)) {
        canon_put_uint(w, canon_uint(r, UINT64_MAX));
    } else if (first < 0x90 || first == 0xde || first == 0xdf) {
        len = canon_map(r, UINT32_MAX);
        canon_put_map(w, len);
        for (uint32_t i = 0; i < len; i++) {
            canon_put_uint(w, canon_key(r));
            copy(r, w);
        }
        canon_leave(r);
    } else if (first < 0xa0 || first == 0xdc || first == 0xdd) {
        len = canon_array_between(r, 0, UINT32_MAX);
        canon_put_array(w, len);
        for (uint32_t i = 0; i < len; i++) {
            copy(r, w);
        }
        canon_leave(r);
    } else if (first < 0xc0 || (first >= 0xd9 && first <= 0xdb)) {
        canon_put_str(w, canon_str(r, 0, SIZE_MAX));
    } else if (first == 0xc0) {
        if (canon_nil(r)) {
            canon_put_nil(w);
        }
    } else if (first >= 0xc4 && first <= 0xc6) {
        canon_put_bin(w, canon_bin(r, 0, SIZE_MAX));
    } else {
        canon_put_bool(w, canon_bool(r));
    }
}

/* What is canonical is written again as the same bytes; it goes into its own
 * size and not into less. */
static void check_value(struct slice in)
{
    uint8_t *out = malloc(in.size);
    struct canon_reader r;
    struct canon_writer w;
    struct slice got = {0};
    int rv;

    assert(out != NULL);
    canon_read_init(&r, in);
    canon_write_init(&w, out, in.size);
    copy(&r, &w);
    rv = canon_end(&r);
    assert(rv == OK);
    rv = canon_write_end(&w, &got);
    assert(rv == OK && slice_equal(got, in));

    canon_read_init(&r, in);
    canon_write_init(&w, out, in.size - 1);
    copy(&r, &w);
    rv = canon_write_end(&w, &got);
    assert(rv == ERR_FULL);
    rv = canon_check(slice_of(in.data, in.size - 1));
    assert(rv == ERR_BAD);
    free(out);
}

/* One call of a decoder that has no idea of what it reads. |bound| is a byte
 * from the input. */
static void step(struct canon_reader *r, uint8_t what, uint8_t bound)
{
    const struct canon_level *l = &r->levels[r->depth];
    uint8_t bytes[256];
    size_t at = r->at;

    if (r->depth > 0 && l->is_map && l->left > 0 && l->left % 2 == 0) {
        canon_key(r);
        return;
    }
    switch (what % 11) {
    case 0:
        canon_array(r, bound);
        break;
    case 1:
        canon_array_between(r, 0, bound);
        break;
    case 2:
        canon_map(r, bound);
        break;
    case 3:
        if (r->depth > 0) {
            canon_leave(r);
        }
        break;
    case 4:
        canon_uint(r, (uint64_t)1 << (bound % 64));
        break;
    case 5:
        canon_bool(r);
        break;
    case 6:
        canon_bin(r, bound % 4, bound);
        break;
    case 7:
        canon_str(r, bound % 4, bound);
        break;
    case 8:
        canon_bytes(r, bytes, bound);
        break;
    case 9:
        canon_nil(r);
        break;
    case 10:
        canon_any(r);
        break;
    }
    assert(r->at >= at && r->at <= r->size);
}

/* The first half tells what the decoder does with the second half. */
static void check_decoder(struct slice in)
{
    size_t calls = in.size / 4;
    struct canon_reader r;
    int rv;

    canon_read_init(&r, slice_of(in.data + 2 * calls, in.size - 2 * calls));
    for (size_t i = 0; i < calls; i++) {
        step(&r, in.data[2 * i], in.data[2 * i + 1]);
    }
    rv = canon_end(&r);
    assert(rv != OK || (r.at == r.size && r.depth == 0));
    assert(canon_at(&r) == 0 || r.error == OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = slice_of(data, size);

    if (canon_check(in) == OK) {
        check_value(in);
    }
    check_decoder(in);
    return 0;
}
