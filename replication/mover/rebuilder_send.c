#include "replication/mover/rebuilder_internal.h"

/* Targets: what they lack, sending, flushing. */

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
uint64_t rebuilder_open(const struct rebuilder *r)
{
    return r->config.targets & ~r->lost & ~rebuilder_filled(r);
}

/* Open targets that end before |end|, and where the first of them ends. */
uint64_t rebuilder_lacking(const struct rebuilder *r,
                           uint64_t end,
                           uint64_t *first)
{
    uint64_t lacking = rebuilder_open(r);

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
void rebuilder_lose(struct rebuilder *r, uint32_t i, int status)
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

/* To each target what it lacks; returns whether there was any. */
static bool slot_send(struct rebuilder_slot *slot, struct mover_out *out)
{
    struct rebuilder *r = slot->owner;
    uint64_t targets = slot->want & rebuilder_open(r);

    for (uint32_t i = 0; i < r->config.code->n; i++) {
        struct rebuilder_target *t = &r->targets[i];
        struct mover_action *a;

        if ((targets & stream_bit(i)) == 0) {
            continue;
        }
        assert(t->asked >= slot->from && t->asked < slot->end);
        a = rebuilder_ask(r, out, MV_SEND);
        a->stream = i;
        a->id = slot->segment;
        a->off = t->asked;
        a->bytes =
            slice_of(rebuilder_slot_rebuilt(slot, i) + (t->asked - slot->from),
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

        if (slot->state == REBUILDER_REBUILT &&
            rebuilder_slot_nth(slot) == r->next_send) {
            return slot;
        }
    }
    return NULL;
}

/* One a step, for bounded actions; passing over those that nobody wants any
 * more. */
void rebuilder_pump_send(struct rebuilder *r, struct mover_out *out)
{
    struct rebuilder_slot *slot;

    while ((slot = slot_next(r)) != NULL) {
        r->next_send++;
        if (slot_send(slot, out)) {
            rebuilder_move(slot, REBUILDER_SENDING);
            return;
        }
        rebuilder_move(slot, REBUILDER_FREE);
    }
}

void rebuilder_pump_flush(struct rebuilder *r, struct mover_out *out)
{
    uint64_t open = rebuilder_open(r);

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
            rebuilder_ask(r, out, MV_FLUSH)->stream = i;
        }
    }
}
