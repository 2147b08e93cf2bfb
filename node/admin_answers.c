#include <stdlib.h>

#include "node/admin_state.h"
#include "node/text.h"
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

static json_t *name_of(const struct admin_view *v, const struct digest *id)
{
    const struct card *card = charter_member(v->config->charter, id);

    return card != NULL ? json_string(card->name) : json_null();
}

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

static json_t *policy_json(const struct manifest *m)
{
    char text[POLICY_TEXT_MAX];

    policy_describe(slice_of(m->policy, m->policy_size), text, sizeof(text));
    return json_string(text);
}

/* --- Deposits ------------------------------------------------------------ */

static const struct steward_deposit_info *deposit_info(
    const struct admin_view *v,
    const struct digest *id)
{
    for (size_t i = 0; i < v->deposits_len; i++) {
        if (digest_equal(&v->deposits[i].id, id)) {
            return &v->deposits[i];
        }
    }
    return NULL;
}

static const char *shard_state(const struct steward_deposit_info *info)
{
    if (!info->has_shard) {
        return "none";
    }
    switch (info->state) {
    case STEWARD_FILLING:
        return "filling";
    case STEWARD_SEALING:
        return "sealing";
    case STEWARD_HELD:
        return "held";
    }
    return "none";
}

/* What the receipts and acknowledgements come to. */
struct evidence {
    uint64_t newest_s, oldest_s;
    int receipts, acknowledgements;
};

static void evidence_count(const struct index_deposit *d, struct evidence *e)
{
    memset(e, 0, sizeof(*e));
    for (size_t i = 0; i < d->n; i++) {
        const struct index_place *p = &d->receipts[i];

        if (p->there) {
            e->newest_s = p->time_s > e->newest_s ? p->time_s : e->newest_s;
            e->oldest_s = e->receipts == 0 || p->time_s < e->oldest_s
                              ? p->time_s
                              : e->oldest_s;
            e->receipts++;
        }
        e->acknowledgements += d->acknowledgements[i].there ? 1 : 0;
    }
}

static json_t *proof_json(const struct admin_view *v, const struct evidence *e)
{
    /* A steward's clock may be ahead of ours. */
    uint64_t newest_age_s = v->now_s > e->newest_s ? v->now_s - e->newest_s : 0;
    uint64_t oldest_age_s = v->now_s > e->oldest_s ? v->now_s - e->oldest_s : 0;

    if (e->receipts == 0) {
        return json_pack("{s:s, s:n, s:n, s:n, s:n}", "kind", "receipt",
                         "newest", "newest_age_s", "oldest", "oldest_age_s");
    }
    return json_pack("{s:s, s:o, s:I, s:o, s:I}", "kind", "receipt", "newest",
                     admin_time(e->newest_s), "newest_age_s",
                     (json_int_t)newest_age_s, "oldest",
                     admin_time(e->oldest_s), "oldest_age_s",
                     (json_int_t)oldest_age_s);
}

/* What the manifest and those who answered for it say; nulls without. */
static json_t *promise_json(const struct admin_view *v,
                            const struct index_deposit *d)
{
    struct evidence e;
    uint32_t f;

    if (d == NULL) {
        return json_pack(
            "{s:n, s:n, s:n, s:n, s:n, s:n, s:n, s:n, s:n, s:n, s:n, s:n, s:n, "
            "s:n, s:n, s:n}",
            "label", "lab", "lab_id", "manifest_hash", "n", "k", "t", "f",
            "plain_size", "shard_size", "receipts", "acknowledgements",
            "data_margin", "key_margin", "sealed", "proof");
    }
    evidence_count(d, &e);
    f = charter_faulty(d->n);
    return json_pack(
        "{s:s, s:o, s:o, s:o, s:i, s:i, s:i, s:i, s:I, s:I, s:i, s:i, s:i, "
        "s:i, s:b, s:o}",
        "label", d->label, "lab", name_of(v, &d->lab), "lab_id",
        admin_hex(&d->lab), "manifest_hash", admin_hex(&d->manifest_hash), "n",
        d->n, "k", d->k, "t", d->t, "f", (int)f, "plain_size",
        (json_int_t)d->plain_size, "shard_size", (json_int_t)d->shard_size,
        "receipts", e.receipts, "acknowledgements", e.acknowledgements,
        "data_margin", e.receipts - d->k, "key_margin",
        e.acknowledgements - d->t, "sealed",
        e.receipts == d->n && e.acknowledgements >= d->t + (int)f, "proof",
        proof_json(v, &e));
}

