#include <limits.h>
#include <stdio.h>

#include "crypto/primitives.h"
#include "node/cmd/commands.h"

static const struct cli_command commands[] = {
    {.name = "deposit",
     .summary = "Deposit a model, and see and verify deposits",
     .subs = cmd_deposit},
    {.name = "id",
     .summary = "Keys and card of a lab or an auditor",
     .subs = cmd_id},
    {.name = "network",
     .summary = "Found a network of stewards",
     .subs = cmd_network},
    {.name = "recover",
     .summary = "Restore a model from shards and key shares",
     .arguments = "OUT",
     .args_min = 1,
     .args_max = 1,
     .details =
         "Restores all files of a deposit into the folder OUT, or those named\n"
         "with --only. Any k shard folders and any t opened key shares do, or\n"
         "the ticket of a release: then the stewards that it names are asked\n"
         "for both, and --keys is the file that 'cairn release request' made.\n"
         "Files that exist and are right are left alone; running it again\n"
         "goes on where it stopped.\n"
         "\n"
         "  cairn recover --from shard-0* --shares share-01 share-04 out/\n"
         "  cairn recover --ticket ticket --keys request.key out/\n",
     .options = cmd_recover_options,
     .run = cmd_recover},
    {.name = "release",
     .summary = "Ask for a deposit to be opened, and decide on it",
     .subs = cmd_release},
    {.name = "status",
     .summary = "Show how the local cairnd is",
     .details = "Exits with 0 when all is well, with 3 when something is not "
                "as it should be,\n"
                "and with 30 when no cairnd answers.\n"
                "\n"
                "  cairn status --home s1\n",
     .options = cmd_status_options,
     .run = cmd_status},
    {.name = NULL},
};

static const struct cli_command root = {
    .name = "cairn",
    .summary = "Keep AI model weights recoverable for decades",
    .subs = commands,
};

int main(int argc, char **argv)
{
    process_harden();
    if (primitives_init() != OK) {
        fprintf(stderr, "cairn: the cryptographic libraries do not work here\n"
                        "check that libsodium and OpenSSL 3 are whole\n");
        return EXIT_CODE_FAILED;
    }
    return cli_main(&root, argc, argv);
}
