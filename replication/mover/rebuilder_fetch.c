#include "replication/mover/rebuilder_internal.h"

/* Cells: k of them are read from holders, and the lost ones rebuilt. */

uint64_t rebuilder_place_size(const struct restorer_place *place)
{
    return (uint64_t)place->size.leaves * LEAF_SIZE;
}

uint64_t rebuilder_place_end(const struct restorer_place *place)
{
    return place->offset + rebuilder_place_size(place);
}

size_t rebuilder_slot_size(const struct rebuilder_slot *slot)
{
    return (size_t)(slot->end - slot->from);
}

/* Where one of the k cells is read to, or what comes after them. */
static uint8_t *slot_cell(const struct rebuilder_slot *slot, size_t i)
{
    return slot->mem + i * rebuilder_slot_size(slot);
}

/* Where the cell of a target that wants it is rebuilt. */
uint8_t *rebuilder_slot_rebuilt(const struct rebuilder_slot *slot,
                                uint32_t target)
{
    unsigned rank = stream_bits_len(slot->want & (stream_bit(target) - 1));

    return slot_cell(slot, (size_t)slot->owner->config.code->k + rank);
}

/* The best holder that this slot has not asked yet, or -1. */
static int holder_next(const struct rebuilder *r,
                       const struct rebuilder_slot *slot)
{
    uint64_t fresh =
        r->config.holders & ~(slot->have | slot->asked | slot->failed);

    return holders_best(&r->holders, fresh, 0, r->config.code, r->mono_ms);
}

/* Read the |place|th of the k cells from the best holder. */
void rebuilder_read(struct rebuilder_slot *slot,
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
    a = rebuilder_ask(r, out, MV_READ_AT);
    a->stream = (uint32_t)holder;
    a->id = slot->segment;
    a->off = slot->from;
    a->len = rebuilder_slot_size(slot);
    a->mem = slot_cell(slot, place);
}

/* The next segment that is lacked, or NULL. */
static const struct restorer_place *place_next(struct rebuilder *r)
{
    uint64_t first;

    if (rebuilder_lacking(r, r->end, &first) == 0) {
        return NULL;
    }
    while (rebuilder_place_end(&r->config.places[r->next_place]) <= first) {
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
    slot->end = rebuilder_place_end(place);
    slot->want = rebuilder_lacking(r, slot->end, &slot->from);
    if (slot->from < place->offset) {
        slot->from = place->offset;
    }
    slot->have = slot->asked = slot->failed = 0;
    rebuilder_move(slot, REBUILDER_FETCHING);
    for (uint8_t i = 0; i < r->config.code->k && r->status == OK; i++) {
        rebuilder_read(slot, i, out);
    }
}

void rebuilder_pump_fetch(struct rebuilder *r, struct mover_out *out)
{
    struct rebuilder_slot *slot = rebuilder_slot_any(r, REBUILDER_FREE);

    /* One a step keeps the actions of a step bounded; the read of each cell
     * is a step of its own, so others follow soon. */
    if (slot != NULL && r->next_place < r->config.places_len) {
        const struct restorer_place *place = place_next(r);

        if (place != NULL) {
            slot_fetch(slot, place, out);
        }
    }
}

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
int rebuilder_work(void *arg)
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

    assert(stream_bits_len(slot->have) == code->k);
    for (uint8_t i = 0; i < code->n; i++) {
        if ((slot->have & stream_bit(i)) != 0) {
            have[have_len] = slot_cell(slot, slot->places[i]);
            present[have_len++] = i;
        } else if ((slot->want & stream_bit(i)) != 0) {
            out[want_len] = rebuilder_slot_rebuilt(slot, i);
            want[want_len++] = i;
        }
    }
    rv = slot_plan(slot, present, want, want_len);
    if (rv == OK) {
        erasure_rebuild(&slot->plan, have, out, rebuilder_slot_size(slot));
    }
    return rv;
}
