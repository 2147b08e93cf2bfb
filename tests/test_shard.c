#include "crypto/chunked.h"
#include "crypto/hash.h"
#include "protocol/shard.h"
#include "tests/suite.h"

static uint8_t leaf[LEAF_SIZE];

static struct shard_preamble preamble(void)
{
    struct shard_preamble p = {.index = 4, .k = 7, .n = 12};

    memset(p.deposit_id.bytes, 0x0d, DIGEST_SIZE);
    memset(p.net.bytes, 0xe7, DIGEST_SIZE);
    memset(p.lab.bytes, 0x1a, DIGEST_SIZE);
    memcpy(p.label,
           "Gr\xc3\xbc\xc3\x9f"
           "e 70B",
           12);
    return p;
}

static bool preamble_equal(const struct shard_preamble *a,
                           const struct shard_preamble *b)
{
    return digest_equal(&a->deposit_id, &b->deposit_id) &&
           digest_equal(&a->net, &b->net) && digest_equal(&a->lab, &b->lab) &&
           a->index == b->index && a->k == b->k && a->n == b->n &&
           strcmp(a->label, b->label) == 0;
}

/* The header that docs/FORMAT.md promises, and a digest of the rest: any
 * change of the explanation would give repaired shards another root. */
START_TEST(test_shard_preamble_is_frozen)
{
    static const char header[] =
        "CRNSHARD 1\n"
        "Deposit: "
        "0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d\n"
        "Network: "
        "e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7\n"
        "Lab: "
        "1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a\n"
        "Shard: 4 of 12, any 7 restore\n"
        "Label: Gr\xc3\xbc\xc3\x9f"
        "e 70B\n"
        "\n"
        "PLEASE DO NOT DELETE THIS FILE.";
    struct shard_preamble p = preamble();
    struct digest got, want;

    shard_preamble_encode(&p, leaf);
    ck_assert_bytes_eq(leaf, header, sizeof(header) - 1);
    ck_assert_uint_eq(leaf[LEAF_SIZE - 2], ' ');
    ck_assert_uint_eq(leaf[LEAF_SIZE - 1], '\n');
    sha256(slice_of(leaf, LEAF_SIZE), &got);
    hex_read("bcc2729821ad04b4111ab681e9d87c58d6f8ecb8505bbe03d530668626880531",
             want.bytes, DIGEST_SIZE);
    ck_assert_bytes_eq(got.bytes, want.bytes, DIGEST_SIZE);
}
END_TEST

static void check_preamble_round_trip(const struct shard_preamble *p)
{
    struct shard_preamble got;

    shard_preamble_encode(p, leaf);
    ck_assert_int_eq(shard_preamble_decode(&got, leaf), OK);
    ck_assert(preamble_equal(&got, p));
}

/* Every code there can be, the shortest label and the longest. */
START_TEST(test_shard_preamble_round_trip)
{
    struct shard_preamble p = preamble();

    for (p.n = 2; p.n <= MANIFEST_SHARDS_MAX; p.n++) {
        for (p.k = 1; manifest_code_is_valid(p.k, p.n); p.k++) {
            p.index = (uint16_t)(p.k * 7 % p.n);
            check_preamble_round_trip(&p);
        }
    }
    p.n = MANIFEST_SHARDS_MAX;
    p.k = MANIFEST_DATA_MAX;
    p.index = p.n - 1;
    memset(p.label, 'x', MANIFEST_LABEL_MAX);
    p.label[MANIFEST_LABEL_MAX] = 0;
    check_preamble_round_trip(&p);
    p.label[1] = 0;
    check_preamble_round_trip(&p);
}
END_TEST

/* A changed byte makes another sound preamble, in the values of the header,
 * or none at all. */
START_TEST(test_shard_preamble_any_byte_changed)
{
    struct shard_preamble p = preamble(), got;
    uint8_t again[LEAF_SIZE];
    size_t header, others = 0;

    shard_preamble_encode(&p, leaf);
    header = (size_t)((uint8_t *)strstr((char *)leaf, "\n\n") - leaf);
    for (size_t i = 0; i < LEAF_SIZE; i++) {
        for (unsigned x = 1; x < 256; x += i < header ? 1 : 51) {
            leaf[i] ^= (uint8_t)x;
            got = p;
            if (shard_preamble_decode(&got, leaf) != OK) {
                if (!preamble_equal(&got, &p)) {
                    ck_abort_msg("written on failure: byte %zu", i);
                }
            } else {
                shard_preamble_encode(&got, again);
                if (i >= header || preamble_equal(&got, &p) ||
                    memcmp(again, leaf, LEAF_SIZE) != 0) {
                    ck_abort_msg("read otherwise: byte %zu xor %x", i, x);
                }
                others++;
            }
            leaf[i] ^= (uint8_t)x;
        }
    }
    ck_assert_uint_gt(others, (size_t)3 * 64 * 15);
}
END_TEST

