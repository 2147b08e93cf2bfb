#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/recovery/target_internal.h"

/* Which files are restored, what is there of them already, and which segments
 * hold the rest. */

static int hash_fd(int fd, struct digest *out)
{
    uint8_t *mem = malloc(1U << 20);
    struct sha256 h;
    ssize_t got = -1;

    if (mem == NULL) {
        return ERR_NOMEM;
    }
    sha256_init(&h);
    for (;;) {
        got = read(fd, mem, 1U << 20);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            break;
        }
        sha256_update(&h, slice_of(mem, (size_t)got));
    }
    sha256_peek(&h, out);
    sha256_close(&h);
    free(mem);
    return got == 0 ? OK : ERR_IO;
}

/* A run that was killed may have left the file before its name was synced, and
 * this one is to end with all of them durable. */
static int existing_sync(const struct target *t,
                         const struct target_file *f,
                         int folder,
                         int fd,
                         char *errmsg)
{
    if (fsync(fd) == 0 && target_folder_flush(folder) == 0) {
        return OK;
    }
    errmsg_set(errmsg, "sync '%s/%s': %s; check the disk, then run it again",
               t->path, f->path, strerror(errno));
    return ERR_IO;
}

/* What is there already under a file's name? OK: nothing, or something that
 * may be replaced; f->done when it is right. */
static int file_existing(struct target *t, struct target_file *f, char *errmsg)
{
    const char *name;
    struct digest digest;
    struct stat st;
    int folder = -1;
    int fd;
    int rv = target_folder_of(t, f->path, false, &folder, &name, errmsg);

    if (rv != OK) {
        return rv == ERR_NOTFOUND ? OK : rv;
    }
    fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        goto out;
    }
    rv = ERR_EXISTS;
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        if ((uint64_t)st.st_size == f->size && hash_fd(fd, &digest) == OK &&
            digest_equal(&digest, &f->sha256)) {
            f->done = true;
            rv = existing_sync(t, f, folder, fd, errmsg);
        } else if (t->force) {
            f->replace = true;
            rv = OK;
        }
    }
    if (rv == ERR_EXISTS) {
        errmsg_set(errmsg, "'%s/%s' exists and %s", t->path, f->path,
                   fd < 0 ? "cannot be looked at" : "differs");
    }
out:
    if (fd >= 0) {
        close(fd);
    }
    close(folder);
    return rv;
}

/* Is |path| |want|, or in the folder |want|? */
static bool path_selected(const char *path, const char *want)
{
    size_t size = strlen(want);

    while (size > 0 && want[size - 1] == '/') {
        size--;
    }
    return size > 0 && strncmp(path, want, size) == 0 &&
           (path[size] == '\0' || path[size] == '/');
}

static bool is_selected(const char *path,
                        const char *const *only,
                        size_t only_len,
                        bool *matched)
{
    bool selected = only_len == 0;

    for (size_t i = 0; i < only_len; i++) {
        if (path_selected(path, only[i])) {
            matched[i] = true;
            selected = true;
        }
    }
    return selected;
}

static struct target_file *file_add(struct target *t)
{
    if (t->files_len == t->files_max) {
        size_t max = t->files_max > 0 ? t->files_max * 2 : 64;
        struct target_file *files = realloc(t->files, max * sizeof(*files));

        if (files == NULL) {
            return NULL;
        }
        t->files = files;
        t->files_max = max;
    }
    memset(&t->files[t->files_len], 0, sizeof(*t->files));
    return &t->files[t->files_len++];
}

/* The file before |at| in the catalogue ends where the next one begins. */
static void file_ends(struct target *t,
                      size_t index,
                      uint64_t segment,
                      uint32_t offset)
{
    struct target_file *f = &t->files[index];

    f->last_segment = segment;
    if (offset == 0 && segment > f->first_segment) {
        f->last_segment = segment - 1;
    }
}

static int plan_take(struct target *t,
                     const struct catalogue_file *entry,
                     uint64_t nth,
                     char *errmsg)
{
    struct target_file *f = file_add(t);

    if (f != NULL) {
        f->path = strdup(entry->path);
    }
    if (f == NULL || f->path == NULL) {
        errmsg_set(errmsg, "out of memory for the list of files");
        return ERR_NOMEM;
    }
    f->nth = nth;
    f->size = entry->size;
    f->mode = entry->mode;
    f->sha256 = entry->sha256;
    f->first_segment = entry->first_segment;
    f->last_segment = UINT64_MAX;
    f->offset = entry->offset;
    t->bytes += f->size;
    return OK;
}

static int plan_walk(struct target *t,
                     struct catalogue_walk *walk,
                     const char *const *only,
                     size_t only_len,
                     bool *matched,
                     char *errmsg)
{
    struct catalogue_file *entry = malloc(sizeof(*entry));
    struct slice statements[CATALOGUE_PROVENANCE_MAX];
    size_t statements_len = 0;
    size_t open_end = SIZE_MAX; /* A file whose end is not known yet. */
    uint64_t nth = 0;
    int rv = entry == NULL ? ERR_NOMEM : OK;

    while (rv == OK) {
        rv = catalogue_walk_next(walk, entry);
        if (rv != OK) {
            break;
        }
        target_part_avoid(t, entry->path);
        if (open_end != SIZE_MAX && entry->size > 0) {
            file_ends(t, open_end, entry->first_segment, entry->offset);
            open_end = SIZE_MAX;
        }
        if (is_selected(entry->path, only, only_len, matched)) {
            rv = plan_take(t, entry, nth, errmsg);
            if (rv == OK && entry->size > 0) {
                open_end = t->files_len - 1;
            }
            if (rv == OK) {
                rv = file_existing(t, &t->files[t->files_len - 1], errmsg);
            }
        }
        nth++;
    }
    free(entry);
    if (rv == ERR_NOTFOUND) {
        rv = catalogue_walk_end(walk, statements, &statements_len);
    }
    return rv;
}

int target_plan(struct target *t,
                struct slice catalogue,
                uint32_t segment_size,
                const char *const *only,
                size_t only_len,
                char *errmsg)
{
    struct catalogue_walk *walk = malloc(sizeof(*walk));
    bool *matched = calloc(only_len + 1, sizeof(*matched));
    int rv = walk == NULL || matched == NULL ? ERR_NOMEM : OK;

    t->segment_size = segment_size;
    errmsg[0] = '\0';
    if (rv == OK) {
        rv = catalogue_walk_init(walk, catalogue, segment_size);
    }
    if (rv == OK) {
        rv = plan_walk(t, walk, only, only_len, matched, errmsg);
    }
    if (rv != OK && errmsg[0] == '\0') {
        errmsg_set(errmsg, "the catalogue is not a valid one");
    }
    for (size_t i = 0; i < only_len && rv == OK; i++) {
        if (!matched[i]) {
            errmsg_set(errmsg,
                       "the deposit has no file '%s'; --only takes files and "
                       "folders by their path in the model",
                       only[i]);
            rv = ERR_NOTFOUND;
        }
    }
    free(matched);
    free(walk);
    return rv;
}

size_t target_segments(const struct target *t, uint64_t *wanted, size_t max)
{
    size_t len = 0;

    for (size_t i = 0; i < t->files_len; i++) {
        const struct target_file *f = &t->files[i];
        uint64_t at = f->first_segment;

        if (f->done || f->size == 0) {
            continue;
        }
        if (len > 0 && at <= wanted[len - 1]) {
            at = wanted[len - 1] + 1;
        }
        for (; at <= f->last_segment && at < max; at++) {
            assert(len < max);
            wanted[len++] = at;
        }
    }
    return len;
}
