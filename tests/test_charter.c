#include <stdlib.h>

#include "crypto/hash.h"
#include "protocol/canon.h"
#include "protocol/charter.h"
#include "tests/members.h"

#define NAME "Model archive"
#define TIME 1800000000U

/* Four stewards, a lab, an auditor. */
#define MEMBERS  6
#define STEWARDS 4

static const uint8_t psk_id[8] = {1, 2, 3, 4, 5, 6, 7, 8};

static struct member *members; /* MEMBERS, in ascending order of id. */
static struct charter *c;
static uint8_t *draft, *chain; /* CHARTER_CHAIN_MAX bytes each. */
static size_t draft_size, chain_size;
static uint8_t sigs[STEWARDS + 1][MEMBER_SSHSIG_MAX];
static struct charter_signature signatures[STEWARDS + 1];
static struct digest net;

static int member_compare(const void *a, const void *b)
{
    const struct member *x = a, *y = b;

    return memcmp(x->card.id.bytes, y->card.id.bytes, DIGEST_SIZE);
}

/* The |which|th steward by id. */
static struct member *steward(size_t which)
{
    size_t seen = 0;

    for (size_t i = 0; i < MEMBERS; i++) {
        if (members[i].card.role == CARD_STEWARD && seen++ == which) {
            return &members[i];
        }
    }
    ck_abort();
    return NULL;
}

static struct member *member_of(enum card_role role)
{
    for (size_t i = 0; i < MEMBERS; i++) {
        if (members[i].card.role == role) {
            return &members[i];
        }
    }
    ck_abort();
    return NULL;
}

static void cards_of(struct slice cards[MEMBERS])
{
    for (size_t i = 0; i < MEMBERS; i++) {
        cards[i] = member_slice(&members[i]);
    }
}

static int found(size_t *bad)
{
    struct slice cards[MEMBERS];

    cards_of(cards);
    return charter_found(NAME, TIME, 0, psk_id, cards, MEMBERS, draft,
                         CHARTER_SIZE_MAX, &draft_size, bad);
}

static struct slice draft_slice(void)
{
    return slice_of(draft, draft_size);
}

static void sign_as(size_t at, const struct member *m)
{
    size_t size = member_sshsig(m->operator_sk, CHARTER_NAMESPACE,
                                draft_slice(), sigs[at]);

    signatures[at].sshsig = slice_of(sigs[at], size);
}

static void sign_all(void)
{
    for (size_t i = 0; i < STEWARDS; i++) {
        sign_as(i, steward(i));
    }
}

static int assemble(size_t len, struct digest *missing)
{
    return charter_assemble(draft_slice(), signatures, len, chain,
                            CHARTER_CHAIN_MAX, &chain_size, missing);
}

static void *new_bytes(size_t size)
{
    void *p = malloc(size);

    ck_assert_ptr_nonnull(p);
    memset(p, 0x5a, size);
    return p;
}

static void start(void)
{
    size_t bad;

    members = new_bytes(MEMBERS * sizeof(*members));
    c = new_bytes(sizeof(*c));
    draft = new_bytes(CHARTER_CHAIN_MAX);
    chain = new_bytes(CHARTER_CHAIN_MAX);
    for (uint8_t i = 0; i < MEMBERS; i++) {
        member_make(&members[i], (uint8_t)(10 + i),
                    i < STEWARDS    ? CARD_STEWARD
                    : i == STEWARDS ? CARD_LAB
                                    : CARD_AUDITOR);
    }
    qsort(members, MEMBERS, sizeof(*members), member_compare);
    ck_assert_int_eq(found(&bad), OK);
    sign_all();
    memset(&net, 0x5a, sizeof(net));
}

static void stop(void)
{
    free(members);
    free(c);
    free(draft);
    free(chain);
}

/* A decoder that fails leaves an empty charter. */
static void assert_empty(void)
{
    const uint8_t *at = (const uint8_t *)c;

    ck_assert(at[0] == 0 && memcmp(at, at + 1, sizeof(*c) - 1) == 0);
}

/* What a test writes as charter, sound or not. */
static struct forgery {
    uint32_t items, members;
    uint64_t version, epoch, time_s, flags;
    struct digest prev;
    struct slice name, psk_id;
    struct slice cards[MEMBERS + 1];
} f;

static void follow(void)
{
    f = (struct forgery){.items = 8,
                         .members = MEMBERS,
                         .version = 1,
                         .time_s = TIME,
                         .name = slice_str(NAME),
                         .psk_id = slice_of(psk_id, sizeof(psk_id))};
    cards_of(f.cards);
}

