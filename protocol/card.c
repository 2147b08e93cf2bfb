#include "protocol/card.h"

#include "protocol/field.h"

#define CARD_DST      "card"
#define CUSTODY_DST   "custody-card"
#define CARD_PARTS    3
#define BODY_ITEMS    14
#define CUSTODY_ITEMS 4

const char *card_role_name(enum card_role role)
{
    switch (role) {
    case CARD_STEWARD:
        return "steward";
    case CARD_LAB:
        return "lab";
    case CARD_AUDITOR:
        return "auditor";
    }
    return "";
}

/* A card belongs to no network: the charter that contains it makes it so. */
static const struct digest no_net;

static bool key_equal(const uint8_t a[32], const uint8_t b[32])
{
    return memcmp(a, b, 32) == 0;
}

static bool texts_are_valid(const struct card *c)
{
    return field_text_is_valid(c->name, 1, CARD_NAME_MAX) &&
           field_text_is_valid(c->organisation, 1, CARD_NAME_MAX) &&
           field_text_is_valid(c->jurisdiction, 1, CARD_PLACE_MAX) &&
           field_text_is_valid(c->provider, 0, CARD_NAME_MAX);
}

static bool addresses_are_valid(const struct card *c)
{
    size_t min = c->role == CARD_STEWARD ? 1 : 0;
    size_t max = c->role == CARD_STEWARD ? CARD_ADDRESSES_MAX : 0;

    if (c->addresses_len < min || c->addresses_len > max) {
        return false;
    }
    for (size_t i = 0; i < c->addresses_len; i++) {
        if (!field_text_is_valid(c->addresses[i], 1, CARD_ADDRESS_MAX) ||
            !card_address_is_valid(slice_str(c->addresses[i]))) {
            return false;
        }
        for (size_t j = 0; j < i; j++) {
            if (strcmp(c->addresses[i], c->addresses[j]) == 0) {
                return false;
            }
        }
    }
    return true;
}

static struct slice operator_blob(const struct sshsig_key *k)
{
    return slice_of(k->blob, k->blob_size);
}

static bool operators_are_valid(const struct card *c)
{
    size_t min = c->role == CARD_STEWARD ? 1 : 0;

    if (c->operators_len < min || c->operators_len > CARD_OPERATORS_MAX) {
        return false;
    }
    for (size_t i = 0; i < c->operators_len; i++) {
        if (c->operators[i].blob_size > SSHSIG_BLOB_MAX ||
            sshsig_key_check(operator_blob(&c->operators[i])) != OK) {
            return false;
        }
        for (size_t j = 0; j < i; j++) {
            if (slice_equal(operator_blob(&c->operators[i]),
                            operator_blob(&c->operators[j]))) {
                return false;
            }
        }
    }
    return true;
}

/* D is the custodian's, which the node must not have. What E and D are good for
 * is checked in the custody half, which has the same. */
static bool custody_is_valid(const struct card *c)
{
    if (c->role != CARD_STEWARD) {
        return field_is_zero(c->custody_hpke_pk, 32) &&
               field_is_zero(c->custody_sign_pk, SIGN_PK_SIZE);
    }
    return !key_equal(c->custody_sign_pk, c->node_pk);
}

static bool role_is_valid(enum card_role role)
{
    switch (role) {
    case CARD_STEWARD:
    case CARD_LAB:
    case CARD_AUDITOR:
        return true;
    }
    return false;
}

/* Everything but the signatures. */
static bool card_is_valid(const struct card *c)
{
    return role_is_valid(c->role) && !digest_is_zero(&c->id) &&
           texts_are_valid(c) && addresses_are_valid(c) &&
           operators_are_valid(c) && !field_is_zero(c->node_pk, SIGN_PK_SIZE) &&
           element_is_valid(&c->vrf_pk) && custody_is_valid(c);
}

int card_custody_encode(const uint8_t hpke_pk[32],
                        const struct sign_key *d,
                        uint8_t *out,
                        size_t max,
                        size_t *size)
{
    struct canon_writer w;
    uint8_t sig[SIGN_SIZE];

    if (!field_hpke_key_is_valid(hpke_pk)) {
        return ERR_BAD;
    }
    sign_make(d, CUSTODY_DST, &no_net, slice_of(hpke_pk, 32), sig);
    canon_write_init(&w, out, max);
    canon_put_array(&w, CUSTODY_ITEMS);
    canon_put_uint(&w, FIELD_VERSION);
    canon_put_bin(&w, slice_of(hpke_pk, 32));
    canon_put_bin(&w, slice_of(d->pk, SIGN_PK_SIZE));
    canon_put_bin(&w, slice_of(sig, sizeof(sig)));
    return field_write_end(&w, size);
}

