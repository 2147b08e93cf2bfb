#ifndef CAIRN_NODE_HOME_H
#define CAIRN_NODE_HOME_H

#include "crypto/group.h"
#include "crypto/keyfile.h"
#include "crypto/noise.h"
#include "crypto/sign.h"
#include "node/base/file.h"

/* The home of a member, lab, steward or auditor: a folder, 0700, with
 *
 *   keys          a key file: N (feed and identity), X (transport), V (VRF)
 *   card          its public description and keys, as others get it
 *   charter       the chain of charters of its network, once it is in one
 *   network.psk   the network secret: a key file without a passphrase
 *
 * and what its programs add. Keys are made here and never leave. */

struct home_keys {
    struct sign_key node;           /* N; its first is the member's id. */
    struct noise_keypair transport; /* X */
    struct scalar vrf;              /* V, its secret half. */
    uint32_t incarnation;           /* Of its feed. */
};

#define HOME_PSK_SIZE 32

/* Make the folder and new keys; ERR_EXISTS when there are keys already. An
 * empty passphrase leaves them in the clear, 0600, for a service that starts
 * unattended. */
MUST_CHECK int home_create(const char *home,
                           struct slice passphrase,
                           char *errmsg);

/* Before a home is made: ERR_EXISTS, naming it, when one of |names| is in the
 * folder. Nothing that is there is made anew or written over. */
MUST_CHECK int home_lacks(const char *home,
                          const char *const *names,
                          size_t names_len,
                          char *errmsg);

/* Do the keys ask for a passphrase? ERR_NOTFOUND when there are none. */
MUST_CHECK int home_is_sealed(const char *home, bool *sealed, char *errmsg);

/* The keys, in secret memory; free with secret_free(). ERR_NOTFOUND, ERR_AUTH
 * for a wrong passphrase, ERR_BAD. */
MUST_CHECK int home_keys_read(const char *home,
                              struct slice passphrase,
                              struct home_keys **keys,
                              char *errmsg);

/* The public half of V. */
void home_vrf_pk(const struct home_keys *keys, struct element *pk);

/* A new network secret into |path|; ERR_EXISTS when there is one. */
MUST_CHECK int network_psk_create(const char *path, char *errmsg);
/* Read one, into secret memory of HOME_PSK_SIZE bytes at |psk|. */
MUST_CHECK int network_psk_read(const char *path,
                                uint8_t psk[HOME_PSK_SIZE],
                                char *errmsg);

/* Any key file. Seal |payload| into a new one, 0600; ERR_EXISTS. */
MUST_CHECK int home_keyfile_create(const char *path,
                                   enum keyfile_purpose purpose,
                                   struct slice passphrase,
                                   struct slice payload,
                                   char *errmsg);
/* What the header of one says whose payload has at most |max| bytes: its
 * purpose, and whether it asks for a passphrase. ERR_NOTFOUND, ERR_DENIED when
 * others may read it, ERR_FULL when it is larger, and what else
 * keyfile_inspect() returns. */
MUST_CHECK int home_keyfile_inspect(const char *path,
                                    size_t max,
                                    struct keyfile_info *info,
                                    char *errmsg);
/* Open one into |payload|, secret memory of |max| bytes. ERR_NOTFOUND,
 * ERR_AUTH for a wrong passphrase, and what else keyfile_open() returns. */
MUST_CHECK int home_keyfile_read(const char *path,
                                 enum keyfile_purpose purpose,
                                 struct slice passphrase,
                                 uint8_t *payload,
                                 size_t max,
                                 size_t *size,
                                 char *errmsg);
/* The same for one that holds keys: |decode| takes them from its payload of at
 * most HOME_KEYS_PAYLOAD_MAX bytes, and |*keys| are |keys_size| bytes of secret
 * memory; free with secret_free(). Also what |decode| returns, which is said to
 * be another version, and ERR_NOMEM. */
#define HOME_KEYS_PAYLOAD_MAX 512U
MUST_CHECK int home_keyfile_keys(const char *path,
                                 enum keyfile_purpose purpose,
                                 struct slice passphrase,
                                 size_t keys_size,
                                 int (*decode)(void *keys,
                                               struct slice payload),
                                 void **keys,
                                 char *errmsg);

#endif /* CAIRN_NODE_HOME_H */
