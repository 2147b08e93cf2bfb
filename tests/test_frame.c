#include "crypto/hash.h"
#include "protocol/frame.h"
#include "tests/suite.h"

#define STREAM_MAX (4 * FRAME_WIRE_MAX)

static struct rng rng;
static struct digest net;
static struct frame_psk psk;
static uint8_t preamble[FRAME_PREAMBLE_SIZE];

/* Two ends of a session. */
static struct noise_transport t[2];
static bool session;

/* What is on its way, and the reader at its end. */
static uint8_t wire[STREAM_MAX];
static size_t wire_size;
static uint8_t reader_buf[FRAME_WIRE_MAX];
static struct frame_reader reader;

static uint8_t plain[NOISE_PLAIN_MAX];
static uint8_t bulk[FRAME_BODY_MAX];

static void setup(void)
{
    uint8_t seed[RNG_SEED_SIZE] = {3}, secret[FRAME_PSK_SIZE];

    rng_init_seed(&rng, seed);
    rng_bytes(&rng, net.bytes, sizeof(net.bytes));
    rng_bytes(&rng, secret, sizeof(secret));
    rng_bytes(&rng, bulk, sizeof(bulk));
    frame_psk_init(&psk, secret);
    frame_preamble_encode(&net, &psk, preamble);
    frame_reader_init(&reader, reader_buf, sizeof(reader_buf));
    wire_size = 0;
    session = false;
}

static void teardown(void)
{
    if (session) {
        noise_transport_wipe(&t[0]);
        noise_transport_wipe(&t[1]);
    }
}

static int accept(struct slice in, size_t *which)
{
    return frame_preamble_accept(in, &net, &psk, 1, which);
}

/* --- Preamble ------------------------------------------------------------ */

/* The bytes are those of docs/PROTOCOL.md. */
START_TEST(test_frame_preamble_by_hand)
{
    struct digest id, key, want;
    uint8_t mac[HMAC256_SIZE];

    TH256(&id, "psk-id", slice_of(psk.psk, FRAME_PSK_SIZE));
    TH256(&key, "mac1-key", slice_of(psk.psk, FRAME_PSK_SIZE));
    hmac256(digest_slice(&key), slice_of(preamble, 32), mac);
    ck_assert_bytes_eq(preamble, "CRNP\x01\x01\x00\x00", 8);
    ck_assert_bytes_eq(preamble + 8, id.bytes, 8);
    ck_assert_bytes_eq(preamble + 16, net.bytes, 16);
    ck_assert_bytes_eq(preamble + 32, mac, 16);
    frame_prologue(preamble, &id);
    TH256(&want, "noise-prologue", slice_of(preamble, sizeof(preamble)));
    ck_assert(digest_equal(&id, &want));
}
END_TEST

/* The example of docs/PROTOCOL.md, whose values an independent program made. */
START_TEST(test_frame_preamble_example)
{
    uint8_t secret[FRAME_PSK_SIZE], want[FRAME_PREAMBLE_SIZE];
    uint8_t key[NOISE_KEY_SIZE];
    struct digest id;

    for (size_t i = 0; i < sizeof(secret); i++) {
        secret[i] = (uint8_t)i;
        id.bytes[i] = (uint8_t)(32 + i);
    }
    frame_psk_init(&psk, secret);
    frame_preamble_encode(&id, &psk, preamble);
    hex_read("43524e5001010000769030a60ee8ef17202122232425262728292a2b2c2d2e2f"
             "aec01004266aa391c7f2aea9d48e1e99",
             want, sizeof(want));
    ck_assert_bytes_eq(preamble, want, sizeof(want));
    frame_prologue(preamble, &id);
    hex_read("c36bc630591f65e8f9346fd304780cfe618bcd1b2dfc13741ec4971b38dd8dd1",
             want, DIGEST_SIZE);
    ck_assert_bytes_eq(id.bytes, want, DIGEST_SIZE);
    frame_psk_for_noise(&psk, slice_str(""), slice_str(""), key);
    hex_read("834336b5bb1dfbdb1f3fe72b7468d31399906c396a7d162b23a6e6af89229fe9",
             want, NOISE_KEY_SIZE);
    ck_assert_bytes_eq(key, want, NOISE_KEY_SIZE);
}
END_TEST

