#include <sodium.h>
#include <stdlib.h>

#include "node/deposit/deposit_state.h"

struct source_stream {
    struct mover_blocking base;
    struct depositing *d;
    char errmsg[ERRMSG_SIZE];
};

static void source_execute(struct mover_blocking *b, struct mover_op *op)
{
    struct source_stream *s = (struct source_stream *)b;

    op->status = source_read(&s->d->source, op->off, op->mem, op->len, op->take,
                             op->arg, &op->digest, s->errmsg);
}

struct note_stream {
    struct mover_blocking base;
    struct depositing *d;
    uint64_t leaves; /* Of every shard, with the last commit. */
    char errmsg[ERRMSG_SIZE];
};

static void note_execute(struct mover_blocking *b, struct mover_op *op)
{
    struct note_stream *s = (struct note_stream *)b;

    const struct sealer_commit *commit = op->arg;

    op->status = journal_commit(&s->d->journal, commit, s->errmsg);
    s->leaves = commit->offset / LEAF_SIZE;
}

/* The same files give the same catalogue, whichever run makes it. */
static int catalogue_make(struct depositing *d)
{
    const struct journal_plan *p = d->journal.plan;

    if (d->source.catalogue != NULL) {
        return OK;
    }
    return source_make_catalogue(&d->source, p->label, p->time_s,
                                 p->segment_size, NULL, 0, d->errmsg);
}

/* Where the plaintext of a segment begins in the source. */
uint64_t segment_start(const struct depositing *d, uint64_t segment)
{
    const struct journal_plan *p = d->journal.plan;
    uint64_t data = segments_for(p->data_size, p->segment_size);

    return segment < data ? segment * p->segment_size
                          : p->data_size + (segment - data) * p->segment_size;
}

struct seal_context {
    struct depositing *d;
    const struct note_stream *notes;
    uint64_t last_data; /* Number of data segments. */
    int status;
};

/* When the last data segment was read, the catalogue can be made. */
static void step_sealer(void *mover,
                        const struct mover_event *ev,
                        struct mover_out *out)
{
    struct seal_context *s = mover;
    struct depositing *d = s->d;
    struct mover_event seen = *ev;

    if (ev->type == MV_READ && ev->status == OK && ev->id + 1 == s->last_data) {
        s->status = catalogue_make(d);
        seen.status = s->status;
        if (s->status == OK) {
            sealer_catalogue(d->sealer, d->source.catalogue_size);
        }
    }
    sealer_step(d->sealer, &seen, out);
    if (ev->type == MV_NOTED && ev->status == OK && d->on_commit != NULL) {
        d->on_commit(d, s->notes->leaves);
    }
}

/* Read one committed segment again, and compare. */
static int segment_compare(struct depositing *d, uint64_t i, uint8_t *mem)
{
    struct sealer_segment s;
    struct digest digest;
    uint64_t start = segment_start(d, i);
    int rv = journal_segment(&d->journal, i, &s, d->errmsg);

    if (rv == OK) {
        rv = source_read(&d->source, start, mem, s.plain_size, NULL, NULL,
                         &digest, d->errmsg);
    }
    if (rv == OK && !digest_equal(&digest, &s.plain)) {
        errmsg_set(d->errmsg,
                   "the model changed since the deposit began ('%s'), at or "
                   "before byte %llu; mend it, or %s",
                   d->journal.folder, (unsigned long long)start + s.plain_size,
                   deposit_way_out(d));
        rv = ERR_MISMATCH;
    }
    return rv;
}

/* Read again all that is committed: the source must be what it was, and its
 * hashes must be as if there had been no interruption. */