/* Replace the line that begins with |name|, moving what follows. */
static void forge_line(const char *name, const char *line)
{
    uint8_t made[2 * LEAF_SIZE];
    struct slice in = slice_str(line);
    char *start, *end;
    size_t at;

    memcpy(made, leaf, LEAF_SIZE);
    memset(made + LEAF_SIZE, ' ', LEAF_SIZE);
    start = strstr((char *)leaf, name);
    ck_assert_ptr_nonnull(start);
    end = strchr(start, '\n');
    at = (size_t)(start - (char *)leaf);
    memcpy(made + at, in.data, in.size);
    memcpy(made + at + in.size, end, LEAF_SIZE - (size_t)(end - (char *)leaf));
    memcpy(leaf, made, LEAF_SIZE);
    leaf[LEAF_SIZE - 2] = ' ';
    leaf[LEAF_SIZE - 1] = '\n';
}

static int decode_with(const char *name, const char *line)
{
    struct shard_preamble p = preamble();

    shard_preamble_encode(&p, leaf);
    forge_line(name, line);
    return shard_preamble_decode(&p, leaf);
}

/* Numbers that are no code, or are not written in the one way. */
START_TEST(test_shard_preamble_bad_numbers)
{
    static const char *const bad[] = {
        "Shard: 12 of 12, any 7 restore",
        "Shard: 4 of 12, any 12 restore",
        "Shard: 4 of 12, any 0 restore",
        "Shard: 4 of 65, any 7 restore",
        "Shard: 4 of 64, any 49 restore",
        "Shard: 04 of 12, any 7 restore",
        "Shard: 4 of 12, any 07 restore",
        "Shard: -1 of 12, any 7 restore",
        "Shard: +4 of 12, any 7 restore",
        "Shard: 65540 of 12, any 7 restore",
        "Shard:  of 12, any 7 restore",
        "Shard: 4 of 65548, any 7 restore",
        "Shard: 4 of 12, any 65543 restore",
        "Shard: 4 of 12, any restore",
        "Shard: 4 of 12, any 7 restore ",
        "Shard: 4 of 12",
        "",
        "Shard: 99999999999999999999 of 12, any 7 restore",
    };

    ck_assert_int_eq(decode_with("Shard:", "Shard: 4 of 12, any 7 restore"),
                     OK);
    ck_assert_int_eq(decode_with("Shard:", "Shard: 11 of 12, any 11 restore"),
                     OK);
    ck_assert_int_eq(decode_with("Shard:", "Shard: 0 of 64, any 1 restore"),
                     OK);
    ck_assert_int_eq(decode_with("Shard:", "Shard: 0 of 64, any 48 restore"),
                     OK);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_int_eq(decode_with("Shard:", bad[i]), ERR_BAD);
    }
}
END_TEST

/* A label that is empty, too long, or not plain text. */
START_TEST(test_shard_preamble_bad_labels)
{
    char line[3000] = "Label: ";

    memset(line + 7, 'y', MANIFEST_LABEL_MAX);
    ck_assert_int_eq(decode_with("Label:", line), OK);
    line[7 + MANIFEST_LABEL_MAX] = 'y';
    ck_assert_int_eq(decode_with("Label:", line), ERR_BAD);
    memset(line + 7, 'y', sizeof(line) - 8);
    ck_assert_int_eq(decode_with("Label:", line), ERR_BAD);
    ck_assert_int_eq(decode_with("Label:", "Label: "), ERR_BAD);
    ck_assert_int_eq(decode_with("Label:", "Label:"), ERR_BAD);
    ck_assert_int_eq(decode_with("Label:", "Label: a\tb"), ERR_BAD);
    ck_assert_int_eq(decode_with("Label:", "Label: a\x7f"), ERR_BAD);
    ck_assert_int_eq(decode_with("Label:", "Label: \xc2\x9b"
                                           "31m"),
                     ERR_BAD);
    ck_assert_int_eq(decode_with("Label:", "Label: \xc3("), ERR_BAD);
    ck_assert_int_eq(decode_with("Label:", "Label: a\nMore: b"), ERR_BAD);
}
END_TEST

