#include "crypto/hash.h"
#include "protocol/canon.h"
#include "protocol/feed.h"
#include "tests/fuzz/fuzz.h"

static void put_header(struct canon_writer *w, const struct feed_header *h)
{
    canon_put_array(w, 12);
    canon_put_uint(w, 1);
    canon_put_digest(w, &h->net);
    canon_put_digest(w, &h->author);
    canon_put_uint(w, h->incarnation);
    canon_put_uint(w, h->seq);
    canon_put_digest(w, &h->prev);
    canon_put_digest(w, &h->root);
    canon_put_uint(w, h->kind);
    canon_put_uint(w, h->payload_size);
    canon_put_digest(w, &h->payload_hash);
    canon_put_uint(w, h->time_ms);
    canon_put_uint(w, h->tick);
}

/* What was taken apart says the same when it is put together again. */
static void check_encoding(const struct feed_entry *e, struct slice in)
{
    static uint8_t out[FEED_ENTRY_MAX];
    uint8_t bytes[FEED_HEADER_MAX];
    struct slice header = {0}, entry = {0};
    struct canon_writer w;
    int rv;

    canon_write_init(&w, bytes, sizeof(bytes));
    put_header(&w, &e->header);
    rv = canon_write_end(&w, &header);
    assert(rv == OK && slice_equal(header, e->header_bytes));
    canon_write_init(&w, out, sizeof(out));
    canon_put_array(&w, 3);
    canon_put_bin(&w, header);
    canon_put_bin(&w, slice_of(e->signature, SIGN_SIZE));
    if (e->pruned) {
        canon_put_nil(&w);
    } else {
        canon_put_bin(&w, e->payload);
    }
    rv = canon_write_end(&w, &entry);
    assert(rv == OK && slice_equal(entry, in));
}

static void check_entry(const struct feed_entry *e)
{
    struct merkle_range range;
    struct digest id, hash;
    int rv;

    TH256(&id, "feed-id", e->header_bytes);
    assert(digest_equal(&id, &e->id));
    sha256(e->payload, &hash);
    assert(e->pruned ? e->payload.size == 0
                     : e->payload.size == e->header.payload_size &&
                           digest_equal(&hash, &e->header.payload_hash));
    assert(e->header.payload_size <= FEED_PAYLOAD_MAX);
    merkle_range_init(&range);
    rv = feed_entry_follows(e, NULL, &range);
    assert(rv == ERR_MISMATCH || (rv == OK && e->header.seq == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = slice_of(data, size);
    struct feed_entry e;

    if (feed_entry_decode(&e, in) == OK) {
        check_encoding(&e, in);
        check_entry(&e);
    }
    return 0;
}
