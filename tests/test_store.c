#include <dirent.h>
#include <errno.h>
#include <rocksdb/c.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "node/core/store.h"
#include "tests/scratch.h"

#define BATCHES_MAX 300

static char errmsg[ERRMSG_SIZE];
static uv_loop_t loop;
static struct store *store;
static uint8_t page_buf[STORE_PAGE_MIN];
static struct store_page page;

/* --- Syncs that are counted, and fail when told to ----------------------- */

static int sync_errno;
static unsigned syncs;

int fdatasync(int fildes)
{
    __atomic_add_fetch(&syncs, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&sync_errno, __ATOMIC_SEQ_CST) != 0) {
        errno = __atomic_load_n(&sync_errno, __ATOMIC_SEQ_CST);
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fildes);
}

static void sync_fail(int error)
{
    __atomic_store_n(&sync_errno, error, __ATOMIC_SEQ_CST);
}

static unsigned syncs_now(void)
{
    return __atomic_load_n(&syncs, __ATOMIC_SEQ_CST);
}

/* --- A file system that says once what it is told to --------------------- */

static int space_errno; /* ENOSPC: that nothing is left. */

int statvfs(const char *file, struct statvfs *buf)
{
    int error = __atomic_exchange_n(&space_errno, 0, __ATOMIC_SEQ_CST);
    struct statfs fs;

    if ((error != 0 && error != ENOSPC) || statfs(file, &fs) != 0) {
        errno = error != 0 ? error : errno;
        return -1;
    }
    memset(buf, 0, sizeof(*buf));
    buf->f_bavail = error == ENOSPC ? 0 : fs.f_bavail;
    buf->f_frsize = (unsigned long)fs.f_bsize;
    return 0;
}

static void space_fail(int error)
{
    __atomic_store_n(&space_errno, error, __ATOMIC_SEQ_CST);
}

/* --- Verbs --------------------------------------------------------------- */

static void setup(void)
{
    scratch_make();
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    page = (struct store_page){.buf = page_buf,
                               .buf_size = sizeof(page_buf),
                               .rows_max = CORE_ROWS_MAX};
    errmsg[0] = '\0';
}

static const char *path(void)
{
    return scratch_path("db");
}

static int try_open(uint64_t reserve)
{
    return store_open(&store, &loop, path(), reserve, errmsg);
}

static void start(void)
{
    ck_assert_msg(store_create(path(), errmsg) == OK, "%s", errmsg);
    ck_assert_msg(try_open(0) == OK, "%s", errmsg);
}

static void stop(void)
{
    store_close(store);
    store = NULL;
}

static void restart(void)
{
    stop();
    ck_assert_msg(try_open(0) == OK, "%s", errmsg);
}

struct batch {
    struct store_write write;
    struct core_op ops[4];
    char keys[4][16];
    char value[16];
    unsigned number, syncs_before;
    int status;
    bool done;
};

static struct batch batches[BATCHES_MAX];
static unsigned batches_done;

static void on_done(struct store_write *w, int status)
{
    struct batch *b = w->arg;

    ck_assert(!b->done);
    ck_assert_uint_eq(b->number, batches_done);
    if (status == OK && w->ops_len > 0) {
        ck_assert_uint_gt(syncs_now(), b->syncs_before);
    }
    b->done = true;
    b->status = status;
    batches_done++;
}

/* Batches are numbered by their place since batches_begin(). */
static void batches_begin(void)
{
    memset(batches, 0, sizeof(batches));
    batches_done = 0;
}

static struct batch *batch_make(unsigned number)
{
    struct batch *b = &batches[number];

    ck_assert_uint_lt(number, BATCHES_MAX);
    b->number = number;
    b->write.ops = b->ops;
    b->write.on_done = on_done;
    b->write.arg = b;
    b->status = 1;
    (void)snprintf(b->value, sizeof(b->value), "%u", number);
    return b;
}

static void batch_op(struct batch *b, const char *key, bool remove)
{
    size_t i = b->write.ops_len++;

    (void)snprintf(b->keys[i], sizeof(b->keys[i]), "%s", key);
    b->ops[i].key = slice_str(b->keys[i]);
    b->ops[i].remove = remove;
    if (!remove) {
        b->ops[i].value = slice_str(b->value);
    }
}

static void batch_commit(struct batch *b)
{
    b->syncs_before = syncs_now();
    store_commit(store, &b->write);
    ck_assert(!b->done);
}

static void turn(void)
{
    (void)uv_run(&loop, UV_RUN_DEFAULT);
}

static void on_put(struct store_write *w, int status)
{
    *(int *)w->arg = status;
}

/* Commit one row and wait. */
static int put(struct slice key, struct slice value)
{
    struct core_op op = {.key = key, .value = value};
    int status = 1;
    struct store_write w = {
        .ops = &op, .ops_len = 1, .on_done = on_put, .arg = &status};

    store_commit(store, &w);
    turn();
    ck_assert_int_ne(status, 1);
    return status;
}

