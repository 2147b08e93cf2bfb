#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "crypto/secret.h"
#include "node/admin/admin_state.h"
#include "node/base/text.h"

/* How long a client has for an answer that was late. */
#define LATE_MS 10000U
/* A body that is refused is read all the same, up to so much, for a client that
 * still writes would not hear why. */
#define REFUSED_MAX ((uint64_t)1 << 20)
/* Heads, and what is on its way, of one connection. */
#define HEAD_SIZE ((size_t)32 << 10)

/* --- Who waits ----------------------------------------------------------- */

void admin_waiting_put(struct admin *a, struct admin_request *r)
{
    assert(!r->suspended);
    r->suspended = true;
    r->waited = true;
    MHD_suspend_connection(r->connection);
    r->next = NULL;
    *a->waiting_end = r;
    a->waiting_end = &r->next;
}

void admin_waiting_take(struct admin *a, struct admin_request *r)
{
    struct admin_request **at = &a->waiting;

    assert(r->suspended);
    while (*at != r) {
        at = &(*at)->next;
    }
    *at = r->next;
    if (*at == NULL) {
        a->waiting_end = at;
    }
    r->next = NULL;
    r->suspended = false;
    MHD_resume_connection(r->connection);
}

void admin_http_answered(struct admin_request *r)
{
    assert(r->answer.code != 0 && !r->suspended);
    admin_wake(r->admin);
}

/* --- Answers ------------------------------------------------------------- */

void admin_answer_free(struct admin_answer *a)
{
    if (a->secret && a->bytes != NULL) {
        secret_wipe(a->bytes, a->size);
    }
    free(a->bytes);
    memset(a, 0, sizeof(*a));
}

static void on_sent(void *arg)
{
    struct admin_answer *a = arg;

    admin_answer_free(a);
    free(a);
}

/* Hand the answer over; it lives until it has been sent. */
static enum MHD_Result answer_queue(struct admin_request *r)
{
    struct admin_answer *a = malloc(sizeof(*a));
    struct MHD_Response *response;
    enum MHD_Result rv = MHD_NO;
    unsigned code = r->answer.code;

    if (a == NULL) {
        abort();
    }
    *a = r->answer;
    memset(&r->answer, 0, sizeof(r->answer));
    response = MHD_create_response_from_buffer_with_free_callback_cls(
        a->size, a->bytes, on_sent, a);
    if (response == NULL) {
        on_sent(a);
        return MHD_NO;
    }
    if (MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
                                a->json
                                    ? "application/json"
                                    : "application/octet-stream") == MHD_YES &&
        MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL,
                                "no-store") == MHD_YES &&
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION,
                                "close") == MHD_YES) {
        rv = MHD_queue_response(r->connection, code, response);
    }
    MHD_destroy_response(response);
    return rv;
}

/* --- Requests ------------------------------------------------------------ */

static struct admin_peer *peer_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info != NULL ? info->socket_context : NULL;
}

static int too_large(struct admin_request *r)
{
    admin_answer_error(&r->answer, MHD_HTTP_CONTENT_TOO_LARGE, ERR_FULL,
                       "the body is longer than 64 KiB");
    return ERR_FULL;
}

/* What the head says of the body. */
static int body_expect(struct admin_request *r)
{
    const char *length = MHD_lookup_connection_value(
        r->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
    uint64_t size = 0;

    if (MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND,
                                    MHD_HTTP_HEADER_TRANSFER_ENCODING) !=
        NULL) {
        admin_answer_error(&r->answer, MHD_HTTP_LENGTH_REQUIRED,
                           ERR_UNSUPPORTED,
                           "the length of the body must be said before it");
        return ERR_UNSUPPORTED;
    }
    if (length == NULL) {
        return OK;
    }
    if (!text_number_read(length, &size)) {
        admin_answer_error(&r->answer, MHD_HTTP_BAD_REQUEST, ERR_BAD,
                           "the length of the body is no number");
        return ERR_BAD;
    }
    if (size > 0 && !r->post) {
        admin_answer_error(&r->answer, MHD_HTTP_BAD_REQUEST, ERR_BAD,
                           "this takes no body");
        return ERR_BAD;
    }
    if (size > ADMIN_BODY_MAX) {
        return too_large(r);
    }
    r->body_max = (size_t)size;
    return OK;
}

