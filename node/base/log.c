#include "node/base/log.h"

#include <jansson.h>
#include <stdarg.h>
#include <time.h>

#include "node/base/text.h"

#define LINE_SIZE 1024

const char *log_format_name(enum log_format format)
{
    return format == LOG_JSON ? "json" : "text";
}

void log_put(const struct log *log,
             enum log_level level,
             const char *format,
             ...)
{
    static const char *const levels[] = {"debug", "info", "warning", "error"};
    char when[TEXT_SIZE], line[LINE_SIZE];
    json_t *object;
    va_list args;

    if (level < log->from) {
        return;
    }
    va_start(args, format);
    (void)vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    text_clean(line);
    text_time(when, (uint64_t)time(NULL));
    if (log->format == LOG_TEXT) {
        (void)fprintf(stderr, "%s %-7s %s\n", when, levels[level], line);
        return;
    }
    object = json_pack("{s:s, s:s, s:s, s:s}", "schema", "cairn.log/1", "time",
                       when, "level", levels[level], "text", line);
    if (object != NULL && json_dumpf(object, stderr, JSON_COMPACT) == 0) {
        (void)fputc('\n', stderr);
    }
    json_decref(object);
}