/* The responder learns which key was meant, also when two share an id. */
START_TEST(test_frame_preamble_finds_its_psk)
{
    struct frame_psk psks[4];
    struct frame_preamble p;
    uint8_t secret[FRAME_PSK_SIZE] = {0};
    size_t which = 99;

    for (size_t i = 0; i < 4; i++) {
        secret[0] = (uint8_t)i;
        frame_psk_init(&psks[i], secret);
    }
    memcpy(psks[1].id, psk.id, sizeof(psk.id));
    ck_assert_int_eq(frame_preamble_accept(slice_of(preamble, sizeof(preamble)),
                                           &net, psks, 4, &which),
                     ERR_AUTH);
    psks[2] = psk;
    ck_assert_int_eq(frame_preamble_accept(slice_of(preamble, sizeof(preamble)),
                                           &net, psks, 4, &which),
                     OK);
    ck_assert_uint_eq(which, 2);
    ck_assert_int_eq(
        frame_preamble_decode(slice_of(preamble, sizeof(preamble)), &p), OK);
    ck_assert_bytes_eq(p.psk_id, psk.id, sizeof(p.psk_id));
    ck_assert_bytes_eq(p.net, net.bytes, sizeof(p.net));
}
END_TEST

/* Who has no key of ours, or means another network, gets nowhere. */
START_TEST(test_frame_preamble_of_strangers)
{
    struct slice in = slice_of(preamble, sizeof(preamble));
    struct frame_psk other;
    struct digest elsewhere = net;
    uint8_t secret[FRAME_PSK_SIZE] = {0};
    size_t which = 99;

    frame_psk_init(&other, secret);
    elsewhere.bytes[15] ^= 1;
    ck_assert_int_eq(frame_preamble_accept(in, &net, &other, 1, &which),
                     ERR_NOTFOUND);
    ck_assert_int_eq(frame_preamble_accept(in, &net, NULL, 0, &which),
                     ERR_NOTFOUND);
    ck_assert_int_eq(frame_preamble_accept(in, &elsewhere, &psk, 1, &which),
                     ERR_MISMATCH);
    ck_assert_uint_eq(which, 99);
}
END_TEST

static int flipped_status(size_t at)
{
    if (at < 4) {
        return ERR_BAD;
    }
    if (at < 8) {
        return ERR_UNSUPPORTED;
    }
    if (at < 16) {
        return ERR_NOTFOUND;
    }
    return at < 32 ? ERR_MISMATCH : ERR_AUTH;
}

/* No bit of a preamble can be changed unnoticed. */
START_TEST(test_frame_preamble_flipped)
{
    size_t which = 99;

    for (size_t bit = 0; bit < 8 * sizeof(preamble); bit++) {
        preamble[bit / 8] ^= (uint8_t)BIT(bit % 8);
        ck_assert_int_eq(accept(slice_of(preamble, sizeof(preamble)), &which),
                         flipped_status(bit / 8));
        preamble[bit / 8] ^= (uint8_t)BIT(bit % 8);
    }
    ck_assert_uint_eq(which, 99);
    ck_assert_int_eq(accept(slice_of(preamble, sizeof(preamble)), &which), OK);
    ck_assert_uint_eq(which, 0);
}
END_TEST

/* A version, suite, KEM or flag that we do not speak is refused, not skipped,
 * whoever vouches for it. */
START_TEST(test_frame_preamble_unsupported)
{
    uint8_t mac[HMAC256_SIZE];
    size_t which;

    for (size_t at = 4; at < 8; at++) {
        for (unsigned v = 0; v < 256; v++) {
            frame_preamble_encode(&net, &psk, preamble);
            if (preamble[at] == v) {
                continue;
            }
            preamble[at] = (uint8_t)v;
            hmac256(digest_slice(&psk.mac_key), slice_of(preamble, 32), mac);
            memcpy(preamble + 32, mac, 16);
            ck_assert_int_eq(
                accept(slice_of(preamble, sizeof(preamble)), &which),
                ERR_UNSUPPORTED);
        }
    }
}
END_TEST

/* A preamble has one size. */
START_TEST(test_frame_preamble_sizes)
{
    uint8_t longer[FRAME_PREAMBLE_SIZE + 1] = {0};
    size_t which;

    memcpy(longer, preamble, sizeof(preamble));
    for (size_t size = 0; size <= sizeof(longer); size++) {
        ck_assert_int_eq(accept(slice_of(longer, size), &which),
                         size == sizeof(preamble) ? OK : ERR_BAD);
    }
}
END_TEST

