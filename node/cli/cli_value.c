#include "node/cli/cli_parse.h"

/* A name that the command does not have is a mistake of ours. */
static const struct cli_option *option_known(const struct cli *c,
                                             const char *name)
{
    const struct cli_option *option =
        cli_option_find(c->command, name, strlen(name));

    assert(option != NULL);
    return option;
}

static const struct cli_given *given_at(const struct cli *c,
                                        const char *name,
                                        size_t i)
{
    const struct cli_option *option = option_known(c, name);

    for (size_t g = 0; g < c->parsed->given_len; g++) {
        if (c->parsed->given[g].option == option && i-- == 0) {
            return &c->parsed->given[g];
        }
    }
    return NULL;
}

const char *cli_value_at(const struct cli *c, const char *name, size_t i)
{
    const struct cli_given *given = given_at(c, name, i);

    return given == NULL ? NULL : given->value;
}

const char *cli_value(const struct cli *c, const char *name)
{
    return cli_value_at(c, name, 0);
}

size_t cli_count(const struct cli *c, const char *name)
{
    size_t count = 0;

    while (given_at(c, name, count) != NULL) {
        count++;
    }
    return count;
}

bool cli_flag(const struct cli *c, const char *name)
{
    return given_at(c, name, 0) != NULL;
}

bool cli_uint(struct cli *c,
              const char *name,
              uint64_t min,
              uint64_t max,
              uint64_t *out)
{
    const char *text = cli_value(c, name);
    uint64_t value = 0;

    if (text == NULL) {
        return true;
    }
    if (!text_number_read(text, &value)) {
        (void)cli_usage_error(c, "--%s: '%s' is not a whole number", name,
                              text);
        return false;
    }
    if (value < min || value > max) {
        (void)cli_usage_error(c, "--%s: %s is not within %llu..%llu", name,
                              text, (unsigned long long)min,
                              (unsigned long long)max);
        return false;
    }
    *out = value;
    return true;
}

/* As text_size(), but in bytes when that would round. */
static char *size_exact(char *out, uint64_t bytes)
{
    uint64_t again = 0;
    char *point;

    text_size(out, bytes);
    point = strstr(out, ".0");
    if (point != NULL) {
        memmove(point, point + 2, strlen(point + 2) + 1);
    }
    if (!text_size_read(out, &again) || again != bytes) {
        (void)snprintf(out, TEXT_SIZE, "%llu", (unsigned long long)bytes);
    }
    return out;
}

bool cli_size(struct cli *c,
              const char *name,
              uint64_t min,
              uint64_t max,
              uint64_t *out)
{
    const char *text = cli_value(c, name);
    uint64_t value = 0;
    char from[TEXT_SIZE];
    char to[TEXT_SIZE];

    if (text == NULL) {
        return true;
    }
    if (!text_size_read(text, &value)) {
        (void)cli_usage_error(c,
                              "--%s: '%s' is not a whole size such as "
                              "4096, 256KiB or 5GB",
                              name, text);
        return false;
    }
    if (value < min || value > max) {
        (void)cli_usage_error(c, "--%s: %s is not within %s..%s", name, text,
                              size_exact(from, min), size_exact(to, max));
        return false;
    }
    *out = value;
    return true;
}
