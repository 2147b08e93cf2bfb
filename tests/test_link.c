#include <stdlib.h>

#include "node/link/link.h"
#include "tests/link_world.h"

static struct raw raw;

/* --- Coming up ----------------------------------------------------------- */

/* Both sides learn the other's key and certificate, one session, and talk. */
START_TEST(test_link_handshake_both_ways)
{
    struct link *l;

    node_connect(&a, &b);
    l = a.link;
    ck_assert(link_is_dialled(l) && !link_is_dialled(b.link));
    ck_assert_ptr_eq(link_user(l), &a);
    ck_assert_ptr_null(link_user(b.link));
    ck_assert_str_eq(link_address(l), b.address);
    ck_assert_bytes_eq(link_remote(l), b.config.key.pk, NOISE_KEY_SIZE);
    ck_assert_bytes_eq(link_remote(b.link), a.config.key.pk, NOISE_KEY_SIZE);
    ck_assert_bytes_eq(link_psk_id(b.link), a.psks[0].id, FRAME_PSK_ID_SIZE);
    ck_assert_bytes_eq(link_psk_id(l), a.psks[0].id, FRAME_PSK_ID_SIZE);
    ck_assert(digest_equal(link_binding(l), link_binding(b.link)));
    ck_assert_bytes_eq(a.cert, "certificate of b", a.cert_size);
    ck_assert_bytes_eq(b.cert, "certificate of a", b.cert_size);
    ck_assert_int_eq(link_send_message(l, slice_str("hello")), OK);
    ck_assert_int_eq(link_send_message(b.link, slice_str("world")), OK);
    WAIT(a.messages == 1 && b.messages == 1);
    ck_assert_bytes_eq(b.last, "hello", b.last_size);
    ck_assert_bytes_eq(a.last, "world", a.last_size);
    ck_assert_uint_eq(a.identities + b.identities, 2);
}
END_TEST

/* IPv6 and names; a name's addresses are tried until one answers. */
START_TEST(test_link_addresses)
{
    char name[LINK_ADDRESS_SIZE];

    node_start(&a, "127.0.0.1:0");
    node_start(&b, "[::1]:0");
    ck_assert_bytes_eq(b.address, "[::1]:", 6);
    (void)node_dial(&a, b.address);
    WAIT(b.ups == 1);
    (void)snprintf(name, sizeof(name), "localhost:%s",
                   strrchr(a.address, ':') + 1);
    (void)node_dial(&b, name);
    WAIT(a.ups == 2 && b.ups == 2);
    ck_assert_str_eq(link_address(b.link), a.address);
}
END_TEST

/* What is no address is refused at once, and nobody is called. */
START_TEST(test_link_no_address)
{
    static const char *const bad[] = {
        "",         "host",   ":1",         "[]:1",          "[::1]",
        "::1:7117", "host:",  "host:65536", "host:07117",    "host:+1",
        "host:1 ",  "host:0", "host:-1",    "host:99999999", "[::1]7117"};
    char bound[LINK_ADDRESS_SIZE], errmsg[ERRMSG_SIZE];
    struct link *l = NULL;

    node_start(&a, "127.0.0.1:0");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_int_eq(link_dial(a.host, bad[i], secret, NULL, &l), ERR_BAD);
    }
    ck_assert_int_eq(link_host_listen(a.host, "nowhere", bound, errmsg),
                     ERR_BAD);
    ck_assert_int_eq(link_host_listen(a.host, a.address, bound, errmsg),
                     ERR_IO);
    node_stop(&a);
    ck_assert_uint_eq(a.downs, 0);
}
END_TEST

