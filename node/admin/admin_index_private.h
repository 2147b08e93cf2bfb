#ifndef CAIRN_NODE_ADMIN_INDEX_PRIVATE_H
#define CAIRN_NODE_ADMIN_INDEX_PRIVATE_H

#include "node/admin/admin_index.h"

/* Inside of admin_index.h:
 *
 *   admin_index.c       look-ups, and rows that somebody asks for
 *   admin_index_look.c  reading what is new: deposits, feeds */

#define ADMIN_INDEX_PAGE ((size_t)256 << 10)

/* How far a steward's feed has been read. */
struct index_feed {
    struct digest author;
    uint32_t incarnation;
    uint64_t next;
};

struct admin_index {
    struct store *store;
    /* For the checks: the charter, and the manifest of |loaded|. */
    struct certificate_facts *facts;
    bool is_loaded;
    struct digest loaded;
    struct index_deposit *deposits; /* By id. */
    size_t deposits_len, deposits_max;
    uint32_t *by_hash; /* Their places, by manifest hash. */
    struct index_feed feeds[STEWARD_FEEDS_MAX];
    size_t feeds_len;
    bool missed; /* Something spoke of what is not known. */
    struct store_page page, one;
    uint8_t page_mem[ADMIN_INDEX_PAGE], one_mem[STORE_PAGE_MIN];
};

/* By id, with which a deposit begins: for bsearch() and qsort(). */
int admin_index_order(const void *a, const void *b);
struct index_deposit *admin_index_find(const struct admin_index *x,
                                       const struct digest *id);
struct index_deposit *admin_index_of_manifest(const struct admin_index *x,
                                              const struct digest *hash);
void admin_index_deposit_free(struct index_deposit *d);

/* The manifest in that entry, into |facts|. ERR_NOTFOUND when it is not on the
 * disk yet. */
MUST_CHECK int admin_index_load(struct admin_index *x,
                                const struct digest *lab,
                                uint32_t incarnation,
                                uint64_t seq,
                                const struct digest *hash,
                                char *errmsg);

#endif /* CAIRN_NODE_ADMIN_INDEX_PRIVATE_H */
