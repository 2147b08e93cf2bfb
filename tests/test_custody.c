#include <signal.h>

#include "protocol/canon.h"
#include "protocol/custody.h"
#include "tests/suite.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static const enum custody_type types[] = {
    CUSTODY_HELLO,   CUSTODY_DEAL,   CUSTODY_RELEASE,
    CUSTODY_SELF,    CUSTODY_ACK,    CUSTODY_ENVELOPE,
    CUSTODY_DECIDED, CUSTODY_HANDED, CUSTODY_REFUSED,
};

/* Longer than anything may be. */
static uint8_t fill[FEED_ENTRY_MAX + 1];

static struct custody made, got;
static uint8_t wire[CUSTODY_SIZE_MAX + 4096];
static size_t wire_size;

static struct digest digest_of(uint8_t v)
{
    struct digest d;

    memset(&d, v, sizeof(d));
    return d;
}

static struct slice filled(size_t size)
{
    return slice_of(fill, size);
}

/* The plainest of |type|. */
static void make(enum custody_type type)
{
    memset(&made, 0, sizeof(made));
    made.type = type;
    switch (type) {
    case CUSTODY_HELLO:
        made.u.hello.net = digest_of(0xa1);
        made.u.hello.charter_hash = digest_of(0xa2);
        break;
    case CUSTODY_DEAL:
        made.u.deal.manifest = slice_str("entry");
        made.u.deal.share_index = 1;
        made.u.deal.envelope = slice_str("envelope");
        break;
    case CUSTODY_RELEASE:
        made.u.release.request = slice_str("request");
        made.u.release.approvals[0] = slice_str("one");
        made.u.release.approvals[1] = slice_str("two");
        made.u.release.approvals_len = 2;
        break;
    case CUSTODY_ENVELOPE:
        made.u.envelope.release_id = digest_of(0xb1);
        made.u.envelope.holding = slice_str("entry");
        break;
    case CUSTODY_SELF:
        made.u.self.net = digest_of(0xa1);
        made.u.self.charter_hash = digest_of(0xa2);
        made.u.self.steward = digest_of(0xa3);
        made.u.self.shares = 300;
        break;
    case CUSTODY_ACK:
        made.u.ack = slice_str("ack");
        break;
    case CUSTODY_DECIDED:
        made.u.decision = slice_str("decision");
        break;
    case CUSTODY_HANDED:
        made.u.handed = filled(RELEASE_ENVELOPE_SIZE);
        break;
    case CUSTODY_REFUSED:
        made.u.refused.status = ERR_DENIED;
        memcpy(made.u.refused.text, "no", 3);
        break;
    }
}

static int encode(void)
{
    return custody_encode(&made, wire, sizeof(wire), &wire_size);
}

static int decode(void)
{
    return custody_decode(&got, slice_of(wire, wire_size));
}

/* Through the wire and back to the same bytes. */
static void check(void)
{
    static uint8_t again[CUSTODY_SIZE_MAX];
    size_t size = 0;

    ck_assert_int_eq(encode(), OK);
    ck_assert_int_eq(decode(), OK);
    ck_assert_int_eq(got.type, made.type);
    ck_assert_int_eq(custody_encode(&got, again, sizeof(again), &size), OK);
    ck_assert(slice_equal(slice_of(again, size), slice_of(wire, wire_size)));
}

/* The plain message of |type| with its item |at| replaced by |raw|; the type
 * is item 0. */
static int decode_with(enum custody_type type, uint32_t at, struct slice raw)
{
    static uint8_t plain[4096];
    struct canon_reader r;
    struct canon_writer w;
    struct slice out;
    uint32_t items;
    size_t size = 0;

    make(type);
    ck_assert_int_eq(custody_encode(&made, plain, sizeof(plain), &size), OK);
    canon_read_init(&r, slice_of(plain, size));
    items = canon_array_between(&r, 2, 15);
    ck_assert_uint_lt(at, items);
    canon_write_init(&w, wire, sizeof(wire));
    canon_put_array(&w, items);
    for (uint32_t i = 0; i < items; i++) {
        struct slice item = canon_any(&r);

        canon_put_raw(&w, i == at ? raw : item);
    }
    ck_assert_int_eq(canon_write_end(&w, &out), OK);
    wire_size = out.size;
    return decode();
}

static int decode_with_uint(enum custody_type type, uint32_t at, uint64_t v)
{
    uint8_t raw[16];
    struct canon_writer w;

    canon_write_init(&w, raw, sizeof(raw));
    canon_put_uint(&w, v);
    return decode_with(type, at, slice_of(raw, w.size));
}

