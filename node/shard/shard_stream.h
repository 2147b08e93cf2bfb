#ifndef CAIRN_NODE_SHARD_STREAM_H
#define CAIRN_NODE_SHARD_STREAM_H

#include "node/mover/mover_run.h"
#include "node/shard/shard_file.h"

/* A shard in a local folder as a stream of movers: MV_SEND appends, MV_FLUSH
 * syncs, MV_READ_AT reads verified leaves. */

struct shard_stream {
    struct mover_blocking base;
    struct shard_file file;
    bool open; /* file is to be closed */
    uint8_t scratch[SHARD_FILE_SCRATCH_SIZE];
    int status; /* The first failure, and its words. */
    char errmsg[ERRMSG_SIZE];
};

/* |s->file| has been created, resumed or opened by the caller. */
void shard_stream_init(struct shard_stream *s,
                       uint32_t number,
                       uv_loop_t *loop);
void shard_stream_close(struct shard_stream *s);

#endif /* CAIRN_NODE_SHARD_STREAM_H */