static int put_text(const char *key, const char *value)
{
    return put(slice_str(key), slice_str(value));
}

static void rows(struct slice prefix, struct slice after)
{
    ck_assert_msg(store_rows(store, prefix, after, &page, errmsg) == OK, "%s",
                  errmsg);
}

/* The keys under |prefix| in pages of |max|, "a,b|c," with '|' between pages
 * and '.' behind the last. */
static const char *listing(const char *prefix, size_t max)
{
    static char text[512];
    char after[CORE_KEY_MAX + 1] = "";
    size_t size = 0;

    page.rows_max = max;
    do {
        rows(slice_str(prefix), slice_str(after));
        for (size_t i = 0; i < page.rows_len; i++) {
            struct slice key = page.rows[i].key;

            memcpy(after, key.data, key.size);
            after[key.size] = '\0';
            size += (size_t)snprintf(text + size, sizeof(text) - size, "%s,",
                                     after);
        }
        size += (size_t)snprintf(text + size, sizeof(text) - size, "%s",
                                 page.last ? "." : "|");
    } while (!page.last);
    return text;
}

/* The value of a key, or "-". */
static const char *value_of(const char *key)
{
    static char text[64];

    page.rows_max = 1;
    rows(slice_str(key), slice_of(NULL, 0));
    if (page.rows_len == 0 || !slice_equal(page.rows[0].key, slice_str(key))) {
        return "-";
    }
    ck_assert_uint_lt(page.rows[0].value.size, sizeof(text));
    memcpy(text, page.rows[0].value.data, page.rows[0].value.size);
    text[page.rows[0].value.size] = '\0';
    return text;
}

static unsigned entries(const char *folder, const char *begin)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    unsigned count = 0;

    ck_assert_ptr_nonnull(dir);
    while ((entry = readdir(dir)) != NULL) {
        count += strncmp(entry->d_name, begin, strlen(begin)) == 0 ? 1 : 0;
    }
    closedir(dir);
    return count;
}

/* The one file in the folder of the store whose name ends so. */
static const char *file_like(const char *end)
{
    static char found[2 * SCRATCH_PATH_SIZE];
    DIR *dir = opendir(path());
    const struct dirent *entry;

    found[0] = '\0';
    ck_assert_ptr_nonnull(dir);
    while ((entry = readdir(dir)) != NULL) {
        const char *at = strstr(entry->d_name, end);

        if (at != NULL && (end[0] != '.' || strcmp(at, end) == 0)) {
            (void)snprintf(found, sizeof(found), "%s/%s", path(),
                           entry->d_name);
        }
    }
    closedir(dir);
    ck_assert_str_ne(found, "");
    return found;
}

static void flip_byte(const char *file, off_t at)
{
    int fd = open(file, O_RDWR);
    uint8_t byte;

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pread(fd, &byte, 1, at), 1);
    byte ^= 0x40;
    ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

/* The state of the disk as a power cut leaves it: a copy of the open store
 * takes its place. */
static void power_cut(void)
{
    char command[4 * SCRATCH_PATH_SIZE];

    (void)snprintf(command, sizeof(command), "cp -a '%s' '%s'", path(),
                   scratch_path("copy"));
    ck_assert_int_eq(system(command), 0); /* NOLINT(cert-env33-c): ours. */
    stop();
    ck_assert_int_eq(rename(path(), scratch_path("old")), 0);
    ck_assert_int_eq(rename(scratch_path("copy"), path()), 0);
}

/* --- Commits ------------------------------------------------------------- */

/* Rows are there after the store was closed and opened. */
START_TEST(test_store_rows_survive_reopening)
{
    start();
    ck_assert_int_eq(put_text("one", "1"), OK);
    ck_assert_int_eq(put_text("two", "2"), OK);
    restart();
    ck_assert_str_eq(value_of("one"), "1");
    ck_assert_str_eq(listing("", 10), "one,two,.");
    stop();
}
END_TEST

/* In a batch later operations win, and deletes delete. */
START_TEST(test_store_batch_keeps_its_order)
{
    struct batch *b;

    start();
    ck_assert_int_eq(put_text("gone", "x"), OK);
    batches_begin();
    b = batch_make(0);
    batch_op(b, "gone", true);
    batch_op(b, "a", false);
    batch_op(b, "a", true);
    batch_op(b, "b", false);
    batch_commit(b);
    turn();
    ck_assert_int_eq(b->status, OK);
    ck_assert_str_eq(listing("", 10), "b,.");
    stop();
}
END_TEST

