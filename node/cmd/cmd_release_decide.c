#include <stdlib.h>
#include <unistd.h>

#include "crypto/secret.h"
#include "crypto/sshsig.h"
#include "node/base/terminal.h"
#include "node/base/text.h"
#include "node/cmd/cmd_release.h"

const struct cli_option cmd_release_approve_options[] = {
    {.name = "signature",
     .value = "FILE",
     .help = "what ssh-keygen -Y sign wrote"},
    CMD_ADMIN_OPTION,
    {.name = NULL},
};

const struct cli_option cmd_release_deny_options[] = {
    {.name = "yes", .help = "do not ask"},
    CMD_ADMIN_OPTION,
    {.name = NULL},
};

const struct cli_option cmd_release_ticket_options[] = {
    {.name = "output",
     .letter = 'o',
     .value = "FILE",
     .help = "write the ticket here, for its owner alone (default: standard "
             "output)"},
    CMD_ADMIN_OPTION,
    {.name = NULL},
};

static int print_release(struct cli *c,
                         const char *schema,
                         const char *id,
                         const char *words)
{
    if (c->json) {
        return cli_print_json(c, schema, json_pack("{s:s}", "release", id));
    }
    printf("release  %s\n%s\n", id, words);
    return EXIT_CODE_OK;
}

/* ---- submit ---- */

int cmd_release_submit(struct cli *c)
{
    struct release_shown s = {.bytes = NULL};
    struct admin_client *a = NULL;
    char errmsg[ERRMSG_SIZE] = "";
    char id[CMD_ID_SIZE];
    const char *named;
    json_t *answer = NULL;
    int code;
    int rv = release_shown_read(&s, c->args[0], errmsg);

    if (rv != OK) {
        code = cli_fail(c, exit_code_of(rv), errmsg,
                        "give a file that 'cairn release request' made");
        goto out;
    }
    a = cmd_admin_open(c, &code);
    if (a == NULL) {
        goto out;
    }
    text_hex(id, s.id.bytes, DIGEST_SIZE);
    rv = admin_client_post(a, "/v1/releases", slice_of(s.bytes, s.size),
                           "cairn.submitted/1", &answer, errmsg);
    named = json_string_value(json_object_get(answer, "release"));
    if (rv == OK && (named == NULL || strcmp(id, named) != 0)) {
        errmsg_set(errmsg, "cairnd took it for another release than %s", id);
        rv = ERR_MISMATCH;
    }
    if (rv != OK) {
        code = cmd_admin_fail(c, a, rv, errmsg,
                              "the request was not submitted; mend that and "
                              "run it again");
        goto out;
    }
    admin_client_close(a);
    code = print_release(c, "cairn.release.submit/1", id,
                         "operators approve it: see 'cairn release show "
                         "--help'");

out:
    json_decref(answer);
    release_shown_free(&s);
    return code;
}

/* ---- approve ---- */

/* Is the file a signature of this very text? */
static int signature_check(const char *path,
                           const struct release_shown *s,
                           uint8_t *sig,
                           size_t *size,
                           char *errmsg)
{
    struct sshsig_key key;
    uint8_t *file = NULL;
    size_t file_size = 0;
    int rv = file_read(path, SSHSIG_TEXT_MAX, &file, &file_size, errmsg);

    if (rv != OK) {
        return rv;
    }
    rv = sshsig_dearmor(slice_of(file, file_size), sig, size);
    free(file);
    if (rv == OK) {
        rv = sshsig_verify(slice_of(sig, *size), RELEASE_APPROVAL_NAMESPACE,
                           slice_of(s->text, s->text_size), &key);
    }
    if (rv == ERR_UNSUPPORTED) {
        errmsg_set(errmsg,
                   "'%s' is by a key that does not count; only ed25519 keys "
                   "(also FIDO2 ones) do",
                   path);
    } else if (rv == ERR_AUTH) {
        errmsg_set(errmsg,
                   "'%s' does not sign the text of this request in "
                   "namespace " RELEASE_APPROVAL_NAMESPACE,
                   path);
    } else if (rv != OK) {
        errmsg_set(errmsg, "'%s' is no signature of ssh-keygen", path);
    }
    return rv;
}

static int approve_post(struct admin_client *a,
                        const char *id,
                        struct slice sig,
                        char *errmsg)
{
    char resource[CMD_RESOURCE_SIZE];
    json_t *answer = NULL;
    int rv;

    cmd_resource(resource, "releases", id, "approval");
    rv = admin_client_post(a, resource, sig, "cairn.approved/1", &answer,
                           errmsg);
    json_decref(answer);
    return rv;
}

int cmd_release_approve(struct cli *c)
{
    const char *path = cli_value(c, "signature");
    struct release_shown s = {.bytes = NULL};
    uint8_t sig[SSHSIG_TEXT_MAX];
    struct admin_client *a;
    char errmsg[ERRMSG_SIZE] = "";
    char id[CMD_ID_SIZE];
    size_t size = 0;
    int code;
    int rv;

    if (!cmd_id_read(c, c->args[0], id)) {
        return EXIT_CODE_USAGE;
    }
    if (path == NULL) {
        return cli_fail(c, EXIT_CODE_USAGE, "there is no signature",
                        "sign what 'cairn release show ID --to-sign FILE' "
                        "writes, and give it with --signature");
    }
    a = cmd_admin_open(c, &code);
    if (a == NULL) {
        return code;
    }
    rv = release_shown_fetch(&s, a, id, errmsg);
    if (rv == OK) {
        text_hex(id, s.id.bytes, DIGEST_SIZE);
        rv = signature_check(path, &s, sig, &size, errmsg);
    }
    if (rv == OK) {
        rv = approve_post(a, id, slice_of(sig, size), errmsg);
    }
    release_shown_free(&s);
    if (rv != OK) {
        return cmd_admin_fail(c, a, rv, errmsg,
                              "nothing was approved; sign what 'cairn release "
                              "show ID --to-sign FILE' writes");
    }
    admin_client_close(a);
    return print_release(c, "cairn.release.approve/1", id,
                         "the approval is on record; 'cairn release status' "
                         "shows what is still needed");
}

