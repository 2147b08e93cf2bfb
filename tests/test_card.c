#include "protocol/canon.h"
#include "tests/members.h"

#define LEN(array) ((int)(sizeof(array) / sizeof((array)[0])))

/* What a test writes, sound or not: everything that card_encode() would not
 * write wrongly. */
struct forgery {
    uint64_t version, role;
    uint32_t items;
    struct slice texts[4]; /* Name, organisation, jurisdiction, provider. */
    struct slice addresses[CARD_ADDRESSES_MAX + 1];
    uint32_t addresses_len;
    struct slice operators[CARD_OPERATORS_MAX + 1];
    uint32_t operators_len;
    struct slice e, d; /* Empty: nil. */
    struct slice custody;
    const struct sign_key *signer;
};

static const struct digest zeros;

static struct member m, other;
static struct forgery f;
static uint8_t body_bytes[8192], bytes[8192];
static struct card got;
static char letters[256];

/* Let the forged fields follow |m|; a test then changes what it is about. */
static void follow(void)
{
    const struct card *c = &m.card;

    f = (struct forgery){.version = 1, .role = c->role, .items = 14};
    f.texts[0] = slice_str(c->name);
    f.texts[1] = slice_str(c->organisation);
    f.texts[2] = slice_str(c->jurisdiction);
    f.texts[3] = slice_str(c->provider);
    f.addresses_len = (uint32_t)c->addresses_len;
    for (size_t i = 0; i < c->addresses_len; i++) {
        f.addresses[i] = slice_str(c->addresses[i]);
    }
    f.operators_len = (uint32_t)c->operators_len;
    for (size_t i = 0; i < c->operators_len; i++) {
        f.operators[i] =
            slice_of(c->operators[i].blob, c->operators[i].blob_size);
    }
    if (c->role == CARD_STEWARD) {
        f.e = slice_of(c->custody_hpke_pk, 32);
        f.d = slice_of(c->custody_sign_pk, 32);
        f.custody = slice_of(m.custody, m.custody_size);
    }
    f.signer = &m.node;
}

static void start_as(enum card_role role)
{
    memset(letters, 'x', sizeof(letters));
    member_make(&m, 7, role);
    member_make(&other, 8, CARD_STEWARD);
    follow();
    memset(&got, 0x5a, sizeof(got));
}

static void start(void)
{
    start_as(CARD_STEWARD);
}

static void put_or_nil(struct canon_writer *w, struct slice s)
{
    if (s.size == 0) {
        canon_put_nil(w);
    } else {
        canon_put_bin(w, s);
    }
}

static struct slice forge_body(void)
{
    struct canon_writer w;
    struct slice out;

    canon_write_init(&w, body_bytes, sizeof(body_bytes));
    canon_put_array(&w, f.items);
    canon_put_uint(&w, f.version);
    canon_put_digest(&w, &m.card.id);
    canon_put_uint(&w, f.role);
    canon_put_uint(&w, m.card.seq);
    for (size_t i = 0; i < 4; i++) {
        canon_put_str(&w, f.texts[i]);
    }
    canon_put_array(&w, f.addresses_len);
    for (size_t i = 0; i < f.addresses_len; i++) {
        canon_put_str(&w, f.addresses[i]);
    }
    canon_put_array(&w, f.operators_len);
    for (size_t i = 0; i < f.operators_len; i++) {
        canon_put_bin(&w, f.operators[i]);
    }
    canon_put_bin(&w, slice_of(m.card.node_pk, 32));
    canon_put_bin(&w, slice_of(m.card.vrf_pk.bytes, 32));
    put_or_nil(&w, f.e);
    put_or_nil(&w, f.d);
    for (uint32_t i = 14; i < f.items; i++) {
        canon_put_uint(&w, 0);
    }
    ck_assert_int_eq(canon_write_end(&w, &out), OK);
    return out;
}

static struct slice forge(void)
{
    struct slice body = forge_body(), out;
    struct canon_writer w;
    uint8_t sig[SIGN_SIZE];

