#include "tests/release_world.h"

/* What a steward asks of its custodian for a release, and what it makes of the
 * answers. */

/* A custodian that is away is asked again, and does not hold up others. */
START_TEST(test_release_custodian_comes_back)
{
    start_dealt(16, 4, 2);
    w.nodes[1].custody_away = true;
    ck_assert_int_eq(submit(0), OK);
    ck_assert_int_eq(approve(0), OK);
    ck_assert_int_eq(approve(1), OK);
    for (unsigned i = 0; i < n; i++) {
        ck_assert_int_eq(state(i), i == 1 ? STEWARD_RELEASE_APPROVED
                                          : STEWARD_RELEASE_READY);
    }
    ck_assert_uint_eq(w.nodes[1].asked, 2);
    world_pass(&w, STEWARD_CUSTODY_AGAIN_MS - 1);
    ck_assert_uint_eq(w.nodes[1].asked, 2);
    world_pass(&w, 1);
    ck_assert_uint_eq(w.nodes[1].asked, 3);
    world_pass(&w, STEWARD_CUSTODY_AGAIN_MS);
    ck_assert_uint_eq(w.nodes[1].asked, 4);
    w.nodes[1].custody_away = false;
    world_pass(&w, STEWARD_CUSTODY_AGAIN_MS);
    ready_check();
    stop();
}
END_TEST

static bool stubborn;

static bool refuse_release(struct world *world,
                           unsigned node,
                           const struct custody *asked,
                           struct custody *answer)
{
    (void)world;
    if (!stubborn || node != 1 || asked->type != CUSTODY_RELEASE) {
        return false;
    }
    answer->type = CUSTODY_REFUSED;
    answer->u.refused.status = ERR_DENIED;
    memcpy(answer->u.refused.text, "no", 3);
    return true;
}

/* One that refuses is asked again when there is a new approval, not before. */
START_TEST(test_release_custodian_refuses)
{
    struct steward_release_info info;

    start_dealt(17, 4, 2);
    w.on_custody = refuse_release;
    stubborn = true;
    ck_assert_int_eq(submit(0), OK);
    ck_assert_int_eq(approve(0), OK);
    ck_assert_int_eq(approve(1), OK);
    ck_assert(look(1, &info));
    ck_assert_int_eq(info.state, STEWARD_RELEASE_APPROVED);
    ck_assert_str_eq(info.trouble, "no");
    ck_assert_uint_eq(w.nodes[1].asked, 2);
    world_pass(&w, (uint64_t)10 * STEWARD_CUSTODY_AGAIN_MS);
    ck_assert_uint_eq(w.nodes[1].asked, 2);
    ck_assert_int_eq(approve(2), OK);
    ck_assert_uint_eq(w.nodes[1].asked, 3);
    stubborn = false;
    world_pass(&w, (uint64_t)10 * STEWARD_CUSTODY_AGAIN_MS);
    ck_assert_uint_eq(w.nodes[1].asked, 3);
    ck_assert_int_eq(approve(3), OK);
    ready_check();
    ck_assert(look(1, &info));
    ck_assert_str_eq(info.trouble, "");
    stop();
}
END_TEST

static bool refuse_envelope(struct world *world,
                            unsigned node,
                            const struct custody *asked,
                            struct custody *answer)
{
    (void)world;
    if (!stubborn || node != 1 || asked->type != CUSTODY_ENVELOPE) {
        return false;
    }
    answer->type = CUSTODY_REFUSED;
    answer->u.refused.status = ERR_BUSY;
    memcpy(answer->u.refused.text, "no", 3);
    return true;
}

/* A restart goes on from where it was, without anything new. */
START_TEST(test_release_goes_on_after_a_restart)
{
    start_dealt(30, 4, 2);
    w.on_custody = refuse_envelope;
    stubborn = _i == 1;
    w.nodes[1].custody_away = _i == 0;
    ck_assert_int_eq(submit(0), OK);
    ck_assert_int_eq(approve(0), OK);
    ck_assert_int_eq(approve(1), OK);
    ck_assert_int_eq(state(1),
                     _i == 0 ? STEWARD_RELEASE_APPROVED : STEWARD_RELEASE_HELD);
    w.nodes[1].custody_away = false;
    stubborn = false;
    world_crash(&w, 1);
    connect_all();
    world_run(&w);
    ready_check();
    stop();
}
END_TEST

