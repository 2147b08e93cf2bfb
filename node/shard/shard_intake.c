#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "node/shard/shard_work.h"

/* ---- On the pool. ---- */

static int open_execute(struct shard_work *w, const struct work_call *call)
{
    int rv = volume_shard_make(w->volume, &w->spec.deposit_id, w->spec.index,
                               w->errmsg);

    if (rv == OK && call->range.leaves == 0) {
        rv =
            shard_file_create(&w->file, w->folder, call->shard_size, w->errmsg);
    } else if (rv == OK) {
        rv = shard_file_resume(&w->file, w->folder, call->shard_size,
                               &call->range, w->errmsg);
    }
    w->open = rv == OK;
    return rv;
}

/* Cutting is opening again at an earlier place. */
static int cut_execute(struct shard_work *w, const struct work_call *call)
{
    if (w->open) {
        shard_file_close(&w->file);
        w->open = false;
    }
    return open_execute(w, call);
}

/* A seal that was interrupted may have come to its end. */
static int seal_finished(struct shard_work *w, const struct work_call *call)
{
    struct shard_file sealed;
    char errmsg[ERRMSG_SIZE];
    int rv = shard_file_open(&sealed, w->folder, &call->root, call->shard_size,
                             errmsg);

    if (rv == OK) {
        shard_file_close(&sealed);
        rv = folder_sync(w->folder, errmsg);
    }
    return rv;
}

/* What a stranger needs besides the shard, FORMAT.md 2. */
static int papers_write(struct shard_work *w, const struct work_call *call)
{
    const struct slice charter = jobs_config(w->jobs)->charter;
    char *manifest = path_join(w->folder, "manifest");
    char *chain = path_join(w->folder, "charter");
    int rv = file_write(manifest, slice_of(call->manifest, call->manifest_size),
                        0644, FILE_REPLACE, w->errmsg);

    if (rv == OK) {
        rv = file_write(chain, charter, 0644, FILE_REPLACE, w->errmsg);
    }
    free(chain);
    free(manifest);
    return rv;
}

static int seal_execute(struct shard_work *w, const struct work_call *call)
{
    int rv;

    if (!w->open) {
        if (seal_finished(w, call) == OK) {
            return papers_write(w, call);
        }
        rv = open_execute(w, call);
        if (rv != OK) {
            return rv;
        }
    }
    if (w->file.size != call->shard_size) {
        errmsg_set(w->errmsg,
                   "the shard in '%s' has %llu bytes, its manifest says %llu",
                   w->folder, (unsigned long long)w->file.size,
                   (unsigned long long)call->shard_size);
        return ERR_MISMATCH;
    }
    rv = shard_file_seal(&w->file, &call->root, w->errmsg);
    return rv == OK ? papers_write(w, call) : rv;
}

static int drop_execute(struct shard_work *w)
{
    static const char *const names[] = {"shard.part", "tree.part", "tree.new",
                                        "sums.part",  "shard",     "tree",
                                        "sums",       "manifest",  "charter"};
    int rv = OK;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && rv == OK; i++) {
        char *path = path_join(w->folder, names[i]);

        if (unlink(path) != 0 && errno != ENOENT && errno != ENOTDIR) {
            errmsg_set(w->errmsg, "remove '%s': %s", path, strerror(errno));
            rv = ERR_IO;
        }
        free(path);
    }
    if (rv == OK && rmdir(w->folder) != 0 && errno != ENOENT) {
        errmsg_set(w->errmsg, "remove '%s': %s", w->folder, strerror(errno));
        rv = ERR_IO;
    }
    return rv;
}

void intake_execute(struct shard_work *w, struct work_call *call)
{
    switch (call->type) {
    case WORK_OPEN:
        call->status = open_execute(w, call);
        break;
    case WORK_APPEND:
        call->status =
            shard_file_append(&w->file, w->file.size, call->buffer->mem,
                              call->size, NULL, w->errmsg);
        break;
    case WORK_CUT:
        call->status = cut_execute(w, call);
        break;
    case WORK_SYNC:
        call->status = shard_file_sync(&w->file, w->errmsg);
        call->range = w->file.range;
        break;
    case WORK_SEAL:
        call->status = seal_execute(w, call);
        break;
    case WORK_DROP:
        call->status = drop_execute(w);
        break;
    case WORK_PROVE:
    case WORK_READ:
        abort();
    }
}

