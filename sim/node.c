#include "sim/node.h"

#include <stdlib.h>

#include "replication/steward/steward.h"
#include "sim/client.h"
#include "sim/oracles.h"
#include "sim/story.h"

/* The driver of a machine: the twin of node/core/core_run.c. */

struct sim_step {
    struct sim_step *next;
    struct core_out out; /* Cut off behind what its arena holds. */
};

struct sim_read {
    struct sim_read *next;
    uint64_t id;
    uint8_t prefix[CORE_KEY_MAX], after[CORE_KEY_MAX];
    size_t prefix_size, after_size;
};

/* Bytes and rows of one page, at most; small, so that there are several. */
#define PAGE_SIZE 65536U
#define PAGE_ROWS 32U

/* --- Clocks -------------------------------------------------------------- */

uint64_t sim_mono_ms(const struct sim *w, unsigned node)
{
    return 1 + (w->now_us - w->nodes[node].boot_us) / 1000;
}

uint64_t sim_wall_ms(const struct sim *w, unsigned node)
{
    return SIM_WALL_MS + w->nodes[node].skew_ms + w->now_us / 1000;
}

uint64_t sim_disk_us(struct sim *w, unsigned node)
{
    struct sim_node *n = &w->nodes[node];

    return sim_about(&n->disk, w->now_us < n->slow_until_us ? 700000 : 3000);
}

/* --- Rows ---------------------------------------------------------------- */

static void read_soon(struct sim *w, unsigned node)
{
    sim_put(w, sim_about(&w->nodes[node].disk, 400), SIM_ROWS, node, 0, OK,
            slice_of(NULL, 0));
}

static void act_read(struct sim *w, unsigned node, const struct core_action *a)
{
    struct sim_node *n = &w->nodes[node];
    struct sim_read *r = sim_memory(sizeof(*r));

    r->id = a->id;
    memcpy(r->prefix, a->bytes.data, a->bytes.size);
    r->prefix_size = a->bytes.size;
    if (n->reads == NULL) {
        read_soon(w, node);
    }
    *n->reads_end = r;
    n->reads_end = &r->next;
}

/* The rows behind |after| of a prefix; true when they are the last. */
static bool page_take(const struct sim_node *n,
                      struct slice prefix,
                      struct slice after,
                      struct core_event *ev,
                      struct core_row page[PAGE_ROWS])
{
    size_t at = after.size > 0 ? sim_rows_after(&n->rows, after) : 0;
    const struct sim_row *row;
    size_t size = 0;

    ev->rows = page;
    ev->rows_len = 0;
    while ((row = sim_rows_next(&n->rows, &at, prefix)) != NULL) {
        if (ev->rows_len == PAGE_ROWS ||
            (size > 0 && size + row->value_size > PAGE_SIZE)) {
            return false;
        }
        size += row->value_size;
        page[ev->rows_len++] =
            (struct core_row){.key = slice_of(row->key, row->key_size),
                              .value = slice_of(row->value, row->value_size)};
    }
    return true;
}

void sim_on_rows(struct sim *w, struct sim_event *e)
{
    struct sim_node *n = &w->nodes[e->node];
    struct sim_read *r = n->reads;
    struct core_row page[PAGE_ROWS];
    struct core_event ev = {.type = EV_ROWS, .id = r->id};
    bool last = page_take(n, slice_of(r->prefix, r->prefix_size),
                          slice_of(r->after, r->after_size), &ev, page);

    ev.status = last ? 1 : OK;
    if (last) {
        n->reads = r->next;
        if (n->reads == NULL) {
            n->reads_end = &n->reads;
        }
        free(r);
    } else {
        const struct slice key = page[ev.rows_len - 1].key;

        memcpy(r->after, key.data, key.size);
        r->after_size = key.size;
    }
    if (n->reads != NULL) {
        read_soon(w, e->node);
    }
    sim_feed(w, e->node, ev);
}

/* --- Actions ------------------------------------------------------------- */

void sim_report(struct sim *w,
                unsigned node,
                uint64_t job,
                int status,
                struct slice bytes)
{
    struct sim_node *n = &w->nodes[node];
    uint64_t at = w->now_us + sim_about(&n->disk, 50);

