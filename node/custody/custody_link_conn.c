#include <stdlib.h>

#include "node/custody/custody_link_private.h"

/* --- The end ------------------------------------------------------------- */

static void on_conn_closed(uv_handle_t *handle)
{
    struct custody_conn *c = handle->data;
    struct custody_link *cl = c->link;

    free(c);
    custody_link_closed(cl);
}

void custody_conn_close(struct custody_conn *c)
{
    c->link->conn = NULL;
    uv_close((uv_handle_t *)&c->pipe, on_conn_closed);
}

/* --- Sending ------------------------------------------------------------- */

static void on_impatient(uv_timer_t *timer)
{
    struct custody_link *cl = timer->data;

    custody_link_drop(
        cl, ERR_IO,
        "the custodian at '%s' does not answer; look at its log, or "
        "start it again",
        cl->path);
}

static void on_written(uv_write_t *req, int status)
{
    struct custody_conn *c = req->data;

    c->writing = false;
    if (c->link->conn != c) {
        return; /* Closed meanwhile. */
    }
    if (status != 0) {
        custody_link_drop(c->link, ERR_IO, "write to the custodian at '%s': %s",
                          c->link->path, uv_strerror(status));
        return;
    }
    /* An answer may come before its request is known to be written. */
    custody_conn_send(c);
}

/* Send what is in c->out, and wait for the answer. */
static void conn_write(struct custody_conn *c)
{
    struct custody_link *cl = c->link;
    uv_buf_t buf = uv_buf_init((char *)c->out.bytes, (unsigned)c->out.size);
    uint32_t patience_ms = cl->config.patience_ms;
    int rv;

    c->write.data = c;
    rv = uv_write(&c->write, (uv_stream_t *)&c->pipe, &buf, 1, on_written);
    /* Without memory for it the request waits until patience ends. */
    c->writing = rv == 0;
    c->waiting = true;
    (void)uv_timer_start(&cl->timer, on_impatient, patience_ms, 0);
}

static void conn_hello(struct custody_conn *c)
{
    const struct custody_link_config *config = &c->link->config;
    struct custody hello = {
        .type = CUSTODY_HELLO,
        .u.hello = {.net = config->net, .charter_hash = config->charter_hash}};
    size_t size = 0;
    int rv = custody_encode(&hello, c->out.bytes + CUSTODY_FRAME_HEAD,
                            CUSTODY_SIZE_MAX, &size);

    assert(rv == OK);
    (void)rv;
    custody_frame_put(&c->out,
                      slice_of(c->out.bytes + CUSTODY_FRAME_HEAD, size));
    c->hello = true;
    c->stale = false;
    conn_write(c);
}

void custody_conn_send(struct custody_conn *c)
{
    const struct custody_link_item *a = c->link->first;

    if (!c->up || c->waiting || c->writing) {
        return;
    }
    if (c->stale) {
        conn_hello(c);
    } else if (a != NULL) {
        custody_frame_put(&c->out, slice_of(a->bytes, a->size));
        conn_write(c);
    }
}

/* --- Answers ------------------------------------------------------------- */

/* Is it the custodian that we want? */
static void on_self(struct custody_conn *c, const struct custody *got)
{
    struct custody_link *cl = c->link;
    const struct custody_link_config *config = &cl->config;
    const struct custody_self *self = &got->u.self;

    if (got->type == CUSTODY_REFUSED) {
        custody_link_drop(cl, got->u.refused.status,
                          "the custodian at '%s' refuses this node: %s",
                          cl->path, got->u.refused.text);
    } else if (got->type != CUSTODY_SELF) {
        custody_link_drop(cl, ERR_BAD, "the custodian at '%s' answers nonsense",
                          cl->path);
    } else if (!digest_equal(&self->net, &config->net)) {
        custody_link_drop(
            cl, ERR_MISMATCH,
            "the custodian at '%s' is pinned to another network; give "
            "this node the socket of its own",
            cl->path);
    } else if (!digest_equal(&self->charter_hash, &config->charter_hash)) {
        custody_link_drop(
            cl, ERR_MISMATCH,
            "the custodian at '%s' has another charter of this network; "
            "pin it to the newest with 'cairn-custodian pin'",
            cl->path);
    } else if (!digest_equal(&self->steward, &config->steward)) {
        custody_link_drop(
            cl, ERR_MISMATCH,
            "the custodian at '%s' is another steward's; give this node "
            "the socket of its own",
            cl->path);
    } else {
        cl->self = *self;
        c->up = true;
        custody_link_tell(cl, OK, "the custodian is there");
        if (cl->conn == c) {
            custody_conn_send(c);
        }
    }
}

