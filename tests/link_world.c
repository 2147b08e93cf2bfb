#include "tests/link_world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

uv_loop_t loop;
struct rng rng;
struct node a, b, c;
uint8_t secret[FRAME_PSK_SIZE];
uint8_t block[BLOCK_SIZE];
struct proxy proxy;

static struct digest net;
static uv_timer_t tick;
static bool proxy_runs;

static void proxy_run(void);
static void proxy_stop(void);

/* --- Nodes --------------------------------------------------------------- */

static size_t on_psk(void *arg,
                     const uint8_t *id,
                     struct frame_psk *out,
                     size_t max)
{
    struct node *n = arg;
    size_t len = 0;

    n->asked++;
    if (n->on_psk != NULL) {
        n->on_psk(n, NULL);
    }
    for (size_t i = 0; i < n->psks_len && len < max; i++) {
        if (memcmp(n->psks[i].id, id, FRAME_PSK_ID_SIZE) == 0) {
            out[len++] = n->psks[i];
        }
    }
    return len;
}

static int on_identity(void *arg,
                       struct link *l,
                       struct slice cert,
                       const uint8_t *remote)
{
    struct node *n = arg;

    n->identities++;
    ck_assert_bytes_eq(remote, link_remote(l), NOISE_KEY_SIZE);
    memcpy(n->cert, cert.data, cert.size);
    n->cert_size = cert.size;
    return n->on_identity != NULL ? n->on_identity(n, l) : n->identity;
}

static void on_up(void *arg, struct link *l)
{
    struct node *n = arg;

    ck_assert(link_is_up(l));
    n->ups++;
    n->link = l;
    if (n->on_up != NULL) {
        n->on_up(n, l);
    }
}

static int on_message(void *arg, struct link *l, struct slice message)
{
    struct node *n = arg;

    ck_assert_uint_le(message.size, LINK_MESSAGE_MAX);
    n->messages++;
    memcpy(n->last, message.data, message.size);
    n->last_size = message.size;
    if (n->on_message != NULL) {
        n->on_message(n, l, message);
    }
    return n->answer;
}

static int on_data(void *arg,
                   struct link *l,
                   uint32_t stream,
                   struct slice bytes,
                   bool end)
{
    struct node *n = arg;

    ck_assert(stream != 0 && (!end || bytes.size == 0));
    n->received += bytes.size;
    sha256_update(&n->received_hash, bytes);
    n->ends += end ? 1 : 0;
    if (n->on_data != NULL) {
        n->on_data(n, l);
    }
    return n->answer;
}

static void on_writable(void *arg, struct link *l)
{
    struct node *n = arg;

    n->writables++;
    if (l == n->link) {
        node_pump(n);
    }
}

static void on_down(void *arg, struct link *l, int status, const char *text)
{
    struct node *n = arg;

    ck_assert(!link_is_up(l));
    n->downs++;
    n->status = status;
    n->reason = link_reason(l);
    n->down_user = link_user(l);
    (void)snprintf(n->text, sizeof(n->text), "%s", text);
    if (l == n->link) {
        n->link = NULL;
    }
    if (n->on_down != NULL) {
        n->on_down(n, l);
    }
}

static void node_init(struct node *n, const char *cert)
{
    memset(n, 0, sizeof(*n));
    n->config.loop = &loop;
    n->config.rng = &rng;
    n->config.net = net;
    noise_keypair_init(&n->config.key, &rng);
    n->config.cert = slice_str(cert);
    link_limits_default(&n->config.limits);
    n->config.limits.ip_burst = 1000000;
    n->config.limits.close_ms = 300;
    n->config.calls = (struct link_calls){
        .on_psk = on_psk,
        .on_identity = on_identity,
        .on_up = on_up,
        .on_message = on_message,
        .on_data = on_data,
        .on_writable = on_writable,
        .on_down = on_down,
    };
    n->config.arg = n;
    frame_psk_init(&n->psks[0], secret);
    n->psks_len = 1;
    sha256_init(&n->received_hash);
    sha256_init(&n->sent_hash);
}

void node_start(struct node *n, const char *at)
{
    char errmsg[ERRMSG_SIZE];

    ck_assert_int_eq(link_host_new(&n->host, &n->config), OK);
    ck_assert_int_eq(link_host_listen(n->host, at, n->address, errmsg), OK);
}

static void on_host_closed(void *arg)
{
    struct node *n = arg;

    n->closed = true;
    n->host = NULL;
}

