#include <signal.h>
#include <stdlib.h>

#include "crypto/merkle.h"
#include "crypto/rng.h"
#include "protocol/canon.h"
#include "protocol/catalogue.h"
#include "tests/suite.h"

#define SEGMENT ((uint64_t)65536)
#define TEXT(s) slice_of((s), sizeof(s) - 1)

/* A catalogue as it is written; |size| bytes of it stand. */
static uint8_t bytes[CATALOGUE_SIZE_MAX + 1];
static size_t size;
static struct catalogue_walk walk;
static struct catalogue_file file;

static void add_head(uint64_t files, uint64_t plain_size)
{
    struct catalogue_head h = {.files = files, .plain_size = plain_size};
    size_t more = 0;

    memcpy(h.label, "Gr\xc3\xbc\xc3\x9f", 7);
    h.time_s = 1760000000;
    memcpy(h.program, "cairn 0.1.0", 12);
    size = 0;
    ck_assert_int_eq(
        catalogue_head_encode(&h, bytes, CATALOGUE_VALUE_MAX, &more), OK);
    size = more;
}

static void put_text(struct canon_writer *w, struct slice text)
{
    const uint8_t head[3] = {0xda, (uint8_t)(text.size >> 8),
                             (uint8_t)text.size};

    if (text.size < 256) { /* Only paths are longer. */
        const uint8_t small[2] = {0xd9, (uint8_t)text.size};
        const uint8_t tiny[1] = {(uint8_t)(0xa0 | text.size)};

        canon_put_raw(w, text.size < 32 ? slice_of(tiny, sizeof(tiny))
                                        : slice_of(small, sizeof(small)));
    } else {
        canon_put_raw(w, slice_of(head, sizeof(head)));
    }
    canon_put_raw(w, text);
}

/* A file as nobody should write it: no asserts in the way. */
struct forgery {
    struct slice path;
    uint64_t size, mode, segment, offset;
    struct slice kind, dtype;
    uint32_t fields, dtypes, dtype_fields;
};

static void add_forged(const struct forgery *f)
{
    static const struct digest zero;
    struct canon_writer w;
    struct slice out;

    canon_write_init(&w, bytes + size, CATALOGUE_VALUE_MAX);
    canon_put_array(&w, f->fields);
    put_text(&w, f->path);
    canon_put_uint(&w, f->size);
    canon_put_uint(&w, f->mode);
    canon_put_digest(&w, &zero);
    canon_put_uint(&w, f->segment);
    canon_put_uint(&w, f->offset);
    put_text(&w, f->kind);
    canon_put_array(&w, f->dtypes);
    for (uint32_t i = 0; i < f->dtypes; i++) {
        canon_put_array(&w, f->dtype_fields);
        put_text(&w, f->dtype);
        canon_put_uint(&w, 1);
        for (uint32_t j = 2; j < f->dtype_fields; j++) {
            canon_put_uint(&w, 0);
        }
    }
    for (uint32_t i = 8; i < f->fields; i++) {
        canon_put_uint(&w, 0);
    }
    ck_assert_int_eq(canon_write_end(&w, &out), OK);
    size += out.size;
}

static struct forgery forgery(const char *path, uint64_t file_size)
{
    return (struct forgery){
        .path = slice_str(path),
        .size = file_size,
        .mode = 0644,
        .kind = TEXT(""),
        .dtype = TEXT("BF16"),
        .fields = 8,
        .dtype_fields = 2,
    };
}

static void add(const char *path,
                uint64_t file_size,
                uint64_t segment,
                uint64_t offset)
{
    struct forgery f = forgery(path, file_size);

    f.segment = segment;
    f.offset = offset;
    add_forged(&f);
}

static void add_end(void)
{
    size_t more = 0;

    ck_assert_int_eq(catalogue_provenance_encode(NULL, 0, bytes + size,
                                                 CATALOGUE_VALUE_MAX, &more),
                     OK);
    size += more;
}

/* Walk what was added from |at| on; where it is on the heap, a read beyond
 * the end is noticed. */
static int walk_bytes(const uint8_t *at, size_t len)
{
    struct slice statements[CATALOGUE_PROVENANCE_MAX];
    size_t statements_len;
    int rv = catalogue_walk_init(&walk, slice_of(at, len), SEGMENT);

    while (rv == OK) {
        rv = catalogue_walk_next(&walk, &file);
    }
    if (rv != ERR_NOTFOUND) {
        return rv;
    }
    return catalogue_walk_end(&walk, statements, &statements_len);
}

static int walk_all(void)
{
    return walk_bytes(bytes, size);
}

static struct catalogue_file example(void)
{
    struct catalogue_file f = {
        .size = 100000, .mode = 0755, .first_segment = 0, .offset = 5};

    memcpy(f.path, "model/part-1.safetensors", 25);
    memset(f.sha256.bytes, 0x5a, DIGEST_SIZE);
    memcpy(f.kind, "safetensors", 12);
    f.dtypes_len = 2;
    memcpy(f.dtypes[0].name, "BF16", 5);
    f.dtypes[0].size = 99000;
    memcpy(f.dtypes[1].name, "F32", 4);
    f.dtypes[1].size = 900;
    return f;
}