/* Every part changes the handshake's psk, and nothing moves between parts. */
START_TEST(test_frame_psk_for_noise)
{
    struct digest want;
    uint8_t out[5][NOISE_KEY_SIZE];
    uint8_t secret[FRAME_PSK_SIZE] = {0};
    struct frame_psk other;

    frame_psk_init(&other, secret);
    frame_psk_for_noise(&psk, slice_str(""), slice_str(""), out[0]);
    frame_psk_for_noise(&psk, slice_str("ab"), slice_str(""), out[1]);
    frame_psk_for_noise(&psk, slice_str(""), slice_str("ab"), out[2]);
    frame_psk_for_noise(&psk, slice_str("a"), slice_str("b"), out[3]);
    frame_psk_for_noise(&other, slice_str(""), slice_str(""), out[4]);
    for (int i = 0; i < 5; i++) {
        for (int j = 0; j < i; j++) {
            ck_assert_mem_ne(out[i], out[j], NOISE_KEY_SIZE);
        }
    }
    TH256(&want, "noise-psk", slice_of(psk.psk, FRAME_PSK_SIZE), slice_str(""),
          slice_str(""));
    ck_assert_bytes_eq(out[0], want.bytes, NOISE_KEY_SIZE);
    frame_psk_wipe(&other);
    ck_assert_mem_eq(&other, &(struct frame_psk){0}, sizeof(other));
}
END_TEST

/* --- Records ------------------------------------------------------------- */

static void check_same(const struct frame_record *a,
                       const struct frame_record *b)
{
    ck_assert_int_eq(a->type, b->type);
    ck_assert(a->more == b->more);
    ck_assert_uint_eq(a->stream, b->stream);
    ck_assert_uint_eq(a->reason, b->reason);
    ck_assert(slice_equal(a->body, b->body));
}

/* One of each kind. */
static void record_make(struct frame_record *rec, unsigned i)
{
    *rec = (struct frame_record){.type = FRAME_CONTROL};
    switch (i % 8) {
    case 0:
        rec->body = slice_str("a message");
        break;
    case 1:
        rec->stream = UINT32_MAX;
        rec->more = true;
        rec->body = slice_str("x");
        break;
    case 2:
        *rec = (struct frame_record){.type = FRAME_DATA, .stream = 7};
        rec->body = slice_of(bulk, sizeof(bulk));
        break;
    case 3:
        *rec = (struct frame_record){.type = FRAME_DATA, .more = true};
        rec->body = slice_of(bulk + 3, 4096);
        break;
    case 4:
        *rec = (struct frame_record){.type = FRAME_END, .stream = 0x01020304};
        break;
    case 5:
        *rec = (struct frame_record){.type = FRAME_KEEPALIVE};
        break;
    case 6:
        *rec = (struct frame_record){.type = FRAME_CLOSE,
                                     .reason = FRAME_REASON_LIFETIME};
        break;
    default:
        break;
    }
}

/* What is written is read back. */
START_TEST(test_frame_record_round_trip)
{
    struct frame_record rec, got;
    size_t size;

    for (unsigned i = 0; i < 8; i++) {
        record_make(&rec, i);
        frame_record_encode(&rec, plain, &size);
        ck_assert_int_eq(frame_record_decode(slice_of(plain, size), &got), OK);
        check_same(&rec, &got);
    }
}
END_TEST

/* The bytes are those of docs/PROTOCOL.md. */
START_TEST(test_frame_record_by_hand)
{
    struct frame_record rec = {.type = FRAME_CONTROL,
                               .more = true,
                               .stream = 0x04030201,
                               .body = slice_str("hi")};
    size_t size;

    frame_record_encode(&rec, plain, &size);
    ck_assert_uint_eq(size, 8);
    ck_assert_bytes_eq(plain, "\x01\x01\x01\x02\x03\x04hi", 8);
    rec = (struct frame_record){.type = FRAME_CLOSE, .reason = 0x0201};
    frame_record_encode(&rec, plain, &size);
    ck_assert_uint_eq(size, 8);
    ck_assert_bytes_eq(plain, "\x05\x00\x00\x00\x00\x00\x01\x02", 8);
}
END_TEST

