#include <sodium.h>

#include "crypto/hash.h"
#include "crypto/noise.h"
#include "tests/suite.h"

#define PAYLOAD_MAX 256
#define MESSAGE_MAX (NOISE_MSG2_SIZE + PAYLOAD_MAX)

/* Two sides of one handshake; side 0 begins it. */
static struct rng rng;
static struct noise_keypair statics[2];
static struct noise_handshake hs[2];
static struct noise_transport t[2];
static uint8_t psk[NOISE_KEY_SIZE];
static uint8_t message[MESSAGE_MAX], payload[MESSAGE_MAX];
static size_t message_size, payload_size;
static bool split;

static const size_t fixed_size[NOISE_MESSAGES] = {
    NOISE_MSG1_SIZE, NOISE_MSG2_SIZE, NOISE_MSG3_SIZE};

static const char *payloads[NOISE_MESSAGES] = {
    "", "the responder's certificate", "the initiator's certificate"};

static void start_side(int side, const char *prologue, const uint8_t *with)
{
    noise_handshake_init(&hs[side], side == 0, slice_str(prologue),
                         &statics[side], with);
}

static void start(void)
{
    start_side(0, "prologue", psk);
    start_side(1, "prologue", psk);
}

static void setup(void)
{
    static const uint8_t seed[RNG_SEED_SIZE] = {7};

    rng_init_seed(&rng, seed);
    noise_keypair_init(&statics[0], &rng);
    noise_keypair_init(&statics[1], &rng);
    rng_bytes(&rng, psk, sizeof(psk));
    split = false;
    start();
}

static void teardown(void)
{
    if (split) {
        noise_transport_wipe(&t[0]);
        noise_transport_wipe(&t[1]);
    }
}

/* Handshake message |i| leaves its writer. */
static void write_message(size_t i)
{
    ck_assert_int_eq(noise_handshake_write(&hs[i % 2], slice_str(payloads[i]),
                                           &rng, message, &message_size),
                     OK);
    ck_assert_uint_eq(message_size, fixed_size[i] + strlen(payloads[i]));
}

static int read_message(size_t i)
{
    return noise_handshake_read(&hs[(i + 1) % 2],
                                slice_of(message, message_size), payload,
                                &payload_size);
}

static void pass_message(size_t i)
{
    write_message(i);
    ck_assert_int_eq(read_message(i), OK);
    ck_assert(
        slice_equal(slice_of(payload, payload_size), slice_str(payloads[i])));
}

/* Run until message |i| has been written but not read. */
static void run_up_to(size_t i)
{
    start();
    for (size_t j = 0; j < i; j++) {
        pass_message(j);
    }
    write_message(i);
}

static void complete(void)
{
    start();
    for (size_t i = 0; i < NOISE_MESSAGES; i++) {
        pass_message(i);
    }
    ck_assert_int_eq(noise_handshake_split(&hs[0], &t[0]), OK);
    ck_assert_int_eq(noise_handshake_split(&hs[1], &t[1]), OK);
    split = true;
}

static bool holds_no_secret(const struct noise_handshake *h)
{
    uint8_t bytes[sizeof(*h)];

    memcpy(bytes, h, sizeof(bytes));
    bytes[offsetof(struct noise_handshake, messages)] = 0;
    return sodium_is_zero(bytes, sizeof(bytes)) != 0;
}

/* A dead handshake is wiped and answers nothing any more. */
static void check_dead(int side)
{
    size_t size = 0;

    ck_assert(holds_no_secret(&hs[side]));
    ck_assert_int_eq(noise_handshake_read(&hs[side],
                                          slice_of(message, message_size),
                                          payload, &size),
                     ERR_ORDER);
    ck_assert_int_eq(
        noise_handshake_write(&hs[side], slice_str(""), &rng, message, &size),
        ERR_ORDER);
    ck_assert_int_eq(noise_handshake_split(&hs[side], &t[side]), ERR_ORDER);
    ck_assert_uint_eq(size, 0);
}

