#include "replication/mover/rebuilder_internal.h"

/* The edges of the diagram in rebuilder.h. */
static const unsigned rebuilder_allowed[REBUILDER_STATE_COUNT] = {
    [REBUILDER_BUFFER] = BIT(REBUILDER_FREE),
    [REBUILDER_FREE] = BIT(REBUILDER_FETCHING),
    [REBUILDER_FETCHING] = BIT(REBUILDER_REBUILDING),
    [REBUILDER_REBUILDING] = BIT(REBUILDER_REBUILT),
    [REBUILDER_REBUILT] = BIT(REBUILDER_SENDING) | BIT(REBUILDER_FREE),
    [REBUILDER_SENDING] = BIT(REBUILDER_FREE),
};

void rebuilder_move(struct rebuilder_slot *slot, enum rebuilder_state next)
{
    assert((rebuilder_allowed[slot->state] & BIT(next)) != 0);
    slot->state = next;
}

size_t rebuilder_buffer_size(const struct rebuilder_config *config)
{
    uint64_t max = LEAF_SIZE; /* Never nothing. */

    for (size_t i = 0; i < config->places_len; i++) {
        uint64_t size = rebuilder_place_size(&config->places[i]);

        max = size > max ? size : max;
    }
    return (size_t)max * config->code->n;
}

static void target_init(struct rebuilder *r, uint32_t i)
{
    struct rebuilder_target *t = &r->targets[i];

    assert(r->config.leaves[i] >= 1);
    t->asked = t->durable = t->flush_at = r->config.leaves[i] * LEAF_SIZE;
    t->left = t->asked < r->end ? r->end - t->asked : 0;
    r->bytes += t->left;
}

void rebuilder_init(struct rebuilder *r, const struct rebuilder_config *config)
{
    memset(r, 0, sizeof(*r));
    r->config = *config;
    fetcher_init(&r->fetcher, config->code, config->holders, 0);
    r->missed = ERR_IO;
    r->end = LEAF_SIZE;
    assert(config->window >= 1 && config->window <= REBUILDER_WINDOW_MAX);
    assert(config->targets != 0 && (config->targets & config->holders) == 0);
    assert(config->code->n == MANIFEST_SHARDS_MAX ||
           (config->targets | config->holders) >> config->code->n == 0);
    for (size_t i = 0; i < config->places_len; i++) {
        assert(config->places[i].offset == r->end);
        r->end = rebuilder_place_end(&config->places[i]);
    }
    for (uint32_t i = 0; i < config->code->n; i++) {
        if ((config->targets & stream_bit(i)) != 0) {
            target_init(r, i);
        }
    }
    for (unsigned i = 0; i < config->window; i++) {
        r->slots[i].owner = r;
        r->slots[i].state = REBUILDER_BUFFER;
    }
}

/* ---- Slots. ---- */

struct rebuilder_slot *rebuilder_slot_any(struct rebuilder *r,
                                          enum rebuilder_state state)
{
    for (unsigned i = 0; i < r->config.window; i++) {
        if (r->slots[i].state == state) {
            return &r->slots[i];
        }
    }
    return NULL;
}

static struct rebuilder_slot *slot_find(struct rebuilder *r,
                                        enum rebuilder_state state,
                                        uint64_t segment)
{
    for (unsigned i = 0; i < r->config.window; i++) {
        struct rebuilder_slot *slot = &r->slots[i];

        if (slot->state == state && slot->segment == segment) {
            return slot;
        }
    }
    return NULL;
}

/* Remember the first reason; what is in flight is still waited for, because
 * it refers to our memory. */
void rebuilder_fail(struct rebuilder *r, int status)
{
    if (r->status == OK) {
        r->status = status;
    }
}

struct mover_action *rebuilder_ask(struct rebuilder *r,
                                   struct mover_out *out,
                                   enum mover_action_type type)
{
    r->pending++;
    return mover_act(out, type);
}

/* ---- The end of a step. ---- */

static void rebuilder_end(struct rebuilder *r, struct mover_out *out)
{
    for (unsigned i = 0; i < r->config.window; i++) {
        if (r->slots[i].state != REBUILDER_BUFFER) {
            mover_act(out, MV_PUT_BUF)->buf = r->slots[i].buf;
        }
    }
    if (rebuilder_filled(r) == 0) {
        rebuilder_fail(r, r->missed);
    }
    mover_act(out, MV_END)->status = r->status;
    r->ended = true;
}

static void rebuilder_pump(struct rebuilder *r, struct mover_out *out)
{
    if (r->status == OK) {
        rebuilder_pump_send(r, out);
        rebuilder_pump_fetch(r, out);
        rebuilder_pump_flush(r, out);
    }
    if (r->status != OK || rebuilder_open(r) == 0) {
        fetcher_drop(&r->fetcher, out);
        if (r->pending + r->fetcher.pending == 0) {
            rebuilder_end(r, out);
        }
    }
}

