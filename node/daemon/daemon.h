#ifndef CAIRN_NODE_DAEMON_H
#define CAIRN_NODE_DAEMON_H

#include "node/home/self.h"

/* The running node of a steward: the machine of replication/steward/steward.h
 * on this machine's disk and network.
 *
 *   link  -> certificate, roster -> machine (core_run) -> store
 *                                      |  |
 *                        shard_jobs <--+  +--> workers: signatures
 *
 * Every other steward of the charter is dialled, and dialled again with
 * growing, jittered pauses; of two links with the same steward the one that the
 * smaller id dialled stays. The transport certificate is renewed daily.
 *
 * The node ends on SIGTERM or SIGINT, and when the machine halts because its
 * store failed. What it holds is then as after a power cut, which is as good:
 * nothing was acknowledged that is not durable. */

struct daemon_config {
    const struct self *self; /* Joined: keys, charter, psk. Outlives the run. */
    enum log_format log_format;
    bool verbose;
    /* The node accepts connections; |bound| is where, one for each configured
     * address. */
    void (*on_ready)(void *arg,
                     char (*bound)[LINK_ADDRESS_SIZE],
                     size_t bound_len);
    void *arg;
};

/* Run until it ends. OK after a signal; otherwise |errmsg| says what is wrong
 * and what to do: ERR_NOTFOUND, ERR_MISMATCH (not the volume of this node),
 * ERR_BUSY (another process has volume or database), ERR_BAD (damaged
 * database), ERR_UNSUPPORTED (a later version's), ERR_ORDER (this clock is far
 * before the charter), ERR_IO, ERR_FULL, ERR_NOMEM. */
MUST_CHECK int daemon_run(const struct daemon_config *config, char *errmsg);

#endif /* CAIRN_NODE_DAEMON_H */
