#ifndef CAIRN_REPLICATION_RECOVERER_INTERNAL_H
#define CAIRN_REPLICATION_RECOVERER_INTERNAL_H

#include "replication/recoverer/recoverer.h"

/* The inside of recoverer.h.
 *
 *   recoverer.c            begins, takes events, keeps links, ends
 *   recoverer_envelopes.c  asks for key shares, opens and checks them
 *   recoverer_words.c      what people are told */

/* "NAME: TEXT; " of every steward behind a sentence. */
#define RECOVERER_FAILURE_MAX \
    (MANIFEST_SHARDS_MAX * (CARD_NAME_MAX + MESSAGE_TEXT_MAX + 4U) + 200U)

struct recoverer_steward {
    const struct card *card; /* NULL: no longer in the charter. */
    uint64_t link;           /* 0: none */
    bool was_up, share;
    bool bad;         /* What it gave is no share; its text says so. */
    uint64_t dial_ms; /* When it is dialled next, without a link. */
    uint64_t ask_ms;  /* When it is asked next; 0: it is not. */
    char text[MESSAGE_TEXT_MAX + 1];
};

struct recoverer_secrets {
    uint8_t hpke_sk[HPKE_KEY_SIZE];
    uint8_t psk[32];
    struct share_file shares[MANIFEST_SHARDS_MAX];
};

struct recoverer {
    struct recoverer_config config;   /* Without its secrets. */
    struct recoverer_secrets *secret; /* In locked memory. */
    size_t shares_len;
    struct recoverer_steward stewards[MANIFEST_SHARDS_MAX];
    enum recoverer_phase phase;
    bool started;
    uint64_t progress_ms;   /* The last progress: a first link, a share. */
    struct message message; /* Scratch: it is large. */
    int status;
    char failure[RECOVERER_FAILURE_MAX];
};

/* --- recoverer.c --------------------------------------------------------- */

/* Along an edge of the diagram. */
void recoverer_move(struct recoverer *r, enum recoverer_phase next);

/* --- recoverer_envelopes.c ----------------------------------------------- */

bool recoverer_has_shares(const struct recoverer *r);
/* May this steward be asked, now or later? */
bool recoverer_is_asked(const struct recoverer *r,
                        const struct recoverer_steward *c);
void recoverer_ask(struct recoverer *r,
                   struct recoverer_steward *c,
                   struct core_out *out);
void recoverer_on_envelope(struct recoverer *r,
                           struct recoverer_steward *c,
                           const struct message_envelope *e,
                           uint64_t now_ms);
void recoverer_on_refuse(struct recoverer *r,
                         struct recoverer_steward *c,
                         const struct message_refuse *m,
                         uint64_t now_ms);

/* --- recoverer_words.c --------------------------------------------------- */

/* News of a connection; a bad envelope stays the last thing to know. */
void recoverer_news(struct recoverer_steward *c, const char *text);
/* What it gave is no share, for this reason. Only the envelope's hash goes on
 * record: DESIGN.md 6. */
void recoverer_blame(struct recoverer_steward *c,
                     int rv,
                     struct slice envelope);
/* The shares did not come. */
void recoverer_fail_shares(struct recoverer *r);
/* The shares came, and the job failed. */
void recoverer_fail_job(struct recoverer *r, int status);

#endif /* CAIRN_REPLICATION_RECOVERER_INTERNAL_H */
