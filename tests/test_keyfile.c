#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "crypto/keyfile.h"
#include "tests/suite.h"

#define PAYLOAD      "planted secret"
#define PAYLOAD_SIZE (sizeof(PAYLOAD) - 1)
#define FILE_SIZE    (PAYLOAD_SIZE + KEYFILE_OVERHEAD)
#define PASSPHRASE   "correct horse"

/* Where the fields of the header stand, as keyfile.h draws it. */
#define AT_VERSION 4
#define AT_KDF     5
#define AT_PURPOSE 6
#define AT_OPS     8
#define AT_MEM     16
#define AT_SALT    24
#define AT_NONCE   40
#define AT_SIZE    64

/* Both made by an implementation in Python that shares no code with this one:
 * purpose node in the clear, purpose custody under PASSPHRASE. */
static const char golden_plain[] =
    "43524e4b01000100000000000000000000000000000000000000000000000000"
    "0000000000000000000000000000000000000000000000000000000000000000"
    "0e000000706c616e7465642073656372657418ff7666d40924b9dca270180250"
    "2ba7";
static const char golden_sealed[] =
    "43524e4b01010200030000000000000000000010000000000001020304050607"
    "08090a0b0c0d0e0f6465666768696a6b6c6d6e6f707172737475767778797a7b"
    "0e000000be519b144c6cf749efcfc116b17ec9a4e1b3bf42c77cbe3f945c54a7"
    "c77f";

static struct rng rng;
static uint8_t file[FILE_SIZE], opened[PAYLOAD_SIZE];
static struct keyfile_info info;

static void start(void)
{
    rng_init_system(&rng);
    memset(opened, 0x5a, sizeof(opened));
    memset(&info, 0x5a, sizeof(info));
}

static void read_golden(const char *hex)
{
    hex_read(hex, file, sizeof(file));
}

static struct slice whole(void)
{
    return slice_of(file, sizeof(file));
}

static int inspect(void)
{
    return keyfile_inspect(whole(), &info);
}

static int open_as(enum keyfile_purpose purpose, const char *passphrase)
{
    return keyfile_open(purpose, slice_str(passphrase), whole(), opened);
}

/* A refused file leaves the caller's buffer as it was. */
static void assert_untouched(void)
{
    for (size_t i = 0; i < sizeof(opened); i++) {
        ck_assert_uint_eq(opened[i], 0x5a);
    }
}

/* A file in the clear is byte for byte what its format says. */
START_TEST(test_keyfile_plain_golden)
{
    uint8_t made[FILE_SIZE];

    read_golden(golden_plain);
    ck_assert_int_eq(keyfile_seal(KEYFILE_NODE, slice_str(""),
                                  slice_str(PAYLOAD), &rng, made),
                     OK);
    ck_assert_bytes_eq(made, file, sizeof(made));
    ck_assert_int_eq(inspect(), OK);
    ck_assert_int_eq(info.purpose, KEYFILE_NODE);
    ck_assert(!info.sealed);
    ck_assert_uint_eq(info.payload_size, PAYLOAD_SIZE);
    ck_assert_int_eq(open_as(KEYFILE_NODE, ""), OK);
    ck_assert_bytes_eq(opened, PAYLOAD, PAYLOAD_SIZE);
}
END_TEST

/* A sealed file of another implementation opens. */
START_TEST(test_keyfile_sealed_golden)
{
    read_golden(golden_sealed);
    ck_assert_int_eq(inspect(), OK);
    ck_assert_int_eq(info.purpose, KEYFILE_CUSTODY);
    ck_assert(info.sealed);
    ck_assert_uint_eq(info.ops, KEYFILE_OPS_MIN);
    ck_assert_uint_eq(info.mem, KEYFILE_MEM_MIN);
    ck_assert_int_eq(open_as(KEYFILE_CUSTODY, PASSPHRASE), OK);
    ck_assert_bytes_eq(opened, PAYLOAD, PAYLOAD_SIZE);
}
END_TEST

