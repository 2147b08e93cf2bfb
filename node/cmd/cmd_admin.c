#include "node/cmd/cmd_admin.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "node/base/text.h"

/* Is it --home that leads to the socket, and nowhere? */
static bool home_is_missing(const struct cli *c)
{
    return cli_value(c, "socket") == NULL && getenv("CAIRN_SOCKET") == NULL &&
           access(c->home, F_OK) != 0 && errno == ENOENT;
}

struct admin_client *cmd_admin_open(struct cli *c, int *code)
{
    char *path = admin_client_path(cli_value(c, "socket"), c->home);
    struct admin_client *a = NULL;
    char errmsg[ERRMSG_SIZE] = "";
    int rv;

    if (path == NULL) {
        *code =
            cli_fail(c, EXIT_CODE_USAGE, "it is not said which cairnd is meant",
                     "give --socket PATH or --home DIR, or set "
                     "CAIRN_SOCKET or CAIRN_HOME");
        return NULL;
    }
    if (home_is_missing(c)) {
        free(path);
        errmsg_set(errmsg, "there is no home '%s'", c->home);
        *code = cli_fail(c, EXIT_CODE_NOT_FOUND, errmsg, "check --home");
        return NULL;
    }
    rv = admin_client_open(&a, path, c->home, errmsg);
    free(path);
    if (rv != OK) {
        *code = cli_fail(c, exit_code_of(rv), errmsg, "check --socket");
        return NULL;
    }
    return a;
}

int cmd_admin_fail(struct cli *c,
                   struct admin_client *a,
                   int rv,
                   const char *errmsg,
                   const char *next)
{
    enum exit_code code = exit_code_of(rv);

    if (!admin_client_answered(a) && rv == ERR_IO) {
        code = EXIT_CODE_UNREACHABLE;
        next = "give the --socket or the --home of the cairnd that is meant";
    } else if (rv == ERR_ORDER) {
        code = EXIT_CODE_WAITING;
    }
    admin_client_close(a);
    return cli_fail(c, code, errmsg,
                    next != NULL ? next
                                 : "nothing was changed; mend that and run it "
                                   "again");
}

bool cmd_id_read(struct cli *c, const char *text, char id[CMD_ID_SIZE])
{
    size_t size = strlen(text);
    char what[CMD_TEXT_SIZE + 64];
    char shown[CMD_TEXT_SIZE];

    if (size < CMD_ID_SHORT || size >= CMD_ID_SIZE ||
        strspn(text, "0123456789abcdefABCDEF") != size) {
        (void)snprintf(what, sizeof(what), "'%s' is no id",
                       cmd_text(shown, text));
        (void)cli_fail(c, EXIT_CODE_USAGE, what,
                       "give its 64 hex digits, or at least the first 8");
        return false;
    }
    for (size_t i = 0; i <= size; i++) {
        id[i] = (char)(text[i] >= 'A' && text[i] <= 'F' ? text[i] - 'A' + 'a'
                                                        : text[i]);
    }
    return true;
}

void cmd_resource(char out[CMD_RESOURCE_SIZE],
                  const char *kind,
                  const char *id,
                  const char *what)
{
    int size = snprintf(out, CMD_RESOURCE_SIZE, "/v1/%s/%s%s%s", kind, id,
                        what != NULL ? "/" : "", what != NULL ? what : "");

    assert(size > 0 && size < CMD_RESOURCE_SIZE);
}

/* U+200E, U+200F, U+2028 .. U+202E and U+2066 .. U+2069, in UTF-8. */
static bool deceives(const char *text)
{
    const uint8_t *u = (const uint8_t *)text;

    return u[0] == 0xe2 && ((u[1] == 0x80 && ((u[2] >= 0xa8 && u[2] <= 0xae) ||
                                              u[2] == 0x8e || u[2] == 0x8f)) ||
                            (u[1] == 0x81 && u[2] >= 0xa6 && u[2] <= 0xa9));
}

char *cmd_text(char out[CMD_TEXT_SIZE], const char *text)
{
    size_t size = strlen(text);
    char *at;

    if (size >= CMD_TEXT_SIZE) {
        size = CMD_TEXT_SIZE - 1;
    }
    memcpy(out, text, size);
    out[size] = '\0';
    text_clean(out);
    for (at = out; *at != '\0'; at++) {
        if (deceives(at)) {
            memcpy(at, "???", 3);
        }
    }
    return out;
}

char *cmd_json_text(char out[CMD_TEXT_SIZE],
                    const json_t *object,
                    const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return cmd_text(out, text != NULL ? text : "-");
}

json_int_t cmd_json_int(const json_t *object, const char *key, json_int_t none)
{
    const json_t *value = json_object_get(object, key);

    return json_is_integer(value) ? json_integer_value(value) : none;
}

void cmd_json_print_list(const json_t *array)
{
    char text[CMD_TEXT_SIZE];
    size_t size = json_array_size(array);

    for (size_t i = 0; i < size; i++) {
        const char *item = json_string_value(json_array_get(array, i));

        printf("%s%s", i > 0 ? ", " : "",
               cmd_text(text, item != NULL ? item : "?"));
    }
    printf("%s\n", size == 0 ? "nobody" : "");
}

int cmd_print_as(struct cli *c, const char *schema, json_t *object)
{
    (void)json_object_del(object, "schema");
    return cli_print_json(c, schema, object);
}