static void check_file_equal(const struct catalogue_file *a,
                             const struct catalogue_file *b)
{
    ck_assert_str_eq(a->path, b->path);
    ck_assert_uint_eq(a->size, b->size);
    ck_assert_uint_eq(a->mode, b->mode);
    ck_assert(digest_equal(&a->sha256, &b->sha256));
    ck_assert_uint_eq(a->first_segment, b->first_segment);
    ck_assert_uint_eq(a->offset, b->offset);
    ck_assert_str_eq(a->kind, b->kind);
    ck_assert_uint_eq(a->dtypes_len, b->dtypes_len);
    for (size_t i = 0; i < a->dtypes_len; i++) {
        ck_assert_str_eq(a->dtypes[i].name, b->dtypes[i].name);
        ck_assert_uint_eq(a->dtypes[i].size, b->dtypes[i].size);
    }
}

/* A head, two files, two statements: all of it comes back. */
START_TEST(test_catalogue_round_trip)
{
    const struct slice given[2] = {TEXT("{\"signed\":1}"), TEXT("")};
    struct slice statements[CATALOGUE_PROVENANCE_MAX];
    struct catalogue_file f = example();
    size_t more = 0, len = 0;

    add_head(2, 100005);
    add("LICENSE", 5, 0, 0);
    ck_assert_int_eq(
        catalogue_file_encode(&f, bytes + size, CATALOGUE_VALUE_MAX, &more),
        OK);
    size += more;
    ck_assert_int_eq(
        catalogue_provenance_encode(given, 2, bytes + size, 100, &more), OK);
    size += more;

    ck_assert_int_eq(catalogue_walk_init(&walk, slice_of(bytes, size), SEGMENT),
                     OK);
    ck_assert_uint_eq(walk.head.files, 2);
    ck_assert_uint_eq(walk.head.plain_size, 100005);
    ck_assert_str_eq(walk.head.label, "Gr\xc3\xbc\xc3\x9f");
    ck_assert_uint_eq(walk.head.time_s, 1760000000);
    ck_assert_str_eq(walk.head.program, "cairn 0.1.0");
    ck_assert_int_eq(catalogue_walk_next(&walk, &file), OK);
    ck_assert_str_eq(file.path, "LICENSE");
    ck_assert_uint_eq(file.size, 5);
    ck_assert_int_eq(catalogue_walk_next(&walk, &file), OK);
    check_file_equal(&file, &f);
    ck_assert_int_eq(catalogue_walk_next(&walk, &file), ERR_NOTFOUND);
    ck_assert_int_eq(catalogue_walk_end(&walk, statements, &len), OK);
    ck_assert_uint_eq(len, 2);
    ck_assert(slice_equal(statements[0], given[0]));
    ck_assert(slice_equal(statements[1], given[1]));
}
END_TEST

/* As docs/FORMAT.md lists the fields, byte for byte. */
START_TEST(test_catalogue_known_bytes)
{
    struct catalogue_head h = {.files = 1, .plain_size = 300, .time_s = 9};
    struct catalogue_file f = {.size = 300, .mode = 0600, .dtypes_len = 1};
    uint8_t want[64];
    size_t more = 0;

    memcpy(h.label, "L", 2);
    memcpy(h.program, "p", 2);
    ck_assert_int_eq(catalogue_head_encode(&h, bytes, 64, &more), OK);
    hex_read("960101cd012ca14c09a170", want, 11);
    ck_assert_uint_eq(more, 11);
    ck_assert_bytes_eq(bytes, want, more);

    memcpy(f.path, "a", 2);
    memset(f.sha256.bytes, 0xee, DIGEST_SIZE);
    f.first_segment = 2;
    f.offset = 3;
    memcpy(f.kind, "gguf", 5);
    memcpy(f.dtypes[0].name, "Q4", 3);
    f.dtypes[0].size = 7;
    ck_assert_int_eq(catalogue_file_encode(&f, bytes, 64, &more), OK);
    hex_read("98a161cd012ccd0180c420"
             "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"
             "0203a467677566"
             "9192a2513407",
             want, 56);
    ck_assert_uint_eq(more, 56);
    ck_assert_bytes_eq(bytes, want, more);
}
END_TEST

/* CATALOGUE_VALUE_MAX is enough for the longest head and file, and the least
 * file is as small as the reader assumes. */
START_TEST(test_catalogue_longest_and_shortest)
{
    struct catalogue_head h = {.files = 1, .plain_size = UINT64_MAX};
    struct catalogue_file f = {.size = UINT64_MAX, .mode = 0777};
    struct forgery least = forgery("a", 0);
    size_t more = 0;

    h.time_s = UINT64_MAX;
    memset(h.label, 'l', MANIFEST_LABEL_MAX);
    memset(h.program, 'p', 64);
    ck_assert_int_eq(
        catalogue_head_encode(&h, bytes, CATALOGUE_VALUE_MAX, &size), OK);
    memset(f.path, 'a', CATALOGUE_PATH_MAX);
    memset(f.kind, 'k', 16);
    f.dtypes_len = CATALOGUE_DTYPES_MAX;
    for (size_t i = 0; i < f.dtypes_len; i++) {
        memset(f.dtypes[i].name, 'd', 16);
        f.dtypes[i].size = UINT64_MAX;
    }
    ck_assert_int_eq(
        catalogue_file_encode(&f, bytes + size, CATALOGUE_VALUE_MAX, &more),
        OK);
    size += more;
    add_end();
    ck_assert_int_eq(walk_all(), OK);
    check_file_equal(&file, &f);

    add_head(1, 0);
    more = size;
    least.mode = 0;
    add_forged(&least);
    ck_assert_uint_eq(size - more, 43);
    add_end();
    ck_assert_int_eq(walk_all(), OK);
}
END_TEST

