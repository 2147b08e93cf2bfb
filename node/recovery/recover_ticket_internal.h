#ifndef CAIRN_NODE_RECOVER_TICKET_INTERNAL_H
#define CAIRN_NODE_RECOVER_TICKET_INTERNAL_H

#include "node/client/client.h"
#include "node/recovery/recipient_keys.h"
#include "node/recovery/recover_ticket.h"
#include "node/recovery/target.h"
#include "protocol/certificate.h"
#include "replication/recoverer/recoverer.h"

/* The inside of recover_ticket.h.
 *
 *   recover_ticket.c         all of it, one step after the other
 *   recover_ticket_papers.c  ticket and keys, which must belong together
 *   recover_ticket_gather.c  key shares from stewards
 *   recover_ticket_fetch.c   the key, the segment table, the files */

/* --- recover_ticket_papers.c --------------------------------------------- */

/* What ticket and keys say; in secret memory. */
struct ticket_papers {
    uint8_t *file; /* The ticket's bytes, which |ticket| lies in. */
    struct ticket ticket;
    struct digest release_id;
    struct release_request request;
    struct recipient_keys *keys;
    struct certificate_facts *facts;
};

/* Read and check both files of |o|, asking for a passphrase if need be. */
MUST_CHECK int ticket_papers_read(struct ticket_papers **out,
                                  struct cli *c,
                                  const struct recover_ticket_options *o,
                                  char *errmsg);
/* Wipe and free. Accepts NULL. */
void ticket_papers_free(struct ticket_papers *p);

/* --- recover_ticket_gather.c --------------------------------------------- */

/* The machine, and what of it has been told. */
struct ticket_gathering {
    struct cli *cli;
    const struct ticket_papers *papers;
    struct recoverer *recoverer; /* recoverer_free() */
    struct recoverer_column told[MANIFEST_SHARDS_MAX];
};

MUST_CHECK int ticket_gathering_open(struct ticket_gathering *g,
                                     struct cli *c,
                                     const struct ticket_papers *p,
                                     uint64_t patience_ms,
                                     char *errmsg);
/* A client's machine: the recoverer, and a line for people where there is news.
 * |machine| is the gathering. */
void ticket_gathering_step(void *machine,
                           const struct core_event *ev,
                           struct core_out *out);
/* For client_wait(); |arg| is the gathering. */
bool ticket_gathering_has_ended(void *arg);
/* Stewards that are connected. */
unsigned ticket_gathering_links(const struct ticket_gathering *g);

/* --- recover_ticket_fetch.c ---------------------------------------------- */

struct ticket_fetching {
    struct cli *cli;
    const struct recover_ticket_options *o;
    struct job *job;
    struct client *client;
    const struct ticket_gathering *gathering; /* Which has the shares. */
    const struct manifest *manifest;
    struct target *target; /* Open. */
    struct recover_result *result;
};

/* Restore the files, and keep the shares where |o| asks for it. */
MUST_CHECK int ticket_fetch(const struct ticket_fetching *f, char *errmsg);

#endif /* CAIRN_NODE_RECOVER_TICKET_INTERNAL_H */
