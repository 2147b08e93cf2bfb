#include "crypto/hpke_schedule.h"

#include <sodium.h>

#include "crypto/hash.h"

/* The longest |info| of an expansion is the KEM context of the auth modes:
 * enc and two public keys. */
#define INFO_MAX ((size_t)3 * HPKE_KEY_SIZE)

static const char version[] = "HPKE-v1";

/* RFC 9180 section 7: DHKEM(X25519, HKDF-SHA256) 0x0020, HKDF-SHA256 0x0001,
 * ChaCha20Poly1305 0x0003. */
static const uint8_t suite_kem[] = {'K', 'E', 'M', 0x00, 0x20};
static const uint8_t suite_hpke[] = {'H',  'P',  'K',  'E',  0x00,
                                     0x20, 0x00, 0x01, 0x00, 0x03};

/* LabeledExtract() of section 4. */
static void extract(struct slice suite,
                    struct slice salt,
                    const char *label,
                    struct slice ikm,
                    uint8_t prk[DIGEST_SIZE])
{
    crypto_auth_hmacsha256_state st;

    crypto_auth_hmacsha256_init(&st, salt.data, salt.size);
    crypto_auth_hmacsha256_update(&st, (const uint8_t *)version,
                                  sizeof(version) - 1);
    crypto_auth_hmacsha256_update(&st, suite.data, suite.size);
    crypto_auth_hmacsha256_update(&st, (const uint8_t *)label, strlen(label));
    crypto_auth_hmacsha256_update(&st, ikm.data, ikm.size);
    crypto_auth_hmacsha256_final(&st, prk);
    sodium_memzero(&st, sizeof(st));
}

static size_t append(uint8_t *buf, size_t at, struct slice bytes)
{
    memcpy(buf + at, bytes.data, bytes.size);
    return at + bytes.size;
}

/* LabeledExpand() of section 4. */
static void expand(struct slice suite,
                   const uint8_t prk[DIGEST_SIZE],
                   const char *label,
                   struct slice info,
                   uint8_t *out,
                   size_t out_size)
{
    uint8_t buf[64 + INFO_MAX];
    size_t size = 2;

    assert(strlen(label) <= 32 && info.size <= INFO_MAX);
    u16be_store(buf, (uint16_t)out_size);
    size = append(buf, size, slice_str(version));
    size = append(buf, size, suite);
    size = append(buf, size, slice_str(label));
    size = append(buf, size, info);
    hkdf256_expand(prk, slice_of(buf, size), out, out_size);
}

/* ExtractAndExpand() of section 4.1. */
static void kem_secret(struct slice dh,
                       struct slice context,
                       uint8_t secret[HPKE_SECRET_SIZE])
{
    const struct slice suite = slice_of(suite_kem, sizeof(suite_kem));
    uint8_t prk[DIGEST_SIZE];

    extract(suite, slice_str(""), "eae_prk", dh, prk);
    expand(suite, prk, "shared_secret", context, secret, HPKE_SECRET_SIZE);
    sodium_memzero(prk, sizeof(prk));
}

int hpke_encap(const uint8_t pk_r[HPKE_KEY_SIZE],
               const uint8_t sk_e[HPKE_KEY_SIZE],
               const uint8_t *sk_s,
               uint8_t enc[HPKE_ENC_SIZE],
               uint8_t secret[HPKE_SECRET_SIZE])
{
    uint8_t dh[2][HPKE_KEY_SIZE], context[3][HPKE_KEY_SIZE];
    size_t senders = sk_s == NULL ? 0 : 1;
    int rv = ERR_BAD;

    crypto_scalarmult_curve25519_base(context[0], sk_e);
    memcpy(context[1], pk_r, HPKE_KEY_SIZE);
    if (crypto_scalarmult_curve25519(dh[0], sk_e, pk_r) != 0) {
        goto err;
    }
    if (sk_s != NULL) {
        crypto_scalarmult_curve25519_base(context[2], sk_s);
        if (crypto_scalarmult_curve25519(dh[1], sk_s, pk_r) != 0) {
            goto err;
        }
    }
    kem_secret(slice_of(dh, (1 + senders) * HPKE_KEY_SIZE),
               slice_of(context, (2 + senders) * HPKE_KEY_SIZE), secret);
    memcpy(enc, context[0], HPKE_ENC_SIZE);
    rv = OK;
err:
    sodium_memzero(dh, sizeof(dh));
    return rv;
}

