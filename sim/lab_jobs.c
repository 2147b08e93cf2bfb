#include <stdlib.h>

#include "sim/lab.h"

/* SEAL, FILL and VERIFY: the twin of node/deposit/deposit_columns.c. */

#define QUORUM (SIM_N - (SIM_N - 1) / 3)
#define WINDOW SIM_CODECS

static void job_end(struct sim *w, int status, struct slice bytes)
{
    uint64_t job = w->lab->job;

    w->lab->job = 0;
    sim_report(w, SIM_LAB, job, status, bytes);
}

/* --- SEAL ----------------------------------------------------------------- */

static void seal_tail_end(void *arg, int status)
{
    struct sim *w = arg;
    struct sim_lab *l = w->lab;
    uint8_t *report = sim_memory(8 + MANIFEST_SIZE_MAX);
    size_t size = 0;
    int rv;

    l->lost |= l->spec.columns & ~l->tail.durable;
    if (status != OK) {
        job_end(w, status, slice_of(NULL, 0));
    } else {
        lab_manifest(w, l);
        u64le_store(report, l->lost);
        rv =
            manifest_encode(&l->manifest, report + 8, MANIFEST_SIZE_MAX, &size);
        assert(rv == OK);
        (void)rv;
        job_end(w, OK, slice_of(report, 8 + size));
    }
    free(report);
}

static void seal_segments_end(void *arg, int status)
{
    struct sim *w = arg;
    struct sim_lab *l = w->lab;

    for (unsigned i = 0; i < SIM_N; i++) {
        l->lost |= l->sealer.lost[i] ? (uint64_t)1 << i : 0;
    }
    if (status != OK) {
        job_end(w, status, slice_of(NULL, 0));
    } else {
        lab_tail(w, l->spec.columns & ~l->lost, QUORUM, seal_tail_end);
    }
}

static void source_read(struct sim_mover *m, const struct mover_action *a)
{
    const struct sim_lab *l = m->w->lab;
    struct mover_event ev = {.type = MV_READ,
                             .stream = MOVER_SOURCE,
                             .id = a->id,
                             .off = a->off,
                             .len = a->len,
                             .mem = a->mem};

    assert(a->off + a->len <= l->source_size);
    memcpy(a->mem, l->source + a->off, a->len);
    sha256(slice_of(a->mem, a->len), &ev.digest);
    if (a->take != NULL) {
        a->take(a->arg, slice_of(a->mem, a->len)); /* All of it is one tile. */
    }
    sim_mover_answer(m, sim_about(&m->w->nodes[SIM_LAB].disk, 500), &ev);
}

static void source_do(struct sim_mover *m, const struct mover_action *a)
{
    const struct mover_event ev = {
        .type = MV_NOTED, .id = a->id, .off = a->off};
    struct sim_lab *l = m->w->lab;

    if (a->type != MV_NOTE) {
        source_read(m, a);
        return;
    }
    l->noting = a->arg;
    sim_mover_answer(m, sim_disk_us(m->w, SIM_LAB), &ev);
}

void lab_commit(struct sim_lab *l)
{
    memcpy(l->sealed + l->committed, l->noting->added,
           l->noting->count * sizeof(*l->sealed));
    *l->last = *l->noting;
    l->committed = l->last->segment + 1;
}

/* What the journal has, the machine hears of. */
static void sealer_run(void *mover,
                       const struct mover_event *ev,
                       struct mover_out *out)
{
    struct sim *w = mover;
    struct sim_lab *l = w->lab;
    uint8_t report[8];

    if (ev->type == MV_NOTED) {
        lab_commit(l);
        l->noting = NULL;
        u64le_store(report, l->last->offset / LEAF_SIZE);
        sim_report(w, SIM_LAB, l->job, 1, slice_of(report, sizeof(report)));
    }
    sealer_step(&l->sealer, ev, out);
}

static void sealer_start(struct sim *w, const struct digest *preambles)
{
    struct sim_lab *l = w->lab;
    struct sealer_config *sc = sim_memory(sizeof(*sc));
    const struct sim_mover mc = {.node = SIM_LAB,
                                 .step = sealer_run,
                                 .mover = w,
                                 .buffer_size = sealer_buffer_size(&l->params),
                                 .source = source_do,
                                 .end = seal_segments_end,
                                 .arg = w,
                                 .streams = &l->streams};

    sc->params = &l->params;
    sc->window = WINDOW;
    sc->quorum = QUORUM;
    sc->data_size = l->size;
    memcpy(sc->codecs, l->codecs, sizeof(l->codecs));
    for (unsigned i = 0; i < WINDOW; i++) {
        sim_stream(w, &sc->rngs[i], "salt", l->attempts++);
    }
    sealer_init(&l->sealer, sc, preambles, l->committed > 0 ? l->last : NULL);
    sealer_catalogue(&l->sealer, l->source_size - l->size);
    free(sc);
    sim_mover_start(w, &mc);
}

static void job_seal(struct sim *w)
{
    struct sim_lab *l = w->lab;
    struct digest preambles[SIM_N];
    uint64_t leaves = l->committed > 0 ? l->last->offset / LEAF_SIZE : 0;

    for (uint16_t i = 0; i < SIM_N; i++) {
        uint8_t leaf[LEAF_SIZE];

        lab_preamble(w, i, leaf);
        merkle_leaf(slice_of(leaf, LEAF_SIZE), &preambles[i]);
        if ((l->spec.columns >> i & 1) != 0) {
            sim_stream_write(&l->streams, i, l->spec.links[i], leaves);
            if (leaves == 0) {
                sim_stream_leaf(w, SIM_LAB, &l->streams, i, leaf);
            }
        }
    }
    if (l->committed < l->segments) {
        sealer_start(w, preambles);
    } else {
        lab_tail(w, l->spec.columns, QUORUM, seal_tail_end);
    }
}

