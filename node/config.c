#include "node/config.h"

#include <confuse.h>
#include <stdlib.h>

#include "node/text.h"
#include "protocol/text.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* --- One value ----------------------------------------------------------- */

/* How one key is read. |at| is where in struct config. */
struct key {
    const char *name;
    bool list, optional;
    int (*put)(struct config *c, const char *value, char *errmsg);
};

/* A plain text of at most |max| bytes, 0 of them only where |empty|. */
static int text_put(char *out,
                    size_t max,
                    bool empty,
                    const char *value,
                    char *errmsg)
{
    struct slice text = slice_str(value);

    if (!text_is_plain(text) || text.size > max || (text.size == 0 && !empty)) {
        errmsg_set(
            errmsg,
            "must be %d to %zu bytes of UTF-8 without control characters",
            empty ? 0 : 1, max);
        return ERR_BAD;
    }
    memcpy(out, value, text.size + 1);
    return OK;
}

static int name_put(struct config *c, const char *value, char *errmsg)
{
    return text_put(c->name, CARD_NAME_MAX, false, value, errmsg);
}

static int organisation_put(struct config *c, const char *value, char *errmsg)
{
    return text_put(c->organisation, CARD_NAME_MAX, false, value, errmsg);
}

static int jurisdiction_put(struct config *c, const char *value, char *errmsg)
{
    return text_put(c->jurisdiction, CARD_PLACE_MAX, false, value, errmsg);
}

static int provider_put(struct config *c, const char *value, char *errmsg)
{
    return text_put(c->provider, CARD_NAME_MAX, true, value, errmsg);
}

/* One more of a list of addresses. */
static int address_put(char (*list)[CARD_ADDRESS_MAX + 1],
                       size_t max,
                       size_t *len,
                       const char *value,
                       char *errmsg)
{
    struct slice text = slice_str(value);

    if (*len == max) {
        errmsg_set(errmsg, "has more than %zu addresses", max);
        return ERR_BAD;
    }
    if (text.size > CARD_ADDRESS_MAX || !card_address_is_valid(text)) {
        errmsg_set(errmsg,
                   "'%.100s' is no address; write HOST:PORT or "
                   "[IPV6]:PORT, in lower case",
                   value);
        return ERR_BAD;
    }
    memcpy(list[*len], value, text.size + 1);
    (*len)++;
    return OK;
}

static int addresses_put(struct config *c, const char *value, char *errmsg)
{
    return address_put(c->addresses, CARD_ADDRESSES_MAX, &c->addresses_len,
                       value, errmsg);
}

static int listen_put(struct config *c, const char *value, char *errmsg)
{
    return address_put(c->listen, LINK_LISTEN_MAX, &c->listen_len, value,
                       errmsg);
}

static int operators_put(struct config *c, const char *value, char *errmsg)
{
    size_t size = strlen(value);
    struct sshsig_key key;
    int rv;

    if (c->operators_len == CARD_OPERATORS_MAX) {
        errmsg_set(errmsg, "has more than %u keys", CARD_OPERATORS_MAX);
        return ERR_BAD;
    }
    rv = size > CONFIG_OPERATOR_MAX || !text_is_plain(slice_str(value))
             ? ERR_BAD
             : sshsig_key_parse(&key, slice_str(value));
    if (rv != OK) {
        errmsg_set(errmsg,
                   "'%.40s...' is no operator's key; give a line of a .pub "
                   "file of type ssh-ed25519 or sk-ssh-ed25519@openssh.com",
                   value);
        return ERR_BAD;
    }
    for (size_t i = 0; i < c->operators_len; i++) {
        struct sshsig_key other;

        config_operator(c, i, &other);
        if (slice_equal(slice_of(other.blob, other.blob_size),
                        slice_of(key.blob, key.blob_size))) {
            errmsg_set(errmsg, "has the same key twice");
            return ERR_BAD;
        }
    }
    memcpy(c->operators[c->operators_len++], value, size + 1);
    return OK;
}

static int path_put(char *out, const char *value, char *errmsg)
{
    if (value[0] != '/') {
        errmsg_set(errmsg, "must be an absolute path, beginning with '/'");
        return ERR_BAD;
    }
    return text_put(out, CONFIG_PATH_MAX, false, value, errmsg);
}

static int data_put(struct config *c, const char *value, char *errmsg)
{
    return path_put(c->data, value, errmsg);
}

static int custodian_put(struct config *c, const char *value, char *errmsg)
{
    if (value[0] == '\0') {
        c->custodian[0] = '\0';
        return OK;
    }
    return path_put(c->custodian, value, errmsg);
}