static void forge(void)
{
    struct canon_writer w;
    struct slice out;

    canon_write_init(&w, draft, CHARTER_CHAIN_MAX);
    canon_put_array(&w, f.items);
    canon_put_uint(&w, f.version);
    canon_put_uint(&w, f.epoch);
    canon_put_digest(&w, &f.prev);
    canon_put_str(&w, f.name);
    canon_put_uint(&w, f.time_s);
    canon_put_uint(&w, f.flags);
    canon_put_bin(&w, f.psk_id);
    canon_put_array(&w, f.members);
    for (size_t i = 0; i < f.members; i++) {
        canon_put_bin(&w, f.cards[i]);
    }
    for (uint32_t i = 8; i < f.items; i++) {
        canon_put_uint(&w, 0);
    }
    ck_assert_int_eq(canon_write_end(&w, &out), OK);
    draft_size = out.size;
}

static int decode_forged(void)
{
    int rv;

    forge();
    rv = charter_decode(c, draft_slice());
    if (rv != OK) {
        assert_empty();
    }
    return rv;
}

/* Cards in any order become one charter, that of docs/FORMAT.md. */
START_TEST(test_charter_found_round_trip)
{
    struct slice cards[MEMBERS], swap, want;
    uint8_t *out = chain;
    size_t size = 0, bad = 0;
    struct digest hash;

    follow();
    forge();
    want = draft_slice();
    cards_of(cards);
    swap = cards[0];
    cards[0] = cards[4];
    cards[4] = swap;
    swap = cards[1];
    cards[1] = cards[5];
    cards[5] = swap;
    ck_assert_int_eq(charter_found(NAME, TIME, 0, psk_id, cards, MEMBERS, out,
                                   CHARTER_SIZE_MAX, &size, &bad),
                     OK);
    ck_assert(slice_equal(slice_of(out, size), want));
    ck_assert_int_eq(charter_decode(c, want), OK);
    ck_assert_uint_eq(c->epoch, 0);
    ck_assert(digest_is_zero(&c->prev));
    ck_assert_str_eq(c->name, NAME);
    ck_assert_uint_eq(c->time_s, TIME);
    ck_assert_uint_eq(c->flags, 0);
    ck_assert_bytes_eq(c->psk_id, psk_id, sizeof(psk_id));
    ck_assert_uint_eq(c->members_len, MEMBERS);
    for (size_t i = 0; i < MEMBERS; i++) {
        ck_assert_mem_eq(&c->members[i].card, &members[i].card,
                         sizeof(struct card));
        ck_assert(
            slice_equal(c->members[i].card_bytes, member_slice(&members[i])));
    }
    ck_assert_uint_eq(c->stewards, 4);
    ck_assert_uint_eq(c->f, 1);
    ck_assert_uint_eq(c->q, 3);
    TH256(&hash, "charter", want);
    ck_assert(digest_equal(&c->hash, &hash));
}
END_TEST

/* Each bound of a charter, from both sides. */
START_TEST(test_charter_bounds)
{
    char name[CHARTER_NAME_MAX + 2];

    memset(name, 'n', sizeof(name));
    follow();
    f.name = slice_of(name, CHARTER_NAME_MAX);
    f.flags = 3;
    f.time_s = 253402300799U;
    ck_assert_int_eq(decode_forged(), OK);
    ck_assert_uint_eq(c->flags, CHARTER_FLAG_SAME_JURISDICTION |
                                    CHARTER_FLAG_SAME_PROVIDER);
    f.name = slice_of(name, CHARTER_NAME_MAX + 1);
    ck_assert_int_eq(decode_forged(), ERR_BAD);
    f.name = slice_str("");
    ck_assert_int_eq(decode_forged(), ERR_BAD);
    f.name = slice_str("two\nlines");
    ck_assert_int_eq(decode_forged(), ERR_BAD);
    follow();
    f.time_s = 253402300800U;
    ck_assert_int_eq(decode_forged(), ERR_BAD);
    follow();
    f.flags = 4;
    ck_assert_int_eq(decode_forged(), ERR_UNSUPPORTED);
    f.flags = (uint64_t)1 << 32;
    ck_assert_int_eq(decode_forged(), ERR_UNSUPPORTED);
    follow();
    f.psk_id.size = 7;
    ck_assert_int_eq(decode_forged(), ERR_BAD);
    follow();
    f.items = 9;
    ck_assert_int_eq(decode_forged(), ERR_BAD);
    f.version = 2;
    ck_assert_int_eq(decode_forged(), ERR_UNSUPPORTED);
}
END_TEST

