#include "node/home/self.h"

#include <stdlib.h>

#include "crypto/secret.h"
#include "node/base/text.h"
#include "node/home/network_files.h"

char *self_path(const char *home, const char *name)
{
    return path_join(home, name);
}

static int keys_read(struct self *s, struct slice passphrase, char *errmsg)
{
    int rv = home_keys_read(s->home, passphrase, &s->keys, errmsg);

    if (rv == OK) {
        memcpy(s->id.bytes, s->keys->node.pk, DIGEST_SIZE);
    }
    return rv;
}

int self_open(struct self *s,
              const char *home,
              struct slice passphrase,
              char *errmsg)
{
    char *path = self_path(home, CONFIG_FILE);
    int rv;

    memset(s, 0, sizeof(*s));
    s->home = home;
    s->steward = true;
    rv = config_read(&s->config, path, errmsg);
    free(path);
    return rv == OK ? keys_read(s, passphrase, errmsg) : rv;
}

int self_open_member(struct self *s,
                     const char *home,
                     struct slice passphrase,
                     char *errmsg)
{
    memset(s, 0, sizeof(*s));
    s->home = home;
    return keys_read(s, passphrase, errmsg);
}

void self_close(struct self *s)
{
    secret_free(s->keys);
    secret_free(s->psk);
    free(s->charter);
    free(s->chain);
    memset(s, 0, sizeof(*s));
}

/* --- The card ------------------------------------------------------------ */

static int custody_read(const struct self *s,
                        uint8_t **data,
                        size_t *size,
                        struct card *card,
                        char *errmsg)
{
    char *path = self_path(s->home, SELF_CUSTODY);
    int rv = file_read(path, CARD_CUSTODY_SIZE_MAX, data, size, errmsg);

    if (rv == OK) {
        rv = card_custody_decode(slice_of(*data, *size), card->custody_hpke_pk,
                                 card->custody_sign_pk);
        if (rv != OK) {
            errmsg_set(errmsg,
                       "'%s' is not what cairn-custodian writes for a card; "
                       "copy it from there again",
                       path);
        }
    }
    free(path);
    return rv;
}

static void card_fill(const struct self *s, struct card *card)
{
    const struct config *c = &s->config;

    card->id = s->id;
    card->role = CARD_STEWARD;
    memcpy(card->name, c->name, sizeof(card->name));
    memcpy(card->organisation, c->organisation, sizeof(card->organisation));
    memcpy(card->jurisdiction, c->jurisdiction, sizeof(card->jurisdiction));
    memcpy(card->provider, c->provider, sizeof(card->provider));
    memcpy(card->addresses, c->addresses, sizeof(card->addresses));
    card->addresses_len = c->addresses_len;
    for (size_t i = 0; i < c->operators_len; i++) {
        config_operator(c, i, &card->operators[i]);
    }
    card->operators_len = c->operators_len;
    memcpy(card->node_pk, s->keys->node.pk, SIGN_PK_SIZE);
    home_vrf_pk(s->keys, &card->vrf_pk);
}

/* The card of last time, and the seq that it has; 0 when there is none. */
static uint64_t card_last(const char *path, uint8_t **data, size_t *size)
{
    char errmsg[ERRMSG_SIZE];
    struct card card;

    if (file_read(path, CARD_SIZE_MAX, data, size, errmsg) != OK ||
        card_decode(&card, slice_of(*data, *size)) != OK) {
        return 0;
    }
    return card.seq;
}

static int card_make(const struct self *s,
                     struct card *card,
                     uint64_t seq,
                     struct slice custody,
                     uint8_t *out,
                     size_t *size,
                     char *errmsg)
{
    int rv;

    card->seq = seq;
    rv = card_encode(card, &s->keys->node, custody, out, CARD_SIZE_MAX, size);
    if (rv == ERR_FULL) {
        errmsg_set(errmsg,
                   "the card would be larger than %u bytes; give it "
                   "fewer or shorter operators' keys",
                   CARD_SIZE_MAX);
    } else if (rv != OK) {
        errmsg_set(errmsg,
                   "no card can be made of '%s/" CONFIG_FILE "'; compare its "
                   "addresses and operators, which must differ",
                   s->home);
    }
    return rv;
}

int self_card(const struct self *s,
              struct card *card,
              uint8_t *out,
              size_t *size,
              char *errmsg)
{
    char *path = self_path(s->home, "card");
    uint8_t *custody = NULL, *last = NULL;
    size_t custody_size = 0, last_size = 0;
    uint64_t seq = 1;
    int rv;

    memset(card, 0, sizeof(*card));
    card_fill(s, card);
    rv = custody_read(s, &custody, &custody_size, card, errmsg);
    if (rv == OK) {
        seq = card_last(path, &last, &last_size);
        rv = card_make(s, card, seq > 0 ? seq : 1,
                       slice_of(custody, custody_size), out, size, errmsg);
    }
    if (rv == OK &&
        !slice_equal(slice_of(out, *size), slice_of(last, last_size))) {
        rv = card_make(s, card, seq + 1, slice_of(custody, custody_size), out,
                       size, errmsg);
        if (rv == OK) {
            rv = file_write(path, slice_of(out, *size), 0644, FILE_REPLACE,
                            errmsg);
        }
    }
    free(last);
    free(custody);
    free(path);
    return rv;
}

/* --- The network --------------------------------------------------------- */

/* Are we in it, as we are? */
static int charter_check(const struct self *s, const char *path, char *errmsg)
{
    const struct card *card = s->steward ? charter_steward(s->charter, &s->id)
                                         : charter_member(s->charter, &s->id);
    char id[2 * DIGEST_SIZE + 1];
    struct element vrf_pk;

    if (card == NULL) {
        errmsg_set(errmsg,
                   "the charter in '%s' does not have this %s, whose id is "
                   "%s; found the network with the card that '%s card' prints",
                   path, s->steward ? "steward" : "member",
                   text_hex(id, s->id.bytes, DIGEST_SIZE),
                   s->steward ? "cairnd" : "cairn id");
        return ERR_NOTFOUND;
    }
    home_vrf_pk(s->keys, &vrf_pk);
    if (memcmp(card->node_pk, s->keys->node.pk, SIGN_PK_SIZE) != 0 ||
        memcmp(&card->vrf_pk, &vrf_pk, sizeof(vrf_pk)) != 0) {
        errmsg_set(errmsg,
                   "the charter in '%s' has other keys for this member than "
                   "'%s/keys'",
                   path, s->home);
        return ERR_MISMATCH;
    }
    return OK;
}

int self_join(struct self *s, const char *chain, const char *psk, char *errmsg)
{
    int rv;

    assert(s->keys != NULL && s->charter == NULL);
    rv = network_chain_read(chain, &s->chain, &s->chain_size, &s->charter,
                            &s->net, errmsg);
    if (rv == OK) {
        rv = charter_check(s, chain, errmsg);
    }
    return rv == OK ? network_secret_read(psk, s->charter, &s->psk, errmsg)
                    : rv;
}
