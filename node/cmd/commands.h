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

/* Of cmd_deposit, in files of their own. */
extern const struct cli_option cmd_deposit_list_options[]; /* show's too. */
extern const struct cli_option cmd_deposit_export_options[];
int cmd_deposit_list(struct cli *c);
int cmd_deposit_show(struct cli *c);
int cmd_deposit_export(struct cli *c);
int cmd_deposit_verify(struct cli *c);
int cmd_deposit_verify_file(struct cli *c, const char *path);

#endif /* CAIRN_NODE_COMMANDS_H */
