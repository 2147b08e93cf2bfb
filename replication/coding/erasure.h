#ifndef CAIRN_REPLICATION_ERASURE_H
#define CAIRN_REPLICATION_ERASURE_H

#include "crypto/base.h"
#include "protocol/manifest.h"

/* Code suite 1 (docs/FORMAT.md 6): systematic Cauchy Reed-Solomon over
 * GF(2^8) with polynomial 0x11d; parity row r, column j is 1/(r xor j), which
 * is ISA-L's gf_gen_cauchy1_matrix. Any k cells give all n. Works tile by
 * tile, so that a tile of all cells stays in the second-level cache. */

#define ERASURE_K_MAX    MANIFEST_DATA_MAX
#define ERASURE_TILE     65536U /* Bytes of each cell handled at a time. */
#define ERASURE_GF_TABLE 32     /* ISA-L's expansion of one coefficient. */

struct erasure {
    uint16_t k, n;
    uint8_t matrix[MANIFEST_SHARDS_MAX * ERASURE_K_MAX];
    uint8_t tables[ERASURE_GF_TABLE * ERASURE_K_MAX * MANIFEST_SHARDS_MAX];
};

/* ERR_BAD unless manifest_code_is_valid(). */
MUST_CHECK int erasure_init(struct erasure *e, uint16_t k, uint16_t n);

/* Compute the n - k parity cells of |size| bytes from the k data cells. */
void erasure_encode(const struct erasure *e,
                    const uint8_t *const *data,
                    uint8_t *const *parity,
                    size_t size);

/* How to get |want_len| missing cells from k present ones. Making a plan
 * inverts a k x k matrix: once per set of survivors, not once per segment. */
struct erasure_plan {
    uint16_t k, want_len;
    uint8_t present[ERASURE_K_MAX]; /* Cell indices, in the order of inputs. */
    uint8_t want[MANIFEST_SHARDS_MAX];
    uint8_t tables[ERASURE_GF_TABLE * ERASURE_K_MAX * MANIFEST_SHARDS_MAX];
};

/* |present| holds exactly k distinct indices, |want| any others (data or
 * parity). ERR_BAD otherwise. */
MUST_CHECK int erasure_plan_init(struct erasure_plan *p,
                                 const struct erasure *e,
                                 const uint8_t *present,
                                 const uint8_t *want,
                                 size_t want_len);

/* Rebuild: |have| in the order of p->present, |out| in the order of p->want. */
void erasure_rebuild(const struct erasure_plan *p,
                     const uint8_t *const *have,
                     uint8_t *const *out,
                     size_t size);

#endif /* CAIRN_REPLICATION_ERASURE_H */
