#include "replication/rebuilder.h"

/* The edges of the diagram in rebuilder.h. */
static const unsigned rebuilder_allowed[REBUILDER_STATE_COUNT] = {
    [REBUILDER_BUFFER] = BIT(REBUILDER_FREE),
    [REBUILDER_FREE] = BIT(REBUILDER_FETCHING),
    [REBUILDER_FETCHING] = BIT(REBUILDER_REBUILDING),
    [REBUILDER_REBUILDING] = BIT(REBUILDER_REBUILT),
    [REBUILDER_REBUILT] = BIT(REBUILDER_SENDING) | BIT(REBUILDER_FREE),
    [REBUILDER_SENDING] = BIT(REBUILDER_FREE),
};

static void slot_move(struct rebuilder_slot *slot, enum rebuilder_state next)
{
    assert((rebuilder_allowed[slot->state] & BIT(next)) != 0);
    slot->state = next;
}

static uint64_t stream_bit(uint32_t stream)
{
    assert(stream < MANIFEST_SHARDS_MAX);
    return (uint64_t)1 << stream;
}

static unsigned bits_len(uint64_t bits)
{
    return (unsigned)__builtin_popcountll(bits);
}

static uint64_t place_size(const struct restorer_place *place)
{
    return (uint64_t)place->size.leaves * LEAF_SIZE;
}

static uint64_t place_end(const struct restorer_place *place)
{
    return place->offset + place_size(place);
}

size_t rebuilder_buffer_size(const struct rebuilder_config *config)
{
    uint64_t max = LEAF_SIZE; /* Never nothing. */

    for (size_t i = 0; i < config->places_len; i++) {
        uint64_t size = place_size(&config->places[i]);

        max = size > max ? size : max;
    }
    return (size_t)max * (config->code->k + bits_len(config->targets));
}

/* ---- Targets. ---- */

uint64_t rebuilder_filled(const struct rebuilder *r)
{
    uint64_t filled = 0;

    for (uint32_t i = 0; i < r->config.code->n; i++) {
        if ((r->config.targets & stream_bit(i)) != 0 &&
            r->targets[i].durable >= r->end) {
            filled |= stream_bit(i);
        }
    }
    return filled;
}

/* Targets that something can still be done for. */
static uint64_t targets_open(const struct rebuilder *r)
{
    return r->config.targets & ~r->lost & ~rebuilder_filled(r);
}

/* Open targets that end before |end|, and where the first of them ends. */
static uint64_t targets_lacking(const struct rebuilder *r,
                                uint64_t end,
                                uint64_t *first)
{
    uint64_t lacking = targets_open(r);

    *first = end;
    for (uint32_t i = 0; i < r->config.code->n; i++) {
        if (r->targets[i].asked >= end) {
            lacking &= ~stream_bit(i);
        } else if ((lacking & stream_bit(i)) != 0 &&
                   r->targets[i].asked < *first) {
            *first = r->targets[i].asked;
        }
    }
    return lacking;
}

/* Only the first reason counts. What was asked of the target is still answered,
 * and until then it uses our memory. */
static void target_lose(struct rebuilder *r, uint32_t i, int status)
{
    if ((r->lost & stream_bit(i)) != 0) {
        return;
    }
    r->lost |= stream_bit(i);
    r->missed = status;
    r->bytes -= r->targets[i].left;
}

/* Before this offset the target has taken all. Answers may come in any order,
 * so one that is still to come holds back those after it. The slot that waits
 * for it may begin before the target does, for another's sake. */
