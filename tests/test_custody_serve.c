#include <errno.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#include "tests/custody_world.h"

/* Clients that say what they like, byte for byte. */

#define CLIENTS_MAX 12

static int clients[CLIENTS_MAX];
static uint8_t got[CUSTODY_FRAME_MAX];
static int sync_errno;

int fsync(int fd)
{
    if (sync_errno != 0) {
        errno = sync_errno;
        return -1;
    }
    return (int)syscall(SYS_fsync, fd);
}

static uint64_t disk_free;

int fstatvfs(int fildes, struct statvfs *buf)
{
    (void)fildes;
    *buf = (struct statvfs){.f_frsize = 1, .f_bavail = disk_free};
    return 0;
}

/* --- Whose a connection is ------------------------------------------------ */

static uid_t client_uid;
static bool client_unknown;

int getsockopt(int fd, int level, int optname, void *optval, socklen_t *optlen)
{
    struct ucred *cred = optval;
    int rv = (int)syscall(SYS_getsockopt, fd, level, optname, optval, optlen);

    if (rv == 0 && level == SOL_SOCKET && optname == SO_PEERCRED) {
        cred->uid = client_uid;
        if (client_unknown) {
            errno = ENOPROTOOPT;
            rv = -1;
        }
    }
    return rv;
}

/* --- Verbs --------------------------------------------------------------- */

static void start(void)
{
    sync_errno = 0;
    disk_free = UINT64_C(1) << 40;
    client_uid = geteuid();
    client_unknown = false;
    custody_start();
    custodian_up();
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        clients[i] = -1;
    }
}

static void stop(void)
{
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        if (clients[i] >= 0) {
            close(clients[i]);
        }
    }
    custody_stop();
}

/* Let the server do all that it can do now. */
static void turn(void)
{
    for (unsigned i = 0; i < 20; i++) {
        (void)uv_run(&loop, UV_RUN_NOWAIT);
    }
}

static void client_connect(size_t i)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    ck_assert_uint_lt(strlen(socket_path), sizeof(address.sun_path));
    memcpy(address.sun_path, socket_path, strlen(socket_path));
    clients[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    ck_assert_int_eq(
        connect(clients[i], (const struct sockaddr *)&address, sizeof(address)),
        0);
    turn();
}

static void client_close(size_t i)
{
    close(clients[i]);
    clients[i] = -1;
    turn();
}

/* Bytes, as fast as the server takes them. */
static void client_say(size_t i, struct slice bytes)
{
    while (bytes.size > 0) {
        ssize_t n = send(clients[i], bytes.data, bytes.size, MSG_NOSIGNAL);

        if (n > 0) {
            bytes.data += n;
            bytes.size -= (size_t)n;
        } else if (errno != EAGAIN) {
            return; /* Closed, which the test looks at itself. */
        }
        turn();
    }
}

static struct slice head_of(uint32_t size)
{
    static uint8_t head[4];

    head[0] = (uint8_t)(size >> 24);
    head[1] = (uint8_t)(size >> 16);
    head[2] = (uint8_t)(size >> 8);
    head[3] = (uint8_t)size;
    return slice_of(head, 4);
}

static void client_ask(size_t i)
{
    struct slice bytes = ask_bytes();

    client_say(i, head_of((uint32_t)bytes.size));
    client_say(i, bytes);
}

/* Read |size| bytes that must be there. */
static void client_read(size_t i, uint8_t *out, size_t size)
{
    while (size > 0) {
        ssize_t n = recv(clients[i], out, size, 0);

        ck_assert_msg(n > 0, "%s", n == 0 ? "closed" : strerror(errno));
        out += n;
        size -= (size_t)n;
        turn();
    }
}

/* The next answer, into |answer|. */
static void client_hears(size_t i, enum custody_type type)
{
    uint8_t head[4];

    client_read(i, head, 4);
    ck_assert_uint_le(u32be_load(head), CUSTODY_SIZE_MAX);
    client_read(i, got, u32be_load(head));
    ck_assert_int_eq(custody_decode(&answer, slice_of(got, u32be_load(head))),
                     OK);
    ck_assert_int_eq(answer.type, type);
}

static void client_is_open(size_t i)
{
    uint8_t byte;

    turn();
    ck_assert_int_eq(recv(clients[i], &byte, 1, MSG_PEEK), -1);
    ck_assert_int_eq(errno, EAGAIN);
}

static void client_is_closed(size_t i)
{
    uint8_t byte;

    turn();
    errno = 0;
    ck_assert_int_le(recv(clients[i], &byte, 1, MSG_PEEK), 0);
    ck_assert_int_ne(errno, EAGAIN);
}