int card_custody_decode(struct slice in,
                        uint8_t hpke_pk[32],
                        uint8_t sign_pk[SIGN_PK_SIZE])
{
    uint8_t e[32], d[SIGN_PK_SIZE], sig[SIGN_SIZE];
    struct canon_reader r;
    int rv;

    field_begin(&r, in);
    canon_bytes(&r, e, sizeof(e));
    canon_bytes(&r, d, sizeof(d));
    field_signature(&r, sig);
    canon_leave(&r);
    canon_require(&r, r.error != OK || field_hpke_key_is_valid(e));
    rv = canon_end(&r);
    if (rv != OK) {
        return rv;
    }
    rv = sign_verify(d, CUSTODY_DST, &no_net, slice_of(e, sizeof(e)), sig);
    if (rv != OK) {
        return rv;
    }
    memcpy(hpke_pk, e, sizeof(e));
    memcpy(sign_pk, d, sizeof(d));
    return OK;
}

/* Is |custody| the half that belongs to |c|: none, or one with its keys? */
static int custody_check(const struct card *c, struct slice custody)
{
    uint8_t e[32], d[SIGN_PK_SIZE];
    int rv;

    if (c->role != CARD_STEWARD || custody.size == 0) {
        return c->role != CARD_STEWARD && custody.size == 0 ? OK : ERR_BAD;
    }
    if (custody.size > CARD_CUSTODY_SIZE_MAX) {
        return ERR_BAD;
    }
    rv = card_custody_decode(custody, e, d);
    if (rv != OK) {
        return rv;
    }
    return key_equal(e, c->custody_hpke_pk) && key_equal(d, c->custody_sign_pk)
               ? OK
               : ERR_MISMATCH;
}

static void put_custody_keys(struct canon_writer *w, const struct card *c)
{
    if (c->role != CARD_STEWARD) {
        canon_put_nil(w);
        canon_put_nil(w);
        return;
    }
    canon_put_bin(w, slice_of(c->custody_hpke_pk, sizeof(c->custody_hpke_pk)));
    canon_put_bin(w, slice_of(c->custody_sign_pk, SIGN_PK_SIZE));
}

static void put_body(struct canon_writer *w, const struct card *c)
{
    canon_put_array(w, BODY_ITEMS);
    canon_put_uint(w, FIELD_VERSION);
    canon_put_digest(w, &c->id);
    canon_put_uint(w, c->role);
    canon_put_uint(w, c->seq);
    canon_put_str(w, slice_str(c->name));
    canon_put_str(w, slice_str(c->organisation));
    canon_put_str(w, slice_str(c->jurisdiction));
    canon_put_str(w, slice_str(c->provider));
    canon_put_array(w, (uint32_t)c->addresses_len);
    for (size_t i = 0; i < c->addresses_len; i++) {
        canon_put_str(w, slice_str(c->addresses[i]));
    }
    canon_put_array(w, (uint32_t)c->operators_len);
    for (size_t i = 0; i < c->operators_len; i++) {
        canon_put_bin(w, operator_blob(&c->operators[i]));
    }
    canon_put_bin(w, slice_of(c->node_pk, SIGN_PK_SIZE));
    canon_put_bin(w, slice_of(c->vrf_pk.bytes, ELEMENT_SIZE));
    put_custody_keys(w, c);
}

