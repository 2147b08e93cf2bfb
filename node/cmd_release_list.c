#include <stdlib.h>

#include "node/cmd_release.h"
#include "node/commands.h"
#include "node/text.h"

/* GET a resource, or print the error and leave its exit code in |*code|. */
static json_t *get(struct cli *c,
                   const char *resource,
                   const char *schema,
                   int *code)
{
    struct admin_client *a = cmd_admin_open(c, code);
    char errmsg[ERRMSG_SIZE] = "";
    json_t *object = NULL;
    int rv;

    if (a == NULL) {
        return NULL;
    }
    rv = admin_client_get_json(a, resource, schema, &object, errmsg);
    if (rv != OK) {
        *code = cmd_admin_fail(c, a, rv, errmsg, "see 'cairn release list'");
        return NULL;
    }
    admin_client_close(a);
    return object;
}

static bool is_true(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

/* One word for where a release stands. */
static const char *state_of(const json_t *r, char text[CMD_TEXT_SIZE])
{
    if (is_true(r, "open")) {
        return "open";
    }
    if (is_true(r, "expired")) {
        return "expired";
    }
    if (is_true(r, "denied")) {
        return "denied";
    }
    return cmd_json_text(text, r, "state");
}

static void list_row(const json_t *r)
{
    char id[CMD_TEXT_SIZE];
    char state[CMD_TEXT_SIZE];
    char label[CMD_TEXT_SIZE];
    char recipient[CMD_TEXT_SIZE];
    char expires[CMD_TEXT_SIZE];

    printf("%-16.16s  %-8s  %-20.20s  %s for %s\n", cmd_json_text(id, r, "id"),
           state_of(r, state), cmd_json_text(expires, r, "expires"),
           cmd_json_text(label, r, "label"),
           cmd_json_text(recipient, r, "recipient"));
}

int cmd_release_list(struct cli *c)
{
    const json_t *list;
    json_t *object;
    int code = EXIT_CODE_OK;

    object = get(c, "/v1/releases", "cairn.releases/1", &code);
    if (object == NULL) {
        return code;
    }
    if (c->json) {
        return cmd_print_as(c, "cairn.release.list/1", object);
    }
    list = json_object_get(object, "releases");
    if (json_array_size(list) == 0) {
        cli_note(c, "no release has been asked for, as far as this node knows");
    } else {
        printf("%-16s  %-8s  %-20s  %s\n", "RELEASE", "STATE", "EXPIRES",
               "DEPOSIT AND RECIPIENT");
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        list_row(json_array_get(list, i));
    }
    json_decref(object);
    return EXIT_CODE_OK;
}

/* ---- status ---- */

static enum exit_code status_code(const json_t *r)
{
    if (is_true(r, "open")) {
        return EXIT_CODE_OK;
    }
    return is_true(r, "expired") ? EXIT_CODE_FAILED : EXIT_CODE_WAITING;
}

static void status_print(const json_t *r)
{
    char text[CMD_TEXT_SIZE];
    const json_t *decisions = json_object_get(r, "decisions");

    printf("release    %s\n", cmd_json_text(text, r, "id"));
    printf("deposit    %s\n", cmd_json_text(text, r, "label"));
    printf("recipient  %s\n", cmd_json_text(text, r, "recipient"));
    printf("expires    %s\n", cmd_json_text(text, r, "expires"));
    printf("needed     %s\n", cmd_json_text(text, r, "needed"));
    printf("approved   by ");
    cmd_json_print_list(json_object_get(r, "approvals"));
    printf("decided    %zu of %lld custodians: ", json_array_size(decisions),
           (long long)cmd_json_int(r, "decisions_needed", 0));
    cmd_json_print_list(decisions);
    if (json_is_string(json_object_get(r, "trouble"))) {
        printf("trouble    %s\n", cmd_json_text(text, r, "trouble"));
    }
    if (is_true(r, "denied")) {
        printf("denied     this steward's custodian will not decide on it\n");
    }
    if (is_true(r, "open")) {
        printf("state      open: give the recipient a ticket ('cairn release "
               "ticket')\n");
    } else if (is_true(r, "expired")) {
        printf("state      expired: the recipient has to ask again\n");
    } else {
        printf("state      %s; waiting\n", cmd_json_text(text, r, "state"));
    }
}

int cmd_release_status(struct cli *c)
{
    char resource[CMD_RESOURCE_SIZE];
    char id[CMD_ID_SIZE];
    enum exit_code state;
    json_t *object;
    int code = EXIT_CODE_OK;

    if (!cmd_id_read(c, c->args[0], id)) {
        return EXIT_CODE_USAGE;
    }
    cmd_resource(resource, "releases", id, NULL);
    object = get(c, resource, "cairn.release/1", &code);
    if (object == NULL) {
        return code;
    }
    state = status_code(object);
    if (c->json) {
        code = cmd_print_as(c, "cairn.release.status/1", object);
        return code == EXIT_CODE_OK ? (int)state : code;
    }
    status_print(object);
    json_decref(object);
    return (int)state;
}

/* ---- the table ---- */

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