/* Batches are answered in order, each after a sync, and share syncs. */
START_TEST(test_store_batches_share_syncs_in_order)
{
    unsigned before;

    start();
    batches_begin();
    before = syncs_now();
    for (unsigned i = 0; i < BATCHES_MAX; i++) {
        struct batch *b = batch_make(i);

        if (i % 7 != 3) { /* Some have nothing to write. */
            batch_op(b, "x", false);
        }
        batch_commit(b);
    }
    turn();
    ck_assert_uint_eq(batches_done, BATCHES_MAX);
    for (unsigned i = 0; i < BATCHES_MAX; i++) {
        ck_assert_int_eq(batches[i].status, OK);
    }
    ck_assert_uint_le(syncs_now() - before, 4);
    ck_assert_str_eq(value_of("x"), "299");
    stop();
}
END_TEST

/* The largest batches there are go through, more of them than a group has. */
START_TEST(test_store_large_batches)
{
    static uint8_t value[CORE_VALUE_MAX];
    static struct core_op ops[BATCHES_MAX];
    static char keys[BATCHES_MAX][8];
    static struct store_write writes[BATCHES_MAX];
    static int status[BATCHES_MAX];

    start();
    for (unsigned i = 0; i < BATCHES_MAX; i++) {
        (void)snprintf(keys[i], sizeof(keys[i]), "k%04u", i);
        ops[i].key = slice_str(keys[i]);
        ops[i].value = slice_of(value, sizeof(value));
        status[i] = 1;
        writes[i] = (struct store_write){
            .ops = &ops[i], .ops_len = 1, .on_done = on_put, .arg = &status[i]};
        store_commit(store, &writes[i]);
    }
    turn();
    for (unsigned i = 0; i < BATCHES_MAX; i++) {
        ck_assert_int_eq(status[i], OK);
    }
    restart();
    rows(slice_str("k0299"), slice_of(NULL, 0));
    ck_assert_uint_eq(page.rows_len, 1);
    ck_assert_uint_eq(page.rows[0].value.size, CORE_VALUE_MAX);
    stop();
}
END_TEST

/* A failed sync is the end: nothing is acknowledged any more, though the disk
 * may feel well again; what was acknowledged is there. The index chooses what
 * the disk says: no space at a sync is no better. */
START_TEST(test_store_failed_sync_halts)
{
    static const int errors[] = {EIO, ENOSPC};

    start();
    ck_assert_int_eq(put_text("before", "1"), OK);
    ck_assert_str_eq(store_error(store), "");
    sync_fail(errors[_i]);
    batches_begin();
    for (unsigned i = 0; i < 3; i++) {
        struct batch *b = batch_make(i);

        batch_op(b, "after", false);
        batch_commit(b);
    }
    turn();
    sync_fail(0);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_int_eq(batches[i].status, ERR_IO);
    }
    ck_assert_ptr_nonnull(strstr(store_error(store), "check the disk"));
    ck_assert_int_eq(put_text("later", "1"), ERR_IO);
    ck_assert_str_eq(value_of("later"), "-");
    restart();
    ck_assert_str_eq(value_of("before"), "1");
    ck_assert_str_eq(value_of("later"), "-");
    ck_assert_int_eq(put_text("later", "2"), OK);
    stop();
}
END_TEST

/* --- Rows ---------------------------------------------------------------- */

/* A prefix has exactly its own rows, in order, whatever the size of a page,
 * and |last| is known on a page that is just full. */
START_TEST(test_store_prefix_has_its_rows)
{
    static const char *const keys[] = {
        "E",     "D",     "D\x01", "D\xff",    "D\xff\xff", "D\xffz",
        "C\xff", "E\x01", "\xff",  "\xff\xff", "\xfe"};

    start();
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        ck_assert_int_eq(put_text(keys[i], "v"), OK);
    }
    ck_assert_str_eq(listing("D", 10), "D,D\x01,D\xff,D\xffz,D\xff\xff,.");
    ck_assert_str_eq(listing("D", 2), "D,D\x01,|D\xff,D\xffz,|D\xff\xff,.");
    ck_assert_str_eq(listing("D", 5), "D,D\x01,D\xff,D\xffz,D\xff\xff,.");
    ck_assert_str_eq(listing("D\xff", 10), "D\xff,D\xffz,D\xff\xff,.");
    ck_assert_str_eq(listing("D\xff\xff", 1), "D\xff\xff,.");
    ck_assert_str_eq(listing("\xff", 1), "\xff,|\xff\xff,.");
    ck_assert_str_eq(listing("\xff\xff", 1), "\xff\xff,.");
    ck_assert_str_eq(listing("E", 9), "E,E\x01,.");
    ck_assert_str_eq(listing("F", 9), ".");
    /* All of them, but not the store's own. */
    ck_assert_str_eq(listing("", 4),
                     "C\xff,D,D\x01,D\xff,|D\xffz,D\xff\xff,E,E\x01,|"
                     "\xfe,\xff,\xff\xff,.");
    stop();
}
END_TEST

