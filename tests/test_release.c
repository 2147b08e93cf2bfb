#include <time.h>

#include "crypto/hash.h"
#include "protocol/canon.h"
#include "protocol/release.h"
#include "tests/suite.h"

#define TIME 1800000000U
#define DAY  ((uint64_t)86400)
#define T    3
#define N    5

static struct release_request req;
static struct release_receipt receipt;
static struct release_acknowledgement ack;
static struct release_decision decision;
static struct manifest *m; /* Of which only what an acknowledgement needs. */
static struct digest manifest_hash;
static struct vss_polynomials polynomials;
static struct sign_key d, other;
static struct rng rng;
static uint8_t bytes[RELEASE_REQUEST_MAX + 1];
static size_t size;

static struct digest digest_of(uint8_t fill)
{
    struct digest out;

    memset(&out, fill, sizeof(out));
    return out;
}

static void start_custody(void)
{
    static struct manifest fixed;

    m = &fixed;
    memset(m, 0, sizeof(*m));
    m->net = digest_of(1);
    m->n = N;
    m->t = T;
    m->share_epoch = 2;
    for (uint8_t i = 0; i < N; i++) {
        m->stewards[i] = digest_of((uint8_t)(0x60 + i));
    }
    vss_polynomials_init(&polynomials, T, &rng);
    vss_commit(&polynomials, m->commitments);
    manifest_hash = digest_of(4);

    decision = (struct release_decision){.net = digest_of(1),
                                         .release_id = digest_of(5),
                                         .manifest_hash = manifest_hash,
                                         .custodian = digest_of(0x61),
                                         .envelope_hash = digest_of(6),
                                         .share_index = 2,
                                         .share_epoch = 2,
                                         .time_s = TIME};
}

static void start(void)
{
    static const uint8_t seed[RNG_SEED_SIZE] = {9};
    uint8_t secret[HPKE_KEY_SIZE];

    rng_init_seed(&rng, seed);
    sign_key_init(&d, &rng);
    sign_key_init(&other, &rng);
    memset(&req, 0, sizeof(req));
    req.net = digest_of(1);
    req.charter_hash = digest_of(2);
    req.deposit_id = digest_of(3);
    req.manifest_hash = digest_of(4);
    memcpy(req.label, "Gr\xc3\xbc\xc3\x9f", 7);
    req.share_epoch = 2;
    memcpy(req.recipient, "University of Elsewhere", 24);
    hpke_keypair(&rng, secret, req.hpke_pk);
    memset(req.transport_pk, 7, sizeof(req.transport_pk));
    memcpy(req.purpose, "To study what it learned.", 26);
    req.time_s = TIME;
    req.not_after_s = TIME + 30 * DAY;
    memset(req.nonce, 8, sizeof(req.nonce));
    receipt = (struct release_receipt){.deposit_id = digest_of(3),
                                       .manifest_hash = digest_of(4),
                                       .root = digest_of(5),
                                       .index = 4,
                                       .shard_size = 40960,
                                       .time_s = TIME};
    start_custody();
    memset(bytes, 0x77, sizeof(bytes));
    size = 0;
}

static struct slice out(void)
{
    return slice_of(bytes, size);
}

static void flip(size_t i)
{
    bytes[i] ^= (uint8_t)(1U << (i % 8));
}

static int encode(void)
{
    return release_request_encode(&req, bytes, sizeof(bytes), &size);
}

/* The request as docs/FORMAT.md has it; no bound is looked at. */
static void forge(uint32_t items, uint64_t version)
{
    struct canon_writer w;
    struct slice written;

    canon_write_init(&w, bytes, sizeof(bytes));
    canon_put_array(&w, items);
    canon_put_uint(&w, version);
    canon_put_digest(&w, &req.net);
    canon_put_digest(&w, &req.charter_hash);
    canon_put_digest(&w, &req.deposit_id);
    canon_put_digest(&w, &req.manifest_hash);
    canon_put_str(&w, slice_of(req.label, strnlen(req.label, 201)));
    canon_put_uint(&w, req.share_epoch);
    canon_put_str(&w, slice_of(req.recipient, strnlen(req.recipient, 201)));
    canon_put_bin(&w, slice_of(req.hpke_pk, 32));
    canon_put_bin(&w, slice_of(req.transport_pk, 32));
    canon_put_str(&w, slice_of(req.purpose, strnlen(req.purpose, 2001)));
    canon_put_uint(&w, req.time_s);
    canon_put_uint(&w, req.not_after_s);
    canon_put_bin(&w, slice_of(req.nonce, 32));
    for (uint32_t i = 14; i < items; i++) {
        canon_put_uint(&w, 0);
    }
    ck_assert_int_eq(canon_write_end(&w, &written), OK);
    size = written.size;
}

static void check_request(void)
{
    struct release_request got;
    uint8_t want[RELEASE_REQUEST_MAX];
    size_t want_size;

    forge(14, 1);
    memcpy(want, bytes, size);
    want_size = size;
    ck_assert_int_eq(encode(), OK);
    ck_assert(slice_equal(out(), slice_of(want, want_size)));
    memset(&got, 0x5a, sizeof(got));
    ck_assert_int_eq(release_request_decode(&got, out()), OK);
    ck_assert_mem_eq(&got, &req, sizeof(got));
}

/* Encoder and decoder refuse the same. */
static void check_bad_request(void)
{
    struct release_request got;
    const uint8_t *at = (const uint8_t *)&got;

    ck_assert_int_eq(encode(), ERR_BAD);
    forge(14, 1);
    memset(&got, 0x5a, sizeof(got));
    ck_assert_int_eq(release_request_decode(&got, out()), ERR_BAD);
    ck_assert(at[0] == 0x5a && memcmp(at, at + 1, sizeof(got) - 1) == 0);
}

