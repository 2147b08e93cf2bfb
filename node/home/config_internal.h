#ifndef CAIRN_NODE_CONFIG_INTERNAL_H
#define CAIRN_NODE_CONFIG_INTERNAL_H

#include "node/home/config.h"

/* The inside of config.h.
 *
 *   config.c        a file is read, by libconfuse
 *   config_keys.c   every key: its kind, its bounds, its place
 *   config_write.c  a file with comments is written */

/* --- config_keys.c ------------------------------------------------------- */

/* How one key is read. */
struct config_key {
    const char *name;
    bool list;     /* Of values; put() appends. */
    bool optional; /* A file may lack it. */
    int (*put)(struct config *c, const char *value, char *errmsg);
};

#define CONFIG_KEYS 15
extern const struct config_key config_keys[]; /* CONFIG_KEYS of them. */

/* The index of a key that is known. */
size_t config_key_find(const char *name);

/* --- config.c ------------------------------------------------------------ */

/* Take the text of a file; |path| is for errors only. |c| is written only on
 * success. */
MUST_CHECK int config_parse(struct config *c,
                            const char *path,
                            struct slice text,
                            char *errmsg);

#endif /* CAIRN_NODE_CONFIG_INTERNAL_H */
