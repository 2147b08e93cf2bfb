#include "crypto/hash.h"
#include "crypto/vss.h"
#include "protocol/policy.h"
#include "protocol/release.h"
#include "replication/keys.h"
#include "replication/steward_internal.h"
#include "tests/steward_feeds.h"

/* Key shares into custody, and releases from request to envelope, in a network
 * of stewards whose custodians are the real ones. The last member is the lab,
 * and also plays the recipient; one before it may be a scripted steward. */

#define LAB    (WORLD_MEMBERS - 1)
#define PLAYED (WORLD_MEMBERS - 2) /* A steward played by the test. */
#define OTHER  (WORLD_MEMBERS - 3) /* Another lab, when it is free. */
#define T      2U
#define DAY_S  86400ULL

static struct world w;
static unsigned n; /* Stewards with machines. */
static struct test_feed lab_feed, played_feed;
static struct vss_polynomials polynomials;
static struct manifest manifest;
static struct digest manifest_hash;
static struct release_request request;
static uint8_t request_bytes[RELEASE_REQUEST_MAX];
static size_t request_size;
static struct digest release;
static uint8_t recipient_sk[HPKE_KEY_SIZE];
static uint64_t next_client;

/* What the lab and the recipient heard last, of each kind. */
static struct message_refuse refused;
static unsigned refusals, envelopes, cells, heads_heard, acks_heard;
static struct message_envelope envelope;
static uint8_t envelope_bytes[MESSAGE_ENVELOPE_MAX];

/* --- The network --------------------------------------------------------- */

static void on_message(struct world *world,
                       unsigned member,
                       uint64_t link,
                       const struct message *m)
{
    struct feed_entry e;

    if (member == LAB && !world->links[link - 1].recipient) {
        test_feed_serve(&lab_feed, world, member, link, m);
    } else if (member == PLAYED) {
        test_feed_serve(&played_feed, world, member, link, m);
    }
    if (m->type == MESSAGE_REFUSE && member != PLAYED) {
        refused = m->u.refuse;
        refusals++;
    } else if (m->type == MESSAGE_ENVELOPE) {
        envelope = m->u.envelope;
        memcpy(envelope_bytes, envelope.envelope.data, envelope.envelope.size);
        envelope.envelope.data = envelope_bytes;
        envelopes++;
    } else if (m->type == MESSAGE_HEADS && world->links[link - 1].recipient) {
        heads_heard++;
    } else if (m->type == MESSAGE_ENTRIES) {
        ck_assert(!world->links[link - 1].recipient);
        ck_assert_int_eq(feed_entry_decode(&e, m->u.entries.entries[0]), OK);
        acks_heard += member == LAB && e.header.kind == FEED_ACKNOWLEDGEMENT;
    }
}

static void on_link(struct world *world, unsigned member, uint64_t id, bool up)
{
    if (up && member == LAB && !world->links[id - 1].recipient) {
        test_feed_heads(&lab_feed, world, member, id);
    } else if (up && member == PLAYED) {
        test_feed_heads(&played_feed, world, member, id);
    }
}

static void connect_all(void)
{
    for (unsigned a = 0; a < n; a++) {
        for (unsigned b = a + 1; b < n; b++) {
            world_connect(&w, a, b);
        }
        world_connect(&w, LAB, a);
    }
}

