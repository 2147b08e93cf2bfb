#include <signal.h>
#include <sodium.h>

#include "crypto/chunked.h"
#include "crypto/rng.h"
#include "tests/suite.h"

#define CHUNK      ((size_t)CHUNKED_CHUNK_SIZE)
#define PLAIN_MAX  (3 * CHUNK + 100)
#define SEALED_MAX (PLAIN_MAX + CHUNKED_HEADER_SIZE + (size_t)4 * AEAD_TAG_SIZE)

/* One message; the tests turn it over. */
static struct rng rng;
static uint8_t key[CHUNKED_KEY_SIZE], salt[CHUNKED_SALT_SIZE], ctx[32];
static struct slice context;
static uint8_t plain[PLAIN_MAX], out[PLAIN_MAX + 1];
static uint8_t sealed[SEALED_MAX + CHUNKED_SEALED_SIZE], again[SEALED_MAX];
static size_t size, sealed_size;

static void setup(void)
{
    static const uint8_t seed[RNG_SEED_SIZE] = {3};

    rng_init_seed(&rng, seed);
    rng_bytes(&rng, key, sizeof(key));
    rng_bytes(&rng, salt, sizeof(salt));
    rng_bytes(&rng, ctx, sizeof(ctx));
    rng_bytes(&rng, plain, sizeof(plain));
    context = slice_of(ctx, sizeof(ctx));
}

static void seal(size_t plain_size)
{
    size = plain_size;
    sealed_size = (size_t)chunked_sealed_size(size);
    chunked_seal_all(key, salt, context, slice_of(plain, size), sealed);
}

static int open_sealed(void)
{
    memset(out, 0xee, sizeof(out));
    return chunked_open_all(key, context, slice_of(sealed, sealed_size), out);
}

static void expect_opens(void)
{
    ck_assert_int_eq(open_sealed(), OK);
    ck_assert(memcmp(out, plain, size) == 0);
    ck_assert_uint_eq(out[size], 0xee);
}

/* Refused, and not one byte of it comes out. */
static void expect_refused(int why)
{
    uint64_t would_be = 0;

    ck_assert_int_eq(open_sealed(), why);
    if (why == ERR_AUTH) {
        ck_assert_int_eq(chunked_plain_size(sealed_size, &would_be), OK);
        ck_assert(sodium_is_zero(out, (size_t)would_be) == 1);
    }
    ck_assert_uint_eq(out[would_be], 0xee);
}

static uint8_t *chunk_at(size_t index)
{
    return sealed + CHUNKED_HEADER_SIZE + index * CHUNKED_SEALED_SIZE;
}

/* The lengths around every border come back; a whole number of chunks ends
 * with an empty one. */
START_TEST(test_chunked_opens_what_it_sealed)
{
    const size_t sizes[] = {0,
                            1,
                            15,
                            CHUNK - 1,
                            CHUNK,
                            CHUNK + 1,
                            2 * CHUNK,
                            2 * CHUNK + 1,
                            3 * CHUNK - 1,
                            3 * CHUNK,
                            PLAIN_MAX};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        seal(sizes[i]);
        ck_assert_uint_eq(sealed_size, CHUNKED_HEADER_SIZE + size +
                                           (size / CHUNK + 1) * AEAD_TAG_SIZE);
        expect_opens();
    }
}
END_TEST

/* Of all lengths, exactly those that some plaintext seals into are taken. */
START_TEST(test_chunked_sizes_are_inverse)
{
    uint64_t p, want = 0;

    for (uint64_t s = 0; s < (uint64_t)3 * CHUNKED_SEALED_SIZE; s++) {
        if (s == chunked_sealed_size(want)) {
            ck_assert_int_eq(chunked_plain_size(s, &p), OK);
            ck_assert_uint_eq(p, want);
            want++;
        } else {
            p = 77;
            ck_assert_int_eq(chunked_plain_size(s, &p), ERR_BAD);
            ck_assert_uint_eq(p, 77);
        }
    }
    p = chunked_sealed_size(CHUNKED_PLAIN_MAX);
    ck_assert_int_eq(chunked_plain_size(p, &want), OK);
    ck_assert_uint_eq(want, CHUNKED_PLAIN_MAX);
    ck_assert_int_eq(chunked_plain_size(p + AEAD_TAG_SIZE + 1, &want), ERR_BAD);
    ck_assert_int_eq(chunked_plain_size(UINT64_MAX, &want), ERR_BAD);
}
END_TEST

