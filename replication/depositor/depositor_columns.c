#include "crypto/hpke.h"
#include "crypto/secret.h"
#include "protocol/release.h"
#include "protocol/transport_cert.h"
#include "protocol/words.h"
#include "replication/depositor/depositor_internal.h"

/* --- Sides --------------------------------------------------------------- */

struct depositor_side *depositor_side_of_link(struct depositor *d,
                                              uint64_t link,
                                              uint16_t *index)
{
    for (uint16_t i = 0; i < d->config.n; i++) {
        if (link != 0 && d->sides[i].link == link) {
            *index = i;
            return &d->sides[i];
        }
    }
    return NULL;
}

static struct depositor_side *side_of_member(struct depositor *d,
                                             const struct digest *id,
                                             uint16_t *index)
{
    for (uint16_t i = 0; i < d->config.n; i++) {
        if (digest_equal(&d->sides[i].card->id, id)) {
            *index = i;
            return &d->sides[i];
        }
    }
    return NULL;
}

void depositor_side_text(struct depositor_side *s, const char *text)
{
    struct words w;
    char copy[sizeof(s->text)];

    words_init(&w, copy, sizeof(copy));
    words_add(&w, text);
    memcpy(s->text, copy, sizeof(copy));
}

/* --- Links --------------------------------------------------------------- */

/* What holds of one connection alone. */
static void side_forget_link(struct depositor_side *s)
{
    s->link = 0;
    s->heads_due = s->heads = s->push_due = s->commit_due = false;
    s->own_pending = false;
    s->offered = s->answered = s->accepted = false;
    s->dealt = false;
    s->serve_id = 0;
    s->look.wanting = s->look.refused = false;
}

/* A column whose connection ends while cells are sent is out of this run of
 * the job, whoever comes back. */
static void side_down(struct depositor *d, uint16_t index)
{
    struct depositor_side *s = &d->sides[index];

    if (d->job_id != 0 && d->job.type == DEPOSITOR_SEAL &&
        (d->job.columns & column_bit(index)) != 0 && !s->aside) {
        s->aside = true;
        if (s->text[0] == '\0') {
            depositor_side_text(s, "the connection was lost while its shard "
                                   "was sent");
        }
    }
    side_forget_link(s);
    s->dial_ms = d->mono_ms + DEPOSITOR_REDIAL_MS;
}

void depositor_link_down(struct depositor *d, uint64_t link)
{
    uint16_t index = 0;

    if (depositor_side_of_link(d, link, &index) != NULL) {
        side_down(d, index);
    }
}

void depositor_link_close(struct depositor *d,
                          uint16_t index,
                          struct core_out *out)
{
    core_act(out, ACT_CLOSE, d->sides[index].link, slice_of(NULL, 0));
    side_down(d, index);
}

void depositor_link_up(struct depositor *d,
                       const struct core_event *ev,
                       struct core_out *out)
{
    struct transport_cert cert;
    struct depositor_side *s = NULL;
    uint16_t index = 0;

    assert(ev->id != 0);
    if (transport_cert_decode(&cert, ev->bytes) == OK &&
        cert.type == TRANSPORT_MEMBER &&
        digest_equal(&cert.net, &d->config.net)) {
        s = side_of_member(d, &cert.id, &index);
    }
    if (s == NULL) {
        core_act(out, ACT_CLOSE, ev->id, slice_of(NULL, 0));
        return;
    }
    if (s->link != 0) {
        depositor_link_close(d, index, out);
    }
    s->link = ev->id;
    s->heads_due = true;
}

/* --- COMMIT and DEAL ----------------------------------------------------- */

static void commit_say(struct depositor *d,
                       uint16_t index,
                       struct core_out *out)
{
    d->sides[index].commit_due = false;
    d->said.type = MESSAGE_COMMIT;
    d->said.u.commit = (struct message_commit){
        .deposit_id = d->config.deposit_id, .leaves = d->committed};
    depositor_say(d, d->sides[index].link, out);
}

static bool deal_is_due(const struct depositor *d, uint16_t index)
{
    const struct depositor_side *s = &d->sides[index];

    return d->phase == DEPOSITOR_DEALING && s->link != 0 && !s->dealt &&
           s->acknowledgement.size == 0 && depositor_look_is_done(d, index);
}

