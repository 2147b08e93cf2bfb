#include <stdio.h>
#include <stdlib.h>

#include "crypto/hpke_schedule.h"
#include "tests/vectors.h"

/* The file of RFC 9180's authors, for the one suite that we speak: all four
 * modes of the KEM, the key schedule and the cipher, and for the two modes
 * that hpke.h offers its way of opening. We export no secrets. */

#define TEXT_MAX 256

struct scheme {
    enum hpke_mode mode;
    uint8_t sk_r[HPKE_KEY_SIZE], pk_r[HPKE_KEY_SIZE], sk_e[HPKE_KEY_SIZE];
    uint8_t sk_s[HPKE_KEY_SIZE], pk_s[HPKE_KEY_SIZE];
    uint8_t enc[HPKE_ENC_SIZE], secret[HPKE_SECRET_SIZE];
    uint8_t *info, *psk, *psk_id;
    size_t info_size, psk_size, psk_id_size;
    struct hpke_context want;
};

static void count(struct vectors_report *r,
                  const struct scheme *s,
                  bool ok,
                  const char *what,
                  size_t index)
{
    char name[64];

    snprintf(name, sizeof(name), "mode %d %s %zu", (int)s->mode, what, index);
    vectors_case(r, ok, name);
}

static bool is_auth(const struct scheme *s)
{
    return s->mode == HPKE_AUTH || s->mode == HPKE_AUTH_PSK;
}

static bool is_psk(const struct scheme *s)
{
    return s->mode == HPKE_PSK || s->mode == HPKE_AUTH_PSK;
}

static bool key_into(const json_t *v, const char *name, uint8_t *out)
{
    return vectors_hex_into(v, name, out, HPKE_KEY_SIZE);
}

/* False for another suite or a vector that lacks something. */
static bool scheme_read(struct scheme *s, const json_t *v)
{
    json_int_t mode = json_integer_value(json_object_get(v, "mode"));

    if (json_integer_value(json_object_get(v, "kem_id")) != 0x20 ||
        json_integer_value(json_object_get(v, "kdf_id")) != 1 ||
        json_integer_value(json_object_get(v, "aead_id")) != 3 || mode < 0 ||
        mode > HPKE_AUTH_PSK) {
        return false;
    }
    s->mode = (enum hpke_mode)mode;
    s->info = vectors_hex(v, "info", &s->info_size);
    s->psk = vectors_hex(v, "psk", &s->psk_size);
    s->psk_id = vectors_hex(v, "psk_id", &s->psk_id_size);
    return key_into(v, "skRm", s->sk_r) && key_into(v, "pkRm", s->pk_r) &&
           key_into(v, "skEm", s->sk_e) && key_into(v, "enc", s->enc) &&
           key_into(v, "shared_secret", s->secret) &&
           key_into(v, "key", s->want.key) &&
           key_into(v, "exporter_secret", s->want.exporter) &&
           vectors_hex_into(v, "base_nonce", s->want.base_nonce,
                            HPKE_NONCE_SIZE) &&
           (!is_auth(s) ||
            (key_into(v, "skSm", s->sk_s) && key_into(v, "pkSm", s->pk_s)));
}

static void run_schedule(const struct scheme *s,
                         struct hpke_context *c,
                         struct vectors_report *r)
{
    uint8_t enc[HPKE_ENC_SIZE], secret[HPKE_SECRET_SIZE];
    const struct hpke_psk psk = {.psk = slice_of(s->psk, s->psk_size),
                                 .id = slice_of(s->psk_id, s->psk_id_size)};

