#ifndef CAIRN_NODE_DEPOSIT_NETWORK_H
#define CAIRN_NODE_DEPOSIT_NETWORK_H

#include "node/client/client.h"
#include "node/deposit/certificate_file.h"
#include "node/deposit/deposit_state.h"
#include "node/home/self.h"
#include "replication/depositor/depositor.h"

/* A deposit to stewards; see deposit_state.h. The machine of
 * replication/depositor/depositor.h decides, and deposit_columns.c does its
 * jobs. */
struct network {
    struct depositing d;
    struct rng rng;
    struct self self;
    char *folder;                  /* Of the journal. */
    struct certificate_file *made; /* The deposit that there is. */
    struct store *store;
    struct depositor *machine;
    struct client *client;
    struct manifest *manifest; /* Once it is published. */
    uint64_t job;              /* That is being done. */
    uint64_t verified;         /* Segments that were read back. */
    enum depositor_phase shown;
};

/* Do one job of the machine and report it. OK also when it failed, which the
 * machine then deals with; ERR_CANCELED, ERR_NOMEM, or what is wrong on our own
 * side, with words: ERR_MISMATCH, ERR_IO, ERR_FULL. */
MUST_CHECK int columns_job(struct network *w, const struct depositor_job *job);

/* --- deposit_made.c ------------------------------------------------------- */
/* Before the work: can a certificate be written to |path| (NULL: nowhere)?
 * Only another certificate is replaced; ERR_EXISTS. Otherwise the statuses of
 * file_write_may(). */
MUST_CHECK int made_may(const char *path, char *errmsg);
/* The machine is done: write its certificate into the home, and read it from
 * there as anyone else will, into w->made. */
MUST_CHECK int made_certify(struct network *w);
/* Was this model deposited in the same way already, and did nothing change
 * since, as far as one sees without reading it? Then here is its certificate.
 * What cannot be read counts as no; so does one that is not sealed wholly,
 * unless that is accepted again. */
bool made_find(const struct network *w, struct certificate_file **out);
/* So that made_find() finds it: before the journal is erased. */
MUST_CHECK int made_remember(const struct network *w);
/* What w->made says. */
void made_result(const struct network *w, struct deposit_result *result);
/* The copy of w->made that was asked for. Last: without it all is well, too. */
MUST_CHECK int made_copy(const struct network *w);

#endif /* CAIRN_NODE_DEPOSIT_NETWORK_H */
