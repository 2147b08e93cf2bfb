#ifndef CAIRN_REPLICATION_STEWARD_INTERNAL_H
#define CAIRN_REPLICATION_STEWARD_INTERNAL_H

#include "protocol/canon.h"
#include "protocol/custody.h"
#include "protocol/transport_cert.h"
#include "replication/keys.h"
#include "replication/steward/steward.h"

/* Inside of steward.h.
 *
 *   steward.c           life, events, the one timer
 *   steward_rows.c      the values of rows
 *   steward_links.c     links, their inboxes, what is said on them
 *   steward_messages.c  from the inbox to whom it concerns
 *   steward_feeds.c     the table of feeds; appending to our own
 *   steward_check.c     signatures
 *   steward_entries.c   ENTRIES: check, compare, apply
 *   steward_forks.c     proofs of forks
 *   steward_sync.c      HEADS and WANT: what others get
 *   steward_wants.c     HEADS and WANT: what we lack
 *   steward_quotas.c    what one member may take
 *   steward_deposits.c  the table of deposits
 *   steward_offer.c     OFFER
 *   steward_reads.c     COMMIT, READ
 *   steward_seals.c     manifests; from FILLING to HELD
 *   steward_shards.c    jobs: intake and drop; their ends
 *   steward_deal.c      DEAL
 *   steward_custody.c   what is asked of the custodian, and its answers
 *   steward_releases.c  the table of releases
 *   steward_votes.c     entries about releases, as they are applied
 *   steward_waiting.c   votes on requests that are not known
 *   steward_papers.c    the values of the rows of releases
 *   steward_desk.c      one release at a time: votes, conclusions
 *   steward_desk_rows.c  reading its rows for that
 *   steward_clients.c   EV_CLIENT
 *   steward_client.c    what EV_CLIENT and ACT_REPLY carry
 *   steward_recipients.c  recipients' links; ENVELOPE_WANT
 *
 * A step takes at most one message, or one portion of one, so that what it
 * writes is bounded; while more waits, the timer is due at once. */

#define STEWARD_NONE             UINT32_MAX
#define STEWARD_RECENT           16U
#define STEWARD_FEEDS_PER_MEMBER (STEWARD_FEEDS_MAX / CHARTER_MEMBERS_MAX)
#define STEWARD_LINKS_PER_MEMBER 16U
/* Messages that wait on one link, and their bytes on all. */
#define STEWARD_INBOX_MAX   64U
#define STEWARD_INBOX_BYTES ((size_t)8 << 20)
#define STEWARD_HEADS_PARTS \
    ((STEWARD_FEEDS_MAX + MESSAGE_HEADS_MAX - 1) / MESSAGE_HEADS_MAX)
#define STEWARD_GAPS_MAX      32U
#define STEWARD_READS_MAX     16U /* READ jobs of one member or release. */
#define STEWARD_APPLY_MAX     12U /* Entries that a step stores. */
#define STEWARD_SEALS_MAX     4U
#define STEWARD_DROPS_MAX     4U
#define STEWARD_WANT_MS       60000U
#define STEWARD_SEAL_AGAIN_MS 60000U
#define STEWARD_EXPIRY_MS     3600000U /* Between looks, clocks being clocks. */
#define STEWARD_DAY_S         86400U   /* Clocks may differ by a day. */
#define STEWARD_CLIENTS_MAX   8U       /* Admin requests that wait for rows. */
/* Links of recipients: of one release, and in all. */
#define STEWARD_LINKS_PER_RELEASE 4U
#define STEWARD_RECIPIENTS_MAX    32U
#define STEWARD_POLICY_TEXT       120U
/* Votes and holdings of a member that wait for their requests. */
#define STEWARD_WAITING_VOTES    512U
#define STEWARD_WAITING_HOLDINGS 256U
#define STEWARD_WAITING_MAX      (STEWARD_WAITING_VOTES + STEWARD_WAITING_HOLDINGS)
/* Deposits that are known of, in custody here or not. */
#define STEWARD_DEPOSITS_MAX (2U * STEWARD_SHARDS_MAX)

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

/* A deposit: its manifest is known, or a shard of it is in custody here, or
 * both. The manifest is the first one in the feed of |lab|. */
