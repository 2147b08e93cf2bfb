#include <sodium.h>

#include "tests/link_world.h"

/* What strangers, wrong peers and liars on the line may do to a link: end it,
 * and nothing else. */

#define STRANGERS 6

static struct raw raw, strangers[STRANGERS];
static struct frame_record rec;

/* --- Strangers ----------------------------------------------------------- */

/* A stranger is not answered: its connection ends, and no byte comes back. */
static void expect_no_word(void)
{
    WAIT(raw_is_closed(&raw));
    ck_assert_uint_eq(raw.got, 0);
    raw_close(&raw);
    ck_assert_uint_eq(a.identities + a.ups + a.downs, 0);
}

/* No preamble: too little, noise, another protocol. */
START_TEST(test_link_garbage_first)
{
    static const char http[] = "GET / HTTP/1.1\r\nHost: steward.example\r\n"
                               "Accept: everything\r\n\r\n";

    a.config.limits.handshake_ms = 30;
    node_start(&a, "127.0.0.1:0");
    for (unsigned size = 0; size < 70; size++) {
        raw_dial(&raw, a.address, NULL);
        raw_send(&raw, block + size, size);
        expect_no_word();
    }
    raw_dial(&raw, a.address, NULL);
    raw_send(&raw, http, sizeof(http) - 1);
    expect_no_word();
    raw_dial(&raw, a.address, NULL);
    raw_send(&raw, block, 100000);
    expect_no_word();
    ck_assert_uint_eq(a.asked, 0);
}
END_TEST

/* Every byte of a preamble counts, and none is answered before mac1 is right:
 * psk id, network, version, mac1. */
START_TEST(test_link_wrong_preamble)
{
    uint8_t hello[RAW_HELLO_SIZE];
    struct noise_handshake hs;

    node_start(&a, "127.0.0.1:0");
    for (size_t i = 0; i < FRAME_PREAMBLE_SIZE; i++) {
        raw_hello(&hs, &b.config.key, secret, hello);
        hello[i] ^= 0x10;
        raw_dial(&raw, a.address, NULL);
        raw_send(&raw, hello, sizeof(hello));
        expect_no_word();
    }
}
END_TEST

/* A network secret that is not ours: nobody answers, and the dialler is told.
 */
START_TEST(test_link_wrong_psk)
{
    uint8_t other[FRAME_PSK_SIZE] = {1};
    struct link *l = NULL;

    node_start(&a, "127.0.0.1:0");
    node_start(&b, "127.0.0.1:0");
    ck_assert_int_eq(link_dial(b.host, a.address, other, &b, &l), OK);
    WAIT(b.downs == 1);
    ck_assert_int_eq(b.status, ERR_IO);
    ck_assert_uint_eq(a.asked, 1);
    ck_assert_uint_eq(a.identities + b.identities + a.ups + b.ups + a.downs, 0);
    a.psks_len = 0; /* And when no secret is accepted at all. */
    (void)node_dial(&b, a.address);
    WAIT(b.downs == 2);
    ck_assert_uint_eq(a.identities + b.identities, 0);
}
END_TEST

/* A preamble that was recorded gets one answer and no further. */
START_TEST(test_link_replayed_hello)
{
    uint8_t hello[RAW_HELLO_SIZE];
    struct noise_handshake hs;

    a.config.limits.handshake_ms = 30;
    node_start(&a, "127.0.0.1:0");
    raw_hello(&hs, &b.config.key, secret, hello);
    for (int i = 0; i < 3; i++) {
        raw_dial(&raw, a.address, NULL);
        raw_send(&raw, hello, sizeof(hello));
        raw_wait(&raw, 2 + NOISE_MSG2_SIZE);
        raw_send(&raw, hello + FRAME_PREAMBLE_SIZE,
                 sizeof(hello) - FRAME_PREAMBLE_SIZE);
        WAIT(raw_is_closed(&raw));
        raw_close(&raw);
    }
    ck_assert_uint_eq(a.identities + a.ups + a.downs, 0);
}
END_TEST

