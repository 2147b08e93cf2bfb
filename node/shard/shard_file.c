#include "node/shard/shard_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Leaves read and checked at a time: 1 MiB. */
#define BATCH_LEAVES 256U

static int file_fail(struct shard_file *f, const char *doing, char *errmsg)
{
    int error = errno;

    errmsg_set(errmsg, "%s shard in '%s': %s; %s", doing, f->folder,
               strerror(error),
               error == ENOSPC ? "free space, then run it again"
                               : "check the disk, then run it again");
    f->failed = true;
    return error == ENOSPC ? ERR_FULL : ERR_IO;
}

static int file_open_at(struct shard_file *f,
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
        return file_fail(f, "reserve space for", errmsg);
    }
    f->reserved = size;
    return OK;
}

static int file_init(struct shard_file *f, const char *folder, char *errmsg)
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

static int file_open_parts(struct shard_file *f, int flags, char *errmsg)
{
    char ignored[ERRMSG_SIZE];

    f->fd = file_open_at(f, "shard.part", O_RDWR | flags, errmsg);
    if (f->fd >= 0) {
        f->tree.fd =
            file_open_at(f, "tree.part", O_RDWR | O_CREAT | flags, errmsg);
    }
    if (f->fd < 0 || f->tree.fd < 0) {
        return errno == ENOENT ? ERR_NOTFOUND : ERR_IO;
    }
    file_open_direct(f, "shard.part");
    f->sums.fd =
        file_open_at(f, "sums.part", O_RDWR | O_CREAT | flags, ignored);
    return OK;
}

