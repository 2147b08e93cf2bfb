#include "node/home/home.h"

#include <sodium.h>
#include <stdlib.h>
#include <unistd.h>

#include "crypto/secret.h"
#include "protocol/field.h"

#define KEYS_FIELDS 5

/* --- The keys of a member ------------------------------------------------ */

static int keys_encode(const struct home_keys *keys,
                       uint8_t *out,
                       size_t max,
                       size_t *size)
{
    struct canon_writer w;

    canon_write_init(&w, out, max);
    canon_put_array(&w, KEYS_FIELDS);
    canon_put_uint(&w, 1);
    canon_put_bin(&w, slice_of(keys->node.seed, SIGN_SEED_SIZE));
    canon_put_bin(&w, slice_of(keys->transport.sk, NOISE_KEY_SIZE));
    canon_put_bin(&w, slice_of(keys->vrf.bytes, SCALAR_SIZE));
    canon_put_uint(&w, keys->incarnation);
    return field_write_end(&w, size);
}

/* Public halves are computed, never read: a signature under a foreign public
 * key would give the secret away. */
static int keys_decode(void *out, struct slice in)
{
    struct home_keys *keys = out;
    uint8_t seed[SIGN_SEED_SIZE];
    struct canon_reader r;
    int rv;

    canon_read_init(&r, in);
    canon_array(&r, KEYS_FIELDS);
    canon_version(&r, 1);
    canon_bytes(&r, seed, sizeof(seed));
    canon_bytes(&r, keys->transport.sk, NOISE_KEY_SIZE);
    canon_bytes(&r, keys->vrf.bytes, SCALAR_SIZE);
    keys->incarnation = (uint32_t)canon_uint(&r, UINT32_MAX);
    canon_leave(&r);
    canon_require(&r, scalar_is_canonical(&keys->vrf) &&
                          !scalar_is_zero(&keys->vrf));
    rv = canon_end(&r);
    if (rv == OK) {
        sign_key_from_seed(&keys->node, seed);
        if (crypto_scalarmult_curve25519_base(keys->transport.pk,
                                              keys->transport.sk) != 0) {
            rv = ERR_BAD;
        }
    }
    sodium_memzero(seed, sizeof(seed));
    return rv;
}

/* --- Any key file -------------------------------------------------------- */

#define TEXT_NOT_ONE                                                         \
    "'%s' is damaged or another kind of file; restore it from where it was " \
    "made"

int home_keyfile_create(const char *path,
                        enum keyfile_purpose purpose,
                        struct slice passphrase,
                        struct slice payload,
                        char *errmsg)
{
    uint8_t *file = secret_new(payload.size + KEYFILE_OVERHEAD);
    struct rng rng;
    int rv = file == NULL ? ERR_NOMEM : OK;

    rng_init_system(&rng);
    if (rv == OK) {
        rv = keyfile_seal(purpose, passphrase, payload, &rng, file);
    }
    if (rv != OK) {
        errmsg_set(errmsg,
                   "no memory to seal '%s'; a passphrase needs 256 MiB, keys "
                   "need 'ulimit -l'",
                   path);
    } else {
        rv = file_write(path, slice_of(file, payload.size + KEYFILE_OVERHEAD),
                        0600, FILE_NEW, errmsg);
    }
    secret_free(file);
    return rv;
}

int home_keyfile_inspect(const char *path,
                         size_t max,
                         struct keyfile_info *info,
                         char *errmsg)
{
    uint8_t *file = NULL;
    size_t size = 0;
    int rv =
        file_read_secret(path, max + KEYFILE_OVERHEAD, &file, &size, errmsg);

    if (rv != OK) {
        return rv;
    }
    rv = keyfile_inspect(slice_of(file, size), info);
    secret_free(file);
    if (rv != OK) {
        errmsg_set(errmsg, TEXT_NOT_ONE, path);
    }
    return rv;
}

/* Why a key file did not open, as far as that can be told. */
static void auth_explain(const char *path,
                         bool sealed,
                         struct slice passphrase,
                         char *errmsg)
{
    if (sealed && passphrase.size == 0) {
        errmsg_set(errmsg,
                   "'%s' is sealed with a passphrase, and none was given; give "
                   "--passphrase-file",
                   path);
    } else if (!sealed && passphrase.size > 0) {
        errmsg_set(errmsg,
                   "'%s' was made without a passphrase, and one was given; "
                   "leave it out if that is how it was made",
                   path);
    } else {
        errmsg_set(errmsg, "wrong passphrase, or '%s' is damaged", path);
    }
}

int home_keyfile_read(const char *path,
                      enum keyfile_purpose purpose,
                      struct slice passphrase,
                      uint8_t *payload,
                      size_t max,
                      size_t *size,
                      char *errmsg)
{
    struct keyfile_info info = {.sealed = false};
    uint8_t *file = NULL;
    size_t file_size = 0;
    int rv = file_read_secret(path, max + KEYFILE_OVERHEAD, &file, &file_size,
                              errmsg);

    if (rv != OK) {
        return rv;
    }
    rv = keyfile_inspect(slice_of(file, file_size), &info);
    if (rv == OK && info.payload_size > max) {
        rv = ERR_BAD;
    }
    if (rv == OK) {
        rv = keyfile_open(purpose, passphrase, slice_of(file, file_size),
                          payload);
    }
    secret_free(file);
    if (rv == OK) {
        *size = info.payload_size;
    } else if (rv == ERR_AUTH) {
        auth_explain(path, info.sealed, passphrase, errmsg);
    } else if (rv == ERR_NOMEM) {
        errmsg_set(errmsg, "opening '%s' needs more free memory", path);
    } else {
        errmsg_set(errmsg, TEXT_NOT_ONE, path);
    }
    return rv;
}

