#ifndef CAIRN_NODE_CMD_RELEASE_H
#define CAIRN_NODE_CMD_RELEASE_H

#include "node/cmd/cmd_admin.h"

/* The commands of `cairn release`, and what they share: a request, which is
 * rendered here from its bytes, whatever a node says of it. */

/* A request as it is shown: taken apart, rendered, and named. All zero at
 * first; release_shown_free() is due whatever the functions below return. */
struct release_shown {
    uint8_t *bytes; /* As it is signed; owned. */
    size_t size;
    struct release_request request;
    /* Covers every field: with charter_fingerprint(), what people compare over
     * the telephone. */
    struct digest id;
    char *text; /* RELEASE_RENDERED_MAX; owned. */
    size_t text_size;
};

/* From bytes of malloc(), which |s| owns from now on. ERR_BAD when they are no
 * request, ERR_UNSUPPORTED when they are one of a later version. */
MUST_CHECK int release_shown_init(struct release_shown *s,
                                  uint8_t *bytes,
                                  size_t size,
                                  char *errmsg);
/* From a file; errors as above, and those of file_read(). */
MUST_CHECK int release_shown_read(struct release_shown *s,
                                  const char *path,
                                  char *errmsg);
/* The request that cairnd knows under |id|, the beginning of an id. It has that
 * id, ERR_MISMATCH otherwise; errors as above, and those of
 * admin_client_get(). */
MUST_CHECK int release_shown_fetch(struct release_shown *s,
                                   struct admin_client *a,
                                   const char *id,
                                   char *errmsg);
void release_shown_free(struct release_shown *s);

/* The fields for --json; the caller owns it. */
json_t *release_shown_json(const struct release_shown *s);

/* The commands; they return exit codes. */
extern const struct cli_option cmd_release_request_options[];
extern const struct cli_option cmd_release_show_options[];
extern const struct cli_option cmd_release_approve_options[];
extern const struct cli_option cmd_release_deny_options[];
extern const struct cli_option cmd_release_ticket_options[];
int cmd_release_request(struct cli *c);
int cmd_release_submit(struct cli *c);
int cmd_release_list(struct cli *c);
int cmd_release_show(struct cli *c);
int cmd_release_approve(struct cli *c);
int cmd_release_deny(struct cli *c);
int cmd_release_status(struct cli *c);
int cmd_release_ticket(struct cli *c);

#endif /* CAIRN_NODE_CMD_RELEASE_H */
