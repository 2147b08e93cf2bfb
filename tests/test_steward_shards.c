#include "crypto/hash.h"
#include "protocol/policy.h"
#include "protocol/release.h"
#include "replication/keys.h"
#include "replication/steward/steward_links.h"
#include "replication/steward/steward_quotas.h"
#include "replication/steward/steward_state.h"
#include "tests/steward_feeds.h"

#define STEWARDS 4U
#define LAB      4U
#define OTHER    5U /* Another lab. */
#define AUDITOR  6U
#define LEAVES   12ULL /* Of a shard. */
#define DAY_MS   86400000ULL

static const enum card_role roles[WORLD_MEMBERS] = {
    CARD_STEWARD, CARD_STEWARD, CARD_STEWARD, CARD_STEWARD,
    CARD_LAB,     CARD_LAB,     CARD_AUDITOR, CARD_LAB};

static struct world w;
static struct test_feed feed;
static struct digest chance, deposit; /* The lab's deposit of |chance|. */
static struct manifest manifest;
/* The last of each that the lab heard. */
static struct message_accept accepted;
static struct message_refuse refused;
static uint64_t durable;
static unsigned accepts, durables, refusals, receipts;

/* --- What the lab hears -------------------------------------------------- */

/* Whatever a steward has once said in its feed stands there for ever. */
static struct {
    struct digest author, id;
    uint64_t seq;
} said[64];
static size_t said_len;

static void hear_entry(struct slice bytes)
{
    struct release_receipt r;
    struct feed_entry e;

    ck_assert_int_eq(feed_entry_decode(&e, bytes), OK);
    for (size_t i = 0; i < said_len; i++) {
        if (said[i].seq == e.header.seq &&
            digest_equal(&said[i].author, &e.header.author)) {
            ck_assert(digest_equal(&said[i].id, &e.id));
            return;
        }
    }
    if (e.header.kind != FEED_RECEIPT) {
        return;
    }
    ck_assert_uint_lt(said_len, 64);
    said[said_len].author = e.header.author;
    said[said_len].seq = e.header.seq;
    said[said_len++].id = e.id;
    ck_assert_int_eq(release_receipt_decode(&r, e.payload), OK);
    ck_assert(digest_equal(&r.deposit_id, &manifest.deposit_id));
    ck_assert(digest_equal(&r.root, &manifest.roots[r.index]));
    ck_assert(digest_equal(&e.header.author, &manifest.stewards[r.index]));
    ck_assert_uint_eq(r.shard_size, manifest.shard_size);
    receipts++;
}

static void hear(const struct message *m)
{
    if (m->type == MESSAGE_ACCEPT) {
        accepted = m->u.accept;
        accepts++;
    } else if (m->type == MESSAGE_REFUSE) {
        refused = m->u.refuse;
        refusals++;
    } else if (m->type == MESSAGE_DURABLE) {
        durable = m->u.durable.leaves;
        durables++;
    } else if (m->type == MESSAGE_ENTRIES) {
        for (size_t i = 0; i < m->u.entries.len; i++) {
            hear_entry(m->u.entries.entries[i]);
        }
    }
}

static void on_message(struct world *world,
                       unsigned member,
                       uint64_t link,
                       const struct message *m)
{
    hear(m);
    if (member == LAB) {
        test_feed_serve(&feed, world, member, link, m);
    }
}

static void on_link(struct world *world, unsigned member, uint64_t id, bool up)
{
    if (up && member == LAB) {
        test_feed_heads(&feed, world, member, id);
    }
}

/* --- What the lab says --------------------------------------------------- */

static void deposit_pick(uint8_t n)
{
    memset(chance.bytes, n, DIGEST_SIZE);
    manifest_deposit_id(&deposit, &w.net, &w.ids[LAB], chance.bytes);
}

static void manifest_make(void)
{
    struct scalar x;

    memset(&manifest, 0, sizeof(manifest));
    manifest.net = w.net;
    manifest.deposit_id = deposit;
    manifest.random = chance;
    memcpy(manifest.label, "model", 6);
    manifest.time_s = 1700000000;
    manifest.plain_size = 1000;
    manifest.segment_size = 65536;
    manifest.segments = 2;
    manifest.catalogue_segments = 1;
    manifest.k = 2;
    manifest.n = STEWARDS;
    manifest.t = 2;
    manifest.shard_size = LEAVES * LEAF_SIZE;
    for (uint16_t i = 0; i < STEWARDS; i++) {
        struct merkle_range range;

        world_range(&deposit, i, LEAVES, &range);
        merkle_range_root(&range, &manifest.roots[i]);
        manifest.stewards[i] = w.ids[i];
    }
    for (unsigned i = 0; i < manifest.t; i++) {
        scalar_from_u64(&x, 7 + i);
        element_mul_base(&manifest.commitments[i], &x);
    }
    ck_assert_int_eq(policy_default(2, manifest.policy, sizeof(manifest.policy),
                                    &manifest.policy_size),
                     OK);
}

static struct slice manifest_payload(void)
{
    static uint8_t bytes[MANIFEST_SIZE_MAX];
    size_t size = 0;

    ck_assert_int_eq(manifest_encode(&manifest, bytes, sizeof(bytes), &size),
                     OK);
    return slice_of(bytes, size);
}

/* Write the manifest into the lab's feed. */
static void manifest_append(void)
{
    test_feed_append(&feed, &w.keys[LAB], FEED_MANIFEST, manifest_payload());
}

static void manifest_say(uint64_t link)
{
    manifest_append();
    test_feed_say(&feed, &w, LAB, link, feed.len - 1, 1);
    world_run(&w);
}

static struct message offer_of(unsigned lab, uint16_t index, uint64_t leaves)
{
    struct message m = {.type = MESSAGE_OFFER};

    m.u.offer = (struct message_offer){.random = chance,
                                       .net = w.net,
                                       .lab = w.ids[lab],
                                       .label = "model",
                                       .index = index,
                                       .k = 2,
                                       .n = STEWARDS,
                                       .t = 2,
                                       .segment_size = 65536,
                                       .size_max = leaves * LEAF_SIZE};
    return m;
}

static void say(uint64_t link, const struct message *m)
{
    world_say(&w, LAB, link, m);
    world_run(&w);
}

static void offer(uint64_t link)
{
    struct message m = offer_of(LAB, 0, LEAVES + 4);

    say(link, &m);
}

static void append_leaves(uint64_t link, uint64_t first, uint64_t leaves)
{
    struct message m = {.type = MESSAGE_APPEND};

    m.u.append = (struct message_append){.deposit_id = deposit,
                                         .first_leaf = first,
                                         .leaves = leaves,
                                         .stream = 1};
    world_say(&w, LAB, link, &m);
}

static void flush(uint64_t link)
{
    struct message m = {.type = MESSAGE_FLUSH};

    m.u.flush.deposit_id = deposit;
    world_say(&w, LAB, link, &m);
}

