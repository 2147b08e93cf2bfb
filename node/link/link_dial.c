#include <netdb.h>
#include <stdlib.h>

#include "node/link/link_state.h"

/* --- Addresses ----------------------------------------------------------- */

static bool port_is_valid(const char *port)
{
    size_t size = strlen(port);
    unsigned value = 0;

    if (size == 0 || size >= LINK_PORT_SIZE || (size > 1 && port[0] == '0')) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        if (port[i] < '0' || port[i] > '9') {
            return false;
        }
        value = value * 10 + (unsigned)(port[i] - '0');
    }
    return value <= UINT16_MAX;
}

bool link_address_split(const char *address,
                        char host[LINK_HOST_SIZE],
                        char port[LINK_PORT_SIZE])
{
    const char *colon = strrchr(address, ':'), *from = address;
    size_t size;

    if (colon == NULL || !port_is_valid(colon + 1)) {
        return false;
    }
    size = (size_t)(colon - address);
    if (size >= 2 && address[0] == '[' && colon[-1] == ']') {
        from++;
        size -= 2;
    } else if (memchr(address, ':', size) != NULL) {
        return false; /* Which colon is the port's? */
    }
    if (size == 0 || size >= LINK_HOST_SIZE) {
        return false;
    }
    memcpy(host, from, size);
    host[size] = '\0';
    memcpy(port, colon + 1, strlen(colon + 1) + 1);
    return true;
}

void link_address_text(const struct sockaddr *addr, char out[LINK_ADDRESS_SIZE])
{
    char name[INET6_ADDRSTRLEN] = "?";
    unsigned port = 0;
    bool six = addr->sa_family == AF_INET6;

    (void)uv_ip_name(addr, name, sizeof(name));
    if (six) {
        struct sockaddr_in6 in6;

        memcpy(&in6, addr, sizeof(in6));
        port = ntohs(in6.sin6_port);
    } else if (addr->sa_family == AF_INET) {
        struct sockaddr_in in;

        memcpy(&in, addr, sizeof(in));
        port = ntohs(in.sin_port);
    }
    (void)snprintf(out, LINK_ADDRESS_SIZE, six ? "[%s]:%u" : "%s:%u", name,
                   port);
}

/* --- Connecting ---------------------------------------------------------- */

static void link_on_connect(uv_connect_t *req, int status)
{
    struct link *l = req->data;

    if (l->state != LINK_CONNECTING) {
        return; /* It was closed meanwhile. */
    }
    if (status == 0) {
        link_handshake_begin(l);
        return;
    }
    l->status = status; /* The last one's is told. */
    link_tcp_close(l);
}

/* The handle is closed, whatever happens, and its close callback leads to the
 * next address. */
void link_connect_next(struct link *l)
{
    struct addrinfo *to = l->address_next;
    int rv;

    if (to == NULL) {
        link_drop(l, ERR_IO, "connect: %s", uv_strerror(l->status));
        return;
    }
    l->address_next = to->ai_next;
    rv = uv_tcp_init(l->host->config.loop, &l->tcp);
    if (rv != 0) {
        link_drop(l, ERR_IO, "connect: %s", uv_strerror(rv));
        return;
    }
    l->tcp_is_open = true;
    l->pending++;
    l->connect.data = l;
    link_address_text(to->ai_addr, l->address);
    rv = uv_tcp_connect(&l->connect, &l->tcp, to->ai_addr, link_on_connect);
    if (rv != 0) {
        l->status = rv;
        link_tcp_close(l);
    }
}

static void link_on_resolved(uv_getaddrinfo_t *req,
                             int status,
                             struct addrinfo *addresses)
{
    struct link *l = req->data;

    if (l->state != LINK_RESOLVING) {
        uv_freeaddrinfo(addresses);
    } else if (status != 0) {
        link_drop(l, ERR_IO, "look up the name: %s", uv_strerror(status));
    } else {
        l->addresses = addresses;
        l->address_next = addresses;
        link_move(l, LINK_CONNECTING);
        link_connect_next(l);
    }
    link_release(l);
}

/* Numbers need no look-up, which takes a thread of libuv's and may have to
 * wait for one. */
static int link_resolve(struct link *l, const char *host, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    uv_loop_t *loop = l->host->config.loop;

    if (uv_getaddrinfo(loop, &l->resolve, NULL, host, port, &hints) == 0) {
        l->addresses = l->resolve.addrinfo;
        l->address_next = l->addresses;
        link_move(l, LINK_CONNECTING);
        link_connect_next(l);
        return OK;
    }
    hints.ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV;
    l->resolve.data = l;
    if (uv_getaddrinfo(loop, &l->resolve, link_on_resolved, host, port,
                       &hints) != 0) {
        return ERR_NOMEM;
    }
    l->pending++;
    return OK;
}

int link_dial(struct link_host *h,
              const char *address,
              const uint8_t psk[FRAME_PSK_SIZE],
              void *user,
              struct link **out)
{
    char host[LINK_HOST_SIZE], port[LINK_PORT_SIZE];
    struct link *l;
    int rv;

    if (h->closing) {
        return ERR_ORDER;
    }
    if (!link_address_split(address, host, port) || strcmp(port, "0") == 0) {
        return ERR_BAD;
    }
    rv = link_new(h, true, &l);
    if (rv != OK) {
        return rv;
    }
    l->user = user;
    (void)snprintf(l->address, sizeof(l->address), "%s", address);
    link_timer_start(l, h->config.limits.connect_ms);
    rv = link_handshake_new(l, psk);
    if (rv != OK) {
        goto err;
    }
    l->owed = true;
    rv = link_resolve(l, host, port);
    if (rv != OK) {
        goto err;
    }
    *out = l;
    return OK;

err:
    l->owed = false;
    link_drop(l, rv, "not started");
    return rv;
}
