#include "replication/mover/sealer_internal.h"

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

void sealer_move(struct sealer_slot *slot, enum sealer_state next)
{
    assert((sealer_allowed[slot->state] & BIT(next)) != 0);
    slot->state = next;
}

uint16_t sealer_streams_len(const struct sealer *s)
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
    assert(config->quorum >= 1 && config->quorum <= sealer_streams_len(s));
    s->data_segments = segments_of(s, config->data_size);
    s->offset = LEAF_SIZE;
    s->raw = config->params->codec == CODEC_CHOOSE_RAW;
    for (uint16_t i = 0; i < sealer_streams_len(s); i++) {
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

struct sealer_slot *sealer_slot_find(struct sealer *s,
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

struct sealer_slot *sealer_slot_any(struct sealer *s, enum sealer_state state)
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

struct mover_action *sealer_ask(struct sealer *s,
                                struct mover_out *out,
                                enum mover_action_type type)
{
    s->pending++;
    return mover_act(out, type);
}

static void sealer_end(struct sealer *s, struct mover_out *out)
{
    for (unsigned i = 0; i < s->config.window; i++) {
        segment_sealing_wipe(&s->slots[i].sealing);
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
        sealer_pump_next(s, out);
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
        sealer_ask(s, out, MV_GET_BUF);
    }
}

static void sealer_on_buffer(struct sealer *s, const struct mover_event *ev)
{
    const struct segment_params *p = s->config.params;
    struct sealer_slot *slot = sealer_slot_any(s, SEALER_BUFFER);

    assert(slot != NULL);
    if (ev->status != OK) {
        sealer_fail(s, ev->status);
        return;
    }
    assert(ev->len >= sealer_buffer_size(p));
    slot->buf = ev->buf;
    segment_room_init(&slot->room, p->code.k, p->code.n, p->segment_size,
                      ev->mem);
    sealer_move(slot, SEALER_FREE);
}

static void sealer_on_read(struct sealer *s,
                           const struct mover_event *ev,
                           struct mover_out *out)
{
    struct sealer_slot *slot = sealer_slot_any(s, SEALER_READING);

    assert(slot != NULL && ev->stream == MOVER_SOURCE);
    s->reading = false;
    if (ev->status != OK) {
        sealer_fail(s, ev->status);
        return;
    }
    assert(ev->len == slot->info.plain_size);
    assert(s->segments > 0 || s->next_read < s->data_segments);
    slot->info.plain = ev->digest;
    sealer_move(slot, SEALER_SEALING);
    if (s->status == OK) {
        sealer_slot_work(slot, out, sealer_slot_seal);
    }
}

static void sealer_on_worked(struct sealer *s, const struct mover_event *ev)
{
    struct sealer_slot *slot = sealer_slot_find(s, SEALER_SEALING, ev->id);

    if (ev->status != OK) {
        sealer_fail(s, ev->status);
        return;
    }
    if (slot != NULL) {
        s->raw = slot->result.codec == CODEC_RAW &&
                 s->config.params->codec != CODEC_CHOOSE_ZSTD;
        sealer_move(slot, SEALER_RANGING);
        return;
    }
    slot = sealer_slot_find(s, SEALER_RANGING, ev->id);
    assert(slot != NULL && ev->id == s->next_range);
    s->ranging = false;
    s->next_range++;
    sealer_move(slot, SEALER_SENDING);
}

/* What was asked of the stream is still answered, and until then it uses our
 * memory; but it no longer counts, and nothing more is asked. */
static void stream_lose(struct sealer *s, uint32_t stream, int status)
{
    unsigned live = 0;

    s->lost[stream] = true;
    for (uint16_t i = 0; i < sealer_streams_len(s); i++) {
        live += !s->lost[i];
    }
    if (live < s->config.quorum) {
        sealer_fail(s, status);
    }
}

static void sealer_on_sent(struct sealer *s, const struct mover_event *ev)
{
    struct sealer_slot *slot = sealer_slot_find(s, SEALER_SENDING, ev->id);
    uint64_t bit = stream_bit(ev->stream);

    assert(slot != NULL && (slot->unsent & bit) != 0);
    if (ev->status != OK) {
        stream_lose(s, ev->stream, ev->status);
    }
    slot->unsent &= ~bit;
    if (slot->unsent == 0) {
        sealer_move(slot, SEALER_SENT);
    }
}

static void sealer_on_durable(struct sealer *s, const struct mover_event *ev)
{
    assert(ev->stream < sealer_streams_len(s) && s->flushing[ev->stream]);
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
        assert(ev->stream < sealer_streams_len(s));
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
