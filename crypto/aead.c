#include "crypto/aead.h"

#include <openssl/evp.h>
#include <sodium.h>
#include <stdlib.h>

#include "crypto/ipsec.h"
#include "crypto/setup.h"

/* NIST SP 800-38D: 2^39 - 256 bits under one nonce. */
#define GCM_PLAIN_MAX (((uint64_t)1 << 36) - 32)

/* EVP counts in int: bytes go in by pieces, each a multiple of the block. */
#define EVP_PIECE_SIZE ((size_t)1 << 30)

#define SLOT_ALIGN 64

struct slot;

struct kernel {
    const char *name;
    void (*expand)(struct slot *s, const uint8_t key[AEAD_KEY_SIZE]);
    void (*seal)(const struct slot *s,
                 const uint8_t nonce[AEAD_NONCE_SIZE],
                 struct slice ad,
                 struct slice head,
                 struct slice body,
                 uint8_t *head_out,
                 uint8_t *body_out,
                 uint8_t tag[AEAD_TAG_SIZE]);
    int (*open)(const struct slot *s,
                const uint8_t nonce[AEAD_NONCE_SIZE],
                struct slice ad,
                struct slice head,
                struct slice body,
                const uint8_t tag[AEAD_TAG_SIZE],
                uint8_t *head_out,
                uint8_t *body_out);
};

/* What lies in aead_key.opaque, at the first aligned place. A key remembers
 * its kernel, so that those made before aead_force_portable() stay good. */
struct __attribute__((may_alias)) slot {
    const struct slot *self; /* Finds keys that were copied. */
    const struct kernel *kernel;
    union {
        uint8_t raw[AEAD_KEY_SIZE];
#if defined(HAVE_IPSEC_MB)
        _Alignas(SLOT_ALIGN) struct gcm_key_data gcm;
#endif
    } key;
};

_Static_assert(sizeof(struct slot) + SLOT_ALIGN - 1 <= sizeof(struct aead_key),
               "a slot fits at any address");

static EVP_CIPHER *cipher;

/* OpenSSL's ciphers fail only when memory does or when we misuse them, except
 * for the tag; going on unsealed would be worse than stopping. */
static void must(int rv)
{
    if (rv != 1) {
        abort();
    }
}

static void openssl_expand(struct slot *s, const uint8_t key[AEAD_KEY_SIZE])
{
    memcpy(s->key.raw, key, AEAD_KEY_SIZE);
}

/* |out| NULL feeds additional data. */
static void openssl_feed(EVP_CIPHER_CTX *ctx, struct slice in, uint8_t *out)
{
    for (size_t done = 0; done < in.size;) {
        size_t piece = in.size - done;
        int got;

        if (piece > EVP_PIECE_SIZE) {
            piece = EVP_PIECE_SIZE;
        }
        must(EVP_CipherUpdate(ctx, out == NULL ? NULL : out + done, &got,
                              in.data + done, (int)piece));
        done += piece;
    }
}

/* A context a call: it can be used from any thread, and freeing it wipes the
 * key schedule. */
static EVP_CIPHER_CTX *openssl_begin(const struct slot *s,
                                     const uint8_t nonce[AEAD_NONCE_SIZE],
                                     struct slice ad,
                                     int encrypt)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

    if (ctx == NULL) {
        abort();
    }
    must(EVP_CipherInit_ex2(ctx, cipher, s->key.raw, nonce, encrypt, NULL));
    openssl_feed(ctx, ad, NULL);
    return ctx;
}

static void openssl_seal(const struct slot *s,
                         const uint8_t nonce[AEAD_NONCE_SIZE],
                         struct slice ad,
                         struct slice head,
                         struct slice body,
                         uint8_t *head_out,
                         uint8_t *body_out,
                         uint8_t tag[AEAD_TAG_SIZE])
{
    EVP_CIPHER_CTX *ctx = openssl_begin(s, nonce, ad, 1);
    uint8_t none[AEAD_TAG_SIZE];
    int got;

    openssl_feed(ctx, head, head_out);
    openssl_feed(ctx, body, body_out);
    must(EVP_CipherFinal_ex(ctx, none, &got));
    must(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, AEAD_TAG_SIZE, tag));
    EVP_CIPHER_CTX_free(ctx);
}

static int openssl_open(const struct slot *s,
                        const uint8_t nonce[AEAD_NONCE_SIZE],
                        struct slice ad,
                        struct slice head,
                        struct slice body,
                        const uint8_t tag[AEAD_TAG_SIZE],
                        uint8_t *head_out,
                        uint8_t *body_out)
{
    EVP_CIPHER_CTX *ctx = openssl_begin(s, nonce, ad, 0);
    uint8_t want[AEAD_TAG_SIZE], none[AEAD_TAG_SIZE];
    int got, rv;

    openssl_feed(ctx, head, head_out);
    openssl_feed(ctx, body, body_out);
    memcpy(want, tag, sizeof(want));
    must(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, AEAD_TAG_SIZE, want));
    rv = EVP_CipherFinal_ex(ctx, none, &got) == 1 ? OK : ERR_AUTH;
    EVP_CIPHER_CTX_free(ctx);
    return rv;
}

