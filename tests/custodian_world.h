#ifndef CAIRN_TESTS_CUSTODIAN_WORLD_H
#define CAIRN_TESTS_CUSTODIAN_WORLD_H

#include <stdlib.h>

#include "crypto/hash.h"
#include "protocol/frame.h"
#include "protocol/shard.h"
#include "replication/custodian/custodian_internal.h"
#include "tests/members.h"

/* A network, a deposit that is dealt, a custodian, and a driver of it: rows in
 * memory, which are written and read as the machine says, and a reply. A test
 * changes what it is about. Everything is of one test alone. */

#define STEWARDS 5U
#define ME       1U /* Whose custodian it is; its share is that of ME + 1. */
#define LAB      5U
#define LAB_2    6U
#define AUDITOR  7U
#define MEMBERS  8U
#define T        3U
#define TIME     1800000000U
#define DAY      ((uint64_t)CUSTODIAN_DAY_S)
#define ROWS_MAX 8U

struct row {
    uint8_t key[CORE_KEY_MAX], value[CORE_VALUE_MAX];
    size_t key_size, value_size;
};

struct buffer {
    uint8_t bytes[FEED_ENTRY_MAX];
    size_t size;
};

static struct member members[MEMBERS];
static struct charter *charter;
static uint8_t charter_bytes[CHARTER_SIZE_MAX];
static struct digest net;
static uint8_t net_psk[32];
static struct rng rng;

static struct vss_polynomials polynomials;
static struct manifest manifest;
static struct buffer entry;
static struct digest manifest_hash;
static struct vss_share share; /* That is dealt to the custodian. */
static uint8_t envelope[RELEASE_ENVELOPE_SIZE];

static struct release_request request;
static uint8_t recipient_sk[HPKE_KEY_SIZE];
static struct buffer request_bytes;
static uint8_t sigs[CUSTODY_APPROVALS_MAX][MEMBER_SSHSIG_MAX];

static struct custodian *machine;
static struct custodian_config config;
static struct row rows[ROWS_MAX];
static size_t rows_len;
static uint64_t wall_s;
static bool crash; /* What is decided next does not become durable. */
static unsigned replies, writes;
static uint64_t reply_id, next_id;
static int read_status; /* Of the last EV_ROWS; 1: as it should be. */

static struct custody ask, answer;
static struct buffer answer_bytes;

static inline struct slice buffer_slice(const struct buffer *b)
{
    return slice_of(b->bytes, b->size);
}

/* --- The driver ---------------------------------------------------------- */

static inline struct row *row_find(struct slice key)
{
    for (size_t i = 0; i < rows_len; i++) {
        if (slice_equal(slice_of(rows[i].key, rows[i].key_size), key)) {
            return &rows[i];
        }
    }
    return NULL;
}

static inline void row_put(const struct core_op *op)
{
    struct row *r = &rows[rows_len];

    ck_assert(!op->remove);
    /* Rows are written once. */
    ck_assert_ptr_null(row_find(op->key));
    ck_assert_uint_lt(rows_len, ROWS_MAX);
    memcpy(r->key, op->key.data, op->key.size);
    memcpy(r->value, op->value.data, op->value.size);
    r->key_size = op->key.size;
    r->value_size = op->value.size;
    rows_len++;
    writes++;
}

static inline void step(const struct core_event *ev);

/* A page with the row, where there is one, and a last one that is empty. */
static inline void read_row(uint64_t id, struct slice key)
{
    struct row *r = row_find(key);
    struct core_event ev = {.type = EV_ROWS, .id = id};
    struct core_row page;

    if (r != NULL && read_status == 1) {
        page.key = slice_of(r->key, r->key_size);
        page.value = slice_of(r->value, r->value_size);
        ev.rows = &page;
        ev.rows_len = 1;
        step(&ev);
    }
    ev.rows = NULL;
    ev.rows_len = 0;
    ev.status = read_status;
    step(&ev);
}

static inline void reply_take(const struct core_action *a)
{
    replies++;
    reply_id = a->id;
    memcpy(answer_bytes.bytes, a->bytes.data, a->bytes.size);
    answer_bytes.size = a->bytes.size;
    ck_assert_int_eq(custody_decode(&answer, buffer_slice(&answer_bytes)), OK);
}

