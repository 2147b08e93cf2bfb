#include <stdlib.h>

#include "node/admin/admin_state.h"
#include "node/base/text.h"
#include "protocol/policy.h"

#define POLICY_TEXT_MAX 1024

void admin_answer_json(struct admin_answer *a, unsigned code, json_t *json)
{
    char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;

    json_decref(json);
    if (text == NULL) {
        abort(); /* Out of memory, or a text that is no UTF-8. */
    }
    assert(a->code == 0);
    a->code = code;
    a->json = true;
    a->bytes = (uint8_t *)text;
    a->size = strlen(text);
}

void admin_answer_error(struct admin_answer *a,
                        unsigned code,
                        int status,
                        const char *text)
{
    char clean[ERRMSG_SIZE];

    (void)snprintf(clean, sizeof(clean), "%s", text);
    text_clean(clean);
    admin_answer_json(a, code,
                      json_pack("{s:s, s:i, s:s}", "schema", "cairn.error/1",
                                "status", -status, "error", clean));
}

unsigned admin_code_of(int status)
{
    switch (status) {
    case ERR_BAD:
        return MHD_HTTP_BAD_REQUEST;
    case ERR_AUTH:
    case ERR_DENIED:
        return MHD_HTTP_FORBIDDEN;
    case ERR_NOTFOUND:
        return MHD_HTTP_NOT_FOUND;
    case ERR_EXISTS:
    case ERR_ORDER:
    case ERR_MISMATCH:
        return MHD_HTTP_CONFLICT;
    case ERR_FULL:
    case ERR_BUSY:
        return MHD_HTTP_SERVICE_UNAVAILABLE;
    default:
        return MHD_HTTP_INTERNAL_SERVER_ERROR;
    }
}

json_t *admin_time(uint64_t unix_s)
{
    char text[TEXT_SIZE];

    return json_string(text_time(text, unix_s));
}

json_t *admin_hex(const struct digest *d)
{
    char text[2 * DIGEST_SIZE + 1];

    return json_string(text_hex(text, d->bytes, DIGEST_SIZE));
}

json_t *admin_seen(const struct admin_view *v, const char *schema, json_t *rest)
{
    json_t *json = json_pack("{s:s, s:s, s:o}", "schema", schema, "covers",
                             "this node", "as_of", admin_time(v->now_s));

    if (json == NULL || rest == NULL ||
        json_object_update_missing(json, rest) != 0) {
        abort();
    }
    json_decref(rest);
    return json;
}

json_t *admin_policy(const struct manifest *m)
{
    char text[POLICY_TEXT_MAX];

    policy_describe(slice_of(m->policy, m->policy_size), text, sizeof(text));
    return json_string(text);
}
