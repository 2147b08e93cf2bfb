#include "crypto/hash.h"

#include <openssl/evp.h>
#include <sodium.h>
#include <stdlib.h>

#include "crypto/setup.h"

#define TH_PREFIX   "cairn/v1/"
#define TH_DST_MAX  200
#define HKDF_BLOCKS 255

static EVP_MD *md256;
static EVP_MD *md512;

int hash_setup(void)
{
    md256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    md512 = EVP_MD_fetch(NULL, "SHA512", NULL);
    return md256 != NULL && md512 != NULL ? OK : ERR_UNSUPPORTED;
}

/* OpenSSL's digests fail only when memory does or when we misuse them; going
 * on with a wrong digest would be worse than stopping. */
static void must(int rv)
{
    if (rv != 1) {
        abort();
    }
}

static EVP_MD_CTX *hash_start(const EVP_MD *md)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    assert(md != NULL && "primitives_init() comes first");
    if (ctx == NULL) {
        abort();
    }
    must(EVP_DigestInit_ex2(ctx, md, NULL));
    return ctx;
}

static void hash_end(EVP_MD_CTX *ctx, uint8_t *out)
{
    must(EVP_DigestFinal_ex(ctx, out, NULL));
    EVP_MD_CTX_free(ctx);
}

void sha256(struct slice data, struct digest *out)
{
    EVP_MD_CTX *ctx = hash_start(md256);

    must(EVP_DigestUpdate(ctx, data.data, data.size));
    hash_end(ctx, out->bytes);
}

void sha512(struct slice data, uint8_t out[SHA512_SIZE])
{
    EVP_MD_CTX *ctx = hash_start(md512);

    must(EVP_DigestUpdate(ctx, data.data, data.size));
    hash_end(ctx, out);
}

static void th(const EVP_MD *md,
               uint8_t *out,
               const char *dst,
               const struct slice *parts,
               size_t parts_len)
{
    EVP_MD_CTX *ctx = hash_start(md);
    size_t dst_size = strlen(dst);
    uint8_t len8 = (uint8_t)(sizeof(TH_PREFIX) - 1 + dst_size);
    uint8_t len64[8];

    assert(dst_size <= TH_DST_MAX);
    must(EVP_DigestUpdate(ctx, &len8, 1));
    must(EVP_DigestUpdate(ctx, TH_PREFIX, sizeof(TH_PREFIX) - 1));
    must(EVP_DigestUpdate(ctx, dst, dst_size));
    for (size_t i = 0; i < parts_len; i++) {
        u64le_store(len64, parts[i].size);
        must(EVP_DigestUpdate(ctx, len64, sizeof(len64)));
        must(EVP_DigestUpdate(ctx, parts[i].data, parts[i].size));
    }
    hash_end(ctx, out);
}

void th256(struct digest *out,
           const char *dst,
           const struct slice *parts,
           size_t parts_len)
{
    th(md256, out->bytes, dst, parts, parts_len);
}

void th512(uint8_t out[SHA512_SIZE],
           const char *dst,
           const struct slice *parts,
           size_t parts_len)
{
    th(md512, out, dst, parts, parts_len);
}

void sha256_init(struct sha256 *h)
{
    h->ctx = hash_start(md256);
}

void sha256_update(struct sha256 *h, struct slice data)
{
    must(EVP_DigestUpdate(h->ctx, data.data, data.size));
}

void sha256_peek(const struct sha256 *h, struct digest *out)
{
    EVP_MD_CTX *copy = EVP_MD_CTX_new();

    if (copy == NULL) {
        abort();
    }
    must(EVP_MD_CTX_copy_ex(copy, h->ctx));
    hash_end(copy, out->bytes);
}

void sha256_reset(struct sha256 *h)
{
    must(EVP_DigestInit_ex2(h->ctx, md256, NULL));
}

void sha256_close(struct sha256 *h)
{
    EVP_MD_CTX_free(h->ctx);
    h->ctx = NULL;
}

void hmac256(struct slice key, struct slice data, uint8_t out[HMAC256_SIZE])
{
    crypto_auth_hmacsha256_state st;

    crypto_auth_hmacsha256_init(&st, key.data, key.size);
    crypto_auth_hmacsha256_update(&st, data.data, data.size);
    crypto_auth_hmacsha256_final(&st, out);
    sodium_memzero(&st, sizeof(st));
}

void hkdf256_extract(struct slice salt,
                     struct slice ikm,
                     uint8_t prk[DIGEST_SIZE])
{
    hmac256(salt, ikm, prk);
}

void hkdf256_expand(const uint8_t prk[DIGEST_SIZE],
                    struct slice info,
                    uint8_t *out,
                    size_t out_size)
{
    crypto_auth_hmacsha256_state st;
    uint8_t block[HMAC256_SIZE];

    assert(out_size <= (size_t)HKDF_BLOCKS * sizeof(block));
    for (size_t done = 0, i = 1; done < out_size; i++) {
        size_t take = out_size - done;

        crypto_auth_hmacsha256_init(&st, prk, DIGEST_SIZE);
        if (i > 1) {
            crypto_auth_hmacsha256_update(&st, block, sizeof(block));
        }
        crypto_auth_hmacsha256_update(&st, info.data, info.size);
        crypto_auth_hmacsha256_update(&st, &(uint8_t){(uint8_t)i}, 1);
        crypto_auth_hmacsha256_final(&st, block);
        if (take > sizeof(block)) {
            take = sizeof(block);
        }
        memcpy(out + done, block, take);
        done += take;
    }
    sodium_memzero(&st, sizeof(st));
    sodium_memzero(block, sizeof(block));
}

void hkdf512_extract(struct slice salt,
                     struct slice ikm,
                     uint8_t prk[SHA512_SIZE])
{
    crypto_auth_hmacsha512_state st;

    crypto_auth_hmacsha512_init(&st, salt.data, salt.size);
    crypto_auth_hmacsha512_update(&st, ikm.data, ikm.size);
    crypto_auth_hmacsha512_final(&st, prk);
    sodium_memzero(&st, sizeof(st));
}

void hkdf512_expand(struct slice prk,
                    struct slice info,
                    uint8_t *out,
                    size_t out_size)
{
    crypto_auth_hmacsha512_state st;
    uint8_t block[SHA512_SIZE];

    assert(out_size <= (size_t)HKDF_BLOCKS * sizeof(block));
    for (size_t done = 0, i = 1; done < out_size; i++) {
        size_t take = out_size - done;

        crypto_auth_hmacsha512_init(&st, prk.data, prk.size);
        if (i > 1) {
            crypto_auth_hmacsha512_update(&st, block, sizeof(block));
        }
        crypto_auth_hmacsha512_update(&st, info.data, info.size);
        crypto_auth_hmacsha512_update(&st, &(uint8_t){(uint8_t)i}, 1);
        crypto_auth_hmacsha512_final(&st, block);
        if (take > sizeof(block)) {
            take = sizeof(block);
        }
        memcpy(out + done, block, take);
        done += take;
    }
    sodium_memzero(&st, sizeof(st));
    sodium_memzero(block, sizeof(block));
}
