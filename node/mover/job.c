#include "node/mover/job.h"

#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

unsigned processors_count(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set) != 0) {
        return 1;
    }
    return (unsigned)CPU_COUNT(&set);
}

static void job_on_signal(uv_signal_t *signal, int number)
{
    struct job *j = signal->data;

    if (j->interrupted) {
        _Exit(128 + number);
    }
    j->interrupted = true;
    if (j->run != NULL) {
        mover_run_cancel(j->run);
    }
}

static void job_watch(struct job *j, uv_signal_t *handle)
{
    uv_signal_init(&j->loop, handle);
    handle->data = j;
    uv_unref((uv_handle_t *)handle);
}

/* While nobody looks at the loop, a signal ends the program at once: nothing
 * that it does minds being killed. */
static void signal_die(int number)
{
    static const char said[] = "\ninterrupted; run the same command to go on\n";

    if (write(STDERR_FILENO, said, sizeof(said) - 1) < 0) {
        /* Then it is not said. */
    }
    _exit(128 + number);
}

static void signals_set(void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler};

    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

static void job_listen(struct job *j, bool listen)
{
    if (listen) {
        uv_signal_start(&j->on_int, job_on_signal, SIGINT);
        uv_signal_start(&j->on_term, job_on_signal, SIGTERM);
    } else {
        uv_signal_stop(&j->on_int);
        uv_signal_stop(&j->on_term);
        signals_set(signal_die);
    }
}

int job_open(struct job *j, unsigned threads, char *errmsg)
{
    int rv;

    memset(j, 0, sizeof(*j));
    j->threads = threads > 0 ? threads : processors_count();
    rv = uv_loop_init(&j->loop);
    if (rv != 0) {
        errmsg_set(errmsg, "start event loop: %s", uv_strerror(rv));
        return ERR_IO;
    }
    rv = workers_new(&j->workers, &j->loop, j->threads);
    if (rv != OK) {
        errmsg_set(errmsg, "start %u threads: not possible now", j->threads);
        uv_loop_close(&j->loop);
        return rv;
    }
    job_watch(j, &j->on_int);
    job_watch(j, &j->on_term);
    signals_set(signal_die);
    return OK;
}

bool job_is_interrupted(struct job *j)
{
    job_listen(j, true);
    /* A loop without a referenced handle would not look at its signals. */
    uv_ref((uv_handle_t *)&j->on_int);
    uv_run(&j->loop, UV_RUN_NOWAIT);
    uv_unref((uv_handle_t *)&j->on_int);
    return j->interrupted;
}

static void job_on_progress(void *arg, uint64_t done, uint64_t total)
{
    struct job *j = arg;

    (void)total;
    if (j->progress != NULL) {
        progress_update(j->progress, done, NULL);
    }
}

/* Who is slow is worth a word only beside a bar, which shows that. */
static void job_on_slow(void *arg, uint32_t stream, uint64_t waited_ms)
{
    const struct job *j = arg;
    const char *name = j->streams[stream]->name;
    char shard[24];

    if (j->progress == NULL) {
        return;
    }
    (void)snprintf(shard, sizeof(shard), "shard %" PRIu32, stream);
    cli_note(j->progress->cli,
             "%s is slow: after %" PRIu64 ".%" PRIu64 " s others were asked in "
             "its place; it is asked last from now on",
             name != NULL ? name : shard, waited_ms / 1000,
             waited_ms % 1000 / 100);
}

static void job_on_end(void *arg, int status)
{
    struct job *j = arg;

    j->status = status;
    j->run = NULL;
}

int job_run(struct job *j,
            struct mover_run_config *config,
            struct progress *progress)
{
    int rv;

    if (job_is_interrupted(j) || j->canceled) {
        return ERR_CANCELED;
    }
    j->progress = progress;
    j->streams = config->streams;
    j->status = ERR_ORDER;
    config->loop = &j->loop;
    config->workers = j->workers;
    config->on_progress = job_on_progress;
    config->on_slow = job_on_slow;
    config->on_end = job_on_end;
    config->arg = j;
    rv = mover_run_start(&j->run, config);
    if (rv == OK) {
        /* Others may live on this loop, such as links. */
        while (j->run != NULL) {
            uv_run(&j->loop, UV_RUN_ONCE);
        }
        rv = j->status;
    }
    job_listen(j, false);
    return rv;
}

void job_cancel(struct job *j)
{
    if (!j->canceled && j->run != NULL) {
        mover_run_cancel(j->run);
    }
    j->canceled = true;
}

void job_close(struct job *j)
{
    uv_close((uv_handle_t *)&j->on_int, NULL);
    uv_close((uv_handle_t *)&j->on_term, NULL);
    workers_close(j->workers, NULL, NULL);
    uv_run(&j->loop, UV_RUN_DEFAULT);
    uv_loop_close(&j->loop);
    signals_set(SIG_DFL);
}