/* A buffer that is too small by one byte is full. */
START_TEST(test_catalogue_encode_full)
{
    const struct slice given = TEXT("abc");
    struct catalogue_file f = example();
    size_t more = 0, none = 17;

    ck_assert_int_eq(catalogue_file_encode(&f, bytes, 8192, &more), OK);
    ck_assert_int_eq(catalogue_file_encode(&f, bytes, more, &more), OK);
    ck_assert_int_eq(catalogue_file_encode(&f, bytes, more - 1, &none),
                     ERR_FULL);
    ck_assert_int_eq(catalogue_provenance_encode(&given, 1, bytes, 6, &more),
                     OK);
    ck_assert_int_eq(catalogue_provenance_encode(&given, 1, bytes, 5, &none),
                     ERR_FULL);
    ck_assert_uint_eq(none, 17);
}
END_TEST

/* Our own nonsense stops the program before anybody relies on it. */
START_TEST(test_catalogue_encode_asserts)
{
    struct catalogue_file f = example();
    size_t more;

    memcpy(f.path, "a/../b", 7);
    ck_assert_int_ne(catalogue_file_encode(&f, bytes, 8192, &more), OK);
}
END_TEST

/* A catalogue with everything in it, to be damaged. */
static void add_some(void)
{
    const struct slice given[2] = {TEXT("one"), TEXT("two")};
    struct forgery f = forgery("d/e", 70000);
    size_t more = 0;

    add_head(3, 70010);
    add("c", 0, 0, 0);
    f.kind = TEXT("gguf");
    f.dtypes = 2;
    add_forged(&f);
    add("d/f", 10, 1, 4464);
    ck_assert_int_eq(
        catalogue_provenance_encode(given, 2, bytes + size, 100, &more), OK);
    size += more;
    ck_assert_int_eq(walk_all(), OK);
}

START_TEST(test_catalogue_truncated_or_longer)
{
    add_some();
    for (size_t len = 0; len < size; len++) {
        uint8_t *cut = malloc(len + 1);

        ck_assert_ptr_nonnull(cut);
        memcpy(cut + 1, bytes, len);
        ck_assert_int_ne(walk_bytes(cut + 1, len), OK);
        free(cut);
    }
    bytes[size] = 0xc0;
    size++;
    ck_assert_int_eq(walk_all(), ERR_BAD);
}
END_TEST

/* Is what was read, written again, the bytes at |at|? Nothing is asserted one
 * by one, because libcheck notes every assertion. */
static bool is_at(size_t at, const uint8_t *again, size_t more, int rv)
{
    return rv == OK && more <= size - at &&
           memcmp(again, bytes + at, more) == 0;
}

/* Walk, and write again what was read: is it the same? */
static int walk_again(bool *same)
{
    static uint8_t again[CATALOGUE_VALUE_MAX];
    struct slice statements[CATALOGUE_PROVENANCE_MAX];
    size_t at = 0, more = 0, len = 0;
    int rv = catalogue_walk_init(&walk, slice_of(bytes, size), SEGMENT);
    int put;

    *same = true;
    if (rv != OK) {
        return rv;
    }
    put = catalogue_head_encode(&walk.head, again, sizeof(again), &more);
    *same = is_at(at, again, more, put);
    at += more;
    for (;;) {
        rv = catalogue_walk_next(&walk, &file);
        if (rv != OK) {
            break;
        }
        put = catalogue_file_encode(&file, again, sizeof(again), &more);
        *same = *same && is_at(at, again, more, put);
        at += more;
    }
    if (rv != ERR_NOTFOUND) {
        return rv;
    }
    rv = catalogue_walk_end(&walk, statements, &len);
    if (rv == OK) {
        put = catalogue_provenance_encode(statements, len, again, sizeof(again),
                                          &more);
        *same = *same && is_at(at, again, more, put) && at + more == size;
    }
    return rv;
}

/* Any changed byte makes another sound catalogue or none; nothing is read that
 * would be written otherwise. */
START_TEST(test_catalogue_any_byte_changed)
{
    size_t sound = 0;

    add_some();
    for (size_t i = 0; i < size; i++) {
        for (unsigned x = 1; x < 256; x++) {
            bool same;

            bytes[i] ^= (uint8_t)x;
            sound += walk_again(&same) == OK ? 1 : 0;
            if (!same) {
                ck_abort_msg("read otherwise: byte %zu xor %x", i, x);
            }
            bytes[i] ^= (uint8_t)x;
        }
    }
    ck_assert_uint_gt(sound, (size_t)3 * 32 * 255); /* The digests are free. */
}
END_TEST

