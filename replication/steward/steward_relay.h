#ifndef CAIRN_REPLICATION_STEWARD_RELAY_H
#define CAIRN_REPLICATION_STEWARD_RELAY_H

#include "replication/steward/steward.h"

/* Entries of others that are new here go on to all members, so that they reach
 * also those who have no link to their author. Most have one, and have them
 * already: so they do not go one by one, but together, in one message to each
 * member, once the first of them has waited for STEWARD_RELAY_MS or there is no
 * room for more. The member from whom all of a message came does not get it.
 * What is lost with us on the way comes with HEADS. */

#define STEWARD_RELAY_MS 500U

struct steward_relay {
    size_t len, size;
    uint64_t due_ms; /* 0: nothing waits. */
    size_t sizes[MESSAGE_ENTRIES_MAX];
    uint32_t from[MESSAGE_ENTRIES_MAX]; /* The members who brought them. */
    uint8_t bytes[MESSAGE_SIZE_MAX];
};

/* Is there room for |len| more entries of one message, of |size| bytes
 * together? Always when nothing waits. */
bool steward_relay_has_room(const struct steward *s, size_t size, size_t len);
void steward_relay_add(struct steward *s, struct slice entry, uint32_t member);
/* Say what waits. */
void steward_relay_say(struct steward *s, struct core_out *out);

#endif /* CAIRN_REPLICATION_STEWARD_RELAY_H */
