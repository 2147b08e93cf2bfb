#include "protocol/manifest.h"

#include "crypto/hash.h"
#include "protocol/field.h"
#include "protocol/policy.h"
#include "protocol/shard.h"
#include "protocol/text.h"

#define MANIFEST_VERSION 1
#define MANIFEST_FIELDS  24

/* Any t up to n is one that vss.h can deal. */
_Static_assert(VSS_T_MAX >= MANIFEST_SHARDS_MAX, "t may be as large as n");

bool manifest_label_is_valid(struct slice label)
{
    return label.size >= 1 && label.size <= MANIFEST_LABEL_MAX &&
           text_is_plain(label);
}

void manifest_deposit_id(struct digest *out,
                         const struct digest *net,
                         const struct digest *author,
                         const uint8_t random[32])
{
    TH256(out, "deposit-id", digest_slice(net), digest_slice(author),
          slice_of(random, 32));
}

bool manifest_code_is_valid(uint16_t k, uint16_t n)
{
    return k >= 1 && k <= MANIFEST_DATA_MAX && k < n &&
           n <= MANIFEST_SHARDS_MAX;
}

bool manifest_segment_size_is_valid(uint32_t segment_size)
{
    return segment_size % LEAF_SIZE == 0 && segment_size >= SEGMENT_SIZE_MIN &&
           segment_size <= SEGMENT_SIZE_MAX;
}

/* Segments of files are neither empty nor fuller than segment_size. */
static bool segments_are_sound(const struct manifest *m)
{
    uint64_t data, least;

    if (!manifest_segment_size_is_valid(m->segment_size) ||
        m->catalogue_segments < 1 || m->catalogue_segments > m->segments ||
        m->segments > MERKLE_LEAVES_MAX) {
        return false;
    }
    data = m->segments - m->catalogue_segments;
    least = m->plain_size / m->segment_size +
            (m->plain_size % m->segment_size != 0 ? 1 : 0);
    return least <= data && data <= m->plain_size;
}

/* Behind the cells come the table and the trailer. */
static bool shard_size_is_sound(const struct manifest *m)
{
    uint64_t behind = shard_size(0, m->segments);

    return m->shard_size >= behind &&
           shard_table_offset_is_valid(m->k, m->segment_size, m->segments,
                                       m->shard_size - behind);
}

static bool stewards_are_sound(const struct manifest *m)
{
    if (m->offline) {
        return true;
    }
    for (size_t i = 0; i < m->n; i++) {
        if (digest_is_zero(&m->stewards[i])) {
            return false;
        }
        for (size_t j = 0; j < i; j++) {
            if (digest_equal(&m->stewards[i], &m->stewards[j])) {
                return false;
            }
        }
    }
    return true;
}

/* Everything that can be checked alone, besides the encoding. */
static int manifest_check(const struct manifest *m)
{
    int rv;

    if (!manifest_label_is_valid(slice_str(m->label)) ||
        !manifest_code_is_valid(m->k, m->n) || m->t < 1 || m->t > m->n ||
        !segments_are_sound(m) || !shard_size_is_sound(m) ||
        !stewards_are_sound(m) || m->offline != digest_is_zero(&m->net)) {
        return ERR_BAD;
    }
    rv = vss_commitments_check(m->commitments, m->t);
    if (rv != OK) {
        return rv;
    }
    return policy_check(slice_of(m->policy, m->policy_size));
}

static void put_digests(struct canon_writer *w,
                        const struct digest *d,
                        uint32_t len)
{
    canon_put_array(w, len);
    for (uint32_t i = 0; i < len; i++) {
        canon_put_digest(w, &d[i]);
    }
}

static void put_fields(struct canon_writer *w, const struct manifest *m)
{
    canon_put_array(w, MANIFEST_FIELDS);
    canon_put_uint(w, MANIFEST_VERSION);
    canon_put_array(w, 4);
    canon_put_uint(w, SUITE_CONTENT_1);
    canon_put_uint(w, SUITE_CODE_1);
    canon_put_uint(w, SUITE_TREE_1);
    canon_put_uint(w, SUITE_CUSTODY_1);
    canon_put_digest(w, &m->net);
    canon_put_digest(w, &m->deposit_id);
    canon_put_digest(w, &m->random);
    canon_put_str(w, slice_str(m->label));
    canon_put_uint(w, m->time_s);
    canon_put_uint(w, m->plain_size);
    canon_put_uint(w, m->segment_size);
    canon_put_uint(w, m->segments);
    canon_put_uint(w, m->catalogue_segments);
    canon_put_uint(w, m->k);
    canon_put_uint(w, m->n);
    canon_put_uint(w, m->t);
    canon_put_uint(w, m->shard_size);
    put_digests(w, m->roots, m->n);
    put_digests(w, m->stewards, m->offline ? 0 : m->n);
    canon_put_uint(w, m->share_epoch);
    canon_put_array(w, m->t);
    for (size_t i = 0; i < m->t; i++) {
        canon_put_bin(w, slice_of(m->commitments[i].bytes, ELEMENT_SIZE));
    }
    canon_put_digest(w, &m->key_commit);
    canon_put_bin(w, slice_of(m->policy, m->policy_size));
    canon_put_uint(w, m->cadence_days);
    canon_put_uint(w, 0);
    canon_put_uint(w, 0);
}