/* Only the founding charter is understood, and nothing comes before it. */
START_TEST(test_charter_epochs)
{
    follow();
    f.epoch = 1;
    ck_assert_int_eq(decode_forged(), ERR_UNSUPPORTED);
    f.prev.bytes[0] = 1;
    ck_assert_int_eq(decode_forged(), ERR_UNSUPPORTED);
    f.epoch = 0;
    ck_assert_int_eq(decode_forged(), ERR_BAD);
}
END_TEST

/* The caller of charter_found() is held to the same bounds. */
START_TEST(test_charter_found_bounds)
{
    char name[CHARTER_NAME_MAX + 2] = {0};
    struct slice cards[MEMBERS];
    size_t size = 77, bad = 0;

    cards_of(cards);
    memset(name, 'n', CHARTER_NAME_MAX + 1);
#define FOUND(name, time, flags, max)                                      \
    charter_found(name, time, flags, psk_id, cards, MEMBERS, chain, (max), \
                  &size, &bad)
    ck_assert_int_eq(FOUND(name, TIME, 0, CHARTER_SIZE_MAX), ERR_BAD);
    ck_assert_uint_eq(bad, MEMBERS);
    ck_assert_int_eq(FOUND("", TIME, 0, CHARTER_SIZE_MAX), ERR_BAD);
    ck_assert_int_eq(FOUND("a\tb", TIME, 0, CHARTER_SIZE_MAX), ERR_BAD);
    ck_assert_int_eq(FOUND(NAME, 253402300800U, 0, CHARTER_SIZE_MAX), ERR_BAD);
    ck_assert_int_eq(FOUND(NAME, TIME, 4, CHARTER_SIZE_MAX), ERR_BAD);
    ck_assert_int_eq(FOUND(NAME, TIME, 0, draft_size - 1), ERR_FULL);
    ck_assert_uint_eq(size, 77);
    ck_assert_int_eq(FOUND(NAME, TIME, 0, draft_size), OK);
    name[CHARTER_NAME_MAX] = '\0';
    ck_assert_int_eq(FOUND(name, TIME, 3, CHARTER_SIZE_MAX), OK);
}
END_TEST

/* Sixty-four members, and not one more; the smallest network is a steward. */
START_TEST(test_charter_member_counts)
{
    struct member *m = new_bytes(65 * sizeof(*m));
    struct slice cards[65];
    size_t bad = 0;

    for (uint8_t i = 0; i < 65; i++) {
        member_make(&m[i], (uint8_t)(100 + i), CARD_STEWARD);
        cards[i] = member_slice(&m[i]);
    }
    ck_assert_int_eq(charter_found(NAME, TIME, 0, psk_id, cards, 65, draft,
                                   CHARTER_SIZE_MAX, &draft_size, &bad),
                     ERR_BAD);
    ck_assert_uint_eq(bad, 65);
    ck_assert_int_eq(charter_found(NAME, TIME, 0, psk_id, cards, 64, draft,
                                   CHARTER_SIZE_MAX, &draft_size, &bad),
                     OK);
    ck_assert_int_eq(charter_decode(c, draft_slice()), OK);
    ck_assert_uint_eq(c->stewards, 64);
    ck_assert_uint_eq(c->q, 43);
    ck_assert_int_eq(charter_found(NAME, TIME, 0, psk_id, cards, 1, draft,
                                   CHARTER_SIZE_MAX, &draft_size, &bad),
                     OK);
    ck_assert_int_eq(charter_decode(c, draft_slice()), OK);
    ck_assert_uint_eq(c->q, 1);
    free(m);
}
END_TEST

/* A network without a steward keeps nothing. */
START_TEST(test_charter_wants_a_steward)
{
    struct slice cards[2] = {member_slice(member_of(CARD_LAB)),
                             member_slice(member_of(CARD_AUDITOR))};
    size_t size = 77, bad = 77;

    follow();
    f.members = 0;
    ck_assert_int_eq(decode_forged(), ERR_BAD);
    f.members = 2;
    f.cards[0] = cards[0];
    f.cards[1] = cards[1];
    ck_assert_int_eq(decode_forged(), ERR_BAD);
    f.cards[0] = cards[1];
    f.cards[1] = cards[0];
    ck_assert_int_eq(decode_forged(), ERR_BAD);
    ck_assert_int_eq(charter_found(NAME, TIME, 0, psk_id, cards, 2, draft,
                                   CHARTER_SIZE_MAX, &size, &bad),
                     ERR_BAD);
    ck_assert_uint_eq(bad, 2);
    bad = 77;
    ck_assert_int_eq(charter_found(NAME, TIME, 0, psk_id, cards, 0, draft,
                                   CHARTER_SIZE_MAX, &size, &bad),
                     ERR_BAD);
    ck_assert_uint_eq(bad, 0);
    ck_assert_uint_eq(size, 77);
}
END_TEST