static const struct kernel openssl_kernel = {
    .name = "openssl",
    .expand = openssl_expand,
    .seal = openssl_seal,
    .open = openssl_open,
};

#if defined(HAVE_IPSEC_MB)

static struct {
    aes_gcm_pre_t pre;
    aes_gcm_init_t init;
    aes_gcm_enc_dec_update_t enc, dec;
    aes_gcm_enc_dec_finalize_t enc_end, dec_end;
} ipsec;

static void ipsec_expand(struct slot *s, const uint8_t key[AEAD_KEY_SIZE])
{
    ipsec.pre(key, &s->key.gcm);
}

static void ipsec_seal(const struct slot *s,
                       const uint8_t nonce[AEAD_NONCE_SIZE],
                       struct slice ad,
                       struct slice head,
                       struct slice body,
                       uint8_t *head_out,
                       uint8_t *body_out,
                       uint8_t tag[AEAD_TAG_SIZE])
{
    struct gcm_context_data ctx;

    ipsec.init(&s->key.gcm, &ctx, nonce, ad.data, ad.size);
    ipsec.enc(&s->key.gcm, &ctx, head_out, head.data, head.size);
    ipsec.enc(&s->key.gcm, &ctx, body_out, body.data, body.size);
    ipsec.enc_end(&s->key.gcm, &ctx, tag, AEAD_TAG_SIZE);
    sodium_memzero(&ctx, sizeof(ctx));
}

static int ipsec_open(const struct slot *s,
                      const uint8_t nonce[AEAD_NONCE_SIZE],
                      struct slice ad,
                      struct slice head,
                      struct slice body,
                      const uint8_t tag[AEAD_TAG_SIZE],
                      uint8_t *head_out,
                      uint8_t *body_out)
{
    struct gcm_context_data ctx;
    uint8_t want[AEAD_TAG_SIZE];
    int rv;

    ipsec.init(&s->key.gcm, &ctx, nonce, ad.data, ad.size);
    ipsec.dec(&s->key.gcm, &ctx, head_out, head.data, head.size);
    ipsec.dec(&s->key.gcm, &ctx, body_out, body.data, body.size);
    ipsec.dec_end(&s->key.gcm, &ctx, want, AEAD_TAG_SIZE);
    rv = sodium_memcmp(want, tag, AEAD_TAG_SIZE) == 0 ? OK : ERR_AUTH;
    sodium_memzero(&ctx, sizeof(ctx));
    sodium_memzero(want, sizeof(want));
    return rv;
}

static const struct kernel ipsec_kernel = {
    .name = "ipsec-mb",
    .expand = ipsec_expand,
    .seal = ipsec_seal,
    .open = ipsec_open,
};

static const struct kernel *kernel_fastest(void)
{
    IMB_MGR *mgr = ipsec_manager_new();

    if (mgr == NULL) {
        return &openssl_kernel;
    }
    ipsec.pre = mgr->gcm256_pre;
    ipsec.init = mgr->gcm256_init;
    ipsec.enc = mgr->gcm256_enc_update;
    ipsec.dec = mgr->gcm256_dec_update;
    ipsec.enc_end = mgr->gcm256_enc_finalize;
    ipsec.dec_end = mgr->gcm256_dec_finalize;
    free_mb_mgr(mgr);
    return &ipsec_kernel;
}

#else

static const struct kernel *kernel_fastest(void)
{
    return &openssl_kernel;
}

#endif

static const struct kernel *kernel = &openssl_kernel;

static size_t slot_offset(const struct aead_key *k)
{
    size_t past = (uintptr_t)k->opaque % SLOT_ALIGN;

    return past == 0 ? 0 : SLOT_ALIGN - past;
}

static const struct slot *slot_ready(const struct aead_key *k)
{
    const void *at = k->opaque + slot_offset(k);
    const struct slot *s = at;

    assert(s->self == s && "initialised, not wiped, not copied");
    return s;
}

void aead_key_init(struct aead_key *k, const uint8_t key[AEAD_KEY_SIZE])
{
    void *at = k->opaque + slot_offset(k);
    struct slot *s = at;

    assert(cipher != NULL && "primitives_init() comes first");
    s->self = s;
    s->kernel = kernel;
    s->kernel->expand(s, key);
}

void aead_key_wipe(struct aead_key *k)
{
    sodium_memzero(k->opaque, sizeof(k->opaque));
}

