#ifndef CAIRN_SIM_CLIENT_H
#define CAIRN_SIM_CLIENT_H

#include "protocol/manifest.h"
#include "protocol/message.h"
#include "protocol/transport_cert.h"
#include "replication/mover/finder.h"
#include "replication/mover/restorer.h"
#include "sim/sim.h"

/* The two that come from outside, lab and recipient: movers on the shards that
 * stewards hold, seen as streams. The twin of node/client*.c. */

/* --- Movers (mover.c) ---------------------------------------------------- */

#define SIM_MOVER_BUFFERS 4U

struct sim_mover {
    struct sim *w;
    unsigned node;
    void (*step)(void *mover,
                 const struct mover_event *ev,
                 struct mover_out *out);
    void *mover;
    size_t buffer_size;
    /* READ_AT, SEND and FLUSH of the source, and NOTE. */
    void (*source)(struct sim_mover *m, const struct mover_action *a);
    void (*end)(void *arg, int status);
    void *arg;
    struct sim_streams *streams;
    /* Its own. */
    uint64_t serial;
    uint8_t *mem;
    bool lent[SIM_MOVER_BUFFERS];
    unsigned waiting;
    struct mover_out out;
};

/* Copied; one at a time for a node. Ends with |end|, unless the node does. */
void sim_mover_start(struct sim *w, const struct sim_mover *config);
void sim_mover_free(struct sim *w, unsigned node);
/* The answer to |a|, after a while. */
void sim_mover_answer(struct sim_mover *m,
                      uint64_t delay_us,
                      const struct mover_event *ev);
void sim_on_mover(struct sim *w, struct sim_event *e);

/* --- Streams (streams.c) ------------------------------------------------- */

#define SIM_READS_MAX 16U

struct sim_stream_read {
    bool used, cell, dropped;
    uint32_t id;
    struct mover_event answer;
    struct digest nodes[MERKLE_RUN_NODES_MAX];
    size_t nodes_len;
};

struct sim_stream {
    uint64_t link, writes; /* 0: none. */
    uint32_t ids;
    uint64_t leaves, durable, flush_leaves;
    bool flushing;
    struct sim_stream_read reads[SIM_READS_MAX];
};

struct sim_streams {
    struct digest deposit_id;
    const struct manifest *manifest; /* Once there is one. */
    struct digest stewards[MANIFEST_SHARDS_MAX];
    struct sim_stream columns[SIM_N];
};

void sim_stream_write(struct sim_streams *s,
                      uint16_t column,
                      uint64_t link,
                      uint64_t leaves);
/* The next leaf, before any mover. */
void sim_stream_leaf(struct sim *w,
                     unsigned node,
                     struct sim_streams *s,
                     uint16_t column,
                     const uint8_t leaf[LEAF_SIZE]);
void sim_stream_submit(struct sim_mover *m, const struct mover_action *a);
/* MV_DROP. */
void sim_stream_drop(struct sim_mover *m, uint64_t id);

/* Of the node's streams; see net.c. */
void sim_client_up(struct sim *w, unsigned node, uint64_t link, unsigned peer);
void sim_client_down(struct sim *w, unsigned node, uint64_t link);
bool sim_client_message(struct sim *w,
                        unsigned node,
                        uint64_t link,
                        struct slice bytes,
                        int *status);
MUST_CHECK int sim_client_data(struct sim *w,
                               unsigned node,
                               uint64_t link,
                               uint32_t stream,
                               struct slice bytes);

/* --- Fetching (fetch.c) -------------------------------------------------- */

/* Segment table, then segments, from whoever holds them. */
struct sim_fetch {
    struct sim *w;
    unsigned node;
    struct sim_streams *streams;
    const struct segment_params *params;
    uint64_t holders; /* Columns, as bits. */
    /* Not OK: it is not what was sealed. */
    int (*take)(struct sim *w, uint64_t segment, struct slice plain);
    void (*end)(struct sim *w, int status);
    /* Its own. */
    struct finder finder;
    uint8_t *tables;
    struct restorer_place *places;
    struct codec_state *codecs[2];
    struct restorer restorer;
};

struct sim_fetch *sim_fetch_new(void);
void sim_fetch_start(struct sim_fetch *f);
void sim_fetch_free(struct sim_fetch *f); /* Accepts NULL. */

/* --- Lab and recipient (lab.c, recipient.c) ------------------------------- */

struct release_request;
struct certificate_facts;

void sim_lab_new(struct sim *w);
void sim_lab_free(struct sim *w);
MUST_CHECK int sim_lab_make(struct sim *w);
void sim_lab_job(struct sim *w, uint64_t job, struct slice bytes);
void sim_lab_end(struct sim *w);
struct sim_streams *sim_lab_streams(struct sim *w);
/* The same command again. */
bool sim_lab_is_done(const struct sim *w);
bool sim_lab_has_failed(const struct sim *w, const char **text);
/* What was deposited: the model and what is sealed behind it. */
struct slice sim_lab_source(const struct sim *w);
/* The certificate that it leaves with, in |out|, of CERTIFICATE_SIZE_MAX. */
size_t sim_lab_certificate(const struct sim *w, uint8_t *out);

void sim_recipient_new(struct sim *w);
void sim_recipient_free(struct sim *w);
/* It has a ticket: |facts| are lent, |psk| is of the release. */
void sim_recipient_ticket(struct sim *w,
                          const struct certificate_facts *facts,
                          const struct digest *release_id,
                          const struct digest *psk);
void sim_recipient_keys(const struct sim *w,
                        uint8_t hpke_pk[HPKE_KEY_SIZE],
                        uint8_t transport_pk[32]);
MUST_CHECK int sim_recipient_make(struct sim *w);
void sim_recipient_job(struct sim *w, uint64_t job);
void sim_recipient_end(struct sim *w);
void sim_recipient_shows(const struct sim *w, struct transport_cert *cert);
struct sim_streams *sim_recipient_streams(struct sim *w);
bool sim_recipient_is_done(const struct sim *w);
bool sim_recipient_has_failed(const struct sim *w, const char **text);
/* What it has recovered. */
struct slice sim_recipient_plain(const struct sim *w);

#endif /* CAIRN_SIM_CLIENT_H */