static void manifest_make(uint32_t quorum)
{
    uint8_t bytes[MANIFEST_SIZE_MAX];
    struct feed_entry e;
    size_t size = 0;

    vss_polynomials_init(&polynomials, T, &w.rng);
    memset(&manifest, 0, sizeof(manifest));
    manifest.net = w.net;
    memset(manifest.deposit_id.bytes, 0x5a, DIGEST_SIZE);
    memcpy(manifest.label, "model", 6);
    manifest.time_s = 1700000000;
    manifest.plain_size = 1000;
    manifest.segment_size = 65536;
    manifest.segments = 2;
    manifest.catalogue_segments = 1;
    manifest.k = n > 2 ? 2 : 1;
    manifest.n = (uint16_t)n;
    manifest.t = T;
    manifest.shard_size = 12 * LEAF_SIZE;
    for (uint16_t i = 0; i < n; i++) {
        memset(manifest.roots[i].bytes, 0x60 + i, DIGEST_SIZE);
        manifest.stewards[i] = w.ids[i];
    }
    vss_commit(&polynomials, manifest.commitments);
    manifest.share_epoch = 3;
    ck_assert_int_eq(policy_default(quorum, manifest.policy,
                                    sizeof(manifest.policy),
                                    &manifest.policy_size),
                     OK);
    ck_assert_int_eq(manifest_encode(&manifest, bytes, sizeof(bytes), &size),
                     OK);
    test_feed_append(&lab_feed, &w.keys[LAB], FEED_MANIFEST,
                     slice_of(bytes, size));
    ck_assert_int_eq(feed_entry_decode(&e, test_feed_entry(&lab_feed, 0)), OK);
    manifest_hash = e.header.payload_hash;
}

static void request_encode(void)
{
    ck_assert_int_eq(release_request_encode(&request, request_bytes,
                                            sizeof(request_bytes),
                                            &request_size),
                     OK);
    release_id(&release, slice_of(request_bytes, request_size));
}

static void request_make(void)
{
    memset(&request, 0, sizeof(request));
    request.net = w.net;
    request.charter_hash = w.charter.hash;
    request.deposit_id = manifest.deposit_id;
    request.manifest_hash = manifest_hash;
    memcpy(request.label, "model", 6);
    request.share_epoch = 3;
    memcpy(request.recipient, "Reader", 7);
    hpke_keypair(&w.rng, recipient_sk, request.hpke_pk);
    memset(request.transport_pk, 0x77, sizeof(request.transport_pk));
    memcpy(request.purpose, "reading", 8);
    request.time_s = w.wall_ms / 1000;
    request.not_after_s = request.time_s + 10 * DAY_S;
    request_encode();
}

/* |stewards| machines; PLAYED is one more steward when there is room. */
static void start(uint64_t seed, unsigned stewards, uint32_t quorum)
{
    enum card_role roles[WORLD_MEMBERS];

    for (unsigned i = 0; i < WORLD_MEMBERS; i++) {
        roles[i] = i < stewards || i == PLAYED ? CARD_STEWARD : CARD_LAB;
    }
    n = stewards;
    world_open(&w, seed, n, roles);
    w.on_message = on_message;
    w.on_link = on_link;
    test_feed_init(&lab_feed, &w, LAB, 0);
    test_feed_init(&played_feed, &w, PLAYED, 0);
    manifest_make(quorum);
    request_make();
    refusals = envelopes = cells = heads_heard = acks_heard = 0;
    next_client = 100;
}

static void stop(void)
{
    world_close(&w);
    test_feed_free(&lab_feed);
    test_feed_free(&played_feed);
}

/* --- Verbs --------------------------------------------------------------- */

static void say(unsigned from, uint64_t link, const struct message *m)
{
    world_say(&w, from, link, m);
    world_run(&w);
}

/* The share of steward |i|, sealed to its custodian. */
static struct message deal_of(unsigned i)
{
    static uint8_t sealed[RELEASE_ENVELOPE_SIZE];
    uint8_t plain[2 * SCALAR_SIZE];
    struct message m = {.type = MESSAGE_DEAL};
    struct vss_share share;
    struct digest info;