static bool is_answer(const struct custody *c)
{
    switch (c->type) {
    case CUSTODY_SELF:
    case CUSTODY_ACK:
    case CUSTODY_DECIDED:
    case CUSTODY_HANDED:
    case CUSTODY_REFUSED:
        return true;
    case CUSTODY_HELLO:
    case CUSTODY_DEAL:
    case CUSTODY_RELEASE:
    case CUSTODY_ENVELOPE:
        break;
    }
    return false;
}

/* The answer to the first request. */
static void on_answer(struct custody_conn *c,
                      const struct custody *got,
                      struct slice bytes)
{
    struct custody_link *cl = c->link;
    struct custody_link_item *a = custody_link_pop(cl);
    uint64_t id = a->id;

    free(a);
    c->stale = got->type == CUSTODY_ACK || got->type == CUSTODY_DECIDED;
    cl->config.on_answer(cl->config.arg, id, OK, bytes);
    /* The owner may have closed the link, but not freed it. */
    if (cl->conn == c) {
        custody_conn_send(c);
    }
}

/* A whole message has come. */
static void conn_message(struct custody_conn *c)
{
    struct custody_link *cl = c->link;
    struct slice bytes = custody_frame_message(&c->in);
    struct custody got;

    if (!c->waiting || custody_decode(&got, bytes) != OK || !is_answer(&got)) {
        custody_link_drop(cl, ERR_BAD, "the custodian at '%s' answers nonsense",
                          cl->path);
        return;
    }
    (void)uv_timer_stop(&cl->timer);
    c->waiting = false;
    c->in.size = 0;
    if (c->hello) {
        c->hello = false;
        on_self(c, &got);
    } else {
        on_answer(c, &got, bytes);
    }
}

/* --- Connecting ---------------------------------------------------------- */

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct custody_conn *c = handle->data;

    (void)suggested;
    *buf = custody_frame_room(&c->in);
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    struct custody_conn *c = stream->data;
    struct custody_link *cl = c->link;
    bool whole = false;

    (void)buf;
    if (got < 0) {
        custody_link_drop(cl, ERR_IO, "the custodian at '%s' is gone: %s",
                          cl->path, uv_strerror((int)got));
    } else if (custody_frame_take(&c->in, (size_t)got, &whole) != OK) {
        custody_link_drop(cl, ERR_BAD, "the custodian at '%s' answers nonsense",
                          cl->path);
    } else if (whole) {
        conn_message(c);
    }
}

static void on_connected(uv_connect_t *req, int status)
{
    struct custody_conn *c = req->data;
    struct custody_link *cl = c->link;

    if (cl->conn != c) {
        return; /* Closed meanwhile. */
    }
    if (status == 0) {
        status = uv_read_start((uv_stream_t *)&c->pipe, on_room, on_read);
    }
    if (status != 0) {
        custody_link_drop(
            cl, ERR_IO,
            "no custodian at '%s': %s; start it with 'cairn-custodian "
            "run'",
            cl->path, uv_strerror(status));
        return;
    }
    conn_hello(c);
}

void custody_conn_open(struct custody_link *cl)
{
    struct custody_conn *c = calloc(1, sizeof(*c));

    if (c == NULL || uv_pipe_init(cl->config.loop, &c->pipe, 0) != 0) {
        free(c);
        custody_link_again(cl);
        return;
    }
    c->pipe.data = c;
    c->connect.data = c;
    c->link = cl;
    cl->conn = c;
    cl->handles++;
    (void)uv_timer_start(&cl->timer, on_impatient, cl->config.patience_ms, 0);
    uv_pipe_connect(&c->connect, &c->pipe, cl->path, on_connected);
}
