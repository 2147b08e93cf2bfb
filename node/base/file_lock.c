#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/base/file.h"

/* The pid that the holder wrote, or 0 when it has not yet. */
static long lock_holder(int fd)
{
    char text[24] = "";
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
    long pid;

    if (n <= 0) {
        return 0;
    }
    pid = strtol(text, NULL, 10);
    return pid > 0 ? pid : 0;
}

static int lock_busy(int fd, const char *path, char *errmsg)
{
    long pid = lock_holder(fd);

    if (pid > 0) {
        errmsg_set(errmsg,
                   "'%s' is held by process %ld, which is still running; wait "
                   "for it or stop it",
                   path, pid);
    } else {
        errmsg_set(errmsg,
                   "'%s' is held by another process; wait for it or stop it",
                   path);
    }
    return ERR_BUSY;
}

/* A holder may remove its lock with the folder around it; a lock on a file
 * that |path| no longer names excludes nobody. */
static bool lock_is_at(int fd, const char *path)
{
    struct stat ours;
    struct stat there;

    return fstat(fd, &ours) == 0 && stat(path, &there) == 0 &&
           ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

/* Best effort: on a full disk the lock holds without naming us. */
static void lock_sign(int fd)
{
    char text[24];
    int size = snprintf(text, sizeof(text), "%ld\n", (long)getpid());

    if (ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)size, 0) != size) {
        (void)ftruncate(fd, 0);
    }
}

/* ERR_ORDER: try again with the file that is there now. */
static int lock_try(int fd, const char *path, char *errmsg)
{
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK) {
            return lock_busy(fd, path, errmsg);
        }
        if (errno == EINTR) {
            return ERR_ORDER;
        }
        (void)file_error(errmsg, "lock", path);
        return ERR_IO;
    }
    return lock_is_at(fd, path) ? OK : ERR_ORDER;
}

int file_lock(const char *path, char *errmsg)
{
    int rv = ERR_ORDER;

    while (rv == ERR_ORDER) {
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY,
                      S_IRUSR | S_IWUSR);

        if (fd < 0) {
            (void)file_error(errmsg, "lock", path);
            return ERR_IO;
        }
        rv = lock_try(fd, path, errmsg);
        if (rv == OK) {
            lock_sign(fd);
            return fd;
        }
        close(fd);
    }
    return rv;
}