/* One step, and all that follows from it. */
static inline void step(const struct core_event *ev)
{
    static uint8_t none[sizeof(struct custodian_scratch)];
    struct core_event now = *ev;
    struct core_out *did = malloc(sizeof(*did));

    ck_assert_ptr_nonnull(did);
    now.wall_ms = wall_s * 1000;
    core_out_reset(did);
    custodian_step(machine, &now, did);
    ck_assert_mem_eq(&machine->scratch, none, sizeof(none));
    ck_assert_uint_le(did->ops_len, 1);
    if (crash && did->ops_len > 0) {
        free(did);
        return;
    }
    for (size_t i = 0; i < did->ops_len; i++) {
        row_put(&did->ops[i]);
    }
    for (size_t i = 0; i < did->acts_len; i++) {
        const struct core_action *a = &did->acts[i];

        ck_assert(!a->now);
        if (a->type == ACT_READ) {
            read_row(a->id, a->bytes);
        } else {
            ck_assert_int_eq(a->type, ACT_REPLY);
            reply_take(a);
        }
    }
    free(did);
}

/* A machine that knows what the rows say, and nothing else. */
static inline void boot(void)
{
    struct core_row page[ROWS_MAX];
    struct core_event ev = {.type = EV_START, .status = 1, .rows = page};

    custodian_free(machine);
    ck_assert_int_eq(custodian_new(&machine, &config), OK);
    for (size_t i = 0; i < rows_len; i++) {
        page[i].key = slice_of(rows[i].key, rows[i].key_size);
        page[i].value = slice_of(rows[i].value, rows[i].value_size);
    }
    ev.rows_len = rows_len;
    step(&ev);
}

static inline void send(struct slice bytes)
{
    struct core_event ev = {.type = EV_CLIENT, .id = ++next_id, .bytes = bytes};

    step(&ev);
}

static inline void send_ask(void)
{
    static uint8_t bytes[CUSTODY_SIZE_MAX];
    size_t size = 0;

    ck_assert_int_eq(custody_encode(&ask, bytes, sizeof(bytes), &size), OK);
    send(slice_of(bytes, size));
}

/* Ask, and be answered with |type|. */
static inline void granted(enum custody_type type)
{
    unsigned before = replies;

    send_ask();
    ck_assert_uint_eq(replies, before + 1);
    ck_assert_uint_eq(reply_id, next_id);
    ck_assert_int_eq(answer.type, type);
}

/* Ask, and be told no, why, and nothing else; and nothing is written. */
static inline void refused(int status)
{
    unsigned wrote = writes;

    granted(CUSTODY_REFUSED);
    ck_assert_int_eq(answer.u.refused.status, status);
    ck_assert_uint_ge(strlen(answer.u.refused.text), 20);
    ck_assert_uint_eq(writes, wrote);
}

/* Ask, and be told no, with |words|, because there is no room for the row. */
static inline void unwritten(const char *words)
{
    struct core_event ev = {.type = EV_CLIENT, .status = ERR_FULL};
    unsigned before = replies, wrote = writes;

    crash = true;
    send_ask();
    crash = false;
    ck_assert_uint_eq(replies, before);
    ev.id = next_id;
    step(&ev);
    ck_assert_uint_eq(replies, before + 1);
    ck_assert_uint_eq(reply_id, next_id);
    ck_assert_int_eq(answer.type, CUSTODY_REFUSED);
    ck_assert_int_eq(answer.u.refused.status, ERR_FULL);
    ck_assert_ptr_nonnull(strstr(answer.u.refused.text, words));
    ck_assert_uint_eq(writes, wrote);
}

/* --- The network --------------------------------------------------------- */

/* |bytes| (CHARTER_SIZE_MAX) outlive |c|. */
static inline void charter_make(struct charter *c,
                                uint64_t time_s,
                                uint8_t *bytes)
{
    struct slice cards[MEMBERS];
    struct frame_psk psk;
    size_t size = 0, bad = 0;

    frame_psk_init(&psk, net_psk);
    for (size_t i = 0; i < MEMBERS; i++) {
        cards[i] = member_slice(&members[i]);
    }
    ck_assert_int_eq(charter_found("Test", time_s, 0, psk.id, cards, MEMBERS,
                                   bytes, CHARTER_SIZE_MAX, &size, &bad),
                     OK);
    ck_assert_int_eq(charter_decode(c, slice_of(bytes, size)), OK);
}

static inline void members_make(void)
{
    for (uint8_t i = 0; i < MEMBERS; i++) {
        enum card_role role = i < STEWARDS  ? CARD_STEWARD
                              : i < AUDITOR ? CARD_LAB
                                            : CARD_AUDITOR;
        uint8_t sk[crypto_sign_SECRETKEYBYTES];
        struct card *c = &members[i].card;

        member_init(&members[i], (uint8_t)(20 + i), role);
        member_operator((uint8_t)(20 + i), 1, &c->operators[1], sk);
        c->operators_len = 2;
        member_encode(&members[i]);
    }
}

