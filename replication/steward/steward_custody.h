#ifndef CAIRN_REPLICATION_STEWARD_CUSTODY_H
#define CAIRN_REPLICATION_STEWARD_CUSTODY_H

#include "protocol/custody.h"
#include "protocol/manifest.h"
#include "replication/steward/steward_releases.h"

/* What is asked of our custodian (protocol/custody.h), one request at a time.
 *
 *   steward_custody.c  asking, and its answers about releases
 *   steward_deal.c     DEAL: a lab's key share on its way to it */

struct steward_link;

/* The one request that is at the custodian. */
struct steward_custody {
    uint64_t id; /* 0: none */
    enum custody_type asked;
    uint64_t again_ms; /* Releases wait until then, after it was away. */
    /* DEAL */
    uint64_t link;
    uint32_t deposit;
    uint16_t share_index;
    struct manifest manifest;
    /* RELEASE, ENVELOPE */
    struct digest release;
    struct steward_decision decision; /* ENVELOPE */
    uint8_t buf[CUSTODY_SIZE_MAX];
};

/* steward_custody.c */

/* May something be asked of the custodian? */
bool steward_custody_is_free(const struct steward *s);
/* Even a DEAL? Releases come first: labs may deal without end. */
bool steward_custody_takes_deals(const struct steward *s);
/* Ask; the caller has filled in s->custody but for its id and |asked|. */
void steward_custody_ask(struct steward *s,
                         const struct custody *c,
                         struct core_out *out);
/* Releases that were refused for a cause that passes are due again. */
void steward_custody_wake(struct steward *s);
/* When the next of them is; UINT64_MAX: none. */
uint64_t steward_custody_until(const struct steward *s);
void steward_on_custody(struct steward *s,
                        const struct core_event *ev,
                        struct core_out *out);

/* steward_deal.c */

/* |ev| is the answer to what was read for it, or NULL. */
void steward_on_deal(struct steward *s,
                     struct steward_link *l,
                     const struct core_event *ev,
                     struct core_out *out);
/* The custodian's answer; NULL: it could not be reached. */
void steward_on_dealt(struct steward *s,
                      const struct custody *answer,
                      struct core_out *out);

#endif /* CAIRN_REPLICATION_STEWARD_CUSTODY_H */
