#include "crypto/merkle.h"

#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "crypto/ipsec.h"
#include "crypto/setup.h"

/* What RFC 6962 puts before the bytes of a leaf and of a node. */
#define LEAF_PREFIX 0x00
#define NODE_PREFIX 0x01

/* Leaves that the widest kernel hashes side by side, and how many it takes
 * before that beats one after the other with the SHA instructions: a batch
 * costs the same however few of its lanes are in use. */
#define LANES     16
#define LANES_MIN 8

/* A lane starts one byte before a cache line: the prefix lies there, and the
 * leaf is copied behind it, aligned. */
#define LINE_SIZE 64

/* What one thread needs to hash. Idle ones wait in |idle| until the process
 * ends; no more are ever made than threads hash at the same time. */
struct hasher {
    _Alignas(LINE_SIZE) EVP_MD_CTX *md;
#if defined(HAVE_IPSEC_MB)
    IMB_MGR *mgr; /* NULL when not wide. */
    _Alignas(LINE_SIZE) uint8_t lanes[LANES][LINE_SIZE + LEAF_SIZE];
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
        h->lanes[i][LINE_SIZE - 1] = LEAF_PREFIX;
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

static void hash_prefixed(struct hasher *h,
                          uint8_t prefix,
                          struct slice a,
                          struct slice b,
                          struct digest *out)
{
    must(EVP_DigestInit_ex2(h->md, md256, NULL) == 1 &&
         EVP_DigestUpdate(h->md, &prefix, 1) == 1 &&
         EVP_DigestUpdate(h->md, a.data, a.size) == 1 &&
         EVP_DigestUpdate(h->md, b.data, b.size) == 1 &&
         EVP_DigestFinal_ex(h->md, out->bytes, NULL) == 1);
}

void merkle_leaf(struct slice data, struct digest *out)
{
    struct hasher *h = hasher_take();

    hash_prefixed(h, LEAF_PREFIX, data, slice_of(NULL, 0), out);
    hasher_put(h);
}

void merkle_node(const struct digest *left,
                 const struct digest *right,
                 struct digest *out)
{
    struct hasher *h = hasher_take();

    hash_prefixed(h, NODE_PREFIX, digest_slice(left), digest_slice(right), out);
    hasher_put(h);
}

#if defined(HAVE_IPSEC_MB)

static void job_fill(struct hasher *h, size_t lane, struct digest *out)
{
    IMB_JOB *job = IMB_GET_NEXT_JOB(h->mgr);

    job->cipher_mode = IMB_CIPHER_NULL;
    job->cipher_direction = IMB_DIR_ENCRYPT;
    job->chain_order = IMB_ORDER_HASH_CIPHER;
    job->hash_alg = IMB_AUTH_SHA_256;
    job->src = h->lanes[lane] + LINE_SIZE - 1;
    job->hash_start_src_offset_in_bytes = 0;
    job->msg_len_to_hash_in_bytes = 1 + LEAF_SIZE;
    job->auth_tag_output = out->bytes;
    job->auth_tag_output_len_in_bytes = DIGEST_SIZE;
}

/* At most LANES leaves. Nothing stays in the queue of the manager. */
static void hash_lanes(struct hasher *h,
                       const uint8_t *const *data,
                       size_t count,
                       struct digest *out)
{
    size_t done = 0;

    for (size_t i = 0; i < count; i++) {
        IMB_JOB *job;

        memcpy(h->lanes[i] + LINE_SIZE, data[i], LEAF_SIZE);
        job_fill(h, i, &out[i]);
        job = IMB_SUBMIT_JOB(h->mgr);
        for (; job != NULL; job = IMB_GET_COMPLETED_JOB(h->mgr)) {
            must(job->status == IMB_STATUS_COMPLETED);
            done++;
        }
    }
    for (; done < count; done++) {
        IMB_JOB *job = IMB_FLUSH_JOB(h->mgr);

        must(job != NULL && job->status == IMB_STATUS_COMPLETED);
    }
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

static void hash_lanes(struct hasher *h,
                       const uint8_t *const *data,
                       size_t count,
                       struct digest *out)
{
    (void)h, (void)data, (void)count, (void)out;
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

/* At most LANES leaves. */
static void hash_batch(struct hasher *h,
                       const uint8_t *const *data,
                       size_t count,
                       struct digest *out)
{
    if (count >= LANES_MIN && hasher_is_wide(h)) {
        hash_lanes(h, data, count, out);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        hash_prefixed(h, LEAF_PREFIX, slice_of(data[i], LEAF_SIZE),
                      slice_of(NULL, 0), &out[i]);
    }
}

void merkle_leaves(const uint8_t *data, size_t count, struct digest *out)
{
    struct hasher *h = hasher_take();
    const uint8_t *at[LANES];

    while (count > 0) {
        size_t batch = count < LANES ? count : LANES;

        for (size_t i = 0; i < batch; i++) {
            at[i] = data + i * LEAF_SIZE;
        }
        hash_batch(h, at, batch, out);
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
        size_t batch = count < LANES ? count : LANES;

        hash_batch(h, data, batch, out);
        data += batch;
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
    struct digest got[LANES], want;

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
    merkle_leaves_at(at, LANES, got);
    for (size_t i = 0; i < LANES; i++) {
        merkle_leaf(slice_of(at[i], LEAF_SIZE), &want);
        if (!digest_equal(&want, &got[i])) {
            return ERR_UNSUPPORTED;
        }
    }
    return OK;
}
