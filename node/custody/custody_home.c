#include "node/custody/custody_home.h"

#include <sodium.h>
#include <stdlib.h>

#include "crypto/hash.h"
#include "crypto/secret.h"
#include "protocol/field.h"

#define KEYS_FIELDS 4

/* --- Keys ---------------------------------------------------------------- */

static int keys_encode(const struct custody_keys *keys,
                       uint8_t *out,
                       size_t max,
                       size_t *size)
{
    struct canon_writer w;

    canon_write_init(&w, out, max);
    canon_put_array(&w, KEYS_FIELDS);
    canon_put_uint(&w, 1);
    canon_put_bin(&w, slice_of(keys->hpke_sk, HPKE_KEY_SIZE));
    canon_put_bin(&w, slice_of(keys->sign.seed, SIGN_SEED_SIZE));
    canon_put_bin(&w, slice_of(keys->store, CUSTODY_STORE_KEY_SIZE));
    return field_write_end(&w, size);
}

/* The public half of D is computed, never read: a signature under a foreign
 * public key would give the secret away. */
static int keys_decode(void *out, struct slice in)
{
    struct custody_keys *keys = out;
    uint8_t seed[SIGN_SEED_SIZE];
    struct canon_reader r;
    int rv;

    canon_read_init(&r, in);
    canon_array(&r, KEYS_FIELDS);
    canon_version(&r, 1);
    canon_bytes(&r, keys->hpke_sk, HPKE_KEY_SIZE);
    canon_bytes(&r, seed, sizeof(seed));
    canon_bytes(&r, keys->store, CUSTODY_STORE_KEY_SIZE);
    canon_leave(&r);
    rv = canon_end(&r);
    if (rv == OK) {
        sign_key_from_seed(&keys->sign, seed);
    }
    sodium_memzero(seed, sizeof(seed));
    return rv;
}

static int keys_write(const char *home,
                      struct slice passphrase,
                      const struct custody_keys *keys,
                      char *errmsg)
{
    uint8_t *payload = secret_new(HOME_KEYS_PAYLOAD_MAX);
    char *path = path_join(home, CUSTODY_HOME_KEYS);
    size_t size = 0;
    int rv = payload == NULL ? errmsg_secret_memory(errmsg) : OK;

    if (rv == OK) {
        rv = keys_encode(keys, payload, HOME_KEYS_PAYLOAD_MAX, &size);
        assert(rv == OK);
        rv = home_keyfile_create(path, KEYFILE_CUSTODY, passphrase,
                                 slice_of(payload, size), errmsg);
    }
    free(path);
    secret_free(payload);
    return rv;
}

int custody_home_keys(const char *home,
                      struct slice passphrase,
                      struct custody_keys **keys,
                      char *errmsg)
{
    char *path = path_join(home, CUSTODY_HOME_KEYS);
    void *got = NULL;
    int rv = home_keyfile_keys(path, KEYFILE_CUSTODY, passphrase,
                               sizeof(**keys), keys_decode, &got, errmsg);

    free(path);
    if (rv == OK) {
        *keys = got;
    }
    return rv;
}

/* --- The home ------------------------------------------------------------ */

void custody_home_store_id(const struct custody_card *card,
                           uint8_t id[VOLUME_ID_SIZE])
{
    struct digest d;

    TH256(&d, "custody-store", slice_of(card->hpke_pk, HPKE_KEY_SIZE),
          slice_of(card->sign_pk, SIGN_PK_SIZE));
    memcpy(id, d.bytes, VOLUME_ID_SIZE);
}

static int store_make(const char *home,
                      const struct custody_card *card,
                      char *errmsg)
{
    char *path = path_join(home, CUSTODY_HOME_STORE);
    uint8_t id[VOLUME_ID_SIZE];
    int rv;

    custody_home_store_id(card, id);
    rv = volume_init_as(path, id, errmsg);
    free(path);
    return rv;
}

static int card_write(const char *home,
                      const struct custody_keys *keys,
                      const struct custody_card *public,
                      char *errmsg)
{
    uint8_t card[CARD_CUSTODY_SIZE_MAX];
    char *path = path_join(home, CUSTODY_HOME_CARD);
    size_t size = 0;
    int rv = card_custody_encode(public->hpke_pk, &keys->sign, card,
                                 sizeof(card), &size);

    assert(rv == OK);
    rv = file_write(path, slice_of(card, size), 0644, FILE_NEW, errmsg);
    free(path);
    return rv;
}

int custody_home_create(const char *home, struct slice passphrase, char *errmsg)
{
    static const char *const names[] = {CUSTODY_HOME_KEYS, CUSTODY_HOME_CARD,
                                        CUSTODY_HOME_STORE,
                                        CUSTODY_HOME_CHARTER, CUSTODY_HOME_PSK};
    struct custody_card card = {.sign_pk = {0}};
    struct custody_keys *keys;
    struct rng rng;
    int rv = home_lacks(home, names, sizeof(names) / sizeof(names[0]), errmsg);

    if (rv != OK) {
        return rv;
    }
    keys = secret_new(sizeof(*keys));
    if (keys == NULL) {
        return errmsg_secret_memory(errmsg);
    }
    rv = folder_make(home, 0700, errmsg);
    if (rv == OK) {
        rng_init_system(&rng);
        hpke_keypair(&rng, keys->hpke_sk, card.hpke_pk);
        sign_key_init(&keys->sign, &rng);
        memcpy(card.sign_pk, keys->sign.pk, SIGN_PK_SIZE);
        rng_bytes(&rng, keys->store, sizeof(keys->store));
        rv = keys_write(home, passphrase, keys, errmsg);
    }
    if (rv == OK) {
        rv = store_make(home, &card, errmsg);
    }
    if (rv == OK) {
        rv = card_write(home, keys, &card, errmsg);
    }
    secret_free(keys);
    return rv;
}

int custody_home_card(const char *home, struct custody_card *card, char *errmsg)
{
    char *path = path_join(home, CUSTODY_HOME_CARD);
    uint8_t *data = NULL;
    size_t size = 0;
    int rv = file_read(path, CARD_CUSTODY_SIZE_MAX, &data, &size, errmsg);

    if (rv == ERR_NOTFOUND) {
        errmsg_set(errmsg, "there is no custodian in '%s'", home);
    } else if (rv == ERR_FULL ||
               (rv == OK &&
                card_custody_decode(slice_of(data, size), card->hpke_pk,
                                    card->sign_pk) != OK)) {
        errmsg_set(errmsg, "'%s' is no card of a custodian; restore it", path);
        rv = ERR_BAD;
    }
    free(data);
    free(path);
    return rv;
}

bool custody_keys_fit(const struct custody_keys *keys,
                      const struct custody_card *card)
{
    uint8_t hpke_pk[HPKE_KEY_SIZE];

    return crypto_scalarmult_curve25519_base(hpke_pk, keys->hpke_sk) == 0 &&
           memcmp(hpke_pk, card->hpke_pk, HPKE_KEY_SIZE) == 0 &&
           memcmp(keys->sign.pk, card->sign_pk, SIGN_PK_SIZE) == 0;
}

int custody_home_lock(const char *home, char *errmsg)
{
    char *path = path_join(home, CUSTODY_HOME_LOCK);
    int fd = file_lock(path, errmsg);

    free(path);
    return fd;
}
