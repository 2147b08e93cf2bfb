#include <stdlib.h>

#include "node/link/link_state.h"

/* For a body of fewer bytes its owner is not asked where it goes. */
#define ROOM_MIN ((size_t)4096)

/* --- Records ------------------------------------------------------------- */

/* The parts of a message, one after another, until the last. */
static int take_part(struct link *l,
                     const struct frame_record *rec,
                     struct slice *message)
{
    struct link_session *s = l->session;

    *message = rec->body;
    if (!rec->more && !s->parts_open) {
        return rec->body.size <= LINK_MESSAGE_MAX ? OK : ERR_BAD;
    }
    if (s->parts == NULL) {
        s->parts = malloc(LINK_MESSAGE_MAX);
        if (s->parts == NULL) {
            return ERR_NOMEM;
        }
    }
    if (rec->body.size > LINK_MESSAGE_MAX - s->parts_size) {
        return ERR_BAD;
    }
    if (rec->body.size > 0) {
        memcpy(s->parts + s->parts_size, rec->body.data, rec->body.size);
    }
    s->parts_size += rec->body.size;
    s->parts_open = rec->more;
    *message = slice_of(s->parts, s->parts_size);
    return OK;
}

static int take_control(struct link *l, const struct frame_record *rec)
{
    const struct link_config *config = &l->host->config;
    struct slice message;
    int rv;

    if (rec->stream != 0) {
        return ERR_BAD;
    }
    rv = take_part(l, rec, &message);
    if (rv != OK || l->session->parts_open) {
        return rv;
    }
    l->session->parts_size = 0;
    return config->calls.on_message(config->arg, l, message);
}

static int take_record(struct link *l, const struct frame_record *rec)
{
    const struct link_config *config = &l->host->config;

    switch (rec->type) {
    case FRAME_CONTROL:
        return take_control(l, rec);
    case FRAME_DATA:
    case FRAME_END:
        if (rec->stream == 0) {
            return ERR_BAD;
        }
        return config->calls.on_data(config->arg, l, rec->stream, rec->body,
                                     rec->type == FRAME_END);
    case FRAME_KEEPALIVE:
        return OK;
    case FRAME_CLOSE:
        l->reason = rec->reason;
        link_drop(l, OK, "closed by the peer: %s",
                  link_reason_text(rec->reason));
        return OK;
    }
    return ERR_UNSUPPORTED;
}

/* Where the body of the frame at in_at is opened to. */
static uint8_t *body_place(struct link *l, size_t size)
{
    const struct link_config *config = &l->host->config;
    uint8_t *room = NULL;

    if (size >= ROOM_MIN && config->calls.on_room != NULL) {
        room = config->calls.on_room(config->arg, l, size);
    }
    return room != NULL ? room
                        : l->session->in + l->session->in_at +
                              FRAME_LENGTH_SIZE + FRAME_HEADER_SIZE;
}

/* Open one frame and deliver it. Whatever is wrong with it, the owner's word
 * included, ends the link. */
static void take_frame(struct link *l, struct slice sealed)
{
    struct frame_record rec;
    struct link_session *s = l->session;
    uint8_t *body = body_place(l, sealed.size - FRAME_SEALED_MIN);
    int rv = frame_open(&s->noise.receive, sealed, body, &rec);

    s->in_at += FRAME_LENGTH_SIZE + sealed.size;
    if (rv == ERR_ORDER) {
        link_end(l, OK, FRAME_REASON_LIFETIME, "the session is used up");
        return;
    }
    if (rv != OK) {
        link_end(l, rv, FRAME_REASON_PROTOCOL,
                 rv == ERR_AUTH ? "a record does not open"
                                : "a record that is none");
        return;
    }
    s->received_ms = uv_now(l->host->config.loop);
    rv = take_record(l, &rec);
    if (rv != OK) {
        link_end(l, rv, FRAME_REASON_PROTOCOL, "a record against the protocol");
    }
}

void link_receive_go(struct link *l)
{
    struct link_session *s = l->session;

    while (l->state == LINK_UP && !s->paused && s->in_at < s->in_end) {
        struct slice in = slice_of(s->in + s->in_at, s->in_end - s->in_at);
        struct slice frame;
        int rv = frame_take(&in, FRAME_WIRE_MAX, &frame);

        if (rv != OK) {
            link_end(l, rv, FRAME_REASON_PROTOCOL, "a frame of no size");
        } else if (frame.size > 0) {
            take_frame(l, frame);
        } else {
            break; /* Its rest has to be read. */
        }
    }
    if (l->state == LINK_UP && !s->paused && !s->reading) {
        link_receive_start(l);
    }
}

/* --- Reading ------------------------------------------------------------- */

/* All of the buffer, behind what is there of a frame. */
static uv_buf_t session_room(struct link_session *s)
{
    size_t have = s->in_end - s->in_at;

    assert(have < FRAME_WIRE_MAX);
    memmove(s->in, s->in + s->in_at, have);
    s->in_at = 0;
    s->in_end = have;
    return uv_buf_init((char *)s->in + have, (unsigned)(sizeof(s->in) - have));
}

static void link_on_alloc(uv_handle_t *handle, size_t hint, uv_buf_t *buf)
{
    struct link *l = handle->data;

    (void)hint;
    if (l->state == LINK_UP) {
        *buf = session_room(l->session);
    } else {
        *buf = uv_buf_init((char *)l->host->scratch, sizeof(l->host->scratch));
    }
}

static void lost(struct link *l, int status)
{
    switch (l->state) {
    case LINK_SHAKING:
        link_drop(l, ERR_IO, "handshake: the peer closed the connection");
        break;
    case LINK_UP:
        link_drop(l, ERR_IO, "connection lost: %s", uv_strerror(status));
        break;
    case LINK_LINGERING:
        link_drop(l, OK, "over");
        break;
    case LINK_RESOLVING:
    case LINK_CONNECTING:
    case LINK_CLOSED:
    case LINK_STATE_COUNT:
        break;
    }
}

static void link_on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    struct link *l = stream->data;
    struct slice in;

    if (got < 0) {
        lost(l, (int)got);
        return;
    }
    if (l->state == LINK_UP) {
        l->session->in_end += (size_t)got;
        link_receive_go(l);
    } else if (l->state == LINK_SHAKING) {
        in = slice_of(buf->base, (size_t)got);
        link_handshake_take(l, &in);
        if (l->state == LINK_UP && in.size > 0) {
            memcpy(l->session->in, in.data, in.size);
            l->session->in_at = 0;
            l->session->in_end = in.size;
            link_receive_go(l);
        }
    }
}

void link_receive_start(struct link *l)
{
    if (l->session != NULL) {
        l->session->reading = true;
    }
    l->tcp.data = l;
    (void)uv_read_start((uv_stream_t *)&l->tcp, link_on_alloc, link_on_read);
}

void link_read_pause(struct link *l)
{
    if (l->state == LINK_UP) {
        l->session->paused = true;
        l->session->reading = false;
        (void)uv_read_stop((uv_stream_t *)&l->tcp);
    }
}

void link_read_resume(struct link *l)
{
    struct link_session *s = l->session;

    if (l->state == LINK_UP && s->paused) {
        s->paused = false;
        s->received_ms = uv_now(l->host->config.loop);
        link_timer_set(l);
        l->receive_due = true;
        link_host_wake(l->host);
    }
}
