#ifndef CAIRN_PROTOCOL_FEED_H
#define CAIRN_PROTOCOL_FEED_H

#include "crypto/base.h"
#include "crypto/merkle.h"
#include "crypto/sign.h"

/* One entry of a feed, an author's signed append-only log (docs/FORMAT.md 5).
 * Each header chains to the one before it and carries the RFC 6962 root over
 * all earlier entry ids, so that any two headers of an author can be compared
 * and payloads can be dropped without losing the chain.
 *
 * The author is a member's id: the Ed25519 public key that it began with. */

#define FEED_HEADER_MAX  256U
#define FEED_PAYLOAD_MAX 60000U
#define FEED_ENTRY_MAX   (FEED_HEADER_MAX + FEED_PAYLOAD_MAX + SIGN_SIZE + 16U)

enum feed_kind {
    FEED_MANIFEST = 1,
    FEED_RECEIPT = 2,         /* A steward holds a shard. */
    FEED_ACKNOWLEDGEMENT = 3, /* Its custodian holds a key share. */
    FEED_REQUEST = 4,         /* A release is asked for. */
    FEED_APPROVAL = 5,
    FEED_DECISION = 6,
    FEED_HOLDING = 7, /* A node's word that it holds a decision. */
    FEED_KIND_LAST = FEED_HOLDING
};

struct feed_header {
    struct digest net, author;
    uint32_t incarnation;
    uint64_t seq;
    struct digest prev, root;
    uint16_t kind; /* enum feed_kind; others are kept, not understood. */
    uint32_t payload_size;
    struct digest payload_hash;
    uint64_t time_ms, tick;
};

/* An entry taken apart; slices are lent from the bytes it was read from. */
struct feed_entry {
    struct feed_header header;
    struct slice header_bytes;
    uint8_t signature[SIGN_SIZE];
    struct slice payload; /* Empty when pruned. */
    bool pruned;
    struct digest id; /* TH256("feed-id", header_bytes) */
};

/* Take apart and check everything but the signature: bounds and canonical form
 * (ERR_BAD), version (ERR_UNSUPPORTED), payload hash and size unless pruned
 * (ERR_MISMATCH). */
MUST_CHECK int feed_entry_decode(struct feed_entry *e, struct slice in);

/* Check the signature with the author's present key. */
MUST_CHECK int feed_entry_verify(const struct feed_entry *e,
                                 const uint8_t pk[SIGN_PK_SIZE]);

/* Is |next| what may follow |prev| (NULL: the first)? |range| is the compact
 * range over the ids up to |prev|. ERR_MISMATCH when it is not. Of a first
 * entry the caller checks net, author and incarnation. */
MUST_CHECK int feed_entry_follows(const struct feed_entry *next,
                                  const struct feed_entry *prev,
                                  const struct merkle_range *range);

/* Where an author's feed stands: all that is needed to append. */
struct feed_tip {
    struct digest net, author;
    uint32_t incarnation;
    uint64_t seq; /* Of the next entry. */
    struct digest prev;
    struct merkle_range range;
    uint64_t time_ms;
};

void feed_tip_init(struct feed_tip *tip,
                   const struct digest *net,
                   const struct digest *author,
                   uint32_t incarnation);

/* Take an entry that feed_entry_follows() accepted. */
void feed_tip_advance(struct feed_tip *tip, const struct feed_entry *e);

/* Write and sign the next entry into |out| (FEED_ENTRY_MAX bytes at most).
 * The caller makes it durable before anyone sees it, then advances. A |time_ms|
 * before the last entry's is written as that one's. ERR_BAD for a payload above
 * FEED_PAYLOAD_MAX, ERR_FULL when |out| or the feed is full. */
MUST_CHECK int feed_append(const struct feed_tip *tip,
                           const struct sign_key *key,
                           enum feed_kind kind,
                           struct slice payload,
                           uint64_t time_ms,
                           uint8_t *out,
                           size_t max,
                           size_t *size);

#endif /* CAIRN_PROTOCOL_FEED_H */
