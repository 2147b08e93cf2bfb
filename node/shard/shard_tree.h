#ifndef CAIRN_NODE_SHARD_TREE_H
#define CAIRN_NODE_SHARD_TREE_H

#include "crypto/merkle.h"
#include "node/base/file.h"

/* The file `tree` beside a shard (docs/FORMAT.md 4): all complete nodes of
 * level 4, then of level 5 and so on, then the hashes of the last leaves that
 * no node of level 4 covers. While a shard is written it holds level 4 only. */

#define SHARD_TREE_LEVEL 4U
#define SHARD_TREE_GROUP (1U << SHARD_TREE_LEVEL) /* Leaves of a node. */

struct shard_tree {
    int fd;
    uint64_t leaves; /* Of the finished tree. */
};

/* Append level-4 nodes |first| .. while the shard grows. */
MUST_CHECK int shard_tree_append(struct shard_tree *t,
                                 uint64_t first,
                                 const struct digest *nodes,
                                 size_t len);

/* The compact range that level 4 says for |leaves|, with |tail| the hashes of
 * its last leaves % 16. ERR_NOTFOUND when the file does not reach that far. */
MUST_CHECK int shard_tree_range(const struct shard_tree *t,
                                uint64_t leaves,
                                const struct digest *tail,
                                struct merkle_range *range);

/* Write the levels above 4 and the tail, and cut the file to its length. */
MUST_CHECK int shard_tree_finish(struct shard_tree *t,
                                 uint64_t leaves,
                                 const struct digest *tail);

/* Is the finished file whole, and its root |root|? ERR_MISMATCH if not. */
MUST_CHECK int shard_tree_check(const struct shard_tree *t,
                                const struct digest *root);

/* Node |index| of |level| >= 4, or the hash of tail leaf |index| (level 0). */
MUST_CHECK int shard_tree_node(const struct shard_tree *t,
                               unsigned level,
                               uint64_t index,
                               struct digest *out);

/* The node over leaves [lo, hi) as merkle_multi_prove() asks for it, if it
 * follows from the file alone; ERR_NOTFOUND when leaves must be read. */
MUST_CHECK int shard_tree_lookup(const struct shard_tree *t,
                                 uint64_t lo,
                                 uint64_t hi,
                                 struct digest *out);

/* Length of the finished file. */
uint64_t shard_tree_size(uint64_t leaves);

#endif /* CAIRN_NODE_SHARD_TREE_H */
