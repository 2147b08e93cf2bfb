#include "protocol/release.h"

#include "crypto/hash.h"
#include "protocol/field.h"
#include "protocol/shard.h"

#define REQUEST_ITEMS  14
#define APPROVAL_ITEMS 3
#define RECEIPT_ITEMS  7
#define HOLDING_ITEMS  2
#define DAY_S          86400U

static bool request_texts_are_valid(const struct release_request *r)
{
    return field_text_is_valid(r->label, 1, MANIFEST_LABEL_MAX) &&
           field_text_is_valid(r->recipient, 1, RELEASE_NAME_MAX) &&
           field_text_is_valid(r->purpose, 1, RELEASE_TEXT_MAX);
}

static bool request_is_valid(const struct release_request *r)
{
    return !digest_is_zero(&r->net) && !digest_is_zero(&r->charter_hash) &&
           !digest_is_zero(&r->deposit_id) &&
           !digest_is_zero(&r->manifest_hash) && request_texts_are_valid(r) &&
           field_hpke_key_is_valid(r->hpke_pk) &&
           !field_is_zero(r->transport_pk, sizeof(r->transport_pk)) &&
           r->not_after_s <= FIELD_TIME_MAX && r->time_s < r->not_after_s &&
           r->not_after_s - r->time_s <= (uint64_t)RELEASE_DAYS_MAX * DAY_S;
}

int release_request_encode(const struct release_request *r,
                           uint8_t *out,
                           size_t max,
                           size_t *size)
{
    struct canon_writer w;

    if (!request_is_valid(r)) {
        return ERR_BAD;
    }
    canon_write_init(&w, out, max);
    canon_put_array(&w, REQUEST_ITEMS);
    canon_put_uint(&w, FIELD_VERSION);
    canon_put_digest(&w, &r->net);
    canon_put_digest(&w, &r->charter_hash);
    canon_put_digest(&w, &r->deposit_id);
    canon_put_digest(&w, &r->manifest_hash);
    canon_put_str(&w, slice_str(r->label));
    canon_put_uint(&w, r->share_epoch);
    canon_put_str(&w, slice_str(r->recipient));
    canon_put_bin(&w, slice_of(r->hpke_pk, sizeof(r->hpke_pk)));
    canon_put_bin(&w, slice_of(r->transport_pk, sizeof(r->transport_pk)));
    canon_put_str(&w, slice_str(r->purpose));
    canon_put_uint(&w, r->time_s);
    canon_put_uint(&w, r->not_after_s);
    canon_put_bin(&w, slice_of(r->nonce, sizeof(r->nonce)));
    return field_write_end(&w, size);
}

int release_request_decode(struct release_request *r, struct slice in)
{
    struct canon_reader c;
    struct release_request got;
    int rv;

    if (in.size > RELEASE_REQUEST_MAX) {
        return ERR_BAD;
    }
    memset(&got, 0, sizeof(got));
    field_begin(&c, in);
    canon_digest(&c, &got.net);
    canon_digest(&c, &got.charter_hash);
    canon_digest(&c, &got.deposit_id);
    canon_digest(&c, &got.manifest_hash);
    field_text(&c, got.label, MANIFEST_LABEL_MAX);
    got.share_epoch = canon_uint(&c, UINT64_MAX);
    field_text(&c, got.recipient, RELEASE_NAME_MAX);
    canon_bytes(&c, got.hpke_pk, sizeof(got.hpke_pk));
    canon_bytes(&c, got.transport_pk, sizeof(got.transport_pk));
    field_text(&c, got.purpose, RELEASE_TEXT_MAX);
    got.time_s = canon_uint(&c, FIELD_TIME_MAX);
    got.not_after_s = canon_uint(&c, FIELD_TIME_MAX);
    canon_bytes(&c, got.nonce, sizeof(got.nonce));
    canon_leave(&c);
    canon_require(&c, c.error != OK || request_is_valid(&got));
    rv = canon_end(&c);
    if (rv == OK) {
        *r = got;
    }
    return rv;
}

void release_id(struct digest *out, struct slice request)
{
    TH256(out, "release-id", request);
}

static bool approval_is_valid(const struct release_approval *a)
{
    return !digest_is_zero(&a->release_id) && a->sshsig.size >= 1 &&
           a->sshsig.size <= FIELD_SSHSIG_MAX;
}