/* A frame that a stranger may not send is refused by its length alone. */
START_TEST(test_link_stranger_frame_sizes)
{
    static const uint16_t bad[] = {0, 1, 21, 4095, 4096, 17234, 65535};
    uint8_t hello[RAW_HELLO_SIZE];
    struct noise_handshake hs;

    node_start(&a, "127.0.0.1:0");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        raw_hello(&hs, &b.config.key, secret, hello);
        u16be_store(hello + FRAME_PREAMBLE_SIZE, bad[i]);
        raw_dial(&raw, a.address, NULL);
        raw_send(&raw, hello, FRAME_PREAMBLE_SIZE + 2);
        expect_no_word();
    }
}
END_TEST

/* A hello that is sound but for |flip| in the last byte of mac1, with
 * |payload| in message 1: all of which needs no secret. */
static void send_hello(uint8_t flip, struct slice payload)
{
    uint8_t hello[RAW_HELLO_SIZE], message[256], psk[NOISE_KEY_SIZE];
    struct noise_handshake hs;
    struct digest prologue;
    size_t size;

    raw_hello(&hs, &b.config.key, secret, hello);
    hello[FRAME_PREAMBLE_SIZE - 1] ^= flip;
    frame_prologue(hello, &prologue);
    memset(psk, 0, sizeof(psk));
    noise_handshake_init(&hs, true, digest_slice(&prologue), &b.config.key,
                         psk);
    ck_assert_int_eq(
        noise_handshake_write(&hs, payload, &rng, message + 2, &size), OK);
    u16be_store(message, (uint16_t)size);
    raw_dial(&raw, a.address, NULL);
    raw_send(&raw, hello, FRAME_PREAMBLE_SIZE);
    raw_send(&raw, message, 2 + size);
}

/* Without the right mac1 not even a sound message 1 is answered. */
START_TEST(test_link_bad_mac1)
{
    node_start(&a, "127.0.0.1:0");
    send_hello(1, slice_str(""));
    expect_no_word();
    send_hello(0, slice_str("")); /* The same with it. */
    raw_wait(&raw, 2 + NOISE_MSG2_SIZE);
    raw_close(&raw);
}
END_TEST

/* A payload in message 1 would be read by anyone who has the psk: refused. */
START_TEST(test_link_message1_payload)
{
    node_start(&a, "127.0.0.1:0");
    send_hello(0, slice_str("early"));
    expect_no_word();
}
END_TEST

/* Who stalls, wherever it stalls, is dropped at the deadline. */
START_TEST(test_link_stalled_handshake)
{
    uint8_t hello[RAW_HELLO_SIZE];
    struct noise_handshake hs;

    a.config.limits.handshake_ms = 25;
    node_start(&a, "127.0.0.1:0");
    for (size_t size = 0; size <= sizeof(hello); size += 7) {
        raw_hello(&hs, &b.config.key, secret, hello);
        raw_dial(&raw, a.address, NULL);
        raw_send(&raw, hello, size);
        WAIT(raw_is_closed(&raw));
        ck_assert_uint_eq(raw.got,
                          size == sizeof(hello)
                              ? 2 + NOISE_MSG2_SIZE + a.config.cert.size
                              : 0);
        raw_close(&raw);
    }
    ck_assert_uint_eq(a.identities + a.ups + a.downs, 0);
}
END_TEST

/* Beyond the limit of unfinished handshakes the newest are refused; members
 * come in again when one ends. */
START_TEST(test_link_half_open_limit)
{
    a.config.limits.half_open_max = 4;
    node_start(&a, "127.0.0.1:0");
    node_start(&b, "127.0.0.1:0");
    for (int i = 0; i < STRANGERS; i++) {
        raw_dial(&strangers[i], a.address, NULL);
        raw_send(&strangers[i], "CRNP", 4);
    }
    WAIT(raw_is_closed(&strangers[4]) && raw_is_closed(&strangers[5]));
    (void)node_dial(&b, a.address);
    WAIT(b.downs == 1);
    for (int i = 0; i < 4; i++) {
        ck_assert(!raw_is_closed(&strangers[i]));
    }
    raw_close(&strangers[2]);
    do {
        unsigned downs = b.downs;

        (void)node_dial(&b, a.address);
        WAIT(b.downs > downs || a.ups == 1);
    } while (a.ups == 0);
    for (int i = 0; i < STRANGERS; i++) {
        if (i != 2) {
            raw_close(&strangers[i]);
        }
    }
}
END_TEST

