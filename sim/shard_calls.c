#include <stdlib.h>

#include "protocol/message.h"
#include "sim/shards.h"

struct sim_shard *sim_shard_new(void)
{
    return sim_memory(sizeof(struct sim_shard));
}

void sim_shard_free(struct sim_shard *s)
{
    if (s != NULL) {
        free(s->bytes);
        free(s->leaves);
        free(s);
    }
}

/* --- The file ------------------------------------------------------------ */

static void file_range(const struct sim_shard *s,
                       uint64_t leaves,
                       struct merkle_range *range)
{
    memset(range, 0, sizeof(*range));
    merkle_range_init(range);
    merkle_range_append_run(range, 0, s->leaves, leaves, NULL, NULL);
}

static bool file_has(const struct sim_shard *s,
                     const struct merkle_range *range)
{
    struct merkle_range own;

    if (s->len < range->leaves) {
        return false;
    }
    file_range(s, range->leaves, &own);
    return merkle_range_equal(&own, range);
}

static void file_cut(struct sim_shard *s, uint64_t leaves)
{
    s->len = leaves;
    s->durable = s->durable < leaves ? s->durable : leaves;
}

static void file_append(struct sim_shard *s, struct slice bytes)
{
    uint64_t leaves = bytes.size / LEAF_SIZE;

    if (s->len + leaves > s->max) {
        s->max = 2 * (s->len + leaves);
        s->bytes = realloc(s->bytes, s->max * LEAF_SIZE);
        s->leaves = realloc(s->leaves, s->max * sizeof(struct digest));
        if (s->bytes == NULL || s->leaves == NULL) {
            abort();
        }
    }
    memcpy(s->bytes + s->len * LEAF_SIZE, bytes.data, bytes.size);
    merkle_leaves(bytes.data, leaves, &s->leaves[s->len]);
    s->len += leaves;
}

bool sim_shard_root(const struct sim *w, unsigned node, struct digest *root)
{
    const struct sim_shard *s = w->shards[node];
    struct merkle_range range;
    struct digest leaf;

    merkle_range_init(&range);
    for (uint64_t i = 0; i < s->durable; i++) {
        merkle_leaf(slice_of(s->bytes + i * LEAF_SIZE, LEAF_SIZE), &leaf);
        merkle_range_append(&range, &leaf, NULL, NULL);
    }
    merkle_range_root(&range, root);
    return s->sealed && s->durable == s->len;
}

void sim_shard_rot(struct sim *w, unsigned node, uint64_t at)
{
    struct sim_shard *s = w->shards[node];

    if (s->sealed) {
        s->bytes[at % (s->len * LEAF_SIZE)] ^= 1;
    }
}

/* --- Calls --------------------------------------------------------------- */

void shard_call(struct sim *w,
                unsigned node,
                enum shard_call_type call,
                uint64_t job,
                struct slice bytes)
{
    struct sim_shard *s = w->shards[node];
    uint64_t us = call == CALL_APPEND || call == CALL_READ
                      ? sim_about(&w->nodes[node].disk, 200)
                      : sim_disk_us(w, node);
    struct sim_event *e;

    s->busy_us = (s->busy_us > w->now_us ? s->busy_us : w->now_us) + us;
    e = sim_put(w, s->busy_us - w->now_us, SIM_DISK, node, job, OK, bytes);
    e->number = call;
    e->mover.id = s->turn;
}

static void progress(struct sim *w, unsigned node)
{
    const struct sim_shard *s = w->shards[node];
    struct steward_job_report report;
    uint8_t bytes[STEWARD_JOB_SIZE_MAX];
    size_t size = 0;
    int rv;

    file_range(s, s->synced, &report.range);
    rv = steward_job_report_encode(&report, bytes, sizeof(bytes), &size);
    assert(rv == OK);
    (void)rv;
    sim_report(w, node, s->intake, 1, slice_of(bytes, size));
}

void shard_intake_end(struct sim *w, unsigned node, int status)
{
    struct sim_shard *s = w->shards[node];

    if (s->intake != 0) {
        sim_report(w, node, s->intake, status, slice_of(NULL, 0));
        s->intake = 0;
        s->stream_left = 0;
    }
}

/* Go on where the row says. */
static void do_open(struct sim *w, unsigned node)
{
    struct sim_shard *s = w->shards[node];
    const struct merkle_range *range = &s->spec.range;

    if (file_has(s, range)) {
        file_cut(s, range->leaves);
        s->durable = s->len;
        progress(w, node);
    } else {
        s->turn++;
        shard_intake_end(w, node, ERR_MISMATCH);
    }
}

