#include <stdlib.h>

#include "crypto/hash.h"
#include "protocol/canon.h"
#include "protocol/feed.h"
#include "tests/suite.h"

#define ENTRIES 20

static struct digest net, other_net;
static struct sign_key key, other_key;
static struct feed_tip tip;

/* A feed as it was written, with what stood before each entry. */
static struct {
    uint8_t bytes[512];
    size_t size;
    struct feed_entry e;
    struct merkle_range range;
} feed[ENTRIES];
static size_t feed_len;

/* One entry under the knife: its parts, and their encoding. */
static uint8_t header[2048], wire[FEED_ENTRY_MAX + 4096];
static struct slice header_s, wire_s;

static struct digest author_of(const struct sign_key *k)
{
    struct digest d;

    memcpy(d.bytes, k->pk, DIGEST_SIZE);
    return d;
}

static void start(void)
{
    const uint8_t seed[SIGN_SEED_SIZE] = {1}, other[SIGN_SEED_SIZE] = {2};
    struct digest author;

    memset(&net, 0x11, sizeof(net));
    memset(&other_net, 0x22, sizeof(other_net));
    sign_key_from_seed(&key, seed);
    sign_key_from_seed(&other_key, other);
    author = author_of(&key);
    feed_tip_init(&tip, &net, &author, 0);
    feed_len = 0;
}

/* Write an entry at the tip, read it back, and advance. */
static void append(const char *payload, uint64_t time_ms)
{
    struct feed_entry *e = &feed[feed_len].e;

    ck_assert_int_eq(feed_append(&tip, &key, FEED_RECEIPT, slice_str(payload),
                                 time_ms, feed[feed_len].bytes,
                                 sizeof(feed[feed_len].bytes),
                                 &feed[feed_len].size),
                     OK);
    ck_assert_int_eq(feed_entry_decode(e, slice_of(feed[feed_len].bytes,
                                                   feed[feed_len].size)),
                     OK);
    feed[feed_len].range = tip.range;
    feed_tip_advance(&tip, e);
    feed_len++;
}

static void start_with(size_t entries)
{
    start();
    for (size_t i = 0; i < entries; i++) {
        append(i % 2 == 0 ? "even" : "", 1000 + 10 * i);
    }
}

static const struct feed_entry *before(size_t i)
{
    return i == 0 ? NULL : &feed[i - 1].e;
}

static int follows(const struct feed_entry *e, size_t at)
{
    return feed_entry_follows(e, before(at), &feed[at].range);
}

/* Write |h| as a header of |version| by hand, sign it and wrap it. */
static void forge_version(const struct feed_header *h,
                          uint64_t version,
                          const struct sign_key *k,
                          struct slice payload)
{
    struct canon_writer w;
    uint8_t sig[SIGN_SIZE];

    canon_write_init(&w, header, sizeof(header));
    canon_put_array(&w, 12);
    canon_put_uint(&w, version);
    canon_put_digest(&w, &h->net);
    canon_put_digest(&w, &h->author);
    canon_put_uint(&w, h->incarnation);
    canon_put_uint(&w, h->seq);
    canon_put_digest(&w, &h->prev);
    canon_put_digest(&w, &h->root);
    canon_put_uint(&w, h->kind);
    canon_put_uint(&w, h->payload_size);
    canon_put_digest(&w, &h->payload_hash);
    canon_put_uint(&w, h->time_ms);
    canon_put_uint(&w, h->tick);
    ck_assert_int_eq(canon_write_end(&w, &header_s), OK);
    sign_make(k, "feed", &h->net, header_s, sig);
    canon_write_init(&w, wire, sizeof(wire));
    canon_put_array(&w, 3);
    canon_put_bin(&w, header_s);
    canon_put_bin(&w, slice_of(sig, sizeof(sig)));
    if (payload.data == NULL) {
        canon_put_nil(&w);
    } else {
        canon_put_bin(&w, payload);
    }
    ck_assert_int_eq(canon_write_end(&w, &wire_s), OK);
}

static int forge(struct feed_entry *e,
                 const struct feed_header *h,
                 struct slice payload)
{
    forge_version(h, 1, &key, payload);
    return feed_entry_decode(e, wire_s);
}

/* Wrap arbitrary header bytes. */
static int wrap(struct slice head, size_t sig_size, struct slice payload)
{
    static const uint8_t zero[128];
    struct feed_entry e;
    struct canon_writer w;

    canon_write_init(&w, wire, sizeof(wire));
    canon_put_array(&w, 3);
    canon_put_bin(&w, head);
    canon_put_bin(&w, slice_of(zero, sig_size));
    canon_put_bin(&w, payload);
    ck_assert_int_eq(canon_write_end(&w, &wire_s), OK);
    return feed_entry_decode(&e, wire_s);
}

