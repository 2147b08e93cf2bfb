#include "protocol/charter.h"
#include "tests/fuzz/fuzz.h"

enum {
    FUZZ_CHARTER,
    FUZZ_CHAIN,
    FUZZ_ASSEMBLE
};

/* Too large for a stack. */
static struct charter charter;
static uint8_t out[CHARTER_CHAIN_MAX];

static void check(const struct charter *c)
{
    assert(c->members_len >= 1 && c->members_len <= CHARTER_MEMBERS_MAX);
    assert(c->stewards >= 1 && c->stewards <= c->members_len);
    assert(c->q > c->f && c->q <= c->stewards && c->epoch == 0);
    for (size_t i = 0; i < c->members_len; i++) {
        const struct card *card = &c->members[i].card;

        assert(charter_member(c, &card->id) == card);
        assert(c->members[i].card_bytes.size > 0);
    }
}

/* What is a charter is founded again from its cards as the same bytes. */
static void fuzz_charter(struct slice in)
{
    struct slice cards[CHARTER_MEMBERS_MAX];
    size_t size = 0, bad;
    int rv;

    if (charter_decode(&charter, in) != OK) {
        assert(charter.members_len == 0);
        return;
    }
    check(&charter);
    for (size_t i = 0; i < charter.members_len; i++) {
        cards[i] = charter.members[i].card_bytes;
    }
    rv = charter_found(charter.name, charter.time_s, charter.flags,
                       charter.psk_id, cards, charter.members_len, out,
                       sizeof(out), &size, &bad);
    assert(rv == OK && slice_equal(slice_of(out, size), in));
}

static void fuzz_chain(struct slice in)
{
    struct digest net;

    if (charter_chain_decode(&charter, &net, in) != OK) {
        assert(charter.members_len == 0);
        return;
    }
    check(&charter);
    assert(digest_equal(&net, &charter.hash));
}

/* One signature, its length in a byte, then a charter. */
static void fuzz_assemble(struct slice in)
{
    struct charter_signature signature;
    struct digest net;
    size_t len, size = 0;
    int rv;

    if (in.size == 0 || in.size - 1 < in.data[0]) {
        return;
    }
    len = in.data[0];
    signature.sshsig = slice_of(in.data + 1, len);
    rv = charter_assemble(slice_of(in.data + 1 + len, in.size - 1 - len),
                          &signature, len > 0 ? 1 : 0, out, sizeof(out), &size,
                          NULL);
    if (rv == OK) {
        rv = charter_chain_decode(&charter, &net, slice_of(out, size));
        assert(rv == OK);
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
    case FUZZ_CHARTER:
        fuzz_charter(in);
        break;
    case FUZZ_CHAIN:
        fuzz_chain(in);
        break;
    case FUZZ_ASSEMBLE:
        fuzz_assemble(in);
        break;
    default:
        break;
    }
    return 0;
}
