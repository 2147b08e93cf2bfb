#include "replication/steward/steward_shards.h"

#include "replication/keys.h"
#include "replication/steward/steward_deposits.h"
#include "replication/steward/steward_links.h"
#include "replication/steward/steward_rows.h"
#include "replication/steward/steward_state.h"

#define STEWARD_EXPIRY_MS 3600000U /* Between looks, clocks being clocks. */

void steward_job_start(const struct steward_job *job,
                       uint64_t id,
                       struct core_out *out)
{
    uint8_t bytes[STEWARD_JOB_SIZE_MAX];
    size_t size = 0;
    int rv = steward_job_encode(job, bytes, sizeof(bytes), &size);

    assert(rv == OK);
    core_act(out, ACT_JOB, id, slice_of(bytes, size));
}

struct steward_slot *steward_slot_free(struct steward_slot *slots, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (slots[i].id == 0) {
            return &slots[i];
        }
    }
    return NULL;
}

struct steward_slot *steward_slot_find(struct steward_slot *slots,
                                       size_t len,
                                       uint64_t id,
                                       bool reading)
{
    for (size_t i = 0; i < len; i++) {
        if (slots[i].id != 0 && slots[i].id == id &&
            slots[i].reading == reading) {
            return &slots[i];
        }
    }
    return NULL;
}

/* --- Intake -------------------------------------------------------------- */

struct steward_intake *steward_intake_of_link(struct steward *s, uint64_t link)
{
    for (size_t i = 0; i < STEWARD_LINKS_MAX; i++) {
        if (s->intakes[i].job != 0 && s->intakes[i].link == link) {
            return &s->intakes[i];
        }
    }
    return NULL;
}

struct steward_intake *steward_intake_of(struct steward *s, uint32_t deposit)
{
    for (size_t i = 0; i < STEWARD_LINKS_MAX; i++) {
        if (s->intakes[i].job != 0 && s->intakes[i].deposit == deposit) {
            return &s->intakes[i];
        }
    }
    return NULL;
}

/* The row says so before the lab hears of it. */
static void on_progress(struct steward *s,
                        struct steward_intake *in,
                        const struct core_event *ev,
                        struct core_out *out)
{
    struct steward_deposit *d = &s->deposits[in->deposit];
    struct steward_job_report report;
    int rv = steward_job_report_decode(&report, ev->bytes);
    uint64_t leaves;

    assert(rv == OK);
    leaves = report.range.leaves;
    if (d->state != STEWARD_FILLING) {
        /* The bytes that are sealed are those of the row, and all of them. */
        if (!in->accepted) {
            steward_intake_accept(s, in, out);
        }
        return;
    }
    if (leaves < d->final_leaves || leaves > d->size_max / LEAF_SIZE) {
        steward_refuse_lab(s, in->deposit, ERR_ORDER,
                           "what is final was cut, or more was sent than was "
                           "offered",
                           out);
        core_act(out, ACT_JOB_CANCEL, in->job, slice_of(NULL, 0));
        return;
    }
    in->range = report.range;
    if (!in->accepted) {
        steward_intake_accept(s, in, out);
        if (leaves == d->leaves) {
            return;
        }
    }
    if (leaves != d->leaves) {
        d->progress_s = s->wall_ms / 1000;
    }
    d->leaves = leaves;
    d->refused = false;
    steward_progress_put(d, &report.range, out);
    if (steward_link_find(s, in->link) != NULL) {
        s->said.type = MESSAGE_DURABLE;
        s->said.u.durable =
            (struct message_durable){.deposit_id = d->id, .leaves = leaves};
        steward_say(s, in->link, out);
    }
    if (!steward_seal_due(s, in->deposit, out)) {
        steward_shard_put(s, d, out);
    }
}

static void drop_start(struct steward *s,
                       struct steward_slot *slot,
                       uint32_t index,
                       struct core_out *out)
{
    struct steward_deposit *d = &s->deposits[index];
    const struct steward_job job = {
        .type = STEWARD_JOB_DROP, .deposit_id = d->id, .index = d->index};

    assert(d->has_shard && d->state == STEWARD_FILLING);
    d->dropping = true;
    *slot = (struct steward_slot){.id = s->next_id++, .deposit = index};
    steward_job_start(&job, slot->id, out);
}

void steward_shard_restart(struct steward *s,
                           struct steward_deposit *d,
                           struct core_out *out)
{
    struct merkle_range none;

    assert(d->has_shard && d->state == STEWARD_FILLING);
    merkle_range_init(&none);
    d->leaves = 0;
    d->final_leaves = 0;
    steward_progress_put(d, &none, out);
    steward_shard_put(s, d, out);
}

/* In words for the lab. */
static const char *intake_trouble(const struct steward_intake *in, int status)
{
    switch (status) {
    case ERR_FULL:
        return "the disk of this steward has no room for it";
    case ERR_MISMATCH:
        return "what this steward held of the shard is lost; offer it again, "
               "from its beginning";
    case ERR_BUSY:
        return in->accepted
                   ? "next to nothing came of it for too long, while others "
                     "waited; offer it again, and go on with what is durable"
                   : "too many shards come in now; try again";
    default:
        return "the shard cannot be written here";
    }
}

