#include "tests/custodian_world.h"

/* Releases of the custodian in replication/custodian/custodian.h: what it
 * decides, and to whom an envelope goes. */

static struct buffer decision;

static void start(void)
{
    world_start();
    deal();
    request_make();
}

/* Have the request decided by T stewards. */
static void decide(void)
{
    release_ask_by(T);
    granted(CUSTODY_DECIDED);
    memcpy(decision.bytes, answer.u.decision.data, answer.u.decision.size);
    decision.size = answer.u.decision.size;
}

/* --- Decisions ----------------------------------------------------------- */

static void decision_check(struct release_decision *d)
{
    struct digest id;

    ck_assert_int_eq(
        release_decision_verify(d, buffer_slice(&decision), members[ME].d.pk),
        OK);
    release_id(&id, buffer_slice(&request_bytes));
    ck_assert(digest_equal(&d->net, &net));
    ck_assert(digest_equal(&d->release_id, &id));
    ck_assert(digest_equal(&d->manifest_hash, &manifest_hash));
    ck_assert(digest_equal(&d->custodian, &members[ME].card.id));
    ck_assert_uint_eq(d->share_index, ME + 1);
    ck_assert_uint_eq(d->share_epoch, manifest.share_epoch);
    ck_assert_uint_eq(d->time_s, wall_s);
}

/* Open the envelope in |answer| as the recipient does; is it the share? */
static void envelope_check(const struct release_decision *d)
{
    struct hpke_psk psk;
    struct digest secret, info, hash;
    struct vss_share got = {.index = d->share_index};
    uint8_t plain[2 * SCALAR_SIZE];

    sha256(answer.u.handed, &hash);
    ck_assert(digest_equal(&hash, &d->envelope_hash));
    release_psk(&secret, net_psk, &d->release_id);
    psk = (struct hpke_psk){.psk = digest_slice(&secret),
                            .id = digest_slice(&d->release_id)};
    release_envelope_info(&info, &net, &d->release_id, d->share_index,
                          d->share_epoch);
    ck_assert_int_eq(hpke_open(recipient_sk, digest_slice(&info),
                               slice_of("", 0), NULL, answer.u.handed, plain),
                     ERR_AUTH);
    ck_assert_int_eq(hpke_open(recipient_sk, digest_slice(&info),
                               slice_of("", 0), &psk, answer.u.handed, plain),
                     OK);
    memcpy(got.s.bytes, plain, SCALAR_SIZE);
    memcpy(got.r.bytes, plain + SCALAR_SIZE, SCALAR_SIZE);
    ck_assert_int_eq(vss_share_verify(&got, manifest.commitments, T, STEWARDS),
                     OK);
}

/* Approved: decided, and shown that another holds the decision, handed out;
 * the recipient has the share. */
START_TEST(test_custodian_releases)
{
    struct release_decision d;

    decide();
    decision_check(&d);
    ck_assert_uint_eq(rows_len, 2);
    ck_assert_int_eq(rows[1].key[0], 'R');
    ck_assert_uint_eq(rows[1].key_size, 33);
    ck_assert_mem_eq(rows[1].key + 1, &d.release_id, DIGEST_SIZE);
    envelope_ask(0, 0, buffer_slice(&decision));
    granted(CUSTODY_HANDED);
    envelope_check(&d);
    ck_assert_uint_eq(writes, 2);
}
END_TEST

/* Asked again, by whomever it is approved by now, and after a restart: the
 * same decision and the same envelope. */
START_TEST(test_custodian_releases_alike)
{
    struct buffer first, handed;

    decide();
    first = answer_bytes;
    granted(CUSTODY_DECIDED);
    ck_assert(slice_equal(buffer_slice(&answer_bytes), buffer_slice(&first)));
    envelope_ask(0, 0, buffer_slice(&decision));
    granted(CUSTODY_HANDED);
    handed = answer_bytes;
    boot();
    granted(CUSTODY_HANDED);
    ck_assert(slice_equal(buffer_slice(&answer_bytes), buffer_slice(&handed)));
    envelope_ask(2, 2, buffer_slice(&decision));
    granted(CUSTODY_HANDED);
    ck_assert(slice_equal(buffer_slice(&answer_bytes), buffer_slice(&handed)));
    release_ask_by(STEWARDS);
    wall_s += 1000;
    granted(CUSTODY_DECIDED);
    ck_assert(slice_equal(buffer_slice(&answer_bytes), buffer_slice(&first)));
    ck_assert_uint_eq(writes, 2);
}
END_TEST

