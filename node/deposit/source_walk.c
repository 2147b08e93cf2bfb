#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "node/deposit/source_private.h"

#define WALK_DEPTH_MAX 64

/* Folders on the way from the root to here: one that comes again is a loop. */
struct walk {
    struct source *s;
    char *errmsg;
    struct {
        dev_t dev;
        ino_t ino;
    } way[WALK_DEPTH_MAX];
    size_t depth;
};

static int walk_refuse(struct walk *w, const char *path, const char *why)
{
    errmsg_set(w->errmsg, "'%s' %s; remove or replace it, then try again",
               path[0] != '\0' ? path : w->s->root, why);
    return ERR_BAD;
}

static int walk_file(struct walk *w, const char *path, const struct stat *st)
{
    struct source *s = w->s;
    struct source_file *f;

    if (!catalogue_path_is_safe(slice_str(path))) {
        return walk_refuse(w, path,
                           "has a name that cannot be kept (not UTF-8, control "
                           "characters, or too long)");
    }
    if (s->files_len == s->files_max) {
        size_t max = s->files_max > 0 ? s->files_max * 2 : 64;
        struct source_file *files = realloc(s->files, max * sizeof(*files));

        if (files == NULL) {
            errmsg_set(w->errmsg, "out of memory for the list of files");
            return ERR_NOMEM;
        }
        s->files = files;
        s->files_max = max;
    }
    f = &s->files[s->files_len];
    memset(f, 0, sizeof(*f));
    f->path = strdup(path);
    if (f->path == NULL) {
        errmsg_set(w->errmsg, "out of memory for the list of files");
        return ERR_NOMEM;
    }
    f->size = (uint64_t)st->st_size;
    f->mode = st->st_mode & 0777;
    f->seen = *st;
    s->files_len++;
    return OK;
}

static int walk_folder(struct walk *w, const char *path, const struct stat *st);

static int walk_entry(struct walk *w, const char *path)
{
    char *whole = path_join(w->s->root, path);
    struct stat st;
    int rv;

    if (stat(whole, &st) != 0) {
        errmsg_set(w->errmsg,
                   "look at '%s': %s; mend or remove it, then try again", path,
                   strerror(errno));
        rv = ERR_IO;
    } else if (S_ISDIR(st.st_mode)) {
        rv = walk_folder(w, path, &st);
    } else if (S_ISREG(st.st_mode)) {
        rv = walk_file(w, path, &st);
    } else {
        rv = walk_refuse(w, path, "is neither a file nor a folder");
    }
    free(whole);
    return rv;
}

static int walk_names(struct walk *w, DIR *dir, const char *path)
{
    int rv = OK;

    while (rv == OK) {
        struct dirent *entry;
        char *inner;

        errno = 0;
        entry = readdir(dir);
        if (entry == NULL) {
            if (errno != 0) {
                errmsg_set(w->errmsg, "list '%s': %s", path, strerror(errno));
                rv = ERR_IO;
            }
            break;
        }
        if (strcmp(entry->d_name, ".") == 0 ||
            strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        inner = path[0] != '\0' ? path_join(path, entry->d_name)
                                : strdup(entry->d_name);
        rv = inner == NULL ? ERR_NOMEM : walk_entry(w, inner);
        free(inner);
    }
    return rv;
}

static int walk_folder(struct walk *w, const char *path, const struct stat *st)
{
    char *whole;
    DIR *dir;
    int rv;

    for (size_t i = 0; i < w->depth; i++) {
        if (w->way[i].dev == st->st_dev && w->way[i].ino == st->st_ino) {
            return walk_refuse(w, path, "is a loop of links");
        }
    }
    if (w->depth == WALK_DEPTH_MAX) {
        return walk_refuse(w, path, "is nested too deeply (64 folders)");
    }
    w->way[w->depth].dev = st->st_dev;
    w->way[w->depth].ino = st->st_ino;
    w->depth++;
    whole = path[0] != '\0' ? path_join(w->s->root, path) : strdup(w->s->root);
    dir = whole != NULL ? opendir(whole) : NULL;
    if (dir == NULL) {
        errmsg_set(w->errmsg, "open folder '%s': %s",
                   path[0] != '\0' ? path : w->s->root, strerror(errno));
        rv = ERR_IO;
    } else {
        rv = walk_names(w, dir, path);
        (void)closedir(dir);
    }
    free(whole);
    w->depth--;
    return rv;
}

/* The folder that |path| would be made in: the longest part of it that is
 * there. */
static int folder_open(const char *path)
{
    char *part = strdup(path);
    int fd = -1;

    while (part != NULL && fd < 0) {
        char *slash;

        fd = open(part, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd >= 0) {
            break;
        }
        slash = strrchr(part, '/');
        if (slash == NULL) {
            fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
            break;
        }
        slash[slash == part ? 1 : 0] = '\0';
        if (slash == part) {
            fd = open(part, O_PATH | O_DIRECTORY | O_CLOEXEC);
            break;
        }
    }
    free(part);
    return fd;
}

bool source_holds(const struct source *s, const char *path)
{
    int at = folder_open(path);
    struct stat root;
    struct stat here;
    struct stat above = {0};
    bool inside = false;
    bool ended = stat(s->root, &root) != 0 || at < 0 || fstat(at, &here) != 0;

    while (!ended && !inside) {
        int up = openat(at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);

        inside = here.st_dev == root.st_dev && here.st_ino == root.st_ino;
        ended = up < 0 || fstat(up, &above) != 0 ||
                (above.st_dev == here.st_dev && above.st_ino == here.st_ino);
        close(at);
        at = up;
        here = above;
    }
    if (at >= 0) {
        close(at);
    }
    return inside;
}

static int by_path(const void *a, const void *b)
{
    const struct source_file *x = a;
    const struct source_file *y = b;

    return strcmp(x->path, y->path);
}

int source_walk(struct source *s, char *errmsg)
{
    struct walk w = {.s = s, .errmsg = errmsg};
    struct stat st;
    int rv;

    if (stat(s->root, &st) != 0) {
        errmsg_set(errmsg, "look at '%s': %s", s->root, strerror(errno));
        return errno == ENOENT ? ERR_NOTFOUND : ERR_IO;
    }
    if (!S_ISDIR(st.st_mode)) {
        errmsg_set(errmsg, "'%s' is not a folder; put the model into one",
                   s->root);
        return ERR_BAD;
    }
    rv = walk_folder(&w, "", &st);
    if (rv == OK && s->files_len > 1) {
        qsort(s->files, s->files_len, sizeof(*s->files), by_path);
    }
    return rv;
}
