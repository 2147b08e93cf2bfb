#ifndef CAIRN_REPLICATION_STEWARD_LINKS_H
#define CAIRN_REPLICATION_STEWARD_LINKS_H

#include "replication/steward/steward.h"
#include "replication/steward/steward_sync.h"

/* Links, of members and of recipients; what waits on them, and what is said.
 *
 *   steward_links.c     links and their inboxes; saying, refusing
 *   steward_messages.c  from the inbox to whom it concerns
 *
 * Messages of a link are dealt with in order. The first of its inbox stays
 * there while its link is not idle: while rows are read for it, workers check
 * its signatures, or the custodian is asked. */

struct key;

#define STEWARD_LINKS_PER_MEMBER 16U
/* Messages that wait on one link, and their bytes on all. */
#define STEWARD_INBOX_MAX   64U
#define STEWARD_INBOX_BYTES ((size_t)8 << 20)
#define STEWARD_READS_MAX   16U /* READ jobs of one member or release. */

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

/* steward_links.c */

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

/* steward_messages.c */

/* Deal with the first message of an idle link. */
void steward_inbox_first(struct steward *s,
                         struct steward_link *l,
                         struct core_out *out);

#endif /* CAIRN_REPLICATION_STEWARD_LINKS_H */
