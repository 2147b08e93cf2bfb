#include <signal.h>

#include "crypto/hpke.h"
#include "tests/suite.h"

#define PLAIN "a key share for its custodian"
#define INFO  "release"
#define AD    "custodian 3"

#define PLAIN_SIZE  (sizeof(PLAIN) - 1)
#define SEALED_SIZE (PLAIN_SIZE + HPKE_OVERHEAD_SIZE)

static struct rng rng;
static uint8_t sk[HPKE_KEY_SIZE], pk[HPKE_KEY_SIZE];
static uint8_t sealed[SEALED_SIZE], opened[PLAIN_SIZE];
static uint8_t secret[32];
static struct hpke_psk psk;

static void start(void)
{
    static const uint8_t seed[RNG_SEED_SIZE] = {'h', 'p', 'k', 'e'};

    rng_init_seed(&rng, seed);
    hpke_keypair(&rng, sk, pk);
    rng_bytes(&rng, secret, sizeof(secret));
    psk.psk = slice_of(secret, sizeof(secret));
    psk.id = slice_str("release 7");
    memset(opened, 0x5a, sizeof(opened));
}

static void seal(const struct hpke_psk *p)
{
    ck_assert_int_eq(hpke_seal(pk, slice_str(INFO), slice_str(AD), p,
                               slice_str(PLAIN), &rng, sealed),
                     OK);
}

static int open_as(const char *info, const char *ad, const struct hpke_psk *p)
{
    return hpke_open(sk, slice_str(info), slice_str(ad), p,
                     slice_of(sealed, sizeof(sealed)), opened);
}

/* A refused envelope leaves the caller's buffer as it was. */
static void assert_untouched(void)
{
    for (size_t i = 0; i < sizeof(opened); i++) {
        ck_assert_uint_eq(opened[i], 0x5a);
    }
}

/* What is sealed to a key opens with it, in both modes. */
START_TEST(test_hpke_round_trip)
{
    const struct hpke_psk empty = {slice_str(""), slice_str("")};

    seal(NULL);
    ck_assert_int_eq(open_as(INFO, AD, NULL), OK);
    ck_assert_bytes_eq(opened, PLAIN, PLAIN_SIZE);
    ck_assert_int_eq(open_as(INFO, AD, &empty), OK);
    memset(opened, 0, sizeof(opened));
    seal(&psk);
    ck_assert_int_eq(open_as(INFO, AD, &psk), OK);
    ck_assert_bytes_eq(opened, PLAIN, PLAIN_SIZE);
}
END_TEST

/* Nothing, about nothing, is still an envelope. */
START_TEST(test_hpke_empty_everything)
{
    const struct slice none = slice_of(NULL, 0);
    uint8_t small[HPKE_OVERHEAD_SIZE];

    ck_assert_int_eq(hpke_seal(pk, none, none, NULL, none, &rng, small), OK);
    ck_assert_int_eq(
        hpke_open(sk, none, none, NULL, slice_of(small, sizeof(small)), opened),
        OK);
    small[HPKE_ENC_SIZE] ^= 1;
    ck_assert_int_eq(
        hpke_open(sk, none, none, NULL, slice_of(small, sizeof(small)), opened),
        ERR_AUTH);
    assert_untouched();
}
END_TEST

/* Two envelopes of one text share neither key nor ciphertext. */
START_TEST(test_hpke_seals_are_fresh)
{
    uint8_t before[SEALED_SIZE];

    seal(NULL);
    memcpy(before, sealed, sizeof(before));
    seal(NULL);
    ck_assert(memcmp(before, sealed, HPKE_ENC_SIZE) != 0);
    ck_assert(memcmp(before + HPKE_ENC_SIZE, sealed + HPKE_ENC_SIZE,
                     PLAIN_SIZE) != 0);
}
END_TEST

/* An envelope opens only in its own context and for its own recipient. */
START_TEST(test_hpke_context_binds)
{
    seal(NULL);
    ck_assert_int_eq(open_as("releasf", AD, NULL), ERR_AUTH);
    ck_assert_int_eq(open_as("", AD, NULL), ERR_AUTH);
    ck_assert_int_eq(open_as(INFO, "custodian 4", NULL), ERR_AUTH);
    ck_assert_int_eq(open_as(INFO, "", NULL), ERR_AUTH);
    hpke_keypair(&rng, sk, pk);
    ck_assert_int_eq(open_as(INFO, AD, NULL), ERR_AUTH);
    assert_untouched();
}
END_TEST

