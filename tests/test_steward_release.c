#include "tests/release_world.h"

/* Releases from request to envelope: the whole way, what the policy asks for,
 * and what is refused. */

/* --- The whole way ------------------------------------------------------- */

/* Request, approvals, decisions, holdings, envelopes, whatever the order in
 * which things arrive. */
START_TEST(test_release_runs)
{
    uint64_t link;

    start_dealt((uint64_t)_i, 4, 3);
    ck_assert_int_eq(submit((unsigned)_i % 4), OK);
    for (unsigned i = 0; i < 3; i++) {
        for (unsigned j = 0; j < n; j++) {
            ck_assert_int_eq(state(j), STEWARD_RELEASE_KNOWN);
        }
        ck_assert_int_eq(approve((i + (unsigned)_i) % 4), OK);
    }
    ready_check();
    for (unsigned i = 0; i < n; i++) {
        link = recipient(i);
        ck_assert(world_is_up(&w, link));
        envelope_want(link);
        ck_assert_uint_eq(envelopes, i + 1);
        envelope_check(i);
        /* Asked again, the same comes. */
        envelope_want(link);
        ck_assert_uint_eq(envelopes, i + 2);
        envelope_check(i);
        envelopes = i + 1;
    }
    ck_assert_uint_eq(heads_heard, 0);
    /* Nothing is left to do, also after a restart. */
    for (unsigned i = 0; i < n; i++) {
        unsigned asked = w.nodes[i].asked;

        world_crash(&w, i);
        world_run(&w);
        ck_assert_uint_eq(w.nodes[i].asked, asked);
    }
    connect_all();
    world_pass(&w, 60000);
    ready_check();
    stop();
}
END_TEST

static void mend(void)
{
    w.crash_one_in = 0;
    w.cut_one_in = 0;
    world_run(&w);
    for (size_t i = 0; i < w.links_len; i++) {
        world_cut(&w, i + 1);
    }
    world_run(&w);
    w.links_len = 0;
    connect_all();
    world_run(&w);
}

/* Machines crash and links are lost at any time; who was cut off while it
 * asked asks again; in the end it is as if nothing had been. */
START_TEST(test_release_any_history)
{
    unsigned approvals = 0;

    start((uint64_t)_i, 4 + (unsigned)_i % 4, 2 + (uint32_t)_i % 3);
    connect_all();
    for (unsigned round = 0; round < 60; round++) {
        unsigned node = (unsigned)rng_below(&w.rng, n);
        struct steward_client c = submit_of();
        struct message m = deal_of(node);
        uint64_t link = link_between(LAB, node);

        w.crash_one_in = 150;
        w.cut_one_in = 100;
        w.nodes[node].custody_away = rng_below(&w.rng, 4) == 0;
        if (link != 0 && !has_share(node)) {
            world_say(&w, LAB, link, &m);
        }
        if (rng_below(&w.rng, 3) == 0) {
            world_client(&w, node, 1, &c);
        } else {
            c = approval_of(node);
            world_client(&w, node, 2, &c);
        }
        world_run_some(&w, 1 + (unsigned)rng_below(&w.rng, 60));
        if (round % 6 == 0) {
            mend();
        }
    }
    mend();
    for (unsigned i = 0; i < n; i++) {
        w.nodes[i].custody_away = false;
        if (!has_share(i)) {
            struct message m = deal_of(i);

            say(LAB, link_between(LAB, i), &m);
        }
        ck_assert(has_share(i));
    }
    ck_assert_int_eq(submit(0), OK);
    for (unsigned i = 0; i < n; i++) {
        ck_assert_int_eq(approve(i), OK);
        approvals += entries(0, i, FEED_APPROVAL);
    }
    ck_assert_uint_eq(approvals, n);
    world_pass(&w, STEWARD_CUSTODY_AGAIN_MS);
    ready_check();
    stop();
}
END_TEST

/* --- Policy -------------------------------------------------------------- */

/* One approval too few: nobody decides, and the recipient is told where it
 * stands when others have made it open. */
