#ifndef CAIRN_REPLICATION_CORE_H
#define CAIRN_REPLICATION_CORE_H

#include "crypto/base.h"
#include "crypto/rng.h"

/* The vocabulary of the deciding machines: steward, depositor, recoverer,
 * custodian. Each is a step function
 *
 *   X_step(struct X *, const struct core_event *, struct core_out *)
 *
 * that does a bounded amount of work and no I/O. node/ and sim/ are its two
 * drivers. Clocks are fields of the event, randomness a stream given at init,
 * and stored rows come in pages: a machine never holds history.
 *
 * A step's batch is atomic and synced (several steps may share one sync); its
 * actions are held, in order, until the batch survives power loss, unless
 * marked |now|. A failed sync halts the machine: nothing is acknowledged that
 * might not be there. */

#define CORE_KEY_MAX    128U
#define CORE_VALUE_MAX  65536U
#define CORE_OPS_MAX    256U
#define CORE_ACTS_MAX   96U
#define CORE_ARENA_SIZE ((size_t)512 << 10)
#define CORE_ROWS_MAX   256U /* In one page. */

/* Ids: the driver numbers links and admin requests, the machine all that it
 * asks for: checks, reads, jobs, and what it wants of the custodian. */

enum core_event_type {
    EV_START,   /* A page of stored rows in |rows|; |status| 1 on the last. */
    EV_WAKE,    /* The machine's |wake_ms| has come. */
    EV_LINK,    /* Link |id| is up (|bytes|: its certificate) or, |status|
                 * not OK, down. */
    EV_MSG,     /* One control message on link |id|. */
    EV_CHECKED, /* Answer to ACT_CHECK |id|: |status| OK when it holds. */
    EV_ROWS,    /* Answer to ACT_READ |id|: a page; |status| 1 on the last. */
    EV_JOB,     /* Job |id|: progress (|status| > 0), OK: done, or failed. */
    EV_CLIENT,  /* Admin request |id|. */
    EV_CUSTODY  /* The custodian answered request |id|, or is there anew. */
};

struct core_row {
    struct slice key, value;
};

struct core_event {
    enum core_event_type type;
    uint64_t mono_ms, wall_ms; /* The only clocks. */
    uint64_t id;
    int status;
    struct slice bytes; /* Lent until the step returns. */
    const struct core_row *rows;
    size_t rows_len;
};

enum core_action_type {
    ACT_SEND,       /* |bytes| on link |id|. */
    ACT_DIAL,       /* Connect to the member whose id is |bytes|. */
    ACT_CLOSE,      /* Link |id|. */
    ACT_CHECK,      /* Signature check; |bytes| is a core_check. */
    ACT_READ,       /* Rows from |bytes| (a key prefix); answered |id|. */
    ACT_JOB,        /* Start job |id|; |bytes| is its specification. */
    ACT_JOB_CANCEL, /* Job |id|. */
    ACT_CUSTODY,    /* |bytes| to the custodian; answered |id|. */
    ACT_REPLY       /* |bytes| to admin request |id|. */
};

struct core_action {
    enum core_action_type type;
    bool now; /* Else held until this step's batch is durable. */
    uint64_t id;
    struct slice bytes; /* In the arena of the same core_out. */
};

/* One operation on a row: a put, or, with |remove|, its removal. */
struct core_op {
    struct slice key, value;
    bool remove;
};

struct core_out {
    struct core_op ops[CORE_OPS_MAX];
    size_t ops_len;
    struct core_action acts[CORE_ACTS_MAX];
    size_t acts_len;
    size_t arena_used;
    uint64_t wake_ms; /* One timer a machine; 0: none. */
    uint8_t arena[CORE_ARENA_SIZE];
};

/* Make |out| ready for a step. */
void core_out_reset(struct core_out *out);

/* Copy into the arena; asserted to fit, since a step's work is bounded. */
struct slice core_keep(struct core_out *out, struct slice bytes);

void core_put(struct core_out *out, struct slice key, struct slice value);
void core_remove(struct core_out *out, struct slice key);

/* Append an action whose bytes are copied. */
struct core_action *core_act(struct core_out *out,
                             enum core_action_type type,
                             uint64_t id,
                             struct slice bytes);

#endif /* CAIRN_REPLICATION_CORE_H */
