#ifndef CAIRN_REPLICATION_STEWARD_DEPOSITS_H
#define CAIRN_REPLICATION_STEWARD_DEPOSITS_H

#include "replication/steward/steward.h"

/* The table of deposits that this node knows of, by id: from the manifest in
 * its lab's feed, from a shard in custody here, or both.
 *
 * Adding one moves the others in memory: what lasts longer than a call holds
 * the index, which a deposit keeps until it is removed. */

/* Deposits that are known of, in custody here or not. */
#define STEWARD_DEPOSITS_MAX (2U * STEWARD_SHARDS_MAX)

/* A deposit: its manifest is known, or a shard of it is in custody here, or
 * both. The manifest is the first one in the feed of |lab|. */
struct steward_deposit {
    struct digest id, lab;
    bool has_manifest;
    uint32_t incarnation;
    uint64_t seq;
    struct digest manifest_hash;

    bool has_shard;
    enum steward_shard_state state;
    uint16_t index;
    uint64_t size_max, leaves, final_leaves;
    uint64_t progress_s; /* Wall time. */
    /* What the manifest promises of the shard; it is given up when the bytes
     * turn out to be others, until other bytes come. */
    bool promised, refused;
    uint64_t size;
    struct digest root;

    /* Our custodian's acknowledgement stands there in our feed. */
    bool has_share;
    uint32_t share_incarnation;
    uint64_t share_seq;

    /* Not in the row: */
    bool sealing, dropping; /* A slot of the steward is at it. */
    uint64_t seal_after_ms; /* mono */
};

/* Index, or STEWARD_NONE. Adding moves the deposits in memory. */
uint32_t steward_deposit_find(const struct steward *s, const struct digest *id);
uint32_t steward_deposit_add(struct steward *s,
                             const struct digest *id,
                             const struct digest *lab);
/* Forget one that has neither manifest nor shard. */
void steward_deposit_remove(struct steward *s, uint32_t index);
/* Bring the counts in line with a change: once with -1 before, with 1 after. */
void steward_deposit_count(struct steward *s,
                           const struct steward_deposit *d,
                           int sign);

#endif /* CAIRN_REPLICATION_STEWARD_DEPOSITS_H */
