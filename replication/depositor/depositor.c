#include "replication/depositor/depositor.h"

#include <stdlib.h>

#include "crypto/secret.h"
#include "replication/depositor/depositor_internal.h"

/* --- Life ---------------------------------------------------------------- */

static void config_check(const struct depositor_config *c)
{
    struct digest id;

    manifest_deposit_id(&id, &c->net, &c->self, c->random.bytes);
    assert(digest_equal(&id, &c->deposit_id));
    assert(manifest_code_is_valid(c->k, c->n));
    assert(c->t >= 1 && c->t <= c->n && c->polynomials->t == c->t);
    assert(c->receipts_min >= c->k && c->receipts_min <= c->n);
    assert(c->committed_leaves == 0 || c->ranges != NULL);
    for (uint16_t i = 0; i < c->n && c->committed_leaves > 0; i++) {
        assert(c->ranges[i].leaves == c->committed_leaves);
    }
}

int depositor_new(struct depositor **out, const struct depositor_config *config)
{
    const struct card *card = charter_member(config->charter, &config->self);
    struct depositor *d;

    config_check(config);
    if (card == NULL || card->role != CARD_LAB ||
        memcmp(card->node_pk, config->node.pk, SIGN_PK_SIZE) != 0) {
        return ERR_DENIED;
    }
    d = calloc(1, sizeof(*d));
    if (d == NULL) {
        return ERR_NOMEM;
    }
    d->node = secret_new(sizeof(*d->node));
    if (d->node == NULL) {
        free(d);
        return ERR_NOMEM;
    }
    *d->node = config->node;
    d->config = *config;
    sign_key_wipe(&d->config.node);
    if (config->committed_leaves > 0) {
        memcpy(d->ranges, config->ranges, config->n * sizeof(d->ranges[0]));
    }
    d->config.ranges = NULL;
    d->phase = DEPOSITOR_OFFERING;
    d->next_id = 1;
    feed_tip_init(&d->tip, &config->net, &config->self, config->incarnation);
    for (uint16_t i = 0; i < config->n; i++) {
        d->sides[i].card =
            charter_steward(config->charter, &config->stewards[i]);
        if (d->sides[i].card == NULL) {
            depositor_free(d);
            return ERR_DENIED;
        }
    }
    *out = d;
    return OK;
}

void depositor_free(struct depositor *d)
{
    if (d == NULL) {
        return;
    }
    secret_free(d->node);
    free(d->manifest_entry);
    free(d->facts);
    free(d);
}

/* --- What others ask ----------------------------------------------------- */

enum depositor_phase depositor_phase(const struct depositor *d)
{
    return d->phase;
}

void depositor_column(const struct depositor *d,
                      uint16_t index,
                      struct depositor_column *column)
{
    const struct depositor_side *s = &d->sides[index];

    assert(index < d->config.n);
    *column = (struct depositor_column){
        .up = s->link != 0,
        .accepted = s->accepted,
        .aside = s->aside,
        .receipt = s->receipt.size > 0,
        .acknowledged = s->acknowledgement.size > 0,
    };
    memcpy(column->text, s->text, sizeof(column->text));
}

int depositor_failure(const struct depositor *d, const char **text)
{
    *text = d->failure;
    return d->status;
}

void depositor_certificate(const struct depositor *d, struct certificate *c)
{
    memset(c, 0, sizeof(*c));
    c->chain = d->config.chain;
    c->manifest = slice_of(d->manifest_entry, d->manifest_size);
    for (uint16_t i = 0; i < d->config.n; i++) {
        const struct depositor_side *s = &d->sides[i];

        if (s->receipt.size > 0) {
            c->receipts[c->receipts_len++] =
                slice_of(s->receipt.bytes, s->receipt.size);
        }
        if (s->acknowledgement.size > 0) {
            c->acknowledgements[c->acknowledgements_len++] =
                slice_of(s->acknowledgement.bytes, s->acknowledgement.size);
        }
    }
}

/* --- Work ---------------------------------------------------------------- */