/* ---- On the loop. ---- */

void intake_start(struct shard_work *w)
{
    struct work_call *call = work_queue(w, WORK_OPEN);

    call->range = w->spec.range;
    call->shard_size = w->spec.size;
    w->durable = w->spec.range.leaves;
    w->queued = w->durable * LEAF_SIZE;
}

/* A shard whose intake is under way is sealed through its open file. */
void intake_seal(struct shard_work *w, const struct steward_job *spec)
{
    struct work_call *call = work_queue(w, WORK_SEAL);

    call->range = spec->range;
    call->root = spec->root;
    call->shard_size = spec->size;
    call->manifest = malloc(spec->manifest.size);
    if (call->manifest == NULL) {
        abort(); /* As for the call itself. */
    }
    memcpy(call->manifest, spec->manifest.data, spec->manifest.size);
    call->manifest_size = spec->manifest.size;
}

static struct work_buffer *buffer_free(struct shard_work *w)
{
    for (size_t i = 0; i < SHARD_JOBS_BUFFERS; i++) {
        if (!w->buffers[i].busy && &w->buffers[i] != w->filling) {
            return &w->buffers[i];
        }
    }
    return NULL;
}

static void intake_pause(struct shard_work *w, bool pause)
{
    const struct shard_jobs_config *c = jobs_config(w->jobs);

    if (pause != w->paused) {
        w->paused = pause;
        c->on_pause(c->arg, w->spec.link, pause);
    }
}

/* The link is read only while a whole buffer is free besides the one that is
 * filling: what one call brings always fits. And only while few calls wait. */
static void intake_breathe(struct shard_work *w)
{
    intake_pause(w, buffer_free(w) == NULL ||
                        w->calls_len >= SHARD_WORK_CALLS_MAX);
}

static void intake_submit(struct shard_work *w)
{
    struct work_call *call;

    if (w->fill == 0) {
        return;
    }
    call = work_queue(w, WORK_APPEND);
    call->buffer = w->filling;
    call->size = w->fill;
    w->filling->busy = true;
    w->filling = NULL;
    w->fill = 0;
}

static int append_begin(struct shard_work *w, const struct message_append *a)
{
    uint64_t off = a->first_leaf * LEAF_SIZE;
    uint64_t size = a->leaves * LEAF_SIZE;

    if (w->stream != 0 || w->seal != 0 || off != w->queued ||
        off > w->spec.size || size > w->spec.size - off) {
        return ERR_BAD;
    }
    w->stream = a->stream;
    w->stream_left = size;
    return OK;
}

static int cut_begin(struct shard_work *w, const struct message_cut *cut)
{
    uint64_t size = cut->range.leaves * LEAF_SIZE;
    struct work_call *call;

    if (w->stream != 0 || w->seal != 0 || size > w->queued ||
        cut->range.leaves < w->spec.final_leaves) {
        return ERR_BAD;
    }
    intake_submit(w);
    call = work_queue(w, WORK_CUT);
    call->range = cut->range;
    call->shard_size = w->spec.size;
    w->queued = size;
    if (w->durable > cut->range.leaves) {
        w->durable = cut->range.leaves;
    }
    intake_breathe(w);
    return OK;
}

int intake_message(struct shard_work *w, const struct message *m)
{
    const struct digest *deposit = &w->spec.deposit_id;

    switch (m->type) {
    case MESSAGE_APPEND:
        return digest_equal(&m->u.append.deposit_id, deposit)
                   ? append_begin(w, &m->u.append)
                   : ERR_BAD;
    case MESSAGE_CUT:
        return digest_equal(&m->u.cut.deposit_id, deposit)
                   ? cut_begin(w, &m->u.cut)
                   : ERR_BAD;
    case MESSAGE_FLUSH:
        if (w->stream != 0 || w->seal != 0 ||
            !digest_equal(&m->u.flush.deposit_id, deposit)) {
            return ERR_BAD;
        }
        intake_submit(w);
        (void)work_queue(w, WORK_SYNC);
        intake_breathe(w);
        return OK;
    case MESSAGE_HEADS:
    case MESSAGE_WANT:
    case MESSAGE_ENTRIES:
    case MESSAGE_OFFER:
    case MESSAGE_ACCEPT:
    case MESSAGE_DURABLE:
    case MESSAGE_COMMIT:
    case MESSAGE_DEAL:
    case MESSAGE_READ:
    case MESSAGE_CELL:
    case MESSAGE_ENVELOPE_WANT:
    case MESSAGE_ENVELOPE:
    case MESSAGE_REFUSE:
        break;
    }
    return ERR_BAD;
}