/* A decision that did not become durable was never said; the next one stands
 * alone. */
START_TEST(test_custodian_release_crash)
{
    struct release_decision d;

    release_ask_by(T);
    crash = true;
    send_ask();
    crash = false;
    ck_assert_uint_eq(replies, 1); /* To the deal. */
    boot();
    envelope_ask(0, 0, slice_str("what was never said"));
    refused(ERR_NOTFOUND);
    decide();
    decision_check(&d);
    envelope_ask(0, 0, buffer_slice(&decision));
    granted(CUSTODY_HANDED);
    envelope_check(&d);
}
END_TEST

/* --- Approvals ----------------------------------------------------------- */

/* A decision without room on the disk is none: the next is made anew, and is
 * the only one. */
START_TEST(test_custodian_release_unwritten)
{
    static struct buffer first;

    release_ask_by(T);
    unwritten("it is asked again by itself");
    granted(CUSTODY_DECIDED);
    memcpy(first.bytes, answer_bytes.bytes, answer_bytes.size);
    first.size = answer_bytes.size;
    granted(CUSTODY_DECIDED);
    ck_assert(slice_equal(buffer_slice(&answer_bytes), buffer_slice(&first)));
}
END_TEST

/* One fewer than the policy asks for, or none at all. */
START_TEST(test_custodian_too_few)
{
    release_ask();
    refused(ERR_DENIED);
    release_ask_by(T - 1);
    refused(ERR_DENIED);
    ck_assert_ptr_nonnull(
        strstr(answer.u.refused.text, "approvals from 3 stewards"));
    approve(T - 1);
    granted(CUSTODY_DECIDED);
}
END_TEST

/* Often does not mean many: one operator twice, two of one member. */
START_TEST(test_custodian_member_counts_once)
{
    uint8_t sk[crypto_sign_SECRETKEYBYTES];
    struct sshsig_key key;

    release_ask_by(T - 1);
    approve(0);
    refused(ERR_DENIED);
    member_operator(20, 1, &key, sk);
    approve_with(sk, RELEASE_APPROVAL_NAMESPACE);
    refused(ERR_DENIED);
    for (size_t i = ask.u.release.approvals_len; i < CUSTODY_APPROVALS_MAX;
         i++) {
        approve(i % (T - 1));
    }
    refused(ERR_DENIED);
    ask.u.release.approvals_len = CUSTODY_APPROVALS_MAX - 1;
    approve(T - 1);
    granted(CUSTODY_DECIDED);
}
END_TEST

/* Labs and auditors are no stewards. */
START_TEST(test_custodian_votes_by_role)
{
    release_ask_by(T - 1);
    approve(LAB);
    approve(LAB_2);
    approve(AUDITOR);
    refused(ERR_DENIED);
}
END_TEST

/* Where the policy names them, they count, and stewards do not for them. */
START_TEST(test_custodian_policy_of_the_manifest)
{
    /* all of: 2 stewards; any of: 1 auditor, 2 labs */
    static const uint8_t policy[] = {
        0x93, 2, 0x93, 1,         2, POLICY_STEWARD,
        0x93, 3, 0x93, 1,         1, POLICY_AUDITOR,
        0x93, 1, 2,    POLICY_LAB};

    rng_bytes(&rng, &manifest.random, DIGEST_SIZE);
    policy_set(slice_of(policy, sizeof(policy)));
    deal();
    request_make();
    release_ask_by(STEWARDS);
    refused(ERR_DENIED);
    approve(LAB);
    refused(ERR_DENIED);
    release_ask_by(1);
    approve(LAB);
    approve(LAB_2);
    refused(ERR_DENIED);
    approve(3);
    granted(CUSTODY_DECIDED);
    rng_bytes(&rng, request.nonce, sizeof(request.nonce));
    release_ask_by(2);
    approve(AUDITOR);
    granted(CUSTODY_DECIDED);
}
END_TEST