static const struct {
    const char *bytes;
    size_t size;
    int status;
} bad_records[] = {
    {"", 0, ERR_BAD},
    {"\1\0\0\0\0", 5, ERR_BAD},             /* Half a header. */
    {"\0\0\0\0\0\0", 6, ERR_UNSUPPORTED},   /* No such type. */
    {"\6\0\0\0\0\0", 6, ERR_UNSUPPORTED},   /* Nor this. */
    {"\xff\0\0\0\0\0", 6, ERR_UNSUPPORTED}, /* Nor this. */
    {"\1\2\0\0\0\0x", 7, ERR_UNSUPPORTED},  /* No such flag. */
    {"\1\x81\0\0\0\0x", 7, ERR_UNSUPPORTED},
    {"\1\1\0\0\0\0", 6, ERR_BAD},  /* More of nothing. */
    {"\2\1\0\0\0\0", 6, ERR_BAD},  /* More of nothing. */
    {"\3\1\0\0\0\0", 6, ERR_BAD},  /* More after the end. */
    {"\3\0\0\0\0\0x", 7, ERR_BAD}, /* An end with a body. */
    {"\4\1\0\0\0\0", 6, ERR_BAD},
    {"\4\0\0\0\0\0x", 7, ERR_BAD},
    {"\4\0\1\0\0\0", 6, ERR_BAD}, /* A keep-alive of a stream. */
    {"\5\0\0\0\0\0", 6, ERR_BAD}, /* A close without a reason. */
    {"\5\0\0\0\0\0\1", 7, ERR_BAD},
    {"\5\0\0\0\0\0\1\0\0", 9, ERR_BAD},
    {"\5\1\0\0\0\0\1\0", 8, ERR_BAD},
    {"\5\0\0\0\0\1\1\0", 8, ERR_BAD}, /* A close of a stream. */
};

/* What breaks a rule is refused, and nothing is reported of it. */
START_TEST(test_frame_record_refused)
{
    struct frame_record rec = {.stream = 99};

    ck_assert_int_eq(
        frame_record_decode(
            slice_of(bad_records[_i].bytes, bad_records[_i].size), &rec),
        bad_records[_i].status);
    ck_assert_uint_eq(rec.stream, 99);
}
END_TEST

/* --- Sealed records ------------------------------------------------------ */

/* A session between two sides that begin with |preamble|. */
static void begin_session(void)
{
    static uint8_t message[FRAME_HANDSHAKE_MAX], payload[FRAME_HANDSHAKE_MAX];
    struct noise_handshake hs[2];
    struct noise_keypair s;
    struct digest prologue;
    uint8_t key[NOISE_KEY_SIZE];
    size_t size, payload_size;

    frame_prologue(preamble, &prologue);
    frame_psk_for_noise(&psk, slice_str(""), slice_str(""), key);
    for (int i = 0; i < 2; i++) {
        noise_keypair_init(&s, &rng);
        noise_handshake_init(&hs[i], i == 0, digest_slice(&prologue), &s, key);
    }
    for (int i = 0; i < NOISE_MESSAGES; i++) {
        ck_assert_int_eq(noise_handshake_write(&hs[i % 2], slice_str(""), &rng,
                                               message, &size),
                         OK);
        /* So that one reader serves handshake and records. */
        ck_assert_uint_ge(size, FRAME_SEALED_MIN);
        ck_assert_int_eq(noise_handshake_read(&hs[(i + 1) % 2],
                                              slice_of(message, size), payload,
                                              &payload_size),
                         OK);
    }
    ck_assert_int_eq(noise_handshake_split(&hs[0], &t[0]), OK);
    ck_assert_int_eq(noise_handshake_split(&hs[1], &t[1]), OK);
    session = true;
}

/* From structure to wire and back, for each kind, in place at both ends. */
START_TEST(test_frame_sealed_round_trip)
{
    struct frame_record rec, got;
    size_t size;

    begin_session();
    for (unsigned i = 0; i < 16; i++) {
        record_make(&rec, i);
        ck_assert_int_eq(frame_seal(&t[0].send, &rec, wire, &size), OK);
        ck_assert_uint_eq(size, FRAME_LENGTH_SIZE + FRAME_SEALED_MIN +
                                    rec.body.size +
                                    (rec.type == FRAME_CLOSE ? 2 : 0));
        ck_assert_uint_eq(u16be_load(wire), size - 2);
        ck_assert_int_eq(frame_open(&t[1].receive, slice_of(wire + 2, size - 2),
                                    wire + 2 + FRAME_HEADER_SIZE, &got),
                         OK);
        check_same(&rec, &got);
    }
}
END_TEST

/* What is sealed from where its body lies is the record as it is encoded, and
 * its body opens to where it is wanted. */
