#include <stdlib.h>

#include "protocol/shard.h"
#include "replication/coding/segment.h"
#include "tests/suite.h"

#define SMALL ((size_t)65536)

static struct segment_params params;
static struct codec_state *codec;
static struct rng rng;
static struct segment_room room;
static struct segment_result res;
static uint8_t *plain, *mem;

/* What a reader has: room for k cells and for decoding, each exactly as large
 * as the header asks, for the sanitizer. */
static uint8_t *data, *scratch;
static struct slice opened;

static void finish(void)
{
    free(mem);
    free(data);
    free(scratch);
    free(plain);
    codec_state_free(codec);
    mem = data = scratch = plain = NULL;
    codec = NULL;
}

static size_t data_size(void)
{
    return params.code.k *
           (size_t)shard_cell_max(params.code.k, params.segment_size);
}

static void start(uint16_t k, uint16_t n, uint32_t segment_size)
{
    static const uint8_t seed[RNG_SEED_SIZE] = {'s'};
    size_t size = segment_room_size(k, n, segment_size);

    finish();
    rng_init_seed(&rng, seed);
    rng_bytes(&rng, params.key.root, sizeof(params.key.root));
    rng_bytes(&rng, params.key.deposit_id.bytes, DIGEST_SIZE);
    params.segment_size = segment_size;
    params.codec = CODEC_CHOOSE_AUTO;
    ck_assert_int_eq(erasure_init(&params.code, k, n), OK);
    ck_assert_int_eq(codec_state_new(&codec), OK);
    mem = aligned_alloc(64, size);
    data = malloc(data_size());
    scratch = malloc(segment_size);
    plain = calloc(2, segment_size > SMALL ? segment_size : SMALL);
    ck_assert(mem != NULL && data != NULL && scratch != NULL && plain != NULL);
    memset(mem, 0xd7, size);
    segment_room_init(&room, k, n, segment_size, mem);
}

static void fill_random(size_t size)
{
    rng_bytes(&rng, plain, size);
}

/* Compressible as weights are: one byte of two is far from random. */
static void fill_weights(size_t size)
{
    fill_random(size);
    for (size_t i = 1; i < size; i += 2) {
        plain[i] = (uint8_t)(0x3b + __builtin_popcount(plain[i]) / 2);
    }
}

/* Sealing uses up what is in the room. */
static void seal(uint64_t index, size_t plain_size)
{
    memcpy(room.plain, plain, plain_size);
    ck_assert_int_eq(
        segment_seal(&params, codec, &rng, index, plain_size, &room, &res), OK);
}

static size_t cell_size(void)
{
    return (size_t)res.cell_leaves * LEAF_SIZE;
}

/* The data cells as a reader gets them. */
static void fetch(void)
{
    memset(data, 0x5c, data_size());
    memcpy(data, room.data, params.code.k * cell_size());
}

static int open_as(uint64_t index, uint32_t ciphertext_size)
{
    opened = slice_of(NULL, 7);
    return segment_open(&params, codec, index, data, ciphertext_size, scratch,
                        &opened);
}

static void opens_to_plain(uint64_t index, size_t plain_size)
{
    ck_assert_int_eq(open_as(index, res.ciphertext_size), OK);
    ck_assert_uint_eq(opened.size, plain_size);
    /* As aligned as the memory that was given. */
    ck_assert(opened.data == data || opened.data == scratch);
    if (plain_size > 0) {
        ck_assert_bytes_eq(opened.data, plain, plain_size);
    }
}

static void hashes_are_of_the_cells(void)
{
    const struct digest *leaves;
    struct digest want;

    for (uint16_t i = 0; i < params.code.n; i++) {
        leaves = segment_cell_leaves(&room, &res, i);
        for (size_t j = 0; j < res.cell_leaves; j++) {
            merkle_leaf(
                slice_of(segment_cell(&params, &room, &res, i) + j * LEAF_SIZE,
                         LEAF_SIZE),
                &want);
            ck_assert_bytes_eq(leaves[j].bytes, want.bytes, DIGEST_SIZE);
        }
    }
}

/* Lose all cells but those in |survivors|, which has k bits, and get the data
 * cells back. */
