#include "node/shard/shard_stream.h"

static int stream_do(struct shard_stream *s, struct mover_op *op, char *errmsg)
{
    int rv;

    switch (op->type) {
    case MV_SEND:
        return shard_file_append(&s->file, op->off, op->bytes.data,
                                 op->bytes.size, NULL, errmsg);
    case MV_FLUSH:
        rv = shard_file_sync(&s->file, errmsg);
        op->durable = s->file.size;
        return rv;
    case MV_READ_AT:
        assert(op->off % LEAF_SIZE == 0 && op->len % LEAF_SIZE == 0);
        return shard_file_read(&s->file, op->off / LEAF_SIZE,
                               op->len / LEAF_SIZE, op->mem, s->scratch,
                               errmsg);
    case MV_GET_BUF:
    case MV_PUT_BUF:
    case MV_WORK:
    case MV_NOTE:
    case MV_PROGRESS:
    case MV_DROP:
    case MV_SLOW:
    case MV_WAKE_AT:
    case MV_END:
        break;
    }
    return ERR_UNSUPPORTED;
}

static void stream_execute(struct mover_blocking *b, struct mover_op *op)
{
    struct shard_stream *s = (struct shard_stream *)b;
    char errmsg[ERRMSG_SIZE] = "";

    op->status = stream_do(s, op, errmsg);
    if (op->status != OK && s->status == OK) {
        s->status = op->status;
        memcpy(s->errmsg, errmsg, sizeof(errmsg));
    }
}

void shard_stream_init(struct shard_stream *s, uint32_t number, uv_loop_t *loop)
{
    mover_blocking_init(&s->base, number, loop, stream_execute);
    s->open = true;
    s->status = OK;
    s->errmsg[0] = '\0';
}

void shard_stream_close(struct shard_stream *s)
{
    if (s->open) {
        shard_file_close(&s->file);
        s->open = false;
    }
}
