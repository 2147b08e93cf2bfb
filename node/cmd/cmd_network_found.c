#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "crypto/secret.h"
#include "node/cmd/cmd_network.h"
#include "node/home/home.h"
#include "protocol/frame.h"

/* `cairn network found`: cards become a draft, and the network secret that the
 * draft names. */

const struct cli_option cmd_network_found_options[] = {
    {.name = "output",
     .letter = 'o',
     .value = "FILE",
     .help = "where the draft goes (default draft)"},
    {.name = "name",
     .value = "TEXT",
     .help = "name of the network (default Cairn network)"},
    {.name = "secret",
     .value = "FILE",
     .help = "where the network secret goes (default network.psk)"},
    {.name = "allow-same-jurisdiction",
     .help = "let one jurisdiction hold more than the margin"},
    {.name = "allow-same-provider",
     .help = "let one provider hold more than the margin"},
    {.name = NULL},
};

static int cards_read(struct cli *c,
                      struct slice *cards,
                      uint8_t **memory,
                      char *errmsg)
{
    int rv = OK;

    for (size_t i = 0; i < c->args_len && rv == OK; i++) {
        size_t size = 0;

        rv = file_read(c->args[i], CARD_SIZE_MAX, &memory[i], &size, errmsg);
        cards[i] = slice_of(memory[i], size);
    }
    return rv;
}

static void found_explain(struct cli *c, int rv, size_t bad, char *errmsg)
{
    const char *which = bad < c->args_len ? c->args[bad] : NULL;

    if (rv == ERR_EXISTS && which != NULL) {
        errmsg_set(errmsg,
                   "'%s' shares an id, a key or an address with an earlier "
                   "card",
                   which);
    } else if (which != NULL) {
        errmsg_set(errmsg, "'%s' is no valid card", which);
    } else {
        errmsg_set(errmsg,
                   "no network follows from these cards: at least one steward, "
                   "at most %d members",
                   CHARTER_MEMBERS_MAX);
    }
}

/* The secret is made here, because the charter names it by its id. */
static int secret_make(const char *path, uint8_t psk_id[8], char *errmsg)
{
    uint8_t *psk = secret_new(HOME_PSK_SIZE);
    struct frame_psk p;
    int rv = psk == NULL ? ERR_NOMEM : network_psk_create(path, errmsg);

    if (rv == OK) {
        rv = network_psk_read(path, psk, errmsg);
    }
    if (rv == OK) {
        frame_psk_init(&p, psk);
        memcpy(psk_id, p.id, sizeof(p.id));
        frame_psk_wipe(&p);
    }
    secret_free(psk);
    return rv;
}

static int found_with(struct cli *c,
                      const struct slice *cards,
                      uint8_t *bytes,
                      struct charter *charter,
                      char *errmsg)
{
    const char *output = network_value(c, "output", "draft");
    uint32_t flags = 0;
    uint8_t psk_id[8] = {0};
    size_t size = 0;
    size_t bad = SIZE_MAX;
    int rv;

    flags |= cli_flag(c, "allow-same-jurisdiction")
                 ? CHARTER_FLAG_SAME_JURISDICTION
                 : 0;
    flags |=
        cli_flag(c, "allow-same-provider") ? CHARTER_FLAG_SAME_PROVIDER : 0;
    rv = file_write_may(output, FILE_REPLACE, errmsg);
    if (rv == OK) {
        rv = secret_make(network_value(c, "secret", "network.psk"), psk_id,
                         errmsg);
    }
    if (rv != OK) {
        return rv;
    }
    rv = charter_found(network_value(c, "name", "Cairn network"),
                       (uint64_t)time(NULL), flags, psk_id, cards, c->args_len,
                       bytes, CHARTER_SIZE_MAX, &size, &bad);
    if (rv == OK) {
        rv = charter_decode(charter, slice_of(bytes, size));
    }
    if (rv != OK) {
        found_explain(c, rv, bad, errmsg);
        (void)unlink(network_value(c, "secret", "network.psk"));
        return rv;
    }
    return file_write(output, slice_of(bytes, size), 0644, FILE_REPLACE,
                      errmsg);
}

int cmd_network_found(struct cli *c)
{
    struct slice *cards = calloc(c->args_len + 1, sizeof(*cards));
    uint8_t **memory = calloc(c->args_len + 1, sizeof(*memory));
    uint8_t *bytes = malloc(CHARTER_SIZE_MAX);
    struct charter *charter = calloc(1, sizeof(*charter));
    char errmsg[ERRMSG_SIZE] = "out of memory";
    int code;
    int rv = ERR_NOMEM;

    if (cards != NULL && memory != NULL && bytes != NULL && charter != NULL) {
        rv = cards_read(c, cards, memory, errmsg);
    }
    if (rv == OK) {
        rv = found_with(c, cards, bytes, charter, errmsg);
    }
    if (rv == OK) {
        code = network_print(c, charter, false);
        cli_note(c,
                 "next: an operator of every steward reads this and runs "
                 "'cairn network sign %s --key KEY'",
                 network_value(c, "output", "draft"));
    } else {
        code = cli_fail(c, exit_code_of(rv), errmsg,
                        "nothing was founded; try again");
    }
    for (size_t i = 0; memory != NULL && i < c->args_len; i++) {
        free(memory[i]);
    }
    free(charter);
    free(bytes);
    free(memory);
    free(cards);
    return code;
}
