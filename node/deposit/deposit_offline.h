#ifndef CAIRN_NODE_DEPOSIT_OFFLINE_H
#define CAIRN_NODE_DEPOSIT_OFFLINE_H

#include "node/deposit/deposit_state.h"
#include "node/shard/shard_stream.h"

/* A deposit into folders; see deposit_state.h. */
struct offline {
    struct depositing d;
    struct shard_stream *shards[MANIFEST_SHARDS_MAX];
    bool sealed[MANIFEST_SHARDS_MAX]; /* Finished by an earlier run. */
};

/* Open or begin all shard files; sets preambles and |last|. */
MUST_CHECK int shards_begin(struct offline *o);
/* Segment tables and trailers; sets roots and shard_size. */
MUST_CHECK int shards_finish(struct offline *o);
/* Open the finished shards for reading. */
MUST_CHECK int shards_reopen(struct offline *o, const struct manifest *m);

MUST_CHECK int manifest_write(struct offline *o,
                              const struct manifest *m,
                              struct digest *manifest_hash);
MUST_CHECK int shares_write(struct offline *o,
                            const struct digest *manifest_hash);

#endif /* CAIRN_NODE_DEPOSIT_OFFLINE_H */
