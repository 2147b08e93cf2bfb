#ifndef CAIRN_NODE_RECOVERY_H
#define CAIRN_NODE_RECOVERY_H

#include "node/mover/job.h"
#include "node/recovery/target.h"
#include "protocol/manifest.h"
#include "protocol/share.h"
#include "replication/mover/restorer.h"

/* The end of every recovery, whether the shards come from folders or from
 * stewards: key shares become the key, the segment table becomes places, and
 * segments become files. */

/* Combine shares into the content key of |m|. Shares of other deposits, bad
 * ones and repeated ones are left out and named in |bad| (a text for people,
 * ERRMSG_SIZE, empty when none was bad). ERR_NOTFOUND: fewer than t good ones;
 * ERR_AUTH: t good shares, and the key is not the one in the manifest. */
MUST_CHECK int recovery_key(const struct manifest *m,
                            const struct digest *manifest_hash,
                            const struct share_file *shares,
                            size_t shares_len,
                            struct content_key *key,
                            char *bad,
                            char *errmsg);

/* Parameters whose key is locked in memory and left out of core files, or NULL.
 * Their tables are no secret, and larger than what many systems let a program
 * lock. */
MUST_CHECK struct segment_params *recovery_params_new(void);
/* Wipe and free. Accepts NULL. */
void recovery_params_free(struct segment_params *p);

/* Parameters of the segments of |m|; |key| is copied. */
MUST_CHECK int recovery_params(const struct manifest *m,
                               const struct content_key *key,
                               struct segment_params *p);

/* Where all segments lie, from the trailer and the segment table of any shard:
 * |table| holds m->segments entries. ERR_BAD unless they add up to the table's
 * own place. The caller frees *places. */
MUST_CHECK int recovery_places(const struct manifest *m,
                               const uint8_t *table,
                               struct restorer_place **places,
                               char *errmsg);

/* Takes plaintext in order, on the I/O pool; not OK ends the job. */
typedef int recovery_sink(void *arg, uint64_t segment, struct slice plain);

/* Run the restorer over |places| into |sink|. |preferred| are streams as bits:
 * restorer.h. */
MUST_CHECK int recovery_run(struct job *j,
                            const struct segment_params *p,
                            struct mover_stream **streams,
                            const struct restorer_place *places,
                            size_t places_len,
                            recovery_sink *sink,
                            void *arg,
                            struct progress *progress,
                            uint64_t preferred);

/* Fetch the catalogue, allocated; the caller wipes and frees it. */
MUST_CHECK int recovery_catalogue(struct job *j,
                                  const struct manifest *m,
                                  const struct segment_params *p,
                                  struct mover_stream **streams,
                                  const struct restorer_place *places,
                                  uint8_t **catalogue,
                                  size_t *size,
                                  char *errmsg);

/* Everything after the streams and the key: catalogue, files, done. Progress
 * is shown for |c|. */
MUST_CHECK int recovery_files(struct cli *c,
                              struct job *j,
                              const struct manifest *m,
                              const struct segment_params *p,
                              struct mover_stream **streams,
                              const struct restorer_place *places,
                              struct target *target,
                              const char *const *only,
                              size_t only_len,
                              char *errmsg);

/* Segments in flight for a memory budget of about 256 MiB. */
unsigned segment_window(size_t buffer_size, unsigned threads, unsigned max);

#endif /* CAIRN_NODE_RECOVERY_H */
