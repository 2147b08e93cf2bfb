#include "replication/restorer.h"

/* The edges of the diagram in restorer.h. */
static const unsigned restorer_allowed[RESTORER_STATE_COUNT] = {
    [RESTORER_BUFFER] = BIT(RESTORER_FREE),
    [RESTORER_FREE] = BIT(RESTORER_FETCHING),
    [RESTORER_FETCHING] = BIT(RESTORER_OPENING),
    [RESTORER_OPENING] = BIT(RESTORER_OPENED),
    [RESTORER_OPENED] = BIT(RESTORER_SENDING),
    [RESTORER_SENDING] = BIT(RESTORER_FREE),
};

static void slot_move(struct restorer_slot *slot, enum restorer_state next)
{
    assert((restorer_allowed[slot->state] & BIT(next)) != 0);
    slot->state = next;
}

size_t restorer_buffer_size(const struct segment_params *p)
{
    return segment_room_size(p->code.k, p->code.n, p->segment_size);
}

void restorer_init(struct restorer *r, const struct restorer_config *config)
{
    memset(r, 0, sizeof(*r));
    r->config = *config;
    assert(config->window >= 1 && config->window <= RESTORER_WINDOW_MAX);
    for (size_t i = 0; i < config->places_len; i++) {
        r->bytes += config->places[i].size.ciphertext_size;
    }
    for (unsigned i = 0; i < config->window; i++) {
        r->slots[i].owner = r;
        r->slots[i].codec = config->codecs[i];
        r->slots[i].state = RESTORER_BUFFER;
    }
}

static struct restorer_slot *slot_any(struct restorer *r,
                                      enum restorer_state state)
{
    for (unsigned i = 0; i < r->config.window; i++) {
        if (r->slots[i].state == state) {
            return &r->slots[i];
        }
    }
    return NULL;
}

static struct restorer_slot *slot_find(struct restorer *r,
                                       enum restorer_state state,
                                       uint64_t segment)
{
    for (unsigned i = 0; i < r->config.window; i++) {
        struct restorer_slot *slot = &r->slots[i];

        if (slot->state == state && slot->place.segment == segment) {
            return slot;
        }
    }
    return NULL;
}

/* Remember the first reason; what is in flight is still waited for, because
 * it refers to our memory. */
static void restorer_fail(struct restorer *r, int status)
{
    if (r->status == OK) {
        r->status = status;
    }
}

static struct mover_action *ask(struct restorer *r,
                                struct mover_out *out,
                                enum mover_action_type type)
{
    r->pending++;
    return mover_act(out, type);
}

static size_t cell_size(const struct restorer_slot *slot)
{
    return (size_t)slot->place.size.leaves * LEAF_SIZE;
}

static uint8_t *cell_at(const struct restorer_slot *slot, uint16_t i)
{
    uint16_t k = slot->owner->config.params->code.k;

    return i < k ? slot->room.data + i * cell_size(slot)
                 : slot->room.parity + (i - k) * cell_size(slot);
}

/* The best stream that this slot has not asked yet, or -1. */
static int stream_next(const struct restorer *r,
                       const struct restorer_slot *slot)
{
    uint64_t fresh =
        r->config.streams & ~(slot->have | slot->asked | slot->failed);

    return holders_best(&r->holders, fresh, &r->config.params->code,
                        r->mono_ms);
}

/* There is nobody left to ask: wait for those that may recover, or give up. */
static void slot_wait(struct restorer_slot *slot)
{
    struct restorer *r = slot->owner;
    uint64_t left =
        slot->have | slot->asked | (slot->again & r->config.streams);

    if (stream_bits_len(left) < r->config.params->code.k ||
        (slot->again_ms == 0 && slot->retries == RESTORER_RETRIES)) {
        restorer_fail(r, ERR_NOTFOUND);
    } else if (slot->again_ms == 0) {
        slot->again_ms =
            r->mono_ms + ((uint64_t)RESTORER_RETRY_MS << slot->retries);
        slot->retries++;
    }
}

static void slot_fetch(struct restorer_slot *slot, struct mover_out *out)
{
    struct restorer *r = slot->owner;
    uint16_t k = r->config.params->code.k;

    while (stream_bits_len(slot->have | slot->asked) < k) {
        int stream = stream_next(r, slot);
        struct mover_action *a;

        if (stream < 0) {
            slot_wait(slot);
            return;
        }
        slot->asked |= stream_bit((uint32_t)stream);
        slot->asked_ms[stream] = r->mono_ms;
        a = ask(r, out, MV_READ_AT);
        a->stream = (uint32_t)stream;
        a->id = slot->place.segment;
        a->off = slot->place.offset;
        a->len = cell_size(slot);
        a->mem = cell_at(slot, (uint16_t)stream);
    }
}

