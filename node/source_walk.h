#ifndef CAIRN_NODE_SOURCE_WALK_H
#define CAIRN_NODE_SOURCE_WALK_H

#include "node/source.h"

/* Fill s->files from the folder s->root, sorted by path; the step of
 * source_open() that knows directories, links and loops. */
MUST_CHECK int source_walk(struct source *s, char *errmsg);

#endif /* CAIRN_NODE_SOURCE_WALK_H */
