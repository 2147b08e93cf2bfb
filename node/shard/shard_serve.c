#include <stdlib.h>

#include "node/shard/shard_work.h"

/* Leaves that one call reads and one call of link_send_data() takes, at most.
 */
#define SERVE_LEAVES (SHARD_BUFFER_SIZE / LEAF_SIZE)

static int prove_execute(struct shard_work *w, const struct work_call *call)
{
    int rv = OK;

    if (!w->open) {
        rv = shard_file_open(&w->file, w->folder, &call->root, call->shard_size,
                             w->errmsg);
        w->open = rv == OK;
        if (rv == OK) {
            shard_file_trust_sums(&w->file);
        }
    }
    if (rv == OK) {
        shard_file_read_direct(&w->file, call->direct);
        rv = shard_file_prove(&w->file, call->first_leaf, call->leaves,
                              w->proof, MERKLE_RUN_NODES_MAX, &w->proof_len);
        if (rv != OK) {
            errmsg_set(w->errmsg, "the shard in '%s' cannot be proven",
                       w->folder);
        }
    }
    return rv;
}

void serve_execute(struct shard_work *w, struct work_call *call)
{
    if (call->type == WORK_PROVE) {
        call->status = prove_execute(w, call);
        return;
    }
    call->status = shard_file_read(&w->file, call->first_leaf, call->leaves,
                                   w->buffers[0].mem, w->scratch, w->errmsg);
}

void serve_start(struct shard_work *w)
{
    struct work_call *call = work_queue(w, WORK_PROVE);

    w->served = 0;
    w->ready = 0;
    call->root = w->spec.root;
    call->shard_size = w->spec.size;
    call->first_leaf = w->spec.first_leaf;
    call->leaves = w->spec.leaves;
    call->direct = w->row < SHARD_JOBS_ROW;
}

/* A file that is in order stays open: who reads one cell reads the next. */
void serve_end(struct shard_work *w, int status)
{
    /* Only a link says that: it is ending, and as good as gone. */
    status = status == ERR_ORDER ? ERR_CANCELED : status;
    if (status == OK) {
        w->resting = true;
    } else {
        work_drop_calls(w);
        work_end(w);
    }
    work_report(w, &w->serve, status);
}

static int serve_say(struct link *l, const struct message *m)
{
    uint8_t *bytes = malloc(MESSAGE_SIZE_MAX);
    size_t size = 0;
    int rv = bytes == NULL ? ERR_NOMEM
                           : message_encode(m, bytes, MESSAGE_SIZE_MAX, &size);

    if (rv == OK) {
        rv = link_send_message(l, slice_of(bytes, size));
    }
    free(bytes);
    return rv;
}

/* Say that it cannot be done, rather than send what was not checked. */
static void serve_refuse(struct shard_work *w, int status)
{
    struct link *l = work_link(w);
    struct message *m = calloc(1, sizeof(*m));
    int rv = ERR_NOMEM;

    if (m != NULL && l != NULL) {
        m->type = MESSAGE_REFUSE;
        m->u.refuse.about = MESSAGE_READ;
        m->u.refuse.subject = w->spec.deposit_id;
        m->u.refuse.status = status;
        (void)snprintf(m->u.refuse.text, sizeof(m->u.refuse.text),
                       "this steward cannot read that part of its shard; ask "
                       "another");
        rv = serve_say(l, m);
    }
    free(m);
    if (rv != OK && l != NULL && link_is_up(l)) {
        link_close(l, FRAME_REASON_BUSY); /* Better than to leave it waiting. */
    }
    serve_end(w, status);
}

/* The proof goes first: the receiver can check the bytes as they come. */
static int serve_announce(struct shard_work *w, struct link *l)
{
    struct message *m = calloc(1, sizeof(*m));
    int rv = ERR_NOMEM;

    if (m != NULL) {
        struct message_cell *cell = &m->u.cell;

        m->type = MESSAGE_CELL;
        cell->deposit_id = w->spec.deposit_id;
        cell->index = w->spec.index;
        cell->first_leaf = w->spec.first_leaf;
        cell->leaves = w->spec.leaves;
        cell->stream = w->spec.stream;
        memcpy(cell->nodes, w->proof, w->proof_len * DIGEST_SIZE);
        cell->nodes_len = w->proof_len;
        rv = serve_say(l, m);
    }
    free(m);
    return rv;
}

static void serve_read(struct shard_work *w)
{
    uint64_t first = w->spec.first_leaf + w->served;
    uint64_t left = w->spec.leaves - w->served;
    /* To the end of a group: one that is read in part is read twice. */
    uint64_t most = SERVE_LEAVES - first % SHARD_TREE_GROUP;
    struct work_call *call = work_queue(w, WORK_READ);

    call->first_leaf = first;
    call->leaves = left < most ? left : most;
}

void serve_go_on(struct shard_work *w)
{
    struct link *l = work_link(w);
    bool last = w->served + w->ready == w->spec.leaves;
    int rv;

    if (w->ready == 0) {
        return; /* A read is under way. */
    }
    if (l == NULL) {
        serve_end(w, ERR_CANCELED);
        return;
    }
    rv =
        link_send_data(l, w->spec.stream,
                       slice_of(w->buffers[0].mem, w->ready * LEAF_SIZE), last);
    if (rv == ERR_FULL) {
        return; /* link_calls.on_writable will come. */
    }
    if (rv != OK) {
        serve_end(w, rv);
        return;
    }
    w->served += w->ready;
    w->ready = 0;
    if (last) {
        serve_end(w, OK);
    } else {
        serve_read(w);
    }
}

void serve_done(struct shard_work *w, struct work_call *call)
{
    struct link *l = work_link(w);
    int rv = call->status;

    if (w->ending) {
        return;
    }
    if (l == NULL) {
        serve_end(w, ERR_CANCELED);
        return;
    }
    if (rv == OK && call->type == WORK_PROVE) {
        rv = serve_announce(w, l);
        if (rv == OK) {
            serve_read(w);
        }
    } else if (rv == OK) {
        w->ready = (size_t)call->leaves;
        w->still_ms = uv_now(jobs_config(w->jobs)->loop);
        serve_go_on(w);
        return;
    }
    if (rv != OK) {
        serve_refuse(w, rv);
    }
}