/* A feed is written, read, verified and chained; what was put comes back. */
START_TEST(test_feed_round_trip)
{
    start_with(ENTRIES);
    for (size_t i = 0; i < feed_len; i++) {
        const struct feed_entry *e = &feed[i].e;

        ck_assert_int_eq(feed_entry_verify(e, key.pk), OK);
        ck_assert_int_eq(follows(e, i), OK);
        ck_assert_uint_eq(e->header.seq, i);
        ck_assert_uint_eq(e->header.kind, FEED_RECEIPT);
        ck_assert_uint_eq(e->header.time_ms, 1000 + 10 * i);
        ck_assert_uint_eq(e->header.tick, 0);
        ck_assert(digest_equal(&e->header.net, &net));
        ck_assert(!e->pruned);
        ck_assert(slice_equal(e->payload, slice_str(i % 2 == 0 ? "even" : "")));
    }
    ck_assert_uint_eq(tip.seq, ENTRIES);
    ck_assert(digest_equal(&tip.prev, &feed[ENTRIES - 1].e.id));
}
END_TEST

/* The first entry of a feed, byte for byte as docs/FORMAT.md 5 has it. */
START_TEST(test_feed_known_bytes)
{
    struct digest id, hash, root;
    const struct feed_entry *e;
    uint8_t want[256], *at = want;

    start();
    append("payload", 500);
    e = &feed[0].e;
    sha256(slice_str("payload"), &hash);
    sha256(slice_str(""), &root);
    hex_read("9c01c420", at, 4);
    memcpy(at + 4, net.bytes, 32);
    hex_read("c420", at + 36, 2);
    memcpy(at + 38, key.pk, 32);
    hex_read("0000c420", at + 70, 4);
    memset(at + 74, 0, 32);
    hex_read("c420", at + 106, 2);
    memcpy(at + 108, root.bytes, 32);
    hex_read("0207c420", at + 140, 4);
    memcpy(at + 144, hash.bytes, 32);
    hex_read("cd01f400", at + 176, 4);
    ck_assert(slice_equal(e->header_bytes, slice_of(want, 180)));
    TH256(&id, "feed-id", slice_of(want, 180));
    ck_assert(digest_equal(&id, &e->id));
    ck_assert_int_eq(
        sign_verify(key.pk, "feed", &net, slice_of(want, 180), e->signature),
        OK);
    /* [header, signature, payload] */
    hex_read("93c4b4", at, 3);
    ck_assert_bytes_eq(feed[0].bytes, want, 3);
    hex_read("c440", at, 2);
    ck_assert_bytes_eq(feed[0].bytes + 183, want, 2);
    hex_read("c407", at, 2);
    ck_assert_bytes_eq(feed[0].bytes + 249, want, 2);
    ck_assert_uint_eq(feed[0].size, 258);
}
END_TEST

/* The roots of the headers are those of the tree over the ids before. */
START_TEST(test_feed_roots_commit_to_history)
{
    struct merkle_range range;
    struct digest root, leaf;

    start_with(ENTRIES);
    merkle_range_init(&range);
    for (size_t i = 0; i < feed_len; i++) {
        merkle_range_root(&range, &root);
        ck_assert(digest_equal(&root, &feed[i].e.header.root));
        merkle_leaf(digest_slice(&feed[i].e.id), &leaf);
        merkle_range_append(&range, &leaf, NULL, NULL);
    }
}
END_TEST

/* Without its payload an entry is the same entry. */
START_TEST(test_feed_pruned_entry)
{
    struct feed_entry e;

    start_with(3);
    ck_assert_int_eq(forge(&e, &feed[2].e.header, slice_of(NULL, 0)), OK);
    ck_assert(e.pruned);
    ck_assert_uint_eq(e.payload.size, 0);
    ck_assert_uint_eq(e.header.payload_size, 4);
    ck_assert(digest_equal(&e.id, &feed[2].e.id));
    ck_assert_int_eq(feed_entry_verify(&e, key.pk), OK);
    ck_assert_int_eq(follows(&e, 2), OK);
}
END_TEST

