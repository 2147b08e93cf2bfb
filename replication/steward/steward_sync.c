#include "replication/steward/steward_sync.h"

#include "replication/keys.h"
#include "replication/steward/steward_feeds.h"
#include "replication/steward/steward_links.h"
#include "replication/steward/steward_state.h"

static void head_add(struct message_heads *m, const struct feed_tip *t)
{
    struct message_head *h = &m->heads[m->len++];

    h->author = t->author;
    h->incarnation = t->incarnation;
    h->len = t->seq;
    h->last = t->prev;
}

void steward_heads_say(struct steward *s,
                       struct steward_link *l,
                       struct core_out *out)
{
    struct message_heads *m = &s->said.u.heads;

    l->heads_due = false;
    s->said.type = MESSAGE_HEADS;
    m->len = 0;
    for (uint32_t i = 0; i < s->feeds_len; i++) {
        const struct feed_tip *t = &s->feeds[s->feeds_order[i]].tip;

        if (t->seq == 0) {
            continue;
        }
        if (m->len == MESSAGE_HEADS_MAX) {
            m->more = true;
            steward_say(s, l->id, out);
            m->len = 0;
        }
        head_add(m, t);
    }
    m->more = false;
    steward_say(s, l->id, out);
}

static void want_refuse(struct steward *s,
                        struct steward_link *l,
                        struct core_out *out)
{
    struct digest author = s->in.u.want.author;

    steward_refuse(s, l->id, MESSAGE_WANT, &author, ERR_NOTFOUND,
                   "no such entries are here", out);
    steward_link_next(s, l);
}

void steward_on_want(struct steward *s,
                     struct steward_link *l,
                     struct core_out *out)
{
    const struct message_want *w = &s->in.u.want;
    const struct steward_feed *f =
        steward_feed_find(s, &w->author, w->incarnation);
    struct key key;

    if (f == NULL || w->from >= f->tip.seq) {
        want_refuse(s, l, out);
        return;
    }
    key = key_entries_near(&w->author, w->incarnation, w->from, f->tip.seq - 1);
    steward_link_read(s, l, LINK_SERVING, &key, out);
}

/* Is this row the entry at |seq| of the feed that is wanted? */
static bool row_is_wanted(const struct core_row *row,
                          const struct message_want *w,
                          uint64_t seq)
{
    struct digest author;
    uint32_t incarnation;
    uint64_t at;

    return key_entry_parse(row->key, &author, &incarnation, &at) == OK &&
           digest_equal(&author, &w->author) && incarnation == w->incarnation &&
           at == seq;
}

void steward_on_served(struct steward *s,
                       struct steward_link *l,
                       const struct core_event *ev,
                       struct core_out *out)
{
    const struct message_want *w = &s->in.u.want;
    struct message_entries *m = &s->said.u.entries;
    size_t bytes = 0;

    assert(s->in.type == MESSAGE_WANT);
    s->said.type = MESSAGE_ENTRIES;
    m->len = 0;
    for (size_t i = 0; i < ev->rows_len && m->len < MESSAGE_ENTRIES_MAX; i++) {
        if (!row_is_wanted(&ev->rows[i], w, w->from + m->len)) {
            continue;
        }
        bytes += ev->rows[i].value.size + 3;
        if (m->len > 0 && bytes > STEWARD_ENTRIES_BYTES) {
            break;
        }
        m->entries[m->len++] = ev->rows[i].value;
    }
    if (m->len > 0) {
        steward_say(s, l->id, out);
        steward_link_next(s, l);
    } else if (ev->status == 1) {
        want_refuse(s, l, out);
    }
}
