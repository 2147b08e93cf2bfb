
#include "node/mover/mover_run.h"
#include "tests/suite.h"

#define STREAMS     4U
#define ROUNDS      200U
#define BUFFER_SIZE 5000U

/* A mover that is a toy: it reads a piece, works on it, sends it to every
 * stream, flushes these, notes it, and so on for |rounds|. It checks the
 * driver's answers. */
static struct toy {
    uint64_t round, rounds;
    uint32_t buf;
    uint8_t *mem;
    unsigned pending;
    uint64_t now_ms;
    bool ended;
    int status;
} toy;

static uv_loop_t loop;
static struct workers *workers;
static struct mover_run *run;
static struct mover_run_config config;

/* What the driver's streams did, each on its turn. */
struct test_stream {
    struct mover_blocking base;
    uint64_t reads, sends, flushes, notes;
    unsigned at_once; /* Operations under way: never more than one. */
    int fail;         /* Status of the next operation. */
};

static struct test_stream source, notes, streams[STREAMS];
static struct mover_stream immediate; /* Answers in submit(). */
static struct mover_stream *by_number[STREAMS];
static unsigned steps, ends, progresses, wakes;
static uint64_t cancel_at, lose_at; /* Progress, or 0. */
static uint32_t lost;

static int toy_work(void *arg)
{
    struct toy *t = arg;

    for (size_t i = 0; i < BUFFER_SIZE; i++) {
        t->mem[i] ^= 0xff;
    }
    return OK;
}

static struct mover_action *ask(struct mover_out *out,
                                enum mover_action_type type)
{
    toy.pending++;
    return mover_act(out, type);
}

static void toy_take(void *arg, struct slice tile)
{
    ck_assert_ptr_eq(arg, &toy);
    ck_assert_ptr_eq(tile.data, toy.mem);
}

static void toy_read(struct mover_out *out)
{
    struct mover_action *a = ask(out, MV_READ_AT);

    a->stream = MOVER_SOURCE;
    a->id = toy.round;
    a->off = toy.round * BUFFER_SIZE;
    a->len = BUFFER_SIZE;
    a->mem = toy.mem;
    a->take = toy_take;
    a->arg = &toy;
}

static void toy_spread(struct mover_out *out)
{
    for (uint32_t i = 0; i < STREAMS; i++) {
        struct mover_action *a = ask(out, MV_SEND);

        a->stream = i;
        a->id = toy.round;
        a->off = toy.round * BUFFER_SIZE;
        a->bytes = slice_of(toy.mem, BUFFER_SIZE);
        ask(out, MV_FLUSH)->stream = i;
    }
}

static void toy_next(const struct mover_event *ev, struct mover_out *out)
{
    struct mover_action *a;

    switch (ev->type) {
    case MV_START:
        ask(out, MV_GET_BUF);
        break;
    case MV_BUF:
        ck_assert_uint_eq(ev->len, BUFFER_SIZE);
        ck_assert_uint_eq((uintptr_t)ev->mem % 4096, 0);
        toy.mem = ev->mem;
        toy.buf = ev->buf;
        toy_read(out);
        break;
    case MV_READ:
        a = ask(out, MV_WORK);
        a->id = toy.round;
        a->work = toy_work;
        a->arg = &toy;
        break;
    case MV_WORKED:
        ck_assert_uint_eq(toy.mem[0], (uint8_t)~toy.round);
        toy_spread(out);
        break;
    case MV_SENT:
        ck_assert_uint_eq(ev->off, toy.round * BUFFER_SIZE);
        break;
    case MV_DURABLE:
        ck_assert_uint_eq(ev->off, (toy.round + 1) * BUFFER_SIZE);
        if (toy.pending == 0) {
            ask(out, MV_NOTE)->id = toy.round;
        }
        break;
    case MV_NOTED:
        a = mover_act(out, MV_PROGRESS);
        a->off = ++toy.round;
        a->len = toy.rounds;
        if (toy.round < toy.rounds) {
            toy_read(out);
        }
        break;
    case MV_LOST:
        lost |= UINT32_C(1) << ev->stream;
        break;
    case MV_WAKE:
    case MV_CANCEL:
        break;
    }
}

