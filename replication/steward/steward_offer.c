#include "replication/keys.h"
#include "replication/steward/steward_deposits.h"
#include "replication/steward/steward_feeds.h"
#include "replication/steward/steward_links.h"
#include "replication/steward/steward_quotas.h"
#include "replication/steward/steward_rows.h"
#include "replication/steward/steward_shards.h"
#include "replication/steward/steward_state.h"

static void offer_refuse(struct steward *s,
                         struct steward_link *l,
                         int status,
                         const char *text,
                         struct core_out *out)
{
    struct digest deposit;

    message_offer_deposit(&deposit, &s->in.u.offer);
    steward_refuse(s, l->id, MESSAGE_OFFER, &deposit, status, text, out);
    steward_link_next(s, l);
}

static void accept_say(struct steward *s,
                       uint64_t link,
                       const struct steward_deposit *d,
                       const struct merkle_range *range,
                       struct core_out *out)
{
    s->said.type = MESSAGE_ACCEPT;
    s->said.u.accept = (struct message_accept){
        .deposit_id = d->id,
        .index = d->index,
        .range = *range,
        .final_leaves = d->final_leaves,
        .sealed = d->state == STEWARD_HELD,
    };
    steward_say(s, link, out);
}

/* Nothing more is to come in, or it was accepted before. */
static void offer_accept(struct steward *s,
                         struct steward_link *l,
                         const struct steward_deposit *d,
                         const struct merkle_range *range,
                         struct core_out *out)
{
    accept_say(s, l->id, d, range, out);
    steward_link_next(s, l);
}

/* --- Intakes ------------------------------------------------------------- */

static struct steward_intake *intake_free(struct steward *s)
{
    for (size_t i = 0; i < STEWARD_LINKS_MAX; i++) {
        if (s->intakes[i].job == 0) {
            return &s->intakes[i];
        }
    }
    return NULL;
}

void steward_intake_accept(struct steward *s,
                           struct steward_intake *in,
                           struct core_out *out)
{
    in->accepted = true;
    if (steward_link_find(s, in->link) != NULL) {
        accept_say(s, in->link, &s->deposits[in->deposit], &in->range, out);
    }
}

/* The lab hears that it may send when the job has said that there are files
 * and room for them. */
static void intake_start(struct steward *s,
                         struct steward_intake *in,
                         const struct steward_link *l,
                         uint32_t deposit,
                         const struct merkle_range *range,
                         struct core_out *out)
{
    const struct steward_deposit *d = &s->deposits[deposit];
    const struct steward_job job = {
        .type = STEWARD_JOB_INTAKE,
        .link = l->id,
        .deposit_id = d->id,
        .index = d->index,
        .size = d->size_max,
        .range = *range,
        .final_leaves = d->final_leaves,
    };

    *in = (struct steward_intake){.job = s->next_id++,
                                  .link = l->id,
                                  .deposit = deposit,
                                  .range = *range};
    steward_job_start(&job, in->job, out);
}

/* --- OFFER --------------------------------------------------------------- */

/* Why this steward has no room for that shard; NULL when it has. |text| is
 * room for it. */
static const char *room_missing(const struct steward *s,
                                const struct steward_link *l,
                                uint64_t size,
                                char text[MESSAGE_TEXT_MAX + 1])
{
    uint64_t used = s->bytes_reserved + s->bytes_held;

    if (s->shards_filling + s->shards_held >= STEWARD_SHARDS_MAX) {
        return "this steward holds as many shards as it can count; "
               "ask its operators";
    }
    if (used > s->config.capacity || size > s->config.capacity - used) {
        return "this steward has no capacity left for a shard of that size; "
               "ask its operators for more, or choose another steward";
    }
    return steward_lab_has_room(s, l->member, size, text) ? NULL : text;
}

/* A shard that is not here yet. With a manifest, in s->manifest, the shard is
 * one that the manifest promises. */
static void offer_new(struct steward *s,
                      struct steward_link *l,
                      uint32_t index,
                      struct core_out *out)
{
    const struct message_offer *o = &s->in.u.offer;
    char text[MESSAGE_TEXT_MAX + 1];
    const char *missing = room_missing(s, l, o->size_max, text);
    struct steward_intake *in = intake_free(s);
    struct steward_deposit d = {.lab = o->lab};
    struct merkle_range none;

    if (missing != NULL) {
        offer_refuse(s, l, ERR_FULL, missing, out);
        return;
    }
    if (in == NULL) {
        offer_refuse(s, l, ERR_BUSY, "too many shards come in now; try later",
                     out);
        return;
    }
    message_offer_deposit(&d.id, o);
    if (index != STEWARD_NONE) {
        d = s->deposits[index];
    }
    d.has_shard = true;
    d.state = STEWARD_FILLING;
    d.index = o->index;
    d.size_max = o->size_max;
    d.leaves = 0;
    d.final_leaves = 0;
    d.refused = false;
    d.promised = false;
    d.progress_s = s->wall_ms / 1000;
    missing = d.has_manifest ? steward_promise(s, &d) : NULL;
    if (missing != NULL) {
        offer_refuse(s, l, ERR_DENIED, missing, out);
        return;
    }
    if (index == STEWARD_NONE) {
        index = steward_deposit_add(s, &d.id, &d.lab);
    }
    if (index == STEWARD_NONE) {
        offer_refuse(s, l, ERR_FULL, "this steward is out of memory", out);
        return;
    }
    s->deposits[index] = d;
    steward_deposit_count(s, &d, 1);
    steward_shard_put(s, &d, out);
    merkle_range_init(&none);
    intake_start(s, in, l, index, &none, out);
    steward_link_next(s, l);
}

