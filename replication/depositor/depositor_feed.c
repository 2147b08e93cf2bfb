#include <stdlib.h>

#include "crypto/hash.h"
#include "replication/depositor/depositor_internal.h"
#include "replication/keys.h"
#include "replication/steward/steward.h" /* STEWARD_ENTRIES_BYTES */

/* --- The manifest -------------------------------------------------------- */

/* Is it what this run would publish, and what its shares are of? */
static bool manifest_is_ours(const struct depositor *d,
                             const struct manifest *m)
{
    const struct depositor_config *c = &d->config;
    struct element commitments[VSS_T_MAX];
    bool same;

    if (!digest_equal(&m->net, &c->net) ||
        !digest_equal(&m->deposit_id, &c->deposit_id) || m->offline ||
        m->k != c->k || m->n != c->n || m->t != c->t ||
        m->segment_size != c->segment_size || m->shard_size > c->size_max) {
        return false;
    }
    vss_commit(c->polynomials, commitments);
    same = true;
    for (uint16_t i = 0; i < c->t; i++) {
        same = same && element_equal(&commitments[i], &m->commitments[i]);
    }
    for (uint16_t i = 0; i < c->n; i++) {
        same = same && digest_equal(&m->stewards[i], &c->stewards[i]);
    }
    return same;
}

/* What receipts and acknowledgements are checked against: as certificate_open()
 * fills it, from a charter that has been verified already. */
static int facts_make(const struct depositor *d,
                      struct slice entry,
                      struct certificate_facts **out)
{
    struct certificate_facts *f = calloc(1, sizeof(*f));
    struct feed_entry e;
    int rv;

    if (f == NULL) {
        return ERR_NOMEM;
    }
    rv = feed_entry_decode(&e, entry);
    if (rv == OK) {
        rv = manifest_decode(&f->manifest, &e.header.author, e.payload);
    }
    if (rv == OK && !manifest_is_ours(d, &f->manifest)) {
        rv = ERR_MISMATCH;
    }
    if (rv != OK) {
        free(f);
        return rv;
    }
    f->charter = *d->config.charter;
    f->net = d->config.net;
    f->manifest_hash = e.header.payload_hash;
    f->lab = d->config.self;
    f->manifest_time_ms = e.header.time_ms;
    *out = f;
    return OK;
}

/* Take the manifest of |entry| for this deposit's: from now on there are
 * facts. */
static int manifest_take(struct depositor *d, struct slice entry)
{
    struct certificate_facts *facts = NULL;
    uint8_t *copy = malloc(entry.size);
    int rv;

    assert(d->facts == NULL && entry.size > 0);
    if (copy == NULL) {
        return ERR_NOMEM;
    }
    rv = facts_make(d, entry, &facts);
    if (rv != OK) {
        free(copy);
        return rv;
    }
    memcpy(copy, entry.data, entry.size);
    d->manifest_entry = copy;
    d->manifest_size = entry.size;
    d->facts = facts;
    return OK;
}

int depositor_publish(struct depositor *d,
                      struct slice payload,
                      struct core_out *out)
{
    struct feed_entry e;
    struct key key;
    size_t size = 0;
    int rv = feed_append(&d->tip, d->node, FEED_MANIFEST, payload, d->wall_ms,
                         d->entry, sizeof(d->entry), &size);

    if (rv == OK) {
        rv = manifest_take(d, slice_of(d->entry, size));
    }
    if (rv != OK) {
        return rv;
    }
    rv = feed_entry_decode(&e, slice_of(d->entry, size));
    assert(rv == OK);
    key = key_entry(&d->tip.author, d->tip.incarnation, d->tip.seq);
    core_put(out, key_slice(&key), slice_of(d->entry, size));
    feed_tip_advance(&d->tip, &e);
    for (uint16_t i = 0; i < d->config.n; i++) {
        d->sides[i].push_due = d->sides[i].link != 0;
        depositor_look_begin(&d->sides[i].look);
    }
    return OK;
}

/* --- Rows ---------------------------------------------------------------- */

static bool entry_follows(const struct feed_tip *t, const struct feed_entry *e)
{
    struct feed_entry prev = {
        .header = {.net = t->net,
                   .author = t->author,
                   .incarnation = t->incarnation,
                   .seq = t->seq - 1,
                   .time_ms = t->time_ms},
        .id = t->prev,
    };

    return digest_equal(&e->header.net, &t->net) &&
           digest_equal(&e->header.author, &t->author) &&
           e->header.incarnation == t->incarnation &&
           feed_entry_follows(e, t->seq > 0 ? &prev : NULL, &t->range) == OK;
}

/* Is this an entry for this deposit's manifest? */
static bool entry_is_manifest(const struct depositor *d,
                              const struct feed_entry *e,
                              struct manifest *scratch)
{
    return e->header.kind == FEED_MANIFEST && !e->pruned &&
           manifest_decode(scratch, &e->header.author, e->payload) == OK &&
           digest_equal(&scratch->deposit_id, &d->config.deposit_id);
}

/* The first manifest of a deposit counts, in whichever incarnation. */
static int row_take(struct depositor *d,
                    const struct core_row *row,
                    struct manifest *scratch)
{
    struct digest author;
    struct feed_entry e;
    uint32_t incarnation;
    uint64_t seq;

    if (key_entry_parse(row->key, &author, &incarnation, &seq) != OK ||
        !digest_equal(&author, &d->config.self)) {
        return OK;
    }
    if (feed_entry_decode(&e, row->value) != OK || e.header.seq != seq ||
        e.header.incarnation != incarnation) {
        return ERR_BAD;
    }
    if (incarnation == d->config.incarnation) {
        if (!entry_follows(&d->tip, &e)) {
            return ERR_BAD;
        }
        feed_tip_advance(&d->tip, &e);
    }
    return d->facts == NULL && entry_is_manifest(d, &e, scratch)
               ? manifest_take(d, row->value)
               : OK;
}

