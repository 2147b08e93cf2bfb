#include "node/shard/shard_sums.h"

#include <isa-l/crc64.h>
#include <unistd.h>

#include "node/shard/shard_tree.h"

#define SUM_SIZE 8U

void shard_sums_append(struct shard_sums *s,
                       uint64_t first,
                       const uint8_t *mem,
                       size_t count)
{
    uint8_t sums[(SHARD_SUMS_LEAVES / SHARD_TREE_GROUP + 1) * SUM_SIZE];
    uint64_t end = first + count;
    size_t size = 0;
    int rv;

    assert(count <= SHARD_SUMS_LEAVES);
    if (s->fd < 0) {
        return;
    }
    while (first < end) {
        size_t begun = (size_t)(first % SHARD_TREE_GROUP);
        size_t take = SHARD_TREE_GROUP - begun;

        take = take < end - first ? take : (size_t)(end - first);
        s->sum = crc64_ecma_refl(begun == 0 ? 0 : s->sum, mem,
                                 (uint64_t)take * LEAF_SIZE);
        mem += take * LEAF_SIZE;
        first += take;
        if (first % SHARD_TREE_GROUP == 0) {
            u64le_store(sums + size, s->sum);
            size += SUM_SIZE;
        }
    }
    rv = file_write_at(s->fd, end / SHARD_TREE_GROUP * SUM_SIZE - size, sums,
                       size);
    (void)rv; /* They are missing then. */
}

void shard_sums_cut(const struct shard_sums *s, uint64_t leaves)
{
    uint64_t size = leaves / SHARD_TREE_GROUP * SUM_SIZE;

    if (s->fd >= 0 && ftruncate(s->fd, (off_t)size) == 0) {
        (void)fsync(s->fd);
    }
}

bool shard_sums_match(const struct shard_sums *s,
                      uint64_t index,
                      const uint8_t *mem)
{
    uint8_t sum[SUM_SIZE];

    return s->fd >= 0 &&
           file_read_at(s->fd, index * SUM_SIZE, sum, SUM_SIZE) == OK &&
           u64le_load(sum) ==
               crc64_ecma_refl(0, mem, (uint64_t)SHARD_TREE_GROUP * LEAF_SIZE);
}
