#include <stdlib.h>

#include "replication/custodian/custodian.h"
#include "replication/keys.h"
#include "replication/steward/steward.h"
#include "sim/client.h"
#include "sim/node.h"

/* Births and deaths of nodes. */

#define CAPACITY ((uint64_t)1 << 30)

static void steward_run(void *machine,
                        const struct core_event *ev,
                        struct core_out *out)
{
    steward_step(machine, ev, out);
}

static void steward_end(void *machine)
{
    steward_free(machine);
}

static void custodian_run(void *machine,
                          const struct core_event *ev,
                          struct core_out *out)
{
    custodian_step(machine, ev, out);
}

static void custodian_end(void *machine)
{
    custodian_free(machine);
}

static int steward_make(struct sim *w, unsigned node)
{
    struct sim_node *n = &w->nodes[node];
    const struct person *p = &w->people.persons[node];
    const struct steward_config config = {.charter = &w->people.charter,
                                          .net = w->people.net,
                                          .self = p->id,
                                          .node = p->node,
                                          .capacity = CAPACITY,
                                          .rng = &n->rng};
    struct steward *s = NULL;
    int rv = steward_new(&s, &config);

    n->machine = s;
    n->step = steward_run;
    n->free = steward_end;
    return rv;
}

static uint64_t rows_count(const struct sim_node *n, uint8_t kind)
{
    uint64_t len = 0;
    size_t at = 0;

    while (sim_rows_next(&n->rows, &at, slice_of(&kind, 1)) != NULL) {
        len++;
    }
    return len;
}

static int custodian_make(struct sim *w, unsigned node)
{
    struct sim_node *n = &w->nodes[node];
    const struct person *p = &w->people.persons[node - SIM_STEWARDS];
    struct custodian_config config = {.charter = &w->people.charter,
                                      .net = w->people.net,
                                      .sign = p->d,
                                      .rng = &n->rng,
                                      .shares = rows_count(n, 'S'),
                                      .decisions = rows_count(n, 'R')};
    struct custodian *c = NULL;
    int rv;

    memcpy(config.hpke_sk, p->hpke_sk, sizeof(config.hpke_sk));
    memcpy(config.net_psk, w->people.psk, sizeof(config.net_psk));
    rv = custodian_new(&c, &config);
    n->machine = c;
    n->step = custodian_run;
    n->free = custodian_end;
    return rv;
}

void sim_boot(struct sim *w, unsigned node)
{
    static const char steward_kinds[] = {
        KEY_TIP,     KEY_SHARD, KEY_MANIFEST, KEY_ACKNOWLEDGED, KEY_RELEASE,
        KEY_WAITING, 0};
    static const char custodian_kinds[] = {KEY_RELEASE, 0};
    static const char lab_kinds[] = {KEY_ENTRY, 0};
    struct sim_node *n = &w->nodes[node];
    const char *kinds = "";
    int rv = OK;

    assert(!n->up && !n->gone);
    n->boot_us = w->now_us;
    n->synced_us = n->jobs_us = 0;
    n->wake_ms = 0;
    n->up = true;
    switch (sim_kind(node)) {
    case SIM_IS_STEWARD:
        rv = steward_make(w, node);
        kinds = steward_kinds;
        break;
    case SIM_IS_CUSTODIAN:
        rv = custodian_make(w, node);
        kinds = custodian_kinds;
        break;
    case SIM_IS_LAB:
        rv = sim_lab_make(w);
        kinds = lab_kinds;
        break;
    case SIM_IS_RECIPIENT:
        rv = sim_recipient_make(w);
        break;
    }
    if (rv != OK) {
        abort(); /* Its configuration is ours. */
    }
    node_start(w, node, kinds);
    if (sim_kind(node) == SIM_IS_STEWARD && n->up) {
        sim_put(w, sim_about(&n->disk, 100000), SIM_SEEK, node, 0, OK,
                slice_of(NULL, 0));
    }
}

/* The process is no more. */
static void node_end(struct sim *w, unsigned node)
{
    struct sim_node *n = &w->nodes[node];

    node_forget(w, node);
    n->free(n->machine);
    n->machine = NULL;
    n->up = false;
    n->life++;
    sim_links_end(w, node);
    switch (sim_kind(node)) {
    case SIM_IS_STEWARD:
        sim_shard_crash(w, node);
        break;
    case SIM_IS_CUSTODIAN:
        sim_custody_end(w, node);
        break;
    case SIM_IS_LAB:
        sim_lab_end(w);
        break;
    case SIM_IS_RECIPIENT:
        sim_recipient_end(w);
        break;
    }
}

void sim_crash(struct sim *w, unsigned node, uint64_t down_us)
{
    if (w->nodes[node].up) {
        node_tear(w, node);
        node_end(w, node);
        sim_put(w, down_us, SIM_BOOT, node, 0, OK, slice_of(NULL, 0));
    }
}

void sim_lose(struct sim *w, unsigned node)
{
    struct sim_node *n = &w->nodes[node];

    if (n->gone) {
        return;
    }
    n->gone = true;
    if (n->up) {
        node_end(w, node);
    }
    n->life++; /* No boot that was planned. */
    sim_rows_free(&n->rows);
    if (sim_kind(node) == SIM_IS_STEWARD) {
        sim_shard_free(w->shards[node]);
        w->shards[node] = sim_shard_new();
        sim_lose(w, node + SIM_STEWARDS);
    }
}
