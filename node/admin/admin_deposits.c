#include <stdlib.h>

#include "node/admin/admin_state.h"

#define AGE_LEEWAY_S 300U

static json_t *name_of(const struct admin_view *v, const struct digest *id)
{
    const struct card *card = charter_member(v->config->charter, id);

    return card != NULL ? json_string(card->name) : json_null();
}

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

static const char *shard_state(const struct admin_view *v,
                               const struct steward_deposit_info *info)
{
    if (!info->has_shard) {
        return admin_receipts_missing(v->receipts, info) ? "missing" : "none";
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

/* A steward's clock may be a little ahead of ours; of a time that lies further
 * ahead nobody knows how old it is. */
static json_t *age_json(const struct admin_view *v, uint64_t time_s)
{
    if (time_s > v->now_s + AGE_LEEWAY_S) {
        return json_null();
    }
    return json_integer(v->now_s > time_s ? (json_int_t)(v->now_s - time_s)
                                          : 0);
}

static json_t *proof_json(const struct admin_view *v, const struct evidence *e)
{
    if (e->receipts == 0) {
        return json_pack("{s:s, s:n, s:n, s:n, s:n}", "kind", "receipt",
                         "newest", "newest_age_s", "oldest", "oldest_age_s");
    }
    return json_pack("{s:s, s:o, s:o, s:o, s:o}", "kind", "receipt", "newest",
                     admin_time(e->newest_s), "newest_age_s",
                     age_json(v, e->newest_s), "oldest",
                     admin_time(e->oldest_s), "oldest_age_s",
                     age_json(v, e->oldest_s));
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
        shard_state(v, info), "shard",
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
                              m != NULL ? admin_policy(m) : json_null());
    (void)json_object_set_new(json, "stewards",
                              m != NULL ? holders_json(v, d, m) : json_null());
    admin_answer_json(a, MHD_HTTP_OK, admin_seen(v, "cairn.deposit/1", json));
}
