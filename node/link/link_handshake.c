#include <sodium.h>
#include <stdlib.h>

#include "node/link/link_state.h"

/* The largest thing we say before a session: the preamble and message 1, or a
 * message with our certificate. */
#define SAY_MAX \
    (FRAME_PREAMBLE_SIZE + FRAME_LENGTH_SIZE + NOISE_MSG2_SIZE + LINK_CERT_MAX)

_Static_assert(FRAME_LENGTH_SIZE + NOISE_MSG2_SIZE + LINK_CERT_MAX <=
                   FRAME_HANDSHAKE_MAX,
               "a peer's reader takes our messages");
_Static_assert(sizeof(struct link) + sizeof(struct link_handshake) +
                       sizeof(struct link_bucket) <
                   LINK_STRANGER_SIZE,
               "link.h promises it");

int link_handshake_new(struct link *l, const uint8_t *psk)
{
    struct link_handshake *s = calloc(1, sizeof(*s));

    if (s == NULL) {
        return ERR_NOMEM;
    }
    if (psk != NULL) {
        frame_psk_init(&s->psk, psk);
        memcpy(l->psk_id, s->psk.id, sizeof(l->psk_id));
    }
    frame_reader_init(&s->reader, s->frame, sizeof(s->frame));
    l->shake = s;
    return OK;
}

void link_handshake_free(struct link *l)
{
    if (l->shake == NULL) {
        return;
    }
    noise_handshake_wipe(&l->shake->noise);
    frame_psk_wipe(&l->shake->psk);
    free(l->shake);
    l->shake = NULL;
}

/* The preamble is settled, so the handshake is. */
static void handshake_init(struct link *l,
                           const uint8_t preamble[FRAME_PREAMBLE_SIZE])
{
    struct link_handshake *s = l->shake;
    struct link_host *h = l->host;
    uint8_t psk[NOISE_KEY_SIZE];
    struct digest prologue;

    frame_prologue(preamble, &prologue);
    frame_psk_for_noise(&s->psk, slice_str(""), slice_str(""), psk);
    noise_handshake_init(&s->noise, l->dialled, digest_slice(&prologue), h->key,
                         psk);
    sodium_memzero(psk, sizeof(psk));
    memcpy(s->cert, h->cert, h->cert_size);
    s->cert_size = h->cert_size;
    s->begun = true;
}

/* Nothing else is queued on a connection that shakes hands, and the system has
 * room for so little: all of it goes at once, or the connection is no good. */
static int say(struct link *l, uint8_t *bytes, size_t size)
{
    uv_buf_t buf = uv_buf_init((char *)bytes, (unsigned)size);
    int rv = uv_try_write((uv_stream_t *)&l->tcp, &buf, 1);

    if (rv != (int)size) {
        link_drop(l, ERR_IO, "handshake: %s",
                  rv < 0 ? uv_strerror(rv) : "the connection is stuck");
        return ERR_IO;
    }
    return OK;
}

/* Write the next message behind |before| bytes that are there already. */
static int say_message(struct link *l,
                       struct slice payload,
                       uint8_t *bytes,
                       size_t before)
{
    uint8_t *at = bytes + before;
    size_t size;
    int rv =
        noise_handshake_write(&l->shake->noise, payload, l->host->config.rng,
                              at + FRAME_LENGTH_SIZE, &size);

    if (rv != OK) {
        link_drop(l, rv, "handshake: the peer's key is no good");
        return rv;
    }
    u16be_store(at, (uint16_t)size);
    return say(l, bytes, before + FRAME_LENGTH_SIZE + size);
}

static struct slice our_cert(const struct link *l)
{
    return slice_of(l->shake->cert, l->shake->cert_size);
}

void link_handshake_begin(struct link *l)
{
    uint8_t bytes[SAY_MAX];

    link_move(l, LINK_SHAKING);
    link_timer_start(l, l->host->config.limits.handshake_ms);
    (void)uv_tcp_nodelay(&l->tcp, 1);
    if (l->dialled) {
        frame_preamble_encode(&l->host->config.net, &l->shake->psk, bytes);
        handshake_init(l, bytes);
        if (say_message(l, slice_str(""), bytes, FRAME_PREAMBLE_SIZE) != OK) {
            return;
        }
    }
    link_receive_start(l);
}

/* --- The responder's first bytes ----------------------------------------- */

