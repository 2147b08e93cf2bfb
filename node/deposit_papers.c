#include <stdlib.h>

#include "crypto/hash.h"
#include "crypto/secret.h"
#include "node/deposit_offline.h"
#include "node/shard_folder.h"
#include "protocol/feed.h"
#include "protocol/share.h"

void manifest_fill(const struct offline *d, uint64_t size, struct manifest *m)
{
    const struct journal_plan *p = d->journal.plan;
    uint64_t data = segments_for(p->data_size, p->segment_size);

    memset(m, 0, sizeof(*m));
    m->net = p->net;
    m->deposit_id = p->deposit_id;
    memcpy(m->label, p->label, sizeof(m->label));
    m->time_s = p->time_s;
    m->plain_size = p->data_size;
    m->segment_size = p->segment_size;
    m->segments = d->journal.committed;
    m->catalogue_segments = (uint32_t)(d->journal.committed - data);
    m->k = p->k;
    m->n = p->n;
    m->t = p->polynomials.t;
    m->shard_size = size;
    memcpy(m->roots, d->roots, sizeof(m->roots));
    m->offline = true;
    memcpy(m->commitments, d->commitments, sizeof(m->commitments));
    m->key_commit = d->key_commit;
    memcpy(m->policy, p->policy, p->policy_size);
    m->policy_size = p->policy_size;
    m->cadence_days = p->cadence_days;
}

int manifest_write(struct offline *d,
                   const struct manifest *m,
                   struct digest *manifest_hash)
{
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

int shares_write(struct offline *d, const struct digest *manifest_hash)
{
    const struct journal_plan *p = d->journal.plan;
    char *folder = path_join(d->o->into, "shares");
    struct share_file *f = secret_new(sizeof(*f));
    uint8_t *file = secret_new(SHARE_FILE_MAX);
    int rv = folder_make(folder, 0700, d->errmsg);

    if (f == NULL || file == NULL) {
        errmsg_set(d->errmsg, "no locked memory; raise 'ulimit -l'");
        rv = ERR_NOMEM;
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
