#ifndef CAIRN_REPLICATION_STEWARD_STATE_H
#define CAIRN_REPLICATION_STEWARD_STATE_H

#include "replication/steward/steward_custody.h"
#include "replication/steward/steward_deposits.h"
#include "replication/steward/steward_desk.h"
#include "replication/steward/steward_feeds.h"
#include "replication/steward/steward_links.h"
#include "replication/steward/steward_quotas.h"
#include "replication/steward/steward_relay.h"
#include "replication/steward/steward_releases.h"
#include "replication/steward/steward_shards.h"
#include "replication/steward/steward_sync.h"

/* All that a steward's machine holds in memory, and what bounds a step of it.
 * Each table is declared where it is dealt with: steward_feeds.h, and so on.
 *
 * A step takes at most one message, or one portion of one, so that what it
 * writes is bounded; while more waits, the timer is due at once. What is named
 * steward_on_...() deals with what came: an event, or a message, which stands
 * decoded in |in|. */

#define STEWARD_NONE UINT32_MAX /* No index. */

/* A step pushes to at most one link of every other member. */
_Static_assert(CHARTER_MEMBERS_MAX + STEWARD_APPLY_MAX + STEWARD_SEALS_MAX +
                       STEWARD_DROPS_MAX + STEWARD_HEADS_PARTS + 4 <=
                   CORE_ACTS_MAX,
               "the actions of a step fit");
/* An entry writes itself, its tip, and a manifest and a shard, or a vote and
 * its slot, and removes another vote; a fork writes two more. A request may
 * make another release be forgotten, with the votes of all members. */
_Static_assert(5 * STEWARD_APPLY_MAX + STEWARD_SEALS_MAX + 12 +
                       2 * CHARTER_MEMBERS_MAX <=
                   CORE_OPS_MAX,
               "the rows of a step fit");
_Static_assert(MESSAGE_ENTRIES_MAX <= 64, "a bit for each entry");

struct steward {
    struct steward_config config; /* Without its secret. */
    struct sign_key *node;        /* N, in locked memory. */
    bool started;
    uint64_t next_id, next_born;
    uint64_t mono_ms, wall_ms; /* Of this step. */

    struct steward_feed feeds[STEWARD_FEEDS_MAX];
    uint32_t feeds_order[STEWARD_FEEDS_MAX]; /* By author, incarnation. */
    uint32_t feeds_len, own;

    struct steward_deposit *deposits; /* Grows; |order| with it. */
    uint32_t *deposits_order;         /* By id; behind |len|: free ones. */
    uint32_t deposits_len, deposits_max;
    uint32_t shards_filling, shards_held, seals_due;
    struct steward_member members[CHARTER_MEMBERS_MAX]; /* By index there. */
    uint64_t bytes_reserved, bytes_held;
    uint64_t expiry_ms;
    uint64_t again_ms; /* Feeds that were too fast are looked at again; or 0. */

    struct steward_relay relay;
    struct steward_link links[STEWARD_LINKS_MAX];
    uint32_t turn;
    size_t inbox_bytes;
    struct steward_intake intakes[STEWARD_LINKS_MAX];
    struct steward_slot seals[STEWARD_SEALS_MAX], drops[STEWARD_DROPS_MAX];

    struct steward_release releases[STEWARD_RELEASES_MAX];
    uint32_t releases_order[STEWARD_RELEASES_MAX]; /* By id. */
    uint32_t releases_len, release_turn;
    bool desk_next; /* Desk and links take turns. */
    struct steward_desk desk;
    struct steward_custody custody;
    struct steward_client_slot clients[STEWARD_CLIENTS_MAX];
    uint32_t self_member; /* Ours, in the charter. */
    bool costly;          /* This step has had its costly entry. */

    /* Scratch of one step. */
    struct message in, said;
    struct feed_entry entries[MESSAGE_ENTRIES_MAX];
    struct manifest manifest;
    uint8_t buf[CORE_VALUE_MAX];
    uint8_t entry[FEED_ENTRY_MAX];
};

/* steward_start.c: EV_START. Rows come in portions; with the last one the
 * machine is started. */
void steward_start(struct steward *s, const struct core_event *ev);

#endif /* CAIRN_REPLICATION_STEWARD_STATE_H */