static json_t *deposit_json(const struct admin_view *v,
                            const struct steward_deposit_info *info)
{
    json_t *json = json_pack(
        "{s:o, s:s, s:o, s:o, s:b}", "id", admin_hex(&info->id), "state",
        shard_state(info), "shard",
        info->has_shard ? json_integer(info->index) : json_null(),
        "shard_bytes",
        info->has_shard ? json_integer((json_int_t)info->leaves * LEAF_SIZE)
                        : json_null(),
        "share", info->has_share);
    json_t *promise = promise_json(v, admin_index_deposit(v->index, &info->id));

    if (json == NULL || promise == NULL ||
        json_object_update(json, promise) != 0) {
        abort();
    }
    json_decref(promise);
    return json;
}

void admin_answer_deposits(const struct admin_view *v, struct admin_answer *a)
{
    json_t *list = json_array();
    json_t *rest = json_pack("{s:O}", "deposits", list);
    const struct digest *last = NULL;
    size_t i = 0;

    while (v->has_after && i < v->deposits_len &&
           memcmp(v->deposits[i].id.bytes, v->id.bytes, DIGEST_SIZE) <= 0) {
        i++;
    }
    for (; i < v->deposits_len && json_array_size(list) < ADMIN_PAGE_MAX; i++) {
        last = &v->deposits[i].id;
        (void)json_array_append_new(list, deposit_json(v, &v->deposits[i]));
    }
    json_decref(list);
    if (i < v->deposits_len && last != NULL) {
        (void)json_object_set_new(rest, "next", admin_hex(last));
    }
    admin_answer_json(a, MHD_HTTP_OK, admin_seen(v, "cairn.deposits/1", rest));
}

static json_t *holders_json(const struct admin_view *v,
                            const struct index_deposit *d,
                            const struct manifest *m)
{
    json_t *list = json_array();

    for (size_t i = 0; i < d->n; i++) {
        const struct index_place *p = &d->receipts[i];

        (void)json_array_append_new(
            list, json_pack("{s:i, s:o, s:o, s:o, s:b}", "shard", (int)i,
                            "name", name_of(v, &m->stewards[i]), "id",
                            admin_hex(&m->stewards[i]), "receipt",
                            p->there ? admin_time(p->time_s) : json_null(),
                            "acknowledgement", d->acknowledgements[i].there));
    }
    return list;
}

void admin_answer_deposit(const struct admin_view *v, struct admin_answer *a)
{
    const struct steward_deposit_info *info = deposit_info(v, &v->id);
    const struct index_deposit *d = admin_index_deposit(v->index, &v->id);
    const struct manifest *m = NULL;
    uint8_t entry[FEED_ENTRY_MAX];
    char errmsg[ERRMSG_SIZE];
    size_t size = 0;
    json_t *json;
    int rv = OK;

    if (info == NULL) {
        admin_answer_error(a, MHD_HTTP_NOT_FOUND, ERR_NOTFOUND,
                           "this node has given that deposit up");
        return;
    }
    if (d != NULL) {
        rv = admin_index_manifest(v->index, d, entry, &size, &m, errmsg);
    }
    if (rv != OK) {
        admin_answer_error(a, admin_code_of(rv), rv, errmsg);
        return;
    }
    json = deposit_json(v, info);
    (void)json_object_set_new(json, "policy",
                              m != NULL ? policy_json(m) : json_null());
    (void)json_object_set_new(json, "stewards",
                              m != NULL ? holders_json(v, d, m) : json_null());
    admin_answer_json(a, MHD_HTTP_OK, admin_seen(v, "cairn.deposit/1", json));
}

/* --- Releases ------------------------------------------------------------ */

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
    return json_pack("{s:o, s:i}", "needed", policy_json(m), "decisions_needed",
                     d->t);
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
