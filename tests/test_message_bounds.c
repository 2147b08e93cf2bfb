#include <signal.h>

#include "protocol/canon.h"
#include "protocol/message.h"
#include "tests/suite.h"

/* The bounds of every field, one at a time; test_message.c has the rest. */

#define RUN_MAX  (SEGMENT_SIZE_MAX / LEAF_SIZE)
#define SIZE_CAP (MESSAGE_SIZE_MAX + 4096)
#define LEN(a)   (sizeof(a) / sizeof((a)[0]))

static const enum message_type types[] = {
    MESSAGE_HEADS,   MESSAGE_WANT,     MESSAGE_ENTRIES, MESSAGE_OFFER,
    MESSAGE_ACCEPT,  MESSAGE_CUT,      MESSAGE_APPEND,  MESSAGE_FLUSH,
    MESSAGE_DURABLE, MESSAGE_COMMIT,   MESSAGE_DEAL,    MESSAGE_READ,
    MESSAGE_CELL,    MESSAGE_ENVELOPE, MESSAGE_REFUSE,  MESSAGE_ENVELOPE_WANT,
};

static struct message made, got;
static uint8_t wire[SIZE_CAP];
static size_t wire_size;

static void encode(void)
{
    ck_assert_int_eq(message_encode(&made, wire, sizeof(wire), &wire_size), OK);
    ck_assert_uint_le(wire_size, MESSAGE_SIZE_MAX);
}

static int decode(void)
{
    return message_decode(&got, slice_of(wire, wire_size));
}

static void fill(struct digest *d, uint8_t v)
{
    memset(d->bytes, v, DIGEST_SIZE);
}

/* The plainest message of |type|, for one field at a time to be changed. */
static void make_plain(enum message_type type)
{
    struct message *m = &made;

    memset(m, 0, sizeof(*m));
    m->type = type;
    switch (type) {
    case MESSAGE_HEADS:
        m->u.heads.len = 1;
        fill(&m->u.heads.heads[0].author, 0xa1);
        m->u.heads.heads[0].incarnation = 2;
        m->u.heads.heads[0].len = 300;
        fill(&m->u.heads.heads[0].last, 0xa2);
        break;
    case MESSAGE_WANT:
        fill(&m->u.want.author, 0xa1);
        break;
    case MESSAGE_ENTRIES:
        m->u.entries.len = 1;
        m->u.entries.entries[0] = slice_str("entry");
        break;
    case MESSAGE_OFFER:
        fill(&m->u.offer.random, 0xd1);
        fill(&m->u.offer.net, 0xd2);
        fill(&m->u.offer.lab, 0xd3);
        memcpy(m->u.offer.label, "label", 5);
        m->u.offer.k = 2;
        m->u.offer.n = 3;
        m->u.offer.t = 2;
        m->u.offer.segment_size = SEGMENT_SIZE_MIN;
        m->u.offer.size_max = LEAF_SIZE;
        break;
    case MESSAGE_ACCEPT:
        fill(&m->u.accept.deposit_id, 0xd1);
        m->u.accept.index = 7;
        m->u.accept.range.leaves = 5;
        fill(&m->u.accept.range.nodes[0], 0xe4);
        fill(&m->u.accept.range.nodes[1], 0xe1);
        m->u.accept.final_leaves = 4;
        break;
    case MESSAGE_CUT:
        fill(&m->u.cut.deposit_id, 0xd1);
        break;
    case MESSAGE_APPEND:
        fill(&m->u.append.deposit_id, 0xd1);
        m->u.append.leaves = m->u.append.stream = 1;
        break;
    case MESSAGE_FLUSH:
        fill(&m->u.flush.deposit_id, 0xd1);
        break;
    case MESSAGE_DURABLE:
        fill(&m->u.durable.deposit_id, 0xd1);
        break;
    case MESSAGE_COMMIT:
        fill(&m->u.commit.deposit_id, 0xd1);
        break;
    case MESSAGE_DEAL:
        fill(&m->u.deal.deposit_id, 0xd1);
        fill(&m->u.deal.manifest_hash, 0xd4);
        m->u.deal.share_index = 1;
        m->u.deal.envelope = slice_str("envelope");
        break;
    case MESSAGE_READ:
        fill(&m->u.read.deposit_id, 0xd1);
        m->u.read.leaves = m->u.read.stream = 1;
        break;
    case MESSAGE_CELL:
        fill(&m->u.cell.deposit_id, 0xd1);
        m->u.cell.leaves = m->u.cell.stream = 1;
        break;
    case MESSAGE_ENVELOPE_WANT:
        fill(&m->u.envelope_want.release_id, 0xb1);
        break;
    case MESSAGE_ENVELOPE:
        fill(&m->u.envelope.release_id, 0xb1);
        fill(&m->u.envelope.custodian, 0xb2);
        m->u.envelope.share_index = 1;
        m->u.envelope.envelope = slice_str("envelope");
        break;
    case MESSAGE_REFUSE:
        m->u.refuse.about = MESSAGE_OFFER;
        fill(&m->u.refuse.subject, 0xd1);
        m->u.refuse.status = ERR_FULL;
        memcpy(m->u.refuse.text, "no room", 7);
        break;
    }
}