/* Sealing hides the payload and never twice in the same way. */
START_TEST(test_keyfile_sealed_round_trip)
{
    uint8_t again[FILE_SIZE];

    ck_assert_int_eq(keyfile_seal(KEYFILE_SHARE, slice_str(PASSPHRASE),
                                  slice_str(PAYLOAD), &rng, file),
                     OK);
    ck_assert_int_eq(keyfile_seal(KEYFILE_SHARE, slice_str(PASSPHRASE),
                                  slice_str(PAYLOAD), &rng, again),
                     OK);
    ck_assert(memcmp(file + AT_SALT, again + AT_SALT, 16) != 0);
    ck_assert(memcmp(file + AT_NONCE, again + AT_NONCE, 24) != 0);
    ck_assert(memcmp(file + KEYFILE_HEADER_SIZE, again + KEYFILE_HEADER_SIZE,
                     PAYLOAD_SIZE) != 0);
    ck_assert(memcmp(file + KEYFILE_HEADER_SIZE, PAYLOAD, PAYLOAD_SIZE) != 0);
    ck_assert_int_eq(open_as(KEYFILE_SHARE, PASSPHRASE), OK);
    ck_assert_bytes_eq(opened, PAYLOAD, PAYLOAD_SIZE);
}
END_TEST

/* The largest payload and none at all come back; nothing larger is taken. */
START_TEST(test_keyfile_payload_sizes)
{
    static uint8_t payload[KEYFILE_PAYLOAD_MAX], back[KEYFILE_PAYLOAD_MAX];
    static uint8_t big[KEYFILE_PAYLOAD_MAX + KEYFILE_OVERHEAD + 1];

    rng_bytes(&rng, payload, sizeof(payload));
    ck_assert_int_eq(keyfile_seal(KEYFILE_JOURNAL, slice_str(""),
                                  slice_of(payload, sizeof(payload)), &rng,
                                  big),
                     OK);
    ck_assert_int_eq(keyfile_open(KEYFILE_JOURNAL, slice_str(""),
                                  slice_of(big, sizeof(big) - 1), back),
                     OK);
    ck_assert_bytes_eq(back, payload, sizeof(payload));
    u32le_store(big + AT_SIZE, KEYFILE_PAYLOAD_MAX + 1);
    ck_assert_int_eq(keyfile_inspect(slice_of(big, sizeof(big)), &info),
                     ERR_BAD);
    ck_assert_int_eq(keyfile_seal(KEYFILE_JOURNAL, slice_str(""),
                                  slice_of(NULL, 0), &rng, big),
                     OK);
    ck_assert_int_eq(keyfile_open(KEYFILE_JOURNAL, slice_str(""),
                                  slice_of(big, KEYFILE_OVERHEAD), back),
                     OK);
}
END_TEST

/* Only the passphrase itself opens: not a longer one, not none. */
START_TEST(test_keyfile_wrong_passphrase)
{
    read_golden(golden_sealed);
    ck_assert_int_eq(open_as(KEYFILE_CUSTODY, PASSPHRASE "s"), ERR_AUTH);
    ck_assert_int_eq(open_as(KEYFILE_CUSTODY, ""), ERR_AUTH);
    assert_untouched();
}
END_TEST

/* A file in the clear cannot take the place of one that was sealed. */
START_TEST(test_keyfile_plain_is_not_sealed)
{
    read_golden(golden_plain);
    ck_assert_int_eq(open_as(KEYFILE_NODE, PASSPHRASE), ERR_AUTH);
    assert_untouched();
}
END_TEST

/* Keys for one purpose are never taken for another. */
START_TEST(test_keyfile_wrong_purpose)
{
    read_golden(golden_plain);
    ck_assert_int_eq(open_as(KEYFILE_NETWORK, ""), ERR_MISMATCH);
    read_golden(golden_sealed);
    ck_assert_int_eq(open_as(KEYFILE_NODE, PASSPHRASE), ERR_MISMATCH);
    assert_untouched();
}
END_TEST

/* Saying another purpose in the header does not help. */
START_TEST(test_keyfile_purpose_is_authentic)
{
    read_golden(golden_plain);
    file[AT_PURPOSE] = KEYFILE_NETWORK;
    ck_assert_int_eq(open_as(KEYFILE_NETWORK, ""), ERR_AUTH);
    read_golden(golden_sealed);
    file[AT_PURPOSE] = KEYFILE_NODE;
    ck_assert_int_eq(open_as(KEYFILE_NODE, PASSPHRASE), ERR_AUTH);
    assert_untouched();
}
END_TEST

