#include <stdlib.h>

#include "node/core/core_run.h"
#include "tests/suite.h"

/* The driver against a toy machine and a disk that answers when it pleases.
 * This file has its own store_*(), which take the place of the real ones. */

#define STEPS_MAX 4096
#define LOG_MAX   16384
#define ROWS_MAX  700

/* --- A disk -------------------------------------------------------------- */

struct store {
    uv_loop_t *loop;
    uv_idle_t idle; /* Turns the loop while there is something to answer. */
    struct store_write *queue, **queue_end;
    struct store_read *read;
    bool stuck;       /* Answers nothing. */
    unsigned lazy;    /* Answers one time in so many. */
    unsigned fail_at; /* This commit fails, if not 0; ... */
    int fail_status;  /* ... so; ERR_IO stays. */
    unsigned commits; /* Answered, those that failed included. */
    unsigned durable; /* The number of the last step on the disk. */
    int read_status;
    struct core_row rows[ROWS_MAX];
    uint8_t keys[ROWS_MAX][4];
    size_t rows_len;
};

static uv_loop_t loop;
static struct store disk;
static struct rng rng;

const char *store_error(const struct store *s)
{
    (void)s;
    return "the disk says no";
}

static void disk_turn(uv_idle_t *idle);

static void disk_wake(void)
{
    (void)uv_idle_start(&disk.idle, disk_turn);
}

void store_commit(struct store *s, struct store_write *w)
{
    w->next = NULL;
    *s->queue_end = w;
    s->queue_end = &w->next;
    disk_wake();
}

void store_read(struct store *s, struct store_read *r)
{
    ck_assert_ptr_null(s->read);
    s->read = r;
    disk_wake();
}

static struct store_write *disk_take(void)
{
    struct store_write *w = disk.queue;

    disk.queue = w->next;
    if (disk.queue == NULL) {
        disk.queue_end = &disk.queue;
    }
    return w;
}

/* Answer the first, or, when it fails, all that wait. */
static void disk_answer_commit(void)
{
    bool fails = disk.fail_at != 0 && disk.commits + 1 >= disk.fail_at;

    if (fails) {
        struct store_write *w = disk.queue;

        disk.queue = NULL;
        disk.queue_end = &disk.queue;
        if (disk.fail_status == ERR_FULL) {
            disk.fail_at = 0;
        }
        while (w != NULL) {
            struct store_write *next = w->next;

            disk.commits++;
            w->on_done(w, disk.fail_status);
            w = next;
        }
    } else {
        struct store_write *w = disk_take();

        disk.commits++;
        if (w->ops_len > 0) {
            ck_assert_uint_gt(u32be_load(w->ops[0].key.data + 1), disk.durable);
            disk.durable = u32be_load(w->ops[0].key.data + 1);
        }
        w->on_done(w, OK);
    }
}

/* A page of up to 16 rows behind |after|. */
static void disk_answer_read(void)
{
    struct store_read *r = disk.read;
    struct store_page *page = r->page;

    page->rows_len = 0;
    page->last = true;
    for (size_t i = 0; i < disk.rows_len; i++) {
        struct slice key = disk.rows[i].key;

        if (key.data[0] != r->prefix.data[0] ||
            (r->after.size > 0 &&
             memcmp(key.data, r->after.data, key.size) <= 0)) {
            continue;
        }
        if (page->rows_len == 16) {
            page->last = false;
            break;
        }
        page->rows[page->rows_len++] = disk.rows[i];
    }
    disk.read = NULL;
    (void)snprintf(r->errmsg, sizeof(r->errmsg), "the rows are gone");
    r->on_done(r, disk.read_status);
}

static void disk_turn(uv_idle_t *idle)
{
    if (!disk.stuck && disk.queue != NULL && rng_below(&rng, disk.lazy) == 0) {
        disk_answer_commit();
    }
    if (!disk.stuck && disk.read != NULL && rng_below(&rng, disk.lazy) == 0) {
        disk_answer_read();
    }
    if (disk.stuck || (disk.queue == NULL && disk.read == NULL)) {
        uv_idle_stop(idle);
    }
}

