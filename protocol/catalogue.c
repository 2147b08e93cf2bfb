#include "protocol/catalogue.h"

#include "crypto/merkle.h"
#include "protocol/field.h"
#include "protocol/text.h"

#define CATALOGUE_VERSION  1
#define HEAD_FIELDS        6
#define FILE_FIELDS        8
#define CATALOGUE_MODE_MAX 0777
/* The least bytes that a file takes: a path of one byte, an empty kind, no
 * dtypes, and numbers of one byte. */
#define FILE_SIZE_MIN 43U

/* Text that fits into |field| with its NUL. */
#define TEXT_MAX(field) (sizeof(field) - 1)

static bool name_is_safe(const uint8_t *name, size_t size)
{
    return size > 0 && !(size == 1 && name[0] == '.') &&
           !(size == 2 && name[0] == '.' && name[1] == '.');
}

bool catalogue_path_is_safe(struct slice path)
{
    size_t start = 0;

    if (path.size == 0 || path.size > CATALOGUE_PATH_MAX ||
        !text_is_plain(path)) {
        return false;
    }
    for (size_t i = 0; i <= path.size; i++) {
        if (i == path.size || path.data[i] == '/') {
            if (!name_is_safe(path.data + start, i - start)) {
                return false;
            }
            start = i + 1;
        }
    }
    return true;
}

static bool head_is_sound(const struct catalogue_head *h)
{
    return manifest_label_is_valid(slice_str(h->label)) &&
           text_is_plain(slice_str(h->program));
}

static bool file_is_sound(const struct catalogue_file *f)
{
    if (!catalogue_path_is_safe(slice_str(f->path)) ||
        f->mode > CATALOGUE_MODE_MAX || f->first_segment > MERKLE_LEAVES_MAX ||
        f->offset >= SEGMENT_SIZE_MAX || !text_is_plain(slice_str(f->kind)) ||
        f->dtypes_len > CATALOGUE_DTYPES_MAX) {
        return false;
    }
    for (size_t i = 0; i < f->dtypes_len; i++) {
        if (f->dtypes[i].name[0] == 0 ||
            !text_is_plain(slice_str(f->dtypes[i].name))) {
            return false;
        }
    }
    return true;
}

int catalogue_head_encode(const struct catalogue_head *h,
                          uint8_t *out,
                          size_t max,
                          size_t *size)
{
    struct canon_writer w;

    assert(head_is_sound(h));
    canon_write_init(&w, out, max);
    canon_put_array(&w, HEAD_FIELDS);
    canon_put_uint(&w, CATALOGUE_VERSION);
    canon_put_uint(&w, h->files);
    canon_put_uint(&w, h->plain_size);
    canon_put_str(&w, slice_str(h->label));
    canon_put_uint(&w, h->time_s);
    canon_put_str(&w, slice_str(h->program));
    return field_write_end(&w, size);
}

int catalogue_file_encode(const struct catalogue_file *f,
                          uint8_t *out,
                          size_t max,
                          size_t *size)
{
    struct canon_writer w;

    assert(file_is_sound(f));
    canon_write_init(&w, out, max);
    canon_put_array(&w, FILE_FIELDS);
    canon_put_str(&w, slice_str(f->path));
    canon_put_uint(&w, f->size);
    canon_put_uint(&w, f->mode);
    canon_put_digest(&w, &f->sha256);
    canon_put_uint(&w, f->first_segment);
    canon_put_uint(&w, f->offset);
    canon_put_str(&w, slice_str(f->kind));
    canon_put_array(&w, (uint32_t)f->dtypes_len);
    for (size_t i = 0; i < f->dtypes_len; i++) {
        canon_put_array(&w, 2);
        canon_put_str(&w, slice_str(f->dtypes[i].name));
        canon_put_uint(&w, f->dtypes[i].size);
    }
    return field_write_end(&w, size);
}

int catalogue_provenance_encode(const struct slice *statements,
                                size_t len,
                                uint8_t *out,
                                size_t max,
                                size_t *size)
{
    struct canon_writer w;

    assert(len <= CATALOGUE_PROVENANCE_MAX);
    canon_write_init(&w, out, max);
    canon_put_array(&w, (uint32_t)len);
    for (size_t i = 0; i < len; i++) {
        assert(statements[i].size <= CATALOGUE_STATEMENT_MAX);
        canon_put_bin(&w, statements[i]);
    }
    return field_write_end(&w, size);
}

/* Text into |out|, which is zeroed and has room for |max| bytes and a NUL. */
static void get_text(struct canon_reader *r, char *out, size_t max)
{
    struct slice s = canon_str(r, 0, max);

    if (s.size > 0) {
        memcpy(out, s.data, s.size);
    }
}

static void get_head(struct canon_reader *r, struct catalogue_head *h)
{
    /* Of any length until the version is known. */
    canon_array_between(r, 1, UINT32_MAX);
    canon_version(r, CATALOGUE_VERSION);
    h->files = canon_uint(r, UINT64_MAX);
    h->plain_size = canon_uint(r, UINT64_MAX);
    get_text(r, h->label, TEXT_MAX(h->label));
    h->time_s = canon_uint(r, UINT64_MAX);
    get_text(r, h->program, TEXT_MAX(h->program));
    canon_leave(r);
}