static void cut(uint64_t link, uint16_t index, uint64_t leaves)
{
    struct message m = {.type = MESSAGE_CUT};

    m.u.cut.deposit_id = deposit;
    world_range(&deposit, index, leaves, &m.u.cut.range);
    world_say(&w, LAB, link, &m);
}

static void commit(uint64_t link, uint64_t leaves)
{
    struct message m = {.type = MESSAGE_COMMIT};

    m.u.commit =
        (struct message_commit){.deposit_id = deposit, .leaves = leaves};
    world_say(&w, LAB, link, &m);
}

static void fill(uint64_t link, uint64_t first, uint64_t leaves)
{
    append_leaves(link, first, leaves);
    flush(link);
    world_run(&w);
}

/* --- Start --------------------------------------------------------------- */

static void start_seed(uint64_t seed, unsigned stewards)
{
    world_open(&w, seed, stewards, roles);
    w.on_message = on_message;
    w.on_link = on_link;
    deposit_pick(1);
    test_feed_init(&feed, &w, LAB, 0);
    manifest_make();
    memset(&accepted, 0, sizeof(accepted));
    accepts = durables = refusals = receipts = 0;
    said_len = 0;
}

static uint64_t start(void)
{
    uint64_t link;

    start_seed(1, 1);
    link = world_connect(&w, LAB, 0);
    world_run(&w);
    return link;
}

static void stop(void)
{
    world_close(&w);
    test_feed_free(&feed);
}

static struct steward_counts counts(unsigned node)
{
    struct steward_counts c;

    steward_count(w.nodes[node].s, &c);
    return c;
}

/* --- A deposit ----------------------------------------------------------- */

/* OFFER, bytes, manifest, receipt: and then the shard is there for good. */
START_TEST(test_shards_are_taken_and_receipted)
{
    uint64_t link = start();

    offer(link);
    ck_assert_uint_eq(accepts, 1);
    ck_assert_uint_eq(accepted.range.leaves, 0);
    ck_assert_uint_eq(counts(0).bytes_reserved, (LEAVES + 4) * LEAF_SIZE);
    fill(link, 0, 5);
    ck_assert_uint_eq(durable, 5);
    fill(link, 5, LEAVES - 5);
    ck_assert_uint_eq(durable, LEAVES);
    ck_assert_uint_eq(receipts, 0);
    manifest_say(link);
    ck_assert_uint_eq(receipts, 1);
    ck_assert_uint_eq(refusals, 0);
    ck_assert_uint_eq(counts(0).shards_held, 1);
    ck_assert_uint_eq(counts(0).bytes_held, LEAVES * LEAF_SIZE);
    ck_assert_uint_eq(counts(0).bytes_reserved, 0);
    offer(link);
    ck_assert(accepted.sealed);
    ck_assert_uint_eq(accepted.range.leaves, LEAVES);
    world_crash(&w, 0);
    link = world_connect(&w, LAB, 0);
    world_run(&w);
    offer(link);
    ck_assert(accepted.sealed);
    ck_assert_uint_eq(counts(0).shards_held, 1);
    ck_assert_uint_eq(world_rows(&w, 0, 'F'), 2);
    /* Nothing makes it anything else. */
    world_pass(&w, 40 * DAY_MS);
    ck_assert_uint_eq(counts(0).shards_held, 1);
    stop();
}
END_TEST

/* The manifest may come first, by way of others, and the shard after it. */
START_TEST(test_shards_may_follow_their_manifest)
{
    uint64_t link = start();

    manifest_say(link);
    ck_assert_uint_eq(world_rows(&w, 0, 'M'), 1);
    if (_i == 1) {
        world_crash(&w, 0);
        link = world_connect(&w, LAB, 0);
        world_run(&w);
    }
    offer(link);
    ck_assert_uint_eq(accepts, 1);
    fill(link, 0, LEAVES);
    ck_assert_uint_eq(receipts, 1);
    stop();
}
END_TEST

/* A manifest that gives the shard to another, that has a larger shard than was
 * offered, or another root, gets a REFUSE that says so and no receipt. */
START_TEST(test_shards_of_other_manifests_are_refused)
{
    uint64_t link = start();
    bool first = _i >= 3;
    int kind = _i % 3;

    if (kind == 0) {
        manifest.stewards[0] = w.ids[1];
        manifest.stewards[1] = w.ids[0];
    } else if (kind == 1) {
        manifest.shard_size = (LEAVES + 5) * LEAF_SIZE;
    } else {
        manifest.roots[0].bytes[0] ^= 1;
    }
    if (first) {
        manifest_say(link);
    }
    offer(link);
    if (first && kind < 2) {
        ck_assert_uint_eq(accepts, 0);
        ck_assert_int_eq(refused.status, ERR_DENIED);
        ck_assert_uint_eq(counts(0).shards_filling, 0);
        stop();
        return;
    }
    fill(link, 0, LEAVES);
    if (!first) {
        manifest_say(link);
    }
    ck_assert_uint_eq(refusals, 1);
    ck_assert_int_eq(refused.status, ERR_MISMATCH);
    ck_assert_uint_gt(strlen(refused.text), 0);
    ck_assert(digest_equal(&refused.subject, &deposit));
    ck_assert_uint_eq(receipts, 0);
    ck_assert_uint_eq(counts(0).shards_held, 0);
    ck_assert_uint_eq(counts(0).shards_filling, 1);
    world_crash(&w, 0);
    world_run(&w);
    ck_assert_uint_eq(counts(0).shards_held, 0);
    ck_assert_uint_eq(counts(0).shards_filling, 1);
    stop();
}
END_TEST

/* More bytes than the manifest says: refused until the lab has cut them. */
START_TEST(test_shards_that_are_too_long_can_be_cut)
{
    uint64_t link = start();

    offer(link);
    fill(link, 0, LEAVES + 2);
    manifest_say(link);
    ck_assert_int_eq(refused.status, ERR_MISMATCH);
    ck_assert_uint_eq(receipts, 0);
    cut(link, 0, LEAVES);
    flush(link);
    world_run(&w);
    ck_assert_uint_eq(receipts, 1);
    stop();
}
END_TEST

/* Bytes with another root are given up: the shard begins anew, whatever had
 * become final of it, and nothing is tried again before. */
