#include "node/deposit_offline.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "crypto/secret.h"
#include "node/lint.h"
#include "node/shard_folder.h"
#include "protocol/policy.h"

uint64_t segments_for(uint64_t size, uint32_t segment_size)
{
    return (size + segment_size - 1) / segment_size;
}

static int plan_make(struct offline *d, const char *folder)
{
    struct journal_plan *p = secret_new(sizeof(*p));
    struct sign_key key;
    struct rng rng;
    uint8_t random[32];
    int rv;

    if (p == NULL) {
        errmsg_set(d->errmsg, "no locked memory; raise 'ulimit -l'");
        return ERR_NOMEM;
    }
    rng_init_system(&rng);
    sign_key_init(&key, &rng);
    memcpy(p->seed, key.seed, sizeof(p->seed));
    memcpy(p->author.bytes, key.pk, DIGEST_SIZE);
    rng_bytes(&rng, random, sizeof(random));
    manifest_deposit_id(&p->deposit_id, &p->net, &p->author, random);
    (void)snprintf(p->label, sizeof(p->label), "%s", d->o->label);
    p->time_s = (uint64_t)time(NULL);
    p->data_size = d->source.size;
    p->segment_size = d->o->segment_size;
    p->k = d->o->k;
    p->n = d->o->n;
    p->codec = d->o->codec;
    p->cadence_days = d->o->cadence_days;
    vss_polynomials_init(&p->polynomials, d->o->t, &rng);
    rv = policy_default(d->o->t, p->policy, sizeof(p->policy), &p->policy_size);
    if (rv == OK) {
        rv =
            journal_create(&d->journal, folder, p, d->o->passphrase, d->errmsg);
    }
    sign_key_wipe(&key);
    secret_free(p);
    return rv;
}

/* Does what is asked for now agree with what was begun? */
static int plan_compare(struct offline *d)
{
    const struct journal_plan *p = d->journal.plan;
    const struct deposit_options *o = d->o;

    if (p->k != o->k || p->n != o->n || p->polynomials.t != o->t ||
        p->segment_size != o->segment_size || p->codec != o->codec ||
        strcmp(p->label, o->label) != 0) {
        errmsg_set(d->errmsg,
                   "'%s' holds an unfinished deposit with other settings; "
                   "finish it with those, or choose another folder",
                   o->into);
        return ERR_MISMATCH;
    }
    if (p->data_size != d->source.size) {
        errmsg_set(d->errmsg,
                   "the model is %llu bytes now and was %llu when the deposit "
                   "began; start a new deposit in another folder",
                   (unsigned long long)d->source.size,
                   (unsigned long long)p->data_size);
        return ERR_MISMATCH;
    }
    return OK;
}

/* A finished deposit is never written over. */
static bool into_is_free(struct offline *d)
{
    bool free_of_shards = true;

    for (uint16_t i = 0; i < MANIFEST_SHARDS_MAX && free_of_shards; i++) {
        char *folder = shard_folder_path(d->o->into, i);
        char *done = path_join(folder, "shard");

        if (access(done, F_OK) == 0) {
            errmsg_set(d->errmsg,
                       "'%s' holds a finished shard and no deposit is under "
                       "way; choose another folder",
                       folder);
            free_of_shards = false;
        }
        free(done);
        free(folder);
    }
    return free_of_shards;
}

static int plan_open(struct offline *d, bool *resumed)
{
    char *folder = path_join(d->o->into, "journal");
    int rv = journal_clean(folder, d->errmsg);

    if (rv == OK) {
        rv = journal_open(&d->journal, folder, d->o->passphrase, d->errmsg);
    }
    *resumed = rv == OK;
    if (rv == ERR_NOTFOUND) {
        rv = into_is_free(d) ? plan_make(d, folder) : ERR_EXISTS;
    } else if (rv == OK) {
        rv = plan_compare(d);
        if (rv != OK) {
            journal_close(&d->journal);
        }
    }
    free(folder);
    return rv;
}

static int params_make(struct offline *d)
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
static int lint_kinds(struct offline *d)
{
    struct lint lint;
    int rv = lint_run(&lint, &d->source, d->errmsg);

    if (rv == OK) {
        lint_close(&lint);
    }
    return rv;
}

