#ifndef CAIRN_NODE_CMD_CAIRND_H
#define CAIRN_NODE_CMD_CAIRND_H

#include "node/cmd/commands.h"
#include "node/home/self.h"

/* The commands of cairnd that have a file of their own, and what they share. */

extern const struct cli_option cmd_cairnd_init_options[];
int cmd_cairnd_init(struct cli *c);
int cmd_cairnd_card(struct cli *c);
int cmd_cairnd_install(struct cli *c);

/* Was --home given? An error is printed if not. */
bool cairnd_home_given(struct cli *c);
/* self_open() with the passphrase of --passphrase-file. */
int cairnd_self(struct cli *c, struct self *s, char *errmsg);
/* config_put() of a command line's value; an error is printed. */
bool cairnd_put(struct cli *c,
                struct config *config,
                const char *option,
                const char *key,
                const char *value);
/* Print why a home cannot be used; returns the exit code. */
int cairnd_home_fail(struct cli *c, int rv, const char *errmsg);
/* The same of charter and secret. */
int cairnd_network_fail(struct cli *c, int rv, const char *errmsg);

#endif /* CAIRN_NODE_CMD_CAIRND_H */
