#ifndef CAIRN_NODE_SHARD_WORK_H
#define CAIRN_NODE_SHARD_WORK_H

#include "node/shard/shard_buffers.h"
#include "node/shard/shard_file.h"
#include "node/shard/shard_jobs.h"

/* The parts of shard_jobs that only its own files share: shard_jobs.c starts
 * and finds jobs, shard_place.c finds room for them, shard_work.c queues their
 * blocking calls, shard_intake.c receives and seals, shard_serve.c reads. */

/* So many calls may wait for the pool before the link of an intake is read no
 * further: a FLUSH is said sooner than it is done. */
#define SHARD_WORK_CALLS_MAX 16U

/* One blocking call on the pool. */
enum work_type {
    WORK_OPEN,   /* Create or resume the files. */
    WORK_APPEND, /* A buffer. */
    WORK_CUT,
    WORK_SYNC,
    WORK_SEAL,
    WORK_DROP,
    WORK_PROVE, /* Open the sealed file unless it is, and prove a run. */
    WORK_READ
};

struct work_buffer {
    uint8_t *mem; /* Of jobs_buffers(). */
    bool busy;
};

struct work_call {
    enum work_type type;
    struct work_buffer *buffer; /* APPEND */
    size_t size;
    struct merkle_range range;   /* OPEN, CUT; from SYNC */
    uint64_t shard_size;         /* OPEN, CUT: the most; SEAL, PROVE */
    struct digest root;          /* SEAL, PROVE */
    uint64_t first_leaf, leaves; /* PROVE, READ */
    bool direct;                 /* PROVE: past the page cache. */
    uint8_t *manifest;           /* SEAL: kept beside the shard. */
    size_t manifest_size;
    int status;
    struct work_call *next;
};

/* A shard that is worked on. The pool has |file|, |open|, |status|, |errmsg|,
 * |proof| and |scratch| while a call is running, the loop at other times. */
struct shard_work {
    struct shard_jobs *jobs;
    const struct volume *volume;
    struct shard_work *next;            /* Older ones. */
    struct steward_job spec;            /* Of the job that began it. */
    uint64_t intake, seal, serve, drop; /* Job numbers; 0: none. */
    char *folder;
    struct shard_file file;
    bool open;
    /* The queue of calls, one on the pool. */
    struct work_call *calls, **calls_end, *running;
    unsigned calls_len; /* Those that have not begun. */
    uv_work_t work;
    int status; /* The first failure: nothing more is done. */
    char errmsg[ERRMSG_SIZE];
    bool ending; /* No more calls are queued; goes when idle. */
    /* A READ is over, and the file stays open for the next one. */
    bool resting;
    /* The intake's link is gone, and ends when the cut on the pool is done: the
     * machine must hear how far the files were cut. */
    bool stopping;
    /* An intake that failed by itself: what its lab had sent before it hears
     * of that is swallowed. */
    bool deaf;
    /* Intake: what was announced and not received yet. */
    struct work_buffer buffers[SHARD_JOBS_BUFFERS];
    struct work_buffer *filling;
    size_t fill;
    uint64_t queued;  /* Bytes of the shard, those in queued calls included. */
    uint64_t durable; /* Leaves. */
    uint32_t stream;  /* Announced and not ended; 0: none. */
    uint64_t stream_left;
    bool paused;
    size_t came; /* Bytes of the next MiB. */
    /* The peer is waited for since then: for that MiB, or to take what is
     * ready. The time that calls take is left out: |busy_ms| is when the first
     * of those under way was queued. */
    uint64_t still_ms, busy_ms;
    /* Serving. */
    struct digest proof[MERKLE_RUN_NODES_MAX];
    size_t proof_len;
    unsigned row;    /* READs before this, each going on where one ended. */
    uint64_t served; /* Leaves sent. */
    size_t ready;    /* Leaves in buffers[0] that wait to be sent. */
    uint8_t *scratch;
};

/* shard_work.c */

/* NULL without memory. */
struct shard_work *work_new(struct shard_jobs *js,
                            const struct steward_job *spec);
void work_free(struct shard_work *w);
void work_free_buffers(struct shard_work *w);
/* Do two jobs want the same shard? */
bool work_is_for(const struct shard_work *w, const struct steward_job *spec);
/* Queue a call. */
struct work_call *work_queue(struct shard_work *w, enum work_type type);
/* Forget the calls that have not begun. */
void work_drop_calls(struct shard_work *w);
/* Hand the next call to the pool, if it is this work's turn: calls of an older
 * work for the files of the same shard go first. */
void work_next(struct shard_work *w);
/* Nothing more for this work: it goes when its call on the pool is done. */
void work_end(struct shard_work *w);
bool work_is_over(const struct shard_work *w);

/* shard_jobs.c */

const struct shard_jobs_config *jobs_config(const struct shard_jobs *js);
struct shard_buffers *jobs_buffers(struct shard_jobs *js);
void jobs_add(struct shard_jobs *js, struct shard_work *w);
/* All works, the newest first. */
struct shard_work *jobs_works(const struct shard_jobs *js);
/* The oldest work for a shard's files, but for those that only read. */
struct shard_work *jobs_first(const struct shard_jobs *js,
                              const struct steward_job *spec);
/* Around whatever may call back: the owner may call us again from there, so
 * works are freed, and calls begun, only when the outermost one is left. */
void jobs_enter(struct shard_jobs *js);
void jobs_leave(struct shard_jobs *js);

/* End a job of this work with |status| and forget its number. */
void work_report(struct shard_work *w, uint64_t *job, int status);
/* Progress of the intake: this much is durable. */
void work_progress(struct shard_work *w, const struct merkle_range *range);
struct link *work_link(const struct shard_work *w);

/* shard_place.c */

/* End what lies about of an earlier job, and is in the way of this one. */
void place_clear(struct shard_jobs *js, const struct steward_job *spec);
/* Is there a place for a READ, or for another job? A peer that has been still
 * for too long loses its own. */
bool place_find(struct shard_jobs *js, bool reads);

/* shard_intake.c: on the pool, and then on the loop. */
void intake_execute(struct shard_work *w, struct work_call *call);
void intake_done(struct shard_work *w, struct work_call *call);
void intake_start(struct shard_work *w);
void intake_seal(struct shard_work *w, const struct steward_job *spec);
MUST_CHECK int intake_message(struct shard_work *w, const struct message *m);
uint8_t *intake_room(struct shard_work *w, size_t size);
MUST_CHECK int intake_data(struct shard_work *w,
                           uint32_t stream,
                           struct slice bytes,
                           bool end);
void intake_stop(struct shard_work *w);
/* End it though its link is up: what its lab had sent before it hears of that
 * is swallowed. */
void intake_fail(struct shard_work *w, int status);

/* shard_serve.c */
void serve_execute(struct shard_work *w, struct work_call *call);
void serve_done(struct shard_work *w, struct work_call *call);
void serve_start(struct shard_work *w);
void serve_go_on(struct shard_work *w);
void serve_end(struct shard_work *w, int status);

#endif /* CAIRN_NODE_SHARD_WORK_H */
