#include "replication/keys.h"
#include "tests/suite.h"

static struct digest digest_of(uint8_t byte)
{
    struct digest d;

    memset(d.bytes, byte, DIGEST_SIZE);
    return d;
}

static int key_order(const struct key *a, const struct key *b)
{
    size_t size = a->size < b->size ? a->size : b->size;
    int order = memcmp(a->bytes, b->bytes, size);

    return order != 0 ? order : (int)a->size - (int)b->size;
}

/* Every byte of a key has its documented place. */
START_TEST(test_keys_are_as_documented)
{
    struct digest d = digest_of(0xab), got;
    struct key k = key_entry(&d, 0x01020304, 0x05060708090a0b0cU);
    const uint8_t tail[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    uint16_t index = 0;

    ck_assert_uint_eq(k.size, 45);
    ck_assert_int_eq(k.bytes[0], 'F');
    ck_assert_bytes_eq(k.bytes + 1, d.bytes, DIGEST_SIZE);
    ck_assert_bytes_eq(k.bytes + 33, tail, sizeof(tail));
    k = key_fork(&d, 0x01020304, 0x05060708090a0b0cU);
    ck_assert_int_eq(k.bytes[0], 'X');
    ck_assert_bytes_eq(k.bytes + 33, tail, sizeof(tail));
    k = key_tip(&d, 0x01020304);
    ck_assert_uint_eq(k.size, 37);
    ck_assert_int_eq(k.bytes[0], 'T');
    ck_assert_bytes_eq(k.bytes + 33, tail, 4);
    k = key_shard(&d, 0x0102);
    ck_assert_uint_eq(k.size, 35);
    ck_assert_int_eq(k.bytes[0], 'D');
    ck_assert_bytes_eq(k.bytes + 33, tail, 2);
    k = key_progress(&d, 0x0102);
    ck_assert_int_eq(k.bytes[0], 'P');
    ck_assert_uint_eq(k.size, 35);
    k = key_waiting(&d, 0x0102);
    ck_assert_int_eq(k.bytes[0], 'U');
    ck_assert_bytes_eq(k.bytes + 33, tail, 2);
    ck_assert_int_eq(key_waiting_parse(key_slice(&k), &got, &index), OK);
    ck_assert(digest_equal(&got, &d) && index == 0x0102);
    ck_assert_int_eq(key_shard_parse(key_slice(&k), &got, &index), ERR_BAD);
    k = key_manifest(&d);
    ck_assert_uint_eq(k.size, 33);
    ck_assert_int_eq(k.bytes[0], 'M');
}
END_TEST

/* The rows of releases, too, each kind by itself. */
START_TEST(test_keys_of_releases)
{
    struct digest d = digest_of(0xab), m = digest_of(0xcd), got_d, got_m;
    const struct key whole[] = {key_acknowledged(&d), key_release(&d),
                                key_request(&d),      key_holding(&d),
                                key_envelope(&d),     key_approvals(&d),
                                key_decisions(&d)};
    struct key k = key_approval(&d, &m);

    for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++) {
        ck_assert_uint_eq(whole[i].size, 33);
        ck_assert_int_eq(whole[i].bytes[0], "ARQHEVC"[i]);
        ck_assert_bytes_eq(whole[i].bytes + 1, d.bytes, DIGEST_SIZE);
    }
    ck_assert_uint_eq(k.size, 65);
    ck_assert_bytes_eq(k.bytes, whole[5].bytes, 33);
    ck_assert_bytes_eq(k.bytes + 33, m.bytes, DIGEST_SIZE);
    ck_assert_int_eq(
        key_vote_parse(key_slice(&k), KEY_APPROVAL, &got_d, &got_m), OK);
    ck_assert(digest_equal(&got_d, &d) && digest_equal(&got_m, &m));
    ck_assert_int_eq(
        key_vote_parse(key_slice(&k), KEY_DECISION, &got_d, &got_m), ERR_BAD);
    k.size--;
    ck_assert_int_eq(
        key_vote_parse(key_slice(&k), KEY_APPROVAL, &got_d, &got_m), ERR_BAD);
    k = key_decision(&d, &m);
    ck_assert_bytes_eq(k.bytes, whole[6].bytes, 33);
    ck_assert_int_eq(
        key_vote_parse(key_slice(&k), KEY_DECISION, &got_d, &got_m), OK);
    ck_assert_int_eq(key_release_parse(key_slice(&whole[1]), &got_d), OK);
    ck_assert_int_eq(key_release_parse(key_slice(&whole[0]), &got_d), ERR_BAD);
    ck_assert_int_eq(key_acknowledged_parse(key_slice(&whole[0]), &got_d), OK);
    ck_assert_int_eq(key_acknowledged_parse(key_slice(&k), &got_d), ERR_BAD);
}
END_TEST

