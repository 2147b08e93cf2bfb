#include <stdarg.h>
#include <stdlib.h>

#include "node/cli/cli_parse.h"

/* |text| fit to be shown; the caller frees it. */
static char *clean_copy(const char *text)
{
    char *copy = strdup(text);

    if (copy == NULL) {
        abort();
    }
    text_clean(copy);
    return copy;
}

static const char *command_path(const struct cli *c)
{
    if (c->parsed != NULL) {
        return c->parsed->path;
    }
    return c->program != NULL ? c->program : "cairn";
}

/* Print |object| (stolen) on one line. */
static bool json_line(FILE *f, json_t *object)
{
    bool ok = object != NULL && json_dumpf(object, f, JSON_COMPACT) == 0 &&
              fputc('\n', f) != EOF && fflush(f) == 0;

    json_decref(object);
    return ok;
}

int cli_fail(struct cli *c,
             enum exit_code code,
             const char *what,
             const char *next)
{
    char pointer[CLI_PATH_SIZE + 16];
    char *said = clean_copy(what);

    assert(next != NULL || code == EXIT_CODE_USAGE);
    if (next == NULL) {
        (void)snprintf(pointer, sizeof(pointer), "see: %s --help",
                       command_path(c));
        next = pointer;
    }
    progress_hide();
    if (c->json) {
        (void)json_line(stderr, json_pack("{s:s, s:s, s:s, s:s, s:i}", "schema",
                                          "cairn.error/1", "command",
                                          command_path(c), "error", said,
                                          "next", next, "code", (int)code));
    } else {
        (void)fprintf(stderr, "%s: %s\n%s\n", command_path(c), said, next);
    }
    free(said);
    return (int)code;
}

int cli_usage_error(struct cli *c, const char *format, ...)
{
    char what[CLI_WHAT_SIZE];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    return cli_fail(c, EXIT_CODE_USAGE, what, NULL);
}

void cli_note(const struct cli *c, const char *format, ...)
{
    char note[2 * ERRMSG_SIZE];
    va_list args;

    if (c->quiet) {
        return;
    }
    va_start(args, format);
    (void)vsnprintf(note, sizeof(note), format, args);
    va_end(args);
    text_clean(note);
    progress_hide();
    if (c->json) {
        (void)json_line(stderr, json_pack("{s:s, s:s}", "schema",
                                          "cairn.note/1", "note", note));
    } else {
        (void)fprintf(stderr, "%s\n", note);
    }
}

int cli_print_json(struct cli *c, const char *schema, json_t *object)
{
    json_t *line = NULL;

    if (object != NULL) {
        /* A new object, so that the schema comes first. */
        line = json_pack("{s:s}", "schema", schema);
        if (line != NULL && json_object_update_new(line, object) != 0) {
            json_decref(line);
            line = NULL;
        }
    }
    if (line == NULL) {
        return cli_fail(c, EXIT_CODE_FAILED,
                        "the result does not go into JSON: no memory, or a "
                        "name that is not UTF-8",
                        "run it again without --json");
    }
    progress_hide();
    if (!json_line(stdout, line)) {
        return cli_fail(c, EXIT_CODE_FAILED,
                        "the result could not be written to standard output",
                        "check where the output goes, and run it again");
    }
    return EXIT_CODE_OK;
}

enum exit_code exit_code_of(int status)
{
    switch ((enum status)status) {
    case OK:
        return EXIT_CODE_OK;
    case ERR_BAD:
    case ERR_MISMATCH:
        return EXIT_CODE_INTEGRITY;
    case ERR_AUTH:
    case ERR_DENIED:
        return EXIT_CODE_DENIED;
    case ERR_NOTFOUND:
        return EXIT_CODE_NOT_FOUND;
    case ERR_CANCELED:
        return EXIT_CODE_INTERRUPTED;
    case ERR_BUSY:
        return EXIT_CODE_LOCKED;
    case ERR_UNSUPPORTED:
    case ERR_EXISTS:
    case ERR_FULL:
    case ERR_ORDER:
    case ERR_IO:
    case ERR_NOMEM:
        return EXIT_CODE_FAILED;
    }
    return EXIT_CODE_FAILED;
}
