#include <stdlib.h>
#include <unistd.h>

#include "crypto/secret.h"
#include "node/base/text.h"
#include "node/cmd/commands.h"
#include "node/home/self.h"
#include "protocol/card.h"

static const struct cli_option new_options[] = {
    {.name = "name",
     .value = "TEXT",
     .help = "name of the lab or auditor, as others will read it"},
    {.name = "role", .value = "ROLE", .help = "lab or auditor (default lab)"},
    {.name = "organisation",
     .value = "TEXT",
     .help = "who is behind it (default: the name)"},
    {.name = "jurisdiction",
     .value = "CODE",
     .help = "whose law it is under, such as NL (default --)"},
    {.name = "passphrase-file",
     .value = "FILE",
     .help = "seal the keys under its first line"},
    {.name = NULL},
};

static const struct cli_option install_options[] = {
    {.name = "passphrase-file",
     .value = "FILE",
     .help = "the keys' passphrase is its first line"},
    {.name = NULL},
};

/* Copy |text| into a field of a card; false when it does not fit. */
static bool field_set(char *field, size_t size, const char *text)
{
    size_t length = strlen(text);

    if (length >= size) {
        return false;
    }
    memcpy(field, text, length + 1);
    return true;
}

static bool card_fill(struct cli *c, struct card *card)
{
    const char *name = cli_value(c, "name");
    const char *role = cli_value(c, "role");
    const char *organisation = cli_value(c, "organisation");
    const char *jurisdiction = cli_value(c, "jurisdiction");

    memset(card, 0, sizeof(*card));
    card->role = CARD_LAB;
    card->seq = 1;
    if (role != NULL && strcmp(role, "auditor") == 0) {
        card->role = CARD_AUDITOR;
    } else if (role != NULL && strcmp(role, "lab") != 0) {
        (void)cli_fail(c, EXIT_CODE_USAGE, "a role is lab or auditor",
                       "stewards are made with 'cairnd init'");
        return false;
    }
    if (name == NULL || !field_set(card->name, sizeof(card->name), name) ||
        !field_set(card->organisation, sizeof(card->organisation),
                   organisation != NULL ? organisation : name) ||
        !field_set(card->jurisdiction, sizeof(card->jurisdiction),
                   jurisdiction != NULL ? jurisdiction : "--")) {
        (void)cli_fail(c, EXIT_CODE_USAGE, "a name of 1 to 100 bytes is needed",
                       "give it with --name");
        return false;
    }
    return true;
}

/* Sign the card with the keys in |home| and keep it there. */
static int card_make(const char *home,
                     struct slice passphrase,
                     struct card *card,
                     char *errmsg)
{
    struct home_keys *keys = NULL;
    uint8_t *bytes = malloc(CARD_SIZE_MAX);
    char *path = path_join(home, "card");
    size_t size = 0;
    int rv = bytes == NULL ? ERR_NOMEM
                           : home_keys_read(home, passphrase, &keys, errmsg);

    if (rv == OK) {
        memcpy(card->id.bytes, keys->node.pk, DIGEST_SIZE);
        memcpy(card->node_pk, keys->node.pk, SIGN_PK_SIZE);
        home_vrf_pk(keys, &card->vrf_pk);
        rv = card_encode(card, &keys->node, slice_of(NULL, 0), bytes,
                         CARD_SIZE_MAX, &size);
        if (rv != OK) {
            errmsg_set(errmsg,
                       "names are text without control characters, at most "
                       "100 bytes");
        }
    }
    if (rv == OK) {
        rv =
            file_write(path, slice_of(bytes, size), 0644, FILE_REPLACE, errmsg);
    }
    secret_free(keys);
    free(path);
    free(bytes);
    return rv;
}

static int id_print(struct cli *c, const struct card *card)
{
    char id[2 * DIGEST_SIZE + 1];

    text_hex(id, card->id.bytes, DIGEST_SIZE);
    if (c->json) {
        return cli_print_json(c, "cairn.id/1",
                              json_pack("{s:s, s:s, s:s}", "id", id, "name",
                                        card->name, "home", c->home));
    }
    printf("id        %s\n", id);
    printf("keys      %s/keys; nobody can make them again: back them up\n",
           c->home);
    printf("card      'cairn id card' prints it, for the founders of a "
           "network\n");
    return EXIT_CODE_OK;
}

/* Keys that nobody has seen a card of are worth nothing, and in the way of the
 * next try. */
static void keys_drop(const char *home)
{
    char *path = path_join(home, "keys");

    (void)unlink(path);
    free(path);
}

static int new_with(struct cli *c, struct card *card, struct slice passphrase)
{
    char errmsg[ERRMSG_SIZE] = "";
    int rv = home_create(c->home, passphrase, errmsg);

    if (rv == OK) {
        rv = card_make(c->home, passphrase, card, errmsg);
        if (rv != OK) {
            keys_drop(c->home);
        }
    }
    if (rv == OK) {
        return id_print(c, card);
    }
    return cli_fail(c, exit_code_of(rv), errmsg,
                    rv == ERR_EXISTS
                        ? "choose a --home that has no keys yet"
                        : "no keys were made; mend that and run it again");
}

