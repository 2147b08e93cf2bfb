#include "replication/mover/tail.h"

static uint64_t live(const struct tail *t)
{
    return t->config.streams & ~t->lost;
}

/* Remember the first reason; what is in flight is still waited for. */
static void tail_fail(struct tail *t, int status)
{
    if (t->status == OK) {
        t->status = status;
    }
}

/* A stream that is durable counts whatever becomes of it afterwards. */
static void quorum_check(struct tail *t)
{
    if (stream_bits_len(live(t) | t->durable) < t->config.quorum) {
        tail_fail(t, t->missed);
    }
}

static void stream_lose(struct tail *t, uint32_t stream, int status)
{
    t->lost |= stream_bit(stream);
    t->missed = status;
    quorum_check(t);
}

static struct mover_action *ask(struct tail *t,
                                struct mover_out *out,
                                enum mover_action_type type)
{
    t->pending++;
    return mover_act(out, type);
}

void tail_init(struct tail *t, const struct tail_config *config)
{
    memset(t, 0, sizeof(*t));
    t->config = *config;
    t->missed = ERR_IO;
    assert(config->n >= 1 && config->n <= MANIFEST_SHARDS_MAX);
    assert(config->n == MANIFEST_SHARDS_MAX ||
           config->streams >> config->n == 0);
    assert(config->quorum >= 1 && config->quorum <= config->n);
    assert(config->table_offset % LEAF_SIZE == 0);
    assert(config->table_size % LEAF_SIZE == 0);
    quorum_check(t);
}

/* The next piece of the table. */
static uint64_t piece_size(const struct tail *t)
{
    uint64_t left = t->config.table_size - t->at;

    return left < TAIL_BUFFER ? left : TAIL_BUFFER;
}

static void table_read(struct tail *t, struct mover_out *out)
{
    struct mover_action *a = ask(t, out, MV_READ_AT);

    a->stream = MOVER_SOURCE;
    a->off = t->at;
    a->len = piece_size(t);
    a->mem = t->mem;
}

static void send_to(struct tail *t,
                    struct mover_out *out,
                    uint32_t stream,
                    uint64_t off,
                    struct slice bytes)
{
    struct mover_action *a = ask(t, out, MV_SEND);

    a->stream = stream;
    a->off = t->config.table_offset + off;
    a->bytes = bytes;
}

static void table_send(struct tail *t, struct mover_out *out)
{
    uint64_t size = piece_size(t);

    for (uint32_t i = 0; i < t->config.n; i++) {
        if ((live(t) & stream_bit(i)) != 0) {
            send_to(t, out, i, t->at, slice_of(t->mem, size));
        }
    }
    t->at += size;
}

static void trailers_send(struct tail *t, struct mover_out *out)
{
    for (uint32_t i = 0; i < t->config.n; i++) {
        if ((live(t) & stream_bit(i)) != 0) {
            const uint8_t *trailer = t->config.trailers + (size_t)i * LEAF_SIZE;

            send_to(t, out, i, t->config.table_size,
                    slice_of(trailer, LEAF_SIZE));
        }
    }
    t->trailers = true;
}

static void tail_flush(struct tail *t, struct mover_out *out)
{
    for (uint32_t i = 0; i < t->config.n; i++) {
        if ((live(t) & stream_bit(i)) != 0) {
            ask(t, out, MV_FLUSH)->stream = i;
        }
    }
    t->flushed = true;
}

static void tail_end(struct tail *t, struct mover_out *out)
{
    if (t->mem != NULL) {
        mover_act(out, MV_PUT_BUF)->buf = t->buf;
    }
    mover_act(out, MV_END)->status = t->status;
    t->ended = true;
}

/* Each step of the diagram waits for all answers to the one before it: the
 * buffer is the streams' until then. */
static void tail_pump(struct tail *t, struct mover_out *out)
{
    if (t->pending > 0) {
        return;
    }
    if (t->status != OK || t->flushed) {
        tail_end(t, out);
    } else if (t->at < t->config.table_size) {
        table_read(t, out);
    } else if (!t->trailers) {
        trailers_send(t, out);
    } else {
        tail_flush(t, out);
    }
}

static void tail_on_buffer(struct tail *t, const struct mover_event *ev)
{
    if (ev->status != OK) {
        tail_fail(t, ev->status);
        return;
    }
    assert(ev->len >= TAIL_BUFFER && ev->mem != NULL);
    t->buf = ev->buf;
    t->mem = ev->mem;
}

static void tail_on_read(struct tail *t,
                         const struct mover_event *ev,
                         struct mover_out *out)
{
    assert(ev->stream == MOVER_SOURCE && ev->off == t->at);
    if (ev->status != OK) {
        tail_fail(t, ev->status);
    } else if (t->status == OK) {
        assert(ev->len == piece_size(t));
        table_send(t, out);
    }
}

static void tail_on_durable(struct tail *t, const struct mover_event *ev)
{
    uint64_t end = t->config.table_offset + t->config.table_size + LEAF_SIZE;

    assert(ev->stream < t->config.n);
    if (ev->status == OK && ev->off >= end) {
        t->durable |= stream_bit(ev->stream);
    } else {
        stream_lose(t, ev->stream, ev->status != OK ? ev->status : ERR_IO);
    }
}

void tail_step(struct tail *t,
               const struct mover_event *ev,
               struct mover_out *out)
{
    out->len = 0;
    if (t->ended) {
        return;
    }
    switch (ev->type) {
    case MV_START:
        if (t->status == OK) {
            ask(t, out, MV_GET_BUF);
        }
        break;
    case MV_BUF:
        t->pending--;
        tail_on_buffer(t, ev);
        break;
    case MV_READ:
        t->pending--;
        tail_on_read(t, ev, out);
        break;
    case MV_SENT:
        t->pending--;
        if (ev->status != OK) {
            stream_lose(t, ev->stream, ev->status);
        }
        break;
    case MV_DURABLE:
        t->pending--;
        tail_on_durable(t, ev);
        break;
    case MV_LOST:
        assert(ev->stream < t->config.n);
        stream_lose(t, ev->stream, ERR_IO);
        break;
    case MV_CANCEL:
        tail_fail(t, ERR_CANCELED);
        break;
    case MV_WORKED:
    case MV_NOTED:
    case MV_WAKE:
        break;
    }
    tail_pump(t, out);
}
