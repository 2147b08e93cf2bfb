#include "node/cmd/cmd_deposit.h"

#include "node/cmd/commands.h"
#include "protocol/shard.h"

#define SEGMENT_SIZE_DEFAULT ((uint64_t)32 << 20)
/* Of one segment in the making; deposit and recovery hold at least one. */
#define SEGMENT_MEMORY_MAX ((uint64_t)256 << 20)

bool coding_parse(struct cli *c, struct coding *o)
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
bool coding_check(struct cli *c, const struct coding *o)
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

void cmd_lint_print(FILE *out, const struct lint *l, enum lint_level from)
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

const struct cli_command cmd_deposit[] = {
    {.name = "plan",
     .summary = "Check a model directory and show what a deposit would cost",
     .arguments = "DIR",
     .args_min = 1,
     .args_max = 1,
     .details = "Writes nothing. Lints safetensors and GGUF headers, index\n"
                "files and Git LFS pointers, and shows sizes and margins.\n",
     .options = cmd_deposit_plan_options,
     .run = cmd_deposit_plan},
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
     .options = cmd_deposit_create_options,
     .run = cmd_deposit_create},
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
