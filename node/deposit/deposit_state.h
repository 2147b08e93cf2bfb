#ifndef CAIRN_NODE_DEPOSIT_STATE_H
#define CAIRN_NODE_DEPOSIT_STATE_H

#include "node/deposit/deposit.h"
#include "node/mover/job.h"
#include "node/recovery/recovery.h"

/* The steps of a deposit, which only its own files use:
 *
 *   deposit.c           plan, keys, catalogue: what both kinds begin with
 *   deposit_segments.c  the segments, and the comparison on resuming
 *   deposit_tail.c      what follows the segments in a shard; the manifest
 *   deposit_readback.c  reading back before anybody relies on it
 *   deposit_offline.c   into folders; deposit_shards.c, deposit_papers.c
 *   deposit_network.c   to stewards; deposit_columns.c, deposit_made.c
 *
 * Each step returns OK, or a status with words in d->errmsg. */

/* Everything that a deposit under way holds. */
struct depositing {
    struct cli *c;
    const struct deposit_options *o;
    struct source source;
    struct journal journal;
    struct segment_params *params; /* Its key is locked. */
    struct digest key_commit;
    struct element commitments[VSS_T_MAX];
    struct job job;
    struct sealer *sealer;
    struct sealer_commit *last; /* Of the journal; valid when committed > 0 */
    struct digest preambles[MANIFEST_SHARDS_MAX];
    struct digest roots[MANIFEST_SHARDS_MAX];
    uint64_t shard_size;
    char *errmsg;
    bool began; /* deposit_begin() got as far as the job. */

    /* The shards as streams, by index, and how many of them must hold a
     * segment before it is committed. */
    struct mover_stream *streams[MANIFEST_SHARDS_MAX];
    unsigned quorum;
    uint64_t lost; /* Streams that were lost, as bits. */
    /* On the loop: all shards are final up to |leaves|. May be NULL. */
    void (*on_commit)(struct depositing *d, uint64_t leaves);
    /* Why a stream failed, or an empty text. May be NULL. */
    const char *(*why)(struct depositing *d, uint16_t index);
};

/* --- deposit.c ------------------------------------------------------------ */
/* Of a |d| that is zeroed, before anything else: deposit_end() may follow. */
void deposit_init(struct depositing *d);
/* Open source and lint it; |avoid| must not lie in it. */
MUST_CHECK int deposit_source(struct depositing *d, const char *avoid);
/* Where something is to be written must not lie in the source: ERR_ORDER. */
MUST_CHECK int deposit_avoid(struct depositing *d, const char *path);
/* The plan of a new deposit but for who and where: net, author, deposit_id,
 * seed, offline, stewards. In secret memory. */
struct journal_plan *deposit_plan_new(struct depositing *d);
/* What one does instead of going on, for people; behind the name of the
 * journal's folder. */
const char *deposit_way_out(const struct depositing *d);
/* Does what is asked for now agree with what was begun? */
MUST_CHECK int deposit_plan_compare(struct depositing *d);
/* Once the journal is open: keys, room for the work, threads. */
MUST_CHECK int deposit_begin(struct depositing *d);
/* Close and wipe everything; also after errors. */
void deposit_end(struct depositing *d);

/* Segments that |size| bytes fill. */
uint64_t segments_for(uint64_t size, uint32_t segment_size);

/* Where the plaintext of a segment begins in the source. */
uint64_t segment_start(const struct depositing *d, uint64_t segment);

/* The most that a shard can become. */
uint64_t deposit_shard_size_max(const struct depositing *d);
/* The first leaf of a shard; its hash goes to d->preambles. */
void deposit_preamble(struct depositing *d,
                      uint16_t index,
                      uint8_t leaf[LEAF_SIZE]);

/* --- deposit_segments.c --------------------------------------------------- */
/* Read again all that is committed: the source must be what it was, and its
 * hashes must be as if there had been no interruption. */
MUST_CHECK int source_verify(struct depositing *d);
/* Is every segment committed? Then only the tails may be missing. */
bool segments_all(const struct depositing *d);
MUST_CHECK int segments_move(struct depositing *d);

/* --- deposit_tail.c ------------------------------------------------------- */
/* One piece of the segment table, from the journal; whole leaves. */
MUST_CHECK int tail_table(struct depositing *d,
                          uint64_t off,
                          uint8_t *mem,
                          size_t len,
                          char *errmsg);
void tail_trailer(const struct depositing *d,
                  uint16_t index,
                  uint8_t leaf[LEAF_SIZE]);
/* Sets roots and shard_size; all segments are committed. */
MUST_CHECK int tail_roots(struct depositing *d);
/* What the manifest says; of an offline deposit as the plan says it. */
void manifest_fill(const struct depositing *d, struct manifest *m);

/* --- deposit_readback.c --------------------------------------------------- */
/* Read segments from k of |streams| at random, and from others where those are
 * slow or fail, and compare with the source. |table| is the segment table. */
MUST_CHECK int read_back(struct depositing *d,
                         const struct manifest *m,
                         struct mover_stream **streams,
                         const uint8_t *table,
                         uint64_t *verified);

#endif /* CAIRN_NODE_DEPOSIT_STATE_H */
