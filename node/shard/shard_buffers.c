#include "node/shard/shard_buffers.h"

#include <sanitizer/asan_interface.h> /* Does nothing in other builds. */
#include <stdlib.h>
#include <sys/mman.h>

#define BUFFERS_A_PAGE ((size_t)2)
#define HUGE_PAGE_SIZE (BUFFERS_A_PAGE * SHARD_BUFFER_SIZE)

int shard_buffers_init(struct shard_buffers *b, size_t len)
{
    size_t pages = (len + BUFFERS_A_PAGE - 1) / BUFFERS_A_PAGE;
    size_t size = pages * HUGE_PAGE_SIZE;
    size_t before;
    uint8_t *mem;

    b->len = pages * BUFFERS_A_PAGE;
    b->taken = calloc(b->len, sizeof(*b->taken));
    mem = mmap(NULL, size + HUGE_PAGE_SIZE, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (b->taken == NULL || mem == MAP_FAILED) {
        if (mem != MAP_FAILED) {
            (void)munmap(mem, size + HUGE_PAGE_SIZE);
        }
        free(b->taken);
        return ERR_NOMEM;
    }
    before =
        (HUGE_PAGE_SIZE - (uintptr_t)mem % HUGE_PAGE_SIZE) % HUGE_PAGE_SIZE;
    if (before > 0) {
        (void)munmap(mem, before);
    }
    (void)munmap(mem + before + size, HUGE_PAGE_SIZE - before);
    b->memory = mem + before;
    /* Where there are none, small ones do. */
    (void)madvise(b->memory, size, MADV_HUGEPAGE);
    ASAN_POISON_MEMORY_REGION(b->memory, size);
    return OK;
}

void shard_buffers_free(struct shard_buffers *b)
{
    for (size_t i = 0; i < b->len; i++) {
        assert(!b->taken[i]);
    }
    ASAN_UNPOISON_MEMORY_REGION(b->memory, b->len * SHARD_BUFFER_SIZE);
    (void)munmap(b->memory, b->len * SHARD_BUFFER_SIZE);
    free(b->taken);
    b->taken = NULL;
    b->memory = NULL;
}

uint8_t *shard_buffers_take(struct shard_buffers *b)
{
    for (size_t i = 0; i < b->len; i++) {
        if (!b->taken[i]) {
            uint8_t *buffer = b->memory + i * SHARD_BUFFER_SIZE;

            b->taken[i] = true;
            ASAN_UNPOISON_MEMORY_REGION(buffer, SHARD_BUFFER_SIZE);
            return buffer;
        }
    }
    return NULL;
}

void shard_buffers_give(struct shard_buffers *b, uint8_t *buffer)
{
    size_t i = (size_t)(buffer - b->memory) / SHARD_BUFFER_SIZE;
    size_t page = i / BUFFERS_A_PAGE * BUFFERS_A_PAGE;

    assert(i < b->len && b->taken[i]);
    b->taken[i] = false;
    ASAN_POISON_MEMORY_REGION(buffer, SHARD_BUFFER_SIZE);
    for (size_t k = page; k < page + BUFFERS_A_PAGE; k++) {
        if (b->taken[k]) {
            return;
        }
    }
    (void)madvise(b->memory + page * SHARD_BUFFER_SIZE, HUGE_PAGE_SIZE,
                  MADV_DONTNEED);
}