/* A card that is not whole is named by its place. */
START_TEST(test_charter_bad_card)
{
    size_t bad = 77;

    for (size_t i = 0; i < MEMBERS; i++) {
        members[i].bytes[members[i].size / 2] ^= 1;
        ck_assert_int_eq(found(&bad), ERR_BAD);
        ck_assert_uint_eq(bad, i);
        follow();
        ck_assert_int_ne(decode_forged(), OK);
        members[i].bytes[members[i].size / 2] ^= 1;
    }
    members[2].size = 0;
    ck_assert_int_eq(found(&bad), ERR_BAD);
    ck_assert_uint_eq(bad, 2);
}
END_TEST

/* Members stand in the order of their ids, each once. */
START_TEST(test_charter_order)
{
    struct slice swap;

    follow();
    swap = f.cards[2];
    f.cards[2] = f.cards[3];
    f.cards[3] = swap;
    ck_assert_int_eq(decode_forged(), ERR_BAD);
    follow();
    f.members = MEMBERS + 1;
    f.cards[MEMBERS] = f.cards[MEMBERS - 1];
    ck_assert_int_eq(decode_forged(), ERR_BAD);
}
END_TEST

enum clash {
    CLASH_NONE,
    CLASH_ID,
    CLASH_NODE_KEY,
    CLASH_ID_IS_NODE_KEY,
    CLASH_NODE_KEY_IS_ID,
    CLASH_VRF_KEY,
    CLASH_HPKE_KEY,
    CLASH_SIGN_KEY,
    CLASH_OPERATOR,
    CLASH_OPERATOR_OF_LAB,
    CLASH_ADDRESS,
    CLASH_COUNT
};

/* Give |b| something of |a|. */
static void make_clash(enum clash which,
                       const struct member *a,
                       struct member *b)
{
    struct card *d = &b->card;

    switch (which) {
    case CLASH_NONE:
    case CLASH_COUNT:
        break;
    case CLASH_ID:
        d->id = a->card.id;
        break;
    case CLASH_NODE_KEY:
        b->node = a->node;
        memcpy(d->node_pk, a->card.node_pk, SIGN_PK_SIZE);
        break;
    case CLASH_ID_IS_NODE_KEY:
        memcpy(d->id.bytes, a->card.node_pk, SIGN_PK_SIZE);
        break;
    case CLASH_NODE_KEY_IS_ID:
        b->node = a->node;
        memcpy(d->node_pk, a->card.id.bytes, SIGN_PK_SIZE);
        break;
    case CLASH_VRF_KEY:
        d->vrf_pk = a->card.vrf_pk;
        break;
    case CLASH_HPKE_KEY:
        memcpy(d->custody_hpke_pk, a->card.custody_hpke_pk, 32);
        break;
    case CLASH_SIGN_KEY:
        b->d = a->d;
        memcpy(d->custody_sign_pk, a->card.custody_sign_pk, SIGN_PK_SIZE);
        break;
    case CLASH_OPERATOR:
    case CLASH_OPERATOR_OF_LAB:
        d->operators[1] = a->card.operators[0];
        d->operators_len = 2;
        break;
    case CLASH_ADDRESS:
        memcpy(d->addresses[1], a->card.addresses[0], CARD_ADDRESS_MAX);
        d->addresses_len = 2;
        break;
    }
}

/* Nothing that makes a member itself may be another's too: one hand would
 * have two votes, or one steward the shares of two. */
START_TEST(test_charter_members_differ)
{
    struct member *a = steward(0), *b = steward(1);
    struct member rotated;
    size_t bad = 77;

    if (_i == CLASH_OPERATOR_OF_LAB) {
        a = member_of(CARD_LAB);
    }
    if (_i == CLASH_ID || _i == CLASH_NODE_KEY || _i == CLASH_ID_IS_NODE_KEY) {
        /* A member whose node key is no longer its id. */
        member_init(&rotated, 50, CARD_STEWARD);
        a->node = rotated.node;
        memcpy(a->card.node_pk, rotated.card.node_pk, SIGN_PK_SIZE);
        member_encode(a);
    }
    if (_i == CLASH_NODE_KEY_IS_ID) {
        /* The node key that it had before is somebody's now. */
        member_init(&rotated, 50, CARD_STEWARD);
        make_clash(CLASH_NODE_KEY_IS_ID, a, b);
        a->node = rotated.node;
        memcpy(a->card.node_pk, rotated.card.node_pk, SIGN_PK_SIZE);
        member_encode(a);
    } else {
        make_clash((enum clash)_i, a, b);
    }
    member_encode(b);
    if (_i == CLASH_NONE) {
        ck_assert_int_eq(found(&bad), OK);
        ck_assert_int_eq(charter_decode(c, draft_slice()), OK);
        return;
    }
    ck_assert_int_eq(found(&bad), ERR_EXISTS);
    ck_assert_uint_eq(bad,
                      a > b ? (size_t)(a - members) : (size_t)(b - members));
    qsort(members, MEMBERS, sizeof(*members), member_compare);
    follow();
    ck_assert_int_eq(decode_forged(), ERR_BAD);
}
END_TEST

