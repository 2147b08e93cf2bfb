#include "protocol/words.h"
#include "replication/depositor/depositor_internal.h"

/* The edges of the diagram in depositor.h; a resumed deposit goes from
 * OFFERING to PUBLISHING. */
static const unsigned phases_allowed[] = {
    [DEPOSITOR_OFFERING] = BIT(DEPOSITOR_SEALING) | BIT(DEPOSITOR_PUBLISHING) |
                           BIT(DEPOSITOR_FAILED),
    [DEPOSITOR_SEALING] = BIT(DEPOSITOR_PUBLISHING) | BIT(DEPOSITOR_FAILED),
    [DEPOSITOR_PUBLISHING] = BIT(DEPOSITOR_FILLING) | BIT(DEPOSITOR_FAILED),
    [DEPOSITOR_FILLING] = BIT(DEPOSITOR_DEALING) | BIT(DEPOSITOR_FAILED),
    [DEPOSITOR_DEALING] = BIT(DEPOSITOR_DONE) | BIT(DEPOSITOR_FAILED),
    [DEPOSITOR_DONE] = 0,
    [DEPOSITOR_FAILED] = 0,
};

void depositor_move(struct depositor *d, enum depositor_phase next)
{
    assert((phases_allowed[d->phase] & BIT(next)) != 0);
    d->phase = next;
    depositor_progress(d);
}

/* --- Counting ------------------------------------------------------------ */

static uint64_t all_columns(const struct depositor *d)
{
    assert(d->config.n >= 1 && d->config.n <= MANIFEST_SHARDS_MAX);
    return UINT64_MAX >> (MANIFEST_SHARDS_MAX - d->config.n);
}

static unsigned column_count(uint64_t columns)
{
    unsigned len = 0;

    for (; columns != 0; columns &= columns - 1) {
        len++;
    }
    return len;
}

/* The columns whose side has that property. */
static uint64_t columns_where(const struct depositor *d,
                              bool (*is)(const struct depositor_side *s))
{
    uint64_t columns = 0;

    for (uint16_t i = 0; i < d->config.n; i++) {
        columns |= is(&d->sides[i]) ? column_bit(i) : 0;
    }
    return columns;
}

static bool has_receipt(const struct depositor_side *s)
{
    return s->receipt.size > 0;
}

static bool has_acknowledged(const struct depositor_side *s)
{
    return s->acknowledgement.size > 0;
}

static bool is_aside(const struct depositor_side *s)
{
    return s->aside;
}

static bool is_up(const struct depositor_side *s)
{
    return s->link != 0;
}

/* Accepted, and it does not know more of our own feed than we do. */
static bool is_ready(const struct depositor_side *s)
{
    return s->accepted && !s->own_pending && !s->aside;
}

/* Its receipt should come without anything more from us. */
static bool is_expected(const struct depositor_side *s)
{
    return s->receipt.size == 0 && !s->aside && !s->bad;
}

static bool is_fillable(const struct depositor_side *s)
{
    return s->receipt.size == 0 && s->accepted && !s->complete && !s->bad;
}

/* It may be there again, and then take its shard. */
static bool is_hoped_for(const struct depositor_side *s)
{
    return s->receipt.size == 0 && !s->bad && s->link == 0;
}

static uint64_t receipts_of(const struct depositor *d)
{
    return columns_where(d, has_receipt);
}

uint64_t depositor_asides(const struct depositor *d)
{
    return columns_where(d, is_aside);
}

static uint64_t acknowledgements_of(const struct depositor *d)
{
    return columns_where(d, has_acknowledged);
}

static unsigned acknowledgements_min(const struct depositor *d)
{
    return d->config.t + depositor_faulty(d);
}

static bool is_dealt(const struct depositor *d)
{
    return column_count(acknowledgements_of(d)) >= acknowledgements_min(d);
}

