#include <stdlib.h>
#include <unistd.h>

#include "node/base/text.h"
#include "node/cmd/cmd_admin.h"
#include "node/cmd/cmd_deposit.h"
#include "node/cmd/cmd_deposit_lab.h"

const struct cli_option cmd_deposit_list_options[] = {
    CMD_ADMIN_OPTION,
    {.name = NULL},
};

const struct cli_option cmd_deposit_export_options[] = {
    {.name = "output",
     .letter = 'o',
     .value = "FILE",
     .help = "write the certificate here (default: standard output)"},
    CMD_ADMIN_OPTION,
    {.name = NULL},
};

/* ---- list ---- */

/* The pages of the list behind |first|, joined into it; in the end no "next".
 */
static int pages_join(struct admin_client *a, json_t *first, char *errmsg)
{
    json_t *list = json_object_get(first, "deposits");
    int rv = OK;

    while (rv == OK) {
        const char *next = json_string_value(json_object_get(first, "next"));
        char resource[CMD_RESOURCE_SIZE];
        json_t *page = NULL;
        json_t *more;

        if (next == NULL) {
            (void)json_object_del(first, "next");
            return OK;
        }
        if (strspn(next, "0123456789abcdef") != 2 * (size_t)DIGEST_SIZE ||
            strlen(next) != 2 * (size_t)DIGEST_SIZE) {
            errmsg_set(errmsg, "cairnd names no id to go on behind");
            return ERR_BAD;
        }
        (void)snprintf(resource, sizeof(resource), "/v1/deposits?after=%s",
                       next);
        rv = admin_client_get_json(a, resource, "cairn.deposits/1", &page,
                                   errmsg);
        if (rv != OK) {
            return rv;
        }
        more = json_object_get(page, "deposits");
        /* Nothing behind an id that it named would never end. */
        if (json_array_size(more) == 0) {
            (void)json_object_del(page, "next");
        }
        if (json_array_extend(list, more) != 0 ||
            json_object_set(first, "next",
                            json_object_get(page, "next") != NULL
                                ? json_object_get(page, "next")
                                : json_null()) != 0) {
            errmsg_set(errmsg, "out of memory, or cairnd gave no list");
            rv = ERR_NOMEM;
        }
        json_decref(page);
    }
    return rv;
}

/* "4 of 7" */
static char *part(char out[TEXT_SIZE], const json_t *d, const char *key)
{
    json_int_t n = cmd_json_int(d, "n", -1);
    json_int_t have = cmd_json_int(d, key, -1);

    if (n < 0 || have < 0) {
        (void)snprintf(out, TEXT_SIZE, "-");
    } else {
        (void)snprintf(out, TEXT_SIZE, "%lld of %lld", (long long)have,
                       (long long)n);
    }
    return out;
}

static const char *sealed_word(const json_t *d)
{
    const json_t *sealed = json_object_get(d, "sealed");

    return json_is_true(sealed)    ? "sealed"
           : json_is_false(sealed) ? "not sealed"
                                   : "-";
}

static void list_row(const json_t *d)
{
    char id[CMD_TEXT_SIZE];
    char state[CMD_TEXT_SIZE];
    char label[CMD_TEXT_SIZE];
    char receipts[TEXT_SIZE];
    char acks[TEXT_SIZE];
    char size[TEXT_SIZE] = "-";
    json_int_t bytes = cmd_json_int(d, "plain_size", -1);

    if (bytes >= 0) {
        text_size(size, (uint64_t)bytes);
    }
    printf("%-16.16s  %-10s  %-8s  %-8s  %-8s  %-10s  %s\n",
           cmd_json_text(id, d, "id"), sealed_word(d),
           part(receipts, d, "receipts"), part(acks, d, "acknowledgements"),
           cmd_json_text(state, d, "state"), size,
           cmd_json_text(label, d, "label"));
}

/* What a lab's home has besides certificates that hold. */
static void list_bad(const struct cli *c, const json_t *bad)
{
    char text[CMD_TEXT_SIZE];

    for (size_t i = 0; i < json_array_size(bad); i++) {
        cli_note(c, "%s",
                 cmd_text(text, json_string_value(json_array_get(bad, i))));
    }
}

