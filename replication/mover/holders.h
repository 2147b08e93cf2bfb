#ifndef CAIRN_REPLICATION_HOLDERS_H
#define CAIRN_REPLICATION_HOLDERS_H

#include "protocol/manifest.h"

/* What a mover has learned of the streams that it reads cells from, and whom
 * to ask next. A holder is a shard index; times are the mover's monotonic
 * milliseconds. Zeroed: nothing is known of anybody. */

/* A cell is late when it takes so many times as long as the last ones took:
 * honest links differ, too, and one that is half as fast as most is worth
 * waiting for. */
#define HOLDERS_LATE_TIMES 3U
/* Sooner nothing is late: a lost packet or a disk that has to wake up takes
 * as long, and asking twice would gain less than it costs. */
#define HOLDERS_LATE_MS 2000U
/* As long as no cell has come there is nothing to compare with. A cell may take
 * long on a thin line, and who says nothing at all is the driver's to judge. */
#define HOLDERS_BLIND_MS 30000U
/* Cells that are compared with: several of each holder, and few enough to
 * follow a line that becomes slower for all. */
#define HOLDERS_RECENT 32U
/* One that was outrun is asked last for so long, and for at least so many times
 * as long as it was waited for, so that trying it again costs an eighth of the
 * time at most. That doubles HOLDERS_SLOW_MAX times. */
#define HOLDERS_REST_MS    30000U
#define HOLDERS_REST_TIMES 8U
#define HOLDERS_SLOW_MAX   4U

struct holders {
    uint64_t
        rest_until[MANIFEST_SHARDS_MAX];   /* Asked only for want of others. */
    uint64_t latency[MANIFEST_SHARDS_MAX]; /* Smoothed, ms; 0: unknown. */
    unsigned errors[MANIFEST_SHARDS_MAX];  /* Reads that failed. */
    /* How often it was outrun, less one for each cell that came in time. */
    unsigned slow[MANIFEST_SHARDS_MAX];
    uint64_t recent[HOLDERS_RECENT]; /* What the last cells took, ms. */
    size_t recent_len, recent_at;
    uint64_t median_ms; /* Of |recent|. */
};

/* The best of |among| (bits), or -1 when there is none: one that does not rest,
 * then one of |preferred| (bits), then the fastest, then the lowest. One that
 * has been slow is tried with one cell at a time: while it is |busy| (bits) it
 * rests. Of those that rest, the slow come last. */
int holders_best(const struct holders *h,
                 uint64_t among,
                 uint64_t busy,
                 uint64_t preferred,
                 uint64_t mono_ms);

/* A cell came, |took_ms| after it was asked for. */
void holders_answered(struct holders *h, uint32_t holder, uint64_t took_ms);

/* A read failed: the holder rests. */
void holders_failed(struct holders *h, uint32_t holder, uint64_t rest_until_ms);

/* From when on a cell that has not come is late, in ms after it was asked for:
 * HOLDERS_LATE_TIMES the median of the last cells, at least HOLDERS_LATE_MS. */
uint64_t holders_late_ms(const struct holders *h);

/* After |waited_ms| its cell was late, and others gave theirs in its place: the
 * holder rests, unless it does already. */
void holders_outrun(struct holders *h,
                    uint32_t holder,
                    uint64_t waited_ms,
                    uint64_t mono_ms);

#endif /* CAIRN_REPLICATION_HOLDERS_H */
