#ifndef CAIRN_REPLICATION_STEWARD_VOTES_H
#define CAIRN_REPLICATION_STEWARD_VOTES_H

#include "replication/keys.h"
#include "replication/steward/steward.h"

/* What feeds say about releases: requests, approvals, decisions, holdings.
 *
 *   steward_votes.c    entries about releases, as they are applied
 *   steward_waiting.c  votes on requests that are not known yet */

/* Votes and holdings of a member that wait for their requests. */
#define STEWARD_WAITING_VOTES    512U
#define STEWARD_WAITING_HOLDINGS 256U
#define STEWARD_WAITING_MAX      (STEWARD_WAITING_VOTES + STEWARD_WAITING_HOLDINGS)

/* A row, 'V', 'C' or 'H', about a release that was not known: its id or, of a
 * holding, the hash of the decision. */
struct steward_waiting {
    uint8_t kind; /* enum key_kind; 0: a free slot. */
    struct digest id;
};

/* steward_votes.c */

/* An entry has been stored; |bytes| is the whole of it. */
void steward_on_vote(struct steward *s,
                     const struct feed_entry *e,
                     struct slice bytes,
                     struct core_out *out);
/* Does this SSHSIG approve the request, for that member? */
bool steward_approval_holds(const struct steward *s,
                            struct slice request,
                            struct slice sshsig,
                            uint32_t member);

/* steward_waiting.c */

/* That row of a member is about a release that is not known. The oldest of its
 * kind makes room. */
void steward_wait(struct steward *s,
                  uint32_t member,
                  enum key_kind kind,
                  const struct digest *id,
                  struct core_out *out);
/* At the start, from its row. */
void steward_waiting_start(struct steward *s, const struct core_row *row);

#endif /* CAIRN_REPLICATION_STEWARD_VOTES_H */
