#include <stdlib.h>

#include "node/daemon/daemon_state.h"

/* Pauses between attempts, doubled each time, of which half to all is taken,
 * so that stewards that lost the same network do not come back in step. */
#define DIAL_MIN_MS 500U
#define DIAL_MAX_MS 300000U
/* A link that lasted so long was a good one. */
#define DIAL_GOOD_MS 60000U

static uint64_t dial_pause(struct daemon *d, unsigned failures)
{
    uint64_t pause = DIAL_MAX_MS;

    if (failures < 16 && ((uint64_t)DIAL_MIN_MS << failures) < pause) {
        pause = (uint64_t)DIAL_MIN_MS << failures;
    }
    return pause / 2 + rng_below(&d->rng, pause / 2 + 1);
}

static bool member_wants(const struct daemon *d, uint32_t i)
{
    return i != d->self && d->charter->members[i].card.role == CARD_STEWARD &&
           d->charter->members[i].card.addresses_len > 0 &&
           d->members[i].links == 0 && d->members[i].dialling == NULL;
}

static void member_dial(struct daemon *d, uint32_t i)
{
    struct daemon_member *m = &d->members[i];
    const struct card *card = &d->charter->members[i].card;
    const char *address = card->addresses[m->failures % card->addresses_len];
    struct daemon_link *l = calloc(1, sizeof(*l));
    int rv = ERR_NOMEM;

    if (l != NULL) {
        l->daemon = d;
        l->member = i;
        l->dialled = true;
        rv = link_dial(d->host, address, d->config->self->psk, l, &l->link);
    }
    if (rv != OK) {
        free(l);
        m->dial_ms = uv_now(&d->loop) + dial_pause(d, m->failures++);
        return;
    }
    l->next = d->links;
    d->links = l;
    m->dialling = l;
}

static void on_timer(uv_timer_t *timer)
{
    daemon_dial_turn(timer->data);
}

void daemon_dial_turn(struct daemon *d)
{
    uint64_t now = uv_now(&d->loop);
    uint64_t next = UINT64_MAX;

    if (d->stopping || d->host == NULL) {
        return;
    }
    for (uint32_t i = 0; i < d->charter->members_len; i++) {
        if (member_wants(d, i) && d->members[i].dial_ms <= now) {
            member_dial(d, i);
        }
        if (member_wants(d, i) && d->members[i].dial_ms < next) {
            next = d->members[i].dial_ms;
        }
    }
    (void)uv_timer_stop(&d->dial_timer);
    if (next != UINT64_MAX) {
        (void)uv_timer_start(&d->dial_timer, on_timer,
                             next > now ? next - now : 0, 0);
    }
}

void daemon_dial_start(struct daemon *d)
{
    uint64_t now = uv_now(&d->loop);

    for (uint32_t i = 0; i < d->charter->members_len; i++) {
        d->members[i].dial_ms = now + dial_pause(d, 0);
    }
    daemon_dial_turn(d);
}

void daemon_dial_down(struct daemon *d,
                      struct daemon_link *l,
                      int status,
                      const char *text)
{
    struct daemon_member *m = &d->members[l->member];
    uint64_t now = uv_now(&d->loop);
    bool was_up = l->up_ms != 0;

    assert(m->dialling == l);
    m->dialling = NULL;
    if (was_up && now - l->up_ms >= DIAL_GOOD_MS) {
        m->failures = 0;
    } else {
        m->failures++;
    }
    m->dial_ms = now + dial_pause(d, m->failures);
    if (!was_up && status != OK && !d->stopping) {
        log_put(&d->log, m->told ? LOG_DEBUG : LOG_WARNING,
                "%s (%s) cannot be reached: %s",
                daemon_member_name(d, l->member), link_address(l->link), text);
        m->told = true;
    }
}

void daemon_dial_soon(struct daemon *d, struct slice id)
{
    for (uint32_t i = 0; i < d->charter->members_len; i++) {
        if (slice_equal(id, digest_slice(&d->charter->members[i].card.id))) {
            d->members[i].dial_ms = uv_now(&d->loop);
        }
    }
    daemon_dial_turn(d);
}
