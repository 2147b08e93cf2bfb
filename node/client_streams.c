#include <stdlib.h>

#include "node/client_private.h"

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

static struct mover_op *list_pop(struct mover_op **list, struct mover_op ***end)
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
        op_done(list_pop(list, end), ERR_IO);
    }
}

/* --- Writing ------------------------------------------------------------- */

/* Only the link that took the OFFER knows where its bytes go. */
static bool stream_writes(const struct client_stream *s)
{
    return s->link != NULL && s->writes != 0 && s->writes == s->link->number;
}

static bool stream_say(struct client_stream *s, const struct message *m)
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
    return stream_say(s, &m);
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
    s->flush_said = stream_say(s, &m);
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
        op_done(list_pop(&s->sends, &s->sends_end), OK);
    }
}

/* --- Reading ------------------------------------------------------------- */

static struct client_read *read_free(struct client_stream *s)
{
    for (size_t i = 0; i < CLIENT_READS_MAX; i++) {
        if (s->running[i].op == NULL) {
            return &s->running[i];
        }
    }
    return NULL;
}

static struct client_read *read_find(struct client_stream *s, uint32_t id)
{
    for (size_t i = 0; i < CLIENT_READS_MAX; i++) {
        if (s->running[i].op != NULL && !s->running[i].verifying &&
            s->running[i].id == id) {
            return &s->running[i];
        }
    }
    return NULL;
}

/* Are other runs of the same operation not answered yet? */
static bool read_has_others(const struct client_stream *s,
                            const struct mover_op *op)
{
    for (size_t i = 0; i < CLIENT_READS_MAX; i++) {
        if (s->running[i].op == op) {
            return true;
        }
    }
    return s->reads == op;
}

/* One run has its answer; the first error of an operation is its status. */
static void read_done(struct client_read *r, int status)
{
    struct client_stream *s = r->stream;
    struct mover_op *op = r->op;

    r->op = NULL;
    if (op->status == OK) {
        op->status = status;
    }
    if (op->status != OK && s->reads == op) {
        (void)list_pop(&s->reads, &s->reads_end);
        s->asked = 0;
    }
    if (!read_has_others(s, op)) {
        mover_op_done(op);
    }
}

/* Ask for the next run of the first operation. */
static bool read_ask(struct client_stream *s)
{
    struct mover_op *op = s->reads;
    struct client_read *r = read_free(s);
    uint64_t all = op->len / LEAF_SIZE;
    uint64_t left = all - s->asked;
    struct message m = {.type = MESSAGE_READ};

    if (r == NULL) {
        return false;
    }
    r->op = op;
    r->id = ++s->ids;
    r->first = op->off / LEAF_SIZE + s->asked;
    r->leaves = left < CLIENT_RUN_LEAVES ? left : CLIENT_RUN_LEAVES;
    r->mem = op->mem + s->asked * LEAF_SIZE;
    r->got = 0;
    r->cell = r->verifying = false;
    m.u.read = (struct message_read){.deposit_id = s->client->config.deposit_id,
                                     .index = (uint16_t)s->base.number,
                                     .first_leaf = r->first,
                                     .leaves = r->leaves,
                                     .stream = r->id};
    s->asked += r->leaves;
    if (s->asked == all) {
        (void)list_pop(&s->reads, &s->reads_end);
        s->asked = 0;
    }
    return stream_say(s, &m);
}

static void stream_pump_reads(struct client_stream *s)
{
    while (s->link != NULL && s->reads != NULL && read_ask(s)) {
    }
}

void client_stream_pump(struct client_stream *s)
{
    stream_pump_writes(s);
    stream_pump_reads(s);
}

/* --- What the steward says ----------------------------------------------- */

static int verify_run(void *arg)
{
    struct client_read *r = arg;
    const struct manifest *m = r->stream->client->manifest;
    struct digest *leaves = malloc((size_t)r->leaves * sizeof(*leaves));
    int rv;

    if (leaves == NULL) {
        return ERR_NOMEM;
    }
    merkle_leaves(r->mem, r->leaves, leaves);
    rv = merkle_run_verify(m->shard_size / LEAF_SIZE, r->first, r->leaves,
                           leaves, r->nodes, r->nodes_len,
                           &m->roots[r->stream->base.number]);
    free(leaves);
    return rv == OK ? OK : ERR_MISMATCH;
}

static void verify_done(struct work *w, int status)
{
    struct client_read *r = w->arg;
    struct client_stream *s = r->stream;

    r->verifying = false;
    read_done(r, status);
    client_stream_pump(s);
}