static void rebuild_from(uint64_t survivors)
{
    static struct erasure_plan plan;
    uint8_t present[ERASURE_K_MAX], want[MANIFEST_SHARDS_MAX];
    const uint8_t *have[ERASURE_K_MAX] = {NULL};
    size_t have_len = 0, want_len = 0;

    memset(data, 0x5c, data_size());
    for (uint16_t i = 0; i < params.code.n; i++) {
        if ((survivors >> i & 1) != 0) {
            present[have_len] = (uint8_t)i;
            have[have_len] = segment_cell(&params, &room, &res, i);
            if (i < params.code.k) {
                memcpy(data + i * cell_size(), have[have_len], cell_size());
                have[have_len] = data + i * cell_size();
            }
            have_len++;
        } else if (i < params.code.k) {
            want[want_len++] = (uint8_t)i;
        }
    }
    ck_assert_uint_eq(have_len, params.code.k);
    ck_assert_int_eq(
        erasure_plan_init(&plan, &params.code, present, want, want_len), OK);
    ck_assert_int_eq(segment_rebuild(&plan, have, data, res.cell_leaves), OK);
}

/* Plaintext of any size and kind comes back, and everything that the writer
 * goes on with is as the format says. */
START_TEST(test_segment_round_trip)
{
    static const enum codec_choice choices[] = {
        CODEC_CHOOSE_AUTO, CODEC_CHOOSE_RAW, CODEC_CHOOSE_ZSTD};
    static const size_t sizes[] = {0,     1,     4090,      16378,
                                   16379, 16380, 16383,     16384,
                                   16385, 32763, SMALL - 1, SMALL};

    start(4, 7, SMALL);
    for (size_t c = 0; c < sizeof(choices) / sizeof(choices[0]); c++) {
        params.codec = choices[c];
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            fill_weights(sizes[i]);
            seal(i, sizes[i]);
            ck_assert_uint_eq(res.cell_leaves,
                              shard_cell_leaves(4, res.ciphertext_size));
            for (size_t b = res.ciphertext_size; b < 4 * cell_size(); b++) {
                if (room.data[b] != 0) {
                    ck_abort_msg("padding is not zero");
                }
            }
            hashes_are_of_the_cells();
            fetch();
            opens_to_plain(i, sizes[i]);
            rebuild_from(0x78);
            opens_to_plain(i, sizes[i]);
        }
    }
}
END_TEST

/* Raw segments have exactly the size that their plaintext calls for. */
START_TEST(test_segment_raw_sizes)
{
    static const struct {
        size_t plain;
        uint32_t ciphertext;
    } cases[] = {
        {0, 56 + 5 + 16},
        {16378, 56 + 16383 + 16},
        {16379, 56 + 16400 + 16}, /* A full chunk, and an empty one. */
        {16380, 56 + 16400 + 1 + 16},
        {SMALL, 56 + 4 * 16400 + 5 + 16},
    };

    start(4, 7, SMALL);
    params.codec = CODEC_CHOOSE_RAW;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fill_random(cases[i].plain);
        seal(0, cases[i].plain);
        ck_assert_int_eq(res.codec, CODEC_RAW);
        ck_assert_uint_eq(res.ciphertext_size, cases[i].ciphertext);
    }
    ck_assert_uint_eq(res.ciphertext_size, shard_ciphertext_max(SMALL));
}
END_TEST

/* Segments of several tiles with a ragged last one, and wide codes. */
START_TEST(test_segment_many_tiles)
{
    static const struct {
        uint16_t k, n;
        uint32_t segment_size;
        uint64_t survivors;
    } cases[] = {
        {1, 2, 3 * SMALL, 0x2},
        {4, 7, 9 * SMALL + 4096, 0x78},
        {10, 16, 16 * SMALL, 0xffc0},
        {20, 30, 24 * SMALL, 0x3ffffc00},
        {48, 64, 4 * SMALL, 0xffffffffffff0000},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (unsigned round = 0; round < 2; round++) {
            start(cases[i].k, cases[i].n, cases[i].segment_size);
            params.codec = round == 0 ? CODEC_CHOOSE_RAW : CODEC_CHOOSE_AUTO;
            fill_weights(params.segment_size);
            seal(i, params.segment_size);
            ck_assert_int_eq(res.codec, round == 0 ? CODEC_RAW : CODEC_ZSTD);
            hashes_are_of_the_cells();
            rebuild_from(cases[i].survivors);
            opens_to_plain(i, params.segment_size);
        }
    }
}
END_TEST