static int decode_with_bin(enum custody_type type, uint32_t at, size_t size)
{
    static uint8_t raw[sizeof(fill) + 8];
    struct canon_writer w;

    canon_write_init(&w, raw, sizeof(raw));
    canon_put_bin(&w, filled(size));
    return decode_with(type, at, slice_of(raw, w.size));
}

static void start(void)
{
    memset(fill, 0x5a, sizeof(fill));
    memset(&got, 0x77, sizeof(got));
}

/* Loop: every type. */
START_TEST(test_custody_round_trip)
{
    make(types[_i]);
    check();
}
END_TEST

/* What arrives is what was meant. */
START_TEST(test_custody_fields)
{
    make(CUSTODY_DEAL);
    made.u.deal.share_index = 64;
    made.u.deal.share_epoch = UINT64_MAX;
    check();
    ck_assert_uint_eq(got.u.deal.share_index, 64);
    ck_assert_uint_eq(got.u.deal.share_epoch, UINT64_MAX);
    ck_assert(slice_equal(got.u.deal.manifest, slice_str("entry")));
    ck_assert(slice_equal(got.u.deal.envelope, slice_str("envelope")));
    make(CUSTODY_RELEASE);
    check();
    ck_assert_uint_eq(got.u.release.approvals_len, 2);
    ck_assert(slice_equal(got.u.release.approvals[1], slice_str("two")));
    make(CUSTODY_SELF);
    made.u.self.decisions = UINT64_MAX;
    check();
    ck_assert_mem_eq(&got.u.self, &made.u.self, sizeof(got.u.self));
    make(CUSTODY_REFUSED);
    check();
    ck_assert_int_eq(got.u.refused.status, ERR_DENIED);
    ck_assert_str_eq(got.u.refused.text, "no");
}
END_TEST

/* The bytes of docs/PROTOCOL.md 10. */
START_TEST(test_custody_examples)
{
    uint8_t want[128];

    make(CUSTODY_REFUSED);
    ck_assert_int_eq(encode(), OK);
    hex_read("931409a26e6f", want, 6);
    ck_assert_uint_eq(wire_size, 6);
    ck_assert_mem_eq(wire, want, 6);
    make(CUSTODY_RELEASE);
    made.u.release.request = slice_str("R");
    made.u.release.approvals[0] = slice_str("S");
    made.u.release.approvals_len = 1;
    ck_assert_int_eq(encode(), OK);
    hex_read("9303c4015291c40153", want, 9);
    ck_assert_uint_eq(wire_size, 9);
    ck_assert_mem_eq(wire, want, 9);
}
END_TEST

/* Loop: every type, cut off at every byte or with one more. */
START_TEST(test_custody_truncated)
{
    make(types[_i]);
    ck_assert_int_eq(encode(), OK);
    for (size_t size = wire_size - 1; size < wire_size; size--) {
        ck_assert_int_eq(custody_decode(&got, slice_of(wire, size)), ERR_BAD);
    }
    wire[wire_size++] = 0;
    ck_assert_int_eq(decode(), ERR_BAD);
    /* And nothing was written. */
    ck_assert_int_eq(((const uint8_t *)&got)[sizeof(got) - 1], 0x77);
    ck_assert_int_eq((int)got.type, 0x77777777);
}
END_TEST

/* Loop: every type, with an item too many or too few. */
START_TEST(test_custody_items)
{
    make(types[_i]);
    ck_assert_int_eq(encode(), OK);
    wire[0]++;
    ck_assert_int_eq(decode(), ERR_BAD);
    wire[wire_size++] = 0;
    ck_assert_int_eq(decode(), ERR_BAD);
    wire_size--;
    wire[0] = (uint8_t)(wire[0] - 2);
    ck_assert_int_eq(decode(), ERR_BAD);
}
END_TEST

/* A type without a meaning is told apart from what is malformed. */
START_TEST(test_custody_unknown_type)
{
    static const uint8_t unknown[] = {0, 5, 9, 14, 15, 19, 21, 127};
    uint8_t bytes[] = {0x91, 0};

    for (size_t i = 0; i < sizeof(unknown); i++) {
        bytes[1] = unknown[i];
        ck_assert_int_eq(custody_decode(&got, slice_of(bytes, 2)),
                         ERR_UNSUPPORTED);
    }
    bytes[0] = 0x90;
    ck_assert_int_eq(custody_decode(&got, slice_of(bytes, 1)), ERR_BAD);
    ck_assert_int_eq(custody_decode(&got, slice_of(bytes, 0)), ERR_BAD);
}
END_TEST

