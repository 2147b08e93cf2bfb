#include <stdlib.h>

#include "node/deposit/source_private.h"

#ifndef CAIRN_PROGRAM
#define CAIRN_PROGRAM "cairn"
#endif

/* A catalogue while it is written. */
struct growing {
    uint8_t *data;
    size_t size, max;
};

static int grow(struct growing *g, size_t more, char *errmsg)
{
    size_t max = g->max > 0 ? g->max * 2 : (size_t)64 << 10;
    uint8_t *data;

    while (max - g->size < more) {
        max *= 2;
    }
    if (g->max - g->size >= more) {
        return OK;
    }
    if (g->size + more > CATALOGUE_SIZE_MAX + CATALOGUE_VALUE_MAX) {
        errmsg_set(errmsg,
                   "too many files for one catalogue (%zu MiB); pack small "
                   "files into archives, or make several deposits",
                   CATALOGUE_SIZE_MAX >> 20);
        return ERR_FULL;
    }
    data = realloc(g->data, max);
    if (data == NULL) {
        errmsg_set(errmsg, "out of memory for the catalogue");
        return ERR_NOMEM;
    }
    g->data = data;
    g->max = max;
    return OK;
}

static int catalogue_head(const struct source *s,
                          const char *label,
                          uint64_t time_s,
                          struct growing *g,
                          char *errmsg)
{
    struct catalogue_head head = {
        .files = s->files_len, .plain_size = s->size, .time_s = time_s};
    size_t size = 0;
    int rv = grow(g, CATALOGUE_VALUE_MAX, errmsg);

    (void)snprintf(head.label, sizeof(head.label), "%s", label);
    (void)snprintf(head.program, sizeof(head.program), "%s", CAIRN_PROGRAM);
    if (rv == OK) {
        rv = catalogue_head_encode(&head, g->data, g->max, &size);
        g->size += size;
    }
    return rv;
}

static int catalogue_add(const struct source_file *f,
                         uint32_t segment_size,
                         struct catalogue_file *entry,
                         struct growing *g,
                         char *errmsg)
{
    size_t size = 0;
    int rv = grow(g, CATALOGUE_VALUE_MAX, errmsg);

    if (rv != OK) {
        return rv;
    }
    if (!f->hashed) {
        return ERR_ORDER;
    }
    memset(entry, 0, sizeof(*entry));
    memcpy(entry->path, f->path, strlen(f->path));
    entry->size = f->size;
    entry->mode = f->mode;
    entry->sha256 = f->sha256;
    entry->first_segment = f->start / segment_size;
    entry->offset = (uint32_t)(f->start % segment_size);
    memcpy(entry->kind, f->kind, sizeof(entry->kind));
    if (f->dtypes_len > 0) {
        memcpy(entry->dtypes, f->dtypes, f->dtypes_len * sizeof(*f->dtypes));
    }
    entry->dtypes_len = f->dtypes_len;
    rv = catalogue_file_encode(entry, g->data + g->size, g->max - g->size,
                               &size);
    g->size += size;
    return rv;
}

int source_make_catalogue(struct source *s,
                          const char *label,
                          uint64_t time_s,
                          uint32_t segment_size,
                          const struct slice *provenance,
                          size_t provenance_len,
                          char *errmsg)
{
    struct growing g = {0};
    struct catalogue_file *entry = malloc(sizeof(*entry));
    size_t size = 0;
    size_t room = CATALOGUE_VALUE_MAX;
    int rv = entry == NULL ? ERR_NOMEM : OK;

    assert(s->catalogue == NULL && s->at == s->size);
    if (rv == OK) {
        rv = source_finish(s, errmsg);
    }
    if (rv == OK) {
        rv = catalogue_head(s, label, time_s, &g, errmsg);
    }
    for (size_t i = 0; i < s->files_len && rv == OK; i++) {
        rv = catalogue_add(&s->files[i], segment_size, entry, &g, errmsg);
    }
    for (size_t i = 0; i < provenance_len; i++) {
        room += provenance[i].size;
    }
    if (rv == OK) {
        rv = grow(&g, room, errmsg);
    }
    if (rv == OK) {
        rv = catalogue_provenance_encode(
            provenance, provenance_len, g.data + g.size, g.max - g.size, &size);
    }
    if (rv == OK && g.size + size > CATALOGUE_SIZE_MAX) {
        rv = ERR_FULL;
        errmsg_set(errmsg, "the catalogue is larger than 64 MiB");
    }
    free(entry);
    if (rv != OK) {
        if (errmsg[0] == '\0') {
            errmsg_set(errmsg, "the catalogue cannot be made (%d)", rv);
        }
        free(g.data);
        return rv;
    }
    s->catalogue = g.data;
    s->catalogue_size = g.size + size;
    return OK;
}
