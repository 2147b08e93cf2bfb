#include "node/shard/shard_work.h"

#include <stdlib.h>

static bool buffers_make(struct shard_work *w, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        w->buffers[i].mem = shard_buffers_take(jobs_buffers(w->jobs));
        if (w->buffers[i].mem == NULL) {
            return false;
        }
    }
    return true;
}

static size_t buffers_for(enum steward_job_type type)
{
    switch (type) {
    case STEWARD_JOB_INTAKE:
        return SHARD_JOBS_BUFFERS;
    case STEWARD_JOB_READ:
        return 1;
    case STEWARD_JOB_SEAL:
    case STEWARD_JOB_DROP:
        break;
    }
    return 0;
}

void work_free_buffers(struct shard_work *w)
{
    for (size_t i = 0; i < SHARD_JOBS_BUFFERS; i++) {
        if (w->buffers[i].mem != NULL) {
            shard_buffers_give(jobs_buffers(w->jobs), w->buffers[i].mem);
        }
        w->buffers[i].mem = NULL;
    }
}

void work_free(struct shard_work *w)
{
    assert(w->calls == NULL && w->running == NULL);
    if (w->open) {
        shard_file_close(&w->file);
    }
    work_free_buffers(w);
    free(w->scratch);
    free(w->folder);
    free(w);
}

struct shard_work *work_new(struct shard_jobs *js,
                            const struct steward_job *spec)
{
    struct shard_work *w = calloc(1, sizeof(*w));
    bool reads = spec->type == STEWARD_JOB_READ;

    if (w == NULL) {
        return NULL;
    }
    w->jobs = js;
    w->volume = jobs_config(js)->volume;
    w->spec = *spec;
    w->spec.manifest = slice_of(NULL, 0); /* Was lent. */
    w->calls_end = &w->calls;
    w->work.data = w;
    w->still_ms = uv_now(jobs_config(js)->loop);
    w->folder = volume_shard_path(w->volume, &spec->deposit_id, spec->index);
    w->scratch =
        reads ? aligned_alloc(LEAF_SIZE, SHARD_FILE_SCRATCH_SIZE) : NULL;
    if (w->folder == NULL || (reads && w->scratch == NULL) ||
        !buffers_make(w, buffers_for(spec->type))) {
        work_free(w);
        return NULL;
    }
    jobs_add(js, w);
    return w;
}

bool work_is_for(const struct shard_work *w, const struct steward_job *spec)
{
    return w->spec.index == spec->index &&
           digest_equal(&w->spec.deposit_id, &spec->deposit_id);
}

static bool call_reads(const struct work_call *call)
{
    return call->type == WORK_PROVE || call->type == WORK_READ;
}

static void work_run(uv_work_t *work)
{
    struct shard_work *w = work->data;
    struct work_call *call = w->running;

    if (w->status != OK) {
        call->status = w->status;
    } else if (call_reads(call)) {
        serve_execute(w, call);
    } else {
        intake_execute(w, call);
    }
    if (w->status == OK) {
        w->status = call->status;
    }
}

static void call_free(struct work_call *call)
{
    free(call->manifest);
    free(call);
}

/* Its peer waited for us, and is not to blame for that. */
static void work_waited(struct shard_work *w)
{
    uint64_t now = uv_now(jobs_config(w->jobs)->loop);

    w->still_ms += now - w->busy_ms;
    w->still_ms = w->still_ms < now ? w->still_ms : now;
}

static void work_done(uv_work_t *work, int status)
{
    struct shard_work *w = work->data;
    struct shard_jobs *js = w->jobs;
    struct work_call *call = w->running;

    (void)status; /* Never canceled. */
    jobs_enter(js);
    w->running = NULL;
    if (w->calls == NULL) {
        work_waited(w);
    }
    if (call->buffer != NULL) {
        call->buffer->busy = false;
    }
    if (call_reads(call)) {
        serve_done(w, call);
    } else {
        intake_done(w, call);
    }
    call_free(call);
    jobs_leave(js);
}

void work_next(struct shard_work *w)
{
    struct work_call *call = w->calls;

    if (w->running != NULL || call == NULL ||
        (!call_reads(call) && jobs_first(w->jobs, &w->spec) != w)) {
        return;
    }
    w->calls = call->next;
    w->calls_len--;
    if (w->calls == NULL) {
        w->calls_end = &w->calls;
    }
    w->running = call;
    if (uv_queue_work(jobs_config(w->jobs)->loop, &w->work, work_run,
                      work_done) != 0) {
        abort(); /* Only for bad arguments. */
    }
}

struct work_call *work_queue(struct shard_work *w, enum work_type type)
{
    struct work_call *call = calloc(1, sizeof(*call));

    if (call == NULL) {
        abort(); /* Two thousand bytes; the peer could not be told either. */
    }
    assert(!w->ending);
    call->type = type;
    if (w->calls == NULL && w->running == NULL) {
        w->busy_ms = uv_now(jobs_config(w->jobs)->loop);
    }
    *w->calls_end = call;
    w->calls_end = &call->next;
    w->calls_len++;
    return call;
}

void work_drop_calls(struct shard_work *w)
{
    struct work_call *next;

    for (struct work_call *call = w->calls; call != NULL; call = next) {
        next = call->next;
        call_free(call);
    }
    w->calls = NULL;
    w->calls_end = &w->calls;
    w->calls_len = 0;
}

void work_end(struct shard_work *w)
{
    w->ending = true;
}

bool work_is_over(const struct shard_work *w)
{
    return w->ending && w->running == NULL && w->calls == NULL;
}
