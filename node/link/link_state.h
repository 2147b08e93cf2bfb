#ifndef CAIRN_NODE_LINK_STATE_H
#define CAIRN_NODE_LINK_STATE_H

#include "node/link/link.h"

/* The inside of links, shared by link*.c. Who does what:
 *
 *   link_host.c       the host, listening
 *   link_admit.c      how often one address may connect
 *   link_dial.c       addresses, look-up, connecting
 *   link_handshake.c  preamble and messages, up to a session
 *   link_receive.c    bytes to records to callbacks
 *   link_send.c       messages to records to writes
 *   link.c            states, the timer, what owners may ask
 *   link_end.c        every way to end
 *
 * libuv calls in with the loop's word; calls out to the owner are made there,
 * or from link_work(), which the host's idle handle runs for what may not
 * happen inside a function that the owner called. */

enum link_state {
    LINK_RESOLVING,
    LINK_CONNECTING,
    LINK_SHAKING,
    LINK_UP,
    LINK_LINGERING, /* Over; the last bytes go out, others are discarded. */
    LINK_CLOSED,    /* Waits for its handles. */
    LINK_STATE_COUNT
};

/* All that a stranger costs, beside struct link. Secret; wiped when done. */
struct link_handshake {
    struct noise_handshake noise;
    struct frame_psk psk;
    struct frame_reader reader;
    bool begun; /* The preamble was sent, or read and found good. */
    uint8_t frame[FRAME_HANDSHAKE_MAX];
    size_t cert_size; /* Ours, as it was at the beginning. */
    uint8_t cert[LINK_CERT_MAX];
};

/* One write. */
struct link_buf {
    uv_write_t req;
    struct link *link;
    struct link_buf *next;      /* In the host's spares. */
    size_t size, control, data; /* size is the sum, and more. */
    uint8_t bytes[LINK_BUF_SIZE];
};

/* What a link has when it is up, and until it is freed. */
struct link_session {
    struct noise_transport noise;
    /* Bytes from in_at to in_end are new. Records are opened where they lie,
     * unless the owner has room for them. */
    uint8_t in[LINK_RECEIVE_SIZE];
    size_t in_at, in_end;
    bool paused, reading;
    uint8_t *parts; /* LINK_MESSAGE_MAX, once a message came in parts. */
    size_t parts_size;
    bool parts_open;
    struct link_buf *tail; /* Being filled. */
    unsigned writing;      /* Buffers that the system has. */
    size_t control, data;  /* Bytes in all buffers. */
    bool refused;          /* on_writable() is owed. */
    uint64_t up_ms, sent_ms, received_ms;
};

struct link {
    struct link_host *host;
    struct link *prev, *next;
    enum link_state state;
    bool dialled;
    bool owed;        /* on_down() will be called. */
    bool down_due;    /* And now. */
    bool receive_due; /* Bytes were left over by a pause. */
    bool flush_due;   /* The tail is to be written. */
    void *user;

    uv_tcp_t tcp;
    uv_timer_t timer;
    uv_connect_t connect;
    uv_shutdown_t shutdown;
    uv_getaddrinfo_t resolve;
    struct addrinfo *addresses, *address_next;
    unsigned pending; /* Handles and requests that still know this link. */
    bool tcp_is_open;
    uint64_t deadline_ms; /* Of every state but LINK_UP. */
    bool is_late;         /* The deadline has passed once. */

    struct link_handshake *shake; /* In LINK_CONNECTING and LINK_SHAKING. */
    struct link_session *session; /* From LINK_UP on. */
    uint8_t psk_id[FRAME_PSK_ID_SIZE];
    uint8_t remote[NOISE_KEY_SIZE];

    int status;
    uint16_t reason;
    char address[LINK_ADDRESS_SIZE];
    char text[LINK_TEXT_SIZE];
};

/* New connections of one address, or of one /64. */
struct link_bucket {
    uint8_t address[16];
    uint64_t at_ms;
    uint64_t tokens; /* In thousandths. */
};

#define LINK_BUCKETS_MAX 256U