/* A page ends where its buffer does; rows are whole. */
START_TEST(test_store_page_is_bounded_by_its_buffer)
{
    static uint8_t value[CORE_VALUE_MAX];

    start();
    memset(value, 7, sizeof(value));
    ck_assert_int_eq(put(slice_str("a"), slice_of(value, 200)), OK);
    ck_assert_int_eq(put(slice_str("b"), slice_of(value, sizeof(value))), OK);
    ck_assert_int_eq(put(slice_str("c"), slice_of(NULL, 0)), OK);
    rows(slice_of(NULL, 0), slice_of(NULL, 0));
    ck_assert_uint_eq(page.rows_len, 1);
    ck_assert(!page.last);
    rows(slice_of(NULL, 0), slice_str("a"));
    ck_assert_uint_eq(page.rows_len, 2);
    ck_assert_uint_eq(page.rows[0].value.size, sizeof(value));
    ck_assert_bytes_eq(page.rows[0].value.data, value, sizeof(value));
    ck_assert_uint_eq(page.rows[1].value.size, 0);
    ck_assert(page.last);
    stop();
}
END_TEST

/* A key to go on behind need not be there any more. */
START_TEST(test_store_page_goes_on_behind_a_deleted_row)
{
    start();
    ck_assert_int_eq(put_text("a", "1"), OK);
    ck_assert_int_eq(put_text("c", "3"), OK);
    rows(slice_of(NULL, 0), slice_str("b"));
    ck_assert_uint_eq(page.rows_len, 1);
    ck_assert(slice_equal(page.rows[0].key, slice_str("c")));
    stop();
}
END_TEST

static int read_status = 1;

static void on_read(struct store_read *r, int status)
{
    ck_assert_ptr_eq(r->arg, &read_status);
    read_status = status;
}

/* On the pool the same rows come, those of a commit before it included. */
START_TEST(test_store_read_on_the_pool)
{
    struct store_read r = {.prefix = slice_str("k"),
                           .after = slice_str("k1"),
                           .page = &page,
                           .on_done = on_read,
                           .arg = &read_status};

    start();
    ck_assert_int_eq(put_text("k1", "1"), OK);
    ck_assert_int_eq(put_text("k2", "2"), OK);
    store_read(store, &r);
    ck_assert_int_eq(read_status, 1);
    turn();
    ck_assert_int_eq(read_status, OK);
    ck_assert_uint_eq(page.rows_len, 1);
    ck_assert(slice_equal(page.rows[0].value, slice_str("2")));
    stop();
}
END_TEST

/* --- Opening ------------------------------------------------------------- */

static void refused(int rv, const char *words)
{
    ck_assert_int_eq(try_open(0), rv);
    ck_assert_msg(strstr(errmsg, words) != NULL, "%s", errmsg);
}

/* No folder, or an empty one: an error, and still nothing there. */
START_TEST(test_store_missing_is_an_error)
{
    refused(ERR_NOTFOUND, "mount its disk");
    ck_assert_int_ne(access(path(), F_OK), 0);
    ck_assert_int_eq(mkdir(path(), 0700), 0);
    refused(ERR_NOTFOUND, "mount its disk");
    ck_assert_int_eq(rmdir(path()), 0);
}
END_TEST

/* Nothing is made over what is there, and a failure leaves nothing. */
START_TEST(test_store_create_takes_nobodys_place)
{
    start();
    ck_assert_int_eq(put_text("a", "1"), OK);
    stop();
    ck_assert_int_eq(store_create(path(), errmsg), ERR_EXISTS);
    ck_assert_int_eq(try_open(0), OK);
    ck_assert_str_eq(value_of("a"), "1");
    stop();
    ck_assert_uint_eq(entries(scratch, "db"), 1);
    scratch_put("file", "", 0600);
    ck_assert_int_eq(store_create(scratch_path("file"), errmsg), ERR_EXISTS);
    ck_assert_int_eq(store_create(scratch_path("no/db"), errmsg), ERR_NOTFOUND);
    ck_assert_uint_eq(entries(scratch, "file"), 1);
    ck_assert_int_eq(mkdir(scratch_path("empty"), 0755), 0);
    ck_assert_int_eq(store_create(scratch_path("empty"), errmsg), OK);
}
END_TEST

/* A record in the midst of the log is damaged: that is said, and nothing that
 * stands behind it is dropped in silence. */
START_TEST(test_store_damaged_log_is_refused)
{
    start();
    for (unsigned i = 0; i < 20; i++) {
        ck_assert_int_eq(put_text("key", "a value of some length"), OK);
    }
    power_cut();
    flip_byte(file_like(".log"), 300);
    refused(ERR_BAD, "restore it from a backup");
}
END_TEST

/* A log whose last record is torn was cut by the power: that record was never
 * acknowledged. */
