#include "protocol/charter.h"

#include <stdlib.h>

#include "crypto/hash.h"
#include "protocol/field.h"

#define CHARTER_ITEMS 8
#define FLAGS_KNOWN \
    (CHARTER_FLAG_SAME_JURISDICTION | CHARTER_FLAG_SAME_PROVIDER)

uint32_t charter_faulty(uint32_t stewards)
{
    assert(stewards > 0);
    return (stewards - 1) / 3;
}

uint32_t charter_quorum(uint32_t stewards)
{
    return (stewards + charter_faulty(stewards)) / 2 + 1;
}

static bool card_has_operator(const struct card *c,
                              const struct sshsig_key *key)
{
    for (size_t i = 0; i < c->operators_len; i++) {
        const struct sshsig_key *k = &c->operators[i];

        if (slice_equal(slice_of(k->blob, k->blob_size),
                        slice_of(key->blob, key->blob_size))) {
            return true;
        }
    }
    return false;
}

static bool operators_meet(const struct card *a, const struct card *b)
{
    for (size_t i = 0; i < a->operators_len; i++) {
        if (card_has_operator(b, &a->operators[i])) {
            return true;
        }
    }
    return false;
}

static bool addresses_meet(const struct card *a, const struct card *b)
{
    for (size_t i = 0; i < a->addresses_len; i++) {
        for (size_t j = 0; j < b->addresses_len; j++) {
            if (strcmp(a->addresses[i], b->addresses[j]) == 0) {
                return true;
            }
        }
    }
    return false;
}

static bool key_equal(const uint8_t a[32], const uint8_t b[32])
{
    return memcmp(a, b, 32) == 0;
}

/* Do two members share what makes them different? An id is the node key that
 * its member began with, so it is no one else's node key either. */
static bool cards_clash(const struct card *a, const struct card *b)
{
    bool custody = a->role == CARD_STEWARD && b->role == CARD_STEWARD;

    return digest_equal(&a->id, &b->id) || key_equal(a->node_pk, b->node_pk) ||
           key_equal(a->id.bytes, b->node_pk) ||
           key_equal(a->node_pk, b->id.bytes) ||
           key_equal(a->vrf_pk.bytes, b->vrf_pk.bytes) ||
           (custody && (key_equal(a->custody_hpke_pk, b->custody_hpke_pk) ||
                        key_equal(a->custody_sign_pk, b->custody_sign_pk))) ||
           operators_meet(a, b) || addresses_meet(a, b);
}

/* The place of the first member that clashes with one before it; members_len
 * when there is none. */
static size_t members_clash(const struct charter *c)
{
    for (size_t i = 0; i < c->members_len; i++) {
        for (size_t j = 0; j < i; j++) {
            if (cards_clash(&c->members[i].card, &c->members[j].card)) {
                return i;
            }
        }
    }
    return c->members_len;
}

static int id_compare(const struct charter_member *a,
                      const struct charter_member *b)
{
    return memcmp(a->card.id.bytes, b->card.id.bytes, DIGEST_SIZE);
}

static bool members_are_sorted(const struct charter *c)
{
    for (size_t i = 1; i < c->members_len; i++) {
        if (id_compare(&c->members[i - 1], &c->members[i]) >= 0) {
            return false;
        }
    }
    return true;
}

static uint32_t stewards_count(const struct charter *c)
{
    uint32_t n = 0;

    for (size_t i = 0; i < c->members_len; i++) {
        n += c->members[i].card.role == CARD_STEWARD ? 1 : 0;
    }
    return n;
}

static void get_members(struct canon_reader *r, struct charter *c)
{
    c->members_len = canon_array_between(r, 1, CHARTER_MEMBERS_MAX);
    for (size_t i = 0; i < c->members_len; i++) {
        c->members[i].card_bytes = canon_bin(r, 1, CARD_SIZE_MAX);
    }
    canon_leave(r);
}

static int fields_read(struct charter *c, struct slice in)
{
    struct canon_reader r;
    uint64_t flags;

    field_begin(&r, in);
    c->epoch = canon_uint(&r, UINT64_MAX);
    canon_require_known(&r, c->epoch == 0);
    canon_digest(&r, &c->prev);
    canon_require(&r, digest_is_zero(&c->prev));
    field_text(&r, c->name, CHARTER_NAME_MAX);
    canon_require(&r, field_text_is_valid(c->name, 1, CHARTER_NAME_MAX));
    c->time_s = canon_uint(&r, FIELD_TIME_MAX);
    flags = canon_uint(&r, UINT64_MAX);
    canon_require_known(&r, (flags & ~(uint64_t)FLAGS_KNOWN) == 0);
    c->flags = (uint32_t)flags;
    canon_bytes(&r, c->psk_id, sizeof(c->psk_id));
    get_members(&r, c);
    canon_leave(&r);
    return canon_end(&r);
}

static int charter_read(struct charter *c, struct slice in)
{
    int rv;

    if (in.size > CHARTER_SIZE_MAX) {
        return ERR_BAD;
    }
    rv = fields_read(c, in);
    if (rv != OK) {
        return rv;
    }
    for (size_t i = 0; i < c->members_len; i++) {
        rv = card_decode(&c->members[i].card, c->members[i].card_bytes);
        if (rv != OK) {
            return rv;
        }
    }
    c->stewards = stewards_count(c);
    if (!members_are_sorted(c) || members_clash(c) != c->members_len ||
        c->stewards == 0) {
        return ERR_BAD;
    }
    c->f = charter_faulty(c->stewards);
    c->q = charter_quorum(c->stewards);
    TH256(&c->hash, "charter", in);
    return OK;
}

