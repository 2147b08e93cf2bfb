#ifndef CAIRN_PROTOCOL_CATALOGUE_H
#define CAIRN_PROTOCOL_CATALOGUE_H

#include "crypto/base.h"
#include "protocol/manifest.h"

/* The sealed list of files (docs/FORMAT.md 8), read and written one value at a
 * time so that nobody needs it whole as a structure. */

#define CATALOGUE_SIZE_MAX       ((size_t)64 << 20)
#define CATALOGUE_PATH_MAX       4095
#define CATALOGUE_DTYPES_MAX     32
#define CATALOGUE_VALUE_MAX      8192U
#define CATALOGUE_PROVENANCE_MAX 16
#define CATALOGUE_STATEMENT_MAX  (1U << 20)

struct catalogue_head {
    uint64_t files, plain_size;
    char label[MANIFEST_LABEL_MAX + 1];
    uint64_t time_s;
    char program[65];
};

struct catalogue_dtype {
    char name[17];
    uint64_t size;
};

struct catalogue_file {
    char path[CATALOGUE_PATH_MAX + 1];
    uint64_t size;
    uint32_t mode;
    struct digest sha256;
    uint64_t first_segment;
    uint32_t offset;
    char kind[17];
    struct catalogue_dtype dtypes[CATALOGUE_DTYPES_MAX];
    size_t dtypes_len;
};

/* A relative path of UTF-8 names, none empty, "." or "..", without control
 * characters: the only paths that are written or restored. */
bool catalogue_path_is_safe(struct slice path);

/* Each writes one value; CATALOGUE_VALUE_MAX bytes are enough for the first
 * two. */
MUST_CHECK int catalogue_head_encode(const struct catalogue_head *h,
                                     uint8_t *out,
                                     size_t max,
                                     size_t *size);
MUST_CHECK int catalogue_file_encode(const struct catalogue_file *f,
                                     uint8_t *out,
                                     size_t max,
                                     size_t *size);
MUST_CHECK int catalogue_provenance_encode(const struct slice *statements,
                                           size_t len,
                                           uint8_t *out,
                                           size_t max,
                                           size_t *size);

/* Walk a catalogue: the head, then every file in order, then the end. Checks
 * what the values promise about each other:
 *
 * - Paths ascend by their bytes, and no file is also a folder of another.
 * - Sizes add up to the total of the head.
 * - Places follow one another without gap or overlap. The first file begins
 *   at offset 0 of segment 0. An empty file stands where the next byte would
 *   go: the next file has the same place. Behind any other file, the next one
 *   either begins in the same segment at the offset where that one ended, or
 *   in a later segment at an offset that some lengths of the segments between
 *   would give. A segment holds 1 to |segment_size| bytes; what each of them
 *   holds is known only when it is opened. */
struct catalogue_walk {
    struct slice in;
    size_t at;
    struct catalogue_head head;
    uint32_t segment_size;
    uint64_t files_left, bytes;
    /* Where the last file began and how long it was. */
    uint64_t last_segment, last_size;
    uint32_t last_offset;
    /* Its path; and for each length, whether that much of it is a file: the
     * only files that the next path could lie in. */
    char last_path[CATALOGUE_PATH_MAX + 1];
    bool is_file[CATALOGUE_PATH_MAX + 1];
};

MUST_CHECK int catalogue_walk_init(struct catalogue_walk *w,
                                   struct slice in,
                                   uint32_t segment_size);
/* ERR_NOTFOUND after the last file. */
MUST_CHECK int catalogue_walk_next(struct catalogue_walk *w,
                                   struct catalogue_file *f);
/* After the last file: the provenance statements, lent; at most
 * CATALOGUE_PROVENANCE_MAX. Refuses trailing bytes. */
MUST_CHECK int catalogue_walk_end(struct catalogue_walk *w,
                                  struct slice *statements,
                                  size_t *len);

#endif /* CAIRN_PROTOCOL_CATALOGUE_H */
