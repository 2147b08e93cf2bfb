#ifndef CAIRN_NODE_CORE_RUN_PRIVATE_H
#define CAIRN_NODE_CORE_RUN_PRIVATE_H

#include "node/core/core_run.h"

/* The inside of a core_run, for core_run*.c alone.
 *
 *   core_run.c        begins, gives events, ends
 *   core_run_step.c   one step: its batch to the store, its actions
 *   core_run_rows.c   pages of rows for the machine
 *   core_run_held.c   what waits, as memory
 *
 * All of it belongs to the loop's thread. A step passes through three places:
 * |steps| (its batch is not durable), the store's queue (the first |in_store|
 * of them), and free. Sizes are in bytes, rounded up to what is simple. */

/* --- What waits (core_run_held.c) ---------------------------------------- */

/* Copies of steps that wait for the disk, of events that wait for the machine
 * and of requests for rows. All abort when out of memory: a step that was taken
 * cannot be forgotten. */

/* One step whose batch is not durable yet, with copies of its operations and of
 * the bytes that its actions lend. */
struct held_step {
    struct store_write write; /* Of |ops|; its |arg| is this step. */
    struct core_run *run;
    struct core_op *ops;
    struct core_action *acts; /* Those that are not |now|. */
    size_t acts_len;
    size_t size; /* Of the whole, about. */
    uint8_t *mem;
    struct held_step *next;
};

/* Are there actions to hold? */
bool held_step_has_acts(const struct core_out *out);
/* Copies all of |out| that must wait; nothing is lent from it afterwards. */
struct held_step *held_step_new(const struct core_out *out);
void held_step_free(struct held_step *h);

/* One event that the machine cannot have yet, with its bytes; free(). */
struct held_event {
    struct core_event ev;
    struct held_event *next;
    uint8_t mem[];
};

struct held_event *held_event_new(const struct core_event *ev);

/* One request for rows, or one prefix of the start; free(). */
struct held_read {
    enum core_event_type type; /* Of its answer. */
    uint64_t id;
    bool final; /* The last of the start, or any ACT_READ. */
    uint8_t prefix[CORE_KEY_MAX];
    size_t prefix_size;
    struct held_read *next;
};

struct held_read *held_read_new(enum core_event_type type,
                                uint64_t id,
                                struct slice prefix);

/* --- The run ------------------------------------------------------------- */

/* Of the rows that the machine gets at once, in bytes. */
#define CORE_RUN_PAGE_SIZE ((size_t)256 << 10)

/* Queues are linked lists with their tails; _len counts elements, _size bytes.
 * The bounds are those of core_run.h. */
struct core_run {
    struct core_run_config config;
    uv_timer_t wake, retry, gather;
    bool wake_due; /* The machine's time has come. */
    bool started;  /* It has had its rows. */
    bool busy;     /* In a step, or carrying out actions. */
    bool halted, closing;

    /* Steps that are not durable yet, oldest first, and how many of them the
     * store has. Those from |gathered| on nobody waits for: they are kept from
     * it for a while. */
    struct held_step *steps, **steps_end, *gathered;
    size_t steps_len, steps_size, in_store;
    bool steps_full; /* The store had no room for the first. */
    bool behind;     /* Too many; stays until half are gone. */

    struct held_event *events, **events_end;
    size_t events_len, events_size; /* Of those that may be refused. */

    /* Reading for the first of |reads|; |page| is for the machine when
     * |page_ready|. |reads_len| counts those that are held, too. */
    struct held_read *reads, **reads_end;
    size_t reads_len;
    struct store_read read;
    bool reading, read_full, page_ready;
    uint8_t after[CORE_KEY_MAX];
    size_t after_size;
    struct store_page page;
    uint8_t page_mem[CORE_RUN_PAGE_SIZE];

    int pause; /* What the owner was told. */
    unsigned handles;
    void (*closed)(void *arg);
    void *closed_arg;
    struct core_out out;
};

/* --- core_run.c ---------------------------------------------------------- */

/* Give the machine what waits for it, as far as it may have it. Does nothing
 * inside of a step: whoever is there comes back. */
void core_run_pump(struct core_run *run);
/* The machine's one timer. */
void core_run_on_wake(uv_timer_t *timer);
/* No more of the machine: what it decided last may not be on the disk. */
void core_run_halt(struct core_run *run, const char *text);
/* Free it once it was closed and nobody will call back any more. */
void core_run_maybe_free(struct core_run *run);

/* --- core_run_step.c ----------------------------------------------------- */

/* Step the machine with |ev|, carry out what is for now, hold the rest. */
void core_run_do_step(struct core_run *run, struct core_event ev);
/* To the store with what was gathered, unless the disk is full or the run has
 * halted. */
void core_run_commit(struct core_run *run);
/* Try again later what the disk had no room for. */
void core_run_retry_later(struct core_run *run);

/* --- core_run_rows.c ----------------------------------------------------- */

/* Queue a request, which is this one's from now on. */
void core_run_read_put(struct core_run *run, struct held_read *r);
/* Read a page for the first request, unless that is going on or done. */
void core_run_read_next(struct core_run *run);
/* The page that is ready, to the machine. */
void core_run_give_page(struct core_run *run);

#endif /* CAIRN_NODE_CORE_RUN_PRIVATE_H */