/* No byte of a charter can be left out or added; a changed one is refused, or
 * makes another network. */
START_TEST(test_charter_every_byte_counts)
{
    struct slice cards[1] = {member_slice(steward(0))};
    size_t bad;
    struct digest hash;

    ck_assert_int_eq(charter_found(NAME, TIME, 0, psk_id, cards, 1, draft,
                                   CHARTER_SIZE_MAX, &draft_size, &bad),
                     OK);
    ck_assert_int_eq(charter_decode(c, draft_slice()), OK);
    hash = c->hash;
    for (size_t i = 0; i < draft_size; i++) {
        ck_assert_int_eq(charter_decode(c, slice_of(draft, i)), ERR_BAD);
        draft[i] ^= (uint8_t)(1U << (i % 8));
        if (charter_decode(c, draft_slice()) == OK) {
            ck_assert(!digest_equal(&c->hash, &hash));
        } else {
            ck_assert_uint_eq(c->members_len, 0);
        }
        draft[i] ^= (uint8_t)(1U << (i % 8));
    }
    ck_assert_int_eq(charter_decode(c, slice_of(draft, draft_size + 1)),
                     ERR_BAD);
    assert_empty();
    ck_assert_int_eq(charter_decode(c, slice_of(draft, CHARTER_SIZE_MAX + 1)),
                     ERR_BAD);
}
END_TEST

/* Everyone is found by id, a steward as such, an operator by its key. */
START_TEST(test_charter_look_ups)
{
    const struct card *lab = &member_of(CARD_LAB)->card;
    const struct card *s = &steward(2)->card;
    struct sshsig_key key;
    struct digest nobody = {.bytes = {1}};
    uint8_t sk[crypto_sign_SECRETKEYBYTES];

    ck_assert_int_eq(charter_decode(c, draft_slice()), OK);
    ck_assert_mem_eq(charter_member(c, &lab->id), lab, sizeof(*lab));
    ck_assert_mem_eq(&c->members[charter_index(c, &lab->id)].card, lab,
                     sizeof(*lab));
    ck_assert_mem_eq(charter_member(c, &s->id), s, sizeof(*s));
    ck_assert_mem_eq(charter_steward(c, &s->id), s, sizeof(*s));
    ck_assert_ptr_null(charter_steward(c, &lab->id));
    ck_assert_ptr_null(charter_member(c, &nobody));
    ck_assert_uint_eq(charter_index(c, &nobody), CHARTER_MEMBERS_MAX);
    ck_assert_ptr_null(charter_steward(c, &nobody));
    ck_assert_mem_eq(charter_operator(c, &s->operators[0]), s, sizeof(*s));
    ck_assert_mem_eq(charter_operator(c, &lab->operators[0]), lab,
                     sizeof(*lab));
    member_operator(99, 0, &key, sk);
    ck_assert_ptr_null(charter_operator(c, &key));
    key.blob_size = 0;
    ck_assert_ptr_null(charter_operator(c, &key));
}
END_TEST

/* f and q for every size of network. */
START_TEST(test_charter_quorums)
{
    static const uint32_t want[][3] = {{1, 0, 1}, {2, 0, 2},  {3, 0, 2},
                                       {4, 1, 3}, {5, 1, 4},  {6, 1, 4},
                                       {7, 2, 5}, {10, 3, 7}, {64, 21, 43}};

    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        ck_assert_uint_eq(charter_faulty(want[i][0]), want[i][1]);
        ck_assert_uint_eq(charter_quorum(want[i][0]), want[i][2]);
    }
    for (uint32_t n = 1; n <= CHARTER_MEMBERS_MAX; n++) {
        uint32_t faulty = charter_faulty(n), q = charter_quorum(n);

        /* Two quorums share a member that is not faulty, and the others can
         * make one when all that are faulty are silent. */
        ck_assert(2 * q > n + faulty);
        ck_assert_uint_le(q, n - faulty);
    }
}
END_TEST

/* Eight groups of five digits, zeros in front included. */
START_TEST(test_charter_fingerprint)
{
    struct digest d = {.bytes = {0, 0, 0, 7, 0, 1, 0x86, 0x9f, 0, 1, 0x86, 0xa0,
                                 0xff, 0xff, 0xff, 0xff}};
    char out[CHARTER_FINGERPRINT_SIZE];

    d.bytes[31] = 1;
    memset(out, 0x5a, sizeof(out));
    charter_fingerprint(&d, out);
    ck_assert_str_eq(out, "00007 99999 00000 67295 00000 00000 00000 00001");
    ck_assert_uint_eq(strlen(out), 47);
}
END_TEST

