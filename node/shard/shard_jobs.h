#ifndef CAIRN_NODE_SHARD_JOBS_H
#define CAIRN_NODE_SHARD_JOBS_H

#include "node/base/volume.h"
#include "node/link/link.h"
#include "protocol/message.h"
#include "replication/steward/steward_jobs.h"

/* The bulk jobs of a steward's node (replication/steward/steward_jobs.h) on a
 * real machine: bytes of a link into the files of a shard, and back.
 *
 * Each shard under work has one queue of blocking calls, which run in order on
 * libuv's pool, and one open file. What a lab sends is gathered into buffers of
 * SHARD_JOBS_BUFFER bytes; when none is free the link is not read, so that TCP
 * slows the lab down. Memory: SHARD_JOBS_BUFFERS buffers a shard that is being
 * received, one for each READ and each file that stays open after one, and at
 * most SHARD_JOBS_MAX READs and as many other jobs, so that who reads slowly
 * keeps no shard from coming in, and who sends slowly keeps none from being
 * read.
 *
 * Everything runs on the thread of the loop. */

#define SHARD_JOBS_BUFFER  ((size_t)1 << 20)
#define SHARD_JOBS_BUFFERS 3U
#define SHARD_JOBS_MAX     64U
#define SHARD_JOBS_RESTING 16U /* Files that stay open after a READ. */

struct shard_jobs;

struct shard_jobs_config {
    uv_loop_t *loop;
    const struct volume *volume;
    struct slice charter; /* The chain, kept beside sealed shards; lent. */
    /* The link of that number, or NULL when it is gone. */
    struct link *(*link_of)(void *arg, uint64_t link);
    /* EV_JOB for the machine: status 1 for progress. */
    void (*on_report)(void *arg, uint64_t job, int status, struct slice bytes);
    /* The buffers for that link are full: do not read it until told again. */
    void (*on_pause)(void *arg, uint64_t link, bool pause);
    /* Words for the log about something that failed. */
    void (*on_note)(void *arg, const char *text);
    void *arg;
};

MUST_CHECK int shard_jobs_new(struct shard_jobs **out,
                              const struct shard_jobs_config *config);

/* ACT_JOB and ACT_JOB_CANCEL. A specification that cannot be, or one job too
 * many, is reported as failed. */
void shard_jobs_start(struct shard_jobs *js, uint64_t job, struct slice bytes);
void shard_jobs_cancel(struct shard_jobs *js, uint64_t job);

/* What comes in on a link. CUT, APPEND and FLUSH belong to the intake of that
 * link, and so does a COMMIT of what is not durable, which is passed over: a
 * later one comes. True when it took the message; false when there is none, or
 * it is not such a message. |*status| not OK: the peer breaks the protocol,
 * close. When an intake failed by itself, what its lab still says is swallowed,
 * so that it hears why. */
bool shard_jobs_message(struct shard_jobs *js,
                        uint64_t link,
                        const struct message *m,
                        int *status);
/* For link_calls.on_room. */
uint8_t *shard_jobs_room(struct shard_jobs *js, uint64_t link, size_t size);
MUST_CHECK int shard_jobs_data(struct shard_jobs *js,
                               uint64_t link,
                               uint32_t stream,
                               struct slice bytes,
                               bool end);
void shard_jobs_writable(struct shard_jobs *js, uint64_t link);
void shard_jobs_link_down(struct shard_jobs *js, uint64_t link);

/* End all jobs without reports; |closed| runs when the pool has answered. */
void shard_jobs_close(struct shard_jobs *js,
                      void (*closed)(void *arg),
                      void *arg);

#endif /* CAIRN_NODE_SHARD_JOBS_H */