/* --- FILL ----------------------------------------------------------------- */

static void fill_tail_end(void *arg, int status)
{
    struct sim *w = arg;
    uint8_t report[8];

    u64le_store(report, w->lab->filled & w->lab->tail.durable);
    job_end(w, status, slice_of(report, sizeof(report)));
}

static void fill_cells_end(void *arg, int status)
{
    struct sim *w = arg;
    struct sim_lab *l = w->lab;
    uint8_t none[8] = {0};

    l->filled = rebuilder_filled(&l->rebuilder);
    if (status == OK && l->filled != 0) {
        lab_tail(w, l->filled, 1, fill_tail_end);
    } else {
        job_end(w, status, slice_of(none, sizeof(none)));
    }
}

static void rebuilder_run(void *mover,
                          const struct mover_event *ev,
                          struct mover_out *out)
{
    rebuilder_step(mover, ev, out);
}

static void places_make(struct sim_lab *l)
{
    uint64_t offset = LEAF_SIZE;

    assert(l->segments <= sizeof(l->places) / sizeof(l->places[0]));
    for (uint64_t i = 0; i < l->segments; i++) {
        const struct sealer_segment *c = &l->sealed[i];

        l->places[i] = (struct restorer_place){
            .segment = i,
            .offset = offset,
            .size = {.leaves = c->cell_leaves,
                     .ciphertext_size = c->ciphertext_size}};
        offset += (uint64_t)c->cell_leaves * LEAF_SIZE;
    }
}

static void job_fill(struct sim *w)
{
    struct sim_lab *l = w->lab;
    struct rebuilder_config rc = {.code = &l->params.code,
                                  .window = 2,
                                  .places = l->places,
                                  .places_len = l->segments,
                                  .holders = l->spec.holders,
                                  .targets = l->spec.columns};
    struct sim_mover mc = {.node = SIM_LAB,
                           .step = rebuilder_run,
                           .mover = &l->rebuilder,
                           .end = fill_cells_end,
                           .arg = w,
                           .streams = &l->streams};

    places_make(l);
    for (uint16_t i = 0; i < SIM_N; i++) {
        uint8_t leaf[LEAF_SIZE];

        rc.leaves[i] = l->spec.leaves[i];
        if ((l->spec.columns >> i & 1) == 0) {
            continue;
        }
        sim_stream_write(&l->streams, i, l->spec.links[i], rc.leaves[i]);
        if (rc.leaves[i] == 0) {
            lab_preamble(w, i, leaf);
            sim_stream_leaf(w, SIM_LAB, &l->streams, i, leaf);
            rc.leaves[i] = 1;
        }
    }
    mc.buffer_size = rebuilder_buffer_size(&rc);
    rebuilder_init(&l->rebuilder, &rc);
    sim_mover_start(w, &mc);
}

/* --- VERIFY --------------------------------------------------------------- */

static int verify_take(struct sim *w, uint64_t segment, struct slice plain)
{
    const struct sim_lab *l = w->lab;
    uint64_t off = segment < l->data_segments
                       ? segment * SIM_SEGMENT_SIZE
                       : l->size + (segment - l->data_segments) *
                                       (uint64_t)SIM_SEGMENT_SIZE;

    return off + plain.size <= l->source_size &&
                   memcmp(l->source + off, plain.data, plain.size) == 0
               ? OK
               : ERR_MISMATCH;
}

static void verify_end(struct sim *w, int status)
{
    sim_fetch_free(w->lab->fetch);
    w->lab->fetch = NULL;
    job_end(w, status, slice_of(NULL, 0));
}

static void job_verify(struct sim *w)
{
    struct sim_lab *l = w->lab;
    struct sim_fetch *f = sim_fetch_new();

    f->w = w;
    f->node = SIM_LAB;
    f->streams = &l->streams;
    f->params = &l->params;
    f->holders = l->spec.holders;
    f->take = verify_take;
    f->end = verify_end;
    l->fetch = f;
    sim_fetch_start(f);
}

/* The manifest that was published, by this run or an earlier one. */
static void manifest_take(struct sim_lab *l)
{
    struct certificate c;
    struct feed_entry e;
    int rv;

    depositor_certificate(l->machine, &c);
    rv = feed_entry_decode(&e, c.manifest);
    if (rv == OK) {
        rv = manifest_decode(&l->manifest, &e.header.author, e.payload);
    }
    assert(rv == OK);
    (void)rv;
    l->streams.manifest = &l->manifest;
}

void sim_lab_job(struct sim *w, uint64_t job, struct slice bytes)
{
    struct sim_lab *l = w->lab;
    int rv = depositor_job_decode(&l->spec, bytes);

    assert(rv == OK && l->job == 0 && job != 0);
    (void)rv;
    l->job = job;
    l->lost = 0;
    if (l->spec.type != DEPOSITOR_SEAL) {
        manifest_take(l);
    }
    switch (l->spec.type) {
    case DEPOSITOR_SEAL:
        job_seal(w);
        break;
    case DEPOSITOR_FILL:
        lab_trailers(l);
        job_fill(w);
        break;
    case DEPOSITOR_VERIFY:
        job_verify(w);
        break;
    }
}