START_TEST(test_store_torn_end_of_the_log_is_fine)
{
    struct stat st;

    start();
    ck_assert_int_eq(put_text("a", "1"), OK);
    ck_assert_int_eq(put_text("b", "2"), OK);
    power_cut();
    ck_assert_int_eq(stat(file_like(".log"), &st), 0);
    ck_assert_int_eq(truncate(file_like(".log"), st.st_size - 1), 0);
    ck_assert_msg(try_open(0) == OK, "%s", errmsg);
    ck_assert_str_eq(listing("", 10), "a,.");
    stop();
}
END_TEST

static void put_large(const char *key, size_t size)
{
    static uint8_t value[CORE_VALUE_MAX];

    memset(value, 'v', sizeof(value));
    ck_assert_int_eq(put(slice_str(key), slice_of(value, size)), OK);
}

static off_t log_size(void)
{
    struct stat st;

    ck_assert_int_eq(stat(file_like(".log"), &st), 0);
    return st.st_size;
}

static void zeros_put(const char *file, off_t from, off_t to)
{
    static const uint8_t zeros[2 * CORE_VALUE_MAX];
    int fd = open(file, O_RDWR);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_lt(from, to);
    ck_assert_int_eq(pwrite(fd, zeros, (size_t)(to - from), from), to - from);
    close(fd);
}

#define PAGE 4096

/* The log has grown by its last record, and some pages of it are not there: a
 * file system gives zeros for them. Up to which page it came, or which one is
 * missing: the store opens with all before, and goes on. */
static void tear_at(size_t size, int nth, bool all_behind)
{
    off_t from;
    off_t to;
    off_t lost;
    off_t end;

    start();
    ck_assert_int_eq(put_text("a", "1"), OK);
    ck_assert_int_eq(put_text("b", "2"), OK);
    from = log_size();
    put_large("torn", size);
    to = log_size();
    power_cut();
    lost = nth == 0 ? from : (from / PAGE + nth) * PAGE;
    end = all_behind ? to : (lost / PAGE + 1) * PAGE;
    ck_assert_int_lt(lost, to);
    zeros_put(file_like(".log"), lost, end < to ? end : to);
    ck_assert_msg(try_open(0) == OK, "%s", errmsg);
    ck_assert_str_eq(listing("", 10), "a,b,.");
    ck_assert_int_eq(put_text("c", "3"), OK);
    restart();
    ck_assert_str_eq(listing("", 10), "a,b,c,.");
    stop();
    scratch_remove();
    scratch_make();
}

START_TEST(test_store_log_that_ends_in_zeros_is_fine)
{
    for (int nth = 0; nth < 2; nth++) {
        tear_at(5000, nth, true);
        tear_at(5000, nth, false);
    }
    for (int nth = 0; nth < 15; nth += 2) {
        tear_at(60000, nth, true);
        tear_at(60000, nth, false);
    }
}
END_TEST

/* A last record that is all there and wrong, or zeros with a record behind
 * them, are no work of a power cut: nothing is cut off. */
START_TEST(test_store_log_with_other_damage_is_refused)
{
    off_t size;

    start();
    put_large("a", 9000);
    power_cut();
    size = log_size();
    flip_byte(file_like(".log"), 5000);
    refused(ERR_BAD, "restore it from a backup");
    ck_assert_int_eq(log_size(), size);
    flip_byte(file_like(".log"), 5000);
    ck_assert_int_eq(try_open(0), OK);
    put_large("b", 9000);
    ck_assert_int_eq(put_text("c", "3"), OK);
    stop();
    size = log_size();
    zeros_put(file_like(".log"), PAGE, (off_t)2 * PAGE);
    refused(ERR_BAD, "restore it from a backup");
    ck_assert_int_eq(log_size(), size);
}
END_TEST

/* The MANIFEST is a log too. */
START_TEST(test_store_manifest_that_ends_in_zeros_is_fine)
{
    /* A sum, the length 8192, and the first byte of what should follow. */
    static const uint8_t head[] = {1, 2, 3, 4, 0x00, 0x20, 1, 'x'};
    struct stat st;
    off_t end;
    int fd;

    start();
    ck_assert_int_eq(put_text("a", "1"), OK);
    restart();
    power_cut();
    ck_assert_int_eq(stat(file_like("MANIFEST-"), &st), 0);
    end = st.st_size;
    ck_assert_int_eq(truncate(file_like("MANIFEST-"), end + 9000), 0);
    fd = open(file_like("MANIFEST-"), O_RDWR);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pwrite(fd, head, sizeof(head), end), sizeof(head));
    close(fd);
    ck_assert_msg(try_open(0) == OK, "%s", errmsg);
    ck_assert_str_eq(listing("", 10), "a,.");
    stop();
}
END_TEST

/* Other damage: the manifest, the name of the manifest. */
START_TEST(test_store_damaged_manifest_is_refused)
{
    start();
    ck_assert_int_eq(put_text("a", "1"), OK);
    stop();
    flip_byte(file_like("MANIFEST-"), 20);
    refused(ERR_BAD, "damaged");
    ck_assert_int_eq(unlink(file_like("MANIFEST-")), 0);
    refused(ERR_BAD, "damaged");
    ck_assert_int_eq(unlink(scratch_path("db/CURRENT")), 0);
    refused(ERR_NOTFOUND, "no catalogue");
}
END_TEST

