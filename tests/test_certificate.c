#include <stdlib.h>

#include "protocol/canon.h"
#include "protocol/certificate.h"
#include "tests/certificate_world.h"

static struct certificate_world *w;
static struct certificate *c;
static struct certificate_facts *facts;
static uint8_t *bytes; /* CERTIFICATE_SIZE_MAX + 1 bytes. */
static size_t size;
static char what[160];

static void start(void)
{
    w = malloc(sizeof(*w));
    c = calloc(1, sizeof(*c));
    facts = calloc(1, sizeof(*facts));
    bytes = malloc(CERTIFICATE_SIZE_MAX + 1);
    ck_assert(w != NULL && c != NULL && facts != NULL && bytes != NULL);
    world_init(w);
    world_certificate(w, WORLD_N, WORLD_N, c);
}

static void end(void)
{
    free(bytes);
    free(facts);
    free(c);
    free(w);
}

static int verify(void)
{
    static const struct certificate_facts zero;
    int rv;

    memset(what, 'x', sizeof(what) - 1);
    what[sizeof(what) - 1] = '\0';
    rv = certificate_verify(c, facts, what);
    ck_assert_int_eq(certificate_verify(c, facts, NULL), rv);
    if (rv != OK) {
        ck_assert_mem_eq(facts, &zero, sizeof(zero));
        ck_assert_uint_lt(strlen(what), sizeof(what) - 1);
    }
    return rv;
}

/* The certificate is false, and the words say what in it is. */
static void check_false(int rv, const char *words)
{
    world_certificate(w, WORLD_N, WORLD_N, c);
    ck_assert_int_eq(verify(), rv);
    ck_assert_msg(strstr(what, words) != NULL, "'%s' is not in '%s'", words,
                  what);
}

/* The receipt of column 2 is false; alone it is |alone|, then all is well. */
static void check_receipt(int alone, int rv, const char *words)
{
    uint16_t index = 99;

    world_certificate(w, 0, 0, c);
    ck_assert_int_eq(certificate_verify(c, facts, what), OK);
    ck_assert_int_eq(
        certificate_receipt_check(facts, world_slice(&w->receipts[2]), &index),
        alone);
    ck_assert_uint_eq(index, 99);
    check_false(rv, "receipt 3: ");
    check_false(rv, words);
    world_steward_put(w, 2);
    world_certificate(w, WORLD_N, WORLD_N, c);
    ck_assert_int_eq(verify(), OK);
}

static void check_acknowledgement(int alone, int rv, const char *words)
{
    uint16_t index = 99;

    world_certificate(w, 0, 0, c);
    ck_assert_int_eq(certificate_verify(c, facts, what), OK);
    ck_assert_int_eq(certificate_acknowledgement_check(
                         facts, world_slice(&w->acknowledgements[2]), &index),
                     alone);
    ck_assert_uint_eq(index, 99);
    check_false(rv, "acknowledgement 3: ");
    check_false(rv, words);
    world_steward_put(w, 2);
    world_certificate(w, WORLD_N, WORLD_N, c);
    ck_assert_int_eq(verify(), OK);
}

/* Write the entry |e| again without its payload. */
static void prune(struct world_entry *e)
{
    struct canon_writer writer;
    struct feed_entry entry;
    struct slice out;
    uint8_t pruned[CERTIFICATE_ENTRY_MAX];

    ck_assert_int_eq(feed_entry_decode(&entry, world_slice(e)), OK);
    canon_write_init(&writer, pruned, sizeof(pruned));
    canon_put_array(&writer, 3);
    canon_put_bin(&writer, entry.header_bytes);
    canon_put_bin(&writer, slice_of(entry.signature, SIGN_SIZE));
    canon_put_nil(&writer);
    ck_assert_int_eq(canon_write_end(&writer, &out), OK);
    memcpy(e->bytes, out.data, out.size);
    e->size = out.size;
}

/* The payload of an entry of |kind| by steward 2, whatever it is. */
static void raw_put(struct world_entry *e,
                    enum feed_kind kind,
                    struct slice payload)
{
    world_entry_put(e, &w->net, &w->stewards[2].card.id, &w->stewards[2].node,
                    kind, payload);
}

