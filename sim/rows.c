#include <stdlib.h>

#include "sim/sim.h"

static int key_compare(const struct sim_row *r, struct slice key)
{
    size_t size = r->key_size < key.size ? r->key_size : key.size;
    int order = memcmp(r->key, key.data, size);

    if (order != 0) {
        return order;
    }
    return r->key_size < key.size ? -1 : r->key_size > key.size ? 1 : 0;
}

/* The place of the first key that is not before |key|. */
static size_t row_place(const struct sim_rows *r, struct slice key)
{
    size_t low = 0, high = r->len;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (key_compare(&r->rows[middle], key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool row_is_at(const struct sim_rows *r, size_t at, struct slice key)
{
    return at < r->len && key_compare(&r->rows[at], key) == 0;
}

static void row_remove(struct sim_rows *r, size_t at)
{
    free(r->rows[at].value);
    r->len--;
    memmove(&r->rows[at], &r->rows[at + 1],
            (r->len - at) * sizeof(struct sim_row));
}

static struct sim_row *row_insert(struct sim_rows *r, size_t at)
{
    if (r->len == r->max) {
        r->max = r->max == 0 ? 64 : 2 * r->max;
        r->rows = realloc(r->rows, r->max * sizeof(struct sim_row));
        if (r->rows == NULL) {
            abort();
        }
    }
    memmove(&r->rows[at + 1], &r->rows[at],
            (r->len - at) * sizeof(struct sim_row));
    r->len++;
    return &r->rows[at];
}

void sim_rows_apply(struct sim_rows *r, const struct core_op *op)
{
    size_t at = row_place(r, op->key);
    struct sim_row *row;

    if (row_is_at(r, at, op->key)) {
        row_remove(r, at);
    }
    if (op->remove) {
        return;
    }
    row = row_insert(r, at);
    memcpy(row->key, op->key.data, op->key.size);
    row->key_size = op->key.size;
    row->value_size = op->value.size;
    row->value = sim_memory(op->value.size + 1);
    if (op->value.size > 0) {
        memcpy(row->value, op->value.data, op->value.size);
    }
}

const struct sim_row *sim_rows_get(const struct sim_rows *r, struct slice key)
{
    size_t at = row_place(r, key);

    return row_is_at(r, at, key) ? &r->rows[at] : NULL;
}

const struct sim_row *sim_rows_next(const struct sim_rows *r,
                                    size_t *at,
                                    struct slice prefix)
{
    size_t first = row_place(r, prefix);

    *at = *at < first ? first : *at;
    if (*at < r->len && r->rows[*at].key_size >= prefix.size &&
        memcmp(r->rows[*at].key, prefix.data, prefix.size) == 0) {
        return &r->rows[(*at)++];
    }
    return NULL;
}

size_t sim_rows_after(const struct sim_rows *r, struct slice key)
{
    size_t at = row_place(r, key);

    return row_is_at(r, at, key) ? at + 1 : at;
}

void sim_rows_free(struct sim_rows *r)
{
    while (r->len > 0) {
        free(r->rows[--r->len].value);
    }
    free(r->rows);
    memset(r, 0, sizeof(*r));
}