void node_stop(struct node *n)
{
    if (n->host != NULL) {
        link_host_close(n->host, on_host_closed, n);
        WAIT(n->closed);
    }
}

struct link *node_dial(struct node *n, const char *address)
{
    struct link *l = NULL;

    ck_assert_int_eq(link_dial(n->host, address, secret, n, &l), OK);
    return l;
}

void node_connect(struct node *n, struct node *to)
{
    node_start(n, "127.0.0.1:0");
    node_start(to, "127.0.0.1:0");
    (void)node_dial(n, to->address);
    WAIT(n->ups == 1 && to->ups == 1);
}

bool node_has_all_of(struct node *n, struct node *from)
{
    struct digest got, sent;

    sha256_peek(&n->received_hash, &got);
    sha256_peek(&from->sent_hash, &sent);
    return n->received == from->total && digest_equal(&got, &sent);
}

void node_pump(struct node *n)
{
    while (n->link != NULL && link_is_up(n->link) && n->sent < n->total) {
        uint64_t left = n->total - n->sent;
        struct slice bytes;
        int rv;

        if (n->piece == 0) {
            n->piece = 1 + rng_below(&rng, LINK_DATA_MAX);
        }
        if (n->piece > left) {
            n->piece = (size_t)left;
        }
        bytes = slice_of(block + n->sent % 65536, n->piece);
        rv = link_send_data(n->link, 7, bytes, n->piece == left);
        if (rv == ERR_FULL) {
            return;
        }
        ck_assert_int_eq(rv, OK);
        sha256_update(&n->sent_hash, bytes);
        n->sent += n->piece;
        n->piece = 0;
    }
}

/* --- World --------------------------------------------------------------- */

static void on_tick(uv_timer_t *timer)
{
    (void)timer; /* A round ends. */
}

void world_setup(void)
{
    uint8_t seed[RNG_SEED_SIZE] = {42};

    rng_init_seed(&rng, seed);
    rng_bytes(&rng, net.bytes, sizeof(net.bytes));
    rng_bytes(&rng, secret, sizeof(secret));
    rng_bytes(&rng, block, sizeof(block));
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    uv_timer_init(&loop, &tick);
    uv_timer_start(&tick, on_tick, 5, 5);
    node_init(&a, "certificate of a");
    node_init(&b, "certificate of b");
    node_init(&c, "certificate of c");
    proxy_runs = false;
}

static void node_free(struct node *n)
{
    node_stop(n);
    sha256_close(&n->received_hash);
    sha256_close(&n->sent_hash);
}

void world_teardown(void)
{
    if (proxy_runs) {
        proxy_stop();
    }
    node_free(&a);
    node_free(&b);
    node_free(&c);
    uv_close((uv_handle_t *)&tick, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
}

void world_run(void)
{
    uv_run(&loop, proxy_runs ? UV_RUN_NOWAIT : UV_RUN_ONCE);
    if (proxy_runs) {
        proxy_run();
    }
}

/* --- Plain sockets ------------------------------------------------------- */

static struct sockaddr_in address_parse(const char *address)
{
    struct sockaddr_in sa = {.sin_family = AF_INET};
    const char *colon = strrchr(address, ':');
    char host[LINK_ADDRESS_SIZE];

    (void)snprintf(host, sizeof(host), "%.*s", (int)(colon - address), address);
    ck_assert_int_eq(inet_pton(AF_INET, host, &sa.sin_addr), 1);
    sa.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
    return sa;
}

static int socket_dial(const char *address, const char *from)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in sa;

    ck_assert_int_ge(fd, 0);
    if (from != NULL) {
        sa = address_parse(from);
        ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    }
    sa = address_parse(address);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

void raw_dial(struct raw *r, const char *address, const char *from)
{
    r->fd = socket_dial(address, from);
    r->got = 0;
}

int raw_listen(char address[LINK_ADDRESS_SIZE])
{
    struct sockaddr_in sa = address_parse("127.0.0.1:0");
    socklen_t size = sizeof(sa);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    ck_assert_int_eq(listen(fd, 16), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sa, &size), 0);
    (void)snprintf(address, LINK_ADDRESS_SIZE, "127.0.0.1:%u",
                   (unsigned)ntohs(sa.sin_port));
    return fd;
}

void raw_accept(struct raw *r, int listener)
{
    r->got = 0;
    WAIT((r->fd = accept(listener, NULL, NULL)) >= 0);
}

