#include "crypto/sshsig.h"

#include <sodium.h>

#include "crypto/hash.h"

/* openssh PROTOCOL.sshsig for the frame, RFC 8709 for ssh-ed25519, PROTOCOL.u2f
 * for sk-ssh-ed25519. Everything is made of SSH strings (RFC 4251): u32be size
 * and that many bytes. */

#define ARMOR_BEGIN "-----BEGIN SSH SIGNATURE-----"
#define ARMOR_END   "-----END SSH SIGNATURE-----"
#define BASE64      sodium_base64_VARIANT_ORIGINAL

#define MAGIC            "SSHSIG"
#define SSHSIG_VERSION   1
#define HASH_NAME        "sha512"
#define NAMESPACE_MAX    128
#define SK_USER_PRESENCE 0x01

/* The bytes that the key really signs: magic, namespace, reserved, hash name,
 * digest of the message. */
#define SIGNED_MAX (6 + 4 + NAMESPACE_MAX + 4 + 4 + 6 + 4 + SHA512_SIZE)

enum key_type {
    KEY_ED25519,
    KEY_SK_ED25519
};

static const char *const key_names[] = {
    [KEY_ED25519] = "ssh-ed25519",
    [KEY_SK_ED25519] = "sk-ssh-ed25519@openssh.com",
};

/* A public key taken apart; the slices point into its blob. */
struct key_parts {
    enum key_type type;
    const uint8_t *pk;
    struct slice application; /* Only of KEY_SK_ED25519. */
};

/* The SSHSIG frame taken apart. */
struct sig_parts {
    struct slice key, ns, reserved, hash, signature;
};

/* The takers move |in| past what they took. A failed one leaves it anywhere:
 * the caller gives up. */
static bool take_bytes(struct slice *in, size_t size, struct slice *out)
{
    if (in->size < size) {
        return false;
    }
    *out = slice_of(in->data, size);
    *in = slice_of(in->data + size, in->size - size);
    return true;
}

static bool take_u32(struct slice *in, uint32_t *out)
{
    struct slice bytes;

    if (!take_bytes(in, 4, &bytes)) {
        return false;
    }
    *out = u32be_load(bytes.data);
    return true;
}

static bool take_string(struct slice *in, struct slice *out)
{
    uint32_t size;

    return take_u32(in, &size) && take_bytes(in, size, out);
}

static bool key_type_read(struct slice name, enum key_type *type)
{
    for (size_t i = 0; i < sizeof(key_names) / sizeof(key_names[0]); i++) {
        if (slice_equal(name, slice_str(key_names[i]))) {
            *type = (enum key_type)i;
            return true;
        }
    }
    return false;
}

static int key_read(struct slice blob, struct key_parts *k)
{
    struct slice rest = blob, name, pk;

    /* Keys of other types may well be longer than ours: the name first. */
    if (!take_string(&rest, &name)) {
        return ERR_BAD;
    }
    if (!key_type_read(name, &k->type)) {
        return ERR_UNSUPPORTED;
    }
    if (blob.size > SSHSIG_BLOB_MAX || !take_string(&rest, &pk) ||
        pk.size != crypto_sign_ed25519_PUBLICKEYBYTES) {
        return ERR_BAD;
    }
    k->pk = pk.data;
    k->application = slice_of(NULL, 0);
    if (k->type == KEY_SK_ED25519 &&
        (!take_string(&rest, &k->application) || k->application.size == 0 ||
         memchr(k->application.data, 0, k->application.size) != NULL)) {
        return ERR_BAD;
    }
    return rest.size == 0 ? OK : ERR_BAD;
}

