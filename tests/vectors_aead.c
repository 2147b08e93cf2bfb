#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "crypto/aead.h"
#include "tests/vectors.h"

/* Wycheproof AEAD files. AES-GCM runs through aead.h, under the kernel of
 * this processor and then under OpenSSL; the two ChaCha20 ciphers run through
 * the calls of libsodium that hpke.c and keyfile.c make. */

struct aead_case {
    uint8_t key[AEAD_KEY_SIZE];
    struct slice nonce, ad, plain, sealed, tag;
};

typedef bool seals_fn(const struct aead_case *c);
typedef bool opens_fn(const struct aead_case *c);

static bool gcm_seals(const struct aead_case *c)
{
    uint8_t *out = malloc(c->plain.size + 1), tag[AEAD_TAG_SIZE];
    struct aead_key k;
    bool good;

    aead_key_init(&k, c->key);
    aead_seal(&k, c->nonce.data, c->ad, c->plain, out, tag);
    good = slice_equal(slice_of(out, c->plain.size), c->sealed) &&
           slice_equal(slice_of(tag, sizeof(tag)), c->tag);
    aead_key_wipe(&k);
    free(out);
    return good;
}

/* Refuses to be true when a refused message leaves anything but zeros. */
static bool gcm_opens(const struct aead_case *c)
{
    uint8_t *out = malloc(c->sealed.size + 1);
    struct aead_key k;
    bool good;

    memset(out, 0xee, c->sealed.size + 1);
    aead_key_init(&k, c->key);
    if (aead_open(&k, c->nonce.data, c->ad, c->sealed, c->tag.data, out) ==
        OK) {
        good = slice_equal(slice_of(out, c->sealed.size), c->plain);
    } else {
        good = sodium_is_zero(out, c->sealed.size) != 1;
    }
    aead_key_wipe(&k);
    free(out);
    return good;
}

static bool chacha_seals(const struct aead_case *c)
{
    uint8_t *out = malloc(c->plain.size + AEAD_TAG_SIZE);
    bool good;

    crypto_aead_chacha20poly1305_ietf_encrypt(
        out, NULL, c->plain.data, c->plain.size, c->ad.data, c->ad.size, NULL,
        c->nonce.data, c->key);
    good = slice_equal(slice_of(out, c->plain.size), c->sealed) &&
           slice_equal(slice_of(out + c->plain.size, AEAD_TAG_SIZE), c->tag);
    free(out);
    return good;
}

static bool chacha_opens(const struct aead_case *c)
{
    uint8_t *out = malloc(c->sealed.size + 1);
    bool good;

    good = crypto_aead_chacha20poly1305_ietf_decrypt_detached(
               NULL, NULL, c->sealed.data, c->sealed.size, c->tag.data,
               c->ad.data, c->ad.size, c->nonce.data, c->key) == 0 &&
           crypto_aead_chacha20poly1305_ietf_decrypt_detached(
               out, NULL, c->sealed.data, c->sealed.size, c->tag.data,
               c->ad.data, c->ad.size, c->nonce.data, c->key) == 0 &&
           slice_equal(slice_of(out, c->sealed.size), c->plain);
    free(out);
    return good;
}

static bool xchacha_seals(const struct aead_case *c)
{
    uint8_t *out = malloc(c->plain.size + AEAD_TAG_SIZE);
    bool good;

    crypto_aead_xchacha20poly1305_ietf_encrypt(
        out, NULL, c->plain.data, c->plain.size, c->ad.data, c->ad.size, NULL,
        c->nonce.data, c->key);
    good = slice_equal(slice_of(out, c->plain.size), c->sealed) &&
           slice_equal(slice_of(out + c->plain.size, AEAD_TAG_SIZE), c->tag);
    free(out);
    return good;
}

