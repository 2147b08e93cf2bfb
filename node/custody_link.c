#include "node/custody_link.h"

#include <stdarg.h>
#include <stdlib.h>

#include "node/custody_frame.h"
#include "node/text.h"

#define TEXT_MAX 512

/* A request that waits for its answer. */
struct ask {
    struct ask *next;
    uint64_t id;
    size_t size;
    uint8_t bytes[];
};

/* A connection, from the attempt on; outlives |link|->conn until it is
 * closed. */
struct conn {
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
    struct conn *conn;
    struct custody_self self;
    struct ask *first, **last;
    size_t asks_len, asks_size;
    int told; /* What on_change() was told last; 1: nothing yet. */
    char told_text[TEXT_MAX];
    size_t handles;
    bool closing;
    void (*closed)(void *arg);
    void *closed_arg;
};

static void link_connect(struct custody_link *cl);
static void conn_send(struct conn *c);

/* --- Requests ------------------------------------------------------------ */

static struct ask *asks_pop(struct custody_link *cl)
{
    struct ask *a = cl->first;

    cl->first = a->next;
    if (cl->first == NULL) {
        cl->last = &cl->first;
    }
    cl->asks_len--;
    cl->asks_size -= a->size;
    return a;
}

/* End with ERR_IO what waits now; not what the owner asks meanwhile. */
static void asks_fail(struct custody_link *cl)
{
    size_t count = cl->asks_len;

    while (count-- > 0 && !cl->closing) {
        struct ask *a = asks_pop(cl);
        uint64_t id = a->id;

        free(a);
        cl->config.on_answer(cl->config.arg, id, ERR_IO, slice_of(NULL, 0));
    }
}

static void on_soon(uv_timer_t *timer)
{
    struct custody_link *cl = timer->data;

    if (cl->conn == NULL) {
        asks_fail(cl);
    }
}

int custody_link_ask(struct custody_link *cl, uint64_t id, struct slice bytes)
{
    struct ask *a;

    assert(bytes.size > 0 && bytes.size <= CUSTODY_SIZE_MAX);
    if (cl->closing) {
        return ERR_ORDER;
    }
    if (cl->asks_len == CUSTODY_LINK_ASKS_MAX ||
        bytes.size > CUSTODY_LINK_BYTES_MAX - cl->asks_size) {
        return ERR_FULL;
    }
    a = malloc(sizeof(*a) + bytes.size);
    if (a == NULL) {
        return ERR_NOMEM;
    }
    a->next = NULL;
    a->id = id;
    a->size = bytes.size;
    memcpy(a->bytes, bytes.data, bytes.size);
    *cl->last = a;
    cl->last = &a->next;
    cl->asks_len++;
    cl->asks_size += a->size;
    if (cl->conn == NULL) {
        (void)uv_timer_start(&cl->soon, on_soon, 0, 0);
    } else {
        conn_send(cl->conn);
    }
    return OK;
}

/* --- The end of a connection --------------------------------------------- */

static void handle_closed(struct custody_link *cl)
{
    void (*closed)(void *arg) = cl->closed;
    void *arg = cl->closed_arg;

    cl->handles--;
    if (cl->handles > 0) {
        return;
    }
    free(cl->path);
    free(cl);
    if (closed != NULL) {
        closed(arg);
    }
}

static void on_conn_closed(uv_handle_t *handle)
{
    struct conn *c = handle->data;
    struct custody_link *cl = c->link;

    free(c);
    handle_closed(cl);
}

static void conn_close(struct conn *c)
{
    c->link->conn = NULL;
    uv_close((uv_handle_t *)&c->pipe, on_conn_closed);
}

static void tell(struct custody_link *cl, int status, const char *text)
{
    if (cl->closing ||
        (cl->told == status && strcmp(cl->told_text, text) == 0)) {
        return;
    }
    cl->told = status;
    (void)snprintf(cl->told_text, sizeof(cl->told_text), "%s", text);
    if (cl->config.on_change != NULL) {
        cl->config.on_change(cl->config.arg, status, text);
    }
}

