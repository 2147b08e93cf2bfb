#ifndef CAIRN_NODE_CUSTODY_STORE_H
#define CAIRN_NODE_CUSTODY_STORE_H

#include "node/base/volume.h"
#include "replication/core.h"

/* A custodian's rows, each in a file of its own that is sealed and is replaced
 * whole: few, small, and each worth a great deal.
 *
 *   FOLDER/cairn-volume, cairn-lock: it is a volume (volume.h)
 *   FOLDER/<key in lower-case hex>:
 *   "CRNC" || u8 version=1 || nonce[24] || sealed row || tag[16]
 *
 * XChaCha20-Poly1305 under the store's key, a random nonce for each writing.
 * The associated data is the first five bytes and the row's key, so that no
 * file can be put in the place of another. Who has the folder without the key
 * learns which rows there are, and their sizes.
 *
 * A row that cannot be seen is never one that is not there: whoever took an
 * empty folder for the store would decide a second time what is decided once.
 * So the folder must have its marker, and nothing is read or written once
 * another folder stands in its place.
 *
 * Everything here blocks. One process at a time. */

#define CUSTODY_STORE_OVERHEAD 45U
#define CUSTODY_STORE_NAME_KEY 120U /* Bytes of a key that make a name. */

/* A share is taken only while so much stays free: decisions on what is held
 * must find room when it comes to them. */
#define CUSTODY_STORE_RESERVE ((uint64_t)16 << 20)

struct custody_store;

/* Open the store in |folder|, which volume_init_as() made with |id|, and remove
 * what a killed process left half written. |key| is copied into secret memory.
 * ERR_NOMEM, and as volume_open(): ERR_NOTFOUND without folder or marker,
 * ERR_MISMATCH, ERR_BUSY, ERR_BAD, ERR_UNSUPPORTED, ERR_IO. */
MUST_CHECK int custody_store_open(struct custody_store **out,
                                  const char *folder,
                                  const uint8_t id[VOLUME_ID_SIZE],
                                  const uint8_t key[32],
                                  char *errmsg);
void custody_store_close(struct custody_store *s); /* Accepts NULL. */

/* Is there room for another row beside the reserve? ERR_FULL, with words. */
MUST_CHECK int custody_store_room(const struct custody_store *s, char *errmsg);

/* Write a row; OK when it survives power loss. ERR_FULL: there was no room, and
 * nothing was changed. ERR_IO, and it may be there or not. */
MUST_CHECK int custody_store_put(struct custody_store *s,
                                 struct slice key,
                                 struct slice value,
                                 char *errmsg);

/* Read a row into |value|, CORE_VALUE_MAX bytes that the caller wipes.
 * ERR_NOTFOUND; ERR_AUTH when the file is damaged, another row's, or sealed
 * under another key; ERR_IO. */
MUST_CHECK int custody_store_get(struct custody_store *s,
                                 struct slice key,
                                 uint8_t *value,
                                 size_t *size,
                                 char *errmsg);

/* The row after |after| (empty: the first) of those whose keys begin with
 * |prefix|, in the order of the keys: its key into |key|, of
 * CUSTODY_STORE_NAME_KEY bytes. ERR_NOTFOUND when there is none; ERR_IO. */
MUST_CHECK int custody_store_next(struct custody_store *s,
                                  struct slice prefix,
                                  struct slice after,
                                  uint8_t *key,
                                  size_t *size,
                                  char *errmsg);

/* What can be seen of a store without its key. Times are those of files, which
 * come with a backup or do not. */
struct custody_store_sum {
    uint64_t rows;     /* That begin with the prefix. */
    uint64_t newest_s; /* When the last of them was written; 0: none. */
    uint64_t made_s;   /* The store. */
};

/* Asks for no key and no lock: for displays too. Errors as volume_look(). */
MUST_CHECK int custody_store_sum(const char *folder,
                                 const uint8_t id[VOLUME_ID_SIZE],
                                 struct slice prefix,
                                 struct custody_store_sum *sum,
                                 char *errmsg);

#endif /* CAIRN_NODE_CUSTODY_STORE_H */
