#include "node/shard/shard_jobs.h"

#include <stdlib.h>

#include "node/shard/shard_work.h"

/* One more rests until the next job ends it. */
#define JOBS_BUFFERS \
    (SHARD_JOBS_MAX * (SHARD_JOBS_BUFFERS + 1) + SHARD_JOBS_RESTING + 1)

struct shard_jobs {
    struct shard_jobs_config config;
    struct shard_buffers buffers;
    struct shard_work *works; /* The newest first. */
    unsigned depth;           /* Of jobs_enter(). */
    bool closing;
    void (*closed)(void *arg);
    void *closed_arg;
};

int shard_jobs_new(struct shard_jobs **out,
                   const struct shard_jobs_config *config)
{
    struct shard_jobs *js = calloc(1, sizeof(*js));

    if (js == NULL) {
        return ERR_NOMEM;
    }
    if (shard_buffers_init(&js->buffers, JOBS_BUFFERS) != OK) {
        free(js);
        return ERR_NOMEM;
    }
    js->config = *config;
    if (js->config.still_ms == 0) {
        js->config.still_ms = SHARD_JOBS_STILL_MS;
    }
    *out = js;
    return OK;
}

/* --- What works ask ------------------------------------------------------ */

const struct shard_jobs_config *jobs_config(const struct shard_jobs *js)
{
    return &js->config;
}

struct shard_buffers *jobs_buffers(struct shard_jobs *js)
{
    return &js->buffers;
}

void jobs_add(struct shard_jobs *js, struct shard_work *w)
{
    w->next = js->works;
    js->works = w;
}

struct shard_work *jobs_works(const struct shard_jobs *js)
{
    return js->works;
}

void jobs_enter(struct shard_jobs *js)
{
    js->depth++;
}

static void works_free(struct shard_jobs *js)
{
    struct shard_work **at = &js->works;

    while (*at != NULL) {
        struct shard_work *w = *at;

        if (work_is_over(w)) {
            *at = w->next;
            work_free(w);
        } else {
            at = &w->next;
        }
    }
}

void jobs_leave(struct shard_jobs *js)
{
    if (js->depth > 1) {
        js->depth--;
        return;
    }
    works_free(js);
    for (struct shard_work *w = js->works; w != NULL; w = w->next) {
        work_next(w);
    }
    js->depth--;
    if (js->closing && js->works == NULL) {
        void (*closed)(void *arg) = js->closed;
        void *arg = js->closed_arg;

        shard_buffers_free(&js->buffers);
        free(js);
        if (closed != NULL) {
            closed(arg);
        }
    }
}

struct shard_work *jobs_first(const struct shard_jobs *js,
                              const struct steward_job *spec)
{
    struct shard_work *first = NULL;

    for (struct shard_work *w = js->works; w != NULL; w = w->next) {
        if (w->spec.type != STEWARD_JOB_READ && !w->deaf &&
            work_is_for(w, spec)) {
            first = w;
        }
    }
    return first;
}

struct link *work_link(const struct shard_work *w)
{
    const struct shard_jobs_config *c = jobs_config(w->jobs);

    return c->link_of(c->arg, w->spec.link);
}

void work_report(struct shard_work *w, uint64_t *job, int status)
{
    const struct shard_jobs_config *c = jobs_config(w->jobs);
    uint64_t id = *job;

    *job = 0;
    if (id == 0 || w->jobs->closing) {
        return;
    }
    /* One that is canceled may have a call on the pool, which has |errmsg|. */
    if (status != OK && status != ERR_CANCELED && w->errmsg[0] != '\0') {
        c->on_note(c->arg, w->errmsg);
    }
    c->on_report(c->arg, id, status, slice_of(NULL, 0));
}

void work_progress(struct shard_work *w, const struct merkle_range *range)
{
    const struct shard_jobs_config *c = jobs_config(w->jobs);
    struct steward_job_report report = {.range = *range};
    uint8_t bytes[STEWARD_JOB_REPORT_MAX];
    size_t size = 0;
    int rv = steward_job_report_encode(&report, bytes, sizeof(bytes), &size);

    assert(rv == OK);
    (void)rv;
    if (w->intake != 0 && !w->jobs->closing) {
        c->on_report(c->arg, w->intake, 1, slice_of(bytes, size));
    }
}

