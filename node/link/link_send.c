#include <stdlib.h>

#include "node/link/link_state.h"

/* What a record costs beside its body, at most: a close has a reason. */
#define REASON_SIZE 2
#define RECORD_SIZE ((size_t)FRAME_LENGTH_SIZE + FRAME_SEALED_MIN + REASON_SIZE)

/* Records in one call, at most: full ones, those cut short where a buffer or
 * the bytes end, and the end of the stream. */
#define DATA_RECORDS (LINK_DATA_MAX / FRAME_BODY_MAX + 8)

/* A buffer with less room than this is full for bulk bytes. */
#define PIECE_MIN ((size_t)4096)

/* --- Buffers ------------------------------------------------------------- */

static struct link_buf *buf_new(struct link *l)
{
    struct link_host *h = l->host;
    struct link_buf *b = h->spares;

    if (b != NULL) {
        h->spares = b->next;
        h->spares_len--;
    } else {
        b = malloc(sizeof(*b));
        if (b == NULL) {
            return NULL;
        }
    }
    b->req.data = b;
    b->link = l;
    b->next = NULL;
    b->size = 0;
    b->control = 0;
    b->data = 0;
    return b;
}

void link_buf_free(struct link_host *h, struct link_buf *b)
{
    if (b == NULL) {
        return;
    }
    if (h->spares_len < LINK_SPARE_MAX) {
        b->next = h->spares;
        h->spares = b;
        h->spares_len++;
    } else {
        free(b);
    }
}

static size_t buf_room(const struct link_buf *b)
{
    return b == NULL ? 0 : sizeof(b->bytes) - b->size;
}

/* --- Writing ------------------------------------------------------------- */

static void send_tail(struct link *l);

static void link_on_written(uv_write_t *req, int status)
{
    struct link_buf *b = req->data;
    struct link *l = b->link;
    struct link_session *s = l->session;
    struct link_host *h = l->host;

    s->writing--;
    s->control -= b->control;
    s->data -= b->data;
    link_buf_free(h, b);
    if (status != 0) {
        link_drop(l, ERR_IO, "write: %s", uv_strerror(status));
        return;
    }
    if (l->state != LINK_UP) {
        return;
    }
    if (s->writing == 0) {
        send_tail(l);
    }
    if (l->state == LINK_UP && s->refused &&
        s->data <= h->config.limits.data_low) {
        s->refused = false;
        h->config.calls.on_writable(h->config.arg, l);
    }
}

static void send_tail(struct link *l)
{
    struct link_session *s = l->session;
    struct link_buf *b = s->tail;
    uv_buf_t buf;
    int rv;

    if (b == NULL || b->size == 0) {
        return;
    }
    s->tail = NULL;
    buf = uv_buf_init((char *)b->bytes, (unsigned)b->size);
    rv = uv_write(&b->req, (uv_stream_t *)&l->tcp, &buf, 1, link_on_written);
    if (rv != 0) {
        s->control -= b->control;
        s->data -= b->data;
        link_buf_free(l->host, b);
        link_drop(l, ERR_IO, "write: %s", uv_strerror(rv));
        return;
    }
    s->writing++;
}

/* While the system has bytes of ours, those to come gather in the tail: few
 * large writes, and never many buffers with little in them. */
void link_send_flush(struct link *l)
{
    if (l->state == LINK_LINGERING || l->session->writing == 0) {
        send_tail(l);
    }
}

static void flush_soon(struct link *l)
{
    if (!l->flush_due) {
        l->flush_due = true;
        link_host_wake(l->host);
    }
}

/* --- Sealing ------------------------------------------------------------- */

/* Seal one record to the end of the queue: all of the processor work of
 * sending. The caller has made sure that it fits the tail. */
static int seal(struct link *l, const struct frame_record *rec)
{
    struct link_session *s = l->session;
    struct link_buf *b = s->tail;
    size_t size;
    int rv = frame_seal(&s->noise.send, rec, b->bytes + b->size, &size);

    if (rv != OK) {
        return rv;
    }
    b->size += size;
    assert(b->size <= sizeof(b->bytes));
    if (rec->type == FRAME_CONTROL) {
        b->control += size;
        s->control += size;
    } else if (rec->type == FRAME_DATA || rec->type == FRAME_END) {
        b->data += size;
        s->data += size;
    }
    s->sent_ms = uv_now(l->host->config.loop);
    return OK;
}