struct link_host {
    struct link_config config; /* Without key and cert. */
    struct noise_keypair *key; /* Secret memory. */
    size_t cert_size;
    uint8_t cert[LINK_CERT_MAX];

    struct link *links;
    size_t inbound, dialled, half_open;
    struct link_buf *spares;
    size_t spares_len;
    struct link_bucket buckets[LINK_BUCKETS_MAX];
    size_t buckets_len;

    uv_idle_t idle; /* Active while a link has something due. */
    uv_tcp_t listeners[LINK_LISTEN_MAX];
    size_t listeners_len;
    size_t handles; /* Open ones of the host itself. */
    bool closing;
    void (*closed)(void *arg);
    void *closed_arg;

    uint8_t scratch[FRAME_HANDSHAKE_MAX]; /* Done with before the next read. */
};

/* --- link_host.c --------------------------------------------------------- */

/* Have link_work() called soon. */
void link_host_wake(struct link_host *h);
/* A link is gone; the last one may free a host that closes. */
void link_host_forget(struct link_host *h, struct link *l);

/* --- link_admit.c -------------------------------------------------------- */

/* A token for a connection from |addr|; false when it has none left. */
bool link_bucket_take(struct link_host *h, const struct sockaddr *addr);

/* --- link_dial.c --------------------------------------------------------- */

/* "host:port" or "[host]:port" in two; false when it is neither. |port| is a
 * number below 65536, without sign or leading zeros. */
#define LINK_HOST_SIZE LINK_ADDRESS_SIZE
#define LINK_PORT_SIZE 6
bool link_address_split(const char *address,
                        char host[LINK_HOST_SIZE],
                        char port[LINK_PORT_SIZE]);
void link_address_text(const struct sockaddr *addr,
                       char out[LINK_ADDRESS_SIZE]);

/* The attempt at an address is over and its handle closed: the next one. */
void link_connect_next(struct link *l);

/* --- link_handshake.c ---------------------------------------------------- */

/* For a new link; |psk| is NULL for inbound ones. ERR_NOMEM. */
MUST_CHECK int link_handshake_new(struct link *l, const uint8_t *psk);
void link_handshake_free(struct link *l);
/* The connection stands: the dialler speaks, both read. */
void link_handshake_begin(struct link *l);
/* Bytes of the peer, moved on to what belongs to the session. */
void link_handshake_take(struct link *l, struct slice *in);

/* --- link_receive.c ------------------------------------------------------ */

/* Read from the connection, as the state has it. */
void link_receive_start(struct link *l);
/* Deliver what has been read, unless or until the link is paused. */
void link_receive_go(struct link *l);

/* --- link_send.c --------------------------------------------------------- */

void link_send_keepalive(struct link *l);
/* The last record, best effort. */
void link_send_close(struct link *l, uint16_t reason);
/* Write the tail, all of it that is due. */
void link_send_flush(struct link *l);
void link_buf_free(struct link_host *h, struct link_buf *b);

/* --- link.c -------------------------------------------------------------- */

/* In the host's list, with its timer. ERR_FULL, ERR_NOMEM. */
MUST_CHECK int link_new(struct link_host *h, bool dialled, struct link **out);
void link_move(struct link *l, enum link_state next);
/* Restart the timer for the state and its deadline. */
void link_timer_set(struct link *l);
void link_timer_start(struct link *l, uint32_t ms);
/* Close the connection alone; while connecting, to try the next address. */
void link_tcp_close(struct link *l);
void link_timer_close(struct link *l);
/* One handle or request less; frees the link after the last. */
void link_release(struct link *l);

/* What is due, outside of any call of the owner's. */
void link_work(struct link *l);

/* --- link_end.c ---------------------------------------------------------- */

/* End now, without a word; or, when the link is up, with a close record. The
 * first cause counts. |format| makes the text. */
void link_drop(struct link *l, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void link_end(struct link *l,
              int status,
              enum frame_reason reason,
              const char *format,
              ...) __attribute__((format(printf, 4, 5)));
/* What a reason is called. */
const char *link_reason_text(uint16_t reason);

#endif /* CAIRN_NODE_LINK_STATE_H */