    n->jobs_us = at > n->jobs_us ? at : n->jobs_us;
    sim_put(w, n->jobs_us - w->now_us, SIM_JOB, node, job, status, bytes);
}

static void act_check(struct sim *w, unsigned node, const struct core_action *a)
{
    sim_put(w, sim_about(&w->nodes[node].disk, 300), SIM_CHECKED, node, a->id,
            steward_check(&w->people.charter, a->bytes), slice_of(NULL, 0));
}

static void act_job(struct sim *w, unsigned node, const struct core_action *a)
{
    switch (sim_kind(node)) {
    case SIM_IS_STEWARD:
        sim_shard_job(w, node, a->id, a->bytes);
        break;
    case SIM_IS_LAB:
        sim_lab_job(w, a->id, a->bytes);
        break;
    case SIM_IS_RECIPIENT:
        sim_recipient_job(w, a->id);
        break;
    case SIM_IS_CUSTODIAN:
        abort();
    }
}

static void act_do(struct sim *w, unsigned node, const struct core_action *a)
{
    oracle_action(w, node, a);
    switch (a->type) {
    case ACT_SEND:
        sim_send(w, node, a->id, a->bytes);
        break;
    case ACT_DIAL:
        sim_dial(w, node, people_find(&w->people, a->bytes));
        break;
    case ACT_CLOSE:
        sim_close(w, node, a->id);
        break;
    case ACT_CHECK:
        act_check(w, node, a);
        break;
    case ACT_READ:
        act_read(w, node, a);
        break;
    case ACT_JOB:
        act_job(w, node, a);
        break;
    case ACT_JOB_CANCEL:
        sim_shard_cancel(w, node, a->id);
        break;
    case ACT_CUSTODY:
        sim_custody_ask(w, node, a->id, a->bytes);
        break;
    case ACT_REPLY:
        if (sim_kind(node) == SIM_IS_CUSTODIAN) {
            sim_custody_reply(w, node, a->id, a->bytes);
        } else {
            story_reply(w, node, a->id, a->bytes);
        }
        break;
    }
}

static bool acts_do(struct sim *w,
                    unsigned node,
                    const struct core_out *out,
                    bool now)
{
    uint32_t life = w->nodes[node].life;

    for (size_t i = 0; i < out->acts_len; i++) {
        if (out->acts[i].now == now) {
            act_do(w, node, &out->acts[i]);
        }
    }
    return life == w->nodes[node].life;
}

/* --- Steps --------------------------------------------------------------- */

static void slice_move(struct slice *s,
                       const struct core_out *from,
                       const struct core_out *to)
{
    if (s->size > 0) {
        s->data = to->arena + (s->data - from->arena);
    }
}

static struct sim_step *step_copy(const struct core_out *out)
{
    struct sim_step *st = malloc(offsetof(struct sim_step, out.arena) +
                                 out->arena_used + sizeof(uint64_t));

    if (st == NULL) {
        abort();
    }
    st->next = NULL;
    memcpy(&st->out, out, offsetof(struct core_out, arena) + out->arena_used);
    for (size_t i = 0; i < out->ops_len; i++) {
        slice_move(&st->out.ops[i].key, out, &st->out);
        slice_move(&st->out.ops[i].value, out, &st->out);
    }
    for (size_t i = 0; i < out->acts_len; i++) {
        slice_move(&st->out.acts[i].bytes, out, &st->out);
    }
    return st;
}

/* One sync after the other, as a log is written. */
static void step_hold(struct sim *w, unsigned node)
{
    struct sim_node *n = &w->nodes[node];
    struct sim_step *st = step_copy(&w->out);
    uint64_t at = w->now_us;

    if (st->out.ops_len > 0) {
        at += sim_disk_us(w, node);
    }
    n->synced_us = at > n->synced_us ? at : n->synced_us;
    *n->steps_end = st;
    n->steps_end = &st->next;
    sim_put(w, n->synced_us - w->now_us, SIM_DURABLE, node, 0, OK,
            slice_of(NULL, 0));
}

