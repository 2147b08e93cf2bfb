#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/bench.h"

#define PIECE      ((size_t)1 << 20)
#define SYNC_EACH  ((uint64_t)64 << 20)
#define CACHED     ((uint64_t)64 << 20)
#define CACHED_RUN 8

struct clocks {
    double cpu_s, wall_s;
};

static struct clocks clocks_now(void)
{
    struct rusage u = {.ru_maxrss = 0};
    struct timespec t = {.tv_sec = 0};
    struct clocks c;

    must(getrusage(RUSAGE_SELF, &u) == 0 &&
         clock_gettime(CLOCK_MONOTONIC, &t) == 0);
    c.cpu_s = (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
              (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
    c.wall_s = (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
    return c;
}

static struct disk_rate rate_since(struct clocks from, uint64_t size)
{
    struct clocks to = clocks_now();
    double cpu_s = to.cpu_s - from.cpu_s;

    /* Direct I/O takes next to no time; the clock has microseconds. */
    return (struct disk_rate){.cpu =
                                  (double)size / (cpu_s > 1e-6 ? cpu_s : 1e-6),
                              .wall = (double)size / (to.wall_s - from.wall_s)};
}

static int file_open(const char *path, int flags, bool *direct)
{
    int fd = open(path, flags | O_DIRECT | O_CLOEXEC, 0600);

    *direct = fd >= 0;
    if (fd < 0 && errno == EINVAL) {
        fd = open(path, flags | O_CLOEXEC, 0600);
    }
    must(fd >= 0);
    return fd;
}

static void file_write(int fd, const uint8_t *block, uint64_t size)
{
    for (uint64_t at = 0; at < size; at += PIECE) {
        must(pwrite(fd, block, PIECE, (off_t)at) == (ssize_t)PIECE);
        if ((at + PIECE) % SYNC_EACH == 0) {
            must(fdatasync(fd) == 0);
        }
    }
    must(fsync(fd) == 0);
}

static void file_read(int fd, uint8_t *block, uint64_t size)
{
    for (uint64_t at = 0; at < size; at += PIECE) {
        must(pread(fd, block, PIECE, (off_t)at) == (ssize_t)PIECE);
    }
}

static struct disk_rate cached_rate(const char *path, uint8_t *block)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct clocks from;

    must(fd >= 0);
    file_read(fd, block, CACHED); /* Into the page cache. */
    from = clocks_now();
    for (unsigned i = 0; i < CACHED_RUN; i++) {
        file_read(fd, block, CACHED);
    }
    close(fd);
    return rate_since(from, CACHED_RUN * CACHED);
}

void bench_disk(const char *folder,
                uint8_t *block,
                uint64_t size,
                struct disk_rates *out)
{
    char path[4096];
    struct clocks from;
    int fd;

    must(size >= CACHED && size % PIECE == 0);
    must((size_t)snprintf(path, sizeof(path), "%s/bench-disk.%ld", folder,
                          (long)getpid()) < sizeof(path));
    fd = file_open(path, O_RDWR | O_CREAT | O_TRUNC, &out->direct);
    from = clocks_now();
    file_write(fd, block, size);
    out->write = rate_since(from, size);
    from = clocks_now();
    file_read(fd, block, size);
    out->read = rate_since(from, size);
    close(fd);
    out->cached = cached_rate(path, block);
    must(unlink(path) == 0);
}
