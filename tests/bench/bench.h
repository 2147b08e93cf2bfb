#ifndef CAIRN_TESTS_BENCH_BENCH_H
#define CAIRN_TESTS_BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Stages that are more than a function: whatever fails in them ends the
 * program. Rates are bytes a second. */

/* A claim that the benchmark rests on. */
void must(bool ok);

/* What one end of a link spends: bytes a second of its processor time. */
struct transport_rates {
    double send, receive;
};

/* A link between two processes over the loopback, |size| bytes of |block|. */
void bench_transport(const uint8_t *block,
                     size_t block_size,
                     uint64_t size,
                     struct transport_rates *out);

/* Bytes a second of processor time and of the clock on the wall. */
struct disk_rate {
    double cpu, wall;
};

/* |write| and |read| are a file's 1 MiB at a time past the page cache, synced
 * each 64 MiB and at the end; |cached| reads one that is in the page cache. */
struct disk_rates {
    struct disk_rate write, read, cached;
    bool direct; /* False where the file system does not know O_DIRECT. */
};

/* A file of |size| bytes, a multiple of a MiB, in |folder|, removed again.
 * |block| has a MiB and is aligned to a page. */
void bench_disk(const char *folder,
                uint8_t *block,
                uint64_t size,
                struct disk_rates *out);

#endif /* CAIRN_TESTS_BENCH_BENCH_H */
