#ifndef CAIRN_SIM_NODE_H
#define CAIRN_SIM_NODE_H

#include "sim/sim.h"

/* The parts of a node that only node.c and life.c share. */

/* Any time will do; clocks of nodes differ by less than a day. */
#define SIM_WALL_MS 1800000000000U

void node_start(struct sim *w, unsigned node, const char *kinds);
/* Some of the steps that wait reached the disk after all. */
void node_tear(struct sim *w, unsigned node);
void node_forget(struct sim *w, unsigned node);

#endif /* CAIRN_SIM_NODE_H */
