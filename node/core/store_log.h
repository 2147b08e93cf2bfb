#ifndef CAIRN_NODE_STORE_LOG_H
#define CAIRN_NODE_STORE_LOG_H

#include "crypto/base.h"

/* What a power cut does to the end of RocksDB's logs: the write-ahead log and
 * the MANIFEST, which have one format (RocksDB's wiki, "Write Ahead Log File
 * Format").
 *
 * A record is synced before the next one begins, so that a cut tears at most
 * the last, and that one was never acknowledged. When the file has grown and
 * the bytes did not come, a file system gives zeros in their place. RocksDB
 * takes a record that is cut short for a torn one; one that has its length and
 * zeros it takes for damage, and does not open. */

/* In the folder of a database that nobody has open: cut off the torn end of
 * its last write-ahead log, and of its MANIFEST. True when something was cut.
 *
 * Only what a cut leaves is touched: a record that fails its sum and of which
 * a sector or more is zeros, with no whole record behind it. All else is
 * damage, and stays as it is. */
bool store_log_mend(const char *folder);

#endif /* CAIRN_NODE_STORE_LOG_H */
