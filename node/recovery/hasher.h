#ifndef CAIRN_NODE_HASHER_H
#define CAIRN_NODE_HASHER_H

#include "crypto/hash.h"

/* A thread that hashes bytes while its one caller does something else with
 * them, such as writing them: a SHA-256 cannot be divided among threads, but
 * need not wait for the disk. */

struct hasher;

MUST_CHECK int hasher_new(struct hasher **out);
/* Accepts NULL. Nothing may be under way. */
void hasher_free(struct hasher *h);

/* Put |bytes| into |hash|. Both are the thread's until hasher_wait(), which
 * must follow before the next start. Few bytes are hashed at once, here. */
#define HASHER_SIZE_MIN ((size_t)256 << 10)
void hasher_start(struct hasher *h, struct sha256 *hash, struct slice bytes);
void hasher_wait(struct hasher *h);

#endif /* CAIRN_NODE_HASHER_H */