void raw_send(struct raw *r, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;

    while (size > 0) {
        ssize_t n = send(r->fd, at, size, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && (errno == EPIPE || errno == ECONNRESET)) {
            return; /* The peer has had enough. */
        }
        ck_assert(n > 0 || errno == EAGAIN);
        if (n > 0) {
            at += n;
            size -= (size_t)n;
        } else {
            world_run();
        }
    }
}

/* Receive what is there; false at the end of the connection. */
static bool raw_poll(struct raw *r)
{
    ssize_t n;

    ck_assert_uint_lt(r->got, sizeof(r->in));
    n = recv(r->fd, r->in + r->got, sizeof(r->in) - r->got, MSG_DONTWAIT);
    if (n > 0) {
        r->got += (size_t)n;
    }
    return n > 0 || (n < 0 && errno == EAGAIN);
}

void raw_wait(struct raw *r, size_t size)
{
    while (r->got < size) {
        world_run();
        ck_assert(raw_poll(r) || r->got >= size);
    }
}

void raw_take(struct raw *r, size_t size)
{
    ck_assert_uint_le(size, r->got);
    r->got -= size;
    memmove(r->in, r->in + size, r->got);
}

bool raw_is_closed(struct raw *r)
{
    return !raw_poll(r);
}

void raw_close(struct raw *r)
{
    close(r->fd);
    r->fd = -1;
}

void raw_hello(struct noise_handshake *hs,
               const struct noise_keypair *key,
               const uint8_t psk[FRAME_PSK_SIZE],
               uint8_t out[RAW_HELLO_SIZE])
{
    uint8_t noise_psk[NOISE_KEY_SIZE];
    struct frame_psk p;
    struct digest prologue;
    size_t size;

    frame_psk_init(&p, psk);
    frame_preamble_encode(&net, &p, out);
    frame_prologue(out, &prologue);
    frame_psk_for_noise(&p, slice_str(""), slice_str(""), noise_psk);
    noise_handshake_init(hs, true, digest_slice(&prologue), key, noise_psk);
    ck_assert_int_eq(noise_handshake_write(hs, slice_str(""), &rng,
                                           out + FRAME_PREAMBLE_SIZE + 2,
                                           &size),
                     OK);
    u16be_store(out + FRAME_PREAMBLE_SIZE, (uint16_t)size);
}

void raw_handshake(struct raw *r, const char *address)
{
    uint8_t hello[RAW_HELLO_SIZE], payload[FRAME_HANDSHAKE_MAX];
    struct noise_handshake hs;
    struct noise_keypair key;
    size_t size;

    noise_keypair_init(&key, &rng);
    raw_hello(&hs, &key, secret, hello);
    raw_dial(r, address, NULL);
    raw_send(r, hello, sizeof(hello));
    raw_wait(r, 2);
    size = u16be_load(r->in);
    raw_wait(r, 2 + size);
    ck_assert_int_eq(
        noise_handshake_read(&hs, slice_of(r->in + 2, size), payload, &size),
        OK);
    raw_take(r, 2U + u16be_load(r->in));
    ck_assert_int_eq(
        noise_handshake_write(&hs, slice_str("raw"), &rng, payload + 2, &size),
        OK);
    u16be_store(payload, (uint16_t)size);
    raw_send(r, payload, 2 + size);
    ck_assert_int_eq(noise_handshake_split(&hs, &r->t), OK);
}

void raw_answer(struct raw *r,
                struct noise_handshake *hs,
                const struct noise_keypair *key,
                struct slice cert)
{
    uint8_t noise_psk[NOISE_KEY_SIZE], out[FRAME_HANDSHAKE_MAX];
    struct frame_psk p;
    struct digest prologue;
    size_t size;

    raw_wait(r, RAW_HELLO_SIZE);
    frame_psk_init(&p, secret);
    frame_prologue(r->in, &prologue);
    frame_psk_for_noise(&p, slice_str(""), slice_str(""), noise_psk);
    noise_handshake_init(hs, false, digest_slice(&prologue), key, noise_psk);
    ck_assert_int_eq(
        noise_handshake_read(
            hs, slice_of(r->in + FRAME_PREAMBLE_SIZE + 2, NOISE_MSG1_SIZE), out,
            &size),
        OK);
    raw_take(r, RAW_HELLO_SIZE);
    ck_assert_int_eq(noise_handshake_write(hs, cert, &rng, out + 2, &size), OK);
    u16be_store(out, (uint16_t)size);
    raw_send(r, out, 2 + size);
}

