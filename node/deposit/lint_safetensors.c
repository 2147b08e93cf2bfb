#include <jansson.h>
#include <stdlib.h>

#include "node/deposit/lint_formats.h"
#include "protocol/text.h"

/* The format's own bound on its header. */
#define HEADER_MAX 100000000U
#define INDEX_MAX  (64U << 20)

static const struct dtype {
    const char *name;
    unsigned bits;
} dtypes[] = {
    {"BOOL", 8},        {"U8", 8},          {"I8", 8},      {"I16", 16},
    {"U16", 16},        {"I32", 32},        {"U32", 32},    {"I64", 64},
    {"U64", 64},        {"F16", 16},        {"BF16", 16},   {"F32", 32},
    {"F64", 64},        {"C64", 64},        {"F8_E5M2", 8}, {"F8_E4M3", 8},
    {"F8_E8M0", 8},     {"F4", 4},          {"F6_E2M3", 6}, {"F6_E3M2", 6},
    {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8},
};

static unsigned dtype_bits(const char *name)
{
    for (size_t i = 0; i < sizeof(dtypes) / sizeof(dtypes[0]); i++) {
        if (strcmp(dtypes[i].name, name) == 0) {
            return dtypes[i].bits;
        }
    }
    return 0;
}

/* Where one tensor's bytes lie. */
struct extent {
    uint64_t begin, end;
};

static int by_begin(const void *a, const void *b)
{
    const struct extent *x = a;
    const struct extent *y = b;

    if (x->begin != y->begin) {
        return x->begin < y->begin ? -1 : 1;
    }
    return (x->end > y->end) - (x->end < y->end);
}

static bool json_u64(const json_t *v, uint64_t *out)
{
    if (!json_is_integer(v) || json_integer_value(v) < 0) {
        return false;
    }
    *out = (uint64_t)json_integer_value(v);
    return true;
}

/* Elements of a shape; false when they overflow. */
static bool shape_elements(const json_t *shape, uint64_t *out)
{
    uint64_t elements = 1;
    size_t i;
    json_t *v;

    if (!json_is_array(shape)) {
        return false;
    }
    json_array_foreach(shape, i, v)
    {
        uint64_t dim;

        if (!json_u64(v, &dim) ||
            __builtin_mul_overflow(elements, dim, &elements)) {
            return false;
        }
    }
    *out = elements;
    return true;
}

static void dtype_count(struct source_file *f, const char *name, uint64_t size)
{
    size_t i = 0;

    if (name[0] == '\0' || strlen(name) >= sizeof(f->dtypes->name) ||
        !text_is_plain(slice_str(name))) {
        return; /* The catalogue has no place for it. */
    }
    if (f->dtypes == NULL) {
        f->dtypes = calloc(CATALOGUE_DTYPES_MAX, sizeof(*f->dtypes));
    }
    while (i < f->dtypes_len && strcmp(f->dtypes[i].name, name) != 0) {
        i++;
    }
    if (f->dtypes == NULL || i == CATALOGUE_DTYPES_MAX) {
        return;
    }
    if (i == f->dtypes_len) {
        memcpy(f->dtypes[i].name, name, strlen(name) + 1);
        f->dtypes[i].size = 0;
        f->dtypes_len++;
    }
    f->dtypes[i].size += size;
}

/* One tensor of a header; false when it breaks the format. */
static bool tensor_check(struct lint *l,
                         struct source_file *f,
                         const json_t *tensor,
                         struct extent *extent)
{
    const char *dtype = json_string_value(json_object_get(tensor, "dtype"));
    const json_t *offsets = json_object_get(tensor, "data_offsets");
    unsigned bits = dtype != NULL ? dtype_bits(dtype) : 0;
    uint64_t elements;
    uint64_t size_bits;