START_TEST(test_shards_with_false_bytes_can_be_mended)
{
    uint64_t link = start();
    struct world_file *f;

    offer(link);
    append_leaves(link, 0, LEAVES);
    world_run(&w);
    f = world_file(&w, 0, &deposit);
    f->leaves[3].bytes[0] ^= 1;
    flush(link);
    world_run(&w);
    commit(link, 5);
    world_run(&w);
    manifest_say(link);
    ck_assert_int_eq(refused.status, ERR_MISMATCH);
    ck_assert_uint_eq(refusals, 1);
    ck_assert_uint_eq(receipts, 0);
    world_crash(&w, 0);
    world_pass(&w, DAY_MS);
    ck_assert_uint_eq(counts(0).shards_filling, 1);
    link = world_connect(&w, LAB, 0);
    world_run(&w);
    offer(link);
    ck_assert_uint_eq(accepted.range.leaves, 0);
    ck_assert_uint_eq(accepted.final_leaves, 0);
    append_leaves(link, 0, LEAVES);
    flush(link);
    world_run(&w);
    ck_assert_uint_eq(receipts, 1);
    stop();
}
END_TEST

/* Only the first manifest of the lab whose deposit it is means anything. */
START_TEST(test_shards_have_one_manifest)
{
    uint64_t link = start();
    struct test_feed other;
    uint8_t bytes[MANIFEST_SIZE_MAX];
    struct key key = key_manifest(&deposit);
    const struct world_row *row;
    uint8_t first[200];
    size_t size = 0, first_size;

    offer(link);
    fill(link, 0, 3);
    ck_assert_int_eq(manifest_encode(&manifest, bytes, sizeof(bytes), &size),
                     OK);
    test_feed_init(&other, &w, OTHER, 0);
    test_feed_append(&other, &w.keys[OTHER], FEED_MANIFEST,
                     slice_of(bytes, size));
    test_feed_say(&other, &w, LAB, link, 0, 1);
    world_run(&w);
    ck_assert_uint_eq(world_rows(&w, 0, 'F'), 1);
    ck_assert_uint_eq(world_rows(&w, 0, 'M'), 0);
    manifest_say(link);
    row = world_row(&w, 0, key_slice(&key));
    ck_assert_ptr_nonnull(row);
    first_size = row->value_size;
    ck_assert_uint_le(first_size, sizeof(first));
    memcpy(first, row->value, first_size);
    manifest.roots[0].bytes[0] ^= 1;
    manifest_say(link);
    manifest.roots[0].bytes[0] ^= 1;
    row = world_row(&w, 0, key_slice(&key));
    ck_assert_uint_eq(row->value_size, first_size);
    ck_assert_bytes_eq(row->value, first, first_size);
    fill(link, 3, LEAVES - 3);
    ck_assert_uint_eq(receipts, 1);
    test_feed_free(&other);
    stop();
}
END_TEST

/* --- What is refused ----------------------------------------------------- */

/* Each kind of offer that is not to be taken leaves no trace. */
START_TEST(test_shards_offers_are_checked)
{
    static const int status[] = {ERR_DENIED, ERR_DENIED, ERR_MISMATCH,
                                 ERR_FULL,   ERR_FULL,   ERR_DENIED};
    uint64_t link = start();
    struct message m = offer_of(LAB, 0, LEAVES);
    unsigned from = LAB;

    switch (_i) {
    case 0: /* In the name of another. */
        m = offer_of(OTHER, 0, LEAVES);
        break;
    case 1: /* No lab. */
        from = AUDITOR;
        m = offer_of(AUDITOR, 0, LEAVES);
        break;
    case 2:
        m.u.offer.net.bytes[0] ^= 1;
        break;
    case 3:
        m.u.offer.size_max = w.capacity + 1;
        break;
    case 4:
        m.u.offer.size_max = MERKLE_LEAVES_MAX * LEAF_SIZE;
        break;
    case 5: /* A steward deposits nothing. */
        from = 1;
        m = offer_of(1, 0, LEAVES);
        break;
    default:
        ck_abort();
    }
    if (from != LAB) {
        link = world_connect(&w, from, 0);
        world_run(&w);
    }
    world_say(&w, from, link, &m);
    world_run(&w);
    ck_assert_uint_eq(refusals, 1);
    ck_assert_int_eq(refused.status, status[_i]);
    ck_assert_uint_eq(refused.about, MESSAGE_OFFER);
    ck_assert_uint_eq(accepts, 0);
    ck_assert_uint_eq(w.nodes[0].rows_len, 0);
    stop();
}
END_TEST

/* Capacity is counted over all shards, and comes back when one is given up. */
START_TEST(test_shards_reserve_capacity)
{
    uint64_t link = start(), other;
    struct message m;

    m = offer_of(LAB, 0, 200);
    say(link, &m);
    ck_assert_uint_eq(accepts, 1);
    other = world_connect(&w, LAB, 0);
    deposit_pick(2);
    m = offer_of(LAB, 0, 57);
    say(other, &m);
    ck_assert_int_eq(refused.status, ERR_FULL);
    m = offer_of(LAB, 0, 56);
    say(other, &m);
    ck_assert_uint_eq(accepts, 2);
    ck_assert_uint_eq(counts(0).bytes_reserved, w.capacity);
    world_crash(&w, 0);
    ck_assert_uint_eq(counts(0).bytes_reserved, w.capacity);
    other = world_connect(&w, LAB, 0);
    deposit_pick(3);
    m = offer_of(LAB, 0, 1);
    say(other, &m);
    ck_assert_uint_eq(accepts, 2);
    world_pass(&w, 31 * DAY_MS);
    ck_assert_uint_eq(counts(0).bytes_reserved, 0);
    say(other, &m);
    ck_assert_uint_eq(accepts, 3);
    stop();
}
END_TEST

/* A full disk refuses before a byte is asked for, and keeps nothing; with room
 * again the same offer is accepted. */
START_TEST(test_shards_refuse_a_full_disk)
{
    uint64_t link = start();
    struct message m = offer_of(LAB, 0, LEAVES);

    w.disks_full = true;
    say(link, &m);
    ck_assert_uint_eq(accepts, 0);
    ck_assert_int_eq(refused.status, ERR_FULL);
    ck_assert_uint_eq(counts(0).bytes_reserved, 0);
    w.disks_full = false;
    say(link, &m);
    ck_assert_uint_eq(accepts, 1);
    ck_assert_uint_eq(refusals, 1);
    stop();
}
END_TEST

/* Where too many shards come in already the lab hears that it may come again,
 * and what is reserved for it stays. */
START_TEST(test_shards_find_no_place)
{
    uint64_t link = start();

    w.jobs_full = true;
    offer(link);
    ck_assert_uint_eq(accepts, 0);
    ck_assert_uint_eq(refused.about, MESSAGE_OFFER);
    ck_assert_int_eq(refused.status, ERR_BUSY);
    ck_assert(digest_equal(&refused.subject, &deposit));
    ck_assert_uint_eq(counts(0).bytes_reserved, (LEAVES + 4) * LEAF_SIZE);
    w.jobs_full = false;
    offer(link);
    ck_assert_uint_eq(accepts, 1);
    stop();
}
END_TEST

/* A lab that made no progress loses its place to another and hears so; on the
 * same connection, or after the steward went down, it offers again and goes on
 * from what was durable, to its receipt. */
