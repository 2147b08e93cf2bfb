#include "protocol/custody.h"

#include "protocol/field.h"

/* Room for errors to come. */
#define STATUS_MAX 64

/* How one type is written and read, as in message_codec.h. */
struct codec {
    uint32_t items; /* Behind the type. */
    void (*put)(struct canon_writer *w, const struct custody *c);
    void (*get)(struct canon_reader *r, struct custody *c);
    bool (*is_valid)(const struct custody *c);
};

static bool size_is_within(struct slice s, size_t max)
{
    return s.size >= 1 && s.size <= max;
}

static void hello_put(struct canon_writer *w, const struct custody *c)
{
    canon_put_digest(w, &c->u.hello.net);
    canon_put_digest(w, &c->u.hello.charter_hash);
}

static void hello_get(struct canon_reader *r, struct custody *c)
{
    canon_digest(r, &c->u.hello.net);
    canon_digest(r, &c->u.hello.charter_hash);
}

static bool hello_is_valid(const struct custody *c)
{
    return !digest_is_zero(&c->u.hello.net) &&
           !digest_is_zero(&c->u.hello.charter_hash);
}

static void deal_put(struct canon_writer *w, const struct custody *c)
{
    const struct custody_deal *b = &c->u.deal;

    canon_put_bin(w, b->manifest);
    canon_put_uint(w, b->share_index);
    canon_put_uint(w, b->share_epoch);
    canon_put_bin(w, b->envelope);
}

static void deal_get(struct canon_reader *r, struct custody *c)
{
    struct custody_deal *b = &c->u.deal;

    b->manifest = canon_bin(r, 1, FEED_ENTRY_MAX);
    b->share_index = (uint16_t)canon_uint(r, UINT16_MAX);
    b->share_epoch = canon_uint(r, UINT64_MAX);
    b->envelope = canon_bin(r, 1, MESSAGE_ENVELOPE_MAX);
}

static bool deal_is_valid(const struct custody *c)
{
    const struct custody_deal *b = &c->u.deal;

    return size_is_within(b->manifest, FEED_ENTRY_MAX) && b->share_index >= 1 &&
           b->share_index <= MANIFEST_SHARDS_MAX &&
           size_is_within(b->envelope, MESSAGE_ENVELOPE_MAX);
}

static void release_put(struct canon_writer *w, const struct custody *c)
{
    const struct custody_release *b = &c->u.release;

    canon_put_bin(w, b->request);
    canon_put_array(w, (uint32_t)b->approvals_len);
    for (size_t i = 0; i < b->approvals_len; i++) {
        canon_put_bin(w, b->approvals[i]);
    }
}

static void release_get(struct canon_reader *r, struct custody *c)
{
    struct custody_release *b = &c->u.release;

    b->request = canon_bin(r, 1, RELEASE_REQUEST_MAX);
    b->approvals_len = canon_array_between(r, 0, CUSTODY_APPROVALS_MAX);
    for (size_t i = 0; i < b->approvals_len; i++) {
        b->approvals[i] = canon_bin(r, 1, CUSTODY_SSHSIG_MAX);
    }
    canon_leave(r);
}

static bool release_is_valid(const struct custody *c)
{
    const struct custody_release *b = &c->u.release;

    if (!size_is_within(b->request, RELEASE_REQUEST_MAX) ||
        b->approvals_len > CUSTODY_APPROVALS_MAX) {
        return false;
    }
    for (size_t i = 0; i < b->approvals_len; i++) {
        if (!size_is_within(b->approvals[i], CUSTODY_SSHSIG_MAX)) {
            return false;
        }
    }
    return true;
}

static void envelope_put(struct canon_writer *w, const struct custody *c)
{
    canon_put_digest(w, &c->u.envelope.release_id);
    canon_put_bin(w, c->u.envelope.holding);
}

static void envelope_get(struct canon_reader *r, struct custody *c)
{
    canon_digest(r, &c->u.envelope.release_id);
    c->u.envelope.holding = canon_bin(r, 1, FEED_ENTRY_MAX);
}

static bool envelope_is_valid(const struct custody *c)
{
    return !digest_is_zero(&c->u.envelope.release_id) &&
           size_is_within(c->u.envelope.holding, FEED_ENTRY_MAX);
}

static void self_put(struct canon_writer *w, const struct custody *c)
{
    const struct custody_self *b = &c->u.self;

    canon_put_digest(w, &b->net);
    canon_put_digest(w, &b->charter_hash);
    canon_put_digest(w, &b->steward);
    canon_put_uint(w, b->shares);
    canon_put_uint(w, b->decisions);
}

static void self_get(struct canon_reader *r, struct custody *c)
{
    struct custody_self *b = &c->u.self;

    canon_digest(r, &b->net);
    canon_digest(r, &b->charter_hash);
    canon_digest(r, &b->steward);
    b->shares = canon_uint(r, UINT64_MAX);
    b->decisions = canon_uint(r, UINT64_MAX);
}

