#include "crypto/hash.h"
#include "crypto/merkle.h"

/* Nodes that are appended level by level at a time, and how many of those made
 * stay at most: an odd one of each level, from theirs to that of their root. */
#define ROW_MAX    256U
#define ROW_LEVELS 9

void merkle_range_init(struct merkle_range *r)
{
    memset(r, 0, sizeof(*r));
}

size_t merkle_range_nodes_len(uint64_t leaves)
{
    size_t len = 0;

    for (; leaves != 0; leaves &= leaves - 1) {
        len++;
    }
    return len;
}

bool merkle_range_equal(const struct merkle_range *a,
                        const struct merkle_range *b)
{
    return a->leaves == b->leaves &&
           memcmp(a->nodes, b->nodes,
                  merkle_range_nodes_len(a->leaves) * DIGEST_SIZE) == 0;
}

void merkle_range_append(struct merkle_range *r,
                         const struct digest *leaf,
                         merkle_node_cb *cb,
                         void *arg)
{
    merkle_range_append_run(r, 0, leaf, 1, cb, arg);
}

/* As in adding to a binary number: at each level two nodes carry, the range's
 * own being the first, and the odd one out stays. */
static void row_append(struct merkle_range *r,
                       unsigned level,
                       const struct digest *nodes,
                       size_t len,
                       merkle_node_cb *cb,
                       void *arg)
{
    struct digest row[ROW_MAX + 1];
    struct digest stay[ROW_LEVELS];
    size_t stay_len = 0;
    size_t top = merkle_range_nodes_len(r->leaves);
    uint64_t index = r->leaves >> level;

    memcpy(row, nodes, len * sizeof(row[0]));
    r->leaves += (uint64_t)len << level;
    while (len > 0) {
        for (size_t i = 0; i < len && cb != NULL && level > 0; i++) {
            cb(arg, level, index + i, &row[i]);
        }
        if ((index & 1) != 0) {
            memmove(&row[1], row, len * sizeof(row[0]));
            row[0] = r->nodes[--top];
            len++;
        }
        if ((len & 1) != 0) {
            assert(stay_len < ROW_LEVELS);
            stay[stay_len++] = row[len - 1];
        }
        len /= 2;
        if (len > 0) {
            merkle_nodes(row, len, row);
        }
        index >>= 1;
        level++;
    }
    while (stay_len > 0) {
        r->nodes[top++] = stay[--stay_len];
    }
}

void merkle_range_append_run(struct merkle_range *r,
                             unsigned level,
                             const struct digest *nodes,
                             size_t len,
                             merkle_node_cb *cb,
                             void *arg)
{
    assert(level <= MERKLE_DEPTH_MAX && r->leaves <= MERKLE_LEAVES_MAX);
    assert(r->leaves >> level << level == r->leaves);
    assert(len <= (MERKLE_LEAVES_MAX - r->leaves) >> level);
    while (len > 0) {
        size_t row = len < ROW_MAX ? len : ROW_MAX;

        row_append(r, level, nodes, row, cb, arg);
        nodes += row;
        len -= row;
    }
}

void merkle_range_root(const struct merkle_range *r, struct digest *out)
{
    size_t len = merkle_range_nodes_len(r->leaves);
    struct digest root;

    if (len == 0) {
        sha256(slice_of(NULL, 0), out);
        return;
    }
    root = r->nodes[--len];
    while (len > 0) {
        merkle_node(&r->nodes[--len], &root, &root);
    }
    *out = root;
}

void merkle_root(const struct digest *leaves, size_t len, struct digest *out)
{
    struct merkle_range range;

    merkle_range_init(&range);
    merkle_range_append_run(&range, 0, leaves, len, NULL, NULL);
    merkle_range_root(&range, out);
}