/* Links that are up are no unfinished handshakes, but they are counted too. */
START_TEST(test_link_inbound_max)
{
    a.config.limits.half_open_max = 1;
    a.config.limits.inbound_max = 3;
    node_start(&a, "127.0.0.1:0");
    node_start(&b, "127.0.0.1:0");
    for (unsigned i = 1; i <= 3; i++) {
        (void)node_dial(&b, a.address);
        WAIT(a.ups == i && b.ups == i);
    }
    (void)node_dial(&b, a.address);
    WAIT(b.downs == 1);
    ck_assert_uint_eq(a.ups, 3);
    link_close(a.link, FRAME_REASON_DONE);
    WAIT(b.downs == 2);
    do {
        unsigned downs = b.downs;

        (void)node_dial(&b, a.address);
        WAIT(b.downs > downs || a.ups == 4);
    } while (a.ups < 4);
}
END_TEST

/* One address that connects too often is refused, others are not, and its
 * tokens come back. */
START_TEST(test_link_token_bucket)
{
    a.config.limits.ip_burst = 3;
    a.config.limits.ip_per_s = 0;
    node_start(&a, "127.0.0.1:0");
    for (int i = 0; i < 5; i++) {
        raw_dial(&strangers[i], a.address, "127.0.0.5:0");
    }
    WAIT(raw_is_closed(&strangers[3]) && raw_is_closed(&strangers[4]));
    for (int i = 0; i < 3; i++) {
        ck_assert(!raw_is_closed(&strangers[i]));
    }
    b.config.limits.ip_burst = 1;
    b.config.limits.ip_per_s = 50;
    node_start(&b, "127.0.0.1:0");
    (void)node_dial(&a, b.address);
    (void)node_dial(&a, b.address);
    WAIT(a.ups == 1 && a.downs == 1);
    do {
        unsigned downs = a.downs;

        (void)node_dial(&a, b.address);
        WAIT(a.downs > downs || a.ups == 2);
    } while (a.ups < 2);
    raw_dial(&strangers[5], a.address, "127.0.0.6:0");
    raw_send(&strangers[5], block, FRAME_PREAMBLE_SIZE);
    WAIT(raw_is_closed(&strangers[5]));
    for (int i = 0; i < STRANGERS; i++) {
        raw_close(&strangers[i]);
    }
}
END_TEST

/* More addresses than buckets: the table does not grow, and serves on. */
START_TEST(test_link_many_addresses)
{
    char from[LINK_ADDRESS_SIZE];

    a.config.limits.ip_burst = 1;
    a.config.limits.ip_per_s = 0;
    node_start(&a, "127.0.0.1:0");
    for (unsigned i = 0; i < 300; i++) {
        (void)snprintf(from, sizeof(from), "127.1.%u.%u:0", i / 200,
                       1 + i % 200);
        raw_dial(&raw, a.address, from);
        raw_send(&raw, block, 1);
        world_run();
        world_run();
        ck_assert(!raw_is_closed(&raw));
        raw_close(&raw);
        world_run();
    }
    raw_dial(&raw, a.address, from);
    expect_no_word();
}
END_TEST

/* --- Wrong identities ---------------------------------------------------- */

/* The responder refuses: nothing comes up there, and the dialler is told why.
 */
START_TEST(test_link_responder_refuses)
{
    a.identity = ERR_DENIED;
    node_start(&a, "127.0.0.1:0");
    node_start(&b, "127.0.0.1:0");
    (void)node_dial(&b, a.address);
    WAIT(b.downs == 1);
    ck_assert_int_eq(b.status, OK);
    ck_assert_uint_eq(b.reason, FRAME_REASON_CERTIFICATE);
    ck_assert_uint_eq(a.identities, 1);
    node_stop(&a);
    ck_assert_uint_eq(a.ups + a.downs, 0);
}
END_TEST

/* What a refused dialler had said in the same breath is never looked at. */
START_TEST(test_link_refused_is_not_heard)
{
    a.identity = ERR_DENIED;
    node_start(&a, "127.0.0.1:0");
    raw_handshake(&raw, a.address);
    raw_seal(&raw, "\1\0\0\0\0\0hello", 11);
    raw_record(&raw, &rec);
    ck_assert_int_eq(rec.type, FRAME_CLOSE);
    ck_assert_uint_eq(rec.reason, FRAME_REASON_CERTIFICATE);
    raw_close(&raw);
    node_stop(&a);
    ck_assert_uint_eq(a.messages + a.ups + a.downs, 0);
}
END_TEST

