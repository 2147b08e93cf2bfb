#ifndef CAIRN_NODE_CUSTODY_STORE_H
#define CAIRN_NODE_CUSTODY_STORE_H

#include "node/file.h"
#include "replication/core.h"

/* A custodian's rows, each in a file of its own that is sealed and is replaced
 * whole: few, small, and each worth a great deal.
 *
 *   FOLDER/<key in lower-case hex>:
 *   "CRNC" || u8 version=1 || nonce[24] || sealed row || tag[16]
 *
 * XChaCha20-Poly1305 under the store's key, a random nonce for each writing.
 * The associated data is the first five bytes and the row's key, so that no
 * file can be put in the place of another. Who has the folder without the key
 * learns which rows there are, and their sizes.
 *
 * Everything here blocks. One process at a time (custody_home_lock()). */

#define CUSTODY_STORE_OVERHEAD 45U
#define CUSTODY_STORE_NAME_KEY 120U /* Bytes of a key that make a name. */

struct custody_store;

/* Open the store in |folder|, and remove what a killed process left half
 * written. |key| is copied into secret memory. ERR_NOTFOUND without a folder,
 * ERR_IO, ERR_NOMEM. */
MUST_CHECK int custody_store_open(struct custody_store **out,
                                  const char *folder,
                                  const uint8_t key[32],
                                  char *errmsg);
void custody_store_close(struct custody_store *s); /* Accepts NULL. */

/* Write a row; OK when it survives power loss. ERR_FULL or ERR_IO, and it may
 * be there or not. */
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

/* How many rows begin with |prefix|. Asks for no key and no lock: for displays
 * too. */
MUST_CHECK int custody_store_count(const char *folder,
                                   struct slice prefix,
                                   uint64_t *count,
                                   char *errmsg);

#endif /* CAIRN_NODE_CUSTODY_STORE_H */