/* Two signatures on one header are one entry, not a fork. */
START_TEST(test_feed_id_ignores_signature)
{
    struct feed_entry e;

    start_with(2);
    forge_version(&feed[1].e.header, 1, &other_key, slice_str(""));
    ck_assert_int_eq(feed_entry_decode(&e, wire_s), OK);
    ck_assert(memcmp(e.signature, feed[1].e.signature, SIGN_SIZE) != 0);
    ck_assert(digest_equal(&e.id, &feed[1].e.id));
    ck_assert_int_eq(feed_entry_verify(&e, key.pk), ERR_AUTH);
    ck_assert_int_eq(feed_entry_verify(&e, other_key.pk), OK);
    ck_assert_int_eq(feed_entry_verify(&feed[1].e, key.pk), OK);
}
END_TEST

/* A fork is two ids at one place, at the start as anywhere, and also where the
 * payloads are gone. */
START_TEST(test_feed_fork_has_two_ids)
{
    for (size_t at = 0; at < 3; at++) {
        struct feed_header h;
        struct feed_entry e;

        start_with(3);
        h = feed[at].e.header;
        h.payload_hash.bytes[0] ^= 1;
        ck_assert_int_eq(forge(&e, &h, slice_of(NULL, 0)), OK);
        ck_assert_int_eq(feed_entry_verify(&e, key.pk), OK);
        ck_assert_int_eq(follows(&e, at), OK);
        ck_assert(!digest_equal(&e.id, &feed[at].e.id));
    }
}
END_TEST

/* An entry belongs to one network: a signature made in another is worthless,
 * and a header that names another does not follow. */
START_TEST(test_feed_wrong_net)
{
    struct feed_header h;
    struct feed_entry e;

    start_with(2);
    e = feed[1].e;
    e.header.net = other_net;
    ck_assert_int_eq(feed_entry_verify(&e, key.pk), ERR_AUTH);
    h = feed[1].e.header;
    h.net = other_net;
    ck_assert_int_eq(forge(&e, &h, slice_str("")), OK);
    ck_assert_int_eq(feed_entry_verify(&e, key.pk), OK);
    ck_assert_int_eq(follows(&e, 1), ERR_MISMATCH);
}
END_TEST

enum change {
    CHANGE_NONE,
    CHANGE_GAP,
    CHANGE_REPEAT,
    CHANGE_PREV,
    CHANGE_ROOT,
    CHANGE_INCARNATION,
    CHANGE_AUTHOR,
    CHANGE_NET,
    CHANGE_TIME,
    CHANGE_COUNT
};

static void change_header(struct feed_header *h, enum change c)
{
    switch (c) {
    case CHANGE_GAP:
        h->seq++;
        break;
    case CHANGE_REPEAT:
        h->seq--;
        break;
    case CHANGE_PREV:
        h->prev.bytes[31] ^= 1;
        break;
    case CHANGE_ROOT:
        h->root.bytes[0] ^= 0x80;
        break;
    case CHANGE_INCARNATION:
        h->incarnation++;
        break;
    case CHANGE_AUTHOR:
        h->author = author_of(&other_key);
        break;
    case CHANGE_NET:
        h->net = other_net;
        break;
    case CHANGE_TIME:
        h->time_ms = 1009; /* Entry 1 was at 1010. */
        break;
    case CHANGE_NONE:
    case CHANGE_COUNT:
        break;
    }
}

/* Each link of the chain is checked, however well the entry is signed. */
START_TEST(test_feed_chain_is_checked)
{
    for (enum change c = CHANGE_NONE; c < CHANGE_COUNT; c++) {
        struct feed_header h;
        struct feed_entry e;

        start_with(3);
        h = feed[2].e.header;
        change_header(&h, c);
        ck_assert_int_eq(forge(&e, &h, slice_str("even")), OK);
        ck_assert_int_eq(feed_entry_verify(&e, key.pk), OK);
        ck_assert_msg((follows(&e, 2) == OK) == (c == CHANGE_NONE), "change %d",
                      (int)c);
    }
}
END_TEST

/* Nothing is before the first entry. */
START_TEST(test_feed_first_entry)
{
    struct feed_header h;
    struct feed_entry e;

    start_with(2);
    ck_assert_int_eq(follows(&feed[1].e, 0), ERR_MISMATCH);
    h = feed[0].e.header;
    h.prev.bytes[0] = 1;
    ck_assert_int_eq(forge(&e, &h, slice_str("even")), OK);
    ck_assert_int_eq(follows(&e, 0), ERR_MISMATCH);
    h = feed[0].e.header;
    h.root.bytes[0] ^= 1;
    ck_assert_int_eq(forge(&e, &h, slice_str("even")), OK);
    ck_assert_int_eq(follows(&e, 0), ERR_MISMATCH);
    h = feed[0].e.header;
    h.seq = 1;
    ck_assert_int_eq(forge(&e, &h, slice_str("even")), OK);
    ck_assert_int_eq(follows(&e, 0), ERR_MISMATCH);
}
END_TEST

