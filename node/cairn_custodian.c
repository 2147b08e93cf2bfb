#include <stdio.h>

#include "crypto/primitives.h"
#include "node/cmd/cmd_custodian.h"

static const struct cli_command root = {
    .name = "cairn-custodian",
    .summary = "Hold a steward's key shares, and decide on their release",
    .subs = cmd_custodian,
};

int main(int argc, char **argv)
{
    process_harden();
    if (primitives_init() != OK) {
        (void)fprintf(stderr,
                      "cairn-custodian: the cryptographic libraries do not "
                      "work here\n"
                      "check that libsodium and OpenSSL 3 are whole\n");
        return EXIT_CODE_FAILED;
    }
    return cli_main(&root, argc, argv);
}
