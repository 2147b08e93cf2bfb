#include "protocol/canon.h"
#include "protocol/transport_cert.h"
#include "tests/suite.h"

#define BEGIN 1800000000U
#define DAY   86400U

static struct sign_key node, other;
static struct transport_cert member, recipient, got;
static uint8_t bytes[TRANSPORT_CERT_MAX + 1];
static size_t size;

static void start(void)
{
    const uint8_t seed[SIGN_SEED_SIZE] = {1}, seed2[SIGN_SEED_SIZE] = {2};

    sign_key_from_seed(&node, seed);
    sign_key_from_seed(&other, seed2);
    memset(&member, 0, sizeof(member));
    member.type = TRANSPORT_MEMBER;
    memset(&member.net, 0x11, sizeof(member.net));
    memset(member.transport_pk, 0x22, sizeof(member.transport_pk));
    memset(&member.id, 0x33, sizeof(member.id));
    member.not_before_s = BEGIN;
    member.not_after_s = BEGIN + 7 * DAY;
    memset(&recipient, 0, sizeof(recipient));
    recipient.type = TRANSPORT_RECIPIENT;
    recipient.net = member.net;
    memset(recipient.transport_pk, 0x44, sizeof(recipient.transport_pk));
    memset(&recipient.release_id, 0x55, sizeof(recipient.release_id));
    memset(bytes, 0, sizeof(bytes));
    memset(&got, 0x5a, sizeof(got));
    size = 0;
}

static int encode(const struct transport_cert *c)
{
    return transport_cert_encode(c, c->type == TRANSPORT_MEMBER ? &node : NULL,
                                 bytes, sizeof(bytes), &size);
}

static struct slice cert(void)
{
    return slice_of(bytes, size);
}

static int decode(void)
{
    return transport_cert_decode(&got, cert());
}

static void assert_untouched(void)
{
    const uint8_t *at = (const uint8_t *)&got;

    ck_assert(at[0] == 0x5a && memcmp(at, at + 1, sizeof(got) - 1) == 0);
}

/* A member's certificate, as docs/PROTOCOL.md has it, unless a test says
 * otherwise. */
static void forge(uint32_t items, uint64_t version, uint64_t type)
{
    const struct transport_cert *c = &member;
    struct canon_writer w;
    uint8_t sig[SIGN_SIZE];
    struct slice out;

    canon_write_init(&w, bytes, sizeof(bytes));
    canon_put_array(&w, items);
    canon_put_uint(&w, version);
    canon_put_uint(&w, type);
    canon_put_digest(&w, &c->net);
    canon_put_bin(&w, slice_of(c->transport_pk, 32));
    canon_put_digest(&w, &c->id);
    canon_put_uint(&w, c->not_before_s);
    canon_put_uint(&w, c->not_after_s);
    sign_make(&node, "transport-cert", &c->net, slice_of(bytes, w.size), sig);
    canon_put_bin(&w, slice_of(sig, sizeof(sig)));
    for (uint32_t i = 8; i < items; i++) {
        canon_put_uint(&w, 0);
    }
    ck_assert_int_eq(canon_write_end(&w, &out), OK);
    size = out.size;
}

/* A member's certificate is what docs/PROTOCOL.md lists, and is read back. */
START_TEST(test_transport_cert_member)
{
    uint8_t want[TRANSPORT_CERT_MAX];
    size_t want_size;

    forge(8, 1, 1);
    memcpy(want, bytes, size);
    want_size = size;
    ck_assert_int_eq(encode(&member), OK);
    ck_assert(slice_equal(cert(), slice_of(want, want_size)));
    ck_assert_int_eq(decode(), OK);
    ck_assert_mem_eq(&got, &member, sizeof(got));
    ck_assert_int_eq(transport_cert_verify(cert(), node.pk), OK);
    ck_assert_int_eq(transport_cert_verify(cert(), other.pk), ERR_AUTH);
}
END_TEST

