#include "protocol/field.h"
#include "protocol/message_codec.h"

static void offer_put(struct canon_writer *w, const struct message *m)
{
    const struct message_offer *b = &m->u.offer;

    canon_put_digest(w, &b->random);
    canon_put_digest(w, &b->net);
    canon_put_digest(w, &b->lab);
    canon_put_str(w, slice_str(b->label));
    canon_put_uint(w, b->index);
    canon_put_uint(w, b->k);
    canon_put_uint(w, b->n);
    canon_put_uint(w, b->t);
    canon_put_uint(w, b->segment_size);
    canon_put_uint(w, b->size_max);
}

static void offer_get(struct canon_reader *r, struct message *m)
{
    struct message_offer *b = &m->u.offer;

    canon_digest(r, &b->random);
    canon_digest(r, &b->net);
    canon_digest(r, &b->lab);
    field_text(r, b->label, MANIFEST_LABEL_MAX);
    b->index = (uint16_t)canon_uint(r, UINT16_MAX);
    b->k = (uint16_t)canon_uint(r, UINT16_MAX);
    b->n = (uint16_t)canon_uint(r, UINT16_MAX);
    b->t = (uint16_t)canon_uint(r, UINT16_MAX);
    b->segment_size = (uint32_t)canon_uint(r, UINT32_MAX);
    b->size_max = canon_uint(r, UINT64_MAX);
}

static bool offer_is_valid(const struct message *m)
{
    const struct message_offer *b = &m->u.offer;

    return !digest_is_zero(&b->random) && !digest_is_zero(&b->net) &&
           !digest_is_zero(&b->lab) &&
           field_text_is_valid(b->label, 1, MANIFEST_LABEL_MAX) &&
           manifest_code_is_valid(b->k, b->n) && b->index < b->n && b->t >= 1 &&
           b->t <= b->n && manifest_segment_size_is_valid(b->segment_size) &&
           b->size_max >= 1 && b->size_max <= MERKLE_LEAVES_MAX * LEAF_SIZE;
}

void message_offer_deposit(struct digest *id, const struct message_offer *o)
{
    manifest_deposit_id(id, &o->net, &o->lab, o->random.bytes);
}

static void accept_put(struct canon_writer *w, const struct message *m)
{
    const struct message_accept *b = &m->u.accept;

    canon_put_digest(w, &b->deposit_id);
    canon_put_uint(w, b->index);
    field_put_range(w, &b->range);
    canon_put_uint(w, b->final_leaves);
    canon_put_bool(w, b->sealed);
}

static void accept_get(struct canon_reader *r, struct message *m)
{
    struct message_accept *b = &m->u.accept;

    canon_digest(r, &b->deposit_id);
    b->index = (uint16_t)canon_uint(r, UINT16_MAX);
    field_range(r, &b->range);
    b->final_leaves = canon_uint(r, UINT64_MAX);
    b->sealed = canon_bool(r);
}

static bool accept_is_valid(const struct message *m)
{
    const struct message_accept *b = &m->u.accept;

    return !digest_is_zero(&b->deposit_id) && b->index < MANIFEST_SHARDS_MAX &&
           b->range.leaves <= MERKLE_LEAVES_MAX &&
           b->final_leaves <= b->range.leaves;
}

static void cut_put(struct canon_writer *w, const struct message *m)
{
    canon_put_digest(w, &m->u.cut.deposit_id);
    field_put_range(w, &m->u.cut.range);
}

static void cut_get(struct canon_reader *r, struct message *m)
{
    canon_digest(r, &m->u.cut.deposit_id);
    field_range(r, &m->u.cut.range);
}

static bool cut_is_valid(const struct message *m)
{
    return !digest_is_zero(&m->u.cut.deposit_id) &&
           m->u.cut.range.leaves <= MERKLE_LEAVES_MAX;
}

static void flush_put(struct canon_writer *w, const struct message *m)
{
    canon_put_digest(w, &m->u.flush.deposit_id);
}

static void flush_get(struct canon_reader *r, struct message *m)
{
    canon_digest(r, &m->u.flush.deposit_id);
}

static bool flush_is_valid(const struct message *m)
{
    return !digest_is_zero(&m->u.flush.deposit_id);
}

static void durable_put(struct canon_writer *w, const struct message *m)
{
    canon_put_digest(w, &m->u.durable.deposit_id);
    canon_put_uint(w, m->u.durable.leaves);
}

static void durable_get(struct canon_reader *r, struct message *m)
{
    canon_digest(r, &m->u.durable.deposit_id);
    m->u.durable.leaves = canon_uint(r, UINT64_MAX);
}

static bool durable_is_valid(const struct message *m)
{
    return !digest_is_zero(&m->u.durable.deposit_id) &&
           m->u.durable.leaves <= MERKLE_LEAVES_MAX;
}

static void commit_put(struct canon_writer *w, const struct message *m)
{
    canon_put_digest(w, &m->u.commit.deposit_id);
    canon_put_uint(w, m->u.commit.leaves);
}

static void commit_get(struct canon_reader *r, struct message *m)
{
    canon_digest(r, &m->u.commit.deposit_id);
    m->u.commit.leaves = canon_uint(r, UINT64_MAX);
}

static bool commit_is_valid(const struct message *m)
{
    return !digest_is_zero(&m->u.commit.deposit_id) &&
           m->u.commit.leaves <= MERKLE_LEAVES_MAX;
}

const struct message_codec message_offer_codec = {
    sizeof(struct message_offer), 10, offer_put, offer_get, offer_is_valid};
const struct message_codec message_accept_codec = {
    sizeof(struct message_accept), 6, accept_put, accept_get, accept_is_valid};
const struct message_codec message_cut_codec = {sizeof(struct message_cut), 3,
                                                cut_put, cut_get, cut_is_valid};
const struct message_codec message_flush_codec = {
    sizeof(struct message_flush), 1, flush_put, flush_get, flush_is_valid};
const struct message_codec message_durable_codec = {
    sizeof(struct message_durable), 2, durable_put, durable_get,
    durable_is_valid};
const struct message_codec message_commit_codec = {
    sizeof(struct message_commit), 2, commit_put, commit_get, commit_is_valid};
