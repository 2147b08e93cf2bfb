#ifndef CAIRN_NODE_SHARD_FOLDER_H
#define CAIRN_NODE_SHARD_FOLDER_H

#include "node/base/file.h"
#include "protocol/feed.h"
#include "protocol/shard.h"

/* The folder of one shard (docs/FORMAT.md 2) as somebody hands it over: its
 * manifest, checked, and which shard it says it is. The bytes of the shard are
 * read through shard_file.h. */

struct shard_folder {
    char *path;
    struct manifest manifest;
    struct digest manifest_hash, author;
    bool signature_checked; /* By the author's first key; see below. */
    uint16_t index;
};

/* Read manifest and trailer. The signature of a deposit that was made offline
 * is checked here, since its author's key is its id; others need the charter.
 * ERR_NOTFOUND, ERR_BAD, ERR_AUTH, ERR_MISMATCH (the shard is of another
 * deposit than the manifest), with words. */
MUST_CHECK int shard_folder_open(struct shard_folder *f,
                                 const char *path,
                                 char *errmsg);
void shard_folder_close(struct shard_folder *f);

/* Of folders that may be of several deposits, one of the deposit that is meant:
 * the one with enough different shards, then the one with most of them, then
 * the first. Folders whose path is NULL are passed over; NULL when all are. */
const struct shard_folder *shard_folders_most(const struct shard_folder *list,
                                              size_t len);

/* The path of shard |index| in a folder of shards: INTO/shard-NN, allocated. */
char *shard_folder_path(const char *into, uint16_t index);

#endif /* CAIRN_NODE_SHARD_FOLDER_H */
