#include "replication/steward/steward_feeds.h"
#include "replication/steward/steward_links.h"
#include "replication/steward/steward_quotas.h"
#include "replication/steward/steward_state.h"
#include "replication/steward/steward_sync.h"

#define STEWARD_WANT_MS 60000U

/* A message of HEADS is kept as it came, and looked through as we catch up. */
void steward_on_heads(struct steward *s,
                      struct steward_link *l,
                      struct core_out *out)
{
    if (!l->heads_open) {
        for (size_t i = 0; i < l->heads_len; i++) {
            steward_item_free(s, l->heads[i]);
        }
        l->heads_len = 0;
        l->part = 0;
        l->head = 0;
    }
    if (l->heads_len == STEWARD_HEADS_PARTS) {
        steward_refuse(s, l->id, MESSAGE_HEADS, NULL, ERR_FULL,
                       "more feeds than a network may have", out);
        steward_link_close(s, l, out);
        return;
    }
    l->heads_open = s->in.u.heads.more;
    l->heads[l->heads_len++] = steward_link_pop(l);
    l->look = true;
}

bool steward_gap_add(struct steward_link *l,
                     const struct digest *author,
                     uint32_t incarnation,
                     uint64_t len,
                     bool back)
{
    struct steward_gap *g = NULL;

    for (size_t i = 0; i < l->gaps_len && g == NULL; i++) {
        if (digest_equal(&l->gaps[i].author, author) &&
            l->gaps[i].incarnation == incarnation && l->gaps[i].back == back) {
            g = &l->gaps[i];
        }
    }
    if (g == NULL) {
        if (l->gaps_len == STEWARD_GAPS_MAX) {
            return false;
        }
        g = &l->gaps[l->gaps_len++];
        *g = (struct steward_gap){
            .author = *author, .incarnation = incarnation, .back = back};
    }
    g->len = len > g->len ? len : g->len;
    l->look = true;
    return true;
}

/* Half of the gaps are for what may be wanted now: a flood keeps no other feed
 * waiting. What is not remembered is found in the other side's heads. */
void steward_gap_later(struct steward_link *l,
                       const struct digest *author,
                       uint32_t incarnation,
                       uint64_t len)
{
    l->again = true;
    if (l->gaps_len < STEWARD_GAPS_MAX / 2) {
        (void)steward_gap_add(l, author, incarnation, len, false);
    }
}

static bool want_is_elsewhere(const struct steward *s,
                              const struct steward_gap *g)
{
    for (size_t i = 0; i < STEWARD_LINKS_MAX; i++) {
        const struct steward_link *l = &s->links[i];

        if (l->up && l->wants && l->want.incarnation == g->incarnation &&
            digest_equal(&l->want.author, &g->author)) {
            return true;
        }
    }
    return false;
}

/* Where to begin to close this gap; false when there is nothing to want. A
 * feed that does not follow ours is wanted from the last place that both have,
 * so that the two entries there prove the fork. */
static bool gap_begin(struct steward *s,
                      const struct steward_gap *g,
                      uint64_t *from)
{
    const struct steward_feed *f =
        steward_feed_find(s, &g->author, g->incarnation);
    uint64_t have = f != NULL ? f->tip.seq : 0;

    if (charter_member(s->config.charter, &g->author) == NULL ||
        (f == NULL && !steward_feed_has_room(s, &g->author))) {
        return false;
    }
    if (g->back) {
        if ((f != NULL && f->forked) || have == 0 || g->len == 0) {
            return false;
        }
        *from = (have < g->len ? have : g->len) - 1;
        return true;
    }
    *from = have;
    return have < g->len && !(f != NULL && f->forked && have >= f->fork_seq);
}

/* Want it; |*later| when another link is at it. */
static bool want_start(struct steward *s,
                       struct steward_link *l,
                       const struct steward_gap *g,
                       bool *later,
                       struct core_out *out)
{
    enum steward_feed_room room = FEED_OPEN;
    const struct steward_feed *f;
    uint64_t from = 0;

    *later = false;
    if (!gap_begin(s, g, &from)) {
        return false;
    }
    /* The proof of a fork is small. */
    if (!g->back) {
        room = steward_feed_room(s, &g->author, MESSAGE_SIZE_MAX);
    }
    if (room == FEED_FULL) {
        return false;
    }
    if (room == FEED_SLOW || want_is_elsewhere(s, g)) {
        l->again = true;
        *later = true;
        return false;
    }
    f = steward_feed_find(s, &g->author, g->incarnation);
    l->wants = true;
    l->want = *g;
    l->want_from = from;
    l->want_had = f != NULL ? f->tip.seq : 0;
    l->want_until_ms = s->mono_ms + STEWARD_WANT_MS;
    s->said.type = MESSAGE_WANT;
    s->said.u.want = (struct message_want){
        .author = g->author, .incarnation = g->incarnation, .from = from};
    steward_say(s, l->id, out);
    return true;
}

