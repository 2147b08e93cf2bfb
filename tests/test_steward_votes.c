#include "tests/release_world.h"

/* What a scripted steward says of a release: in any order, junk, and requests
 * without end. */

static void played(enum feed_kind kind, struct slice payload)
{
    test_feed_append(&played_feed, &w.keys[PLAYED], kind, payload);
}

static void played_approval_in(unsigned operator, const char * ns)
{
    uint8_t payload[RELEASE_PAYLOAD_MAX], sig[1024];
    struct release_approval a = {.release_id = release};
    size_t size = world_sign(&w, operator, ns,
                             slice_of(request_bytes, request_size), sig);

    a.sshsig = slice_of(sig, size);
    ck_assert_int_eq(
        release_approval_encode(&a, payload, sizeof(payload), &size), OK);
    played(FEED_APPROVAL, slice_of(payload, size));
}

static void played_approval(unsigned operator)
{
    played_approval_in(operator, RELEASE_APPROVAL_NAMESPACE);
}

static void played_decision(const struct release_decision *d, unsigned signer)
{
    uint8_t payload[RELEASE_PAYLOAD_MAX];
    size_t size = 0;

    ck_assert_int_eq(release_decision_encode(d, &w.signs[signer], payload,
                                             sizeof(payload), &size),
                     OK);
    played(FEED_DECISION, slice_of(payload, size));
}

static void played_holding(uint8_t byte)
{
    uint8_t payload[RELEASE_PAYLOAD_MAX];
    struct digest hash;
    size_t size = 0;

    memset(hash.bytes, byte, DIGEST_SIZE);
    ck_assert_int_eq(
        release_holding_encode(&hash, payload, sizeof(payload), &size), OK);
    played(FEED_HOLDING, slice_of(payload, size));
}

static void played_connect(unsigned node)
{
    world_connect(&w, PLAYED, node);
    world_run(&w);
}

/* Feeds are not ordered between authors: what speaks of a request counts also
 * when it comes before it, and before a restart. */
START_TEST(test_release_votes_before_the_request)
{
    struct steward_release_info info;
    struct release_decision d;

    start(13, 3, 2);
    /* The played steward has the third share. */
    manifest.stewards[2] = w.ids[PLAYED];
    test_feed_free(&lab_feed);
    test_feed_init(&lab_feed, &w, LAB, 0);
    manifest_hash = manifest_append(&manifest);
    request.manifest_hash = manifest_hash;
    request_encode();
    d = decision_of(PLAYED, 3);
    played_approval(PLAYED);
    played_decision(&d, PLAYED);
    played_connect(0);
    ck_assert_uint_eq(steward_releases(w.nodes[0].s), 0);
    ck_assert_uint_eq(entries(0, 0, FEED_HOLDING), 0);
    if (_i % 2 == 1) {
        world_crash(&w, 0);
        played_connect(0);
    }
    if (_i / 2 == 1) {
        /* Before the manifest, too. */
        played(FEED_REQUEST, slice_of(request_bytes, request_size));
        test_feed_say(&played_feed, &w, PLAYED, link_between(PLAYED, 0), 2, 1);
        world_run(&w);
        ck_assert(look(0, &info));
        ck_assert_uint_eq(bits(info.approvals), 1);
        ck_assert_uint_eq(entries(0, 0, FEED_HOLDING), 1);
        connect_all();
        world_run(&w);
    } else {
        connect_all();
        world_run(&w);
        ck_assert_int_eq(submit(1), OK);
    }
    for (unsigned i = 0; i < n; i++) {
        ck_assert(look(i, &info));
        ck_assert_int_eq(info.state, STEWARD_RELEASE_KNOWN);
        ck_assert_uint_eq(bits(info.approvals), 1);
        ck_assert_uint_eq(bits(info.decisions), 1);
        ck_assert(!info.open);
        ck_assert_uint_eq(entries(0, i, FEED_HOLDING), 1);
    }
    {
        struct message m = deal_of(0);

        say(LAB, link_between(LAB, 0), &m);
    }
    ck_assert_int_eq(approve(1), OK);
    ck_assert_int_eq(state(0), STEWARD_RELEASE_READY);
    ck_assert(look(2, &info));
    ck_assert(info.open);
    ck_assert_int_eq(info.state, STEWARD_RELEASE_APPROVED);
    stop();
}
END_TEST

/* --- Junk ---------------------------------------------------------------- */