/* Entries of one incarnation mean nothing in another, though the place, the
 * author and the payload are the same. */
START_TEST(test_feed_replay_into_incarnation)
{
    struct feed_entry old;
    struct digest author;

    start_with(3);
    old = feed[2].e;
    author = author_of(&key);
    feed_tip_init(&tip, &net, &author, 1);
    feed_len = 0;
    append("even", 1000);
    append("", 1010);
    append("even", 1020);
    ck_assert(!digest_equal(&old.id, &feed[2].e.id));
    old.header.prev = feed[1].e.id; /* Not even with its chain repaired. */
    old.header.root = feed[2].e.header.root;
    ck_assert_int_eq(follows(&old, 2), ERR_MISMATCH);
    old.header.incarnation = 1;
    ck_assert_int_eq(follows(&old, 2), OK);
}
END_TEST

/* A clock that was set back does not break the feed. */
START_TEST(test_feed_time_never_goes_back)
{
    start();
    append("a", 5000);
    append("b", 100);
    append("c", 5001);
    ck_assert_uint_eq(feed[1].e.header.time_ms, 5000);
    ck_assert_uint_eq(feed[2].e.header.time_ms, 5001);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(follows(&feed[i].e, i), OK);
    }
}
END_TEST

/* The payload is the one that was signed for. */
START_TEST(test_feed_payload_is_checked)
{
    struct feed_header h;
    struct feed_entry e;

    start_with(1);
    h = feed[0].e.header;
    ck_assert_int_eq(forge(&e, &h, slice_str("even")), OK);
    ck_assert_int_eq(forge(&e, &h, slice_str("evil")), ERR_MISMATCH);
    ck_assert_int_eq(forge(&e, &h, slice_str("eve")), ERR_MISMATCH);
    ck_assert_int_eq(forge(&e, &h, slice_str("")), ERR_MISMATCH);
    h.payload_size = 5; /* The hash fits, the size does not. */
    ck_assert_int_eq(forge(&e, &h, slice_str("even")), ERR_MISMATCH);
}
END_TEST

/* Kinds and ticks that mean nothing here are kept; versions are not. */
START_TEST(test_feed_unknown_numbers)
{
    struct feed_header h;
    struct feed_entry e;

    start_with(1);
    h = feed[0].e.header;
    h.kind = UINT16_MAX;
    h.tick = UINT64_MAX;
    ck_assert_int_eq(forge(&e, &h, slice_str("even")), OK);
    ck_assert_uint_eq(e.header.kind, UINT16_MAX);
    ck_assert(e.header.tick == UINT64_MAX);
    forge_version(&h, 2, &key, slice_str("even"));
    ck_assert_int_eq(feed_entry_decode(&e, wire_s), ERR_UNSUPPORTED);
    forge_version(&h, 0, &key, slice_str("even"));
    ck_assert_int_eq(feed_entry_decode(&e, wire_s), ERR_UNSUPPORTED);
}
END_TEST

/* Numbers at and beyond their bounds. */
START_TEST(test_feed_bounds)
{
    static uint8_t payload[FEED_PAYLOAD_MAX + 1];
    struct feed_header h;
    struct feed_entry e;
    size_t size = 77;

    start_with(1);
    h = feed[0].e.header;
    h.seq = MERKLE_LEAVES_MAX - 1;
    ck_assert_int_eq(forge(&e, &h, slice_str("even")), OK);
    h.seq++;
    ck_assert_int_eq(forge(&e, &h, slice_str("even")), ERR_BAD);
    h.seq = 0;
    h.payload_size = FEED_PAYLOAD_MAX;
    ck_assert_int_eq(forge(&e, &h, slice_of(NULL, 0)), OK);
    h.payload_size++;
    ck_assert_int_eq(forge(&e, &h, slice_of(NULL, 0)), ERR_BAD);

    /* The largest entry fits into FEED_ENTRY_MAX, also late in a feed. */
    tip.seq = MERKLE_LEAVES_MAX - 1;
    tip.range.leaves = tip.seq;
    memset(tip.range.nodes, 0, sizeof(tip.range.nodes));
    tip.incarnation = UINT32_MAX;
    ck_assert_int_eq(feed_append(&tip, &key, FEED_KIND_LAST,
                                 slice_of(payload, FEED_PAYLOAD_MAX),
                                 UINT64_MAX, wire, FEED_ENTRY_MAX, &size),
                     OK);
    ck_assert_uint_le(size, FEED_ENTRY_MAX);
    ck_assert_int_eq(feed_entry_decode(&e, slice_of(wire, size)), OK);
    ck_assert_uint_eq(e.payload.size, FEED_PAYLOAD_MAX);
    size = 77;
    ck_assert_int_eq(feed_append(&tip, &key, FEED_KIND_LAST,
                                 slice_of(payload, sizeof(payload)), 0, wire,
                                 sizeof(wire), &size),
                     ERR_BAD);
    tip.seq++;
    tip.range.leaves++;
    ck_assert_int_eq(feed_append(&tip, &key, FEED_KIND_LAST, slice_str(""), 0,
                                 wire, sizeof(wire), &size),
                     ERR_FULL);
    ck_assert_uint_eq(size, 77);
}
END_TEST

