#include <stdlib.h>

#include "protocol/shard.h"
#include "sim/client.h"

/* The segment table from the first steward that gives it, and then all
 * segments, in order. */

#define WINDOW 2U

static void fetch_end(struct sim_fetch *f, int status)
{
    f->end(f->w, status); /* Last: it may free |f|. */
}

/* --- Segments ------------------------------------------------------------ */

static void restorer_run(void *mover,
                         const struct mover_event *ev,
                         struct mover_out *out)
{
    restorer_step(mover, ev, out);
}

static void plain_take(struct sim_mover *m, const struct mover_action *a)
{
    struct sim_fetch *f = m->arg;
    const struct mover_event ev = {.type = MV_SENT,
                                   .stream = MOVER_SOURCE,
                                   .id = a->id,
                                   .off = a->off,
                                   .status = f->take(f->w, a->id, a->bytes)};

    assert(a->type == MV_SEND);
    sim_mover_answer(m, 100, &ev);
}

static void segments_end(void *arg, int status)
{
    fetch_end(arg, status);
}

static void segments_start(struct sim_fetch *f)
{
    struct restorer_config rc = {.params = f->params,
                                 .window = WINDOW,
                                 .places = f->places,
                                 .places_len = f->streams->manifest->segments,
                                 .streams = f->holders};
    const struct sim_mover mc = {.node = f->node,
                                 .step = restorer_run,
                                 .mover = &f->restorer,
                                 .buffer_size = restorer_buffer_size(f->params),
                                 .source = plain_take,
                                 .end = segments_end,
                                 .arg = f,
                                 .streams = f->streams};

    memcpy(rc.codecs, f->codecs, sizeof(f->codecs));
    restorer_init(&f->restorer, &rc);
    sim_mover_start(f->w, &mc);
}

/* --- The table ----------------------------------------------------------- */

static int places_read(struct sim_fetch *f, const uint8_t *table)
{
    const struct manifest *m = f->streams->manifest;
    uint64_t offset = LEAF_SIZE;

    f->places = sim_memory(m->segments * sizeof(*f->places));
    for (uint64_t i = 0; i < m->segments; i++) {
        struct restorer_place *p = &f->places[i];

        if (shard_segment_decode(&p->size, m->k, m->segment_size,
                                 table + i * SHARD_TABLE_ENTRY_SIZE) != OK) {
            return ERR_BAD;
        }
        p->segment = i;
        p->offset = offset;
        offset += (uint64_t)p->size.leaves * LEAF_SIZE;
    }
    return shard_size(offset, m->segments) == m->shard_size ? OK : ERR_BAD;
}

static void finder_run(void *mover,
                       const struct mover_event *ev,
                       struct mover_out *out)
{
    finder_step(mover, ev, out);
}

static void table_end(void *arg, int status)
{
    struct sim_fetch *f = arg;

    if (status == OK) {
        status = places_read(f, finder_found(&f->finder));
    }
    if (status == OK) {
        segments_start(f);
    } else {
        fetch_end(f, status);
    }
}

void sim_fetch_start(struct sim_fetch *f)
{
    const struct manifest *m = f->streams->manifest;
    struct finder_config fc = {.streams = f->holders,
                               .len = shard_table_size(m->segments)};
    const struct sim_mover mc = {.node = f->node,
                                 .step = finder_run,
                                 .mover = &f->finder,
                                 .buffer_size = LEAF_SIZE,
                                 .end = table_end,
                                 .arg = f,
                                 .streams = f->streams};

    fc.off = m->shard_size - LEAF_SIZE - fc.len;
    fc.mem = f->tables = sim_memory(SIM_N * fc.len);
    for (unsigned i = 0; i < WINDOW; i++) {
        if (codec_state_new(&f->codecs[i]) != OK) {
            abort();
        }
    }
    finder_init(&f->finder, &fc);
    sim_mover_start(f->w, &mc);
}

struct sim_fetch *sim_fetch_new(void)
{
    return sim_memory(sizeof(struct sim_fetch));
}

void sim_fetch_free(struct sim_fetch *f)
{
    if (f != NULL) {
        for (unsigned i = 0; i < WINDOW; i++) {
            codec_state_free(f->codecs[i]);
        }
        free(f->tables);
        free(f->places);
        free(f);
    }
}
