#include "crypto/rng.h"
#include "node/recovery/hasher.h"
#include "tests/suite.h"

#define SIZE ((size_t)3 << 20)

static uint8_t bytes[SIZE];

/* Pieces of any size, here or on the thread, give the hash of the whole. */
START_TEST(test_hasher_pieces)
{
    static const size_t most[] = {1000, HASHER_SIZE_MIN, SIZE};
    struct hasher *h = NULL;
    struct sha256 hash;
    struct digest want;
    struct digest got;
    struct rng rng;

    rng_init_seed(&rng, (const uint8_t[RNG_SEED_SIZE]){(uint8_t)_i});
    rng_bytes(&rng, bytes, SIZE);
    sha256(slice_of(bytes, SIZE), &want);
    ck_assert_int_eq(hasher_new(&h), OK);
    sha256_init(&hash);
    for (size_t at = 0; at < SIZE;) {
        size_t size = (size_t)rng_below(&rng, most[at % 3]) + 1;

        size = size < SIZE - at ? size : SIZE - at;
        hasher_start(h, &hash, slice_of(bytes + at, size));
        hasher_wait(h);
        at += size;
    }
    sha256_peek(&hash, &got);
    ck_assert(digest_equal(&got, &want));
    sha256_close(&hash);
    hasher_free(h);
    hasher_free(NULL);
}
END_TEST

/* One thread serves two hashes in turn. */
START_TEST(test_hasher_two_hashes)
{
    struct hasher *h = NULL;
    struct sha256 hashes[2];
    struct digest want;
    struct digest got;

    memset(bytes, 7, SIZE);
    sha256(slice_of(bytes, SIZE), &want);
    ck_assert_int_eq(hasher_new(&h), OK);
    for (size_t i = 0; i < 2; i++) {
        sha256_init(&hashes[i]);
    }
    for (size_t at = 0; at < SIZE; at += SIZE / 3) {
        for (size_t i = 0; i < 2; i++) {
            hasher_start(h, &hashes[i], slice_of(bytes + at, SIZE / 3));
            hasher_wait(h);
        }
    }
    for (size_t i = 0; i < 2; i++) {
        sha256_peek(&hashes[i], &got);
        ck_assert(digest_equal(&got, &want));
        sha256_close(&hashes[i]);
    }
    hasher_free(h);
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("hasher");
    TCase *tc = tcase_create("hasher");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, test_hasher_pieces, 0, 20);
    tcase_add_test(tc, test_hasher_two_hashes);
    suite_add_tcase(s, tc);
    return s;
}
