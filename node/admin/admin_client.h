#ifndef CAIRN_NODE_ADMIN_CLIENT_H
#define CAIRN_NODE_ADMIN_CLIENT_H

#include <jansson.h>

#include "node/base/file.h"

/* A client of the admin API of the local cairnd (docs/ADMIN.md): HTTP over its
 * Unix socket. Answers are bounded; an error of cairnd comes back as its code
 * and, in |errmsg|, its words, cleaned for a terminal.
 *
 * A cairnd that does not answer is ERR_IO, and admin_client_answered() false.
 * Every call waits for its answer. */

/* The socket that is meant, allocated: |option|, else CAIRN_SOCKET, else
 * admin.sock in |home|. NULL when nothing says it. */
char *admin_client_path(const char *option, const char *home);

struct admin_client;

/* Nothing is connected yet. |path| and |home|, which may be NULL and is only
 * for words, are copied. ERR_FULL for a path that no socket can have. */
MUST_CHECK int admin_client_open(struct admin_client **out,
                                 const char *path,
                                 const char *home,
                                 char *errmsg);
void admin_client_close(struct admin_client *a); /* Accepts NULL. */

/* Did cairnd answer the last request, be it with an error? */
bool admin_client_answered(const struct admin_client *a);

/* |resource| is "/v1/...". The answer, at most |max| bytes, is the caller's to
 * free(); ERR_FULL when it is longer. A ticket is secret: the caller wipes it,
 * and no copy of an answer is left here. */
MUST_CHECK int admin_client_get(struct admin_client *a,
                                const char *resource,
                                size_t max,
                                uint8_t **data,
                                size_t *size,
                                char *errmsg);
/* The same as an object of JSON of this schema; json_decref() it. ERR_BAD when
 * it is none. */
MUST_CHECK int admin_client_get_json(struct admin_client *a,
                                     const char *resource,
                                     const char *schema,
                                     json_t **object,
                                     char *errmsg);
MUST_CHECK int admin_client_post(struct admin_client *a,
                                 const char *resource,
                                 struct slice body,
                                 const char *schema,
                                 json_t **object,
                                 char *errmsg);

#endif /* CAIRN_NODE_ADMIN_CLIENT_H */
