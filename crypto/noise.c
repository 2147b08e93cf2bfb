#include "crypto/noise.h"

#include <sodium.h>

#include "crypto/hash.h"

/* Names, section numbers and order of operations are those of the Noise
 * Protocol Framework, revision 34. */

#define NOISE_NAME "Noise_XXpsk3_25519_AESGCM_SHA256"

/* |messages| of a handshake that failed, was wiped or became a transport. */
#define HANDSHAKE_DEAD 0xff

/* 2^64-1 is reserved for rekeying, so no message has it (5.1). */
#define NONCE_REKEY UINT64_MAX

/* The message pattern (7.5, 9.4). */
enum token {
    TOKEN_END,
    TOKEN_E,
    TOKEN_S,
    TOKEN_EE,
    TOKEN_ES,
    TOKEN_SE,
    TOKEN_PSK
};

#define TOKENS_MAX 5

static const enum token pattern[NOISE_MESSAGES][TOKENS_MAX] = {
    {TOKEN_E, TOKEN_END},
    {TOKEN_E, TOKEN_EE, TOKEN_S, TOKEN_ES, TOKEN_END},
    {TOKEN_S, TOKEN_SE, TOKEN_PSK, TOKEN_END},
};

static const size_t message_size[NOISE_MESSAGES] = {
    NOISE_MSG1_SIZE,
    NOISE_MSG2_SIZE,
    NOISE_MSG3_SIZE,
};

/* The libraries below never see a null pointer, even for no bytes. */
static struct slice nothing(void)
{
    return slice_str("");
}

void noise_keypair_init(struct noise_keypair *k, struct rng *r)
{
    int rv;

    rng_bytes(r, k->sk, NOISE_KEY_SIZE);
    rv = crypto_scalarmult_curve25519_base(k->pk, k->sk);
    assert(rv == 0);
    (void)rv;
}

int noise_dh(const uint8_t sk[NOISE_KEY_SIZE],
             const uint8_t pk[NOISE_KEY_SIZE],
             uint8_t shared[NOISE_KEY_SIZE])
{
    uint8_t q[NOISE_KEY_SIZE];
    int rv = ERR_BAD;

    /* Noise permits going on with an all-zero result; this design does not. */
    if (crypto_scalarmult_curve25519(q, sk, pk) == 0) {
        memcpy(shared, q, sizeof(q));
        rv = OK;
    }
    sodium_memzero(q, sizeof(q));
    return rv;
}

/* AESGCM nonces are 32 zero bits and n in big-endian (12.4). */
static void nonce_store(uint8_t out[AEAD_NONCE_SIZE], uint64_t n)
{
    memset(out, 0, 4);
    for (int i = 0; i < 8; i++) {
        out[4 + i] = (uint8_t)(n >> (56 - 8 * i));
    }
}

/* HKDF of 4.3: RFC 5869 with the chaining key as salt and without info. */
static void noise_hkdf(const uint8_t ck[DIGEST_SIZE],
                       struct slice ikm,
                       uint8_t *out,
                       size_t out_size)
{
    uint8_t prk[DIGEST_SIZE];

    hkdf256_extract(slice_of(ck, DIGEST_SIZE), ikm, prk);
    hkdf256_expand(prk, nothing(), out, out_size);
    sodium_memzero(prk, sizeof(prk));
}

static void mix_hash(struct noise_handshake *hs, struct slice data)
{
    struct sha256 s;
    struct digest h;

    sha256_init(&s);
    sha256_update(&s, slice_of(hs->h, sizeof(hs->h)));
    sha256_update(&s, data);
    sha256_peek(&s, &h);
    sha256_close(&s);
    memcpy(hs->h, h.bytes, sizeof(hs->h));
}

static void set_key(struct noise_handshake *hs, const uint8_t k[AEAD_KEY_SIZE])
{
    memcpy(hs->k, k, sizeof(hs->k));
    hs->nonce = 0;
    hs->has_key = true;
}

static void mix_key(struct noise_handshake *hs, struct slice ikm)
{
    uint8_t out[DIGEST_SIZE + AEAD_KEY_SIZE];

    noise_hkdf(hs->ck, ikm, out, sizeof(out));
    memcpy(hs->ck, out, DIGEST_SIZE);
    set_key(hs, out + DIGEST_SIZE);
    sodium_memzero(out, sizeof(out));
}

