#include "replication/mover/sealer.h"

/* The edges of the diagram in sealer.h. */
static const unsigned sealer_allowed[SEALER_STATE_COUNT] = {
    [SEALER_FREE] = BIT(SEALER_READING),
    [SEALER_BUFFER] = BIT(SEALER_FREE),
    [SEALER_READING] = BIT(SEALER_SEALING),
    [SEALER_SEALING] = BIT(SEALER_RANGING),
    [SEALER_RANGING] = BIT(SEALER_SENDING),
    [SEALER_SENDING] = BIT(SEALER_SENT),
    [SEALER_SENT] = BIT(SEALER_FREE),
};

static void slot_move(struct sealer_slot *slot, enum sealer_state next)
{
    assert((sealer_allowed[slot->state] & BIT(next)) != 0);
    slot->state = next;
}

static uint16_t streams_len(const struct sealer *s)
{
    return s->config.params->code.n;
}

static uint64_t segments_of(const struct sealer *s, uint64_t size)
{
    uint64_t segment_size = s->config.params->segment_size;

    return (size + segment_size - 1) / segment_size;
}

size_t sealer_buffer_size(const struct segment_params *p)
{
    return segment_room_size(p->code.k, p->code.n, p->segment_size);
}

void sealer_init(struct sealer *s,
                 const struct sealer_config *config,
                 const struct digest *preambles,
                 const struct sealer_commit *from)
{
    memset(s, 0, sizeof(*s));
    s->config = *config;
    assert(config->window >= 1 && config->window <= SEALER_WINDOW_MAX);
    assert(config->quorum >= 1 && config->quorum <= streams_len(s));
    s->data_segments = segments_of(s, config->data_size);
    s->offset = LEAF_SIZE;
    for (uint16_t i = 0; i < streams_len(s); i++) {
        merkle_range_init(&s->ranges[i]);
        if (from != NULL) {
            s->ranges[i] = from->ranges[i];
        } else {
            merkle_range_append(&s->ranges[i], &preambles[i], NULL, NULL);
        }
    }
    if (from != NULL) {
        s->offset = from->offset;
        s->next_read = from->segment + 1;
        s->next_range = s->next_send = s->next_join = s->next_read;
        s->committed = s->next_read;
    }
    for (unsigned i = 0; i < config->window; i++) {
        struct sealer_slot *slot = &s->slots[i];

        slot->owner = s;
        slot->state = SEALER_BUFFER;
        slot->codec = config->codecs[i];
        slot->rng = config->rngs[i];
    }
}

void sealer_catalogue(struct sealer *s, uint64_t size)
{
    assert(s->segments == 0 && size > 0);
    s->catalogue_size = size;
    s->segments = s->data_segments + segments_of(s, size);
}

uint64_t sealer_segments(const struct sealer *s)
{
    return s->segments;
}

/* Where the plaintext of a segment lies in the source. */
static void segment_place(const struct sealer *s,
                          uint64_t segment,
                          uint64_t *off,
                          uint64_t *len)
{
    uint64_t size = s->config.params->segment_size;
    uint64_t start = 0;
    uint64_t total = s->config.data_size;
    uint64_t nth = segment;

    if (segment >= s->data_segments) {
        start = s->config.data_size;
        total = s->catalogue_size;
        nth = segment - s->data_segments;
    }
    *off = start + nth * size;
    *len = total - nth * size < size ? total - nth * size : size;
}

static struct sealer_slot *slot_find(struct sealer *s,
                                     enum sealer_state state,
                                     uint64_t segment)
{
    for (unsigned i = 0; i < s->config.window; i++) {
        struct sealer_slot *slot = &s->slots[i];

        if (slot->state == state && slot->segment == segment) {
            return slot;
        }
    }
    return NULL;
}

static struct sealer_slot *slot_any(struct sealer *s, enum sealer_state state)
{
    for (unsigned i = 0; i < s->config.window; i++) {
        if (s->slots[i].state == state) {
            return &s->slots[i];
        }
    }
    return NULL;
}

