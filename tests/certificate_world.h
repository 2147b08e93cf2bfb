#ifndef CAIRN_TESTS_CERTIFICATE_WORLD_H
#define CAIRN_TESTS_CERTIFICATE_WORLD_H

#include "protocol/certificate.h"
#include "protocol/shard.h"
#include "tests/members.h"

/* A network, a deposit in it, and all that its members have signed about it,
 * true at first. A test writes again what it wants to be false. */

#define WORLD_K       4
#define WORLD_N       7
#define WORLD_T       3
#define WORLD_F       2 /* Of seven. */
#define WORLD_MEMBERS (WORLD_N + 2)
#define WORLD_TIME    1800000000U

struct world_entry {
    uint8_t bytes[CERTIFICATE_ENTRY_MAX + MANIFEST_SIZE_MAX];
    size_t size;
};

struct certificate_world {
    struct member stewards[WORLD_N]; /* By column. */
    struct member lab, auditor;
    struct digest net;
    uint8_t chain[CHARTER_CHAIN_MAX];
    size_t chain_size;
    struct vss_polynomials polynomials;
    struct manifest manifest;
    struct digest manifest_hash;
    struct world_entry manifest_entry;
    struct world_entry receipts[WORLD_N], acknowledgements[WORLD_N];
    struct rng rng;
};

static inline struct slice world_slice(const struct world_entry *e)
{
    return slice_of(e->bytes, e->size);
}

/* An entry of anyone's feed, signed by anyone. */
static inline void world_entry_put(struct world_entry *e,
                                   const struct digest *net,
                                   const struct digest *author,
                                   const struct sign_key *key,
                                   enum feed_kind kind,
                                   struct slice payload)
{
    static struct feed_tip tip;

    feed_tip_init(&tip, net, author, 0);
    ck_assert_int_eq(feed_append(&tip, key, kind, payload,
                                 (uint64_t)WORLD_TIME * 1000, e->bytes,
                                 sizeof(e->bytes), &e->size),
                     OK);
}

static inline void world_manifest_put(struct certificate_world *w,
                                      const struct member *author,
                                      const struct sign_key *key)
{
    static uint8_t payload[MANIFEST_SIZE_MAX];
    struct feed_entry e;
    size_t size = 0;

    ck_assert_int_eq(
        manifest_encode(&w->manifest, payload, sizeof(payload), &size), OK);
    world_entry_put(&w->manifest_entry, &w->net, &author->card.id, key,
                    FEED_MANIFEST, slice_of(payload, size));
    ck_assert_int_eq(feed_entry_decode(&e, world_slice(&w->manifest_entry)),
                     OK);
    w->manifest_hash = e.header.payload_hash;
}

/* What steward |i| would say of its shard. */
static inline struct release_receipt world_receipt(
    const struct certificate_world *w,
    uint16_t i)
{
    return (struct release_receipt){.deposit_id = w->manifest.deposit_id,
                                    .manifest_hash = w->manifest_hash,
                                    .root = w->manifest.roots[i],
                                    .index = i,
                                    .shard_size = w->manifest.shard_size,
                                    .time_s = WORLD_TIME + 60U + i};
}

static inline void world_receipt_put(struct certificate_world *w,
                                     uint16_t i,
                                     const struct release_receipt *r,
                                     const struct member *author,
                                     const struct sign_key *key)
{
    uint8_t payload[RELEASE_PAYLOAD_MAX];
    size_t size = 0;

    ck_assert_int_eq(release_receipt_encode(r, payload, sizeof(payload), &size),
                     OK);
    world_entry_put(&w->receipts[i], &w->net, &author->card.id, key,
                    FEED_RECEIPT, slice_of(payload, size));
}

/* What the custodian of column |i| says of share |share|, with a proof for
 * |proven|; the two are i + 1 but in lies. */
static inline struct release_acknowledgement world_acknowledgement(
    struct certificate_world *w,
    uint16_t i,
    uint16_t share,
    uint16_t proven)
{
    struct release_acknowledgement a = {
        .net = w->net,
        .custodian = w->stewards[i].card.id,
        .manifest_hash = w->manifest_hash,
        .share_index = share,
        .share_epoch = w->manifest.share_epoch,
    };
    struct vss_share s;
    struct digest ctx;

    vss_deal(&w->polynomials, proven, &s);
    release_acknowledgement_context(&ctx, &a.net, &a.manifest_hash, share);
    possession_prove(&ctx, &s, &w->rng, a.proof);
    return a;
}

static inline void world_acknowledgement_put(
    struct certificate_world *w,
    uint16_t i,
    const struct release_acknowledgement *a,
    const struct sign_key *d,
    const struct member *author)
{
    uint8_t payload[RELEASE_PAYLOAD_MAX];
    size_t size = 0;

    ck_assert_int_eq(
        release_acknowledgement_encode(a, d, payload, sizeof(payload), &size),
        OK);
    world_entry_put(&w->acknowledgements[i], &w->net, &author->card.id,
                    &author->node, FEED_ACKNOWLEDGEMENT,
                    slice_of(payload, size));
}

