#include "replication/steward/steward_releases.h"

#include "protocol/custody.h"
#include "replication/keys.h"
#include "replication/steward/steward_rows.h"
#include "replication/steward/steward_state.h"

uint32_t steward_member_index(const struct steward *s, const struct digest *id)
{
    const struct charter *c = s->config.charter;

    for (uint32_t i = 0; i < c->members_len; i++) {
        if (digest_equal(&c->members[i].card.id, id)) {
            return i;
        }
    }
    return STEWARD_NONE;
}

/* --- The table ----------------------------------------------------------- */

/* Where |id| stands in the order, or would. */
static uint32_t place_of(const struct steward *s, const struct digest *id)
{
    uint32_t lo = 0, hi = s->releases_len;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        const struct steward_release *r = &s->releases[s->releases_order[mid]];

        if (memcmp(r->id.bytes, id->bytes, DIGEST_SIZE) < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

struct steward_release *steward_release_find(struct steward *s,
                                             const struct digest *id)
{
    uint32_t at = place_of(s, id);
    struct steward_release *r;

    if (at == s->releases_len) {
        return NULL;
    }
    r = &s->releases[s->releases_order[at]];
    return digest_equal(&r->id, id) ? r : NULL;
}

bool steward_release_is_over(const struct steward *s,
                             const struct steward_release *r)
{
    return s->wall_ms / 1000 > r->not_after_s + STEWARD_DAY_S;
}

/* Put it into the order, whose last place is free. */
static void order_add(struct steward *s, uint32_t slot)
{
    uint32_t at = place_of(s, &s->releases[slot].id);

    memmove(&s->releases_order[at + 1], &s->releases_order[at],
            (s->releases_len - at) * sizeof(s->releases_order[0]));
    s->releases_order[at] = slot;
    s->releases_len++;
}

static void order_remove(struct steward *s, uint32_t slot)
{
    uint32_t at = place_of(s, &s->releases[slot].id);

    assert(at < s->releases_len && s->releases_order[at] == slot);
    s->releases_len--;
    memmove(&s->releases_order[at], &s->releases_order[at + 1],
            (s->releases_len - at) * sizeof(s->releases_order[0]));
}

/* May it be forgotten? What is at the custodian will be answered. */
static bool is_forgettable(const struct steward *s,
                           const struct steward_release *r)
{
    return steward_release_is_over(s, r) &&
           !(s->custody.id != 0 && s->custody.asked != CUSTODY_DEAL &&
             digest_equal(&s->custody.release, &r->id));
}

/* Votes on it, which stay entries of their feeds. */
static void votes_forget(const struct steward *s,
                         const struct steward_release *r,
                         struct core_out *out)
{
    const struct charter *c = s->config.charter;
    struct key holding = key_holding(&r->decision);

    for (uint32_t i = 0; i < c->members_len; i++) {
        struct key approval = key_approval(&r->id, &c->members[i].card.id);
        struct key decision = key_decision(&r->id, &c->members[i].card.id);

        core_remove(out, key_slice(&approval));
        core_remove(out, key_slice(&decision));
    }
    if (!digest_is_zero(&r->decision)) {
        core_remove(out, key_slice(&holding));
    }
}

/* Forget it, and that it was known. */
static void release_forget(struct steward *s,
                           uint32_t slot,
                           struct core_out *out)
{
    const struct digest *id = &s->releases[slot].id;
    struct key release = key_release(id), request = key_request(id);
    struct key envelope = key_envelope(id);

    core_remove(out, key_slice(&release));
    core_remove(out, key_slice(&request));
    core_remove(out, key_slice(&envelope));
    votes_forget(s, &s->releases[slot], out);
    order_remove(s, slot);
    if (s->desk.state != DESK_IDLE && s->desk.release == slot) {
        s->desk.state = DESK_IDLE;
    }
}

/* A slot for a request of |author|: each steward has its part of the table,
 * and one of its own that is over, the oldest, makes room for a new one. */
static uint32_t slot_for(struct steward *s,
                         uint32_t author,
                         struct core_out *out)
{
    uint32_t part = STEWARD_RELEASES_MAX / s->config.charter->stewards;
    uint32_t same = 0, oldest = STEWARD_NONE;

    for (uint32_t i = 0; i < s->releases_len; i++) {
        uint32_t slot = s->releases_order[i];
        const struct steward_release *r = &s->releases[slot];

        if (r->author != author) {
            continue;
        }
        same++;
        if (is_forgettable(s, r) &&
            (oldest == STEWARD_NONE ||
             r->not_after_s < s->releases[oldest].not_after_s)) {
            oldest = slot;
        }
    }
    if (same < part && s->releases_len < STEWARD_RELEASES_MAX) {
        return s->releases_len;
    }
    if (oldest != STEWARD_NONE) {
        release_forget(s, oldest, out);
    }
    return oldest;
}

struct steward_release *steward_release_add(struct steward *s,
                                            uint32_t author,
                                            const struct digest *id,
                                            const struct release_request *r,
                                            struct slice request,
                                            struct core_out *out)
{
    uint32_t slot = slot_for(s, author, out);
    struct key key = key_request(id);
    struct steward_release *got;

    if (slot == STEWARD_NONE) {
        return NULL;
    }
    got = &s->releases[slot];
    *got = (struct steward_release){
        .id = *id,
        .deposit_id = r->deposit_id,
        .manifest_hash = r->manifest_hash,
        .author = author,
        .state = STEWARD_RELEASE_KNOWN,
        .not_after_s = r->not_after_s,
        .due = true,
    };
    memcpy(got->transport_pk, r->transport_pk, sizeof(got->transport_pk));
    order_add(s, slot);
    core_put(out, key_slice(&key), request);
    steward_release_put(s, got, out);
    return got;
}

void steward_release_start(struct steward *s, const struct core_row *row)
{
    struct steward_release got;
    int rv = steward_release_read(s, &got, row);

    if (rv == ERR_MISMATCH) {
        return; /* No custodian decides on requests of another charter. */
    }
    assert(rv == OK && s->releases_len < STEWARD_RELEASES_MAX);
    assert(steward_release_find(s, &got.id) == NULL);
    got.due = got.state != STEWARD_RELEASE_READY || !got.open;
    s->releases[s->releases_len] = got;
    order_add(s, s->releases_len);
}

void steward_release_move(struct steward_release *r,
                          enum steward_release_state next)
{
    /* A decision of ours may be found in our own feed. */
    static const unsigned allowed[] = {
        [STEWARD_RELEASE_KNOWN] =
            BIT(STEWARD_RELEASE_APPROVED) | BIT(STEWARD_RELEASE_DECIDED),
        [STEWARD_RELEASE_APPROVED] = BIT(STEWARD_RELEASE_DECIDED),
        [STEWARD_RELEASE_DECIDED] = BIT(STEWARD_RELEASE_HELD),
        [STEWARD_RELEASE_HELD] = BIT(STEWARD_RELEASE_READY),
        [STEWARD_RELEASE_READY] = 0,
    };

    assert((allowed[r->state] & BIT(next)) != 0);
    r->state = next;
}

void steward_release_touch(struct steward *s, const struct digest *deposit_id)
{
    for (uint32_t i = 0; i < s->releases_len; i++) {
        struct steward_release *r = &s->releases[s->releases_order[i]];

        if (digest_equal(&r->deposit_id, deposit_id)) {
            r->due = true;
            r->stuck = false;
        }
    }
}

void steward_release_trouble(struct steward_release *r, const char *text)
{
    size_t size = strlen(text);

    assert(size <= MESSAGE_TEXT_MAX);
    memcpy(r->trouble, text, size + 1);
}

/* --- For displays -------------------------------------------------------- */

size_t steward_releases(const struct steward *s)
{
    return s->releases_len;
}

void steward_release_info(const struct steward *s,
                          size_t i,
                          struct steward_release_info *info)
{
    const struct steward_release *r;

    assert(i < s->releases_len);
    r = &s->releases[s->releases_order[i]];
    *info = (struct steward_release_info){
        .id = r->id,
        .deposit_id = r->deposit_id,
        .state = r->state,
        .denied = r->denied,
        .expired = steward_release_is_over(s, r),
        .not_after_s = r->not_after_s,
        .approvals = r->approvals,
        .decisions = r->decisions,
        .open = r->open,
    };
    memcpy(info->transport_pk, r->transport_pk, sizeof(info->transport_pk));
    memcpy(info->trouble, r->trouble, sizeof(info->trouble));
}

size_t steward_deposits(const struct steward *s)
{
    return s->deposits_len;
}

void steward_deposit_info(const struct steward *s,
                          size_t i,
                          struct steward_deposit_info *info)
{
    const struct steward_deposit *d;

    assert(i < s->deposits_len);
    d = &s->deposits[s->deposits_order[i]];
    *info = (struct steward_deposit_info){
        .id = d->id,
        .lab = d->lab,
        .has_manifest = d->has_manifest,
        .incarnation = d->incarnation,
        .seq = d->seq,
        .manifest_hash = d->manifest_hash,
        .has_shard = d->has_shard,
        .has_share = d->has_share,
    };
    if (d->has_shard) {
        info->state = d->state;
        info->index = d->index;
        info->leaves = d->leaves;
        info->size = d->promised ? d->size : 0;
    }
}
