#ifndef CAIRN_NODE_ADMIN_RECEIPTS_H
#define CAIRN_NODE_ADMIN_RECEIPTS_H

#include "node/core/store.h"
#include "replication/steward/steward.h"

/* The receipts that this node has given, as its own feed says: a shard that one
 * of them stands for and that is not here is lost, as after a database was put
 * back from an old backup. Other stewards and the lab go on to count it.
 *
 * Reads each entry of the feed once. Blocks, and runs on any thread. Memory: 32
 * bytes a receipt. */

struct admin_receipts;

/* |store| outlives it. ERR_NOMEM. */
MUST_CHECK int admin_receipts_new(struct admin_receipts **out,
                                  struct store *store,
                                  const struct digest *self);
void admin_receipts_free(struct admin_receipts *x);

/* Read what is new. ERR_IO, ERR_FULL (the disk), ERR_NOMEM; what was read stays
 * good. */
MUST_CHECK int admin_receipts_look(struct admin_receipts *x, char *errmsg);

/* Is the shard of that deposit missing here? One that is on its way is not, and
 * nobody knows of one without its manifest. */
bool admin_receipts_missing(struct admin_receipts *x,
                            const struct steward_deposit_info *info);

#endif /* CAIRN_NODE_ADMIN_RECEIPTS_H */
