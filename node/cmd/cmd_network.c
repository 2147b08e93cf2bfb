#include "node/cmd/cmd_network.h"

#include <stdlib.h>

#include "node/base/file.h"
#include "node/base/text.h"
#include "node/cmd/commands.h"

const char *network_value(const struct cli *c,
                          const char *name,
                          const char *other)
{
    const char *value = cli_value(c, name);

    return value != NULL ? value : other;
}

int network_draft_read(const char *path,
                       struct charter *charter,
                       uint8_t **bytes,
                       size_t *size,
                       char *errmsg)
{
    int rv = file_read(path, CHARTER_SIZE_MAX, bytes, size, errmsg);

    if (rv != OK) {
        return rv;
    }
    rv = charter_decode(charter, slice_of(*bytes, *size));
    if (rv != OK) {
        errmsg_set(errmsg, "'%s' is no draft of a charter", path);
    }
    return rv;
}

static json_t *members_json(const struct charter *c)
{
    json_t *list = json_array();

    for (size_t i = 0; i < c->members_len; i++) {
        const struct card *card = &c->members[i].card;
        char id[2 * DIGEST_SIZE + 1];

        text_hex(id, card->id.bytes, DIGEST_SIZE);
        (void)json_array_append_new(
            list, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "id", id, "role",
                            card_role_name(card->role), "name", card->name,
                            "organisation", card->organisation, "jurisdiction",
                            card->jurisdiction, "address",
                            card->addresses_len > 0 ? card->addresses[0] : ""));
    }
    return list;
}

static void members_print(const struct charter *c)
{
    for (size_t i = 0; i < c->members_len; i++) {
        const struct card *card = &c->members[i].card;
        bool known = strcmp(card->jurisdiction, "--") != 0;
        char id[9];
        char key[64];

        text_hex(id, card->id.bytes, 4);
        printf("  %-8s %s  %s%s%s%s%s\n", card_role_name(card->role), id,
               card->name, known ? ", " : "", known ? card->jurisdiction : "",
               card->addresses_len > 0 ? ", " : "",
               card->addresses_len > 0 ? card->addresses[0] : "");
        for (size_t k = 0; k < card->operators_len; k++) {
            sshsig_key_fingerprint(
                slice_of(card->operators[k].blob, card->operators[k].blob_size),
                key);
            printf("           operator  %s\n", key);
        }
    }
}

int network_print(struct cli *c, const struct charter *charter, bool is_signed)
{
    char net[2 * DIGEST_SIZE + 1];
    char fingerprint[CHARTER_FINGERPRINT_SIZE];
    char when[TEXT_SIZE];

    text_hex(net, charter->hash.bytes, DIGEST_SIZE);
    charter_fingerprint(&charter->hash, fingerprint);
    if (c->json) {
        return cli_print_json(
            c, "cairn.network/1",
            json_pack(
                "{s:s, s:s, s:s, s:b, s:I, s:i, s:i, s:i, s:o}", "name",
                charter->name, "id", net, "fingerprint", fingerprint, "signed",
                (int)is_signed, "time", (json_int_t)charter->time_s, "stewards",
                (int)charter->stewards, "faulty", (int)charter->f, "quorum",
                (int)charter->q, "members", members_json(charter)));
    }
    printf("network      %s (%s)\n", charter->name,
           is_signed ? "signed by all its stewards" : "a draft, not signed");
    printf("id           %s\n", net);
    printf("fingerprint  %s\n", fingerprint);
    printf("founded      %s\n", text_time(when, charter->time_s));
    printf("stewards     %u, of which %u may be faulty at any time\n",
           charter->stewards, charter->f);
    members_print(charter);
    if ((charter->flags & CHARTER_FLAG_SAME_JURISDICTION) != 0) {
        printf("NOTE         one jurisdiction may hold more than the margin\n");
    }
    if ((charter->flags & CHARTER_FLAG_SAME_PROVIDER) != 0) {
        printf("NOTE         one provider may hold more than the margin\n");
    }
    return EXIT_CODE_OK;
}

static int show_run(struct cli *c)
{
    struct charter *charter = calloc(1, sizeof(*charter));
    uint8_t *bytes = NULL;
    size_t size = 0;
    struct digest net;
    char errmsg[ERRMSG_SIZE] = "out of memory";
    bool is_signed = true;
    int code;
    int rv = charter == NULL ? ERR_NOMEM
                             : file_read(c->args[0], CHARTER_CHAIN_MAX, &bytes,
                                         &size, errmsg);

    if (rv == OK) {
        rv = charter_chain_decode(charter, &net, slice_of(bytes, size));
        if (rv != OK) {
            is_signed = false;
            rv = charter_decode(charter, slice_of(bytes, size));
        }
        if (rv != OK) {
            errmsg_set(errmsg,
                       "'%s' is neither a charter whose signatures hold nor a "
                       "draft of one",
                       c->args[0]);
        }
    }
    code = rv == OK ? network_print(c, charter, is_signed)
                    : cli_fail(c, exit_code_of(rv), errmsg, "check the file");
    free(bytes);
    free(charter);
    return code;
}

const struct cli_command cmd_network[] = {
    {.name = "found",
     .summary = "Draft the charter of a new network from its members' cards",
     .arguments = "CARD...",
     .args_min = 1,
     .args_max = CHARTER_MEMBERS_MAX,
     .details =
         "Also makes the network secret, a file that every member gets by a\n"
         "safe way and that is never in the charter.\n"
         "\n"
         "  cairn network found s*.card lab.card --name 'Stones' -o draft\n",
     .options = cmd_network_found_options,
     .run = cmd_network_found},
    {.name = "sign",
     .summary = "Read a draft and sign it as an operator, with ssh-keygen",
     .arguments = "DRAFT",
     .args_min = 1,
     .args_max = 1,
     .details = "Shows what is signed. An operator of every steward signs.\n",
     .options = cmd_network_sign_options,
     .run = cmd_network_sign},
    {.name = "assemble",
     .summary = "Put the signatures around a draft: the charter",
     .arguments = "DRAFT SIGNATURE...",
     .args_min = 2,
     .args_max = NETWORK_SIGNATURES_MAX + 1,
     .options = cmd_network_assemble_options,
     .run = cmd_network_assemble},
    {.name = "show",
     .summary = "Show a charter or a draft, and check its signatures",
     .arguments = "FILE",
     .args_min = 1,
     .args_max = 1,
     .run = show_run},
    {.name = NULL},
};
