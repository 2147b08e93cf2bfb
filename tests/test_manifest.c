#include <signal.h>
#include <stdlib.h>

#include "crypto/merkle.h"
#include "protocol/canon.h"
#include "protocol/manifest.h"
#include "protocol/policy.h"
#include "protocol/shard.h"
#include "tests/suite.h"

#define SEGMENT ((uint64_t)65536)

/* What a test writes, sound or not: the fields of a manifest and everything
 * that manifest_encode() would not write wrongly. */
struct forgery {
    struct manifest m;
    uint64_t segment_size, k, n, t, catalogue_segments, cadence_days;
    uint64_t suites[4], zeros[2], version;
    uint32_t fields, roots, stewards, commitments;
    struct slice label, policy;
};

static uint8_t bytes[MANIFEST_SIZE_MAX];
static struct forgery f;
static struct digest author;
static struct manifest got;

/* n shards, any k restore, t open; |data| segments of files are full and the
 * catalogue needs one more. */
static void start(uint16_t k, uint16_t n, uint16_t t, uint32_t data)
{
    static const uint8_t seed[RNG_SEED_SIZE] = {7};
    struct vss_polynomials p;
    struct rng r;

    memset(&f, 0, sizeof(f));
    rng_init_seed(&r, seed);
    rng_bytes(&r, &f.m.net, DIGEST_SIZE);
    rng_bytes(&r, &author, DIGEST_SIZE);
    rng_bytes(&r, &f.m.random, DIGEST_SIZE);
    memcpy(f.m.label, "Gr\xc3\xbc\xc3\x9f", 7);
    f.m.time_s = 1760000000;
    f.m.plain_size = data * SEGMENT;
    f.m.segment_size = SEGMENT;
    f.m.segments = data + 1;
    f.m.catalogue_segments = 1;
    f.m.k = k;
    f.m.n = n;
    f.m.t = t;
    f.m.shard_size = shard_size(
        LEAF_SIZE + data * shard_cell_max(k, SEGMENT) + LEAF_SIZE, data + 1);
    rng_bytes(&r, f.m.roots, (size_t)n * DIGEST_SIZE);
    rng_bytes(&r, f.m.stewards, (size_t)n * DIGEST_SIZE);
    f.m.share_epoch = 0;
    vss_polynomials_init(&p, t, &r);
    vss_commit(&p, f.m.commitments);
    rng_bytes(&r, &f.m.key_commit, DIGEST_SIZE);
    ck_assert_int_eq(
        policy_default(t, f.m.policy, sizeof(f.m.policy), &f.m.policy_size),
        OK);
    f.m.cadence_days = 30;
}

/* Let the id and the forged fields follow |f.m|; a test then changes what it is
 * about. */
static void follow(void)
{
    manifest_deposit_id(&f.m.deposit_id, &f.m.net, &author, f.m.random.bytes);
    f.version = 1;
    for (size_t i = 0; i < 4; i++) {
        f.suites[i] = 1;
    }
    f.segment_size = f.m.segment_size;
    f.k = f.m.k;
    f.n = f.m.n;
    f.t = f.m.t;
    f.catalogue_segments = f.m.catalogue_segments;
    f.cadence_days = f.m.cadence_days;
    f.fields = 24;
    f.roots = f.m.n;
    f.stewards = f.m.offline ? 0 : f.m.n;
    f.commitments = f.m.t;
    f.label = slice_str(f.m.label);
    f.policy = slice_of(f.m.policy, f.m.policy_size);
}

static void forge_digests(struct canon_writer *w,
                          const void *digests,
                          uint32_t len)
{
    canon_put_array(w, len);
    for (uint32_t i = 0; i < len; i++) {
        canon_put_bin(w, slice_of((const uint8_t *)digests + (size_t)32 * i,
                                  DIGEST_SIZE));
    }
}

static struct slice forge(void)
{
    struct canon_writer w;
    struct slice out;

