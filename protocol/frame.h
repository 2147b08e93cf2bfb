#ifndef CAIRN_PROTOCOL_FRAME_H
#define CAIRN_PROTOCOL_FRAME_H

#include "crypto/base.h"
#include "crypto/noise.h"

/* The bytes of a connection (docs/PROTOCOL.md): a preamble in the clear, three
 * handshake messages, then records.
 *
 *   initiator                                  responder
 *   preamble, frame(message 1)      ->         frame_preamble_accept()
 *                                   <-         frame(message 2)
 *   frame(message 3)                ->
 *   frame(sealed record)            <->        frame(sealed record)
 *
 *   frame(m) = u16be |m| || m
 *   record   = u8 type || u8 flags || u32le stream || body
 *
 * Bytes in and out only; sockets, buffers and deadlines are the caller's. */

/* --- Pre-shared keys ----------------------------------------------------- */

#define FRAME_PSK_SIZE    32
#define FRAME_PSK_ID_SIZE 8

/* A pre-shared key that a connection may name: that of the network, in this or
 * an earlier epoch, or that of a release. Secret: frame_psk_wipe() after use.
 */
struct frame_psk {
    uint8_t id[FRAME_PSK_ID_SIZE]; /* Public: TH256("psk-id", psk)[0:8]. */
    uint8_t psk[FRAME_PSK_SIZE];
    struct digest mac_key; /* TH256("mac1-key", psk) */
};

void frame_psk_init(struct frame_psk *p, const uint8_t psk[FRAME_PSK_SIZE]);
void frame_psk_wipe(struct frame_psk *p);

/* The psk of the handshake: TH256("noise-psk", psk, pairwise, kem_secret).
 * |pairwise| is empty unless the two sides share a key of their own, and
 * |kem_secret| is empty, since no KEM is spoken yet. |out| is secret. */
void frame_psk_for_noise(const struct frame_psk *p,
                         struct slice pairwise,
                         struct slice kem_secret,
                         uint8_t out[NOISE_KEY_SIZE]);

/* --- Preamble ------------------------------------------------------------ */

/* "CRNP" || u8 version || u8 suite || u8 kem || u8 flags || psk_id[8] ||
 * net[16] || mac1[16]
 *
 * mac1 = HMAC-SHA256(mac_key, the 32 bytes before it)[0:16] keeps those who
 * hold no pre-shared key of the network from costing us a scalar
 * multiplication. It authenticates nobody: a preamble can be recorded and sent
 * again, and the handshake then fails. */
#define FRAME_PREAMBLE_SIZE 48
#define FRAME_NET_SIZE      16
#define FRAME_MAC1_SIZE     16

#define FRAME_VERSION 1
#define FRAME_SUITE   1 /* Noise_XXpsk3_25519_AESGCM_SHA256 */
#define FRAME_KEM     0 /* None. */

struct frame_preamble {
    uint8_t psk_id[FRAME_PSK_ID_SIZE];
    uint8_t net[FRAME_NET_SIZE]; /* The id of the network, shortened. */
    uint8_t mac1[FRAME_MAC1_SIZE];
};

void frame_preamble_encode(const struct digest *net,
                           const struct frame_psk *psk,
                           uint8_t out[FRAME_PREAMBLE_SIZE]);

/* Read the fields of exactly FRAME_PREAMBLE_SIZE bytes; mac1 is not checked.
 * ERR_BAD when it is no preamble, ERR_UNSUPPORTED when its version, suite, KEM
 * or a flag is not one of ours. */
MUST_CHECK int frame_preamble_decode(struct slice in, struct frame_preamble *p);

/* What a responder asks of the first bytes of a connection: that they are a
 * preamble of our network under one of |psks|, whose index is then *which.
 *
 * As frame_preamble_decode(), or ERR_MISMATCH for another network,
 * ERR_NOTFOUND when no psk has that id, ERR_AUTH when mac1 is wrong. Whatever
 * the error, the caller closes the connection without a word. */
MUST_CHECK int frame_preamble_accept(struct slice in,
                                     const struct digest *net,
                                     const struct frame_psk *psks,
                                     size_t psks_len,
                                     size_t *which);

/* The prologue of the handshake, TH256("noise-prologue", preamble): who saw
 * another preamble fails at the first tag. */
void frame_prologue(const uint8_t preamble[FRAME_PREAMBLE_SIZE],
                    struct digest *out);

/* --- Records ------------------------------------------------------------- */

#define FRAME_LENGTH_SIZE 2
#define FRAME_HEADER_SIZE 6
#define FRAME_BODY_MAX    (NOISE_PLAIN_MAX - FRAME_HEADER_SIZE)
/* Sealed records, and every handshake message, have sizes in this range. */
#define FRAME_SEALED_MIN (FRAME_HEADER_SIZE + NOISE_TAG_SIZE)
#define FRAME_SEALED_MAX NOISE_MESSAGE_MAX
#define FRAME_WIRE_MAX   (FRAME_LENGTH_SIZE + FRAME_SEALED_MAX)
/* A handshake message, framed: all that is buffered for a stranger. */
#define FRAME_HANDSHAKE_MAX 4096U
/* Records one way under one handshake; the next needs a new connection. */
#define FRAME_SESSION_RECORDS_MAX ((uint64_t)1 << 32)

