#ifndef CAIRN_NODE_STORE_DB_H
#define CAIRN_NODE_STORE_DB_H

#include <pthread.h>
#include <rocksdb/c.h>

#include "node/core/store.h"

/* The inside of a store, for store*.c alone: the database, which may be closed
 * for a while, and the queue of batches before it.
 *
 *   store.c       commits: the queue, the writer
 *   store_rows.c  reading
 *   store_db.c    RocksDB: opening it, its settings, its words
 *
 * Errors are those of store.h. */

struct store_db {
    char *path;
    uint64_t reserve; /* Bytes of the disk that stay free; 0: none. */
    rocksdb_options_t *options;
    rocksdb_writeoptions_t *sync;
    pthread_rwlock_t lock; /* Shared to use |db|, else to open and close it. */
    rocksdb_t *db;         /* NULL after the disk was full. */
};

struct store {
    struct store_db db;
    uv_loop_t *loop;
    int lock_fd; /* Of PATH/cairn-lock. */
    /* Loop thread, but for what the writer is at. */
    struct store_write *queue, **queue_end; /* To be written. */
    struct store_write *group, **group_end; /* Being written. */
    bool writing, halted; /* A group is at the pool; a write failed for good. */
    size_t reads;         /* Under way. */
    char error[ERRMSG_SIZE];
    /* The writer's, while it is on the pool. */
    uv_work_t work;
    int group_status;
    char group_error[ERRMSG_SIZE];
};

/* Make ready to open; aborts when out of memory, like all of RocksDB. Freeing
 * closes. */
void store_db_init(struct store_db *d, const char *path, uint64_t reserve);
void store_db_free(struct store_db *d);

/* Open the database; with |create| a new one. Closing waits for those that use
 * it; it may be closed already. */
MUST_CHECK int store_db_open(struct store_db *d, bool create, char *errmsg);
void store_db_close(struct store_db *d);

/* Any thread: after OK |db| is open until store_db_done(), which is due then;
 * it was opened again if need be. ERR_FULL when there is still no space for
 * that, else ERR_IO. */
MUST_CHECK int store_db_use(struct store_db *d, char *errmsg);
void store_db_done(struct store_db *d);

/* Is there room for |size| bytes beside the reserve? OK, ERR_FULL, ERR_IO. */
MUST_CHECK int store_db_room(const struct store_db *d,
                             size_t size,
                             char *errmsg);

/* Read and check, or write, the row that tells the format, of a database that
 * is open. ERR_UNSUPPORTED for a later one, ERR_BAD when it is no store. */
MUST_CHECK int store_db_format_check(struct store_db *d, char *errmsg);
MUST_CHECK int store_db_format_write(struct store_db *d, char *errmsg);

/* Write and sync a batch, the caller's, while the database is open. After
 * ERR_FULL, close before anything else. */
MUST_CHECK int store_db_write(struct store_db *d,
                              rocksdb_writebatch_t *batch,
                              char *errmsg);

/* RocksDB's words, which are freed, into ours; |what| is a verb phrase. Returns
 * ERR_FULL for want of space, but not at a sync, else ERR_IO. */
int store_db_error(const struct store_db *d,
                   const char *what,
                   char *words,
                   char *errmsg);

#endif /* CAIRN_NODE_STORE_DB_H */
