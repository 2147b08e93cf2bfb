#ifndef CAIRN_REPLICATION_DEPOSITOR_INTERNAL_H
#define CAIRN_REPLICATION_DEPOSITOR_INTERNAL_H

#include "replication/depositor/depositor.h"

/* Inside of depositor.h.
 *
 *   depositor.c          life, events, the one timer
 *   depositor_phases.c   when a phase is over, and what comes next
 *   depositor_work.c     the driver's jobs: their starts and ends
 *   depositor_columns.c  one steward: its links, and what is due on them
 *   depositor_offer.c    one steward: OFFER, ACCEPT, CUT, REFUSE
 *   depositor_feed.c     our own feed: rows, HEADS, WANT, the manifest
 *   depositor_look.c     the stewards' feeds: receipts, acknowledgements
 *   depositor_jobs.c     jobs as bytes
 *   depositor_place.c    who gets which column
 *
 * What is to be said is a mark in its column, and depositor_say_due() says as
 * much as a step has room for; while more waits, the timer is due at once. */

/* One column's offers, pushes, commits, deals and dials in one step. */
#define DEPOSITOR_ACTS_SPARE  8U
#define DEPOSITOR_ARENA_SPARE ((size_t)160 << 10)
#define DEPOSITOR_LOOK_PAGE   64U
#define DEPOSITOR_FAILURE_MAX \
    (1024U + MANIFEST_SHARDS_MAX * (CARD_NAME_MAX + MESSAGE_TEXT_MAX + 8U))

/* How far a steward's own feed has been looked through, from its head back:
 * entries below |done| and those from |low| to |top| have been seen. A page
 * |from| .. |low| is on its way, next comes |at|. */
struct depositor_look {
    bool known; /* A head has been heard of. */
    uint32_t incarnation;
    uint64_t done, low, top;
    bool wanting;
    uint64_t from, at;
    bool refused; /* It does not answer; until the next HEADS. */
};

struct depositor_entry {
    uint8_t bytes[CERTIFICATE_ENTRY_MAX];
    size_t size; /* 0: none. */
};

struct depositor_side {
    const struct card *card;
    uint64_t link;    /* 0: none. */
    uint64_t dial_ms; /* Not before. */

    /* On this link: */
    bool heads_due, heads; /* Ours are to be said; all of its have come. */
    bool push_due;
    bool own_pending; /* It showed more of our own feed than is here. */
    bool offered, answered, accepted;
    bool dealt;
    uint64_t serve_id, serve_from; /* WANT of our feed; 0: none. */

    uint64_t offer_ms, deal_ms; /* Not before. */
    bool aside;                 /* Not counted on for its shard. */
    bool aligned;  /* Nothing of an attempt that was given up is there. */
    bool complete; /* It holds all of its shard, as far as it was told. */
    bool bad;      /* It holds other bytes than the manifest promises. */
    bool commit_due;
    uint64_t leaves; /* Durable there when it accepted, or was cut to. */

    struct depositor_look look;
    struct depositor_entry receipt, acknowledgement;
    char text[MESSAGE_TEXT_MAX + 1];
};

struct depositor {
    struct depositor_config config; /* Without its secret. */
    struct sign_key *node;          /* N, in locked memory. */
    /* What was committed when this run began. */
    struct merkle_range ranges[MANIFEST_SHARDS_MAX];
    bool started;
    enum depositor_phase phase;
    uint64_t mono_ms, wall_ms; /* Of this step. */
    uint64_t progress_ms;      /* Of the last that this phase waited for. */
    uint64_t next_id;

    struct depositor_side sides[MANIFEST_SHARDS_MAX];

    /* Our own feed. */
    struct feed_tip tip;
    bool ahead; /* Others hold what is not here. */
    uint8_t *manifest_entry;
    size_t manifest_size;
    struct certificate_facts *facts; /* NULL before PUBLISHING. */

    uint64_t job_id; /* 0: none is running. */
    struct depositor_job job;
    uint64_t committed; /* Leaves, for COMMIT. */
    bool filled;        /* FILL was tried. */
    bool verified;      /* What was read back is the model. */

    int status; /* FAILED */
    char failure[DEPOSITOR_FAILURE_MAX];

    /* Scratch of one step. */
    struct message in, said;
    uint8_t buf[CORE_VALUE_MAX];
    uint8_t entry[FEED_ENTRY_MAX];
};

static inline uint64_t column_bit(uint16_t i)
{
    return (uint64_t)1 << i;
}

static inline uint32_t depositor_faulty(const struct depositor *d)
{
    return charter_faulty(d->config.n);
}

