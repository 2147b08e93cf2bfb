#include "protocol/message_codec.h"

/* Key shares on their way, to a custodian and to a recipient. */

static bool share_is_valid(uint16_t index, struct slice envelope)
{
    return index >= 1 && index <= MANIFEST_SHARDS_MAX && envelope.size >= 1 &&
           envelope.size <= MESSAGE_ENVELOPE_MAX;
}

static void deal_put(struct canon_writer *w, const struct message *m)
{
    const struct message_deal *b = &m->u.deal;

    canon_put_digest(w, &b->deposit_id);
    canon_put_digest(w, &b->manifest_hash);
    canon_put_uint(w, b->share_index);
    canon_put_uint(w, b->share_epoch);
    canon_put_bin(w, b->envelope);
}

static void deal_get(struct canon_reader *r, struct message *m)
{
    struct message_deal *b = &m->u.deal;

    canon_digest(r, &b->deposit_id);
    canon_digest(r, &b->manifest_hash);
    b->share_index = (uint16_t)canon_uint(r, UINT16_MAX);
    b->share_epoch = canon_uint(r, UINT64_MAX);
    b->envelope = canon_bin(r, 1, MESSAGE_ENVELOPE_MAX);
}

static bool deal_is_valid(const struct message *m)
{
    const struct message_deal *b = &m->u.deal;

    return !digest_is_zero(&b->deposit_id) &&
           !digest_is_zero(&b->manifest_hash) &&
           share_is_valid(b->share_index, b->envelope);
}

static void envelope_want_put(struct canon_writer *w, const struct message *m)
{
    canon_put_digest(w, &m->u.envelope_want.release_id);
}

static void envelope_want_get(struct canon_reader *r, struct message *m)
{
    canon_digest(r, &m->u.envelope_want.release_id);
}

static bool envelope_want_is_valid(const struct message *m)
{
    return !digest_is_zero(&m->u.envelope_want.release_id);
}

static void envelope_put(struct canon_writer *w, const struct message *m)
{
    const struct message_envelope *b = &m->u.envelope;

    canon_put_digest(w, &b->release_id);
    canon_put_digest(w, &b->custodian);
    canon_put_uint(w, b->share_index);
    canon_put_uint(w, b->share_epoch);
    canon_put_bin(w, b->envelope);
}

static void envelope_get(struct canon_reader *r, struct message *m)
{
    struct message_envelope *b = &m->u.envelope;

    canon_digest(r, &b->release_id);
    canon_digest(r, &b->custodian);
    b->share_index = (uint16_t)canon_uint(r, UINT16_MAX);
    b->share_epoch = canon_uint(r, UINT64_MAX);
    b->envelope = canon_bin(r, 1, MESSAGE_ENVELOPE_MAX);
}

static bool envelope_is_valid(const struct message *m)
{
    const struct message_envelope *b = &m->u.envelope;

    return !digest_is_zero(&b->release_id) && !digest_is_zero(&b->custodian) &&
           share_is_valid(b->share_index, b->envelope);
}

const struct message_codec message_deal_codec = {
    sizeof(struct message_deal), 5, deal_put, deal_get, deal_is_valid};
const struct message_codec message_envelope_want_codec = {
    sizeof(struct message_envelope_want), 1, envelope_want_put,
    envelope_want_get, envelope_want_is_valid};
const struct message_codec message_envelope_codec = {
    sizeof(struct message_envelope), 5, envelope_put, envelope_get,
    envelope_is_valid};
