#include "node/mover/mover_run.h"

#include <stdlib.h>
#include <sys/mman.h>

/* Events wait here between the loop's callbacks and the mover; at most one a
 * buffer, operation and work item can exist. */
#define EVENTS_MAX 2048U

/* A work item on its way through the workers. */
struct run_job {
    struct work item;
    struct mover_run *run;
    uint64_t id;
    int (*work)(void *arg);
    void *arg;
};

struct mover_run {
    struct mover_run_config config;
    struct mover_event events[EVENTS_MAX];
    size_t events_at, events_len;
    uint8_t *memory;
    bool *lent;       /* By buffer. */
    unsigned waiting; /* GET_BUF not answered yet. */
    bool stepping, ended;
    uv_timer_t timer;
    struct mover_out out;
};

static void run_push(struct mover_run *run, struct mover_event ev)
{
    assert(run->events_len < EVENTS_MAX);
    run->events[(run->events_at + run->events_len++) % EVENTS_MAX] = ev;
}

static size_t buffer_stride(const struct mover_run_config *c)
{
    size_t page = 4096;

    return (c->buffer_size + page - 1) / page * page;
}

static void run_give_buffers(struct mover_run *run)
{
    for (unsigned i = 0; i < run->config.buffers_len && run->waiting > 0; i++) {
        if (!run->lent[i]) {
            run->lent[i] = true;
            run->waiting--;
            run_push(run,
                     (struct mover_event){
                         .type = MV_BUF,
                         .buf = i,
                         .mem = run->memory + i * buffer_stride(&run->config),
                         .len = run->config.buffer_size});
        }
    }
}

static void run_pump(struct mover_run *run);

static void run_on_worked(struct work *w, int status)
{
    struct run_job *job = w->arg;
    struct mover_run *run = job->run;
    struct mover_event ev = {
        .type = MV_WORKED, .id = job->id, .status = status};

    free(job);
    run_push(run, ev);
    run_pump(run);
}

static int run_job_run(void *arg)
{
    struct run_job *job = arg;

    return job->work(job->arg);
}

static void run_work(struct mover_run *run, const struct mover_action *a)
{
    struct run_job *job = calloc(1, sizeof(*job));

    if (job == NULL) {
        run_push(run, (struct mover_event){
                          .type = MV_WORKED, .id = a->id, .status = ERR_NOMEM});
        return;
    }
    job->run = run;
    job->id = a->id;
    job->work = a->work;
    job->arg = a->arg;
    job->item.run = run_job_run;
    job->item.done = run_on_worked;
    job->item.arg = job;
    workers_submit(run->config.workers, &job->item);
}

static struct mover_stream *run_stream(const struct mover_run *run,
                                       const struct mover_action *a)
{
    if (a->type == MV_NOTE) {
        return run->config.notes;
    }
    if (a->stream == MOVER_SOURCE) {
        return run->config.source;
    }
    assert(a->stream < run->config.streams_len);
    return run->config.streams[a->stream];
}

static void run_op(struct mover_run *run, const struct mover_action *a)
{
    struct mover_stream *stream = run_stream(run, a);
    struct mover_op *op = calloc(1, sizeof(*op));

    if (op == NULL) {
        abort(); /* A few dozen bytes; nothing can be reported either. */
    }
    op->run = run;
    op->stream = stream;
    op->type = a->type;
    op->id = a->id;
    op->off = a->off;
    op->len = a->len;
    op->mem = a->mem;
    op->bytes = a->bytes;
    op->take = a->take;
    op->arg = a->arg;
    assert(stream != NULL);
    stream->submit(stream, op);
}

static void run_drop(struct mover_run *run, uint64_t id)
{
    for (uint32_t i = 0; i < run->config.streams_len; i++) {
        struct mover_stream *stream = run->config.streams[i];

        if (stream != NULL && stream->drop != NULL) {
            stream->drop(stream, id);
        }
    }
}

static void run_on_timer(uv_timer_t *timer)
{
    struct mover_run *run = timer->data;

    run_push(run, (struct mover_event){.type = MV_WAKE});
    run_pump(run);
}

static void run_wake_at(struct mover_run *run, uint64_t at_ms)
{
    uint64_t now = uv_now(run->config.loop);

    uv_timer_start(&run->timer, run_on_timer, at_ms > now ? at_ms - now : 0, 0);
}

static void run_free(uv_handle_t *handle)
{
    struct mover_run *run = handle->data;

    munmap(run->memory, buffer_stride(&run->config) * run->config.buffers_len);
    free(run->lent);
    free(run);
}

static void run_do(struct mover_run *run, const struct mover_action *a)
{
    switch (a->type) {
    case MV_GET_BUF:
        run->waiting++;
        break;
    case MV_PUT_BUF:
        assert(run->lent[a->buf]);
        run->lent[a->buf] = false;
        break;
    case MV_READ_AT:
    case MV_SEND:
    case MV_FLUSH:
    case MV_NOTE:
        run_op(run, a);
        break;
    case MV_WORK:
        run_work(run, a);
        break;
    case MV_DROP:
        run_drop(run, a->id);
        break;
    case MV_SLOW:
        if (run->config.on_slow != NULL) {
            run->config.on_slow(run->config.arg, a->stream, a->off);
        }
        break;
    case MV_PROGRESS:
        if (run->config.on_progress != NULL) {
            run->config.on_progress(run->config.arg, a->off, a->len);
        }
        break;
    case MV_WAKE_AT:
        run_wake_at(run, a->off);
        break;
    case MV_END:
        run->ended = true;
        uv_close((uv_handle_t *)&run->timer, run_free);
        run->config.on_end(run->config.arg, a->status);
        break;
    }
}