void raw_seal(struct raw *r, const void *plain, size_t size)
{
    static uint8_t out[FRAME_WIRE_MAX];

    ck_assert_int_eq(
        noise_seal(&r->t.send, slice_of(plain, size), out + FRAME_LENGTH_SIZE),
        OK);
    u16be_store(out, (uint16_t)(size + NOISE_TAG_SIZE));
    raw_send(r, out, FRAME_LENGTH_SIZE + size + NOISE_TAG_SIZE);
}

void raw_record(struct raw *r, struct frame_record *rec)
{
    static uint8_t plain[NOISE_PLAIN_MAX];
    size_t size;

    raw_wait(r, 2);
    size = u16be_load(r->in);
    raw_wait(r, 2 + size);
    ck_assert_int_eq(
        frame_open(&r->t.receive, slice_of(r->in + 2, size), plain, rec), OK);
    raw_take(r, 2 + size);
}

/* --- A proxy ------------------------------------------------------------- */

void proxy_start(const char *target)
{
    memset(&proxy, 0, sizeof(proxy));
    proxy.listener = raw_listen(proxy.address);
    proxy.target = target;
    proxy.fd[0] = -1;
    proxy.fd[1] = -1;
    proxy.chunk = sizeof(proxy.buf[0]);
    proxy_reset();
    proxy_runs = true;
}

static void proxy_hang_up(void)
{
    for (int i = 0; i < 2; i++) {
        if (proxy.fd[i] >= 0) {
            close(proxy.fd[i]);
        }
        proxy.fd[i] = -1;
    }
}

void proxy_reset(void)
{
    proxy_hang_up();
    for (int i = 0; i < 2; i++) {
        proxy.seen[i] = 0;
        proxy.flip_at[i] = UINT64_MAX;
        proxy.cut_at[i] = UINT64_MAX;
        proxy.at[i] = 0;
        proxy.end[i] = 0;
        proxy.eof[i] = false;
    }
}

static void proxy_stop(void)
{
    proxy_hang_up();
    close(proxy.listener);
    proxy_runs = false;
}

/* Take bytes from one side, spoil them. */
static void proxy_fill(int way)
{
    size_t max = 1 + rng_below(&rng, proxy.chunk);
    uint64_t from = proxy.seen[way];
    ssize_t n;

    if (proxy.cut_at[way] - from < max) {
        max = (size_t)(proxy.cut_at[way] - from);
    }
    if (max == 0) {
        proxy_hang_up();
        return;
    }
    n = recv(proxy.fd[way], proxy.buf[way], max, MSG_DONTWAIT);
    if (n == 0) {
        proxy.eof[way] = true;
        (void)shutdown(proxy.fd[1 - way], SHUT_WR);
    } else if (n < 0 && errno != EAGAIN) {
        proxy_hang_up();
    } else if (n > 0) {
        proxy.at[way] = 0;
        proxy.end[way] = (size_t)n;
        proxy.seen[way] += (size_t)n;
        if (proxy.flip_at[way] >= from &&
            proxy.flip_at[way] < proxy.seen[way]) {
            proxy.buf[way][proxy.flip_at[way] - from] ^= proxy.flip;
        }
    }
}

static void proxy_move(int way)
{
    ssize_t n;

    if (proxy.fd[0] >= 0 && proxy.at[way] == proxy.end[way] &&
        !proxy.eof[way]) {
        proxy_fill(way);
    }
    if (proxy.fd[0] < 0 || proxy.at[way] == proxy.end[way]) {
        return;
    }
    n = send(proxy.fd[1 - way], proxy.buf[way] + proxy.at[way],
             proxy.end[way] - proxy.at[way], MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0) {
        proxy.at[way] += (size_t)n;
    } else if (errno != EAGAIN) {
        proxy_hang_up();
    }
}

/* fd[TO_TARGET] is read for that way, so it is the dialler's. */
static void proxy_run(void)
{
    if (proxy.fd[0] < 0) {
        int fd = accept(proxy.listener, NULL, NULL), one = 1;

        if (fd < 0) {
            return;
        }
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        proxy.fd[TO_TARGET] = fd;
        proxy.fd[TO_DIALLER] = socket_dial(proxy.target, NULL);
    }
    proxy_move(TO_TARGET);
    proxy_move(TO_DIALLER);
    if (proxy.eof[0] && proxy.eof[1]) {
        proxy_hang_up();
    }
}
