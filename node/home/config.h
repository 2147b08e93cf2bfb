#ifndef CAIRN_NODE_CONFIG_H
#define CAIRN_NODE_CONFIG_H

#include "node/base/log.h"
#include "node/base/volume.h"
#include "node/link/link.h"
#include "protocol/card.h"

/* The configuration of cairnd: HOME/cairnd.conf, in the syntax of libconfuse.
 * `cairnd init` writes it with comments, people edit it, and `cairnd run` takes
 * it as it stands: every key is known, typed and within its bounds, or the file
 * is refused with the line. It holds no secret. A new key is a row in
 * config_keys.c, a line in config_write.c, and a field here. */

/* Sizes in bytes. A file larger than CONFIG_SIZE_MAX is another file. */
#define CONFIG_FILE         "cairnd.conf"
#define CONFIG_SIZE_MAX     65536U
#define CONFIG_PATH_MAX     1024U
#define CONFIG_OPERATOR_MAX 800U /* A line of an OpenSSH .pub file. */
#define CONFIG_CAPACITY_MIN ((uint64_t)1 << 20)
#define CONFIG_CAPACITY_MAX ((uint64_t)1 << 60)
#define CONFIG_RESERVE      ((uint64_t)1 << 30)
#define CONFIG_FEED_MIN     ((uint64_t)1 << 20)
#define CONFIG_FEED_QUOTA   ((uint64_t)1 << 30)

/* What the file says, and nothing else: texts are terminated, all is within its
 * bounds, and nothing in it is lent. Addresses are HOST:PORT as on a card. */
struct config {
    /* What the card says. */
    char name[CARD_NAME_MAX + 1];
    char organisation[CARD_NAME_MAX + 1];
    char jurisdiction[CARD_PLACE_MAX + 1];
    char provider[CARD_NAME_MAX + 1]; /* May be empty. */
    char addresses[CARD_ADDRESSES_MAX][CARD_ADDRESS_MAX + 1];
    size_t addresses_len;
    char operators[CARD_OPERATORS_MAX][CONFIG_OPERATOR_MAX + 1];
    size_t operators_len;
    /* What the node does. */
    char listen[LINK_LISTEN_MAX][CARD_ADDRESS_MAX + 1];
    size_t listen_len;
    char data[CONFIG_PATH_MAX + 1];    /* Absolute: the volume, ... */
    uint8_t volume_id[VOLUME_ID_SIZE]; /* ... and which it must be. */
    uint64_t capacity;                 /* Bytes that shards may take. */
    /* The same for one lab; 0: an equal share for each lab. */
    uint64_t lab_quota;
    uint64_t feed_quota; /* Bytes of one member's feed that are stored. */
    uint64_t reserve;    /* Bytes of the volume that stay free. */
    /* The socket of the custodian, absolute; empty: there is none. */
    char custodian[CONFIG_PATH_MAX + 1];
    enum log_format log_format;
};

/* Read and check all of it. ERR_NOTFOUND, ERR_IO, ERR_NOMEM, or ERR_BAD;
 * |errmsg| names the file and, where there is one, the line. Not for two
 * threads at once on one |c|. */
MUST_CHECK int config_read(struct config *c, const char *path, char *errmsg);

/* Write a new file with comments that explain each key, durably, 0640.
 * ERR_EXISTS when there is one, ERR_BAD when it could not be read back, and
 * then nothing is written. */
MUST_CHECK int config_write(const struct config *c,
                            const char *path,
                            char *errmsg);

/* Put one value from a command line into its place; |key| is as in the file,
 * and a list grows. ERR_BAD, and then |errmsg| says why, without a file. */
MUST_CHECK int config_put(struct config *c,
                          const char *key,
                          const char *value,
                          char *errmsg);

/* Take the |i|th operator's key apart, of a line that was put. */
void config_operator(const struct config *c, size_t i, struct sshsig_key *key);

#endif /* CAIRN_NODE_CONFIG_H */