START_TEST(test_frame_sealed_as_encoded)
{
    static uint8_t body[FRAME_BODY_MAX + 1], encoded[NOISE_PLAIN_MAX];
    struct frame_record rec = {.type = FRAME_DATA, .stream = 0xfedcba98}, got;

    begin_session();
    for (size_t i = 0; i < 2000; i++) {
        size_t size, encoded_size, n = i < 1990 ? i : FRAME_BODY_MAX - 1999 + i;

        rec.body = slice_of(bulk + sizeof(bulk) - n, n);
        frame_record_encode(&rec, encoded, &encoded_size);
        ck_assert_int_eq(frame_seal(&t[0].send, &rec, wire, &size), OK);
        ck_assert_int_eq(
            noise_open(&t[1].receive, slice_of(wire + 2, size - 2), plain), OK);
        ck_assert(slice_equal(slice_of(plain, size - 2 - NOISE_TAG_SIZE),
                              slice_of(encoded, encoded_size)));
        ck_assert_int_eq(frame_seal(&t[0].send, &rec, wire, &size), OK);
        body[n] = 0xee;
        ck_assert_int_eq(
            frame_open(&t[1].receive, slice_of(wire + 2, size - 2), body, &got),
            OK);
        ck_assert_ptr_eq(got.body.data, body);
        ck_assert_uint_eq(body[n], 0xee);
        check_same(&rec, &got);
    }
}
END_TEST

/* A largest body is sealed where it stands. */
START_TEST(test_frame_sealed_in_place)
{
    uint8_t *body = wire + FRAME_LENGTH_SIZE + FRAME_HEADER_SIZE;
    struct frame_record rec = {.type = FRAME_DATA, .stream = 1}, got;
    size_t size;

    begin_session();
    memcpy(body, bulk, sizeof(bulk));
    rec.body = slice_of(body, sizeof(bulk));
    ck_assert_int_eq(frame_seal(&t[0].send, &rec, wire, &size), OK);
    ck_assert_uint_eq(size, FRAME_WIRE_MAX);
    ck_assert_int_eq(
        frame_open(&t[1].receive, slice_of(wire + 2, size - 2), plain, &got),
        OK);
    ck_assert(slice_equal(got.body, slice_of(bulk, sizeof(bulk))));
}
END_TEST

/* Tampering, and a nonsense record from a peer with the right keys, end in an
 * error. */
START_TEST(test_frame_sealed_refused)
{
    struct frame_record rec, got = {.stream = 99};
    uint8_t sealed[FRAME_SEALED_MIN];
    size_t size;

    begin_session();
    record_make(&rec, 0);
    ck_assert_int_eq(frame_seal(&t[0].send, &rec, wire, &size), OK);
    wire[size - 1] ^= 1;
    ck_assert_int_eq(
        frame_open(&t[1].receive, slice_of(wire + 2, size - 2), plain, &got),
        ERR_AUTH);
    ck_assert_int_eq(
        noise_seal(&t[1].send, slice_of("\x09\0\0\0\0\0", 6), sealed), OK);
    ck_assert_int_eq(frame_open(&t[0].receive, slice_of(sealed, sizeof(sealed)),
                                plain, &got),
                     ERR_UNSUPPORTED);
    ck_assert_uint_eq(got.stream, 99);
}
END_TEST

/* After 2^32 records one way a session is over. */
START_TEST(test_frame_session_used_up)
{
    struct frame_record rec, got;
    size_t size, size2;

    begin_session();
    record_make(&rec, 0);
    /* As if all the records but one had passed; the keys are unchanged. */
    t[0].send.nonce = FRAME_SESSION_RECORDS_MAX - 1;
    t[1].receive.nonce = FRAME_SESSION_RECORDS_MAX - 1;
    ck_assert_int_eq(frame_seal(&t[0].send, &rec, wire, &size), OK);
    ck_assert_int_eq(
        frame_open(&t[1].receive, slice_of(wire + 2, size - 2), plain, &got),
        OK);
    ck_assert_int_eq(frame_seal(&t[0].send, &rec, wire, &size2), ERR_ORDER);
    ck_assert_int_eq(
        frame_open(&t[1].receive, slice_of(wire + 2, size - 2), plain, &got),
        ERR_ORDER);
}
END_TEST

/* --- Reader -------------------------------------------------------------- */

/* A frame of |length| bytes that all tell its number. */
static void put_frame(size_t length, uint8_t number)
{
    u16be_store(wire + wire_size, (uint16_t)length);
    memset(wire + wire_size + FRAME_LENGTH_SIZE, number, length);
    wire_size += FRAME_LENGTH_SIZE + length;
    ck_assert_uint_le(wire_size, sizeof(wire));
}

static bool is_filled(struct slice s, uint8_t with)
{
    return s.size > 0 && s.data[0] == with &&
           memcmp(s.data, s.data + 1, s.size - 1) == 0;
}

