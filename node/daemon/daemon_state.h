#ifndef CAIRN_NODE_DAEMON_STATE_H
#define CAIRN_NODE_DAEMON_STATE_H

#include "node/admin/admin.h"
#include "node/base/log.h"
#include "node/core/core_run.h"
#include "node/custody/custody_link.h"
#include "node/daemon/daemon.h"
#include "node/mover/workers.h"
#include "node/shard/shard_jobs.h"
#include "protocol/transport_cert.h"
#include "replication/steward/steward.h"

/* The parts of daemon.h that only its own files share:
 *
 *   daemon.c             begins and ends
 *   daemon_core.c        what the machine asks, and what it is told
 *   daemon_links.c       links: what they say
 *   daemon_identity.c    who that is
 *   daemon_recipients.c  recipients, who are in no charter
 *   daemon_dial.c        the other stewards
 *   daemon_custody.c     the custodian
 *   daemon_admin.c       what the admin API asks
 *   daemon_notify.c      systemd
 *
 * All of it runs on the loop's thread, and one |struct daemon| lives in
 * daemon_run(). Times: _ms is the loop's monotonic clock, _s the wall clock.
 * Callbacks with |void *arg| get the daemon. What starts returns its error,
 * with words in d->errmsg; what fails later calls daemon_stop(). */

/* In place of a member: whoever comes for a release. */
#define DAEMON_RECIPIENT      UINT32_MAX
#define DAEMON_RECIPIENTS_MAX 16U /* Links. */

/* A link that is up or that we dial. */
struct daemon_link {
    struct daemon *daemon;
    struct daemon_link *next;
    struct link *link;
    uint64_t number;          /* What the machine calls it; 0: not up yet. */
    uint32_t member;          /* Index in the charter, or DAEMON_RECIPIENT. */
    struct digest release_id; /* Of a recipient. */
    bool dialled;
    uint64_t up_ms; /* On the loop's clock; 0: never. */
    /* Who wants it not to be read. */
    bool core_pauses, jobs_pause;
};

/* What a member showed last: on_up() follows on_identity(). */
struct daemon_member {
    uint8_t transport_pk[NOISE_KEY_SIZE];
    uint8_t cert[TRANSPORT_CERT_MAX];
    size_t cert_size; /* 0: nothing yet. */
    unsigned links;   /* That are up. */
    uint64_t down_ms; /* When the last ended; 0: there was none. */
    /* Stewards: */
    struct daemon_link *dialling; /* Ours, up or not. */
    uint64_t dial_ms;             /* Not before; on the loop's clock. */
    unsigned failures;
    bool told; /* That it cannot be reached. */
};

/* The public id of the secret of a release. */
struct daemon_psk_id {
    bool there;
    struct digest release_id;
    uint8_t psk_id[FRAME_PSK_ID_SIZE];
};

struct daemon_custody {
    struct custody_link *link; /* NULL when none is configured. */
    bool reachable;
    uint64_t since_s; /* When that changed; 0: nothing is known yet. */
    uint64_t missing; /* Shares that it has acknowledged and does not hold. */
    char text[LINK_TEXT_SIZE];
};

struct daemon {
    const struct daemon_config *config;
    const struct charter *charter;
    struct log log;
    struct rng rng;
    uv_loop_t loop;
    uv_timer_t dial_timer, cert_timer;
    uv_signal_t on_int, on_term;
    struct volume volume;
    struct store *store;
    struct steward *steward;
    struct core_run *run;
    struct workers *workers;
    unsigned checks; /* Work that the workers have. */
    struct link_host *host;
    struct shard_jobs *jobs;
    struct admin *admin;
    uint8_t *chain; /* The charter's, as the home has it. */
    struct daemon_custody custody;
    struct daemon_psk_id psk_ids[STEWARD_RELEASES_MAX];
    uint64_t begun_ms, begun_s;
    char bound[LINK_LISTEN_MAX][LINK_ADDRESS_SIZE];
    size_t bound_len;
    struct daemon_link *links;
    uint64_t links_numbered;
    struct daemon_member members[CHARTER_MEMBERS_MAX];
    uint32_t self;          /* Our index in the charter. */
    uint64_t feeds_full;    /* Members, by index in the charter. */
    int core_trouble;       /* Why the machine waits for the disk; OK: not. */
    struct message message; /* Scratch of on_message(). */
    bool stopping, waiting, handles; /* See daemon_stop_next(). */
    int status;                      /* How it ends; the first error counts. */
    char errmsg[ERRMSG_SIZE];
};

/* --- daemon.c ------------------------------------------------------------ */

/* Begin to end, with OK or with what went wrong; again and again is fine, and
 * the first error counts. */
void daemon_stop(struct daemon *d, int status, const char *errmsg);
/* Go on with the end when something of it is done: the parts close one after
 * the other. */
