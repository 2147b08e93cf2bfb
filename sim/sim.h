#ifndef CAIRN_SIM_SIM_H
#define CAIRN_SIM_SIM_H

#include "crypto/hash.h"
#include "replication/core.h"
#include "sim/people.h"
#include "sim/queue.h"

/* The world: one virtual clock, one queue of events, and nodes that live on
 * it. A node is a process with a machine of replication/ inside, rows of its
 * own, and links to others. Everything that happens is an event, everything
 * that is drawn comes from streams of the seed, so one seed is one history.
 *
 *   event -> machine's step -> |now| actions, at once
 *                           -> batch ... durable, a while later -> the others
 *
 * Nodes 0 .. 6 are stewards, 7 .. 13 their custodians, then the lab and the
 * recipient. What a node has in memory ends with its life: an event that was
 * meant for an earlier life is not delivered. */

enum sim_node_kind {
    SIM_IS_STEWARD,
    SIM_IS_CUSTODIAN,
    SIM_IS_LAB,
    SIM_IS_RECIPIENT
};

#define SIM_K         4U
#define SIM_N         SIM_STEWARDS
#define SIM_T         3U
#define SIM_LAB       14U /* 2 * SIM_STEWARDS */
#define SIM_RECIPIENT (SIM_LAB + 1)
#define SIM_NODES     (SIM_LAB + 2)
/* Virtual time is in microseconds. */
#define SIM_SECOND ((uint64_t)1000000)

struct sim;
struct sim_mover;
struct sim_shard;
struct sim_lab;
struct sim_recipient;

/* --- Rows (rows.c) ------------------------------------------------------- */

struct sim_row {
    uint8_t key[CORE_KEY_MAX];
    size_t key_size, value_size;
    uint8_t *value;
};

struct sim_rows {
    struct sim_row *rows; /* By key. */
    size_t len, max;
};

void sim_rows_apply(struct sim_rows *r, const struct core_op *op);
const struct sim_row *sim_rows_get(const struct sim_rows *r, struct slice key);
/* The next row from |*at| on whose key begins with |prefix|; NULL: none. */
const struct sim_row *sim_rows_next(const struct sim_rows *r,
                                    size_t *at,
                                    struct slice prefix);
/* The place of the first key behind |key|. */
size_t sim_rows_after(const struct sim_rows *r, struct slice key);
void sim_rows_free(struct sim_rows *r);

/* --- Nodes (node.c) ------------------------------------------------------ */

struct sim_step;
struct sim_read;

struct sim_node {
    uint32_t life;
    bool up, gone; /* |gone|: for good, and its disks with it. */
    uint64_t boot_us, skew_ms;
    void *machine;
    void (*step)(void *machine,
                 const struct core_event *ev,
                 struct core_out *out);
    void (*free)(void *machine);
    struct rng rng, disk; /* The machine's; of its delays. */
    struct sim_rows rows;
    struct sim_step *steps, **steps_end; /* Not durable yet. */
    uint64_t synced_us;                  /* When the last of them will be. */
    uint64_t slow_until_us;              /* Its disk is. */
    uint64_t drips_until_us;             /* What it sends in bulk does. */
    struct sim_read *reads, **reads_end;
    uint64_t wake_ms, wake_id;
    uint64_t jobs_us; /* When the last report of a job arrives. */
    uint64_t apart_until_us;
    struct sim_mover *mover; /* Of clients, while a job is done. */
};

/* Start |node| from what its disk has. */
void sim_boot(struct sim *w, unsigned node);
/* What is not durable is lost; it comes back after |down_us|. */
void sim_crash(struct sim *w, unsigned node, uint64_t down_us);
/* It never comes back, and nothing of its disk is left. */
void sim_lose(struct sim *w, unsigned node);
/* A machine's event, now. */
void sim_feed(struct sim *w, unsigned node, struct core_event ev);
uint64_t sim_mono_ms(const struct sim *w, unsigned node);
uint64_t sim_wall_ms(const struct sim *w, unsigned node);
/* What a synced write takes. */
uint64_t sim_disk_us(struct sim *w, unsigned node);
/* EV_JOB, soon; reports keep their order. */
void sim_report(struct sim *w,
                unsigned node,
                uint64_t job,
                int status,
                struct slice bytes);

void sim_on_durable(struct sim *w, struct sim_event *e);
void sim_on_rows(struct sim *w, struct sim_event *e);

/* --- Links (net.c) ------------------------------------------------------- */

#define SIM_LINKS_MAX 16384U /* In one history. */

struct sim_link {
    unsigned ends[2]; /* Who dialled, and whom. */
    uint32_t lives[2];
    bool hears[2]; /* That end takes what arrives. */
    bool told[2];  /* That end's machine has been told that it is up. */
    bool cut;      /* Nothing that is on its way arrives. */
    uint64_t latency_us, byte_ns;
    uint64_t last_us[2]; /* When the last that was sent to that end arrives. */
};