    vss_deal(&polynomials, (uint16_t)(i + 1), &share);
    memcpy(plain, share.s.bytes, SCALAR_SIZE);
    memcpy(plain + SCALAR_SIZE, share.r.bytes, SCALAR_SIZE);
    release_deal_info(&info, &w.net, &manifest_hash, (uint16_t)(i + 1), 3);
    for (unsigned c = 0; c < WORLD_MEMBERS; c++) {
        if (digest_equal(&w.charter.members[c].card.id, &w.ids[i])) {
            ck_assert_int_eq(
                hpke_seal(w.charter.members[c].card.custody_hpke_pk,
                          digest_slice(&info), slice_of("", 0), NULL,
                          slice_of(plain, sizeof(plain)), &w.rng, sealed),
                OK);
        }
    }
    m.u.deal = (struct message_deal){
        .deposit_id = manifest.deposit_id,
        .manifest_hash = manifest_hash,
        .share_index = (uint16_t)(i + 1),
        .share_epoch = 3,
        .envelope = slice_of(sealed, sizeof(sealed)),
    };
    return m;
}

static bool has_share(unsigned node)
{
    struct steward_deposit_info info = {.has_share = false};

    if (steward_deposits(w.nodes[node].s) > 0) {
        steward_deposit_info(w.nodes[node].s, 0, &info);
    }
    return info.has_share;
}

static uint64_t link_between(unsigned a, unsigned b)
{
    for (size_t i = w.links_len; i > 0; i--) {
        const struct world_link *l = &w.links[i - 1];

        if (l->up && !l->recipient &&
            ((l->a == a && l->b == b) || (l->a == b && l->b == a))) {
            return l->id;
        }
    }
    return 0;
}

static void deal_all(void)
{
    for (unsigned i = 0; i < n; i++) {
        struct message m = deal_of(i);

        world_run(&w);
        say(LAB, link_between(LAB, i), &m);
        ck_assert(has_share(i));
    }
}

/* Everybody knows everything, and holds its share. */
static void start_dealt(uint64_t seed, unsigned stewards, uint32_t quorum)
{
    start(seed, stewards, quorum);
    connect_all();
    deal_all();
    ck_assert_uint_eq(refusals, 0);
}

static int client(unsigned node, const struct steward_client *c)
{
    unsigned before = w.nodes[node].replies;

    world_client(&w, node, ++next_client, c);
    world_run(&w);
    ck_assert_uint_eq(w.nodes[node].replies, before + 1);
    ck_assert_uint_eq(w.nodes[node].reply_id, next_client);
    /* Who is refused is told why. */
    ck_assert((w.nodes[node].reply.status == OK) ==
              (w.nodes[node].reply.text[0] == '\0'));
    return w.nodes[node].reply.status;
}

static struct steward_client submit_of(void)
{
    return (struct steward_client){.type = STEWARD_CLIENT_SUBMIT,
                                   .bytes =
                                       slice_of(request_bytes, request_size)};
}

static int submit(unsigned node)
{
    struct steward_client c = submit_of();

    return client(node, &c);
}

static uint8_t sig[1024];

static struct steward_client approval_of(unsigned operator)
{
    size_t size = world_sign(&w, operator, RELEASE_APPROVAL_NAMESPACE,
                             slice_of(request_bytes, request_size), sig);

    return (struct steward_client){.type = STEWARD_CLIENT_APPROVE,
                                   .release_id = release,
                                   .bytes = slice_of(sig, size)};
}

static int approve_as(unsigned node, unsigned operator)
{
    struct steward_client c = approval_of(operator);

    return client(node, &c);
}

static int approve(unsigned node)
{
    return approve_as(node, node);
}

/* The same while the world is at other things; answered when it is run on. */
static void approve_beside(unsigned node)
{
    struct steward_client c = approval_of(node);

    world_client(&w, node, ++next_client, &c);
}

static int deny(unsigned node)
{
    const struct steward_client c = {.type = STEWARD_CLIENT_DENY,
                                     .release_id = release};

    return client(node, &c);
}

/* What a node knows of the release; false: nothing. */
static bool look(unsigned node, struct steward_release_info *info)
{
    for (size_t i = 0; i < steward_releases(w.nodes[node].s); i++) {
        steward_release_info(w.nodes[node].s, i, info);
        if (digest_equal(&info->id, &release)) {
            return true;
        }
    }
    memset(info, 0, sizeof(*info));
    return false;
}