static int volume_put(struct config *c, const char *value, char *errmsg)
{
    if (!text_hex_read(value, c->volume_id, VOLUME_ID_SIZE)) {
        errmsg_set(errmsg,
                   "must be the %u hex digits that stand in the file '%s' of "
                   "the volume",
                   2 * VOLUME_ID_SIZE, VOLUME_MARKER);
        return ERR_BAD;
    }
    return OK;
}

static int size_put(uint64_t *out,
                    uint64_t min,
                    uint64_t max,
                    const char *value,
                    char *errmsg)
{
    char low[TEXT_SIZE], high[TEXT_SIZE];
    uint64_t size;

    if (!text_size_read(value, &size) || size < min || size > max) {
        errmsg_set(errmsg,
                   "must be a size from %s to %s, a whole number such as "
                   "500GiB",
                   text_size(low, min), text_size(high, max));
        return ERR_BAD;
    }
    *out = size;
    return OK;
}

static int capacity_put(struct config *c, const char *value, char *errmsg)
{
    return size_put(&c->capacity, CONFIG_CAPACITY_MIN, CONFIG_CAPACITY_MAX,
                    value, errmsg);
}

static int reserve_put(struct config *c, const char *value, char *errmsg)
{
    return size_put(&c->reserve, 0, CONFIG_CAPACITY_MAX, value, errmsg);
}

static int log_format_put(struct config *c, const char *value, char *errmsg)
{
    if (strcmp(value, log_format_name(LOG_TEXT)) == 0) {
        c->log_format = LOG_TEXT;
    } else if (strcmp(value, log_format_name(LOG_JSON)) == 0) {
        c->log_format = LOG_JSON;
    } else {
        errmsg_set(errmsg, "must be text or json");
        return ERR_BAD;
    }
    return OK;
}

static const struct key keys[] = {
    {"name", false, false, name_put},
    {"organisation", false, false, organisation_put},
    {"jurisdiction", false, false, jurisdiction_put},
    {"provider", false, true, provider_put},
    {"addresses", true, false, addresses_put},
    {"operators", true, false, operators_put},
    {"listen", true, false, listen_put},
    {"data", false, false, data_put},
    {"volume", false, false, volume_put},
    {"capacity", false, false, capacity_put},
    {"reserve", false, true, reserve_put},
    {"custodian", false, true, custodian_put},
    {"log-format", false, true, log_format_put},
};

static size_t key_find(const char *name)
{
    size_t i = 0;

    while (i < COUNT(keys) && strcmp(keys[i].name, name) != 0) {
        i++;
    }
    assert(i < COUNT(keys));
    return i;
}

int config_put(struct config *c,
               const char *key,
               const char *value,
               char *errmsg)
{
    return keys[key_find(key)].put(c, value, errmsg);
}

void config_operator(const struct config *c, size_t i, struct sshsig_key *key)
{
    int rv = sshsig_key_parse(key, slice_str(c->operators[i]));

    assert(i < c->operators_len && rv == OK);
    (void)rv;
}

const char *log_format_name(enum log_format format)
{
    return format == LOG_JSON ? "json" : "text";
}

/* --- A file -------------------------------------------------------------- */

/* What is under way: the callbacks of libconfuse are told nothing of ours. */
struct reading {
    struct config *config;
    const char *path;
    unsigned taken[COUNT(keys)]; /* Values. */
    bool complete[COUNT(keys)];
    char *errmsg;
    bool failed; /* The first error is the one to tell. */
};

static _Thread_local struct reading *reading;