    canon_write_init(&w, bytes, sizeof(bytes));
    canon_put_array(&w, f.fields);
    canon_put_uint(&w, f.version);
    canon_put_array(&w, 4);
    for (size_t i = 0; i < 4; i++) {
        canon_put_uint(&w, f.suites[i]);
    }
    canon_put_digest(&w, &f.m.net);
    canon_put_digest(&w, &f.m.deposit_id);
    canon_put_digest(&w, &f.m.random);
    canon_put_str(&w, f.label);
    canon_put_uint(&w, f.m.time_s);
    canon_put_uint(&w, f.m.plain_size);
    canon_put_uint(&w, f.segment_size);
    canon_put_uint(&w, f.m.segments);
    canon_put_uint(&w, f.catalogue_segments);
    canon_put_uint(&w, f.k);
    canon_put_uint(&w, f.n);
    canon_put_uint(&w, f.t);
    canon_put_uint(&w, f.m.shard_size);
    forge_digests(&w, f.m.roots, f.roots);
    forge_digests(&w, f.m.stewards, f.stewards);
    canon_put_uint(&w, f.m.share_epoch);
    forge_digests(&w, f.m.commitments, f.commitments);
    canon_put_digest(&w, &f.m.key_commit);
    canon_put_bin(&w, f.policy);
    canon_put_uint(&w, f.cadence_days);
    canon_put_uint(&w, f.zeros[0]);
    canon_put_uint(&w, f.zeros[1]);
    for (uint32_t i = 24; i < f.fields; i++) {
        canon_put_uint(&w, 0);
    }
    ck_assert_int_eq(canon_write_end(&w, &out), OK);
    return out;
}

static int decode_forged(void)
{
    return manifest_decode(&got, &author, forge());
}

static void check_equal(const struct manifest *a, const struct manifest *b)
{
    ck_assert(digest_equal(&a->net, &b->net));
    ck_assert(digest_equal(&a->deposit_id, &b->deposit_id));
    ck_assert(digest_equal(&a->random, &b->random));
    ck_assert_str_eq(a->label, b->label);
    ck_assert_uint_eq(a->time_s, b->time_s);
    ck_assert_uint_eq(a->plain_size, b->plain_size);
    ck_assert_uint_eq(a->segment_size, b->segment_size);
    ck_assert_uint_eq(a->segments, b->segments);
    ck_assert_uint_eq(a->catalogue_segments, b->catalogue_segments);
    ck_assert_uint_eq(a->k, b->k);
    ck_assert_uint_eq(a->n, b->n);
    ck_assert_uint_eq(a->t, b->t);
    ck_assert_uint_eq(a->shard_size, b->shard_size);
    ck_assert_bytes_eq(a->roots, b->roots, (size_t)a->n * DIGEST_SIZE);
    ck_assert(a->offline == b->offline);
    if (!a->offline) {
        ck_assert_bytes_eq(a->stewards, b->stewards,
                           (size_t)a->n * DIGEST_SIZE);
    }
    ck_assert_uint_eq(a->share_epoch, b->share_epoch);
    ck_assert_bytes_eq(a->commitments, b->commitments,
                       (size_t)a->t * ELEMENT_SIZE);
    ck_assert(digest_equal(&a->key_commit, &b->key_commit));
    ck_assert_uint_eq(a->policy_size, b->policy_size);
    ck_assert_bytes_eq(a->policy, b->policy, a->policy_size);
    ck_assert_uint_eq(a->cadence_days, b->cadence_days);
}

/* What is encoded is what docs/FORMAT.md lists, and is read back. */
static void check_round_trip(void)
{
    uint8_t out[MANIFEST_SIZE_MAX];
    struct slice want;
    size_t size = 0;

    follow();
    want = forge();
    ck_assert_int_eq(manifest_encode(&f.m, out, sizeof(out), &size), OK);
    ck_assert_uint_eq(size, want.size);
    ck_assert_bytes_eq(out, want.data, size);
    memset(&got, 0xaa, sizeof(got));
    ck_assert_int_eq(manifest_decode(&got, &author, slice_of(out, size)), OK);
    check_equal(&got, &f.m);
}

START_TEST(test_manifest_round_trip)
{
    start(3, 5, 2, 4);
    check_round_trip();
}
END_TEST

/* The least code, no byte of content, nothing asked for. */
START_TEST(test_manifest_round_trip_smallest)
{
    start(1, 2, 1, 0);
    memcpy(f.m.label, "x", 2);
    f.m.time_s = 0;
    f.m.cadence_days = 0;
    f.m.offline = true;
    memset(&f.m.net, 0, sizeof(f.m.net));
    check_round_trip();
}
END_TEST

