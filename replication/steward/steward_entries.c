#include "replication/keys.h"
#include "replication/steward/steward_feeds.h"
#include "replication/steward/steward_links.h"
#include "replication/steward/steward_quotas.h"
#include "replication/steward/steward_relay.h"
#include "replication/steward/steward_rows.h"
#include "replication/steward/steward_shards.h"
#include "replication/steward/steward_state.h"
#include "replication/steward/steward_sync.h"
#include "replication/steward/steward_votes.h"

static uint64_t bit_of(size_t i)
{
    return (uint64_t)1 << i;
}

/* Take the message apart again; its bytes stay in the inbox. */
static int entries_open(struct steward *s, const struct steward_link *l)
{
    const struct message_entries *m = &s->in.u.entries;
    int rv = message_decode(&s->in, slice_of(l->inbox->bytes, l->inbox->size));

    assert(rv == OK && s->in.type == MESSAGE_ENTRIES);
    for (size_t i = 0; i < m->len; i++) {
        rv = feed_entry_decode(&s->entries[i], m->entries[i]);
        if (rv != OK) {
            return rv;
        }
        if (!digest_equal(&s->entries[i].header.net, &s->config.net)) {
            return ERR_MISMATCH;
        }
    }
    return OK;
}

static void entries_refuse(struct steward *s,
                           struct steward_link *l,
                           int status,
                           const char *text,
                           struct core_out *out)
{
    steward_refuse(s, l->id, MESSAGE_ENTRIES, NULL, status, text, out);
    steward_link_close(s, l, out);
}

static void entries_done(struct steward *s,
                         struct steward_link *l,
                         struct core_out *out)
{
    const struct feed_header first = s->entries[0].header;

    steward_link_next(s, l);
    if (!steward_want_answered(s, l, &first)) {
        entries_refuse(s, l, ERR_MISMATCH,
                       "the entries that came are not those that were wanted",
                       out);
    }
}

static bool is_beyond_fork(const struct steward_feed *f,
                           const struct feed_header *h)
{
    return f != NULL && f->forked && h->seq >= f->fork_seq;
}

/* Is it surely the one that we have at that place? */
static bool is_ours(const struct steward_feed *f, const struct feed_entry *e)
{
    uint64_t seq = e->header.seq;

    if (f == NULL || seq >= f->tip.seq) {
        return false;
    }
    return (seq == f->tip.seq - 1 && digest_equal(&e->id, &f->tip.prev)) ||
           (f->tip.seq - seq <= STEWARD_RECENT &&
            digest_equal(&e->id, &f->recent[seq % STEWARD_RECENT]));
}

/* Could this entry change anything? Most pushes come from several sides. */
static bool entry_is_news(struct steward *s, const struct feed_entry *e)
{
    const struct feed_header *h = &e->header;
    const struct steward_feed *f =
        steward_feed_find(s, &h->author, h->incarnation);

    return charter_member(s->config.charter, &h->author) != NULL &&
           ((f != NULL && h->seq < f->tip.seq) ||
            steward_feed_room(s, &h->author, 0) != FEED_FULL) &&
           !is_beyond_fork(f, h) && !is_ours(f, e) &&
           (f != NULL || steward_feed_has_room(s, &h->author));
}

void steward_on_entries(struct steward *s,
                        struct steward_link *l,
                        struct core_out *out)
{
    const struct message_entries *m = &s->in.u.entries;
    int rv = entries_open(s, l);
    size_t size;

    if (rv != OK) {
        entries_refuse(s, l, rv,
                       rv == ERR_MISMATCH
                           ? "an entry of another network, or with another "
                             "payload than its header says"
                           : "an entry that cannot be read",
                       out);
        return;
    }
    l->checked = 0;
    for (size_t i = 0; i < m->len; i++) {
        if (entry_is_news(s, &s->entries[i])) {
            l->checked |= bit_of(i);
        }
    }
    if (l->checked == 0) {
        entries_done(s, l, out);
        return;
    }
    size = steward_check_write(s, l->checked, s->buf, sizeof(s->buf));
    l->state = LINK_CHECKING;
    l->busy_id = s->next_id++;
    core_act(out, ACT_CHECK, l->busy_id, slice_of(s->buf, size))->now = true;
}

bool steward_on_checked(struct steward *s,
                        struct steward_link *l,
                        int status,
                        struct core_out *out)
{
    if (status != OK) {
        entries_refuse(s, l, ERR_AUTH, "an entry with a false signature", out);
        return false;
    }
    l->state = LINK_APPLYING;
    l->busy_id = 0;
    l->at = 0;
    return true;
}