static void client_works(size_t i)
{
    hello_ask();
    client_ask(i);
    client_hears(i, CUSTODY_SELF);
}

/* --- Requests ------------------------------------------------------------ */

/* A share dealt, a release decided, its envelope handed out, across a restart;
 * a repeated request is answered alike. */
START_TEST(test_custody_serve_releases)
{
    static struct buffer decision, again;

    client_connect(0);
    deal_ask();
    client_ask(0);
    client_hears(0, CUSTODY_ACK);
    release_ask_by(T);
    client_ask(0);
    client_hears(0, CUSTODY_DECIDED);
    memcpy(decision.bytes, answer.u.decision.data, answer.u.decision.size);
    decision.size = answer.u.decision.size;
    client_close(0);
    custodian_down();
    turn();

    custodian_up();
    client_connect(0);
    client_ask(0);
    client_hears(0, CUSTODY_DECIDED);
    ck_assert(slice_equal(answer.u.decision, buffer_slice(&decision)));
    envelope_ask(0, 0, buffer_slice(&decision));
    client_ask(0);
    client_hears(0, CUSTODY_HANDED);
    memcpy(again.bytes, answer.u.handed.data, answer.u.handed.size);
    again.size = answer.u.handed.size;
    client_ask(0);
    client_hears(0, CUSTODY_HANDED);
    ck_assert(slice_equal(answer.u.handed, buffer_slice(&again)));
    envelope_ask(ME, ME, buffer_slice(&decision));
    client_ask(0);
    client_hears(0, CUSTODY_REFUSED);
    client_works(0);
}
END_TEST

/* Requests may be sent before the answers are read; they are answered in
 * order. */
START_TEST(test_custody_serve_answers_in_order)
{
    client_connect(0);
    hello_ask();
    client_ask(0);
    deal_ask();
    client_ask(0);
    hello_ask();
    ask.u.hello.net.bytes[0] ^= 1;
    client_ask(0);
    client_hears(0, CUSTODY_SELF);
    client_hears(0, CUSTODY_ACK);
    client_hears(0, CUSTODY_REFUSED);
}
END_TEST

/* A request that comes byte by byte is a request. */
START_TEST(test_custody_serve_slow_client)
{
    struct slice bytes;
    struct slice head;

    client_connect(0);
    hello_ask();
    bytes = ask_bytes();
    head = head_of((uint32_t)bytes.size);
    for (size_t i = 0; i < 4; i++) {
        client_say(0, slice_of(head.data + i, 1));
    }
    for (size_t i = 0; i < bytes.size; i++) {
        client_is_open(0);
        client_say(0, slice_of(bytes.data + i, 1));
    }
    client_hears(0, CUSTODY_SELF);
}
END_TEST

/* --- Garbage ------------------------------------------------------------- */

/* What is no request costs its own connection, and no other. */
START_TEST(test_custody_serve_garbage)
{
    static const uint8_t junk[64] = {0xc1};
    static const char array[] = "\x91\x05";

    client_connect(0);
    for (unsigned i = 0; i < 7; i++) {
        client_connect(1);
        switch (i) {
        case 0: /* No length. */
            client_say(1, head_of(0));
            break;
        case 1: /* One more than may be. */
            client_say(1, head_of(CUSTODY_SIZE_MAX + 1));
            break;
        case 2:
            client_say(1, head_of(UINT32_MAX));
            break;
        case 3:
            client_say(1, head_of(sizeof(junk)));
            client_say(1, slice_of(junk, sizeof(junk)));
            break;
        case 4: /* A type of later days. */
            client_say(1, head_of(2));
            client_say(1, slice_of(array, 2));
            break;
        case 5: /* An answer. */
            ask = (struct custody){.type = CUSTODY_ACK,
                                   .u.ack = slice_str("ack")};
            client_ask(1);
            break;
        default:
            client_say(1, slice_str("GET / HTTP/1.1\r\n\r\n"));
            break;
        }
        client_is_closed(1);
        client_close(1);
        client_works(0);
    }
}
END_TEST

/* Random bytes, whatever they are, never end the server. */
START_TEST(test_custody_serve_noise)
{
    uint8_t noise[600];

    client_connect(0);
    for (unsigned i = 0; i < 100; i++) {
        size_t size = (size_t)rng_below(&rng, sizeof(noise)) + 1;

        rng_bytes(&rng, noise, sizeof(noise));
        client_connect(1);
        if (i % 2 == 0) {
            client_say(1, head_of((uint32_t)size));
        }
        client_say(1, slice_of(noise, size));
        client_close(1);
    }
    client_works(0);
}
END_TEST