struct steward_deposit {
    struct digest id, lab;
    bool has_manifest;
    uint32_t incarnation;
    uint64_t seq;
    struct digest manifest_hash;

    bool has_shard;
    enum steward_shard_state state;
    uint16_t index;
    uint64_t size_max, leaves, final_leaves;
    uint64_t progress_s; /* Wall time. */
    /* What the manifest promises of the shard; it is given up when the bytes
     * turn out to be others, until other bytes come. */
    bool promised, refused;
    uint64_t size;
    struct digest root;

    /* Our custodian's acknowledgement stands there in our feed. */
    bool has_share;
    uint32_t share_incarnation;
    uint64_t share_seq;

    /* Not in the row: */
    bool sealing, dropping; /* A slot of the steward is at it. */
    uint64_t seal_after_ms; /* mono */
};

struct steward_item {
    struct steward_item *next;
    size_t size;
    uint8_t bytes[];
};

enum steward_link_state {
    LINK_IDLE,
    LINK_CHECKING,  /* ENTRIES: the signatures are at the workers. */
    LINK_APPLYING,  /* ENTRIES: |at| is the next. */
    LINK_COMPARING, /* ENTRIES: our own entry at that place is read. */
    LINK_SERVING,   /* WANT: entries are read. */
    LINK_READING,   /* OFFER: the range or the manifest is read. */
    LINK_DEALING,   /* DEAL: the manifest or our acknowledgement is read. */
    LINK_WAITING,   /* DEAL: for the custodian, who has another request. */
    LINK_CUSTODY,   /* DEAL: for its answer. */
    LINK_ENVELOPE   /* ENVELOPE_WANT: the envelope is read. */
};

/* A feed that the other side has more of. */
struct steward_gap {
    struct digest author;
    uint32_t incarnation;
    uint64_t len; /* As far as it was shown. */
    bool back;    /* What it has does not follow what we have. */
};

/* While the state is not LINK_IDLE, the first of the inbox is worked on. */
struct steward_link {
    bool up;
    bool recipient;  /* Of |release|; else a member's. */
    uint32_t member; /* Index in the charter. */
    struct digest release;
    uint64_t id, born;
    enum steward_link_state state;
    uint64_t busy_id;
    struct steward_item *inbox, **inbox_end;
    size_t inbox_len;
    size_t at;
    uint64_t checked; /* A bit for each entry whose signature was checked. */

    /* HEADS as they came, and how far they have been looked at. */
    struct steward_item *heads[STEWARD_HEADS_PARTS];
    size_t heads_len, part, head;
    bool heads_open; /* The other side has more of them. */
    bool heads_due;  /* Ours are to be said again. */
    bool again;      /* A feed was left to another link, or to later. */
    bool look;       /* Look for something to want. */
    struct steward_gap gaps[STEWARD_GAPS_MAX];
    size_t gaps_len;
    bool wants;
    struct steward_gap want;
    uint64_t want_from, want_had, want_until_ms;

    uint8_t proofs[STEWARD_FEEDS_MAX / 8]; /* Feeds whose proof is due. */
    bool proofs_due;
    uint64_t reads[STEWARD_READS_MAX]; /* Jobs; 0: free. */
};

struct steward_intake {
    uint64_t job; /* 0: free */
    uint64_t link;
    uint32_t deposit;
    struct merkle_range range; /* Durable. */
    bool accepted;             /* Its files are open: the lab may send. */
};

/* A shard that is sealed or dropped. */
struct steward_slot {
    uint64_t id; /* Of the read, then of the job; 0: free. */
    bool reading;
    bool has_range; /* SEAL: then the manifest is read. */
    struct merkle_range range;
    uint32_t deposit;
};

/* A release whose request is known. Members are bits, by index in the charter
 * that the request names. */
struct steward_release {
    struct digest id, deposit_id, manifest_hash;
    uint32_t author; /* In whose feed the request was seen first. */
    enum steward_release_state state;
    bool denied, open;
    uint64_t not_after_s;
    uint8_t transport_pk[32];
    uint64_t approvals, decisions;
    uint64_t held;          /* Decisions that we have signed for holding. */
    struct digest decision; /* The hash of ours; zero: none. */

