#include <stdlib.h>

#include "crypto/rng.h"
#include "protocol/message.h"
#include "tests/suite.h"

#define RUN_MAX  (SEGMENT_SIZE_MAX / LEAF_SIZE)
#define SIZE_CAP (MESSAGE_SIZE_MAX + 4096)
#define LEN(a)   (sizeof(a) / sizeof((a)[0]))

static const enum message_type types[] = {
    MESSAGE_HEADS,   MESSAGE_WANT,     MESSAGE_ENTRIES, MESSAGE_OFFER,
    MESSAGE_ACCEPT,  MESSAGE_CUT,      MESSAGE_APPEND,  MESSAGE_FLUSH,
    MESSAGE_DURABLE, MESSAGE_COMMIT,   MESSAGE_DEAL,    MESSAGE_READ,
    MESSAGE_CELL,    MESSAGE_ENVELOPE, MESSAGE_REFUSE,  MESSAGE_ENVELOPE_WANT,
};

static struct rng rng;
static struct message made, got;
static uint8_t wire[SIZE_CAP], again[SIZE_CAP];
static size_t wire_size;

/* What slices of |made| are lent from. */
static uint8_t pool[MESSAGE_SIZE_MAX];

static void start(int seed)
{
    uint8_t bytes[RNG_SEED_SIZE] = {0};

    u32le_store(bytes, (uint32_t)seed);
    rng_init_seed(&rng, bytes);
    rng_bytes(&rng, pool, sizeof(pool));
}

/* A number from min..max: at its bounds, near a power of two, or anywhere. */
static uint64_t pick(uint64_t min, uint64_t max)
{
    uint64_t v = (uint64_t)1 << rng_below(&rng, 64);

    switch (rng_below(&rng, 5)) {
    case 0:
        return min;
    case 1:
        return max;
    case 2:
        v--;
        break;
    case 3:
        break;
    default:
        if (max - min < UINT64_MAX) {
            return min + rng_below(&rng, max - min + 1);
        }
        break;
    }
    return v < min ? min : v > max ? max : v;
}

static void pick_id(struct digest *id)
{
    rng_bytes(&rng, id->bytes, DIGEST_SIZE);
    if (rng_below(&rng, 8) == 0) {
        memset(id->bytes, 0, DIGEST_SIZE - 1);
        id->bytes[DIGEST_SIZE - 1] = 1;
    }
}

/* Text of min..max bytes with characters of one to four. */
static void pick_text(char *out, size_t min, size_t max)
{
    static const char *const chars[] = {" ", "x", "\u00e9", "\u6f22",
                                        "\U0001f5ff"};
    size_t size = (size_t)pick(min, max), at = 0;

    while (at < size) {
        struct slice c = slice_str(chars[rng_below(&rng, LEN(chars))]);

        if (c.size > size - at) {
            c = slice_str("~");
        }
        memcpy(out + at, c.data, c.size);
        at += c.size;
    }
}

static void pick_range(struct merkle_range *range)
{
    range->leaves = pick(0, MERKLE_LEAVES_MAX);
    for (size_t i = 0; i < merkle_range_nodes_len(range->leaves); i++) {
        rng_bytes(&rng, range->nodes[i].bytes, DIGEST_SIZE);
    }
}

static void pick_run(uint64_t *first, uint64_t *leaves, uint32_t *stream)
{
    *leaves = pick(1, RUN_MAX);
    *first = pick(0, MERKLE_LEAVES_MAX - *leaves);
    *stream = (uint32_t)pick(1, UINT32_MAX);
}

static struct slice pick_bytes(size_t max)
{
    size_t size = (size_t)pick(1, max);

    return slice_of(pool + rng_below(&rng, sizeof(pool) - size + 1), size);
}

