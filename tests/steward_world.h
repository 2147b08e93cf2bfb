#ifndef CAIRN_TESTS_STEWARD_WORLD_H
#define CAIRN_TESTS_STEWARD_WORLD_H

#include "protocol/charter.h"
#include "protocol/custody.h"
#include "protocol/manifest.h"
#include "replication/custodian/custodian.h"
#include "replication/steward/steward.h"
#include "tests/suite.h"

/* A network of stewards' machines and scripted members, for tests: a driver
 * that applies batches to rows in memory, holds actions until the batch is
 * durable, and delivers everything in an order that a seed decides. Only the
 * messages of one link keep their order. A crash loses what was not synced.
 *
 * Members 0 .. stewards-1 are stewards; the others are played by the test. Each
 * steward has a custodian, whose rows are durable at once; what it answers is
 * on its way like everything else. */

#define WORLD_MEMBERS 8U
#define WORLD_LEAVES  64U /* Of the longest shard. */
#define WORLD_FILES   4U

struct world_row {
    uint8_t key[CORE_KEY_MAX];
    size_t key_size, value_size;
    uint8_t *value;
};

/* A shard's file: its leaves, and how many of them survive a crash. */
struct world_file {
    struct digest deposit;
    bool used, sealed;
    struct digest leaves[WORLD_LEAVES];
    uint64_t len, durable;
    uint64_t job, link; /* The intake at work; 0: none. */
    struct steward_job spec;
};

struct world_node {
    struct steward *s; /* NULL for those that the test plays. */
    bool down;
    struct world_row *rows; /* Durable, by key. */
    size_t rows_len, rows_max;
    struct world_step *steps, **steps_end; /* Not durable yet. */
    uint64_t wake_ms;
    struct world_file files[WORLD_FILES];
    unsigned checks;                   /* Of signatures. */
    unsigned refused;                  /* REFUSE messages said. */
    struct message_refuse last_refuse; /* The last of them. */
    unsigned closed;                   /* Links that it closed. */
    /* Its custodian, and the custodian's rows. */
    struct custodian *custodian;
    struct world_node *custody;
    bool custody_away;
    unsigned asked; /* What it asked of the custodian, in all. */
    /* Answers to admin requests. */
    unsigned replies;
    uint64_t reply_id;
    struct steward_reply reply;
};

struct world_link {
    uint64_t id; /* Of both ends. */
    unsigned a, b;
    bool up;
    /* |b| comes as the recipient of this release. */
    bool recipient;
    struct digest release;
    uint8_t transport_pk[32];
};

#define WORLD_LINKS_MAX 512U

struct world {
    struct rng rng;
    struct charter charter;
    struct digest net;
    struct sign_key keys[WORLD_MEMBERS];
    struct digest ids[WORLD_MEMBERS];
    /* Of custodians and operators. */
    struct sign_key signs[WORLD_MEMBERS];
    uint8_t hpke_sks[WORLD_MEMBERS][HPKE_KEY_SIZE];
    uint8_t operator_sks[WORLD_MEMBERS][64];
    uint8_t psk[32];
    unsigned stewards;
    uint64_t capacity, lab_quota, feed_quota;
    bool disks_full; /* No intake finds room, */
    bool jobs_full;  /* or a place. */
    bool reads_last; /* Whoever reads does not listen. */
    struct world_node nodes[WORLD_MEMBERS];
    struct world_link links[WORLD_LINKS_MAX];
    size_t links_len;
    struct world_todo *todo, **todo_end;
    uint64_t mono_ms, wall_ms, delivered;
    unsigned crash_one_in; /* A crash before one in so many deliveries. */
    unsigned cut_one_in;   /* A link lost likewise. */
    /* What a scripted member hears. */
    void (*on_message)(struct world *w,
                       unsigned member,
                       uint64_t link,
                       const struct message *m);
    void (*on_link)(struct world *w, unsigned member, uint64_t link, bool up);
    /* NULL, or it answers for custodians: true when |answer| is set. */
    bool (*on_custody)(struct world *w,
                       unsigned node,
                       const struct custody *asked,
                       struct custody *answer);
};

/* Members get their roles, all machines their keys, and nobody has rows. */
void world_open(struct world *w,
                uint64_t seed,
                unsigned stewards,
                const enum card_role roles[WORLD_MEMBERS]);
void world_close(struct world *w);

/* Start the machine of a steward from its rows. */
void world_boot(struct world *w, unsigned node);
/* What is not durable is lost, and the machine starts again. */
void world_crash(struct world *w, unsigned node);

/* Connect two members; returns the link. */
uint64_t world_connect(struct world *w, unsigned a, unsigned b);
/* The same; |b| shows that it is the recipient of a release. */
uint64_t world_connect_recipient(struct world *w,
                                 unsigned a,
                                 unsigned b,
                                 const struct digest *release,
                                 const uint8_t transport_pk[32]);
void world_cut(struct world *w, uint64_t id);
bool world_is_up(const struct world *w, uint64_t id);

/* A scripted member says something. */
void world_say(struct world *w,
               unsigned from,
               uint64_t link,
               const struct message *m);
void world_say_bytes(struct world *w,
                     unsigned from,
                     uint64_t id,
                     struct slice bytes);

/* An admin request; it is answered to the node's |reply|. */
void world_client(struct world *w,
                  unsigned node,
                  uint64_t id,
                  const struct steward_client *c);
/* The custodian of a steward is there anew. */
void world_custody_there(struct world *w, unsigned node);
/* What the operator of a member makes of a request: the size of an SSHSIG. */
size_t world_sign(const struct world *w,
                  unsigned member,
                  const char *ns,
                  struct slice request,
                  uint8_t sig[1024]);

/* Deliver until nothing is left that does not wait for a clock; what is to be
 * passed on a little later is passed on then, and no clock moves for it. */
void world_run(struct world *w);
/* Deliver at most |n| things. */
void world_run_some(struct world *w, unsigned n);
void world_pass(struct world *w, uint64_t ms);

/* A row; NULL when there is none. */
const struct world_row *world_row(const struct world *w,
                                  unsigned node,
                                  struct slice key);
size_t world_rows(const struct world *w, unsigned node, char kind);

/* The same rows at both, of the kinds in |kinds|. */
bool world_rows_equal(const struct world *w,
                      unsigned a,
                      unsigned b,
                      const char *kinds);

/* Leaf |i| of the shard |index| of a deposit, and the range before it. */
void world_leaf(const struct digest *deposit,
                uint16_t index,
                uint64_t i,
                struct digest *leaf);
void world_range(const struct digest *deposit,
                 uint16_t index,
                 uint64_t leaves,
                 struct merkle_range *range);
struct world_file *world_file(struct world *w,
                              unsigned node,
                              const struct digest *deposit);
/* The intake of that shard ends by itself; what is not durable is lost. */
void world_intake_end(struct world *w,
                      unsigned node,
                      const struct digest *deposit,
                      int status);

#endif /* CAIRN_TESTS_STEWARD_WORLD_H */