/* ---- Events. ---- */

static void rebuilder_on_start(struct rebuilder *r, struct mover_out *out)
{
    for (unsigned i = 0; i < r->config.window && rebuilder_open(r) != 0; i++) {
        rebuilder_ask(r, out, MV_GET_BUF);
    }
}

static void rebuilder_on_buffer(struct rebuilder *r,
                                const struct mover_event *ev)
{
    struct rebuilder_slot *slot = rebuilder_slot_any(r, REBUILDER_BUFFER);

    assert(slot != NULL);
    if (ev->status != OK) {
        rebuilder_fail(r, ev->status);
        return;
    }
    assert(ev->len >= rebuilder_buffer_size(&r->config));
    slot->buf = ev->buf;
    slot->mem = ev->mem;
    rebuilder_move(slot, REBUILDER_FREE);
}

static void rebuilder_on_read(struct rebuilder *r,
                              const struct mover_event *ev,
                              struct mover_out *out)
{
    int i;
    int rv = fetcher_on_read(&r->fetcher, ev, &i, out);

    if (rv != OK) {
        rebuilder_fail(r, rv);
    } else if (i >= 0) {
        struct mover_action *a = rebuilder_ask(r, out, MV_WORK);

        rebuilder_move(&r->slots[i], REBUILDER_REBUILDING);
        a->id = ev->id;
        a->work = rebuilder_work;
        a->arg = &r->slots[i];
    }
}

static void rebuilder_on_worked(struct rebuilder *r,
                                const struct mover_event *ev)
{
    struct rebuilder_slot *slot = slot_find(r, REBUILDER_REBUILDING, ev->id);

    assert(slot != NULL);
    if (ev->status != OK) {
        rebuilder_fail(r, ev->status);
        return;
    }
    rebuilder_move(slot, REBUILDER_REBUILT);
}

static void rebuilder_on_sent(struct rebuilder *r,
                              const struct mover_event *ev,
                              struct mover_out *out)
{
    struct rebuilder_slot *slot = slot_find(r, REBUILDER_SENDING, ev->id);
    uint64_t bit = stream_bit(ev->stream);
    struct rebuilder_target *t = &r->targets[ev->stream];

    assert(slot != NULL && (slot->unsent & bit) != 0);
    slot->unsent &= ~bit;
    if (ev->status != OK) {
        rebuilder_lose(r, ev->stream, ev->status);
    } else if ((r->lost & bit) == 0) {
        uint64_t size = slot->end - ev->off;

        assert(size <= t->left);
        t->left -= size;
        t->taken++;
        r->bytes_done += size;
    }
    if (slot->unsent == 0) {
        struct mover_action *a = mover_act(out, MV_PROGRESS);

        rebuilder_move(slot, REBUILDER_FREE);
        a->off = r->bytes_done;
        a->len = r->bytes;
    }
}

/* A flush covers at least what had been taken when it was asked for. */
static void rebuilder_on_durable(struct rebuilder *r,
                                 const struct mover_event *ev)
{
    struct rebuilder_target *t = &r->targets[ev->stream];

    assert((r->config.targets & stream_bit(ev->stream)) != 0 && t->flushing);
    t->flushing = false;
    if (ev->status != OK || ev->off < t->flush_at) {
        rebuilder_lose(r, ev->stream, ev->status != OK ? ev->status : ERR_IO);
        return;
    }
    t->durable = t->flush_at;
}

static void rebuilder_on_lost(struct rebuilder *r, uint32_t stream)
{
    uint64_t bit = stream_bit(stream);

    fetcher_on_lost(&r->fetcher, stream);
    if ((r->config.targets & bit) != 0) {
        rebuilder_lose(r, stream, ERR_IO);
    }
}

void rebuilder_step(struct rebuilder *r,
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
        rebuilder_on_start(r, out);
        break;
    case MV_BUF:
        r->pending--;
        rebuilder_on_buffer(r, ev);
        break;
    case MV_READ:
        rebuilder_on_read(r, ev, out);
        break;
    case MV_WORKED:
        r->pending--;
        rebuilder_on_worked(r, ev);
        break;
    case MV_SENT:
        r->pending--;
        rebuilder_on_sent(r, ev, out);
        break;
    case MV_DURABLE:
        r->pending--;
        rebuilder_on_durable(r, ev);
        break;
    case MV_LOST:
        rebuilder_on_lost(r, ev->stream);
        break;
    case MV_WAKE:
        fetcher_on_wake(&r->fetcher);
        break;
    case MV_NOTED:
        break;
    case MV_CANCEL:
        rebuilder_fail(r, ERR_CANCELED);
        break;
    }
    rebuilder_pump(r, out);
}