static void do_cut(struct sim *w, unsigned node, struct slice bytes)
{
    struct sim_shard *s = w->shards[node];
    struct merkle_range range = {.leaves = u64le_load(bytes.data)};

    memcpy(range.nodes, bytes.data + 8, bytes.size - 8);
    if (!file_has(s, &range)) {
        s->turn++;
        shard_intake_end(w, node, ERR_MISMATCH);
        return;
    }
    file_cut(s, range.leaves);
    s->synced = range.leaves;
    progress(w, node);
}

static void do_seal(struct sim *w,
                    unsigned node,
                    uint64_t id,
                    struct slice spec)
{
    struct sim_shard *s = w->shards[node];
    struct steward_job job;
    struct merkle_range range;
    struct digest root;
    int rv = steward_job_decode(&job, spec);

    assert(rv == OK);
    file_range(s, s->len, &range);
    merkle_range_root(&range, &root);
    rv = s->len * LEAF_SIZE == job.size && digest_equal(&root, &job.root)
             ? OK
             : ERR_MISMATCH;
    if (rv == OK) {
        s->durable = s->len;
        s->sealed = true;
    }
    s->turn++;
    s->seal = 0;
    shard_intake_end(w, node, ERR_CANCELED);
    sim_report(w, node, id, rv, slice_of(NULL, 0));
}

static int lookup(void *arg, uint64_t lo, uint64_t hi, struct digest *out)
{
    const struct sim_shard *s = arg;

    merkle_root(&s->leaves[lo], hi - lo, out);
    return OK;
}

static void say(struct sim *w,
                unsigned node,
                uint64_t link,
                const struct message *m)
{
    static uint8_t bytes[MESSAGE_SIZE_MAX];
    size_t size = 0;
    int rv = message_encode(m, bytes, sizeof(bytes), &size);

    assert(rv == OK);
    (void)rv;
    sim_send(w, node, link, slice_of(bytes, size));
}

static void do_read(struct sim *w,
                    unsigned node,
                    uint64_t id,
                    struct slice spec)
{
    struct sim_shard *s = w->shards[node];
    static struct message m;
    struct steward_job job;
    struct message_cell *cell = &m.u.cell;
    int rv = steward_job_decode(&job, spec);

    assert(rv == OK && s->sealed);
    memset(&m, 0, sizeof(m));
    m.type = MESSAGE_CELL;
    cell->deposit_id = job.deposit_id;
    cell->index = job.index;
    cell->first_leaf = job.first_leaf;
    cell->leaves = job.leaves;
    cell->stream = job.stream;
    rv = merkle_run_prove(s->len, job.first_leaf, job.leaves, lookup, s,
                          cell->nodes, MERKLE_RUN_NODES_MAX, &cell->nodes_len);
    assert(rv == OK);
    say(w, node, job.link, &m);
    (void)sim_send_data(w, node, job.link, job.stream,
                        slice_of(s->bytes + job.first_leaf * LEAF_SIZE,
                                 job.leaves * LEAF_SIZE));
    sim_report(w, node, id, OK, slice_of(NULL, 0));
}

void sim_on_disk(struct sim *w, struct sim_event *e)
{
    struct sim_shard *s = w->shards[e->node];
    struct slice bytes = sim_event_slice(e);
    enum shard_call_type call = (enum shard_call_type)e->number;

    if (call == CALL_READ) {
        do_read(w, e->node, e->id, bytes);
        return;
    }
    if (call != CALL_DROP && e->mover.id != s->turn) {
        return;
    }
    switch (call) {
    case CALL_OPEN:
        do_open(w, e->node);
        break;
    case CALL_APPEND:
        file_append(s, bytes);
        break;
    case CALL_CUT:
        do_cut(w, e->node, bytes);
        break;
    case CALL_SYNC:
        s->durable = s->synced = s->len;
        if (s->intake != 0) {
            progress(w, e->node);
        }
        break;
    case CALL_SEAL:
        do_seal(w, e->node, e->id, bytes);
        break;
    case CALL_DROP:
        file_cut(s, 0);
        s->sealed = false;
        sim_report(w, e->node, e->id, OK, slice_of(NULL, 0));
        break;
    case CALL_READ:
        break;
    }
}
