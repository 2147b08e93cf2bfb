#include <stdlib.h>

#include "node/core/store_db.h"

/* The first key behind all that begin with |prefix|, into |end|; its size, or
 * 0 when there is none. */
static size_t prefix_end(struct slice prefix, uint8_t end[CORE_KEY_MAX])
{
    while (prefix.size > 0 && prefix.data[prefix.size - 1] == UINT8_MAX) {
        prefix.size--;
    }
    if (prefix.size > 0) {
        memcpy(end, prefix.data, prefix.size);
        end[prefix.size - 1]++;
    }
    return prefix.size;
}

static struct slice iter_key(const rocksdb_iterator_t *it)
{
    struct slice s;

    s.data = (const uint8_t *)rocksdb_iter_key(it, &s.size);
    return s;
}

static struct slice iter_value(const rocksdb_iterator_t *it)
{
    struct slice s;

    s.data = (const uint8_t *)rocksdb_iter_value(it, &s.size);
    return s;
}

/* Go to the first row behind |after|, or of |prefix|. */
static void iter_seek(rocksdb_iterator_t *it,
                      struct slice prefix,
                      struct slice after)
{
    static const uint8_t first[] = {STORE_KEY_OWN + 1};
    struct slice to = slice_of(first, sizeof(first));

    if (after.size > 0) {
        to = after;
    } else if (prefix.size > 0) {
        to = prefix;
    }
    rocksdb_iter_seek(it, (const char *)to.data, to.size);
    if (after.size > 0 && rocksdb_iter_valid(it) &&
        slice_equal(iter_key(it), after)) {
        rocksdb_iter_next(it);
    }
}

static struct slice page_keep(uint8_t **at, struct slice bytes)
{
    uint8_t *to = *at;

    if (bytes.size > 0) {
        memcpy(to, bytes.data, bytes.size);
    }
    *at += bytes.size;
    return slice_of(to, bytes.size);
}

/* Copy rows until the page is full or |it| at its end. False for a row that
 * no commit can have put there. */
static bool page_fill(struct store_page *page, rocksdb_iterator_t *it)
{
    uint8_t *at = page->buf;

    page->rows_len = 0;
    page->last = false;
    for (; rocksdb_iter_valid(it); rocksdb_iter_next(it)) {
        struct slice key = iter_key(it);
        struct slice value = iter_value(it);
        size_t left = page->buf_size - (size_t)(at - page->buf);

        if (key.size > CORE_KEY_MAX || value.size > CORE_VALUE_MAX) {
            return false;
        }
        if (page->rows_len == page->rows_max || key.size + value.size > left) {
            return true;
        }
        page->rows[page->rows_len].key = page_keep(&at, key);
        page->rows[page->rows_len].value = page_keep(&at, value);
        page->rows_len++;
    }
    page->last = true;
    return true;
}

static int db_rows(struct store_db *d,
                   struct slice prefix,
                   struct slice after,
                   struct store_page *page,
                   char *errmsg)
{
    rocksdb_readoptions_t *ro = rocksdb_readoptions_create();
    uint8_t end[CORE_KEY_MAX];
    size_t end_size = prefix_end(prefix, end);
    rocksdb_iterator_t *it;
    char *words = NULL;
    int rv = OK;

    if (end_size > 0) {
        rocksdb_readoptions_set_iterate_upper_bound(ro, (const char *)end,
                                                    end_size);
    }
    it = rocksdb_create_iterator(d->db, ro);
    iter_seek(it, prefix, after);
    if (!page_fill(page, it)) {
        errmsg_set(errmsg,
                   "the catalogue '%s' holds a row that is too large, so it "
                   "is damaged; restore it from a backup",
                   d->path);
        rv = ERR_IO;
    } else {
        rocksdb_iter_get_error(it, &words);
        if (words != NULL) {
            rv = store_db_error(d, "read the catalogue", words, errmsg);
        }
    }
    rocksdb_iter_destroy(it);
    rocksdb_readoptions_destroy(ro);
    return rv;
}

int store_rows(struct store *s,
               struct slice prefix,
               struct slice after,
               struct store_page *page,
               char *errmsg)
{
    int rv;

    assert(prefix.size <= CORE_KEY_MAX && after.size <= CORE_KEY_MAX);
    assert(prefix.size == 0 || prefix.data[0] != STORE_KEY_OWN);
    assert(after.size == 0 ||
           (after.size >= prefix.size &&
            slice_equal(slice_of(after.data, prefix.size), prefix)));
    assert(page->buf_size >= STORE_PAGE_MIN);
    assert(page->rows_max > 0 && page->rows_max <= CORE_ROWS_MAX);
    rv = store_db_use(&s->db, errmsg);
    if (rv == OK) {
        rv = db_rows(&s->db, prefix, after, page, errmsg);
        store_db_done(&s->db);
    }
    return rv;
}

static void read_run(uv_work_t *work)
{
    struct store_read *r = work->data;

    r->status = store_rows(r->store, r->prefix, r->after, r->page, r->errmsg);
}

static void read_done(uv_work_t *work, int status)
{
    struct store_read *r = work->data;

    assert(status == 0); /* Work of the store is never cancelled. */
    assert(r->store->reads > 0);
    r->store->reads--;
    r->on_done(r, r->status);
}

void store_read(struct store *s, struct store_read *r)
{
    r->store = s;
    r->work.data = r;
    s->reads++;
    if (uv_queue_work(s->loop, &r->work, read_run, read_done) != 0) {
        abort(); /* Only for want of arguments. */
    }
}
