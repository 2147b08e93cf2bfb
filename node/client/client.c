#include <stdlib.h>

#include "crypto/secret.h"
#include "node/client/client_private.h"
#include "replication/mover/finder.h"

/* --- What the machine asks ----------------------------------------------- */

static void act_send(void *arg, uint64_t id, struct slice bytes)
{
    struct client_link *l = client_link_find(arg, id);

    /* A link that has no room closes itself, and the machine hears of that. */
    if (l != NULL && link_send_message(l->link, bytes) != OK) {
        return;
    }
}

static void act_dial(void *arg, uint64_t id, struct slice bytes)
{
    struct digest member;

    (void)id;
    assert(bytes.size == DIGEST_SIZE);
    memcpy(member.bytes, bytes.data, DIGEST_SIZE);
    client_links_dial(arg, &member);
}

static void act_close(void *arg, uint64_t id, struct slice bytes)
{
    struct client_link *l = client_link_find(arg, id);

    (void)bytes;
    if (l != NULL) {
        link_close(l->link, FRAME_REASON_DONE);
    }
}

static void act_job(void *arg, uint64_t id, struct slice bytes)
{
    struct client *c = arg;

    assert(c->job == 0);
    c->job_bytes = malloc(bytes.size + 1);
    if (c->job_bytes == NULL) {
        abort(); /* The machine counts on it. */
    }
    if (bytes.size > 0) {
        memcpy(c->job_bytes, bytes.data, bytes.size);
    }
    c->job_size = bytes.size;
    c->job = id;
}

static void on_pause(void *arg, int why)
{
    (void)arg; /* A client's peers say little: the queue's bound is enough. */
    (void)why;
}

static void on_halt(void *arg, const char *text)
{
    struct client *c = arg;

    c->halted = true;
    errmsg_set(c->errmsg, "%s", text);
}

static void on_tick(uv_timer_t *timer)
{
    client_streams_tick(timer->data);
}

void client_step(void *arg, const struct core_event *ev, struct core_out *out)
{
    struct client *c = arg;

    c->config.step(c->config.machine, ev, out);
    uv_stop(&c->config.job->loop);
}

static int core_start(struct client *c)
{
    const struct core_run_config config = {
        .loop = &c->config.job->loop,
        .store = c->config.store,
        .step = client_step,
        .machine = c,
        .starts = c->config.starts,
        .starts_len = c->config.starts_len,
        .send = act_send,
        .dial = act_dial,
        .close = act_close,
        .job = act_job,
        .on_pause = on_pause,
        .on_halt = on_halt,
        .arg = c,
    };

    return core_run_start(&c->run, &config);
}

/* --- For the owner ------------------------------------------------------- */

int client_open(struct client **out,
                const struct client_config *config,
                char *errmsg)
{
    struct client *c = secret_new(sizeof(*c));
    int rv;

    if (c == NULL) {
        return errmsg_secret_memory(errmsg);
    }
    c->config = *config;
    rng_init_system(&c->rng);
    (void)uv_timer_init(&config->job->loop, &c->tick);
    c->tick.data = c;
    c->message = malloc(sizeof(*c->message));
    if (c->message != NULL && client_streams_open(c) == OK) {
        rv = client_links_open(c, errmsg);
    } else {
        rv = errmsg_memory(errmsg);
    }
    if (rv == OK) {
        (void)uv_timer_start(&c->tick, on_tick, CLIENT_TICK_MS, CLIENT_TICK_MS);
        rv = core_start(c);
    }
    if (rv != OK) {
        client_close(c);
        return rv;
    }
    *out = c;
    return OK;
}

