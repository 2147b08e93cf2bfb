#ifndef CAIRN_NODE_CMD_NETWORK_H
#define CAIRN_NODE_CMD_NETWORK_H

#include "node/cli/cli.h"
#include "protocol/charter.h"

/* What the commands of `cairn network` share. */

/* Print what a charter says, for people or as "cairn.network/1". |is_signed|:
 * it stands in a chain whose signatures hold; otherwise it is a draft. Returns
 * the exit code. */
int network_print(struct cli *c, const struct charter *charter, bool is_signed);

/* Read and take apart the draft at |path|. |*bytes| is the caller's, to be
 * freed also after an error. */
MUST_CHECK int network_draft_read(const char *path,
                                  struct charter *charter,
                                  uint8_t **bytes,
                                  size_t *size,
                                  char *errmsg);

/* The value of an option, or |other| when it is not given. */
const char *network_value(const struct cli *c,
                          const char *name,
                          const char *other);

/* More cannot be of one draft. */
#define NETWORK_SIGNATURES_MAX CHARTER_MEMBERS_MAX

extern const struct cli_option cmd_network_found_options[];
extern const struct cli_option cmd_network_sign_options[];
extern const struct cli_option cmd_network_assemble_options[];
int cmd_network_found(struct cli *c);
int cmd_network_sign(struct cli *c);
int cmd_network_assemble(struct cli *c);

#endif /* CAIRN_NODE_CMD_NETWORK_H */
