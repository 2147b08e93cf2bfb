#include "node/recipient_keys.h"

#include <sodium.h>
#include <stdlib.h>

#include "crypto/keyfile.h"
#include "crypto/secret.h"
#include "protocol/canon.h"

#define KEYS_ITEMS    3
#define KEYS_SIZE_MAX 128U

static int error_memory(char *errmsg)
{
    errmsg_set(errmsg, "no locked memory for keys; raise 'ulimit -l'");
    return ERR_NOMEM;
}

static int keys_encode(const struct recipient_keys *keys,
                       uint8_t *out,
                       size_t max,
                       size_t *size)
{
    struct canon_writer w;
    struct slice written;
    int rv;

    canon_write_init(&w, out, max);
    canon_put_array(&w, KEYS_ITEMS);
    canon_put_uint(&w, 1);
    canon_put_bin(&w, slice_of(keys->hpke_sk, HPKE_KEY_SIZE));
    canon_put_bin(&w, slice_of(keys->transport.sk, NOISE_KEY_SIZE));
    rv = canon_write_end(&w, &written);
    if (rv == OK) {
        *size = written.size;
    }
    return rv;
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
                      struct rng *rng,
                      char *errmsg)
{
    uint8_t *payload = secret_new(KEYS_SIZE_MAX);
    uint8_t *file = secret_new(KEYS_SIZE_MAX + KEYFILE_OVERHEAD);
    size_t size = 0;
    int rv = OK;

    if (payload == NULL || file == NULL) {
        rv = error_memory(errmsg);
        goto err;
    }
    rv = keys_encode(keys, payload, KEYS_SIZE_MAX, &size);
    assert(rv == OK);
    rv = keyfile_seal(KEYFILE_RECIPIENT, passphrase, slice_of(payload, size),
                      rng, file);
    if (rv != OK) {
        errmsg_set(errmsg, "no memory to seal '%s'; a passphrase needs 256 MiB",
                   path);
        goto err;
    }
    rv = file_write(path, slice_of(file, size + KEYFILE_OVERHEAD), 0600,
                    FILE_NEW, errmsg);

err:
    secret_free(file);
    secret_free(payload);
    return rv;
}

int recipient_keys_create(const char *path,
                          struct slice passphrase,
                          struct recipient_keys **keys,
                          char *errmsg)
{
    struct recipient_keys *made = secret_new(sizeof(*made));
    struct rng rng;
    int rv;

    if (made == NULL) {
        return error_memory(errmsg);
    }
    rng_init_system(&rng);
    hpke_keypair(&rng, made->hpke_sk, made->hpke_pk);
    noise_keypair_init(&made->transport, &rng);
    rv = keys_write(path, passphrase, made, &rng, errmsg);
    if (rv == OK) {
        *keys = made;
    } else {
        secret_free(made);
    }
    return rv;
}

/* The whole file, and what its header says. */
static int keyfile_get(const char *path,
                       uint8_t **file,
                       size_t *size,
                       struct keyfile_info *info,
                       char *errmsg)
{
    uint8_t *got = NULL;
    size_t got_size = 0;
    int rv = file_read_secret(path, KEYS_SIZE_MAX + KEYFILE_OVERHEAD, &got,
                              &got_size, errmsg);

    /* Whatever is larger is another file. */
    if (rv == ERR_FULL) {
        rv = ERR_BAD;
    } else if (rv != OK) {
        return rv;
    }
    if (rv == OK) {
        rv = keyfile_inspect(slice_of(got, got_size), info);
    }
    if (rv == OK && (info->purpose != KEYFILE_RECIPIENT ||
                     info->payload_size > KEYS_SIZE_MAX)) {
        rv = ERR_BAD;
    }
    if (rv != OK) {
        errmsg_set(errmsg,
                   "'%s' is not a recipient's key file; give the one that "
                   "'cairn release request' made",
                   path);
        secret_free(got);
        return rv;
    }
    *file = got;
    *size = got_size;
    return OK;
}

int recipient_keys_is_sealed(const char *path, bool *sealed, char *errmsg)
{
    struct keyfile_info info;
    uint8_t *file = NULL;
    size_t size = 0;
    int rv = keyfile_get(path, &file, &size, &info, errmsg);

    if (rv == OK) {
        *sealed = info.sealed;
        secret_free(file);
    }
    return rv;
}

int recipient_keys_read(const char *path,
                        struct slice passphrase,
                        struct recipient_keys **keys,
                        char *errmsg)
{
    struct recipient_keys *got = secret_new(sizeof(*got));
    uint8_t *payload = secret_new(KEYS_SIZE_MAX);
    struct keyfile_info info;
    uint8_t *file = NULL;
    size_t size = 0;
    int rv;

    if (got == NULL || payload == NULL) {
        rv = error_memory(errmsg);
        goto err;
    }
    rv = keyfile_get(path, &file, &size, &info, errmsg);
    if (rv != OK) {
        goto err;
    }
    rv = keyfile_open(KEYFILE_RECIPIENT, passphrase, slice_of(file, size),
                      payload);
    if (rv == OK) {
        rv = keys_decode(got, slice_of(payload, info.payload_size));
    }
    if (rv == ERR_AUTH) {
        errmsg_set(errmsg, "wrong passphrase, or '%s' is damaged", path);
    } else if (rv == ERR_NOMEM) {
        errmsg_set(errmsg, "opening '%s' needs more free memory", path);
    } else if (rv != OK) {
        errmsg_set(errmsg,
                   "'%s' is damaged or of another version; restore it from a "
                   "backup",
                   path);
    }

err:
    secret_free(file);
    secret_free(payload);
    if (rv == OK) {
        *keys = got;
    } else {
        secret_free(got);
    }
    return rv;
}