static int decode_chain(void)
{
    int rv = charter_chain_decode(c, &net, slice_of(chain, chain_size));

    if (rv != OK) {
        assert_empty();
        ck_assert_uint_eq(net.bytes[0], 0x5a);
    }
    return rv;
}

/* Signatures in any order become one chain, which every reader can check. */
START_TEST(test_charter_chain_round_trip)
{
    struct digest hash;
    uint8_t *first = new_bytes(CHARTER_CHAIN_MAX);
    size_t first_size;

    ck_assert_int_eq(assemble(STEWARDS, NULL), OK);
    memcpy(first, chain, chain_size);
    first_size = chain_size;
    ck_assert_int_eq(decode_chain(), OK);
    TH256(&hash, "charter", draft_slice());
    ck_assert(digest_equal(&net, &hash));
    ck_assert(digest_equal(&c->hash, &hash));
    ck_assert_uint_eq(c->members_len, MEMBERS);

    sign_as(0, steward(3));
    sign_as(1, steward(0));
    sign_as(2, steward(2));
    sign_as(3, steward(1));
    ck_assert_int_eq(assemble(STEWARDS, NULL), OK);
    ck_assert(
        slice_equal(slice_of(chain, chain_size), slice_of(first, first_size)));
    ck_assert_int_eq(charter_assemble(draft_slice(), signatures, STEWARDS,
                                      chain, first_size - 1, &chain_size, NULL),
                     ERR_FULL);
    ck_assert_uint_eq(chain_size, first_size);
    free(first);
}
END_TEST

/* Any operator of a steward may sign for it. */
START_TEST(test_charter_second_operator_signs)
{
    struct member *s = steward(1);
    uint8_t sk[crypto_sign_SECRETKEYBYTES];
    size_t bad;

    member_operator(77, 1, &s->card.operators[1], sk);
    s->card.operators_len = 2;
    member_encode(s);
    ck_assert_int_eq(found(&bad), OK);
    sign_all();
    ck_assert_int_eq(assemble(STEWARDS, NULL), OK);
    signatures[1].sshsig.size =
        member_sshsig(sk, CHARTER_NAMESPACE, draft_slice(), sigs[1]);
    ck_assert_int_eq(assemble(STEWARDS, NULL), OK);
    ck_assert_int_eq(decode_chain(), OK);
    memset(&net, 0x5a, sizeof(net));

    /* But not both: one steward, one signature. */
    sign_as(STEWARDS, s);
    ck_assert_int_eq(assemble(STEWARDS + 1, NULL), ERR_EXISTS);
    signatures[0] = signatures[STEWARDS];
    ck_assert_int_eq(assemble(STEWARDS, NULL), ERR_EXISTS);
}
END_TEST

/* Every steward signs; the first that has not is named. */
START_TEST(test_charter_every_steward_signs)
{
    struct digest missing = {.bytes = {0x5a}};

    chain_size = 77;
    for (size_t i = 0; i < STEWARDS; i++) {
        sign_all();
        signatures[i] = signatures[STEWARDS - 1];
        ck_assert_int_eq(assemble(STEWARDS - 1, &missing), ERR_NOTFOUND);
        ck_assert(digest_equal(&missing, &steward(i)->card.id));
    }
    ck_assert_int_eq(assemble(0, &missing), ERR_NOTFOUND);
    ck_assert(digest_equal(&missing, &steward(0)->card.id));
    ck_assert_int_eq(assemble(0, NULL), ERR_NOTFOUND);
    ck_assert_uint_eq(chain_size, 77);
}
END_TEST

/* A signature counts when an operator of a steward made it over this charter
 * for this purpose, and is an error otherwise. */
