#include "node/shard/shard_tree.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define NODES_AT_ONCE 2048U

static int nodes_read(int fd, uint64_t off, struct digest *out, size_t len)
{
    return file_read_at(fd, off, out->bytes, len * DIGEST_SIZE);
}

static int nodes_write(int fd,
                       uint64_t off,
                       const struct digest *nodes,
                       size_t len)
{
    return file_write_at(fd, off, nodes->bytes, len * DIGEST_SIZE);
}

/* Where a level begins; the level after the last is the tail. */
static uint64_t level_offset(uint64_t leaves, unsigned level)
{
    uint64_t nodes = 0;

    for (unsigned l = SHARD_TREE_LEVEL; l < level; l++) {
        nodes += leaves >> l;
    }
    return nodes * DIGEST_SIZE;
}

static unsigned level_end(uint64_t leaves)
{
    unsigned level = SHARD_TREE_LEVEL;

    while (level < MERKLE_DEPTH_MAX && (leaves >> level) > 0) {
        level++;
    }
    return level;
}

uint64_t shard_tree_size(uint64_t leaves)
{
    return level_offset(leaves, level_end(leaves)) +
           leaves % SHARD_TREE_GROUP * DIGEST_SIZE;
}

int shard_tree_append(struct shard_tree *t,
                      uint64_t first,
                      const struct digest *nodes,
                      size_t len)
{
    return len == 0 ? OK : nodes_write(t->fd, first * DIGEST_SIZE, nodes, len);
}

int shard_tree_range(const struct shard_tree *t,
                     uint64_t leaves,
                     const struct digest *tail,
                     struct merkle_range *range)
{
    uint64_t total = leaves >> SHARD_TREE_LEVEL;
    struct digest *nodes = malloc(NODES_AT_ONCE * sizeof(*nodes));
    int rv = nodes == NULL ? ERR_NOMEM : OK;

    merkle_range_init(range);
    for (uint64_t at = 0; at < total && rv == OK;) {
        size_t take =
            total - at < NODES_AT_ONCE ? (size_t)(total - at) : NODES_AT_ONCE;

        rv = nodes_read(t->fd, at * DIGEST_SIZE, nodes, take);
        if (rv == OK) {
            merkle_range_append_run(range, SHARD_TREE_LEVEL, nodes, take, NULL,
                                    NULL);
        }
        at += take;
    }
    if (rv == OK) {
        merkle_range_append_run(range, 0, tail, leaves % SHARD_TREE_GROUP, NULL,
                                NULL);
    }
    free(nodes);
    return rv;
}

/* Make level |level| + 1 from |level|, or compare with what is there. */
static int level_above(const struct shard_tree *t,
                       uint64_t leaves,
                       unsigned level,
                       bool write,
                       struct digest *buf)
{
    uint64_t from = level_offset(leaves, level);
    uint64_t to = level_offset(leaves, level + 1);
    uint64_t total = leaves >> (level + 1);
    struct digest *out = buf + NODES_AT_ONCE;
    struct digest *seen = out + NODES_AT_ONCE / 2;
    int rv = OK;

    for (uint64_t at = 0; at < total && rv == OK;) {
        size_t take = total - at < NODES_AT_ONCE / 2 ? (size_t)(total - at)
                                                     : NODES_AT_ONCE / 2;

        rv = nodes_read(t->fd, from + 2 * at * DIGEST_SIZE, buf, 2 * take);
        if (rv == OK) {
            merkle_nodes(buf, take, out);
        }
        if (rv == OK && write) {
            rv = nodes_write(t->fd, to + at * DIGEST_SIZE, out, take);
        } else if (rv == OK) {
            rv = nodes_read(t->fd, to + at * DIGEST_SIZE, seen, take);
            if (rv == OK && memcmp(seen, out, take * DIGEST_SIZE) != 0) {
                rv = ERR_MISMATCH;
            }
        }
        at += take;
    }
    return rv;
}

