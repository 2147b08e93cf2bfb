#include <stdlib.h>

#include "node/core/core_run_private.h"

static void read_on_done(struct store_read *read, int status)
{
    struct core_run *run = read->arg;

    run->reading = false;
    if (run->closing) {
        core_run_maybe_free(run);
        return;
    }
    if (run->halted) {
        return;
    }
    run->read_full = status == ERR_FULL;
    if (status == OK) {
        run->page_ready = true;
    } else if (status == ERR_FULL) {
        core_run_retry_later(run);
    } else {
        core_run_halt(run, read->errmsg);
    }
    core_run_pump(run);
}

void core_run_read_next(struct core_run *run)
{
    struct held_read *r = run->reads;

    if (run->reading || run->page_ready || r == NULL) {
        return;
    }
    run->page.buf = run->page_mem;
    run->page.buf_size = sizeof(run->page_mem);
    run->page.rows_max = CORE_ROWS_MAX;
    run->read.prefix = slice_of(r->prefix, r->prefix_size);
    run->read.after = slice_of(run->after, run->after_size);
    run->read.page = &run->page;
    run->read.on_done = read_on_done;
    run->read.arg = run;
    run->reading = true;
    store_read(run->config.store, &run->read);
}

void core_run_read_put(struct core_run *run, struct held_read *r)
{
    *run->reads_end = r;
    run->reads_end = &r->next;
}

/* The machine has had the page: go on behind it, or with what is next. */
static void page_done(struct core_run *run)
{
    struct held_read *r = run->reads;

    run->page_ready = false;
    if (run->page.last) {
        run->after_size = 0;
        run->reads_len--;
        run->reads = r->next;
        if (run->reads == NULL) {
            run->reads_end = &run->reads;
        }
        free(r);
    } else {
        struct slice key = run->page.rows[run->page.rows_len - 1].key;

        memcpy(run->after, key.data, key.size);
        run->after_size = key.size;
    }
    core_run_read_next(run);
}

void core_run_give_page(struct core_run *run)
{
    const struct held_read *r = run->reads;
    bool last = run->page.last && r->final;
    bool started = last && r->type == EV_START;

    if (run->page.rows_len > 0 || last) {
        core_run_do_step(run,
                         (struct core_event){.type = r->type,
                                             .id = r->id,
                                             .status = last ? 1 : OK,
                                             .rows = run->page.rows,
                                             .rows_len = run->page.rows_len});
    }
    if (run->closing) {
        return;
    }
    page_done(run);
    if (started) {
        run->started = true;
        if (run->config.on_started != NULL) {
            run->busy = true;
            run->config.on_started(run->config.arg);
            run->busy = false;
        }
    }
}