    sign_make(f.signer, "card", &zeros, body, sig);
    canon_write_init(&w, bytes, sizeof(bytes));
    canon_put_array(&w, 3);
    canon_put_bin(&w, body);
    canon_put_bin(&w, slice_of(sig, sizeof(sig)));
    put_or_nil(&w, f.custody);
    ck_assert_int_eq(canon_write_end(&w, &out), OK);
    return out;
}

static int decode_forged(void)
{
    return card_decode(&got, forge());
}

/* A refused card leaves nothing behind. */
static void assert_untouched(void)
{
    const uint8_t *at = (const uint8_t *)&got;

    ck_assert(at[0] == 0x5a && memcmp(at, at + 1, sizeof(got) - 1) == 0);
}

static int encode(void)
{
    uint8_t out[CARD_SIZE_MAX + 1];
    size_t size = 0;

    return card_encode(&m.card, &m.node, slice_of(m.custody, m.custody_size),
                       out, sizeof(out), &size);
}

/* What is encoded is what docs/FORMAT.md lists, and is read back. */
static void check_round_trip(void)
{
    struct slice want;

    member_encode(&m);
    follow();
    want = forge();
    ck_assert_uint_eq(m.size, want.size);
    ck_assert_bytes_eq(m.bytes, want.data, m.size);
    ck_assert_int_eq(card_decode(&got, member_slice(&m)), OK);
    ck_assert_mem_eq(&got, &m.card, sizeof(got));
}

/* Addresses and operators up to the bounds. */
static void fill(void)
{
    uint8_t sk[crypto_sign_SECRETKEYBYTES];

    memcpy(m.card.addresses[1], "192.0.2.1:1", 12);
    memcpy(m.card.addresses[2], "[2001:db8::1]:65535", 20);
    memset(m.card.addresses[3], 'a', CARD_ADDRESS_MAX - 2);
    m.card.addresses[3][30] = '.';
    memcpy(m.card.addresses[3] + CARD_ADDRESS_MAX - 2, ":2", 3);
    m.card.addresses_len = CARD_ADDRESSES_MAX;
    for (uint8_t i = 1; i < CARD_OPERATORS_MAX; i++) {
        member_operator(7, i, &m.card.operators[i], sk);
    }
    m.card.operators_len = CARD_OPERATORS_MAX;
}

START_TEST(test_card_round_trip)
{
    check_round_trip();
    fill();
    memset(m.card.name, 'n', CARD_NAME_MAX);
    memset(m.card.organisation, 'o', CARD_NAME_MAX);
    memset(m.card.jurisdiction, 'j', CARD_PLACE_MAX);
    memset(m.card.provider, 'p', CARD_NAME_MAX);
    m.card.seq = UINT64_MAX;
    check_round_trip();
}
END_TEST

/* Labs and auditors need no operators, and have no custodian. */
START_TEST(test_card_round_trip_others)
{
    start_as(_i == 0 ? CARD_LAB : CARD_AUDITOR);
    check_round_trip();
    m.card.operators_len = 0;
    memset(m.card.operators, 0, sizeof(m.card.operators));
    check_round_trip();
}
END_TEST

/* The id stays when the node key is another one. */
START_TEST(test_card_id_outlives_node_key)
{
    memcpy(m.card.node_pk, other.card.node_pk, SIGN_PK_SIZE);
    m.node = other.node;
    check_round_trip();
    ck_assert(!slice_equal(digest_slice(&got.id), slice_of(got.node_pk, 32)));
}
END_TEST

static const size_t text_max[] = {CARD_NAME_MAX, CARD_NAME_MAX, CARD_PLACE_MAX,
                                  CARD_NAME_MAX};

/* Texts: each as long as it may be, and one line. */
START_TEST(test_card_texts)
{
    f.texts[_i] = slice_of(letters, text_max[_i]);
    ck_assert_int_eq(decode_forged(), OK);
    memset(&got, 0x5a, sizeof(got));
    f.texts[_i] = slice_of(letters, text_max[_i] + 1);
    ck_assert_int_eq(decode_forged(), ERR_BAD);
    f.texts[_i] = slice_str("a\nb");
    ck_assert_int_eq(decode_forged(), ERR_BAD);
    f.texts[_i] = slice_str("a\xc2\x9b" /* A terminal's CSI. */);
    ck_assert_int_eq(decode_forged(), ERR_BAD);
    assert_untouched();
    f.texts[_i] = slice_str("");
    ck_assert_int_eq(decode_forged(), _i == 3 ? OK : ERR_BAD);
}
END_TEST