/* Decode the plain message of |type| with its item |at| replaced by |raw|;
 * items count from the type, which is 0. */
static int decode_with(enum message_type type, uint32_t at, struct slice raw)
{
    static uint8_t plain[4096];
    struct canon_reader r;
    struct canon_writer w;
    uint32_t items;
    size_t size = 0;

    make_plain(type);
    ck_assert_int_eq(message_encode(&made, plain, sizeof(plain), &size), OK);
    canon_read_init(&r, slice_of(plain, size));
    items = canon_array_between(&r, 2, 15);
    ck_assert_uint_lt(at, items);
    canon_write_init(&w, wire, sizeof(wire));
    canon_put_array(&w, items);
    for (uint32_t i = 0; i < items; i++) {
        struct slice item = canon_any(&r);

        canon_put_raw(&w, i == at ? raw : item);
    }
    canon_leave(&r);
    ck_assert_int_eq(canon_end(&r), OK);
    ck_assert(!w.full);
    wire_size = w.size;
    return decode();
}

static int decode_uint(enum message_type type, uint32_t at, uint64_t v)
{
    uint8_t raw[9];
    struct canon_writer w;

    canon_write_init(&w, raw, sizeof(raw));
    canon_put_uint(&w, v);
    return decode_with(type, at, slice_of(raw, w.size));
}

/* Every number is taken up to its bounds, and not beyond. */
START_TEST(test_message_bounds_numbers)
{
    const uint64_t top = MERKLE_LEAVES_MAX, u32 = UINT32_MAX,
                   shards = MANIFEST_SHARDS_MAX;
    const struct {
        enum message_type type;
        uint32_t at;
        uint64_t min, max;
    } bounds[] = {
        {MESSAGE_WANT, 2, 0, u32},
        {MESSAGE_WANT, 3, 0, top - 1},
        {MESSAGE_OFFER, 5, 0, 2},      /* index, of n = 3 */
        {MESSAGE_OFFER, 6, 1, 2},      /* k */
        {MESSAGE_OFFER, 7, 3, shards}, /* n, with k = 2 */
        {MESSAGE_OFFER, 8, 1, 3},      /* t */
        {MESSAGE_OFFER, 9, SEGMENT_SIZE_MIN, SEGMENT_SIZE_MAX},
        {MESSAGE_OFFER, 10, 1, top * LEAF_SIZE},
        {MESSAGE_ACCEPT, 2, 0, shards - 1},
        {MESSAGE_ACCEPT, 5, 0, 5}, /* final_leaves, of 5 */
        {MESSAGE_APPEND, 2, 0, top - 1},
        {MESSAGE_APPEND, 3, 1, RUN_MAX},
        {MESSAGE_APPEND, 4, 1, u32},
        {MESSAGE_DURABLE, 2, 0, top},
        {MESSAGE_COMMIT, 2, 0, top},
        {MESSAGE_DEAL, 3, 1, MANIFEST_SHARDS_MAX},
        {MESSAGE_READ, 2, 0, shards - 1},
        {MESSAGE_READ, 3, 0, top - 1},
        {MESSAGE_READ, 4, 1, RUN_MAX},
        {MESSAGE_READ, 5, 1, u32},
        {MESSAGE_CELL, 2, 0, shards - 1},
        {MESSAGE_CELL, 3, 0, top - 1},
        {MESSAGE_CELL, 4, 1, RUN_MAX},
        {MESSAGE_CELL, 5, 1, u32},
        {MESSAGE_ENVELOPE, 3, 1, MANIFEST_SHARDS_MAX},
        {MESSAGE_REFUSE, 3, 1, 64},
    };

    for (size_t i = 0; i < LEN(bounds); i++) {
        enum message_type type = bounds[i].type;
        uint32_t at = bounds[i].at;

        ck_assert_msg(decode_uint(type, at, bounds[i].min) == OK &&
                          decode_uint(type, at, bounds[i].max) == OK,
                      "bounds %zu: too narrow", i);
        ck_assert_msg(
            (bounds[i].min == 0 ||
             decode_uint(type, at, bounds[i].min - 1) == ERR_BAD) &&
                decode_uint(type, at, bounds[i].max + 1) == ERR_BAD &&
                decode_uint(type, at, UINT64_MAX) == ERR_BAD &&
                /* Not cut to the width of the field. */
                decode_uint(type, at, ((uint64_t)1 << 32) + bounds[i].min) ==
                    (bounds[i].max > u32 ? OK : ERR_BAD),
            "bounds %zu: too wide", i);
    }
    ck_assert_int_eq(decode_uint(MESSAGE_DEAL, 4, UINT64_MAX), OK);
    ck_assert_int_eq(decode_uint(MESSAGE_REFUSE, 1, UINT64_MAX), OK);
    ck_assert_int_eq(decode_uint(MESSAGE_OFFER, 9, SEGMENT_SIZE_MIN + 1),
                     ERR_BAD);
    ck_assert_int_eq(decode_uint(MESSAGE_OFFER, 7, 2), ERR_BAD); /* k = n */
}
END_TEST