static int home_missing(struct cli *c)
{
    return cli_fail(c, EXIT_CODE_USAGE, "it is not said where keys are kept",
                    "give --home DIR, or set CAIRN_HOME");
}

static int new_run(struct cli *c)
{
    struct card *card = calloc(1, sizeof(*card));
    char *passphrase = NULL;
    char errmsg[ERRMSG_SIZE] = "";
    size_t size = 0;
    int code = EXIT_CODE_USAGE;
    int rv;

    if (card == NULL) {
        return cli_fail(c, EXIT_CODE_FAILED, "out of memory", "try again");
    }
    if (c->home == NULL) {
        code = home_missing(c);
    } else if (card_fill(c, card)) {
        rv = cli_passphrase(c, &passphrase, &size, errmsg);
        code = rv == OK ? new_with(c, card, slice_of(passphrase, size))
                        : cli_fail(c, exit_code_of(rv), errmsg,
                                   "check --passphrase-file");
    }
    secret_free(passphrase);
    free(card);
    return code;
}

/* Binary goes to files and pipes, not to people. */
static int card_run(struct cli *c)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    char errmsg[ERRMSG_SIZE] = "";
    char *path;
    int rv;

    if (c->home == NULL) {
        return home_missing(c);
    }
    if (isatty(STDOUT_FILENO) != 0) {
        return cli_fail(c, EXIT_CODE_USAGE, "a card is not text",
                        "write it to a file: cairn id card > my.card");
    }
    path = path_join(c->home, "card");
    rv = file_read(path, CARD_SIZE_MAX, &bytes, &size, errmsg);
    free(path);
    if (rv != OK) {
        return cli_fail(c, exit_code_of(rv), errmsg,
                        "make one with 'cairn id new'");
    }
    (void)fwrite(bytes, 1, size, stdout); /* cli_main() looks for errors. */
    free(bytes);
    return EXIT_CODE_OK;
}

static int install_print(struct cli *c, const struct self *s)
{
    const struct charter *charter = s->charter;
    char net[2 * DIGEST_SIZE + 1];
    char fingerprint[CHARTER_FINGERPRINT_SIZE];

    text_hex(net, s->net.bytes, DIGEST_SIZE);
    charter_fingerprint(&s->net, fingerprint);
    if (c->json) {
        return cli_print_json(c, "cairn.id.install/1",
                              json_pack("{s:s, s:s, s:s, s:I, s:i}", "net", net,
                                        "fingerprint", fingerprint, "name",
                                        charter->name, "epoch",
                                        (json_int_t)charter->epoch, "stewards",
                                        (int)charter->stewards));
    }
    printf("network      %s, %u steward%s\n", charter->name, charter->stewards,
           text_s(charter->stewards));
    printf("fingerprint  %s\n", fingerprint);
    printf(
        "next         compare the fingerprint with a steward by telephone\n");
    return EXIT_CODE_OK;
}

static int install_with(struct cli *c, struct slice passphrase)
{
    char errmsg[ERRMSG_SIZE] = "";
    struct self s;
    int rv = self_open_member(&s, c->home, passphrase, errmsg);
    int code;

    if (rv == OK) {
        rv = self_join(&s, c->args[0], c->args[1], errmsg);
    }
    if (rv == OK) {
        rv = self_install(&s, c->args[0], c->args[1], errmsg);
    }
    code = rv == OK ? install_print(c, &s)
                    : cli_fail(c, exit_code_of(rv), errmsg,
                               "check which files these are; nothing was "
                               "changed");
    self_close(&s);
    return code;
}

static int install_run(struct cli *c)
{
    char errmsg[ERRMSG_SIZE] = "";
    char *passphrase = NULL;
    size_t size = 0;
    int code;
    int rv;

    if (c->home == NULL) {
        return home_missing(c);
    }
    rv = cli_passphrase(c, &passphrase, &size, errmsg);
    code = rv == OK ? install_with(c, slice_of(passphrase, size))
                    : cli_fail(c, exit_code_of(rv), errmsg,
                               "check --home and --passphrase-file");
    secret_free(passphrase);
    return code;
}

const struct cli_command cmd_id[] = {
    {.name = "new",
     .summary = "Make the keys of a lab or an auditor",
     .details = "The keys go into --home and never leave it.\n"
                "\n"
                "  cairn id new --home lab --name 'Example Lab'\n",
     .options = new_options,
     .run = new_run},
    {.name = "card",
     .summary = "Print the public card, for a network's founders",
     .run = card_run},
    {.name = "install",
     .summary = "Enter the network of a charter",
     .arguments = "CHARTER NETWORK.PSK",
     .args_min = 2,
     .args_max = 2,
     .details = "Checks that this member is in it, and keeps both in --home.\n"
                "\n"
                "  cairn id install --home lab charter network.psk\n",
     .options = install_options,
     .run = install_run},
    {.name = NULL},
};
