#include <stdlib.h>
#include <time.h>

#include "crypto/secret.h"
#include "node/deposit/deposit_state.h"
#include "node/deposit/lint.h"
#include "protocol/policy.h"

uint64_t segments_for(uint64_t size, uint32_t segment_size)
{
    return (size + segment_size - 1) / segment_size;
}

void deposit_init(struct depositing *d)
{
    d->journal =
        (struct journal){.lock = -1, .segments = -1, .ranges = {-1, -1}};
}

struct journal_plan *deposit_plan_new(struct depositing *d)
{
    struct journal_plan *p = secret_new(sizeof(*p));
    struct rng rng;

    if (p == NULL) {
        (void)errmsg_secret_memory(d->errmsg);
        return NULL;
    }
    rng_init_system(&rng);
    (void)snprintf(p->label, sizeof(p->label), "%s", d->o->label);
    p->time_s = (uint64_t)time(NULL);
    p->data_size = d->source.size;
    p->segment_size = d->o->segment_size;
    p->k = d->o->k;
    p->n = d->o->n;
    p->codec = d->o->codec;
    p->cadence_days = d->o->cadence_days;
    vss_polynomials_init(&p->polynomials, d->o->t, &rng);
    if (policy_default(d->o->t, p->policy, sizeof(p->policy),
                       &p->policy_size) != OK) {
        secret_free(p);
        errmsg_set(d->errmsg, "no policy is made of %u approvals", d->o->t);
        return NULL;
    }
    return p;
}

const char *deposit_way_out(const struct depositing *d)
{
    return d->o->into != NULL ? "start a new deposit in another folder"
                              : "remove that folder to start a new deposit";
}

int deposit_plan_compare(struct depositing *d)
{
    const struct journal_plan *p = d->journal.plan;
    const struct deposit_options *o = d->o;

    if (p->k != o->k || p->n != o->n || p->polynomials.t != o->t ||
        p->segment_size != o->segment_size || p->codec != o->codec ||
        strcmp(p->label, o->label) != 0) {
        errmsg_set(d->errmsg,
                   "'%s' holds an unfinished deposit with other settings; "
                   "finish it with those, or %s",
                   o->into != NULL ? o->into : d->journal.folder,
                   deposit_way_out(d));
        return ERR_MISMATCH;
    }
    if (p->data_size != d->source.size) {
        errmsg_set(d->errmsg,
                   "the model is %llu bytes now and was %llu when the deposit "
                   "began ('%s'); mend it, or %s",
                   (unsigned long long)d->source.size,
                   (unsigned long long)p->data_size, d->journal.folder,
                   deposit_way_out(d));
        return ERR_MISMATCH;
    }
    return OK;
}

static int params_make(struct depositing *d)
{
    const struct journal_plan *p = d->journal.plan;
    int rv = erasure_init(&d->params->code, p->k, p->n);

    vss_commit(&p->polynomials, d->commitments);
    content_key_derive(&d->params->key, &p->deposit_id,
                       p->polynomials.a[0].bytes, &d->key_commit);
    d->params->segment_size = p->segment_size;
    d->params->codec = (enum codec_choice)p->codec;
    return rv;
}

/* The catalogue tells of each file what lint takes it for. */
static int lint_kinds(struct depositing *d)
{
    struct lint lint;
    int rv = lint_run(&lint, &d->source, d->errmsg);

    if (rv == OK) {
        lint_close(&lint);
    }
    return rv;
}

int deposit_avoid(struct depositing *d, const char *path)
{
    if (source_holds(&d->source, path)) {
        errmsg_set(d->errmsg,
                   "'%s' is in the model itself; choose a place outside of it",
                   path);
        return ERR_ORDER;
    }
    return OK;
}

int deposit_source(struct depositing *d, const char *avoid)
{
    int rv;

    d->journal =
        (struct journal){.lock = -1, .segments = -1, .ranges = {-1, -1}};
    rv = source_open(&d->source, d->o->source, d->errmsg);
    if (rv == OK) {
        rv = lint_kinds(d);
    }
    return rv == OK ? deposit_avoid(d, avoid) : rv;
}

int deposit_begin(struct depositing *d)
{
    int rv;

    d->params = recovery_params_new();
    d->sealer = calloc(1, sizeof(*d->sealer));
    d->last = calloc(1, sizeof(*d->last));
    if (d->params == NULL || d->sealer == NULL || d->last == NULL) {
        errmsg_set(d->errmsg,
                   "no memory that can be locked; raise 'ulimit -l'");
        return ERR_NOMEM;
    }
    rv = job_open(&d->job, 0, d->errmsg);
    if (rv != OK) {
        return rv;
    }
    d->began = true;
    rv = params_make(d);
    if (rv == OK && d->journal.committed > 0) {
        rv = journal_last(&d->journal, d->last, d->errmsg);
    }
    return rv;
}

void deposit_end(struct depositing *d)
{
    if (d->began) {
        job_close(&d->job);
    }
    recovery_params_free(d->params);
    free(d->sealer);
    free(d->last);
    journal_close(&d->journal);
    source_close(&d->source);
}

void deposit_preamble(struct depositing *d,
                      uint16_t index,
                      uint8_t leaf[LEAF_SIZE])
{
    const struct journal_plan *p = d->journal.plan;
    struct shard_preamble preamble = {.deposit_id = p->deposit_id,
                                      .net = p->net,
                                      .lab = p->author,
                                      .index = index,
                                      .k = p->k,
                                      .n = p->n};

    memcpy(preamble.label, p->label, sizeof(preamble.label));
    shard_preamble_encode(&preamble, leaf);
    merkle_leaf(slice_of(leaf, LEAF_SIZE), &d->preambles[index]);
}

/* The cells of |size| bytes that do not compress; the last segment is as long
 * as it is, not a full one. */
static uint64_t cells_max(const struct journal_plan *p, uint64_t size)
{
    uint64_t full = size / p->segment_size;
    uint32_t tail = (uint32_t)(size % p->segment_size);
    uint64_t cells = full * shard_cell_max(p->k, p->segment_size);

    if (tail > 0) {
        cells += (uint64_t)shard_cell_leaves(p->k, shard_ciphertext_max(tail)) *
                 LEAF_SIZE;
    }
    return cells;
}

/* About what the catalogue takes; its numbers and digests are at most 96 bytes
 * a file, a dtype is 28. */
static uint64_t catalogue_size_about(const struct source *s)
{
    uint64_t size = 512;

    for (size_t i = 0; i < s->files_len; i++) {
        size += 96 + strlen(s->files[i].path) + 28 * s->files[i].dtypes_len;
    }
    return size;
}

uint64_t deposit_shard_size_max(const struct depositing *d)
{
    const struct journal_plan *p = d->journal.plan;
    uint64_t catalogue = catalogue_size_about(&d->source);

    return shard_size(LEAF_SIZE + cells_max(p, p->data_size) +
                          cells_max(p, catalogue),
                      segments_for(p->data_size, p->segment_size) +
                          segments_for(catalogue, p->segment_size));
}
