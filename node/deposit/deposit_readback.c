#include <sodium.h>
#include <stdlib.h>

#include "node/deposit/deposit_state.h"

struct readback {
    struct depositing *d;
    uint8_t *mem;
    bool differs; /* From the model: this is what has to be said. */
    char errmsg[ERRMSG_SIZE];
};

static int readback_take(void *arg, uint64_t segment, struct slice plain)
{
    struct readback *r = arg;
    const struct source *s = &r->d->source;
    uint64_t off = segment_start(r->d, segment);
    size_t tile;
    int rv = OK;

    for (size_t at = 0; at < plain.size && rv == OK; at += tile) {
        tile = plain.size - at < SOURCE_TILE ? plain.size - at : SOURCE_TILE;
        rv = source_peek(s, off + at, r->mem, tile, r->errmsg);
        if (rv == OK && memcmp(r->mem, plain.data + at, tile) != 0) {
            errmsg_set(r->errmsg,
                       "segment %llu reads back differently from what was "
                       "sealed; do not rely on this deposit: check memory and "
                       "disks, then start over",
                       (unsigned long long)segment);
            r->differs = true;
            rv = ERR_MISMATCH;
        }
    }
    return rv;
}

/* Which segments: all of a small deposit, else at least 16 and the share that
 * was asked for, spread at random. */
static size_t readback_choose(const struct depositing *d,
                              struct restorer_place *places,
                              size_t len)
{
    size_t want = len * d->o->verify_percent / 100;
    struct rng rng;
    size_t kept = 0;

    want = want < 16 ? 16 : want;
    rng_init_system(&rng);
    for (size_t i = 0; i < len; i++) {
        /* Selection sampling: each subset of |want| is equally likely. */
        if (rng_below(&rng, len - i) < want - kept) {
            places[kept++] = places[i];
            if (kept == want) {
                break;
            }
        }
    }
    return kept;
}

/* k shards at random serve the read-back; others stand in for them. */
static uint64_t readback_prefer(const struct journal_plan *p,
                                struct mover_stream *const *streams)
{
    uint64_t preferred = 0;
    uint64_t there = 0;
    uint16_t left = p->k;
    struct rng rng;

    for (uint16_t i = 0; i < p->n; i++) {
        there += streams[i] != NULL ? 1 : 0;
    }
    rng_init_system(&rng);
    for (uint16_t i = 0; i < p->n; i++) {
        if (streams[i] != NULL && rng_below(&rng, there--) < left) {
            preferred |= stream_bit(i);
            left--;
        }
    }
    return preferred;
}

int read_back(struct depositing *d,
              const struct manifest *m,
              struct mover_stream **streams,
              const uint8_t *table,
              uint64_t *verified)
{
    struct readback r = {.d = d};
    struct restorer_place *places = NULL;
    struct progress bar;
    size_t len;
    uint64_t bytes = 0;
    int rv = OK;

    r.mem = malloc(SOURCE_TILE);
    if (r.mem == NULL) {
        rv = ERR_NOMEM;
    }
    if (rv == OK) {
        rv = recovery_places(m, table, &places, d->errmsg);
    }
    if (rv != OK) {
        goto out;
    }
    len = readback_choose(d, places, m->segments);
    for (size_t i = 0; i < len; i++) {
        bytes += places[i].size.ciphertext_size;
    }
    progress_start(&bar, d->c, "reading back", bytes);
    rv = recovery_run(&d->job, d->params, streams, places, len, readback_take,
                      &r, &bar, readback_prefer(d->journal.plan, streams));
    progress_end(&bar, rv == OK);
    rv = r.differs ? ERR_MISMATCH : rv;
    if (rv != OK) {
        errmsg_set(d->errmsg, "%s",
                   r.errmsg[0] != '\0' ? r.errmsg
                                       : "reading back failed; run the same "
                                         "command again");
    }
    *verified = len;
out:
    if (r.mem != NULL) {
        sodium_memzero(r.mem, SOURCE_TILE);
    }
    free(r.mem);
    free(places);
    return rv;
}