/* ---- encoding ---- */

START_TEST(test_certificate_round_trip)
{
    struct certificate *got = calloc(1, sizeof(*got));

    ck_assert_ptr_nonnull(got);
    for (size_t receipts = 0; receipts <= WORLD_N; receipts += WORLD_N) {
        world_certificate(w, receipts, WORLD_N - receipts, c);
        ck_assert_int_eq(
            certificate_encode(c, bytes, CERTIFICATE_SIZE_MAX, &size), OK);
        ck_assert_bytes_eq(bytes, "CRNC\x95\x01", 6);
        ck_assert_int_eq(certificate_decode(got, slice_of(bytes, size)), OK);
        ck_assert(slice_equal(got->chain, c->chain));
        ck_assert(slice_equal(got->manifest, c->manifest));
        ck_assert_uint_eq(got->receipts_len, receipts);
        ck_assert_uint_eq(got->acknowledgements_len, WORLD_N - receipts);
        for (size_t i = 0; i < receipts; i++) {
            ck_assert(slice_equal(got->receipts[i], c->receipts[i]));
        }
        for (size_t i = 0; i < WORLD_N - receipts; i++) {
            ck_assert(
                slice_equal(got->acknowledgements[i], c->acknowledgements[i]));
        }
        ck_assert_int_eq(certificate_encode(c, bytes, size - 1, &size),
                         ERR_FULL);
    }
    free(got);
}
END_TEST

/* The largest that the format allows fits into CERTIFICATE_SIZE_MAX. */
START_TEST(test_certificate_largest)
{
    uint8_t *fill = calloc(1, CHARTER_CHAIN_MAX + 1);

    ck_assert_ptr_nonnull(fill);
    c->chain = slice_of(fill, CHARTER_CHAIN_MAX);
    c->manifest = slice_of(fill, FEED_ENTRY_MAX);
    c->receipts_len = c->acknowledgements_len = MANIFEST_SHARDS_MAX;
    for (size_t i = 0; i < MANIFEST_SHARDS_MAX; i++) {
        c->receipts[i] = slice_of(fill, CERTIFICATE_ENTRY_MAX);
        c->acknowledgements[i] = slice_of(fill, CERTIFICATE_ENTRY_MAX);
    }
    ck_assert_int_eq(certificate_encode(c, bytes, CERTIFICATE_SIZE_MAX, &size),
                     OK);
    ck_assert_int_eq(certificate_decode(c, slice_of(bytes, size)), OK);
    ck_assert_int_eq(verify(), ERR_BAD);

    c->chain.size++;
    ck_assert_int_eq(
        certificate_encode(c, bytes, CERTIFICATE_SIZE_MAX + 1, &size), ERR_BAD);
    c->chain.size = 0;
    ck_assert_int_eq(certificate_encode(c, bytes, CERTIFICATE_SIZE_MAX, &size),
                     ERR_BAD);
    c->chain.size = 1;
    c->manifest.size = FEED_ENTRY_MAX + 1;
    ck_assert_int_eq(certificate_encode(c, bytes, CERTIFICATE_SIZE_MAX, &size),
                     ERR_BAD);
    c->manifest.size = 1;
    c->receipts[3] = slice_of(fill, CERTIFICATE_ENTRY_MAX + 1);
    ck_assert_int_eq(certificate_encode(c, bytes, CERTIFICATE_SIZE_MAX, &size),
                     ERR_BAD);
    c->receipts[3].size = 1;
    c->acknowledgements[63].size = 0;
    ck_assert_int_eq(certificate_encode(c, bytes, CERTIFICATE_SIZE_MAX, &size),
                     ERR_BAD);
    c->acknowledgements_len = 0;
    ck_assert_int_eq(certificate_encode(c, bytes, CERTIFICATE_SIZE_MAX, &size),
                     OK);
    c->receipts_len = MANIFEST_SHARDS_MAX + 1;
    ck_assert_int_eq(certificate_encode(c, bytes, CERTIFICATE_SIZE_MAX, &size),
                     ERR_BAD);
    free(fill);
}
END_TEST

