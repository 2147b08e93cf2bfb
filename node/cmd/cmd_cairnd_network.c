#include <stdlib.h>
#include <unistd.h>

#include "node/base/text.h"
#include "node/cmd/cmd_cairnd.h"

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

static int install_print(struct cli *c, const struct self *s)
{
    const struct charter *charter = s->charter;
    char net[2 * DIGEST_SIZE + 1];
    char fingerprint[CHARTER_FINGERPRINT_SIZE];

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
    printf("network      %s, %u steward%s, %u of which may be faulty\n",
           charter->name, charter->stewards, text_s(charter->stewards),
           charter->f);
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
        rv = self_install(&s, c->args[0], c->args[1], errmsg);
    }
    code = rv == OK ? install_print(c, &s) : cairnd_network_fail(c, rv, errmsg);
    self_close(&s);
    return code;
}
