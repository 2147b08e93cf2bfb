#include <stdio.h>
#include <stdlib.h>

#include "sim/client.h"
#include "sim/faults.h"
#include "sim/node.h"
#include "sim/oracles.h"
#include "sim/story.h"

static_assert(SIM_LAB == 2 * SIM_STEWARDS, "each has its custodian");

void *sim_memory(size_t size)
{
    void *p = calloc(1, size > 0 ? size : 1);

    if (p == NULL) {
        (void)fprintf(stderr, "out of memory\n");
        abort();
    }
    return p;
}

void sim_stream(const struct sim *w,
                struct rng *r,
                const char *what,
                uint64_t i)
{
    uint8_t a[8], b[8];
    struct digest seed;

    TH256(&seed, "sim-stream", slice_u64le(a, w->options.seed), slice_str(what),
          slice_u64le(b, i));
    rng_init_seed(r, seed.bytes);
}

uint64_t sim_about(struct rng *r, uint64_t about)
{
    return about / 2 + rng_below(r, about + 1);
}

enum sim_node_kind sim_kind(unsigned node)
{
    return node < SIM_STEWARDS       ? SIM_IS_STEWARD
           : node < 2 * SIM_STEWARDS ? SIM_IS_CUSTODIAN
           : node == SIM_LAB         ? SIM_IS_LAB
                                     : SIM_IS_RECIPIENT;
}

unsigned sim_member(unsigned node)
{
    return node < 2 * SIM_STEWARDS ? node % SIM_STEWARDS : SIM_STEWARDS;
}

static void name_of(unsigned node, char out[16])
{
    if (node < SIM_STEWARDS) {
        (void)snprintf(out, 16, "steward %u", node);
    } else if (node < SIM_LAB) {
        (void)snprintf(out, 16, "custodian %u", node - SIM_STEWARDS);
    } else {
        (void)snprintf(out, 16, "%s",
                       node == SIM_LAB         ? "lab"
                       : node == SIM_RECIPIENT ? "recipient"
                                               : "outside");
    }
}

struct sim_event *sim_put(struct sim *w,
                          uint64_t delay_us,
                          enum sim_type type,
                          unsigned node,
                          uint64_t id,
                          int status,
                          struct slice bytes)
{
    struct sim_event *e = sim_memory(sizeof(*e) + bytes.size);

    e->at_us = w->now_us + delay_us;
    e->seq = ++w->seq;
    e->type = type;
    e->node = node;
    e->life = node < SIM_NODES ? w->nodes[node].life : 0;
    e->id = id;
    e->status = status;
    e->size = bytes.size;
    if (bytes.size > 0) {
        memcpy(e->bytes, bytes.data, bytes.size);
    }
    sim_queue_push(&w->queue, e);
    return e;
}

/* --- Birth and end ------------------------------------------------------- */

struct sim *sim_new(const struct sim_options *options)
{
    struct sim *w = sim_memory(sizeof(*w));
    struct rng r;

    w->options = *options;
    sha256_init(&w->trace);
    sim_stream(w, &w->net, "net", 0);
    sim_stream(w, &r, "people", 0);
    people_init(&w->people, &r, SIM_WALL_MS / 1000);
    for (unsigned i = 0; i < SIM_NODES; i++) {
        struct sim_node *n = &w->nodes[i];

        sim_stream(w, &n->rng, "machine", i);
        sim_stream(w, &n->disk, "disk", i);
        n->skew_ms = rng_below(&n->disk, 3600000);
        n->steps_end = &n->steps;
        n->reads_end = &n->reads;
    }
    for (unsigned i = 0; i < SIM_STEWARDS; i++) {
        w->shards[i] = sim_shard_new();
    }
    oracles_new(w);
    faults_new(w);
    sim_lab_new(w);
    sim_recipient_new(w);
    story_new(w);
    for (unsigned i = 0; i <= SIM_LAB; i++) {
        sim_boot(w, i);
    }
    return w;
}

