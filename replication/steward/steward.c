#include "replication/steward/steward.h"

#include <stdlib.h>

#include "crypto/secret.h"
#include "replication/steward/steward_custody.h"
#include "replication/steward/steward_desk.h"
#include "replication/steward/steward_feeds.h"
#include "replication/steward/steward_links.h"
#include "replication/steward/steward_releases.h"
#include "replication/steward/steward_shards.h"
#include "replication/steward/steward_state.h"
#include "replication/steward/steward_sync.h"

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
    if (s->relay.due_ms != 0 && s->mono_ms >= s->relay.due_ms) {
        steward_relay_say(s, out);
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
    if (s->relay.due_ms != 0) {
        at = earlier(at, s->relay.due_ms);
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
        steward_start(s, ev);
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