static enum steward_release_state state(unsigned node)
{
    struct steward_release_info info;

    (void)look(node, &info);
    return info.state;
}

static unsigned bits(uint64_t v)
{
    unsigned len = 0;

    for (; v != 0; v >>= 1) {
        len += (unsigned)(v & 1);
    }
    return len;
}

/* Entries of |kind| by |author|, as |node| has them. */
static unsigned entries(unsigned node, unsigned author, enum feed_kind kind)
{
    const struct world_node *x = &w.nodes[node];
    unsigned len = 0;

    for (size_t i = 0; i < x->rows_len; i++) {
        struct feed_entry e;

        if (x->rows[i].key[0] != KEY_ENTRY) {
            continue;
        }
        ck_assert_int_eq(feed_entry_decode(&e, slice_of(x->rows[i].value,
                                                        x->rows[i].value_size)),
                         OK);
        len += e.header.kind == kind &&
                       digest_equal(&e.header.author, &w.ids[author])
                   ? 1U
                   : 0U;
    }
    return len;
}

static uint64_t recipient(unsigned node)
{
    uint64_t id =
        world_connect_recipient(&w, node, LAB, &release, request.transport_pk);

    world_run(&w);
    return id;
}

static void envelope_want(uint64_t link)
{
    struct message m = {.type = MESSAGE_ENVELOPE_WANT};

    m.u.envelope_want.release_id = release;
    say(LAB, link, &m);
}

/* The envelope that was heard last opens, with the share of that steward. */
static void envelope_check(unsigned node)
{
    uint8_t plain[2 * SCALAR_SIZE];
    struct vss_share share = {.index = envelope.share_index};
    struct digest info, psk;
    const struct hpke_psk p = {.psk = digest_slice(&psk),
                               .id = digest_slice(&release)};

    ck_assert(digest_equal(&envelope.custodian, &w.ids[node]));
    ck_assert(digest_equal(&envelope.release_id, &release));
    ck_assert_uint_eq(envelope.share_index, node + 1);
    ck_assert_uint_eq(envelope.share_epoch, 3);
    release_psk(&psk, w.psk, &release);
    release_envelope_info(&info, &w.net, &release, envelope.share_index, 3);
    ck_assert_int_eq(hpke_open(recipient_sk, digest_slice(&info),
                               slice_of("", 0), &p, envelope.envelope, plain),
                     OK);
    memcpy(share.s.bytes, plain, SCALAR_SIZE);
    memcpy(share.r.bytes, plain + SCALAR_SIZE, SCALAR_SIZE);
    ck_assert_int_eq(
        vss_share_verify(&share, manifest.commitments, T, manifest.n), OK);
}

/* Ready everywhere, and everything was said once. */
static void ready_check(void)
{
    for (unsigned i = 0; i < n; i++) {
        struct steward_release_info info;

        ck_assert(look(i, &info));
        ck_assert_int_eq(info.state, STEWARD_RELEASE_READY);
        ck_assert(info.open && !info.denied && !info.expired);
        ck_assert_uint_eq(bits(info.decisions), n);
        ck_assert_uint_eq(world_rows(&w, i, KEY_ENVELOPE), 1);
        for (unsigned a = 0; a < n; a++) {
            ck_assert_uint_eq(entries(i, a, FEED_DECISION), 1);
            ck_assert_uint_eq(entries(i, a, FEED_HOLDING), n - 1);
            ck_assert_uint_eq(entries(i, a, FEED_ACKNOWLEDGEMENT), 1);
            ck_assert_uint_le(entries(i, a, FEED_APPROVAL), 1);
        }
    }
}

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
    struct steward_client c;

    start_dealt(8, 4, 2);
    ck_assert_int_eq(approve(0), ERR_NOTFOUND);
    ck_assert_int_eq(submit(0), OK);
    ck_assert_int_eq(approve_as(0, 1), ERR_DENIED);
    ck_assert_int_eq(approve_as(0, LAB), ERR_DENIED);
    c = approval_of(0);
    c.bytes.size = world_sign(&w, 0, "cairn-charter@v1",
                              slice_of(request_bytes, request_size), sig);
    ck_assert_int_eq(client(0, &c), ERR_DENIED);
    c = approval_of(0);
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

