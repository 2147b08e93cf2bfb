#ifndef CAIRN_SIM_PEOPLE_H
#define CAIRN_SIM_PEOPLE_H

#include "crypto/hpke.h"
#include "protocol/charter.h"
#include "sim/operator.h"

/* Who takes part: members' keys and cards, the charter that their operators
 * signed, and what operators sign later. Everything comes from one stream. */

#define SIM_STEWARDS   7U
#define SIM_MEMBERS    (SIM_STEWARDS + 1) /* And the lab. */
#define PEOPLE_SIG_MAX OPERATOR_SIG_MAX

struct person {
    struct sign_key node, d;        /* N, D */
    uint8_t hpke_sk[HPKE_KEY_SIZE]; /* E */
    struct digest id;
    uint8_t operator_pk[32], operator_sk[64];
    uint8_t card[CARD_SIZE_MAX];
    size_t card_size;
};

struct people {
    struct person persons[SIM_MEMBERS]; /* Stewards, then the lab. */
    uint8_t psk[32];
    struct digest net;
    struct charter charter; /* Lent from |chain|. */
    uint8_t chain[CHARTER_CHAIN_MAX];
    size_t chain_size;
};

void people_init(struct people *p, struct rng *r, uint64_t time_s);
/* What `ssh-keygen -Y sign -n NS` makes of it, in binary; returns the size. */
size_t people_sign(const struct person *p,
                   const char *ns,
                   struct slice message,
                   uint8_t out[PEOPLE_SIG_MAX]);
/* The number of a member, or SIM_MEMBERS. */
unsigned people_find(const struct people *p, struct slice id);

#endif /* CAIRN_SIM_PEOPLE_H */