/* What does not hold stays an entry, and counts for nothing. */
START_TEST(test_release_junk_does_not_count)
{
    struct steward_release_info info;
    struct release_decision d;
    struct release_request other;

    start_dealt(14, 4, 2);
    ck_assert_int_eq(submit(0), OK);
    for (int kind = FEED_REQUEST; kind <= FEED_HOLDING; kind++) {
        played((enum feed_kind)kind, slice_of("", 0));
        played((enum feed_kind)kind, slice_of("\x93\x01", 2));
        played((enum feed_kind)kind, slice_of(request_bytes, 40));
    }
    played_approval(0);
    played_approval(LAB);
    d = decision_of(PLAYED, 1);
    played_decision(&d, 0); /* By another's key. */
    d = decision_of(0, 1);
    played_decision(&d, PLAYED); /* In another's name. */
    d = decision_of(PLAYED, 1);
    if (_i == 1) {
        d.manifest_hash.bytes[0] ^= 1; /* Of another deposit. */
    } else if (_i == 2) {
        d.share_epoch++;
    }
    played_decision(&d, PLAYED); /* Of another's share at best. */
    for (unsigned i = 0; i < 30; i++) {
        played_holding((uint8_t)(i + 1));
    }
    other = request;
    request.net.bytes[0] ^= 1;
    request_encode();
    played(FEED_REQUEST, slice_of(request_bytes, request_size));
    request = other;
    request.charter_hash.bytes[0] ^= 1;
    request_encode();
    played(FEED_REQUEST, slice_of(request_bytes, request_size));
    request = other;
    request.time_s = 1000;
    request.not_after_s = 2000;
    request_encode();
    played(FEED_REQUEST, slice_of(request_bytes, request_size));
    request = other;
    request_encode();
    played_connect(0);
    for (unsigned i = 0; i < n; i++) {
        ck_assert_uint_eq(steward_releases(w.nodes[i].s), 1);
        ck_assert(look(i, &info));
        ck_assert_uint_eq(info.approvals, 0);
        ck_assert_uint_eq(info.decisions, 0);
        ck_assert_uint_eq(entries(i, PLAYED, FEED_HOLDING), 33);
        ck_assert_uint_eq(entries(i, 0, FEED_HOLDING), 0);
        ck_assert_uint_eq(world_rows(&w, i, KEY_APPROVAL), 1);
    }
    /* And a good one after it does. */
    played_approval(PLAYED);
    test_feed_say(&played_feed, &w, PLAYED, link_between(PLAYED, 0),
                  played_feed.len - 1, 1);
    world_run(&w);
    for (unsigned i = 0; i < n; i++) {
        ck_assert(look(i, &info));
        ck_assert_uint_eq(bits(info.approvals), 1);
    }
    /* Which no junk takes back. */
    played_approval(0);
    test_feed_say(&played_feed, &w, PLAYED, link_between(PLAYED, 0),
                  played_feed.len - 1, 1);
    ck_assert_int_eq(approve(1), OK);
    ready_check();
    stop();
}
END_TEST

/* Junk that comes while a good one is looked at may keep it from counting, but
 * does not take its place once it counts: the custodian would refuse it. A good
 * one that comes while junk is looked at counts. */
START_TEST(test_release_junk_beside_a_good_one)
{
    struct steward_release_info info;
    bool counts[WORLD_MEMBERS] = {false};

    start_dealt(100 + (uint64_t)_i, 3, 3);
    played_connect(0);
    ck_assert_int_eq(submit(0), OK);
    ck_assert_int_eq(approve(0), OK);
    played_approval_in(PLAYED, _i % 2 == 0 ? RELEASE_APPROVAL_NAMESPACE
                                           : "cairn-charter@v1");
    played_approval_in(PLAYED, _i % 2 == 0 ? "cairn-charter@v1"
                                           : RELEASE_APPROVAL_NAMESPACE);
    test_feed_say(&played_feed, &w, PLAYED, link_between(PLAYED, 0), 0, 1);
    world_run_some(&w, 20 + 2 * ((unsigned)_i / 2));
    test_feed_say(&played_feed, &w, PLAYED, link_between(PLAYED, 0), 1, 1);
    world_run(&w);
    for (unsigned i = 0; i < n; i++) {
        ck_assert(look(i, &info));
        counts[i] = bits(info.approvals) == 2;
        ck_assert(counts[i] || _i % 2 == 0);
    }
    ck_assert_int_eq(approve(1), OK);
    for (unsigned i = 0; i < n; i++) {
        ck_assert(look(i, &info));
        ck_assert_str_eq(info.trouble, "");
        ck_assert((info.state >= STEWARD_RELEASE_DECIDED) == counts[i]);
    }
    stop();
}
END_TEST

/* One who fills its part of the table leaves the others theirs. */
START_TEST(test_release_requests_are_bounded)
{
    const size_t part = STEWARD_RELEASES_MAX / 64;

    start(15, 2, 2);
    for (unsigned i = 0; i < 3 * part; i++) {
        request.nonce[0] = (uint8_t)i;
        request.not_after_s = request.time_s + DAY_S + i;
        request_encode();
        played(FEED_REQUEST, slice_of(request_bytes, request_size));
    }
    /* As many stewards as to make the parts small. */
    w.charter.stewards = 64;
    connect_all();
    played_connect(0);
    ck_assert_uint_eq(steward_releases(w.nodes[0].s), part);
    ck_assert_uint_eq(world_rows(&w, 0, KEY_RELEASE), part);
    ck_assert_uint_eq(entries(0, PLAYED, FEED_REQUEST), 3 * part);
    request.nonce[2] = 1;
    request_encode();
    ck_assert_int_eq(submit(0), OK);
    ck_assert_uint_eq(steward_releases(w.nodes[0].s), part + 1);
    /* What is over makes room for what is new. */
    world_pass(&w, 3 * DAY_S * 1000);
    request.time_s += 3 * DAY_S;
    request.not_after_s = request.time_s + DAY_S;
    request_encode();
    for (unsigned i = 0; i < part; i++) {
        request.nonce[3] = (uint8_t)i;
        request_encode();
        ck_assert_int_eq(submit(0), OK);
    }
    ck_assert_uint_eq(steward_releases(w.nodes[0].s), 2 * part);
    request.nonce[3] = (uint8_t)part;
    request_encode();
    ck_assert_int_eq(submit(0), ERR_FULL);
    world_crash(&w, 0);
    ck_assert_uint_eq(steward_releases(w.nodes[0].s), 2 * part);
    ck_assert_uint_eq(world_rows(&w, 0, KEY_REQUEST), 2 * part);
    stop();
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("steward_votes");
    TCase *tc = tcase_create("steward_votes");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, test_release_votes_before_the_request, 0, 4);
    tcase_add_loop_test(tc, test_release_junk_does_not_count, 0, 3);
    tcase_add_loop_test(tc, test_release_junk_beside_a_good_one, 0, 16);
    tcase_add_test(tc, test_release_requests_are_bounded);
    suite_add_tcase(s, tc);
    return s;
}
