#include "node/custody/custody_serve.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/custody/custody_serve_log.h"
#include "node/custody/custody_socket.h"

#define BACKLOG 64

struct conn {
    uv_pipe_t pipe;
    uv_write_t write;
    struct custody_serve *serve;
    struct conn *next;
    uint64_t number;
    bool served;       /* It has had an answer. */
    uint64_t heard_ms; /* When it last said anything, on the loop's clock. */
    struct custody_frame in, out;
};

struct custody_serve {
    struct custody_serve_config config;
    uv_pipe_t pipe;
    struct conn *conns;
    size_t conns_len; /* Not closing. */
    uint64_t numbered;
    size_t handles; /* Of which the loop still knows. */
    bool closing;
    void (*closed)(void *arg);
    void *closed_arg;
};

/* --- The end ------------------------------------------------------------- */

static void handle_closed(struct custody_serve *s)
{
    void (*closed)(void *arg) = s->closed;
    void *arg = s->closed_arg;

    s->handles--;
    if (s->handles > 0) {
        return;
    }
    free(s);
    if (closed != NULL) {
        closed(arg);
    }
}

static void on_conn_closed(uv_handle_t *handle)
{
    struct conn *c = handle->data;
    struct custody_serve *s = c->serve;

    free(c);
    handle_closed(s);
}

static void conn_close(struct conn *c)
{
    struct custody_serve *s = c->serve;

    for (struct conn **at = &s->conns; *at != NULL; at = &(*at)->next) {
        if (*at == c) {
            *at = c->next;
            s->conns_len--;
            uv_close((uv_handle_t *)&c->pipe, on_conn_closed);
            return;
        }
    }
}

static void on_listener_closed(uv_handle_t *handle)
{
    handle_closed(handle->data);
}

void custody_serve_close(struct custody_serve *s,
                         void (*closed)(void *arg),
                         void *arg)
{
    assert(!s->closing);
    s->closing = true;
    s->closed = closed;
    s->closed_arg = arg;
    while (s->conns != NULL) {
        conn_close(s->conns);
    }
    /* Removes the socket's name as well. */
    uv_close((uv_handle_t *)&s->pipe, on_listener_closed);
}

/* --- Requests ------------------------------------------------------------ */

static void conn_listen(struct conn *c);

static void on_written(uv_write_t *req, int status)
{
    struct conn *c = req->data;

    if (uv_is_closing((uv_handle_t *)&c->pipe) != 0) {
        return;
    }
    if (status != 0) {
        log_put(c->serve->config.log, LOG_INFO,
                "connection %llu ended before its answer",
                (unsigned long long)c->number);
        conn_close(c);
        return;
    }
    conn_listen(c);
}

static void conn_answer(struct conn *c, struct slice answer)
{
    uv_buf_t buf;

    custody_frame_put(&c->out, answer);
    buf = uv_buf_init((char *)c->out.bytes, (unsigned)c->out.size);
    c->write.data = c;
    if (uv_write(&c->write, (uv_stream_t *)&c->pipe, &buf, 1, on_written) !=
        0) {
        conn_close(c);
    }
}

static bool is_request(const struct custody *c)
{
    switch (c->type) {
    case CUSTODY_HELLO:
    case CUSTODY_DEAL:
    case CUSTODY_RELEASE:
    case CUSTODY_ENVELOPE:
        return true;
    case CUSTODY_SELF:
    case CUSTODY_ACK:
    case CUSTODY_DECIDED:
    case CUSTODY_HANDED:
    case CUSTODY_REFUSED:
        break;
    }
    return false;
}

static void conn_malformed(struct conn *c, const char *what)
{
    log_put(c->serve->config.log, LOG_WARNING,
            "connection %llu closed: it sent %s", (unsigned long long)c->number,
            what);
    conn_close(c);
}

/* A whole message has come. */
static void conn_request(struct conn *c)
{
    struct custody_serve *s = c->serve;
    struct slice request = custody_frame_message(&c->in);
    uint8_t *answer = c->out.bytes + CUSTODY_FRAME_HEAD;
    char errmsg[ERRMSG_SIZE] = "";
    struct custody asked;
    size_t size = 0;
    int rv = custody_decode(&asked, request);

    if (rv == ERR_UNSUPPORTED) {
        conn_malformed(c, "a request that this version does not know");
        return;
    }
    if (rv != OK || !is_request(&asked)) {
        conn_malformed(c, "what is no request");
        return;
    }
    rv = custody_run_ask(s->config.run, request, answer, &size, errmsg);
    if (rv != OK) {
        conn_close(c);
        s->config.on_halt(s->config.arg, rv, errmsg);
        return;
    }
    custody_serve_log(s->config.log, &asked, slice_of(answer, size));
    c->served = true;
    conn_answer(c, slice_of(answer, size));
}

/* --- Connections --------------------------------------------------------- */

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct conn *c = handle->data;

    (void)suggested;
    *buf = custody_frame_room(&c->in);
}

