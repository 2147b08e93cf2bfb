#include "node/shard/shard_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/shard/shard_file_private.h"

int shard_file_fail(struct shard_file *f, const char *doing, char *errmsg)
{
    int error = errno;

    errmsg_set(errmsg, "%s shard in '%s': %s; %s", doing, f->folder,
               strerror(error),
               error == ENOSPC ? "free space, then run it again"
                               : "check the disk, then run it again");
    f->failed = true;
    return error == ENOSPC ? ERR_FULL : ERR_IO;
}

int shard_file_open_at(struct shard_file *f,
                       const char *name,
                       int flags,
                       char *errmsg)
{
    char *path = path_join(f->folder, name);
    /* A pipe that somebody put there is found out, not waited for. */
    int fd = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | O_NOFOLLOW,
                  0644);

    if (fd < 0) {
        errmsg_set(errmsg, "open '%s': %s", path, strerror(errno));
    }
    free(path);
    return fd;
}

int shard_file_rename(struct shard_file *f, const char *from, const char *to)
{
    char *a = path_join(f->folder, from);
    char *b = path_join(f->folder, to);
    int rv = rename(a, b) == 0 ? OK : ERR_IO;

    free(a);
    free(b);
    return rv;
}

int shard_file_init(struct shard_file *f, const char *folder, char *errmsg)
{
    memset(f, 0, sizeof(*f));
    f->fd = f->direct_fd = f->tree.fd = f->sums.fd = -1;
    f->folder = strdup(folder);
    if (f->folder == NULL) {
        errmsg_set(errmsg, "out of memory");
        return ERR_NOMEM;
    }
    merkle_range_init(&f->range);
    return OK;
}

void shard_file_close(struct shard_file *f)
{
    int fds[] = {f->fd, f->direct_fd, f->tree.fd, f->sums.fd};

    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
    free(f->folder);
    f->folder = NULL;
    f->fd = f->direct_fd = f->tree.fd = f->sums.fd = -1;
}

/* --- Sealed shards ------------------------------------------------------- */

/* Write the tree of a sealed shard to f->tree.fd, from its bytes. */
static int tree_write(struct shard_file *f, const struct digest *root)
{
    uint64_t leaves = f->size / LEAF_SIZE;
    struct digest tail[SHARD_TREE_GROUP];
    struct digest got;
    int rv;

    merkle_range_init(&f->range);
    rv = f->tree.fd < 0 ? ERR_IO : shard_leaves_rehash(f, 0, leaves);
    if (rv == OK) {
        merkle_range_root(&f->range, &got);
        rv = digest_equal(&got, root) ? OK : ERR_MISMATCH;
    }
    if (rv == OK) {
        rv = shard_leaves_tail(f, leaves, tail);
    }
    if (rv == OK) {
        rv = shard_tree_finish(&f->tree, leaves, tail);
    }
    return rv;
}

/* A file that has no name, and goes with its descriptor. */
static int anonymous_open(void)
{
    FILE *anonymous = tmpfile();
    int fd = -1;

    if (anonymous != NULL) {
        fd = fcntl(fileno(anonymous), F_DUPFD_CLOEXEC, 0);
        (void)fclose(anonymous);
    }
    return fd;
}

/* Make the tree of a sealed shard again, beside it where that can be written.
 * The folder may be from a stranger's hands: what stands under the new name is
 * removed and never written to. */
static int tree_rebuild(struct shard_file *f,
                        const struct digest *root,
                        char *errmsg)
{
    char *path = path_join(f->folder, "tree.new");
    bool named;
    int rv;

    if (f->tree.fd >= 0) {
        close(f->tree.fd);
    }
    (void)unlink(path);
    f->tree.fd =
        open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
    named = f->tree.fd >= 0;
    if (named) {
        (void)fchmod(f->tree.fd, 0644); /* As in shard_file_create(). */
    }
    rv = tree_write(f, root);
    if (named && (rv != OK || shard_file_rename(f, "tree.new", "tree") != OK)) {
        (void)unlink(path);
    }
    if (rv != OK && rv != ERR_MISMATCH) {
        /* A folder that is full or cannot be written still can be read from. */
        if (f->tree.fd >= 0) {
            close(f->tree.fd);
        }
        f->tree.fd = anonymous_open();
        rv = tree_write(f, root);
    }
    if (rv != OK) {
        errmsg_set(errmsg,
                   rv == ERR_MISMATCH
                       ? "the shard in '%s' is damaged, and so is its tree"
                       : "the shard in '%s' cannot be read",
                   f->folder);
    }
    free(path);
    return rv;
}

int shard_file_open(struct shard_file *f,
                    const char *folder,
                    const struct digest *root,
                    uint64_t size,
                    char *errmsg)
{
    char ignored[ERRMSG_SIZE];
    struct stat st;
    int rv = shard_file_init(f, folder, errmsg);

    if (rv != OK) {
        return rv;
    }
    f->fd = shard_file_open_at(f, "shard", O_RDONLY, errmsg);
    if (f->fd < 0) {
        rv = errno == ENOENT ? ERR_NOTFOUND : ERR_IO;
        goto err;
    }
    if (fstat(f->fd, &st) != 0 || (uint64_t)st.st_size != size) {
        errmsg_set(errmsg, "the shard in '%s' is cut short", folder);
        rv = ERR_MISMATCH;
        goto err;
    }
    f->size = size;
    f->root = *root;
    f->sealed = true;
    f->tree.leaves = size / LEAF_SIZE;
    f->tree.fd = shard_file_open_at(f, "tree", O_RDONLY, ignored);
    if (f->tree.fd < 0 || shard_tree_check(&f->tree, root) != OK) {
        rv = tree_rebuild(f, root, errmsg);
    }
    if (rv == OK) {
        return OK;
    }
err:
    shard_file_close(f);
    return rv;
}

void shard_file_trust_sums(struct shard_file *f)
{
    char ignored[ERRMSG_SIZE];

    assert(f->sealed && f->sums.fd < 0);
    f->sums.fd = shard_file_open_at(f, "sums", O_RDONLY, ignored);
}

void shard_file_read_direct(struct shard_file *f, bool direct)
{
    char ignored[ERRMSG_SIZE];

    assert(f->sealed);
    if (direct && f->direct_fd < 0) {
        f->direct_fd =
            shard_file_open_at(f, "shard", O_RDONLY | O_DIRECT, ignored);
    } else if (!direct && f->direct_fd >= 0) {
        close(f->direct_fd);
        f->direct_fd = -1;
    }
}