void depositor_say(struct depositor *d, uint64_t link, struct core_out *out)
{
    size_t size = 0;
    int rv = message_encode(&d->said, d->buf, sizeof(d->buf), &size);

    assert(rv == OK);
    core_act(out, ACT_SEND, link, slice_of(d->buf, size));
}

void depositor_progress(struct depositor *d)
{
    d->progress_ms = d->mono_ms;
}

/* A manifest that an earlier run has published is the end of all sealing. */
static void on_start(struct depositor *d, const struct core_event *ev)
{
    int rv = d->phase == DEPOSITOR_FAILED ? OK : depositor_feed_start(d, ev);

    if (rv != OK) {
        depositor_fail(d, rv,
                       rv == ERR_NOMEM ? "out of memory"
                       : rv == ERR_MISMATCH
                           ? "a manifest of this deposit has been published "
                             "already, and it is not the one of this journal; "
                             "start a new deposit"
                           : "the store of this lab's feed is damaged; put its "
                             "newest copy back",
                       0);
    }
    if (ev->status != 1) {
        return;
    }
    d->started = true;
    depositor_progress(d);
    if (d->phase == DEPOSITOR_OFFERING && d->facts != NULL) {
        depositor_move(d, DEPOSITOR_PUBLISHING);
    }
}

static void on_message(struct depositor *d,
                       const struct core_event *ev,
                       struct core_out *out)
{
    uint16_t index = 0;
    struct depositor_side *s = depositor_side_of_link(d, ev->id, &index);
    int rv;

    if (s == NULL) {
        return; /* It was closed meanwhile. */
    }
    rv = message_decode(&d->in, ev->bytes);
    if (rv == ERR_UNSUPPORTED) {
        return; /* Of a later version; nothing here waits for it. */
    }
    if (rv != OK) {
        depositor_side_text(s, "it says what cannot be read");
        depositor_link_close(d, index, out);
        return;
    }
    switch (d->in.type) {
    case MESSAGE_HEADS:
        depositor_on_heads(d, index, out);
        break;
    case MESSAGE_WANT:
        depositor_on_want(d, index, out);
        break;
    case MESSAGE_ENTRIES:
        depositor_on_entries(d, index, out);
        break;
    case MESSAGE_ACCEPT:
        depositor_on_accept(d, index, out);
        break;
    case MESSAGE_REFUSE:
        depositor_on_refuse(d, index);
        break;
    case MESSAGE_OFFER:
    case MESSAGE_CUT:
    case MESSAGE_APPEND:
    case MESSAGE_FLUSH:
    case MESSAGE_DURABLE:
    case MESSAGE_COMMIT:
    case MESSAGE_DEAL:
    case MESSAGE_READ:
    case MESSAGE_CELL:
    case MESSAGE_ENVELOPE_WANT:
    case MESSAGE_ENVELOPE:
        break; /* Not for a lab, or not for its machine. */
    }
}

static void on_event(struct depositor *d,
                     const struct core_event *ev,
                     struct core_out *out)
{
    switch (ev->type) {
    case EV_START:
        on_start(d, ev);
        break;
    case EV_LINK:
        if (ev->status == OK) {
            depositor_link_up(d, ev, out);
        } else {
            depositor_link_down(d, ev->id);
        }
        break;
    case EV_MSG:
        on_message(d, ev, out);
        break;
    case EV_ROWS:
        depositor_on_rows(d, ev, out);
        break;
    case EV_JOB:
        depositor_on_job(d, ev, out);
        break;
    case EV_WAKE:
    case EV_CHECKED:
    case EV_CLIENT:
    case EV_CUSTODY:
        break; /* Time is looked at in every step; the others are not ours. */
    }
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

void depositor_step(struct depositor *d,
                    const struct core_event *ev,
                    struct core_out *out)
{
    d->mono_ms = ev->mono_ms;
    d->wall_ms = ev->wall_ms;
    assert((ev->type == EV_START) != d->started);
    on_event(d, ev, out);
    if (d->started) {
        depositor_advance(d, out);
        out->wake_ms =
            earlier(depositor_say_due(d, out), depositor_deadline(d));
    }
}