static void gap_remove(struct steward_link *l, size_t i)
{
    l->gaps_len--;
    memmove(&l->gaps[i], &l->gaps[i + 1],
            (l->gaps_len - i) * sizeof(l->gaps[0]));
}

/* One of the gaps that messages have shown. */
static bool want_gap(struct steward *s,
                     struct steward_link *l,
                     struct core_out *out)
{
    bool started = false;
    size_t i = 0;

    while (i < l->gaps_len && !started) {
        bool later;

        started = want_start(s, l, &l->gaps[i], &later, out);
        if (later) {
            i++;
        } else {
            gap_remove(l, i);
        }
    }
    return started;
}

/* The same length and another last entry is a fork; what is longer may be. */
static struct steward_gap gap_of(struct steward *s,
                                 const struct message_head *h)
{
    const struct steward_feed *f =
        steward_feed_find(s, &h->author, h->incarnation);

    return (struct steward_gap){
        .author = h->author,
        .incarnation = h->incarnation,
        .len = h->len,
        .back = f != NULL && h->len > 0 && f->tip.seq == h->len &&
                !digest_equal(&f->tip.prev, &h->last),
    };
}

void steward_want_next(struct steward *s,
                       struct steward_link *l,
                       struct core_out *out)
{
    const struct message_heads *m = &s->in.u.heads;
    bool later;

    assert(!l->wants);
    l->look = false;
    if (want_gap(s, l, out)) {
        return;
    }
    for (; l->part < l->heads_len; l->part++, l->head = 0) {
        const struct steward_item *item = l->heads[l->part];
        int rv = message_decode(&s->in, slice_of(item->bytes, item->size));

        assert(rv == OK && s->in.type == MESSAGE_HEADS);
        while (l->head < m->len) {
            struct steward_gap g = gap_of(s, &m->heads[l->head++]);

            if (want_start(s, l, &g, &later, out)) {
                return;
            }
        }
    }
}

void steward_wants_again(struct steward *s)
{
    for (size_t i = 0; i < STEWARD_LINKS_MAX; i++) {
        struct steward_link *other = &s->links[i];

        if (other->up && other->again) {
            other->again = false;
            other->part = 0;
            other->head = 0;
            other->look = true;
        }
    }
}

/* Others may have waited for this one. */
void steward_want_end(struct steward *s, struct steward_link *l)
{
    l->wants = false;
    l->look = true;
    steward_wants_again(s);
}

static bool gap_is_back(const struct steward_link *l)
{
    for (size_t i = 0; i < l->gaps_len; i++) {
        if (l->gaps[i].back && l->gaps[i].incarnation == l->want.incarnation &&
            digest_equal(&l->gaps[i].author, &l->want.author)) {
            return true;
        }
    }
    return false;
}

bool steward_want_answered(struct steward *s,
                           struct steward_link *l,
                           const struct feed_header *first)
{
    const struct steward_gap want = l->want;
    enum steward_feed_room room;
    const struct steward_feed *f;
    uint64_t have;

    if (!l->wants || first->seq != l->want_from ||
        first->incarnation != want.incarnation ||
        !digest_equal(&first->author, &want.author)) {
        return true;
    }
    f = steward_feed_find(s, &want.author, want.incarnation);
    have = f != NULL ? f->tip.seq : 0;
    if ((f != NULL && f->forked) || want.back || have >= want.len ||
        (f == NULL && !steward_feed_has_room(s, &want.author)) ||
        gap_is_back(l)) {
        steward_want_end(s, l);
        return true;
    }
    room = steward_feed_room(s, &want.author, MESSAGE_SIZE_MAX);
    if (room != FEED_OPEN) {
        steward_want_end(s, l);
        if (room == FEED_SLOW) {
            steward_gap_later(l, &want.author, want.incarnation, want.len);
        }
        return true;
    }
    if (have <= l->want_had) {
        return false;
    }
    l->wants = false;
    if (!steward_gap_add(l, &want.author, want.incarnation, want.len, false)) {
        l->part = 0;
        l->head = 0;
        l->look = true;
    }
    return true;
}

/* Who claimed to have entries and sends none keeps others from being asked.
 * What waits in our own inbox may be the answer. */
static bool want_is_late(const struct steward *s, const struct steward_link *l)
{
    return l->up && l->wants && l->inbox == NULL &&
           s->mono_ms >= l->want_until_ms;
}

bool steward_wants_expire(struct steward *s, struct core_out *out)
{
    for (size_t i = 0; i < STEWARD_LINKS_MAX; i++) {
        if (want_is_late(s, &s->links[i])) {
            steward_link_close(s, &s->links[i], out);
            return true;
        }
    }
    return false;
}