START_TEST(test_shards_lose_their_place)
{
    uint64_t link = start();

    offer(link);
    fill(link, 0, 5);
    append_leaves(link, 5, 3);
    world_run(&w);
    world_pass(&w, DAY_MS / 24);
    ck_assert_uint_eq(refusals, 0); /* While nobody needs its place. */
    world_intake_end(&w, 0, &deposit, ERR_BUSY);
    world_run(&w);
    ck_assert_uint_eq(refusals, 1);
    ck_assert_uint_eq(refused.about, MESSAGE_OFFER);
    ck_assert_int_eq(refused.status, ERR_BUSY);
    ck_assert_ptr_nonnull(strstr(refused.text, "offer it again"));
    ck_assert_uint_eq(w.nodes[0].closed, 0);
    ck_assert_uint_eq(counts(0).bytes_reserved, (LEAVES + 4) * LEAF_SIZE);
    if (_i == 1) {
        world_crash(&w, 0);
        link = world_connect(&w, LAB, 0);
        world_run(&w);
    }
    offer(link);
    ck_assert_uint_eq(accepts, 2);
    ck_assert_uint_eq(accepted.range.leaves, 5);
    fill(link, 5, LEAVES - 5);
    manifest_say(link);
    ck_assert_uint_eq(receipts, 1);
    ck_assert_uint_eq(refusals, 1);
    stop();
}
END_TEST

static struct steward_member_info taken(unsigned member)
{
    struct steward_member_info info = {.shard_quota = 0};

    for (size_t i = 0; i < w.charter.members_len; i++) {
        if (digest_equal(&w.charter.members[i].card.id, &w.ids[member])) {
            steward_member_info(w.nodes[0].s, i, &info);
        }
    }
    return info;
}

/* A lab has its quota and no more, whatever room there is; another has its own,
 * and what is counted is what the rows say. */
START_TEST(test_shards_labs_have_quotas)
{
    uint64_t link, other;
    struct message m;

    start();
    w.lab_quota = 100ULL * LEAF_SIZE;
    world_crash(&w, 0);
    link = world_connect(&w, LAB, 0);
    m = offer_of(LAB, 0, 101);
    say(link, &m);
    ck_assert_int_eq(refused.status, ERR_FULL);
    ck_assert_msg(strstr(refused.text, "may take 400 KiB of this steward, of "
                                       "which you have 400 KiB left") != NULL,
                  "%s", refused.text);
    offer(link);
    ck_assert_uint_eq(accepts, 1);
    fill(link, 0, LEAVES);
    ck_assert_uint_eq(taken(LAB).shard_bytes, (LEAVES + 4) * LEAF_SIZE);
    manifest_say(link);
    ck_assert_uint_eq(receipts, 1);
    ck_assert_uint_eq(taken(LAB).shard_bytes, LEAVES * LEAF_SIZE);
    world_crash(&w, 0);
    ck_assert_uint_eq(taken(LAB).shard_bytes, LEAVES * LEAF_SIZE);
    ck_assert_uint_eq(taken(LAB).shard_quota, 100ULL * LEAF_SIZE);
    link = world_connect(&w, LAB, 0);
    deposit_pick(2);
    m = offer_of(LAB, 0, 100 - LEAVES + 1);
    say(link, &m);
    ck_assert_uint_eq(accepts, 1);
    m = offer_of(LAB, 0, 100 - LEAVES);
    say(link, &m);
    ck_assert_uint_eq(accepts, 2);
    other = world_connect(&w, OTHER, 0);
    m = offer_of(OTHER, 0, 100);
    world_say(&w, OTHER, other, &m);
    world_run(&w);
    ck_assert_uint_eq(accepts, 3);
    ck_assert_uint_eq(taken(OTHER).shard_bytes, 100ULL * LEAF_SIZE);
    /* What is given up is had again. */
    world_pass(&w, 31 * DAY_MS);
    world_pass(&w, DAY_MS); /* What still came in was stopped first. */
    ck_assert_uint_eq(taken(LAB).shard_bytes, LEAVES * LEAF_SIZE);
    ck_assert_uint_eq(taken(OTHER).shard_bytes, 0);
    stop();
}
END_TEST

/* A lab whose manifest would not be taken hears so before it sends anything. */
START_TEST(test_shards_need_room_for_a_manifest)
{
    static const uint8_t payload[2000];
    uint64_t link, other;
    struct message m;

    start();
    w.feed_quota = 1500;
    world_crash(&w, 0);
    link = world_connect(&w, LAB, 0);
    test_feed_append(&feed, &w.keys[LAB], FEED_REQUEST,
                     slice_of(payload, sizeof(payload)));
    test_feed_say(&feed, &w, LAB, link, 0, 1);
    offer(link);
    ck_assert_uint_eq(accepts, 0);
    ck_assert_int_eq(refused.status, ERR_FULL);
    ck_assert_ptr_nonnull(strstr(refused.text, "feed-quota"));
    other = world_connect(&w, OTHER, 0);
    m = offer_of(OTHER, 0, LEAVES);
    world_say(&w, OTHER, other, &m);
    world_run(&w);
    ck_assert_uint_eq(accepts, 1);
    stop();
}
END_TEST

/* A lab has its part of what a steward can count, and leaves others theirs. */
START_TEST(test_shards_labs_have_parts)
{
    const uint32_t part = STEWARD_SHARDS_MAX / 3;
    uint64_t link = start();
    struct steward_member *m = steward_member_of(w.nodes[0].s, &w.ids[LAB]);
    struct test_feed others;

    m->shards = m->deposits = part;
    offer(link);
    ck_assert_int_eq(refused.status, ERR_FULL);
    ck_assert_msg(strstr(refused.text, "21845 shards of one lab") != NULL, "%s",
                  refused.text);
    m->shards = 0;
    manifest_say(link);
    ck_assert_uint_eq(steward_deposits(w.nodes[0].s), 0);
    manifest_deposit_id(&manifest.deposit_id, &w.net, &w.ids[OTHER],
                        chance.bytes);
    test_feed_init(&others, &w, OTHER, 0);
    test_feed_append(&others, &w.keys[OTHER], FEED_MANIFEST,
                     manifest_payload());
    link = world_connect(&w, OTHER, 0);
    test_feed_say(&others, &w, OTHER, link, 0, 1);
    world_run(&w);
    ck_assert_uint_eq(steward_deposits(w.nodes[0].s), 1);
    test_feed_free(&others);
    stop();
}
END_TEST

/* Without a quota of their own the labs of the charter share alike. */
START_TEST(test_shards_labs_share_alike)
{
    start();
    w.lab_quota = 0;
    world_crash(&w, 0);
    ck_assert_uint_eq(taken(LAB).shard_quota, w.capacity / 3);
    ck_assert_uint_eq(taken(AUDITOR).shard_quota, 0);
    stop();
}
END_TEST

