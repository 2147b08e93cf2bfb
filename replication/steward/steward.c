#include "replication/steward/steward.h"

#include <stdlib.h>

#include "crypto/secret.h"
#include "replication/keys.h"
#include "replication/steward/steward_custody.h"
#include "replication/steward/steward_deposits.h"
#include "replication/steward/steward_desk.h"
#include "replication/steward/steward_feeds.h"
#include "replication/steward/steward_links.h"
#include "replication/steward/steward_quotas.h"
#include "replication/steward/steward_releases.h"
#include "replication/steward/steward_rows.h"
#include "replication/steward/steward_shards.h"
#include "replication/steward/steward_state.h"
#include "replication/steward/steward_sync.h"
#include "replication/steward/steward_votes.h"

int steward_new(struct steward **out, const struct steward_config *config)
{
    const struct card *card = charter_steward(config->charter, &config->self);
    struct steward *s;

    if (card == NULL ||
        memcmp(card->node_pk, config->node.pk, SIGN_PK_SIZE) != 0) {
        return ERR_DENIED;
    }
    s = calloc(1, sizeof(*s));
    if (s == NULL) {
        return ERR_NOMEM;
    }
    s->node = secret_new(sizeof(*s->node));
    if (s->node == NULL) {
        free(s);
        return ERR_NOMEM;
    }
    *s->node = config->node;
    s->config = *config;
    sign_key_wipe(&s->config.node);
    s->next_id = 1;
    s->next_born = 1;
    s->self_member = steward_member_index(s, &config->self);
    for (size_t i = 0; i < CHARTER_MEMBERS_MAX; i++) {
        s->members[i].feed_tokens = STEWARD_FEED_BURST;
    }
    *out = s;
    return OK;
}

void steward_free(struct steward *s)
{
    if (s == NULL) {
        return;
    }
    for (size_t i = 0; i < STEWARD_LINKS_MAX; i++) {
        if (s->links[i].up) {
            steward_link_down(s, s->links[i].id);
        }
    }
    secret_free(s->node);
    free(s->deposits);
    free(s->deposits_order);
    free(s);
}

void steward_count(const struct steward *s, struct steward_counts *counts)
{
    *counts = (struct steward_counts){
        .feeds = s->feeds_len,
        .shards_filling = s->shards_filling,
        .shards_held = s->shards_held,
        .bytes_held = s->bytes_held,
        .bytes_reserved = s->bytes_reserved,
    };
    for (uint32_t i = 0; i < s->feeds_len; i++) {
        counts->entries += s->feeds[i].tip.seq;
    }
    for (size_t i = 0; i < STEWARD_LINKS_MAX; i++) {
        counts->links += s->links[i].up ? 1U : 0U;
    }
}

/* --- Start --------------------------------------------------------------- */

/* Rows are our own words. One that cannot be read is of a later version or of
 * a broken disk: going on without it could break a promise. */
static void start_tip(struct steward *s, const struct core_row *row)
{
    struct steward_feed got, *f;
    struct steward_member *m;
    int rv = steward_tip_read(&got, &s->config.net, row);

    assert(rv == OK);
    f = steward_feed_find(s, &got.tip.author, got.tip.incarnation);
    assert(f == NULL);
    f = steward_feed_add(s, &got.tip.author, got.tip.incarnation);
    assert(f != NULL);
    *f = got;
    m = steward_member_of(s, &got.tip.author);
    if (m != NULL) {
        m->feed_bytes += got.bytes;
    }
}

static struct steward_deposit *start_deposit(struct steward *s,
                                             const struct steward_deposit *got)
{
    uint32_t index = steward_deposit_find(s, &got->id);

    if (index == STEWARD_NONE) {
        index = steward_deposit_add(s, &got->id, &got->lab);
    }
    assert(index != STEWARD_NONE);
    assert(digest_equal(&s->deposits[index].lab, &got->lab));
    return &s->deposits[index];
}

static void start_shard(struct steward *s, const struct core_row *row)
{
    struct steward_deposit got, *d;
    int rv = steward_shard_read(&got, row);

    assert(rv == OK);
    d = start_deposit(s, &got);
    assert(!d->has_shard);
    got.has_manifest = d->has_manifest;
    got.incarnation = d->incarnation;
    got.seq = d->seq;
    got.manifest_hash = d->manifest_hash;
    got.has_share = d->has_share;
    got.share_incarnation = d->share_incarnation;
    got.share_seq = d->share_seq;
    *d = got;
    steward_deposit_count(s, d, 1);
}