/* A good request with one bit changed is refused, or no request: there is
 * nothing in a DEAL that may be otherwise. */
START_TEST(test_custody_serve_bit_flips)
{
    static uint8_t bytes[CUSTODY_SIZE_MAX];
    struct slice good;
    uint8_t head[4];

    deal_ask();
    good = ask_bytes();
    for (unsigned i = 0; i < 60; i++) {
        size_t at = (size_t)rng_below(&rng, good.size);

        memcpy(bytes, good.data, good.size);
        bytes[at] ^= (uint8_t)(1U << rng_below(&rng, 8));
        client_connect(0);
        client_say(0, head_of((uint32_t)good.size));
        client_say(0, slice_of(bytes, good.size));
        turn();
        if (recv(clients[0], head, 4, MSG_PEEK) == 4) {
            client_hears(0, CUSTODY_REFUSED);
        }
        client_close(0);
    }
    client_connect(0);
    client_ask(0);
    client_hears(0, CUSTODY_ACK);
}
END_TEST

/* Half a message, and gone. */
START_TEST(test_custody_serve_half_a_message)
{
    client_connect(0);
    client_connect(1);
    client_say(1, head_of(CUSTODY_SIZE_MAX));
    client_say(1, slice_of(got, 100000));
    client_is_open(1);
    client_close(1);
    client_connect(1);
    client_say(1, slice_of(got, 3));
    client_close(1);
    client_works(0);
}
END_TEST

/* Who asks and never reads is waited for, alone. */
START_TEST(test_custody_serve_deaf_client)
{
    struct slice bytes;

    client_connect(0);
    client_connect(1);
    hello_ask();
    bytes = ask_bytes();
    for (unsigned i = 0; i < 20000; i++) {
        struct slice head = head_of((uint32_t)bytes.size);

        if (send(clients[1], head.data, 4, MSG_NOSIGNAL) != 4 ||
            send(clients[1], bytes.data, bytes.size, MSG_NOSIGNAL) !=
                (ssize_t)bytes.size) {
            break;
        }
        (void)uv_run(&loop, UV_RUN_NOWAIT);
    }
    turn();
    ck_assert_int_eq(errno, EAGAIN); /* The system has had enough. */
    client_works(0);
    client_hears(1, CUSTODY_SELF);
    client_close(1); /* With answers unread. */
    client_works(0);
}
END_TEST

/* One connection too many takes the place of one that never had an answer, be
 * it silent for less long than others; else of the one silent for longest. */
START_TEST(test_custody_serve_connections_are_few)
{
    client_connect(0);
    client_works(0);
    uv_sleep(5);
    for (size_t i = 1; i < CUSTODY_SERVE_MAX; i++) {
        client_connect(i);
    }
    client_works(1);
    client_connect(CUSTODY_SERVE_MAX);
    client_is_closed(2);
    for (size_t i = 3; i < CUSTODY_SERVE_MAX; i++) {
        client_is_open(i);
        client_works(i);
    }
    client_works(CUSTODY_SERVE_MAX);
    client_connect(CUSTODY_SERVE_MAX + 1);
    client_is_closed(0);
    client_works(1);
    client_works(CUSTODY_SERVE_MAX + 1);
}
END_TEST

/* --- The socket ---------------------------------------------------------- */

/* Its owner may connect, and its name goes with it. */
START_TEST(test_custody_serve_socket)
{
    struct stat st;

    ck_assert_int_eq(lstat(socket_path, &st), 0);
    ck_assert(S_ISSOCK(st.st_mode));
    ck_assert_uint_eq(st.st_mode & 07777, 0600);
    custodian_down();
    turn();
    ck_assert_int_ne(lstat(socket_path, &st), 0);
}
END_TEST

/* Strangers are heard by nobody, and take no place from those who may be here,
 * however many come: other users, and one of whom nothing is known. */
START_TEST(test_custody_serve_strangers)
{
    uid_t self = geteuid();

    client_connect(0);
    client_works(0);
    for (unsigned i = 0; i < 3 * CUSTODY_SERVE_MAX; i++) {
        client_uid = i % 3 == 0 ? self + 1 : self + 2;
        client_unknown = i % 3 == 2;
        client_connect(1);
        client_is_closed(1);
        client_close(1);
    }
    client_works(0);
}
END_TEST

