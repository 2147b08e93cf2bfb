#ifndef CAIRN_REPLICATION_RECOVERER_H
#define CAIRN_REPLICATION_RECOVERER_H

#include "crypto/hpke.h"
#include "protocol/certificate.h"
#include "protocol/message.h"
#include "protocol/share.h"
#include "replication/core.h"

/* The machine of a recipient: gathers key shares from the stewards of a
 * released deposit and keeps links to those that hold its shards.
 *
 *   GATHERING --(t good shares, links to k or patience over)--> FETCHING
 *   FETCHING  --(job done)--> DONE;   any --> FAILED
 *
 * Every steward that the manifest names is dialled (ACT_DIAL, its member id),
 * and dialled again after RECOVERER_REDIAL_MS until the end. Each that is up is
 * asked for its envelope; one that does not have it yet is asked again after
 * RECOVERER_REDIAL_MS. An envelope is opened with the recipient's key and the
 * release's psk, and the share checked against the manifest's commitments: a
 * bad one names its steward in recoverer_column(), with the envelope's hash.
 *
 * GATHERING ends when t good shares are here and links to k stewards, or, when
 * the shares are here and |patience_ms| is over, with however many links there
 * are; without enough shares it fails |patience_ms| after the last progress.
 *
 * One job, ACT_JOB without bytes, when FETCHING begins: the driver takes the
 * shares and fetches over the links that there are. Durable rows: none. */

#define RECOVERER_REDIAL_MS 2000U

enum recoverer_phase {
    RECOVERER_GATHERING = 1,
    RECOVERER_FETCHING,
    RECOVERER_DONE,
    RECOVERER_FAILED
};

struct recoverer_config {
    const struct charter *charter; /* Lent for the machine's life. */
    struct digest net, release_id, manifest_hash;
    const struct manifest *manifest; /* Lent. */
    uint8_t hpke_sk[HPKE_KEY_SIZE];  /* The recipient's; secret. */
    uint8_t psk[32];                 /* Of the release; secret. */
    uint64_t patience_ms;
};

struct recoverer_column {
    bool up, share;
    uint64_t link; /* 0: none */
    char text[MESSAGE_TEXT_MAX + 1];
};

struct recoverer;

MUST_CHECK int recoverer_new(struct recoverer **out,
                             const struct recoverer_config *config);
void recoverer_free(struct recoverer *r); /* Wipes. Accepts NULL. */
void recoverer_step(struct recoverer *r,
                    const struct core_event *ev,
                    struct core_out *out);

enum recoverer_phase recoverer_phase(const struct recoverer *r);
void recoverer_column(const struct recoverer *r,
                      uint16_t index,
                      struct recoverer_column *column);
int recoverer_failure(const struct recoverer *r, const char **text);
/* The good shares, in secret memory of the machine; lent until it is freed. */
size_t recoverer_shares(const struct recoverer *r,
                        const struct share_file **shares);

#endif /* CAIRN_REPLICATION_RECOVERER_H */
