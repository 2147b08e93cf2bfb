#include "crypto/hash.h"
#include "crypto/rng.h"
#include "tests/suite.h"

/* FIPS 180-4 examples. */
START_TEST(test_hash_known_digests)
{
    struct digest d;
    uint8_t want[SHA512_SIZE], got[SHA512_SIZE];

    sha256(slice_str("abc"), &d);
    hex_read("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
             want, DIGEST_SIZE);
    ck_assert_bytes_eq(d.bytes, want, DIGEST_SIZE);
    sha512(slice_str("abc"), got);
    hex_read("ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
             "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
             want, SHA512_SIZE);
    ck_assert_bytes_eq(got, want, SHA512_SIZE);
}
END_TEST

/* Moving a byte from one part to the next is another message. */
START_TEST(test_hash_parts_are_separate)
{
    struct digest a, b, c;

    TH256(&a, "t", slice_str("ab"), slice_str("c"));
    TH256(&b, "t", slice_str("a"), slice_str("bc"));
    TH256(&c, "u", slice_str("ab"), slice_str("c"));
    ck_assert(!digest_equal(&a, &b));
    ck_assert(!digest_equal(&a, &c));
}
END_TEST

/* Peeking does not disturb the stream. */
START_TEST(test_hash_peek_then_go_on)
{
    struct sha256 h;
    struct digest half, whole, want;

    sha256_init(&h);
    sha256_update(&h, slice_str("cai"));
    sha256_peek(&h, &half);
    sha256_update(&h, slice_str("rn"));
    sha256_peek(&h, &whole);
    sha256(slice_str("cai"), &want);
    ck_assert(digest_equal(&half, &want));
    sha256(slice_str("cairn"), &want);
    ck_assert(digest_equal(&whole, &want));
    sha256_reset(&h);
    sha256_peek(&h, &whole);
    sha256(slice_str(""), &want);
    ck_assert(digest_equal(&whole, &want));
    sha256_close(&h);
}
END_TEST

/* RFC 5869 test case 1. */
START_TEST(test_hash_hkdf256)
{
    uint8_t ikm[22], salt[13], info[10], prk[DIGEST_SIZE], out[42], want[42];

    memset(ikm, 0x0b, sizeof(ikm));
    hex_read("000102030405060708090a0b0c", salt, sizeof(salt));
    hex_read("f0f1f2f3f4f5f6f7f8f9", info, sizeof(info));
    hkdf256_extract(slice_of(salt, sizeof(salt)), slice_of(ikm, sizeof(ikm)),
                    prk);
    hkdf256_expand(prk, slice_of(info, sizeof(info)), out, sizeof(out));
    hex_read("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
             "34007208d5b887185865",
             want, sizeof(want));
    ck_assert_bytes_eq(out, want, sizeof(out));
}
END_TEST

/* One seed, one stream, however it is cut into blocks of 64. */
START_TEST(test_rng_seed_repeats)
{
    static const uint8_t seed[RNG_SEED_SIZE] = {1};
    uint8_t a[192], b[192];
    struct rng r;

    rng_init_seed(&r, seed);
    rng_bytes(&r, a, sizeof(a));
    rng_init_seed(&r, seed);
    rng_bytes(&r, b, 64);
    rng_bytes(&r, b + 64, 128);
    ck_assert_bytes_eq(a, b, sizeof(a));
    for (int i = 0; i < 1000; i++) {
        ck_assert_uint_lt(rng_below(&r, 7), 7);
    }
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("hash");
    TCase *tc = tcase_create("hash");

    tcase_add_test(tc, test_hash_known_digests);
    tcase_add_test(tc, test_hash_parts_are_separate);
    tcase_add_test(tc, test_hash_peek_then_go_on);
    tcase_add_test(tc, test_hash_hkdf256);
    tcase_add_test(tc, test_rng_seed_repeats);
    suite_add_tcase(s, tc);
    return s;
}
