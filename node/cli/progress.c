#include "node/cli/progress.h"

#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "node/cli/cli.h"
#include "node/cli/progress_show.h"

#define SAMPLE_MS  1000U
#define AVERAGE_MS 30000U

enum progress_style {
    PROGRESS_NONE,
    PROGRESS_PLAIN,
    PROGRESS_TTY,
    PROGRESS_JSON,
};

/* Milliseconds between two showings. */
static const uint64_t progress_interval_ms[] = {
    [PROGRESS_NONE] = UINT64_MAX,
    [PROGRESS_PLAIN] = 60000,
    [PROGRESS_TTY] = 200,
    [PROGRESS_JSON] = 1000,
};

static volatile sig_atomic_t progress_asked;

static void on_usr1(int number)
{
    (void)number;
    progress_asked = 1;
}

static uint64_t now_ms(void)
{
    struct timespec t = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* stderr understands the two control sequences that the bar needs. */
static bool terminal_is_able(void)
{
    const char *term = getenv("TERM");

    return isatty(STDERR_FILENO) && term != NULL && strcmp(term, "dumb") != 0;
}

static enum progress_style style_choose(const struct cli *c)
{
    static const struct {
        const char *name;
        enum progress_style style;
    } styles[] = {
        {"none", PROGRESS_NONE},
        {"plain", PROGRESS_PLAIN},
        {"tty", PROGRESS_TTY},
        {"json", PROGRESS_JSON},
    };

    for (size_t i = 0; i < sizeof(styles) / sizeof(styles[0]); i++) {
        if (c->progress != NULL && strcmp(c->progress, styles[i].name) == 0) {
            return styles[i].style;
        }
    }
    if (c->quiet) {
        return PROGRESS_NONE;
    }
    if (terminal_is_able()) {
        return PROGRESS_TTY;
    }
    return c->json ? PROGRESS_JSON : PROGRESS_PLAIN;
}

void progress_start(struct progress *p,
                    const struct cli *c,
                    const char *label,
                    uint64_t total)
{
    struct sigaction usr1 = {.sa_handler = on_usr1, .sa_flags = SA_RESTART};
    uint64_t now = now_ms();

    *p = (struct progress){.cli = c,
                           .label = label,
                           .total = total,
                           .start_ms = now,
                           .shown_ms = now,
                           .rate_ms = now,
                           .style = (int)style_choose(c)};
    sigemptyset(&usr1.sa_mask);
    (void)sigaction(SIGUSR1, &usr1, NULL);
}

/* The average is over all time at first, and then exponential; both come out
 * of one weight. */
static void progress_sample(struct progress *p, uint64_t now)
{
    uint64_t elapsed = now - p->start_ms;
    uint64_t step = now - p->rate_ms;
    uint64_t bytes = p->done > p->rate_done ? p->done - p->rate_done : 0;
    uint64_t window = AVERAGE_MS + step;
    double weight;

    if (step < SAMPLE_MS) {
        return;
    }
    if (elapsed < window) {
        window = elapsed;
    }
    weight = (double)step / (double)window;
    p->current = (double)bytes * 1000 / (double)step;
    p->rate += weight * (p->current - p->rate);
    p->rate_done = p->done;
    p->rate_ms = now;
}

static void progress_show(const struct progress *p, const char *note)
{
    switch ((enum progress_style)p->style) {
    case PROGRESS_NONE:
        break;
    case PROGRESS_PLAIN:
        progress_show_plain(p, note);
        break;
    case PROGRESS_TTY:
        progress_show_tty(p, note);
        break;
    case PROGRESS_JSON:
        progress_show_json(p, "running", note);
        break;
    }
}

void progress_update(struct progress *p, uint64_t done, const char *note)
{
    uint64_t now = now_ms();

    p->done = done;
    progress_sample(p, now);
    if (progress_asked != 0) {
        progress_asked = 0;
        if (p->style == PROGRESS_JSON) {
            progress_show_json(p, "running", note);
        } else {
            progress_show_plain(p, note);
        }
    }
    if (now - p->shown_ms >= progress_interval_ms[p->style]) {
        p->shown_ms = now;
        progress_show(p, note);
    }
}

void progress_end(struct progress *p, bool ok)
{
    uint64_t elapsed = now_ms() - p->start_ms;

    progress_hide();
    p->current = (double)p->done * 1000 / (double)(elapsed > 0 ? elapsed : 1);
    p->rate = p->current;
    switch ((enum progress_style)p->style) {
    case PROGRESS_NONE:
        break;
    case PROGRESS_PLAIN:
    case PROGRESS_TTY:
        progress_show_end(p, ok, elapsed);
        break;
    case PROGRESS_JSON:
        progress_show_json(p, ok ? "done" : "stopped", NULL);
        break;
    }
}
