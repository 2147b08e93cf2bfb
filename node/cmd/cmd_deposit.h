#ifndef CAIRN_NODE_CMD_DEPOSIT_H
#define CAIRN_NODE_CMD_DEPOSIT_H

#include "node/cli/cli.h"
#include "node/deposit/lint.h"
#include "replication/mover/sealer.h"

/* What `cairn deposit plan` and `create` share: how a deposit is to be coded,
 * and what lint found. */

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

/* From the options. Is it one that can be made, by the rules of DESIGN.md 5?
 * Otherwise both have said why. */
bool coding_parse(struct cli *c, struct coding *o);
bool coding_check(struct cli *c, const struct coding *o);

/* Of source_open() or lint_run(): what is in the model's folder cannot be
 * taken. That is not damage, however odd it is. Returns the exit code. */
int cmd_source_fail(struct cli *c, int rv, const char *errmsg);

/* Findings from that level on, a line each. */
void cmd_lint_print(FILE *out, const struct lint *l, enum lint_level from);

extern const struct cli_option cmd_deposit_plan_options[];
int cmd_deposit_plan(struct cli *c);
extern const struct cli_option cmd_deposit_create_options[];
int cmd_deposit_create(struct cli *c);

#endif /* CAIRN_NODE_CMD_DEPOSIT_H */
