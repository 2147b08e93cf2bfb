#include <limits.h>
#include <stdlib.h>

#include "crypto/secret.h"
#include "node/base/text.h"
#include "node/cmd/cmd_deposit.h"
#include "node/deposit/deposit.h"

/* `cairn deposit create`, to stewards and into folders. */

const struct cli_option cmd_deposit_create_options[] = {
    {.name = "offline",
     .value = "SHARDS",
     .help = "write shard folders and opened key shares into this folder"},
    {.name = "label",
     .value = "TEXT",
     .help = "public name of the deposit (default: the folder's name)"},
    CODING_OPTIONS,
    {.name = "cadence-days",
     .value = "DAYS",
     .help = "ask custodians to prove their key share this often (default 30)"},
    {.name = "verify",
     .value = "PERCENT",
     .help = "segments to read back, at least 16; 'full' for all (default 1)"},
    {.name = "steward",
     .value = "NAME",
     .help = "one of those who get a shard, name or id; give it --shards times "
             "(default: chosen among all)",
     .repeats = true},
    {.name = "certificate",
     .value = "FILE",
     .help = "write the certificate of the deposit here, too"},
    {.name = "accept-margin",
     .help = "be content with receipts of data shards + faulty ones"},
    {.name = "patience",
     .value = "SECONDS",
     .help = "wait so long for a steward before it is set aside (default 60)"},
    {.name = "passphrase-file",
     .value = "FILE",
     .help = "its first line opens the lab's keys, and seals the journal"},
    {.name = "again",
     .help = "deposit once more what was deposited and did not change"},
    {.name = "ignore-lint",
     .help = "deposit although the directory has errors"},
    {.name = NULL},
};

/* Refuse a directory that lint finds broken. */
static int create_lint(struct cli *c, const char *dir)
{
    struct source source;
    struct lint lint;
    char errmsg[ERRMSG_SIZE] = "";
    char what[96];
    int rv = source_open(&source, dir, errmsg);
    int code = EXIT_CODE_OK;

    if (rv != OK) {
        return cmd_source_fail(c, rv, errmsg);
    }
    rv = lint_run(&lint, &source, errmsg);
    if (rv != OK) {
        source_close(&source);
        return cmd_source_fail(c, rv, errmsg);
    }
    if (!c->json && !c->quiet) {
        cmd_lint_print(stderr, &lint, LINT_WARNING);
    }
    if (lint.errors > 0 && !cli_flag(c, "ignore-lint")) {
        (void)snprintf(what, sizeof(what), "the directory has %u error%s",
                       lint.errors, text_s(lint.errors));
        code = cli_fail(c, EXIT_CODE_FAILED, what,
                        "mend them (see 'cairn deposit plan'), or deposit it "
                        "as it is with --ignore-lint");
    }
    lint_close(&lint);
    source_close(&source);
    return code;
}

static json_t *create_json(const struct deposit_options *o,
                           const struct deposit_result *r)
{
    char id[2 * DIGEST_SIZE + 1];
    char hash[2 * DIGEST_SIZE + 1];
    json_t *j = json_pack(
        "{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:b}", "deposit",
        text_hex(id, r->deposit_id.bytes, DIGEST_SIZE), "manifest",
        text_hex(hash, r->manifest_hash.bytes, DIGEST_SIZE), "label", o->label,
        "bytes", (json_int_t)r->plain_size, "segments", (json_int_t)r->segments,
        "verified_segments", (json_int_t)r->verified, "shard_bytes",
        (json_int_t)r->shard_size, "resumed", (int)r->resumed);

    if (o->into != NULL) {
        (void)json_object_set_new(j, "into", json_string(o->into));
    } else {
        (void)json_object_update_new(
            j,
            json_pack("{s:i, s:i, s:b, s:b, s:s}", "receipts", (int)r->receipts,
                      "acknowledgements", (int)r->acknowledgements, "sealed",
                      (int)r->sealed, "already", (int)r->already, "certificate",
                      r->certificate));
    }
    return j;
}

