#include <errno.h>
#include <stdarg.h>
#include <sys/syscall.h>

#include "crypto/rng.h"
#include "node/recovery/bulk_file.h"
#include "tests/scratch.h"

/* Under bulk_file.c lies a file system that the test chooses: the calls that
 * matter end here instead of in the C library. */

#define SIZE ((size_t)5 << 20)

static struct {
    /* What it knows. */
    bool refuses_flag;   /* fcntl() does not take O_DIRECT. */
    uint64_t direct_max; /* Direct writes past this offset are refused. */
    size_t write_max;    /* More is written in pieces. */
    uint64_t full_at;    /* Where there is no more space. */
    int reserve_error;   /* Of fallocate(); 0: it works. */
    /* What it saw. */
    bool direct;
    uint64_t direct_bytes, bytes, reserved;
    unsigned refused;
} fs;

static int file = -1;
static _Alignas(4096) uint8_t bytes[SIZE + 8192];
static const uint8_t *bytes_end = bytes + sizeof(bytes);
static uint64_t copied; /* Of |direct_bytes|: not from |bytes|. */

int fcntl(int fd, int cmd, ...)
{
    va_list list;
    long arg;

    va_start(list, cmd);
    arg = va_arg(list, long);
    va_end(list);
    if (fd != file || cmd != F_SETFL) {
        return (int)syscall(SYS_fcntl, fd, cmd, arg);
    }
    if (((int)arg & O_DIRECT) != 0 && fs.refuses_flag) {
        errno = EINVAL;
        return -1;
    }
    fs.direct = ((int)arg & O_DIRECT) != 0;
    return 0;
}

int fallocate(int fd, int mode, off_t offset, off_t len)
{
    ck_assert(fd == file && mode == FALLOC_FL_KEEP_SIZE && offset == 0);
    fs.reserved += (uint64_t)len;
    errno = fs.reserve_error;
    return fs.reserve_error == 0 ? 0 : -1;
}

static bool is_refused(const void *mem, size_t size, uint64_t off)
{
    return ((uintptr_t)mem | size | off) % BULK_FILE_ALIGN != 0 ||
           off >= fs.direct_max;
}

ssize_t pwrite(int fd, const void *buf, size_t n, off_t offset)
{
    uint64_t at = (uint64_t)offset;
    bool direct = fs.direct;

    ck_assert_int_eq(fd, file);
    if (direct && is_refused(buf, n, at)) {
        fs.refused++;
        errno = EINVAL;
        return -1;
    }
    if (at >= fs.full_at) {
        errno = ENOSPC;
        return -1;
    }
    /* The rest of a short write aside. */
    ck_assert(!direct || n >= BULK_FILE_SIZE || fs.write_max < SIZE_MAX);
    n = n < fs.write_max ? n : fs.write_max;
    if (direct) {
        fs.direct_bytes += n;
        copied +=
            (const uint8_t *)buf < bytes || (const uint8_t *)buf >= bytes_end
                ? n
                : 0;
    }
    fs.bytes += n;
    return syscall(SYS_pwrite64, fd, buf, n, offset);
}

static struct bulk_file b;
static struct rng rng;

static void setup(void)
{
    scratch_make();
    memset(&fs, 0, sizeof(fs));
    fs.direct_max = fs.full_at = UINT64_MAX;
    fs.write_max = SIZE_MAX;
    copied = 0;
    rng_init_seed(&rng, (const uint8_t[RNG_SEED_SIZE]){0});
    rng_bytes(&rng, bytes, sizeof(bytes));
    bulk_file_init(&b);
}

static void teardown(void)
{
    bulk_file_close(&b);
    if (file >= 0) {
        close(file);
        file = -1;
    }
    scratch_remove();
}

static int start(uint64_t size)
{
    if (file >= 0) {
        close(file);
        file = -1;
    }
    file = open(scratch_path("file"), O_RDWR | O_CREAT | O_TRUNC, 0600);
    ck_assert_int_ge(file, 0);
    return bulk_file_start(&b, file, size);
}

/* Write |size| bytes from |from| on in pieces of |piece|. */
static int put(size_t from, size_t size, size_t piece)
{
    int rv = OK;

    for (size_t at = 0; at < size && rv == OK; at += piece) {
        size_t take = size - at < piece ? size - at : piece;

        rv = bulk_file_put(&b, slice_of(bytes + from + at, take));
    }
    return rv == OK ? bulk_file_finish(&b) : rv;
}

static void is_written(size_t from, size_t size)
{
    static uint8_t got[sizeof(bytes) + 1];

    ck_assert_int_eq(pread(file, got, sizeof(got), 0), (ssize_t)size);
    ck_assert(memcmp(got, bytes + from, size) == 0);
    ck_assert_uint_eq(fs.bytes, size);
    ck_assert(!fs.direct); /* The caller gets its descriptor as it was. */
}

/* Aligned memory goes straight to the disk, but for the tail. */
START_TEST(test_bulk_file_aligned)
{
    ck_assert_int_eq(start(SIZE - 1), OK);
    ck_assert_int_eq(put(0, SIZE - 1, (size_t)2 << 20), OK);
    is_written(0, SIZE - 1);
    ck_assert_uint_eq(fs.direct_bytes, SIZE - BULK_FILE_SIZE);
    ck_assert_uint_eq(copied, 0);
    ck_assert_uint_eq(fs.refused, 0);
    ck_assert_uint_eq(fs.reserved, SIZE - 1);
}
END_TEST

