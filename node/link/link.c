#include "node/link/link.h"

#include <sodium.h>
#include <stdlib.h>

#include "node/link/link_state.h"

/* The edges of the diagram in link.h; every state may end. */
static const unsigned link_allowed[LINK_STATE_COUNT] = {
    [LINK_RESOLVING] = BIT(LINK_CONNECTING) | BIT(LINK_CLOSED),
    [LINK_CONNECTING] = BIT(LINK_SHAKING) | BIT(LINK_CLOSED),
    [LINK_SHAKING] = BIT(LINK_UP) | BIT(LINK_CLOSED),
    [LINK_UP] = BIT(LINK_LINGERING) | BIT(LINK_CLOSED),
    [LINK_LINGERING] = BIT(LINK_CLOSED),
};

void link_move(struct link *l, enum link_state next)
{
    struct link_host *h = l->host;

    assert((link_allowed[l->state] & BIT(next)) != 0);
    if (l->state == LINK_SHAKING && !l->dialled) {
        h->half_open--;
    }
    l->state = next;
    if (l->state == LINK_SHAKING && !l->dialled) {
        h->half_open++;
    }
}

/* --- Timer --------------------------------------------------------------- */

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t next_deadline(const struct link *l)
{
    const struct link_limits *limits = &l->host->config.limits;
    const struct link_session *s = l->session;
    uint64_t at;

    if (l->state != LINK_UP) {
        return l->deadline_ms;
    }
    at = min_u64(s->up_ms + limits->session_ms, s->sent_ms + limits->idle_ms);
    if (!s->paused) {
        at = min_u64(at, s->received_ms + limits->silence_ms);
    }
    return at;
}

/* Of a link that is up. The times only move on as bytes come and go, so the
 * timer is set again when it fires, and not with each record. */
static void link_check_session(struct link *l, uint64_t now)
{
    const struct link_limits *limits = &l->host->config.limits;
    struct link_session *s = l->session;

    if (now >= s->up_ms + limits->session_ms) {
        link_end(l, OK, FRAME_REASON_LIFETIME, "the session is used up");
    } else if (!s->paused && now >= s->received_ms + limits->silence_ms) {
        link_drop(l, ERR_IO, "silent for %u s", limits->silence_ms / 1000);
    } else if (now >= s->sent_ms + limits->idle_ms) {
        s->sent_ms = now;
        link_send_keepalive(l);
    }
}

static void link_on_timer(uv_timer_t *timer);

static void timer_restart(struct link *l, uint64_t ms)
{
    (void)uv_timer_start(&l->timer, link_on_timer, ms, 0);
}

static void link_on_timer(uv_timer_t *timer)
{
    static const char *const doing[LINK_STATE_COUNT] = {
        [LINK_RESOLVING] = "look up the name",
        [LINK_CONNECTING] = "connect",
        [LINK_SHAKING] = "shake hands",
    };
    struct link *l = timer->data;

    /* A loop that was held up runs its timers first: what has arrived in the
     * meantime is read before we judge. */
    if (!l->is_late) {
        l->is_late = true;
        timer_restart(l, 1);
        return;
    }
    switch (l->state) {
    case LINK_RESOLVING:
    case LINK_CONNECTING:
    case LINK_SHAKING:
        link_drop(l, ERR_IO, "%s: no answer in time", doing[l->state]);
        break;
    case LINK_UP:
        link_check_session(l, uv_now(timer->loop));
        break;
    case LINK_LINGERING:
        link_drop(l, OK, "over");
        break;
    case LINK_CLOSED:
    case LINK_STATE_COUNT:
        break;
    }
    if (l->state == LINK_UP) {
        link_timer_set(l);
    }
}

void link_timer_set(struct link *l)
{
    uint64_t now = uv_now(l->host->config.loop), at = next_deadline(l);

    l->is_late = false;
    timer_restart(l, at > now ? at - now : 0);
}

