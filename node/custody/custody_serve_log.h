#ifndef CAIRN_NODE_CUSTODY_SERVE_LOG_H
#define CAIRN_NODE_CUSTODY_SERVE_LOG_H

#include "node/base/log.h"
#include "protocol/custody.h"

/* One line in the log of a custodian: what was asked, as custody_decode() took
 * it, and what became of it. Names deposits, releases, stewards and
 * recipients; never a share or an envelope. */
void custody_serve_log(const struct log *log,
                       const struct custody *asked,
                       struct slice answer);

#endif /* CAIRN_NODE_CUSTODY_SERVE_LOG_H */