START_TEST(test_release_request_round_trip)
{
    check_request();
    memset(req.label, 'l', MANIFEST_LABEL_MAX);
    memset(req.recipient, 'r', RELEASE_NAME_MAX);
    memset(req.purpose, 'p', RELEASE_TEXT_MAX);
    req.share_epoch = UINT64_MAX;
    check_request();
    memcpy(req.label, "l", 2);
    memset(req.label + 1, 0, sizeof(req.label) - 1);
    memset(req.recipient + 1, 0, sizeof(req.recipient) - 1);
    memset(req.purpose + 1, 0, sizeof(req.purpose) - 1);
    check_request();
}
END_TEST

/* Texts are there, end, and neither break a line nor speak to a terminal. */
START_TEST(test_release_request_texts)
{
    const struct release_request good = req;
    char *const texts[] = {req.label, req.recipient, req.purpose};
    const size_t max[] = {MANIFEST_LABEL_MAX, RELEASE_NAME_MAX,
                          RELEASE_TEXT_MAX};

    for (size_t i = 0; i < 3; i++) {
        texts[i][0] = '\0';
        check_bad_request();
        req = good;
        memcpy(texts[i], "a\nb", 4);
        check_bad_request();
        memcpy(texts[i], "\x1b[2J", 5);
        check_bad_request();
        memcpy(texts[i], "\xc2\x85", 3);
        check_bad_request();
        req = good;
        memset(texts[i], 'x', max[i] + 1);
        check_bad_request();
        req = good;
    }
    memcpy(req.purpose, "\xff", 2);
    ck_assert_int_eq(encode(), ERR_BAD);
}
END_TEST

/* A request ends, and soon enough. */
START_TEST(test_release_request_times)
{
    req.not_after_s = req.time_s + 400 * DAY;
    check_request();
    req.not_after_s++;
    check_bad_request();
    req.not_after_s = req.time_s;
    check_bad_request();
    req.not_after_s = req.time_s - 1;
    check_bad_request();
    req.not_after_s = req.time_s + 1;
    check_request();
    req.not_after_s = 253402300799U;
    req.time_s = req.not_after_s - 1;
    check_request();
    req.not_after_s++;
    check_bad_request();
}
END_TEST

/* No id and no key is zero, and the recipient's key can be sealed to. */
START_TEST(test_release_request_zeros)
{
    const struct release_request good = req;
    void *const fields[] = {&req.net,        &req.charter_hash,
                            &req.deposit_id, &req.manifest_hash,
                            req.hpke_pk,     req.transport_pk};

    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        memset(fields[i], 0, 32);
        check_bad_request();
        req = good;
    }
    memset(req.hpke_pk, 0, 32);
    req.hpke_pk[0] = 1;
    check_bad_request();
}
END_TEST

/* Another version is not guessed at. */
START_TEST(test_release_request_shape)
{
    struct release_request got;

    forge(14, 2);
    ck_assert_int_eq(release_request_decode(&got, out()), ERR_UNSUPPORTED);
    forge(16, 2);
    ck_assert_int_eq(release_request_decode(&got, out()), ERR_UNSUPPORTED);
    forge(15, 1);
    ck_assert_int_eq(release_request_decode(&got, out()), ERR_BAD);
    forge(13, 1);
    ck_assert_int_eq(release_request_decode(&got, out()), ERR_BAD);
    size = sizeof(bytes);
    ck_assert_int_eq(release_request_decode(&got, out()), ERR_BAD);
    forge(14, 1);
    ck_assert_int_eq(release_request_encode(&req, bytes, size - 1, &size),
                     ERR_FULL);
}
END_TEST

static char text[RELEASE_RENDERED_MAX + 1];
static size_t text_size;

static int render(struct slice request)
{
    int rv =
        release_request_render(request, text, RELEASE_RENDERED_MAX, &text_size);

    if (rv == OK) {
        text[text_size] = '\0';
    }
    return rv;
}

/* No byte can be left out; a changed one is refused or makes another release,
 * of which the operators see another text. */
START_TEST(test_release_request_every_byte_counts)
{
    struct release_request got;
    struct digest id, id2;
    char first[sizeof(text)];

    ck_assert_int_eq(encode(), OK);
    ck_assert_int_eq(render(out()), OK);
    memcpy(first, text, sizeof(first));
    release_id(&id, out());
    for (size_t i = 0; i < size; i++) {
        ck_assert_int_eq(release_request_decode(&got, slice_of(bytes, i)),
                         ERR_BAD);
        flip(i);
        if (release_request_decode(&got, out()) == OK) {
            ck_assert_mem_ne(&got, &req, sizeof(got));
            release_id(&id2, out());
            ck_assert(!digest_equal(&id, &id2));
            ck_assert_int_eq(render(out()), OK);
            ck_assert_str_ne(text, first);
        } else {
            ck_assert_int_ne(render(out()), OK);
        }
        flip(i);
    }
    size++;
    ck_assert_int_eq(release_request_decode(&got, out()), ERR_BAD);
}
END_TEST

#define X8(s)  s s s s s s s s
#define X32(s) X8(s) X8(s) X8(s) X8(s)

