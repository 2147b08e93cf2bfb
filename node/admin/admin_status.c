#include <stdlib.h>
#include <unistd.h>

#include "node/admin/admin_state.h"
#include "node/base/text.h"

/* Without a link for so long, a steward is more than restarting. */
#define AWAY_LONG_S 86400U
/* So much wrong may a clock be before it is said. */
#define CLOCK_BEHIND_S 86400U
#define CLOCK_BACK_S   300U

/* --- The network --------------------------------------------------------- */

static json_t *network_json(const struct admin_view *v)
{
    const struct charter *c = v->config->charter;
    char fingerprint[CHARTER_FINGERPRINT_SIZE];

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

/* --- This node ----------------------------------------------------------- */

static json_t *listen_json(const struct admin_status *s)
{
    json_t *list = json_array();

    for (size_t i = 0; i < s->listen_len; i++) {
        (void)json_array_append_new(list, json_string(s->listen[i]));
    }
    return list;
}

/* When a twentieth of the capacity is left, it is time to think. */
static void space_note(const struct admin_view *v,
                       uint64_t space,
                       json_t *trouble)
{
    const uint64_t few = v->config->capacity / 20;
    uint64_t taken = v->counts.bytes_held + v->counts.bytes_reserved;
    uint64_t left =
        v->config->capacity > taken ? v->config->capacity - taken : 0;
    char size[TEXT_SIZE];

    if (space == 0) {
        (void)json_array_append_new(
            trouble, json_string("the disk of the shards is full to its "
                                 "reserve; nothing more is taken"));
    } else if (space < few) {
        (void)json_array_append_new(
            trouble,
            json_sprintf("the disk of the shards is nearly full: %s may still "
                         "be written; make room, or lower the capacity in "
                         "cairnd.conf",
                         text_size(size, space)));
    } else if (left < few) {
        (void)json_array_append_new(
            trouble,
            json_sprintf("the capacity is nearly taken: %s are left; offers "
                         "beyond are refused, unless cairnd.conf gives more",
                         text_size(size, left)));
    }
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
    } else {
        space_note(v, space, trouble);
    }
    return json_pack("{s:I, s:I, s:I, s:o}", "held",
                     (json_int_t)v->counts.bytes_held, "reserved",
                     (json_int_t)v->counts.bytes_reserved, "capacity",
                     (json_int_t)v->config->capacity, "volume_free",
                     rv == OK ? json_integer((json_int_t)space) : json_null());
}

static json_t *shards_json(const struct admin_view *v, json_t *trouble)
{
    json_int_t missing = 0;

    for (size_t i = 0; i < v->deposits_len; i++) {
        missing += admin_receipts_missing(v->receipts, &v->deposits[i]) ? 1 : 0;
    }
    if (missing > 0) {
        (void)json_array_append_new(
            trouble,
            json_sprintf("%lld shards are missing for which this node has "
                         "given receipts: 'cairn deposit list' names them; "
                         "tell their labs, and see docs/ADMIN.md about "
                         "backups",
                         (long long)missing));
    }
    return json_pack("{s:I, s:I, s:o}", "held",
                     (json_int_t)v->counts.shards_held, "filling",
                     (json_int_t)v->counts.shards_filling, "missing",
                     v->receipts_read ? json_integer(missing) : json_null());
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

/* What can be seen of a wrong clock without another one. */
static void clock_note(const struct admin_view *v, json_t *trouble)
{
    const struct admin_status *s = v->status;
    uint64_t expected_s = s->begun_s + s->up_ms / 1000;

    if (v->now_s + CLOCK_BEHIND_S < v->config->charter->time_s) {
        (void)json_array_append_new(
            trouble, json_string("the clock of this machine stands before the "
                                 "charter was made; set it right"));
    }
    if (v->now_s + CLOCK_BACK_S < expected_s) {
        char back[TEXT_SIZE];

        (void)json_array_append_new(
            trouble,
            json_sprintf("the clock of this machine went back by %s since "
                         "cairnd was started; set it right, or start cairnd "
                         "again if it is right now",
                         text_duration(back, expected_s - v->now_s)));
    }
}

/* Is that a steward to which there should be a link, and is none? */
static bool is_away(const struct admin_view *v, size_t i)
{
    const struct card *card = &v->config->charter->members[i].card;

    return card->role == CARD_STEWARD &&
           !digest_equal(&card->id, &v->config->self) && !is_linked(v, card);
}

static void away_note(const struct admin_view *v, json_t *trouble)
{
    const struct charter *c = v->config->charter;

    for (size_t i = 0; i < c->members_len; i++) {
        uint64_t away_s = v->status->away[i].for_ms / 1000;
        char text[TEXT_SIZE];

        if (is_away(v, i) && away_s >= AWAY_LONG_S) {
            (void)json_array_append_new(
                trouble, json_sprintf("no link to %s for %s; ask its operators",
                                      c->members[i].card.name,
                                      text_duration(text, away_s)));
        }
    }
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
    away_note(v, trouble);
    clock_note(v, trouble);
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

static json_t *away_json(const struct admin_view *v)
{
    const struct charter *c = v->config->charter;
    json_t *list = json_array();

    for (size_t i = 0; i < c->members_len; i++) {
        uint64_t away_s = v->status->away[i].for_ms / 1000;

        if (is_away(v, i)) {
            (void)json_array_append_new(
                list, json_pack("{s:s, s:o, s:o, s:I}", "member",
                                c->members[i].card.name, "id",
                                admin_hex(&c->members[i].card.id), "since",
                                v->status->away[i].since_link
                                    ? admin_time(v->now_s - away_s)
                                    : json_null(),
                                "away_s", (json_int_t)away_s));
        }
    }
    return list;
}

static json_t *stewards_json(const struct admin_view *v)
{
    return json_pack("{s:i, s:i, s:o}", "linked", (int)linked_count(v),
                     "others", (int)v->config->charter->stewards - 1, "away",
                     away_json(v));
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
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:o, s:{s:b, s:o}}",
        "network", network_json(v), "links", links_json(v), "stewards",
        stewards_json(v), "feeds", admin_feeds(v, trouble), "shards",
        shards_json(v, trouble), "bytes", bytes_json(v, trouble), "labs",
        labs_json(v), "custodian", custodian_json(s, trouble), "deposits",
        (json_int_t)v->deposits_len, "releases", releases_json(v), "database",
        "ok", s->database_ok, "text",
        s->database_ok ? json_null() : words_json(s->database_text));
    if (rest == NULL || more == NULL || json_object_update(rest, more) != 0) {
        abort();
    }
    json_decref(more);
    (void)json_object_set_new(rest, "trouble", trouble);
    admin_answer_json(a, MHD_HTTP_OK, admin_seen(v, "cairn.status/1", rest));
}
