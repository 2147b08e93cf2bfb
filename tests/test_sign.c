#include <signal.h>
#include <sodium.h>

#include "crypto/hash.h"
#include "crypto/sign.h"
#include "tests/suite.h"

/* The order of the group, little-endian (RFC 8032). */
#define ORDER "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010"

static struct rng rng;
static struct sign_key key;
static struct digest net = {{'n', 'e', 't'}};
static uint8_t sig[SIGN_SIZE];

static void setup(void)
{
    static const uint8_t seed[RNG_SEED_SIZE] = {'s'};

    rng_init_seed(&rng, seed);
    sign_key_init(&key, &rng);
    sign_make(&key, "feed", &net, slice_str("hello"), sig);
}

static int verify(const char *message)
{
    return sign_verify(key.pk, "feed", &net, slice_str(message), sig);
}

/* RFC 8032 section 7.1, test 1: from seed to public key. */
START_TEST(test_sign_key_from_seed)
{
    uint8_t seed[SIGN_SEED_SIZE], pk[SIGN_PK_SIZE];

    hex_read("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
             seed, sizeof(seed));
    hex_read("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
             pk, sizeof(pk));
    sign_key_from_seed(&key, seed);
    ck_assert_bytes_eq(key.pk, pk, sizeof(pk));
    ck_assert_bytes_eq(key.seed, seed, sizeof(seed));
}
END_TEST

/* One stream, one key; the next key is another. */
START_TEST(test_sign_keys_follow_the_stream)
{
    struct sign_key first = key;

    sign_key_init(&key, &rng);
    ck_assert_mem_ne(key.pk, first.pk, SIGN_PK_SIZE);
    setup();
    ck_assert_mem_eq(&key, &first, sizeof(key));
}
END_TEST

/* A signature holds for its key, domain, network and message alone. */
START_TEST(test_sign_binds_everything)
{
    struct digest other = net;
    struct sign_key stranger;

    ck_assert_int_eq(verify("hello"), OK);
    ck_assert_int_eq(verify("hello!"), ERR_AUTH);
    ck_assert_int_eq(verify(""), ERR_AUTH);
    ck_assert_int_eq(sign_verify(key.pk, "card", &net, slice_str("hello"), sig),
                     ERR_AUTH);
    other.bytes[31] ^= 1;
    ck_assert_int_eq(
        sign_verify(key.pk, "feed", &other, slice_str("hello"), sig), ERR_AUTH);
    sign_key_init(&stranger, &rng);
    ck_assert_int_eq(
        sign_verify(stranger.pk, "feed", &net, slice_str("hello"), sig),
        ERR_AUTH);
}
END_TEST

/* An empty message can be signed. */
START_TEST(test_sign_empty_message)
{
    sign_make(&key, "feed", &net, slice_of(NULL, 0), sig);
    ck_assert_int_eq(verify(""), OK);
    ck_assert_int_eq(verify("hello"), ERR_AUTH);
}
END_TEST

/* No bit of a signature or key is idle. */
START_TEST(test_sign_every_bit_counts)
{
    for (size_t i = 0; i < sizeof(sig) * 8; i++) {
        sig[i / 8] ^= (uint8_t)BIT(i % 8);
        ck_assert_int_eq(verify("hello"), ERR_AUTH);
        sig[i / 8] ^= (uint8_t)BIT(i % 8);
    }
    for (size_t i = 0; i < sizeof(key.pk) * 8; i++) {
        key.pk[i / 8] ^= (uint8_t)BIT(i % 8);
        ck_assert_int_eq(verify("hello"), ERR_AUTH);
        key.pk[i / 8] ^= (uint8_t)BIT(i % 8);
    }
    ck_assert_int_eq(verify("hello"), OK);
}
END_TEST

/* S + q would be a second signature of the same message (RFC 8032, 8.4). */
START_TEST(test_sign_is_not_malleable)
{
    uint8_t order[32];
    unsigned carry = 0;

    hex_read(ORDER, order, sizeof(order));
    for (size_t i = 0; i < sizeof(order); i++) {
        carry += (unsigned)sig[32 + i] + order[i];
        sig[32 + i] = (uint8_t)carry;
        carry >>= 8;
    }
    ck_assert_int_eq(verify("hello"), ERR_AUTH);
}
END_TEST

/* Under a key of small order one signature would fit many messages. */
START_TEST(test_sign_small_order_key_is_refused)
{
    static const uint8_t pk[SIGN_PK_SIZE] = {1};

    /* R the identity, S zero: satisfies the equation for any message. */
    memset(sig, 0, sizeof(sig));
    sig[0] = 1;
    ck_assert_int_eq(sign_verify(pk, "feed", &net, slice_str("hello"), sig),
                     ERR_AUTH);
}
END_TEST

/* SIGN is plain Ed25519 over TH512(dst, net, m): other implementations can
 * check it. */
START_TEST(test_sign_is_ed25519_of_the_hash)
{
    uint8_t hash[SHA512_SIZE];

    TH512(hash, "feed", digest_slice(&net), slice_str("hello"));
    ck_assert_int_eq(
        crypto_sign_ed25519_verify_detached(sig, hash, sizeof(hash), key.pk),
        0);
}
END_TEST

/* Signing with a public key that is not the seed's would give the seed's
 * scalar away; the program stops first. */
START_TEST(test_sign_mismatched_key_stops_the_program)
{
    key.pk[0] ^= 1;
    sign_make(&key, "feed", &net, slice_str("hello"), sig);
}
END_TEST

/* Nothing of a key stays behind. */
START_TEST(test_sign_wipe_leaves_zeroes)
{
    static const struct sign_key none;

    sign_key_wipe(&key);
    ck_assert_mem_eq(&key, &none, sizeof(none));
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("sign");
    TCase *tc = tcase_create("sign");

    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, test_sign_key_from_seed);
    tcase_add_test(tc, test_sign_keys_follow_the_stream);
    tcase_add_test(tc, test_sign_binds_everything);
    tcase_add_test(tc, test_sign_empty_message);
    tcase_add_test(tc, test_sign_every_bit_counts);
    tcase_add_test(tc, test_sign_is_not_malleable);
    tcase_add_test(tc, test_sign_small_order_key_is_refused);
    tcase_add_test(tc, test_sign_is_ed25519_of_the_hash);
    tcase_add_test_raise_signal(tc, test_sign_mismatched_key_stops_the_program,
                                SIGABRT);
    tcase_add_test(tc, test_sign_wipe_leaves_zeroes);
    suite_add_tcase(s, tc);
    return s;
}
