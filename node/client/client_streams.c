#include <stdlib.h>

#include "node/client/client_private.h"

uint16_t client_column(const struct client *c, uint32_t member)
{
    const struct digest *id = &c->config.charter->members[member].card.id;
    uint16_t i = 0;

    while (i < c->config.n && !digest_equal(&c->config.stewards[i], id)) {
        i++;
    }
    return i;
}

/* --- Answers ------------------------------------------------------------- */

static void op_done(struct mover_op *op, int status)
{
    op->status = status;
    mover_op_done(op);
}

struct mover_op *client_op_pop(struct mover_op **list, struct mover_op ***end)
{
    struct mover_op *op = *list;

    *list = op->next;
    if (*list == NULL) {
        *end = list;
    }
    return op;
}

static void list_fail(struct mover_op **list, struct mover_op ***end)
{
    while (*list != NULL) {
        op_done(client_op_pop(list, end), ERR_IO);
    }
}

/* --- Writing ------------------------------------------------------------- */

/* Only the link that took the OFFER knows where its bytes go. */
static bool stream_writes(const struct client_stream *s)
{
    return s->link != NULL && s->writes != 0 && s->writes == s->link->number;
}

bool client_stream_say(struct client_stream *s, const struct message *m)
{
    uint8_t bytes[512];
    size_t size = 0;

    return message_encode(m, bytes, sizeof(bytes), &size) == OK &&
           link_send_message(s->link->link, slice_of(bytes, size)) == OK;
}

/* Announce the next run of the first SEND. */
static bool send_run(struct client_stream *s, const struct mover_op *op)
{
    uint64_t left = (op->bytes.size - s->sent) / LEAF_SIZE;
    uint64_t leaves = left < CLIENT_RUN_LEAVES ? left : CLIENT_RUN_LEAVES;
    const struct message m = {
        .type = MESSAGE_APPEND,
        .u.append = {.deposit_id = s->client->config.deposit_id,
                     .first_leaf = (op->off + s->sent) / LEAF_SIZE,
                     .leaves = leaves,
                     .stream = ++s->ids}};

    s->run_left = leaves * LEAF_SIZE;
    return client_stream_say(s, &m);
}

/* As much of the first SEND as the link takes; true when that was all. */
static bool send_first(struct client_stream *s)
{
    const struct mover_op *op = s->sends;

    while (s->sent < op->bytes.size) {
        uint64_t size;

        if (s->run_left == 0 && !send_run(s, op)) {
            return false; /* The link is ending. */
        }
        size = s->run_left < LINK_DATA_MAX ? s->run_left : LINK_DATA_MAX;
        if (link_send_data(s->link->link, s->ids,
                           slice_of(op->bytes.data + s->sent, size),
                           size == s->run_left) != OK) {
            return false;
        }
        s->run_left -= size;
        s->sent += size;
    }
    s->leaves = (op->off + op->bytes.size) / LEAF_SIZE;
    return true;
}

/* FLUSH is said between two cells. */
static void flush_say(struct client_stream *s)
{
    const struct message m = {
        .type = MESSAGE_FLUSH,
        .u.flush = {.deposit_id = s->client->config.deposit_id}};

    s->flush_leaves = s->leaves;
    s->flush_said = client_stream_say(s, &m);
}

static void flush_done(struct client_stream *s, int status)
{
    struct mover_op *op = s->flush;

    s->flush = NULL;
    s->flush_said = false;
    op->durable = s->durable * LEAF_SIZE;
    op_done(op, status);
}

static void stream_pump_writes(struct client_stream *s)
{
    while (stream_writes(s)) {
        if (s->flush != NULL && !s->flush_said && s->run_left == 0 &&
            s->sent == 0) {
            flush_say(s);
        }
        if (s->sends == NULL || !send_first(s)) {
            return;
        }
        s->sent = 0;
        op_done(client_op_pop(&s->sends, &s->sends_end), OK);
    }
}

void client_stream_pump(struct client_stream *s)
{
    stream_pump_writes(s);
    client_reads_pump(s);
}

/* --- What the steward says ----------------------------------------------- */

bool client_stream_message(struct client_stream *s,
                           const struct message *m,
                           int *status)
{
    const struct digest *deposit = &s->client->config.deposit_id;

    if (m->type == MESSAGE_DURABLE) {
        if (!digest_equal(&m->u.durable.deposit_id, deposit) ||
            m->u.durable.leaves > s->leaves) {
            *status = s->writes == 0 ? OK : ERR_BAD;
            return true;
        }
        s->durable = m->u.durable.leaves;
        if (s->flush_said && s->durable >= s->flush_leaves) {
            flush_done(s, OK);
            client_stream_pump(s);
        }
        return true;
    }
    if (m->type == MESSAGE_CELL) {
        *status = digest_equal(&m->u.cell.deposit_id, deposit)
                      ? client_reads_cell(s, &m->u.cell)
                      : ERR_BAD;
        return true;
    }
    if (m->type == MESSAGE_REFUSE && m->u.refuse.about == MESSAGE_OFFER &&
        stream_writes(s)) {
        /* It takes no more, so nobody waits for it; the machine hears why. */
        s->writes = 0;
        s->sent = s->run_left = 0;
        list_fail(&s->sends, &s->sends_end);
        if (s->flush != NULL) {
            flush_done(s, ERR_IO);
        }
        return false;
    }
    if (m->type == MESSAGE_REFUSE && m->u.refuse.about == MESSAGE_READ) {
        client_reads_refused(s, m->u.refuse.status);
        client_stream_pump(s);
        return true;
    }
    return false;
}