/* Feed wire[from..to) and check that the frames |*next|, .. come out. */
static void feed(size_t from,
                 size_t to,
                 const size_t *lengths,
                 size_t *next,
                 size_t len)
{
    struct slice in = slice_of(wire + from, to - from);
    struct slice frame;

    do {
        ck_assert_int_eq(frame_reader_take(&reader, &in, &frame), OK);
        if (frame.size > 0) {
            ck_assert_uint_lt(*next, len);
            ck_assert_uint_eq(frame.size, lengths[*next]);
            ck_assert(is_filled(frame, (uint8_t)(*next + 1)));
            (*next)++;
        }
    } while (frame.size > 0);
    ck_assert_uint_eq(in.size, 0);
}

static const size_t lengths[] = {FRAME_SEALED_MIN, 256, FRAME_SEALED_MIN + 1,
                                 300, FRAME_SEALED_MIN};
#define LENGTHS_LEN (sizeof(lengths) / sizeof(lengths[0]))

static void put_frames(void)
{
    for (size_t i = 0; i < LENGTHS_LEN; i++) {
        put_frame(lengths[i], (uint8_t)(i + 1));
    }
}

/* Cut in two at any byte, the stream means the same. */
START_TEST(test_frame_reader_cut_in_two)
{
    put_frames();
    for (size_t cut = 0; cut <= wire_size; cut++) {
        size_t next = 0;

        feed(0, cut, lengths, &next, LENGTHS_LEN);
        feed(cut, wire_size, lengths, &next, LENGTHS_LEN);
        ck_assert_uint_eq(next, LENGTHS_LEN);
    }
}
END_TEST

/* So it does in pieces of any one size, a byte at a time among them. */
START_TEST(test_frame_reader_in_pieces)
{
    put_frames();
    for (size_t piece = 1; piece <= wire_size; piece++) {
        size_t next = 0;

        for (size_t at = 0; at < wire_size; at += piece) {
            size_t end = at + piece < wire_size ? at + piece : wire_size;

            feed(at, end, lengths, &next, LENGTHS_LEN);
        }
        ck_assert_uint_eq(next, LENGTHS_LEN);
    }
}
END_TEST

/* The largest frames, in pieces that chance cuts. */
START_TEST(test_frame_reader_random_pieces)
{
    static const size_t large[] = {FRAME_SEALED_MAX, FRAME_SEALED_MIN,
                                   FRAME_SEALED_MAX - 1, FRAME_SEALED_MAX};
    uint8_t seed[RNG_SEED_SIZE] = {(uint8_t)_i};
    size_t at = 0, next = 0;

    rng_init_seed(&rng, seed);
    for (size_t i = 0; i < 4; i++) {
        put_frame(large[i], (uint8_t)(i + 1));
    }
    while (at < wire_size) {
        size_t most = (size_t)1 << rng_below(&rng, 18);
        size_t piece = 1 + (size_t)rng_below(&rng, most);

        if (piece > wire_size - at) {
            piece = wire_size - at;
        }
        feed(at, at + piece, large, &next, 4);
        at += piece;
    }
    ck_assert_uint_eq(next, 4);
}
END_TEST

/* A frame that came in one piece is lent from there, not copied. */
START_TEST(test_frame_reader_lends_whole_frames)
{
    struct slice in, frame;

    put_frames();
    in = slice_of(wire, wire_size);
    ck_assert_int_eq(frame_reader_take(&reader, &in, &frame), OK);
    ck_assert_ptr_eq(frame.data, wire + FRAME_LENGTH_SIZE);
    ck_assert_ptr_eq(in.data, wire + FRAME_LENGTH_SIZE + lengths[0]);
}
END_TEST

/* Frames are lent one by one from where they lie; what is there of one that is
 * not complete is left alone, and a length that is none is refused. */
START_TEST(test_frame_take)
{
    for (size_t size = 0; size <= 700; size++) {
        struct slice in, frame;
        size_t next = 0, at = 0;

        wire_size = 0;
        put_frames();
        in = slice_of(wire, size < wire_size ? size : wire_size);
        do {
            ck_assert_ptr_eq(in.data, wire + at);
            ck_assert_int_eq(frame_take(&in, 302, &frame), OK);
            if (frame.size > 0) {
                ck_assert_ptr_eq(frame.data, wire + at + FRAME_LENGTH_SIZE);
                ck_assert_uint_eq(frame.size, lengths[next]);
                at += FRAME_LENGTH_SIZE + lengths[next++];
            }
        } while (frame.size > 0);
        ck_assert_ptr_eq(in.data, wire + at);
        ck_assert(next == LENGTHS_LEN ||
                  at + FRAME_LENGTH_SIZE + lengths[next] > size);
    }
}
END_TEST

