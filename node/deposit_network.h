#ifndef CAIRN_NODE_DEPOSIT_NETWORK_H
#define CAIRN_NODE_DEPOSIT_NETWORK_H

#include "node/client.h"
#include "node/deposit_state.h"
#include "node/self.h"
#include "replication/depositor.h"

/* A deposit to stewards; see deposit_state.h. The machine of
 * replication/depositor.h decides, and deposit_columns.c does its jobs. */
struct network {
    struct depositing d;
    struct self self;
    struct store *store;
    struct depositor *machine;
    struct client *client;
    struct manifest *manifest; /* Once it is published. */
    uint64_t job;              /* That is being done. */
    uint64_t verified;         /* Segments that were read back. */
    enum depositor_phase shown;
    uint64_t shown_receipts;
};

/* Do one job of the machine and report it. OK also when it failed, which the
 * machine then deals with; ERR_CANCELED, ERR_NOMEM, or what is wrong on our own
 * side, with words: ERR_MISMATCH, ERR_IO, ERR_FULL. */
MUST_CHECK int columns_job(struct network *w, const struct depositor_job *job);

#endif /* CAIRN_NODE_DEPOSIT_NETWORK_H */