/* The same bounds hold for whoever makes a card. */
START_TEST(test_card_encode_texts)
{
    memset(m.card.name, 'x', sizeof(m.card.name));
    ck_assert_int_eq(encode(), ERR_BAD);
    memcpy(m.card.name, "\x1b[2J", 5);
    ck_assert_int_eq(encode(), ERR_BAD);
    m.card.name[0] = '\0';
    ck_assert_int_eq(encode(), ERR_BAD);
    memcpy(m.card.name, "\xff", 2);
    ck_assert_int_eq(encode(), ERR_BAD);
    memcpy(m.card.name, "x", 2);
    ck_assert_int_eq(encode(), OK);
    memset(m.card.jurisdiction, 'x', sizeof(m.card.jurisdiction));
    ck_assert_int_eq(encode(), ERR_BAD);
}
END_TEST

static const struct {
    const char *address;
    bool want;
} addresses[] = {
    {"192.0.2.1:7117", true},
    {"0.0.0.0:1", true},
    {"255.255.255.255:65535", true},
    {"[2001:db8::1]:7117", true},
    {"[::]:1", true},
    {"[::1]:1", true},
    {"[1::]:1", true},
    {"[1:2:3:4:5:6:7:8]:1", true},
    {"[1:2:3:4:5:6:7::]:1", true},
    {"[::2:3:4:5:6:7:8]:1", true},
    {"host.example:7117", true},
    {"localhost:7117", true},
    {"a-b.xn--e1a.c0:80", true},
    {"4you.example:1", true},
    {"", false},
    {":", false},
    {":7117", false},
    {"host", false},
    {"host:", false},
    {"host:0", false},
    {"host:65536", false},
    {"host:99999", false},
    {"host:100000", false},
    {"host:4294967297", false},
    {"host:080", false},
    {"host:+1", false},
    {"host: 1", false},
    {"host:1 ", false},
    {"host:1a", false},
    {"Host.example:1", false},
    {"host..example:1", false},
    {".host:1", false},
    {"host.example.:1", false},
    {"-host:1", false},
    {"host-:1", false},
    {"ho_st:1", false},
    {"ho st:1", false},
    {"h\xc3\xb6st:1", false},
    {"http://host:1", false},
    {"host/x:1", false},
    {"user@host:1", false},
    {"host:1:2", false},
    {"192.0.2:1", false},
    {"192.0.2.1.5:1", false},
    {"192.0.2.256:1", false},
    {"192.0.2.01:1", false},
    {"192.0.2.:1", false},
    {"host.1:1", false},
    {"2001:db8::1:7117", false},
    {"[]:1", false},
    {"[:]:1", false},
    {"[:::]:1", false},
    {"[1:2:3:4:5:6:7]:1", false},
    {"[1:2:3:4:5:6:7:8:9]:1", false},
    {"[1:2:3:4::5:6:7:8]:1", false},
    {"[1::2::3]:1", false},
    {"[1:::2]:1", false},
    {"[:1:2:3:4:5:6:7]:1", false},
    {"[1:2:3:4:5:6:7:]:1", false},
    {"[12345::]:1", false},
    {"[g::]:1", false},
    {"[2001:DB8::1]:1", false},
    {"[fe80::1%eth0]:1", false},
    {"[::ffff:192.0.2.1]:1", false},
    {"[::1:1", false},
    {"::1]:1", false},
    {"[192.0.2.1]:1", false},
    {"[::1]", false},
    {"[::1]1", false},
};

/* An address can be dialled, and has one spelling. */
START_TEST(test_card_addresses)
{
    struct slice a = slice_str(addresses[_i].address);

    ck_assert_msg(card_address_is_valid(a) == addresses[_i].want, "%s",
                  addresses[_i].address);
    f.addresses[0] = a;
    ck_assert_int_eq(decode_forged(), addresses[_i].want ? OK : ERR_BAD);
}
END_TEST

