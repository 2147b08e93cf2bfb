#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "node/shard/shard_file_private.h"

static int read_fail(const struct shard_file *f, int rv, char *errmsg)
{
    if (rv == ERR_NOTFOUND) {
        errmsg_set(errmsg, "the shard in '%s' was cut short", f->folder);
        rv = ERR_MISMATCH;
    } else if (rv == ERR_MISMATCH) {
        errmsg_set(errmsg,
                   "the shard in '%s' is damaged: the disk gave other bytes "
                   "than were sealed",
                   f->folder);
    } else {
        errmsg_set(errmsg, "read shard in '%s': %s", f->folder,
                   strerror(errno));
    }
    return rv;
}

/* Leaves as the disk has them. */
static int leaves_read(const struct shard_file *f,
                       uint64_t first,
                       uint64_t count,
                       uint8_t *mem)
{
    int rv = ERR_IO;

    if (f->direct_fd >= 0 && (uintptr_t)mem % LEAF_SIZE == 0) {
        rv = file_read_at(f->direct_fd, first * LEAF_SIZE, mem,
                          (size_t)count * LEAF_SIZE);
    }
    /* Some file systems have an alignment of their own, or say no only now. */
    return rv == ERR_IO ? file_read_at(f->fd, first * LEAF_SIZE, mem,
                                       (size_t)count * LEAF_SIZE)
                        : rv;
}

/* Check |groups| whole groups that lie at |mem|: by their sums, and where those
 * do not vouch for them by their hashes. */
static int groups_check(const struct shard_file *f,
                        uint64_t first,
                        size_t groups,
                        const uint8_t *mem)
{
    struct digest nodes[SHARD_BATCH_LEAVES];
    uint64_t index[SHARD_BATCH_LEAVES / SHARD_TREE_GROUP];
    size_t len = 0;
    int rv = OK;

    assert(groups <= sizeof(index) / sizeof(index[0]));
    for (size_t i = 0; i < groups; i++) {
        const uint8_t *at = mem + i * SHARD_TREE_GROUP * LEAF_SIZE;

        if (!shard_sums_match(&f->sums, first + i, at)) {
            merkle_leaves(at, SHARD_TREE_GROUP, &nodes[len * SHARD_TREE_GROUP]);
            index[len++] = first + i;
        }
    }
    for (size_t row = len * SHARD_TREE_GROUP; row > len; row /= 2) {
        merkle_nodes(nodes, row / 2, nodes);
    }
    for (size_t i = 0; i < len && rv == OK; i++) {
        struct digest want;

        rv = shard_tree_node(&f->tree, SHARD_TREE_LEVEL, index[i], &want);
        if (rv == OK && !digest_equal(&nodes[i], &want)) {
            rv = ERR_MISMATCH;
        }
    }
    return rv;
}

/* Check leaves of the last, incomplete group. */
static int tail_check(const struct shard_file *f,
                      uint64_t first,
                      size_t count,
                      const uint8_t *mem)
{
    int rv = OK;

    for (size_t i = 0; i < count && rv == OK; i++) {
        struct digest got;
        struct digest want;

        merkle_leaf(slice_of(mem + i * LEAF_SIZE, LEAF_SIZE), &got);
        rv = shard_tree_node(&f->tree, 0, first + i, &want);
        if (rv == OK && !digest_equal(&got, &want)) {
            rv = ERR_MISMATCH;
        }
    }
    return rv;
}

/* Read some leaves from |at|, as many as one check covers; *took of them. */
static int read_some(const struct shard_file *f,
                     uint64_t at,
                     uint64_t left,
                     uint8_t *mem,
                     uint8_t *scratch,
                     uint64_t *took)
{
    uint64_t covered = f->tree.leaves / SHARD_TREE_GROUP * SHARD_TREE_GROUP;
    uint64_t group = at / SHARD_TREE_GROUP;
    uint64_t skip = at % SHARD_TREE_GROUP;
    int rv;

    if (at >= covered) {
        *took = left;
        rv = leaves_read(f, at, left, mem);
        return rv == OK ? tail_check(f, at, (size_t)left, mem) : rv;
    }
    if (skip == 0 && left >= SHARD_TREE_GROUP) {
        uint64_t most = left < covered - at ? left : covered - at;
        size_t groups =
            (size_t)(most < SHARD_BATCH_LEAVES ? most : SHARD_BATCH_LEAVES) /
            SHARD_TREE_GROUP;

        *took = groups * SHARD_TREE_GROUP;
        rv = leaves_read(f, at, *took, mem);
        return rv == OK ? groups_check(f, group, groups, mem) : rv;
    }
    *took = SHARD_TREE_GROUP - skip < left ? SHARD_TREE_GROUP - skip : left;
    rv = leaves_read(f, group * SHARD_TREE_GROUP, SHARD_TREE_GROUP, scratch);
    if (rv == OK) {
        rv = groups_check(f, group, 1, scratch);
    }
    if (rv == OK) {
        memcpy(mem, scratch + skip * LEAF_SIZE, (size_t)*took * LEAF_SIZE);
    }
    return rv;
}

