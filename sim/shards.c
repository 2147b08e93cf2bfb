#include "sim/shards.h"

#include "protocol/message.h"

/* The jobs of steward_jobs.h: the twin of node/shard/shard_jobs.c. One shard a
 * steward: the simulator makes one deposit. */

/* --- Jobs ---------------------------------------------------------------- */

void sim_shard_job(struct sim *w,
                   unsigned node,
                   uint64_t job,
                   struct slice spec)
{
    struct sim_shard *s = w->shards[node];
    struct steward_job j;
    int rv = steward_job_decode(&j, spec);

    assert(rv == OK && job != 0);
    (void)rv;
    switch (j.type) {
    case STEWARD_JOB_INTAKE:
        if (s->intake != 0 || s->seal != 0) {
            sim_report(w, node, job, ERR_BUSY, slice_of(NULL, 0));
            break;
        }
        s->intake = job;
        s->spec = j;
        s->turn++;
        s->queued = s->synced = j.range.leaves;
        shard_call(w, node, CALL_OPEN, job, spec);
        if (!sim_link_lives(w, j.link)) {
            sim_shard_link_down(w, node, j.link);
        }
        break;
    case STEWARD_JOB_SEAL:
        s->seal = job;
        if (s->intake == 0) {
            s->turn++;
        }
        shard_call(w, node, CALL_SEAL, job, spec);
        break;
    case STEWARD_JOB_READ:
        shard_call(w, node, CALL_READ, job, spec);
        break;
    case STEWARD_JOB_DROP:
        shard_call(w, node, CALL_DROP, job, spec);
        break;
    }
}

/* What was queued is not promised; a seal that waits behind it needs it. */
static void intake_stop(struct sim *w, unsigned node)
{
    struct sim_shard *s = w->shards[node];

    if (s->seal == 0) {
        s->turn++;
    }
    shard_intake_end(w, node, ERR_CANCELED);
}

void sim_shard_cancel(struct sim *w, unsigned node, uint64_t job)
{
    if (w->shards[node]->intake == job) {
        intake_stop(w, node);
    }
}

void sim_shard_link_down(struct sim *w, unsigned node, uint64_t link)
{
    const struct sim_shard *s = w->shards[node];

    if (s->intake != 0 && s->spec.link == link) {
        intake_stop(w, node);
    }
}

void sim_shard_crash(struct sim *w, unsigned node)
{
    struct sim_shard *s = w->shards[node];

    s->len =
        s->durable + rng_below(&w->nodes[node].disk, s->len - s->durable + 1);
    s->intake = s->seal = s->stream_left = s->busy_us = 0;
    s->turn++;
}

/* --- What a lab sends ---------------------------------------------------- */

static int on_append(struct sim_shard *s, const struct message_append *a)
{
    if (s->stream_left != 0 || s->seal != 0 || a->first_leaf != s->queued ||
        (s->queued + a->leaves) * LEAF_SIZE > s->spec.size) {
        return ERR_BAD;
    }
    s->stream = a->stream;
    s->stream_left = a->leaves;
    return OK;
}

static int on_cut(struct sim *w,
                  unsigned node,
                  const struct merkle_range *range)
{
    struct sim_shard *s = w->shards[node];
    size_t nodes = merkle_range_nodes_len(range->leaves) * DIGEST_SIZE;
    uint8_t bytes[8 + MERKLE_DEPTH_MAX * DIGEST_SIZE];

    if (s->stream_left != 0 || s->seal != 0 || range->leaves > s->queued ||
        range->leaves < s->spec.final_leaves) {
        return ERR_BAD;
    }
    u64le_store(bytes, range->leaves);
    memcpy(bytes + 8, range->nodes, nodes);
    s->queued = range->leaves;
    s->synced = s->synced < range->leaves ? s->synced : range->leaves;
    shard_call(w, node, CALL_CUT, 0, slice_of(bytes, 8 + nodes));
    return OK;
}

bool sim_shard_message(struct sim *w,
                       unsigned node,
                       uint64_t link,
                       struct slice bytes,
                       int *status)
{
    struct sim_shard *s = w->shards[node];
    static struct message m;
    int rv = message_decode(&m, bytes);

    if (rv != OK || s->intake == 0 || s->spec.link != link) {
        return false;
    }
    if (m.type == MESSAGE_COMMIT) {
        if (m.u.commit.leaves > s->synced) {
            return true; /* The machine may not have heard of a CUT yet. */
        }
        if (m.u.commit.leaves > s->spec.final_leaves) {
            s->spec.final_leaves = m.u.commit.leaves;
        }
    } else if (m.type == MESSAGE_APPEND) {
        *status = on_append(s, &m.u.append);
        return true;
    } else if (m.type == MESSAGE_CUT) {
        *status = on_cut(w, node, &m.u.cut.range);
        return true;
    } else if (m.type == MESSAGE_FLUSH) {
        *status = s->stream_left != 0 || s->seal != 0 ? ERR_BAD : OK;
        if (*status == OK) {
            shard_call(w, node, CALL_SYNC, 0, slice_of(NULL, 0));
        }
        return true;
    }
    return false;
}

int sim_shard_data(struct sim *w,
                   unsigned node,
                   uint64_t link,
                   uint32_t stream,
                   struct slice bytes)
{
    struct sim_shard *s = w->shards[node];

    if (s->intake == 0 || s->spec.link != link || s->stream_left == 0 ||
        s->stream != stream || bytes.size != s->stream_left * LEAF_SIZE) {
        return ERR_BAD;
    }
    s->queued += s->stream_left;
    s->stream_left = 0;
    shard_call(w, node, CALL_APPEND, 0, bytes);
    return OK;
}
