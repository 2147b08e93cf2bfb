#include <stdlib.h>
#include <zstd.h>

#include "crypto/rng.h"
#include "replication/coding/codec.h"
#include "tests/suite.h"

#define PLAIN_MAX (3U << 20)
#define GUARD     4096U

static struct codec_state *state;
static struct rng rng;
static uint8_t plain[PLAIN_MAX];

/* What the encoder sank. */
static uint8_t payload[PLAIN_MAX + 4096];
static size_t payload_size;

/* Where the decoder writes: guards on both sides, because libzstd itself is
 * not built with a sanitizer. */
static uint8_t room[GUARD + PLAIN_MAX + GUARD], guard[GUARD];

static void setup(void)
{
    static const uint8_t seed[RNG_SEED_SIZE] = {'c'};

    rng_init_seed(&rng, seed);
    ck_assert_int_eq(codec_state_new(&state), OK);
    payload_size = 0;
}

static void finish(void)
{
    codec_state_free(state);
}

static void on_piece(void *arg, struct slice piece)
{
    ck_assert_ptr_null(arg);
    ck_assert_uint_le(piece.size, sizeof(payload) - payload_size);
    if (piece.size > 0) {
        memcpy(payload + payload_size, piece.data, piece.size);
    }
    payload_size += piece.size;
}

static int encode(enum codec codec, size_t size, size_t payload_max)
{
    payload_size = 0;
    return codec_encode(state, codec, slice_of(plain, size), payload_max,
                        on_piece, NULL);
}

static int decode_as(struct slice frame, size_t plain_size)
{
    int rv;

    ck_assert_uint_le(plain_size, PLAIN_MAX);
    memset(guard, 0xa5, GUARD);
    memset(room, 0xa5, GUARD + plain_size + GUARD);
    rv = codec_decode(state, CODEC_ZSTD, frame, room + GUARD, plain_size);
    ck_assert_bytes_eq(room, guard, GUARD);
    ck_assert_bytes_eq(room + GUARD + plain_size, guard, GUARD);
    return rv;
}

static int decode(size_t plain_size)
{
    return decode_as(slice_of(payload, payload_size), plain_size);
}

/* Sixteen-bit floats as in a layer of a model: the upper byte is far from
 * random, the lower one is. */
static void fill_weights(size_t size)
{
    rng_bytes(&rng, plain, size);
    for (size_t i = 1; i < size; i += 2) {
        plain[i] = (uint8_t)(0x3b + __builtin_popcount(plain[i]) / 2);
    }
}

static void fill_random(size_t size)
{
    rng_bytes(&rng, plain, size);
}

static void fill_zero(size_t size)
{
    memset(plain, 0, size);
}

/* Whatever is encoded comes back, whatever its size and kind. */
START_TEST(test_codec_round_trip)
{
    static void (*const fills[])(size_t) = {fill_zero, fill_random,
                                            fill_weights};
    static const size_t sizes[] = {
        0, 1, 2, 7, 1000, 16384, 65536, 65537, 131072, 131073, PLAIN_MAX};

    for (size_t f = 0; f < sizeof(fills) / sizeof(fills[0]); f++) {
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            fills[f](sizes[i]);
            ck_assert_int_eq(encode(CODEC_ZSTD, sizes[i], SIZE_MAX), OK);
            ck_assert_int_eq(decode(sizes[i]), OK);
            ck_assert_bytes_eq(room + GUARD, plain, sizes[i]);
        }
    }
}
END_TEST

/* Raw is the plaintext itself, and has nothing to decode. */
START_TEST(test_codec_raw_is_the_plaintext)
{
    fill_random(5000);
    ck_assert_int_eq(encode(CODEC_RAW, 5000, 5000), OK);
    ck_assert_uint_eq(payload_size, 5000);
    ck_assert_bytes_eq(payload, plain, 5000);
    ck_assert_int_eq(encode(CODEC_RAW, 0, 0), OK);
    ck_assert_int_eq(encode(CODEC_RAW, 5000, 4999), ERR_FULL);
    ck_assert_uint_eq(payload_size, 0);
    ck_assert_int_eq(
        codec_decode(state, CODEC_RAW, slice_of(payload, 8), room, 8),
        ERR_UNSUPPORTED);
}
END_TEST