int shard_file_read(const struct shard_file *f,
                    uint64_t first,
                    uint64_t count,
                    uint8_t *mem,
                    uint8_t *scratch,
                    char *errmsg)
{
    int rv = OK;

    if (!f->sealed || first > f->tree.leaves ||
        count > f->tree.leaves - first) {
        errmsg_set(errmsg, "a place beyond the shard in '%s'", f->folder);
        return ERR_BAD;
    }
    for (uint64_t done = 0; done < count && rv == OK;) {
        uint64_t took = 0;

        rv = read_some(f, first + done, count - done, mem + done * LEAF_SIZE,
                       scratch, &took);
        done += took;
    }
    return rv == OK ? OK : read_fail(f, rv, errmsg);
}

/* A proof on its way out, for leaves [first, end). */
struct proving {
    const struct shard_file *f;
    uint64_t first, end;
    const struct digest *nodes;
    size_t used;
    uint8_t *mem; /* For the leaves of a group. */
};

/* The node over leaves [lo, hi), as the disk has it. */
static int prove_lookup(void *arg, uint64_t lo, uint64_t hi, struct digest *out)
{
    const struct proving *p = arg;
    struct digest hashes[SHARD_TREE_GROUP];
    int rv = shard_tree_lookup(&p->f->tree, lo, hi, out);

    if (rv != ERR_NOTFOUND) {
        return rv;
    }
    /* Below level 4: at most 8 leaves of one group, from the bytes. */
    assert(hi - lo <= SHARD_TREE_GROUP);
    rv = file_read_at(p->f->fd, lo * LEAF_SIZE, p->mem,
                      (size_t)(hi - lo) * LEAF_SIZE);
    if (rv == OK) {
        merkle_leaves(p->mem, (size_t)(hi - lo), hashes);
        merkle_root(hashes, (size_t)(hi - lo), out);
    }
    return rv == ERR_NOTFOUND ? ERR_MISMATCH : rv;
}

/* What a reader makes of the proof, were it given the right leaves. */
static int proof_fold(struct proving *p,
                      uint64_t lo,
                      uint64_t hi,
                      struct digest *out)
{
    struct digest left, right;
    uint64_t half = 1;
    int rv;

    if (hi <= p->first || lo >= p->end) {
        *out = p->nodes[p->used++];
        return OK;
    }
    if (lo >= p->first && hi <= p->end) {
        return prove_lookup(p, lo, hi, out);
    }
    while (half < hi - lo - half) {
        half *= 2;
    }
    rv = proof_fold(p, lo, lo + half, &left);
    if (rv == OK) {
        rv = proof_fold(p, lo + half, hi, &right);
    }
    if (rv == OK) {
        merkle_node(&left, &right, out);
    }
    return rv;
}

int shard_file_prove(const struct shard_file *f,
                     uint64_t first,
                     uint64_t count,
                     struct digest *nodes,
                     size_t nodes_max,
                     size_t *nodes_len)
{
    struct proving p = {.f = f,
                        .first = first,
                        .end = first + count,
                        .nodes = nodes,
                        .mem =
                            aligned_alloc(LEAF_SIZE, SHARD_FILE_SCRATCH_SIZE)};
    struct digest root;
    size_t len = 0;
    int rv = p.mem == NULL
                 ? ERR_NOMEM
                 : merkle_run_prove(f->tree.leaves, first, count, prove_lookup,
                                    &p, nodes, nodes_max, &len);

    if (rv == OK) {
        rv = proof_fold(&p, 0, f->tree.leaves, &root);
    }
    if (rv == OK) {
        assert(p.used == len);
        rv = digest_equal(&root, &f->root) ? OK : ERR_MISMATCH;
    }
    if (rv == OK) {
        *nodes_len = len;
    }
    free(p.mem);
    return rv;
}

int shard_file_scrub(const struct shard_file *f,
                     bool (*progress)(void *arg, uint64_t done),
                     void *arg,
                     char *errmsg)
{
    uint8_t *mem = malloc((size_t)SHARD_BATCH_LEAVES * LEAF_SIZE);
    uint8_t *scratch = malloc(SHARD_FILE_SCRATCH_SIZE);
    struct shard_file hashed = *f;
    int rv = mem == NULL || scratch == NULL ? ERR_NOMEM : OK;

    hashed.sums.fd = -1;
    for (uint64_t at = 0; at < f->tree.leaves && rv == OK;) {
        uint64_t left = f->tree.leaves - at;
        uint64_t take = left < SHARD_BATCH_LEAVES ? left : SHARD_BATCH_LEAVES;

        rv = shard_file_read(&hashed, at, take, mem, scratch, errmsg);
        at += take;
        if (rv == OK && progress != NULL && !progress(arg, at * LEAF_SIZE)) {
            rv = ERR_CANCELED;
        }
    }
    free(mem);
    free(scratch);
    return rv;
}