/* An address fits its field. */
START_TEST(test_card_address_bounds)
{
    char a[CARD_ADDRESS_MAX + 2];

    ck_assert(!card_address_is_valid(slice_of(NULL, 0)));
    memset(a, 'a', sizeof(a));
    a[62] = ':';
    a[63] = '1';
    ck_assert(card_address_is_valid(slice_of(a, 64)));
    a[62] = 'a';
    a[63] = ':';
    a[64] = '1';
    ck_assert(!card_address_is_valid(slice_of(a, 65)));
    a[30] = '.';
    ck_assert(!card_address_is_valid(slice_of(a, 65)));
}
END_TEST

/* A steward has one to four addresses, all different; others have none. */
START_TEST(test_card_address_counts)
{
    static const char *const more[] = {"a:1", "b:1", "c:1", "d:1", "e:1"};

    for (size_t i = 0; i <= CARD_ADDRESSES_MAX; i++) {
        f.addresses[i] = slice_str(more[i]);
    }
    f.addresses_len = CARD_ADDRESSES_MAX;
    ck_assert_int_eq(decode_forged(), OK);
    memset(&got, 0x5a, sizeof(got));
    f.addresses_len = CARD_ADDRESSES_MAX + 1;
    ck_assert_int_eq(decode_forged(), ERR_BAD);
    f.addresses_len = 0;
    ck_assert_int_eq(decode_forged(), ERR_BAD);
    f.addresses_len = 3;
    f.addresses[2] = f.addresses[0];
    ck_assert_int_eq(decode_forged(), ERR_BAD);
    assert_untouched();
    start_as(CARD_LAB);
    f.addresses[0] = slice_str("a:1");
    f.addresses_len = 1;
    ck_assert_int_eq(decode_forged(), ERR_BAD);
}
END_TEST

/* A steward has one to eight operators, all different. */
START_TEST(test_card_operator_counts)
{
    struct sshsig_key keys[CARD_OPERATORS_MAX + 1];
    uint8_t sk[crypto_sign_SECRETKEYBYTES];

    for (uint8_t i = 0; i <= CARD_OPERATORS_MAX; i++) {
        member_operator(9, i, &keys[i], sk);
        f.operators[i] = slice_of(keys[i].blob, keys[i].blob_size);
    }
    f.operators_len = CARD_OPERATORS_MAX;
    ck_assert_int_eq(decode_forged(), OK);
    memset(&got, 0x5a, sizeof(got));
    f.operators_len = CARD_OPERATORS_MAX + 1;
    ck_assert_int_eq(decode_forged(), ERR_BAD);
    f.operators_len = 0;
    ck_assert_int_eq(decode_forged(), ERR_BAD);
    f.operators_len = 5;
    f.operators[4] = f.operators[1];
    ck_assert_int_eq(decode_forged(), ERR_BAD);
    assert_untouched();
}
END_TEST

/* What is no key that can sign here is no operator. */
START_TEST(test_card_operator_keys)
{
    uint8_t blob[SSHSIG_BLOB_MAX + 1] = {0};
    struct slice good = f.operators[0];

    memcpy(blob, good.data, good.size);
    f.operators[0] = slice_of(blob, good.size - 1);
    ck_assert_int_eq(decode_forged(), ERR_BAD);
    f.operators[0] = slice_of(blob, good.size + 1);
    ck_assert_int_eq(decode_forged(), ERR_BAD);
    f.operators[0] = slice_of(blob, sizeof(blob));
    ck_assert_int_eq(decode_forged(), ERR_BAD);
    blob[4] = 'r';
    f.operators[0] = slice_of(blob, good.size);
    ck_assert_int_eq(decode_forged(), ERR_BAD);
    f.operators[0] = slice_of(blob, 0);
    ck_assert_int_eq(decode_forged(), ERR_BAD);
    assert_untouched();
    m.card.operators[0].blob_size = SSHSIG_BLOB_MAX + 1;
    ck_assert_int_eq(encode(), ERR_BAD);
}
END_TEST

/* Make |k| a FIDO2 key of that size; its application fills it. */
static void make_sk(struct sshsig_key *k, size_t blob_size, char letter)
{
    const char *type = "sk-ssh-ed25519@openssh.com";
    char application[SSHSIG_BLOB_MAX];
    struct operator_wire b = {.size = 0};

    operator_put_text(&b, type);
    operator_put_string(&b, other.card.node_pk, 32);
    memset(application, letter, sizeof(application));
    operator_put_string(&b, application, blob_size - b.size - 4);
    memcpy(k->blob, b.bytes, b.size);
    k->blob_size = b.size;
    ck_assert_uint_eq(k->blob_size, blob_size);
}

