#include "tests/suite.h"

#include <sodium.h>
#include <stdlib.h>

#include "crypto/primitives.h"

void hex_read(const char *hex, uint8_t *out, size_t size)
{
    size_t got = 0;

    ck_assert_int_eq(
        sodium_hex2bin(out, size, hex, strlen(hex), NULL, &got, NULL), 0);
    ck_assert_uint_eq(got, size);
}

int main(void)
{
    SRunner *runner;
    int failed;

    if (primitives_init() != OK) {
        return EXIT_FAILURE;
    }
    runner = srunner_create(suite_make());
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
