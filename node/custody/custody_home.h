#ifndef CAIRN_NODE_CUSTODY_HOME_H
#define CAIRN_NODE_CUSTODY_HOME_H

#include "crypto/hpke.h"
#include "node/base/volume.h"
#include "node/home/home.h"
#include "protocol/charter.h"

/* The home of a custodian: a folder, 0700, with
 *
 *   keys          a key file: E, D and the key of the store
 *   card          the custodian's half of its steward's card, public
 *   store/        key shares and decisions (custody_store.h); may be on a
 *                 disk of its own
 *   charter       the chain of charters of its network, once it is pinned
 *   network.psk   the network secret
 *   lock          held by whoever changes the home
 *   socket        where cairnd connects, while the custodian runs
 *
 * A home that has a charter is pinned: to that network for good, and never
 * again to an earlier epoch. */

#define CUSTODY_HOME_KEYS    "keys"
#define CUSTODY_HOME_CARD    "card"
#define CUSTODY_HOME_STORE   "store"
#define CUSTODY_HOME_CHARTER "charter"
#define CUSTODY_HOME_PSK     "network.psk"
#define CUSTODY_HOME_LOCK    "lock"
#define CUSTODY_HOME_SOCKET  "socket"

#define CUSTODY_STORE_KEY_SIZE 32

struct custody_keys {
    uint8_t hpke_sk[HPKE_KEY_SIZE]; /* E */
    struct sign_key sign;           /* D */
    uint8_t store[CUSTODY_STORE_KEY_SIZE];
};

/* The public halves of E and D, as the card has them. */
struct custody_card {
    uint8_t hpke_pk[HPKE_KEY_SIZE];
    uint8_t sign_pk[SIGN_PK_SIZE];
};

/* Make the folder, new keys, the card and an empty store. ERR_EXISTS when
 * anything of a custodian is there already, and then nothing is changed. */
MUST_CHECK int custody_home_create(const char *home,
                                   struct slice passphrase,
                                   char *errmsg);

/* ERR_NOTFOUND when there is no custodian here; ERR_BAD. */
MUST_CHECK int custody_home_card(const char *home,
                                 struct custody_card *card,
                                 char *errmsg);

/* The keys, in secret memory; free with secret_free(). ERR_NOTFOUND, ERR_AUTH
 * for a wrong passphrase, ERR_BAD. */
MUST_CHECK int custody_home_keys(const char *home,
                                 struct slice passphrase,
                                 struct custody_keys **keys,
                                 char *errmsg);

/* Are these the keys of that card? */
bool custody_keys_fit(const struct custody_keys *keys,
                      const struct custody_card *card);

/* The id of the store's volume: every custodian has one store, for good. */
void custody_home_store_id(const struct custody_card *card,
                           uint8_t id[VOLUME_ID_SIZE]);

/* Keep others from changing the home: a descriptor to close() in the end, or
 * ERR_BUSY with the holder's process in |errmsg|, or ERR_IO. */
MUST_CHECK int custody_home_lock(const char *home, char *errmsg);

/* --- The network --------------------------------------------------------- */

/* A charter that was verified, the steward in it that is ours, and the network
 * secret. */
struct custody_network {
    uint8_t *chain;
    size_t chain_size;
    struct charter *charter; /* Lent from |chain|. */
    struct digest net;
    const struct card *steward; /* In |charter|. */
    uint8_t *psk;               /* Secret memory, HOME_PSK_SIZE bytes; or NULL
                                 * when it was not asked for. */
};

/* Read and check a chain of charters and, unless |psk| is NULL, a network
 * secret: that the chain holds, that the card is that of a steward in it, that
 * the secret is that of the charter. custody_network_close() is due whatever
 * this returns. ERR_NOTFOUND (a file, or no steward has these keys),
 * ERR_MISMATCH for another secret, ERR_BAD, ERR_AUTH, ERR_DENIED,
 * ERR_UNSUPPORTED, ERR_NOMEM. */
MUST_CHECK int custody_network_read(struct custody_network *n,
                                    const struct custody_card *card,
                                    const char *chain,
                                    const char *psk,
                                    char *errmsg);
void custody_network_close(struct custody_network *n);

/* As above, from the home; |with_psk| asks for the secret too. ERR_NOTFOUND
 * when it is not pinned. */
MUST_CHECK int custody_network_pinned(struct custody_network *n,
                                      const struct custody_card *card,
                                      const char *home,
                                      bool with_psk,
                                      char *errmsg);

/* May the home be pinned to |n|? OK, and |*same| when it is already; ERR_EXISTS
 * when it is pinned to another network, to a later epoch of it, or to another
 * charter of the same epoch. */
MUST_CHECK int custody_pin_check(const char *home,
                                 const struct custody_card *card,
                                 const struct custody_network *n,
                                 bool *same,
                                 char *errmsg);

/* Pin the home to |n|, secret included, after custody_pin_check() and with the
 * lock held. */
MUST_CHECK int custody_pin(const char *home,
                           const struct custody_network *n,
                           char *errmsg);

#endif /* CAIRN_NODE_CUSTODY_HOME_H */