/* An id in capitals, or of another length, is not the one way to write it. */
START_TEST(test_shard_preamble_bad_ids)
{
    char line[128] = "Lab: ";

    memset(line + 5, 'a', 64);
    ck_assert_int_eq(decode_with("Lab:", line), OK);
    line[68] = 'A';
    ck_assert_int_eq(decode_with("Lab:", line), ERR_BAD);
    line[68] = 'g';
    ck_assert_int_eq(decode_with("Lab:", line), ERR_BAD);
    line[68] = 0;
    ck_assert_int_eq(decode_with("Lab:", line), ERR_BAD);
    line[68] = 'a';
    line[69] = 'a';
    ck_assert_int_eq(decode_with("Lab:", line), ERR_BAD);
}
END_TEST

/* Another version is unsupported, something else is no shard. A leaf of one
 * byte repeated sends no search past its end. */
START_TEST(test_shard_preamble_other_files)
{
    struct shard_preamble p;

    ck_assert_int_eq(decode_with("CRNSHARD", "CRNSHARD 2"), ERR_UNSUPPORTED);
    ck_assert_int_eq(decode_with("CRNSHARD", "CRNSHARD 10"), ERR_UNSUPPORTED);
    ck_assert_int_eq(decode_with("CRNSHARD", "CRNSHARE 1"), ERR_BAD);
    memset(leaf, '0', LEAF_SIZE);
    ck_assert_int_eq(shard_preamble_decode(&p, leaf), ERR_BAD);
    p = preamble();
    shard_preamble_encode(&p, leaf);
    memset(strstr((char *)leaf, "Label: ") + 7, 'x',
           LEAF_SIZE -
               (size_t)(strstr((char *)leaf, "Label: ") + 7 - (char *)leaf));
    ck_assert_int_eq(shard_preamble_decode(&p, leaf), ERR_BAD);
}
END_TEST

#define LEAF    ((uint64_t)LEAF_SIZE)
#define SEGMENT ((uint64_t)65536)

/* Two of its three segments hold files. */
static struct shard_trailer trailer(void)
{
    struct shard_trailer t = {
        .index = 1,
        .k = 3,
        .n = 5,
        .segment_size = SEGMENT,
        .segments = 3,
        .catalogue_segments = 1,
        .table_offset = (1 + 6 + 6 + 1) * LEAF,
    };

    memset(t.deposit_id.bytes, 0x0d, DIGEST_SIZE);
    return t;
}

#define TRAILER_SHARD_SIZE (16 * LEAF)

/* Byte for byte as in docs/FORMAT.md. */
START_TEST(test_shard_trailer_known_bytes)
{
    static const uint8_t zeros[LEAF_SIZE];
    struct shard_trailer t = trailer();
    uint8_t want[80];
    struct digest sum;

    shard_trailer_encode(&t, leaf);
    hex_read("43524e545241494c"
             "0100"
             "01"
             "01"
             "01"
             "00"
             "0100"
             "0300"
             "0500"
             "00000100"
             "0300000000000000"
             "01000000"
             "00000000"
             "00e0000000000000"
             "0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d"
             "0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d",
             want, sizeof(want));
    sha256(slice_of(want, sizeof(want)), &sum);
    ck_assert_bytes_eq(leaf, want, sizeof(want));
    ck_assert_bytes_eq(leaf + 80, sum.bytes, DIGEST_SIZE);
    ck_assert_bytes_eq(leaf + 112, zeros, LEAF_SIZE - 112);
}
END_TEST

START_TEST(test_shard_trailer_round_trip)
{
    struct shard_trailer t = trailer(), got;

    ck_assert_uint_eq(shard_size(t.table_offset, t.segments),
                      TRAILER_SHARD_SIZE);
    shard_trailer_encode(&t, leaf);
    ck_assert_int_eq(shard_trailer_decode(&got, TRAILER_SHARD_SIZE, leaf), OK);
    ck_assert_uint_eq(got.index, t.index);
    ck_assert_uint_eq(got.k, t.k);
    ck_assert_uint_eq(got.n, t.n);
    ck_assert_uint_eq(got.segment_size, t.segment_size);
    ck_assert_uint_eq(got.segments, t.segments);
    ck_assert_uint_eq(got.catalogue_segments, t.catalogue_segments);
    ck_assert_uint_eq(got.table_offset, t.table_offset);
    ck_assert(digest_equal(&got.deposit_id, &t.deposit_id));
}
END_TEST

