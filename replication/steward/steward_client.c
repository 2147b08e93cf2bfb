#include "protocol/field.h"
#include "protocol/text.h"
#include "replication/steward/steward.h"

#define CLIENT_ITEMS 4U
#define REPLY_ITEMS  3U
#define STATUS_MAX   64U

static bool client_is_valid(const struct steward_client *c)
{
    bool named = !digest_is_zero(&c->release_id);

    switch (c->type) {
    case STEWARD_CLIENT_SUBMIT:
        return !named && c->bytes.size >= 1 &&
               c->bytes.size <= RELEASE_REQUEST_MAX;
    case STEWARD_CLIENT_APPROVE:
        return named && c->bytes.size >= 1 &&
               c->bytes.size <= STEWARD_CLIENT_SIG_MAX;
    case STEWARD_CLIENT_DENY:
        return named && c->bytes.size == 0;
    }
    return false;
}

int steward_client_encode(const struct steward_client *c,
                          uint8_t *out,
                          size_t max,
                          size_t *size)
{
    struct canon_writer w;

    if (!client_is_valid(c)) {
        return ERR_BAD;
    }
    canon_write_init(&w, out, max);
    canon_put_array(&w, CLIENT_ITEMS);
    canon_put_uint(&w, FIELD_VERSION);
    canon_put_uint(&w, c->type);
    canon_put_digest(&w, &c->release_id);
    canon_put_bin(&w, c->bytes);
    return field_write_end(&w, size);
}

int steward_client_decode(struct steward_client *c, struct slice in)
{
    struct steward_client got;
    struct canon_reader r;
    uint64_t type;
    int rv;

    memset(&got, 0, sizeof(got));
    field_begin(&r, in);
    type = canon_uint(&r, UINT64_MAX);
    canon_require_known(&r, type >= STEWARD_CLIENT_SUBMIT &&
                                type <= STEWARD_CLIENT_DENY);
    got.type = (enum steward_client_type)type;
    canon_digest(&r, &got.release_id);
    got.bytes = canon_bin(&r, 0, RELEASE_REQUEST_MAX);
    canon_leave(&r);
    canon_require(&r, r.error != OK || client_is_valid(&got));
    rv = canon_end(&r);
    if (rv == OK) {
        *c = got;
    }
    return rv;
}

int steward_reply_encode(const struct steward_reply *reply,
                         uint8_t *out,
                         size_t max,
                         size_t *size)
{
    struct canon_writer w;

    assert(reply->status <= OK && reply->status >= -(int)STATUS_MAX);
    if (!text_is_plain(slice_str(reply->text))) {
        return ERR_BAD;
    }
    canon_write_init(&w, out, max);
    canon_put_array(&w, REPLY_ITEMS);
    canon_put_uint(&w, FIELD_VERSION);
    canon_put_uint(&w, (uint64_t)-reply->status);
    canon_put_str(&w, slice_str(reply->text));
    return field_write_end(&w, size);
}

int steward_reply_decode(struct steward_reply *reply, struct slice in)
{
    struct steward_reply got;
    struct canon_reader r;
    int rv;

    memset(&got, 0, sizeof(got));
    field_begin(&r, in);
    got.status = -(int)canon_uint(&r, STATUS_MAX);
    field_text(&r, got.text, MESSAGE_TEXT_MAX);
    canon_leave(&r);
    canon_require(&r, text_is_plain(slice_str(got.text)));
    rv = canon_end(&r);
    if (rv == OK) {
        *reply = got;
    }
    return rv;
}