/* Not while a job runs, unless it is for nothing when nobody answers. */
uint64_t depositor_deadline(const struct depositor *d)
{
    bool waits =
        d->job_id == 0 || (d->phase == DEPOSITOR_DEALING && !is_dealt(d));

    return waits && !depositor_is_over(d)
               ? d->progress_ms + d->config.patience_ms
               : 0;
}

static bool out_of_patience(const struct depositor *d)
{
    uint64_t deadline = depositor_deadline(d);

    return deadline != 0 && d->mono_ms >= deadline;
}

/* --- Failing ------------------------------------------------------------- */

static const char trouble_silent[] = "it did not answer";

static const char *trouble_of(const struct depositor_side *s)
{
    return s->text[0] != '\0' ? s->text
           : s->link != 0     ? trouble_silent
                              : "it cannot be reached";
}

void depositor_fail(struct depositor *d,
                    int status,
                    const char *text,
                    uint64_t columns)
{
    struct words w;
    const char *between = ": ";

    depositor_move(d, DEPOSITOR_FAILED);
    d->status = status;
    words_init(&w, d->failure, sizeof(d->failure));
    words_add(&w, text);
    for (uint16_t i = 0; i < d->config.n; i++) {
        if ((columns & column_bit(i)) != 0) {
            words_add(&w, between);
            words_add(&w, d->sides[i].card->name);
            words_add(&w, ": ");
            words_add(&w, trouble_of(&d->sides[i]));
            between = "; ";
        }
    }
}

/* "only 3 of 7 stewards WHAT, and 5 must; HINT" */
static void fail_short(struct depositor *d,
                       uint64_t have,
                       unsigned must,
                       const char *what,
                       const char *hint)
{
    char text[512];
    struct words w;

    words_init(&w, text, sizeof(text));
    words_add(&w, "only ");
    words_number(&w, column_count(have));
    words_add(&w, " of ");
    words_number(&w, d->config.n);
    words_add(&w, " stewards ");
    words_add(&w, what);
    words_add(&w, ", and ");
    words_number(&w, must);
    words_add(&w, " must; ");
    words_add(&w, hint);
    depositor_fail(d, ERR_NOTFOUND, text, all_columns(d) & ~have);
}

#define HINT_AGAIN                                                       \
    "run the same command again when these stewards can be reached, or " \
    "ask their operators"

void depositor_fail_ahead(struct depositor *d)
{
    depositor_fail(d, ERR_ORDER,
                   "the stewards hold signed entries of this lab's feed that "
                   "are not here: this store is an older copy; put the newer "
                   "one back, for without it this lab deposits no more",
                   0);
}

/* Receipts that can be read from now. */
static uint64_t holders_up(const struct depositor *d)
{
    return receipts_of(d) & columns_where(d, is_up);
}

/* --- Offering ------------------------------------------------------------ */

static void set_aside_the_silent(struct depositor *d,
                                 uint64_t columns,
                                 const char *text)
{
    for (uint16_t i = 0; i < d->config.n; i++) {
        struct depositor_side *s = &d->sides[i];

        if ((columns & column_bit(i)) != 0) {
            s->aside = true;
            if (s->text[0] == '\0') {
                depositor_side_text(s, s->link != 0 ? text : trouble_of(s));
            }
        }
    }
}

static void advance_offering(struct depositor *d, struct core_out *out)
{
    unsigned must = d->config.n - depositor_faulty(d);
    uint64_t ready = columns_where(d, is_ready);
    uint64_t aside = depositor_asides(d);
    uint64_t open = all_columns(d) & ~ready & ~aside;

    if (d->ahead) {
        depositor_fail_ahead(d);
        return;
    }
    if (out_of_patience(d)) {
        set_aside_the_silent(d, open, trouble_silent);
        aside |= open;
        open = 0;
    }
    if (d->config.n - column_count(aside) < must) {
        fail_short(d, all_columns(d) & ~aside, must, "take their shard",
                   HINT_AGAIN);
    } else if (open == 0) {
        depositor_move(d, DEPOSITOR_SEALING);
        depositor_job_start(d, DEPOSITOR_SEAL, ready, 0, out);
    }
}