/* The three parts have their sizes. */
START_TEST(test_feed_parts_have_bounds)
{
    static const uint8_t junk[FEED_PAYLOAD_MAX + 1];
    struct feed_entry e;

    start_with(1);
    ck_assert_int_eq(wrap(feed[0].e.header_bytes, 64, slice_str("even")), OK);
    ck_assert_int_eq(wrap(feed[0].e.header_bytes, 63, slice_str("even")),
                     ERR_BAD);
    ck_assert_int_eq(wrap(feed[0].e.header_bytes, 65, slice_str("even")),
                     ERR_BAD);
    ck_assert_int_eq(wrap(slice_str(""), 64, slice_str("even")), ERR_BAD);
    ck_assert_int_eq(
        wrap(slice_of(junk, FEED_HEADER_MAX + 1), 64, slice_str("even")),
        ERR_BAD);
    ck_assert_int_eq(
        wrap(feed[0].e.header_bytes, 64, slice_of(junk, FEED_PAYLOAD_MAX + 1)),
        ERR_BAD);
    ck_assert_int_eq(feed_entry_decode(&e, slice_of(NULL, 0)), ERR_BAD);
}
END_TEST

/* Headers that say the same in other bytes, each wrapped soundly. */
START_TEST(test_feed_header_is_canonical)
{
    struct slice h;
    uint8_t b[FEED_HEADER_MAX];

    start_with(1);
    h = feed[0].e.header_bytes;
    memcpy(b, h.data, h.size);
    /* 12 items as array16 */
    memmove(b + 3, b + 1, h.size - 1);
    hex_read("dc000c", b, 3);
    ck_assert_int_eq(wrap(slice_of(b, h.size + 2), 64, slice_str("even")),
                     ERR_BAD);
    /* version 1 as uint8 */
    hex_read("9ccc01", b, 3);
    memcpy(b + 3, h.data + 2, h.size - 2);
    ck_assert_int_eq(wrap(slice_of(b, h.size + 1), 64, slice_str("even")),
                     ERR_BAD);
    /* the tick, last, as int8 */
    memcpy(b, h.data, h.size - 1);
    hex_read("d000", b + h.size - 1, 2);
    ck_assert_int_eq(wrap(slice_of(b, h.size + 1), 64, slice_str("even")),
                     ERR_BAD);
    /* a byte behind */
    memcpy(b, h.data, h.size);
    b[h.size] = 0;
    ck_assert_int_eq(wrap(slice_of(b, h.size + 1), 64, slice_str("even")),
                     ERR_BAD);
    /* an item more, an item fewer */
    b[0] = 0x9d;
    ck_assert_int_eq(wrap(slice_of(b, h.size + 1), 64, slice_str("even")),
                     ERR_BAD);
    b[0] = 0x9b;
    ck_assert_int_eq(wrap(slice_of(b, h.size - 1), 64, slice_str("even")),
                     ERR_BAD);
}
END_TEST

/* Counts without items behind them, and towers of arrays, are refused without
 * memory or stack being spent on them. */
