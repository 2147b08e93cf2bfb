#include <errno.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#include "node/custody/custody_store.h"
#include "tests/scratch.h"

static const uint8_t store_key[32] = {7, 7, 7}, store_id[VOLUME_ID_SIZE] = {9};
static struct custody_store *store;
static char errmsg[ERRMSG_SIZE];
static uint8_t value[CORE_VALUE_MAX];

/* --- Syncs that fail when told to ---------------------------------------- */

static int sync_errno;
static unsigned syncs_good; /* So many before the first that fails. */

int fsync(int fd)
{
    if (sync_errno != 0 && syncs_good == 0) {
        errno = sync_errno;
        return -1;
    }
    syncs_good -= syncs_good > 0 ? 1 : 0;
    return (int)syscall(SYS_fsync, fd);
}

/* --- A disk as large as is told ------------------------------------------ */

static uint64_t disk_free;

int fstatvfs(int fildes, struct statvfs *buf)
{
    (void)fildes;
    *buf = (struct statvfs){.f_frsize = 1, .f_bavail = disk_free};
    return 0;
}

/* --- Verbs --------------------------------------------------------------- */

static int try_open(const uint8_t id[VOLUME_ID_SIZE], const uint8_t key[32])
{
    return custody_store_open(&store, scratch_path("store"), id, key, errmsg);
}

static void start(void)
{
    sync_errno = 0;
    syncs_good = 0;
    disk_free = UINT64_C(1) << 40;
    scratch_make();
    ck_assert_int_eq(volume_init_as(scratch_path("store"), store_id, errmsg),
                     OK);
    ck_assert_int_eq(try_open(store_id, store_key), OK);
}

static void stop(void)
{
    custody_store_close(store);
    store = NULL;
    scratch_remove();
}

static void reopen(const uint8_t key[32])
{
    custody_store_close(store);
    store = NULL;
    ck_assert_int_eq(try_open(store_id, key), OK);
}

static void put(const char *key, const char *text)
{
    ck_assert_int_eq(
        custody_store_put(store, slice_str(key), slice_str(text), errmsg), OK);
}

static int get(const char *key)
{
    size_t size = 0;
    int rv = custody_store_get(store, slice_str(key), value, &size, errmsg);

    if (rv == OK) {
        value[size] = '\0';
    }
    return rv;
}

static void is(const char *key, const char *text)
{
    ck_assert_int_eq(get(key), OK);
    ck_assert_str_eq((const char *)value, text);
}

static int sum_try(const uint8_t id[VOLUME_ID_SIZE],
                   const char *prefix,
                   struct custody_store_sum *sum)
{
    return custody_store_sum(scratch_path("store"), id, slice_str(prefix), sum,
                             errmsg);
}

static uint64_t count(const char *prefix)
{
    struct custody_store_sum sum = {.rows = 0};

    ck_assert_int_eq(sum_try(store_id, prefix, &sum), OK);
    return sum.rows;
}

/* The keys under a prefix, with a blank behind each. */
static const char *listing(const char *prefix)
{
    static char text[256];
    uint8_t key[CUSTODY_STORE_NAME_KEY], last[CUSTODY_STORE_NAME_KEY];
    size_t size = 0, last_size = 0, at = 0;

    text[0] = '\0';
    while (custody_store_next(store, slice_str(prefix),
                              slice_of(last, last_size), key, &size,
                              errmsg) == OK) {
        memcpy(text + at, key, size);
        at += size;
        text[at++] = ' ';
        text[at] = '\0';
        memcpy(last, key, size);
        last_size = size;
    }
    return text;
}

/* Row "a" is in the file "61". */
static size_t file_get(const char *name, uint8_t *out, size_t max)
{
    int fd = open(scratch_path(name), O_RDONLY);
    ssize_t n = read(fd, out, max);

    ck_assert_int_ge(n, 0);
    close(fd);
    return (size_t)n;
}