static void mix_key_and_hash(struct noise_handshake *hs, struct slice ikm)
{
    uint8_t out[2 * DIGEST_SIZE + AEAD_KEY_SIZE];

    noise_hkdf(hs->ck, ikm, out, sizeof(out));
    memcpy(hs->ck, out, DIGEST_SIZE);
    mix_hash(hs, slice_of(out + DIGEST_SIZE, DIGEST_SIZE));
    set_key(hs, out + (size_t)2 * DIGEST_SIZE);
    sodium_memzero(out, sizeof(out));
}

/* Writes plain.size + NOISE_TAG_SIZE bytes. The first token of the pattern
 * sets a key, so nothing is ever sent in the clear but the ephemerals. */
static void encrypt_and_hash(struct noise_handshake *hs,
                             struct slice plain,
                             uint8_t *out)
{
    struct aead_key key;
    uint8_t nonce[AEAD_NONCE_SIZE];

    assert(hs->has_key);
    nonce_store(nonce, hs->nonce);
    aead_key_init(&key, hs->k);
    aead_seal(&key, nonce, slice_of(hs->h, sizeof(hs->h)), plain, out,
              out + plain.size);
    aead_key_wipe(&key);
    hs->nonce++;
    mix_hash(hs, slice_of(out, plain.size + NOISE_TAG_SIZE));
}

/* A wrong tag neither spends the nonce nor touches the transcript. */
static int decrypt_and_hash(struct noise_handshake *hs,
                            struct slice sealed,
                            uint8_t *out)
{
    struct aead_key key;
    struct slice body;
    uint8_t nonce[AEAD_NONCE_SIZE];
    int rv;

    assert(hs->has_key && sealed.size >= NOISE_TAG_SIZE);
    body = slice_of(sealed.data, sealed.size - NOISE_TAG_SIZE);
    nonce_store(nonce, hs->nonce);
    aead_key_init(&key, hs->k);
    rv = aead_open(&key, nonce, slice_of(hs->h, sizeof(hs->h)), body,
                   body.data + body.size, out);
    aead_key_wipe(&key);
    if (rv != OK) {
        return rv;
    }
    hs->nonce++;
    mix_hash(hs, sealed);
    return OK;
}

void noise_handshake_init(struct noise_handshake *hs,
                          bool initiator,
                          struct slice prologue,
                          const struct noise_keypair *s,
                          const uint8_t psk[NOISE_KEY_SIZE])
{
    /* A name of at most HASHLEN bytes is the first h as it stands; only a
     * longer one is hashed (5.2). Ours has exactly HASHLEN bytes. */
    static const char name[] = NOISE_NAME;

    _Static_assert(sizeof(name) - 1 == DIGEST_SIZE, "the name is h and ck");
    *hs = (struct noise_handshake){.initiator = initiator, .s = *s};
    memcpy(hs->psk, psk, sizeof(hs->psk));
    memcpy(hs->h, name, sizeof(hs->h));
    memcpy(hs->ck, name, sizeof(hs->ck));
    mix_hash(hs, prologue);
}

void noise_handshake_wipe(struct noise_handshake *hs)
{
    sodium_memzero(hs, sizeof(*hs));
    hs->messages = HANDSHAKE_DEAD;
}

static bool is_turn_of(const struct noise_handshake *hs, bool initiator)
{
    return hs->messages < NOISE_MESSAGES &&
           (hs->messages % 2 == 0) == initiator;
}

/* The DH tokens: the first letter is the initiator's key, the second the
 * responder's. */
static int mix_dh(struct noise_handshake *hs, enum token token)
{
    bool initiator_e = token != TOKEN_SE;
    bool responder_e = token != TOKEN_ES;
    bool mine_e = hs->initiator ? initiator_e : responder_e;
    bool theirs_e = hs->initiator ? responder_e : initiator_e;
    uint8_t shared[NOISE_KEY_SIZE];
    int rv;

    rv = noise_dh(mine_e ? hs->e.sk : hs->s.sk, theirs_e ? hs->re : hs->rs,
                  shared);
    if (rv != OK) {
        return rv;
    }
    mix_key(hs, slice_of(shared, sizeof(shared)));
    sodium_memzero(shared, sizeof(shared));
    return OK;
}