static inline void config_make(void)
{
    const uint8_t seed[RNG_SEED_SIZE] = {20 + ME, 'e'};
    uint8_t pk[HPKE_KEY_SIZE];
    struct rng e;

    config = (struct custodian_config){
        .charter = charter, .net = net, .sign = members[ME].d, .rng = &rng};
    rng_init_seed(&e, seed);
    hpke_keypair(&e, config.hpke_sk, pk);
    memcpy(config.net_psk, net_psk, sizeof(net_psk));
}

/* --- The deposit --------------------------------------------------------- */

static inline void policy_set(struct slice policy)
{
    memcpy(manifest.policy, policy.data, policy.size);
    manifest.policy_size = policy.size;
}

static inline void manifest_make(void)
{
    struct manifest *m = &manifest;

    memset(m, 0, sizeof(*m));
    m->net = net;
    rng_bytes(&rng, &m->random, DIGEST_SIZE);
    memcpy(m->label, "Model", 6);
    m->time_s = TIME - 1000 * DAY;
    m->plain_size = SEGMENT_SIZE_MIN;
    m->segment_size = SEGMENT_SIZE_MIN;
    m->segments = 2;
    m->catalogue_segments = 1;
    m->k = 2;
    m->n = STEWARDS;
    m->t = T;
    m->shard_size = shard_size(
        (uint64_t)2 * LEAF_SIZE + shard_cell_max(2, SEGMENT_SIZE_MIN), 2);
    rng_bytes(&rng, m->roots, (size_t)STEWARDS * DIGEST_SIZE);
    for (size_t i = 0; i < STEWARDS; i++) {
        m->stewards[i] = members[i].card.id;
    }
    vss_polynomials_init(&polynomials, T, &rng);
    vss_commit(&polynomials, m->commitments);
    rng_bytes(&rng, &m->key_commit, DIGEST_SIZE);
    ck_assert_int_eq(
        policy_default(T, m->policy, sizeof(m->policy), &m->policy_size), OK);
    m->cadence_days = 30;
    vss_deal(&polynomials, ME + 1, &share);
}

/* An entry of a feed, signed by anyone. */
static inline void entry_put(struct buffer *b,
                             const struct digest *in,
                             const struct digest *author,
                             const struct sign_key *key,
                             enum feed_kind kind,
                             struct slice payload)
{
    static struct feed_tip tip;

    feed_tip_init(&tip, in, author, 0);
    ck_assert_int_eq(feed_append(&tip, key, kind, payload, 1000, b->bytes,
                                 sizeof(b->bytes), &b->size),
                     OK);
}

/* The manifest as it is now, in the name of |author|, signed by |signer|. */
static inline void manifest_put(size_t author, size_t signer)
{
    static uint8_t payload[MANIFEST_SIZE_MAX];
    size_t size = 0;

    ck_assert_int_eq(
        manifest_encode(&manifest, payload, sizeof(payload), &size), OK);
    sha256(slice_of(payload, size), &manifest_hash);
    entry_put(&entry, &net, &members[author].card.id, &members[signer].node,
              FEED_MANIFEST, slice_of(payload, size));
}

/* The same, of a deposit of |author|'s own. */
static inline void manifest_sign(size_t author, size_t signer)
{
    manifest_deposit_id(&manifest.deposit_id, &manifest.net,
                        &members[author].card.id, manifest.random.bytes);
    manifest_put(author, signer);
}

/* Seal |share| to |custodian| as the share of |index|. */
static inline void share_seal(size_t custodian, uint16_t index)
{
    uint8_t plain[2 * SCALAR_SIZE];
    struct digest info;

    memcpy(plain, share.s.bytes, SCALAR_SIZE);
    memcpy(plain + SCALAR_SIZE, share.r.bytes, SCALAR_SIZE);
    release_deal_info(&info, &net, &manifest_hash, index, manifest.share_epoch);
    ck_assert_int_eq(hpke_seal(members[custodian].card.custody_hpke_pk,
                               digest_slice(&info), slice_of("", 0), NULL,
                               slice_of(plain, sizeof(plain)), &rng, envelope),
                     OK);
}

