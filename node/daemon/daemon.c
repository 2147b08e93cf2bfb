#include "node/daemon/daemon.h"

#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "crypto/secret.h"
#include "node/cli/cli.h"
#include "node/daemon/daemon_state.h"
#include "node/mover/job.h"

#define CERT_RENEW_MS 86400000U
/* A clock may be wrong by so much before a node refuses to run by it. */
#define CLOCK_LEEWAY_S 86400U

uint64_t daemon_now_s(void)
{
    time_t now = time(NULL);

    return now > 0 ? (uint64_t)now : 0;
}

/* --- The end ------------------------------------------------------------- */

static void on_admin_closed(void *arg)
{
    struct daemon *d = arg;

    d->admin = NULL;
    d->waiting = false;
    daemon_stop_next(d);
}

static void on_custody_closed(void *arg)
{
    struct daemon *d = arg;

    d->custody.link = NULL;
    d->waiting = false;
    daemon_stop_next(d);
}

static void on_host_closed(void *arg)
{
    struct daemon *d = arg;

    d->host = NULL;
    d->waiting = false;
    daemon_stop_next(d);
}

static void on_jobs_closed(void *arg)
{
    struct daemon *d = arg;

    d->jobs = NULL;
    d->waiting = false;
    daemon_stop_next(d);
}

static void on_run_closed(void *arg)
{
    struct daemon *d = arg;

    d->run = NULL;
    d->waiting = false;
    daemon_stop_next(d);
}

static void on_workers_closed(void *arg)
{
    struct daemon *d = arg;

    d->workers = NULL;
    d->waiting = false;
    daemon_stop_next(d);
}

static void handles_close(struct daemon *d)
{
    if (d->handles) {
        d->handles = false;
        uv_close((uv_handle_t *)&d->dial_timer, NULL);
        uv_close((uv_handle_t *)&d->cert_timer, NULL);
        uv_close((uv_handle_t *)&d->on_int, NULL);
        uv_close((uv_handle_t *)&d->on_term, NULL);
    }
}

/* One part after the other: admin and links first, so that nothing new comes;
 * the machine when all that it began has answered. */
void daemon_stop_next(struct daemon *d)
{
    if (!d->stopping || d->waiting) {
        return;
    }
    d->waiting = true;
    if (d->admin != NULL) {
        admin_close(d->admin, on_admin_closed, d);
    } else if (d->host != NULL) {
        link_host_close(d->host, on_host_closed, d);
    } else if (d->jobs != NULL) {
        shard_jobs_close(d->jobs, on_jobs_closed, d);
    } else if (d->custody.link != NULL) {
        custody_link_close(d->custody.link, on_custody_closed, d);
    } else if (d->checks > 0) {
        d->waiting = false; /* check_done() comes back. */
    } else if (d->run != NULL) {
        core_run_close(d->run, on_run_closed, d);
    } else if (d->workers != NULL) {
        workers_close(d->workers, on_workers_closed, d);
    } else {
        handles_close(d);
    }
}

void daemon_stop(struct daemon *d, int status, const char *errmsg)
{
    if (d->status == OK && status != OK) {
        d->status = status;
        if (errmsg != d->errmsg) {
            (void)snprintf(d->errmsg, sizeof(d->errmsg), "%s", errmsg);
        }
        log_put(&d->log, LOG_ERROR, "%s", d->errmsg);
    }
    if (!d->stopping) {
        d->stopping = true;
        log_put(&d->log, LOG_INFO, "stopping");
        daemon_notify("STOPPING=1");
        daemon_stop_next(d);
    }
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct daemon *d = handle->data;

    if (d->stopping) {
        /* What is acknowledged is durable: a process may always die. */
        _exit(EXIT_CODE_INTERRUPTED);
    }
    log_put(&d->log, LOG_INFO, "%s",
            number == SIGTERM ? "asked to end (SIGTERM)"
                              : "asked to end (SIGINT)");
    daemon_stop(d, OK, "");
}

/* --- The beginning ------------------------------------------------------- */

static void on_cert_timer(uv_timer_t *timer)
{
    struct daemon *d = timer->data;
    uint8_t cert[TRANSPORT_CERT_MAX];
    size_t size = 0;

    if (d->host != NULL && !d->stopping) {
        if (daemon_cert(d, cert, &size) == OK) {
            link_host_set_identity(d->host, &d->config->self->keys->transport,
                                   slice_of(cert, size));
        } else {
            log_put(&d->log, LOG_ERROR,
                    "the transport certificate cannot be renewed");
        }
    }
}

static void handles_open(struct daemon *d)
{
    (void)uv_timer_init(&d->loop, &d->dial_timer);
    (void)uv_timer_init(&d->loop, &d->cert_timer);
    (void)uv_signal_init(&d->loop, &d->on_int);
    (void)uv_signal_init(&d->loop, &d->on_term);
    d->dial_timer.data = d;
    d->cert_timer.data = d;
    d->on_int.data = d;
    d->on_term.data = d;
    (void)uv_signal_start(&d->on_int, on_signal, SIGINT);
    (void)uv_signal_start(&d->on_term, on_signal, SIGTERM);
    (void)uv_timer_start(&d->cert_timer, on_cert_timer, CERT_RENEW_MS,
                         CERT_RENEW_MS);
    d->handles = true;
}

