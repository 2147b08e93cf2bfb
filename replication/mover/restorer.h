#ifndef CAIRN_REPLICATION_RESTORER_H
#define CAIRN_REPLICATION_RESTORER_H

#include "protocol/shard.h"
#include "replication/coding/segment.h"
#include "replication/mover/holders.h"
#include "replication/mover/mover.h"

/* The mover that carries segments from any k shards back to plaintext.
 *
 *            k cells read, verified       MV_WORKED        in order
 *   FETCHING ---------------------> OPENING ------> OPENED --------> SENDING
 *      ^  | a cell is missing or bad: another stream is asked,         |
 *      |  | and those that may recover again after a while;            |
 *      +--+ a cell is late: another one, too                           |
 *                                           FREE <---------------------+
 *                                                   MV_SENT
 *
 * Cells are read with MV_READ_AT from shard streams. The driver gives only
 * cells that it verified against the shard's root (ERR_MISMATCH, ERR_IO or
 * ERR_NOTFOUND otherwise), so an opening that fails all the same means that
 * the key is wrong or the lab sealed nonsense, and the job ends.
 *
 * Plaintext is handed out in order with MV_SEND to MOVER_SOURCE (|id| the
 * segment, |bytes|), whose MV_SENT gives the memory back; its |status|
 * ends the job when it is not OK.
 *
 * It prefers data cells, which need no rebuilding, then the streams that
 * answered fastest. One that failed rests for RESTORER_REST_MS, unless there
 * are not k others.
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
 * all together have RESTORER_HEDGES_MAX: so many cells are on their way beyond
 * what would be without. A slow stream costs at most a cell for each segment of
 * the window when it becomes slow, and one whenever it is tried again; since a
 * segment asks a stream once, unless that failed, nothing makes them more than
 * n - k for a segment.
 *
 * When a segment has fewer than k streams left, those that failed otherwise
 * than with ERR_MISMATCH or ERR_NOTFOUND, which say that the cell is not
 * there, are asked once more, RESTORER_RETRIES times: after RESTORER_RETRY_MS,
 * and then after twice as long each time. */

#define RESTORER_WINDOW_MAX 8
#define RESTORER_REST_MS    30000U
/* One for the segment that holds up the job, one for the next. */
#define RESTORER_HEDGES_MAX 2U
#define RESTORER_RETRIES    5U
#define RESTORER_RETRY_MS   1000U

/* Where a segment lies; the driver reads it from a segment table. */
struct restorer_place {
    uint64_t segment;
    uint64_t offset; /* Of its cell, the same in all shards. */
    struct shard_segment size;
};

enum restorer_state {
    RESTORER_BUFFER, /* Waits for its buffer. */
    RESTORER_FREE,
    RESTORER_FETCHING,
    RESTORER_OPENING,
    RESTORER_OPENED,
    RESTORER_SENDING,
    RESTORER_STATE_COUNT
};

struct restorer_slot {
    enum restorer_state state;
    struct restorer *owner;
    struct restorer_place place;
    size_t nth; /* In config.places. */
    uint32_t buf;
    struct segment_room room; /* |plain| is the decoder's scratch. */
    /* Streams as bits: answered well, still asked, failed, and of those the
     * ones that may do better later. */
    uint64_t have, asked, failed, again;
    uint64_t hedges;   /* Those that were asked because others were late. */
    uint64_t again_ms; /* When those are asked once more; 0: not yet. */
    unsigned retries;
    uint64_t asked_ms[MANIFEST_SHARDS_MAX];
    struct codec_state *codec; /* Lent by the configuration. */
    struct erasure_plan plan;
    uint64_t plan_have; /* The survivors that |plan| is for; 0: none. */
    struct slice plain;
};

struct restorer_config {
    const struct segment_params *params;
    unsigned window;                     /* 1..RESTORER_WINDOW_MAX */
    const struct restorer_place *places; /* In ascending order; lent. */
    size_t places_len;
    struct codec_state *codecs[RESTORER_WINDOW_MAX];
    uint64_t streams; /* Those that exist, as bits. */
};

struct restorer {
    struct restorer_config config;
    struct restorer_slot slots[RESTORER_WINDOW_MAX];
    size_t next_fetch, next_send; /* In config.places. */
    uint64_t bytes, bytes_done;   /* Ciphertext, for progress. */
    struct holders holders;
    uint64_t slow; /* Streams that were reported, as bits. */
    uint64_t mono_ms;
    uint64_t wake_ms; /* Asked for; 0: none. */
    unsigned pending; /* Actions that are still to be answered. */
    bool sending, dropped, ended;
    int status;
};

void restorer_init(struct restorer *r, const struct restorer_config *config);

/* MV_END: OK; ERR_NOTFOUND when fewer than k streams can give a segment (wait
 * for more, or bring more shards); ERR_AUTH, ERR_BAD as segment_open(), and
 * ERR_BAD for a segment that is empty. */
void restorer_step(struct restorer *r,
                   const struct mover_event *ev,
                   struct mover_out *out);

/* Bytes of one buffer of this mover. */
size_t restorer_buffer_size(const struct segment_params *p);

#endif /* CAIRN_REPLICATION_RESTORER_H */