/* The whole text, letter by letter. */
START_TEST(test_release_render)
{
    static const char head[] =
        "Cairn release request 1\n"
        "Label: Gr\xc3\xbc\xc3\x9f\n"
        "Recipient: University of Elsewhere\n"
        "Purpose: To study what it learned.\n"
        "Requested: 2027-01-15T08:00:00Z\n"
        "Expires: 2027-02-14T08:00:00Z\n"
        "Network: " X32(
            "01") "\n"
                  "Charter: " X32(
                      "02") "\n"
                            "Deposit: " X32(
                                "03") "\n"
                                      "Manifest: " X32(
                                          "04") "\n"
                                                "Share epoch: 2\n"
                                                "Recipient HPKE key: " X32(
                                                    "09") "\n"
                                                          "Recipient transport "
                                                          "key: " X32(
                                                              "07") "\n"
                                                                    "Nonce:"
                                                                    " " X32(
                                                                        "08") "\n"
                                                                              "-- request in hex --\n";
    const char *hex = text + sizeof(head) - 1;
    uint8_t back[RELEASE_REQUEST_MAX];
    size_t at = 0;

    memset(req.hpke_pk, 9, sizeof(req.hpke_pk));
    ck_assert_int_eq(encode(), OK);
    ck_assert_int_eq(render(out()), OK);
    ck_assert_int_eq(strncmp(text, head, sizeof(head) - 1), 0);
    while (*hex != '\0') {
        size_t width = strcspn(hex, "\n");
        char line[65] = {0};

        ck_assert_uint_le(width, 64);
        ck_assert(width == 64 || hex[width + 1] == '\0');
        memcpy(line, hex, width);
        hex_read(line, back + at, width / 2);
        at += width / 2;
        hex += width + 1;
    }
    ck_assert(slice_equal(slice_of(back, at), out()));
}
END_TEST

/* A character of U+0800 or more, as UTF-8. */
static void utf8(char *at, unsigned c)
{
    at[0] = (char)(0xe0 | c >> 12);
    at[1] = (char)(0x80 | (c >> 6 & 0x3f));
    at[2] = (char)(0x80 | (c & 0x3f));
}

/* The largest request fits the bound, and a small buffer is said to be so. */
START_TEST(test_release_render_bounds)
{
    size_t got = 77;

    memset(req.label, 'l', MANIFEST_LABEL_MAX);
    memset(req.recipient, 'r', RELEASE_NAME_MAX);
    for (size_t i = 0; i + 3 <= RELEASE_TEXT_MAX; i += 3) {
        utf8(req.purpose + i, 0x202e);
    }
    req.share_epoch = UINT64_MAX;
    ck_assert_int_eq(encode(), OK);
    ck_assert_int_eq(render(out()), OK);
    ck_assert_uint_gt(text_size, 5328U);
    ck_assert_ptr_nonnull(strstr(text, "epoch: 18446744073709551615\n"));
    for (size_t max = 0; max < text_size; max += 97) {
        ck_assert_int_eq(release_request_render(out(), text, max, &got),
                         ERR_FULL);
    }
    ck_assert_int_eq(release_request_render(out(), text, text_size - 1, &got),
                     ERR_FULL);
    ck_assert_uint_eq(got, 77);
    ck_assert_int_eq(release_request_render(out(), text, text_size, &got), OK);
}
END_TEST

/* Words cannot pass for another line, nor turn the direction of the text. */
START_TEST(test_release_render_shows_tricks)
{
    static const unsigned shown[] = {0x2028, 0x2029, 0x202a,
                                     0x202e, 0x2066, 0x2069};
    static const unsigned harmless[] = {0x2027, 0x202f, 0x2065,
                                        0x206a, 0x20ac, 0x4e28};
    char *at = req.purpose, want[3 * 6 + 2] = {0};

    memset(req.purpose, 0, sizeof(req.purpose));
    for (size_t i = 0; i < 6; i++) {
        utf8(at + 3 * i, shown[i]);
        utf8(at + 18 + 3 * i, harmless[i]);
        utf8(want + 3 * i, harmless[i]);
    }
    want[18] = '\n';
    ck_assert_int_eq(encode(), OK);
    ck_assert_int_eq(render(out()), OK);
    at = strstr(text, "Purpose: <U+2028><U+2029><U+202A><U+202E><U+2066>"
                      "<U+2069>");
    ck_assert_ptr_nonnull(at);
    ck_assert_bytes_eq(at + 57, want, 19);
}
END_TEST

static void check_date(uint64_t time_s)
{
    char want[64];
    time_t t = (time_t)time_s;
    struct tm tm;

    req.time_s = time_s;
    req.not_after_s = time_s + 1;
    ck_assert_int_eq(encode(), OK);
    ck_assert_int_eq(render(out()), OK);
    ck_assert_ptr_nonnull(gmtime_r(&t, &tm));
    ck_assert_uint_gt(
        strftime(want, sizeof(want), "Requested: %Y-%m-%dT%H:%M:%SZ\n", &tm),
        0);
    ck_assert_msg(strstr(text, want) != NULL, "%s", want);
}

/* Dates are those of the C library, around every end of a month, leap day and
 * century. */
