#include "node/cli/progress_show.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "node/base/text.h"

#define LINE_SIZE   512U
#define BAR_SIZE    20U
#define COLUMNS_MIN 20U
#define ETA_MAX_S   1e9
#define RATE_MAX    1e18

static bool bar_is_shown;

/* Seconds to go, or UINT64_MAX when nobody can tell. */
static uint64_t progress_eta(const struct progress *p)
{
    double eta;

    if (p->total == 0 || p->done > p->total || p->rate < 1) {
        return UINT64_MAX;
    }
    eta = (double)(p->total - p->done) / p->rate;
    return eta < ETA_MAX_S ? (uint64_t)eta : UINT64_MAX;
}

/* Within what every integer here can hold. */
static uint64_t whole(double rate)
{
    return rate < RATE_MAX ? (uint64_t)rate : (uint64_t)RATE_MAX;
}

static unsigned progress_percent(const struct progress *p)
{
    if (p->done >= p->total) {
        return p->total > 0 ? 100 : 0;
    }
    return (unsigned)((double)p->done * 100 / (double)p->total);
}

__attribute__((format(printf, 2, 3))) static void line_add(char *line,
                                                           const char *format,
                                                           ...)
{
    size_t size = strlen(line);
    va_list args;

    va_start(args, format);
    (void)vsnprintf(line + size, LINE_SIZE - size, format, args);
    va_end(args);
}

/* "45 %, 1.4 GiB of 3.1 GiB, 212.0 MiB/s (30 s: 200.1 MiB/s), ETA 9 s" */
static void line_add_state(char *line, const struct progress *p)
{
    char a[TEXT_SIZE];
    char b[TEXT_SIZE];

    if (p->total > 0) {
        line_add(line, "%u %%, %s of %s", progress_percent(p),
                 text_size(a, p->done), text_size(b, p->total));
    } else {
        line_add(line, "%s", text_size(a, p->done));
    }
    if (p->rate_ms > p->start_ms) {
        line_add(line, ", %s/s (30 s: %s/s)", text_size(a, whole(p->current)),
                 text_size(b, whole(p->rate)));
    }
    if (p->total > 0) {
        uint64_t eta = progress_eta(p);

        line_add(line, ", ETA %s",
                 eta == UINT64_MAX ? "--" : text_duration(a, eta));
    }
}

static void line_add_note(char *line, const char *note)
{
    if (note != NULL) {
        line_add(line, ", %s", note);
        text_clean(line);
    }
}

void progress_show_plain(const struct progress *p, const char *note)
{
    char line[LINE_SIZE] = "";

    line_add(line, "%s: ", p->label);
    line_add_state(line, p);
    line_add_note(line, note);
    progress_hide();
    (void)fprintf(stderr, "%s\n", line);
}

/* Cut |line| to |columns| characters. */
static void line_cut(char *line, size_t columns)
{
    size_t i = 0;

    while (line[i] != '\0' && columns > 0) {
        columns--;
        i++;
        while (((unsigned char)line[i] & 0xc0) == 0x80) {
            i++;
        }
    }
    line[i] = '\0';
}

void progress_show_tty(const struct progress *p, const char *note)
{
    struct winsize window = {0};
    char line[LINE_SIZE] = "";
    char bar[BAR_SIZE + 1];
    size_t columns = 80;
    size_t full = progress_percent(p) * BAR_SIZE / 100;

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 &&
        window.ws_col >= COLUMNS_MIN) {
        columns = window.ws_col;
    }
    memset(bar, '.', BAR_SIZE);
    memset(bar, '#', full);
    bar[BAR_SIZE] = '\0';
    line_add(line, "%s ", p->label);
    if (p->total > 0) {
        line_add(line, "[%s] ", bar);
    }
    line_add_state(line, p);
    line_add_note(line, note);
    line_cut(line, columns - 1);
    (void)fprintf(stderr, "\r%s\033[K", line);
    (void)fflush(stderr);
    bar_is_shown = true;
}

void progress_show_json(const struct progress *p,
                        const char *state,
                        const char *note)
{
    char clean[LINE_SIZE] = "";
    uint64_t eta = progress_eta(p);
    json_t *o = json_pack(
        "{s:s, s:s, s:s, s:I, s:I, s:I, s:I}", "schema", "cairn.progress/1",
        "label", p->label, "state", state, "done", (json_int_t)p->done, "total",
        (json_int_t)p->total, "rate", (json_int_t)whole(p->current), "rate_30s",
        (json_int_t)whole(p->rate));

    if (o == NULL) {
        return;
    }
    (void)json_object_set_new(
        o, "eta_s",
        eta == UINT64_MAX ? json_null() : json_integer((json_int_t)eta));
    if (note != NULL) {
        line_add(clean, "%s", note);
        text_clean(clean);
        (void)json_object_set_new(o, "note", json_string(clean));
    }
    (void)json_dumpf(o, stderr, JSON_COMPACT);
    (void)fputc('\n', stderr);
    json_decref(o);
}

void progress_show_end(const struct progress *p, bool ok, uint64_t elapsed_ms)
{
    char line[LINE_SIZE] = "";
    char a[TEXT_SIZE];
    char b[TEXT_SIZE];

    line_add(line, "%s: %s ", p->label, ok ? "done," : "stopped at");
    if (!ok && p->total > 0) {
        line_add(line, "%u %%, %s of %s", progress_percent(p),
                 text_size(a, p->done), text_size(b, p->total));
    } else {
        line_add(line, "%s", text_size(a, p->done));
    }
    (void)fprintf(stderr, "%s in %s, %s/s on average\n", line,
                  text_duration(a, elapsed_ms / 1000),
                  text_size(b, whole(p->current)));
}

void progress_hide(void)
{
    if (bar_is_shown) {
        bar_is_shown = false;
        (void)fputs("\r\033[K", stderr);
        (void)fflush(stderr);
    }
}
