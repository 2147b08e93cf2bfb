#ifndef CAIRN_NODE_SELF_H
#define CAIRN_NODE_SELF_H

#include "node/home/config.h"
#include "node/home/home.h"
#include "protocol/charter.h"

/* A member as its home says: keys, and the charter and secret of its network;
 * a steward's node has configuration and card besides. Beside what home.h
 * names, the home of a steward has
 *
 *   cairnd.conf   node/home/config.h
 *   custody       the custodian's half of the card
 *   db/           the catalogue store */

#define SELF_CUSTODY  "custody"
#define SELF_DATABASE "db"

struct self {
    const char *home;     /* Lent. */
    struct config config; /* Stewards; else empty. */
    bool steward;
    struct home_keys *keys; /* Secret memory. */
    struct digest id;
    /* Once the node is in a network; see self_join(). */
    uint8_t *chain;
    size_t chain_size;
    struct charter *charter; /* Lent from |chain|. */
    struct digest net;
    uint8_t *psk; /* Secret memory, HOME_PSK_SIZE bytes. */
};

/* A file of the home, allocated; |name| is one of those above. */
char *self_path(const char *home, const char *name);

/* Read configuration and keys; self_close() is due whatever this returns. */
MUST_CHECK int self_open(struct self *s,
                         const char *home,
                         struct slice passphrase,
                         char *errmsg);
/* The same for a lab or an auditor, who have no configuration. */
MUST_CHECK int self_open_member(struct self *s,
                                const char *home,
                                struct slice passphrase,
                                char *errmsg);
void self_close(struct self *s);

/* The signed card, into |out| of CARD_SIZE_MAX bytes. It is kept in the home:
 * the same card comes out as long as nothing in it changes, and the next one
 * has a higher seq. */
MUST_CHECK int self_card(const struct self *s,
                         struct card *card,
                         uint8_t *out,
                         size_t *size,
                         char *errmsg);

/* Read a charter chain and a network secret, and check all that can be checked:
 * that the chain holds, that we are in it with the keys that we have (as a
 * steward, if we are a node), and that the secret is that of this network.
 * ERR_NOTFOUND when we are not in it, ERR_MISMATCH for other keys or another
 * secret, ERR_BAD, ERR_AUTH, ERR_DENIED, ERR_UNSUPPORTED. */
MUST_CHECK int self_join(struct self *s,
                         const char *chain,
                         const char *psk,
                         char *errmsg);

/* Copy charter chain and secret, with which self_join() has succeeded, into the
 * home. ERR_EXISTS when it is in another network, or in a later epoch. */
MUST_CHECK int self_install(const struct self *s,
                            const char *chain_from,
                            const char *psk_from,
                            char *errmsg);

#endif /* CAIRN_NODE_SELF_H */
