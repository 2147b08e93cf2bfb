#include "replication/mover/finder.h"

/* Beyond this the wait no longer doubles. */
#define DOUBLINGS_MAX 5U

void finder_init(struct finder *f, const struct finder_config *config)
{
    assert(config->streams != 0 && config->first < 64);
    memset(f, 0, sizeof(*f));
    f->config = *config;
    f->fresh = config->streams;
}

const uint8_t *finder_found(const struct finder *f)
{
    return f->found;
}

static bool finder_is_done(const struct finder *f)
{
    return f->found != NULL || f->status != OK;
}

/* The next stream from |first| on, around the end. */
static uint32_t stream_next(const struct finder *f)
{
    uint32_t stream = f->config.first;

    while ((f->fresh & stream_bit(stream)) == 0) {
        stream = (stream + 1) % 64;
    }
    return stream;
}

static void finder_ask(struct finder *f,
                       uint64_t mono_ms,
                       struct mover_out *out)
{
    struct mover_action *a;
    unsigned doublings = f->since < DOUBLINGS_MAX ? f->since : DOUBLINGS_MAX;
    uint32_t stream;

    if (f->fresh == 0 || finder_is_done(f)) {
        return;
    }
    stream = stream_next(f);
    a = mover_act(out, MV_READ_AT);
    a->stream = stream;
    a->off = f->config.off;
    a->len = f->config.len;
    a->mem = f->config.mem + f->asked * f->config.len;
    f->mem_of[stream] = a->mem;
    f->fresh &= ~stream_bit(stream);
    f->asked++;
    f->pending++;
    if (f->fresh != 0) {
        f->wake_ms = mono_ms + ((uint64_t)FINDER_LATE_MS << doublings);
        mover_act(out, MV_WAKE_AT)->off = f->wake_ms;
    }
}

static void finder_on_read(struct finder *f, const struct mover_event *ev)
{
    f->pending--;
    if (ev->status != OK) {
        f->failed = ev->status == ERR_CANCELED ? f->failed : ev->status;
        f->since = 0;
    } else if (f->found == NULL) {
        f->found = f->mem_of[ev->stream];
    }
}

static int finder_status(const struct finder *f)
{
    if (f->status != OK) {
        return f->status;
    }
    if (f->found != NULL) {
        return OK;
    }
    return f->failed != OK ? f->failed : ERR_IO;
}

static void finder_end(struct finder *f, struct mover_out *out)
{
    if (finder_is_done(f) && f->pending > 0 && !f->dropped) {
        mover_act(out, MV_DROP);
        f->dropped = true;
    }
    if (f->pending == 0 && (finder_is_done(f) || f->fresh == 0)) {
        mover_act(out, MV_END)->status = finder_status(f);
        f->ended = true;
    }
}

void finder_step(struct finder *f,
                 const struct mover_event *ev,
                 struct mover_out *out)
{
    out->len = 0;
    if (f->ended) {
        return;
    }
    switch (ev->type) {
    case MV_START:
        finder_ask(f, ev->mono_ms, out);
        break;
    case MV_READ:
        finder_on_read(f, ev);
        if (ev->status != OK) {
            finder_ask(f, ev->mono_ms, out);
        }
        break;
    case MV_WAKE:
        if (ev->mono_ms >= f->wake_ms) {
            f->since++;
            finder_ask(f, ev->mono_ms, out);
        }
        break;
    case MV_LOST:
        f->fresh &= ~stream_bit(ev->stream);
        break;
    case MV_CANCEL:
        f->status = ERR_CANCELED;
        break;
    case MV_BUF:
    case MV_SENT:
    case MV_DURABLE:
    case MV_WORKED:
    case MV_NOTED:
        break;
    }
    finder_end(f, out);
}