/* With a pre-shared key, the private key alone opens nothing. */
START_TEST(test_hpke_psk_is_needed)
{
    struct hpke_psk other = psk;

    seal(&psk);
    ck_assert_int_eq(open_as(INFO, AD, NULL), ERR_AUTH);
    other.id = slice_str("release 8");
    ck_assert_int_eq(open_as(INFO, AD, &other), ERR_AUTH);
    other = psk;
    other.psk.size--;
    ck_assert_int_eq(open_as(INFO, AD, &other), ERR_AUTH);
    secret[0] ^= 1;
    ck_assert_int_eq(open_as(INFO, AD, &psk), ERR_AUTH);
    secret[0] ^= 1;
    ck_assert_int_eq(open_as(INFO, AD, &psk), OK);
}
END_TEST

/* Who expects a pre-shared key takes no envelope without one. */
START_TEST(test_hpke_base_is_not_psk)
{
    seal(NULL);
    ck_assert_int_eq(open_as(INFO, AD, &psk), ERR_AUTH);
    assert_untouched();
}
END_TEST

/* A key without a name, or a name without a key, is our own mistake. */
START_TEST(test_hpke_psk_and_id_go_together)
{
    if (_i == 0) {
        psk.id = slice_str("");
    } else {
        psk.psk = slice_str("");
    }
    seal(&psk);
}
END_TEST

/* No bit of an envelope can change, also not the one of the encapsulated key
 * that X25519 ignores. */
START_TEST(test_hpke_every_bit_counts)
{
    seal(&psk);
    for (size_t i = 0; i < sizeof(sealed) * 8; i++) {
        sealed[i / 8] ^= (uint8_t)(1U << (i % 8));
        ck_assert_int_ne(open_as(INFO, AD, &psk), OK);
        sealed[i / 8] ^= (uint8_t)(1U << (i % 8));
    }
    assert_untouched();
    ck_assert_int_eq(open_as(INFO, AD, &psk), OK);
}
END_TEST

/* An envelope cut anywhere is refused; below its overhead by its size. */
START_TEST(test_hpke_truncation)
{
    seal(NULL);
    for (size_t size = 0; size < sizeof(sealed); size++) {
        int want = size < HPKE_OVERHEAD_SIZE ? ERR_BAD : ERR_AUTH;

        ck_assert_int_eq(hpke_open(sk, slice_str(INFO), slice_str(AD), NULL,
                                   slice_of(sealed, size), opened),
                         want);
    }
    assert_untouched();
}
END_TEST

/* The points of small order on Curve25519 and its twist, and encodings of them
 * above p: every secret shared with them is zero. */
static const char *const low_order[] = {
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
};

/* Nothing is sealed to a key, nor opened from one, that shares only zero. */
START_TEST(test_hpke_low_order_keys)
{
    uint8_t point[HPKE_KEY_SIZE], before[SEALED_SIZE];

    seal(NULL);
    memcpy(before, sealed, sizeof(before));
    hex_read(low_order[_i], point, sizeof(point));
    ck_assert_int_eq(hpke_seal(point, slice_str(INFO), slice_str(AD), NULL,
                               slice_str(PLAIN), &rng, sealed),
                     ERR_BAD);
    ck_assert_bytes_eq(sealed, before, sizeof(before));
    memcpy(sealed, point, sizeof(point));
    ck_assert_int_eq(open_as(INFO, AD, NULL), ERR_BAD);
    assert_untouched();
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("hpke");
    TCase *tc = tcase_create("hpke");

    tcase_add_checked_fixture(tc, start, NULL);
    tcase_add_test(tc, test_hpke_round_trip);
    tcase_add_test(tc, test_hpke_empty_everything);
    tcase_add_test(tc, test_hpke_seals_are_fresh);
    tcase_add_test(tc, test_hpke_context_binds);
    tcase_add_test(tc, test_hpke_psk_is_needed);
    tcase_add_test(tc, test_hpke_base_is_not_psk);
    tcase_add_loop_test_raise_signal(tc, test_hpke_psk_and_id_go_together,
                                     SIGABRT, 0, 2);
    tcase_add_test(tc, test_hpke_every_bit_counts);
    tcase_add_test(tc, test_hpke_truncation);
    tcase_add_loop_test(tc, test_hpke_low_order_keys, 0,
                        (int)(sizeof(low_order) / sizeof(low_order[0])));
    suite_add_tcase(s, tc);
    return s;
}
