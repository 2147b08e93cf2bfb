#ifndef CAIRN_REPLICATION_STEWARD_JOBS_H
#define CAIRN_REPLICATION_STEWARD_JOBS_H

#include "crypto/merkle.h"
#include "protocol/feed.h"
#include "protocol/shard.h"

/* The bulk jobs that a steward's machine starts (ACT_JOB) and hears of
 * (EV_JOB): their specifications and reports as bytes, shared by the machine
 * and its drivers. */

enum steward_job_type {
    /* Receive a shard on a link: from here on APPEND, CUT, FLUSH and the data
     * records of that link are the job's. Opens the shard's files at |range|
     * (leaves 0: creates them, reserving |size|). Reports progress with
     * status 1 and a steward_job_report once they are open, which is when the
     * lab is told that it may send, and after each FLUSH, once synced. Ends
     * when the link does or at ACT_JOB_CANCEL. ERR_FULL: no room on the disk;
     * ERR_BUSY: no place for one job more, or, once its files were open, its
     * place was needed by others and the lab made no use of it.
     * The machine keeps COMMITs; the job sees them first, refuses to cut below
     * them at once, and keeps from the machine what is above what is durable
     * now. ERR_MISMATCH: files that do not hold |range|, such as after a CUT
     * that no report followed before a crash; the shard begins anew. */
    STEWARD_JOB_INTAKE = 1,
    /* Seal the shard's files, which are durable up to |range|: the root must be
     * |root|. |manifest|, a feed entry, is kept beside it, and so is the chain
     * of charters: whoever finds the folder needs nothing else. OK after fsync
     * and rename, or when that had been done before; ERR_MISMATCH when the
     * bytes are others. An intake under way ends first, with ERR_CANCELED. */
    STEWARD_JOB_SEAL = 2,
    /* Answer one READ on a link: CELL and data records, or REFUSE. */
    STEWARD_JOB_READ = 3,
    /* Remove the files of a shard that was given up. */
    STEWARD_JOB_DROP = 4
};

struct steward_job {
    enum steward_job_type type;
    uint64_t link; /* INTAKE, READ */
    struct digest deposit_id;
    uint16_t index;
    uint64_t size;               /* INTAKE: the most it may become; SEAL, READ:
                                  * the shard's length. */
    struct merkle_range range;   /* INTAKE, SEAL */
    uint64_t final_leaves;       /* INTAKE: CUT below this is refused. */
    struct digest root;          /* SEAL, READ */
    uint64_t first_leaf, leaves; /* READ */
    uint32_t stream;             /* READ */
    struct slice manifest;       /* SEAL; lent from what was decoded. */
};

struct steward_job_report {
    struct merkle_range range; /* Durable. */
};

#define STEWARD_JOB_SIZE_MAX   (4096U + FEED_ENTRY_MAX)
#define STEWARD_JOB_REPORT_MAX 4096U

MUST_CHECK int steward_job_encode(const struct steward_job *job,
                                  uint8_t *out,
                                  size_t max,
                                  size_t *size);
MUST_CHECK int steward_job_decode(struct steward_job *job, struct slice in);
MUST_CHECK int steward_job_report_encode(const struct steward_job_report *r,
                                         uint8_t *out,
                                         size_t max,
                                         size_t *size);
MUST_CHECK int steward_job_report_decode(struct steward_job_report *r,
                                         struct slice in);

#endif /* CAIRN_REPLICATION_STEWARD_JOBS_H */
