#include <stdlib.h>

#include "node/deposit/deposit_network.h"
#include "replication/mover/rebuilder.h"
#include "replication/mover/tail.h"

/* --- What follows the segments -------------------------------------------- */

struct table_stream {
    struct mover_blocking base;
    struct depositing *d;
    char errmsg[ERRMSG_SIZE];
};

static void table_execute(struct mover_blocking *b, struct mover_op *op)
{
    struct table_stream *s = (struct table_stream *)b;

    op->status = tail_table(s->d, op->off, op->mem, op->len, s->errmsg);
}

static void step_tail(void *mover,
                      const struct mover_event *ev,
                      struct mover_out *out)
{
    tail_step(mover, ev, out);
}

/* Segment table and trailers to |columns|; those that fail go to d->lost. */
static int tail_move(struct depositing *d, uint64_t columns, unsigned quorum)
{
    const struct journal_plan *p = d->journal.plan;
    struct table_stream source = {.d = d};
    uint8_t *trailers = calloc(p->n, LEAF_SIZE);
    struct tail tail;
    struct tail_config tc = {.table_offset = d->last->offset,
                             .table_size =
                                 shard_table_size(d->journal.committed),
                             .n = p->n,
                             .quorum = quorum,
                             .streams = columns,
                             .trailers = trailers};
    struct mover_run_config mc = {.step = step_tail,
                                  .mover = &tail,
                                  .source = &source.base.base,
                                  .streams = d->streams,
                                  .streams_len = p->n,
                                  .buffer_size = TAIL_BUFFER,
                                  .buffers_len = 1};
    int rv;

    if (trailers == NULL) {
        return ERR_NOMEM;
    }
    for (uint16_t i = 0; i < p->n; i++) {
        tail_trailer(d, i, trailers + (size_t)i * LEAF_SIZE);
    }
    mover_blocking_init(&source.base, MOVER_SOURCE, &d->job.loop,
                        table_execute);
    tail_init(&tail, &tc);
    rv = job_run(&d->job, &mc, NULL);
    d->lost |= columns & ~tail.durable;
    if (source.errmsg[0] != '\0') {
        errmsg_set(d->errmsg, "%s", source.errmsg);
    }
    free(trailers);
    return rv;
}

/* --- SEAL ------------------------------------------------------------------
 */

/* From here on those links take what follows the journal's last commit. */
static void columns_begin(struct network *w, const struct depositor_job *job)
{
    struct depositing *d = &w->d;
    uint64_t leaves =
        d->journal.committed > 0 ? d->last->offset / LEAF_SIZE : 0;

    for (uint16_t i = 0; i < d->journal.plan->n; i++) {
        uint8_t leaf[LEAF_SIZE];

        deposit_preamble(d, i, leaf);
        if ((job->columns >> i & 1) == 0) {
            continue;
        }
        client_write(w->client, i, job->links[i], leaves);
        if (leaves == 0 && client_write_leaf(w->client, i, leaf) != OK) {
            continue; /* Its first cell will tell. */
        }
    }
}

/* Which columns have everything that was sealed. */
static uint64_t columns_whole(const struct network *w,
                              const struct depositor_job *job)
{
    return job->columns & ~w->d.lost;
}

static int seal_move(struct network *w, const struct depositor_job *job)
{
    struct depositing *d = &w->d;
    int rv = OK;

    columns_begin(w, job);
    if (!segments_all(d)) {
        rv = segments_move(d);
    }
    if (rv == OK) {
        rv = source_recheck(&d->source, d->errmsg);
    }
    if (rv == OK) {
        rv = tail_roots(d);
    }
    if (rv == OK) {
        rv = tail_move(d, columns_whole(w, job), d->quorum);
    }
    return rv;
}

/* Is it our own side that failed, so that nobody else can mend it? */
static bool seal_is_ours(int rv, const char *errmsg)
{
    return rv == ERR_CANCELED || errmsg[0] != '\0';
}

static int job_seal(struct network *w, const struct depositor_job *job)
{
    struct depositing *d = &w->d;
    struct manifest *m = calloc(1, sizeof(*m));
    uint8_t *report = malloc(8 + MANIFEST_SIZE_MAX);
    size_t size = 0;
    int rv = m == NULL || report == NULL ? ERR_NOMEM : seal_move(w, job);

    if (report == NULL || (rv != OK && seal_is_ours(rv, d->errmsg))) {
        goto out;
    }
    u64le_store(report, d->lost);
    if (rv == OK) {
        manifest_fill(d, m);
        rv = manifest_encode(m, report + 8, MANIFEST_SIZE_MAX, &size);
    }
    client_report(w->client, w->job, rv, slice_of(report, 8 + size));
    rv = OK;
out:
    free(report);
    free(m);
    return rv;
}

/* --- Reading ----------------------------------------------------------------
 */

/* The manifest that was published, by this run or an earlier one. */
static int manifest_take(struct network *w)
{
    struct certificate cert;
    struct feed_entry e;
    int rv = OK;

    if (w->manifest == NULL) {
        w->manifest = calloc(1, sizeof(*w->manifest));
        rv = w->manifest == NULL ? ERR_NOMEM : OK;
    }
    if (rv == OK) {
        depositor_certificate(w->machine, &cert);
        rv = feed_entry_decode(&e, cert.manifest);
    }
    if (rv == OK) {
        rv = manifest_decode(w->manifest, &e.header.author, e.payload);
    }
    return rv == OK ? client_manifest(w->client, w->manifest) : rv;
}

