#include <stdlib.h>
#include <unistd.h>

#include "node/admin_state.h"
#include "node/text.h"
#include "protocol/field.h"
#include "replication/keys.h"

/* --- The network --------------------------------------------------------- */

static json_t *network_json(const struct admin_view *v)
{
    const struct charter *c = v->config->charter;
    char fingerprint[48];

    charter_fingerprint(&v->config->net, fingerprint);
    return json_pack(
        "{s:s, s:o, s:s, s:I, s:i, s:i, s:b, s:b}", "name", c->name, "id",
        admin_hex(&v->config->net), "fingerprint", fingerprint, "epoch",
        (json_int_t)c->epoch, "stewards", (int)c->stewards, "f", (int)c->f,
        "same_jurisdiction_allowed",
        (c->flags & CHARTER_FLAG_SAME_JURISDICTION) != 0,
        "same_provider_allowed", (c->flags & CHARTER_FLAG_SAME_PROVIDER) != 0);
}

static json_t *link_json(const struct admin_view *v, const struct admin_link *l)
{
    uint64_t up_s = l->up_ms / 1000;

    return json_pack(
        "{s:s, s:o, s:s, s:s, s:s, s:o, s:I}", "member",
        l->card != NULL ? l->card->name : "a recipient", "id",
        admin_hex(l->card != NULL ? &l->card->id : &l->release_id), "role",
        l->card != NULL ? card_role_name(l->card->role) : "recipient",
        "direction", l->dialled ? "dialled" : "inbound", "address", l->address,
        "since", admin_time(v->now_s > up_s ? v->now_s - up_s : 0), "up_s",
        (json_int_t)up_s);
}

static json_t *links_json(const struct admin_view *v)
{
    json_t *list = json_array();

    for (size_t i = 0; i < v->status->links_len; i++) {
        (void)json_array_append_new(list, link_json(v, &v->status->links[i]));
    }
    return list;
}

static bool is_linked(const struct admin_view *v, const struct card *card)
{
    for (size_t i = 0; i < v->status->links_len; i++) {
        if (v->status->links[i].card == card) {
            return true;
        }
    }
    return false;
}

/* Other stewards to which a link is up. */
static uint32_t linked_count(const struct admin_view *v)
{
    const struct charter *c = v->config->charter;
    uint32_t linked = 0;

    for (size_t i = 0; i < c->members_len; i++) {
        const struct card *card = &c->members[i].card;

        linked += card->role == CARD_STEWARD && is_linked(v, card) ? 1 : 0;
    }
    return linked;
}

/* --- Feeds --------------------------------------------------------------- */

/* Entries by place in the charter, from the rows of where feeds stand: a value
 * begins with its version and the number of entries. */
static int feeds_count(const struct admin_view *v,
                       uint64_t counts[CHARTER_MEMBERS_MAX],
                       struct store_page *page,
                       char *errmsg)
{
    static const uint8_t kind = KEY_TIP;
    const struct charter *c = v->config->charter;
    uint8_t after[CORE_KEY_MAX];
    size_t after_size = 0;
    int rv;

    do {
        rv = store_rows(v->config->store, slice_of(&kind, 1),
                        slice_of(after, after_size), page, errmsg);
        for (size_t i = 0; rv == OK && i < page->rows_len; i++) {
            const struct core_row *row = &page->rows[i];
            const struct card *card = NULL;
            struct digest author;
            struct canon_reader r;
            uint32_t incarnation;
            uint64_t entries;

            memcpy(after, row->key.data, row->key.size);
            after_size = row->key.size;
            field_begin(&r, row->value);
            entries = canon_uint(&r, UINT64_MAX);
            if (r.error == OK &&
                key_tip_parse(row->key, &author, &incarnation) == OK) {
                card = charter_member(c, &author);
            }
            for (size_t m = 0; m < c->members_len; m++) {
                counts[m] += &c->members[m].card == card ? entries : 0;
            }
        }
    } while (rv == OK && !page->last);
    return rv;
}