/* Ids are not zero. */
START_TEST(test_custody_zeros)
{
    static const struct {
        enum custody_type type;
        uint32_t at;
    } ids[] = {{CUSTODY_HELLO, 1}, {CUSTODY_HELLO, 2}, {CUSTODY_ENVELOPE, 1},
               {CUSTODY_SELF, 1},  {CUSTODY_SELF, 2},  {CUSTODY_SELF, 3}};

    for (size_t i = 0; i < LEN(ids); i++) {
        ck_assert_int_eq(decode_with_bin(ids[i].type, ids[i].at, 32), OK);
        ck_assert_int_eq(decode_with_bin(ids[i].type, ids[i].at, 31), ERR_BAD);
        memset(fill, 0, 32);
        ck_assert_int_eq(decode_with_bin(ids[i].type, ids[i].at, 32), ERR_BAD);
        memset(fill, 0x5a, 32);
    }
}
END_TEST

/* Byte strings, at both of their bounds and beyond. */
START_TEST(test_custody_sizes)
{
    static const struct {
        enum custody_type type;
        uint32_t at;
        size_t min, max;
    } bins[] = {
        {CUSTODY_DEAL, 1, 1, FEED_ENTRY_MAX},
        {CUSTODY_DEAL, 4, 1, MESSAGE_ENVELOPE_MAX},
        {CUSTODY_RELEASE, 1, 1, RELEASE_REQUEST_MAX},
        {CUSTODY_ENVELOPE, 2, 1, FEED_ENTRY_MAX},
        {CUSTODY_ACK, 1, 1, RELEASE_PAYLOAD_MAX},
        {CUSTODY_DECIDED, 1, 1, RELEASE_PAYLOAD_MAX},
        {CUSTODY_HANDED, 1, RELEASE_ENVELOPE_SIZE, RELEASE_ENVELOPE_SIZE},
    };

    for (size_t i = 0; i < LEN(bins); i++) {
        enum custody_type type = bins[i].type;
        uint32_t at = bins[i].at;

        ck_assert_int_eq(decode_with_bin(type, at, bins[i].min), OK);
        ck_assert_int_eq(decode_with_bin(type, at, bins[i].max), OK);
        ck_assert_int_eq(decode_with_bin(type, at, bins[i].min - 1), ERR_BAD);
        ck_assert_int_eq(decode_with_bin(type, at, bins[i].max + 1), ERR_BAD);
    }
}
END_TEST

/* Numbers: indices of shares, and errors. */
START_TEST(test_custody_numbers)
{
    ck_assert_int_eq(decode_with_uint(CUSTODY_DEAL, 2, 0), ERR_BAD);
    ck_assert_int_eq(decode_with_uint(CUSTODY_DEAL, 2, 64), OK);
    ck_assert_int_eq(decode_with_uint(CUSTODY_DEAL, 2, 65), ERR_BAD);
    ck_assert_int_eq(decode_with_uint(CUSTODY_DEAL, 2, 65537), ERR_BAD);
    ck_assert_int_eq(decode_with_uint(CUSTODY_REFUSED, 1, 0), ERR_BAD);
    ck_assert_int_eq(decode_with_uint(CUSTODY_REFUSED, 1, 1), OK);
    ck_assert_int_eq(decode_with_uint(CUSTODY_REFUSED, 1, 64), OK);
    ck_assert_int_eq(decode_with_uint(CUSTODY_REFUSED, 1, 65), ERR_BAD);
}
END_TEST

/* Why not: any words of bounded length that cannot disturb a terminal. */
START_TEST(test_custody_refused_text)
{
    make(CUSTODY_REFUSED);
    memset(made.u.refused.text, 'x', MESSAGE_TEXT_MAX);
    check();
    made.u.refused.text[0] = '\0';
    check();
    ck_assert_int_eq(decode_with(CUSTODY_REFUSED, 2,
                                 slice_str("\xa4"
                                           "a\nbc")),
                     ERR_BAD);
    ck_assert_int_eq(decode_with(CUSTODY_REFUSED, 2, slice_str("\xa1\xff")),
                     ERR_BAD);
}
END_TEST