int home_keyfile_keys(const char *path,
                      enum keyfile_purpose purpose,
                      struct slice passphrase,
                      size_t keys_size,
                      int (*decode)(void *keys, struct slice payload),
                      void **keys,
                      char *errmsg)
{
    uint8_t *payload = secret_new(HOME_KEYS_PAYLOAD_MAX);
    void *got = secret_new(keys_size);
    size_t size = 0;
    int rv = got == NULL || payload == NULL ? errmsg_secret_memory(errmsg) : OK;

    if (rv == OK) {
        rv = home_keyfile_read(path, purpose, passphrase, payload,
                               HOME_KEYS_PAYLOAD_MAX, &size, errmsg);
    }
    if (rv == OK) {
        rv = decode(got, slice_of(payload, size));
        if (rv != OK) {
            errmsg_set(errmsg, "'%s' holds no keys of this version", path);
        }
    }
    secret_free(payload);
    if (rv == OK) {
        *keys = got;
    } else {
        secret_free(got);
    }
    return rv;
}

/* --- The home ------------------------------------------------------------ */

int home_lacks(const char *home,
               const char *const *names,
               size_t names_len,
               char *errmsg)
{
    int rv = OK;

    for (size_t i = 0; i < names_len && rv == OK; i++) {
        char *path = path_join(home, names[i]);

        if (access(path, F_OK) == 0) {
            errmsg_set(errmsg, "there is a '%s' already", path);
            rv = ERR_EXISTS;
        }
        free(path);
    }
    return rv;
}

int home_create(const char *home, struct slice passphrase, char *errmsg)
{
    struct home_keys *keys = secret_new(sizeof(*keys));
    uint8_t *payload = secret_new(HOME_KEYS_PAYLOAD_MAX);
    char *path = path_join(home, "keys");
    struct rng rng;
    size_t size = 0;
    int rv = folder_make(home, 0700, errmsg);

    if (rv == OK && (keys == NULL || payload == NULL)) {
        rv = errmsg_secret_memory(errmsg);
    }
    if (rv == OK) {
        rng_init_system(&rng);
        sign_key_init(&keys->node, &rng);
        noise_keypair_init(&keys->transport, &rng);
        scalar_random(&keys->vrf, &rng);
        rv = keys_encode(keys, payload, HOME_KEYS_PAYLOAD_MAX, &size);
        assert(rv == OK);
        rv = home_keyfile_create(path, KEYFILE_NODE, passphrase,
                                 slice_of(payload, size), errmsg);
    }
    free(path);
    secret_free(payload);
    secret_free(keys);
    return rv;
}

int home_is_sealed(const char *home, bool *sealed, char *errmsg)
{
    char *path = path_join(home, "keys");
    struct keyfile_info info;
    int rv = home_keyfile_inspect(path, HOME_KEYS_PAYLOAD_MAX, &info, errmsg);

    free(path);
    if (rv == OK) {
        *sealed = info.sealed;
    }
    return rv;
}

int home_keys_read(const char *home,
                   struct slice passphrase,
                   struct home_keys **keys,
                   char *errmsg)
{
    char *path = path_join(home, "keys");
    void *got = NULL;
    int rv = home_keyfile_keys(path, KEYFILE_NODE, passphrase, sizeof(**keys),
                               keys_decode, &got, errmsg);

    free(path);
    if (rv == OK) {
        *keys = got;
    }
    return rv;
}

void home_vrf_pk(const struct home_keys *keys, struct element *pk)
{
    element_mul_base(pk, &keys->vrf);
}

int network_psk_create(const char *path, char *errmsg)
{
    uint8_t *psk = secret_new(HOME_PSK_SIZE);
    struct rng rng;
    int rv;

    if (psk == NULL) {
        return errmsg_secret_memory(errmsg);
    }
    rng_init_system(&rng);
    rng_bytes(&rng, psk, HOME_PSK_SIZE);
    rv = home_keyfile_create(path, KEYFILE_NETWORK, slice_of(NULL, 0),
                             slice_of(psk, HOME_PSK_SIZE), errmsg);
    secret_free(psk);
    return rv;
}

int network_psk_read(const char *path, uint8_t psk[HOME_PSK_SIZE], char *errmsg)
{
    size_t size = 0;
    int rv = home_keyfile_read(path, KEYFILE_NETWORK, slice_of(NULL, 0), psk,
                               HOME_PSK_SIZE, &size, errmsg);

    if (rv == OK && size != HOME_PSK_SIZE) {
        errmsg_set(errmsg, "'%s' is no network secret", path);
        rv = ERR_BAD;
    }
    return rv;
}