static json_t *feeds_json(const struct admin_view *v, json_t *trouble)
{
    const struct charter *c = v->config->charter;
    uint64_t counts[CHARTER_MEMBERS_MAX] = {0};
    struct store_page *page = calloc(1, sizeof(*page) + STORE_PAGE_MIN);
    char errmsg[ERRMSG_SIZE];
    json_t *list = json_array();
    int rv;

    if (page == NULL) {
        abort();
    }
    page->buf = (uint8_t *)(page + 1);
    page->buf_size = STORE_PAGE_MIN;
    page->rows_max = CORE_ROWS_MAX;
    rv = feeds_count(v, counts, page, errmsg);
    if (rv != OK) {
        (void)json_array_append_new(trouble, json_string(errmsg));
    }
    for (size_t i = 0; i < c->members_len; i++) {
        const struct steward_member_info *m = &v->status->members[i];
        const struct card *card = &c->members[i].card;

        (void)json_array_append_new(
            list,
            json_pack("{s:s, s:o, s:s, s:o, s:I, s:I, s:b}", "member",
                      card->name, "id", admin_hex(&card->id), "role",
                      card_role_name(card->role), "entries",
                      rv == OK ? json_integer((json_int_t)counts[i])
                               : json_null(),
                      "bytes", (json_int_t)m->feed_bytes, "quota",
                      (json_int_t)m->feed_quota, "over_quota", m->feed_full));
    }
    free(page);
    return list;
}

/* --- This node ----------------------------------------------------------- */

static json_t *listen_json(const struct admin_status *s)
{
    json_t *list = json_array();

    for (size_t i = 0; i < s->listen_len; i++) {
        (void)json_array_append_new(list, json_string(s->listen[i]));
    }
    return list;
}

static json_t *bytes_json(const struct admin_view *v, json_t *trouble)
{
    char errmsg[ERRMSG_SIZE] = "";
    uint64_t space = 0;
    int rv = volume_check(v->config->volume, errmsg);

    if (rv == OK) {
        rv = volume_free_space(v->config->volume, &space, errmsg);
    }
    if (rv != OK) {
        (void)json_array_append_new(trouble, json_string(errmsg));
    } else if (space == 0) {
        (void)json_array_append_new(
            trouble, json_string("the disk of the shards is full to its "
                                 "reserve; nothing more is taken"));
    }
    return json_pack("{s:I, s:I, s:I, s:o}", "held",
                     (json_int_t)v->counts.bytes_held, "reserved",
                     (json_int_t)v->counts.bytes_reserved, "capacity",
                     (json_int_t)v->config->capacity, "volume_free",
                     rv == OK ? json_integer((json_int_t)space) : json_null());
}

/* What the shards of each lab take. */
static json_t *labs_json(const struct admin_view *v)
{
    const struct charter *c = v->config->charter;
    json_t *list = json_array();

    for (size_t i = 0; i < c->members_len; i++) {
        const struct steward_member_info *m = &v->status->members[i];
        const struct card *card = &c->members[i].card;

        if (card->role == CARD_LAB) {
            (void)json_array_append_new(
                list, json_pack("{s:s, s:o, s:I, s:I}", "member", card->name,
                                "id", admin_hex(&card->id), "bytes",
                                (json_int_t)m->shard_bytes, "quota",
                                (json_int_t)m->shard_quota));
        }
    }
    return list;
}

/* Words with a path in them, which need not be UTF-8, or were cut off. */
static json_t *words_json(const char *words)
{
    char text[ERRMSG_SIZE];

    (void)snprintf(text, sizeof(text), "%s", words);
    text_clean(text);
    return json_string(text);
}

