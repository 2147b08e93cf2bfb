#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/shard/shard_file_private.h"

static void file_open_direct(struct shard_file *f, const char *name)
{
    char *path = path_join(f->folder, name);

    f->direct_fd = open(path, O_WRONLY | O_DIRECT | O_CLOEXEC | O_NOFOLLOW);
    free(path);
}

/* Reserve blocks without growing the file. File systems that cannot do that
 * find out later; the rest refuse before the first byte. */
static int file_reserve(struct shard_file *f, uint64_t size, char *errmsg)
{
    int rv;

    do {
        rv = fallocate(f->fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)size);
    } while (rv != 0 && errno == EINTR);
    if (rv != 0 && errno != EOPNOTSUPP && errno != ENOSYS) {
        return shard_file_fail(f, "reserve space for", errmsg);
    }
    f->reserved = size;
    return OK;
}

static int file_open_parts(struct shard_file *f, int flags, char *errmsg)
{
    char ignored[ERRMSG_SIZE];

    f->fd = shard_file_open_at(f, "shard.part", O_RDWR | flags, errmsg);
    if (f->fd >= 0) {
        f->tree.fd = shard_file_open_at(f, "tree.part",
                                        O_RDWR | O_CREAT | flags, errmsg);
    }
    if (f->fd < 0 || f->tree.fd < 0) {
        return errno == ENOENT ? ERR_NOTFOUND : ERR_IO;
    }
    file_open_direct(f, "shard.part");
    f->sums.fd =
        shard_file_open_at(f, "sums.part", O_RDWR | O_CREAT | flags, ignored);
    return OK;
}

int shard_file_create(struct shard_file *f,
                      const char *folder,
                      uint64_t size_max,
                      char *errmsg)
{
    int rv = folder_make(folder, 0755, errmsg);

    if (rv == OK) {
        rv = shard_file_init(f, folder, errmsg);
    }
    if (rv != OK) {
        return rv;
    }
    rv = file_open_parts(f, O_CREAT | O_TRUNC, errmsg);
    if (rv == OK) {
        /* Nothing in them is secret, and whoever carries them must read them,
         * whatever the umask. Not every file system has modes. */
        (void)fchmod(f->fd, 0644);
        (void)fchmod(f->tree.fd, 0644);
        (void)fchmod(f->sums.fd, 0644);
        rv = file_reserve(f, size_max, errmsg);
    }
    if (rv == OK) {
        rv = folder_sync(folder, errmsg);
    }
    if (rv != OK) {
        shard_file_close(f);
    }
    return rv;
}

/* Bring range, tree and sums to |want|: from the tree file if it agrees, else
 * from the bytes. */
static int range_restore(struct shard_file *f, const struct merkle_range *want)
{
    uint64_t groups = want->leaves / SHARD_TREE_GROUP * SHARD_TREE_GROUP;
    int rv = shard_tree_range(&f->tree, groups, NULL, &f->range);

    if (rv == OK) {
        rv = shard_leaves_rehash(f, groups, want->leaves);
    }
    if (rv == OK && merkle_range_equal(&f->range, want)) {
        return OK;
    }
    merkle_range_init(&f->range);
    rv = shard_leaves_rehash(f, 0, want->leaves);
    if (rv == OK && !merkle_range_equal(&f->range, want)) {
        rv = ERR_MISMATCH;
    }
    return rv;
}

int shard_file_resume(struct shard_file *f,
                      const char *folder,
                      uint64_t size_max,
                      const struct merkle_range *range,
                      char *errmsg)
{
    uint64_t size = range->leaves * LEAF_SIZE;
    struct stat st;
    int rv = shard_file_init(f, folder, errmsg);

    if (rv == OK) {
        rv = file_open_parts(f, 0, errmsg);
    }
    if (rv != OK) {
        goto err;
    }
    if (fstat(f->fd, &st) != 0) {
        rv = shard_file_fail(f, "look at", errmsg);
        goto err;
    }
    rv = (uint64_t)st.st_size < size ? ERR_MISMATCH : range_restore(f, range);
    if (rv != OK) {
        errmsg_set(errmsg,
                   "the shard in '%s' is not what was acknowledged; it has to "
                   "be written anew",
                   folder);
        goto err;
    }
    if (ftruncate(f->fd, (off_t)size) != 0) {
        rv = shard_file_fail(f, "cut", errmsg);
        goto err;
    }
    shard_sums_cut(&f->sums, range->leaves);
    f->size = size;
    rv = file_reserve(f, size_max, errmsg);
    if (rv != OK) {
        goto err;
    }
    return OK;
err:
    shard_file_close(f);
    return rv;
}

