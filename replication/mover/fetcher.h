#ifndef CAIRN_REPLICATION_FETCHER_H
#define CAIRN_REPLICATION_FETCHER_H

#include "replication/coding/erasure.h"
#include "replication/mover/holders.h"
#include "replication/mover/mover.h"

/* The part of a mover that reads cells: any k of the n of each segment, several
 * segments at a time. The restorer and the rebuilder have one.
 *
 * Cells are read with MV_READ_AT from shard streams. The driver gives only
 * cells that it verified against the shard's root (ERR_MISMATCH, ERR_IO or
 * ERR_NOTFOUND otherwise). Those that are preferred are asked first, then the
 * streams that answered fastest. One that failed rests for FETCHER_REST_MS,
 * unless there are not k others.
 *
 * A stream that gives a few bytes a second must not set the pace. So when a
 * cell is late (holders.h), and its segment lacks no other, or is the one that
 * all behind it wait for, another stream is asked for its cell: a hedge. The
 * late one goes on meanwhile. The first k cells are taken, the rest is given up
 * with MV_DROP, and who was late then is reported with MV_SLOW, once, and asked
 * last for a while. A hedge that is late is one more of the late, so in the end
 * all are asked, those that failed once more whenever the time of a cell has
 * gone by, and the k fastest of those that answer at all are enough.
 *
 * Of the hedges that are not late themselves a segment has one at a time, and
 * all together have FETCHER_HEDGES_MAX: so many cells are on their way beyond
 * what would be without. A slow stream costs at most a cell for each segment of
 * the window when it becomes slow, and one whenever it is tried again; since a
 * segment asks a stream once, unless that failed, nothing makes them more than
 * n - k for a segment.
 *
 * When a segment has fewer than k streams left, those that failed otherwise
 * than with ERR_MISMATCH or ERR_NOTFOUND, which say that the cell is not
 * there, are asked once more, FETCHER_RETRIES times: after FETCHER_RETRY_MS,
 * and then after twice as long each time.
 *
 * The mover gives the memory, hands on events, and ends no sooner than
 * |pending| is 0. */

#define FETCHER_WINDOW_MAX 8
#define FETCHER_REST_MS    30000U
/* One for the segment that holds up the job, one for the next. */
#define FETCHER_HEDGES_MAX 2U
#define FETCHER_RETRIES    5U
#define FETCHER_RETRY_MS   1000U

/* The cells of a segment, or the same part of each. */
struct fetcher_cells {
    uint64_t segment;
    uint64_t off; /* The same in all shards. */
    size_t len;   /* Of one. */
    uint8_t *mem; /* n * len: the cell of each stream has its own place. */
};

struct fetcher_slot {
    struct fetcher *owner;
    bool busy;
    uint64_t nth; /* In the order of beginning. */
    struct fetcher_cells cells;
    /* Streams as bits: answered well, still asked, failed, and of those the
     * ones that may do better later. */
    uint64_t have, asked, failed, again;
    uint64_t hedges;   /* Those that were asked because others were late. */
    uint64_t again_ms; /* When those are asked once more; 0: not yet. */
    unsigned retries;
    uint64_t asked_ms[MANIFEST_SHARDS_MAX];
};

struct fetcher {
    const struct erasure *code; /* Lent. */
    uint64_t streams;           /* Those that can be asked, as bits. */
    uint64_t preferred;         /* Those that are asked first, as bits. */
    struct fetcher_slot slots[FETCHER_WINDOW_MAX];
    uint64_t begun; /* Segments. */
    struct holders holders;
    uint64_t slow;    /* Streams that were reported, as bits. */
    uint64_t mono_ms; /* Set by the mover, first of all in a step. */
    uint64_t wake_ms; /* Asked for; 0: none. */
    unsigned pending; /* Reads that are still to be answered. */
    bool over;
};

/* |preferred| 0: those that hold data cells, which need no rebuilding. */
void fetcher_init(struct fetcher *f,
                  const struct erasure *code,
                  uint64_t streams,
                  uint64_t preferred);

/* The functions that ask return ERR_NOTFOUND when fewer than k streams can give
 * a segment: the job has failed. */

/* Fetch a segment's cells in slot |i|, which is not busy. One a step keeps the
 * actions of a step bounded; the read of each cell is a step of its own, so
 * others follow soon. */
MUST_CHECK int fetcher_begin(struct fetcher *f,
                             unsigned i,
                             const struct fetcher_cells *cells,
                             struct mover_out *out);

/* At the end of each step: ask for what it is time for. |first| is the |nth| of
 * the segment that the others wait for. */
MUST_CHECK int fetcher_pump(struct fetcher *f,
                            uint64_t first,
                            struct mover_out *out);

/* MV_READ. |*i| is the slot of which k cells are here now, those of |have|, and
 * whose memory nobody else uses any more: it is no longer busy; or -1. */
MUST_CHECK int fetcher_on_read(struct fetcher *f,
                               const struct mover_event *ev,
                               int *i,
                               struct mover_out *out);
/* MV_LOST. What was asked of it is answered by the driver, with errors. */
void fetcher_on_lost(struct fetcher *f, uint32_t stream);
/* MV_WAKE. */
void fetcher_on_wake(struct fetcher *f);

/* Nothing is wanted any more; it may be said again. What is under way uses the
 * mover's memory until it is answered; the sooner the better. */
void fetcher_drop(struct fetcher *f, struct mover_out *out);

/* Where the cell of a stream belongs. */
uint8_t *fetcher_cell(const struct fetcher_slot *slot, uint32_t stream);

#endif /* CAIRN_REPLICATION_FETCHER_H */