static inline bool depositor_is_over(const struct depositor *d)
{
    return d->phase == DEPOSITOR_DONE || d->phase == DEPOSITOR_FAILED;
}

/* --- depositor.c --------------------------------------------------------- */
/* Say d->said. */
void depositor_say(struct depositor *d, uint64_t link, struct core_out *out);
/* Something that this phase waits for has come. */
void depositor_progress(struct depositor *d);

/* --- depositor_phases.c -------------------------------------------------- */
void depositor_move(struct depositor *d, enum depositor_phase next);
/* Fail with |text|, and name every steward of |columns| with its trouble. */
void depositor_fail(struct depositor *d,
                    int status,
                    const char *text,
                    uint64_t columns);
/* Fail because the stewards have more of our feed than is here. */
void depositor_fail_ahead(struct depositor *d);
/* Go on as far as what is known allows. */
void depositor_advance(struct depositor *d, struct core_out *out);
/* Columns that are set aside. */
uint64_t depositor_asides(const struct depositor *d);
/* When the phase that waits is out of patience; 0: it does not wait. */
uint64_t depositor_deadline(const struct depositor *d);

/* --- depositor_work.c ---------------------------------------------------- */
void depositor_job_start(struct depositor *d,
                         enum depositor_job_type type,
                         uint64_t columns,
                         uint64_t holders,
                         struct core_out *out);
void depositor_on_job(struct depositor *d,
                      const struct core_event *ev,
                      struct core_out *out);

/* --- depositor_columns.c ------------------------------------------------- */
struct depositor_side *depositor_side_of_link(struct depositor *d,
                                              uint64_t link,
                                              uint16_t *index);
void depositor_side_text(struct depositor_side *s, const char *text);
void depositor_link_up(struct depositor *d,
                       const struct core_event *ev,
                       struct core_out *out);
void depositor_link_down(struct depositor *d, uint64_t link);
void depositor_link_close(struct depositor *d,
                          uint16_t index,
                          struct core_out *out);
/* Say what is due, as far as there is room; the time when more is, 0: none. */
uint64_t depositor_say_due(struct depositor *d, struct core_out *out);

/* --- depositor_offer.c --------------------------------------------------- */
void depositor_on_accept(struct depositor *d,
                         uint16_t index,
                         struct core_out *out);
void depositor_on_refuse(struct depositor *d, uint16_t index);
/* Is an OFFER to be said, or an answer to one still to come? */
bool depositor_offer_is_open(const struct depositor *d, uint16_t index);
void depositor_offer_say(struct depositor *d,
                         uint16_t index,
                         struct core_out *out);

/* --- depositor_feed.c ---------------------------------------------------- */
/* Rows of the start; an error when they are not a feed of ours. */
MUST_CHECK int depositor_feed_start(struct depositor *d,
                                    const struct core_event *ev);
void depositor_heads_say(struct depositor *d,
                         uint64_t link,
                         struct core_out *out);
void depositor_on_want(struct depositor *d,
                       uint16_t index,
                       struct core_out *out);
void depositor_on_rows(struct depositor *d,
                       const struct core_event *ev,
                       struct core_out *out);
/* Append the manifest to our feed, and mark it to be pushed. */
MUST_CHECK int depositor_publish(struct depositor *d,
                                 struct slice payload,
                                 struct core_out *out);
/* Others say that our feed stands there. */
void depositor_own_head(struct depositor *d,
                        uint16_t index,
                        const struct message_head *head,
                        struct core_out *out);
/* An entry of our own feed came from others. */
void depositor_own_entry(struct depositor *d,
                         uint16_t index,
                         const struct feed_entry *e);

/* --- depositor_look.c ---------------------------------------------------- */
void depositor_on_heads(struct depositor *d,
                        uint16_t index,
                        struct core_out *out);
void depositor_on_entries(struct depositor *d,
                          uint16_t index,
                          struct core_out *out);
/* A WANT that we said was refused. */
void depositor_look_refused(struct depositor *d, uint16_t index);
/* Is there something to WANT of that steward's feed, and nothing under way? */
bool depositor_look_due(const struct depositor *d, uint16_t index);
void depositor_look_say(struct depositor *d,
                        uint16_t index,
                        struct core_out *out);
/* Has all been seen that this steward has shown? */
bool depositor_look_is_done(const struct depositor *d, uint16_t index);
/* All that is about this deposit comes after now. */
void depositor_look_begin(struct depositor_look *l);

#endif /* CAIRN_REPLICATION_DEPOSITOR_INTERNAL_H */
