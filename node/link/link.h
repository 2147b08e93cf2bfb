#ifndef CAIRN_NODE_LINK_H
#define CAIRN_NODE_LINK_H

#include <uv.h>

#include "crypto/rng.h"
#include "node/base/file.h"
#include "protocol/frame.h"

/* Links: encrypted connections between nodes over TCP, the bytes of which are
 * docs/PROTOCOL.md. A link_host holds what the links of a process share and
 * accepts connections; link_dial() makes one.
 *
 *   inbound   accept -> SHAKING -> UP -> LINGERING -> CLOSED
 *   dialled   RESOLVING -> CONNECTING -> SHAKING -> UP -> ...
 *
 * A link carries whole control messages, on stream 0, and the bytes of other
 * streams, which control messages have announced. Order and completeness hold
 * within a link alone; what must survive it comes again over the next one.
 *
 * Everything runs on the thread of the loop. Callbacks are called from the
 * loop and never from inside a function of this header, one at a time; every
 * function may be called in them, link_host_close() included.
 *
 * What a peer does ends its link, never the process: whatever is malformed,
 * unknown, too large, too many or too late. Until the handshake is done a
 * stranger costs less than LINK_STRANGER_SIZE bytes, and no arithmetic with a
 * public key before its preamble has shown that it knows a pre-shared key.
 * Memory of a link that is up, in bytes at most:
 *
 *   LINK_RECEIVE_SIZE + LINK_MESSAGE_MAX                       what comes in
 *   limits.data_high + limits.control_max + 2 * LINK_BUF_SIZE  what goes out
 *
 * about 5.3 MiB with the default limits, of which an idle link touches a few
 * pages. A host keeps LINK_SPARE_MAX more buffers for re-use. */

#define LINK_MESSAGE_MAX   65000U
#define LINK_CERT_MAX      1024U
#define LINK_ADDRESS_SIZE  128 /* "[2001:db8::1]:7117", and names. */
#define LINK_TEXT_SIZE     160
#define LINK_PSKS_MAX      4 /* That one id may stand for. */
#define LINK_LISTEN_MAX    4
#define LINK_STRANGER_SIZE ((size_t)12 << 10)
/* Whole records of the largest size: in a run of them every read that is filled
 * ends with one. */
#define LINK_RECEIVE_SIZE ((size_t)4 * FRAME_WIRE_MAX)
/* Records are sealed into buffers of this size, each one write(): sixteen full
 * records and a small one, so that a MiB of bulk bytes is one buffer. Small
 * writes would cost a wake-up of the peer each. */
#define LINK_BUF_SIZE  ((size_t)16 * FRAME_WIRE_MAX + 1024)
#define LINK_SPARE_MAX 16U
/* Bulk bytes in one call of link_send_data(). */
#define LINK_DATA_MAX ((size_t)1 << 20)

struct link;
struct link_host;

/* --- What the owner is told ---------------------------------------------- */

/* Slices are lent until the callback returns. A link may be used until its
 * on_down() returns, or, if it is inbound and never came up, until
 * on_identity() returns. */
struct link_calls {
    /* A connection names a pre-shared key by its id: write those that have
     * this id and are accepted now, at most |max| (LINK_PSKS_MAX), to |out|
     * and return their number. The link wipes them. */
    size_t (*on_psk)(void *arg,
                     const uint8_t psk_id[FRAME_PSK_ID_SIZE],
                     struct frame_psk *out,
                     size_t max);

    /* The peer has proven that it holds the key |remote|, and shows |cert|:
     * any bytes, fewer than FRAME_HANDSHAKE_MAX. OK lets the link come up; an
     * error closes it, and nothing was done for the peer before, nor was our
     * certificate sent if we are the dialler. That the peer is ourselves has
     * been excluded as far as |remote| tells. */
    int (*on_identity)(void *arg,
                       struct link *l,
                       struct slice cert,
                       const uint8_t remote[NOISE_KEY_SIZE]);

