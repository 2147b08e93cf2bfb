#ifndef CAIRN_NODE_DEPOSIT_OFFLINE_H
#define CAIRN_NODE_DEPOSIT_OFFLINE_H

#include "node/deposit.h"
#include "node/job.h"
#include "node/recovery.h"
#include "node/shard_stream.h"

/* The steps of deposit_offline(), which only its own files use:
 *
 *   deposit_offline.c   the whole, and the plan
 *   deposit_shards.c    shard files before and after the segments
 *   deposit_segments.c  the segments, and the comparison on resuming
 *   deposit_papers.c    manifest and key shares
 *   deposit_readback.c  reading back before anybody relies on it
 *
 * Each step returns OK, or a status with words in d->errmsg. */

/* Everything that a deposit under way holds. */
struct offline {
    struct cli *c;
    const struct deposit_options *o;
    struct source source;
    struct journal journal;
    struct segment_params *params; /* Its key is locked. */
    struct digest key_commit;
    struct element commitments[VSS_T_MAX];
    struct job job;
    struct shard_stream *shards[MANIFEST_SHARDS_MAX];
    bool sealed[MANIFEST_SHARDS_MAX]; /* Finished by an earlier run. */
    struct sealer *sealer;
    struct sealer_commit *last; /* Of the journal; valid when committed > 0 */
    struct digest preambles[MANIFEST_SHARDS_MAX];
    struct digest roots[MANIFEST_SHARDS_MAX];
    char *errmsg;
};

/* Segments that |size| bytes fill. */
uint64_t segments_for(uint64_t size, uint32_t segment_size);

/* Where the plaintext of a segment begins in the source. */
uint64_t segment_start(const struct offline *d, uint64_t segment);

/* Open or begin all shard files; sets preambles and |last|. */
MUST_CHECK int shards_begin(struct offline *d);
/* Segment tables and trailers; sets roots, and |*size| of each shard. */
MUST_CHECK int shards_finish(struct offline *d, uint64_t *size);

/* Read again all that is committed: the source must be what it was, and its
 * hashes must be as if there had been no interruption. */
MUST_CHECK int source_verify(struct offline *d);
/* Is every segment committed? Then only the tails may be missing. */
bool segments_all(const struct offline *d);
MUST_CHECK int segments_move(struct offline *d);

MUST_CHECK int manifest_write(struct offline *d,
                              const struct manifest *m,
                              struct digest *manifest_hash);
void manifest_fill(const struct offline *d, uint64_t size, struct manifest *m);
MUST_CHECK int shares_write(struct offline *d,
                            const struct digest *manifest_hash);

MUST_CHECK int read_back(struct offline *d,
                         const struct manifest *m,
                         uint64_t *verified);

#endif /* CAIRN_NODE_DEPOSIT_OFFLINE_H */