/* No byte of it can change: the digest holds the fields, the rest is zero. */
START_TEST(test_shard_trailer_any_byte_changed)
{
    struct shard_trailer t = trailer();

    shard_trailer_encode(&t, leaf);
    for (size_t i = 0; i < LEAF_SIZE; i++) {
        for (unsigned x = 1; x < 256; x += i < 112 ? 1 : 51) {
            leaf[i] ^= (uint8_t)x;
            if (shard_trailer_decode(&t, TRAILER_SHARD_SIZE, leaf) == OK) {
                ck_abort_msg("byte %zu xor %x", i, x);
            }
            leaf[i] ^= (uint8_t)x;
        }
    }
    ck_assert_int_eq(shard_trailer_decode(&t, TRAILER_SHARD_SIZE, leaf), OK);
}
END_TEST

static void forge_field(size_t at, size_t width, uint64_t v)
{
    struct digest sum;

    for (size_t i = 0; i < width; i++) {
        leaf[at + i] = (uint8_t)(v >> (8 * i));
    }
    sha256(slice_of(leaf, 80), &sum);
    memcpy(leaf + 80, sum.bytes, DIGEST_SIZE);
}

/* Store |v| of |width| bytes at |at| of a sound trailer, under a new digest. */
static int decode_forged(size_t at, size_t width, uint64_t v, uint64_t size)
{
    struct shard_trailer t = trailer();

    shard_trailer_encode(&t, leaf);
    forge_field(at, width, v);
    return shard_trailer_decode(&t, size, leaf);
}

/* The edges of every field, by somebody who can make a digest. */
START_TEST(test_shard_trailer_bounds)
{
    static const struct {
        size_t at, width;
        uint64_t v;
        int want;
    } cases[] = {
        {8, 2, 0, ERR_UNSUPPORTED},
        {8, 2, 2, ERR_UNSUPPORTED},
        {8, 2, 0x101, ERR_UNSUPPORTED},
        {10, 1, 0, ERR_UNSUPPORTED},
        {10, 1, 2, ERR_UNSUPPORTED},
        {11, 1, 0, ERR_UNSUPPORTED},
        {11, 1, 2, ERR_UNSUPPORTED},
        {12, 1, 0, ERR_UNSUPPORTED},
        {12, 1, 2, ERR_UNSUPPORTED},
        {13, 1, 1, ERR_BAD},
        {14, 2, 0, OK},
        {14, 2, 4, OK},
        {14, 2, 5, ERR_BAD},
        {14, 2, 0xffff, ERR_BAD},
        {16, 2, 0, ERR_BAD},
        {16, 2, 1, OK},
        {16, 2, 4, OK},
        {16, 2, 5, ERR_BAD},
        {18, 2, 3, ERR_BAD},
        {18, 2, 4, OK},
        {18, 2, 64, OK},
        {18, 2, 65, ERR_BAD},
        {18, 2, 0, ERR_BAD},
        {20, 4, 0, ERR_BAD},
        {20, 4, SEGMENT - 4096, ERR_BAD},
        {20, 4, SEGMENT + 1, ERR_BAD},
        {20, 4, SEGMENT + 4096, OK},
        {20, 4, SEGMENT_SIZE_MAX, OK},
        {20, 4, SEGMENT_SIZE_MAX + 4096, ERR_BAD},
        {24, 8, 0, ERR_BAD},
        {24, 8, 2, ERR_BAD}, /* They cannot fill as many leaves. */
        {24, 8, 13, OK},     /* A leaf each. */
        {24, 8, 14, ERR_BAD},
        {24, 8, UINT64_MAX, ERR_BAD},
        {24, 8, (uint64_t)1 << 61, ERR_BAD},
        {32, 4, 0, ERR_BAD},
        {32, 4, 3, OK},
        {32, 4, 4, ERR_BAD},
        {36, 4, 1, ERR_BAD},
        {36, 4, 0x1000000, ERR_BAD},
        {40, 8, 13 * LEAF, ERR_BAD}, /* Not that of the shard's size. */
        {40, 8, 14 * LEAF + 1, ERR_BAD},
        {40, 8, 0, ERR_BAD},
        {40, 8, UINT64_MAX - LEAF_SIZE + 1, ERR_BAD},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ck_assert_msg(decode_forged(cases[i].at, cases[i].width, cases[i].v,
                                    TRAILER_SHARD_SIZE) == cases[i].want,
                      "case %zu", i);
    }
}
END_TEST