static void disk_add_row(char kind, unsigned number)
{
    uint8_t *key = disk.keys[disk.rows_len];

    ck_assert_uint_lt(disk.rows_len, ROWS_MAX);
    key[0] = (uint8_t)kind;
    key[1] = (uint8_t)(number >> 8);
    key[2] = (uint8_t)number;
    disk.rows[disk.rows_len].key = slice_of(key, 3);
    disk.rows[disk.rows_len].value = slice_str("value");
    disk.rows_len++;
}

/* --- A machine ----------------------------------------------------------- */

/* What a step does, as the one byte of its event. */
#define DO_BATCH 1U
#define DO_HELD  2U /* Two held actions. */
#define DO_NOW   4U
#define DO_READ  8U /* Of the rows 'R', once it is durable. */
#define DO_WAKE  16U
#define DO_FEED  32U /* The owner answers the held actions with events. */

struct logged {
    enum core_action_type type;
    unsigned step;
    bool now;
};

static struct {
    struct core_run *run;
    unsigned steps;                   /* Of events other than start and rows. */
    unsigned batch_before[STEPS_MAX]; /* The last batch up to a step. */
    unsigned batch;                   /* The last one. */
    unsigned row_pages, rows, starts, start_rows, wakes, others;
    bool start_done, rows_done, in_step;
    uint64_t wake_at, last_id;
    struct logged log[LOG_MAX];
    size_t log_len;
    int pause;
    unsigned pauses, halts, closed, started;
    bool feeding, close_in_act;
    unsigned fed;
} toy;

static void toy_batch(struct core_out *out)
{
    uint8_t key[5] = {'s'};

    toy.batch = toy.steps;
    key[1] = (uint8_t)(toy.steps >> 24);
    key[2] = (uint8_t)(toy.steps >> 16);
    key[3] = (uint8_t)(toy.steps >> 8);
    key[4] = (uint8_t)toy.steps;
    core_put(out, slice_of(key, sizeof(key)), slice_str("x"));
}

/* Actions carry the number of their step and which of them they are. */
static void toy_act(struct core_out *out, bool now, unsigned which)
{
    uint8_t bytes[4];

    u32le_store(bytes, toy.steps * 4 + which);
    core_act(out, which == 1 ? ACT_REPLY : ACT_SEND, toy.steps,
             slice_of(bytes, sizeof(bytes)))
        ->now = now;
}

static void toy_on_rows(const struct core_event *ev)
{
    if (ev->type == EV_START) {
        ck_assert(!toy.start_done);
        toy.starts++;
        toy.start_rows += (unsigned)ev->rows_len;
        toy.start_done = ev->status == 1;
    } else {
        toy.row_pages++;
        toy.rows += (unsigned)ev->rows_len;
        toy.rows_done = ev->status == 1;
    }
}

static void toy_step(void *machine,
                     const struct core_event *ev,
                     struct core_out *out)
{
    uint8_t what = ev->bytes.size > 0 ? ev->bytes.data[0] : 0;