    /* Records may be sent from now on. At the dialler this says that the peer
     * is the one it wants: whether the peer wants us shows by its first
     * message, or by on_down(). */
    void (*on_up)(void *arg, struct link *l);

    /* One control message, 0 to LINK_MESSAGE_MAX bytes. An error closes the
     * link with FRAME_REASON_PROTOCOL. */
    int (*on_message)(void *arg, struct link *l, struct slice message);

    /* A record with |size| bytes, most likely of bulk, is about to be opened:
     * memory of that size where the owner would have them, or NULL for
     * anywhere. If the record is good, on_data() or on_message() comes next,
     * and its slice is what was opened there; if it is not, zeros are. So this
     * is a guess that saves a copy, and the owner does nothing but guess. May
     * be NULL itself, for an owner that never does. */
    uint8_t *(*on_room)(void *arg, struct link *l, size_t size);

    /* The next bytes of |stream| (never 0), in pieces as they come; with |end|
     * the stream is complete and |bytes| is empty. The link knows no streams:
     * an error says that this one was not announced, is over, or has more
     * bytes than it should, and closes the link with FRAME_REASON_PROTOCOL. */
    int (*on_data)(void *arg,
                   struct link *l,
                   uint32_t stream,
                   struct slice bytes,
                   bool end);

    /* After link_send_data() returned ERR_FULL: there is room again. */
    void (*on_writable)(void *arg, struct link *l);

    /* Exactly once for each link that was dialled or came up, and the last
     * that is heard of it. |status| is OK when either side closed it in order,
     * see link_reason(); otherwise what went wrong: ERR_IO for the network and
     * for silence, ERR_AUTH and ERR_BAD and ERR_UNSUPPORTED for what the peer
     * sent, ERR_DENIED for an identity that was refused, ERR_FULL when our
     * control queue was full. |text| says it in words. */
    void (*on_down)(void *arg, struct link *l, int status, const char *text);
};

/* --- Host ---------------------------------------------------------------- */

struct link_limits {
    size_t inbound_max;       /* Links of others to us, handshakes included. */
    size_t dialled_max;       /* Links of ours. */
    size_t half_open_max;     /* Unfinished handshakes inbound; the newest is
                               * refused. */
    uint32_t ip_burst;        /* New connections of one address (IPv6: of one */
    uint32_t ip_per_s;        /* /64) at once, and a second in the long run. */
    uint32_t connect_ms;      /* Name look-up and connecting together. */
    uint32_t handshake_ms;    /* From the connection to its last message. */
    uint32_t idle_ms;         /* Nothing sent: a keep-alive record. */
    uint32_t silence_ms;      /* Nothing received: the peer is gone. */
    uint32_t session_ms;      /* Then FRAME_REASON_LIFETIME: dial again. */
    uint64_t session_records; /* The same by records sent. */
    uint32_t close_ms;        /* For the last bytes of a link that ends. */
    size_t control_max;       /* Sealed control messages not yet sent. */
    size_t data_high;         /* Sealed bulk records not yet sent, */
    size_t data_low;          /* and where on_writable() is called. */
};

/* 256, 256, 64; 20, 5; 10 s, 5 s; 20 s, 60 s; 24 h, 2^32 less a few; 2 s;
 * 1 MiB, 2 MiB, 1 MiB. */
void link_limits_default(struct link_limits *limits);

struct link_config {
    uv_loop_t *loop;
    struct rng *rng;          /* Used until the host is closed. */
    struct digest net;        /* The id of the network. */
    struct noise_keypair key; /* Our transport key; copied. */
    struct slice cert;        /* Shown to peers; copied. */
    struct link_limits limits;
    struct link_calls calls;
    void *arg;
};

/* Also makes the process ignore SIGPIPE, unless it handles it: a peer that
 * hangs up is no reason to die. ERR_NOMEM, also when the key cannot be
 * locked in memory. */
MUST_CHECK int link_host_new(struct link_host **out,
                             const struct link_config *config);

