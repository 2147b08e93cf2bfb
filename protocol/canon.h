#ifndef CAIRN_PROTOCOL_CANON_H
#define CAIRN_PROTOCOL_CANON_H

#include "crypto/base.h"

/* The canonical subset of msgpack (docs/FORMAT.md 1): one encoding for each
 * value, so that what is signed is what is read.
 *
 * The reader is a cursor over bytes that are lent and never copied. It
 * allocates nothing, trusts no count and no length, and remembers the first
 * error: read everything, then ask canon_end() once. After an error every
 * getter returns zero or empty, so that a decoder needs no branch per field.
 *
 * Bytes from outside go through this reader alone; msgpack-c only writes. */

#define CANON_DEPTH_MAX 8

struct canon_level {
    uint32_t left; /* Items left; in a map, keys and values count one each. */
    bool is_map, has_key;
    uint64_t key; /* The last one read, if has_key. */
};

struct canon_reader {
    const uint8_t *data;
    size_t size, at;
    int error;      /* OK, or the first ERR_BAD / ERR_UNSUPPORTED. */
    unsigned depth; /* Open arrays and maps; levels[depth] is the innermost. */
    struct canon_level levels[CANON_DEPTH_MAX + 1]; /* The first is unused. */
};

void canon_read_init(struct canon_reader *r, struct slice in);

/* Open an array of exactly |len| items, or of min..max items: returns the
 * number (0 after an error). Every item is then read, then canon_leave(). */
void canon_array(struct canon_reader *r, uint32_t len);
uint32_t canon_array_between(struct canon_reader *r,
                             uint32_t min,
                             uint32_t max);
/* Open a map of at most |max| entries and return how many; then for each entry
 * canon_key(), which enforces ascending order, and its value. */
uint32_t canon_map(struct canon_reader *r, uint32_t max);
uint64_t canon_key(struct canon_reader *r);
/* Close the array or map: ERR_BAD is noted when items are left. */
void canon_leave(struct canon_reader *r);

uint64_t canon_uint(struct canon_reader *r, uint64_t max);
/* A version or suite number: anything but |want| notes ERR_UNSUPPORTED. */
void canon_version(struct canon_reader *r, uint64_t want);
bool canon_bool(struct canon_reader *r);
/* Byte string or text of min..max bytes, lent from the input. Text is checked
 * to be UTF-8 without NUL. */
struct slice canon_bin(struct canon_reader *r, size_t min, size_t max);
struct slice canon_str(struct canon_reader *r, size_t min, size_t max);
/* A byte string of exactly |size| bytes, copied (zeros after an error). */
void canon_bytes(struct canon_reader *r, void *out, size_t size);
void canon_digest(struct canon_reader *r, struct digest *out);
/* If the next item is nil, take it and return true. */
bool canon_nil(struct canon_reader *r);
/* Take one whole item of any kind and lend its bytes. */
struct slice canon_any(struct canon_reader *r);

/* Note ERR_BAD unless |ok|: for checks between fields. */
void canon_require(struct canon_reader *r, bool ok);
/* Note ERR_UNSUPPORTED unless |known|: for numbers without a meaning yet. */
void canon_require_known(struct canon_reader *r, bool known);

/* The verdict: an error, ERR_BAD for trailing bytes or open arrays, or OK. */
MUST_CHECK int canon_end(const struct canon_reader *r);
/* For sequences of values (the catalogue): where the next one begins. The
 * verdict is in it, without the check for trailing bytes: 0 after an error
 * (r->error says which) or while an array is open. */
size_t canon_at(const struct canon_reader *r);

/* Is |in| one canonical value, of whatever shape? */
MUST_CHECK int canon_check(struct slice in);

/* Writing, into a buffer of the caller's. Overflow is remembered and reported
 * by canon_write_end(). Values of the caller's own are asserted, not checked:
 * text must be UTF-8. */
struct canon_writer {
    uint8_t *data;
    size_t max, size;
    bool full;
};

void canon_write_init(struct canon_writer *w, uint8_t *out, size_t max);
void canon_put_array(struct canon_writer *w, uint32_t len);
void canon_put_map(struct canon_writer *w, uint32_t len);
void canon_put_uint(struct canon_writer *w, uint64_t v);
void canon_put_bool(struct canon_writer *w, bool v);
void canon_put_nil(struct canon_writer *w);
void canon_put_bin(struct canon_writer *w, struct slice v);
void canon_put_str(struct canon_writer *w, struct slice v);
void canon_put_digest(struct canon_writer *w, const struct digest *d);
/* Append bytes as they are: canonical already, or a magic in front. */
void canon_put_raw(struct canon_writer *w, struct slice v);
/* The written bytes; ERR_FULL when they did not fit. */
MUST_CHECK int canon_write_end(const struct canon_writer *w, struct slice *out);

#endif /* CAIRN_PROTOCOL_CANON_H */
