#ifndef CAIRN_REPLICATION_FINDER_H
#define CAIRN_REPLICATION_FINDER_H

#include "replication/mover/mover.h"

/* The mover that reads what is the same in all shards, which is the segment
 * table, from the first stream that gives it.
 *
 * Streams are asked one by one, the next when one fails, or besides it when
 * FINDER_LATE_MS have gone by, and then after twice as long each time: a table
 * is short, but a line may be thin. What is under way goes on meanwhile. With
 * the first good answer the rest is dropped. */

/* As HOLDERS_LATE_MS. */
#define FINDER_LATE_MS 2000U

struct finder_config {
    uint64_t streams; /* That may be asked, as bits; not none. */
    uint32_t first;   /* Where to begin; the others follow by number. */
    uint64_t off, len;
    uint8_t *mem; /* |len| bytes for each of |streams|; lent. */
};

struct finder {
    struct finder_config config;
    uint64_t fresh;                 /* Not asked yet, as bits. */
    const uint8_t *mem_of[64];      /* By stream. */
    const uint8_t *found;           /* NULL: nothing yet. */
    unsigned asked, pending, since; /* In all; not answered; since a failure. */
    uint64_t wake_ms;
    bool dropped, ended;
    int status, failed; /* Why it stops; why a stream did. */
};

void finder_init(struct finder *f, const struct finder_config *config);

/* MV_END: OK, and finder_found() is it; ERR_CANCELED; or what the last stream
 * failed with. */
void finder_step(struct finder *f,
                 const struct mover_event *ev,
                 struct mover_out *out);

/* |len| bytes of |mem|. */
const uint8_t *finder_found(const struct finder *f);

#endif /* CAIRN_REPLICATION_FINDER_H */