static int list_print(struct cli *c, json_t *object)
{
    const json_t *list = json_object_get(object, "deposits");
    const json_t *bad = json_object_get(object, "bad");
    int code = json_array_size(bad) == 0 ? EXIT_CODE_OK : EXIT_CODE_FAILED;

    if (c->json) {
        int printed = cmd_print_as(c, "cairn.deposit.list/1", object);

        return printed == EXIT_CODE_OK ? code : printed;
    }
    if (json_array_size(list) == 0 && code == EXIT_CODE_OK) {
        cli_note(c, "no deposit is known here");
    } else if (json_array_size(list) > 0) {
        printf("%-16s  %-10s  %-8s  %-8s  %-8s  %-10s  %s\n", "DEPOSIT",
               "STATE", "RECEIPTS", "KEYS", "HERE", "SIZE", "LABEL");
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        list_row(json_array_get(list, i));
    }
    list_bad(c, bad);
    json_decref(object);
    return code;
}

int cmd_deposit_list(struct cli *c)
{
    char errmsg[ERRMSG_SIZE] = "";
    struct admin_client *a;
    json_t *object = NULL;
    int code = EXIT_CODE_OK;
    int rv;

    if (cmd_lab_is_meant(c)) {
        return list_print(c, cmd_lab_deposits(c->home));
    }
    a = cmd_admin_open(c, &code);
    if (a == NULL) {
        return code;
    }
    rv = admin_client_get_json(a, "/v1/deposits", "cairn.deposits/1", &object,
                               errmsg);
    if (rv == OK) {
        rv = pages_join(a, object, errmsg);
    }
    if (rv != OK) {
        json_decref(object);
        return cmd_admin_fail(c, a, rv, errmsg, "run it again");
    }
    admin_client_close(a);
    return list_print(c, object);
}

/* ---- show ---- */

static void show_steward(const json_t *s)
{
    char name[CMD_TEXT_SIZE];
    char receipt[CMD_TEXT_SIZE];

    printf("  %2lld  %-20.20s  %-3s  %s\n",
           (long long)cmd_json_int(s, "shard", -1),
           cmd_json_text(receipt, s, "receipt"),
           json_is_true(json_object_get(s, "acknowledgement")) ? "yes" : "-",
           cmd_json_text(name, s, "name"));
}

static void show_print(const json_t *d)
{
    const json_t *stewards = json_object_get(d, "stewards");
    const json_t *proof = json_object_get(d, "proof");
    char text[CMD_TEXT_SIZE];
    char size[TEXT_SIZE] = "-";
    json_int_t bytes = cmd_json_int(d, "plain_size", -1);

    if (bytes >= 0) {
        text_size(size, (uint64_t)bytes);
    }
    printf("deposit   %s\n", cmd_json_text(text, d, "id"));
    printf("label     %s\n", cmd_json_text(text, d, "label"));
    printf("lab       %s\n", cmd_json_text(text, d, "lab"));
    printf("size      %s\n", size);
    printf("code      any %lld of %lld shards restore it; any %lld key shares "
           "open it\n",
           (long long)cmd_json_int(d, "k", 0),
           (long long)cmd_json_int(d, "n", 0),
           (long long)cmd_json_int(d, "t", 0));
    printf("policy    %s\n", cmd_json_text(text, d, "policy"));
    printf("state     %s, as far as this node has seen", sealed_word(d));
    printf(" (as of %s)\n", cmd_json_text(text, d, "as_of"));
    printf("here      shard %s\n", cmd_json_text(text, d, "state"));
    if (json_is_integer(json_object_get(d, "data_margin"))) {
        printf("margin    %lld shards, %lld key shares may still be lost\n",
               (long long)cmd_json_int(d, "data_margin", 0),
               (long long)cmd_json_int(d, "key_margin", 0));
    }
    printf("proof     receipts, which say what was held then; newest %s, ",
           cmd_json_text(text, proof, "newest"));
    printf("oldest %s\n", cmd_json_text(text, proof, "oldest"));
    printf("\n  %2s  %-20s  %-3s  %s\n", "#", "RECEIPT", "KEY", "STEWARD");
    for (size_t i = 0; i < json_array_size(stewards); i++) {
        show_steward(json_array_get(stewards, i));
    }
}

/* A lab has a certificate, and nothing newer. */
static int show_lab(struct cli *c, const char *id)
{
    char errmsg[ERRMSG_SIZE] = "";
    char *path = cmd_lab_certificate(c->home, id, errmsg);
    int code = path != NULL
                   ? cmd_deposit_verify_file(c, path)
                   : cli_fail(c, EXIT_CODE_NOT_FOUND, errmsg,
                              "see 'cairn deposit list'; a steward's node "
                              "knows all deposits of its network");

    free(path);
    return code;
}