/* A database with a format row of its own, or none. */
static void foreign(const char *format)
{
    rocksdb_options_t *o = rocksdb_options_create();
    rocksdb_writeoptions_t *wo = rocksdb_writeoptions_create();
    char *words = NULL;
    rocksdb_t *db;

    rocksdb_options_set_create_if_missing(o, 1);
    db = rocksdb_open(o, path(), &words);
    ck_assert_ptr_null(words);
    if (format != NULL) {
        rocksdb_put(db, wo, "\0format", 7, format, strlen(format), &words);
        ck_assert_ptr_null(words);
    }
    rocksdb_close(db);
    rocksdb_writeoptions_destroy(wo);
    rocksdb_options_destroy(o);
}

/* What a later version wrote is not touched by this one. */
START_TEST(test_store_later_format_is_refused)
{
    start();
    stop();
    foreign("cairn catalogue 2");
    refused(ERR_UNSUPPORTED, "format 2");
    foreign("cairn catalogue x");
    refused(ERR_BAD, "no catalogue of Cairn");
    foreign("cairn catalogue 1");
    ck_assert_int_eq(try_open(0), OK);
    stop();
}
END_TEST

/* Somebody else's database is not ours. */
START_TEST(test_store_foreign_database_is_refused)
{
    foreign(NULL);
    refused(ERR_BAD, "no catalogue of Cairn");
}
END_TEST

/* A second opener is refused and told by whom, in this process and in others;
 * a dead one keeps nobody out. */
START_TEST(test_store_second_opener_is_refused)
{
    char name[32];
    int ready[2];
    char byte;
    pid_t child;

    ck_assert_int_eq(pipe(ready), 0);
    child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        start();
        (void)!write(ready[1], "x", 1);
        pause();
        _exit(0);
    }
    close(ready[1]);
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    (void)snprintf(name, sizeof(name), "process %ld", (long)child);
    refused(ERR_BUSY, name);
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    ck_assert_msg(try_open(0) == OK, "%s", errmsg);
    ck_assert_int_eq(
        store_open(&(struct store *){NULL}, &loop, path(), 0, errmsg),
        ERR_BUSY);
    stop();
}
END_TEST

/* RocksDB's own words stay few, however often the store is opened. */
START_TEST(test_store_information_log_stays_small)
{
    start();
    for (unsigned i = 0; i < 5; i++) {
        ck_assert_int_eq(put_text("a", "1"), OK);
        restart();
    }
    ck_assert_uint_le(entries(path(), "LOG"), 2);
    stop();
}
END_TEST

/* --- Crashes ------------------------------------------------------------- */

/* Batch i: puts i.0, i.1, i.2 and i.tmp, and deletes the i.tmp before it. */
static void crash_batch(struct batch *b, unsigned i)
{
    static const char *const parts[] = {"0", "1", "tmp"};
    char key[16];

    for (unsigned p = 0; p < 3; p++) {
        (void)snprintf(key, sizeof(key), "%05u.%s", i, parts[p]);
        batch_op(b, key, false);
    }
    if (i > 0) {
        (void)snprintf(key, sizeof(key), "%05u.tmp", i - 1);
        batch_op(b, key, true);
    }
}

static int crash_pipe;

static void on_crash_done(struct store_write *w, int status)
{
    struct batch *b = w->arg;

    if (status != OK || write(crash_pipe, &b->number, sizeof(b->number)) !=
                            (ssize_t)sizeof(b->number)) {
        _exit(1);
    }
}

/* Commit without end, several at once, and tell of each that is durable. */
static void crash_child(void)
{
    start();
    for (unsigned i = 0;; i++) {
        struct batch *b;

        if (i % 8 == 0) {
            turn();
            batches_begin();
        }
        b = batch_make(i % 8);
        b->number = i;
        b->write.on_done = on_crash_done;
        crash_batch(b, i);
        store_commit(store, &b->write);
    }
}

/* Killed in the midst of commits: what was acknowledged is there, nothing is
 * there by half, and nothing without what came before it. The loop index is
 * how long it lived. */