/* One sealed message from one side to the other. */
static int carry(int from, const char *text)
{
    uint8_t sealed[PAYLOAD_MAX + NOISE_TAG_SIZE], opened[PAYLOAD_MAX];
    size_t size = strlen(text);
    int rv;

    ck_assert_int_eq(noise_seal(&t[from].send, slice_str(text), sealed), OK);
    rv = noise_open(&t[1 - from].receive,
                    slice_of(sealed, size + NOISE_TAG_SIZE), opened);
    if (rv == OK) {
        ck_assert(slice_equal(slice_of(opened, size), slice_str(text)));
    }
    return rv;
}

/* Both sides end with each other's static key, one binding and two ciphers
 * that fit. */
START_TEST(test_noise_both_sides_agree)
{
    complete();
    ck_assert_bytes_eq(t[0].remote, statics[1].pk, NOISE_KEY_SIZE);
    ck_assert_bytes_eq(t[1].remote, statics[0].pk, NOISE_KEY_SIZE);
    ck_assert(digest_equal(&t[0].binding, &t[1].binding));
    ck_assert_mem_ne(t[0].send.k, t[0].receive.k, AEAD_KEY_SIZE);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(carry(0, "there"), OK);
        ck_assert_int_eq(carry(1, "and back"), OK);
        ck_assert_int_eq(carry(1, ""), OK);
    }
    ck_assert_uint_eq(t[0].send.nonce, 3);
    ck_assert_uint_eq(t[0].receive.nonce, 6);
}
END_TEST

static void digest_of_two(struct digest *out, struct slice a, struct slice b)
{
    struct sha256 s;

    sha256_init(&s);
    sha256_update(&s, a);
    sha256_update(&s, b);
    sha256_peek(&s, out);
    sha256_close(&s);
}

/* HKDF of two outputs, from HMAC alone, as section 4.3 writes it. */
static void hkdf_by_hand(const uint8_t ck[DIGEST_SIZE],
                         struct slice ikm,
                         uint8_t out1[DIGEST_SIZE],
                         uint8_t out2[DIGEST_SIZE])
{
    uint8_t temp[HMAC256_SIZE], more[DIGEST_SIZE + 1];

    hmac256(slice_of(ck, DIGEST_SIZE), ikm, temp);
    hmac256(slice_of(temp, sizeof(temp)), slice_of("\x01", 1), out1);
    memcpy(more, out1, DIGEST_SIZE);
    more[DIGEST_SIZE] = 2;
    hmac256(slice_of(temp, sizeof(temp)), slice_of(more, sizeof(more)), out2);
}

static void seal_by_hand(const uint8_t k[AEAD_KEY_SIZE],
                         uint64_t nonce,
                         struct slice ad,
                         struct slice plain,
                         uint8_t *out)
{
    struct aead_key key;
    uint8_t n[AEAD_NONCE_SIZE] = {0};

    for (int i = 11; i >= 4; i--) {
        n[i] = (uint8_t)nonce;
        nonce >>= 8;
    }
    aead_key_init(&key, k);
    aead_seal(&key, n, ad, plain, out, out + plain.size);
    aead_key_wipe(&key);
}

/* The name has exactly 32 bytes, so it is the first hash as it stands, and e
 * is mixed into the key before the first payload. */
START_TEST(test_noise_first_message_by_hand)
{
    static const char name[] = "Noise_XXpsk3_25519_AESGCM_SHA256";
    struct digest h;
    uint8_t ck[DIGEST_SIZE], k[AEAD_KEY_SIZE], want[NOISE_MSG1_SIZE + 3];

    ck_assert_uint_eq(strlen(name), DIGEST_SIZE);
    ck_assert_int_eq(noise_handshake_write(&hs[0], slice_str("abc"), &rng,
                                           message, &message_size),
                     OK);
    digest_of_two(&h, slice_str(name), slice_str("prologue"));
    digest_of_two(&h, digest_slice(&h), slice_of(message, NOISE_KEY_SIZE));
    hkdf_by_hand((const uint8_t *)name, slice_of(message, NOISE_KEY_SIZE), ck,
                 k);
    memcpy(want, message, NOISE_KEY_SIZE);
    seal_by_hand(k, 0, digest_slice(&h), slice_str("abc"),
                 want + NOISE_KEY_SIZE);
    ck_assert_uint_eq(message_size, sizeof(want));
    ck_assert_bytes_eq(message, want, sizeof(want));
}
END_TEST

