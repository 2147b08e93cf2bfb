#include "crypto/hash.h"
#include "crypto/merkle.h"

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
    merkle_range_append_subtree(r, 0, leaf, cb, arg);
}

void merkle_range_append_subtree(struct merkle_range *r,
                                 unsigned level,
                                 const struct digest *node,
                                 merkle_node_cb *cb,
                                 void *arg)
{
    size_t len = merkle_range_nodes_len(r->leaves);
    struct digest top = *node;
    uint64_t index;

    assert(level <= MERKLE_DEPTH_MAX && r->leaves <= MERKLE_LEAVES_MAX);
    index = r->leaves >> level;
    assert(index << level == r->leaves);
    assert(MERKLE_LEAVES_MAX - r->leaves >= (uint64_t)1 << level);
    r->leaves += (uint64_t)1 << level;
    if (cb != NULL && level > 0) {
        cb(arg, level, index, &top);
    }
    /* As in adding one to a binary number: equal subtrees carry. */
    for (; (index & 1) != 0; index >>= 1) {
        merkle_node(&r->nodes[--len], &top, &top);
        level++;
        if (cb != NULL) {
            cb(arg, level, index >> 1, &top);
        }
    }
    r->nodes[len] = top;
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
