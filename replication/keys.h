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
 *   'A' deposit[32]                          where our custodian's word is that
 *                                            it holds the share: lab, and
 *                                            incarnation and seq in our feed
 *
 * Releases; a member is the author of what the row is about:
 *
 *   'R' release[32]                          where it stands here
 *   'Q' release[32]                          the request, as it was signed
 *   'V' release[32] member[32]               its approval, a binary SSHSIG:
 *                                            checked when its bit in 'R' is
 *                                            set; the last one before that
 *   'C' release[32] member[32]               its custodian's decision, checked:
 *                                            hash, manifest hash, share index,
 *                                            share epoch, envelope's hash
 *   'H' decision hash[32]                    an entry of another steward that
 *                                            signs for holding it
 *   'E' release[32]                          our custodian's envelope, with
 *                                            share index and share epoch
 *
 *   'U' member[32] u16 slot                  one of those three rows, by this
 *                                            member, which was written before
 *                                            the request was known
 *
 * 'V', 'C' and 'H' are written whether the request is known yet or not. Those
 * that wait for a request have a slot each, and go when it is needed for
 * another; those of a release that is forgotten go with it.
 *
 * A steward's machine is started with the rows 'T', 'D', 'M', 'A', 'R' and 'U'.
 */

#define KEY_SIZE_MAX 80U

enum key_kind {
    KEY_ENTRY = 'F',
    KEY_TIP = 'T',
    KEY_FORK = 'X',
    KEY_SHARD = 'D',
    KEY_PROGRESS = 'P',
    KEY_MANIFEST = 'M',
    KEY_ACKNOWLEDGED = 'A',
    KEY_RELEASE = 'R',
    KEY_REQUEST = 'Q',
    KEY_APPROVAL = 'V',
    KEY_DECISION = 'C',
    KEY_HOLDING = 'H',
    KEY_ENVELOPE = 'E',
    KEY_WAITING = 'U'
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
struct key key_acknowledged(const struct digest *deposit);
struct key key_release(const struct digest *release);
struct key key_request(const struct digest *release);
struct key key_approval(const struct digest *release,
                        const struct digest *member);
struct key key_decision(const struct digest *release,
                        const struct digest *member);
/* The prefixes of all approvals and all decisions of one release. */
struct key key_approvals(const struct digest *release);
struct key key_decisions(const struct digest *release);
struct key key_holding(const struct digest *decision_hash);
struct key key_envelope(const struct digest *release);
struct key key_waiting(const struct digest *member, uint16_t slot);

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
MUST_CHECK int key_acknowledged_parse(struct slice in, struct digest *deposit);
MUST_CHECK int key_release_parse(struct slice in, struct digest *release);
MUST_CHECK int key_waiting_parse(struct slice in,
                                 struct digest *member,
                                 uint16_t *slot);
/* Of an approval or a decision. */
MUST_CHECK int key_vote_parse(struct slice in,
                              enum key_kind kind,
                              struct digest *release,
                              struct digest *member);

#endif /* CAIRN_REPLICATION_KEYS_H */
