#ifndef CAIRN_REPLICATION_STEWARD_H
#define CAIRN_REPLICATION_STEWARD_H

#include "protocol/charter.h"
#include "protocol/message.h"
#include "protocol/release.h"
#include "replication/core.h"
#include "replication/steward/steward_jobs.h"

/* The machine of a steward's node: keeps the feeds of all members, takes
 * shards into custody, gives receipts, and lets those read who may.
 *
 * Feeds. On a link that came up both sides send HEADS; whoever is behind sends
 * WANT and gets ENTRIES, until the heads agree. New entries are pushed to the
 * newest link of each member, our own at once, those of others together and a
 * little later. An entry is stored only after its author is in the charter, it
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
 * before DURABLE leaves, and a restart goes on from that row. When the files
 * do not hold it, or have another root than the manifest says, the shard begins
 * anew: the lab fills it in from the others. A lab's word COMMIT forbids cuts
 * below it. Shards that are not HELD after STEWARD_UNSEALED_DAYS are given up
 * (the job removes the files, then the row goes).
 *
 * A receipt follows the job that sealed the file, which follows its fsync.
 *
 * A member's feed, all its incarnations together, may take |feed_quota| bytes
 * here, and beyond STEWARD_FEED_BURST no more than STEWARD_FEED_RATE a second:
 * what comes faster waits at those who have it. Nobody else's entries wait for
 * it, and our own feed is not bounded.
 *
 * EV_START brings the rows 'T', 'D', 'M', 'A', 'R' and 'U' of keys.h, in any
 * order. Only ACT_CHECK is marked |now|. Every job that was started ends with
 * one EV_JOB whose status is not positive, a canceled one too. */

#define STEWARD_LINKS_MAX     128
#define STEWARD_FEEDS_MAX     1024 /* Author and incarnation. */
#define STEWARD_SHARDS_MAX    65536
#define STEWARD_UNSEALED_DAYS 30U
#define STEWARD_ENTRIES_BYTES 60000U
#define STEWARD_FEED_QUOTA    ((uint64_t)1 << 30)
#define STEWARD_FEED_BURST    ((uint64_t)64 << 20)
#define STEWARD_FEED_RATE     ((uint64_t)256 << 10) /* Bytes a second. */

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
    /* The same for the shards of one lab; 0: each lab of the charter has an
     * equal share of |capacity|. */
    uint64_t lab_quota;
    /* Bytes of one member's feed that are stored; 0: STEWARD_FEED_QUOTA. */
    uint64_t feed_quota;
    struct rng *rng;
};

/* What the driver may ask at any time, for status displays. */
struct steward_counts {
    uint64_t feeds, entries, shards_filling, shards_held, bytes_held,
        bytes_reserved;
    unsigned links;
};

struct steward; /* Large; see steward_new(). */

/* --- Releases ------------------------------------------------------------ *
 *
 * A request that an operator submits at any steward becomes an entry of that
 * steward's feed, and so known to all. Each steward's approval is one, too.
 * When those that this node knows satisfy the policy of the manifest, it asks
 * its custodian to decide (ACT_CUSTODY, protocol/custody.h); the decision
 * becomes an entry; every other steward's node that has stored it says so with
 * an entry of its own (FEED_HOLDING); shown one of those, the custodian hands
 * out the envelope, which this node keeps for the recipient.
 *
 *   KNOWN -> APPROVED -> DECIDED -> HELD -> READY       (at this node)
 *
 * When the request's time (and a day) is over the release has expired, wherever
 * it stood: nothing more comes of it.
 *
 * A recipient's link (a certificate of TRANSPORT_RECIPIENT) is let in when
 * decisions of t custodians for its release are here, it shows the transport
 * key of the request, and the request has not expired. It may READ that
 * deposit's shard and ask for the envelope, and nothing else.
 *
 * When the custodian cannot be reached (EV_CUSTODY with ERR_IO) what was asked
 * is asked again every STEWARD_CUSTODY_AGAIN_MS; a DEAL is refused with
 * ERR_BUSY instead, and the lab comes again. One request is at the custodian
 * at a time.
 *
 * A custodian that refuses a release for its disk or clock (ERR_FULL, ERR_IO,
 * ERR_ORDER) is asked again every STEWARD_REFUSED_AGAIN_MS. When it is there
 * anew (EV_CUSTODY with the id STEWARD_CUSTODY_THERE), all that it refused is
 * asked again, but not what it has judged (ERR_DENIED, ERR_AUTH): for that
 * there must be a new approval. */

#define STEWARD_RELEASES_MAX     1024U
#define STEWARD_CUSTODY_AGAIN_MS 10000U
#define STEWARD_REFUSED_AGAIN_MS 600000U
#define STEWARD_CUSTODY_THERE    0U /* Never the id of a request. */