/* The largest manifest that there can be fits into MANIFEST_SIZE_MAX. */
START_TEST(test_manifest_round_trip_largest)
{
    struct canon_writer w;
    struct slice policy;

    start(48, 64, 64, 3);
    memset(f.m.label, 'L', MANIFEST_LABEL_MAX);
    f.m.time_s = UINT64_MAX;
    f.m.share_epoch = UINT64_MAX;
    f.m.cadence_days = UINT32_MAX;
    canon_write_init(&w, f.m.policy, sizeof(f.m.policy));
    canon_put_array(&w, POLICY_NODES_MAX);
    canon_put_uint(&w, 2);
    for (size_t i = 1; i < POLICY_NODES_MAX; i++) {
        canon_put_array(&w, 3);
        canon_put_uint(&w, 1);
        canon_put_uint(&w, UINT32_MAX);
        canon_put_uint(&w, POLICY_STEWARD);
    }
    ck_assert_int_eq(canon_write_end(&w, &policy), OK);
    f.m.policy_size = policy.size;
    check_round_trip();
}
END_TEST

/* A buffer that is one byte short is full, and nothing is reported. */
START_TEST(test_manifest_encode_full)
{
    uint8_t out[MANIFEST_SIZE_MAX];
    size_t size = 0, none = 17;

    start(3, 5, 2, 4);
    ck_assert_int_eq(manifest_encode(&f.m, out, sizeof(out), &size), OK);
    ck_assert_int_eq(manifest_encode(&f.m, out, size, &size), OK);
    ck_assert_int_eq(manifest_encode(&f.m, out, size - 1, &none), ERR_FULL);
    ck_assert_int_eq(manifest_encode(&f.m, out, 0, &none), ERR_FULL);
    ck_assert_uint_eq(none, 17);
}
END_TEST

/* Our own nonsense stops the program instead of being signed. */
START_TEST(test_manifest_encode_asserts)
{
    size_t size;

    start(3, 5, 2, 4);
    f.m.k = 5;
    ck_assert_int_ne(manifest_encode(&f.m, bytes, sizeof(bytes), &size), OK);
}
END_TEST

START_TEST(test_manifest_truncated_or_longer)
{
    struct slice whole;

    start(3, 5, 2, 4);
    follow();
    whole = forge();
    for (size_t size = 0; size < whole.size; size++) {
        /* On the heap, so that a read beyond the end is noticed. */
        uint8_t *cut = malloc(size + 1);

        ck_assert_ptr_nonnull(cut);
        memcpy(cut + 1, whole.data, size);
        ck_assert_int_ne(
            manifest_decode(&got, &author, slice_of(cut + 1, size)), OK);
        free(cut);
    }
    bytes[whole.size] = 0;
    ck_assert_int_eq(
        manifest_decode(&got, &author, slice_of(bytes, whole.size + 1)),
        ERR_BAD);
    ck_assert_int_eq(manifest_decode(&got, &author, whole), OK);
}
END_TEST

/* Any changed byte makes another manifest or none: never the same one, and
 * nothing that would be encoded otherwise. |got| stays as it was. */
START_TEST(test_manifest_any_byte_changed)
{
    uint8_t again[MANIFEST_SIZE_MAX];
    struct slice whole;
    struct manifest before;
    size_t size;

    start(1, 2, 1, 1);
    follow();
    whole = forge();
    memset(&before, 0x55, sizeof(before));
    for (size_t i = 0; i < whole.size; i++) {
        for (unsigned x = 1; x < 256; x++) {
            bytes[i] ^= (uint8_t)x;
            got = before;
            if (manifest_decode(&got, &author, whole) != OK) {
                if (memcmp((const uint8_t *)&got, (const uint8_t *)&before,
                           sizeof(got)) != 0) {
                    ck_abort_msg("written on failure: byte %zu", i);
                }
            } else if (manifest_encode(&got, again, sizeof(again), &size) !=
                           OK ||
                       !slice_equal(slice_of(again, size), whole)) {
                ck_abort_msg("read otherwise: byte %zu xor %x", i, x);
            }
            bytes[i] ^= (uint8_t)x;
        }
    }
}
END_TEST

static void begin(void)
{
    start(3, 5, 2, 4);
    follow();
}

/* Set one number, decode, and expect. */
#define EXPECT(field, v, want)                     \
    do {                                           \
        begin();                                   \
        f.field = (v);                             \
        ck_assert_int_eq(decode_forged(), (want)); \
    } while (0)

