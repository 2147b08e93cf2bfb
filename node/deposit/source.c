#include "node/deposit/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "node/deposit/source_private.h"

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_size == b->st_size && a->st_ino == b->st_ino &&
           a->st_dev == b->st_dev && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

int source_open(struct source *s, const char *root, char *errmsg)
{
    int rv;

    memset(s, 0, sizeof(*s));
    s->fd = -1;
    s->root = strdup(root);
    if (s->root == NULL) {
        return errmsg_memory(errmsg);
    }
    sha256_init(&s->hash);
    rv = source_walk(s, errmsg);
    if (rv != OK) {
        source_close(s);
        return rv;
    }
    for (size_t i = 0; i < s->files_len; i++) {
        s->files[i].start = s->size;
        s->size += s->files[i].size;
    }
    return OK;
}

void source_close(struct source *s)
{
    if (s->root == NULL) {
        return;
    }
    if (s->fd >= 0) {
        close(s->fd);
    }
    for (size_t i = 0; i < s->files_len; i++) {
        free(s->files[i].path);
        free(s->files[i].dtypes);
    }
    free(s->files);
    free(s->catalogue);
    free(s->root);
    sha256_close(&s->hash);
    memset(s, 0, sizeof(*s));
    s->fd = -1;
}

struct source_file *source_find(struct source *s, const char *path)
{
    size_t lo = 0;
    size_t hi = s->files_len;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int order = strcmp(s->files[mid].path, path);