/* Not a byte more than allowed is sunk, and exactly enough is enough. */
START_TEST(test_codec_stops_at_the_limit)
{
    size_t whole;

    fill_weights(PLAIN_MAX);
    ck_assert_int_eq(encode(CODEC_ZSTD, PLAIN_MAX, SIZE_MAX), OK);
    whole = payload_size;
    ck_assert_int_eq(encode(CODEC_ZSTD, PLAIN_MAX, whole), OK);
    for (size_t max = 0; max < whole; max = max * 2 + 1) {
        ck_assert_int_eq(encode(CODEC_ZSTD, PLAIN_MAX, max), ERR_FULL);
        ck_assert_uint_le(payload_size, max);
    }
    ck_assert_int_eq(encode(CODEC_ZSTD, PLAIN_MAX, whole - 1), ERR_FULL);
    ck_assert_uint_le(payload_size, whole - 1);
    ck_assert_int_eq(encode(CODEC_ZSTD, PLAIN_MAX, whole), OK);
    ck_assert_int_eq(decode(PLAIN_MAX), OK);
}
END_TEST

/* The same input gives the same bytes, whatever the state was used for. */
START_TEST(test_codec_is_deterministic)
{
    static uint8_t first[sizeof(payload)];
    struct codec_state *used = state;
    size_t first_size;

    fill_weights(PLAIN_MAX);
    ck_assert_int_eq(encode(CODEC_ZSTD, PLAIN_MAX, SIZE_MAX), OK);
    first_size = payload_size;
    memcpy(first, payload, first_size);

    (void)codec_decide(state, CODEC_CHOOSE_AUTO, slice_of(plain, PLAIN_MAX));
    ck_assert_int_eq(encode(CODEC_ZSTD, 777, SIZE_MAX), OK);
    ck_assert_int_eq(encode(CODEC_ZSTD, PLAIN_MAX, first_size / 2), ERR_FULL);
    ck_assert_int_eq(encode(CODEC_ZSTD, PLAIN_MAX, SIZE_MAX), OK);
    ck_assert_uint_eq(payload_size, first_size);
    ck_assert_bytes_eq(payload, first, first_size);

    ck_assert_int_eq(codec_state_new(&state), OK);
    ck_assert_int_eq(encode(CODEC_ZSTD, PLAIN_MAX, SIZE_MAX), OK);
    ck_assert_uint_eq(payload_size, first_size);
    ck_assert_bytes_eq(payload, first, first_size);
    codec_state_free(used);
}
END_TEST

/* Our frames say how much they hold, and carry neither checksum nor the id of
 * a dictionary (RFC 8878, 3.1.1.1.1). */
START_TEST(test_codec_frame_header)
{
    static const size_t sizes[] = {0, 300, 70000, PLAIN_MAX};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        fill_weights(sizes[i]);
        ck_assert_int_eq(encode(CODEC_ZSTD, sizes[i], SIZE_MAX), OK);
        ck_assert_uint_eq(u32le_load(payload), 0xfd2fb528);
        ck_assert_uint_eq(payload[4] & 0x1fU, 0);
        ck_assert_uint_eq(ZSTD_getFrameContentSize(payload, payload_size),
                          sizes[i]);
    }
}
END_TEST

static enum codec decided(enum codec_choice choice, size_t size)
{
    return codec_decide(state, choice, slice_of(plain, size));
}

/* Sixteen-kilobyte runs, |saved| bytes of each compress to nothing. */
static void fill_partly(size_t size, size_t saved)
{
    fill_random(size);
    for (size_t off = 0; off + 16384 <= size; off += 16384) {
        memset(plain + off, 0, saved);
    }
}

