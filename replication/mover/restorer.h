#ifndef CAIRN_REPLICATION_RESTORER_H
#define CAIRN_REPLICATION_RESTORER_H

#include "protocol/shard.h"
#include "replication/coding/segment.h"
#include "replication/mover/fetcher.h"
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
 * Cells are fetched as in fetcher.h; an opening that fails although k of them
 * were verified means that the key is wrong or the lab sealed nonsense, and the
 * job ends.
 *
 * Plaintext is handed out in order with MV_SEND to MOVER_SOURCE (|id| the
 * segment, |bytes|), whose MV_SENT gives the memory back; its |status|
 * ends the job when it is not OK. */

#define RESTORER_WINDOW_MAX FETCHER_WINDOW_MAX

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
    uint32_t buf;
    struct segment_room room;  /* |plain| is the decoder's scratch. */
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
    uint64_t streams;   /* Those that exist, as bits. */
    uint64_t preferred; /* Those that are asked first; 0: see fetcher.h. */
};

struct restorer {
    struct restorer_config config;
    struct restorer_slot slots[RESTORER_WINDOW_MAX];
    size_t next_fetch, next_send; /* In config.places. */
    uint64_t bytes, bytes_done;   /* Ciphertext, for progress. */
    struct fetcher fetcher;
    unsigned pending; /* Actions that are still to be answered, but reads. */
    bool sending, ended;
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