/* --- Any order ----------------------------------------------------------- */

static void played(enum feed_kind kind, struct slice payload)
{
    test_feed_append(&played_feed, &w.keys[PLAYED], kind, payload);
}

static void played_approval_in(unsigned operator, const char * ns)
{
    uint8_t payload[RELEASE_PAYLOAD_MAX];
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

static struct release_decision decision_of(unsigned member, uint16_t index)
{
    struct release_decision d = {.net = w.net,
                                 .release_id = release,
                                 .manifest_hash = manifest_hash,
                                 .custodian = w.ids[member],
                                 .share_index = index,
                                 .share_epoch = 3,
                                 .time_s = 1700000000};

    memset(d.envelope_hash.bytes, 0x99, DIGEST_SIZE);
    return d;
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
    {
        uint8_t bytes[MANIFEST_SIZE_MAX];
        struct feed_entry e;
        size_t size = 0;

        ck_assert_int_eq(
            manifest_encode(&manifest, bytes, sizeof(bytes), &size), OK);
        test_feed_append(&lab_feed, &w.keys[LAB], FEED_MANIFEST,
                         slice_of(bytes, size));
        ck_assert_int_eq(feed_entry_decode(&e, test_feed_entry(&lab_feed, 0)),
                         OK);
        manifest_hash = e.header.payload_hash;
        request.manifest_hash = manifest_hash;
        request_encode();
    }
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
    for (uint16_t kind = FEED_REQUEST; kind <= FEED_HOLDING; kind++) {
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
    bool counts[3];

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
    unsigned part = STEWARD_RELEASES_MAX / 64;

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

/* --- The custodian ------------------------------------------------------- */

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
    world_pass(&w, 10 * STEWARD_CUSTODY_AGAIN_MS);
    ck_assert_uint_eq(w.nodes[1].asked, 2);
    ck_assert_int_eq(approve(2), OK);
    ck_assert_uint_eq(w.nodes[1].asked, 3);
    stubborn = false;
    world_pass(&w, 10 * STEWARD_CUSTODY_AGAIN_MS);
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

/* --- Deals --------------------------------------------------------------- */

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
    uint8_t bytes[MANIFEST_SIZE_MAX];
    struct feed_entry e;
    size_t size = 0;

    other = manifest;
    memset(other.deposit_id.bytes, 0xa5, DIGEST_SIZE);
    ck_assert_int_eq(manifest_encode(&other, bytes, sizeof(bytes), &size), OK);
    test_feed_append(&lab_feed, &w.keys[LAB], FEED_MANIFEST,
                     slice_of(bytes, size));
    ck_assert_int_eq(feed_entry_decode(&e, test_feed_entry(&lab_feed, 1)), OK);
    junk_deal = (struct message){.type = MESSAGE_DEAL};
    junk_deal.u.deal = (struct message_deal){
        .deposit_id = other.deposit_id,
        .manifest_hash = e.header.payload_hash,
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

/* --- Recipients ---------------------------------------------------------- */

static void release_open(uint64_t seed)
{
    start_dealt(seed, 4, 2);
    ck_assert_int_eq(submit(0), OK);
    ck_assert_int_eq(approve(0), OK);
    ck_assert_int_eq(approve(1), OK);
    ready_check();
}

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

/* --- Codecs -------------------------------------------------------------- */

/* What is written is read, and nothing else. */
START_TEST(test_client_codecs)
{
    uint8_t bytes[STEWARD_CLIENT_SIZE_MAX + 1];
    struct steward_client c = {.type = STEWARD_CLIENT_SUBMIT,
                               .bytes = slice_of("abc", 3)};
    struct steward_client got;
    struct steward_reply r = {.status = ERR_DENIED, .text = "no"}, r_got;
    size_t size = 0;

    ck_assert_int_eq(steward_client_encode(&c, bytes, sizeof(bytes), &size),
                     OK);
    ck_assert_int_eq(steward_client_decode(&got, slice_of(bytes, size)), OK);
    ck_assert_int_eq(got.type, STEWARD_CLIENT_SUBMIT);
    ck_assert(slice_equal(got.bytes, c.bytes));
    ck_assert_int_eq(steward_client_decode(&got, slice_of(bytes, size - 1)),
                     ERR_BAD);
    ck_assert_int_eq(steward_client_decode(&got, slice_of(bytes, size + 1)),
                     ERR_BAD);
    bytes[2] = 4;
    ck_assert_int_eq(steward_client_decode(&got, slice_of(bytes, size)),
                     ERR_UNSUPPORTED);
    c.type = STEWARD_CLIENT_DENY;
    ck_assert_int_eq(steward_client_encode(&c, bytes, sizeof(bytes), &size),
                     ERR_BAD);
    c.bytes.size = 0;
    ck_assert_int_eq(steward_client_encode(&c, bytes, sizeof(bytes), &size),
                     ERR_BAD);
    c.release_id.bytes[0] = 1;
    ck_assert_int_eq(steward_client_encode(&c, bytes, sizeof(bytes), &size),
                     OK);
    ck_assert_int_eq(steward_client_decode(&got, slice_of(bytes, size)), OK);
    c.type = STEWARD_CLIENT_APPROVE;
    ck_assert_int_eq(steward_client_encode(&c, bytes, sizeof(bytes), &size),
                     ERR_BAD);

    ck_assert_int_eq(steward_reply_encode(&r, bytes, sizeof(bytes), &size), OK);
    ck_assert_int_eq(steward_reply_decode(&r_got, slice_of(bytes, size)), OK);
    ck_assert_int_eq(r_got.status, ERR_DENIED);
    ck_assert_str_eq(r_got.text, "no");
    ck_assert_int_eq(steward_reply_decode(&r_got, slice_of(bytes, size - 1)),
                     ERR_BAD);
    r.text[0] = '\n';
    ck_assert_int_eq(steward_reply_encode(&r, bytes, sizeof(bytes), &size),
                     ERR_BAD);
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
    tcase_add_loop_test(tc, test_release_votes_before_the_request, 0, 4);
    tcase_add_loop_test(tc, test_release_junk_does_not_count, 0, 3);
    tcase_add_loop_test(tc, test_release_junk_beside_a_good_one, 0, 16);
    tcase_add_test(tc, test_release_requests_are_bounded);
    tcase_add_test(tc, test_release_custodian_comes_back);
    tcase_add_test(tc, test_release_custodian_refuses);
    tcase_add_loop_test(tc, test_release_goes_on_after_a_restart, 0, 2);
    tcase_add_loop_test(tc, test_release_custodian_answers_falsely, 0, 4);
    tcase_add_test(tc, test_deal_is_acknowledged_once);
    tcase_add_loop_test(tc, test_deals_do_not_hold_up_a_release, 0, 6);
    tcase_add_loop_test(tc, test_release_approved_in_passing, 0, 24);
    tcase_add_test(tc, test_deal_refused);
    tcase_add_test(tc, test_recipient_is_let_in);
    tcase_add_loop_test(tc, test_recipient_may_little, 0, 7);
    tcase_add_test(tc, test_recipient_alone_gets_the_envelope);
    tcase_add_test(tc, test_client_codecs);
    suite_add_tcase(s, tc);
    return s;
}