/* Whichever three of seven are lost, the segment opens. */
START_TEST(test_segment_survives_every_loss)
{
    start(4, 7, SMALL);
    fill_random(SMALL);
    seal(3, SMALL);
    for (uint64_t survivors = 0; survivors < 1U << 7; survivors++) {
        if (__builtin_popcountll(survivors) == 4) {
            rebuild_from(survivors);
            opens_to_plain(3, SMALL);
        }
    }
}
END_TEST

/* A bit that flips anywhere in the ciphertext is noticed. In the padding it is
 * the tree's to notice. */
START_TEST(test_segment_flipped_bits)
{
    start(4, 7, SMALL);
    fill_random(20000);
    seal(1, 20000);
    for (uint32_t i = 0; i < res.ciphertext_size; i++) {
        fetch();
        data[i] ^= (uint8_t)BIT(i % 8);
        if (open_as(1, res.ciphertext_size) != ERR_AUTH) {
            ck_abort_msg("byte %u", i);
        }
    }
    ck_assert_uint_eq(opened.size, 7);
    ck_assert_ptr_null(opened.data);
    fetch();
    data[res.ciphertext_size] ^= 1;
    opens_to_plain(1, 20000);
}
END_TEST

/* When the message fills its chunks, an empty one ends it: the tag of that is
 * no less checked. */
START_TEST(test_segment_flipped_bits_in_the_empty_chunk)
{
    uint32_t end;

    start(4, 7, SMALL);
    params.codec = CODEC_CHOOSE_RAW;
    fill_random(16379);
    seal(1, 16379);
    end = CHUNKED_HEADER_SIZE + CHUNKED_SEALED_SIZE;
    ck_assert_uint_eq(res.ciphertext_size, end + AEAD_TAG_SIZE);
    for (uint32_t i = end; i < res.ciphertext_size; i++) {
        fetch();
        data[i] ^= 1;
        ck_assert_int_eq(open_as(1, res.ciphertext_size), ERR_AUTH);
    }
    fetch();
    ck_assert_int_eq(open_as(1, end), ERR_BAD);
}
END_TEST

/* Chunks do not move within a segment, nor cells between places. */
START_TEST(test_segment_moved_chunks)
{
    static uint8_t kept[CHUNKED_SEALED_SIZE];
    uint8_t *chunks;

    start(4, 7, SMALL);
    fill_random(SMALL);
    seal(1, SMALL);
    fetch();
    chunks = data + CHUNKED_HEADER_SIZE;
    memcpy(kept, chunks, sizeof(kept));
    memcpy(chunks, chunks + CHUNKED_SEALED_SIZE, sizeof(kept));
    memcpy(chunks + CHUNKED_SEALED_SIZE, kept, sizeof(kept));
    ck_assert_int_eq(open_as(1, res.ciphertext_size), ERR_AUTH);
    fetch();
    memmove(data, data + cell_size(), cell_size());
    ck_assert_int_eq(open_as(1, res.ciphertext_size), ERR_AUTH);
}
END_TEST

/* A segment opens only as itself, in its deposit, with its key. */
START_TEST(test_segment_wrong_key_or_place)
{
    start(4, 7, SMALL);
    fill_random(1000);
    seal(5, 1000);
    fetch();
    ck_assert_int_eq(open_as(4, res.ciphertext_size), ERR_AUTH);
    fetch();
    ck_assert_int_eq(open_as((uint64_t)1 << 32 | 5, res.ciphertext_size),
                     ERR_AUTH);
    fetch();
    params.key.root[31] ^= 0x80;
    ck_assert_int_eq(open_as(5, res.ciphertext_size), ERR_AUTH);
    params.key.root[31] ^= 0x80;
    fetch();
    params.key.deposit_id.bytes[0] ^= 1;
    ck_assert_int_eq(open_as(5, res.ciphertext_size), ERR_AUTH);
    params.key.deposit_id.bytes[0] ^= 1;
    fetch();
    opens_to_plain(5, 1000);
}
END_TEST

/* Any other length of the ciphertext is refused, up to where |data| ends and
 * beyond. */