/* Authors ascend; each second one has several incarnations. */
static void pick_heads(struct message_heads *b, size_t max)
{
    b->len = (size_t)pick(0, max);
    b->more = b->len > 0 && rng_below(&rng, 2) == 0;
    for (size_t i = 0; i < b->len; i++) {
        struct message_head *h = &b->heads[i];

        pick_id(&h->author);
        h->author.bytes[0] = (uint8_t)(i >> 9);
        h->author.bytes[1] = (uint8_t)(i >> 1);
        h->author.bytes[2] = 1;
        h->incarnation = (uint32_t)(i % 2 == 0 ? pick(0, UINT32_MAX - 1)
                                               : pick(0, UINT32_MAX));
        if (i % 2 == 1) {
            if (rng_below(&rng, 2) == 0) {
                h->author = h[-1].author;
                h->incarnation =
                    (uint32_t)pick(h[-1].incarnation + 1, UINT32_MAX);
            } else {
                h->author.bytes[2]++;
            }
        }
        h->len = pick(0, MERKLE_LEAVES_MAX);
        if (h->len > 0) {
            pick_id(&h->last);
        }
    }
}

static void pick_entries(struct message_entries *b, size_t max, size_t room)
{
    size_t left;

    b->len = (size_t)pick(1, max);
    room -= 6; /* Heads of the message and of its arrays. */
    left = room - 4 * b->len;
    for (size_t i = 0; i < b->len; i++) {
        size_t most = left - (b->len - 1 - i);

        b->entries[i] =
            pick_bytes(most < FEED_ENTRY_MAX ? most : FEED_ENTRY_MAX);
        left -= b->entries[i].size;
    }
}

static void pick_offer(struct message_offer *b)
{
    pick_id(&b->random);
    pick_id(&b->net);
    pick_id(&b->lab);
    pick_text(b->label, 1, MANIFEST_LABEL_MAX);
    b->n = (uint16_t)pick(2, MANIFEST_SHARDS_MAX);
    b->k = (uint16_t)pick(1, b->n <= MANIFEST_DATA_MAX ? b->n - 1U
                                                       : MANIFEST_DATA_MAX);
    b->t = (uint16_t)pick(1, b->n);
    b->index = (uint16_t)pick(0, b->n - 1U);
    b->segment_size =
        LEAF_SIZE * (uint32_t)pick(SEGMENT_SIZE_MIN / LEAF_SIZE, RUN_MAX);
    b->size_max = pick(1, MERKLE_LEAVES_MAX * LEAF_SIZE);
}

static void pick_accept(struct message_accept *b)
{
    pick_id(&b->deposit_id);
    b->index = (uint16_t)pick(0, MANIFEST_SHARDS_MAX - 1);
    pick_range(&b->range);
    b->final_leaves = pick(0, b->range.leaves);
    b->sealed = rng_below(&rng, 2) == 0;
}

static void pick_cell(struct message_cell *b)
{
    pick_id(&b->deposit_id);
    b->index = (uint16_t)pick(0, MANIFEST_SHARDS_MAX - 1);
    pick_run(&b->first_leaf, &b->leaves, &b->stream);
    b->nodes_len = (size_t)pick(0, MERKLE_RUN_NODES_MAX);
    rng_bytes(&rng, b->nodes, b->nodes_len * DIGEST_SIZE);
}

static void pick_refuse(struct message_refuse *b)
{
    b->about = pick(0, UINT64_MAX);
    if (rng_below(&rng, 3) > 0) {
        pick_id(&b->subject);
    }
    b->status = -(int)pick(1, 64);
    pick_text(b->text, 0, MESSAGE_TEXT_MAX);
}