    /* Not in the row: */
    bool due;          /* The desk is to look at it. */
    bool ask;          /* It waits for the custodian to be free. */
    bool stuck;        /* The custodian refused; |trouble| says why. */
    int refusal;       /* Its status. */
    uint64_t again_ms; /* It is asked again then; 0: not by itself. */
    uint64_t junk;     /* Rows of approvals that did not hold. */
    char trouble[MESSAGE_TEXT_MAX + 1];
    char policy[STEWARD_POLICY_TEXT]; /* In words; empty: not known. */
};

enum steward_desk_state {
    DESK_IDLE,
    DESK_REQUEST, /* Rows are read: of the request, */
    DESK_MANIFEST,
    DESK_APPROVALS,
    DESK_DECISIONS,
    DESK_HOLDING, /* of a holding of our decision. */
    DESK_WORK     /* Everything is here; each turn takes one thing. */
};

/* A member's bit in a set of members. */
static inline uint64_t steward_bit(uint32_t member)
{
    return (uint64_t)1 << member;
}

struct steward_decision {
    struct digest hash, manifest_hash, envelope_hash;
    uint16_t share_index;
    uint64_t share_epoch;
};

/* Where one release at a time is looked at. */
struct steward_desk {
    enum steward_desk_state state;
    uint32_t release; /* Slot in the table. */
    uint64_t read;
    bool dirty; /* The row of the release is to be written. */
    bool asks;  /* It waited for the custodian, and comes before any DEAL. */
    size_t request_size;
    uint8_t request[RELEASE_REQUEST_MAX];
    struct release_request decoded;
    bool has_manifest; /* And it is the one that the request is about. */
    struct manifest manifest;
    /* By member. */
    uint64_t approvals, tried, decisions;
    struct {
        size_t size;
        uint8_t bytes[STEWARD_CLIENT_SIG_MAX];
    } approval[CHARTER_MEMBERS_MAX];
    struct steward_decision decision[CHARTER_MEMBERS_MAX];
    size_t holding_size;
    uint8_t holding[FEED_HEADER_MAX + SIGN_SIZE + 64U];
};

/* The one request that is at the custodian. */
struct steward_custody {
    uint64_t id; /* 0: none */
    enum custody_type asked;
    uint64_t again_ms; /* Releases wait until then, after it was away. */
    /* DEAL */
    uint64_t link;
    uint32_t deposit;
    uint16_t share_index;
    struct manifest manifest;
    /* RELEASE, ENVELOPE */
    struct digest release;
    struct steward_decision decision; /* ENVELOPE */
    uint8_t buf[CUSTODY_SIZE_MAX];
};

/* An admin request that waits for rows. */
struct steward_client_slot {
    uint64_t read; /* 0: free */
    uint64_t id;
    enum steward_client_type type;
    struct digest release;
    size_t size;
    uint8_t bytes[RELEASE_REQUEST_MAX];
};

/* A row, 'V', 'C' or 'H', about a release that was not known: its id or, of a
 * holding, the hash of the decision. */
struct steward_waiting {
    uint8_t kind; /* enum key_kind; 0: a free slot. */
    struct digest id;
};

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

/* --- steward_jobs.c ------------------------------------------------------ */
void steward_range_put(struct canon_writer *w, const struct merkle_range *r);
void steward_range_get(struct canon_reader *r, struct merkle_range *range);

/* --- steward_rows.c: out to the batch, in from the start ------------------ */
void steward_tip_put(const struct steward *s,
                     const struct steward_feed *f,
                     struct core_out *out);
MUST_CHECK int steward_tip_read(struct steward_feed *f,
                                const struct digest *net,
                                const struct core_row *row);
void steward_shard_put(const struct steward *s,
                       const struct steward_deposit *d,
                       struct core_out *out);
MUST_CHECK int steward_shard_read(struct steward_deposit *d,
                                  const struct core_row *row);
void steward_progress_put(const struct steward_deposit *d,
                          const struct merkle_range *range,
                          struct core_out *out);
MUST_CHECK int steward_progress_read(struct merkle_range *range,
                                     struct slice value);
