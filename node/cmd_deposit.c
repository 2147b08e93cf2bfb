#include <limits.h>
#include <math.h>
#include <stdlib.h>

#include "crypto/secret.h"
#include "node/commands.h"
#include "node/deposit.h"
#include "node/lint.h"
#include "node/text.h"
#include "protocol/shard.h"
#include "replication/sealer.h"

#define SEGMENT_SIZE_DEFAULT ((uint64_t)32 << 20)
/* Of one segment in the making; deposit and recovery hold at least one. */
#define SEGMENT_MEMORY_MAX ((uint64_t)256 << 20)

/* How the deposit is to be coded; shared by plan and create. */
struct coding {
    uint64_t k, n, t, segment_size;
    enum codec_choice codec;
};

#define CODING_OPTIONS                                                        \
    {.name = "data-shards",                                                   \
     .letter = 'k',                                                           \
     .value = "K",                                                            \
     .help = "shards that are enough to restore (default 4)"},                \
        {.name = "shards",                                                    \
         .letter = 'n',                                                       \
         .value = "N",                                                        \
         .help = "shards in all, one for each steward (default 7)"},          \
        {.name = "threshold",                                                 \
         .letter = 't',                                                       \
         .value = "T",                                                        \
         .help = "key shares that open the deposit (default 3)"},             \
        {.name = "segment-size",                                              \
         .value = "SIZE",                                                     \
         .help = "plaintext sealed at a time, 64KiB..64MiB (default 32MiB)"}, \
    {                                                                         \
        .name = "codec", .value = "NAME",                                     \
        .help = "auto, raw or zstd; raw hides how well the model compresses " \
                "(default auto)"                                              \
    }

static const struct cli_option plan_options[] = {
    CODING_OPTIONS,
    {.name = NULL},
};

static const struct cli_option create_options[] = {
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
    {.name = "ignore-lint",
     .help = "deposit although the directory has errors"},
    {.name = NULL},
};

static bool coding_parse(struct cli *c, struct coding *o)
{
    const char *codec = cli_value(c, "codec");

    *o = (struct coding){.k = 4, .n = 7, .t = 3};
    o->segment_size = SEGMENT_SIZE_DEFAULT;
    if (!cli_uint(c, "data-shards", 1, ERASURE_K_MAX, &o->k) ||
        !cli_uint(c, "shards", 2, MANIFEST_SHARDS_MAX, &o->n) ||
        !cli_uint(c, "threshold", 1, VSS_T_MAX, &o->t) ||
        !cli_size(c, "segment-size", SEGMENT_SIZE_MIN, SEGMENT_SIZE_MAX,
                  &o->segment_size)) {
        return false;
    }
    o->codec = CODEC_CHOOSE_AUTO;
    if (codec != NULL && strcmp(codec, "raw") == 0) {
        o->codec = CODEC_CHOOSE_RAW;
    } else if (codec != NULL && strcmp(codec, "zstd") == 0) {
        o->codec = CODEC_CHOOSE_ZSTD;
    } else if (codec != NULL && strcmp(codec, "auto") != 0) {
        (void)cli_fail(c, EXIT_CODE_USAGE, "unknown codec",
                       "choose --codec auto, raw or zstd");
        return false;
    }
    return true;
}

/* The rules of DESIGN.md 5: f = floor((n-1)/3); n-k >= f+1; n >= t+f. And
 * f < t, so that f colluders cannot open it. */
static bool coding_check(struct cli *c, const struct coding *o)
{
    uint64_t f = (o->n - 1) / 3;
    char what[160];

    if (o->segment_size % LEAF_SIZE != 0) {
        (void)cli_fail(c, EXIT_CODE_USAGE,
                       "the segment size is not a multiple of 4 KiB",
                       "choose another --segment-size");
        return false;
    }
    if (o->k >= o->n || o->n - o->k < f + 1 || o->n < o->t + f || o->t <= f) {
        (void)snprintf(what, sizeof(what),
                       "%llu shards must survive %llu faulty ones: k at most "
                       "%llu, t from %llu to %llu",
                       (unsigned long long)o->n, (unsigned long long)f,
                       (unsigned long long)(o->n - f - 1),
                       (unsigned long long)(f + 1),
                       (unsigned long long)(o->n - f));
        (void)cli_fail(c, EXIT_CODE_USAGE, what,
                       "choose other --data-shards, --shards "
                       "or --threshold");
        return false;
    }
    if (o->segment_size +
            o->n * shard_cell_max((uint16_t)o->k, (uint32_t)o->segment_size) >
        SEGMENT_MEMORY_MAX) {
        (void)cli_fail(c, EXIT_CODE_USAGE,
                       "a segment and its coded pieces take more than 256 MiB "
                       "of memory",
                       "choose a smaller --segment-size");
        return false;
    }
    return true;
}

static json_t *lint_json(const struct lint *l)
{
    static const char *const levels[] = {"note", "warning", "error"};
    json_t *list = json_array();

    for (size_t i = 0; i < l->findings_len; i++) {
        (void)json_array_append_new(
            list, json_pack("{s:s, s:s, s:s}", "level",
                            levels[l->findings[i].level], "path",
                            l->findings[i].path, "text", l->findings[i].text));
    }
    return list;
}