int manifest_encode(const struct manifest *m,
                    uint8_t *out,
                    size_t max,
                    size_t *size)
{
    struct canon_writer w;

    assert(manifest_check(m) == OK && m->policy_size <= MANIFEST_POLICY_MAX);
    canon_write_init(&w, out, max);
    put_fields(&w, m);
    return field_write_end(&w, size);
}

static void get_label(struct canon_reader *r, struct manifest *m)
{
    struct slice s = canon_str(r, 1, MANIFEST_LABEL_MAX);

    if (s.size > 0) {
        memcpy(m->label, s.data, s.size);
    }
}

static void get_policy(struct canon_reader *r, struct manifest *m)
{
    struct slice s = canon_bin(r, 1, MANIFEST_POLICY_MAX);

    if (s.size > 0) {
        memcpy(m->policy, s.data, s.size);
    }
    m->policy_size = s.size;
}

static void get_stewards(struct canon_reader *r, struct manifest *m)
{
    uint32_t len = canon_array_between(r, 0, m->n);

    canon_require(r, len == 0 || len == m->n);
    m->offline = len == 0;
    for (uint32_t i = 0; i < len; i++) {
        canon_digest(r, &m->stewards[i]);
    }
    canon_leave(r);
}

/* Every count is bounded as it is read, so that the arrays cannot overflow
 * before the numbers are checked against each other. */
static void get_fields(struct canon_reader *r, struct manifest *m)
{
    /* Of any length until the version is known. */
    canon_array_between(r, 1, UINT32_MAX);
    canon_version(r, MANIFEST_VERSION);
    canon_array(r, 4);
    canon_version(r, SUITE_CONTENT_1);
    canon_version(r, SUITE_CODE_1);
    canon_version(r, SUITE_TREE_1);
    canon_version(r, SUITE_CUSTODY_1);
    canon_leave(r);
    canon_digest(r, &m->net);
    canon_digest(r, &m->deposit_id);
    canon_digest(r, &m->random);
    get_label(r, m);
    m->time_s = canon_uint(r, UINT64_MAX);
    m->plain_size = canon_uint(r, UINT64_MAX);
    m->segment_size = (uint32_t)canon_uint(r, SEGMENT_SIZE_MAX);
    m->segments = canon_uint(r, UINT64_MAX);
    m->catalogue_segments = (uint32_t)canon_uint(r, UINT32_MAX);
    m->k = (uint16_t)canon_uint(r, MANIFEST_SHARDS_MAX);
    m->n = (uint16_t)canon_uint(r, MANIFEST_SHARDS_MAX);
    m->t = (uint16_t)canon_uint(r, VSS_T_MAX);
    m->shard_size = canon_uint(r, UINT64_MAX);
    canon_array(r, m->n);
    for (size_t i = 0; i < m->n; i++) {
        canon_digest(r, &m->roots[i]);
    }
    canon_leave(r);
    get_stewards(r, m);
    m->share_epoch = canon_uint(r, UINT64_MAX);
    canon_array(r, m->t);
    for (size_t i = 0; i < m->t; i++) {
        canon_bytes(r, m->commitments[i].bytes, ELEMENT_SIZE);
    }
    canon_leave(r);
    canon_digest(r, &m->key_commit);
    get_policy(r, m);
    m->cadence_days = (uint32_t)canon_uint(r, UINT32_MAX);
    /* Without a meaning yet. */
    canon_require_known(r, canon_uint(r, UINT64_MAX) == 0);
    canon_require_known(r, canon_uint(r, UINT64_MAX) == 0);
    canon_leave(r);
}

/* Could |author| have made the id of the deposit? */
static bool id_is_by(const struct manifest *m, const struct digest *author)
{
    struct digest id;

    manifest_deposit_id(&id, &m->net, author, m->random.bytes);
    return digest_equal(&id, &m->deposit_id);
}

int manifest_decode(struct manifest *m,
                    const struct digest *author,
                    struct slice in)
{
    struct canon_reader r;
    struct manifest got;
    int rv;

    memset(&got, 0, sizeof(got));
    canon_read_init(&r, in);
    get_fields(&r, &got);
    rv = canon_end(&r);
    if (rv != OK) {
        return rv;
    }
    rv = manifest_check(&got);
    if (rv != OK) {
        return rv;
    }
    if (!id_is_by(&got, author)) {
        return ERR_MISMATCH;
    }
    *m = got;
    return OK;
}
