#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "crypto/secret.h"
#include "node/commands.h"
#include "node/home.h"
#include "protocol/charter.h"
#include "protocol/frame.h"

#define SIGNATURES_MAX CHARTER_MEMBERS_MAX

static const struct cli_option found_options[] = {
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

static const struct cli_option sign_options[] = {
    {.name = "key",
     .value = "FILE",
     .help = "private SSH key of an operator (or .pub of one in ssh-agent)"},
    {.name = "output",
     .letter = 'o',
     .value = "FILE",
     .help = "where the signature goes (default DRAFT.KEY.sig)"},
    {.name = NULL},
};

static const struct cli_option assemble_options[] = {
    {.name = "output",
     .letter = 'o',
     .value = "FILE",
     .help = "where the charter goes (default charter)"},
    {.name = NULL},
};

static const char *value_or(const struct cli *c,
                            const char *name,
                            const char *other)
{
    const char *value = cli_value(c, name);

    return value != NULL ? value : other;
}

/* ---- What a charter says. ---- */

static json_t *members_json(const struct charter *c)
{
    static const char *const roles[] = {"", "steward", "lab", "auditor"};
    json_t *list = json_array();

    for (size_t i = 0; i < c->members_len; i++) {
        const struct card *card = &c->members[i].card;
        char id[2 * DIGEST_SIZE + 1];

        text_hex(id, card->id.bytes, DIGEST_SIZE);
        (void)json_array_append_new(
            list, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "id", id, "role",
                            roles[card->role], "name", card->name,
                            "organisation", card->organisation, "jurisdiction",
                            card->jurisdiction, "address",
                            card->addresses_len > 0 ? card->addresses[0] : ""));
    }
    return list;
}

static void members_print(const struct charter *c)
{
    static const char *const roles[] = {"", "steward", "lab", "auditor"};

    for (size_t i = 0; i < c->members_len; i++) {
        const struct card *card = &c->members[i].card;
        char id[9];
        char key[64];

        text_hex(id, card->id.bytes, 4);
        printf("  %-8s %s  %s, %s%s%s\n", roles[card->role], id, card->name,
               card->jurisdiction, card->addresses_len > 0 ? ", " : "",
               card->addresses_len > 0 ? card->addresses[0] : "");
        for (size_t k = 0; k < card->operators_len; k++) {
            sshsig_key_fingerprint(
                slice_of(card->operators[k].blob, card->operators[k].blob_size),
                key);
            printf("           operator  %s\n", key);
        }
    }
}

static int charter_print(struct cli *c,
                         const struct charter *charter,
                         bool signed_)
{
    char net[2 * DIGEST_SIZE + 1];
    char fingerprint[48];
    char when[TEXT_SIZE];

    text_hex(net, charter->hash.bytes, DIGEST_SIZE);
    charter_fingerprint(&charter->hash, fingerprint);
    if (c->json) {
        return cli_print_json(
            c, "cairn.network/1",
            json_pack(
                "{s:s, s:s, s:s, s:b, s:I, s:i, s:i, s:i, s:o}", "name",
                charter->name, "id", net, "fingerprint", fingerprint, "signed",
                (int)signed_, "time", (json_int_t)charter->time_s, "stewards",
                (int)charter->stewards, "faulty", (int)charter->f, "quorum",
                (int)charter->q, "members", members_json(charter)));
    }
    printf("network      %s (%s)\n", charter->name,
           signed_ ? "signed by all its stewards" : "a draft, not signed");
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

/* ---- found ---- */

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
    const char *output = value_or(c, "output", "draft");
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
    rv = secret_make(value_or(c, "secret", "network.psk"), psk_id, errmsg);
    if (rv != OK) {
        return rv;
    }
    rv = charter_found(value_or(c, "name", "Cairn network"),
                       (uint64_t)time(NULL), flags, psk_id, cards, c->args_len,
                       bytes, CHARTER_SIZE_MAX, &size, &bad);
    if (rv == OK) {
        rv = charter_decode(charter, slice_of(bytes, size));
    }
    if (rv != OK) {
        found_explain(c, rv, bad, errmsg);
        (void)unlink(value_or(c, "secret", "network.psk"));
        return rv;
    }
    return file_write(output, slice_of(bytes, size), 0644, FILE_REPLACE,
                      errmsg);
}

