#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/base/file.h"

/* The folder that |path| stands in, allocated. */
static char *path_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder;

    if (slash == NULL) {
        folder = strdup(".");
    } else if (slash == path) {
        folder = strdup("/");
    } else {
        folder = strndup(path, (size_t)(slash - path));
    }
    if (folder == NULL) {
        abort();
    }
    return folder;
}

static int fd_write(int fd, struct slice data)
{
    while (data.size > 0) {
        ssize_t n = write(fd, data.data, data.size);

        if (n >= 0) {
            data.data += n;
            data.size -= (size_t)n;
        } else if (errno != EINTR) {
            return -1;
        }
    }
    return 0;
}

int file_write_at(int fd, uint64_t off, const uint8_t *data, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t put = pwrite(fd, data + done, size - done, (off_t)(off + done));

        if (put < 0 && errno != EINTR) {
            return errno == ENOSPC ? ERR_FULL : ERR_IO;
        }
        done += put > 0 ? (size_t)put : 0;
    }
    return OK;
}

/* Give the empty file its mode. File systems without permissions (FAT) refuse
 * or ignore this; what counts is that nobody gets in whom |mode| keeps out. */
static int temp_set_mode(int fd, const char *path, mode_t mode, char *errmsg)
{
    struct stat st;

    (void)fchmod(fd, mode);
    if (fstat(fd, &st) != 0) {
        return file_error(errmsg, "write", path);
    }
    if ((st.st_mode & ~mode & (S_IRGRP | S_IWGRP | S_IROTH | S_IWOTH)) != 0) {
        errmsg_set(errmsg,
                   "the file system of '%s' cannot keep a file from others; "
                   "use another place",
                   path);
        return ERR_IO;
    }
    return OK;
}

static int error_exists(const char *path, char *errmsg)
{
    errmsg_set(errmsg,
               "'%s' exists and is never overwritten; choose another name or "
               "move it away",
               path);
    return ERR_EXISTS;
}

/* Move |temp| to |path| unless that exists. */
static int temp_place_new(const char *temp, const char *path)
{
    if (renameat2(AT_FDCWD, temp, AT_FDCWD, path, RENAME_NOREPLACE) == 0) {
        return 0;
    }
    if (errno != EINVAL && errno != ENOSYS) {
        return -1;
    }
    if (link(temp, path) != 0) {
        return -1;
    }
    (void)unlink(temp);
    return 0;
}

static int temp_place(const char *temp,
                      const char *path,
                      enum file_write_mode how,
                      char *errmsg)
{
    int rv = -1;

    switch (how) {
    case FILE_NEW:
        rv = temp_place_new(temp, path);
        break;
    case FILE_REPLACE:
        rv = rename(temp, path);
        break;
    }
    if (rv == 0) {
        return OK;
    }
    if (how == FILE_NEW && errno == EEXIST) {
        return error_exists(path, errmsg);
    }
    return file_error(errmsg, "write", path);
}

/* May the name |path| be given to a new file? A device or a pipe is not for
 * replacing, whatever the permissions say. */
static int name_is_free(const char *path,
                        enum file_write_mode how,
                        char *errmsg)
{
    size_t size = strlen(path);
    struct stat st;

    if (size == 0 || path[size - 1] == '/') {
        errmsg_set(errmsg, "'%s' does not name a file; give a file's name",
                   path);
        return ERR_EXISTS;
    }
    if (lstat(path, &st) != 0) {
        return errno == ENOENT ? OK : file_error(errmsg, "write", path);
    }
    if (how == FILE_NEW) {
        return error_exists(path, errmsg);
    }
    if (S_ISDIR(st.st_mode)) {
        errmsg_set(errmsg, "'%s' is a folder; give the name of a file in it",
                   path);
        return ERR_EXISTS;
    }
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
        errmsg_set(errmsg,
                   "'%s' is no regular file, and is not replaced by one; give "
                   "another name",
                   path);
        return ERR_EXISTS;
    }
    return OK;
}

/* A file that has a name for a moment, where none can be without one. */
static int named_open(const char *folder)
{
    char *temp = path_join(folder, ".cairn-tmp-XXXXXX");
    int fd = mkostemp(temp, O_CLOEXEC);

    if (fd >= 0) {
        (void)unlink(temp);
    }
    free(temp);
    return fd;
}