/* --- One entry ----------------------------------------------------------- */

enum take {
    TAKE_SKIP,  /* Nothing to do. */
    TAKE_NEW,   /* Stored. */
    TAKE_FORK,  /* The feed is frozen now. */
    TAKE_WAIT,  /* Our own entry at that place is read first. */
    TAKE_WRONG, /* It does not follow, and nothing excuses that. */
    TAKE_FULL   /* More gaps than we remember. */
};

/* Another entry of this message for the same place, with a good signature. */
static const struct feed_entry *twin_of(const struct steward *s,
                                        const struct steward_link *l,
                                        size_t i)
{
    const struct feed_entry *e = &s->entries[i];

    for (size_t j = 0; j < s->in.u.entries.len; j++) {
        const struct feed_entry *o = &s->entries[j];

        if ((l->checked & bit_of(j)) != 0 && o->header.seq == e->header.seq &&
            o->header.incarnation == e->header.incarnation &&
            digest_equal(&o->header.author, &e->header.author) &&
            !digest_equal(&o->id, &e->id)) {
            return o;
        }
    }
    return NULL;
}

/* Does the next entry of the message chain to this one? Then what is found of
 * that one holds of this. */
static bool next_vouches(const struct steward *s, size_t i)
{
    const struct feed_entry *e = &s->entries[i];
    const struct feed_entry *n = &s->entries[i + 1];

    return i + 1 < s->in.u.entries.len && n->header.seq == e->header.seq + 1 &&
           n->header.incarnation == e->header.incarnation &&
           digest_equal(&n->header.author, &e->header.author) &&
           digest_equal(&n->header.prev, &e->id);
}

static enum take take_old(struct steward *s,
                          struct steward_link *l,
                          const struct steward_feed *f,
                          struct core_out *out)
{
    const struct feed_entry *e = &s->entries[l->at];
    const struct feed_header *h = &e->header;
    struct key key;

    if (is_ours(f, e) || (h->seq + 1 < f->tip.seq && next_vouches(s, l->at))) {
        return TAKE_SKIP;
    }
    key = key_entry(&h->author, h->incarnation, h->seq);
    steward_link_read(s, l, LINK_COMPARING, &key, out);
    return TAKE_WAIT;
}

/* What does not follow ours may follow another branch: then the entries before
 * it, which are asked for, prove the fork. */
static enum take take_misfit(struct steward_link *l,
                             const struct steward_feed *f,
                             const struct feed_header *h)
{
    bool asked = l->wants && l->want.back &&
                 l->want.incarnation == h->incarnation &&
                 digest_equal(&l->want.author, &h->author);

    if (f->tip.seq == 0 || digest_equal(&h->prev, &f->tip.prev) || asked) {
        return TAKE_WRONG;
    }
    return steward_gap_add(l, &h->author, h->incarnation, h->seq + 1, true)
               ? TAKE_SKIP
               : TAKE_FULL;
}

static bool entry_follows(const struct steward_feed *f,
                          const struct feed_entry *e)
{
    const struct feed_tip *t = &f->tip;
    struct feed_entry prev = {
        .header = {.net = t->net,
                   .author = t->author,
                   .incarnation = t->incarnation,
                   .seq = t->seq - 1,
                   .time_ms = t->time_ms},
        .id = t->prev,
    };

    return feed_entry_follows(e, t->seq > 0 ? &prev : NULL, &t->range) == OK;
}

/* May what is new of that feed not be taken, or not yet? |next|: it follows
 * what is here. Otherwise it takes a WANT. */
static bool is_too_much(struct steward *s,
                        struct steward_link *l,
                        const struct feed_header *h,
                        bool next)
{
    enum steward_feed_room room = steward_feed_room(
        s, &h->author,
        next ? s->in.u.entries.entries[l->at].size : MESSAGE_SIZE_MAX);

    if (room == FEED_SLOW) {
        steward_gap_later(l, &h->author, h->incarnation, h->seq + 1);
    }
    return room != FEED_OPEN;
}

static enum take take_next(struct steward *s,
                           struct steward_link *l,
                           struct steward_feed *f,
                           struct core_out *out)
{
    const struct feed_entry *e = &s->entries[l->at];
    const struct feed_header *h = &e->header;
    struct key key;