/* FIDO2 keys name an application: eight of the largest do not fit a card. */
START_TEST(test_card_size_bound)
{
    struct sshsig_key *last = &m.card.operators[CARD_OPERATORS_MAX - 1];
    size_t more;

    fill();
    for (size_t i = 0; i < CARD_OPERATORS_MAX; i++) {
        make_sk(&m.card.operators[i], SSHSIG_BLOB_MAX, (char)('a' + i));
    }
    ck_assert_int_eq(encode(), ERR_FULL);
    m.card.operators_len = 7;
    ck_assert_int_eq(encode(), ERR_FULL);
    m.card.operators_len = 6;
    ck_assert_int_eq(encode(), OK);

    /* As large as can be, and a byte more. */
    m.card.operators_len = CARD_OPERATORS_MAX;
    make_sk(&m.card.operators[5], 500, 'w');
    make_sk(&m.card.operators[6], 300, 'x');
    make_sk(last, 300, 'y');
    make_sk(&m.card.operators[0], 300, 'z');
    follow();
    more = CARD_SIZE_MAX - forge().size;
    make_sk(last, 300 + more, 'y');
    follow();
    ck_assert_uint_eq(forge().size, CARD_SIZE_MAX);
    ck_assert_int_eq(encode(), OK);
    ck_assert_int_eq(decode_forged(), OK);
    make_sk(last, 301 + more, 'y');
    follow();
    ck_assert_uint_eq(forge().size, CARD_SIZE_MAX + 1);
    ck_assert_int_eq(encode(), ERR_FULL);
    ck_assert_int_eq(decode_forged(), ERR_BAD);
}
END_TEST

/* Unknown roles and versions are not guessed at; ids are something. */
START_TEST(test_card_numbers)
{
    f.version = 2;
    ck_assert_int_eq(decode_forged(), ERR_UNSUPPORTED);
    f.items = 20;
    ck_assert_int_eq(decode_forged(), ERR_UNSUPPORTED);
    follow();
    f.role = 0;
    ck_assert_int_eq(decode_forged(), ERR_UNSUPPORTED);
    f.role = 4;
    ck_assert_int_eq(decode_forged(), ERR_UNSUPPORTED);
    follow();
    f.items = 15;
    ck_assert_int_eq(decode_forged(), ERR_BAD);
    f.items = 13;
    ck_assert_int_eq(decode_forged(), ERR_BAD);
    follow();
    m.card.id = zeros;
    ck_assert_int_eq(decode_forged(), ERR_BAD);
    ck_assert_int_eq(encode(), ERR_BAD);
    assert_untouched();
}
END_TEST

/* V is an element, and not the identity. */
START_TEST(test_card_vrf_key)
{
    m.card.vrf_pk.bytes[31] ^= 0x80;
    ck_assert_int_eq(decode_forged(), ERR_BAD);
    element_identity(&m.card.vrf_pk);
    ck_assert_int_eq(decode_forged(), ERR_BAD);
    ck_assert_int_eq(encode(), ERR_BAD);
    assert_untouched();
}
END_TEST

/* Points of low order (RFC 7748, section 6.1): everything that is sealed to
 * them has the same secret. */
static const char *const low_order[] = {
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
};

START_TEST(test_card_custody_low_order)
{
    uint8_t e[32], out[CARD_CUSTODY_SIZE_MAX];
    struct canon_writer w;
    uint8_t sig[SIGN_SIZE];
    size_t size = 0;

    hex_read(low_order[_i], e, sizeof(e));
    ck_assert_int_eq(card_custody_encode(e, &m.d, out, sizeof(out), &size),
                     ERR_BAD);
    sign_make(&m.d, "custody-card", &zeros, slice_of(e, 32), sig);
    canon_write_init(&w, out, sizeof(out));
    canon_put_array(&w, 4);
    canon_put_uint(&w, 1);
    canon_put_bin(&w, slice_of(e, 32));
    canon_put_bin(&w, slice_of(m.d.pk, 32));
    canon_put_bin(&w, slice_of(sig, 64));
    ck_assert_int_eq(canon_write_end(&w, &f.custody), OK);
    f.e = slice_of(e, 32);
    ck_assert_int_eq(decode_forged(), ERR_BAD);
    assert_untouched();
}
END_TEST