/* A dial that comes to nothing is told once, whatever the reason. */
START_TEST(test_link_dial_fails)
{
    int listener;
    char address[LINK_ADDRESS_SIZE];

    a.config.limits.handshake_ms = 30;
    node_start(&a, "127.0.0.1:0");
    listener = raw_listen(address);
    (void)node_dial(&a, address); /* Says nothing. */
    WAIT(a.downs == 1);
    ck_assert_int_eq(a.status, ERR_IO);
    ck_assert_ptr_eq(a.down_user, &a);
    raw.fd = listener;
    raw_close(&raw);
    (void)node_dial(&a, address); /* Is not there. */
    WAIT(a.downs == 2);
    ck_assert_int_eq(a.status, ERR_IO);
    node_stop(&a);
    ck_assert_uint_eq(a.downs, 2);
    ck_assert_uint_eq(a.ups + a.identities, 0);
}
END_TEST

/* Closed before it is up, in whatever state: told once. */
START_TEST(test_link_close_while_dialling)
{
    int listener;
    char address[LINK_ADDRESS_SIZE];

    node_start(&a, "127.0.0.1:0");
    listener = raw_listen(address);
    for (unsigned i = 0; i < 10; i++) {
        struct link *l = node_dial(&a, i % 2 == 0 ? address : "localhost:1");

        for (unsigned j = 0; j < i / 2; j++) {
            world_run();
        }
        if (a.downs == i) {
            link_close(l, FRAME_REASON_DONE);
            link_close(l, FRAME_REASON_BUSY);
        }
        WAIT(a.downs == i + 1);
    }
    node_stop(&a);
    ck_assert_uint_eq(a.downs, 10);
    raw.fd = listener;
    raw_close(&raw);
}
END_TEST

/* The key and certificate of new handshakes are the new ones. */
START_TEST(test_link_new_identity)
{
    struct noise_keypair key;

    node_connect(&a, &b);
    noise_keypair_init(&key, &rng);
    link_host_set_identity(b.host, &key, slice_str("renewed"));
    ck_assert_int_eq(link_send_message(a.link, slice_str("still")), OK);
    WAIT(b.messages == 1);
    (void)node_dial(&a, b.address);
    WAIT(a.ups == 2 && b.ups == 2);
    ck_assert_bytes_eq(a.cert, "renewed", a.cert_size);
    ck_assert_bytes_eq(link_remote(a.link), key.pk, NOISE_KEY_SIZE);
}
END_TEST

/* A second secret is accepted beside the first, and known by its id. */
START_TEST(test_link_second_psk)
{
    uint8_t other[FRAME_PSK_SIZE] = {9};
    struct link *l = NULL;

    frame_psk_init(&b.psks[1], other);
    b.psks_len = 2;
    node_start(&a, "127.0.0.1:0");
    node_start(&b, "127.0.0.1:0");
    ck_assert_int_eq(link_dial(a.host, b.address, other, &a, &l), OK);
    WAIT(a.ups == 1 && b.ups == 1);
    ck_assert_bytes_eq(link_psk_id(b.link), b.psks[1].id, FRAME_PSK_ID_SIZE);
}
END_TEST

/* --- Messages and bulk --------------------------------------------------- */

static unsigned next_size, wrong;

/* Message number i has i bytes, of |block| from i on. */
static void check_size(struct node *n, struct link *l, struct slice message)
{
    (void)n;
    (void)l;
    if (message.size != next_size ||
        !slice_equal(message, slice_of(block + next_size, next_size))) {
        wrong++;
    }
    next_size = next_size < 100 ? next_size + 1 : next_size + 2111;
    if (next_size > LINK_MESSAGE_MAX) {
        next_size = LINK_MESSAGE_MAX;
    }
}

/* Messages of all sizes arrive whole and in order, however TCP cuts them. */
START_TEST(test_link_messages_split_anywhere)
{
    static const size_t chunks[] = {1, 3, 64, 4000, 65536};
    unsigned size = 0, count = 0;

    node_start(&a, "127.0.0.1:0");
    node_start(&b, "127.0.0.1:0");
    proxy_start(b.address);
    proxy.chunk = chunks[_i];
    b.on_message = check_size;
    (void)node_dial(&a, proxy.address);
    WAIT(a.ups == 1 && b.ups == 1);
    while (_i > 1 || size < 100) {
        ck_assert_int_eq(
            link_send_message(a.link, slice_of(block + size, size)), OK);
        count++;
        WAIT(link_queued(a.link) < 500000);
        if (size == LINK_MESSAGE_MAX) {
            break;
        }
        size = size < 100 ? size + 1 : size + 2111;
        size = size < LINK_MESSAGE_MAX ? size : LINK_MESSAGE_MAX;
    }
    WAIT(b.messages == count);
    ck_assert_uint_eq(wrong, 0);
}
END_TEST