/* A file cut anywhere, or with anything behind it, is no key file. */
START_TEST(test_keyfile_truncation)
{
    uint8_t longer[FILE_SIZE + 1] = {0};
    const char *const goldens[] = {golden_plain, golden_sealed};

    for (size_t g = 0; g < 2; g++) {
        read_golden(goldens[g]);
        memcpy(longer, file, sizeof(file));
        for (size_t size = 0; size < sizeof(file); size++) {
            ck_assert_int_eq(keyfile_inspect(slice_of(file, size), &info),
                             ERR_BAD);
            ck_assert_int_eq(keyfile_open(KEYFILE_NODE, slice_str(""),
                                          slice_of(file, size), opened),
                             ERR_BAD);
        }
        ck_assert_int_eq(
            keyfile_inspect(slice_of(longer, sizeof(longer)), &info), ERR_BAD);
    }
    ck_assert_int_eq(keyfile_inspect(slice_of(NULL, 0), &info), ERR_BAD);
    assert_untouched();
}
END_TEST

/* No bit of a file in the clear can change unnoticed. */
START_TEST(test_keyfile_plain_every_bit_counts)
{
    read_golden(golden_plain);
    for (size_t i = 0; i < sizeof(file) * 8; i++) {
        file[i / 8] ^= (uint8_t)(1U << (i % 8));
        ck_assert_int_ne(open_as(KEYFILE_NODE, ""), OK);
        file[i / 8] ^= (uint8_t)(1U << (i % 8));
    }
    assert_untouched();
    ck_assert_int_eq(open_as(KEYFILE_NODE, ""), OK);
}
END_TEST

/* A changed byte in each part of a sealed file is noticed, also in those that
 * leave the derived key the same: Argon2id counts memory in KiB. */
START_TEST(test_keyfile_sealed_every_part_counts)
{
    static const size_t places[] = {AT_MEM, AT_SALT, AT_NONCE + 23,
                                    KEYFILE_HEADER_SIZE, FILE_SIZE - 1};
    size_t at = places[_i];

    read_golden(golden_sealed);
    file[at] ^= 4;
    ck_assert_int_eq(open_as(KEYFILE_CUSTODY, PASSPHRASE), ERR_AUTH);
    assert_untouched();
}
END_TEST

/* What this version does not know is not guessed at. */
START_TEST(test_keyfile_unknown_is_refused)
{
    read_golden(golden_plain);
    file[AT_KDF] = 2;
    ck_assert_int_eq(inspect(), ERR_UNSUPPORTED);
    ck_assert_int_eq(open_as(KEYFILE_NODE, ""), ERR_UNSUPPORTED);
    read_golden(golden_plain);
    file[AT_VERSION] = 2;
    ck_assert_int_eq(inspect(), ERR_UNSUPPORTED);
    file[AT_VERSION] = 0;
    ck_assert_int_eq(inspect(), ERR_UNSUPPORTED);
    read_golden(golden_plain);
    u16le_store(file + AT_PURPOSE, KEYFILE_NETWORK + 1);
    ck_assert_int_eq(inspect(), ERR_UNSUPPORTED);
    u16le_store(file + AT_PURPOSE, 0);
    ck_assert_int_eq(inspect(), ERR_UNSUPPORTED);
    u16le_store(file + AT_PURPOSE, KEYFILE_NODE | 0x100);
    ck_assert_int_eq(inspect(), ERR_UNSUPPORTED);
    file[0] = 'P';
    ck_assert_int_eq(inspect(), ERR_BAD);
}
END_TEST

/* In the clear, the fields of Argon2id and the cipher are zero. */
START_TEST(test_keyfile_plain_has_no_parameters)
{
    for (size_t at = AT_OPS; at < AT_SIZE; at++) {
        read_golden(golden_plain);
        file[at] = 1;
        ck_assert_int_eq(inspect(), ERR_BAD);
    }
}
END_TEST

static void set_kdf(uint64_t ops, uint64_t mem)
{
    read_golden(golden_sealed);
    u64le_store(file + AT_OPS, ops);
    u64le_store(file + AT_MEM, mem);
}

/* The bounds themselves are within the bounds. */
START_TEST(test_keyfile_bounds_are_inclusive)
{
    set_kdf(KEYFILE_OPS_MAX, KEYFILE_MEM_MAX);
    ck_assert_int_eq(inspect(), OK);
    ck_assert_uint_eq(info.ops, KEYFILE_OPS_MAX);
    ck_assert_uint_eq(info.mem, KEYFILE_MEM_MAX);
    set_kdf(KEYFILE_OPS_MIN, KEYFILE_MEM_MIN);
    ck_assert_int_eq(inspect(), OK);
}
END_TEST