START_TEST(test_frame_take_bad_length)
{
    static const size_t bad[] = {0, FRAME_SEALED_MIN - 1, 301, 65535};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        for (size_t size = FRAME_LENGTH_SIZE; size < 400; size++) {
            struct slice in = slice_of(wire, size), frame;

            u16be_store(wire, (uint16_t)bad[i]);
            ck_assert_int_eq(frame_take(&in, 302, &frame), ERR_BAD);
        }
    }
}
END_TEST

/* A length that no frame has is refused once it is known, whatever follows
 * and however it came, and the reader never recovers. */
START_TEST(test_frame_reader_bad_length)
{
    static const size_t bad[] = {0,
                                 1,
                                 NOISE_TAG_SIZE,
                                 FRAME_SEALED_MIN - 1,
                                 FRAME_HANDSHAKE_MAX - 1,
                                 FRAME_HANDSHAKE_MAX,
                                 65535};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        for (size_t cut = 0; cut <= 2; cut++) {
            struct slice in, frame = slice_of(wire, 5);

            wire_size = 0;
            put_frame(bad[i], 1);
            put_frame(FRAME_SEALED_MIN, 2);
            frame_reader_init(&reader, reader_buf, FRAME_HANDSHAKE_MAX);
            in = slice_of(wire, cut);
            if (cut < 2) {
                ck_assert_int_eq(frame_reader_take(&reader, &in, &frame), OK);
                ck_assert_uint_eq(frame.size, 0);
                in = slice_of(wire + cut, wire_size - cut);
            }
            ck_assert_int_eq(frame_reader_take(&reader, &in, &frame), ERR_BAD);
            in = slice_of(wire + FRAME_LENGTH_SIZE + bad[i],
                          FRAME_LENGTH_SIZE + FRAME_SEALED_MIN);
            ck_assert_int_eq(frame_reader_take(&reader, &in, &frame), ERR_BAD);
        }
    }
}
END_TEST

/* The largest frame that a buffer holds is read through it, to its last byte
 * and no further. */
START_TEST(test_frame_reader_full_buffer)
{
    static uint8_t small[FRAME_HANDSHAKE_MAX];
    struct slice in, frame = slice_of(wire, 0);

    frame_reader_init(&reader, small, sizeof(small));
    put_frame(sizeof(small) - FRAME_LENGTH_SIZE, 1);
    for (size_t at = 0; at < wire_size; at++) {
        in = slice_of(wire + at, 1);
        ck_assert_int_eq(frame_reader_take(&reader, &in, &frame), OK);
        ck_assert_uint_eq(frame.size, at + 1 < wire_size ? 0 : wire_size - 2);
    }
    ck_assert_bytes_eq(frame.data, wire + 2, frame.size);
}
END_TEST

/* The preamble comes first, in any pieces; what follows is left for frames. */
START_TEST(test_frame_reader_preamble_then_frames)
{
    size_t which;

    memcpy(wire, preamble, sizeof(preamble));
    wire_size = sizeof(preamble);
    put_frames();
    for (size_t cut = 0; cut <= wire_size; cut++) {
        struct slice in = slice_of(wire, cut), got;
        size_t next = 0;

        frame_reader_take_preamble(&reader, &in, &got);
        if (cut < sizeof(preamble)) {
            ck_assert_uint_eq(got.size, 0);
            ck_assert_uint_eq(in.size, 0);
            in = slice_of(wire + cut, wire_size - cut);
            frame_reader_take_preamble(&reader, &in, &got);
        }
        ck_assert_int_eq(accept(got, &which), OK);
        ck_assert_ptr_eq(in.data, wire + sizeof(preamble));
        if (cut > sizeof(preamble)) {
            feed(sizeof(preamble), cut, lengths, &next, LENGTHS_LEN);
            feed(cut, wire_size, lengths, &next, LENGTHS_LEN);
        } else {
            feed(sizeof(preamble), wire_size, lengths, &next, LENGTHS_LEN);
        }
        ck_assert_uint_eq(next, LENGTHS_LEN);
    }
}
END_TEST

/* A session: records of every kind through one stream of bytes that chance
 * cuts into pieces arrive as they were sent. */