/* The manifest came before the shard: it says whether we are to have it. */
static void offer_promised(struct steward *s,
                           struct steward_link *l,
                           uint32_t index,
                           const struct core_event *ev,
                           struct core_out *out)
{
    const struct steward_deposit *d = &s->deposits[index];
    struct key key = key_entry(&d->lab, d->incarnation, d->seq);
    const struct core_row *row;
    struct feed_entry e;

    if (ev == NULL) {
        steward_link_read(s, l, LINK_READING, &key, out);
        return;
    }
    row = steward_row_find(ev, &key);
    if (row == NULL && ev->status != 1) {
        return;
    }
    if (row == NULL || feed_entry_decode(&e, row->value) != OK ||
        manifest_decode(&s->manifest, &e.header.author, e.payload) != OK) {
        offer_refuse(s, l, ERR_BUSY, "its manifest cannot be read; try again",
                     out);
        return;
    }
    offer_new(s, l, index, out);
}

/* Go on with what is durable here. */
static void offer_resume(struct steward *s,
                         struct steward_link *l,
                         uint32_t index,
                         const struct merkle_range *range,
                         struct core_out *out)
{
    struct steward_deposit *d = &s->deposits[index];
    struct steward_intake *in = intake_free(s);

    if (range->leaves != d->leaves || in == NULL) {
        offer_refuse(s, l, ERR_BUSY, "too much is under way; try again", out);
        return;
    }
    if (d->state == STEWARD_FILLING && !steward_seal_due(s, index, out)) {
        intake_start(s, in, l, index, range, out);
        steward_link_next(s, l);
    } else {
        offer_accept(s, l, d, range, out);
    }
}

/* Is this the shard that we have? A text that says why not. */
static const char *offer_differs(const struct steward_deposit *d,
                                 const struct message_offer *o,
                                 int *status)
{
    if (d->index != o->index) {
        *status = ERR_EXISTS;
        return "this steward has another shard of that deposit, and may not "
               "have two";
    }
    if (d->size_max != o->size_max) {
        *status = ERR_MISMATCH;
        return "that shard was offered before with another size";
    }
    if (d->dropping) {
        *status = ERR_BUSY;
        return "that shard was never sealed and is being removed; try again";
    }
    return NULL;
}

static void offer_again(struct steward *s,
                        struct steward_link *l,
                        uint32_t index,
                        const struct core_event *ev,
                        struct core_out *out)
{
    struct steward_deposit *d = &s->deposits[index];
    struct steward_intake *in = steward_intake_of(s, index);
    struct key key = key_progress(&d->id, d->index);
    int status = OK;
    const char *text = offer_differs(d, &s->in.u.offer, &status);
    const struct core_row *row;
    struct merkle_range range;

    merkle_range_init(&range);
    if (text != NULL) {
        offer_refuse(s, l, status, text, out);
    } else if (in != NULL && in->link != l->id) {
        core_act(out, ACT_JOB_CANCEL, in->job, slice_of(NULL, 0));
        offer_refuse(s, l, ERR_BUSY,
                     "an earlier connection still sends that shard and is "
                     "stopped now; try again",
                     out);
    } else if (in != NULL && in->accepted) {
        offer_accept(s, l, d, &in->range, out);
    } else if (in != NULL) {
        steward_link_next(s, l); /* It will hear. */
    } else if (d->leaves == 0) {
        offer_resume(s, l, index, &range, out);
    } else if (ev == NULL) {
        steward_link_read(s, l, LINK_READING, &key, out);
    } else {
        row = steward_row_find(ev, &key);
        if (row != NULL && steward_progress_read(&range, row->value) == OK) {
            offer_resume(s, l, index, &range, out);
        } else if (row != NULL || ev->status == 1) {
            offer_refuse(s, l, ERR_BUSY,
                         "its progress cannot be read; try "
                         "again",
                         out);
        }
    }
}

void steward_on_offer(struct steward *s,
                      struct steward_link *l,
                      const struct core_event *ev,
                      struct core_out *out)
{
    const struct message_offer *o = &s->in.u.offer;
    const struct card *card = steward_link_card(s, l);
    const struct steward_intake *in = steward_intake_of_link(s, l->id);
    struct digest id;
    uint32_t index;

    message_offer_deposit(&id, o);
    index = steward_deposit_find(s, &id);
    if (card->role != CARD_LAB || !digest_equal(&o->lab, &card->id)) {
        offer_refuse(s, l, ERR_DENIED, "a lab deposits, and in its own name",
                     out);
    } else if (!digest_equal(&o->net, &s->config.net)) {
        offer_refuse(s, l, ERR_MISMATCH, "an offer of another network", out);
    } else if (!steward_can_append(s)) {
        offer_refuse(s, l, ERR_ORDER,
                     "this steward can give no receipts: its feed is halted, "
                     "as 'cairn status' there explains",
                     out);
    } else if (in != NULL && in->deposit != index) {
        offer_refuse(s, l, ERR_BUSY, "one shard at a time on a connection",
                     out);
    } else if ((index == STEWARD_NONE || !s->deposits[index].has_manifest) &&
               steward_feed_room(s, &o->lab, 0) == FEED_FULL) {
        offer_refuse(s, l, ERR_FULL,
                     "your feed has taken all of the feed-quota that this "
                     "steward has for it, so that your manifest would not "
                     "arrive; ask its operators for more",
                     out);
    } else if (index == STEWARD_NONE) {
        offer_new(s, l, index, out);
    } else if (s->deposits[index].has_shard) {
        offer_again(s, l, index, ev, out);
    } else {
        offer_promised(s, l, index, ev, out);
    }
}
