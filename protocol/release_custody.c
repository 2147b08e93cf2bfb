#include "crypto/hash.h"
#include "protocol/field.h"
#include "protocol/release.h"

/* What a custodian signs with D: acknowledgements and decisions. */

#define ACKNOWLEDGEMENT_ITEMS 8
#define ACKNOWLEDGEMENT_DST   "custody-ack"
#define DECISION_ITEMS        10
#define DECISION_DST          "decision"

static bool share_index_is_valid(uint16_t index)
{
    return index >= 1 && index <= MANIFEST_SHARDS_MAX;
}

void release_acknowledgement_context(struct digest *ctx,
                                     const struct digest *net,
                                     const struct digest *manifest_hash,
                                     uint16_t share_index)
{
    TH256(ctx, "deal-ack", digest_slice(net), digest_slice(manifest_hash),
          slice_u16le((uint8_t[2]){0}, share_index));
}

static bool acknowledgement_is_valid(const struct release_acknowledgement *a)
{
    return !digest_is_zero(&a->net) && !digest_is_zero(&a->custodian) &&
           !digest_is_zero(&a->manifest_hash) &&
           share_index_is_valid(a->share_index);
}

int release_acknowledgement_encode(const struct release_acknowledgement *a,
                                   const struct sign_key *d,
                                   uint8_t *out,
                                   size_t max,
                                   size_t *size)
{
    struct canon_writer w;

    if (!acknowledgement_is_valid(a)) {
        return ERR_BAD;
    }
    canon_write_init(&w, out, max);
    canon_put_array(&w, ACKNOWLEDGEMENT_ITEMS);
    canon_put_uint(&w, FIELD_VERSION);
    canon_put_digest(&w, &a->net);
    canon_put_digest(&w, &a->custodian);
    canon_put_digest(&w, &a->manifest_hash);
    canon_put_uint(&w, a->share_index);
    canon_put_uint(&w, a->share_epoch);
    canon_put_bin(&w, slice_of(a->proof, sizeof(a->proof)));
    field_put_signature(&w, d, ACKNOWLEDGEMENT_DST, &a->net);
    return field_write_end(&w, size);
}

static int acknowledgement_read(struct release_acknowledgement *a,
                                uint8_t sig[SIGN_SIZE],
                                struct slice in)
{
    struct canon_reader r;

    field_begin(&r, in);
    canon_digest(&r, &a->net);
    canon_digest(&r, &a->custodian);
    canon_digest(&r, &a->manifest_hash);
    a->share_index = (uint16_t)canon_uint(&r, MANIFEST_SHARDS_MAX);
    a->share_epoch = canon_uint(&r, UINT64_MAX);
    canon_bytes(&r, a->proof, sizeof(a->proof));
    field_signature(&r, sig);
    canon_leave(&r);
    canon_require(&r, acknowledgement_is_valid(a));
    return canon_end(&r);
}

/* Is it about a share of this manifest, by the steward to whom it was dealt? */
static bool acknowledgement_fits(const struct release_acknowledgement *a,
                                 const struct digest *manifest_hash,
                                 const struct manifest *m)
{
    return digest_equal(&a->manifest_hash, manifest_hash) &&
           digest_equal(&a->net, &m->net) && !m->offline &&
           a->share_epoch == m->share_epoch && a->share_index <= m->n &&
           digest_equal(&a->custodian, &m->stewards[a->share_index - 1]);
}

static int proof_verify(const struct release_acknowledgement *a,
                        const struct manifest *m)
{
    struct element public_share;
    struct digest ctx;
    int rv;

    rv = vss_public_share(m->commitments, m->t, a->share_index, &public_share);
    if (rv != OK) {
        return rv;
    }
    release_acknowledgement_context(&ctx, &a->net, &a->manifest_hash,
                                    a->share_index);
    return possession_verify(&ctx, &public_share, a->proof);
}

int release_acknowledgement_verify(struct release_acknowledgement *a,
                                   struct slice in,
                                   const uint8_t d_pk[SIGN_PK_SIZE],
                                   const struct digest *manifest_hash,
                                   const struct manifest *m)
{
    struct release_acknowledgement got;
    uint8_t sig[SIGN_SIZE];
    int rv;

    rv = acknowledgement_read(&got, sig, in);
    if (rv != OK) {
        return rv;
    }
    rv = sign_verify(d_pk, ACKNOWLEDGEMENT_DST, &got.net,
                     field_signed_bytes(in), sig);
    if (rv != OK) {
        return rv;
    }
    if (!acknowledgement_fits(&got, manifest_hash, m)) {
        return ERR_MISMATCH;
    }
    rv = proof_verify(&got, m);
    if (rv == OK) {
        *a = got;
    }
    return rv;
}

static bool decision_is_valid(const struct release_decision *d)
{
    return !digest_is_zero(&d->net) && !digest_is_zero(&d->release_id) &&
           !digest_is_zero(&d->manifest_hash) &&
           !digest_is_zero(&d->custodian) &&
           !digest_is_zero(&d->envelope_hash) &&
           share_index_is_valid(d->share_index) && d->time_s <= FIELD_TIME_MAX;
}

int release_decision_encode(const struct release_decision *d,
                            const struct sign_key *key,
                            uint8_t *out,
                            size_t max,
                            size_t *size)
{
    struct canon_writer w;

    if (!decision_is_valid(d)) {
        return ERR_BAD;
    }
    canon_write_init(&w, out, max);
    canon_put_array(&w, DECISION_ITEMS);
    canon_put_uint(&w, FIELD_VERSION);
    canon_put_digest(&w, &d->net);
    canon_put_digest(&w, &d->release_id);
    canon_put_digest(&w, &d->manifest_hash);
    canon_put_digest(&w, &d->custodian);
    canon_put_uint(&w, d->share_index);
    canon_put_uint(&w, d->share_epoch);
    canon_put_digest(&w, &d->envelope_hash);
    canon_put_uint(&w, d->time_s);
    field_put_signature(&w, key, DECISION_DST, &d->net);
    return field_write_end(&w, size);
}

int release_decision_verify(struct release_decision *d,
                            struct slice in,
                            const uint8_t d_pk[SIGN_PK_SIZE])
{
    struct release_decision got;
    uint8_t sig[SIGN_SIZE];
    struct canon_reader r;
    int rv;

    field_begin(&r, in);
    canon_digest(&r, &got.net);
    canon_digest(&r, &got.release_id);
    canon_digest(&r, &got.manifest_hash);
    canon_digest(&r, &got.custodian);
    got.share_index = (uint16_t)canon_uint(&r, MANIFEST_SHARDS_MAX);
    got.share_epoch = canon_uint(&r, UINT64_MAX);
    canon_digest(&r, &got.envelope_hash);
    got.time_s = canon_uint(&r, FIELD_TIME_MAX);
    field_signature(&r, sig);
    canon_leave(&r);
    canon_require(&r, decision_is_valid(&got));
    rv = canon_end(&r);
    if (rv != OK) {
        return rv;
    }
    rv = sign_verify(d_pk, DECISION_DST, &got.net, field_signed_bytes(in), sig);
    if (rv == OK) {
        *d = got;
    }
    return rv;
}

void release_decision_hash(struct digest *out, struct slice decision)
{
    TH256(out, "decision", decision);
}
