#include "tests/custodian_world.h"

/* The custodian of replication/custodian/custodian.h: who it is, what it takes
 * into custody, and its queue. Releases are in test_custodian_release.c. */

/* --- Itself -------------------------------------------------------------- */

/* Keys of no steward, a foreign secret: there is no machine. */
START_TEST(test_custodian_wants_its_own_keys)
{
    struct custodian *c = NULL;

    config.sign = members[ME + 1].d;
    ck_assert_int_eq(custodian_new(&c, &config), ERR_DENIED);
    config.sign = members[LAB].d;
    ck_assert_int_eq(custodian_new(&c, &config), ERR_DENIED);
    config.sign = members[ME].d;
    config.hpke_sk[3] ^= 1;
    ck_assert_int_eq(custodian_new(&c, &config), ERR_DENIED);
    config.hpke_sk[3] ^= 1;
    config.net_psk[31] ^= 1;
    ck_assert_int_eq(custodian_new(&c, &config), ERR_MISMATCH);
    config.net_psk[31] ^= 1;
    ck_assert_ptr_null(c);
    ck_assert_int_eq(custodian_new(&c, &config), OK);
    custodian_free(c);
    custodian_free(NULL);
}
END_TEST

static void hello_ask(void)
{
    ask = (struct custody){
        .type = CUSTODY_HELLO,
        .u.hello = {.net = net, .charter_hash = charter->hash}};
}

/* It says whose it is, and how much it holds. */
START_TEST(test_custodian_hello)
{
    config.shares = 7;
    config.decisions = 9;
    boot();
    deal();
    hello_ask();
    granted(CUSTODY_SELF);
    ck_assert(digest_equal(&answer.u.self.net, &net));
    ck_assert(digest_equal(&answer.u.self.charter_hash, &charter->hash));
    ck_assert(digest_equal(&answer.u.self.steward, &members[ME].card.id));
    ck_assert_uint_eq(answer.u.self.shares, 8);
    ck_assert_uint_eq(answer.u.self.decisions, 9);
}
END_TEST

/* A node of another network or charter is sent away. */
START_TEST(test_custodian_hello_elsewhere)
{
    hello_ask();
    ask.u.hello.net.bytes[0] ^= 1;
    refused(ERR_MISMATCH);
    hello_ask();
    ask.u.hello.charter_hash.bytes[31] ^= 1;
    refused(ERR_MISMATCH);
}
END_TEST

/* --- The queue ----------------------------------------------------------- */

/* Asked before the rows came: answered after. */
START_TEST(test_custodian_waits_for_its_start)
{
    struct core_event ev = {.type = EV_START, .status = 0};

    custodian_free(machine);
    ck_assert_int_eq(custodian_new(&machine, &config), OK);
    hello_ask();
    send_ask();
    step(&ev);
    ck_assert_uint_eq(replies, 0);
    ev.status = 1;
    step(&ev);
    ck_assert_uint_eq(replies, 1);
    ck_assert_int_eq(answer.type, CUSTODY_SELF);
}
END_TEST

/* While one waits for its row the others wait, in order, and too many are
 * sent away. */
START_TEST(test_custodian_queue)
{
    struct core_event ev = {.type = EV_ROWS, .status = 0};

    read_status = 0; /* More pages, which do not come yet. */
    deal_ask();
    send_ask();
    hello_ask();
    for (unsigned i = 1; i < CUSTODIAN_QUEUE_MAX; i++) {
        send_ask();
    }
    ck_assert_uint_eq(replies, 0);
    refused(ERR_BUSY);
    ck_assert_uint_eq(replies, 1);

    /* Pages that were not asked for, or have nothing. */
    ev.id = machine->read_id + 1;
    ev.status = 1;
    step(&ev);
    ev.id = machine->read_id;
    ev.status = 0;
    step(&ev);
    ck_assert_uint_eq(replies, 1);
    ev.status = 1;
    step(&ev);
    ck_assert_uint_eq(replies, 1 + CUSTODIAN_QUEUE_MAX);
    ck_assert_uint_eq(reply_id, CUSTODIAN_QUEUE_MAX);
    ck_assert_int_eq(answer.type, CUSTODY_SELF);
    ck_assert_uint_eq(answer.u.self.shares, 1);
    read_status = 1;
    hello_ask();
    granted(CUSTODY_SELF);
}
END_TEST

