#ifndef CAIRN_REPLICATION_CUSTODIAN_H
#define CAIRN_REPLICATION_CUSTODIAN_H

#include "crypto/hpke.h"
#include "protocol/charter.h"
#include "protocol/custody.h"
#include "replication/core.h"

/* The machine of a custodian: keeps the opened key shares of a steward and
 * decides on their release. It trusts nobody, its own steward's node least:
 * it counts only what the pinned charter's keys have signed, and computes
 * every context itself from typed fields.
 *
 *   EV_CLIENT  |id|, |bytes|: a request of protocol/custody.h; answered once
 *              with ACT_REPLY |id|, |bytes|: the answer.
 *              |id|, |status| ERR_FULL: the row that was made for request |id|
 *              found no room and is not written, and nothing that the same
 *              step wanted was done. The request is answered anew, with
 *              CUSTODY_REFUSED. Only when no other request came since.
 *
 * Requests are worked on one at a time, in order; at most CUSTODIAN_QUEUE_MAX
 * are here, and what comes beyond is refused with ERR_BUSY, at once. EV_START
 * brings the rows 'R', for the latest time that was signed (others are passed
 * over), and must have ended before the first request is taken. ACT_READ asks
 * for one row by its whole key.
 *
 * Rows, all of them secret; they must never be kept in the clear on a disk
 * that others read. The machine wipes its own scratch at the end of each step;
 * the arena of the core_out and the rows of an event, which hold opened shares
 * too, are the driver's, to keep in secret memory and to wipe:
 *
 *   'S' deposit[32] u64be epoch   a share: the lab's manifest entry, share,
 *                                 the acknowledgement that was given
 *   'R' release[32]               a decision: request, decision, envelope
 *
 * Each step writes at most one row, so that a store needs no more than to
 * replace one value whole. Rows are written once: a repeated request is
 * answered with the same bytes as the first time, and one that disagrees is
 * refused. Nothing is answered before its row is durable.
 *
 * DEAL. The manifest entry is signed by a chartered lab for this network, and
 * names this steward for the share; the envelope opens with E; the share
 * agrees with the manifest's commitments.
 *
 * RELEASE. The request is of this network, this very charter, a deposit whose
 * share is here (same manifest, epoch and label), and of a time that is not
 * over (a day's tolerance); approvals are by operators of the charter over the
 * rendered request, and as a policy of the manifest they suffice. An approval
 * that does not verify is refused, not skipped; a member counts once.
 * The envelope is HPKE in mode psk to the request's key (protocol/release.h).
 * A clock that went back is no way to approve what has expired: the latest
 * time that the machine has been given or has signed counts.
 *
 * ENVELOPE. Handed out only against the feed entry of another steward of the
 * charter that signs for holding this decision, and no later than the request
 * allows. */

#define CUSTODIAN_QUEUE_MAX 16U
#define CUSTODIAN_DAY_S     86400U /* Clocks may differ by a day. */

struct custodian_config {
    const struct charter *charter; /* Lent for the machine's life. */
    struct digest net;
    uint8_t hpke_sk[HPKE_KEY_SIZE]; /* E; secret. */
    struct sign_key sign;           /* D; secret. */
    uint8_t net_psk[32];            /* Secret: release_psk() */
    struct rng *rng;
    /* Counts for CUSTODY_SELF, as the driver's store has them. */
    uint64_t shares, decisions;
};

struct custodian;

/* Copies the configuration into secret memory. ERR_DENIED: no steward of the
 * charter has these keys; ERR_MISMATCH: the psk is not that of the charter;
 * ERR_NOMEM. */
MUST_CHECK int custodian_new(struct custodian **out,
                             const struct custodian_config *config);
void custodian_free(struct custodian *c); /* Wipes. Accepts NULL. */

void custodian_step(struct custodian *c,
                    const struct core_event *ev,
                    struct core_out *out);

#endif /* CAIRN_REPLICATION_CUSTODIAN_H */
