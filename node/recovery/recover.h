#ifndef CAIRN_NODE_RECOVER_H
#define CAIRN_NODE_RECOVER_H

#include "node/cli/cli.h"
#include "node/recovery/recovery.h"

/* Recovery from folders, without a network: any k shard folders and t opened
 * shares of one deposit give the files back, byte for byte. With a ticket, from
 * stewards: recover_ticket.h. */

/* What is asked for; lent for the call. */
struct recover_options {
    const char *const *shards; /* Folders (docs/FORMAT.md 2). */
    size_t shards_len;
    const char *const *shares; /* Files (docs/FORMAT.md 7). */
    size_t shares_len;
    const char *out;         /* The folder to restore into. */
    const char *const *only; /* Paths, as target_plan(); none: all. */
    size_t only_len;
    bool force; /* Overwrite what differs. */
};

/* What was restored, for people. |shards_bad| counts folders that were left
 * out; each was named in a note. */
struct recover_result {
    struct digest deposit_id;
    char label[MANIFEST_LABEL_MAX + 1];
    uint64_t files, bytes;
    unsigned shards_used, shards_bad;
};

/* Restore, showing progress on |c|. |result| counts only after OK. On failure
 * |errmsg| says what to do, and files that are complete stay: the same command
 * goes on with the others. */
MUST_CHECK int recover_offline(struct cli *c,
                               const struct recover_options *o,
                               struct recover_result *result,
                               char *errmsg);

#endif /* CAIRN_NODE_RECOVER_H */