START_TEST(test_charter_signatures_refused)
{
    struct member stranger;
    struct digest missing = {.bytes = {0x5a}};
    const uint8_t *sk = steward(3)->operator_sk;
    struct slice *last = &signatures[3].sshsig;
    struct slice good = *last;

    chain_size = 77;
    member_make(&stranger, 90, CARD_STEWARD);
    sign_as(3, &stranger);
    ck_assert_int_eq(assemble(STEWARDS, &missing), ERR_DENIED);
    sign_as(3, member_of(CARD_LAB));
    ck_assert_int_eq(assemble(STEWARDS, &missing), ERR_DENIED);
    sign_as(3, member_of(CARD_AUDITOR));
    ck_assert_int_eq(assemble(STEWARDS, &missing), ERR_DENIED);
    sign_as(3, steward(2));
    ck_assert_int_eq(assemble(STEWARDS, &missing), ERR_EXISTS);
    last->size = member_sshsig(sk, "cairn-approval@v1", draft_slice(), sigs[3]);
    ck_assert_int_eq(assemble(STEWARDS, &missing), ERR_AUTH);
    last->size = member_sshsig(sk, CHARTER_NAMESPACE,
                               slice_of(draft, draft_size - 1), sigs[3]);
    ck_assert_int_eq(assemble(STEWARDS, &missing), ERR_AUTH);
    *last = slice_of(sigs[3], 0);
    ck_assert_int_eq(assemble(STEWARDS, &missing), ERR_BAD);
    sign_as(3, steward(3));
    last->size--;
    ck_assert_int_eq(assemble(STEWARDS, &missing), ERR_BAD);
    last->size = 1025;
    ck_assert_int_eq(assemble(STEWARDS, &missing), ERR_BAD);
    ck_assert_uint_eq(chain_size, 77);
    ck_assert_uint_eq(missing.bytes[0], 0x5a);
    *last = good;
    ck_assert_int_eq(assemble(STEWARDS, &missing), OK);
}
END_TEST

/* A draft that is no charter gets no signatures. */
START_TEST(test_charter_assemble_wants_a_charter)
{
    follow();
    f.epoch = 1;
    forge();
    sign_all();
    ck_assert_int_eq(assemble(STEWARDS, NULL), ERR_UNSUPPORTED);
    follow();
    forge();
    draft_size--;
    ck_assert_int_eq(assemble(STEWARDS, NULL), ERR_BAD);
}
END_TEST

/* What a test writes as chain, sound or not. */
static struct {
    uint32_t charters, len;
    struct digest ids[STEWARDS + 1];
    struct slice sigs[STEWARDS + 1];
} g;

static void chain_follow(void)
{
    g.charters = 1;
    g.len = STEWARDS;
    for (size_t i = 0; i < STEWARDS; i++) {
        g.ids[i] = steward(i)->card.id;
        g.sigs[i] = signatures[i].sshsig;
    }
}

static int decode_forged_chain(void)
{
    struct canon_writer w;
    struct slice out;

    canon_write_init(&w, chain, CHARTER_CHAIN_MAX);
    canon_put_array(&w, g.charters);
    for (uint32_t i = 0; i < g.charters; i++) {
        canon_put_array(&w, 2);
        canon_put_bin(&w, draft_slice());
        canon_put_array(&w, g.len);
        for (size_t j = 0; j < g.len; j++) {
            canon_put_array(&w, 2);
            canon_put_digest(&w, &g.ids[j]);
            canon_put_bin(&w, g.sigs[j]);
        }
    }
    ck_assert_int_eq(canon_write_end(&w, &out), OK);
    chain_size = out.size;
    return decode_chain();
}

/* Nobody's signature stands for another, or twice, and none may be absent. */
START_TEST(test_charter_chain_signatures)
{
    struct member stranger;
    struct slice swap;

    chain_follow();
    ck_assert_int_eq(decode_forged_chain(), OK);
    memset(&net, 0x5a, sizeof(net));

    swap = g.sigs[0];
    g.sigs[0] = g.sigs[1];
    g.sigs[1] = swap;
    ck_assert_int_eq(decode_forged_chain(), ERR_DENIED);
    chain_follow();
    g.sigs[1] = g.sigs[0];
    ck_assert_int_eq(decode_forged_chain(), ERR_DENIED);
    chain_follow();
    g.len = STEWARDS - 1;
    ck_assert_int_eq(decode_forged_chain(), ERR_DENIED);
    g.len = 0;
    ck_assert_int_eq(decode_forged_chain(), ERR_BAD);

    chain_follow();
    g.ids[1] = g.ids[0];
    g.sigs[1] = g.sigs[0];
    ck_assert_int_eq(decode_forged_chain(), ERR_BAD);
    chain_follow();
    g.ids[1] = steward(2)->card.id;
    g.ids[2] = steward(1)->card.id;
    g.sigs[1] = signatures[2].sshsig;
    g.sigs[2] = signatures[1].sshsig;
    ck_assert_int_eq(decode_forged_chain(), ERR_BAD);

    /* As many as there are stewards, but one of them a lab. */
    sign_as(STEWARDS, member_of(CARD_LAB));
    for (size_t i = 0; i < STEWARDS; i++) {
        chain_follow();
        g.sigs[i] = signatures[STEWARDS].sshsig;
        ck_assert_int_eq(decode_forged_chain(), ERR_DENIED);
    }
    chain_follow();
    memset(&g.ids[STEWARDS], 0xff, sizeof(g.ids[STEWARDS]));
    g.sigs[STEWARDS] = signatures[STEWARDS].sshsig;
    g.len = STEWARDS + 1;
    ck_assert_int_eq(decode_forged_chain(), ERR_DENIED);

    member_make(&stranger, 90, CARD_STEWARD);
    sign_as(3, &stranger);
    chain_follow();
    ck_assert_int_eq(decode_forged_chain(), ERR_DENIED);
}
END_TEST