START_TEST(test_feed_bombs_refused)
{
    static const uint8_t counts[][8] = {
        {0xdd, 0xff, 0xff, 0xff, 0xff},
        {0xdf, 0xff, 0xff, 0xff, 0xff},
        {0x93, 0xc6, 0xff, 0xff, 0xff, 0xff, 0xc0, 0xc0},
        {0x93, 0xdd, 0xff, 0xff, 0xff, 0xff, 0xc0, 0xc0},
    };
    struct feed_entry e;

    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        ck_assert_int_eq(feed_entry_decode(&e, slice_of(counts[i], 8)),
                         ERR_BAD);
    }
    memset(wire, 0x93, sizeof(wire));
    ck_assert_int_eq(feed_entry_decode(&e, slice_of(wire, sizeof(wire))),
                     ERR_BAD);
    memset(header, 0x9c, sizeof(header));
    ck_assert_int_eq(wrap(slice_of(header, FEED_HEADER_MAX), 64, slice_str("")),
                     ERR_BAD);
}
END_TEST

/* No cut and no added byte is an entry; refused input leaves the output
 * alone. */
START_TEST(test_feed_every_cut)
{
    struct feed_entry e;

    start_with(3);
    e.header.seq = 99;
    for (size_t cut = 0; cut < feed[2].size; cut++) {
        uint8_t *copy = malloc(cut + 1); /* Ends where the entry was cut. */

        memcpy(copy + 1, feed[2].bytes, cut);
        ck_assert_int_eq(feed_entry_decode(&e, slice_of(copy + 1, cut)),
                         ERR_BAD);
        free(copy);
    }
    feed[2].bytes[feed[2].size] = 0;
    ck_assert_int_eq(
        feed_entry_decode(&e, slice_of(feed[2].bytes, feed[2].size + 1)),
        ERR_BAD);
    ck_assert_uint_eq(e.header.seq, 99);
}
END_TEST

/* Any change of one byte is refused, or it is an entry that does not verify:
 * with another id, unless the signature is what changed. */
START_TEST(test_feed_every_byte_counts)
{
    struct feed_entry e;

    start_with(3);
    for (size_t at = 0; at < feed[2].size; at++) {
        for (unsigned flip = 1; flip < 256; flip++) {
            bool same_signature;

            feed[2].bytes[at] ^= (uint8_t)flip;
            if (feed_entry_decode(&e, slice_of(feed[2].bytes, feed[2].size)) ==
                OK) {
                same_signature =
                    memcmp(e.signature, feed[2].e.signature, SIGN_SIZE) == 0;
                ck_assert(digest_equal(&e.id, &feed[2].e.id) != same_signature);
                /* Each verification is slow under the sanitizers. */
                if (flip == 1 || flip == 0x80) {
                    ck_assert_int_eq(feed_entry_verify(&e, key.pk), ERR_AUTH);
                }
            }
            feed[2].bytes[at] ^= (uint8_t)flip;
        }
    }
}
END_TEST

/* A buffer of any size below is reported full, with nothing beyond it. */
START_TEST(test_feed_append_full)
{
    size_t size = 77;

    start_with(1);
    for (size_t max = 0; max < feed[0].size; max += 7) {
        memset(wire, 0xee, sizeof(feed[0].bytes));
        ck_assert_int_eq(feed_append(&tip, &key, FEED_RECEIPT,
                                     slice_str("even"), 0, wire, max, &size),
                         ERR_FULL);
        ck_assert_uint_eq(wire[max], 0xee);
        ck_assert_uint_eq(size, 77);
    }
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("feed");
    TCase *tc = tcase_create("feed");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_feed_round_trip);
    tcase_add_test(tc, test_feed_known_bytes);
    tcase_add_test(tc, test_feed_roots_commit_to_history);
    tcase_add_test(tc, test_feed_pruned_entry);
    tcase_add_test(tc, test_feed_id_ignores_signature);
    tcase_add_test(tc, test_feed_fork_has_two_ids);
    tcase_add_test(tc, test_feed_wrong_net);
    tcase_add_test(tc, test_feed_chain_is_checked);
    tcase_add_test(tc, test_feed_first_entry);
    tcase_add_test(tc, test_feed_replay_into_incarnation);
    tcase_add_test(tc, test_feed_time_never_goes_back);
    tcase_add_test(tc, test_feed_payload_is_checked);
    tcase_add_test(tc, test_feed_unknown_numbers);
    tcase_add_test(tc, test_feed_bounds);
    tcase_add_test(tc, test_feed_parts_have_bounds);
    tcase_add_test(tc, test_feed_header_is_canonical);
    tcase_add_test(tc, test_feed_bombs_refused);
    tcase_add_test(tc, test_feed_every_cut);
    tcase_add_test(tc, test_feed_every_byte_counts);
    tcase_add_test(tc, test_feed_append_full);
    suite_add_tcase(s, tc);
    return s;
}