START_TEST(test_release_needs_its_policy)
{
    struct steward_release_info info;

    start_dealt(7, 4, 3);
    ck_assert_int_eq(submit(0), OK);
    ck_assert_int_eq(approve(0), OK);
    ck_assert_int_eq(approve(1), OK);
    world_pass(&w, 60000);
    for (unsigned i = 0; i < n; i++) {
        ck_assert(look(i, &info));
        ck_assert_int_eq(info.state, STEWARD_RELEASE_KNOWN);
        ck_assert_uint_eq(bits(info.approvals), 2);
        ck_assert(!info.open);
        ck_assert_uint_eq(info.decisions, 0);
        ck_assert_uint_eq(w.nodes[i].asked, 1); /* Its share. */
    }
    ck_assert(!world_is_up(&w, recipient(0)));
    ck_assert_int_eq(approve(2), OK);
    ready_check();
    stop();
}
END_TEST

/* An approval is by an operator of the steward itself, over this request, in
 * this namespace. */
START_TEST(test_release_refuses_other_approvals)
{
    uint8_t sig[1024];
    struct steward_client c;

    start_dealt(8, 4, 2);
    ck_assert_int_eq(approve(0), ERR_NOTFOUND);
    ck_assert_int_eq(submit(0), OK);
    ck_assert_int_eq(approve_as(0, 1), ERR_DENIED);
    ck_assert_int_eq(approve_as(0, LAB), ERR_DENIED);
    c = approval_of(0);
    c.bytes.size = world_sign(&w, 0, "cairn-charter@v1",
                              slice_of(request_bytes, request_size), sig);
    c.bytes.data = sig;
    ck_assert_int_eq(client(0, &c), ERR_DENIED);
    c = approval_of(0);
    memcpy(sig, c.bytes.data, c.bytes.size);
    c.bytes.data = sig;
    sig[c.bytes.size - 1] ^= 1;
    ck_assert_int_eq(client(0, &c), ERR_DENIED);
    ck_assert_uint_eq(entries(0, 0, FEED_APPROVAL), 0);
    ck_assert_int_eq(state(0), STEWARD_RELEASE_KNOWN);
    stop();
}
END_TEST

/* Twice is once. */
START_TEST(test_release_counts_once)
{
    struct steward_release_info info;

    start_dealt(9, 4, 2);
    ck_assert_int_eq(submit(0), OK);
    ck_assert_int_eq(submit(0), OK);
    ck_assert_int_eq(submit(1), OK);
    ck_assert_uint_eq(entries(2, 0, FEED_REQUEST), 1);
    ck_assert_uint_eq(entries(2, 1, FEED_REQUEST), 0);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_int_eq(approve(0), OK);
    }
    ck_assert_uint_eq(entries(1, 0, FEED_APPROVAL), 1);
    for (unsigned i = 0; i < n; i++) {
        ck_assert(look(i, &info));
        ck_assert_int_eq(info.state, STEWARD_RELEASE_KNOWN);
        ck_assert_uint_eq(bits(info.approvals), 1);
    }
    world_crash(&w, 0);
    ck_assert_int_eq(approve(0), OK);
    ck_assert_uint_eq(entries(0, 0, FEED_APPROVAL), 1);
    stop();
}
END_TEST

