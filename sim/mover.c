#include <stdlib.h>

#include "sim/client.h"

/* The driver of movers: the twin of node/mover/mover_run.c. Work is done at
 * once, and told a while later. */

void sim_mover_answer(struct sim_mover *m,
                      uint64_t delay_us,
                      const struct mover_event *ev)
{
    struct sim_event *e = sim_put(m->w, delay_us, SIM_MOVER, m->node, m->serial,
                                  ev->status, slice_of(NULL, 0));

    e->mover = *ev;
    e->number = ev->type;
}

static void buffers_give(struct sim_mover *m)
{
    for (uint32_t i = 0; i < SIM_MOVER_BUFFERS && m->waiting > 0; i++) {
        struct mover_event ev = {.type = MV_BUF,
                                 .buf = i,
                                 .mem = m->mem + i * m->buffer_size,
                                 .len = m->buffer_size};

        if (!m->lent[i]) {
            m->lent[i] = true;
            m->waiting--;
            sim_mover_answer(m, 0, &ev);
        }
    }
}

static void do_work(struct sim_mover *m, const struct mover_action *a)
{
    const struct mover_event ev = {
        .type = MV_WORKED, .id = a->id, .status = a->work(a->arg)};

    sim_mover_answer(m, sim_about(&m->w->nodes[m->node].disk, 2000), &ev);
}

static void do_wake(struct sim_mover *m, const struct mover_action *a)
{
    const struct mover_event ev = {.type = MV_WAKE};
    uint64_t now = sim_mono_ms(m->w, m->node);

    sim_mover_answer(m, a->off > now ? (a->off - now) * 1000 : 0, &ev);
}

/* True when the job has ended, and |m| is no more. */
static bool act_do(struct sim_mover *m, const struct mover_action *a)
{
    struct sim *w = m->w;
    unsigned node = m->node;
    void (*end)(void *arg, int status) = m->end;
    void *arg = m->arg;

    switch (a->type) {
    case MV_GET_BUF:
        m->waiting++;
        break;
    case MV_PUT_BUF:
        assert(m->lent[a->buf]);
        m->lent[a->buf] = false;
        break;
    case MV_WORK:
        do_work(m, a);
        break;
    case MV_READ_AT:
    case MV_SEND:
    case MV_FLUSH:
        if (a->stream != MOVER_SOURCE) {
            sim_stream_submit(m, a);
            break;
        }
        m->source(m, a);
        break;
    case MV_NOTE:
        m->source(m, a);
        break;
    case MV_WAKE_AT:
        do_wake(m, a);
        break;
    case MV_DROP:
        sim_stream_drop(m, a->id);
        break;
    case MV_PROGRESS:
    case MV_SLOW:
        break;
    case MV_END:
        sim_mover_free(w, node);
        end(arg, a->status);
        return true;
    }
    return false;
}

static void mover_give(struct sim_mover *m, struct mover_event ev)
{
    /* MV_END is the last, and frees |m|. */
    struct mover_out *out = &m->out;

    out->len = 0;
    ev.mono_ms = sim_mono_ms(m->w, m->node);
    m->step(m->mover, &ev, out);
    for (size_t i = 0; i < out->len; i++) {
        const struct mover_action a = out->acts[i];

        if (act_do(m, &a)) {
            return;
        }
    }
    buffers_give(m);
}

void sim_on_mover(struct sim *w, struct sim_event *e)
{
    struct sim_mover *m = w->nodes[e->node].mover;

    if (m != NULL && m->serial == e->id) {
        mover_give(m, e->mover);
    }
}

void sim_mover_start(struct sim *w, const struct sim_mover *config)
{
    struct sim_mover *m = sim_memory(sizeof(*m));
    const struct mover_event ev = {.type = MV_START};

    *m = *config;
    m->w = w;
    m->serial = ++w->seq;
    m->buffer_size = (m->buffer_size + 4095) / 4096 * 4096;
    m->mem = aligned_alloc(4096, SIM_MOVER_BUFFERS * m->buffer_size);
    if (m->mem == NULL) {
        abort();
    }
    assert(w->nodes[m->node].mover == NULL);
    w->nodes[m->node].mover = m;
    mover_give(m, ev);
}

void sim_mover_free(struct sim *w, unsigned node)
{
    struct sim_mover *m = w->nodes[node].mover;

    if (m != NULL) {
        w->nodes[node].mover = NULL;
        free(m->mem);
        free(m);
    }
}
