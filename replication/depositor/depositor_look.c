#include "replication/depositor/depositor_internal.h"

/* --- How far -------------------------------------------------------------- */

/* Where the search has met what was seen before, all up to the top has been. */
static void look_settle(struct depositor_look *l)
{
    if (l->low == l->done) {
        l->done = l->low = l->top;
    }
}

void depositor_look_begin(struct depositor_look *l)
{
    l->done = l->low = l->from = l->at = l->top;
    l->wanting = false;
}

/* The steward's feed has that many entries. */
static void look_head(struct depositor_look *l,
                      uint32_t incarnation,
                      uint64_t len)
{
    if (l->known && incarnation < l->incarnation) {
        return;
    }
    if (!l->known || incarnation > l->incarnation) {
        *l = (struct depositor_look){.known = true,
                                     .incarnation = incarnation,
                                     .low = len,
                                     .top = len,
                                     .from = len,
                                     .at = len};
    } else if (len > l->top) {
        l->low = l->top = len;
    }
}

/* One entry of its feed has come and been looked at. */
static void look_entry(struct depositor_look *l, const struct feed_header *h)
{
    if (!l->known || h->incarnation != l->incarnation || h->seq > l->top) {
        look_head(l, h->incarnation, h->seq + 1);
        return;
    }
    if (l->wanting && h->seq == l->at) {
        l->at++;
    }
    if (h->seq == l->top) {
        l->top++;
        look_settle(l);
    }
}

static bool page_is_open(const struct depositor_look *l)
{
    return l->from < l->low && l->at >= l->from && l->at < l->low;
}

bool depositor_look_is_done(const struct depositor *d, uint16_t index)
{
    const struct depositor_side *s = &d->sides[index];

    return s->heads &&
           (!s->look.known || s->look.refused || s->look.low == s->look.done);
}

bool depositor_look_due(const struct depositor *d, uint16_t index)
{
    const struct depositor_side *s = &d->sides[index];
    const struct depositor_look *l = &s->look;

    return d->facts != NULL && s->link != 0 && l->known && !l->wanting &&
           !l->refused && l->low > l->done &&
           (s->receipt.size == 0 || s->acknowledgement.size == 0);
}

void depositor_look_say(struct depositor *d,
                        uint16_t index,
                        struct core_out *out)
{
    struct depositor_side *s = &d->sides[index];
    struct depositor_look *l = &s->look;

    if (!page_is_open(l)) {
        l->from = l->low - l->done > DEPOSITOR_LOOK_PAGE
                      ? l->low - DEPOSITOR_LOOK_PAGE
                      : l->done;
        l->at = l->from;
    }
    l->wanting = true;
    d->said.type = MESSAGE_WANT;
    d->said.u.want = (struct message_want){
        .author = s->card->id, .incarnation = l->incarnation, .from = l->at};
    depositor_say(d, s->link, out);
}

void depositor_look_refused(struct depositor *d, uint16_t index)
{
    struct depositor_look *l = &d->sides[index].look;

    l->refused = l->wanting;
    l->wanting = false;
}

/* A message has been looked at; |at| is where the page stood before it. */
static void look_turn(struct depositor_look *l, uint64_t at)
{
    if (!l->wanting || l->at == at) {
        return;
    }
    l->wanting = false;
    if (l->at >= l->low) {
        l->low = l->from;
        look_settle(l);
    }
}

/* --- What is found -------------------------------------------------------- */

static void entry_keep(struct depositor *d,
                       struct depositor_entry *kept,
                       struct slice entry)
{
    assert(entry.size > 0 && entry.size <= sizeof(kept->bytes));
    if (kept->size == 0) {
        memcpy(kept->bytes, entry.data, entry.size);
        kept->size = entry.size;
        depositor_progress(d);
    }
}

static bool is_kept(const struct depositor_entry *kept, struct slice entry)
{
    return kept->size == entry.size &&
           memcmp(kept->bytes, entry.data, entry.size) == 0;
}

/* Has this very entry been checked? Every steward passes on what others say. */
static bool entry_is_kept(const struct depositor *d, struct slice entry)
{
    for (uint16_t i = 0; i < d->config.n; i++) {
        if (is_kept(&d->sides[i].receipt, entry) ||
            is_kept(&d->sides[i].acknowledgement, entry)) {
            return true;
        }
    }
    return false;
}

/* Whoever passes an entry on, it speaks for itself. */
static void entry_check(struct depositor *d,
                        struct depositor_side *from,
                        const struct feed_entry *e,
                        struct slice entry)
{
    bool receipt = e->header.kind == FEED_RECEIPT;
    uint16_t column = 0;
    int rv = ERR_BAD;

    if (d->facts == NULL || e->pruned || entry_is_kept(d, entry) ||
        (!receipt && e->header.kind != FEED_ACKNOWLEDGEMENT)) {
        return;
    }
    if (entry.size <= CERTIFICATE_ENTRY_MAX) {
        rv = receipt
                 ? certificate_receipt_check(d->facts, entry, &column)
                 : certificate_acknowledgement_check(d->facts, entry, &column);
    }
    if (rv == ERR_NOTFOUND) {
        return;
    }
    if (rv != OK || column >= d->config.n) {
        depositor_side_text(from, receipt
                                      ? "it sent a receipt that does not hold"
                                      : "it sent an acknowledgement of a key "
                                        "share that does not hold");
        return;
    }
    entry_keep(d,
               receipt ? &d->sides[column].receipt
                       : &d->sides[column].acknowledgement,
               entry);
}

/* --- Messages ------------------------------------------------------------- */

void depositor_on_heads(struct depositor *d,
                        uint16_t index,
                        struct core_out *out)
{
    const struct message_heads *m = &d->in.u.heads;
    struct depositor_side *s = &d->sides[index];

    s->look.refused = false;
    for (size_t i = 0; i < m->len; i++) {
        const struct message_head *h = &m->heads[i];

        if (digest_equal(&h->author, &s->card->id)) {
            look_head(&s->look, h->incarnation, h->len);
        } else if (digest_equal(&h->author, &d->config.self) &&
                   !s->own_pending) {
            depositor_own_head(d, index, h, out);
        }
    }
    s->heads = !m->more;
}

void depositor_on_entries(struct depositor *d,
                          uint16_t index,
                          struct core_out *out)
{
    const struct message_entries *m = &d->in.u.entries;
    struct depositor_side *s = &d->sides[index];
    uint64_t at = s->look.at;

    for (size_t i = 0; i < m->len; i++) {
        struct feed_entry e;

        if (feed_entry_decode(&e, m->entries[i]) != OK ||
            !digest_equal(&e.header.net, &d->config.net)) {
            depositor_side_text(s, "it sent an entry that cannot be read, or "
                                   "of another network");
            depositor_link_close(d, index, out);
            return;
        }
        if (digest_equal(&e.header.author, &d->config.self)) {
            depositor_own_entry(d, index, &e);
            continue;
        }
        entry_check(d, s, &e, m->entries[i]);
        if (digest_equal(&e.header.author, &s->card->id)) {
            look_entry(&s->look, &e.header);
        }
    }
    look_turn(&s->look, at);
}
