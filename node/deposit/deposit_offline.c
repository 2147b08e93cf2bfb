#include "node/deposit/deposit_offline.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "crypto/secret.h"
#include "node/shard/shard_folder.h"

static int plan_make(struct depositing *d, const char *folder)
{
    struct journal_plan *p = deposit_plan_new(d);
    struct sign_key key;
    struct rng rng;
    int rv;

    if (p == NULL) {
        return ERR_NOMEM;
    }
    rng_init_system(&rng);
    sign_key_init(&key, &rng);
    memcpy(p->seed, key.seed, sizeof(p->seed));
    memcpy(p->author.bytes, key.pk, DIGEST_SIZE);
    rng_bytes(&rng, p->random.bytes, sizeof(p->random.bytes));
    manifest_deposit_id(&p->deposit_id, &p->net, &p->author, p->random.bytes);
    p->offline = true;
    rv = journal_create(&d->journal, folder, p, d->o->passphrase, d->errmsg);
    sign_key_wipe(&key);
    secret_free(p);
    return rv;
}

/* A finished deposit is never written over. */
static bool into_is_free(struct depositing *d)
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

/* May |name| be in a folder that gets shards? What begins with a dot, and what
 * mkfs leaves, is nobody's model. */
static bool name_is_ours(const char *name)
{
    return name[0] == '.' || strcmp(name, "journal") == 0 ||
           strcmp(name, "journal.done") == 0 || strcmp(name, "shares") == 0 ||
           strncmp(name, "shard-", strlen("shard-")) == 0 ||
           strcmp(name, "lost+found") == 0;
}

/* Whoever names the model where the shards should go does not find them, and
 * the opened key shares, among its files. */
static int into_is_ours(struct depositing *d)
{
    DIR *dir = opendir(d->o->into);
    const struct dirent *entry;
    int rv = OK;

    if (dir == NULL) {
        return errno == ENOENT ? OK : file_error(d->errmsg, "list", d->o->into);
    }
    while (rv == OK && (entry = readdir(dir)) != NULL) {
        if (!name_is_ours(entry->d_name)) {
            errmsg_set(d->errmsg,
                       "'%s' holds '%s', which is of no deposit; give "
                       "--offline a new or an empty folder, and the model as "
                       "the last argument",
                       d->o->into, entry->d_name);
            rv = ERR_EXISTS;
        }
    }
    (void)closedir(dir);
    return rv;
}

static int plan_open(struct depositing *d, bool *resumed)
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
        rv = deposit_plan_compare(d);
        if (rv != OK) {
            journal_close(&d->journal);
        }
    }
    free(folder);
    return rv;
}

/* A shard is finished only behind the last segment. */
static int sealed_check(struct offline *o)
{
    struct depositing *d = &o->d;

    for (uint16_t i = 0; i < d->journal.plan->n; i++) {
        if (o->sealed[i]) {
            errmsg_set(d->errmsg,
                       "'%s' holds a finished shard %u, and its journal says "
                       "that the deposit is not so far; choose another folder",
                       d->o->into, i);
            return ERR_MISMATCH;
        }
    }
    return OK;
}

static int table_read(struct offline *o,
                      const struct manifest *m,
                      uint8_t *table)
{
    uint64_t size = shard_table_size(m->segments);

    return shard_file_read(
        &o->shards[0]->file, (m->shard_size - LEAF_SIZE - size) / LEAF_SIZE,
        size / LEAF_SIZE, table, o->shards[0]->scratch, o->d.errmsg);
}

static int offline_read_back(struct offline *o,
                             const struct manifest *m,
                             uint64_t *verified)
{
    uint8_t *table = malloc(shard_table_size(m->segments));
    int rv = shards_reopen(o, m);

    if (rv == OK) {
        rv = table == NULL ? ERR_NOMEM : table_read(o, m, table);
    }
    if (rv == OK) {
        rv = read_back(&o->d, m, o->d.streams, table, verified);
    }
    free(table);
    return rv;
}

static int segments_run(struct offline *o)
{
    struct depositing *d = &o->d;
    int rv = shards_begin(o);

    if (rv == OK) {
        rv = source_verify(d);
    }
    if (rv == OK && !segments_all(d)) {
        rv = sealed_check(o);
        if (rv == OK) {
            rv = segments_move(d);
        }
    }
    if (rv == OK) {
        rv = source_recheck(&d->source, d->errmsg);
    }
    return rv == OK ? shards_finish(o) : rv;
}

static int deposit_run(struct offline *o, struct deposit_result *result)
{
    struct depositing *d = &o->d;
    struct manifest *m = calloc(1, sizeof(*m));
    int rv = m == NULL ? ERR_NOMEM : segments_run(o);

    if (rv == OK) {
        manifest_fill(d, m);
        rv = manifest_write(o, m, &result->manifest_hash);
    }
    if (rv == OK) {
        rv = offline_read_back(o, m, &result->verified);
    }
    if (rv == OK) {
        rv = shares_write(o, &result->manifest_hash);
    }
    if (rv == OK) {
        /* The names of folders that an earlier run made. */
        rv = folder_sync(d->o->into, d->errmsg);
    }
    if (rv == OK) {
        result->deposit_id = m->deposit_id;
        result->segments = m->segments;
        result->plain_size = m->plain_size;
        result->shard_size = m->shard_size;
        rv = journal_erase(&d->journal, d->errmsg);
    }
    free(m);
    return rv;
}

static const char *shard_why(struct depositing *d, uint16_t index)
{
    struct offline *o = (struct offline *)d;

    return o->shards[index]->errmsg;
}

int deposit_offline(struct cli *c,
                    const struct deposit_options *options,
                    struct deposit_result *result,
                    char *errmsg)
{
    struct offline *o = calloc(1, sizeof(*o));
    struct depositing *d = &o->d;
    int rv;

    errmsg[0] = '\0';
    if (o == NULL) {
        return errmsg_memory(errmsg);
    }
    d->c = c;
    d->o = options;
    d->errmsg = errmsg;
    d->why = shard_why;
    deposit_init(d);
    d->quorum = options->n;
    rv = deposit_source(d, options->into);
    if (rv == OK) {
        rv = into_is_ours(d);
    }
    if (rv == OK) {
        rv = folder_make(options->into, 0700, errmsg);
    }
    if (rv == OK) {
        rv = plan_open(d, &result->resumed);
    }
    if (rv == OK) {
        errmsg[0] = '\0'; /* plan_open() tells why it does not resume. */
        rv = deposit_begin(d);
    }
    if (rv == OK) {
        rv = deposit_run(o, result);
    }
    for (size_t i = 0; i < MANIFEST_SHARDS_MAX; i++) {
        if (o->shards[i] != NULL) {
            shard_stream_close(o->shards[i]);
            free(o->shards[i]);
        }
    }
    deposit_end(d);
    free(o);
    return rv;
}
