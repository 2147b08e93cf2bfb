#include "node/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/secret.h"

/* The first allocation, for what does not tell its size (a pipe, /proc). */
#define READ_SIZE_MIN 4096U

void errmsg_set(char *errmsg, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(errmsg, ERRMSG_SIZE, format, args);
    va_end(args);
}

int file_error(char *errmsg, const char *what, const char *path)
{
    int error = errno;

    switch (error) {
    case ENOENT:
    case ENOTDIR:
        errmsg_set(errmsg, "%s '%s': there is no such path; check the name",
                   what, path);
        return ERR_NOTFOUND;
    case ENOSPC:
    case EDQUOT:
        errmsg_set(errmsg,
                   "%s '%s': no space left (%s); free some and run the "
                   "command again",
                   what, path, strerror(error));
        return ERR_FULL;
    case EROFS:
        errmsg_set(errmsg,
                   "%s '%s': it is mounted read-only; mount it for writing, or "
                   "use another place",
                   what, path);
        return ERR_IO;
    case EACCES:
    case EPERM:
        errmsg_set(errmsg,
                   "%s '%s': %s; check the owner and the permissions of it and "
                   "of its folder",
                   what, path, strerror(error));
        return ERR_IO;
    case ENAMETOOLONG:
        errmsg_set(errmsg, "%s '%s': %s; choose a shorter one", what, path,
                   strerror(error));
        return ERR_IO;
    default:
        errmsg_set(errmsg,
                   "%s '%s': %s; check the disk and run the command again",
                   what, path, strerror(error));
        return ERR_IO;
    }
}

static int error_too_large(char *errmsg, const char *path, size_t max)
{
    errmsg_set(errmsg,
               "'%s' is larger than the %zu bytes that such a file may have; "
               "check that it is the right one",
               path, max);
    return ERR_FULL;
}

static int error_not_regular(char *errmsg, const char *path)
{
    errmsg_set(errmsg, "'%s' is not a regular file; name one that is", path);
    return ERR_IO;
}

char *path_join(const char *dir, const char *name)
{
    size_t size = strlen(dir) + strlen(name) + 2;
    char *path = malloc(size);

    if (path == NULL) {
        abort();
    }
    (void)snprintf(path, size, "%s/%s", dir, name);
    return path;
}

int file_read_at(int fd, uint64_t off, uint8_t *out, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t got = pread(fd, out + done, size - done, (off_t)(off + done));

        if (got == 0) {
            return ERR_NOTFOUND;
        }
        if (got < 0 && errno != EINTR) {
            return ERR_IO;
        }
        done += got > 0 ? (size_t)got : 0;
    }
    return OK;
}

/* Read until |max| bytes or the end; -1 with errno on failure. */
static ssize_t fd_read(int fd, uint8_t *out, size_t max)
{
    size_t got = 0;

    while (got < max) {
        ssize_t n = read(fd, out + got, max - got);

        if (n == 0) {
            break;
        }
        if (n > 0) {
            got += (size_t)n;
        } else if (errno != EINTR) {
            return -1;
        }
    }
    return (ssize_t)got;
}

/* Read |fd| to its end into memory that grows to at most |max| + 1 bytes, the
 * last of which tells a file that is too large. */
static int read_growing(int fd,
                        const char *path,
                        size_t capacity,
                        size_t max,
                        uint8_t **data,
                        size_t *size,
                        char *errmsg)
{
    uint8_t *buf = NULL;
    size_t got = 0;

    for (;;) {
        uint8_t *larger = realloc(buf, capacity);
        ssize_t n;

        if (larger == NULL) {
            free(buf);
            errmsg_set(errmsg, "read '%s': out of memory", path);
            return ERR_NOMEM;
        }
        buf = larger;
        n = fd_read(fd, buf + got, capacity - got);
        if (n < 0) {
            free(buf);
            return file_error(errmsg, "read", path);
        }
        got += (size_t)n;
        if (got > max) {
            free(buf);
            return error_too_large(errmsg, path, max);
        }
        if (got < capacity) {
            *data = buf;
            *size = got;
            return OK;
        }
        capacity = capacity > max / 2 ? max + 1 : 2 * capacity;
    }
}

