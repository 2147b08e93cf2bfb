#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/deposit/journal_internal.h"

/* The end of a journal, and which folders may be taken for one. */

/* What a power cut leaves of a plan that was being written (file_write()). */
#define TEMP_PREFIX ".cairn-tmp-"

static bool name_is_secret(const char *name)
{
    return strcmp(name, "plan") == 0 ||
           strncmp(name, TEMP_PREFIX, sizeof(TEMP_PREFIX) - 1) == 0;
}

/* Can it stand in a journal? A dot names the folder itself. */
static bool name_is_ours(const char *name)
{
    static const char *const names[] = {".",        "..",       "lock",
                                        "segments", "ranges-0", "ranges-1"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return name_is_secret(name);
}

/* Nobody else's folder is taken for a journal: not to write, and above all not
 * to erase. OK when it is not there. */
int journal_folder_is_ours(const char *folder, char *errmsg)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    int rv = OK;

    if (dir == NULL) {
        return errno == ENOENT ? OK : file_error(errmsg, "list", folder);
    }
    while (rv == OK && (entry = readdir(dir)) != NULL) {
        if (!name_is_ours(entry->d_name)) {
            errmsg_set(errmsg,
                       "'%s' holds '%s', which is not of a deposit under way; "
                       "move it away or choose another folder",
                       folder, entry->d_name);
            rv = ERR_EXISTS;
        }
    }
    (void)closedir(dir);
    return rv;
}

/* Best effort on the medium, certain for the file system: flash and copying
 * file systems may keep the old blocks, which is why a passphrase is offered.
 */
static int plan_overwrite(const char *path)
{
    struct stat st;
    uint8_t zeros[4096] = {0};
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    int rv = ERR_IO;

    if (fd < 0) {
        return errno == ENOENT ? OK : ERR_IO;
    }
    if (fstat(fd, &st) == 0) {
        rv = OK;
        for (off_t at = 0; at < st.st_size && rv == OK;
             at += (off_t)sizeof(zeros)) {
            off_t left = st.st_size - at;

            rv = journal_write(fd, (uint64_t)at, zeros,
                               left < (off_t)sizeof(zeros) ? (size_t)left
                                                           : sizeof(zeros));
        }
    }
    close(fd);
    return rv;
}

/* FOLDER.done, allocated. */
static char *done_folder(const char *folder)
{
    size_t size = strlen(folder) + sizeof(".done");
    char *path = malloc(size);

    if (path == NULL) {
        abort();
    }
    (void)snprintf(path, size, "%s.done", folder);
    return path;
}

static int name_erase(const char *folder, const char *name)
{
    char *path = path_join(folder, name);
    int rv = name_is_secret(name) ? plan_overwrite(path) : OK;

    if (rv == OK && unlink(path) != 0 && errno != ENOENT) {
        rv = ERR_IO;
    }
    free(path);
    return rv;
}

/* Everything in a folder of ours; OK when it is not there. */
static int names_erase(const char *folder)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    int rv = OK;

    if (dir == NULL) {
        return errno == ENOENT ? OK : ERR_IO;
    }
    while (rv == OK && (entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 &&
            strcmp(entry->d_name, "..") != 0) {
            rv = name_erase(folder, entry->d_name);
        }
    }
    (void)closedir(dir);
    return rv;
}

/* Before the plan is overwritten: a power cut must not leave a journal that
 * looks damaged in the old place. */
static int name_sync(const char *done, char *errmsg)
{
    char *parent = path_join(done, "..");
    int rv = folder_sync(parent, errmsg);

    free(parent);
    return rv;
}

int journal_clean(const char *folder, char *errmsg)
{
    char *done = done_folder(folder);
    int rv = journal_folder_is_ours(done, errmsg);

    if (rv != OK) {
        free(done);
        return rv;
    }
    if (access(done, F_OK) != 0 && errno == ENOENT) {
        free(done); /* On a read-only disk rmdir() would say that instead. */
        return OK;
    }
    rv = name_sync(done, errmsg);
    if (rv != OK) {
        free(done);
        return rv;
    }
    rv = names_erase(done);
    if (rv == OK && rmdir(done) != 0 && errno != ENOENT) {
        rv = ERR_IO;
    }
    if (rv != OK) {
        errmsg_set(errmsg,
                   "erase '%s': %s; it holds the deposit's secrets, remove it "
                   "by hand",
                   done, strerror(errno));
    }
    free(done);
    return rv;
}

int journal_erase(struct journal *j, char *errmsg)
{
    char *done = done_folder(j->folder);
    int rv = rename(j->folder, done) == 0 ? OK : ERR_IO;

    if (rv != OK) {
        errmsg_set(errmsg, "rename '%s': %s", j->folder, strerror(errno));
    }
    free(done);
    return rv == OK ? journal_clean(j->folder, errmsg) : rv;
}