/* Another magic, another version, less or more than all of it. */
START_TEST(test_certificate_shape)
{
    const struct certificate before = *c;

    ck_assert_int_eq(certificate_encode(c, bytes, CERTIFICATE_SIZE_MAX, &size),
                     OK);
    for (size_t i = 0; i < size; i += i < 64 ? 1 : 61) {
        ck_assert_int_eq(certificate_decode(c, slice_of(bytes, i)), ERR_BAD);
    }
    bytes[size] = 0;
    ck_assert_int_eq(certificate_decode(c, slice_of(bytes, size + 1)), ERR_BAD);
    bytes[5] = 2;
    ck_assert_int_eq(certificate_decode(c, slice_of(bytes, size)),
                     ERR_UNSUPPORTED);
    bytes[5] = 1;
    bytes[3] = 'T';
    ck_assert_int_eq(certificate_decode(c, slice_of(bytes, size)), ERR_BAD);
    ck_assert_mem_eq(c, &before, sizeof(before));
}
END_TEST

/* ---- what is proven ---- */

START_TEST(test_certificate_shows_what_was_signed)
{
    ck_assert_int_eq(verify(), OK);
    ck_assert(digest_equal(&facts->net, &w->net));
    ck_assert(digest_equal(&facts->charter.hash, &w->net));
    ck_assert_uint_eq(facts->charter.members_len, WORLD_MEMBERS);
    ck_assert(digest_equal(&facts->lab, &w->lab.card.id));
    ck_assert(digest_equal(&facts->manifest_hash, &w->manifest_hash));
    ck_assert_mem_eq(&facts->manifest, &w->manifest, sizeof(w->manifest));
    ck_assert_uint_eq(facts->manifest_time_ms, (uint64_t)WORLD_TIME * 1000);
    ck_assert_uint_eq(facts->receipts, (1U << WORLD_N) - 1);
    ck_assert_uint_eq(facts->acknowledgements, (1U << WORLD_N) - 1);
    for (size_t i = 0; i < WORLD_N; i++) {
        ck_assert_uint_eq(facts->receipt_time_s[i], WORLD_TIME + 60U + i);
    }
    ck_assert(facts->sealed);
}
END_TEST

/* All n receipts and t + f acknowledgements, whichever they are. */
START_TEST(test_certificate_sealed)
{
    world_certificate(w, WORLD_N, WORLD_T + WORLD_F, c);
    ck_assert_int_eq(verify(), OK);
    ck_assert(facts->sealed);
    c->acknowledgements[0] = world_slice(&w->acknowledgements[6]);
    ck_assert_int_eq(verify(), OK);
    ck_assert(facts->sealed);
    ck_assert_uint_eq(facts->acknowledgements, 0x5e);
    world_certificate(w, WORLD_N, WORLD_T + WORLD_F - 1, c);
    ck_assert_int_eq(verify(), OK);
    ck_assert(!facts->sealed);
    world_certificate(w, WORLD_N - 1, WORLD_N, c);
    ck_assert_int_eq(verify(), OK);
    ck_assert(!facts->sealed);
    ck_assert_uint_eq(facts->receipts, 0x3f);
    c->receipts[0] = world_slice(&w->receipts[6]);
    ck_assert_int_eq(verify(), OK);
    ck_assert_uint_eq(facts->receipts, 0x7e);
    ck_assert(!facts->sealed);
    world_certificate(w, 0, 0, c);
    ck_assert_int_eq(verify(), OK);
    ck_assert(!facts->sealed);
}
END_TEST

