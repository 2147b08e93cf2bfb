#include <stdlib.h>

#include "node/deposit/deposit_state.h"

#define ENTRIES_PER_LEAF (LEAF_SIZE / SHARD_TABLE_ENTRY_SIZE)

int tail_table(struct depositing *d,
               uint64_t off,
               uint8_t *mem,
               size_t len,
               char *errmsg)
{
    uint64_t segment = off / SHARD_TABLE_ENTRY_SIZE;
    uint64_t end = segment + len / SHARD_TABLE_ENTRY_SIZE;
    int rv = OK;

    assert(off % LEAF_SIZE == 0 && len % LEAF_SIZE == 0);
    memset(mem, 0, len);
    end = end < d->journal.committed ? end : d->journal.committed;
    for (size_t at = 0; segment < end && rv == OK;
         segment++, at += SHARD_TABLE_ENTRY_SIZE) {
        struct sealer_segment s;

        rv = journal_segment(&d->journal, segment, &s, errmsg);
        if (rv == OK) {
            shard_segment_encode(
                &(struct shard_segment){.leaves = s.cell_leaves,
                                        .ciphertext_size = s.ciphertext_size},
                mem + at);
        }
    }
    return rv;
}

void tail_trailer(const struct depositing *d,
                  uint16_t index,
                  uint8_t leaf[LEAF_SIZE])
{
    const struct journal_plan *p = d->journal.plan;
    uint64_t segments = d->journal.committed;
    const struct shard_trailer trailer = {
        .index = index,
        .k = p->k,
        .n = p->n,
        .segment_size = p->segment_size,
        .segments = segments,
        .catalogue_segments =
            (uint32_t)(segments - segments_for(p->data_size, p->segment_size)),
        .table_offset = d->last->offset,
        .deposit_id = p->deposit_id};

    shard_trailer_encode(&trailer, leaf);
}

int tail_roots(struct depositing *d)
{
    uint64_t size = shard_table_size(d->journal.committed);
    uint16_t n = d->journal.plan->n;
    struct merkle_range *ranges = calloc(n, sizeof(*ranges));
    uint8_t leaf[LEAF_SIZE];
    struct digest hash;
    int rv = ranges == NULL ? ERR_NOMEM
                            : journal_last(&d->journal, d->last, d->errmsg);

    for (uint16_t i = 0; i < n && rv == OK; i++) {
        ranges[i] = d->last->ranges[i];
    }
    for (uint64_t off = 0; off < size && rv == OK; off += LEAF_SIZE) {
        rv = tail_table(d, off, leaf, LEAF_SIZE, d->errmsg);
        merkle_leaf(slice_of(leaf, LEAF_SIZE), &hash);
        for (uint16_t i = 0; i < n && rv == OK; i++) {
            merkle_range_append(&ranges[i], &hash, NULL, NULL);
        }
    }
    for (uint16_t i = 0; i < n && rv == OK; i++) {
        tail_trailer(d, i, leaf);
        merkle_leaf(slice_of(leaf, LEAF_SIZE), &hash);
        merkle_range_append(&ranges[i], &hash, NULL, NULL);
        merkle_range_root(&ranges[i], &d->roots[i]);
    }
    if (rv == OK) {
        d->shard_size = d->last->offset + size + LEAF_SIZE;
    }
    free(ranges);
    return rv;
}

void manifest_fill(const struct depositing *d, struct manifest *m)
{
    const struct journal_plan *p = d->journal.plan;
    uint64_t data = segments_for(p->data_size, p->segment_size);

    memset(m, 0, sizeof(*m));
    m->net = p->net;
    m->deposit_id = p->deposit_id;
    m->random = p->random;
    memcpy(m->label, p->label, sizeof(m->label));
    m->time_s = p->time_s;
    m->plain_size = p->data_size;
    m->segment_size = p->segment_size;
    m->segments = d->journal.committed;
    m->catalogue_segments = (uint32_t)(d->journal.committed - data);
    m->k = p->k;
    m->n = p->n;
    m->t = p->polynomials.t;
    m->shard_size = d->shard_size;
    memcpy(m->roots, d->roots, sizeof(m->roots));
    m->offline = p->offline;
    if (!p->offline) {
        memcpy(m->stewards, p->stewards, sizeof(m->stewards));
    }
    memcpy(m->commitments, d->commitments, sizeof(m->commitments));
    m->key_commit = d->key_commit;
    memcpy(m->policy, p->policy, p->policy_size);
    m->policy_size = p->policy_size;
    m->cadence_days = p->cadence_days;
}
