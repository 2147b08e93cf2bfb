#include "node/custody/custody_socket.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

int custody_socket_check(const char *path, char *errmsg)
{
    const size_t max = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;

    if (strlen(path) <= max) {
        return OK;
    }
    if (errmsg != NULL) {
        errmsg_set(errmsg,
                   "'%s' is longer than the %zu bytes that the path of a "
                   "socket may have; choose a shorter one",
                   path, max);
    }
    return ERR_FULL;
}

void custody_ignore_sigpipe(void)
{
    struct sigaction sa;

    if (sigaction(SIGPIPE, NULL, &sa) == 0 && sa.sa_handler == SIG_DFL) {
        sa.sa_handler = SIG_IGN;
        (void)sigaction(SIGPIPE, &sa, NULL);
    }
}

/* Does somebody accept connections there? ERR_BUSY. OK when it is the name
 * that a process left when it died. */
static int socket_probe(const char *path, char *errmsg)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int error;

    if (fd < 0) {
        return file_error(errmsg, "probe", path);
    }
    memcpy(address.sun_path, path, strlen(path));
    error = connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0
                ? 0
                : errno;
    close(fd);
    if (error == ECONNREFUSED) {
        return OK;
    }
    if (error == 0 || error == EAGAIN) {
        errmsg_set(errmsg,
                   "another process serves at '%s'; stop it, or choose another "
                   "--socket",
                   path);
        return ERR_BUSY;
    }
    errno = error;
    (void)file_error(errmsg, "probe", path);
    return ERR_IO;
}

int custody_socket_clear(const char *path, char *errmsg)
{
    struct stat st;
    int rv;

    if (lstat(path, &st) != 0) {
        return errno == ENOENT ? OK : file_error(errmsg, "look at", path);
    }
    if (!S_ISSOCK(st.st_mode)) {
        errmsg_set(errmsg,
                   "'%s' is there and is no socket; move it away, or choose "
                   "another --socket",
                   path);
        return ERR_EXISTS;
    }
    rv = socket_probe(path, errmsg);
    if (rv == OK && unlink(path) != 0 && errno != ENOENT) {
        rv = file_error(errmsg, "remove the dead socket", path);
    }
    return rv;
}