/* The same offer resumes; one that differs is refused and changes nothing. */
START_TEST(test_shards_offers_must_not_change)
{
    uint64_t link = start(), second;
    struct message m;

    offer(link);
    fill(link, 0, 7);
    commit(link, 4);
    world_run(&w);
    offer(link);
    ck_assert_uint_eq(accepted.range.leaves, 7);
    ck_assert_uint_eq(accepted.final_leaves, 4);
    m = offer_of(LAB, 1, LEAVES + 4);
    say(link, &m);
    ck_assert_int_eq(refused.status, ERR_EXISTS);
    m = offer_of(LAB, 0, LEAVES + 5);
    say(link, &m);
    ck_assert_int_eq(refused.status, ERR_MISMATCH);
    /* One shard at a time on a link. */
    deposit_pick(2);
    m = offer_of(LAB, 0, LEAVES);
    say(link, &m);
    ck_assert_int_eq(refused.status, ERR_BUSY);
    deposit_pick(1);
    ck_assert_uint_eq(refusals, 3);
    ck_assert_uint_eq(counts(0).shards_filling, 1);
    /* A second link takes over once the first has been stopped. */
    second = world_connect(&w, LAB, 0);
    world_run(&w);
    offer(second);
    ck_assert_int_eq(refused.status, ERR_BUSY);
    offer(second);
    ck_assert_uint_eq(accepts, 3);
    ck_assert_uint_eq(accepted.range.leaves, 7);
    stop();
}
END_TEST

/* A lab that knows another's deposit, and all that its id is made of, makes one
 * of its own. */
START_TEST(test_shards_of_another_lab_cannot_be_offered)
{
    uint64_t link = start(), other = world_connect(&w, OTHER, 0);
    struct message m = offer_of(OTHER, 0, LEAVES);

    world_say(&w, OTHER, other, &m);
    world_run(&w);
    ck_assert_uint_eq(accepts, 1);
    ck_assert(!digest_equal(&accepted.deposit_id, &deposit));
    m = offer_of(LAB, 0, LEAVES);
    world_say(&w, OTHER, other, &m);
    world_run(&w);
    ck_assert_int_eq(refused.status, ERR_DENIED);
    offer(link);
    ck_assert_uint_eq(accepts, 2);
    ck_assert(digest_equal(&accepted.deposit_id, &deposit));
    stop();
}
END_TEST

/* A lab's manifest under the id of another's deposit means nothing, though it
 * was the first: the true one counts when it comes, before any offer too. */
START_TEST(test_shards_false_manifest_means_nothing)
{
    uint64_t link = start(), other;
    struct test_feed false_feed;
    struct steward_deposit_info info;

    test_feed_init(&false_feed, &w, OTHER, 0);
    test_feed_append(&false_feed, &w.keys[OTHER], FEED_MANIFEST,
                     manifest_payload());
    other = world_connect(&w, OTHER, 0);
    test_feed_say(&false_feed, &w, OTHER, other, 0, 1);
    world_run(&w);
    ck_assert_uint_eq(world_rows(&w, 0, 'F'), 1);
    ck_assert_uint_eq(world_rows(&w, 0, 'M'), 0);
    ck_assert_uint_eq(steward_deposits(w.nodes[0].s), 0);

    manifest_say(link);
    steward_deposit_info(w.nodes[0].s, 0, &info);
    ck_assert(info.has_manifest && digest_equal(&info.lab, &w.ids[LAB]));
    offer(link);
    ck_assert_uint_eq(accepts, 1);
    fill(link, 0, LEAVES);
    ck_assert_uint_eq(receipts, 1);
    world_crash(&w, 0);
    ck_assert_uint_eq(steward_deposits(w.nodes[0].s), 1);
    steward_deposit_info(w.nodes[0].s, 0, &info);
    ck_assert(digest_equal(&info.lab, &w.ids[LAB]));
    ck_assert_int_eq(info.state, STEWARD_HELD);
    test_feed_free(&false_feed);
    stop();
}
END_TEST

/* The manifest may come, and all of the shard be here, before its files are
 * open: the lab hears that they are, and need not offer once more. */
START_TEST(test_shards_are_accepted_while_they_are_sealed)
{
    struct message m;
    uint64_t link;

    start_seed((uint64_t)_i, 1);
    link = world_connect(&w, LAB, 0);
    world_run(&w);
    offer(link);
    fill(link, 0, LEAVES);
    world_cut(&w, link);
    world_run(&w);
    link = world_connect(&w, LAB, 0);
    world_run(&w);
    accepts = 0;
    manifest_append();
    m = offer_of(LAB, 0, LEAVES + 4);
    world_say(&w, LAB, link, &m);
    test_feed_say(&feed, &w, LAB, link, feed.len - 1, 1);
    world_run(&w);
    ck_assert_uint_eq(accepts, 1);
    ck_assert_uint_eq(accepted.range.leaves, LEAVES);
    ck_assert_uint_eq(receipts, 1);
    stop();
}
END_TEST

/* A member has so many READs under way, on all of its links together: it must
 * not take them from others. */
START_TEST(test_shards_readers_share)
{
    uint64_t link = start(), links[3];
    struct message m = {.type = MESSAGE_READ};

    offer(link);
    fill(link, 0, LEAVES);
    manifest_say(link);
    ck_assert_uint_eq(receipts, 1);
    for (size_t i = 0; i < 3; i++) {
        links[i] = world_connect(&w, LAB, 0);
    }
    world_run(&w);
    w.reads_last = true;
    for (uint32_t i = 0; i < 2 * STEWARD_READS_MAX; i++) {
        m.u.read = (struct message_read){.deposit_id = deposit,
                                         .index = 0,
                                         .first_leaf = 0,
                                         .leaves = 1,
                                         .stream = i + 1};
        say(links[i % 3], &m);
    }
    ck_assert_uint_eq(refusals, STEWARD_READS_MAX);
    ck_assert_int_eq(refused.status, ERR_BUSY);
    /* A link that goes takes its own with it. */
    world_cut(&w, links[0]);
    world_run(&w);
    say(links[1], &m);
    ck_assert_uint_eq(refusals, STEWARD_READS_MAX);
    stop();
}
END_TEST

/* COMMIT raises and never lowers, never beyond what is durable; a shard is not
 * cut below it, whatever a job says. */