    ck_assert_ptr_eq(machine, &toy);
    ck_assert(!toy.in_step);
    toy.in_step = true;
    if (ev->type == EV_START || ev->type == EV_ROWS) {
        toy_on_rows(ev);
        toy.in_step = false;
        return;
    }
    ck_assert(toy.start_done);
    ck_assert_uint_gt(ev->wall_ms, 1600000000000);
    toy.steps++;
    ck_assert_uint_lt(toy.steps, STEPS_MAX);
    if (ev->type == EV_WAKE) {
        toy.wakes++;
        ck_assert_uint_ge(ev->mono_ms, toy.wake_at);
    } else {
        ck_assert_uint_gt(ev->id, toy.last_id);
        toy.last_id = ev->id;
    }
    if ((what & DO_BATCH) != 0) {
        toy_batch(out);
    }
    toy.batch_before[toy.steps] = toy.batch;
    if ((what & DO_HELD) != 0) {
        toy_act(out, false, 0);
        toy_act(out, false, 1);
    }
    if ((what & DO_NOW) != 0) {
        toy_act(out, true, 2);
    }
    if ((what & DO_READ) != 0) {
        core_act(out, ACT_READ, ev->id, slice_str("R"));
    }
    if ((what & DO_WAKE) != 0) {
        out->wake_ms = toy.wake_at = ev->mono_ms + 3;
    }
    toy.feeding = (what & DO_FEED) != 0;
    toy.in_step = false;
}

/* --- An owner ------------------------------------------------------------ */

static int feed_type(enum core_event_type type, unsigned what)
{
    uint8_t byte = (uint8_t)what;

    return core_run_feed(toy.run,
                         &(struct core_event){.type = type,
                                              .id = ++toy.fed,
                                              .bytes = slice_of(&byte, 1)});
}

static int feed(unsigned what)
{
    return feed_type(EV_CHECKED, what);
}

/* The rule itself: what is held is carried out when its batch, and all before
 * it, are durable, and in order. */
static void on_act(enum core_action_type type, uint64_t id, struct slice bytes)
{
    uint32_t code = u32le_load(bytes.data);
    bool now = code % 4 == 2;

    ck_assert(!toy.in_step);
    ck_assert_uint_eq(bytes.size, 4);
    ck_assert_uint_eq(id, code / 4);
    ck_assert_uint_eq(toy.halts, 0);
    ck_assert_uint_eq(toy.closed, 0);
    if (now) {
        ck_assert_uint_eq(id, toy.steps);
    } else {
        static uint32_t before;

        before = toy.log_len == 0 ? 0 : before;
        ck_assert_uint_gt(code, before);
        before = code;
        ck_assert_uint_ge(disk.durable, toy.batch_before[id]);
    }
    ck_assert_uint_lt(toy.log_len, LOG_MAX);
    toy.log[toy.log_len++] =
        (struct logged){.type = type, .step = (unsigned)id, .now = now};
    if (toy.close_in_act) {
        core_run_close(toy.run, NULL, NULL);
    } else if (toy.feeding && !now) {
        ck_assert_int_eq(feed(DO_HELD), OK);
    }
}

static void on_send(void *arg, uint64_t id, struct slice bytes)
{
    ck_assert_ptr_eq(arg, &toy);
    on_act(ACT_SEND, id, bytes);
}

static void on_reply(void *arg, uint64_t id, struct slice bytes)
{
    ck_assert_ptr_eq(arg, &toy);
    on_act(ACT_REPLY, id, bytes);
}

static void on_pause(void *arg, int why)
{
    ck_assert_ptr_eq(arg, &toy);
    ck_assert_int_ne(why, toy.pause);
    toy.pause = why;
    toy.pauses++;
}

static void on_halt(void *arg, const char *text)
{
    ck_assert_ptr_eq(arg, &toy);
    ck_assert(strstr(text, "says no") != NULL || strstr(text, "gone") != NULL);
    toy.halts++;
}

static void on_started(void *arg)
{
    ck_assert_ptr_eq(arg, &toy);
    ck_assert(toy.start_done);
    toy.started++;
}

static void on_closed(void *arg)
{
    ck_assert_ptr_eq(arg, &toy);
    toy.closed++;
}

static void setup(void)
{
    static const uint8_t seed[RNG_SEED_SIZE] = {3};

    memset(&toy, 0, sizeof(toy));
    memset(&disk, 0, sizeof(disk));
    rng_init_seed(&rng, seed);
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    disk.loop = &loop;
    disk.lazy = 1;
    disk.queue_end = &disk.queue;
    (void)uv_idle_init(&loop, &disk.idle);
}

