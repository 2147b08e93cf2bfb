#include "protocol/canon.h"
#include "replication/keys.h"
#include "replication/steward/steward_feeds.h"
#include "replication/steward/steward_links.h"
#include "replication/steward/steward_state.h"
#include "replication/steward/steward_sync.h"
#include "tests/steward_feeds.h"

#define STEWARDS 4U
#define LAB      4U
#define OTHER    5U
#define AUDITOR  6U

static const enum card_role roles[WORLD_MEMBERS] = {
    CARD_STEWARD, CARD_STEWARD, CARD_STEWARD, CARD_STEWARD,
    CARD_LAB,     CARD_LAB,     CARD_AUDITOR, CARD_LAB};

static struct world w;
static struct test_feed feeds[WORLD_MEMBERS]; /* Of those that are played. */
static struct test_feed branch;

static void on_link(struct world *world, unsigned member, uint64_t id, bool up)
{
    if (up) {
        test_feed_heads(&feeds[member], world, member, id);
    }
}

static bool silent;                /* Answers no WANT. */
static struct message_want wanted; /* The last one. */
static unsigned wants, heads;
static unsigned pushes, pushed; /* Messages of ENTRIES, and those in them. */

static void on_message(struct world *world,
                       unsigned member,
                       uint64_t link,
                       const struct message *m)
{
    if (m->type == MESSAGE_WANT) {
        wanted = m->u.want;
        wants++;
    }
    heads += m->type == MESSAGE_HEADS ? 1U : 0U;
    if (m->type == MESSAGE_ENTRIES) {
        pushes++;
        pushed += (unsigned)m->u.entries.len;
    }
    if (!silent) {
        test_feed_serve(&feeds[member], world, member, link, m);
    }
}

static void start_seed(uint64_t seed, unsigned stewards)
{
    world_open(&w, seed, stewards, roles);
    w.on_link = on_link;
    w.on_message = on_message;
    for (unsigned i = 0; i < WORLD_MEMBERS; i++) {
        test_feed_init(&feeds[i], &w, i, 0);
    }
    test_feed_init(&branch, &w, LAB, 0);
    silent = false;
    wants = heads = 0;
    pushes = pushed = 0;
}

static void start(void)
{
    start_seed(1, 1);
}

static void stop(void)
{
    world_close(&w);
    test_feed_free(&branch);
    for (unsigned i = 0; i < WORLD_MEMBERS; i++) {
        test_feed_free(&feeds[i]);
    }
}

static void append(unsigned member, const char *text)
{
    test_feed_append(&feeds[member], &w.keys[member], FEED_REQUEST,
                     slice_str(text));
}

static void append_branch(const char *text)
{
    test_feed_append(&branch, &w.keys[LAB], FEED_REQUEST, slice_str(text));
}

static void append_both(const char *text)
{
    append(LAB, text);
    append_branch(text);
}

/* How many entries of the first feed of a member a steward has. */
static uint64_t has(unsigned node, unsigned member)
{
    uint64_t len = 0;

    for (;; len++) {
        struct key k = key_entry(&w.ids[member], 0, len);

        if (world_row(&w, node, key_slice(&k)) == NULL) {
            return len;
        }
    }
}

static bool forked_at(unsigned node, uint64_t seq)
{
    struct key k = key_fork(&w.ids[LAB], 0, seq);

    return world_row(&w, node, key_slice(&k)) != NULL;
}

/* --- Convergence --------------------------------------------------------- */

/* Whatever the order, the lost links and the crashes: when the network is
 * whole again, every steward has every entry, byte for byte. */
START_TEST(test_steward_feeds_converge)
{
    struct steward_counts counts;

    start_seed((uint64_t)_i, STEWARDS);
    w.crash_one_in = _i % 3 == 0 ? 0 : 200;
    w.cut_one_in = _i % 4 == 0 ? 0 : 40;
    for (unsigned round = 0; round < 25; round++) {
        unsigned a = (unsigned)rng_below(&w.rng, STEWARDS);
        unsigned b = (unsigned)rng_below(&w.rng, STEWARDS);
        unsigned m = LAB + (unsigned)rng_below(&w.rng, WORLD_MEMBERS - LAB);
        uint64_t link = world_connect(&w, m, a);

        if (a != b) {
            (void)world_connect(&w, a, b);
        }
        for (uint64_t i = rng_below(&w.rng, 8); i > 0; i--) {
            append(m, "a payload of some length, to fill a few bytes");
        }
        world_run_some(&w, (unsigned)rng_below(&w.rng, 60));
        if (feeds[m].len > 0) {
            /* Pushes of anything, also of what nobody can use yet. */
            size_t first = rng_below(&w.rng, feeds[m].len);

            test_feed_say(&feeds[m], &w, m, link, first, feeds[m].len - first);
        }
        world_run_some(&w, (unsigned)rng_below(&w.rng, 60));
    }
    w.crash_one_in = w.cut_one_in = 0;
    world_run(&w);
    for (unsigned m = LAB; m < WORLD_MEMBERS; m++) {
        (void)world_connect(&w, m, m % STEWARDS);
    }
    for (unsigned a = 1; a < STEWARDS; a++) {
        (void)world_connect(&w, a - 1, a);
    }
    world_run(&w);
    for (unsigned a = 0; a < STEWARDS; a++) {
        for (unsigned m = LAB; m < WORLD_MEMBERS; m++) {
            ck_assert_uint_eq(has(a, m), feeds[m].len);
        }
        ck_assert(world_rows_equal(&w, 0, a, "FTX"));
        ck_assert_uint_eq(world_rows(&w, a, 'X'), 0);
    }
    /* The rows say all of it: so does a machine that starts from them. */
    world_crash(&w, 0);
    steward_count(w.nodes[0].s, &counts);
    for (unsigned m = LAB; m < WORLD_MEMBERS; m++) {
        counts.entries -= feeds[m].len;
    }
    ck_assert_uint_eq(counts.entries, 0);
    stop();
}
END_TEST

/* A long feed with large payloads is fetched piece by piece. */
START_TEST(test_steward_catches_up)
{
    static uint8_t payload[20000];
    struct steward_counts counts;

    start_seed(3, 2);
    for (unsigned i = 0; i < 300; i++) {
        memset(payload, (int)i, sizeof(payload));
        test_feed_append(&feeds[LAB], &w.keys[LAB], FEED_REQUEST,
                         slice_of(payload, i % 50 == 0 ? 20000 : 100));
    }
    (void)world_connect(&w, LAB, 0);
    world_run(&w);
    ck_assert_uint_eq(has(0, LAB), 300);
    (void)world_connect(&w, 1, 0);
    world_run(&w);
    ck_assert_uint_eq(has(1, LAB), 300);
    ck_assert(world_rows_equal(&w, 0, 1, "F"));
    steward_count(w.nodes[1].s, &counts);
    ck_assert_uint_eq(counts.entries, 300);
    ck_assert_uint_eq(counts.links, 1);
    stop();
}
END_TEST

/* New entries reach those who are not asked, also over others. */
START_TEST(test_steward_pushes)
{
    uint64_t link;

    start_seed(5, 3);
    link = world_connect(&w, LAB, 0);
    (void)world_connect(&w, 0, 1);
    (void)world_connect(&w, 1, 2);
    world_run(&w);
    append(LAB, "one");
    test_feed_say(&feeds[LAB], &w, LAB, link, 0, 1);
    world_run(&w);
    ck_assert_uint_eq(has(2, LAB), 1);
    stop();
}
END_TEST

