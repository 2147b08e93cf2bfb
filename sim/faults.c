#include "sim/faults.h"

#include <stdio.h>

/* --- Faults -------------------------------------------------------------- */

static unsigned steward_any(struct rng *r)
{
    return (unsigned)rng_below(r, SIM_STEWARDS);
}

/* Mostly a restart; sometimes somebody has to come and look. */
static uint64_t down_us(struct rng *r)
{
    return sim_about(r,
                     rng_below(r, 4) == 0 ? 40 * SIM_SECOND : 2 * SIM_SECOND);
}

static void crash_steward(struct sim *w, struct rng *r)
{
    sim_crash(w, steward_any(r), down_us(r));
}

static void crash_custodian(struct sim *w, struct rng *r)
{
    sim_crash(w, SIM_STEWARDS + steward_any(r), down_us(r));
}

static void crash_lab(struct sim *w, struct rng *r)
{
    sim_crash(w, SIM_LAB, down_us(r));
}

static void crash_recipient(struct sim *w, struct rng *r)
{
    sim_crash(w, SIM_RECIPIENT, down_us(r));
}

static void cut_link(struct sim *w, struct rng *r)
{
    if (w->links_len > 0) {
        size_t newest = w->links_len < 30 ? w->links_len : 30;

        sim_cut(w, w->links_len - rng_below(r, newest));
    }
}

static void set_apart(struct sim *w, struct rng *r)
{
    unsigned node = (unsigned)rng_below(r, SIM_STEWARDS + 1);

    node = node == SIM_STEWARDS ? SIM_LAB : node;
    w->nodes[node].apart_until_us = w->now_us + sim_about(r, 20 * SIM_SECOND);
    for (uint64_t i = 1; i <= w->links_len; i++) {
        if (w->links[i - 1].ends[0] == node ||
            w->links[i - 1].ends[1] == node) {
            sim_cut(w, i);
        }
    }
}

static void custodian_away(struct sim *w, struct rng *r)
{
    w->nodes[SIM_STEWARDS + steward_any(r)].apart_until_us =
        w->now_us + sim_about(r, 30 * SIM_SECOND);
}

static void slow_disk(struct sim *w, struct rng *r)
{
    w->nodes[rng_below(r, SIM_NODES)].slow_until_us =
        w->now_us + sim_about(r, 10 * SIM_SECOND);
}

static void drip_steward(struct sim *w, struct rng *r)
{
    w->nodes[steward_any(r)].drips_until_us =
        w->now_us + sim_about(r, 20 * SIM_SECOND);
}

static const struct fault {
    const char *name;
    unsigned weight;
    void (*strike)(struct sim *w, struct rng *r);
} catalogue[FAULT_KINDS] = {
    {"steward-crash", 6, crash_steward},
    {"custodian-crash", 2, crash_custodian},
    {"lab-crash", 2, crash_lab},
    {"recipient-crash", 1, crash_recipient},
    {"link-cut", 6, cut_link},
    {"node-apart", 2, set_apart},
    {"custodian-away", 2, custodian_away},
    {"disk-slow", 2, slow_disk},
    {"steward-drips", 2, drip_steward},
};

/* --- When ---------------------------------------------------------------- */

void faults_new(struct sim *w)
{
    struct faults *f = sim_memory(sizeof(*f));

    sim_stream(w, &f->rng, "faults", 0);
    f->one_in = w->options.faults == SIM_FAULTS_MANY   ? 100
                : w->options.faults == SIM_FAULTS_SOME ? 700
                                                       : 0;
    w->faults = f;
    faults_allow(w);
}

void faults_allow(struct sim *w)
{
    w->faults->left = w->options.faults == SIM_FAULTS_MANY ? 60 : 6;
}

void faults_stop(struct sim *w)
{
    w->faults->left = 0;
}

static unsigned kind_draw(struct rng *r)
{
    unsigned all = 0, kind = 0;
    uint64_t at;

    for (unsigned i = 0; i < FAULT_KINDS; i++) {
        all += catalogue[i].weight;
    }
    for (at = rng_below(r, all); at >= catalogue[kind].weight; kind++) {
        at -= catalogue[kind].weight;
    }
    return kind;
}

void faults_turn(struct sim *w)
{
    struct faults *f = w->faults;
    unsigned kind;

    if (f->one_in == 0 || f->left == 0 || rng_below(&f->rng, f->one_in) != 0) {
        return;
    }
    kind = kind_draw(&f->rng);
    f->left--;
    f->counts[kind]++;
    sha256_update(&w->trace, slice_str(catalogue[kind].name));
    if (w->options.verbose) {
        (void)fprintf(stderr, "%10.3f s  fault: %s\n",
                      (double)w->now_us / SIM_SECOND, catalogue[kind].name);
    }
    catalogue[kind].strike(w, &f->rng);
}

const char *fault_name(unsigned kind)
{
    return catalogue[kind].name;
}

unsigned faults_count(const struct sim *w)
{
    unsigned all = 0;

    for (unsigned i = 0; i < FAULT_KINDS; i++) {
        all += w->faults->counts[i];
    }
    return all;
}