static uint64_t target_reach(const struct rebuilder *r, uint32_t i)
{
    uint64_t reach = r->targets[i].asked;

    for (unsigned j = 0; j < r->config.window; j++) {
        const struct rebuilder_slot *slot = &r->slots[j];

        if (slot->state == REBUILDER_SENDING &&
            (slot->unsent & stream_bit(i)) != 0 && slot->from < reach) {
            reach = slot->from;
        }
    }
    return reach;
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
    r->missed = ERR_IO;
    r->end = LEAF_SIZE;
    assert(config->window >= 1 && config->window <= REBUILDER_WINDOW_MAX);
    assert(config->targets != 0 && (config->targets & config->holders) == 0);
    assert(config->code->n == MANIFEST_SHARDS_MAX ||
           (config->targets | config->holders) >> config->code->n == 0);
    for (size_t i = 0; i < config->places_len; i++) {
        assert(config->places[i].offset == r->end);
        r->end = place_end(&config->places[i]);
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

static struct rebuilder_slot *slot_any(struct rebuilder *r,
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

static size_t slot_size(const struct rebuilder_slot *slot)
{
    return (size_t)(slot->end - slot->from);
}

/* Where one of the k cells is read to, or what comes after them. */
static uint8_t *slot_cell(const struct rebuilder_slot *slot, size_t i)
{
    return slot->mem + i * slot_size(slot);
}

/* Where the cell of a target that wants it is rebuilt. */
static uint8_t *slot_rebuilt(const struct rebuilder_slot *slot, uint32_t target)
{
    unsigned rank = bits_len(slot->want & (stream_bit(target) - 1));

    return slot_cell(slot, (size_t)slot->owner->config.code->k + rank);
}

/* Remember the first reason; what is in flight is still waited for, because
 * it refers to our memory. */
static void rebuilder_fail(struct rebuilder *r, int status)
{
    if (r->status == OK) {
        r->status = status;
    }
}

static struct mover_action *ask(struct rebuilder *r,
                                struct mover_out *out,
                                enum mover_action_type type)
{
    r->pending++;
    return mover_act(out, type);
}

/* ---- Fetching. ---- */

/* Is holder |a| the better one to ask? */
static bool holder_before(const struct rebuilder *r, uint16_t a, uint16_t b)
{
    uint16_t k = r->config.code->k;
    bool a_rests = r->rest_until[a] > r->mono_ms;
    bool b_rests = r->rest_until[b] > r->mono_ms;

    if (a_rests != b_rests) {
        return b_rests;
    }
    if ((a < k) != (b < k)) {
        return a < k;
    }
    if (r->latency[a] != r->latency[b]) {
        return r->latency[a] < r->latency[b];
    }
    return a < b;
}

/* The best holder that this slot has not asked yet, or -1. */
static int holder_next(const struct rebuilder *r,
                       const struct rebuilder_slot *slot)
{
    uint64_t fresh =
        r->config.holders & ~(slot->have | slot->asked | slot->failed);
    int best = -1;

    for (uint16_t i = 0; i < r->config.code->n; i++) {
        if ((fresh & stream_bit(i)) != 0 &&
            (best < 0 || holder_before(r, i, (uint16_t)best))) {
            best = i;
        }
    }
    return best;
}

/* Read the |place|th of the k cells from the best holder. */
static void slot_read(struct rebuilder_slot *slot,
                      uint8_t place,
                      struct mover_out *out)
{
    struct rebuilder *r = slot->owner;
    int holder = holder_next(r, slot);
    struct mover_action *a;

    if (holder < 0) {
        rebuilder_fail(r, ERR_NOTFOUND);
        return;
    }
    slot->asked |= stream_bit((uint32_t)holder);
    slot->asked_ms[holder] = r->mono_ms;
    slot->places[holder] = place;
    a = ask(r, out, MV_READ_AT);
    a->stream = (uint32_t)holder;
    a->id = slot->segment;
    a->off = slot->from;
    a->len = slot_size(slot);
    a->mem = slot_cell(slot, place);
}

/* The next segment that is lacked, or NULL. */
static const struct restorer_place *place_next(struct rebuilder *r)
{
    uint64_t first;

    if (targets_lacking(r, r->end, &first) == 0) {
        return NULL;
    }
    while (place_end(&r->config.places[r->next_place]) <= first) {
        r->next_place++;
    }
    return &r->config.places[r->next_place++];
}

static void slot_fetch(struct rebuilder_slot *slot,
                       const struct restorer_place *place,
                       struct mover_out *out)
{
    struct rebuilder *r = slot->owner;

    slot->segment = place->segment;
    slot->nth = r->next_nth++;
    slot->end = place_end(place);
    slot->want = targets_lacking(r, slot->end, &slot->from);
    if (slot->from < place->offset) {
        slot->from = place->offset;
    }
    slot->have = slot->asked = slot->failed = 0;
    slot_move(slot, REBUILDER_FETCHING);
    for (uint8_t i = 0; i < r->config.code->k && r->status == OK; i++) {
        slot_read(slot, i, out);
    }
}

static void pump_fetch(struct rebuilder *r, struct mover_out *out)
{
    struct rebuilder_slot *slot = slot_any(r, REBUILDER_FREE);

    /* One a step keeps the actions of a step bounded; the read of each cell
     * is a step of its own, so others follow soon. */
    if (slot != NULL && r->next_place < r->config.places_len) {
        const struct restorer_place *place = place_next(r);

        if (place != NULL) {
            slot_fetch(slot, place, out);
        }
    }
}

/* ---- Rebuilding. ---- */

static int slot_plan(struct rebuilder_slot *slot,
                     const uint8_t *present,
                     const uint8_t *want,
                     size_t want_len)
{
    int rv;

    if (slot->plan_have == slot->have && slot->plan_want == slot->want) {
        return OK;
    }
    slot->plan_have = 0;
    rv = erasure_plan_init(&slot->plan, slot->owner->config.code, present, want,
                           want_len);
    if (rv != OK) {
        return rv;
    }
    slot->plan_have = slot->have;
    slot->plan_want = slot->want;
    return OK;
}

/* Runs on a worker: of what is not the slot's it reads only the code. */
static int slot_rebuild(void *arg)
{
    struct rebuilder_slot *slot = arg;
    const struct erasure *code = slot->owner->config.code;
    const uint8_t *have[ERASURE_K_MAX];
    uint8_t *out[MANIFEST_SHARDS_MAX];
    uint8_t present[ERASURE_K_MAX];
    uint8_t want[MANIFEST_SHARDS_MAX];
    size_t have_len = 0;
    size_t want_len = 0;
    int rv;

    assert(bits_len(slot->have) == code->k);
    for (uint8_t i = 0; i < code->n; i++) {
        if ((slot->have & stream_bit(i)) != 0) {
            have[have_len] = slot_cell(slot, slot->places[i]);
            present[have_len++] = i;
        } else if ((slot->want & stream_bit(i)) != 0) {
            out[want_len] = slot_rebuilt(slot, i);
            want[want_len++] = i;
        }
    }
    rv = slot_plan(slot, present, want, want_len);
    if (rv == OK) {
        erasure_rebuild(&slot->plan, have, out, slot_size(slot));
    }
    return rv;
}

/* ---- Sending. ---- */

/* To each target what it lacks; returns whether there was any. */
static bool slot_send(struct rebuilder_slot *slot, struct mover_out *out)
{
    struct rebuilder *r = slot->owner;
    uint64_t targets = slot->want & targets_open(r);

    for (uint32_t i = 0; i < r->config.code->n; i++) {
        struct rebuilder_target *t = &r->targets[i];
        struct mover_action *a;

        if ((targets & stream_bit(i)) == 0) {
            continue;
        }
        assert(t->asked >= slot->from && t->asked < slot->end);
        a = ask(r, out, MV_SEND);
        a->stream = i;
        a->id = slot->segment;
        a->off = t->asked;
        a->bytes = slice_of(slot_rebuilt(slot, i) + (t->asked - slot->from),
                            slot->end - t->asked);
        t->asked = slot->end;
    }
    slot->unsent = targets;
    return targets != 0;
}

/* The slot whose turn it is, when it is rebuilt. */
static struct rebuilder_slot *slot_next(struct rebuilder *r)
{
    for (unsigned i = 0; i < r->config.window; i++) {
        struct rebuilder_slot *slot = &r->slots[i];

        if (slot->state == REBUILDER_REBUILT && slot->nth == r->next_send) {
            return slot;
        }
    }
    return NULL;
}

/* One a step, for bounded actions; passing over those that nobody wants any
 * more. */
static void pump_send(struct rebuilder *r, struct mover_out *out)
{
    struct rebuilder_slot *slot;

    while ((slot = slot_next(r)) != NULL) {
        r->next_send++;
        if (slot_send(slot, out)) {
            slot_move(slot, REBUILDER_SENDING);
            return;
        }
        slot_move(slot, REBUILDER_FREE);
    }
}

static void pump_flush(struct rebuilder *r, struct mover_out *out)
{
    uint64_t open = targets_open(r);

    for (uint32_t i = 0; i < r->config.code->n; i++) {
        struct rebuilder_target *t = &r->targets[i];
        uint64_t reach;

        if ((open & stream_bit(i)) == 0 || t->flushing) {
            continue;
        }
        reach = target_reach(r, i);
        if (reach > t->flush_at &&
            (reach >= r->end || t->taken >= REBUILDER_FLUSH_SEGMENTS ||
             reach - t->flush_at >= REBUILDER_FLUSH_BYTES)) {
            t->flushing = true;
            t->flush_at = reach;
            t->taken = 0;
            ask(r, out, MV_FLUSH)->stream = i;
        }
    }
}

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
        pump_send(r, out);
        pump_fetch(r, out);
        pump_flush(r, out);
    }
    if (r->pending == 0 && (r->status != OK || targets_open(r) == 0)) {
        rebuilder_end(r, out);
    }
}

/* ---- Events. ---- */

static void rebuilder_on_start(struct rebuilder *r, struct mover_out *out)
{
    for (unsigned i = 0; i < r->config.window && targets_open(r) != 0; i++) {
        ask(r, out, MV_GET_BUF);
    }
}

static void rebuilder_on_buffer(struct rebuilder *r,
                                const struct mover_event *ev)
{
    struct rebuilder_slot *slot = slot_any(r, REBUILDER_BUFFER);

    assert(slot != NULL);
    if (ev->status != OK) {
        rebuilder_fail(r, ev->status);
        return;
    }
    assert(ev->len >= rebuilder_buffer_size(&r->config));
    slot->buf = ev->buf;
    slot->mem = ev->mem;
    slot_move(slot, REBUILDER_FREE);
}

/* Its place among the k cells goes to another holder. */
static void rebuilder_on_bad_read(struct rebuilder *r,
                                  struct rebuilder_slot *slot,
                                  uint32_t stream,
                                  struct mover_out *out)
{
    slot->failed |= stream_bit(stream);
    r->errors[stream]++;
    r->rest_until[stream] = r->mono_ms + REBUILDER_REST_MS;
    if (r->status == OK) {
        slot_read(slot, slot->places[stream], out);
    }
}

static void rebuilder_on_read(struct rebuilder *r,
                              const struct mover_event *ev,
                              struct mover_out *out)
{
    struct rebuilder_slot *slot = slot_find(r, REBUILDER_FETCHING, ev->id);
    uint64_t bit = stream_bit(ev->stream);

    assert(slot != NULL && (slot->asked & bit) != 0);
    slot->asked &= ~bit;
    if (ev->status != OK) {
        rebuilder_on_bad_read(r, slot, ev->stream, out);
    } else {
        uint64_t took = ev->mono_ms - slot->asked_ms[ev->stream];

        assert(ev->len == slot_size(slot));
        r->latency[ev->stream] = (7 * r->latency[ev->stream] + took) / 8;
        slot->have |= bit;
    }
    if (slot->asked == 0 && r->status == OK) {
        struct mover_action *a = ask(r, out, MV_WORK);

        slot_move(slot, REBUILDER_REBUILDING);
        a->id = slot->segment;
        a->work = slot_rebuild;
        a->arg = slot;
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
    slot_move(slot, REBUILDER_REBUILT);
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
        target_lose(r, ev->stream, ev->status);
    } else if ((r->lost & bit) == 0) {
        uint64_t size = slot->end - ev->off;

        assert(size <= t->left);
        t->left -= size;
        t->taken++;
        r->bytes_done += size;
    }
    if (slot->unsent == 0) {
        struct mover_action *a = mover_act(out, MV_PROGRESS);

        slot_move(slot, REBUILDER_FREE);
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
        target_lose(r, ev->stream, ev->status != OK ? ev->status : ERR_IO);
        return;
    }
    t->durable = t->flush_at;
}

/* What was asked of it is answered by the driver, with errors. */
static void rebuilder_on_lost(struct rebuilder *r, uint32_t stream)
{
    uint64_t bit = stream_bit(stream);

    r->config.holders &= ~bit;
    if ((r->config.targets & bit) != 0) {
        target_lose(r, stream, ERR_IO);
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
    r->mono_ms = ev->mono_ms;
    switch (ev->type) {
    case MV_START:
        rebuilder_on_start(r, out);
        break;
    case MV_BUF:
        r->pending--;
        rebuilder_on_buffer(r, ev);
        break;
    case MV_READ:
        r->pending--;
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
    case MV_NOTED:
    case MV_WAKE:
        break;
    case MV_CANCEL:
        rebuilder_fail(r, ERR_CANCELED);
        break;
    }
    rebuilder_pump(r, out);
}
