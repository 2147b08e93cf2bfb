#include "crypto/keyfile.h"
#include "crypto/secret.h"
#include "node/recovery/recipient_keys.h"
#include "tests/scratch.h"
#include "tests/suite.h"

static const struct slice none = {.data = NULL, .size = 0};
static char *path;
static char errmsg[ERRMSG_SIZE];

static void start(void)
{
    scratch_make();
    path = path_join(scratch, "keys");
    errmsg[0] = '\0';
}

static void end(void)
{
    free(path);
    scratch_remove();
}

static struct recipient_keys *create(struct slice passphrase)
{
    struct recipient_keys *keys = NULL;

    ck_assert_int_eq(
        recipient_keys_create(path, passphrase, &(struct digest){.bytes = {1}},
                              &(struct digest){.bytes = {2}}, &keys, errmsg),
        OK);
    return keys;
}

/* What does not open gives nothing, and says why. */
static void check_refused(struct slice passphrase, int rv)
{
    struct recipient_keys *keys = NULL;

    errmsg[0] = '\0';
    ck_assert_int_eq(recipient_keys_read(path, passphrase, &keys, errmsg), rv);
    ck_assert_ptr_null(keys);
    ck_assert_str_ne(errmsg, "");
}

/* Keys come back as they were made, and are those of X25519. */
START_TEST(test_recipient_keys_round_trip)
{
    struct recipient_keys *made = create(none);
    struct recipient_keys *got = NULL;
    uint8_t shared[32], same[32];
    struct noise_keypair other;
    bool sealed = true;
    struct stat st;
    struct rng r;

    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    ck_assert_int_eq(recipient_keys_is_sealed(path, &sealed, errmsg), OK);
    ck_assert(!sealed);
    ck_assert_int_eq(recipient_keys_read(path, none, &got, errmsg), OK);
    ck_assert_mem_eq(made, got, sizeof(*got));
    rng_init_system(&r);
    noise_keypair_init(&other, &r);
    ck_assert_int_eq(noise_dh(got->transport.sk, other.pk, shared), OK);
    ck_assert_int_eq(noise_dh(other.sk, got->transport.pk, same), OK);
    ck_assert_mem_eq(shared, same, sizeof(same));
    ck_assert_int_eq(noise_dh(got->hpke_sk, other.pk, shared), OK);
    ck_assert_int_eq(noise_dh(other.sk, got->hpke_pk, same), OK);
    ck_assert_mem_eq(shared, same, sizeof(same));
    ck_assert_mem_ne(got->hpke_sk, got->transport.sk, 32);
    secret_free(got);
    secret_free(made);
}
END_TEST

START_TEST(test_recipient_keys_are_never_overwritten)
{
    struct recipient_keys *made = create(none);
    struct recipient_keys *got = NULL;

    ck_assert_int_eq(
        recipient_keys_create(path, none, &(struct digest){.bytes = {1}},
                              &(struct digest){.bytes = {2}}, &got, errmsg),
        ERR_EXISTS);
    ck_assert_ptr_null(got);
    ck_assert_int_eq(recipient_keys_read(path, none, &got, errmsg), OK);
    ck_assert_mem_eq(made, got, sizeof(*got));
    secret_free(got);
    secret_free(made);
}
END_TEST

START_TEST(test_recipient_keys_under_a_passphrase)
{
    struct recipient_keys *made = create(slice_str("correct horse"));
    struct recipient_keys *got = NULL;
    bool sealed = false;

    ck_assert_int_eq(recipient_keys_is_sealed(path, &sealed, errmsg), OK);
    ck_assert(sealed);
    check_refused(slice_str("battery"), ERR_AUTH);
    check_refused(none, ERR_AUTH);
    ck_assert_int_eq(
        recipient_keys_read(path, slice_str("correct horse"), &got, errmsg),
        OK);
    ck_assert_mem_eq(made, got, sizeof(*got));
    secret_free(got);
    secret_free(made);
}
END_TEST

/* Files that are missing, open to others, damaged, or something else. */
START_TEST(test_recipient_keys_refused)
{
    static const uint8_t seed[RNG_SEED_SIZE] = {1};
    uint8_t large[KEYFILE_OVERHEAD + 4096], file[KEYFILE_OVERHEAD + 3];
    uint8_t *bytes = NULL;
    bool sealed = false;
    size_t size = 0;
    struct rng r;

    check_refused(none, ERR_NOTFOUND);
    ck_assert_int_eq(recipient_keys_is_sealed(path, &sealed, errmsg),
                     ERR_NOTFOUND);
    secret_free(create(none));
    ck_assert_int_eq(chmod(path, 0640), 0);
    check_refused(none, ERR_DENIED);
    ck_assert_int_eq(chmod(path, 0600), 0);
    /* In the clear where a sealed one was expected. */
    check_refused(slice_str("correct horse"), ERR_AUTH);
    ck_assert_int_eq(file_read(path, 4096, &bytes, &size, errmsg), OK);
    bytes[size - 20] ^= 1;
    ck_assert_int_eq(
        file_write(path, slice_of(bytes, size), 0600, FILE_REPLACE, errmsg),
        OK);
    check_refused(none, ERR_AUTH);
    free(bytes);

    rng_init_seed(&r, seed);
    ck_assert_int_eq(
        keyfile_seal(KEYFILE_RECIPIENT, none, slice_of("abc", 3), &r, file),
        OK);
    ck_assert_int_eq(file_write(path, slice_of(file, sizeof(file)), 0600,
                                FILE_REPLACE, errmsg),
                     OK);
    check_refused(none, ERR_BAD);
    ck_assert_int_eq(
        keyfile_seal(KEYFILE_NODE, none, slice_of("abc", 3), &r, file), OK);
    ck_assert_int_eq(file_write(path, slice_of(file, sizeof(file)), 0600,
                                FILE_REPLACE, errmsg),
                     OK);
    check_refused(none, ERR_BAD);
    memset(large, 0, sizeof(large));
    ck_assert_int_eq(file_write(path, slice_of(large, sizeof(large)), 0600,
                                FILE_REPLACE, errmsg),
                     OK);
    check_refused(none, ERR_BAD);
    ck_assert_int_eq(recipient_keys_is_sealed(path, &sealed, errmsg), ERR_BAD);
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("recipient_keys");
    TCase *tc = tcase_create("recipient_keys");

    tcase_add_checked_fixture(tc, start, end);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_recipient_keys_round_trip);
    tcase_add_test(tc, test_recipient_keys_are_never_overwritten);
    tcase_add_test(tc, test_recipient_keys_under_a_passphrase);
    tcase_add_test(tc, test_recipient_keys_refused);
    suite_add_tcase(s, tc);
    return s;
}
