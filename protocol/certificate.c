#include "protocol/certificate.h"

#include "protocol/field.h"

#define CERTIFICATE_ITEMS 5

static const uint8_t magic[4] = {'C', 'R', 'N', 'C'};

static bool entries_are_valid(const struct slice *entries, size_t len)
{
    if (len > MANIFEST_SHARDS_MAX) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (entries[i].size < 1 || entries[i].size > CERTIFICATE_ENTRY_MAX) {
            return false;
        }
    }
    return true;
}

static bool certificate_is_valid(const struct certificate *c)
{
    return c->chain.size >= 1 && c->chain.size <= CHARTER_CHAIN_MAX &&
           c->manifest.size >= 1 && c->manifest.size <= FEED_ENTRY_MAX &&
           entries_are_valid(c->receipts, c->receipts_len) &&
           entries_are_valid(c->acknowledgements, c->acknowledgements_len);
}

static void put_entries(struct canon_writer *w,
                        const struct slice *entries,
                        size_t len)
{
    canon_put_array(w, (uint32_t)len);
    for (size_t i = 0; i < len; i++) {
        canon_put_bin(w, entries[i]);
    }
}

int certificate_encode(const struct certificate *c,
                       uint8_t *out,
                       size_t max,
                       size_t *size)
{
    struct canon_writer w;

    if (!certificate_is_valid(c)) {
        return ERR_BAD;
    }
    canon_write_init(&w, out, max);
    canon_put_raw(&w, slice_of(magic, sizeof(magic)));
    canon_put_array(&w, CERTIFICATE_ITEMS);
    canon_put_uint(&w, FIELD_VERSION);
    canon_put_bin(&w, c->chain);
    canon_put_bin(&w, c->manifest);
    put_entries(&w, c->receipts, c->receipts_len);
    put_entries(&w, c->acknowledgements, c->acknowledgements_len);
    return field_write_end(&w, size);
}

static size_t get_entries(struct canon_reader *r,
                          struct slice entries[MANIFEST_SHARDS_MAX])
{
    size_t len = canon_array_between(r, 0, MANIFEST_SHARDS_MAX);

    for (size_t i = 0; i < len; i++) {
        entries[i] = canon_bin(r, 1, CERTIFICATE_ENTRY_MAX);
    }
    canon_leave(r);
    return len;
}

int certificate_decode(struct certificate *c, struct slice in)
{
    struct certificate got;
    struct canon_reader r;
    int rv;

    if (in.size > CERTIFICATE_SIZE_MAX || in.size < sizeof(magic) ||
        memcmp(in.data, magic, sizeof(magic)) != 0) {
        return ERR_BAD;
    }
    memset(&got, 0, sizeof(got));
    field_begin(&r, slice_of(in.data + sizeof(magic), in.size - sizeof(magic)));
    got.chain = canon_bin(&r, 1, CHARTER_CHAIN_MAX);
    got.manifest = canon_bin(&r, 1, FEED_ENTRY_MAX);
    got.receipts_len = get_entries(&r, got.receipts);
    got.acknowledgements_len = get_entries(&r, got.acknowledgements);
    canon_leave(&r);
    rv = canon_end(&r);
    if (rv == OK) {
        *c = got;
    }
    return rv;
}
