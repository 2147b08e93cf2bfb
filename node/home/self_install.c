#include <stdlib.h>

#include "crypto/secret.h"
#include "node/home/self.h"

#define PSK_FILE_MAX 4096U

/* Who is in a network does not go to another, nor back an epoch. */
static int install_look(const struct self *s, char *errmsg)
{
    char *path = self_path(s->home, "charter");
    struct charter *charter = calloc(1, sizeof(*charter));
    uint8_t *chain = NULL;
    struct digest net;
    size_t size = 0;
    int rv = file_read(path, CHARTER_CHAIN_MAX, &chain, &size, errmsg);

    if (rv == ERR_NOTFOUND) {
        rv = OK;
    } else if (rv == OK && (charter == NULL ||
                            charter_chain_decode(
                                charter, &net, slice_of(chain, size)) != OK)) {
        errmsg_set(errmsg, "'%s' is damaged; remove it", path);
        rv = ERR_BAD;
    } else if (rv == OK && (!digest_equal(&net, &s->net) ||
                            charter->epoch > s->charter->epoch)) {
        errmsg_set(errmsg,
                   "this home is in the network '%s' already, or in a later "
                   "epoch of it",
                   charter->name);
        rv = ERR_EXISTS;
    }
    free(chain);
    free(charter);
    free(path);
    return rv;
}

/* A secret first, for the charter needs it. */
int self_install(const struct self *s,
                 const char *chain_from,
                 const char *psk_from,
                 char *errmsg)
{
    char *chain_path = self_path(s->home, "charter");
    char *psk_path = self_path(s->home, "network.psk");
    uint8_t *psk = NULL, *chain = NULL;
    size_t psk_size = 0, chain_size = 0;
    int rv = install_look(s, errmsg);

    if (rv == OK) {
        rv = file_read(chain_from, CHARTER_CHAIN_MAX, &chain, &chain_size,
                       errmsg);
    }
    if (rv == OK) {
        rv = file_read_secret(psk_from, PSK_FILE_MAX, &psk, &psk_size, errmsg);
    }
    if (rv == OK) {
        rv = file_write(psk_path, slice_of(psk, psk_size), 0600, FILE_REPLACE,
                        errmsg);
    }
    if (rv == OK) {
        rv = file_write(chain_path, slice_of(chain, chain_size), 0644,
                        FILE_REPLACE, errmsg);
    }
    secret_free(psk);
    free(chain);
    free(psk_path);
    free(chain_path);
    return rv;
}
