#ifndef CAIRN_REPLICATION_TAIL_H
#define CAIRN_REPLICATION_TAIL_H

#include "protocol/shard.h"
#include "replication/mover/mover.h"

/* The mover that ends n shards after their last cell: the segment table, which
 * is the same in all of them and comes from MOVER_SOURCE in pieces, then each
 * shard's own trailer leaf, then one flush.
 *
 *   READING -> SENDING -> READING ... -> TRAILERS -> FLUSHING -> ended
 *
 * One buffer of TAIL_BUFFER bytes. A stream that is lost is left out; below
 * |quorum| of them that are durable the job ends with the error of the one
 * that is missed. */

#define TAIL_BUFFER ((size_t)1 << 20)

struct tail_config {
    uint64_t table_offset, table_size; /* Bytes; whole leaves. */
    uint16_t n;
    unsigned quorum;
    uint64_t streams;        /* Those that there are, as bits. */
    const uint8_t *trailers; /* n leaves; lent. */
};

struct tail {
    struct tail_config config;
    uint64_t at;            /* Of the table, sent. */
    uint64_t lost, durable; /* Streams, as bits. */
    unsigned pending;
    uint32_t buf;
    uint8_t *mem;
    bool trailers, flushed, ended;
    int status, missed;
};

void tail_init(struct tail *t, const struct tail_config *config);
void tail_step(struct tail *t,
               const struct mover_event *ev,
               struct mover_out *out);

#endif /* CAIRN_REPLICATION_TAIL_H */