/* The node's user may connect, if it was named, through its group. */
START_TEST(test_custody_serve_peer)
{
    static uid_t peer;
    struct stat st;

    custodian_down();
    turn();
    peer = geteuid() + 1;
    serve_peer = &peer;
    custodian_up();
    ck_assert_int_eq(lstat(socket_path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0660);
    client_connect(0);
    client_works(0);
    client_uid = peer;
    client_connect(1);
    client_works(1);
    client_uid = peer + 1;
    client_connect(2);
    client_is_closed(2);
}
END_TEST

/* A name that a dead process left is taken; that of a living one is not, nor
 * that of a file. */
START_TEST(test_custody_serve_stale_socket)
{
    struct custody_serve *first = serve;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd;

    serve = NULL;
    ck_assert_int_eq(serve_try(), ERR_BUSY);
    ck_assert_ptr_nonnull(strstr(errmsg, socket_path));
    client_connect(0);
    client_works(0);
    custody_serve_close(first, NULL, NULL);
    turn();

    memcpy(address.sun_path, socket_path, strlen(socket_path));
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(
        bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    close(fd);
    ck_assert_int_eq(serve_try(), OK);
    custody_serve_close(serve, NULL, NULL);
    serve = NULL;
    turn();

    scratch_put("socket", "a file", 0600);
    ck_assert_int_eq(serve_try(), ERR_EXISTS);
    ck_assert_int_eq(access(socket_path, F_OK), 0);
    ck_assert_int_eq(unlink(socket_path), 0);
    (void)snprintf(socket_path, sizeof(socket_path), "%s/none/socket", scratch);
    ck_assert_int_eq(serve_try(), ERR_IO);
    turn();
    memset(socket_path, 'x', 108);
    socket_path[108] = '\0';
    ck_assert_int_eq(serve_try(), ERR_FULL);
    ck_assert_ptr_null(serve);
}
END_TEST

/* A disk that fails: no answer, and the end. */
START_TEST(test_custody_serve_halts)
{
    client_connect(0);
    client_works(0);
    sync_errno = EIO;
    deal_ask();
    client_ask(0);
    sync_errno = 0;
    client_is_closed(0);
    ck_assert_uint_eq(halts, 1);
    custodian_down();
    turn();
    custodian_up();
    client_connect(1);
    client_ask(1);
    client_hears(1, CUSTODY_ACK);
}
END_TEST

static void client_is_full(size_t i, const char *words)
{
    client_ask(i);
    client_hears(i, CUSTODY_REFUSED);
    ck_assert_int_eq(answer.u.refused.status, ERR_FULL);
    ck_assert_ptr_nonnull(strstr(answer.u.refused.text, words));
    ck_assert_uint_eq(halts, 0);
}

static void client_counts(size_t i, uint64_t shares, uint64_t decisions)
{
    client_works(i);
    ck_assert_uint_eq(answer.u.self.shares, shares);
    ck_assert_uint_eq(answer.u.self.decisions, decisions);
}

/* A disk that fills up: no more shares, decisions while there is any room, and
 * then neither; it goes on when there is room again. What was acknowledged is
 * there all the time, and said again. */
START_TEST(test_custody_serve_full_disk)
{
    client_connect(0);
    disk_free = CUSTODY_STORE_RESERVE;
    deal_ask();
    client_is_full(0, "deal again");
    client_counts(0, 0, 0);
    disk_free *= 2;
    deal_ask();
    client_ask(0);
    client_hears(0, CUSTODY_ACK);
    disk_free = 0;
    client_ask(0);
    client_hears(0, CUSTODY_ACK);
    sync_errno = ENOSPC;
    release_ask_by(T);
    client_is_full(0, "make room");
    client_counts(0, 1, 0);
    sync_errno = 0;
    release_ask_by(T);
    client_ask(0);
    client_hears(0, CUSTODY_DECIDED);
    client_counts(0, 1, 1);
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("custody_serve");
    TCase *tc = tcase_create("serve");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, start, stop);
    tcase_add_test(tc, test_custody_serve_releases);
    tcase_add_test(tc, test_custody_serve_answers_in_order);
    tcase_add_test(tc, test_custody_serve_slow_client);
    tcase_add_test(tc, test_custody_serve_garbage);
    tcase_add_test(tc, test_custody_serve_noise);
    tcase_add_test(tc, test_custody_serve_bit_flips);
    tcase_add_test(tc, test_custody_serve_half_a_message);
    tcase_add_test(tc, test_custody_serve_deaf_client);
    tcase_add_test(tc, test_custody_serve_connections_are_few);
    tcase_add_test(tc, test_custody_serve_socket);
    tcase_add_test(tc, test_custody_serve_strangers);
    tcase_add_test(tc, test_custody_serve_peer);
    tcase_add_test(tc, test_custody_serve_stale_socket);
    tcase_add_test(tc, test_custody_serve_halts);
    tcase_add_test(tc, test_custody_serve_full_disk);
    suite_add_tcase(s, tc);
    return s;
}
