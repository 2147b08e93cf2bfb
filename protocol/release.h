#ifndef CAIRN_PROTOCOL_RELEASE_H
#define CAIRN_PROTOCOL_RELEASE_H

#include "crypto/base.h"
#include "crypto/hpke.h"
#include "crypto/possession.h"
#include "crypto/sign.h"
#include "protocol/manifest.h"

/* The documents of custody and release (docs/FORMAT.md 12), as pure codecs;
 * who may make them and when they count is for custodians and stewards. */

#define RELEASE_TEXT_MAX           2000 /* Purpose. */
#define RELEASE_NAME_MAX           200
#define RELEASE_REQUEST_MAX        8192U
#define RELEASE_PAYLOAD_MAX        4096U
#define RELEASE_ENVELOPE_SIZE      (2 * SCALAR_SIZE + HPKE_OVERHEAD_SIZE)
#define RELEASE_DAYS_MAX           400U
#define RELEASE_APPROVAL_NAMESPACE "cairn-approval@v1"

/* Every encoder here: ERR_BAD when a field breaks its bounds, ERR_FULL. */

/* REQUEST: what a recipient asks for. Texts are not empty and without control
 * characters; not_after_s is 1 second to RELEASE_DAYS_MAX after time_s. */
struct release_request {
    struct digest net, charter_hash, deposit_id, manifest_hash;
    char label[MANIFEST_LABEL_MAX + 1];
    uint64_t share_epoch;
    char recipient[RELEASE_NAME_MAX + 1];
    uint8_t hpke_pk[HPKE_KEY_SIZE];
    uint8_t transport_pk[32];
    char purpose[RELEASE_TEXT_MAX + 1];
    uint64_t time_s, not_after_s;
    uint8_t nonce[32];
};

MUST_CHECK int release_request_encode(const struct release_request *r,
                                      uint8_t *out,
                                      size_t max,
                                      size_t *size);
MUST_CHECK int release_request_decode(struct release_request *r,
                                      struct slice in);

/* TH256("release-id", request bytes) */
void release_id(struct digest *out, struct slice request);

/* What operators sign: a text for people, in which every field of the request
 * stands, and behind a line "-- request in hex --" its bytes. Rendered again
 * from the bytes by whoever shows, signs or checks it. |out| gets no final
 * zero. Errors are those of release_request_decode(). */
#define RELEASE_RENDERED_MAX ((size_t)4 * RELEASE_REQUEST_MAX)
MUST_CHECK int release_request_render(struct slice request,
                                      char *out,
                                      size_t max,
                                      size_t *size);

/* APPROVAL (a steward's feed): [1, release id, signature (binary SSHSIG)]. */
struct release_approval {
    struct digest release_id;
    struct slice sshsig; /* Lent. */
};
MUST_CHECK int release_approval_encode(const struct release_approval *a,
                                       uint8_t *out,
                                       size_t max,
                                       size_t *size);
MUST_CHECK int release_approval_decode(struct release_approval *a,
                                       struct slice in);

/* RECEIPT (a steward's feed): the shard is held, and its root is this. */
struct release_receipt {
    struct digest deposit_id, manifest_hash, root;
    uint16_t index; /* 0 .. n-1 */
    uint64_t shard_size, time_s;
};
MUST_CHECK int release_receipt_encode(const struct release_receipt *r,
                                      uint8_t *out,
                                      size_t max,
                                      size_t *size);
MUST_CHECK int release_receipt_decode(struct release_receipt *r,
                                      struct slice in);

/* ACKNOWLEDGEMENT (made by the custodian, in its steward's feed): it holds a
 * share that the manifest's commitments promise. Signed by D over the rest. */
struct release_acknowledgement {
    struct digest net, custodian, manifest_hash;
    uint16_t share_index; /* 1 .. n: the share of shard share_index - 1. */
    uint64_t share_epoch;
    uint8_t proof[POSSESSION_PROOF_SIZE];
};
/* ctx of the proof: TH256("deal-ack", net, manifest_hash, u16le index) */
void release_acknowledgement_context(struct digest *ctx,
                                     const struct digest *net,
                                     const struct digest *manifest_hash,
                                     uint16_t share_index);
MUST_CHECK int release_acknowledgement_encode(
    const struct release_acknowledgement *a,
    const struct sign_key *d,
    uint8_t *out,
    size_t max,
    size_t *size);
/* Decode, and verify the signature by |d_pk|, that it speaks of the manifest
 * |m| of |manifest_hash| (as received, never encoded again): its network, its
 * epoch, and the steward of that share (ERR_MISMATCH), and the proof with the
 * commitments of |m|. */
MUST_CHECK int release_acknowledgement_verify(
    struct release_acknowledgement *a,
    struct slice in,
    const uint8_t d_pk[SIGN_PK_SIZE],
    const struct digest *manifest_hash,
    const struct manifest *m);

/* DECISION (made by the custodian): the share goes to the request's recipient
 * in the envelope of this hash. Signed by D over the rest. */
struct release_decision {
    struct digest net, release_id, manifest_hash, custodian, envelope_hash;
    uint16_t share_index;
    uint64_t share_epoch, time_s;
};
MUST_CHECK int release_decision_encode(const struct release_decision *d,
                                       const struct sign_key *key,
                                       uint8_t *out,
                                       size_t max,
                                       size_t *size);
MUST_CHECK int release_decision_verify(struct release_decision *d,
                                       struct slice in,
                                       const uint8_t d_pk[SIGN_PK_SIZE]);

/* HOLDING (a node's feed): [1, TH256("decision", decision bytes)]: a node of
 * another steward has signed for holding that decision. */
MUST_CHECK int release_holding_encode(const struct digest *decision_hash,
                                      uint8_t *out,
                                      size_t max,
                                      size_t *size);
MUST_CHECK int release_holding_decode(struct digest *decision_hash,
                                      struct slice in);
void release_decision_hash(struct digest *out, struct slice decision);

/* Envelopes. A dealt share goes to E of custodian i under
 *   info = TH256("deal-env", net, manifest_hash, u16le i, u64le epoch),
 * a released one to the recipient, in mode psk with release_psk and the release
 * id as its id, under
 *   info = TH256("release-env", net, release_id, u16le i, u64le epoch).
 * The plaintext is f(i) || g(i). */
void release_deal_info(struct digest *info,
                       const struct digest *net,
                       const struct digest *manifest_hash,
                       uint16_t share_index,
                       uint64_t share_epoch);
void release_envelope_info(struct digest *info,
                           const struct digest *net,
                           const struct digest *release_id,
                           uint16_t share_index,
                           uint64_t share_epoch);
/* release_psk = TH256("release-psk", net_psk, release_id) */
void release_psk(struct digest *out,
                 const uint8_t net_psk[32],
                 const struct digest *release_id);

#endif /* CAIRN_PROTOCOL_RELEASE_H */
