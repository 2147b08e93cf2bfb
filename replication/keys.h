#ifndef CAIRN_REPLICATION_KEYS_H
#define CAIRN_REPLICATION_KEYS_H

#include "crypto/base.h"

/* The rows of a node's catalogue store: every key that there is. Integers in
 * keys are big-endian, so that rows sort by them.
 *
 *   'F' author[32] u32 incarnation u64 seq   a feed entry as received
 *   'T' author[32] u32 incarnation           where that feed stands here
 *   'X' author[32] u32 incarnation u64 seq   proof of a fork: two entries for
 *                                            one place of a feed
 *   'D' deposit[32] u16 index                a shard in this node's custody
 *   'P' deposit[32] u16 index                how much of it is durable: the
 *                                            compact range over its leaves
 *   'M' deposit[32]                          where its manifest is: author,
 *                                            incarnation, seq, manifest hash
 *
 * A steward's machine is started with the rows 'T', 'D' and 'M'. */

#define KEY_SIZE_MAX 64U

enum key_kind {
    KEY_ENTRY = 'F',
    KEY_TIP = 'T',
    KEY_FORK = 'X',
    KEY_SHARD = 'D',
    KEY_PROGRESS = 'P',
    KEY_MANIFEST = 'M'
};

struct key {
    uint8_t bytes[KEY_SIZE_MAX];
    size_t size;
};

struct key key_entry(const struct digest *author,
                     uint32_t incarnation,
                     uint64_t seq);
/* The prefix of all entries of one feed. */
struct key key_entries(const struct digest *author, uint32_t incarnation);
/* A prefix of the entries from |seq| up to |seq_last|, both included, and
 * perhaps of others near them: at most 256, unless those two are of different
 * blocks of 256; then only those of the first block have it. */
struct key key_entries_near(const struct digest *author,
                            uint32_t incarnation,
                            uint64_t seq,
                            uint64_t seq_last);
struct key key_tip(const struct digest *author, uint32_t incarnation);
struct key key_fork(const struct digest *author,
                    uint32_t incarnation,
                    uint64_t seq);
struct key key_shard(const struct digest *deposit, uint16_t index);
struct key key_progress(const struct digest *deposit, uint16_t index);
struct key key_manifest(const struct digest *deposit);

static inline struct slice key_slice(const struct key *k)
{
    return slice_of(k->bytes, k->size);
}

/* Take apart; ERR_BAD when |in| is no key of that kind. */
MUST_CHECK int key_entry_parse(struct slice in,
                               struct digest *author,
                               uint32_t *incarnation,
                               uint64_t *seq);
MUST_CHECK int key_tip_parse(struct slice in,
                             struct digest *author,
                             uint32_t *incarnation);
MUST_CHECK int key_shard_parse(struct slice in,
                               struct digest *deposit,
                               uint16_t *index);
MUST_CHECK int key_manifest_parse(struct slice in, struct digest *deposit);

#endif /* CAIRN_REPLICATION_KEYS_H */
