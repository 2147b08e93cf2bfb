#include "replication/steward_internal.h"

/* One release at a time: its rows are read in the order of the states, then
 * each turn takes one thing. What comes in meanwhile makes it due again. */

static uint64_t bit_of(uint32_t member)
{
    return (uint64_t)1 << member;
}

static struct steward_release *desk_release(struct steward *s)
{
    assert(s->desk.state != DESK_IDLE);
    return &s->releases[s->desk.release];
}

/* --- Reading ------------------------------------------------------------- */

static void desk_read(struct steward *s,
                      enum steward_desk_state state,
                      const struct key *prefix,
                      struct core_out *out)
{
    s->desk.state = state;
    s->desk.read = s->next_id++;
    core_act(out, ACT_READ, s->desk.read, key_slice(prefix));
}

static void desk_begin(struct steward *s, uint32_t slot, struct core_out *out)
{
    struct steward_release *r = &s->releases[slot];
    struct steward_desk *d = &s->desk;
    struct key key = key_request(&r->id);

    d->asks = r->ask;
    r->due = false;
    r->ask = false;
    d->release = slot;
    d->dirty = false;
    d->has_manifest = false;
    d->approvals = 0;
    d->tried = 0;
    d->decisions = 0;
    d->holding_size = 0;
    desk_read(s, DESK_REQUEST, &key, out);
}

static void read_approvals(struct steward *s, struct core_out *out)
{
    struct key key = key_approvals(&desk_release(s)->id);

    desk_read(s, DESK_APPROVALS, &key, out);
}

/* Where the manifest is, when it is the one that was asked about. */
static const struct steward_deposit *manifest_place(
    struct steward *s,
    const struct release_request *request)
{
    uint32_t index = steward_deposit_find(s, &request->deposit_id);
    const struct steward_deposit *d;

    if (index == STEWARD_NONE || !s->deposits[index].has_manifest) {
        return NULL;
    }
    d = &s->deposits[index];
    if (!digest_equal(&d->manifest_hash, &request->manifest_hash)) {
        steward_release_trouble(desk_release(s),
                                "the request names another manifest than the "
                                "one that this steward has of that deposit");
        return NULL;
    }
    return d;
}

static void on_request_row(struct steward *s,
                           struct slice value,
                           struct core_out *out)
{
    struct steward_desk *d = &s->desk;
    const struct steward_deposit *place;
    int rv = release_request_decode(&d->decoded, value);
    struct key key;

    assert(rv == OK);
    memcpy(d->request, value.data, value.size);
    d->request_size = value.size;
    place = manifest_place(s, &d->decoded);
    if (place != NULL) {
        key = key_entry(&place->lab, place->incarnation, place->seq);
        desk_read(s, DESK_MANIFEST, &key, out);
    } else {
        read_approvals(s, out);
    }
}

static void on_manifest_row(struct steward *s,
                            struct slice value,
                            struct core_out *out)
{
    struct steward_release *r = desk_release(s);
    struct steward_desk *d = &s->desk;
    const struct manifest *m = &d->manifest;
    struct feed_entry e;
    int rv = feed_entry_decode(&e, value);

    assert(rv == OK);
    rv = manifest_decode(&d->manifest, e.payload);
    assert(rv == OK);
    if (strcmp(m->label, d->decoded.label) != 0 ||
        m->share_epoch != d->decoded.share_epoch) {
        steward_release_trouble(r, "the request has another label or epoch "
                                   "than the manifest of its deposit");
    } else {
        d->has_manifest = true;
        policy_describe(slice_of(m->policy, m->policy_size), r->policy,
                        sizeof(r->policy));
    }
    read_approvals(s, out);
}

/* The member that a row of the release is about, or STEWARD_NONE. */
static uint32_t row_member(const struct steward *s,
                           const struct core_row *row,
                           enum key_kind kind)
{
    struct digest release, member;

    if (key_vote_parse(row->key, kind, &release, &member) != OK ||
        !digest_equal(&release, &s->releases[s->desk.release].id)) {
        return STEWARD_NONE;
    }
    return steward_member_index(s, &member);
}

static void on_approval_rows(struct steward *s,
                             const struct core_event *ev,
                             struct core_out *out)
{
    struct steward_desk *d = &s->desk;
    struct key key = key_decisions(&desk_release(s)->id);

    for (size_t i = 0; i < ev->rows_len; i++) {
        struct slice value = ev->rows[i].value;
        uint32_t m = row_member(s, &ev->rows[i], KEY_APPROVAL);

        if (m == STEWARD_NONE) {
            continue;
        }
        assert(value.size <= sizeof(d->approval[m].bytes));
        memcpy(d->approval[m].bytes, value.data, value.size);
        d->approval[m].size = value.size;
        d->approvals |= bit_of(m);
    }
    if (ev->status == 1) {
        desk_read(s, DESK_DECISIONS, &key, out);
    }
}

