#include "replication/coding/erasure.h"

#include <isa-l/erasure_code.h>

/* ISA-L asks for writable pointers to what it only reads. */
static unsigned char *lend(const uint8_t *p)
{
    union {
        const uint8_t *kept;
        unsigned char *lent;
    } u = {.kept = p};

    return u.lent;
}

/* |rows| outputs, each a combination of the |k| inputs. Tile by tile, because
 * ISA-L passes over the inputs once for every few outputs. */
static void combine(const uint8_t *tables,
                    size_t k,
                    size_t rows,
                    const uint8_t *const *in,
                    uint8_t *const *out,
                    size_t size)
{
    unsigned char *src[ERASURE_K_MAX];
    unsigned char *dst[MANIFEST_SHARDS_MAX];
    size_t tile;

    for (size_t off = 0; off < size; off += tile) {
        tile = size - off < ERASURE_TILE ? size - off : ERASURE_TILE;
        for (size_t i = 0; i < k; i++) {
            src[i] = lend(in[i] + off);
        }
        for (size_t i = 0; i < rows; i++) {
            dst[i] = out[i] + off;
        }
        ec_encode_data((int)tile, (int)k, (int)rows, lend(tables), src, dst);
    }
}

int erasure_init(struct erasure *e, uint16_t k, uint16_t n)
{
    if (!manifest_code_is_valid(k, n)) {
        return ERR_BAD;
    }
    e->k = k;
    e->n = n;
    gf_gen_cauchy1_matrix(e->matrix, n, k);
    ec_init_tables(k, n - k, &e->matrix[(size_t)k * k], e->tables);
    return OK;
}

void erasure_encode(const struct erasure *e,
                    const uint8_t *const *data,
                    uint8_t *const *parity,
                    size_t size)
{
    combine(e->tables, e->k, (size_t)e->n - e->k, data, parity, size);
}

/* Mark |len| cells as seen; false when one is out of range or seen before. */
static bool mark(bool seen[MANIFEST_SHARDS_MAX],
                 uint16_t n,
                 const uint8_t *cells,
                 size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (cells[i] >= n || seen[cells[i]]) {
            return false;
        }
        seen[cells[i]] = true;
    }
    return true;
}

/* One row of the code expressed in the present cells: row * inverse. */
static void row_times(const uint8_t *row,
                      const uint8_t *inverse,
                      size_t k,
                      uint8_t *out)
{
    for (size_t j = 0; j < k; j++) {
        out[j] = 0;
        for (size_t i = 0; i < k; i++) {
            out[j] ^= gf_mul(row[i], inverse[i * k + j]);
        }
    }
}

int erasure_plan_init(struct erasure_plan *p,
                      const struct erasure *e,
                      const uint8_t *present,
                      const uint8_t *want,
                      size_t want_len)
{
    bool seen[MANIFEST_SHARDS_MAX] = {false};
    uint8_t square[ERASURE_K_MAX * ERASURE_K_MAX];
    uint8_t inverse[ERASURE_K_MAX * ERASURE_K_MAX];
    uint8_t rows[MANIFEST_SHARDS_MAX * ERASURE_K_MAX];
    size_t k = e->k;
    int singular;

    if (!mark(seen, e->n, present, k) || !mark(seen, e->n, want, want_len)) {
        return ERR_BAD;
    }
    for (size_t i = 0; i < k; i++) {
        memcpy(&square[i * k], &e->matrix[present[i] * k], k);
    }
    singular = gf_invert_matrix(square, inverse, (int)k);
    assert(singular == 0); /* Any k rows of this code are independent. */
    for (size_t i = 0; i < want_len; i++) {
        row_times(&e->matrix[want[i] * k], inverse, k, &rows[i * k]);
    }
    p->k = e->k;
    p->want_len = (uint16_t)want_len;
    memcpy(p->present, present, k);
    if (want_len > 0) {
        memcpy(p->want, want, want_len);
    }
    ec_init_tables((int)k, (int)want_len, rows, p->tables);
    return OK;
}

void erasure_rebuild(const struct erasure_plan *p,
                     const uint8_t *const *have,
                     uint8_t *const *out,
                     size_t size)
{
    if (p->want_len > 0) {
        combine(p->tables, p->k, p->want_len, have, out, size);
    }
}