/* A store that cannot be read is a reason to refuse, and no more. */
START_TEST(test_custodian_store_fails)
{
    read_status = ERR_IO;
    deal_ask();
    refused(ERR_IO);
    read_status = 1;
    granted(CUSTODY_ACK);
}
END_TEST

/* What is no request is refused, and the next one is heard. */
START_TEST(test_custodian_no_request)
{
    static const uint8_t junk[CUSTODY_SIZE_MAX + 1] = {0xc1};

    send(slice_of(junk, 1));
    ck_assert_int_eq(answer.type, CUSTODY_REFUSED);
    ck_assert_int_eq(answer.u.refused.status, ERR_BAD);
    send(slice_of(junk, 0));
    ck_assert_int_eq(answer.u.refused.status, ERR_BAD);
    send(slice_of(junk, sizeof(junk)));
    ck_assert_int_eq(answer.u.refused.status, ERR_BAD);
    send(slice_of("\x91\x05", 2));
    ck_assert_int_eq(answer.u.refused.status, ERR_UNSUPPORTED);
    ask = (struct custody){.type = CUSTODY_ACK, .u.ack = slice_str("ack")};
    refused(ERR_BAD);
    hello_ask();
    granted(CUSTODY_SELF);
    ck_assert_uint_eq(replies, 6);
}
END_TEST

/* --- Deals --------------------------------------------------------------- */

static void ack_check(void)
{
    struct release_acknowledgement a;

    ck_assert_int_eq(release_acknowledgement_verify(&a, answer.u.ack,
                                                    members[ME].d.pk,
                                                    &manifest_hash, &manifest),
                     OK);
    ck_assert_uint_eq(a.share_index, ME + 1);
}

/* A dealt share is acknowledged so that anyone can check it. */
START_TEST(test_custodian_acknowledges)
{
    deal_ask();
    granted(CUSTODY_ACK);
    ack_check();
    ck_assert_uint_eq(rows_len, 1);
    ck_assert_uint_eq(rows[0].key_size, 41);
    ck_assert_int_eq(rows[0].key[0], 'S');
    ck_assert_mem_eq(rows[0].key + 1, &manifest.deposit_id, DIGEST_SIZE);
}
END_TEST

/* Dealt again, in another envelope, also after a restart: the same bytes. */
START_TEST(test_custodian_acknowledges_alike)
{
    struct buffer first;

    deal_ask();
    granted(CUSTODY_ACK);
    first = answer_bytes;
    share_seal(ME, ME + 1);
    granted(CUSTODY_ACK);
    ck_assert(slice_equal(buffer_slice(&answer_bytes), buffer_slice(&first)));
    boot();
    granted(CUSTODY_ACK);
    ck_assert(slice_equal(buffer_slice(&answer_bytes), buffer_slice(&first)));
    ck_assert_uint_eq(writes, 1);
}
END_TEST

/* What did not become durable was never said, and is made anew. */
START_TEST(test_custodian_deal_crash)
{
    deal_ask();
    crash = true;
    send_ask();
    crash = false;
    ck_assert_uint_eq(replies, 0);
    boot();
    granted(CUSTODY_ACK);
    ack_check();
}
END_TEST

/* A share without room on the disk is refused and not counted; when there is
 * room, it is taken. */
