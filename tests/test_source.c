#include <sys/time.h>

#include "node/deposit/lint.h"
#include "tests/scratch.h"

static char errmsg[ERRMSG_SIZE];
static struct source s;
static char model[2 * SCRATCH_PATH_SIZE];

static void setup(void)
{
    scratch_make();
    (void)snprintf(model, sizeof(model), "%s/model", scratch);
    ck_assert_int_eq(mkdir(model, 0700), 0);
    errmsg[0] = '\0';
}

static void teardown(void)
{
    scratch_remove();
}

static int open_it(void)
{
    return source_open(&s, model, errmsg);
}

/* a, b/one, b/two, b0, empty, z: 5 + 0 + 7 + 3 + 0 + 2 bytes. */
static void some_files(void)
{
    ck_assert_int_eq(mkdir(scratch_path("model/b"), 0700), 0);
    scratch_put("model/z", "zz", 0600);
    scratch_put("model/b0", "bzr", 0644);
    scratch_put("model/empty", "", 0644);
    scratch_put("model/b/two", "two two", 0755);
    scratch_put("model/b/one", "", 0644);
    scratch_put("model/a", "aaaaa", 0644);
}

#define ALL "aaaaatwo twobzrzz"

static int read_at(uint64_t off, size_t len, struct digest *digest)
{
    char mem[64] = "";
    int rv =
        source_read(&s, off, (uint8_t *)mem, len, NULL, NULL, digest, errmsg);

    if (rv == OK) {
        ck_assert_bytes_eq(mem, &ALL[off], len);
    }
    return rv;
}

static void read_all(void)
{
    struct digest digest;

    ck_assert_int_eq(read_at(0, strlen(ALL), &digest), OK);
}

static void refused_for(const char *words)
{
    ck_assert_int_ne(open_it(), OK);
    ck_assert_msg(strstr(errmsg, words) != NULL, "%s", errmsg);
}

/* Files come in the order of the bytes of their paths, as one stream. */
START_TEST(test_source_order)
{
    static const char *const paths[] = {"a",  "b/one", "b/two",
                                        "b0", "empty", "z"};
    struct digest want;
    char mem[32];

    some_files();
    ck_assert_int_eq(open_it(), OK);
    ck_assert_uint_eq(s.files_len, 6);
    ck_assert_uint_eq(s.size, strlen(ALL));
    for (size_t i = 0; i < 6; i++) {
        ck_assert_str_eq(s.files[i].path, paths[i]);
        ck_assert_ptr_eq(source_find(&s, paths[i]), &s.files[i]);
        ck_assert_ptr_null(s.files[i].dtypes);
    }
    ck_assert_ptr_null(source_find(&s, "b"));
    ck_assert_uint_eq(s.files[2].mode, 0755);
    read_all();
    sha256(slice_str("two two"), &want);
    ck_assert_bytes_eq(s.files[2].sha256.bytes, want.bytes, DIGEST_SIZE);
    for (size_t off = 0; off < strlen(ALL); off++) {
        for (size_t len = 1; off + len <= strlen(ALL); len++) {
            ck_assert_int_eq(source_peek(&s, off, (uint8_t *)mem, len, errmsg),
                             OK);
            ck_assert_bytes_eq(mem, &ALL[off], len);
        }
    }
    source_close(&s);
}
END_TEST

/* The digest of a read is the same in every run with the same cuts, and other
 * when any byte before its end is other. */
START_TEST(test_source_digest_tells_the_past)
{
    struct digest first[3];
    struct digest again;
    struct timespec times[2];
    struct stat st;

    some_files();
    ck_assert_int_eq(open_it(), OK);
    ck_assert_int_eq(read_at(0, 6, &first[0]), OK);
    ck_assert_int_eq(read_at(6, 6, &first[1]), OK);
    ck_assert_int_eq(read_at(12, 5, &first[2]), OK);
    source_close(&s);
    ck_assert_int_eq(open_it(), OK);
    ck_assert_int_eq(read_at(0, 6, &again), OK);
    ck_assert(digest_equal(&again, &first[0]));
    source_close(&s);
    /* Another byte under the same times. */
    ck_assert_int_eq(stat(scratch_path("model/b/two"), &st), 0);
    scratch_put("model/b/two", "two twO", 0755);
    times[0] = st.st_atim;
    times[1] = st.st_mtim;
    ck_assert_int_eq(utimensat(AT_FDCWD, scratch_path("model/b/two"), times, 0),
                     0);
    ck_assert_int_eq(open_it(), OK);
    ck_assert_int_eq(read_at(0, 6, &again), OK);
    ck_assert(digest_equal(&again, &first[0]));
    ck_assert_int_eq(source_read(&s, 6, (uint8_t *)(char[8]){0}, 6, NULL, NULL,
                                 &again, errmsg),
                     OK);
    ck_assert(!digest_equal(&again, &first[1]));
    source_close(&s);
}
END_TEST