/* A valid message of |type|, with all that the format allows, or |small|. */
static void make(enum message_type type, bool small)
{
    memset(&made, 0, sizeof(made));
    made.type = type;
    switch (type) {
    case MESSAGE_HEADS:
        pick_heads(&made.u.heads, small ? 4 : MESSAGE_HEADS_MAX);
        break;
    case MESSAGE_WANT:
        pick_id(&made.u.want.author);
        made.u.want.incarnation = (uint32_t)pick(0, UINT32_MAX);
        made.u.want.from = pick(0, MERKLE_LEAVES_MAX - 1);
        break;
    case MESSAGE_ENTRIES:
        pick_entries(&made.u.entries, small ? 4 : MESSAGE_ENTRIES_MAX,
                     small ? 300 : MESSAGE_SIZE_MAX);
        break;
    case MESSAGE_OFFER:
        pick_offer(&made.u.offer);
        break;
    case MESSAGE_ACCEPT:
        pick_accept(&made.u.accept);
        break;
    case MESSAGE_CUT:
        pick_id(&made.u.cut.deposit_id);
        pick_range(&made.u.cut.range);
        break;
    case MESSAGE_APPEND:
        pick_id(&made.u.append.deposit_id);
        pick_run(&made.u.append.first_leaf, &made.u.append.leaves,
                 &made.u.append.stream);
        break;
    case MESSAGE_FLUSH:
        pick_id(&made.u.flush.deposit_id);
        break;
    case MESSAGE_DURABLE:
        pick_id(&made.u.durable.deposit_id);
        made.u.durable.leaves = pick(0, MERKLE_LEAVES_MAX);
        break;
    case MESSAGE_COMMIT:
        pick_id(&made.u.commit.deposit_id);
        made.u.commit.leaves = pick(0, MERKLE_LEAVES_MAX);
        break;
    case MESSAGE_DEAL:
        pick_id(&made.u.deal.deposit_id);
        pick_id(&made.u.deal.manifest_hash);
        made.u.deal.share_index = (uint16_t)pick(1, MANIFEST_SHARDS_MAX);
        made.u.deal.share_epoch = pick(0, UINT64_MAX);
        made.u.deal.envelope = pick_bytes(MESSAGE_ENVELOPE_MAX);
        break;
    case MESSAGE_READ:
        pick_id(&made.u.read.deposit_id);
        made.u.read.index = (uint16_t)pick(0, MANIFEST_SHARDS_MAX - 1);
        pick_run(&made.u.read.first_leaf, &made.u.read.leaves,
                 &made.u.read.stream);
        break;
    case MESSAGE_CELL:
        pick_cell(&made.u.cell);
        break;
    case MESSAGE_ENVELOPE_WANT:
        pick_id(&made.u.envelope_want.release_id);
        break;
    case MESSAGE_ENVELOPE:
        pick_id(&made.u.envelope.release_id);
        pick_id(&made.u.envelope.custodian);
        made.u.envelope.share_index = (uint16_t)pick(1, MANIFEST_SHARDS_MAX);
        made.u.envelope.share_epoch = pick(0, UINT64_MAX);
        made.u.envelope.envelope = pick_bytes(MESSAGE_ENVELOPE_MAX);
        break;
    case MESSAGE_REFUSE:
        pick_refuse(&made.u.refuse);
        break;
    }
}

static void encode(const struct message *m)
{
    ck_assert_int_eq(message_encode(m, wire, sizeof(wire), &wire_size), OK);
    ck_assert_uint_le(wire_size, MESSAGE_SIZE_MAX);
}

static int decode(void)
{
    memset(&got, 0, sizeof(got));
    return message_decode(&got, slice_of(wire, wire_size));
}

/* Compare the bytes that two slices lend, and forget where they lie. */
static void slices_same(struct slice *a, struct slice *b)
{
    ck_assert(slice_equal(*a, *b));
    *a = *b = slice_of(NULL, 0);
}

/* Everything that was put came back: all fields, and zeros elsewhere. */
static void check_same(void)
{
    ck_assert_int_eq(got.type, made.type);
    if (made.type == MESSAGE_ENTRIES) {
        for (size_t i = 0; i < MESSAGE_ENTRIES_MAX; i++) {
            slices_same(&made.u.entries.entries[i], &got.u.entries.entries[i]);
        }
    } else if (made.type == MESSAGE_DEAL) {
        slices_same(&made.u.deal.envelope, &got.u.deal.envelope);
    } else if (made.type == MESSAGE_ENVELOPE) {
        slices_same(&made.u.envelope.envelope, &got.u.envelope.envelope);
    }
    ck_assert_bytes_eq(&got, &made, sizeof(got));
}