/* What others say is passed on together, a little later; not to who said it. */
START_TEST(test_steward_passes_on_together)
{
    uint64_t link;

    start();
    link = world_connect(&w, LAB, 0);
    (void)world_connect(&w, OTHER, 0);
    world_run(&w);
    for (unsigned i = 0; i < 5; i++) {
        append(LAB, "something");
        test_feed_say(&feeds[LAB], &w, LAB, link, i, 1);
    }
    while (w.nodes[0].s->relay.len < 5) {
        world_run_some(&w, 1);
    }
    ck_assert_uint_eq(w.nodes[0].s->relay.due_ms, w.mono_ms + STEWARD_RELAY_MS);
    ck_assert_uint_gt(w.nodes[0].wake_ms, 0);
    ck_assert_uint_le(w.nodes[0].wake_ms, w.nodes[0].s->relay.due_ms);
    ck_assert_uint_eq(pushes, 0);
    world_run(&w);
    ck_assert_uint_eq(pushes, 1);
    ck_assert_uint_eq(pushed, 5);
    ck_assert_uint_eq(w.nodes[0].s->relay.len, 0);
    world_pass(&w, STEWARD_RELAY_MS);
    ck_assert_uint_eq(pushes, 1);
    stop();
}
END_TEST

/* What came from several goes to them, too: each lacks what the other said. */
START_TEST(test_steward_passes_on_to_several)
{
    uint64_t lab, other;

    start();
    lab = world_connect(&w, LAB, 0);
    other = world_connect(&w, OTHER, 0);
    (void)world_connect(&w, AUDITOR, 0);
    world_run(&w);
    append(LAB, "one");
    append(OTHER, "two");
    test_feed_say(&feeds[LAB], &w, LAB, lab, 0, 1);
    test_feed_say(&feeds[OTHER], &w, OTHER, other, 0, 1);
    world_run(&w);
    ck_assert_uint_eq(pushes, 3);
    ck_assert_uint_eq(pushed, 6);
    stop();
}
END_TEST

/* A long answer is passed on as long as it came, though it is stored in
 * portions; so is what comes from others meanwhile. */
START_TEST(test_steward_passes_on_long_answers)
{
    const size_t len = MESSAGE_ENTRIES_MAX;
    uint64_t lab;

    start();
    lab = world_connect(&w, LAB, 0);
    (void)world_connect(&w, AUDITOR, 0);
    world_run(&w);
    for (size_t i = 0; i < 2 * len; i++) {
        append(LAB, "something");
    }
    test_feed_say(&feeds[LAB], &w, LAB, lab, 0, len);
    test_feed_say(&feeds[LAB], &w, LAB, lab, len, len);
    world_run(&w);
    ck_assert_uint_eq(pushed, 2 * len);
    ck_assert_uint_le(pushes, 3);
    stop();
}
END_TEST

/* What does not fit beside what waits is not lost: that goes first. */
START_TEST(test_steward_passes_on_what_does_not_fit)
{
    static uint8_t payload[FEED_PAYLOAD_MAX];
    uint64_t link;

    start();
    link = world_connect(&w, LAB, 0);
    (void)world_connect(&w, OTHER, 0);
    world_run(&w);
    for (unsigned i = 0; i < 6; i++) {
        test_feed_append(&feeds[LAB], &w.keys[LAB], FEED_REQUEST,
                         slice_of(payload, i % 2 == 0 ? sizeof(payload) : 100));
        test_feed_say(&feeds[LAB], &w, LAB, link, i, 1);
    }
    world_run(&w);
    ck_assert_uint_gt(pushes, 1);
    ck_assert_uint_lt(pushes, 6);
    ck_assert_uint_eq(pushed, 6);
    stop();
}
END_TEST

static size_t entries_size(const struct test_feed *f, size_t len)
{
    static struct message m;
    static uint8_t bytes[MESSAGE_SIZE_MAX];
    size_t size = 0;

    m.type = MESSAGE_ENTRIES;
    m.u.entries.len = len;
    for (size_t i = 0; i < len; i++) {
        m.u.entries.entries[i] = test_feed_entry(f, i);
    }
    ck_assert_int_eq(message_encode(&m, bytes, sizeof(bytes), &size), OK);
    return size;
}

/* Sixteen entries whose message would be two bytes too long, one, or just fits:
 * their number takes more bytes than that of fifteen. */
START_TEST(test_steward_passes_on_what_just_fits)
{
    static uint8_t payload[FEED_PAYLOAD_MAX];
    size_t last = 20000;
    uint64_t link;

    start();
    for (unsigned i = 0; i < 15; i++) {
        test_feed_append(&feeds[LAB], &w.keys[LAB], FEED_REQUEST,
                         slice_of(payload, 2000));
        test_feed_append(&branch, &w.keys[LAB], FEED_REQUEST,
                         slice_of(payload, 2000));
    }
    test_feed_append(&branch, &w.keys[LAB], FEED_REQUEST,
                     slice_of(payload, last));
    last += MESSAGE_SIZE_MAX + 2 - (size_t)_i - entries_size(&branch, 16);
    test_feed_append(&feeds[LAB], &w.keys[LAB], FEED_REQUEST,
                     slice_of(payload, last));
    link = world_connect(&w, LAB, 0);
    silent = true;
    (void)world_connect(&w, OTHER, 0);
    world_run_some(&w, 100);
    test_feed_say(&feeds[LAB], &w, LAB, link, 0, 15);
    while (w.nodes[0].s->relay.len < 15) {
        world_run_some(&w, 1);
    }
    test_feed_say(&feeds[LAB], &w, LAB, link, 15, 1);
    world_run(&w);
    ck_assert_uint_eq(pushed, 16);
    ck_assert_uint_eq(pushes, _i < 2 ? 2 : 1);
    stop();
}
END_TEST

/* What comes again from other sides costs no signature. */
START_TEST(test_steward_checks_no_entry_twice)
{
    uint64_t link;
    unsigned checks;

    start_seed(5, 2);
    link = world_connect(&w, LAB, 0);
    for (unsigned i = 0; i < 12; i++) {
        append(LAB, "something");
    }
    test_feed_say(&feeds[LAB], &w, LAB, link, 0, 12);
    world_run(&w);
    ck_assert_uint_eq(has(0, LAB), 12);
    checks = w.nodes[0].checks;
    ck_assert_uint_gt(checks, 0);
    for (unsigned i = 0; i < 12; i++) {
        test_feed_say(&feeds[LAB], &w, LAB, link, i, 1);
    }
    world_run(&w);
    ck_assert_uint_eq(w.nodes[0].checks, checks);
    stop();
}
END_TEST

/* Pushes go to the newest link of a member; when that goes, the one before it
 * begins with the heads again, for what was pushed may be lost. */
START_TEST(test_steward_pushes_to_the_newest_link)
{
    uint64_t lab, older, newer;

    start();
    append(LAB, "x");
    lab = world_connect(&w, LAB, 0);
    world_run(&w);
    heads = 0;
    older = world_connect(&w, OTHER, 0);
    world_run(&w);
    newer = world_connect(&w, OTHER, 0);
    world_run(&w);
    ck_assert_uint_eq(heads, 2);
    world_cut(&w, newer);
    world_run(&w);
    ck_assert_uint_eq(heads, 3);
    world_cut(&w, older);
    world_cut(&w, lab);
    world_run(&w);
    ck_assert_uint_eq(heads, 3);
    stop();
}
END_TEST