/* Is the body short enough to be read for nothing? */
static bool body_is_small(const struct admin_request *r)
{
    const char *length = MHD_lookup_connection_value(
        r->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
    uint64_t size = 0;

    return length != NULL && text_number_read(length, &size) &&
           size <= REFUSED_MAX;
}

/* The head is here. */
static enum MHD_Result request_new(struct admin *a,
                                   struct MHD_Connection *connection,
                                   const char *url,
                                   const char *method,
                                   void **context)
{
    struct admin_request *r = calloc(1, sizeof(*r));
    struct admin_peer *peer = peer_of(connection);

    if (r == NULL || peer == NULL) {
        free(r);
        return MHD_NO;
    }
    r->admin = a;
    r->connection = connection;
    peer->request = r;
    *context = r;
    if (admin_route_find(r, url, method) != OK || body_expect(r) != OK) {
        return body_is_small(r) ? MHD_YES : answer_queue(r);
    }
    if (r->body_max > 0) {
        r->body = malloc(r->body_max);
        if (r->body == NULL) {
            abort();
        }
    }
    return MHD_YES;
}

static enum MHD_Result request_body(struct admin_request *r,
                                    const char *data,
                                    size_t *size)
{
    if (r->answer.code != 0) {
        *size = 0; /* It is refused already. */
        return MHD_YES;
    }
    if (*size > r->body_max - r->body_size) {
        return MHD_NO; /* More than it said. */
    }
    memcpy(r->body + r->body_size, data, *size);
    r->body_size += *size;
    *size = 0;
    return MHD_YES;
}

static enum MHD_Result on_request(void *arg,
                                  struct MHD_Connection *connection,
                                  const char *url,
                                  const char *method,
                                  const char *version,
                                  const char *data,
                                  size_t *size,
                                  void **context)
{
    struct admin *a = arg;
    struct admin_request *r = *context;

    (void)version;
    if (r == NULL) {
        return request_new(a, connection, url, method, context);
    }
    if (*size > 0) {
        return request_body(r, data, size);
    }
    if (r->begun || r->answer.code != 0) {
        return r->answer.code != 0 ? answer_queue(r) : MHD_YES;
    }
    r->begun = true;
    if (a->closing) {
        return MHD_NO;
    }
    if (r->post) {
        admin_post(r);
    } else {
        admin_get(r);
    }
    /* One that waited is called again, even if its answer is here already. */
    return r->answer.code != 0 && !r->waited ? answer_queue(r) : MHD_YES;
}

static void on_completed(void *arg,
                         struct MHD_Connection *connection,
                         void **context,
                         enum MHD_RequestTerminationCode code)
{
    struct admin_request *r = *context;
    struct admin_peer *peer = peer_of(connection);

    (void)arg;
    (void)code;
    if (r != NULL) {
        assert(!r->suspended && r->job == NULL);
        if (peer != NULL) {
            peer->request = NULL;
        }
        admin_answer_free(&r->answer);
        free(r->body);
        free(r);
        *context = NULL;
    }
}

/* --- Connections --------------------------------------------------------- */

static void on_connection(void *arg,
                          struct MHD_Connection *connection,
                          void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct admin *a = arg;
    struct admin_peer *peer = *context;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        peer = calloc(1, sizeof(*peer));
        if (peer == NULL) {
            abort();
        }
        peer->connection = connection;
        peer->until_ms = uv_now(a->config.loop) + a->config.life_ms;
        peer->next = a->peers;
        a->peers = peer;
        *context = peer;
    } else if (peer != NULL) {
        struct admin_peer **at = &a->peers;

        while (*at != peer) {
            at = &(*at)->next;
        }
        *at = peer->next;
        free(peer);
        *context = NULL;
    }
}

/* It gets no answer any longer, but this one. */
static void request_give_up(struct admin_request *r, const char *text)
{
    r->number = 0;
    admin_get_abandon(r);
    admin_waiting_take(r->admin, r);
    admin_answer_error(&r->answer, MHD_HTTP_SERVICE_UNAVAILABLE, ERR_BUSY,
                       text);
    admin_http_answered(r);
}

static void peer_end(struct admin *a, struct admin_peer *peer)
{
    const union MHD_ConnectionInfo *info;

    if (peer->request != NULL && peer->request->suspended) {
        request_give_up(peer->request,
                        "no answer came in time; what was asked for may still "
                        "happen: look before asking again");
        peer->until_ms = uv_now(a->config.loop) + LATE_MS;
        return;
    }
    /* libmicrohttpd sees the end of the connection, and cleans up. */
    info = MHD_get_connection_info(peer->connection,
                                   MHD_CONNECTION_INFO_CONNECTION_FD);
    if (info != NULL) {
        (void)shutdown(info->connect_fd, SHUT_RDWR);
    }
    peer->until_ms = UINT64_MAX;
}

uint64_t admin_http_sweep(struct admin *a)
{
    uint64_t now = uv_now(a->config.loop);
    uint64_t next = UINT64_MAX;

    for (struct admin_peer *p = a->peers; p != NULL; p = p->next) {
        if (p->until_ms <= now) {
            peer_end(a, p);
            next = now; /* libmicrohttpd has something to do. */
        }
        next = p->until_ms < next ? p->until_ms : next;
    }
    return next;
}

void admin_http_abandon(struct admin *a)
{
    while (a->waiting != NULL) {
        request_give_up(a->waiting, "this node is stopping");
    }
}

/* --- The server ---------------------------------------------------------- */

static void on_words(void *arg, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

static void on_words(void *arg, const char *format, va_list args)
{
    const struct admin *a = arg;
    char text[ERRMSG_SIZE];

    (void)vsnprintf(text, sizeof(text), format, args);
    text[strcspn(text, "\r\n")] = '\0';
    text_clean(text);
    a->config.calls.on_note(a->config.arg, text);
}

int admin_http_start(struct admin *a)
{
    a->http = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL,
        NULL, on_request, a, MHD_OPTION_EXTERNAL_LOGGER, on_words, a,
        MHD_OPTION_LISTEN_SOCKET, a->fd, MHD_OPTION_CONNECTION_LIMIT,
        ADMIN_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, a->config.idle_s,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, HEAD_SIZE,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, a, MHD_OPTION_NOTIFY_COMPLETED, on_completed, a,
        MHD_OPTION_END);
    return a->http != NULL ? OK : ERR_IO;
}
