#include <limits.h>

#include "node/cli/cli_parse.h"

#define HELP_COLUMNS 80U
#define HELP_INDENT  26U

/* Print |text| wrapped into the column at HELP_INDENT, where the line has
 * |at| characters already. */
static void print_wrapped(FILE *f, const char *text, size_t at)
{
    if (at + 2 > HELP_INDENT) {
        (void)fputc('\n', f);
        at = 0;
    }
    (void)fprintf(f, "%*s", (int)(HELP_INDENT - at), "");
    at = HELP_INDENT;
    while (*text != '\0') {
        size_t size = strcspn(text, " ");

        if (at > HELP_INDENT) {
            if (at + 1 + size > HELP_COLUMNS) {
                (void)fprintf(f, "\n%*s", (int)HELP_INDENT, "");
                at = HELP_INDENT;
            } else {
                (void)fputc(' ', f);
                at++;
            }
        }
        (void)fprintf(f, "%.*s", (int)size, text);
        at += size;
        text += size;
        text += strspn(text, " ");
    }
    (void)fputc('\n', f);
}

static void print_option(FILE *f, const struct cli_option *o)
{
    int at = o->letter != 0 ? fprintf(f, "  -%c, --%s", o->letter, o->name)
                            : fprintf(f, "      --%s", o->name);

    if (o->value != NULL) {
        at += fprintf(f, " %s%s", o->value, o->greedy ? "..." : "");
    }
    print_wrapped(f, o->help, at > 0 ? (size_t)at : 0);
}

static void print_options(FILE *f,
                          const char *title,
                          const struct cli_option *options)
{
    if (options == NULL || options->name == NULL) {
        return;
    }
    (void)fprintf(f, "\n%s:\n", title);
    for (const struct cli_option *o = options; o->name != NULL; o++) {
        print_option(f, o);
    }
}

static void print_subs(FILE *f, const struct cli_command *command)
{
    if (command->subs == NULL) {
        return;
    }
    (void)fputs("\nCommands:\n", f);
    for (const struct cli_command *sub = command->subs; sub->name != NULL;
         sub++) {
        int at = fprintf(f, "  %s", sub->name);

        print_wrapped(f, sub->summary, at > 0 ? (size_t)at : 0);
    }
}

const char *cli_usage_words(const struct cli_command *command)
{
    if (command->run == NULL) {
        return "COMMAND";
    }
    return command->arguments != NULL ? command->arguments : "";
}

void cli_help_print(FILE *f, const struct cli *c)
{
    const struct cli_command *command = c->command;
    const char *words = cli_usage_words(command);

    (void)fprintf(f, "Usage: %s [OPTION...]%s%s\n\n%s.\n", c->parsed->path,
                  words[0] != '\0' ? " " : "", words, command->summary);
    if (command->details != NULL) {
        size_t size = strlen(command->details);

        (void)fprintf(f, "\n%s", command->details);
        if (size > 0 && command->details[size - 1] != '\n') {
            (void)fputc('\n', f);
        }
    }
    print_subs(f, command);
    print_options(f, "Options", command->options);
    print_options(f, "Options of every command", cli_common_options);
    if (command->subs != NULL) {
        (void)fprintf(f, "\nMore on a command: %s COMMAND --help\n",
                      c->parsed->path);
    }
}

static json_t *json_text(const char *text)
{
    return text != NULL ? json_string(text) : json_null();
}

static json_t *options_json(const struct cli_option *options)
{
    json_t *list = json_array();

    for (const struct cli_option *o = options; o != NULL && o->name != NULL;
         o++) {
        char letter[2] = {o->letter, '\0'};

        (void)json_array_append_new(
            list,
            json_pack("{s:s, s:o, s:o, s:s, s:b, s:b}", "name", o->name,
                      "letter", json_text(letter[0] != '\0' ? letter : NULL),
                      "value", json_text(o->value), "help", o->help, "repeats",
                      (int)o->repeats, "greedy", (int)o->greedy));
    }
    return list;
}

static json_t *command_json(const struct cli_command *command)
{
    json_t *subs = json_array();

    for (const struct cli_command *sub = command->subs;
         sub != NULL && sub->name != NULL; sub++) {
        (void)json_array_append_new(subs, command_json(sub));
    }
    return json_pack(
        "{s:s, s:s, s:b, s:o, s:I, s:o, s:o, s:o, s:o}", "name", command->name,
        "summary", command->summary, "runs", (int)(command->run != NULL),
        "arguments", json_text(command->arguments), "args_min",
        (json_int_t)command->args_min, "args_max",
        command->args_max == UINT_MAX ? json_null()
                                      : json_integer(command->args_max),
        "details", json_text(command->details), "options",
        options_json(command->options), "commands", subs);
}

json_t *cli_help_json(const struct cli *c)
{
    return json_pack("{s:o, s:o}", "command", command_json(c->command),
                     "common_options", options_json(cli_common_options));
}
