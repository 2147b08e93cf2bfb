#include "node/core/core_run.h"

#include <stdlib.h>

#include "node/core/core_run_private.h"

/* --- The end ------------------------------------------------------------- */

static void run_free(struct core_run *run)
{
    while (run->steps != NULL) {
        struct held_step *h = run->steps;

        run->steps = h->next;
        held_step_free(h);
    }
    while (run->events != NULL) {
        struct held_event *e = run->events;

        run->events = e->next;
        free(e);
    }
    while (run->reads != NULL) {
        struct held_read *r = run->reads;

        run->reads = r->next;
        free(r);
    }
    if (run->closed != NULL) {
        run->closed(run->closed_arg);
    }
    free(run);
}

void core_run_maybe_free(struct core_run *run)
{
    if (run->closing && run->handles == 0 && run->in_store == 0 &&
        !run->reading) {
        run_free(run);
    }
}

static void run_on_handle_closed(uv_handle_t *handle)
{
    struct core_run *run = handle->data;

    run->handles--;
    core_run_maybe_free(run);
}

void core_run_halt(struct core_run *run, const char *text)
{
    if (run->halted || run->closing) {
        return;
    }
    run->halted = true;
    uv_timer_stop(&run->wake);
    uv_timer_stop(&run->retry);
    uv_timer_stop(&run->gather);
    run->config.on_halt(run->config.arg, text);
}

/* --- Events -------------------------------------------------------------- */

static bool event_is_limited(const struct core_event *ev)
{
    return ev->type == EV_MSG || ev->type == EV_CLIENT;
}

static void event_give(struct core_run *run)
{
    struct held_event *e = run->events;

    run->events = e->next;
    if (run->events == NULL) {
        run->events_end = &run->events;
    }
    if (event_is_limited(&e->ev)) {
        run->events_len--;
        run->events_size -= e->ev.bytes.size;
    }
    core_run_do_step(run, e->ev);
    free(e);
}

static int event_put(struct core_run *run, const struct core_event *ev)
{
    struct held_event *e;

    if (event_is_limited(ev)) {
        if (run->events_len >= CORE_RUN_EVENTS_MAX ||
            ev->bytes.size > CORE_RUN_EVENT_BYTES_MAX - run->events_size) {
            return ERR_FULL;
        }
        run->events_len++;
        run->events_size += ev->bytes.size;
    }
    e = held_event_new(ev);
    *run->events_end = e;
    run->events_end = &e->next;
    return OK;
}

static int run_pause(const struct core_run *run)
{
    if (run->steps_full || run->read_full) {
        return ERR_FULL;
    }
    return run->behind || run->reads_len >= CORE_RUN_READS_MAX ? ERR_BUSY : OK;
}

/* Give the machine one of the things that wait for it; false when there is
 * none, or it may not have any. */
static bool run_give(struct core_run *run)
{
    if (run->halted || run->closing || run->steps_full || run->read_full ||
        run->behind) {
        return false;
    }
    if (run->page_ready) {
        core_run_give_page(run);
        return true;
    }
    if (!run->started || run->reads_len >= CORE_RUN_READS_MAX) {
        return false;
    }
    if (run->wake_due) {
        core_run_do_step(run, (struct core_event){.type = EV_WAKE});
        return true;
    }
    if (run->events != NULL) {
        event_give(run);
        return true;
    }
    return false;
}

/* Tell the owner when that is news; true then. */
static bool run_tell(struct core_run *run)
{
    int why = run_pause(run);

    if (run->halted || run->closing || why == run->pause) {
        return false;
    }
    run->pause = why;
    run->busy = true;
    run->config.on_pause(run->config.arg, why);
    run->busy = false;
    return true;
}

void core_run_pump(struct core_run *run)
{
    if (run->busy) {
        return;
    }
    do {
        while (run_give(run)) {
        }
    } while (run_tell(run));
}

void core_run_on_wake(uv_timer_t *timer)
{
    struct core_run *run = timer->data;

    run->wake_due = true;
    core_run_pump(run);
}

/* --- For the owner ------------------------------------------------------- */

int core_run_feed(struct core_run *run, const struct core_event *ev)
{
    int rv = OK;

    assert(ev->type != EV_START && ev->type != EV_ROWS && ev->rows_len == 0);
    if (run->halted || run->closing) {
        return ERR_ORDER;
    }
    if (!run->busy && run->started && run->events == NULL &&
        run_pause(run) == OK) {
        core_run_do_step(run, *ev);
    } else {
        rv = event_put(run, ev);
    }
    core_run_pump(run);
    return rv;
}

bool core_run_is_idle(const struct core_run *run)
{
    return run->started && !run->busy && run->steps == NULL &&
           run->events == NULL && run->reads == NULL && !run->wake_due;
}

/* One read for each prefix; without any, a page that is there already. */
static void run_start_reads(struct core_run *run)
{
    const struct core_run_config *c = &run->config;

    for (size_t i = 0; i < c->starts_len; i++) {
        struct held_read *r = held_read_new(EV_START, 0, c->starts[i]);

        r->final = i + 1 == c->starts_len;
        core_run_read_put(run, r);
        run->reads_len++;
    }
    if (c->starts_len == 0) {
        struct held_read *r = held_read_new(EV_START, 0, slice_of(NULL, 0));

        r->final = true;
        core_run_read_put(run, r);
        run->reads_len++;
        run->page.last = true;
        run->page_ready = true;
        (void)uv_timer_start(&run->wake, core_run_on_wake, 0, 0);
    }
    core_run_read_next(run);
    run->config.starts = NULL; /* Was lent. */
}

int core_run_start(struct core_run **out, const struct core_run_config *config)
{
    struct core_run *run = calloc(1, sizeof(*run));

    assert(config->starts_len <= CORE_RUN_STARTS_MAX);
    if (run == NULL) {
        return ERR_NOMEM;
    }
    run->config = *config;
    run->steps_end = &run->steps;
    run->events_end = &run->events;
    run->reads_end = &run->reads;
    if (uv_timer_init(config->loop, &run->wake) != 0 ||
        uv_timer_init(config->loop, &run->retry) != 0 ||
        uv_timer_init(config->loop, &run->gather) != 0) {
        abort(); /* Cannot fail. */
    }
    run->wake.data = run;
    run->retry.data = run;
    run->gather.data = run;
    run->handles = 3;
    run_start_reads(run);
    *out = run;
    return OK;
}

void core_run_close(struct core_run *run, void (*closed)(void *arg), void *arg)
{
    assert(!run->closing);
    core_run_commit(run);
    run->closing = true;
    run->closed = closed;
    run->closed_arg = arg;
    uv_close((uv_handle_t *)&run->wake, run_on_handle_closed);
    uv_close((uv_handle_t *)&run->retry, run_on_handle_closed);
    uv_close((uv_handle_t *)&run->gather, run_on_handle_closed);
}