/* Samples decide, and only a gain of 4 % is worth it. */
START_TEST(test_codec_decides_by_samples)
{
    static const size_t sizes[] = {16384, 100000, 131072, 1000000, PLAIN_MAX};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        fill_random(sizes[i]);
        ck_assert_int_eq(decided(CODEC_CHOOSE_AUTO, sizes[i]), CODEC_RAW);
        ck_assert_int_eq(decided(CODEC_CHOOSE_ZSTD, sizes[i]), CODEC_ZSTD);
        fill_weights(sizes[i]);
        ck_assert_int_eq(decided(CODEC_CHOOSE_AUTO, sizes[i]), CODEC_ZSTD);
        ck_assert_int_eq(decided(CODEC_CHOOSE_RAW, sizes[i]), CODEC_RAW);
    }
    fill_partly(131072, 16384 * 2 / 100);
    ck_assert_int_eq(decided(CODEC_CHOOSE_AUTO, 131072), CODEC_RAW);
    fill_partly(131072, 16384 * 6 / 100);
    ck_assert_int_eq(decided(CODEC_CHOOSE_AUTO, 131072), CODEC_ZSTD);
    ck_assert_int_eq(decided(CODEC_CHOOSE_AUTO, 0), CODEC_RAW);
    ck_assert_int_eq(decided(CODEC_CHOOSE_AUTO, 1), CODEC_RAW);
}
END_TEST

/* A part that differs from the rest is seen wherever it lies. */
START_TEST(test_codec_samples_all_over)
{
    for (size_t eighth = 0; eighth < 8; eighth++) {
        fill_random(PLAIN_MAX);
        memset(plain + eighth * (PLAIN_MAX / 8), 0, PLAIN_MAX / 8);
        ck_assert_int_eq(decided(CODEC_CHOOSE_AUTO, PLAIN_MAX), CODEC_ZSTD);
    }
}
END_TEST

/* What passes in pieces is decided as if it were seen whole: samples begin at
 * every eighth and nothing else counts. */
START_TEST(test_codec_samples_of_pieces)
{
    static const size_t sizes[] = {1, 16384, 100000, 131073, 1000007};
    size_t size = sizes[_i / 2], part;

    fill_random(size);
    for (size_t off = 0; off < size; off += size / 8 + (size < 8)) {
        part = size - off < 16384 ? size - off : 16384;
        memset(plain + off, 0, part);
    }
    if (_i % 2 == 1) { /* The other way round. */
        for (size_t i = 0; i < size; i++) {
            plain[i] ^= (uint8_t)rng_below(&rng, 256);
        }
    }
    codec_samples_begin(state, size);
    for (size_t off = 0; off < size; off += part) {
        part = 1 + (size_t)rng_below(&rng, 40000);
        part = size - off < part ? size - off : part;
        codec_samples_take(state, slice_of(plain + off, part));
    }
    ck_assert_int_eq(codec_samples_decide(state, CODEC_CHOOSE_AUTO),
                     _i % 2 == 0 && size > 1 ? CODEC_ZSTD : CODEC_RAW);
    ck_assert_int_eq(codec_samples_decide(state, CODEC_CHOOSE_RAW), CODEC_RAW);
    ck_assert_int_eq(codec_samples_decide(state, CODEC_CHOOSE_ZSTD),
                     CODEC_ZSTD);
    ck_assert_int_eq(decided(CODEC_CHOOSE_AUTO, size),
                     codec_samples_decide(state, CODEC_CHOOSE_AUTO));
}
END_TEST

/* A frame cut short anywhere is refused. */
START_TEST(test_codec_torn_frames)
{
    fill_weights(3000);
    ck_assert_int_eq(encode(CODEC_ZSTD, 3000, SIZE_MAX), OK);
    for (size_t size = 0; size < payload_size; size++) {
        ck_assert_int_eq(decode_as(slice_of(payload, size), 3000), ERR_BAD);
    }
    ck_assert_int_eq(decode(3000), OK);
}
END_TEST

/* Any changed byte is refused or gives other plaintext of the same size, and
 * nothing outside. (Against changes stands the sealing.) */