/* One bad approval spoils them all: no operator of the charter. */
START_TEST(test_custodian_approval_by_a_stranger)
{
    uint8_t sk[crypto_sign_SECRETKEYBYTES];
    struct sshsig_key key;

    release_ask_by(T);
    member_operator(20, 2, &key, sk);
    approve_with(sk, RELEASE_APPROVAL_NAMESPACE);
    refused(ERR_DENIED);
    ck_assert_ptr_nonnull(strstr(answer.u.refused.text, "approval 4 "));
}
END_TEST

/* Signed for another purpose, damaged, or no signature at all. */
START_TEST(test_custodian_approval_is_bad)
{
    release_ask_by(T - 1);
    approve_with(members[T].operator_sk, CHARTER_NAMESPACE);
    refused(ERR_AUTH);
    release_ask_by(T);
    sigs[T - 1][ask.u.release.approvals[T - 1].size - 1] ^= 1;
    refused(ERR_AUTH);
    release_ask_by(T);
    ask.u.release.approvals[0] = slice_str("approved");
    refused(ERR_BAD);
}
END_TEST

/* What was approved is this request; nothing in it can be swapped after. */
START_TEST(test_custodian_approvals_for_another_request)
{
    struct release_request good = request;
    uint8_t sk[HPKE_KEY_SIZE], pk[HPKE_KEY_SIZE];
    struct custody approved;

    release_ask_by(T);
    approved = ask;
    rng_bytes(&rng, request.nonce, sizeof(request.nonce));
    release_ask();
    ask.u.release.approvals_len = T;
    memcpy(ask.u.release.approvals, approved.u.release.approvals,
           sizeof(approved.u.release.approvals));
    refused(ERR_AUTH);

    /* The recipient's key. */
    request = good;
    hpke_keypair(&rng, sk, pk);
    memcpy(request.hpke_pk, pk, sizeof(pk));
    approved = ask;
    release_ask();
    approved.u.release.request = ask.u.release.request;
    ask = approved;
    refused(ERR_AUTH);

    /* A later end. */
    request = good;
    request.not_after_s += 1;
    release_ask();
    ask = approved;
    ask.u.release.request = buffer_slice(&request_bytes);
    refused(ERR_AUTH);

    request = good;
    release_ask();
    ask = approved;
    ask.u.release.request = buffer_slice(&request_bytes);
    granted(CUSTODY_DECIDED);

    /* Once used, they serve no second request either. */
    request.nonce[0] ^= 1;
    release_ask();
    ask = approved;
    ask.u.release.request = buffer_slice(&request_bytes);
    refused(ERR_AUTH);
}
END_TEST

/* --- Requests ------------------------------------------------------------ */

/* It must be about the deposit in custody, in every word. */
START_TEST(test_custodian_request_fields)
{
    const struct release_request good = request;

    request.net.bytes[0] ^= 1;
    release_ask_by(T);
    refused(ERR_MISMATCH);
    request = good;
    request.charter_hash.bytes[0] ^= 1;
    release_ask_by(T);
    refused(ERR_MISMATCH);
    request = good;
    request.deposit_id.bytes[0] ^= 1;
    release_ask_by(T);
    refused(ERR_NOTFOUND);
    request = good;
    request.share_epoch++;
    release_ask_by(T);
    refused(ERR_NOTFOUND);
    request = good;
    request.manifest_hash.bytes[0] ^= 1;
    release_ask_by(T);
    refused(ERR_MISMATCH);
    request = good;
    memcpy(request.label, "Models", 7);
    release_ask_by(T);
    refused(ERR_MISMATCH);
    request = good;
    release_ask_by(T);
    ask.u.release.request.size--;
    refused(ERR_BAD);
    request = good;
    release_ask_by(T);
    granted(CUSTODY_DECIDED);
}
END_TEST

/* Approved under a charter that is not the pinned one: an older one of the
 * same members, or one of this network that we do not know. */
START_TEST(test_custodian_request_of_another_charter)
{
    static uint8_t bytes[CHARTER_SIZE_MAX];
    struct charter *other = calloc(1, sizeof(*other));

    ck_assert_ptr_nonnull(other);
    charter_make(other, TIME - 3000 * DAY, bytes);
    request.charter_hash = other->hash;
    release_ask_by(T);
    refused(ERR_MISMATCH);
    /* And the other way round: the custodian has moved on. */
    config.charter = other;
    boot();
    request.charter_hash = charter->hash;
    release_ask_by(T);
    refused(ERR_MISMATCH);
    custodian_free(machine);
    machine = NULL;
    free(other);
}
END_TEST

