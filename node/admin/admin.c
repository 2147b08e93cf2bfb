#include "node/admin/admin.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "node/admin/admin_state.h"

#define BACKLOG         64
#define SOCKET_PATH_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

/* --- The loop ------------------------------------------------------------ */

static void on_timer(uv_timer_t *timer);

/* When libmicrohttpd or a deadline wants to be looked at. */
static void timer_set(struct admin *a)
{
    uint64_t now = uv_now(a->config.loop);
    uint64_t next = admin_http_sweep(a);
    MHD_UNSIGNED_LONG_LONG wait_ms = 0;

    if (MHD_get_timeout(a->http, &wait_ms) == MHD_YES && now + wait_ms < next) {
        next = now + wait_ms;
    }
    if (a->due) {
        next = now;
    }
    if (next == UINT64_MAX) {
        (void)uv_timer_stop(&a->timer);
    } else {
        (void)uv_timer_start(&a->timer, on_timer, next > now ? next - now : 0,
                             0);
    }
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct admin *a = handle->data;

    a->handles--;
    admin_close_if_done(a);
}

static void http_close(struct admin *a)
{
    uv_close((uv_handle_t *)&a->timer, on_handle_closed);
    (void)uv_poll_stop(&a->poll);
    uv_close((uv_handle_t *)&a->poll, on_handle_closed);
    /* What can be said at once is; small answers fit the socket's buffer. */
    admin_http_abandon(a);
    (void)MHD_run(a->http);
    (void)MHD_run(a->http);
    MHD_stop_daemon(a->http);
    a->http = NULL;
}

static void http_run(struct admin *a)
{
    if (a->http == NULL) {
        return;
    }
    a->due = false;
    a->running = true;
    (void)MHD_run(a->http);
    a->running = false;
    if (a->closing) {
        http_close(a);
    } else {
        timer_set(a);
    }
}

static void on_timer(uv_timer_t *timer)
{
    http_run(timer->data);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    http_run(poll->data);
}

void admin_wake(struct admin *a)
{
    a->due = true; /* This may be inside MHD_run(). */
    if (!a->closing) {
        (void)uv_timer_start(&a->timer, on_timer, 0, 0);
    }
}

/* --- The socket ---------------------------------------------------------- */

/* Remove what an earlier process left. */
static int stale_remove(const char *path, char *errmsg)
{
    struct stat st;

    if (lstat(path, &st) != 0) {
        return errno == ENOENT ? OK : file_error(errmsg, "look at", path);
    }
    if (!S_ISSOCK(st.st_mode)) {
        errmsg_set(errmsg,
                   "'%s' is there and no socket; look what it is and move it "
                   "away",
                   path);
        return ERR_EXISTS;
    }
    return unlink(path) == 0 ? OK : file_error(errmsg, "remove", path);
}

/* Only our user may connect: Linux gives the name of a socket the mode that the
 * socket had before, so that there is no moment in between. */
static int listen_at(int fd, const char *path, char *errmsg)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    assert(strlen(path) <= SOCKET_PATH_MAX);
    memcpy(address.sun_path, path, strlen(path));
    if (fchmod(fd, S_IRUSR | S_IWUSR) != 0 ||
        bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(fd, BACKLOG) != 0) {
        return file_error(errmsg, "listen at", path);
    }
    return OK;
}

static int socket_open(struct admin *a, char *errmsg)
{
    int rv;

    if (strlen(a->path) > SOCKET_PATH_MAX) {
        errmsg_set(errmsg,
                   "'%s' is too long for a socket, which has at most %zu "
                   "bytes; use a home with a shorter path",
                   a->path, SOCKET_PATH_MAX);
        return ERR_FULL;
    }
    rv = stale_remove(a->path, errmsg);
    if (rv != OK) {
        return rv;
    }
    a->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (a->fd < 0) {
        return file_error(errmsg, "make the socket", a->path);
    }
    rv = listen_at(a->fd, a->path, errmsg);
    if (rv != OK) {
        close(a->fd);
        a->fd = -1;
    }
    return rv;
}

/* --- Begin and end ------------------------------------------------------- */

static void admin_free(struct admin *a)
{
    admin_receipts_free(a->receipts);
    admin_index_free(a->index);
    free(a->path);
    free(a);
}

static int loop_open(struct admin *a)
{
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(a->http, MHD_DAEMON_INFO_EPOLL_FD);

    if (info == NULL ||
        uv_poll_init(a->config.loop, &a->poll, info->epoll_fd) != 0) {
        return ERR_IO;
    }
    (void)uv_timer_init(a->config.loop, &a->timer);
    a->poll.data = a;
    a->timer.data = a;
    a->handles = 2;
    (void)uv_poll_start(&a->poll, UV_READABLE, on_poll);
    return OK;
}

int admin_open(struct admin **out,
               const struct admin_config *config,
               char *errmsg)
{
    struct admin *a = calloc(1, sizeof(*a));
    int rv;

    if (a == NULL) {
        return errmsg_memory(errmsg);
    }
    a->config = *config;
    a->fd = -1;
    a->waiting_end = &a->waiting;
    a->path = strdup(config->path);
    rv = a->path == NULL ? ERR_NOMEM
                         : admin_index_new(&a->index, config->store,
                                           config->charter, &config->net);
    if (rv == OK) {
        rv = admin_receipts_new(&a->receipts, config->store, &config->self);
    }
    if (rv != OK) {
        errmsg_set(errmsg, "out of memory");
        admin_free(a);
        return rv;
    }
    rv = socket_open(a, errmsg);
    if (rv != OK) {
        admin_free(a);
        return rv;
    }
    rv = admin_http_start(a);
    if (rv == OK) {
        rv = loop_open(a);
    }
    if (rv != OK) {
        errmsg_set(errmsg,
                   "the admin API at '%s' does not start; check "
                   "'ulimit -n'",
                   a->path);
        (void)unlink(a->path);
        if (a->http != NULL) {
            MHD_stop_daemon(a->http); /* Closes the socket. */
        } else {
            close(a->fd);
        }
        admin_free(a);
        return rv;
    }
    *out = a;
    return OK;
}

void admin_close_if_done(struct admin *a)
{
    if (a->closing && a->handles == 0 && a->jobs == 0) {
        void (*closed)(void *arg) = a->closed;
        void *arg = a->closed_arg;

        admin_free(a);
        closed(arg);
    }
}

void admin_close(struct admin *a, void (*closed)(void *arg), void *arg)
{
    assert(!a->closing);
    a->closing = true;
    a->closed = closed;
    a->closed_arg = arg;
    (void)unlink(a->path);
    if (!a->running) {
        http_close(a);
    }
}