/* The segment table, from whoever gives it. */
static int table_take(struct network *w, uint64_t holders, uint8_t **table)
{
    const struct manifest *m = w->manifest;
    uint64_t size = shard_table_size(m->segments);
    int rv = ERR_NOTFOUND;

    *table = malloc(size);
    if (*table == NULL) {
        return ERR_NOMEM;
    }
    for (uint16_t i = 0; i < m->n && rv != OK && rv != ERR_CANCELED; i++) {
        if ((holders >> i & 1) != 0) {
            rv = client_read(w->client, i,
                             (m->shard_size - LEAF_SIZE - size) / LEAF_SIZE,
                             size / LEAF_SIZE, *table);
        }
    }
    /* One bad steward's trouble is not that of the deposit. */
    return rv == OK || rv == ERR_CANCELED || rv == ERR_NOMEM ? rv
                                                             : ERR_NOTFOUND;
}

static int verify_move(struct network *w, const struct depositor_job *job)
{
    struct mover_stream *streams[MANIFEST_SHARDS_MAX] = {NULL};
    uint8_t *table = NULL;
    int rv = manifest_take(w);

    if (rv == OK) {
        rv = table_take(w, job->holders, &table);
    }
    for (uint16_t i = 0; i < w->d.journal.plan->n; i++) {
        if ((job->holders >> i & 1) != 0) {
            streams[i] = client_streams(w->client)[i];
        }
    }
    if (rv == OK) {
        rv = read_back(&w->d, w->manifest, streams, table, &w->verified);
    }
    free(table);
    return rv;
}

static int job_verify(struct network *w, const struct depositor_job *job)
{
    int rv = verify_move(w, job);

    if (rv == ERR_MISMATCH) {
        return rv; /* Whatever else is wrong. */
    }
    if (depositor_phase(w->machine) == DEPOSITOR_FAILED) {
        return OK;
    }
    if (rv == ERR_CANCELED) {
        errmsg_set(w->d.errmsg, "interrupted; run the same command to go on");
    }
    if (rv == ERR_CANCELED || rv == ERR_NOMEM) {
        return rv;
    }
    client_report(w->client, w->job, rv, slice_of(NULL, 0));
    return OK;
}

/* --- FILL -------------------------------------------------------------------
 */

static void step_rebuilder(void *mover,
                           const struct mover_event *ev,
                           struct mover_out *out)
{
    rebuilder_step(mover, ev, out);
}

static void fill_begin(struct network *w,
                       const struct depositor_job *job,
                       struct rebuilder_config *rc)
{
    for (uint16_t i = 0; i < w->manifest->n; i++) {
        uint8_t leaf[LEAF_SIZE];

        rc->leaves[i] = job->leaves[i];
        if ((job->columns >> i & 1) == 0) {
            continue;
        }
        client_write(w->client, i, job->links[i], job->leaves[i]);
        if (job->leaves[i] == 0) {
            deposit_preamble(&w->d, i, leaf);
            rc->leaves[i] = 1;
            if (client_write_leaf(w->client, i, leaf) != OK) {
                continue; /* Its first cell will tell. */
            }
        }
    }
}

static int rebuild_move(struct network *w,
                        const struct depositor_job *job,
                        const struct restorer_place *places,
                        uint64_t *filled)
{
    struct depositing *d = &w->d;
    struct rebuilder *r = calloc(1, sizeof(*r));
    struct rebuilder_config rc = {.code = &d->params->code,
                                  .places = places,
                                  .places_len = w->manifest->segments,
                                  .holders = job->holders,
                                  .targets = job->columns};
    struct mover_run_config mc = {.step = step_rebuilder,
                                  .mover = r,
                                  .streams = client_streams(w->client),
                                  .streams_len = w->manifest->n};
    struct progress bar;
    int rv = r == NULL ? ERR_NOMEM : OK;

    if (rv != OK) {
        return rv;
    }
    fill_begin(w, job, &rc);
    mc.buffer_size = rebuilder_buffer_size(&rc);
    rc.window =
        segment_window(mc.buffer_size, d->job.threads, REBUILDER_WINDOW_MAX);
    mc.buffers_len = rc.window;
    rebuilder_init(r, &rc);
    progress_start(&bar, d->c, "filling in", 0);
    rv = job_run(&d->job, &mc, &bar);
    progress_end(&bar, rv == OK);
    *filled = rebuilder_filled(r);
    free(r);
    return rv;
}

static int fill_move(struct network *w,
                     const struct depositor_job *job,
                     uint64_t *filled)
{
    struct restorer_place *places = NULL;
    uint8_t *table = NULL;
    int rv = manifest_take(w);

    if (rv == OK) {
        rv = table_take(w, job->holders, &table);
    }
    if (rv == OK) {
        rv = recovery_places(w->manifest, table, &places, w->d.errmsg);
    }
    if (rv == OK) {
        rv = rebuild_move(w, job, places, filled);
    }
    if (rv == OK && *filled != 0) {
        memcpy(w->d.streams, client_streams(w->client), sizeof(w->d.streams));
        w->d.lost = 0;
        rv = tail_move(&w->d, *filled, 1);
        *filled &= ~w->d.lost;
    }
    free(places);
    free(table);
    return rv;
}

static int job_fill(struct network *w, const struct depositor_job *job)
{
    uint64_t filled = 0;
    uint8_t report[8];
    int rv = fill_move(w, job, &filled);

    if (rv == ERR_CANCELED || rv == ERR_NOMEM) {
        return rv;
    }
    u64le_store(report, filled);
    client_report(w->client, w->job, rv, slice_of(report, sizeof(report)));
    return OK;
}

int columns_job(struct network *w, const struct depositor_job *job)
{
    switch (job->type) {
    case DEPOSITOR_SEAL:
        return job_seal(w, job);
    case DEPOSITOR_FILL:
        return job_fill(w, job);
    case DEPOSITOR_VERIFY:
        return job_verify(w, job);
    }
    return ERR_BAD;
}