static void on_intake_end(struct steward *s,
                          struct steward_intake *in,
                          int status,
                          struct core_out *out)
{
    struct steward_slot *slot = steward_slot_free(s->drops, STEWARD_DROPS_MAX);
    struct steward_deposit *d = &s->deposits[in->deposit];
    uint32_t index = in->deposit;

    if (status != OK && status != ERR_CANCELED &&
        steward_link_find(s, in->link) != NULL) {
        steward_refuse(s, in->link, MESSAGE_OFFER, &d->id, status,
                       intake_trouble(in, status), out);
    }
    in->job = 0;
    /* The files are not what the row says: a disk that lost writes, or a power
     * cut while they were cut. */
    if (status == ERR_MISMATCH && d->state == STEWARD_FILLING) {
        steward_shard_restart(s, d, out);
    }
    /* Nothing is there, so nothing is kept from others. */
    if (status == ERR_FULL && d->leaves == 0 && slot != NULL &&
        d->state == STEWARD_FILLING) {
        drop_start(s, slot, index, out);
    }
}

/* --- Giving up ----------------------------------------------------------- */

static void on_drop(struct steward *s,
                    struct steward_slot *slot,
                    int status,
                    struct core_out *out)
{
    uint32_t index = slot->deposit;
    struct steward_deposit *d = &s->deposits[index];
    struct key shard = key_shard(&d->id, d->index);
    struct key progress = key_progress(&d->id, d->index);

    slot->id = 0;
    d->dropping = false;
    if (status != OK) {
        return;
    }
    core_remove(out, key_slice(&shard));
    core_remove(out, key_slice(&progress));
    steward_deposit_count(s, d, -1);
    d->has_shard = false;
    if (!d->has_manifest) {
        steward_deposit_remove(s, index);
    }
    s->expiry_ms = s->mono_ms;
}

/* Give up shards whose time is over, a few at a time. The wall clock may jump,
 * so it is looked at often. */
void steward_expire(struct steward *s, struct core_out *out)
{
    const uint64_t days_s = STEWARD_UNSEALED_DAYS * 86400ULL;
    uint64_t now_s = s->wall_ms / 1000;
    unsigned acts = 0;

    s->expiry_ms = s->mono_ms + STEWARD_EXPIRY_MS;
    for (uint32_t i = 0; i < s->deposits_len && acts < STEWARD_DROPS_MAX; i++) {
        uint32_t index = s->deposits_order[i];
        const struct steward_deposit *d = &s->deposits[index];
        const struct steward_intake *in;
        struct steward_slot *slot;

        if (!d->has_shard || d->state != STEWARD_FILLING || d->dropping ||
            now_s < d->progress_s || now_s - d->progress_s < days_s) {
            continue;
        }
        acts++;
        in = steward_intake_of(s, index);
        slot = steward_slot_free(s->drops, STEWARD_DROPS_MAX);
        if (in != NULL) {
            core_act(out, ACT_JOB_CANCEL, in->job, slice_of(NULL, 0));
        } else if (slot != NULL) {
            drop_start(s, slot, index, out);
        }
    }
}

/* --- Jobs ---------------------------------------------------------------- */

/* Only that of a job that found no room was told by nobody. */
static bool on_read_end(struct steward *s,
                        const struct core_event *ev,
                        struct core_out *out)
{
    for (size_t i = 0; i < STEWARD_LINKS_MAX; i++) {
        struct steward_link *l = &s->links[i];

        for (size_t j = 0; l->up && j < STEWARD_READS_MAX; j++) {
            if (l->reads[j] != 0 && l->reads[j] == ev->id) {
                l->reads[j] = 0;
                if (ev->status == ERR_BUSY || ev->status == ERR_NOMEM) {
                    steward_refuse(s, l->id, MESSAGE_READ, NULL, ERR_BUSY,
                                   "too many reads at once; try again", out);
                }
                return true;
            }
        }
    }
    return false;
}

static struct steward_intake *intake_find(struct steward *s, uint64_t job)
{
    for (size_t i = 0; i < STEWARD_LINKS_MAX; i++) {
        if (s->intakes[i].job != 0 && s->intakes[i].job == job) {
            return &s->intakes[i];
        }
    }
    return NULL;
}

void steward_on_job(struct steward *s,
                    const struct core_event *ev,
                    struct core_out *out)
{
    struct steward_slot *seal =
        steward_slot_find(s->seals, STEWARD_SEALS_MAX, ev->id, false);
    struct steward_slot *drop =
        steward_slot_find(s->drops, STEWARD_DROPS_MAX, ev->id, false);
    struct steward_intake *in = intake_find(s, ev->id);

    if (in != NULL && ev->status > 0) {
        on_progress(s, in, ev, out);
    } else if (ev->status > 0) {
        return; /* Of a job that is over, or that has none. */
    } else if (in != NULL) {
        on_intake_end(s, in, ev->status, out);
    } else if (seal != NULL) {
        steward_on_seal(s, seal, ev->status, out);
    } else if (drop != NULL) {
        on_drop(s, drop, ev->status, out);
    } else {
        (void)on_read_end(s, ev, out);
    }
}