/* Every shorter message is refused, also one cut at the border of a chunk. */
START_TEST(test_chunked_truncation_is_refused)
{
    size_t whole;
    uint64_t p;

    seal(2 * CHUNK + 1);
    for (whole = sealed_size--; sealed_size > 0; sealed_size--) {
        bool possible = chunked_plain_size(sealed_size, &p) == OK;
        bool near_border =
            (sealed_size - CHUNKED_HEADER_SIZE + 40) % CHUNKED_SEALED_SIZE < 80;

        if (near_border || sealed_size < 200 || sealed_size % 997 == 0) {
            expect_refused(possible ? ERR_AUTH : ERR_BAD);
        }
    }
    sealed_size = whole;
    expect_opens();
}
END_TEST

/* The empty last chunk of a message of whole chunks cannot be left out, nor
 * can the chunk before it take its place. */
START_TEST(test_chunked_empty_last_chunk_is_needed)
{
    seal(2 * CHUNK);
    sealed_size -= AEAD_TAG_SIZE;
    expect_refused(ERR_BAD);
    sealed_size -= CHUNK;
    expect_refused(ERR_AUTH);
}
END_TEST

/* Bytes behind the end are refused: garbage, a tag's worth, a whole chunk
 * that was sealed for that very place. */
START_TEST(test_chunked_trailing_data_is_refused)
{
    struct chunked c;
    uint8_t header[CHUNKED_HEADER_SIZE];

    seal(CHUNK + 5);
    for (size_t more = 1; more < 60; more++) {
        sealed_size = (size_t)chunked_sealed_size(size) + more;
        expect_refused(ERR_AUTH);
    }
    sealed_size = (size_t)chunked_sealed_size(size);
    chunked_seal_init(&c, key, salt, context, header);
    chunked_seal(&c, 2, slice_of(plain, 30), sealed + sealed_size);
    chunked_wipe(&c);
    sealed_size += 30 + AEAD_TAG_SIZE;
    expect_refused(ERR_AUTH);
}
END_TEST

/* Chunks open at their own place only. */
START_TEST(test_chunked_reordering_is_refused)
{
    uint8_t first[CHUNKED_SEALED_SIZE];

    seal(2 * CHUNK + 5);
    memcpy(first, chunk_at(0), sizeof(first));
    memcpy(chunk_at(0), chunk_at(1), sizeof(first));
    memcpy(chunk_at(1), first, sizeof(first));
    expect_refused(ERR_AUTH);
    memcpy(chunk_at(0), first, sizeof(first)); /* Twice the same. */
    expect_refused(ERR_AUTH);
}
END_TEST