/* From here on this process gets less memory than Argon2id needs. */
static void starve(void)
{
    char line[128];
    FILE *f = fopen("/proc/self/statm", "r");
    unsigned long pages;
    struct rlimit limit;

    ck_assert_ptr_nonnull(f);
    ck_assert_ptr_nonnull(fgets(line, sizeof(line), f));
    fclose(f);
    pages = strtoul(line, NULL, 10); /* The whole address space, in pages. */
    ck_assert_uint_gt(pages, 0);
    limit.rlim_cur =
        (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + KEYFILE_MEM_MIN / 2;
    limit.rlim_max = limit.rlim_cur;
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
}

/* Parameters outside the bounds are refused for what they are, before any
 * memory is asked for, and so is an empty passphrase; all else says that there
 * is no memory. */
START_TEST(test_keyfile_bounds_come_before_memory)
{
    static const struct {
        uint64_t ops, mem;
    } outside[] = {
        {KEYFILE_OPS_MIN - 1, KEYFILE_MEM_MIN},
        {0, KEYFILE_MEM_MIN},
        {KEYFILE_OPS_MAX + 1, KEYFILE_MEM_MIN},
        {UINT64_MAX, KEYFILE_MEM_MIN},
        {KEYFILE_OPS_MIN, KEYFILE_MEM_MIN - 1},
        {KEYFILE_OPS_MIN, 0},
        {KEYFILE_OPS_MIN, KEYFILE_MEM_MAX + 1},
        {KEYFILE_OPS_MIN, UINT64_MAX},
        {((uint64_t)1 << 32) + KEYFILE_OPS_MIN, KEYFILE_MEM_MIN},
    };

    starve();
    for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
        set_kdf(outside[i].ops, outside[i].mem);
        ck_assert_int_eq(inspect(), ERR_BAD);
        ck_assert_int_eq(open_as(KEYFILE_CUSTODY, PASSPHRASE), ERR_BAD);
    }
    set_kdf(KEYFILE_OPS_MIN, KEYFILE_MEM_MIN);
    ck_assert_int_eq(open_as(KEYFILE_CUSTODY, PASSPHRASE), ERR_NOMEM);
    ck_assert_int_eq(open_as(KEYFILE_CUSTODY, ""), ERR_AUTH);
    set_kdf(KEYFILE_OPS_MAX, KEYFILE_MEM_MAX);
    ck_assert_int_eq(open_as(KEYFILE_CUSTODY, PASSPHRASE), ERR_NOMEM);
    assert_untouched();
    memset(file, 0x5a, sizeof(file));
    ck_assert_int_eq(keyfile_seal(KEYFILE_SHARE, slice_str(PASSPHRASE),
                                  slice_str(PAYLOAD), &rng, file),
                     ERR_NOMEM);
    for (size_t i = 0; i < sizeof(file); i++) {
        ck_assert_uint_eq(file[i], 0x5a);
    }
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("keyfile");
    TCase *tc = tcase_create("keyfile");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, start, NULL);
    tcase_add_test(tc, test_keyfile_plain_golden);
    tcase_add_test(tc, test_keyfile_sealed_golden);
    tcase_add_test(tc, test_keyfile_sealed_round_trip);
    tcase_add_test(tc, test_keyfile_payload_sizes);
    tcase_add_test(tc, test_keyfile_wrong_passphrase);
    tcase_add_test(tc, test_keyfile_plain_is_not_sealed);
    tcase_add_test(tc, test_keyfile_wrong_purpose);
    tcase_add_test(tc, test_keyfile_purpose_is_authentic);
    tcase_add_test(tc, test_keyfile_truncation);
    tcase_add_test(tc, test_keyfile_plain_every_bit_counts);
    tcase_add_loop_test(tc, test_keyfile_sealed_every_part_counts, 0, 5);
    tcase_add_test(tc, test_keyfile_unknown_is_refused);
    tcase_add_test(tc, test_keyfile_plain_has_no_parameters);
    tcase_add_test(tc, test_keyfile_bounds_are_inclusive);
    tcase_add_test(tc, test_keyfile_bounds_come_before_memory);
    suite_add_tcase(s, tc);
    return s;
}
