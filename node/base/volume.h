#ifndef CAIRN_NODE_VOLUME_H
#define CAIRN_NODE_VOLUME_H

#include "crypto/rng.h"
#include "node/base/file.h"

/* A volume: a folder, as a rule the root of a disk of its own, in which a
 * steward keeps shards, or its custodian key shares (custody_store.h).
 *
 *   VOLUME/cairn-volume    marker: that this is one, and which
 *   VOLUME/cairn-lock      held by the process that has it open
 *   VOLUME/shards/ab/<64 hex digits of the deposit>-<index>/
 *
 * Who uses it remembers its id. A folder without the marker is never taken for
 * a new, empty volume: its disk is not mounted, and a node that began afresh
 * would declare all its shards lost.
 *
 * The marker is text: "cairn-volume 1", a line "id" and 32 hex digits, and
 * lines that begin with '#', for people. */

#define VOLUME_ID_SIZE 16
#define VOLUME_FORMAT  1U
#define VOLUME_MARKER  "cairn-volume"

struct volume {
    char *path;
    int root, lock; /* Descriptors. */
    uint8_t id[VOLUME_ID_SIZE];
    uint64_t reserve; /* Bytes that are to stay free. */
};

/* Make |path| (created if need be) a volume with an id from |rng|. ERR_EXISTS
 * when it is one already, ERR_DENIED when it holds anything else than what a
 * fresh file system does ("lost+found"). */
MUST_CHECK int volume_init(const char *path,
                           struct rng *rng,
                           uint8_t id[VOLUME_ID_SIZE],
                           char *errmsg);
/* The same with that id. */
MUST_CHECK int volume_init_as(const char *path,
                              const uint8_t id[VOLUME_ID_SIZE],
                              char *errmsg);

/* Is at |path| the volume with the id |expected|? Asks for no lock and writes
 * nothing. ERR_NOTFOUND, ERR_BAD, ERR_UNSUPPORTED, ERR_MISMATCH, ERR_IO as
 * below. */
MUST_CHECK int volume_look(const char *path,
                           const uint8_t expected[VOLUME_ID_SIZE],
                           char *errmsg);

/* Open the volume at |path| for this process alone. The folder must be there,
 * with a marker that has the id |expected|.
 *
 * ERR_NOTFOUND without a marker, ERR_BAD when it cannot be read as one,
 * ERR_UNSUPPORTED when a later version made it, ERR_MISMATCH when it is another
 * volume, ERR_BUSY when another process has it (|errmsg| names that), ERR_IO.
 * Nothing is written unless the marker is right. */
MUST_CHECK int volume_open(struct volume *v,
                           const char *path,
                           const uint8_t expected[VOLUME_ID_SIZE],
                           uint64_t reserve,
                           char *errmsg);
void volume_close(struct volume *v);

/* Is what stands at the path still what was opened? ERR_NOTFOUND when the disk
 * was unmounted, or another mounted over it. Cheap: for before each write of
 * something new. */
MUST_CHECK int volume_check(const struct volume *v, char *errmsg);

/* What may still be written here: free space less the reserve, 0 when less
 * than the reserve is free. */
MUST_CHECK int volume_free_space(const struct volume *v,
                                 uint64_t *bytes,
                                 char *errmsg);

/* The folder of one shard, allocated; it need not exist. */
char *volume_shard_path(const struct volume *v,
                        const struct digest *deposit_id,
                        uint16_t index);

/* Make that folder, durably; fine when it is there. Checks the volume first. */
MUST_CHECK int volume_shard_make(const struct volume *v,
                                 const struct digest *deposit_id,
                                 uint16_t index,
                                 char *errmsg);

#endif /* CAIRN_NODE_VOLUME_H */
