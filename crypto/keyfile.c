#include "crypto/keyfile.h"

#include <sodium.h>

#include "crypto/hash.h"

#define KEYFILE_VERSION 1

/* The kdf byte. */
#define KDF_NONE     0
#define KDF_ARGON2ID 1

/* Offsets in the header. */
#define AT_VERSION 4
#define AT_KDF     5
#define AT_PURPOSE 6
#define AT_OPS     8
#define AT_MEM     16
#define AT_SALT    24
#define AT_NONCE   40
#define AT_SIZE    64

#define KEK_SIZE crypto_aead_xchacha20poly1305_ietf_KEYBYTES

static_assert(AT_NONCE - AT_SALT == crypto_pwhash_argon2id_SALTBYTES &&
                  AT_SIZE - AT_NONCE ==
                      crypto_aead_xchacha20poly1305_ietf_NPUBBYTES &&
                  AT_SIZE + 4 == KEYFILE_HEADER_SIZE,
              "the header has room for exactly what libsodium wants");
static_assert(KEYFILE_TAG_SIZE == crypto_aead_xchacha20poly1305_ietf_ABYTES,
              "one tag size for both kinds");

static const uint8_t magic[AT_VERSION] = {'C', 'R', 'N', 'K'};

static bool purpose_is_known(uint16_t purpose)
{
    return purpose >= KEYFILE_NODE && purpose <= KEYFILE_NETWORK;
}

/* May these be computed here? Asked before a byte is allocated for them: the
 * lower bounds refuse a downgrade, the upper ones a denial of service. */
static bool kdf_is_sound(const struct keyfile_info *info, const uint8_t *header)
{
    if (!info->sealed) {
        return sodium_is_zero(header + AT_OPS, AT_SIZE - AT_OPS) == 1;
    }
    return info->ops >= KEYFILE_OPS_MIN && info->ops <= KEYFILE_OPS_MAX &&
           info->mem >= KEYFILE_MEM_MIN && info->mem <= KEYFILE_MEM_MAX;
}

int keyfile_inspect(struct slice file, struct keyfile_info *info)
{
    struct keyfile_info got;
    const uint8_t *h = file.data;
    uint16_t purpose;

    if (file.size < KEYFILE_OVERHEAD || memcmp(h, magic, sizeof(magic)) != 0) {
        return ERR_BAD;
    }
    purpose = u16le_load(h + AT_PURPOSE);
    if (h[AT_VERSION] != KEYFILE_VERSION || h[AT_KDF] > KDF_ARGON2ID ||
        !purpose_is_known(purpose)) {
        return ERR_UNSUPPORTED;
    }
    got.purpose = (enum keyfile_purpose)purpose;
    got.sealed = h[AT_KDF] == KDF_ARGON2ID;
    got.ops = u64le_load(h + AT_OPS);
    got.mem = u64le_load(h + AT_MEM);
    got.payload_size = u32le_load(h + AT_SIZE);
    if (got.payload_size > KEYFILE_PAYLOAD_MAX ||
        got.payload_size != file.size - KEYFILE_OVERHEAD ||
        !kdf_is_sound(&got, h)) {
        return ERR_BAD;
    }
    *info = got;
    return OK;
}

/* The key that the header asks for. Its parameters are within bounds. */
static int kek_derive(const uint8_t header[KEYFILE_HEADER_SIZE],
                      struct slice passphrase,
                      uint8_t kek[KEK_SIZE])
{
    uint64_t mem = u64le_load(header + AT_MEM);

    assert(passphrase.size <= crypto_pwhash_argon2id_PASSWD_MAX);
    if (mem > crypto_pwhash_argon2id_MEMLIMIT_MAX ||
        crypto_pwhash_argon2id(kek, KEK_SIZE, (const char *)passphrase.data,
                               passphrase.size, header + AT_SALT,
                               u64le_load(header + AT_OPS), (size_t)mem,
                               crypto_pwhash_argon2id_ALG_ARGON2ID13) != 0) {
        return ERR_NOMEM;
    }
    return OK;
}

static void plain_tag(const uint8_t header[KEYFILE_HEADER_SIZE],
                      struct slice payload,
                      uint8_t tag[KEYFILE_TAG_SIZE])
{
    struct digest d;

    TH256(&d, "keyfile-check", slice_of(header, KEYFILE_HEADER_SIZE), payload);
    memcpy(tag, d.bytes, KEYFILE_TAG_SIZE);
}

static void plain_seal(const uint8_t header[KEYFILE_HEADER_SIZE],
                       struct slice payload,
                       uint8_t *out)
{
    if (payload.size > 0) {
        memcpy(out, payload.data, payload.size);
    }
    plain_tag(header, payload, out + payload.size);
}

