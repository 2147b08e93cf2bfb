#include <stdlib.h>

#include "node/base/text.h"
#include "node/cmd/commands.h"
#include "node/recovery/recover_ticket.h"

const struct cli_option cmd_recover_options[] = {
    {.name = "from",
     .value = "SHARD",
     .help = "folder of a shard; give any k of them",
     .repeats = true,
     .greedy = true},
    {.name = "shares",
     .value = "FILE",
     .help = "opened key share; give any t of them",
     .repeats = true,
     .greedy = true},
    {.name = "ticket",
     .value = "FILE",
     .help = "ask the stewards that this release ticket names"},
    {.name = "keys",
     .value = "FILE",
     .help = "the recipient's keys: REQ.key of 'cairn release request'"},
    {.name = "passphrase-file",
     .value = "FILE",
     .help = "the keys' passphrase is its first line (default: ask)"},
    {.name = "save-shares",
     .value = "DIR",
     .help = "with --ticket: also keep the opened key shares here; whoever "
             "has them and k shards has the model"},
    {.name = "patience",
     .value = "SECONDS",
     .help = "with --ticket: wait so long for stewards after the last news "
             "(default 60)"},
    {.name = "only",
     .value = "PATH",
     .help = "restore this file or folder of the model; may be repeated",
     .repeats = true},
    {.name = "force", .help = "overwrite files in OUT that differ"},
    {.name = NULL},
};

/* The values of a repeated option as an array; the caller frees it. */
static const char **values(const struct cli *c, const char *name, size_t *len)
{
    const char **list;

    *len = cli_count(c, name);
    list = calloc(*len + 1, sizeof(*list));
    for (size_t i = 0; list != NULL && i < *len; i++) {
        list[i] = cli_value_at(c, name, i);
    }
    return list;
}

/* |more|: what to do when there are too few shards or key shares. */
static int recover_exit(struct cli *c,
                        int rv,
                        const char *errmsg,
                        const char *more)
{
    switch (rv) {
    case ERR_NOTFOUND:
        return cli_fail(c, EXIT_CODE_BELOW_THRESHOLD, errmsg, more);
    case ERR_CANCELED:
        return cli_fail(c, EXIT_CODE_INTERRUPTED, errmsg,
                        "run the same command to go on");
    case ERR_ORDER:
        return cli_fail(c, EXIT_CODE_NOT_FOUND, errmsg,
                        "nothing was restored: name what is wanted as the lab "
                        "named it, or leave out --only for all of it");
    case ERR_EXISTS:
        return cli_fail(c, EXIT_CODE_FAILED, errmsg,
                        "choose another folder, or overwrite with --force");
    default:
        return cli_fail(c, exit_code_of(rv), errmsg,
                        "what was restored so far is kept; mend the cause and "
                        "run it again");
    }
}

static int recover_print(struct cli *c,
                         const char *out,
                         const struct recover_result *r)
{
    char id[2 * DIGEST_SIZE + 1];
    char size[32];

    text_hex(id, r->deposit_id.bytes, DIGEST_SIZE);
    if (c->json) {
        return cli_print_json(
            c, "cairn.recover/1",
            json_pack("{s:s, s:s, s:I, s:I, s:i, s:i, s:s}", "deposit", id,
                      "label", r->label, "files", (json_int_t)r->files, "bytes",
                      (json_int_t)r->bytes, "shards_good", (int)r->shards_used,
                      "shards_bad", (int)r->shards_bad, "out", out));
    }
    printf("restored  %llu file%s, %s of '%s' into %s\n"
           "          every file has the SHA-256 that the lab sealed\n",
           (unsigned long long)r->files, text_s(r->files),
           text_size(size, r->bytes), r->label, out);
    return EXIT_CODE_OK;
}