/* As many approvals as there can be members, as long as they can be. */
START_TEST(test_custody_approvals)
{
    make(CUSTODY_RELEASE);
    made.u.release.approvals_len = 0;
    check();
    for (size_t i = 0; i < CUSTODY_APPROVALS_MAX; i++) {
        made.u.release.approvals[i] = filled(CUSTODY_SSHSIG_MAX);
    }
    made.u.release.request = filled(RELEASE_REQUEST_MAX);
    made.u.release.approvals_len = CUSTODY_APPROVALS_MAX;
    check();
    ck_assert_uint_eq(got.u.release.approvals_len, CUSTODY_APPROVALS_MAX);
}
END_TEST

/* The same, and one more of them, or longer, or empty. */
START_TEST(test_custody_approvals_beyond)
{
    const size_t sizes[] = {0, 1, CUSTODY_SSHSIG_MAX, CUSTODY_SSHSIG_MAX + 1};
    static uint8_t raw[4096];
    struct canon_writer w;

    for (size_t i = 0; i < LEN(sizes); i++) {
        canon_write_init(&w, raw, sizeof(raw));
        canon_put_array(&w, 1);
        canon_put_bin(&w, filled(sizes[i]));
        ck_assert_int_eq(decode_with(CUSTODY_RELEASE, 2, slice_of(raw, w.size)),
                         i == 1 || i == 2 ? OK : ERR_BAD);
    }
    canon_write_init(&w, raw, sizeof(raw));
    canon_put_array(&w, CUSTODY_APPROVALS_MAX + 1);
    for (size_t i = 0; i <= CUSTODY_APPROVALS_MAX; i++) {
        canon_put_bin(&w, filled(1));
    }
    ck_assert_int_eq(decode_with(CUSTODY_RELEASE, 2, slice_of(raw, w.size)),
                     ERR_BAD);
}
END_TEST

/* Nothing longer than the bound is looked at; nothing is written beyond. */
START_TEST(test_custody_bounds)
{
    size_t need;

    make(CUSTODY_DEAL);
    ck_assert_int_eq(encode(), OK);
    need = wire_size;
    ck_assert_int_eq(custody_encode(&made, wire, need - 1, &wire_size),
                     ERR_FULL);
    ck_assert_uint_eq(wire_size, need);
    ck_assert_int_eq(custody_encode(&made, wire, need, &wire_size), OK);
    wire_size = CUSTODY_SIZE_MAX + 1;
    ck_assert_int_eq(decode(), ERR_BAD);
}
END_TEST

/* Loop: what we would say wrongly is our own mistake. */
START_TEST(test_custody_own_fields)
{
    make(types[_i]);
    switch (types[_i]) {
    case CUSTODY_HELLO:
        made.u.hello.net = digest_of(0);
        break;
    case CUSTODY_DEAL:
        made.u.deal.share_index = 0;
        break;
    case CUSTODY_RELEASE:
        made.u.release.approvals[1].size = 0;
        break;
    case CUSTODY_ENVELOPE:
        made.u.envelope.holding.size = 0;
        break;
    case CUSTODY_SELF:
        made.u.self.steward = digest_of(0);
        break;
    case CUSTODY_ACK:
        made.u.ack = filled(RELEASE_PAYLOAD_MAX + 1);
        break;
    case CUSTODY_DECIDED:
        made.u.decision.size = 0;
        break;
    case CUSTODY_HANDED:
        made.u.handed.size--;
        break;
    case CUSTODY_REFUSED:
        made.u.refused.status = OK;
        break;
    }
    (void)encode();
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("custody");
    TCase *tc = tcase_create("custody");
    const int n = (int)LEN(types);

    tcase_add_checked_fixture(tc, start, NULL);
    tcase_add_loop_test(tc, test_custody_round_trip, 0, n);
    tcase_add_test(tc, test_custody_fields);
    tcase_add_test(tc, test_custody_examples);
    tcase_add_loop_test(tc, test_custody_truncated, 0, n);
    tcase_add_loop_test(tc, test_custody_items, 0, n);
    tcase_add_test(tc, test_custody_unknown_type);
    tcase_add_test(tc, test_custody_zeros);
    tcase_add_test(tc, test_custody_sizes);
    tcase_add_test(tc, test_custody_numbers);
    tcase_add_test(tc, test_custody_refused_text);
    tcase_add_test(tc, test_custody_approvals);
    tcase_add_test(tc, test_custody_approvals_beyond);
    tcase_add_test(tc, test_custody_bounds);
    tcase_add_loop_test_raise_signal(tc, test_custody_own_fields, SIGABRT, 0,
                                     n);
    suite_add_tcase(s, tc);
    return s;
}