/* The dialler refuses: it goes without a word, and the responder learns neither
 * its key nor its certificate. */
START_TEST(test_link_dialler_refuses)
{
    char address[LINK_ADDRESS_SIZE];
    struct noise_handshake hs;
    struct raw listener = {.fd = raw_listen(address)};

    a.identity = ERR_DENIED;
    node_start(&a, "127.0.0.1:0");
    (void)node_dial(&a, address);
    raw_accept(&raw, listener.fd);
    raw_answer(&raw, &hs, &b.config.key, slice_str("impostor"));
    WAIT(raw_is_closed(&raw));
    ck_assert_uint_eq(raw.got, 0);
    WAIT(a.downs == 1);
    ck_assert_int_eq(a.status, ERR_DENIED);
    ck_assert_bytes_eq(a.cert, "impostor", a.cert_size);
    ck_assert_uint_eq(a.ups, 0);
    raw_close(&raw);
    raw_close(&listener);
}
END_TEST

/* A responder without the network's secret cannot read what the dialler says
 * of itself, nor go on. */
START_TEST(test_link_responder_without_psk)
{
    char address[LINK_ADDRESS_SIZE];
    uint8_t payload[FRAME_HANDSHAKE_MAX];
    struct noise_handshake hs;
    struct raw listener = {.fd = raw_listen(address)};
    size_t size;

    node_start(&a, "127.0.0.1:0");
    (void)node_dial(&a, address);
    raw_accept(&raw, listener.fd);
    raw_answer(&raw, &hs, &b.config.key, slice_str("impostor"));
    memset(hs.psk, 0, sizeof(hs.psk)); /* It needed none so far. */
    WAIT(a.ups == 1);
    raw_wait(&raw, 2 + NOISE_MSG3_SIZE + a.config.cert.size);
    ck_assert_int_eq(noise_handshake_read(&hs,
                                          slice_of(raw.in + 2, raw.got - 2),
                                          payload, &size),
                     ERR_AUTH);
    raw_send(&raw, block, 60000);
    WAIT(a.downs == 1);
    ck_assert(a.status == ERR_AUTH || a.status == ERR_BAD);
    raw_close(&raw);
    raw_close(&listener);
}
END_TEST

/* Whatever a peer answers to the first bytes, the dialler is told once: its own
 * bytes, garbage, an empty message, the end. */
START_TEST(test_link_wrong_answers)
{
    char address[LINK_ADDRESS_SIZE];
    struct raw listener = {.fd = raw_listen(address)};

    node_start(&a, "127.0.0.1:0");
    for (unsigned i = 0; i < 6; i++) {
        (void)node_dial(&a, address);
        raw_accept(&raw, listener.fd);
        raw_wait(&raw, RAW_HELLO_SIZE);
        switch (i) {
        case 0:
            raw_send(&raw, raw.in, raw.got);
            break;
        case 1:
            raw_send(&raw, raw.in + FRAME_PREAMBLE_SIZE,
                     raw.got - FRAME_PREAMBLE_SIZE);
            break;
        case 2:
            raw_send(&raw, block, 5000);
            break;
        case 3:
            raw_send(&raw, "\0\0", 2);
            break;
        case 4: /* A frame of a good size. */
            raw.in[0] = 0;
            raw.in[1] = NOISE_MSG2_SIZE;
            raw_send(&raw, raw.in, 2 + NOISE_MSG2_SIZE);
            break;
        case 5:
            raw_send(&raw, block, 1);
            break;
        }
        if (i == 5) {
            raw_close(&raw);
        }
        WAIT(a.downs == i + 1);
        ck_assert_int_ne(a.status, OK);
        if (i < 5) {
            raw_close(&raw);
        }
    }
    ck_assert_uint_eq(a.identities + a.ups, 0);
    raw_close(&listener);
}
END_TEST

/* A node that dials itself notices on both ends. */
START_TEST(test_link_to_itself)
{
    node_start(&a, "127.0.0.1:0");
    (void)node_dial(&a, a.address);
    WAIT(a.downs == 1);
    ck_assert_int_eq(a.status, ERR_DENIED);
    b.config.key = a.config.key; /* The responder alone knows the key. */
    node_start(&b, "127.0.0.1:0");
    proxy_start(b.address);
    (void)node_dial(&a, proxy.address);
    WAIT(a.downs == 2);
    ck_assert_uint_eq(a.identities + b.identities + a.ups + b.ups, 0);
}
END_TEST

