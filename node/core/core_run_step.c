#include <stdlib.h>
#include <time.h>

#include "node/core/core_run_private.h"

/* --- Actions ------------------------------------------------------------- */

static void act_read(struct core_run *run, const struct core_action *a)
{
    core_run_read_put(run, held_read_new(EV_ROWS, a->id, a->bytes));
    core_run_read_next(run);
}

static core_run_act *act_of(const struct core_run_config *c,
                            enum core_action_type type)
{
    switch (type) {
    case ACT_SEND:
        return c->send;
    case ACT_DIAL:
        return c->dial;
    case ACT_CLOSE:
        return c->close;
    case ACT_CHECK:
        return c->check;
    case ACT_JOB:
        return c->job;
    case ACT_JOB_CANCEL:
        return c->job_cancel;
    case ACT_CUSTODY:
        return c->custody;
    case ACT_REPLY:
        return c->reply;
    case ACT_READ:
        break;
    }
    return NULL;
}

/* The owner may have closed the run in an action before. */
static void act_do(struct core_run *run, const struct core_action *a)
{
    core_run_act *act = act_of(&run->config, a->type);

    if (run->closing || run->halted) {
        return;
    }
    if (a->type == ACT_READ) {
        act_read(run, a);
    } else {
        assert(act != NULL);
        act(run->config.arg, a->id, a->bytes);
    }
}

/* --- Steps --------------------------------------------------------------- */

static void step_on_done(struct store_write *w, int status);

static void step_commit(struct core_run *run, struct held_step *h)
{
    run->in_store++;
    h->write.on_done = step_on_done;
    store_commit(run->config.store, &h->write);
}

static void steps_commit(struct core_run *run, struct held_step *first)
{
    run->gathered = NULL;
    uv_timer_stop(&run->gather);
    for (struct held_step *h = first; h != NULL; h = h->next) {
        step_commit(run, h);
    }
}

void core_run_commit(struct core_run *run)
{
    /* While the disk is full, what was gathered stays behind what waits. */
    if (!run->halted && !run->steps_full) {
        steps_commit(run, run->gathered);
    }
}

static void on_gather(uv_timer_t *timer)
{
    core_run_commit(timer->data);
}

static void on_retry(uv_timer_t *timer)
{
    struct core_run *run = timer->data;

    if (run->steps_full && run->in_store == 0) {
        steps_commit(run, run->steps);
    }
    core_run_read_next(run);
}

void core_run_retry_later(struct core_run *run)
{
    if (!uv_is_active((uv_handle_t *)&run->retry)) {
        (void)uv_timer_start(&run->retry, on_retry, CORE_RUN_RETRY_MS, 0);
    }
}

static void step_hold(struct core_run *run)
{
    struct held_step *h = held_step_new(&run->out);

    h->run = run;
    *run->steps_end = h;
    run->steps_end = &h->next;
    run->steps_len++;
    run->steps_size += h->size;
    if (run->steps_len >= CORE_RUN_STEPS_MAX ||
        run->steps_size >= CORE_RUN_BYTES_MAX) {
        run->behind = true;
    }
    if (run->gathered == NULL) {
        run->gathered = h;
    }
    if (h->acts_len > 0 || run->steps_len >= CORE_RUN_STEPS_MAX / 2 ||
        run->steps_size >= CORE_RUN_BYTES_MAX / 2) {
        core_run_commit(run);
    } else if (!uv_is_active((uv_handle_t *)&run->gather)) {
        (void)uv_timer_start(&run->gather, on_gather, CORE_RUN_GATHER_MS, 0);
    }
}

/* The oldest step is durable: what it says may be said. */
static void step_release(struct core_run *run, struct held_step *h)
{
    assert(h == run->steps && !run->busy);
    run->steps_full = false;
    run->steps = h->next;
    if (run->steps == NULL) {
        run->steps_end = &run->steps;
    }
    run->steps_len--;
    run->steps_size -= h->size;
    if (run->steps_len <= CORE_RUN_STEPS_MAX / 2 &&
        run->steps_size <= CORE_RUN_BYTES_MAX / 2) {
        run->behind = false;
    }
    run->busy = true;
    for (size_t i = 0; i < h->acts_len; i++) {
        act_do(run, &h->acts[i]);
    }
    run->busy = false;
    held_step_free(h);
}

static void step_on_done(struct store_write *w, int status)
{
    struct held_step *h = w->arg;
    struct core_run *run = h->run;

    run->in_store--;
    if (run->closing) {
        core_run_maybe_free(run);
        return;
    }
    if (run->halted) {
        return;
    }
    if (status == OK) {
        step_release(run, h);
    } else if (status == ERR_FULL) {
        /* Those behind it come back too; then all go again, in order. */
        run->steps_full = true;
        if (run->in_store == 0) {
            core_run_retry_later(run);
        }
    } else {
        core_run_halt(run, store_error(run->config.store));
    }
    core_run_pump(run);
}

static uint64_t wall_ms(void)
{
    struct timespec t;

    if (clock_gettime(CLOCK_REALTIME, &t) != 0) {
        abort();
    }
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void step_set_wake(struct core_run *run)
{
    uint64_t now = uv_now(run->config.loop);
    uint64_t at = run->out.wake_ms;

    run->wake_due = false;
    if (at == 0) {
        uv_timer_stop(&run->wake);
    } else {
        (void)uv_timer_start(&run->wake, core_run_on_wake,
                             at > now ? at - now : 0, 0);
    }
}

static void step_do_acts(struct core_run *run, bool now)
{
    for (size_t i = 0; i < run->out.acts_len; i++) {
        if (run->out.acts[i].now == now) {
            act_do(run, &run->out.acts[i]);
        }
    }
}

void core_run_do_step(struct core_run *run, struct core_event ev)
{
    assert(!run->busy);
    run->busy = true;
    uv_update_time(run->config.loop);
    ev.mono_ms = uv_now(run->config.loop);
    ev.wall_ms = wall_ms();
    core_out_reset(&run->out);
    run->config.step(run->config.machine, &ev, &run->out);
    step_set_wake(run);
    for (size_t i = 0; i < run->out.acts_len; i++) {
        run->reads_len += run->out.acts[i].type == ACT_READ ? 1 : 0;
    }
    step_do_acts(run, true);
    if (run->closing) {
        /* In one of those actions: what was not committed was not done. */
    } else if (run->out.ops_len > 0 ||
               (run->steps != NULL && held_step_has_acts(&run->out))) {
        step_hold(run);
    } else {
        step_do_acts(run, false);
    }
    run->busy = false;
}