void sim_free(struct sim *w)
{
    for (unsigned i = 0; i < SIM_NODES; i++) {
        struct sim_node *n = &w->nodes[i];

        node_forget(w, i);
        sim_mover_free(w, i);
        if (n->up) {
            n->free(n->machine);
        }
        sim_rows_free(&n->rows);
    }
    for (unsigned i = 0; i < SIM_STEWARDS; i++) {
        sim_shard_free(w->shards[i]);
    }
    story_free(w);
    sim_recipient_free(w);
    sim_lab_free(w);
    free(w->faults);
    oracles_free(w);
    sim_queue_free(&w->queue);
    sha256_close(&w->trace);
    free(w);
}

/* --- Events -------------------------------------------------------------- */

static void trace(struct sim *w, const struct sim_event *e)
{
    const uint64_t numbers[] = {
        e->at_us,  e->node, e->type, e->id, (uint64_t)(int64_t)e->status,
        e->number, e->size};
    uint8_t bytes[8 * sizeof(numbers) / sizeof(numbers[0])];

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        u64le_store(bytes + 8 * i, numbers[i]);
    }
    sha256_update(&w->trace, slice_of(bytes, sizeof(bytes)));
    sha256_update(&w->trace, sim_event_slice(e));
    w->recent[w->events++ % SIM_RECENT] =
        (struct sim_recent){.at_us = e->at_us,
                            .id = e->id,
                            .type = e->type,
                            .node = e->node,
                            .status = e->status,
                            .size = e->size};
}

void sim_tell_recent(const struct sim *w)
{
    uint64_t from = w->events > SIM_RECENT ? w->events - SIM_RECENT : 0;

    for (uint64_t i = from; i < w->events; i++) {
        const struct sim_recent *r = &w->recent[i % SIM_RECENT];
        char name[16];

        name_of(r->node, name);
        (void)fprintf(
            stderr, "%14.6f s  %-12s %-8s %llu  status %d, %zu bytes\n",
            (double)r->at_us / SIM_SECOND, name, sim_type_name(r->type),
            (unsigned long long)r->id, r->status, r->size);
    }
}

/* What a machine hears as it is. */
static void feed(struct sim *w,
                 const struct sim_event *e,
                 enum core_event_type type)
{
    sim_feed(w, e->node,
             (struct core_event){.type = type,
                                 .id = e->id,
                                 .status = e->status,
                                 .bytes = sim_event_slice(e)});
}

static void deliver(struct sim *w, struct sim_event *e)
{
    switch (e->type) {
    case SIM_BOOT:
        sim_boot(w, e->node);
        break;
    case SIM_DURABLE:
        sim_on_durable(w, e);
        break;
    case SIM_WAKE:
        if (e->id == w->nodes[e->node].wake_id) {
            sim_feed(w, e->node, (struct core_event){.type = EV_WAKE});
        }
        break;
    case SIM_CHECKED:
        feed(w, e, EV_CHECKED);
        break;
    case SIM_ROWS:
        sim_on_rows(w, e);
        break;
    case SIM_JOB:
        feed(w, e, EV_JOB);
        break;
    case SIM_CUSTODY:
        feed(w, e, EV_CUSTODY);
        break;
    case SIM_CLIENT:
        feed(w, e, EV_CLIENT);
        break;
    case SIM_UP:
    case SIM_DOWN:
    case SIM_MSG:
    case SIM_DATA:
        sim_on_net(w, e);
        break;
    case SIM_SEEK:
        sim_on_seek(w, e);
        break;
    case SIM_ASK:
        sim_on_ask(w, e);
        break;
    case SIM_DISK:
        sim_on_disk(w, e);
        break;
    case SIM_MOVER:
        sim_on_mover(w, e);
        break;
    case SIM_STORY:
        story_tick(w);
        break;
    case SIM_LOSS:
        sim_lose(w, (unsigned)e->id);
        break;
    case SIM_TYPES:
        abort();
    }
}

bool sim_run_one(struct sim *w)
{
    struct sim_event *e;

    if (w->oracles->failed || story_phase(w) == STORY_DONE) {
        return false;
    }
    e = sim_queue_pop(&w->queue);
    assert(e != NULL && e->at_us >= w->now_us);
    w->now_us = e->at_us;
    faults_turn(w);
    if (e->node >= SIM_NODES || e->life == w->nodes[e->node].life) {
        trace(w, e);
        deliver(w, e);
    }
    free(e);
    return true;
}