int source_verify(struct depositing *d)
{
    const struct journal_plan *p = d->journal.plan;
    uint64_t data = segments_for(p->data_size, p->segment_size);
    uint64_t todo = d->journal.committed;
    uint8_t *mem;
    struct progress bar;
    int rv = OK;

    if (todo == 0) {
        return OK;
    }
    mem = malloc(p->segment_size);
    if (mem == NULL) {
        return errmsg_memory(d->errmsg);
    }
    progress_start(&bar, d->c, "comparing",
                   todo < data ? todo * p->segment_size : p->data_size);
    for (uint64_t i = 0; i < todo && rv == OK; i++) {
        if (job_is_interrupted(&d->job)) {
            errmsg_set(d->errmsg, "interrupted; run the same command to go on");
            rv = ERR_CANCELED;
            break;
        }
        if (i >= data) {
            rv = catalogue_make(d);
        }
        if (rv == OK) {
            rv = segment_compare(d, i, mem);
        }
        progress_update(&bar, segment_start(d, i), NULL);
    }
    progress_end(&bar, rv == OK);
    sodium_memzero(mem, p->segment_size);
    free(mem);
    return rv;
}

/* Of streams without words of their own, the depositor's machine tells more. */
static void seal_explain(struct depositing *d,
                         int rv,
                         const struct source_stream *source,
                         const struct note_stream *notes)
{
    const char *said =
        source->errmsg[0] != '\0' ? source->errmsg : notes->errmsg;

    for (uint16_t i = 0;
         i < d->journal.plan->n && said[0] == '\0' && d->why != NULL; i++) {
        said = d->why(d, i);
    }
    if (said[0] != '\0') {
        errmsg_set(d->errmsg, "%s", said);
    } else if (rv == ERR_CANCELED) {
        errmsg_set(d->errmsg, "interrupted; run the same command to go on");
    } else if (d->errmsg[0] == '\0' && d->why != NULL) {
        errmsg_set(d->errmsg, "sealing failed (%d)", rv);
    }
}

int segments_move(struct depositing *d)
{
    const struct journal_plan *p = d->journal.plan;
    uint64_t data = segments_for(p->data_size, p->segment_size);
    struct source_stream source = {.d = d};
    struct note_stream notes = {.d = d};
    struct sealer_config sc = {
        .params = d->params, .quorum = d->quorum, .data_size = p->data_size};
    struct seal_context context = {.d = d, .notes = &notes, .last_data = data};
    struct mover_run_config mc = {.step = step_sealer,
                                  .mover = &context,
                                  .source = &source.base.base,
                                  .notes = &notes.base.base,
                                  .streams = d->streams,
                                  .streams_len = p->n,
                                  .buffer_size = sealer_buffer_size(d->params)};
    struct progress bar;
    int rv = OK;

    sc.window =
        segment_window(mc.buffer_size, d->job.threads, SEALER_WINDOW_MAX);
    mc.buffers_len = sc.window;
    for (unsigned i = 0; i < sc.window && rv == OK; i++) {
        rng_init_system(&sc.rngs[i]);
        rv = codec_state_new(&sc.codecs[i]);
    }
    mover_blocking_init(&source.base, MOVER_SOURCE, &d->job.loop,
                        source_execute);
    mover_blocking_init(&notes.base, 0, &d->job.loop, note_execute);
    sealer_init(d->sealer, &sc, d->preambles,
                d->journal.committed > 0 ? d->last : NULL);
    if (rv == OK && d->journal.committed >= data) {
        rv = catalogue_make(d);
        if (rv == OK) {
            sealer_catalogue(d->sealer, d->source.catalogue_size);
        }
    }
    if (rv == OK) {
        progress_start(&bar, d->c, "sealing", p->data_size);
        rv = job_run(&d->job, &mc, &bar);
        progress_end(&bar, rv == OK);
        for (uint16_t i = 0; i < p->n; i++) {
            d->lost |= d->sealer->lost[i] ? (uint64_t)1 << i : 0;
        }
        if (rv != OK) {
            seal_explain(d, rv, &source, &notes);
        }
    }
    for (unsigned i = 0; i < sc.window; i++) {
        codec_state_free(sc.codecs[i]);
    }
    return rv;
}

/* Is every segment committed? Then only the tails may be missing. */
bool segments_all(const struct depositing *d)
{
    const struct journal_plan *p = d->journal.plan;

    return d->source.catalogue != NULL &&
           d->journal.committed ==
               segments_for(p->data_size, p->segment_size) +
                   segments_for(d->source.catalogue_size, p->segment_size);
}
