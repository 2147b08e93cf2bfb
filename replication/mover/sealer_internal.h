#ifndef CAIRN_REPLICATION_SEALER_INTERNAL_H
#define CAIRN_REPLICATION_SEALER_INTERNAL_H

#include "replication/mover/sealer.h"

/* The inside of sealer.h.
 *
 *   sealer.c       begins, takes events, ends
 *   sealer_pump.c  what is asked for next: reading, sealing, sending, commits
 */

/* --- sealer.c ------------------------------------------------------------ */

/* Along an edge of the diagram. */
void sealer_move(struct sealer_slot *slot, enum sealer_state next);

uint16_t sealer_streams_len(const struct sealer *s);

/* A slot in this state, or NULL. */
struct sealer_slot *sealer_slot_any(struct sealer *s, enum sealer_state state);
struct sealer_slot *sealer_slot_find(struct sealer *s,
                                     enum sealer_state state,
                                     uint64_t segment);

/* An action that will be answered. */
struct mover_action *sealer_ask(struct sealer *s,
                                struct mover_out *out,
                                enum mover_action_type type);

/* --- sealer_pump.c ------------------------------------------------------- */

/* The work of MV_WORK in SEALER_SEALING; |arg| is the slot. */
int sealer_slot_seal(void *arg);
/* Ask for |work| on a slot. */
void sealer_slot_work(struct sealer_slot *slot,
                      struct mover_out *out,
                      int (*work)(void *));

/* While nothing failed: all that can be asked for now. */
void sealer_pump_next(struct sealer *s, struct mover_out *out);

#endif /* CAIRN_REPLICATION_SEALER_INTERNAL_H */
