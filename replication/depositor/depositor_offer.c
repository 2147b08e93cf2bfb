#include "replication/depositor/depositor_internal.h"

/* --- OFFER --------------------------------------------------------------- */

/* Is there anything to be had from an offer to this side, in this phase? */
static bool offer_makes_sense(const struct depositor *d,
                              const struct depositor_side *s)
{
    switch (d->phase) {
    case DEPOSITOR_OFFERING:
        return !s->aside;
    case DEPOSITOR_PUBLISHING:
    case DEPOSITOR_FILLING:
        return !d->filled && s->receipt.size == 0 && !s->complete && !s->bad;
    case DEPOSITOR_SEALING:
    case DEPOSITOR_DEALING:
    case DEPOSITOR_DONE:
    case DEPOSITOR_FAILED:
        break;
    }
    return false;
}

bool depositor_offer_is_open(const struct depositor *d, uint16_t index)
{
    const struct depositor_side *s = &d->sides[index];

    return s->link != 0 && offer_makes_sense(d, s) && !s->answered;
}

void depositor_offer_say(struct depositor *d,
                         uint16_t index,
                         struct core_out *out)
{
    const struct depositor_config *c = &d->config;
    struct message_offer *o = &d->said.u.offer;

    d->said.type = MESSAGE_OFFER;
    *o = (struct message_offer){
        .random = c->random,
        .net = c->net,
        .lab = c->self,
        .index = index,
        .k = c->k,
        .n = c->n,
        .t = c->t,
        .segment_size = c->segment_size,
        .size_max = c->size_max,
    };
    memcpy(o->label, c->label, sizeof(o->label));
    d->sides[index].offered = true;
    depositor_say(d, d->sides[index].link, out);
}

/* --- ACCEPT -------------------------------------------------------------- */

static void cut_say(struct depositor *d,
                    uint16_t index,
                    const struct merkle_range *range,
                    struct core_out *out)
{
    d->said.type = MESSAGE_CUT;
    d->said.u.cut = (struct message_cut){.deposit_id = d->config.deposit_id,
                                         .range = *range};
    d->sides[index].leaves = range->leaves;
    depositor_say(d, d->sides[index].link, out);
}

/* Why that side cannot go on from where our journal is; NULL when it can. */
static const char *accept_misfit(const struct depositor *d,
                                 uint16_t index,
                                 const struct message_accept *a)
{
    uint64_t committed = d->config.committed_leaves;
    const struct merkle_range *range = &d->ranges[index];

    if (a->index != index || a->range.leaves > d->config.size_max / LEAF_SIZE) {
        return "it speaks of another shard than it was offered";
    }
    if (a->sealed) {
        return "it holds this shard sealed, under a manifest that is not here";
    }
    if (a->range.leaves < committed) {
        return "it holds less of its shard than is committed; the rest is "
               "filled in after the others have theirs";
    }
    if (a->final_leaves > committed) {
        return "more of its shard is final than this journal knows: the "
               "journal is an older copy";
    }
    if (a->range.leaves == committed && !merkle_range_equal(&a->range, range)) {
        return "it holds other bytes than were committed";
    }
    return NULL;
}

static void accept_to_seal(struct depositor *d,
                           uint16_t index,
                           const struct message_accept *a,
                           struct core_out *out)
{
    struct depositor_side *s = &d->sides[index];
    const char *misfit = accept_misfit(d, index, a);
    const struct merkle_range *range = &d->ranges[index];

    if (misfit != NULL) {
        depositor_side_text(s, misfit);
        s->aside = true;
        return;
    }
    s->accepted = true;
    s->leaves = a->range.leaves;
    s->aligned = a->range.leaves == range->leaves;
    if (!s->aligned) {
        cut_say(d, index, range, out);
    }
    depositor_progress(d);
}

/* Leaves behind what is final may be of an attempt that was given up, so they
 * are cut off as far as a range is known to cut to. Not when this run has sent
 * them: then it began where nothing was to be cut, or more has become final
 * since, and COMMIT came behind the CUT. Whatever is wrong nevertheless shows
 * when the steward compares the root. */
static void fill_align(struct depositor *d,
                       uint16_t index,
                       const struct message_accept *a,
                       struct core_out *out)
{
    struct depositor_side *s = &d->sides[index];
    struct merkle_range range = d->ranges[index];

