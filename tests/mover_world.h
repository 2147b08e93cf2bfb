#ifndef CAIRN_TESTS_MOVER_WORLD_H
#define CAIRN_TESTS_MOVER_WORLD_H

#include "crypto/rng.h"
#include "replication/mover/mover.h"
#include "tests/suite.h"

/* A driver of one mover under virtual time, for tests. It keeps all actions
 * that are to be answered, carries them out and answers them in an order that
 * a seed decides, and checks what every mover owes its driver:
 *
 * - a step has room for its actions;
 * - no more buffers than the window, each put back once, and memory that is
 *   put back is freed, so that the sanitizer sees any later use;
 * - bytes that are sent stay as they are until MV_SENT;
 * - MV_END comes once, after the last answer, and nothing follows.
 *
 * What is done to one stream is done in order, but carrying out and answering
 * are two moments, and a crash may fall between them. */

#define WORLD_STREAMS_MAX 64U
#define WORLD_OPS_MAX     1024U
#define WORLD_BUFFERS_MAX 8U

struct world_stream {
    uint8_t *bytes; /* Grows. */
    size_t size, max;
    size_t durable;    /* A prefix: all that a crash leaves. */
    uint64_t told;     /* The last MV_DURABLE that the mover has seen. */
    uint64_t delay_ms; /* Each operation may take so long. */
    uint64_t least_ms; /* And takes at least so long. */
    bool lost;
};

struct world_op {
    struct mover_action act;
    struct mover_event ev; /* Its answer, once it is done. */
    struct digest sent;    /* MV_SEND: of the bytes when it was asked. */
    uint64_t ready_ms;
    bool done, dropped;
};

typedef void world_step(void *mover,
                        const struct mover_event *ev,
                        struct mover_out *out);

struct world {
    struct rng rng;
    world_step *step;
    void *mover;
    unsigned window;
    size_t buffer_size;
    /* The test's part, any of them NULL: |on_ask| sees each action as it is
     * asked, |on_do| decides what becomes of it as it is carried out, and
     * |on_tell| sees each answer before the mover does. */
    void (*on_ask)(void *arg, const struct mover_action *a);
    int (*on_do)(void *arg, const struct mover_action *a);
    void (*on_tell)(void *arg, const struct mover_event *ev);
    void *arg;

    struct world_stream source, streams[WORLD_STREAMS_MAX];
    struct world_op ops[WORLD_OPS_MAX]; /* In the order of asking. */
    size_t ops_len;
    uint8_t *buffers[WORLD_BUFFERS_MAX]; /* NULL: not lent. */
    size_t lent, wanted;
    bool in_order; /* Answers of one stream come in order, too. */
    bool drops;    /* It can give up readings, MV_DROP. */
    uint64_t now_ms;
    uint64_t wake_ms;        /* The mover's one timer; 0: not set. */
    size_t events, acts_max; /* Told to the mover; most of one step. */
    int first_error;         /* Of all that was told, or OK. */
    bool ended;
    int status;
    struct mover_out out;
};

/* A new driver, and a new mover to be given by the caller, over streams that
 * are kept: empty at first, cut back to what is durable after a crash. */
void world_boot(struct world *w, uint64_t seed);
void world_free(struct world *w);

/* MV_START; then on until the mover ends or has been told |events| more
 * events. Returns whether it has ended. */
void world_start(struct world *w);
bool world_run(struct world *w, size_t events);

void world_cancel(struct world *w);
/* From now on all that is asked of the stream fails. */
void world_lose(struct world *w, uint32_t stream);
/* Power fails. The mover is forgotten in the middle of what it did. */
void world_crash(struct world *w);

/* Write at the end of a stream, and make it durable. */
void world_append(struct world_stream *s, const void *bytes, size_t size);
void world_truncate(struct world_stream *s, size_t size);

#endif /* CAIRN_TESTS_MOVER_WORLD_H */
