#ifndef CAIRN_SIM_SHARDS_H
#define CAIRN_SIM_SHARDS_H

#include "replication/steward/steward_jobs.h"
#include "sim/sim.h"

/* A shard in memory, for shards.c and shard_calls.c alone. Calls on the file
 * take their time and are done in order; what was appended survives a crash
 * only as far as a sync, or chance, has brought it. */

enum shard_call_type {
    CALL_OPEN = 1, /* Bytes: the specification. */
    CALL_APPEND,   /* Bytes: leaves. */
    CALL_CUT,      /* Bytes: u64le leaves, then the nodes of the range. */
    CALL_SYNC,
    CALL_SEAL, /* Bytes: the specification; also READ and DROP. */
    CALL_DROP,
    CALL_READ
};

struct sim_shard {
    /* The file. */
    uint8_t *bytes;
    struct digest *leaves;
    uint64_t len, durable, max; /* Leaves. */
    bool sealed;
    /* Jobs: 0 is none. A call of another turn is not done any more. */
    uint64_t intake, seal, turn;
    struct steward_job spec; /* Of the intake. */
    uint64_t queued;         /* Leaves, those in calls included. */
    uint64_t synced;         /* Leaves that the intake's lab may count on. */
    uint32_t stream;
    uint64_t stream_left; /* Leaves; 0: nothing is announced. */
    uint64_t busy_us;     /* Until then calls are under way. */
};

/* Queue a call. */
void shard_call(struct sim *w,
                unsigned node,
                enum shard_call_type call,
                uint64_t job,
                struct slice bytes);
void shard_intake_end(struct sim *w, unsigned node, int status);

#endif /* CAIRN_SIM_SHARDS_H */
