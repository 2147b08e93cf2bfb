#include <limits.h>
#include <stdlib.h>

#include "node/cli/cli_parse.h"

static int version_print(struct cli *c)
{
    if (c->json) {
        return cli_print_json(c, "cairn.version/1",
                              json_pack("{s:s, s:s}", "program", c->program,
                                        "version", CAIRN_VERSION));
    }
    (void)printf("%s %s\n", c->program, CAIRN_VERSION);
    return EXIT_CODE_OK;
}

static int help_print(struct cli *c)
{
    if (c->json) {
        return cli_print_json(c, "cairn.help/1", cli_help_json(c));
    }
    cli_help_print(stdout, c);
    return EXIT_CODE_OK;
}

/* Fill the fields that common options and the environment give. */
static bool common_apply(struct cli *c)
{
    static const char *const styles[] = {"auto", "tty", "plain", "json",
                                         "none"};
    const char *progress = cli_value(c, "progress");
    bool known = progress == NULL;

    c->quiet = cli_flag(c, "quiet");
    c->verbose = cli_flag(c, "verbose");
    c->home = cli_value(c, "home");
    if (c->home == NULL) {
        c->home = getenv("CAIRN_HOME");
        if (c->home != NULL && c->home[0] == '\0') {
            c->home = NULL;
        }
    } else if (c->home[0] == '\0') {
        (void)cli_usage_error(c, "--home is empty");
        return false;
    }
    for (size_t i = 0; i < sizeof(styles) / sizeof(styles[0]) && !known; i++) {
        known = strcmp(progress, styles[i]) == 0;
    }
    if (!known) {
        (void)cli_usage_error(c,
                              "--progress: '%s' is not auto, tty, plain, json "
                              "or none",
                              progress);
        return false;
    }
    c->progress = progress != NULL ? progress : "auto";
    return true;
}

static bool args_check(struct cli *c)
{
    const struct cli_command *command = c->command;

    if (c->args_len > command->args_max) {
        (void)cli_usage_error(c, "'%s' is one argument too many",
                              c->args[command->args_max]);
        return false;
    }
    if (c->args_len < command->args_min) {
        (void)cli_usage_error(c, "too few arguments, wanted: %s",
                              cli_usage_words(command));
        return false;
    }
    return true;
}

static int run(struct cli *c)
{
    if (c->parsed->help || cli_flag(c, "help")) {
        return help_print(c);
    }
    if (cli_flag(c, "version")) {
        return version_print(c);
    }
    if (c->command->run == NULL) {
        if (!c->json) {
            cli_help_print(stderr, c);
            return EXIT_CODE_USAGE;
        }
        return cli_usage_error(c, "a command is missing");
    }
    if (!args_check(c)) {
        return EXIT_CODE_USAGE;
    }
    return c->command->run(c);
}

int cli_main(const struct cli_command *root, int argc, char **argv)
{
    struct cli_parsed parsed = {.root = root};
    struct cli c = {.program = root->name, .command = root, .parsed = &parsed};
    int code = EXIT_CODE_USAGE;

    cli_table_check(root);
    (void)snprintf(parsed.path, sizeof(parsed.path), "%s", root->name);
    if (cli_parse(&c, argc, argv) && common_apply(&c)) {
        code = run(&c);
    }
    /* What was printed may still wait in a buffer, and not fit the disk. */
    if ((fflush(stdout) != 0 || ferror(stdout)) && code == EXIT_CODE_OK) {
        code = cli_fail(&c, EXIT_CODE_FAILED,
                        "the result could not be written to standard output",
                        "check where the output goes, and run it again");
    }
    free(c.args);
    free(parsed.given);
    return code;
}
