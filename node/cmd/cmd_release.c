#include "node/cmd/cmd_release.h"

#include "node/cmd/commands.h"

static const struct cli_option admin_options[] = {
    CMD_ADMIN_OPTION,
    {.name = NULL},
};

const struct cli_command cmd_release[] = {
    {.name = "request",
     .summary = "Ask for a deposit to be opened, as its recipient",
     .arguments = "CERTIFICATE",
     .args_min = 1,
     .args_max = 1,
     .details =
         "Verifies the certificate of the deposit, makes new keys for the\n"
         "recipient and writes a request, which a steward submits. Needs no\n"
         "network. Nothing is overwritten.\n"
         "\n"
         "  cairn release request model.cert --name 'University of Elsewhere' "
         "\\\n"
         "    --purpose 'To repeat the results of 2026' -o model.request\n",
     .options = cmd_release_request_options,
     .run = cmd_release_request},
    {.name = "submit",
     .summary = "Bring a recipient's request before the stewards",
     .arguments = "REQ",
     .args_min = 1,
     .args_max = 1,
     .details = "Doing it again is harmless.\n"
                "\n"
                "  cairn release submit --home s1 model.request\n",
     .options = admin_options,
     .run = cmd_release_submit},
    {.name = "list",
     .summary = "List the releases that this steward's node knows",
     .details = "  cairn release list --home s1\n",
     .options = admin_options,
     .run = cmd_release_list},
    {.name = "show",
     .summary = "Show a request as operators sign it",
     .arguments = "[ID]",
     .args_min = 0,
     .args_max = 1,
     .details =
         "The text is made here from the bytes of the request, whatever the\n"
         "node says about it. ID is the release id, or at least 8 digits of\n"
         "it. A recipient looks at a request of their own with --file.\n"
         "\n"
         "  cairn release show --home s1 1f2e3d4c --to-sign request.txt\n"
         "  cairn release show --file model.request\n",
     .options = cmd_release_show_options,
     .run = cmd_release_show},
    {.name = "approve",
     .summary = "Bring an operator's signature of a request",
     .arguments = "ID",
     .args_min = 1,
     .args_max = 1,
     .details =
         "The operator signs, wherever their key is, what 'show --to-sign'\n"
         "wrote. The signature is checked here before it is sent.\n"
         "\n"
         "  cairn release show --home s1 1f2e3d4c --to-sign request.txt\n"
         "  ssh-keygen -Y sign -n cairn-approval@v1 -f KEY request.txt\n"
         "  cairn release approve --home s1 1f2e3d4c \\\n"
         "    --signature request.txt.sig\n",
     .options = cmd_release_approve_options,
     .run = cmd_release_approve},
    {.name = "deny",
     .summary = "Have this steward take no part in a release",
     .arguments = "ID",
     .args_min = 1,
     .args_max = 1,
     .details = "Other stewards decide for themselves.\n"
                "\n"
                "  cairn release deny --home s1 1f2e3d4c\n",
     .options = cmd_release_deny_options,
     .run = cmd_release_deny},
    {.name = "status",
     .summary = "Show how far a release has come",
     .arguments = "ID",
     .args_min = 1,
     .args_max = 1,
     .details =
         "The exit code is 0 when it is open, 22 while it waits, 1 when\n"
         "it has expired.\n"
         "\n"
         "  cairn release status --home s1 1f2e3d4c\n",
     .options = admin_options,
     .run = cmd_release_status},
    {.name = "ticket",
     .summary = "Get the recipient's ticket of an open release",
     .arguments = "ID",
     .args_min = 1,
     .args_max = 1,
     .details =
         "A ticket is secret: who has it may fetch what is sealed. Hand it to\n"
         "the recipient by a safe way.\n"
         "\n"
         "  cairn release ticket --home s1 1f2e3d4c -o model.ticket\n",
     .options = cmd_release_ticket_options,
     .run = cmd_release_ticket},
    {.name = NULL},
};
