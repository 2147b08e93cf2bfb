#ifndef CAIRN_NODE_BULK_FILE_H
#define CAIRN_NODE_BULK_FILE_H

#include "node/base/file.h"

/* Writing a file from its beginning to its end. A large one goes past the page
 * cache (O_DIRECT), which costs a tenth of the processor time: straight from
 * the caller's memory where that is aligned as the file is, else through one
 * buffer. What is small, the tail, and whatever is on a file system that does
 * not know direct writes, is written as usual. Nothing is durable before the
 * caller's fsync(). */

/* Of memory, offsets and sizes of direct writes. */
#define BULK_FILE_ALIGN 4096U
/* Of the buffer, and the least that is written directly. */
#define BULK_FILE_SIZE ((size_t)1 << 20)

struct bulk_file {
    int fd;       /* The caller's, open to write. */
    bool direct;  /* |fd| has O_DIRECT, and |at| is aligned. */
    uint64_t at;  /* Bytes written. */
    uint8_t *mem; /* The buffer, kept from file to file; NULL: none yet. */
    size_t fill;  /* Bytes that wait in it. */
};

/* Nothing is written yet; |b| may be used for one file after the other. */
void bulk_file_init(struct bulk_file *b);
void bulk_file_close(struct bulk_file *b);

/* Begin an empty file that will have |size| bytes. Space for a large one is
 * taken at once, where the file system can. As all of these: ERR_FULL (no
 * space), ERR_IO, and errno says why. */
MUST_CHECK int bulk_file_start(struct bulk_file *b, int fd, uint64_t size);

/* Append. */
MUST_CHECK int bulk_file_put(struct bulk_file *b, struct slice bytes);

/* All bytes are there: write what waits. */
MUST_CHECK int bulk_file_finish(struct bulk_file *b);

#endif /* CAIRN_NODE_BULK_FILE_H */