/* What comes from a peer is placed by its shard. */
START_TEST(test_certificate_entries_from_peers)
{
    uint16_t index = 99;

    world_certificate(w, 0, 0, c);
    ck_assert_int_eq(certificate_open(c->chain, c->manifest, facts, NULL), OK);
    for (uint16_t i = 0; i < WORLD_N; i++) {
        ck_assert_int_eq(certificate_receipt_check(
                             facts, world_slice(&w->receipts[i]), &index),
                         OK);
        ck_assert_uint_eq(index, i);
        index = 99;
        ck_assert_int_eq(
            certificate_acknowledgement_check(
                facts, world_slice(&w->acknowledgements[i]), &index),
            OK);
        ck_assert_uint_eq(index, i);
        index = 99;
        ck_assert_int_eq(
            certificate_receipt_check(
                facts, world_slice(&w->acknowledgements[i]), &index),
            ERR_NOTFOUND);
        ck_assert_int_eq(certificate_acknowledgement_check(
                             facts, world_slice(&w->receipts[i]), &index),
                         ERR_NOTFOUND);
        ck_assert_uint_eq(index, 99);
    }
}
END_TEST

/* Nothing in a certificate is without a signature or a hash. */
START_TEST(test_certificate_every_byte_counts)
{
    world_certificate(w, 2, 2, c);
    ck_assert_int_eq(certificate_encode(c, bytes, CERTIFICATE_SIZE_MAX, &size),
                     OK);
    for (size_t i = (size_t)_i; i < size; i += 37) {
        bytes[i] ^= (uint8_t)(1U << (i % 8));
        if (certificate_decode(c, slice_of(bytes, size)) == OK) {
            ck_assert_msg(certificate_verify(c, facts, NULL) != OK,
                          "byte %zu of %zu", i, size);
        }
        bytes[i] ^= (uint8_t)(1U << (i % 8));
    }
    ck_assert_int_eq(certificate_decode(c, slice_of(bytes, size)), OK);
    ck_assert_int_eq(verify(), OK);
}
END_TEST

/* ---- what is false ---- */

/* Write the chain again without its last signature. */
static void chain_shorten(void)
{
    struct canon_writer out;
    struct canon_reader in;
    struct slice written;

    canon_read_init(&in, slice_of(w->chain, w->chain_size));
    canon_write_init(&out, bytes, CERTIFICATE_SIZE_MAX);
    canon_array(&in, 1);
    canon_put_array(&out, 1);
    canon_array(&in, 2);
    canon_put_array(&out, 2);
    canon_put_raw(&out, canon_any(&in));
    canon_array(&in, WORLD_N);
    canon_put_array(&out, WORLD_N - 1);
    for (size_t i = 0; i < WORLD_N - 1; i++) {
        canon_put_raw(&out, canon_any(&in));
    }
    ck_assert_int_eq(canon_write_end(&out, &written), OK);
    memcpy(w->chain, written.data, written.size);
    w->chain_size = written.size;
}

START_TEST(test_certificate_false_chain)
{
    const struct digest net = w->net;
    uint8_t *chain = malloc(CHARTER_CHAIN_MAX);

    ck_assert_ptr_nonnull(chain);
    /* The last signature. */
    w->chain[w->chain_size - 1] ^= 1;
    check_false(ERR_AUTH, "the charter: a signature");
    w->chain[w->chain_size - 1] ^= 1;
    w->chain_size--;
    check_false(ERR_BAD, "the charter: it is malformed");
    w->chain_size++;
    /* One steward's signature fewer. */
    memcpy(chain, w->chain, w->chain_size);
    size = w->chain_size;
    chain_shorten();
    check_false(ERR_DENIED, "the charter: it is not signed by operators of");
    memcpy(w->chain, chain, size);
    /* The charter of another network. */
    world_charter_put(w, "Another archive");
    ck_assert(!digest_equal(&w->net, &net));
    check_false(ERR_MISMATCH, "the manifest: it is of another network");
    free(chain);
}
END_TEST

