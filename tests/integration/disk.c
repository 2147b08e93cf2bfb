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
#include <time.h>
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
    RECORD_SYNC,       /* inode, number: begun */
    RECORD_SYNCED      /* inode, number: done */
};

struct record {
    uint32_t type, path_size, other_size, size;
    uint64_t inode, at;
};

/* Held while something is done and recorded, but for syncs: the records are in
 * the order of the deeds. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = -1;
static uint32_t syncs;

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

static struct iovec part(const void *mem, size_t size)
{
    struct iovec v = {.iov_len = size};

    memcpy(&v.iov_base, &mem, sizeof(mem)); /* It is only read. */
    return v;
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
    struct iovec parts[] = {part(&r, sizeof(r)), part(path, r.path_size),
                            part(other, r.other_size), part(bytes, size)};
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
    int name(const char *file, int oflag, ...);                   \
    int name(const char *file, int oflag, ...)                    \
    {                                                             \
        va_list list;                                             \
        mode_t mode;                                              \
        va_start(list, oflag);                                    \
        mode = (oflag & O_CREAT) != 0 ? va_arg(list, mode_t) : 0; \
        va_end(list);                                             \
        return done_open(AT_FDCWD, file, oflag, mode);            \
    }
#define OPENAT(name)                                              \
    int name(int fd, const char *file, int oflag, ...);           \
    int name(int fd, const char *file, int oflag, ...)            \
    {                                                             \
        va_list list;                                             \
        mode_t mode;                                              \
        va_start(list, oflag);                                    \
        mode = (oflag & O_CREAT) != 0 ? va_arg(list, mode_t) : 0; \
        va_end(list);                                             \
        return done_open(fd, file, oflag, mode);                  \
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

int mkostemp(char *template, int flags)
{
    int fd;

    do {
        temp_name(template, 0);
        fd = done_open(AT_FDCWD, template, flags | O_RDWR | O_CREAT | O_EXCL,
                       0600);
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

int mkdirat(int fd, const char *path, mode_t mode)
{
    return done_mkdir(fd, path, mode);
}

char *mkdtemp(char *template)
{
    int rv;

    do {
        temp_name(template, 0);
        rv = done_mkdir(AT_FDCWD, template, 0700);
    } while (rv < 0 && errno == EEXIST);
    return rv == 0 ? template : NULL;
}

/* --- Bytes ---------------------------------------------------------------- */

ssize_t write(int fd, const void *buf, size_t n)
{
    uint64_t inode;
    ssize_t put;

    if (log_fd < 0 || !inode_of(fd, &inode)) {
        return syscall(SYS_write, fd, buf, n);
    }
    pthread_mutex_lock(&mutex);
    put = syscall(SYS_write, fd, buf, n);
    if (put > 0) {
        record(RECORD_WRITE, inode,
               (uint64_t)(syscall(SYS_lseek, fd, 0, SEEK_CUR) - put), "", "",
               buf, (size_t)put);
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

ssize_t pwrite(int fd, const void *buf, size_t n, off_t offset)
{
    return done_pwrite(fd, buf, n, offset);
}

ssize_t pwrite64(int fd, const void *buf, size_t n, off_t offset)
{
    return done_pwrite(fd, buf, n, offset);
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

int ftruncate(int fd, off_t length)
{
    return done_cut(fd, length);
}

int ftruncate64(int fd, off_t length)
{
    return done_cut(fd, length);
}

/* --- Syncs ---------------------------------------------------------------- */

/* The power of this machine is not cut: a sync is recorded, and not done, but
 * takes its time. */
static int done_sync(int fd)
{
    static const struct timespec time = {.tv_nsec = 2000000};
    uint64_t number = (uint64_t)getpid() << 32;
    uint64_t inode = 0;

    if (!inode_of(fd, &inode)) {
        return (int)syscall(SYS_fsync, fd);
    }
    pthread_mutex_lock(&mutex);
    number += ++syncs;
    record(RECORD_SYNC, inode, number, "", "", "", 0);
    pthread_mutex_unlock(&mutex);
    (void)nanosleep(&time, NULL);
    pthread_mutex_lock(&mutex);
    record(RECORD_SYNCED, inode, number, "", "", "", 0);
    pthread_mutex_unlock(&mutex);
    return 0;
}

int fsync(int fd)
{
    return done_sync(fd);
}

int fdatasync(int fildes)
{
    return done_sync(fildes);
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

int rename(const char *old, const char *new)
{
    return done_name(RECORD_RENAME, SYS_renameat2, AT_FDCWD, old, AT_FDCWD, new,
                     0);
}

int renameat(int oldfd, const char *old, int newfd, const char *new)
{
    return done_name(RECORD_RENAME, SYS_renameat2, oldfd, old, newfd, new, 0);
}

int renameat2(int oldfd,
              const char *old,
              int newfd,
              const char *new,
              unsigned flags)
{
    return done_name(RECORD_RENAME, SYS_renameat2, oldfd, old, newfd, new,
                     flags);
}

int link(const char *from, const char *to)
{
    return done_name(RECORD_LINK, SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int unlink(const char *name)
{
    return done_name(RECORD_REMOVE, SYS_unlinkat, AT_FDCWD, name, 0, NULL, 0);
}

int unlinkat(int fd, const char *name, int flag)
{
    return done_name(RECORD_REMOVE, SYS_unlinkat, fd, name, 0, NULL,
                     (unsigned)flag);
}

int rmdir(const char *path)
{
    return done_name(RECORD_REMOVE, SYS_unlinkat, AT_FDCWD, path, 0, NULL,
                     AT_REMOVEDIR);
}
