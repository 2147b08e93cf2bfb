#include <stdlib.h>

#include "node/daemon/daemon_state.h"
#include "replication/keys.h"

int daemon_feed(struct daemon *d,
                enum core_event_type type,
                uint64_t id,
                int status,
                struct slice bytes)
{
    const struct core_event ev = {
        .type = type, .id = id, .status = status, .bytes = bytes};

    return d->run != NULL ? core_run_feed(d->run, &ev) : ERR_ORDER;
}

/* --- Actions ------------------------------------------------------------- */

static void act_send(void *arg, uint64_t id, struct slice bytes)
{
    struct link *l = daemon_link_of(arg, id);

    /* One that has no room closes itself, and what was lost comes again. */
    if (l != NULL && link_send_message(l, bytes) != OK) {
        const struct daemon *d = arg;

        log_put(&d->log, LOG_DEBUG, "link %llu takes no message",
                (unsigned long long)id);
    }
}

static void act_dial(void *arg, uint64_t id, struct slice bytes)
{
    (void)id;
    daemon_dial_soon(arg, bytes);
}

static void act_close(void *arg, uint64_t id, struct slice bytes)
{
    struct link *l = daemon_link_of(arg, id);

    (void)bytes;
    if (l != NULL) {
        link_close(l, FRAME_REASON_DONE);
    }
}

static void act_job(void *arg, uint64_t id, struct slice bytes)
{
    struct daemon *d = arg;

    if (!d->stopping) {
        shard_jobs_start(d->jobs, id, bytes);
    }
}

static void act_job_cancel(void *arg, uint64_t id, struct slice bytes)
{
    struct daemon *d = arg;

    (void)bytes;
    if (!d->stopping) {
        shard_jobs_cancel(d->jobs, id);
    }
}

static void act_reply(void *arg, uint64_t id, struct slice bytes)
{
    struct daemon *d = arg;

    if (d->admin != NULL) {
        admin_reply(d->admin, id, bytes);
    }
}

/* --- Signatures, on workers ---------------------------------------------- */

struct check {
    struct work work;
    struct daemon *daemon;
    uint64_t id;
    size_t size;
    uint8_t bytes[];
};

static int check_run(void *arg)
{
    const struct check *check = arg;

    return steward_check(check->daemon->charter,
                         slice_of(check->bytes, check->size));
}

static void check_done(struct work *w, int status)
{
    struct check *check = w->arg;
    struct daemon *d = check->daemon;
    int rv = daemon_feed(d, EV_CHECKED, check->id, status, slice_of(NULL, 0));

    assert(rv == OK || rv == ERR_ORDER);
    (void)rv;
    free(check);
    d->checks--;
    daemon_stop_next(d);
}

static void act_check(void *arg, uint64_t id, struct slice bytes)
{
    struct daemon *d = arg;
    struct check *check;

    if (d->stopping) {
        return;
    }
    check = malloc(sizeof(*check) + bytes.size);
    if (check == NULL) {
        abort(); /* The machine counts on an answer. */
    }
    check->work =
        (struct work){.run = check_run, .done = check_done, .arg = check};
    check->daemon = d;
    check->id = id;
    check->size = bytes.size;
    if (bytes.size > 0) {
        memcpy(check->bytes, bytes.data, bytes.size);
    }
    d->checks++;
    workers_submit(d->workers, &check->work);
}

/* --- The machine --------------------------------------------------------- */

/* Tell of members whose feeds have become full. */
static void feeds_tell(struct daemon *d)
{
    uint64_t full = steward_feeds_full(d->steward);

    for (uint32_t i = 0; i < d->charter->members_len; i++) {
        if (((full & ~d->feeds_full) >> i & 1) != 0) {
            log_put(&d->log, LOG_WARNING,
                    "the feed of %s is over quota: nothing more of it is taken",
                    d->charter->members[i].card.name);
        }
    }
    d->feeds_full = full;
}

static void on_step(void *machine,
                    const struct core_event *ev,
                    struct core_out *out)
{
    struct daemon *d = machine;

    steward_step(d->steward, ev, out);
    feeds_tell(d);
}

static void on_started(void *arg)
{
    struct daemon *d = arg;
    struct steward_counts counts;
    int rv;

    steward_count(d->steward, &counts);
    log_put(&d->log, LOG_INFO, "%llu feeds, %llu shards held, %llu coming in",
            (unsigned long long)counts.feeds,
            (unsigned long long)counts.shards_held,
            (unsigned long long)counts.shards_filling);
    rv = d->stopping ? OK : daemon_custody_start(d);
    if (rv == OK && !d->stopping) {
        rv = daemon_admin_start(d);
    }
    if (rv == OK && !d->stopping) {
        rv = daemon_host_start(d);
    }
    if (rv != OK) {
        daemon_stop(d, rv, d->errmsg);
    }
}

static void on_pause(void *arg, int why)
{
    struct daemon *d = arg;

    if (why == ERR_FULL) {
        log_put(&d->log, LOG_ERROR, "%s", store_error(d->store));
    } else if (why == OK && d->core_trouble != OK) {
        log_put(&d->log, LOG_DEBUG, "the database keeps up again");
    }
    daemon_pause_core(d, why);
}

static void on_halt(void *arg, const char *text)
{
    daemon_stop(arg, ERR_IO, text);
}

int daemon_core_start(struct daemon *d)
{
    static const uint8_t kinds[] = {KEY_TIP,          KEY_SHARD,   KEY_MANIFEST,
                                    KEY_ACKNOWLEDGED, KEY_RELEASE, KEY_WAITING};
    const struct slice starts[] = {
        slice_of(&kinds[0], 1), slice_of(&kinds[1], 1), slice_of(&kinds[2], 1),
        slice_of(&kinds[3], 1), slice_of(&kinds[4], 1), slice_of(&kinds[5], 1)};
    const struct core_run_config config = {
        .loop = &d->loop,
        .store = d->store,
        .step = on_step,
        .machine = d,
        .starts = starts,
        .starts_len = sizeof(starts) / sizeof(starts[0]),
        .send = act_send,
        .dial = act_dial,
        .close = act_close,
        .check = act_check,
        .job = act_job,
        .job_cancel = act_job_cancel,
        .custody = daemon_custody_ask,
        .reply = act_reply,
        .on_started = on_started,
        .on_pause = on_pause,
        .on_halt = on_halt,
        .arg = d,
    };

    return core_run_start(&d->run, &config);
}
