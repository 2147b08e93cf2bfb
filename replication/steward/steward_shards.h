#ifndef CAIRN_REPLICATION_STEWARD_SHARDS_H
#define CAIRN_REPLICATION_STEWARD_SHARDS_H

#include "replication/steward/steward.h"

/* A shard in custody, from OFFER to HELD (the diagram in steward.h), and who
 * reads it. Its bytes are moved by jobs (steward_jobs.h).
 *
 *   steward_offer.c   OFFER: may the lab send it, and from where on
 *   steward_shards.c  jobs of intakes, seals, reads and drops, and their ends
 *   steward_seals.c   manifests; from FILLING to HELD
 *   steward_reads.c   COMMIT, READ */

struct steward_deposit;
struct steward_link;

#define STEWARD_SEALS_MAX     4U
#define STEWARD_DROPS_MAX     4U
#define STEWARD_SEAL_AGAIN_MS 60000U

struct steward_intake {
    uint64_t job; /* 0: free */
    uint64_t link;
    uint32_t deposit;
    struct merkle_range range; /* Durable. */
    bool accepted;             /* Its files are open: the lab may send. */
};

/* A shard that is sealed or dropped. */
struct steward_slot {
    uint64_t id; /* Of the read, then of the job; 0: free. */
    bool reading;
    bool has_range; /* SEAL: then the manifest is read. */
    struct merkle_range range;
    uint32_t deposit;
};

/* steward_offer.c */

/* |ev| is the answer to what was read for it, or NULL. */
void steward_on_offer(struct steward *s,
                      struct steward_link *l,
                      const struct core_event *ev,
                      struct core_out *out);

/* steward_shards.c */

void steward_job_start(const struct steward_job *job,
                       uint64_t id,
                       struct core_out *out);
struct steward_slot *steward_slot_free(struct steward_slot *slots, size_t len);
struct steward_slot *steward_slot_find(struct steward_slot *slots,
                                       size_t len,
                                       uint64_t id,
                                       bool reading);
/* The files of a shard are open, and its room is taken: tell the lab. */
void steward_intake_accept(struct steward *s,
                           struct steward_intake *in,
                           struct core_out *out);
struct steward_intake *steward_intake_of_link(struct steward *s, uint64_t link);
struct steward_intake *steward_intake_of(struct steward *s, uint32_t deposit);
void steward_on_job(struct steward *s,
                    const struct core_event *ev,
                    struct core_out *out);
/* What is here of a shard is not what was promised, or is not there: it begins
 * anew with the first leaf. */
void steward_shard_restart(struct steward *s,
                           struct steward_deposit *d,
                           struct core_out *out);
/* Give up shards whose time is over. */
void steward_expire(struct steward *s, struct core_out *out);

/* steward_seals.c */

/* A manifest has been stored at that place of its author's feed. */
void steward_on_manifest(struct steward *s,
                         const struct feed_entry *e,
                         struct core_out *out);
/* Take from s->manifest what it promises of the shard; a text that says why it
 * is not the one that we have, or NULL. */
const char *steward_promise(const struct steward *s, struct steward_deposit *d);
/* Begin to seal when everything is there; true then. */
bool steward_seal_due(struct steward *s,
                      uint32_t deposit,
                      struct core_out *out);
/* Start what is to be sealed, as far as there are slots. */
void steward_seals_start(struct steward *s, struct core_out *out);
/* True when these rows were asked for a seal. */
bool steward_on_seal_rows(struct steward *s,
                          const struct core_event *ev,
                          struct core_out *out);
void steward_on_seal(struct steward *s,
                     struct steward_slot *slot,
                     int status,
                     struct core_out *out);

/* steward_reads.c */

void steward_on_commit(struct steward *s,
                       struct steward_link *l,
                       struct core_out *out);
void steward_on_read(struct steward *s,
                     struct steward_link *l,
                     struct core_out *out);

#endif /* CAIRN_REPLICATION_STEWARD_SHARDS_H */