START_TEST(test_manifest_versions_and_suites)
{
    EXPECT(version, 0, ERR_UNSUPPORTED);
    EXPECT(version, 1, OK);
    EXPECT(version, 2, ERR_UNSUPPORTED);
    for (size_t i = 0; i < 4; i++) {
        EXPECT(suites[i], 0, ERR_UNSUPPORTED);
        EXPECT(suites[i], 2, ERR_UNSUPPORTED);
        EXPECT(suites[i], UINT64_MAX, ERR_UNSUPPORTED);
    }
    EXPECT(zeros[0], 1, ERR_UNSUPPORTED);
    EXPECT(zeros[1], 1, ERR_UNSUPPORTED);
    EXPECT(fields, 23, ERR_BAD);
    EXPECT(fields, 25, ERR_BAD);
    /* A longer one of a later version is not called malformed. */
    begin();
    f.version = 2;
    f.fields = 30;
    ck_assert_int_eq(decode_forged(), ERR_UNSUPPORTED);
}
END_TEST

static int decode_label(const char *label, size_t size)
{
    begin();
    f.label = slice_of(label, size);
    return decode_forged();
}

START_TEST(test_manifest_labels)
{
    char longest[MANIFEST_LABEL_MAX + 1];

    memset(longest, 'a', sizeof(longest));
    ck_assert_int_eq(decode_label(longest, 0), ERR_BAD);
    ck_assert_int_eq(decode_label(longest, 1), OK);
    ck_assert_int_eq(decode_label(longest, MANIFEST_LABEL_MAX), OK);
    ck_assert_int_eq(decode_label(longest, MANIFEST_LABEL_MAX + 1), ERR_BAD);
    ck_assert_int_eq(decode_label("a\nb", 3), ERR_BAD);
    ck_assert_int_eq(decode_label("\x1b[31m", 5), ERR_BAD);
    ck_assert_int_eq(decode_label("\xc2\x85", 2), ERR_BAD);
    ck_assert_int_eq(decode_label("\xc2\xa0", 2), OK);
}
END_TEST

START_TEST(test_manifest_code_bounds)
{
    EXPECT(k, 0, ERR_BAD);
    EXPECT(k, 4, OK);
    EXPECT(k, 5, ERR_BAD);
    EXPECT(k, 65539, ERR_BAD);
    EXPECT(t, 0, ERR_BAD);
    EXPECT(t, 3, ERR_BAD); /* With two commitments. */
    EXPECT(t, 65538, ERR_BAD);
    EXPECT(n, 0, ERR_BAD);
    EXPECT(n, 4, ERR_BAD); /* With five roots. */
    EXPECT(n, 6, ERR_BAD);
    EXPECT(n, 65541, ERR_BAD);
    /* k = n - 1 and t = n are the ends of the range. */
    start(1, 2, 2, 1);
    follow();
    ck_assert_int_eq(decode_forged(), OK);
    start(1, 2, 3, 1);
    follow();
    ck_assert_int_eq(decode_forged(), ERR_BAD);
    start(48, 64, 64, 1);
    follow();
    ck_assert_int_eq(decode_forged(), OK);
    start(49, 64, 64, 1);
    follow();
    ck_assert_int_eq(decode_forged(), ERR_BAD);
    start(2, 2, 1, 1);
    follow();
    ck_assert_int_eq(decode_forged(), ERR_BAD);
    /* No key at all. */
    begin();
    f.t = 0;
    f.commitments = 0;
    ck_assert_int_eq(decode_forged(), ERR_BAD);
}
END_TEST

/* One shard, or one commitment, more than the arrays hold. */
START_TEST(test_manifest_more_than_fits)
{
    start(48, 64, 64, 1);
    follow();
    f.n = 65;
    ck_assert_int_eq(decode_forged(), ERR_BAD);
    f.n = 64;
    f.t = 65;
    ck_assert_int_eq(decode_forged(), ERR_BAD);
}
END_TEST

/* Arrays that do not have as many elements as the numbers say. */
START_TEST(test_manifest_counts)
{
    EXPECT(roots, 4, ERR_BAD);
    EXPECT(roots, 6, ERR_BAD);
    EXPECT(roots, 0, ERR_BAD);
    EXPECT(stewards, 4, ERR_BAD);
    EXPECT(stewards, 6, ERR_BAD);
    EXPECT(stewards, 1, ERR_BAD);
    EXPECT(commitments, 1, ERR_BAD);
    EXPECT(commitments, 3, ERR_BAD);
    EXPECT(commitments, 0, ERR_BAD);
}
END_TEST