START_TEST(test_release_render_dates)
{
    const uint64_t last = 253402300798U;

    check_date(0);
    ck_assert_ptr_nonnull(strstr(text, "Requested: 1970-01-01T00:00:00Z\n"));
    check_date(951782400);
    ck_assert_ptr_nonnull(strstr(text, "Requested: 2000-02-29T00:00:00Z\n"));
    check_date(4107542399);
    ck_assert_ptr_nonnull(strstr(text, "Requested: 2100-02-28T23:59:59Z\n"));
    check_date(4107542400);
    ck_assert_ptr_nonnull(strstr(text, "Requested: 2100-03-01T00:00:00Z\n"));
    for (uint64_t day = 0; day < 1464; day++) {
        check_date(TIME / DAY * DAY + day * DAY + day);
    }
    for (uint64_t century = 0; century < 79; century++) {
        uint64_t feb28 = 4107456000U + century * 36524 * DAY;

        for (uint64_t day = 0; day < 50; day++) {
            check_date(feb28 + day * DAY);
        }
    }
    check_date(last);
    ck_assert_ptr_nonnull(strstr(text, "Requested: 9999-12-31T23:59:58Z\n"));
    ck_assert_ptr_nonnull(strstr(text, "Expires: 9999-12-31T23:59:59Z\n"));
}
END_TEST

/* What is no request is not shown to anyone. */
START_TEST(test_release_render_refuses)
{
    text_size = 77;
    forge(14, 2);
    ck_assert_int_eq(render(out()), ERR_UNSUPPORTED);
    req.not_after_s = req.time_s;
    forge(14, 1);
    ck_assert_int_eq(render(out()), ERR_BAD);
    ck_assert_uint_eq(text_size, 77);
}
END_TEST

/* An approval carries a signature of bounded size, lent from its bytes. */
START_TEST(test_release_approval)
{
    uint8_t sig[1025];
    struct release_approval got,
        a = {.release_id = digest_of(5), .sshsig = slice_of(sig, 1024)};
    const size_t max = sizeof(bytes);

    memset(sig, 0xab, sizeof(sig));
    ck_assert_int_eq(release_approval_encode(&a, bytes, max, &size), OK);
    ck_assert_int_eq(release_approval_decode(&got, out()), OK);
    ck_assert(digest_equal(&got.release_id, &a.release_id));
    ck_assert(slice_equal(got.sshsig, a.sshsig));
    ck_assert_uint_eq(size, 2 + 34 + 3 + 1024);
    for (size_t i = 0; i < size; i++) {
        ck_assert_int_eq(release_approval_decode(&got, slice_of(bytes, i)),
                         ERR_BAD);
    }
    ck_assert_int_eq(release_approval_encode(&a, bytes, size - 1, &size),
                     ERR_FULL);
    a.sshsig.size = 1025;
    ck_assert_int_eq(release_approval_encode(&a, bytes, max, &size), ERR_BAD);
    a.sshsig.size = 0;
    ck_assert_int_eq(release_approval_encode(&a, bytes, max, &size), ERR_BAD);
    a.sshsig.size = 1;
    a.release_id = digest_of(0);
    ck_assert_int_eq(release_approval_encode(&a, bytes, max, &size), ERR_BAD);
    a.release_id = digest_of(1);
    ck_assert_int_eq(release_approval_encode(&a, bytes, max, &size), OK);
    for (size_t i = 0; i < size; i++) {
        flip(i);
        if (release_approval_decode(&got, out()) == OK) {
            ck_assert(!digest_equal(&got.release_id, &a.release_id) ||
                      !slice_equal(got.sshsig, a.sshsig));
        }
        flip(i);
    }
    bytes[1] = 2;
    ck_assert_int_eq(release_approval_decode(&got, out()), ERR_UNSUPPORTED);
    bytes[1] = 1;
    memset(bytes + 4, 0, 32);
    ck_assert_int_eq(release_approval_decode(&got, out()), ERR_BAD);
}
END_TEST

/* What a test writes as receipt, sound or not. */
static void forge_receipt(void)
{
    struct canon_writer w;
    struct slice written;

    canon_write_init(&w, bytes, sizeof(bytes));
    canon_put_array(&w, 7);
    canon_put_uint(&w, 1);
    canon_put_digest(&w, &receipt.deposit_id);
    canon_put_digest(&w, &receipt.manifest_hash);
    canon_put_uint(&w, receipt.index);
    canon_put_digest(&w, &receipt.root);
    canon_put_uint(&w, receipt.shard_size);
    canon_put_uint(&w, receipt.time_s);
    ck_assert_int_eq(canon_write_end(&w, &written), OK);
    size = written.size;
}

static void check_receipt(int want)
{
    struct release_receipt got;
    const uint8_t *at = (const uint8_t *)&got;
    uint8_t own[512];
    size_t own_size = 0;

    memset(&got, 0x5a, sizeof(got));
    forge_receipt();
    ck_assert_int_eq(release_receipt_decode(&got, out()), want);
    ck_assert_int_eq(
        release_receipt_encode(&receipt, own, sizeof(own), &own_size), want);
    if (want == OK) {
        ck_assert(slice_equal(slice_of(own, own_size), out()));
        ck_assert(digest_equal(&got.deposit_id, &receipt.deposit_id));
        ck_assert(digest_equal(&got.manifest_hash, &receipt.manifest_hash));
        ck_assert(digest_equal(&got.root, &receipt.root));
        ck_assert_uint_eq(got.index, receipt.index);
        ck_assert_uint_eq(got.shard_size, receipt.shard_size);
        ck_assert_uint_eq(got.time_s, receipt.time_s);
    } else {
        ck_assert(at[0] == 0x5a && memcmp(at, at + 1, sizeof(got) - 1) == 0);
    }
}

