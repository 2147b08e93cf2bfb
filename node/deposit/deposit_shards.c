#include <stdlib.h>
#include <unistd.h>

#include "node/deposit/deposit_offline.h"
#include "node/shard/shard_folder.h"

static int shard_begin(struct offline *o, uint16_t i, const char *folder)
{
    struct depositing *d = &o->d;
    struct shard_file *f = &o->shards[i]->file;
    uint64_t size_max = deposit_shard_size_max(d);
    uint8_t leaf[LEAF_SIZE];
    int rv;

    deposit_preamble(d, i, leaf);
    if (d->journal.committed > 0) {
        return shard_file_resume(f, folder, size_max, &d->last->ranges[i],
                                 d->errmsg);
    }
    rv = shard_file_create(f, folder, size_max, d->errmsg);
    if (rv == OK) {
        rv = shard_file_append(f, 0, leaf, sizeof(leaf), &d->preambles[i],
                               d->errmsg);
    }
    return rv;
}

int shards_begin(struct offline *o)
{
    struct depositing *d = &o->d;
    int rv = OK;

    for (uint16_t i = 0; i < d->journal.plan->n && rv == OK; i++) {
        char *folder = shard_folder_path(d->o->into, i);
        char *done = path_join(folder, "shard");

        o->shards[i] = calloc(1, sizeof(*o->shards[i]));
        if (o->shards[i] == NULL) {
            rv = errmsg_memory(d->errmsg);
        } else if (access(done, F_OK) == 0) {
            o->sealed[i] = true;
        } else {
            rv = shard_begin(o, i, folder);
            if (rv == OK) {
                shard_stream_init(o->shards[i], i, &d->job.loop);
                d->streams[i] = &o->shards[i]->base.base;
            }
        }
        free(done);
        free(folder);
    }
    return rv;
}

/* Segment table, then trailer, into the file of a shard. */
static int tail_write(struct offline *o, uint16_t index)
{
    struct depositing *d = &o->d;
    struct shard_file *f = &o->shards[index]->file;
    uint64_t at = d->last->offset;
    uint8_t leaf[LEAF_SIZE];
    int rv = OK;

    for (; at < d->shard_size - LEAF_SIZE && rv == OK; at += LEAF_SIZE) {
        rv = tail_table(d, at - d->last->offset, leaf, LEAF_SIZE, d->errmsg);
        if (rv == OK) {
            rv = shard_file_append(f, at, leaf, LEAF_SIZE, NULL, d->errmsg);
        }
    }
    if (rv == OK) {
        tail_trailer(d, index, leaf);
        rv = shard_file_append(f, at, leaf, LEAF_SIZE, NULL, d->errmsg);
    }
    return rv;
}

int shards_finish(struct offline *o)
{
    struct depositing *d = &o->d;
    int rv = tail_roots(d);

    for (uint16_t i = 0; i < d->journal.plan->n && rv == OK; i++) {
        if (o->sealed[i]) {
            continue;
        }
        rv = tail_write(o, i);
        if (rv == OK) {
            rv = shard_file_seal(&o->shards[i]->file, &d->roots[i], d->errmsg);
        }
    }
    return rv;
}

int shards_reopen(struct offline *o, const struct manifest *m)
{
    struct depositing *d = &o->d;
    int rv = OK;

    for (uint16_t i = 0; i < m->n && rv == OK; i++) {
        char *folder = shard_folder_path(d->o->into, i);

        shard_stream_close(o->shards[i]);
        rv = shard_file_open(&o->shards[i]->file, folder, &m->roots[i],
                             m->shard_size, d->errmsg);
        if (rv == OK) {
            shard_stream_init(o->shards[i], i, &d->job.loop);
            d->streams[i] = &o->shards[i]->base.base;
        }
        free(folder);
    }
    return rv;
}
