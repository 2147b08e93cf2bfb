#include "protocol/release.h"
#include "tests/fuzz/fuzz.h"

enum {
    FUZZ_REQUEST,
    FUZZ_APPROVAL,
    FUZZ_RECEIPT,
    FUZZ_ACKNOWLEDGEMENT,
    FUZZ_DECISION,
    FUZZ_HOLDING
};

static uint8_t out[RELEASE_REQUEST_MAX];
static struct sign_key key;

/* What was read is written again as the same bytes. */
static void check(int rv, size_t size, struct slice in)
{
    assert(rv == OK && slice_equal(slice_of(out, size), in));
}

/* What operators see is lines of text that end in the request. */
static void check_rendered(struct slice request)
{
    static char text[RELEASE_RENDERED_MAX];
    size_t size = 0, lines = 0;
    int rv = release_request_render(request, text, sizeof(text), &size);

    assert(rv == OK && text[size - 1] == '\n');
    for (size_t i = 0; i < size; i++) {
        assert(text[i] == '\n' || (uint8_t)text[i] >= ' ');
        lines += text[i] == '\n' ? 1 : 0;
    }
    assert(lines == 15 + (request.size + 31) / 32);
}

static void fuzz_request(struct slice in)
{
    struct release_request r;
    size_t size = 0;

    if (release_request_decode(&r, in) == OK) {
        check(release_request_encode(&r, out, sizeof(out), &size), size, in);
        check_rendered(in);
    }
}

static void fuzz_approval(struct slice in)
{
    struct release_approval a;
    size_t size = 0;

    if (release_approval_decode(&a, in) == OK) {
        check(release_approval_encode(&a, out, sizeof(out), &size), size, in);
    }
}

static void fuzz_receipt(struct slice in)
{
    struct release_receipt r;
    size_t size = 0;

    if (release_receipt_decode(&r, in) == OK) {
        check(release_receipt_encode(&r, out, sizeof(out), &size), size, in);
    }
}

static void fuzz_holding(struct slice in)
{
    struct digest hash;
    size_t size = 0;

    if (release_holding_decode(&hash, in) == OK) {
        check(release_holding_encode(&hash, out, sizeof(out), &size), size, in);
    }
}

/* A document that no fuzzer could sign, signed here. */
static struct slice sign(struct slice in, const char *dst)
{
    static uint8_t bytes[1024];
    struct digest net;

    if (in.size < 2 + 34 + 66 || in.size > sizeof(bytes)) {
        return in;
    }
    memcpy(bytes, in.data, in.size);
    memcpy(net.bytes, in.data + 4, DIGEST_SIZE);
    sign_make(&key, dst, &net, slice_of(bytes, in.size - 66),
              bytes + in.size - 64);
    return slice_of(bytes, in.size);
}

static void fuzz_decision(struct slice in)
{
    struct slice signed_in = sign(in, "decision");
    struct release_decision d;
    size_t size = 0;

    if (release_decision_verify(&d, signed_in, key.pk) == OK) {
        check(release_decision_encode(&d, &key, out, sizeof(out), &size), size,
              signed_in);
    }
}

static void fuzz_acknowledgement(struct slice in)
{
    static struct manifest m;
    const struct digest hash = {.bytes = {1}};
    struct release_acknowledgement a;
    struct slice signed_in = sign(in, "custody-ack");
    size_t size = 0;

    m = (struct manifest){.n = 2, .t = 1, .net = hash};
    m.stewards[0] = hash;
    m.commitments[0] = group_h; /* The share is (0, 1). */
    if (release_acknowledgement_verify(&a, signed_in, key.pk, &hash, &m) ==
        OK) {
        check(release_acknowledgement_encode(&a, &key, out, sizeof(out), &size),
              size, signed_in);
    }
}

/* The first byte says which decoder gets the rest. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t seed[SIGN_SEED_SIZE] = {1};
    struct slice in;

    if (size == 0) {
        return 0;
    }
    sign_key_from_seed(&key, seed);
    in = slice_of(data + 1, size - 1);
    switch (data[0]) {
    case FUZZ_REQUEST:
        fuzz_request(in);
        break;
    case FUZZ_APPROVAL:
        fuzz_approval(in);
        break;
    case FUZZ_RECEIPT:
        fuzz_receipt(in);
        break;
    case FUZZ_ACKNOWLEDGEMENT:
        fuzz_acknowledgement(in);
        break;
    case FUZZ_DECISION:
        fuzz_decision(in);
        break;
    case FUZZ_HOLDING:
        fuzz_holding(in);
        break;
    default:
        break;
    }
    return 0;
}
