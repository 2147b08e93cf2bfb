#ifndef CAIRN_NODE_ADMIN_INDEX_PRIVATE_H
#define CAIRN_NODE_ADMIN_INDEX_PRIVATE_H

#include "node/admin/admin_index.h"

/* Inside of admin_index.h:
 *
 *   admin_index.c       look-ups, and rows that somebody asks for
 *   admin_index_look.c  reading what is new: deposits, feeds */

#define ADMIN_INDEX_PAGE ((size_t)256 << 10)

/* How far a steward's feed has been read: |next| is the seq that comes. */
struct index_feed {
    struct digest author;
    uint32_t incarnation;
    uint64_t next;
};

struct admin_index {
    struct store *store; /* Lent. */
    /* For the checks: the charter, and the last manifest that was loaded, of
     * which |loaded| is the hash. */
    struct certificate_facts *facts;
    bool is_loaded;
    struct digest loaded;
    /* Those whose manifest is on the disk, by id: they move when others are
     * added, and none is ever removed. */
    struct index_deposit *deposits;
    size_t deposits_len, deposits_max;
    uint32_t *by_hash; /* Their places, by manifest hash. */
    /* In the order of their rows: by author, incarnation. */
    struct index_feed feeds[STEWARD_FEEDS_MAX];
    size_t feeds_len;
    /* Something spoke of a deposit that is not known: when one is added, all
     * feeds are read anew. */
    bool missed;
    /* Where rows are read to: many, and one of them while many are there. */
    struct store_page page, one;
    uint8_t page_mem[ADMIN_INDEX_PAGE], one_mem[STORE_PAGE_MIN];
};

/* By id, with which a deposit begins: for bsearch() and qsort(). */
int admin_index_order(const void *a, const void *b);
/* NULL when it is not known. */
struct index_deposit *admin_index_find(const struct admin_index *x,
                                       const struct digest *id);
struct index_deposit *admin_index_of_manifest(const struct admin_index *x,
                                              const struct digest *hash);
/* Free what a deposit owns, not itself. */
void admin_index_deposit_free(struct index_deposit *d);

/* The manifest of hash |hash|, which is in that entry of the feed of |lab|,
 * into |facts|, unless it is the one that is there. ERR_NOTFOUND when it is not
 * on the disk yet, ERR_IO when something else is there, and those of
 * store_rows(). */
MUST_CHECK int admin_index_load(struct admin_index *x,
                                const struct digest *lab,
                                uint32_t incarnation,
                                uint64_t seq,
                                const struct digest *hash,
                                char *errmsg);

#endif /* CAIRN_NODE_ADMIN_INDEX_PRIVATE_H */