/* The reader stops at what a path must not be, wherever it stands in it. */
START_TEST(test_catalogue_hostile_paths)
{
    const struct slice bad[] = {
        TEXT(""),
        TEXT("/"),
        TEXT("/etc/passwd"),
        TEXT("."),
        TEXT(".."),
        TEXT("../a"),
        TEXT("a/.."),
        TEXT("a/../b"),
        TEXT("./a"),
        TEXT("a/."),
        TEXT("a/./b"),
        TEXT("a//b"),
        TEXT("a/"),
        TEXT("//a"),
        TEXT("a\0b"),
        TEXT("a\nb"),
        TEXT("a/b\x1b[2J"),
        TEXT("\x7f"),
        TEXT("a\xc2\x9b"),
        TEXT("\xff"),
        TEXT("a\xc0\xaf"
             "b"),
        TEXT("\xed\xa0\x80"),
        TEXT("a\xc3"),
        TEXT("\xf4\x90\x80\x80"),
        TEXT("a\t"),
        TEXT("\x01"),
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct forgery f = forgery("x", 0);

        ck_assert(!catalogue_path_is_safe(bad[i]));
        f.path = bad[i];
        add_head(1, 0);
        add_forged(&f);
        add_end();
        ck_assert_msg(walk_all() == ERR_BAD, "path %zu", i);
    }
}
END_TEST

/* Odd, but names like any other. */
START_TEST(test_catalogue_safe_paths)
{
    const struct slice good[] = {
        TEXT("a"),         TEXT("a/b"),   TEXT("..."),
        TEXT(".a"),        TEXT("a."),    TEXT("..a/b.."),
        TEXT(".../..a"),   TEXT(" "),     TEXT("~"),
        TEXT("-rf"),       TEXT("C:\\a"), TEXT("\xe6\x97\xa5/\xf0\x9f\xaa\xa8"),
        TEXT("a\xc2\xa0"),
    };

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct forgery f = forgery("x", 0);

        ck_assert(catalogue_path_is_safe(good[i]));
        f.path = good[i];
        add_head(1, 0);
        add_forged(&f);
        add_end();
        ck_assert_msg(walk_all() == OK, "path %zu", i);
    }
}
END_TEST

/* 4095 bytes in one name, or in as many names as fit; not one more. */
START_TEST(test_catalogue_longest_paths)
{
    char path[CATALOGUE_PATH_MAX + 2];

    for (int deep = 0; deep < 2; deep++) {
        for (size_t i = 0; i < CATALOGUE_PATH_MAX; i++) {
            path[i] = deep == 1 && i % 2 == 1 ? '/' : 'n';
        }
        path[CATALOGUE_PATH_MAX] = 0;
        add_head(1, 0);
        add(path, 0, 0, 0);
        add_end();
        ck_assert_int_eq(walk_all(), OK);
        ck_assert_str_eq(file.path, path);
        memcpy(path + CATALOGUE_PATH_MAX, "n", 2);
        ck_assert(!catalogue_path_is_safe(slice_str(path)));
        add_head(1, 0);
        add(path, 0, 0, 0);
        add_end();
        ck_assert_int_eq(walk_all(), ERR_BAD);
    }
}
END_TEST

/* Empty files of these paths, up to NULL. */
static int walk_paths(const char *const *paths)
{
    uint64_t files = 0;

    while (paths[files] != NULL) {
        files++;
    }
    add_head(files, 0);
    for (uint64_t i = 0; i < files; i++) {
        add(paths[i], 0, 0, 0);
    }
    add_end();
    return walk_all();
}

#define PATHS(...) walk_paths((const char *const[]){__VA_ARGS__, NULL})

/* Paths ascend by their bytes, and none comes twice. */
START_TEST(test_catalogue_order_of_paths)
{
    ck_assert_int_eq(PATHS("A", "B", "a", "aa", "ab", "\xc3\xa4"), OK);
    ck_assert_int_eq(PATHS("a", "a"), ERR_BAD);
    ck_assert_int_eq(PATHS("b", "a"), ERR_BAD);
    ck_assert_int_eq(PATHS("a", "B"), ERR_BAD);
    ck_assert_int_eq(PATHS("ab", "a"), ERR_BAD);
    ck_assert_int_eq(PATHS("\xc3\xa4", "z"), ERR_BAD);
    ck_assert_int_eq(PATHS("a/b", "a-b"), ERR_BAD);
    ck_assert_int_eq(PATHS("a-b", "a/b"), OK);
}
END_TEST

/* No file is a folder of another, even when others stand between them. */
START_TEST(test_catalogue_file_that_is_a_folder)
{
    ck_assert_int_eq(PATHS("a", "a/b"), ERR_BAD);
    ck_assert_int_eq(PATHS("a", "a-b", "a/b"), ERR_BAD);
    ck_assert_int_eq(PATHS("a", "a!", "a-", "a-b", "a.b/c", "a/b/c"), ERR_BAD);
    ck_assert_int_eq(PATHS("a/b", "a/b/c"), ERR_BAD);
    ck_assert_int_eq(PATHS("a/b", "a/b.c", "a/b/c"), ERR_BAD);
    ck_assert_int_eq(PATHS("a", "a b", "a b!", "a b-", "a-", "a/b"), ERR_BAD);
    ck_assert_int_eq(PATHS("a", "a.b", "a.b.c", "a.b/c"), ERR_BAD);
    /* All of these can be together. */
    ck_assert_int_eq(PATHS("a", "a-b", "aa/b"), OK);
    ck_assert_int_eq(PATHS("a-b", "a-c/a", "a/b", "a/c/a", "a0", "b/a"), OK);
    ck_assert_int_eq(PATHS("a.", "a.b", "a/b", "a/bc", "ab"), OK);
    ck_assert_int_eq(PATHS("ab", "ac", "b/c"), OK);
    ck_assert_int_eq(PATHS("ab", "b", "ba/b"), OK);
    ck_assert_int_eq(PATHS("x/a", "x/b", "y/a/b"), OK);
}
END_TEST

