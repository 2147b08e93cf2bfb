#include <stdlib.h>

#include "sim/client.h"

/* The shards at the stewards as streams of movers: the twin of
 * node/client/client_streams.c. A cell goes in one APPEND and one piece of
 * data. */

static struct sim_streams *streams_of(struct sim *w, unsigned node)
{
    return node == SIM_LAB ? sim_lab_streams(w) : sim_recipient_streams(w);
}

static struct sim_stream *stream_of_link(struct sim *w,
                                         unsigned node,
                                         uint64_t link)
{
    struct sim_streams *s = streams_of(w, node);

    for (unsigned i = 0; s != NULL && i < SIM_N; i++) {
        if (s->columns[i].link == link) {
            return &s->columns[i];
        }
    }
    return NULL;
}

static void say(struct sim *w,
                unsigned node,
                uint64_t link,
                const struct message *m)
{
    uint8_t bytes[512];
    size_t size = 0;
    int rv = message_encode(m, bytes, sizeof(bytes), &size);

    assert(rv == OK);
    (void)rv;
    sim_send(w, node, link, slice_of(bytes, size));
}

static void answer(struct sim *w,
                   unsigned node,
                   uint64_t delay_us,
                   const struct mover_event *ev)
{
    struct sim_mover *m = w->nodes[node].mover;

    if (m != NULL) {
        sim_mover_answer(m, delay_us, ev);
    }
}

/* --- Writing ------------------------------------------------------------- */

void sim_stream_write(struct sim_streams *s,
                      uint16_t column,
                      uint64_t link,
                      uint64_t leaves)
{
    struct sim_stream *c = &s->columns[column];

    c->writes = link;
    c->leaves = c->durable = leaves;
}

static bool writes(const struct sim_stream *c)
{
    return c->link != 0 && c->link == c->writes;
}

static uint64_t append(struct sim *w,
                       unsigned node,
                       struct sim_streams *s,
                       struct sim_stream *c,
                       struct slice bytes)
{
    const struct message m = {.type = MESSAGE_APPEND,
                              .u.append = {.deposit_id = s->deposit_id,
                                           .first_leaf = c->leaves,
                                           .leaves = bytes.size / LEAF_SIZE,
                                           .stream = ++c->ids}};

    say(w, node, c->link, &m);
    c->leaves += bytes.size / LEAF_SIZE;
    return sim_send_data(w, node, c->link, c->ids, bytes);
}

void sim_stream_leaf(struct sim *w,
                     unsigned node,
                     struct sim_streams *s,
                     uint16_t column,
                     const uint8_t leaf[LEAF_SIZE])
{
    struct sim_stream *c = &s->columns[column];

    if (writes(c)) {
        (void)append(w, node, s, c, slice_of(leaf, LEAF_SIZE));
    }
}

static void do_send(struct sim_mover *m,
                    const struct mover_action *a,
                    struct sim_stream *c)
{
    struct mover_event ev = {.type = MV_SENT,
                             .stream = a->stream,
                             .id = a->id,
                             .off = a->off,
                             .status = ERR_IO};
    uint64_t left_us = m->w->now_us;

    if (writes(c)) {
        assert(a->off == c->leaves * LEAF_SIZE);
        ev.status = OK;
        left_us = append(m->w, m->node, m->streams, c, a->bytes);
    }
    sim_mover_answer(m, left_us - m->w->now_us, &ev);
}

static void flush_done(struct sim *w,
                       unsigned node,
                       uint32_t column,
                       int status)
{
    struct sim_stream *c = &streams_of(w, node)->columns[column];
    const struct mover_event ev = {.type = MV_DURABLE,
                                   .stream = column,
                                   .off = c->durable * LEAF_SIZE,
                                   .status = status};

    c->flushing = false;
    answer(w, node, 0, &ev);
}

static void do_flush(struct sim_mover *m, uint32_t column, struct sim_stream *c)
{
    const struct message msg = {
        .type = MESSAGE_FLUSH,
        .u.flush = {.deposit_id = m->streams->deposit_id}};

    assert(!c->flushing);
    c->flushing = true;
    c->flush_leaves = c->leaves;
    if (writes(c)) {
        say(m->w, m->node, c->link, &msg);
    } else {
        flush_done(m->w, m->node, column, ERR_IO);
    }
}

/* --- Reading ------------------------------------------------------------- */

static void read_done(struct sim *w,
                      unsigned node,
                      struct sim_stream_read *r,
                      int status)
{
    r->used = false;
    if (!r->dropped) {
        r->answer.status = status;
        answer(w, node, 0, &r->answer);
    }
}

static void do_read(struct sim_mover *m,
                    const struct mover_action *a,
                    struct sim_stream *c)
{
    struct sim_stream_read none, *r = NULL;
    struct message msg = {.type = MESSAGE_READ};

    for (unsigned i = 0; i < SIM_READS_MAX && r == NULL; i++) {
        r = c->reads[i].used ? NULL : &c->reads[i];
    }
    if (r == NULL || c->link == 0 || m->streams->manifest == NULL) {
        r = &none;
    }
    memset(r, 0, sizeof(*r));
    r->answer = (struct mover_event){.type = MV_READ,
                                     .stream = a->stream,
                                     .id = a->id,
                                     .off = a->off,
                                     .len = a->len,
                                     .mem = a->mem};
    if (r == &none) {
        read_done(m->w, m->node, r, ERR_IO);
        return;
    }
    r->used = true;
    r->id = ++c->ids;
    msg.u.read = (struct message_read){.deposit_id = m->streams->deposit_id,
                                       .index = (uint16_t)a->stream,
                                       .first_leaf = a->off / LEAF_SIZE,
                                       .leaves = a->len / LEAF_SIZE,
                                       .stream = r->id};
    say(m->w, m->node, c->link, &msg);
}