START_TEST(test_shards_final_leaves_stay)
{
    uint64_t link = start();
    struct world_file *f;

    commit(link, 1);
    world_run(&w);
    ck_assert_int_eq(refused.status, ERR_ORDER);
    offer(link);
    fill(link, 0, 6);
    commit(link, 7);
    world_run(&w);
    ck_assert_uint_eq(refusals, 2);
    commit(link, 5);
    commit(link, 2);
    world_run(&w);
    ck_assert_uint_eq(refusals, 2);
    offer(link);
    ck_assert_uint_eq(accepted.final_leaves, 5);
    /* A job that lets a cut through is not believed. */
    f = world_file(&w, 0, &deposit);
    f->spec.final_leaves = 0;
    cut(link, 0, 2);
    flush(link);
    world_run(&w);
    ck_assert_uint_eq(durables, 1);
    ck_assert_int_eq(refused.status, ERR_ORDER);
    f->len = f->durable = 6;
    offer(link);
    ck_assert_uint_eq(accepted.range.leaves, 6);
    ck_assert_uint_eq(accepted.final_leaves, 5);
    /* The lab that cuts below it loses its link. */
    cut(link, 0, 4);
    world_run(&w);
    ck_assert(!world_is_up(&w, link));
    stop();
}
END_TEST

/* A cut that no flush followed, and a crash: the row is ahead of the file, and
 * the intake goes on from what is there. */
START_TEST(test_shards_go_on_after_a_cut)
{
    uint64_t link = start();

    offer(link);
    fill(link, 0, 9);
    cut(link, 0, 4);
    world_run(&w);
    world_crash(&w, 0);
    link = world_connect(&w, LAB, 0);
    world_run(&w);
    offer(link);
    ck_assert_uint_eq(accepted.range.leaves, 4);
    ck_assert_uint_eq(durable, 4);
    fill(link, 4, LEAVES - 4);
    manifest_say(link);
    ck_assert_uint_eq(receipts, 1);
    stop();
}
END_TEST

/* Sealed shards are read by stewards and the lab, and by nobody else. */
START_TEST(test_shards_are_read_by_those_who_may)
{
    static const struct {
        unsigned reader;
        uint16_t index;
        uint64_t first, leaves;
        int status;
    } cases[] = {
        {LAB, 0, 0, LEAVES, OK},
        {1, 0, LEAVES - 1, 1, OK},
        {OTHER, 0, 0, 1, ERR_NOTFOUND},
        {AUDITOR, 0, 0, 1, ERR_NOTFOUND},
        {LAB, 1, 0, 1, ERR_NOTFOUND},
        {LAB, 0, 1, LEAVES, ERR_BAD},
        {LAB, 0, MERKLE_LEAVES_MAX - 1, 1, ERR_BAD},
    };
    uint64_t link = start();
    struct message m = {.type = MESSAGE_READ};

    offer(link);
    fill(link, 0, LEAVES);
    m.u.read =
        (struct message_read){.deposit_id = deposit, .leaves = 1, .stream = 1};
    say(link, &m);
    ck_assert_int_eq(refused.status, ERR_NOTFOUND);
    manifest_say(link);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        refused.status = OK;
        link = world_connect(&w, cases[i].reader, 0);
        world_run(&w);
        m.u.read.index = cases[i].index;
        m.u.read.first_leaf = cases[i].first;
        m.u.read.leaves = cases[i].leaves;
        world_say(&w, cases[i].reader, link, &m);
        world_run(&w);
        ck_assert_int_eq(refused.status, cases[i].status);
    }
    stop();
}
END_TEST

/* A shard that is not sealed in time is given up: files first, then the row.
 * Progress buys time, and talk does not. */
START_TEST(test_shards_expire)
{
    uint64_t link = start();

    offer(link);
    fill(link, 0, 3);
    world_pass(&w, 20 * DAY_MS);
    fill(link, 3, 3);
    world_pass(&w, 20 * DAY_MS);
    ck_assert_uint_eq(counts(0).shards_filling, 1);
    flush(link);
    world_run(&w);
    world_cut(&w, link);
    world_pass(&w, 9 * DAY_MS);
    ck_assert_uint_eq(counts(0).shards_filling, 1);
    ck_assert_uint_eq(world_rows(&w, 0, 'D'), 1);
    if (_i == 1) {
        world_crash(&w, 0);
    }
    world_pass(&w, DAY_MS);
    ck_assert_uint_eq(counts(0).shards_filling, 0);
    ck_assert_uint_eq(w.nodes[0].rows_len, 0);
    ck_assert(!w.nodes[0].files[0].used);
    stop();
}
END_TEST

/* A lab that only stays connected does not keep its reservation. */
START_TEST(test_shards_expire_while_connected)
{
    uint64_t link = start();

    offer(link);
    world_pass(&w, 31 * DAY_MS);
    world_pass(&w, DAY_MS);
    ck_assert_uint_eq(counts(0).shards_filling, 0);
    ck_assert(world_is_up(&w, link));
    stop();
}
END_TEST

/* --- Any history --------------------------------------------------------- */

/* The lab's side of one shard. */
static struct {
    uint64_t link;
    uint64_t sure; /* It was told that so much is durable. */
    uint64_t final, at;
    bool open;
} sides[STEWARDS];
static bool published;

static void side_go_on(unsigned i)
{
    uint64_t left = LEAVES - sides[i].at;
    uint64_t len = left == 0 ? 0 : 1 + rng_below(&w.rng, left);

    if (len > 0) {
        append_leaves(sides[i].link, sides[i].at, len);
        sides[i].at += len;
    }
    flush(sides[i].link);
}

static void side_accepted(unsigned i, const struct message_accept *a)
{
    struct merkle_range range;

    /* What was acknowledged is there, and is what was sent. */
    ck_assert_uint_ge(a->range.leaves, sides[i].sure);
    ck_assert_uint_le(a->range.leaves, LEAVES);
    ck_assert_uint_le(a->final_leaves, sides[i].final);
    world_range(&deposit, (uint16_t)i, a->range.leaves, &range);
    ck_assert_mem_eq(range.nodes, a->range.nodes, sizeof(range.nodes));
    if (a->sealed || (published && a->range.leaves == LEAVES)) {
        return;
    }
    sides[i].open = true;
    sides[i].at = a->range.leaves;
    if (rng_below(&w.rng, 3) == 0) {
        sides[i].at =
            sides[i].final +
            rng_below(&w.rng, a->range.leaves + 1 < sides[i].final
                                  ? 1
                                  : a->range.leaves + 1 - sides[i].final);
    }
    sides[i].sure = sides[i].at < sides[i].sure ? sides[i].at : sides[i].sure;
    cut(sides[i].link, (uint16_t)i, sides[i].at);
    side_go_on(i);
}

static void side_durable(unsigned i, uint64_t leaves)
{
    bool all = true;

    sides[i].sure = leaves;
    if (leaves > sides[i].final && rng_below(&w.rng, 2) == 0) {
        sides[i].final += rng_below(&w.rng, leaves - sides[i].final + 1);
        commit(sides[i].link, sides[i].final);
    }
    for (unsigned j = 0; j < STEWARDS; j++) {
        all = all && sides[j].sure == LEAVES;
    }
    if (all && !published) {
        published = true;
        manifest_append();
        for (unsigned j = 0; j < STEWARDS; j++) {
            if (sides[j].link != 0) {
                test_feed_say(&feed, &w, LAB, sides[j].link, 0, 1);
            }
        }
    } else if (leaves < LEAVES) {
        side_go_on(i);
    }
}

