#include <stdlib.h>

#include "node/base/text.h"
#include "node/cmd/cmd_release.h"

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

/* Has this steward's custodian? */
static bool has_decided(const json_t *r)
{
    const char *state = json_string_value(json_object_get(r, "state"));

    return state != NULL && strcmp(state, "known") != 0 &&
           strcmp(state, "approved") != 0;
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
    printf(
        "decided    %zu custodians (%lld needed): ", json_array_size(decisions),
        (long long)cmd_json_int(r, "decisions_needed", 0));
    cmd_json_print_list(decisions);
    if (json_is_string(json_object_get(r, "trouble"))) {
        printf("trouble    %s\n", cmd_json_text(text, r, "trouble"));
    }
    if (is_true(r, "denied")) {
        printf("denied     this steward's custodian %s\n",
               has_decided(r) ? "had decided before, which stands"
                              : "will not decide on it");
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
