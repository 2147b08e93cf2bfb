#include "protocol/policy.h"
#include "sim/lab.h"

/* The ends of shards, and the manifest: the twin of
 * node/deposit/deposit_tail.c. */

void lab_preamble(const struct sim *w, uint16_t index, uint8_t leaf[LEAF_SIZE])
{
    struct shard_preamble p = {.deposit_id = w->lab->deposit_id,
                               .net = w->people.net,
                               .lab = w->people.persons[SIM_STEWARDS].id,
                               .index = index,
                               .k = SIM_K,
                               .n = SIM_N,
                               .label = SIM_LABEL};

    shard_preamble_encode(&p, leaf);
}

/* --- What follows the segments -------------------------------------------- */

static uint64_t table_offset(const struct sim_lab *l)
{
    return l->last->offset;
}

static void table_leaf(const struct sim_lab *l,
                       uint64_t off,
                       uint8_t leaf[LEAF_SIZE])
{
    uint64_t per_leaf = LEAF_SIZE / SHARD_TABLE_ENTRY_SIZE;
    uint64_t segment = off / SHARD_TABLE_ENTRY_SIZE;

    memset(leaf, 0, LEAF_SIZE);
    for (uint64_t i = 0; i < per_leaf && segment + i < l->segments; i++) {
        const struct sealer_segment *c = &l->sealed[segment + i];

        shard_segment_encode(
            &(struct shard_segment){.leaves = c->cell_leaves,
                                    .ciphertext_size = c->ciphertext_size},
            leaf + i * SHARD_TABLE_ENTRY_SIZE);
    }
}

void lab_trailers(struct sim_lab *l)
{
    struct shard_trailer t = {.k = SIM_K,
                              .n = SIM_N,
                              .segment_size = SIM_SEGMENT_SIZE,
                              .segments = l->segments,
                              .catalogue_segments =
                                  (uint32_t)(l->segments - l->data_segments),
                              .table_offset = table_offset(l),
                              .deposit_id = l->deposit_id};

    for (; t.index < SIM_N; t.index++) {
        shard_trailer_encode(&t, l->trailers + (size_t)t.index * LEAF_SIZE);
    }
}

static void root_make(const struct sim_lab *l,
                      uint16_t index,
                      struct digest *root)
{
    struct merkle_range range = l->last->ranges[index];
    uint8_t leaf[LEAF_SIZE];
    struct digest hash;

    for (uint64_t off = 0; off < shard_table_size(l->segments);
         off += LEAF_SIZE) {
        table_leaf(l, off, leaf);
        merkle_leaf(slice_of(leaf, LEAF_SIZE), &hash);
        merkle_range_append(&range, &hash, NULL, NULL);
    }
    merkle_leaf(slice_of(l->trailers + (size_t)index * LEAF_SIZE, LEAF_SIZE),
                &hash);
    merkle_range_append(&range, &hash, NULL, NULL);
    merkle_range_root(&range, root);
}

void lab_manifest(const struct sim *w, struct sim_lab *l)
{
    struct manifest *m = &l->manifest;
    int rv;

    memset(m, 0, sizeof(*m));
    m->net = w->people.net;
    m->deposit_id = l->deposit_id;
    m->random = l->random;
    memcpy(m->label, SIM_LABEL, sizeof(SIM_LABEL));
    m->time_s = sim_wall_ms(w, SIM_LAB) / 1000;
    m->plain_size = l->size;
    m->segment_size = SIM_SEGMENT_SIZE;
    m->segments = l->segments;
    m->catalogue_segments = (uint32_t)(l->segments - l->data_segments);
    m->k = SIM_K;
    m->n = SIM_N;
    m->t = SIM_T;
    m->shard_size = shard_size(table_offset(l), l->segments);
    for (uint16_t i = 0; i < SIM_N; i++) {
        root_make(l, i, &m->roots[i]);
        m->stewards[i] = l->streams.stewards[i];
    }
    vss_commit(&l->polynomials, m->commitments);
    m->key_commit = l->key_commit;
    rv = policy_default(SIM_T, m->policy, sizeof(m->policy), &m->policy_size);
    assert(rv == OK);
    (void)rv;
    m->cadence_days = 30;
}

static void tail_run(void *mover,
                     const struct mover_event *ev,
                     struct mover_out *out)
{
    tail_step(mover, ev, out);
}

static void table_give(struct sim_mover *m, const struct mover_action *a)
{
    const struct mover_event ev = {.type = MV_READ,
                                   .stream = MOVER_SOURCE,
                                   .off = a->off,
                                   .len = a->len,
                                   .mem = a->mem};

    for (uint64_t at = 0; at < a->len; at += LEAF_SIZE) {
        table_leaf(m->w->lab, a->off + at, a->mem + at);
    }
    sim_mover_answer(m, 100, &ev);
}

void lab_tail(struct sim *w,
              uint64_t columns,
              unsigned quorum,
              void (*end)(void *arg, int status))
{
    struct sim_lab *l = w->lab;
    const struct tail_config tc = {.table_offset = table_offset(l),
                                   .table_size = shard_table_size(l->segments),
                                   .n = SIM_N,
                                   .quorum = quorum,
                                   .streams = columns,
                                   .trailers = l->trailers};
    const struct sim_mover mc = {.node = SIM_LAB,
                                 .step = tail_run,
                                 .mover = &l->tail,
                                 .buffer_size = TAIL_BUFFER,
                                 .source = table_give,
                                 .end = end,
                                 .arg = w,
                                 .streams = &l->streams};

    lab_trailers(l);
    tail_init(&l->tail, &tc);
    sim_mover_start(w, &mc);
}