int file_read(const char *path,
              size_t max,
              uint8_t **data,
              size_t *size,
              char *errmsg)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    size_t capacity = READ_SIZE_MIN;
    struct stat st;
    int rv;

    assert(max < SIZE_MAX / 2);
    if (fd < 0) {
        return file_error(errmsg, "open", path);
    }
    if (fstat(fd, &st) != 0) {
        rv = file_error(errmsg, "read", path);
    } else if (S_ISDIR(st.st_mode)) {
        errmsg_set(errmsg, "'%s' is a folder; name a file", path);
        rv = ERR_IO;
    } else if (S_ISREG(st.st_mode) && (uint64_t)st.st_size > max) {
        rv = error_too_large(errmsg, path, max);
    } else {
        if (S_ISREG(st.st_mode) && (size_t)st.st_size >= capacity) {
            capacity = (size_t)st.st_size + 1;
        } else if (capacity > max) {
            capacity = max + 1;
        }
        rv = read_growing(fd, path, capacity, max, data, size, errmsg);
    }
    close(fd);
    return rv;
}

/* What the opened file must be for a secret to have stayed one. */
static int secret_check(int fd,
                        const char *path,
                        size_t max,
                        size_t *size,
                        char *errmsg)
{
    struct stat st;

    if (fstat(fd, &st) != 0) {
        return file_error(errmsg, "read", path);
    }
    if (!S_ISREG(st.st_mode)) {
        return error_not_regular(errmsg, path);
    }
    if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        errmsg_set(errmsg,
                   "'%s' holds a secret, and its mode %04o lets others at it; "
                   "run: chmod 600 '%s'",
                   path, (unsigned)st.st_mode & 07777U, path);
        return ERR_DENIED;
    }
    if ((uint64_t)st.st_size > max) {
        return error_too_large(errmsg, path, max);
    }
    *size = (size_t)st.st_size;
    return OK;
}

static int secret_fill(int fd,
                       const char *path,
                       size_t size,
                       uint8_t **data,
                       char *errmsg)
{
    /* The byte more tells a file that grows, and is there for an empty one. */
    uint8_t *buf = secret_new(size + 1);
    ssize_t n;

    if (buf == NULL) {
        errmsg_set(errmsg,
                   "cannot lock %zu bytes of memory for '%s'; raise the limit "
                   "of locked memory (ulimit -l)",
                   size + 1, path);
        return ERR_NOMEM;
    }
    n = fd_read(fd, buf, size + 1);
    if (n < 0) {
        secret_free(buf);
        return file_error(errmsg, "read", path);
    }
    if ((size_t)n != size) {
        secret_free(buf);
        errmsg_set(errmsg,
                   "'%s' changed while it was read; run the command again",
                   path);
        return ERR_IO;
    }
    *data = buf;
    return OK;
}

int file_read_secret(const char *path,
                     size_t max,
                     uint8_t **data,
                     size_t *size,
                     char *errmsg)
{
    /* Never wait for the writer of a named pipe. */
    int fd =
        open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    size_t expected = 0;
    int rv;

    if (fd < 0 && errno == ELOOP) {
        errmsg_set(errmsg,
                   "'%s' is a symbolic link, which a secret may not hide "
                   "behind; name the file itself",
                   path);
        return ERR_DENIED;
    }
    if (fd < 0) {
        return file_error(errmsg, "open", path);
    }
    rv = secret_check(fd, path, max, &expected, errmsg);
    if (rv == OK) {
        rv = secret_fill(fd, path, expected, data, errmsg);
    }
    if (rv == OK) {
        *size = expected;
    }
    close(fd);
    return rv;
}