/* The keys of the transport come from HKDF without input; the initiator's
 * sending key is the first. */
START_TEST(test_noise_split_by_hand)
{
    uint8_t ck[DIGEST_SIZE], k1[DIGEST_SIZE], k2[DIGEST_SIZE];

    for (size_t i = 0; i < NOISE_MESSAGES; i++) {
        pass_message(i);
    }
    memcpy(ck, hs[0].ck, sizeof(ck));
    hkdf_by_hand(ck, slice_str(""), k1, k2);
    ck_assert_int_eq(noise_handshake_split(&hs[0], &t[0]), OK);
    ck_assert_int_eq(noise_handshake_split(&hs[1], &t[1]), OK);
    split = true;
    ck_assert_bytes_eq(t[0].send.k, k1, AEAD_KEY_SIZE);
    ck_assert_bytes_eq(t[0].receive.k, k2, AEAD_KEY_SIZE);
    ck_assert_bytes_eq(t[1].send.k, k2, AEAD_KEY_SIZE);
    ck_assert_bytes_eq(t[1].receive.k, k1, AEAD_KEY_SIZE);
}
END_TEST

/* Whoever lacks the pre-shared key is found out at message 3, and learns
 * nothing from it. */
START_TEST(test_noise_wrong_psk)
{
    static const uint8_t zero[NOISE_KEY_SIZE];
    uint8_t other[NOISE_KEY_SIZE];

    for (size_t bit = 0; bit < 8 * sizeof(other); bit += 51) {
        memcpy(other, psk, sizeof(other));
        other[bit / 8] ^= (uint8_t)BIT(bit % 8);
        start_side(0, "prologue", psk);
        start_side(1, "prologue", other);
        pass_message(0);
        pass_message(1);
        write_message(2);
        ck_assert_int_eq(read_message(2), ERR_AUTH);
        check_dead(1);
    }
    start_side(0, "prologue", zero);
    start_side(1, "prologue", psk);
    pass_message(0);
    pass_message(1);
    write_message(2);
    ck_assert_int_eq(read_message(2), ERR_AUTH);
}
END_TEST

/* A byte changed, missing or added in what both hold to be the prologue is
 * noticed at the first tag. */
START_TEST(test_noise_wrong_prologue)
{
    static const char *const others[] = {"prologuf", "prologu", "prologuee",
                                         "qrologue", ""};

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        start_side(0, "prologue", psk);
        start_side(1, others[i], psk);
        write_message(0);
        ck_assert_int_eq(read_message(0), ERR_AUTH);
        check_dead(1);
    }
}
END_TEST

/* A call out of turn is refused and changes nothing. */
START_TEST(test_noise_out_of_turn)
{
    for (size_t i = 0; i < NOISE_MESSAGES; i++) {
        size_t size = 0;
        struct noise_handshake *reader = &hs[(i + 1) % 2];

        ck_assert_int_eq(
            noise_handshake_write(reader, slice_str(""), &rng, message, &size),
            ERR_ORDER);
        ck_assert_int_eq(noise_handshake_split(reader, &t[0]), ERR_ORDER);
        ck_assert_int_eq(noise_handshake_read(&hs[i % 2],
                                              slice_of(message, MESSAGE_MAX),
                                              payload, &size),
                         ERR_ORDER);
        ck_assert_uint_eq(size, 0);
        pass_message(i);
    }
    ck_assert_int_eq(read_message(0), ERR_ORDER);
    ck_assert_int_eq(read_message(1), ERR_ORDER);
    ck_assert_int_eq(noise_handshake_split(&hs[0], &t[0]), OK);
    ck_assert_int_eq(noise_handshake_split(&hs[1], &t[1]), OK);
    split = true;
    ck_assert_int_eq(carry(0, "still good"), OK);
    check_dead(0);
    check_dead(1);
}
END_TEST

/* The reader of message |i| refuses what stands in |message|, says nothing of
 * the payload, and is dead. */
static void check_refused(size_t i, int want)
{
    static const uint8_t zeros[sizeof(payload)];
    int reader = (int)(i + 1) % 2;

    memset(payload, 0, sizeof(payload));
    payload_size = SIZE_MAX;
    ck_assert_int_eq(read_message(i), want);
    ck_assert_uint_eq(payload_size, SIZE_MAX);
    ck_assert_bytes_eq(payload, zeros, sizeof(zeros));
    check_dead(reader);
}

