#ifndef CAIRN_CRYPTO_HASH_H
#define CAIRN_CRYPTO_HASH_H

#include "crypto/base.h"

/* SHA-256 for content and identifiers, SHA-512 for scalars and key derivation,
 * and the one way in which structures are hashed: with a domain and with the
 * length of every part, so that no two lists of parts share an input.
 *
 *   TH(H, dst, p1..pk) = H( u8 |D| || D || sum of (u64le |pi| || pi) ),
 *   D = "cairn/v1/" || dst
 *
 * Hash functions cannot fail except for want of memory, which aborts. */

#define SHA512_SIZE 64

void sha256(struct slice data, struct digest *out);
void sha512(struct slice data, uint8_t out[SHA512_SIZE]);

/* |dst| is a literal without the prefix, at most 200 bytes. */
void th256(struct digest *out,
           const char *dst,
           const struct slice *parts,
           size_t parts_len);
void th512(uint8_t out[SHA512_SIZE],
           const char *dst,
           const struct slice *parts,
           size_t parts_len);

/* TH256(&id, "feed-id", header): parts as arguments, at least one. */
#define TH_PARTS(...)                    \
    (const struct slice[]){__VA_ARGS__}, \
        sizeof((const struct slice[]){__VA_ARGS__}) / sizeof(struct slice)
#define TH256(out, dst, ...) th256((out), (dst), TH_PARTS(__VA_ARGS__))
#define TH512(out, dst, ...) th512((out), (dst), TH_PARTS(__VA_ARGS__))

/* A running SHA-256, for bytes that come in pieces. Init allocates; every
 * init is followed by one close. */
struct sha256 {
    void *ctx; /* EVP_MD_CTX */
};

void sha256_init(struct sha256 *h);
void sha256_update(struct sha256 *h, struct slice data);
/* The digest so far; the stream goes on. */
void sha256_peek(const struct sha256 *h, struct digest *out);
/* Start over with an empty input. */
void sha256_reset(struct sha256 *h);
void sha256_close(struct sha256 *h);

/* HMAC and HKDF (RFC 5869). |out| of hkdf_*_expand is at most 255 hash sizes,
 * which is asserted. Both wipe their intermediate values. */
#define HMAC256_SIZE 32
void hmac256(struct slice key, struct slice data, uint8_t out[HMAC256_SIZE]);
void hkdf256_extract(struct slice salt,
                     struct slice ikm,
                     uint8_t prk[DIGEST_SIZE]);
void hkdf256_expand(const uint8_t prk[DIGEST_SIZE],
                    struct slice info,
                    uint8_t *out,
                    size_t out_size);
void hkdf512_extract(struct slice salt,
                     struct slice ikm,
                     uint8_t prk[SHA512_SIZE]);
/* |prk| may be any length here: the content construction expands from 32-byte
 * keys directly. */
void hkdf512_expand(struct slice prk,
                    struct slice info,
                    uint8_t *out,
                    size_t out_size);

#endif /* CAIRN_CRYPTO_HASH_H */
