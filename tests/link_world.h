#ifndef CAIRN_TESTS_LINK_WORLD_H
#define CAIRN_TESTS_LINK_WORLD_H

#include "crypto/hash.h"
#include "node/link/link.h"
#include "tests/suite.h"

/* Nodes on the loopback in one loop, peers made of plain sockets that may say
 * anything, and a proxy that spoils what passes. */

#define NODES_MAX  3
#define BLOCK_SIZE (LINK_DATA_MAX + 65536)

struct node {
    struct link_config config; /* To change before node_start(). */
    struct link_host *host;
    char address[LINK_ADDRESS_SIZE];
    struct frame_psk psks[2]; /* Accepted ones. */
    size_t psks_len;
    int identity, answer; /* What on_identity(), on_message() and on_data()
                           * say. */
    bool closed;

    /* What was seen. */
    unsigned asked, identities, ups, downs, writables, messages, ends;
    struct link *link; /* The last that came up, until it is down. */
    uint8_t cert[FRAME_HANDSHAKE_MAX];
    size_t cert_size;
    uint8_t last[LINK_MESSAGE_MAX]; /* Message. */
    size_t last_size;
    uint64_t received; /* Bulk bytes, and their hash. */
    struct sha256 received_hash;
    int status; /* Of the last on_down(). */
    uint16_t reason;
    char text[LINK_TEXT_SIZE];
    void *down_user;

    /* A bulk transfer: |total| bytes of |block|, in pieces of all sizes. */
    uint64_t total, sent;
    size_t piece;
    struct sha256 sent_hash;

    /* More to do in a callback. */
    void (*on_psk)(struct node *n, struct link *none);
    void (*on_up)(struct node *n, struct link *l);
    void (*on_message)(struct node *n, struct link *l, struct slice message);
    void (*on_data)(struct node *n, struct link *l);
    void (*on_down)(struct node *n, struct link *l);
    int (*on_identity)(struct node *n, struct link *l);
};

extern uv_loop_t loop;
extern struct rng rng;
extern struct node a, b, c;
extern uint8_t secret[FRAME_PSK_SIZE];
extern uint8_t block[BLOCK_SIZE];

/* Three nodes that know each other, none started. */
void world_setup(void);
/* Stops everything; the loop must then be empty. */
void world_teardown(void);
/* One round of the loop, and of the proxy. */
void world_run(void);
#define WAIT(condition)        \
    do {                       \
        while (!(condition)) { \
            world_run();       \
        }                      \
    } while (0)

/* Make the host, and listen at a free port of |at| ("127.0.0.1:0"). */
void node_start(struct node *n, const char *at);
void node_stop(struct node *n);
struct link *node_dial(struct node *n, const char *address);
/* Start both, and have |n| dial |to| until both are up. */
void node_connect(struct node *n, struct node *to);
/* Whose hash is that of whose sending? */
bool node_has_all_of(struct node *n, struct node *from);
/* Send what is left of the transfer as far as there is room. */
void node_pump(struct node *n);

/* --- Plain sockets ------------------------------------------------------- */

struct raw {
    int fd;
    struct noise_transport t;
    size_t got; /* Bytes received since the last raw_take(). */
    uint8_t in[1 << 17];
};

void raw_dial(struct raw *r, const char *address, const char *from);
/* A socket that listens, and its address. */
int raw_listen(char address[LINK_ADDRESS_SIZE]);
/* Wait for a connection. */
void raw_accept(struct raw *r, int listener);
void raw_send(struct raw *r, const void *bytes, size_t size);
/* Wait until |size| bytes have come. */
void raw_wait(struct raw *r, size_t size);
/* Forget the first |size| of them. */
void raw_take(struct raw *r, size_t size);
/* Did the other side close? Does not wait. */
bool raw_is_closed(struct raw *r);
void raw_close(struct raw *r);
/* Shake hands as a dialler with the node at |address|. */
void raw_handshake(struct raw *r, const char *address);
/* Preamble and message 1 of a dialler under |psk|, and its state. */
#define RAW_HELLO_SIZE (FRAME_PREAMBLE_SIZE + 2 + NOISE_MSG1_SIZE)
void raw_hello(struct noise_handshake *hs,
               const struct noise_keypair *key,
               const uint8_t psk[FRAME_PSK_SIZE],
               uint8_t out[RAW_HELLO_SIZE]);
/* Answer a dialler's first bytes in |r| as a responder with |cert|. */
void raw_answer(struct raw *r,
                struct noise_handshake *hs,
                const struct noise_keypair *key,
                struct slice cert);
/* Seal any plaintext, frame and send it. */
void raw_seal(struct raw *r, const void *plain, size_t size);
/* Wait for a record and open it into |rec|, lent until the next call. */
void raw_record(struct raw *r, struct frame_record *rec);

/* --- A proxy ------------------------------------------------------------- */

enum {
    TO_TARGET,
    TO_DIALLER
};

struct proxy {
    int listener, fd[2];
    char address[LINK_ADDRESS_SIZE];
    const char *target;
    size_t chunk;     /* At most so many bytes in one round. */
    uint64_t seen[2]; /* Bytes passed, per direction. */
    /* Where to spoil, by offset in the connection; UINT64_MAX: nowhere. */
    uint64_t flip_at[2], cut_at[2];
    uint8_t flip;
    uint8_t buf[2][65536];
    size_t at[2], end[2];
    bool eof[2];
};

extern struct proxy proxy;

void proxy_start(const char *target);
/* As new, for the next connection. */
void proxy_reset(void);

#endif /* CAIRN_TESTS_LINK_WORLD_H */