/* EV_CLIENT, from the admin API:
 * [1, type, release id (zero for SUBMIT), bytes (none for DENY)]. */
#define STEWARD_CLIENT_SIZE_MAX (RELEASE_REQUEST_MAX + 64U)
#define STEWARD_CLIENT_SIG_MAX  1024U
enum steward_client_type {
    STEWARD_CLIENT_SUBMIT = 1,  /* |bytes|: a request, encoded. */
    STEWARD_CLIENT_APPROVE = 2, /* |bytes|: a binary SSHSIG over the rendered
                                 * request, by an operator of this steward. */
    STEWARD_CLIENT_DENY = 3     /* This node will not ask its custodian, nor
                                 * hand out an envelope that is here; not
                                 * taken back. Local: others decide alone. */
};
struct steward_client {
    enum steward_client_type type;
    struct digest release_id; /* APPROVE, DENY */
    struct slice bytes;       /* SUBMIT, APPROVE */
};
MUST_CHECK int steward_client_encode(const struct steward_client *c,
                                     uint8_t *out,
                                     size_t max,
                                     size_t *size);
MUST_CHECK int steward_client_decode(struct steward_client *c, struct slice in);

/* ACT_REPLY to it, once what it did is durable: [1, status (positive), text].
 * What has been done before (SUBMIT of a known request, a second APPROVE, a
 * second DENY) is OK. */
#define STEWARD_REPLY_SIZE_MAX (MESSAGE_TEXT_MAX + 16U)
struct steward_reply {
    int status;
    char text[MESSAGE_TEXT_MAX + 1]; /* Why not, and what to do. */
};
MUST_CHECK int steward_reply_encode(const struct steward_reply *r,
                                    uint8_t *out,
                                    size_t max,
                                    size_t *size);
MUST_CHECK int steward_reply_decode(struct steward_reply *r, struct slice in);

enum steward_release_state {
    STEWARD_RELEASE_KNOWN = 1,
    STEWARD_RELEASE_APPROVED = 2,
    STEWARD_RELEASE_DECIDED = 3,
    STEWARD_RELEASE_HELD = 4,
    STEWARD_RELEASE_READY = 5
};

struct steward_release_info {
    struct digest id, deposit_id;
    enum steward_release_state state;
    bool denied, expired;
    uint64_t not_after_s;
    uint8_t transport_pk[32];
    /* By index in the charter: whose approvals and decisions are here. */
    uint64_t approvals, decisions;
    /* Decisions of t custodians: recipients may connect. */
    bool open;
    char trouble[MESSAGE_TEXT_MAX + 1]; /* What the custodian refused with. */
};

/* Releases that this node knows, in the order of their ids. */
size_t steward_releases(const struct steward *s);
void steward_release_info(const struct steward *s,
                          size_t i,
                          struct steward_release_info *info);

/* Deposits that this node knows of, in the order of their ids, for displays. */
struct steward_deposit_info {
    struct digest id, lab;
    bool has_manifest;
    /* Where the manifest entry is: keys.h, key_entry(lab, ...). */
    uint32_t incarnation;
    uint64_t seq;
    struct digest manifest_hash;
    bool has_shard;
    enum steward_shard_state state;
    uint16_t index;
    uint64_t leaves, size; /* Durable; promised by the manifest, or 0. */
    bool has_share;        /* Our custodian has acknowledged its share. */
};
size_t steward_deposits(const struct steward *s);
void steward_deposit_info(const struct steward *s,
                          size_t i,
                          struct steward_deposit_info *info);

/* Where a feed stands, from its row (key_tip() of keys.h), for displays: a
 * machine counts feeds, and who looks at them one by one reads the store. An
 * error when it is no such row. */
struct steward_feed_info {
    struct digest author;
    uint32_t incarnation;
    uint64_t entries;
    bool halted; /* Ours, found ahead of us at others: never appended to. */
    bool forked; /* Its author signed two histories. */
};
MUST_CHECK int steward_feed_info_read(struct steward_feed_info *info,
                                      const struct core_row *row);

/* What a member takes here, by its index in the charter, for displays. */
struct steward_member_info {
    uint64_t shard_bytes; /* Of a lab: held and reserved, ... */
    uint64_t shard_quota; /* ... and what it may have. */
    uint64_t feed_bytes, feed_quota;
    bool feed_full; /* Nothing more of its feed is taken. */
};
void steward_member_info(const struct steward *s,
                         size_t i,
                         struct steward_member_info *info);
/* Those whose feeds are full: bits by index in the charter. */
uint64_t steward_feeds_full(const struct steward *s);

/* Some 6 MB; at most 40 MB more as inboxes (8 MB) and the table of deposits
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
