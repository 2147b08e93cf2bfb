#include <stdlib.h>

#include "node/client/client_private.h"

/* Cells of a shard: READs that are under way, and what comes of them. */

static struct client_read *read_free(struct client_stream *s)
{
    for (size_t i = 0; i < CLIENT_READS_MAX; i++) {
        if (s->running[i].op == NULL && !s->running[i].dropped) {
            return &s->running[i];
        }
    }
    return NULL;
}

/* Has it been asked for, and is not all here? */
static bool read_is_owed(const struct client_read *r)
{
    return (r->op != NULL && !r->verifying) || r->dropped;
}

static struct client_read *read_find(struct client_stream *s, uint32_t id)
{
    for (size_t i = 0; i < CLIENT_READS_MAX; i++) {
        if (read_is_owed(&s->running[i]) && s->running[i].id == id) {
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
        (void)client_op_pop(&s->reads, &s->reads_end);
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
        (void)client_op_pop(&s->reads, &s->reads_end);
        s->asked = 0;
    }
    return client_stream_say(s, &m);
}

void client_reads_pump(struct client_stream *s)
{
    while (s->link != NULL && s->reads != NULL && read_ask(s)) {
    }
}

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

int client_reads_cell(struct client_stream *s, const struct message_cell *cell)
{
    struct client_read *r = read_find(s, cell->stream);

    if (r == NULL && cell->stream <= s->given_up) {
        return OK;
    }
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
uint8_t *client_reads_room(const struct client_stream *s, size_t size)
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

int client_reads_data(struct client_stream *s,
                      uint32_t id,
                      struct slice bytes,
                      bool end)
{
    struct client_read *r = read_find(s, id);
    uint64_t size;

    if (r == NULL && id <= s->given_up) {
        return OK;
    }
    if (r == NULL || !r->cell) {
        return ERR_BAD;
    }
    s->heard += bytes.size;
    s->hears = id;
    size = r->leaves * LEAF_SIZE;
    if (bytes.size > size - r->got || (end && r->got + bytes.size != size)) {
        return ERR_BAD;
    }
    if (bytes.size > 0 && !r->dropped && bytes.data != r->mem + r->got) {
        memcpy(r->mem + r->got, bytes.data, bytes.size);
    }
    r->got += bytes.size;
    if (end && r->dropped) {
        r->dropped = false;
        client_stream_pump(s);
    } else if (end) {
        r->verifying = true;
        r->work =
            (struct work){.run = verify_run, .done = verify_done, .arg = r};
        workers_submit(s->client->config.job->workers, &r->work);
    }
    return OK;
}

/* A refusal does not say which READ it is about; none that has no CELL yet
 * can be counted on, and what comes of the others is thrown away. What the
 * steward calls its reason is not ours: with us ERR_CANCELED is Ctrl-C, and
 * ERR_NOMEM our own memory. */
void client_reads_refused(struct client_stream *s, int said)
{
    uint32_t last = s->ids; /* What is asked meanwhile is another matter. */
    int status = said == ERR_NOTFOUND ? ERR_NOTFOUND : ERR_IO;

    for (size_t i = 0; i < CLIENT_READS_MAX; i++) {
        struct client_read *r = &s->running[i];

        if (!read_is_owed(r) || r->cell || r->id > last) {
            continue;
        }
        s->given_up = last;
        if (r->dropped) {
            r->dropped = false;
        } else {
            read_done(r, status);
        }
    }
}

/* There is no word for "never mind": what comes all the same is thrown away. */
void client_reads_drop(struct client_stream *s, uint64_t id)
{
    struct mover_op **at = &s->reads;

    for (size_t i = 0; i < CLIENT_READS_MAX; i++) {
        struct client_read *r = &s->running[i];

        if (r->op != NULL && r->op->id == id && !r->verifying) {
            r->dropped = true;
            read_done(r, ERR_CANCELED);
        }
    }
    while (*at != NULL) {
        struct mover_op *op = *at;

        if (op->id != id) {
            at = &op->next;
            continue;
        }
        s->asked = op == s->reads ? 0 : s->asked;
        *at = op->next;
        s->reads_end = op->next == NULL ? at : s->reads_end;
        op->status = op->status == OK ? ERR_CANCELED : op->status;
        if (!read_has_others(s, op)) {
            mover_op_done(op);
        }
    }
}

void client_reads_fail(struct client_stream *s)
{
    /* First those that run, since they may name the first that waits. */
    for (size_t i = 0; i < CLIENT_READS_MAX; i++) {
        s->running[i].dropped = false;
        if (read_is_owed(&s->running[i])) {
            read_done(&s->running[i], ERR_IO);
        }
    }
    while (s->reads != NULL) {
        struct mover_op *op = client_op_pop(&s->reads, &s->reads_end);

        s->asked = 0;
        if (op->status == OK) {
            op->status = ERR_IO;
        }
        if (!read_has_others(s, op)) {
            mover_op_done(op);
        }
    }
}

/* A stream that has been asked to read something and says next to nothing, also
 * when nobody waits for that any more: a new link may do better. */
bool client_reads_are_silent(struct client_stream *s)
{
    bool speaks = s->heard >= CLIENT_SPEAKS_BYTES;
    bool waits = false;

    for (size_t i = 0; i < CLIENT_READS_MAX; i++) {
        waits |= read_is_owed(&s->running[i]);
    }
    s->heard = 0;
    s->silent_ms =
        s->link != NULL && waits && !speaks ? s->silent_ms + CLIENT_TICK_MS : 0;
    return s->silent_ms > s->client->config.patience_ms;
}
