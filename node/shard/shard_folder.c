#include "node/shard/shard_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

char *shard_folder_path(const char *into, uint16_t index)
{
    char name[16];

    (void)snprintf(name, sizeof(name), "shard-%02u", index);
    return path_join(into, name);
}

static int folder_manifest(struct shard_folder *f, char *errmsg)
{
    char *path = path_join(f->path, "manifest");
    uint8_t *data = NULL;
    size_t size = 0;
    struct feed_entry e;
    struct stat st;
    int rv;

    /* Whoever brought it may have put a pipe there, which never ends. */
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
        errmsg_set(errmsg, "'%s' is no file", path);
        rv = ERR_BAD;
        goto out;
    }
    rv = file_read(path, FEED_ENTRY_MAX, &data, &size, errmsg);
    if (rv != OK) {
        goto out;
    }
    rv = feed_entry_decode(&e, slice_of(data, size));
    if (rv == OK && (e.pruned || e.header.kind != FEED_MANIFEST)) {
        rv = ERR_BAD;
    }
    if (rv == OK) {
        rv = manifest_decode(&f->manifest, &e.header.author, e.payload);
    }
    if (rv == OK && !digest_equal(&f->manifest.net, &e.header.net)) {
        rv = ERR_BAD;
    }
    if (rv == OK && f->manifest.offline) {
        rv = feed_entry_verify(&e, e.header.author.bytes);
        f->signature_checked = true;
    }
    if (rv == ERR_UNSUPPORTED) {
        errmsg_set(errmsg,
                   "'%s' is of a later format; use a newer cairn to read it",
                   path);
    } else if (rv == ERR_AUTH) {
        errmsg_set(errmsg, "the signature of '%s' is false", path);
    } else if (rv == ERR_MISMATCH) {
        errmsg_set(errmsg,
                   "'%s' is damaged, or its author speaks for another's "
                   "deposit",
                   path);
    } else if (rv != OK) {
        errmsg_set(errmsg, "'%s' is damaged or no manifest", path);
    } else {
        f->manifest_hash = e.header.payload_hash;
        f->author = e.header.author;
    }
out:
    free(data);
    free(path);
    return rv;
}

static int trailer_read(int fd,
                        uint64_t want_size,
                        uint8_t leaf[LEAF_SIZE],
                        int *error)
{
    struct stat st;
    ssize_t got;

    if (fstat(fd, &st) != 0) {
        *error = errno;
        return ERR_IO;
    }
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != want_size) {
        return ERR_BAD;
    }
    got = pread(fd, leaf, LEAF_SIZE, (off_t)(want_size - LEAF_SIZE));
    *error = errno;
    return got == (ssize_t)LEAF_SIZE ? OK : ERR_IO;
}

static int folder_trailer(struct shard_folder *f, char *errmsg)
{
    const struct manifest *m = &f->manifest;
    char *path = path_join(f->path, "shard");
    uint8_t leaf[LEAF_SIZE];
    struct shard_trailer t;
    int error = 0;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    int rv = ERR_NOTFOUND;

    if (fd < 0) {
        errmsg_set(errmsg, "open '%s': %s", path, strerror(errno));
        goto out;
    }
    rv = trailer_read(fd, m->shard_size, leaf, &error);
    if (rv == ERR_IO) {
        errmsg_set(errmsg, "read '%s': %s", path, strerror(error));
        goto out;
    }
    if (rv == OK) {
        rv = shard_trailer_decode(&t, m->shard_size, leaf);
    }
    if (rv != OK) {
        errmsg_set(errmsg, "'%s' is cut short or its end is damaged", path);
        goto out;
    }
    if (!digest_equal(&t.deposit_id, &m->deposit_id) || t.k != m->k ||
        t.n != m->n || t.segments != m->segments ||
        t.catalogue_segments != m->catalogue_segments ||
        t.segment_size != m->segment_size) {
        errmsg_set(errmsg, "'%s' is not of the deposit in its manifest", path);
        rv = ERR_MISMATCH;
        goto out;
    }
    f->index = t.index;
out:
    if (fd >= 0) {
        close(fd);
    }
    free(path);
    return rv;
}

int shard_folder_open(struct shard_folder *f, const char *path, char *errmsg)
{
    int rv;

    memset(f, 0, sizeof(*f));
    f->path = strdup(path);
    if (f->path == NULL) {
        return errmsg_memory(errmsg);
    }
    rv = folder_manifest(f, errmsg);
    if (rv == OK) {
        rv = folder_trailer(f, errmsg);
    }
    if (rv != OK) {
        shard_folder_close(f);
    }
    return rv;
}

void shard_folder_close(struct shard_folder *f)
{
    free(f->path);
    f->path = NULL;
}

/* How many different shards of the deposit of |f| are in the list? */
static unsigned shards_alike(const struct shard_folder *f,
                             const struct shard_folder *list,
                             size_t len)
{
    uint64_t seen = 0;

    for (size_t i = 0; i < len; i++) {
        if (list[i].path != NULL &&
            digest_equal(&list[i].manifest_hash, &f->manifest_hash)) {
            seen |= (uint64_t)1 << list[i].index;
        }
    }
    return (unsigned)__builtin_popcountll(seen);
}

const struct shard_folder *shard_folders_most(const struct shard_folder *list,
                                              size_t len)
{
    const struct shard_folder *best = NULL;
    unsigned best_len = 0;
    bool best_enough = false;

    for (size_t i = 0; i < len; i++) {
        unsigned alike;
        bool enough;

        if (list[i].path == NULL) {
            continue;
        }
        alike = shards_alike(&list[i], list, len);
        enough = alike >= list[i].manifest.k;
        if (best == NULL || enough > best_enough ||
            (enough == best_enough && alike > best_len)) {
            best = &list[i];
            best_len = alike;
            best_enough = enough;
        }
    }
    return best;
}
