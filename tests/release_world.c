#include "tests/release_world.h"

#include "crypto/vss.h"
#include "protocol/policy.h"

struct world w;
unsigned n;
struct test_feed lab_feed, played_feed;
struct manifest manifest;
struct digest manifest_hash;
struct release_request request;
uint8_t request_bytes[RELEASE_REQUEST_MAX];
size_t request_size;
struct digest release;
struct vss_polynomials polynomials;
uint8_t recipient_sk[HPKE_KEY_SIZE];

struct message_refuse refused;
unsigned refusals, envelopes, heads_heard, acks_heard;
struct message_envelope envelope;
static uint8_t envelope_bytes[MESSAGE_ENVELOPE_MAX];

void on_message(struct world *world,
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

void connect_all(void)
{
    for (unsigned a = 0; a < n; a++) {
        for (unsigned b = a + 1; b < n; b++) {
            world_connect(&w, a, b);
        }
        world_connect(&w, LAB, a);
    }
}

struct digest manifest_append(const struct manifest *m)
{
    uint8_t bytes[MANIFEST_SIZE_MAX];
    struct feed_entry e;
    size_t size = 0;

    ck_assert_int_eq(manifest_encode(m, bytes, sizeof(bytes), &size), OK);
    test_feed_append(&lab_feed, &w.keys[LAB], FEED_MANIFEST,
                     slice_of(bytes, size));
    ck_assert_int_eq(
        feed_entry_decode(&e, test_feed_entry(&lab_feed, lab_feed.len - 1)),
        OK);
    return e.header.payload_hash;
}

static void manifest_make(uint32_t quorum)
{
    vss_polynomials_init(&polynomials, T, &w.rng);
    memset(&manifest, 0, sizeof(manifest));
    manifest.net = w.net;
    memset(manifest.random.bytes, 0x5a, DIGEST_SIZE);
    manifest_deposit_id(&manifest.deposit_id, &w.net, &w.ids[LAB],
                        manifest.random.bytes);
    memcpy(manifest.label, "model", 6);
    manifest.time_s = 1700000000;
    manifest.plain_size = 1000;
    manifest.segment_size = 65536;
    manifest.segments = 2;
    manifest.catalogue_segments = 1;
    manifest.k = n > 2 ? 2 : 1;
    manifest.n = (uint16_t)n;
    manifest.t = T;
    manifest.shard_size = (uint64_t)12 * LEAF_SIZE;
    for (unsigned i = 0; i < n; i++) {
        memset(manifest.roots[i].bytes, 0x60 + (int)i, DIGEST_SIZE);
        manifest.stewards[i] = w.ids[i];
    }
    vss_commit(&polynomials, manifest.commitments);
    manifest.share_epoch = 3;
    ck_assert_int_eq(policy_default(quorum, manifest.policy,
                                    sizeof(manifest.policy),
                                    &manifest.policy_size),
                     OK);
    manifest_hash = manifest_append(&manifest);
}

void request_encode(void)
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

void start(uint64_t seed, unsigned stewards, uint32_t quorum)
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
    refusals = envelopes = heads_heard = acks_heard = 0;
}

void stop(void)
{
    world_close(&w);
    test_feed_free(&lab_feed);
    test_feed_free(&played_feed);
}
