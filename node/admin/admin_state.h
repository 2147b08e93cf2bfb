#ifndef CAIRN_NODE_ADMIN_STATE_H
#define CAIRN_NODE_ADMIN_STATE_H

#include <jansson.h>
#include <microhttpd.h>

#include "crypto/sshsig.h"
#include "node/admin/admin.h"
#include "node/admin/admin_index.h"
#include "node/admin/admin_receipts.h"
#include "protocol/custody.h"

/* The parts of admin.h that only its own files share:
 *
 *   admin.c           the socket, the loop, the end
 *   admin_http.c      connections and requests
 *   admin_route.c     which request that is, and of what
 *   admin_post.c      what is for the machine
 *   admin_get.c       jobs on the pool
 *   admin_answers.c   what answers have in common
 *   admin_status.c    the node as JSON
 *   admin_deposits.c  deposits as JSON
 *   admin_releases.c  releases as JSON
 *   admin_papers.c    what people carry, as octets */

enum admin_route {
    ADMIN_STATUS,
    ADMIN_DEPOSITS,
    ADMIN_DEPOSIT,
    ADMIN_CERTIFICATE,
    ADMIN_RELEASES,
    ADMIN_RELEASE,
    ADMIN_REQUEST,
    ADMIN_TICKET,
    ADMIN_SUBMIT,
    ADMIN_APPROVE,
    ADMIN_DENY
};

struct admin_answer {
    unsigned code; /* Of HTTP; 0: none yet. */
    bool json;
    bool secret;    /* Wiped when it has been sent. */
    uint8_t *bytes; /* Allocated. */
    size_t size;
};

/* --- Requests ------------------------------------------------------------ */

/* A connection, for its deadline. */
struct admin_peer {
    struct admin_peer *next;
    struct MHD_Connection *connection;
    uint64_t until_ms;
    struct admin_request *request; /* NULL until its head is here. */
};

struct admin_job;

struct admin_request {
    struct admin *admin;
    struct admin_request *next; /* While it waits. */
    struct MHD_Connection *connection;
    enum admin_route route;
    bool post;
    struct digest id; /* Where the route has one; for a list, behind which. */
    bool has_after;
    uint8_t *body;
    size_t body_size, body_max;
    bool begun;            /* Its body is complete. */
    bool waited;           /* It has been suspended. */
    bool suspended;        /* Waits for the machine or for a job. */
    uint64_t number;       /* At the machine; 0: it is not there. */
    struct admin_job *job; /* That works for it. */
    struct admin_answer answer;
};

/* --- The whole ----------------------------------------------------------- */

struct admin {
    struct admin_config config;
    char *path;
    int fd;
    struct MHD_Daemon *http;
    uv_poll_t poll;
    uv_timer_t timer;
    bool running; /* Inside MHD_run(), ... */
    bool due;     /* ... or libmicrohttpd has something to do. */
    unsigned handles;
    struct admin_peer *peers;
    struct admin_request *waiting,
        **waiting_end; /* For the machine or a job. */
    uint64_t numbered;
    struct admin_index *index;
    bool index_busy;
    struct admin_receipts *receipts;
    unsigned jobs;
    bool closing;
    void (*closed)(void *arg);
    void *closed_arg;
};

/* admin.c */
/* Run libmicrohttpd soon. */
void admin_wake(struct admin *a);
void admin_close_if_done(struct admin *a);

/* admin_http.c */
MUST_CHECK int admin_http_start(struct admin *a);
/* The answer of |r| is ready: let its connection go on. */
void admin_http_answered(struct admin_request *r);
/* Free what is in it, and wipe it when it is secret. */
void admin_answer_free(struct admin_answer *a);
/* End what has taken too long; returns when the next is due, or UINT64_MAX. */
uint64_t admin_http_sweep(struct admin *a);
/* Stop to wait: for the end. */
void admin_http_abandon(struct admin *a);
void admin_waiting_put(struct admin *a, struct admin_request *r);
void admin_waiting_take(struct admin *a, struct admin_request *r);

/* admin_route.c */
/* Which request is that? OK, or its error is the answer. */
MUST_CHECK int admin_route_find(struct admin_request *r,
                                const char *url,
                                const char *method);

/* admin_post.c */
void admin_post(struct admin_request *r);

/* admin_get.c */
/* Begin the job of a request, or let it wait until the index is free. */
void admin_get(struct admin_request *r);
/* Nobody waits for its job any longer. */
void admin_get_abandon(struct admin_request *r);

/* admin_answers.c */

/* What a job works on: nothing in here belongs to the loop. */
struct admin_view {
    const struct admin_config *config;
    struct admin_index *index; /* NULL for a status. */
    struct admin_receipts *receipts;
    bool receipts_read; /* All of them. */
    uint64_t now_s;
    enum admin_route route;
    struct digest id;
    bool has_after;
    struct admin_status *status; /* NULL unless for a status. */
    struct steward_counts counts;
    struct steward_deposit_info *deposits;
    size_t deposits_len;
    struct steward_release_info *releases;
    size_t releases_len;
};

/* Steals |json| (NULL: out of memory). */
void admin_answer_json(struct admin_answer *a, unsigned code, json_t *json);
/* |text| says what to do; |status| is an ERR_*. */
void admin_answer_error(struct admin_answer *a,
                        unsigned code,
                        int status,
                        const char *text);
unsigned admin_code_of(int status);
/* As RFC 3339, as hex, and in words. */
json_t *admin_time(uint64_t unix_s);
json_t *admin_hex(const struct digest *d);
json_t *admin_policy(const struct manifest *m);
/* {"schema", "covers", "as_of"} and |rest|, which is stolen. */
json_t *admin_seen(const struct admin_view *v,
                   const char *schema,
                   json_t *rest);

/* admin_feeds.c */
/* For a status, with what is wrong with them. */
json_t *admin_feeds(const struct admin_view *v, json_t *trouble);
/* admin_status.c */
void admin_answer_status(const struct admin_view *v, struct admin_answer *a);
/* admin_deposits.c */
void admin_answer_deposits(const struct admin_view *v, struct admin_answer *a);
void admin_answer_deposit(const struct admin_view *v, struct admin_answer *a);
/* admin_releases.c */
void admin_answer_releases(const struct admin_view *v, struct admin_answer *a);
void admin_answer_release(const struct admin_view *v, struct admin_answer *a);
/* admin_papers.c */
void admin_answer_certificate(const struct admin_view *v,
                              struct admin_answer *a);
void admin_answer_request(const struct admin_view *v, struct admin_answer *a);
void admin_answer_ticket(const struct admin_view *v, struct admin_answer *a);

#endif /* CAIRN_NODE_ADMIN_STATE_H */