static void any_message(struct world *world,
                        unsigned member,
                        uint64_t link,
                        const struct message *m)
{
    on_message(world, member, link, m);
    for (unsigned i = 0; i < STEWARDS; i++) {
        if (sides[i].link != link) {
            continue;
        }
        if (m->type == MESSAGE_ACCEPT) {
            side_accepted(i, &m->u.accept);
        } else if (m->type == MESSAGE_DURABLE && sides[i].open) {
            side_durable(i, m->u.durable.leaves);
        }
    }
}

static void side_connect(unsigned i)
{
    struct message m = offer_of(LAB, (uint16_t)i, LEAVES + 4);

    if (sides[i].link != 0) {
        world_cut(&w, sides[i].link);
    }
    sides[i].open = false;
    sides[i].link = world_connect(&w, LAB, i);
    world_say(&w, LAB, sides[i].link, &m);
}

/* Receipts never go back, and stand on sealed files. */
static void check_held(void)
{
    for (unsigned i = 0; i < STEWARDS; i++) {
        struct key key = key_entry(&w.ids[i], 0, 0);

        if (world_row(&w, i, key_slice(&key)) != NULL) {
            ck_assert(world_file(&w, i, &deposit)->sealed);
        }
    }
}

/* Four stewards, one lab, links that fail, machines that crash with steps not
 * synced: nothing that was acknowledged is ever missing, and in the end every
 * steward has its shard, and everybody every receipt. */
START_TEST(test_shards_any_history)
{
    start_seed((uint64_t)_i, STEWARDS);
    memset(sides, 0, sizeof(sides));
    published = false;
    w.on_message = any_message;
    w.crash_one_in = _i % 4 == 0 ? 0 : 60;
    w.cut_one_in = _i % 3 == 0 ? 0 : 100;
    for (unsigned round = 0; round < 40; round++) {
        unsigned a = (unsigned)rng_below(&w.rng, STEWARDS);
        unsigned b = (a + 1) % STEWARDS;

        if (round == 30) {
            w.crash_one_in = w.cut_one_in = 0;
        }
        if (rng_below(&w.rng, 3) == 0) {
            (void)world_connect(&w, a, b);
        }
        side_connect(a);
        if (round >= 30) {
            for (unsigned i = 0; i < STEWARDS; i++) {
                side_connect(i);
            }
            world_run(&w);
        }
        world_run_some(&w, (unsigned)rng_below(&w.rng, 120));
        check_held();
    }
    for (unsigned i = 1; i < STEWARDS; i++) {
        (void)world_connect(&w, i - 1, i);
    }
    world_run(&w);
    /* The lab may have missed a receipt; its steward's row has not. */
    for (unsigned i = 0; i < STEWARDS; i++) {
        struct key key = key_entry(&w.ids[i], 0, 0);
        const struct world_row *row = world_row(&w, i, key_slice(&key));

        ck_assert_ptr_nonnull(row);
        hear_entry(slice_of(row->value, row->value_size));
    }
    ck_assert_uint_eq(receipts, STEWARDS);
    for (unsigned i = 0; i < STEWARDS; i++) {
        ck_assert_uint_eq(counts(i).shards_held, 1);
        ck_assert_uint_eq(counts(i).bytes_reserved, 0);
        ck_assert_uint_eq(world_rows(&w, i, 'F'), 1 + STEWARDS);
        ck_assert_uint_eq(world_rows(&w, i, 'X'), 0);
        ck_assert(world_rows_equal(&w, 0, i, "F"));
    }
    stop();
}
END_TEST

/* Messages of another state, another deposit or another direction, thrown in
 * while a deposit runs: none of them stops a machine or moves what is
 * acknowledged. */
START_TEST(test_shards_survive_hostility)
{
    uint64_t link, hostile;
    struct message m;

    start_seed((uint64_t)_i, 1);
    link = world_connect(&w, LAB, 0);
    hostile = world_connect(&w, OTHER, 0);
    world_run(&w);
    offer(link);
    fill(link, 0, 4);
    commit(link, 4);
    world_run(&w);
    for (unsigned round = 0; round < 100; round++) {
        bool same = rng_below(&w.rng, 2) == 0;
        unsigned from = OTHER;

        if (!world_is_up(&w, hostile)) {
            hostile = world_connect(&w, OTHER, 0);
        }
        memset(&m, 0, sizeof(m));
        m.type = (enum message_type[]){MESSAGE_OFFER,  MESSAGE_CUT,
                                       MESSAGE_APPEND, MESSAGE_FLUSH,
                                       MESSAGE_COMMIT, MESSAGE_READ,
                                       MESSAGE_ACCEPT, MESSAGE_DURABLE,
                                       MESSAGE_REFUSE}[rng_below(&w.rng, 9)];
        if (m.type == MESSAGE_OFFER) {
            m = offer_of(same ? OTHER : LAB,
                         (uint16_t)rng_below(&w.rng, STEWARDS),
                         1 + rng_below(&w.rng, 300));
        } else if (m.type == MESSAGE_REFUSE) {
            m.u.refuse.about = rng_below(&w.rng, 41);
            m.u.refuse.status = ERR_BAD;
        } else {
            m.u.flush.deposit_id = deposit;
            m.u.flush.deposit_id.bytes[1] ^= same ? 0 : 1;
        }
        if (m.type == MESSAGE_COMMIT) {
            m.u.commit.leaves = rng_below(&w.rng, MERKLE_LEAVES_MAX);
        } else if (m.type == MESSAGE_APPEND) {
            m.u.append.leaves = 1 + rng_below(&w.rng, 9);
            m.u.append.stream = 1;
        } else if (m.type == MESSAGE_READ) {
            m.u.read.leaves = 1 + rng_below(&w.rng, 9);
            m.u.read.stream = 1;
        }
        world_say(&w, from, hostile, &m);
        world_run_some(&w, (unsigned)rng_below(&w.rng, 10));
    }
    world_run(&w);
    ck_assert_uint_eq(counts(0).shards_held, 0);
    ck_assert(world_is_up(&w, link));
    accepts = 0;
    offer(link);
    ck_assert_uint_eq(accepts, 1);
    ck_assert_uint_eq(accepted.range.leaves, 4);
    ck_assert_uint_eq(accepted.final_leaves, 4);
    fill(link, 4, LEAVES - 4);
    manifest_say(link);
    ck_assert_uint_eq(receipts, 1);
    stop();
}
END_TEST

/* --- Jobs as bytes ------------------------------------------------------- */

static struct steward_job job_of(enum steward_job_type type)
{
    struct steward_job job = {.type = type,
                              .link = 77,
                              .index = 3,
                              .size = 40ULL * LEAF_SIZE,
                              .final_leaves = 2,
                              .first_leaf = 5,
                              .leaves = 35,
                              .stream = 9};