void steward_manifest_put(const struct steward_deposit *d,
                          struct core_out *out);
MUST_CHECK int steward_manifest_read(struct steward_deposit *d,
                                     const struct core_row *row);
/* Put a row whose value is what |w| has written. */
void steward_row_put(const struct key *key,
                     const struct canon_writer *w,
                     struct core_out *out);
/* The row with that key among those of the event; NULL when it is not. */
const struct core_row *steward_row_find(const struct core_event *ev,
                                        const struct key *key);

/* --- steward_links.c ----------------------------------------------------- */
void steward_link_up(struct steward *s,
                     const struct core_event *ev,
                     struct core_out *out);
void steward_link_down(struct steward *s, uint64_t id);
struct steward_link *steward_link_find(struct steward *s, uint64_t id);
const struct card *steward_link_card(const struct steward *s,
                                     const struct steward_link *l);
/* Put a message into the inbox; closes the link, and false, when it is full, or
 * when all together are full and it has most of them. */
bool steward_link_take(struct steward *s,
                       struct steward_link *l,
                       struct slice bytes,
                       struct core_out *out);
/* The first message of the inbox is dealt with. */
void steward_link_next(struct steward *s, struct steward_link *l);
/* The same, but the message is the caller's now. */
struct steward_item *steward_link_pop(struct steward_link *l);
/* Free an item that has left an inbox. */
void steward_item_free(struct steward *s, struct steward_item *item);
/* Ask for rows by prefix; the link waits for them. */
void steward_link_read(struct steward *s,
                       struct steward_link *l,
                       enum steward_link_state state,
                       const struct key *prefix,
                       struct core_out *out);
void steward_link_close(struct steward *s,
                        struct steward_link *l,
                        struct core_out *out);
/* Say s->said. */
void steward_say(struct steward *s, uint64_t link, struct core_out *out);
void steward_refuse(struct steward *s,
                    uint64_t link,
                    uint64_t about,
                    const struct digest *subject,
                    int status,
                    const char *text,
                    struct core_out *out);
/* The newest link of each member, by index in the charter; NULL: none. */
void steward_links_newest(struct steward *s,
                          struct steward_link *newest[CHARTER_MEMBERS_MAX]);
/* Refuse to the lab of a deposit, wherever it can be reached. */
void steward_refuse_lab(struct steward *s,
                        uint32_t deposit,
                        int status,
                        const char *text,
                        struct core_out *out);

/* --- steward_messages.c -------------------------------------------------- */
/* Deal with the first message of an idle link. */
void steward_inbox_first(struct steward *s,
                         struct steward_link *l,
                         struct core_out *out);

/* --- steward_feeds.c ----------------------------------------------------- */
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

/* --- steward_check.c ----------------------------------------------------- */
/* Write what ACT_CHECK carries for those of s->entries; returns its size. */
size_t steward_check_write(const struct steward *s,
                           uint64_t which,
                           uint8_t *out,
                           size_t max);

/* --- steward_entries.c --------------------------------------------------- */
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

/* --- steward_forks.c ----------------------------------------------------- */
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

/* --- steward_sync.c ------------------------------------------------------ */
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

/* --- steward_wants.c ----------------------------------------------------- */
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

/* --- steward_quotas.c ---------------------------------------------------- */
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

/* --- steward_deposits.c -------------------------------------------------- */
/* Index, or STEWARD_NONE. Adding moves the deposits in memory. */
uint32_t steward_deposit_find(const struct steward *s, const struct digest *id);
uint32_t steward_deposit_add(struct steward *s,
                             const struct digest *id,
                             const struct digest *lab);
/* Forget one that has neither manifest nor shard. */
void steward_deposit_remove(struct steward *s, uint32_t index);
/* Bring the counts in line with a change: once with -1 before, with 1 after. */
void steward_deposit_count(struct steward *s,
                           const struct steward_deposit *d,
                           int sign);

/* --- steward_offer.c ----------------------------------------------------- */
/* |ev| is the answer to what was read for it, or NULL. */
void steward_on_offer(struct steward *s,
                      struct steward_link *l,
                      const struct core_event *ev,
                      struct core_out *out);