/* Remember the first reason; what is in flight is still waited for, because
 * it refers to our memory. */
static void sealer_fail(struct sealer *s, int status)
{
    if (s->status == OK) {
        s->status = status;
    }
}

static struct mover_action *ask(struct sealer *s,
                                struct mover_out *out,
                                enum mover_action_type type)
{
    s->pending++;
    return mover_act(out, type);
}

static int slot_seal(void *arg)
{
    struct sealer_slot *slot = arg;

    return segment_seal(slot->owner->config.params, slot->codec, &slot->rng,
                        slot->segment, slot->info.plain_size, &slot->room,
                        &slot->result);
}

/* Take the cells' leaves into the trees. Only one slot at a time does this, so
 * the owner's ranges need no lock. */
static int slot_range(void *arg)
{
    struct sealer_slot *slot = arg;
    struct sealer *s = slot->owner;

    for (uint16_t i = 0; i < streams_len(s); i++) {
        const struct digest *leaves =
            segment_cell_leaves(&slot->room, &slot->result, i);

        for (uint32_t j = 0; j < slot->result.cell_leaves; j++) {
            merkle_range_append(&s->ranges[i], &leaves[j], NULL, NULL);
        }
        slot->ranges[i] = s->ranges[i];
    }
    return OK;
}

static void slot_work(struct sealer_slot *slot,
                      struct mover_out *out,
                      int (*work)(void *))
{
    struct mover_action *a = ask(slot->owner, out, MV_WORK);

    a->id = slot->segment;
    a->work = work;
    a->arg = slot;
}

static void pump_read(struct sealer *s, struct mover_out *out)
{
    uint64_t limit = s->segments > 0 ? s->segments : s->data_segments;
    struct sealer_slot *slot = slot_any(s, SEALER_FREE);
    struct mover_action *a;
    uint64_t off;
    uint64_t len;

    if (s->reading || slot == NULL || s->next_read >= limit) {
        return;
    }
    segment_place(s, s->next_read, &off, &len);
    slot->segment = s->next_read++;
    slot->info.plain_size = (uint32_t)len;
    slot_move(slot, SEALER_READING);
    s->reading = true;
    a = ask(s, out, MV_READ_AT);
    a->stream = MOVER_SOURCE;
    a->id = slot->segment;
    a->off = off;
    a->len = len;
    a->mem = slot->room.plain;
}

static void pump_range(struct sealer *s, struct mover_out *out)
{
    struct sealer_slot *slot = slot_find(s, SEALER_RANGING, s->next_range);

    if (!s->ranging && slot != NULL) {
        s->ranging = true;
        slot_work(slot, out, slot_range);
    }
}

static void slot_send(struct sealer_slot *slot, struct mover_out *out)
{
    struct sealer *s = slot->owner;
    uint64_t size = (uint64_t)slot->result.cell_leaves * LEAF_SIZE;

    for (uint16_t i = 0; i < streams_len(s); i++) {
        struct mover_action *a;

        if (s->lost[i]) {
            continue;
        }
        slot->unsent |= stream_bit(i);
        a = ask(s, out, MV_SEND);
        a->stream = i;
        a->id = slot->segment;
        a->off = s->offset;
        a->bytes = slice_of(
            segment_cell(s->config.params, &slot->room, &slot->result, i),
            size);
    }
    s->offset += size;
    s->next_send++;
    slot->offset = s->offset;
    slot->info.cell_leaves = slot->result.cell_leaves;
    slot->info.ciphertext_size = slot->result.ciphertext_size;
}

static void pump_send(struct sealer *s, struct mover_out *out)
{
    struct sealer_slot *slot = slot_find(s, SEALER_SENDING, s->next_send);

    if (slot != NULL) {
        slot_send(slot, out);
    }
}

