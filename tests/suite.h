#ifndef CAIRN_TESTS_SUITE_H
#define CAIRN_TESTS_SUITE_H

#include <check.h>

#include "crypto/base.h"

/* What every suite needs. Each test_*.c defines suite_make(); suite.c has the
 * main() that initialises the primitives and runs it. Tests run from the
 * root of the source tree. */
Suite *suite_make(void);

/* Compare bytes, and print both sides in hex when they differ. */
#define ck_assert_bytes_eq(a, b, size) \
    ck_assert_mem_eq((const void *)(a), (const void *)(b), (size))

/* Decode a hex literal into |out|; asserts that it is |size| bytes. */
void hex_read(const char *hex, uint8_t *out, size_t size);

#endif /* CAIRN_TESTS_SUITE_H */
