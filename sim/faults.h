#ifndef CAIRN_SIM_FAULTS_H
#define CAIRN_SIM_FAULTS_H

#include "sim/sim.h"

/* What goes wrong besides the losses of the story: a table of faults, of which
 * the seed draws one before one in so many events, as long as some are left. */

enum faults_level {
    SIM_FAULTS_NONE,
    SIM_FAULTS_SOME,
    SIM_FAULTS_MANY
};

#define FAULT_KINDS 9U

struct faults {
    struct rng rng;
    unsigned one_in; /* 0: never. */
    unsigned left;
    unsigned counts[FAULT_KINDS];
};

void faults_new(struct sim *w);
/* A new part of the story begins: so many are allowed as for any. */
void faults_allow(struct sim *w);
void faults_stop(struct sim *w);
/* Before each event. */
void faults_turn(struct sim *w);

const char *fault_name(unsigned kind);
unsigned faults_count(const struct sim *w);

#endif /* CAIRN_SIM_FAULTS_H */
