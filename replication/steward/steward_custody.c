#include "replication/steward/steward_custody.h"

#include "crypto/hash.h"
#include "replication/steward/steward_feeds.h"
#include "replication/steward/steward_releases.h"
#include "replication/steward/steward_rows.h"
#include "replication/steward/steward_state.h"

bool steward_custody_is_free(const struct steward *s)
{
    return s->custody.id == 0;
}

bool steward_custody_takes_deals(const struct steward *s)
{
    bool waits = s->desk.state != DESK_IDLE && s->desk.asks;

    if (s->mono_ms >= s->custody.again_ms) {
        for (uint32_t i = 0; i < s->releases_len && !waits; i++) {
            waits = s->releases[s->releases_order[i]].ask;
        }
    }
    return steward_custody_is_free(s) && !waits;
}

void steward_custody_ask(struct steward *s,
                         const struct custody *c,
                         struct core_out *out)
{
    size_t size = 0;
    int rv = custody_encode(c, s->custody.buf, sizeof(s->custody.buf), &size);

    assert(rv == OK && steward_custody_is_free(s));
    s->custody.id = s->next_id++;
    s->custody.asked = c->type;
    core_act(out, ACT_CUSTODY, s->custody.id, slice_of(s->custody.buf, size));
}

/* --- Refusals ------------------------------------------------------------ */

/* Does the cause pass without anybody telling us: its disk, its store, its
 * clock? Whether a request is over we know ourselves, and then do not ask. */
static bool is_passing(int status)
{
    return status == ERR_FULL || status == ERR_IO || status == ERR_ORDER;
}

/* Has it judged the request? Nothing but a new approval changes that. */
static bool is_judgement(int status)
{
    return status == ERR_DENIED || status == ERR_AUTH;
}

static void refused(const struct steward *s,
                    struct steward_release *r,
                    int status,
                    const char *text)
{
    r->stuck = true;
    r->refusal = status;
    r->again_ms =
        is_passing(status) ? s->mono_ms + STEWARD_REFUSED_AGAIN_MS : 0;
    steward_release_trouble(r, text);
}

static void again(struct steward_release *r)
{
    r->stuck = false;
    r->due = true;
}

void steward_custody_wake(struct steward *s)
{
    for (uint32_t i = 0; i < s->releases_len; i++) {
        struct steward_release *r = &s->releases[s->releases_order[i]];

        if (r->stuck && r->again_ms != 0 && s->mono_ms >= r->again_ms) {
            again(r);
        }
    }
}

uint64_t steward_custody_until(const struct steward *s)
{
    uint64_t at = UINT64_MAX;

    for (uint32_t i = 0; i < s->releases_len; i++) {
        const struct steward_release *r = &s->releases[s->releases_order[i]];

        if (r->stuck && r->again_ms != 0 && r->again_ms < at) {
            at = r->again_ms;
        }
    }
    return at;
}

/* It has begun anew, perhaps with another clock, home or version. */
static void on_there(struct steward *s)
{
    s->custody.again_ms = 0;
    for (uint32_t i = 0; i < s->releases_len; i++) {
        struct steward_release *r = &s->releases[s->releases_order[i]];

        if (r->stuck && !is_judgement(r->refusal)) {
            again(r);
        }
    }
}

/* --- Answers ------------------------------------------------------------- */

/* What it answered cannot be: it is of another version, or of another
 * steward. */
static void wrong(const struct steward *s, struct steward_release *r)
{
    refused(s, r, ERR_BAD,
            "the custodian's answer is not what was asked "
            "for: is it the custodian of this steward's "
            "card, and of the same version?");
}

static void on_decided(struct steward *s,
                       struct steward_release *r,
                       struct slice decision,
                       struct core_out *out)
{
    const struct card *card = &s->config.charter->members[s->self_member].card;
    struct steward_decision kept;
    struct release_decision d;

    if (release_decision_verify(&d, decision, card->custody_sign_pk) != OK ||
        !digest_equal(&d.net, &s->config.net) ||
        !digest_equal(&d.release_id, &r->id) ||
        !digest_equal(&d.manifest_hash, &r->manifest_hash) ||
        !digest_equal(&d.custodian, &s->config.self)) {
        wrong(s, r);
        return;
    }
    if (!steward_can_append(s)) {
        return; /* The custodian keeps it for the next incarnation. */
    }
    kept = (struct steward_decision){
        .manifest_hash = d.manifest_hash,
        .envelope_hash = d.envelope_hash,
        .share_index = d.share_index,
        .share_epoch = d.share_epoch,
    };
    release_decision_hash(&kept.hash, decision);
    steward_decision_put(&r->id, &s->config.self, &kept, out);
    steward_append(s, FEED_DECISION, decision, out);
    if (r->state < STEWARD_RELEASE_DECIDED) {
        steward_release_move(r, STEWARD_RELEASE_DECIDED);
    }
    r->decision = kept.hash;
    r->decisions |= steward_bit(s->self_member);
    r->due = true;
    r->trouble[0] = '\0';
    steward_release_put(s, r, out);
}

static void on_handed(struct steward *s,
                      struct steward_release *r,
                      struct slice envelope,
                      struct core_out *out)
{
    struct digest hash;

    sha256(envelope, &hash);
    if (!digest_equal(&hash, &s->custody.decision.envelope_hash)) {
        wrong(s, r);
        return;
    }
    steward_envelope_put(&r->id, &s->custody.decision, envelope, out);
    steward_release_move(r, STEWARD_RELEASE_READY);
    r->trouble[0] = '\0';
    steward_release_put(s, r, out);
}

/* It will be there again, and then have room. */
static bool is_away(const struct custody *c)
{
    return c == NULL ||
           (c->type == CUSTODY_REFUSED && (c->u.refused.status == ERR_BUSY ||
                                           c->u.refused.status == ERR_NOMEM));
}

static void on_release_answer(struct steward *s,
                              const struct custody *c,
                              struct core_out *out)
{
    struct steward_release *r = steward_release_find(s, &s->custody.release);

    assert(r != NULL); /* It is not forgotten while it is asked about. */
    if (is_away(c)) {
        s->custody.again_ms = s->mono_ms + STEWARD_CUSTODY_AGAIN_MS;
        r->ask = true;
    } else if (c->type == CUSTODY_REFUSED) {
        refused(s, r, c->u.refused.status, c->u.refused.text);
    } else if (c->type == CUSTODY_DECIDED &&
               s->custody.asked == CUSTODY_RELEASE) {
        on_decided(s, r, c->u.decision, out);
    } else if (c->type == CUSTODY_HANDED &&
               s->custody.asked == CUSTODY_ENVELOPE) {
        on_handed(s, r, c->u.handed, out);
    } else {
        wrong(s, r);
    }
}

void steward_on_custody(struct steward *s,
                        const struct core_event *ev,
                        struct core_out *out)
{
    struct custody c;
    bool read;

    if (ev->id == STEWARD_CUSTODY_THERE) {
        on_there(s);
        return;
    }
    if (s->custody.id == 0 || ev->id != s->custody.id) {
        return; /* Asked before a restart. */
    }
    read = ev->status == OK && custody_decode(&c, ev->bytes) == OK;
    if (s->custody.asked == CUSTODY_DEAL) {
        steward_on_dealt(s, read ? &c : NULL, out);
    } else {
        on_release_answer(s, read ? &c : NULL, out);
    }
    s->custody.id = 0;
}