/* Memory that is not aligned as the file goes through the buffer. */
START_TEST(test_bulk_file_unaligned)
{
    ck_assert_int_eq(start(SIZE), OK);
    ck_assert_int_eq(put(100, SIZE, (size_t)2 << 20), OK);
    is_written(100, SIZE);
    ck_assert_uint_eq(fs.direct_bytes, SIZE);
    ck_assert_uint_eq(copied, SIZE);
    ck_assert_uint_eq(fs.refused, 0);
}
END_TEST

/* A small file is written as ever, right after a large one, too. */
START_TEST(test_bulk_file_small)
{
    ck_assert_int_eq(start(SIZE), OK);
    ck_assert_int_eq(put(0, SIZE, SIZE), OK);
    is_written(0, SIZE);
    fs.bytes = fs.direct_bytes = fs.reserved = 0;
    ck_assert_int_eq(start(BULK_FILE_SIZE - 1), OK);
    ck_assert_int_eq(put(0, BULK_FILE_SIZE - 1, 65536), OK);
    is_written(0, BULK_FILE_SIZE - 1);
    ck_assert_uint_eq(fs.direct_bytes, 0);
    ck_assert_uint_eq(fs.reserved, 0);
}
END_TEST

/* A file system without direct writes, whenever it says so, gets the same
 * file. */
START_TEST(test_bulk_file_refused)
{
    static const uint64_t from[] = {0, 4096, 1 << 20, 3 << 20};

    for (size_t unaligned = 0; unaligned < 2; unaligned++) {
        fs.refuses_flag = true;
        fs.bytes = 0;
        ck_assert_int_eq(start(SIZE), OK);
        ck_assert_int_eq(put(unaligned, SIZE, 300000), OK);
        is_written(unaligned, SIZE);
        fs.refuses_flag = false;
        for (size_t i = 0; i < 4; i++) {
            fs.bytes = fs.direct_bytes = fs.refused = 0;
            fs.direct_max = from[i];
            ck_assert_int_eq(start(SIZE), OK);
            ck_assert_int_eq(put(unaligned, SIZE, (size_t)1 << 20), OK);
            is_written(unaligned, SIZE);
            ck_assert_uint_eq(fs.refused, 1);
        }
    }
}
END_TEST

/* Of a write that ends anywhere, the rest follows. */
START_TEST(test_bulk_file_short_writes)
{
    static const size_t most[] = {4096, 65536, 4096 * 3 + 512, 999};

    for (size_t i = 0; i < 4; i++) {
        fs.bytes = 0;
        fs.write_max = most[i];
        ck_assert_int_eq(start(BULK_FILE_SIZE + 5), OK);
        ck_assert_int_eq(put(i % 2, BULK_FILE_SIZE + 5, BULK_FILE_SIZE), OK);
        is_written(i % 2, BULK_FILE_SIZE + 5);
    }
}
END_TEST

/* No space is known before the first byte, or found out later; reserving that
 * is not possible does not matter. */
START_TEST(test_bulk_file_full)
{
    fs.reserve_error = ENOSPC;
    ck_assert_int_eq(start(SIZE), ERR_FULL);
    ck_assert_int_eq(errno, ENOSPC);
    fs.reserve_error = EFBIG;
    ck_assert_int_eq(start(SIZE), ERR_IO);
    ck_assert_uint_eq(fs.bytes, 0);
    fs.reserve_error = EOPNOTSUPP;
    for (size_t unaligned = 0; unaligned < 2; unaligned++) {
        fs.full_at = UINT64_MAX;
        fs.bytes = 0;
        ck_assert_int_eq(start(SIZE), OK);
        ck_assert_int_eq(put(unaligned, SIZE, 1000000), OK);
        is_written(unaligned, SIZE);
        fs.full_at = BULK_FILE_SIZE;
        ck_assert_int_eq(start(SIZE), OK);
        ck_assert_int_eq(put(unaligned, SIZE, 1 << 20), ERR_FULL);
        ck_assert_int_eq(errno, ENOSPC);
    }
}
END_TEST

/* Pieces of any size from anywhere: every direct write is aligned and large,
 * and all but the tail is direct. */
START_TEST(test_bulk_file_any_pieces)
{
    size_t size;
    size_t from;

    rng_init_seed(&rng, (const uint8_t[RNG_SEED_SIZE]){(uint8_t)_i, 1});
    size = BULK_FILE_SIZE + (size_t)rng_below(&rng, SIZE - BULK_FILE_SIZE);
    from = (size_t)rng_below(&rng, 4) * 1365;
    ck_assert_int_eq(start(size), OK);
    for (size_t at = 0; at < size;) {
        size_t most = rng_below(&rng, 2) == 0 ? 10000 : (size_t)2 << 20;
        size_t take = (size_t)rng_below(&rng, most);

        /* Often whole pages, as segments are. */
        take = rng_below(&rng, 2) == 0 ? take : take / 4096 * 4096;
        take = take < size - at ? take : size - at;
        ck_assert_int_eq(bulk_file_put(&b, slice_of(bytes + from + at, take)),
                         OK);
        at += take;
    }
    ck_assert_int_eq(bulk_file_finish(&b), OK);
    is_written(from, size);
    ck_assert_uint_eq(fs.refused, 0);
    ck_assert_uint_gt(fs.direct_bytes, size - BULK_FILE_SIZE);
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("bulk_file");
    TCase *tc = tcase_create("bulk_file");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_bulk_file_aligned);
    tcase_add_test(tc, test_bulk_file_unaligned);
    tcase_add_test(tc, test_bulk_file_small);
    tcase_add_test(tc, test_bulk_file_refused);
    tcase_add_test(tc, test_bulk_file_short_writes);
    tcase_add_test(tc, test_bulk_file_full);
    tcase_add_loop_test(tc, test_bulk_file_any_pieces, 0, 30);
    suite_add_tcase(s, tc);
    return s;
}