    if (dtype == NULL || json_array_size(offsets) != 2 ||
        !json_u64(json_array_get(offsets, 0), &extent->begin) ||
        !json_u64(json_array_get(offsets, 1), &extent->end) ||
        extent->end < extent->begin ||
        !shape_elements(json_object_get(tensor, "shape"), &elements)) {
        return false;
    }
    dtype_count(f, dtype, extent->end - extent->begin);
    l->parameters += elements;
    if (bits == 0) {
        return true; /* Unknown: kept as it is, and said once by the caller. */
    }
    return !__builtin_mul_overflow(elements, (uint64_t)bits, &size_bits) &&
           size_bits % 8 == 0 && size_bits / 8 == extent->end - extent->begin;
}

/* The extents must fill the data exactly, without gap or overlap. */
static void extents_check(struct lint *l,
                          const struct source_file *f,
                          struct extent *extents,
                          size_t len,
                          uint64_t data_size)
{
    uint64_t at = 0;

    if (len > 1) {
        qsort(extents, len, sizeof(*extents), by_begin);
    }
    for (size_t i = 0; i < len; i++) {
        if (extents[i].begin != at) {
            lint_add(l, LINT_ERROR, f->path,
                     "its tensors leave a gap or overlap at byte %llu",
                     (unsigned long long)at);
            return;
        }
        at = extents[i].end;
    }
    if (at != data_size) {
        lint_add(l, LINT_ERROR, f->path,
                 "its header describes %llu bytes of tensors and %llu are "
                 "there: cut short or damaged",
                 (unsigned long long)at, (unsigned long long)data_size);
    }
}

static void header_check(struct lint *l,
                         struct source_file *f,
                         json_t *header,
                         uint64_t data_size)
{
    struct extent *extents =
        calloc(json_object_size(header) + 1, sizeof(*extents));
    size_t len = 0;
    const char *name;
    json_t *tensor;

    if (extents == NULL) {
        lint_add(l, LINT_WARNING, f->path, "not checked: out of memory");
        return;
    }
    json_object_foreach(header, name, tensor)
    {
        if (strcmp(name, "__metadata__") == 0) {
            continue;
        }
        if (!tensor_check(l, f, tensor, &extents[len])) {
            lint_add(l, LINT_ERROR, f->path,
                     "its tensor '%.100s' has an impossible description", name);
            free(extents);
            return;
        }
        len++;
    }
    extents_check(l, f, extents, len, data_size);
    free(extents);
}

/* The header of |f| as JSON, or NULL with |*rv| saying whether that was an
 * error of reading (findings are added otherwise). */