/* A recipient says for which release it comes, and nobody vouches for it. */
START_TEST(test_transport_cert_recipient)
{
    ck_assert_int_eq(encode(&recipient), OK);
    ck_assert_int_eq(decode(), OK);
    ck_assert_mem_eq(&got, &recipient, sizeof(got));
    ck_assert_int_eq(transport_cert_verify(cert(), node.pk), ERR_AUTH);
    ck_assert(!transport_cert_is_current(&got, 0));
    ck_assert(!transport_cert_is_current(&got, BEGIN));
}
END_TEST

/* Encoder and decoder agree on what is out of bounds. */
static void check_bad(void)
{
    ck_assert_int_eq(encode(&member), ERR_BAD);
    forge(8, 1, 1);
    ck_assert_int_eq(decode(), ERR_BAD);
    ck_assert_int_eq(transport_cert_verify(cert(), node.pk), ERR_BAD);
    assert_untouched();
}

/* A month at most, a second at least. */
START_TEST(test_transport_cert_days)
{
    member.not_after_s = BEGIN + TRANSPORT_CERT_DAYS * DAY;
    ck_assert_int_eq(encode(&member), OK);
    ck_assert_int_eq(decode(), OK);
    memset(&got, 0x5a, sizeof(got));
    member.not_after_s++;
    check_bad();
    member.not_after_s = BEGIN;
    check_bad();
    member.not_after_s = BEGIN - 1;
    check_bad();
    member.not_after_s = BEGIN + 1;
    ck_assert_int_eq(encode(&member), OK);
    member.not_after_s = 253402300799U;
    member.not_before_s = member.not_after_s - 1;
    ck_assert_int_eq(encode(&member), OK);
    member.not_after_s++;
    check_bad();
    member.not_after_s = UINT64_MAX;
    member.not_before_s = UINT64_MAX - 1;
    check_bad();
}
END_TEST

/* No network, key, id or release is zero. */
START_TEST(test_transport_cert_zeros)
{
    struct transport_cert good = member;

    memset(&member.net, 0, sizeof(member.net));
    check_bad();
    member = good;
    memset(member.transport_pk, 0, sizeof(member.transport_pk));
    check_bad();
    member = good;
    memset(&member.id, 0, sizeof(member.id));
    check_bad();

    ck_assert_int_eq(encode(&recipient), OK);
    memset(bytes + size - 32, 0, 32);
    ck_assert_int_eq(decode(), ERR_BAD);
    memset(&recipient.release_id, 0, sizeof(recipient.release_id));
    ck_assert_int_eq(encode(&recipient), ERR_BAD);
    assert_untouched();
}
END_TEST

/* Versions and types without a meaning are not guessed at. */
START_TEST(test_transport_cert_unknown)
{
    forge(8, 2, 1);
    ck_assert_int_eq(decode(), ERR_UNSUPPORTED);
    forge(20, 2, 1);
    ck_assert_int_eq(decode(), ERR_UNSUPPORTED);
    forge(8, 1, 0);
    ck_assert_int_eq(decode(), ERR_UNSUPPORTED);
    forge(8, 1, 3);
    ck_assert_int_eq(decode(), ERR_UNSUPPORTED);
    forge(8, 1, 2);
    ck_assert_int_eq(decode(), ERR_BAD);
    forge(9, 1, 1);
    ck_assert_int_eq(decode(), ERR_BAD);
    size = TRANSPORT_CERT_MAX + 1;
    ck_assert_int_eq(decode(), ERR_BAD);
    assert_untouched();
}
END_TEST