static bool self_is_valid(const struct custody *c)
{
    const struct custody_self *b = &c->u.self;

    return !digest_is_zero(&b->net) && !digest_is_zero(&b->charter_hash) &&
           !digest_is_zero(&b->steward);
}

static void ack_put(struct canon_writer *w, const struct custody *c)
{
    canon_put_bin(w, c->u.ack);
}

static void ack_get(struct canon_reader *r, struct custody *c)
{
    c->u.ack = canon_bin(r, 1, RELEASE_PAYLOAD_MAX);
}

static bool ack_is_valid(const struct custody *c)
{
    return size_is_within(c->u.ack, RELEASE_PAYLOAD_MAX);
}

static void decided_put(struct canon_writer *w, const struct custody *c)
{
    canon_put_bin(w, c->u.decision);
}

static void decided_get(struct canon_reader *r, struct custody *c)
{
    c->u.decision = canon_bin(r, 1, RELEASE_PAYLOAD_MAX);
}

static bool decided_is_valid(const struct custody *c)
{
    return size_is_within(c->u.decision, RELEASE_PAYLOAD_MAX);
}

static void handed_put(struct canon_writer *w, const struct custody *c)
{
    canon_put_bin(w, c->u.handed);
}

static void handed_get(struct canon_reader *r, struct custody *c)
{
    c->u.handed = canon_bin(r, RELEASE_ENVELOPE_SIZE, RELEASE_ENVELOPE_SIZE);
}

static bool handed_is_valid(const struct custody *c)
{
    return c->u.handed.size == RELEASE_ENVELOPE_SIZE;
}

static void refused_put(struct canon_writer *w, const struct custody *c)
{
    canon_put_uint(w, (uint64_t)-c->u.refused.status);
    canon_put_str(w, slice_str(c->u.refused.text));
}

static void refused_get(struct canon_reader *r, struct custody *c)
{
    c->u.refused.status = -(int)canon_uint(r, STATUS_MAX);
    field_text(r, c->u.refused.text, MESSAGE_TEXT_MAX);
}

static bool refused_is_valid(const struct custody *c)
{
    const struct custody_refused *b = &c->u.refused;

    return b->status <= -1 && b->status >= -STATUS_MAX &&
           field_text_is_valid(b->text, 0, MESSAGE_TEXT_MAX);
}

static const struct codec codecs[] = {
    [CUSTODY_HELLO] = {2, hello_put, hello_get, hello_is_valid},
    [CUSTODY_DEAL] = {4, deal_put, deal_get, deal_is_valid},
    [CUSTODY_RELEASE] = {2, release_put, release_get, release_is_valid},
    [CUSTODY_ENVELOPE] = {2, envelope_put, envelope_get, envelope_is_valid},
    [CUSTODY_SELF] = {5, self_put, self_get, self_is_valid},
    [CUSTODY_ACK] = {1, ack_put, ack_get, ack_is_valid},
    [CUSTODY_DECIDED] = {1, decided_put, decided_get, decided_is_valid},
    [CUSTODY_HANDED] = {1, handed_put, handed_get, handed_is_valid},
    [CUSTODY_REFUSED] = {2, refused_put, refused_get, refused_is_valid},
};

/* NULL for a type without a meaning. */
static const struct codec *codec_of(uint64_t type)
{
    return type < sizeof(codecs) / sizeof(codecs[0]) && codecs[type].put != NULL
               ? &codecs[type]
               : NULL;
}

int custody_encode(const struct custody *c,
                   uint8_t *out,
                   size_t max,
                   size_t *size)
{
    const struct codec *k = codec_of(c->type);
    struct canon_writer w;

    assert(k != NULL && k->is_valid(c));
    canon_write_init(&w, out, max < CUSTODY_SIZE_MAX ? max : CUSTODY_SIZE_MAX);
    canon_put_array(&w, k->items + 1);
    canon_put_uint(&w, c->type);
    k->put(&w, c);
    return field_write_end(&w, size);
}

int custody_decode(struct custody *c, struct slice in)
{
    const struct codec *k;
    struct canon_reader r;
    struct custody got;
    uint64_t type;

    if (in.size > CUSTODY_SIZE_MAX) {
        return ERR_BAD;
    }
    canon_read_init(&r, in);
    /* Of any length until the type is known. */
    canon_array_between(&r, 1, UINT32_MAX);
    type = canon_uint(&r, UINT64_MAX);
    k = codec_of(type);
    canon_require_known(&r, k != NULL);
    if (r.error != OK) {
        return r.error;
    }
    assert(k != NULL);

    memset(&got, 0, sizeof(got));
    got.type = (enum custody_type)type;
    k->get(&r, &got);
    canon_leave(&r);
    if (canon_end(&r) != OK || !k->is_valid(&got)) {
        return ERR_BAD;
    }
    *c = got;
    return OK;
}