/* A steward's card has its own custodian's half, another's card has none. */
START_TEST(test_card_custody_belongs)
{
    const struct slice none = slice_of(NULL, 0);
    uint8_t half[CARD_CUSTODY_SIZE_MAX];

    f.custody = slice_of(other.custody, other.custody_size);
    ck_assert_int_eq(decode_forged(), ERR_MISMATCH);
    f.e = slice_of(other.card.custody_hpke_pk, 32);
    ck_assert_int_eq(decode_forged(), ERR_MISMATCH);
    follow();
    f.d = slice_of(other.card.custody_sign_pk, 32);
    ck_assert_int_eq(decode_forged(), ERR_MISMATCH);
    follow();
    ck_assert_int_eq(card_custody_encode(other.card.custody_hpke_pk, &m.d, half,
                                         sizeof(half), &f.custody.size),
                     OK);
    f.custody.data = half;
    ck_assert_int_eq(decode_forged(), ERR_MISMATCH);
    follow();
    f.custody = none;
    ck_assert_int_eq(decode_forged(), ERR_BAD);
    follow();
    f.e = none;
    ck_assert_int_eq(decode_forged(), ERR_BAD);
    follow();
    f.d = none;
    ck_assert_int_eq(decode_forged(), ERR_BAD);
    assert_untouched();

    m.custody_size = 0;
    ck_assert_int_eq(encode(), ERR_BAD);
    memcpy(m.custody, other.custody, other.custody_size);
    m.custody_size = other.custody_size;
    ck_assert_int_eq(encode(), ERR_BAD);
}
END_TEST

START_TEST(test_card_custody_of_others)
{
    start_as(_i == 0 ? CARD_LAB : CARD_AUDITOR);
    f.custody = slice_of(other.custody, other.custody_size);
    ck_assert_int_eq(decode_forged(), ERR_BAD);
    f.e = slice_of(other.card.custody_hpke_pk, 32);
    f.d = slice_of(other.card.custody_sign_pk, 32);
    ck_assert_int_eq(decode_forged(), ERR_BAD);
    f.custody = slice_of(NULL, 0);
    ck_assert_int_eq(decode_forged(), ERR_BAD);
    assert_untouched();
    m.card.custody_sign_pk[0] = 1;
    ck_assert_int_eq(encode(), ERR_BAD);
}
END_TEST

/* The node must not be its own custodian. */
START_TEST(test_card_custody_is_not_the_node)
{
    m.d = m.node;
    memcpy(m.card.custody_sign_pk, m.node.pk, SIGN_PK_SIZE);
    ck_assert_int_eq(card_custody_encode(m.card.custody_hpke_pk, &m.d,
                                         m.custody, sizeof(m.custody),
                                         &m.custody_size),
                     OK);
    ck_assert_int_eq(encode(), ERR_BAD);
    follow();
    ck_assert_int_eq(decode_forged(), ERR_BAD);
}
END_TEST

/* The custodian's half is bound to its key, and whole. */
START_TEST(test_card_custody_half)
{
    uint8_t e[32] = {0}, d[SIGN_PK_SIZE] = {0};
    const uint8_t zero[32] = {0};
    uint8_t out[CARD_CUSTODY_SIZE_MAX];
    size_t size = 0;

    for (size_t i = 0; i < m.custody_size; i++) {
        ck_assert_int_eq(card_custody_decode(slice_of(m.custody, i), e, d),
                         ERR_BAD);
        m.custody[i] ^= (uint8_t)(1U << (i % 8));
        ck_assert_int_ne(
            card_custody_decode(slice_of(m.custody, m.custody_size), e, d), OK);
        follow();
        ck_assert_int_ne(decode_forged(), OK);
        m.custody[i] ^= (uint8_t)(1U << (i % 8));
    }
    ck_assert_int_eq(
        card_custody_decode(slice_of(m.custody, m.custody_size + 1), e, d),
        ERR_BAD);
    ck_assert_bytes_eq(e, zero, 32);
    ck_assert_bytes_eq(d, zero, 32);
    ck_assert_int_eq(
        card_custody_decode(slice_of(m.custody, m.custody_size), e, d), OK);
    ck_assert_bytes_eq(e, m.card.custody_hpke_pk, 32);
    ck_assert_bytes_eq(d, m.card.custody_sign_pk, 32);
    ck_assert_int_eq(
        card_custody_encode(e, &m.d, out, m.custody_size - 1, &size), ERR_FULL);
    assert_untouched();
}
END_TEST

