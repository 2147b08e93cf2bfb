#include "crypto/merkle_lanes.h"

#include <stdlib.h>

#include "crypto/ipsec.h"

#if defined(HAVE_IPSEC_MB)

/* A lane starts one byte before a cache line: the prefix lies there, and what
 * is hashed is copied behind it, aligned. */
#define LINE_SIZE 64
#define PAIR_SIZE ((size_t)2 * DIGEST_SIZE)

struct merkle_lanes {
    IMB_MGR *mgr;
    _Alignas(LINE_SIZE) uint8_t leaves[MERKLE_LANES][LINE_SIZE + LEAF_SIZE];
    _Alignas(LINE_SIZE) uint8_t pairs[MERKLE_LANES][LINE_SIZE + PAIR_SIZE];
};

/* As in hash.c: without memory there is no digest, and no going on. */
static void must(bool ok)
{
    if (!ok) {
        abort();
    }
}

struct merkle_lanes *merkle_lanes_new(void)
{
    struct merkle_lanes *l;
    IMB_MGR *mgr = ipsec_manager_new();

    if (mgr == NULL) {
        return NULL;
    }
    l = aligned_alloc(LINE_SIZE, sizeof(*l));
    must(l != NULL);
    l->mgr = mgr;
    for (size_t i = 0; i < MERKLE_LANES; i++) {
        l->leaves[i][LINE_SIZE - 1] = LEAF_PREFIX;
        l->pairs[i][LINE_SIZE - 1] = NODE_PREFIX;
    }
    return l;
}

void merkle_lanes_free(struct merkle_lanes *l)
{
    if (l != NULL) {
        free_mb_mgr(l->mgr);
        free(l);
    }
}

/* Hash what lies in |lane|; returns how many jobs came back, this or earlier
 * ones. */
static size_t lane_submit(struct merkle_lanes *l,
                          const uint8_t *lane,
                          size_t size,
                          struct digest *out)
{
    IMB_JOB *job = IMB_GET_NEXT_JOB(l->mgr);
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
    job = IMB_SUBMIT_JOB_NOCHECK(l->mgr);
    for (; job != NULL; job = IMB_GET_COMPLETED_JOB(l->mgr)) {
        must(job->status == IMB_STATUS_COMPLETED);
        done++;
    }
    return done;
}

/* Get the last |count| jobs back: nothing stays in the queue of the manager. */
static void lanes_flush(struct merkle_lanes *l, size_t count)
{
    for (; count > 0; count--) {
        IMB_JOB *job = IMB_FLUSH_JOB(l->mgr);

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

void merkle_lanes_leaves(struct merkle_lanes *l,
                         const uint8_t *const *data,
                         size_t count,
                         struct digest *out)
{
    size_t done = 0;

    for (size_t i = 0; i < count; i++) {
        leaf_copy(l->leaves[i] + LINE_SIZE, data[i],
                  data[i + 1 < count ? i + 1 : i]);
        done += lane_submit(l, l->leaves[i], LEAF_SIZE, &out[i]);
    }
    lanes_flush(l, count - done);
}

/* A digest is written only after both its children, and all that lies before
 * them, were copied. */
void merkle_lanes_nodes(struct merkle_lanes *l,
                        const struct digest *pairs,
                        size_t count,
                        struct digest *out)
{
    size_t done = 0;

    for (size_t i = 0; i < count; i++) {
        memcpy(l->pairs[i] + LINE_SIZE, &pairs[2 * i], PAIR_SIZE);
        done += lane_submit(l, l->pairs[i], PAIR_SIZE, &out[i]);
    }
    lanes_flush(l, count - done);
}

/* Where the processor has the SHA instructions, OpenSSL's use of them beats
 * eight lanes of AVX2; sixteen lanes of AVX-512 beat both. */
bool merkle_lanes_are_faster(void)
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

struct merkle_lanes *merkle_lanes_new(void)
{
    return NULL;
}

void merkle_lanes_free(struct merkle_lanes *l)
{
    (void)l;
}

void merkle_lanes_leaves(struct merkle_lanes *l,
                         const uint8_t *const *data,
                         size_t count,
                         struct digest *out)
{
    (void)l, (void)data, (void)count, (void)out;
    abort();
}

void merkle_lanes_nodes(struct merkle_lanes *l,
                        const struct digest *pairs,
                        size_t count,
                        struct digest *out)
{
    (void)l, (void)pairs, (void)count, (void)out;
    abort();
}

bool merkle_lanes_are_faster(void)
{
    return false;
}

#endif
