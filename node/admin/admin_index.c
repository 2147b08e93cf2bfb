#include <stdlib.h>

#include "node/admin/admin_index_private.h"
#include "replication/keys.h"

int admin_index_new(struct admin_index **out,
                    struct store *store,
                    const struct charter *charter,
                    const struct digest *net)
{
    struct admin_index *x = calloc(1, sizeof(*x));

    if (x != NULL) {
        x->facts = calloc(1, sizeof(*x->facts));
    }
    if (x == NULL || x->facts == NULL) {
        free(x);
        return ERR_NOMEM;
    }
    x->store = store;
    x->facts->charter = *charter;
    x->facts->net = *net;
    x->page.buf = x->page_mem;
    x->page.buf_size = sizeof(x->page_mem);
    x->page.rows_max = CORE_ROWS_MAX;
    x->one.buf = x->one_mem;
    x->one.buf_size = sizeof(x->one_mem);
    x->one.rows_max = 1;
    *out = x;
    return OK;
}

void admin_index_deposit_free(struct index_deposit *d)
{
    free(d->label);
    free(d->receipts);
    free(d->acknowledgements);
}

void admin_index_free(struct admin_index *x)
{
    if (x != NULL) {
        for (size_t i = 0; i < x->deposits_len; i++) {
            admin_index_deposit_free(&x->deposits[i]);
        }
        free(x->deposits);
        free(x->by_hash);
        free(x->facts);
        free(x);
    }
}

/* --- Look-ups ------------------------------------------------------------ */

int admin_index_order(const void *a, const void *b)
{
    return memcmp(a, b, DIGEST_SIZE);
}

_Static_assert(offsetof(struct index_deposit, id) == 0, "the id comes first");

struct index_deposit *admin_index_find(const struct admin_index *x,
                                       const struct digest *id)
{
    return x->deposits_len == 0
               ? NULL
               : bsearch(id, x->deposits, x->deposits_len, sizeof(*x->deposits),
                         admin_index_order);
}

const struct index_deposit *admin_index_deposit(const struct admin_index *x,
                                                const struct digest *id)
{
    return admin_index_find(x, id);
}

struct index_deposit *admin_index_of_manifest(const struct admin_index *x,
                                              const struct digest *hash)
{
    size_t low = 0, high = x->deposits_len;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        struct index_deposit *d = &x->deposits[x->by_hash[mid]];
        int order = memcmp(hash->bytes, d->manifest_hash.bytes, DIGEST_SIZE);

        if (order == 0) {
            return d;
        }
        if (order < 0) {
            high = mid;
        } else {
            low = mid + 1;
        }
    }
    return NULL;
}

/* --- One row ------------------------------------------------------------- */

static int row_read(struct admin_index *x,
                    const struct key *key,
                    struct slice *entry,
                    char *errmsg)
{
    int rv = store_rows(x->store, key_slice(key), slice_of(NULL, 0), &x->one,
                        errmsg);

    if (rv == OK && x->one.rows_len == 0) {
        errmsg_set(errmsg, "that is not in the catalogue yet; try again");
        rv = ERR_NOTFOUND;
    }
    if (rv == OK) {
        *entry = x->one.rows[0].value;
    }
    return rv;
}

int admin_index_entry(struct admin_index *x,
                      const struct digest *author,
                      uint32_t incarnation,
                      uint64_t seq,
                      uint8_t *out,
                      size_t *size,
                      char *errmsg)
{
    const struct key key = key_entry(author, incarnation, seq);
    struct slice entry = {.data = NULL, .size = 0};
    int rv = row_read(x, &key, &entry, errmsg);

    if (rv == OK && entry.size > FEED_ENTRY_MAX) {
        errmsg_set(errmsg, "an entry in the catalogue is too long");
        rv = ERR_IO;
    }
    if (rv == OK) {
        memcpy(out, entry.data, entry.size);
        *size = entry.size;
    }
    return rv;
}

int admin_index_request(struct admin_index *x,
                        const struct digest *release,
                        uint8_t *out,
                        size_t *size,
                        char *errmsg)
{
    const struct key key = key_request(release);
    struct slice request = {.data = NULL, .size = 0};
    struct digest id;
    int rv = row_read(x, &key, &request, errmsg);

    if (rv == OK) {
        release_id(&id, request);
        if (request.size > RELEASE_REQUEST_MAX || !digest_equal(&id, release)) {
            errmsg_set(errmsg, "the catalogue has something else where a "
                               "request was; restore it from a backup");
            rv = ERR_IO;
        }
    }
    if (rv == OK) {
        memcpy(out, request.data, request.size);
        *size = request.size;
    }
    return rv;
}

int admin_index_load(struct admin_index *x,
                     const struct digest *lab,
                     uint32_t incarnation,
                     uint64_t seq,
                     const struct digest *hash,
                     char *errmsg)
{
    const struct key key = key_entry(lab, incarnation, seq);
    struct slice bytes = {.data = NULL, .size = 0};
    struct feed_entry e;
    int rv;

    if (x->is_loaded && digest_equal(&x->loaded, hash)) {
        return OK;
    }
    rv = row_read(x, &key, &bytes, errmsg);
    if (rv != OK) {
        return rv;
    }
    x->is_loaded = false;
    if (feed_entry_decode(&e, bytes) != OK || e.pruned ||
        !digest_equal(&e.header.payload_hash, hash) ||
        manifest_decode(&x->facts->manifest, &e.header.author, e.payload) !=
            OK) {
        errmsg_set(errmsg, "the catalogue has something else where a manifest "
                           "was; restore it from a backup");
        return ERR_IO;
    }
    x->facts->manifest_hash = *hash;
    x->facts->lab = *lab;
    x->loaded = *hash;
    x->is_loaded = true;
    return OK;
}

int admin_index_manifest(struct admin_index *x,
                         const struct index_deposit *d,
                         uint8_t *out,
                         size_t *size,
                         const struct manifest **manifest,
                         char *errmsg)
{
    int rv = admin_index_load(x, &d->lab, d->incarnation, d->seq,
                              &d->manifest_hash, errmsg);

    if (rv == OK) {
        rv = admin_index_entry(x, &d->lab, d->incarnation, d->seq, out, size,
                               errmsg);
    }
    if (rv == OK) {
        *manifest = &x->facts->manifest;
    }
    return rv;
}
