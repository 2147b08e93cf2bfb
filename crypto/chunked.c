#include "crypto/chunked.h"

#include <sodium.h>

#include "crypto/hash.h"

#define LABEL "c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM"

/* What HKDF-Expand yields, in order. */
#define COMMITMENT_SIZE 32
#define NONCE_AT        AEAD_KEY_SIZE
#define COMMITMENT_AT   (NONCE_AT + AEAD_NONCE_SIZE)
#define DERIVED_SIZE    (COMMITMENT_AT + COMMITMENT_SIZE)

uint64_t chunked_sealed_size(uint64_t plain_size)
{
    uint64_t full = plain_size / CHUNKED_CHUNK_SIZE;

    assert(plain_size <= CHUNKED_PLAIN_MAX);
    return CHUNKED_HEADER_SIZE + full * CHUNKED_SEALED_SIZE +
           plain_size % CHUNKED_CHUNK_SIZE + AEAD_TAG_SIZE;
}

int chunked_plain_size(uint64_t sealed_size, uint64_t *plain_size)
{
    uint64_t full, last;

    if (sealed_size < CHUNKED_HEADER_SIZE) {
        return ERR_BAD;
    }
    full = (sealed_size - CHUNKED_HEADER_SIZE) / CHUNKED_SEALED_SIZE;
    last = (sealed_size - CHUNKED_HEADER_SIZE) % CHUNKED_SEALED_SIZE;
    if (last < AEAD_TAG_SIZE || full >= CHUNKED_CHUNKS_MAX) {
        return ERR_BAD;
    }
    *plain_size = full * CHUNKED_CHUNK_SIZE + last - AEAD_TAG_SIZE;
    return OK;
}

/* The label's terminating zero is the separator of the specification. */
static void derive(uint8_t out[DERIVED_SIZE],
                   const uint8_t key[CHUNKED_KEY_SIZE],
                   const uint8_t salt[CHUNKED_SALT_SIZE],
                   struct slice context)
{
    uint8_t info[sizeof(LABEL) + CHUNKED_SALT_SIZE + CHUNKED_CONTEXT_MAX];
    size_t size = sizeof(LABEL);

    assert(context.size <= CHUNKED_CONTEXT_MAX);
    memcpy(info, LABEL, sizeof(LABEL));
    memcpy(info + size, salt, CHUNKED_SALT_SIZE);
    size += CHUNKED_SALT_SIZE;
    if (context.size > 0) {
        memcpy(info + size, context.data, context.size);
        size += context.size;
    }
    hkdf512_expand(slice_of(key, CHUNKED_KEY_SIZE), slice_of(info, size), out,
                   DERIVED_SIZE);
}

static void chunked_set(struct chunked *c, const uint8_t derived[DERIVED_SIZE])
{
    aead_key_init(&c->key, derived);
    memcpy(c->base_nonce, derived + NONCE_AT, AEAD_NONCE_SIZE);
}

void chunked_seal_init(struct chunked *c,
                       const uint8_t key[CHUNKED_KEY_SIZE],
                       const uint8_t salt[CHUNKED_SALT_SIZE],
                       struct slice context,
                       uint8_t header[CHUNKED_HEADER_SIZE])
{
    uint8_t derived[DERIVED_SIZE];

    derive(derived, key, salt, context);
    chunked_set(c, derived);
    memcpy(header, salt, CHUNKED_SALT_SIZE);
    memcpy(header + CHUNKED_SALT_SIZE, derived + COMMITMENT_AT,
           COMMITMENT_SIZE);
    sodium_memzero(derived, sizeof(derived));
}

int chunked_open_init(struct chunked *c,
                      const uint8_t key[CHUNKED_KEY_SIZE],
                      struct slice context,
                      const uint8_t header[CHUNKED_HEADER_SIZE])
{
    uint8_t derived[DERIVED_SIZE];
    int rv = OK;

    derive(derived, key, header, context);
    if (sodium_memcmp(derived + COMMITMENT_AT, header + CHUNKED_SALT_SIZE,
                      COMMITMENT_SIZE) == 0) {
        chunked_set(c, derived);
    } else {
        rv = ERR_AUTH;
    }
    sodium_memzero(derived, sizeof(derived));
    return rv;
}