static int path_compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* The rule against one that looks at all pairs, on random sets of paths. */
START_TEST(test_catalogue_folders_by_chance)
{
    static const char letters[] = {'a', '-', '/', '0'};
    uint8_t seed[RNG_SEED_SIZE] = {(uint8_t)_i};
    char paths[6][8];
    struct rng r;

    rng_init_seed(&r, seed);
    for (unsigned round = 0; round < 200; round++) {
        const char *list[7] = {0};
        bool sound = true;

        for (size_t i = 0; i < 6; i++) {
            size_t len = 1 + rng_below(&r, 5);

            for (size_t j = 0; j < len; j++) {
                paths[i][j] = letters[rng_below(&r, 4)];
            }
            paths[i][len] = 0;
            if (!catalogue_path_is_safe(slice_str(paths[i]))) {
                memcpy(paths[i], "a", 2);
            }
        }
        qsort(paths, 6, sizeof(paths[0]), path_compare);
        for (size_t i = 0; i < 6; i++) {
            list[i] = paths[i];
            for (size_t j = 0; j < i; j++) {
                size_t len = strlen(paths[j]);

                sound = sound && (strncmp(paths[j], paths[i], len) != 0 ||
                                  (paths[i][len] != 0 && paths[i][len] != '/'));
            }
        }
        ck_assert_int_eq(walk_paths(list), sound ? OK : ERR_BAD);
    }
}
END_TEST

/* Three files of which the second is at a place and has a size. */
static int walk_places(uint64_t first_size,
                       uint64_t segment,
                       uint64_t offset,
                       uint64_t second_size)
{
    add_head(2, first_size + second_size);
    add("a", first_size, 0, 0);
    add("b", second_size, segment, offset);
    add_end();
    return walk_all();
}

/* In the same segment a file begins exactly where the last one ended. */
START_TEST(test_catalogue_places_in_a_segment)
{
    ck_assert_int_eq(walk_places(10, 0, 10, 5), OK);
    ck_assert_int_eq(walk_places(10, 0, 9, 5), ERR_BAD);
    ck_assert_int_eq(walk_places(10, 0, 11, 5), ERR_BAD);
    ck_assert_int_eq(walk_places(10, 0, 0, 5), ERR_BAD);
    ck_assert_int_eq(walk_places(SEGMENT - 1, 0, SEGMENT - 1, 5), OK);
    ck_assert_int_eq(walk_places(SEGMENT, 0, SEGMENT, 5), ERR_BAD);
    ck_assert_int_eq(walk_places(UINT64_MAX - 5, 0, 65530, 5), ERR_BAD);
}
END_TEST

/* A file ends in a later segment at an offset that the lengths of the
 * segments between allow: 1 to SEGMENT bytes each. */
START_TEST(test_catalogue_places_across_segments)
{
    ck_assert_int_eq(walk_places(10, 1, 0, 5), OK); /* A segment of 10. */
    ck_assert_int_eq(walk_places(10, 1, 9, 5), OK); /* Of 1, and 9 of it. */
    ck_assert_int_eq(walk_places(10, 1, 10, 5), ERR_BAD);
    ck_assert_int_eq(walk_places(10, 10, 0, 5), OK); /* Ten of 1. */
    ck_assert_int_eq(walk_places(10, 11, 0, 5), ERR_BAD);
    ck_assert_int_eq(walk_places(10, 9, 1, 5), OK);
    ck_assert_int_eq(walk_places(10, 10, 1, 5), ERR_BAD);
    ck_assert_int_eq(walk_places(SEGMENT, 1, 0, 5), OK);
    ck_assert_int_eq(walk_places(SEGMENT + 1, 1, 0, 5), ERR_BAD);
    ck_assert_int_eq(walk_places(SEGMENT + 1, 1, 1, 5), OK);
    ck_assert_int_eq(walk_places(SEGMENT + 1, 2, 0, 5), OK);
    ck_assert_int_eq(walk_places(3 * SEGMENT, 3, 0, 5), OK);
    ck_assert_int_eq(walk_places(3 * SEGMENT + 1, 3, 0, 5), ERR_BAD);
    ck_assert_int_eq(walk_places(3 * SEGMENT + 7, 3, 7, 5), OK);
    ck_assert_int_eq(walk_places(3 * SEGMENT + 8, 3, 7, 5), ERR_BAD);
    ck_assert_int_eq(walk_places(4 * SEGMENT - 1, 3, SEGMENT - 1, 5), OK);
    ck_assert_int_eq(walk_places(4 * SEGMENT, 3, SEGMENT, 5), ERR_BAD);
    /* Sizes near 2^64 overflow nothing. */
    ck_assert_int_eq(walk_places(UINT64_MAX - 5, MERKLE_LEAVES_MAX, 0, 5), OK);
    ck_assert_int_eq(walk_places(UINT64_MAX - 5, MERKLE_LEAVES_MAX - 1, 0, 5),
                     ERR_BAD);
    ck_assert_int_eq(walk_places(UINT64_MAX - 5, MERKLE_LEAVES_MAX + 1, 0, 5),
                     ERR_BAD);
}
END_TEST