int release_approval_encode(const struct release_approval *a,
                            uint8_t *out,
                            size_t max,
                            size_t *size)
{
    struct canon_writer w;

    if (!approval_is_valid(a)) {
        return ERR_BAD;
    }
    canon_write_init(&w, out, max);
    canon_put_array(&w, APPROVAL_ITEMS);
    canon_put_uint(&w, FIELD_VERSION);
    canon_put_digest(&w, &a->release_id);
    canon_put_bin(&w, a->sshsig);
    return field_write_end(&w, size);
}

int release_approval_decode(struct release_approval *a, struct slice in)
{
    struct release_approval got;
    struct canon_reader c;
    int rv;

    field_begin(&c, in);
    canon_digest(&c, &got.release_id);
    got.sshsig = canon_bin(&c, 1, FIELD_SSHSIG_MAX);
    canon_leave(&c);
    canon_require(&c, approval_is_valid(&got));
    rv = canon_end(&c);
    if (rv == OK) {
        *a = got;
    }
    return rv;
}

static bool receipt_is_valid(const struct release_receipt *r)
{
    return !digest_is_zero(&r->deposit_id) &&
           !digest_is_zero(&r->manifest_hash) && !digest_is_zero(&r->root) &&
           r->index < MANIFEST_SHARDS_MAX && r->shard_size > 0 &&
           r->shard_size % LEAF_SIZE == 0 && r->time_s <= FIELD_TIME_MAX;
}

int release_receipt_encode(const struct release_receipt *r,
                           uint8_t *out,
                           size_t max,
                           size_t *size)
{
    struct canon_writer w;

    if (!receipt_is_valid(r)) {
        return ERR_BAD;
    }
    canon_write_init(&w, out, max);
    canon_put_array(&w, RECEIPT_ITEMS);
    canon_put_uint(&w, FIELD_VERSION);
    canon_put_digest(&w, &r->deposit_id);
    canon_put_digest(&w, &r->manifest_hash);
    canon_put_uint(&w, r->index);
    canon_put_digest(&w, &r->root);
    canon_put_uint(&w, r->shard_size);
    canon_put_uint(&w, r->time_s);
    return field_write_end(&w, size);
}

int release_receipt_decode(struct release_receipt *r, struct slice in)
{
    struct release_receipt got;
    struct canon_reader c;
    int rv;

    field_begin(&c, in);
    canon_digest(&c, &got.deposit_id);
    canon_digest(&c, &got.manifest_hash);
    got.index = (uint16_t)canon_uint(&c, MANIFEST_SHARDS_MAX - 1);
    canon_digest(&c, &got.root);
    got.shard_size = canon_uint(&c, UINT64_MAX);
    got.time_s = canon_uint(&c, FIELD_TIME_MAX);
    canon_leave(&c);
    canon_require(&c, receipt_is_valid(&got));
    rv = canon_end(&c);
    if (rv == OK) {
        *r = got;
    }
    return rv;
}

int release_holding_encode(const struct digest *decision_hash,
                           uint8_t *out,
                           size_t max,
                           size_t *size)
{
    struct canon_writer w;

    if (digest_is_zero(decision_hash)) {
        return ERR_BAD;
    }
    canon_write_init(&w, out, max);
    canon_put_array(&w, HOLDING_ITEMS);
    canon_put_uint(&w, FIELD_VERSION);
    canon_put_digest(&w, decision_hash);
    return field_write_end(&w, size);
}

int release_holding_decode(struct digest *decision_hash, struct slice in)
{
    struct canon_reader c;
    struct digest got;
    int rv;

    field_begin(&c, in);
    canon_digest(&c, &got);
    canon_leave(&c);
    canon_require(&c, !digest_is_zero(&got));
    rv = canon_end(&c);
    if (rv == OK) {
        *decision_hash = got;
    }
    return rv;
}

void release_deal_info(struct digest *info,
                       const struct digest *net,
                       const struct digest *manifest_hash,
                       uint16_t share_index,
                       uint64_t share_epoch)
{
    TH256(info, "deal-env", digest_slice(net), digest_slice(manifest_hash),
          slice_u16le((uint8_t[2]){0}, share_index),
          slice_u64le((uint8_t[8]){0}, share_epoch));
}

void release_envelope_info(struct digest *info,
                           const struct digest *net,
                           const struct digest *id,
                           uint16_t share_index,
                           uint64_t share_epoch)
{
    TH256(info, "release-env", digest_slice(net), digest_slice(id),
          slice_u16le((uint8_t[2]){0}, share_index),
          slice_u64le((uint8_t[8]){0}, share_epoch));
}

void release_psk(struct digest *out,
                 const uint8_t net_psk[32],
                 const struct digest *id)
{
    TH256(out, "release-psk", slice_of(net_psk, 32), digest_slice(id));
}
