#include <stdlib.h>

#include "node/shard/shard_file_private.h"

/* Nodes of level 4 that an append completes, on their way to the tree file. */
struct group_nodes {
    struct shard_tree *tree;
    struct digest nodes[SHARD_BATCH_LEAVES / SHARD_TREE_GROUP + 1];
    uint64_t first;
    size_t len;
};

static void group_node(void *arg,
                       unsigned level,
                       uint64_t index,
                       const struct digest *node)
{
    struct group_nodes *g = arg;

    if (level != SHARD_TREE_LEVEL) {
        return;
    }
    if (g->len == 0) {
        g->first = index;
    }
    assert(index == g->first + g->len &&
           g->len < sizeof(g->nodes) / sizeof(g->nodes[0]));
    g->nodes[g->len++] = *node;
}

int shard_leaves_take(struct shard_file *f,
                      const uint8_t *mem,
                      const struct digest *hashes,
                      size_t len)
{
    int rv = OK;

    for (size_t at = 0; at < len && rv == OK;) {
        size_t take =
            len - at < SHARD_BATCH_LEAVES ? len - at : SHARD_BATCH_LEAVES;
        struct group_nodes g = {.tree = &f->tree};

        shard_sums_append(&f->sums, f->range.leaves, mem + at * LEAF_SIZE,
                          take);
        merkle_range_append_run(&f->range, 0, &hashes[at], take, group_node,
                                &g);
        rv = shard_tree_append(&f->tree, g.first, g.nodes, g.len);
        at += take;
    }
    return rv;
}

int shard_leaves_rehash(struct shard_file *f, uint64_t from, uint64_t leaves)
{
    uint8_t *mem = malloc((size_t)SHARD_BATCH_LEAVES * LEAF_SIZE);
    struct digest hashes[SHARD_BATCH_LEAVES];
    int rv = mem == NULL ? ERR_NOMEM : OK;

    for (uint64_t at = from; at < leaves && rv == OK;) {
        size_t take = leaves - at < SHARD_BATCH_LEAVES ? (size_t)(leaves - at)
                                                       : SHARD_BATCH_LEAVES;

        rv = file_read_at(f->fd, at * LEAF_SIZE, mem, take * LEAF_SIZE);
        if (rv == OK) {
            merkle_leaves(mem, take, hashes);
            rv = shard_leaves_take(f, mem, hashes, take);
        }
        at += take;
    }
    free(mem);
    return rv;
}

int shard_leaves_tail(const struct shard_file *f,
                      uint64_t leaves,
                      struct digest *tail)
{
    uint64_t first = leaves / SHARD_TREE_GROUP * SHARD_TREE_GROUP;
    uint8_t *mem = malloc(SHARD_FILE_SCRATCH_SIZE);
    int rv = mem == NULL ? ERR_NOMEM : OK;

    if (rv == OK) {
        rv = file_read_at(f->fd, first * LEAF_SIZE, mem,
                          (size_t)(leaves - first) * LEAF_SIZE);
    }
    if (rv == OK) {
        merkle_leaves(mem, (size_t)(leaves - first), tail);
    }
    free(mem);
    return rv;
}