START_TEST(test_custodian_deal_unwritten)
{
    deal_ask();
    unwritten("make room, then deal again");
    unwritten("make room, then deal again");
    hello_ask();
    granted(CUSTODY_SELF);
    ck_assert_uint_eq(answer.u.self.shares, 0);
    deal_ask();
    granted(CUSTODY_ACK);
    hello_ask();
    granted(CUSTODY_SELF);
    ck_assert_uint_eq(answer.u.self.shares, 1);
}
END_TEST

/* Only a lab of the charter deals, under its own name. */
START_TEST(test_custodian_deal_author)
{
    static const size_t by[][2] = {
        {LAB, LAB_2}, {LAB, ME}, {LAB, AUDITOR},     {LAB_2, LAB},
        {ME, ME},     {0, 0},    {AUDITOR, AUDITOR},
    };
    struct digest id = members[LAB].card.id;

    for (size_t i = 0; i < sizeof(by) / sizeof(by[0]); i++) {
        manifest_sign(by[i][0], by[i][1]);
        deal_ask();
        refused(by[i][0] == LAB || by[i][0] == LAB_2 ? ERR_AUTH : ERR_DENIED);
    }
    /* A stranger, whose key is its id. */
    memcpy(members[LAB].card.id.bytes, members[ME].d.pk, DIGEST_SIZE);
    members[LAB].node = members[ME].d;
    manifest_sign(LAB, LAB);
    deal_ask();
    refused(ERR_DENIED);
    members[LAB].card.id = id;

    manifest_sign(LAB_2, LAB_2);
    share_seal(ME, ME + 1);
    deal_ask();
    granted(CUSTODY_ACK);
}
END_TEST

/* Every bit of the entry is signed for. */
START_TEST(test_custodian_deal_damaged)
{
    deal_ask();
    for (size_t i = 0; i < entry.size; i += 7) {
        entry.bytes[i] ^= 0x10;
        send_ask();
        ck_assert_int_eq(answer.type, CUSTODY_REFUSED);
        entry.bytes[i] ^= 0x10;
    }
    ck_assert_uint_eq(writes, 0);
    granted(CUSTODY_ACK);
}
END_TEST

/* An entry of another kind or network, or that is no manifest. */
START_TEST(test_custodian_deal_entry)
{
    const struct digest elsewhere = {.bytes = {1}};
    struct buffer good = entry;
    struct feed_entry e;

    ck_assert_int_eq(feed_entry_decode(&e, buffer_slice(&good)), OK);
    deal_ask();
    entry_put(&entry, &net, &members[LAB].card.id, &members[LAB].node,
              FEED_RECEIPT, e.payload);
    deal_ask();
    refused(ERR_BAD);
    entry_put(&entry, &elsewhere, &members[LAB].card.id, &members[LAB].node,
              FEED_MANIFEST, e.payload);
    deal_ask();
    refused(ERR_MISMATCH);
    entry_put(&entry, &net, &members[LAB].card.id, &members[LAB].node,
              FEED_MANIFEST, slice_str("manifest"));
    deal_ask();
    refused(ERR_BAD);
    /* Without its payload: the header, the signature, nil. */
    entry = good;
    entry.size = (size_t)(e.payload.data - good.bytes);
    while (entry.bytes[entry.size - 1] != 0xc5) {
        entry.size--;
    }
    entry.bytes[entry.size - 1] = 0xc0;
    deal_ask();
    refused(ERR_BAD);
    ck_assert_ptr_nonnull(strstr(answer.u.refused.text, "without its payload"));
    ask.u.deal.manifest = slice_str("entry");
    refused(ERR_BAD);
}
END_TEST