static int clock_check(struct daemon *d)
{
    uint64_t founded_s = d->charter->time_s;

    if (daemon_now_s() + CLOCK_LEEWAY_S >= founded_s) {
        return OK;
    }
    errmsg_set(d->errmsg,
               "the clock of this machine stands before the charter was made; "
               "set it right");
    return ERR_ORDER;
}

/* What is on the disk: the right volume, the right database, and both ours. */
static int storage_open(struct daemon *d)
{
    const struct self *self = d->config->self;
    const struct config *c = &self->config;
    char *database = self_path(self->home, SELF_DATABASE);
    int rv =
        volume_open(&d->volume, c->data, c->volume_id, c->reserve, d->errmsg);

    if (rv == OK) {
        rv =
            store_open(&d->store, &d->loop, database, STORE_RESERVE, d->errmsg);
        if (rv != OK) {
            volume_close(&d->volume);
        }
    }
    free(database);
    return rv;
}

static int machine_new(struct daemon *d)
{
    const struct self *self = d->config->self;
    struct steward_config *config = secret_new(sizeof(*config));
    int rv = ERR_NOMEM;

    if (config != NULL) {
        config->charter = d->charter;
        config->net = self->net;
        config->self = self->id;
        config->node = self->keys->node;
        config->incarnation = self->keys->incarnation;
        config->capacity = self->config.capacity;
        config->lab_quota = self->config.lab_quota;
        config->feed_quota = self->config.feed_quota;
        config->rng = &d->rng;
        rv = steward_new(&d->steward, config);
    }
    secret_free(config);
    if (rv != OK) {
        errmsg_set(d->errmsg, "no memory for the node; keys need 'ulimit -l'");
    }
    return rv;
}

static void on_report(void *arg, uint64_t job, int status, struct slice bytes)
{
    struct daemon *d = arg;
    int rv = daemon_feed(d, EV_JOB, job, status, bytes);

    assert(rv == OK || rv == ERR_ORDER); /* Jobs are never refused. */
    (void)rv;
}

static void on_note(void *arg, const char *text)
{
    const struct daemon *d = arg;

    log_put(&d->log, LOG_ERROR, "%s", text);
}

static int parts_new(struct daemon *d)
{
    const struct shard_jobs_config jobs = {
        .loop = &d->loop,
        .volume = &d->volume,
        .charter =
            slice_of(d->config->self->chain, d->config->self->chain_size),
        .link_of = daemon_link_of,
        .on_report = on_report,
        .on_pause = daemon_pause_jobs,
        .on_note = on_note,
        .arg = d};
    int rv = machine_new(d);

    if (rv == OK) {
        rv = workers_new(&d->workers, &d->loop, processors_count());
        if (rv == OK) {
            rv = shard_jobs_new(&d->jobs, &jobs);
        }
        if (rv == OK) {
            rv = daemon_core_start(d);
        }
        if (rv != OK) {
            errmsg_set(d->errmsg, "out of memory");
        }
    }
    return rv;
}

/* Run the loop with a database that is open. */
static void daemon_loop(struct daemon *d)
{
    int rv;

    d->begun_ms = uv_now(&d->loop);
    d->begun_s = daemon_now_s();
    handles_open(d);
    rv = parts_new(d);
    if (rv != OK) {
        daemon_stop(d, rv, d->errmsg);
    }
    (void)uv_run(&d->loop, UV_RUN_DEFAULT);
    assert(d->host == NULL && d->run == NULL && d->links == NULL);
    steward_free(d->steward);
}

static struct daemon *daemon_new(const struct daemon_config *config)
{
    struct daemon *d = calloc(1, sizeof(*d));
    const struct charter *charter = config->self->charter;

    if (d == NULL) {
        return NULL;
    }
    d->config = config;
    d->charter = charter;
    d->log = (struct log){.format = config->log_format,
                          .from = config->verbose ? LOG_DEBUG : LOG_INFO};
    rng_init_system(&d->rng);
    while (
        !digest_equal(&charter->members[d->self].card.id, &config->self->id)) {
        d->self++;
        assert(d->self < charter->members_len);
    }
    return d;
}

int daemon_run(const struct daemon_config *config, char *errmsg)
{
    struct daemon *d = daemon_new(config);
    int rv;

    if (d == NULL) {
        return errmsg_memory(errmsg);
    }
    rv = clock_check(d);
    if (rv == OK && uv_loop_init(&d->loop) != 0) {
        errmsg_set(d->errmsg, "no event loop; check 'ulimit -n'");
        rv = ERR_IO;
    } else if (rv == OK) {
        rv = storage_open(d);
        if (rv == OK) {
            daemon_loop(d);
            rv = d->status;
            store_close(d->store);
            volume_close(&d->volume);
        }
        if (uv_loop_close(&d->loop) != 0) {
            abort(); /* A handle that nobody closed. */
        }
    }
    if (rv != OK) {
        (void)snprintf(errmsg, ERRMSG_SIZE, "%s", d->errmsg);
    }
    free(d->chain);
    free(d);
    return rv;
}
