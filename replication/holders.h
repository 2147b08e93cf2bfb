#ifndef CAIRN_REPLICATION_HOLDERS_H
#define CAIRN_REPLICATION_HOLDERS_H

#include "protocol/manifest.h"
#include "replication/erasure.h"

/* What a mover has learned of the streams that it reads cells from, and whom
 * to ask next. A holder is a shard index; times are the mover's monotonic
 * milliseconds. Zeroed: nothing is known of anybody. */

struct holders {
    uint64_t
        rest_until[MANIFEST_SHARDS_MAX];   /* Asked only for want of others. */
    uint64_t latency[MANIFEST_SHARDS_MAX]; /* Smoothed, ms; 0: unknown. */
    unsigned errors[MANIFEST_SHARDS_MAX];  /* Reads that failed. */
};

/* The best of |among| (bits), or -1 when there is none: one that does not rest,
 * then one of the first k, whose cells need no decoding, then the fastest, then
 * the lowest. */
int holders_best(const struct holders *h,
                 uint64_t among,
                 const struct erasure *code,
                 uint64_t mono_ms);

/* A cell came, |took_ms| after it was asked for. */
void holders_answered(struct holders *h, uint32_t holder, uint64_t took_ms);

/* A read failed: the holder rests. */
void holders_failed(struct holders *h, uint32_t holder, uint64_t rest_until_ms);

#endif /* CAIRN_REPLICATION_HOLDERS_H */