void daemon_stop_next(struct daemon *d);
/* The wall clock. */
uint64_t daemon_now_s(void);

/* --- daemon_core.c ------------------------------------------------------- */

/* Start the machine, as core_run_start(); it reads its rows first, and links
 * are accepted once it has them. Without words. */
MUST_CHECK int daemon_core_start(struct daemon *d);
/* Give the machine an event; |bytes| are lent for the call. ERR_FULL when there
 * is no room for a message, ERR_ORDER when it takes no more events. */
MUST_CHECK int daemon_feed(struct daemon *d,
                           enum core_event_type type,
                           uint64_t id,
                           int status,
                           struct slice bytes);

/* --- daemon_identity.c --------------------------------------------------- */

/* Encode a fresh certificate of our transport key. */
MUST_CHECK int daemon_cert(const struct daemon *d,
                           uint8_t out[TRANSPORT_CERT_MAX],
                           size_t *size);
/* The secret with this id, of the network or of an open release, into |out|;
 * returns how many there are, 0 or 1. */
size_t daemon_on_psk(void *arg,
                     const uint8_t psk_id[FRAME_PSK_ID_SIZE],
                     struct frame_psk *out,
                     size_t max);
/* May the peer with this certificate and transport key come in? OK, or
 * ERR_DENIED after the reason was logged. */
int daemon_on_identity(void *arg,
                       struct link *l,
                       struct slice cert,
                       const uint8_t remote[NOISE_KEY_SIZE]);
/* Say in |user| who an inbound link has shown to be; false when that is no
 * longer welcome. */
bool daemon_identify(struct daemon *d, struct daemon_link *user);
/* For the log; lent from the charter. */
const char *daemon_member_name(const struct daemon *d, uint32_t member);

/* --- daemon_recipients.c ------------------------------------------------- */

/* The open release whose secret has this id. */
bool daemon_recipient_find(struct daemon *d,
                           const uint8_t psk_id[FRAME_PSK_ID_SIZE],
                           struct steward_release_info *info);
/* The secret of that release; false when there is none. */
bool daemon_recipient_psk(struct daemon *d,
                          const uint8_t psk_id[FRAME_PSK_ID_SIZE],
                          struct frame_psk *out);
/* Why it is not let in, or NULL. That its certificate is of the right network
 * and key has been checked. */
const char *daemon_recipient_refusal(struct daemon *d,
                                     const struct link *l,
                                     const struct transport_cert *cert);
/* What the machine is told of such a link in place of a member's certificate:
 * the recipient's key and its release. */
MUST_CHECK int daemon_recipient_cert(const struct daemon *d,
                                     const struct daemon_link *l,
                                     uint8_t out[TRANSPORT_CERT_MAX],
                                     size_t *size);

/* --- daemon_links.c ------------------------------------------------------ */

/* Listen on every configured address, say that we are ready, begin to dial. */
MUST_CHECK int daemon_host_start(struct daemon *d);
/* The link with this number, or NULL when it is over. */
struct link *daemon_link_of(void *arg, uint64_t number);
/* Read no link while |why| is not OK; and one of them not, while a job cannot
 * keep up. A link is read when nobody wants it paused. */
void daemon_pause_core(struct daemon *d, int why);
void daemon_pause_jobs(void *arg, uint64_t number, bool pause);

/* --- daemon_dial.c ------------------------------------------------------- */

void daemon_dial_start(struct daemon *d);
/* A link that we dialled is over. */
void daemon_dial_down(struct daemon *d,
                      struct daemon_link *l,
                      int status,
                      const char *text);
/* Somebody is to be dialled soon. */
void daemon_dial_soon(struct daemon *d, struct slice id);
/* Dial who is due, and set the timer for the next. */
void daemon_dial_turn(struct daemon *d);

/* --- daemon_custody.c ---------------------------------------------------- */

/* Begin to connect to the custodian, if one is configured; that it is not there
 * yet is no error. ERR_FULL when the path is too long for a socket. */
MUST_CHECK int daemon_custody_start(struct daemon *d);
/* Ask it what the machine asks; the answer is an event of that |id|. */
void daemon_custody_ask(void *arg, uint64_t id, struct slice bytes);
/* Fill in what the admin API says of it. */
void daemon_custody_status(const struct daemon *d, struct admin_status *s);

/* --- daemon_admin.c ------------------------------------------------------ */

/* Serve HOME/admin.sock, as admin_open(). */
MUST_CHECK int daemon_admin_start(struct daemon *d);

/* --- daemon_notify.c ----------------------------------------------------- */

/* "READY=1" and the like, for systemd if it asked for that. */
void daemon_notify(const char *state);

#endif /* CAIRN_NODE_DAEMON_STATE_H */
