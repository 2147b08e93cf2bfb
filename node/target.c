#include "node/target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* The name under which a file is written until it is right: PART_NAME, as many
 * '~' as it takes to differ from all names in the catalogue, '-', and the
 * number of the file in the catalogue, so that a later run finds what an
 * earlier one left behind. */
#define PART_NAME      ".cairn-part"
#define PART_MARKS_MAX 256U /* Longer than any name that can be. */
#define PART_SIZE      (sizeof(PART_NAME) + PART_MARKS_MAX + 24)

struct target_file {
    char *path;
    uint64_t nth; /* In the catalogue. */
    uint64_t size;
    uint32_t mode;
    struct digest sha256;
    uint64_t first_segment, last_segment; /* Where it can have bytes. */
    uint32_t offset;
    bool done;
    bool replace; /* What stood under its name at first may go. */
};

/* File systems that have nothing to sync in a folder say EINVAL. */
static int folder_flush(int fd)
{
    return fsync(fd) == 0 || errno == EINVAL ? 0 : -1;
}

int target_open(struct target *t, const char *path, bool force, char *errmsg)
{
    int rv = folder_make(path, 0755, errmsg);

    memset(t, 0, sizeof(*t));
    t->fd = t->root = -1;
    if (rv != OK) {
        return rv;
    }
    t->root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (t->root < 0) {
        errmsg_set(errmsg, "open folder '%s': %s", path, strerror(errno));
        return ERR_IO;
    }
    /* Two at once would take each other's temporary files. Some file systems
     * cannot lock a folder; there file_place() notices. */
    if (flock(t->root, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        close(t->root);
        t->root = -1;
        errmsg_set(errmsg,
                   "another process is restoring into '%s'; wait for it or "
                   "choose another folder",
                   path);
        return ERR_BUSY;
    }
    t->path = strdup(path);
    if (t->path == NULL) {
        close(t->root);
        t->root = -1;
        errmsg_set(errmsg, "out of memory");
        return ERR_NOMEM;
    }
    t->force = force;
    sha256_init(&t->hash);
    return OK;
}

static void part_name(const struct target *t,
                      const struct target_file *f,
                      char out[PART_SIZE])
{
    char marks[PART_MARKS_MAX + 1];

    memset(marks, '~', t->marks);
    marks[t->marks] = '\0';
    (void)snprintf(out, PART_SIZE, PART_NAME "%s-%llu", marks,
                   (unsigned long long)f->nth);
}

/* No name in |path| may be that of a temporary file, also where the file system
 * does not know lower case from upper case. */
static void part_avoid(struct target *t, const char *path)
{
    const char *name = path;

    while (name != NULL) {
        if (strncasecmp(name, PART_NAME, strlen(PART_NAME)) == 0) {
            size_t marks = strspn(name + strlen(PART_NAME), "~") + 1;

            marks = marks < PART_MARKS_MAX ? marks : PART_MARKS_MAX;
            t->marks = t->marks > marks ? t->marks : marks;
        }
        name = strchr(name, '/');
        name = name != NULL ? name + 1 : NULL;
    }
}

/* Make the folder |name| in |at| if it is not there, durably, and open to
 * others whatever the umask; -1 with errno when that fails. */
static int folder_enter(int at, const char *name, bool make)
{
    bool made = make && mkdirat(at, name, 0755) == 0;
    int fd;

    if (make && !made && errno != EEXIST) {
        return -1;
    }
    fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && made) {
        (void)fchmod(fd, 0755);
        if (folder_flush(at) != 0) {
            close(fd);
            return -1;
        }
    }
    return fd;
}

/* Open the folder that |path| is in, one component at a time and never through
 * a link; the last component is left in *name. */
