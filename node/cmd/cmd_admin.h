#ifndef CAIRN_NODE_CMD_ADMIN_H
#define CAIRN_NODE_CMD_ADMIN_H

#include "node/admin/admin_client.h"
#include "node/cli/cli.h"
#include "protocol/certificate.h"

/* What the commands of `cairn` that talk to the local cairnd share. */

#define CMD_ADMIN_OPTION                                          \
    {                                                             \
        .name = "socket", .value = "PATH",                        \
        .help = "of the local cairnd (default: CAIRN_SOCKET, or " \
                "admin.sock in the home)"                         \
    }

/* Hex of an id, whole or its beginning, and the 0. */
#define CMD_ID_SIZE (2 * DIGEST_SIZE + 1)

/* How much of an id stands in tables. */
#define CMD_ID_SHORT 8

/* NULL after an error has been printed, with the exit code in |*code|. */
struct admin_client *cmd_admin_open(struct cli *c, int *code);

/* Print what went wrong with a request and return the exit code. |next| may be
 * NULL where |errmsg| says already what to do. Closes |a|. */
int cmd_admin_fail(struct cli *c,
                   struct admin_client *a,
                   int rv,
                   const char *errmsg,
                   const char *next);

/* Is |text| an id, or the beginning of one? Into |id|, in lower case; else a
 * usage error is printed. */
bool cmd_id_read(struct cli *c, const char *text, char id[CMD_ID_SIZE]);

/* "/v1/KIND/ID/WHAT", or without the last when |what| is NULL. */
#define CMD_RESOURCE_SIZE 128
void cmd_resource(char out[CMD_RESOURCE_SIZE],
                  const char *kind,
                  const char *id,
                  const char *what);

/* The text of a peer, fit for a terminal: no control characters, and nothing
 * that turns its direction or breaks its line. Returns |out|, cut off. */
#define CMD_TEXT_SIZE 256
char *cmd_text(char out[CMD_TEXT_SIZE], const char *text);
/* The same of a member of an object; "-" when it is not there or null. */
char *cmd_json_text(char out[CMD_TEXT_SIZE],
                    const json_t *object,
                    const char *key);
/* A number; |none| when it is not there or null. */
json_int_t cmd_json_int(const json_t *object, const char *key, json_int_t none);
/* Print "name, name" of an array of texts, "nobody" when it is empty. */
void cmd_json_print_list(const json_t *array);

/* Print |object| (stolen) with --json under another schema. */
int cmd_print_as(struct cli *c, const char *schema, json_t *object);

#endif /* CAIRN_NODE_CMD_ADMIN_H */
