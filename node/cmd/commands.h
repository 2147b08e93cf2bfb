#ifndef CAIRN_NODE_COMMANDS_H
#define CAIRN_NODE_COMMANDS_H

#include "node/cli/cli.h"

/* The command groups of `cairn`, one cmd_GROUP.c each. A command parses its
 * options, calls a module that knows no command line, and prints. */

extern const struct cli_command cmd_cairnd[];  /* Those of cairnd. */
extern const struct cli_command cmd_deposit[]; /* plan, create, list, ... */
extern const struct cli_command cmd_id[];      /* new, card */
extern const struct cli_command cmd_network[]; /* found, sign, assemble, show */
extern const struct cli_command cmd_release[]; /* request, submit, ... */
extern const struct cli_option cmd_recover_options[];
int cmd_recover(struct cli *c);
extern const struct cli_option cmd_status_options[];
int cmd_status(struct cli *c);

#endif /* CAIRN_NODE_COMMANDS_H */
