#include <math.h>

#include "node/base/text.h"
#include "node/cmd/cmd_deposit.h"
#include "protocol/shard.h"

/* `cairn deposit plan`: what a deposit would be, before anything is written. */

const struct cli_option cmd_deposit_plan_options[] = {
    CODING_OPTIONS,
    {.name = NULL},
};

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
    cmd_lint_print(stdout, l, LINT_NOTE);
    printf("model     %zu file%s, %s", s->files_len, text_s(s->files_len),
           text_size(a, s->size));
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

int cmd_source_fail(struct cli *c, int rv, const char *errmsg)
{
    return cli_fail(c, rv == ERR_BAD ? EXIT_CODE_FAILED : exit_code_of(rv),
                    errmsg, "mend it and run it again; nothing was written");
}

int cmd_deposit_plan(struct cli *c)
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
        return cmd_source_fail(c, rv, errmsg);
    }
    code = plan_print(c, &source, &lint, &coding);
    if (code == EXIT_CODE_OK && lint.errors > 0) {
        code = EXIT_CODE_FAILED;
        cli_note(c, "%u error%s: create would refuse this directory",
                 lint.errors, text_s(lint.errors));
    }
    lint_close(&lint);
    source_close(&source);
    return code;
}