/* Entries that come before their time are asked for, and then follow. */
START_TEST(test_steward_asks_for_what_is_missing)
{
    uint64_t link;

    start();
    link = world_connect(&w, LAB, 0);
    world_run(&w);
    for (unsigned i = 0; i < 5; i++) {
        append(LAB, "x");
    }
    silent = true;
    test_feed_say(&feeds[LAB], &w, LAB, link, 3, 2);
    world_run(&w);
    ck_assert_uint_eq(has(0, LAB), 0);
    ck_assert_uint_eq(wants, 1);
    ck_assert_uint_eq(wanted.from, 0);
    silent = false;
    test_feed_say(&feeds[LAB], &w, LAB, link, 0, 2);
    world_run(&w);
    ck_assert_uint_eq(has(0, LAB), 5);
    stop();
}
END_TEST

/* Who says that it has entries and sends none loses its link. */
START_TEST(test_steward_does_not_wait_for_ever)
{
    uint64_t link;

    start();
    append(LAB, "x");
    silent = true;
    link = world_connect(&w, LAB, 0);
    world_run(&w);
    ck_assert_uint_eq(wants, 1);
    world_pass(&w, 59999);
    ck_assert(world_is_up(&w, link));
    world_pass(&w, 1);
    ck_assert(!world_is_up(&w, link));
    stop();
}
END_TEST

/* Several have the feed and one is asked; when that one fails, another is. */
START_TEST(test_steward_asks_another)
{
    struct message m = {.type = MESSAGE_REFUSE};
    uint64_t link;

    start();
    append(LAB, "x");
    link = world_connect(&w, OTHER, 0);
    test_feed_heads(&feeds[LAB], &w, OTHER, link);
    world_run(&w);
    ck_assert_uint_eq(wants, 1);
    (void)world_connect(&w, LAB, 0);
    world_run(&w);
    ck_assert_uint_eq(wants, 1);
    if (_i == 0) {
        m.u.refuse.about = MESSAGE_WANT;
        m.u.refuse.status = ERR_NOTFOUND;
        world_say(&w, OTHER, link, &m);
    } else if (_i == 1) {
        world_cut(&w, link);
    } else {
        world_pass(&w, 60000);
    }
    world_run(&w);
    ck_assert_uint_eq(wants, 2);
    ck_assert_uint_eq(has(0, LAB), 1);
    stop();
}
END_TEST

/* Who refuses a WANT is not asked again, but its next entries are welcome. */
START_TEST(test_steward_takes_no_for_an_answer)
{
    struct message m = {.type = MESSAGE_REFUSE};
    uint64_t link;

    start();
    append(LAB, "x");
    silent = true;
    link = world_connect(&w, LAB, 0);
    world_run(&w);
    m.u.refuse.about = MESSAGE_WANT;
    m.u.refuse.status = ERR_NOTFOUND;
    world_say(&w, LAB, link, &m);
    world_run(&w);
    world_pass(&w, 70000);
    ck_assert(world_is_up(&w, link));
    ck_assert_uint_eq(wants, 1);
    test_feed_say(&feeds[LAB], &w, LAB, link, 0, 1);
    world_run(&w);
    ck_assert_uint_eq(has(0, LAB), 1);
    stop();
}
END_TEST

/* A WANT for what is not here is refused. */
START_TEST(test_steward_refuses_a_want_of_nothing)
{
    struct message m = {.type = MESSAGE_WANT};
    uint64_t link;

    start();
    append(LAB, "x");
    link = world_connect(&w, LAB, 0);
    world_run(&w);
    m.u.want.author = w.ids[LAB];
    m.u.want.from = 1;
    world_say(&w, LAB, link, &m);
    m.u.want.from = MERKLE_LEAVES_MAX - 1;
    world_say(&w, LAB, link, &m);
    m.u.want.author = w.ids[OTHER];
    m.u.want.from = 0;
    world_say(&w, LAB, link, &m);
    world_run(&w);
    ck_assert_uint_eq(w.nodes[0].refused, 3);
    ck_assert_uint_eq(w.nodes[0].last_refuse.about, MESSAGE_WANT);
    ck_assert_int_eq(w.nodes[0].last_refuse.status, ERR_NOTFOUND);
    ck_assert(world_is_up(&w, link));
    stop();
}
END_TEST

/* --- False entries ------------------------------------------------------- */

/* Another payload, a false signature, another network, a broken chain: nothing
 * of the message is kept, and the link is closed. */
START_TEST(test_steward_refuses_false_entries)
{
    struct test_feed f;
    struct digest net = {.bytes = {9}};
    uint64_t link;
    size_t size;

    start();
    link = world_connect(&w, OTHER, 0);
    test_feed_init(&f, &w, LAB, 0);
    test_feed_append(&f, &w.keys[LAB], FEED_REQUEST, slice_str("good"));
    switch (_i) {
    case 0: /* Signed by somebody else. */
        test_feed_append(&f, &w.keys[OTHER], FEED_REQUEST, slice_str("bad"));
        break;
    case 1: /* Another network. */
        f.tip.net = net;
        f.tip.seq = 0;
        merkle_range_init(&f.tip.range);
        memset(&f.tip.prev, 0, sizeof(f.tip.prev));
        test_feed_append(&f, &w.keys[LAB], FEED_REQUEST, slice_str("bad"));
        break;
    case 2: /* The payload was changed. */
        test_feed_append(&f, &w.keys[LAB], FEED_REQUEST, slice_str("bad"));
        size = f.e[1].size;
        f.e[1].bytes[size - 1] ^= 1;
        break;
    case 3: /* Another root than that of the entries before it. */
        f.tip.range.nodes[0].bytes[0] ^= 1;
        test_feed_append(&f, &w.keys[LAB], FEED_REQUEST, slice_str("bad"));
        break;
    case 4: /* Cut short. */
        test_feed_append(&f, &w.keys[LAB], FEED_REQUEST, slice_str("bad"));
        f.e[1].size--;
        break;
    default:
        ck_abort();
    }
    test_feed_say(&f, &w, OTHER, link, 0, 2);
    world_run(&w);
    /* The chain is looked at one by one, the rest before any is stored. */
    ck_assert_uint_eq(has(0, LAB), _i == 3 ? 1 : 0);
    ck_assert(!world_is_up(&w, link));
    ck_assert_uint_eq(w.nodes[0].refused, 1);
    ck_assert_uint_eq(w.nodes[0].last_refuse.about, MESSAGE_ENTRIES);
    test_feed_free(&f);
    stop();
}
END_TEST

/* Entries of authors that the charter does not know are passed over. */
START_TEST(test_steward_ignores_unknown_authors)
{
    const uint8_t seed[SIGN_SEED_SIZE] = {0xee};
    struct sign_key stranger;
    struct message_entries *e;
    struct message m = {.type = MESSAGE_ENTRIES};
    struct test_feed f;
    uint64_t link;

    start();
    sign_key_from_seed(&stranger, seed);
    test_feed_init(&f, &w, LAB, 0);
    memcpy(f.tip.author.bytes, stranger.pk, SIGN_PK_SIZE);
    test_feed_append(&f, &stranger, FEED_REQUEST, slice_str("hello"));
    append(LAB, "x");
    link = world_connect(&w, OTHER, 0);
    test_feed_heads(&f, &w, OTHER, link);
    e = &m.u.entries;
    e->entries[e->len++] = test_feed_entry(&f, 0);
    e->entries[e->len++] = test_feed_entry(&feeds[LAB], 0);
    world_say(&w, OTHER, link, &m);
    world_run(&w);
    ck_assert_uint_eq(has(0, LAB), 1);
    ck_assert_uint_eq(world_rows(&w, 0, 'F'), 1);
    ck_assert_uint_eq(wants, 0);
    ck_assert(world_is_up(&w, link));
    test_feed_free(&f);
    stop();
}
END_TEST

