#ifndef CAIRN_NODE_SOURCE_PRIVATE_H
#define CAIRN_NODE_SOURCE_PRIVATE_H

#include "node/deposit/source.h"

/* Inside of source.h:
 *
 *   source.c            files as one stream; what changed meanwhile
 *   source_walk.c       the folder: directories, links, loops
 *   source_catalogue.c  the catalogue of its files */

/* Fill s->files from the folder s->root, sorted by path: a step of
 * source_open(). */
MUST_CHECK int source_walk(struct source *s, char *errmsg);

/* Everything was read: look at the empty files behind the last byte, too. */
MUST_CHECK int source_finish(struct source *s, char *errmsg);

#endif /* CAIRN_NODE_SOURCE_PRIVATE_H */