static int accept_preamble(struct link *l, struct slice preamble)
{
    struct link_host *h = l->host;
    struct frame_psk psks[LINK_PSKS_MAX];
    struct frame_preamble p;
    size_t len, which = 0;
    int rv = frame_preamble_decode(preamble, &p);

    if (rv != OK) {
        return rv;
    }
    len = h->config.calls.on_psk(h->config.arg, p.psk_id, psks, LINK_PSKS_MAX);
    assert(len <= LINK_PSKS_MAX);
    /* The owner may have closed the link, and with it |preamble| is gone. */
    rv =
        l->state == LINK_SHAKING
            ? frame_preamble_accept(preamble, &h->config.net, psks, len, &which)
            : ERR_CANCELED;
    if (rv == OK) {
        l->shake->psk = psks[which];
        memcpy(l->psk_id, psks[which].id, sizeof(l->psk_id));
        handshake_init(l, preamble.data);
    }
    for (size_t i = 0; i < len; i++) {
        frame_psk_wipe(&psks[i]);
    }
    return rv;
}

/* --- Who it is ----------------------------------------------------------- */

/* The static key is proven; may its holder be here? */
static int judge(struct link *l, struct slice cert)
{
    struct link_host *h = l->host;
    const struct noise_handshake *noise = &l->shake->noise;

    memcpy(l->remote, noise->rs, sizeof(l->remote));
    if (memcmp(noise->rs, noise->s.pk, sizeof(l->remote)) == 0) {
        return ERR_DENIED; /* A connection to ourselves. */
    }
    return h->config.calls.on_identity(h->config.arg, l, cert, l->remote);
}

/* Message 3 is done on our side. */
static int session_new(struct link *l)
{
    struct link_session *s = calloc(1, sizeof(*s));
    int rv;

    if (s == NULL) {
        link_drop(l, ERR_NOMEM, "no memory for a session");
        return ERR_NOMEM;
    }
    rv = noise_handshake_split(&l->shake->noise, &s->noise);
    assert(rv == OK);
    s->reading = true;
    s->up_ms = uv_now(l->host->config.loop);
    s->sent_ms = s->up_ms;
    s->received_ms = s->up_ms;
    l->session = s;
    link_handshake_free(l);
    link_move(l, LINK_UP);
    link_timer_set(l);
    return OK;
}

static void come_up(struct link *l)
{
    struct link_host *h = l->host;

    l->owed = true;
    h->config.calls.on_up(h->config.arg, l);
}

/* Message 2 of the peer: the last chance to say nothing of ourselves. */
static void finish_dialler(struct link *l, struct slice cert)
{
    uint8_t bytes[SAY_MAX];
    int rv = judge(l, cert);

    if (l->state != LINK_SHAKING) {
        return; /* The owner closed it. */
    }
    if (rv != OK) {
        link_drop(l, rv, "the peer's identity is not accepted");
        return;
    }
    if (say_message(l, our_cert(l), bytes, 0) == OK && session_new(l) == OK) {
        come_up(l);
    }
}

/* Message 3 of the peer. It has shown that it knows the psk and may be told
 * why it is refused. */
static void finish_responder(struct link *l, struct slice cert)
{
    int rv = judge(l, cert);

    if (l->state != LINK_SHAKING || session_new(l) != OK) {
        return;
    }
    if (rv != OK) {
        link_end(l, rv, FRAME_REASON_CERTIFICATE,
                 "the peer's identity is not accepted");
        return;
    }
    come_up(l);
}

static void take_message(struct link *l, struct slice frame)
{
    uint8_t payload[FRAME_HANDSHAKE_MAX], bytes[SAY_MAX];
    size_t size;
    int rv = noise_handshake_read(&l->shake->noise, frame, payload, &size);

    if (rv != OK) {
        link_drop(l, rv, "handshake: message not accepted");
    } else if (l->dialled) {
        finish_dialler(l, slice_of(payload, size));
    } else if (l->shake->noise.messages == NOISE_MESSAGES) {
        finish_responder(l, slice_of(payload, size));
    } else if (size != 0) {
        link_drop(l, ERR_BAD, "handshake: message 1 has a payload");
    } else {
        (void)say_message(l, our_cert(l), bytes, 0);
    }
}

/* A frame, or nothing yet, or an error. */
static int take_frame(struct link *l, struct slice *in)
{
    struct slice frame;
    int rv = frame_reader_take(&l->shake->reader, in, &frame);

    if (rv != OK) {
        link_drop(l, rv, "handshake: no frame");
    } else if (frame.size > 0) {
        take_message(l, frame);
    }
    return rv;
}

void link_handshake_take(struct link *l, struct slice *in)
{
    while (l->state == LINK_SHAKING && in->size > 0) {
        struct link_handshake *s = l->shake;

        if (!l->dialled && !s->begun) {
            struct slice preamble;
            int rv;

            frame_reader_take_preamble(&s->reader, in, &preamble);
            if (preamble.size == 0) {
                return;
            }
            rv = accept_preamble(l, preamble);
            if (rv != OK) {
                link_drop(l, rv, "no preamble of this network");
                return;
            }
        } else if (take_frame(l, in) != OK) {
            return;
        }
    }
}
