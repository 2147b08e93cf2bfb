#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "crypto/noise.h"
#include "crypto/primitives.h"

/* One side of a conversation with an independent implementation of Noise:
 *
 *   noise_peer initiator|responder PSK_HEX REKEY_EVERY ROUNDS <in >out
 *
 * Messages travel as u16be length || bytes on standard input and output. After
 * the handshake, whose payloads tell the static keys, each side shows the
 * channel binding, and then the initiator sends and the responder answers
 * ROUNDS records of known content. Exit status 0 when all of it was as
 * expected. noise_flynn/main.go is the other side. */

#define PROLOGUE "cairn interop"

static uint8_t message[NOISE_MESSAGE_MAX], plain[NOISE_PLAIN_MAX];

static void fail(const char *what)
{
    fprintf(stderr, "noise_peer: %s\n", what);
    exit(EXIT_FAILURE);
}

static void check(bool ok, const char *what)
{
    if (!ok) {
        fail(what);
    }
}

static void read_all(uint8_t *out, size_t size)
{
    while (size > 0) {
        ssize_t got = read(STDIN_FILENO, out, size);

        if (got < 0 && errno == EINTR) {
            continue;
        }
        check(got > 0, "the other side is gone");
        out += got;
        size -= (size_t)got;
    }
}

static void write_all(const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        ssize_t put = write(STDOUT_FILENO, bytes, size);

        if (put < 0 && errno == EINTR) {
            continue;
        }
        check(put > 0, "cannot write");
        bytes += put;
        size -= (size_t)put;
    }
}

static void send_message(size_t size)
{
    uint8_t head[2];

    u16be_store(head, (uint16_t)size);
    write_all(head, sizeof(head));
    write_all(message, size);
}

static struct slice receive_message(void)
{
    uint8_t head[2];
    size_t size;

    read_all(head, sizeof(head));
    size = u16be_load(head);
    read_all(message, size);
    return slice_of(message, size);
}

/* Content and size of record |i|; an answer is inverted. */
static struct slice expected(size_t i, bool answer)
{
    static const size_t sizes[] = {0, 1, 15, 16, 17, 1000, NOISE_PLAIN_MAX};
    static uint8_t bytes[NOISE_PLAIN_MAX];
    size_t size = sizes[i % (sizeof(sizes) / sizeof(sizes[0]))];

    for (size_t j = 0; j < size; j++) {
        bytes[j] = (uint8_t)((7 * i + j) ^ (answer ? 0xff : 0));
    }
    return slice_of(bytes, size);
}

static void send_record(struct noise_transport *t, struct slice text)
{
    check(noise_seal(&t->send, text, message) == OK, "cannot seal");
    send_message(text.size + NOISE_TAG_SIZE);
}

static void receive_record(struct noise_transport *t, struct slice want)
{
    struct slice sealed = receive_message();

    check(noise_open(&t->receive, sealed, plain) == OK, "cannot open a record");
    check(slice_equal(slice_of(plain, sealed.size - NOISE_TAG_SIZE), want),
          "a record holds something else");
}

/* Every payload but the first is the writer's static key. */
static void handshake(bool initiator,
                      const uint8_t psk[NOISE_KEY_SIZE],
                      struct noise_transport *t)
{
    struct noise_handshake hs;
    struct noise_keypair s;
    struct rng r;
    struct slice mine;
    uint8_t theirs[NOISE_KEY_SIZE] = {0};
    size_t size;

    rng_init_system(&r);
    noise_keypair_init(&s, &r);
    mine = slice_of(s.pk, sizeof(s.pk));
    noise_handshake_init(&hs, initiator, slice_str(PROLOGUE), &s, psk);
    for (int i = 0; i < NOISE_MESSAGES; i++) {
        if ((i % 2 == 0) == initiator) {
            check(noise_handshake_write(&hs, i == 0 ? slice_str("") : mine, &r,
                                        message, &size) == OK,
                  "cannot write a handshake message");
            send_message(size);
        } else {
            check(noise_handshake_read(&hs, receive_message(), plain, &size) ==
                      OK,
                  "a handshake message is refused");
            check(size == (i == 0 ? 0 : sizeof(theirs)), "payload size");
            memcpy(theirs, plain, size);
        }
    }
    check(noise_handshake_split(&hs, t) == OK, "cannot split");
    check(memcmp(t->remote, theirs, sizeof(theirs)) == 0, "static key");
}

static void converse(bool initiator, struct noise_transport *t, size_t rounds)
{
    if (initiator) {
        send_record(t, digest_slice(&t->binding));
        receive_record(t, digest_slice(&t->binding));
    } else {
        receive_record(t, digest_slice(&t->binding));
        send_record(t, digest_slice(&t->binding));
    }
    for (size_t i = 0; i < rounds; i++) {
        if (initiator) {
            send_record(t, expected(i, false));
            receive_record(t, expected(i, true));
        } else {
            receive_record(t, expected(i, false));
            send_record(t, expected(i, true));
        }
    }
}

static bool psk_read(const char *hex, uint8_t psk[NOISE_KEY_SIZE])
{
    size_t size;

    return sodium_hex2bin(psk, NOISE_KEY_SIZE, hex, strlen(hex), NULL, &size,
                          NULL) == 0 &&
           size == NOISE_KEY_SIZE;
}

int main(int argc, char **argv)
{
    static struct noise_transport t;
    uint8_t psk[NOISE_KEY_SIZE];
    uint64_t every;
    bool initiator;

    if (argc != 5 || !psk_read(argv[2], psk)) {
        fail("usage: initiator|responder PSK_HEX REKEY_EVERY ROUNDS");
    }
    check(primitives_init() == OK, "the libraries do not work here");
    initiator = strcmp(argv[1], "initiator") == 0;
    every = strtoull(argv[3], NULL, 10);
    check(every > 0, "REKEY_EVERY is at least 1");
    handshake(initiator, psk, &t);
    t.send.rekey_every = every;
    t.receive.rekey_every = every;
    converse(initiator, &t, strtoull(argv[4], NULL, 10));
    noise_transport_wipe(&t);
    return EXIT_SUCCESS;
}
