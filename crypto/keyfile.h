#ifndef CAIRN_CRYPTO_KEYFILE_H
#define CAIRN_CRYPTO_KEYFILE_H

#include "crypto/base.h"
#include "crypto/rng.h"

/* The bytes of a file that holds secret keys: sealed under a passphrase with
 * Argon2id, or in the clear for unattended nodes (a 0600 credential). This
 * module knows no file; node/ writes it with 0600, O_EXCL, fsync and rename.
 *
 *   "CRNK" || u8 version=1 || u8 kdf || u16le purpose ||
 *   u64le ops || u64le mem || salt[16] || nonce[24] || u32le size ||
 *   payload || tag[16]                            (header 68 bytes)
 *
 * kdf 0: no passphrase; ops, mem, salt, nonce are zero, the payload is plain
 * and the tag is the first 16 bytes of TH256("keyfile-check", header,
 * payload): it finds damage, it hides nothing.
 * kdf 1: Argon2id13 (ops, mem bytes, one lane), XChaCha20-Poly1305, the
 * header is the associated data. */

#define KEYFILE_HEADER_SIZE 68
#define KEYFILE_TAG_SIZE    16
#define KEYFILE_PAYLOAD_MAX 65536U
#define KEYFILE_OVERHEAD    (KEYFILE_HEADER_SIZE + KEYFILE_TAG_SIZE)
#define KEYFILE_OPS_MIN     3U
#define KEYFILE_OPS_MAX     16U
#define KEYFILE_MEM_MIN     ((uint64_t)256 << 20)
#define KEYFILE_MEM_MAX     ((uint64_t)4 << 30)

enum keyfile_purpose {
    KEYFILE_NODE = 1,      /* N, X, V of a member. */
    KEYFILE_CUSTODY = 2,   /* E, D of a custodian. */
    KEYFILE_SHARE = 3,     /* Opened key shares. */
    KEYFILE_JOURNAL = 4,   /* A lab's polynomials while it deposits. */
    KEYFILE_RECIPIENT = 5, /* A recipient's HPKE and transport keys. */
    KEYFILE_NETWORK = 6    /* The network secret. */
};

/* What a header says, before any passphrase is asked for. */
struct keyfile_info {
    enum keyfile_purpose purpose;
    bool sealed;
    uint64_t ops, mem;
    size_t payload_size;
};

MUST_CHECK int keyfile_inspect(struct slice file, struct keyfile_info *info);

/* Encode. An empty |passphrase| means kdf 0. |out| has room for payload.size +
 * KEYFILE_OVERHEAD. ERR_NOMEM when Argon2id cannot have its memory. */
MUST_CHECK int keyfile_seal(enum keyfile_purpose purpose,
                            struct slice passphrase,
                            struct slice payload,
                            struct rng *r,
                            uint8_t *out);

/* Decode into |out| (info.payload_size bytes). ERR_AUTH for a wrong
 * passphrase or damage (they cannot be told apart), also when a passphrase is
 * given for a file in the clear: it may have been put in the place of a sealed
 * one. ERR_MISMATCH for another purpose, ERR_BAD for parameters outside the
 * bounds above, ERR_UNSUPPORTED for a version, kdf or purpose of later days. */
MUST_CHECK int keyfile_open(enum keyfile_purpose purpose,
                            struct slice passphrase,
                            struct slice file,
                            uint8_t *out);

#endif /* CAIRN_CRYPTO_KEYFILE_H */