/* Any changed bit of the header stops the reader before the first chunk. */
START_TEST(test_chunked_header_is_checked_first)
{
    struct chunked c;

    seal(100);
    memset(&c, 0x5a, sizeof(c));
    for (size_t bit = 0; bit < (size_t)CHUNKED_HEADER_SIZE * 8; bit++) {
        sealed[bit / 8] ^= (uint8_t)(1U << bit % 8);
        ck_assert_int_eq(chunked_open_init(&c, key, context, sealed), ERR_AUTH);
        expect_refused(ERR_AUTH);
        sealed[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    /* Not even a key was made. */
    ck_assert_uint_eq(c.base_nonce[0], 0x5a);
    ck_assert_uint_eq(c.key.opaque[100], 0x5a);
    expect_opens();
}
END_TEST

/* Another key or context is refused by the header alone. */
START_TEST(test_chunked_other_key_or_context_is_refused)
{
    struct chunked c;

    seal(100);
    key[0] ^= 1;
    ck_assert_int_eq(chunked_open_init(&c, key, context, sealed), ERR_AUTH);
    expect_refused(ERR_AUTH);
    key[0] ^= 1;
    ctx[31] ^= 1;
    ck_assert_int_eq(chunked_open_init(&c, key, context, sealed), ERR_AUTH);
    expect_refused(ERR_AUTH);
    ctx[31] ^= 1;
    context.size--;
    ck_assert_int_eq(chunked_open_init(&c, key, context, sealed), ERR_AUTH);
    expect_refused(ERR_AUTH);
}
END_TEST

/* One changed bit in the last chunk withholds all the chunks before it. */
START_TEST(test_chunked_changed_bits_are_refused)
{
    seal(PLAIN_MAX);
    for (int i = 0; i < 200; i++) {
        size_t at =
            i == 0 ? sealed_size - 1 : (size_t)rng_below(&rng, sealed_size);

        sealed[at] ^= (uint8_t)(1U << i % 8);
        expect_refused(ERR_AUTH);
        sealed[at] ^= (uint8_t)(1U << i % 8);
    }
    expect_opens();
}
END_TEST

/* Chunk by chunk, in any order, gives what the whole gives. */
START_TEST(test_chunked_random_access)
{
    struct chunked c;

    seal(3 * CHUNK + 7);
    chunked_seal_init(&c, key, salt, context, again);
    for (size_t i = 4; i-- > 0;) {
        chunked_seal(&c, i, slice_of(plain + i * CHUNK, i == 3 ? 7 : CHUNK),
                     again + CHUNKED_HEADER_SIZE + i * CHUNKED_SEALED_SIZE);
    }
    ck_assert(memcmp(again, sealed, sealed_size) == 0);
    chunked_wipe(&c);
    ck_assert(sodium_is_zero(c.key.opaque, sizeof(c.key.opaque)) == 1);
    ck_assert_int_eq(chunked_open_init(&c, key, context, sealed), OK);
    for (size_t i = 4; i-- > 0;) {
        struct slice s = slice_of(chunk_at(i), i == 3 ? 7 + AEAD_TAG_SIZE
                                                      : CHUNKED_SEALED_SIZE);

        ck_assert_int_eq(chunked_open(&c, i, s, out + i * CHUNK), OK);
        ck_assert_int_eq(chunked_open(&c, i + 1, s, again), ERR_AUTH);
        ck_assert(sodium_is_zero(again, s.size - AEAD_TAG_SIZE) == 1);
    }
    ck_assert(memcmp(out, plain, size) == 0);
    chunked_wipe(&c);
}
END_TEST

/* A reader that seeks past the end, or is told a wrong length, opens the last
 * chunk first: under no other length does anything open there. */
START_TEST(test_chunked_length_is_authenticated_by_the_last_chunk)
{
    struct chunked c;
    uint64_t p;

    seal(2 * CHUNK + 7);
    ck_assert_int_eq(chunked_open_init(&c, key, context, sealed), OK);
    for (size_t s = CHUNKED_HEADER_SIZE; s < SEALED_MAX; s++) {
        size_t last;

        if (chunked_plain_size(s, &p) != OK ||
            (s % 61 != 0 && s != sealed_size)) {
            continue;
        }
        last = (size_t)p / CHUNK;
        ck_assert_int_eq(
            chunked_open(
                &c, last,
                slice_of(chunk_at(last), (size_t)p % CHUNK + AEAD_TAG_SIZE),
                out),
            s == sealed_size ? OK : ERR_AUTH);
    }
    chunked_wipe(&c);
}
END_TEST

/* No chunk is below a tag or above its size, nor past the last index. */
START_TEST(test_chunked_impossible_chunks_are_bad)
{
    struct chunked c;

    seal(100);
    ck_assert_int_eq(chunked_open_init(&c, key, context, sealed), OK);
    memset(out, 0xee, sizeof(out));
    for (size_t s = 0; s < AEAD_TAG_SIZE; s++) {
        ck_assert_int_eq(chunked_open(&c, 0, slice_of(sealed, s), out),
                         ERR_BAD);
    }
    ck_assert_int_eq(
        chunked_open(&c, 0, slice_of(sealed, CHUNKED_SEALED_SIZE + 1), out),
        ERR_BAD);
    ck_assert_int_eq(
        chunked_open(&c, CHUNKED_CHUNKS_MAX, slice_of(sealed, 100), out),
        ERR_BAD);
    ck_assert_uint_eq(out[0], 0xee);
    chunked_wipe(&c);
}
END_TEST

/* The nonce of chunk i is the base nonce xor i as 96 bits, most significant
 * first, also where the counter carries into its next byte. */
START_TEST(test_chunked_counter_carries)
{
    const uint64_t around[] = {(uint64_t)1 << 8, (uint64_t)1 << 16,
                               (uint64_t)1 << 24, (uint64_t)1 << 32,
                               CHUNKED_CHUNKS_MAX - 2};
    uint8_t header[CHUNKED_HEADER_SIZE], nonce[AEAD_NONCE_SIZE];
    struct chunked c;

    chunked_seal_init(&c, key, salt, context, header);
    for (size_t i = 0; i < sizeof(around) / sizeof(around[0]); i++) {
        for (uint64_t n = around[i] - 1; n <= around[i] + 1; n++) {
            for (size_t b = 0; b < AEAD_NONCE_SIZE; b++) {
                unsigned shift = (unsigned)(AEAD_NONCE_SIZE - 1 - b) * 8;

                nonce[b] = c.base_nonce[b];
                if (shift < 64) {
                    nonce[b] ^= (uint8_t)(n >> shift);
                }
            }
            aead_seal(&c.key, nonce, slice_of(NULL, 0), slice_of(plain, 50),
                      again, again + 50);
            chunked_seal(&c, n, slice_of(plain, 50), sealed);
            ck_assert_bytes_eq(sealed, again, 50 + AEAD_TAG_SIZE);
            ck_assert_int_eq(
                chunked_open(&c, n, slice_of(sealed, 50 + AEAD_TAG_SIZE), out),
                OK);
        }
    }
    chunked_wipe(&c);
}
END_TEST

/* Another salt shares nothing with the first: header or body. */
START_TEST(test_chunked_salt_makes_another_message)
{
    seal(CHUNK);
    memcpy(again, sealed, sealed_size);
    salt[0] ^= 1;
    seal(CHUNK);
    expect_opens();
    ck_assert(
        memcmp(again + CHUNKED_SALT_SIZE, sealed + CHUNKED_SALT_SIZE, 32) != 0);
    for (size_t at = CHUNKED_HEADER_SIZE; at + 16 < sealed_size; at += 16) {
        ck_assert(memcmp(again + at, sealed + at, 16) != 0);
    }
}
END_TEST

/* Without libipsec-mb the message is the same. */
START_TEST(test_chunked_kernels_agree)
{
    seal(PLAIN_MAX);
    memcpy(again, sealed, sealed_size);
    aead_force_portable();
    expect_opens();
    seal(PLAIN_MAX);
    ck_assert(memcmp(again, sealed, sealed_size) == 0);
}
END_TEST

/* Nobody seals past the last chunk of the specification. */
START_TEST(test_chunked_seal_past_the_end_is_our_mistake)
{
    struct chunked c;

    chunked_seal_init(&c, key, salt, context, sealed);
    chunked_seal(&c, CHUNKED_CHUNKS_MAX, slice_of(plain, 1), sealed);
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("chunked");
    TCase *tc = tcase_create("chunked");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, test_chunked_opens_what_it_sealed);
    tcase_add_test(tc, test_chunked_sizes_are_inverse);
    tcase_add_test(tc, test_chunked_truncation_is_refused);
    tcase_add_test(tc, test_chunked_empty_last_chunk_is_needed);
    tcase_add_test(tc, test_chunked_trailing_data_is_refused);
    tcase_add_test(tc, test_chunked_reordering_is_refused);
    tcase_add_test(tc, test_chunked_header_is_checked_first);
    tcase_add_test(tc, test_chunked_other_key_or_context_is_refused);
    tcase_add_test(tc, test_chunked_changed_bits_are_refused);
    tcase_add_test(tc, test_chunked_random_access);
    tcase_add_test(tc, test_chunked_length_is_authenticated_by_the_last_chunk);
    tcase_add_test(tc, test_chunked_impossible_chunks_are_bad);
    tcase_add_test(tc, test_chunked_counter_carries);
    tcase_add_test(tc, test_chunked_salt_makes_another_message);
    tcase_add_test(tc, test_chunked_kernels_agree);
    tcase_add_test_raise_signal(
        tc, test_chunked_seal_past_the_end_is_our_mistake, SIGABRT);
    suite_add_tcase(s, tc);
    return s;
}