static int slot_rebuild(struct restorer_slot *slot)
{
    const struct segment_params *p = slot->owner->config.params;
    const uint8_t *have[ERASURE_K_MAX];
    uint8_t present[ERASURE_K_MAX];
    uint8_t want[ERASURE_K_MAX];
    size_t present_len = 0;
    size_t want_len = 0;

    for (uint16_t i = 0; i < p->code.n; i++) {
        if ((slot->have & stream_bit(i)) != 0) {
            have[present_len] = cell_at(slot, i);
            present[present_len++] = (uint8_t)i;
        } else if (i < p->code.k) {
            want[want_len++] = (uint8_t)i;
        }
    }
    assert(present_len == p->code.k);
    if (want_len == 0) {
        return OK;
    }
    if (slot->plan_have != slot->have) {
        int rv =
            erasure_plan_init(&slot->plan, &p->code, present, want, want_len);

        if (rv != OK) {
            return rv;
        }
        slot->plan_have = slot->have;
    }
    return segment_rebuild(&slot->plan, have, slot->room.data,
                           slot->place.size.leaves);
}

static int slot_open(void *arg)
{
    struct restorer_slot *slot = arg;
    int rv = slot_rebuild(slot);

    if (rv != OK) {
        return rv;
    }
    return segment_open(slot->owner->config.params, slot->codec,
                        slot->place.segment, slot->room.data,
                        slot->place.size.ciphertext_size, slot->room.plain,
                        &slot->plain);
}

static void pump_fetch(struct restorer *r, struct mover_out *out)
{
    struct restorer_slot *slot = slot_any(r, RESTORER_FREE);

    /* One a step keeps the actions of a step bounded; the read of each cell
     * is a step of its own, so others follow soon. */
    if (slot == NULL || r->next_fetch >= r->config.places_len) {
        return;
    }
    slot->nth = r->next_fetch++;
    slot->place = r->config.places[slot->nth];
    slot->have = slot->asked = slot->failed = slot->again = 0;
    slot->again_ms = 0;
    slot->retries = 0;
    slot_move(slot, RESTORER_FETCHING);
    slot_fetch(slot, out);
}

static void pump_send(struct restorer *r, struct mover_out *out)
{
    struct restorer_slot *slot;
    struct mover_action *a;

    if (r->sending || r->next_send >= r->config.places_len) {
        return;
    }
    slot =
        slot_find(r, RESTORER_OPENED, r->config.places[r->next_send].segment);
    if (slot == NULL) {
        return;
    }
    slot_move(slot, RESTORER_SENDING);
    r->sending = true;
    a = ask(r, out, MV_SEND);
    a->stream = MOVER_SOURCE;
    a->id = slot->place.segment;
    a->bytes = slot->plain;
}

/* Ask once more for one segment whose time has come: one a step, as above. */
static void pump_again(struct restorer *r, struct mover_out *out)
{
    for (unsigned i = 0; i < r->config.window; i++) {
        struct restorer_slot *slot = &r->slots[i];

        if (slot->state == RESTORER_FETCHING && slot->again_ms != 0 &&
            slot->again_ms <= r->mono_ms) {
            slot->failed &= ~slot->again;
            slot->again = 0;
            slot->again_ms = 0;
            slot_fetch(slot, out);
            return;
        }
    }
}

static void pump_timer(struct restorer *r, struct mover_out *out)
{
    uint64_t at = 0;

    for (unsigned i = 0; i < r->config.window; i++) {
        uint64_t again_ms = r->slots[i].again_ms;

        if (again_ms != 0 && (at == 0 || again_ms < at)) {
            at = again_ms;
        }
    }
    if (at != 0 && at != r->wake_ms) {
        mover_act(out, MV_WAKE_AT)->off = at;
        r->wake_ms = at;
    }
}

static void restorer_pump(struct restorer *r, struct mover_out *out)
{
    if (r->status == OK) {
        pump_send(r, out);
        pump_fetch(r, out);
        pump_timer(r, out);
    }
    if (r->pending == 0 &&
        (r->status != OK || r->next_send == r->config.places_len)) {
        for (unsigned i = 0; i < r->config.window; i++) {
            if (r->slots[i].state != RESTORER_BUFFER) {
                mover_act(out, MV_PUT_BUF)->buf = r->slots[i].buf;
            }
        }
        mover_act(out, MV_END)->status = r->status;
        r->ended = true;
    }
}

static void restorer_on_buffer(struct restorer *r, const struct mover_event *ev)
{
    const struct segment_params *p = r->config.params;
    struct restorer_slot *slot = slot_any(r, RESTORER_BUFFER);

    assert(slot != NULL);
    if (ev->status != OK) {
        restorer_fail(r, ev->status);
        return;
    }
    assert(ev->len >= restorer_buffer_size(p));
    slot->buf = ev->buf;
    segment_room_init(&slot->room, p->code.k, p->code.n, p->segment_size,
                      ev->mem);
    slot_move(slot, RESTORER_FREE);
}