/* A manifest of the lab that promises us something else, or nothing. */
START_TEST(test_custodian_deal_promise)
{
    const struct manifest good = manifest;

    manifest_sign(LAB, LAB);
    deal_ask();
    ask.u.deal.share_index = ME;
    refused(ERR_MISMATCH);
    ask.u.deal.share_index = ME + 2;
    refused(ERR_MISMATCH);
    ask.u.deal.share_index = STEWARDS + 1;
    refused(ERR_MISMATCH);
    deal_ask();
    ask.u.deal.share_epoch = 1;
    refused(ERR_MISMATCH);

    manifest.net.bytes[0] ^= 1;
    manifest_sign(LAB, LAB);
    deal_ask();
    refused(ERR_MISMATCH);
    manifest = good;
    manifest.offline = true;
    memset(&manifest.net, 0, sizeof(manifest.net));
    manifest_sign(LAB, LAB);
    deal_ask();
    refused(ERR_MISMATCH);
    manifest = good;
    manifest.stewards[ME].bytes[0] ^= 1;
    manifest_sign(LAB, LAB);
    deal_ask();
    refused(ERR_MISMATCH);
}
END_TEST

/* No custody of what only the lab could ever have released. */
START_TEST(test_custodian_deal_policy)
{
    static const uint8_t lab_only[] = {0x93, 1, 1, POLICY_LAB};
    static const uint8_t too_many[] = {0x93, 1, STEWARDS + 1, POLICY_STEWARD};
    static const uint8_t all[] = {0x93, 1, STEWARDS, POLICY_STEWARD};

    policy_set(slice_of(lab_only, sizeof(lab_only)));
    manifest_sign(LAB, LAB);
    deal_ask();
    refused(ERR_DENIED);
    policy_set(slice_of(too_many, sizeof(too_many)));
    manifest_sign(LAB, LAB);
    deal_ask();
    refused(ERR_DENIED);
    policy_set(slice_of(all, sizeof(all)));
    deal();
}
END_TEST

/* A share that the commitments do not promise. */
START_TEST(test_custodian_deal_share)
{
    const struct vss_share good = share;

    share.s.bytes[0] ^= 1;
    share_seal(ME, ME + 1);
    deal_ask();
    refused(ERR_AUTH);
    share = good;
    share.r.bytes[0] ^= 1;
    share_seal(ME, ME + 1);
    deal_ask();
    refused(ERR_AUTH);
    vss_deal(&polynomials, ME + 2, &share); /* Another's. */
    share_seal(ME, ME + 1);
    deal_ask();
    refused(ERR_AUTH);
    memset(&share.s, 0xff, sizeof(share.s)); /* Not below q. */
    share_seal(ME, ME + 1);
    deal_ask();
    refused(ERR_BAD);
    share = good;
    deal();
}
END_TEST

/* An envelope to somebody else, for something else, or damaged. */
START_TEST(test_custodian_deal_envelope)
{
    share_seal(ME + 1, ME + 1);
    deal_ask();
    refused(ERR_AUTH);
    share_seal(ME, ME + 2);
    deal_ask();
    refused(ERR_AUTH);
    manifest.share_epoch = 1;
    share_seal(ME, ME + 1);
    manifest.share_epoch = 0;
    deal_ask();
    refused(ERR_AUTH);
    manifest_hash.bytes[0] ^= 1;
    share_seal(ME, ME + 1);
    manifest_hash.bytes[0] ^= 1;
    deal_ask();
    refused(ERR_AUTH);

    share_seal(ME, ME + 1);
    for (size_t i = 0; i < sizeof(envelope); i += 3) {
        envelope[i] ^= 0x40;
        deal_ask();
        send_ask();
        ck_assert_int_eq(answer.type, CUSTODY_REFUSED);
        envelope[i] ^= 0x40;
    }
    ck_assert_uint_eq(writes, 0);
    deal_ask();
    ask.u.deal.envelope.size--;
    refused(ERR_BAD);
    ask.u.deal.envelope = slice_str("e");
    refused(ERR_BAD);
}
END_TEST