static void conn_ended(struct conn *c, ssize_t got)
{
    if (c->in.size > 0) {
        conn_malformed(c, "half a message, and ended");
        return;
    }
    log_put(c->serve->config.log, LOG_DEBUG, "connection %llu ended: %s",
            (unsigned long long)c->number,
            got == UV_EOF ? "closed" : uv_strerror((int)got));
    conn_close(c);
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    struct conn *c = stream->data;
    bool whole = false;

    (void)buf;
    if (got < 0) {
        conn_ended(c, got);
        return;
    }
    c->heard_ms = uv_now(c->serve->config.loop);
    if (custody_frame_take(&c->in, (size_t)got, &whole) != OK) {
        conn_malformed(c, "a length that no message has");
    } else if (whole) {
        (void)uv_read_stop(stream);
        conn_request(c);
    }
}

/* Wait for the next request. */
static void conn_listen(struct conn *c)
{
    c->in.size = 0;
    if (uv_read_start((uv_stream_t *)&c->pipe, on_room, on_read) != 0) {
        conn_close(c);
    }
}

/* Should |a| make room before |b| does? */
static bool conn_goes_before(const struct conn *a, const struct conn *b)
{
    if (a->served != b->served) {
        return !a->served;
    }
    if (a->heard_ms != b->heard_ms) {
        return a->heard_ms < b->heard_ms;
    }
    return a->number < b->number;
}

static void conns_make_room(struct custody_serve *s)
{
    struct conn *first = s->conns;

    assert(first != NULL);
    for (struct conn *c = first->next; c != NULL; c = c->next) {
        first = conn_goes_before(c, first) ? c : first;
    }
    log_put(s->config.log, LOG_WARNING,
            "connection %llu closed: there are more than %u",
            (unsigned long long)first->number, CUSTODY_SERVE_MAX);
    conn_close(first);
}

/* Is it of a user who may connect? */
static bool conn_may(const struct conn *c)
{
    const struct custody_serve_config *config = &c->serve->config;
    struct ucred peer = {.pid = 0};
    socklen_t size = sizeof(peer);
    uv_os_fd_t fd;
    bool may;

    if (uv_fileno((const uv_handle_t *)&c->pipe, &fd) != 0 ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
        log_put(config->log, LOG_WARNING,
                "connection %llu refused: nobody knows whose it is",
                (unsigned long long)c->number);
        return false;
    }
    may = peer.uid == geteuid() ||
          (config->peer != NULL && peer.uid == *config->peer);
    log_put(config->log, may ? LOG_INFO : LOG_WARNING,
            "connection %llu%s: process %ld of user %lu%s",
            (unsigned long long)c->number, may ? "" : " refused",
            (long)peer.pid, (unsigned long)peer.uid,
            may ? "" : "; if that is the node's, give it with --peer");
    return may;
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct custody_serve *s = listener->data;
    struct conn *c;

    if (status != 0 || s->closing) {
        return;
    }
    /* One that is not accepted stays in the backlog until the next comes. */
    c = calloc(1, sizeof(*c));
    if (c == NULL || uv_pipe_init(s->config.loop, &c->pipe, 0) != 0) {
        free(c);
        log_put(s->config.log, LOG_ERROR, "no memory for a connection");
        return;
    }
    c->pipe.data = c;
    c->serve = s;
    c->number = ++s->numbered;
    c->heard_ms = uv_now(s->config.loop);
    s->handles++;
    /* A stranger takes nobody's place. */
    if (uv_accept(listener, (uv_stream_t *)&c->pipe) != 0 || !conn_may(c)) {
        uv_close((uv_handle_t *)&c->pipe, on_conn_closed);
        return;
    }
    if (s->conns_len == CUSTODY_SERVE_MAX) {
        conns_make_room(s);
    }
    c->next = s->conns;
    s->conns = c;
    s->conns_len++;
    conn_listen(c);
}

/* --- The beginning ------------------------------------------------------- */

/* Closed to the group until the mode is set: the umask is 077. */
static int socket_listen(struct custody_serve *s, char *errmsg)
{
    const char *path = s->config.path;
    mode_t mode = s->config.peer != NULL ? 0660 : 0600;
    mode_t mask = umask(S_IRWXG | S_IRWXO);
    int error = uv_pipe_bind(&s->pipe, path);

    (void)umask(mask);
    if (error == 0 && chmod(path, mode) != 0) {
        return file_error(errmsg, "set the permissions of", path);
    }
    if (error == 0) {
        error = uv_listen((uv_stream_t *)&s->pipe, BACKLOG, on_connection);
    }
    if (error != 0) {
        errmsg_set(errmsg, "listen at '%s': %s; check its folder", path,
                   uv_strerror(error));
        return ERR_IO;
    }
    return OK;
}

int custody_serve_open(struct custody_serve **out,
                       const struct custody_serve_config *config,
                       char *errmsg)
{
    struct custody_serve *s;
    int rv = custody_socket_check(config->path, errmsg);

    if (rv == OK) {
        rv = custody_socket_clear(config->path, errmsg);
    }
    if (rv != OK) {
        return rv;
    }
    s = calloc(1, sizeof(*s));
    if (s == NULL || uv_pipe_init(config->loop, &s->pipe, 0) != 0) {
        free(s);
        errmsg_set(errmsg, "out of memory");
        return ERR_NOMEM;
    }
    s->config = *config;
    s->pipe.data = s;
    s->handles = 1;
    custody_ignore_sigpipe();
    rv = socket_listen(s, errmsg);
    if (rv == OK) {
        *out = s;
    } else {
        custody_serve_close(s, NULL, NULL);
    }
    return rv;
}
