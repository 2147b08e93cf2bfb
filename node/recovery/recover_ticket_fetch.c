#include <stdlib.h>

#include "crypto/secret.h"
#include "node/recovery/recover_ticket_internal.h"

/* With the shares: the key, the segment table, the files. */

/* --- Opened shares, for other readers ------------------------------------ */

static int share_save(const char *folder,
                      const struct share_file *f,
                      uint8_t *bytes,
                      char *errmsg)
{
    char name[24];
    char *path;
    uint8_t *there = NULL;
    size_t there_size = 0;
    size_t size = 0;
    int rv = share_file_encode(f, bytes, SHARE_FILE_MAX, &size);

    if (rv != OK) {
        return rv;
    }
    (void)snprintf(name, sizeof(name), "share-%02u", f->share.index);
    path = path_join(folder, name);
    rv = file_write(path, slice_of(bytes, size), 0600, FILE_NEW, errmsg);
    if (rv == ERR_EXISTS) {
        rv =
            file_read_secret(path, SHARE_FILE_MAX, &there, &there_size, errmsg);
        if (rv == OK &&
            (there_size != size || !secret_equal(there, bytes, size))) {
            errmsg_set(errmsg,
                       "'%s' is another key share; give another folder with "
                       "--save-shares",
                       path);
            rv = ERR_EXISTS;
        }
        secret_free(there);
    }
    free(path);
    return rv;
}

static int shares_save(struct cli *c,
                       const char *folder,
                       const struct share_file *shares,
                       size_t len,
                       char *errmsg)
{
    uint8_t *bytes = secret_new(SHARE_FILE_MAX);
    int rv = folder_make(folder, 0700, errmsg);

    if (bytes == NULL) {
        errmsg_set(errmsg, "no locked memory; raise 'ulimit -l'");
        rv = ERR_NOMEM;
    }
    for (size_t i = 0; i < len && rv == OK; i++) {
        rv = share_save(folder, &shares[i], bytes, errmsg);
    }
    secret_free(bytes);
    if (rv == OK) {
        cli_note(c,
                 "%zu opened key shares are in '%s': with k shards they open "
                 "the deposit; remove them as soon as they are not needed",
                 len, folder);
    }
    return rv;
}

/* --- Fetching ------------------------------------------------------------ */

static int table_read(const struct ticket_fetching *f,
                      uint16_t column,
                      uint8_t *table,
                      struct restorer_place **places,
                      char *errmsg)
{
    const struct manifest *m = f->manifest;
    uint64_t size = shard_table_size(m->segments);
    uint64_t first = (m->shard_size - LEAF_SIZE - size) / LEAF_SIZE;
    int rv = client_read(f->client, column, first, size / LEAF_SIZE, table);

    if (rv == OK) {
        rv = recovery_places(m, table, places, errmsg);
    } else if (rv == ERR_CANCELED) {
        errmsg_set(errmsg, "interrupted; run the same command to go on");
    }
    return rv;
}

/* The segment table from the first steward that gives it, those that are
 * connected first. A table that is what the lab sealed and yet does not fit
 * the manifest is the same in every shard. */
static int table_fetch(const struct ticket_fetching *f,
                       struct restorer_place **places,
                       char *errmsg)
{
    const struct manifest *m = f->manifest;
    uint8_t *table = malloc(shard_table_size(m->segments));
    int rv = ERR_IO;

    if (table == NULL) {
        errmsg_set(errmsg, "out of memory for the segment table");
        return ERR_NOMEM;
    }
    assert(m->n > 0); /* manifest_decode() */
    for (uint32_t i = 0; i < 2U * m->n && rv != OK; i++) {
        uint16_t column = (uint16_t)(i % m->n);
        struct recoverer_column now;

        recoverer_column(f->gathering->recoverer, column, &now);
        if (now.up != (i < m->n)) {
            continue;
        }
        rv = table_read(f, column, table, places, errmsg);
        if (rv == ERR_CANCELED || rv == ERR_BAD || rv == ERR_NOMEM) {
            break;
        }
    }
    free(table);
    if (rv == OK || rv == ERR_CANCELED || rv == ERR_BAD || rv == ERR_NOMEM) {
        return rv;
    }
    errmsg_set(errmsg, "no steward gave an undamaged segment table");
    return ERR_NOTFOUND;
}

static int fetch_key(const struct ticket_fetching *f,
                     struct segment_params *p,
                     char *errmsg)
{
    const struct ticket_papers *papers = f->gathering->papers;
    const struct share_file *shares = NULL;
    size_t len = recoverer_shares(f->gathering->recoverer, &shares);
    struct content_key *key = secret_new(sizeof(*key));
    char bad[ERRMSG_SIZE] = "";
    int rv = ERR_NOMEM;

    if (key == NULL) {
        errmsg_set(errmsg, "no locked memory for the key; raise 'ulimit -l'");
        return rv;
    }
    rv = recovery_key(f->manifest, &papers->facts->manifest_hash, shares, len,
                      key, bad, errmsg);
    if (rv == OK) {
        rv = recovery_params(f->manifest, key, p);
    }
    secret_free(key);
    if (rv == OK && f->o->save_shares != NULL) {
        rv = shares_save(f->cli, f->o->save_shares, shares, len, errmsg);
    }
    return rv;
}

static int fetch_files(const struct ticket_fetching *f,
                       const struct segment_params *p,
                       const struct restorer_place *places,
                       char *errmsg)
{
    int rv = recovery_files(f->cli, f->job, f->manifest, p,
                            client_streams(f->client), places, f->target,
                            f->o->only, f->o->only_len, errmsg);

    f->result->files = f->target->files_len;
    f->result->bytes = f->target->bytes;
    return rv;
}

int ticket_fetch(const struct ticket_fetching *f, char *errmsg)
{
    struct segment_params *p = recovery_params_new();
    struct restorer_place *places = NULL;
    int rv = ERR_NOMEM;

    if (p == NULL) {
        errmsg_set(errmsg, "no locked memory for the key; raise 'ulimit -l'");
        return rv;
    }
    rv = client_manifest(f->client, f->manifest);
    if (rv != OK) {
        errmsg_set(errmsg, "out of memory");
    }
    if (rv == OK) {
        rv = fetch_key(f, p, errmsg);
    }
    if (rv == OK) {
        rv = table_fetch(f, &places, errmsg);
    }
    if (rv == OK) {
        rv = fetch_files(f, p, places, errmsg);
    }
    free(places);
    recovery_params_free(p);
    return rv;
}