int sshsig_key_check(struct slice blob)
{
    struct key_parts k;

    return key_read(blob, &k);
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

static bool is_newline(uint8_t c)
{
    return c == '\n' || c == '\r';
}

static void trim_newlines(struct slice *text)
{
    while (text->size > 0 && is_newline(text->data[text->size - 1])) {
        text->size--;
    }
}

/* The next word of a line and the blanks behind it; empty at its end. */
static struct slice take_word(struct slice *line)
{
    struct slice word = slice_of(line->data, 0);

    while (word.size < line->size && !is_blank(word.data[word.size])) {
        word.size++;
    }
    line->data += word.size;
    line->size -= word.size;
    while (line->size > 0 && is_blank(line->data[0])) {
        line->data++;
        line->size--;
    }
    return word;
}

/* Exactly one encoding is taken: padded, nothing in between, no stray bits. */
static bool base64_read(struct slice text,
                        uint8_t *out,
                        size_t out_max,
                        size_t *size)
{
    return text.size > 0 &&
           sodium_base642bin(out, out_max, (const char *)text.data, text.size,
                             NULL, size, NULL, BASE64) == 0;
}

int sshsig_key_parse(struct sshsig_key *k, struct slice line)
{
    struct sshsig_key got = {.blob_size = 0};
    struct slice rest = line, name, base64, inner, blob_name;
    enum key_type type;

    trim_newlines(&rest);
    if (rest.size == 0) {
        return ERR_BAD;
    }
    for (size_t i = 0; i < rest.size; i++) {
        if (is_newline(rest.data[i])) {
            return ERR_BAD;
        }
    }
    name = take_word(&rest);
    base64 = take_word(&rest);
    if (name.size == 0 || base64.size == 0) {
        return ERR_BAD;
    }
    if (!key_type_read(name, &type)) {
        return ERR_UNSUPPORTED;
    }
    if (!base64_read(base64, got.blob, sizeof(got.blob), &got.blob_size)) {
        return ERR_BAD;
    }
    /* What the line says, the key must say too. */
    inner = slice_of(got.blob, got.blob_size);
    if (sshsig_key_check(inner) != OK || !take_string(&inner, &blob_name) ||
        !slice_equal(name, blob_name)) {
        return ERR_BAD;
    }
    *k = got;
    return OK;
}

void sshsig_key_fingerprint(struct slice blob, char out[64])
{
    static const char prefix[] = "SHA256:";
    const size_t at = sizeof(prefix) - 1;
    struct digest d;

    sha256(blob, &d);
    memcpy(out, prefix, at);
    sodium_bin2base64(out + at, 64 - at, d.bytes, sizeof(d.bytes),
                      sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
}

/* Cut |prefix| off the front of |text|. */
static bool take_prefix(struct slice *text, const char *prefix)
{
    struct slice got;

    return take_bytes(text, strlen(prefix), &got) &&
           slice_equal(got, slice_str(prefix));
}

/* Cut |suffix| off the end of |text|. */
static bool take_suffix(struct slice *text, const char *suffix)
{
    size_t size = strlen(suffix);

    if (text->size < size ||
        memcmp(text->data + text->size - size, suffix, size) != 0) {
        return false;
    }
    text->size -= size;
    return true;
}

int sshsig_dearmor(struct slice text, uint8_t *out, size_t *size)
{
    uint8_t base64[SSHSIG_TEXT_MAX], bytes[SSHSIG_TEXT_MAX];
    struct slice body = text;
    size_t base64_size = 0, bytes_size;

    if (text.size > SSHSIG_TEXT_MAX) {
        return ERR_BAD;
    }
    trim_newlines(&body);
    if (!take_prefix(&body, ARMOR_BEGIN) || !take_suffix(&body, ARMOR_END) ||
        body.size < 2 || !is_newline(body.data[0]) ||
        !is_newline(body.data[body.size - 1])) {
        return ERR_BAD;
    }
    /* The newlines go here and not in libsodium, which would take a zero byte
     * for one of the characters to ignore. */
    for (size_t i = 0; i < body.size; i++) {
        if (!is_newline(body.data[i])) {
            base64[base64_size++] = body.data[i];
        }
    }
    if (!base64_read(slice_of(base64, base64_size), bytes, sizeof(bytes),
                     &bytes_size)) {
        return ERR_BAD;
    }
    memcpy(out, bytes, bytes_size);
    *size = bytes_size;
    return OK;
}

static int sig_read(struct slice sig, struct sig_parts *s)
{
    struct slice rest = sig;
    uint32_t version;

    if (!take_prefix(&rest, MAGIC) || !take_u32(&rest, &version)) {
        return ERR_BAD;
    }
    if (version != SSHSIG_VERSION) {
        return ERR_UNSUPPORTED;
    }
    if (!take_string(&rest, &s->key) || !take_string(&rest, &s->ns) ||
        !take_string(&rest, &s->reserved) || !take_string(&rest, &s->hash) ||
        !take_string(&rest, &s->signature) || rest.size != 0) {
        return ERR_BAD;
    }
    /* OpenSSH ignores what is reserved, so it is under no signature: one
     * signature would have many encodings. */
    if (s->reserved.size != 0 || !slice_equal(s->hash, slice_str(HASH_NAME))) {
        return ERR_UNSUPPORTED;
    }
    return OK;
}

static size_t put_bytes(uint8_t *buf, size_t at, struct slice bytes)
{
    if (bytes.size > 0) {
        memcpy(buf + at, bytes.data, bytes.size);
    }
    return at + bytes.size;
}

static size_t put_string(uint8_t *buf, size_t at, struct slice bytes)
{
    u16be_store(buf + at, (uint16_t)(bytes.size >> 16));
    u16be_store(buf + at + 2, (uint16_t)bytes.size);
    return put_bytes(buf, at + 4, bytes);
}

/* What the signer had before him, rebuilt from what the caller says and not
 * from the signature. */
static size_t signed_bytes(struct slice ns,
                           struct slice message,
                           uint8_t out[SIGNED_MAX])
{
    uint8_t digest[SHA512_SIZE];
    size_t at;

    sha512(message, digest);
    at = put_bytes(out, 0, slice_str(MAGIC));
    at = put_string(out, at, ns);
    at = put_string(out, at, slice_str(""));
    at = put_string(out, at, slice_str(HASH_NAME));
    return put_string(out, at, slice_of(digest, sizeof(digest)));
}

static int ed25519_verify(const struct key_parts *k,
                          struct slice sig,
                          struct slice message)
{
    assert(sig.size == crypto_sign_ed25519_BYTES);
    return crypto_sign_ed25519_verify_detached(sig.data, message.data,
                                               message.size, k->pk) == 0
               ? OK
               : ERR_AUTH;
}

/* A FIDO2 key signs SHA256(application) || flags || counter || SHA256(bytes);
 * |trailer| is flags and counter as they stand behind the signature. */
static int sk_verify(const struct key_parts *k,
                     struct slice sig,
                     struct slice trailer,
                     struct slice message)
{
    struct digest application, bytes;
    uint8_t buf[2 * DIGEST_SIZE + 5];
    size_t at;

    assert(trailer.size == 5);
    if ((trailer.data[0] & SK_USER_PRESENCE) == 0) {
        return ERR_AUTH;
    }
    sha256(k->application, &application);
    sha256(message, &bytes);
    at = put_bytes(buf, 0, digest_slice(&application));
    at = put_bytes(buf, at, trailer);
    at = put_bytes(buf, at, digest_slice(&bytes));
    return ed25519_verify(k, sig, slice_of(buf, at));
}

/* |signature| is string type || string sig, and for FIDO2 flags || counter. */
static int signature_verify(const struct key_parts *k,
                            struct slice signature,
                            struct slice message)
{
    struct slice rest = signature, name, sig, trailer;
    size_t trailer_size = k->type == KEY_SK_ED25519 ? 1 + 4 : 0;
    enum key_type type;

    if (!take_string(&rest, &name)) {
        return ERR_BAD;
    }
    if (!key_type_read(name, &type)) {
        return ERR_UNSUPPORTED;
    }
    if (type != k->type || !take_string(&rest, &sig) ||
        sig.size != crypto_sign_ed25519_BYTES ||
        !take_bytes(&rest, trailer_size, &trailer) || rest.size != 0) {
        return ERR_BAD;
    }
    return type == KEY_SK_ED25519 ? sk_verify(k, sig, trailer, message)
                                  : ed25519_verify(k, sig, message);
}

int sshsig_verify(struct slice sig,
                  const char *ns,
                  struct slice message,
                  struct sshsig_key *key)
{
    struct slice want_ns = slice_str(ns);
    struct sshsig_key got = {.blob_size = 0};
    struct sig_parts s;
    struct key_parts k;
    uint8_t bytes[SIGNED_MAX];
    int rv;

    assert(want_ns.size > 0 && want_ns.size <= NAMESPACE_MAX);
    rv = sig_read(sig, &s);
    if (rv != OK) {
        return rv;
    }
    rv = key_read(s.key, &k);
    if (rv != OK) {
        return rv;
    }
    rv = signature_verify(
        &k, s.signature,
        slice_of(bytes, signed_bytes(want_ns, message, bytes)));
    if (rv != OK) {
        return rv;
    }
    /* The signature covers our |ns|, not what the frame says, which may still
     * be another one. */
    if (!slice_equal(s.ns, want_ns)) {
        return ERR_AUTH;
    }
    memcpy(got.blob, s.key.data, s.key.size);
    got.blob_size = s.key.size;
    *key = got;
    return OK;
}
