#include "node/admin/admin_state.h"
#include "node/base/text.h"

/* A request, or a signature, and what is around it. */
#define CLIENT_SIZE_MAX (RELEASE_REQUEST_MAX + 256U)

#define ARMOUR "-----BEGIN SSH SIGNATURE-----"

static int body_bad(struct admin_request *r, const char *text)
{
    admin_answer_error(&r->answer, MHD_HTTP_BAD_REQUEST, ERR_BAD, text);
    return ERR_BAD;
}

static int submit_read(struct admin_request *r, struct steward_client *c)
{
    struct release_request request;

    c->type = STEWARD_CLIENT_SUBMIT;
    c->bytes = slice_of(r->body, r->body_size);
    if (release_request_decode(&request, c->bytes) != OK) {
        return body_bad(r, "the body is no request for a release; the "
                           "recipient makes one with 'cairn release request'");
    }
    release_id(&r->id, c->bytes);
    return OK;
}

static int approve_read(struct admin_request *r,
                        struct steward_client *c,
                        uint8_t binary[SSHSIG_TEXT_MAX])
{
    const struct slice armour = slice_str(ARMOUR);
    size_t size = 0;

    c->type = STEWARD_CLIENT_APPROVE;
    c->release_id = r->id;
    c->bytes = slice_of(r->body, r->body_size);
    if (r->body_size >= armour.size &&
        memcmp(r->body, armour.data, armour.size) == 0) {
        if (sshsig_dearmor(c->bytes, binary, &size) != OK) {
            return body_bad(r, "the body is no whole SSH signature; send the "
                               "file that 'ssh-keygen -Y sign' made");
        }
        c->bytes = slice_of(binary, size);
    }
    if (c->bytes.size == 0 || c->bytes.size > CUSTODY_SSHSIG_MAX) {
        return body_bad(r, "the body is no SSH signature; send the file that "
                           "'ssh-keygen -Y sign' made");
    }
    return OK;
}

static int deny_read(struct admin_request *r, struct steward_client *c)
{
    c->type = STEWARD_CLIENT_DENY;
    c->release_id = r->id;
    c->bytes = slice_of(NULL, 0);
    return r->body_size == 0 ? OK : body_bad(r, "a denial has no body");
}

static int client_read(struct admin_request *r,
                       struct steward_client *c,
                       uint8_t binary[SSHSIG_TEXT_MAX])
{
    memset(c, 0, sizeof(*c));
    if (r->route == ADMIN_SUBMIT) {
        return submit_read(r, c);
    }
    return r->route == ADMIN_APPROVE ? approve_read(r, c, binary)
                                     : deny_read(r, c);
}

void admin_post(struct admin_request *r)
{
    struct admin *a = r->admin;
    uint8_t bytes[CLIENT_SIZE_MAX], binary[SSHSIG_TEXT_MAX];
    struct steward_client client;
    size_t size = 0;
    int rv;

    if (client_read(r, &client, binary) != OK) {
        return;
    }
    if (steward_client_encode(&client, bytes, sizeof(bytes), &size) != OK) {
        (void)body_bad(r, "the body is longer than such a thing can be");
        return;
    }
    r->number = ++a->numbered;
    admin_waiting_put(a, r); /* First: the answer may come in here. */
    rv = a->config.calls.on_client(a->config.arg, r->number,
                                   slice_of(bytes, size));
    if (rv != OK && r->number != 0) {
        r->number = 0;
        admin_waiting_take(a, r);
        admin_answer_error(&r->answer, MHD_HTTP_SERVICE_UNAVAILABLE, ERR_BUSY,
                           "this node has no room for it now; try again");
        admin_http_answered(r);
    }
}

/* --- The machine's reply ------------------------------------------------- */

static const char *reply_words(int status)
{
    switch (status) {
    case ERR_NOTFOUND:
        return "this node does not know that";
    case ERR_AUTH:
    case ERR_DENIED:
        return "that is not allowed";
    case ERR_FULL:
    case ERR_BUSY:
        return "there is no room for it now; try again";
    default:
        return "this node does not take it";
    }
}

static void reply_answer(struct admin_request *r, struct slice bytes)
{
    struct steward_reply reply;
    const char *schema = r->route == ADMIN_SUBMIT    ? "cairn.submitted/1"
                         : r->route == ADMIN_APPROVE ? "cairn.approved/1"
                                                     : "cairn.denied/1";
    int rv = steward_reply_decode(&reply, bytes);

    assert(rv == OK); /* Our own machine's. */
    (void)rv;
    if (reply.status == OK) {
        admin_answer_json(&r->answer, MHD_HTTP_OK,
                          json_pack("{s:s, s:o}", "schema", schema, "release",
                                    admin_hex(&r->id)));
    } else {
        admin_answer_error(
            &r->answer, admin_code_of(reply.status), reply.status,
            reply.text[0] != '\0' ? reply.text : reply_words(reply.status));
    }
}

void admin_reply(struct admin *a, uint64_t id, struct slice bytes)
{
    struct admin_request *r = a->waiting;

    while (r != NULL && r->number != id) {
        r = r->next;
    }
    if (r == NULL || id == 0) {
        return; /* It took too long. */
    }
    r->number = 0;
    admin_waiting_take(a, r);
    reply_answer(r, bytes);
    admin_http_answered(r);
}
