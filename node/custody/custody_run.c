#include "node/custody/custody_run.h"

#include <stdlib.h>
#include <time.h>

#include "crypto/secret.h"

/* What one request makes the machine read: it works on one at a time. */
#define READS_MAX 8U

struct read {
    uint64_t id;
    uint8_t prefix[CUSTODY_STORE_NAME_KEY];
    size_t prefix_size;
};

/* Secret memory. */
struct scratch {
    struct core_out out;
    uint8_t value[CORE_VALUE_MAX];
};

struct custody_run {
    struct custody_run_config config;
    bool halted;
    struct scratch *scratch;
    struct read reads[READS_MAX];
    size_t reads_len;
    uint64_t request; /* Number of the one in work. */
    uint64_t wall_ms; /* The latest that the machine was given. */
    uint8_t *answer;  /* To the request in work. */
    size_t answer_size;
};

static uint64_t clock_ms(clockid_t id)
{
    struct timespec t = {0};

    (void)clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void note(const struct custody_run *run, const char *text)
{
    if (run->config.on_note != NULL) {
        run->config.on_note(run->config.arg, text);
    }
}

/* --- Steps --------------------------------------------------------------- */

static void act_read(struct custody_run *run, const struct core_action *a)
{
    struct read *r = &run->reads[run->reads_len++];

    assert(run->reads_len <= READS_MAX);
    assert(a->bytes.size > 0 && a->bytes.size <= sizeof(r->prefix));
    r->id = a->id;
    memcpy(r->prefix, a->bytes.data, a->bytes.size);
    r->prefix_size = a->bytes.size;
}

static void act_reply(struct custody_run *run, const struct core_action *a)
{
    assert(run->answer != NULL && run->answer_size == 0);
    assert(a->id == run->request && a->bytes.size > 0 &&
           a->bytes.size <= CUSTODY_SIZE_MAX);
    memcpy(run->answer, a->bytes.data, a->bytes.size);
    run->answer_size = a->bytes.size;
}

static void act(struct custody_run *run, const struct core_action *a)
{
    switch (a->type) {
    case ACT_READ:
        act_read(run, a);
        break;
    case ACT_REPLY:
        act_reply(run, a);
        break;
    case ACT_SEND:
    case ACT_DIAL:
    case ACT_CLOSE:
    case ACT_CHECK:
    case ACT_JOB:
    case ACT_JOB_CANCEL:
    case ACT_CUSTODY:
        assert(false); /* A custodian has no network. */
        break;
    }
}

static bool is_due(const struct custody_run *run, struct slice key)
{
    struct slice due = run->config.due;

    return key.size >= due.size &&
           slice_equal(slice_of(key.data, due.size), due);
}

static int row_put(struct custody_run *run,
                   const struct core_op *op,
                   char *errmsg)
{
    int rv = is_due(run, op->key)
                 ? OK
                 : custody_store_room(run->config.store, errmsg);

    assert(!op->remove);
    return rv == OK ? custody_store_put(run->config.store, op->key, op->value,
                                        errmsg)
                    : rv;
}

static int step(struct custody_run *run, struct core_event *ev, char *errmsg);

/* There was no room for the row of the request in work. */
static int step_unwritten(struct custody_run *run, char *errmsg)
{
    struct core_event ev = {
        .type = EV_CLIENT, .id = run->request, .status = ERR_FULL};

    note(run, errmsg);
    return step(run, &ev, errmsg);
}

/* One step: its row is durable before its first action. */
static int step(struct custody_run *run, struct core_event *ev, char *errmsg)
{
    struct core_out *out = &run->scratch->out;
    uint64_t wall_ms = clock_ms(CLOCK_REALTIME);
    int rv = OK;

    run->wall_ms = wall_ms > run->wall_ms ? wall_ms : run->wall_ms;
    ev->wall_ms = run->wall_ms;
    ev->mono_ms = clock_ms(CLOCK_MONOTONIC);
    core_out_reset(out);
    run->config.step(run->config.machine, ev, out);
    assert(out->ops_len <= (ev->status == ERR_FULL ? 0U : 1U));
    if (out->ops_len == 1) {
        rv = row_put(run, &out->ops[0], errmsg);
    }
    for (size_t i = 0; rv == OK && i < out->acts_len; i++) {
        act(run, &out->acts[i]);
    }
    secret_wipe(out->arena, out->arena_used);
    if (rv == ERR_FULL) {
        return step_unwritten(run, errmsg);
    }
    run->halted = rv != OK;
    return rv;
}

/* --- Rows ---------------------------------------------------------------- */

/* Rows under a prefix, in the order of their keys. */
struct cursor {
    struct slice prefix;
    uint8_t keys[2][CUSTODY_STORE_NAME_KEY];
    struct slice key; /* In one of the two; empty: before the first. */
};

/* To the next key; ERR_NOTFOUND at the end. */
static int cursor_next(const struct custody_run *run,
                       struct cursor *c,
                       char *errmsg)
{
    uint8_t *next = c->keys[c->key.data == c->keys[0] ? 1 : 0];
    size_t size = 0;
    int rv = custody_store_next(run->config.store, c->prefix, c->key, next,
                                &size, errmsg);

    if (rv == OK) {
        c->key = slice_of(next, size);
    }
    return rv;
}

/* One row of an answer, or with a NULL |row| its end. */
static int step_row(struct custody_run *run,
                    enum core_event_type type,
                    uint64_t id,
                    const struct core_row *row,
                    char *errmsg)
{
    struct core_event ev = {.type = type,
                            .id = id,
                            .status = row == NULL ? 1 : OK,
                            .rows = row,
                            .rows_len = row == NULL ? 0 : 1};

    return step(run, &ev, errmsg);
}

/* The machine is told that it cannot have its rows. */
static int step_unread(struct custody_run *run,
                       uint64_t id,
                       const char *why,
                       char *errmsg)
{
    struct core_event ev = {.type = EV_ROWS, .id = id, .status = ERR_IO};

    note(run, why);
    return step(run, &ev, errmsg);
}

/* Answer an ACT_READ: a page for each row, and an empty one. */
static int read_answer(struct custody_run *run,
                       const struct read *r,
                       char *errmsg)
{
    uint8_t *value = run->scratch->value;
    struct cursor c = {.prefix = slice_of(r->prefix, r->prefix_size)};
    char why[ERRMSG_SIZE] = "";
    int rv = OK;

    while (rv == OK) {
        struct core_row row;
        size_t size = 0;
        int got = cursor_next(run, &c, why);

        if (got == ERR_NOTFOUND) {
            return step_row(run, EV_ROWS, r->id, NULL, errmsg);
        }
        if (got == OK) {
            got =
                custody_store_get(run->config.store, c.key, value, &size, why);
        }
        if (got != OK) {
            return step_unread(run, r->id, why, errmsg);
        }
        row = (struct core_row){.key = c.key, .value = slice_of(value, size)};
        rv = step_row(run, EV_ROWS, r->id, &row, errmsg);
        secret_wipe(value, size);
    }
    return rv;
}

/* --- The machine --------------------------------------------------------- */

/* Bring the rows that the machine starts with. */
static int start(struct custody_run *run, char *errmsg)
{
    uint8_t *value = run->scratch->value;
    struct cursor c = {.prefix = run->config.start};
    int rv = c.prefix.size > 0 ? cursor_next(run, &c, errmsg) : ERR_NOTFOUND;

    while (rv == OK) {
        char why[ERRMSG_SIZE] = "";
        struct core_row row;
        size_t size = 0;

        if (custody_store_get(run->config.store, c.key, value, &size, why) ==
            OK) {
            row =
                (struct core_row){.key = c.key, .value = slice_of(value, size)};
            rv = step_row(run, EV_START, 0, &row, errmsg);
            secret_wipe(value, size);
        } else {
            note(run, why);
        }
        if (rv == OK) {
            rv = cursor_next(run, &c, errmsg);
        }
    }
    if (rv == ERR_NOTFOUND) {
        rv = step_row(run, EV_START, 0, NULL, errmsg);
    }
    assert(run->reads_len == 0);
    return rv;
}

/* Step until the machine wants nothing more. */
static int turn(struct custody_run *run, struct core_event *ev, char *errmsg)
{
    size_t done = 0;
    int rv;

    run->reads_len = 0;
    rv = step(run, ev, errmsg);
    while (rv == OK && done < run->reads_len) {
        rv = read_answer(run, &run->reads[done++], errmsg);
    }
    return rv;
}

int custody_run_open(struct custody_run **out,
                     const struct custody_run_config *config,
                     char *errmsg)
{
    struct custody_run *run = calloc(1, sizeof(*run));
    int rv = ERR_NOMEM;

    if (run != NULL) {
        run->config = *config;
        run->scratch = secret_new(sizeof(*run->scratch));
    }
    if (run == NULL || run->scratch == NULL) {
        errmsg_set(errmsg, "no locked memory for key shares; raise "
                           "'ulimit -l'");
    } else {
        rv = start(run, errmsg);
    }
    if (rv == OK) {
        *out = run;
    } else {
        custody_run_close(run);
    }
    return rv;
}

void custody_run_close(struct custody_run *run)
{
    if (run != NULL) {
        secret_free(run->scratch);
        free(run);
    }
}

int custody_run_ask(struct custody_run *run,
                    struct slice request,
                    uint8_t *answer,
                    size_t *size,
                    char *errmsg)
{
    struct core_event ev = {.type = EV_CLIENT, .bytes = request};
    int rv;

    if (run->halted) {
        errmsg_set(errmsg, "this custodian has halted; start it again");
        return ERR_ORDER;
    }
    ev.id = ++run->request;
    run->answer = answer;
    run->answer_size = 0;
    rv = turn(run, &ev, errmsg);
    run->answer = NULL;
    if (rv == OK) {
        assert(run->answer_size > 0); /* Every request has its answer. */
        *size = run->answer_size;
    }
    return rv;
}
