#include <stdlib.h>

#include "crypto/secret.h"
#include "node/custody/custody_home.h"
#include "node/home/network_files.h"

/* The steward that has these keys for its custodian. */
static const struct card *steward_find(const struct charter *charter,
                                       const struct custody_card *card)
{
    for (size_t i = 0; i < charter->members_len; i++) {
        const struct card *c = &charter->members[i].card;

        if (c->role == CARD_STEWARD &&
            memcmp(c->custody_hpke_pk, card->hpke_pk, HPKE_KEY_SIZE) == 0 &&
            memcmp(c->custody_sign_pk, card->sign_pk, SIGN_PK_SIZE) == 0) {
            return c;
        }
    }
    return NULL;
}

int custody_network_read(struct custody_network *n,
                         const struct custody_card *card,
                         const char *chain,
                         const char *psk,
                         char *errmsg)
{
    int rv;

    memset(n, 0, sizeof(*n));
    rv = network_chain_read(chain, &n->chain, &n->chain_size, &n->charter,
                            &n->net, errmsg);
    if (rv != OK) {
        return rv;
    }
    n->steward = steward_find(n->charter, card);
    if (n->steward == NULL) {
        errmsg_set(errmsg,
                   "no steward of the charter in '%s' has the keys of this "
                   "custodian; give 'cairnd init --custody' the file 'card' of "
                   "this home, and found the network with the card that comes "
                   "of it",
                   chain);
        return ERR_NOTFOUND;
    }
    return psk == NULL ? OK
                       : network_secret_read(psk, n->charter, &n->psk, errmsg);
}

void custody_network_close(struct custody_network *n)
{
    secret_free(n->psk);
    free(n->charter);
    free(n->chain);
    memset(n, 0, sizeof(*n));
}

int custody_network_pinned(struct custody_network *n,
                           const struct custody_card *card,
                           const char *home,
                           bool with_psk,
                           char *errmsg)
{
    char *chain = path_join(home, CUSTODY_HOME_CHARTER);
    char *psk = path_join(home, CUSTODY_HOME_PSK);
    int rv =
        custody_network_read(n, card, chain, with_psk ? psk : NULL, errmsg);

    if (rv == ERR_NOTFOUND && n->chain == NULL) {
        errmsg_set(errmsg,
                   "this custodian is pinned to no network yet; pin it with "
                   "'cairn-custodian pin'");
    }
    free(psk);
    free(chain);
    return rv;
}

/* --- Pinning ------------------------------------------------------------- */

static int pin_compare(const struct custody_network *now,
                       const struct custody_network *next,
                       bool *same,
                       char *errmsg)
{
    const struct charter *a = now->charter, *b = next->charter;

    if (!digest_equal(&now->net, &next->net)) {
        errmsg_set(errmsg,
                   "this custodian is pinned to the network '%s' for good; "
                   "another network needs another custodian",
                   a->name);
        return ERR_EXISTS;
    }
    *same = digest_equal(&a->hash, &b->hash);
    if (*same || b->epoch > a->epoch) {
        return OK;
    }
    errmsg_set(errmsg,
               b->epoch < a->epoch
                   ? "this custodian is pinned to a later epoch of '%s'; it "
                     "never goes back"
                   : "this custodian is pinned to another charter of '%s' with "
                     "the same epoch; tell the other stewards, for one of the "
                     "two is false",
               a->name);
    return ERR_EXISTS;
}

int custody_pin_check(const char *home,
                      const struct custody_card *card,
                      const struct custody_network *n,
                      bool *same,
                      char *errmsg)
{
    struct custody_network now;
    bool equal = false;
    int rv = custody_network_pinned(&now, card, home, false, errmsg);

    if (rv == ERR_NOTFOUND && now.chain == NULL) {
        rv = OK;
    } else if (rv == OK) {
        rv = pin_compare(&now, n, &equal, errmsg);
    }
    custody_network_close(&now);
    if (rv == OK) {
        *same = equal;
    }
    return rv;
}

/* Unlike home_keyfile_create() this replaces what is there: the secret comes
 * before the charter, without which nothing uses it. */
static int psk_write(const char *path, const uint8_t *psk, char *errmsg)
{
    const size_t size = HOME_PSK_SIZE + KEYFILE_OVERHEAD;
    uint8_t *file = secret_new(size);
    struct rng rng;
    int rv = file == NULL ? ERR_NOMEM : OK;

    if (rv == OK) {
        rng_init_system(&rng);
        rv = keyfile_seal(KEYFILE_NETWORK, slice_of(NULL, 0),
                          slice_of(psk, HOME_PSK_SIZE), &rng, file);
    }
    if (rv == OK) {
        rv = file_write(path, slice_of(file, size), 0600, FILE_REPLACE, errmsg);
    } else {
        errmsg_set(errmsg, "no locked memory for keys; raise 'ulimit -l'");
    }
    secret_free(file);
    return rv;
}

int custody_pin(const char *home, const struct custody_network *n, char *errmsg)
{
    char *chain = path_join(home, CUSTODY_HOME_CHARTER);
    char *psk = path_join(home, CUSTODY_HOME_PSK);
    int rv;

    assert(n->psk != NULL);
    rv = psk_write(psk, n->psk, errmsg);
    if (rv == OK) {
        rv = file_write(chain, slice_of(n->chain, n->chain_size), 0644,
                        FILE_REPLACE, errmsg);
    }
    free(psk);
    free(chain);
    return rv;
}