/* A run ends with the last leaf that there can be. */
START_TEST(test_message_bounds_run_does_not_overflow)
{
    make_plain(MESSAGE_READ);
    made.u.read.leaves = RUN_MAX;
    made.u.read.first_leaf = MERKLE_LEAVES_MAX - RUN_MAX;
    encode();
    ck_assert_int_eq(decode(), OK);
    /* 94 14 id 00 cf <first> cd <leaves> 01: one leaf further. */
    wire[1 + 1 + 34 + 1 + 8]++;
    ck_assert_int_eq(decode(), ERR_BAD);
    memset(wire + 1 + 1 + 34 + 1 + 1, 0xff, 8);
    ck_assert_int_eq(decode(), ERR_BAD);
}
END_TEST

/* An id of zeros names nothing. */
START_TEST(test_message_bounds_ids_name_something)
{
    static const struct {
        enum message_type type;
        uint32_t at;
    } ids[] = {
        {MESSAGE_WANT, 1},          {MESSAGE_OFFER, 1},
        {MESSAGE_OFFER, 2},         {MESSAGE_OFFER, 3},
        {MESSAGE_ACCEPT, 1},        {MESSAGE_CUT, 1},
        {MESSAGE_APPEND, 1},        {MESSAGE_FLUSH, 1},
        {MESSAGE_DURABLE, 1},       {MESSAGE_COMMIT, 1},
        {MESSAGE_DEAL, 1},          {MESSAGE_DEAL, 2},
        {MESSAGE_READ, 1},          {MESSAGE_CELL, 1},
        {MESSAGE_ENVELOPE_WANT, 1}, {MESSAGE_ENVELOPE, 1},
        {MESSAGE_ENVELOPE, 2},
    };
    uint8_t raw[35] = {0xc4, 32};

    for (size_t i = 0; i < LEN(ids); i++) {
        ck_assert_int_eq(decode_with(ids[i].type, ids[i].at, slice_of(raw, 34)),
                         ERR_BAD);
        raw[33] = 1;
        ck_assert_int_eq(decode_with(ids[i].type, ids[i].at, slice_of(raw, 34)),
                         OK);
        raw[1] = 33; /* Not of another length either. */
        ck_assert_int_eq(decode_with(ids[i].type, ids[i].at, slice_of(raw, 35)),
                         ERR_BAD);
        raw[1] = 32;
        raw[33] = 0;
    }
    /* What is refused may be nothing that has an id. */
    ck_assert_int_eq(decode_with(MESSAGE_REFUSE, 2, slice_of(raw, 34)), OK);
}
END_TEST

