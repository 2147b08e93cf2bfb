#ifndef CAIRN_NODE_STORE_H
#define CAIRN_NODE_STORE_H

#include <uv.h>

#include "node/base/file.h"
#include "replication/core.h"

/* The catalogue store of a node: rows by key, in RocksDB. Batches of puts and
 * deletes go in whole or not at all, in the order in which they came, and are
 * acknowledged only when they survive power loss; rows come out in pages.
 *
 *   PATH/cairn-lock    held by the process that has the store open
 *   PATH/...           RocksDB's files
 *
 * A store is made by store_create(), for a new node, and only there: when the
 * folder is not there, that is an error, for its disk may not be mounted.
 * Nothing secret belongs in rows.
 *
 * No room and no luck are two things:
 *
 *   ERR_FULL  no space, or less than the reserve. Nothing was acknowledged,
 *             and nothing that was acknowledged is lost. Commit again, in the
 *             same order, when there may be space; no restart is needed. The
 *             same goes for reads.
 *   ERR_IO    a write or an fsync failed. After a failed fsync nobody knows
 *             what is on the disk, so the store is halted: every commit from
 *             then on is answered ERR_IO. A restart reads the disk anew. A
 *             full disk that shows only at the fsync (NFS) and a quota of the
 *             file system halt too.
 *
 * RocksDB 7.8 as Debian builds it aborts the process when it goes on with a
 * log to which a write failed for want of space, as its own recovery makes it
 * do. So we stay away from the end of the disk by a reserve, close the
 * database when it runs into it nevertheless, and open it again when there is
 * space. Its information log does not bear a full disk either: it is off but
 * for what is written at the opening, which needs 16 MiB to be left.
 *
 * Memory: block cache, with indexes and filters, 16 MiB; two write buffers of
 * 8 MiB; 1 MiB for each of two background threads that write files. About
 * 60 MiB in all, whatever the store holds. On disk: logs up to 32 MiB, the
 * manifest 4 MiB, two information logs of 1 MiB; nothing is compressed.
 * Measured: 46 MiB resident at most while half a million rows of 1 KiB were
 * written and read. */

#define STORE_FORMAT  1U
#define STORE_RESERVE ((uint64_t)64 << 20)

/* Keys are 1 to CORE_KEY_MAX bytes; those that begin with this byte are the
 * store's own, and never shown. */
#define STORE_KEY_OWN 0x00

struct store;

/* Make an empty store at |path|, which must not exist or be an empty folder;
 * its parent is there. ERR_EXISTS when something is there. */
MUST_CHECK int store_create(const char *path, char *errmsg);

/* Open the store at |path|; blocks while it recovers from a crash. Commits are
 * refused with ERR_FULL when the file system would have less than |reserve|
 * bytes left for us (STORE_RESERVE; 0 for no reserve).
 *
 * ERR_NOTFOUND when there is none, ERR_BUSY when another process has it,
 * ERR_BAD when it is damaged, ERR_UNSUPPORTED when a later version made it,
 * ERR_FULL, ERR_IO; |errmsg| ends with what to do. */
MUST_CHECK int store_open(struct store **out,
                          uv_loop_t *loop,
                          const char *path,
                          uint64_t reserve,
                          char *errmsg);

/* Nothing may be in flight. NULL is fine. */
void store_close(struct store *s);

/* --- Commits ------------------------------------------------------------- */

/* One batch on its way; the caller's, who keeps it and all that |ops| points
 * to until |on_done|. Of two operations on one key the later one wins. */
struct store_write {
    const struct core_op *ops;
    size_t ops_len; /* 0 is a batch too: it takes its turn. */
    void (*on_done)(struct store_write *w, int status);
    void *arg;                /* The caller's. */
    struct store_write *next; /* The store's. */
};

/* Commit a batch; loop thread. |on_done| runs exactly once, on the loop, never
 * from in here, in the order of the calls: OK, ERR_FULL or ERR_IO.
 *
 * Batches that come while one is being written share the next sync. When one
 * is answered ERR_FULL, so are all behind it that were committed before that
 * answer: none overtakes another, and committing each again from its on_done()
 * keeps them in order. */
void store_commit(struct store *s, struct store_write *w);

/* Why the last commit failed, in words that end with what to do; empty when it
 * did not. Loop thread. */
const char *store_error(const struct store *s);

/* --- Reading ------------------------------------------------------------- */

/* Rows of one prefix, in the order of their keys, as many as fit. */
struct store_page {
    /* The caller's: at least one row fits. */
    uint8_t *buf;
    size_t buf_size; /* >= STORE_PAGE_MIN */
    size_t rows_max; /* 1 .. CORE_ROWS_MAX */
    /* Filled in. Rows point into |buf|: good until it is used again. */
    struct core_row rows[CORE_ROWS_MAX];
    size_t rows_len;
    bool last; /* There are no more. */
};

#define STORE_PAGE_MIN ((size_t)CORE_KEY_MAX + CORE_VALUE_MAX)

/* The next page of the rows whose keys begin with |prefix| (empty: all rows)
 * behind the key |after| (empty: from the first). Blocks: for the start of a
 * process. Sees every batch that was acknowledged before the call; each page is
 * a view of its own moment. ERR_FULL as above; ERR_IO when the store cannot be
 * read, damage included. */
MUST_CHECK int store_rows(struct store *s,
                          struct slice prefix,
                          struct slice after,
                          struct store_page *page,
                          char *errmsg);

/* The same on libuv's pool; any number at once. */
struct store_read {
    struct slice prefix, after; /* Lent until |on_done|. */
    struct store_page *page;
    void (*on_done)(struct store_read *r, int status);
    void *arg;                /* The caller's. */
    char errmsg[ERRMSG_SIZE]; /* Unless OK. */
    struct store *store;      /* The store's, like the rest. */
    uv_work_t work;
    int status;
};

/* |on_done| runs exactly once, on the loop, never from in here. */
void store_read(struct store *s, struct store_read *r);

#endif /* CAIRN_NODE_STORE_H */
