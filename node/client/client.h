#ifndef CAIRN_NODE_CLIENT_H
#define CAIRN_NODE_CLIENT_H

#include "node/core/core_run.h"
#include "node/home/home.h"
#include "node/link/link.h"
#include "node/mover/job.h"
#include "protocol/charter.h"
#include "protocol/manifest.h"

/* The network as a lab or a recipient uses it: links to the stewards of one
 * deposit, a deciding machine that says what is said on them
 * (replication/depositor/depositor.h, recoverer.h), and their shards as streams
 * of movers for the bulk jobs that the machine asks for.
 *
 *   machine --ACT_DIAL, ACT_SEND--> links      messages --EV_MSG--> machine
 *   machine --ACT_JOB--> client_wait() returns; the caller does the job on
 *                        client_streams(), and reports with client_report()
 *
 * The streams, by column (shard index): MV_SEND becomes APPEND and data,
 * MV_FLUSH becomes FLUSH and is answered by DURABLE (later SENDs do not wait
 * for it), MV_READ_AT becomes READ and is answered by CELL and data that were
 * verified against the shard's root in the manifest. A stream works on the
 * newest link to its steward; what it had taken when a link ends is answered
 * with ERR_IO. One that, with no more than f - 1 others, keeps the rest waiting
 * for |patience_ms|, or says next to nothing for so long when it is asked to
 * read, is given up likewise.
 *
 * Everything runs on the thread and loop of the job, inside client_wait() and
 * job_run(), so that links live on while a job runs. */

struct client;

struct client_config {
    struct job *job;               /* Open; outlives the client. */
    const struct charter *charter; /* Lent. */
    struct digest net;
    const uint8_t *psk; /* HOME_PSK_SIZE bytes: the network's, or a release's */
    struct noise_keypair transport; /* X; copied, secret. */
    /* Members: their id and node key. Recipients: the release, and no key. */
    struct digest id;
    const struct sign_key *node;
    /* The stewards, by column. */
    const struct digest *stewards;
    uint16_t n;
    struct digest deposit_id;
    uint64_t patience_ms;
    /* The machine, and where its rows are kept (may be NULL when it writes
     * none). */
    core_run_step *step;
    void *machine;
    struct store *store;
    const struct slice *starts;
    size_t starts_len;
    bool verbose; /* Links that come and go are told on stderr. */
};

MUST_CHECK int client_open(struct client **out,
                           const struct client_config *config,
                           char *errmsg);

/* Run until |ended| says so, looking at the machine (OK), it asks for a job
 * (OK, *job not 0, its bytes copied into |bytes|, of |max|), Ctrl-C
 * (ERR_CANCELED), or the store fails (ERR_IO). */
MUST_CHECK int client_wait(struct client *c,
                           bool (*ended)(void *arg),
                           void *arg,
                           uint64_t *job,
                           uint8_t *bytes,
                           size_t max,
                           size_t *size,
                           char *errmsg);

/* EV_JOB for the machine. */
void client_report(struct client *c,
                   uint64_t job,
                   int status,
                   struct slice bytes);

/* The link that accepted the OFFER for a column, which then takes what follows
 * the first |leaves| leaves. Without this, or on another link, MV_SEND and
 * MV_FLUSH are answered with ERR_IO. */
void client_write(struct client *c,
                  uint16_t column,
                  uint64_t link,
                  uint64_t leaves);
/* Send the next leaf, before any mover does. */
MUST_CHECK int client_write_leaf(struct client *c,
                                 uint16_t column,
                                 const uint8_t *leaf);

/* By column. They may be used from now on until client_close(); reading needs
 * the manifest. */
struct mover_stream **client_streams(struct client *c);
/* From now on columns can be read; |m| is copied. ERR_NOMEM. */
MUST_CHECK int client_manifest(struct client *c, const struct manifest *m);
/* Read |leaves| leaves that are the same in all columns, those of the segment
 * table, from |first| into |mem|, and wait for it: from |column|, and from any
 * other that is connected when that one fails or is slow. ERR_IO, ERR_MISMATCH,
 * ERR_NOTFOUND, ERR_CANCELED, ERR_NOMEM. */
MUST_CHECK int client_read(struct client *c,
                           uint16_t column,
                           uint64_t first,
                           uint64_t leaves,
                           uint8_t *mem);

/* Close all links and free. */
void client_close(struct client *c);

#endif /* CAIRN_NODE_CLIENT_H */