/* 4 to 262144 segments can hold 262144 bytes. */
START_TEST(test_manifest_segments)
{
    EXPECT(segment_size, 0, ERR_BAD);
    EXPECT(segment_size, SEGMENT - 4096, ERR_BAD);
    EXPECT(segment_size, SEGMENT + 1, ERR_BAD);
    EXPECT(segment_size, SEGMENT + 4096, OK);
    EXPECT(segment_size, SEGMENT_SIZE_MAX, OK);
    EXPECT(segment_size, SEGMENT_SIZE_MAX + 4096, ERR_BAD);
    EXPECT(segment_size, ((uint64_t)1 << 32) + SEGMENT, ERR_BAD);
    EXPECT(catalogue_segments, 0, ERR_BAD);
    EXPECT(catalogue_segments, 2, ERR_BAD); /* Three cannot hold as much. */
    EXPECT(catalogue_segments, 5, ERR_BAD);
    EXPECT(catalogue_segments, 6, ERR_BAD);
    EXPECT(catalogue_segments, ((uint64_t)1 << 32) + 1, ERR_BAD);
    EXPECT(m.plain_size, 4 * SEGMENT + 1, ERR_BAD);
    EXPECT(m.plain_size, UINT64_MAX, ERR_BAD);
    EXPECT(m.plain_size, 4, OK);
    EXPECT(m.plain_size, 3, ERR_BAD); /* One of four would be empty. */
    EXPECT(m.plain_size, 0, ERR_BAD);
    EXPECT(m.segments, 4, ERR_BAD);
    EXPECT(m.segments, 6, OK);
    EXPECT(m.segments, 0, ERR_BAD);
    EXPECT(m.segments, UINT64_MAX, ERR_BAD);
    EXPECT(m.segments, MERKLE_LEAVES_MAX, ERR_BAD);
    EXPECT(m.segments, ((uint64_t)1 << 61) + 5, ERR_BAD);
    /* All of them can hold the catalogue of nothing. */
    begin();
    f.m.plain_size = 0;
    f.catalogue_segments = 5;
    ck_assert_int_eq(decode_forged(), OK);
    f.m.plain_size = 1;
    ck_assert_int_eq(decode_forged(), ERR_BAD);
}
END_TEST

/* Between a leaf and the largest cell a segment, and no part of a leaf. */
START_TEST(test_manifest_shard_size)
{
    uint64_t least = shard_size(LEAF_SIZE + 5 * LEAF_SIZE, 5);
    uint64_t most = shard_size(LEAF_SIZE + 5 * shard_cell_max(3, SEGMENT), 5);

    ck_assert_uint_eq(least, (uint64_t)8 * LEAF_SIZE);
    EXPECT(m.shard_size, least, OK);
    EXPECT(m.shard_size, least - LEAF_SIZE, ERR_BAD);
    EXPECT(m.shard_size, least + 1, ERR_BAD);
    EXPECT(m.shard_size, most, OK);
    EXPECT(m.shard_size, most + LEAF_SIZE, ERR_BAD);
    EXPECT(m.shard_size, 0, ERR_BAD);
    EXPECT(m.shard_size, LEAF_SIZE, ERR_BAD);
    EXPECT(m.shard_size, UINT64_MAX - LEAF_SIZE + 1, ERR_BAD);
}
END_TEST

/* The numbers of an exabyte do not overflow. */
START_TEST(test_manifest_huge)
{
    begin();
    f.m.segments = (uint64_t)1 << 47;
    f.m.plain_size = ((uint64_t)1 << 47) - 1;
    f.m.shard_size =
        shard_size(LEAF_SIZE + f.m.segments * LEAF_SIZE, f.m.segments);
    ck_assert_int_eq(decode_forged(), OK);
    f.m.plain_size--;
    ck_assert_int_eq(decode_forged(), ERR_BAD);
    begin();
    f.m.segments = MERKLE_LEAVES_MAX + 1;
    f.m.plain_size = MERKLE_LEAVES_MAX;
    ck_assert_int_eq(decode_forged(), ERR_BAD);
    begin();
    f.m.plain_size = UINT64_MAX;
    f.catalogue_segments = f.m.segments + 1;
    ck_assert_int_eq(decode_forged(), ERR_BAD);
}
END_TEST

START_TEST(test_manifest_stewards)
{
    begin();
    f.m.stewards[4] = f.m.stewards[0];
    ck_assert_int_eq(decode_forged(), ERR_BAD);
    begin();
    memset(&f.m.stewards[2], 0, DIGEST_SIZE);
    ck_assert_int_eq(decode_forged(), ERR_BAD);
}
END_TEST

