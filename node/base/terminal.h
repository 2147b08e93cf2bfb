#ifndef CAIRN_NODE_TERMINAL_H
#define CAIRN_NODE_TERMINAL_H

#include <sys/types.h>

#include "crypto/base.h"

/* The terminal that the person sits at, whatever stdin and stderr are. */

/* A descriptor to close, or -1 when there is no terminal. */
int terminal_open(void);

/* Ask for one line without showing it. At most |size| bytes of it are kept in
 * |buf|, without the line end. The echo is back on when this returns and when
 * a signal ends or stops the process meanwhile. Returns the bytes kept, or -1
 * when no line came. For the main thread alone. */
ssize_t terminal_ask_secret(int tty,
                            const char *prompt,
                            char *buf,
                            size_t size);

#endif /* CAIRN_NODE_TERMINAL_H */
