#include "tests/mover_world.h"

#include <stdlib.h>

#include "crypto/hash.h"

void world_append(struct world_stream *s, const void *bytes, size_t size)
{
    if (s->size + size > s->max) {
        s->max = 2 * (s->size + size);
        s->bytes = realloc(s->bytes, s->max);
        ck_assert_ptr_nonnull(s->bytes);
    }
    if (size > 0) {
        memcpy(s->bytes + s->size, bytes, size);
    }
    s->size += size;
    s->durable = s->size;
}

void world_truncate(struct world_stream *s, size_t size)
{
    ck_assert_uint_le(size, s->size);
    s->size = s->durable = size;
}

/* The mover, its buffers and whatever was under way are gone. */
static void world_forget(struct world *w)
{
    for (size_t i = 0; i < WORLD_BUFFERS_MAX; i++) {
        free(w->buffers[i]);
        w->buffers[i] = NULL;
    }
    w->ops_len = w->lent = w->wanted = 0;
    w->wake_ms = 0;
}

void world_boot(struct world *w, uint64_t seed)
{
    uint8_t bytes[RNG_SEED_SIZE] = {'w', 'o', 'r', 'l', 'd'};

    world_forget(w);
    u64le_store(bytes + 8, seed);
    rng_init_seed(&w->rng, bytes);
    w->in_order = rng_below(&w->rng, 2) == 0;
    w->drops = rng_below(&w->rng, 4) != 0;
    w->events = w->acts_max = 0;
    w->first_error = OK;
    w->ended = false;
    for (size_t i = 0; i < WORLD_STREAMS_MAX; i++) {
        w->streams[i].told = 0;
    }
}

void world_crash(struct world *w)
{
    world_forget(w);
    for (size_t i = 0; i < WORLD_STREAMS_MAX; i++) {
        w->streams[i].size = w->streams[i].durable;
    }
}

void world_free(struct world *w)
{
    world_forget(w);
    free(w->source.bytes);
    for (size_t i = 0; i < WORLD_STREAMS_MAX; i++) {
        free(w->streams[i].bytes);
    }
    memset(w, 0, sizeof(*w));
}

static struct world_stream *stream_of(struct world *w, uint32_t number)
{
    ck_assert(number == MOVER_SOURCE || number < WORLD_STREAMS_MAX);
    return number == MOVER_SOURCE ? &w->source : &w->streams[number];
}

static bool is_of_stream(enum mover_action_type type)
{
    return type == MV_READ_AT || type == MV_SEND || type == MV_FLUSH;
}

static struct world_op *op_add(struct world *w, const struct mover_action *a)
{
    struct world_op *op = &w->ops[w->ops_len++];
    uint64_t delay = 20;
    uint64_t least = 0;

    ck_assert_uint_le(w->ops_len, WORLD_OPS_MAX);
    *op = (struct world_op){.act = *a};
    if (is_of_stream(a->type)) {
        delay += stream_of(w, a->stream)->delay_ms;
        least = stream_of(w, a->stream)->least_ms;
    }
    op->ready_ms = w->now_ms + least + rng_below(&w->rng, delay);
    if (a->type == MV_SEND) {
        sha256(a->bytes, &op->sent);
    }
    return op;
}

static void buffer_put(struct world *w, uint32_t buf)
{
    ck_assert_uint_lt(buf, WORLD_BUFFERS_MAX);
    ck_assert_ptr_nonnull(w->buffers[buf]);
    free(w->buffers[buf]);
    w->buffers[buf] = NULL;
    w->lent--;
}

/* Readings that have not been done are given up, if this driver can. */
static void world_drop(struct world *w, uint64_t id)
{
    for (size_t i = 0; i < w->ops_len && w->drops; i++) {
        struct world_op *op = &w->ops[i];

        if (op->act.type == MV_READ_AT && op->act.id == id && !op->done) {
            op->dropped = true;
            op->ready_ms = w->now_ms;
        }
    }
}

static void world_take(struct world *w, const struct mover_action *a)
{
    if (w->on_ask != NULL) {
        w->on_ask(w->arg, a);
    }
    switch (a->type) {
    case MV_READ_AT:
        memset(a->mem, 0xa5, a->len);
        op_add(w, a);
        break;
    case MV_GET_BUF:
        w->wanted++;
        ck_assert_uint_le(w->lent + w->wanted, w->window);
        op_add(w, a);
        break;
    case MV_SEND:
    case MV_FLUSH:
    case MV_WORK:
    case MV_NOTE:
        op_add(w, a);
        break;
    case MV_PUT_BUF:
        buffer_put(w, a->buf);
        break;
    case MV_PROGRESS:
        ck_assert(a->len == 0 || a->off <= a->len);
        break;
    case MV_DROP:
        world_drop(w, a->id);
        break;
    case MV_SLOW:
        ck_assert_uint_lt(a->stream, WORLD_STREAMS_MAX);
        break;
    case MV_WAKE_AT:
        w->wake_ms = a->off > 0 ? a->off : 1;
        break;
    case MV_END:
        ck_assert_uint_eq(w->ops_len, 0);
        ck_assert_uint_eq(w->lent, 0);
        w->ended = true;
        w->status = a->status;
        break;
    }
}

