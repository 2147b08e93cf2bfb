#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "crypto/aead.h"
#include "crypto/rng.h"
#include "tests/suite.h"

#define SIZE_MAX_HERE 70000
#define AD_MAX        300

/* One message under one key; the tests turn it over. */
static struct rng rng;
static struct aead_key key;
static uint8_t raw_key[AEAD_KEY_SIZE], nonce[AEAD_NONCE_SIZE];
static uint8_t ad[AD_MAX], tag[AEAD_TAG_SIZE];
static uint8_t plain[SIZE_MAX_HERE], sealed[SIZE_MAX_HERE], out[SIZE_MAX_HERE];
static size_t size, ad_size;

static void start(uint8_t history)
{
    const uint8_t seed[RNG_SEED_SIZE] = {history};

    rng_init_seed(&rng, seed);
    rng_bytes(&rng, raw_key, sizeof(raw_key));
    rng_bytes(&rng, nonce, sizeof(nonce));
    rng_bytes(&rng, ad, sizeof(ad));
    rng_bytes(&rng, plain, sizeof(plain));
    size = 1000;
    ad_size = 20;
}

static void setup(void)
{
    start(1);
    aead_key_init(&key, raw_key);
}

static void setup_portable(void)
{
    aead_force_portable();
    ck_assert_str_eq(aead_kernel(), "openssl");
    setup();
}

static void teardown(void)
{
    aead_key_wipe(&key);
}

static void seal(void)
{
    aead_seal(&key, nonce, slice_of(ad, ad_size), slice_of(plain, size), sealed,
              tag);
}

/* Opens into a buffer that was not zero before. */
static int open_sealed(void)
{
    memset(out, 0xee, sizeof(out));
    return aead_open(&key, nonce, slice_of(ad, ad_size), slice_of(sealed, size),
                     tag, out);
}

static void expect_opens(void)
{
    ck_assert_int_eq(open_sealed(), OK);
    ck_assert_bytes_eq(out, plain, size);
    ck_assert_uint_eq(out[size], 0xee);
}

/* Refused, all zeros where plaintext would be, and nothing beyond. */
static void expect_refused(void)
{
    ck_assert_int_eq(open_sealed(), ERR_AUTH);
    ck_assert(sodium_is_zero(out, size) == 1);
    ck_assert_uint_eq(out[size], 0xee);
}

/* Every length around the blocks and the unrolled loops comes back. */
START_TEST(test_aead_opens_what_it_sealed)
{
    for (size = 0; size < 1200; size += size < 300 ? 1 : 37) {
        ad_size = size % AD_MAX;
        seal();
        expect_opens();
    }
    size = SIZE_MAX_HERE - 1;
    seal();
    expect_opens();
}
END_TEST

/* Nothing to hide and nothing to bind still has a tag that counts. */
START_TEST(test_aead_empty_message)
{
    struct slice nothing = slice_of(NULL, 0);

    aead_seal(&key, nonce, nothing, nothing, NULL, tag);
    ck_assert_int_eq(aead_open(&key, nonce, nothing, nothing, tag, NULL), OK);
    tag[15] ^= 0x80;
    ck_assert_int_eq(aead_open(&key, nonce, nothing, nothing, tag, NULL),
                     ERR_AUTH);
}
END_TEST

/* Any changed bit anywhere is refused, and the key is good for the next. */
START_TEST(test_aead_any_changed_bit_is_refused)
{
    struct {
        uint8_t *bytes;
        size_t size;
    } parts[] = {{tag, sizeof(tag)},
                 {nonce, sizeof(nonce)},
                 {ad, ad_size},
                 {sealed, size}};

    seal();
    for (size_t p = 0; p < sizeof(parts) / sizeof(parts[0]); p++) {
        for (size_t i = 0; i < parts[p].size; i++) {
            uint8_t bit = (uint8_t)(1U << (i % 8));

            parts[p].bytes[i] ^= bit;
            expect_refused();
            parts[p].bytes[i] ^= bit;
        }
    }
    expect_opens();
}
END_TEST

/* A message that lost or won a byte, or additional data, is refused. */
START_TEST(test_aead_other_lengths_are_refused)
{
    seal();
    size--;
    expect_refused();
    size += 2;
    expect_refused();
    size--;
    ad_size--;
    expect_refused();
    ad_size += 2;
    expect_refused();
    ad_size = 0;
    expect_refused();
}
END_TEST

/* Another key opens nothing. */
START_TEST(test_aead_other_key_is_refused)
{
    seal();
    aead_key_wipe(&key);
    raw_key[31] ^= 1;
    aead_key_init(&key, raw_key);
    expect_refused();
}
END_TEST