/* An entry without its payload is no entry to keep. */
START_TEST(test_steward_keeps_no_pruned_entry)
{
    struct message m = {.type = MESSAGE_ENTRIES};
    uint8_t pruned[512];
    uint64_t link;
    size_t size;

    start();
    append(LAB, "x");
    size = feeds[LAB].e[0].size;
    memcpy(pruned, feeds[LAB].e[0].bytes, size);
    pruned[size - 3] = 0xc0; /* nil for bin(1) "x" */
    m.u.entries.entries[m.u.entries.len++] = slice_of(pruned, size - 2);
    silent = true;
    link = world_connect(&w, OTHER, 0);
    world_say(&w, OTHER, link, &m);
    world_run(&w);
    ck_assert_uint_eq(has(0, LAB), 0);
    silent = false;
    test_feed_say(&feeds[LAB], &w, OTHER, link, 0, 1);
    world_run(&w);
    ck_assert_uint_eq(has(0, LAB), 1);
    stop();
}
END_TEST

/* The check on the workers holds only what the charter's keys have signed. */
START_TEST(test_steward_check_is_strict)
{
    uint8_t bytes[4096], entry[512];
    struct slice list = {.data = NULL, .size = 0};
    struct canon_writer cw;
    size_t size;

    start();
    append(LAB, "x");
    size = feeds[LAB].e[0].size;
    for (unsigned what = 0; what < 4; what++) {
        unsigned key = what == 1 ? OTHER : LAB;

        memcpy(entry, feeds[LAB].e[0].bytes, size);
        if (what == 2) {
            entry[size - 10] ^= 1; /* In the signature. */
        }
        canon_write_init(&cw, bytes, sizeof(bytes));
        canon_put_array(&cw, 1);
        canon_put_array(&cw, 2);
        canon_put_bin(&cw, slice_of(w.keys[key].pk, SIGN_PK_SIZE));
        canon_put_bin(&cw, slice_of(entry, size));
        ck_assert_int_eq(canon_write_end(&cw, &list), OK);
        list.size -= what == 3 ? 1 : 0;
        ck_assert_int_eq(steward_check(&w.charter, list),
                         what == 0 ? OK : ERR_AUTH);
    }
    ck_assert_int_eq(steward_check(&w.charter, slice_of("\x90", 1)), ERR_AUTH);
    stop();
}
END_TEST

/* --- Forks --------------------------------------------------------------- */

/* Two branches after two common entries; one lab, two words. */
static void fork_feeds(unsigned ours, unsigned theirs)
{
    append_both("common");
    append_both("common");
    for (unsigned i = 0; i < ours; i++) {
        append(LAB, "this");
    }
    for (unsigned i = 0; i < theirs; i++) {
        append_branch("that");
    }
}

/* A branch of any length, said to one steward after the other branch: the feed
 * freezes, and the proof and both words are kept. */
START_TEST(test_steward_keeps_forks_as_evidence)
{
    unsigned theirs = 1 + (unsigned)_i % 3, ours = 1 + (unsigned)_i / 3;
    uint64_t link;

    start();
    fork_feeds(ours, theirs);
    (void)world_connect(&w, LAB, 0);
    world_run(&w);
    ck_assert_uint_eq(has(0, LAB), 2 + ours);
    /* Now the lab speaks with the other tongue. */
    test_feed_free(&feeds[LAB]);
    feeds[LAB] = branch;
    memset(&branch, 0, sizeof(branch));
    link = world_connect(&w, LAB, 0);
    test_feed_say(&feeds[LAB], &w, LAB, link, 0, 2 + theirs);
    world_run(&w);
    ck_assert_uint_eq(world_rows(&w, 0, 'X'), 1);
    ck_assert_uint_eq(has(0, LAB), 2 + ours);
    append(LAB, "more");
    test_feed_say(&feeds[LAB], &w, LAB, link, 0, 3 + theirs);
    world_run(&w);
    ck_assert_uint_eq(has(0, LAB), 2 + ours);
    /* It stays so after a restart. */
    world_crash(&w, 0);
    link = world_connect(&w, LAB, 0);
    append(LAB, "even more");
    test_feed_say(&feeds[LAB], &w, LAB, link, 0, 4 + theirs);
    world_run(&w);
    ck_assert_uint_eq(has(0, LAB), 2 + ours);
    ck_assert_uint_eq(world_rows(&w, 0, 'X'), 1);
    stop();
}
END_TEST

/* Whichever branch came first, what is proven is the same. */
START_TEST(test_steward_forks_in_both_orders)
{
    struct key key;
    const struct world_row *a, *b;
    uint64_t la, lb;

    start_seed(1, 2);
    fork_feeds(1, 1);
    silent = true;
    la = world_connect(&w, OTHER, 0);
    lb = world_connect(&w, OTHER, 1);
    test_feed_say(&feeds[LAB], &w, OTHER, la, 0, 3);
    test_feed_say(&branch, &w, OTHER, lb, 0, 3);
    world_run(&w);
    test_feed_say(&branch, &w, OTHER, la, 0, 3);
    test_feed_say(&feeds[LAB], &w, OTHER, lb, 0, 3);
    world_run(&w);
    ck_assert(forked_at(0, 2));
    ck_assert(forked_at(1, 2));
    /* The tips differ in what was stored; the proofs, their ends, do not. */
    key = key_tip(&w.ids[LAB], 0);
    a = world_row(&w, 0, key_slice(&key));
    b = world_row(&w, 1, key_slice(&key));
    ck_assert_ptr_nonnull(a);
    ck_assert_ptr_nonnull(b);
    ck_assert_uint_eq(a->value_size, b->value_size);
    ck_assert_bytes_eq(a->value + a->value_size - 500,
                       b->value + b->value_size - 500, 500);
    stop();
}
END_TEST

/* Two stewards with a branch each find out as soon as they talk; a third who
 * had neither learns it from them, and all freeze. */
START_TEST(test_steward_forks_spread)
{
    uint64_t la, lb;

    start_seed((uint64_t)_i, 3);
    fork_feeds(1 + (unsigned)_i % 3, 1 + (unsigned)_i / 3);
    silent = true;
    la = world_connect(&w, OTHER, 0);
    lb = world_connect(&w, OTHER, 1);
    test_feed_say(&feeds[LAB], &w, OTHER, la, 0, feeds[LAB].len);
    test_feed_say(&branch, &w, OTHER, lb, 0, branch.len);
    world_run(&w);
    (void)world_connect(&w, 0, 1);
    (void)world_connect(&w, 1, 2);
    world_run(&w);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_uint_ge(world_rows(&w, i, 'X'), 1);
        ck_assert_uint_ge(has(i, LAB), 2);
    }
    stop();
}
END_TEST

/* Who comes later hears of a fork at once, even with nothing of that feed. */
START_TEST(test_steward_forks_are_told_to_those_who_come)
{
    struct message m = {.type = MESSAGE_ENTRIES};
    uint64_t link;

    start_seed(1, 2);
    fork_feeds(1, 1);
    link = world_connect(&w, OTHER, 0);
    m.u.entries.entries[m.u.entries.len++] = test_feed_entry(&branch, 2);
    m.u.entries.entries[m.u.entries.len++] = test_feed_entry(&feeds[LAB], 2);
    world_say(&w, OTHER, link, &m);
    world_run(&w);
    world_crash(&w, 0);
    (void)world_connect(&w, 0, 1);
    world_run(&w);
    ck_assert(forked_at(1, 2));
    stop();
}
END_TEST