/* A manifest stays the one of its deposit; another epoch is another share. */
START_TEST(test_custodian_deal_second_manifest)
{
    struct vss_polynomials other;

    deal();
    /* The same commitments, a weaker policy. */
    ck_assert_int_eq(policy_default(1, manifest.policy, MANIFEST_POLICY_MAX,
                                    &manifest.policy_size),
                     OK);
    manifest_sign(LAB, LAB);
    share_seal(ME, ME + 1);
    deal_ask();
    refused(ERR_EXISTS);
    /* Another dealing. */
    vss_polynomials_init(&other, T, &rng);
    vss_commit(&other, manifest.commitments);
    vss_deal(&other, ME + 1, &share);
    manifest_sign(LAB, LAB);
    share_seal(ME, ME + 1);
    deal_ask();
    refused(ERR_EXISTS);
    ck_assert_uint_eq(rows_len, 1);

    manifest.share_epoch = UINT64_C(0x0102030405060708);
    deal();
    ack_check();
    ck_assert_uint_eq(rows_len, 2);
    ck_assert_mem_eq(rows[1].key + 33, "\1\2\3\4\5\6\7\10", 8);
}
END_TEST

/* A lab that speaks first for the deposit of another leaves no trace, and keeps
 * the true share from nobody. */
START_TEST(test_custodian_deal_of_another_lab)
{
    manifest_sign(LAB, LAB);
    manifest_put(LAB_2, LAB_2);
    share_seal(ME, ME + 1);
    deal_ask();
    refused(ERR_MISMATCH);
    ck_assert_ptr_nonnull(strstr(answer.u.refused.text, "it is another's"));
    ck_assert_uint_eq(rows_len, 0);

    deal();
    ack_check();
    manifest_put(LAB_2, LAB_2);
    share_seal(ME, ME + 1);
    deal_ask();
    refused(ERR_MISMATCH);
    /* Of what it has seen it can make a deposit of its own. */
    manifest_sign(LAB_2, LAB_2);
    share_seal(ME, ME + 1);
    deal_ask();
    granted(CUSTODY_ACK);
    ck_assert_uint_eq(rows_len, 2);
}
END_TEST

/* A row that cannot be read is no reason to write another. */
START_TEST(test_custodian_deal_broken_row)
{
    deal();
    rows[0].value[0] ^= 0xff;
    deal_ask();
    refused(ERR_IO);
    rows[0].value[0] ^= 0xff;
    rows[0].value_size--;
    refused(ERR_IO);
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("custodian");
    TCase *tc = tcase_create("custodian");

    tcase_add_checked_fixture(tc, world_start, world_stop);
    tcase_add_test(tc, test_custodian_wants_its_own_keys);
    tcase_add_test(tc, test_custodian_hello);
    tcase_add_test(tc, test_custodian_hello_elsewhere);
    tcase_add_test(tc, test_custodian_waits_for_its_start);
    tcase_add_test(tc, test_custodian_queue);
    tcase_add_test(tc, test_custodian_store_fails);
    tcase_add_test(tc, test_custodian_no_request);
    suite_add_tcase(s, tc);
    tc = tcase_create("deal");
    tcase_add_checked_fixture(tc, world_start, world_stop);
    tcase_add_test(tc, test_custodian_acknowledges);
    tcase_add_test(tc, test_custodian_acknowledges_alike);
    tcase_add_test(tc, test_custodian_deal_crash);
    tcase_add_test(tc, test_custodian_deal_unwritten);
    tcase_add_test(tc, test_custodian_deal_author);
    tcase_add_test(tc, test_custodian_deal_damaged);
    tcase_add_test(tc, test_custodian_deal_entry);
    tcase_add_test(tc, test_custodian_deal_promise);
    tcase_add_test(tc, test_custodian_deal_policy);
    tcase_add_test(tc, test_custodian_deal_share);
    tcase_add_test(tc, test_custodian_deal_envelope);
    tcase_add_test(tc, test_custodian_deal_second_manifest);
    tcase_add_test(tc, test_custodian_deal_of_another_lab);
    tcase_add_test(tc, test_custodian_deal_broken_row);
    suite_add_tcase(s, tc);
    return s;
}