/* --- steward_reads.c ----------------------------------------------------- */
void steward_on_commit(struct steward *s,
                       struct steward_link *l,
                       struct core_out *out);
void steward_on_read(struct steward *s,
                     struct steward_link *l,
                     struct core_out *out);

/* --- steward_seals.c ----------------------------------------------------- */
/* A manifest has been stored at that place of its author's feed. */
void steward_on_manifest(struct steward *s,
                         const struct feed_entry *e,
                         struct core_out *out);
/* Take from s->manifest what it promises of the shard; a text that says why it
 * is not the one that we have, or NULL. */
const char *steward_promise(const struct steward *s, struct steward_deposit *d);
/* Begin to seal when everything is there; true then. */
bool steward_seal_due(struct steward *s,
                      uint32_t deposit,
                      struct core_out *out);
/* Start what is to be sealed, as far as there are slots. */
void steward_seals_start(struct steward *s, struct core_out *out);
/* True when these rows were asked for a seal. */
bool steward_on_seal_rows(struct steward *s,
                          const struct core_event *ev,
                          struct core_out *out);
void steward_on_seal(struct steward *s,
                     struct steward_slot *slot,
                     int status,
                     struct core_out *out);

/* --- steward_shards.c ---------------------------------------------------- */
void steward_job_start(const struct steward_job *job,
                       uint64_t id,
                       struct core_out *out);
struct steward_slot *steward_slot_free(struct steward_slot *slots, size_t len);
struct steward_slot *steward_slot_find(struct steward_slot *slots,
                                       size_t len,
                                       uint64_t id,
                                       bool reading);
/* The files of a shard are open, and its room is taken: tell the lab. */
void steward_intake_accept(struct steward *s,
                           struct steward_intake *in,
                           struct core_out *out);
struct steward_intake *steward_intake_of_link(struct steward *s, uint64_t link);
struct steward_intake *steward_intake_of(struct steward *s, uint32_t deposit);
void steward_on_job(struct steward *s,
                    const struct core_event *ev,
                    struct core_out *out);
/* What is here of a shard is not what was promised, or is not there: it begins
 * anew with the first leaf. */
void steward_shard_restart(struct steward *s,
                           struct steward_deposit *d,
                           struct core_out *out);
/* Give up shards whose time is over. */
void steward_expire(struct steward *s, struct core_out *out);

/* --- steward_releases.c -------------------------------------------------- */
/* NULL when it is not known. */
struct steward_release *steward_release_find(struct steward *s,
                                             const struct digest *id);
/* A request has become known, in the feed of |author|; writes its rows. NULL
 * when that author has as many under way as it may. */
struct steward_release *steward_release_add(struct steward *s,
                                            uint32_t author,
                                            const struct digest *id,
                                            const struct release_request *r,
                                            struct slice request,
                                            struct core_out *out);
/* At the start, from its row. */
void steward_release_start(struct steward *s, const struct core_row *row);
void steward_release_move(struct steward_release *r,
                          enum steward_release_state next);
bool steward_release_is_over(const struct steward *s,
                             const struct steward_release *r);
/* Something about that deposit is new: look at its releases again. */
void steward_release_touch(struct steward *s, const struct digest *deposit_id);
void steward_release_trouble(struct steward_release *r, const char *text);
/* Its index in the charter, or STEWARD_NONE. */
uint32_t steward_member_index(const struct steward *s, const struct digest *id);

/* --- steward_papers.c ---------------------------------------------------- */
void steward_release_put(const struct steward *s,
                         const struct steward_release *r,
                         struct core_out *out);
/* ERR_MISMATCH: it is of another charter. */
MUST_CHECK int steward_release_read(const struct steward *s,
                                    struct steward_release *r,
                                    const struct core_row *row);
void steward_decision_put(const struct digest *release,
                          const struct digest *member,
                          const struct steward_decision *d,
                          struct core_out *out);
MUST_CHECK int steward_decision_read(struct steward_decision *d,
                                     struct slice value);
void steward_envelope_put(const struct digest *release,
                          const struct steward_decision *d,
                          struct slice envelope,
                          struct core_out *out);