/* A responder refuses a dialler that has its own key, which only a liar or a
 * lost key can. */
START_TEST(test_link_own_key_inbound)
{
    uint8_t hello[RAW_HELLO_SIZE], out[FRAME_HANDSHAKE_MAX];
    struct noise_handshake hs;
    size_t size;

    node_start(&a, "127.0.0.1:0");
    raw_hello(&hs, &a.config.key, secret, hello);
    raw_dial(&raw, a.address, NULL);
    raw_send(&raw, hello, sizeof(hello));
    raw_wait(&raw, 2 + NOISE_MSG2_SIZE + a.config.cert.size);
    ck_assert_int_eq(noise_handshake_read(
                         &hs, slice_of(raw.in + 2, raw.got - 2), out, &size),
                     OK);
    raw_take(&raw, raw.got);
    ck_assert_int_eq(
        noise_handshake_write(&hs, slice_str("me"), &rng, out + 2, &size), OK);
    u16be_store(out, (uint16_t)size);
    raw_send(&raw, out, 2 + size);
    ck_assert_int_eq(noise_handshake_split(&hs, &raw.t), OK);
    raw_record(&raw, &rec);
    ck_assert_int_eq(rec.type, FRAME_CLOSE);
    ck_assert_uint_eq(a.identities + a.ups + a.downs, 0);
    raw_close(&raw);
}
END_TEST

/* --- On the line --------------------------------------------------------- */

/* One flipped bit anywhere in the handshake: the responder never comes up, and
 * the dialler is told once. */
START_TEST(test_link_flipped_handshake)
{
    const uint64_t sizes[2] = {RAW_HELLO_SIZE + 2 + NOISE_MSG3_SIZE +
                                   b.config.cert.size,
                               2 + NOISE_MSG2_SIZE + a.config.cert.size};
    unsigned dials = 0;

    a.config.limits.handshake_ms = 60;
    b.config.limits.handshake_ms = 60;
    node_start(&a, "127.0.0.1:0");
    node_start(&b, "127.0.0.1:0");
    proxy_start(a.address);
    for (int way = 0; way < 2; way++) {
        for (uint64_t at = 0; at < sizes[way]; at++) {
            proxy_reset();
            proxy.flip_at[way] = at;
            proxy.flip = (uint8_t)BIT(rng_below(&rng, 8));
            (void)node_dial(&b, proxy.address);
            dials++;
            WAIT(b.downs == dials);
            ck_assert_int_ne(b.status, OK);
        }
    }
    ck_assert_uint_eq(a.ups + a.downs + a.identities, 0);
}
END_TEST

/* Cut off at any byte of the handshake. */
START_TEST(test_link_truncated_handshake)
{
    const uint64_t sizes[2] = {RAW_HELLO_SIZE + 2 + NOISE_MSG3_SIZE +
                                   b.config.cert.size,
                               2 + NOISE_MSG2_SIZE + a.config.cert.size};
    unsigned dials = 0;

    node_start(&a, "127.0.0.1:0");
    node_start(&b, "127.0.0.1:0");
    proxy_start(a.address);
    for (int way = 0; way < 2; way++) {
        for (uint64_t at = 0; at < sizes[way]; at += 3) {
            proxy_reset();
            proxy.cut_at[way] = at;
            (void)node_dial(&b, proxy.address);
            dials++;
            WAIT(b.downs == dials);
            ck_assert_int_ne(b.status, OK);
        }
    }
    ck_assert_uint_eq(a.ups + a.downs + a.identities, 0);
}
END_TEST

static void first_message(struct node *n, struct link *l, struct slice message)
{
    (void)l;
    if (n->messages == 1) {
        ck_assert_uint_eq(message.size, 10);
    }
}

/* One flipped bit in a record: it and what follows is not delivered, what came
 * before was. */