static void on_again(uv_timer_t *timer)
{
    link_connect(timer->data);
}

/* Nobody is there, or not who should be: say so, and try again later. */
static void link_drop(struct custody_link *cl,
                      int status,
                      const char *format,
                      ...) __attribute__((format(printf, 3, 4)));

static void link_drop(struct custody_link *cl,
                      int status,
                      const char *format,
                      ...)
{
    char text[TEXT_MAX];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    text_clean(text);
    if (cl->conn != NULL) {
        conn_close(cl->conn);
    }
    (void)uv_timer_start(&cl->timer, on_again, CUSTODY_LINK_AGAIN_MS, 0);
    tell(cl, status, text);
    if (!cl->closing) {
        asks_fail(cl);
    }
}

/* --- Sending ------------------------------------------------------------- */

static void on_impatient(uv_timer_t *timer)
{
    struct custody_link *cl = timer->data;

    link_drop(cl, ERR_IO,
              "the custodian at '%s' does not answer; look at its log, or "
              "start it again",
              cl->path);
}

static void on_written(uv_write_t *req, int status)
{
    struct conn *c = req->data;

    c->writing = false;
    if (c->link->conn != c) {
        return; /* Closed meanwhile. */
    }
    if (status != 0) {
        link_drop(c->link, ERR_IO, "write to the custodian at '%s': %s",
                  c->link->path, uv_strerror(status));
        return;
    }
    /* An answer may come before its request is known to be written. */
    conn_send(c);
}

/* Send what is in c->out, and wait for the answer. */
static void conn_write(struct conn *c)
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

static void conn_hello(struct conn *c)
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