static void create_print_stewards(const struct deposit_options *o,
                                  const struct deposit_result *r)
{
    printf("receipts  %u of %u stewards have signed that they hold their "
           "shard\n",
           r->receipts, o->n);
    printf("shares    %u of %u custodians have proven that they hold their key "
           "share\n",
           r->acknowledgements, o->n);
    if (r->sealed) {
        printf("sealed    any %u shards and %u key shares restore it, without "
               "this lab\n",
               o->k, o->t);
    } else {
        printf("sealed    not wholly: it may lose %d shards and %d key shares "
               "as it is\n",
               (int)r->receipts - o->k, (int)r->acknowledgements - o->t);
    }
    printf("proof     %s; check it anywhere with 'cairn deposit verify'\n",
           r->certificate);
}

static void create_print_folders(const struct deposit_options *o,
                                 const struct deposit_result *r)
{
    char size[32];

    printf("shards    %u folders of %s in %s/shard-*; any %u restore it\n",
           o->n, text_size(size, r->shard_size), o->into, o->k);
    printf("shares    %u files in %s/shares; any %u open it: give each to "
           "another hand,\n"
           "          then remove them here\n",
           o->n, o->into, o->t);
}

static int create_print(struct cli *c,
                        const struct deposit_options *o,
                        const struct deposit_result *r)
{
    char hex[2 * DIGEST_SIZE + 1];

    if (c->json) {
        return cli_print_json(c, "cairn.deposit.create/1", create_json(o, r));
    }
    printf("deposit   %s\n", text_hex(hex, r->deposit_id.bytes, DIGEST_SIZE));
    printf("manifest  %s\n",
           text_hex(hex, r->manifest_hash.bytes, DIGEST_SIZE));
    if (o->into != NULL) {
        create_print_folders(o, r);
    } else {
        create_print_stewards(o, r);
    }
    if (r->already) {
        printf("before    it was made earlier and the model did not change: "
               "nothing was done;\n"
               "          --again deposits it once more\n");
        return EXIT_CODE_OK;
    }
    printf("checked   %llu of %llu segments read back from shards and compared "
           "with the model\n",
           (unsigned long long)r->verified, (unsigned long long)r->segments);
    return EXIT_CODE_OK;
}

/* The last component of a path, as a label. */
static void label_default(const char *dir, char *label)
{
    char *real = realpath(dir, NULL);
    const char *base = real != NULL ? strrchr(real, '/') : NULL;

    (void)snprintf(label, MANIFEST_LABEL_MAX + 1, "%s",
                   base != NULL && base[1] != '\0' ? base + 1 : "model");
    free(real);
}

static int create_exit(struct cli *c,
                       int rv,
                       const struct deposit_result *r,
                       const char *errmsg)
{
    char next[2 * ERRMSG_SIZE];

    if (r->certificate != NULL) {
        (void)snprintf(next, sizeof(next),
                       "the deposit is made, and this is its certificate: %s; "
                       "mend that and run the same command to finish",
                       r->certificate);
        return cli_fail(c, exit_code_of(rv), errmsg, next);
    }
    if (rv == ERR_CANCELED) {
        return cli_fail(c, EXIT_CODE_INTERRUPTED, errmsg,
                        "do not delete your copy; run the same command to go "
                        "on");
    }
    return cli_fail(c, exit_code_of(rv), errmsg,
                    "do not delete your copy: no deposit of it was completed; "
                    "mend that and run the same command again");
}

static int create_run_with(struct cli *c, struct deposit_options *o)
{
    struct deposit_result result = {0};
    char errmsg[ERRMSG_SIZE] = "";
    int rv = o->into != NULL ? deposit_offline(c, o, &result, errmsg)
                             : deposit_network(c, o, &result, errmsg);
    int code = rv == OK ? create_print(c, o, &result)
                        : create_exit(c, rv, &result, errmsg);

    free(result.certificate);
    return code;
}