/* The token e on either side: public, and in psk handshakes a key too (9.2). */
static void mix_ephemeral(struct noise_handshake *hs,
                          const uint8_t e[NOISE_KEY_SIZE])
{
    mix_hash(hs, slice_of(e, NOISE_KEY_SIZE));
    mix_key(hs, slice_of(e, NOISE_KEY_SIZE));
}

/* Appends to |*out| and moves it on. */
static int write_token(struct noise_handshake *hs,
                       enum token token,
                       struct rng *r,
                       uint8_t **out)
{
    switch (token) {
    case TOKEN_E:
        if (sodium_is_zero(hs->e.sk, sizeof(hs->e.sk)) != 0) {
            noise_keypair_init(&hs->e, r);
        }
        memcpy(*out, hs->e.pk, NOISE_KEY_SIZE);
        mix_ephemeral(hs, *out);
        *out += NOISE_KEY_SIZE;
        break;
    case TOKEN_S:
        encrypt_and_hash(hs, slice_of(hs->s.pk, NOISE_KEY_SIZE), *out);
        *out += NOISE_KEY_SIZE + NOISE_TAG_SIZE;
        break;
    case TOKEN_EE:
    case TOKEN_ES:
    case TOKEN_SE:
        return mix_dh(hs, token);
    case TOKEN_PSK:
        mix_key_and_hash(hs, slice_of(hs->psk, sizeof(hs->psk)));
        break;
    case TOKEN_END:
        break;
    }
    return OK;
}

/* The next |size| bytes of |*in|, whose size the caller has checked. */
static struct slice take(struct slice *in, size_t size)
{
    struct slice taken = slice_of(in->data, size);

    assert(size <= in->size);
    *in = slice_of(in->data + size, in->size - size);
    return taken;
}

static int read_token(struct noise_handshake *hs,
                      enum token token,
                      struct slice *in)
{
    switch (token) {
    case TOKEN_E:
        memcpy(hs->re, take(in, NOISE_KEY_SIZE).data, NOISE_KEY_SIZE);
        mix_ephemeral(hs, hs->re);
        break;
    case TOKEN_S:
        return decrypt_and_hash(hs, take(in, NOISE_KEY_SIZE + NOISE_TAG_SIZE),
                                hs->rs);
    case TOKEN_EE:
    case TOKEN_ES:
    case TOKEN_SE:
        return mix_dh(hs, token);
    case TOKEN_PSK:
        mix_key_and_hash(hs, slice_of(hs->psk, sizeof(hs->psk)));
        break;
    case TOKEN_END:
        break;
    }
    return OK;
}

int noise_handshake_write(struct noise_handshake *hs,
                          struct slice payload,
                          struct rng *r,
                          uint8_t *out,
                          size_t *out_size)
{
    const enum token *tokens;
    uint8_t *at = out;
    int rv = OK;

    if (!is_turn_of(hs, hs->initiator)) {
        return ERR_ORDER;
    }
    assert(payload.size <= NOISE_MESSAGE_MAX - message_size[hs->messages]);
    tokens = pattern[hs->messages];
    for (size_t i = 0; rv == OK && i < TOKENS_MAX; i++) {
        rv = write_token(hs, tokens[i], r, &at);
    }
    if (rv != OK) {
        noise_handshake_wipe(hs);
        return rv;
    }
    encrypt_and_hash(hs, payload, at);
    *out_size = message_size[hs->messages] + payload.size;
    hs->messages++;
    return OK;
}

int noise_handshake_read(struct noise_handshake *hs,
                         struct slice in,
                         uint8_t *payload,
                         size_t *payload_size)
{
    const enum token *tokens;
    int rv = OK;

    if (!is_turn_of(hs, !hs->initiator)) {
        return ERR_ORDER;
    }
    if (in.size < message_size[hs->messages] || in.size > NOISE_MESSAGE_MAX) {
        rv = ERR_BAD;
        goto err;
    }
    tokens = pattern[hs->messages];
    for (size_t i = 0; rv == OK && i < TOKENS_MAX; i++) {
        rv = read_token(hs, tokens[i], &in);
    }
    if (rv == OK) {
        rv = decrypt_and_hash(hs, in, payload);
    }
    if (rv != OK) {
        goto err;
    }
    *payload_size = in.size - NOISE_TAG_SIZE;
    hs->messages++;
    return OK;

err:
    noise_handshake_wipe(hs);
    return rv;
}