/* Who denies does not decide, now or after a restart; others do without it. */
START_TEST(test_release_denied)
{
    struct steward_release_info info;
    uint64_t link;

    start_dealt(10, 4, 2);
    ck_assert_int_eq(deny(0), ERR_NOTFOUND);
    ck_assert_int_eq(submit(0), OK);
    ck_assert_int_eq(deny(0), OK);
    ck_assert_int_eq(deny(0), OK);
    ck_assert_int_eq(approve(0), ERR_DENIED);
    world_crash(&w, 0);
    connect_all();
    ck_assert_int_eq(approve(1), OK);
    ck_assert_int_eq(approve(2), OK);
    ck_assert(look(0, &info));
    ck_assert(info.denied && info.open);
    ck_assert_int_eq(info.state, STEWARD_RELEASE_APPROVED);
    ck_assert_uint_eq(entries(1, 0, FEED_DECISION), 0);
    /* What others decided it signs for all the same. */
    ck_assert_uint_eq(entries(1, 0, FEED_HOLDING), 3);
    for (unsigned i = 1; i < n; i++) {
        ck_assert_int_eq(state(i), STEWARD_RELEASE_READY);
    }
    link = recipient(0);
    ck_assert(world_is_up(&w, link));
    envelope_want(link);
    ck_assert_uint_eq(envelopes, 0);
    ck_assert_int_eq(refused.status, ERR_DENIED);
    /* A denial that comes late keeps back what is here. */
    ck_assert_int_eq(deny(3), OK);
    envelope_want(recipient(3));
    ck_assert_uint_eq(envelopes, 0);
    envelope_want(recipient(1));
    ck_assert_uint_eq(envelopes, 1);
    stop();
}
END_TEST

/* --- Requests ------------------------------------------------------------ */

/* What cannot be released is refused when it is submitted. */
START_TEST(test_release_refuses_false_requests)
{
    const struct {
        size_t at;
        int status;
    } fields[] = {
        {offsetof(struct release_request, net), ERR_MISMATCH},
        {offsetof(struct release_request, charter_hash), ERR_MISMATCH},
        {offsetof(struct release_request, deposit_id), ERR_NOTFOUND},
        {offsetof(struct release_request, manifest_hash), ERR_MISMATCH},
        {offsetof(struct release_request, label), ERR_MISMATCH},
        {offsetof(struct release_request, share_epoch), ERR_MISMATCH},
    };
    struct release_request good;
    struct steward_client c;

    start(11, 4, 2);
    good = request;
    ck_assert_int_eq(submit(0), ERR_NOTFOUND); /* No manifest yet. */
    connect_all();
    world_run(&w);
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        request = good;
        ((uint8_t *)&request)[fields[i].at] ^= 1;
        request_encode();
        ck_assert_int_eq(submit(0), fields[i].status);
    }
    request = good;
    request.time_s -= 100;
    request.not_after_s = request.time_s + 50;
    request_encode();
    ck_assert_int_eq(submit(0), ERR_ORDER);
    request = good;
    request.time_s += 2 * DAY_S;
    request_encode();
    ck_assert_int_eq(submit(0), ERR_ORDER);
    c = submit_of();
    c.bytes.size--;
    ck_assert_int_eq(client(0, &c), ERR_BAD);
    ck_assert_uint_eq(entries(0, 0, FEED_REQUEST), 0);
    ck_assert_uint_eq(steward_releases(w.nodes[0].s), 0);
    request = good;
    request_encode();
    ck_assert_int_eq(submit(0), OK);
    stop();
}
END_TEST

/* More admin requests at once than there are slots: some come again. */
START_TEST(test_release_clients_are_bounded)
{
    struct steward_client c;
    unsigned len = 2 * STEWARD_CLIENTS_MAX;

    start_dealt(12, 4, 2);
    ck_assert_int_eq(submit(0), OK);
    c = approval_of(0);
    for (unsigned i = 0; i < len; i++) {
        world_client(&w, 0, 1000 + i, &c);
    }
    world_run(&w);
    ck_assert_uint_eq(w.nodes[0].replies, 1 + len);
    ck_assert_uint_eq(entries(0, 0, FEED_APPROVAL), 1);
    ck_assert_int_eq(approve(0), OK);
    stop();
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("steward_release");
    TCase *tc = tcase_create("steward_release");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, test_release_runs, 0, 4);
    tcase_add_loop_test(tc, test_release_any_history, 0, 8);
    tcase_add_test(tc, test_release_needs_its_policy);
    tcase_add_test(tc, test_release_refuses_other_approvals);
    tcase_add_test(tc, test_release_counts_once);
    tcase_add_test(tc, test_release_denied);
    tcase_add_test(tc, test_release_refuses_false_requests);
    tcase_add_test(tc, test_release_clients_are_bounded);
    suite_add_tcase(s, tc);
    return s;
}