static int found_run(struct cli *c)
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
        code = charter_print(c, charter, false);
        cli_note(c,
                 "next: an operator of every steward reads this and runs "
                 "'cairn network sign %s --key KEY'",
                 value_or(c, "output", "draft"));
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

/* ---- sign ---- */

/* Run ssh-keygen with |input| as its standard input, and its output in |out|.
 * The key never passes through this program. */
static int keygen_sign(const char *key,
                       int input,
                       char *out,
                       size_t max,
                       size_t *size)
{
    int ends[2];
    pid_t pid;
    int status = 0;

    if (pipe2(ends, O_CLOEXEC) != 0) {
        return ERR_IO;
    }
    pid = fork();
    if (pid == 0) {
        if (dup2(input, STDIN_FILENO) >= 0 &&
            dup2(ends[1], STDOUT_FILENO) >= 0) {
            (void)execlp("ssh-keygen", "ssh-keygen", "-Y", "sign", "-n",
                         CHARTER_NAMESPACE, "-f", key, (char *)NULL);
        }
        _Exit(127);
    }
    close(ends[1]);
    *size = 0;
    for (ssize_t got = 1; pid > 0 && got != 0 && *size < max;) {
        got = read(ends[0], out + *size, max - *size);
        if (got < 0 && errno != EINTR) {
            break;
        }
        *size += got > 0 ? (size_t)got : 0;
    }
    close(ends[0]);
    if (pid < 0 || waitpid(pid, &status, 0) != pid) {
        return ERR_IO;
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? OK : ERR_DENIED;
}

/* Is the signature one that will count? Better to hear it now. */
static int signature_check(const struct charter *charter,
                           struct slice draft,
                           struct slice text,
                           char *errmsg)
{
    uint8_t sig[SSHSIG_TEXT_MAX];
    struct sshsig_key key;
    size_t size = 0;
    int rv = sshsig_dearmor(text, sig, &size);

    if (rv == OK) {
        rv = sshsig_verify(slice_of(sig, size), CHARTER_NAMESPACE, draft, &key);
    }
    if (rv != OK) {
        errmsg_set(errmsg,
                   "ssh-keygen made a signature that does not count: only "
                   "ed25519 keys (also FIDO2 ones) do");
        return rv;
    }
    if (charter_operator(charter, &key) == NULL) {
        errmsg_set(errmsg, "this key is no operator's of any member");
        return ERR_DENIED;
    }
    return OK;
}

static char *sign_output(const struct cli *c,
                         const char *draft,
                         const char *key)
{
    const char *given = cli_value(c, "output");
    const char *base = strrchr(key, '/');
    size_t size = strlen(draft) + strlen(key) + sizeof("..sig");
    char *path = malloc(size);

    if (path != NULL && given == NULL) {
        (void)snprintf(path, size, "%s.%s.sig", draft,
                       base != NULL ? base + 1 : key);
    } else if (path != NULL) {
        free(path);
        path = strdup(given);
    }
    return path;
}

static int sign_with(struct cli *c,
                     const char *key,
                     struct charter *charter,
                     char *errmsg)
{
    const char *draft = c->args[0];
    uint8_t *bytes = NULL;
    size_t size = 0;
    char text[SSHSIG_TEXT_MAX];
    size_t text_size = 0;
    char *output = sign_output(c, draft, key);
    int fd = -1;
    int rv = file_read(draft, CHARTER_SIZE_MAX, &bytes, &size, errmsg);

    if (rv == OK) {
        rv = charter_decode(charter, slice_of(bytes, size));
        if (rv != OK) {
            errmsg_set(errmsg, "'%s' is no draft of a charter", draft);
        }
    }
    if (rv == OK) {
        (void)charter_print(c, charter, false);
        fd = open(draft, O_RDONLY | O_CLOEXEC);
        rv = fd < 0 ? ERR_IO
                    : keygen_sign(key, fd, text, sizeof(text), &text_size);
        if (rv != OK) {
            errmsg_set(errmsg, "ssh-keygen did not sign with '%s'", key);
        }
    }
    if (rv == OK) {
        rv = signature_check(charter, slice_of(bytes, size),
                             slice_of(text, text_size), errmsg);
    }
    if (rv == OK) {
        rv = file_write(output, slice_of(text, text_size), 0644, FILE_REPLACE,
                        errmsg);
    }
    if (rv == OK) {
        cli_note(c, "signed: %s", output);
    }
    if (fd >= 0) {
        close(fd);
    }
    free(output);
    free(bytes);
    return rv;
}

static int sign_run(struct cli *c)
{
    const char *key = cli_value(c, "key");
    struct charter *charter = calloc(1, sizeof(*charter));
    char errmsg[ERRMSG_SIZE] = "";
    int rv;

    if (key == NULL || charter == NULL) {
        free(charter);
        return cli_fail(c, EXIT_CODE_USAGE, "it is not said who signs",
                        "give an operator's SSH key with --key");
    }
    rv = sign_with(c, key, charter, errmsg);
    free(charter);
    return rv == OK ? EXIT_CODE_OK
                    : cli_fail(c, exit_code_of(rv), errmsg,
                               "nothing was signed; check the draft and the "
                               "key");
}

/* ---- assemble and show ---- */

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
        file_read(c->args[0], CHARTER_SIZE_MAX, &draft, &draft_size, errmsg);

    if (rv == OK) {
        rv = charter_decode(charter, slice_of(draft, draft_size));
        if (rv != OK) {
            errmsg_set(errmsg, "'%s' is no draft of a charter", c->args[0]);
        }
    }
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
        rv = file_write(value_or(c, "output", "charter"), slice_of(chain, size),
                        0644, FILE_REPLACE, errmsg);
    }
    free(draft);
    if (rv == OK) {
        rv = charter_chain_decode(charter, &net, slice_of(chain, size));
    }
    return rv;
}