static int decode_text(enum message_type type, uint32_t at, const char *text)
{
    uint8_t raw[512];
    struct canon_writer w;

    canon_write_init(&w, raw, sizeof(raw));
    canon_put_str(&w, slice_str(text));
    ck_assert(!w.full);
    return decode_with(type, at, slice_of(raw, w.size));
}

/* Text is for people: it has a length, and speaks to no terminal. */
START_TEST(test_message_bounds_text_is_plain)
{
    static const struct {
        enum message_type type;
        uint32_t at;
        size_t min, max;
    } texts[] = {
        {MESSAGE_OFFER, 4, 1, MANIFEST_LABEL_MAX},
        {MESSAGE_REFUSE, 4, 0, MESSAGE_TEXT_MAX},
    };
    static const uint8_t latin[] = {0xa1, 0xe9}, nul[] = {0xa1, 0},
                         bin[] = {0xc4, 1, 'a'};

    for (size_t i = 0; i < LEN(texts); i++) {
        enum message_type type = texts[i].type;
        uint32_t at = texts[i].at;
        char text[512] = {0};

        ck_assert_int_eq(decode_text(type, at, ""),
                         texts[i].min == 0 ? OK : ERR_BAD);
        memset(text, 'x', texts[i].max);
        ck_assert_int_eq(decode_text(type, at, text), OK);
        text[texts[i].max] = 'x';
        ck_assert_int_eq(decode_text(type, at, text), ERR_BAD);
        ck_assert_int_eq(decode_text(type, at, "caf\u00e9"), OK);
        ck_assert_int_eq(decode_text(type, at, "a\nb"), ERR_BAD);
        ck_assert_int_eq(decode_text(type, at, "\x1b[2J"), ERR_BAD);
        ck_assert_int_eq(decode_text(type, at, "\xc2\x9b"), ERR_BAD);
        ck_assert_int_eq(decode_with(type, at, slice_of(latin, 2)), ERR_BAD);
        ck_assert_int_eq(decode_with(type, at, slice_of(nul, 2)), ERR_BAD);
        ck_assert_int_eq(decode_with(type, at, slice_of(bin, 3)), ERR_BAD);
    }
}
END_TEST

/* Put an array of |len| byte strings of |size| in the place of an item. */
static int decode_array(enum message_type type,
                        uint32_t at,
                        uint32_t len,
                        size_t size)
{
    static uint8_t raw[2 * SIZE_CAP];
    static const uint8_t bytes[FEED_ENTRY_MAX + 1];
    struct canon_writer w;

    canon_write_init(&w, raw, sizeof(raw));
    canon_put_array(&w, len);
    for (uint32_t i = 0; i < len; i++) {
        canon_put_bin(&w, slice_of(bytes, size));
    }
    ck_assert(!w.full);
    return decode_with(type, at, slice_of(raw, w.size));
}

static int decode_bin(enum message_type type, uint32_t at, size_t size)
{
    static const uint8_t bytes[2 * MESSAGE_ENVELOPE_MAX];
    uint8_t raw[3 * MESSAGE_ENVELOPE_MAX];
    struct canon_writer w;

    canon_write_init(&w, raw, sizeof(raw));
    canon_put_bin(&w, slice_of(bytes, size));
    return decode_with(type, at, slice_of(raw, w.size));
}

