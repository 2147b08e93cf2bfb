#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "crypto/noise.h"
#include "tests/vectors.h"

/* Handshake vectors as cacophony, snow and noise-c publish them, for the one
 * protocol of this build, and Wycheproof's X25519 through noise_dh(). */

#define OUR_PROTOCOL "Noise_XXpsk3_25519_AESGCM_SHA256"

static bool keypair_read(const json_t *v,
                         const char *key,
                         struct noise_keypair *k)
{
    return vectors_hex_into(v, key, k->sk, NOISE_KEY_SIZE) &&
           crypto_scalarmult_curve25519_base(k->pk, k->sk) == 0;
}

static bool side_init(const json_t *v,
                      bool initiator,
                      struct noise_handshake *hs)
{
    const char *psks = initiator ? "init_psks" : "resp_psks";
    const char *prologue = initiator ? "init_prologue" : "resp_prologue";
    struct noise_keypair s;
    uint8_t psk[NOISE_KEY_SIZE], *bytes;
    size_t size;
    const char *hex =
        json_string_value(json_array_get(json_object_get(v, psks), 0));

    if (hex == NULL ||
        sodium_hex2bin(psk, sizeof(psk), hex, strlen(hex), NULL, &size, NULL) !=
            0 ||
        size != sizeof(psk) ||
        !keypair_read(v, initiator ? "init_static" : "resp_static", &s)) {
        return false;
    }
    bytes = vectors_hex(v, prologue, &size);
    noise_handshake_init(hs, initiator, slice_of(bytes, size), &s, psk);
    free(bytes);
    return keypair_read(v, initiator ? "init_ephemeral" : "resp_ephemeral",
                        &hs->e);
}

/* One message through both sides: written as published, read back. */
static bool message_matches(const json_t *message,
                            struct noise_handshake *writer,
                            struct noise_handshake *reader,
                            struct noise_cipher *sealer,
                            struct noise_cipher *opener)
{
    static uint8_t out[NOISE_MESSAGE_MAX], back[NOISE_MESSAGE_MAX];
    size_t plain_size, want_size, size = 0, back_size = 0;
    uint8_t *plain = vectors_hex(message, "payload", &plain_size);
    uint8_t *want = vectors_hex(message, "ciphertext", &want_size);
    struct rng unused;
    bool ok;

    rng_init_system(&unused);
    if (sealer == NULL) {
        ok = noise_handshake_write(writer, slice_of(plain, plain_size), &unused,
                                   out, &size) == OK &&
             noise_handshake_read(reader, slice_of(out, size), back,
                                  &back_size) == OK;
    } else {
        size = plain_size + NOISE_TAG_SIZE;
        back_size = plain_size;
        ok = noise_seal(sealer, slice_of(plain, plain_size), out) == OK &&
             noise_open(opener, slice_of(out, size), back) == OK;
    }
    ok = ok && slice_equal(slice_of(out, size), slice_of(want, want_size)) &&
         slice_equal(slice_of(back, back_size), slice_of(plain, plain_size));
    free(plain);
    free(want);
    return ok;
}

static bool handshakes_match(const json_t *messages,
                             struct noise_handshake hs[2])
{
    for (size_t i = 0; i < NOISE_MESSAGES; i++) {
        if (!message_matches(json_array_get(messages, i), &hs[i % 2],
                             &hs[(i + 1) % 2], NULL, NULL)) {
            return false;
        }
    }
    return true;
}

static bool transports_match(const json_t *messages,
                             struct noise_transport t[2])
{
    for (size_t i = NOISE_MESSAGES; i < json_array_size(messages); i++) {
        if (!message_matches(json_array_get(messages, i), NULL, NULL,
                             &t[i % 2].send, &t[(i + 1) % 2].receive)) {
            return false;
        }
    }
    return true;
}

static bool vector_matches(const json_t *v)
{
    static struct noise_transport t[2];
    const json_t *messages = json_object_get(v, "messages");
    struct noise_handshake hs[2];
    struct noise_keypair s[2];
    uint8_t binding[DIGEST_SIZE];
    bool ok;

    if (!side_init(v, true, &hs[0]) || !side_init(v, false, &hs[1]) ||
        !keypair_read(v, "init_static", &s[0]) ||
        !keypair_read(v, "resp_static", &s[1]) ||
        !vectors_hex_into(v, "handshake_hash", binding, sizeof(binding)) ||
        json_array_size(messages) <= NOISE_MESSAGES ||
        !handshakes_match(messages, hs) ||
        noise_handshake_split(&hs[0], &t[0]) != OK) {
        return false;
    }
    if (noise_handshake_split(&hs[1], &t[1]) != OK) {
        noise_transport_wipe(&t[0]);
        return false;
    }
    ok = transports_match(messages, t) &&
         memcmp(t[0].binding.bytes, binding, DIGEST_SIZE) == 0 &&
         memcmp(t[1].binding.bytes, binding, DIGEST_SIZE) == 0 &&
         memcmp(t[0].remote, s[1].pk, NOISE_KEY_SIZE) == 0 &&
         memcmp(t[1].remote, s[0].pk, NOISE_KEY_SIZE) == 0;
    noise_transport_wipe(&t[0]);
    noise_transport_wipe(&t[1]);
    return ok;
}

static void run_protocols(const json_t *vectors, struct vectors_report *r)
{
    size_t i;
    const json_t *v;

    json_array_foreach(vectors, i, v)
    {
        const char *name =
            json_string_value(json_object_get(v, "protocol_name"));

        if (name == NULL) {
            name = json_string_value(json_object_get(v, "name"));
        }
        if (name == NULL) {
            vectors_case(r, false, "a vector without a protocol name");
        } else if (strcmp(name, OUR_PROTOCOL) != 0) {
            vectors_skip(r, name);
        } else {
            vectors_case(r, vector_matches(v), name);
        }
    }
}

/* Wycheproof leaves points of low order and of the twist to the implementer.
 * Here a shared secret of zeros is refused, and every other one must be that
 * of RFC 7748. */
static bool dh_matches(const json_t *test)
{
    uint8_t pk[NOISE_KEY_SIZE], sk[NOISE_KEY_SIZE], want[NOISE_KEY_SIZE];
    uint8_t got[NOISE_KEY_SIZE];
    bool zero;

    if (!vectors_hex_into(test, "public", pk, sizeof(pk)) ||
        !vectors_hex_into(test, "private", sk, sizeof(sk)) ||
        !vectors_hex_into(test, "shared", want, sizeof(want))) {
        return false;
    }
    zero = sodium_is_zero(want, sizeof(want)) != 0;
    if (noise_dh(sk, pk, got) != OK) {
        return zero;
    }
    return !zero && memcmp(got, want, sizeof(got)) == 0;
}

static void run_x25519(const json_t *groups, struct vectors_report *r)
{
    size_t i, j;
    const json_t *group, *test;

    json_array_foreach(groups, i, group)
    {
        json_array_foreach(json_object_get(group, "tests"), j, test)
        {
            char name[32];

            snprintf(name, sizeof(name), "tcId %d",
                     (int)json_integer_value(json_object_get(test, "tcId")));
            vectors_case(r, dh_matches(test), name);
        }
    }
}

void vectors_noise(json_t *root, struct vectors_report *r)
{
    const json_t *groups = json_object_get(root, "testGroups");

    if (groups != NULL) {
        run_x25519(groups, r);
    } else {
        run_protocols(json_object_get(root, "vectors"), r);
    }
}
