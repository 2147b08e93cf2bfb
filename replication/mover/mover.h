#ifndef CAIRN_REPLICATION_MOVER_H
#define CAIRN_REPLICATION_MOVER_H

#include "crypto/base.h"

/* The vocabulary of movers. A mover runs one bulk job, such as sealing a model
 * into n shards, over buffers and streams that it names by number and never
 * owns. It does no I/O: its step function takes one event and answers with
 * actions, and a driver (node/ for real, sim/ under virtual time) carries them
 * out and reports back with events, in any order that I/O takes.
 *
 *   X_step(struct X *, const struct mover_event *, struct mover_out *)
 *
 * Streams: MOVER_SOURCE is the plaintext in order; others are shards (files of
 * a folder, or stewards across a network), numbered by shard index.
 * Getting a buffer is the back-pressure: a driver answers MV_GET_BUF when it
 * has one. Work functions are pure: a thread runs them, or sim/ inline.
 *
 * Whatever a driver must answer it answers exactly once, with |status|, also
 * when the stream is lost or the job canceled: until then the memory that the
 * action names is in use. MV_END comes after the last answer, so a job that
 * waits for a buffer ends only when it has been given one. */

#define MOVER_SOURCE   UINT32_MAX
#define MOVER_ACTS_MAX 160

/* Streams as bits of a word. */
static inline uint64_t stream_bit(uint32_t stream)
{
    assert(stream < 64);
    return (uint64_t)1 << stream;
}

static inline unsigned stream_bits_len(uint64_t bits)
{
    return (unsigned)__builtin_popcountll(bits);
}

enum mover_event_type {
    MV_START,
    MV_BUF,     /* |buf| with |mem| of |len| bytes, answering MV_GET_BUF. */
    MV_READ,    /* |len| bytes of |stream| from |off| are in the memory that
                 * MV_READ_AT named, or were taken; |status| when not. */
    MV_SENT,    /* The MV_SEND to |stream| at |off| no longer needs memory. */
    MV_DURABLE, /* All of |stream| before |off| survives power loss. */
    MV_WORKED,  /* The MV_WORK named |id| is done with |status|. */
    MV_NOTED,   /* The MV_NOTE named |id| is durable. */
    MV_LOST,    /* |stream| is gone: ask no more of it. What was asked is
                 * answered all the same, before or after, with an error. */
    MV_WAKE,    /* The time asked for has come. */
    MV_CANCEL   /* Put everything back and report ERR_CANCELED. */
};

struct mover_event {
    enum mover_event_type type;
    int status;
    uint32_t buf, stream;
    uint64_t id, off, len, mono_ms;
    uint8_t *mem;
    struct digest digest; /* MV_READ of MOVER_SOURCE: of what was read. */
};

enum mover_action_type {
    MV_GET_BUF, /* One buffer, to be answered by MV_BUF. */
    MV_PUT_BUF, /* |buf| may serve others. */
    MV_READ_AT, /* |len| bytes of |stream| at |off| into |mem|. Of MOVER_SOURCE
                 * with |take|: all given to that, in order, on the thread that
                 * reads and before the answer, in tiles of any size, best each
                 * while it is in the cache. |mem| is for one of them at a time,
                 * if it does not lie elsewhere. */
    MV_DROP,  /* The cells of segment |id| are needed no longer. Each MV_READ_AT
               * for it that the driver can give up is answered now, with
               * ERR_CANCELED, and uses no memory any more; others as ever. */
    MV_SEND,  /* |bytes| to |stream|, where they belong at |off|; |id| is the
               * segment. In order per stream. */
    MV_FLUSH, /* Make |stream| durable; answered by MV_DURABLE. */
    MV_WORK,  /* Run work(arg) on a processor; answered by MV_WORKED. */
    MV_NOTE,  /* Make |arg| durable in the journal; answered by MV_NOTED. */
    MV_PROGRESS, /* |off| bytes of |len| are done with: for people. */
    MV_SLOW,     /* |stream| did not answer in |off| ms, and others did in its
                  * place: for people. */
    MV_WAKE_AT,  /* Replace the mover's one timer: at |off| mono_ms. */
    MV_END       /* The job has ended with |status|; nothing follows. */
};

struct mover_action {
    enum mover_action_type type;
    int status;
    uint32_t buf, stream;
    uint64_t id, off, len;
    uint8_t *mem; /* MV_READ_AT: has room for |len|. */
    void (*take)(void *arg, struct slice tile); /* MV_READ_AT, or NULL. */
    struct slice bytes; /* MV_SEND: stays until MV_SENT */
    int (*work)(void *arg);
    void *arg; /* Of |take|, MV_WORK, MV_NOTE: lives until it is answered. */
};

struct mover_out {
    struct mover_action acts[MOVER_ACTS_MAX];
    size_t len;
};

/* Append an action, zeroed but for its type. Too many is our own mistake: a
 * step's actions are bounded by its window and its streams. */
static inline struct mover_action *mover_act(struct mover_out *out,
                                             enum mover_action_type type)
{
    struct mover_action *a;

    assert(out->len < MOVER_ACTS_MAX);
    a = &out->acts[out->len++];
    *a = (struct mover_action){.type = type};
    return a;
}

#endif /* CAIRN_REPLICATION_MOVER_H */