/* One that alone kept the segment waiting rests, like one that failed. */
static void slot_judge(const struct restorer_slot *slot)
{
    struct restorer *r = slot->owner;
    uint16_t slowest = 0;
    uint64_t most = 0;
    uint64_t next = 0;

    for (uint16_t i = 0; i < r->config.params->code.n; i++) {
        uint64_t took =
            (slot->have & stream_bit(i)) != 0 ? slot->took_ms[i] : 0;

        if (took > most) {
            next = most;
            most = took;
            slowest = i;
        } else if (took > next) {
            next = took;
        }
    }
    if (r->config.params->code.k > 1 && most >= RESTORER_SLOW_MS &&
        most / RESTORER_SLOW_TIMES >= next) {
        r->holders.rest_until[slowest] = r->mono_ms + RESTORER_REST_MS;
    }
}

static void restorer_on_read(struct restorer *r,
                             const struct mover_event *ev,
                             struct mover_out *out)
{
    struct restorer_slot *slot = slot_find(r, RESTORER_FETCHING, ev->id);
    uint64_t bit = stream_bit(ev->stream);
    uint64_t took;

    assert(slot != NULL && (slot->asked & bit) != 0);
    slot->asked &= ~bit;
    if (ev->status == OK) {
        took = ev->mono_ms - slot->asked_ms[ev->stream];
        holders_answered(&r->holders, ev->stream, took);
        slot->took_ms[ev->stream] = took;
        slot->have |= bit;
    } else {
        slot->failed |= bit;
        if (ev->status != ERR_MISMATCH && ev->status != ERR_NOTFOUND) {
            slot->again |= bit;
        }
        holders_failed(&r->holders, ev->stream, ev->mono_ms + RESTORER_REST_MS);
        if (r->status == OK) {
            slot_fetch(slot, out);
        }
    }
    if (stream_bits_len(slot->have) == r->config.params->code.k &&
        r->status == OK) {
        struct mover_action *a = ask(r, out, MV_WORK);

        slot_judge(slot);
        slot_move(slot, RESTORER_OPENING);
        a->id = slot->place.segment;
        a->work = slot_open;
        a->arg = slot;
    }
}

static void restorer_on_worked(struct restorer *r, const struct mover_event *ev)
{
    struct restorer_slot *slot = slot_find(r, RESTORER_OPENING, ev->id);

    assert(slot != NULL);
    if (ev->status != OK) {
        restorer_fail(r, ev->status);
        return;
    }
    slot_move(slot, RESTORER_OPENED);
}

static void restorer_on_sent(struct restorer *r,
                             const struct mover_event *ev,
                             struct mover_out *out)
{
    struct restorer_slot *slot = slot_find(r, RESTORER_SENDING, ev->id);
    struct mover_action *a;

    assert(slot != NULL);
    r->sending = false;
    if (ev->status != OK) {
        restorer_fail(r, ev->status);
        return;
    }
    r->next_send++;
    r->bytes_done += slot->place.size.ciphertext_size;
    slot_move(slot, RESTORER_FREE);
    a = mover_act(out, MV_PROGRESS);
    a->off = r->bytes_done;
    a->len = r->bytes;
}

/* What was asked of it is answered by the driver, with errors. */
static void restorer_on_lost(struct restorer *r, uint32_t stream)
{
    r->config.streams &= ~stream_bit(stream);
}

void restorer_step(struct restorer *r,
                   const struct mover_event *ev,
                   struct mover_out *out)
{
    out->len = 0;
    if (r->ended) {
        return;
    }
    r->mono_ms = ev->mono_ms;
    switch (ev->type) {
    case MV_START:
        for (unsigned i = 0; i < r->config.window; i++) {
            ask(r, out, MV_GET_BUF);
        }
        break;
    case MV_BUF:
        r->pending--;
        restorer_on_buffer(r, ev);
        break;
    case MV_READ:
        r->pending--;
        restorer_on_read(r, ev, out);
        break;
    case MV_WORKED:
        r->pending--;
        restorer_on_worked(r, ev);
        break;
    case MV_SENT:
        r->pending--;
        restorer_on_sent(r, ev, out);
        break;
    case MV_LOST:
        restorer_on_lost(r, ev->stream);
        break;
    case MV_WAKE:
        r->wake_ms = 0;
        if (r->status == OK) {
            pump_again(r, out);
        }
        break;
    case MV_DURABLE:
    case MV_NOTED:
        break;
    case MV_CANCEL:
        restorer_fail(r, ERR_CANCELED);
        break;
    }
    restorer_pump(r, out);
}
