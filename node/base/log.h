#ifndef CAIRN_NODE_LOG_H
#define CAIRN_NODE_LOG_H

#include "crypto/base.h"

/* The log of a daemon, on stderr, one line each: text for people, or JSON
 * objects of the schema "cairn.log/1". Never a secret; what came from outside
 * is cleaned. */

enum log_format {
    LOG_TEXT,
    LOG_JSON
};

/* "text", "json". */
const char *log_format_name(enum log_format format);

enum log_level {
    LOG_DEBUG, /* With --verbose. */
    LOG_INFO,
    LOG_WARNING,
    LOG_ERROR
};

struct log {
    enum log_format format;
    enum log_level from;
};

void log_put(const struct log *log,
             enum log_level level,
             const char *format,
             ...) __attribute__((format(printf, 3, 4)));

#endif /* CAIRN_NODE_LOG_H */