static void file_put(const char *name, const uint8_t *bytes, size_t size)
{
    int fd = open(scratch_path(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

    ck_assert_int_eq(write(fd, bytes, size), (ssize_t)size);
    close(fd);
}

/* --- Tests --------------------------------------------------------------- */

/* What was put is there after the store was opened again. */
START_TEST(test_custody_store_keeps)
{
    ck_assert_int_eq(get("a"), ERR_NOTFOUND);
    put("a", "one");
    put("b", "");
    put("a", "two");
    reopen(store_key);
    is("a", "two");
    is("b", "");
    ck_assert_int_eq(get("c"), ERR_NOTFOUND);
}
END_TEST

/* The largest key and value. */
START_TEST(test_custody_store_bounds)
{
    static uint8_t large[CORE_VALUE_MAX];
    uint8_t key[CUSTODY_STORE_NAME_KEY];
    size_t size = 0;

    memset(large, 9, sizeof(large));
    memset(key, 0xab, sizeof(key));
    ck_assert_int_eq(custody_store_put(store, slice_of(key, sizeof(key)),
                                       slice_of(large, sizeof(large)), errmsg),
                     OK);
    ck_assert_int_eq(custody_store_get(store, slice_of(key, sizeof(key)), value,
                                       &size, errmsg),
                     OK);
    ck_assert_uint_eq(size, sizeof(large));
    ck_assert_bytes_eq(value, large, sizeof(large));
}
END_TEST

/* Keys come in order, those under a prefix alone; other files are none. */
START_TEST(test_custody_store_lists)
{
    put("S2", "");
    put("R1", "");
    put("S", "");
    put("S10", "");
    put("S1", "");
    scratch_put("store/readme", "", 0600);
    scratch_put("store/5", "", 0600);
    scratch_put("store/5A", "", 0600);
    ck_assert_str_eq(listing("S"), "S S1 S10 S2 ");
    ck_assert_str_eq(listing("S1"), "S1 S10 ");
    ck_assert_str_eq(listing("T"), "");
    ck_assert_uint_eq(count("S"), 4);
    ck_assert_uint_eq(count("R"), 1);
    ck_assert_uint_eq(count(""), 5);
}
END_TEST

static void file_time_set(const char *name, time_t at)
{
    const struct timespec times[2] = {{.tv_sec = at}, {.tv_sec = at}};

    ck_assert_int_eq(utimensat(AT_FDCWD, scratch_path(name), times, 0), 0);
}

/* Without the key it can be seen how many rows there are, and since when. */
START_TEST(test_custody_store_sums)
{
    struct custody_store_sum sum;

    file_time_set("store/" VOLUME_MARKER, 1000);
    ck_assert_int_eq(sum_try(store_id, "S", &sum), OK);
    ck_assert(sum.rows == 0 && sum.newest_s == 0 && sum.made_s == 1000);
    put("S1", "");
    put("S2", "");
    put("R1", "");
    file_time_set("store/5331", 3000);
    file_time_set("store/5332", 2000);
    file_time_set("store/5231", 4000);
    ck_assert_int_eq(sum_try(store_id, "S", &sum), OK);
    ck_assert(sum.rows == 2 && sum.newest_s == 3000 && sum.made_s == 1000);
    ck_assert_int_eq(sum_try(store_id, "R", &sum), OK);
    ck_assert(sum.rows == 1 && sum.newest_s == 4000);
}
END_TEST

/* Nobody but the holder of the key reads a row, and no two writings look
 * alike. */
START_TEST(test_custody_store_is_sealed)
{
    static const uint8_t other[32] = {7, 7, 8};
    uint8_t first[256], again[256];
    size_t size;

    put("a", "a secret of some length");
    size = file_get("store/61", first, sizeof(first));
    ck_assert_uint_eq(size, 23 + CUSTODY_STORE_OVERHEAD);
    ck_assert_ptr_null(memmem(first, size, "secret", 6));
    put("a", "a secret of some length");
    ck_assert_uint_eq(file_get("store/61", again, sizeof(again)), size);
    ck_assert_mem_ne(first + 5, again + 5, 24);
    ck_assert_mem_ne(first + 29, again + 29, size - 29);
    reopen(other);
    ck_assert_int_eq(get("a"), ERR_AUTH);
    ck_assert_ptr_nonnull(strstr(errmsg, "61"));
}
END_TEST

/* A changed byte anywhere, a cut, a tail: damage, and never a row. */
START_TEST(test_custody_store_finds_damage)
{
    static uint8_t large[CORE_VALUE_MAX + CUSTODY_STORE_OVERHEAD + 1];
    uint8_t good[128], bad[128];
    size_t size;

    put("a", "some text");
    size = file_get("store/61", good, sizeof(good));
    for (size_t i = 0; i < size; i++) {
        memcpy(bad, good, size);
        bad[i] ^= (uint8_t)(1U << (i % 8));
        file_put("store/61", bad, size);
        ck_assert_int_eq(get("a"), ERR_AUTH);
    }
    for (size_t i = 0; i < size; i++) {
        file_put("store/61", good, i);
        ck_assert_int_eq(get("a"), ERR_AUTH);
    }
    memcpy(bad, good, size);
    file_put("store/61", bad, size + 1);
    ck_assert_int_eq(get("a"), ERR_AUTH);
    file_put("store/61", large, sizeof(large));
    ck_assert_int_eq(get("a"), ERR_AUTH);
    file_put("store/61", good, size);
    is("a", "some text");
}
END_TEST

/* A row is no other row, whoever renames files. */
START_TEST(test_custody_store_rows_cannot_be_swapped)
{
    put("a", "one");
    put("b", "two");
    ck_assert_int_eq(rename(scratch_path("store/61"), scratch_path("store/c")),
                     0);
    ck_assert_int_eq(rename(scratch_path("store/62"), scratch_path("store/61")),
                     0);
    ck_assert_int_eq(get("a"), ERR_AUTH);
    ck_assert_int_eq(get("b"), ERR_NOTFOUND);
}
END_TEST

/* A write that did not reach the disk is an error, and the old row stays. */
START_TEST(test_custody_store_write_fails)
{
    put("a", "old");
    sync_errno = EIO;
    ck_assert_int_eq(
        custody_store_put(store, slice_str("a"), slice_str("new"), errmsg),
        ERR_IO);
    sync_errno = ENOSPC;
    ck_assert_int_eq(
        custody_store_put(store, slice_str("a"), slice_str("new"), errmsg),
        ERR_FULL);
    sync_errno = 0;
    is("a", "old");
}
END_TEST

/* No room: the old row, or none, is there as before. No room for the name that
 * the row has already: nobody knows which of the two will be there. */
START_TEST(test_custody_store_full)
{
    static const int full[] = {ENOSPC, EDQUOT};

    put("a", "old");
    for (size_t i = 0; i < 2; i++) {
        sync_errno = full[i];
        ck_assert_int_eq(
            custody_store_put(store, slice_str("a"), slice_str("new"), errmsg),
            ERR_FULL);
        ck_assert_int_eq(
            custody_store_put(store, slice_str("b"), slice_str("new"), errmsg),
            ERR_FULL);
        is("a", "old");
        ck_assert_int_eq(get("b"), ERR_NOTFOUND);
        syncs_good = 1;
        ck_assert_int_eq(
            custody_store_put(store, slice_str("c"), slice_str("new"), errmsg),
            ERR_IO);
    }
    sync_errno = 0;
    ck_assert_str_eq(listing("b"), "");
    put("a", "new");
    is("a", "new");
}
END_TEST

/* There is room for another row when one of any size leaves the reserve. */
START_TEST(test_custody_store_room)
{
    const uint64_t row = CORE_VALUE_MAX + CUSTODY_STORE_OVERHEAD;

    ck_assert_int_eq(custody_store_room(store, errmsg), OK);
    disk_free = CUSTODY_STORE_RESERVE + row;
    ck_assert_int_eq(custody_store_room(store, errmsg), OK);
    disk_free--;
    ck_assert_int_eq(custody_store_room(store, errmsg), ERR_FULL);
    ck_assert_ptr_nonnull(strstr(errmsg, "16.0 MiB"));
    disk_free = 0;
    ck_assert_int_eq(custody_store_room(store, errmsg), ERR_FULL);
    put("a", "the reserve is for use");
}
END_TEST

/* What a killed process had not finished goes; everything else stays. */
START_TEST(test_custody_store_clears_up)
{
    put("a", "one");
    scratch_put("store/.cairn-tmp-Ab3dEf", "half", 0600);
    scratch_put("store/note", "text", 0600);
    reopen(store_key);
    ck_assert_int_ne(access(scratch_path("store/.cairn-tmp-Ab3dEf"), F_OK), 0);
    ck_assert_int_eq(access(scratch_path("store/note"), F_OK), 0);
    is("a", "one");
}
END_TEST

/* A row that a killed process left may not be durable yet: the store opens only
 * when it is, for it is not written again. */
START_TEST(test_custody_store_makes_durable_what_it_finds)
{
    put("a", "one");
    custody_store_close(store);
    store = NULL;
    sync_errno = EIO;
    ck_assert_int_eq(try_open(store_id, store_key), ERR_IO);
    sync_errno = 0;
    ck_assert_int_eq(try_open(store_id, store_key), OK);
    is("a", "one");
}
END_TEST

/* A store that is not there is an error, never one without rows: no folder, an
 * empty one (a disk that is not mounted), another custodian's. */
START_TEST(test_custody_store_wants_its_folder)
{
    static const uint8_t other[VOLUME_ID_SIZE] = {8};
    struct custody_store_sum sum;

    custody_store_close(store);
    store = NULL;
    ck_assert_int_eq(try_open(other, store_key), ERR_MISMATCH);
    ck_assert_int_eq(sum_try(other, "", &sum), ERR_MISMATCH);
    ck_assert_int_eq(rename(scratch_path("store"), scratch_path("away")), 0);
    ck_assert_int_eq(try_open(store_id, store_key), ERR_NOTFOUND);
    ck_assert_int_eq(mkdir(scratch_path("store"), 0700), 0);
    scratch_put("store/.cairn-tmp-Ab3dEf", "not ours", 0600);
    ck_assert_int_eq(try_open(store_id, store_key), ERR_NOTFOUND);
    ck_assert_ptr_nonnull(strstr(errmsg, "mount its disk"));
    ck_assert_int_eq(sum_try(store_id, "", &sum), ERR_NOTFOUND);
    /* Nothing was made or removed there. */
    ck_assert_int_eq(unlink(scratch_path("store/.cairn-tmp-Ab3dEf")), 0);
    ck_assert_int_eq(rmdir(scratch_path("store")), 0);
    custody_store_close(NULL);
}
END_TEST

/* A disk that is unmounted later: rows are neither absent nor written to what
 * lies below it. */
START_TEST(test_custody_store_loses_its_folder)
{
    uint8_t key[CUSTODY_STORE_NAME_KEY];
    size_t size = 0;

    put("a", "one");
    ck_assert_int_eq(rename(scratch_path("store"), scratch_path("away")), 0);
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_int_eq(get("a"), ERR_IO);
        ck_assert_ptr_nonnull(strstr(errmsg, "mount it again"));
        ck_assert_int_eq(custody_store_next(store, slice_str("a"),
                                            slice_of(NULL, 0), key, &size,
                                            errmsg),
                         ERR_IO);
        ck_assert_int_eq(
            custody_store_put(store, slice_str("a"), slice_str("b"), errmsg),
            ERR_IO);
        if (i == 0) {
            ck_assert_int_eq(mkdir(scratch_path("store"), 0700), 0);
        }
    }
    ck_assert_int_eq(rmdir(scratch_path("store")), 0);
    ck_assert_int_eq(rename(scratch_path("away"), scratch_path("store")), 0);
    is("a", "one");
}
END_TEST

/* A second process, though it may have come by another home, is kept out. */
START_TEST(test_custody_store_is_for_one)
{
    struct custody_store *other = NULL;

    ck_assert_int_eq(custody_store_open(&other, scratch_path("store"), store_id,
                                        store_key, errmsg),
                     ERR_BUSY);
    ck_assert_ptr_null(other);
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("custody_store");
    TCase *tc = tcase_create("rows");

    tcase_add_checked_fixture(tc, start, stop);
    tcase_add_test(tc, test_custody_store_keeps);
    tcase_add_test(tc, test_custody_store_bounds);
    tcase_add_test(tc, test_custody_store_lists);
    tcase_add_test(tc, test_custody_store_sums);
    tcase_add_test(tc, test_custody_store_is_sealed);
    tcase_add_test(tc, test_custody_store_finds_damage);
    tcase_add_test(tc, test_custody_store_rows_cannot_be_swapped);
    tcase_add_test(tc, test_custody_store_write_fails);
    tcase_add_test(tc, test_custody_store_full);
    tcase_add_test(tc, test_custody_store_room);
    tcase_add_test(tc, test_custody_store_clears_up);
    tcase_add_test(tc, test_custody_store_makes_durable_what_it_finds);
    tcase_add_test(tc, test_custody_store_wants_its_folder);
    tcase_add_test(tc, test_custody_store_loses_its_folder);
    tcase_add_test(tc, test_custody_store_is_for_one);
    suite_add_tcase(s, tc);
    return s;
}