/* A receipt says of a shard what can be. */
START_TEST(test_release_receipt)
{
    const struct release_receipt good = receipt;
    struct digest *const ids[] = {&receipt.deposit_id, &receipt.manifest_hash,
                                  &receipt.root};

    check_receipt(OK);
    receipt.index = MANIFEST_SHARDS_MAX - 1;
    receipt.shard_size = UINT64_MAX - 4095;
    receipt.time_s = 253402300799U;
    check_receipt(OK);
    receipt.index++;
    check_receipt(ERR_BAD);
    receipt = good;
    receipt.shard_size = 0;
    check_receipt(ERR_BAD);
    receipt.shard_size = 4097;
    check_receipt(ERR_BAD);
    receipt.shard_size = 4096;
    check_receipt(OK);
    receipt.index = 0;
    check_receipt(OK);
    receipt.time_s = 253402300800U;
    check_receipt(ERR_BAD);
    for (size_t i = 0; i < 3; i++) {
        receipt = good;
        *ids[i] = digest_of(0);
        check_receipt(ERR_BAD);
    }
}
END_TEST

START_TEST(test_release_receipt_every_byte_counts)
{
    struct release_receipt got;
    struct release_receipt *g = &got;
    uint8_t again[512];
    size_t again_size;

    forge_receipt();
    for (size_t i = 0; i < size; i++) {
        ck_assert_int_eq(release_receipt_decode(g, slice_of(bytes, i)),
                         ERR_BAD);
        flip(i);
        if (release_receipt_decode(g, out()) == OK) {
            ck_assert_int_eq(
                release_receipt_encode(g, again, sizeof(again), &again_size),
                OK);
            ck_assert(slice_equal(slice_of(again, again_size), out()));
        }
        flip(i);
    }
    ck_assert_int_eq(release_receipt_encode(&receipt, again, size - 1, &size),
                     ERR_FULL);
    bytes[1] = 2;
    ck_assert_int_eq(release_receipt_decode(g, out()), ERR_UNSUPPORTED);
}
END_TEST

/* The acknowledgement of share |index|, made as its custodian would. */
static void make_ack(uint16_t index)
{
    struct vss_share share;
    struct digest ctx;

    ack = (struct release_acknowledgement){.net = m->net,
                                           .custodian =
                                               m->stewards[(index - 1) % N],
                                           .manifest_hash = manifest_hash,
                                           .share_index = index,
                                           .share_epoch = m->share_epoch};
    vss_deal(&polynomials, index, &share);
    release_acknowledgement_context(&ctx, &ack.net, &ack.manifest_hash, index);
    possession_prove(&ctx, &share, &rng, ack.proof);
}

static int verify_ack(void)
{
    struct release_acknowledgement got;
    const uint8_t *at = (const uint8_t *)&got;
    int rv;

    memset(&got, 0x5a, sizeof(got));
    rv = release_acknowledgement_verify(&got, out(), d.pk, &manifest_hash, m);
    if (rv != OK) {
        ck_assert(at[0] == 0x5a && memcmp(at, at + 1, sizeof(got) - 1) == 0);
        return rv;
    }
    ck_assert(digest_equal(&got.net, &ack.net));
    ck_assert(digest_equal(&got.custodian, &ack.custodian));
    ck_assert(digest_equal(&got.manifest_hash, &ack.manifest_hash));
    ck_assert_uint_eq(got.share_index, ack.share_index);
    ck_assert_uint_eq(got.share_epoch, ack.share_epoch);
    ck_assert_bytes_eq(got.proof, ack.proof, sizeof(got.proof));
    return OK;
}

static int sign_ack(void)
{
    return release_acknowledgement_encode(&ack, &d, bytes, sizeof(bytes),
                                          &size);
}

static int sign_and_verify_ack(void)
{
    ck_assert_int_eq(sign_ack(), OK);
    return verify_ack();
}

/* Every custodian can prove its share, and its words are docs/FORMAT.md's. */
START_TEST(test_release_acknowledgement_round_trip)
{
    struct canon_writer w;
    uint8_t want[512], sig[SIGN_SIZE];
    struct slice written;

    for (uint16_t i = 1; i <= N; i++) {
        make_ack(i);
        ck_assert_int_eq(sign_and_verify_ack(), OK);
    }
    canon_write_init(&w, want, sizeof(want));
    canon_put_array(&w, 8);
    canon_put_uint(&w, 1);
    canon_put_digest(&w, &ack.net);
    canon_put_digest(&w, &ack.custodian);
    canon_put_digest(&w, &ack.manifest_hash);
    canon_put_uint(&w, ack.share_index);
    canon_put_uint(&w, ack.share_epoch);
    canon_put_bin(&w, slice_of(ack.proof, sizeof(ack.proof)));
    sign_make(&d, "custody-ack", &ack.net, slice_of(want, w.size), sig);
    canon_put_bin(&w, slice_of(sig, sizeof(sig)));
    ck_assert_int_eq(canon_write_end(&w, &written), OK);
    ck_assert(slice_equal(written, out()));
}
END_TEST

