#include "replication/depositor/depositor_internal.h"

/* --- Starting ----------------------------------------------------------------
 */

void depositor_job_start(struct depositor *d,
                         enum depositor_job_type type,
                         uint64_t columns,
                         uint64_t holders,
                         struct core_out *out)
{
    uint8_t bytes[DEPOSITOR_JOB_MAX];
    size_t size = 0;
    int rv;

    assert(d->job_id == 0);
    d->job = (struct depositor_job){
        .type = type, .columns = columns, .holders = holders};
    for (uint16_t i = 0; i < d->config.n; i++) {
        if (((columns | holders) & column_bit(i)) != 0) {
            d->job.links[i] = d->sides[i].link;
            d->job.leaves[i] =
                type == DEPOSITOR_FILL && (columns & column_bit(i)) != 0
                    ? d->sides[i].leaves
                    : 0;
        }
    }
    d->job_id = d->next_id++;
    rv = depositor_job_encode(&d->job, bytes, sizeof(bytes), &size);
    assert(rv == OK);
    core_act(out, ACT_JOB, d->job_id, slice_of(bytes, size));
}

/* --- Sealing ------------------------------------------------------------- */

/* What is lost is offered again on a new connection, because nobody knows how
 * much of what was sent on this one has arrived. */
static void seal_sides(struct depositor *d, uint64_t lost, struct core_out *out)
{
    for (uint16_t i = 0; i < d->config.n; i++) {
        struct depositor_side *s = &d->sides[i];
        uint64_t bit = column_bit(i);

        if ((d->job.columns & bit) == 0 || (lost & bit) != 0) {
            s->aside = true;
            s->offered = false;
            s->answered = false;
            s->accepted = false;
            s->offer_ms = d->mono_ms;
        } else {
            s->aside = false;
            s->complete = true;
        }
        if ((d->job.columns & lost & bit) != 0 && s->link != 0 &&
            s->link == d->job.links[i]) {
            if (s->text[0] == '\0') {
                depositor_side_text(s, "it was too slow, or stopped taking "
                                       "its shard");
            }
            depositor_link_close(d, i, out);
        }
    }
}

static void seal_done(struct depositor *d,
                      struct slice bytes,
                      struct core_out *out)
{
    uint64_t lost;
    int rv;

    assert(bytes.size > 8);
    lost = u64le_load(bytes.data);
    if (d->ahead) {
        depositor_fail_ahead(d);
        return;
    }
    rv = depositor_publish(d, slice_of(bytes.data + 8, bytes.size - 8), out);
    if (rv != OK) {
        depositor_fail(d, rv,
                       rv == ERR_FULL    ? "this lab's feed is full"
                       : rv == ERR_NOMEM ? "out of memory"
                                         : "the manifest that was made is not "
                                           "of this deposit",
                       0);
        return;
    }
    seal_sides(d, lost, out);
    depositor_move(d, DEPOSITOR_PUBLISHING);
}

static void seal_failed(struct depositor *d, int status, struct slice bytes)
{
    uint64_t lost = bytes.size >= 8 ? u64le_load(bytes.data) : 0;

    for (uint16_t i = 0; i < d->config.n; i++) {
        struct depositor_side *s = &d->sides[i];

        if ((d->job.columns & lost & column_bit(i)) != 0) {
            s->aside = true;
            if (s->text[0] == '\0') {
                depositor_side_text(s, "it was too slow, or stopped taking "
                                       "its shard");
            }
        }
    }
    if (status == ERR_CANCELED) {
        depositor_fail(d, status,
                       "interrupted; run the same command again to go on", 0);
    } else {
        depositor_fail(d, status,
                       "the model could not be sealed into enough shards; run "
                       "the same command again to go on",
                       depositor_asides(d));
    }
}

static void seal_progress(struct depositor *d, struct slice bytes)
{
    assert(bytes.size == 8);
    d->committed = u64le_load(bytes.data);
    for (uint16_t i = 0; i < d->config.n; i++) {
        struct depositor_side *s = &d->sides[i];

        s->commit_due = (d->job.columns & column_bit(i)) != 0 && s->link != 0 &&
                        s->link == d->job.links[i];
    }
}

/* --- Filling and verifying ------------------------------------------------ */

static void fill_done(struct depositor *d, int status, struct slice bytes)
{
    uint64_t filled = bytes.size >= 8 ? u64le_load(bytes.data) : 0;

    if (status == ERR_CANCELED) {
        depositor_fail(d, status,
                       "interrupted; run the same command again to go on", 0);
        return;
    }
    for (uint16_t i = 0; i < d->config.n; i++) {
        struct depositor_side *s = &d->sides[i];

        if ((d->job.columns & filled & column_bit(i)) != 0) {
            s->aside = false;
            s->complete = true;
        } else if ((d->job.columns & column_bit(i)) != 0 &&
                   s->text[0] == '\0') {
            depositor_side_text(s, "its shard could not be filled in");
        }
    }
    depositor_progress(d);
}

static void verify_done(struct depositor *d, int status)
{
    if (status == OK) {
        d->verified = true;
    } else if (status == ERR_CANCELED) {
        depositor_fail(d, status,
                       "interrupted; run the same command again to go on", 0);
    } else if (status == ERR_MISMATCH) {
        depositor_fail(d, status,
                       "what was read back from the stewards is not the model; "
                       "do not delete your copy",
                       0);
    } else {
        depositor_fail(d, status,
                       "the deposit could not be read back; do not delete your "
                       "copy, and run the same command again",
                       0);
    }
}

/* --- Their ends ---------------------------------------------------------- */

void depositor_on_job(struct depositor *d,
                      const struct core_event *ev,
                      struct core_out *out)
{
    if (ev->id != d->job_id || d->job_id == 0) {
        return;
    }
    if (ev->status > 0) {
        if (d->job.type == DEPOSITOR_SEAL) {
            seal_progress(d, ev->bytes);
        }
        return;
    }
    d->job_id = 0;
    if (depositor_is_over(d)) {
        return;
    }
    switch (d->job.type) {
    case DEPOSITOR_SEAL:
        if (ev->status == OK) {
            seal_done(d, ev->bytes, out);
        } else {
            seal_failed(d, ev->status, ev->bytes);
        }
        break;
    case DEPOSITOR_FILL:
        fill_done(d, ev->status, ev->bytes);
        break;
    case DEPOSITOR_VERIFY:
        verify_done(d, ev->status);
        break;
    }
}
