#include "node/deposit/lint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "node/base/text.h"
#include "node/deposit/lint_formats.h"

void lint_add(struct lint *l,
              enum lint_level level,
              const char *path,
              const char *format,
              ...)
{
    char text[ERRMSG_SIZE];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    text_clean(text); /* Names in it come from the files. */
    l->errors += level == LINT_ERROR;
    l->warnings += level == LINT_WARNING;
    if (l->findings_len == LINT_FINDINGS_MAX) {
        l->dropped++;
        return;
    }
    if (l->findings_len == l->findings_max) {
        size_t max = l->findings_max > 0 ? l->findings_max * 2 : 16;
        struct lint_finding *list = realloc(l->findings, max * sizeof(*list));

        if (list == NULL) {
            l->dropped++;
            return;
        }
        l->findings = list;
        l->findings_max = max;
    }
    l->findings[l->findings_len++] = (struct lint_finding){
        .level = level, .path = strdup(path), .text = strdup(text)};
}

void lint_close(struct lint *l)
{
    for (size_t i = 0; i < l->findings_len; i++) {
        free(l->findings[i].path);
        free(l->findings[i].text);
    }
    free(l->findings);
    memset(l, 0, sizeof(*l));
}

static bool ends_with(const char *path, const char *end)
{
    size_t a = strlen(path);
    size_t b = strlen(end);

    return a >= b && strcmp(path + a - b, end) == 0;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

int lint_read(const struct source *s,
              const struct source_file *f,
              uint64_t off,
              uint8_t *out,
              size_t size,
              char *errmsg)
{
    char *path = path_join(s->root, f->path);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    ssize_t got = fd < 0 ? -1 : pread(fd, out, size, (off_t)off);
    int rv = got == (ssize_t)size ? OK : ERR_IO;

    if (rv != OK) {
        errmsg_set(errmsg, "read '%s': %s", path,
                   got < 0 ? strerror(errno) : "it is shorter than it was");
    }
    if (fd >= 0) {
        close(fd);
    }
    free(path);
    return rv;
}

/* Formats that run code when they are loaded, and what is known of them. */
static void lint_executable(struct lint *l, const struct source_file *f)
{
    static const char *const pickles[] = {".bin",    ".pt",   ".pth",   ".pkl",
                                          ".pickle", ".ckpt", ".joblib"};

    for (size_t i = 0; i < sizeof(pickles) / sizeof(pickles[0]); i++) {
        if (ends_with(f->path, pickles[i])) {
            lint_add(l, LINT_WARNING, f->path,
                     "may be a Python pickle, which runs code when it is "
                     "loaded; safetensors holds the same weights and no code");
            return;
        }
    }
    if (ends_with(f->path, ".py")) {
        lint_add(l, LINT_WARNING, f->path,
                 "code that a loader may run; in decades its interpreter may "
                 "be gone");
    }
}

/* The classic bad deposit: a Git LFS pointer in place of the weights. */
static int lint_pointer(struct lint *l,
                        const struct source *s,
                        const struct source_file *f,
                        char *errmsg)
{
    static const char first[] = "version https://git-lfs.github.com/spec/v1\n";
    uint8_t head[sizeof(first) - 1];
    int rv;

    if (f->size < sizeof(head) || f->size > 1024) {
        return OK;
    }
    rv = lint_read(s, f, 0, head, sizeof(head), errmsg);
    if (rv == OK && memcmp(head, first, sizeof(head)) == 0) {
        lint_add(l, LINT_ERROR, f->path,
                 "is a Git LFS pointer, not the file itself; run 'git lfs "
                 "pull' in the model's repository");
    }
    return rv;
}

static int lint_file(struct lint *l,
                     struct source *s,
                     struct source_file *f,
                     char *errmsg)
{
    unsigned errors = l->errors;
    int rv = lint_pointer(l, s, f, errmsg);

    if (rv != OK || l->errors > errors) {
        return rv; /* Of a pointer there is nothing else to say. */
    }
    lint_executable(l, f);
    if (f->size == 0) {
        lint_add(l, LINT_NOTE, f->path, "is empty");
    }
    if (ends_with(f->path, ".safetensors")) {
        return lint_safetensors(l, s, f, errmsg);
    }
    if (ends_with(f->path, ".gguf")) {
        return lint_gguf(l, s, f, errmsg);
    }
    if (ends_with(f->path, ".safetensors.index.json")) {
        return lint_index(l, s, f, errmsg);
    }
    return OK;
}

static bool has_name(const struct source *s, const char *start)
{
    for (size_t i = 0; i < s->files_len; i++) {
        if (strncmp(base_name(s->files[i].path), start, strlen(start)) == 0) {
            return true;
        }
    }
    return false;
}

int lint_run(struct lint *l, struct source *s, char *errmsg)
{
    int rv = OK;

    memset(l, 0, sizeof(*l));
    for (size_t i = 0; i < s->files_len && rv == OK; i++) {
        rv = lint_file(l, s, &s->files[i], errmsg);
    }
    if (rv != OK) {
        lint_close(l);
        return rv;
    }
    if (s->files_len == 0) {
        lint_add(l, LINT_ERROR, "", "the directory has no files");
    } else {
        if (!has_name(s, "LICENSE") && !has_name(s, "LICENCE") &&
            !has_name(s, "COPYING")) {
            lint_add(l, LINT_NOTE, "",
                     "no licence file: a recipient in decades will not know "
                     "what it may do");
        }
        if (!has_name(s, "README")) {
            lint_add(l, LINT_NOTE, "",
                     "no README: a recipient in decades will not know what "
                     "this is");
        }
    }
    return OK;
}