/* --- Jobs ---------------------------------------------------------------- */

static struct shard_work *link_intake(const struct shard_jobs *js,
                                      uint64_t link)
{
    struct shard_work *w = js->works;

    while (w != NULL && (w->ending || w->stopping || w->intake == 0 ||
                         w->spec.link != link)) {
        w = w->next;
    }
    return w;
}

/* How many READs of late go before this one, each going on where the one before
 * ended? */
static unsigned reads_in_row(const struct shard_jobs *js,
                             const struct steward_job *spec)
{
    const struct shard_work *w = js->works;

    while (w != NULL &&
           !(w->spec.type == STEWARD_JOB_READ && work_is_for(w, spec) &&
             w->spec.first_leaf + w->spec.leaves == spec->first_leaf)) {
        w = w->next;
    }
    return w == NULL ? 0 : w->row + (w->row < SHARD_JOBS_ROW);
}

/* A file that is open from the last READ, or NULL. */
static struct shard_work *read_resting(const struct shard_jobs *js,
                                       const struct steward_job *spec)
{
    struct shard_work *w = js->works;

    while (w != NULL &&
           !(w->resting && work_is_for(w, spec) && w->spec.size == spec->size &&
             digest_equal(&w->spec.root, &spec->root))) {
        w = w->next;
    }
    if (w != NULL) {
        w->resting = false;
        w->spec = *spec;
        w->spec.manifest = slice_of(NULL, 0); /* Was lent. */
    }
    return w;
}

/* The intake that has the shard's files open, or NULL. */
static struct shard_work *intake_open(const struct shard_jobs *js,
                                      const struct steward_job *spec)
{
    struct shard_work *w = js->works;

    while (w != NULL && (w->intake == 0 || !work_is_for(w, spec))) {
        w = w->next;
    }
    return w;
}

/* The work that a job is for: one that has the files open, or a new one. */
static struct shard_work *job_work(struct shard_jobs *js,
                                   const struct steward_job *spec,
                                   int *status)
{
    struct shard_work *w = NULL;

    *status = ERR_BUSY;
    if (spec->type == STEWARD_JOB_READ) {
        w = read_resting(js, spec);
    } else {
        w = intake_open(js, spec);
        if (w != NULL && (spec->type != STEWARD_JOB_SEAL || w->seal != 0)) {
            return NULL;
        }
    }
    if (spec->type == STEWARD_JOB_INTAKE &&
        link_intake(js, spec->link) != NULL) {
        return NULL;
    }
    if (w != NULL) {
        return w;
    }
    /* A link that went before the job began will not go again, and nobody else
     * would end it. */
    *status = ERR_CANCELED;
    if (spec->type == STEWARD_JOB_INTAKE &&
        js->config.link_of(js->config.arg, spec->link) == NULL) {
        return NULL;
    }
    *status = ERR_BUSY;
    if (!place_find(js, spec->type == STEWARD_JOB_READ)) {
        return NULL;
    }
    *status = ERR_NOMEM;
    return work_new(js, spec);
}

static void job_start(struct shard_jobs *js,
                      uint64_t job,
                      const struct steward_job *spec,
                      struct shard_work *w)
{
    place_clear(js, spec);
    switch (spec->type) {
    case STEWARD_JOB_INTAKE:
        w->intake = job;
        intake_start(w);
        break;
    case STEWARD_JOB_SEAL:
        w->seal = job;
        intake_seal(w, spec);
        break;
    case STEWARD_JOB_READ:
        w->serve = job;
        serve_start(w);
        break;
    case STEWARD_JOB_DROP:
        w->drop = job;
        (void)work_queue(w, WORK_DROP);
        break;
    }
}

void shard_jobs_start(struct shard_jobs *js, uint64_t job, struct slice bytes)
{
    struct steward_job spec;
    struct shard_work *w = NULL;
    unsigned row = 0;
    int status = steward_job_decode(&spec, bytes);

    assert(job != 0 && !js->closing);
    jobs_enter(js);
    if (status == OK) {
        row = reads_in_row(js, &spec);
        w = job_work(js, &spec, &status);
    }
    if (w != NULL) {
        w->row = row;
        job_start(js, job, &spec, w);
    } else {
        js->config.on_report(js->config.arg, job, status, slice_of(NULL, 0));
    }
    jobs_leave(js);
}

