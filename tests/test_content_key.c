#include <jansson.h>
#include <sodium.h>

#include "crypto/content_key.h"
#include "tests/suite.h"

/* The scalar and deposit of the frozen vectors. */
static uint8_t scalar[32];
static struct digest deposit, commit;
static struct content_key k;

static json_t *load(const char *file)
{
    json_error_t error;
    json_t *root = json_load_file(file, 0, &error);

    ck_assert_msg(root != NULL, "%s: %s", file, error.text);
    return root;
}

static void field(const json_t *o, const char *name, uint8_t *out, size_t size)
{
    const char *hex = json_string_value(json_object_get(o, name));

    ck_assert_msg(hex != NULL, "no %s", name);
    hex_read(hex, out, size);
}

static void setup(void)
{
    json_t *root = load("tests/vectors/custody/model-custody.json");
    const json_t *deal = json_object_get(root, "deal");

    field(deal, "secret_s", scalar, sizeof(scalar));
    field(deal, "deposit_id", deposit.bytes, DIGEST_SIZE);
    json_decref(root);
    content_key_derive(&k, &deposit, scalar, &commit);
}

/* From the secret to the root and the commitment. */
START_TEST(test_content_key_matches_custody_model)
{
    json_t *root = load("tests/vectors/custody/model-custody.json");
    const json_t *deal = json_object_get(root, "deal");
    uint8_t want[32];

    field(deal, "content_root", want, sizeof(want));
    ck_assert_bytes_eq(k.root, want, sizeof(want));
    field(deal, "key_commit", want, sizeof(want));
    ck_assert_bytes_eq(commit.bytes, want, sizeof(want));
    ck_assert(digest_equal(&k.deposit_id, &deposit));
    json_decref(root);
}
END_TEST

/* From the root to key and context of a segment, and what they seal. */
START_TEST(test_content_key_matches_segment_model)
{
    json_t *root = load("tests/vectors/chunked/model-segment.json");
    const json_t *segments = json_object_get(root, "segments"), *item;
    uint8_t key[CHUNKED_KEY_SIZE], want[32];
    struct digest context;
    size_t i;

    field(root, "deposit_id", k.deposit_id.bytes, DIGEST_SIZE);
    field(root, "content_root", k.root, sizeof(k.root));
    ck_assert_uint_eq(json_array_size(segments), 6);
    json_array_foreach(segments, i, item)
    {
        uint64_t index =
            (uint64_t)json_integer_value(json_object_get(item, "index"));

        content_key_segment(&k, index, key, &context);
        field(item, "segment_key", want, sizeof(want));
        ck_assert_bytes_eq(key, want, sizeof(want));
        field(item, "context", want, sizeof(want));
        ck_assert_bytes_eq(context.bytes, want, sizeof(want));
    }
    json_decref(root);
}
END_TEST

/* One secret in two deposits has nothing in common. */
START_TEST(test_content_key_belongs_to_its_deposit)
{
    struct content_key other;
    struct digest other_commit, a, b;
    uint8_t key_a[CHUNKED_KEY_SIZE], key_b[CHUNKED_KEY_SIZE];

    deposit.bytes[31] ^= 1;
    content_key_derive(&other, &deposit, scalar, &other_commit);
    ck_assert(memcmp(k.root, other.root, sizeof(k.root)) != 0);
    ck_assert(!digest_equal(&commit, &other_commit));
    /* The context names the deposit even under one root. */
    memcpy(other.root, k.root, sizeof(k.root));
    content_key_segment(&k, 0, key_a, &a);
    content_key_segment(&other, 0, key_b, &b);
    ck_assert_bytes_eq(key_a, key_b, sizeof(key_a));
    ck_assert(!digest_equal(&a, &b));
}
END_TEST

/* The commitment tells every other secret. */
START_TEST(test_content_key_other_secret_has_other_commitment)
{
    struct content_key other;
    struct digest other_commit;

    for (size_t bit = 0; bit < 256; bit++) {
        scalar[bit / 8] ^= (uint8_t)(1U << bit % 8);
        content_key_derive(&other, &deposit, scalar, &other_commit);
        ck_assert(!digest_equal(&commit, &other_commit));
        ck_assert(memcmp(k.root, other.root, sizeof(k.root)) != 0);
        scalar[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
}
END_TEST

/* All 64 bits of the index count, for the key and for the context. */
START_TEST(test_content_key_every_segment_has_its_own)
{
    uint8_t key[65][CHUNKED_KEY_SIZE];
    struct digest context[65];

    content_key_segment(&k, 0, key[64], &context[64]);
    for (unsigned i = 0; i < 64; i++) {
        content_key_segment(&k, (uint64_t)1 << i, key[i], &context[i]);
    }
    for (size_t i = 0; i < 65; i++) {
        for (size_t j = 0; j < i; j++) {
            ck_assert(memcmp(key[i], key[j], sizeof(key[i])) != 0);
            ck_assert(!digest_equal(&context[i], &context[j]));
        }
    }
}
END_TEST

/* Two segments with one plaintext, even under one salt, have nothing in
 * common. */
START_TEST(test_content_key_equal_content_is_not_seen)
{
    static uint8_t sealed[2][CHUNKED_HEADER_SIZE + CHUNKED_SEALED_SIZE + 5016];
    static uint8_t plain[CHUNKED_CHUNK_SIZE + 5000];
    const uint8_t salt[CHUNKED_SALT_SIZE] = {9};
    uint8_t key[CHUNKED_KEY_SIZE];
    struct digest context;

    for (size_t i = 0; i < 2; i++) {
        content_key_segment(&k, 7 + i, key, &context);
        chunked_seal_all(key, salt, digest_slice(&context),
                         slice_of(plain, sizeof(plain)), sealed[i]);
    }
    for (size_t at = sizeof(salt); at + 16 <= sizeof(sealed[0]); at += 16) {
        ck_assert_mem_ne(sealed[0] + at, sealed[1] + at, 16);
    }
}
END_TEST

/* Nothing stays. */
START_TEST(test_content_key_wipe)
{
    content_key_wipe(&k);
    ck_assert(sodium_is_zero(k.root, sizeof(k.root)) == 1);
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("content_key");
    TCase *tc = tcase_create("content_key");

    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, test_content_key_matches_custody_model);
    tcase_add_test(tc, test_content_key_matches_segment_model);
    tcase_add_test(tc, test_content_key_belongs_to_its_deposit);
    tcase_add_test(tc, test_content_key_other_secret_has_other_commitment);
    tcase_add_test(tc, test_content_key_every_segment_has_its_own);
    tcase_add_test(tc, test_content_key_equal_content_is_not_seen);
    tcase_add_test(tc, test_content_key_wipe);
    suite_add_tcase(s, tc);
    return s;
}
