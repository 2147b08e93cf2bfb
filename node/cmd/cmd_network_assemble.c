#include <stdlib.h>

#include "node/base/file.h"
#include "node/cmd/cmd_network.h"

/* `cairn network assemble`: a draft and its signatures become a charter. */

const struct cli_option cmd_network_assemble_options[] = {
    {.name = "output",
     .letter = 'o',
     .value = "FILE",
     .help = "where the charter goes (default charter)"},
    {.name = NULL},
};

static int signatures_read(struct cli *c,
                           struct charter_signature *list,
                           uint8_t (*memory)[SSHSIG_TEXT_MAX],
                           char *errmsg)
{
    int rv = OK;

    for (size_t i = 1; i < c->args_len && rv == OK; i++) {
        uint8_t *text = NULL;
        size_t size = 0;
        size_t got = 0;

        rv = file_read(c->args[i], SSHSIG_TEXT_MAX, &text, &size, errmsg);
        if (rv == OK) {
            rv = sshsig_dearmor(slice_of(text, size), memory[i - 1], &got);
            if (rv != OK) {
                errmsg_set(errmsg, "'%s' is no signature of ssh-keygen",
                           c->args[i]);
            }
        }
        list[i - 1].sshsig = slice_of(memory[i - 1], got);
        free(text);
    }
    return rv;
}

static void assemble_explain(const struct charter *charter,
                             int rv,
                             const struct digest *missing,
                             char *errmsg)
{
    const struct card *card = charter_member(charter, missing);

    if (rv == ERR_NOTFOUND) {
        errmsg_set(errmsg, "no operator of '%s' has signed",
                   card != NULL ? card->name : "a steward");
    } else if (rv == ERR_EXISTS) {
        errmsg_set(errmsg, "two signatures are of one steward");
    } else {
        errmsg_set(errmsg,
                   "a signature is not by an operator in this draft, or not "
                   "of this draft");
    }
}

static int assemble_with(struct cli *c,
                         struct charter *charter,
                         struct charter_signature *list,
                         uint8_t (*memory)[SSHSIG_TEXT_MAX],
                         uint8_t *chain,
                         char *errmsg)
{
    uint8_t *draft = NULL;
    struct digest missing = {{0}};
    struct digest net;
    size_t draft_size = 0;
    size_t size = 0;
    int rv =
        network_draft_read(c->args[0], charter, &draft, &draft_size, errmsg);

    if (rv == OK) {
        rv = signatures_read(c, list, memory, errmsg);
    }
    if (rv == OK) {
        rv =
            charter_assemble(slice_of(draft, draft_size), list, c->args_len - 1,
                             chain, CHARTER_CHAIN_MAX, &size, &missing);
        if (rv != OK) {
            assemble_explain(charter, rv, &missing, errmsg);
        }
    }
    if (rv == OK) {
        rv = file_write(network_value(c, "output", "charter"),
                        slice_of(chain, size), 0644, FILE_REPLACE, errmsg);
    }
    free(draft);
    if (rv == OK) {
        rv = charter_chain_decode(charter, &net, slice_of(chain, size));
    }
    return rv;
}

int cmd_network_assemble(struct cli *c)
{
    struct charter *charter = calloc(1, sizeof(*charter));
    struct charter_signature *list =
        calloc(NETWORK_SIGNATURES_MAX, sizeof(*list));
    uint8_t(*memory)[SSHSIG_TEXT_MAX] =
        calloc(NETWORK_SIGNATURES_MAX, sizeof(*memory));
    uint8_t *chain = malloc(CHARTER_CHAIN_MAX);
    char errmsg[ERRMSG_SIZE] = "out of memory";
    int code;
    int rv = ERR_NOMEM;

    if (charter != NULL && list != NULL && memory != NULL && chain != NULL) {
        rv = assemble_with(c, charter, list, memory, chain, errmsg);
    }
    if (rv == OK) {
        code = network_print(c, charter, true);
    } else if (rv == ERR_NOTFOUND && errmsg[0] != '\0') {
        code = cli_fail(c, EXIT_CODE_WAITING, errmsg,
                        "collect it with 'cairn network sign', then assemble "
                        "again");
    } else {
        code = cli_fail(c, exit_code_of(rv), errmsg,
                        "the charter was not assembled");
    }
    free(chain);
    free(memory);
    free(list);
    free(charter);
    return code;
}