static void pump_on_up(struct node *n, struct link *l)
{
    (void)l;
    node_pump(n);
}

/* Bulk both ways at once is limited by the queue, and arrives to the byte. */
START_TEST(test_link_bulk_both_ways)
{
    a.total = (uint64_t)40 << 20;
    b.total = ((uint64_t)24 << 20) + 12345;
    a.on_up = pump_on_up;
    b.on_up = pump_on_up;
    node_connect(&a, &b);
    ck_assert_uint_le(link_queued(a.link), a.config.limits.data_high);
    WAIT(a.ends == 1 && b.ends == 1);
    ck_assert(node_has_all_of(&a, &b));
    ck_assert(node_has_all_of(&b, &a));
    ck_assert_uint_gt(a.writables, 3);
    ck_assert_uint_gt(b.writables, 3);
}
END_TEST

/* What a node has room for is opened there, and that is where it is lent from:
 * bulk bytes, and a message for which there was room. */
static uint8_t room[FRAME_BODY_MAX];
static size_t offered, lent;

static uint8_t *room_offer(void *arg, struct link *l, size_t size)
{
    (void)arg;
    ck_assert(link_is_up(l));
    ck_assert_uint_le(size, sizeof(room));
    ck_assert_uint_eq(offered, 0);
    offered = rng_below(&rng, 3) > 0 ? size : 0;
    return offered > 0 ? room : NULL;
}

static void room_check(struct slice bytes)
{
    if (offered > 0) {
        ck_assert_ptr_eq(bytes.data, room);
        ck_assert_uint_eq(bytes.size, offered);
        lent += offered;
    }
    offered = 0;
}

static int (*data_keep)(void *arg,
                        struct link *l,
                        uint32_t stream,
                        struct slice bytes,
                        bool end);

static int room_data(void *arg,
                     struct link *l,
                     uint32_t stream,
                     struct slice bytes,
                     bool end)
{
    room_check(bytes);
    return data_keep(arg, l, stream, bytes, end);
}

static void room_message(struct node *n, struct link *l, struct slice message)
{
    (void)n;
    (void)l;
    room_check(message);
}

static void messages_on_up(struct node *n, struct link *l)
{
    for (size_t i = 0; i < 20; i++) {
        ck_assert_int_eq(
            link_send_message(l, slice_of(block + i, 4000 + 10 * i)), OK);
    }
    node_pump(n);
}

START_TEST(test_link_opens_where_there_is_room)
{
    data_keep = a.config.calls.on_data;
    a.config.calls.on_data = room_data;
    a.config.calls.on_room = room_offer;
    a.on_message = room_message;
    b.total = ((uint64_t)8 << 20) + 4095;
    b.on_up = messages_on_up;
    offered = lent = 0;
    node_connect(&b, &a);
    WAIT(a.ends == 1);
    ck_assert(node_has_all_of(&a, &b));
    ck_assert_uint_eq(a.messages, 20);
    ck_assert_mem_eq(a.last, block + 19, 4190);
    ck_assert_uint_gt(lent, b.total / 3);
}
END_TEST