static void turn(void)
{
    (void)uv_run(&loop, UV_RUN_DEFAULT);
}

static void start_with(const struct slice *starts, size_t starts_len)
{
    struct core_run_config config = {.loop = &loop,
                                     .store = &disk,
                                     .step = toy_step,
                                     .machine = &toy,
                                     .starts = starts,
                                     .starts_len = starts_len,
                                     .send = on_send,
                                     .reply = on_reply,
                                     .on_started = on_started,
                                     .on_pause = on_pause,
                                     .on_halt = on_halt,
                                     .arg = &toy};

    ck_assert_int_eq(core_run_start(&toy.run, &config), OK);
}

static void start(void)
{
    start_with(NULL, 0);
    turn();
    ck_assert(toy.start_done);
    ck_assert_uint_eq(toy.started, 1);
}

static void finish(void)
{
    core_run_close(toy.run, on_closed, &toy);
    ck_assert_uint_eq(toy.closed, 0);
    disk.stuck = false;
    disk_wake();
    turn();
    ck_assert_uint_eq(toy.closed, 1);
    uv_close((uv_handle_t *)&disk.idle, NULL);
    turn();
    ck_assert_int_eq(uv_loop_close(&loop), 0);
}

/* --- Tests --------------------------------------------------------------- */

/* Nothing to be durable, nothing to wait for. */
START_TEST(test_core_run_step_without_batch_acts_at_once)
{
    start();
    ck_assert_int_eq(feed(DO_HELD | DO_NOW), OK);
    ck_assert_uint_eq(toy.log_len, 3);
    ck_assert(toy.log[0].now);
    ck_assert(core_run_is_idle(toy.run));
    finish();
}
END_TEST

/* A held action waits for the disk, and one marked now does not. */
START_TEST(test_core_run_held_waits_and_now_does_not)
{
    start();
    disk.stuck = true;
    ck_assert_int_eq(feed(DO_BATCH | DO_HELD | DO_NOW), OK);
    turn();
    ck_assert_uint_eq(toy.log_len, 1);
    ck_assert(toy.log[0].now);
    ck_assert(!core_run_is_idle(toy.run));
    disk.stuck = false;
    disk_wake();
    turn();
    ck_assert_uint_eq(toy.log_len, 3);
    ck_assert_int_eq(toy.log[1].type, ACT_SEND);
    ck_assert_int_eq(toy.log[2].type, ACT_REPLY);
    ck_assert(core_run_is_idle(toy.run));
    finish();
}
END_TEST

/* A step without a batch does not overtake one whose batch is on its way. */
START_TEST(test_core_run_step_without_batch_waits_its_turn)
{
    start();
    disk.stuck = true;
    ck_assert_int_eq(feed(DO_BATCH | DO_HELD), OK);
    ck_assert_int_eq(feed(DO_HELD), OK);
    turn();
    ck_assert_uint_eq(toy.steps, 2);
    ck_assert_uint_eq(toy.log_len, 0);
    disk.stuck = false;
    disk_wake();
    turn();
    ck_assert_uint_eq(toy.log_len, 4);
    finish();
}
END_TEST

static void turn_some(void)
{
    for (unsigned i = 0; i < 20; i++) {
        (void)uv_run(&loop, UV_RUN_NOWAIT);
    }
}

/* What nobody waits for goes with what somebody waits for, and before it. */
START_TEST(test_core_run_steps_without_acts_are_gathered)
{
    start();
    ck_assert_int_eq(feed(DO_BATCH), OK);
    ck_assert_int_eq(feed(DO_BATCH | DO_NOW), OK);
    ck_assert_ptr_null(disk.queue);
    ck_assert(!core_run_is_idle(toy.run));
    ck_assert_int_eq(feed(DO_BATCH | DO_HELD), OK);
    ck_assert_ptr_nonnull(disk.queue);
    turn_some();
    ck_assert_uint_eq(disk.commits, 3);
    ck_assert_uint_eq(toy.log_len, 3);
    ck_assert(core_run_is_idle(toy.run));
    finish();
}
END_TEST