/* --- Publishing and filling ---------------------------------------------- */

static void advance_publishing(struct depositor *d)
{
    uint64_t expected = columns_where(d, is_expected);

    if (expected == 0 || out_of_patience(d)) {
        set_aside_the_silent(d, expected, "it has given no receipt");
        depositor_move(d, DEPOSITOR_FILLING);
    }
}

static bool offers_are_open(const struct depositor *d)
{
    for (uint16_t i = 0; i < d->config.n; i++) {
        if (depositor_offer_is_open(d, i)) {
            return true;
        }
    }
    return false;
}

/* Are those who have a receipt, or are about to, too few, and might there be
 * more of them? */
static bool more_are_hoped_for(const struct depositor *d)
{
    uint64_t columns = receipts_of(d) | columns_where(d, is_expected) |
                       columns_where(d, is_fillable);

    return column_count(columns) < d->config.receipts_min &&
           columns_where(d, is_hoped_for) != 0;
}

static void advance_filling(struct depositor *d, struct core_out *out)
{
    bool late = out_of_patience(d);
    uint64_t columns, receipts;

    if (d->job_id != 0) {
        return;
    }
    if (!d->filled && !late && (offers_are_open(d) || more_are_hoped_for(d))) {
        return;
    }
    columns = d->filled ? 0 : columns_where(d, is_fillable);
    d->filled = true;
    if (columns != 0 && column_count(holders_up(d)) >= d->config.k) {
        depositor_job_start(d, DEPOSITOR_FILL, columns, holders_up(d), out);
        return;
    }
    if (columns_where(d, is_expected) != 0 && !late) {
        return;
    }
    receipts = receipts_of(d);
    if (column_count(receipts) < d->config.receipts_min) {
        fail_short(d, receipts, d->config.receipts_min, "have given a receipt",
                   HINT_AGAIN);
        return;
    }
    depositor_move(d, DEPOSITOR_DEALING);
}

/* --- Dealing and verifying ----------------------------------------------- */

/* Who is away as it begins may be asked by the time that it takes. */
static void verify(struct depositor *d, struct core_out *out)
{
    if (!d->verified && d->job_id == 0 &&
        column_count(holders_up(d)) >= d->config.k) {
        depositor_job_start(d, DEPOSITOR_VERIFY, 0, receipts_of(d), out);
    }
}

static void advance_dealing(struct depositor *d, struct core_out *out)
{
    bool late;

    verify(d, out);
    late = out_of_patience(d);
    if (late && !is_dealt(d)) {
        fail_short(d, acknowledgements_of(d), acknowledgements_min(d),
                   "have acknowledged their key share", HINT_AGAIN);
    } else if (late && !d->verified) {
        fail_short(d, holders_up(d), d->config.k, "can be read back",
                   HINT_AGAIN);
    } else if (d->verified &&
               (late || acknowledgements_of(d) == all_columns(d))) {
        depositor_move(d, DEPOSITOR_DONE);
    }
}

/* --- All of them --------------------------------------------------------- */

static void advance_once(struct depositor *d, struct core_out *out)
{
    switch (d->phase) {
    case DEPOSITOR_OFFERING:
        advance_offering(d, out);
        break;
    case DEPOSITOR_PUBLISHING:
        advance_publishing(d);
        break;
    case DEPOSITOR_FILLING:
        advance_filling(d, out);
        break;
    case DEPOSITOR_DEALING:
        advance_dealing(d, out);
        break;
    case DEPOSITOR_SEALING: /* The job's end decides. */
    case DEPOSITOR_DONE:
    case DEPOSITOR_FAILED:
        break;
    }
}

void depositor_advance(struct depositor *d, struct core_out *out)
{
    enum depositor_phase before;

    do {
        before = d->phase;
        advance_once(d, out);
    } while (d->phase != before);
}
