#ifndef CAIRN_NODE_LOG_H
#define CAIRN_NODE_LOG_H

#include "crypto/base.h"

/* The log of a daemon, on stderr, one line each: text for people, or JSON
 * objects of the schema "cairn.log/1", with the time. For the thread of the
 * loop; what workers have to say they say to that. A log that cannot be written
 * stops nobody. */

enum log_format {
    LOG_TEXT,
    LOG_JSON
};

/* "text", "json": as configurations name it. */
const char *log_format_name(enum log_format format);

enum log_level {
    LOG_DEBUG, /* With --verbose. */
    LOG_INFO,
    LOG_WARNING,
    LOG_ERROR
};

struct log {
    enum log_format format;
    enum log_level from; /* What is below is not written. */
};

/* One line, by printf; cut off after 1 KiB. Never give it a secret. What came
 * from outside may be in it: it is cleaned of what could make another line or
 * a command to a terminal. */
void log_put(const struct log *log,
             enum log_level level,
             const char *format,
             ...) __attribute__((format(printf, 3, 4)));

#endif /* CAIRN_NODE_LOG_H */
