#include "replication/mover/fetcher.h"

/* Cells: who is asked for them, and who else when one does not come. */

/* --- Asking -------------------------------------------------------------- */

/* The streams that something is on its way from. */
static uint64_t streams_busy(const struct fetcher *f)
{
    uint64_t busy = 0;

    for (unsigned i = 0; i < FETCHER_WINDOW_MAX; i++) {
        busy |= f->slots[i].asked;
    }
    return busy;
}

/* The best stream that this slot has not asked yet, or -1. */
static int stream_next(const struct fetcher *f, const struct fetcher_slot *slot)
{
    uint64_t fresh = f->streams & ~(slot->have | slot->asked | slot->failed);

    return holders_best(&f->holders, fresh, streams_busy(f), f->preferred,
                        f->mono_ms);
}

/* There is nobody left to ask: wait for those that may recover, or give up. */
static int slot_wait(struct fetcher_slot *slot)
{
    struct fetcher *f = slot->owner;
    uint64_t left = slot->have | slot->asked | (slot->again & f->streams);

    if (stream_bits_len(left) < f->code->k ||
        (slot->again_ms == 0 && slot->retries == FETCHER_RETRIES)) {
        return ERR_NOTFOUND;
    }
    if (slot->again_ms == 0) {
        slot->again_ms =
            f->mono_ms + ((uint64_t)FETCHER_RETRY_MS << slot->retries);
        slot->retries++;
    }
    return OK;
}

static void slot_ask(struct fetcher_slot *slot,
                     uint32_t stream,
                     struct mover_out *out)
{
    struct fetcher *f = slot->owner;
    struct mover_action *a = mover_act(out, MV_READ_AT);

    f->pending++;
    slot->asked |= stream_bit(stream);
    slot->asked_ms[stream] = f->mono_ms;
    a->stream = stream;
    a->id = slot->cells.segment;
    a->off = slot->cells.off;
    a->len = slot->cells.len;
    a->mem = fetcher_cell(slot, stream);
}

static int slot_fetch(struct fetcher_slot *slot, struct mover_out *out)
{
    uint16_t k = slot->owner->code->k;

    while (stream_bits_len(slot->have | slot->asked) < k) {
        int stream = stream_next(slot->owner, slot);

        if (stream < 0) {
            return slot_wait(slot);
        }
        slot_ask(slot, (uint32_t)stream, out);
    }
    return OK;
}

int fetcher_begin(struct fetcher *f,
                  unsigned i,
                  const struct fetcher_cells *cells,
                  struct mover_out *out)
{
    struct fetcher_slot *slot = &f->slots[i];

    assert(!slot->busy && !f->over);
    *slot = (struct fetcher_slot){
        .owner = f, .busy = true, .nth = f->begun++, .cells = *cells};
    return slot_fetch(slot, out);
}

/* Ask once more for one segment whose time has come: one a step, for bounded
 * actions, too. */
static int pump_again(struct fetcher *f, struct mover_out *out)
{
    for (unsigned i = 0; i < FETCHER_WINDOW_MAX; i++) {
        struct fetcher_slot *slot = &f->slots[i];

        if (slot->busy && slot->again_ms != 0 && slot->again_ms <= f->mono_ms) {
            slot->failed &= ~slot->again;
            slot->again = 0;
            slot->again_ms = 0;
            return slot_fetch(slot, out);
        }
    }
    return OK;
}

/* --- Hedges -------------------------------------------------------------- */

static bool slot_has_all(const struct fetcher_slot *slot)
{
    return stream_bits_len(slot->have) == slot->owner->code->k;
}

/* Of those that are asked, the ones that are late. */
static uint64_t slot_late(const struct fetcher_slot *slot)
{
    const struct fetcher *f = slot->owner;
    uint64_t late_ms = holders_late_ms(&f->holders);
    uint64_t late = 0;

    for (uint16_t i = 0; i < f->code->n; i++) {
        if ((slot->asked & stream_bit(i)) != 0 &&
            f->mono_ms >= slot->asked_ms[i] + late_ms) {
            late |= stream_bit(i);
        }
    }
    return late;
}