START_TEST(test_codec_mutated_frames)
{
    unsigned refused = 0;
    uint8_t kept;
    int rv;

    fill_weights(2000);
    ck_assert_int_eq(encode(CODEC_ZSTD, 2000, SIZE_MAX), OK);
    for (size_t i = 0; i < payload_size; i++) {
        kept = payload[i];
        for (unsigned bit = 0; bit < 8; bit++) {
            payload[i] = (uint8_t)(kept ^ BIT(bit));
            rv = decode(2000);
            ck_assert(rv == OK || rv == ERR_BAD);
            refused += rv == ERR_BAD;
        }
        payload[i] = kept;
    }
    ck_assert_uint_gt(refused, 40); /* At the least the magic and the size. */
    ck_assert_int_eq(decode(2000), OK);
}
END_TEST

/* A frame must hold exactly what the segment says. */
START_TEST(test_codec_other_sizes)
{
    fill_weights(3000);
    ck_assert_int_eq(encode(CODEC_ZSTD, 3000, SIZE_MAX), OK);
    ck_assert_int_eq(decode(2999), ERR_BAD);
    ck_assert_int_eq(decode(3001), ERR_BAD);
    ck_assert_int_eq(decode(0), ERR_BAD);
    ck_assert_int_eq(decode(PLAIN_MAX), ERR_BAD);
}
END_TEST

static void append(const void *bytes, size_t size)
{
    on_piece(NULL, slice_of(bytes, size));
}

/* One frame and nothing else: no second one, no skippable one before, behind
 * or in its place, no stray byte. */
START_TEST(test_codec_one_frame_alone)
{
    static const uint8_t skippable[] = {0x50, 0x2a, 0x4d, 0x18, 2,
                                        0,    0,    0,    9,    9};
    static uint8_t frame[PLAIN_MAX];
    size_t size;

    fill_weights(2000);
    ck_assert_int_eq(encode(CODEC_ZSTD, 2000, SIZE_MAX), OK);
    size = payload_size;
    memcpy(frame, payload, size);

    append(frame, size); /* Twice the same frame. */
    ck_assert_int_eq(decode(2000), ERR_BAD);
    ck_assert_int_eq(decode(4000), ERR_BAD);

    payload_size = size;
    append("", 1);
    ck_assert_int_eq(decode(2000), ERR_BAD);

    payload_size = size;
    append(skippable, sizeof(skippable));
    ck_assert_int_eq(decode(2000), ERR_BAD);

    payload_size = 0;
    append(skippable, sizeof(skippable));
    ck_assert_int_eq(decode(0), ERR_BAD);
    append(frame, size);
    ck_assert_int_eq(decode(2000), ERR_BAD);
}
END_TEST

/* A frame as another program might write it; returns its size. */
static size_t frame_with(ZSTD_cParameter name, int value, size_t size)
{
    ZSTD_CCtx *enc = ZSTD_createCCtx();

    ck_assert_uint_eq(ZSTD_isError(ZSTD_CCtx_setParameter(enc, name, value)),
                      0);
    payload_size = ZSTD_compress2(enc, payload, sizeof(payload), plain, size);
    ck_assert_uint_eq(ZSTD_isError(payload_size), 0);
    ZSTD_freeCCtx(enc);
    return payload_size;
}

/* Frames of other writers: any level and a checksum are welcome (and the
 * checksum counts), an unsaid content size is not. */
START_TEST(test_codec_frames_of_others)
{
    fill_weights(200000);
    (void)frame_with(ZSTD_c_compressionLevel, 9, 200000);
    ck_assert_int_eq(decode(200000), OK);
    ck_assert_bytes_eq(room + GUARD, plain, 200000);
    (void)frame_with(ZSTD_c_checksumFlag, 1, 200000);
    ck_assert_int_eq(decode(200000), OK);
    payload[payload_size - 1] ^= 1;
    ck_assert_int_eq(decode(200000), ERR_BAD);
    (void)frame_with(ZSTD_c_contentSizeFlag, 0, 200000);
    ck_assert_int_eq(decode(200000), ERR_BAD);
}
END_TEST

/* A frame that names a dictionary is refused. Byte 4 is the frame's
 * descriptor, whose low two bits say how long the dictionary id is. */
