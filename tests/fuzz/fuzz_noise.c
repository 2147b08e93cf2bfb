#include "crypto/noise.h"
#include "tests/fuzz/fuzz.h"

/* A side that talks to nonsense: the first byte chooses the role, the rest are
 * messages of u16be length. It ends refused and wiped, never finished: nobody
 * guesses a tag of message 2 or 3. */

static uint8_t payload[NOISE_MESSAGE_MAX], out[NOISE_MESSAGE_MAX];

/* Read the next message of |in|, or all that is left of it. */
static int read_next(struct noise_handshake *hs, struct slice *in)
{
    size_t length = in->size, got = SIZE_MAX, size;
    int rv;

    if (in->size >= 2) {
        length = u16be_load(in->data);
        *in = slice_of(in->data + 2, in->size - 2);
    }
    size = length < in->size ? length : in->size;
    rv = noise_handshake_read(hs, slice_of(in->data, size), payload, &got);
    assert((rv == OK) == (got != SIZE_MAX) && (rv != OK || got < size));
    *in = slice_of(in->data + size, in->size - size);
    return rv;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t seed[RNG_SEED_SIZE] = {1}, psk[NOISE_KEY_SIZE] = {2};
    struct noise_handshake hs;
    struct noise_keypair s;
    struct rng r;
    struct slice in;
    size_t out_size;
    int rv = OK;

    if (size < 1) {
        return 0;
    }
    in = slice_of(data + 1, size - 1);
    rng_init_seed(&r, seed);
    noise_keypair_init(&s, &r);
    noise_handshake_init(&hs, (data[0] & 1) != 0, slice_str("fuzz"), &s, psk);
    if (hs.initiator) {
        rv = noise_handshake_write(&hs, slice_str(""), &r, out, &out_size);
        assert(rv == OK);
    } else if (read_next(&hs, &in) == OK) {
        rv = noise_handshake_write(&hs, slice_str("x"), &r, out, &out_size);
        assert(rv == OK || rv == ERR_BAD);
    }
    rv = read_next(&hs, &in);
    assert(rv != OK);
    rv = noise_handshake_write(&hs, slice_str(""), &r, out, &out_size);
    assert(rv == ERR_ORDER);
    noise_handshake_wipe(&hs);
    return 0;
}
