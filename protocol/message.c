#include "protocol/message.h"

#include "protocol/field.h"
#include "protocol/message_codec.h"

/* Room for errors to come. */
#define STATUS_MAX 64

static void refuse_put(struct canon_writer *w, const struct message *m)
{
    const struct message_refuse *b = &m->u.refuse;

    canon_put_uint(w, b->about);
    canon_put_digest(w, &b->subject);
    canon_put_uint(w, (uint64_t)-b->status);
    canon_put_str(w, slice_str(b->text));
}

static void refuse_get(struct canon_reader *r, struct message *m)
{
    struct message_refuse *b = &m->u.refuse;

    b->about = canon_uint(r, UINT64_MAX);
    canon_digest(r, &b->subject);
    b->status = -(int)canon_uint(r, STATUS_MAX);
    field_text(r, b->text, MESSAGE_TEXT_MAX);
}

/* What is refused may be of a type that only the other side knows, and then
 * its subject is not known either. */
static bool refuse_is_valid(const struct message *m)
{
    const struct message_refuse *b = &m->u.refuse;

    return b->status <= -1 && b->status >= -STATUS_MAX &&
           field_text_is_valid(b->text, 0, MESSAGE_TEXT_MAX);
}

static const struct message_codec refuse_codec = {
    sizeof(struct message_refuse), 4, refuse_put, refuse_get, refuse_is_valid};

static const struct message_codec *const codecs[] = {
    [MESSAGE_HEADS] = &message_heads_codec,
    [MESSAGE_WANT] = &message_want_codec,
    [MESSAGE_ENTRIES] = &message_entries_codec,
    [MESSAGE_OFFER] = &message_offer_codec,
    [MESSAGE_ACCEPT] = &message_accept_codec,
    [MESSAGE_CUT] = &message_cut_codec,
    [MESSAGE_APPEND] = &message_append_codec,
    [MESSAGE_FLUSH] = &message_flush_codec,
    [MESSAGE_DURABLE] = &message_durable_codec,
    [MESSAGE_COMMIT] = &message_commit_codec,
    [MESSAGE_DEAL] = &message_deal_codec,
    [MESSAGE_READ] = &message_read_codec,
    [MESSAGE_CELL] = &message_cell_codec,
    [MESSAGE_ENVELOPE_WANT] = &message_envelope_want_codec,
    [MESSAGE_ENVELOPE] = &message_envelope_codec,
    [MESSAGE_REFUSE] = &refuse_codec,
};

/* NULL for a type without a meaning. */
static const struct message_codec *codec_of(uint64_t type)
{
    return type < sizeof(codecs) / sizeof(codecs[0]) ? codecs[type] : NULL;
}

int message_encode(const struct message *m,
                   uint8_t *out,
                   size_t max,
                   size_t *size)
{
    const struct message_codec *c = codec_of(m->type);
    struct canon_writer w;

    assert(c != NULL && c->is_valid(m));
    canon_write_init(&w, out, max < MESSAGE_SIZE_MAX ? max : MESSAGE_SIZE_MAX);
    canon_put_array(&w, c->items + 1);
    canon_put_uint(&w, m->type);
    c->put(&w, m);
    return field_write_end(&w, size);
}

int message_decode(struct message *m, struct slice in)
{
    const struct message_codec *c;
    struct canon_reader r;
    struct message got;
    uint64_t type;

    if (in.size > MESSAGE_SIZE_MAX) {
        return ERR_BAD;
    }
    canon_read_init(&r, in);
    /* Of any length until the type is known. */
    canon_array_between(&r, 1, UINT32_MAX);
    type = canon_uint(&r, UINT64_MAX);
    c = codec_of(type);
    canon_require_known(&r, c != NULL);
    if (r.error != OK) {
        return r.error;
    }
    assert(c != NULL);

    /* The largest member is large, and most messages are small. */
    memset(&got.u, 0, c->size);
    got.type = (enum message_type)type;
    c->get(&r, &got);
    canon_leave(&r);
    if (canon_end(&r) != OK || !c->is_valid(&got)) {
        return ERR_BAD;
    }
    m->type = got.type;
    memcpy(&m->u, &got.u, c->size);
    return OK;
}
