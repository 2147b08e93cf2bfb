#ifndef CAIRN_REPLICATION_STEWARD_ROWS_H
#define CAIRN_REPLICATION_STEWARD_ROWS_H

#include "protocol/canon.h"
#include "replication/steward/steward.h"

/* The values of a steward's rows (their keys: replication/keys.h).
 *
 *   steward_rows.c    of feeds and shards
 *   steward_papers.c  of releases
 *
 * A ..._put() adds a row to the batch of the step, which is durable before what
 * the step says leaves. A ..._read() takes a row apart, and fails when it is
 * none that ..._put() wrote. */

struct steward_feed;
struct steward_deposit;
struct steward_release;
struct steward_decision;
struct key;

/* steward_rows.c */

void steward_tip_put(const struct steward *s,
                     const struct steward_feed *f,
                     struct core_out *out);
MUST_CHECK int steward_tip_read(struct steward_feed *f,
                                const struct digest *net,
                                const struct core_row *row);
void steward_shard_put(const struct steward *s,
                       const struct steward_deposit *d,
                       struct core_out *out);
MUST_CHECK int steward_shard_read(struct steward_deposit *d,
                                  const struct core_row *row);
void steward_progress_put(const struct steward_deposit *d,
                          const struct merkle_range *range,
                          struct core_out *out);
MUST_CHECK int steward_progress_read(struct merkle_range *range,
                                     struct slice value);
void steward_manifest_put(const struct steward_deposit *d,
                          struct core_out *out);
MUST_CHECK int steward_manifest_read(struct steward_deposit *d,
                                     const struct core_row *row);
/* Put a row whose value is what |w| has written. */
void steward_row_put(const struct key *key,
                     const struct canon_writer *w,
                     struct core_out *out);
/* The row with that key among those of the event; NULL when it is not. */
const struct core_row *steward_row_find(const struct core_event *ev,
                                        const struct key *key);

/* steward_papers.c */

void steward_release_put(const struct steward *s,
                         const struct steward_release *r,
                         struct core_out *out);
/* ERR_MISMATCH: it is of another charter. */
MUST_CHECK int steward_release_read(const struct steward *s,
                                    struct steward_release *r,
                                    const struct core_row *row);
void steward_decision_put(const struct digest *release,
                          const struct digest *member,
                          const struct steward_decision *d,
                          struct core_out *out);
MUST_CHECK int steward_decision_read(struct steward_decision *d,
                                     struct slice value);
void steward_envelope_put(const struct digest *release,
                          const struct steward_decision *d,
                          struct slice envelope,
                          struct core_out *out);
/* Into a message, but for the release and the custodian; lent. */
MUST_CHECK int steward_envelope_read(struct message_envelope *m,
                                     struct slice value);
void steward_share_put(const struct steward_deposit *d, struct core_out *out);
MUST_CHECK int steward_share_read(struct steward_deposit *d,
                                  const struct core_row *row);

#endif /* CAIRN_REPLICATION_STEWARD_ROWS_H */