/* A handshake message cut at any byte is refused. */
START_TEST(test_noise_truncated_anywhere)
{
    size_t i = (size_t)_i;
    size_t whole = fixed_size[i] + strlen(payloads[i]);

    for (size_t size = 0; size < whole; size++) {
        run_up_to(i);
        message_size = size;
        check_refused(i, size < fixed_size[i] ? ERR_BAD : ERR_AUTH);
    }
}
END_TEST

/* A handshake message with bytes added, at any place, is refused. */
START_TEST(test_noise_extended_anywhere)
{
    size_t i = (size_t)_i;
    size_t whole = fixed_size[i] + strlen(payloads[i]);

    for (size_t at = 0; at <= whole; at++) {
        run_up_to(i);
        memmove(message + at + 1, message + at, whole - at);
        message[at] ^= 0x55;
        message_size = whole + 1;
        check_refused(i, ERR_AUTH);
    }
    for (size_t more = 2; more <= 64; more++) {
        run_up_to(i);
        memset(message + whole, 0, more);
        message_size = whole + more;
        check_refused(i, ERR_AUTH);
    }
}
END_TEST

/* A handshake message with one bit changed, in any byte, is refused. */
START_TEST(test_noise_flipped_anywhere)
{
    size_t i = (size_t)_i;
    size_t whole = fixed_size[i] + strlen(payloads[i]);

    for (size_t at = 0; at < whole; at++) {
        run_up_to(i);
        message[at] ^= (uint8_t)BIT(at % 7);
        check_refused(i, ERR_AUTH);
    }
}
END_TEST

/* A message longer than Noise allows is refused before any key is used. */
START_TEST(test_noise_too_long)
{
    static uint8_t huge[NOISE_MESSAGE_MAX + 1], out[NOISE_MESSAGE_MAX + 1];

    ck_assert_int_eq(noise_handshake_read(&hs[1], slice_of(huge, sizeof(huge)),
                                          out, &payload_size),
                     ERR_BAD);
    check_dead(1);
}
END_TEST

/* Points of order 1, 2, 4 and 8 on the curve and its twist, and encodings of
 * them that are not canonical. */
static const char *const low_order[] = {
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000080",
};

/* An ephemeral key of low order is refused by the first DH that meets it. */
START_TEST(test_noise_low_order_ephemeral)
{
    uint8_t point[NOISE_KEY_SIZE];

    hex_read(low_order[_i], point, sizeof(point));
    noise_keypair_init(&hs[0].e, &rng);
    memcpy(hs[0].e.pk, point, sizeof(point));
    pass_message(0);
    ck_assert_int_eq(noise_handshake_write(&hs[1], slice_str(""), &rng, message,
                                           &message_size),
                     ERR_BAD);
    check_dead(1);

    start();
    noise_keypair_init(&hs[1].e, &rng);
    memcpy(hs[1].e.pk, point, sizeof(point));
    pass_message(0);
    write_message(1);
    check_refused(1, ERR_BAD);
}
END_TEST

/* So is a static key. */
START_TEST(test_noise_low_order_static)
{
    uint8_t point[NOISE_KEY_SIZE];

    hex_read(low_order[_i], point, sizeof(point));
    memcpy(hs[1].s.pk, point, sizeof(point));
    pass_message(0);
    write_message(1);
    check_refused(1, ERR_BAD);

    start();
    memcpy(hs[0].s.pk, point, sizeof(point));
    pass_message(0);
    pass_message(1);
    write_message(2);
    check_refused(2, ERR_BAD);
}
END_TEST

/* A refused shared secret is not handed out. */
START_TEST(test_noise_dh_writes_only_on_success)
{
    static const uint8_t untouched[NOISE_KEY_SIZE] = {1, 2, 3};
    uint8_t point[NOISE_KEY_SIZE], shared[NOISE_KEY_SIZE] = {1, 2, 3};

    hex_read(low_order[_i], point, sizeof(point));
    ck_assert_int_eq(noise_dh(statics[0].sk, point, shared), ERR_BAD);
    ck_assert_bytes_eq(shared, untouched, sizeof(shared));
}
END_TEST