/* A file that grows, shrinks, is replaced or goes while it is read is named. */
START_TEST(test_source_changes_are_noticed)
{
    struct timespec times[2];
    struct digest digest;

    some_files();
    ck_assert_int_eq(open_it(), OK);
    ck_assert_int_eq(source_recheck(&s, errmsg), OK);
    switch (_i) {
    case 0:
        scratch_put("model/b/two", "two two two", 0755);
        break;
    case 1:
        scratch_put("model/b/two", "two", 0755);
        break;
    case 2:
        scratch_put("model/other", "two two", 0755);
        ck_assert_int_eq(
            rename(scratch_path("model/other"), scratch_path("model/b/two")),
            0);
        /* Of the same time. */
        times[0] = s.files[2].seen.st_atim;
        times[1] = s.files[2].seen.st_mtim;
        ck_assert_int_eq(
            utimensat(AT_FDCWD, scratch_path("model/b/two"), times, 0), 0);
        break;
    case 3:
        ck_assert_int_eq(unlink(scratch_path("model/b/two")), 0);
        break;
    default:
        break;
    }
    ck_assert_int_ne(read_at(0, strlen(ALL), &digest), OK);
    ck_assert_ptr_nonnull(strstr(errmsg, "b/two"));
    ck_assert_int_eq(source_recheck(&s, errmsg), ERR_MISMATCH);
    source_close(&s);
}
END_TEST

/* What is read in tiles: as much as the memory for one holds at a time. */
static uint8_t tiles_mem[SOURCE_TILE], *tiles;
static size_t tiles_size, tiles_len, tiles_cut_at;

static void on_tile(void *arg, struct slice tile)
{
    ck_assert_ptr_eq(arg, &tiles);
    ck_assert_uint_le(tile.size, SOURCE_TILE);
    memcpy(tiles + tiles_size, tile.data, tile.size);
    tiles_size += tile.size;
    if (++tiles_len == tiles_cut_at) {
        ck_assert_int_eq(
            truncate(scratch_path("model/large"), (off_t)SOURCE_TILE + 1), 0);
    }
}

static int read_tiles(size_t len, struct digest *digest)
{
    return source_read(&s, s.at, tiles_mem, len, on_tile, &tiles, digest,
                       errmsg);
}

/* "a", and three tiles and a bit of "large". */
static void large_files(void)
{
    static char large[3 * SOURCE_TILE + 12];

    for (size_t i = 0; i < sizeof(large) - 1; i++) {
        large[i] = (char)('a' + i / SOURCE_TILE + i % 7);
    }
    scratch_put("model/a", "aaaaa", 0644);
    scratch_put("model/large", large, 0644);
    tiles_size = tiles_len = tiles_cut_at = 0;
    tiles = malloc(sizeof(large) + 5);
    ck_assert_ptr_nonnull(tiles);
    ck_assert_int_eq(open_it(), OK);
}

/* Tiles bring the same bytes and the same digests, of the catalogue too. */
START_TEST(test_source_tiles)
{
    struct digest want[3], got[3];
    size_t first = SOURCE_TILE + 9;
    uint8_t *mem;

    large_files();
    mem = malloc(s.size);
    ck_assert_ptr_nonnull(mem);
    for (int round = 0; round < 2; round++) {
        struct digest *to = round == 0 ? want : got;
        bool by_tiles = round == 1;

        if (by_tiles) {
            source_close(&s);
            ck_assert_int_eq(open_it(), OK);
        }
        for (int i = 0; i < 3; i++) {
            size_t len = i == 0 ? first : (size_t)s.size - first;

            if (i == 2) {
                ck_assert_int_eq(source_make_catalogue(&s, "label", 1,
                                                       SEGMENT_SIZE_MIN, NULL,
                                                       0, errmsg),
                                 OK);
                len = s.catalogue_size;
            }
            tiles_size = 0;
            ck_assert_int_eq(by_tiles ? read_tiles(len, &to[i])
                                      : source_read(&s, s.at, mem, len, NULL,
                                                    NULL, &to[i], errmsg),
                             OK);
            if (by_tiles) {
                ck_assert_uint_eq(tiles_size, len);
                ck_assert_int_eq(source_peek(&s, s.at - len, mem, len, errmsg),
                                 OK);
                ck_assert_bytes_eq(tiles, mem, len);
            }
        }
    }
    ck_assert_bytes_eq(got, want, sizeof(got));
    ck_assert_uint_ge(tiles_len, 6);
    source_close(&s);
    free(mem);
    free(tiles);
}
END_TEST

