#include <stdlib.h>

#include "replication/coding/codec.h"
#include "tests/fuzz/fuzz.h"

#define PLAIN_MAX (1U << 20)
#define GUARD     64U

static uint8_t room[GUARD + PLAIN_MAX + GUARD];
static uint8_t frame[2 * PLAIN_MAX], back[PLAIN_MAX];
static size_t frame_size;

static void on_piece(void *arg, struct slice piece)
{
    (void)arg;
    assert(piece.size <= sizeof(frame) - frame_size);
    if (piece.size > 0) {
        memcpy(frame + frame_size, piece.data, piece.size);
    }
    frame_size += piece.size;
}

/* What was decoded survives our own frames too. */
static void check_again(struct codec_state *state, struct slice plain)
{
    int rv;

    frame_size = 0;
    rv = codec_encode(state, CODEC_ZSTD, plain, sizeof(frame), on_piece, NULL);
    assert(rv == OK);
    rv = codec_decode(state, CODEC_ZSTD, slice_of(frame, frame_size), back,
                      plain.size);
    assert(rv == OK && slice_equal(plain, slice_of(back, plain.size)));
}

/* u32le size of the plaintext, then a payload. Nothing is written outside the
 * plaintext's room, which the sanitizer would not see of libzstd. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct codec_state *state;
    size_t plain_size;
    int rv;

    if (size < 4) {
        return 0;
    }
    if (state == NULL) {
        rv = codec_state_new(&state);
        assert(rv == OK);
    }
    plain_size = u32le_load(data) % (PLAIN_MAX + 1);
    memset(room, 0xa5, GUARD);
    memset(room + GUARD + plain_size, 0xa5, GUARD);
    rv = codec_decode(state, CODEC_ZSTD, slice_of(data + 4, size - 4),
                      room + GUARD, plain_size);
    assert(rv == OK || rv == ERR_BAD);
    for (size_t i = 0; i < GUARD; i++) {
        assert(room[i] == 0xa5 && room[GUARD + plain_size + i] == 0xa5);
    }
    if (rv == OK) {
        check_again(state, slice_of(room + GUARD, plain_size));
    }
    return 0;
}
