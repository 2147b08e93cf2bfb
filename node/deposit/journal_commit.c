#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "crypto/hash.h"
#include "node/deposit/journal_internal.h"

/* What is committed: the records in `segments`, and in turn `ranges-0` and
 * `ranges-1`, the ranges after the last of them. */

#define SEGMENT_RECORD 56U
#define SEGMENT_BODY   48U
#define RANGES_HEADER  24U
#define RANGES_SIZE_MAX                                                     \
    (RANGES_HEADER + MANIFEST_SHARDS_MAX * MERKLE_DEPTH_MAX * DIGEST_SIZE + \
     DIGEST_SIZE)

static const char ranges_magic[8] = {'C', 'R', 'N', 'R', 'A', 'N', 'G', 'E'};

int journal_write(int fd, uint64_t off, const uint8_t *data, size_t size)
{
    int rv = file_write_at(fd, off, data, size);

    if (rv != OK) {
        return rv;
    }
    return fdatasync(fd) == 0 ? OK : ERR_IO;
}

static size_t ranges_size(uint16_t n, uint64_t leaves)
{
    return RANGES_HEADER + n * merkle_range_nodes_len(leaves) * DIGEST_SIZE +
           DIGEST_SIZE;
}

static void ranges_encode(const struct sealer_commit *c,
                          uint16_t n,
                          uint8_t *out)
{
    size_t nodes = merkle_range_nodes_len(c->ranges[0].leaves) * DIGEST_SIZE;
    size_t at = RANGES_HEADER;
    struct digest check;

    memcpy(out, ranges_magic, sizeof(ranges_magic));
    u64le_store(out + 8, c->segment + 1);
    u64le_store(out + 16, c->offset);
    for (uint16_t i = 0; i < n; i++, at += nodes) {
        assert(c->ranges[i].leaves * LEAF_SIZE == c->offset);
        memcpy(out + at, c->ranges[i].nodes, nodes);
    }
    sha256(slice_of(out, at), &check);
    memcpy(out + at, check.bytes, DIGEST_SIZE);
}

/* Read one of the two; ERR_NOTFOUND when it is empty or torn. */
static int ranges_decode(const struct journal *j,
                         int fd,
                         struct sealer_commit *c)
{
    uint16_t n = j->plan->n;
    uint8_t *in = malloc(RANGES_SIZE_MAX);
    struct digest check;
    size_t size;
    uint64_t offset;
    int rv;

    if (in == NULL) {
        return ERR_NOMEM;
    }
    rv = file_read_at(fd, 0, in, RANGES_HEADER);
    if (rv != OK) {
        goto out;
    }
    rv = ERR_NOTFOUND;
    offset = u64le_load(in + 16);
    if (memcmp(in, ranges_magic, sizeof(ranges_magic)) != 0 ||
        u64le_load(in + 8) == 0 || offset % LEAF_SIZE != 0 ||
        offset / LEAF_SIZE >= MERKLE_LEAVES_MAX) {
        goto out;
    }
    size = ranges_size(n, offset / LEAF_SIZE);
    rv = file_read_at(fd, 0, in, size);
    if (rv != OK) {
        goto out;
    }
    sha256(slice_of(in, size - DIGEST_SIZE), &check);
    if (memcmp(check.bytes, in + size - DIGEST_SIZE, DIGEST_SIZE) != 0) {
        rv = ERR_NOTFOUND;
        goto out;
    }
    memset(c, 0, sizeof(*c));
    c->segment = u64le_load(in + 8) - 1;
    c->offset = offset;
    for (uint16_t i = 0; i < n; i++) {
        size_t nodes = merkle_range_nodes_len(offset / LEAF_SIZE) * DIGEST_SIZE;

        c->ranges[i].leaves = offset / LEAF_SIZE;
        memcpy(c->ranges[i].nodes, in + RANGES_HEADER + i * nodes, nodes);
    }
out:
    free(in);
    return rv;
}

