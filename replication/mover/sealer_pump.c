#include "replication/mover/sealer_internal.h"

/* What is asked for next: reading, sealing, sending, commits. */

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

int sealer_slot_seal(void *arg)
{
    struct sealer_slot *slot = arg;

    if (slot->tiled) {
        return segment_sealing_end(&slot->sealing, &slot->result);
    }
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

    for (uint16_t i = 0; i < sealer_streams_len(s); i++) {
        merkle_range_append_run(
            &s->ranges[i], 0,
            segment_cell_leaves(&slot->room, &slot->result, i),
            slot->result.cell_leaves, NULL, NULL);
        slot->ranges[i] = s->ranges[i];
    }
    return OK;
}

void sealer_slot_work(struct sealer_slot *slot,
                      struct mover_out *out,
                      int (*work)(void *))
{
    struct mover_action *a = sealer_ask(slot->owner, out, MV_WORK);

    a->id = slot->segment;
    a->work = work;
    a->arg = slot;
}

static void slot_take(void *arg, struct slice tile)
{
    struct sealer_slot *slot = arg;

    segment_sealing_take(&slot->sealing, tile);
}

static void pump_read(struct sealer *s, struct mover_out *out)
{
    uint64_t limit = s->segments > 0 ? s->segments : s->data_segments;
    struct sealer_slot *slot = sealer_slot_any(s, SEALER_FREE);
    struct mover_action *a;
    uint64_t off;
    uint64_t len;

    if (s->reading || slot == NULL || s->next_read >= limit) {
        return;
    }
    segment_place(s, s->next_read, &off, &len);
    slot->segment = s->next_read++;
    slot->info.plain_size = (uint32_t)len;
    sealer_move(slot, SEALER_READING);
    s->reading = true;
    a = sealer_ask(s, out, MV_READ_AT);
    a->stream = MOVER_SOURCE;
    a->id = slot->segment;
    a->off = off;
    a->len = len;
    a->mem = slot->room.plain;
    slot->tiled = s->raw;
    if (slot->tiled) {
        segment_sealing_begin(&slot->sealing, s->config.params, slot->codec,
                              &slot->rng, slot->segment, slot->info.plain_size,
                              &slot->room);
        a->take = slot_take;
        a->arg = slot;
    }
}

static void pump_range(struct sealer *s, struct mover_out *out)
{
    struct sealer_slot *slot =
        sealer_slot_find(s, SEALER_RANGING, s->next_range);

    if (!s->ranging && slot != NULL) {
        s->ranging = true;
        sealer_slot_work(slot, out, slot_range);
    }
}

static void slot_send(struct sealer_slot *slot, struct mover_out *out)
{
    struct sealer *s = slot->owner;
    uint64_t size = (uint64_t)slot->result.cell_leaves * LEAF_SIZE;

    for (uint16_t i = 0; i < sealer_streams_len(s); i++) {
        struct mover_action *a;

        if (s->lost[i]) {
            continue;
        }
        slot->unsent |= stream_bit(i);
        a = sealer_ask(s, out, MV_SEND);
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
    struct sealer_slot *slot =
        sealer_slot_find(s, SEALER_SENDING, s->next_send);

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
           (slot = sealer_slot_find(s, SEALER_SENT, s->next_join)) != NULL) {
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
               sealer_streams_len(s) * sizeof(slot->ranges[0]));
        s->next_join++;
        sealer_move(slot, SEALER_FREE);
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
    for (uint16_t i = 0; i < sealer_streams_len(s) && s->closing; i++) {
        if (!s->lost[i] && !s->flushing[i] && s->durable[i] < s->done.offset) {
            s->flushing[i] = true;
            sealer_ask(s, out, MV_FLUSH)->stream = i;
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
    for (uint16_t i = 0; i < sealer_streams_len(s); i++) {
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
    a = sealer_ask(s, out, MV_NOTE);
    a->id = s->done.segment;
    a->arg = &s->done;
}

void sealer_pump_next(struct sealer *s, struct mover_out *out)
{
    pump_join(s, out);
    pump_close(s);
    pump_read(s, out);
    pump_range(s, out);
    pump_send(s, out);
    pump_flush(s, out);
    pump_note(s, out);
}