/* What decodes is written to the same bytes. */
static void check_canonical(void)
{
    size_t size = 0;

    ck_assert_int_eq(message_encode(&got, again, sizeof(again), &size), OK);
    ck_assert_uint_eq(size, wire_size);
    ck_assert_bytes_eq(again, wire, size);
}

/* A message of any type is read as it was written. The loop index is the
 * seed of the first of ten. */
START_TEST(test_message_round_trip)
{
    for (int seed = _i; seed < _i + 500; seed += 50) {
        start(seed);
        for (size_t i = 0; i < LEN(types); i++) {
            make(types[i], false);
            encode(&made);
            ck_assert_int_eq(decode(), OK);
            check_canonical();
            check_same();
        }
    }
}
END_TEST

/* No part of a message is one, nor is a message with a byte behind it; refused
 * input leaves the output alone. */
START_TEST(test_message_every_cut)
{
    static struct message untouched;

    start(_i);
    for (size_t i = 0; i < LEN(types); i++) {
        make(types[i], true);
        encode(&made);
        memset(&got, 0x5a, sizeof(got));
        memset(&untouched, 0x5a, sizeof(untouched));
        for (size_t cut = 0; cut < wire_size; cut++) {
            uint8_t *copy = malloc(cut + 1); /* Ends where it was cut. */

            memcpy(copy + 1, wire, cut);
            ck_assert_int_eq(message_decode(&got, slice_of(copy + 1, cut)),
                             ERR_BAD);
            free(copy);
        }
        wire[wire_size] = 0;
        ck_assert_int_eq(message_decode(&got, slice_of(wire, wire_size + 1)),
                         ERR_BAD);
        ck_assert_bytes_eq(&got, &untouched, sizeof(got));
    }
}
END_TEST

/* A changed byte is refused, or it makes another message, in the one encoding
 * that this one has. */
START_TEST(test_message_every_byte)
{
    static const uint8_t flips[] = {1,  2,  3,    4,    8,    0x10,
                                    32, 64, 0x7f, 0x80, 0xc0, 0xff};

    start(_i);
    for (size_t i = 0; i < LEN(types); i++) {
        make(types[i], true);
        encode(&made);
        for (size_t at = 0; at < wire_size * LEN(flips); at++) {
            uint8_t flip = flips[at % LEN(flips)];
            int rv;

            wire[at / LEN(flips)] ^= flip;
            rv = decode();
            if (rv == OK) {
                check_canonical();
            } else {
                ck_assert(rv == ERR_BAD || rv == ERR_UNSUPPORTED);
            }
            wire[at / LEN(flips)] ^= flip;
        }
    }
}
END_TEST

/* A buffer that is too small is reported, with nothing written beyond it. */
START_TEST(test_message_encode_full)
{
    size_t size = 77;

    start(1);
    for (size_t i = 0; i < LEN(types); i++) {
        make(types[i], true);
        encode(&made);
        for (size_t max = 0; max < wire_size; max++) {
            memset(again, 0xee, max + 1);
            ck_assert_int_eq(message_encode(&made, again, max, &size),
                             ERR_FULL);
            ck_assert_uint_eq(again[max], 0xee);
            ck_assert_uint_eq(size, 77);
        }
        ck_assert_int_eq(message_encode(&made, again, wire_size, &size), OK);
        size = 77;
    }
}
END_TEST
Suite *suite_make(void)
{
    Suite *s = suite_create("message");
    TCase *tc = tcase_create("message");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, test_message_round_trip, 0, 50);
    tcase_add_loop_test(tc, test_message_every_cut, 0, 3);
    tcase_add_loop_test(tc, test_message_every_byte, 0, 3);
    tcase_add_test(tc, test_message_encode_full);
    suite_add_tcase(s, tc);
    return s;
}
