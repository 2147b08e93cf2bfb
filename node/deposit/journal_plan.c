#include "node/deposit/journal_internal.h"
#include "protocol/canon.h"
#include "protocol/policy.h"

/* The plan as bytes: what the key file `plan` holds. */

#define PLAN_VERSION 2
#define PLAN_FIELDS  18

int journal_plan_encode(const struct journal_plan *p,
                        uint8_t *out,
                        size_t max,
                        size_t *size)
{
    struct canon_writer w;
    struct slice written;
    uint16_t t = p->polynomials.t;
    int rv;

    canon_write_init(&w, out, max);
    canon_put_array(&w, PLAN_FIELDS);
    canon_put_uint(&w, PLAN_VERSION);
    canon_put_digest(&w, &p->net);
    canon_put_digest(&w, &p->author);
    canon_put_digest(&w, &p->random);
    canon_put_str(&w, slice_str(p->label));
    canon_put_uint(&w, p->time_s);
    canon_put_uint(&w, p->data_size);
    canon_put_uint(&w, p->segment_size);
    canon_put_uint(&w, p->k);
    canon_put_uint(&w, p->n);
    canon_put_uint(&w, p->codec);
    canon_put_uint(&w, p->cadence_days);
    canon_put_bin(&w, slice_of(p->policy, p->policy_size));
    canon_put_uint(&w, t);
    canon_put_bin(&w, slice_of(p->polynomials.a, t * sizeof(struct scalar)));
    canon_put_bin(&w, slice_of(p->polynomials.b, t * sizeof(struct scalar)));
    canon_put_bin(&w, slice_of(p->seed, sizeof(p->seed)));
    canon_put_bin(&w, slice_of(p->stewards,
                               p->offline ? 0 : p->n * sizeof(struct digest)));
    rv = canon_write_end(&w, &written);
    if (rv == OK) {
        *size = written.size;
    }
    return rv;
}

static void plan_read_polynomial(struct canon_reader *r,
                                 struct scalar *out,
                                 uint16_t t)
{
    struct slice s =
        canon_bin(r, t * sizeof(struct scalar), t * sizeof(struct scalar));

    if (s.size > 0) {
        memcpy(out, s.data, s.size);
    }
    for (uint16_t i = 0; i < t; i++) {
        canon_require(r, scalar_is_canonical(&out[i]));
    }
}

int journal_plan_decode(struct journal_plan *p, struct slice in)
{
    struct canon_reader r;
    struct slice s;

    canon_read_init(&r, in);
    canon_array(&r, PLAN_FIELDS);
    canon_version(&r, PLAN_VERSION);
    canon_digest(&r, &p->net);
    canon_digest(&r, &p->author);
    canon_digest(&r, &p->random);
    s = canon_str(&r, 1, MANIFEST_LABEL_MAX);
    memcpy(p->label, s.data != NULL ? s.data : (const uint8_t *)"", s.size);
    p->label[s.size] = '\0';
    p->time_s = canon_uint(&r, UINT64_MAX);
    p->data_size = canon_uint(&r, UINT64_MAX);
    p->segment_size = (uint32_t)canon_uint(&r, SEGMENT_SIZE_MAX);
    p->k = (uint16_t)canon_uint(&r, ERASURE_K_MAX);
    p->n = (uint16_t)canon_uint(&r, MANIFEST_SHARDS_MAX);
    p->codec = (uint32_t)canon_uint(&r, CODEC_CHOOSE_ZSTD);
    p->cadence_days = (uint32_t)canon_uint(&r, UINT32_MAX);
    s = canon_bin(&r, 1, MANIFEST_POLICY_MAX);
    memcpy(p->policy, s.data != NULL ? s.data : (const uint8_t *)"", s.size);
    p->policy_size = s.size;
    p->polynomials.t = (uint16_t)canon_uint(&r, VSS_T_MAX);
    plan_read_polynomial(&r, p->polynomials.a, p->polynomials.t);
    plan_read_polynomial(&r, p->polynomials.b, p->polynomials.t);
    canon_bytes(&r, p->seed, sizeof(p->seed));
    s = canon_bin(&r, 0, sizeof(p->stewards));
    memcpy(p->stewards, s.data != NULL ? s.data : (const uint8_t *)"", s.size);
    p->offline = s.size == 0;
    canon_require(&r, p->offline || s.size == p->n * sizeof(struct digest));
    canon_leave(&r);
    manifest_deposit_id(&p->deposit_id, &p->net, &p->author, p->random.bytes);
    canon_require(&r, p->segment_size >= SEGMENT_SIZE_MIN &&
                          p->segment_size % LEAF_SIZE == 0 && p->k >= 1 &&
                          p->k < p->n && p->polynomials.t >= 1 &&
                          p->polynomials.t <= p->n);
    return canon_end(&r);
}
