#ifndef CAIRN_NODE_WORKERS_H
#define CAIRN_NODE_WORKERS_H

#include <uv.h>

#include "crypto/base.h"

/* Threads for processor work, apart from libuv's pool, which blocking I/O
 * fills. Work is a pure function; its completion runs on the loop. */

struct workers;

struct work {
    int (*run)(void *arg);                    /* On a worker. */
    void (*done)(struct work *w, int status); /* On the loop. */
    void *arg;
    struct work *next; /* The pool's, while it has it. */
    int status;
};

/* |count| threads, at least one. The pool keeps the loop alive only while
 * there is work. */
MUST_CHECK int workers_new(struct workers **out,
                           uv_loop_t *loop,
                           unsigned count);

/* The caller keeps |w| until done() runs; it runs exactly once. Loop thread
 * only. */
void workers_submit(struct workers *ws, struct work *w);

/* Stop; nothing may be queued. The loop must run until |closed| is called. */
void workers_close(struct workers *ws, void (*closed)(void *arg), void *arg);

#endif /* CAIRN_NODE_WORKERS_H */