START_TEST(test_codec_no_dictionaries)
{
    fill_weights(1000000);
    ck_assert_int_eq(encode(CODEC_ZSTD, 1000000, SIZE_MAX), OK);
    ck_assert_uint_eq(payload[4] & 0x23U, 0);
    memmove(payload + 7, payload + 6, payload_size - 6);
    payload[4] |= 1;
    payload[6] = 33;
    payload_size++;
    ck_assert_uint_eq(ZSTD_getDictID_fromFrame(payload, payload_size), 33);
    ck_assert_int_eq(decode(1000000), ERR_BAD);
}
END_TEST

/* Frames may ask for 8 MiB of history and no more. Byte 5 is the window. */
START_TEST(test_codec_bounded_window)
{
    fill_weights(1000000);
    ck_assert_int_eq(encode(CODEC_ZSTD, 1000000, SIZE_MAX), OK);
    ck_assert_uint_eq(payload[4] & 0x20U, 0); /* Not a single segment. */
    payload[5] = (23 - 10) << 3;
    ck_assert_int_eq(decode(1000000), OK);
    payload[5] = (23 - 10) << 3 | 1;
    ck_assert_int_eq(decode(1000000), ERR_BAD);
    payload[5] = (24 - 10) << 3;
    ck_assert_int_eq(decode(1000000), ERR_BAD);
    payload[5] = 0xff;
    ck_assert_int_eq(decode(1000000), ERR_BAD);
}
END_TEST

/* Hand-made frames that claim |claimed| bytes and hold one block of |held|
 * times the same byte. */
static void bomb(uint32_t claimed, uint32_t held, size_t blocks)
{
    uint8_t header[10] = {0x28, 0xb5, 0x2f, 0xfd, 0x80, (17 - 10) << 3};
    uint8_t block[4] = {0};

    payload_size = 0;
    u32le_store(header + 6, claimed);
    append(header, sizeof(header));
    for (size_t i = 0; i < blocks; i++) {
        u32le_store(block, held << 3 | 1U << 1 | (i + 1 == blocks));
        block[3] = 0x77;
        append(block, sizeof(block));
    }
}

/* Frames that hold more or less than they claim, or claim more than there is
 * room for, write nothing outside. */
START_TEST(test_codec_bombs)
{
    bomb(131072, 131072, 1);
    ck_assert_int_eq(decode(131072), OK);
    ck_assert_uint_eq(room[GUARD + 131071], 0x77);
    bomb(1000, 131072, 1); /* Holds more than it claims. */
    ck_assert_int_eq(decode(1000), ERR_BAD);
    bomb(131072, 131072, 1000);
    ck_assert_int_eq(decode(131072), ERR_BAD);
    bomb(1000, 100, 1); /* Holds less. */
    ck_assert_int_eq(decode(1000), ERR_BAD);
    bomb(UINT32_MAX, 131072, 1000); /* Claims more than the segment. */
    ck_assert_int_eq(decode(1000), ERR_BAD);
    ck_assert_int_eq(decode(0), ERR_BAD);
    bomb(1000, 1000, 0); /* Has no block at all. */
    ck_assert_int_eq(decode(1000), ERR_BAD);
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("codec");
    TCase *tc = tcase_create("codec");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, finish);
    tcase_add_test(tc, test_codec_round_trip);
    tcase_add_test(tc, test_codec_raw_is_the_plaintext);
    tcase_add_test(tc, test_codec_stops_at_the_limit);
    tcase_add_test(tc, test_codec_is_deterministic);
    tcase_add_test(tc, test_codec_frame_header);
    tcase_add_test(tc, test_codec_decides_by_samples);
    tcase_add_test(tc, test_codec_samples_all_over);
    tcase_add_loop_test(tc, test_codec_samples_of_pieces, 0, 10);
    tcase_add_test(tc, test_codec_torn_frames);
    tcase_add_test(tc, test_codec_mutated_frames);
    tcase_add_test(tc, test_codec_other_sizes);
    tcase_add_test(tc, test_codec_one_frame_alone);
    tcase_add_test(tc, test_codec_frames_of_others);
    tcase_add_test(tc, test_codec_no_dictionaries);
    tcase_add_test(tc, test_codec_bounded_window);
    tcase_add_test(tc, test_codec_bombs);
    suite_add_tcase(s, tc);
    return s;
}