/* A piece that does not fit is not taken, not even in part. */
START_TEST(test_link_full_takes_nothing)
{
    struct slice mib = slice_of(block, LINK_DATA_MAX);
    unsigned taken = 0;
    size_t before;
    int rv;

    node_connect(&a, &b);
    while ((rv = link_send_data(a.link, 1, mib, false)) == OK) {
        taken++;
        ck_assert_uint_le(link_queued(a.link), a.config.limits.data_high);
    }
    ck_assert_int_eq(rv, ERR_FULL);
    before = link_queued(a.link);
    ck_assert_int_eq(link_send_data(a.link, 1, mib, true), ERR_FULL);
    ck_assert_uint_eq(link_queued(a.link), before);
    WAIT(a.writables == 1);
    ck_assert_int_eq(link_send_data(a.link, 1, slice_of(block, 0), true), OK);
    WAIT(b.ends == 1);
    ck_assert_uint_eq(b.received, taken * LINK_DATA_MAX);
    ck_assert_uint_eq(a.writables, 1);
}
END_TEST

static void pause_on_up(struct node *n, struct link *l)
{
    (void)n;
    link_read_pause(l);
}

static int pieces;

/* After a piece, not one more until the link is resumed. */
static void pause_on_data(struct node *n, struct link *l)
{
    (void)n;
    pieces++;
    link_read_pause(l);
}

static void rounds(unsigned count)
{
    while (count-- > 0) {
        world_run();
    }
}

/* A paused link delivers nothing, its sender is held up, and both go on. */
START_TEST(test_link_pause_and_resume)
{
    uint64_t before;

    a.total = (uint64_t)48 << 20;
    a.on_up = pump_on_up;
    b.on_up = pause_on_up;
    b.config.limits.silence_ms = 200; /* Its own pause is no silence. */
    b.config.limits.idle_ms = 50;
    node_connect(&a, &b);
    do {
        before = a.sent;
        rounds(60);
    } while (a.sent > before);
    ck_assert_uint_lt(a.sent, a.total);
    ck_assert_uint_eq(b.received, 0);
    ck_assert_uint_eq(b.downs + a.downs, 0);
    b.on_data = pause_on_data;
    for (int i = 1; i <= 20; i++) {
        link_read_resume(b.link);
        WAIT(pieces > i - 1);
        rounds(2);
        ck_assert_int_eq(pieces, i);
    }
    b.on_data = NULL;
    link_read_resume(b.link);
    WAIT(b.ends == 1);
    ck_assert(node_has_all_of(&b, &a));
}
END_TEST

static unsigned counted[2];

static void check_count(struct node *n, struct link *l, struct slice message)
{
    unsigned *count = &counted[n == &a];

    (void)l;
    ck_assert_uint_eq(message.size, 4);
    ck_assert_uint_eq(u32le_load(message.data), *count);
    (*count)++;
}

static void send_count(struct node *n, unsigned *count, unsigned many)
{
    for (unsigned i = 0; i < many; i++) {
        uint8_t bytes[4];

        u32le_store(bytes, (*count)++);
        ck_assert_int_eq(link_send_message(n->link, slice_of(bytes, 4)), OK);
    }
}

/* Each direction rekeys by itself after 65536 records, and nobody notices. */
START_TEST(test_link_rekey)
{
    unsigned from_a = 0, from_b = 0;

    a.on_message = check_count;
    b.on_message = check_count;
    node_connect(&a, &b);
    for (int i = 0; i < 70; i++) {
        send_count(&a, &from_a, 1000);
        send_count(&b, &from_b, 2000);
        WAIT(counted[0] == from_a && counted[1] == from_b);
    }
    ck_assert_uint_eq(from_a, 70000);
    ck_assert_uint_eq(a.downs + b.downs, 0);
}
END_TEST

/* What is said in callbacks, about the link itself too, is done. */
static void echo(struct node *n, struct link *l, struct slice message)
{
    (void)n;
    if (message.size < 200) {
        uint8_t longer[200];

        memcpy(longer, message.data, message.size);
        longer[message.size] = 'x';
        ck_assert_int_eq(
            link_send_message(l, slice_of(longer, message.size + 1)), OK);
    } else {
        link_close(l, FRAME_REASON_DONE);
        ck_assert_int_eq(link_send_message(l, message), ERR_ORDER);
        ck_assert_int_eq(link_send_data(l, 1, message, false), ERR_ORDER);
    }
}