START_TEST(test_frame_session)
{
    uint8_t seed[RNG_SEED_SIZE] = {(uint8_t)_i, 1};
    struct frame_record rec, got;
    struct slice in, frame;
    size_t size, at = 0;
    unsigned sent = 0, arrived = 0;

    rng_init_seed(&rng, seed);
    begin_session();
    while (wire_size + FRAME_WIRE_MAX <= sizeof(wire)) {
        record_make(&rec, sent++);
        ck_assert_int_eq(frame_seal(&t[0].send, &rec, wire + wire_size, &size),
                         OK);
        wire_size += size;
    }
    while (at < wire_size) {
        size_t piece = 1 + (size_t)rng_below(&rng, 100000);

        in = slice_of(wire + at,
                      piece < wire_size - at ? piece : wire_size - at);
        at += in.size;
        for (;;) {
            ck_assert_int_eq(frame_reader_take(&reader, &in, &frame), OK);
            if (frame.size == 0) {
                break;
            }
            ck_assert_int_eq(frame_open(&t[1].receive, frame, plain, &got), OK);
            record_make(&rec, arrived++);
            check_same(&rec, &got);
        }
    }
    ck_assert_uint_eq(arrived, sent);
}
END_TEST

/* A preamble that changed on its way fails the handshake even when the
 * responder lets it pass: at the first tag, before any identity is sent. */
START_TEST(test_frame_prologue_binds_preamble)
{
    struct noise_handshake hs[2];
    struct noise_keypair s;
    struct digest prologue;
    uint8_t message[NOISE_MSG1_SIZE], payload[1];
    size_t size;

    noise_keypair_init(&s, &rng);
    for (size_t at = 0; at < sizeof(preamble); at++) {
        frame_prologue(preamble, &prologue);
        noise_handshake_init(&hs[0], true, digest_slice(&prologue), &s,
                             psk.psk);
        preamble[at] ^= 1;
        frame_prologue(preamble, &prologue);
        noise_handshake_init(&hs[1], false, digest_slice(&prologue), &s,
                             psk.psk);
        ck_assert_int_eq(
            noise_handshake_write(&hs[0], slice_str(""), &rng, message, &size),
            OK);
        ck_assert_int_eq(noise_handshake_read(&hs[1], slice_of(message, size),
                                              payload, &size),
                         ERR_AUTH);
    }
}
END_TEST

static void add_preamble(Suite *s)
{
    TCase *tc = tcase_create("preamble");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, test_frame_preamble_by_hand);
    tcase_add_test(tc, test_frame_preamble_example);
    tcase_add_test(tc, test_frame_preamble_finds_its_psk);
    tcase_add_test(tc, test_frame_preamble_of_strangers);
    tcase_add_test(tc, test_frame_preamble_flipped);
    tcase_add_test(tc, test_frame_preamble_unsupported);
    tcase_add_test(tc, test_frame_preamble_sizes);
    tcase_add_test(tc, test_frame_psk_for_noise);
    tcase_add_test(tc, test_frame_prologue_binds_preamble);
    suite_add_tcase(s, tc);
}

static void add_records(Suite *s)
{
    const int bad_len = sizeof(bad_records) / sizeof(bad_records[0]);
    TCase *tc = tcase_create("records");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, test_frame_record_round_trip);
    tcase_add_test(tc, test_frame_record_by_hand);
    tcase_add_loop_test(tc, test_frame_record_refused, 0, bad_len);
    tcase_add_test(tc, test_frame_sealed_round_trip);
    tcase_add_test(tc, test_frame_sealed_as_encoded);
    tcase_add_test(tc, test_frame_sealed_in_place);
    tcase_add_test(tc, test_frame_sealed_refused);
    tcase_add_test(tc, test_frame_session_used_up);
    suite_add_tcase(s, tc);
}

Suite *suite_make(void)
{
    Suite *s = suite_create("frame");
    TCase *tc = tcase_create("reader");

    add_preamble(s);
    add_records(s);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_frame_reader_cut_in_two);
    tcase_add_test(tc, test_frame_reader_in_pieces);
    tcase_add_loop_test(tc, test_frame_reader_random_pieces, 0, 20);
    tcase_add_test(tc, test_frame_reader_lends_whole_frames);
    tcase_add_test(tc, test_frame_take);
    tcase_add_test(tc, test_frame_take_bad_length);
    tcase_add_test(tc, test_frame_reader_bad_length);
    tcase_add_test(tc, test_frame_reader_full_buffer);
    tcase_add_test(tc, test_frame_reader_preamble_then_frames);
    tcase_add_loop_test(tc, test_frame_session, 0, 20);
    suite_add_tcase(s, tc);
    return s;
}