static int on_cell(struct client_stream *s, const struct message_cell *cell)
{
    struct client_read *r = read_find(s, cell->stream);

    if (r == NULL || r->cell || r->first != cell->first_leaf ||
        r->leaves != cell->leaves || cell->index != s->base.number) {
        return ERR_BAD;
    }
    memcpy(r->nodes, cell->nodes, cell->nodes_len * sizeof(*r->nodes));
    r->nodes_len = cell->nodes_len;
    r->cell = true;
    return OK;
}

static bool read_takes(const struct client_read *r, size_t size)
{
    return r->op != NULL && r->cell && !r->verifying &&
           size <= r->leaves * LEAF_SIZE - r->got;
}

/* Stewards mix the answers to several READs, by pieces of many records: most
 * likely the last one goes on, or else the first begins. */
uint8_t *client_stream_room(const struct client_stream *s, size_t size)
{
    const struct client_read *next = NULL;

    for (size_t i = 0; i < CLIENT_READS_MAX; i++) {
        const struct client_read *r = &s->running[i];

        if (read_takes(r, size) &&
            (next == NULL || r->id == s->hears ||
             (next->id != s->hears && r->id < next->id))) {
            next = r;
        }
    }
    return next == NULL ? NULL : next->mem + next->got;
}

int client_stream_data(struct client_stream *s,
                       uint32_t id,
                       struct slice bytes,
                       bool end)
{
    struct client_read *r = read_find(s, id);
    uint64_t size;

    if (r == NULL || !r->cell) {
        return ERR_BAD;
    }
    s->heard += bytes.size;
    s->hears = id;
    size = r->leaves * LEAF_SIZE;
    if (bytes.size > size - r->got || (end && r->got + bytes.size != size)) {
        return ERR_BAD;
    }
    if (bytes.size > 0) {
        if (bytes.data != r->mem + r->got) {
            memcpy(r->mem + r->got, bytes.data, bytes.size);
        }
        r->got += bytes.size;
    }
    if (end) {
        r->verifying = true;
        r->work =
            (struct work){.run = verify_run, .done = verify_done, .arg = r};
        workers_submit(s->client->config.job->workers, &r->work);
    }
    return OK;
}

/* A refusal does not say which READ it is about; none that has no CELL yet
 * can be counted on. What the steward calls its reason is not ours: with us
 * ERR_CANCELED is Ctrl-C, and ERR_NOMEM our own memory. */
static void on_refused_reads(struct client_stream *s, int said)
{
    uint32_t last = s->ids; /* What is asked meanwhile is another matter. */
    int status = said == ERR_NOTFOUND ? ERR_NOTFOUND : ERR_IO;

    for (size_t i = 0; i < CLIENT_READS_MAX; i++) {
        struct client_read *r = &s->running[i];

        if (r->op != NULL && !r->cell && !r->verifying && r->id <= last) {
            read_done(r, status);
        }
    }
}

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
                      ? on_cell(s, &m->u.cell)
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
        on_refused_reads(s, m->u.refuse.status);
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
    s->ids = 0;
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
    /* First those that run, since they may name the first that waits. */
    for (size_t i = 0; i < CLIENT_READS_MAX; i++) {
        if (s->running[i].op != NULL && !s->running[i].verifying) {
            read_done(&s->running[i], ERR_IO);
        }
    }
    while (s->reads != NULL) {
        struct mover_op *op = list_pop(&s->reads, &s->reads_end);

        s->asked = 0;
        if (op->status == OK) {
            op->status = ERR_IO;
        }
        if (!read_has_others(s, op)) {
            mover_op_done(op);
        }
    }
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
    if (!stream_say(s, &m) ||
        link_send_data(s->link->link, s->ids, slice_of(leaf, LEAF_SIZE),
                       true) != OK) {
        return ERR_IO;
    }
    s->leaves++;
    return OK;
}

/* A stream that has been asked to read something and says next to nothing. */
static bool stream_is_silent(struct client_stream *s)
{
    bool speaks = s->heard >= CLIENT_SPEAKS_BYTES;
    bool waits = false;

    for (size_t i = 0; i < CLIENT_READS_MAX; i++) {
        waits |= s->running[i].op != NULL && !s->running[i].verifying;
    }
    s->heard = 0;
    s->silent_ms =
        s->link != NULL && waits && !speaks ? s->silent_ms + CLIENT_TICK_MS : 0;
    return s->silent_ms > s->client->config.patience_ms;
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
        if (stream_is_silent(s) ||
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

        s->base.number = i;
        s->base.submit = stream_submit;
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