/* Into a message, but for the release and the custodian; lent. */
MUST_CHECK int steward_envelope_read(struct message_envelope *m,
                                     struct slice value);
void steward_share_put(const struct steward_deposit *d, struct core_out *out);
MUST_CHECK int steward_share_read(struct steward_deposit *d,
                                  const struct core_row *row);

/* --- steward_waiting.c --------------------------------------------------- */
/* That row of a member is about a release that is not known. The oldest of its
 * kind makes room. */
void steward_wait(struct steward *s,
                  uint32_t member,
                  enum key_kind kind,
                  const struct digest *id,
                  struct core_out *out);
/* At the start, from its row. */
void steward_waiting_start(struct steward *s, const struct core_row *row);

/* --- steward_votes.c ----------------------------------------------------- */
/* An entry has been stored; |bytes| is the whole of it. */
void steward_on_vote(struct steward *s,
                     const struct feed_entry *e,
                     struct slice bytes,
                     struct core_out *out);
/* Does this SSHSIG approve the request, for that member? */
bool steward_approval_holds(const struct steward *s,
                            struct slice request,
                            struct slice sshsig,
                            uint32_t member);

/* --- steward_desk.c ------------------------------------------------------ */
bool steward_desk_has_work(const struct steward *s);
void steward_desk_work(struct steward *s, struct core_out *out);

/* --- steward_desk_rows.c ------------------------------------------------- */
/* The one that is on the desk. */
struct steward_release *steward_desk_release(struct steward *s);
/* Take the release in that slot, and begin to read its rows. */
void steward_desk_begin(struct steward *s, uint32_t slot, struct core_out *out);
/* True when these rows were asked for by the desk. */
bool steward_on_desk_rows(struct steward *s,
                          const struct core_event *ev,
                          struct core_out *out);

/* --- steward_custody.c --------------------------------------------------- */
/* May something be asked of the custodian? */
bool steward_custody_is_free(const struct steward *s);
/* Even a DEAL? Releases come first: labs may deal without end. */
bool steward_custody_takes_deals(const struct steward *s);
/* Ask; the caller has filled in s->custody but for its id and |asked|. */
void steward_custody_ask(struct steward *s,
                         const struct custody *c,
                         struct core_out *out);
/* Releases that were refused for a cause that passes are due again. */
void steward_custody_wake(struct steward *s);
/* When the next of them is; UINT64_MAX: none. */
uint64_t steward_custody_until(const struct steward *s);
void steward_on_custody(struct steward *s,
                        const struct core_event *ev,
                        struct core_out *out);

/* --- steward_deal.c ------------------------------------------------------ */
/* |ev| is the answer to what was read for it, or NULL. */
void steward_on_deal(struct steward *s,
                     struct steward_link *l,
                     const struct core_event *ev,
                     struct core_out *out);
/* The custodian's answer; NULL: it could not be reached. */
void steward_on_dealt(struct steward *s,
                      const struct custody *answer,
                      struct core_out *out);

/* --- steward_clients.c --------------------------------------------------- */
void steward_on_client(struct steward *s,
                       const struct core_event *ev,
                       struct core_out *out);
/* True when these rows were asked for an admin request. */
bool steward_on_client_rows(struct steward *s,
                            const struct core_event *ev,
                            struct core_out *out);

/* --- steward_recipients.c ------------------------------------------------ */
/* May who shows this certificate come in? */
bool steward_recipient_is_welcome(struct steward *s,
                                  const struct transport_cert *cert);
/* The first message of a recipient's idle link, in s->in, may it be? Otherwise
 * the link is closed. */
bool steward_recipient_may(struct steward *s,
                           struct steward_link *l,
                           struct core_out *out);
/* |ev| is the answer to what was read for it, or NULL. */
void steward_on_envelope_want(struct steward *s,
                              struct steward_link *l,
                              const struct core_event *ev,
                              struct core_out *out);
/* Close one link whose release is over; false when there is none. */
bool steward_recipients_expire(struct steward *s, struct core_out *out);
/* When the next one is over, as mono time; UINT64_MAX: there is none. */
uint64_t steward_recipients_until(struct steward *s);

#endif /* CAIRN_REPLICATION_STEWARD_INTERNAL_H */
