#ifndef CAIRN_NODE_CMD_CUSTODIAN_H
#define CAIRN_NODE_CMD_CUSTODIAN_H

#include "node/cli/cli.h"
#include "node/custody/custody_home.h"
#include "node/custody/custody_store.h"

/* The commands of cairn-custodian, and what they share: cmd_custodian.c has
 * init and status, the others are in files of their own. */

/* What the keys of rows begin with (replication/custodian/custodian.h). */
#define CMD_CUSTODIAN_SHARES    "S"
#define CMD_CUSTODIAN_DECISIONS "R"

/* What a custodian's store shows without its key: how many rows, and from when.
 * To see that it is not an old backup, or another disk. |id| is that of
 * custody_home_store_id(); errors as those of custody_store_sum(). */
struct custodian_sums {
    struct custody_store_sum shares, decisions;
};
MUST_CHECK int custodian_sums(struct custodian_sums *sums,
                              const char *store,
                              const uint8_t id[VOLUME_ID_SIZE],
                              char *errmsg);

extern const struct cli_command cmd_custodian[];

/* The commands; they return exit codes. */
extern const struct cli_option cmd_custodian_pin_options[];
extern const struct cli_option cmd_custodian_run_options[];
int cmd_custodian_pin(struct cli *c);
int cmd_custodian_run(struct cli *c);

/* Was --home given? An error is printed if not. */
bool custodian_home_given(struct cli *c);
/* Print why something cannot be done, |errmsg|, and what to do about an |rv|
 * like that; returns the exit code. */
int custodian_fail(struct cli *c, int rv, const char *errmsg);

#endif /* CAIRN_NODE_CMD_CUSTODIAN_H */
