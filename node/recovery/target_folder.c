#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/recovery/target_internal.h"

/* Folders below the root, and names of temporary files. */

/* File systems that have nothing to sync in a folder say EINVAL. */
int target_folder_flush(int fd)
{
    return fsync(fd) == 0 || errno == EINVAL ? 0 : -1;
}

void target_part_name(const struct target *t,
                      const struct target_file *f,
                      char out[TARGET_PART_SIZE])
{
    char marks[TARGET_PART_MARKS_MAX + 1];

    memset(marks, '~', t->marks);
    marks[t->marks] = '\0';
    (void)snprintf(out, TARGET_PART_SIZE, TARGET_PART_NAME "%s-%llu", marks,
                   (unsigned long long)f->nth);
}

void target_part_avoid(struct target *t, const char *path)
{
    const char *name = path;

    while (name != NULL) {
        if (strncasecmp(name, TARGET_PART_NAME, strlen(TARGET_PART_NAME)) ==
            0) {
            size_t marks = strspn(name + strlen(TARGET_PART_NAME), "~") + 1;

            marks =
                marks < TARGET_PART_MARKS_MAX ? marks : TARGET_PART_MARKS_MAX;
            t->marks = t->marks > marks ? t->marks : marks;
        }
        name = strchr(name, '/');
        name = name != NULL ? name + 1 : NULL;
    }
}

/* Make the folder |name| in |at| if it is not there, durably, and open to
 * others whatever the umask; -1 with errno when that fails. */
static int folder_enter(int at, const char *name, bool make)
{
    bool made = make && mkdirat(at, name, 0755) == 0;
    int fd;

    if (make && !made && errno != EEXIST) {
        return -1;
    }
    fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && made) {
        (void)fchmod(fd, 0755);
        if (target_folder_flush(at) != 0) {
            close(fd);
            return -1;
        }
    }
    return fd;
}

int target_folder_of(const struct target *t,
                     const char *path,
                     bool make,
                     int *folder,
                     const char **name,
                     char *errmsg)
{
    int at = fcntl(t->root, F_DUPFD_CLOEXEC, 0);
    const char *rest = path;
    int rv;

    for (;;) {
        const char *slash = strchr(rest, '/');
        char component[256];
        int next;

        if (at < 0) {
            break;
        }
        if (slash == NULL) {
            *folder = at;
            *name = rest;
            return OK;
        }
        if ((size_t)(slash - rest) >= sizeof(component)) {
            errno = ENAMETOOLONG;
            break;
        }
        (void)snprintf(component, sizeof(component), "%.*s",
                       (int)(slash - rest), rest);
        next = folder_enter(at, component, make);
        if (next < 0) {
            break;
        }
        close(at);
        at = next;
        rest = slash + 1;
    }
    if (errno == ELOOP || errno == ENOTDIR) {
        errmsg_set(errmsg,
                   "a part of '%s' in '%s' is a link or a file, not a folder; "
                   "remove it or restore elsewhere",
                   path, t->path);
    } else {
        errmsg_set(errmsg, "folder of '%s': %s", path, strerror(errno));
    }
    rv = errno == ENOENT ? ERR_NOTFOUND : ERR_IO;
    if (at >= 0) {
        close(at);
    }
    return rv;
}
