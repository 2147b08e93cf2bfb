#include "protocol/feed.h"

#include "crypto/hash.h"
#include "protocol/canon.h"

#define FEED_DST     "feed"
#define FEED_VERSION 1

static void feed_id(struct digest *id, struct slice header)
{
    TH256(id, "feed-id", header);
}

/* The leaf that stands for an entry in the tree over its feed. */
static void feed_leaf(const struct digest *id, struct digest *leaf)
{
    merkle_leaf(digest_slice(id), leaf);
}

static void header_write(struct canon_writer *w, const struct feed_header *h)
{
    canon_put_array(w, 12);
    canon_put_uint(w, FEED_VERSION);
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

static int header_read(struct feed_header *h, struct slice in)
{
    struct canon_reader r;

    canon_read_init(&r, in);
    canon_array(&r, 12);
    canon_version(&r, FEED_VERSION);
    canon_digest(&r, &h->net);
    canon_digest(&r, &h->author);
    h->incarnation = (uint32_t)canon_uint(&r, UINT32_MAX);
    h->seq = canon_uint(&r, MERKLE_LEAVES_MAX - 1);
    canon_digest(&r, &h->prev);
    canon_digest(&r, &h->root);
    h->kind = (uint16_t)canon_uint(&r, UINT16_MAX);
    h->payload_size = (uint32_t)canon_uint(&r, FEED_PAYLOAD_MAX);
    canon_digest(&r, &h->payload_hash);
    h->time_ms = canon_uint(&r, UINT64_MAX);
    h->tick = canon_uint(&r, UINT64_MAX);
    canon_leave(&r);
    return canon_end(&r);
}

/* Is this the payload that the header commits to? */
static bool payload_matches(const struct feed_entry *e)
{
    struct digest hash;

    if (e->pruned) {
        return true;
    }
    if (e->payload.size != e->header.payload_size) {
        return false;
    }
    sha256(e->payload, &hash);
    return digest_equal(&hash, &e->header.payload_hash);
}

int feed_entry_decode(struct feed_entry *e, struct slice in)
{
    struct feed_entry got = {.pruned = false};
    struct canon_reader r;
    int rv;

    canon_read_init(&r, in);
    canon_array(&r, 3);
    got.header_bytes = canon_bin(&r, 1, FEED_HEADER_MAX);
    canon_bytes(&r, got.signature, SIGN_SIZE);
    got.pruned = canon_nil(&r);
    if (!got.pruned) {
        got.payload = canon_bin(&r, 0, FEED_PAYLOAD_MAX);
    }
    canon_leave(&r);
    rv = canon_end(&r);
    if (rv != OK) {
        return rv;
    }
    rv = header_read(&got.header, got.header_bytes);
    if (rv != OK) {
        return rv;
    }
    if (!payload_matches(&got)) {
        return ERR_MISMATCH;
    }
    feed_id(&got.id, got.header_bytes);
    *e = got;
    return OK;
}

int feed_entry_verify(const struct feed_entry *e,
                      const uint8_t pk[SIGN_PK_SIZE])
{
    return sign_verify(pk, FEED_DST, &e->header.net, e->header_bytes,
                       e->signature);
}

int feed_entry_follows(const struct feed_entry *next,
                       const struct feed_entry *prev,
                       const struct merkle_range *range)
{
    const struct feed_header *n = &next->header;
    struct digest root;

    assert(range->leaves == (prev == NULL ? 0 : prev->header.seq + 1));
    if (n->seq != range->leaves) {
        return ERR_MISMATCH;
    }
    merkle_range_root(range, &root);
    if (!digest_equal(&n->root, &root)) {
        return ERR_MISMATCH;
    }
    if (prev == NULL) {
        return digest_is_zero(&n->prev) ? OK : ERR_MISMATCH;
    }
    return digest_equal(&n->prev, &prev->id) &&
                   digest_equal(&n->net, &prev->header.net) &&
                   digest_equal(&n->author, &prev->header.author) &&
                   n->incarnation == prev->header.incarnation &&
                   n->time_ms >= prev->header.time_ms
               ? OK
               : ERR_MISMATCH;
}

void feed_tip_init(struct feed_tip *tip,
                   const struct digest *net,
                   const struct digest *author,
                   uint32_t incarnation)
{
    *tip = (struct feed_tip){
        .net = *net, .author = *author, .incarnation = incarnation};
    merkle_range_init(&tip->range);
}

void feed_tip_advance(struct feed_tip *tip, const struct feed_entry *e)
{
    struct digest leaf;

    assert(e->header.seq == tip->seq && tip->range.leaves == tip->seq);
    assert(digest_equal(&e->header.prev, &tip->prev));
    assert(e->header.incarnation == tip->incarnation);
    assert(digest_equal(&e->header.net, &tip->net));
    assert(digest_equal(&e->header.author, &tip->author));
    feed_leaf(&e->id, &leaf);
    merkle_range_append(&tip->range, &leaf, NULL, NULL);
    tip->prev = e->id;
    tip->seq++;
    tip->time_ms = e->header.time_ms;
}

static void header_next(struct feed_header *h,
                        const struct feed_tip *tip,
                        enum feed_kind kind,
                        struct slice payload,
                        uint64_t time_ms)
{
    *h = (struct feed_header){
        .net = tip->net,
        .author = tip->author,
        .incarnation = tip->incarnation,
        .seq = tip->seq,
        .prev = tip->prev,
        .kind = (uint16_t)kind,
        .payload_size = (uint32_t)payload.size,
        /* A clock that went back does not make the entry invalid. */
        .time_ms = time_ms > tip->time_ms ? time_ms : tip->time_ms,
    };
    merkle_range_root(&tip->range, &h->root);
    sha256(payload, &h->payload_hash);
}

int feed_append(const struct feed_tip *tip,
                const struct sign_key *key,
                enum feed_kind kind,
                struct slice payload,
                uint64_t time_ms,
                uint8_t *out,
                size_t max,
                size_t *size)
{
    uint8_t bytes[FEED_HEADER_MAX], signature[SIGN_SIZE];
    struct slice header = {.data = NULL, .size = 0}, entry = header;
    struct feed_header h;
    struct canon_writer w;
    int rv;

    assert(tip->range.leaves == tip->seq);
    if (payload.size > FEED_PAYLOAD_MAX) {
        return ERR_BAD;
    }
    if (tip->seq == MERKLE_LEAVES_MAX) {
        return ERR_FULL;
    }
    header_next(&h, tip, kind, payload, time_ms);
    canon_write_init(&w, bytes, sizeof(bytes));
    header_write(&w, &h);
    rv = canon_write_end(&w, &header);
    assert(rv == OK);
    sign_make(key, FEED_DST, &h.net, header, signature);

    canon_write_init(&w, out, max);
    canon_put_array(&w, 3);
    canon_put_bin(&w, header);
    canon_put_bin(&w, slice_of(signature, SIGN_SIZE));
    canon_put_bin(&w, payload);
    rv = canon_write_end(&w, &entry);
    if (rv == OK) {
        *size = entry.size;
    }
    return rv;
}