static void seal(const struct aead_key *k,
                 const uint8_t nonce[AEAD_NONCE_SIZE],
                 struct slice ad,
                 struct slice head,
                 struct slice body,
                 uint8_t *head_out,
                 uint8_t *body_out,
                 uint8_t tag[AEAD_TAG_SIZE])
{
    const struct slot *s = slot_ready(k);

    assert(head.size <= GCM_PLAIN_MAX &&
           body.size <= GCM_PLAIN_MAX - head.size);
    s->kernel->seal(s, nonce, ad, head, body, head_out, body_out, tag);
}

void aead_seal(const struct aead_key *k,
               const uint8_t nonce[AEAD_NONCE_SIZE],
               struct slice ad,
               struct slice plain,
               uint8_t *out,
               uint8_t tag[AEAD_TAG_SIZE])
{
    seal(k, nonce, ad, slice_of(NULL, 0), plain, NULL, out, tag);
}

void aead_seal_joined(const struct aead_key *k,
                      const uint8_t nonce[AEAD_NONCE_SIZE],
                      struct slice ad,
                      struct slice head,
                      struct slice body,
                      uint8_t *out,
                      uint8_t tag[AEAD_TAG_SIZE])
{
    seal(k, nonce, ad, head, body, out, out + head.size, tag);
}

static int open_sealed(const struct aead_key *k,
                       const uint8_t nonce[AEAD_NONCE_SIZE],
                       struct slice ad,
                       struct slice head,
                       struct slice body,
                       const uint8_t tag[AEAD_TAG_SIZE],
                       uint8_t *head_out,
                       uint8_t *body_out)
{
    const struct slot *s = slot_ready(k);
    int rv;

    assert(head.size <= GCM_PLAIN_MAX &&
           body.size <= GCM_PLAIN_MAX - head.size);
    rv = s->kernel->open(s, nonce, ad, head, body, tag, head_out, body_out);
    if (rv != OK) {
        sodium_memzero(head_out, head.size);
        sodium_memzero(body_out, body.size);
    }
    return rv;
}

int aead_open(const struct aead_key *k,
              const uint8_t nonce[AEAD_NONCE_SIZE],
              struct slice ad,
              struct slice sealed,
              const uint8_t tag[AEAD_TAG_SIZE],
              uint8_t *out)
{
    return open_sealed(k, nonce, ad, slice_of(NULL, 0), sealed, tag, NULL, out);
}

int aead_open_split(const struct aead_key *k,
                    const uint8_t nonce[AEAD_NONCE_SIZE],
                    struct slice ad,
                    struct slice sealed,
                    const uint8_t tag[AEAD_TAG_SIZE],
                    uint8_t *head,
                    size_t head_size,
                    uint8_t *body)
{
    assert(head_size <= sealed.size);
    return open_sealed(
        k, nonce, ad, slice_of(sealed.data, head_size),
        slice_of(sealed.data + head_size, sealed.size - head_size), tag, head,
        body);
}

/* Seals bytes that count up, in two pieces, and compares the tag, which covers
 * them all, with that of an independent implementation (Go's crypto/cipher);
 * then opens them as one. */
static bool kernel_works(const struct kernel *chosen)
{
    static const uint8_t want[AEAD_TAG_SIZE] = {
        0x62, 0x42, 0x4e, 0xd6, 0x18, 0xcc, 0x9c, 0xa3,
        0xb9, 0x59, 0x2e, 0x88, 0x78, 0x01, 0x7a, 0x60};
    uint8_t plain[1000], bytes[sizeof(plain)], tag[AEAD_TAG_SIZE];
    struct slice ad = slice_of(plain, 20), head = slice_of(plain, 6);
    struct aead_key k;
    bool works;

    for (size_t i = 0; i < sizeof(plain); i++) {
        plain[i] = (uint8_t)i;
    }
    kernel = chosen;
    aead_key_init(&k, plain);
    aead_seal_joined(&k, plain, ad, head,
                     slice_of(plain + 6, sizeof(plain) - 6), bytes, tag);
    works = memcmp(tag, want, sizeof(tag)) == 0 &&
            aead_open(&k, plain, ad, slice_of(bytes, sizeof(bytes)), tag,
                      bytes) == OK &&
            memcmp(bytes, plain, sizeof(plain)) == 0;
    tag[0] ^= 1;
    works = works && aead_open(&k, plain, ad, slice_of(bytes, sizeof(bytes)),
                               tag, bytes) == ERR_AUTH;
    aead_key_wipe(&k);
    return works;
}

int aead_setup(void)
{
    cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    if (cipher == NULL || !kernel_works(&openssl_kernel) ||
        !kernel_works(kernel_fastest())) {
        return ERR_UNSUPPORTED;
    }
    return OK;
}

const char *aead_kernel(void)
{
    return kernel->name;
}

void aead_force_portable(void)
{
    kernel = &openssl_kernel;
}
