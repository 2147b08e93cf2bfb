#ifndef CAIRN_NODE_PROGRESS_H
#define CAIRN_NODE_PROGRESS_H

#include "crypto/base.h"

/* Progress of long work on stderr: a bar on a terminal, a line a minute
 * elsewhere, NDJSON with --progress=json, and with --json where stderr is no
 * terminal. Shows bytes, share, current rate and a 30 s average, and ETA. Also
 * answers SIGUSR1 with one line. One at a time, in the main thread. */

struct cli;

struct progress {
    const struct cli *cli;
    const char *label;
    uint64_t total, done, start_ms, shown_ms;
    double current; /* Between the last two samples, bytes a second. */
    double rate;    /* Smoothed, bytes a second. */
    uint64_t rate_done, rate_ms; /* The last sample. */
    int style;
};

/* |total| bytes are to be done; 0 when that is not known. |label| is lent
 * until the end. */
void progress_start(struct progress *p,
                    const struct cli *c,
                    const char *label,
                    uint64_t total);
/* |note| is shown behind the bar ("7 of 7 stewards"); may be NULL. */
void progress_update(struct progress *p, uint64_t done, const char *note);
/* Says how much was done, in what time and at what average rate. */
void progress_end(struct progress *p, bool ok);

/* Take the bar off the terminal, because something else is to be written
 * there; the next update brings it back. */
void progress_hide(void);

#endif /* CAIRN_NODE_PROGRESS_H */
