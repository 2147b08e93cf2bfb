#include "crypto/merkle.h"

#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "crypto/ipsec.h"
#include "crypto/setup.h"

/* What RFC 6962 puts before the bytes of a leaf and of a node. */
#define LEAF_PREFIX 0x00
#define NODE_PREFIX 0x01

/* Leaves or nodes that the widest kernel hashes side by side, and how many it
 * takes before that beats one after the other with the SHA instructions: a
 * batch costs the same however few of its lanes are in use. */
#define LANES      16
#define LEAVES_MIN 8
#define NODES_MIN  12

/* A lane starts one byte before a cache line: the prefix lies there, and what
 * is hashed is copied behind it, aligned. */
#define LINE_SIZE 64

/* What one thread needs to hash. Idle ones wait in |idle| until the process
 * ends; no more are ever made than threads hash at the same time. */
struct hasher {
    _Alignas(LINE_SIZE) EVP_MD_CTX *md;
#if defined(HAVE_IPSEC_MB)
    IMB_MGR *mgr; /* NULL when not wide. */
    _Alignas(LINE_SIZE) uint8_t leaves[LANES][LINE_SIZE + LEAF_SIZE];
    _Alignas(LINE_SIZE) uint8_t pairs[LANES][LINE_SIZE + 2 * DIGEST_SIZE];
#endif
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
    struct hasher *h = aligned_alloc(LINE_SIZE, sizeof(*h));

    assert(md256 != NULL && "primitives_init() comes first");
    must(h != NULL);
    h->md = EVP_MD_CTX_new();
    must(h->md != NULL);
#if defined(HAVE_IPSEC_MB)
    h->mgr = wide ? ipsec_manager_new() : NULL;
    for (size_t i = 0; i < LANES; i++) {
        h->leaves[i][LINE_SIZE - 1] = LEAF_PREFIX;
        h->pairs[i][LINE_SIZE - 1] = NODE_PREFIX;
    }
#endif
    return h;
}