/* In place gives the same bytes, and zeros when refused. */
START_TEST(test_aead_in_place)
{
    uint8_t tag2[AEAD_TAG_SIZE];

    seal();
    memcpy(out, plain, size);
    aead_seal(&key, nonce, slice_of(ad, ad_size), slice_of(out, size), out,
              tag2);
    ck_assert_bytes_eq(out, sealed, size);
    ck_assert_bytes_eq(tag2, tag, sizeof(tag));
    ck_assert_int_eq(aead_open(&key, nonce, slice_of(ad, ad_size),
                               slice_of(out, size), tag, out),
                     OK);
    ck_assert_bytes_eq(out, plain, size);
    memcpy(out, sealed, size);
    tag[0] ^= 1;
    ck_assert_int_eq(aead_open(&key, nonce, slice_of(ad, ad_size),
                               slice_of(out, size), tag, out),
                     ERR_AUTH);
    ck_assert(sodium_is_zero(out, size) == 1);
}
END_TEST

/* Seal as two pieces, from where they are or, |in_place|, from where they go.
 */
static void expect_joined(size_t head_size, bool in_place)
{
    struct slice head = slice_of(plain, head_size);
    struct slice body = slice_of(plain + head_size, size - head_size);
    uint8_t tag2[AEAD_TAG_SIZE];

    memset(out, 0xee, size + 1);
    if (in_place) {
        memcpy(out + head_size, body.data, body.size);
        body.data = out + head_size;
    }
    aead_seal_joined(&key, nonce, slice_of(ad, ad_size), head, body, out, tag2);
    ck_assert(memcmp(out, sealed, size) == 0);
    ck_assert_uint_eq(out[size], 0xee);
    ck_assert_bytes_eq(tag2, tag, sizeof(tag));
}

/* Open to two places, of which the second may be where it lies sealed. */
static int open_split(size_t head_size, uint8_t *head, uint8_t *body)
{
    return aead_open_split(&key, nonce, slice_of(ad, ad_size),
                           slice_of(sealed, size), tag, head, head_size, body);
}

/* Two pieces are sealed as if they were one, wherever it is cut, and opened to
 * two places. */
START_TEST(test_aead_in_two_pieces)
{
    static const size_t sizes[] = {4096, 65513 + 6, 65519, SIZE_MAX_HERE - 1};
    uint8_t head[64];

    for (size = 0; size < 300; size++) {
        ad_size = size % 3;
        seal();
        for (size_t cut = 0; cut <= size && cut < sizeof(head); cut++) {
            expect_joined(cut, cut % 2 == 0);
            ck_assert_int_eq(open_split(cut, head, out + 7), OK);
            ck_assert(memcmp(head, plain, cut) == 0);
            ck_assert(memcmp(out + 7, plain + cut, size - cut) == 0);
        }
    }
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        size = sizes[i];
        seal();
        expect_joined(6, i % 2 == 0);
        expect_joined(16, i % 2 == 0);
        expect_joined(size - 1, false);
        ck_assert_int_eq(open_split(6, head, sealed + 6), OK);
        ck_assert_bytes_eq(head, plain, 6);
        ck_assert(memcmp(sealed + 6, plain + 6, size - 6) == 0);
    }
}
END_TEST

/* What does not open leaves zeros in both places, and nothing beyond. */
START_TEST(test_aead_in_two_pieces_refused)
{
    uint8_t head[7];

    seal();
    for (size_t i = 0; i < size; i += 13) {
        memset(head, 0xee, sizeof(head));
        memset(out, 0xee, size);
        sealed[i] ^= 4;
        ck_assert_int_eq(open_split(6, head, out), ERR_AUTH);
        sealed[i] ^= 4;
        ck_assert(sodium_is_zero(head, 6) == 1 && head[6] == 0xee);
        ck_assert(sodium_is_zero(out, size - 6) == 1 && out[size - 6] == 0xee);
    }
}
END_TEST

/* A key works wherever its memory happens to begin. */
START_TEST(test_aead_key_at_any_address)
{
    uint8_t *room = malloc(sizeof(struct aead_key) + 64);

    ck_assert_ptr_nonnull(room);
    seal();
    for (size_t at = 0; at < 64; at++) {
        void *place = room + at;
        struct aead_key *k = place;

        aead_key_init(k, raw_key);
        memset(out, 0, size);
        ck_assert_int_eq(aead_open(k, nonce, slice_of(ad, ad_size),
                                   slice_of(sealed, size), tag, out),
                         OK);
        ck_assert_bytes_eq(out, plain, size);
        aead_key_wipe(k);
        ck_assert(sodium_is_zero(k->opaque, sizeof(k->opaque)) == 1);
    }
    free(room);
}
END_TEST

/* Additional data goes past the int in which OpenSSL counts, by the loop
 * that plaintext goes through. The tag is from Go's crypto/cipher. */
