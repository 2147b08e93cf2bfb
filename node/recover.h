#ifndef CAIRN_NODE_RECOVER_H
#define CAIRN_NODE_RECOVER_H

#include "node/cli.h"
#include "node/recovery.h"

/* Recovery from folders, without a network: any k shard folders and t opened
 * shares of one deposit give the files back, byte for byte. */

struct recover_options {
    const char *const *shards;
    size_t shards_len;
    const char *const *shares;
    size_t shares_len;
    const char *out;
    const char *const *only;
    size_t only_len;
    bool force;
};

struct recover_result {
    struct digest deposit_id;
    char label[MANIFEST_LABEL_MAX + 1];
    uint64_t files, bytes;
    unsigned shards_used, shards_bad;
};

MUST_CHECK int recover_offline(struct cli *c,
                               const struct recover_options *o,
                               struct recover_result *result,
                               char *errmsg);

#endif /* CAIRN_NODE_RECOVER_H */