/* One event into the mover, its actions out. */
static void world_tell(struct world *w, struct mover_event *ev)
{
    ck_assert(!w->ended);
    ev->mono_ms = w->now_ms;
    if (w->first_error == OK) {
        w->first_error = ev->status;
    }
    if (ev->type == MV_DURABLE && ev->status == OK) {
        w->streams[ev->stream].told = ev->off;
    }
    if (w->on_tell != NULL) {
        w->on_tell(w->arg, ev);
    }
    w->events++;
    w->step(w->mover, ev, &w->out);
    if (w->out.len > w->acts_max) {
        w->acts_max = w->out.len;
    }
    for (size_t i = 0; i < w->out.len; i++) {
        ck_assert_msg(!w->ended, "actions after MV_END");
        world_take(w, &w->out.acts[i]);
    }
}

/* ---- Carrying out. ---- */

/* As much of what is wanted as there is, in tiles that come and go. */
static void take_tiles(struct world *w,
                       const struct mover_action *a,
                       struct slice there)
{
    size_t left = there.size < a->len ? there.size : a->len;

    while (left > 0) {
        size_t tile = 1 + rng_below(&w->rng, left);

        memcpy(a->mem, there.data, tile);
        a->take(a->arg, slice_of(a->mem, tile));
        memset(a->mem, 0xa5, tile);
        there.data += tile;
        left -= tile;
    }
}

static int do_read(struct world *w, struct world_op *op)
{
    const struct mover_action *a = &op->act;
    const struct world_stream *s = stream_of(w, a->stream);

    if (a->off > s->size) {
        return ERR_NOTFOUND;
    }
    if (a->take != NULL) {
        take_tiles(w, a, slice_of(s->bytes + a->off, s->size - a->off));
    } else if (a->len <= s->size - a->off) {
        memcpy(a->mem, s->bytes + a->off, a->len);
    }
    if (a->len > s->size - a->off) {
        return ERR_NOTFOUND;
    }
    sha256(slice_of(s->bytes + a->off, a->len), &op->ev.digest);
    return OK;
}

/* What goes to the source is the test's, which saw it in on_do(). */
static void do_send(struct world *w, const struct world_op *op)
{
    const struct mover_action *a = &op->act;
    struct world_stream *s = stream_of(w, a->stream);
    size_t durable = s->durable;

    if (a->stream != MOVER_SOURCE) {
        ck_assert_uint_eq(a->off, s->size);
        world_append(s, a->bytes.data, a->bytes.size);
        s->durable = durable;
    }
}

static void do_buffer(struct world *w, struct mover_event *ev)
{
    for (uint32_t i = 0; i < WORLD_BUFFERS_MAX; i++) {
        if (w->buffers[i] == NULL) {
            w->buffers[i] = aligned_alloc(64, w->buffer_size);
            ck_assert_ptr_nonnull(w->buffers[i]);
            memset(w->buffers[i], 0xbb, w->buffer_size);
            ev->buf = i;
            ev->mem = w->buffers[i];
            ev->len = w->buffer_size;
            w->lent++;
            return;
        }
    }
    ck_abort_msg("more buffers than any window");
}

static int op_effect(struct world *w, struct world_op *op)
{
    const struct mover_action *a = &op->act;

    switch (a->type) {
    case MV_GET_BUF:
        do_buffer(w, &op->ev);
        break;
    case MV_READ_AT:
        return do_read(w, op);
    case MV_SEND:
        do_send(w, op);
        break;
    case MV_FLUSH:
        w->streams[a->stream].durable = w->streams[a->stream].size;
        op->ev.off = w->streams[a->stream].durable;
        break;
    case MV_WORK:
        return a->work(a->arg);
    case MV_NOTE:
    case MV_PUT_BUF:
    case MV_PROGRESS:
    case MV_DROP:
    case MV_SLOW:
    case MV_WAKE_AT:
    case MV_END:
        break;
    }
    return OK;
}

