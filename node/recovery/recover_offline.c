#include <sodium.h>
#include <stdlib.h>

#include "crypto/secret.h"
#include "node/recovery/recover.h"
#include "node/shard/shard_folder.h"
#include "node/shard/shard_stream.h"

/* The shards that were brought, by index. */
struct gathering {
    struct shard_folder *folders; /* As given; without a path: left out. */
    size_t folders_len;
    struct manifest manifest;
    struct digest manifest_hash;
    struct shard_stream *streams[MANIFEST_SHARDS_MAX];
    struct mover_stream *bases[MANIFEST_SHARDS_MAX];
    unsigned good, bad;
};

static void gathering_close(struct gathering *g)
{
    for (size_t i = 0; i < MANIFEST_SHARDS_MAX; i++) {
        if (g->streams[i] != NULL) {
            shard_stream_close(g->streams[i]);
            free(g->streams[i]);
        }
    }
    for (size_t i = 0; i < g->folders_len; i++) {
        shard_folder_close(&g->folders[i]);
    }
    free(g->folders);
}

/* Look at all folders, and find out which deposit is meant. A bad one is
 * reported and left out: the others may do. */
static int gathering_look(struct gathering *g,
                          struct cli *c,
                          const struct recover_options *o,
                          char *errmsg)
{
    const struct shard_folder *most;

    g->folders = calloc(o->shards_len, sizeof(*g->folders));
    if (g->folders == NULL) {
        return errmsg_memory(errmsg);
    }
    g->folders_len = o->shards_len;
    for (size_t i = 0; i < o->shards_len; i++) {
        char said[ERRMSG_SIZE] = "";

        if (shard_folder_open(&g->folders[i], o->shards[i], said) != OK) {
            cli_note(c, "left out: %s", said);
            g->bad++;
        }
    }
    most = shard_folders_most(g->folders, g->folders_len);
    if (most == NULL) {
        errmsg_set(errmsg, "none of the folders holds a shard: the folder of "
                           "one has the files 'shard' and 'manifest' in it");
        return ERR_NOTFOUND;
    }
    g->manifest = most->manifest;
    g->manifest_hash = most->manifest_hash;
    return OK;
}

static int gathering_take(struct gathering *g,
                          struct cli *c,
                          struct job *j,
                          const struct shard_folder *f,
                          char *errmsg)
{
    char said[ERRMSG_SIZE] = "";
    struct shard_stream *s;

    if (f->path == NULL) {
        return OK;
    }
    if (!digest_equal(&g->manifest_hash, &f->manifest_hash)) {
        cli_note(c, "left out: '%s' is of another deposit", f->path);
        g->bad++;
        return OK;
    }
    if (g->streams[f->index] != NULL) {
        cli_note(c, "left out: '%s' is shard %u again", f->path, f->index);
        return OK;
    }
    s = calloc(1, sizeof(*s));
    if (s == NULL) {
        return errmsg_memory(errmsg);
    }
    if (shard_file_open(&s->file, f->path, &g->manifest.roots[f->index],
                        g->manifest.shard_size, said) != OK) {
        cli_note(c, "left out: %s", said);
        free(s);
        g->bad++;
        return OK;
    }
    shard_stream_init(s, f->index, &j->loop);
    g->streams[f->index] = s;
    g->bases[f->index] = &s->base.base;
    g->good++;
    return OK;
}

/* The segment table, from the first shard that has it undamaged. */
static int gathering_places(const struct gathering *g,
                            struct restorer_place **places,
                            char *errmsg)
{
    const struct manifest *m = &g->manifest;
    uint64_t size = shard_table_size(m->segments);
    uint64_t first = (m->shard_size - LEAF_SIZE - size) / LEAF_SIZE;
    uint8_t *table = malloc(size);
    int rv = ERR_NOTFOUND;

    /* Not larger than the file that it is in, see shard_folder_open(). */
    if (table == NULL) {
        errmsg_set(errmsg, "out of memory for the segment table");
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < m->n && rv == ERR_NOTFOUND; i++) {
        struct shard_stream *s = g->streams[i];

        if (s != NULL && shard_file_read(&s->file, first, size / LEAF_SIZE,
                                         table, s->scratch, errmsg) == OK) {
            rv = recovery_places(m, table, places, errmsg);
        }
    }
    if (rv == ERR_NOTFOUND) {
        errmsg_set(errmsg, "no shard has an undamaged segment table");
    }
    free(table);
    return rv;
}