static void hasher_free(struct hasher *h)
{
    EVP_MD_CTX_free(h->md);
#if defined(HAVE_IPSEC_MB)
    if (h->mgr != NULL) {
        free_mb_mgr(h->mgr);
    }
#endif
    free(h);
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

#if defined(HAVE_IPSEC_MB)

/* Hash what lies in |lane|; returns how many jobs came back, this or earlier
 * ones. */
static size_t lane_submit(struct hasher *h,
                          const uint8_t *lane,
                          size_t size,
                          struct digest *out)
{
    IMB_JOB *job = IMB_GET_NEXT_JOB(h->mgr);
    size_t done = 0;

    job->cipher_mode = IMB_CIPHER_NULL;
    job->cipher_direction = IMB_DIR_ENCRYPT;
    job->chain_order = IMB_ORDER_HASH_CIPHER;
    job->hash_alg = IMB_AUTH_SHA_256;
    job->src = lane + LINE_SIZE - 1;
    job->hash_start_src_offset_in_bytes = 0;
    job->msg_len_to_hash_in_bytes = 1 + size;
    job->auth_tag_output = out->bytes;
    job->auth_tag_output_len_in_bytes = DIGEST_SIZE;
    job = IMB_SUBMIT_JOB_NOCHECK(h->mgr);
    for (; job != NULL; job = IMB_GET_COMPLETED_JOB(h->mgr)) {
        must(job->status == IMB_STATUS_COMPLETED);
        done++;
    }
    return done;
}

/* Get the last |count| jobs back: nothing stays in the queue of the manager. */
static void lanes_flush(struct hasher *h, size_t count)
{
    for (; count > 0; count--) {
        IMB_JOB *job = IMB_FLUSH_JOB(h->mgr);

        must(job != NULL && job->status == IMB_STATUS_COMPLETED);
    }
}

/* Copy |count| cache lines, and have as many of |next| brought near. */
static void lines_copy(uint8_t *to,
                       const uint8_t *from,
                       const uint8_t *next,
                       size_t count)
{
    for (size_t i = 0; i < count; i++) {
        __builtin_prefetch(next + i * LINE_SIZE);
        memcpy(to + i * LINE_SIZE, from + i * LINE_SIZE, LINE_SIZE);
    }
}

/* Copy |leaf| into a lane. Leaves often come from memory that no cache holds,
 * and a copy alone waits for each part of it: so half a leaf is asked for
 * ahead, at the end that of |next|. */
static void leaf_copy(uint8_t *lane, const uint8_t *leaf, const uint8_t *next)
{
    const size_t half = LEAF_SIZE / 2;

    lines_copy(lane, leaf, leaf + half, half / LINE_SIZE);
    lines_copy(lane + half, leaf + half, next, half / LINE_SIZE);
}

/* At most LANES leaves. */
static void leaf_lanes(struct hasher *h,
                       const uint8_t *const *data,
                       size_t count,
                       struct digest *out)
{
    size_t done = 0;

    for (size_t i = 0; i < count; i++) {
        leaf_copy(h->leaves[i] + LINE_SIZE, data[i],
                  data[i + 1 < count ? i + 1 : i]);
        done += lane_submit(h, h->leaves[i], LEAF_SIZE, &out[i]);
    }
    lanes_flush(h, count - done);
}

/* At most LANES nodes. A digest is written only after both its children, and
 * all that lies before them, were copied. */
static void node_lanes(struct hasher *h,
                       const struct digest *pairs,
                       size_t count,
                       struct digest *out)
{
    size_t done = 0;

    for (size_t i = 0; i < count; i++) {
        memcpy(h->pairs[i] + LINE_SIZE, &pairs[2 * i], 2 * DIGEST_SIZE);
        done += lane_submit(h, h->pairs[i], 2 * DIGEST_SIZE, &out[i]);
    }
    lanes_flush(h, count - done);
}

static bool hasher_is_wide(const struct hasher *h)
{
    return wide && h->mgr != NULL;
}

/* Where the processor has the SHA instructions, OpenSSL's use of them beats
 * eight lanes of AVX2; sixteen lanes of AVX-512 beat both. */
static bool wide_is_faster(void)
{
    IMB_MGR *mgr = ipsec_manager_new();
    bool faster;

    if (mgr == NULL) {
        return false;
    }
    faster =
        (mgr->features & IMB_FEATURE_AVX512_SKX) == IMB_FEATURE_AVX512_SKX ||
        (mgr->features & IMB_FEATURE_SHANI) == 0;
    free_mb_mgr(mgr);
    return faster;
}

#else

static void leaf_lanes(struct hasher *h,
                       const uint8_t *const *data,
                       size_t count,
                       struct digest *out)
{
    (void)h, (void)data, (void)count, (void)out;
    abort();
}

static void node_lanes(struct hasher *h,
                       const struct digest *pairs,
                       size_t count,
                       struct digest *out)
{
    (void)h, (void)pairs, (void)count, (void)out;
    abort();
}

static bool hasher_is_wide(const struct hasher *h)
{
    (void)h;
    return false;
}

static bool wide_is_faster(void)
{
    return false;
}

#endif

static size_t batch_of(size_t count)
{
    return count < LANES ? count : LANES;
}

/* At most LANES leaves. */
static void leaf_batch(struct hasher *h,
                       const uint8_t *const *data,
                       size_t count,
                       struct digest *out)
{
    if (count >= LEAVES_MIN && hasher_is_wide(h)) {
        leaf_lanes(h, data, count, out);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        hash_leaf(h, slice_of(data[i], LEAF_SIZE), &out[i]);
    }
}

void merkle_leaves(const uint8_t *data, size_t count, struct digest *out)
{
    struct hasher *h = hasher_take();
    const uint8_t *at[LANES];

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

/* At most LANES nodes. */
static void node_batch(struct hasher *h,
                       const struct digest *pairs,
                       size_t count,
                       struct digest *out)
{
    if (count >= NODES_MIN && hasher_is_wide(h)) {
        node_lanes(h, pairs, count, out);
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
    uint8_t bytes[LEAF_SIZE + LANES];
    const uint8_t *at[LANES];
    struct digest leaves[2 * LANES], nodes[LANES], want;

    md256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (md256 == NULL) {
        return ERR_UNSUPPORTED;
    }
    wide = wide_is_faster();
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(i * i >> 4);
    }
    for (size_t i = 0; i < LANES; i++) {
        at[i] = bytes + i;
    }
    merkle_leaves_at(at, LANES, leaves);
    for (size_t i = 0; i < LANES; i++) {
        merkle_leaf(slice_of(at[i], LEAF_SIZE), &want);
        if (!digest_equal(&want, &leaves[i])) {
            return ERR_UNSUPPORTED;
        }
        leaves[LANES + i] = want;
    }
    merkle_nodes(leaves, LANES, nodes);
    for (size_t i = 0; i < LANES; i++) {
        merkle_node(&leaves[2 * i], &leaves[2 * i + 1], &want);
        if (!digest_equal(&want, &nodes[i])) {
            return ERR_UNSUPPORTED;
        }
    }
    return OK;
}
