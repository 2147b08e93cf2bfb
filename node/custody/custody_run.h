#ifndef CAIRN_NODE_CUSTODY_RUN_H
#define CAIRN_NODE_CUSTODY_RUN_H

#include "node/custody/custody_store.h"
#include "protocol/custody.h"

/* The driver of a custodian's machine (replication/custodian/custodian.h), as
 * core_run.h is for a steward's:
 *
 *   request -> step -> ACT_READ  -> the store's rows -> step ...
 *                   -> its row   -> the store, durable
 *                                -> ACT_REPLY: the answer
 *
 * A request is carried out from its first step to its answer before
 * custody_run_ask() returns. Reading and writing block: a custodian does few
 * things, each of them small, one at a time, and has nothing to do meanwhile.
 *
 * A row for which there is no room is not written, the machine takes it back,
 * and the request is refused. Rows that are not |due| leave the store's
 * reserve free. A row that may have been written or not halts: the machine has
 * decided what the disk may not know; only a new process, from what the disk
 * holds, may go on.
 *
 * A row that cannot be read or is damaged costs the request that needs it,
 * which is refused, so that one bad file does not keep the other shares from
 * those who need them. It is never taken for one that is not there.
 *
 * Secrets pass through here in secret memory alone, and are wiped after each
 * step. */

struct custody_run;

struct custody_run_config {
    struct custody_store *store; /* Outlives the run. */
    void (*step)(void *machine,
                 const struct core_event *ev,
                 struct core_out *out);
    void *machine; /* Outlives the run. */
    /* EV_START brings the rows under this prefix, one in a page; without one
     * there is an empty page. Those that cannot be read are left out. */
    struct slice start;
    /* Rows under this prefix may use the reserve. */
    struct slice due;
    /* Of a row that cannot be read or has no room, in words; may be NULL. */
    void (*on_note)(void *arg, const char *text);
    void *arg;
};

/* Start the machine. ERR_NOMEM, ERR_IO. */
MUST_CHECK int custody_run_open(struct custody_run **out,
                                const struct custody_run_config *config,
                                char *errmsg);
void custody_run_close(struct custody_run *run); /* Accepts NULL. */

/* Carry out |request|, which custody_decode() took, and put the answer into
 * |answer|, of CUSTODY_SIZE_MAX bytes. Every error is a halt, with the words
 * in |errmsg|: ERR_IO; ERR_ORDER from then on. */
MUST_CHECK int custody_run_ask(struct custody_run *run,
                               struct slice request,
                               uint8_t *answer,
                               size_t *size,
                               char *errmsg);

#endif /* CAIRN_NODE_CUSTODY_RUN_H */