/* What stands before the last file in its segment leaves it less room. */
START_TEST(test_catalogue_places_after_an_offset)
{
    for (unsigned more = 0; more < 2; more++) {
        add_head(3, 100 + 2 * SEGMENT - 100 + more + 5);
        add("a", 100, 0, 0);
        add("b", 2 * SEGMENT - 100 + more, 0, 100);
        add("c", 5, 2, 0);
        add_end();
        ck_assert_int_eq(walk_all(), more == 0 ? OK : ERR_BAD);
    }
}
END_TEST

/* The first byte is at the beginning, and no file goes back. */
START_TEST(test_catalogue_places_first_and_backwards)
{
    add_head(1, 5);
    add("a", 5, 0, 1);
    add_end();
    ck_assert_int_eq(walk_all(), ERR_BAD);
    add_head(1, 5);
    add("a", 5, 1, 0);
    add_end();
    ck_assert_int_eq(walk_all(), ERR_BAD);
    add_head(3, 30);
    add("a", 10, 0, 0);
    add("b", 10, 1, 0);
    add("c", 10, 0, 10);
    add_end();
    ck_assert_int_eq(walk_all(), ERR_BAD);
    /* Back by as much as a number of 32 bits wraps. */
    add_head(3, ((uint64_t)1 << 32) + 10);
    add("a", 10, 0, 0);
    add("b", ((uint64_t)1 << 32) - 10, 0, 10);
    add("c", 10, 0, 0);
    add_end();
    ck_assert_int_eq(walk_all(), ERR_BAD);
}
END_TEST

/* An empty file shares its place with the next one, wherever it stands. */
START_TEST(test_catalogue_places_of_empty_files)
{
    ck_assert_int_eq(walk_places(0, 0, 0, 5), OK);
    ck_assert_int_eq(walk_places(0, 0, 1, 5), ERR_BAD);
    ck_assert_int_eq(walk_places(0, 1, 0, 5), ERR_BAD);
    ck_assert_int_eq(walk_places(0, 0, 0, 0), OK);
    ck_assert_int_eq(walk_places(SEGMENT, 1, 0, 0), OK);
    for (uint64_t at = 9; at < 12; at++) {
        add_head(3, 15);
        add("a", 10, 0, 0);
        add("b", 0, 0, 10);
        add("c", 5, 0, at);
        add_end();
        ck_assert_int_eq(walk_all(), at == 10 ? OK : ERR_BAD);
    }
    add_head(3, 15);
    add("a", 10, 0, 0);
    add("b", 0, 0, 10);
    add("c", 5, 1, 0);
    add_end();
    ck_assert_int_eq(walk_all(), ERR_BAD);
}
END_TEST

/* Whatever segments a depositor cuts, the places of its files are accepted. */
START_TEST(test_catalogue_places_by_chance)
{
    uint8_t seed[RNG_SEED_SIZE] = {(uint8_t)_i};
    uint64_t segment = 0, offset = 0, total = 0, sizes[50];
    char path[8] = "f00";
    uint64_t room;
    struct rng r;

    rng_init_seed(&r, seed);
    room = 1 + rng_below(&r, SEGMENT);
    for (size_t i = 0; i < 50; i++) {
        sizes[i] = rng_below(&r, 3) == 0 ? 0 : rng_below(&r, 3 * SEGMENT);
        total += sizes[i];
    }
    add_head(50, total);
    for (size_t i = 0; i < 50; i++) {
        path[1] = (char)('0' + i / 10);
        path[2] = (char)('0' + i % 10);
        add(path, sizes[i], segment, offset);
        while (sizes[i] >= room - offset) {
            sizes[i] -= room - offset;
            segment++;
            offset = 0;
            room = rng_below(&r, 2) == 0 ? SEGMENT : 1 + rng_below(&r, SEGMENT);
        }
        offset += sizes[i];
    }
    add_end();
    ck_assert_int_eq(walk_all(), OK);
}
END_TEST

/* The head's numbers are those of the files. */
START_TEST(test_catalogue_totals)
{
    static const struct {
        uint64_t files, plain_size;
        int want;
    } cases[] = {
        {2, 15, OK},
        {2, 14, ERR_BAD},
        {2, 16, ERR_BAD},
        {2, 0, ERR_BAD},
        {2, 9, ERR_BAD},
        {2, UINT64_MAX, ERR_BAD},
        {1, 10, ERR_BAD},
        {1, 15, ERR_BAD},
        {3, 15, ERR_BAD},
        {0, 15, ERR_BAD},
        {0, 0, ERR_BAD},
        {UINT64_MAX, 15, ERR_BAD},
        {UINT32_MAX, 15, ERR_BAD},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        add_head(cases[i].files, cases[i].plain_size);
        add("a", 10, 0, 0);
        add("b", 5, 0, 10);
        add_end();
        ck_assert_msg(walk_all() == cases[i].want, "case %zu", i);
    }
    /* Sizes that only add up modulo 2^64. */
    add_head(2, 15);
    add("a", UINT64_MAX - 4, 0, 0);
    add("b", 20, MERKLE_LEAVES_MAX, 0);
    add_end();
    ck_assert_int_eq(walk_all(), ERR_BAD);
}
END_TEST

