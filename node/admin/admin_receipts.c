#include "node/admin/admin_receipts.h"

#include <stdlib.h>

#include "protocol/feed.h"
#include "protocol/release.h"
#include "replication/keys.h"

struct admin_receipts {
    struct store *store;
    uv_mutex_t lock;      /* Of all that follows. */
    struct key prefix;    /* Of our feed, whatever the incarnation. */
    struct key last;      /* How far it was read; empty: not at all. */
    struct digest *given; /* Deposits, sorted. */
    size_t given_len, given_max;
    struct store_page page;
    uint8_t page_mem[STORE_PAGE_MIN];
};

int admin_receipts_new(struct admin_receipts **out,
                       struct store *store,
                       const struct digest *self)
{
    struct admin_receipts *x = calloc(1, sizeof(*x));

    if (x == NULL) {
        return ERR_NOMEM;
    }
    if (uv_mutex_init(&x->lock) != 0) {
        free(x);
        return ERR_NOMEM;
    }
    x->store = store;
    x->prefix = key_entries(self, 0);
    x->prefix.size -= sizeof(uint32_t);
    x->page.buf = x->page_mem;
    x->page.buf_size = sizeof(x->page_mem);
    x->page.rows_max = CORE_ROWS_MAX;
    *out = x;
    return OK;
}

void admin_receipts_free(struct admin_receipts *x)
{
    if (x != NULL) {
        uv_mutex_destroy(&x->lock);
        free(x->given);
        free(x);
    }
}

static int given_put(struct admin_receipts *x,
                     const struct digest *deposit,
                     char *errmsg)
{
    if (x->given_len == x->given_max) {
        size_t max = x->given_max > 0 ? 2 * x->given_max : 64;
        struct digest *given = realloc(x->given, max * sizeof(*given));

        if (given == NULL) {
            return errmsg_memory(errmsg);
        }
        x->given = given;
        x->given_max = max;
    }
    x->given[x->given_len++] = *deposit;
    return OK;
}

static int row_take(struct admin_receipts *x,
                    const struct core_row *row,
                    char *errmsg)
{
    struct release_receipt receipt;
    struct feed_entry entry;
    int rv = OK;

    if (feed_entry_decode(&entry, row->value) == OK && !entry.pruned &&
        entry.header.kind == FEED_RECEIPT &&
        release_receipt_decode(&receipt, entry.payload) == OK) {
        rv = given_put(x, &receipt.deposit_id, errmsg);
    }
    if (rv == OK) {
        memcpy(x->last.bytes, row->key.data, row->key.size);
        x->last.size = row->key.size;
    }
    return rv;
}

static int order(const void *a, const void *b)
{
    return memcmp(a, b, DIGEST_SIZE);
}

int admin_receipts_look(struct admin_receipts *x, char *errmsg)
{
    size_t before;
    int rv;

    uv_mutex_lock(&x->lock);
    before = x->given_len;
    do {
        rv = store_rows(x->store, key_slice(&x->prefix), key_slice(&x->last),
                        &x->page, errmsg);
        for (size_t i = 0; rv == OK && i < x->page.rows_len; i++) {
            rv = row_take(x, &x->page.rows[i], errmsg);
        }
    } while (rv == OK && !x->page.last);
    if (x->given_len > before) {
        qsort(x->given, x->given_len, sizeof(*x->given), order);
    }
    uv_mutex_unlock(&x->lock);
    return rv;
}

bool admin_receipts_missing(struct admin_receipts *x,
                            const struct steward_deposit_info *info)
{
    bool given = false;

    if (info->has_shard || !info->has_manifest) {
        return false;
    }
    uv_mutex_lock(&x->lock);
    if (x->given_len > 0) {
        given = bsearch(&info->id, x->given, x->given_len, sizeof(*x->given),
                        order) != NULL;
    }
    uv_mutex_unlock(&x->lock);
    return given;
}