/* A proof is for one share of one manifest in one network. */
START_TEST(test_release_acknowledgement_proof_binds)
{
    uint8_t proof[POSSESSION_PROOF_SIZE];
    struct digest ctx, other_hash = digest_of(0x44), other_net = digest_of(9);
    struct vss_share share;

    make_ack(2);
    memcpy(proof, ack.proof, sizeof(proof));
    make_ack(3);
    memcpy(ack.proof, proof, sizeof(proof));
    ck_assert_int_eq(sign_and_verify_ack(), ERR_AUTH);

    make_ack(3);
    vss_deal(&polynomials, 3, &share);
    release_acknowledgement_context(&ctx, &ack.net, &other_hash, 3);
    possession_prove(&ctx, &share, &rng, ack.proof);
    ck_assert_int_eq(sign_and_verify_ack(), ERR_AUTH);
    release_acknowledgement_context(&ctx, &other_net, &manifest_hash, 3);
    possession_prove(&ctx, &share, &rng, ack.proof);
    ck_assert_int_eq(sign_and_verify_ack(), ERR_AUTH);
    release_acknowledgement_context(&ctx, &ack.net, &manifest_hash, 4);
    possession_prove(&ctx, &share, &rng, ack.proof);
    ck_assert_int_eq(sign_and_verify_ack(), ERR_AUTH);
    release_acknowledgement_context(&ctx, &ack.net, &manifest_hash, 3);
    share.s.bytes[0] ^= 1;
    possession_prove(&ctx, &share, &rng, ack.proof);
    ck_assert_int_eq(sign_and_verify_ack(), ERR_AUTH);

    make_ack(3);
    vss_polynomials_init(&polynomials, T, &rng);
    vss_commit(&polynomials, m->commitments);
    ck_assert_int_eq(sign_and_verify_ack(), ERR_AUTH);
    make_ack(3);
    ck_assert_int_eq(sign_and_verify_ack(), OK);
    memset(ack.proof + 32, 0xff, 32);
    ck_assert_int_eq(sign_and_verify_ack(), ERR_BAD);
}
END_TEST

/* An acknowledgement that is true of something else is not one of this. */
START_TEST(test_release_acknowledgement_fits)
{
    struct digest mine = manifest_hash;

    make_ack(2);
    ck_assert_int_eq(sign_ack(), OK);
    manifest_hash = digest_of(0x44);
    ck_assert_int_eq(verify_ack(), ERR_MISMATCH);
    manifest_hash = mine;
    m->net = digest_of(9);
    ck_assert_int_eq(verify_ack(), ERR_MISMATCH);
    m->net = ack.net;
    m->share_epoch++;
    ck_assert_int_eq(verify_ack(), ERR_MISMATCH);
    m->share_epoch--;
    m->offline = true;
    ck_assert_int_eq(verify_ack(), ERR_MISMATCH);
    m->offline = false;
    ck_assert_int_eq(verify_ack(), OK);
    ack.custodian = m->stewards[2];
    ck_assert_int_eq(sign_and_verify_ack(), ERR_MISMATCH);
    make_ack(N + 1);
    m->stewards[N] = ack.custodian; /* Behind the last. */
    ck_assert_int_eq(sign_and_verify_ack(), ERR_MISMATCH);
    make_ack(MANIFEST_SHARDS_MAX);
    ck_assert_int_eq(sign_and_verify_ack(), ERR_MISMATCH);
}
END_TEST

/* Only the custodian's own key speaks for it, and for this purpose. */
START_TEST(test_release_acknowledgement_signature)
{
    struct release_acknowledgement got;
    uint8_t sig[SIGN_SIZE];

    make_ack(2);
    ck_assert_int_eq(sign_ack(), OK);
    ck_assert_int_eq(release_acknowledgement_verify(&got, out(), other.pk,
                                                    &manifest_hash, m),
                     ERR_AUTH);
    sign_make(&d, "decision", &ack.net, slice_of(bytes, size - 66), sig);
    memcpy(bytes + size - 64, sig, 64);
    ck_assert_int_eq(verify_ack(), ERR_AUTH);
    sign_make(&d, "custody-ack", &manifest_hash, slice_of(bytes, size - 66),
              sig);
    memcpy(bytes + size - 64, sig, 64);
    ck_assert_int_eq(verify_ack(), ERR_AUTH);
}
END_TEST

START_TEST(test_release_acknowledgement_bounds)
{
    struct release_acknowledgement good;
    struct digest *const ids[] = {&ack.net, &ack.custodian, &ack.manifest_hash};

    make_ack(2);
    good = ack;
    for (size_t i = 0; i < 3; i++) {
        *ids[i] = digest_of(0);
        ck_assert_int_eq(sign_ack(), ERR_BAD);
        ack = good;
    }
    ack.share_index = 0;
    ck_assert_int_eq(sign_ack(), ERR_BAD);
    ack.share_index = MANIFEST_SHARDS_MAX + 1;
    ck_assert_int_eq(sign_ack(), ERR_BAD);
    ack = good;
    ck_assert_int_eq(sign_ack(), OK);
    ck_assert_int_eq(
        release_acknowledgement_encode(&ack, &d, bytes, size - 1, &size),
        ERR_FULL);
    bytes[1 + 1 + 34 + 34 + 34] = 0;
    ck_assert_int_eq(verify_ack(), ERR_BAD);
    bytes[1 + 1 + 34 + 34 + 34] = MANIFEST_SHARDS_MAX + 1;
    ck_assert_int_eq(verify_ack(), ERR_BAD);
    bytes[1 + 1 + 34 + 34 + 34] = 2;
    bytes[1] = 2;
    ck_assert_int_eq(verify_ack(), ERR_UNSUPPORTED);
}
END_TEST

START_TEST(test_release_acknowledgement_every_byte_counts)
{
    struct release_acknowledgement got;

    make_ack(2);
    ck_assert_int_eq(sign_ack(), OK);
    for (size_t i = 0; i < size; i++) {
        ck_assert_int_eq(release_acknowledgement_verify(
                             &got, slice_of(bytes, i), d.pk, &manifest_hash, m),
                         ERR_BAD);
        flip(i);
        ck_assert_int_ne(verify_ack(), OK);
        flip(i);
    }
    ck_assert_int_eq(verify_ack(), OK);
    size++;
    ck_assert_int_eq(verify_ack(), ERR_BAD);
}
END_TEST