/* A count with nothing behind is refused before anybody makes room for it;
 * and a catalogue of nothing is sound. */
START_TEST(test_catalogue_counts_with_nothing_behind)
{
    add_head(0, 0);
    add_end();
    ck_assert_int_eq(walk_all(), OK);
    add_head(0, 1);
    add_end();
    ck_assert_int_eq(walk_all(), ERR_BAD);
    add_head((uint64_t)1 << 32, 0);
    add_end();
    ck_assert_int_eq(catalogue_walk_init(&walk, slice_of(bytes, size), SEGMENT),
                     ERR_BAD);
    add_head(2, 0);
    add("a", 0, 0, 0);
    ck_assert_int_eq(catalogue_walk_init(&walk, slice_of(bytes, size), SEGMENT),
                     ERR_BAD);
    /* An array of 2^32 - 1 statements. */
    add_head(0, 0);
    memset(bytes + size, 0xff, 5);
    bytes[size] = 0xdd;
    size += 5;
    ck_assert_int_eq(walk_all(), ERR_BAD);
}
END_TEST

/* One file, changed in one way; an error leaves |file| as it was. */
static int walk_forged(struct forgery f)
{
    struct catalogue_file before;
    int rv;

    add_head(1, f.size);
    add_forged(&f);
    add_end();
    memset(&file, 0x55, sizeof(file));
    before = file;
    rv = walk_all();
    if (rv != OK) {
        ck_assert_bytes_eq(&file, &before, sizeof(file));
    }
    return rv;
}

#define EXPECT(field, v, want)                     \
    do {                                           \
        struct forgery f_ = forgery("a", 0);       \
        f_.field = (v);                            \
        ck_assert_int_eq(walk_forged(f_), (want)); \
    } while (0)

START_TEST(test_catalogue_file_bounds)
{
    EXPECT(size, UINT64_MAX, OK);
    EXPECT(mode, 0, OK);
    EXPECT(mode, 0777, OK);
    EXPECT(mode, 01000, ERR_BAD);
    EXPECT(mode, 04755, ERR_BAD);
    EXPECT(mode, ((uint64_t)1 << 32) + 0644, ERR_BAD);
    EXPECT(offset, SEGMENT, ERR_BAD);
    EXPECT(offset, (uint64_t)1 << 32, ERR_BAD);
    EXPECT(segment, UINT64_MAX, ERR_BAD);
    EXPECT(kind, TEXT("0123456789abcdef"), OK);
    EXPECT(kind, TEXT("0123456789abcdefg"), ERR_BAD);
    EXPECT(kind, TEXT("a\nb"), ERR_BAD);
    EXPECT(dtypes, CATALOGUE_DTYPES_MAX, OK);
    EXPECT(dtypes, CATALOGUE_DTYPES_MAX + 1, ERR_BAD);
    EXPECT(fields, 7, ERR_BAD);
    EXPECT(fields, 9, ERR_BAD);
}
END_TEST

START_TEST(test_catalogue_dtype_bounds)
{
    const struct {
        struct slice dtype;
        uint32_t fields;
        int want;
    } cases[] = {
        {TEXT("F"), 2, OK},
        {TEXT("0123456789abcdef"), 2, OK},
        {TEXT("0123456789abcdefg"), 2, ERR_BAD},
        {TEXT(""), 2, ERR_BAD},
        {TEXT("\x1b"), 2, ERR_BAD},
        {TEXT("F"), 1, ERR_BAD},
        {TEXT("F"), 3, ERR_BAD},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct forgery f = forgery("a", 0);

        f.dtypes = 1;
        f.dtype = cases[i].dtype;
        f.dtype_fields = cases[i].fields;
        ck_assert_msg(walk_forged(f) == cases[i].want, "case %zu", i);
    }
}
END_TEST

/* A head of these, without files. */
static int walk_head(uint64_t version,
                     uint32_t fields,
                     struct slice label,
                     struct slice program)
{
    struct canon_writer w;
    struct slice out;

    canon_write_init(&w, bytes, CATALOGUE_VALUE_MAX);
    canon_put_array(&w, fields);
    canon_put_uint(&w, version);
    canon_put_uint(&w, 0);
    canon_put_uint(&w, 0);
    put_text(&w, label);
    canon_put_uint(&w, 0);
    put_text(&w, program);
    for (uint32_t i = 6; i < fields; i++) {
        canon_put_uint(&w, 0);
    }
    ck_assert_int_eq(canon_write_end(&w, &out), OK);
    size = out.size;
    add_end();
    return walk_all();
}