/* One header with two signatures is no fork, and nobody is condemned. */
START_TEST(test_steward_two_signatures_are_no_fork)
{
    struct message m = {.type = MESSAGE_ENTRIES};
    uint8_t again[512];
    struct feed_entry e;
    uint64_t link;

    start();
    append(LAB, "x");
    append(LAB, "y");
    link = world_connect(&w, LAB, 0);
    world_run(&w);
    /* Ed25519 is deterministic here; a copy with a false signature will do:
     * it has the same id, so it is not even looked at. */
    memcpy(again, feeds[LAB].e[1].bytes, feeds[LAB].e[1].size);
    ck_assert_int_eq(feed_entry_decode(&e, test_feed_entry(&feeds[LAB], 1)),
                     OK);
    again[3 + e.header_bytes.size + 4] ^= 1;
    m.u.entries.entries[m.u.entries.len++] =
        slice_of(again, feeds[LAB].e[1].size);
    world_say(&w, LAB, link, &m);
    world_run(&w);
    ck_assert_uint_eq(world_rows(&w, 0, 'X'), 0);
    ck_assert_uint_eq(has(0, LAB), 2);
    stop();
}
END_TEST

/* What is kept as proof convinces a stranger: both signatures hold, also when
 * our own word came along with a false one. */
START_TEST(test_steward_proofs_convince)
{
    struct message m = {.type = MESSAGE_ENTRIES};
    struct key key;
    const struct world_row *row;
    struct slice parts[2];
    uint8_t again[512];
    struct canon_reader r;
    struct feed_entry e;
    uint64_t link;

    start();
    key = key_fork(&w.ids[LAB], 0, 2);
    fork_feeds(1, 1);
    link = world_connect(&w, LAB, 0);
    world_run(&w);
    memcpy(again, feeds[LAB].e[2].bytes, feeds[LAB].e[2].size);
    ck_assert_int_eq(feed_entry_decode(&e, test_feed_entry(&feeds[LAB], 2)),
                     OK);
    again[3 + e.header_bytes.size + 4] ^= 1;
    m.u.entries.entries[m.u.entries.len++] =
        slice_of(again, feeds[LAB].e[2].size);
    m.u.entries.entries[m.u.entries.len++] = test_feed_entry(&branch, 2);
    world_say(&w, LAB, link, &m);
    world_run(&w);
    row = world_row(&w, 0, key_slice(&key));
    ck_assert_ptr_nonnull(row);
    canon_read_init(&r, slice_of(row->value, row->value_size));
    canon_array(&r, 2);
    parts[0] = canon_bin(&r, 1, FEED_ENTRY_MAX);
    parts[1] = canon_bin(&r, 1, FEED_ENTRY_MAX);
    canon_leave(&r);
    ck_assert_int_eq(canon_end(&r), OK);
    ck_assert(slice_equal(parts[1], test_feed_entry(&branch, 2)));
    for (size_t i = 0; i < 2; i++) {
        ck_assert_int_eq(feed_entry_decode(&e, parts[i]), OK);
        ck_assert_int_eq(feed_entry_verify(&e, w.keys[LAB].pk), OK);
        ck_assert_uint_eq(e.header.seq, 2);
    }
    stop();
}
END_TEST

/* A fork whose second word is forged proves nothing, also when the true first
 * one stands beside it. */
START_TEST(test_steward_forged_forks_prove_nothing)
{
    struct message m = {.type = MESSAGE_ENTRIES};
    struct test_feed forged;
    uint64_t link;

    start();
    append(LAB, "x");
    link = world_connect(&w, LAB, 0);
    world_run(&w);
    test_feed_init(&forged, &w, LAB, 0);
    test_feed_append(&forged, &w.keys[OTHER], FEED_REQUEST, slice_str("lie"));
    m.u.entries.entries[m.u.entries.len++] = test_feed_entry(&feeds[LAB], 0);
    m.u.entries.entries[m.u.entries.len++] = test_feed_entry(&forged, 0);
    world_say(&w, LAB, link, &m);
    world_run(&w);
    ck_assert_uint_eq(world_rows(&w, 0, 'X'), 0);
    ck_assert(!world_is_up(&w, link));
    link = world_connect(&w, LAB, 0);
    append(LAB, "y");
    test_feed_say(&feeds[LAB], &w, LAB, link, 1, 1);
    world_run(&w);
    ck_assert_uint_eq(has(0, LAB), 2);
    test_feed_free(&forged);
    stop();
}
END_TEST

/* Entries before the fork are still taken by those who lack them. */
START_TEST(test_steward_takes_what_was_said_before_a_fork)
{
    struct message m = {.type = MESSAGE_ENTRIES};
    uint64_t link;

    start();
    fork_feeds(1, 1);
    link = world_connect(&w, OTHER, 0);
    m.u.entries.entries[m.u.entries.len++] = test_feed_entry(&feeds[LAB], 2);
    m.u.entries.entries[m.u.entries.len++] = test_feed_entry(&branch, 2);
    world_say(&w, OTHER, link, &m);
    world_run(&w);
    ck_assert(forked_at(0, 2));
    ck_assert_uint_eq(has(0, LAB), 0);
    test_feed_say(&feeds[LAB], &w, OTHER, link, 0, 3);
    world_run(&w);
    ck_assert_uint_eq(has(0, LAB), 2);
    stop();
}
END_TEST

/* Others have of our feed what we have not: we were restored from a backup.
 * The entries come back, and we never write again in that incarnation. */
START_TEST(test_steward_restored_from_a_backup_halts)
{
    struct test_feed own;
    struct message m = {.type = MESSAGE_OFFER};
    uint64_t link;

    start();
    test_feed_init(&own, &w, 0, 0);
    test_feed_append(&own, &w.keys[0], FEED_REQUEST, slice_str("x"));
    link = world_connect(&w, LAB, 0);
    test_feed_say(&own, &w, LAB, link, 0, 1);
    world_run(&w);
    ck_assert_uint_eq(has(0, 0), 1);
    world_crash(&w, 0);
    link = world_connect(&w, LAB, 0);
    m.u.offer = (struct message_offer){.random = {.bytes = {1}},
                                       .net = w.net,
                                       .lab = w.ids[LAB],
                                       .label = "m",
                                       .k = 2,
                                       .n = 4,
                                       .t = 2,
                                       .segment_size = 65536,
                                       .size_max = 65536};
    world_say(&w, LAB, link, &m);
    world_run(&w);
    ck_assert_int_eq(w.nodes[0].last_refuse.status, ERR_ORDER);
    ck_assert_uint_eq(world_rows(&w, 0, 'D'), 0);
    test_feed_free(&own);
    stop();
}
END_TEST

/* --- Bounds -------------------------------------------------------------- */

/* --- Quotas -------------------------------------------------------------- */

static void append_large(unsigned member)
{
    static const uint8_t payload[1000];

    test_feed_append(&feeds[member], &w.keys[member], FEED_REQUEST,
                     slice_of(payload, sizeof(payload)));
}

static uint32_t index_of(unsigned member)
{
    uint32_t i = 0;

    while (!digest_equal(&w.charter.members[i].card.id, &w.ids[member])) {
        i++;
    }
    return i;
}

static const struct steward_link *link_of(uint64_t id)
{
    const struct steward_link *l = w.nodes[0].s->links;

    while (!l->up || l->id != id) {
        l++;
    }
    return l;
}

static struct steward_member_info taken(unsigned node, unsigned member)
{
    struct steward_member_info info;

    steward_member_info(w.nodes[node].s, index_of(member), &info);
    return info;
}