/* ---- deny ---- */

/* Ask on the terminal; true only for "yes". */
static bool asked_yes(const char *id, bool *terminal)
{
    int fd = terminal_open();
    FILE *tty = fd < 0 ? NULL : fdopen(fd, "r+");
    char line[16] = "";
    bool yes = false;

    *terminal = tty != NULL;
    if (tty == NULL) {
        if (fd >= 0) {
            close(fd);
        }
        return false;
    }
    (void)fprintf(tty,
                  "This steward will take no part in release %s.\n"
                  "Type yes to deny it: ",
                  id);
    (void)fflush(tty);
    if (fgets(line, sizeof(line), tty) != NULL) {
        yes = strcmp(line, "yes\n") == 0;
    }
    (void)fclose(tty);
    return yes;
}

static bool deny_is_meant(struct cli *c, const char *id, int *code)
{
    bool terminal = false;

    if (cli_flag(c, "yes") || asked_yes(id, &terminal)) {
        return true;
    }
    *code = terminal ? cli_fail(c, EXIT_CODE_FAILED, "nothing was denied",
                                "run it again and type yes, or give --yes")
                     : cli_fail(c, EXIT_CODE_USAGE,
                                "there is no terminal to ask on", "give --yes");
    return false;
}

int cmd_release_deny(struct cli *c)
{
    struct admin_client *a;
    char errmsg[ERRMSG_SIZE] = "";
    char resource[CMD_RESOURCE_SIZE];
    char id[CMD_ID_SIZE];
    json_t *answer = NULL;
    int code;
    int rv;

    if (!cmd_id_read(c, c->args[0], id)) {
        return EXIT_CODE_USAGE;
    }
    if (!deny_is_meant(c, id, &code)) {
        return code;
    }
    a = cmd_admin_open(c, &code);
    if (a == NULL) {
        return code;
    }
    cmd_resource(resource, "releases", id, "denial");
    rv = admin_client_post(a, resource, slice_of(NULL, 0), "cairn.denied/1",
                           &answer, errmsg);
    json_decref(answer);
    if (rv != OK) {
        return cmd_admin_fail(c, a, rv, errmsg, "nothing was denied");
    }
    admin_client_close(a);
    return print_release(c, "cairn.release.deny/1", id,
                         "this steward takes no part in it, unless its "
                         "custodian has decided before: see 'cairn release "
                         "status'");
}

/* ---- ticket ---- */

/* Is it a ticket for the release that was asked for? */
static int ticket_check(const char *id, struct slice bytes, char *errmsg)
{
    struct ticket t;
    struct digest got;
    char hex[CMD_ID_SIZE];
    int rv = ticket_decode(&t, bytes);

    if (rv == OK) {
        secret_wipe(t.psk, sizeof(t.psk));
        release_id(&got, t.request);
        text_hex(hex, got.bytes, DIGEST_SIZE);
        rv = strncmp(hex, id, strlen(id)) == 0 ? OK : ERR_MISMATCH;
    }
    if (rv != OK) {
        errmsg_set(errmsg, "cairnd did not answer with a ticket of release %s",
                   id);
    }
    return rv;
}

static int ticket_put(const char *output, struct slice ticket, char *errmsg)
{
    if (output == NULL) {
        (void)fwrite(ticket.data, 1, ticket.size, stdout);
        return OK; /* cli_main() looks for errors of stdout. */
    }
    return file_write(output, ticket, 0600, FILE_REPLACE, errmsg);
}

static int ticket_print(struct cli *c, const char *id, const char *output)
{
    if (output == NULL) {
        return EXIT_CODE_OK;
    }
    if (c->json) {
        return cli_print_json(
            c, "cairn.release.ticket/1",
            json_pack("{s:s, s:s}", "release", id, "file", output));
    }
    cli_note(c, "the ticket is in %s: secret, for the recipient alone", output);
    return EXIT_CODE_OK;
}

int cmd_release_ticket(struct cli *c)
{
    const char *output = cli_value(c, "output");
    struct admin_client *a;
    char errmsg[ERRMSG_SIZE] = "";
    char resource[CMD_RESOURCE_SIZE];
    char id[CMD_ID_SIZE];
    uint8_t *bytes = NULL;
    size_t size = 0;
    int code;
    int rv;

    if (!cmd_id_read(c, c->args[0], id)) {
        return EXIT_CODE_USAGE;
    }
    if (output == NULL && (c->json || isatty(STDOUT_FILENO) != 0)) {
        return cli_fail(c, EXIT_CODE_USAGE, "a ticket is not text",
                        "write it to a file with -o");
    }
    a = cmd_admin_open(c, &code);
    if (a == NULL) {
        return code;
    }
    cmd_resource(resource, "releases", id, "ticket");
    rv = admin_client_get(a, resource, TICKET_SIZE_MAX, &bytes, &size, errmsg);
    if (rv == OK) {
        rv = ticket_check(id, slice_of(bytes, size), errmsg);
    }
    if (rv == OK) {
        rv = ticket_put(output, slice_of(bytes, size), errmsg);
    }
    if (bytes != NULL) {
        secret_wipe(bytes, size);
        free(bytes);
    }
    if (rv != OK) {
        return cmd_admin_fail(c, a, rv, errmsg,
                              "see 'cairn release status ID' for what it "
                              "waits for");
    }
    admin_client_close(a);
    return ticket_print(c, id, output);
}