/* Replace key and certificate, which belong together. Links that are up and
 * handshakes that have begun keep what they began with. |cert| has at most
 * LINK_CERT_MAX bytes. */
void link_host_set_identity(struct link_host *h,
                            const struct noise_keypair *key,
                            struct slice cert);

/* Accept connections at |address|, "host:port"; port 0 takes a free one. What
 * was bound goes to |bound|, of LINK_ADDRESS_SIZE bytes. A name is looked up at
 * once, and blocks: this is for the start of a process. ERR_BAD for what is no
 * address, ERR_FULL after LINK_LISTEN_MAX of them, ERR_IO. */
MUST_CHECK int link_host_listen(struct link_host *h,
                                const char *address,
                                char *bound,
                                char *errmsg);

/* Close every link with FRAME_REASON_STOPPING, stop listening, and free all
 * when that is over, limits.close_ms later at most (a name look-up may take
 * longer). on_down() is called where it is due; then |closed|, which may be
 * NULL. Nothing of the host or its links may be used then. */
void link_host_close(struct link_host *h, void (*closed)(void *arg), void *arg);

/* --- Links --------------------------------------------------------------- */

/* Connect to |address| ("host:port"; its addresses are tried one by one) under
 * the pre-shared key |psk|. |user| is link_user(), there from the beginning.
 * Whom we expect there is the owner's to compare in on_identity().
 *
 * OK, and then on_down() is called once, whatever happens; or ERR_BAD for what
 * is no address, ERR_FULL beyond limits.dialled_max, ERR_NOMEM, ERR_ORDER when
 * the host is closing, and nothing is called. */
MUST_CHECK int link_dial(struct link_host *h,
                         const char *address,
                         const uint8_t psk[FRAME_PSK_SIZE],
                         void *user,
                         struct link **out);

/* Send one control message of at most LINK_MESSAGE_MAX bytes; they are no
 * longer needed on return. ERR_ORDER when the link is not up. ERR_FULL when the
 * peer does not take what we say: then the link closes, for a control message
 * that is dropped in silence would be a lie. */
MUST_CHECK int link_send_message(struct link *l, struct slice message);

/* Send the next bytes of |stream|, not 0, at most LINK_DATA_MAX of them, and
 * with |end| its end. They are copied and sealed: on return they are no longer
 * needed.
 *
 * ERR_FULL when the queue has no room for all of it: nothing was taken, and
 * on_writable() will say when to try again. ERR_ORDER when the link is not up,
 * or no longer. */
MUST_CHECK int link_send_data(struct link *l,
                              uint32_t stream,
                              struct slice bytes,
                              bool end);

/* Sealed bytes of both kinds that the system has not taken yet. */
size_t link_queued(const struct link *l);

/* Stop reading, so that TCP slows the peer down: no on_message() and no
 * on_data() until link_read_resume(). The silence of a peer that is not
 * listened to is not held against it. Without effect unless the link is up. */
void link_read_pause(struct link *l);
void link_read_resume(struct link *l);

/* Say |reason| to the peer, after all that was queued and for limits.close_ms
 * at most, and close. on_down(OK) follows soon, not now. Only the first cause
 * of an end counts: a link that has ended already keeps its own. */
void link_close(struct link *l, enum frame_reason reason);

/* What the owner of a link may ask. */
void link_set_user(struct link *l, void *user);
void *link_user(const struct link *l);
bool link_is_up(const struct link *l);
bool link_is_dialled(const struct link *l);
const char *link_address(const struct link *l); /* Of the peer. */
/* From on_identity() on: the psk that the link uses, the static key of the
 * peer. From on_up() on: the channel binding, for logs. */
const uint8_t *link_psk_id(const struct link *l);
const uint8_t *link_remote(const struct link *l);
const struct digest *link_binding(const struct link *l);
/* In on_down(): the reason of the close record that was received or sent, or
 * would have been; any number, since a peer may say what it likes. */
uint16_t link_reason(const struct link *l);

#endif /* CAIRN_NODE_LINK_H */
