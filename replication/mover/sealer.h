#ifndef CAIRN_REPLICATION_SEALER_H
#define CAIRN_REPLICATION_SEALER_H

#include "replication/coding/segment.h"
#include "replication/mover/mover.h"

/* The mover that carries a model from its source into n shards.
 *
 *           MV_READ          MV_WORKED         MV_WORKED
 *   READING -------> SEALING --------> RANGING --------> SENDING
 *                   (parallel)        (in order)            | all streams
 *                                                           v have it
 *   FREE <------------------------------------------------ SENT
 *                       (in order) joins a commit
 *
 * Segments are read in order, sealed in parallel, sent in order on every
 * stream. A few that were sent are committed together, for to make a stream
 * durable costs its disk the same whatever there is to it: flushed on all
 * streams, then noted in the journal, while the next few are on their way.
 * They commit when all streams that are not lost, |quorum| of them at least,
 * hold them durably: whoever lagged behind a commit when the lab is killed
 * could not go on. Nothing that was sent but not committed matters: after a
 * crash the journal names the compact ranges to go back to, and the segments
 * start over under new salts.
 *
 * A segment that will go raw is sealed as it is read, and SEALING only codes
 * it. That is expected when the last one did; what should have been compressed
 * after all is sealed once more in SEALING, so a wrong guess costs time alone.
 *
 * A stream is lost by MV_LOST (as if with ERR_IO) or by a failed send or flush:
 * it no longer counts and is asked no more. Below |quorum| streams the job ends
 * with the error of the stream that is missed. The shard's tree goes on all the
 * same, so that its root stands in the manifest and the column can be filled in
 * later.
 *
 * The data of the model comes first; when all of it has been read the driver
 * says how long the catalogue is (sealer_catalogue()), and it follows from the
 * same source. */

#define SEALER_WINDOW_MAX 8

/* Segments of one commit, and how long the first of them waits for others. */
#define SEALER_BATCH    4U
#define SEALER_BATCH_MS 10000U

enum sealer_state {
    SEALER_FREE,
    SEALER_BUFFER, /* Waits for a buffer. */
    SEALER_READING,
    SEALER_SEALING,
    SEALER_RANGING,
    SEALER_SENDING,
    SEALER_SENT,
    SEALER_STATE_COUNT
};

/* What the journal keeps of a segment. */
struct sealer_segment {
    uint32_t plain_size, ciphertext_size, cell_leaves;
    struct digest plain; /* As MV_READ gave it. */
};

/* Segments that are committed together. */
struct sealer_commit {
    uint64_t segment; /* Committed segments end here: this one is the last */
    unsigned count;   /* of so many that this commit adds, in order. */
    struct sealer_segment added[SEALER_BATCH];
    uint64_t offset; /* Of the next cell, in every shard. */
    struct merkle_range ranges[MANIFEST_SHARDS_MAX]; /* Up to |offset|. */
};

struct sealer_slot {
    enum sealer_state state;
    struct sealer *owner;
    uint64_t segment;
    uint32_t buf;
    struct segment_room room;
    struct segment_result result;
    struct codec_state *codec; /* Lent by the configuration, one a slot. */
    struct rng rng;            /* One stream a slot. */
    bool tiled;                /* Sealed as it is read, with: */
    struct segment_sealing sealing;
    uint64_t unsent; /* Streams whose MV_SENT is still to come. */
    struct sealer_segment info;
    uint64_t offset; /* As in a commit. */
    struct merkle_range ranges[MANIFEST_SHARDS_MAX];
};

struct sealer_config {
    const struct segment_params *params;
    unsigned window, quorum; /* 1..SEALER_WINDOW_MAX, 1..n */
    uint64_t data_size;      /* Plaintext of all files. */
    struct codec_state *codecs[SEALER_WINDOW_MAX];
    struct rng rngs[SEALER_WINDOW_MAX]; /* A stream for each slot's salts. */
};

struct sealer {
    struct sealer_config config;
    struct sealer_slot slots[SEALER_WINDOW_MAX];
    uint64_t data_segments, segments; /* The latter 0 until it is known. */
    uint64_t catalogue_size;
    uint64_t next_read, next_range, next_send, next_join; /* Segments. */
    uint64_t offset; /* Where the next cell goes. */
    struct merkle_range ranges[MANIFEST_SHARDS_MAX];
    uint64_t durable[MANIFEST_SHARDS_MAX]; /* Offset, by stream. */
    bool lost[MANIFEST_SHARDS_MAX];
    bool flushing[MANIFEST_SHARDS_MAX];
    struct sealer_commit open; /* Takes more segments, */
    uint64_t open_ms, now_ms;  /* the first of them at open_ms. */
    struct sealer_commit done; /* While |closing|: is flushed, then noted, */
    uint64_t committed;        /* and then counts here: segments. */
    bool reading, ranging, closing, noting, ended;
    bool raw;         /* So went the last segment, or so go all. */
    unsigned pending; /* Actions that are still to be answered. */
    int status;
};

/* Begin a new deposit, or go on after |from|, the last commit; NULL: none. The
 * preamble leaf of every shard is already written by the driver and is part of
 * its range: |preambles| has the n leaf hashes, used when |from| is NULL. */
void sealer_init(struct sealer *s,
                 const struct sealer_config *config,
                 const struct digest *preambles,
                 const struct sealer_commit *from);

/* The catalogue's length, which is not 0; call once, at the latest before the
 * step that takes MV_READ of the last data segment. When there is none to read,
 * because the model is empty or all of it is committed, before MV_START. */
void sealer_catalogue(struct sealer *s, uint64_t size);

void sealer_step(struct sealer *s,
                 const struct mover_event *ev,
                 struct mover_out *out);

/* After MV_END with OK: how many segments there are. The segment table goes to
 * s->offset; s->ranges are those over preamble and cells, to which the driver
 * adds table and trailer for the roots. */
uint64_t sealer_segments(const struct sealer *s);

/* Bytes of one buffer of this mover. */
size_t sealer_buffer_size(const struct segment_params *p);

#endif /* CAIRN_REPLICATION_SEALER_H */
