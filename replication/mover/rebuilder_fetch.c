#include "replication/mover/rebuilder_internal.h"

/* Cells: which are fetched, and the lost ones rebuilt. */

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

static const struct fetcher_slot *slot_cells(const struct rebuilder_slot *slot)
{
    const struct rebuilder *r = slot->owner;

    return &r->fetcher.slots[slot - r->slots];
}

uint8_t *rebuilder_slot_rebuilt(const struct rebuilder_slot *slot,
                                uint32_t target)
{
    return fetcher_cell(slot_cells(slot), target);
}

uint64_t rebuilder_slot_nth(const struct rebuilder_slot *slot)
{
    return slot_cells(slot)->nth;
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

static int slot_fetch(struct rebuilder_slot *slot,
                      const struct restorer_place *place,
                      struct mover_out *out)
{
    struct rebuilder *r = slot->owner;
    struct fetcher_cells cells;

    slot->segment = place->segment;
    slot->end = rebuilder_place_end(place);
    slot->want = rebuilder_lacking(r, slot->end, &slot->from);
    if (slot->from < place->offset) {
        slot->from = place->offset;
    }
    cells = (struct fetcher_cells){.segment = slot->segment,
                                   .off = slot->from,
                                   .len = rebuilder_slot_size(slot),
                                   .mem = slot->mem};
    rebuilder_move(slot, REBUILDER_FETCHING);
    return fetcher_begin(&r->fetcher, (unsigned)(slot - r->slots), &cells, out);
}

void rebuilder_pump_fetch(struct rebuilder *r, struct mover_out *out)
{
    struct rebuilder_slot *slot = rebuilder_slot_any(r, REBUILDER_FREE);
    const struct restorer_place *place =
        slot != NULL && r->next_place < r->config.places_len ? place_next(r)
                                                             : NULL;
    int rv = place != NULL ? slot_fetch(slot, place, out) : OK;

    if (rv == OK) {
        rv = fetcher_pump(&r->fetcher, r->next_send, out);
    }
    if (rv != OK) {
        rebuilder_fail(r, rv);
    }
}

static int slot_plan(struct rebuilder_slot *slot,
                     const uint8_t *present,
                     const uint8_t *want,
                     size_t want_len)
{
    uint64_t have = slot_cells(slot)->have;
    int rv;

    if (slot->plan_have == have && slot->plan_want == slot->want) {
        return OK;
    }
    slot->plan_have = 0;
    rv = erasure_plan_init(&slot->plan, slot->owner->config.code, present, want,
                           want_len);
    if (rv != OK) {
        return rv;
    }
    slot->plan_have = have;
    slot->plan_want = slot->want;
    return OK;
}

/* Runs on a worker: of what is not the slot's it reads only the code. */
int rebuilder_work(void *arg)
{
    struct rebuilder_slot *slot = arg;
    const struct erasure *code = slot->owner->config.code;
    const struct fetcher_slot *cells = slot_cells(slot);
    const uint8_t *have[ERASURE_K_MAX];
    uint8_t *out[MANIFEST_SHARDS_MAX];
    uint8_t present[ERASURE_K_MAX];
    uint8_t want[MANIFEST_SHARDS_MAX];
    size_t have_len = 0;
    size_t want_len = 0;
    int rv;

    for (uint8_t i = 0; i < code->n; i++) {
        if ((cells->have & stream_bit(i)) != 0) {
            have[have_len] = fetcher_cell(cells, i);
            present[have_len++] = i;
        } else if ((slot->want & stream_bit(i)) != 0) {
            out[want_len] = fetcher_cell(cells, i);
            want[want_len++] = i;
        }
    }
    assert(have_len == code->k);
    rv = slot_plan(slot, present, want, want_len);
    if (rv == OK) {
        erasure_rebuild(&slot->plan, have, out, rebuilder_slot_size(slot));
    }
    return rv;
}
