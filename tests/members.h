#ifndef CAIRN_TESTS_MEMBERS_H
#define CAIRN_TESTS_MEMBERS_H

#include <sodium.h>

#include "crypto/hpke.h"
#include "protocol/card.h"
#include "tests/suite.h"

/* Members of a network, made from a number, and what their operators sign.
 * SSHSIG frames are built here by hand (openssh PROTOCOL.sshsig): no
 * ssh-keygen is needed, and malformed ones can be had. */

#define MEMBER_SSHSIG_MAX 1024

struct member {
    struct sign_key node, d;
    uint8_t operator_sk[crypto_sign_SECRETKEYBYTES];
    struct card card;
    uint8_t custody[CARD_CUSTODY_SIZE_MAX];
    size_t custody_size; /* 0 but for stewards. */
    uint8_t bytes[CARD_SIZE_MAX];
    size_t size;
};

struct member_buffer {
    uint8_t bytes[MEMBER_SSHSIG_MAX];
    size_t size;
};

static inline void member_put(struct member_buffer *b,
                              const void *bytes,
                              size_t size)
{
    ck_assert_uint_le(b->size + size, sizeof(b->bytes));
    memcpy(b->bytes + b->size, bytes, size);
    b->size += size;
}

/* An SSH string. */
static inline void member_put_string(struct member_buffer *b,
                                     const void *bytes,
                                     size_t size)
{
    const uint8_t head[4] = {0, 0, (uint8_t)(size >> 8), (uint8_t)size};

    member_put(b, head, sizeof(head));
    member_put(b, bytes, size);
}

static inline void member_put_text(struct member_buffer *b, const char *text)
{
    member_put_string(b, text, strlen(text));
}

/* The blob of an ssh-ed25519 key. */
static inline void member_operator_key(struct sshsig_key *k,
                                       const uint8_t pk[32])
{
    struct member_buffer b = {.size = 0};

    member_put_text(&b, "ssh-ed25519");
    member_put_string(&b, pk, 32);
    memcpy(k->blob, b.bytes, b.size);
    k->blob_size = b.size;
}

/* The operator |which| of member |seed|; returns its secret key in |sk|. */
static inline void member_operator(uint8_t seed,
                                   uint8_t which,
                                   struct sshsig_key *k,
                                   uint8_t sk[crypto_sign_SECRETKEYBYTES])
{
    const uint8_t bytes[crypto_sign_SEEDBYTES] = {seed, which, 'o'};
    uint8_t pk[crypto_sign_PUBLICKEYBYTES];

    crypto_sign_seed_keypair(pk, sk, bytes);
    member_operator_key(k, pk);
}

/* A member's card with one operator, not encoded yet. */
static inline void member_init(struct member *m,
                               uint8_t seed,
                               enum card_role role)
{
    const uint8_t node[SIGN_SEED_SIZE] = {seed, 'n'};
    const uint8_t d[SIGN_SEED_SIZE] = {seed, 'd'};
    const uint8_t e[RNG_SEED_SIZE] = {seed, 'e'};
    struct card *c = &m->card;
    uint8_t secret[HPKE_KEY_SIZE];
    struct scalar v;
    struct rng r;

    memset(m, 0, sizeof(*m));
    sign_key_from_seed(&m->node, node);
    sign_key_from_seed(&m->d, d);
    memcpy(c->id.bytes, m->node.pk, SIGN_PK_SIZE);
    c->role = role;
    c->seq = seed;
    memcpy(c->name, "Archive", 8);
    memcpy(c->organisation, "Gr\xc3\xbc\xc3\x9f Foundation", 18);
    memcpy(c->jurisdiction, "NL", 3);
    memcpy(c->node_pk, m->node.pk, SIGN_PK_SIZE);
    scalar_from_u64(&v, 1000U + seed);
    element_mul_base(&c->vrf_pk, &v);
    member_operator(seed, 0, &c->operators[0], m->operator_sk);
    c->operators_len = 1;
    if (role == CARD_STEWARD) {
        memcpy(c->provider, "own", 4);
        memcpy(c->addresses[0], "h000.example:7117", 18);
        c->addresses[0][1] = (char)('0' + seed / 100);
        c->addresses[0][2] = (char)('0' + seed / 10 % 10);
        c->addresses[0][3] = (char)('0' + seed % 10);
        c->addresses_len = 1;
        rng_init_seed(&r, e);
        hpke_keypair(&r, secret, c->custody_hpke_pk);
        memcpy(c->custody_sign_pk, m->d.pk, SIGN_PK_SIZE);
    }
}

/* Encode the card, whatever the test has changed in it. */
static inline void member_encode(struct member *m)
{
    m->custody_size = 0;
    if (m->card.role == CARD_STEWARD) {
        ck_assert_int_eq(card_custody_encode(m->card.custody_hpke_pk, &m->d,
                                             m->custody, sizeof(m->custody),
                                             &m->custody_size),
                         OK);
    }
    ck_assert_int_eq(card_encode(&m->card, &m->node,
                                 slice_of(m->custody, m->custody_size),
                                 m->bytes, sizeof(m->bytes), &m->size),
                     OK);
}

static inline void member_make(struct member *m,
                               uint8_t seed,
                               enum card_role role)
{
    member_init(m, seed, role);
    member_encode(m);
}

static inline struct slice member_slice(const struct member *m)
{
    return slice_of(m->bytes, m->size);
}

/* What `ssh-keygen -Y sign -n NS` makes of |message|, without the armour. */
static inline size_t member_sshsig(const uint8_t sk[crypto_sign_SECRETKEYBYTES],
                                   const char *ns,
                                   struct slice message,
                                   uint8_t out[MEMBER_SSHSIG_MAX])
{
    const uint8_t version[4] = {0, 0, 0, 1};
    struct member_buffer inner = {.size = 0}, frame = {.size = 0};
    struct member_buffer signature = {.size = 0};
    uint8_t hash[crypto_hash_sha512_BYTES], sig[crypto_sign_BYTES];
    uint8_t pk[crypto_sign_PUBLICKEYBYTES];
    struct sshsig_key key;

    crypto_hash_sha512(hash, message.data, message.size);
    member_put(&inner, "SSHSIG", 6);
    member_put_text(&inner, ns);
    member_put_text(&inner, "");
    member_put_text(&inner, "sha512");
    member_put_string(&inner, hash, sizeof(hash));
    crypto_sign_detached(sig, NULL, inner.bytes, inner.size, sk);
    member_put_text(&signature, "ssh-ed25519");
    member_put_string(&signature, sig, sizeof(sig));

    crypto_sign_ed25519_sk_to_pk(pk, sk);
    member_operator_key(&key, pk);
    member_put(&frame, "SSHSIG", 6);
    member_put(&frame, version, sizeof(version));
    member_put_string(&frame, key.blob, key.blob_size);
    member_put_text(&frame, ns);
    member_put_text(&frame, "");
    member_put_text(&frame, "sha512");
    member_put_string(&frame, signature.bytes, signature.size);
    memcpy(out, frame.bytes, frame.size);
    return frame.size;
}

#endif /* CAIRN_TESTS_MEMBERS_H */