static int assemble_run(struct cli *c)
{
    struct charter *charter = calloc(1, sizeof(*charter));
    struct charter_signature *list = calloc(SIGNATURES_MAX, sizeof(*list));
    uint8_t(*memory)[SSHSIG_TEXT_MAX] = calloc(SIGNATURES_MAX, sizeof(*memory));
    uint8_t *chain = malloc(CHARTER_CHAIN_MAX);
    char errmsg[ERRMSG_SIZE] = "out of memory";
    int code;
    int rv = ERR_NOMEM;

    if (charter != NULL && list != NULL && memory != NULL && chain != NULL) {
        rv = assemble_with(c, charter, list, memory, chain, errmsg);
    }
    if (rv == OK) {
        code = charter_print(c, charter, true);
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
    code = rv == OK ? charter_print(c, charter, is_signed)
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
     .options = found_options,
     .run = found_run},
    {.name = "sign",
     .summary = "Read a draft and sign it as an operator, with ssh-keygen",
     .arguments = "DRAFT",
     .args_min = 1,
     .args_max = 1,
     .details = "Shows what is signed. An operator of every steward signs.\n",
     .options = sign_options,
     .run = sign_run},
    {.name = "assemble",
     .summary = "Put the signatures around a draft: the charter",
     .arguments = "DRAFT SIGNATURE...",
     .args_min = 2,
     .args_max = SIGNATURES_MAX + 1,
     .options = assemble_options,
     .run = assemble_run},
    {.name = "show",
     .summary = "Show a charter or a draft, and check its signatures",
     .arguments = "FILE",
     .args_min = 1,
     .args_max = 1,
     .run = show_run},
    {.name = NULL},
};
