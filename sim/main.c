#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "crypto/primitives.h"
#include "sim/faults.h"
#include "sim/oracles.h"
#include "sim/story.h"

#define MODEL_SIZE 1048576U

static const char *const levels[] = {"none", "some", "many"};

static void hash_text(const struct sim *w, char out[2 * DIGEST_SIZE + 1])
{
    struct digest d;

    sha256_peek(&w->trace, &d);
    for (size_t i = 0; i < DIGEST_SIZE; i++) {
        (void)snprintf(out + 2 * i, 3, "%02x", d.bytes[i]);
    }
}

static void tell_text(const struct sim *w, const char *hash)
{
    printf("seed %llu: %s, %llu events in %.3f virtual seconds, %u faults, "
           "%llu checks\ntrace %s\n",
           (unsigned long long)w->options.seed,
           w->oracles->failed ? "VIOLATION" : "held",
           (unsigned long long)w->events, (double)w->now_us / SIM_SECOND,
           faults_count(w), (unsigned long long)w->oracles->checks, hash);
    for (unsigned i = 0; i < FAULT_KINDS && w->options.verbose; i++) {
        printf("  %-16s %u\n", fault_name(i), w->faults->counts[i]);
    }
}

static void tell_json(const struct sim *w, const char *hash)
{
    printf("{\"schema\":\"cairn.sim/1\",\"seed\":%llu,\"held\":%s,"
           "\"events\":%llu,\"virtual_us\":%llu,\"checks\":%llu,"
           "\"trace\":\"%s\",\"faults\":{",
           (unsigned long long)w->options.seed,
           w->oracles->failed ? "false" : "true", (unsigned long long)w->events,
           (unsigned long long)w->now_us,
           (unsigned long long)w->oracles->checks, hash);
    for (unsigned i = 0; i < FAULT_KINDS; i++) {
        printf("%s\"%s\":%u", i > 0 ? "," : "", fault_name(i),
               w->faults->counts[i]);
    }
    printf("}}\n");
}

/* One seed; false on a violation. */
static bool run(const struct sim_options *options, bool json)
{
    struct sim *w = sim_new(options);
    char hash[2 * DIGEST_SIZE + 1];
    bool held;

    while (sim_run_one(w)) {
    }
    held = !w->oracles->failed;
    hash_text(w, hash);
    if (json) {
        tell_json(w, hash);
    } else {
        tell_text(w, hash);
    }
    (void)fflush(stdout);
    if (!held) {
        sim_tell_recent(w);
        (void)fprintf(stderr,
                      "seed %llu, faults %s, at %.6f virtual seconds in '%s':\n"
                      "%s\n",
                      (unsigned long long)options->seed,
                      levels[options->faults], (double)w->now_us / SIM_SECOND,
                      story_phase_name(story_phase(w)), w->oracles->text);
    }
    sim_free(w);
    return held;
}

static int usage(void)
{
    (void)fprintf(stderr, "usage: cairn-sim [--seed N] [--seeds COUNT] "
                          "[--faults none|some|many] [--verbose] [--json]\n"
                          "COUNT seeds from N on, one after the other.\n");
    return 2;
}

static bool number_parse(const char *text, uint64_t *out)
{
    char *end = NULL;

    *out = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0';
}

static bool level_parse(const char *text, unsigned *out)
{
    for (unsigned i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        if (strcmp(text, levels[i]) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

int main(int argc, char **argv)
{
    static const struct option known[] = {
        {"seed", required_argument, NULL, 's'},
        {"seeds", required_argument, NULL, 'n'},
        {"faults", required_argument, NULL, 'f'},
        {"verbose", no_argument, NULL, 'v'},
        {"json", no_argument, NULL, 'j'},
        {NULL, 0, NULL, 0}};
    struct sim_options o = {.seed = 1, .model_size = MODEL_SIZE};
    uint64_t seeds = 1;
    bool json = false, held = true, good = true;
    int c;

    while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (c == 's') {
            good = number_parse(optarg, &o.seed) && good;
        } else if (c == 'n') {
            good = number_parse(optarg, &seeds) && good;
        } else if (c == 'f') {
            good = level_parse(optarg, &o.faults) && good;
        } else if (c == 'v') {
            o.verbose = true;
        } else if (c == 'j') {
            json = true;
        } else {
            good = false;
        }
    }
    if (!good || optind != argc) {
        return usage();
    }
    if (primitives_init() != OK) {
        (void)fprintf(stderr,
                      "the primitives of this machine are not usable\n");
        return 2;
    }
    for (; seeds > 0 && held; seeds--, o.seed++) {
        held = run(&o, json);
    }
    return held ? 0 : 1;
}
