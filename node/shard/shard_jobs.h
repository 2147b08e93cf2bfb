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
 * SHARD_BUFFER_SIZE bytes, which are written when they are full, or before a
 * FLUSH or CUT; when none is free the link is not read, so that TCP slows the
 * lab down. Memory: SHARD_JOBS_BUFFERS buffers a shard that is being
 * received, one for each READ and each file that stays open after one, and at
 * most SHARD_JOBS_MAX READs and as many other jobs, so that who reads slowly
 * keeps no shard from coming in, and who sends slowly keeps none from being
 * read.
 *
 * When all places are taken, one that has waited for its peer for |still_ms| is
 * given to the next who needs one: an intake to which the lab did not bring a
 * MiB in that time, a READ of whose leaves the link did not take the next ones.
 * What the disk takes is not counted, nor is a link that we did not listen to.
 * The intake ends with ERR_BUSY, and what is durable stays for the next OFFER;
 * the link of the READ is closed. While there are places nobody is ended: a lab
 * may have to wait for its model, or for other stewards.
 *
 * A READ that goes on where others of late ended, SHARD_JOBS_ROW in a row, is
 * served through the page cache, which reads ahead. Samples are read past it:
 * they stand alone, or have neighbours by chance.
 *
 * Everything runs on the thread of the loop. */

#define SHARD_JOBS_BUFFERS  3U
#define SHARD_JOBS_MAX      56U
#define SHARD_JOBS_RESTING  16U /* Files that stay open after a READ. */
#define SHARD_JOBS_ROW      3U
#define SHARD_JOBS_STILL_MS 300000U

struct shard_jobs;

struct shard_jobs_config {
    uv_loop_t *loop;
    const struct volume *volume;
    struct slice charter; /* The chain, kept beside sealed shards; lent. */
    uint32_t still_ms;    /* 0: SHARD_JOBS_STILL_MS. */
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
 * many (ERR_BUSY), is reported as failed. */
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
/* No link was listened to until now, and no lab is to blame for that. */
void shard_jobs_listen(struct shard_jobs *js);

/* End all jobs without reports; |closed| runs when the pool has answered. */
void shard_jobs_close(struct shard_jobs *js,
                      void (*closed)(void *arg),
                      void *arg);

#endif /* CAIRN_NODE_SHARD_JOBS_H */
