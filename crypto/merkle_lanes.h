#ifndef CAIRN_CRYPTO_MERKLE_LANES_H
#define CAIRN_CRYPTO_MERKLE_LANES_H

#include "crypto/merkle.h"

/* Leaves and nodes side by side for merkle.c, in the lanes of libipsec-mb. */

/* What RFC 6962 puts before the bytes of a leaf and of a node. */
#define LEAF_PREFIX 0x00
#define NODE_PREFIX 0x01

/* As many as the widest kernel takes; a batch costs the same however few of
 * its lanes are in use. */
#define MERKLE_LANES 16

struct merkle_lanes;

/* For one thread at a time. NULL where libipsec-mb is not in this build or has
 * no kernel for this processor. */
struct merkle_lanes *merkle_lanes_new(void);
void merkle_lanes_free(struct merkle_lanes *l);

/* At most MERKLE_LANES at a time, else as merkle_leaves_at() and
 * merkle_nodes(). */
void merkle_lanes_leaves(struct merkle_lanes *l,
                         const uint8_t *const *data,
                         size_t count,
                         struct digest *out);
void merkle_lanes_nodes(struct merkle_lanes *l,
                        const struct digest *pairs,
                        size_t count,
                        struct digest *out);

/* Than OpenSSL on this processor? */
bool merkle_lanes_are_faster(void);

#endif /* CAIRN_CRYPTO_MERKLE_LANES_H */