/* Entries, proofs and envelopes have their numbers and sizes. */
START_TEST(test_message_bounds_arrays)
{
    ck_assert_int_eq(decode_array(MESSAGE_ENTRIES, 1, 0, 1), ERR_BAD);
    ck_assert_int_eq(decode_array(MESSAGE_ENTRIES, 1, 1, 0), ERR_BAD);
    ck_assert_int_eq(decode_array(MESSAGE_ENTRIES, 1, 64, 1), OK);
    ck_assert_int_eq(decode_array(MESSAGE_ENTRIES, 1, 65, 1), ERR_BAD);
    ck_assert_int_eq(decode_array(MESSAGE_ENTRIES, 1, 1, FEED_ENTRY_MAX), OK);
    ck_assert_int_eq(decode_array(MESSAGE_ENTRIES, 1, 1, FEED_ENTRY_MAX + 1),
                     ERR_BAD);
    ck_assert_int_eq(decode_array(MESSAGE_CELL, 6, 0, 32), OK);
    ck_assert_int_eq(decode_array(MESSAGE_CELL, 6, 96, 32), OK);
    ck_assert_int_eq(decode_array(MESSAGE_CELL, 6, 97, 32), ERR_BAD);
    ck_assert_int_eq(decode_array(MESSAGE_CELL, 6, 1, 31), ERR_BAD);
    ck_assert_int_eq(decode_bin(MESSAGE_DEAL, 5, 0), ERR_BAD);
    ck_assert_int_eq(decode_bin(MESSAGE_DEAL, 5, 1), OK);
    ck_assert_int_eq(decode_bin(MESSAGE_DEAL, 5, 1024), OK);
    ck_assert_int_eq(decode_bin(MESSAGE_DEAL, 5, 1025), ERR_BAD);
    ck_assert_int_eq(decode_bin(MESSAGE_ENVELOPE, 5, 0), ERR_BAD);
    ck_assert_int_eq(decode_bin(MESSAGE_ENVELOPE, 5, 1024), OK);
    ck_assert_int_eq(decode_bin(MESSAGE_ENVELOPE, 5, 1025), ERR_BAD);
}
END_TEST

/* Decode a CUT to |leaves| leaves with |len| nodes. */
static int decode_cut(uint64_t leaves, uint32_t len)
{
    const struct digest node = {{0xe1}};
    struct canon_writer w;

    make_plain(MESSAGE_CUT);
    canon_write_init(&w, wire, sizeof(wire));
    canon_put_array(&w, 4);
    canon_put_uint(&w, MESSAGE_CUT);
    canon_put_digest(&w, &made.u.cut.deposit_id);
    canon_put_uint(&w, leaves);
    canon_put_array(&w, len);
    for (uint32_t i = 0; i < len; i++) {
        canon_put_digest(&w, &node);
    }
    wire_size = w.size;
    return decode();
}

/* A compact range has the nodes of its number of leaves, no more and no
 * fewer. */
START_TEST(test_message_bounds_range_has_its_nodes)
{
    static const struct {
        uint64_t leaves;
        uint32_t len;
    } ranges[] = {
        {0, 0},   {1, 1},
        {2, 1},   {3, 2},
        {255, 8}, {MERKLE_LEAVES_MAX - 1, 48},
        {256, 1}, {MERKLE_LEAVES_MAX, 1},
    };

    for (size_t i = 0; i < LEN(ranges); i++) {
        ck_assert_int_eq(decode_cut(ranges[i].leaves, ranges[i].len), OK);
        ck_assert_uint_eq(got.u.cut.range.leaves, ranges[i].leaves);
        ck_assert_int_eq(decode_cut(ranges[i].leaves, ranges[i].len + 1),
                         ERR_BAD);
        ck_assert(ranges[i].len == 0 ||
                  decode_cut(ranges[i].leaves, ranges[i].len - 1) == ERR_BAD);
    }
    ck_assert_int_eq(decode_cut(MERKLE_LEAVES_MAX + 1, 2), ERR_BAD);
    ck_assert_int_eq(decode_cut(UINT64_MAX, 64), ERR_BAD);
}
END_TEST

/* Heads are sorted by author, then by incarnation, without repetition. */
START_TEST(test_message_bounds_heads_are_sorted)
{
    static const uint8_t size = 1 + 34 + 1 + 1 + 34; /* Of each, here. */
    struct message_head *h = made.u.heads.heads;
    uint8_t *first = wire + 1 + 1 + 1 + 1, *second = first + size;
    uint8_t copy[1 + 34 + 1 + 1 + 34];

    make_plain(MESSAGE_HEADS);
    made.u.heads.len = 2;
    h[0].len = 1;
    h[1] = h[0];
    h[1].incarnation++;
    encode();
    ck_assert_uint_eq(wire_size, 4U + 2U * size);
    ck_assert_int_eq(decode(), OK);
    memcpy(copy, first, size);
    memcpy(first, second, size); /* The same twice. */
    ck_assert_int_eq(decode(), ERR_BAD);
    memcpy(second, copy, size); /* In the wrong order. */
    ck_assert_int_eq(decode(), ERR_BAD);
    second[1 + 2 + 31]++; /* The author counts before the incarnation. */
    ck_assert_int_eq(decode(), OK);
    first[1 + 2]++;
    ck_assert_int_eq(decode(), ERR_BAD);
}
END_TEST

