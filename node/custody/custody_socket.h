#ifndef CAIRN_NODE_CUSTODY_SOCKET_H
#define CAIRN_NODE_CUSTODY_SOCKET_H

#include "node/base/file.h"

/* The Unix socket of a custodian, by its name. */

/* May |path| name a socket? ERR_FULL when it is longer than the system takes,
 * and |errmsg| (unless NULL) says so. */
MUST_CHECK int custody_socket_check(const char *path, char *errmsg);

/* Make the name free for a new socket, if what has it is one that a dead
 * process left. ERR_BUSY when another process serves there, ERR_EXISTS when it
 * is something else, ERR_IO. */
MUST_CHECK int custody_socket_clear(const char *path, char *errmsg);

/* Have a write to a connection that is gone fail, not end the process, unless
 * the process handles SIGPIPE. */
void custody_ignore_sigpipe(void);

#endif /* CAIRN_NODE_CUSTODY_SOCKET_H */
