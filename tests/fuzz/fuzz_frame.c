#include "protocol/frame.h"
#include "tests/fuzz/fuzz.h"

/* The first byte chooses the size of the reader's buffer, the second how the
 * rest, which is the stream, is cut into pieces. */

static uint8_t buf[FRAME_WIRE_MAX];

static size_t buffer_size(uint8_t choice)
{
    static const size_t sizes[] = {FRAME_PREAMBLE_SIZE, 300,
                                   FRAME_HANDSHAKE_MAX, FRAME_WIRE_MAX};

    return sizes[choice % 4];
}

/* What a reader must say of the stream at |*at|, told by the rule alone. */
static int expected(struct slice in,
                    size_t buf_size,
                    size_t *at,
                    struct slice *frame)
{
    size_t length;

    *frame = slice_of(in.data, 0);
    if (in.size - *at < FRAME_LENGTH_SIZE) {
        return OK;
    }
    length = u16be_load(in.data + *at);
    if (length < FRAME_SEALED_MIN || length + FRAME_LENGTH_SIZE > buf_size) {
        return ERR_BAD;
    }
    if (in.size - *at - FRAME_LENGTH_SIZE >= length) {
        *frame = slice_of(in.data + *at + FRAME_LENGTH_SIZE, length);
        *at += FRAME_LENGTH_SIZE + length;
    }
    return OK;
}

/* A record that is read is written again as the same bytes. */
static void check_record(struct slice plain)
{
    static uint8_t out[NOISE_PLAIN_MAX];
    struct frame_record rec;
    size_t size;

    if (plain.size > NOISE_PLAIN_MAX ||
        frame_record_decode(plain, &rec) != OK) {
        return;
    }
    frame_record_encode(&rec, out, &size);
    assert(slice_equal(slice_of(out, size), plain));
}

/* However it is cut, the stream holds the same frames, and fails at the same
 * one. */
static void check_reader(struct slice in, size_t buf_size, uint8_t cut)
{
    struct frame_reader r;
    struct slice want, frame;
    size_t at = 0, fed = 0;
    int rv = OK, want_rv = OK;

    frame_reader_init(&r, buf, buf_size);
    while (fed < in.size && rv == OK) {
        size_t piece = 1 + (size_t)(cut >> (fed % 5)) * (1 + fed % 97);
        struct slice some = slice_of(
            in.data + fed, piece < in.size - fed ? piece : in.size - fed);

        fed += some.size;
        for (;;) {
            rv = frame_reader_take(&r, &some, &frame);
            if (rv != OK || frame.size == 0) {
                break;
            }
            want_rv = expected(in, buf_size, &at, &want);
            assert(want_rv == OK && slice_equal(frame, want));
            check_record(frame);
        }
        assert(rv != OK || some.size == 0);
    }
    want_rv = expected(in, buf_size, &at, &want);
    assert(want_rv == rv && want.size == 0);
}

/* Frames that are lent from where they lie are the same. */
static void check_take(struct slice in, size_t wire_max)
{
    struct slice rest = in, want, frame;
    size_t at = 0;
    int rv;

    do {
        rv = frame_take(&rest, wire_max, &frame);
        assert(rv == expected(in, wire_max, &at, &want));
        assert(rest.data == in.data + at && rest.size == in.size - at);
        assert(rv != OK || (frame.size == want.size &&
                            (want.size == 0 || frame.data == want.data)));
    } while (rv == OK && frame.size > 0);
}

/* A preamble that we accept is the one that we would have written. */
static void check_preamble(struct slice in)
{
    static const uint8_t secret[FRAME_PSK_SIZE] = {1};
    static const struct digest net = {.bytes = {2}};
    uint8_t out[FRAME_PREAMBLE_SIZE];
    struct frame_preamble p;
    struct frame_psk psk;
    size_t which = 1;
    int rv;

    frame_psk_init(&psk, secret);
    rv = frame_preamble_accept(in, &net, &psk, 1, &which);
    if (rv == OK) {
        frame_preamble_encode(&net, &psk, out);
        assert(which == 0 && slice_equal(in, slice_of(out, sizeof(out))));
    }
    /* The same first steps, so the same verdict on the form. */
    assert((frame_preamble_decode(in, &p) == OK) ==
           (rv != ERR_BAD && rv != ERR_UNSUPPORTED));
    frame_psk_wipe(&psk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in;

    if (size < 2) {
        return 0;
    }
    in = slice_of(data + 2, size - 2);
    check_record(in);
    check_preamble(slice_of(in.data, in.size < FRAME_PREAMBLE_SIZE
                                         ? in.size
                                         : FRAME_PREAMBLE_SIZE));
    check_reader(in, buffer_size(data[0]), data[1]);
    check_take(in, buffer_size(data[0]));
    return 0;
}
