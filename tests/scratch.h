#ifndef CAIRN_TESTS_SCRATCH_H
#define CAIRN_TESTS_SCRATCH_H

/* A folder of a test's own, removed with all in it. The including file is
 * compiled with _GNU_SOURCE. */

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/suite.h"

#define SCRATCH_PATH_SIZE 512

static char scratch[SCRATCH_PATH_SIZE];

static inline int scratch_remove_one(const char *path,
                                     const struct stat *st,
                                     int type,
                                     struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline void scratch_remove(void)
{
    (void)nftw(scratch, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void scratch_make(void)
{
    const char *base = getenv("TMPDIR");

    (void)snprintf(scratch, sizeof(scratch), "%s/cairn-test-XXXXXX",
                   base != NULL ? base : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(scratch));
}

/* scratch + "/" + name, in one of four buffers that take turns. */
static inline const char *scratch_path(const char *name)
{
    static char paths[4][2 * SCRATCH_PATH_SIZE];
    static unsigned turn;
    char *path = paths[turn++ % 4];

    (void)snprintf(path, sizeof(paths[0]), "%s/%s", scratch, name);
    return path;
}

/* Put |text| into the file |name| with |mode|. */
static inline void scratch_put(const char *name, const char *text, mode_t mode)
{
    int fd = open(scratch_path(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    size_t size = strlen(text);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, size), (ssize_t)size);
    ck_assert_int_eq(fchmod(fd, mode), 0);
    close(fd);
}

/* Read the file |name| as a string of less than |size| bytes. */
static inline void scratch_get(const char *name, char *out, size_t size)
{
    int fd = open(scratch_path(name), O_RDONLY);
    ssize_t n;

    ck_assert_int_ge(fd, 0);
    n = read(fd, out, size - 1);
    ck_assert_int_ge(n, 0);
    out[n] = '\0';
    close(fd);
}

#endif /* CAIRN_TESTS_SCRATCH_H */
