#ifndef CAIRN_NODE_SOURCE_H
#define CAIRN_NODE_SOURCE_H

#include <sys/stat.h>

#include "crypto/hash.h"
#include "node/base/file.h"
#include "protocol/catalogue.h"

/* The model on the lab's disk: a folder of files, read once in order as one
 * stream, hashed on the way, and watched for change.
 *
 * The stream is the bytes of all files in ascending order of the bytes of
 * their relative paths, and behind them the catalogue once it was made.
 * Symbolic links are followed (to files and folders) and loops refused; a file
 * reached twice is stored twice. Not a regular file, not UTF-8, a path that
 * recovery would refuse: refused with its name. Empty folders are not kept. */

/* Bytes that are read, hashed and used before the next are: they fit into the
 * cache that a processor has for itself. */
#define SOURCE_TILE ((size_t)512 << 10)

struct source_file {
    char *path;           /* Relative, with '/'. */
    uint64_t size, start; /* Where it begins in the stream. */
    uint32_t mode;
    struct stat seen;     /* As it was when the walk saw it. */
    struct digest sha256; /* Once read to its end. */
    bool hashed;
    char kind[17];                  /* As lint found it. */
    struct catalogue_dtype *dtypes; /* CATALOGUE_DTYPES_MAX, or NULL. */
    size_t dtypes_len;
};

struct source {
    char *root;
    struct source_file *files;
    size_t files_len, files_max;
    uint64_t size; /* Of all files. */
    /* Where reading stands. */
    uint64_t at;
    size_t file;        /* Index of the file that |at| is in. */
    int fd;             /* Of that file, or -1. */
    struct sha256 hash; /* Of that file so far. */
    uint8_t *catalogue;
    size_t catalogue_size;
};

/* Walk |root| and list its files; opens none. */
MUST_CHECK int source_open(struct source *s, const char *root, char *errmsg);
void source_close(struct source *s);

/* Does |path|, which need not exist, lie in the folder of the model? What is
 * written there would change the model under its own reader. */
bool source_holds(const struct source *s, const char *path);

/* The file of a relative path, or NULL. */
struct source_file *source_find(struct source *s, const char *path);

/* Read exactly |len| bytes at |off|, which is where the last read ended (0 at
 * first). |digest| says what was read, given all before it, from the one pass
 * of hashing that the files' own digests need: TH256("segment-plain", SHA-256
 * over the digests of the files that end inside and of the part of the last one
 * so far). ERR_MISMATCH when a file changed size, time or identity since the
 * walk. One caller at a time, any thread.
 *
 * With |take|, which gets |arg|, the bytes are taken in tiles of any size,
 * those of files each while it is in the cache, and |mem| is theirs to lie in
 * one after the other; without, all |len| bytes lie there in the end. */
MUST_CHECK int source_read(struct source *s,
                           uint64_t off,
                           uint8_t *mem,
                           size_t len,
                           void (*take)(void *arg, struct slice tile),
                           void *arg,
                           struct digest *digest,
                           char *errmsg);

/* Read again what was read before, at any place, without hashing: to compare
 * with what comes back from the shards. Any thread, alongside nothing else. */
MUST_CHECK int source_peek(const struct source *s,
                           uint64_t off,
                           uint8_t *mem,
                           size_t len,
                           char *errmsg);

/* When all files were read: make the catalogue and append it to the stream.
 * |time_s| and |label| come from the deposit's journal, so that a repeated run
 * makes the same bytes. |segment_size| gives the places of files: all data
 * segments but the last are full. */
MUST_CHECK int source_make_catalogue(struct source *s,
                                     const char *label,
                                     uint64_t time_s,
                                     uint32_t segment_size,
                                     const struct slice *provenance,
                                     size_t provenance_len,
                                     char *errmsg);

/* Walk again and compare names, sizes, times and identities with the first
 * walk: ERR_MISMATCH names the first difference. */
MUST_CHECK int source_recheck(const struct source *s, char *errmsg);

#endif /* CAIRN_NODE_SOURCE_H */