static void step_set_wake(struct sim *w, unsigned node)
{
    struct sim_node *n = &w->nodes[node];
    uint64_t now = sim_mono_ms(w, node);
    uint64_t at = w->out.wake_ms;

    if (at == n->wake_ms) {
        return;
    }
    n->wake_ms = at;
    n->wake_id++;
    if (at != 0) {
        sim_put(w, at > now ? (at - now) * 1000 : 0, SIM_WAKE, node, n->wake_id,
                OK, slice_of(NULL, 0));
    }
}

void sim_feed(struct sim *w, unsigned node, struct core_event ev)
{
    struct sim_node *n = &w->nodes[node];

    ev.mono_ms = sim_mono_ms(w, node);
    ev.wall_ms = sim_wall_ms(w, node);
    core_out_reset(&w->out);
    if (ev.type == EV_WAKE) {
        n->wake_ms = 0;
    }
    n->step(n->machine, &ev, &w->out);
    step_set_wake(w, node);
    if (!acts_do(w, node, &w->out, true)) {
        return;
    }
    if (w->out.ops_len > 0 || (n->steps != NULL && w->out.acts_len > 0)) {
        step_hold(w, node);
    } else {
        (void)acts_do(w, node, &w->out, false);
    }
}

/* The batch of the oldest step survives from now on. */
static struct sim_step *step_sync(struct sim *w, unsigned node)
{
    struct sim_node *n = &w->nodes[node];
    struct sim_step *st = n->steps;

    n->steps = st->next;
    if (n->steps == NULL) {
        n->steps_end = &n->steps;
    }
    for (size_t i = 0; i < st->out.ops_len; i++) {
        sim_rows_apply(&n->rows, &st->out.ops[i]);
        oracle_row(w, node, &st->out.ops[i]);
    }
    return st;
}

void sim_on_durable(struct sim *w, struct sim_event *e)
{
    struct sim_step *st = step_sync(w, e->node);

    (void)acts_do(w, e->node, &st->out, false);
    free(st);
}

/* --- The end of a life --------------------------------------------------- */

void node_forget(struct sim *w, unsigned node)
{
    struct sim_node *n = &w->nodes[node];

    while (n->steps != NULL) {
        struct sim_step *st = n->steps;

        n->steps = st->next;
        free(st);
    }
    n->steps_end = &n->steps;
    while (n->reads != NULL) {
        struct sim_read *r = n->reads;

        n->reads = r->next;
        free(r);
    }
    n->reads_end = &n->reads;
}

/* Batches reach the disk in order; how many did, nobody was told. */
void node_tear(struct sim *w, unsigned node)
{
    struct sim_node *n = &w->nodes[node];
    uint64_t waiting = 0, kept;

    for (const struct sim_step *st = n->steps; st != NULL; st = st->next) {
        waiting++;
    }
    kept = rng_below(&n->disk, waiting + 1);
    while (kept-- > 0) {
        free(step_sync(w, node));
    }
}

/* EV_START: all rows under these prefixes, in pages. */
void node_start(struct sim *w, unsigned node, const char *kinds)
{
    struct sim_node *n = &w->nodes[node];
    uint32_t life = n->life;
    uint8_t after[CORE_KEY_MAX];
    size_t after_size = 0;

    do {
        const uint8_t kind = (uint8_t)*kinds;
        struct core_row page[PAGE_ROWS];
        struct core_event ev = {.type = EV_START};
        bool last = page_take(n, slice_of(&kind, *kinds == 0 ? 0 : 1),
                              slice_of(after, after_size), &ev, page);

        if (*kinds == 0) {
            ev.rows_len = 0;
        }
        after_size = 0;
        if (!last) {
            after_size = page[ev.rows_len - 1].key.size;
            memcpy(after, page[ev.rows_len - 1].key.data, after_size);
        } else if (*kinds != 0) {
            kinds++;
        }
        ev.status = last && *kinds == 0 ? 1 : OK;
        sim_feed(w, node, ev);
        if (ev.status == 1) {
            return;
        }
    } while (life == n->life);
}
