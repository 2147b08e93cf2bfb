#ifndef CAIRN_TESTS_FUZZ_H
#define CAIRN_TESTS_FUZZ_H

#include "crypto/base.h"

/* The two functions that libFuzzer calls. fuzz.c has the first, which makes
 * the primitives ready; each fuzz_*.c has the second. A property that does not
 * hold is an assert, which libFuzzer reports with the input. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif /* CAIRN_TESTS_FUZZ_H */