/* An action may speak of what was gathered, also without a batch. */
START_TEST(test_core_run_what_is_gathered_comes_first)
{
    start();
    ck_assert_int_eq(feed(DO_BATCH), OK);
    ck_assert_int_eq(feed(DO_HELD), OK);
    ck_assert_uint_eq(toy.log_len, 0);
    turn_some();
    ck_assert_uint_eq(disk.durable, 1);
    ck_assert_uint_eq(toy.log_len, 2);
    finish();
}
END_TEST

/* It does not wait for ever, nor without bound. */
START_TEST(test_core_run_gathers_for_a_while)
{
    start();
    ck_assert_int_eq(feed(DO_BATCH), OK);
    turn();
    ck_assert_uint_eq(disk.durable, 1);
    ck_assert(core_run_is_idle(toy.run));
    disk.stuck = true;
    for (unsigned i = 0; i < CORE_RUN_STEPS_MAX / 2 - 1; i++) {
        ck_assert_int_eq(feed(DO_BATCH), OK);
    }
    ck_assert_ptr_null(disk.queue);
    ck_assert_int_eq(feed(DO_BATCH), OK);
    ck_assert_ptr_nonnull(disk.queue);
    disk.stuck = false;
    disk_wake();
    turn();
    ck_assert_uint_eq(disk.durable, CORE_RUN_STEPS_MAX / 2 + 1);
    finish();
}
END_TEST

/* Who ends has written what was gathered. */
START_TEST(test_core_run_close_writes_what_is_gathered)
{
    start();
    ck_assert_int_eq(feed(DO_BATCH), OK);
    ck_assert_int_eq(feed(DO_BATCH), OK);
    finish();
    ck_assert_uint_eq(disk.durable, 2);
}
END_TEST

/* A full disk: what was gathered does not overtake what is tried again. */
START_TEST(test_core_run_full_disk_keeps_what_is_gathered)
{
    start();
    disk.fail_at = 1;
    disk.fail_status = ERR_FULL;
    ck_assert_int_eq(feed(DO_BATCH | DO_HELD), OK);
    ck_assert_int_eq(feed(DO_BATCH), OK);
    turn(); /* disk_answer_commit() checks the order. */
    ck_assert_int_eq(disk.fail_at, 0);
    ck_assert_uint_eq(disk.durable, 2);
    ck_assert_uint_eq(toy.log_len, 2);
    finish();
}
END_TEST

/* Who ends while the disk is full, or halts, leaves it: what goes before it is
 * not there either. */
START_TEST(test_core_run_what_is_gathered_may_go)
{
    start();
    disk.fail_at = 1;
    disk.fail_status = _i == 0 ? ERR_FULL : ERR_IO;
    ck_assert_int_eq(feed(DO_BATCH | DO_HELD), OK);
    ck_assert_int_eq(feed(DO_BATCH), OK);
    while (disk.commits == 0) {
        (void)uv_run(&loop, UV_RUN_NOWAIT);
    }
    if (_i == 1) {
        turn();
        ck_assert_uint_eq(toy.halts, 1);
    }
    finish();
    ck_assert_uint_eq(disk.commits, 1);
    ck_assert_uint_eq(disk.durable, 0);
    ck_assert_uint_eq(toy.log_len, 0);
}
END_TEST

/* Whatever steps there are and however slow the disk is, order holds; the rule
 * is checked in on_act(). The loop index is the seed. */