static void toy_step(void *mover,
                     const struct mover_event *ev,
                     struct mover_out *out)
{
    ck_assert_ptr_eq(mover, &toy);
    ck_assert(!toy.ended);
    steps++;
    ck_assert_uint_ge(ev->mono_ms, toy.now_ms);
    toy.now_ms = ev->mono_ms;
    out->len = 0;
    if (ev->type == MV_CANCEL) {
        toy.status = ERR_CANCELED;
    } else if (ev->type != MV_START && ev->type != MV_LOST) {
        toy.pending--;
    }
    if (toy.status == OK) {
        toy.status = ev->status;
    }
    if (toy.status == OK) {
        toy_next(ev, out);
    }
    if (toy.pending == 0) {
        if (toy.mem != NULL) {
            mover_act(out, MV_PUT_BUF)->buf = toy.buf;
        }
        mover_act(out, MV_END)->status = toy.status;
        toy.ended = true;
    }
}

static void execute(struct mover_blocking *b, struct mover_op *op)
{
    struct test_stream *s = (struct test_stream *)b;

    ck_assert_uint_eq(s->at_once++, 0);
    op->status = s->fail;
    switch (op->type) {
    case MV_READ_AT:
        ck_assert_uint_eq(op->id, s->reads++);
        memset(op->mem, (int)op->id, op->len);
        op->take(op->arg, slice_of(op->mem, op->len));
        break;
    case MV_SEND:
        ck_assert_uint_eq(op->id, s->sends++);
        ck_assert_uint_eq(op->bytes.data[op->bytes.size - 1], (uint8_t)~op->id);
        break;
    case MV_FLUSH:
        ck_assert_uint_eq(s->flushes++, s->sends - 1);
        op->durable = s->sends * BUFFER_SIZE;
        break;
    case MV_NOTE:
        ck_assert_uint_eq(op->id, s->notes++);
        break;
    case MV_GET_BUF:
    case MV_PUT_BUF:
    case MV_WORK:
    case MV_PROGRESS:
    case MV_DROP:
    case MV_SLOW:
    case MV_WAKE_AT:
    case MV_END:
        ck_abort_msg("not for a stream");
    }
    s->at_once--;
}

/* A stream whose answers come before submit() returns: the mover learns of
 * them later, when its actions have all been carried out. */
static void submit_at_once(struct mover_stream *stream, struct mover_op *op)
{
    unsigned before = steps;

    (void)stream;
    op->durable = (toy.round + 1) * BUFFER_SIZE;
    mover_op_done(op);
    ck_assert_uint_eq(steps, before);
}

static void on_progress(void *arg, uint64_t off, uint64_t total)
{
    ck_assert_ptr_eq(arg, &config);
    ck_assert_uint_eq(off, ++progresses);
    ck_assert_uint_eq(total, toy.rounds);
    if (off == cancel_at) {
        mover_run_cancel(run); /* In the middle of a step. */
    }
    if (off == lose_at) {
        mover_run_lost(run, 2);
        ck_assert_uint_eq(lost, 0);
    }
}

static void on_end(void *arg, int status)
{
    ck_assert_ptr_eq(arg, &config);
    ck_assert(toy.ended);
    ck_assert_int_eq(status, toy.status);
    ends++;
    run = NULL;
}

static void start(uint64_t rounds)
{
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    ck_assert_int_eq(workers_new(&workers, &loop, 2), OK);
    mover_blocking_init(&source.base, MOVER_SOURCE, &loop, execute);
    mover_blocking_init(&notes.base, 0, &loop, execute);
    for (uint32_t i = 0; i < STREAMS; i++) {
        mover_blocking_init(&streams[i].base, i, &loop, execute);
        by_number[i] = &streams[i].base.base;
    }
    toy.rounds = rounds;
    config = (struct mover_run_config){.loop = &loop,
                                       .workers = workers,
                                       .step = toy_step,
                                       .mover = &toy,
                                       .source = &source.base.base,
                                       .notes = &notes.base.base,
                                       .streams = by_number,
                                       .streams_len = STREAMS,
                                       .buffer_size = BUFFER_SIZE,
                                       .buffers_len = 1,
                                       .on_progress = on_progress,
                                       .on_end = on_end,
                                       .arg = &config};
}