/* --- Links come and go --------------------------------------------------- */

void client_stream_up(struct client_stream *s, struct client_link *link)
{
    if (s->link != NULL) {
        client_stream_down(s);
    }
    s->link = link;
    s->ids = s->given_up = 0;
    client_stream_pump(s);
}

void client_stream_down(struct client_stream *s)
{
    s->link = NULL;
    s->writes = 0;
    s->sent = s->run_left = 0;
    s->durable = 0;
    s->owing_ms = s->silent_ms = 0;
    list_fail(&s->sends, &s->sends_end);
    if (s->flush != NULL) {
        flush_done(s, ERR_IO);
    }
    client_reads_fail(s);
}

static void stream_submit(struct mover_stream *stream, struct mover_op *op)
{
    struct client_stream *s = (struct client_stream *)stream;
    bool reads = op->type == MV_READ_AT;

    op->next = NULL;
    op->status = OK;
    if (reads ? s->link == NULL || s->client->manifest == NULL
              : !stream_writes(s)) {
        op_done(op, ERR_IO);
        return;
    }
    if (reads) {
        *s->reads_end = op;
        s->reads_end = &op->next;
    } else if (op->type == MV_FLUSH) {
        assert(s->flush == NULL);
        s->flush = op;
    } else {
        *s->sends_end = op;
        s->sends_end = &op->next;
    }
    client_stream_pump(s);
}

static void stream_drop(struct mover_stream *stream, uint64_t id)
{
    client_reads_drop((struct client_stream *)stream, id);
}

void client_write(struct client *c,
                  uint16_t column,
                  uint64_t link,
                  uint64_t leaves)
{
    struct client_stream *s = &c->streams[column];

    s->writes = link;
    s->leaves = s->durable = leaves;
    s->owing_ms = 0;
}

int client_write_leaf(struct client *c, uint16_t column, const uint8_t *leaf)
{
    struct client_stream *s = &c->streams[column];
    struct message m = {.type = MESSAGE_APPEND};

    assert(s->sends == NULL && s->run_left == 0);
    if (!stream_writes(s)) {
        return ERR_IO;
    }
    m.u.append = (struct message_append){.deposit_id = c->config.deposit_id,
                                         .first_leaf = s->leaves,
                                         .leaves = 1,
                                         .stream = ++s->ids};
    if (!client_stream_say(s, &m) ||
        link_send_data(s->link->link, s->ids, slice_of(leaf, LEAF_SIZE),
                       true) != OK) {
        return ERR_IO;
    }
    s->leaves++;
    return OK;
}

/* Does somebody wait for it to write? */
static bool stream_is_owing(const struct client_stream *s)
{
    return s->link != NULL && (s->sends != NULL || s->flush != NULL);
}

/* Those that a deposit can do without must not hold it up for long. When more
 * of them are owing, all are slow, and slow is better than not at all. */
void client_streams_tick(struct client *c)
{
    uint32_t spare = charter_faulty(c->config.n);
    uint32_t owing = 0;

    for (uint16_t i = 0; i < c->config.n; i++) {
        owing += stream_is_owing(&c->streams[i]) ? 1 : 0;
    }
    for (uint16_t i = 0; i < c->config.n; i++) {
        struct client_stream *s = &c->streams[i];

        if (!stream_is_owing(s)) {
            s->owing_ms -= s->owing_ms > 0 ? CLIENT_TICK_MS : 0;
        } else if (owing <= (spare > 0 ? spare : 1)) {
            s->owing_ms += CLIENT_TICK_MS;
        }
        if (client_reads_are_silent(s) ||
            (stream_is_owing(s) && s->owing_ms > c->config.patience_ms)) {
            link_close(s->link->link, FRAME_REASON_BUSY);
            client_stream_down(s);
        }
    }
}

int client_streams_open(struct client *c)
{
    c->streams = calloc(c->config.n, sizeof(*c->streams));
    if (c->streams == NULL) {
        return ERR_NOMEM;
    }
    for (uint16_t i = 0; i < c->config.n; i++) {
        struct client_stream *s = &c->streams[i];
        const struct card *card =
            charter_member(c->config.charter, &c->config.stewards[i]);

        s->base.number = i;
        s->base.submit = stream_submit;
        s->base.drop = stream_drop;
        s->base.name = card != NULL ? card->name : NULL;
        s->client = c;
        s->sends_end = &s->sends;
        s->reads_end = &s->reads;
        for (size_t j = 0; j < CLIENT_READS_MAX; j++) {
            s->running[j].stream = s;
            s->running[j].nodes =
                calloc(MERKLE_RUN_NODES_MAX, sizeof(struct digest));
            if (s->running[j].nodes == NULL) {
                return ERR_NOMEM;
            }
        }
        c->by_column[i] = &s->base;
    }
    return OK;
}

void client_streams_free(struct client *c)
{
    for (uint16_t i = 0; c->streams != NULL && i < c->config.n; i++) {
        for (size_t j = 0; j < CLIENT_READS_MAX; j++) {
            free(c->streams[i].running[j].nodes);
        }
    }
    free(c->streams);
}
