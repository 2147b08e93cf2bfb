#include "tests/release_world.h"

/* What recipients may do at a steward, and get from it. */

/* In come those whom the release is for, while it lasts. */
START_TEST(test_recipient_is_let_in)
{
    uint8_t other[32];
    uint64_t link, links[STEWARD_LINKS_PER_RELEASE + 1];

    release_open(22);
    memcpy(other, request.transport_pk, 32);
    other[5] ^= 1;
    link = world_connect_recipient(&w, 0, LAB, &release, other);
    world_run(&w);
    ck_assert(!world_is_up(&w, link));
    link = world_connect_recipient(&w, 0, LAB, &w.net, request.transport_pk);
    world_run(&w);
    ck_assert(!world_is_up(&w, link));
    for (unsigned i = 0; i <= STEWARD_LINKS_PER_RELEASE; i++) {
        links[i] = recipient(0);
        ck_assert(world_is_up(&w, links[i]) == (i < STEWARD_LINKS_PER_RELEASE));
    }
    /* Nothing that happens is said to it. */
    refusals = 0;
    ck_assert_int_eq(approve(2), OK);
    ck_assert_uint_eq(heads_heard, 0);
    world_cut(&w, links[0]);
    world_run(&w);
    link = recipient(0);
    ck_assert(world_is_up(&w, link));
    world_pass(&w, 11 * DAY_S * 1000);
    ck_assert(world_is_up(&w, link));
    world_pass(&w, 2000);
    ck_assert(!world_is_up(&w, link));
    ck_assert(!world_is_up(&w, links[1]));
    ck_assert(!world_is_up(&w, recipient(0)));
    world_crash(&w, 0);
    ck_assert(!world_is_up(&w, recipient(0)));
    stop();
}
END_TEST

/* It reads its own deposit and asks for its envelope; else it is sent away. */
START_TEST(test_recipient_may_little)
{
    struct message m = {.type = MESSAGE_READ};
    uint64_t link;

    release_open(23);
    link = recipient(0);
    m.u.read = (struct message_read){.deposit_id = manifest.deposit_id,
                                     .index = 0,
                                     .leaves = 1,
                                     .stream = 1};
    say(LAB, link, &m);
    ck_assert(world_is_up(&w, link)); /* The shard itself is not here. */
    ck_assert_int_eq(refused.status, ERR_NOTFOUND);
    memset(&m, 0, sizeof(m));
    switch (_i) {
    case 0:
        m.type = MESSAGE_READ;
        m.u.read = (struct message_read){
            .deposit_id = w.net, .leaves = 1, .stream = 1};
        break;
    case 1:
        m.type = MESSAGE_HEADS;
        break;
    case 2:
        m.type = MESSAGE_ENVELOPE_WANT;
        m.u.envelope_want.release_id = w.net;
        break;
    case 3:
        m = deal_of(0);
        break;
    case 4:
        m.type = MESSAGE_WANT;
        m.u.want.author = w.ids[0];
        break;
    case 5:
        m.type = MESSAGE_ENTRIES;
        m.u.entries.entries[0] = test_feed_entry(&lab_feed, 0);
        m.u.entries.len = 1;
        break;
    default:
        m.type = MESSAGE_REFUSE;
        m.u.refuse.status = ERR_BAD;
        break;
    }
    say(LAB, link, &m);
    ck_assert(!world_is_up(&w, link));
    ck_assert_uint_eq(envelopes, 0);
    stop();
}
END_TEST

/* A shard of another manifest than the released one is not read. */
START_TEST(test_recipient_of_another_manifest)
{
    struct message m = {.type = MESSAGE_READ};
    struct steward *s;
    uint64_t link;

    release_open(25);
    link = recipient(0);
    m.u.read = (struct message_read){.deposit_id = manifest.deposit_id,
                                     .index = 0,
                                     .leaves = 1,
                                     .stream = 1};
    s = w.nodes[0].s;
    s->deposits[steward_deposit_find(s, &manifest.deposit_id)]
        .manifest_hash.bytes[0] ^= 1;
    say(LAB, link, &m);
    ck_assert(!world_is_up(&w, link));
    ck_assert_int_eq(w.nodes[0].last_refuse.status, ERR_DENIED);
    stop();
}
END_TEST

/* Members get no envelopes; and who comes early is told what is missing. */
START_TEST(test_recipient_alone_gets_the_envelope)
{
    start_dealt(24, 4, 2);
    ck_assert_int_eq(submit(0), OK);
    w.nodes[3].custody_away = true;
    ck_assert_int_eq(approve(0), OK);
    ck_assert_int_eq(approve(1), OK);
    envelope_want(link_between(LAB, 0));
    ck_assert_int_eq(refused.status, ERR_DENIED);
    ck_assert_uint_eq(envelopes, 0);
    envelope_want(recipient(3));
    ck_assert_int_eq(refused.status, ERR_NOTFOUND);
    ck_assert_str_eq(refused.text,
                     "this steward has not decided yet: approvals of 2 members "
                     "are here; the policy asks for approvals from 2 "
                     "stewards");
    envelope_want(recipient(0));
    ck_assert_uint_eq(envelopes, 1);
    stop();
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("steward_recipients");
    TCase *tc = tcase_create("steward_recipients");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_recipient_is_let_in);
    tcase_add_loop_test(tc, test_recipient_may_little, 0, 7);
    tcase_add_test(tc, test_recipient_of_another_manifest);
    tcase_add_test(tc, test_recipient_alone_gets_the_envelope);
    suite_add_tcase(s, tc);
    return s;
}