/* A trailer that does not end the file that it is in. */
START_TEST(test_shard_trailer_wrong_size)
{
    static const uint64_t sizes[] = {
        0,
        1,
        LEAF_SIZE,
        TRAILER_SHARD_SIZE - LEAF_SIZE,
        TRAILER_SHARD_SIZE - 1,
        TRAILER_SHARD_SIZE + 1,
        TRAILER_SHARD_SIZE + LEAF_SIZE,
        UINT64_MAX,
    };

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        ck_assert_int_eq(decode_forged(14, 2, 0, sizes[i]), ERR_BAD);
    }
}
END_TEST

/* The largest shard there can be overflows nothing; one leaf more is refused.
 */
START_TEST(test_shard_trailer_largest)
{
    struct shard_trailer t = trailer(), got;
    uint64_t size;

    t.segments = MERKLE_LEAVES_MAX - 1;
    t.table_offset = MERKLE_LEAVES_MAX * LEAF_SIZE;
    size = shard_size(t.table_offset, t.segments);
    shard_trailer_encode(&t, leaf);
    ck_assert_int_eq(shard_trailer_decode(&got, size, leaf), OK);
    forge_field(40, 8, t.table_offset + LEAF_SIZE);
    ck_assert_int_eq(shard_trailer_decode(&got, size + LEAF_SIZE, leaf),
                     ERR_BAD);
}
END_TEST

/* The place of the table has a least and a greatest value for a code. */
START_TEST(test_shard_table_offset_bounds)
{
    uint64_t cells = 3 * shard_cell_max(3, SEGMENT);

    ck_assert_uint_eq(shard_cell_max(3, SEGMENT), 6 * LEAF);
    ck_assert(!shard_table_offset_is_valid(3, SEGMENT, 3, 3 * LEAF));
    ck_assert(shard_table_offset_is_valid(3, SEGMENT, 3, 4 * LEAF));
    ck_assert(!shard_table_offset_is_valid(3, SEGMENT, 3, 4 * LEAF + 1));
    ck_assert(shard_table_offset_is_valid(3, SEGMENT, 3, LEAF_SIZE + cells));
    ck_assert(!shard_table_offset_is_valid(3, SEGMENT, 3, 2 * LEAF + cells));
    ck_assert(!shard_table_offset_is_valid(3, SEGMENT, 0, 2 * LEAF));
}
END_TEST

/* 56 bytes of header, 16 a chunk, and always a last chunk that is shorter. */
START_TEST(test_shard_lengths)
{
    ck_assert_uint_eq(shard_ciphertext_max(SEGMENT),
                      56 + SEGMENT + 5 + (size_t)5 * 16);
    ck_assert_uint_eq(shard_cell_leaves(1, 1), 1);
    ck_assert_uint_eq(shard_cell_leaves(1, 4096), 1);
    ck_assert_uint_eq(shard_cell_leaves(1, 4097), 2);
    ck_assert_uint_eq(shard_cell_leaves(64, 64 * LEAF), 1);
    ck_assert_uint_eq(shard_cell_leaves(64, 64 * LEAF + 1), 2);
    ck_assert_uint_eq(shard_cell_max(1, SEGMENT_SIZE_MAX),
                      (uint64_t)LEAF_SIZE * 16401);
    ck_assert_uint_eq(shard_table_size(0), 0);
    ck_assert_uint_eq(shard_table_size(1), 4096);
    ck_assert_uint_eq(shard_table_size(512), 4096);
    ck_assert_uint_eq(shard_table_size(513), 8192);
    ck_assert_uint_eq(shard_size(8192, 1), 16384);
}
END_TEST

static int decode_entry(uint16_t k, uint32_t leaves, uint64_t size)
{
    struct shard_segment s = {.leaves = leaves,
                              .ciphertext_size = (uint32_t)size};
    struct shard_segment got;
    uint8_t entry[SHARD_TABLE_ENTRY_SIZE];
    int rv;

    shard_segment_encode(&s, entry);
    rv = shard_segment_decode(&got, k, SEGMENT, entry);
    if (rv == OK && (got.leaves != leaves || got.ciphertext_size != size)) {
        ck_abort_msg("read otherwise");
    }
    return rv;
}