void shard_jobs_cancel(struct shard_jobs *js, uint64_t job)
{
    struct shard_work *w = js->works;

    /* SEAL and DROP are short, and not to be left half done. */
    while (w != NULL && w->intake != job && w->serve != job) {
        w = w->next;
    }
    if (w == NULL) {
        return;
    }
    jobs_enter(js);
    if (job == w->intake) {
        intake_stop(w);
    } else {
        serve_end(w, ERR_CANCELED);
    }
    jobs_leave(js);
}

/* --- Links --------------------------------------------------------------- */

/* Is this the link of an intake that failed? */
static bool link_is_deaf(const struct shard_jobs *js, uint64_t link)
{
    const struct shard_work *w = js->works;

    while (w != NULL && !(w->deaf && w->spec.link == link)) {
        w = w->next;
    }
    return w != NULL;
}

bool shard_jobs_message(struct shard_jobs *js,
                        uint64_t link,
                        const struct message *m,
                        int *status)
{
    struct shard_work *w = link_intake(js, link);

    *status = OK;
    if (m->type == MESSAGE_COMMIT && w != NULL &&
        digest_equal(&m->u.commit.deposit_id, &w->spec.deposit_id)) {
        if (m->u.commit.leaves > w->durable) {
            return true; /* The machine may not have heard of a CUT yet. */
        }
        if (m->u.commit.leaves > w->spec.final_leaves) {
            w->spec.final_leaves = m->u.commit.leaves;
        }
    }
    if (m->type != MESSAGE_CUT && m->type != MESSAGE_APPEND &&
        m->type != MESSAGE_FLUSH) {
        return false;
    }
    if (w == NULL) {
        return link_is_deaf(js, link);
    }
    jobs_enter(js);
    *status = intake_message(w, m);
    jobs_leave(js);
    return true;
}

uint8_t *shard_jobs_room(struct shard_jobs *js, uint64_t link, size_t size)
{
    struct shard_work *w = link_intake(js, link);

    return w == NULL ? NULL : intake_room(w, size);
}

int shard_jobs_data(struct shard_jobs *js,
                    uint64_t link,
                    uint32_t stream,
                    struct slice bytes,
                    bool end)
{
    struct shard_work *w = link_intake(js, link);
    int rv;

    if (w == NULL) {
        return link_is_deaf(js, link) ? OK : ERR_BAD;
    }
    jobs_enter(js);
    rv = intake_data(w, stream, bytes, end);
    jobs_leave(js);
    return rv;
}

void shard_jobs_writable(struct shard_jobs *js, uint64_t link)
{
    jobs_enter(js);
    for (struct shard_work *w = js->works; w != NULL; w = w->next) {
        if (!w->ending && w->serve != 0 && w->spec.link == link) {
            serve_go_on(w);
        }
    }
    jobs_leave(js);
}

void shard_jobs_link_down(struct shard_jobs *js, uint64_t link)
{
    jobs_enter(js);
    for (struct shard_work *w = js->works; w != NULL; w = w->next) {
        if (w->ending || w->spec.link != link) {
            continue;
        }
        if (w->intake != 0) {
            intake_stop(w);
        } else if (w->serve != 0) {
            serve_end(w, ERR_CANCELED);
        } else if (w->deaf) {
            w->deaf = false;
            work_end(w);
        }
    }
    jobs_leave(js);
}

void shard_jobs_listen(struct shard_jobs *js)
{
    for (struct shard_work *w = js->works; w != NULL; w = w->next) {
        if (w->intake != 0) {
            w->still_ms = uv_now(js->config.loop);
        }
    }
}

void shard_jobs_close(struct shard_jobs *js,
                      void (*closed)(void *arg),
                      void *arg)
{
    jobs_enter(js);
    js->closing = true;
    js->closed = closed;
    js->closed_arg = arg;
    /* What was queued is not promised. */
    for (struct shard_work *w = js->works; w != NULL; w = w->next) {
        work_drop_calls(w);
        work_end(w);
    }
    jobs_leave(js);
}
