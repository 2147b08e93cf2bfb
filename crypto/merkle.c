#include "crypto/merkle.h"

#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "crypto/merkle_lanes.h"
#include "crypto/setup.h"

/* How many leaves or nodes it takes before side by side beats one after the
 * other with the SHA instructions. */
#define LEAVES_MIN 8
#define NODES_MIN  12

/* What one thread needs to hash. Idle ones wait in |idle| until the process
 * ends; no more are ever made than threads hash at the same time. */
struct hasher {
    EVP_MD_CTX *md;
    struct merkle_lanes *lanes; /* NULL when not wide. */
};

#define IDLE_MAX 64
static _Atomic(struct hasher *) idle[IDLE_MAX];

static EVP_MD *md256;
static bool wide;

/* As in hash.c: without memory there is no digest, and no going on. */
static void must(bool ok)
{
    if (!ok) {
        abort();
    }
}

static struct hasher *hasher_new(void)
{
    struct hasher *h = malloc(sizeof(*h));

    assert(md256 != NULL && "primitives_init() comes first");
    must(h != NULL);
    h->md = EVP_MD_CTX_new();
    must(h->md != NULL);
    h->lanes = wide ? merkle_lanes_new() : NULL;
    return h;
}

static void hasher_free(struct hasher *h)
{
    EVP_MD_CTX_free(h->md);
    merkle_lanes_free(h->lanes);
    free(h);
}

static bool hasher_is_wide(const struct hasher *h)
{
    return wide && h->lanes != NULL;
}

static struct hasher *hasher_take(void)
{
    for (size_t i = 0; i < IDLE_MAX; i++) {
        struct hasher *h = NULL;

        if (atomic_load_explicit(&idle[i], memory_order_relaxed) != NULL) {
            h = atomic_exchange_explicit(&idle[i], NULL, memory_order_acquire);
        }
        if (h != NULL) {
            return h;
        }
    }
    return hasher_new();
}

static void hasher_put(struct hasher *h)
{
    for (size_t i = 0; i < IDLE_MAX; i++) {
        struct hasher *none = NULL;

        if (atomic_compare_exchange_strong_explicit(&idle[i], &none, h,
                                                    memory_order_release,
                                                    memory_order_relaxed)) {
            return;
        }
    }
    hasher_free(h);
}

static void hash_leaf(struct hasher *h, struct slice data, struct digest *out)
{
    static const uint8_t prefix = LEAF_PREFIX;

    must(EVP_DigestInit_ex2(h->md, md256, NULL) == 1 &&
         EVP_DigestUpdate(h->md, &prefix, 1) == 1 &&
         EVP_DigestUpdate(h->md, data.data, data.size) == 1 &&
         EVP_DigestFinal_ex(h->md, out->bytes, NULL) == 1);
}

/* In one piece: each update costs a good part of such a short hash. */
static void hash_node(struct hasher *h,
                      const struct digest *left,
                      const struct digest *right,
                      struct digest *out)
{
    uint8_t input[1 + 2 * DIGEST_SIZE] = {NODE_PREFIX};

    memcpy(input + 1, left->bytes, DIGEST_SIZE);
    memcpy(input + 1 + DIGEST_SIZE, right->bytes, DIGEST_SIZE);
    must(EVP_DigestInit_ex2(h->md, md256, NULL) == 1 &&
         EVP_DigestUpdate(h->md, input, sizeof(input)) == 1 &&
         EVP_DigestFinal_ex(h->md, out->bytes, NULL) == 1);
}

void merkle_leaf(struct slice data, struct digest *out)
{
    struct hasher *h = hasher_take();

    hash_leaf(h, data, out);
    hasher_put(h);
}

void merkle_node(const struct digest *left,
                 const struct digest *right,
                 struct digest *out)
{
    struct hasher *h = hasher_take();

    hash_node(h, left, right, out);
    hasher_put(h);
}

static size_t batch_of(size_t count)
{
    return count < MERKLE_LANES ? count : MERKLE_LANES;
}

/* At most MERKLE_LANES leaves. */
static void leaf_batch(struct hasher *h,
                       const uint8_t *const *data,
                       size_t count,
                       struct digest *out)
{
    if (count >= LEAVES_MIN && hasher_is_wide(h)) {
        merkle_lanes_leaves(h->lanes, data, count, out);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        hash_leaf(h, slice_of(data[i], LEAF_SIZE), &out[i]);
    }
}

void merkle_leaves(const uint8_t *data, size_t count, struct digest *out)
{
    struct hasher *h = hasher_take();
    const uint8_t *at[MERKLE_LANES];

    while (count > 0) {
        size_t batch = batch_of(count);

        for (size_t i = 0; i < batch; i++) {
            at[i] = data + i * LEAF_SIZE;
        }
        leaf_batch(h, at, batch, out);
        data += batch * LEAF_SIZE;
        out += batch;
        count -= batch;
    }
    hasher_put(h);
}

void merkle_leaves_at(const uint8_t *const *data,
                      size_t count,
                      struct digest *out)
{
    struct hasher *h = hasher_take();

    while (count > 0) {
        size_t batch = batch_of(count);

        leaf_batch(h, data, batch, out);
        data += batch;
        out += batch;
        count -= batch;
    }
    hasher_put(h);
}

/* At most MERKLE_LANES nodes. */
static void node_batch(struct hasher *h,
                       const struct digest *pairs,
                       size_t count,
                       struct digest *out)
{
    if (count >= NODES_MIN && hasher_is_wide(h)) {
        merkle_lanes_nodes(h->lanes, pairs, count, out);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        hash_node(h, &pairs[2 * i], &pairs[2 * i + 1], &out[i]);
    }
}

void merkle_nodes(const struct digest *pairs, size_t count, struct digest *out)
{
    struct hasher *h = hasher_take();

    while (count > 0) {
        size_t batch = batch_of(count);

        node_batch(h, pairs, batch, out);
        pairs += 2 * batch;
        out += batch;
        count -= batch;
    }
    hasher_put(h);
}

bool merkle_is_wide(void)
{
    return wide;
}

void merkle_force_portable(void)
{
    wide = false;
}

int merkle_setup(void)
{
    uint8_t bytes[LEAF_SIZE + MERKLE_LANES];
    const uint8_t *at[MERKLE_LANES];
    struct digest leaves[2 * MERKLE_LANES], nodes[MERKLE_LANES], want;

    md256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (md256 == NULL) {
        return ERR_UNSUPPORTED;
    }
    wide = merkle_lanes_are_faster();
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(i * i >> 4);
    }
    for (size_t i = 0; i < MERKLE_LANES; i++) {
        at[i] = bytes + i;
    }
    merkle_leaves_at(at, MERKLE_LANES, leaves);
    for (size_t i = 0; i < MERKLE_LANES; i++) {
        merkle_leaf(slice_of(at[i], LEAF_SIZE), &want);
        if (!digest_equal(&want, &leaves[i])) {
            return ERR_UNSUPPORTED;
        }
        leaves[MERKLE_LANES + i] = want;
    }
    merkle_nodes(leaves, MERKLE_LANES, nodes);
    for (size_t i = 0; i < MERKLE_LANES; i++) {
        merkle_node(&leaves[2 * i], &leaves[2 * i + 1], &want);
        if (!digest_equal(&want, &nodes[i])) {
            return ERR_UNSUPPORTED;
        }
    }
    return OK;
}
