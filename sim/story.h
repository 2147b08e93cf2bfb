#ifndef CAIRN_SIM_STORY_H
#define CAIRN_SIM_STORY_H

#include "sim/sim.h"

/* What people do: a lab deposits, and is gone; three stewards are lost; a
 * request is submitted and approved; its recipient recovers the model. They
 * look every half a second, and say again what was not answered. */

enum story_phase {
    STORY_DEPOSIT,
    STORY_SUBMIT,
    STORY_APPROVE,
    STORY_RECOVER,
    STORY_SETTLE,
    STORY_DONE
};

void story_new(struct sim *w);
void story_free(struct sim *w);
enum story_phase story_phase(const struct sim *w);
const char *story_phase_name(enum story_phase phase);
void story_tick(struct sim *w);
/* The answer to an operator. */
void story_reply(struct sim *w, unsigned node, uint64_t id, struct slice bytes);

#endif /* CAIRN_SIM_STORY_H */
