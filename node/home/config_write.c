#include <stdlib.h>

#include "node/base/text.h"
#include "node/home/config_internal.h"

/* A file with comments that explain each key. */

/* In double quotes, with what libconfuse would take for something else. */
static void quote(FILE *out, const char *text)
{
    (void)fputc('"', out);
    for (; *text != '\0'; text++) {
        if (strchr("\"\\$", *text) != NULL) {
            (void)fputc('\\', out);
        }
        (void)fputc(*text, out);
    }
    (void)fputc('"', out);
}

static void put(FILE *out,
                const char *comment,
                const char *key,
                const char *value)
{
    (void)fprintf(out, "\n%s%s = ", comment, key);
    quote(out, value);
    (void)fputc('\n', out);
}

static void put_list(FILE *out,
                     const char *comment,
                     const char *key,
                     const char *first,
                     size_t stride,
                     size_t len)
{
    (void)fprintf(out, "\n%s%s = {", comment, key);
    for (size_t i = 0; i < len; i++) {
        (void)fputs(i == 0 ? "\n    " : ",\n    ", out);
        quote(out, first + i * stride);
    }
    (void)fputs("\n}\n", out);
}

/* Exact, in the largest unit that divides it. */
static const char *size_exact(char out[TEXT_SIZE], uint64_t size)
{
    static const char *const units[] = {"", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;

    while (size != 0 && size % 1024 == 0 &&
           unit + 1 < sizeof(units) / sizeof(units[0])) {
        size /= 1024;
        unit++;
    }
    (void)snprintf(out, TEXT_SIZE, "%llu%s", (unsigned long long)size,
                   units[unit]);
    return out;
}

static void config_print(FILE *out, const struct config *c)
{
    char id[2 * VOLUME_ID_SIZE + 1], size[TEXT_SIZE];

    (void)fputs("# cairnd of this steward. 'cairnd check-config' tells whether "
                "it is right;\n"
                "# a running cairnd takes changes when it is restarted.\n"
                "\n"
                "# --- The card: who this steward is. After a change here make "
                "a new card\n"
                "# (cairnd card) and bring it into the charter.\n",
                out);
    put(out, "", "name", c->name);
    put(out, "", "organisation", c->organisation);
    put(out, "# Whose courts it answers to, such as NL.\n", "jurisdiction",
        c->jurisdiction);
    put(out, "# Whose machines it runs on; empty: its own.\n", "provider",
        c->provider);
    put_list(out, "# Where other members reach it.\n", "addresses",
             c->addresses[0], sizeof(c->addresses[0]), c->addresses_len);
    put_list(out,
             "# SSH keys of its operators, who vote and approve. Their secret "
             "halves never\n# come near this machine.\n",
             "operators", c->operators[0], sizeof(c->operators[0]),
             c->operators_len);
    (void)fputs("\n# --- The node.\n", out);
    put_list(out, "# Where it accepts connections; 0.0.0.0 and [::] are all.\n",
             "listen", c->listen[0], sizeof(c->listen[0]), c->listen_len);
    put(out, "# The folder of the shards, as a rule the root of a disk.\n",
        "data", c->data);
    put(out,
        "# Which disk that must be: the id in its file " VOLUME_MARKER ".\n",
        "volume", text_hex(id, c->volume_id, VOLUME_ID_SIZE));
    put(out, "# What shards may take in all; offers beyond are refused.\n",
        "capacity", size_exact(size, c->capacity));
    put(out,
        "# What the shards of one lab may take of it; 0: each lab of the "
        "charter has an\n# equal share.\n",
        "lab-quota", size_exact(size, c->lab_quota));
    put(out,
        "# What the feed of one member, all that it signs, may take of the "
        "database.\n# Nothing more of a feed that is full is taken; "
        "'cairn status' names it.\n",
        "feed-quota", size_exact(size, c->feed_quota));
    put(out, "# What stays free on that disk whatever the capacity says.\n",
        "reserve", size_exact(size, c->reserve));
    put(out,
        "# The socket on which cairn-custodian serves this node, such as\n"
        "# /run/cairn-custodian/socket. Empty: none; the node then takes no\n"
        "# key shares and releases nothing.\n",
        "custodian", c->custodian);
    put(out, "# text for people, json for machines.\n", "log-format",
        log_format_name(c->log_format));
}

int config_write(const struct config *c, const char *path, char *errmsg)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    struct config *back = malloc(sizeof(*back));
    int rv = ERR_NOMEM;

    if (out != NULL) {
        config_print(out, c);
        if (fclose(out) == 0 && back != NULL) {
            rv = config_parse(back, path, slice_of(text, size), errmsg);
        }
    }
    if (rv == ERR_NOMEM) {
        (void)errmsg_memory(errmsg);
    }
    if (rv == OK) {
        rv = file_write(path, slice_of(text, size), 0640, FILE_NEW, errmsg);
    }
    free(back);
    free(text);
    return rv;
}
