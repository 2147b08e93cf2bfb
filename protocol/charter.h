#ifndef CAIRN_PROTOCOL_CHARTER_H
#define CAIRN_PROTOCOL_CHARTER_H

#include "protocol/card.h"

/* The charter: roster and rules of a network (docs/FORMAT.md 11), signed by
 * operators with `ssh-keygen -Y sign -n cairn-charter@v1`. The founding
 * charter's hash is the network's id. A signed charter is
 *
 *   [charter, [[member id, signature (binary SSHSIG)], ...]]
 *
 * and a chain is the array of signed charters from the founding one on. The
 * founding charter needs an operator's signature of every steward in it.
 * Later epochs need a certificate of q stewards; none is accepted yet
 * (ERR_UNSUPPORTED).
 *
 * A struct charter takes some 350 KB: it belongs on the heap, and a decoder
 * that fails leaves it empty (all zero). */

#define CHARTER_MEMBERS_MAX 64
#define CHARTER_NAME_MAX    100
#define CHARTER_SIZE_MAX    ((size_t)CHARTER_MEMBERS_MAX * CARD_SIZE_MAX + 1024)
#define CHARTER_CHAIN_MAX   (2 * CHARTER_SIZE_MAX)
#define CHARTER_NAMESPACE   "cairn-charter@v1"

/* Rules that founders may relax; every status shows them. */
#define CHARTER_FLAG_SAME_JURISDICTION BIT(0)
#define CHARTER_FLAG_SAME_PROVIDER     BIT(1)

struct charter_member {
    struct card card;
    struct slice card_bytes; /* Lent from what was decoded. */
};

struct charter {
    uint64_t epoch; /* 0: founding */
    struct digest prev;
    char name[CHARTER_NAME_MAX + 1];
    uint64_t time_s;
    uint32_t flags;
    uint8_t psk_id[8]; /* Of the network secret, which is never in here. */
    struct charter_member members[CHARTER_MEMBERS_MAX];
    size_t members_len; /* In ascending order of id. */
    /* Derived: */
    uint32_t stewards, f, q;
    struct digest hash; /* TH256("charter", bytes); epoch 0: the network id */
};

/* Make a founding charter from the bytes of cards. Sorts by id. ERR_EXISTS for
 * two cards that share an id or one of its own keys or addresses (|bad| is the
 * place of the later one); ERR_BAD for a card that does not decode (|bad| is
 * its place) and for anything else out of bounds, a charter without a steward
 * among it (|bad| is |cards_len|). |bad| is written for these two alone.
 * ERR_NOMEM: it works on the heap. */
MUST_CHECK int charter_found(const char *name,
                             uint64_t time_s,
                             uint32_t flags,
                             const uint8_t psk_id[8],
                             const struct slice *cards,
                             size_t cards_len,
                             uint8_t *out,
                             size_t max,
                             size_t *size,
                             size_t *bad);

/* Decode an unsigned charter (a draft); |in| outlives |c|. */
MUST_CHECK int charter_decode(struct charter *c, struct slice in);

/* Put signatures, in any order, around a founding charter; |out| is the chain
 * of it alone. Each must be by an operator of a different steward: ERR_EXISTS
 * for a second one of the same; |missing| (may be NULL) gets the first steward
 * without one when the result is ERR_NOTFOUND. Signatures by anyone else:
 * ERR_DENIED. Works on the heap, as charter_found() does. */
struct charter_signature {
    struct slice sshsig; /* Binary form. */
};
MUST_CHECK int charter_assemble(struct slice charter,
                                const struct charter_signature *signatures,
                                size_t len,
                                uint8_t *out,
                                size_t max,
                                size_t *size,
                                struct digest *missing);

/* Decode and verify a chain; |c| is its last charter, |net| the network.
 * ERR_DENIED when its signatures are not those of all stewards. */
MUST_CHECK int charter_chain_decode(struct charter *c,
                                    struct digest *net,
                                    struct slice in);

/* The place of a member, or CHARTER_MEMBERS_MAX. */
uint32_t charter_index(const struct charter *c, const struct digest *id);
/* Look-ups; NULL when there is none. */
const struct card *charter_member(const struct charter *c,
                                  const struct digest *id);
const struct card *charter_steward(const struct charter *c,
                                   const struct digest *id);
/* The member one of whose operators this key is. */
const struct card *charter_operator(const struct charter *c,
                                    const struct sshsig_key *key);

/* f = floor((n-1)/3), q = floor((n+f)/2)+1; n > 0. */
uint32_t charter_faulty(uint32_t stewards);
uint32_t charter_quorum(uint32_t stewards);

/* What a human compares over the telephone: the network id, or the id of a
 * release, as eight groups of five decimal digits, each four bytes of it,
 * big-endian, modulo 100000. Terminated. */
#define CHARTER_FINGERPRINT_SIZE 48
void charter_fingerprint(const struct digest *id,
                         char out[CHARTER_FINGERPRINT_SIZE]);

#endif /* CAIRN_PROTOCOL_CHARTER_H */