/* Send what is next, if it is time. */
static void conn_send(struct conn *c)
{
    const struct ask *a = c->link->first;

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
static void on_self(struct conn *c, const struct custody *got)
{
    struct custody_link *cl = c->link;
    const struct custody_link_config *config = &cl->config;
    const struct custody_self *self = &got->u.self;

    if (got->type == CUSTODY_REFUSED) {
        link_drop(cl, got->u.refused.status,
                  "the custodian at '%s' refuses this node: %s", cl->path,
                  got->u.refused.text);
    } else if (got->type != CUSTODY_SELF) {
        link_drop(cl, ERR_BAD, "the custodian at '%s' answers nonsense",
                  cl->path);
    } else if (!digest_equal(&self->net, &config->net)) {
        link_drop(cl, ERR_MISMATCH,
                  "the custodian at '%s' is pinned to another network; give "
                  "this node the socket of its own",
                  cl->path);
    } else if (!digest_equal(&self->charter_hash, &config->charter_hash)) {
        link_drop(cl, ERR_MISMATCH,
                  "the custodian at '%s' has another charter of this network; "
                  "pin it to the newest with 'cairn-custodian pin'",
                  cl->path);
    } else if (!digest_equal(&self->steward, &config->steward)) {
        link_drop(cl, ERR_MISMATCH,
                  "the custodian at '%s' is another steward's; give this node "
                  "the socket of its own",
                  cl->path);
    } else {
        cl->self = *self;
        c->up = true;
        tell(cl, OK, "the custodian is there");
        if (cl->conn == c) {
            conn_send(c);
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
static void on_answer(struct conn *c,
                      const struct custody *got,
                      struct slice bytes)
{
    struct custody_link *cl = c->link;
    struct ask *a = asks_pop(cl);
    uint64_t id = a->id;

    free(a);
    c->stale = got->type == CUSTODY_ACK || got->type == CUSTODY_DECIDED;
    cl->config.on_answer(cl->config.arg, id, OK, bytes);
    /* The owner may have closed the link, but not freed it. */
    if (cl->conn == c) {
        conn_send(c);
    }
}

/* A whole message has come. */
static void conn_message(struct conn *c)
{
    struct custody_link *cl = c->link;
    struct slice bytes = custody_frame_message(&c->in);
    struct custody got;

    if (!c->waiting || custody_decode(&got, bytes) != OK || !is_answer(&got)) {
        link_drop(cl, ERR_BAD, "the custodian at '%s' answers nonsense",
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
    struct conn *c = handle->data;

    (void)suggested;
    *buf = custody_frame_room(&c->in);
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    struct conn *c = stream->data;
    struct custody_link *cl = c->link;
    bool whole = false;

    (void)buf;
    if (got < 0) {
        link_drop(cl, ERR_IO, "the custodian at '%s' is gone: %s", cl->path,
                  uv_strerror((int)got));
    } else if (custody_frame_take(&c->in, (size_t)got, &whole) != OK) {
        link_drop(cl, ERR_BAD, "the custodian at '%s' answers nonsense",
                  cl->path);
    } else if (whole) {
        conn_message(c);
    }
}

static void on_connected(uv_connect_t *req, int status)
{
    struct conn *c = req->data;
    struct custody_link *cl = c->link;

    if (cl->conn != c) {
        return; /* Closed meanwhile. */
    }
    if (status == 0) {
        status = uv_read_start((uv_stream_t *)&c->pipe, on_room, on_read);
    }
    if (status != 0) {
        link_drop(cl, ERR_IO,
                  "no custodian at '%s': %s; start it with 'cairn-custodian "
                  "run'",
                  cl->path, uv_strerror(status));
        return;
    }
    conn_hello(c);
}

static void link_connect(struct custody_link *cl)
{
    struct conn *c = calloc(1, sizeof(*c));

    if (c == NULL || uv_pipe_init(cl->config.loop, &c->pipe, 0) != 0) {
        free(c);
        (void)uv_timer_start(&cl->timer, on_again, CUSTODY_LINK_AGAIN_MS, 0);
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

/* --- Life ---------------------------------------------------------------- */

int custody_link_open(struct custody_link **out,
                      const struct custody_link_config *config)
{
    struct custody_link *cl;

    if (custody_socket_check(config->path, NULL) != OK) {
        return ERR_FULL;
    }
    cl = calloc(1, sizeof(*cl));
    if (cl != NULL) {
        cl->path = strdup(config->path);
    }
    if (cl == NULL || cl->path == NULL) {
        free(cl);
        return ERR_NOMEM;
    }
    cl->config = *config;
    cl->config.path = cl->path;
    if (cl->config.patience_ms == 0) {
        cl->config.patience_ms = CUSTODY_LINK_PATIENCE_MS;
    }
    cl->last = &cl->first;
    cl->told = 1;
    (void)uv_timer_init(config->loop, &cl->timer);
    (void)uv_timer_init(config->loop, &cl->soon);
    cl->timer.data = cl;
    cl->soon.data = cl;
    cl->handles = 2;
    custody_ignore_sigpipe();
    link_connect(cl);
    *out = cl;
    return OK;
}

const struct custody_self *custody_link_self(const struct custody_link *cl)
{
    return cl->conn != NULL && cl->conn->up ? &cl->self : NULL;
}

static void on_timer_closed(uv_handle_t *handle)
{
    handle_closed(handle->data);
}

void custody_link_close(struct custody_link *cl,
                        void (*closed)(void *arg),
                        void *arg)
{
    if (cl == NULL) {
        return;
    }
    assert(!cl->closing);
    cl->closing = true;
    cl->closed = closed;
    cl->closed_arg = arg;
    if (cl->conn != NULL) {
        conn_close(cl->conn);
    }
    while (cl->first != NULL) {
        free(asks_pop(cl));
    }
    uv_close((uv_handle_t *)&cl->timer, on_timer_closed);
    uv_close((uv_handle_t *)&cl->soon, on_timer_closed);
}