    if (e->pruned) {
        return TAKE_SKIP;
    }
    if (!entry_follows(f, e)) {
        return take_misfit(l, f, h);
    }
    key = key_entry(&h->author, h->incarnation, h->seq);
    core_put(out, key_slice(&key), s->in.u.entries.entries[l->at]);
    steward_feed_advance(f, e);
    steward_feed_count(s, f, s->in.u.entries.entries[l->at].size, true);
    /* Others have of our own feed what we have not. */
    f->halted = f->halted || steward_feed_is_own(s, f);
    steward_tip_put(s, f, out);
    if (h->kind == FEED_MANIFEST) {
        steward_on_manifest(s, e, out);
    } else {
        steward_on_vote(s, e, s->in.u.entries.entries[l->at], out);
    }
    return TAKE_NEW;
}

static enum take entry_take(struct steward *s,
                            struct steward_link *l,
                            struct core_out *out)
{
    const struct feed_entry *e = &s->entries[l->at];
    const struct feed_header *h = &e->header;
    struct steward_feed *f = steward_feed_find(s, &h->author, h->incarnation);
    uint64_t have = f != NULL ? f->tip.seq : 0;
    const struct feed_entry *twin;

    if ((l->checked & bit_of(l->at)) == 0 || is_beyond_fork(f, h)) {
        return TAKE_SKIP;
    }
    twin = twin_of(s, l, l->at);
    if (twin == NULL && h->seq >= have &&
        is_too_much(s, l, h, h->seq == have)) {
        return TAKE_SKIP;
    }
    if (twin == NULL && h->seq > have) {
        return steward_gap_add(l, &h->author, h->incarnation, h->seq + 1, false)
                   ? TAKE_SKIP
                   : TAKE_FULL;
    }
    if (f == NULL) {
        f = steward_feed_add(s, &h->author, h->incarnation);
    }
    if (f == NULL) {
        return TAKE_SKIP;
    }
    if (twin != NULL) {
        steward_fork(s, f, twin, e, s->in.u.entries.entries[l->at], out);
        return TAKE_FORK;
    }
    return h->seq < f->tip.seq ? take_old(s, l, f, out)
                               : take_next(s, l, f, out);
}

void steward_on_compared(struct steward *s,
                         struct steward_link *l,
                         const struct core_event *ev,
                         struct core_out *out)
{
    const struct feed_entry *e = &s->entries[l->at];
    const struct feed_header *h = &e->header;
    struct key key;
    const struct core_row *row;
    struct feed_entry ours;
    int rv = entries_open(s, l);

    assert(rv == OK);
    key = key_entry(&h->author, h->incarnation, h->seq);
    row = steward_row_find(ev, &key);
    if (row == NULL && ev->status != 1) {
        return;
    }
    if (row != NULL) {
        struct steward_feed *f =
            steward_feed_find(s, &h->author, h->incarnation);

        rv = feed_entry_decode(&ours, row->value);
        assert(rv == OK && f != NULL);
        if (!digest_equal(&ours.id, &e->id)) {
            steward_fork(s, f, &ours, e, s->in.u.entries.entries[l->at], out);
        }
    }
    l->at++;
    l->state = LINK_APPLYING;
    l->busy_id = 0;
}

/* For what this step may bring. */
static void relay_make_room(struct steward *s,
                            const struct steward_link *l,
                            struct core_out *out)
{
    size_t left = s->in.u.entries.len - l->at;
    size_t len = left < STEWARD_APPLY_MAX ? left : STEWARD_APPLY_MAX;
    size_t size = 0;

    for (size_t i = 0; i < len; i++) {
        size += s->in.u.entries.entries[l->at + i].size;
    }
    if (!steward_relay_has_room(s, size, len)) {
        steward_relay_say(s, out);
    }
}

void steward_entries_apply(struct steward *s,
                           struct steward_link *l,
                           struct core_out *out)
{
    enum take take = TAKE_SKIP;
    size_t news_len = 0;
    int rv = entries_open(s, l);

    assert(rv == OK);
    relay_make_room(s, l, out);
    while (l->at < s->in.u.entries.len && news_len < STEWARD_APPLY_MAX &&
           !s->costly && (take == TAKE_SKIP || take == TAKE_NEW)) {
        take = entry_take(s, l, out);
        if (take == TAKE_NEW) {
            steward_relay_add(s, s->in.u.entries.entries[l->at], l->member);
            news_len++;
        }
        l->at += take == TAKE_WAIT ? 0 : 1;
    }
    if (take == TAKE_WRONG) {
        entries_refuse(s, l, ERR_MISMATCH,
                       "an entry that does not follow those before it", out);
    } else if (take == TAKE_FULL) {
        entries_refuse(s, l, ERR_FULL, "too many feeds with gaps", out);
    } else if (take != TAKE_WAIT && l->at == s->in.u.entries.len) {
        entries_done(s, l, out);
    }
}
