#ifndef CAIRN_NODE_NETWORK_FILES_H
#define CAIRN_NODE_NETWORK_FILES_H

#include "crypto/base.h"
#include "protocol/charter.h"

/* The two files that a network hands to its members: the chain of its charters,
 * and its secret. */

/* Read a chain and verify it: |*charter|, which is lent from |*chain|, and the
 * id of its network. The caller frees both with free(). ERR_BAD, ERR_AUTH,
 * ERR_DENIED, ERR_UNSUPPORTED, and what else file_read() returns. */
MUST_CHECK int network_chain_read(const char *path,
                                  uint8_t **chain,
                                  size_t *chain_size,
                                  struct charter **charter,
                                  struct digest *net,
                                  char *errmsg);

/* Read the secret of that network: secret memory of HOME_PSK_SIZE bytes, for
 * secret_free(). ERR_MISMATCH when it is that of another one, and what else
 * network_psk_read() returns. */
MUST_CHECK int network_secret_read(const char *path,
                                   const struct charter *charter,
                                   uint8_t **psk,
                                   char *errmsg);

#endif /* CAIRN_NODE_NETWORK_FILES_H */