START_TEST(test_certificate_false_manifest)
{
    struct world_entry *e = &w->manifest_entry;
    const struct manifest good = w->manifest;
    const struct digest net = w->net;

    world_manifest_put(w, &w->auditor, &w->auditor.node);
    check_false(ERR_DENIED, "the manifest: its author is no lab");
    world_manifest_put(w, &w->stewards[0], &w->stewards[0].node);
    check_false(ERR_DENIED, "the manifest: its author is no lab");
    world_manifest_put(w, &w->lab, &w->auditor.node);
    check_false(ERR_AUTH, "the manifest: the lab did not sign it");
    world_manifest_put(w, &w->lab, &w->lab.node);
    e->bytes[e->size - 1] ^= 1;
    check_false(ERR_MISMATCH, "the manifest: its content is not what was");
    e->bytes[e->size - 1] ^= 1;
    prune(e);
    check_false(ERR_BAD, "the manifest: its content is missing");
    *e = w->receipts[0];
    check_false(ERR_MISMATCH, "the manifest: it is an entry of another kind");
    e->size = 10;
    check_false(ERR_BAD, "the manifest: it is malformed");
    world_entry_put(e, &w->net, &w->lab.card.id, &w->lab.node, FEED_MANIFEST,
                    slice_of("\x91\x02", 2));
    check_false(ERR_UNSUPPORTED, "the manifest: it is of a later version");
    world_entry_put(e, &w->net, &w->lab.card.id, &w->lab.node, FEED_MANIFEST,
                    slice_of("\x91\x01", 2));
    check_false(ERR_BAD, "the manifest: its content is malformed");
    w->net.bytes[0] ^= 1;
    world_manifest_put(w, &w->lab, &w->lab.node);
    check_false(ERR_MISMATCH, "the manifest: it is of another network");
    w->manifest.net = w->net;
    world_deposit_id(w);
    w->net = net;
    world_manifest_put(w, &w->lab, &w->lab.node);
    check_false(ERR_MISMATCH, "the manifest: its content names another net");
    /* A deposit made offline is nobody's in a network. */
    w->manifest.offline = true;
    memset(&w->manifest.net, 0, DIGEST_SIZE);
    memset(w->manifest.stewards, 0, sizeof(w->manifest.stewards));
    world_deposit_id(w);
    world_manifest_put(w, &w->lab, &w->lab.node);
    check_false(ERR_MISMATCH, "the manifest: its content names another net");
    w->manifest = good;
    world_manifest_put(w, &w->lab, &w->lab.node);
    world_certificate(w, WORLD_N, WORLD_N, c);
    ck_assert_int_eq(verify(), OK);
}
END_TEST

/* Nobody, not even a lab of the network, speaks for another's deposit. */
START_TEST(test_certificate_manifest_of_another_lab)
{
    w->manifest.deposit_id.bytes[31] ^= 1;
    world_manifest_put(w, &w->lab, &w->lab.node);
    check_false(ERR_MISMATCH,
                "the manifest: its author speaks for another's deposit");
    w->manifest.deposit_id.bytes[31] ^= 1;
    w->manifest.random.bytes[0] ^= 1;
    world_manifest_put(w, &w->lab, &w->lab.node);
    check_false(ERR_MISMATCH,
                "the manifest: its author speaks for another's deposit");
}
END_TEST

/* Who signs a receipt: the steward of its shard, with its own key. */
START_TEST(test_certificate_receipt_by_another)
{
    const struct release_receipt r = world_receipt(w, 2);
    struct member stranger;

    member_make(&stranger, 90, CARD_STEWARD);
    world_receipt_put(w, 2, &r, &w->stewards[2], &w->stewards[3].node);
    check_receipt(ERR_AUTH, ERR_AUTH, "its author did not sign it");
    world_receipt_put(w, 2, &r, &w->stewards[2], &w->stewards[2].d);
    check_receipt(ERR_AUTH, ERR_AUTH, "its author did not sign it");
    world_receipt_put(w, 2, &r, &w->stewards[3], &w->stewards[3].node);
    check_receipt(ERR_MISMATCH, ERR_MISMATCH, "not by the steward of that");
    world_receipt_put(w, 2, &r, &w->lab, &w->lab.node);
    check_receipt(ERR_DENIED, ERR_DENIED, "its author is no steward");
    world_receipt_put(w, 2, &r, &stranger, &stranger.node);
    check_receipt(ERR_DENIED, ERR_DENIED, "its author is no steward");
}
END_TEST

