#include "protocol/canon.h"
#include "protocol/card.h"
#include "tests/fuzz/fuzz.h"

enum {
    FUZZ_CARD,
    FUZZ_BODY,
    FUZZ_CUSTODY,
    FUZZ_ADDRESS
};

static void fuzz_card(struct slice in)
{
    struct card c;

    if (card_decode(&c, in) == OK) {
        assert(in.size <= CARD_SIZE_MAX && !digest_is_zero(&c.id));
        assert(c.addresses_len <= CARD_ADDRESSES_MAX);
        assert(c.operators_len <= CARD_OPERATORS_MAX);
        assert(element_is_valid(&c.vrf_pk));
    }
}

/* A body that no fuzzer could sign, signed here: its keys are replaced by ours,
 * and so is the custody half. What is a card then is written again as the
 * same bytes. */
static void fuzz_body(struct slice in)
{
    static const struct digest zeros;
    const uint8_t seed[SIGN_SEED_SIZE] = {1}, seed_d[SIGN_SEED_SIZE] = {2};
    const size_t tail = 34 + 34 + 34 + 34; /* N, V, E, D */
    uint8_t body[CARD_SIZE_MAX], out[CARD_SIZE_MAX], again[CARD_SIZE_MAX];
    uint8_t half[CARD_CUSTODY_SIZE_MAX], sig[SIGN_SIZE];
    struct slice custody = slice_of(half, 0), card = slice_of(NULL, 0);
    struct sign_key n, d;
    struct canon_writer w;
    struct card c;
    size_t size = 0;
    int rv;

    if (in.size < tail || in.size > sizeof(body)) {
        return;
    }
    memcpy(body, in.data, in.size);
    sign_key_from_seed(&n, seed);
    sign_key_from_seed(&d, seed_d);
    memcpy(body + in.size - tail + 2, n.pk, SIGN_PK_SIZE);
    memcpy(body + in.size - tail + 36, group_b.bytes, ELEMENT_SIZE);
    memcpy(body + in.size - 32, d.pk, SIGN_PK_SIZE);
    rv = card_custody_encode(body + in.size - 66, &d, half, sizeof(half),
                             &custody.size);
    assert(rv == OK || rv == ERR_BAD);
    sign_make(&n, "card", &zeros, slice_of(body, in.size), sig);
    canon_write_init(&w, out, sizeof(out));
    canon_put_array(&w, 3);
    canon_put_bin(&w, slice_of(body, in.size));
    canon_put_bin(&w, slice_of(sig, sizeof(sig)));
    canon_put_bin(&w, custody);
    if (canon_write_end(&w, &card) != OK || card_decode(&c, card) != OK) {
        return;
    }
    rv = card_encode(&c, &n, custody, again, sizeof(again), &size);
    assert(rv == OK && slice_equal(card, slice_of(again, size)));
}

static void fuzz_custody(struct slice in)
{
    uint8_t e[32], d[SIGN_PK_SIZE];

    if (card_custody_decode(in, e, d) == OK) {
        assert(in.size <= CARD_CUSTODY_SIZE_MAX);
    }
}

static void fuzz_address(struct slice in)
{
    if (card_address_is_valid(in)) {
        assert(in.size >= 3 && in.size <= CARD_ADDRESS_MAX);
        for (size_t i = 0; i < in.size; i++) {
            assert(strchr("abcdefghijklmnopqrstuvwxyz0123456789.-:[]",
                          in.data[i]) != NULL);
        }
    }
}

/* The first byte says which decoder gets the rest. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in;

    if (size == 0) {
        return 0;
    }
    in = slice_of(data + 1, size - 1);
    switch (data[0]) {
    case FUZZ_CARD:
        fuzz_card(in);
        break;
    case FUZZ_BODY:
        fuzz_body(in);
        break;
    case FUZZ_CUSTODY:
        fuzz_custody(in);
        break;
    case FUZZ_ADDRESS:
        fuzz_address(in);
        break;
    default:
        break;
    }
    return 0;
}
