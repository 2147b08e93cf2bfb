#include "node/recovery/recipient_keys.h"

#include <sodium.h>
#include <stdlib.h>

#include "crypto/secret.h"
#include "node/home/home.h"
#include "protocol/field.h"

#define KEYS_ITEMS    5
#define KEYS_SIZE_MAX 256U

static int keys_encode(const struct recipient_keys *keys,
                       uint8_t *out,
                       size_t max,
                       size_t *size)
{
    struct canon_writer w;

    canon_write_init(&w, out, max);
    canon_put_array(&w, KEYS_ITEMS);
    canon_put_uint(&w, 1);
    canon_put_bin(&w, slice_of(keys->hpke_sk, HPKE_KEY_SIZE));
    canon_put_bin(&w, slice_of(keys->transport.sk, NOISE_KEY_SIZE));
    canon_put_digest(&w, &keys->net);
    canon_put_digest(&w, &keys->manifest_hash);
    return field_write_end(&w, size);
}

static int keys_decode(struct recipient_keys *keys, struct slice in)
{
    struct canon_reader r;
    int rv;

    canon_read_init(&r, in);
    canon_array(&r, KEYS_ITEMS);
    canon_version(&r, 1);
    canon_bytes(&r, keys->hpke_sk, HPKE_KEY_SIZE);
    canon_bytes(&r, keys->transport.sk, NOISE_KEY_SIZE);
    canon_digest(&r, &keys->net);
    canon_digest(&r, &keys->manifest_hash);
    canon_leave(&r);
    rv = canon_end(&r);
    if (rv == OK &&
        (crypto_scalarmult_curve25519_base(keys->hpke_pk, keys->hpke_sk) != 0 ||
         crypto_scalarmult_curve25519_base(keys->transport.pk,
                                           keys->transport.sk) != 0)) {
        rv = ERR_BAD;
    }
    return rv;
}

/* Seal |keys| into a new file. */
static int keys_write(const char *path,
                      struct slice passphrase,
                      const struct recipient_keys *keys,
                      char *errmsg)
{
    uint8_t *payload = secret_new(KEYS_SIZE_MAX);
    size_t size = 0;
    int rv;

    if (payload == NULL) {
        return errmsg_secret_memory(errmsg);
    }
    rv = keys_encode(keys, payload, KEYS_SIZE_MAX, &size);
    assert(rv == OK);
    rv = home_keyfile_create(path, KEYFILE_RECIPIENT, passphrase,
                             slice_of(payload, size), errmsg);
    secret_free(payload);
    return rv;
}

int recipient_keys_create(const char *path,
                          struct slice passphrase,
                          const struct digest *net,
                          const struct digest *manifest_hash,
                          struct recipient_keys **keys,
                          char *errmsg)
{
    struct recipient_keys *made = secret_new(sizeof(*made));
    struct rng rng;
    int rv;

    if (made == NULL) {
        return errmsg_secret_memory(errmsg);
    }
    rng_init_system(&rng);
    hpke_keypair(&rng, made->hpke_sk, made->hpke_pk);
    noise_keypair_init(&made->transport, &rng);
    made->net = *net;
    made->manifest_hash = *manifest_hash;
    rv = keys_write(path, passphrase, made, errmsg);
    if (rv == OK) {
        *keys = made;
    } else {
        secret_free(made);
    }
    return rv;
}

/* Whatever is larger, of another purpose or no key file at all was not made by
 * us. Other errors have their words. */
static int error_foreign(int rv, const char *path, char *errmsg)
{
    if (rv == ERR_FULL || rv == ERR_BAD || rv == ERR_MISMATCH ||
        rv == ERR_UNSUPPORTED) {
        errmsg_set(errmsg,
                   "'%s' is not a recipient's key file; give the one that "
                   "'cairn release request' made",
                   path);
        return rv == ERR_UNSUPPORTED ? rv : ERR_BAD;
    }
    return rv;
}

int recipient_keys_is_sealed(const char *path, bool *sealed, char *errmsg)
{
    struct keyfile_info info;
    int rv = home_keyfile_inspect(path, KEYS_SIZE_MAX, &info, errmsg);

    if (rv == OK && info.purpose != KEYFILE_RECIPIENT) {
        rv = ERR_MISMATCH;
    }
    if (rv == OK) {
        *sealed = info.sealed;
    }
    return error_foreign(rv, path, errmsg);
}

int recipient_keys_read(const char *path,
                        struct slice passphrase,
                        struct recipient_keys **keys,
                        char *errmsg)
{
    struct recipient_keys *got = secret_new(sizeof(*got));
    uint8_t *payload = secret_new(KEYS_SIZE_MAX);
    size_t size = 0;
    int rv;

    if (got == NULL || payload == NULL) {
        rv = errmsg_secret_memory(errmsg);
        goto err;
    }
    rv = home_keyfile_read(path, KEYFILE_RECIPIENT, passphrase, payload,
                           KEYS_SIZE_MAX, &size, errmsg);
    if (rv != OK) {
        rv = error_foreign(rv, path, errmsg);
        goto err;
    }
    rv = keys_decode(got, slice_of(payload, size));
    if (rv != OK) {
        errmsg_set(errmsg,
                   "'%s' is damaged or of another version; restore it from a "
                   "backup",
                   path);
    }

err:
    secret_free(payload);
    if (rv == OK) {
        *keys = got;
    } else {
        secret_free(got);
    }
    return rv;
}