    count(r, s,
          hpke_encap(s->pk_r, s->sk_e, is_auth(s) ? s->sk_s : NULL, enc,
                     secret) == OK &&
              memcmp(enc, s->enc, sizeof(enc)) == 0 &&
              memcmp(secret, s->secret, sizeof(secret)) == 0,
          "encap", 0);
    memset(secret, 0, sizeof(secret));
    count(r, s,
          hpke_decap(s->sk_r, s->enc, is_auth(s) ? s->pk_s : NULL, secret) ==
                  OK &&
              memcmp(secret, s->secret, sizeof(secret)) == 0,
          "decap", 0);
    hpke_schedule(s->mode, s->secret, slice_of(s->info, s->info_size),
                  is_psk(s) ? &psk : NULL, c);
    count(r, s, memcmp(c->key, s->want.key, sizeof(c->key)) == 0, "key", 0);
    count(r, s,
          memcmp(c->base_nonce, s->want.base_nonce, sizeof(c->base_nonce)) == 0,
          "base_nonce", 0);
    count(r, s, memcmp(c->exporter, s->want.exporter, sizeof(c->exporter)) == 0,
          "exporter_secret", 0);
}

/* hpke_open() with what hpke_seal() would have made. */
static bool opens_whole(const struct scheme *s,
                        struct slice ad,
                        struct slice ct,
                        struct slice pt)
{
    const struct hpke_psk psk = {.psk = slice_of(s->psk, s->psk_size),
                                 .id = slice_of(s->psk_id, s->psk_id_size)};
    uint8_t sealed[HPKE_ENC_SIZE + TEXT_MAX], out[TEXT_MAX];

    memcpy(sealed, s->enc, HPKE_ENC_SIZE);
    memcpy(sealed + HPKE_ENC_SIZE, ct.data, ct.size);
    return hpke_open(s->sk_r, slice_of(s->info, s->info_size), ad, &psk,
                     slice_of(sealed, HPKE_ENC_SIZE + ct.size), out) == OK &&
           memcmp(out, pt.data, pt.size) == 0;
}

static void run_seal(const struct scheme *s,
                     const struct hpke_context *c,
                     const json_t *e,
                     size_t seq,
                     struct vectors_report *r)
{
    uint8_t out[TEXT_MAX];
    size_t ad_size, ct_size, pt_size;
    uint8_t *ad = vectors_hex(e, "aad", &ad_size);
    uint8_t *ct = vectors_hex(e, "ct", &ct_size);
    uint8_t *pt = vectors_hex(e, "pt", &pt_size);

    if (ct_size > TEXT_MAX || ct_size != pt_size + HPKE_TAG_SIZE) {
        count(r, s, false, "sizes", seq);
        goto out;
    }
    hpke_context_seal(c, seq, slice_of(ad, ad_size), slice_of(pt, pt_size),
                      out);
    count(r, s, memcmp(out, ct, ct_size) == 0, "seal", seq);
    memset(out, 0, sizeof(out));
    count(r, s,
          hpke_context_open(c, seq, slice_of(ad, ad_size),
                            slice_of(ct, ct_size), out) == OK &&
              memcmp(out, pt, pt_size) == 0,
          "open", seq);
    if (seq == 0 && !is_auth(s)) {
        count(r, s,
              opens_whole(s, slice_of(ad, ad_size), slice_of(ct, ct_size),
                          slice_of(pt, pt_size)),
              "single shot", seq);
    }
out:
    free(ad);
    free(ct);
    free(pt);
}

void vectors_hpke(json_t *root, struct vectors_report *r)
{
    size_t i, j;
    json_t *v, *e;

    json_array_foreach(root, i, v)
    {
        struct scheme s = {.info = NULL};
        struct hpke_context c;

        if (!scheme_read(&s, v)) {
            vectors_skip(r, "another suite");
        } else {
            run_schedule(&s, &c, r);
            json_array_foreach(json_object_get(v, "encryptions"), j, e)
            {
                run_seal(&s, &c, e, j, r);
            }
            json_array_foreach(json_object_get(v, "exports"), j, e)
            {
                vectors_skip(r, "exports: no such interface");
            }
        }
        free(s.info);
        free(s.psk);
        free(s.psk_id);
    }
}
