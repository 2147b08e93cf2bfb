#ifndef CAIRN_NODE_CUSTODY_LINK_H
#define CAIRN_NODE_CUSTODY_LINK_H

#include <uv.h>

#include "protocol/custody.h"

/* A node's connection to its custodian: the Unix socket on which
 * cairn-custodian serves, and requests and answers on it as bytes of
 * protocol/custody.h.
 *
 *   connecting --> HELLO --> up --> connection ends, or no answer in time
 *       ^            |                  |
 *       +-- 1 s -----+------------------+
 *
 * Every connection begins with HELLO. A custodian of another network, charter
 * or steward is told to the owner and treated as one that is not there.
 *
 * Requests go out one after the other, each when the one before has its
 * answer. They wait while a connection is being made; when that fails, when
 * the connection ends, or when nobody is there at all, they end with ERR_IO. A
 * request that ended so may have been carried out: asking again gives the
 * same answer (replication/custodian/custodian.h).
 *
 * Everything runs on the loop's thread; every function may be called in every
 * callback. No callback runs inside a function of this module. */

#define CUSTODY_LINK_ASKS_MAX    128U
#define CUSTODY_LINK_BYTES_MAX   ((size_t)4 << 20) /* Of waiting requests. */
#define CUSTODY_LINK_AGAIN_MS    1000U
#define CUSTODY_LINK_PATIENCE_MS 60000U

struct custody_link;

struct custody_link_config {
    uv_loop_t *loop;
    const char *path; /* Of the socket; copied. */
    /* What the custodian must be of. */
    struct digest net, charter_hash, steward;

    /* The answer to request |id|: status OK and its bytes, lent until this
     * returns and well formed (custody_decode() takes them); or ERR_IO and
     * none. CUSTODY_REFUSED is an answer too. */
    void (*on_answer)(void *arg, uint64_t id, int status, struct slice bytes);
    /* The custodian can be reached from now on (OK) or not (ERR_*: why), and
     * |text| says so in words, for a log; once each time that this changes or
     * that the reason does. May be NULL. */
    void (*on_change)(void *arg, int status, const char *text);
    void *arg;
    uint32_t patience_ms; /* For one answer; 0: CUSTODY_LINK_PATIENCE_MS. */
};

/* Begin to connect. Also makes the process ignore SIGPIPE, unless it handles
 * it. ERR_NOMEM, ERR_FULL when |path| is too long for a
 * socket. */
MUST_CHECK int custody_link_open(struct custody_link **out,
                                 const struct custody_link_config *config);

/* Ask; |bytes| (1 .. CUSTODY_SIZE_MAX of them) are copied. OK, and on_answer()
 * runs exactly once, later; or ERR_FULL, when CUSTODY_LINK_ASKS_MAX requests
 * or CUSTODY_LINK_BYTES_MAX bytes wait, ERR_NOMEM, or ERR_ORDER after
 * custody_link_close(), and it never runs. |id| is the caller's own and need
 * not be unique. */
MUST_CHECK int custody_link_ask(struct custody_link *cl,
                                uint64_t id,
                                struct slice bytes);

/* What the custodian says of itself; asked for on every connection, and again
 * when it holds more. NULL while it cannot be reached. Lent until the loop
 * runs again. */
const struct custody_self *custody_link_self(const struct custody_link *cl);

/* End. Requests without an answer get none. |closed| (may be NULL) runs once,
 * from the loop, and then the link is gone. Accepts NULL, and then |closed|
 * never runs. */
void custody_link_close(struct custody_link *cl,
                        void (*closed)(void *arg),
                        void *arg);

#endif /* CAIRN_NODE_CUSTODY_LINK_H */