/* Wire numbers. */
enum frame_type {
    FRAME_CONTROL = 1,   /* A message, or a part of it. */
    FRAME_DATA = 2,      /* Bulk bytes of a stream. */
    FRAME_END = 3,       /* The stream is complete; no body. */
    FRAME_KEEPALIVE = 4, /* No body, stream 0. */
    FRAME_CLOSE = 5      /* The last record; body u16le reason, stream 0. */
};

/* Why a side closes. For people and counters: nothing is decided by it, and a
 * reason that we do not know is as good as any. */
enum frame_reason {
    FRAME_REASON_DONE = 0,
    FRAME_REASON_PROTOCOL = 1,    /* The peer broke a rule of this page. */
    FRAME_REASON_CERTIFICATE = 2, /* Not a member, expired, revoked. */
    FRAME_REASON_BUSY = 3,        /* Too many links, or a queue is full. */
    FRAME_REASON_LIFETIME = 4,    /* The session is used up: dial again. */
    FRAME_REASON_STOPPING = 5     /* The process ends. */
};

struct frame_record {
    enum frame_type type;
    bool more; /* Records of the same message follow on this stream. Only
                * CONTROL and DATA, and only with a body. */
    uint32_t stream;
    uint16_t reason;   /* CLOSE only, else 0. */
    struct slice body; /* CONTROL and DATA only, else empty. */
};

/* Write the plaintext of a record, FRAME_HEADER_SIZE + body bytes, into |out|.
 * A record that breaks the rules above is the caller's mistake: an assertion.
 */
void frame_record_encode(const struct frame_record *rec,
                         uint8_t *out,
                         size_t *out_size);

/* The body is lent from |plain|. ERR_UNSUPPORTED for an unknown type or flag,
 * ERR_BAD for what the type does not allow. */
MUST_CHECK int frame_record_decode(struct slice plain,
                                   struct frame_record *rec);

/* A record from its structure to the wire: encode, seal, frame. Writes
 * FRAME_LENGTH_SIZE + FRAME_SEALED_MIN + body bytes, and copies no body: it is
 * sealed from where it is, which may be its place in |out|. ERR_ORDER when the
 * session is used up. */
MUST_CHECK int frame_seal(struct noise_cipher *c,
                          const struct frame_record *rec,
                          uint8_t *out,
                          size_t *out_size);

/* And back: open one frame of a frame_reader. Its body goes to |body|,
 * sealed.size - FRAME_SEALED_MIN bytes, and is then lent from there; in place
 * is sealed.data + FRAME_HEADER_SIZE. Errors of noise_open() and
 * frame_record_decode(), and ERR_ORDER when the session is used up; after any
 * of them the caller closes the link. */
MUST_CHECK int frame_open(struct noise_cipher *c,
                          struct slice sealed,
                          uint8_t *body,
                          struct frame_record *rec);

/* --- Reading ------------------------------------------------------------- */

/* Lend the first frame of |*in|, without its length, and move |*in| on; *frame
 * is empty, and |*in| as it was, when the frame is not all there yet. ERR_BAD
 * when a length is below FRAME_SEALED_MIN or the frame above |wire_max|. */
MUST_CHECK int frame_take(struct slice *in,
                          size_t wire_max,
                          struct slice *frame);

/* Cuts a stream of bytes, in whatever pieces it arrives, into frames.
 *
 * The buffer is the caller's; its size bounds what a peer can make us hold,
 * and a frame that does not fit is refused as soon as its length is known. A
 * handshake is read through FRAME_HANDSHAKE_MAX bytes; a reader takes no byte
 * beyond the frame that it returns, so that what follows the last message is
 * there for frame_take(). */
struct frame_reader {
    uint8_t *buf;
    size_t buf_size;
    size_t have; /* Bytes of an unfinished frame in |buf|. */
    bool dead;
};

/* |buf_size| is at least FRAME_PREAMBLE_SIZE. */
void frame_reader_init(struct frame_reader *r, uint8_t *buf, size_t buf_size);

/* Take bytes from the front of |*in| until a frame is complete or |*in| is
 * used up, and move |*in| on. *frame is the content of the frame without its
 * length, or empty when more bytes are needed.
 *
 * The frame is lent until the next call, either from |buf| or, when all of it
 * came in one piece, from the bytes of |*in|: nothing is copied then.
 *
 * ERR_BAD when a length is below FRAME_SEALED_MIN or above the buffer. There
 * is no way to find the next frame then: every later call returns ERR_BAD. */
MUST_CHECK int frame_reader_take(struct frame_reader *r,
                                 struct slice *in,
                                 struct slice *frame);

/* The same for the preamble, which comes first and has no length: *preamble is
 * its FRAME_PREAMBLE_SIZE bytes, or empty when more are needed. */
void frame_reader_take_preamble(struct frame_reader *r,
                                struct slice *in,
                                struct slice *preamble);

#endif /* CAIRN_PROTOCOL_FRAME_H */
