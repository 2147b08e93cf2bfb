#ifndef CAIRN_NODE_SHARD_BUFFERS_H
#define CAIRN_NODE_SHARD_BUFFERS_H

#include "crypto/base.h"

/* Buffers of a MiB for shards on their way in and out. They lie side by side,
 * so that two share a huge page where the kernel gives one: a direct write from
 * there is one piece for the disk instead of 256. The lowest that is free is
 * taken first, and a page goes back to the kernel when both of its buffers have
 * come back: what is resident is never more than was in use at once, rounded up
 * to a page. Used on the thread of the loop only; the memory itself anywhere.
 */

#define SHARD_BUFFER_SIZE ((size_t)1 << 20)

struct shard_buffers {
    uint8_t *memory; /* |len| buffers, aligned to a huge page. */
    bool *taken;
    size_t len; /* Even. */
};

/* |len| is rounded up. Address space only: nothing is resident yet. */
MUST_CHECK int shard_buffers_init(struct shard_buffers *b, size_t len);
/* All have come back. */
void shard_buffers_free(struct shard_buffers *b);

/* Page aligned, of undefined content; NULL when all are taken. */
uint8_t *shard_buffers_take(struct shard_buffers *b);
void shard_buffers_give(struct shard_buffers *b, uint8_t *buffer);

#endif /* CAIRN_NODE_SHARD_BUFFERS_H */