/* Does it lack one cell alone, or keep all behind it waiting? */
static bool slot_holds_up(const struct fetcher_slot *slot, uint64_t first)
{
    unsigned have = stream_bits_len(slot->have);

    return slot->busy && !slot_has_all(slot) &&
           (have + 1 == slot->owner->code->k || slot->nth == first);
}

static uint64_t slot_hedges(const struct fetcher_slot *slot)
{
    return slot->asked & slot->hedges & ~slot_late(slot);
}

static bool slot_wants_hedge(const struct fetcher_slot *slot, uint64_t first)
{
    uint64_t here = slot->have | (slot->asked & ~slot_late(slot));

    return slot_holds_up(slot, first) && slot_hedges(slot) == 0 &&
           stream_bits_len(here) < slot->owner->code->k;
}

/* Ask one more; when all were, those that failed once more, after a while. */
static bool slot_hedge(struct fetcher_slot *slot, struct mover_out *out)
{
    struct fetcher *f = slot->owner;
    int stream = stream_next(f, slot);

    if (stream >= 0) {
        slot->hedges |= stream_bit((uint32_t)stream);
        slot_ask(slot, (uint32_t)stream, out);
    } else if (slot->again_ms == 0 && slot->again != 0) {
        slot->again_ms = f->mono_ms + holders_late_ms(&f->holders);
    }
    return stream >= 0;
}

static struct fetcher_slot *slot_of(struct fetcher *f, uint64_t nth)
{
    for (unsigned i = 0; i < FETCHER_WINDOW_MAX; i++) {
        if (f->slots[i].busy && f->slots[i].nth == nth) {
            return &f->slots[i];
        }
    }
    return NULL;
}

/* The earliest segments first: they hold up the others. */
static void pump_hedge(struct fetcher *f, uint64_t first, struct mover_out *out)
{
    unsigned hedges = 0;

    for (unsigned i = 0; i < FETCHER_WINDOW_MAX; i++) {
        hedges += stream_bits_len(slot_hedges(&f->slots[i]));
    }
    for (uint64_t nth = first; nth < f->begun && hedges < FETCHER_HEDGES_MAX;
         nth++) {
        struct fetcher_slot *slot = slot_of(f, nth);

        if (slot != NULL && slot_wants_hedge(slot, first)) {
            hedges += slot_hedge(slot, out) ? 1U : 0U;
        }
    }
}

/* k cells are here: nobody is waited for any longer, and who was late lost. */
static void slot_enough(struct fetcher_slot *slot, struct mover_out *out)
{
    struct fetcher *f = slot->owner;
    uint64_t late = slot_late(slot);

    slot->again_ms = 0;
    for (uint16_t i = 0; i < f->code->n; i++) {
        uint64_t waited_ms = f->mono_ms - slot->asked_ms[i];

        if ((late & stream_bit(i)) == 0) {
            continue;
        }
        holders_outrun(&f->holders, i, waited_ms, f->mono_ms);
        if ((f->slow & stream_bit(i)) == 0) {
            struct mover_action *a = mover_act(out, MV_SLOW);

            f->slow |= stream_bit(i);
            a->stream = i;
            a->off = waited_ms;
        }
    }
    if (slot->asked != 0) {
        mover_act(out, MV_DROP)->id = slot->cells.segment;
    }
}

/* --- Time ---------------------------------------------------------------- */

