#ifndef CAIRN_NODE_RECOVER_TICKET_H
#define CAIRN_NODE_RECOVER_TICKET_H

#include "node/recovery/recover.h"

/* Recovery from the stewards of a network that have released a deposit: the
 * ticket says which and where, the recipient's keys open what they give. */

struct recover_ticket_options {
    const char *ticket;          /* protocol/certificate.h */
    const char *keys;            /* node/recovery/recipient_keys.h */
    const char *passphrase_file; /* Of the keys; NULL: ask when there is one. */
    const char *save_shares;     /* A folder for the opened shares, or NULL. */
    const char *out;
    const char *const *only;
    size_t only_len;
    bool force;
    uint64_t patience_ms; /* Without progress; 0: a minute. */
};

/* Gather key shares, fetch, restore. |result->shards_used| are the stewards
 * that were connected when fetching began.
 *
 * |*asked| (written in any case) says whether stewards have been asked: an
 * error before that lies with the ticket, the keys or where it is all to go.
 * Then ERR_NOTFOUND means
 * too few key shares or shards, and |errmsg| names who is missing. */
MUST_CHECK int recover_ticket(struct cli *c,
                              const struct recover_ticket_options *o,
                              struct recover_result *result,
                              bool *asked,
                              char *errmsg);

#endif /* CAIRN_NODE_RECOVER_TICKET_H */