/* What a receipt says: this deposit, this shard, this root. */
START_TEST(test_certificate_receipt_of_something_else)
{
    const struct release_receipt good = world_receipt(w, 2);
    const struct member *s = &w->stewards[2];
    struct release_receipt r = good;

    r.root = w->manifest.roots[3];
    world_receipt_put(w, 2, &r, s, &s->node);
    check_receipt(ERR_MISMATCH, ERR_MISMATCH, "is not the one in the manifest");
    r = good;
    r.shard_size += LEAF_SIZE;
    world_receipt_put(w, 2, &r, s, &s->node);
    check_receipt(ERR_MISMATCH, ERR_MISMATCH, "is not the one in the manifest");
    r = good;
    r.index = WORLD_N;
    world_receipt_put(w, 2, &r, s, &s->node);
    check_receipt(ERR_MISMATCH, ERR_MISMATCH, "not by the steward of that");
    r = good;
    r.deposit_id.bytes[0] ^= 1;
    world_receipt_put(w, 2, &r, s, &s->node);
    check_receipt(ERR_MISMATCH, ERR_MISMATCH, "with another deposit");
    r.manifest_hash.bytes[0] ^= 1;
    world_receipt_put(w, 2, &r, s, &s->node);
    check_receipt(ERR_NOTFOUND, ERR_MISMATCH, "it is about another deposit");
    w->receipts[2] = w->acknowledgements[2];
    check_receipt(ERR_NOTFOUND, ERR_MISMATCH, "an entry of another kind");
}
END_TEST

START_TEST(test_certificate_receipt_broken)
{
    const struct digest net = w->net;
    const struct release_receipt r = world_receipt(w, 2);
    struct world_entry *e = &w->receipts[2];

    e->bytes[e->size - 1] ^= 1;
    check_receipt(ERR_MISMATCH, ERR_MISMATCH, "its content is not what was");
    e->bytes[e->size / 2] ^= 1;
    e->size -= 1;
    check_receipt(ERR_BAD, ERR_BAD, "it is malformed");
    prune(e);
    check_receipt(ERR_BAD, ERR_BAD, "its content is missing");
    raw_put(e, FEED_RECEIPT, slice_of("\x91\x02", 2));
    check_receipt(ERR_UNSUPPORTED, ERR_UNSUPPORTED, "of a later version");
    raw_put(e, FEED_RECEIPT, slice_of("\x91\x01", 2));
    check_receipt(ERR_BAD, ERR_BAD, "its content is malformed");
    w->net.bytes[0] ^= 1;
    world_receipt_put(w, 2, &r, &w->stewards[2], &w->stewards[2].node);
    w->net = net;
    check_receipt(ERR_MISMATCH, ERR_MISMATCH, "it is of another network");
    *e = w->receipts[1];
    check_false(ERR_BAD, "receipt 3: there is one of that shard already");
}
END_TEST

/* Who acknowledges: the custodian of the share's steward, in its feed. */
START_TEST(test_certificate_acknowledgement_by_another)
{
    const struct release_acknowledgement a = world_acknowledgement(w, 2, 3, 3);
    const struct member *s = &w->stewards[2];
    struct release_acknowledgement b = a;

    world_acknowledgement_put(w, 2, &a, &s->node, s);
    check_acknowledgement(ERR_AUTH, ERR_AUTH, "its custodian did not sign it");
    world_acknowledgement_put(w, 2, &a, &w->stewards[3].d, s);
    check_acknowledgement(ERR_AUTH, ERR_AUTH, "its custodian did not sign it");
    world_acknowledgement_put(w, 2, &a, &s->d, &w->lab);
    check_acknowledgement(ERR_DENIED, ERR_DENIED, "its author is no steward");
    /* Its own node and custodian, for the share of another. */
    b = world_acknowledgement(w, 2, 4, 4);
    world_acknowledgement_put(w, 2, &b, &s->d, s);
    check_acknowledgement(ERR_MISMATCH, ERR_MISMATCH, "is not the one of that");
    /* A custodian that signs for the share of another in its own feed. */
    b = world_acknowledgement(w, 3, 4, 4);
    world_acknowledgement_put(w, 2, &b, &s->d, s);
    check_acknowledgement(ERR_MISMATCH, ERR_MISMATCH, "feed of another");
    world_entry_put(&w->acknowledgements[2], &w->net, &s->card.id,
                    &w->stewards[3].node, FEED_ACKNOWLEDGEMENT,
                    slice_of("\x91\x01", 2));
    check_acknowledgement(ERR_AUTH, ERR_AUTH, "its author did not sign it");
}
END_TEST

