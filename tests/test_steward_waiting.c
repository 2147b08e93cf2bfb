#include "crypto/hash.h"
#include "protocol/release.h"
#include "replication/keys.h"
#include "replication/steward/steward_state.h"
#include "replication/steward/steward_votes.h"
#include "tests/steward_feeds.h"

/* Votes on requests that nobody has made: a steward's machine, and feeds of two
 * members that the test plays. */

#define PEER 1U /* A steward. */
#define LAB  4U
#define DAY  86400ULL

static const enum card_role roles[WORLD_MEMBERS] = {
    CARD_STEWARD, CARD_STEWARD, CARD_STEWARD, CARD_STEWARD,
    CARD_LAB,     CARD_LAB,     CARD_AUDITOR, CARD_LAB};

static struct world w;
static struct test_feed feed; /* Of who speaks; no more than it can hold. */
static unsigned speaker;
static uint32_t incarnation;
static uint64_t conn;

static void speak_as(unsigned member)
{
    test_feed_free(&feed);
    test_feed_init(&feed, &w, member, incarnation++);
    speaker = member;
    conn = world_connect(&w, member, 0);
    world_run(&w);
}

static void start(void)
{
    world_open(&w, 1, 1, roles);
    memset(&feed, 0, sizeof(feed));
    incarnation = 0;
}

static void stop(void)
{
    world_close(&w);
    test_feed_free(&feed);
}

/* A next entry, said at once. */
static void speak(enum feed_kind kind, struct slice payload)
{
    if (feed.len == FEEDS_ENTRIES_MAX) {
        speak_as(speaker);
    }
    test_feed_append(&feed, &w.keys[speaker], kind, payload);
    test_feed_say(&feed, &w, speaker, conn, feed.len - 1, 1);
    world_run(&w);
}

/* The id of the release, or the hash of the decision, that has that number. */
static struct digest number(uint32_t i)
{
    struct digest d = {{0x77}};

    u64le_store(d.bytes + 8, i);
    return d;
}

static void approve(const struct digest *release)
{
    struct release_approval a = {.release_id = *release,
                                 .sshsig = slice_str("no signature")};
    uint8_t payload[RELEASE_PAYLOAD_MAX];
    size_t size = 0;

    ck_assert_int_eq(
        release_approval_encode(&a, payload, sizeof(payload), &size), OK);
    speak(FEED_APPROVAL, slice_of(payload, size));
}

static void hold(const struct digest *hash)
{
    uint8_t payload[RELEASE_PAYLOAD_MAX];
    size_t size = 0;

    ck_assert_int_eq(
        release_holding_encode(hash, payload, sizeof(payload), &size), OK);
    speak(FEED_HOLDING, slice_of(payload, size));
}

static bool approval_is_kept(unsigned member, const struct digest *release)
{
    struct key key = key_approval(release, &w.ids[member]);

    return world_row(&w, 0, key_slice(&key)) != NULL;
}

static bool holding_is_kept(uint32_t i)
{
    struct digest hash = number(i);
    struct key key = key_holding(&hash);

    return world_row(&w, 0, key_slice(&key)) != NULL;
}

static void approve_all(uint32_t first, uint32_t len)
{
    for (uint32_t i = first; i < first + len; i++) {
        struct digest release = number(i);

        approve(&release);
    }
}

/* Of votes on unknown requests the last ones stay, after a restart, too; nobody
 * crowds out another. */
START_TEST(test_waiting_votes_are_bounded)
{
    struct digest mine = number(0), last = number(STEWARD_WAITING_VOTES + 19);
    struct digest gone = number(19), stays = number(20);

    start();
    speak_as(PEER);
    approve(&mine);
    speak_as(LAB);
    approve_all(0, STEWARD_WAITING_VOTES + 20);
    ck_assert_uint_eq(world_rows(&w, 0, KEY_APPROVAL),
                      STEWARD_WAITING_VOTES + 1);
    ck_assert(approval_is_kept(PEER, &mine));
    ck_assert(!approval_is_kept(LAB, &mine) && !approval_is_kept(LAB, &gone));
    ck_assert(approval_is_kept(LAB, &stays) && approval_is_kept(LAB, &last));
    /* Once more is no other vote. */
    approve(&last);
    ck_assert(approval_is_kept(LAB, &stays));
    world_crash(&w, 0);
    speak_as(LAB);
    approve_all(10000, 1);
    ck_assert(!approval_is_kept(LAB, &stays));
    ck_assert_uint_eq(world_rows(&w, 0, KEY_APPROVAL),
                      STEWARD_WAITING_VOTES + 1);
    ck_assert_uint_eq(world_rows(&w, 0, KEY_WAITING),
                      STEWARD_WAITING_VOTES + 1);
    stop();
}
END_TEST

