#ifndef CAIRN_NODE_CORE_RUN_H
#define CAIRN_NODE_CORE_RUN_H

#include "node/core/store.h"

/* The driver of a deciding machine (replication/core.h) on a real node: feeds
 * it events one at a time, commits each step's batch to the store, and carries
 * out its actions.
 *
 *   event -> step -> |now| actions, at once
 *                 -> batch -> store ... durable -> the other actions
 *
 * Held actions are carried out in the order of their steps, and in a step in
 * the order in which it gave them. A step without a batch waits for those
 * before it too, since it may speak of what they decided. Actions marked |now|
 * wait for nothing.
 *
 * For a step that holds no action nobody waits: its batch goes to the store
 * with the next for which somebody does, when half of the bounds below are
 * reached, or CORE_RUN_GATHER_MS later, so that they share a sync. A power cut
 * in between is as if it had come before the step.
 *
 * The machine starts with EV_START pages of the rows under the prefixes of the
 * configuration; other events wait until it has seen the last page. ACT_READ is
 * answered here, with EV_ROWS pages in the order of the requests, one page in
 * memory at a time. A page shows the store as of its reading: a held ACT_READ
 * sees its own step's batch, and may miss those of steps that came later.
 *
 * Bounds: at most CORE_RUN_STEPS_MAX steps or about CORE_RUN_BYTES_MAX bytes
 * wait for the disk; then the machine gets no events until half of that is
 * durable, and the owner is told to stop reading. What comes in nevertheless
 * is queued: EV_MSG and EV_CLIENT up to CORE_RUN_EVENTS_MAX and
 * CORE_RUN_EVENT_BYTES_MAX, other events always, for they answer to something
 * that the machine began.
 *
 * A full disk: the steps that wait are committed again every
 * CORE_RUN_RETRY_MS, in order, and the machine gets no events meanwhile.
 *
 * A halt: when the store answers ERR_IO, or its rows cannot be read, the
 * machine is never stepped again, and no action that is still held is ever
 * carried out. The machine has then decided what the disk does not know; only
 * a new process, from what the disk holds, may go on.
 *
 * Everything runs on the loop's thread. Every function may be called in every
 * callback. */

#define CORE_RUN_STEPS_MAX       64U
#define CORE_RUN_BYTES_MAX       ((size_t)8 << 20)
#define CORE_RUN_EVENTS_MAX      512U
#define CORE_RUN_EVENT_BYTES_MAX ((size_t)8 << 20)
#define CORE_RUN_READS_MAX       64U
#define CORE_RUN_STARTS_MAX      8U
#define CORE_RUN_RETRY_MS        1000U
#define CORE_RUN_GATHER_MS       50U

struct core_run;

typedef void core_run_step(void *machine,
                           const struct core_event *ev,
                           struct core_out *out);

/* Carries out one action: the fields of a core_action. |bytes| are lent until
 * it returns. Answers are events, now or later. */
typedef void core_run_act(void *arg, uint64_t id, struct slice bytes);

struct core_run_config {
    uv_loop_t *loop;
    struct store *store; /* Outlives the run; may serve several. */
    core_run_step *step;
    void *machine;
    /* Prefixes of the rows that EV_START brings, in this order; lent during
     * core_run_start(). Without any, there is one empty page. */
    const struct slice *starts;
    size_t starts_len; /* <= CORE_RUN_STARTS_MAX */

    /* One for each type of action; ACT_READ is done here. NULL for what the
     * machine never does. */
    core_run_act *send, *dial, *close, *check, *job, *job_cancel, *custody,
        *reply;

    /* The machine has taken all its rows: other events reach it from now on.
     * May be NULL. */
    void (*on_started)(void *arg);
    /* |why| is ERR_BUSY: too much waits for the disk; ERR_FULL: the disk is
     * full, store_error() has the words; OK: go on. Called when it changes. */
    void (*on_pause)(void *arg, int why);
    /* Once, and then only core_run_close() is left to do. |text| ends with
     * what to do. */
    void (*on_halt)(void *arg, const char *text);
    void *arg;
};

/* Start; the configuration is copied, and no callback runs in here.
 * ERR_NOMEM. */
MUST_CHECK int core_run_start(struct core_run **out,
                              const struct core_run_config *config);

/* Give the machine an event, with its clocks as filled in here; its bytes are
 * needed no longer when this returns. Actions may be carried out in here. Rows
 * are not for the owner to send.
 *
 * OK, and the machine has had it or will; ERR_FULL for an EV_MSG or EV_CLIENT
 * for which there is no room: close the link, refuse the request; ERR_ORDER
 * when the machine is halted or closing. */
MUST_CHECK int core_run_feed(struct core_run *run, const struct core_event *ev);

/* Is the machine's last step durable and carried out, and nothing queued? */
bool core_run_is_idle(const struct core_run *run);

/* Stop: no more events, no more actions, those held included; a machine starts
 * again from what is durable. What was gathered is still written, unless the
 * disk is full or the run halted. |closed| (may be NULL) runs once, when the
 * store has answered what it still had; then the run is gone. */
void core_run_close(struct core_run *run, void (*closed)(void *arg), void *arg);

#endif /* CAIRN_NODE_CORE_RUN_H */
