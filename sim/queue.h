#ifndef CAIRN_SIM_QUEUE_H
#define CAIRN_SIM_QUEUE_H

#include "replication/mover/mover.h"

/* Events in the order of their time; at the same time, in that of their
 * making. */

enum sim_type {
    SIM_BOOT,    /* A node comes back. */
    SIM_DURABLE, /* Its oldest step survives power loss. */
    SIM_WAKE,    /* Its machine's time has come. */
    SIM_CHECKED, /* Answers of a machine's actions: EV_CHECKED, ... */
    SIM_ROWS,
    SIM_JOB,
    SIM_CUSTODY,
    SIM_CLIENT,
    SIM_UP,    /* A link, at one end. */
    SIM_DOWN,  /* Likewise. */
    SIM_MSG,   /* A control message arrives. */
    SIM_DATA,  /* Bulk bytes arrive. */
    SIM_SEEK,  /* A steward looks for those it has no link to. */
    SIM_ASK,   /* A request reaches a custodian. */
    SIM_DISK,  /* A call on a shard's file is done. */
    SIM_MOVER, /* An answer to a mover. */
    SIM_STORY, /* Those outside look what there is to do. */
    SIM_LOSS,  /* A node is lost for good. */
    SIM_TYPES
};

const char *sim_type_name(enum sim_type type);

struct sim_event {
    uint64_t at_us, seq;
    enum sim_type type;
    unsigned node;
    uint32_t life;
    uint64_t id;
    int status;
    uint64_t number; /* Of a stream, a call. */
    struct mover_event mover;
    size_t size;
    uint8_t bytes[];
};

struct sim_queue {
    struct sim_event **events; /* A heap. */
    size_t len, max;
};

void sim_queue_push(struct sim_queue *q, struct sim_event *e);
/* NULL when there is none. */
struct sim_event *sim_queue_pop(struct sim_queue *q);
void sim_queue_free(struct sim_queue *q);

static inline struct slice sim_event_slice(const struct sim_event *e)
{
    return slice_of(e->bytes, e->size);
}

#endif /* CAIRN_SIM_QUEUE_H */
