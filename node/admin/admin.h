#ifndef CAIRN_NODE_ADMIN_H
#define CAIRN_NODE_ADMIN_H

#include "node/base/volume.h"
#include "node/core/store.h"
#include "node/link/link.h"
#include "protocol/charter.h"
#include "replication/steward/steward.h"

/* The admin API of a steward's node (docs/ADMIN.md): HTTP and JSON on a Unix
 * socket that only the user of the node may open.
 *
 *   GET    snapshot of the machine, here -> pool: catalogue, JSON -> answer
 *   POST   EV_CLIENT to the machine ...... admin_reply() ........ -> answer
 *
 * libmicrohttpd runs inside the loop, without threads of its own; a connection
 * that waits is suspended. What stands in the feeds is read on libuv's pool, by
 * one reader at a time, which remembers how far it came (admin_index.h); status
 * needs none but our own (admin_receipts.h), and overtakes it.
 *
 * Clients are as local as the node itself, and bounded all the same: their
 * number, their bodies, their silence, and how long one may take in all. A
 * client that stops reading or writing hurts itself alone.
 *
 * Everything but that reading runs on the thread of the loop. */

#define ADMIN_SOCKET          "admin.sock"
#define ADMIN_CONNECTIONS_MAX 16U
#define ADMIN_BODY_MAX        65536U
#define ADMIN_IDLE_S          10U
#define ADMIN_LIFE_MS         60000U
/* Deposits in one answer. */
#define ADMIN_PAGE_MAX 1000U

/* --- What the owner says for a status ------------------------------------ */

struct admin_link {
    const struct card *card;  /* Of the member; NULL for a recipient, ... */
    struct digest release_id; /* ... who comes for this release. */
    bool dialled;
    uint64_t up_ms; /* For how long. */
    char address[LINK_ADDRESS_SIZE];
};

struct admin_status {
    uint64_t up_ms;   /* Of the process. */
    uint64_t begun_s; /* What the wall clock said then. */
    char listen[LINK_LISTEN_MAX][LINK_ADDRESS_SIZE];
    size_t listen_len;
    struct admin_link links[STEWARD_LINKS_MAX];
    size_t links_len;
    struct {
        bool configured, reachable;
        uint64_t since_s; /* Wall time; 0: not known yet. */
        uint64_t shares;  /* As it said last. */
        uint64_t missing; /* That it acknowledged, when it came last. */
        char text[LINK_TEXT_SIZE];
    } custodian;
    /* By index in the charter: for how long there is no link to a steward,
     * since one ended or since the process was begun. */
    struct {
        uint64_t for_ms;
        bool since_link;
    } away[CHARTER_MEMBERS_MAX];
    struct steward_member_info members[CHARTER_MEMBERS_MAX];
    bool database_ok;
    char database_text[ERRMSG_SIZE];
};

struct admin_calls {
    void (*on_status)(void *arg, struct admin_status *status);
    /* What steward.h tells of the same names. */
    void (*on_count)(void *arg, struct steward_counts *counts);
    size_t (*on_deposits)(void *arg);
    void (*on_deposit)(void *arg, size_t i, struct steward_deposit_info *info);
    size_t (*on_releases)(void *arg);
    void (*on_release)(void *arg, size_t i, struct steward_release_info *info);
    /* EV_CLIENT for the machine: OK, and admin_reply() is called with that id
     * once, now or later, or never when the machine halts. ERR_FULL,
     * ERR_ORDER. */
    int (*on_client)(void *arg, uint64_t id, struct slice bytes);
    /* Words for the log. */
    void (*on_note)(void *arg, const char *text);
};

/* All of it outlives the admin. */
struct admin_config {
    uv_loop_t *loop;
    const char *path; /* Of the socket. */
    struct store *store;
    const struct volume *volume;
    const struct charter *charter;
    struct slice chain; /* Of which |charter| is the last. */
    struct digest net, self;
    const uint8_t *psk; /* Of the network; secret. */
    uint64_t capacity;
    unsigned idle_s;          /* ADMIN_IDLE_S */
    uint64_t life_ms;         /* ADMIN_LIFE_MS */
    struct admin_calls calls; /* All of them. */
    void *arg;
};

struct admin;

/* Serve. A socket that stands at the path is from an earlier process, since
 * one home has one, and goes; anything else there stays: ERR_EXISTS. ERR_FULL
 * when the path is too long for a socket, ERR_NOTFOUND, ERR_IO, ERR_NOMEM. */
MUST_CHECK int admin_open(struct admin **out,
                          const struct admin_config *config,
                          char *errmsg);

/* ACT_REPLY; bytes of steward_reply_encode(). An id that nobody waits for any
 * longer is fine. */
void admin_reply(struct admin *a, uint64_t id, struct slice bytes);

/* Tell those who wait that the node stops, and end; |closed| runs once, later,
 * and then the admin is gone. Nothing of the configuration is used then. */
void admin_close(struct admin *a, void (*closed)(void *arg), void *arg);

#endif /* CAIRN_NODE_ADMIN_H */