START_TEST(test_core_run_any_history)
{
    uint8_t seed[RNG_SEED_SIZE] = {(uint8_t)_i, 99};
    unsigned held = 0;
    unsigned nows = 0;

    rng_init_seed(&rng, seed);
    disk.lazy = 1 + (unsigned)rng_below(&rng, 8);
    start();
    for (unsigned i = 0; i < 400; i++) {
        unsigned what = (unsigned)rng_below(&rng, 8);

        held += (what & DO_HELD) != 0 ? 2 : 0;
        nows += (what & DO_NOW) != 0 ? 1 : 0;
        ck_assert_int_eq(feed(what), OK);
        for (uint64_t n = rng_below(&rng, 4); n > 0; n--) {
            (void)uv_run(&loop, UV_RUN_NOWAIT);
        }
    }
    turn();
    ck_assert_uint_eq(toy.steps, 400);
    ck_assert_uint_eq(toy.log_len, held + nows);
    ck_assert(core_run_is_idle(toy.run));
    finish();
}
END_TEST

/* Events that come out of an action wait until that is over: steps do not
 * nest, and what a step still holds goes before what follows from it. */
START_TEST(test_core_run_events_from_actions_wait)
{
    start();
    ck_assert_int_eq(feed(DO_BATCH | DO_HELD | DO_FEED), OK);
    turn();
    ck_assert_uint_eq(toy.steps, 3);
    ck_assert_uint_eq(toy.log_len, 6);
    ck_assert_uint_eq(toy.log[1].step, 1);
    finish();
}
END_TEST

/* A failed sync: the machine is over, and what it held is never said. */
START_TEST(test_core_run_failed_sync_halts)
{
    start();
    disk.fail_at = 3;
    disk.fail_status = ERR_IO;
    disk.stuck = true;
    for (unsigned i = 0; i < 6; i++) {
        ck_assert_int_eq(feed(DO_BATCH | DO_HELD), OK);
    }
    disk.stuck = false;
    disk_wake();
    turn();
    ck_assert_uint_eq(toy.log_len, 4); /* on_act() refuses any after that. */
    ck_assert_uint_eq(toy.halts, 1);
    ck_assert_uint_eq(toy.steps, 6);
    ck_assert_int_eq(feed(DO_HELD), ERR_ORDER);
    ck_assert_uint_eq(toy.steps, 6);
    finish();
}
END_TEST

/* The machine's clock stands still with it. */
START_TEST(test_core_run_halted_is_not_woken)
{
    start();
    disk.fail_at = 1;
    disk.fail_status = ERR_IO;
    ck_assert_int_eq(feed(DO_BATCH | DO_HELD | DO_WAKE), OK);
    turn();
    ck_assert_uint_eq(toy.halts, 1);
    ck_assert_uint_eq(toy.wakes, 0);
    finish();
}
END_TEST

/* A full disk: nothing is said, nothing is lost, and it goes on by itself. */
START_TEST(test_core_run_full_disk_is_tried_again)
{
    start();
    disk.fail_at = 2;
    disk.fail_status = ERR_FULL;
    disk.stuck = true;
    for (unsigned i = 0; i < 4; i++) {
        ck_assert_int_eq(feed(DO_BATCH | DO_HELD), OK);
    }
    disk.stuck = false;
    disk_wake();
    while (disk.fail_at != 0) {
        (void)uv_run(&loop, UV_RUN_NOWAIT);
    }
    ck_assert_uint_eq(toy.log_len, 2);
    ck_assert_int_eq(toy.pause, ERR_FULL);
    ck_assert_int_eq(feed(DO_BATCH | DO_HELD), OK);
    ck_assert_uint_eq(toy.steps, 4); /* It waits. */
    turn();
    ck_assert_uint_eq(toy.log_len, 10);
    ck_assert_uint_eq(toy.steps, 5);
    ck_assert_int_eq(toy.pause, OK);
    ck_assert_uint_eq(toy.halts, 0);
    finish();
}
END_TEST

/* Too many steps before a slow disk: the machine stands, the owner is told,
 * messages are refused at a bound, and answers never. */