static void lint_print(FILE *out, const struct lint *l, enum lint_level from)
{
    static const char *const levels[] = {"note", "warning", "ERROR"};

    for (size_t i = 0; i < l->findings_len; i++) {
        const struct lint_finding *f = &l->findings[i];

        if (f->level >= from) {
            fprintf(out, "%-9s %s%s%s\n", levels[f->level], f->path,
                    f->path[0] != '\0' ? ": " : "", f->text);
        }
    }
    if (l->dropped > 0) {
        fprintf(out, "          and %zu findings more\n", l->dropped);
    }
}

/* The chance that more than n - k of n shards are lost in a year, when each is
 * lost with probability p, independently, and is not repaired in between. */
static double loss_modelled(const struct coding *o, double p)
{
    double sum = 0;

    for (uint64_t lost = o->n - o->k + 1; lost <= o->n; lost++) {
        double ways = lgamma((double)o->n + 1) - lgamma((double)lost + 1) -
                      lgamma((double)(o->n - lost) + 1);

        sum += exp(ways + (double)lost * log(p) +
                   (double)(o->n - lost) * log1p(-p));
    }
    return sum;
}

static int plan_print(struct cli *c,
                      const struct source *s,
                      const struct lint *l,
                      const struct coding *o)
{
    uint64_t segments = (s->size + o->segment_size - 1) / o->segment_size;
    uint64_t cell = shard_cell_max((uint16_t)o->k, (uint32_t)o->segment_size);
    uint64_t shard = shard_size(LEAF_SIZE + segments * cell, segments + 1);
    uint64_t f = (o->n - 1) / 3;
    uint64_t data_margin = o->n - o->k;
    uint64_t key_margin = o->n - o->t;
    double loss = loss_modelled(o, 0.05);
    char a[32];
    char b[32];
    char d[32];

    /* The last segment is seldom full. */
    if (segments > 0 && s->size % o->segment_size != 0) {
        uint64_t tail =
            shard_ciphertext_max((uint32_t)(s->size % o->segment_size));

        shard -= cell -
                 (uint64_t)shard_cell_leaves((uint16_t)o->k, tail) * LEAF_SIZE;
    }
    if (c->json) {
        return cli_print_json(
            c, "cairn.deposit.plan/1",
            json_pack(
                "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:I, s:I, "
                "s:I, s:f, s:i, s:i, s:o}",
                "files", (json_int_t)s->files_len, "bytes", (json_int_t)s->size,
                "parameters", (json_int_t)l->parameters, "k", (json_int_t)o->k,
                "n", (json_int_t)o->n, "t", (json_int_t)o->t,
                "stored_bytes_at_most", (json_int_t)shard * (json_int_t)o->n,
                "overhead", (double)o->n / (double)o->k, "shard_bytes_at_most",
                (json_int_t)shard, "data_margin", (json_int_t)data_margin,
                "key_margin", (json_int_t)key_margin, "loss_a_year_modelled",
                loss, "errors", (int)l->errors, "warnings", (int)l->warnings,
                "findings", lint_json(l)));
    }
    lint_print(stdout, l, LINT_NOTE);
    printf("model     %zu files, %s", s->files_len, text_size(a, s->size));
    if (l->parameters > 0) {
        printf(", %.3g parameters", (double)l->parameters);
    }
    printf("\ncode      any %llu of %llu shards restore it; any %llu of %llu "
           "key shares open it\n",
           (unsigned long long)o->k, (unsigned long long)o->n,
           (unsigned long long)o->t, (unsigned long long)o->n);
    printf("stored    at most %s a shard, %s in all (%.2f times the model); "
           "less where it compresses\n",
           text_size(b, shard), text_size(d, shard * o->n),
           (double)o->n / (double)o->k);
    printf("may lose  %llu stewards' shards, %llu key shares; %llu may be "
           "faulty at any time\n",
           (unsigned long long)data_margin, (unsigned long long)key_margin,
           (unsigned long long)f);
    printf("modelled  %.1e chance a year to lose the data, if each steward is "
           "lost with 5 %% a year,\n"
           "          independently, and nothing is repaired: a comparison of "
           "codes, not a promise\n",
           loss);
    return EXIT_CODE_OK;
}