static int deal_seal(struct depositor *d,
                     uint16_t index,
                     uint8_t envelope[RELEASE_ENVELOPE_SIZE])
{
    const struct manifest *m = &d->facts->manifest;
    uint8_t plain[2 * SCALAR_SIZE];
    struct vss_share share;
    struct digest info;
    int rv;

    vss_deal(d->config.polynomials, (uint16_t)(index + 1), &share);
    memcpy(plain, share.s.bytes, SCALAR_SIZE);
    memcpy(plain + SCALAR_SIZE, share.r.bytes, SCALAR_SIZE);
    release_deal_info(&info, &d->config.net, &d->facts->manifest_hash,
                      share.index, m->share_epoch);
    rv = hpke_seal(d->sides[index].card->custody_hpke_pk, digest_slice(&info),
                   slice_of(NULL, 0), NULL, slice_of(plain, sizeof(plain)),
                   d->config.rng, envelope);
    vss_share_wipe(&share);
    secret_wipe(plain, sizeof(plain));
    return rv;
}

static void deal_say(struct depositor *d, uint16_t index, struct core_out *out)
{
    struct depositor_side *s = &d->sides[index];
    uint8_t envelope[RELEASE_ENVELOPE_SIZE];

    s->dealt = true;
    if (deal_seal(d, index, envelope) != OK) {
        depositor_side_text(s, "its card has no key that a share can be "
                               "sealed to");
        return;
    }
    d->said.type = MESSAGE_DEAL;
    d->said.u.deal = (struct message_deal){
        .deposit_id = d->config.deposit_id,
        .manifest_hash = d->facts->manifest_hash,
        .share_index = (uint16_t)(index + 1),
        .share_epoch = d->facts->manifest.share_epoch,
        .envelope = slice_of(envelope, sizeof(envelope)),
    };
    depositor_say(d, s->link, out);
}

/* --- What is due --------------------------------------------------------- */

static bool has_room(const struct core_out *out)
{
    return out->acts_len + DEPOSITOR_ACTS_SPARE <= CORE_ACTS_MAX &&
           out->arena_used + DEPOSITOR_ARENA_SPARE <= CORE_ARENA_SIZE;
}

static void push_say(struct depositor *d,
                     uint16_t index,
                     struct slice *kept,
                     struct core_out *out)
{
    size_t size = 0;
    int rv;

    if (kept->size == 0) {
        d->said.type = MESSAGE_ENTRIES;
        d->said.u.entries.len = 1;
        d->said.u.entries.entries[0] =
            slice_of(d->manifest_entry, d->manifest_size);
        rv = message_encode(&d->said, d->buf, sizeof(d->buf), &size);
        assert(rv == OK);
        *kept = core_keep(out, slice_of(d->buf, size));
    }
    d->sides[index].push_due = false;
    core_act(out, ACT_SEND, d->sides[index].link, slice_of(NULL, 0))->bytes =
        *kept;
}

/* When that comes: the earliest of the times that are not 0. */
static void note_time(uint64_t *next, uint64_t at)
{
    at = at > 0 ? at : 1;
    *next = *next == 0 || at < *next ? at : *next;
}

static void dial(struct depositor *d,
                 uint16_t index,
                 uint64_t *next,
                 struct core_out *out)
{
    struct depositor_side *s = &d->sides[index];

    if (depositor_is_over(d)) {
        return;
    }
    if (d->mono_ms >= s->dial_ms) {
        core_act(out, ACT_DIAL, 0, digest_slice(&s->card->id));
        s->dial_ms = d->mono_ms + DEPOSITOR_REDIAL_MS;
    }
    note_time(next, s->dial_ms);
}

static void side_say(struct depositor *d,
                     uint16_t index,
                     struct slice *pushed,
                     uint64_t *next,
                     struct core_out *out)
{
    struct depositor_side *s = &d->sides[index];

    if (s->heads_due) {
        s->heads_due = false;
        depositor_heads_say(d, s->link, out);
    }
    if (s->push_due) {
        push_say(d, index, pushed, out);
    }
    if (s->commit_due) {
        commit_say(d, index, out);
    }
    if (depositor_offer_is_open(d, index) && !s->offered) {
        if (d->mono_ms >= s->offer_ms) {
            depositor_offer_say(d, index, out);
        } else {
            note_time(next, s->offer_ms);
        }
    }
    if (depositor_look_due(d, index)) {
        depositor_look_say(d, index, out);
    }
    if (deal_is_due(d, index)) {
        if (d->mono_ms >= s->deal_ms) {
            deal_say(d, index, out);
        } else {
            note_time(next, s->deal_ms);
        }
    }
}

uint64_t depositor_say_due(struct depositor *d, struct core_out *out)
{
    struct slice pushed = {.data = NULL, .size = 0};
    uint64_t next = 0;

    for (uint16_t i = 0; i < d->config.n; i++) {
        if (!has_room(out)) {
            note_time(&next, d->mono_ms);
        } else if (d->sides[i].link == 0) {
            dial(d, i, &next, out);
        } else {
            side_say(d, i, &pushed, &next, out);
        }
    }
    return next;
}
