#ifndef CAIRN_TESTS_VECTORS_H
#define CAIRN_TESTS_VECTORS_H

#include <jansson.h>

#include "crypto/base.h"

/* Runs files of test vectors, ours and those from elsewhere:
 *
 *   build/tests/vectors KIND FILE...
 *
 * One vectors_KIND.c per kind. It walks the parsed file, calls the code under
 * test and counts. Cases of a suite that this build does not speak are counted
 * as skipped, never as passed. */

struct vectors_report {
    const char *file;
    unsigned passed, failed, skipped;
};

typedef void vectors_run(json_t *root, struct vectors_report *r);

vectors_run vectors_aead;
vectors_run vectors_chunked;
vectors_run vectors_custody;
vectors_run vectors_ed25519;
vectors_run vectors_frost;
vectors_run vectors_hkdf;
vectors_run vectors_hpke;
vectors_run vectors_merkle;
vectors_run vectors_msgpack;
vectors_run vectors_noise;
vectors_run vectors_ristretto;
vectors_run vectors_segment;

/* Count one case; a failure is printed with its |name|. */
void vectors_case(struct vectors_report *r, bool ok, const char *name);
void vectors_skip(struct vectors_report *r, const char *why);

/* The bytes of the hex string |key| of |o|, allocated, at least one byte
 * long; *size is 0 when there is none. The caller frees. */
uint8_t *vectors_hex(const json_t *o, const char *key, size_t *size);

/* As above into |out| of exactly |size| bytes; false when it does not fit. */
bool vectors_hex_into(const json_t *o,
                      const char *key,
                      uint8_t *out,
                      size_t size);

#endif /* CAIRN_TESTS_VECTORS_H */