/* What a feed takes is bounded: no more of it is wanted or taken, others go on,
 * and with a larger quota it goes on where it stopped. */
START_TEST(test_steward_feeds_have_quotas)
{
    uint64_t link, other;
    unsigned wanted_before;

    start();
    w.feed_quota = 3000;
    world_crash(&w, 0);
    for (unsigned i = 0; i < 10; i++) {
        append_large(LAB);
    }
    link = world_connect(&w, LAB, 0);
    other = world_connect(&w, OTHER, 0);
    world_run(&w);
    ck_assert_uint_eq(has(0, LAB), 3);
    ck_assert(taken(0, LAB).feed_full);
    ck_assert_uint_ge(taken(0, LAB).feed_bytes, 3000);
    ck_assert_uint_eq(taken(0, LAB).feed_quota, 3000);
    ck_assert_uint_eq(steward_feeds_full(w.nodes[0].s),
                      (uint64_t)1 << index_of(LAB));

    /* Pushed or wanted, it is not taken, and its signatures are not checked. */
    wanted_before = w.nodes[0].checks;
    append_large(LAB);
    test_feed_say(&feeds[LAB], &w, LAB, link, 3, 1);
    test_feed_say(&feeds[LAB], &w, LAB, link, 10, 1);
    world_run(&w);
    ck_assert_uint_eq(has(0, LAB), 3);
    ck_assert_uint_eq(w.nodes[0].checks, wanted_before);
    ck_assert(world_is_up(&w, link));
    append(OTHER, "a");
    test_feed_say(&feeds[OTHER], &w, OTHER, other, 0, 1);
    world_run(&w);
    ck_assert_uint_eq(has(0, OTHER), 1);

    world_crash(&w, 0);
    ck_assert(taken(0, LAB).feed_full);
    wants = 0;
    (void)world_connect(&w, LAB, 0);
    world_run(&w);
    ck_assert_uint_eq(wants, 0);

    w.feed_quota = 30000;
    world_crash(&w, 0);
    (void)world_connect(&w, LAB, 0);
    world_run(&w);
    ck_assert_uint_eq(has(0, LAB), 11);
    ck_assert(!taken(0, LAB).feed_full);
    stop();
}
END_TEST

/* A member has one quota for all its incarnations, and its forks count. */
START_TEST(test_steward_quotas_count_all_of_a_member)
{
    static struct test_feed second;
    uint64_t link, bytes;

    start();
    w.feed_quota = 3000;
    world_crash(&w, 0);
    link = world_connect(&w, LAB, 0);
    append_large(LAB);
    append_large(LAB);
    test_feed_say(&feeds[LAB], &w, LAB, link, 0, 2);
    test_feed_init(&second, &w, LAB, 1);
    for (unsigned i = 0; i < 2; i++) {
        static const uint8_t payload[1000];

        test_feed_append(&second, &w.keys[LAB], FEED_REQUEST,
                         slice_of(payload, sizeof(payload)));
    }
    test_feed_say(&second, &w, LAB, link, 0, 2);
    world_run(&w);
    ck_assert_uint_eq(has(0, LAB), 2);
    ck_assert_uint_eq(world_rows(&w, 0, 'F'), 3);
    bytes = taken(0, LAB).feed_bytes;
    ck_assert_uint_eq(bytes, 2 * feeds[LAB].e[0].size + second.e[0].size +
                                 (feeds[LAB].e[1].size - feeds[LAB].e[0].size));
    /* A fork of what is here is proven whatever the quota says. */
    append_branch("another first");
    test_feed_say(&branch, &w, LAB, link, 0, 1);
    world_run(&w);
    ck_assert(forked_at(0, 0));
    ck_assert_uint_gt(taken(0, LAB).feed_bytes, bytes);
    ck_assert_uint_lt(taken(0, LAB).feed_bytes, bytes + STEWARD_PROOF_MAX);
    bytes = taken(0, LAB).feed_bytes;
    world_crash(&w, 0);
    ck_assert_uint_eq(taken(0, LAB).feed_bytes, bytes);
    test_feed_free(&second);
    stop();
}
END_TEST

/* A flood is slowed down, not cut off, and keeps nobody else waiting. */
START_TEST(test_steward_floods_are_slowed)
{
    static uint8_t payload[FEED_PAYLOAD_MAX];
    uint64_t link, other, had;

    start();
    for (unsigned i = 0; i < 40; i++) {
        test_feed_append(&feeds[LAB], &w.keys[LAB], FEED_REQUEST,
                         slice_of(payload, sizeof(payload)));
    }
    /* It has had its first bytes before. */
    w.nodes[0].s->members[index_of(LAB)].feed_tokens = 500000;
    w.nodes[0].s->members[index_of(LAB)].feed_ms = w.mono_ms;
    link = world_connect(&w, LAB, 0);
    other = world_connect(&w, OTHER, 0);
    world_run(&w);
    had = has(0, LAB);
    ck_assert_uint_gt(had, 5);
    ck_assert_uint_lt(had, 12);
    for (size_t i = 10; i < 20; i++) {
        test_feed_say(&feeds[LAB], &w, LAB, link, i, 1);
    }
    append(OTHER, "a");
    test_feed_say(&feeds[OTHER], &w, OTHER, other, 0, 1);
    world_run(&w);
    ck_assert_uint_eq(has(0, OTHER), 1);
    ck_assert_uint_lt(has(0, LAB), 12);
    world_pass(&w, 2000);
    ck_assert_uint_gt(has(0, LAB), had);
    ck_assert_uint_lt(has(0, LAB), had + 12);
    world_pass(&w, 20000);
    ck_assert_uint_eq(has(0, LAB), 40);
    ck_assert(world_is_up(&w, link));
    ck_assert(!taken(0, LAB).feed_full);
    stop();
}
END_TEST

/* However many feeds of a flood are left to later, what else comes on that link
 * is taken. */
START_TEST(test_steward_floods_leave_room_for_gaps)
{
    static struct test_feed floods[2 * STEWARD_FEEDS_PER_MEMBER];
    const unsigned members[] = {LAB, OTHER};
    uint64_t link;

    start();
    link = world_connect(&w, AUDITOR, 0);
    world_run(&w);
    for (unsigned i = 0; i < 2; i++) {
        struct steward_member *m = &w.nodes[0].s->members[index_of(members[i])];

        m->feed_tokens = 0;
        m->feed_ms = w.mono_ms;
    }
    for (unsigned i = 0; i < 2 * STEWARD_FEEDS_PER_MEMBER; i++) {
        unsigned member = members[i % 2];

        test_feed_init(&floods[i], &w, member, i / 2);
        test_feed_append(&floods[i], &w.keys[member], FEED_REQUEST,
                         slice_str("x"));
        test_feed_say(&floods[i], &w, AUDITOR, link, 0, 1);
        world_run(&w);
    }
    ck_assert_uint_eq(has(0, LAB), 0);
    ck_assert_uint_le(link_of(link)->gaps_len, STEWARD_GAPS_MAX / 2);
    append(AUDITOR, "a");
    append(AUDITOR, "b");
    test_feed_say(&feeds[AUDITOR], &w, AUDITOR, link, 1, 1);
    world_run(&w);
    ck_assert(world_is_up(&w, link));
    ck_assert_uint_eq(has(0, AUDITOR), 2);
    for (unsigned i = 0; i < 2 * STEWARD_FEEDS_PER_MEMBER; i++) {
        test_feed_free(&floods[i]);
    }
    stop();
}
END_TEST

