#include <stdlib.h>

#include "node/admin/admin_state.h"
#include "node/base/text.h"

/* Names of the members whose bits are set, by place in the charter. */
static json_t *names(const struct admin_view *v, uint64_t bits)
{
    const struct charter *c = v->config->charter;
    json_t *list = json_array();

    for (size_t i = 0; i < c->members_len; i++) {
        if ((bits & ((uint64_t)1 << i)) != 0) {
            (void)json_array_append_new(list,
                                        json_string(c->members[i].card.name));
        }
    }
    return list;
}

static const char *release_state(enum steward_release_state state)
{
    switch (state) {
    case STEWARD_RELEASE_KNOWN:
        return "known";
    case STEWARD_RELEASE_APPROVED:
        return "approved";
    case STEWARD_RELEASE_DECIDED:
        return "decided";
    case STEWARD_RELEASE_HELD:
        return "held";
    case STEWARD_RELEASE_READY:
        return "ready";
    }
    return "known";
}

/* What the request says; nulls when it is not on the disk yet. */
static json_t *request_json(const struct admin_view *v,
                            const struct steward_release_info *info)
{
    uint8_t bytes[RELEASE_REQUEST_MAX];
    char errmsg[ERRMSG_SIZE];
    struct release_request r;
    size_t size = 0;

    if (admin_index_request(v->index, &info->id, bytes, &size, errmsg) != OK ||
        release_request_decode(&r, slice_of(bytes, size)) != OK) {
        return json_pack("{s:n, s:n, s:n, s:n, s:o}", "label", "recipient",
                         "purpose", "requested", "expires",
                         admin_time(info->not_after_s));
    }
    return json_pack("{s:s, s:s, s:s, s:o, s:o}", "label", r.label, "recipient",
                     r.recipient, "purpose", r.purpose, "requested",
                     admin_time(r.time_s), "expires",
                     admin_time(r.not_after_s));
}

/* What its deposit demands. */
static json_t *needed_json(const struct admin_view *v, const struct digest *id)
{
    const struct index_deposit *d = admin_index_deposit(v->index, id);
    const struct manifest *m = NULL;
    uint8_t entry[FEED_ENTRY_MAX];
    char errmsg[ERRMSG_SIZE];
    size_t size = 0;

    if (d == NULL ||
        admin_index_manifest(v->index, d, entry, &size, &m, errmsg) != OK) {
        return json_pack("{s:n, s:n}", "needed", "decisions_needed");
    }
    return json_pack("{s:o, s:i}", "needed", admin_policy(m),
                     "decisions_needed", d->t);
}

static json_t *release_json(const struct admin_view *v,
                            const struct steward_release_info *info)
{
    char trouble[sizeof(info->trouble)];
    json_t *request = request_json(v, info);
    json_t *needed = needed_json(v, &info->deposit_id);
    json_t *json;

    memcpy(trouble, info->trouble, sizeof(trouble));
    text_clean(trouble);
    json = json_pack(
        "{s:o, s:o, s:s, s:b, s:b, s:b, s:o, s:o, s:o}", "id",
        admin_hex(&info->id), "deposit", admin_hex(&info->deposit_id), "state",
        release_state(info->state), "open", info->open, "denied", info->denied,
        "expired", info->expired, "approvals", names(v, info->approvals),
        "decisions", names(v, info->decisions), "trouble",
        trouble[0] != '\0' ? json_string(trouble) : json_null());
    if (json == NULL || request == NULL || needed == NULL ||
        json_object_update(json, request) != 0 ||
        json_object_update(json, needed) != 0) {
        abort();
    }
    json_decref(request);
    json_decref(needed);
    return json;
}

void admin_answer_releases(const struct admin_view *v, struct admin_answer *a)
{
    json_t *list = json_array();

    for (size_t i = 0; i < v->releases_len; i++) {
        (void)json_array_append_new(list, release_json(v, &v->releases[i]));
    }
    admin_answer_json(a, MHD_HTTP_OK,
                      admin_seen(v, "cairn.releases/1",
                                 json_pack("{s:o}", "releases", list)));
}

void admin_answer_release(const struct admin_view *v, struct admin_answer *a)
{
    for (size_t i = 0; i < v->releases_len; i++) {
        if (digest_equal(&v->releases[i].id, &v->id)) {
            admin_answer_json(a, MHD_HTTP_OK,
                              admin_seen(v, "cairn.release/1",
                                         release_json(v, &v->releases[i])));
            return;
        }
    }
    admin_answer_error(a, MHD_HTTP_NOT_FOUND, ERR_NOTFOUND,
                       "this node no longer knows that release");
}