START_TEST(test_segment_wrong_lengths)
{
    uint32_t max;
    int rv;

    start(4, 7, SMALL);
    fill_random(1000);
    seal(5, 1000);
    max = (uint32_t)shard_ciphertext_max(SMALL);
    for (uint32_t size = 0; size <= max; size += size < 1300 ? 1 : 97) {
        if (size != res.ciphertext_size) {
            fetch();
            rv = open_as(5, size);
            ck_assert_msg(rv == ERR_AUTH || rv == ERR_BAD, "length %u", size);
        }
    }
    fetch();
    ck_assert_int_eq(open_as(5, max), ERR_AUTH);
    ck_assert_int_eq(open_as(5, max + 1), ERR_BAD);
    ck_assert_int_eq(open_as(5, UINT32_MAX), ERR_BAD);
}
END_TEST

/* Every attempt has its own salt, so nothing of it repeats. */
START_TEST(test_segment_attempts_differ)
{
    static uint8_t first[SMALL];
    size_t size = 40000;

    start(4, 7, SMALL);
    fill_random(size);
    seal(5, size);
    memcpy(first, room.data, size);
    seal(5, size);
    ck_assert_mem_ne(first, room.data, CHUNKED_SALT_SIZE);
    for (size_t i = 0; i + 16 <= size; i += 16) {
        ck_assert(memcmp(first + i, room.data + i, 16) != 0);
    }
    fetch();
    opens_to_plain(5, size);
}
END_TEST

/* Compression that does not pay ends raw and, chunks having been sealed
 * already, under a new salt. */
START_TEST(test_segment_falls_back_under_a_new_salt)
{
    uint8_t salts[2][CHUNKED_SALT_SIZE];
    struct rng same;

    start(4, 7, 2 * SMALL);
    params.codec = CODEC_CHOOSE_ZSTD;
    fill_random(2 * SMALL);
    same = rng;
    rng_bytes(&same, salts[0], CHUNKED_SALT_SIZE);
    rng_bytes(&same, salts[1], CHUNKED_SALT_SIZE);
    seal(5, 2 * SMALL);
    ck_assert_int_eq(res.codec, CODEC_RAW);
    ck_assert_bytes_eq(room.data, salts[1], CHUNKED_SALT_SIZE);
    ck_assert_uint_eq(res.ciphertext_size, shard_ciphertext_max(2 * SMALL));
    fetch();
    opens_to_plain(5, 2 * SMALL);

    fill_weights(2 * SMALL);
    same = rng;
    rng_bytes(&same, salts[0], CHUNKED_SALT_SIZE);
    seal(5, 2 * SMALL);
    ck_assert_int_eq(res.codec, CODEC_ZSTD);
    ck_assert_bytes_eq(room.data, salts[0], CHUNKED_SALT_SIZE);
}
END_TEST

/* The same in pieces, of which nothing stays. */
static void seal_pieces(uint64_t index, size_t plain_size)
{
    struct segment_sealing s = {0};
    struct rng dice = rng;

    segment_sealing_begin(&s, &params, codec, &rng, index, plain_size, &room);
    for (size_t at = 0, part; at < plain_size; at += part) {
        part = 1 + (size_t)rng_below(&dice, 50000);
        part = plain_size - at < part ? plain_size - at : part;
        memcpy(room.plain, plain + at, part);
        segment_sealing_take(&s, slice_of(room.plain, part));
        memset(room.plain, 0xd7, part);
    }
    ck_assert_int_eq(segment_sealing_end(&s, &res), OK);
    segment_sealing_wipe(&s);
}

/* What is sealed as it comes is what is sealed as it lies: what goes raw under
 * the same salt, and under another what had gone in raw by mistake. */
START_TEST(test_segment_sealed_as_it_comes)
{
    static const size_t sizes[] = {0,         1,     16378,     16379,
                                   16380,     30000, 2 * SMALL, 2 * SMALL - 77,
                                   3 * SMALL, 65531};
    size_t size = sizes[_i / 3];
    uint8_t salt[CHUNKED_SALT_SIZE];
    struct segment_result want;
    struct rng same;
    uint8_t *cells;

    start(4, 7, 3 * SMALL);
    params.codec = _i % 3 == 2 ? CODEC_CHOOSE_RAW : CODEC_CHOOSE_AUTO;
    if (_i % 3 == 0) {
        fill_random(size);
    } else {
        fill_weights(size);
    }
    same = rng;
    if (codec_decide(codec, params.codec, slice_of(plain, size)) != CODEC_RAW) {
        rng_bytes(&rng, salt, sizeof(salt)); /* Is spent. */
    }
    seal(5, size);
    want = res;
    cells = malloc(data_size());
    ck_assert_ptr_nonnull(cells);
    memcpy(cells, room.data, params.code.k * cell_size());

    rng = same;
    seal_pieces(5, size);
    ck_assert_int_eq(res.codec, want.codec);
    ck_assert_uint_eq(res.ciphertext_size, want.ciphertext_size);
    ck_assert_uint_eq(res.cell_leaves, want.cell_leaves);
    ck_assert_bytes_eq(room.data, cells, params.code.k * cell_size());
    free(cells);
    hashes_are_of_the_cells();
    fetch();
    opens_to_plain(5, size);
}
END_TEST

