#ifndef CAIRN_CRYPTO_NOISE_H
#define CAIRN_CRYPTO_NOISE_H

#include "crypto/aead.h"
#include "crypto/base.h"
#include "crypto/rng.h"

/* The transport handshake: Noise_XXpsk3_25519_AESGCM_SHA256 (Noise rev 34),
 * one pattern and one suite:
 *
 *   -> e                 <- e, ee, s, es            -> s, se, psk
 *
 * In psk handshakes every e is also mixed into the key, so that even the
 * payload of message 1 carries a tag. All-zero shared secrets are refused.
 * Bytes in and out only; sockets are the caller's. */

#define NOISE_KEY_SIZE    32
#define NOISE_TAG_SIZE    16
#define NOISE_MESSAGE_MAX 65535U
#define NOISE_PLAIN_MAX   (NOISE_MESSAGE_MAX - NOISE_TAG_SIZE)
/* Handshake messages without their payloads. */
#define NOISE_MSG1_SIZE (32 + 16)
#define NOISE_MSG2_SIZE (32 + 48 + 16)
#define NOISE_MSG3_SIZE (48 + 16)
#define NOISE_MESSAGES  3
/* Rekey right after message n where (n + 1) % this == 0; n goes on. */
#define NOISE_REKEY_INTERVAL 65536U

struct noise_keypair {
    uint8_t pk[NOISE_KEY_SIZE];
    uint8_t sk[NOISE_KEY_SIZE]; /* Secret. */
};

void noise_keypair_init(struct noise_keypair *k, struct rng *r);

/* X25519, as every token of the handshake uses it. ERR_BAD when the shared
 * secret is all zero: |pk| is a point of low order. */
MUST_CHECK int noise_dh(const uint8_t sk[NOISE_KEY_SIZE],
                        const uint8_t pk[NOISE_KEY_SIZE],
                        uint8_t shared[NOISE_KEY_SIZE]);

/* In place, never copied; wipe it on every way out. */
struct noise_handshake {
    bool initiator;
    uint8_t messages; /* 0..3 done, or dead. */
    bool has_key;
    uint64_t nonce;
    uint8_t h[DIGEST_SIZE], ck[DIGEST_SIZE], k[AEAD_KEY_SIZE];
    uint8_t psk[NOISE_KEY_SIZE];
    struct noise_keypair s, e;
    uint8_t rs[NOISE_KEY_SIZE], re[NOISE_KEY_SIZE];
};

/* |s| is copied. |prologue| is bound into the transcript: a peer that saw
 * another one fails. The ephemeral key is drawn at the message that sends it;
 * published vectors fix it, and for them alone a test may fill |hs->e| before:
 * a secret key there that is not zero is used instead of a draw. */
void noise_handshake_init(struct noise_handshake *hs,
                          bool initiator,
                          struct slice prologue,
                          const struct noise_keypair *s,
                          const uint8_t psk[NOISE_KEY_SIZE]);

/* Write the next message, NOISE_MSGx_SIZE + payload.size bytes, into |out|.
 * It is at most NOISE_MESSAGE_MAX bytes, or the payload is refused by an
 * assertion. |out| and |payload| do not overlap.
 *
 * ERR_ORDER when it is the other side's turn, and nothing has changed. Any
 * other error is final, see noise_handshake_read(). */
MUST_CHECK int noise_handshake_write(struct noise_handshake *hs,
                                     struct slice payload,
                                     struct rng *r,
                                     uint8_t *out,
                                     size_t *out_size);

/* Read the next message; |payload| gets in.size - NOISE_MSGx_SIZE bytes, and
 * does not overlap |in|.
 *
 * ERR_ORDER when it is not the other side's turn, and nothing has changed.
 * ERR_BAD when the size or a key is wrong, ERR_AUTH when a tag is: prologue,
 * pre-shared key, static key or bytes are not those of the other side. Then
 * the handshake is dead, its secrets are gone, every later call returns
 * ERR_ORDER, and the caller closes the link without an answer. */
MUST_CHECK int noise_handshake_read(struct noise_handshake *hs,
                                    struct slice in,
                                    uint8_t *payload,
                                    size_t *payload_size);

/* One direction of a transport; never copied. */
struct noise_cipher {
    uint8_t k[AEAD_KEY_SIZE];
    uint64_t nonce;       /* Of the next message. */
    uint64_t rekey_every; /* NOISE_REKEY_INTERVAL; tests set it lower. */
    struct aead_key key;
};

/* The two directions and the channel binding, after message 3. */
struct noise_transport {
    struct noise_cipher send, receive;
    uint8_t remote[NOISE_KEY_SIZE]; /* The peer's static key. */
    struct digest binding;
};

/* After message 3: make the two ciphers and wipe |hs|. ERR_ORDER before it,
 * and nothing has changed. */
MUST_CHECK int noise_handshake_split(struct noise_handshake *hs,
                                     struct noise_transport *t);
void noise_handshake_wipe(struct noise_handshake *hs);

/* Seal |plain| (at most NOISE_PLAIN_MAX) into plain.size + NOISE_TAG_SIZE
 * bytes; in place allowed. Rekeys by itself. ERR_ORDER when the nonces are
 * used up. */
MUST_CHECK int noise_seal(struct noise_cipher *c,
                          struct slice plain,
                          uint8_t *out);
/* The same of |head| and |body|, as if they lay one behind the other: large
 * bodies are sealed from where they are. */
MUST_CHECK int noise_seal_joined(struct noise_cipher *c,
                                 struct slice head,
                                 struct slice body,
                                 uint8_t *out);
/* Open |sealed| into sealed.size - NOISE_TAG_SIZE bytes; in place allowed.
 * ERR_BAD when no message has that size, ERR_AUTH when the tag is wrong, and
 * |out| then holds nothing of the message. Both leave the nonce where it was;
 * the caller closes the link. ERR_ORDER as above. */
MUST_CHECK int noise_open(struct noise_cipher *c,
                          struct slice sealed,
                          uint8_t *out);
/* The same to two places: the first |head_size| bytes to |head|, the others to
 * |body|, which may be where they lie sealed. ERR_BAD, too, for a message of
 * fewer bytes than |head_size|. */
MUST_CHECK int noise_open_split(struct noise_cipher *c,
                                struct slice sealed,
                                uint8_t *head,
                                size_t head_size,
                                uint8_t *body);

/* Both directions return ERR_ORDER from then on. A transport of zeros, one that
 * was never made, may be wiped too. */
void noise_transport_wipe(struct noise_transport *t);

#endif /* CAIRN_CRYPTO_NOISE_H */