START_TEST(test_certificate_acknowledgement_of_something_else)
{
    const struct release_acknowledgement good =
        world_acknowledgement(w, 2, 3, 3);
    const struct member *s = &w->stewards[2];
    struct release_acknowledgement a;

    a = world_acknowledgement(w, 2, 3, 4);
    world_acknowledgement_put(w, 2, &a, &s->d, s);
    check_acknowledgement(ERR_AUTH, ERR_AUTH, "its proof does not hold");
    a = good;
    a.share_epoch++;
    world_acknowledgement_put(w, 2, &a, &s->d, s);
    check_acknowledgement(ERR_MISMATCH, ERR_MISMATCH, "is not the one of that");
    a = good;
    a.manifest_hash.bytes[0] ^= 1;
    world_acknowledgement_put(w, 2, &a, &s->d, s);
    check_acknowledgement(ERR_NOTFOUND, ERR_MISMATCH, "about another deposit");
    w->acknowledgements[2] = w->receipts[2];
    check_acknowledgement(ERR_NOTFOUND, ERR_MISMATCH, "of another kind");
    raw_put(&w->acknowledgements[2], FEED_ACKNOWLEDGEMENT,
            slice_of("\x91\x02", 2));
    check_acknowledgement(ERR_UNSUPPORTED, ERR_UNSUPPORTED, "a later version");
    prune(&w->acknowledgements[2]);
    check_acknowledgement(ERR_BAD, ERR_BAD, "its content is missing");
    w->acknowledgements[2] = w->acknowledgements[6];
    check_false(ERR_BAD, "acknowledgement 7: there is one of that shard");
}
END_TEST

/* ---- tickets ---- */

static struct ticket ticket_of(void)
{
    struct ticket t = {.chain = slice_of(w->chain, w->chain_size),
                       .manifest = world_slice(&w->manifest_entry),
                       .request = slice_str("request")};

    memset(t.psk, 0x5a, sizeof(t.psk));
    return t;
}

START_TEST(test_ticket_round_trip)
{
    const struct ticket t = ticket_of();
    struct ticket got;

    memset(&got, 0, sizeof(got));
    ck_assert_int_eq(ticket_encode(&t, bytes, TICKET_SIZE_MAX, &size), OK);
    ck_assert_bytes_eq(bytes, "CRNT\x95\x01", 6);
    ck_assert_int_eq(ticket_decode(&got, slice_of(bytes, size)), OK);
    ck_assert(slice_equal(got.chain, t.chain));
    ck_assert(slice_equal(got.manifest, t.manifest));
    ck_assert(slice_equal(got.request, t.request));
    ck_assert_mem_eq(got.psk, t.psk, sizeof(t.psk));
    ck_assert_int_eq(certificate_open(got.chain, got.manifest, facts, what),
                     OK);
}
END_TEST

/* A ticket that does not fit leaves no secret behind. */
START_TEST(test_ticket_bounds)
{
    static uint8_t fill[CHARTER_CHAIN_MAX + 1];
    const struct ticket good = ticket_of();
    struct ticket t = good;
    size_t full;

    ck_assert_int_eq(ticket_encode(&t, bytes, TICKET_SIZE_MAX, &size), OK);
    full = size;
    ck_assert_int_eq(ticket_encode(&t, bytes, full - 1, &size), ERR_FULL);
    for (size_t i = 0; i + 1 < full; i++) {
        ck_assert_uint_eq(bytes[i], 0);
    }
    memset(t.psk, 0, sizeof(t.psk));
    ck_assert_int_eq(ticket_encode(&t, bytes, TICKET_SIZE_MAX, &size), ERR_BAD);
    t = good;
    t.request = slice_of(fill, RELEASE_REQUEST_MAX + 1);
    ck_assert_int_eq(ticket_encode(&t, bytes, TICKET_SIZE_MAX, &size), ERR_BAD);
    t.request.size = 0;
    ck_assert_int_eq(ticket_encode(&t, bytes, TICKET_SIZE_MAX, &size), ERR_BAD);
    t.request.size = RELEASE_REQUEST_MAX;
    t.chain = slice_of(fill, CHARTER_CHAIN_MAX);
    t.manifest = slice_of(fill, FEED_ENTRY_MAX);
    ck_assert_int_eq(ticket_encode(&t, bytes, TICKET_SIZE_MAX, &size), OK);
    ck_assert_int_eq(ticket_decode(&t, slice_of(bytes, size)), OK);
    t.chain.size++;
    ck_assert_int_eq(ticket_encode(&t, bytes, TICKET_SIZE_MAX, &size), ERR_BAD);
    t.chain.size = 1;
    t.manifest.size++;
    ck_assert_int_eq(ticket_encode(&t, bytes, TICKET_SIZE_MAX, &size), ERR_BAD);
}
END_TEST

