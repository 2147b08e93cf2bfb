#ifndef CAIRN_NODE_CMD_DEPOSIT_LAB_H
#define CAIRN_NODE_CMD_DEPOSIT_LAB_H

#include "node/cli/cli.h"

/* What a lab's home says of its deposits: the certificates in HOME/deposits,
 * each verified anew. A lab has no node to ask. */

/* Is --home that of a lab, and no node's socket is named? */
bool cmd_lab_is_meant(const struct cli *c);
/* {"deposits": [..], "covers": .., "as_of": ..}, with the keys of cairnd's list
 * (docs/ADMIN.md) and "file"; what cannot be read, and files that are no
 * certificates, are named in "bad". The caller owns it. */
MUST_CHECK json_t *cmd_lab_deposits(const char *home);
/* The path of the certificate of a deposit, by the beginning of its id; NULL
 * with words in |errmsg|. The caller frees. */
MUST_CHECK char *cmd_lab_certificate(const char *home,
                                     const char *id,
                                     char *errmsg);

#endif /* CAIRN_NODE_CMD_DEPOSIT_LAB_H */
