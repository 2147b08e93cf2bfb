#ifndef CAIRN_NODE_RECIPIENT_KEYS_H
#define CAIRN_NODE_RECIPIENT_KEYS_H

#include "crypto/hpke.h"
#include "crypto/noise.h"
#include "node/base/file.h"

/* The recipient's key file: made by `cairn release request`, needed again by
 * `cairn recover --ticket`. Its public halves stand in the request; whoever
 * has the file and the ticket can open what is released. A key file of
 * crypto/keyfile.h, 0600, with or without a passphrase. */

struct recipient_keys {
    uint8_t hpke_sk[HPKE_KEY_SIZE]; /* Secret. */
    uint8_t hpke_pk[HPKE_KEY_SIZE];
    struct noise_keypair transport;
    /* What they were made for. The public halves are known to many, so that a
     * ticket can be made up around them; what it leads to must be this. */
    struct digest net, manifest_hash;
};

/* Make new keys into |path|, for that manifest of that network; an empty
 * passphrase leaves them in the clear. ERR_EXISTS when there is a file: it is
 * never overwritten. |*keys| is secret memory; free it with secret_free(). */
MUST_CHECK int recipient_keys_create(const char *path,
                                     struct slice passphrase,
                                     const struct digest *net,
                                     const struct digest *manifest_hash,
                                     struct recipient_keys **keys,
                                     char *errmsg);

/* Does the file ask for a passphrase? ERR_NOTFOUND, ERR_DENIED when others may
 * read it, ERR_BAD when it is no recipient's key file. */
MUST_CHECK int recipient_keys_is_sealed(const char *path,
                                        bool *sealed,
                                        char *errmsg);

/* Read them into secret memory; free with secret_free(). Public halves are
 * computed. ERR_NOTFOUND, ERR_DENIED, ERR_AUTH for a wrong passphrase,
 * ERR_BAD. */
MUST_CHECK int recipient_keys_read(const char *path,
                                   struct slice passphrase,
                                   struct recipient_keys **keys,
                                   char *errmsg);

#endif /* CAIRN_NODE_RECIPIENT_KEYS_H */
