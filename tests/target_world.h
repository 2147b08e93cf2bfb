#ifndef CAIRN_TESTS_TARGET_WORLD_H
#define CAIRN_TESTS_TARGET_WORLD_H

/* A model that is all in memory, and its catalogue, to be restored into a
 * folder. The including file is compiled with _GNU_SOURCE; it may say how large
 * segments are, and how many there can be. */

#include "node/recovery/target.h"
#include "tests/scratch.h"

#ifndef SEGMENT
#define SEGMENT         SEGMENT_SIZE_MIN
#define STREAM_SEGMENTS 8U
#endif

static char errmsg[ERRMSG_SIZE];
static struct target t;
static char out[2 * SCRATCH_PATH_SIZE];
static uint8_t catalogue[1 << 16];
static size_t catalogue_size;
/* Plaintext of all files, aligned as segments are in a recovery. */
static _Alignas(4096) uint8_t stream[STREAM_SEGMENTS * SEGMENT];
static size_t stream_size;

/* A file to be: |size| bytes that depend on its path. */
struct entry {
    const char *path;
    size_t size;
    uint32_t mode;
};

static inline void setup(void)
{
    scratch_make();
    (void)umask(077);
    (void)snprintf(out, sizeof(out), "%s/out", scratch);
    stream_size = 0;
    catalogue_size = 0;
}

static inline void teardown(void)
{
    scratch_remove();
}

/* Files in ascending order of path, segments all full. */
static inline void model(const struct entry *files, size_t len)
{
    struct catalogue_head head = {
        .files = len, .label = "label", .program = "test"};
    size_t size = 0;

    for (size_t i = 0; i < len; i++) {
        head.plain_size += files[i].size;
    }
    ck_assert_uint_le(head.plain_size, sizeof(stream));
    ck_assert_int_eq(
        catalogue_head_encode(&head, catalogue, sizeof(catalogue), &size), OK);
    catalogue_size = size;
    for (size_t i = 0; i < len; i++) {
        static struct catalogue_file f;
        uint8_t *at = stream + stream_size;

        memset(&f, 0, sizeof(f));
        memcpy(f.path, files[i].path, strlen(files[i].path));
        f.size = files[i].size;
        f.mode = files[i].mode;
        f.first_segment = stream_size / SEGMENT;
        f.offset = (uint32_t)(stream_size % SEGMENT);
        for (size_t j = 0; j < files[i].size; j++) {
            at[j] = (uint8_t)(j * 31 + (j >> 8) + strlen(files[i].path) +
                              (uint8_t)files[i].path[0]);
        }
        sha256(slice_of(at, files[i].size), &f.sha256);
        stream_size += files[i].size;
        ck_assert_int_eq(
            catalogue_file_encode(&f, catalogue + catalogue_size,
                                  sizeof(catalogue) - catalogue_size, &size),
            OK);
        catalogue_size += size;
    }
    ck_assert_int_eq(
        catalogue_provenance_encode(NULL, 0, catalogue + catalogue_size,
                                    sizeof(catalogue) - catalogue_size, &size),
        OK);
    catalogue_size += size;
}

static inline int plan_only(bool force,
                            const char *const *only,
                            size_t only_len)
{
    int rv = target_open(&t, out, force, errmsg);

    if (rv == OK) {
        rv = target_plan(&t, slice_of(catalogue, catalogue_size), SEGMENT, only,
                         only_len, errmsg);
        if (rv != OK) {
            target_close(&t);
        }
    }
    return rv;
}

static inline int plan(bool force)
{
    return plan_only(force, NULL, 0);
}

static inline int take(uint64_t segment)
{
    size_t at = (size_t)segment * SEGMENT;
    size_t size = stream_size - at < SEGMENT ? stream_size - at : SEGMENT;

    return target_take(&t, segment, slice_of(stream + at, size), errmsg);
}

/* Everything that is wanted, as recovery does it. */
static inline int run(void)
{
    uint64_t wanted[STREAM_SEGMENTS];
    size_t len =
        target_segments(&t, wanted, (stream_size + SEGMENT - 1) / SEGMENT);
    int rv = OK;

    for (size_t i = 0; i < len && rv == OK; i++) {
        rv = take(wanted[i]);
    }
    if (rv == OK) {
        rv = target_finish(&t, errmsg);
    }
    target_close(&t);
    return rv;
}

static inline bool is_there(const char *name)
{
    struct stat st;

    return lstat(scratch_path(name), &st) == 0;
}

/* The file of |entry| is in |in|, whole and with its mode. */
static inline void restored(const char *in,
                            const struct entry *entries,
                            size_t nth)
{
    static uint8_t got[sizeof(stream) + 1];
    char name[128];
    size_t at = 0;
    struct stat st;
    int fd;

    for (size_t i = 0; i < nth; i++) {
        at += entries[i].size;
    }
    (void)snprintf(name, sizeof(name), "%s/%s", in, entries[nth].path);
    fd = open(scratch_path(name), O_RDONLY);
    ck_assert_msg(fd >= 0, "%s", name);
    ck_assert_int_eq(read(fd, got, sizeof(got)), (ssize_t)entries[nth].size);
    ck_assert(memcmp(got, stream + at, entries[nth].size) == 0);
    ck_assert_int_eq(fstat(fd, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, entries[nth].mode);
    close(fd);
}

static inline int no_parts_one(const char *path,
                               const struct stat *st,
                               int type,
                               struct FTW *ftw)
{
    (void)st;
    (void)type;
    ck_assert_msg(strncmp(path + ftw->base, ".cairn", 6) != 0, "%s", path);
    return 0;
}

static inline void no_parts(void)
{
    ck_assert(access(out, F_OK) != 0 ||
              nftw(out, no_parts_one, 16, FTW_PHYS) == 0);
}

#endif /* CAIRN_TESTS_TARGET_WORLD_H */
