#ifndef CAIRN_REPLICATION_CUSTODIAN_INTERNAL_H
#define CAIRN_REPLICATION_CUSTODIAN_INTERNAL_H

#include "crypto/vss.h"
#include "protocol/manifest.h"
#include "replication/custodian/custodian.h"
#include "replication/keys.h"

/* Inside of custodian.h.
 *
 *   custodian.c           life, events, the queue
 *   custodian_answer.c    answers; what requests have in common; HELLO
 *   custodian_rows.c      keys and values of rows
 *   custodian_deal.c      DEAL
 *   custodian_release.c   RELEASE
 *   custodian_votes.c     whose approvals count
 *   custodian_envelope.c  ENVELOPE
 *
 * A request is begun (what it says of itself is checked, a row is asked for)
 * and ends with that row; RELEASE asks for a second one in between. Each
 * function that works on one returns OK when it has answered or asked, or
 * custodian_refuse(). Rows are put last, when nothing can fail any more, so
 * that a refused request leaves nothing behind. */

enum custodian_key {
    CUSTODIAN_KEY_SHARE = 'S',
    CUSTODIAN_KEY_DECISION = 'R'
};

/* What the first request of the queue waits for. */
enum custodian_state {
    CUSTODIAN_IDLE,
    CUSTODIAN_DEALING,   /* DEAL: the share that may be here already. */
    CUSTODIAN_RECALLING, /* RELEASE: the decision that may be here already. */
    CUSTODIAN_DECIDING,  /* RELEASE: the share. */
    CUSTODIAN_HANDING    /* ENVELOPE: the decision. */
};

#define CUSTODIAN_PLAIN_SIZE  ((size_t)2 * SCALAR_SIZE)
#define CUSTODIAN_ANSWER_SIZE ((size_t)RELEASE_PAYLOAD_MAX + 1024)

/* Rows taken apart; slices are lent from the row. */
struct custodian_share {
    struct slice manifest, ack;
    struct vss_share share; /* Secret. */
};

struct custodian_decision {
    struct slice request, decision, envelope;
};

/* Wiped at the end of every step. */
struct custodian_scratch {
    uint8_t row[CORE_VALUE_MAX];
    uint8_t plain[CUSTODIAN_PLAIN_SIZE];
    struct vss_share share;
    struct custodian_share held;
    struct digest psk;
};

/* All of it in secret memory. */
struct custodian {
    const struct charter *charter;
    const struct card *self;
    struct digest net;
    uint8_t hpke_sk[HPKE_KEY_SIZE];
    struct sign_key sign;
    uint8_t net_psk[32];
    struct rng *rng;
    uint64_t shares, decisions;

    bool started;
    uint64_t latest_s; /* No time before it is believed. */
    /* Requests in a ring; the first is worked on. */
    struct custodian_item {
        uint64_t id;
        uint8_t *bytes;
        size_t size;
    } queue[CUSTODIAN_QUEUE_MAX];
    size_t first, len;
    enum custodian_state state;
    uint64_t read_id;
    struct key key; /* Of the row that was asked for, or is written. */

    /* The first request: */
    struct custody ask;
    struct feed_entry entry;
    struct manifest manifest;
    struct release_request request;
    struct digest release_id;
    char why[MESSAGE_TEXT_MAX + 1]; /* It is refused. */

    char rendered[RELEASE_RENDERED_MAX];
    uint8_t answer[CUSTODIAN_ANSWER_SIZE];
    struct custodian_scratch scratch;
};

/* --- custodian_answer.c -------------------------------------------------- */
/* Say why, and what to do, and return |status|. */
MUST_CHECK int custodian_refuse(struct custodian *c,
                                int status,
                                const char *text);
/* Add to what was said; cut off when there is no room. */
void custodian_why(struct custodian *c, const char *text);
void custodian_why_number(struct custodian *c, uint64_t v);
/* Ask for the row with that key. */
void custodian_read(struct custodian *c,
                    enum custodian_state state,
                    const struct key *key,
                    struct core_out *out);
/* Answer the first request. */
void custodian_answer(struct custodian *c,
                      const struct custody *answer,
                      struct core_out *out);
/* Answer request |id| with what custodian_refuse() has said. */
void custodian_reply_refused(struct custodian *c,
                             uint64_t id,
                             int status,
                             struct core_out *out);
/* A feed entry of this network with its payload, of that kind; c->entry. Whose
 * it is, and its signature, are not looked at. */
MUST_CHECK int custodian_entry(struct custodian *c,
                               struct slice bytes,
                               enum feed_kind kind);
/* It is at least that late. */
void custodian_clock_seen(struct custodian *c, uint64_t time_s);
/* Is that request over, by a clock that never goes back and a day's grace? */
bool custodian_is_over(const struct custodian *c,
                       const struct release_request *r);

MUST_CHECK int custodian_hello(struct custodian *c, struct core_out *out);

/* --- custodian_rows.c ---------------------------------------------------- */
struct key custodian_key_share(const struct digest *deposit, uint64_t epoch);
struct key custodian_key_decision(const struct digest *release);
/* Write the row of c->key into the batch. */
void custodian_share_put(struct custodian *c,
                         const struct custodian_share *s,
                         struct core_out *out);
void custodian_decision_put(struct custodian *c,
                            const struct custodian_decision *d,
                            struct core_out *out);
/* |s| is in scratch, and written to even after an error. */
MUST_CHECK int custodian_share_read(struct custodian_share *s, struct slice in);
/* Checks also that the decision is our own and of that envelope; |signed_s| is
 * the time in it. */
MUST_CHECK int custodian_decision_read(const struct custodian *c,
                                       struct custodian_decision *d,
                                       uint64_t *signed_s,
                                       struct slice in);

/* --- custodian_deal.c ---------------------------------------------------- */
/* |row| is NULL when there is none, here and below. */
MUST_CHECK int custodian_deal_begin(struct custodian *c, struct core_out *out);
MUST_CHECK int custodian_deal_end(struct custodian *c,
                                  const struct slice *row,
                                  struct core_out *out);

/* --- custodian_release.c ------------------------------------------------- */
MUST_CHECK int custodian_release_begin(struct custodian *c,
                                       struct core_out *out);
MUST_CHECK int custodian_release_recall(struct custodian *c,
                                        const struct slice *row,
                                        struct core_out *out);
MUST_CHECK int custodian_release_decide(struct custodian *c,
                                        const struct slice *row,
                                        struct core_out *out);

/* The decision in that row of ours, taken apart. */
MUST_CHECK int custodian_release_read(struct custodian *c,
                                      struct custodian_decision *d,
                                      struct slice row);

/* --- custodian_votes.c --------------------------------------------------- */
/* Do the approvals in c->ask suffice for c->request by c->manifest? */
MUST_CHECK int custodian_votes_check(struct custodian *c);

/* --- custodian_envelope.c ------------------------------------------------ */
MUST_CHECK int custodian_envelope_begin(struct custodian *c,
                                        struct core_out *out);
MUST_CHECK int custodian_envelope_end(struct custodian *c,
                                      const struct slice *row,
                                      struct core_out *out);

#endif /* CAIRN_REPLICATION_CUSTODIAN_INTERNAL_H */
