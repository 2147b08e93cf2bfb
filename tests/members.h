#ifndef CAIRN_TESTS_MEMBERS_H
#define CAIRN_TESTS_MEMBERS_H

#include "crypto/hpke.h"
#include "protocol/card.h"
#include "sim/operator.h"
#include "tests/suite.h"

/* Members of a network, made from a number, and what their operators sign
 * (sim/operator.h). */

#define MEMBER_SSHSIG_MAX OPERATOR_SIG_MAX

struct member {
    struct sign_key node, d;
    uint8_t operator_sk[crypto_sign_SECRETKEYBYTES];
    struct card card;
    uint8_t custody[CARD_CUSTODY_SIZE_MAX];
    size_t custody_size; /* 0 but for stewards. */
    uint8_t bytes[CARD_SIZE_MAX];
    size_t size;
};

/* The operator |which| of member |seed|; returns its secret key in |sk|. */
static inline void member_operator(uint8_t seed,
                                   uint8_t which,
                                   struct sshsig_key *k,
                                   uint8_t sk[crypto_sign_SECRETKEYBYTES])
{
    const uint8_t bytes[crypto_sign_SEEDBYTES] = {seed, which, 'o'};
    uint8_t pk[crypto_sign_PUBLICKEYBYTES];

    crypto_sign_seed_keypair(pk, sk, bytes);
    operator_key(k, pk);
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

/* operator_sign(), as the suites know it. */
static inline size_t member_sshsig(const uint8_t sk[crypto_sign_SECRETKEYBYTES],
                                   const char *ns,
                                   struct slice message,
                                   uint8_t out[MEMBER_SSHSIG_MAX])
{
    return operator_sign(sk, ns, message, out);
}

#endif /* CAIRN_TESTS_MEMBERS_H */
