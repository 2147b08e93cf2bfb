#include <stdlib.h>

#include "crypto/hash.h"
#include "crypto/secret.h"
#include "node/deposit/deposit_offline.h"
#include "node/shard/shard_folder.h"
#include "protocol/feed.h"
#include "protocol/share.h"

int manifest_write(struct offline *o,
                   const struct manifest *m,
                   struct digest *manifest_hash)
{
    struct depositing *d = &o->d;
    const struct journal_plan *p = d->journal.plan;
    uint8_t *payload = malloc(MANIFEST_SIZE_MAX);
    uint8_t *entry = malloc(FEED_ENTRY_MAX);
    struct feed_tip tip;
    struct sign_key key;
    size_t size = 0;
    size_t entry_size = 0;
    int rv = payload == NULL || entry == NULL ? ERR_NOMEM : OK;

    sign_key_from_seed(&key, p->seed);
    feed_tip_init(&tip, &p->net, &p->author, 0);
    if (rv == OK) {
        rv = manifest_encode(m, payload, MANIFEST_SIZE_MAX, &size);
    }
    if (rv == OK) {
        sha256(slice_of(payload, size), manifest_hash);
        rv = feed_append(&tip, &key, FEED_MANIFEST, slice_of(payload, size),
                         p->time_s * 1000, entry, FEED_ENTRY_MAX, &entry_size);
    }
    for (uint16_t i = 0; i < p->n && rv == OK; i++) {
        char *folder = shard_folder_path(d->o->into, i);
        char *path = path_join(folder, "manifest");

        rv = file_write(path, slice_of(entry, entry_size), 0644, FILE_REPLACE,
                        d->errmsg);
        free(path);
        free(folder);
    }
    sign_key_wipe(&key);
    free(payload);
    free(entry);
    return rv;
}

int shares_write(struct offline *o, const struct digest *manifest_hash)
{
    struct depositing *d = &o->d;
    const struct journal_plan *p = d->journal.plan;
    char *folder = path_join(d->o->into, "shares");
    struct share_file *f = secret_new(sizeof(*f));
    uint8_t *file = secret_new(SHARE_FILE_MAX);
    int rv = folder_make(folder, 0700, d->errmsg);

    if (f == NULL || file == NULL) {
        rv = errmsg_secret_memory(d->errmsg);
    }
    for (uint16_t i = 1; i <= p->n && rv == OK; i++) {
        char name[24];
        char *path;
        size_t size = 0;

        (void)snprintf(name, sizeof(name), "share-%02u", i);
        path = path_join(folder, name);
        f->deposit_id = p->deposit_id;
        f->manifest_hash = *manifest_hash;
        f->epoch = 0;
        vss_deal(&p->polynomials, i, &f->share);
        rv = share_file_encode(f, file, SHARE_FILE_MAX, &size);
        if (rv == OK) {
            rv = file_write(path, slice_of(file, size), 0600, FILE_REPLACE,
                            d->errmsg);
        }
        free(path);
    }
    secret_free(f);
    secret_free(file);
    free(folder);
    return rv;
}