static void start_manifest(struct steward *s, const struct core_row *row)
{
    struct steward_deposit got, *d;
    int rv = steward_manifest_read(&got, row);

    assert(rv == OK);
    d = start_deposit(s, &got);
    assert(!d->has_manifest);
    d->has_manifest = true;
    d->incarnation = got.incarnation;
    d->seq = got.seq;
    d->manifest_hash = got.manifest_hash;
}

static void start_share(struct steward *s, const struct core_row *row)
{
    struct steward_deposit got, *d;
    int rv = steward_share_read(&got, row);

    assert(rv == OK);
    d = start_deposit(s, &got);
    d->has_share = true;
    d->share_incarnation = got.share_incarnation;
    d->share_seq = got.share_seq;
}

static void on_start(struct steward *s, const struct core_event *ev)
{
    const struct steward_feed *f;

    assert(!s->started);
    for (size_t i = 0; i < ev->rows_len; i++) {
        const struct core_row *row = &ev->rows[i];

        switch (row->key.size > 0 ? row->key.data[0] : 0) {
        case KEY_TIP:
            start_tip(s, row);
            break;
        case KEY_SHARD:
            start_shard(s, row);
            break;
        case KEY_MANIFEST:
            start_manifest(s, row);
            break;
        case KEY_ACKNOWLEDGED:
            start_share(s, row);
            break;
        case KEY_RELEASE:
            steward_release_start(s, row);
            break;
        case KEY_WAITING:
            steward_waiting_start(s, row);
            break;
        default: /* Rows that are read when they are needed. */
            break;
        }
    }
    if (ev->status != 1) {
        return;
    }
    f = steward_feed_find(s, &s->config.self, s->config.incarnation);
    if (f == NULL) {
        f = steward_feed_add(s, &s->config.self, s->config.incarnation);
    }
    assert(f != NULL);
    s->own = (uint32_t)(f - s->feeds);
    s->expiry_ms = s->mono_ms;
    s->started = true;
}

/* --- Work ---------------------------------------------------------------- */

static bool link_has_work(const struct steward *s, const struct steward_link *l)
{
    return l->up &&
           (l->heads_due || l->state == LINK_APPLYING ||
            (l->state == LINK_IDLE && l->inbox != NULL) ||
            (l->state == LINK_WAITING && steward_custody_takes_deals(s)) ||
            (l->look && !l->wants) || l->proofs_due);
}

static void link_work(struct steward *s,
                      struct steward_link *l,
                      struct core_out *out)
{
    if (l->heads_due) {
        steward_heads_say(s, l, out);
    } else if (l->state == LINK_APPLYING) {
        steward_entries_apply(s, l, out);
    } else if ((l->state == LINK_IDLE && l->inbox != NULL) ||
               (l->state == LINK_WAITING && steward_custody_takes_deals(s))) {
        steward_inbox_first(s, l, out);
    } else if (l->look && !l->wants) {
        steward_want_next(s, l, out);
    } else if (l->proofs_due) {
        steward_proofs_say(s, l, out);
    }
}

/* Links take turns. */
static struct steward_link *link_next(struct steward *s)
{
    for (uint32_t i = 0; i < STEWARD_LINKS_MAX; i++) {
        uint32_t at = (s->turn + i) % STEWARD_LINKS_MAX;

        if (link_has_work(s, &s->links[at])) {
            s->turn = at + 1;
            return &s->links[at];
        }
    }
    return NULL;
}

/* One thing at a time. */
static void on_wake(struct steward *s, struct core_out *out)
{
    struct steward_link *l;

    steward_custody_wake(s);
    if (s->mono_ms >= s->expiry_ms) {
        steward_expire(s, out);
        return;
    }
    if (s->again_ms != 0 && s->mono_ms >= s->again_ms) {
        s->again_ms = 0;
        steward_wants_again(s);
    }
    if (steward_wants_expire(s, out) || steward_recipients_expire(s, out)) {
        return;
    }
    s->desk_next = !s->desk_next;
    if (s->desk_next && steward_desk_has_work(s)) {
        steward_desk_work(s, out);
        return;
    }
    l = link_next(s);
    if (l == NULL && steward_desk_has_work(s)) {
        steward_desk_work(s, out);
    } else if (l != NULL) {
        link_work(s, l, out);
    }
}

/* What was read for the first message of a link. */
static void on_link_rows(struct steward *s,
                         struct steward_link *l,
                         const struct core_event *ev,
                         struct core_out *out)
{
    int rv = message_decode(&s->in, slice_of(l->inbox->bytes, l->inbox->size));

