#include "node/shard/shard_work.h"

/* Room for one job more. */

void place_clear(struct shard_jobs *js, const struct steward_job *spec)
{
    unsigned resting = 0;

    for (struct shard_work *w = jobs_works(js); w != NULL; w = w->next) {
        resting += w->resting ? 1 : 0;
        if ((w->deaf && spec->type == STEWARD_JOB_INTAKE &&
             w->spec.link == spec->link) ||
            (w->resting && (spec->type == STEWARD_JOB_DROP ||
                            resting > SHARD_JOBS_RESTING))) {
            w->deaf = w->resting = false;
            work_end(w);
        }
    }
}

static bool work_reads(const struct shard_work *w)
{
    return w->spec.type == STEWARD_JOB_READ;
}

/* Of READs, or of all others. */
static unsigned places_taken(const struct shard_jobs *js, bool reads)
{
    unsigned taken = 0;

    for (const struct shard_work *w = jobs_works(js); w != NULL; w = w->next) {
        taken += work_reads(w) == reads && !w->resting && !w->deaf &&
                         !work_is_over(w)
                     ? 1
                     : 0;
    }
    return taken;
}

/* Is it the peer, and nothing else, that it waits for? */
static bool work_waits(const struct shard_work *w)
{
    return !w->ending && w->running == NULL && w->calls == NULL &&
           (w->intake != 0 || (w->serve != 0 && w->ready > 0));
}

/* The one whose peer has been still longest, and for too long, or NULL. */
static struct shard_work *work_stillest(const struct shard_jobs *js, bool reads)
{
    const struct shard_jobs_config *c = jobs_config(js);
    uint64_t now = uv_now(c->loop);
    struct shard_work *stillest = NULL;

    for (struct shard_work *w = jobs_works(js); w != NULL; w = w->next) {
        if (work_reads(w) == reads && work_waits(w) &&
            now - w->still_ms >= c->still_ms &&
            (stillest == NULL || w->still_ms <= stillest->still_ms)) {
            stillest = w;
        }
    }
    return stillest;
}

/* Half of what was asked for cannot be taken back: so the link goes, and the
 * reader may come again. */
static void reader_leave(struct shard_work *w)
{
    struct link *l = work_link(w);

    if (l != NULL) {
        link_close(l, FRAME_REASON_BUSY);
    }
    serve_end(w, ERR_CANCELED);
}

bool place_find(struct shard_jobs *js, bool reads)
{
    const struct shard_jobs_config *c = jobs_config(js);
    struct shard_work *w;

    if (places_taken(js, reads) < SHARD_JOBS_MAX) {
        return true;
    }
    w = work_stillest(js, reads);
    if (w == NULL) {
        return false;
    }
    errmsg_set(w->errmsg,
               "all places are taken, and link %llu, which has one for the "
               "shard in '%s', made no progress for %u s: another has it now",
               (unsigned long long)w->spec.link, w->folder, c->still_ms / 1000);
    if (reads) {
        c->on_note(c->arg, w->errmsg);
        reader_leave(w);
    } else {
        intake_fail(w, ERR_BUSY);
    }
    return true;
}
