#include "replication/mover/restorer_internal.h"

/* Cells: who is asked for them, and who else when one does not come. */

/* --- Asking -------------------------------------------------------------- */

/* The streams that something is on its way from. */
static uint64_t streams_busy(const struct restorer *r)
{
    uint64_t busy = 0;

    for (unsigned i = 0; i < r->config.window; i++) {
        busy |= r->slots[i].asked;
    }
    return busy;
}

/* The best stream that this slot has not asked yet, or -1. */
static int stream_next(const struct restorer *r,
                       const struct restorer_slot *slot)
{
    uint64_t fresh =
        r->config.streams & ~(slot->have | slot->asked | slot->failed);

    return holders_best(&r->holders, fresh, streams_busy(r),
                        &r->config.params->code, r->mono_ms);
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

static void slot_ask(struct restorer_slot *slot,
                     uint32_t stream,
                     struct mover_out *out)
{
    struct restorer *r = slot->owner;
    struct mover_action *a = restorer_ask(r, out, MV_READ_AT);

    slot->asked |= stream_bit(stream);
    slot->asked_ms[stream] = r->mono_ms;
    a->stream = stream;
    a->id = slot->place.segment;
    a->off = slot->place.offset;
    a->len = restorer_cell_size(slot);
    a->mem = restorer_cell(slot, (uint16_t)stream);
}

static void slot_fetch(struct restorer_slot *slot, struct mover_out *out)
{
    uint16_t k = slot->owner->config.params->code.k;

    while (stream_bits_len(slot->have | slot->asked) < k) {
        int stream = stream_next(slot->owner, slot);

        if (stream < 0) {
            slot_wait(slot);
            return;
        }
        slot_ask(slot, (uint32_t)stream, out);
    }
}

static void pump_next(struct restorer *r, struct mover_out *out)
{
    struct restorer_slot *slot = restorer_slot_any(r, RESTORER_FREE);

    /* One a step keeps the actions of a step bounded; the read of each cell
     * is a step of its own, so others follow soon. */
    if (slot == NULL || r->next_fetch >= r->config.places_len) {
        return;
    }
    slot->nth = r->next_fetch++;
    slot->place = r->config.places[slot->nth];
    slot->have = slot->asked = slot->failed = slot->again = slot->hedges = 0;
    slot->again_ms = 0;
    slot->retries = 0;
    restorer_move(slot, RESTORER_FETCHING);
    slot_fetch(slot, out);
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

/* --- Hedges -------------------------------------------------------------- */

static bool slot_has_all(const struct restorer_slot *slot)
{
    return stream_bits_len(slot->have) == slot->owner->config.params->code.k;
}

/* Of those that are asked, the ones that are late. */
static uint64_t slot_late(const struct restorer_slot *slot)
{
    const struct restorer *r = slot->owner;
    uint64_t late_ms = holders_late_ms(&r->holders);
    uint64_t late = 0;

    for (uint16_t i = 0; i < r->config.params->code.n; i++) {
        if ((slot->asked & stream_bit(i)) != 0 &&
            r->mono_ms >= slot->asked_ms[i] + late_ms) {
            late |= stream_bit(i);
        }
    }
    return late;
}

/* Does it lack one cell alone, or keep all behind it waiting? */
static bool slot_holds_up(const struct restorer_slot *slot)
{
    const struct restorer *r = slot->owner;
    unsigned have = stream_bits_len(slot->have);

    return slot->state == RESTORER_FETCHING && !slot_has_all(slot) &&
           (have + 1 == r->config.params->code.k || slot->nth == r->next_send);
}

static uint64_t slot_hedges(const struct restorer_slot *slot)
{
    return slot->asked & slot->hedges & ~slot_late(slot);
}

static bool slot_wants_hedge(const struct restorer_slot *slot)
{
    uint64_t here = slot->have | (slot->asked & ~slot_late(slot));

    return slot_holds_up(slot) && slot_hedges(slot) == 0 &&
           stream_bits_len(here) < slot->owner->config.params->code.k;
}

/* Ask one more; when all were, those that failed once more, after a while. */
static bool slot_hedge(struct restorer_slot *slot, struct mover_out *out)
{
    struct restorer *r = slot->owner;
    int stream = stream_next(r, slot);

    if (stream >= 0) {
        slot->hedges |= stream_bit((uint32_t)stream);
        slot_ask(slot, (uint32_t)stream, out);
    } else if (slot->again_ms == 0 && slot->again != 0) {
        slot->again_ms = r->mono_ms + holders_late_ms(&r->holders);
    }
    return stream >= 0;
}

/* The earliest segments first: they hold up the others. */
static void pump_hedge(struct restorer *r, struct mover_out *out)
{
    unsigned hedges = 0;

    for (unsigned i = 0; i < r->config.window; i++) {
        hedges += stream_bits_len(slot_hedges(&r->slots[i]));
    }
    for (size_t nth = r->next_send;
         nth < r->next_fetch && hedges < RESTORER_HEDGES_MAX; nth++) {
        struct restorer_slot *slot = restorer_slot_find(
            r, RESTORER_FETCHING, r->config.places[nth].segment);

        if (slot != NULL && slot_wants_hedge(slot)) {
            hedges += slot_hedge(slot, out) ? 1U : 0U;
        }
    }
}

/* k cells are here: nobody is waited for any longer, and who was late lost. */
static void slot_enough(struct restorer_slot *slot, struct mover_out *out)
{
    struct restorer *r = slot->owner;
    uint64_t late = slot_late(slot);

    slot->again_ms = 0;
    for (uint16_t i = 0; i < r->config.params->code.n; i++) {
        uint64_t waited_ms = r->mono_ms - slot->asked_ms[i];

        if ((late & stream_bit(i)) == 0) {
            continue;
        }
        holders_outrun(&r->holders, i, waited_ms, r->mono_ms);
        if ((r->slow & stream_bit(i)) == 0) {
            struct mover_action *a = mover_act(out, MV_SLOW);

            r->slow |= stream_bit(i);
            a->stream = i;
            a->off = waited_ms;
        }
    }
    if (slot->asked != 0) {
        mover_act(out, MV_DROP)->id = slot->place.segment;
    }
}

/* --- Time ---------------------------------------------------------------- */

static uint64_t sooner(uint64_t a, uint64_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

/* When the slot is to be looked at, if nothing happens before; 0: then only. */
static uint64_t slot_wake(const struct restorer_slot *slot)
{
    const struct restorer *r = slot->owner;
    uint64_t late_ms = holders_late_ms(&r->holders);
    uint64_t at = slot->again_ms;

    for (uint16_t i = 0; slot_holds_up(slot) && i < r->config.params->code.n;
         i++) {
        uint64_t late_at = slot->asked_ms[i] + late_ms;

        if ((slot->asked & stream_bit(i)) != 0 && late_at > r->mono_ms) {
            at = sooner(at, late_at);
        }
    }
    return at;
}

/* A timer that is up too early does no harm, and saves setting it anew with
 * each cell. */
static void pump_timer(struct restorer *r, struct mover_out *out)
{
    uint64_t at = 0;

    for (unsigned i = 0; i < r->config.window; i++) {
        at = sooner(at, slot_wake(&r->slots[i]));
    }
    if (at != 0 && (r->wake_ms == 0 || at < r->wake_ms)) {
        mover_act(out, MV_WAKE_AT)->off = at;
        r->wake_ms = at;
    }
}

void restorer_pump_fetch(struct restorer *r, struct mover_out *out)
{
    pump_again(r, out);
    pump_next(r, out);
    pump_hedge(r, out);
    pump_timer(r, out);
}

/* --- Answers ------------------------------------------------------------- */

/* The cell does not come from there. */
static void slot_miss(struct restorer_slot *slot,
                      const struct mover_event *ev,
                      struct mover_out *out)
{
    struct restorer *r = slot->owner;

    slot->failed |= stream_bit(ev->stream);
    if (ev->status != ERR_MISMATCH && ev->status != ERR_NOTFOUND) {
        slot->again |= stream_bit(ev->stream);
    }
    if (r->status == OK) {
        slot_fetch(slot, out);
    }
}

static void slot_open(struct restorer_slot *slot, struct mover_out *out)
{
    struct mover_action *a = restorer_ask(slot->owner, out, MV_WORK);

    restorer_move(slot, RESTORER_OPENING);
    a->id = slot->place.segment;
    a->work = restorer_work;
    a->arg = slot;
}

void restorer_on_read(struct restorer *r,
                      const struct mover_event *ev,
                      struct mover_out *out)
{
    struct restorer_slot *slot =
        restorer_slot_find(r, RESTORER_FETCHING, ev->id);
    uint64_t bit = stream_bit(ev->stream);

    assert(slot != NULL && (slot->asked & bit) != 0);
    slot->asked &= ~bit;
    if (ev->status == OK) {
        holders_answered(&r->holders, ev->stream,
                         ev->mono_ms - slot->asked_ms[ev->stream]);
    } else if (ev->status != ERR_CANCELED) {
        holders_failed(&r->holders, ev->stream, ev->mono_ms + RESTORER_REST_MS);
    }
    /* With k cells it was given up, and is of no use whatever it says. */
    if (!slot_has_all(slot)) {
        if (ev->status != OK) {
            slot_miss(slot, ev, out);
            return;
        }
        slot->have |= bit;
        if (slot_has_all(slot) && r->status == OK) {
            slot_enough(slot, out);
        }
    }
    if (slot_has_all(slot) && slot->asked == 0 && r->status == OK) {
        slot_open(slot, out);
    }
}
