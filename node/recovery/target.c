#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "node/recovery/target_internal.h"

int target_open(struct target *t, const char *path, bool force, char *errmsg)
{
    bool there = access(path, F_OK) == 0;
    int rv = folder_make(path, 0755, errmsg);

    if (rv == OK) {
        rv = folder_may(path, errmsg);
    }
    memset(t, 0, sizeof(*t));
    t->fd = t->root = -1;
    if (rv != OK) {
        return rv == ERR_FULL ? rv : ERR_IO;
    }
    t->root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (t->root < 0) {
        errmsg_set(errmsg, "open folder '%s': %s", path, strerror(errno));
        return ERR_IO;
    }
    /* Two at once would take each other's temporary files. Some file systems
     * cannot lock a folder; there file_place() notices. */
    if (flock(t->root, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        errmsg_set(errmsg,
                   "another process is restoring into '%s'; wait for it or "
                   "choose another folder",
                   path);
        rv = ERR_BUSY;
        goto err;
    }
    t->path = strdup(path);
    if (t->path == NULL || hasher_new(&t->hasher) != OK) {
        errmsg_set(errmsg, "out of memory");
        rv = ERR_NOMEM;
        goto err;
    }
    t->force = force;
    t->made = !there;
    bulk_file_init(&t->bulk);
    sha256_init(&t->hash);
    return OK;

err:
    free(t->path);
    close(t->root);
    t->root = -1;
    return rv;
}

uint64_t target_lacks(const struct target *t)
{
    struct statvfs st;
    uint64_t need = 0;
    uint64_t room;

    if (fstatvfs(t->root, &st) != 0 || st.f_blocks == 0) {
        return 0;
    }
    for (size_t i = 0; i < t->files_len; i++) {
        need += t->files[i].done ? 0 : t->files[i].size;
    }
    room = (uint64_t)st.f_bavail * st.f_frsize;
    return need > room ? need - room : 0;
}

/* A file that was being written is not worth keeping: its bytes are still in
 * the shards. */
static void part_drop(struct target *t)
{
    const char *name;
    char part[TARGET_PART_SIZE];
    char ignored[ERRMSG_SIZE];
    int folder = -1;

    if (t->fd < 0) {
        return;
    }
    close(t->fd);
    if (target_folder_of(t, t->files[t->file].path, false, &folder, &name,
                         ignored) == OK) {
        target_part_name(t, &t->files[t->file], part);
        (void)unlinkat(folder, part, 0);
        close(folder);
    }
}

void target_close(struct target *t)
{
    if (t->root < 0) {
        return;
    }
    part_drop(t);
    for (size_t i = 0; i < t->files_len; i++) {
        free(t->files[i].path);
    }
    free(t->files);
    if (t->made) {
        (void)rmdir(t->path); /* Unless there is something in it. */
    }
    free(t->path);
    close(t->root);
    hasher_free(t->hasher);
    sha256_close(&t->hash);
    bulk_file_close(&t->bulk);
    memset(t, 0, sizeof(*t));
    t->root = t->fd = -1;
}
