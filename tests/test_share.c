#include <stdlib.h>

#include "crypto/rng.h"
#include "protocol/canon.h"
#include "protocol/share.h"
#include "tests/suite.h"

/* The order of the group: the smallest scalar that is none. */
static const char *const order_hex =
    "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";

static uint8_t file[SHARE_FILE_MAX];
static size_t file_size;

static struct share_file sample(int i)
{
    const uint8_t seed[RNG_SEED_SIZE] = {(uint8_t)i};
    struct share_file f;
    struct rng rng;

    memset(&f, 0, sizeof(f));
    rng_init_seed(&rng, seed);
    rng_bytes(&rng, &f.deposit_id, sizeof(f.deposit_id));
    rng_bytes(&rng, &f.manifest_hash, sizeof(f.manifest_hash));
    f.epoch = UINT64_MAX >> rng_below(&rng, 64);
    f.share.index = (uint16_t)rng_below(&rng, VSS_N_MAX) + 1;
    scalar_random(&f.share.s, &rng);
    scalar_random(&f.share.r, &rng);
    return f;
}

static void encode(const struct share_file *f)
{
    ck_assert_int_eq(share_file_encode(f, file, sizeof(file), &file_size), OK);
}

static int decode(struct share_file *out)
{
    return share_file_decode(out, slice_of(file, file_size));
}

static bool share_files_equal(const struct share_file *a,
                              const struct share_file *b)
{
    return digest_equal(&a->deposit_id, &b->deposit_id) &&
           digest_equal(&a->manifest_hash, &b->manifest_hash) &&
           a->epoch == b->epoch && a->share.index == b->share.index &&
           memcmp(&a->share.s, &b->share.s, SCALAR_SIZE) == 0 &&
           memcmp(&a->share.r, &b->share.r, SCALAR_SIZE) == 0;
}

/* A share comes back as it was, whatever its numbers. */
START_TEST(test_share_round_trip)
{
    for (int i = 0; i < 50; i++) {
        const struct share_file f = sample(i);
        struct share_file got;

        encode(&f);
        ck_assert_int_eq(decode(&got), OK);
        ck_assert(share_files_equal(&f, &got));
    }
}
END_TEST

/* The bytes of docs/FORMAT.md 7, put together by hand. */
START_TEST(test_share_known_bytes)
{
    struct share_file f;
    uint8_t want[8 + 2 + 2 * 34 + 1 + 2 + 2 * 34], *at = want;

    memset(&f, 0, sizeof(f));
    memset(f.deposit_id.bytes, 0xdd, DIGEST_SIZE);
    memset(f.manifest_hash.bytes, 0xee, DIGEST_SIZE);
    f.epoch = 3;
    f.share.index = 200;
    scalar_from_u64(&f.share.s, 0x0102);
    scalar_from_u64(&f.share.r, 0x0304);
    encode(&f);

    memcpy(at, "CRNSHARE\x97\x01", 10);
    at += 10;
    hex_read("c420", at, 2);
    memset(at + 2, 0xdd, DIGEST_SIZE);
    at += 34;
    hex_read("c420", at, 2);
    memset(at + 2, 0xee, DIGEST_SIZE);
    at += 34;
    hex_read("03ccc8", at, 3);
    at += 3;
    memset(at, 0, 68);
    hex_read("c4200201", at, 4);
    hex_read("c4200403", at + 34, 4);
    ck_assert_uint_eq(file_size, sizeof(want));
    ck_assert_bytes_eq(file, want, sizeof(want));
}
END_TEST

/* No share file needs more than SHARE_FILE_MAX; a smaller buffer is reported
 * full, and no part of the secret stays in it. */
START_TEST(test_share_buffer)
{
    static const uint8_t zero[SHARE_FILE_MAX];
    struct share_file f = sample(1);
    uint8_t out[SHARE_FILE_MAX];
    size_t size = 77;

    f.epoch = UINT64_MAX;
    f.share.index = VSS_N_MAX;
    encode(&f);
    for (size_t max = 0; max < file_size; max++) {
        memset(out, 0xaa, sizeof(out));
        ck_assert_int_eq(share_file_encode(&f, out, max, &size), ERR_FULL);
        ck_assert_uint_eq(size, 77);
        if (max > 0) {
            ck_assert_bytes_eq(out, zero, max);
        }
        ck_assert_uint_eq(out[max], 0xaa);
    }
}
END_TEST

/* Scalars of the group's order and above have a smaller twin, and are refused:
 * a share has one form. */
