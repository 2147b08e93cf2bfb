#ifndef CAIRN_REPLICATION_DEPOSITOR_H
#define CAIRN_REPLICATION_DEPOSITOR_H

#include "crypto/vss.h"
#include "protocol/certificate.h"
#include "protocol/message.h"
#include "replication/core.h"
#include "replication/keys.h"

/* The machine of a lab that makes one deposit with n stewards.
 *
 *   OFFERING --(enough accepted, patience over)--> SEALING     DEPOSITOR_SEAL
 *   SEALING  --(job done: manifest)--------------> PUBLISHING
 *   PUBLISHING --(receipts)----------------------> FILLING     DEPOSITOR_FILL
 *   FILLING  --(receipts of those filled)--------> DEALING     DEPOSITOR_VERIFY
 *   DEALING  --(acknowledgements, job done)------> DONE
 *   any      --(what cannot be mended by waiting)-> FAILED
 *
 * Every steward of the deposit is dialled, and again every DEPOSITOR_REDIAL_MS
 * while it has no link; a driver that is at it already need not hear. One that
 * does not ACCEPT within |patience_ms|, refuses, or is lost while SEALING is
 * set aside: the deposit goes on with at least n - f of them, and its column is
 * filled in later from what the others hold, in FILLING when it is there again
 * by then, or by running the deposit once more. A phase that waits for stewards
 * waits |patience_ms| after the last progress; then it goes on when there is
 * enough (receipts: |receipts_min|; acknowledgements: t + f), or fails and
 * names who is missing and why. FILLING waits for those who are away only while
 * there would be too few without them. In DEALING the key shares go out while
 * VERIFY reads the shards; a deposit that fails for want of acknowledgements
 * does so at once, and the driver then ends the job that runs for nothing. A
 * steward answers READs behind a DEAL when its custodian has answered that.
 *
 * Durable: the lab's own feed, rows 'F' of keys.h, here and nowhere else;
 * EV_START brings them (others are passed over), and where the feed stands is
 * counted from them: a lab's feed is short. A manifest for this deposit in it
 * means that an earlier run got as far as PUBLISHING: cells are not sealed
 * again. Everything else that a resumed deposit needs is in the driver's
 * journal or with the stewards.
 *
 * Jobs (ACT_JOB, the bytes are one struct depositor_job, encoded by
 * depositor_job_encode()): bulk work of the driver, on the streams of the
 * stewards it names. One at a time. EV_JOB while SEAL runs: |status| 1 and
 * u64le leaves that are committed (the machine says COMMIT); at its end OK and
 * the manifest's payload, in which every shard's root stands, whether its
 * steward was lost or not; streams that were lost are u64le bits before it, and
 * alone after an error.
 * FILL: OK or error, and u64le bits of the columns that were filled. VERIFY:
 * OK or error. The driver sees CUT go out before it starts the job, and keeps
 * DURABLE, CELL and data records of the links for itself.
 *
 * Messages of protocol/message.h that are not the driver's come as EV_MSG;
 * EV_LINK's bytes are the certificate of a member that the driver verified.
 * Feed signatures are verified in the step: they are few. */

#define DEPOSITOR_REDIAL_MS 2000U

enum depositor_phase {
    DEPOSITOR_OFFERING = 1,
    DEPOSITOR_SEALING,
    DEPOSITOR_PUBLISHING,
    DEPOSITOR_FILLING,
    DEPOSITOR_DEALING,
    DEPOSITOR_DONE,
    DEPOSITOR_FAILED
};

enum depositor_job_type {
    DEPOSITOR_SEAL = 1,
    DEPOSITOR_FILL = 2,
    DEPOSITOR_VERIFY = 3
};

struct depositor_job {
    enum depositor_job_type type;
    uint64_t columns; /* SEAL: streams that accepted; FILL: to be filled. */
    /* FILL: columns that can be read now. VERIFY: those with a receipt; k of
     * them can be read now. */
    uint64_t holders;
    uint64_t links[MANIFEST_SHARDS_MAX]; /* By column; 0: none. */
    /* FILL: leaves that the steward of a column holds already. */
    uint64_t leaves[MANIFEST_SHARDS_MAX];
};
#define DEPOSITOR_JOB_MAX 2048U
MUST_CHECK int depositor_job_encode(const struct depositor_job *job,
                                    uint8_t *out,
                                    size_t max,
                                    size_t *size);
MUST_CHECK int depositor_job_decode(struct depositor_job *job, struct slice in);

struct depositor_config {
    const struct charter *charter; /* Lent for the machine's life. */
    struct slice chain;            /* Of |charter|; likewise. May be empty. */
    struct digest net, self;
    struct sign_key node; /* N of the lab; secret. */
    uint32_t incarnation;
    /* manifest_deposit_id() of |net|, |self| and |random|. */
    struct digest deposit_id, random;
    char label[MANIFEST_LABEL_MAX + 1];
    uint16_t k, n, t;
    uint32_t segment_size;
    uint64_t size_max;                           /* Of a shard. */
    struct digest stewards[MANIFEST_SHARDS_MAX]; /* By column. */
    uint64_t committed_leaves; /* Of the journal's last commit; 0: none. */
    const struct merkle_range *ranges;         /* n; copied; NULL when none. */
    const struct vss_polynomials *polynomials; /* Lent; secret. */
    unsigned receipts_min; /* n, or with --accept-margin k + f. */
    uint64_t patience_ms;  /* 60000 */
    struct rng *rng;
};

/* What a display shows of a steward. */
struct depositor_column {
    bool up, accepted, aside, receipt, acknowledged;
    char text[MESSAGE_TEXT_MAX + 1]; /* The last thing that went wrong. */
};

struct depositor;

MUST_CHECK int depositor_new(struct depositor **out,
                             const struct depositor_config *config);
void depositor_free(struct depositor *d); /* Wipes. Accepts NULL. */
void depositor_step(struct depositor *d,
                    const struct core_event *ev,
                    struct core_out *out);

enum depositor_phase depositor_phase(const struct depositor *d);
void depositor_column(const struct depositor *d,
                      uint16_t index,
                      struct depositor_column *column);
/* FAILED: what went wrong and what to do, for people. */
int depositor_failure(const struct depositor *d, const char **text);
/* From PUBLISHING on: the entry of the manifest, and the receipts and
 * acknowledgements that are here, with the chain of the configuration. Lent
 * until the next step. */
void depositor_certificate(const struct depositor *d, struct certificate *c);

/* Which stewards of a charter get a deposit's n shards, by column: those that
 * were chosen, in that order, or the first n in rendezvous order,
 * TH256("rendezvous", deposit_id, steward id), that keep the rules together.
 * Refused with words (|text|, which is empty when it is OK): fewer than n
 * stewards, or one that is none (ERR_NOTFOUND); one twice, an organisation
 * with two of them, or, unless the charter's flags allow it, a jurisdiction or
 * a provider with more than n - k shards or with t key shares (ERR_DENIED); a
 * code that does not outlive f = floor((n-1)/3) faulty stewards, n - k <= f or
 * n < t + f, or that they could open, t <= f (ERR_DENIED); none at all, or
 * more chosen than n (ERR_BAD). */
MUST_CHECK int depositor_place(const struct charter *charter,
                               const struct digest *deposit_id,
                               const struct digest *chosen,
                               size_t chosen_len,
                               uint16_t k,
                               uint16_t n,
                               uint16_t t,
                               struct digest stewards[MANIFEST_SHARDS_MAX],
                               char text[MESSAGE_TEXT_MAX + 1]);

#endif /* CAIRN_REPLICATION_DEPOSITOR_H */