START_TEST(test_link_flipped_record)
{
    const uint64_t from =
        RAW_HELLO_SIZE + 2 + NOISE_MSG3_SIZE + b.config.cert.size + 34;

    a.on_message = first_message;
    node_start(&a, "127.0.0.1:0");
    node_start(&b, "127.0.0.1:0");
    proxy_start(a.address);
    for (unsigned i = 0; i < 64; i++) {
        a.messages = 0;
        a.ups = 0;
        a.downs = 0;
        b.downs = 0;
        proxy_reset();
        proxy.flip_at[TO_TARGET] = from + i;
        proxy.flip = (uint8_t)BIT(rng_below(&rng, 8));
        (void)node_dial(&b, proxy.address);
        WAIT(a.ups == 1);
        ck_assert_int_eq(link_send_message(b.link, slice_of(block, 10)), OK);
        ck_assert_int_eq(link_send_message(b.link, slice_of(block, 40)), OK);
        ck_assert_int_eq(link_send_message(b.link, slice_of(block, 65000)), OK);
        WAIT(a.downs == 1 && b.downs == 1);
        ck_assert_uint_eq(a.messages, 1);
        ck_assert(a.status == ERR_AUTH || a.status == ERR_BAD);
        ck_assert_uint_eq(a.reason, FRAME_REASON_PROTOCOL);
    }
}
END_TEST

/* --- Members that break the rules ---------------------------------------- */

/* What a link answers to a record that it does not like. */
static void expect_protocol(unsigned messages)
{
    do {
        raw_record(&raw, &rec);
    } while (rec.type == FRAME_KEEPALIVE);
    ck_assert_int_eq(rec.type, FRAME_CLOSE);
    ck_assert_uint_eq(rec.reason, FRAME_REASON_PROTOCOL);
    WAIT(a.downs == a.ups);
    ck_assert_int_ne(a.status, OK);
    ck_assert_uint_eq(a.messages, messages);
    raw_close(&raw);
}

struct bad_record {
    size_t size;
    const char *plain;
};

static const struct bad_record bad_records[] = {
    {6, "\0\0\0\0\0\0"},       /* No type. */
    {6, "\6\0\0\0\0\0"},       /* Nor this. */
    {6, "\377\0\0\0\0\0"},     /* Nor this. */
    {7, "\1\2\0\0\0\0x"},      /* An unknown flag. */
    {7, "\1\200\0\0\0\0x"},    /* And another. */
    {6, "\1\1\0\0\0\0"},       /* More of nothing. */
    {7, "\1\0\5\0\0\0x"},      /* Control on a stream. */
    {7, "\2\0\0\0\0\0x"},      /* Data on none. */
    {6, "\3\0\0\0\0\0"},       /* The end of none. */
    {7, "\3\0\5\0\0\0x"},      /* An end with a body. */
    {6, "\4\0\1\0\0\0"},       /* A keep-alive on a stream. */
    {7, "\4\0\0\0\0\0x"},      /* And one with a body. */
    {6, "\5\0\0\0\0\0"},       /* A close without a reason. */
    {9, "\5\0\0\0\0\0\0\0\0"}, /* And with more. */
    {6, "\2\1\5\0\0\0"},       /* More of no data. */
};
#define BAD_RECORDS (sizeof(bad_records) / sizeof(bad_records[0]))

START_TEST(test_link_bad_records)
{
    const struct bad_record *bad = &bad_records[_i];

    node_start(&a, "127.0.0.1:0");
    raw_handshake(&raw, a.address);
    raw_seal(&raw, "\4\0\0\0\0\0", 6);
    raw_seal(&raw, "\1\0\0\0\0\0fine", 10);
    raw_seal(&raw, bad->plain, bad->size);
    raw_seal(&raw, "\1\0\0\0\0\0late", 10);
    expect_protocol(1);
    ck_assert_uint_eq(a.received + a.ends, 0);
}
END_TEST

/* Frames of impossible length, and bytes that are no records. */
START_TEST(test_link_bad_frames)
{
    node_start(&a, "127.0.0.1:0");
    for (unsigned i = 0; i < 40; i++) {
        uint8_t frame[70000];

        raw_handshake(&raw, a.address);
        rng_bytes(&rng, frame, sizeof(frame));
        if (i < 22) {
            u16be_store(frame, (uint16_t)i);
        }
        raw_send(&raw, frame, i < 22 ? 2 : sizeof(frame));
        expect_protocol(0);
    }
}
END_TEST