START_TEST(test_catalogue_head_bounds)
{
    char text[MANIFEST_LABEL_MAX + 1];
    struct slice l = TEXT("l"), p = TEXT("p");

    memset(text, 'x', sizeof(text));
    ck_assert_int_eq(walk_head(1, 6, l, p), OK);
    ck_assert_int_eq(walk_head(0, 6, l, p), ERR_UNSUPPORTED);
    ck_assert_int_eq(walk_head(2, 6, l, p), ERR_UNSUPPORTED);
    ck_assert_int_eq(walk_head(2, 9, l, p), ERR_UNSUPPORTED);
    ck_assert_int_eq(walk_head(1, 7, l, p), ERR_BAD);
    ck_assert_int_eq(walk_head(1, 5, l, p), ERR_BAD);
    ck_assert_int_eq(walk_head(1, 6, TEXT(""), p), ERR_BAD);
    ck_assert_int_eq(walk_head(1, 6, TEXT("\n"), p), ERR_BAD);
    ck_assert_int_eq(walk_head(1, 6, slice_of(text, 200), p), OK);
    ck_assert_int_eq(walk_head(1, 6, slice_of(text, 201), p), ERR_BAD);
    ck_assert_int_eq(walk_head(1, 6, l, TEXT("")), OK);
    ck_assert_int_eq(walk_head(1, 6, l, slice_of(text, 64)), OK);
    ck_assert_int_eq(walk_head(1, 6, l, slice_of(text, 65)), ERR_BAD);
    ck_assert_int_eq(walk_head(1, 6, l, TEXT("\x7f")), ERR_BAD);
}
END_TEST

/* At most sixteen statements of at most a mebibyte. */
START_TEST(test_catalogue_statements)
{
    struct slice given[CATALOGUE_PROVENANCE_MAX];
    struct canon_writer w;
    size_t more = 0;

    for (size_t i = 0; i < CATALOGUE_PROVENANCE_MAX; i++) {
        given[i] =
            slice_of(bytes + CATALOGUE_SIZE_MAX / 2, CATALOGUE_STATEMENT_MAX);
    }
    add_head(0, 0);
    ck_assert_int_eq(catalogue_provenance_encode(
                         given, CATALOGUE_PROVENANCE_MAX, bytes + size,
                         CATALOGUE_SIZE_MAX / 2, &more),
                     OK);
    size += more;
    ck_assert_int_eq(walk_all(), OK);

    add_head(0, 0);
    canon_write_init(&w, bytes + size, CATALOGUE_SIZE_MAX / 2);
    canon_put_array(&w, 1);
    canon_put_bin(&w, slice_of(given[0].data, CATALOGUE_STATEMENT_MAX + 1));
    size += w.size;
    ck_assert_int_eq(walk_all(), ERR_BAD);

    add_head(0, 0);
    canon_write_init(&w, bytes + size, CATALOGUE_SIZE_MAX / 2);
    canon_put_array(&w, CATALOGUE_PROVENANCE_MAX + 1);
    for (size_t i = 0; i <= CATALOGUE_PROVENANCE_MAX; i++) {
        canon_put_bin(&w, TEXT("s"));
    }
    size += w.size;
    ck_assert_int_eq(walk_all(), ERR_BAD);
}
END_TEST

/* 64 MiB can be walked, but no more. */
START_TEST(test_catalogue_largest)
{
    ck_assert_int_eq(
        catalogue_walk_init(&walk, slice_of(bytes, CATALOGUE_SIZE_MAX + 1),
                            SEGMENT),
        ERR_BAD);
    add_head(0, 0);
    ck_assert_int_eq(
        catalogue_walk_init(&walk, slice_of(bytes, CATALOGUE_SIZE_MAX + 1),
                            SEGMENT),
        ERR_BAD);
    ck_assert_int_eq(catalogue_walk_init(
                         &walk, slice_of(bytes, CATALOGUE_SIZE_MAX), SEGMENT),
                     OK);
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("catalogue");
    TCase *tc = tcase_create("catalogue");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_catalogue_round_trip);
    tcase_add_test(tc, test_catalogue_known_bytes);
    tcase_add_test(tc, test_catalogue_longest_and_shortest);
    tcase_add_test(tc, test_catalogue_encode_full);
    tcase_add_test_raise_signal(tc, test_catalogue_encode_asserts, SIGABRT);
    tcase_add_test(tc, test_catalogue_truncated_or_longer);
    tcase_add_test(tc, test_catalogue_any_byte_changed);
    tcase_add_test(tc, test_catalogue_hostile_paths);
    tcase_add_test(tc, test_catalogue_safe_paths);
    tcase_add_test(tc, test_catalogue_longest_paths);
    tcase_add_test(tc, test_catalogue_order_of_paths);
    tcase_add_test(tc, test_catalogue_file_that_is_a_folder);
    tcase_add_loop_test(tc, test_catalogue_folders_by_chance, 0, 20);
    tcase_add_test(tc, test_catalogue_places_in_a_segment);
    tcase_add_test(tc, test_catalogue_places_across_segments);
    tcase_add_test(tc, test_catalogue_places_after_an_offset);
    tcase_add_test(tc, test_catalogue_places_first_and_backwards);
    tcase_add_test(tc, test_catalogue_places_of_empty_files);
    tcase_add_loop_test(tc, test_catalogue_places_by_chance, 0, 50);
    tcase_add_test(tc, test_catalogue_totals);
    tcase_add_test(tc, test_catalogue_counts_with_nothing_behind);
    tcase_add_test(tc, test_catalogue_file_bounds);
    tcase_add_test(tc, test_catalogue_dtype_bounds);
    tcase_add_test(tc, test_catalogue_head_bounds);
    tcase_add_test(tc, test_catalogue_statements);
    tcase_add_test(tc, test_catalogue_largest);
    suite_add_tcase(s, tc);
    return s;
}