/* Found the network and have an operator of every steward sign for it. */
static inline void world_charter_put(struct certificate_world *w,
                                     const char *name)
{
    static uint8_t sigs[WORLD_N][MEMBER_SSHSIG_MAX];
    static uint8_t draft[CHARTER_SIZE_MAX];
    static struct charter charter;
    struct charter_signature signatures[WORLD_N];
    struct slice cards[WORLD_MEMBERS];
    const uint8_t psk_id[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    size_t size = 0, bad = 0;

    for (size_t i = 0; i < WORLD_N; i++) {
        cards[i] = member_slice(&w->stewards[i]);
    }
    cards[WORLD_N] = member_slice(&w->lab);
    cards[WORLD_N + 1] = member_slice(&w->auditor);
    ck_assert_int_eq(charter_found(name, WORLD_TIME, 0, psk_id, cards,
                                   WORLD_MEMBERS, draft, sizeof(draft), &size,
                                   &bad),
                     OK);
    for (size_t i = 0; i < WORLD_N; i++) {
        signatures[i].sshsig =
            slice_of(sigs[i], member_sshsig(w->stewards[i].operator_sk,
                                            CHARTER_NAMESPACE,
                                            slice_of(draft, size), sigs[i]));
    }
    ck_assert_int_eq(charter_assemble(slice_of(draft, size), signatures,
                                      WORLD_N, w->chain, sizeof(w->chain),
                                      &w->chain_size, NULL),
                     OK);
    ck_assert_int_eq(charter_chain_decode(&charter, &w->net,
                                          slice_of(w->chain, w->chain_size)),
                     OK);
}

/* The id that the lab's deposit has by what else the manifest says. */
static inline void world_deposit_id(struct certificate_world *w)
{
    struct manifest *m = &w->manifest;

    manifest_deposit_id(&m->deposit_id, &m->net, &w->lab.card.id,
                        m->random.bytes);
}

static inline void world_manifest_fill(struct certificate_world *w)
{
    struct manifest *m = &w->manifest;
    const uint32_t segment = SEGMENT_SIZE_MIN;

    m->net = w->net;
    rng_bytes(&w->rng, &m->random, DIGEST_SIZE);
    world_deposit_id(w);
    memcpy(m->label, "Gr\xc3\xbc\xc3\x9f", 7);
    m->time_s = WORLD_TIME;
    m->plain_size = 3 * (uint64_t)segment;
    m->segment_size = segment;
    m->segments = 4;
    m->catalogue_segments = 1;
    m->k = WORLD_K;
    m->n = WORLD_N;
    m->t = WORLD_T;
    m->shard_size = shard_size(
        LEAF_SIZE + 3 * shard_cell_max(m->k, segment) + LEAF_SIZE, 4);
    rng_bytes(&w->rng, m->roots, sizeof(m->roots[0]) * WORLD_N);
    for (size_t i = 0; i < WORLD_N; i++) {
        m->stewards[i] = w->stewards[i].card.id;
    }
    vss_polynomials_init(&w->polynomials, WORLD_T, &w->rng);
    vss_commit(&w->polynomials, m->commitments);
    rng_bytes(&w->rng, &m->key_commit, DIGEST_SIZE);
    ck_assert_int_eq(
        policy_default(WORLD_T, m->policy, sizeof(m->policy), &m->policy_size),
        OK);
    m->cadence_days = 30;
}

/* What steward |i| and its custodian truly say. */
static inline void world_steward_put(struct certificate_world *w, uint16_t i)
{
    const struct release_receipt r = world_receipt(w, i);
    const uint16_t share = (uint16_t)(i + 1);
    const struct release_acknowledgement a =
        world_acknowledgement(w, i, share, share);

    world_receipt_put(w, i, &r, &w->stewards[i], &w->stewards[i].node);
    world_acknowledgement_put(w, i, &a, &w->stewards[i].d, &w->stewards[i]);
}

static inline void world_init(struct certificate_world *w)
{
    const uint8_t seed[RNG_SEED_SIZE] = {3};

    memset(w, 0, sizeof(*w));
    rng_init_seed(&w->rng, seed);
    for (uint8_t i = 0; i < WORLD_N; i++) {
        member_make(&w->stewards[i], (uint8_t)(i + 1), CARD_STEWARD);
    }
    member_make(&w->lab, 50, CARD_LAB);
    member_make(&w->auditor, 60, CARD_AUDITOR);
    world_charter_put(w, "Model archive");
    world_manifest_fill(w);
    world_manifest_put(w, &w->lab, &w->lab.node);
    for (uint16_t i = 0; i < WORLD_N; i++) {
        world_steward_put(w, i);
    }
}

/* The first so many receipts and acknowledgements. */
static inline void world_certificate(const struct certificate_world *w,
                                     size_t receipts,
                                     size_t acknowledgements,
                                     struct certificate *c)
{
    memset(c, 0, sizeof(*c));
    c->chain = slice_of(w->chain, w->chain_size);
    c->manifest = world_slice(&w->manifest_entry);
    for (size_t i = 0; i < receipts; i++) {
        c->receipts[c->receipts_len++] = world_slice(&w->receipts[i]);
    }
    for (size_t i = 0; i < acknowledgements; i++) {
        c->acknowledgements[c->acknowledgements_len++] =
            world_slice(&w->acknowledgements[i]);
    }
}

#endif /* CAIRN_TESTS_CERTIFICATE_WORLD_H */
