#include <stdio.h>

#include "crypto/primitives.h"
#include "node/cmd/commands.h"

static const struct cli_command root = {
    .name = "cairnd",
    .summary = "Keep shards of AI model weights, as a steward",
    .subs = cmd_cairnd,
};

int main(int argc, char **argv)
{
    process_harden();
    if (primitives_init() != OK) {
        (void)fprintf(stderr,
                      "cairnd: the cryptographic libraries do not work here\n"
                      "check that libsodium and OpenSSL 3 are whole\n");
        return EXIT_CODE_FAILED;
    }
    return cli_main(&root, argc, argv);
}