static void on_error(cfg_t *cfg, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

static void on_error(cfg_t *cfg, const char *format, va_list args)
{
    char text[ERRMSG_SIZE / 2];

    if (reading->failed) {
        return;
    }
    reading->failed = true;
    (void)vsnprintf(text, sizeof(text), format, args);
    text_clean(text);
    errmsg_set(reading->errmsg, "%s:%d: %s", reading->path, cfg->line, text);
}

/* Called after each value, and at the end of a list once more. */
static int on_value(cfg_t *cfg, cfg_opt_t *opt)
{
    size_t i = key_find(opt->name);
    unsigned len = cfg_opt_size(opt);
    char errmsg[ERRMSG_SIZE];

    if (reading->complete[i]) {
        cfg_error(cfg, "'%s' is given twice", opt->name);
        return -1;
    }
    reading->complete[i] = !keys[i].list || len == reading->taken[i];
    while (reading->taken[i] < len) {
        const char *value = cfg_opt_getnstr(opt, reading->taken[i]++);

        if (keys[i].put(reading->config, value, errmsg) != OK) {
            cfg_error(cfg, "'%s' %s", opt->name, errmsg);
            return -1;
        }
    }
    return 0;
}

/* Where the comment at |at| ends, or |at| when there is none. |first|: no word
 * has begun. */
static const char *comment_end(const char *at, bool first)
{
    const char *end;

    if (*at == '#' || (first && at[0] == '/' && at[1] == '/')) {
        return at + strcspn(at, "\n");
    }
    if (at[0] == '/' && at[1] == '*') {
        end = strstr(at + 2, "*/");
        return end != NULL ? end + 2 : at;
    }
    return at;
}

/* Put spaces for comments: libconfuse 3.3 counts the lines behind them wrong,
 * and an error must name the right one. */
static void comments_blank(char *text)
{
    char quoted = '\0';
    bool first = true;

    for (char *at = text; *at != '\0'; at++) {
        if (quoted != '\0') {
            if (*at == quoted) {
                quoted = '\0';
            }
            at += *at == '\\' && at[1] != '\0' ? 1 : 0;
        } else if (*at == '"' || *at == '\'') {
            quoted = *at;
        } else {
            const char *end = comment_end(at, first);

            for (; at < end; at++) {
                if (*at != '\n') {
                    *at = ' ';
                }
            }
            if (*at == '\0') {
                return;
            }
            first = strchr(" \t\r\n={}(),+", *at) != NULL;
        }
    }
}

static int text_parse(char *text)
{
    cfg_opt_t opts[COUNT(keys) + 1];
    cfg_t *cfg;
    int rv;

    for (size_t i = 0; i < COUNT(keys); i++) {
        opts[i] =
            keys[i].list
                ? (cfg_opt_t)CFG_STR_LIST(keys[i].name, NULL, CFGF_NODEFAULT)
                : (cfg_opt_t)CFG_STR(keys[i].name, NULL, CFGF_NODEFAULT);
    }
    opts[COUNT(keys)] = (cfg_opt_t)CFG_END();
    cfg = cfg_init(opts, CFGF_NONE);
    if (cfg == NULL) {
        errmsg_set(reading->errmsg, "out of memory");
        return ERR_NOMEM;
    }
    (void)cfg_set_error_function(cfg, on_error);
    for (size_t i = 0; i < COUNT(keys); i++) {
        (void)cfg_set_validate_func(cfg, keys[i].name, on_value);
    }
    rv = cfg_parse_buf(cfg, text) == CFG_SUCCESS && !reading->failed ? OK
                                                                     : ERR_BAD;
    (void)cfg_free(cfg);
    if (rv != OK && !reading->failed) {
        errmsg_set(reading->errmsg, "%s: the file cannot be read",
                   reading->path);
    }
    for (size_t i = 0; i < COUNT(keys) && rv == OK; i++) {
        if (!keys[i].optional && reading->taken[i] == 0) {
            errmsg_set(reading->errmsg, "%s: '%s' is missing", reading->path,
                       keys[i].name);
            rv = ERR_BAD;
        }
    }
    return rv;
}

static int config_parse(struct config *c,
                        const char *path,
                        struct slice data,
                        char *errmsg)
{
    struct config got = {.reserve = CONFIG_RESERVE, .log_format = LOG_TEXT};
    struct reading state = {.config = &got, .path = path, .errmsg = errmsg};
    char *text = strndup((const char *)data.data, data.size);
    int rv;

    if (text == NULL) {
        errmsg_set(errmsg, "out of memory");
        return ERR_NOMEM;
    }
    if (strlen(text) != data.size) {
        errmsg_set(errmsg, "%s: a byte zero stands in this file", path);
        free(text);
        return ERR_BAD;
    }
    comments_blank(text);
    reading = &state;
    rv = text_parse(text);
    reading = NULL;
    free(text);
    if (rv == OK) {
        *c = got;
    }
    return rv;
}

int config_read(struct config *c, const char *path, char *errmsg)
{
    uint8_t *data = NULL;
    size_t size = 0;
    int rv = file_read(path, CONFIG_SIZE_MAX, &data, &size, errmsg);

    if (rv != OK) {
        return rv == ERR_FULL ? ERR_BAD : rv;
    }
    rv = config_parse(c, path, slice_of(data, size), errmsg);
    free(data);
    return rv;
}

/* --- Writing ------------------------------------------------------------- */

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

    while (size != 0 && size % 1024 == 0 && unit + 1 < COUNT(units)) {
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
        errmsg_set(errmsg, "out of memory");
    }
    if (rv == OK) {
        rv = file_write(path, slice_of(text, size), 0640, FILE_NEW, errmsg);
    }
    free(back);
    free(text);
    return rv;
}
