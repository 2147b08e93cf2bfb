#include "node/cli/cli_parse.h"

#include <stdlib.h>

/* Where in the command line the parser stands. */
struct parser {
    struct cli *c;
    char **words; /* From argv; |words_len| of them. */
    size_t words_len, at;
    bool options_ended; /* By "--". */
};

/* Whether the words are an option, or the end of options. "-" is a word. */
static bool word_is_option(const char *word)
{
    return word[0] == '-' && word[1] != '\0';
}

static bool given_add(struct parser *p,
                      const struct cli_option *option,
                      const char *value)
{
    struct cli_parsed *parsed = p->c->parsed;
    struct cli_given *larger;

    for (size_t i = 0; !option->repeats && i < parsed->given_len; i++) {
        if (parsed->given[i].option != option) {
            continue;
        }
        if (option->value == NULL) {
            return true;
        }
        (void)cli_usage_error(p->c, "--%s is given twice", option->name);
        return false;
    }
    larger = realloc(parsed->given,
                     (parsed->given_len + 1) * sizeof(*parsed->given));
    if (larger == NULL) {
        abort();
    }
    parsed->given = larger;
    parsed->given[parsed->given_len++] =
        (struct cli_given){.option = option, .value = value};
    return true;
}

/* How many of the words from here on a greedy option takes. */
static size_t greedy_take(const struct parser *p)
{
    const struct cli *c = p->c;
    size_t run = 0;
    size_t after = 0;
    size_t left = 0;

    while (p->at + run < p->words_len &&
           !word_is_option(p->words[p->at + run])) {
        run++;
    }
    while (p->at + run + after < p->words_len &&
           word_is_option(p->words[p->at + run + after])) {
        after++;
    }
    if (p->at + run + after == p->words_len &&
        c->args_len < c->command->args_min) {
        left = c->command->args_min - c->args_len;
    }
    return run > left ? run - left : 0;
}

/* Take the value of |option| from the words behind it. */
static bool value_take(struct parser *p, const struct cli_option *option)
{
    size_t count = 1;

    if (p->at == p->words_len || word_is_option(p->words[p->at])) {
        (void)cli_usage_error(p->c, "--%s needs a value: --%s=%s", option->name,
                              option->name, option->value);
        return false;
    }
    if (option->greedy && greedy_take(p) > 1) {
        count = greedy_take(p);
    }
    while (count > 0) {
        if (!given_add(p, option, p->words[p->at++])) {
            return false;
        }
        count--;
    }
    return true;
}

static bool parse_long(struct parser *p, const char *word)
{
    const struct cli_command *command = p->c->command;
    const char *name = word + 2;
    size_t size = strcspn(name, "=");
    const struct cli_option *option = cli_option_find(command, name, size);
    const char *near;

    if (option == NULL) {
        near = cli_suggest_option(command, name, size);
        (void)cli_usage_error(p->c, "unknown option '--%.*s'%s%s%s", (int)size,
                              name, near == NULL ? "" : "; did you mean '--",
                              near == NULL ? "" : near,
                              near == NULL ? "" : "'?");
        return false;
    }
    if (name[size] == '\0') {
        return option->value == NULL ? given_add(p, option, NULL)
                                     : value_take(p, option);
    }
    if (option->value == NULL) {
        (void)cli_usage_error(p->c, "--%s takes no value", option->name);
        return false;
    }
    return given_add(p, option, name + size + 1);
}

/* "-q", "-qv", "-k4", "-k 4". */
static bool parse_letters(struct parser *p, const char *word)
{
    for (const char *at = word + 1; *at != '\0'; at++) {
        const struct cli_option *option = cli_option_letter(p->c->command, *at);

        if (option == NULL) {
            (void)cli_usage_error(p->c, "unknown option '-%c' in '%s'", *at,
                                  word);
            return false;
        }
        if (option->value != NULL) {
            return at[1] != '\0' ? given_add(p, option, at + 1)
                                 : value_take(p, option);
        }
        if (!given_add(p, option, NULL)) {
            return false;
        }
    }
    return true;
}

static const struct cli_command *sub_find(const struct cli_command *command,
                                          const char *name)
{
    for (const struct cli_command *sub = command->subs;
         sub != NULL && sub->name != NULL; sub++) {
        if (strcmp(sub->name, name) == 0) {
            return sub;
        }
    }
    return NULL;
}

static void command_enter(struct cli *c, const struct cli_command *sub)
{
    size_t size = strlen(c->parsed->path);

    (void)snprintf(c->parsed->path + size, CLI_PATH_SIZE - size, " %s",
                   sub->name);
    c->command = sub;
}

/* A subcommand, as long as there can be one, or an argument. */
static bool parse_word(struct parser *p, char *word)
{
    struct cli *c = p->c;
    const struct cli_command *sub = NULL;
    const char *near;

    if (c->args_len == 0 && !p->options_ended) {
        sub = sub_find(c->command, word);
        if (sub == NULL && c->command == c->parsed->root &&
            c->command->subs != NULL && strcmp(word, "help") == 0) {
            c->parsed->help = true;
            return true;
        }
    }
    if (sub != NULL) {
        command_enter(c, sub);
        return true;
    }
    if (c->command->run == NULL) {
        near = cli_suggest_command(c->command, word);
        (void)cli_usage_error(c, "unknown command '%s'%s%s%s", word,
                              near == NULL ? "" : "; did you mean '",
                              near == NULL ? "" : near,
                              near == NULL ? "" : "'?");
        return false;
    }
    c->args[c->args_len++] = word;
    return true;
}

bool cli_parse(struct cli *c, int argc, char **argv)
{
    struct parser p = {.c = c,
                       .words = argv + (argc > 0 ? 1 : 0),
                       .words_len = argc > 0 ? (size_t)argc - 1 : 0};
    bool ok = true;

    c->args = calloc(p.words_len + 1, sizeof(*c->args));
    if (c->args == NULL) {
        abort();
    }
    /* Known before all others, as errors in them are told in this form. */
    for (size_t i = 0; i < p.words_len && strcmp(p.words[i], "--") != 0; i++) {
        c->json = c->json || strcmp(p.words[i], "--json") == 0;
    }
    while (ok && p.at < p.words_len) {
        char *word = p.words[p.at++];

        if (p.options_ended || !word_is_option(word)) {
            ok = parse_word(&p, word);
        } else if (word[1] != '-') {
            ok = parse_letters(&p, word);
        } else if (word[2] != '\0') {
            ok = parse_long(&p, word);
        } else {
            p.options_ended = true;
        }
    }
    return ok;
}