static bool xchacha_opens(const struct aead_case *c)
{
    uint8_t *out = malloc(c->sealed.size + 1);
    bool good;

    good = crypto_aead_xchacha20poly1305_ietf_decrypt_detached(
               NULL, NULL, c->sealed.data, c->sealed.size, c->tag.data,
               c->ad.data, c->ad.size, c->nonce.data, c->key) == 0 &&
           crypto_aead_xchacha20poly1305_ietf_decrypt_detached(
               out, NULL, c->sealed.data, c->sealed.size, c->tag.data,
               c->ad.data, c->ad.size, c->nonce.data, c->key) == 0 &&
           slice_equal(slice_of(out, c->sealed.size), c->plain);
    free(out);
    return good;
}

static const struct cipher {
    const char *algorithm;
    size_t nonce_size;
    seals_fn *seals;
    opens_fn *opens;
} ciphers[] = {
    {"AES-GCM", AEAD_NONCE_SIZE, gcm_seals, gcm_opens},
    {"CHACHA20-POLY1305", crypto_aead_chacha20poly1305_ietf_NPUBBYTES,
     chacha_seals, chacha_opens},
    {"XCHACHA20-POLY1305", crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
     xchacha_seals, xchacha_opens},
};

static void run_case(const struct cipher *cipher,
                     const json_t *test,
                     const struct aead_case *c,
                     struct vectors_report *r)
{
    const char *result = json_string_value(json_object_get(test, "result"));
    char name[64];
    bool good;

    if (c->nonce.size != cipher->nonce_size || c->tag.size != AEAD_TAG_SIZE) {
        vectors_skip(r, "key, nonce and tag have one size each here");
        return;
    }
    if (result != NULL && strcmp(result, "valid") == 0) {
        good = cipher->seals(c) && cipher->opens(c);
    } else {
        good = result != NULL && !cipher->opens(c);
    }
    snprintf(name, sizeof(name), "%s %s tcId %lld", aead_kernel(),
             cipher->algorithm,
             (long long)json_integer_value(json_object_get(test, "tcId")));
    vectors_case(r, good, name);
}

static void run_test(const struct cipher *cipher,
                     const json_t *test,
                     struct vectors_report *r)
{
    static const char *names[] = {"iv", "aad", "msg", "ct", "tag"};
    struct aead_case c;
    struct slice *fields[] = {&c.nonce, &c.ad, &c.plain, &c.sealed, &c.tag};
    uint8_t *owned[5];

    for (size_t i = 0; i < 5; i++) {
        owned[i] = vectors_hex(test, names[i], &fields[i]->size);
        fields[i]->data = owned[i];
    }
    if (vectors_hex_into(test, "key", c.key, sizeof(c.key))) {
        run_case(cipher, test, &c, r);
    } else {
        vectors_skip(r, "key, nonce and tag have one size each here");
    }
    for (size_t i = 0; i < 5; i++) {
        free(owned[i]);
    }
}

static void run_groups(const struct cipher *cipher,
                       const json_t *root,
                       struct vectors_report *r)
{
    const json_t *group, *test;
    size_t i, j;

    json_array_foreach(json_object_get(root, "testGroups"), i, group)
    {
        json_array_foreach(json_object_get(group, "tests"), j, test)
        {
            run_test(cipher, test, r);
        }
    }
}

void vectors_aead(json_t *root, struct vectors_report *r)
{
    const char *algorithm =
        json_string_value(json_object_get(root, "algorithm"));
    const struct cipher *cipher = NULL;
    unsigned skipped;

    for (size_t i = 0; i < sizeof(ciphers) / sizeof(ciphers[0]); i++) {
        if (algorithm != NULL && strcmp(algorithm, ciphers[i].algorithm) == 0) {
            cipher = &ciphers[i];
        }
    }
    if (cipher == NULL) {
        vectors_case(r, false, "an algorithm of this design");
        return;
    }
    run_groups(cipher, root, r);
    if (cipher->seals == gcm_seals && strcmp(aead_kernel(), "openssl") != 0) {
        aead_force_portable();
        skipped = r->skipped;
        run_groups(cipher, root, r);
        r->skipped = skipped;
    }
}
