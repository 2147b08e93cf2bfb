#include <stdlib.h>
#include <unistd.h>

#include "node/deposit_offline.h"
#include "node/shard_folder.h"

static void preamble_leaf(const struct offline *d,
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

/* The most that a shard can become. */
static uint64_t shard_size_max(const struct offline *d)
{
    const struct journal_plan *p = d->journal.plan;
    uint64_t catalogue = catalogue_size_about(&d->source);

    return shard_size(LEAF_SIZE + cells_max(p, p->data_size) +
                          cells_max(p, catalogue),
                      segments_for(p->data_size, p->segment_size) +
                          segments_for(catalogue, p->segment_size));
}

static int shard_begin(struct offline *d, uint16_t i, const char *folder)
{
    struct shard_file *f = &d->shards[i]->file;
    uint8_t leaf[LEAF_SIZE];
    int rv;

    preamble_leaf(d, i, leaf);
    merkle_leaf(slice_of(leaf, sizeof(leaf)), &d->preambles[i]);
    if (d->journal.committed > 0) {
        return shard_file_resume(f, folder, shard_size_max(d),
                                 &d->last->ranges[i], d->errmsg);
    }
    rv = shard_file_create(f, folder, shard_size_max(d), d->errmsg);
    if (rv == OK) {
        rv = shard_file_append(f, 0, leaf, sizeof(leaf), &d->preambles[i],
                               d->errmsg);
    }
    return rv;
}

int shards_begin(struct offline *d)
{
    const struct journal_plan *p = d->journal.plan;
    int rv = OK;

    if (d->journal.committed > 0) {
        rv = journal_last(&d->journal, d->last, d->errmsg);
    }
    for (uint16_t i = 0; i < p->n && rv == OK; i++) {
        char *folder = shard_folder_path(d->o->into, i);
        char *done = path_join(folder, "shard");

        d->shards[i] = calloc(1, sizeof(*d->shards[i]));
        if (d->shards[i] == NULL) {
            errmsg_set(d->errmsg, "out of memory");
            rv = ERR_NOMEM;
        } else if (access(done, F_OK) == 0) {
            d->sealed[i] = true;
        } else {
            rv = shard_begin(d, i, folder);
            if (rv == OK) {
                shard_stream_init(d->shards[i], i, &d->job.loop);
            }
        }
        free(done);
        free(folder);
    }
    return rv;
}

/* Where a tree goes on after the segments: into the file, or, for a shard that
 * is sealed already, only into the range that gives its root. */
struct tail {
    struct shard_file *file; /* NULL: count only */
    struct merkle_range range;
    uint64_t at;
};

static int tail_append(struct tail *t, const uint8_t *leaf, char *errmsg)
{
    struct digest hash;
    int rv = OK;

    merkle_leaf(slice_of(leaf, LEAF_SIZE), &hash);
    if (t->file != NULL) {
        rv = shard_file_append(t->file, t->at, leaf, LEAF_SIZE, &hash, errmsg);
    }
    if (rv == OK) {
        merkle_range_append(&t->range, &hash, NULL, NULL);
        t->at += LEAF_SIZE;
    }
    return rv;
}

/* Segment table, one leaf at a time, then the trailer. */
static int tail_write(struct offline *d, struct tail *t, uint16_t index)
{
    const struct journal_plan *p = d->journal.plan;
    uint64_t segments = d->journal.committed;
    struct shard_trailer trailer = {
        .index = index,
        .k = p->k,
        .n = p->n,
        .segment_size = p->segment_size,
        .segments = segments,
        .catalogue_segments =
            (uint32_t)(segments - segments_for(p->data_size, p->segment_size)),
        .table_offset = t->at,
        .deposit_id = p->deposit_id};
    uint8_t leaf[LEAF_SIZE];
    int rv = OK;

    for (uint64_t i = 0; i < segments && rv == OK;) {
        memset(leaf, 0, sizeof(leaf));
        for (size_t at = 0; at < LEAF_SIZE && i < segments && rv == OK;
             at += SHARD_TABLE_ENTRY_SIZE, i++) {
            struct journal_segment s;

            rv = journal_segment(&d->journal, i, &s, d->errmsg);
            if (rv == OK) {
                shard_segment_encode(
                    &(struct shard_segment){.leaves = s.cell_leaves,
                                            .ciphertext_size =
                                                s.ciphertext_size},
                    leaf + at);
            }
        }
        if (rv == OK) {
            rv = tail_append(t, leaf, d->errmsg);
        }
    }
    if (rv == OK) {
        shard_trailer_encode(&trailer, leaf);
        rv = tail_append(t, leaf, d->errmsg);
    }
    return rv;
}

int shards_finish(struct offline *d, uint64_t *size)
{
    int rv = journal_last(&d->journal, d->last, d->errmsg);

    for (uint16_t i = 0; i < d->journal.plan->n && rv == OK; i++) {
        struct tail t = {.file = d->sealed[i] ? NULL : &d->shards[i]->file,
                         .range = d->last->ranges[i],
                         .at = d->last->offset};

        rv = tail_write(d, &t, i);
        if (rv == OK) {
            merkle_range_root(&t.range, &d->roots[i]);
            *size = t.at;
        }
        if (rv == OK && !d->sealed[i]) {
            rv = shard_file_seal(t.file, &d->roots[i], d->errmsg);
        }
    }
    return rv;
}