int cmd_deposit_show(struct cli *c)
{
    char errmsg[ERRMSG_SIZE] = "";
    char resource[CMD_RESOURCE_SIZE];
    char id[CMD_ID_SIZE];
    struct admin_client *a;
    json_t *object = NULL;
    int code = EXIT_CODE_OK;
    int rv;

    if (!cmd_id_read(c, c->args[0], id)) {
        return EXIT_CODE_USAGE;
    }
    if (cmd_lab_is_meant(c)) {
        return show_lab(c, id);
    }
    a = cmd_admin_open(c, &code);
    if (a == NULL) {
        return code;
    }
    cmd_resource(resource, "deposits", id, NULL);
    rv = admin_client_get_json(a, resource, "cairn.deposit/1", &object, errmsg);
    if (rv != OK) {
        return cmd_admin_fail(c, a, rv, errmsg, "see 'cairn deposit list'");
    }
    admin_client_close(a);
    if (c->json) {
        return cmd_print_as(c, "cairn.deposit.show/1", object);
    }
    show_print(object);
    json_decref(object);
    return EXIT_CODE_OK;
}

/* ---- export ---- */

/* A certificate that does not hold is not handed on. */
static int export_check(const char *id,
                        struct slice bytes,
                        bool *sealed,
                        char *errmsg)
{
    struct certificate *certificate = calloc(1, sizeof(*certificate));
    struct certificate_facts *facts = calloc(1, sizeof(*facts));
    char what[160] = "it is no certificate";
    char hex[CMD_ID_SIZE];
    int rv = ERR_NOMEM;

    if (certificate != NULL && facts != NULL) {
        rv = certificate_decode(certificate, bytes);
    }
    if (rv == OK) {
        rv = certificate_verify(certificate, facts, what);
    }
    if (rv == OK) {
        text_hex(hex, facts->manifest.deposit_id.bytes, DIGEST_SIZE);
        *sealed = facts->sealed;
        if (strncmp(hex, id, strlen(id)) != 0) {
            (void)snprintf(what, sizeof(what), "it is of another deposit");
            rv = ERR_MISMATCH;
        }
    }
    if (rv != OK) {
        errmsg_set(errmsg, "what cairnd gave out is false: %s", what);
    }
    free(facts);
    free(certificate);
    return rv;
}

static int export_print(struct cli *c,
                        const char *id,
                        const char *output,
                        bool sealed)
{
    if (!sealed) {
        cli_note(c, "this deposit is not sealed, as far as this node has "
                    "seen: 'cairn deposit verify' says what is missing");
    }
    if (output == NULL || !c->json) {
        return EXIT_CODE_OK;
    }
    return cli_print_json(c, "cairn.deposit.export/1",
                          json_pack("{s:s, s:s, s:b}", "deposit", id, "file",
                                    output, "sealed", (int)sealed));
}

int cmd_deposit_export(struct cli *c)
{
    const char *output = cli_value(c, "output");
    char errmsg[ERRMSG_SIZE] = "";
    char resource[CMD_RESOURCE_SIZE];
    char id[CMD_ID_SIZE];
    struct admin_client *a;
    uint8_t *bytes = NULL;
    size_t size = 0;
    bool sealed = false;
    int code;
    int rv;

    if (!cmd_id_read(c, c->args[0], id)) {
        return EXIT_CODE_USAGE;
    }
    if (output == NULL && (c->json || isatty(STDOUT_FILENO) != 0)) {
        return cli_fail(c, EXIT_CODE_USAGE, "a certificate is not text",
                        "write it to a file: cairn deposit export ID -o FILE");
    }
    a = cmd_admin_open(c, &code);
    if (a == NULL) {
        return code;
    }
    cmd_resource(resource, "deposits", id, "certificate");
    rv = admin_client_get(a, resource, CERTIFICATE_SIZE_MAX, &bytes, &size,
                          errmsg);
    if (rv == OK) {
        rv = export_check(id, slice_of(bytes, size), &sealed, errmsg);
    }
    if (rv == OK && output != NULL) {
        rv = file_write(output, slice_of(bytes, size), 0644, FILE_REPLACE,
                        errmsg);
    } else if (rv == OK) {
        (void)fwrite(bytes, 1, size, stdout); /* cli_main() checks stdout. */
    }
    free(bytes);
    if (rv != OK) {
        return cmd_admin_fail(c, a, rv, errmsg, "see 'cairn deposit list'");
    }
    admin_client_close(a);
    return export_print(c, id, output, sealed);
}