/* Numbers of links begin at 1, and are the same at both ends. */
void sim_dial(struct sim *w, unsigned from, unsigned to);
void sim_send(struct sim *w, unsigned from, uint64_t link, struct slice bytes);
/* Bulk bytes of a stream; returns when they have left. */
uint64_t sim_send_data(struct sim *w,
                       unsigned from,
                       uint64_t link,
                       uint32_t stream,
                       struct slice bytes);
void sim_close(struct sim *w, unsigned from, uint64_t link);
void sim_cut(struct sim *w, uint64_t link);
/* All links of a node, as its process ends. */
void sim_links_end(struct sim *w, unsigned node);
bool sim_link_lives(const struct sim *w, uint64_t link);
/* Stewards look for each other. */
void sim_on_seek(struct sim *w, const struct sim_event *e);
void sim_on_net(struct sim *w, struct sim_event *e);

/* --- What stewards do with their hands ------------------------------------ */

/* shards.c */
struct sim_shard *sim_shard_new(void);
void sim_shard_free(struct sim_shard *s);
void sim_shard_crash(struct sim *w, unsigned node);
void sim_shard_job(struct sim *w,
                   unsigned node,
                   uint64_t job,
                   struct slice spec);
void sim_shard_cancel(struct sim *w, unsigned node, uint64_t job);
void sim_shard_link_down(struct sim *w, unsigned node, uint64_t link);
/* True when the message was the intake's; *status not OK: close. */
bool sim_shard_message(struct sim *w,
                       unsigned node,
                       uint64_t link,
                       struct slice bytes,
                       int *status);
MUST_CHECK int sim_shard_data(struct sim *w,
                              unsigned node,
                              uint64_t link,
                              uint32_t stream,
                              struct slice bytes);
void sim_on_disk(struct sim *w, struct sim_event *e);
/* The root of what is durable and sealed; false when it is not. */
bool sim_shard_root(const struct sim *w, unsigned node, struct digest *root);
/* One bit of a sealed shard flips. */
void sim_shard_rot(struct sim *w, unsigned node, uint64_t at);

/* custody.c */
void sim_custody_ask(struct sim *w,
                     unsigned steward,
                     uint64_t id,
                     struct slice bytes);
void sim_custody_reply(struct sim *w,
                       unsigned custodian,
                       uint64_t number,
                       struct slice bytes);
/* The custodian's process ended: what it was asked is answered ERR_IO. */
void sim_custody_end(struct sim *w, unsigned custodian);
void sim_on_ask(struct sim *w, struct sim_event *e);

/* --- The world (world.c) ------------------------------------------------- */

#define SIM_RECENT   50U
#define SIM_ASKS_MAX 256U

struct sim_ask {
    unsigned steward; /* Whose life |life| asked |id|. */
    uint32_t life;
    uint64_t id;
    bool open;
    uint8_t envelope_of[DIGEST_SIZE]; /* Of CUSTODY_ENVELOPE: the release. */
};

struct sim_recent {
    uint64_t at_us, id;
    enum sim_type type;
    unsigned node;
    int status;
    size_t size;
};

struct sim_options {
    uint64_t seed;
    unsigned faults; /* SIM_FAULTS_* of sim/faults.h */
    bool verbose;
    bool drips; /* Who would be lost after the deposit drips instead. */
    size_t model_size;
};

struct sim {
    struct sim_options options;
    uint64_t now_us, seq, events;
    struct sim_queue queue;
    struct people people;
    struct sim_node nodes[SIM_NODES];
    struct sim_shard *shards[SIM_STEWARDS];
    struct sim_link links[SIM_LINKS_MAX];
    size_t links_len, links_first; /* All before |links_first| are over. */
    struct rng net;
    struct sim_ask asks[SIM_ASKS_MAX];
    uint64_t asks_len;
    struct sim_lab *lab;
    struct sim_recipient *recipient;
    struct story *story;
    struct faults *faults;
    struct oracles *oracles;
    struct sha256 trace;
    struct sim_recent recent[SIM_RECENT];
    struct core_out out;
};

struct sim *sim_new(const struct sim_options *options);
void sim_free(struct sim *w);
/* One event; false when nothing is left, or an oracle has spoken. */
bool sim_run_one(struct sim *w);
/* A stream of the seed for one purpose. */
void sim_stream(const struct sim *w,
                struct rng *r,
                const char *what,
                uint64_t i);
/* Put an event on the queue for the present life of |node|. */
struct sim_event *sim_put(struct sim *w,
                          uint64_t delay_us,
                          enum sim_type type,
                          unsigned node,
                          uint64_t id,
                          int status,
                          struct slice bytes);
/* |about| microseconds, half to one and a half. */
uint64_t sim_about(struct rng *r, uint64_t about);
enum sim_node_kind sim_kind(unsigned node);
/* Which of the members sits at a node. */
unsigned sim_member(unsigned node);
/* The last events, for people. */
void sim_tell_recent(const struct sim *w);

/* Memory that cannot be had ends the simulation. */
void *sim_memory(size_t size);

#endif /* CAIRN_SIM_SIM_H */
