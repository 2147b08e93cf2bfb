#include <signal.h>
#include <sodium.h>
#include <stdlib.h>

#include "crypto/secret.h"
#include "node/link/link_state.h"

#define LISTEN_BACKLOG 128

/* Enough for the records of one call, and the close record. */
#define SESSION_RECORDS_SPARE 64U

void link_limits_default(struct link_limits *limits)
{
    *limits = (struct link_limits){
        .inbound_max = 256,
        .dialled_max = 256,
        .half_open_max = 64,
        .ip_burst = 20,
        .ip_per_s = 5,
        .connect_ms = 10000,
        .handshake_ms = 5000,
        .idle_ms = 20000,
        .silence_ms = 60000,
        .session_ms = 24U * 3600U * 1000U,
        .session_records = FRAME_SESSION_RECORDS_MAX - SESSION_RECORDS_SPARE,
        .close_ms = 2000,
        .control_max = (size_t)1 << 20,
        .data_high = (size_t)2 << 20,
        .data_low = (size_t)1 << 20,
    };
}

/* --- What is due --------------------------------------------------------- */

static void host_on_closed(uv_handle_t *handle);

/* After the last link and the last listener: the idle handle, then all. */
static void host_close_if_done(struct link_host *h)
{
    if (h->closing && h->links == NULL && h->handles == 1 &&
        !uv_is_closing((uv_handle_t *)&h->idle)) {
        uv_close((uv_handle_t *)&h->idle, host_on_closed);
    }
}

static void host_on_closed(uv_handle_t *handle)
{
    struct link_host *h = handle->data;
    void (*closed)(void *arg) = h->closed;
    void *arg = h->closed_arg;

    h->handles--;
    if (h->handles > 0) {
        host_close_if_done(h);
        return;
    }
    while (h->spares != NULL) {
        struct link_buf *b = h->spares;

        h->spares = b->next;
        free(b);
    }
    secret_free(h->key);
    free(h);
    if (closed != NULL) {
        closed(arg);
    }
}

/* An active idle handle keeps the loop from sleeping, so what becomes due in
 * here is done in the next round. */
static void host_on_idle(uv_idle_t *idle)
{
    struct link_host *h = idle->data;
    struct link *next;

    (void)uv_idle_stop(idle);
    for (struct link *l = h->links; l != NULL; l = next) {
        next = l->next; /* link_work() frees none but its own. */
        link_work(l);
    }
    host_close_if_done(h);
}

void link_host_wake(struct link_host *h)
{
    (void)uv_idle_start(&h->idle, host_on_idle);
}

void link_host_forget(struct link_host *h, struct link *l)
{
    if (l->prev != NULL) {
        l->prev->next = l->next;
    } else {
        h->links = l->next;
    }
    if (l->next != NULL) {
        l->next->prev = l->prev;
    }
    if (l->dialled) {
        h->dialled--;
    } else {
        h->inbound--;
    }
    if (h->closing) {
        link_host_wake(h);
    }
}

/* --- Listening ----------------------------------------------------------- */

/* May this connection shake hands? */
static bool host_admits(struct link_host *h, struct link *l)
{
    struct sockaddr_storage addr = {0};
    int size = sizeof(addr);

    if (uv_tcp_getpeername(&l->tcp, (struct sockaddr *)&addr, &size) != 0) {
        return false;
    }
    link_address_text((const struct sockaddr *)&addr, l->address);
    return link_bucket_take(h, (const struct sockaddr *)&addr) &&
           h->half_open < h->config.limits.half_open_max;
}

static void refused_on_closed(uv_handle_t *handle)
{
    free(handle);
}

/* Take a connection that there is no room for off the queue. */
static void host_refuse(uv_stream_t *listener)
{
    uv_tcp_t *tcp = malloc(sizeof(*tcp));

    if (tcp == NULL || uv_tcp_init(listener->loop, tcp) != 0) {
        free(tcp);
        return;
    }
    (void)uv_accept(listener, (uv_stream_t *)tcp);
    uv_close((uv_handle_t *)tcp, refused_on_closed);
}

static void host_on_connection(uv_stream_t *listener, int status)
{
    struct link_host *h = listener->data;
    struct link *l;

    if (status != 0) {
        return; /* It was gone before it was accepted. */
    }
    if (h->closing || link_new(h, false, &l) != OK) {
        host_refuse(listener);
        return;
    }
    if (uv_tcp_init(h->config.loop, &l->tcp) != 0) {
        link_drop(l, ERR_IO, "no socket");
        return;
    }
    l->tcp_is_open = true;
    l->pending++;
    if (uv_accept(listener, (uv_stream_t *)&l->tcp) != 0 ||
        !host_admits(h, l) || link_handshake_new(l, NULL) != OK) {
        link_drop(l, ERR_FULL, "not admitted");
        return;
    }
    link_handshake_begin(l);
}