static int encode_decision(void)
{
    return release_decision_encode(&decision, &d, bytes, sizeof(bytes), &size);
}

static int verify_decision(struct release_decision *got)
{
    const uint8_t *at = (const uint8_t *)got;
    int rv;

    memset(got, 0x5a, sizeof(*got));
    rv = release_decision_verify(got, out(), d.pk);
    if (rv != OK) {
        ck_assert(at[0] == 0x5a && memcmp(at, at + 1, sizeof(*got) - 1) == 0);
    }
    return rv;
}

/* What a test writes as decision, sound or not, with this signature. */
static void forge_decision(const char *dst)
{
    const struct release_decision *e = &decision;
    struct canon_writer w;
    uint8_t sig[SIGN_SIZE] = {0};
    struct slice written;

    canon_write_init(&w, bytes, sizeof(bytes));
    canon_put_array(&w, 10);
    canon_put_uint(&w, 1);
    canon_put_digest(&w, &e->net);
    canon_put_digest(&w, &e->release_id);
    canon_put_digest(&w, &e->manifest_hash);
    canon_put_digest(&w, &e->custodian);
    canon_put_uint(&w, e->share_index);
    canon_put_uint(&w, e->share_epoch);
    canon_put_digest(&w, &e->envelope_hash);
    canon_put_uint(&w, e->time_s);
    sign_make(&d, dst, &e->net, slice_of(bytes, w.size), sig);
    canon_put_bin(&w, slice_of(sig, sizeof(sig)));
    ck_assert_int_eq(canon_write_end(&w, &written), OK);
    size = written.size;
}

START_TEST(test_release_decision_round_trip)
{
    struct release_decision got;
    uint8_t want[512];
    size_t want_size;

    decision.share_epoch = UINT64_MAX;
    decision.share_index = MANIFEST_SHARDS_MAX;
    decision.time_s = 253402300799U;
    forge_decision("decision");
    memcpy(want, bytes, size);
    want_size = size;
    ck_assert_int_eq(encode_decision(), OK);
    ck_assert(slice_equal(out(), slice_of(want, want_size)));
    ck_assert_int_eq(verify_decision(&got), OK);
    ck_assert(digest_equal(&got.net, &decision.net));
    ck_assert(digest_equal(&got.release_id, &decision.release_id));
    ck_assert(digest_equal(&got.manifest_hash, &decision.manifest_hash));
    ck_assert(digest_equal(&got.custodian, &decision.custodian));
    ck_assert(digest_equal(&got.envelope_hash, &decision.envelope_hash));
    ck_assert_uint_eq(got.share_index, decision.share_index);
    ck_assert_uint_eq(got.share_epoch, decision.share_epoch);
    ck_assert_uint_eq(got.time_s, decision.time_s);
}
END_TEST

/* Each field is under the signature: with any of them changed, the signature
 * of the decision that was made is worth nothing. */
START_TEST(test_release_decision_fields_are_signed)
{
    const struct release_decision good = decision;
    struct release_decision got;
    uint8_t sig[SIGN_SIZE];

    ck_assert_int_eq(encode_decision(), OK);
    memcpy(sig, bytes + size - 64, 64);
    for (int i = 0; i < 8; i++) {
        decision = good;
        switch (i) {
        case 0:
            decision.net = digest_of(0x70);
            break;
        case 1:
            decision.release_id = digest_of(0x70);
            break;
        case 2:
            decision.manifest_hash = digest_of(0x70);
            break;
        case 3:
            decision.custodian = digest_of(0x70);
            break;
        case 4:
            decision.envelope_hash = digest_of(0x70);
            break;
        case 5:
            decision.share_index++;
            break;
        case 6:
            decision.share_epoch++;
            break;
        default:
            decision.time_s++;
            break;
        }
        ck_assert_int_eq(encode_decision(), OK);
        ck_assert_int_eq(verify_decision(&got), OK);
        memcpy(bytes + size - 64, sig, 64);
        ck_assert_int_eq(verify_decision(&got), ERR_AUTH);
    }
    decision = good;
    forge_decision("custody-ack");
    ck_assert_int_eq(verify_decision(&got), ERR_AUTH);
    ck_assert_int_eq(encode_decision(), OK);
    ck_assert_int_eq(release_decision_verify(&got, out(), other.pk), ERR_AUTH);
}
END_TEST

START_TEST(test_release_decision_every_byte_counts)
{
    struct release_decision got;
    struct digest hash, changed;

    ck_assert_int_eq(encode_decision(), OK);
    release_decision_hash(&hash, out());
    for (size_t i = 0; i < size; i++) {
        ck_assert_int_eq(
            release_decision_verify(&got, slice_of(bytes, i), d.pk), ERR_BAD);
        flip(i);
        ck_assert_int_ne(verify_decision(&got), OK);
        release_decision_hash(&changed, out());
        ck_assert(!digest_equal(&hash, &changed));
        flip(i);
    }
    size++;
    ck_assert_int_eq(verify_decision(&got), ERR_BAD);
}
END_TEST

