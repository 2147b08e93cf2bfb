#ifndef CAIRN_REPLICATION_STEWARD_FEEDS_H
#define CAIRN_REPLICATION_STEWARD_FEEDS_H

#include "replication/steward/steward.h"

/* The feeds that are kept here, one for each author and incarnation.
 *
 *   steward_feeds.c  the table; appending to our own, and pushing
 *   steward_forks.c  proofs that an author signed two histories
 *
 * How they are exchanged with others is in steward_sync.h. */

struct steward_link;

#define STEWARD_RECENT           16U
#define STEWARD_FEEDS_PER_MEMBER (STEWARD_FEEDS_MAX / CHARTER_MEMBERS_MAX)
/* Two entries without payloads for one place of a feed, lower id first. */
#define STEWARD_PROOF_MAX (2 * (FEED_HEADER_MAX + SIGN_SIZE + 16U) + 8U)

struct steward_feed {
    struct feed_tip tip;
    uint64_t bytes; /* Of its entries and the proof of its fork. */
    /* Ids of the entries that came last, by seq modulo STEWARD_RECENT; zero
     * when it was before the start. What is pushed comes from many sides. */
    struct digest recent[STEWARD_RECENT];
    /* Our own feed, found ahead of us at others: we were restored from a
     * backup, and never append again. */
    bool halted;
    /* Nothing more is taken from |fork_seq| on. */
    bool forked;
    uint64_t fork_seq;
    size_t proof_size;
    uint8_t proof[STEWARD_PROOF_MAX];
};

/* steward_feeds.c */

struct steward_feed *steward_feed_find(struct steward *s,
                                       const struct digest *author,
                                       uint32_t incarnation);
bool steward_feed_has_room(const struct steward *s,
                           const struct digest *author);
/* NULL when there is no room. */
struct steward_feed *steward_feed_add(struct steward *s,
                                      const struct digest *author,
                                      uint32_t incarnation);
bool steward_feed_is_own(const struct steward *s, const struct steward_feed *f);
/* Take an entry that follows. */
void steward_feed_advance(struct steward_feed *f, const struct feed_entry *e);
/* May we still append? */
bool steward_can_append(const struct steward *s);
/* Append to our own feed and push. */
void steward_append(struct steward *s,
                    enum feed_kind kind,
                    struct slice payload,
                    struct core_out *out);
/* Say entries to the newest link of every member but |member| (may be
 * STEWARD_NONE). */
void steward_push(struct steward *s,
                  const struct slice *entries,
                  size_t len,
                  uint32_t member,
                  struct core_out *out);

/* steward_forks.c */

/* Write an entry without its payload; returns its size. */
size_t steward_entry_prune(const struct feed_entry *e,
                           uint8_t *out,
                           size_t max);
/* Two different entries for one place, both with good signatures; |bytes| is
 * the whole of |b|, of which we have nothing else. */
void steward_fork(struct steward *s,
                  struct steward_feed *f,
                  const struct feed_entry *a,
                  const struct feed_entry *b,
                  struct slice bytes,
                  struct core_out *out);
/* All proofs that we have are due on this link. */
void steward_proofs_due(const struct steward *s, struct steward_link *l);
void steward_proofs_say(struct steward *s,
                        struct steward_link *l,
                        struct core_out *out);

#endif /* CAIRN_REPLICATION_STEWARD_FEEDS_H */