/* A shard is finished only behind the last segment. */
static int sealed_check(struct offline *d)
{
    for (uint16_t i = 0; i < d->journal.plan->n; i++) {
        if (d->sealed[i]) {
            errmsg_set(d->errmsg,
                       "'%s' holds a finished shard %u, and its journal says "
                       "that the deposit is not so far; choose another folder",
                       d->o->into, i);
            return ERR_MISMATCH;
        }
    }
    return OK;
}

static int deposit_run(struct offline *d, struct deposit_result *result)
{
    struct manifest *m = calloc(1, sizeof(*m));
    int rv = m == NULL ? ERR_NOMEM : params_make(d);

    if (rv == OK) {
        rv = shards_begin(d);
    }
    if (rv == OK) {
        rv = source_verify(d);
    }
    if (rv == OK && !segments_all(d)) {
        rv = sealed_check(d);
        if (rv == OK) {
            rv = segments_move(d);
        }
    }
    if (rv == OK) {
        rv = source_recheck(&d->source, d->errmsg);
    }
    if (rv == OK) {
        rv = shards_finish(d, &result->shard_size);
    }
    if (rv == OK) {
        manifest_fill(d, result->shard_size, m);
        rv = manifest_write(d, m, &result->manifest_hash);
    }
    if (rv == OK) {
        rv = read_back(d, m, &result->verified);
    }
    if (rv == OK) {
        rv = shares_write(d, &result->manifest_hash);
    }
    if (rv == OK) {
        /* The names of folders that an earlier run made. */
        rv = folder_sync(d->o->into, d->errmsg);
    }
    if (rv == OK) {
        result->deposit_id = m->deposit_id;
        result->segments = m->segments;
        result->plain_size = m->plain_size;
        rv = journal_erase(&d->journal, d->errmsg);
    }
    free(m);
    return rv;
}

static void deposit_close(struct offline *d)
{
    for (size_t i = 0; i < MANIFEST_SHARDS_MAX; i++) {
        if (d->shards[i] != NULL) {
            shard_stream_close(d->shards[i]);
            free(d->shards[i]);
        }
    }
    recovery_params_free(d->params);
    free(d->sealer);
    free(d->last);
    journal_close(&d->journal);
}

int deposit_offline(struct cli *c,
                    const struct deposit_options *o,
                    struct deposit_result *result,
                    char *errmsg)
{
    struct offline *d = calloc(1, sizeof(*d));
    int rv = d == NULL ? ERR_NOMEM : OK;

    errmsg[0] = '\0';
    if (rv != OK) {
        errmsg_set(errmsg, "out of memory");
        return rv;
    }
    d->c = c;
    d->o = o;
    d->errmsg = errmsg;
    rv = source_open(&d->source, o->source, errmsg);
    if (rv != OK) {
        goto out_source;
    }
    rv = lint_kinds(d);
    if (rv == OK && source_holds(&d->source, o->into)) {
        errmsg_set(errmsg,
                   "'%s' is in the model itself; choose a folder outside of it",
                   o->into);
        rv = ERR_BAD;
    }
    if (rv == OK) {
        rv = folder_make(o->into, 0700, errmsg);
    }
    if (rv == OK) {
        rv = plan_open(d, &result->resumed);
    }
    if (rv != OK) {
        goto out_source;
    }
    errmsg[0] = '\0'; /* plan_open() tells why it does not resume. */
    d->params = recovery_params_new();
    d->sealer = calloc(1, sizeof(*d->sealer));
    d->last = calloc(1, sizeof(*d->last));
    rv = ERR_NOMEM;
    if (d->params != NULL && d->sealer != NULL && d->last != NULL) {
        rv = job_open(&d->job, 0, errmsg);
    }
    if (rv == OK) {
        rv = deposit_run(d, result);
        job_close(&d->job);
    } else if (errmsg[0] == '\0') {
        errmsg_set(errmsg, "no memory that can be locked; raise 'ulimit -l'");
    }
    deposit_close(d);
out_source:
    source_close(&d->source);
    free(d);
    return rv;
}