static void get_file(struct canon_reader *r, struct catalogue_file *f)
{
    canon_array(r, FILE_FIELDS);
    get_text(r, f->path, TEXT_MAX(f->path));
    f->size = canon_uint(r, UINT64_MAX);
    f->mode = (uint32_t)canon_uint(r, CATALOGUE_MODE_MAX);
    canon_digest(r, &f->sha256);
    f->first_segment = canon_uint(r, MERKLE_LEAVES_MAX);
    f->offset = (uint32_t)canon_uint(r, SEGMENT_SIZE_MAX - 1);
    get_text(r, f->kind, TEXT_MAX(f->kind));
    f->dtypes_len = canon_array_between(r, 0, CATALOGUE_DTYPES_MAX);
    for (size_t i = 0; i < f->dtypes_len; i++) {
        canon_array(r, 2);
        get_text(r, f->dtypes[i].name, TEXT_MAX(f->dtypes[i].name));
        f->dtypes[i].size = canon_uint(r, UINT64_MAX);
        canon_leave(r);
    }
    canon_leave(r);
    canon_leave(r);
}

int catalogue_walk_init(struct catalogue_walk *w,
                        struct slice in,
                        uint32_t segment_size)
{
    struct canon_reader r;
    struct catalogue_head head;

    assert(manifest_segment_size_is_valid(segment_size));
    if (in.size > CATALOGUE_SIZE_MAX) {
        return ERR_BAD;
    }
    memset(&head, 0, sizeof(head));
    canon_read_init(&r, in);
    get_head(&r, &head);
    if (r.error != OK) {
        return r.error;
    }
    if (!head_is_sound(&head) ||
        head.files > (in.size - canon_at(&r)) / FILE_SIZE_MIN ||
        (head.files == 0 && head.plain_size != 0)) {
        return ERR_BAD;
    }
    memset(w, 0, sizeof(*w));
    w->in = in;
    w->at = canon_at(&r);
    w->head = head;
    w->segment_size = segment_size;
    w->files_left = head.files;
    return OK;
}

/* How many bytes |path| has in common with the last one. */
static size_t common_size(const struct catalogue_walk *w, const char *path)
{
    size_t i = 0;

    while (path[i] != 0 && path[i] == w->last_path[i]) {
        i++;
    }
    return i;
}

/* Does it come after the last one, and not in a file? Between `a` and `a/b` may
 * stand `a-b`, so that the last path alone would not tell. But all that stands
 * there begins with `a`: a file that the last path does not begin with cannot
 * come up again. And a folder that both paths are in was no file when the last
 * one was accepted. */
static bool path_may_follow(const struct catalogue_walk *w, const char *path)
{
    size_t common = common_size(w, path);

    return (uint8_t)path[common] > (uint8_t)w->last_path[common] &&
           !(path[common] == '/' && w->is_file[common]);
}

static void path_keep(struct catalogue_walk *w, const char *path)
{
    size_t common = common_size(w, path);
    size_t size = strlen(path);

    memset(w->is_file + common + 1, 0, sizeof(w->is_file) - common - 1);
    memcpy(w->last_path, path, size + 1);
    w->is_file[size] = true;
}

/* See the rule in catalogue.h. Before the first file all of last_* is zero,
 * which is the place where the first byte goes. */
static bool place_may_follow(const struct catalogue_walk *w,
                             const struct catalogue_file *f)
{
    uint64_t segments, rest, first_max;

    if (f->offset >= w->segment_size || f->first_segment < w->last_segment) {
        return false;
    }
    segments = f->first_segment - w->last_segment;
    if (segments == 0) {
        return f->offset >= w->last_offset &&
               f->offset - w->last_offset == w->last_size;
    }
    /* The last file's bytes before the segment of this one: at least one in
     * each segment, at most what is left of its first and all of the others. */
    if (w->last_size < f->offset + segments) {
        return false;
    }
    rest = w->last_size - f->offset;
    first_max = w->segment_size - w->last_offset;
    return rest <= first_max ||
           (rest - first_max - 1) / w->segment_size < segments - 1;
}

static bool size_may_follow(const struct catalogue_walk *w,
                            const struct catalogue_file *f)
{
    uint64_t left = w->head.plain_size - w->bytes;

    return w->files_left == 1 ? f->size == left : f->size <= left;
}

int catalogue_walk_next(struct catalogue_walk *w, struct catalogue_file *f)
{
    struct canon_reader r;
    struct catalogue_file got;

    if (w->files_left == 0) {
        return ERR_NOTFOUND;
    }
    memset(&got, 0, sizeof(got));
    canon_read_init(&r, slice_of(w->in.data + w->at, w->in.size - w->at));
    get_file(&r, &got);
    if (r.error != OK) {
        return r.error;
    }
    if (!file_is_sound(&got) || !path_may_follow(w, got.path) ||
        !place_may_follow(w, &got) || !size_may_follow(w, &got)) {
        return ERR_BAD;
    }
    path_keep(w, got.path);
    w->at += canon_at(&r);
    w->files_left--;
    w->bytes += got.size;
    w->last_segment = got.first_segment;
    w->last_offset = got.offset;
    w->last_size = got.size;
    *f = got;
    return OK;
}

int catalogue_walk_end(struct catalogue_walk *w,
                       struct slice *statements,
                       size_t *len)
{
    struct slice got[CATALOGUE_PROVENANCE_MAX];
    struct canon_reader r;
    uint32_t got_len;
    int rv;

    assert(w->files_left == 0);
    canon_read_init(&r, slice_of(w->in.data + w->at, w->in.size - w->at));
    got_len = canon_array_between(&r, 0, CATALOGUE_PROVENANCE_MAX);
    for (uint32_t i = 0; i < got_len; i++) {
        got[i] = canon_bin(&r, 0, CATALOGUE_STATEMENT_MAX);
    }
    canon_leave(&r);
    rv = canon_end(&r);
    if (rv != OK) {
        return rv;
    }
    memcpy(statements, got, got_len * sizeof(got[0]));
    *len = got_len;
    return OK;
}