/* The same of holdings; what two have signed for stays while one waits. */
START_TEST(test_waiting_holdings_are_bounded)
{
    struct digest both = number(0);

    start();
    speak_as(2);
    hold(&both);
    speak_as(PEER);
    for (uint32_t i = 0; i < STEWARD_WAITING_HOLDINGS + 5; i++) {
        struct digest hash = number(i);

        hold(&hash);
    }
    ck_assert(holding_is_kept(0));
    ck_assert(!holding_is_kept(4) && holding_is_kept(5));
    ck_assert_uint_eq(world_rows(&w, 0, KEY_HOLDING),
                      STEWARD_WAITING_HOLDINGS + 1);
    ck_assert_uint_eq(world_rows(&w, 0, KEY_WAITING),
                      STEWARD_WAITING_HOLDINGS + 1);
    stop();
}
END_TEST

static void request_make(struct release_request *r,
                         uint8_t bytes[RELEASE_REQUEST_MAX],
                         size_t *size,
                         struct digest *id)
{
    memset(r, 0, sizeof(*r));
    r->net = w.net;
    r->charter_hash = w.charter.hash;
    r->deposit_id = number(1);
    r->manifest_hash = number(2);
    memcpy(r->label, "model", 6);
    memcpy(r->recipient, "Reader", 7);
    hpke_keypair(&w.rng, bytes, r->hpke_pk);
    memset(r->transport_pk, 0x77, sizeof(r->transport_pk));
    memcpy(r->purpose, "reading", 8);
    r->time_s = w.wall_ms / 1000;
    r->not_after_s = r->time_s + DAY;
    ck_assert_int_eq(
        release_request_encode(r, bytes, RELEASE_REQUEST_MAX, size), OK);
    release_id(id, slice_of(bytes, *size));
}

/* A vote whose request has come waits for nothing: it stays, and goes when the
 * release is forgotten. */
START_TEST(test_waiting_ends_with_the_request)
{
    struct release_request r;
    uint8_t bytes[RELEASE_REQUEST_MAX];
    struct digest id, next;
    size_t size = 0;

    start();
    w.charter.stewards = STEWARD_RELEASES_MAX; /* So that each may have one. */
    request_make(&r, bytes, &size, &id);
    speak_as(LAB);
    approve(&id);
    speak_as(PEER);
    speak(FEED_REQUEST, slice_of(bytes, size));
    ck_assert_uint_eq(steward_releases(w.nodes[0].s), 1);
    speak_as(LAB);
    approve_all(0, STEWARD_WAITING_VOTES);
    ck_assert(approval_is_kept(LAB, &id));
    world_pass(&w, 4 * DAY * 1000);
    request_make(&r, bytes, &size, &next);
    speak_as(PEER);
    speak(FEED_REQUEST, slice_of(bytes, size));
    ck_assert_uint_eq(steward_releases(w.nodes[0].s), 1);
    ck_assert(!approval_is_kept(LAB, &id));
    ck_assert_uint_eq(world_rows(&w, 0, KEY_APPROVAL), STEWARD_WAITING_VOTES);
    stop();
}
END_TEST

Suite *suite_make(void)
{
    Suite *suite = suite_create("steward_waiting");
    TCase *tc = tcase_create("steward_waiting");

    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, test_waiting_votes_are_bounded);
    tcase_add_test(tc, test_waiting_holdings_are_bounded);
    tcase_add_test(tc, test_waiting_ends_with_the_request);
    suite_add_tcase(suite, tc);
    return suite;
}