void link_timer_start(struct link *l, uint32_t ms)
{
    /* The loop's clock stands still outside of it, before it is run too. */
    uv_update_time(l->host->config.loop);
    l->deadline_ms = uv_now(l->host->config.loop) + ms;
    link_timer_set(l);
}

/* --- Life ---------------------------------------------------------------- */

int link_new(struct link_host *h, bool dialled, struct link **out)
{
    size_t *count = dialled ? &h->dialled : &h->inbound;
    struct link *l;

    if (*count >= (dialled ? h->config.limits.dialled_max
                           : h->config.limits.inbound_max)) {
        return ERR_FULL;
    }
    l = calloc(1, sizeof(*l));
    if (l == NULL) {
        return ERR_NOMEM;
    }
    (*count)++;
    l->host = h;
    l->dialled = dialled;
    l->state = dialled ? LINK_RESOLVING : LINK_CONNECTING;
    l->next = h->links;
    if (h->links != NULL) {
        h->links->prev = l;
    }
    h->links = l;
    (void)uv_timer_init(h->config.loop, &l->timer);
    l->timer.data = l;
    l->tcp.data = l;
    l->pending = 1;
    *out = l;
    return OK;
}

static void session_free(struct link *l)
{
    struct link_session *s = l->session;

    if (s == NULL) {
        return;
    }
    assert(s->writing == 0);
    link_buf_free(l->host, s->tail);
    noise_transport_wipe(&s->noise);
    sodium_memzero(s->in, sizeof(s->in));
    if (s->parts != NULL) {
        sodium_memzero(s->parts, LINK_MESSAGE_MAX);
        free(s->parts);
    }
    free(s);
}

static void link_free_if_done(struct link *l)
{
    if (l->pending > 0 || l->down_due) {
        return;
    }
    assert(l->state == LINK_CLOSED);
    session_free(l);
    link_host_forget(l->host, l);
    free(l);
}

void link_release(struct link *l)
{
    assert(l->pending > 0);
    l->pending--;
    link_free_if_done(l);
}

static void link_on_timer_closed(uv_handle_t *handle)
{
    link_release(handle->data);
}

void link_timer_close(struct link *l)
{
    uv_close((uv_handle_t *)&l->timer, link_on_timer_closed);
}

static void link_on_tcp_closed(uv_handle_t *handle)
{
    struct link *l = handle->data;

    if (l->state == LINK_CONNECTING) {
        link_connect_next(l);
    }
    link_release(l);
}

void link_tcp_close(struct link *l)
{
    assert(l->tcp_is_open);
    l->tcp_is_open = false;
    uv_close((uv_handle_t *)&l->tcp, link_on_tcp_closed);
}

/* --- The owner's --------------------------------------------------------- */

void link_work(struct link *l)
{
    const struct link_calls *calls = &l->host->config.calls;

    if (l->receive_due) {
        l->receive_due = false;
        link_receive_go(l);
    }
    if (l->flush_due) {
        l->flush_due = false;
        if (l->state == LINK_UP) {
            link_send_flush(l);
        }
    }
    if (l->down_due) {
        calls->on_down(l->host->config.arg, l, l->status, l->text);
        l->owed = false;
        l->down_due = false;
        link_free_if_done(l);
    }
}

void link_set_user(struct link *l, void *user)
{
    l->user = user;
}

void *link_user(const struct link *l)
{
    return l->user;
}

bool link_is_up(const struct link *l)
{
    return l->state == LINK_UP;
}

bool link_is_dialled(const struct link *l)
{
    return l->dialled;
}

const char *link_address(const struct link *l)
{
    return l->address;
}

const uint8_t *link_psk_id(const struct link *l)
{
    return l->psk_id;
}

const uint8_t *link_remote(const struct link *l)
{
    return l->remote;
}

const struct digest *link_binding(const struct link *l)
{
    assert(l->session != NULL);
    return &l->session->noise.binding;
}

uint16_t link_reason(const struct link *l)
{
    return l->reason;
}