static void cipher_init(struct noise_cipher *c, const uint8_t k[AEAD_KEY_SIZE])
{
    memcpy(c->k, k, sizeof(c->k));
    c->nonce = 0;
    c->rekey_every = NOISE_REKEY_INTERVAL;
    aead_key_init(&c->key, c->k);
}

static void cipher_wipe(struct noise_cipher *c)
{
    aead_key_wipe(&c->key);
    sodium_memzero(c->k, sizeof(c->k));
    c->nonce = NONCE_REKEY;
}

int noise_handshake_split(struct noise_handshake *hs, struct noise_transport *t)
{
    uint8_t k[2 * AEAD_KEY_SIZE];

    if (hs->messages != NOISE_MESSAGES) {
        return ERR_ORDER;
    }
    noise_hkdf(hs->ck, nothing(), k, sizeof(k));
    /* The first key is the initiator's to send with (5.2). */
    cipher_init(hs->initiator ? &t->send : &t->receive, k);
    cipher_init(hs->initiator ? &t->receive : &t->send, k + AEAD_KEY_SIZE);
    memcpy(t->remote, hs->rs, sizeof(t->remote));
    memcpy(t->binding.bytes, hs->h, sizeof(t->binding.bytes));
    sodium_memzero(k, sizeof(k));
    noise_handshake_wipe(hs);
    return OK;
}

/* The default REKEY of 4.2: the first 32 bytes of 32 zeros sealed under the
 * reserved nonce. */
static void rekey(struct noise_cipher *c)
{
    static const uint8_t zeros[AEAD_KEY_SIZE];
    uint8_t nonce[AEAD_NONCE_SIZE], tag[NOISE_TAG_SIZE];

    nonce_store(nonce, NONCE_REKEY);
    aead_seal(&c->key, nonce, nothing(), slice_of(zeros, sizeof(zeros)), c->k,
              tag);
    aead_key_wipe(&c->key);
    aead_key_init(&c->key, c->k);
    sodium_memzero(tag, sizeof(tag));
}

/* After a message that went well. A rekey does not reset n (11.3). */
static void advance(struct noise_cipher *c)
{
    assert(c->rekey_every > 0);
    c->nonce++;
    if (c->nonce % c->rekey_every == 0) {
        rekey(c);
    }
}

int noise_seal_joined(struct noise_cipher *c,
                      struct slice head,
                      struct slice body,
                      uint8_t *out)
{
    uint8_t nonce[AEAD_NONCE_SIZE];

    if (c->nonce == NONCE_REKEY) {
        return ERR_ORDER;
    }
    assert(body.size <= NOISE_PLAIN_MAX &&
           head.size <= NOISE_PLAIN_MAX - body.size);
    nonce_store(nonce, c->nonce);
    aead_seal_joined(&c->key, nonce, nothing(), head, body, out,
                     out + head.size + body.size);
    advance(c);
    return OK;
}

int noise_seal(struct noise_cipher *c, struct slice plain, uint8_t *out)
{
    return noise_seal_joined(c, nothing(), plain, out);
}

int noise_open_split(struct noise_cipher *c,
                     struct slice sealed,
                     uint8_t *head,
                     size_t head_size,
                     uint8_t *body)
{
    uint8_t nonce[AEAD_NONCE_SIZE];
    struct slice in;
    int rv;

    if (c->nonce == NONCE_REKEY) {
        return ERR_ORDER;
    }
    if (sealed.size < head_size + NOISE_TAG_SIZE ||
        sealed.size > NOISE_MESSAGE_MAX) {
        return ERR_BAD;
    }
    in = slice_of(sealed.data, sealed.size - NOISE_TAG_SIZE);
    nonce_store(nonce, c->nonce);
    rv = aead_open_split(&c->key, nonce, nothing(), in, in.data + in.size, head,
                         head_size, body);
    if (rv != OK) {
        return rv;
    }
    advance(c);
    return OK;
}

int noise_open(struct noise_cipher *c, struct slice sealed, uint8_t *out)
{
    return noise_open_split(c, sealed, out, 0, out);
}

void noise_transport_wipe(struct noise_transport *t)
{
    cipher_wipe(&t->send);
    cipher_wipe(&t->receive);
    sodium_memzero(t->remote, sizeof(t->remote));
    sodium_memzero(&t->binding, sizeof(t->binding));
}