/* Until its end and a day, and not before its time less a day. */
START_TEST(test_custodian_request_times)
{
    wall_s = request.time_s - DAY - 1;
    boot();
    release_ask_by(T);
    refused(ERR_ORDER);
    wall_s++;
    granted(CUSTODY_DECIDED);
    wall_s = request.not_after_s + DAY;
    rng_bytes(&rng, request.nonce, sizeof(request.nonce));
    release_ask_by(T);
    granted(CUSTODY_DECIDED);
    wall_s++;
    rng_bytes(&rng, request.nonce, sizeof(request.nonce));
    release_ask_by(T);
    refused(ERR_ORDER);
}
END_TEST

/* A clock that is set back does not bring an expired request to life. */
START_TEST(test_custodian_clock_set_back)
{
    struct core_event ev = {.type = EV_WAKE};

    wall_s = request.not_after_s + DAY + 1;
    step(&ev);
    wall_s = request.time_s;
    release_ask_by(T);
    refused(ERR_ORDER);
}
END_TEST

/* Nor does it after a restart, if something later was signed. */
START_TEST(test_custodian_clock_set_back_at_restart)
{
    const struct release_request good = request;

    request.not_after_s += 60 * DAY;
    wall_s = request.not_after_s;
    decide();
    wall_s = good.time_s;
    boot();
    request = good;
    release_ask_by(T);
    refused(ERR_ORDER);
}
END_TEST

/* Without the share there is nothing to decide. */
START_TEST(test_custodian_release_without_share)
{
    rows_len = 0;
    release_ask_by(T);
    refused(ERR_NOTFOUND);
}
END_TEST

/* Where in the first row these bytes are. */
static size_t row_at(struct slice bytes)
{
    size_t at = 0;

    while (memcmp(rows[0].value + at, bytes.data, bytes.size) != 0) {
        at++;
        ck_assert_uint_le(at + bytes.size, rows[0].value_size);
    }
    return at;
}

/* A share or a decision that cannot be read is not gone: it is not replaced,
 * and nothing is made of what is left of it. */
START_TEST(test_custodian_broken_rows)
{
    struct feed_entry e;
    struct row good;
    size_t at;

    release_ask_by(T);
    good = rows[0];
    at = row_at(slice_of(share.s.bytes, SCALAR_SIZE));
    for (size_t i = 0; i < CUSTODIAN_PLAIN_SIZE; i++) {
        rows[0].value[at + i] ^= 1;
        refused(ERR_IO);
        rows[0] = good;
    }
    ck_assert_int_eq(feed_entry_decode(&e, buffer_slice(&entry)), OK);
    at = row_at(e.payload);
    for (size_t i = 0; i < e.payload.size; i += 7) {
        rows[0].value[at + i] ^= 1;
        refused(ERR_IO);
        rows[0] = good;
    }
    rows[0].value_size--;
    refused(ERR_IO);
    rows[0] = good;

    decide();
    envelope_ask(0, 0, buffer_slice(&decision));
    good = rows[1];
    for (size_t i = 0; i < good.value_size; i += 11) {
        rows[1].value[i] ^= 1;
        refused(ERR_IO);
        rows[1] = good;
    }
    rows[1].value[7] ^= 1;
    release_ask_by(T);
    refused(ERR_IO);
    rows[1] = good;
    granted(CUSTODY_DECIDED);
}
END_TEST

/* --- Envelopes ----------------------------------------------------------- */

/* Not without the word of another steward's node. */
START_TEST(test_custodian_envelope_holder)
{
    decide();
    envelope_ask(ME, ME, buffer_slice(&decision));
    refused(ERR_DENIED);
    envelope_ask(LAB, LAB, buffer_slice(&decision));
    refused(ERR_DENIED);
    envelope_ask(AUDITOR, AUDITOR, buffer_slice(&decision));
    refused(ERR_DENIED);
    /* Another's word that we have signed, or a lab has. */
    envelope_ask(0, ME, buffer_slice(&decision));
    refused(ERR_AUTH);
    envelope_ask(0, LAB, buffer_slice(&decision));
    refused(ERR_AUTH);
    envelope_ask(0, 0, buffer_slice(&decision));
    ask.u.envelope.holding = slice_str("I hold it");
    refused(ERR_BAD);
    envelope_ask(0, 0, buffer_slice(&decision));
    granted(CUSTODY_HANDED);
}
END_TEST