    assert(rv == OK);
    switch (l->state) {
    case LINK_SERVING:
        steward_on_served(s, l, ev, out);
        break;
    case LINK_READING:
        steward_on_offer(s, l, ev, out);
        break;
    case LINK_DEALING:
        steward_on_deal(s, l, ev, out);
        break;
    case LINK_ENVELOPE:
        steward_on_envelope_want(s, l, ev, out);
        break;
    case LINK_IDLE:
    case LINK_CHECKING:
    case LINK_APPLYING:
    case LINK_COMPARING:
    case LINK_WAITING:
    case LINK_CUSTODY:
        assert(false); /* Nothing is read in those. */
        break;
    }
}

static void on_rows(struct steward *s,
                    const struct core_event *ev,
                    struct core_out *out)
{
    struct steward_link *l = NULL;

    if (steward_on_seal_rows(s, ev, out) || steward_on_desk_rows(s, ev, out) ||
        steward_on_client_rows(s, ev, out)) {
        return;
    }
    for (size_t i = 0; i < STEWARD_LINKS_MAX && l == NULL; i++) {
        if (s->links[i].up && s->links[i].busy_id == ev->id) {
            l = &s->links[i];
        }
    }
    if (l == NULL || ev->id == 0) {
        return; /* A link that went, or more than was needed. */
    }
    if (l->state == LINK_COMPARING) {
        steward_on_compared(s, l, ev, out);
    } else {
        on_link_rows(s, l, ev, out);
    }
}

static void on_checked(struct steward *s,
                       const struct core_event *ev,
                       struct core_out *out)
{
    for (size_t i = 0; i < STEWARD_LINKS_MAX; i++) {
        struct steward_link *l = &s->links[i];

        if (l->up && l->state == LINK_CHECKING && l->busy_id == ev->id) {
            if (steward_on_checked(s, l, ev->status, out)) {
                link_work(s, l, out);
            }
            return;
        }
    }
}

static void on_message(struct steward *s,
                       const struct core_event *ev,
                       struct core_out *out)
{
    struct steward_link *l = steward_link_find(s, ev->id);

    if (l != NULL && steward_link_take(s, l, ev->bytes, out) &&
        link_has_work(s, l)) {
        link_work(s, l, out);
    }
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static bool release_waits(const struct steward *s)
{
    bool waits = false;

    for (uint32_t i = 0; i < s->releases_len && !waits; i++) {
        waits = s->releases[s->releases_order[i]].ask;
    }
    return waits && steward_custody_is_free(s);
}

static uint64_t wake_of(struct steward *s)
{
    uint64_t at = earlier(s->expiry_ms, steward_recipients_until(s));

    if (steward_desk_has_work(s)) {
        return s->mono_ms + (s->mono_ms == 0 ? 1 : 0);
    }
    if (s->again_ms != 0) {
        at = earlier(at, s->again_ms);
    }
    if (release_waits(s)) {
        at = earlier(at, s->custody.again_ms);
    }
    at = earlier(at, steward_custody_until(s));

    for (size_t i = 0; i < STEWARD_LINKS_MAX; i++) {
        const struct steward_link *l = &s->links[i];

        if (link_has_work(s, l)) {
            return s->mono_ms + (s->mono_ms == 0 ? 1 : 0);
        }
        if (l->up && l->wants && l->inbox == NULL) {
            at = earlier(at, l->want_until_ms);
        }
    }
    if (s->seals_due > 0) {
        at = earlier(at, s->mono_ms + STEWARD_SEAL_AGAIN_MS);
    }
    return at > 0 ? at : 1;
}

void steward_step(struct steward *s,
                  const struct core_event *ev,
                  struct core_out *out)
{
    s->mono_ms = ev->mono_ms;
    s->wall_ms = ev->wall_ms;
    s->costly = false;
    assert((ev->type == EV_START) != s->started);
    switch (ev->type) {
    case EV_START:
        on_start(s, ev);
        break;
    case EV_WAKE:
        on_wake(s, out);
        break;
    case EV_LINK:
        if (ev->status == OK) {
            steward_link_up(s, ev, out);
        } else {
            steward_link_down(s, ev->id);
        }
        break;
    case EV_MSG:
        on_message(s, ev, out);
        break;
    case EV_CHECKED:
        on_checked(s, ev, out);
        break;
    case EV_ROWS:
        on_rows(s, ev, out);
        break;
    case EV_JOB:
        steward_on_job(s, ev, out);
        break;
    case EV_CLIENT:
        steward_on_client(s, ev, out);
        break;
    case EV_CUSTODY:
        steward_on_custody(s, ev, out);
        break;
    }
    if (s->started) {
        steward_seals_start(s, out);
        out->wake_ms = wake_of(s);
    }
}
