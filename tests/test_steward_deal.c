#include "tests/release_world.h"

/* Key shares that a lab deals to its stewards. */

/* A share is acknowledged once, however often it is dealt. */
START_TEST(test_deal_is_acknowledged_once)
{
    struct message m;
    uint64_t link;

    start(19, 4, 2);
    link = world_connect(&w, LAB, 0);
    world_run(&w);
    m = deal_of(0);
    say(LAB, link, &m);
    ck_assert(has_share(0));
    ck_assert_uint_eq(refusals, 0);
    ck_assert_uint_eq(acks_heard, 1);
    ck_assert_uint_eq(entries(0, 0, FEED_ACKNOWLEDGEMENT), 1);
    for (unsigned i = 0; i < 3; i++) {
        if (i == 1) {
            world_crash(&w, 0);
            link = world_connect(&w, LAB, 0);
            world_run(&w);
            ck_assert(has_share(0));
        }
        acks_heard = 0;
        m = deal_of(0);
        say(LAB, link, &m);
        ck_assert_uint_eq(acks_heard, 1);
        ck_assert_uint_eq(entries(0, 0, FEED_ACKNOWLEDGEMENT), 1);
        ck_assert_uint_eq(w.nodes[0].asked, 1);
    }
    /* At once, on two connections. */
    stop();
    start(20, 4, 2);
    link = world_connect(&w, LAB, 0);
    world_connect(&w, LAB, 0);
    world_run(&w);
    m = deal_of(0);
    world_say(&w, LAB, link, &m);
    say(LAB, link + 1, &m);
    ck_assert_uint_eq(entries(0, 0, FEED_ACKNOWLEDGEMENT), 1);
    ck_assert_uint_eq(refusals, 0);
    stop();
}
END_TEST

/* A flood of shares that are none, dealt again on every refusal. */
static struct message junk_deal;
static unsigned junk_deals;

static void on_flood(struct world *world,
                     unsigned member,
                     uint64_t link,
                     const struct message *m)
{
    on_message(world, member, link, m);
    if (m->type == MESSAGE_REFUSE && m->u.refuse.about == MESSAGE_DEAL &&
        junk_deals > 0) {
        junk_deals--;
        world_say(world, member, link, &junk_deal);
    }
}

/* A second deposit, of which every share that is dealt is junk. */
static void junk_make(void)
{
    static struct manifest other;
    static uint8_t junk[RELEASE_ENVELOPE_SIZE];

    other = manifest;
    memset(other.deposit_id.bytes, 0xa5, DIGEST_SIZE);
    junk_deal = (struct message){.type = MESSAGE_DEAL};
    junk_deal.u.deal = (struct message_deal){
        .deposit_id = other.deposit_id,
        .manifest_hash = manifest_append(&other),
        .share_index = 1,
        .share_epoch = 3,
        .envelope = slice_of(junk, sizeof(junk)),
    };
}

/* Shares that a custodian was asked about, one after the other, while a
 * release waited for it: at most one is on its way when the wait begins. */
static unsigned overtaking, overtaken;

static bool on_custody(struct world *world,
                       unsigned node,
                       const struct custody *asked,
                       struct custody *answer)
{
    const struct steward *s = world->nodes[node].s;
    bool waits = false;

    (void)answer;
    for (uint32_t i = 0; i < s->releases_len; i++) {
        waits = waits || s->releases[s->releases_order[i]].ask;
    }
    if (node == 0) {
        overtaking = asked->type == CUSTODY_DEAL && waits ? overtaking + 1 : 0;
        overtaken = overtaking > overtaken ? overtaking : overtaken;
    }
    return false;
}

/* A lab that floods a steward with key shares keeps its custodian from no
 * release: those go first. */
START_TEST(test_deals_do_not_hold_up_a_release)
{
    uint64_t link;

    start_dealt((uint64_t)_i, 4, 2);
    junk_make();
    link = link_between(LAB, 0);
    test_feed_say(&lab_feed, &w, LAB, link, 1, 1);
    world_run(&w);
    ck_assert_int_eq(submit(0), OK);
    ck_assert_int_eq(approve(1), OK);
    w.on_message = on_flood;
    w.on_custody = on_custody;
    overtaking = overtaken = 0;
    junk_deals = 2000;
    for (unsigned i = 0; i < 12; i++) {
        link = world_connect(&w, LAB, 0);
        world_run_some(&w, 50);
        world_say(&w, LAB, link, &junk_deal);
    }
    approve_beside(2);
    world_run_some(&w, 3000);
    ck_assert_int_eq(state(0), STEWARD_RELEASE_READY);
    ck_assert_uint_le(overtaken, 1);
    ck_assert_uint_gt(junk_deals, 0);
    junk_deals = 0;
    world_run(&w);
    ready_check();
    stop();
}
END_TEST