START_TEST(test_aead_more_than_2_gib)
{
    const size_t big = ((size_t)1 << 31) + 1000;
    uint8_t want[AEAD_TAG_SIZE], counting[AEAD_KEY_SIZE];
    int fd = open("/dev/zero", O_RDONLY);
    void *zeros = mmap(NULL, big, PROT_READ, MAP_PRIVATE, fd, 0);

    ck_assert(zeros != MAP_FAILED);
    for (size_t i = 0; i < sizeof(counting); i++) {
        counting[i] = (uint8_t)i;
    }
    aead_key_wipe(&key);
    aead_key_init(&key, counting);
    memset(nonce, 0, sizeof(nonce));
    aead_seal(&key, nonce, slice_of(zeros, big), slice_of(NULL, 0), NULL, tag);
    hex_read("5242e9691447e36d5ca19ce370287425", want, sizeof(want));
    ck_assert_bytes_eq(tag, want, sizeof(want));
    munmap(zeros, big);
    close(fd);
}
END_TEST

static void *use_key(void *arg)
{
    uint8_t mine[1000], mine_tag[AEAD_TAG_SIZE];
    bool *good = arg;

    *good = true;
    for (int i = 0; i < 500; i++) {
        aead_seal(&key, nonce, slice_of(ad, ad_size), slice_of(plain, size),
                  mine, mine_tag);
        *good = *good && memcmp(mine, sealed, size) == 0 &&
                memcmp(mine_tag, tag, sizeof(tag)) == 0 &&
                aead_open(&key, nonce, slice_of(ad, ad_size),
                          slice_of(mine, size), mine_tag, mine) == OK &&
                memcmp(mine, plain, size) == 0;
    }
    return NULL;
}

/* One key serves several threads at once. */
START_TEST(test_aead_key_is_shared_by_threads)
{
    pthread_t threads[4];
    bool good[4];

    seal();
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, use_key, &good[i]),
                         0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        ck_assert(good[i]);
    }
}
END_TEST

/* Both kernels make the same bytes and open each other's. */
START_TEST(test_aead_kernels_agree)
{
    struct aead_key portable;
    uint8_t tag2[AEAD_TAG_SIZE];

    start((uint8_t)_i);
    aead_key_init(&key, raw_key);
    aead_force_portable();
    aead_key_init(&portable, raw_key);
    for (int i = 0; i < 20; i++) {
        size = (size_t)rng_below(&rng, i < 10 ? 600 : SIZE_MAX_HERE);
        ad_size = (size_t)rng_below(&rng, AD_MAX);
        rng_bytes(&rng, nonce, sizeof(nonce));
        seal();
        aead_seal(&portable, nonce, slice_of(ad, ad_size),
                  slice_of(plain, size), out, tag2);
        ck_assert_bytes_eq(tag2, tag, sizeof(tag));
        ck_assert(memcmp(out, sealed, size) == 0);
        expect_opens();
        memset(out, 0, size);
        ck_assert_int_eq(aead_open(&portable, nonce, slice_of(ad, ad_size),
                                   slice_of(sealed, size), tag, out),
                         OK);
        ck_assert(memcmp(out, plain, size) == 0);
    }
    aead_key_wipe(&portable);
    aead_key_wipe(&key);
}
END_TEST

/* A key that was copied, or wiped, stops the program. */
START_TEST(test_aead_copied_key_is_our_mistake)
{
    static struct aead_key copy;

    memcpy(&copy, &key, sizeof(key));
    aead_seal(&copy, nonce, slice_of(ad, ad_size), slice_of(plain, size),
              sealed, tag);
}
END_TEST

START_TEST(test_aead_wiped_key_is_our_mistake)
{
    aead_key_wipe(&key);
    seal();
}
END_TEST

static TCase *make_case(const char *name, SFun before)
{
    TCase *tc = tcase_create(name);

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, before, teardown);
    tcase_add_test(tc, test_aead_opens_what_it_sealed);
    tcase_add_test(tc, test_aead_empty_message);
    tcase_add_test(tc, test_aead_any_changed_bit_is_refused);
    tcase_add_test(tc, test_aead_other_lengths_are_refused);
    tcase_add_test(tc, test_aead_other_key_is_refused);
    tcase_add_test(tc, test_aead_in_place);
    tcase_add_test(tc, test_aead_in_two_pieces);
    tcase_add_test(tc, test_aead_in_two_pieces_refused);
    tcase_add_test(tc, test_aead_key_at_any_address);
    tcase_add_test(tc, test_aead_more_than_2_gib);
    tcase_add_test(tc, test_aead_key_is_shared_by_threads);
    tcase_add_test_raise_signal(tc, test_aead_copied_key_is_our_mistake,
                                SIGABRT);
    tcase_add_test_raise_signal(tc, test_aead_wiped_key_is_our_mistake,
                                SIGABRT);
    return tc;
}

Suite *suite_make(void)
{
    Suite *s = suite_create("aead");
    TCase *both = tcase_create("both kernels");

    suite_add_tcase(s, make_case("chosen kernel", setup));
    suite_add_tcase(s, make_case("portable kernel", setup_portable));
    tcase_add_loop_test(both, test_aead_kernels_agree, 0, 20);
    suite_add_tcase(s, both);
    return s;
}
