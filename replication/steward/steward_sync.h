#ifndef CAIRN_REPLICATION_STEWARD_SYNC_H
#define CAIRN_REPLICATION_STEWARD_SYNC_H

#include "replication/steward/steward.h"

/* How feeds are exchanged on a link: both sides say HEADS; who lacks something
 * says WANT, and gets ENTRIES.
 *
 *   steward_sync.c     what others get: our HEADS, answers to WANT
 *   steward_wants.c    what we lack: their HEADS, our WANT
 *   steward_entries.c  ENTRIES: checked, compared, applied
 *   steward_check.c    their signatures, which workers check */

struct steward_link;

#define STEWARD_HEADS_PARTS \
    ((STEWARD_FEEDS_MAX + MESSAGE_HEADS_MAX - 1) / MESSAGE_HEADS_MAX)
#define STEWARD_GAPS_MAX  32U
#define STEWARD_APPLY_MAX 12U /* Entries that a step stores. */

/* A feed that the other side has more of. */
struct steward_gap {
    struct digest author;
    uint32_t incarnation;
    uint64_t len; /* As far as it was shown. */
    bool back;    /* What it has does not follow what we have. */
};

/* steward_sync.c */

void steward_heads_say(struct steward *s,
                       struct steward_link *l,
                       struct core_out *out);
void steward_on_want(struct steward *s,
                     struct steward_link *l,
                     struct core_out *out);
void steward_on_served(struct steward *s,
                       struct steward_link *l,
                       const struct core_event *ev,
                       struct core_out *out);

/* steward_wants.c */

void steward_on_heads(struct steward *s,
                      struct steward_link *l,
                      struct core_out *out);
/* More of that feed is at the other side of the link, which may not be taken
 * yet. */
void steward_gap_later(struct steward_link *l,
                       const struct digest *author,
                       uint32_t incarnation,
                       uint64_t len);
/* Links look again at what they have left to later. */
void steward_wants_again(struct steward *s);
/* Remember a gap; false when there are too many. */
bool steward_gap_add(struct steward_link *l,
                     const struct digest *author,
                     uint32_t incarnation,
                     uint64_t len,
                     bool back);
/* Want something that is missing; nothing is wanted yet. */
void steward_want_next(struct steward *s,
                       struct steward_link *l,
                       struct core_out *out);
/* The message of ENTRIES that begins with |first| has been dealt with. False
 * when it was what we wanted, and did not help. */
bool steward_want_answered(struct steward *s,
                           struct steward_link *l,
                           const struct feed_header *first);
void steward_want_end(struct steward *s, struct steward_link *l);
/* Close one link that lets us wait; false when there is none. */
bool steward_wants_expire(struct steward *s, struct core_out *out);

/* steward_entries.c */

void steward_on_entries(struct steward *s,
                        struct steward_link *l,
                        struct core_out *out);
/* True when the entries can be stored. */
bool steward_on_checked(struct steward *s,
                        struct steward_link *l,
                        int status,
                        struct core_out *out);
void steward_on_compared(struct steward *s,
                         struct steward_link *l,
                         const struct core_event *ev,
                         struct core_out *out);
/* Store the next portion of the entries that were checked. */
void steward_entries_apply(struct steward *s,
                           struct steward_link *l,
                           struct core_out *out);

/* steward_check.c */

/* Write what ACT_CHECK carries for those of s->entries; returns its size. */
size_t steward_check_write(const struct steward *s,
                           uint64_t which,
                           uint8_t *out,
                           size_t max);

#endif /* CAIRN_REPLICATION_STEWARD_SYNC_H */
