#ifndef CAIRN_NODE_CMD_DEPOSIT_H
#define CAIRN_NODE_CMD_DEPOSIT_H

#include "node/cli/cli.h"
#include "node/deposit/lint.h"
#include "replication/mover/sealer.h"

/* The commands of `cairn deposit`, and what some of them share. */

/* --- How a deposit is to be coded: plan, create -------------------------- */

/* Any k of n shards restore it, any t of n key shares open it. */
struct coding {
    uint64_t k, n, t;
    uint64_t segment_size; /* Bytes of plaintext. */
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

/* From the options, with their defaults. False, and then an error was printed,
 * when one of them is no number or name. */
bool coding_parse(struct cli *c, struct coding *o);
/* Can it be made, and does it bear as many faulty stewards as the network may
 * have? False, and then an error was printed, when not. */
bool coding_check(struct cli *c, const struct coding *o);

/* Of source_open() or lint_run(): what is in the model's folder cannot be
 * taken. That is not damage, however odd it is. Returns the exit code. */
int cmd_source_fail(struct cli *c, int rv, const char *errmsg);

/* Findings from that level on, a line each. */
void cmd_lint_print(FILE *out, const struct lint *l, enum lint_level from);

/* --- The commands; they return exit codes -------------------------------- */

extern const struct cli_option cmd_deposit_plan_options[];
int cmd_deposit_plan(struct cli *c);
extern const struct cli_option cmd_deposit_create_options[];
int cmd_deposit_create(struct cli *c);
extern const struct cli_option cmd_deposit_list_options[]; /* show's too. */
int cmd_deposit_list(struct cli *c);
int cmd_deposit_show(struct cli *c);
extern const struct cli_option cmd_deposit_export_options[];
int cmd_deposit_export(struct cli *c);
int cmd_deposit_verify(struct cli *c);

/* `verify` of the certificate at |path|. */
int cmd_deposit_verify_file(struct cli *c, const char *path);

#endif /* CAIRN_NODE_CMD_DEPOSIT_H */