START_TEST(test_store_killed_process_loses_nothing)
{
    unsigned acked = 0;
    unsigned found;
    unsigned wanted = 20 + 37 * (unsigned)_i;
    char key[16];
    int acks[2];
    pid_t child;

    ck_assert_int_eq(pipe(acks), 0);
    child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        crash_pipe = acks[1];
        crash_child();
    }
    close(acks[1]);
    while (acked < wanted) {
        ck_assert_int_eq(read(acks[0], &acked, sizeof(acked)), sizeof(acked));
    }
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    while (read(acks[0], &acked, sizeof(acked)) == (ssize_t)sizeof(acked)) {
    }
    ck_assert_int_eq(waitpid(child, NULL, 0), child);

    ck_assert_msg(try_open(0) == OK, "%s", errmsg);
    for (found = 0;; found++) {
        (void)snprintf(key, sizeof(key), "%05u.", found);
        rows(slice_str(key), slice_of(NULL, 0));
        if (page.rows_len == 3) {
            break; /* The last has its tmp. */
        }
        ck_assert_uint_eq(page.rows_len, 2);
    }
    ck_assert_uint_ge(found, acked);
    rows(slice_of(NULL, 0), slice_str(key));
    ck_assert_uint_le(page.rows_len, 3);
    (void)snprintf(key, sizeof(key), "%05u.", found + 1);
    rows(slice_str(key), slice_of(NULL, 0));
    ck_assert_uint_eq(page.rows_len, 0);
    stop();
}
END_TEST

/* --- No space ------------------------------------------------------------ */

static bool small_disk(const char *options)
{
    ck_assert_int_eq(mkdir(scratch_path("disk"), 0700), 0);
    if (mount("tmpfs", scratch_path("disk"), "tmpfs", 0, options) != 0) {
        (void)fprintf(stderr, "skipped: cannot mount a tmpfs\n");
        return false;
    }
    return true;
}

static void small_disk_fill(void)
{
    static const char bytes[4096] = {1};
    int fd = open(scratch_path("disk/filler"), O_WRONLY | O_CREAT, 0600);

    ck_assert_int_ge(fd, 0);
    while (write(fd, bytes, sizeof(bytes)) > 0) {
    }
    close(fd);
}

static void small_disk_free(void)
{
    ck_assert_int_eq(unlink(scratch_path("disk/filler")), 0);
}

/* Put rows of 32 KiB from |from| until one is not acknowledged; its number. */
static unsigned put_until_full(unsigned from)
{
    static uint8_t value[32768];
    char key[16];
    int rv = OK;
    unsigned i = from;

    for (;; i++) {
        (void)snprintf(key, sizeof(key), "k%05u", i);
        memset(value, (int)(i % 251), sizeof(value));
        rv = put(slice_str(key), slice_of(value, sizeof(value)));
        if (rv != OK) {
            break;
        }
        ck_assert_uint_lt(i, from + 2000);
    }
    ck_assert_int_eq(rv, ERR_FULL);
    return i;
}

static void all_are_there(unsigned count)
{
    char key[16];

    for (unsigned i = 0; i < count; i++) {
        (void)snprintf(key, sizeof(key), "k%05u", i);
        rows(slice_str(key), slice_of(NULL, 0));
        ck_assert_uint_eq(page.rows_len, 1);
        ck_assert_uint_eq(page.rows[0].value.size, 32768);
        ck_assert_uint_eq(page.rows[0].value.data[32767], i % 251);
    }
}

/* The disk runs full under RocksDB: commits are refused, again and again, and
 * when there is space go on without a restart; nothing was lost. The index
 * chooses how much stood in the store before. */
START_TEST(test_store_full_disk_is_survived)
{
    static const unsigned before[] = {0, 5, 300, 900};
    static const char *const sizes[] = {"size=48m", "size=48m", "size=72m",
                                        "size=96m"};
    static uint8_t value[32768];
    char key[16];
    unsigned count = 0;

    if (!small_disk(sizes[_i])) {
        return;
    }
    ck_assert_int_eq(store_create(scratch_path("disk/db"), errmsg), OK);
    ck_assert_int_eq(
        store_open(&store, &loop, scratch_path("disk/db"), 0, errmsg), OK);
    for (; count < before[_i]; count++) {
        (void)snprintf(key, sizeof(key), "k%05u", count);
        memset(value, (int)(count % 251), sizeof(value));
        ck_assert_int_eq(put(slice_str(key), slice_of(value, sizeof(value))),
                         OK);
    }
    for (unsigned round = 0; round < 2; round++) {
        small_disk_fill();
        count = put_until_full(count);
        ck_assert_ptr_nonnull(strstr(store_error(store), "free some"));
        /* Again: what RocksDB gives back when it opens may do for some. */
        count = put_until_full(count);
        count = put_until_full(count);
        small_disk_free();
        (void)snprintf(key, sizeof(key), "k%05u", count);
        memset(value, (int)(count % 251), sizeof(value));
        ck_assert_msg(put(slice_str(key), slice_of(value, sizeof(value))) == OK,
                      "%s", store_error(store));
        ck_assert_str_eq(store_error(store), "");
        count++;
        all_are_there(count);
    }
    stop();
    ck_assert_int_eq(
        store_open(&store, &loop, scratch_path("disk/db"), 0, errmsg), OK);
    all_are_there(count);
    stop();
    ck_assert_int_eq(umount(scratch_path("disk")), 0);
}
END_TEST

