#ifndef CAIRN_NODE_CLI_PARSE_H
#define CAIRN_NODE_CLI_PARSE_H

#include "node/cli/cli.h"

/* The insides of cli.h: what cli_*.c share. */

#define CLI_PATH_SIZE 128U
#define CLI_WHAT_SIZE 512U

/* An option as it was given; |value| is NULL for a flag. */
struct cli_given {
    const struct cli_option *option;
    const char *value;
};

struct cli_parsed {
    const struct cli_command *root;
    char path[CLI_PATH_SIZE]; /* "cairn deposit plan" */
    struct cli_given *given;
    size_t given_len;
    bool help, version;
};

/* Options of every command; ends with a NULL name. */
extern const struct cli_option cli_common_options[];

/* The option of that name or letter that |command| knows, or NULL. */
const struct cli_option *cli_option_find(const struct cli_command *command,
                                         const char *name,
                                         size_t name_size);
const struct cli_option *cli_option_letter(const struct cli_command *command,
                                           char letter);

/* Assert that |root| is a sound table. */
void cli_table_check(const struct cli_command *root);

/* Fill |c|, whose |parsed| has the root, from the command line. Values and
 * words point into |argv|. Returns false after printing a usage error. The
 * caller frees args and parsed->given in any case. */
MUST_CHECK bool cli_parse(struct cli *c, int argc, char **argv);

/* Print a usage error, as printf; returns EXIT_CODE_USAGE. */
int cli_usage_error(struct cli *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Print the help of the command that was named. */
void cli_help_print(FILE *f, const struct cli *c);
json_t *cli_help_json(const struct cli *c);
/* "[OPTION...] DIR", behind the path of the command in its usage line. */
const char *cli_usage_words(const struct cli_command *command);

/* What |word|, which is none of them, was perhaps meant to be: a subcommand, or
 * an option without its dashes. NULL when nothing is near. */
const char *cli_suggest_command(const struct cli_command *command,
                                const char *word);
const char *cli_suggest_option(const struct cli_command *command,
                               const char *word,
                               size_t word_size);

#endif /* CAIRN_NODE_CLI_PARSE_H */