int card_encode(const struct card *c,
                const struct sign_key *node,
                struct slice custody,
                uint8_t *out,
                size_t max,
                size_t *size)
{
    uint8_t bytes[CARD_SIZE_MAX], sig[SIGN_SIZE];
    struct slice body = {.data = NULL, .size = 0};
    struct canon_writer w;
    int rv;

    if (!card_is_valid(c) || !key_equal(node->pk, c->node_pk) ||
        custody_check(c, custody) != OK) {
        return ERR_BAD;
    }
    canon_write_init(&w, bytes, sizeof(bytes));
    put_body(&w, c);
    rv = canon_write_end(&w, &body);
    if (rv != OK) {
        return rv;
    }
    sign_make(node, CARD_DST, &no_net, body, sig);
    canon_write_init(&w, out, max < CARD_SIZE_MAX ? max : CARD_SIZE_MAX);
    canon_put_array(&w, CARD_PARTS);
    canon_put_bin(&w, body);
    canon_put_bin(&w, slice_of(sig, sizeof(sig)));
    if (custody.size == 0) {
        canon_put_nil(&w);
    } else {
        canon_put_bin(&w, custody);
    }
    return field_write_end(&w, size);
}

static void get_role(struct canon_reader *r, struct card *c)
{
    uint64_t role = canon_uint(r, UINT64_MAX);

    canon_require_known(r, role >= CARD_STEWARD && role <= CARD_AUDITOR);
    c->role = r->error == OK ? (enum card_role)role : CARD_AUDITOR;
}

static void get_addresses(struct canon_reader *r, struct card *c)
{
    c->addresses_len = canon_array_between(r, 0, CARD_ADDRESSES_MAX);
    for (size_t i = 0; i < c->addresses_len; i++) {
        field_text(r, c->addresses[i], CARD_ADDRESS_MAX);
    }
    canon_leave(r);
}

static void get_operators(struct canon_reader *r, struct card *c)
{
    c->operators_len = canon_array_between(r, 0, CARD_OPERATORS_MAX);
    for (size_t i = 0; i < c->operators_len; i++) {
        struct slice blob = canon_bin(r, 1, SSHSIG_BLOB_MAX);

        if (blob.size > 0) {
            memcpy(c->operators[i].blob, blob.data, blob.size);
        }
        c->operators[i].blob_size = blob.size;
    }
    canon_leave(r);
}

static void get_custody_keys(struct canon_reader *r, struct card *c)
{
    if (c->role != CARD_STEWARD) {
        bool no_e = canon_nil(r), no_d = canon_nil(r);

        canon_require(r, no_e && no_d);
        return;
    }
    canon_bytes(r, c->custody_hpke_pk, sizeof(c->custody_hpke_pk));
    canon_bytes(r, c->custody_sign_pk, SIGN_PK_SIZE);
}

static int body_read(struct card *c, struct slice body)
{
    struct canon_reader r;

    field_begin(&r, body);
    canon_digest(&r, &c->id);
    get_role(&r, c);
    c->seq = canon_uint(&r, UINT64_MAX);
    field_text(&r, c->name, CARD_NAME_MAX);
    field_text(&r, c->organisation, CARD_NAME_MAX);
    field_text(&r, c->jurisdiction, CARD_PLACE_MAX);
    field_text(&r, c->provider, CARD_NAME_MAX);
    get_addresses(&r, c);
    get_operators(&r, c);
    canon_bytes(&r, c->node_pk, SIGN_PK_SIZE);
    canon_bytes(&r, c->vrf_pk.bytes, ELEMENT_SIZE);
    get_custody_keys(&r, c);
    canon_leave(&r);
    canon_require(&r, r.error != OK || card_is_valid(c));
    return canon_end(&r);
}

int card_decode(struct card *c, struct slice in)
{
    struct slice body, custody = {.data = NULL, .size = 0};
    uint8_t sig[SIGN_SIZE];
    struct canon_reader r;
    struct card got;
    int rv;

    if (in.size > CARD_SIZE_MAX) {
        return ERR_BAD;
    }
    canon_read_init(&r, in);
    canon_array(&r, CARD_PARTS);
    body = canon_bin(&r, 1, CARD_SIZE_MAX);
    field_signature(&r, sig);
    if (!canon_nil(&r)) {
        custody = canon_bin(&r, 1, CARD_CUSTODY_SIZE_MAX);
    }
    canon_leave(&r);
    rv = canon_end(&r);
    if (rv != OK) {
        return rv;
    }
    memset(&got, 0, sizeof(got));
    rv = body_read(&got, body);
    if (rv != OK) {
        return rv;
    }
    rv = sign_verify(got.node_pk, CARD_DST, &no_net, body, sig);
    if (rv != OK) {
        return rv;
    }
    rv = custody_check(&got, custody);
    if (rv != OK) {
        return rv;
    }
    *c = got;
    return OK;
}
