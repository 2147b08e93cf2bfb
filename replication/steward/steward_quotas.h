#ifndef CAIRN_REPLICATION_STEWARD_QUOTAS_H
#define CAIRN_REPLICATION_STEWARD_QUOTAS_H

#include "replication/steward/steward.h"
#include "replication/steward/steward_votes.h"

/* What one member may take of this steward: room for shards, feed bytes and
 * their rate, votes that wait. Others have no part in it: who takes too much
 * stands in its own way. */

struct steward_feed;

/* What a member takes of this steward; all of it follows from rows. */
struct steward_member {
    uint64_t shard_bytes; /* Reserved and held, of a lab's deposits. */
    uint32_t shards, deposits;
    uint64_t feed_bytes; /* Stored, in all incarnations. */
    /* What may be taken at once, as it was at |feed_ms|. */
    uint64_t feed_tokens, feed_ms;
    /* Two rings: votes, then holdings. */
    struct steward_waiting waiting[STEWARD_WAITING_MAX];
    uint64_t votes_next, holdings_next;
};

/* May more of a member's feed be taken? */
enum steward_feed_room {
    FEED_OPEN,
    FEED_SLOW, /* Later. */
    FEED_FULL
};

/* NULL: no member. */
struct steward_member *steward_member_of(struct steward *s,
                                         const struct digest *id);
/* May that lab have one more shard of |size| bytes? Else |text| says why not.
 */
bool steward_lab_has_room(const struct steward *s,
                          uint32_t lab,
                          uint64_t size,
                          char text[MESSAGE_TEXT_MAX + 1]);
/* May one more of its manifests, of a deposit without a shard here, be known?
 */
bool steward_lab_may_publish(struct steward *s, const struct digest *lab);
/* May |size| bytes of that member's feed be taken now? When it is later, the
 * machine wakes then. */
enum steward_feed_room steward_feed_room(struct steward *s,
                                         const struct digest *author,
                                         uint64_t size);
/* They were stored; |taken|: they came from others. */
void steward_feed_count(struct steward *s,
                        struct steward_feed *f,
                        uint64_t size,
                        bool taken);

#endif /* CAIRN_REPLICATION_STEWARD_QUOTAS_H */