/* A claimed static key without its secret key does not get through. */
START_TEST(test_noise_stolen_identity)
{
    hs[1].s = statics[1];
    memcpy(hs[1].s.sk, statics[0].sk, NOISE_KEY_SIZE);
    pass_message(0);
    write_message(1);
    check_refused(1, ERR_AUTH);

    start();
    memcpy(hs[0].s.sk, statics[1].sk, NOISE_KEY_SIZE);
    pass_message(0);
    pass_message(1);
    write_message(2);
    check_refused(2, ERR_AUTH);
}
END_TEST

/* Nobody accepts his own words from a mirror. */
START_TEST(test_noise_reflected)
{
    uint8_t sealed[4 + NOISE_TAG_SIZE], opened[4];
    char longer[NOISE_MSG2_SIZE + 1];

    memset(longer, 'x', sizeof(longer));
    longer[sizeof(longer) - 1] = '\0';
    ck_assert_int_eq(noise_handshake_write(&hs[0], slice_str(longer), &rng,
                                           message, &message_size),
                     OK);
    ck_assert_int_eq(noise_handshake_read(&hs[0],
                                          slice_of(message, message_size),
                                          payload, &payload_size),
                     ERR_AUTH);
    check_dead(0);

    run_up_to(1);
    ck_assert_int_eq(noise_handshake_read(&hs[1],
                                          slice_of(message, message_size),
                                          payload, &payload_size),
                     ERR_AUTH);
    check_dead(1);

    complete();
    ck_assert_int_eq(noise_seal(&t[0].send, slice_str("echo"), sealed), OK);
    ck_assert_int_eq(
        noise_open(&t[0].receive, slice_of(sealed, sizeof(sealed)), opened),
        ERR_AUTH);
}
END_TEST

/* Messages of an earlier session mean nothing in a later one. */
START_TEST(test_noise_replayed)
{
    uint8_t old[NOISE_MESSAGES][MESSAGE_MAX];
    size_t old_size[NOISE_MESSAGES];

    for (size_t i = 0; i < NOISE_MESSAGES; i++) {
        write_message(i);
        memcpy(old[i], message, message_size);
        old_size[i] = message_size;
        ck_assert_int_eq(read_message(i), OK);
    }

    run_up_to(0);
    memcpy(message, old[1], old_size[1]);
    message_size = old_size[1];
    check_refused(1, ERR_AUTH);

    start();
    memcpy(message, old[0], old_size[0]);
    message_size = old_size[0];
    ck_assert_int_eq(read_message(0), OK);
    ck_assert_int_eq(noise_handshake_write(&hs[1], slice_str(""), &rng, message,
                                           &message_size),
                     OK);
    memcpy(message, old[2], old_size[2]);
    message_size = old_size[2];
    check_refused(2, ERR_AUTH);
}
END_TEST

/* Every handshake draws its own ephemeral keys, at the message that sends
 * them, and forgets them. */
START_TEST(test_noise_ephemerals_are_fresh)
{
    uint8_t seen[8][NOISE_KEY_SIZE];
    size_t seen_len = 0;

    for (int round = 0; round < 4; round++) {
        start();
        ck_assert(sodium_is_zero(hs[0].e.sk, NOISE_KEY_SIZE) != 0);
        for (size_t i = 0; i < 2; i++) {
            pass_message(i);
            memcpy(seen[seen_len], message, NOISE_KEY_SIZE);
            for (size_t j = 0; j < seen_len; j++) {
                ck_assert_mem_ne(seen[j], seen[seen_len], NOISE_KEY_SIZE);
            }
            seen_len++;
        }
        noise_handshake_wipe(&hs[0]);
        noise_handshake_wipe(&hs[1]);
        check_dead(0);
        check_dead(1);
    }
}
END_TEST

