#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* For LD_PRELOAD: what a process does to files, into the file CAIRN_DISK_LOG,
 * from which disk.py makes the disk that a power cut would leave. */

#define PATH_SIZE 4096

enum record_type {
    RECORD_CREATE = 1, /* inode, path */
    RECORD_FOLDER,     /* inode, path */
    RECORD_WRITE,      /* inode, offset, bytes */
    RECORD_CUT,        /* inode, new size */
    RECORD_RENAME,     /* path, new path */
    RECORD_LINK,       /* path, new path */
    RECORD_REMOVE,     /* path */
    RECORD_SYNC        /* inode */
};

struct record {
    uint32_t type, path_size, other_size, size;
    uint64_t inode, at;
};

/* Held while something is done and recorded: the records are in the order of
 * the deeds. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = -1;

__attribute__((constructor)) static void start(void)
{
    const char *path = getenv("CAIRN_DISK_LOG");

    if (path != NULL) {
        int fd = (int)syscall(SYS_openat, AT_FDCWD, path,
                              O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

        log_fd = fcntl(fd, F_DUPFD_CLOEXEC, 900);
        (void)syscall(SYS_close, fd);
        if (log_fd < 0) {
            abort();
        }
    }
}

static void record(enum record_type type,
                   uint64_t inode,
                   uint64_t at,
                   const char *path,
                   const char *other,
                   const void *bytes,
                   size_t size)
{
    struct record r = {.type = type,
                       .path_size = (uint32_t)strlen(path),
                       .other_size = (uint32_t)strlen(other),
                       .size = (uint32_t)size,
                       .inode = inode,
                       .at = at};
    struct iovec parts[] = {{&r, sizeof(r)},
                            {(void *)(uintptr_t)path, r.path_size},
                            {(void *)(uintptr_t)other, r.other_size},
                            {(void *)(uintptr_t)bytes, size}};
    size_t all = sizeof(r) + r.path_size + r.other_size + size;
    int error = errno;

    if (log_fd >= 0 && syscall(SYS_writev, log_fd, parts, 4) != (ssize_t)all) {
        abort();
    }
    errno = error;
}

static void absolute(char out[PATH_SIZE], int at, const char *path)
{
    char link[64];
    ssize_t size = 0;

    if (path[0] != '/') {
        (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", at);
        size = readlink(at == AT_FDCWD ? "/proc/self/cwd" : link, out,
                        PATH_SIZE - 1);
        size = size < 0 ? 0 : size;
    }
    (void)snprintf(out + size, PATH_SIZE - (size_t)size, "%s%s",
                   size > 0 ? "/" : "", path);
}

/* Is it a file or folder; of which number? */
static bool inode_of(int fd, uint64_t *inode)
{
    int error = errno;
    struct stat st;
    bool ok = fstat(fd, &st) == 0 && fd != log_fd &&
              (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode));

    *inode = st.st_ino;
    errno = error;
    return ok;
}

static int done_open(int at, const char *path, int flags, mode_t mode)
{
    char full[PATH_SIZE];
    struct stat st;
    uint64_t inode;
    bool there;
    int fd;

    if ((flags & (O_CREAT | O_TRUNC)) == 0) {
        return (int)syscall(SYS_openat, at, path, flags, mode);
    }
    pthread_mutex_lock(&mutex);
    there = fstatat(at, path, &st, 0) == 0;
    fd = (int)syscall(SYS_openat, at, path, flags, mode);
    if (fd >= 0 && inode_of(fd, &inode)) {
        if (!there) {
            absolute(full, at, path);
            record(RECORD_CREATE, inode, 0, full, "", "", 0);
        } else if ((flags & O_TRUNC) != 0) {
            record(RECORD_CUT, inode, 0, "", "", "", 0);
        }
    }
    pthread_mutex_unlock(&mutex);
    return fd;
}

#define OPEN(name)                                                \
    int name(const char *path, int flags, ...);                   \
    int name(const char *path, int flags, ...)                    \
    {                                                             \
        va_list list;                                             \
        mode_t mode;                                              \
        va_start(list, flags);                                    \
        mode = (flags & O_CREAT) != 0 ? va_arg(list, mode_t) : 0; \
        va_end(list);                                             \
        return done_open(AT_FDCWD, path, flags, mode);            \
    }
#define OPENAT(name)                                              \
    int name(int at, const char *path, int flags, ...);           \
    int name(int at, const char *path, int flags, ...)            \
    {                                                             \
        va_list list;                                             \
        mode_t mode;                                              \
        va_start(list, flags);                                    \
        mode = (flags & O_CREAT) != 0 ? va_arg(list, mode_t) : 0; \
        va_end(list);                                             \
        return done_open(at, path, flags, mode);                  \
    }

OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

/* Another name at the end of |path|. */
static void temp_name(char *path, size_t behind)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz012345";
    char *at = path + strlen(path) - behind - 6;
    uint8_t chance[6];

    if (getrandom(chance, sizeof(chance), 0) != (ssize_t)sizeof(chance)) {
        abort();
    }
    for (size_t i = 0; i < sizeof(chance); i++) {
        at[i] = letters[chance[i] % 32];
    }
}

int mkostemp(char *path, int flags)
{
    int fd;

    do {
        temp_name(path, 0);
        fd = done_open(AT_FDCWD, path, flags | O_RDWR | O_CREAT | O_EXCL, 0600);
    } while (fd < 0 && errno == EEXIST);
    return fd;
}

