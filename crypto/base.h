#ifndef CAIRN_CRYPTO_BASE_H
#define CAIRN_CRYPTO_BASE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* What every layer speaks: status codes, lent bytes, digests, fixed-width
 * integers. It lives in the lowest layer because every layer includes it.
 * Nothing here allocates, and nothing is for secrets: comparisons stop at the
 * first difference. Secrets are compared with sodium_memcmp().
 *
 * How every header speaks: |x| is the parameter x. _size counts bytes and _len
 * elements; _ms and _s are units; _MAX is the largest that is allowed. What is
 * lent stays its owner's, for the call unless the header says how long.
 * X_init() fills in place, X_open() takes what X_close() gives back, X_new()
 * allocates what X_free() frees. Where errors are listed, these are the ones
 * that a caller can act on. */

/* The result of a function that can fail is not to be dropped by accident; who
 * means to drop it writes (void) and a reason. */
#define MUST_CHECK __attribute__((warn_unused_result))

/* States as bits of a table of edges; |n| is below 32. */
#define BIT(n) (1U << (n))

/* Every function that can fail returns OK or one of these. Out parameters are
 * written only on success. Our own mistakes are asserts, not codes. node/ alone
 * turns a code into words. Nodes of other versions read the numbers in
 * messages: they never change, and new ones are added at the end. */
enum status {
    OK = 0,
    ERR_BAD = -1,         /* Malformed: breaks its format or its bounds. */
    ERR_AUTH = -2,        /* A tag, signature or proof does not verify. */
    ERR_MISMATCH = -3,    /* Well formed, but not what was committed to. */
    ERR_UNSUPPORTED = -4, /* An unknown suite or version; never skipped. */
    ERR_NOTFOUND = -5,
    ERR_EXISTS = -6,
    ERR_FULL = -7,   /* Disk, quota, queue or buffer has no room. */
    ERR_ORDER = -8,  /* Not possible now: wrong order, sealed, halted. */
    ERR_DENIED = -9, /* Policy, roster or permissions say no. */
    ERR_IO = -10,    /* The system refused; errno or text says why. */
    ERR_NOMEM = -11, /* Includes secret memory that cannot be locked. */
    ERR_CANCELED = -12,
    ERR_BUSY = -13 /* Somebody else holds it. */
};

/* Bytes lent by their owner: valid as long as they are, never freed through
 * the slice. |data| may be NULL where |size| is 0. */
struct slice {
    const uint8_t *data;
    size_t size;
};

/* SHA-256 output: a content digest, a tree node or an identifier. Its bytes are
 * compared and printed from the first to the last. */
#define DIGEST_SIZE 32
struct digest {
    uint8_t bytes[DIGEST_SIZE];
};

/* |size| bytes at |data|. */
static inline struct slice slice_of(const void *data, size_t size)
{
    return (struct slice){.data = data, .size = size};
}

/* A C string without its final zero. */
static inline struct slice slice_str(const char *s)
{
    return (struct slice){.data = (const uint8_t *)s, .size = strlen(s)};
}

/* Lent from |d|. */
static inline struct slice digest_slice(const struct digest *d)
{
    return slice_of(d->bytes, DIGEST_SIZE);
}

/* Public values only: not constant time. */
static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.size == b.size &&
           (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* Public values only: not constant time. */
static inline bool digest_equal(const struct digest *a, const struct digest *b)
{
    return memcmp(a->bytes, b->bytes, DIGEST_SIZE) == 0;
}

/* All zero stands for "none" where a digest may be missing. */
static inline bool digest_is_zero(const struct digest *d)
{
    static const struct digest zero;

    return digest_equal(d, &zero);
}

/* Fixed-width integers at any address, with no alignment asked for: little
 * endian in Cairn's own formats, big endian where a standard says so (SSH,
 * Noise). The caller has checked that 2, 4 or 8 bytes are there. */
static inline void u16le_store(uint8_t *out, uint16_t v)
{
    out[0] = (uint8_t)v;
    out[1] = (uint8_t)(v >> 8);
}

static inline void u32le_store(uint8_t *out, uint32_t v)
{
    u16le_store(out, (uint16_t)v);
    u16le_store(out + 2, (uint16_t)(v >> 16));
}

static inline void u64le_store(uint8_t *out, uint64_t v)
{
    u32le_store(out, (uint32_t)v);
    u32le_store(out + 4, (uint32_t)(v >> 32));
}

/* And back. Shifts rather than casts: the result does not depend on the
 * machine, and compilers make one load of them. */
static inline uint16_t u16le_load(const uint8_t *in)
{
    return (uint16_t)(in[0] | (uint16_t)(in[1] << 8));
}

static inline uint32_t u32le_load(const uint8_t *in)
{
    return u16le_load(in) | ((uint32_t)u16le_load(in + 2) << 16);
}

static inline uint64_t u64le_load(const uint8_t *in)
{
    return u32le_load(in) | ((uint64_t)u32le_load(in + 4) << 32);
}

/* The same in big endian. */
static inline uint16_t u16be_load(const uint8_t *in)
{
    return (uint16_t)((uint16_t)(in[0] << 8) | in[1]);
}

static inline void u16be_store(uint8_t *out, uint16_t v)
{
    out[0] = (uint8_t)(v >> 8);
    out[1] = (uint8_t)v;
}

static inline uint32_t u32be_load(const uint8_t *in)
{
    return ((uint32_t)u16be_load(in) << 16) | u16be_load(in + 2);
}

/* Integers as hash parts. |buf| is the caller's and must outlive the slice:
 * slice_u64le((uint8_t[8]){0}, index) lives as long as its block. */
static inline struct slice slice_u16le(uint8_t buf[2], uint16_t v)
{
    u16le_store(buf, v);
    return slice_of(buf, 2);
}

static inline struct slice slice_u32le(uint8_t buf[4], uint32_t v)
{
    u32le_store(buf, v);
    return slice_of(buf, 4);
}

static inline struct slice slice_u64le(uint8_t buf[8], uint64_t v)
{
    u64le_store(buf, v);
    return slice_of(buf, 8);
}

#endif /* CAIRN_CRYPTO_BASE_H */
