#ifndef CAIRN_NODE_TARGET_H
#define CAIRN_NODE_TARGET_H

#include "node/recovery/bulk_file.h"
#include "node/recovery/hasher.h"
#include "protocol/catalogue.h"

/* Where a model is restored to: a folder that is written as the plaintext
 * stream comes in, file by file, each under a temporary name until its SHA-256
 * is that of the catalogue.
 *
 * Nothing outside the folder is ever touched: every path component is opened
 * with openat() and O_NOFOLLOW. One process at a time works in it. What exists
 * and equals the catalogue (size and SHA-256) is left alone; what differs is an
 * error unless |force|. Running again after an interruption restores only what
 * is missing.
 *
 * Calls block; target_take() is for the I/O pool, while other threads make the
 * next segments. It hashes and writes at the same time. */

struct target {
    int root; /* Descriptor of the folder. */
    char *path;
    bool force;
    bool made;                 /* The folder, and nothing came into it yet. */
    struct target_file *files; /* Selected files, in catalogue order. */
    size_t files_len, files_max;
    size_t marks; /* In the names of temporary files, see target_internal.h. */
    uint32_t segment_size;
    uint64_t bytes, bytes_done; /* Of files to be written. */
    size_t file;                /* The one being written. */
    int fd;
    uint64_t file_at;
    struct bulk_file bulk; /* Writes to |fd|. */
    struct sha256 hash;
    struct hasher *hasher;
};

/* Open or create |path|, and see that files can be made in it; ERR_BUSY when
 * another process restores into it, ERR_FULL, ERR_IO. To be called before the
 * work that ends there. */
MUST_CHECK int target_open(struct target *t,
                           const char *path,
                           bool force,
                           char *errmsg);
/* A folder that was made in vain goes. */
void target_close(struct target *t);

/* Choose what to restore from a catalogue: all files, or those in |only|
 * (exact paths or a folder's prefix; ERR_NOTFOUND names one that matches
 * nothing). Checks every path, and what exists already (hashing it). */
MUST_CHECK int target_plan(struct target *t,
                           struct slice catalogue,
                           uint32_t segment_size,
                           const char *const *only,
                           size_t only_len,
                           char *errmsg);

/* Which data segments hold bytes that are still needed: fills |wanted| with
 * their ascending numbers (|max|: number of data segments) and returns how
 * many. */
size_t target_segments(const struct target *t, uint64_t *wanted, size_t max);

/* Bytes that are to be written and that the disk has no room for; 0 when it
 * has, or does not say. */
uint64_t target_lacks(const struct target *t);

/* Take the plaintext of |segment|; segments come in ascending order, and those
 * that hold nothing wanted may be left out. Writes, and finishes each file:
 * checks its SHA-256 (ERR_MISMATCH), sets its mode, fsyncs, renames. Plaintext
 * in aligned memory (BULK_FILE_ALIGN) is cheaper. */
MUST_CHECK int target_take(struct target *t,
                           uint64_t segment,
                           struct slice plain,
                           char *errmsg);

/* After the last segment: empty files, folders synced. ERR_BAD when a file is
 * not complete. */
MUST_CHECK int target_finish(struct target *t, char *errmsg);

#endif /* CAIRN_NODE_TARGET_H */