static int plan_run(struct cli *c)
{
    struct coding coding;
    struct source source;
    struct lint lint;
    char errmsg[ERRMSG_SIZE] = "";
    int code;
    int rv;

    if (!coding_parse(c, &coding) || !coding_check(c, &coding)) {
        return EXIT_CODE_USAGE;
    }
    rv = source_open(&source, c->args[0], errmsg);
    if (rv == OK) {
        rv = lint_run(&lint, &source, errmsg);
        if (rv != OK) {
            source_close(&source);
        }
    }
    if (rv != OK) {
        return cli_fail(c, exit_code_of(rv), errmsg,
                        "mend it and run the plan again; nothing was written");
    }
    code = plan_print(c, &source, &lint, &coding);
    if (code == EXIT_CODE_OK && lint.errors > 0) {
        code = EXIT_CODE_FAILED;
        cli_note(c, "%u errors: create would refuse this directory",
                 lint.errors);
    }
    lint_close(&lint);
    source_close(&source);
    return code;
}

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
        return cli_fail(c, exit_code_of(rv), errmsg, "check the directory");
    }
    rv = lint_run(&lint, &source, errmsg);
    if (rv != OK) {
        source_close(&source);
        return cli_fail(c, exit_code_of(rv), errmsg, "check the directory");
    }
    if (!c->json && !c->quiet) {
        lint_print(stderr, &lint, LINT_WARNING);
    }
    if (lint.errors > 0 && !cli_flag(c, "ignore-lint")) {
        (void)snprintf(what, sizeof(what), "the directory has %u errors",
                       lint.errors);
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
            j, json_pack("{s:i, s:i, s:b, s:s}", "receipts", (int)r->receipts,
                         "acknowledgements", (int)r->acknowledgements, "sealed",
                         (int)r->sealed, "certificate", r->certificate));
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

static int create_exit(struct cli *c, int rv, const char *errmsg)
{
    if (rv == ERR_CANCELED) {
        return cli_fail(c, EXIT_CODE_INTERRUPTED, errmsg,
                        "do not delete your copy; run the same command to go "
                        "on");
    }
    return cli_fail(c, exit_code_of(rv), errmsg,
                    "do not delete your copy: the deposit is not complete");
}

static int create_run_with(struct cli *c, struct deposit_options *o)
{
    struct deposit_result result = {0};
    char errmsg[ERRMSG_SIZE] = "";
    int rv = o->into != NULL ? deposit_offline(c, o, &result, errmsg)
                             : deposit_network(c, o, &result, errmsg);
    int code =
        rv == OK ? create_print(c, o, &result) : create_exit(c, rv, errmsg);

    free(result.certificate);
    return code;
}

/* Into folders, or to stewards. */
static bool create_where(struct cli *c, struct deposit_options *o)
{
    static const char *const of_network[] = {"steward", "certificate",
                                             "accept-margin", "patience"};
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
                           "--accept-margin and --patience");
            return false;
        }
    }
    if (!cli_uint(c, "patience", 1, 86400, &patience)) {
        return false;
    }
    o->patience_s = (unsigned)patience;
    o->accept_margin = cli_flag(c, "accept-margin");
    o->certificate = cli_value(c, "certificate");
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

static int create_run(struct cli *c)
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

const struct cli_command cmd_deposit[] = {
    {.name = "plan",
     .summary = "Check a model directory and show what a deposit would cost",
     .arguments = "DIR",
     .args_min = 1,
     .args_max = 1,
     .details = "Writes nothing. Lints safetensors and GGUF headers, index\n"
                "files and Git LFS pointers, and shows sizes and margins.\n",
     .options = plan_options,
     .run = plan_run},
    {.name = "create",
     .summary = "Seal a model and code it into shards",
     .arguments = "DIR",
     .args_min = 1,
     .args_max = 1,
     .details =
         "Deals the shards to the stewards of the network that --home is in,\n"
         "and a key share to each of their custodians; reads back, and writes\n"
         "a certificate. With --offline SHARDS the shards go into folders, "
         "and\n"
         "the opened key shares into SHARDS/shares, for carriers to bring to\n"
         "their keepers.\n"
         "Run the same command again after an interruption: it goes on.\n"
         "\n"
         "  cairn deposit create --home lab --label 'Model 1' ./model\n"
         "  cairn deposit create --offline /mnt/out --label 'Model 1' "
         "./model\n",
     .options = create_options,
     .run = create_run},
    {.name = "list",
     .summary = "List the deposits that the local node, or this lab, knows",
     .details = "With the home of a lab: those whose certificates are in it.\n"
                "\n"
                "  cairn deposit list --home s1\n",
     .options = cmd_deposit_list_options,
     .run = cmd_deposit_list},
    {.name = "show",
     .summary = "Show a deposit as the local node, or this lab, sees it",
     .arguments = "ID",
     .args_min = 1,
     .args_max = 1,
     .details = "ID is 64 hex digits, or at least the first 8 of them.\n"
                "\n"
                "  cairn deposit show --home s1 1f2e3d4c\n",
     .options = cmd_deposit_list_options,
     .run = cmd_deposit_show},
    {.name = "export",
     .summary = "Get a deposit's certificate from the local node",
     .arguments = "ID",
     .args_min = 1,
     .args_max = 1,
     .details = "  cairn deposit export --home s1 1f2e3d4c > model.cert\n",
     .options = cmd_deposit_export_options,
     .run = cmd_deposit_export},
    {.name = "verify",
     .summary = "Check a certificate, and show what it proves",
     .arguments = "CERTIFICATE",
     .args_min = 1,
     .args_max = 1,
     .details =
         "Needs no network. Compare the fingerprint of the network with what\n"
         "a steward reads to you. The exit code is 0 when the deposit was\n"
         "sealed, 1 when something is missing, 12 or 20 when it is false.\n"
         "\n"
         "  cairn deposit verify model.cert\n",
     .run = cmd_deposit_verify},
    {.name = NULL},
};
