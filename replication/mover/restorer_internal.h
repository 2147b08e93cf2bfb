#ifndef CAIRN_REPLICATION_RESTORER_INTERNAL_H
#define CAIRN_REPLICATION_RESTORER_INTERNAL_H

#include "replication/mover/restorer.h"

/* The inside of restorer.h.
 *
 *   restorer.c        begins, takes events, opens segments, hands out, ends
 *   restorer_fetch.c  cells: who is asked, again, and in whose place */

/* --- restorer.c ---------------------------------------------------------- */

/* Along an edge of the diagram. */
void restorer_move(struct restorer_slot *slot, enum restorer_state next);

/* Remember the first reason. */
void restorer_fail(struct restorer *r, int status);

/* An action that will be answered. */
struct mover_action *restorer_ask(struct restorer *r,
                                  struct mover_out *out,
                                  enum mover_action_type type);

/* A slot in this state, or NULL; that of a segment. */
struct restorer_slot *restorer_slot_any(struct restorer *r,
                                        enum restorer_state state);
struct restorer_slot *restorer_slot_find(struct restorer *r,
                                         enum restorer_state state,
                                         uint64_t segment);

/* In bytes, and where the cell of a stream belongs. */
size_t restorer_cell_size(const struct restorer_slot *slot);
uint8_t *restorer_cell(const struct restorer_slot *slot, uint16_t i);
/* The work of MV_WORK; |arg| is the slot, whose k cells are there. */
int restorer_work(void *arg);

/* --- restorer_fetch.c ---------------------------------------------------- */

void restorer_on_read(struct restorer *r,
                      const struct mover_event *ev,
                      struct mover_out *out);
/* Ask for what it is time for: at most one segment and one once more a step,
 * for bounded actions; each answer is a step of its own, so others follow
 * soon. */
void restorer_pump_fetch(struct restorer *r, struct mover_out *out);

#endif /* CAIRN_REPLICATION_RESTORER_INTERNAL_H */