static enum mover_event_type answer_of(enum mover_action_type type)
{
    switch (type) {
    case MV_GET_BUF:
        return MV_BUF;
    case MV_READ_AT:
        return MV_READ;
    case MV_SEND:
        return MV_SENT;
    case MV_FLUSH:
        return MV_DURABLE;
    case MV_WORK:
        return MV_WORKED;
    case MV_NOTE:
        return MV_NOTED;
    case MV_PUT_BUF:
    case MV_PROGRESS:
    case MV_DROP:
    case MV_SLOW:
    case MV_WAKE_AT:
    case MV_END:
        break;
    }
    ck_abort_msg("nothing answers that");
    return MV_WAKE;
}

static void op_do(struct world *w, struct world_op *op)
{
    const struct mover_action *a = &op->act;
    int rv = OK;

    op->ev = (struct mover_event){.type = answer_of(a->type),
                                  .stream = a->stream,
                                  .id = a->id,
                                  .off = a->off,
                                  .len = a->len,
                                  .mem = a->mem};
    if (op->dropped) {
        rv = ERR_CANCELED;
    } else if (is_of_stream(a->type) && stream_of(w, a->stream)->lost) {
        rv = ERR_IO;
    } else if (w->on_do != NULL) {
        rv = w->on_do(w->arg, a);
    }
    op->ev.status = rv == OK ? op_effect(w, op) : rv;
    op->done = true;
}

static void op_tell(struct world *w, struct world_op *op)
{
    struct mover_event ev = op->ev;

    if (op->act.type == MV_GET_BUF) {
        w->wanted--;
    }
    if (op->act.type == MV_SEND) {
        struct digest now;

        sha256(op->act.bytes, &now);
        ck_assert_msg(digest_equal(&now, &op->sent), "changed while sent");
    }
    w->ops_len--;
    memmove(op, op + 1, (size_t)(w->ops + w->ops_len - op) * sizeof(*op));
    world_tell(w, &ev);
}

/* ---- Time and chance. ---- */

static size_t queue_of(const struct world_op *op)
{
    return op->act.stream == MOVER_SOURCE ? WORLD_STREAMS_MAX : op->act.stream;
}

/* What may happen next: each operation that is ready and whose turn it is. */
static size_t world_choices(const struct world *w, uint16_t *choices)
{
    bool waits[WORLD_STREAMS_MAX + 1] = {false};
    size_t len = 0;

    for (size_t i = 0; i < w->ops_len; i++) {
        const struct world_op *op = &w->ops[i];
        bool ordered = is_of_stream(op->act.type) && !op->dropped;

        if (ordered && waits[queue_of(op)]) {
            continue;
        }
        if (ordered && (!op->done || w->in_order)) {
            waits[queue_of(op)] = true;
        }
        if (op->done || op->ready_ms <= w->now_ms) {
            choices[len++] = (uint16_t)i;
        }
    }
    return len;
}

/* The clock goes on to when something is ready. */
static void world_sleep(struct world *w)
{
    uint64_t next = w->wake_ms != 0 ? w->wake_ms : UINT64_MAX;

    for (size_t i = 0; i < w->ops_len; i++) {
        uint64_t ready = w->ops[i].ready_ms;

        if (!w->ops[i].done && ready > w->now_ms && ready < next) {
            next = ready;
        }
    }
    ck_assert_msg(next != UINT64_MAX, "the mover waits for nothing");
    w->now_ms = next;
}

bool world_run(struct world *w, size_t events)
{
    uint16_t choices[WORLD_OPS_MAX];
    size_t until = events < SIZE_MAX - w->events ? w->events + events : events;

    while (!w->ended && w->events < until) {
        size_t len = world_choices(w, choices);
        struct world_op *op;

        if (w->wake_ms != 0 && w->wake_ms <= w->now_ms) {
            w->wake_ms = 0;
            world_tell(w, &(struct mover_event){.type = MV_WAKE});
            continue;
        }
        if (len == 0) {
            world_sleep(w);
            continue;
        }
        op = &w->ops[choices[rng_below(&w->rng, len)]];
        if (op->done) {
            op_tell(w, op);
        } else {
            op_do(w, op);
        }
    }
    return w->ended;
}

void world_start(struct world *w)
{
    world_tell(w, &(struct mover_event){.type = MV_START});
}

void world_cancel(struct world *w)
{
    world_tell(
        w, &(struct mover_event){.type = MV_CANCEL, .status = ERR_CANCELED});
}

void world_lose(struct world *w, uint32_t stream)
{
    stream_of(w, stream)->lost = true;
    world_tell(w, &(struct mover_event){
                      .type = MV_LOST, .status = ERR_IO, .stream = stream});
}
