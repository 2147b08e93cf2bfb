#include "replication/keys.h"
#include "replication/steward/steward_custody.h"
#include "replication/steward/steward_deposits.h"
#include "replication/steward/steward_feeds.h"
#include "replication/steward/steward_links.h"
#include "replication/steward/steward_releases.h"
#include "replication/steward/steward_rows.h"
#include "replication/steward/steward_state.h"

static void deal_refuse(struct steward *s,
                        struct steward_link *l,
                        int status,
                        const char *text,
                        struct core_out *out)
{
    struct digest deposit = s->in.u.deal.deposit_id;

    steward_refuse(s, l->id, MESSAGE_DEAL, &deposit, status, text, out);
    steward_link_next(s, l);
}

/* Why this share is none for us, as far as is known without the manifest; NULL
 * when it may be. */
static const char *deal_refusal(const struct steward *s,
                                const struct steward_link *l,
                                const struct steward_deposit *d,
                                int *status)
{
    const struct message_deal *m = &s->in.u.deal;

    *status = ERR_DENIED;
    if (steward_link_card(s, l)->role != CARD_LAB) {
        return "a lab deals key shares, of its own deposits";
    }
    if (d != NULL && !digest_equal(&d->lab, &steward_link_card(s, l)->id)) {
        return "that deposit is of another lab";
    }
    if (d == NULL || !d->has_manifest) {
        *status = ERR_BUSY;
        return "the manifest has not arrived yet, try again";
    }
    if (!digest_equal(&d->manifest_hash, &m->manifest_hash)) {
        *status = ERR_MISMATCH;
        return "this steward has another manifest of that deposit";
    }
    if (!d->has_share && !steward_can_append(s)) {
        *status = ERR_ORDER;
        return "this steward can give no acknowledgements: its feed is "
               "halted, as 'cairn status' there explains";
    }
    return NULL;
}

/* As the manifest, in s->custody.manifest, has it. */
static const char *promise_refusal(const struct steward *s)
{
    const struct message_deal *deal = &s->in.u.deal;
    const struct manifest *m = &s->custody.manifest;

    if (m->offline || deal->share_index > m->n ||
        !digest_equal(&m->stewards[deal->share_index - 1], &s->config.self)) {
        return "the manifest gives that share to another steward";
    }
    if (deal->share_epoch != m->share_epoch) {
        return "the manifest names another epoch of the shares";
    }
    return NULL;
}

static void deal_ask(struct steward *s,
                     struct steward_link *l,
                     uint32_t deposit,
                     struct slice entry,
                     struct core_out *out)
{
    const struct message_deal *deal = &s->in.u.deal;
    const struct custody c = {
        .type = CUSTODY_DEAL,
        .u.deal = {.manifest = entry,
                   .share_index = deal->share_index,
                   .share_epoch = deal->share_epoch,
                   .envelope = deal->envelope},
    };
    const char *wrong;
    struct feed_entry e;

    if (!steward_custody_takes_deals(s)) {
        l->state = LINK_WAITING;
        l->busy_id = 0;
        return;
    }
    if (feed_entry_decode(&e, entry) != OK ||
        manifest_decode(&s->custody.manifest, &e.header.author, e.payload) !=
            OK) {
        deal_refuse(s, l, ERR_BUSY, "its manifest cannot be read; try again",
                    out);
        return;
    }
    wrong = promise_refusal(s);
    if (wrong != NULL) {
        deal_refuse(s, l, ERR_MISMATCH, wrong, out);
        return;
    }
    s->custody.link = l->id;
    s->custody.deposit = deposit;
    s->custody.share_index = deal->share_index;
    steward_custody_ask(s, &c, out);
    l->state = LINK_CUSTODY;
    l->busy_id = s->custody.id;
}

/* It was acknowledged before: the same entry once more. */
static void deal_again(struct steward *s,
                       struct steward_link *l,
                       struct slice entry,
                       struct core_out *out)
{
    s->said.type = MESSAGE_ENTRIES;
    s->said.u.entries.len = 1;
    s->said.u.entries.entries[0] = entry;
    steward_say(s, l->id, out);
    steward_link_next(s, l);
}

void steward_on_deal(struct steward *s,
                     struct steward_link *l,
                     const struct core_event *ev,
                     struct core_out *out)
{
    uint32_t index = steward_deposit_find(s, &s->in.u.deal.deposit_id);
    const struct steward_deposit *d =
        index != STEWARD_NONE ? &s->deposits[index] : NULL;
    const struct core_row *row;
    struct key key;
    int status = OK;
    const char *text = deal_refusal(s, l, d, &status);

    if (text != NULL || d == NULL) {
        deal_refuse(s, l, status, text, out);
        return;
    }
    key = d->has_share
              ? key_entry(&s->config.self, d->share_incarnation, d->share_seq)
              : key_entry(&d->lab, d->incarnation, d->seq);
    row = ev != NULL ? steward_row_find(ev, &key) : NULL;
    if (ev == NULL || (row == NULL && ev->rows_len > 0)) {
        /* Or it was acknowledged while the manifest was read. */
        steward_link_read(s, l, LINK_DEALING, &key, out);
    } else if (row == NULL && ev->status == 1) {
        deal_refuse(s, l, ERR_BUSY, "its manifest cannot be read; try again",
                    out);
    } else if (row == NULL) {
        return;
    } else if (d->has_share) {
        deal_again(s, l, row->value, out);
    } else {
        deal_ask(s, l, index, row->value, out);
    }
}

/* --- The answer ---------------------------------------------------------- */

/* The entry and the row that says where it is are one batch. */
static const char *acknowledge(struct steward *s,
                               struct slice ack,
                               struct core_out *out)
{
    const struct card *card = &s->config.charter->members[s->self_member].card;
    struct steward_deposit *d = &s->deposits[s->custody.deposit];
    const struct feed_tip *tip = &s->feeds[s->own].tip;
    struct release_acknowledgement a;

    if (release_acknowledgement_verify(&a, ack, card->custody_sign_pk,
                                       &d->manifest_hash,
                                       &s->custody.manifest) != OK ||
        a.share_index != s->custody.share_index) {
        return "the custodian's answer does not verify; this steward's "
               "operators should look";
    }
    if (!steward_can_append(s)) {
        return "this steward's feed is halted, as 'cairn status' there "
               "explains";
    }
    d->has_share = true;
    d->share_incarnation = tip->incarnation;
    d->share_seq = tip->seq;
    steward_share_put(d, out);
    steward_append(s, FEED_ACKNOWLEDGEMENT, ack, out);
    steward_release_touch(s, &d->id);
    return NULL;
}

void steward_on_dealt(struct steward *s,
                      const struct custody *answer,
                      struct core_out *out)
{
    struct steward_link *l = steward_link_find(s, s->custody.link);
    struct digest deposit = s->deposits[s->custody.deposit].id;
    const char *text = "the custodian of this steward cannot be reached now; "
                       "try again";
    int status = ERR_BUSY;

    if (answer != NULL && answer->type == CUSTODY_ACK) {
        text = acknowledge(s, answer->u.ack, out);
        status = ERR_ORDER;
    } else if (answer != NULL && answer->type == CUSTODY_REFUSED) {
        text = answer->u.refused.text;
        status = answer->u.refused.status;
    }
    if (l == NULL || l->state != LINK_CUSTODY || l->busy_id != s->custody.id) {
        return; /* It went, and comes again. */
    }
    if (text != NULL) {
        steward_refuse(s, l->id, MESSAGE_DEAL, &deposit, status, text, out);
    }
    steward_link_next(s, l);
}