    memset(job.deposit_id.bytes, 1, DIGEST_SIZE);
    memset(job.root.bytes, 2, DIGEST_SIZE);
    world_range(&job.deposit_id, 3, 13, &job.range);
    if (type == STEWARD_JOB_SEAL) {
        job.manifest = slice_str("a feed entry");
    }
    return job;
}

/* Every field comes back; every shortening and every longer one is refused. */
START_TEST(test_jobs_round_trip)
{
    struct steward_job job = job_of((enum steward_job_type)_i), got;
    uint8_t bytes[STEWARD_JOB_SIZE_MAX + 1] = {0};
    size_t size = 0;

    ck_assert_int_eq(
        steward_job_encode(&job, bytes, STEWARD_JOB_SIZE_MAX, &size), OK);
    ck_assert_int_eq(steward_job_decode(&got, slice_of(bytes, size)), OK);
    ck_assert_int_eq(got.type, job.type);
    ck_assert_uint_eq(got.link, job.link);
    ck_assert(digest_equal(&got.deposit_id, &job.deposit_id));
    ck_assert_uint_eq(got.index, job.index);
    ck_assert_uint_eq(got.size, job.size);
    ck_assert_mem_eq(&got.range, &job.range, sizeof(job.range));
    ck_assert_uint_eq(got.final_leaves, job.final_leaves);
    ck_assert(digest_equal(&got.root, &job.root));
    ck_assert_uint_eq(got.first_leaf, job.first_leaf);
    ck_assert_uint_eq(got.leaves, job.leaves);
    ck_assert_uint_eq(got.stream, job.stream);
    ck_assert(slice_equal(got.manifest, job.manifest));
    for (size_t i = 0; i < size; i++) {
        ck_assert_int_eq(steward_job_decode(&got, slice_of(bytes, i)), ERR_BAD);
        ck_assert_int_eq(steward_job_encode(&job, bytes, i, &(size_t){0}),
                         ERR_FULL);
        ck_assert_int_eq(
            steward_job_encode(&job, bytes, STEWARD_JOB_SIZE_MAX, &size), OK);
    }
    ck_assert_int_eq(steward_job_decode(&got, slice_of(bytes, size + 1)),
                     ERR_BAD);
}
END_TEST

/* Jobs that cannot be: leaves that the shard does not have, unknown types. */
START_TEST(test_jobs_are_checked)
{
    uint8_t bytes[STEWARD_JOB_SIZE_MAX];
    struct steward_job job, got;
    size_t size = 0;

    for (unsigned what = 0; what < 5; what++) {
        job = job_of(what < 2 ? STEWARD_JOB_INTAKE : STEWARD_JOB_READ);
        if (what == 0) {
            job.final_leaves = 14;
        } else if (what == 1) {
            job.size = LEAVES * LEAF_SIZE;
        } else if (what == 2) {
            job.first_leaf = 6;
        } else if (what == 3) {
            job.leaves = 0;
        } else {
            job.first_leaf = MERKLE_LEAVES_MAX;
        }
        ck_assert_int_eq(steward_job_encode(&job, bytes, sizeof(bytes), &size),
                         OK);
        ck_assert_int_eq(steward_job_decode(&got, slice_of(bytes, size)),
                         ERR_BAD);
    }
    job = job_of(STEWARD_JOB_DROP);
    ck_assert_int_eq(steward_job_encode(&job, bytes, sizeof(bytes), &size), OK);
    ck_assert_int_eq(bytes[2], STEWARD_JOB_DROP);
    bytes[2] = 5;
    ck_assert_int_eq(steward_job_decode(&got, slice_of(bytes, size)),
                     ERR_UNSUPPORTED);
}
END_TEST

/* A report is its range. */
START_TEST(test_jobs_reports)
{
    struct steward_job_report report, got;
    uint8_t bytes[STEWARD_JOB_SIZE_MAX];
    struct digest d = {.bytes = {5}};
    size_t size = 0;

    world_range(&d, 0, 21, &report.range);
    ck_assert_int_eq(
        steward_job_report_encode(&report, bytes, sizeof(bytes), &size), OK);
    ck_assert_int_eq(steward_job_report_decode(&got, slice_of(bytes, size)),
                     OK);
    ck_assert_mem_eq(&got, &report, sizeof(got));
    for (size_t i = 0; i < size; i++) {
        ck_assert_int_eq(steward_job_report_decode(&got, slice_of(bytes, i)),
                         ERR_BAD);
    }
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("steward_shards");
    TCase *tc = tcase_create("steward_shards");

    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, test_shards_are_taken_and_receipted);
    tcase_add_loop_test(tc, test_shards_may_follow_their_manifest, 0, 2);
    tcase_add_loop_test(tc, test_shards_of_other_manifests_are_refused, 0, 6);
    tcase_add_test(tc, test_shards_that_are_too_long_can_be_cut);
    tcase_add_test(tc, test_shards_with_false_bytes_can_be_mended);
    tcase_add_test(tc, test_shards_have_one_manifest);
    tcase_add_loop_test(tc, test_shards_offers_are_checked, 0, 6);
    tcase_add_test(tc, test_shards_reserve_capacity);
    tcase_add_test(tc, test_shards_refuse_a_full_disk);
    tcase_add_test(tc, test_shards_find_no_place);
    tcase_add_loop_test(tc, test_shards_lose_their_place, 0, 2);
    tcase_add_test(tc, test_shards_labs_have_quotas);
    tcase_add_test(tc, test_shards_labs_share_alike);
    tcase_add_test(tc, test_shards_labs_have_parts);
    tcase_add_test(tc, test_shards_need_room_for_a_manifest);
    tcase_add_test(tc, test_shards_offers_must_not_change);
    tcase_add_test(tc, test_shards_of_another_lab_cannot_be_offered);
    tcase_add_test(tc, test_shards_false_manifest_means_nothing);
    tcase_add_loop_test(tc, test_shards_are_accepted_while_they_are_sealed, 0,
                        16);
    tcase_add_test(tc, test_shards_readers_share);
    tcase_add_test(tc, test_shards_final_leaves_stay);
    tcase_add_test(tc, test_shards_go_on_after_a_cut);
    tcase_add_test(tc, test_shards_are_read_by_those_who_may);
    tcase_add_loop_test(tc, test_shards_expire, 0, 2);
    tcase_add_test(tc, test_shards_expire_while_connected);
    tcase_add_loop_test(tc, test_shards_any_history, 0, 24);
    tcase_add_loop_test(tc, test_shards_survive_hostility, 0, 8);
    tcase_add_loop_test(tc, test_jobs_round_trip, 1, 5);
    tcase_add_test(tc, test_jobs_are_checked);
    tcase_add_test(tc, test_jobs_reports);
    suite_add_tcase(s, tc);
    return s;
}
