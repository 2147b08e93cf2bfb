#include "crypto/vss.h"
#include "protocol/policy.h"
#include "protocol/release.h"
#include "tests/steward_feeds.h"

/* A release that the custodian of a steward refuses, and when it is asked
 * again. Two stewards, of which the first is looked at; a lab. */

#define LAB   (WORLD_MEMBERS - 1)
#define DAY_S 86400ULL

static struct world w;
static struct test_feed lab_feed;
static struct digest release;
static uint8_t request[RELEASE_REQUEST_MAX];
static size_t request_size;
static int refusal;     /* What the custodian refuses with; OK: it does not. */
static unsigned before; /* How often it had been asked. */
static uint64_t next_client;

/* --- The network --------------------------------------------------------- */

static void on_message(struct world *world,
                       unsigned member,
                       uint64_t link,
                       const struct message *m)
{
    if (member == LAB) {
        test_feed_serve(&lab_feed, world, member, link, m);
    }
}

static void on_link(struct world *world, unsigned member, uint64_t id, bool up)
{
    if (up && member == LAB) {
        test_feed_heads(&lab_feed, world, member, id);
    }
}

/* Without a share it would refuse in the end: that is told apart by its
 * words. */
static bool on_custody(struct world *world,
                       unsigned node,
                       const struct custody *asked,
                       struct custody *answer)
{
    (void)world;
    if (node != 0 || refusal == OK) {
        return false;
    }
    ck_assert_int_eq(asked->type, CUSTODY_RELEASE);
    answer->type = CUSTODY_REFUSED;
    answer->u.refused.status = refusal;
    memcpy(answer->u.refused.text, "no", 3);
    return true;
}

static struct digest deposit_make(struct manifest *m)
{
    static uint8_t bytes[MANIFEST_SIZE_MAX];
    struct vss_polynomials polynomials;
    struct feed_entry e;
    size_t size = 0;

    memset(m, 0, sizeof(*m));
    m->net = w.net;
    memset(m->random.bytes, 0x5a, DIGEST_SIZE);
    manifest_deposit_id(&m->deposit_id, &w.net, &w.ids[LAB], m->random.bytes);
    memcpy(m->label, "model", 6);
    m->time_s = 1700000000;
    m->plain_size = 1000;
    m->segment_size = 65536;
    m->segments = 2;
    m->catalogue_segments = 1;
    m->k = 1;
    m->n = 2;
    m->t = 2;
    m->shard_size = 12ULL * LEAF_SIZE;
    for (unsigned i = 0; i < 2; i++) {
        memset(m->roots[i].bytes, 0x60 + (int)i, DIGEST_SIZE);
        m->stewards[i] = w.ids[i];
    }
    vss_polynomials_init(&polynomials, 2, &w.rng);
    vss_commit(&polynomials, m->commitments);
    ck_assert_int_eq(
        policy_default(1, m->policy, sizeof(m->policy), &m->policy_size), OK);
    ck_assert_int_eq(manifest_encode(m, bytes, sizeof(bytes), &size), OK);
    test_feed_append(&lab_feed, &w.keys[LAB], FEED_MANIFEST,
                     slice_of(bytes, size));
    ck_assert_int_eq(feed_entry_decode(&e, test_feed_entry(&lab_feed, 0)), OK);
    return e.header.payload_hash;
}

static void client(unsigned node,
                   enum steward_client_type type,
                   struct slice bytes)
{
    const struct steward_client c = {
        .type = type, .release_id = release, .bytes = bytes};

    world_client(&w, node, ++next_client, &c);
    world_run(&w);
    ck_assert_int_eq(w.nodes[node].reply.status, OK);
}

static void approve(unsigned node)
{
    static uint8_t sig[1024];
    size_t size = world_sign(&w, node, RELEASE_APPROVAL_NAMESPACE,
                             slice_of(request, request_size), sig);

    client(node, STEWARD_CLIENT_APPROVE, slice_of(sig, size));
}

/* A request, approved, which the custodian refuses with |status|. */
static void start(int status)
{
    static struct manifest m;
    struct release_request r = {.share_epoch = 0};
    uint8_t sk[HPKE_KEY_SIZE];
    enum card_role roles[WORLD_MEMBERS];

    for (unsigned i = 0; i < WORLD_MEMBERS; i++) {
        roles[i] = i < 2 ? CARD_STEWARD : CARD_LAB;
    }
    world_open(&w, 1, 2, roles);
    w.on_message = on_message;
    w.on_link = on_link;
    w.on_custody = on_custody;
    test_feed_init(&lab_feed, &w, LAB, 0);
    r.manifest_hash = deposit_make(&m);
    world_connect(&w, 0, 1);
    world_connect(&w, LAB, 0);
    world_run(&w);
    r.net = w.net;
    r.charter_hash = w.charter.hash;
    r.deposit_id = m.deposit_id;
    memcpy(r.label, "model", 6);
    memcpy(r.recipient, "Reader", 7);
    hpke_keypair(&w.rng, sk, r.hpke_pk);
    memset(r.transport_pk, 0x77, sizeof(r.transport_pk));
    memcpy(r.purpose, "reading", 8);
    r.time_s = w.wall_ms / 1000;
    r.not_after_s = r.time_s + 10 * DAY_S;
    ck_assert_int_eq(
        release_request_encode(&r, request, sizeof(request), &request_size),
        OK);
    memset(&release, 0, sizeof(release));
    client(0, STEWARD_CLIENT_SUBMIT, slice_of(request, request_size));
    release_id(&release, slice_of(request, request_size));
    refusal = status;
    approve(0);
    before = w.nodes[0].asked;
    ck_assert_uint_eq(before, 1);
}