void sim_stream_drop(struct sim_mover *m, uint64_t id)
{
    for (unsigned i = 0; i < SIM_N * SIM_READS_MAX; i++) {
        struct sim_stream_read *r =
            &m->streams->columns[i / SIM_READS_MAX].reads[i % SIM_READS_MAX];

        if (r->used && !r->dropped && r->answer.id == id) {
            r->answer.status = ERR_CANCELED;
            sim_mover_answer(m, 0, &r->answer);
            r->dropped = true; /* It still comes. */
        }
    }
}

void sim_stream_submit(struct sim_mover *m, const struct mover_action *a)
{
    struct sim_stream *c = &m->streams->columns[a->stream];

    assert(a->stream < SIM_N);
    if (a->type == MV_READ_AT) {
        do_read(m, a, c);
    } else if (a->type == MV_SEND) {
        do_send(m, a, c);
    } else {
        do_flush(m, a->stream, c);
    }
}

static struct sim_stream_read *read_of(struct sim_stream *c, uint32_t id)
{
    for (unsigned i = 0; i < SIM_READS_MAX; i++) {
        if (c->reads[i].used && c->reads[i].id == id) {
            return &c->reads[i];
        }
    }
    return NULL;
}

/* Do these bytes lead to the root in the manifest? */
static int read_verify(const struct manifest *m,
                       uint32_t column,
                       const struct sim_stream_read *r)
{
    uint64_t leaves = r->answer.len / LEAF_SIZE;
    struct digest *hashes = sim_memory(leaves * sizeof(*hashes));
    int rv;

    merkle_leaves(r->answer.mem, leaves, hashes);
    rv = merkle_run_verify(m->shard_size / LEAF_SIZE, r->answer.off / LEAF_SIZE,
                           leaves, hashes, r->nodes, r->nodes_len,
                           &m->roots[column]);
    free(hashes);
    return rv == OK ? OK : ERR_MISMATCH;
}

int sim_client_data(struct sim *w,
                    unsigned node,
                    uint64_t link,
                    uint32_t stream,
                    struct slice bytes)
{
    struct sim_streams *s = streams_of(w, node);
    struct sim_stream *c = stream_of_link(w, node, link);
    struct sim_stream_read *r = c != NULL ? read_of(c, stream) : NULL;

    if (r == NULL || !r->cell || bytes.size != r->answer.len) {
        return ERR_BAD;
    }
    if (w->nodes[node].mover == NULL || r->dropped) {
        r->used = false;
        return OK;
    }
    memcpy(r->answer.mem, bytes.data, bytes.size);
    read_done(w, node, r,
              read_verify(s->manifest, (uint32_t)(c - s->columns), r));
    return OK;
}

static void on_cell(struct sim_stream *c, const struct message_cell *cell)
{
    struct sim_stream_read *r = read_of(c, cell->stream);

    if (r != NULL) {
        memcpy(r->nodes, cell->nodes, cell->nodes_len * sizeof(r->nodes[0]));
        r->nodes_len = cell->nodes_len;
        r->cell = true;
    }
}

/* --- Links --------------------------------------------------------------- */

bool sim_client_message(struct sim *w,
                        unsigned node,
                        uint64_t link,
                        struct slice bytes,
                        int *status)
{
    static struct message m;
    struct sim_streams *s = streams_of(w, node);
    struct sim_stream *c = stream_of_link(w, node, link);

    *status = message_decode(&m, bytes);
    if (*status != OK || c == NULL) {
        return false;
    }
    if (m.type == MESSAGE_DURABLE) {
        c->durable = m.u.durable.leaves;
        if (c->flushing && c->durable >= c->flush_leaves) {
            flush_done(w, node, (uint32_t)(c - s->columns), OK);
        }
        return true;
    }
    if (m.type == MESSAGE_CELL) {
        on_cell(c, &m.u.cell);
        return true;
    }
    if (m.type == MESSAGE_REFUSE && m.u.refuse.about == MESSAGE_READ) {
        for (unsigned i = 0; i < SIM_READS_MAX; i++) {
            if (c->reads[i].used && !c->reads[i].cell) {
                read_done(w, node, &c->reads[i], m.u.refuse.status);
            }
        }
        return true;
    }
    return false;
}

void sim_client_down(struct sim *w, unsigned node, uint64_t link)
{
    struct sim_streams *s = streams_of(w, node);
    struct sim_stream *c = stream_of_link(w, node, link);

    if (link == 0 || c == NULL) {
        return;
    }
    c->link = c->writes = c->durable = 0;
    if (c->flushing) {
        flush_done(w, node, (uint32_t)(c - s->columns), ERR_IO);
    }
    for (unsigned i = 0; i < SIM_READS_MAX; i++) {
        if (c->reads[i].used) {
            read_done(w, node, &c->reads[i], ERR_IO);
        }
    }
}

void sim_client_up(struct sim *w, unsigned node, uint64_t link, unsigned peer)
{
    struct sim_streams *s = streams_of(w, node);

    for (unsigned i = 0; s != NULL && i < SIM_N; i++) {
        if (digest_equal(&s->stewards[i], &w->people.persons[peer].id)) {
            sim_client_down(w, node, s->columns[i].link);
            s->columns[i].link = link;
            s->columns[i].ids = 0;
        }
    }
}
