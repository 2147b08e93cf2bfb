#ifndef CAIRN_NODE_ADMIN_INDEX_H
#define CAIRN_NODE_ADMIN_INDEX_H

#include "node/core/store.h"
#include "protocol/certificate.h"
#include "replication/steward/steward.h"

/* What the feeds of the stewards say about the deposits that this node knows:
 * who has given a receipt, who an acknowledgement. Each entry is read and
 * checked once (certificate_receipt_check() and its twin); the next look goes
 * on behind it.
 *
 * What speaks of a deposit that is not known yet is read again, with all feeds,
 * when another one has become known.
 *
 * Blocks and computes: for the pool. One thread at a time. Memory: 32 bytes a
 * steward and half a KiB for each deposit. */

struct admin_index;

/* Where an entry is, in the feed of a steward that the manifest or charter
 * names. */
struct index_place {
    bool there;
    uint32_t incarnation;
    uint64_t seq;
    uint64_t time_s; /* Of receipts: as the steward says. */
};

struct index_deposit {
    struct digest id, lab, manifest_hash;
    uint32_t incarnation; /* Of the manifest entry. */
    uint64_t seq;
    char *label;
    uint16_t k, n, t;
    uint64_t plain_size, shard_size;
    struct index_place *receipts, *acknowledgements; /* n each, by shard. */
};

/* |charter| outlives it. */
MUST_CHECK int admin_index_new(struct admin_index **out,
                               struct store *store,
                               const struct charter *charter,
                               const struct digest *net);
void admin_index_free(struct admin_index *x);

/* Read what is new. |deposits| are all that the machine knows, in the order of
 * their ids. ERR_IO, ERR_FULL (the disk), ERR_NOMEM; what was read stays good.
 */
MUST_CHECK int admin_index_look(struct admin_index *x,
                                const struct steward_deposit_info *deposits,
                                size_t deposits_len,
                                char *errmsg);

/* NULL when its manifest is not here. */
const struct index_deposit *admin_index_deposit(const struct admin_index *x,
                                                const struct digest *id);

/* The entry itself, as received, into |out| of FEED_ENTRY_MAX bytes.
 * ERR_NOTFOUND, ERR_IO, ERR_FULL. */
MUST_CHECK int admin_index_entry(struct admin_index *x,
                                 const struct digest *author,
                                 uint32_t incarnation,
                                 uint64_t seq,
                                 uint8_t *out,
                                 size_t *size,
                                 char *errmsg);

/* The request of a release, as it was signed, into |out| of RELEASE_REQUEST_MAX
 * bytes. Errors as above. */
MUST_CHECK int admin_index_request(struct admin_index *x,
                                   const struct digest *release,
                                   uint8_t *out,
                                   size_t *size,
                                   char *errmsg);

/* The manifest of a deposit, decoded; lent until the next call. The entry goes
 * to |out|, of FEED_ENTRY_MAX bytes, as above. */
MUST_CHECK int admin_index_manifest(struct admin_index *x,
                                    const struct index_deposit *d,
                                    uint8_t *out,
                                    size_t *size,
                                    const struct manifest **manifest,
                                    char *errmsg);

#endif /* CAIRN_NODE_ADMIN_INDEX_H */