START_TEST(test_ticket_shape)
{
    const struct ticket good = ticket_of();
    struct ticket t = good;

    ck_assert_int_eq(ticket_encode(&t, bytes, TICKET_SIZE_MAX, &size), OK);
    for (size_t i = 0; i < size; i += i < 64 ? 1 : 61) {
        ck_assert_int_eq(ticket_decode(&t, slice_of(bytes, i)), ERR_BAD);
    }
    bytes[size] = 0;
    ck_assert_int_eq(ticket_decode(&t, slice_of(bytes, size + 1)), ERR_BAD);
    bytes[5] = 2;
    ck_assert_int_eq(ticket_decode(&t, slice_of(bytes, size)), ERR_UNSUPPORTED);
    bytes[5] = 1;
    bytes[3] = 'C';
    ck_assert_int_eq(ticket_decode(&t, slice_of(bytes, size)), ERR_BAD);
    bytes[3] = 'T';
    memset(bytes + size - 32, 0, 32);
    ck_assert_int_eq(ticket_decode(&t, slice_of(bytes, size)), ERR_BAD);
    ck_assert_mem_eq(&t, &good, sizeof(t));
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("certificate");
    TCase *encoding = tcase_create("encoding");
    TCase *proven = tcase_create("proven");
    TCase *false_ones = tcase_create("false");
    TCase *ticket = tcase_create("ticket");

    tcase_add_checked_fixture(encoding, start, end);
    tcase_add_test(encoding, test_certificate_round_trip);
    tcase_add_test(encoding, test_certificate_largest);
    tcase_add_test(encoding, test_certificate_shape);
    suite_add_tcase(s, encoding);

    tcase_add_checked_fixture(proven, start, end);
    tcase_set_timeout(proven, 120);
    tcase_add_test(proven, test_certificate_shows_what_was_signed);
    tcase_add_test(proven, test_certificate_sealed);
    tcase_add_test(proven, test_certificate_entries_from_peers);
    tcase_add_loop_test(proven, test_certificate_every_byte_counts, 0, 2);
    suite_add_tcase(s, proven);

    tcase_add_checked_fixture(false_ones, start, end);
    tcase_set_timeout(false_ones, 60);
    tcase_add_test(false_ones, test_certificate_false_chain);
    tcase_add_test(false_ones, test_certificate_false_manifest);
    tcase_add_test(false_ones, test_certificate_manifest_of_another_lab);
    tcase_add_test(false_ones, test_certificate_receipt_by_another);
    tcase_add_test(false_ones, test_certificate_receipt_of_something_else);
    tcase_add_test(false_ones, test_certificate_receipt_broken);
    tcase_add_test(false_ones, test_certificate_acknowledgement_by_another);
    tcase_add_test(false_ones,
                   test_certificate_acknowledgement_of_something_else);
    suite_add_tcase(s, false_ones);

    tcase_add_checked_fixture(ticket, start, end);
    tcase_add_test(ticket, test_ticket_round_trip);
    tcase_add_test(ticket, test_ticket_bounds);
    tcase_add_test(ticket, test_ticket_shape);
    suite_add_tcase(s, ticket);
    return s;
}