/* Decode a HEADS with one head of these. */
static int decode_head(const struct digest *author,
                       uint64_t incarnation,
                       uint64_t len,
                       const struct digest *last)
{
    uint8_t raw[128];
    struct canon_writer w;

    canon_write_init(&w, raw, sizeof(raw));
    canon_put_array(&w, 1);
    canon_put_array(&w, 4);
    canon_put_digest(&w, author);
    canon_put_uint(&w, incarnation);
    canon_put_uint(&w, len);
    canon_put_digest(&w, last);
    return decode_with(MESSAGE_HEADS, 2, slice_of(raw, w.size));
}

/* A feed has a last entry exactly when it has entries. */
START_TEST(test_message_bounds_head)
{
    static const struct digest zero = {{0}}, id = {{1}};
    static const uint8_t none[] = {0x93, 1, 0xc2, 0x90},
                         more[] = {0x93, 1, 0xc3, 0x90};

    ck_assert_int_eq(decode_head(&id, UINT32_MAX, MERKLE_LEAVES_MAX, &id), OK);
    ck_assert_int_eq(decode_head(&id, 0, 0, &zero), OK);
    ck_assert_int_eq(decode_head(&id, 0, 0, &id), ERR_BAD);
    ck_assert_int_eq(decode_head(&id, 0, 1, &zero), ERR_BAD);
    ck_assert_int_eq(decode_head(&zero, 0, 1, &id), ERR_BAD);
    ck_assert_int_eq(decode_head(&id, (uint64_t)1 << 32, 1, &id), ERR_BAD);
    ck_assert_int_eq(decode_head(&id, 0, MERKLE_LEAVES_MAX + 1, &id), ERR_BAD);
    /* None is an answer, but none and more is not. */
    ck_assert_int_eq(message_decode(&got, slice_of(none, 4)), OK);
    ck_assert_int_eq(message_decode(&got, slice_of(more, 4)), ERR_BAD);
}
END_TEST

/* The most heads, each as long as can be, fit in one message. */
START_TEST(test_message_bounds_full_heads_fit)
{
    make_plain(MESSAGE_HEADS);
    made.u.heads.len = MESSAGE_HEADS_MAX;
    made.u.heads.more = true;
    for (uint32_t i = 0; i < MESSAGE_HEADS_MAX; i++) {
        struct message_head *h = &made.u.heads.heads[i];

        *h = made.u.heads.heads[0];
        h->incarnation = UINT32_MAX - MESSAGE_HEADS_MAX + i;
        h->len = MERKLE_LEAVES_MAX;
    }
    encode();
    ck_assert_uint_eq(wire_size, 6 + 500 * 83);
    ck_assert_int_eq(decode(), OK);
    ck_assert_bytes_eq(&got, &made, sizeof(got));
}
END_TEST

/* Entries that are too long together are reported by the encoder and refused
 * by the decoder, each as it is allowed alone. */
START_TEST(test_message_bounds_entries_fit_together)
{
    static const uint8_t pool[MESSAGE_SIZE_MAX];
    size_t size = 77;

    make_plain(MESSAGE_ENTRIES);
    made.u.entries.entries[0] = slice_of(pool, FEED_ENTRY_MAX);
    encode();
    made.u.entries.len = 2;
    made.u.entries.entries[1] =
        slice_of(pool, MESSAGE_SIZE_MAX - wire_size - 3);
    encode();
    ck_assert_uint_eq(wire_size, MESSAGE_SIZE_MAX);
    ck_assert_int_eq(decode(), OK);
    made.u.entries.entries[1].size++;
    ck_assert_int_eq(message_encode(&made, wire, sizeof(wire), &size),
                     ERR_FULL);
    ck_assert_uint_eq(size, 77);
    ck_assert_int_eq(decode_array(MESSAGE_ENTRIES, 1, 2, 32490), OK);
    ck_assert_uint_eq(wire_size, 64989);
    ck_assert_int_eq(decode_array(MESSAGE_ENTRIES, 1, 2, 32495), OK);
    ck_assert_int_eq(decode_array(MESSAGE_ENTRIES, 1, 2, 32496), ERR_BAD);
    ck_assert_uint_eq(wire_size, MESSAGE_SIZE_MAX + 1);
}
END_TEST

