#include <stdlib.h>
#include <unistd.h>

#include "crypto/secret.h"
#include "node/cmd_cairnd.h"
#include "node/text.h"

#define PSK_FILE_MAX 4096U

/* --- card ---------------------------------------------------------------- */

static int card_print(struct cli *c,
                      const struct card *card,
                      const uint8_t *bytes,
                      size_t size)
{
    char id[2 * DIGEST_SIZE + 1];
    char hex[2 * CARD_SIZE_MAX + 1];

    if (c->json) {
        return cli_print_json(
            c, "cairnd.card/1",
            json_pack("{s:s, s:s, s:s, s:s, s:I, s:s}", "id",
                      text_hex(id, card->id.bytes, DIGEST_SIZE), "name",
                      card->name, "organisation", card->organisation,
                      "jurisdiction", card->jurisdiction, "seq",
                      (json_int_t)card->seq, "card",
                      text_hex(hex, bytes, size)));
    }
    if (fwrite(bytes, 1, size, stdout) != size) {
        return cli_fail(c, EXIT_CODE_FAILED, "the card could not be written",
                        "check where the output goes, and run it again");
    }
    return EXIT_CODE_OK;
}

int cmd_cairnd_card(struct cli *c)
{
    char errmsg[ERRMSG_SIZE] = "";
    uint8_t bytes[CARD_SIZE_MAX];
    struct card card;
    struct self s;
    size_t size = 0;
    int code;
    int rv;

    if (!cairnd_home_given(c)) {
        return EXIT_CODE_USAGE;
    }
    if (!c->json && isatty(STDOUT_FILENO)) {
        return cli_fail(c, EXIT_CODE_USAGE,
                        "a card is binary, and this is a terminal",
                        "write it into a file: cairnd card > s1.card");
    }
    rv = cairnd_self(c, &s, errmsg);
    if (rv == OK) {
        rv = self_card(&s, &card, bytes, &size, errmsg);
    }
    code = rv == OK ? card_print(c, &card, bytes, size)
                    : cairnd_home_fail(c, rv, errmsg);
    self_close(&s);
    return code;
}

/* --- install ------------------------------------------------------------- */

int cairnd_network_fail(struct cli *c, int rv, const char *errmsg)
{
    if (rv == ERR_NOTFOUND) {
        return cli_fail(c, EXIT_CODE_NOT_FOUND, errmsg,
                        "check which files these are; nothing was changed");
    }
    return cli_fail(c, exit_code_of(rv), errmsg, "nothing was changed");
}

/* A node that is in a network does not go to another, nor back an epoch. */
static int install_look(const struct self *s, char *errmsg)
{
    char *path = self_path(s->home, "charter");
    struct charter *charter = calloc(1, sizeof(*charter));
    uint8_t *chain = NULL;
    struct digest net;
    size_t size = 0;
    int rv = file_read(path, CHARTER_CHAIN_MAX, &chain, &size, errmsg);

    if (rv == ERR_NOTFOUND) {
        rv = OK;
    } else if (rv == OK && (charter == NULL ||
                            charter_chain_decode(
                                charter, &net, slice_of(chain, size)) != OK)) {
        errmsg_set(errmsg, "'%s' is damaged; remove it", path);
        rv = ERR_BAD;
    } else if (rv == OK && (!digest_equal(&net, &s->net) ||
                            charter->epoch > s->charter->epoch)) {
        errmsg_set(errmsg,
                   "this node is in the network '%s' already, or in a later "
                   "epoch of it",
                   charter->name);
        rv = ERR_EXISTS;
    }
    free(chain);
    free(charter);
    free(path);
    return rv;
}

/* Copy what was checked: a secret first, for the charter needs it. */
static int install_copy(struct cli *c, struct self *s, char *errmsg)
{
    char *chain_path = self_path(c->home, "charter");
    char *psk_path = self_path(c->home, "network.psk");
    uint8_t *psk = NULL, *chain = NULL;
    size_t psk_size = 0, chain_size = 0;
    int rv = install_look(s, errmsg);

    if (rv == OK) {
        rv = file_read(c->args[0], CHARTER_CHAIN_MAX, &chain, &chain_size,
                       errmsg);
    }
    if (rv == OK) {
        rv =
            file_read_secret(c->args[1], PSK_FILE_MAX, &psk, &psk_size, errmsg);
    }
    if (rv == OK) {
        rv = file_write(psk_path, slice_of(psk, psk_size), 0600, FILE_REPLACE,
                        errmsg);
    }
    if (rv == OK) {
        rv = file_write(chain_path, slice_of(chain, chain_size), 0644,
                        FILE_REPLACE, errmsg);
    }
    secret_free(psk);
    free(chain);
    free(psk_path);
    free(chain_path);
    return rv;
}

static int install_print(struct cli *c, const struct self *s)
{
    const struct charter *charter = s->charter;
    char net[2 * DIGEST_SIZE + 1];
    char fingerprint[48];

    text_hex(net, s->net.bytes, DIGEST_SIZE);
    charter_fingerprint(&s->net, fingerprint);
    if (c->json) {
        return cli_print_json(
            c, "cairnd.install/1",
            json_pack("{s:s, s:s, s:s, s:I, s:i, s:b, s:b}", "net", net,
                      "fingerprint", fingerprint, "name", charter->name,
                      "epoch", (json_int_t)charter->epoch, "stewards",
                      (int)charter->stewards, "same_jurisdiction_allowed",
                      (charter->flags & CHARTER_FLAG_SAME_JURISDICTION) != 0,
                      "same_provider_allowed",
                      (charter->flags & CHARTER_FLAG_SAME_PROVIDER) != 0));
    }
    printf("network      %s, %u stewards, %u of which may be faulty\n",
           charter->name, charter->stewards, charter->f);
    printf("id           %s\n", net);
    printf("fingerprint  %s\n", fingerprint);
    if (charter->flags != 0) {
        printf("relaxed      its charter lets one jurisdiction or provider "
               "hold more than the margin\n");
    }
    printf("next         compare the fingerprint with the other founders by "
           "telephone, then\n"
           "             cairnd run --home %s\n",
           c->home);
    return EXIT_CODE_OK;
}

int cmd_cairnd_install(struct cli *c)
{
    char errmsg[ERRMSG_SIZE] = "";
    struct self s;
    int code;
    int rv;

    if (!cairnd_home_given(c)) {
        return EXIT_CODE_USAGE;
    }
    rv = cairnd_self(c, &s, errmsg);
    if (rv != OK) {
        code = cairnd_home_fail(c, rv, errmsg);
        self_close(&s);
        return code;
    }
    rv = self_join(&s, c->args[0], c->args[1], errmsg);
    if (rv == OK) {
        rv = install_copy(c, &s, errmsg);
    }
    code = rv == OK ? install_print(c, &s) : cairnd_network_fail(c, rv, errmsg);
    self_close(&s);
    return code;
}