static void stop(void)
{
    world_close(&w);
    test_feed_free(&lab_feed);
}

/* --- Verbs --------------------------------------------------------------- */

static const char *trouble(void)
{
    static struct steward_release_info info;

    ck_assert_uint_eq(steward_releases(w.nodes[0].s), 1);
    steward_release_info(w.nodes[0].s, 0, &info);
    return info.trouble;
}

/* It was asked |times| since this was checked last. */
static void asked(unsigned times)
{
    ck_assert_uint_eq(w.nodes[0].asked, before + times);
    before = w.nodes[0].asked;
}

/* --- Tests --------------------------------------------------------------- */

/* Its disk or its clock: asked again after a while, and again, until the cause
 * is gone. */
START_TEST(test_refusals_that_pass)
{
    static const int statuses[] = {ERR_FULL, ERR_IO, ERR_ORDER};

    start(statuses[_i]);
    ck_assert_str_eq(trouble(), "no");
    world_pass(&w, STEWARD_REFUSED_AGAIN_MS - 1);
    asked(0);
    world_pass(&w, 1);
    asked(1);
    ck_assert_str_eq(trouble(), "no");
    world_pass(&w, STEWARD_REFUSED_AGAIN_MS);
    asked(1);
    refusal = OK;
    world_pass(&w, STEWARD_REFUSED_AGAIN_MS);
    asked(1);
    ck_assert_ptr_nonnull(strstr(trouble(), "no share of that deposit"));
    stop();
}
END_TEST

/* A custodian that begins anew may answer otherwise, at once. */
START_TEST(test_refusals_end_when_the_custodian_comes)
{
    static const int statuses[] = {ERR_FULL,        ERR_IO,       ERR_ORDER,
                                   ERR_NOTFOUND,    ERR_MISMATCH, ERR_BAD,
                                   ERR_UNSUPPORTED, ERR_BUSY};

    start(statuses[_i]);
    refusal = OK;
    world_custody_there(&w, 0);
    world_run(&w);
    asked(1);
    ck_assert_ptr_nonnull(strstr(trouble(), "no share of that deposit"));
    stop();
}
END_TEST

/* What was judged stays judged, however long it takes and however often the
 * custodian begins anew; a new approval is a new case. */
START_TEST(test_refusals_that_stay)
{
    static const int statuses[] = {ERR_DENIED, ERR_AUTH};

    start(statuses[_i]);
    for (unsigned i = 0; i < 5; i++) {
        world_pass(&w, STEWARD_REFUSED_AGAIN_MS);
        world_custody_there(&w, 0);
        world_run(&w);
    }
    asked(0);
    approve(1);
    asked(1);
    ck_assert_str_eq(trouble(), "no");
    stop();
}
END_TEST

/* Another custodian's answer, or a request that is not of this network: not by
 * itself. */
START_TEST(test_refusals_that_wait_for_somebody)
{
    static const int statuses[] = {ERR_NOTFOUND, ERR_MISMATCH, ERR_BAD};

    start(statuses[_i]);
    world_pass(&w, 5ULL * STEWARD_REFUSED_AGAIN_MS);
    asked(0);
    stop();
}
END_TEST

/* Once the request is over nobody is asked, whatever the cause was. */
START_TEST(test_refusals_end_with_the_request)
{
    start(ERR_ORDER);
    w.wall_ms += 12 * DAY_S * 1000;
    world_pass(&w, 5ULL * STEWARD_REFUSED_AGAIN_MS);
    world_custody_there(&w, 0);
    world_run(&w);
    asked(0);
    stop();
}
END_TEST

/* A release that an operator has denied stays so. */
START_TEST(test_refusals_of_what_was_denied)
{
    start(ERR_FULL);
    client(0, STEWARD_CLIENT_DENY, slice_of(NULL, 0));
    world_pass(&w, 5ULL * STEWARD_REFUSED_AGAIN_MS);
    asked(0);
    stop();
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("steward_refusals");
    TCase *tc = tcase_create("refusals");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, test_refusals_that_pass, 0, 3);
    tcase_add_loop_test(tc, test_refusals_end_when_the_custodian_comes, 0, 8);
    tcase_add_loop_test(tc, test_refusals_that_stay, 0, 2);
    tcase_add_loop_test(tc, test_refusals_that_wait_for_somebody, 0, 3);
    tcase_add_test(tc, test_refusals_end_with_the_request);
    tcase_add_test(tc, test_refusals_of_what_was_denied);
    suite_add_tcase(s, tc);
    return s;
}
