#ifndef CAIRN_PROTOCOL_CERTIFICATE_H
#define CAIRN_PROTOCOL_CERTIFICATE_H

#include "protocol/charter.h"
#include "protocol/feed.h"
#include "protocol/manifest.h"
#include "protocol/release.h"

/* Two files that people carry (docs/FORMAT.md 13 and 14).
 *
 * CERTIFICATE, "CRNC": what a lab leaves with, and what a request for release
 * starts from: everything that the network has signed about a deposit, which
 * anyone can check offline.
 *
 *   [1, charter chain, manifest entry, [receipt entry, ...],
 *    [acknowledgement entry, ...]]
 *
 * TICKET, "CRNT": what a recipient needs to connect to the stewards, for one
 * deposit, until the request expires. Secret: whoever has it may fetch sealed
 * bytes, which are of no use without the recipient's own keys.
 *
 *   [1, charter chain, manifest entry, request, release psk] */

#define CERTIFICATE_SIZE_MAX              \
    (CHARTER_CHAIN_MAX + FEED_ENTRY_MAX + \
     (size_t)2 * MANIFEST_SHARDS_MAX * 2048U + 1024U)
#define TICKET_SIZE_MAX \
    (CHARTER_CHAIN_MAX + FEED_ENTRY_MAX + RELEASE_REQUEST_MAX + 1024U)
/* A receipt's or acknowledgement's feed entry is no longer. */
#define CERTIFICATE_ENTRY_MAX 2048U

/* Taken apart; slices are lent from the bytes that were decoded. */
struct certificate {
    struct slice chain, manifest;
    struct slice receipts[MANIFEST_SHARDS_MAX];
    size_t receipts_len;
    struct slice acknowledgements[MANIFEST_SHARDS_MAX];
    size_t acknowledgements_len;
};

/* ERR_FULL, ERR_BAD when a slice breaks its bounds. */
MUST_CHECK int certificate_encode(const struct certificate *c,
                                  uint8_t *out,
                                  size_t max,
                                  size_t *size);
MUST_CHECK int certificate_decode(struct certificate *c, struct slice in);

struct ticket {
    struct slice chain, manifest, request;
    uint8_t psk[32]; /* release_psk(); secret. */
};
MUST_CHECK int ticket_encode(const struct ticket *t,
                             uint8_t *out,
                             size_t max,
                             size_t *size);
MUST_CHECK int ticket_decode(struct ticket *t, struct slice in);

/* A deposit as a verified certificate shows it. Large: on the heap. */
struct certificate_facts {
    struct charter charter; /* Lent from the certificate's chain. */
    struct digest net;
    struct manifest manifest;
    struct digest manifest_hash; /* SHA-256 of the payload. */
    struct digest lab;
    uint64_t manifest_time_ms;
    /* By shard index; valid where the bit is set. */
    uint64_t receipts, acknowledgements;
    uint64_t receipt_time_s[MANIFEST_SHARDS_MAX];
    /* DESIGN.md 5.9: all n receipts and at least t + f acknowledgements. */
    bool sealed;
};

/* Check everything that can be checked offline: the chain, the author and its
 * signature, that each receipt is by the steward of its shard and has the root
 * and size of the manifest, each acknowledgement with its proof. One that does
 * not hold makes the certificate false: ERR_AUTH, ERR_MISMATCH, ERR_DENIED
 * (not by a member), ERR_BAD, ERR_UNSUPPORTED; |what| (may be NULL, 160 bytes)
 * says which, for people, in words of our own alone. After an error |facts|
 * is all zero. |c| outlives |facts|. */
MUST_CHECK int certificate_verify(const struct certificate *c,
                                  struct certificate_facts *facts,
                                  char *what);

/* One entry for a certificate, as it came from a peer: is it a receipt (or an
 * acknowledgement) for this deposit that holds, and of which shard? The same
 * checks as certificate_verify() makes. ERR_NOTFOUND when it is about
 * something else. */
MUST_CHECK int certificate_receipt_check(const struct certificate_facts *facts,
                                         struct slice entry,
                                         uint16_t *index);
MUST_CHECK int certificate_acknowledgement_check(
    const struct certificate_facts *facts,
    struct slice entry,
    uint16_t *index);

/* The first part of certificate_verify(): chain and manifest alone. For who
 * begins from a ticket, too. */
MUST_CHECK int certificate_open(struct slice chain,
                                struct slice manifest,
                                struct certificate_facts *facts,
                                char *what);

#endif /* CAIRN_PROTOCOL_CERTIFICATE_H */
