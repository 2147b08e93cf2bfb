#include "node/home/config.h"

#include <confuse.h>
#include <stdlib.h>

#include "node/base/text.h"
#include "node/home/config_internal.h"

/* A file is read: libconfuse knows the syntax, config_keys[] the rest. */

/* What is under way: the callbacks of libconfuse are told nothing of ours. */
struct reading {
    struct config *config;
    const char *path;
    unsigned taken[CONFIG_KEYS]; /* Values. */
    bool complete[CONFIG_KEYS];
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
    size_t i = config_key_find(opt->name);
    unsigned len = cfg_opt_size(opt);
    char errmsg[ERRMSG_SIZE];

    if (reading->complete[i]) {
        cfg_error(cfg, "'%s' is given twice", opt->name);
        return -1;
    }
    reading->complete[i] = !config_keys[i].list || len == reading->taken[i];
    while (reading->taken[i] < len) {
        const char *value = cfg_opt_getnstr(opt, reading->taken[i]++);

        if (config_keys[i].put(reading->config, value, errmsg) != OK) {
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
    cfg_opt_t opts[CONFIG_KEYS + 1];
    cfg_t *cfg;
    int rv;

    for (size_t i = 0; i < CONFIG_KEYS; i++) {
        opts[i] =
            config_keys[i].list
                ? (cfg_opt_t)CFG_STR_LIST(config_keys[i].name, NULL,
                                          CFGF_NODEFAULT)
                : (cfg_opt_t)CFG_STR(config_keys[i].name, NULL, CFGF_NODEFAULT);
    }
    opts[CONFIG_KEYS] = (cfg_opt_t)CFG_END();
    cfg = cfg_init(opts, CFGF_NONE);
    if (cfg == NULL) {
        return errmsg_memory(reading->errmsg);
    }
    (void)cfg_set_error_function(cfg, on_error);
    for (size_t i = 0; i < CONFIG_KEYS; i++) {
        (void)cfg_set_validate_func(cfg, config_keys[i].name, on_value);
    }
    rv = cfg_parse_buf(cfg, text) == CFG_SUCCESS && !reading->failed ? OK
                                                                     : ERR_BAD;
    (void)cfg_free(cfg);
    if (rv != OK && !reading->failed) {
        errmsg_set(reading->errmsg, "%s: the file cannot be read",
                   reading->path);
    }
    for (size_t i = 0; i < CONFIG_KEYS && rv == OK; i++) {
        if (!config_keys[i].optional && reading->taken[i] == 0) {
            errmsg_set(reading->errmsg, "%s: '%s' is missing", reading->path,
                       config_keys[i].name);
            rv = ERR_BAD;
        }
    }
    return rv;
}

int config_parse(struct config *c,
                 const char *path,
                 struct slice data,
                 char *errmsg)
{
    struct config got = {.feed_quota = CONFIG_FEED_QUOTA,
                         .reserve = CONFIG_RESERVE,
                         .log_format = LOG_TEXT};
    struct reading state = {.config = &got, .path = path, .errmsg = errmsg};
    char *text = strndup((const char *)data.data, data.size);
    int rv;

    if (text == NULL) {
        return errmsg_memory(errmsg);
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
