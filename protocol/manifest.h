#ifndef CAIRN_PROTOCOL_MANIFEST_H
#define CAIRN_PROTOCOL_MANIFEST_H

#include "crypto/base.h"
#include "crypto/vss.h"

/* The lab's signed description of a deposit (docs/FORMAT.md 5): everything
 * that a steward, an auditor or a recipient needs to know, and nothing about
 * the files. It travels as the payload of a feed entry. */

#define MANIFEST_SHARDS_MAX 64 /* n; four times today's largest code. */
#define MANIFEST_DATA_MAX   48 /* k */
#define MANIFEST_LABEL_MAX  200
#define MANIFEST_POLICY_MAX 1024
#define MANIFEST_SIZE_MAX   16384U
#define SEGMENT_SIZE_MIN    65536U
#define SEGMENT_SIZE_MAX    (64U << 20)

/* Suites: each number is a complete frozen choice, never negotiated. */
#define SUITE_CONTENT_1 1U /* Cobblestone-256, codecs 0, 1 */
#define SUITE_CODE_1    1U /* Cauchy Reed-Solomon, GF(2^8), 0x11d */
#define SUITE_TREE_1    1U /* RFC 6962, SHA-256, 4 KiB leaves */
#define SUITE_CUSTODY_1 1U /* Pedersen over ristretto255, HPKE X25519 */

struct manifest {
    struct digest net;
    struct digest deposit_id, random; /* See manifest_deposit_id(). */
    char label[MANIFEST_LABEL_MAX + 1];
    uint64_t time_s, plain_size;
    uint32_t segment_size;
    uint64_t segments;
    uint32_t catalogue_segments;
    uint16_t k, n, t;
    uint64_t shard_size;
    struct digest roots[MANIFEST_SHARDS_MAX];
    bool offline; /* No stewards named. */
    struct digest stewards[MANIFEST_SHARDS_MAX];
    uint64_t share_epoch;
    struct element commitments[VSS_T_MAX];
    struct digest key_commit;
    uint8_t policy[MANIFEST_POLICY_MAX];
    size_t policy_size;
    uint32_t cadence_days;
};

/* Encode into |out|, MANIFEST_SIZE_MAX bytes at most. */
MUST_CHECK int manifest_encode(const struct manifest *m,
                               uint8_t *out,
                               size_t max,
                               size_t *size);

/* Decode and check what can be checked alone: bounds, k < n, t <= n, the
 * sizes against each other, commitments that are elements, distinct stewards,
 * a policy that parses. Whether k, n, t are wise is placement's question.
 *
 * |author| is that of the feed entry which |in| is the payload of: nobody
 * speaks for another's deposit, ERR_MISMATCH when |author| could not have made
 * the deposit's id. */
MUST_CHECK int manifest_decode(struct manifest *m,
                               const struct digest *author,
                               struct slice in);

/* 1 <= k < n <= MANIFEST_SHARDS_MAX, k <= MANIFEST_DATA_MAX. */
bool manifest_code_is_valid(uint16_t k, uint16_t n);
/* A multiple of 4096, SEGMENT_SIZE_MIN..SEGMENT_SIZE_MAX. */
bool manifest_segment_size_is_valid(uint32_t segment_size);
/* A label: 1..MANIFEST_LABEL_MAX bytes of UTF-8 without control characters. */
bool manifest_label_is_valid(struct slice label);

/* deposit_id = TH256("deposit-id", net, author, random) */
void manifest_deposit_id(struct digest *out,
                         const struct digest *net,
                         const struct digest *author,
                         const uint8_t random[32]);

#endif /* CAIRN_PROTOCOL_MANIFEST_H */