/* A holding of something else. */
START_TEST(test_custodian_envelope_of_another_decision)
{
    struct buffer first;

    decide();
    first = decision;
    request.nonce[0] ^= 1;
    decide();
    envelope_ask(0, 0, buffer_slice(&first));
    refused(ERR_MISMATCH);
    decision.bytes[decision.size - 1] ^= 1;
    envelope_ask(0, 0, buffer_slice(&decision));
    refused(ERR_MISMATCH);
    decision.bytes[decision.size - 1] ^= 1;
    /* A release that was never decided. */
    request.nonce[0] ^= 3;
    release_ask();
    envelope_ask(0, 0, buffer_slice(&decision));
    refused(ERR_NOTFOUND);
}
END_TEST

/* An entry of another kind or network, or with another payload. */
START_TEST(test_custodian_envelope_entry)
{
    const struct digest elsewhere = {.bytes = {1}};
    uint8_t payload[RELEASE_PAYLOAD_MAX];
    struct buffer b;
    struct digest hash;
    size_t size = 0;

    decide();
    envelope_ask(0, 0, buffer_slice(&decision));
    release_decision_hash(&hash, buffer_slice(&decision));
    ck_assert_int_eq(
        release_holding_encode(&hash, payload, sizeof(payload), &size), OK);
    entry_put(&b, &net, &members[0].card.id, &members[0].node, FEED_RECEIPT,
              slice_of(payload, size));
    ask.u.envelope.holding = buffer_slice(&b);
    refused(ERR_BAD);
    entry_put(&b, &elsewhere, &members[0].card.id, &members[0].node,
              FEED_HOLDING, slice_of(payload, size));
    ask.u.envelope.holding = buffer_slice(&b);
    refused(ERR_MISMATCH);
    entry_put(&b, &net, &members[0].card.id, &members[0].node, FEED_HOLDING,
              slice_of(payload, size - 1));
    ask.u.envelope.holding = buffer_slice(&b);
    refused(ERR_BAD);
}
END_TEST

/* When the request is over nothing leaves any more. */
START_TEST(test_custodian_envelope_expired)
{
    decide();
    envelope_ask(0, 0, buffer_slice(&decision));
    wall_s = request.not_after_s + DAY + 1;
    refused(ERR_ORDER);
    wall_s = request.time_s;
    refused(ERR_ORDER);
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("custodian_release");
    TCase *tc = tcase_create("release");

    tcase_add_checked_fixture(tc, start, world_stop);
    tcase_add_test(tc, test_custodian_releases);
    tcase_add_test(tc, test_custodian_releases_alike);
    tcase_add_test(tc, test_custodian_release_crash);
    tcase_add_test(tc, test_custodian_release_unwritten);
    tcase_add_test(tc, test_custodian_too_few);
    tcase_add_test(tc, test_custodian_member_counts_once);
    tcase_add_test(tc, test_custodian_votes_by_role);
    tcase_add_test(tc, test_custodian_policy_of_the_manifest);
    tcase_add_test(tc, test_custodian_approval_by_a_stranger);
    tcase_add_test(tc, test_custodian_approval_is_bad);
    tcase_add_test(tc, test_custodian_approvals_for_another_request);
    tcase_add_test(tc, test_custodian_request_fields);
    tcase_add_test(tc, test_custodian_request_of_another_charter);
    tcase_add_test(tc, test_custodian_request_times);
    tcase_add_test(tc, test_custodian_clock_set_back);
    tcase_add_test(tc, test_custodian_clock_set_back_at_restart);
    tcase_add_test(tc, test_custodian_release_without_share);
    tcase_add_test(tc, test_custodian_broken_rows);
    suite_add_tcase(s, tc);
    tc = tcase_create("envelope");
    tcase_add_checked_fixture(tc, start, world_stop);
    tcase_add_test(tc, test_custodian_envelope_holder);
    tcase_add_test(tc, test_custodian_envelope_of_another_decision);
    tcase_add_test(tc, test_custodian_envelope_entry);
    tcase_add_test(tc, test_custodian_envelope_expired);
    suite_add_tcase(s, tc);
    return s;
}