/* A member may open so many links and no more; others still find room. */
START_TEST(test_steward_bounds_links)
{
    struct steward_counts counts;

    start();
    for (unsigned i = 0; i < 20; i++) {
        (void)world_connect(&w, LAB, 0);
    }
    world_run(&w);
    steward_count(w.nodes[0].s, &counts);
    ck_assert_uint_eq(counts.links, 16);
    ck_assert_uint_eq(w.nodes[0].closed, 4);
    /* Those that are stewards in the charter are played here, too. */
    for (unsigned i = 1; i < WORLD_MEMBERS; i++) {
        for (unsigned j = 0; j < 20 && i != LAB; j++) {
            (void)world_connect(&w, i, 0);
        }
    }
    world_run(&w);
    steward_count(w.nodes[0].s, &counts);
    ck_assert_uint_le(counts.links, STEWARD_LINKS_MAX);
    ck_assert_uint_eq(counts.links, 112);
    stop();
}
END_TEST

/* An author has room for so many incarnations; others are not crowded out. */
START_TEST(test_steward_bounds_feeds)
{
    struct steward_counts counts;
    uint64_t link;

    start();
    link = world_connect(&w, LAB, 0);
    world_run(&w);
    for (uint32_t i = 0; i < 40; i++) {
        struct test_feed f;

        test_feed_init(&f, &w, LAB, UINT32_MAX - i);
        test_feed_append(&f, &w.keys[LAB], FEED_REQUEST, slice_str("x"));
        test_feed_say(&f, &w, LAB, link, 0, 1);
        world_run(&w);
        test_feed_free(&f);
    }
    append(OTHER, "x");
    test_feed_say(&feeds[OTHER], &w, LAB, link, 0, 1);
    world_run(&w);
    steward_count(w.nodes[0].s, &counts);
    /* 16, our own, and the other lab's. */
    ck_assert_uint_eq(counts.feeds, 18);
    ck_assert_uint_eq(has(0, OTHER), 1);
    ck_assert(world_is_up(&w, link));
    world_crash(&w, 0);
    steward_count(w.nodes[0].s, &counts);
    ck_assert_uint_eq(counts.feeds, 18);
    stop();
}
END_TEST

/* Messages queue up to a bound while one is checked; then the link goes. */
START_TEST(test_steward_bounds_inboxes)
{
    struct steward *s;
    static struct core_out out;
    uint8_t bytes[MESSAGE_SIZE_MAX];
    struct message m = {.type = MESSAGE_ENTRIES};
    struct core_event ev;
    unsigned closed = 0, checks = 0, sent = 0;
    uint64_t link;
    size_t size = 0;

    start();
    append(LAB, "x");
    silent = true;
    link = world_connect(&w, OTHER, 0);
    world_run(&w);
    s = w.nodes[0].s;
    m.u.entries.entries[m.u.entries.len++] = test_feed_entry(&feeds[LAB], 0);
    ck_assert_int_eq(message_encode(&m, bytes, sizeof(bytes), &size), OK);
    while (closed == 0) {
        ev = (struct core_event){.type = EV_MSG,
                                 .id = link,
                                 .mono_ms = w.mono_ms,
                                 .wall_ms = w.wall_ms,
                                 .bytes = slice_of(bytes, size)};
        core_out_reset(&out);
        steward_step(s, &ev, &out);
        sent++;
        for (size_t i = 0; i < out.acts_len; i++) {
            closed += out.acts[i].type == ACT_CLOSE ? 1U : 0U;
            checks += out.acts[i].type == ACT_CHECK ? 1U : 0U;
        }
        ck_assert_uint_lt(sent, 1000);
    }
    ck_assert_uint_eq(checks, 1);
    ck_assert_uint_eq(sent, 65);
    stop();
}
END_TEST

/* Say |bytes| to the machine of node 0 behind its driver's back; the last link
 * that it closes, or 0. */
static uint64_t step_message(uint64_t link, struct slice bytes)
{
    static struct core_out out;
    const struct core_event ev = {.type = EV_MSG,
                                  .id = link,
                                  .mono_ms = w.mono_ms,
                                  .wall_ms = w.wall_ms,
                                  .bytes = bytes};
    uint64_t closed = 0;

    core_out_reset(&out);
    steward_step(w.nodes[0].s, &ev, &out);
    for (size_t i = 0; i < out.acts_len; i++) {
        closed = out.acts[i].type == ACT_CLOSE ? out.acts[i].id : closed;
    }
    return closed;
}

/* Who fills the room that all inboxes have together goes, not who says the next
 * word. */
START_TEST(test_steward_closes_who_fills_the_inboxes)
{
    static uint8_t bytes[MESSAGE_SIZE_MAX];
    struct message m = {.type = MESSAGE_ENTRIES};
    uint64_t floods[3], honest;
    char text[8000];
    size_t size = 0;

    start();
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    append(LAB, text);
    silent = true;
    honest = world_connect(&w, LAB, 0);
    for (unsigned i = 0; i < 3; i++) {
        floods[i] = world_connect(&w, OTHER, 0);
    }
    world_run(&w);
    m.u.entries.entries[m.u.entries.len++] = test_feed_entry(&feeds[LAB], 0);
    ck_assert_int_eq(message_encode(&m, bytes, sizeof(bytes), &size), OK);
    for (unsigned i = 0; i < 3; i++) {
        /* It is checked, and the rest waits. */
        ck_assert_uint_eq(step_message(floods[i], slice_of(bytes, size)), 0);
    }
    for (unsigned i = 0; i < 128; i++) {
        ck_assert_uint_eq(step_message(floods[i < 120 ? i % 2 : 2],
                                       slice_of(bytes, sizeof(bytes))),
                          0);
    }
    for (unsigned i = 0; i < 8; i++) {
        uint64_t closed = step_message(honest, slice_of(bytes, size));

        ck_assert_msg(closed == 0 || closed == floods[0] || closed == floods[1],
                      "link %u of %u", (unsigned)closed, (unsigned)honest);
    }
    ck_assert(steward_link_find(w.nodes[0].s, honest) != NULL);
    stop();
}
END_TEST

/* More parts of HEADS than a network may have feeds close the link. */
START_TEST(test_steward_bounds_heads)
{
    struct message *m = calloc(1, sizeof(*m));
    uint64_t link;

    ck_assert_ptr_nonnull(m);
    start();
    link = world_connect(&w, OTHER, 0);
    m->type = MESSAGE_HEADS;
    m->u.heads.more = true;
    m->u.heads.len = 1;
    m->u.heads.heads[0] = (struct message_head){
        .author = w.ids[LAB], .len = 1, .last = w.ids[LAB]};
    silent = true;
    for (unsigned i = 0; i < 5; i++) {
        world_say(&w, OTHER, link, m);
    }
    world_run(&w);
    ck_assert(!world_is_up(&w, link));
    ck_assert_int_eq(w.nodes[0].last_refuse.status, ERR_FULL);
    free(m);
    stop();
}
END_TEST

/* --- Hostility ----------------------------------------------------------- */

/* Anything at all, from a chartered member: no message stops the machine, and
 * none brings a row into being. */