START_TEST(test_core_run_slow_disk_is_a_bound)
{
    unsigned taken = 0;

    start();
    disk.stuck = true;
    while (toy.pause == OK) {
        ck_assert_int_eq(feed_type(EV_MSG, DO_BATCH | DO_HELD), OK);
    }
    ck_assert_int_eq(toy.pause, ERR_BUSY);
    ck_assert_uint_eq(toy.steps, CORE_RUN_STEPS_MAX);
    while (feed_type(EV_MSG, DO_HELD) == OK) {
        taken++;
    }
    toy.fed--; /* The last was not taken. */
    ck_assert_uint_eq(taken, CORE_RUN_EVENTS_MAX);
    ck_assert_int_eq(feed_type(EV_CLIENT, DO_HELD), ERR_FULL);
    toy.fed--;
    ck_assert_int_eq(feed_type(EV_LINK, DO_HELD), OK);
    ck_assert_uint_eq(toy.steps, CORE_RUN_STEPS_MAX);
    disk.stuck = false;
    disk_wake();
    turn();
    ck_assert_uint_eq(toy.steps, CORE_RUN_STEPS_MAX + taken + 1);
    ck_assert_uint_eq(toy.log_len, (size_t)2 * toy.steps);
    ck_assert_int_eq(toy.pause, OK);
    ck_assert(core_run_is_idle(toy.run));
    finish();
}
END_TEST

/* The machine has all its rows, of all prefixes, before anything else. */
START_TEST(test_core_run_start_comes_in_pages)
{
    const struct slice starts[] = {slice_str("A"), slice_str("B"),
                                   slice_str("C"), slice_str("D")};

    for (unsigned i = 0; i < 40; i++) {
        disk_add_row('A', i);
    }
    for (unsigned i = 0; i < 300; i++) {
        disk_add_row('C', i);
    }
    disk_add_row('X', 0);
    start_with(starts, 4);
    ck_assert_int_eq(feed(DO_HELD), OK);
    ck_assert_uint_eq(toy.steps, 0);
    turn();
    ck_assert(toy.start_done);
    ck_assert_uint_eq(toy.start_rows, 340);
    /* 3 and 19 pages, nothing for B, and D's, for it ends the start. */
    ck_assert_uint_eq(toy.starts, 23);
    ck_assert_uint_eq(toy.started, 1);
    ck_assert_uint_eq(toy.steps, 1);
    finish();
}
END_TEST

/* A read is answered page by page, behind its step's batch. */
START_TEST(test_core_run_reads_come_in_pages)
{
    for (unsigned i = 0; i < 100; i++) {
        disk_add_row('R', i);
    }
    start();
    disk.stuck = true;
    ck_assert_int_eq(feed(DO_BATCH | DO_READ), OK);
    ck_assert_ptr_null(disk.read);
    ck_assert_int_eq(feed(DO_READ), OK);
    disk.stuck = false;
    disk_wake();
    turn();
    ck_assert_uint_eq(toy.row_pages, 14);
    ck_assert_uint_eq(toy.rows, 200);
    ck_assert(toy.rows_done);
    ck_assert(core_run_is_idle(toy.run));
    finish();
}
END_TEST

/* A machine that asks for more and more rows hears of nothing else. */
START_TEST(test_core_run_reads_are_bounded)
{
    start();
    disk.stuck = true;
    for (unsigned i = 0; i < CORE_RUN_READS_MAX + 10; i++) {
        ck_assert_int_eq(feed(DO_READ), OK);
    }
    ck_assert_uint_eq(toy.steps, CORE_RUN_READS_MAX);
    ck_assert_int_eq(toy.pause, ERR_BUSY);
    disk.stuck = false;
    disk_wake();
    turn();
    ck_assert_uint_eq(toy.steps, CORE_RUN_READS_MAX + 10);
    ck_assert_uint_eq(toy.row_pages, CORE_RUN_READS_MAX + 10);
    ck_assert_int_eq(toy.pause, OK);
    finish();
}
END_TEST