START_TEST(test_share_scalars_are_canonical)
{
    const struct share_file f = sample(2);
    struct share_file got;
    uint8_t order[SCALAR_SIZE];

    hex_read(order_hex, order, sizeof(order));
    for (size_t back = SCALAR_SIZE; back <= 66; back += 34) {
        encode(&f);
        memcpy(file + file_size - back, order, sizeof(order));
        ck_assert_int_eq(decode(&got), ERR_BAD);
        file[file_size - back]--; /* One below is a scalar. */
        ck_assert_int_eq(decode(&got), OK);
        memset(file + file_size - back, 0xff, SCALAR_SIZE);
        ck_assert_int_eq(decode(&got), ERR_BAD);
        encode(&f);
        file[file_size - back + SCALAR_SIZE - 1] |= 0x80;
        ck_assert_int_eq(decode(&got), ERR_BAD);
    }
}
END_TEST

/* Write a share file with any version and index. */
static void forge(uint64_t version, uint64_t index, uint32_t items)
{
    static const uint8_t zero[32];
    struct canon_writer w;
    struct slice s = {0};

    canon_write_init(&w, file, sizeof(file));
    canon_put_raw(&w, slice_str("CRNSHARE"));
    canon_put_array(&w, items);
    canon_put_uint(&w, version);
    canon_put_bin(&w, slice_of(zero, 32));
    canon_put_bin(&w, slice_of(zero, 32));
    canon_put_uint(&w, 0);
    canon_put_uint(&w, index);
    canon_put_bin(&w, slice_of(zero, 32));
    canon_put_bin(&w, slice_of(zero, 32));
    for (uint32_t i = 7; i < items; i++) {
        canon_put_nil(&w);
    }
    ck_assert_int_eq(canon_write_end(&w, &s), OK);
    file_size = s.size;
}

/* Indices outside of 1..VSS_N_MAX, other versions and other shapes. */
START_TEST(test_share_bounds)
{
    struct share_file got;

    forge(1, 1, 7);
    ck_assert_int_eq(decode(&got), OK);
    forge(1, VSS_N_MAX, 7);
    ck_assert_int_eq(decode(&got), OK);
    forge(1, 0, 7);
    ck_assert_int_eq(decode(&got), ERR_BAD);
    forge(1, VSS_N_MAX + 1, 7);
    ck_assert_int_eq(decode(&got), ERR_BAD);
    forge(1, 65537, 7); /* 1, if it were cut to 16 bits. */
    ck_assert_int_eq(decode(&got), ERR_BAD);
    forge(2, 1, 7);
    ck_assert_int_eq(decode(&got), ERR_UNSUPPORTED);
    forge(0, 1, 7);
    ck_assert_int_eq(decode(&got), ERR_UNSUPPORTED);
    forge(1, 1, 8);
    ck_assert_int_eq(decode(&got), ERR_BAD);
    forge(1, 1, 7);
    file[7] = 'e';
    ck_assert_int_eq(decode(&got), ERR_BAD);
}
END_TEST

/* No cut and no added byte is a share, and refused input leaves the output
 * alone. */
START_TEST(test_share_every_cut)
{
    const struct share_file f = sample(3);
    struct share_file got, before;

    encode(&f);
    memset(&got, 0x55, sizeof(got));
    before = got;
    for (size_t cut = 0; cut < file_size; cut++) {
        uint8_t *copy = malloc(cut + 1); /* Ends where the file was cut. */

        memcpy(copy + 1, file, cut);
        ck_assert_int_eq(share_file_decode(&got, slice_of(copy + 1, cut)),
                         ERR_BAD);
        free(copy);
    }
    file[file_size++] = 0;
    ck_assert_int_eq(decode(&got), ERR_BAD);
    ck_assert(share_files_equal(&got, &before));
}
END_TEST

/* Any change of one byte is refused or makes another share: nothing in the
 * file is without meaning. */
START_TEST(test_share_every_byte_counts)
{
    const struct share_file f = sample(4);
    struct share_file got;

    encode(&f);
    for (size_t at = 0; at < file_size; at++) {
        for (unsigned flip = 1; flip < 256; flip++) {
            file[at] ^= (uint8_t)flip;
            if (decode(&got) == OK) {
                ck_assert(!share_files_equal(&f, &got));
            }
            file[at] ^= (uint8_t)flip;
        }
    }
    ck_assert_int_eq(decode(&got), OK);
}
END_TEST

/* Nothing is left after a wipe. */
START_TEST(test_share_wipe)
{
    static const uint8_t zero[sizeof(struct share_file)];
    struct share_file f = sample(5);

    share_file_wipe(&f);
    ck_assert_bytes_eq(&f, zero, sizeof(zero));
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("share");
    TCase *tc = tcase_create("share");

    tcase_add_test(tc, test_share_round_trip);
    tcase_add_test(tc, test_share_known_bytes);
    tcase_add_test(tc, test_share_buffer);
    tcase_add_test(tc, test_share_scalars_are_canonical);
    tcase_add_test(tc, test_share_bounds);
    tcase_add_test(tc, test_share_every_cut);
    tcase_add_test(tc, test_share_every_byte_counts);
    tcase_add_test(tc, test_share_wipe);
    suite_add_tcase(s, tc);
    return s;
}
