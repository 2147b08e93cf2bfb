#ifndef CAIRN_NODE_SHARD_FILE_H
#define CAIRN_NODE_SHARD_FILE_H

#include "crypto/merkle.h"
#include "node/base/file.h"
#include "node/shard/shard_sums.h"
#include "node/shard/shard_tree.h"
#include "protocol/shard.h"

/* A shard on disk, in a folder of its own (docs/FORMAT.md 2): written in order
 * as `shard.part` with its tree and sums beside it, then sealed into `shard`,
 * `tree` and `sums`; read back only as bytes that were checked against the root
 * in the manifest.
 *
 * Calls block; they run on the I/O pool, one at a time for one shard. */

struct shard_file {
    char *folder;
    int fd, direct_fd; /* direct_fd: O_DIRECT, or -1 */
    struct shard_tree tree;
    struct shard_sums sums;    /* While writing, or when they are trusted. */
    uint64_t size;             /* Written so far, or the whole. */
    uint64_t reserved;         /* Blocks taken in advance, in bytes. */
    struct merkle_range range; /* While writing: over [0, size). */
    struct digest root;        /* When sealed. */
    bool sealed, failed;
};

/* Start a shard, reserving |size_max| bytes: ERR_FULL before anything is
 * written when the disk has no room. The folder is made. */
MUST_CHECK int shard_file_create(struct shard_file *f,
                                 const char *folder,
                                 uint64_t size_max,
                                 char *errmsg);

/* Go on with a shard: cut back to |range| (a compact range that the caller
 * made durable), dropping all after it. ERR_MISMATCH when the bytes on disk
 * do not reach that far; a torn tree is made again from the bytes. */
MUST_CHECK int shard_file_resume(struct shard_file *f,
                                 const char *folder,
                                 uint64_t size_max,
                                 const struct merkle_range *range,
                                 char *errmsg);

/* Append whole leaves at |off|, which must be f->size. |hashes| (their leaf
 * hashes) may be NULL: then they are computed. O_DIRECT where |mem| and the
 * file system allow. */
MUST_CHECK int shard_file_append(struct shard_file *f,
                                 uint64_t off,
                                 const uint8_t *mem,
                                 size_t size,
                                 const struct digest *hashes,
                                 char *errmsg);

/* fdatasync. After a failure every further call fails: the page cache may
 * have dropped what it could not write. */
MUST_CHECK int shard_file_sync(struct shard_file *f, char *errmsg);

/* The root must be |root| (ERR_MISMATCH otherwise): finish the tree, sync,
 * give reserved space back, rename into place. */
MUST_CHECK int shard_file_seal(struct shard_file *f,
                               const struct digest *root,
                               char *errmsg);

/* Open a sealed shard to read. The tree is read once and checked against
 * |root|, or made again from the bytes when it is missing or torn. */
MUST_CHECK int shard_file_open(struct shard_file *f,
                               const char *folder,
                               const struct digest *root,
                               uint64_t size,
                               char *errmsg);

/* From now on, read a group whose sum is right without hashing it: for our own
 * folder, and readers who check with the tree. */
void shard_file_trust_sums(struct shard_file *f);

/* From now on, |direct| or not, read past the page cache where |mem| and the
 * file system allow: then nothing is read beyond what is asked for, which is
 * what who jumps about wants, and who reads on does not. */
void shard_file_read_direct(struct shard_file *f, bool direct);

/* Read |count| leaves from leaf |first| into |mem| (count * LEAF_SIZE bytes),
 * checked: ERR_MISMATCH when the disk gave other bytes than were sealed.
 * |scratch| has room for SHARD_FILE_SCRATCH_SIZE bytes. */
#define SHARD_FILE_SCRATCH_SIZE ((size_t)SHARD_TREE_GROUP * LEAF_SIZE)
MUST_CHECK int shard_file_read(const struct shard_file *f,
                               uint64_t first,
                               uint64_t count,
                               uint8_t *mem,
                               uint8_t *scratch,
                               char *errmsg);

/* Proof nodes for the run of leaves, for readers that have only the root.
 * ERR_MISMATCH when what the disk gives does not lead there. */
MUST_CHECK int shard_file_prove(const struct shard_file *f,
                                uint64_t first,
                                uint64_t count,
                                struct digest *nodes,
                                size_t nodes_max,
                                size_t *nodes_len);

/* Hash everything and compare with the tree: the full local scrub. |progress|
 * may be NULL; returning false from it stops with ERR_CANCELED. */
MUST_CHECK int shard_file_scrub(const struct shard_file *f,
                                bool (*progress)(void *arg, uint64_t done),
                                void *arg,
                                char *errmsg);

void shard_file_close(struct shard_file *f);

#endif /* CAIRN_NODE_SHARD_FILE_H */
