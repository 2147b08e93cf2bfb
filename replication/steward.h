#ifndef CAIRN_REPLICATION_STEWARD_H
#define CAIRN_REPLICATION_STEWARD_H

#include "protocol/charter.h"
#include "protocol/message.h"
#include "protocol/release.h"
#include "replication/core.h"
#include "replication/steward_jobs.h"

/* The machine of a steward's node: keeps the feeds of all members, takes
 * shards into custody, gives receipts, and lets those read who may.
 *
 * Feeds. On a link that came up both sides send HEADS; whoever is behind sends
 * WANT and gets ENTRIES, until the heads agree. New entries are pushed to all
 * links. An entry is stored only after its author is in the charter, it
 * follows the one before it, and its signature holds (ACT_CHECK, on workers).
 * Two different entries at one place of a feed are kept as evidence and freeze
 * that feed.
 *
 * A shard, by deposit and index:
 *
 *            OFFER            manifest arrives,         job done, receipt
 *   (none) --------> FILLING -----------------> SEALING ------------> HELD
 *                    ^  | job EV_JOB: durable range       | root differs
 *                    +--+ -> row, then DURABLE            v
 *                    (link lost: waits)              back to FILLING, REFUSE
 *
 * The range that a lab was told is durable stands in the row of the shard
 * before DURABLE leaves, and a restart goes on from that row. A lab's word
 * COMMIT forbids cuts below it. Shards that are not HELD after
 * STEWARD_UNSEALED_DAYS are given up (the job removes the files, then the row
 * goes).
 *
 * A receipt follows the job that sealed the file, which follows its fsync.
 *
 * EV_START brings the rows 'T', 'D' and 'M' of keys.h, in any order. Only
 * ACT_CHECK is marked |now|. Every job that was started ends with one EV_JOB
 * whose status is not positive, a canceled one too. */

#define STEWARD_LINKS_MAX     128
#define STEWARD_FEEDS_MAX     1024 /* Author and incarnation. */
#define STEWARD_SHARDS_MAX    65536
#define STEWARD_UNSEALED_DAYS 30U
#define STEWARD_ENTRIES_BYTES 60000U

enum steward_shard_state {
    STEWARD_FILLING = 1,
    STEWARD_SEALING = 2,
    STEWARD_HELD = 3
};

struct steward_config {
    const struct charter *charter; /* Lent for the machine's life. */
    struct digest net, self;
    struct sign_key node; /* N; secret. */
    uint32_t incarnation;
    uint64_t capacity; /* Bytes that shards may take; OFFERs beyond: refused. */
    struct rng *rng;
};

/* What the driver may ask at any time, for status displays. */
struct steward_counts {
    uint64_t feeds, entries, shards_filling, shards_held, bytes_held,
        bytes_reserved;
    unsigned links;
};

struct steward; /* Large; see steward_new(). */

/* Some 4 MB; at most 40 MB more as inboxes (8 MB) and the table of deposits
 * fill. ERR_DENIED: |self| is no steward of the charter, or |node| not its key.
 */
MUST_CHECK int steward_new(struct steward **out,
                           const struct steward_config *config);
void steward_free(struct steward *s);

void steward_step(struct steward *s,
                  const struct core_event *ev,
                  struct core_out *out);

void steward_count(const struct steward *s, struct steward_counts *counts);

/* The pure function behind ACT_CHECK: |bytes| is what the action carried. OK,
 * or ERR_AUTH when a signature in it is false. Runs on any thread. */
MUST_CHECK int steward_check(const struct charter *charter, struct slice bytes);

#endif /* CAIRN_REPLICATION_STEWARD_H */