/* A file that shrinks between two tiles is noticed, and named. */
START_TEST(test_source_changes_between_tiles)
{
    struct digest digest;

    large_files();
    tiles_cut_at = 2;
    ck_assert_int_eq(read_tiles((size_t)s.size, &digest), ERR_MISMATCH);
    ck_assert_uint_eq(tiles_len, 2);
    ck_assert_ptr_nonnull(strstr(errmsg, "large"));
    source_close(&s);
    free(tiles);
}
END_TEST

/* A file that comes after the walk is noticed at the end. */
START_TEST(test_source_new_files_are_noticed)
{
    some_files();
    ck_assert_int_eq(open_it(), OK);
    read_all();
    scratch_put("model/zz", "late", 0600);
    ck_assert_int_eq(source_recheck(&s, errmsg), ERR_MISMATCH);
    ck_assert_ptr_nonnull(strstr(errmsg, "zz"));
    source_close(&s);
}
END_TEST

/* Links are followed; what they lead to is stored where they are. */
START_TEST(test_source_links)
{
    some_files();
    ck_assert_int_eq(symlink("b", scratch_path("model/c")), 0);
    ck_assert_int_eq(open_it(), OK);
    ck_assert_ptr_nonnull(source_find(&s, "c/two"));
    source_close(&s);
    ck_assert_int_eq(symlink("..", scratch_path("model/b/up")), 0);
    refused_for("loop");
    ck_assert_int_eq(unlink(scratch_path("model/b/up")), 0);
    ck_assert_int_eq(symlink("nowhere", scratch_path("model/d")), 0);
    refused_for("'d'");
}
END_TEST

/* What could not be restored is refused when it is deposited. */
START_TEST(test_source_refuses_what_cannot_be_kept)
{
    char path[4 * SCRATCH_PATH_SIZE];
    int fd;

    ck_assert_int_eq(source_open(&s, scratch_path("none"), errmsg),
                     ERR_NOTFOUND);
    scratch_put("file", "x", 0600);
    ck_assert_int_eq(source_open(&s, scratch_path("file"), errmsg), ERR_BAD);
    ck_assert_int_eq(mkfifo(scratch_path("model/pipe"), 0600), 0);
    refused_for("neither");
    ck_assert_int_eq(unlink(scratch_path("model/pipe")), 0);
    fd = open(scratch_path("model/bad\xff"), O_CREAT | O_WRONLY, 0600);
    ck_assert_int_ge(fd, 0);
    close(fd);
    refused_for("UTF-8");
    ck_assert_int_eq(unlink(scratch_path("model/bad\xff")), 0);
    (void)snprintf(path, sizeof(path), "%s", model);
    for (unsigned i = 0; i < 64; i++) {
        memcpy(path + strlen(path), "/d", 3);
        ck_assert_int_eq(mkdir(path, 0700), 0);
    }
    refused_for("too deeply");
}
END_TEST

/* A place in the model is told from one beside it, whatever it is called and
 * whether or not it is there yet. */
START_TEST(test_source_holds)
{
    static const struct {
        const char *path;
        bool inside;
    } places[] = {
        {"model", true},
        {"model/", true},
        {"model/b", true},
        {"model/b/new/deeper", true},
        {"model/new", true},
        {"other/../model/x", true},
        {"link/x", true},
        {"models", false},
        {"other", false},
        {"other/new", false},
        {"", false},
        {"model/../new", false},
        {"model/b/../../x", false},
    };

    some_files();
    ck_assert_int_eq(mkdir(scratch_path("other"), 0700), 0);
    ck_assert_int_eq(symlink("model/b", scratch_path("link")), 0);
    ck_assert_int_eq(open_it(), OK);
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        ck_assert_msg(source_holds(&s, scratch_path(places[i].path)) ==
                          places[i].inside,
                      "%s", places[i].path);
    }
    ck_assert_int_eq(chdir(model), 0);
    ck_assert(source_holds(&s, "new"));
    ck_assert(source_holds(&s, "b/new"));
    ck_assert(source_holds(&s, "."));
    ck_assert(!source_holds(&s, ".."));
    ck_assert(!source_holds(&s, "/"));
    ck_assert(!source_holds(&s, "/no-such-folder/x"));
    source_close(&s);
}
END_TEST