int client_wait(struct client *c,
                bool (*ended)(void *arg),
                void *arg,
                uint64_t *job,
                uint8_t *bytes,
                size_t max,
                size_t *size,
                char *errmsg)
{
    *job = 0;
    for (;;) {
        /* Runs the loop: what comes of that is looked at below. */
        bool interrupted = job_is_interrupted(c->config.job);

        if (ended(arg)) {
            return OK;
        }
        if (c->halted) {
            errmsg_set(errmsg, "%s", c->errmsg);
            return ERR_IO;
        }
        if (c->job != 0) {
            assert(c->job_size <= max);
            *job = c->job;
            *size = c->job_size;
            memcpy(bytes, c->job_bytes, c->job_size);
            free(c->job_bytes);
            c->job_bytes = NULL;
            c->job = 0;
            return OK;
        }
        if (interrupted) {
            errmsg_set(errmsg, "interrupted; run the same command to go on");
            return ERR_CANCELED;
        }
        uv_run(&c->config.job->loop, UV_RUN_ONCE);
    }
}

void client_report(struct client *c,
                   uint64_t job,
                   int status,
                   struct slice bytes)
{
    const struct core_event ev = {
        .type = EV_JOB, .id = job, .status = status, .bytes = bytes};

    if (core_run_feed(c->run, &ev) != OK) {
        return; /* It has halted, which client_wait() tells. */
    }
}

struct mover_stream **client_streams(struct client *c)
{
    return c->by_column;
}

int client_manifest(struct client *c, const struct manifest *m)
{
    if (c->manifest == NULL) {
        c->manifest = malloc(sizeof(*c->manifest));
    }
    if (c->manifest == NULL) {
        return ERR_NOMEM;
    }
    *c->manifest = *m;
    return OK;
}

/* --- Tables -------------------------------------------------------------- */

static void step_finder(void *mover,
                        const struct mover_event *ev,
                        struct mover_out *out)
{
    finder_step(mover, ev, out);
}

int client_read(struct client *c,
                uint16_t column,
                uint64_t first,
                uint64_t leaves,
                uint8_t *mem)
{
    struct finder f;
    struct finder_config fc = {.streams = stream_bit(column),
                               .first = column,
                               .off = first * LEAF_SIZE,
                               .len = leaves * LEAF_SIZE};
    struct mover_run_config config = {.step = step_finder,
                                      .mover = &f,
                                      .streams = c->by_column,
                                      .streams_len = c->config.n,
                                      .buffer_size = LEAF_SIZE,
                                      .buffers_len = 1};
    int rv = ERR_NOMEM;

    for (uint16_t i = 0; i < c->config.n; i++) {
        fc.streams |= c->streams[i].link != NULL ? stream_bit(i) : 0;
    }
    /* Only what is asked for is ever touched. */
    fc.mem = malloc(stream_bits_len(fc.streams) * fc.len);
    if (fc.mem != NULL) {
        finder_init(&f, &fc);
        rv = job_run(c->config.job, &config, NULL);
    }
    if (rv == OK) {
        memcpy(mem, finder_found(&f), fc.len);
    }
    free(fc.mem);
    return rv;
}

/* --- The end ------------------------------------------------------------- */

static void on_core_closed(void *arg)
{
    struct client *c = arg;

    c->core_closed = true;
}

static void on_host_closed(void *arg)
{
    struct client *c = arg;

    c->host_closed = true;
}

void client_close(struct client *c)
{
    if (c == NULL) {
        return;
    }
    c->closing = true;
    uv_close((uv_handle_t *)&c->tick, NULL);
    if (c->run != NULL) {
        core_run_close(c->run, on_core_closed, c);
    }
    if (c->host != NULL) {
        link_host_close(c->host, on_host_closed, c);
    }
    while ((c->run != NULL && !c->core_closed) ||
           (c->host != NULL && !c->host_closed)) {
        uv_run(&c->config.job->loop, UV_RUN_ONCE);
    }
    /* The timer's own end. */
    uv_run(&c->config.job->loop, UV_RUN_NOWAIT);
    client_streams_free(c);
    free(c->manifest);
    free(c->message);
    free(c->job_bytes);
    secret_free(c);
}
