#ifndef CAIRN_NODE_CUSTODY_SERVE_H
#define CAIRN_NODE_CUSTODY_SERVE_H

#include "node/base/log.h"
#include "node/custody/custody_frame.h"
#include "node/custody/custody_run.h"

/* The socket of a custodian: takes requests of protocol/custody.h from a few
 * connections, has them carried out (custody_run.h), answers.
 *
 * A connection has one request at a time: nothing is read from it before its
 * answer is written, so that whoever asks much waits, and buffers nothing here.
 * What is no request closes its connection and nothing else. When
 * CUSTODY_SERVE_MAX connections are there, one makes room for the next: one
 * that has never had an answer if there is any, else, and among those, the one
 * that has been silent for longest.
 *
 * Who may connect is the process's own user and, if one is named, one other,
 * that of the node. The kernel is asked who it is (SO_PEERCRED); besides, the
 * socket is 0600, or 0660 for the other one's group. What comes in is not
 * trusted in any case.
 *
 * Everything runs on the loop's thread. */

#define CUSTODY_SERVE_MAX 8U

struct custody_serve;

struct custody_serve_config {
    uv_loop_t *loop;
    const char *path;        /* Of the socket; lent. */
    const uid_t *peer;       /* The other user; NULL: none. Lent. */
    struct custody_run *run; /* Outlives the server. */
    const struct log *log;   /* Lent: a line for each request, no secrets. */
    /* The run has halted, and |text| says why; once, and then only
     * custody_serve_close() is left to do. */
    void (*on_halt)(void *arg, int status, const char *text);
    void *arg;
};

/* Listen; a socket that a dead process left is removed. ERR_BUSY when another
 * process serves there, ERR_EXISTS when something else has that name, ERR_FULL
 * for a path that is too long, ERR_IO, ERR_NOMEM; |closed| of
 * custody_serve_close() is owed only after OK, but the loop has to run once
 * more in any case before it is closed. */
MUST_CHECK int custody_serve_open(struct custody_serve **out,
                                  const struct custody_serve_config *config,
                                  char *errmsg);

/* Stop listening, remove the socket, close the connections. |closed| (may be
 * NULL) runs once, from the loop, and then the server is gone. */
void custody_serve_close(struct custody_serve *s,
                         void (*closed)(void *arg),
                         void *arg);

#endif /* CAIRN_NODE_CUSTODY_SERVE_H */
