#ifndef CAIRN_NODE_SHARD_FILE_PRIVATE_H
#define CAIRN_NODE_SHARD_FILE_PRIVATE_H

#include "node/shard/shard_file.h"

/* Inside of shard_file.h:
 *
 *   shard_file.c    the files of a shard; opening one that is sealed
 *   shard_write.c   from nothing, or from where it stood, to sealed
 *   shard_leaves.c  bytes into range, tree and sums
 *   shard_read.c    checked bytes, proofs, the scrub */

/* Leaves read and checked at a time: 1 MiB. */
#define SHARD_BATCH_LEAVES 256U

/* --- shard_file.c -------------------------------------------------------- */

/* Everything closed, and nothing of it opened: for shard_file_close() to undo
 * whatever follows. */
MUST_CHECK int shard_file_init(struct shard_file *f,
                               const char *folder,
                               char *errmsg);

/* A file of the folder, by open(2) with |flags|: a descriptor, or -1 with
 * errno, and with words. Links are not followed. */
MUST_CHECK int shard_file_open_at(struct shard_file *f,
                                  const char *name,
                                  int flags,
                                  char *errmsg);

int shard_file_rename(struct shard_file *f, const char *from, const char *to);

/* Words for what errno says, and nothing more is written to this shard.
 * Returns ERR_FULL or ERR_IO. */
int shard_file_fail(struct shard_file *f, const char *doing, char *errmsg);

/* --- shard_leaves.c ------------------------------------------------------ */

/* Take leaves and their hashes into range, tree and sums. */
MUST_CHECK int shard_leaves_take(struct shard_file *f,
                                 const uint8_t *mem,
                                 const struct digest *hashes,
                                 size_t len);

/* Hash the bytes on disk from leaf |from| up to |leaves| into range, tree and
 * sums. */
MUST_CHECK int shard_leaves_rehash(struct shard_file *f,
                                   uint64_t from,
                                   uint64_t leaves);

/* Hashes of the last leaves % 16 leaves, from the bytes. |tail| has room for
 * SHARD_TREE_GROUP. */
MUST_CHECK int shard_leaves_tail(const struct shard_file *f,
                                 uint64_t leaves,
                                 struct digest *tail);

#endif /* CAIRN_NODE_SHARD_FILE_PRIVATE_H */
