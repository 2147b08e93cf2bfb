#ifndef CAIRN_NODE_DAEMON_STATE_H
#define CAIRN_NODE_DAEMON_STATE_H

#include "node/core_run.h"
#include "node/daemon.h"
#include "node/log.h"
#include "node/shard_jobs.h"
#include "node/workers.h"
#include "protocol/transport_cert.h"
#include "replication/steward.h"

/* The parts of daemon.h that only its own files share:
 *
 *   daemon.c         begins and ends
 *   daemon_core.c    what the machine asks, and what it is told
 *   daemon_links.c   links: who that is, what they say
 *   daemon_dial.c    the other stewards */

/* A link that is up or that we dial. */
struct daemon_link {
    struct daemon *daemon;
    struct daemon_link *next;
    struct link *link;
    uint64_t number; /* What the machine calls it; 0: not up yet. */
    uint32_t member; /* Index in the charter. */
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
    /* Stewards: */
    struct daemon_link *dialling; /* Ours, up or not. */
    uint64_t dial_ms;             /* Not before; on the loop's clock. */
    unsigned failures;
    bool told; /* That it cannot be reached. */
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
    struct daemon_link *links;
    uint64_t links_numbered;
    struct daemon_member members[CHARTER_MEMBERS_MAX];
    uint32_t self; /* Our index in the charter. */
    bool core_pauses;
    struct message message;          /* Scratch of on_message(). */
    bool stopping, waiting, handles; /* See daemon_stop_next(). */
    int status;                      /* How it ends; the first error counts. */
    char errmsg[ERRMSG_SIZE];
};

/* Begin to end; again and again is fine. */
void daemon_stop(struct daemon *d, int status, const char *errmsg);
/* Go on with the end when something of it is done. */
void daemon_stop_next(struct daemon *d);
uint64_t daemon_now_s(void);

/* daemon_core.c */
MUST_CHECK int daemon_core_start(struct daemon *d);
/* ERR_FULL when there is no room for a message. */
MUST_CHECK int daemon_feed(struct daemon *d,
                           enum core_event_type type,
                           uint64_t id,
                           int status,
                           struct slice bytes);

/* daemon_links.c */
MUST_CHECK int daemon_host_start(struct daemon *d);
/* Encode a fresh certificate of our transport key. */
MUST_CHECK int daemon_cert(const struct daemon *d,
                           uint8_t out[TRANSPORT_CERT_MAX],
                           size_t *size);
struct link *daemon_link_of(void *arg, uint64_t number);
void daemon_pause_core(struct daemon *d, bool pause);
void daemon_pause_jobs(void *arg, uint64_t number, bool pause);
const char *daemon_member_name(const struct daemon *d, uint32_t member);

/* daemon_dial.c */
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

#endif /* CAIRN_NODE_DAEMON_STATE_H */