/* Where the next byte goes. */
static uint8_t *intake_place(struct shard_work *w)
{
    if (w->filling == NULL) {
        w->filling = buffer_free(w);
        assert(w->filling != NULL);
    }
    return w->filling->mem + w->fill;
}

uint8_t *intake_room(struct shard_work *w, size_t size)
{
    bool fits = size <= w->stream_left && size <= SHARD_BUFFER_SIZE - w->fill;

    return w->stream != 0 && fits ? intake_place(w) : NULL;
}

int intake_data(struct shard_work *w,
                uint32_t stream,
                struct slice bytes,
                bool end)
{
    if (stream != w->stream || bytes.size > w->stream_left ||
        (end && w->stream_left > bytes.size)) {
        return ERR_BAD;
    }
    w->stream_left -= bytes.size;
    w->queued += bytes.size;
    w->came += bytes.size;
    if (w->came >= SHARD_BUFFER_SIZE) {
        w->came = 0;
        w->still_ms = uv_now(jobs_config(w->jobs)->loop);
    }
    while (bytes.size > 0) {
        uint8_t *place = intake_place(w);
        size_t room = SHARD_BUFFER_SIZE - w->fill;
        size_t take = bytes.size < room ? bytes.size : room;

        if (bytes.data != place) {
            memcpy(place, bytes.data, take);
        }
        w->fill += take;
        bytes.data += take;
        bytes.size -= take;
        if (w->fill == SHARD_BUFFER_SIZE) {
            intake_submit(w);
        }
    }
    if (end) {
        w->stream = 0;
    }
    intake_breathe(w);
    return OK;
}

static void intake_leave(struct shard_work *w)
{
    w->stopping = false;
    work_report(w, &w->intake, ERR_CANCELED);
    w->spec.link = 0;
    if (w->seal == 0) {
        work_drop_calls(w);
        work_end(w);
    }
}

/* The lab is gone: what was queued is dropped, for what is not durable is not
 * promised. A seal that waits behind it needs it. */
void intake_stop(struct shard_work *w)
{
    intake_pause(w, false);
    if (w->running != NULL && w->running->type == WORK_CUT && w->seal == 0) {
        work_drop_calls(w);
        w->stopping = true;
    } else {
        intake_leave(w);
    }
}

/* The files are let go, and the link is kept as one that is not listened to. */
void intake_fail(struct shard_work *w, int status)
{
    work_drop_calls(w);
    if (w->open) {
        shard_file_close(&w->file);
        w->open = false;
    }
    work_free_buffers(w);
    intake_pause(w, false);
    w->deaf = true;
    work_report(w, &w->intake, status);
}

static void intake_sealed(struct shard_work *w, int status)
{
    work_drop_calls(w);
    work_end(w);
    if (w->intake != 0) {
        intake_pause(w, false);
        work_report(w, &w->intake, ERR_CANCELED);
    }
    work_report(w, &w->seal, status);
}

void intake_done(struct shard_work *w, struct work_call *call)
{
    if (w->ending) {
        return;
    }
    switch (call->type) {
    case WORK_SEAL:
        intake_sealed(w, call->status);
        return;
    case WORK_DROP:
        work_end(w);
        work_report(w, &w->drop, call->status);
        return;
    case WORK_SYNC:
    case WORK_CUT:
        if (call->status == OK) {
            w->durable = call->range.leaves;
            work_progress(w, &call->range);
        }
        break;
    case WORK_OPEN: /* There are files, and room is taken for the shard. */
        if (call->status == OK) {
            work_progress(w, &call->range);
        }
        break;
    case WORK_APPEND:
        break;
    case WORK_PROVE:
    case WORK_READ:
        abort();
    }
    if (w->stopping) {
        intake_leave(w);
        return;
    }
    if (w->ending || w->intake == 0) {
        return; /* The report may have led to a cancel. */
    }
    if (w->status != OK && w->seal == 0) {
        intake_fail(w, w->status);
    } else {
        intake_breathe(w);
    }
}