static int run_offline(struct cli *c, const char *const *only, size_t only_len)
{
    struct recover_options o = {.out = c->args[0],
                                .only = only,
                                .only_len = only_len,
                                .force = cli_flag(c, "force")};
    struct recover_result result = {0};
    char errmsg[ERRMSG_SIZE] = "";
    const char **shards = values(c, "from", &o.shards_len);
    const char **shares = values(c, "shares", &o.shares_len);
    int code;
    int rv;

    if (shards == NULL || shares == NULL) {
        code = cli_fail(c, EXIT_CODE_FAILED, "out of memory", "run it again");
    } else {
        o.shards = shards;
        o.shares = shares;
        rv = recover_offline(c, &o, &result, errmsg);
        code = rv == OK ? recover_print(c, o.out, &result)
                        : recover_exit(c, rv, errmsg,
                                       "give more shards with --from or more "
                                       "key shares with --shares, and run it "
                                       "again");
    }
    free(shards);
    free(shares);
    return code;
}

static int run_ticket(struct cli *c, const char *const *only, size_t only_len)
{
    struct recover_ticket_options o = {
        .ticket = cli_value(c, "ticket"),
        .keys = cli_value(c, "keys"),
        .passphrase_file = cli_value(c, "passphrase-file"),
        .save_shares = cli_value(c, "save-shares"),
        .out = c->args[0],
        .only = only,
        .only_len = only_len,
        .force = cli_flag(c, "force")};
    struct recover_result result = {0};
    char errmsg[ERRMSG_SIZE] = "";
    uint64_t patience_s = 60;
    bool asked = false;
    int rv;

    if (!cli_uint(c, "patience", 1, 86400, &patience_s)) {
        return EXIT_CODE_USAGE;
    }
    o.patience_ms = patience_s * 1000;
    rv = recover_ticket(c, &o, &result, &asked, errmsg);
    if (rv == OK) {
        return recover_print(c, o.out, &result);
    }
    if (!asked) {
        return cli_fail(c, exit_code_of(rv), errmsg,
                        "nothing was asked of the stewards yet: mend that and "
                        "run it again");
    }
    return recover_exit(c, rv, errmsg,
                        "ask the stewards that are missing (and whether the "
                        "ticket is theirs), and run the same command again; "
                        "what was restored so far is kept");
}

/* From folders or from stewards: NULL when what is given says one of them. */
static const char *usage_mistake(const struct cli *c)
{
    bool folders = cli_count(c, "from") > 0 || cli_count(c, "shares") > 0;

    if (cli_value(c, "ticket") != NULL) {
        if (folders) {
            return "--ticket asks the stewards, --from and --shares read "
                   "folders: one of the two";
        }
        return cli_value(c, "keys") == NULL
                   ? "--ticket needs the recipient's keys, too"
                   : NULL;
    }
    if (cli_value(c, "keys") != NULL || cli_value(c, "save-shares") != NULL ||
        cli_value(c, "passphrase-file") != NULL ||
        cli_value(c, "patience") != NULL) {
        return "--keys, --passphrase-file, --save-shares and --patience go "
               "with --ticket";
    }
    return cli_count(c, "from") > 0 && cli_count(c, "shares") > 0
               ? NULL
               : "shards and key shares are needed, or a ticket";
}

int cmd_recover(struct cli *c)
{
    const char *mistake = usage_mistake(c);
    size_t only_len = 0;
    const char **only;
    int code;

    if (mistake != NULL) {
        return cli_fail(c, EXIT_CODE_USAGE, mistake,
                        "give shard folders with --from and opened key shares "
                        "with --shares, or a ticket with --ticket and the "
                        "recipient's keys with --keys");
    }
    only = values(c, "only", &only_len);
    if (only == NULL) {
        return cli_fail(c, EXIT_CODE_FAILED, "out of memory", "run it again");
    }
    code = cli_value(c, "ticket") != NULL ? run_ticket(c, only, only_len)
                                          : run_offline(c, only, only_len);
    free(only);
    return code;
}
