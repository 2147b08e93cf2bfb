#ifndef CAIRN_REPLICATION_REBUILDER_H
#define CAIRN_REPLICATION_REBUILDER_H

#include "replication/mover/restorer.h"

/* The mover that fills missing columns of a sealed deposit from the cells of
 * any k others. It works on ciphertext alone and needs no key.
 *
 *            k cells read, verified        MV_WORKED          in order
 *   FETCHING ---------------------> REBUILDING ----> REBUILT ---------> SENDING
 *      ^  | a cell is missing, bad or late: another     |                  |
 *      +--+ holder is asked                             |                  |
 *                                        FREE <---------+------------------+
 *                                             no target      all MV_SENT
 *                                             is left for it
 *
 * Segments that no target lacks are passed over, and of a cell only the leaves
 * are read that some target lacks. They are fetched from holders as in
 * fetcher.h.
 *
 * What is rebuilt goes to each target with MV_SEND (|id| the segment), in
 * order, from the leaf on where the target ends. A target is flushed when it
 * has taken its last cell, and on the way after REBUILDER_FLUSH_SEGMENTS of
 * them or REBUILDER_FLUSH_BYTES, so that progress survives; one flush at a
 * time. Segment table and trailer are not sent: they are the tail's.
 *
 * A target is lost by MV_LOST (as if with ERR_IO) or by a failed send or flush:
 * it is left out, and the job goes on for the others. A target whose cells are
 * all durable is filled, whatever becomes of it afterwards. */

#define REBUILDER_WINDOW_MAX     FETCHER_WINDOW_MAX
#define REBUILDER_FLUSH_SEGMENTS 8U
#define REBUILDER_FLUSH_BYTES    ((uint64_t)64 << 20)

enum rebuilder_state {
    REBUILDER_BUFFER, /* Waits for its buffer. */
    REBUILDER_FREE,
    REBUILDER_FETCHING,
    REBUILDER_REBUILDING,
    REBUILDER_REBUILT,
    REBUILDER_SENDING,
    REBUILDER_STATE_COUNT
};

/* A segment in the making. */
struct rebuilder_slot {
    enum rebuilder_state state;
    struct rebuilder *owner;
    uint64_t segment;
    uint64_t from, end; /* Of its cell, the part that is rebuilt. */
    uint32_t buf;
    uint8_t *mem;    /* A cell for each stream, read or rebuilt. */
    uint64_t want;   /* The targets that lack it, as bits. */
    uint64_t unsent; /* Targets whose MV_SENT is still to come. */
    struct erasure_plan plan;
    uint64_t plan_have, plan_want; /* What |plan| is for; 0: none. */
};

struct rebuilder_target {
    uint64_t asked;    /* Before this offset all was sent, or is there. */
    uint64_t durable;  /* Before this offset all survives power loss. */
    uint64_t flush_at; /* The flush under way, or the last one, covers this. */
    uint64_t left;     /* Bytes that it has not taken yet. */
    unsigned taken;    /* Cells since the last flush was asked for. */
    bool flushing;
};

struct rebuilder_config {
    const struct erasure *code;          /* Lent. */
    unsigned window;                     /* 1..REBUILDER_WINDOW_MAX */
    const struct restorer_place *places; /* All segments, in order; lent. */
    size_t places_len;
    uint64_t holders; /* Streams that can be read, as bits. */
    uint64_t targets; /* Streams to be filled, as bits; no holders. */
    /* By target: leaves that it holds durably already, at least the preamble,
     * also in the middle of a cell. */
    uint64_t leaves[MANIFEST_SHARDS_MAX];
};

struct rebuilder {
    struct rebuilder_config config;
    struct rebuilder_slot slots[REBUILDER_WINDOW_MAX];
    struct rebuilder_target targets[MANIFEST_SHARDS_MAX];
    size_t next_place;          /* In config.places, to be fetched. */
    uint64_t next_send;         /* They are sent in the order of fetching. */
    uint64_t end;               /* Of the last cell. */
    uint64_t bytes, bytes_done; /* To be sent, for progress. */
    uint64_t lost;              /* Targets, as bits. */
    struct fetcher fetcher;
    unsigned pending; /* Actions that are still to be answered, but reads. */
    bool ended;
    int status, missed;
};

void rebuilder_init(struct rebuilder *r, const struct rebuilder_config *config);

/* MV_END: OK when at least one target was filled and nothing but other targets
 * was lost; otherwise the error of the target that was lost last. An error that
 * concerns all stands before that: ERR_NOTFOUND when fewer than k holders can
 * give a segment (wait for more), ERR_CANCELED, or what a buffer or a worker
 * failed with. */
void rebuilder_step(struct rebuilder *r,
                    const struct mover_event *ev,
                    struct mover_out *out);

/* The targets whose cells are all durable, as bits; also after an error. */
uint64_t rebuilder_filled(const struct rebuilder *r);

/* Bytes of one buffer of this mover. */
size_t rebuilder_buffer_size(const struct rebuilder_config *config);

#endif /* CAIRN_REPLICATION_REBUILDER_H */