        if (order == 0) {
            return &s->files[mid];
        }
        if (order < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return NULL;
}

static int changed(const struct source_file *f, char *errmsg)
{
    errmsg_set(errmsg,
               "'%s' changed while it was read; let nothing write to the model "
               "and start a new deposit",
               f->path);
    return ERR_MISMATCH;
}

static int file_open(const struct source *s,
                     const struct source_file *f,
                     int *fd,
                     char *errmsg)
{
    char *path = path_join(s->root, f->path);
    struct stat st;
    int rv = OK;

    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (*fd < 0) {
        errmsg_set(errmsg, "open '%s': %s", path, strerror(errno));
        rv = ERR_IO;
    } else if (fstat(*fd, &st) != 0 || !same_file(&st, &f->seen)) {
        rv = changed(f, errmsg);
        close(*fd);
        *fd = -1;
    }
    free(path);
    return rv;
}

static int read_fully(int fd,
                      uint64_t off,
                      uint8_t *mem,
                      size_t len,
                      const struct source_file *f,
                      char *errmsg)
{
    int rv = file_read_at(fd, off, mem, len);

    if (rv == ERR_NOTFOUND) {
        return changed(f, errmsg);
    }
    if (rv != OK) {
        errmsg_set(errmsg, "read '%s': %s", f->path, strerror(errno));
    }
    return rv;
}

/* The current file was read to its end: its digest is known, and it must
 * still be what it was. */
static int file_done(struct source *s, struct sha256 *segment, char *errmsg)
{
    struct source_file *f = &s->files[s->file];
    struct stat st;

    if (s->fd < 0) {
        int rv = file_open(s, f, &s->fd, errmsg); /* It is empty. */

        if (rv != OK) {
            return rv;
        }
    }
    if (fstat(s->fd, &st) != 0 || !same_file(&st, &f->seen)) {
        return changed(f, errmsg);
    }
    close(s->fd);
    s->fd = -1;
    sha256_peek(&s->hash, &f->sha256);
    sha256_reset(&s->hash);
    f->hashed = true;
    s->file++;
    sha256_update(segment, digest_slice(&f->sha256));
    return OK;
}

/* Where a read goes: one byte behind the other, or tiles that are taken from
 * the same place. */
struct sink {
    uint8_t *mem;
    void (*take)(void *arg, struct slice tile);
    void *arg;
};

/* Read what is wanted of the current file. */
static int file_take(struct source *s,
                     struct sink *to,
                     size_t len,
                     char *errmsg)
{
    struct source_file *f = &s->files[s->file];
    int rv = OK;

    if (s->fd < 0) {
        rv = file_open(s, f, &s->fd, errmsg);
        if (rv == OK) {
            (void)posix_fadvise(s->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
        }
    }
    while (len > 0 && rv == OK) {
        size_t tile = len < SOURCE_TILE ? len : SOURCE_TILE;

        rv = read_fully(s->fd, s->at - f->start, to->mem, tile, f, errmsg);
        if (rv == OK) {
            sha256_update(&s->hash, slice_of(to->mem, tile));
            if (to->take != NULL) {
                to->take(to->arg, slice_of(to->mem, tile));
            } else {
                to->mem += tile;
            }
            s->at += tile;
            len -= tile;
        }
    }
    return rv;
}

static int files_read(struct source *s,
                      struct sink *to,
                      size_t len,
                      struct sha256 *segment,
                      char *errmsg)
{
    struct digest part;
    int rv = OK;

    while (rv == OK && s->file < s->files_len) {
        const struct source_file *f = &s->files[s->file];
        uint64_t left = f->start + f->size - s->at;
        size_t take = left < len ? (size_t)left : len;

        if (left == 0) {
            rv = file_done(s, segment, errmsg);
            continue;
        }
        if (take == 0) {
            break;
        }
        rv = file_take(s, to, take, errmsg);
        len -= take;
    }
    if (rv == OK) {
        assert(len == 0);
        sha256_peek(&s->hash, &part);
        sha256_update(segment, digest_slice(&part));
    }
    return rv;
}

static void catalogue_read(struct source *s,
                           const struct sink *to,
                           size_t len,
                           struct sha256 *segment)
{
    struct slice tile = slice_of(s->catalogue + (s->at - s->size), len);

    sha256_update(segment, tile);
    if (to->take != NULL) {
        to->take(to->arg, tile);
    } else {
        memcpy(to->mem, tile.data, len);
    }
    s->at += len;
}

int source_read(struct source *s,
                uint64_t off,
                uint8_t *mem,
                size_t len,
                void (*take)(void *arg, struct slice tile),
                void *arg,
                struct digest *digest,
                char *errmsg)
{
    struct sink to = {.mem = mem, .take = take, .arg = arg};
    struct sha256 segment;
    struct digest inner;
    int rv = OK;

    assert(off == s->at);
    sha256_init(&segment);
    if (off >= s->size && s->catalogue != NULL) {
        assert(len <= s->catalogue_size - (off - s->size));
        catalogue_read(s, &to, len, &segment);
    } else {
        assert(len <= s->size - off);
        rv = files_read(s, &to, len, &segment, errmsg);
    }
    if (rv == OK) {
        sha256_peek(&segment, &inner);
        TH256(digest, "segment-plain", digest_slice(&inner));
    }
    sha256_close(&segment);
    return rv;
}

int source_finish(struct source *s, char *errmsg)
{
    struct sha256 rest;
    int rv = OK;

    sha256_init(&rest);
    while (rv == OK && s->file < s->files_len) {
        rv = file_done(s, &rest, errmsg);
    }
    sha256_close(&rest);
    return rv;
}

/* The last file that begins at or before |off|. */
static size_t file_at(const struct source *s, uint64_t off)
{
    size_t lo = 0;
    size_t hi = s->files_len;

    while (hi - lo > 1) {
        size_t mid = lo + (hi - lo) / 2;

        if (s->files[mid].start <= off) {
            lo = mid;
        } else {
            hi = mid;
        }
    }
    return lo;
}

int source_peek(const struct source *s,
                uint64_t off,
                uint8_t *mem,
                size_t len,
                char *errmsg)
{
    int rv = OK;

    if (off >= s->size) {
        assert(s->catalogue != NULL &&
               off - s->size + len <= s->catalogue_size);
        memcpy(mem, s->catalogue + (off - s->size), len);
        return OK;
    }
    for (size_t i = file_at(s, off); len > 0 && rv == OK; i++) {
        const struct source_file *f = &s->files[i];
        uint64_t left = f->start + f->size - off;
        size_t take = left < len ? (size_t)left : len;
        int fd = -1;

        assert(i < s->files_len);
        if (take == 0) {
            continue;
        }
        rv = file_open(s, f, &fd, errmsg);
        if (rv == OK) {
            rv = read_fully(fd, off - f->start, mem, take, f, errmsg);
            close(fd);
        }
        mem += take;
        off += take;
        len -= take;
    }
    return rv;
}

int source_recheck(const struct source *s, char *errmsg)
{
    struct source now;
    int rv = source_open(&now, s->root, errmsg);

    if (rv != OK) {
        return rv;
    }
    for (size_t i = 0; i < s->files_len && rv == OK; i++) {
        const struct source_file *f = &s->files[i];

        if (i >= now.files_len || strcmp(now.files[i].path, f->path) != 0 ||
            !same_file(&now.files[i].seen, &f->seen)) {
            rv = changed(f, errmsg);
        }
    }
    if (rv == OK && now.files_len != s->files_len) {
        rv = changed(&now.files[s->files_len], errmsg);
    }
    source_close(&now);
    return rv;
}
