#ifndef CAIRN_NODE_PROGRESS_SHOW_H
#define CAIRN_NODE_PROGRESS_SHOW_H

#include "node/cli/progress.h"

/* How progress looks; progress.c decides when to show it. */

void progress_show_plain(const struct progress *p, const char *note);
void progress_show_tty(const struct progress *p, const char *note);
/* |state| is running, done or stopped. */
void progress_show_json(const struct progress *p,
                        const char *state,
                        const char *note);
/* The last line of a person's view; |p->current| is the average. */
void progress_show_end(const struct progress *p, bool ok, uint64_t elapsed_ms);

#endif /* CAIRN_NODE_PROGRESS_SHOW_H */