int shard_file_create(struct shard_file *f,
                      const char *folder,
                      uint64_t size_max,
                      char *errmsg)
{
    int rv = folder_make(folder, 0755, errmsg);

    if (rv == OK) {
        rv = file_init(f, folder, errmsg);
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

/* Nodes of level 4 that an append completes, on their way to the tree file. */
struct group_nodes {
    struct shard_tree *tree;
    struct digest nodes[BATCH_LEAVES / SHARD_TREE_GROUP + 1];
    uint64_t first;
    size_t len;
};

static void group_node(void *arg,
                       unsigned level,
                       uint64_t index,
                       const struct digest *node)
{
    struct group_nodes *g = arg;

    if (level != SHARD_TREE_LEVEL) {
        return;
    }
    if (g->len == 0) {
        g->first = index;
    }
    assert(index == g->first + g->len &&
           g->len < sizeof(g->nodes) / sizeof(g->nodes[0]));
    g->nodes[g->len++] = *node;
}

/* Take leaves and their hashes into range, tree and sums. */
static int leaves_take(struct shard_file *f,
                       const uint8_t *mem,
                       const struct digest *hashes,
                       size_t len)
{
    int rv = OK;

    for (size_t at = 0; at < len && rv == OK;) {
        size_t take = len - at < BATCH_LEAVES ? len - at : BATCH_LEAVES;
        struct group_nodes g = {.tree = &f->tree};

        shard_sums_append(&f->sums, f->range.leaves, mem + at * LEAF_SIZE,
                          take);
        for (size_t i = 0; i < take; i++) {
            merkle_range_append(&f->range, &hashes[at + i], group_node, &g);
        }
        rv = shard_tree_append(&f->tree, g.first, g.nodes, g.len);
        at += take;
    }
    return rv;
}

/* Hash the bytes on disk from leaf |from| up to |leaves| into range, tree and
 * sums. */
static int leaves_rehash(struct shard_file *f, uint64_t from, uint64_t leaves)
{
    uint8_t *mem = malloc((size_t)BATCH_LEAVES * LEAF_SIZE);
    struct digest hashes[BATCH_LEAVES];
    int rv = mem == NULL ? ERR_NOMEM : OK;

    for (uint64_t at = from; at < leaves && rv == OK;) {
        size_t take =
            leaves - at < BATCH_LEAVES ? (size_t)(leaves - at) : BATCH_LEAVES;

        rv = file_read_at(f->fd, at * LEAF_SIZE, mem, take * LEAF_SIZE);
        if (rv == OK) {
            merkle_leaves(mem, take, hashes);
            rv = leaves_take(f, mem, hashes, take);
        }
        at += take;
    }
    free(mem);
    return rv;
}

static bool range_equal(const struct merkle_range *a,
                        const struct merkle_range *b)
{
    return a->leaves == b->leaves &&
           memcmp(a->nodes, b->nodes,
                  merkle_range_nodes_len(a->leaves) * DIGEST_SIZE) == 0;
}

/* Bring range, tree and sums to |want|: from the tree file if it agrees, else
 * from the bytes. */
static int range_restore(struct shard_file *f, const struct merkle_range *want)
{
    uint64_t groups = want->leaves / SHARD_TREE_GROUP * SHARD_TREE_GROUP;
    int rv = shard_tree_range(&f->tree, groups, NULL, &f->range);

    if (rv == OK) {
        rv = leaves_rehash(f, groups, want->leaves);
    }
    if (rv == OK && range_equal(&f->range, want)) {
        return OK;
    }
    merkle_range_init(&f->range);
    rv = leaves_rehash(f, 0, want->leaves);
    if (rv == OK && !range_equal(&f->range, want)) {
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
    int rv = file_init(f, folder, errmsg);

    if (rv == OK) {
        rv = file_open_parts(f, 0, errmsg);
    }
    if (rv != OK) {
        goto err;
    }
    if (fstat(f->fd, &st) != 0) {
        rv = file_fail(f, "look at", errmsg);
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
        rv = file_fail(f, "cut", errmsg);
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
        return file_fail(f, "write", errmsg);
    }
    if (hashes != NULL) {
        rv = leaves_take(f, mem, hashes, size / LEAF_SIZE);
    }
    for (size_t at = 0; hashes == NULL && at < size && rv == OK;) {
        size_t take = (size - at) / LEAF_SIZE;
        struct digest batch[BATCH_LEAVES];

        take = take < BATCH_LEAVES ? take : BATCH_LEAVES;
        merkle_leaves(mem + at, take, batch);
        rv = leaves_take(f, mem + at, batch, take);
        at += take * LEAF_SIZE;
    }
    if (rv != OK) {
        return file_fail(f, "write the tree of the", errmsg);
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
        return file_fail(f, "sync", errmsg);
    }
    return OK;
}

/* Hashes of the last leaves % 16 leaves, from the bytes. */
static int tail_hashes(const struct shard_file *f,
                       uint64_t leaves,
                       struct digest *tail)
{
    uint64_t first = leaves / SHARD_TREE_GROUP * SHARD_TREE_GROUP;
    uint8_t *mem = malloc(SHARD_FILE_SCRATCH_SIZE);
    int rv = mem == NULL ? ERR_NOMEM : OK;

    if (rv == OK) {
        rv = file_read_at(f->fd, first * LEAF_SIZE, mem,
                          (size_t)(leaves - first) * LEAF_SIZE);
    }
    if (rv == OK) {
        merkle_leaves(mem, (size_t)(leaves - first), tail);
    }
    free(mem);
    return rv;
}

static int file_rename(struct shard_file *f, const char *from, const char *to)
{
    char *a = path_join(f->folder, from);
    char *b = path_join(f->folder, to);
    int rv = rename(a, b) == 0 ? OK : ERR_IO;

    free(a);
    free(b);
    return rv;
}

/* After the tree: without that, sums are made again together with it. */
static void sums_seal(struct shard_file *f)
{
    if (f->sums.fd >= 0) {
        shard_sums_cut(&f->sums, f->size / LEAF_SIZE);
        (void)file_rename(f, "sums.part", "sums");
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
    rv = tail_hashes(f, leaves, tail);
    if (rv == OK) {
        rv = shard_tree_finish(&f->tree, leaves, tail);
    }
    if (rv != OK) {
        return file_fail(f, "finish the tree of the", errmsg);
    }
    if (f->reserved > f->size) {
        /* Where it is not supported, nothing was reserved either. */
        (void)fallocate(f->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                        (off_t)f->size, (off_t)(f->reserved - f->size));
    }
    if (ftruncate(f->fd, (off_t)f->size) != 0 || fsync(f->fd) != 0 ||
        fsync(f->tree.fd) != 0 || file_rename(f, "tree.part", "tree") != OK) {
        return file_fail(f, "seal", errmsg);
    }
    sums_seal(f);
    if (file_rename(f, "shard.part", "shard") != OK) {
        return file_fail(f, "seal", errmsg);
    }
    rv = folder_sync(f->folder, errmsg);
    if (rv == OK) {
        f->root = *root;
        f->sealed = true;
    }
    return rv;
}

/* Write the tree of a sealed shard to f->tree.fd, from its bytes. */
static int tree_write(struct shard_file *f, const struct digest *root)
{
    uint64_t leaves = f->size / LEAF_SIZE;
    struct digest tail[SHARD_TREE_GROUP];
    struct digest got;
    int rv;

    merkle_range_init(&f->range);
    rv = f->tree.fd < 0 ? ERR_IO : leaves_rehash(f, 0, leaves);
    if (rv == OK) {
        merkle_range_root(&f->range, &got);
        rv = digest_equal(&got, root) ? OK : ERR_MISMATCH;
    }
    if (rv == OK) {
        rv = tail_hashes(f, leaves, tail);
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
    if (named && (rv != OK || file_rename(f, "tree.new", "tree") != OK)) {
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
    int rv = file_init(f, folder, errmsg);

    if (rv != OK) {
        return rv;
    }
    f->fd = file_open_at(f, "shard", O_RDONLY, errmsg);
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
    f->tree.fd = file_open_at(f, "tree", O_RDONLY, ignored);
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
    f->sums.fd = file_open_at(f, "sums", O_RDONLY, ignored);
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