/* When one batch finds no room, those behind it do not get past it, though by
 * then there is room for them; tried again, they go in order. */
START_TEST(test_store_full_disk_keeps_the_order)
{
    start();
    stop();
    ck_assert_int_eq(try_open(1), OK);
    batches_begin();
    space_fail(ENOSPC);
    for (unsigned i = 0; i < 10; i++) {
        struct batch *b = batch_make(i);

        batch_op(b, "x", false);
        batch_commit(b);
    }
    turn();
    for (unsigned i = 0; i < 10; i++) {
        ck_assert_int_eq(batches[i].status, ERR_FULL);
        batches[i].done = false;
    }
    ck_assert_str_eq(value_of("x"), "-");
    batches_done = 0;
    for (unsigned i = 0; i < 10; i++) {
        batch_commit(&batches[i]);
    }
    turn();
    ck_assert_int_eq(batches[9].status, OK);
    ck_assert_str_eq(value_of("x"), "9");
    stop();
}
END_TEST

/* A halt stays, whatever the disk says later. */
START_TEST(test_store_halt_is_for_good)
{
    start();
    stop();
    ck_assert_int_eq(try_open(1), OK);
    ck_assert_int_eq(put_text("a", "1"), OK);
    space_fail(EIO);
    ck_assert_int_eq(put_text("b", "1"), ERR_IO);
    ck_assert_int_eq(put_text("b", "1"), ERR_IO);
    ck_assert_str_ne(store_error(store), "");
    ck_assert_str_eq(listing("", 9), "a,.");
    stop();
}
END_TEST

/* With a reserve the end of the disk is never met. */
START_TEST(test_store_reserve_is_kept)
{
    if (!small_disk("size=32m")) {
        return;
    }
    ck_assert_int_eq(store_create(scratch_path("disk/db"), errmsg), OK);
    ck_assert_int_eq(store_open(&store, &loop, scratch_path("disk/db"),
                                (uint64_t)64 << 20, errmsg),
                     OK);
    ck_assert_int_eq(put_text("a", "1"), ERR_FULL);
    ck_assert_msg(strstr(store_error(store), "64.0 MiB are needed") != NULL,
                  "%s", store_error(store));
    stop();
    ck_assert_int_eq(store_open(&store, &loop, scratch_path("disk/db"),
                                (uint64_t)4 << 20, errmsg),
                     OK);
    ck_assert_int_eq(put_text("a", "1"), OK);
    stop();
    ck_assert_int_eq(umount(scratch_path("disk")), 0);
}
END_TEST

static void teardown(void)
{
    (void)umount2(scratch_path("disk"), MNT_DETACH);
    scratch_remove();
}

Suite *suite_make(void)
{
    Suite *suite = suite_create("store");
    TCase *tc = tcase_create("store");

    /* Mounts of tests that crash go with the process. */
    if (unshare(CLONE_NEWNS) == 0) {
        (void)mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
    }
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, test_store_rows_survive_reopening);
    tcase_add_test(tc, test_store_batch_keeps_its_order);
    tcase_add_test(tc, test_store_batches_share_syncs_in_order);
    tcase_add_test(tc, test_store_large_batches);
    tcase_add_loop_test(tc, test_store_failed_sync_halts, 0, 2);
    tcase_add_test(tc, test_store_prefix_has_its_rows);
    tcase_add_test(tc, test_store_page_is_bounded_by_its_buffer);
    tcase_add_test(tc, test_store_page_goes_on_behind_a_deleted_row);
    tcase_add_test(tc, test_store_read_on_the_pool);
    tcase_add_test(tc, test_store_missing_is_an_error);
    tcase_add_test(tc, test_store_create_takes_nobodys_place);
    tcase_add_test(tc, test_store_damaged_log_is_refused);
    tcase_add_test(tc, test_store_torn_end_of_the_log_is_fine);
    tcase_add_test(tc, test_store_log_that_ends_in_zeros_is_fine);
    tcase_add_test(tc, test_store_log_with_other_damage_is_refused);
    tcase_add_test(tc, test_store_manifest_that_ends_in_zeros_is_fine);
    tcase_add_test(tc, test_store_damaged_manifest_is_refused);
    tcase_add_test(tc, test_store_later_format_is_refused);
    tcase_add_test(tc, test_store_foreign_database_is_refused);
    tcase_add_test(tc, test_store_second_opener_is_refused);
    tcase_add_test(tc, test_store_information_log_stays_small);
    tcase_add_loop_test(tc, test_store_killed_process_loses_nothing, 0, 6);
    tcase_add_loop_test(tc, test_store_full_disk_is_survived, 0, 4);
    tcase_add_test(tc, test_store_full_disk_keeps_the_order);
    tcase_add_test(tc, test_store_halt_is_for_good);
    tcase_add_test(tc, test_store_reserve_is_kept);
    suite_add_tcase(suite, tc);
    return suite;
}