/* The first address that |address| means. */
static int listen_address(struct link_host *h,
                          const char *address,
                          struct sockaddr_storage *out,
                          char *errmsg)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    char host[LINK_HOST_SIZE], port[LINK_PORT_SIZE];
    uv_getaddrinfo_t req;
    int rv;

    if (!link_address_split(address, host, port)) {
        errmsg_set(errmsg, "'%s' is no address; write host:port or [host]:port",
                   address);
        return ERR_BAD;
    }
    /* Without a callback it answers at once. */
    rv = uv_getaddrinfo(h->config.loop, &req, NULL, host, port, &hints);
    if (rv != 0) {
        errmsg_set(errmsg, "look up '%s': %s", host, uv_strerror(rv));
        return ERR_IO;
    }
    memcpy(out, req.addrinfo->ai_addr, req.addrinfo->ai_addrlen);
    uv_freeaddrinfo(req.addrinfo);
    return OK;
}

int link_host_listen(struct link_host *h,
                     const char *address,
                     char *bound,
                     char *errmsg)
{
    struct sockaddr_storage addr = {0};
    int size = sizeof(addr), rv;
    uv_tcp_t *tcp = &h->listeners[h->listeners_len];

    assert(!h->closing);
    if (h->listeners_len == LINK_LISTEN_MAX) {
        errmsg_set(errmsg, "listen at '%s': %d addresses are all there can be",
                   address, LINK_LISTEN_MAX);
        return ERR_FULL;
    }
    rv = listen_address(h, address, &addr, errmsg);
    if (rv != OK) {
        return rv;
    }
    rv = uv_tcp_init(h->config.loop, tcp);
    if (rv != 0) {
        goto err;
    }
    tcp->data = h;
    h->listeners_len++; /* A failed one is closed with the others. */
    h->handles++;
    if ((rv = uv_tcp_bind(tcp, (const struct sockaddr *)&addr, 0)) != 0 ||
        (rv = uv_listen((uv_stream_t *)tcp, LISTEN_BACKLOG,
                        host_on_connection)) != 0 ||
        (rv = uv_tcp_getsockname(tcp, (struct sockaddr *)&addr, &size)) != 0) {
        goto err;
    }
    link_address_text((const struct sockaddr *)&addr, bound);
    return OK;

err:
    errmsg_set(errmsg, "listen at '%s': %s", address, uv_strerror(rv));
    return ERR_IO;
}

/* --- Life ---------------------------------------------------------------- */

/* As a library that writes to sockets must: libuv leaves it to us. */
static void ignore_sigpipe(void)
{
    struct sigaction sa = {0};

    if (sigaction(SIGPIPE, NULL, &sa) == 0 && sa.sa_handler == SIG_DFL) {
        sa.sa_handler = SIG_IGN;
        (void)sigaction(SIGPIPE, &sa, NULL);
    }
}

void link_host_set_identity(struct link_host *h,
                            const struct noise_keypair *key,
                            struct slice cert)
{
    assert(cert.size <= LINK_CERT_MAX);
    *h->key = *key;
    if (cert.size > 0) {
        memcpy(h->cert, cert.data, cert.size);
    }
    h->cert_size = cert.size;
}

int link_host_new(struct link_host **out, const struct link_config *config)
{
    const struct link_limits *limits = &config->limits;
    struct link_host *h = calloc(1, sizeof(*h));

    assert(limits->data_low <= limits->data_high &&
           limits->data_high > LINK_BUF_SIZE && limits->ip_burst > 0 &&
           limits->session_records <=
               FRAME_SESSION_RECORDS_MAX - SESSION_RECORDS_SPARE);
    if (h == NULL) {
        return ERR_NOMEM;
    }
    h->key = secret_new(sizeof(*h->key));
    if (h->key == NULL) {
        free(h);
        return ERR_NOMEM;
    }
    h->config = *config;
    sodium_memzero(&h->config.key, sizeof(h->config.key));
    h->config.cert = slice_of(NULL, 0);
    link_host_set_identity(h, &config->key, config->cert);
    (void)uv_idle_init(config->loop, &h->idle);
    h->idle.data = h;
    h->handles = 1;
    ignore_sigpipe();
    *out = h;
    return OK;
}

void link_host_close(struct link_host *h, void (*closed)(void *arg), void *arg)
{
    assert(!h->closing);
    h->closing = true;
    h->closed = closed;
    h->closed_arg = arg;
    for (struct link *l = h->links; l != NULL; l = l->next) {
        link_close(l, FRAME_REASON_STOPPING);
    }
    for (size_t i = 0; i < h->listeners_len; i++) {
        uv_close((uv_handle_t *)&h->listeners[i], host_on_closed);
    }
    link_host_wake(h);
}
