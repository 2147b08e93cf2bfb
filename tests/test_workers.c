#include <stdatomic.h>

#include "node/mover/workers.h"
#include "tests/suite.h"

#define ITEMS_MAX 4000U

/* A pool on a loop of its own, and what becomes of each item. */
static uv_loop_t loop;
static struct workers *workers;
static uv_thread_t loop_thread;

struct item {
    struct work work;
    unsigned number;
    atomic_uint runs;
    unsigned dones;
};

static struct item items[ITEMS_MAX];
static unsigned submitted, done, wanted;
static bool closed;

static void start(unsigned threads)
{
    loop_thread = uv_thread_self();
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    ck_assert_int_eq(workers_new(&workers, &loop, threads), OK);
}

static void on_closed(void *arg)
{
    ck_assert_ptr_eq(arg, &closed);
    closed = true;
}

static void finish(void)
{
    workers_close(workers, on_closed, &closed);
    ck_assert(!closed);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert(closed);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
}

/* On a worker: its status is the item's number, negated. */
static int item_run(void *arg)
{
    struct item *item = arg;
    uv_thread_t self = uv_thread_self();

    if (uv_thread_equal(&self, &loop_thread)) {
        return 1;
    }
    atomic_fetch_add(&item->runs, 1);
    return -(int)item->number;
}

static void submit_next(void);

static void item_done(struct work *w, int status)
{
    struct item *item = w->arg;
    uv_thread_t self = uv_thread_self();

    ck_assert(uv_thread_equal(&self, &loop_thread));
    ck_assert_ptr_eq(&item->work, w);
    ck_assert_int_eq(status, -(int)item->number);
    ck_assert_uint_eq(atomic_load(&item->runs), 1);
    item->dones++;
    done++;
    /* The item is ours again, and may be used for other things. */
    memset(w, 0xdd, sizeof(*w));
    submit_next();
    if (done % 3 == 0) {
        submit_next();
    }
}

static void submit_next(void)
{
    struct item *item;

    if (submitted == wanted) {
        return;
    }
    item = &items[submitted];
    item->number = submitted++;
    item->work = (struct work){.run = item_run, .done = item_done, .arg = item};
    workers_submit(workers, &item->work);
}

static void all_are_done_once(void)
{
    ck_assert_uint_eq(done, wanted);
    for (unsigned i = 0; i < wanted; i++) {
        ck_assert_uint_eq(items[i].dones, 1);
    }
}

/* All at once, with more threads than processors: each item runs once on a
 * worker and is done once on the loop, which then has nothing to wait for. */
START_TEST(test_workers_all_at_once)
{
    start(1 + (unsigned)_i * 3);
    wanted = ITEMS_MAX;
    while (submitted < wanted) {
        submit_next();
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    all_are_done_once();
    finish();
}
END_TEST

/* Work that is submitted as other work is done keeps the loop going. */
START_TEST(test_workers_submit_from_done)
{
    start(2);
    wanted = ITEMS_MAX;
    submit_next();
    uv_run(&loop, UV_RUN_DEFAULT);
    all_are_done_once();
    finish();
}
END_TEST

/* The loop ends while the pool is idle, and the pool is as good as new when it
 * is used again. */
START_TEST(test_workers_idle)
{
    start(3);
    uv_run(&loop, UV_RUN_DEFAULT);
    for (wanted = 1; wanted <= 50; wanted++) {
        submit_next();
        uv_run(&loop, UV_RUN_DEFAULT);
        ck_assert_uint_eq(done, wanted);
    }
    finish();
}
END_TEST

static void done_and_close(struct work *w, int status)
{
    (void)w;
    ck_assert_int_eq(status, 0);
    done++;
    workers_close(workers, on_closed, &closed);
}

/* The last item may close the pool. */
START_TEST(test_workers_close_from_done)
{
    start(4);
    items[0].work = (struct work){
        .run = item_run, .done = done_and_close, .arg = &items[0]};
    workers_submit(workers, &items[0].work);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_uint_eq(done, 1);
    ck_assert(closed);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("workers");
    TCase *tc = tcase_create("workers");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, test_workers_all_at_once, 0, 3);
    tcase_add_test(tc, test_workers_submit_from_done);
    tcase_add_test(tc, test_workers_idle);
    tcase_add_test(tc, test_workers_close_from_done);
    suite_add_tcase(s, tc);
    return s;
}
