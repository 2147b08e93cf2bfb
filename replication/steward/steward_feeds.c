#include "replication/steward/steward_feeds.h"

#include "replication/keys.h"
#include "replication/steward/steward_links.h"
#include "replication/steward/steward_quotas.h"
#include "replication/steward/steward_rows.h"
#include "replication/steward/steward_state.h"

static int feed_compare(const struct steward_feed *f,
                        const struct digest *author,
                        uint32_t incarnation)
{
    int order = memcmp(f->tip.author.bytes, author->bytes, DIGEST_SIZE);

    if (order != 0) {
        return order;
    }
    return f->tip.incarnation < incarnation   ? -1
           : f->tip.incarnation > incarnation ? 1
                                              : 0;
}

/* Where that feed stands in the order, or would. */
static uint32_t place_of(const struct steward *s,
                         const struct digest *author,
                         uint32_t incarnation)
{
    uint32_t lo = 0, hi = s->feeds_len;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;

        if (feed_compare(&s->feeds[s->feeds_order[mid]], author, incarnation) <
            0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

struct steward_feed *steward_feed_find(struct steward *s,
                                       const struct digest *author,
                                       uint32_t incarnation)
{
    uint32_t at = place_of(s, author, incarnation);
    struct steward_feed *f;

    if (at == s->feeds_len) {
        return NULL;
    }
    f = &s->feeds[s->feeds_order[at]];
    return feed_compare(f, author, incarnation) == 0 ? f : NULL;
}

/* Each member has its part of the table, so that none can crowd out others. */
bool steward_feed_has_room(const struct steward *s, const struct digest *author)
{
    uint32_t first = place_of(s, author, 0), at = first;

    while (at < s->feeds_len &&
           digest_equal(&s->feeds[s->feeds_order[at]].tip.author, author)) {
        at++;
    }
    return s->feeds_len < STEWARD_FEEDS_MAX &&
           at - first < STEWARD_FEEDS_PER_MEMBER;
}

struct steward_feed *steward_feed_add(struct steward *s,
                                      const struct digest *author,
                                      uint32_t incarnation)
{
    uint32_t at = place_of(s, author, incarnation);
    struct steward_feed *f;

    if (!steward_feed_has_room(s, author)) {
        return NULL;
    }
    memmove(&s->feeds_order[at + 1], &s->feeds_order[at],
            (s->feeds_len - at) * sizeof(s->feeds_order[0]));
    s->feeds_order[at] = s->feeds_len;
    f = &s->feeds[s->feeds_len++];
    memset(f, 0, sizeof(*f));
    feed_tip_init(&f->tip, &s->config.net, author, incarnation);
    return f;
}

bool steward_feed_is_own(const struct steward *s, const struct steward_feed *f)
{
    return f == &s->feeds[s->own];
}

bool steward_can_append(const struct steward *s)
{
    const struct steward_feed *f = &s->feeds[s->own];

    return !f->halted && !f->forked && f->tip.seq < MERKLE_LEAVES_MAX;
}

void steward_feed_advance(struct steward_feed *f, const struct feed_entry *e)
{
    f->recent[e->header.seq % STEWARD_RECENT] = e->id;
    feed_tip_advance(&f->tip, e);
}

void steward_append(struct steward *s,
                    enum feed_kind kind,
                    struct slice payload,
                    struct core_out *out)
{
    struct steward_feed *f = &s->feeds[s->own];
    struct feed_entry e;
    struct slice bytes;
    struct key key;
    size_t size = 0;
    int rv;

    assert(steward_can_append(s));
    rv = feed_append(&f->tip, s->node, kind, payload, s->wall_ms, s->entry,
                     sizeof(s->entry), &size);
    assert(rv == OK);
    bytes = slice_of(s->entry, size);
    rv = feed_entry_decode(&e, bytes);
    assert(rv == OK);
    key = key_entry(&f->tip.author, f->tip.incarnation, f->tip.seq);
    core_put(out, key_slice(&key), bytes);
    steward_feed_advance(f, &e);
    steward_feed_count(s, f, size, false);
    steward_tip_put(s, f, out);
    steward_push(s, &bytes, 1, STEWARD_NONE, out);
}

void steward_push(struct steward *s,
                  const struct slice *entries,
                  size_t len,
                  uint32_t member,
                  struct core_out *out)
{
    struct steward_link *newest[CHARTER_MEMBERS_MAX];
    struct slice kept;
    size_t size = 0;
    int rv;

    s->said.type = MESSAGE_ENTRIES;
    s->said.u.entries.len = len;
    memcpy(s->said.u.entries.entries, entries, len * sizeof(entries[0]));
    rv = message_encode(&s->said, s->buf, sizeof(s->buf), &size);
    assert(rv == OK);
    kept = core_keep(out, slice_of(s->buf, size));
    steward_links_newest(s, newest);
    for (uint32_t i = 0; i < s->config.charter->members_len; i++) {
        if (newest[i] != NULL && i != member) {
            core_act(out, ACT_SEND, newest[i]->id, slice_of(NULL, 0))->bytes =
                kept;
        }
    }
}
