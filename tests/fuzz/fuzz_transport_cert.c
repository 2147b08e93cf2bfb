#include "protocol/transport_cert.h"
#include "tests/fuzz/fuzz.h"

/* The key that signs what is written again. */
static struct sign_key key(void)
{
    const uint8_t seed[SIGN_SEED_SIZE] = {1};
    struct sign_key k;

    sign_key_from_seed(&k, seed);
    return k;
}

/* What is a certificate is written again as the same bytes, but for the
 * signature of somebody else; with ours, it verifies. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = slice_of(data, size);
    uint8_t out[TRANSPORT_CERT_MAX];
    struct transport_cert c;
    struct sign_key k = key();
    bool member;
    size_t got = 0;
    int rv;

    if (transport_cert_decode(&c, in) != OK) {
        rv = transport_cert_verify(in, k.pk);
        assert(rv == ERR_BAD || rv == ERR_UNSUPPORTED);
        return 0;
    }
    member = c.type == TRANSPORT_MEMBER;
    rv = transport_cert_encode(&c, &k, out, sizeof(out), &got);
    assert(rv == OK && got == size);
    assert(memcmp(out, data, member ? size - SIGN_SIZE : size) == 0);
    rv = transport_cert_verify(slice_of(out, got), k.pk);
    assert(rv == (member ? OK : ERR_AUTH));
    assert(transport_cert_is_current(&c, c.not_before_s) == member);
    assert(!transport_cert_is_current(&c, UINT64_MAX));
    return 0;
}