static int shares_read(const struct recover_options *o,
                       struct share_file *shares,
                       size_t *len,
                       struct cli *c)
{
    for (size_t i = 0; i < o->shares_len; i++) {
        char errmsg[ERRMSG_SIZE];
        uint8_t *data = NULL;
        size_t size = 0;
        int rv = file_read_secret(o->shares[i], SHARE_FILE_MAX, &data, &size,
                                  errmsg);

        if (rv == OK) {
            rv = share_file_decode(&shares[*len], slice_of(data, size));
            if (rv != OK) {
                errmsg_set(errmsg, "'%s' is no opened key share", o->shares[i]);
            }
        }
        secret_free(data);
        if (rv == OK) {
            (*len)++;
        } else {
            cli_note(c, "left out: %s", errmsg);
        }
    }
    return OK;
}

static int recover_key(struct cli *c,
                       const struct recover_options *o,
                       const struct gathering *g,
                       struct content_key *key,
                       char *errmsg)
{
    struct share_file *shares =
        secret_new((o->shares_len + 1) * sizeof(*shares));
    char bad[ERRMSG_SIZE] = "";
    size_t len = 0;
    int rv;

    if (shares == NULL) {
        errmsg_set(errmsg,
                   "no locked memory for key shares; raise 'ulimit -l'");
        return ERR_NOMEM;
    }
    rv = shares_read(o, shares, &len, c);
    if (rv == OK) {
        rv = recovery_key(&g->manifest, &g->manifest_hash, shares, len, key,
                          bad, errmsg);
    }
    if (bad[0] != '\0') {
        cli_note(c, "%sleft out", bad);
    }
    secret_free(shares);
    return rv;
}

/* Name the shards that turned out damaged while they were read. */
static void gathering_report(struct cli *c, struct gathering *g)
{
    for (size_t i = 0; i < MANIFEST_SHARDS_MAX; i++) {
        if (g->streams[i] != NULL && g->streams[i]->status != OK) {
            cli_note(c, "worked around: %s", g->streams[i]->errmsg);
            g->bad++;
            g->good--;
        }
    }
}

static int recover_with(struct cli *c,
                        const struct recover_options *o,
                        struct job *j,
                        struct gathering *g,
                        struct target *target,
                        struct recover_result *result,
                        char *errmsg)
{
    struct segment_params *p = recovery_params_new();
    struct content_key *key = secret_new(sizeof(*key));
    struct restorer_place *places = NULL;
    int rv = p == NULL || key == NULL ? ERR_NOMEM : OK;

    if (rv != OK) {
        errmsg_set(errmsg, "no locked memory for the key; raise 'ulimit -l'");
        goto out;
    }
    rv = recover_key(c, o, g, key, errmsg);
    if (rv == OK) {
        rv = recovery_params(&g->manifest, key, p);
    }
    if (rv == OK) {
        rv = gathering_places(g, &places, errmsg);
    }
    if (rv != OK) {
        goto out;
    }
    rv = recovery_files(c, j, &g->manifest, p, g->bases, places, target,
                        o->only, o->only_len, errmsg);
    gathering_report(c, g);
    result->files = target->files_len;
    result->bytes = target->bytes;
out:
    free(places);
    secret_free(key);
    recovery_params_free(p);
    return rv;
}

int recover_offline(struct cli *c,
                    const struct recover_options *o,
                    struct recover_result *result,
                    char *errmsg)
{
    struct gathering *g = calloc(1, sizeof(*g));
    struct target target = {.root = -1};
    struct job j;
    int rv;

    if (g == NULL) {
        return errmsg_memory(errmsg);
    }
    rv = job_open(&j, 0, errmsg);
    if (rv != OK) {
        free(g);
        return rv;
    }
    rv = gathering_look(g, c, o, errmsg);
    if (rv == OK) {
        rv = target_open(&target, o->out, o->force, errmsg);
    }
    for (size_t i = 0; i < g->folders_len && rv == OK; i++) {
        rv = gathering_take(g, c, &j, &g->folders[i], errmsg);
    }
    if (rv == OK && g->good < g->manifest.k) {
        errmsg_set(errmsg, "%u good shards, %u are needed; bring %u more",
                   g->good, g->manifest.k, g->manifest.k - g->good);
        rv = ERR_NOTFOUND;
    }
    if (rv == OK) {
        result->deposit_id = g->manifest.deposit_id;
        memcpy(result->label, g->manifest.label, sizeof(result->label));
        rv = recover_with(c, o, &j, g, &target, result, errmsg);
        result->shards_used = g->good;
        result->shards_bad = g->bad;
    }
    target_close(&target);
    gathering_close(g);
    free(g);
    job_close(&j);
    return rv;
}