/* A record that was sent before, and one of ours sent back, do not open. */
START_TEST(test_link_replay_and_reflection)
{
    uint8_t frame[64];
    size_t size = 0;
    static const uint8_t hello[] = "\1\0\0\0\0\0hello";

    node_start(&a, "127.0.0.1:0");
    raw_handshake(&raw, a.address);
    ck_assert_int_eq(noise_seal(&raw.t.send, slice_of(hello, 11), frame + 2),
                     OK);
    u16be_store(frame, 11 + NOISE_TAG_SIZE);
    size = 2 + 11 + NOISE_TAG_SIZE;
    raw_send(&raw, frame, size);
    raw_send(&raw, frame, size);
    expect_protocol(1);

    a.messages = 0;
    raw_handshake(&raw, a.address);
    WAIT(a.ups == 2);
    ck_assert_int_eq(link_send_message(a.link, slice_str("hello")), OK);
    raw_wait(&raw, size);
    memcpy(frame, raw.in, size);
    raw_record(&raw, &rec);
    ck_assert_int_eq(rec.type, FRAME_CONTROL);
    raw_send(&raw, frame, size);
    expect_protocol(0);
}
END_TEST

/* Where a record that does not open would have gone, there are zeros, and not a
 * byte of what its sender made up; beyond is nothing. */
static uint8_t room[6000];

static uint8_t *room_offer(void *arg, struct link *l, size_t size)
{
    (void)arg;
    (void)l;
    ck_assert_uint_eq(size, 5000);
    return room;
}

START_TEST(test_link_room_gets_nothing_false)
{
    static uint8_t frame[FRAME_LENGTH_SIZE + FRAME_SEALED_MIN + 5000];
    struct frame_record data = {.type = FRAME_DATA, .stream = 5};
    size_t size;

    a.config.calls.on_room = room_offer;
    node_start(&a, "127.0.0.1:0");
    raw_handshake(&raw, a.address);
    data.body = slice_of(block, 5000);
    ck_assert_int_eq(frame_seal(&raw.t.send, &data, frame, &size), OK);
    ck_assert_uint_eq(size, sizeof(frame));
    frame[4000] ^= 1;
    memset(room, 0xee, sizeof(room));
    raw_send(&raw, frame, size);
    expect_protocol(0);
    ck_assert_uint_eq(a.received, 0);
    ck_assert_int_eq(a.status, ERR_AUTH);
    ck_assert_int_eq(sodium_is_zero(room, 5000), 1);
    for (size_t i = 5000; i < sizeof(room); i++) {
        ck_assert_uint_eq(room[i], 0xee);
    }
}
END_TEST

/* Send a control record of |size| bytes of |block| from |at|. */
static void raw_part(size_t at, size_t size, bool more)
{
    static uint8_t plain[NOISE_PLAIN_MAX];

    memset(plain, 0, FRAME_HEADER_SIZE);
    plain[0] = FRAME_CONTROL;
    plain[1] = more ? 1 : 0;
    memcpy(plain + FRAME_HEADER_SIZE, block + at, size);
    raw_seal(&raw, plain, FRAME_HEADER_SIZE + size);
}

/* A message may come in parts, with other records between them, and is
 * delivered whole; the largest is LINK_MESSAGE_MAX in all. */
START_TEST(test_link_message_in_parts)
{
    node_start(&a, "127.0.0.1:0");
    raw_handshake(&raw, a.address);
    raw_part(0, 1, true);
    raw_part(1, 999, true);
    raw_seal(&raw, "\4\0\0\0\0\0", 6);
    raw_seal(&raw, "\2\0\1\0\0\0data", 10);
    raw_part(1000, LINK_MESSAGE_MAX - 1000, false);
    WAIT(a.messages == 1);
    ck_assert_uint_eq(a.last_size, LINK_MESSAGE_MAX);
    ck_assert_bytes_eq(a.last, block, LINK_MESSAGE_MAX);
    ck_assert_uint_eq(a.received, 4);
    raw_part(5, 10, true); /* A second one starts anew. */
    raw_part(0, 0, false);
    raw_part(0, 0, false);
    WAIT(a.messages == 3);
    ck_assert_uint_eq(a.last_size, 0);
    raw_part(0, 60000, true);
    raw_part(0, 5001, _i == 0);
    expect_protocol(3);
}
END_TEST