static json_t *custodian_json(const struct admin_status *s, json_t *trouble)
{
    char text[sizeof(s->custodian.text)];

    memcpy(text, s->custodian.text, sizeof(text));
    text_clean(text);
    if (!s->custodian.configured) {
        (void)json_array_append_new(
            trouble,
            json_string("no custodian is configured; this node takes no key "
                        "shares and releases nothing"));
    } else if (!s->custodian.reachable) {
        (void)json_array_append_new(
            trouble, json_sprintf("the custodian cannot be reached: %s", text));
    }
    if (s->custodian.missing > 0) {
        (void)json_array_append_new(
            trouble,
            json_sprintf("the custodian lacks %lld of the key shares that it "
                         "has acknowledged; put back into its store what "
                         "backups have",
                         (long long)s->custodian.missing));
    }
    return json_pack(
        "{s:b, s:b, s:o, s:o, s:o, s:o}", "configured", s->custodian.configured,
        "reachable", s->custodian.reachable, "since",
        s->custodian.since_s != 0 ? admin_time(s->custodian.since_s)
                                  : json_null(),
        "text", text[0] != '\0' ? json_string(text) : json_null(), "shares",
        s->custodian.reachable ? json_integer((json_int_t)s->custodian.shares)
                               : json_null(),
        "missing",
        s->custodian.reachable ? json_integer((json_int_t)s->custodian.missing)
                               : json_null());
}

static json_t *releases_json(const struct admin_view *v)
{
    int open = 0;

    for (size_t i = 0; i < v->releases_len; i++) {
        open += v->releases[i].open && !v->releases[i].expired ? 1 : 0;
    }
    return json_pack("{s:i, s:i}", "known", (int)v->releases_len, "open", open);
}

static void trouble_note(const struct admin_view *v, json_t *trouble)
{
    const struct charter *c = v->config->charter;
    uint32_t others = c->stewards - 1;
    uint32_t linked = linked_count(v);

    /* The network bears the loss of f stewards; further ones are an alarm. */
    if (others - linked > c->f) {
        (void)json_array_append_new(
            trouble, json_sprintf("links to %d of %d other stewards only",
                                  (int)linked, (int)others));
    }
    for (size_t i = 0; i < c->members_len; i++) {
        if (v->status->members[i].feed_full) {
            (void)json_array_append_new(
                trouble, json_sprintf("the feed of %s is over its quota; "
                                      "nothing more of it is taken",
                                      c->members[i].card.name));
        }
    }
    if (!v->status->database_ok) {
        (void)json_array_append_new(trouble,
                                    words_json(v->status->database_text));
    }
}

static json_t *stewards_json(const struct admin_view *v)
{
    return json_pack("{s:i, s:i}", "linked", (int)linked_count(v), "others",
                     (int)v->config->charter->stewards - 1);
}

static json_t *node_json(const struct admin_view *v)
{
    const struct card *card =
        charter_member(v->config->charter, &v->config->self);
    uint64_t up_s = v->status->up_ms / 1000;

    assert(card != NULL);
    return json_pack("{s:s, s:s, s:o, s:i, s:o, s:I, s:o, s:o}", "version",
                     CAIRN_VERSION, "name", card->name, "id",
                     admin_hex(&card->id), "pid", (int)getpid(), "started",
                     admin_time(v->now_s > up_s ? v->now_s - up_s : 0),
                     "uptime_s", (json_int_t)up_s, "time", admin_time(v->now_s),
                     "listen", listen_json(v->status));
}

void admin_answer_status(const struct admin_view *v, struct admin_answer *a)
{
    const struct admin_status *s = v->status;
    json_t *trouble = json_array();
    json_t *rest = node_json(v);
    json_t *more;

    trouble_note(v, trouble);
    more = json_pack(
        "{s:o, s:o, s:o, s:o, s:{s:I, s:I}, s:o, s:o, s:o, s:I, s:o, "
        "s:{s:b, s:o}}",
        "network", network_json(v), "links", links_json(v), "stewards",
        stewards_json(v), "feeds", feeds_json(v, trouble), "shards", "held",
        (json_int_t)v->counts.shards_held, "filling",
        (json_int_t)v->counts.shards_filling, "bytes", bytes_json(v, trouble),
        "labs", labs_json(v), "custodian", custodian_json(s, trouble),
        "deposits", (json_int_t)v->deposits_len, "releases", releases_json(v),
        "database", "ok", s->database_ok, "text",
        s->database_ok ? json_null() : words_json(s->database_text));
    if (rest == NULL || more == NULL || json_object_update(rest, more) != 0) {
        abort();
    }
    json_decref(more);
    (void)json_object_set_new(rest, "trouble", trouble);
    admin_answer_json(a, MHD_HTTP_OK, admin_seen(v, "cairn.status/1", rest));
}