/* A card is signed by its own node key and no other. */
START_TEST(test_card_signature)
{
    uint8_t out[CARD_SIZE_MAX];
    size_t size = 0;

    f.signer = &other.node;
    ck_assert_int_eq(decode_forged(), ERR_AUTH);
    f.signer = &m.d;
    ck_assert_int_eq(decode_forged(), ERR_AUTH);
    assert_untouched();
    ck_assert_int_eq(card_encode(&m.card, &other.node,
                                 slice_of(m.custody, m.custody_size), out,
                                 sizeof(out), &size),
                     ERR_BAD);
    ck_assert_uint_eq(size, 0);
}
END_TEST

/* No byte can be left out, changed or added. */
START_TEST(test_card_every_byte_counts)
{
    for (size_t i = 0; i < m.size; i++) {
        ck_assert_int_eq(card_decode(&got, slice_of(m.bytes, i)), ERR_BAD);
        m.bytes[i] ^= (uint8_t)(1U << (i % 8));
        ck_assert_int_ne(card_decode(&got, member_slice(&m)), OK);
        m.bytes[i] ^= (uint8_t)(1U << (i % 8));
    }
    ck_assert_int_eq(card_decode(&got, slice_of(m.bytes, m.size + 1)), ERR_BAD);
    assert_untouched();
}
END_TEST

/* A buffer that is too small is said to be so. */
START_TEST(test_card_encode_full)
{
    uint8_t out[CARD_SIZE_MAX];
    size_t size = 77;

    for (size_t max = 0; max < m.size; max += 50) {
        ck_assert_int_eq(card_encode(&m.card, &m.node,
                                     slice_of(m.custody, m.custody_size), out,
                                     max, &size),
                         ERR_FULL);
    }
    ck_assert_uint_eq(size, 77);
    ck_assert_int_eq(card_encode(&m.card, &m.node,
                                 slice_of(m.custody, m.custody_size), out,
                                 m.size, &size),
                     OK);
    ck_assert_uint_eq(size, m.size);
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("card");
    TCase *tc = tcase_create("card");

    tcase_add_checked_fixture(tc, start, NULL);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_card_round_trip);
    tcase_add_loop_test(tc, test_card_round_trip_others, 0, 2);
    tcase_add_test(tc, test_card_id_outlives_node_key);
    tcase_add_loop_test(tc, test_card_texts, 0, LEN(text_max));
    tcase_add_test(tc, test_card_encode_texts);
    tcase_add_loop_test(tc, test_card_addresses, 0, LEN(addresses));
    tcase_add_test(tc, test_card_address_bounds);
    tcase_add_test(tc, test_card_address_counts);
    tcase_add_test(tc, test_card_operator_counts);
    tcase_add_test(tc, test_card_operator_keys);
    tcase_add_test(tc, test_card_size_bound);
    tcase_add_test(tc, test_card_numbers);
    tcase_add_test(tc, test_card_vrf_key);
    tcase_add_loop_test(tc, test_card_custody_low_order, 0, LEN(low_order));
    tcase_add_test(tc, test_card_custody_belongs);
    tcase_add_loop_test(tc, test_card_custody_of_others, 0, 2);
    tcase_add_test(tc, test_card_custody_is_not_the_node);
    tcase_add_test(tc, test_card_custody_half);
    tcase_add_test(tc, test_card_signature);
    tcase_add_test(tc, test_card_every_byte_counts);
    tcase_add_test(tc, test_card_encode_full);
    suite_add_tcase(s, tc);
    return s;
}