int charter_decode(struct charter *c, struct slice in)
{
    int rv;

    memset(c, 0, sizeof(*c));
    rv = charter_read(c, in);
    if (rv != OK) {
        memset(c, 0, sizeof(*c));
    }
    return rv;
}

/* Decode all cards into |c|, in the order in which they were given. */
static int found_members(struct charter *c,
                         const struct slice *cards,
                         size_t cards_len,
                         size_t *bad)
{
    size_t clash;

    for (size_t i = 0; i < cards_len; i++) {
        c->members[i].card_bytes = cards[i];
        if (card_decode(&c->members[i].card, cards[i]) != OK) {
            *bad = i;
            return ERR_BAD;
        }
    }
    c->members_len = cards_len;
    clash = members_clash(c);
    if (clash < cards_len) {
        *bad = clash;
        return ERR_EXISTS;
    }
    if (stewards_count(c) == 0) {
        *bad = cards_len;
        return ERR_BAD;
    }
    return OK;
}

/* The order of the members by id, by insertion: members are too large to be
 * moved. */
static void found_order(const struct charter *c,
                        const struct charter_member *order[CHARTER_MEMBERS_MAX])
{
    for (size_t i = 0; i < c->members_len; i++) {
        size_t at = i;

        while (at > 0 && id_compare(order[at - 1], &c->members[i]) > 0) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = &c->members[i];
    }
}

static void found_write(struct canon_writer *w, const struct charter *c)
{
    const struct charter_member *order[CHARTER_MEMBERS_MAX] = {NULL};

    found_order(c, order);
    canon_put_array(w, CHARTER_ITEMS);
    canon_put_uint(w, FIELD_VERSION);
    canon_put_uint(w, c->epoch);
    canon_put_digest(w, &c->prev);
    canon_put_str(w, slice_str(c->name));
    canon_put_uint(w, c->time_s);
    canon_put_uint(w, c->flags);
    canon_put_bin(w, slice_of(c->psk_id, sizeof(c->psk_id)));
    canon_put_array(w, (uint32_t)c->members_len);
    for (size_t i = 0; i < c->members_len; i++) {
        assert(order[i] != NULL);
        canon_put_bin(w, order[i]->card_bytes);
    }
}

int charter_found(const char *name,
                  uint64_t time_s,
                  uint32_t flags,
                  const uint8_t psk_id[8],
                  const struct slice *cards,
                  size_t cards_len,
                  uint8_t *out,
                  size_t max,
                  size_t *size,
                  size_t *bad)
{
    struct charter *c;
    struct canon_writer w;
    int rv;

    if (strnlen(name, CHARTER_NAME_MAX + 1) > CHARTER_NAME_MAX ||
        !field_text_is_valid(name, 1, strlen(name)) ||
        time_s > FIELD_TIME_MAX || (flags & ~FLAGS_KNOWN) != 0 ||
        cards_len > CHARTER_MEMBERS_MAX) {
        *bad = cards_len;
        return ERR_BAD;
    }
    c = calloc(1, sizeof(*c));
    if (c == NULL) {
        return ERR_NOMEM;
    }
    rv = found_members(c, cards, cards_len, bad);
    if (rv != OK) {
        goto err;
    }
    memcpy(c->name, name, strlen(name));
    c->time_s = time_s;
    c->flags = flags;
    memcpy(c->psk_id, psk_id, sizeof(c->psk_id));
    canon_write_init(&w, out, max);
    found_write(&w, c);
    rv = field_write_end(&w, size);

err:
    free(c);
    return rv;
}

uint32_t charter_index(const struct charter *c, const struct digest *id)
{
    uint32_t i = 0;

    while (i < c->members_len && !digest_equal(&c->members[i].card.id, id)) {
        i++;
    }
    return i < c->members_len ? i : CHARTER_MEMBERS_MAX;
}

const struct card *charter_member(const struct charter *c,
                                  const struct digest *id)
{
    uint32_t i = charter_index(c, id);

    return i < CHARTER_MEMBERS_MAX ? &c->members[i].card : NULL;
}

const struct card *charter_steward(const struct charter *c,
                                   const struct digest *id)
{
    const struct card *m = charter_member(c, id);

    return m != NULL && m->role == CARD_STEWARD ? m : NULL;
}

const struct card *charter_operator(const struct charter *c,
                                    const struct sshsig_key *key)
{
    for (size_t i = 0; i < c->members_len; i++) {
        if (card_has_operator(&c->members[i].card, key)) {
            return &c->members[i].card;
        }
    }
    return NULL;
}

void charter_fingerprint(const struct digest *id,
                         char out[CHARTER_FINGERPRINT_SIZE])
{
    for (size_t i = 0; i < 8; i++) {
        uint32_t v = u32be_load(id->bytes + 4 * i) % 100000;

        for (size_t at = 6 * i + 5; at > 6 * i; at--) {
            out[at - 1] = (char)('0' + v % 10);
            v /= 10;
        }
        out[6 * i + 5] = i < 7 ? ' ' : '\0';
    }
}