static bool type_is_known(uint64_t type)
{
    for (size_t i = 0; i < LEN(types); i++) {
        if (type == (uint64_t)types[i]) {
            return true;
        }
    }
    return false;
}

/* A type without a meaning is told from nonsense, whatever comes with it. */
START_TEST(test_message_bounds_unknown_type)
{
    for (uint64_t type = 0; type < 300; type++) {
        ck_assert_int_eq(
            decode_uint(MESSAGE_FLUSH, 0, type),
            !type_is_known(type) ? ERR_UNSUPPORTED
            : type == MESSAGE_FLUSH || type == MESSAGE_ENVELOPE_WANT ? OK
                                                                     : ERR_BAD);
    }
    ck_assert_int_eq(decode_uint(MESSAGE_OFFER, 0, UINT64_MAX),
                     ERR_UNSUPPORTED);
    /* A type beyond 32 bits is not cut to one that is known. */
    ck_assert_int_eq(
        decode_uint(MESSAGE_FLUSH, 0, ((uint64_t)1 << 32) + MESSAGE_FLUSH),
        ERR_UNSUPPORTED);
    hex_read("9109", wire, 2); /* No items at all. */
    wire_size = 2;
    ck_assert_int_eq(decode(), ERR_UNSUPPORTED);
    hex_read("a109", wire, 2); /* No array. */
    ck_assert_int_eq(decode(), ERR_BAD);
    hex_read("91c0", wire, 2); /* No number. */
    ck_assert_int_eq(decode(), ERR_BAD);
}
END_TEST

/* Each type has its number of items. */
START_TEST(test_message_bounds_item_counts)
{
    for (size_t i = 0; i < LEN(types); i++) {
        make_plain(types[i]);
        encode();
        ck_assert_int_eq(decode(), OK);
        wire[wire_size++] = 0;
        wire[0]++; /* One more. */
        ck_assert_int_eq(decode(), ERR_BAD);
        wire[0] -= 2; /* One fewer, with its byte left or not. */
        for (wire_size--; wire_size > 1; wire_size--) {
            ck_assert_int_eq(decode(), ERR_BAD);
        }
    }
}
END_TEST

/* Counts with nothing behind them are refused before anything is spent. */
START_TEST(test_message_bounds_counts_without_items)
{
    static const char *const counts[] = {
        "ddffffffff0000000000", /* a message of 2^32 - 1 items */
        "9301c2ddffffffff0000", /* heads */
        "9301c2dc01f400000000", /* 500 of them */
        "9301c2dc01f500000000", /* 501 */
        "9203ddffffffff000000", /* entries */
        "9203dc00400000000000", /* 64 */
        "9203dc00410000000000", /* 65 */
        "9203dfffffffff000000", /* a map instead */
        "9203910000000000c6ff", /* no byte string */
        "920391c6ffffffff0000", /* one of 4 GiB */
    };

    wire_size = 10;
    for (size_t i = 0; i < LEN(counts); i++) {
        hex_read(counts[i], wire, wire_size);
        ck_assert_int_eq(decode(), ERR_BAD);
    }
    memset(wire, 0x93, MESSAGE_SIZE_MAX); /* A tower. */
    wire_size = MESSAGE_SIZE_MAX;
    ck_assert_int_eq(decode(), ERR_BAD);
    ck_assert_int_eq(message_decode(&got, slice_of(NULL, 0)), ERR_BAD);
}
END_TEST

static void check_hex(enum message_type type, const char *hex)
{
    uint8_t want[256];

    make_plain(type);
    encode();
    ck_assert_uint_eq(wire_size, strlen(hex) / 2);
    hex_read(hex, want, wire_size);
    ck_assert_bytes_eq(wire, want, wire_size);
}

