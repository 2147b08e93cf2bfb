#ifndef CAIRN_SIM_LAB_H
#define CAIRN_SIM_LAB_H

#include "replication/depositor/depositor.h"
#include "replication/mover/rebuilder.h"
#include "replication/mover/sealer.h"
#include "replication/mover/tail.h"
#include "sim/client.h"

/* The lab, for lab*.c alone. */

#define SIM_SEGMENT_SIZE 65536U
#define SIM_LABEL        "a small model"
#define SIM_CODECS       3U

struct sim_lab {
    /* On its disk: source, plan and journal. */
    uint8_t *source;          /* The model, then what is sealed behind it. */
    size_t size, source_size; /* Of the model alone; of both. */
    struct digest deposit_id, random, key_commit;
    struct vss_polynomials polynomials;
    struct segment_params params;
    uint64_t data_segments, segments;
    struct sealer_segment *sealed; /* By segment. */
    struct sealer_commit *last;    /* Commit, when there is one. */
    uint64_t committed;            /* Segments. */

    /* In memory. */
    struct depositor *machine;
    struct sim_streams streams;
    uint64_t job; /* 0: none. */
    struct depositor_job spec;
    uint64_t lost;                      /* Columns, as bits. */
    const struct sealer_commit *noting; /* On its way to disk. */
    uint64_t attempts;
    struct codec_state *codecs[SIM_CODECS];
    struct sealer sealer;
    struct tail tail;
    struct rebuilder rebuilder;
    struct sim_fetch *fetch;
    uint64_t filled;
    uint8_t trailers[SIM_N * LEAF_SIZE];
    struct restorer_place places[4096];
    struct manifest manifest;
};

/* lab_jobs.c: what is on its way to disk is there. */
void lab_commit(struct sim_lab *l);

/* lab_tail.c */
void lab_preamble(const struct sim *w, uint16_t index, uint8_t leaf[LEAF_SIZE]);
/* When all segments are committed: */
void lab_trailers(struct sim_lab *l);
void lab_manifest(const struct sim *w, struct sim_lab *l);
/* Segment table and trailers to |columns|. */
void lab_tail(struct sim *w,
              uint64_t columns,
              unsigned quorum,
              void (*end)(void *arg, int status));

#endif /* CAIRN_SIM_LAB_H */