/* A wrong tag releases nothing and does not spend the nonce. */
START_TEST(test_noise_bad_record_then_good)
{
    static const uint8_t zeros[5];
    uint8_t sealed[5 + NOISE_TAG_SIZE], bad[5 + NOISE_TAG_SIZE], opened[5];

    complete();
    ck_assert_int_eq(carry(0, "first"), OK);
    ck_assert_int_eq(noise_seal(&t[0].send, slice_str("hello"), sealed), OK);
    for (size_t at = 0; at < sizeof(sealed); at++) {
        memcpy(bad, sealed, sizeof(bad));
        bad[at] ^= 0x10;
        memset(opened, 0, sizeof(opened));
        ck_assert_int_eq(
            noise_open(&t[1].receive, slice_of(bad, sizeof(bad)), opened),
            ERR_AUTH);
        ck_assert_bytes_eq(opened, zeros, sizeof(opened));
        ck_assert_uint_eq(t[1].receive.nonce, 1);
    }
    ck_assert_int_eq(
        noise_open(&t[1].receive, slice_of(sealed, sizeof(sealed)), opened),
        OK);
    ck_assert_bytes_eq(opened, "hello", 5);
    ck_assert_int_eq(
        noise_open(&t[1].receive, slice_of(sealed, sizeof(sealed)), opened),
        ERR_AUTH);
}
END_TEST

/* Records that change places, or get lost, are refused. */
START_TEST(test_noise_records_in_order)
{
    uint8_t a[1 + NOISE_TAG_SIZE], b[1 + NOISE_TAG_SIZE], opened[1];

    complete();
    ck_assert_int_eq(noise_seal(&t[0].send, slice_str("a"), a), OK);
    ck_assert_int_eq(noise_seal(&t[0].send, slice_str("b"), b), OK);
    ck_assert_int_eq(noise_open(&t[1].receive, slice_of(b, sizeof(b)), opened),
                     ERR_AUTH);
    ck_assert_int_eq(noise_open(&t[1].receive, slice_of(a, sizeof(a)), opened),
                     OK);
    ck_assert_int_eq(noise_open(&t[1].receive, slice_of(b, sizeof(b)), opened),
                     OK);
}
END_TEST

/* Every size from nothing to the largest, in place; others are no message. */
START_TEST(test_noise_record_sizes)
{
    static const size_t sizes[] = {0, 1, 15, 16, 17, 4096, NOISE_PLAIN_MAX};
    static uint8_t buf[NOISE_MESSAGE_MAX + 1], want[NOISE_PLAIN_MAX];

    complete();
    rng_bytes(&rng, want, sizeof(want));
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        memcpy(buf, want, sizes[i]);
        ck_assert_int_eq(noise_seal(&t[0].send, slice_of(buf, sizes[i]), buf),
                         OK);
        ck_assert_int_eq(noise_open(&t[1].receive,
                                    slice_of(buf, sizes[i] + NOISE_TAG_SIZE),
                                    buf),
                         OK);
        ck_assert_bytes_eq(buf, want, sizes[i]);
    }
    for (size_t size = 0; size < NOISE_TAG_SIZE; size++) {
        ck_assert_int_eq(noise_open(&t[1].receive, slice_of(buf, size), want),
                         ERR_BAD);
    }
    ck_assert_int_eq(
        noise_open(&t[1].receive, slice_of(buf, sizeof(buf)), want), ERR_BAD);
    ck_assert_int_eq(carry(0, "still in step"), OK);
}
END_TEST

/* Nonces count in big-endian from zero, and the key of the next interval is
 * made by the rule of the specification, without starting n again. */
START_TEST(test_noise_rekey_by_hand)
{
    static const uint8_t zeros[AEAD_KEY_SIZE];
    uint8_t k[AEAD_KEY_SIZE], out[AEAD_KEY_SIZE + NOISE_TAG_SIZE];
    uint8_t sealed[2 + NOISE_TAG_SIZE], want[2 + NOISE_TAG_SIZE];

    complete();
    t[0].send.rekey_every = 300;
    memcpy(k, t[0].send.k, sizeof(k));
    for (uint64_t n = 0; n < 700; n++) {
        if (n == 300 || n == 600) {
            seal_by_hand(k, UINT64_MAX, slice_str(""),
                         slice_of(zeros, sizeof(zeros)), out);
            memcpy(k, out, sizeof(k));
        }
        seal_by_hand(k, n, slice_str(""), slice_str("hi"), want);
        ck_assert_int_eq(noise_seal(&t[0].send, slice_str("hi"), sealed), OK);
        ck_assert_bytes_eq(sealed, want, sizeof(want));
    }
}
END_TEST

