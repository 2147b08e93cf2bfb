#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#include "crypto/primitives.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    if (primitives_init() != OK) {
        abort();
    }
    return 0;
}
