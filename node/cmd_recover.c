#include <stdlib.h>

#include "node/commands.h"
#include "node/recover.h"
#include "node/text.h"

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

static int recover_exit(struct cli *c, int rv, const char *errmsg)
{
    switch (rv) {
    case ERR_NOTFOUND:
        return cli_fail(c, EXIT_CODE_BELOW_THRESHOLD, errmsg,
                        "give more shards with --from or more key shares with "
                        "--shares, and run it again");
    case ERR_CANCELED:
        return cli_fail(c, EXIT_CODE_INTERRUPTED, errmsg,
                        "run the same command to go on");
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
                         const struct recover_options *o,
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
                      "shards_bad", (int)r->shards_bad, "out", o->out));
    }
    printf("restored  %llu files, %s of '%s' into %s\n"
           "          every file has the SHA-256 that the lab sealed\n",
           (unsigned long long)r->files, text_size(size, r->bytes), r->label,
           o->out);
    return EXIT_CODE_OK;
}

int cmd_recover(struct cli *c)
{
    struct recover_options o = {.out = c->args[0],
                                .force = cli_flag(c, "force")};
    struct recover_result result = {0};
    char errmsg[ERRMSG_SIZE] = "";
    const char **shards = values(c, "from", &o.shards_len);
    const char **shares = values(c, "shares", &o.shares_len);
    const char **only = values(c, "only", &o.only_len);
    int code;
    int rv;

    if (shards == NULL || shares == NULL || only == NULL) {
        code = cli_fail(c, EXIT_CODE_FAILED, "out of memory", "run it again");
    } else if (o.shards_len == 0 || o.shares_len == 0) {
        code = cli_fail(c, EXIT_CODE_USAGE, "shards and key shares are needed",
                        "give shard folders with --from and opened key shares "
                        "with --shares");
    } else {
        o.shards = shards;
        o.shares = shares;
        o.only = only;
        rv = recover_offline(c, &o, &result, errmsg);
        code = rv == OK ? recover_print(c, &o, &result)
                        : recover_exit(c, rv, errmsg);
    }
    free(shards);
    free(shares);
    free(only);
    return code;
}
