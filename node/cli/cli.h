#ifndef CAIRN_NODE_CLI_H
#define CAIRN_NODE_CLI_H

#include <jansson.h>

#include "node/base/file.h"
#include "node/base/text.h"
#include "node/cli/progress.h"

/* The command line of all three programs: one table of commands gives parsing,
 * --help at every level, "did you mean", JSON and exit codes.
 *
 * stdout is data, stderr is everything else. With --json a command prints one
 * JSON object that names its schema ("cairn.deposit.plan/1"), and errors as
 * an object on stderr. The last line of an error says what to do next. */

enum exit_code {
    EXIT_CODE_OK = 0,
    EXIT_CODE_FAILED = 1,
    EXIT_CODE_USAGE = 2,
    EXIT_CODE_INCOMPLETE = 3, /* Finished, but degraded. */
    EXIT_CODE_NOT_FOUND = 10,
    EXIT_CODE_CONFIG = 11,
    EXIT_CODE_DENIED = 12, /* Wrong key, wrong passphrase, not allowed. */
    EXIT_CODE_LOCKED = 13,
    EXIT_CODE_INTEGRITY = 20,
    EXIT_CODE_BELOW_THRESHOLD = 21,
    EXIT_CODE_WAITING = 22, /* For approvals or a quorum. */
    EXIT_CODE_UNREACHABLE = 30,
    EXIT_CODE_INTERRUPTED = 130 /* Resumable. */
};

/* The exit code for a status code. */
enum exit_code exit_code_of(int status);

struct cli_option {
    const char *name;  /* "segment-size" */
    const char *value; /* "SIZE" in the help; NULL for a flag */
    const char *help;
    char letter;  /* 'k', or 0 */
    bool repeats; /* May be given several times, each with a value. */
    bool greedy;  /* Also takes all words up to the next option, as in
                   * `--from A B C`; when no word stands behind that option,
                   * it leaves the words that the command cannot do without:
                   * `--from A B C OUT --force`. */
};

struct cli;

struct cli_command {
    const char *name;
    const char *summary;              /* One line, no full stop. */
    const char *arguments;            /* "DIR", "[FILE...]", or NULL for none */
    unsigned args_min, args_max;      /* UINT_MAX: any number */
    const char *details;              /* Paragraphs and examples, or NULL. */
    const struct cli_option *options; /* Ends with a NULL name; may be NULL. */
    const struct cli_command *subs;   /* Ends with a NULL name; or NULL. */
    int (*run)(struct cli *c);        /* Returns an exit code. */
};

/* A parsed command line, lent to run(). */
struct cli {
    const char *program; /* "cairn" */
    const struct cli_command *command;
    char **args; /* Words that are no options. */
    size_t args_len;
    bool json, quiet, verbose;
    const char *home;     /* --home, else CAIRN_HOME, else NULL. */
    const char *progress; /* auto, tty, plain, json, none */
    struct cli_parsed *parsed;
};

/* Every command also has --help, --json, --home, --quiet, --verbose,
 * --progress and --version; a root with subcommands also has `help COMMAND`.
 * With --json help is the command tree ("cairn.help/1"). Mistakes in the table
 * are asserts. Returns the exit code for main(). */
int cli_main(const struct cli_command *root, int argc, char **argv);

/* The value of an option, or NULL; of a repeated one the |i|th. */
const char *cli_value(const struct cli *c, const char *name);
const char *cli_value_at(const struct cli *c, const char *name, size_t i);
size_t cli_count(const struct cli *c, const char *name);
bool cli_flag(const struct cli *c, const char *name);

/* Parse a number or a size ("256KiB", "32MiB"; "1.5GB" is refused: whole
 * numbers only) within min..max; |*out| keeps its value when the option is
 * absent. Returns false after printing a usage error. */
MUST_CHECK bool cli_uint(struct cli *c,
                         const char *name,
                         uint64_t min,
                         uint64_t max,
                         uint64_t *out);
MUST_CHECK bool cli_size(struct cli *c,
                         const char *name,
                         uint64_t min,
                         uint64_t max,
                         uint64_t *out);

/* Print "cairn deposit plan: WHAT" and, on its own line, NEXT; returns |code|.
 * With --json an object {"schema":"cairn.error/1","error":..,"next":..,
 * "code":..} instead. NEXT may be NULL only for usage errors, where it points
 * to --help. */
int cli_fail(struct cli *c,
             enum exit_code code,
             const char *what,
             const char *next);

/* Note of one line to a person on stderr unless --quiet; with --json an object
 * {"schema":"cairn.note/1","note":..}. */
void cli_note(const struct cli *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Print |object| (stolen) on one line of stdout with "schema" set; returns
 * EXIT_CODE_OK, or FAILED after an error when stdout does not take it or
 * |object| is NULL (json_pack() had no memory or met no UTF-8). */
int cli_print_json(struct cli *c, const char *schema, json_t *object);

/* The passphrase in the first line of the file that --passphrase-file names, in
 * secret memory: free with secret_free(), also after an error. NULL, and size
 * 0, when the option was not given. */
#define CLI_PASSPHRASE_MAX 1024U
MUST_CHECK int cli_passphrase(const struct cli *c,
                              char **passphrase,
                              size_t *size,
                              char *errmsg);

#endif /* CAIRN_NODE_CLI_H */