static int bytes_append(struct shard_file *f, const uint8_t *mem, size_t size)
{
    /* Direct writes need aligned memory; the offset and size are leaves. */
    bool direct = f->direct_fd >= 0 && (uintptr_t)mem % LEAF_SIZE == 0;

    for (size_t done = 0; done < size;) {
        ssize_t put = pwrite(direct ? f->direct_fd : f->fd, mem + done,
                             size - done, (off_t)(f->size + done));

        if (put < 0 && direct && errno == EINVAL) {
            direct = false; /* This file system does not like it. */
        } else if (put < 0 && errno != EINTR) {
            return ERR_IO;
        }
        done += put > 0 ? (size_t)put : 0;
        direct = direct && done % LEAF_SIZE == 0;
    }
    return OK;
}

int shard_file_append(struct shard_file *f,
                      uint64_t off,
                      const uint8_t *mem,
                      size_t size,
                      const struct digest *hashes,
                      char *errmsg)
{
    int rv = OK;

    assert(!f->sealed && off == f->size && size % LEAF_SIZE == 0);
    if (f->failed) {
        errmsg_set(errmsg, "the shard in '%s' failed before", f->folder);
        return ERR_IO;
    }
    if (bytes_append(f, mem, size) != OK) {
        return shard_file_fail(f, "write", errmsg);
    }
    if (hashes != NULL) {
        rv = shard_leaves_take(f, mem, hashes, size / LEAF_SIZE);
    }
    for (size_t at = 0; hashes == NULL && at < size && rv == OK;) {
        size_t take = (size - at) / LEAF_SIZE;
        struct digest batch[SHARD_BATCH_LEAVES];

        take = take < SHARD_BATCH_LEAVES ? take : SHARD_BATCH_LEAVES;
        merkle_leaves(mem + at, take, batch);
        rv = shard_leaves_take(f, mem + at, batch, take);
        at += take * LEAF_SIZE;
    }
    if (rv != OK) {
        return shard_file_fail(f, "write the tree of the", errmsg);
    }
    f->size += size;
    return OK;
}

int shard_file_sync(struct shard_file *f, char *errmsg)
{
    if (f->failed) {
        errmsg_set(errmsg, "the shard in '%s' failed before", f->folder);
        return ERR_IO;
    }
    if (fdatasync(f->fd) != 0 || fdatasync(f->tree.fd) != 0) {
        return shard_file_fail(f, "sync", errmsg);
    }
    return OK;
}

/* After the tree: without that, sums are made again together with it. */
static void sums_seal(struct shard_file *f)
{
    if (f->sums.fd >= 0) {
        shard_sums_cut(&f->sums, f->size / LEAF_SIZE);
        (void)shard_file_rename(f, "sums.part", "sums");
        close(f->sums.fd);
        f->sums.fd = -1;
    }
}

int shard_file_seal(struct shard_file *f,
                    const struct digest *root,
                    char *errmsg)
{
    uint64_t leaves = f->size / LEAF_SIZE;
    struct digest tail[SHARD_TREE_GROUP];
    struct digest got;
    int rv;

    merkle_range_root(&f->range, &got);
    if (!digest_equal(&got, root)) {
        errmsg_set(errmsg, "the shard in '%s' is not the one in the manifest",
                   f->folder);
        return ERR_MISMATCH;
    }
    rv = shard_leaves_tail(f, leaves, tail);
    if (rv == OK) {
        rv = shard_tree_finish(&f->tree, leaves, tail);
    }
    if (rv != OK) {
        return shard_file_fail(f, "finish the tree of the", errmsg);
    }
    if (f->reserved > f->size) {
        /* Where it is not supported, nothing was reserved either. */
        (void)fallocate(f->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                        (off_t)f->size, (off_t)(f->reserved - f->size));
    }
    if (ftruncate(f->fd, (off_t)f->size) != 0 || fsync(f->fd) != 0 ||
        fsync(f->tree.fd) != 0 ||
        shard_file_rename(f, "tree.part", "tree") != OK) {
        return shard_file_fail(f, "seal", errmsg);
    }
    sums_seal(f);
    if (shard_file_rename(f, "shard.part", "shard") != OK) {
        return shard_file_fail(f, "seal", errmsg);
    }
    rv = folder_sync(f->folder, errmsg);
    if (rv == OK) {
        f->root = *root;
        f->sealed = true;
    }
    return rv;
}
