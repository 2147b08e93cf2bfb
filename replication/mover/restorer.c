#include "replication/mover/restorer.h"

/* The edges of the diagram in restorer.h. */
static const unsigned restorer_allowed[RESTORER_STATE_COUNT] = {
    [RESTORER_BUFFER] = BIT(RESTORER_FREE),
    [RESTORER_FREE] = BIT(RESTORER_FETCHING),
    [RESTORER_FETCHING] = BIT(RESTORER_OPENING),
    [RESTORER_OPENING] = BIT(RESTORER_OPENED),
    [RESTORER_OPENED] = BIT(RESTORER_SENDING),
    [RESTORER_SENDING] = BIT(RESTORER_FREE),
};

static void restorer_move(struct restorer_slot *slot, enum restorer_state next)
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
    fetcher_init(&r->fetcher, &config->params->code, config->streams,
                 config->preferred);
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

static struct restorer_slot *restorer_slot_any(struct restorer *r,
                                               enum restorer_state state)
{
    for (unsigned i = 0; i < r->config.window; i++) {
        if (r->slots[i].state == state) {
            return &r->slots[i];
        }
    }
    return NULL;
}

static struct restorer_slot *restorer_slot_find(struct restorer *r,
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

static struct mover_action *restorer_ask(struct restorer *r,
                                         struct mover_out *out,
                                         enum mover_action_type type)
{
    r->pending++;
    return mover_act(out, type);
}

static const struct fetcher_slot *slot_cells(const struct restorer_slot *slot)
{
    const struct restorer *r = slot->owner;

    return &r->fetcher.slots[slot - r->slots];
}

static int slot_rebuild(struct restorer_slot *slot)
{
    const struct segment_params *p = slot->owner->config.params;
    const struct fetcher_slot *cells = slot_cells(slot);
    const uint8_t *have[ERASURE_K_MAX];
    uint8_t present[ERASURE_K_MAX];
    uint8_t want[ERASURE_K_MAX];
    size_t present_len = 0;
    size_t want_len = 0;

    for (uint16_t i = 0; i < p->code.n; i++) {
        if ((cells->have & stream_bit(i)) != 0) {
            have[present_len] = fetcher_cell(cells, i);
            present[present_len++] = (uint8_t)i;
        } else if (i < p->code.k) {
            want[want_len++] = (uint8_t)i;
        }
    }
    assert(present_len == p->code.k);
    if (want_len == 0) {
        return OK;
    }
    if (slot->plan_have != cells->have) {
        int rv =
            erasure_plan_init(&slot->plan, &p->code, present, want, want_len);

        if (rv != OK) {
            return rv;
        }
        slot->plan_have = cells->have;
    }
    return segment_rebuild(&slot->plan, have, slot->room.data,
                           slot->place.size.leaves);
}

static int restorer_work(void *arg)
{
    struct restorer_slot *slot = arg;
    int rv = slot_rebuild(slot);

    if (rv != OK) {
        return rv;
    }
    rv = segment_open(slot->owner->config.params, slot->codec,
                      slot->place.segment, slot->room.data,
                      slot->place.size.ciphertext_size, slot->room.plain,
                      &slot->plain);
    if (rv == OK && slot->plain.size == 0) {
        return ERR_BAD; /* No deposit has an empty one (FORMAT.md 8). */
    }
    return rv;
}

static void pump_send(struct restorer *r, struct mover_out *out)
{
    struct restorer_slot *slot;
    struct mover_action *a;

    if (r->sending || r->next_send >= r->config.places_len) {
        return;
    }
    slot = restorer_slot_find(r, RESTORER_OPENED,
                              r->config.places[r->next_send].segment);
    if (slot == NULL) {
        return;
    }
    restorer_move(slot, RESTORER_SENDING);
    r->sending = true;
    a = restorer_ask(r, out, MV_SEND);
    a->stream = MOVER_SOURCE;
    a->id = slot->place.segment;
    a->bytes = slot->plain;
}

static void pump_fetch(struct restorer *r, struct mover_out *out)
{
    struct restorer_slot *slot = restorer_slot_any(r, RESTORER_FREE);
    int rv = OK;

    if (slot != NULL && r->next_fetch < r->config.places_len) {
        struct fetcher_cells cells;

        slot->place = r->config.places[r->next_fetch++];
        cells = (struct fetcher_cells){
            .segment = slot->place.segment,
            .off = slot->place.offset,
            .len = (size_t)slot->place.size.leaves * LEAF_SIZE,
            .mem = slot->room.data,
        };
        restorer_move(slot, RESTORER_FETCHING);
        rv = fetcher_begin(&r->fetcher, (unsigned)(slot - r->slots), &cells,
                           out);
    }
    if (rv == OK) {
        rv = fetcher_pump(&r->fetcher, r->next_send, out);
    }
    if (rv != OK) {
        restorer_fail(r, rv);
    }
}

static void restorer_pump(struct restorer *r, struct mover_out *out)
{
    if (r->status == OK) {
        pump_send(r, out);
        pump_fetch(r, out);
    }
    if (r->status != OK) {
        fetcher_drop(&r->fetcher, out);
    }
    if (r->pending + r->fetcher.pending == 0 &&
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
    struct restorer_slot *slot = restorer_slot_any(r, RESTORER_BUFFER);

    assert(slot != NULL);
    if (ev->status != OK) {
        restorer_fail(r, ev->status);
        return;
    }
    assert(ev->len >= restorer_buffer_size(p));
    slot->buf = ev->buf;
    segment_room_init(&slot->room, p->code.k, p->code.n, p->segment_size,
                      ev->mem);
    restorer_move(slot, RESTORER_FREE);
}

static void restorer_on_read(struct restorer *r,
                             const struct mover_event *ev,
                             struct mover_out *out)
{
    int i;
    int rv = fetcher_on_read(&r->fetcher, ev, &i, out);

    if (rv != OK) {
        restorer_fail(r, rv);
    } else if (i >= 0) {
        struct mover_action *a = restorer_ask(r, out, MV_WORK);

        restorer_move(&r->slots[i], RESTORER_OPENING);
        a->id = ev->id;
        a->work = restorer_work;
        a->arg = &r->slots[i];
    }
}

static void restorer_on_worked(struct restorer *r, const struct mover_event *ev)
{
    struct restorer_slot *slot =
        restorer_slot_find(r, RESTORER_OPENING, ev->id);

    assert(slot != NULL);
    if (ev->status != OK) {
        restorer_fail(r, ev->status);
        return;
    }
    restorer_move(slot, RESTORER_OPENED);
}

static void restorer_on_sent(struct restorer *r,
                             const struct mover_event *ev,
                             struct mover_out *out)
{
    struct restorer_slot *slot =
        restorer_slot_find(r, RESTORER_SENDING, ev->id);
    struct mover_action *a;

    assert(slot != NULL);
    r->sending = false;
    if (ev->status != OK) {
        restorer_fail(r, ev->status);
        return;
    }
    r->next_send++;
    r->bytes_done += slot->place.size.ciphertext_size;
    restorer_move(slot, RESTORER_FREE);
    a = mover_act(out, MV_PROGRESS);
    a->off = r->bytes_done;
    a->len = r->bytes;
}

void restorer_step(struct restorer *r,
                   const struct mover_event *ev,
                   struct mover_out *out)
{
    out->len = 0;
    if (r->ended) {
        return;
    }
    r->fetcher.mono_ms = ev->mono_ms;
    switch (ev->type) {
    case MV_START:
        for (unsigned i = 0; i < r->config.window; i++) {
            restorer_ask(r, out, MV_GET_BUF);
        }
        break;
    case MV_BUF:
        r->pending--;
        restorer_on_buffer(r, ev);
        break;
    case MV_READ:
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
        fetcher_on_lost(&r->fetcher, ev->stream);
        break;
    case MV_WAKE:
        fetcher_on_wake(&r->fetcher);
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
