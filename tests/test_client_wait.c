#include "node/client/client_private.h"
#include "tests/suite.h"

/* client_wait() alone: a machine whose state is a flag, which a timer sets. And
 * a job that nothing but its cancelling ends. */

static struct job job;
static struct client *client;
static uv_timer_t timer;
static uv_prepare_t prepare;
static uv_idle_t other;
static unsigned idled;
static bool ended;
/* Once all is over: rounds of the loop, and whether the first would sleep. */
static unsigned rounds, slept;

static bool has_ended(void *arg)
{
    (void)arg;
    return ended;
}

static void on_timer(uv_timer_t *handle)
{
    (void)handle;
    ended = true;
}

static void step(void *machine,
                 const struct core_event *ev,
                 struct core_out *out)
{
    (void)machine;
    (void)ev;
    (void)out;
    ended = true;
}

/* The machine steps right before the loop sleeps: in its second round, for in
 * the first it only looks for Ctrl-C. */
static void on_step(uv_idle_t *handle)
{
    static const struct core_event ev = {.type = EV_WAKE};
    struct core_out out;

    if (++idled == 2) {
        (void)uv_idle_stop(handle);
        client_step(client, &ev, &out);
    }
}

/* So that a sleep does not last. */
static void on_other(uv_idle_t *handle)
{
    (void)uv_idle_stop(handle);
}

/* Right before the loop sleeps, if it does. */
static void on_prepare(uv_prepare_t *handle)
{
    if (!ended) {
        return;
    }
    rounds++;
    if (rounds == 1 && uv_backend_timeout(handle->loop) != 0) {
        slept++;
        (void)uv_idle_start(&other, on_other);
    }
}

static void setup(void)
{
    char errmsg[ERRMSG_SIZE];

    ended = false;
    rounds = slept = idled = 0;
    ck_assert_int_eq(job_open(&job, 1, errmsg), OK);
    client = calloc(1, sizeof(*client));
    ck_assert_ptr_nonnull(client);
    client->config.job = &job;
    client->config.step = step;
    (void)uv_timer_init(&job.loop, &timer);
    (void)uv_idle_init(&job.loop, &other);
    (void)uv_prepare_init(&job.loop, &prepare);
    (void)uv_prepare_start(&prepare, on_prepare);
}

static void teardown(void)
{
    uv_close((uv_handle_t *)&timer, NULL);
    uv_close((uv_handle_t *)&other, NULL);
    uv_close((uv_handle_t *)&prepare, NULL);
    job_close(&job);
    free(client);
}

static void wait_for_it(void)
{
    char errmsg[ERRMSG_SIZE];
    uint64_t id = 7;
    size_t size = 0;

    ck_assert_int_eq(
        client_wait(client, has_ended, NULL, &id, NULL, 0, &size, errmsg), OK);
    ck_assert_uint_eq(id, 0);
}

static void on_cancel(uv_timer_t *handle)
{
    (void)handle;
    job_cancel(&job);
    job_cancel(&job);
}

static void step_until_canceled(void *mover,
                                const struct mover_event *ev,
                                struct mover_out *out)
{
    unsigned *canceled = mover;

    out->len = 0;
    if (ev->type == MV_START) {
        (void)uv_timer_start(&timer, on_cancel, 0, 0);
    } else if (ev->type == MV_CANCEL) {
        (*canceled)++;
        mover_act(out, MV_END)->status = ERR_CANCELED;
    }
}

/* Who cancels a job ends what runs, and all that would run later. */
START_TEST(test_job_cancel)
{
    unsigned canceled = 0;
    struct mover_run_config config = {.step = step_until_canceled,
                                      .mover = &canceled,
                                      .buffer_size = LEAF_SIZE,
                                      .buffers_len = 1};

    ck_assert_int_eq(job_run(&job, &config, NULL), ERR_CANCELED);
    ck_assert_uint_eq(canceled, 1);
    ck_assert_int_eq(job_run(&job, &config, NULL), ERR_CANCELED);
    ck_assert_uint_eq(canceled, 1);
}
END_TEST

/* What happens while it looks whether Ctrl-C was pressed is not slept over. */
START_TEST(test_client_wait_sees_what_comes_at_once)
{
    (void)uv_timer_start(&timer, on_timer, 0, 0);
    wait_for_it();
    ck_assert_uint_eq(rounds, 1);
}
END_TEST

/* Nor is a step that comes after the timers, and before the sleep. */
START_TEST(test_client_wait_sees_a_late_step)
{
    (void)uv_idle_start(&other, on_step);
    wait_for_it();
    ck_assert_uint_eq(idled, 2);
    ck_assert_uint_eq(slept, 0);
}
END_TEST

/* Nor is what ended before. */
START_TEST(test_client_wait_has_ended)
{
    ended = true;
    wait_for_it();
    ck_assert_uint_le(rounds, 1);
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("client_wait");
    TCase *tc = tcase_create("client_wait");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, test_job_cancel);
    tcase_add_test(tc, test_client_wait_sees_what_comes_at_once);
    tcase_add_test(tc, test_client_wait_sees_a_late_step);
    tcase_add_test(tc, test_client_wait_has_ended);
    suite_add_tcase(s, tc);
    return s;
}