int depositor_feed_start(struct depositor *d, const struct core_event *ev)
{
    struct manifest *scratch = malloc(sizeof(*scratch));
    int rv = scratch != NULL ? OK : ERR_NOMEM;

    for (size_t i = 0; i < ev->rows_len && rv == OK; i++) {
        rv = row_take(d, &ev->rows[i], scratch);
    }
    free(scratch);
    return rv;
}

/* --- What others get ----------------------------------------------------- */

void depositor_heads_say(struct depositor *d,
                         uint64_t link,
                         struct core_out *out)
{
    struct message_heads *m = &d->said.u.heads;

    d->said.type = MESSAGE_HEADS;
    m->len = 0;
    m->more = false;
    if (d->tip.seq > 0) {
        m->heads[m->len++] =
            (struct message_head){.author = d->tip.author,
                                  .incarnation = d->tip.incarnation,
                                  .len = d->tip.seq,
                                  .last = d->tip.prev};
    }
    depositor_say(d, link, out);
}

static void want_refuse(struct depositor *d,
                        uint16_t index,
                        const struct digest *author,
                        struct core_out *out)
{
    static const char text[] = "no such entries are here";
    struct message_refuse *m = &d->said.u.refuse;

    d->said.type = MESSAGE_REFUSE;
    memset(m, 0, sizeof(*m));
    m->about = MESSAGE_WANT;
    m->subject = *author;
    m->status = ERR_NOTFOUND;
    memcpy(m->text, text, sizeof(text));
    depositor_say(d, d->sides[index].link, out);
}

void depositor_on_want(struct depositor *d,
                       uint16_t index,
                       struct core_out *out)
{
    const struct message_want *w = &d->in.u.want;
    struct depositor_side *s = &d->sides[index];
    struct key key;

    if (!digest_equal(&w->author, &d->tip.author) ||
        w->incarnation != d->tip.incarnation || w->from >= d->tip.seq) {
        want_refuse(d, index, &w->author, out);
        return;
    }
    key = key_entries_near(&w->author, w->incarnation, w->from, d->tip.seq - 1);
    s->serve_id = d->next_id++;
    s->serve_from = w->from;
    core_act(out, ACT_READ, s->serve_id, key_slice(&key));
}

static bool row_is_wanted(const struct depositor *d,
                          const struct core_row *row,
                          uint64_t seq)
{
    struct digest author;
    uint32_t incarnation;
    uint64_t at;

    return key_entry_parse(row->key, &author, &incarnation, &at) == OK &&
           digest_equal(&author, &d->tip.author) &&
           incarnation == d->tip.incarnation && at == seq;
}

/* One message's worth of a page; the steward wants again from there. */
static void rows_pick(struct depositor *d,
                      const struct core_event *ev,
                      uint64_t from)
{
    struct message_entries *m = &d->said.u.entries;
    size_t bytes = 0;

    d->said.type = MESSAGE_ENTRIES;
    m->len = 0;
    for (size_t i = 0; i < ev->rows_len && m->len < MESSAGE_ENTRIES_MAX; i++) {
        if (!row_is_wanted(d, &ev->rows[i], from + m->len)) {
            continue;
        }
        bytes += ev->rows[i].value.size + 3;
        if (m->len > 0 && bytes > STEWARD_ENTRIES_BYTES) {
            break;
        }
        m->entries[m->len++] = ev->rows[i].value;
    }
}

void depositor_on_rows(struct depositor *d,
                       const struct core_event *ev,
                       struct core_out *out)
{
    for (uint16_t i = 0; i < d->config.n; i++) {
        struct depositor_side *s = &d->sides[i];

        if (s->link == 0 || s->serve_id == 0 || s->serve_id != ev->id) {
            continue;
        }
        rows_pick(d, ev, s->serve_from);
        if (d->said.u.entries.len > 0) {
            s->serve_id = 0;
            depositor_say(d, s->link, out);
        } else if (ev->status == 1) {
            s->serve_id = 0;
            want_refuse(d, i, &d->tip.author, out);
        }
        return;
    }
}

/* --- What others have ---------------------------------------------------- */

void depositor_own_head(struct depositor *d,
                        uint16_t index,
                        const struct message_head *h,
                        struct core_out *out)
{
    const struct feed_tip *t = &d->tip;
    struct depositor_side *s = &d->sides[index];
    uint64_t from = 0;

    if (h->incarnation < t->incarnation || h->len == 0) {
        return;
    }
    if (h->incarnation == t->incarnation) {
        if (h->len < t->seq ||
            (h->len == t->seq && digest_equal(&h->last, &t->prev))) {
            return;
        }
        from = h->len > t->seq ? t->seq : t->seq - 1;
    }
    s->own_pending = true;
    d->said.type = MESSAGE_WANT;
    d->said.u.want = (struct message_want){
        .author = t->author, .incarnation = h->incarnation, .from = from};
    depositor_say(d, s->link, out);
}

/* Only what we have signed counts; a claim is nothing. */
void depositor_own_entry(struct depositor *d,
                         uint16_t index,
                         const struct feed_entry *e)
{
    const struct feed_header *h = &e->header;
    const struct feed_tip *t = &d->tip;
    bool news = h->incarnation > t->incarnation ||
                (h->incarnation == t->incarnation &&
                 (h->seq >= t->seq ||
                  (h->seq + 1 == t->seq && !digest_equal(&e->id, &t->prev))));

    d->sides[index].own_pending = false;
    if (news && feed_entry_verify(e, d->node->pk) == OK) {
        d->ahead = true;
    }
}