/* Base nonce xor the index as a big-endian integer of the same width. */
static void chunk_nonce(uint8_t nonce[AEAD_NONCE_SIZE],
                        const struct chunked *c,
                        uint64_t index)
{
    memcpy(nonce, c->base_nonce, AEAD_NONCE_SIZE);
    for (size_t i = AEAD_NONCE_SIZE; index != 0; index >>= 8) {
        nonce[--i] ^= (uint8_t)index;
    }
}

void chunked_seal(const struct chunked *c,
                  uint64_t index,
                  struct slice plain,
                  uint8_t *out)
{
    uint8_t nonce[AEAD_NONCE_SIZE];

    assert(index < CHUNKED_CHUNKS_MAX && plain.size <= CHUNKED_CHUNK_SIZE);
    chunk_nonce(nonce, c, index);
    aead_seal(&c->key, nonce, slice_of(NULL, 0), plain, out, out + plain.size);
}

int chunked_open(const struct chunked *c,
                 uint64_t index,
                 struct slice sealed,
                 uint8_t *out)
{
    uint8_t nonce[AEAD_NONCE_SIZE];
    struct slice body;

    if (index >= CHUNKED_CHUNKS_MAX || sealed.size < AEAD_TAG_SIZE ||
        sealed.size > CHUNKED_SEALED_SIZE) {
        return ERR_BAD;
    }
    chunk_nonce(nonce, c, index);
    body = slice_of(sealed.data, sealed.size - AEAD_TAG_SIZE);
    return aead_open(&c->key, nonce, slice_of(NULL, 0), body,
                     sealed.data + body.size, out);
}

void chunked_seal_all(const uint8_t key[CHUNKED_KEY_SIZE],
                      const uint8_t salt[CHUNKED_SALT_SIZE],
                      struct slice context,
                      struct slice plain,
                      uint8_t *out)
{
    uint64_t full = plain.size / CHUNKED_CHUNK_SIZE;
    struct chunked c;

    assert(plain.size <= CHUNKED_PLAIN_MAX);
    chunked_seal_init(&c, key, salt, context, out);
    out += CHUNKED_HEADER_SIZE;
    for (uint64_t i = 0; i < full; i++) {
        chunked_seal(&c, i, slice_of(plain.data, CHUNKED_CHUNK_SIZE), out);
        plain.data += CHUNKED_CHUNK_SIZE;
        plain.size -= CHUNKED_CHUNK_SIZE;
        out += CHUNKED_SEALED_SIZE;
    }
    chunked_seal(&c, full, plain, out);
    chunked_wipe(&c);
}

/* Chunks from |sealed| into |out|, the short one last. */
static int open_chunks(const struct chunked *c,
                       struct slice sealed,
                       uint8_t *out)
{
    uint64_t index = 0;

    while (sealed.size >= CHUNKED_SEALED_SIZE) {
        int rv = chunked_open(c, index++,
                              slice_of(sealed.data, CHUNKED_SEALED_SIZE), out);

        if (rv != OK) {
            return rv;
        }
        sealed.data += CHUNKED_SEALED_SIZE;
        sealed.size -= CHUNKED_SEALED_SIZE;
        out += CHUNKED_CHUNK_SIZE;
    }
    return chunked_open(c, index, sealed, out);
}

int chunked_open_all(const uint8_t key[CHUNKED_KEY_SIZE],
                     struct slice context,
                     struct slice sealed,
                     uint8_t *out)
{
    struct chunked c;
    uint64_t plain_size;
    int rv = chunked_plain_size(sealed.size, &plain_size);

    if (rv != OK) {
        return rv;
    }
    rv = chunked_open_init(&c, key, context, sealed.data);
    if (rv == OK) {
        sealed.data += CHUNKED_HEADER_SIZE;
        sealed.size -= CHUNKED_HEADER_SIZE;
        rv = open_chunks(&c, sealed, out);
        chunked_wipe(&c);
    }
    if (rv != OK) {
        sodium_memzero(out, (size_t)plain_size);
    }
    return rv;
}

void chunked_wipe(struct chunked *c)
{
    aead_key_wipe(&c->key);
    sodium_memzero(c->base_nonce, sizeof(c->base_nonce));
}