START_TEST(test_release_decision_bounds)
{
    const struct release_decision good = decision;
    struct release_decision got;
    struct digest *const ids[] = {&decision.net, &decision.release_id,
                                  &decision.manifest_hash, &decision.custodian,
                                  &decision.envelope_hash};

    for (size_t i = 0; i < 8; i++) {
        decision = good;
        if (i < 5) {
            *ids[i] = digest_of(0);
        } else if (i == 5) {
            decision.share_index = 0;
        } else if (i == 6) {
            decision.share_index = MANIFEST_SHARDS_MAX + 1;
        } else {
            decision.time_s = 253402300800U;
        }
        ck_assert_int_eq(encode_decision(), ERR_BAD);
        forge_decision("decision");
        ck_assert_int_eq(verify_decision(&got), ERR_BAD);
    }
    decision = good;
    ck_assert_int_eq(encode_decision(), OK);
    bytes[1] = 2;
    ck_assert_int_eq(verify_decision(&got), ERR_UNSUPPORTED);
    ck_assert_int_eq(
        release_decision_encode(&decision, &d, bytes, size - 1, &size),
        ERR_FULL);
}
END_TEST

/* A holding names one decision. */
START_TEST(test_release_holding)
{
    struct digest hash = digest_of(7), zero = digest_of(0), got = zero;

    ck_assert_int_eq(release_holding_encode(&hash, bytes, 36, &size), OK);
    ck_assert_uint_eq(size, 36);
    for (size_t i = 0; i < size; i++) {
        ck_assert_int_eq(release_holding_decode(&got, slice_of(bytes, i)),
                         ERR_BAD);
        flip(i);
        if (release_holding_decode(&got, out()) == OK) {
            ck_assert(!digest_equal(&got, &hash));
            got = zero;
        }
        flip(i);
    }
    bytes[1] = 2;
    ck_assert_int_eq(release_holding_decode(&got, out()), ERR_UNSUPPORTED);
    bytes[1] = 1;
    ck_assert(digest_is_zero(&got));
    ck_assert_int_eq(release_holding_decode(&got, out()), OK);
    ck_assert(digest_equal(&got, &hash));
    memset(bytes + 4, 0, 32);
    ck_assert_int_eq(release_holding_decode(&got, out()), ERR_BAD);
    ck_assert_int_eq(release_holding_encode(&zero, bytes, 36, &size), ERR_BAD);
    ck_assert_int_eq(release_holding_encode(&hash, bytes, 35, &size), ERR_FULL);
}
END_TEST

/* Every context is its own hash of typed parts, as docs/FORMAT.md has them. */
START_TEST(test_release_contexts)
{
    const struct digest a = digest_of(1), b = digest_of(2);
    const uint8_t index[2] = {3, 1}, epoch[8] = {4, 0, 0, 0, 0, 0, 0, 5};
    const uint16_t i = 0x0103;
    const uint64_t e = 0x0500000000000004U;
    struct digest got, want;

    release_acknowledgement_context(&got, &a, &b, i);
    TH256(&want, "deal-ack", digest_slice(&a), digest_slice(&b),
          slice_of(index, 2));
    ck_assert(digest_equal(&got, &want));
    release_deal_info(&got, &a, &b, i, e);
    TH256(&want, "deal-env", digest_slice(&a), digest_slice(&b),
          slice_of(index, 2), slice_of(epoch, 8));
    ck_assert(digest_equal(&got, &want));
    release_envelope_info(&got, &a, &b, i, e);
    TH256(&want, "release-env", digest_slice(&a), digest_slice(&b),
          slice_of(index, 2), slice_of(epoch, 8));
    ck_assert(digest_equal(&got, &want));
    release_psk(&got, a.bytes, &b);
    TH256(&want, "release-psk", digest_slice(&a), digest_slice(&b));
    ck_assert(digest_equal(&got, &want));
    release_id(&got, slice_str("abc"));
    TH256(&want, "release-id", slice_str("abc"));
    ck_assert(digest_equal(&got, &want));
    release_decision_hash(&got, slice_str("abc"));
    TH256(&want, "decision", slice_str("abc"));
    ck_assert(digest_equal(&got, &want));
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("release");
    TCase *request = tcase_create("request");
    TCase *custody = tcase_create("custody");

    tcase_add_checked_fixture(request, start, NULL);
    tcase_set_timeout(request, 60);
    tcase_add_test(request, test_release_request_round_trip);
    tcase_add_test(request, test_release_request_texts);
    tcase_add_test(request, test_release_request_times);
    tcase_add_test(request, test_release_request_zeros);
    tcase_add_test(request, test_release_request_shape);
    tcase_add_test(request, test_release_request_every_byte_counts);
    tcase_add_test(request, test_release_render);
    tcase_add_test(request, test_release_render_bounds);
    tcase_add_test(request, test_release_render_shows_tricks);
    tcase_add_test(request, test_release_render_dates);
    tcase_add_test(request, test_release_render_refuses);
    tcase_add_test(request, test_release_approval);
    suite_add_tcase(s, request);

    tcase_add_checked_fixture(custody, start, NULL);
    tcase_set_timeout(custody, 60);
    tcase_add_test(custody, test_release_receipt);
    tcase_add_test(custody, test_release_receipt_every_byte_counts);
    tcase_add_test(custody, test_release_acknowledgement_round_trip);
    tcase_add_test(custody, test_release_acknowledgement_proof_binds);
    tcase_add_test(custody, test_release_acknowledgement_fits);
    tcase_add_test(custody, test_release_acknowledgement_signature);
    tcase_add_test(custody, test_release_acknowledgement_bounds);
    tcase_add_test(custody, test_release_acknowledgement_every_byte_counts);
    tcase_add_test(custody, test_release_decision_round_trip);
    tcase_add_test(custody, test_release_decision_fields_are_signed);
    tcase_add_test(custody, test_release_decision_every_byte_counts);
    tcase_add_test(custody, test_release_decision_bounds);
    tcase_add_test(custody, test_release_holding);
    tcase_add_test(custody, test_release_contexts);
    suite_add_tcase(s, custody);
    return s;
}