/* Signatures are over this charter and under this namespace. */
START_TEST(test_charter_chain_binds)
{
    const uint8_t *sk = steward(0)->operator_sk;

    signatures[0].sshsig.size =
        member_sshsig(sk, "file", draft_slice(), sigs[0]);
    chain_follow();
    ck_assert_int_eq(decode_forged_chain(), ERR_AUTH);
    sign_all();
    follow();
    f.time_s++;
    forge();
    chain_follow();
    ck_assert_int_eq(decode_forged_chain(), ERR_AUTH);
    sign_all();
    chain_follow();
    ck_assert_int_eq(decode_forged_chain(), OK);
}
END_TEST

/* A chain of no charter is none; one of two is not understood yet. */
START_TEST(test_charter_chain_lengths)
{
    chain_follow();
    g.charters = 0;
    ck_assert_int_eq(decode_forged_chain(), ERR_BAD);
    g.charters = 2;
    ck_assert_int_eq(decode_forged_chain(), ERR_UNSUPPORTED);
    chain_size = CHARTER_CHAIN_MAX;
    ck_assert_int_eq(decode_chain(), ERR_UNSUPPORTED);
    chain_size = CHARTER_CHAIN_MAX + 1;
    ck_assert_int_eq(decode_chain(), ERR_BAD);
}
END_TEST

/* No byte of a chain can be left out, changed or added. */
START_TEST(test_charter_chain_every_byte_counts)
{
    struct slice cards[1] = {member_slice(steward(0))};
    size_t bad, at;

    ck_assert_int_eq(charter_found(NAME, TIME, 0, psk_id, cards, 1, draft,
                                   CHARTER_SIZE_MAX, &draft_size, &bad),
                     OK);
    sign_as(0, steward(0));
    ck_assert_int_eq(assemble(1, NULL), OK);
    at = chain_size;
    for (size_t i = 0; i < at; i++) {
        ck_assert_int_eq(charter_chain_decode(c, &net, slice_of(chain, i)),
                         ERR_BAD);
        chain[i] ^= (uint8_t)(1U << (i % 8));
        ck_assert_int_ne(charter_chain_decode(c, &net, slice_of(chain, at)),
                         OK);
        chain[i] ^= (uint8_t)(1U << (i % 8));
    }
    chain_size++;
    ck_assert_int_eq(decode_chain(), ERR_BAD);
    chain_size--;
    ck_assert_int_eq(decode_chain(), OK);
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("charter");
    TCase *tc = tcase_create("charter");
    TCase *signing = tcase_create("chain");

    tcase_add_checked_fixture(tc, start, stop);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, test_charter_found_round_trip);
    tcase_add_test(tc, test_charter_bounds);
    tcase_add_test(tc, test_charter_epochs);
    tcase_add_test(tc, test_charter_found_bounds);
    tcase_add_test(tc, test_charter_member_counts);
    tcase_add_test(tc, test_charter_wants_a_steward);
    tcase_add_test(tc, test_charter_bad_card);
    tcase_add_test(tc, test_charter_order);
    tcase_add_loop_test(tc, test_charter_members_differ, 0, CLASH_COUNT);
    tcase_add_test(tc, test_charter_every_byte_counts);
    tcase_add_test(tc, test_charter_look_ups);
    tcase_add_test(tc, test_charter_quorums);
    tcase_add_test(tc, test_charter_fingerprint);
    suite_add_tcase(s, tc);

    tcase_add_checked_fixture(signing, start, stop);
    tcase_set_timeout(signing, 120);
    tcase_add_test(signing, test_charter_chain_round_trip);
    tcase_add_test(signing, test_charter_second_operator_signs);
    tcase_add_test(signing, test_charter_every_steward_signs);
    tcase_add_test(signing, test_charter_signatures_refused);
    tcase_add_test(signing, test_charter_assemble_wants_a_charter);
    tcase_add_test(signing, test_charter_chain_signatures);
    tcase_add_test(signing, test_charter_chain_binds);
    tcase_add_test(signing, test_charter_chain_lengths);
    tcase_add_test(signing, test_charter_chain_every_byte_counts);
    suite_add_tcase(s, signing);
    return s;
}