int journal_newest(const struct journal *j,
                   struct sealer_commit *out,
                   unsigned *file,
                   char *errmsg)
{
    struct sealer_commit *other = malloc(sizeof(*other));
    int rv;
    int rv_other;

    if (other == NULL) {
        return errmsg_memory(errmsg);
    }
    *file = 0;
    rv = ranges_decode(j, j->ranges[0], out);
    rv_other = ranges_decode(j, j->ranges[1], other);
    if (rv_other == OK && (rv != OK || other->segment > out->segment)) {
        *out = *other;
        *file = 1;
        rv = OK;
    }
    free(other);
    if (rv == ERR_IO || rv_other == ERR_IO) {
        errmsg_set(errmsg, "read journal '%s': %s", j->folder, strerror(errno));
        return ERR_IO;
    }
    return rv;
}

int journal_last(const struct journal *j,
                 struct sealer_commit *out,
                 char *errmsg)
{
    unsigned file;

    return journal_newest(j, out, &file, errmsg);
}

static void record_encode(const struct sealer_segment *s, uint8_t *out)
{
    struct digest check;

    u32le_store(out, s->plain_size);
    u32le_store(out + 4, s->ciphertext_size);
    u32le_store(out + 8, s->cell_leaves);
    u32le_store(out + 12, 0);
    memcpy(out + 16, s->plain.bytes, DIGEST_SIZE);
    sha256(slice_of(out, SEGMENT_BODY), &check);
    memcpy(out + SEGMENT_BODY, check.bytes, SEGMENT_RECORD - SEGMENT_BODY);
}

int journal_commit(struct journal *j,
                   const struct sealer_commit *commit,
                   char *errmsg)
{
    uint8_t records[SEALER_BATCH * SEGMENT_RECORD];
    uint8_t *ranges = malloc(RANGES_SIZE_MAX);
    uint64_t leaves = commit->ranges[0].leaves;
    int rv = ERR_IO;

    assert(commit->count >= 1 && commit->count <= SEALER_BATCH &&
           commit->segment + 1 == j->committed + commit->count);
    if (ranges == NULL || j->failed) {
        free(ranges);
        errmsg_set(errmsg, "the journal failed before; run the command again");
        return ERR_IO;
    }
    for (unsigned i = 0; i < commit->count; i++) {
        record_encode(&commit->added[i], records + (size_t)i * SEGMENT_RECORD);
    }
    rv = journal_write(j->segments, j->committed * SEGMENT_RECORD, records,
                       (size_t)commit->count * SEGMENT_RECORD);
    if (rv == OK) {
        ranges_encode(commit, j->plan->n, ranges);
        rv = journal_write(j->ranges[j->turn], 0, ranges,
                           ranges_size(j->plan->n, leaves));
    }
    free(ranges);
    if (rv != OK) {
        j->failed = true;
        errmsg_set(errmsg,
                   "write journal '%s': %s; free space or mend the disk and "
                   "run the command again",
                   j->folder, strerror(errno));
        return rv;
    }
    j->committed += commit->count;
    j->turn ^= 1;
    return OK;
}

int journal_segment(const struct journal *j,
                    uint64_t segment,
                    struct sealer_segment *out,
                    char *errmsg)
{
    uint8_t record[SEGMENT_RECORD];
    struct digest check;
    int rv = file_read_at(j->segments, segment * SEGMENT_RECORD, record,
                          sizeof(record));

    assert(segment < j->committed);
    if (rv == OK) {
        sha256(slice_of(record, SEGMENT_BODY), &check);
        if (memcmp(record + SEGMENT_BODY, check.bytes,
                   SEGMENT_RECORD - SEGMENT_BODY) != 0) {
            rv = ERR_BAD;
        }
    }
    if (rv != OK) {
        errmsg_set(errmsg,
                   "journal '%s' is damaged at segment %llu; the deposit has "
                   "to start over in a new place",
                   j->folder, (unsigned long long)segment);
        return ERR_BAD;
    }
    out->plain_size = u32le_load(record);
    out->ciphertext_size = u32le_load(record + 4);
    out->cell_leaves = u32le_load(record + 8);
    memcpy(out->plain.bytes, record + 16, DIGEST_SIZE);
    return OK;
}
