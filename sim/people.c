#include "sim/people.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "protocol/frame.h"

size_t people_sign(const struct person *p,
                   const char *ns,
                   struct slice message,
                   uint8_t out[PEOPLE_SIG_MAX])
{
    return operator_sign(p->operator_sk, ns, message, out);
}

unsigned people_find(const struct people *p, struct slice id)
{
    unsigned i = 0;

    while (i < SIM_MEMBERS &&
           !slice_equal(id, digest_slice(&p->persons[i].id))) {
        i++;
    }
    return i;
}

static void must(int rv)
{
    if (rv != OK) {
        (void)fprintf(stderr, "the members could not be made (%d)\n", rv);
        abort();
    }
}

static void card_fill(struct card *c,
                      struct person *p,
                      unsigned i,
                      struct rng *r)
{
    bool steward = i < SIM_STEWARDS;
    uint8_t seed[crypto_sign_SEEDBYTES];
    struct scalar v;

    memset(c, 0, sizeof(*c));
    c->id = p->id;
    c->role = steward ? CARD_STEWARD : CARD_LAB;
    c->seq = 1;
    (void)snprintf(c->name, sizeof(c->name), "Member %u", i);
    (void)snprintf(c->organisation, sizeof(c->organisation), "House %u", i);
    (void)snprintf(c->jurisdiction, sizeof(c->jurisdiction), "%c%c", 'A' + i,
                   'A' + i);
    memcpy(c->node_pk, p->node.pk, SIGN_PK_SIZE);
    scalar_from_u64(&v, 1000U + i);
    element_mul_base(&c->vrf_pk, &v);
    rng_bytes(r, seed, sizeof(seed));
    crypto_sign_seed_keypair(p->operator_pk, p->operator_sk, seed);
    operator_key(&c->operators[0], p->operator_pk);
    c->operators_len = 1;
    if (steward) {
        (void)snprintf(c->provider, sizeof(c->provider), "own %u", i);
        (void)snprintf(c->addresses[0], sizeof(c->addresses[0]),
                       "h%u.example:7117", i);
        c->addresses_len = 1;
        hpke_keypair(r, p->hpke_sk, c->custody_hpke_pk);
        memcpy(c->custody_sign_pk, p->d.pk, SIGN_PK_SIZE);
    }
}

static void person_init(struct person *p, unsigned i, struct rng *r)
{
    uint8_t custody[CARD_CUSTODY_SIZE_MAX];
    size_t custody_size = 0;
    struct card c;

    sign_key_init(&p->node, r);
    sign_key_init(&p->d, r);
    memcpy(p->id.bytes, p->node.pk, SIGN_PK_SIZE);
    card_fill(&c, p, i, r);
    if (c.role == CARD_STEWARD) {
        must(card_custody_encode(c.custody_hpke_pk, &p->d, custody,
                                 sizeof(custody), &custody_size));
    }
    must(card_encode(&c, &p->node, slice_of(custody, custody_size), p->card,
                     sizeof(p->card), &p->card_size));
}

void people_init(struct people *p, struct rng *r, uint64_t time_s)
{
    uint8_t *draft = malloc(CHARTER_SIZE_MAX);
    uint8_t sigs[SIM_STEWARDS][PEOPLE_SIG_MAX];
    struct charter_signature signatures[SIM_STEWARDS];
    struct slice cards[SIM_MEMBERS];
    struct frame_psk psk;
    size_t size = 0, bad = 0;

    if (draft == NULL) {
        abort();
    }
    for (unsigned i = 0; i < SIM_MEMBERS; i++) {
        person_init(&p->persons[i], i, r);
        cards[i] = slice_of(p->persons[i].card, p->persons[i].card_size);
    }
    rng_bytes(r, p->psk, sizeof(p->psk));
    frame_psk_init(&psk, p->psk);
    must(charter_found("Simulation", time_s, 0, psk.id, cards, SIM_MEMBERS,
                       draft, CHARTER_SIZE_MAX, &size, &bad));
    for (unsigned i = 0; i < SIM_STEWARDS; i++) {
        signatures[i].sshsig =
            slice_of(sigs[i], people_sign(&p->persons[i], CHARTER_NAMESPACE,
                                          slice_of(draft, size), sigs[i]));
    }
    must(charter_assemble(slice_of(draft, size), signatures, SIM_STEWARDS,
                          p->chain, sizeof(p->chain), &p->chain_size, NULL));
    must(charter_chain_decode(&p->charter, &p->net,
                              slice_of(p->chain, p->chain_size)));
    free(draft);
}
