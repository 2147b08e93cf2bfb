#ifndef CAIRN_REPLICATION_STEWARD_DESK_H
#define CAIRN_REPLICATION_STEWARD_DESK_H

#include "protocol/manifest.h"
#include "replication/steward/steward_releases.h"

/* The desk, where one release at a time is looked at: its rows are read, its
 * votes judged, and what follows from them is done.
 *
 *   steward_desk.c       votes, conclusions
 *   steward_desk_rows.c  reading the rows for that */

enum steward_desk_state {
    DESK_IDLE,
    DESK_REQUEST, /* Rows are read: of the request, */
    DESK_MANIFEST,
    DESK_APPROVALS,
    DESK_DECISIONS,
    DESK_HOLDING, /* of a holding of our decision. */
    DESK_WORK     /* Everything is here; each turn takes one thing. */
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

/* steward_desk.c */

bool steward_desk_has_work(const struct steward *s);
void steward_desk_work(struct steward *s, struct core_out *out);

/* steward_desk_rows.c */

/* The one that is on the desk. */
struct steward_release *steward_desk_release(struct steward *s);
/* Take the release in that slot, and begin to read its rows. */
void steward_desk_begin(struct steward *s, uint32_t slot, struct core_out *out);
/* True when these rows were asked for by the desk. */
bool steward_on_desk_rows(struct steward *s,
                          const struct core_event *ev,
                          struct core_out *out);

#endif /* CAIRN_REPLICATION_STEWARD_DESK_H */