START_TEST(test_link_work_in_callbacks)
{
    a.on_message = echo;
    b.on_message = echo;
    node_connect(&a, &b);
    ck_assert_int_eq(link_send_message(a.link, slice_str("")), OK);
    WAIT(a.downs == 1 && b.downs == 1);
    ck_assert_uint_eq(a.messages + b.messages, 201);
    ck_assert_int_eq(a.status, OK);
    ck_assert_int_eq(b.status, OK);
}
END_TEST

/* --- Ends ---------------------------------------------------------------- */

/* The reason reaches the peer, behind everything that was queued before. */
START_TEST(test_link_close_reasons)
{
    node_connect(&a, &b);
    ck_assert_int_eq(
        link_send_data(a.link, 3, slice_of(block, LINK_DATA_MAX), true), OK);
    ck_assert_int_eq(link_send_message(a.link, slice_str("last")), OK);
    link_close(a.link, (enum frame_reason)_i);
    ck_assert(!link_is_up(a.link));
    ck_assert_uint_eq(a.downs, 0); /* Not inside the call. */
    WAIT(a.downs == 1 && b.downs == 1);
    ck_assert_uint_eq(b.received, LINK_DATA_MAX);
    ck_assert_uint_eq(b.messages, 1);
    ck_assert_int_eq(a.status, OK);
    ck_assert_int_eq(b.status, OK);
    ck_assert_int_eq(a.reason, _i);
    ck_assert_int_eq(b.reason, _i);
    node_stop(&a);
    node_stop(&b);
    ck_assert_uint_eq(a.downs + b.downs, 2);
}
END_TEST

/* The close record is the longest without a body; it goes to another buffer
 * when there is no room for its last bytes. */
START_TEST(test_link_close_where_a_buffer_ends)
{
    /* A MiB is 17 records in the first buffer; what is left takes a message,
     * and from 30 down to no bytes. */
    const size_t left =
        LINK_BUF_SIZE - LINK_DATA_MAX - (size_t)17 * (2 + FRAME_SEALED_MIN);

    node_connect(&a, &b);
    ck_assert_int_eq(
        link_send_data(a.link, 3, slice_of(block, LINK_DATA_MAX), false), OK);
    ck_assert_int_eq(
        link_send_message(a.link, slice_of(block, left - 24 - (size_t)_i)), OK);
    link_close(a.link, FRAME_REASON_BUSY);
    WAIT(a.downs == 1 && b.downs == 1);
    ck_assert_uint_eq(b.received, LINK_DATA_MAX);
    ck_assert_uint_eq(b.messages, 1);
    ck_assert_int_eq(b.status, OK);
    ck_assert_uint_eq(b.reason, FRAME_REASON_BUSY);
}
END_TEST

/* Both may close at once, amid bulk, and neither waits for the other. */
START_TEST(test_link_close_at_once)
{
    a.total = (uint64_t)64 << 20;
    b.total = a.total;
    a.on_up = pump_on_up;
    b.on_up = pump_on_up;
    a.config.limits.close_ms = 1000000;
    b.config.limits.close_ms = 1000000;
    node_connect(&a, &b);
    link_close(a.link, FRAME_REASON_DONE);
    link_close(b.link, FRAME_REASON_BUSY);
    WAIT(a.downs == 1 && b.downs == 1);
    ck_assert_uint_eq(a.reason, FRAME_REASON_DONE);
    ck_assert_uint_eq(b.reason, FRAME_REASON_BUSY);
    node_stop(&a);
    node_stop(&b);
}
END_TEST

/* A connection that ends without a close record is an error. */
START_TEST(test_link_cut)
{
    node_start(&a, "127.0.0.1:0");
    node_start(&b, "127.0.0.1:0");
    proxy_start(b.address);
    (void)node_dial(&a, proxy.address);
    WAIT(a.ups == 1 && b.ups == 1);
    proxy_reset();
    WAIT(a.downs == 1 && b.downs == 1);
    ck_assert_int_eq(a.status, ERR_IO);
    ck_assert_int_eq(b.status, ERR_IO);
}
END_TEST