/* Messages in two pieces are those of the specification too, on either side of
 * a rekey, and open to two places. */
START_TEST(test_noise_in_two_pieces)
{
    uint8_t first[AEAD_KEY_SIZE], k[AEAD_KEY_SIZE], head[2], body[3];
    uint8_t sealed[5 + NOISE_TAG_SIZE], want[5 + NOISE_TAG_SIZE];

    complete();
    t[0].send.rekey_every = 3;
    t[1].receive.rekey_every = 3;
    memcpy(first, t[0].send.k, sizeof(first));
    for (uint64_t n = 0; n < 20; n++) {
        memcpy(k, t[0].send.k, sizeof(k));
        seal_by_hand(k, n, slice_str(""), slice_str("hello"), want);
        ck_assert_int_eq(noise_seal_joined(&t[0].send, slice_str("he"),
                                           slice_str("llo"), sealed),
                         OK);
        ck_assert_bytes_eq(sealed, want, sizeof(want));
        ck_assert_int_eq(noise_open_split(&t[1].receive,
                                          slice_of(sealed, sizeof(sealed)),
                                          head, sizeof(head), body),
                         OK);
        ck_assert_bytes_eq(head, "he", 2);
        ck_assert_bytes_eq(body, "llo", 3);
    }
    ck_assert_mem_ne(first, k, sizeof(k));
}
END_TEST

/* A message without room for the first piece is none, and changes nothing. */
START_TEST(test_noise_too_short_for_two)
{
    uint8_t sealed[1 + NOISE_TAG_SIZE], head[2], body[1];

    complete();
    ck_assert_int_eq(noise_seal(&t[0].send, slice_str("x"), sealed), OK);
    ck_assert_int_eq(noise_open_split(&t[1].receive,
                                      slice_of(sealed, sizeof(sealed)), head,
                                      sizeof(head), body),
                     ERR_BAD);
    ck_assert_int_eq(noise_open_split(&t[1].receive,
                                      slice_of(sealed, sizeof(sealed)), head, 1,
                                      body),
                     OK);
    ck_assert_int_eq(head[0], 'x');
}
END_TEST

/* One message from one side to the other, without the cost of assertions. */
static bool passes(int from)
{
    uint8_t sealed[1 + NOISE_TAG_SIZE], opened[1];

    return noise_seal(&t[from].send, slice_str("x"), sealed) == OK &&
           noise_open(&t[1 - from].receive, slice_of(sealed, sizeof(sealed)),
                      opened) == OK &&
           opened[0] == 'x';
}

/* A long stream passes its rekeys unnoticed, in both directions, and they come
 * where the specification of the transport puts them. */
START_TEST(test_noise_rekey_at_the_interval)
{
    const uint64_t total = 2 * NOISE_REKEY_INTERVAL + 10;
    uint8_t k[AEAD_KEY_SIZE];
    uint64_t rekeys = 0;

    complete();
    ck_assert_uint_eq(t[0].send.rekey_every, NOISE_REKEY_INTERVAL);
    ck_assert_uint_eq(t[0].receive.rekey_every, NOISE_REKEY_INTERVAL);
    for (uint64_t n = 0; n < total; n++) {
        memcpy(k, t[0].send.k, sizeof(k));
        if (!passes(0) || (n % 2 == 0 && !passes(1))) {
            ck_abort_msg("message %llu", (unsigned long long)n);
        }
        if (memcmp(k, t[0].send.k, sizeof(k)) != 0) {
            rekeys++;
            ck_assert_uint_eq((n + 1) % NOISE_REKEY_INTERVAL, 0);
            ck_assert_bytes_eq(t[0].send.k, t[1].receive.k, AEAD_KEY_SIZE);
        }
    }
    ck_assert_uint_eq(rekeys, 2);
    ck_assert_uint_eq(t[0].send.nonce, total);
    ck_assert_uint_eq(t[1].send.nonce, total / 2);
}
END_TEST