static int levels_above(const struct shard_tree *t, uint64_t leaves, bool write)
{
    struct digest *buf = malloc((size_t)2 * NODES_AT_ONCE * sizeof(*buf));
    int rv = buf == NULL ? ERR_NOMEM : OK;

    for (unsigned level = SHARD_TREE_LEVEL;
         level + 1 < level_end(leaves) && rv == OK; level++) {
        rv = level_above(t, leaves, level, write, buf);
    }
    free(buf);
    return rv;
}

int shard_tree_finish(struct shard_tree *t,
                      uint64_t leaves,
                      const struct digest *tail)
{
    int rv = levels_above(t, leaves, true);

    if (rv == OK && leaves % SHARD_TREE_GROUP > 0) {
        rv = nodes_write(t->fd, level_offset(leaves, level_end(leaves)), tail,
                         leaves % SHARD_TREE_GROUP);
    }
    if (rv == OK && ftruncate(t->fd, (off_t)shard_tree_size(leaves)) != 0) {
        rv = ERR_IO;
    }
    if (rv == OK) {
        t->leaves = leaves;
    }
    return rv;
}

int shard_tree_check(const struct shard_tree *t, const struct digest *root)
{
    struct digest tail[SHARD_TREE_GROUP];
    struct merkle_range range;
    struct digest got;
    off_t end = lseek(t->fd, 0, SEEK_END);
    int rv = OK;

    if (end < 0 || (uint64_t)end != shard_tree_size(t->leaves)) {
        return ERR_MISMATCH;
    }
    if (t->leaves % SHARD_TREE_GROUP > 0) {
        rv = nodes_read(t->fd, level_offset(t->leaves, level_end(t->leaves)),
                        tail, t->leaves % SHARD_TREE_GROUP);
    }
    if (rv == OK) {
        rv = shard_tree_range(t, t->leaves, tail, &range);
    }
    if (rv == OK) {
        merkle_range_root(&range, &got);
        rv = digest_equal(&got, root) ? levels_above(t, t->leaves, false)
                                      : ERR_MISMATCH;
    }
    return rv;
}

int shard_tree_node(const struct shard_tree *t,
                    unsigned level,
                    uint64_t index,
                    struct digest *out)
{
    uint64_t off;
    int rv;

    if (level == 0) {
        uint64_t covered = t->leaves / SHARD_TREE_GROUP * SHARD_TREE_GROUP;

        assert(index >= covered && index < t->leaves);
        off = level_offset(t->leaves, level_end(t->leaves)) +
              (index - covered) * DIGEST_SIZE;
    } else {
        assert(level >= SHARD_TREE_LEVEL && level < MERKLE_DEPTH_MAX &&
               index < t->leaves >> level);
        off = level_offset(t->leaves, level) + index * DIGEST_SIZE;
    }
    rv = nodes_read(t->fd, off, out, 1);
    /* It was whole when it was opened. */
    return rv == ERR_NOTFOUND ? ERR_MISMATCH : rv;
}

/* The ragged right edge splits into at most one perfect node a level. */
int shard_tree_lookup(const struct shard_tree *t,
                      uint64_t lo,
                      uint64_t hi,
                      struct digest *out)
{
    struct merkle_range range;
    uint64_t covered = t->leaves / SHARD_TREE_GROUP * SHARD_TREE_GROUP;
    uint64_t at = lo;
    int rv = OK;

    merkle_range_init(&range);
    while (at < hi && rv == OK) {
        unsigned level = 0;
        struct digest node;

        while (level + 1 < MERKLE_DEPTH_MAX &&
               (at - lo) % ((uint64_t)2 << level) == 0 &&
               at + ((uint64_t)2 << level) <= hi) {
            level++;
        }
        if (at >= covered) {
            rv = shard_tree_node(t, 0, at, &node);
            level = 0;
        } else if (level < SHARD_TREE_LEVEL || at % ((uint64_t)1 << level)) {
            rv = ERR_NOTFOUND;
        } else {
            rv = shard_tree_node(t, level, at >> level, &node);
        }
        if (rv == OK) {
            merkle_range_append_run(&range, level, &node, 1, NULL, NULL);
            at += (uint64_t)1 << level;
        }
    }
    if (rv == OK) {
        merkle_range_root(&range, out);
    }
    return rv;
}