static uint8_t lie[RELEASE_PAYLOAD_MAX];
static int lie_kind;

/* What a custodian of another steward, or of none, would answer. */
static bool answer_falsely(struct world *world,
                           unsigned node,
                           const struct custody *asked,
                           struct custody *answer)
{
    struct release_decision d = decision_of(node, 1);
    size_t size = 0;

    if (node != 0 || asked->type == CUSTODY_DEAL) {
        return false;
    }
    if (lie_kind == 0 && asked->type == CUSTODY_RELEASE) {
        answer->type = CUSTODY_HANDED;
        answer->u.handed = slice_of(lie, RELEASE_ENVELOPE_SIZE);
        return true;
    }
    if (lie_kind < 3 && asked->type == CUSTODY_RELEASE) {
        if (lie_kind == 2) {
            d.release_id.bytes[0] ^= 1;
        }
        ck_assert_int_eq(
            release_decision_encode(&d, &world->signs[lie_kind == 1 ? 1 : 0],
                                    lie, sizeof(lie), &size),
            OK);
        answer->type = CUSTODY_DECIDED;
        answer->u.decision = slice_of(lie, size);
        return true;
    }
    if (lie_kind == 3 && asked->type == CUSTODY_ENVELOPE) {
        answer->type = CUSTODY_HANDED;
        answer->u.handed = slice_of(lie, RELEASE_ENVELOPE_SIZE);
        return true;
    }
    return false;
}

/* Nothing that is not what was asked for goes on record or is kept. */
START_TEST(test_release_custodian_answers_falsely)
{
    struct steward_release_info info;

    lie_kind = _i;
    start_dealt(18, 4, 2);
    w.on_custody = answer_falsely;
    ck_assert_int_eq(submit(0), OK);
    ck_assert_int_eq(approve(0), OK);
    ck_assert_int_eq(approve(1), OK);
    ck_assert(look(0, &info));
    ck_assert_int_eq(info.state,
                     _i < 3 ? STEWARD_RELEASE_APPROVED : STEWARD_RELEASE_HELD);
    ck_assert_uint_gt(strlen(info.trouble), 20);
    ck_assert_uint_eq(entries(0, 0, FEED_DECISION), _i < 3 ? 0 : 1);
    ck_assert_uint_eq(world_rows(&w, 0, KEY_ENVELOPE), 0);
    stop();
}
END_TEST

/* An operator approves in the very moment in which this node draws its
 * conclusions about that request: the custodian is asked with all approvals, or
 * not yet. */
START_TEST(test_release_approved_in_passing)
{
    start_dealt((uint64_t)_i, 4, 2);
    ck_assert_int_eq(submit(0), OK);
    w.nodes[0].asked = 0;
    approve_beside(1);
    for (int i = 0; i < 200 && w.nodes[0].s->desk.state != DESK_DECISIONS;
         i++) {
        world_run_some(&w, 1);
    }
    ck_assert_int_eq(w.nodes[0].s->desk.state, DESK_DECISIONS);
    approve_beside(0);
    world_run(&w);
    ck_assert_int_eq(w.nodes[0].reply.status, OK);
    ck_assert_int_eq(state(0), STEWARD_RELEASE_READY);
    ck_assert_uint_eq(w.nodes[0].asked, 2); /* Decision and envelope. */
    ready_check();
    stop();
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("steward_custody");
    TCase *tc = tcase_create("steward_custody");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_release_custodian_comes_back);
    tcase_add_test(tc, test_release_custodian_refuses);
    tcase_add_loop_test(tc, test_release_goes_on_after_a_restart, 0, 2);
    tcase_add_loop_test(tc, test_release_custodian_answers_falsely, 0, 4);
    tcase_add_loop_test(tc, test_release_approved_in_passing, 0, 24);
    suite_add_tcase(s, tc);
    return s;
}
