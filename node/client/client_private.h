#ifndef CAIRN_NODE_CLIENT_PRIVATE_H
#define CAIRN_NODE_CLIENT_PRIVATE_H

#include "node/base/log.h"
#include "node/client/client.h"
#include "protocol/message.h"
#include "protocol/transport_cert.h"

/* The inside of client.h, for client*.c and their tests alone:
 *
 *   client.c          begins, waits, ends; what the machine asks
 *   client_links.c    links: whom we dial, who that is, what they say
 *   client_streams.c  the shards at the stewards as streams of movers
 *   client_reads.c    their cells: READs under way, and what comes of them
 *
 * A stream has what was submitted to it until it says mover_op_done(), which
 * may submit more at once: what is done has left its list before. */

/* READs of one stream whose answers have not all come. */
#define CLIENT_READS_MAX 4U
/* Leaves of one APPEND or READ. */
#define CLIENT_RUN_LEAVES ((uint64_t)SEGMENT_SIZE_MAX / LEAF_SIZE)
#define CLIENT_TICK_MS    1000U /* Between looks at who keeps others waiting. */
/* Who is asked for cells and sends fewer bytes in a tick says nothing. */
#define CLIENT_SPEAKS_BYTES ((uint64_t)16 << 10)

/* A link that we dialled. Owned by the list of the client, from
 * client_links_dial() to the end of on_down(). */
struct client_link {
    struct client *client;
    struct client_link *next;
    struct link *link;
    uint64_t number; /* What the machine calls it; 0: not up. */
    uint32_t member; /* Index in the charter. */
    /* What it showed, for the machine. */
    uint8_t cert[TRANSPORT_CERT_MAX];
    size_t cert_size;
};

/* A READ that is under way: one run of leaves of an operation. */
struct client_read {
    struct mover_op *op; /* NULL: free, unless |dropped| */
    struct client_stream *stream;
    uint32_t id;            /* The number of its data records. */
    uint64_t first, leaves; /* Of this run. */
    uint8_t *mem;           /* The operation's, where this run goes. */
    uint64_t got;           /* Bytes. */
    bool cell;              /* CELL has come, with its proof. */
    bool verifying;         /* All is here, and workers have |work|. */
    bool dropped;           /* It still comes, and nobody waits for it. */
    struct digest *nodes;   /* Of its proof, MERKLE_RUN_NODES_MAX. */
    size_t nodes_len;
    struct work work;
};

/* The shard at one steward. Writes are done in order; reads are asked for in
 * order, and done as they are answered. */
struct client_stream {
    struct mover_stream base; /* First: what submit() is given. */
    struct client *client;
    struct client_link *link; /* The newest that is up; NULL: none. */
    uint64_t writes;          /* The link that took our OFFER; 0: none. */
    uint32_t ids;             /* Streams named so far on that link. */

    /* Writing, in order. The first of |sends| is being sent. */
    struct mover_op *sends, **sends_end;
    uint64_t sent;     /* Bytes of the first. */
    uint64_t run_left; /* Bytes of its APPEND that is open. */
    uint64_t leaves;   /* Handed to the link in all. */
    struct mover_op *flush;
    uint64_t flush_leaves, durable;
    bool flush_said;
    uint64_t owing_ms; /* How long it, with few others, kept all waiting. */

    /* Reading. */
    struct mover_op *reads, **reads_end; /* Not asked for in whole yet. */
    uint64_t asked;                      /* Leaves of the first. */
    struct client_read running[CLIENT_READS_MAX];
    uint32_t hears; /* The one that the last data record was of. */
    /* READs up to this one may be answered although they were given up. */
    uint32_t given_up;
    uint64_t heard, silent_ms; /* Bytes in this tick; how long too few. */
};

struct client {
    struct client_config config;
    struct rng rng;
    struct link_host *host;
    struct client_link *links;
    uint64_t links_numbered;
    unsigned attempts[CHARTER_MEMBERS_MAX];
    struct core_run *run;
    uv_timer_t tick;
    struct manifest *manifest; /* NULL: nothing can be read yet. */
    struct client_stream *streams;
    struct mover_stream *by_column[MANIFEST_SHARDS_MAX];
    struct message *message; /* Scratch. */
    /* The job that the machine asks for; see client_wait(). */
    uint64_t job;
    uint8_t *job_bytes;
    size_t job_size;
    bool halted, closing, core_closed, host_closed;
    char errmsg[ERRMSG_SIZE];
};

/* client_links.c */

/* Make the host, which dials and is never dialled. Fails for want of memory. */
MUST_CHECK int client_links_open(struct client *c, char *errmsg);
/* Dial a member, at the next of its addresses, unless that is under way. What
 * cannot be dialled is passed over: the machine asks again. */
void client_links_dial(struct client *c, const struct digest *id);
/* NULL when it is gone. */
struct client_link *client_link_find(const struct client *c, uint64_t number);

/* client_streams.c */

/* One for each column. ERR_NOMEM, and client_streams_free() is due even so. */
MUST_CHECK int client_streams_open(struct client *c);
void client_streams_free(struct client *c);
/* The column of a member, or n. */
uint16_t client_column(const struct client *c, uint32_t member);
/* A new link takes the place of an older one. What was under way on that, or on
 * a link that ends, is answered with ERR_IO. */
void client_stream_up(struct client_stream *s, struct client_link *link);
void client_stream_down(struct client_stream *s);
/* Say and send as much as the link takes. */
void client_stream_pump(struct client_stream *s);
/* True when the message was the stream's; *status not OK: close the link. */
bool client_stream_message(struct client_stream *s,
                           const struct message *m,
                           int *status);
/* client.c: a step of the machine. What it changes is looked at by
 * client_wait(): the loop, which may be about to sleep, comes back first. */
void client_step(void *arg, const struct core_event *ev, struct core_out *out);

/* Every CLIENT_TICK_MS. */
void client_streams_tick(struct client *c);
/* The first of a list, taken from it. */
struct mover_op *client_op_pop(struct mover_op **list, struct mover_op ***end);
/* Small messages; false when the link is ending. */
bool client_stream_say(struct client_stream *s, const struct message *m);

/* client_reads.c */

/* Ask for what waits, as far as there may be READs under way. */
void client_reads_pump(struct client_stream *s);
/* ERR_BAD for a CELL, or data, that was not asked for. */
MUST_CHECK int client_reads_cell(struct client_stream *s,
                                 const struct message_cell *cell);
/* For link_calls.on_room. */
uint8_t *client_reads_room(const struct client_stream *s, size_t size);
MUST_CHECK int client_reads_data(struct client_stream *s,
                                 uint32_t id,
                                 struct slice bytes,
                                 bool end);
/* A READ was refused, with that status, and nobody knows which: all that have
 * no CELL yet are given up. */
void client_reads_refused(struct client_stream *s, int said);
/* Segment |id| is needed no longer: MV_DROP. */
void client_reads_drop(struct client_stream *s, uint64_t id);
/* The link is gone. */
void client_reads_fail(struct client_stream *s);
/* Has it been asked to read, and says next to nothing? Every tick. */
bool client_reads_are_silent(struct client_stream *s);

#endif /* CAIRN_NODE_CLIENT_PRIVATE_H */
