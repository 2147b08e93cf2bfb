#include "replication/keys.h"
#include "replication/steward/steward_deposits.h"
#include "replication/steward/steward_desk.h"
#include "replication/steward/steward_releases.h"
#include "replication/steward/steward_rows.h"
#include "replication/steward/steward_state.h"

/* A release's rows, in the order of the states of the desk: the request, the
 * manifest that it is about, approvals, decisions, and what holds ours. */

struct steward_release *steward_desk_release(struct steward *s)
{
    assert(s->desk.state != DESK_IDLE);
    return &s->releases[s->desk.release];
}

static void desk_read(struct steward *s,
                      enum steward_desk_state state,
                      const struct key *prefix,
                      struct core_out *out)
{
    s->desk.state = state;
    s->desk.read = s->next_id++;
    core_act(out, ACT_READ, s->desk.read, key_slice(prefix));
}

void steward_desk_begin(struct steward *s, uint32_t slot, struct core_out *out)
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
    struct key key = key_approvals(&steward_desk_release(s)->id);

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
        steward_release_trouble(steward_desk_release(s),
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
    struct steward_release *r = steward_desk_release(s);
    struct steward_desk *d = &s->desk;
    const struct manifest *m = &d->manifest;
    struct feed_entry e;
    int rv = feed_entry_decode(&e, value);

    assert(rv == OK);
    rv = manifest_decode(&d->manifest, &e.header.author, e.payload);
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
    struct key key = key_decisions(&steward_desk_release(s)->id);

    for (size_t i = 0; i < ev->rows_len; i++) {
        struct slice value = ev->rows[i].value;
        uint32_t m = row_member(s, &ev->rows[i], KEY_APPROVAL);

        if (m == STEWARD_NONE) {
            continue;
        }
        assert(value.size <= sizeof(d->approval[m].bytes));
        memcpy(d->approval[m].bytes, value.data, value.size);
        d->approval[m].size = value.size;
        d->approvals |= steward_bit(m);
    }
    if (ev->status == 1) {
        desk_read(s, DESK_DECISIONS, &key, out);
    }
}

static void on_decision_rows(struct steward *s,
                             const struct core_event *ev,
                             struct core_out *out)
{
    struct steward_release *r = steward_desk_release(s);
    struct steward_desk *d = &s->desk;
    struct key key;

    for (size_t i = 0; i < ev->rows_len; i++) {
        uint32_t m = row_member(s, &ev->rows[i], KEY_DECISION);
        int rv = m != STEWARD_NONE
                     ? steward_decision_read(&d->decision[m], ev->rows[i].value)
                     : ERR_NOTFOUND;

        assert(m == STEWARD_NONE || rv == OK);
        if (rv == OK) {
            d->decisions |= steward_bit(m);
        }
    }
    if (ev->status != 1) {
        return;
    }
    d->state = DESK_WORK;
    if ((d->decisions & steward_bit(s->self_member)) != 0 &&
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
    const struct steward_release *r = steward_desk_release(s);
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