/* Feed events to the mover until there are none; actions that are answered at
 * once add to them. */
static void run_pump(struct mover_run *run)
{
    if (run->stepping || run->ended) {
        return;
    }
    run->stepping = true;
    run_give_buffers(run);
    while (run->events_len > 0 && !run->ended) {
        struct mover_event ev = run->events[run->events_at];

        run->events_at = (run->events_at + 1) % EVENTS_MAX;
        run->events_len--;
        ev.mono_ms = uv_now(run->config.loop);
        if (run->config.on_event != NULL) {
            run->config.on_event(run->config.arg, &ev);
        }
        run->config.step(run->config.mover, &ev, &run->out);
        for (size_t i = 0; i < run->out.len; i++) {
            run_do(run, &run->out.acts[i]);
        }
        run_give_buffers(run);
    }
    run->stepping = false;
}

void mover_op_done(struct mover_op *op)
{
    struct mover_run *run = op->run;
    struct mover_event ev = {.status = op->status,
                             .stream = op->stream->number,
                             .id = op->id,
                             .off = op->off,
                             .len = op->len,
                             .mem = op->mem,
                             .digest = op->digest};

    switch (op->type) {
    case MV_READ_AT:
        ev.type = MV_READ;
        break;
    case MV_SEND:
        ev.type = MV_SENT;
        break;
    case MV_FLUSH:
        ev.type = MV_DURABLE;
        ev.off = op->durable;
        break;
    case MV_NOTE:
        ev.type = MV_NOTED;
        break;
    case MV_GET_BUF:
    case MV_PUT_BUF:
    case MV_WORK:
    case MV_PROGRESS:
    case MV_DROP:
    case MV_SLOW:
    case MV_WAKE_AT:
    case MV_END:
        abort();
    }
    free(op);
    run_push(run, ev);
    run_pump(run);
}

int mover_run_start(struct mover_run **out,
                    const struct mover_run_config *config)
{
    struct mover_run *run = calloc(1, sizeof(*run));
    void *memory;

    if (run == NULL) {
        return ERR_NOMEM;
    }
    run->config = *config;
    run->lent = calloc(config->buffers_len, sizeof(*run->lent));
    /* Fresh pages: zeroed, page-aligned for direct I/O, and given back whole.
     */
    /* Not accounted for in advance: with many shards most pages of a buffer
     * are never touched by who only reads k of them. */
    memory = mmap(NULL, buffer_stride(config) * config->buffers_len,
                  PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (run->lent == NULL || memory == MAP_FAILED ||
        uv_timer_init(config->loop, &run->timer) != 0) {
        if (memory != MAP_FAILED) {
            munmap(memory, buffer_stride(config) * config->buffers_len);
        }
        free(run->lent);
        free(run);
        return ERR_NOMEM;
    }
    /* Many cells are walked side by side: huge pages where they can be had. */
    (void)madvise(memory, buffer_stride(config) * config->buffers_len,
                  MADV_HUGEPAGE);
    /* Plaintext passes through: never into a core file. */
    (void)madvise(memory, buffer_stride(config) * config->buffers_len,
                  MADV_DONTDUMP);
    run->memory = memory;
    run->timer.data = run;
    *out = run;
    run_push(run, (struct mover_event){.type = MV_START});
    run_pump(run);
    return OK;
}

void mover_run_cancel(struct mover_run *run)
{
    run_push(run, (struct mover_event){.type = MV_CANCEL});
    run_pump(run);
}

void mover_run_lost(struct mover_run *run, uint32_t stream)
{
    run_push(run, (struct mover_event){.type = MV_LOST, .stream = stream});
    run_pump(run);
}

static void blocking_next(struct mover_blocking *b);

static void blocking_run(uv_work_t *work)
{
    struct mover_blocking *b = work->data;

    b->execute(b, b->running);
}

static void blocking_done(uv_work_t *work, int status)
{
    struct mover_blocking *b = work->data;
    struct mover_op *op = b->running;

    (void)status; /* Never canceled. */
    b->running = NULL;
    blocking_next(b);
    mover_op_done(op); /* Last: it may end the run. */
}

static void blocking_next(struct mover_blocking *b)
{
    if (b->running != NULL || b->queue == NULL) {
        return;
    }
    b->running = b->queue;
    b->queue = b->queue->next;
    if (b->queue == NULL) {
        b->queue_end = &b->queue;
    }
    if (uv_queue_work(b->loop, &b->work, blocking_run, blocking_done) != 0) {
        abort(); /* Only for bad arguments. */
    }
}

static void blocking_submit(struct mover_stream *stream, struct mover_op *op)
{
    struct mover_blocking *b = (struct mover_blocking *)stream;

    op->next = NULL;
    *b->queue_end = op;
    b->queue_end = &op->next;
    blocking_next(b);
}

void mover_blocking_init(struct mover_blocking *b,
                         uint32_t number,
                         uv_loop_t *loop,
                         void (*execute)(struct mover_blocking *b,
                                         struct mover_op *op))
{
    *b = (struct mover_blocking){
        .base = {.number = number, .submit = blocking_submit},
        .execute = execute,
        .loop = loop};
    b->work.data = b;
    b->queue_end = &b->queue;
}