START_TEST(test_steward_survives_any_bytes)
{
    struct message *m = calloc(1, sizeof(*m));
    uint8_t bytes[2048];
    uint64_t link;

    ck_assert_ptr_nonnull(m);
    start_seed((uint64_t)_i, 1);
    append(LAB, "x");
    silent = true;
    link = world_connect(&w, OTHER, 0);
    world_run(&w);
    for (unsigned round = 0; round < 300; round++) {
        size_t size = 0;

        memset(m, 0, sizeof(*m));
        m->type = (enum message_type[]){
            MESSAGE_WANT,         MESSAGE_HEADS, MESSAGE_CUT,
            MESSAGE_APPEND,       MESSAGE_FLUSH, MESSAGE_DURABLE,
            MESSAGE_COMMIT,       MESSAGE_READ,  MESSAGE_ACCEPT,
            MESSAGE_ENVELOPE_WANT}[rng_below(&w.rng, 10)];
        if (m->type == MESSAGE_HEADS) {
            m->u.heads.len = 1;
            m->u.heads.heads[0] = (struct message_head){
                .author = w.ids[rng_below(&w.rng, WORLD_MEMBERS)],
                .incarnation = (uint32_t)rng_below(&w.rng, 3),
                .len = 1 + rng_below(&w.rng, MERKLE_LEAVES_MAX),
                .last = w.ids[0]};
        } else {
            /* All of them begin with an id. */
            m->u.want.author = w.ids[rng_below(&w.rng, WORLD_MEMBERS)];
        }
        if (m->type == MESSAGE_READ) {
            m->u.read.leaves = 1;
            m->u.read.stream = 1;
        } else if (m->type == MESSAGE_APPEND) {
            m->u.append.leaves = 1;
            m->u.append.stream = 1;
        }
        ck_assert_int_eq(message_encode(m, bytes, sizeof(bytes), &size), OK);
        for (uint64_t flips = rng_below(&w.rng, 4); flips > 0; flips--) {
            bytes[rng_below(&w.rng, size)] ^=
                (uint8_t)BIT(rng_below(&w.rng, 8));
        }
        world_say_bytes(&w, OTHER, link, slice_of(bytes, size));
        world_run_some(&w, (unsigned)rng_below(&w.rng, 20));
        if (!world_is_up(&w, link)) {
            world_run(&w);
            link = world_connect(&w, OTHER, 0);
        }
        if (rng_below(&w.rng, 50) == 0) {
            w.mono_ms += 60000;
        }
    }
    world_run(&w);
    ck_assert_uint_eq(w.nodes[0].rows_len, 0);
    free(m);
    stop();
}
END_TEST

/* What a steward never asks for is refused, not believed. */
START_TEST(test_steward_refuses_answers_to_nothing)
{
    struct message m = {.type = MESSAGE_ACCEPT};
    uint64_t link;

    start();
    link = world_connect(&w, LAB, 0);
    world_run(&w);
    m.u.accept.deposit_id = w.ids[LAB];
    world_say(&w, LAB, link, &m);
    m = (struct message){.type = MESSAGE_DURABLE};
    m.u.durable.deposit_id = w.ids[LAB];
    world_say(&w, LAB, link, &m);
    m = (struct message){.type = MESSAGE_FLUSH};
    m.u.flush.deposit_id = w.ids[LAB];
    world_say(&w, LAB, link, &m);
    world_say_bytes(&w, LAB, link, slice_of("\x92\x63\x01", 3));
    world_run(&w);
    ck_assert_uint_eq(w.nodes[0].refused, 4);
    ck_assert_int_eq(w.nodes[0].last_refuse.status, ERR_UNSUPPORTED);
    ck_assert_uint_eq(w.nodes[0].last_refuse.about, 0x63);
    ck_assert(world_is_up(&w, link));
    world_say_bytes(&w, LAB, link, slice_of("\xff", 1));
    world_run(&w);
    ck_assert(!world_is_up(&w, link));
    stop();
}
END_TEST

/* The key that signs its feed is in secret memory, and there alone. */
START_TEST(test_steward_keeps_its_key_locked)
{
    static const struct sign_key none;
    const struct steward *s;

    start();
    s = w.nodes[0].s;
    ck_assert_mem_eq(&s->config.node, &none, sizeof(none));
    ck_assert_mem_eq(s->node, &w.keys[0], sizeof(none));
    stop();
}
END_TEST

/* Only a steward of the charter, with its own key, can be one. */
START_TEST(test_steward_must_be_in_the_charter)
{
    struct steward *s = NULL;
    struct steward_config config;

    start();
    config = (struct steward_config){.charter = &w.charter,
                                     .net = w.net,
                                     .self = w.ids[LAB],
                                     .node = w.keys[LAB],
                                     .rng = &w.rng};
    ck_assert_int_eq(steward_new(&s, &config), ERR_DENIED);
    config.self = w.ids[1];
    ck_assert_int_eq(steward_new(&s, &config), ERR_DENIED);
    ck_assert_ptr_null(s);
    steward_free(NULL);
    stop();
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("steward");
    TCase *tc = tcase_create("steward");

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, test_steward_feeds_converge, 0, 16);
    tcase_add_test(tc, test_steward_catches_up);
    tcase_add_test(tc, test_steward_pushes);
    tcase_add_test(tc, test_steward_passes_on_together);
    tcase_add_test(tc, test_steward_passes_on_to_several);
    tcase_add_test(tc, test_steward_passes_on_long_answers);
    tcase_add_test(tc, test_steward_passes_on_what_does_not_fit);
    tcase_add_loop_test(tc, test_steward_passes_on_what_just_fits, 0, 3);
    tcase_add_test(tc, test_steward_checks_no_entry_twice);
    tcase_add_test(tc, test_steward_pushes_to_the_newest_link);
    tcase_add_test(tc, test_steward_asks_for_what_is_missing);
    tcase_add_test(tc, test_steward_does_not_wait_for_ever);
    tcase_add_loop_test(tc, test_steward_asks_another, 0, 3);
    tcase_add_test(tc, test_steward_takes_no_for_an_answer);
    tcase_add_test(tc, test_steward_refuses_a_want_of_nothing);
    tcase_add_loop_test(tc, test_steward_refuses_false_entries, 0, 5);
    tcase_add_test(tc, test_steward_ignores_unknown_authors);
    tcase_add_test(tc, test_steward_keeps_no_pruned_entry);
    tcase_add_test(tc, test_steward_check_is_strict);
    tcase_add_loop_test(tc, test_steward_keeps_forks_as_evidence, 0, 9);
    tcase_add_test(tc, test_steward_forks_in_both_orders);
    tcase_add_loop_test(tc, test_steward_forks_spread, 0, 9);
    tcase_add_test(tc, test_steward_forks_are_told_to_those_who_come);
    tcase_add_test(tc, test_steward_two_signatures_are_no_fork);
    tcase_add_test(tc, test_steward_proofs_convince);
    tcase_add_test(tc, test_steward_forged_forks_prove_nothing);
    tcase_add_test(tc, test_steward_takes_what_was_said_before_a_fork);
    tcase_add_test(tc, test_steward_restored_from_a_backup_halts);
    tcase_add_test(tc, test_steward_feeds_have_quotas);
    tcase_add_test(tc, test_steward_quotas_count_all_of_a_member);
    tcase_add_test(tc, test_steward_floods_are_slowed);
    tcase_add_test(tc, test_steward_floods_leave_room_for_gaps);
    tcase_add_test(tc, test_steward_bounds_links);
    tcase_add_test(tc, test_steward_bounds_feeds);
    tcase_add_test(tc, test_steward_bounds_inboxes);
    tcase_add_test(tc, test_steward_closes_who_fills_the_inboxes);
    tcase_add_test(tc, test_steward_bounds_heads);
    tcase_add_loop_test(tc, test_steward_survives_any_bytes, 0, 8);
    tcase_add_test(tc, test_steward_refuses_answers_to_nothing);
    tcase_add_test(tc, test_steward_keeps_its_key_locked);
    tcase_add_test(tc, test_steward_must_be_in_the_charter);
    suite_add_tcase(s, tc);
    return s;
}
