#include "protocol/field.h"

#include "crypto/hpke.h"
#include "protocol/text.h"

/* The element: the head of a byte string of 64, and the 64. */
#define SIGNATURE_ITEM_SIZE (2 + SIGN_SIZE)

void field_begin(struct canon_reader *r, struct slice in)
{
    canon_read_init(r, in);
    canon_array_between(r, 1, UINT32_MAX);
    canon_version(r, FIELD_VERSION);
}

void field_text(struct canon_reader *r, char *out, size_t max)
{
    struct slice s = canon_str(r, 0, max);

    if (s.size > 0) {
        memcpy(out, s.data, s.size);
    }
    out[s.size] = '\0';
}

bool field_text_is_valid(const char *text, size_t min, size_t max)
{
    const char *end = memchr(text, '\0', max + 1);

    return end != NULL && (size_t)(end - text) >= min &&
           text_is_plain(slice_of(text, (size_t)(end - text)));
}

bool field_is_zero(const uint8_t *bytes, size_t size)
{
    uint8_t any = 0;

    for (size_t i = 0; i < size; i++) {
        any |= bytes[i];
    }
    return any == 0;
}

bool field_hpke_key_is_valid(const uint8_t pk[32])
{
    /* Nothing secret is sealed, so any stream will do, and the same answer
     * comes every time. */
    static const uint8_t seed[RNG_SEED_SIZE] = {0};
    const struct slice none = slice_of("", 0);
    uint8_t out[HPKE_OVERHEAD_SIZE];
    struct rng r;

    rng_init_seed(&r, seed);
    return hpke_seal(pk, none, none, NULL, none, &r, out) == OK;
}

void field_put_range(struct canon_writer *w, const struct merkle_range *range)
{
    uint32_t len = (uint32_t)merkle_range_nodes_len(range->leaves);

    canon_put_uint(w, range->leaves);
    canon_put_array(w, len);
    for (uint32_t i = 0; i < len; i++) {
        canon_put_digest(w, &range->nodes[i]);
    }
}

void field_range(struct canon_reader *r, struct merkle_range *range)
{
    uint32_t len;

    merkle_range_init(range);
    range->leaves = canon_uint(r, MERKLE_LEAVES_MAX);
    len = (uint32_t)merkle_range_nodes_len(range->leaves);
    canon_array(r, len);
    for (uint32_t i = 0; i < len; i++) {
        canon_digest(r, &range->nodes[i]);
    }
    canon_leave(r);
}

void field_put_signature(struct canon_writer *w,
                         const struct sign_key *key,
                         const char *dst,
                         const struct digest *net)
{
    uint8_t sig[SIGN_SIZE];

    if (w->full) {
        return;
    }
    sign_make(key, dst, net, slice_of(w->data, w->size), sig);
    canon_put_bin(w, slice_of(sig, sizeof(sig)));
}

void field_signature(struct canon_reader *r, uint8_t sig[SIGN_SIZE])
{
    canon_bytes(r, sig, SIGN_SIZE);
}

struct slice field_signed_bytes(struct slice in)
{
    assert(in.size > SIGNATURE_ITEM_SIZE);
    return slice_of(in.data, in.size - SIGNATURE_ITEM_SIZE);
}

int field_write_end(const struct canon_writer *w, size_t *size)
{
    struct slice written = {.data = NULL, .size = 0};
    int rv = canon_write_end(w, &written);

    if (rv == OK) {
        *size = written.size;
    }
    return rv;
}