/* Only the lab of the deposit deals, what its manifest says, once it is here.
 */
START_TEST(test_deal_refused)
{
    struct message m;
    uint64_t link;

    start(21, 4, 2);
    link = world_connect(&w, OTHER, 0);
    world_run(&w);
    m = deal_of(0);
    say(OTHER, link, &m);
    ck_assert_int_eq(refused.status, ERR_BUSY); /* No manifest. */
    connect_all();
    world_run(&w);
    say(OTHER, link, &m);
    ck_assert_int_eq(refused.status, ERR_DENIED);
    ck_assert_uint_eq(refused.about, MESSAGE_DEAL);
    ck_assert(digest_equal(&refused.subject, &manifest.deposit_id));
    link = link_between(LAB, 0);
    m = deal_of(1); /* Another's share. */
    say(LAB, link, &m);
    ck_assert_int_eq(refused.status, ERR_MISMATCH);
    m = deal_of(0);
    m.u.deal.share_epoch++;
    say(LAB, link, &m);
    ck_assert_int_eq(refused.status, ERR_MISMATCH);
    m = deal_of(0);
    m.u.deal.manifest_hash.bytes[0] ^= 1;
    say(LAB, link, &m);
    ck_assert_int_eq(refused.status, ERR_MISMATCH);
    ck_assert_uint_eq(w.nodes[0].asked, 0);
    /* A share that the manifest does not promise: the custodian's word. */
    m = deal_of(1);
    m.u.deal.share_index = 1;
    say(LAB, link, &m);
    ck_assert_uint_eq(w.nodes[0].asked, 1);
    ck_assert_int_eq(refused.status, ERR_AUTH);
    ck_assert_uint_eq(refusals, 6);
    ck_assert(!has_share(0));
    w.nodes[0].custody_away = true;
    m = deal_of(0);
    say(LAB, link, &m);
    ck_assert_int_eq(refused.status, ERR_BUSY);
    w.nodes[0].custody_away = false;
    say(LAB, link, &m);
    ck_assert(has_share(0));
    ck_assert_uint_eq(refusals, 7);
    stop();
}
END_TEST

static struct message offer_of(const struct digest *chance, uint64_t size)
{
    struct message m = {.type = MESSAGE_OFFER};

    m.u.offer = (struct message_offer){.random = *chance,
                                       .net = w.net,
                                       .lab = w.ids[OTHER],
                                       .label = "model",
                                       .k = manifest.k,
                                       .n = manifest.n,
                                       .t = manifest.t,
                                       .segment_size = 65536,
                                       .size_max = size};
    return m;
}

/* The deposit may turn out to be another lab's while the custodian has a share
 * of it: what is acknowledged then is of a deposit that is known. */
START_TEST(test_deal_of_anothers_deposit)
{
    const struct digest chance = {{7}};
    struct message deal, large, small;
    uint64_t link, other;

    start((uint64_t)_i, 4, 2);
    manifest_deposit_id(&manifest.deposit_id, &w.net, &w.ids[OTHER],
                        chance.bytes);
    manifest_hash = manifest_append(&manifest);
    link = world_connect(&w, LAB, 0);
    other = world_connect(&w, OTHER, 0);
    world_run(&w);
    deal = deal_of(0);
    large = offer_of(&chance, (uint64_t)1 << 50);
    small = offer_of(&chance, manifest.shard_size);
    world_say(&w, LAB, link, &deal);
    world_run_some(&w, (unsigned)_i % 8);
    say(OTHER, other, &large);
    say(OTHER, other, &small);
    world_crash(&w, 0);
    world_run(&w);
    ck_assert_uint_eq(world_rows(&w, 0, 'A'), 0);
    ck_assert_uint_eq(steward_deposits(w.nodes[0].s), 2);
    stop();
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("steward_deal");
    TCase *tc = tcase_create("steward_deal");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_deal_is_acknowledged_once);
    tcase_add_loop_test(tc, test_deals_do_not_hold_up_a_release, 0, 6);
    tcase_add_test(tc, test_deal_refused);
    tcase_add_loop_test(tc, test_deal_of_anothers_deposit, 0, 32);
    suite_add_tcase(s, tc);
    return s;
}
