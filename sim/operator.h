#ifndef CAIRN_SIM_OPERATOR_H
#define CAIRN_SIM_OPERATOR_H

#include <sodium.h>

#include "crypto/sshsig.h"

/* An operator's SSH key and what it signs, without ssh-keygen: wire encoding
 * and frames are made by hand (openssh PROTOCOL.sshsig), so that malformed ones
 * can be had too. A header of its own because the suites in tests/ need it
 * without the rest of sim/. */

#define OPERATOR_SIG_MAX 1024U

/* SSH wire encoding, for what fits. Zeroed: empty. */
struct operator_wire {
    uint8_t bytes[OPERATOR_SIG_MAX];
    size_t size;
};

static inline void operator_put(struct operator_wire *w,
                                const void *bytes,
                                size_t size)
{
    assert(size <= sizeof(w->bytes) - w->size);
    memcpy(w->bytes + w->size, bytes, size);
    w->size += size;
}

/* An SSH string: its length, then its bytes. */
static inline void operator_put_string(struct operator_wire *w,
                                       const void *bytes,
                                       size_t size)
{
    const uint8_t head[4] = {0, 0, (uint8_t)(size >> 8), (uint8_t)size};

    operator_put(w, head, sizeof(head));
    operator_put(w, bytes, size);
}

static inline void operator_put_text(struct operator_wire *w, const char *text)
{
    operator_put_string(w, text, strlen(text));
}

/* The blob of an ssh-ed25519 key. */
static inline void operator_key(struct sshsig_key *key, const uint8_t pk[32])
{
    struct operator_wire w = {.size = 0};

    operator_put_text(&w, "ssh-ed25519");
    operator_put_string(&w, pk, 32);
    memcpy(key->blob, w.bytes, w.size);
    key->blob_size = w.size;
}

/* What `ssh-keygen -Y sign -n NS` makes of |message|, without the armour;
 * returns the size. */
static inline size_t operator_sign(const uint8_t sk[crypto_sign_SECRETKEYBYTES],
                                   const char *ns,
                                   struct slice message,
                                   uint8_t out[OPERATOR_SIG_MAX])
{
    const uint8_t version[4] = {0, 0, 0, 1};
    struct operator_wire inner = {.size = 0}, frame = {.size = 0};
    struct operator_wire signature = {.size = 0};
    uint8_t hash[crypto_hash_sha512_BYTES], sig[crypto_sign_BYTES];
    uint8_t pk[crypto_sign_PUBLICKEYBYTES];
    struct sshsig_key key;

    crypto_hash_sha512(hash, message.data, message.size);
    operator_put(&inner, "SSHSIG", 6);
    operator_put_text(&inner, ns);
    operator_put_text(&inner, "");
    operator_put_text(&inner, "sha512");
    operator_put_string(&inner, hash, sizeof(hash));
    crypto_sign_detached(sig, NULL, inner.bytes, inner.size, sk);
    operator_put_text(&signature, "ssh-ed25519");
    operator_put_string(&signature, sig, sizeof(sig));

    crypto_sign_ed25519_sk_to_pk(pk, sk);
    operator_key(&key, pk);
    operator_put(&frame, "SSHSIG", 6);
    operator_put(&frame, version, sizeof(version));
    operator_put_string(&frame, key.blob, key.blob_size);
    operator_put_text(&frame, ns);
    operator_put_text(&frame, "");
    operator_put_text(&frame, "sha512");
    operator_put_string(&frame, signature.bytes, signature.size);
    memcpy(out, frame.bytes, frame.size);
    return frame.size;
}

#endif /* CAIRN_SIM_OPERATOR_H */