/* A DEAL of the manifest as it stands signed, and of the envelope. */
static inline void deal_ask(void)
{
    ask = (struct custody){
        .type = CUSTODY_DEAL,
        .u.deal = {.manifest = buffer_slice(&entry),
                   .share_index = ME + 1,
                   .share_epoch = manifest.share_epoch,
                   .envelope = slice_of(envelope, sizeof(envelope))}};
}

/* Sign and seal the deposit as it is, and have it dealt. */
static inline void deal(void)
{
    manifest_sign(LAB, LAB);
    share_seal(ME, ME + 1);
    deal_ask();
    granted(CUSTODY_ACK);
}

/* --- A release ----------------------------------------------------------- */

static inline void request_make(void)
{
    uint8_t pk[HPKE_KEY_SIZE];

    memset(&request, 0, sizeof(request));
    request.net = net;
    request.charter_hash = charter->hash;
    request.deposit_id = manifest.deposit_id;
    request.manifest_hash = manifest_hash;
    memcpy(request.label, "Model", 6);
    request.share_epoch = manifest.share_epoch;
    memcpy(request.recipient, "University", 11);
    hpke_keypair(&rng, recipient_sk, pk);
    memcpy(request.hpke_pk, pk, sizeof(pk));
    memset(request.transport_pk, 7, sizeof(request.transport_pk));
    memcpy(request.purpose, "To study it.", 13);
    request.time_s = TIME;
    request.not_after_s = TIME + 30 * DAY;
    rng_bytes(&rng, request.nonce, sizeof(request.nonce));
}

/* A RELEASE of the request as it is, without approvals. */
static inline void release_ask(void)
{
    ck_assert_int_eq(release_request_encode(&request, request_bytes.bytes,
                                            sizeof(request_bytes.bytes),
                                            &request_bytes.size),
                     OK);
    ask = (struct custody){.type = CUSTODY_RELEASE,
                           .u.release.request = buffer_slice(&request_bytes)};
}

/* Add what |sk| signs of the request that is asked. */
static inline void approve_with(const uint8_t sk[crypto_sign_SECRETKEYBYTES],
                                const char *ns)
{
    static char text[RELEASE_RENDERED_MAX];
    struct custody_release *r = &ask.u.release;
    size_t at = r->approvals_len++, size = 0;

    ck_assert_int_eq(
        release_request_render(r->request, text, sizeof(text), &size), OK);
    size = member_sshsig(sk, ns, slice_of(text, size), sigs[at]);
    r->approvals[at] = slice_of(sigs[at], size);
}

static inline void approve(size_t member)
{
    approve_with(members[member].operator_sk, RELEASE_APPROVAL_NAMESPACE);
}

/* The same with members 0 .. len-1. */
static inline void release_ask_by(size_t len)
{
    release_ask();
    for (size_t i = 0; i < len; i++) {
        approve(i);
    }
}

/* An ENVELOPE for the request, with the word of |author|, signed by |signer|,
 * that it holds |decision|. */
static inline void envelope_ask(size_t author,
                                size_t signer,
                                struct slice decision)
{
    static struct buffer holding;
    uint8_t payload[RELEASE_PAYLOAD_MAX];
    struct digest hash;
    size_t size = 0;

    release_decision_hash(&hash, decision);
    ck_assert_int_eq(
        release_holding_encode(&hash, payload, sizeof(payload), &size), OK);
    entry_put(&holding, &net, &members[author].card.id, &members[signer].node,
              FEED_HOLDING, slice_of(payload, size));
    ask = (struct custody){.type = CUSTODY_ENVELOPE,
                           .u.envelope.holding = buffer_slice(&holding)};
    release_id(&ask.u.envelope.release_id, buffer_slice(&request_bytes));
}

/* --- Fixture ------------------------------------------------------------- */

static inline void world_start(void)
{
    static const uint8_t seed[RNG_SEED_SIZE] = {33};

    rng_init_seed(&rng, seed);
    rng_bytes(&rng, net_psk, sizeof(net_psk));
    members_make();
    charter = calloc(1, sizeof(*charter));
    ck_assert_ptr_nonnull(charter);
    charter_make(charter, TIME - 2000 * DAY, charter_bytes);
    net = charter->hash;
    config_make();
    manifest_make();
    manifest_sign(LAB, LAB);
    share_seal(ME, ME + 1);
    request_make();
    wall_s = TIME + DAY;
    read_status = 1;
    boot();
}

static inline void world_stop(void)
{
    custodian_free(machine);
    machine = NULL;
    free(charter);
    charter = NULL;
}

#endif /* CAIRN_TESTS_CUSTODIAN_WORLD_H */