/* Segments that were sent join the open commit, and their slots are free. */
static void pump_join(struct sealer *s, struct mover_out *out)
{
    struct sealer_commit *c = &s->open;
    struct sealer_slot *slot;

    while (c->count < SEALER_BATCH &&
           (slot = slot_find(s, SEALER_SENT, s->next_join)) != NULL) {
        struct mover_action *a;
        uint64_t off;
        uint64_t len;

        if (c->count == 0) {
            s->open_ms = s->now_ms;
        }
        c->segment = slot->segment;
        c->added[c->count++] = slot->info;
        c->offset = slot->offset;
        memcpy(c->ranges, slot->ranges,
               streams_len(s) * sizeof(slot->ranges[0]));
        s->next_join++;
        slot_move(slot, SEALER_FREE);
        segment_place(s, c->segment, &off, &len);
        a = mover_act(out, MV_PROGRESS);
        a->off = off + len;
        a->len = s->config.data_size + s->catalogue_size;
    }
}

/* One commit at a time is on its way. */
static void pump_close(struct sealer *s)
{
    const struct sealer_commit *c = &s->open;

    if (!s->closing && c->count > 0 &&
        (c->count == SEALER_BATCH || s->next_join == s->segments ||
         s->now_ms - s->open_ms >= SEALER_BATCH_MS)) {
        s->done = s->open;
        s->open.count = 0;
        s->closing = true;
    }
}

static void pump_flush(struct sealer *s, struct mover_out *out)
{
    for (uint16_t i = 0; i < streams_len(s) && s->closing; i++) {
        if (!s->lost[i] && !s->flushing[i] && s->durable[i] < s->done.offset) {
            s->flushing[i] = true;
            ask(s, out, MV_FLUSH)->stream = i;
        }
    }
}

static void pump_note(struct sealer *s, struct mover_out *out)
{
    unsigned holding = 0;
    struct mover_action *a;

    if (!s->closing || s->noting) {
        return;
    }
    for (uint16_t i = 0; i < streams_len(s); i++) {
        if (s->lost[i]) {
            continue;
        }
        if (s->durable[i] < s->done.offset) {
            return;
        }
        holding++;
    }
    if (holding < s->config.quorum) {
        return;
    }
    s->noting = true;
    a = ask(s, out, MV_NOTE);
    a->id = s->done.segment;
    a->arg = &s->done;
}

static void sealer_end(struct sealer *s, struct mover_out *out)
{
    for (unsigned i = 0; i < s->config.window; i++) {
        if (s->slots[i].state != SEALER_BUFFER) {
            mover_act(out, MV_PUT_BUF)->buf = s->slots[i].buf;
        }
    }
    mover_act(out, MV_END)->status = s->status;
    s->ended = true;
}

static void sealer_pump(struct sealer *s, struct mover_out *out)
{
    if (s->status == OK) {
        pump_join(s, out);
        pump_close(s);
        pump_read(s, out);
        pump_range(s, out);
        pump_send(s, out);
        pump_flush(s, out);
        pump_note(s, out);
    }
    if (s->pending == 0 &&
        (s->status != OK || (s->segments > 0 && s->committed == s->segments))) {
        sealer_end(s, out);
    }
}

static void sealer_on_start(struct sealer *s, struct mover_out *out)
{
    assert(s->segments > 0 || s->next_read < s->data_segments);
    for (unsigned i = 0; i < s->config.window; i++) {
        ask(s, out, MV_GET_BUF);
    }
}

static void sealer_on_buffer(struct sealer *s, const struct mover_event *ev)
{
    const struct segment_params *p = s->config.params;
    struct sealer_slot *slot = slot_any(s, SEALER_BUFFER);

    assert(slot != NULL);
    if (ev->status != OK) {
        sealer_fail(s, ev->status);
        return;
    }
    assert(ev->len >= sealer_buffer_size(p));
    slot->buf = ev->buf;
    segment_room_init(&slot->room, p->code.k, p->code.n, p->segment_size,
                      ev->mem);
    slot_move(slot, SEALER_FREE);
}

static void sealer_on_read(struct sealer *s,
                           const struct mover_event *ev,
                           struct mover_out *out)
{
    struct sealer_slot *slot = slot_any(s, SEALER_READING);

