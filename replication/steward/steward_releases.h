#ifndef CAIRN_REPLICATION_STEWARD_RELEASES_H
#define CAIRN_REPLICATION_STEWARD_RELEASES_H

#include "replication/steward/steward.h"

/* The table of releases whose requests are known (their states: steward.h), and
 * who comes for them from outside: operators and recipients.
 *
 *   steward_releases.c    the table
 *   steward_clients.c     EV_CLIENT: requests of the admin API
 *   steward_recipients.c  recipients' links; ENVELOPE_WANT
 *
 * What feeds say about them is in steward_votes.h; what is concluded from that,
 * in steward_desk.h. */

struct steward_link;
struct transport_cert;

#define STEWARD_DAY_S       86400U /* Clocks may differ by a day. */
#define STEWARD_CLIENTS_MAX 8U     /* Admin requests that wait for rows. */
/* Links of recipients: of one release, and in all. */
#define STEWARD_LINKS_PER_RELEASE 4U
#define STEWARD_RECIPIENTS_MAX    32U
#define STEWARD_POLICY_TEXT       120U

/* A member's bit in a set of members. */
static inline uint64_t steward_bit(uint32_t member)
{
    return (uint64_t)1 << member;
}

/* A release whose request is known. Members are bits, by index in the charter
 * that the request names. */
struct steward_release {
    struct digest id, deposit_id, manifest_hash;
    uint32_t author; /* In whose feed the request was seen first. */
    enum steward_release_state state;
    bool denied, open;
    uint64_t not_after_s;
    uint8_t transport_pk[32];
    uint64_t approvals, decisions;
    uint64_t held;          /* Decisions that we have signed for holding. */
    struct digest decision; /* The hash of ours; zero: none. */

    /* Not in the row: */
    bool due;          /* The desk is to look at it. */
    bool ask;          /* It waits for the custodian to be free. */
    bool stuck;        /* The custodian refused; |trouble| says why. */
    int refusal;       /* Its status. */
    uint64_t again_ms; /* It is asked again then; 0: not by itself. */
    uint64_t junk;     /* Rows of approvals that did not hold. */
    char trouble[MESSAGE_TEXT_MAX + 1];
    char policy[STEWARD_POLICY_TEXT]; /* In words; empty: not known. */
};

/* A custodian's decision, as the row 'C' has it. */
struct steward_decision {
    struct digest hash, manifest_hash, envelope_hash;
    uint16_t share_index;
    uint64_t share_epoch;
};

/* An admin request that waits for rows. */
struct steward_client_slot {
    uint64_t read; /* 0: free */
    uint64_t id;
    enum steward_client_type type;
    struct digest release;
    size_t size;
    uint8_t bytes[RELEASE_REQUEST_MAX];
};

/* steward_releases.c */

/* NULL when it is not known. */
struct steward_release *steward_release_find(struct steward *s,
                                             const struct digest *id);
/* A request has become known, in the feed of |author|; writes its rows. NULL
 * when that author has as many under way as it may. */
struct steward_release *steward_release_add(struct steward *s,
                                            uint32_t author,
                                            const struct digest *id,
                                            const struct release_request *r,
                                            struct slice request,
                                            struct core_out *out);
/* At the start, from its row. */
void steward_release_start(struct steward *s, const struct core_row *row);
void steward_release_move(struct steward_release *r,
                          enum steward_release_state next);
bool steward_release_is_over(const struct steward *s,
                             const struct steward_release *r);
/* Something about that deposit is new: look at its releases again. */
void steward_release_touch(struct steward *s, const struct digest *deposit_id);
void steward_release_trouble(struct steward_release *r, const char *text);
/* Its index in the charter, or STEWARD_NONE. */
uint32_t steward_member_index(const struct steward *s, const struct digest *id);

/* steward_clients.c */

void steward_on_client(struct steward *s,
                       const struct core_event *ev,
                       struct core_out *out);
/* True when these rows were asked for an admin request. */
bool steward_on_client_rows(struct steward *s,
                            const struct core_event *ev,
                            struct core_out *out);

/* steward_recipients.c */

/* May who shows this certificate come in? */
bool steward_recipient_is_welcome(struct steward *s,
                                  const struct transport_cert *cert);
/* The first message of a recipient's idle link, in s->in, may it be? Otherwise
 * the link is closed. */
bool steward_recipient_may(struct steward *s,
                           struct steward_link *l,
                           struct core_out *out);
/* |ev| is the answer to what was read for it, or NULL. */
void steward_on_envelope_want(struct steward *s,
                              struct steward_link *l,
                              const struct core_event *ev,
                              struct core_out *out);
/* Close one link whose release is over; false when there is none. */
bool steward_recipients_expire(struct steward *s, struct core_out *out);
/* When the next one is over, as mono time; UINT64_MAX: there is none. */
uint64_t steward_recipients_until(struct steward *s);

#endif /* CAIRN_REPLICATION_STEWARD_RELEASES_H */
