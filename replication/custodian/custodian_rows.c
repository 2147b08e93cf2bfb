#include "crypto/hash.h"
#include "protocol/canon.h"
#include "replication/custodian/custodian_internal.h"

#define ROW_VERSION    1
#define SHARE_ITEMS    5
#define DECISION_ITEMS 4

/* The largest entry, and room for share, acknowledgement and heads. */
_Static_assert(FEED_ENTRY_MAX + RELEASE_PAYLOAD_MAX + CUSTODIAN_PLAIN_SIZE +
                       64 <=
                   CORE_VALUE_MAX,
               "a share fits into its row");
_Static_assert(RELEASE_REQUEST_MAX + RELEASE_PAYLOAD_MAX +
                       RELEASE_ENVELOPE_SIZE + 64 <=
                   CORE_VALUE_MAX,
               "a decision fits into its row");

static struct key key_of(enum custodian_key kind, const struct digest *id)
{
    struct key k = {.size = 1 + DIGEST_SIZE};

    k.bytes[0] = (uint8_t)kind;
    memcpy(k.bytes + 1, id->bytes, DIGEST_SIZE);
    return k;
}

struct key custodian_key_share(const struct digest *deposit, uint64_t epoch)
{
    struct key k = key_of(CUSTODIAN_KEY_SHARE, deposit);

    for (int shift = 56; shift >= 0; shift -= 8) {
        k.bytes[k.size++] = (uint8_t)(epoch >> shift);
    }
    return k;
}

struct key custodian_key_decision(const struct digest *release)
{
    return key_of(CUSTODIAN_KEY_DECISION, release);
}

static void row_put(struct custodian *c,
                    const struct canon_writer *w,
                    struct core_out *out)
{
    struct slice row = {.data = NULL, .size = 0};
    int rv = canon_write_end(w, &row);

    assert(rv == OK);
    core_put(out, key_slice(&c->key), row);
}

void custodian_share_put(struct custodian *c,
                         const struct custodian_share *s,
                         struct core_out *out)
{
    struct canon_writer w;

    assert(c->key.bytes[0] == CUSTODIAN_KEY_SHARE);
    memcpy(c->scratch.plain, s->share.s.bytes, SCALAR_SIZE);
    memcpy(c->scratch.plain + SCALAR_SIZE, s->share.r.bytes, SCALAR_SIZE);
    canon_write_init(&w, c->scratch.row, sizeof(c->scratch.row));
    canon_put_array(&w, SHARE_ITEMS);
    canon_put_uint(&w, ROW_VERSION);
    canon_put_bin(&w, s->manifest);
    canon_put_uint(&w, s->share.index);
    canon_put_bin(&w, slice_of(c->scratch.plain, sizeof(c->scratch.plain)));
    canon_put_bin(&w, s->ack);
    row_put(c, &w, out);
}

int custodian_share_read(struct custodian_share *s, struct slice in)
{
    struct slice plain;
    struct canon_reader r;

    canon_read_init(&r, in);
    canon_array(&r, SHARE_ITEMS);
    canon_version(&r, ROW_VERSION);
    s->manifest = canon_bin(&r, 1, FEED_ENTRY_MAX);
    s->share.index = (uint16_t)canon_uint(&r, MANIFEST_SHARDS_MAX);
    plain = canon_bin(&r, CUSTODIAN_PLAIN_SIZE, CUSTODIAN_PLAIN_SIZE);
    if (plain.size == CUSTODIAN_PLAIN_SIZE) {
        memcpy(s->share.s.bytes, plain.data, SCALAR_SIZE);
        memcpy(s->share.r.bytes, plain.data + SCALAR_SIZE, SCALAR_SIZE);
    }
    s->ack = canon_bin(&r, 1, RELEASE_PAYLOAD_MAX);
    canon_leave(&r);
    return canon_end(&r);
}

void custodian_decision_put(struct custodian *c,
                            const struct custodian_decision *d,
                            struct core_out *out)
{
    struct canon_writer w;

    assert(c->key.bytes[0] == CUSTODIAN_KEY_DECISION);
    canon_write_init(&w, c->scratch.row, sizeof(c->scratch.row));
    canon_put_array(&w, DECISION_ITEMS);
    canon_put_uint(&w, ROW_VERSION);
    canon_put_bin(&w, d->request);
    canon_put_bin(&w, d->decision);
    canon_put_bin(&w, d->envelope);
    row_put(c, &w, out);
}

/* Is it our own decision, about this request, for this envelope? */
static int decision_check(const struct custodian *c,
                          const struct custodian_decision *d,
                          uint64_t *signed_s)
{
    struct release_decision got;
    struct digest hash, id;
    int rv;

    rv = release_decision_verify(&got, d->decision, c->self->custody_sign_pk);
    if (rv != OK) {
        return rv;
    }
    sha256(d->envelope, &hash);
    release_id(&id, d->request);
    if (!digest_equal(&got.envelope_hash, &hash) ||
        !digest_equal(&got.release_id, &id)) {
        return ERR_MISMATCH;
    }
    *signed_s = got.time_s;
    return OK;
}

int custodian_decision_read(const struct custodian *c,
                            struct custodian_decision *d,
                            uint64_t *signed_s,
                            struct slice in)
{
    struct custodian_decision got;
    struct canon_reader r;
    int rv;

    canon_read_init(&r, in);
    canon_array(&r, DECISION_ITEMS);
    canon_version(&r, ROW_VERSION);
    got.request = canon_bin(&r, 1, RELEASE_REQUEST_MAX);
    got.decision = canon_bin(&r, 1, RELEASE_PAYLOAD_MAX);
    got.envelope = canon_bin(&r, RELEASE_ENVELOPE_SIZE, RELEASE_ENVELOPE_SIZE);
    canon_leave(&r);
    rv = canon_end(&r);
    if (rv == OK) {
        rv = decision_check(c, &got, signed_s);
    }
    if (rv == OK) {
        *d = got;
    }
    return rv;
}
