#include "crypto/hash.h"
#include "crypto/vss.h"
#include "tests/release_world.h"

static uint64_t next_client = 100;

void say(unsigned from, uint64_t link, const struct message *m)
{
    world_say(&w, from, link, m);
    world_run(&w);
}

struct message deal_of(unsigned i)
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

bool has_share(unsigned node)
{
    struct steward_deposit_info info = {.has_share = false};

    if (steward_deposits(w.nodes[node].s) > 0) {
        steward_deposit_info(w.nodes[node].s, 0, &info);
    }
    return info.has_share;
}

uint64_t link_between(unsigned a, unsigned b)
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

void deal_all(void)
{
    for (unsigned i = 0; i < n; i++) {
        struct message m = deal_of(i);

        world_run(&w);
        say(LAB, link_between(LAB, i), &m);
        ck_assert(has_share(i));
    }
}

void start_dealt(uint64_t seed, unsigned stewards, uint32_t quorum)
{
    start(seed, stewards, quorum);
    connect_all();
    deal_all();
    ck_assert_uint_eq(refusals, 0);
}

int client(unsigned node, const struct steward_client *c)
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

struct steward_client submit_of(void)
{
    return (struct steward_client){.type = STEWARD_CLIENT_SUBMIT,
                                   .bytes =
                                       slice_of(request_bytes, request_size)};
}

int submit(unsigned node)
{
    struct steward_client c = submit_of();

    return client(node, &c);
}

struct steward_client approval_of(unsigned operator)
{
    static uint8_t sig[1024];
    size_t size = world_sign(&w, operator, RELEASE_APPROVAL_NAMESPACE,
                             slice_of(request_bytes, request_size), sig);

    return (struct steward_client){.type = STEWARD_CLIENT_APPROVE,
                                   .release_id = release,
                                   .bytes = slice_of(sig, size)};
}

int approve_as(unsigned node, unsigned operator)
{
    struct steward_client c = approval_of(operator);

    return client(node, &c);
}

int approve(unsigned node)
{
    return approve_as(node, node);
}

void approve_beside(unsigned node)
{
    struct steward_client c = approval_of(node);

    world_client(&w, node, ++next_client, &c);
}

int deny(unsigned node)
{
    const struct steward_client c = {.type = STEWARD_CLIENT_DENY,
                                     .release_id = release};

    return client(node, &c);
}

bool look(unsigned node, struct steward_release_info *info)
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

enum steward_release_state state(unsigned node)
{
    struct steward_release_info info;

    (void)look(node, &info);
    return info.state;
}

unsigned bits(uint64_t v)
{
    unsigned len = 0;

    for (; v != 0; v >>= 1) {
        len += (unsigned)(v & 1);
    }
    return len;
}

unsigned entries(unsigned node, unsigned author, enum feed_kind kind)
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

uint64_t recipient(unsigned node)
{
    uint64_t id =
        world_connect_recipient(&w, node, LAB, &release, request.transport_pk);

    world_run(&w);
    return id;
}

void envelope_want(uint64_t link)
{
    struct message m = {.type = MESSAGE_ENVELOPE_WANT};

    m.u.envelope_want.release_id = release;
    say(LAB, link, &m);
}

void envelope_check(unsigned node)
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

void ready_check(void)
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

struct release_decision decision_of(unsigned member, uint16_t index)
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

void release_open(uint64_t seed)
{
    start_dealt(seed, 4, 2);
    ck_assert_int_eq(submit(0), OK);
    ck_assert_int_eq(approve(0), OK);
    ck_assert_int_eq(approve(1), OK);
    ready_check();
}