static uint64_t sooner(uint64_t a, uint64_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

/* When the slot is to be looked at, if nothing happens before; 0: then only. */
static uint64_t slot_wake(const struct fetcher_slot *slot, uint64_t first)
{
    const struct fetcher *f = slot->owner;
    uint64_t late_ms = holders_late_ms(&f->holders);
    uint64_t at = slot->again_ms;

    for (uint16_t i = 0; slot_holds_up(slot, first) && i < f->code->n; i++) {
        uint64_t late_at = slot->asked_ms[i] + late_ms;

        if ((slot->asked & stream_bit(i)) != 0 && late_at > f->mono_ms) {
            at = sooner(at, late_at);
        }
    }
    return at;
}

/* A timer that is up too early does no harm, and saves setting it anew with
 * each cell. */
static void pump_timer(struct fetcher *f, uint64_t first, struct mover_out *out)
{
    uint64_t at = 0;

    for (unsigned i = 0; i < FETCHER_WINDOW_MAX; i++) {
        at = sooner(at, slot_wake(&f->slots[i], first));
    }
    if (at != 0 && (f->wake_ms == 0 || at < f->wake_ms)) {
        mover_act(out, MV_WAKE_AT)->off = at;
        f->wake_ms = at;
    }
}

int fetcher_pump(struct fetcher *f, uint64_t first, struct mover_out *out)
{
    int rv;

    if (f->over) {
        return OK;
    }
    rv = pump_again(f, out);
    if (rv == OK) {
        pump_hedge(f, first, out);
        pump_timer(f, first, out);
    }
    return rv;
}

void fetcher_on_wake(struct fetcher *f)
{
    f->wake_ms = 0;
}

/* --- Answers ------------------------------------------------------------- */

static struct fetcher_slot *slot_find(struct fetcher *f, uint64_t segment)
{
    for (unsigned i = 0; i < FETCHER_WINDOW_MAX; i++) {
        if (f->slots[i].busy && f->slots[i].cells.segment == segment) {
            return &f->slots[i];
        }
    }
    return NULL;
}

/* The cell does not come from there. */
static int slot_miss(struct fetcher_slot *slot,
                     const struct mover_event *ev,
                     struct mover_out *out)
{
    slot->failed |= stream_bit(ev->stream);
    if (ev->status != ERR_MISMATCH && ev->status != ERR_NOTFOUND) {
        slot->again |= stream_bit(ev->stream);
    }
    return slot_fetch(slot, out);
}

static void slot_learn(const struct fetcher_slot *slot,
                       const struct mover_event *ev)
{
    struct fetcher *f = slot->owner;

    if (ev->status == OK) {
        holders_answered(&f->holders, ev->stream,
                         f->mono_ms - slot->asked_ms[ev->stream]);
    } else if (ev->status != ERR_CANCELED) {
        holders_failed(&f->holders, ev->stream, f->mono_ms + FETCHER_REST_MS);
    }
}

int fetcher_on_read(struct fetcher *f,
                    const struct mover_event *ev,
                    int *i,
                    struct mover_out *out)
{
    struct fetcher_slot *slot = slot_find(f, ev->id);
    uint64_t bit = stream_bit(ev->stream);

    assert(slot != NULL && (slot->asked & bit) != 0);
    assert(ev->status != OK || ev->len == slot->cells.len);
    f->pending--;
    slot->asked &= ~bit;
    slot_learn(slot, ev);
    *i = -1;
    if (f->over) {
        return OK;
    }
    /* With k cells it was given up, and is of no use whatever it says. */
    if (!slot_has_all(slot)) {
        if (ev->status != OK) {
            return slot_miss(slot, ev, out);
        }
        slot->have |= bit;
        if (slot_has_all(slot)) {
            slot_enough(slot, out);
        }
    }
    if (slot_has_all(slot) && slot->asked == 0) {
        slot->busy = false;
        *i = (int)(slot - f->slots);
    }
    return OK;
}

void fetcher_on_lost(struct fetcher *f, uint32_t stream)
{
    f->streams &= ~stream_bit(stream);
}

/* --- The whole ----------------------------------------------------------- */

void fetcher_init(struct fetcher *f,
                  const struct erasure *code,
                  uint64_t streams,
                  uint64_t preferred)
{
    memset(f, 0, sizeof(*f));
    f->code = code;
    f->streams = streams;
    f->preferred = preferred != 0 ? preferred : stream_bit(code->k) - 1;
    for (unsigned i = 0; i < FETCHER_WINDOW_MAX; i++) {
        f->slots[i].owner = f;
    }
}

void fetcher_drop(struct fetcher *f, struct mover_out *out)
{
    for (unsigned i = 0; i < FETCHER_WINDOW_MAX && !f->over; i++) {
        if (f->slots[i].asked != 0) {
            mover_act(out, MV_DROP)->id = f->slots[i].cells.segment;
        }
    }
    f->over = true;
}

uint8_t *fetcher_cell(const struct fetcher_slot *slot, uint32_t stream)
{
    assert(stream < slot->owner->code->n);
    return slot->cells.mem + stream * slot->cells.len;
}