static int plain_open(const uint8_t header[KEYFILE_HEADER_SIZE],
                      struct slice payload,
                      uint8_t *out)
{
    uint8_t tag[KEYFILE_TAG_SIZE];

    plain_tag(header, payload, tag);
    if (sodium_memcmp(tag, payload.data + payload.size, sizeof(tag)) != 0) {
        return ERR_AUTH;
    }
    if (payload.size > 0) {
        memcpy(out, payload.data, payload.size);
    }
    return OK;
}

static int sealed_seal(const uint8_t header[KEYFILE_HEADER_SIZE],
                       struct slice passphrase,
                       struct slice payload,
                       uint8_t *out)
{
    uint8_t kek[KEK_SIZE];
    int rv;

    rv = kek_derive(header, passphrase, kek);
    if (rv == OK) {
        crypto_aead_xchacha20poly1305_ietf_encrypt(
            out, NULL, payload.data, payload.size, header, KEYFILE_HEADER_SIZE,
            NULL, header + AT_NONCE, kek);
    }
    sodium_memzero(kek, sizeof(kek));
    return rv;
}

/* |sealed| is followed by its tag. */
static int sealed_open(const uint8_t header[KEYFILE_HEADER_SIZE],
                       struct slice passphrase,
                       struct slice sealed,
                       uint8_t *out)
{
    const uint8_t *tag = sealed.data + sealed.size;
    uint8_t kek[KEK_SIZE];
    int rv;

    rv = kek_derive(header, passphrase, kek);
    if (rv != OK) {
        goto err;
    }
    /* Without an output libsodium only verifies; with one it would fill |out|
     * with zeros when the tag is wrong. */
    if (crypto_aead_xchacha20poly1305_ietf_decrypt_detached(
            NULL, NULL, sealed.data, sealed.size, tag, header,
            KEYFILE_HEADER_SIZE, header + AT_NONCE, kek) != 0 ||
        crypto_aead_xchacha20poly1305_ietf_decrypt_detached(
            out, NULL, sealed.data, sealed.size, tag, header,
            KEYFILE_HEADER_SIZE, header + AT_NONCE, kek) != 0) {
        rv = ERR_AUTH;
    }
err:
    sodium_memzero(kek, sizeof(kek));
    return rv;
}

int keyfile_seal(enum keyfile_purpose purpose,
                 struct slice passphrase,
                 struct slice payload,
                 struct rng *r,
                 uint8_t *out)
{
    uint8_t header[KEYFILE_HEADER_SIZE] = {0};
    bool sealed = passphrase.size > 0;
    int rv = OK;

    assert(payload.size <= KEYFILE_PAYLOAD_MAX);
    memcpy(header, magic, sizeof(magic));
    header[AT_VERSION] = KEYFILE_VERSION;
    header[AT_KDF] = sealed ? KDF_ARGON2ID : KDF_NONE;
    u16le_store(header + AT_PURPOSE, (uint16_t)purpose);
    u32le_store(header + AT_SIZE, (uint32_t)payload.size);
    if (sealed) {
        u64le_store(header + AT_OPS, KEYFILE_OPS_MIN);
        u64le_store(header + AT_MEM, KEYFILE_MEM_MIN);
        rng_bytes(r, header + AT_SALT, AT_SIZE - AT_SALT);
        rv =
            sealed_seal(header, passphrase, payload, out + KEYFILE_HEADER_SIZE);
    } else {
        plain_seal(header, payload, out + KEYFILE_HEADER_SIZE);
    }
    if (rv == OK) {
        memcpy(out, header, sizeof(header));
    }
    return rv;
}

int keyfile_open(enum keyfile_purpose purpose,
                 struct slice passphrase,
                 struct slice file,
                 uint8_t *out)
{
    struct keyfile_info info;
    struct slice payload;
    int rv;

    rv = keyfile_inspect(file, &info);
    if (rv != OK) {
        return rv;
    }
    if (info.purpose != purpose) {
        return ERR_MISMATCH;
    }
    /* Nothing was ever sealed under an empty passphrase. And who gives one for
     * a file in the clear expects a seal that is not there: somebody may have
     * put this file in the place of the sealed one. */
    if (info.sealed != (passphrase.size > 0)) {
        return ERR_AUTH;
    }
    payload = slice_of(file.data + KEYFILE_HEADER_SIZE, info.payload_size);
    return info.sealed ? sealed_open(file.data, passphrase, payload, out)
                       : plain_open(file.data, payload, out);
}
