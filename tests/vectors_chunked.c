#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "crypto/chunked.h"
#include "crypto/hash.h"
#include "tests/vectors.h"

#define MESSAGE_MAX ((size_t)8 << 20)

/* Wycheproof C2SP chunked encryption, through three readers: the whole
 * message at once; one chunk after the other; and the last chunk first, as
 * one that seeks does. A ciphertext stands in the file deflated. */

struct message {
    const json_t *test;
    uint8_t key[CHUNKED_KEY_SIZE];
    struct slice context, sealed;
    uint8_t *out; /* MESSAGE_MAX bytes. */
    struct chunked c;
};

static bool has_flag(const json_t *test, const char *flag)
{
    const json_t *item;
    size_t i;

    json_array_foreach(json_object_get(test, "flags"), i, item)
    {
        if (strcmp(json_string_value(item), flag) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_valid(const struct message *m)
{
    return strcmp(json_string_value(json_object_get(m->test, "result")),
                  "valid") == 0;
}

/* |size| bytes of |out| are what the test says was sealed, or, of an invalid
 * message, the longest prefix that was. */
static bool plain_is_expected(const struct message *m, size_t size)
{
    uint8_t want[SHA512_SIZE], got[SHA512_SIZE];
    const json_t *length = json_object_get(m->test, "msgLength");

    if (length == NULL) {
        return size == 0;
    }
    sha512(slice_of(m->out, size), got);
    return (size_t)json_integer_value(length) == size &&
           vectors_hex_into(m->test, "msgSha512", want, sizeof(want)) &&
           memcmp(got, want, sizeof(want)) == 0;
}

static bool whole_reader(const struct message *m)
{
    uint64_t size = 0;
    int rv = chunked_plain_size(m->sealed.size, &size);
    int opened;

    memset(m->out, 0xee, MESSAGE_MAX);
    opened = chunked_open_all(m->key, m->context, m->sealed, m->out);
    if (is_valid(m)) {
        return rv == OK && opened == OK && plain_is_expected(m, (size_t)size);
    }
    return opened == (rv == OK ? ERR_AUTH : ERR_BAD) &&
           (size == 0 || sodium_is_zero(m->out, (size_t)size) == 1) &&
           m->out[size] == 0xee;
}

static struct slice chunk_at(const struct message *m, uint64_t index)
{
    size_t at = CHUNKED_HEADER_SIZE + (size_t)index * CHUNKED_SEALED_SIZE;
    size_t left = m->sealed.size - at;

    return slice_of(m->sealed.data + at,
                    left < CHUNKED_SEALED_SIZE ? left : CHUNKED_SEALED_SIZE);
}

/* Does not know the length beforehand: gives out what verifies until a chunk
 * is short, which is the last, or does not open. */
static bool stream_reader(const struct message *m)
{
    size_t size = 0, used = CHUNKED_HEADER_SIZE;
    struct slice chunk;
    int rv;

    for (uint64_t i = 0;; i++) {
        if (used == m->sealed.size) {
            rv = ERR_BAD; /* No short chunk at the end. */
            break;
        }
        chunk = chunk_at(m, i);
        rv = chunked_open(&m->c, i, chunk, m->out + size);
        if (rv != OK) {
            break;
        }
        size += chunk.size - AEAD_TAG_SIZE;
        used += chunk.size;
        if (chunk.size < CHUNKED_SEALED_SIZE) {
            rv = used == m->sealed.size ? OK : ERR_BAD;
            break;
        }
    }
    return (rv == OK) == is_valid(m) && plain_is_expected(m, size);
}

/* Authenticates the length by the last chunk, then reads backwards. */
static bool seek_reader(const struct message *m)
{
    uint64_t size, last;
    int rv;

    if (chunked_plain_size(m->sealed.size, &size) != OK) {
        return !is_valid(m) && !has_flag(m->test, "ValidFinalChunk");
    }
    last = size / CHUNKED_CHUNK_SIZE;
    rv = chunked_open(&m->c, last, chunk_at(m, last),
                      m->out + last * CHUNKED_CHUNK_SIZE);
    if ((rv == OK) != (is_valid(m) || has_flag(m->test, "ValidFinalChunk"))) {
        return false;
    }
    while (rv == OK && last-- > 0) {
        rv = chunked_open(&m->c, last, chunk_at(m, last),
                          m->out + last * CHUNKED_CHUNK_SIZE);
    }
    return (rv == OK) == is_valid(m) &&
           (rv != OK || plain_is_expected(m, (size_t)size));
}

/* Where the test gives the derived key and nonce, they are ours. */
static bool derivation_is_expected(const struct message *m)
{
    uint8_t key[AEAD_KEY_SIZE], nonce[AEAD_NONCE_SIZE];
    uint8_t tag[2][AEAD_TAG_SIZE];
    struct aead_key k;

    if (json_object_get(m->test, "aeadKey") == NULL) {
        return has_flag(m->test, "HeaderFailure");
    }
    if (!vectors_hex_into(m->test, "aeadKey", key, sizeof(key)) ||
        !vectors_hex_into(m->test, "baseNonce", nonce, sizeof(nonce))) {
        return false;
    }
    aead_key_init(&k, key);
    aead_seal(&k, nonce, m->context, slice_of(NULL, 0), NULL, tag[0]);
    aead_seal(&m->c.key, nonce, m->context, slice_of(NULL, 0), NULL, tag[1]);
    aead_key_wipe(&k);
    return memcmp(nonce, m->c.base_nonce, sizeof(nonce)) == 0 &&
           memcmp(tag[0], tag[1], sizeof(tag[0])) == 0;
}

/* What was sealed seals again into the same bytes. */
static bool seals_again(const struct message *m)
{
    uint64_t size;
    uint8_t *again = malloc(m->sealed.size);
    bool good;

    good = chunked_plain_size(m->sealed.size, &size) == OK &&
           chunked_sealed_size(size) == m->sealed.size;
    if (good) {
        chunked_seal_all(m->key, m->sealed.data, m->context,
                         slice_of(m->out, (size_t)size), again);
        good = memcmp(again, m->sealed.data, m->sealed.size) == 0;
    }
    free(again);
    return good;
}

static bool run_readers(struct message *m)
{
    bool good = whole_reader(m);
    bool opened;

    opened = m->sealed.size >= CHUNKED_HEADER_SIZE &&
             chunked_open_init(&m->c, m->key, m->context, m->sealed.data) == OK;
    if (opened == has_flag(m->test, "HeaderFailure")) {
        return false;
    }
    if (opened) {
        good = derivation_is_expected(m) && stream_reader(m) &&
               seek_reader(m) && good;
        good = good && (!is_valid(m) || seals_again(m));
        chunked_wipe(&m->c);
    }
    return good;
}

static struct slice inflated(const json_t *test, uint8_t *room)
{
    size_t size;
    uint8_t *deflated = vectors_hex(test, "ct", &size);
    uLongf got = MESSAGE_MAX;

    if (uncompress(room, &got, deflated, size) != Z_OK) {
        abort();
    }
    free(deflated);
    return slice_of(room, got);
}

static void run_test(const json_t *test,
                     uint8_t *room,
                     uint8_t *out,
                     struct vectors_report *r)
{
    struct message m = {.test = test, .out = out};
    size_t size;
    uint8_t *context = vectors_hex(test, "ctx", &size);
    char name[32];

    m.context = slice_of(context, size);
    m.sealed = inflated(test, room);
    snprintf(name, sizeof(name), "tcId %lld",
             (long long)json_integer_value(json_object_get(test, "tcId")));
    if (vectors_hex_into(test, "key", m.key, sizeof(m.key))) {
        vectors_case(r, run_readers(&m), name);
    } else if (has_flag(test, "InvalidKeySize")) {
        vectors_skip(r, "a key is 32 bytes by its type here");
    } else {
        vectors_case(r, false, name);
    }
    free(context);
}

void vectors_chunked(json_t *root, struct vectors_report *r)
{
    uint8_t *room = malloc(MESSAGE_MAX), *out = malloc(MESSAGE_MAX);
    const json_t *group, *test;
    size_t i, j;

    if (room == NULL || out == NULL) {
        abort();
    }
    json_array_foreach(json_object_get(root, "testGroups"), i, group)
    {
        json_array_foreach(json_object_get(group, "tests"), j, test)
        {
            run_test(test, room, out, r);
        }
    }
    free(room);
    free(out);
}