/* Into folders, or to stewards. */
static bool create_where(struct cli *c, struct deposit_options *o)
{
    static const char *const of_network[] = {
        "steward", "certificate", "accept-margin", "patience", "again"};
    uint64_t patience = DEPOSIT_PATIENCE_S;

    o->home = c->home;
    if ((o->into == NULL && o->home == NULL) ||
        (o->into != NULL && o->into[0] == '\0')) {
        (void)cli_fail(c, EXIT_CODE_USAGE, "it is not said where the shards go",
                       "give the lab's --home to deposit with the stewards of "
                       "its network, or a folder with --offline");
        return false;
    }
    for (size_t i = 0;
         o->into != NULL && i < sizeof(of_network) / sizeof(of_network[0]);
         i++) {
        if (cli_flag(c, of_network[i])) {
            (void)cli_fail(c, EXIT_CODE_USAGE,
                           "an offline deposit has no stewards",
                           "leave out --steward, --certificate, "
                           "--accept-margin, --patience and --again");
            return false;
        }
    }
    if (!cli_uint(c, "patience", 1, 86400, &patience)) {
        return false;
    }
    o->patience_s = (unsigned)patience;
    o->accept_margin = cli_flag(c, "accept-margin");
    o->certificate = cli_value(c, "certificate");
    o->again = cli_flag(c, "again");
    while (o->stewards_len < MANIFEST_SHARDS_MAX &&
           cli_value_at(c, "steward", o->stewards_len) != NULL) {
        o->stewards[o->stewards_len] =
            cli_value_at(c, "steward", o->stewards_len);
        o->stewards_len++;
    }
    return true;
}

static bool create_parse(struct cli *c, struct deposit_options *o, char *label)
{
    const char *verify = cli_value(c, "verify");
    const char *given = cli_value(c, "label");
    struct coding coding;
    uint64_t percent = 1;
    uint64_t cadence = 30;

    if (!coding_parse(c, &coding) || !coding_check(c, &coding) ||
        !cli_uint(c, "cadence-days", 0, 3650, &cadence)) {
        return false;
    }
    if (verify != NULL && strcmp(verify, "full") == 0) {
        percent = 100;
    } else if (!cli_uint(c, "verify", 0, 100, &percent)) {
        return false;
    }
    label_default(c->args[0], label);
    if (given != NULL) {
        (void)snprintf(label, MANIFEST_LABEL_MAX + 1, "%s", given);
    }
    if (!manifest_label_is_valid(slice_str(label)) ||
        (given != NULL && strcmp(given, label) != 0)) {
        (void)cli_fail(c, EXIT_CODE_USAGE,
                       "a label is 1 to 200 bytes of UTF-8 without control "
                       "characters",
                       "choose one with --label");
        return false;
    }
    *o = (struct deposit_options){.source = c->args[0],
                                  .into = cli_value(c, "offline"),
                                  .label = label,
                                  .k = (uint16_t)coding.k,
                                  .n = (uint16_t)coding.n,
                                  .t = (uint16_t)coding.t,
                                  .segment_size = (uint32_t)coding.segment_size,
                                  .codec = coding.codec,
                                  .cadence_days = (uint32_t)cadence,
                                  .verify_percent = (unsigned)percent};
    return create_where(c, o);
}

int cmd_deposit_create(struct cli *c)
{
    struct deposit_options o;
    char label[MANIFEST_LABEL_MAX + 1];
    char *passphrase = NULL;
    char errmsg[ERRMSG_SIZE] = "";
    size_t size = 0;
    int code;
    int rv;

    if (!create_parse(c, &o, label)) {
        return EXIT_CODE_USAGE;
    }
    code = create_lint(c, c->args[0]);
    if (code != EXIT_CODE_OK) {
        return code;
    }
    rv = cli_passphrase(c, &passphrase, &size, errmsg);
    if (rv != OK) {
        secret_free(passphrase);
        return cli_fail(c, exit_code_of(rv), errmsg, "check --passphrase-file");
    }
    o.passphrase = slice_of(passphrase, size);
    code = create_run_with(c, &o);
    secret_free(passphrase);
    return code;
}
