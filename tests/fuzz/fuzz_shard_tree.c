#include <sys/mman.h>
#include <unistd.h>

#include "node/shard/shard_tree.h"
#include "tests/fuzz/fuzz.h"

/* Leaves, a place to damage and a span, then bytes of the tree. */
#define HEAD_SIZE  10U
#define LEAVES_MAX 1200U

static struct digest tail[SHARD_TREE_GROUP];

/* Whatever there is, a look at it ends well or says why. */
static void look(const struct shard_tree *t, uint64_t lo, uint64_t hi)
{
    struct digest node;
    int rv = shard_tree_lookup(t, lo, hi, &node);

    assert(rv == OK || rv == ERR_NOTFOUND || rv == ERR_MISMATCH);
}

/* The root that the lowest level and the tail give. */
static int root_of(const struct shard_tree *t, struct digest *root)
{
    struct merkle_range range;
    int rv = shard_tree_range(t, t->leaves, tail, &range);

    if (rv == OK) {
        merkle_range_root(&range, root);
    }
    return rv;
}

/* A strange file is taken for a tree when all of it follows from its leaves,
 * which those who finish it would write again. */
static void fuzz_strange(struct shard_tree *t, uint64_t lo, uint64_t hi)
{
    struct digest root;
    uint64_t at = shard_tree_size(t->leaves);
    size_t len = t->leaves % SHARD_TREE_GROUP;

    look(t, lo, hi);
    if (pread(t->fd, tail, len * DIGEST_SIZE,
              (off_t)(at - len * DIGEST_SIZE)) !=
            (ssize_t)(len * DIGEST_SIZE) ||
        root_of(t, &root) != OK) {
        return;
    }
    if (shard_tree_check(t, &root) == OK) {
        assert(lseek(t->fd, 0, SEEK_END) == (off_t)at);
    }
    root.bytes[0] ^= 1;
    assert(shard_tree_check(t, &root) != OK);
}

/* What was finished is whole, and with one bit changed, or cut, it is not. */
static void fuzz_finished(struct shard_tree *t, uint64_t at)
{
    uint64_t size = shard_tree_size(t->leaves);
    struct digest root, node;
    uint8_t byte;
    bool io;
    int rv;

    rv = shard_tree_finish(t, t->leaves, tail);
    assert(rv == OK && root_of(t, &root) == OK);
    rv = shard_tree_check(t, &root);
    assert(rv == OK);
    rv = shard_tree_lookup(t, 0, t->leaves, &node);
    assert(rv == OK && digest_equal(&node, &root));

    at %= size;
    io = pread(t->fd, &byte, 1, (off_t)at) == 1;
    byte ^= (uint8_t)BIT(at % 8);
    io = io && pwrite(t->fd, &byte, 1, (off_t)at) == 1;
    assert(io);
    rv = shard_tree_check(t, &root);
    assert(rv == ERR_MISMATCH);
    byte ^= (uint8_t)BIT(at % 8);
    io = pwrite(t->fd, &byte, 1, (off_t)at) == 1 &&
         ftruncate(t->fd, (off_t)at) == 0;
    assert(io);
    rv = shard_tree_check(t, &root);
    assert(rv == ERR_MISMATCH);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct shard_tree t;
    uint64_t at, lo, hi, nodes;

    if (size < HEAD_SIZE) {
        return 0;
    }
    t.leaves = 1 + u16le_load(data) % LEAVES_MAX;
    at = u32le_load(data + 2);
    lo = u16le_load(data + 6) % t.leaves;
    hi = lo + 1 + u16le_load(data + 8) % (t.leaves - lo);
    t.fd = memfd_create("tree", 0);
    if (t.fd < 0 || write(t.fd, data + HEAD_SIZE, size - HEAD_SIZE) !=
                        (ssize_t)(size - HEAD_SIZE)) {
        return -1;
    }
    nodes = (t.leaves >> SHARD_TREE_LEVEL) * DIGEST_SIZE;
    memset(tail, (int)(at & 0xff), sizeof(tail));
    fuzz_strange(&t, lo, hi);
    if (size - HEAD_SIZE >= nodes) {
        fuzz_finished(&t, at);
        look(&t, lo, hi);
    }
    (void)close(t.fd);
    return 0;
}
