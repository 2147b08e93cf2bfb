#ifndef CAIRN_TESTS_DEPOSITOR_WORLD_H
#define CAIRN_TESTS_DEPOSITOR_WORLD_H

#include "replication/depositor/depositor.h"
#include "tests/suite.h"

/* One lab's machine and seven stewards that are played by rule, for tests: a
 * driver that makes steps durable when a seed says so, holds actions until
 * then, and delivers everything in an order that the seed decides; only the
 * messages of one link keep their order. Time goes on when nothing else does.
 *
 * The bulk jobs are played, too: a shard is a list of leaf digests, which
 * depend on column, place and the attempt that sealed them, so that what is
 * left over from an attempt that was given up gives another root. */

#define DW_N         7U
#define DW_K         3U
#define DW_T         3U
#define DW_F         2U
#define DW_LEAVES    11U /* Preamble, 4 cells of 2, table, trailer. */
#define DW_CELLS_END 9U
#define DW_ENTRIES   400U
#define DW_PATIENCE  60000U
#define DW_ROWS      8U

struct dw_entry {
    uint8_t *bytes;
    size_t size;
};

/* What a steward does besides its duty. */
struct dw_manner {
    bool down;           /* Cannot be reached. */
    bool silent;         /* Answers no OFFER. */
    bool full;           /* Refuses every OFFER. */
    unsigned busy;       /* So many OFFERs are refused with ERR_BUSY. */
    unsigned forgetful;  /* Of its durable leaves, so many are lost. */
    bool no_receipt;     /* Holds its shard, and gives none. */
    bool false_receipt;  /* For another root. */
    bool foreign_ack;    /* Gives the acknowledgement of another share. */
    bool no_ack;         /* Never answers a DEAL. */
    unsigned deal_busy;  /* So many DEALs are refused with ERR_BUSY. */
    bool deal_denied;    /* Every DEAL is refused. */
    bool bad_disk;       /* Its bytes become others. */
    bool wrong_index;    /* Accepts another shard than was offered. */
    bool stalls;         /* Takes no cells while a model is sealed. */
    bool no_feed;        /* Refuses every WANT. */
    bool claims_ahead;   /* Says that it has more of the lab's feed. */
    uint64_t lose_after; /* Its link is lost after so many leaves; 0: not. */
    unsigned page;       /* Entries that it gives at once; 0: 64. */
};

struct dw_steward {
    struct dw_manner manner;
    struct sign_key node, d;
    uint8_t e_sk[HPKE_KEY_SIZE];
    const struct card *card;
    uint64_t link; /* 0: none. */
    bool dialled;

    struct digest leaves[2 * DW_LEAVES];
    uint64_t len, final;
    uint64_t intake; /* The link that brings it; 0: none. */
    bool sealed, refused;

    struct feed_tip tip;
    struct dw_entry feed[DW_ENTRIES];
    size_t feed_len;
    uint64_t lab_len; /* Entries of the lab's feed that it has. */
    struct dw_entry manifest, ahead;

    unsigned offers, deals, wants, dials; /* That it has heard. */
    uint64_t low; /* The first entry of its own that was wanted. */
};

struct dw_row {
    uint8_t key[CORE_KEY_MAX];
    size_t key_size, value_size;
    uint8_t *value;
};

struct dw {
    struct rng rng, machine_rng;
    const struct charter *charter;
    struct slice chain;
    struct digest net, lab_id;
    struct sign_key lab;
    struct dw_steward stewards[DW_N]; /* By column. */
    struct vss_polynomials polynomials;
    struct digest deposit_id, random;
    unsigned receipts_min;

    /* The lab: machine, store, journal. */
    struct depositor *d;
    struct dw_row rows[DW_ROWS];
    size_t rows_len;
    uint64_t committed;                    /* Leaves. */
    struct digest leaves[DW_N][DW_LEAVES]; /* As sealed so far. */
    struct merkle_range ranges[DW_N];      /* Of what is committed. */
    unsigned attempt;

    uint64_t job; /* 0: none. */
    struct depositor_job spec;
    uint64_t job_at, job_lost; /* Leaves; columns. */
    unsigned seals, fills, verifies;
    int seal_status, fill_status, verify_status; /* What the jobs end with. */
    bool fill_nothing;
    bool verify_held; /* It does not end before dw_verify_go(). */

    struct dw_step *steps, **steps_end;
    struct dw_todo *todo, **todo_end;
    uint64_t links, mono_ms, wake_ms;
    unsigned crash_one_in, cut_one_in;
    unsigned crashes;
    unsigned strangers; /* Links that it closed, of nobody here. */
    unsigned bad;       /* What a steward would have closed a link for. */
};

/* Once for all tests: the members and their charter. */
void dw_prepare(void);
void dw_forget(void);

void dw_open(struct dw *w, uint64_t seed);
void dw_close(struct dw *w);

/* Start the machine from its rows and its journal. */
void dw_boot(struct dw *w);
/* All that is not durable is lost, and the machine starts again. */
void dw_crash(struct dw *w);
/* A link is lost. */
void dw_cut(struct dw *w, uint16_t column);

/* On, until the machine is done or has failed, or |phase| is reached. */
enum depositor_phase dw_run(struct dw *w);
void dw_run_to(struct dw *w, enum depositor_phase phase);
void dw_run_some(struct dw *w, unsigned n);
void dw_verify_go(struct dw *w);

/* A steward is there on a new link, before the end of the old one shows. */
void dw_relink(struct dw *w, uint16_t column);
/* The lab itself, of all members, is at the other end of a link. */
void dw_stranger(struct dw *w);

/* A steward says something on its link. */
void dw_say(struct dw *w, uint16_t column, const struct message *m);
void dw_say_bytes(struct dw *w, uint16_t column, struct slice bytes);
/* A steward appends to its feed, and pushes to the lab. */
void dw_append(struct dw *w,
               uint16_t column,
               enum feed_kind kind,
               struct slice payload);
/* The lab's own feed as written elsewhere, for a steward that is ahead. */
void dw_write_ahead(struct dw *w, uint16_t column, const struct sign_key *key);

/* The certificate of the deposit as it is now, verified; its facts are on the
 * heap. */
struct certificate_facts *dw_certificate(const struct dw *w);

#endif /* CAIRN_TESTS_DEPOSITOR_WORLD_H */