/* Room for |size| bytes in the tail; a tail without it is written. */
static int make_room(struct link *l, size_t size)
{
    struct link_session *s = l->session;

    if (buf_room(s->tail) < size) {
        send_tail(l);
        if (l->state == LINK_CLOSED) {
            return ERR_ORDER;
        }
        if (s->tail == NULL) {
            s->tail = buf_new(l);
        }
    }
    return s->tail == NULL ? ERR_NOMEM : OK;
}

static int send_record(struct link *l, const struct frame_record *rec)
{
    int rv = make_room(l, RECORD_SIZE + rec->body.size);

    if (rv == OK) {
        rv = seal(l, rec);
    }
    if (rv == ERR_NOMEM) {
        link_drop(l, rv, "no memory to send");
    }
    return rv;
}

/* May a link send more records? */
static int check_session(struct link *l)
{
    if (l->state != LINK_UP) {
        return ERR_ORDER;
    }
    if (l->session->noise.send.nonce >=
        l->host->config.limits.session_records) {
        link_end(l, OK, FRAME_REASON_LIFETIME, "the session is used up");
        return ERR_ORDER;
    }
    return OK;
}

/* --- What is sent -------------------------------------------------------- */

int link_send_message(struct link *l, struct slice message)
{
    const struct frame_record rec = {.type = FRAME_CONTROL, .body = message};
    int rv = check_session(l);

    assert(message.size <= LINK_MESSAGE_MAX);
    if (rv != OK) {
        return rv;
    }
    if (l->session->control + RECORD_SIZE + message.size >
        l->host->config.limits.control_max) {
        link_end(l, ERR_FULL, FRAME_REASON_BUSY,
                 "the peer does not take our messages");
        return ERR_FULL;
    }
    flush_soon(l);
    return send_record(l, &rec);
}

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* As much of |*bytes| as goes into one record in the tail. */
static int send_piece(struct link *l, uint32_t stream, struct slice *bytes)
{
    struct frame_record rec = {.type = FRAME_DATA, .stream = stream};
    size_t size = min_size(bytes->size, FRAME_BODY_MAX);
    int rv = make_room(l, RECORD_SIZE + min_size(size, PIECE_MIN));

    if (rv == OK) {
        size = min_size(size, buf_room(l->session->tail) - RECORD_SIZE);
        rec.body = slice_of(bytes->data, size);
        *bytes = slice_of(bytes->data + size, bytes->size - size);
    } else {
        return rv;
    }
    return send_record(l, &rec);
}

int link_send_data(struct link *l,
                   uint32_t stream,
                   struct slice bytes,
                   bool end)
{
    const struct frame_record rec = {.type = FRAME_END, .stream = stream};
    int rv = check_session(l);

    assert(stream != 0 && bytes.size <= LINK_DATA_MAX);
    if (rv != OK) {
        return rv;
    }
    if (l->session->data + bytes.size + DATA_RECORDS * RECORD_SIZE >
        l->host->config.limits.data_high) {
        l->session->refused = true;
        return ERR_FULL;
    }
    flush_soon(l);
    while (rv == OK && bytes.size > 0) {
        rv = send_piece(l, stream, &bytes);
    }
    if (rv == OK && end) {
        rv = send_record(l, &rec);
    }
    return rv;
}

void link_send_keepalive(struct link *l)
{
    const struct frame_record rec = {.type = FRAME_KEEPALIVE};

    /* Bytes that wait already say as much, when the peer takes them. */
    if (l->session->writing == 0 && check_session(l) == OK &&
        send_record(l, &rec) == OK) {
        flush_soon(l);
    }
}

void link_send_close(struct link *l, uint16_t reason)
{
    const struct frame_record rec = {.type = FRAME_CLOSE, .reason = reason};

    (void)send_record(l, &rec);
}

size_t link_queued(const struct link *l)
{
    return l->session == NULL ? 0 : l->session->control + l->session->data;
}
