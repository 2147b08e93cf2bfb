#ifndef CAIRN_PROTOCOL_CARD_H
#define CAIRN_PROTOCOL_CARD_H

#include "crypto/group.h"
#include "crypto/sign.h"
#include "crypto/sshsig.h"
#include "protocol/policy.h"

/* A card: a member's public description and keys (docs/FORMAT.md 10). It is
 * made by the member's own programs and signed by its node key N and, for a
 * steward, by its custodian's signing key D, which proves that both are in
 * the same hands. Operators' keys make it binding: they sign the charter that
 * contains it.
 *
 * The member's id is the node key that it began with, and never changes. */

#define CARD_NAME_MAX      100
#define CARD_PLACE_MAX     32 /* Jurisdiction. */
#define CARD_ADDRESSES_MAX 4
#define CARD_ADDRESS_MAX                            \
    64 /* "192.0.2.1:7117", "[2001:db8::1]:7117" or \
        * "host.example:7117" */
#define CARD_OPERATORS_MAX 8
#define CARD_SIZE_MAX      4096U

enum card_role {
    CARD_STEWARD = 1,
    CARD_LAB = 2,
    CARD_AUDITOR = 3
};

/* "steward", "lab", "auditor". */
const char *card_role_name(enum card_role role);

struct card {
    struct digest id;
    enum card_role role;
    uint64_t seq; /* Grows with every new card of a member. */
    char name[CARD_NAME_MAX + 1];
    char organisation[CARD_NAME_MAX + 1];
    char jurisdiction[CARD_PLACE_MAX + 1]; /* "NL" */
    char provider[CARD_NAME_MAX + 1];      /* Whose machines; may be empty. */
    char addresses[CARD_ADDRESSES_MAX][CARD_ADDRESS_MAX + 1];
    size_t addresses_len; /* None for labs and auditors. */
    struct sshsig_key operators[CARD_OPERATORS_MAX];
    size_t operators_len;
    uint8_t node_pk[SIGN_PK_SIZE]; /* N */
    struct element vrf_pk;         /* V */
    /* Stewards only; zero for others. */
    uint8_t custody_hpke_pk[32];           /* E */
    uint8_t custody_sign_pk[SIGN_PK_SIZE]; /* D */
};

/* The custodian's half: what cairn-custodian writes at init and cairnd puts
 * into the card. [1, E, D, SIGN(D, "custody-card", zeros, E)] */
#define CARD_CUSTODY_SIZE_MAX 256U
MUST_CHECK int card_custody_encode(const uint8_t hpke_pk[32],
                                   const struct sign_key *d,
                                   uint8_t *out,
                                   size_t max,
                                   size_t *size);
MUST_CHECK int card_custody_decode(struct slice in,
                                   uint8_t hpke_pk[32],
                                   uint8_t sign_pk[SIGN_PK_SIZE]);

/* Encode and sign: [body, SIGN(N, "card", zeros, body), custody half or nil].
 * ERR_BAD when a field breaks its bounds, |node| is not that of |c| or the
 * custody half is not; ERR_FULL also above CARD_SIZE_MAX. |custody| is empty
 * for labs and auditors. */
MUST_CHECK int card_encode(const struct card *c,
                           const struct sign_key *node,
                           struct slice custody,
                           uint8_t *out,
                           size_t max,
                           size_t *size);

/* Decode and verify both signatures. ERR_MISMATCH for the custody half of
 * another card. */
MUST_CHECK int card_decode(struct card *c, struct slice in);

/* "host:port" with a numeric or named host, in lower case, and a port of
 * 1..65535. Numbers have no leading zeros. */
bool card_address_is_valid(struct slice address);

#endif /* CAIRN_PROTOCOL_CARD_H */