/* The bytes are those of docs/PROTOCOL.md. */
START_TEST(test_message_bounds_known_bytes)
{
#define D1                             \
    "c420"                             \
    "d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1" \
    "d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1"
    check_hex(MESSAGE_FLUSH, "920e" D1);
    check_hex(MESSAGE_APPEND, "950d" D1 "000101");
    check_hex(MESSAGE_READ, "9614" D1 "00000101");
    check_hex(MESSAGE_REFUSE, "9528"
                              "0a" D1 "07a76e6f20726f6f6d");
    check_hex(MESSAGE_HEADS, "9301c29194"
                             "c420a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1"
                             "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1"
                             "02cd012c"
                             "c420a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2"
                             "a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2");
    check_hex(MESSAGE_ACCEPT, "970b" D1 "070592"
                              "c420e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4"
                              "e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4"
                              "c420e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1"
                              "e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1"
                              "04c2");
#undef D1
}
END_TEST

/* Our own nonsense does not leave the node, whichever bound it breaks. */
START_TEST(test_message_bounds_encode_asserts)
{
    size_t size = 0;

    make_plain(types[_i]);
    switch (types[_i]) {
    case MESSAGE_HEADS:
        made.u.heads.len = MESSAGE_HEADS_MAX + 1;
        break;
    case MESSAGE_WANT:
        made.u.want.from = MERKLE_LEAVES_MAX;
        break;
    case MESSAGE_ENTRIES:
        made.u.entries.len = MESSAGE_ENTRIES_MAX + 1;
        break;
    case MESSAGE_OFFER:
        memset(made.u.offer.label, 'x', sizeof(made.u.offer.label));
        break;
    case MESSAGE_ACCEPT:
        made.u.accept.range.leaves = made.u.accept.final_leaves - 1;
        break;
    case MESSAGE_CUT:
        made.u.cut.range.leaves = UINT64_MAX;
        break;
    case MESSAGE_APPEND:
        made.u.append.stream = 0;
        break;
    case MESSAGE_FLUSH:
        fill(&made.u.flush.deposit_id, 0);
        break;
    case MESSAGE_DURABLE:
        made.u.durable.leaves = UINT64_MAX;
        break;
    case MESSAGE_COMMIT:
        made.u.commit.leaves = UINT64_MAX;
        break;
    case MESSAGE_DEAL:
        made.u.deal.envelope.size = MESSAGE_ENVELOPE_MAX + 1;
        break;
    case MESSAGE_READ:
        made.u.read.first_leaf = UINT64_MAX;
        break;
    case MESSAGE_CELL:
        made.u.cell.nodes_len = MERKLE_RUN_NODES_MAX + 1;
        break;
    case MESSAGE_ENVELOPE_WANT:
        fill(&made.u.envelope_want.release_id, 0);
        break;
    case MESSAGE_ENVELOPE:
        made.u.envelope.envelope.size = 0;
        break;
    case MESSAGE_REFUSE:
        made.u.refuse.status = OK;
        break;
    }
    (void)!message_encode(&made, wire, sizeof(wire), &size);
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("message_bounds");
    TCase *tc = tcase_create("message_bounds");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_message_bounds_numbers);
    tcase_add_test(tc, test_message_bounds_run_does_not_overflow);
    tcase_add_test(tc, test_message_bounds_ids_name_something);
    tcase_add_test(tc, test_message_bounds_text_is_plain);
    tcase_add_test(tc, test_message_bounds_arrays);
    tcase_add_test(tc, test_message_bounds_range_has_its_nodes);
    tcase_add_test(tc, test_message_bounds_heads_are_sorted);
    tcase_add_test(tc, test_message_bounds_head);
    tcase_add_test(tc, test_message_bounds_full_heads_fit);
    tcase_add_test(tc, test_message_bounds_entries_fit_together);
    tcase_add_test(tc, test_message_bounds_unknown_type);
    tcase_add_test(tc, test_message_bounds_item_counts);
    tcase_add_test(tc, test_message_bounds_counts_without_items);
    tcase_add_test(tc, test_message_bounds_known_bytes);
    tcase_add_loop_test_raise_signal(tc, test_message_bounds_encode_asserts,
                                     SIGABRT, 0, LEN(types));
    suite_add_tcase(s, tc);
    return s;
}