/* A deposit has a network and stewards, or neither. */
START_TEST(test_manifest_offline)
{
    EXPECT(stewards, 0, ERR_BAD);
    begin();
    memset(&f.m.net, 0, DIGEST_SIZE);
    follow();
    ck_assert_int_eq(decode_forged(), ERR_BAD);
    f.stewards = 0;
    ck_assert_int_eq(decode_forged(), OK);
    ck_assert(got.offline);
}
END_TEST

/* The identity and what encodes no element are no commitments. */
START_TEST(test_manifest_commitments)
{
    begin();
    memset(&f.m.commitments[1], 0, ELEMENT_SIZE);
    ck_assert_int_eq(decode_forged(), ERR_BAD);
    memset(&f.m.commitments[1], 0xff, ELEMENT_SIZE);
    ck_assert_int_eq(decode_forged(), ERR_BAD);
    begin();
    f.m.commitments[0].bytes[0] ^= 1; /* Negative. */
    ck_assert_int_eq(decode_forged(), ERR_BAD);
}
END_TEST

START_TEST(test_manifest_policies)
{
    static const uint8_t much[12000];

    begin();
    f.m.policy[1] = 9; /* An unknown formula. */
    ck_assert_int_eq(decode_forged(), ERR_UNSUPPORTED);
    begin();
    f.policy.size--;
    ck_assert_int_eq(decode_forged(), ERR_BAD);
    EXPECT(policy.size, 0, ERR_BAD);
    EXPECT(policy.size, MANIFEST_POLICY_MAX, ERR_BAD);
    EXPECT(policy, slice_of(much, MANIFEST_POLICY_MAX + 1), ERR_BAD);
    EXPECT(policy, slice_of(much, sizeof(much)), ERR_BAD);
    EXPECT(cadence_days, UINT32_MAX, OK);
    EXPECT(cadence_days, (uint64_t)UINT32_MAX + 1, ERR_BAD);
}
END_TEST

/* An id is made of the network, the author and the random bytes: with another
 * of any of these there is no such manifest. */
START_TEST(test_manifest_of_another_deposit)
{
    struct digest *const parts[] = {&author, &f.m.net, &f.m.random,
                                    &f.m.deposit_id};

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        begin();
        ck_assert_int_eq(decode_forged(), OK);
        parts[i]->bytes[i] ^= 1;
        ck_assert_int_eq(decode_forged(), ERR_MISMATCH);
    }
}
END_TEST

/* Computed by an independent program. */
START_TEST(test_manifest_deposit_id)
{
    struct digest net, by, id, want;
    uint8_t random[32];

    memset(net.bytes, 1, DIGEST_SIZE);
    memset(by.bytes, 2, DIGEST_SIZE);
    memset(random, 3, sizeof(random));
    manifest_deposit_id(&id, &net, &by, random);
    hex_read("6caef68b7a50e96075bb7a545114b72cae1d4c8a335fee976463d20b213e44c1",
             want.bytes, DIGEST_SIZE);
    ck_assert_bytes_eq(id.bytes, want.bytes, DIGEST_SIZE);
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("manifest");
    TCase *tc = tcase_create("manifest");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_manifest_round_trip);
    tcase_add_test(tc, test_manifest_round_trip_smallest);
    tcase_add_test(tc, test_manifest_round_trip_largest);
    tcase_add_test(tc, test_manifest_encode_full);
    tcase_add_test_raise_signal(tc, test_manifest_encode_asserts, SIGABRT);
    tcase_add_test(tc, test_manifest_truncated_or_longer);
    tcase_add_test(tc, test_manifest_any_byte_changed);
    tcase_add_test(tc, test_manifest_versions_and_suites);
    tcase_add_test(tc, test_manifest_labels);
    tcase_add_test(tc, test_manifest_code_bounds);
    tcase_add_test(tc, test_manifest_more_than_fits);
    tcase_add_test(tc, test_manifest_counts);
    tcase_add_test(tc, test_manifest_segments);
    tcase_add_test(tc, test_manifest_shard_size);
    tcase_add_test(tc, test_manifest_huge);
    tcase_add_test(tc, test_manifest_stewards);
    tcase_add_test(tc, test_manifest_offline);
    tcase_add_test(tc, test_manifest_commitments);
    tcase_add_test(tc, test_manifest_policies);
    tcase_add_test(tc, test_manifest_of_another_deposit);
    tcase_add_test(tc, test_manifest_deposit_id);
    suite_add_tcase(s, tc);
    return s;
}