static int done_mkdir(int at, const char *path, mode_t mode)
{
    char full[PATH_SIZE];
    struct stat st;
    int rv;

    pthread_mutex_lock(&mutex);
    rv = (int)syscall(SYS_mkdirat, at, path, mode);
    if (rv == 0 && fstatat(at, path, &st, 0) == 0) {
        absolute(full, at, path);
        record(RECORD_FOLDER, st.st_ino, 0, full, "", "", 0);
    }
    pthread_mutex_unlock(&mutex);
    return rv;
}

int mkdir(const char *path, mode_t mode)
{
    return done_mkdir(AT_FDCWD, path, mode);
}

int mkdirat(int at, const char *path, mode_t mode)
{
    return done_mkdir(at, path, mode);
}

char *mkdtemp(char *path)
{
    int rv;

    do {
        temp_name(path, 0);
        rv = done_mkdir(AT_FDCWD, path, 0700);
    } while (rv < 0 && errno == EEXIST);
    return rv == 0 ? path : NULL;
}

/* --- Bytes ---------------------------------------------------------------- */

ssize_t write(int fd, const void *mem, size_t size)
{
    uint64_t inode;
    ssize_t put;

    if (log_fd < 0 || !inode_of(fd, &inode)) {
        return syscall(SYS_write, fd, mem, size);
    }
    pthread_mutex_lock(&mutex);
    put = syscall(SYS_write, fd, mem, size);
    if (put > 0) {
        record(RECORD_WRITE, inode,
               (uint64_t)(syscall(SYS_lseek, fd, 0, SEEK_CUR) - put), "", "",
               mem, (size_t)put);
    }
    pthread_mutex_unlock(&mutex);
    return put;
}

static ssize_t done_pwrite(int fd, const void *mem, size_t size, off_t at)
{
    uint64_t inode;
    ssize_t put;

    pthread_mutex_lock(&mutex);
    put = syscall(SYS_pwrite64, fd, mem, size, at);
    if (put > 0 && inode_of(fd, &inode)) {
        record(RECORD_WRITE, inode, (uint64_t)at, "", "", mem, (size_t)put);
    }
    pthread_mutex_unlock(&mutex);
    return put;
}

ssize_t pwrite(int fd, const void *mem, size_t size, off_t at)
{
    return done_pwrite(fd, mem, size, at);
}

ssize_t pwrite64(int fd, const void *mem, size_t size, off_t at)
{
    return done_pwrite(fd, mem, size, at);
}

static int done_cut(int fd, off_t size)
{
    uint64_t inode;
    int rv;

    pthread_mutex_lock(&mutex);
    rv = (int)syscall(SYS_ftruncate, fd, size);
    if (rv == 0 && inode_of(fd, &inode)) {
        record(RECORD_CUT, inode, (uint64_t)size, "", "", "", 0);
    }
    pthread_mutex_unlock(&mutex);
    return rv;
}

int ftruncate(int fd, off_t size)
{
    return done_cut(fd, size);
}

int ftruncate64(int fd, off_t size)
{
    return done_cut(fd, size);
}

/* --- Syncs ---------------------------------------------------------------- */

/* Nobody cuts the power of this machine: the sync is recorded, not done. */
static int done_sync(int fd)
{
    uint64_t inode = 0;

    if (!inode_of(fd, &inode)) {
        return (int)syscall(SYS_fsync, fd);
    }
    pthread_mutex_lock(&mutex);
    record(RECORD_SYNC, inode, 0, "", "", "", 0);
    pthread_mutex_unlock(&mutex);
    return 0;
}

int fsync(int fd)
{
    return done_sync(fd);
}

int fdatasync(int fd)
{
    return done_sync(fd);
}

/* --- Names ---------------------------------------------------------------- */

static int done_name(enum record_type type,
                     long call,
                     int at,
                     const char *path,
                     int other_at,
                     const char *other,
                     unsigned flags)
{
    char full[PATH_SIZE];
    char full_other[PATH_SIZE] = "";
    int rv;

    pthread_mutex_lock(&mutex);
    rv = (int)(call == SYS_unlinkat
                   ? syscall(call, at, path, flags)
                   : syscall(call, at, path, other_at, other, flags));
    if (rv == 0) {
        absolute(full, at, path);
        if (call != SYS_unlinkat) {
            absolute(full_other, other_at, other);
        }
        record(type, 0, 0, full, full_other, "", 0);
    }
    pthread_mutex_unlock(&mutex);
    return rv;
}

int rename(const char *path, const char *other)
{
    return done_name(RECORD_RENAME, SYS_renameat2, AT_FDCWD, path, AT_FDCWD,
                     other, 0);
}

int renameat(int at, const char *path, int other_at, const char *other)
{
    return done_name(RECORD_RENAME, SYS_renameat2, at, path, other_at, other,
                     0);
}

int renameat2(int at,
              const char *path,
              int other_at,
              const char *other,
              unsigned flags)
{
    return done_name(RECORD_RENAME, SYS_renameat2, at, path, other_at, other,
                     flags);
}

int link(const char *path, const char *other)
{
    return done_name(RECORD_LINK, SYS_linkat, AT_FDCWD, path, AT_FDCWD, other,
                     0);
}

int unlink(const char *path)
{
    return done_name(RECORD_REMOVE, SYS_unlinkat, AT_FDCWD, path, 0, NULL, 0);
}

int unlinkat(int at, const char *path, int flags)
{
    return done_name(RECORD_REMOVE, SYS_unlinkat, at, path, 0, NULL,
                     (unsigned)flags);
}

int rmdir(const char *path)
{
    return done_name(RECORD_REMOVE, SYS_unlinkat, AT_FDCWD, path, 0, NULL,
                     AT_REMOVEDIR);
}
