#ifndef CAIRN_NODE_JOB_H
#define CAIRN_NODE_JOB_H

#include "node/cli/cli.h"
#include "node/mover/mover_run.h"

/* One mover, run to its end by a command-line program: a loop and workers of
 * its own, a progress bar, and Ctrl-C, which stops the mover cleanly (a second
 * one kills). */

struct job {
    uv_loop_t loop;
    struct workers *workers;
    unsigned threads;
    struct mover_run *run;
    uv_signal_t on_int, on_term;
    struct progress *progress;
    struct mover_stream **streams; /* Of the mover that runs. */
    int status;
    bool interrupted, canceled;
};

/* |threads| 0: one for each processor. */
MUST_CHECK int job_open(struct job *j, unsigned threads, char *errmsg);

/* Run |config|, whose loop, workers, callbacks on_progress, on_slow and on_end
 * and arg are filled in here, to its end; returns the mover's status.
 * |progress| may be NULL. Streams have been made for j->loop. */
MUST_CHECK int job_run(struct job *j,
                       struct mover_run_config *config,
                       struct progress *progress);

/* Has Ctrl-C been pressed since the first call? For long work outside of
 * job_run(), which asks again and again; where nobody asks, Ctrl-C ends
 * the program. */
bool job_is_interrupted(struct job *j);

/* What runs, and all that would run later, ends with ERR_CANCELED. Loop
 * thread. */
void job_cancel(struct job *j);

void job_close(struct job *j);

/* Processors that this process may use. */
unsigned processors_count(void);

#endif /* CAIRN_NODE_JOB_H */