int folder_may(const char *folder, char *errmsg)
{
    int fd = open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, S_IRUSR | S_IWUSR);

    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
        fd = named_open(folder);
    }
    if (fd < 0) {
        return file_error(errmsg, "create a file in", folder);
    }
    close(fd);
    return OK;
}

int file_write_may(const char *path, enum file_write_mode how, char *errmsg)
{
    char *folder = path_folder(path);
    int rv = name_is_free(path, how, errmsg);

    if (rv == OK) {
        rv = folder_may(folder, errmsg);
    }
    free(folder);
    return rv;
}

int file_write(const char *path,
               struct slice data,
               mode_t mode,
               enum file_write_mode how,
               char *errmsg)
{
    char *folder = path_folder(path);
    char *temp = path_join(folder, ".cairn-tmp-XXXXXX");
    int rv = name_is_free(path, how, errmsg);
    int fd;

    if (rv != OK) {
        goto out;
    }
    fd = mkostemp(temp, O_CLOEXEC);
    if (fd < 0) {
        rv = file_error(errmsg, "create a file in", folder);
        goto out;
    }
    rv = temp_set_mode(fd, path, mode, errmsg);
    if (rv == OK && (fd_write(fd, data) != 0 || fsync(fd) != 0)) {
        rv = file_error(errmsg, "write", path);
    }
    close(fd);
    if (rv == OK) {
        rv = temp_place(temp, path, how, errmsg);
    }
    if (rv != OK) {
        (void)unlink(temp);
    } else if (folder_sync(folder, errmsg) != OK) {
        rv = ERR_IO; /* The file has its name, for how long nobody knows. */
    }
out:
    free(temp);
    free(folder);
    return rv;
}

int folder_sync(const char *path, char *errmsg)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rv = OK;

    if (fd < 0) {
        return file_error(errmsg, "open folder", path);
    }
    /* EINVAL: this file system has nothing to sync in a folder. */
    if (fsync(fd) != 0 && errno != EINVAL) {
        rv = file_error(errmsg, "sync folder", path);
    }
    close(fd);
    return rv;
}

/* Sync the folder that |path| stands in. */
static int parent_sync(const char *path, char *errmsg)
{
    char *parent = path_folder(path);
    int rv = folder_sync(parent, errmsg);

    free(parent);
    return rv;
}

/* Make one folder whose parent is there; *made says whether it was not there
 * before. */
static int folder_make_one(const char *path,
                           mode_t mode,
                           bool *made,
                           char *errmsg)
{
    struct stat st;

    *made = mkdir(path, S_IRWXU) == 0;
    if (*made) {
        /* Not by mkdir(), which the umask cuts. */
        if (chmod(path, mode) != 0 && errno != EPERM) {
            return file_error(errmsg, "make folder", path);
        }
        return parent_sync(path, errmsg);
    }
    if (errno != EEXIST || stat(path, &st) != 0) {
        return file_error(errmsg, "make folder", path);
    }
    if (!S_ISDIR(st.st_mode)) {
        errmsg_set(errmsg,
                   "'%s' is in the way of a folder; move it or choose another "
                   "name",
                   path);
        return ERR_EXISTS;
    }
    return OK;
}

int folder_make(const char *path, mode_t mode, char *errmsg)
{
    char *part = strdup(path);
    char *there = NULL; /* What the deepest that was there stands in. */
    int rv = OK;

    if (part == NULL) {
        abort();
    }
    for (char *p = part + strspn(part, "/"); rv == OK && *p != '\0';) {
        size_t size = strcspn(p, "/");
        size_t slashes = strspn(p + size, "/");
        char after = p[size];
        bool made = false;

        p[size] = '\0';
        rv = folder_make_one(part, mode, &made, errmsg);
        if (rv == OK && !made) {
            free(there);
            there = path_join(part, "..");
        }
        p[size] = after;
        p += size + slashes;
    }
    /* Who made that may not have synced its name yet, or was killed before. One
     * that we cannot read is not of our making. */
    if (rv == OK && there != NULL && access(there, R_OK) == 0) {
        rv = folder_sync(there, errmsg);
    }
    free(there);
    free(part);
    return rv;
}