/* Samples may promise what the whole does not keep: raw in the end, and each of
 * the three attempts under a salt of its own. */
START_TEST(test_segment_comes_and_goes_raw)
{
    uint8_t salts[3][CHUNKED_SALT_SIZE];
    struct rng same;

    start(4, 7, 16 * SMALL);
    params.codec = CODEC_CHOOSE_ZSTD;
    fill_random(2 * SMALL);
    same = rng;
    for (size_t i = 0; i < 3; i++) {
        rng_bytes(&same, salts[i], CHUNKED_SALT_SIZE);
    }
    seal_pieces(5, 2 * SMALL);
    ck_assert_int_eq(res.codec, CODEC_RAW);
    ck_assert_bytes_eq(room.data, salts[2], CHUNKED_SALT_SIZE);
    fetch();
    opens_to_plain(5, 2 * SMALL);
}
END_TEST

/* Given the salt, sealing is a function of its inputs, and an attempt that
 * fails writes no result. */
START_TEST(test_segment_with_salt)
{
    static const uint8_t salt[CHUNKED_SALT_SIZE] = {9, 8, 7};
    static uint8_t first[SMALL];

    start(4, 7, SMALL);
    fill_random(30000);
    memcpy(room.plain, plain, 30000);
    res.cell_leaves = 77;
    ck_assert_int_eq(segment_seal_with_salt(&params, codec, CODEC_ZSTD, salt, 5,
                                            30000, &room, &res),
                     ERR_FULL);
    ck_assert_uint_eq(res.cell_leaves, 77);
    for (unsigned round = 0; round < 2; round++) {
        memcpy(room.plain, plain, 30000);
        ck_assert_int_eq(segment_seal_with_salt(&params, codec, CODEC_RAW, salt,
                                                5, 30000, &room, &res),
                         OK);
        ck_assert_bytes_eq(room.data, salt, CHUNKED_SALT_SIZE);
        if (round == 0) {
            memcpy(first, room.data, res.ciphertext_size);
        }
    }
    ck_assert_bytes_eq(room.data, first, res.ciphertext_size);
}
END_TEST

/* What a hostile lab may do: seal whatever it likes under the right key. */
static int open_hostile(struct slice message)
{
    static const uint8_t salt[CHUNKED_SALT_SIZE] = {1};
    uint8_t key[CHUNKED_KEY_SIZE];
    struct digest context;
    uint64_t size = chunked_sealed_size(message.size);

    ck_assert_uint_le(size, data_size());
    content_key_segment(&params.key, 2, key, &context);
    chunked_seal_all(key, salt, digest_slice(&context), message, data);
    return open_as(2, (uint32_t)size);
}

/* A message of |payload_size| bytes behind a header as given. */
static struct slice message_of(uint8_t codec_byte,
                               uint32_t plain_size,
                               size_t payload_size)
{
    static uint8_t message[SEGMENT_HEADER_SIZE + 2 * SMALL];

    ck_assert_uint_le(payload_size, 2 * SMALL);
    message[0] = codec_byte;
    u32le_store(message + 1, plain_size);
    memcpy(message + SEGMENT_HEADER_SIZE, plain, payload_size);
    return slice_of(message, SEGMENT_HEADER_SIZE + payload_size);
}