    s->leaves = a->range.leaves;
    if (s->aligned || a->range.leaves == a->final_leaves ||
        merkle_range_equal(&a->range, &range)) {
        return;
    }
    if (a->range.leaves <= range.leaves || a->final_leaves > range.leaves) {
        merkle_range_init(&range);
    }
    if (a->final_leaves <= range.leaves) {
        cut_say(d, index, &range, out);
    }
}

static void accept_to_fill(struct depositor *d,
                           uint16_t index,
                           const struct message_accept *a,
                           struct core_out *out)
{
    struct depositor_side *s = &d->sides[index];
    uint64_t leaves = d->facts->manifest.shard_size / LEAF_SIZE;

    if (a->index != index) {
        depositor_side_text(s, "it speaks of another shard than it was "
                               "offered");
        s->aside = true;
        return;
    }
    s->accepted = true;
    if (a->sealed || a->range.leaves == leaves) {
        s->complete = true;
        s->aside = false;
        depositor_progress(d);
        return;
    }
    s->aside = true;
    fill_align(d, index, a, out);
    if (s->leaves > leaves) {
        depositor_side_text(s, "it holds more than its shard has");
        s->accepted = false;
    } else if (s->text[0] == '\0') {
        depositor_side_text(s, "it does not hold all of its shard yet");
    }
}

void depositor_on_accept(struct depositor *d,
                         uint16_t index,
                         struct core_out *out)
{
    const struct message_accept *a = &d->in.u.accept;
    struct depositor_side *s = &d->sides[index];

    if (!digest_equal(&a->deposit_id, &d->config.deposit_id) || !s->offered ||
        !depositor_offer_is_open(d, index)) {
        return;
    }
    s->answered = true;
    if (d->phase == DEPOSITOR_OFFERING) {
        accept_to_seal(d, index, a, out);
    } else {
        accept_to_fill(d, index, a, out);
    }
}

/* --- REFUSE -------------------------------------------------------------- */

static void refuse_offer(struct depositor *d,
                         uint16_t index,
                         const struct message_refuse *m)
{
    struct depositor_side *s = &d->sides[index];

    if (s->offered && depositor_offer_is_open(d, index)) {
        if (m->status == ERR_BUSY) {
            s->offered = false;
            s->offer_ms = d->mono_ms + DEPOSITOR_REDIAL_MS;
        } else {
            s->answered = true;
            s->aside = true;
        }
    } else if (d->phase == DEPOSITOR_SEALING && s->accepted) {
        s->aside = true;
    } else if (d->facts != NULL && m->status == ERR_MISMATCH) {
        s->bad = s->receipt.size == 0;
    }
}

/* What passes by itself is asked again; the phase's patience is its bound. */
static void refuse_deal(struct depositor *d,
                        uint16_t index,
                        const struct message_refuse *m)
{
    struct depositor_side *s = &d->sides[index];

    if (m->status == ERR_BUSY || m->status == ERR_ORDER ||
        m->status == ERR_NOTFOUND) {
        s->dealt = false;
        s->deal_ms = d->mono_ms + DEPOSITOR_REDIAL_MS;
    }
}

void depositor_on_refuse(struct depositor *d, uint16_t index)
{
    const struct message_refuse *m = &d->in.u.refuse;
    struct depositor_side *s = &d->sides[index];
    bool ours = digest_equal(&m->subject, &d->config.deposit_id);

    if (m->about == MESSAGE_WANT) {
        if (digest_equal(&m->subject, &d->config.self)) {
            s->own_pending = false;
        } else if (digest_equal(&m->subject, &s->card->id)) {
            depositor_look_refused(d, index);
        }
        return;
    }
    if (m->about == MESSAGE_COMMIT || m->about == MESSAGE_READ ||
        (!ours && !digest_is_zero(&m->subject))) {
        return; /* The slow cannot commit yet; reading is the driver's. */
    }
    if (m->text[0] != '\0') {
        depositor_side_text(s, m->text);
    }
    if (m->about == MESSAGE_OFFER && ours) {
        refuse_offer(d, index, m);
    } else if (m->about == MESSAGE_DEAL && ours) {
        refuse_deal(d, index, m);
    }
}