static void put_safetensors(const char *name, const char *header)
{
    char file[600];
    uint8_t size[8];
    int fd = open(scratch_path(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

    u64le_store(size, strlen(header));
    memset(file, 0, sizeof(file));
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, size, 8), 8);
    ck_assert_int_eq(write(fd, header, strlen(header)),
                     (ssize_t)strlen(header));
    ck_assert_int_eq(write(fd, file, 16), 16);
    close(fd);
}

#define TENSOR(dtype) \
    "{\"w\":{\"dtype\":\"" dtype "\",\"shape\":[8],\"data_offsets\":[0,16]}}"

/* The catalogue says what each file is, as lint found it. */
START_TEST(test_source_catalogue_has_kinds)
{
    struct catalogue_walk walk;
    struct catalogue_file f;
    struct lint lint;
    struct digest digest;
    uint8_t *mem;

    put_safetensors("model/w.safetensors", TENSOR("BF16"));
    scratch_put("model/note", "x", 0600);
    ck_assert_int_eq(open_it(), OK);
    ck_assert_int_eq(lint_run(&lint, &s, errmsg), OK);
    lint_close(&lint);
    mem = malloc(s.size);
    ck_assert_int_eq(
        source_read(&s, 0, mem, s.size, NULL, NULL, &digest, errmsg), OK);
    free(mem);
    ck_assert_int_eq(source_make_catalogue(&s, "label", 1, SEGMENT_SIZE_MIN,
                                           NULL, 0, errmsg),
                     OK);
    ck_assert_int_eq(
        catalogue_walk_init(&walk, slice_of(s.catalogue, s.catalogue_size),
                            SEGMENT_SIZE_MIN),
        OK);
    ck_assert_int_eq(catalogue_walk_next(&walk, &f), OK);
    ck_assert_str_eq(f.path, "note");
    ck_assert_str_eq(f.kind, "");
    ck_assert_uint_eq(f.dtypes_len, 0);
    ck_assert_int_eq(catalogue_walk_next(&walk, &f), OK);
    ck_assert_str_eq(f.kind, "safetensors");
    ck_assert_uint_eq(f.dtypes_len, 1);
    ck_assert_str_eq(f.dtypes[0].name, "BF16");
    ck_assert_uint_eq(f.dtypes[0].size, 16);
    source_close(&s);
}
END_TEST

/* Models come from anywhere: what their headers and indices say is neither
 * trusted nor spoken to the terminal, and never stops the deposit. */
START_TEST(test_source_wicked_headers)
{
    static const char *const headers[] = {
        TENSOR("\\u001b[31m"), TENSOR(""), TENSOR("\\u0085"),
        TENSOR("a type with a long name"), "{\"\\u001b]0;x\":5}"};
    struct lint lint;
    struct digest digest;
    uint8_t mem[2048];

    put_safetensors("model/w.safetensors", headers[_i]);
    scratch_put("model/model.safetensors.index.json",
                "{\"weight_map\":{\"w\":\"w.safetensors\",\"v\":5,"
                "\"\\u001b\":\"\\u001b[0m\"}}",
                0600);
    ck_assert_int_eq(open_it(), OK);
    ck_assert_int_eq(lint_run(&lint, &s, errmsg), OK);
    ck_assert_uint_gt(lint.errors, 0);
    for (size_t i = 0; i < lint.findings_len; i++) {
        ck_assert_ptr_null(strchr(lint.findings[i].text, '\033'));
    }
    lint_close(&lint);
    ck_assert_uint_le(s.size, sizeof(mem));
    ck_assert_int_eq(
        source_read(&s, 0, mem, s.size, NULL, NULL, &digest, errmsg), OK);
    ck_assert_int_eq(source_make_catalogue(&s, "label", 1, SEGMENT_SIZE_MIN,
                                           NULL, 0, errmsg),
                     OK);
    source_close(&s);
}
END_TEST

Suite *suite_make(void)
{
    Suite *suite = suite_create("source");
    TCase *tc = tcase_create("source");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_source_order);
    tcase_add_test(tc, test_source_digest_tells_the_past);
    tcase_add_loop_test(tc, test_source_changes_are_noticed, 0, 4);
    tcase_add_test(tc, test_source_tiles);
    tcase_add_test(tc, test_source_changes_between_tiles);
    tcase_add_test(tc, test_source_new_files_are_noticed);
    tcase_add_test(tc, test_source_links);
    tcase_add_test(tc, test_source_refuses_what_cannot_be_kept);
    tcase_add_test(tc, test_source_holds);
    tcase_add_test(tc, test_source_catalogue_has_kinds);
    tcase_add_loop_test(tc, test_source_wicked_headers, 0, 5);
    suite_add_tcase(suite, tc);
    return suite;
}
