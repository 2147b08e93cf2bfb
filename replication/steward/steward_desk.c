#include "replication/steward/steward_desk.h"

#include "replication/keys.h"
#include "replication/steward/steward_custody.h"
#include "replication/steward/steward_feeds.h"
#include "replication/steward/steward_releases.h"
#include "replication/steward/steward_rows.h"
#include "replication/steward/steward_state.h"
#include "replication/steward/steward_votes.h"

/* One release at a time: its rows are read, then each turn takes one thing.
 * What comes in meanwhile makes it due again. */

/* --- Approvals ----------------------------------------------------------- */

/* The next approval that nobody has looked at; false: there is none. */
static bool take_approval(struct steward *s, struct core_out *out)
{
    struct steward_release *r = steward_desk_release(s);
    struct steward_desk *d = &s->desk;
    uint64_t open = d->approvals & ~(r->approvals | r->junk | d->tried);
    struct slice sshsig;
    struct key key;
    uint32_t m = 0;

    if (open == 0) {
        return false;
    }
    while ((open >> m & 1) == 0) {
        m++;
    }
    d->tried |= steward_bit(m);
    sshsig = slice_of(d->approval[m].bytes, d->approval[m].size);
    if (steward_approval_holds(s, slice_of(d->request, d->request_size), sshsig,
                               m)) {
        /* The row may have become another one since it was read. */
        key = key_approval(&r->id, &s->config.charter->members[m].card.id);
        core_put(out, key_slice(&key), sshsig);
        r->approvals |= steward_bit(m);
        r->stuck = false;
        d->dirty = true;
    } else if (!r->due) {
        r->junk |= steward_bit(m);
    }
    return true;
}

/* --- Decisions ----------------------------------------------------------- */

/* Is it about this request, and by the custodian of that share? */
static bool decision_fits(const struct steward *s, uint32_t m)
{
    const struct steward_desk *d = &s->desk;
    const struct steward_decision *c = &d->decision[m];
    const struct digest *id = &s->config.charter->members[m].card.id;

    return (d->decisions & steward_bit(m)) != 0 &&
           digest_equal(&c->manifest_hash, &d->decoded.manifest_hash) &&
           c->share_epoch == d->decoded.share_epoch &&
           (!d->has_manifest ||
            (!d->manifest.offline && c->share_index <= d->manifest.n &&
             digest_equal(&d->manifest.stewards[c->share_index - 1], id)));
}

static void sign_holding(struct steward *s, uint32_t m, struct core_out *out)
{
    uint8_t payload[RELEASE_PAYLOAD_MAX];
    size_t size = 0;
    int rv = release_holding_encode(&s->desk.decision[m].hash, payload,
                                    sizeof(payload), &size);

    assert(rv == OK);
    steward_append(s, FEED_HOLDING, slice_of(payload, size), out);
}

/* The next decision that is news, or that we have not signed for; false: there
 * is none. Entry and row are one batch, so that we sign once. */
static bool take_decision(struct steward *s, struct core_out *out)
{
    struct steward_release *r = steward_desk_release(s);

    for (uint32_t m = 0; m < s->config.charter->members_len; m++) {
        bool sign = m != s->self_member && (r->held & steward_bit(m)) == 0 &&
                    steward_can_append(s);

        if (!decision_fits(s, m) ||
            ((r->decisions & steward_bit(m)) != 0 && !sign)) {
            continue;
        }
        r->decisions |= steward_bit(m);
        if (sign) {
            sign_holding(s, m, out);
            r->held |= steward_bit(m);
        }
        steward_release_put(s, r, out);
        return true;
    }
    return false;
}

/* --- Conclusions --------------------------------------------------------- */

/* By approvals that can be shown: one that came while rows were read counts in
 * the next round, or the custodian would refuse for want of it. */
static bool policy_is_met(const struct steward *s,
                          const struct steward_release *r)
{
    uint64_t approvals = r->approvals & s->desk.approvals;
    const struct manifest *m = &s->desk.manifest;
    struct policy_votes votes = {.by_role = {0}};

    if (!s->desk.has_manifest) {
        return false;
    }
    for (uint32_t i = 0; i < s->config.charter->members_len; i++) {
        if ((approvals & steward_bit(i)) != 0) {
            votes.by_role[s->config.charter->members[i].card.role]++;
        }
    }
    return policy_holds(slice_of(m->policy, m->policy_size), &votes);
}

static bool is_open(const struct steward *s)
{
    uint32_t decided = 0;

    if (!s->desk.has_manifest) {
        return false;
    }
    for (uint32_t m = 0; m < s->config.charter->members_len; m++) {
        decided += decision_fits(s, m) ? 1U : 0U;
    }
    return decided >= s->desk.manifest.t;
}

