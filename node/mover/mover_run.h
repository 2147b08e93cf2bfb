#ifndef CAIRN_NODE_MOVER_RUN_H
#define CAIRN_NODE_MOVER_RUN_H

#include <uv.h>

#include "node/mover/workers.h"
#include "replication/mover/mover.h"

/* The driver of movers on a real machine: carries out a mover's actions and
 * reports back with events, all on one libuv loop. Processor work goes to the
 * workers, blocking I/O to libuv's pool, and buffers come from a fixed set, so
 * memory does not grow with the job. */

struct mover_run;
struct mover_stream;

/* One operation on a stream, from its action to its event. */
struct mover_op {
    struct mover_run *run;
    struct mover_stream *stream;
    enum mover_action_type type; /* READ_AT, SEND, FLUSH, NOTE */
    uint64_t id, off, len;
    uint8_t *mem;
    struct slice bytes;
    void (*take)(void *arg, struct slice tile); /* READ_AT of the source */
    void *arg;                                  /* Of |take|, NOTE */
    /* The answer. */
    int status;
    struct digest digest; /* READ_AT of the source. */
    uint64_t durable;     /* FLUSH */
    struct mover_op *next;
};

/* Something that takes operations. submit() runs on the loop and answers each
 * operation with mover_op_done() on the loop, later or at once; operations of
 * one stream are answered in order. */
struct mover_stream {
    uint32_t number;
    const char *name; /* For people; NULL: it has none. */
    void (*submit)(struct mover_stream *stream, struct mover_op *op);
    /* Answer the readings of segment |id| with ERR_CANCELED now, and leave
     * their memory alone; NULL where what has begun cannot be stopped. */
    void (*drop)(struct mover_stream *stream, uint64_t id);
};

/* A stream of blocking calls: execute() runs on libuv's pool, one operation at
 * a time in order, and fills in the answer. */
struct mover_blocking {
    struct mover_stream base;
    void (*execute)(struct mover_blocking *b, struct mover_op *op);
    uv_loop_t *loop;
    uv_work_t work;
    struct mover_op *queue, **queue_end, *running;
};

void mover_blocking_init(struct mover_blocking *b,
                         uint32_t number,
                         uv_loop_t *loop,
                         void (*execute)(struct mover_blocking *b,
                                         struct mover_op *op));

typedef void mover_step(void *mover,
                        const struct mover_event *ev,
                        struct mover_out *out);

struct mover_run_config {
    uv_loop_t *loop;
    struct workers *workers;
    mover_step *step;
    void *mover;
    struct mover_stream *source;   /* MOVER_SOURCE */
    struct mover_stream **streams; /* By number; NULL where there is none. */
    uint32_t streams_len;
    struct mover_stream *notes; /* Takes NOTE operations; may be NULL. */
    size_t buffer_size;
    unsigned buffers_len;
    /* On the loop. |on_event| (may be NULL) sees each event before the mover
     * does, to prepare what the mover will ask for next. */
    void (*on_event)(void *arg, const struct mover_event *ev);
    void (*on_progress)(void *arg, uint64_t done, uint64_t total);
    void (*on_slow)(void *arg, uint32_t stream, uint64_t waited_ms);
    void (*on_end)(void *arg, int status);
    void *arg;
};

/* Start; on_end runs exactly once, after which the run frees itself. The
 * configuration is copied. ERR_NOMEM when the buffers cannot be had. */
MUST_CHECK int mover_run_start(struct mover_run **out,
                               const struct mover_run_config *config);

/* Ask the mover to stop; on_end follows with ERR_CANCELED. Loop thread. */
void mover_run_cancel(struct mover_run *run);

/* A stream is gone for good. What it has taken is answered all the same, before
 * or after; the run lives until then. */
void mover_run_lost(struct mover_run *run, uint32_t stream);

/* Answer an operation; loop thread. */
void mover_op_done(struct mover_op *op);

#endif /* CAIRN_NODE_MOVER_RUN_H */