/* More than the handshake and a hundred records. */
#define KEEPALIVES ((size_t)150 * FRAME_SEALED_MIN)

/* Keep-alive records keep an idle link alive beyond the limit of silence. */
START_TEST(test_link_keepalive)
{
    a.config.limits.idle_ms = 15;
    a.config.limits.silence_ms = 1500;
    b.config.limits = a.config.limits;
    node_start(&a, "127.0.0.1:0");
    node_start(&b, "127.0.0.1:0");
    proxy_start(b.address);
    (void)node_dial(&a, proxy.address);
    WAIT(a.ups == 1 && b.ups == 1);
    WAIT(proxy.seen[TO_TARGET] > KEEPALIVES &&
         proxy.seen[TO_DIALLER] > KEEPALIVES);
    ck_assert_uint_eq(a.downs + b.downs + a.messages + b.messages, 0);
}
END_TEST

/* A peer that says nothing at all is gone. */
START_TEST(test_link_silence)
{
    a.config.limits.silence_ms = 100;
    node_connect(&a, &b);
    WAIT(a.downs == 1 && b.downs == 1);
    ck_assert_int_eq(a.status, ERR_IO);
    ck_assert_int_eq(b.status, ERR_IO);
}
END_TEST

/* A session ends by age; whoever notices first says so. */
START_TEST(test_link_session_age)
{
    a.config.limits.session_ms = 50;
    node_connect(&a, &b);
    WAIT(a.downs == 1 && b.downs == 1);
    ck_assert_int_eq(a.status, OK);
    ck_assert_int_eq(b.status, OK);
    ck_assert_uint_eq(a.reason, FRAME_REASON_LIFETIME);
    ck_assert_uint_eq(b.reason, FRAME_REASON_LIFETIME);
}
END_TEST

/* And by records: all before the limit arrive. */
START_TEST(test_link_session_records)
{
    a.config.limits.session_records = 50;
    node_connect(&a, &b);
    for (int i = 0; i < 50; i++) {
        ck_assert_int_eq(link_send_message(a.link, slice_str("m")), OK);
    }
    ck_assert_int_eq(link_send_message(a.link, slice_str("m")), ERR_ORDER);
    WAIT(a.downs == 1 && b.downs == 1);
    ck_assert_uint_eq(b.messages, 50);
    ck_assert_uint_eq(a.reason, FRAME_REASON_LIFETIME);
    ck_assert_uint_eq(b.reason, FRAME_REASON_LIFETIME);
}
END_TEST

/* A peer that takes no messages loses the link; nothing is dropped. */
START_TEST(test_link_control_queue_full)
{
    struct slice message = slice_of(block, LINK_MESSAGE_MAX);
    unsigned sent = 0;
    int rv = OK;

    b.on_up = pause_on_up;
    node_connect(&a, &b);
    while (rv == OK) {
        size_t queued = link_queued(a.link);

        ck_assert_uint_le(queued, a.config.limits.control_max);
        rv = link_send_message(a.link, message);
        sent += rv == OK ? 1 : 0;
        world_run();
    }
    ck_assert_int_eq(rv, ERR_FULL);
    WAIT(a.downs == 1);
    ck_assert_int_eq(a.status, ERR_FULL);
    ck_assert_uint_eq(a.reason, FRAME_REASON_BUSY);
    ck_assert_uint_eq(b.messages, 0);
    link_read_resume(b.link); /* In time: even the reason arrives. */
    WAIT(b.downs == 1);
    ck_assert_uint_eq(b.messages, sent);
    ck_assert_int_eq(b.status, OK);
    ck_assert_uint_eq(b.reason, FRAME_REASON_BUSY);
}
END_TEST

static void stop_all(struct node *n, struct link *l)
{
    (void)n;
    (void)l;
    if (!a.closed && a.host != NULL) {
        link_host_close(a.host, NULL, NULL);
        a.host = NULL;
    }
}