/* Every message of a segment, and no other length, has an entry. */
START_TEST(test_shard_segment_every_message)
{
    uint64_t last = 0;

    for (uint64_t m = 0; m <= SEGMENT + 20; m++) {
        bool sound = m >= 5 && m <= SEGMENT + 5;
        uint64_t size = chunked_sealed_size(m);
        uint32_t leaves = shard_cell_leaves(3, size);

        for (uint64_t none = last + 1; none < size; none++) {
            if (decode_entry(3, shard_cell_leaves(3, none), none) != ERR_BAD) {
                ck_abort_msg("size %u", (unsigned)none);
            }
        }
        if (decode_entry(3, leaves, size) != (sound ? OK : ERR_BAD)) {
            ck_abort_msg("message %u", (unsigned)m);
        }
        last = size;
    }
}
END_TEST

/* A cell has exactly the leaves that its ciphertext needs. */
START_TEST(test_shard_segment_leaves)
{
    uint64_t size = shard_ciphertext_max(SEGMENT);

    for (uint16_t k = 1; k < MANIFEST_SHARDS_MAX; k++) {
        uint32_t leaves = shard_cell_leaves(k, size);

        ck_assert_uint_ge((uint64_t)k * leaves * LEAF_SIZE, size);
        ck_assert_uint_lt((uint64_t)k * (leaves - 1) * LEAF_SIZE, size);
        ck_assert_int_eq(decode_entry(k, leaves, size), OK);
        ck_assert_int_eq(decode_entry(k, leaves - 1, size), ERR_BAD);
        ck_assert_int_eq(decode_entry(k, leaves + 1, size), ERR_BAD);
        ck_assert_int_eq(decode_entry(k, 0, size), ERR_BAD);
        ck_assert_int_eq(decode_entry(k, UINT32_MAX, size), ERR_BAD);
    }
    ck_assert_int_eq(decode_entry(3, 0, 0), ERR_BAD);
    ck_assert_int_eq(decode_entry(3, 1, UINT32_MAX), ERR_BAD);
}
END_TEST

/* The bytes of an entry, and that a changed one is another entry or none. */
START_TEST(test_shard_segment_bytes)
{
    struct shard_segment s = {.leaves = 6, .ciphertext_size = 65677}, got;
    uint8_t entry[SHARD_TABLE_ENTRY_SIZE], want[SHARD_TABLE_ENTRY_SIZE];
    uint8_t again[SHARD_TABLE_ENTRY_SIZE];

    shard_segment_encode(&s, entry);
    hex_read("060000008d000100", want, sizeof(want));
    ck_assert_bytes_eq(entry, want, sizeof(want));
    ck_assert_int_eq(shard_segment_decode(&got, 3, SEGMENT, entry), OK);
    for (size_t i = 0; i < sizeof(entry); i++) {
        for (unsigned x = 1; x < 256; x++) {
            entry[i] ^= (uint8_t)x;
            if (shard_segment_decode(&got, 3, SEGMENT, entry) == OK) {
                ck_assert_uint_eq(i, 4);
                shard_segment_encode(&got, again);
                ck_assert_bytes_eq(again, entry, sizeof(entry));
            }
            entry[i] ^= (uint8_t)x;
        }
    }
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("shard");
    TCase *tc = tcase_create("shard");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_shard_preamble_is_frozen);
    tcase_add_test(tc, test_shard_preamble_round_trip);
    tcase_add_test(tc, test_shard_preamble_any_byte_changed);
    tcase_add_test(tc, test_shard_preamble_bad_numbers);
    tcase_add_test(tc, test_shard_preamble_bad_labels);
    tcase_add_test(tc, test_shard_preamble_bad_ids);
    tcase_add_test(tc, test_shard_preamble_other_files);
    tcase_add_test(tc, test_shard_trailer_known_bytes);
    tcase_add_test(tc, test_shard_trailer_round_trip);
    tcase_add_test(tc, test_shard_trailer_any_byte_changed);
    tcase_add_test(tc, test_shard_trailer_bounds);
    tcase_add_test(tc, test_shard_trailer_wrong_size);
    tcase_add_test(tc, test_shard_trailer_largest);
    tcase_add_test(tc, test_shard_table_offset_bounds);
    tcase_add_test(tc, test_shard_lengths);
    tcase_add_test(tc, test_shard_segment_every_message);
    tcase_add_test(tc, test_shard_segment_leaves);
    tcase_add_test(tc, test_shard_segment_bytes);
    suite_add_tcase(s, tc);
    return s;
}
