#include <sodium.h>
#include <stdlib.h>

#include "crypto/sign.h"
#include "tests/vectors.h"

/* Wycheproof and ed25519-speccheck, on plain Ed25519: sign_verify() hashes
 * the message first, so these call what it calls. */

static bool raw_verify(const uint8_t pk[SIGN_PK_SIZE],
                       struct slice message,
                       const uint8_t sig[SIGN_SIZE])
{
    return crypto_sign_ed25519_verify_detached(sig, message.data, message.size,
                                               pk) == 0;
}

/* Of the twelve cases of ed25519-speccheck libsodium accepts the one that
 * every verifier accepts: no small order, no other encoding, no S >= q. */
static void run_speccheck(const json_t *cases, struct vectors_report *r)
{
    static const bool accepted[12] = {[3] = true};
    uint8_t pk[SIGN_PK_SIZE], sig[SIGN_SIZE];
    char name[32];
    const json_t *item;
    uint8_t *message;
    size_t i, size;
    bool ok;

    vectors_case(r, json_array_size(cases) == 12, "twelve cases");
    json_array_foreach(cases, i, item)
    {
        message = vectors_hex(item, "message", &size);
        ok = i < 12 && vectors_hex_into(item, "pub_key", pk, sizeof(pk)) &&
             vectors_hex_into(item, "signature", sig, sizeof(sig)) &&
             raw_verify(pk, slice_of(message, size), sig) == accepted[i];
        snprintf(name, sizeof(name), "case %zu", i);
        vectors_case(r, ok, name);
        free(message);
    }
}

static void run_wycheproof_test(const json_t *test,
                                const uint8_t pk[SIGN_PK_SIZE],
                                struct vectors_report *r)
{
    const char *result = json_string_value(json_object_get(test, "result"));
    json_int_t id = json_integer_value(json_object_get(test, "tcId"));
    uint8_t *message, *sig;
    size_t message_size, sig_size;
    bool good;
    char name[32];

    message = vectors_hex(test, "msg", &message_size);
    sig = vectors_hex(test, "sig", &sig_size);
    if (sig_size != SIGN_SIZE) {
        vectors_skip(r, "a signature is 64 bytes by its type here");
    } else {
        good = raw_verify(pk, slice_of(message, message_size), sig);
        snprintf(name, sizeof(name), "tcId %lld", (long long)id);
        vectors_case(r,
                     result != NULL &&
                         strcmp(result, good ? "valid" : "invalid") == 0,
                     name);
    }
    free(message);
    free(sig);
}

static void run_wycheproof(const json_t *groups, struct vectors_report *r)
{
    uint8_t pk[SIGN_PK_SIZE];
    const json_t *group, *test;
    size_t i, j;

    json_array_foreach(groups, i, group)
    {
        if (!vectors_hex_into(json_object_get(group, "publicKey"), "pk", pk,
                              sizeof(pk))) {
            vectors_case(r, false, "public key");
            continue;
        }
        json_array_foreach(json_object_get(group, "tests"), j, test)
        {
            run_wycheproof_test(test, pk, r);
        }
    }
}

void vectors_ed25519(json_t *root, struct vectors_report *r)
{
    if (json_is_array(root)) {
        run_speccheck(root, r);
    } else {
        run_wycheproof(json_object_get(root, "testGroups"), r);
    }
}