static void conclude(struct steward *s, struct steward_release *r)
{
    const struct steward_desk *d = &s->desk;
    uint32_t self = s->self_member;
    enum steward_release_state before = r->state;
    bool was_open = r->open;

    r->open = r->open || is_open(s);
    if (r->state == STEWARD_RELEASE_KNOWN && policy_is_met(s, r)) {
        steward_release_move(r, STEWARD_RELEASE_APPROVED);
    }
    if (r->state < STEWARD_RELEASE_DECIDED && decision_fits(s, self)) {
        steward_release_move(r, STEWARD_RELEASE_DECIDED);
        r->decision = d->decision[self].hash;
    }
    if (r->state == STEWARD_RELEASE_DECIDED && d->holding_size > 0) {
        steward_release_move(r, STEWARD_RELEASE_HELD);
    }
    s->desk.dirty = d->dirty || r->state != before || r->open != was_open;
}

/* Has our custodian a part in that deposit? */
static bool has_part(const struct steward *s)
{
    const struct manifest *m = &s->desk.manifest;

    for (uint16_t i = 0; s->desk.has_manifest && !m->offline && i < m->n; i++) {
        if (digest_equal(&m->stewards[i], &s->config.self)) {
            return true;
        }
    }
    return false;
}

static void ask_decision(struct steward *s,
                         const struct steward_release *r,
                         struct core_out *out)
{
    const struct steward_desk *d = &s->desk;
    struct custody c = {.type = CUSTODY_RELEASE};

    c.u.release.request = slice_of(d->request, d->request_size);
    for (uint32_t m = 0; m < s->config.charter->members_len; m++) {
        if ((r->approvals & d->approvals & steward_bit(m)) != 0) {
            c.u.release.approvals[c.u.release.approvals_len++] =
                slice_of(d->approval[m].bytes, d->approval[m].size);
        }
    }
    s->custody.release = r->id;
    steward_custody_ask(s, &c, out);
}

static void ask_envelope(struct steward *s,
                         const struct steward_release *r,
                         struct core_out *out)
{
    const struct steward_desk *d = &s->desk;
    const struct custody c = {
        .type = CUSTODY_ENVELOPE,
        .u.envelope = {.release_id = r->id,
                       .holding = slice_of(d->holding, d->holding_size)},
    };

    s->custody.release = r->id;
    s->custody.decision = d->decision[s->self_member];
    steward_custody_ask(s, &c, out);
}

/* What the custodian is to do next, if anything. */
static void ask(struct steward *s,
                struct steward_release *r,
                struct core_out *out)
{
    bool decide = r->state == STEWARD_RELEASE_APPROVED && has_part(s);
    bool hand = r->state == STEWARD_RELEASE_HELD && s->desk.holding_size > 0;

    if ((!decide && !hand) || r->denied || r->stuck || !steward_can_append(s) ||
        steward_release_is_over(s, r)) {
        return;
    }
    if (!steward_custody_is_free(s) || s->mono_ms < s->custody.again_ms) {
        r->ask = true;
    } else if (decide) {
        ask_decision(s, r, out);
    } else {
        ask_envelope(s, r, out);
    }
}

/* --- Turns --------------------------------------------------------------- */

static bool is_next(const struct steward *s, const struct steward_release *r)
{
    return r->due || (r->ask && steward_custody_is_free(s) &&
                      s->mono_ms >= s->custody.again_ms);
}

bool steward_desk_has_work(const struct steward *s)
{
    if (s->desk.state != DESK_IDLE) {
        return s->desk.state == DESK_WORK;
    }
    for (uint32_t i = 0; i < s->releases_len; i++) {
        if (is_next(s, &s->releases[s->releases_order[i]])) {
            return true;
        }
    }
    return false;
}

/* Releases take turns. */
static void desk_next(struct steward *s, struct core_out *out)
{
    for (uint32_t i = 0; i < s->releases_len; i++) {
        uint32_t at = (s->release_turn + i) % s->releases_len;

        if (is_next(s, &s->releases[s->releases_order[at]])) {
            s->release_turn = at + 1;
            steward_desk_begin(s, s->releases_order[at], out);
            return;
        }
    }
}

void steward_desk_work(struct steward *s, struct core_out *out)
{
    struct steward_release *r;

    if (s->desk.state == DESK_IDLE) {
        desk_next(s, out);
        return;
    }
    assert(s->desk.state == DESK_WORK);
    r = steward_desk_release(s);
    if (take_approval(s, out) || take_decision(s, out)) {
        return;
    }
    conclude(s, r);
    if (s->desk.dirty) {
        steward_release_put(s, r, out);
    }
    ask(s, r, out);
    s->desk.state = DESK_IDLE;
}