/* Well sealed messages with a wrong inside are refused. */
START_TEST(test_segment_hostile_messages)
{
    start(4, 7, SMALL);
    fill_random(SMALL);
    ck_assert_int_eq(open_hostile(message_of(0, 100, 100)), OK);
    ck_assert_uint_eq(opened.size, 100);
    ck_assert_int_eq(open_hostile(message_of(0, 100, 99)), ERR_BAD);
    ck_assert_int_eq(open_hostile(message_of(0, 100, 101)), ERR_BAD);
    ck_assert_int_eq(open_hostile(message_of(0, 0, 1)), ERR_BAD);
    ck_assert_int_eq(open_hostile(message_of(0, UINT32_MAX, SMALL)), ERR_BAD);
    ck_assert_int_eq(open_hostile(message_of(0, SMALL, SMALL)), OK);
    ck_assert_int_eq(open_hostile(message_of(0, SMALL + 1, SMALL + 1)),
                     ERR_BAD);
    for (unsigned byte = 2; byte < 256; byte++) {
        ck_assert_int_eq(open_hostile(message_of((uint8_t)byte, 100, 100)),
                         ERR_UNSUPPORTED);
    }
    for (size_t size = 0; size < SEGMENT_HEADER_SIZE; size++) {
        ck_assert_int_eq(open_hostile(slice_of(message_of(0, 0, 0).data, size)),
                         ERR_BAD);
        ck_assert_int_eq(open_hostile(slice_of(message_of(2, 0, 0).data, size)),
                         ERR_BAD);
    }
    ck_assert_int_eq(open_hostile(message_of(1, 100, 100)), ERR_BAD);
    ck_assert_int_eq(open_hostile(message_of(1, 0, 0)), ERR_BAD);
}
END_TEST

static void on_frame(void *arg, struct slice piece)
{
    struct slice *frame = arg;

    ck_assert_uint_eq(frame->size, 0); /* Small enough for one piece. */
    *frame = piece;
}

/* Frames that are sound, but not of the length that the message says, or
 * larger than any segment. */
START_TEST(test_segment_hostile_frames)
{
    struct slice frame = slice_of(NULL, 0);

    start(4, 7, 2 * SMALL);
    memset(plain, 3, 2 * SMALL);
    ck_assert_int_eq(codec_encode(codec, CODEC_ZSTD, slice_of(plain, SMALL + 1),
                                  SIZE_MAX, on_frame, &frame),
                     OK);
    memcpy(plain, frame.data, frame.size);
    ck_assert_int_eq(open_hostile(message_of(1, SMALL + 1, frame.size)), OK);
    ck_assert_uint_eq(opened.size, SMALL + 1);
    ck_assert_uint_eq(opened.data[SMALL], 3);
    ck_assert_int_eq(open_hostile(message_of(1, SMALL, frame.size)), ERR_BAD);
    ck_assert_int_eq(open_hostile(message_of(1, SMALL + 2, frame.size)),
                     ERR_BAD);
    ck_assert_int_eq(open_hostile(message_of(1, SMALL + 1, frame.size + 1)),
                     ERR_BAD);
    /* The same one, where segments are smaller. */
    params.segment_size = SMALL;
    free(scratch);
    scratch = malloc(SMALL);
    ck_assert_int_eq(open_hostile(message_of(1, SMALL + 1, frame.size)),
                     ERR_BAD);
}
END_TEST

/* A plan for another purpose is not written into the data cells. */
START_TEST(test_segment_rebuild_wants_data_only)
{
    static const uint8_t present[] = {0, 1, 2, 4}, want[] = {3, 5};
    static struct erasure_plan plan;
    const uint8_t *have[4];

    start(4, 7, SMALL);
    fill_random(1000);
    seal(0, 1000);
    for (size_t i = 0; i < 4; i++) {
        have[i] = segment_cell(&params, &room, &res, present[i]);
    }
    ck_assert_int_eq(erasure_plan_init(&plan, &params.code, present, want, 2),
                     OK);
    ck_assert_int_eq(segment_rebuild(&plan, have, data, res.cell_leaves),
                     ERR_BAD);
}
END_TEST