/* A side that misses a rekey never gets back into step. */
START_TEST(test_noise_missed_rekey)
{
    complete();
    t[0].send.rekey_every = 16;
    t[1].receive.rekey_every = 48;
    for (int n = 0; n < 16; n++) {
        ck_assert_int_eq(carry(0, "x"), OK);
    }
    for (int n = 16; n < 100; n++) {
        ck_assert_int_eq(carry(0, "x"), ERR_AUTH);
        t[1].receive.nonce = t[0].send.nonce;
    }
    ck_assert_int_eq(carry(1, "the other direction has its own"), OK);
}
END_TEST

/* The last nonce but one is good; the reserved one is never used. */
START_TEST(test_noise_nonces_run_out)
{
    uint8_t sealed[1 + NOISE_TAG_SIZE], opened[1];

    complete();
    t[0].send.nonce = UINT64_MAX - 1;
    t[1].receive.nonce = UINT64_MAX - 1;
    ck_assert_int_eq(carry(0, "z"), OK);
    ck_assert_int_eq(noise_seal(&t[0].send, slice_str("z"), sealed), ERR_ORDER);
    ck_assert_int_eq(
        noise_open(&t[1].receive, slice_of(sealed, sizeof(sealed)), opened),
        ERR_ORDER);
    ck_assert_uint_eq(t[0].send.nonce, UINT64_MAX);
}
END_TEST

/* Nothing secret outlives the handshake or the transport. */
START_TEST(test_noise_wiped)
{
    static const uint8_t zeros[AEAD_KEY_SIZE];
    uint8_t sealed[1 + NOISE_TAG_SIZE];

    complete();
    ck_assert(holds_no_secret(&hs[0]));
    ck_assert(holds_no_secret(&hs[1]));
    noise_transport_wipe(&t[0]);
    noise_transport_wipe(&t[1]);
    split = false;
    ck_assert_bytes_eq(t[0].send.k, zeros, sizeof(zeros));
    ck_assert_bytes_eq(t[0].receive.k, zeros, sizeof(zeros));
    ck_assert_int_eq(noise_seal(&t[0].send, slice_str("x"), sealed), ERR_ORDER);
}
END_TEST

Suite *suite_make(void)
{
    const int low_order_len = sizeof(low_order) / sizeof(low_order[0]);
    Suite *s = suite_create("noise");
    TCase *tc = tcase_create("handshake");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_noise_both_sides_agree);
    tcase_add_test(tc, test_noise_first_message_by_hand);
    tcase_add_test(tc, test_noise_split_by_hand);
    tcase_add_test(tc, test_noise_wrong_psk);
    tcase_add_test(tc, test_noise_wrong_prologue);
    tcase_add_test(tc, test_noise_out_of_turn);
    tcase_add_loop_test(tc, test_noise_truncated_anywhere, 0, NOISE_MESSAGES);
    tcase_add_loop_test(tc, test_noise_extended_anywhere, 0, NOISE_MESSAGES);
    tcase_add_loop_test(tc, test_noise_flipped_anywhere, 0, NOISE_MESSAGES);
    tcase_add_test(tc, test_noise_too_long);
    tcase_add_loop_test(tc, test_noise_low_order_ephemeral, 0, low_order_len);
    tcase_add_loop_test(tc, test_noise_low_order_static, 0, low_order_len);
    tcase_add_loop_test(tc, test_noise_dh_writes_only_on_success, 0,
                        low_order_len);
    tcase_add_test(tc, test_noise_stolen_identity);
    tcase_add_test(tc, test_noise_reflected);
    tcase_add_test(tc, test_noise_replayed);
    tcase_add_test(tc, test_noise_ephemerals_are_fresh);
    suite_add_tcase(s, tc);

    tc = tcase_create("transport");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_noise_bad_record_then_good);
    tcase_add_test(tc, test_noise_records_in_order);
    tcase_add_test(tc, test_noise_record_sizes);
    tcase_add_test(tc, test_noise_in_two_pieces);
    tcase_add_test(tc, test_noise_too_short_for_two);
    tcase_add_test(tc, test_noise_rekey_by_hand);
    tcase_add_test(tc, test_noise_rekey_at_the_interval);
    tcase_add_test(tc, test_noise_missed_rekey);
    tcase_add_test(tc, test_noise_nonces_run_out);
    tcase_add_test(tc, test_noise_wiped);
    suite_add_tcase(s, tc);
    return s;
}
