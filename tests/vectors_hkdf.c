#include <stdio.h>
#include <stdlib.h>

#include "crypto/hash.h"
#include "tests/vectors.h"

#define OUT_MAX ((size_t)255 * SHA512_SIZE)

/* Wycheproof HKDF-SHA-512: extract, then expand. */
static void run_test(const json_t *test, struct vectors_report *r)
{
    json_int_t want_size = json_integer_value(json_object_get(test, "size"));
    size_t ikm_size, salt_size, info_size, okm_size;
    uint8_t *ikm = vectors_hex(test, "ikm", &ikm_size);
    uint8_t *salt = vectors_hex(test, "salt", &salt_size);
    uint8_t *info = vectors_hex(test, "info", &info_size);
    uint8_t *okm = vectors_hex(test, "okm", &okm_size);
    uint8_t prk[SHA512_SIZE], out[OUT_MAX];
    char name[32];

    if ((size_t)want_size > OUT_MAX) {
        vectors_skip(r, "more output than HKDF has is our mistake: an assert");
    } else {
        hkdf512_extract(slice_of(salt, salt_size), slice_of(ikm, ikm_size),
                        prk);
        hkdf512_expand(slice_of(prk, sizeof(prk)), slice_of(info, info_size),
                       out, okm_size);
        snprintf(name, sizeof(name), "tcId %lld",
                 (long long)json_integer_value(json_object_get(test, "tcId")));
        vectors_case(
            r, (size_t)want_size == okm_size && memcmp(out, okm, okm_size) == 0,
            name);
    }
    free(ikm);
    free(salt);
    free(info);
    free(okm);
}

void vectors_hkdf(json_t *root, struct vectors_report *r)
{
    const json_t *group, *test;
    size_t i, j;

    json_array_foreach(json_object_get(root, "testGroups"), i, group)
    {
        json_array_foreach(json_object_get(group, "tests"), j, test)
        {
            run_test(test, r);
        }
    }
}
