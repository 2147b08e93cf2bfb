#ifndef CAIRN_SIM_ORACLES_H
#define CAIRN_SIM_ORACLES_H

#include "sim/sim.h"

/* What must hold whatever happens (DESIGN.md 1). Oracles see all nodes at
 * once, their disks too, which no machine does:
 *
 *   P1  what was deposited is recovered, byte for byte; nothing is stuck
 *   P4  a receipt in any feed: its author's shard is durable, with that root;
 *       what a node says of its own feed is durable there
 *   P5  no two entries for one place of a feed
 *   P6  the feeds of those that are left agree in the end
 *   P7  an envelope is handed out: another steward has the decision durably
 *
 * The first violation is kept, and ends the run. */

#define ORACLE_TEXT_MAX 300

struct oracles {
    bool failed;
    char text[ORACLE_TEXT_MAX];
    struct sim_rows entries;   /* Id of what is at each place of a feed. */
    struct sim_rows decisions; /* Which stewards have held it, as bits. */
    uint64_t checks;
};

void oracles_new(struct sim *w);
void oracles_free(struct sim *w);

void oracle_fail(struct sim *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A row is durable at |node|. */
void oracle_row(struct sim *w, unsigned node, const struct core_op *op);
/* A machine does something. */
void oracle_action(struct sim *w, unsigned node, const struct core_action *a);
/* A steward's custodian hands out its envelope of a release. */
void oracle_handed(struct sim *w,
                   unsigned steward,
                   const uint8_t release_id[DIGEST_SIZE]);
/* Do all stewards that are left have the same entries? */
bool oracle_feeds_agree(const struct sim *w);
/* P4 for every receipt that a steward which is left still has. */
void oracle_receipts(struct sim *w);
/* P1: |plain| is what came back. */
void oracle_recovered(struct sim *w, struct slice source, struct slice plain);

#endif /* CAIRN_SIM_ORACLES_H */