    assert(slot != NULL && ev->stream == MOVER_SOURCE);
    s->reading = false;
    if (ev->status != OK) {
        sealer_fail(s, ev->status);
        return;
    }
    assert(ev->len == slot->info.plain_size);
    assert(s->segments > 0 || s->next_read < s->data_segments);
    slot->info.plain = ev->digest;
    slot_move(slot, SEALER_SEALING);
    if (s->status == OK) {
        slot_work(slot, out, slot_seal);
    }
}

static void sealer_on_worked(struct sealer *s, const struct mover_event *ev)
{
    struct sealer_slot *slot = slot_find(s, SEALER_SEALING, ev->id);

    if (ev->status != OK) {
        sealer_fail(s, ev->status);
        return;
    }
    if (slot != NULL) {
        slot_move(slot, SEALER_RANGING);
        return;
    }
    slot = slot_find(s, SEALER_RANGING, ev->id);
    assert(slot != NULL && ev->id == s->next_range);
    s->ranging = false;
    s->next_range++;
    slot_move(slot, SEALER_SENDING);
}

/* What was asked of the stream is still answered, and until then it uses our
 * memory; but it no longer counts, and nothing more is asked. */
static void stream_lose(struct sealer *s, uint32_t stream, int status)
{
    unsigned live = 0;

    s->lost[stream] = true;
    for (uint16_t i = 0; i < streams_len(s); i++) {
        live += !s->lost[i];
    }
    if (live < s->config.quorum) {
        sealer_fail(s, status);
    }
}

static void sealer_on_sent(struct sealer *s, const struct mover_event *ev)
{
    struct sealer_slot *slot = slot_find(s, SEALER_SENDING, ev->id);
    uint64_t bit = stream_bit(ev->stream);

    assert(slot != NULL && (slot->unsent & bit) != 0);
    if (ev->status != OK) {
        stream_lose(s, ev->stream, ev->status);
    }
    slot->unsent &= ~bit;
    if (slot->unsent == 0) {
        slot_move(slot, SEALER_SENT);
    }
}

static void sealer_on_durable(struct sealer *s, const struct mover_event *ev)
{
    assert(ev->stream < streams_len(s) && s->flushing[ev->stream]);
    s->flushing[ev->stream] = false;
    if (ev->status != OK) {
        stream_lose(s, ev->stream, ev->status);
        return;
    }
    s->durable[ev->stream] = ev->off;
}

static void sealer_on_noted(struct sealer *s, const struct mover_event *ev)
{
    assert(s->noting && ev->id == s->done.segment);
    s->noting = false;
    if (ev->status != OK) {
        sealer_fail(s, ev->status);
        return;
    }
    s->closing = false;
    s->committed = s->done.segment + 1;
}

void sealer_step(struct sealer *s,
                 const struct mover_event *ev,
                 struct mover_out *out)
{
    out->len = 0;
    if (s->ended) {
        return;
    }
    s->now_ms = ev->mono_ms;
    switch (ev->type) {
    case MV_START:
        sealer_on_start(s, out);
        break;
    case MV_BUF:
        s->pending--;
        sealer_on_buffer(s, ev);
        break;
    case MV_READ:
        s->pending--;
        sealer_on_read(s, ev, out);
        break;
    case MV_WORKED:
        s->pending--;
        sealer_on_worked(s, ev);
        break;
    case MV_SENT:
        s->pending--;
        sealer_on_sent(s, ev);
        break;
    case MV_DURABLE:
        s->pending--;
        sealer_on_durable(s, ev);
        break;
    case MV_NOTED:
        s->pending--;
        sealer_on_noted(s, ev);
        break;
    case MV_LOST:
        assert(ev->stream < streams_len(s));
        stream_lose(s, ev->stream, ERR_IO);
        break;
    case MV_WAKE:
        break;
    case MV_CANCEL:
        sealer_fail(s, ERR_CANCELED);
        break;
    }
    sealer_pump(s, out);
}