/* In one record no more than in parts. */
START_TEST(test_link_message_too_large)
{
    node_start(&a, "127.0.0.1:0");
    raw_handshake(&raw, a.address);
    raw_part(0, LINK_MESSAGE_MAX, false);
    raw_part(0, LINK_MESSAGE_MAX + 1, false);
    expect_protocol(1);
}
END_TEST

/* The owner's refusal of a message or of data closes the link. */
START_TEST(test_link_owner_refuses)
{
    a.answer = ERR_NOTFOUND;
    node_start(&a, "127.0.0.1:0");
    raw_handshake(&raw, a.address);
    if (_i == 0) {
        raw_seal(&raw, "\2\0\5\0\0\0for no stream", 19);
    } else if (_i == 1) {
        raw_seal(&raw, "\3\0\5\0\0\0", 6);
    } else {
        raw_seal(&raw, "\1\0\0\0\0\0no message", 16);
    }
    raw_seal(&raw, "\1\0\0\0\0\0late", 10);
    expect_protocol(_i == 2 ? 1 : 0);
    ck_assert_int_eq(a.status, ERR_NOTFOUND);
}
END_TEST

/* Any reason of a close is as good as another. */
START_TEST(test_link_unknown_reason)
{
    node_start(&a, "127.0.0.1:0");
    raw_handshake(&raw, a.address);
    raw_seal(&raw, "\5\0\0\0\0\0\376\312", 8);
    raw_seal(&raw, "\1\0\0\0\0\0late", 10);
    WAIT(a.downs == 1);
    ck_assert_int_eq(a.status, OK);
    ck_assert_uint_eq(a.reason, 0xcafe);
    ck_assert_uint_eq(a.messages, 0);
    raw_close(&raw);
}
END_TEST

/* A peer that takes our last bytes but never hangs up is left behind. */
START_TEST(test_link_lingering_ends)
{
    node_start(&a, "127.0.0.1:0");
    raw_handshake(&raw, a.address);
    WAIT(a.ups == 1);
    link_close(a.link, FRAME_REASON_DONE);
    raw_record(&raw, &rec);
    ck_assert_int_eq(rec.type, FRAME_CLOSE);
    raw_send(&raw, block, sizeof(block) / 2); /* Read by nobody. */
    WAIT(a.downs == 1);
    node_stop(&a);
    raw_close(&raw);
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("link_hostile");
    TCase *tc = tcase_create("link_hostile");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, world_setup, world_teardown);
    tcase_add_test(tc, test_link_garbage_first);
    tcase_add_test(tc, test_link_wrong_preamble);
    tcase_add_test(tc, test_link_wrong_psk);
    tcase_add_test(tc, test_link_replayed_hello);
    tcase_add_test(tc, test_link_stranger_frame_sizes);
    tcase_add_test(tc, test_link_bad_mac1);
    tcase_add_test(tc, test_link_message1_payload);
    tcase_add_test(tc, test_link_stalled_handshake);
    tcase_add_test(tc, test_link_half_open_limit);
    tcase_add_test(tc, test_link_inbound_max);
    tcase_add_test(tc, test_link_token_bucket);
    tcase_add_test(tc, test_link_many_addresses);
    tcase_add_test(tc, test_link_responder_refuses);
    tcase_add_test(tc, test_link_refused_is_not_heard);
    tcase_add_test(tc, test_link_dialler_refuses);
    tcase_add_test(tc, test_link_responder_without_psk);
    tcase_add_test(tc, test_link_wrong_answers);
    tcase_add_test(tc, test_link_to_itself);
    tcase_add_test(tc, test_link_own_key_inbound);
    tcase_add_test(tc, test_link_flipped_handshake);
    tcase_add_test(tc, test_link_truncated_handshake);
    tcase_add_test(tc, test_link_flipped_record);
    tcase_add_loop_test(tc, test_link_bad_records, 0, BAD_RECORDS);
    tcase_add_test(tc, test_link_bad_frames);
    tcase_add_test(tc, test_link_replay_and_reflection);
    tcase_add_test(tc, test_link_room_gets_nothing_false);
    tcase_add_loop_test(tc, test_link_message_in_parts, 0, 2);
    tcase_add_test(tc, test_link_message_too_large);
    tcase_add_loop_test(tc, test_link_owner_refuses, 0, 3);
    tcase_add_test(tc, test_link_unknown_reason);
    tcase_add_test(tc, test_link_lingering_ends);
    suite_add_tcase(s, tc);
    return s;
}
