#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/recovery/target_internal.h"

/* The plaintext stream into files: each under a temporary name until it is
 * right. */

static int write_fail(const struct target_file *f, char *errmsg)
{
    int rv = errno == ENOSPC ? ERR_FULL : ERR_IO;

    errmsg_set(errmsg, "write '%s': %s%s", f->path, strerror(errno),
               rv == ERR_FULL ? "; free space and run it again" : "");
    return rv;
}

static int file_start(struct target *t, char *errmsg)
{
    const struct target_file *f = &t->files[t->file];
    const char *name;
    char part[TARGET_PART_SIZE];
    int folder = -1;
    int rv = target_folder_of(t, f->path, true, &folder, &name, errmsg);

    if (rv != OK) {
        return rv == ERR_NOTFOUND ? ERR_IO : rv;
    }
    target_part_name(t, f, part);
    (void)unlinkat(folder, part, 0);
    t->fd = openat(folder, part,
                   O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (t->fd < 0 || bulk_file_start(&t->bulk, t->fd, f->size) != OK) {
        rv = write_fail(f, errmsg);
    }
    close(folder);
    t->file_at = 0;
    sha256_reset(&t->hash);
    return rv;
}

/* Rename |part| to |name|, over another file only where that is wanted; -1
 * with errno. */
static int part_rename(const struct target_file *f,
                       int folder,
                       const char *part,
                       const char *name)
{
    if (!f->replace) {
        if (renameat2(folder, part, folder, name, RENAME_NOREPLACE) == 0) {
            return 0;
        }
        if (errno != EINVAL && errno != ENOSYS) {
            return -1;
        }
        /* This file system cannot do both at once. */
        if (faccessat(folder, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
            errno = EEXIST;
            return -1;
        }
    }
    return renameat(folder, part, folder, name);
}

/* Give the file its name. */
static int file_place(struct target *t,
                      struct target_file *f,
                      int folder,
                      const char *name,
                      char *errmsg)
{
    char part[TARGET_PART_SIZE];
    struct stat ours;
    struct stat there;

    target_part_name(t, f, part);
    if (fstat(t->fd, &ours) != 0 ||
        fstatat(folder, part, &there, AT_SYMLINK_NOFOLLOW) != 0) {
        return write_fail(f, errmsg);
    }
    if (ours.st_dev != there.st_dev || ours.st_ino != there.st_ino) {
        errmsg_set(errmsg,
                   "'%s' was taken away while it was written; let nothing else "
                   "work in '%s', then run it again",
                   f->path, t->path);
        return ERR_IO;
    }
    if (part_rename(f, folder, part, name) != 0) {
        if (errno != EEXIST) {
            return write_fail(f, errmsg);
        }
        errmsg_set(errmsg,
                   "'%s/%s' exists now and did not before; a file system that "
                   "takes upper and lower case for the same cannot hold every "
                   "model",
                   t->path, f->path);
        return ERR_EXISTS;
    }
    return target_folder_flush(folder) == 0 ? OK : write_fail(f, errmsg);
}

/* All bytes are written: is it the file? Then give it mode and name. */
static int file_finish(struct target *t, char *errmsg)
{
    struct target_file *f = &t->files[t->file];
    const char *name;
    struct digest digest;
    int folder = -1;
    int rv;

    sha256_peek(&t->hash, &digest);
    if (!digest_equal(&digest, &f->sha256)) {
        errmsg_set(errmsg,
                   "'%s' is not the file that the lab sealed (its SHA-256 "
                   "differs); it is not kept",
                   f->path);
        return ERR_MISMATCH;
    }
    /* EPERM, EOPNOTSUPP: a file system without such modes (FAT). */
    if ((fchmod(t->fd, f->mode & 0777) != 0 && errno != EPERM &&
         errno != EOPNOTSUPP) ||
        fsync(t->fd) != 0) {
        return write_fail(f, errmsg);
    }
    rv = target_folder_of(t, f->path, false, &folder, &name, errmsg);
    if (rv != OK) {
        return rv == ERR_NOTFOUND ? ERR_IO : rv;
    }
    rv = file_place(t, f, folder, name, errmsg);
    close(folder);
    if (rv == OK) {
        close(t->fd);
        t->fd = -1;
        f->done = true;
        t->bytes_done += f->size;
    }
    return rv;
}

/* Hash and write a piece of the current file, the one while the other. */
static int file_put(struct target *t, struct slice piece, char *errmsg)
{
    int rv;

    hasher_start(t->hasher, &t->hash, piece);
    rv = bulk_file_put(&t->bulk, piece);
    t->file_at += piece.size;
    if (rv == OK && t->file_at == t->files[t->file].size) {
        rv = bulk_file_finish(&t->bulk);
        assert(rv != OK || t->bulk.at == t->file_at);
    }
    if (rv != OK) {
        rv = write_fail(&t->files[t->file], errmsg);
    }
    hasher_wait(t->hasher);
    return rv;
}

/* Take what |segment| holds of the current file. */
static int file_take(struct target *t,
                     uint64_t segment,
                     struct slice plain,
                     char *errmsg)
{
    const struct target_file *f = &t->files[t->file];
    size_t at = segment == f->first_segment ? f->offset : 0;
    uint64_t left;
    struct slice piece;
    int rv = OK;

    if (t->fd < 0) {
        if (segment != f->first_segment) {
            errmsg_set(errmsg, "the segments of '%s' do not fit it", f->path);
            return ERR_BAD;
        }
        rv = file_start(t, errmsg);
        if (rv != OK) {
            return rv;
        }
    }
    if (at > plain.size) {
        errmsg_set(errmsg, "the place of '%s' does not exist", f->path);
        return ERR_BAD;
    }
    left = f->size - t->file_at;
    piece = slice_of(plain.data + at, plain.size - at);
    if (piece.size > left) {
        piece.size = (size_t)left;
    }
    rv = file_put(t, piece, errmsg);
    if (rv == OK && t->file_at == f->size) {
        rv = file_finish(t, errmsg);
    }
    return rv;
}

int target_take(struct target *t,
                uint64_t segment,
                struct slice plain,
                char *errmsg)
{
    int rv = OK;

    while (t->file < t->files_len && rv == OK) {
        const struct target_file *f = &t->files[t->file];

        if (f->done || f->size == 0) {
            t->file++;
            continue;
        }
        if (f->first_segment > segment) {
            break;
        }
        rv = file_take(t, segment, plain, errmsg);
        if (rv == OK && !f->done) {
            break; /* It goes on in the next segment. */
        }
    }
    return rv;
}

int target_finish(struct target *t, char *errmsg)
{
    int rv = OK;

    for (t->file = 0; t->file < t->files_len && rv == OK; t->file++) {
        const struct target_file *f = &t->files[t->file];

        if (f->done) {
            continue;
        }
        if (f->size > 0) {
            errmsg_set(errmsg, "'%s' is not complete", f->path);
            return ERR_BAD;
        }
        rv = file_start(t, errmsg);
        if (rv == OK) {
            rv = file_finish(t, errmsg);
        }
    }
    if (rv == OK && target_folder_flush(t->root) != 0) {
        errmsg_set(errmsg, "sync '%s': %s", t->path, strerror(errno));
        rv = ERR_IO;
    }
    t->made = t->made && rv != OK;
    return rv;
}
