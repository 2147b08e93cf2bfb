#ifndef CAIRN_NODE_DEPOSIT_H
#define CAIRN_NODE_DEPOSIT_H

#include "node/cli.h"
#include "node/journal.h"
#include "node/source.h"

/* A deposit into folders, without a network: for carriers, tests and
 * archaeologists. DIR/shard-00 .. are shard folders (docs/FORMAT.md 2),
 * DIR/shares holds the opened key shares, each for another hand. Running it
 * again after an interruption goes on where it stopped. */

struct deposit_options {
    const char *source; /* The model. */
    const char *into;   /* DIR */
    const char *label;
    uint16_t k, n, t;
    uint32_t segment_size;
    enum codec_choice codec;
    uint32_t cadence_days;
    struct slice passphrase; /* Of the journal; may be empty. */
    unsigned verify_percent; /* Segments to read back; 100: all. */
};

struct deposit_result {
    struct digest deposit_id, manifest_hash;
    uint64_t segments, shard_size, plain_size, verified;
    bool resumed;
};

/* Returns OK or a status with words in |errmsg|; |c| is for progress only. */
MUST_CHECK int deposit_offline(struct cli *c,
                               const struct deposit_options *o,
                               struct deposit_result *result,
                               char *errmsg);

#endif /* CAIRN_NODE_DEPOSIT_H */