static int stop_all_on_identity(struct node *n, struct link *l)
{
    stop_all(n, l);
    return OK;
}

/* A host is closed with links in every state, from inside a callback or not,
 * and everything is freed. */
START_TEST(test_link_host_close)
{
    char address[LINK_ADDRESS_SIZE];
    static struct raw strangers[3];
    int listener = raw_listen(address);
    unsigned want;

    node_connect(&a, &b);
    for (int i = 0; i < 3; i++) {
        raw_dial(&strangers[i], a.address, NULL);
        raw_send(&strangers[i], "CRNP", (size_t)i);
        (void)node_dial(&a, b.address);
        (void)node_dial(&b, a.address);
    }
    (void)node_dial(&a, address);
    (void)node_dial(&a, "localhost:1");
    a.total = (uint64_t)64 << 20;
    node_pump(&a);
    if (_i == 0) {
        rounds(3);
        want = a.ups;
        node_stop(&a);
        ck_assert_uint_ge(a.downs, want);
    } else if (_i == 1) {
        a.on_up = stop_all;
        WAIT(a.host == NULL);
    } else if (_i == 2) {
        a.on_identity = stop_all_on_identity;
        WAIT(a.host == NULL);
    } else if (_i == 3) {
        a.on_psk = stop_all;
        WAIT(a.host == NULL);
    } else {
        a.on_down = stop_all;
        link_close(a.link, FRAME_REASON_DONE);
        WAIT(a.host == NULL);
    }
    WAIT(b.downs > 0);
    for (int i = 0; i < 3; i++) {
        raw_close(&strangers[i]);
    }
    strangers[0].fd = listener;
    raw_close(&strangers[0]);
}
END_TEST

/* A dialler cannot have more links than the limit, and gets room again. */
START_TEST(test_link_dialled_max)
{
    struct link *l = NULL;

    a.config.limits.dialled_max = 2;
    node_connect(&a, &b);
    (void)node_dial(&a, b.address);
    ck_assert_int_eq(link_dial(a.host, b.address, secret, NULL, &l), ERR_FULL);
    link_close(a.link, FRAME_REASON_DONE);
    WAIT(link_dial(a.host, b.address, secret, NULL, &l) == OK);
    WAIT(a.ups == 3);
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("link");
    TCase *tc = tcase_create("link");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, world_setup, world_teardown);
    tcase_add_test(tc, test_link_handshake_both_ways);
    tcase_add_test(tc, test_link_addresses);
    tcase_add_test(tc, test_link_no_address);
    tcase_add_test(tc, test_link_dial_fails);
    tcase_add_test(tc, test_link_close_while_dialling);
    tcase_add_test(tc, test_link_new_identity);
    tcase_add_test(tc, test_link_second_psk);
    tcase_add_loop_test(tc, test_link_messages_split_anywhere, 0, 5);
    tcase_add_test(tc, test_link_bulk_both_ways);
    tcase_add_loop_test(tc, test_link_opens_where_there_is_room, 0, 3);
    tcase_add_test(tc, test_link_full_takes_nothing);
    tcase_add_test(tc, test_link_pause_and_resume);
    tcase_add_test(tc, test_link_rekey);
    tcase_add_test(tc, test_link_work_in_callbacks);
    tcase_add_loop_test(tc, test_link_close_reasons, 0, 6);
    tcase_add_loop_test(tc, test_link_close_where_a_buffer_ends, 0, 31);
    tcase_add_test(tc, test_link_close_at_once);
    tcase_add_test(tc, test_link_cut);
    tcase_add_test(tc, test_link_keepalive);
    tcase_add_test(tc, test_link_silence);
    tcase_add_test(tc, test_link_session_age);
    tcase_add_test(tc, test_link_session_records);
    tcase_add_test(tc, test_link_control_queue_full);
    tcase_add_loop_test(tc, test_link_host_close, 0, 5);
    tcase_add_test(tc, test_link_dialled_max);
    suite_add_tcase(s, tc);
    return s;
}
