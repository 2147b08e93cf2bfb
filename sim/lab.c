#include "sim/lab.h"

#include <stdlib.h>

/* The lab's node: its machine, its journal, and the jobs that the machine asks
 * for, in lab_jobs.c. The twin of node/deposit/deposit_network.c. */

#define PATIENCE_MS       60000U
#define CATALOGUE_SIZE    700U
#define SEGMENTS_OF(size) (((size) + SIM_SEGMENT_SIZE - 1) / SIM_SEGMENT_SIZE)

/* Half of a model compresses. */
static void model_make(struct sim *w, struct sim_lab *l)
{
    struct rng r;

    l->size = w->options.model_size;
    l->source_size = l->size + CATALOGUE_SIZE;
    l->source = sim_memory(l->source_size);
    sim_stream(w, &r, "model", 0);
    rng_bytes(&r, l->source, l->source_size);
    for (size_t i = 0; i < l->size; i++) {
        if (i / SIM_SEGMENT_SIZE % 2 == 1) {
            l->source[i] &= 0x0f;
        }
    }
}

static void plan_make(struct sim *w, struct sim_lab *l)
{
    char text[MESSAGE_TEXT_MAX + 1];
    struct digest key_commit;
    struct rng r;
    int rv;

    sim_stream(w, &r, "plan", 0);
    rng_bytes(&r, l->random.bytes, sizeof(l->random.bytes));
    manifest_deposit_id(&l->deposit_id, &w->people.net,
                        &w->people.persons[SIM_STEWARDS].id, l->random.bytes);
    vss_polynomials_init(&l->polynomials, SIM_T, &r);
    rv = depositor_place(&w->people.charter, &l->deposit_id, NULL, 0, SIM_K,
                         SIM_N, SIM_T, l->streams.stewards, text);
    assert(rv == OK);
    content_key_derive(&l->params.key, &l->deposit_id,
                       l->polynomials.a[0].bytes, &key_commit);
    l->params.segment_size = SIM_SEGMENT_SIZE;
    l->params.codec = CODEC_CHOOSE_AUTO;
    rv = erasure_init(&l->params.code, SIM_K, SIM_N);
    assert(rv == OK);
    (void)rv;
    l->streams.deposit_id = l->deposit_id;
    l->key_commit = key_commit;
    l->data_segments = SEGMENTS_OF(l->size);
    l->segments = l->data_segments + SEGMENTS_OF(CATALOGUE_SIZE);
}

void sim_lab_new(struct sim *w)
{
    struct sim_lab *l = sim_memory(sizeof(*l));

    w->lab = l;
    model_make(w, l);
    plan_make(w, l);
    l->sealed = sim_memory(l->segments * sizeof(*l->sealed));
    l->last = sim_memory(sizeof(*l->last));
    for (unsigned i = 0; i < SIM_CODECS; i++) {
        if (codec_state_new(&l->codecs[i]) != OK) {
            abort();
        }
    }
}

void sim_lab_free(struct sim *w)
{
    struct sim_lab *l = w->lab;

    for (unsigned i = 0; i < SIM_CODECS; i++) {
        codec_state_free(l->codecs[i]);
    }
    free(l->source);
    free(l->sealed);
    free(l->last);
    free(l);
}

/* --- A life -------------------------------------------------------------- */

static void lab_run(void *machine,
                    const struct core_event *ev,
                    struct core_out *out)
{
    depositor_step(machine, ev, out);
}

static void lab_machine_free(void *machine)
{
    depositor_free(machine);
}

int sim_lab_make(struct sim *w)
{
    struct sim_lab *l = w->lab;
    struct sim_node *n = &w->nodes[SIM_LAB];
    struct depositor_config *c = sim_memory(sizeof(*c));
    const struct person *p = &w->people.persons[SIM_STEWARDS];
    struct depositor *d = NULL;
    int rv;

    c->charter = &w->people.charter;
    c->chain = slice_of(w->people.chain, w->people.chain_size);
    c->net = w->people.net;
    c->self = p->id;
    c->node = p->node;
    c->deposit_id = l->deposit_id;
    c->random = l->random;
    memcpy(c->label, SIM_LABEL, sizeof(SIM_LABEL));
    c->k = SIM_K;
    c->n = SIM_N;
    c->t = SIM_T;
    c->segment_size = SIM_SEGMENT_SIZE;
    c->size_max = shard_size(
        LEAF_SIZE + l->segments * shard_cell_max(SIM_K, SIM_SEGMENT_SIZE),
        l->segments);
    memcpy(c->stewards, l->streams.stewards, sizeof(c->stewards));
    if (l->committed > 0) {
        c->committed_leaves = l->last->offset / LEAF_SIZE;
        c->ranges = l->last->ranges;
    }
    c->polynomials = &l->polynomials;
    c->receipts_min = SIM_N;
    c->patience_ms = PATIENCE_MS;
    c->rng = &n->rng;
    rv = depositor_new(&d, c);
    free(c);
    l->machine = d;
    n->machine = d;
    n->step = lab_run;
    n->free = lab_machine_free;
    return rv;
}

void sim_lab_end(struct sim *w)
{
    struct sim_lab *l = w->lab;

    sim_mover_free(w, SIM_LAB);
    sim_fetch_free(l->fetch);
    l->fetch = NULL;
    l->machine = NULL;
    l->job = 0;
    /* A note that was on its way may have reached the disk. */
    if (l->noting != NULL && rng_below(&w->nodes[SIM_LAB].disk, 2) == 1) {
        lab_commit(l);
    }
    l->noting = NULL;
    memset(l->streams.columns, 0, sizeof(l->streams.columns));
}

/* --- What others look at -------------------------------------------------- */

struct sim_streams *sim_lab_streams(struct sim *w)
{
    return &w->lab->streams;
}

bool sim_lab_is_done(const struct sim *w)
{
    return w->lab->machine != NULL &&
           depositor_phase(w->lab->machine) == DEPOSITOR_DONE;
}

bool sim_lab_has_failed(const struct sim *w, const char **text)
{
    if (w->lab->machine == NULL ||
        depositor_phase(w->lab->machine) != DEPOSITOR_FAILED) {
        return false;
    }
    (void)depositor_failure(w->lab->machine, text);
    return true;
}

struct slice sim_lab_source(const struct sim *w)
{
    return slice_of(w->lab->source, w->lab->source_size);
}

size_t sim_lab_certificate(const struct sim *w, uint8_t *out)
{
    struct certificate c;
    size_t size = 0;
    int rv;

    depositor_certificate(w->lab->machine, &c);
    rv = certificate_encode(&c, out, CERTIFICATE_SIZE_MAX, &size);
    assert(rv == OK);
    (void)rv;
    return size;
}