/* The signature is over everything before it, in its own network. */
START_TEST(test_transport_cert_every_byte_counts)
{
    ck_assert_int_eq(encode(&member), OK);
    for (size_t i = 0; i < size; i++) {
        ck_assert_int_eq(transport_cert_decode(&got, slice_of(bytes, i)),
                         ERR_BAD);
        ck_assert_int_eq(transport_cert_verify(slice_of(bytes, i), node.pk),
                         ERR_BAD);
    }
    assert_untouched();
    for (size_t bit = 0; bit < 8 * size; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1U << (bit % 8));
        ck_assert_int_ne(transport_cert_verify(cert(), node.pk), OK);
        bytes[bit / 8] ^= (uint8_t)(1U << (bit % 8));
    }
    size++;
    ck_assert_int_eq(decode(), ERR_BAD);
}
END_TEST

/* What another of our programs signed with the same key is no certificate. */
START_TEST(test_transport_cert_other_signature)
{
    uint8_t sig[SIGN_SIZE];

    ck_assert_int_eq(encode(&member), OK);
    sign_make(&node, "feed", &member.net, slice_of(bytes, size - 66), sig);
    memcpy(bytes + size - 64, sig, 64);
    ck_assert_int_eq(transport_cert_verify(cert(), node.pk), ERR_AUTH);
}
END_TEST

/* A recipient's bytes all count, too: each change is refused or seen. */
START_TEST(test_transport_cert_recipient_bytes)
{
    ck_assert_int_eq(encode(&recipient), OK);
    for (size_t i = 0; i < size; i++) {
        ck_assert_int_eq(transport_cert_decode(&got, slice_of(bytes, i)),
                         ERR_BAD);
        bytes[i] ^= (uint8_t)(1U << (i % 8));
        if (decode() == OK) {
            ck_assert_mem_ne(&got, &recipient, sizeof(got));
            memset(&got, 0x5a, sizeof(got));
        }
        bytes[i] ^= (uint8_t)(1U << (i % 8));
    }
    assert_untouched();
}
END_TEST

/* Clocks may be a day off, either way. */
START_TEST(test_transport_cert_current)
{
    ck_assert(!transport_cert_is_current(&member, 0));
    ck_assert(!transport_cert_is_current(&member, BEGIN - DAY - 1));
    ck_assert(transport_cert_is_current(&member, BEGIN - DAY));
    ck_assert(transport_cert_is_current(&member, BEGIN));
    ck_assert(transport_cert_is_current(&member, BEGIN + 8 * DAY));
    ck_assert(!transport_cert_is_current(&member, BEGIN + 8 * DAY + 1));
    ck_assert(!transport_cert_is_current(&member, UINT64_MAX));
    ck_assert(!transport_cert_is_current(&member, UINT64_MAX - DAY + 1));
    member.not_before_s = 0;
    member.not_after_s = 1;
    ck_assert(transport_cert_is_current(&member, 0));
}
END_TEST

/* A buffer that is too small is said to be so. */
START_TEST(test_transport_cert_full)
{
    size_t want, n = 77;

    ck_assert_int_eq(encode(&member), OK);
    want = size;
    for (size_t max = 0; max < want; max++) {
        ck_assert_int_eq(transport_cert_encode(&member, &node, bytes, max, &n),
                         ERR_FULL);
    }
    ck_assert_uint_eq(n, 77);
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("transport_cert");
    TCase *tc = tcase_create("transport_cert");

    tcase_add_checked_fixture(tc, start, NULL);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_transport_cert_member);
    tcase_add_test(tc, test_transport_cert_recipient);
    tcase_add_test(tc, test_transport_cert_days);
    tcase_add_test(tc, test_transport_cert_zeros);
    tcase_add_test(tc, test_transport_cert_unknown);
    tcase_add_test(tc, test_transport_cert_every_byte_counts);
    tcase_add_test(tc, test_transport_cert_other_signature);
    tcase_add_test(tc, test_transport_cert_recipient_bytes);
    tcase_add_test(tc, test_transport_cert_current);
    tcase_add_test(tc, test_transport_cert_full);
    suite_add_tcase(s, tc);
    return s;
}