static json_t *header_load(struct lint *l,
                           const struct source *s,
                           const struct source_file *f,
                           uint64_t *header_size,
                           int *rv,
                           char *errmsg)
{
    uint8_t size_bytes[8];
    uint64_t size = 0;
    uint8_t *text = NULL;
    json_error_t error;
    json_t *header = NULL;

    *rv = OK;
    if (f->size >= sizeof(size_bytes)) {
        *rv = lint_read(s, f, 0, size_bytes, sizeof(size_bytes), errmsg);
        size = u64le_load(size_bytes);
    }
    if (*rv != OK) {
        return NULL;
    }
    if (f->size < 8 || size > HEADER_MAX || size > f->size - 8) {
        lint_add(l, LINT_ERROR, f->path,
                 "is cut short or no safetensors file: its header does not "
                 "fit into it");
        return NULL;
    }
    text = malloc(size + 1);
    *rv = text == NULL ? ERR_NOMEM : lint_read(s, f, 8, text, size, errmsg);
    if (*rv == OK) {
        header = json_loadb((const char *)text, size,
                            JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
        if (header == NULL || text[0] != '{') {
            lint_add(l, LINT_ERROR, f->path, "its header is no JSON object");
            json_decref(header);
            header = NULL;
        }
    }
    free(text);
    *header_size = size;
    return header;
}

int lint_safetensors(struct lint *l,
                     struct source *s,
                     struct source_file *f,
                     char *errmsg)
{
    uint64_t size = 0;
    int rv;
    json_t *header = header_load(l, s, f, &size, &rv, errmsg);

    if (header == NULL) {
        return rv;
    }
    memcpy(f->kind, "safetensors", sizeof("safetensors"));
    header_check(l, f, header, f->size - 8 - size);
    for (size_t i = 0; i < f->dtypes_len; i++) {
        if (dtype_bits(f->dtypes[i].name) == 0) {
            lint_add(l, LINT_WARNING, f->path,
                     "has tensors of type '%s', which is not known here; kept "
                     "as they are",
                     f->dtypes[i].name);
        }
    }
    json_decref(header);
    return OK;
}

/* "dir/model.safetensors.index.json" names files of "dir/". */
static struct source_file *sibling(struct source *s,
                                   const char *index_path,
                                   const char *name)
{
    const char *slash = strrchr(index_path, '/');
    char path[CATALOGUE_PATH_MAX + 1];

    (void)snprintf(path, sizeof(path), "%.*s%s",
                   slash != NULL ? (int)(slash - index_path + 1) : 0,
                   index_path, name);
    return source_find(s, path);
}

/* Every tensor that the map gives to |shard| is there; the others are not. */
static void index_shard(struct lint *l,
                        const char *path,
                        const json_t *header,
                        json_t *map,
                        const char *shard)
{
    const char *tensor;
    json_t *v;

    json_object_foreach(map, tensor, v)
    {
        /* What is no string is found when the map comes to it. */
        bool mapped =
            json_is_string(v) && strcmp(json_string_value(v), shard) == 0;
        bool there = json_object_get(header, tensor) != NULL;

        if (mapped != there) {
            lint_add(l, LINT_ERROR, path,
                     there ? "'%.60s' also holds tensor '%.100s' of another "
                             "file"
                           : "'%.60s' lacks tensor '%.100s'",
                     shard, tensor);
            return;
        }
    }
}

static void index_check(struct lint *l,
                        struct source *s,
                        const struct source_file *f,
                        json_t *map,
                        uint64_t *total,
                        char *errmsg)
{
    json_t *seen = json_object();
    struct lint quiet = {0}; /* A file's own findings come at its turn. */
    const char *tensor;
    json_t *v;

    json_object_foreach(map, tensor, v)
    {
        const char *shard = json_string_value(v);
        struct source_file *file;
        uint64_t size = 0;
        json_t *header;
        int rv = OK;

        if (shard == NULL) {
            lint_add(l, LINT_ERROR, f->path, "its weight_map is malformed");
            break;
        }
        if (json_object_get(seen, shard) != NULL) {
            continue;
        }
        (void)json_object_set_new(seen, shard, json_true());
        file = sibling(s, f->path, shard);
        if (file == NULL) {
            lint_add(l, LINT_ERROR, f->path, "'%.100s' is missing", shard);
            continue;
        }
        header = header_load(&quiet, s, file, &size, &rv, errmsg);
        if (header != NULL) {
            *total += file->size - 8 - size;
            index_shard(l, f->path, header, map, shard);
            json_decref(header);
        }
    }
    json_decref(seen);
    lint_close(&quiet);
}

int lint_index(struct lint *l,
               struct source *s,
               struct source_file *f,
               char *errmsg)
{
    uint8_t *text;
    json_error_t error;
    json_t *root;
    json_t *map;
    uint64_t total = 0;
    uint64_t promised = 0;
    int rv;

    if (f->size > INDEX_MAX) {
        lint_add(l, LINT_WARNING, f->path, "not checked: it is too large");
        return OK;
    }
    text = malloc(f->size + 1);
    rv = text == NULL ? ERR_NOMEM
                      : lint_read(s, f, 0, text, (size_t)f->size, errmsg);
    if (rv != OK) {
        free(text);
        return rv;
    }
    root = json_loadb((const char *)text, (size_t)f->size,
                      JSON_REJECT_DUPLICATES, &error);
    map = json_object_get(root, "weight_map");
    if (!json_is_object(map)) {
        lint_add(l, LINT_ERROR, f->path, "has no weight_map");
    } else {
        index_check(l, s, f, map, &total, errmsg);
        if (json_u64(json_object_get(json_object_get(root, "metadata"),
                                     "total_size"),
                     &promised) &&
            promised != total) {
            lint_add(l, LINT_WARNING, f->path,
                     "promises %llu bytes of tensors; its files hold %llu",
                     (unsigned long long)promised, (unsigned long long)total);
        }
    }
    json_decref(root);
    free(text);
    return OK;
}
