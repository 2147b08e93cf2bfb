#ifndef CAIRN_NODE_SHARD_SUMS_H
#define CAIRN_NODE_SHARD_SUMS_H

#include "crypto/base.h"

/* The file `sums` beside a shard (docs/FORMAT.md 4): a CRC-64 for each node of
 * level 4, of the bytes that it covers. A sum tells what an accident did to a
 * disk at a fraction of the price of hashing, and nothing of what somebody did
 * who can write to it: it is for a steward that serves its own shard to readers
 * who check with the tree.
 *
 * One that is missing or wrong costs the hashing of its group and no more, so
 * nothing here fails. */

struct shard_sums {
    int fd;       /* -1: there are none. */
    uint64_t sum; /* Of the group that was begun last. */
};

/* Sum up at most SHARD_SUMS_LEAVES leaves of a shard that grows, from leaf
 * |first|: where the last call ended, or the first of a group. */
#define SHARD_SUMS_LEAVES 256U
void shard_sums_append(struct shard_sums *s,
                       uint64_t first,
                       const uint8_t *mem,
                       size_t count);

/* Drop the sums of what comes after |leaves|, and sync the rest: a sum outlives
 * no bytes that it was made of. */
void shard_sums_cut(const struct shard_sums *s, uint64_t leaves);

/* Does the group at |mem| have the sum that was made of group |index|? */
bool shard_sums_match(const struct shard_sums *s,
                      uint64_t index,
                      const uint8_t *mem);

#endif /* CAIRN_NODE_SHARD_SUMS_H */