static int folder_of(const struct target *t,
                     const char *path,
                     bool make,
                     int *folder,
                     const char **name,
                     char *errmsg)
{
    int at = fcntl(t->root, F_DUPFD_CLOEXEC, 0);
    const char *rest = path;
    int rv;

    for (;;) {
        const char *slash = strchr(rest, '/');
        char component[256];
        int next;

        if (at < 0) {
            break;
        }
        if (slash == NULL) {
            *folder = at;
            *name = rest;
            return OK;
        }
        if ((size_t)(slash - rest) >= sizeof(component)) {
            errno = ENAMETOOLONG;
            break;
        }
        (void)snprintf(component, sizeof(component), "%.*s",
                       (int)(slash - rest), rest);
        next = folder_enter(at, component, make);
        if (next < 0) {
            break;
        }
        close(at);
        at = next;
        rest = slash + 1;
    }
    if (errno == ELOOP || errno == ENOTDIR) {
        errmsg_set(errmsg,
                   "a part of '%s' in '%s' is a link or a file, not a folder; "
                   "remove it or restore elsewhere",
                   path, t->path);
    } else {
        errmsg_set(errmsg, "folder of '%s': %s", path, strerror(errno));
    }
    rv = errno == ENOENT ? ERR_NOTFOUND : ERR_IO;
    if (at >= 0) {
        close(at);
    }
    return rv;
}

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

/* What is there already under a file's name? OK: nothing, or something that
 * may be replaced; f->done when it is right. */
static int file_existing(struct target *t, struct target_file *f, char *errmsg)
{
    const char *name;
    struct digest digest;
    struct stat st;
    int folder = -1;
    int fd;
    int rv = folder_of(t, f->path, false, &folder, &name, errmsg);

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
            rv = OK;
        } else if (t->force) {
            f->replace = true;
            rv = OK;
        }
    }
    if (rv != OK) {
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
        part_avoid(t, entry->path);
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
            errmsg_set(errmsg, "the deposit has no file '%s'", only[i]);
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

static int write_fully(int fd, uint64_t off, struct slice bytes)
{
    for (size_t done = 0; done < bytes.size;) {
        ssize_t put = pwrite(fd, bytes.data + done, bytes.size - done,
                             (off_t)(off + done));

        if (put < 0 && errno != EINTR) {
            return ERR_IO;
        }
        done += put > 0 ? (size_t)put : 0;
    }
    return OK;
}

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
    char part[PART_SIZE];
    int folder = -1;
    int rv = folder_of(t, f->path, true, &folder, &name, errmsg);

    if (rv != OK) {
        return rv == ERR_NOTFOUND ? ERR_IO : rv;
    }
    part_name(t, f, part);
    (void)unlinkat(folder, part, 0);
    t->fd = openat(folder, part,
                   O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (t->fd < 0) {
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
    char part[PART_SIZE];
    struct stat ours;
    struct stat there;

    part_name(t, f, part);
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
    return folder_flush(folder) == 0 ? OK : write_fail(f, errmsg);
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
    rv = folder_of(t, f->path, false, &folder, &name, errmsg);
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
    if (write_fully(t->fd, t->file_at, piece) != OK) {
        return write_fail(f, errmsg);
    }
    sha256_update(&t->hash, piece);
    t->file_at += piece.size;
    return t->file_at == f->size ? file_finish(t, errmsg) : OK;
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
    if (rv == OK && folder_flush(t->root) != 0) {
        errmsg_set(errmsg, "sync '%s': %s", t->path, strerror(errno));
        rv = ERR_IO;
    }
    return rv;
}

/* A file that was being written is not worth keeping: its bytes are still in
 * the shards. */
static void part_drop(struct target *t)
{
    const char *name;
    char part[PART_SIZE];
    char ignored[ERRMSG_SIZE];
    int folder = -1;

    if (t->fd < 0) {
        return;
    }
    close(t->fd);
    if (folder_of(t, t->files[t->file].path, false, &folder, &name, ignored) ==
        OK) {
        part_name(t, &t->files[t->file], part);
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
    free(t->path);
    close(t->root);
    sha256_close(&t->hash);
    memset(t, 0, sizeof(*t));
    t->root = t->fd = -1;
}