/* Run to the end; everything that was made is given back. */
static void ends_with(int status)
{
    ck_assert_int_eq(mover_run_start(&run, &config), OK);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_uint_eq(ends, 1);
    ck_assert_int_eq(toy.status, status);
    ck_assert_ptr_null(run);
    workers_close(workers, NULL, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
}

/* Every action is carried out and answered, in order on each stream. */
START_TEST(test_mover_run_to_the_end)
{
    start(ROUNDS);
    ends_with(OK);
    ck_assert_uint_eq(progresses, ROUNDS);
    ck_assert_uint_eq(source.reads, ROUNDS);
    ck_assert_uint_eq(notes.notes, ROUNDS);
    for (uint32_t i = 0; i < STREAMS; i++) {
        ck_assert_uint_eq(streams[i].flushes, ROUNDS);
    }
}
END_TEST

/* Streams may answer while they are asked; the mover's step is not entered
 * from within. */
START_TEST(test_mover_run_answers_at_once)
{
    start(ROUNDS);
    immediate.submit = submit_at_once;
    for (uint32_t i = 0; i < STREAMS; i++) {
        by_number[i] = &immediate;
    }
    config.notes = &immediate;
    ends_with(OK);
    ck_assert_uint_eq(progresses, ROUNDS);
}
END_TEST

/* What a stream reports reaches the mover. */
START_TEST(test_mover_run_errors)
{
    struct test_stream *failing[] = {&source, &notes, &streams[2]};

    start(ROUNDS);
    failing[_i]->fail = ERR_FULL;
    ends_with(ERR_FULL);
    ck_assert_uint_eq(progresses, 0);
}
END_TEST

/* Canceled from inside a callback: what is under way is waited for. */
START_TEST(test_mover_run_cancel)
{
    start(ROUNDS);
    cancel_at = 10;
    ends_with(ERR_CANCELED);
    ck_assert_uint_eq(progresses, 10);
}
END_TEST

/* The mover learns of a stream that is lost. */
START_TEST(test_mover_run_lost)
{
    start(ROUNDS);
    lose_at = 10;
    ends_with(OK);
    ck_assert_uint_eq(lost, 1U << 2);
}
END_TEST

/* A mover that ends in its first step, before mover_run_start() returns. */
START_TEST(test_mover_run_ends_at_once)
{
    start(0);
    toy.status = ERR_ORDER;
    ends_with(ERR_ORDER);
}
END_TEST

static void step_wakes(void *mover,
                       const struct mover_event *ev,
                       struct mover_out *out)
{
    (void)mover;
    out->len = 0;
    if (ev->type == MV_START) {
        mover_act(out, MV_WAKE_AT)->off = ev->mono_ms + 3600000;
        mover_act(out, MV_WAKE_AT)->off = ev->mono_ms + 2;
        return;
    }
    ck_assert_int_eq(ev->type, MV_WAKE);
    if (++wakes < 3) {
        mover_act(out, MV_WAKE_AT)->off = 0;
        return;
    }
    mover_act(out, MV_WAKE_AT)->off = ev->mono_ms + 3600000;
    mover_act(out, MV_END);
    toy.ended = true;
}

/* One timer, replaced by the next; times that have passed come at once, and
 * none outlives the mover. */
START_TEST(test_mover_run_timer)
{
    start(0);
    config.step = step_wakes;
    ends_with(OK);
    ck_assert_uint_eq(wakes, 3);
}
END_TEST

/* Buffers that cannot be had are an error, and nothing was started. */
START_TEST(test_mover_run_no_memory)
{
    start(1);
    config.buffer_size = SIZE_MAX / 4096 / 2 * 4096;
    ck_assert_int_eq(mover_run_start(&run, &config), ERR_NOMEM);
    ck_assert_uint_eq(ends, 0);
    config.buffer_size = BUFFER_SIZE;
    ends_with(OK);
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("mover_run");
    TCase *tc = tcase_create("mover_run");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_mover_run_to_the_end);
    tcase_add_test(tc, test_mover_run_answers_at_once);
    tcase_add_loop_test(tc, test_mover_run_errors, 0, 3);
    tcase_add_test(tc, test_mover_run_cancel);
    tcase_add_test(tc, test_mover_run_lost);
    tcase_add_test(tc, test_mover_run_ends_at_once);
    tcase_add_test(tc, test_mover_run_timer);
    tcase_add_test(tc, test_mover_run_no_memory);
    suite_add_tcase(s, tc);
    return s;
}