static void on_decision_rows(struct steward *s,
                             const struct core_event *ev,
                             struct core_out *out)
{
    struct steward_release *r = desk_release(s);
    struct steward_desk *d = &s->desk;
    struct key key;

    for (size_t i = 0; i < ev->rows_len; i++) {
        uint32_t m = row_member(s, &ev->rows[i], KEY_DECISION);
        int rv = m != STEWARD_NONE
                     ? steward_decision_read(&d->decision[m], ev->rows[i].value)
                     : ERR_NOTFOUND;

        assert(m == STEWARD_NONE || rv == OK);
        if (rv == OK) {
            d->decisions |= bit_of(m);
        }
    }
    if (ev->status != 1) {
        return;
    }
    d->state = DESK_WORK;
    if ((d->decisions & bit_of(s->self_member)) != 0 &&
        r->state != STEWARD_RELEASE_READY) {
        key = key_holding(&d->decision[s->self_member].hash);
        desk_read(s, DESK_HOLDING, &key, out);
    }
}

/* A row that the machine wrote itself, and that is never removed while the
 * release is known. */
static const struct core_row *row_of(struct steward *s,
                                     const struct core_event *ev)
{
    const struct steward_release *r = desk_release(s);
    uint32_t index;
    struct key key;

    if (s->desk.state == DESK_HOLDING) {
        key = key_holding(&s->desk.decision[s->self_member].hash);
    } else if (s->desk.state == DESK_REQUEST) {
        key = key_request(&r->id);
    } else {
        index = steward_deposit_find(s, &r->deposit_id);
        assert(index != STEWARD_NONE);
        key = key_entry(&s->deposits[index].lab, s->deposits[index].incarnation,
                        s->deposits[index].seq);
    }
    return steward_row_find(ev, &key);
}

static void on_one_row(struct steward *s,
                       const struct core_event *ev,
                       struct core_out *out)
{
    struct steward_desk *d = &s->desk;
    const struct core_row *row = row_of(s, ev);

    if (row == NULL && ev->status != 1) {
        return;
    }
    if (d->state == DESK_HOLDING) {
        if (row != NULL && row->value.size <= sizeof(d->holding)) {
            memcpy(d->holding, row->value.data, row->value.size);
            d->holding_size = row->value.size;
        }
        d->state = DESK_WORK;
        return;
    }
    assert(row != NULL);
    if (d->state == DESK_REQUEST) {
        on_request_row(s, row->value, out);
    } else {
        on_manifest_row(s, row->value, out);
    }
}

bool steward_on_desk_rows(struct steward *s,
                          const struct core_event *ev,
                          struct core_out *out)
{
    struct steward_desk *d = &s->desk;

    if (d->state == DESK_IDLE || d->state == DESK_WORK || ev->id != d->read) {
        return false;
    }
    switch (d->state) {
    case DESK_REQUEST:
    case DESK_MANIFEST:
    case DESK_HOLDING:
        on_one_row(s, ev, out);
        break;
    case DESK_APPROVALS:
        on_approval_rows(s, ev, out);
        break;
    case DESK_DECISIONS:
        on_decision_rows(s, ev, out);
        break;
    case DESK_IDLE:
    case DESK_WORK:
        break;
    }
    return true;
}

/* --- Approvals ----------------------------------------------------------- */

/* The next approval that nobody has looked at; false: there is none. */
static bool take_approval(struct steward *s, struct core_out *out)
{
    struct steward_release *r = desk_release(s);
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
    d->tried |= bit_of(m);
    sshsig = slice_of(d->approval[m].bytes, d->approval[m].size);
    if (steward_approval_holds(s, slice_of(d->request, d->request_size), sshsig,
                               m)) {
        /* The row may have become another one since it was read. */
        key = key_approval(&r->id, &s->config.charter->members[m].card.id);
        core_put(out, key_slice(&key), sshsig);
        r->approvals |= bit_of(m);
        r->stuck = false;
        d->dirty = true;
    } else if (!r->due) {
        r->junk |= bit_of(m);
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

    return (d->decisions & bit_of(m)) != 0 &&
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
    struct steward_release *r = desk_release(s);

    for (uint32_t m = 0; m < s->config.charter->members_len; m++) {
        bool sign = m != s->self_member && (r->held & bit_of(m)) == 0 &&
                    steward_can_append(s);

        if (!decision_fits(s, m) ||
            ((r->decisions & bit_of(m)) != 0 && !sign)) {
            continue;
        }
        r->decisions |= bit_of(m);
        if (sign) {
            sign_holding(s, m, out);
            r->held |= bit_of(m);
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
        if ((approvals & bit_of(i)) != 0) {
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
        if ((r->approvals & d->approvals & bit_of(m)) != 0) {
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
            desk_begin(s, s->releases_order[at], out);
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
    r = desk_release(s);
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
