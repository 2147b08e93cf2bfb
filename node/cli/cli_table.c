#include "node/cli/cli_parse.h"

const struct cli_option cli_common_options[] = {
    {.name = "help", .letter = 'h', .help = "show this help"},
    {.name = "home",
     .value = "DIR",
     .help = "where keys and state are kept (default: $CAIRN_HOME)"},
    {.name = "json", .help = "print one JSON object; errors and notes too"},
    {.name = "progress",
     .value = "STYLE",
     .help = "auto, tty, plain, json or none (default auto)"},
    {.name = "quiet", .letter = 'q', .help = "print no notes and no progress"},
    {.name = "verbose", .letter = 'v', .help = "print more"},
    {.name = "version", .help = "show the version"},
    {.name = NULL},
};

static const struct cli_option *find_name(const struct cli_option *options,
                                          const char *name,
                                          size_t name_size)
{
    for (const struct cli_option *o = options; o != NULL && o->name != NULL;
         o++) {
        if (strlen(o->name) == name_size &&
            memcmp(o->name, name, name_size) == 0) {
            return o;
        }
    }
    return NULL;
}

static const struct cli_option *find_letter(const struct cli_option *options,
                                            char letter)
{
    for (const struct cli_option *o = options; o != NULL && o->name != NULL;
         o++) {
        if (o->letter == letter) {
            return o;
        }
    }
    return NULL;
}

const struct cli_option *cli_option_find(const struct cli_command *command,
                                         const char *name,
                                         size_t name_size)
{
    const struct cli_option *own = find_name(command->options, name, name_size);

    return own != NULL ? own : find_name(cli_common_options, name, name_size);
}

const struct cli_option *cli_option_letter(const struct cli_command *command,
                                           char letter)
{
    const struct cli_option *own = find_letter(command->options, letter);

    return own != NULL ? own : find_letter(cli_common_options, letter);
}

static void option_check(const struct cli_command *command,
                         const struct cli_option *o)
{
    assert(o->help != NULL && o->name[0] != '\0');
    assert(!o->greedy || o->repeats);
    assert(!o->repeats || o->value != NULL);
    /* Nothing of that name comes before it or stands in the common ones. */
    assert(find_name(command->options, o->name, strlen(o->name)) == o);
    assert(find_name(cli_common_options, o->name, strlen(o->name)) == NULL);
    if (o->letter != 0) {
        assert(find_letter(command->options, o->letter) == o);
        assert(find_letter(cli_common_options, o->letter) == NULL);
    }
}

void cli_table_check(const struct cli_command *root)
{
    const char *summary = root->summary;

    assert(summary != NULL && summary[0] != '\0');
    assert(summary[strlen(summary) - 1] != '.');
    assert(root->run != NULL || root->subs != NULL);
    assert(root->args_min <= root->args_max);
    assert((root->arguments != NULL) == (root->args_max > 0));
    for (const struct cli_option *o = root->options;
         o != NULL && o->name != NULL; o++) {
        option_check(root, o);
    }
    for (const struct cli_command *sub = root->subs;
         sub != NULL && sub->name != NULL; sub++) {
        cli_table_check(sub);
    }
}
