#include "protocol/field.h"
#include "replication/keys.h"
#include "replication/steward/steward_rows.h"
#include "replication/steward/steward_state.h"

#define RELEASE_ITEMS  14U
#define DECISION_ITEMS 6U
#define ENVELOPE_ITEMS 4U
#define SHARE_ITEMS    4U
/* A dozen numbers and digests, or an envelope. */
#define PAPER_MAX (MESSAGE_ENVELOPE_MAX + 512U)

void steward_release_put(const struct steward *s,
                         const struct steward_release *r,
                         struct core_out *out)
{
    struct key key = key_release(&r->id);
    uint8_t value[PAPER_MAX];
    struct canon_writer w;

    canon_write_init(&w, value, sizeof(value));
    canon_put_array(&w, RELEASE_ITEMS);
    canon_put_uint(&w, FIELD_VERSION);
    canon_put_digest(&w, &s->config.charter->hash);
    canon_put_digest(&w, &r->deposit_id);
    canon_put_digest(&w, &r->manifest_hash);
    canon_put_uint(&w, r->author);
    canon_put_uint(&w, r->state);
    canon_put_bool(&w, r->denied);
    canon_put_bool(&w, r->open);
    canon_put_uint(&w, r->not_after_s);
    canon_put_bin(&w, slice_of(r->transport_pk, sizeof(r->transport_pk)));
    canon_put_uint(&w, r->approvals);
    canon_put_uint(&w, r->decisions);
    canon_put_uint(&w, r->held);
    canon_put_digest(&w, &r->decision);
    steward_row_put(&key, &w, out);
}

int steward_release_read(const struct steward *s,
                         struct steward_release *r,
                         const struct core_row *row)
{
    struct steward_release got;
    struct digest charter;
    struct canon_reader c;
    uint64_t state;
    int rv;

    memset(&got, 0, sizeof(got));
    rv = key_release_parse(row->key, &got.id);
    if (rv != OK) {
        return rv;
    }
    field_begin(&c, row->value);
    canon_digest(&c, &charter);
    canon_digest(&c, &got.deposit_id);
    canon_digest(&c, &got.manifest_hash);
    got.author = (uint32_t)canon_uint(&c, CHARTER_MEMBERS_MAX - 1);
    state = canon_uint(&c, UINT64_MAX);
    canon_require_known(&c, state >= STEWARD_RELEASE_KNOWN &&
                                state <= STEWARD_RELEASE_READY);
    got.denied = canon_bool(&c);
    got.open = canon_bool(&c);
    got.not_after_s = canon_uint(&c, FIELD_TIME_MAX);
    canon_bytes(&c, got.transport_pk, sizeof(got.transport_pk));
    got.approvals = canon_uint(&c, UINT64_MAX);
    got.decisions = canon_uint(&c, UINT64_MAX);
    got.held = canon_uint(&c, UINT64_MAX);
    canon_digest(&c, &got.decision);
    canon_leave(&c);
    rv = canon_end(&c);
    if (rv != OK) {
        return rv;
    }
    if (!digest_equal(&charter, &s->config.charter->hash)) {
        return ERR_MISMATCH;
    }
    got.state = (enum steward_release_state)state;
    *r = got;
    return OK;
}

void steward_decision_put(const struct digest *release,
                          const struct digest *member,
                          const struct steward_decision *d,
                          struct core_out *out)
{
    struct key key = key_decision(release, member);
    uint8_t value[PAPER_MAX];
    struct canon_writer w;

    canon_write_init(&w, value, sizeof(value));
    canon_put_array(&w, DECISION_ITEMS);
    canon_put_uint(&w, FIELD_VERSION);
    canon_put_digest(&w, &d->hash);
    canon_put_digest(&w, &d->manifest_hash);
    canon_put_uint(&w, d->share_index);
    canon_put_uint(&w, d->share_epoch);
    canon_put_digest(&w, &d->envelope_hash);
    steward_row_put(&key, &w, out);
}

int steward_decision_read(struct steward_decision *d, struct slice value)
{
    struct steward_decision got;
    struct canon_reader r;
    int rv;

    field_begin(&r, value);
    canon_digest(&r, &got.hash);
    canon_digest(&r, &got.manifest_hash);
    got.share_index = (uint16_t)canon_uint(&r, MANIFEST_SHARDS_MAX);
    got.share_epoch = canon_uint(&r, UINT64_MAX);
    canon_digest(&r, &got.envelope_hash);
    canon_require(&r, got.share_index >= 1);
    canon_leave(&r);
    rv = canon_end(&r);
    if (rv == OK) {
        *d = got;
    }
    return rv;
}

void steward_envelope_put(const struct digest *release,
                          const struct steward_decision *d,
                          struct slice envelope,
                          struct core_out *out)
{
    struct key key = key_envelope(release);
    uint8_t value[PAPER_MAX];
    struct canon_writer w;

    canon_write_init(&w, value, sizeof(value));
    canon_put_array(&w, ENVELOPE_ITEMS);
    canon_put_uint(&w, FIELD_VERSION);
    canon_put_uint(&w, d->share_index);
    canon_put_uint(&w, d->share_epoch);
    canon_put_bin(&w, envelope);
    steward_row_put(&key, &w, out);
}

int steward_envelope_read(struct message_envelope *m, struct slice value)
{
    struct canon_reader r;
    uint64_t index, epoch;
    struct slice envelope;
    int rv;

    field_begin(&r, value);
    index = canon_uint(&r, MANIFEST_SHARDS_MAX);
    epoch = canon_uint(&r, UINT64_MAX);
    envelope = canon_bin(&r, 1, MESSAGE_ENVELOPE_MAX);
    canon_leave(&r);
    rv = canon_end(&r);
    if (rv == OK) {
        m->share_index = (uint16_t)index;
        m->share_epoch = epoch;
        m->envelope = envelope;
    }
    return rv;
}

void steward_share_put(const struct steward_deposit *d, struct core_out *out)
{
    struct key key = key_acknowledged(&d->id);
    uint8_t value[PAPER_MAX];
    struct canon_writer w;

    assert(d->has_share);
    canon_write_init(&w, value, sizeof(value));
    canon_put_array(&w, SHARE_ITEMS);
    canon_put_uint(&w, FIELD_VERSION);
    canon_put_digest(&w, &d->lab);
    canon_put_uint(&w, d->share_incarnation);
    canon_put_uint(&w, d->share_seq);
    steward_row_put(&key, &w, out);
}

int steward_share_read(struct steward_deposit *d, const struct core_row *row)
{
    struct steward_deposit got;
    struct canon_reader r;
    int rv;

    memset(&got, 0, sizeof(got));
    rv = key_acknowledged_parse(row->key, &got.id);
    if (rv != OK) {
        return rv;
    }
    got.has_share = true;
    field_begin(&r, row->value);
    canon_digest(&r, &got.lab);
    got.share_incarnation = (uint32_t)canon_uint(&r, UINT32_MAX);
    got.share_seq = canon_uint(&r, MERKLE_LEAVES_MAX);
    canon_leave(&r);
    rv = canon_end(&r);
    if (rv == OK) {
        *d = got;
    }
    return rv;
}
