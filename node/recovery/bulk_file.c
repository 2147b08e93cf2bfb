#include "node/recovery/bulk_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

void bulk_file_init(struct bulk_file *b)
{
    *b = (struct bulk_file){.fd = -1};
}

void bulk_file_close(struct bulk_file *b)
{
    if (b->mem != NULL) {
        munmap(b->mem, BULK_FILE_SIZE);
    }
    bulk_file_init(b);
}

static int bulk_error(void)
{
    return errno == ENOSPC ? ERR_FULL : ERR_IO;
}

/* Without growing the file. File systems that cannot do that find out later. */
static int bulk_reserve(const struct bulk_file *b, uint64_t size)
{
    int rv;

    do {
        rv = fallocate(b->fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)size);
    } while (rv != 0 && errno == EINTR);
    if (rv != 0 && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)) {
        return bulk_error();
    }
    return OK;
}

static bool bulk_buffer(struct bulk_file *b)
{
    void *mem;

    if (b->mem != NULL) {
        return true;
    }
    mem = mmap(NULL, BULK_FILE_SIZE, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mem == MAP_FAILED) {
        return false;
    }
    /* Plaintext passes through: never into a core file. */
    (void)madvise(mem, BULK_FILE_SIZE, MADV_DONTDUMP);
    b->mem = mem;
    return true;
}

/* Does the file system take it? Some refuse here, some at the first write. */
static bool bulk_set_direct(const struct bulk_file *b, bool direct)
{
    int flags = fcntl(b->fd, F_GETFL);

    if (flags < 0) {
        return false;
    }
    flags = direct ? flags | O_DIRECT : flags & ~O_DIRECT;
    return fcntl(b->fd, F_SETFL, flags) == 0;
}

static void bulk_end_direct(struct bulk_file *b)
{
    if (b->direct) {
        b->direct = false;
        (void)bulk_set_direct(b, false);
    }
}

int bulk_file_start(struct bulk_file *b, int fd, uint64_t size)
{
    b->fd = fd;
    b->direct = false;
    b->at = 0;
    b->fill = 0;
    if (size < BULK_FILE_SIZE) {
        return OK;
    }
    b->direct = bulk_buffer(b) && bulk_set_direct(b, true);
    return bulk_reserve(b, size);
}

static int bulk_write(struct bulk_file *b, const uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t put = pwrite(b->fd, data, size, (off_t)b->at);

        if (put > 0) {
            data += put;
            size -= (size_t)put;
            b->at += (size_t)put;
        } else if (put < 0 && errno == EINVAL && b->direct) {
            /* It was not meant, or not from here: after half of a write. */
            bulk_end_direct(b);
        } else if (put < 0 && errno != EINTR) {
            return bulk_error();
        }
    }
    return OK;
}

static int bulk_flush(struct bulk_file *b)
{
    int rv = bulk_write(b, b->mem, b->fill);

    b->fill = 0;
    return rv;
}

/* Into the buffer, as much as fits; how much that was. */
static size_t bulk_gather(struct bulk_file *b, struct slice bytes)
{
    size_t room = BULK_FILE_SIZE - b->fill;
    size_t size = bytes.size < room ? bytes.size : room;

    memcpy(b->mem + b->fill, bytes.data, size);
    b->fill += size;
    return size;
}

int bulk_file_put(struct bulk_file *b, struct slice bytes)
{
    int rv = OK;

    while (bytes.size > 0 && rv == OK) {
        size_t size = bytes.size;

        if (!b->direct) {
            assert(b->fill == 0);
            rv = bulk_write(b, bytes.data, size);
        } else if (b->fill == 0 && size >= BULK_FILE_SIZE &&
                   (uintptr_t)bytes.data % BULK_FILE_ALIGN == 0) {
            size -= size % BULK_FILE_ALIGN;
            rv = bulk_write(b, bytes.data, size);
        } else {
            size = bulk_gather(b, bytes);
            if (b->fill == BULK_FILE_SIZE) {
                rv = bulk_flush(b);
            }
        }
        bytes = slice_of(bytes.data + size, bytes.size - size);
    }
    return rv;
}

int bulk_file_finish(struct bulk_file *b)
{
    bulk_end_direct(b); /* The tail is seldom aligned, and less than 1 MiB. */
    return bulk_flush(b);
}