/* The parts of a room follow each other within the block. */
START_TEST(test_segment_room)
{
    static const uint32_t sizes[] = {SEGMENT_SIZE_MIN, 3 * SMALL + 4096};
    size_t cell, used;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        start(10, 16, sizes[i]);
        cell = (size_t)shard_cell_max(10, sizes[i]);
        ck_assert_ptr_eq(room.data, mem);
        ck_assert_ptr_eq(room.parity, room.data + 10 * cell);
        ck_assert_ptr_eq(room.plain, room.parity);
        ck_assert((uint8_t *)room.leaves >= room.parity + 6 * cell);
        ck_assert((uint8_t *)room.leaves >= room.plain + sizes[i]);
        used = (size_t)((uint8_t *)(room.leaves + 16 * cell / LEAF_SIZE) - mem);
        ck_assert_uint_le(used, segment_room_size(10, 16, sizes[i]));
        ck_assert_uint_eq(segment_room_size(10, 16, sizes[i]) % 64, 0);
    }
}
END_TEST

/* A shard of three leaves before the cell, the cell, and one behind. */
static struct digest tree_leaves[64];

static int tree_lookup(void *arg, uint64_t lo, uint64_t hi, struct digest *out)
{
    struct merkle_range range;

    (void)arg;
    merkle_range_init(&range);
    for (uint64_t i = lo; i < hi; i++) {
        merkle_range_append(&range, &tree_leaves[i], NULL, NULL);
    }
    merkle_range_root(&range, out);
    return OK;
}

/* A cell that travels alone is checked against the root of its shard. */
START_TEST(test_segment_cell_verify)
{
    struct digest nodes[MERKLE_RUN_NODES_MAX], hashes[64], root;
    uint8_t *cell;
    uint64_t leaves;
    size_t len;

    start(4, 7, SMALL);
    fill_random(SMALL);
    seal(0, SMALL);
    ck_assert_uint_eq(res.cell_leaves, 5);
    leaves = 3 + res.cell_leaves + 1;
    rng_bytes(&rng, tree_leaves, sizeof(tree_leaves));
    memcpy(&tree_leaves[3], segment_cell_leaves(&room, &res, 6),
           res.cell_leaves * sizeof(struct digest));
    (void)tree_lookup(NULL, 0, leaves, &root);
    ck_assert_int_eq(merkle_run_prove(leaves, 3, res.cell_leaves, tree_lookup,
                                      NULL, nodes,
                                      sizeof(nodes) / sizeof(nodes[0]), &len),
                     OK);
    cell = segment_cell(&params, &room, &res, 6);
    ck_assert_int_eq(segment_cell_verify(cell, 3, res.cell_leaves, leaves,
                                         &root, nodes, len, hashes),
                     OK);
    ck_assert_bytes_eq(hashes, &tree_leaves[3],
                       res.cell_leaves * sizeof(struct digest));
    ck_assert_int_ne(segment_cell_verify(cell, 4, res.cell_leaves, leaves,
                                         &root, nodes, len, hashes),
                     OK);
    ck_assert_int_ne(
        segment_cell_verify(cell, 3, 0, leaves, &root, nodes, len, hashes), OK);
    cell[cell_size() - 17] ^= 4;
    ck_assert_int_eq(segment_cell_verify(cell, 3, res.cell_leaves, leaves,
                                         &root, nodes, len, hashes),
                     ERR_AUTH);
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("segment");
    TCase *tc = tcase_create("segment");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, NULL, finish);
    tcase_add_test(tc, test_segment_round_trip);
    tcase_add_test(tc, test_segment_raw_sizes);
    tcase_add_test(tc, test_segment_many_tiles);
    tcase_add_test(tc, test_segment_survives_every_loss);
    tcase_add_test(tc, test_segment_flipped_bits);
    tcase_add_test(tc, test_segment_flipped_bits_in_the_empty_chunk);
    tcase_add_test(tc, test_segment_moved_chunks);
    tcase_add_test(tc, test_segment_wrong_key_or_place);
    tcase_add_test(tc, test_segment_wrong_lengths);
    tcase_add_test(tc, test_segment_attempts_differ);
    tcase_add_test(tc, test_segment_falls_back_under_a_new_salt);
    tcase_add_loop_test(tc, test_segment_sealed_as_it_comes, 0, 30);
    tcase_add_test(tc, test_segment_comes_and_goes_raw);
    tcase_add_test(tc, test_segment_with_salt);
    tcase_add_test(tc, test_segment_hostile_messages);
    tcase_add_test(tc, test_segment_hostile_frames);
    tcase_add_test(tc, test_segment_rebuild_wants_data_only);
    tcase_add_test(tc, test_segment_room);
    tcase_add_test(tc, test_segment_cell_verify);
    suite_add_tcase(s, tc);
    return s;
}
