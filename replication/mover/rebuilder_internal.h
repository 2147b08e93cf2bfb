#ifndef CAIRN_REPLICATION_REBUILDER_INTERNAL_H
#define CAIRN_REPLICATION_REBUILDER_INTERNAL_H

#include "replication/mover/rebuilder.h"

/* The inside of rebuilder.h.
 *
 *   rebuilder.c        begins, takes events, ends
 *   rebuilder_fetch.c  cells: which are fetched, and the lost ones rebuilt
 *   rebuilder_send.c   targets: what they lack, sending, flushing */

/* --- rebuilder.c --------------------------------------------------------- */

/* Along an edge of the diagram. */
void rebuilder_move(struct rebuilder_slot *slot, enum rebuilder_state next);

/* Remember the first reason; what is in flight is still waited for, because
 * it refers to our memory. */
void rebuilder_fail(struct rebuilder *r, int status);

/* An action that will be answered. */
struct mover_action *rebuilder_ask(struct rebuilder *r,
                                   struct mover_out *out,
                                   enum mover_action_type type);

/* A slot in this state, or NULL. */
struct rebuilder_slot *rebuilder_slot_any(struct rebuilder *r,
                                          enum rebuilder_state state);

/* --- rebuilder_fetch.c --------------------------------------------------- */

/* Of a cell, in bytes. */
uint64_t rebuilder_place_size(const struct restorer_place *place);
uint64_t rebuilder_place_end(const struct restorer_place *place);
/* Of the part of a cell that is rebuilt. */
size_t rebuilder_slot_size(const struct rebuilder_slot *slot);
/* Where the cell of a target that wants it is rebuilt. */
uint8_t *rebuilder_slot_rebuilt(const struct rebuilder_slot *slot,
                                uint32_t target);

/* In the order of fetching, which is that of sending. */
uint64_t rebuilder_slot_nth(const struct rebuilder_slot *slot);

/* Begin with the next segment that is lacked, if a slot is free, and ask for
 * what else it is time for. */
void rebuilder_pump_fetch(struct rebuilder *r, struct mover_out *out);
/* The work of MV_WORK; |arg| is the slot, whose k cells are there. */
int rebuilder_work(void *arg);

/* --- rebuilder_send.c ---------------------------------------------------- */

/* Targets that something can still be done for, as bits. */
uint64_t rebuilder_open(const struct rebuilder *r);
/* Open targets that end before |end|, as bits, and where the first of them
 * ends. */
uint64_t rebuilder_lacking(const struct rebuilder *r,
                           uint64_t end,
                           uint64_t *first);
/* Target |i| is lost. Only the first reason counts. What was asked of it is
 * still answered, and until then it uses our memory. */
void rebuilder_lose(struct rebuilder *r, uint32_t i, int status);

/* Send the slot whose turn it is, when it is rebuilt: one a step, for bounded
 * actions; passing over those that nobody wants any more. */
void rebuilder_pump_send(struct rebuilder *r, struct mover_out *out);
/* Flush targets whose turn it is. */
void rebuilder_pump_flush(struct rebuilder *r, struct mover_out *out);

#endif /* CAIRN_REPLICATION_REBUILDER_INTERNAL_H */