int hpke_decap(const uint8_t sk_r[HPKE_KEY_SIZE],
               const uint8_t enc[HPKE_ENC_SIZE],
               const uint8_t *pk_s,
               uint8_t secret[HPKE_SECRET_SIZE])
{
    uint8_t dh[2][HPKE_KEY_SIZE], context[3][HPKE_KEY_SIZE];
    size_t senders = pk_s == NULL ? 0 : 1;
    int rv = ERR_BAD;

    memcpy(context[0], enc, HPKE_ENC_SIZE);
    crypto_scalarmult_curve25519_base(context[1], sk_r);
    if (crypto_scalarmult_curve25519(dh[0], sk_r, enc) != 0) {
        goto err;
    }
    if (pk_s != NULL) {
        memcpy(context[2], pk_s, HPKE_KEY_SIZE);
        if (crypto_scalarmult_curve25519(dh[1], sk_r, pk_s) != 0) {
            goto err;
        }
    }
    kem_secret(slice_of(dh, (1 + senders) * HPKE_KEY_SIZE),
               slice_of(context, (2 + senders) * HPKE_KEY_SIZE), secret);
    rv = OK;
err:
    sodium_memzero(dh, sizeof(dh));
    return rv;
}

void hpke_schedule(enum hpke_mode mode,
                   const uint8_t secret[HPKE_SECRET_SIZE],
                   struct slice info,
                   const struct hpke_psk *psk,
                   struct hpke_context *c)
{
    const struct slice suite = slice_of(suite_hpke, sizeof(suite_hpke));
    const struct slice none = slice_str("");
    struct slice psk_bytes = psk == NULL ? none : psk->psk;
    struct slice psk_id = psk == NULL ? none : psk->id;
    uint8_t prk[DIGEST_SIZE];
    uint8_t context[1 + 2 * DIGEST_SIZE]; /* mode, psk_id_hash, info_hash */
    struct slice bound = slice_of(context, sizeof(context));

    assert((psk != NULL) == (mode == HPKE_PSK || mode == HPKE_AUTH_PSK));
    assert(psk == NULL || (psk_bytes.size > 0 && psk_id.size > 0));
    context[0] = (uint8_t)mode;
    extract(suite, none, "psk_id_hash", psk_id, context + 1);
    extract(suite, none, "info_hash", info, context + 1 + DIGEST_SIZE);
    extract(suite, slice_of(secret, HPKE_SECRET_SIZE), "secret", psk_bytes,
            prk);
    expand(suite, prk, "key", bound, c->key, sizeof(c->key));
    expand(suite, prk, "base_nonce", bound, c->base_nonce,
           sizeof(c->base_nonce));
    expand(suite, prk, "exp", bound, c->exporter, sizeof(c->exporter));
    sodium_memzero(prk, sizeof(prk));
}

void hpke_context_wipe(struct hpke_context *c)
{
    sodium_memzero(c, sizeof(*c));
}

/* base_nonce xor the big-endian |seq|. */
static void nonce_make(const struct hpke_context *c,
                       uint64_t seq,
                       uint8_t nonce[HPKE_NONCE_SIZE])
{
    memcpy(nonce, c->base_nonce, HPKE_NONCE_SIZE);
    for (size_t i = 0; i < 8; i++) {
        nonce[HPKE_NONCE_SIZE - 1 - i] ^= (uint8_t)(seq >> (8 * i));
    }
}

void hpke_context_seal(const struct hpke_context *c,
                       uint64_t seq,
                       struct slice ad,
                       struct slice plain,
                       uint8_t *out)
{
    uint8_t nonce[HPKE_NONCE_SIZE];

    nonce_make(c, seq, nonce);
    crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, plain.data, plain.size,
                                              ad.data, ad.size, NULL, nonce,
                                              c->key);
    sodium_memzero(nonce, sizeof(nonce));
}

int hpke_context_open(const struct hpke_context *c,
                      uint64_t seq,
                      struct slice ad,
                      struct slice sealed,
                      uint8_t *out)
{
    uint8_t nonce[HPKE_NONCE_SIZE];
    const uint8_t *tag;
    size_t size;
    int rv;

    if (sealed.size < HPKE_TAG_SIZE) {
        return ERR_BAD;
    }
    size = sealed.size - HPKE_TAG_SIZE;
    tag = sealed.data + size;
    nonce_make(c, seq, nonce);
    /* Without an output libsodium only verifies; with one it would fill |out|
     * with zeros when the tag is wrong. */
    rv = crypto_aead_chacha20poly1305_ietf_decrypt_detached(
        NULL, NULL, sealed.data, size, tag, ad.data, ad.size, nonce, c->key);
    if (rv == 0) {
        rv = crypto_aead_chacha20poly1305_ietf_decrypt_detached(
            out, NULL, sealed.data, size, tag, ad.data, ad.size, nonce, c->key);
    }
    sodium_memzero(nonce, sizeof(nonce));
    return rv == 0 ? OK : ERR_AUTH;
}