/* Rows that cannot be read are no empty catalogue. */
START_TEST(test_core_run_unreadable_rows_halt)
{
    const struct slice starts[] = {slice_str("A")};

    disk.read_status = ERR_IO;
    start_with(starts, 1);
    turn();
    ck_assert_uint_eq(toy.halts, 1);
    ck_assert_uint_eq(toy.starts, 0);
    ck_assert_uint_eq(toy.started, 0);
    finish();
}
END_TEST

/* The machine is woken at its time, and once. */
START_TEST(test_core_run_wakes_once)
{
    start();
    ck_assert_int_eq(feed(DO_WAKE), OK);
    turn();
    ck_assert_uint_eq(toy.wakes, 1);
    ck_assert_int_eq(feed(DO_WAKE), OK);
    ck_assert_int_eq(feed(0), OK); /* And this step wants no timer. */
    turn();
    ck_assert_uint_eq(toy.wakes, 1);
    finish();
}
END_TEST

/* After a close the disk still answers, but nothing is said any more. */
START_TEST(test_core_run_close_is_silent)
{
    start();
    disk.stuck = true;
    ck_assert_int_eq(feed(DO_BATCH | DO_HELD), OK);
    ck_assert_int_eq(feed(DO_BATCH | DO_HELD), OK);
    finish();
    ck_assert_uint_eq(toy.log_len, 0);
}
END_TEST

/* The owner may close in an action; the actions behind it are not done. */
START_TEST(test_core_run_close_in_an_action)
{
    start();
    toy.close_in_act = true;
    ck_assert_int_eq(feed(DO_BATCH | DO_HELD), OK);
    ck_assert_int_eq(feed(DO_HELD), OK);
    turn();
    ck_assert_uint_eq(toy.log_len, 1);
    uv_close((uv_handle_t *)&disk.idle, NULL);
    turn();
    ck_assert_int_eq(uv_loop_close(&loop), 0);
}
END_TEST

Suite *suite_make(void)
{
    Suite *suite = suite_create("core_run");
    TCase *tc = tcase_create("core_run");

    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_core_run_step_without_batch_acts_at_once);
    tcase_add_test(tc, test_core_run_held_waits_and_now_does_not);
    tcase_add_test(tc, test_core_run_step_without_batch_waits_its_turn);
    tcase_add_test(tc, test_core_run_steps_without_acts_are_gathered);
    tcase_add_test(tc, test_core_run_what_is_gathered_comes_first);
    tcase_add_test(tc, test_core_run_gathers_for_a_while);
    tcase_add_test(tc, test_core_run_close_writes_what_is_gathered);
    tcase_add_test(tc, test_core_run_full_disk_keeps_what_is_gathered);
    tcase_add_loop_test(tc, test_core_run_what_is_gathered_may_go, 0, 2);
    tcase_add_loop_test(tc, test_core_run_any_history, 0, 30);
    tcase_add_test(tc, test_core_run_events_from_actions_wait);
    tcase_add_test(tc, test_core_run_failed_sync_halts);
    tcase_add_test(tc, test_core_run_halted_is_not_woken);
    tcase_add_test(tc, test_core_run_full_disk_is_tried_again);
    tcase_add_test(tc, test_core_run_slow_disk_is_a_bound);
    tcase_add_test(tc, test_core_run_start_comes_in_pages);
    tcase_add_test(tc, test_core_run_reads_come_in_pages);
    tcase_add_test(tc, test_core_run_reads_are_bounded);
    tcase_add_test(tc, test_core_run_unreadable_rows_halt);
    tcase_add_test(tc, test_core_run_wakes_once);
    tcase_add_test(tc, test_core_run_close_is_silent);
    tcase_add_test(tc, test_core_run_close_in_an_action);
    suite_add_tcase(suite, tc);
    return suite;
}