/* Entries of a feed lie together and in order, whatever their numbers. */
START_TEST(test_keys_sort_as_numbers)
{
    const uint64_t seqs[] = {0, 1, 255, 256, 65535, 65536, UINT64_MAX};
    struct digest d = digest_of(7);

    for (size_t i = 0; i + 1 < sizeof(seqs) / sizeof(seqs[0]); i++) {
        struct key a = key_entry(&d, 3, seqs[i]);
        struct key b = key_entry(&d, 3, seqs[i + 1]);
        struct key c = key_entry(&d, 256, 0);

        ck_assert_int_lt(key_order(&a, &b), 0);
        ck_assert_int_lt(key_order(&b, &c), 0);
    }
}
END_TEST

/* A prefix has its feed's entries and no other's. */
START_TEST(test_keys_prefixes)
{
    struct digest d = digest_of(7);
    struct key all = key_entries(&d, 3);
    struct key e = key_entry(&d, 3, 511), other = key_entry(&d, 4, 511);
    struct key one = key_entries_near(&d, 3, 511, 511);
    struct key near = key_entries_near(&d, 3, 300, 511);
    struct key far = key_entries_near(&d, 3, 255, 511);

    ck_assert_bytes_eq(e.bytes, all.bytes, all.size);
    ck_assert(memcmp(other.bytes, all.bytes, all.size) != 0);
    ck_assert_uint_eq(one.size, e.size);
    ck_assert_bytes_eq(e.bytes, near.bytes, near.size);
    ck_assert(memcmp(e.bytes, far.bytes, far.size) != 0);
    e = key_entry(&d, 3, 255);
    ck_assert_bytes_eq(e.bytes, far.bytes, far.size);
}
END_TEST

/* What was put together comes apart the same. */
START_TEST(test_keys_parse)
{
    struct digest d = digest_of(9), got;
    uint32_t incarnation;
    uint64_t seq;
    uint16_t index;
    struct key k = key_entry(&d, 0xfffffffe, 0x8000000000000001U);

    ck_assert_int_eq(key_entry_parse(key_slice(&k), &got, &incarnation, &seq),
                     OK);
    ck_assert(digest_equal(&got, &d));
    ck_assert_uint_eq(incarnation, 0xfffffffe);
    ck_assert_uint_eq(seq, 0x8000000000000001U);
    k = key_tip(&d, 258);
    ck_assert_int_eq(key_tip_parse(key_slice(&k), &got, &incarnation), OK);
    ck_assert_uint_eq(incarnation, 258);
    k = key_shard(&d, 0xfffe);
    ck_assert_int_eq(key_shard_parse(key_slice(&k), &got, &index), OK);
    ck_assert_uint_eq(index, 0xfffe);
    memset(&got, 0, sizeof(got));
    k = key_manifest(&d);
    ck_assert_int_eq(key_manifest_parse(key_slice(&k), &got), OK);
    ck_assert(digest_equal(&got, &d));
}
END_TEST

/* A key of another kind or length is refused, and nothing is written. */
START_TEST(test_keys_refuse_others)
{
    struct digest d = digest_of(9), got = digest_of(1);
    uint32_t incarnation = 77;
    uint64_t seq = 77;
    uint16_t index = 77;
    struct key e = key_entry(&d, 1, 2), f = key_fork(&d, 1, 2);
    struct key t = key_tip(&d, 1), s = key_shard(&d, 1);
    struct key p = key_progress(&d, 1), m = key_manifest(&d);

    ck_assert_int_eq(key_entry_parse(key_slice(&f), &got, &incarnation, &seq),
                     ERR_BAD);
    ck_assert_int_eq(key_entry_parse(slice_of(e.bytes, e.size - 1), &got,
                                     &incarnation, &seq),
                     ERR_BAD);
    ck_assert_int_eq(key_entry_parse(slice_of(e.bytes, e.size + 1), &got,
                                     &incarnation, &seq),
                     ERR_BAD);
    ck_assert_int_eq(
        key_entry_parse(slice_of(NULL, 0), &got, &incarnation, &seq), ERR_BAD);
    ck_assert_int_eq(key_tip_parse(key_slice(&e), &got, &incarnation), ERR_BAD);
    ck_assert_int_eq(
        key_tip_parse(slice_of(t.bytes, t.size - 1), &got, &incarnation),
        ERR_BAD);
    ck_assert_int_eq(key_shard_parse(key_slice(&p), &got, &index), ERR_BAD);
    ck_assert_int_eq(
        key_shard_parse(slice_of(s.bytes, s.size - 1), &got, &index), ERR_BAD);
    ck_assert_int_eq(key_manifest_parse(key_slice(&t), &got), ERR_BAD);
    ck_assert_int_eq(key_manifest_parse(slice_of(m.bytes, m.size - 1), &got),
                     ERR_BAD);
    ck_assert_int_eq(got.bytes[0], 1);
    ck_assert_uint_eq(incarnation, 77);
    ck_assert_uint_eq(seq, 77);
    ck_assert_uint_eq(index, 77);
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("keys");
    TCase *tc = tcase_create("keys");

    tcase_add_test(tc, test_keys_are_as_documented);
    tcase_add_test(tc, test_keys_of_releases);
    tcase_add_test(tc, test_keys_sort_as_numbers);
    tcase_add_test(tc, test_keys_prefixes);
    tcase_add_test(tc, test_keys_parse);
    tcase_add_test(tc, test_keys_refuse_others);
    suite_add_tcase(s, tc);
    return s;
}
