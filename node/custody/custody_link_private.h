#ifndef CAIRN_NODE_CUSTODY_LINK_PRIVATE_H
#define CAIRN_NODE_CUSTODY_LINK_PRIVATE_H

#include "node/custody/custody_frame.h"
#include "node/custody/custody_link.h"

/* Inside of custody_link.h.
 *
 *   custody_link.c        life, what is asked, what the owner is told
 *   custody_link_conn.c   one connection: HELLO, a request, its answer */

#define CUSTODY_LINK_TEXT_MAX 512

/* A request that waits for its answer. */
struct custody_link_item {
    struct custody_link_item *next;
    uint64_t id;
    size_t size;
    uint8_t bytes[];
};

/* A connection, from the attempt on; outlives |link|->conn until it is
 * closed. */
struct custody_conn {
    uv_pipe_t pipe;
    uv_connect_t connect;
    uv_write_t write;
    struct custody_link *link;
    bool up;      /* HELLO is answered. */
    bool waiting; /* For an answer: to the first request or, */
    bool hello;   /* to HELLO. */
    bool stale;   /* It holds more than it said in answer to HELLO. */
    bool writing;
    struct custody_frame in, out;
};

struct custody_link {
    struct custody_link_config config;
    char *path;
    uv_timer_t timer; /* Of the pause when there is no connection, else of
                       * patience. */
    uv_timer_t soon;  /* Ends what was asked while nobody is there. */
    struct custody_conn *conn;
    struct custody_self self;
    struct custody_link_item *first, **last;
    size_t asks_len, asks_size;
    int told; /* What on_change() was told last; 1: nothing yet. */
    char told_text[CUSTODY_LINK_TEXT_MAX];
    size_t handles;
    bool closing;
    void (*closed)(void *arg);
    void *closed_arg;
};

/* --- custody_link.c ------------------------------------------------------ */
/* The first request, which is the caller's to free now. */
struct custody_link_item *custody_link_pop(struct custody_link *cl);
/* Tell the owner, if that is news. */
void custody_link_tell(struct custody_link *cl, int status, const char *text);
/* Connect after a pause. */
void custody_link_again(struct custody_link *cl);
/* Nobody is there, or not who should be: say so, and try again later. */
void custody_link_drop(struct custody_link *cl,
                       int status,
                       const char *format,
                       ...) __attribute__((format(printf, 3, 4)));
/* The loop has forgotten one handle of the link. */
void custody_link_closed(struct custody_link *cl);

/* --- custody_link_conn.c ------------------------------------------------- */
void custody_conn_open(struct custody_link *cl);
/* Send what is next, if it is time. */
void custody_conn_send(struct custody_conn *c);
void custody_conn_close(struct custody_conn *c);

#endif /* CAIRN_NODE_CUSTODY_LINK_PRIVATE_H */
