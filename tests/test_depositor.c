#include <stdlib.h>

#include "crypto/hpke.h"
#include "protocol/transport_cert.h"
#include "tests/depositor_world.h"

static struct dw w;

static void begin(uint64_t seed)
{
    dw_open(&w, seed);
}

static void end(void)
{
    dw_close(&w);
}

static struct dw_manner *manner(uint16_t i)
{
    return &w.stewards[i].manner;
}

static void run_to(enum depositor_phase phase)
{
    dw_run_to(&w, phase);
    ck_assert_int_eq(depositor_phase(w.d), phase);
}

static void run_done(void)
{
    const char *text;
    enum depositor_phase phase = dw_run(&w);

    (void)depositor_failure(w.d, &text);
    ck_assert_msg(phase == DEPOSITOR_DONE, "%s", text);
    ck_assert_uint_eq(w.bad, 0);
}

/* It fails, with that status, and its words have |text| in them. */
static void run_fails(int status, const char *text)
{
    const char *words;

    ck_assert_int_eq(dw_run(&w), DEPOSITOR_FAILED);
    ck_assert_int_eq(depositor_failure(w.d, &words), status);
    ck_assert_msg(strstr(words, text) != NULL, "\"%s\" is not in \"%s\"", text,
                  words);
}

static struct depositor_column column(uint16_t i)
{
    struct depositor_column c;

    depositor_column(w.d, i, &c);
    return c;
}

/* The certificate holds, with receipts and acknowledgements of those columns
 * at least. */
static void certificate_has(uint64_t receipts, uint64_t acknowledgements)
{
    struct certificate_facts *f = dw_certificate(&w);

    ck_assert_uint_eq(f->receipts & receipts, receipts);
    ck_assert_uint_eq(f->acknowledgements & acknowledgements, acknowledgements);
    ck_assert_uint_eq(f->sealed, f->receipts == 0x7f);
    free(f);
}

/* --- The whole way ------------------------------------------------------- */

/* Seven willing stewards: all receipts, all acknowledgements, nothing filled,
 * one entry in the lab's feed. */
START_TEST(test_depositor_seals_with_all)
{
    begin((uint64_t)_i);
    dw_boot(&w);
    run_done();
    certificate_has(0x7f, 0x7f);
    ck_assert_uint_eq(w.seals, 1);
    ck_assert_uint_eq(w.fills, 0);
    ck_assert_uint_eq(w.verifies, 1);
    ck_assert_uint_eq(w.rows_len, 1);
    for (uint16_t i = 0; i < DW_N; i++) {
        ck_assert_uint_eq(w.stewards[i].final, DW_CELLS_END);
        ck_assert_uint_eq(w.stewards[i].deals, 1);
        ck_assert_uint_eq(w.stewards[i].offers, 1);
        ck_assert(column(i).receipt && column(i).acknowledged &&
                  !column(i).aside);
    }
    ck_assert_uint_lt(w.mono_ms, DW_PATIENCE);
    end();
}
END_TEST

/* Two of seven cannot be reached and are set aside; with k + f receipts asked
 * for, the deposit is made without them. */
START_TEST(test_depositor_goes_on_without_two)
{
    begin((uint64_t)_i);
    w.receipts_min = DW_K + DW_F;
    manner(1)->down = true;
    manner(4)->full = true;
    dw_boot(&w);
    run_done();
    certificate_has(0x7f & ~0x12U, 0x7f & ~0x12U);
    ck_assert(column(1).aside && column(4).aside);
    ck_assert_str_eq(column(4).text, "there is no room");
    ck_assert_uint_ge(w.mono_ms, DW_PATIENCE);
    end();
}
END_TEST

/* The same two are there again before the others' receipts: their columns are
 * filled, and nothing is missing at the end. */
START_TEST(test_depositor_fills_those_that_come_back)
{
    begin((uint64_t)_i);
    manner(1)->down = true;
    manner(4)->full = true;
    dw_boot(&w);
    run_to(DEPOSITOR_SEALING);
    manner(1)->down = false;
    manner(4)->full = false;
    w.mono_ms += DEPOSITOR_REDIAL_MS;
    run_done();
    ck_assert_uint_eq(w.fills, 1);
    certificate_has(0x7f, 0x7f);
    end();
}
END_TEST

/* With three of seven that refuse there is no deposit; the words name them, and
 * nobody is waited for. */
START_TEST(test_depositor_fails_without_three)
{
    begin((uint64_t)_i);
    manner(0)->full = manner(2)->full = manner(6)->full = true;
    dw_boot(&w);
    run_fails(ERR_NOTFOUND, "only 4 of 7 stewards take their shard, and 5");
    run_fails(ERR_NOTFOUND, "ArchiveA: there is no room; ArchiveC: there is");
    run_fails(ERR_NOTFOUND, "ArchiveG: there is no room");
    ck_assert_uint_lt(w.mono_ms, DW_PATIENCE);
    ck_assert_uint_eq(w.seals, 0);
    end();
}
END_TEST

/* Those who are silent, and those who cannot be reached, are waited for. */
START_TEST(test_depositor_waits_for_the_silent)
{
    begin(1);
    manner(0)->silent = manner(2)->silent = manner(6)->down = true;
    dw_boot(&w);
    run_fails(ERR_NOTFOUND, "ArchiveA: it did not answer; ArchiveC: it did");
    run_fails(ERR_NOTFOUND, "ArchiveG: it cannot be reached");
    ck_assert_uint_ge(w.mono_ms, DW_PATIENCE);
    ck_assert_uint_gt(w.stewards[6].dials, 10);
    end();
}
END_TEST

/* A steward that is busy is asked again. */
START_TEST(test_depositor_offers_again_to_the_busy)
{
    begin((uint64_t)_i);
    manner(3)->busy = 5;
    manner(5)->deal_busy = 4;
    dw_boot(&w);
    run_done();
    ck_assert_uint_eq(w.stewards[3].offers, 6);
    ck_assert_uint_eq(w.stewards[5].deals, 5);
    certificate_has(0x7f, 0x7f);
    end();
}
END_TEST

/* --- Columns that are lost ------------------------------------------------ */

/* A link that is lost while cells are sent costs its column for this job; it is
 * filled in later from where its steward is. */
START_TEST(test_depositor_fills_what_was_lost_while_sealing)
{
    begin((uint64_t)_i);
    manner((uint16_t)(_i % 7))->lose_after = 1 + (uint64_t)_i % DW_LEAVES;
    dw_boot(&w);
    run_done();
    certificate_has(0x7f, 0x7f);
    ck_assert_uint_le(w.fills, 1);
    end();
}
END_TEST

/* A steward that stops taking cells is given up by the driver; its link is
 * closed, for nobody knows what of it has arrived, and then it is filled. */
START_TEST(test_depositor_reconnects_to_fill_the_slow)
{
    uint64_t link;

    begin((uint64_t)_i);
    manner(2)->stalls = true;
    dw_boot(&w);
    run_to(DEPOSITOR_SEALING);
    link = w.stewards[2].link;
    run_to(DEPOSITOR_PUBLISHING);
    manner(2)->stalls = false;
    /* Others take their time, so that it is there again by then. */
    manner(3)->no_receipt = true;
    w.receipts_min = DW_N - 1;
    dw_run_to(&w, DEPOSITOR_DEALING);
    ck_assert_uint_ne(w.stewards[2].link, link);
    ck_assert_uint_eq(w.fills, 1);
    ck_assert(column(2).receipt);
    end();
}
END_TEST

/* All links are lost as a phase begins. */
START_TEST(test_depositor_goes_on_after_links_lost_in_any_phase)
{
    static const enum depositor_phase phases[] = {
        DEPOSITOR_OFFERING, DEPOSITOR_PUBLISHING, DEPOSITOR_DEALING};

    begin((uint64_t)_i);
    dw_boot(&w);
    if (phases[_i % 3] == DEPOSITOR_OFFERING) {
        while (!column(6).accepted) {
            dw_run_some(&w, 1);
        }
    }
    run_to(phases[_i % 3]);
    for (uint16_t i = 0; i < DW_N; i++) {
        dw_cut(&w, i);
    }
    run_done();
    certificate_has(0x7f, 0x7f);
    end();
}
END_TEST

/* Links of all are lost again and again, in every phase, and in the end the
 * deposit is there or the words say who was missed. Nothing that a steward
 * would have to close a link for is ever said. */
START_TEST(test_depositor_any_links_lost)
{
    begin((uint64_t)_i);
    w.cut_one_in = 40 + (unsigned)_i;
    w.receipts_min = DW_K + DW_F;
    dw_boot(&w);
    for (unsigned run = 0; run < 20 && dw_run(&w) != DEPOSITOR_DONE; run++) {
        dw_crash(&w);
    }
    ck_assert_uint_eq(w.bad, 0);
    w.cut_one_in = 0;
    if (depositor_phase(w.d) != DEPOSITOR_DONE) {
        dw_crash(&w);
        run_done();
    }
    certificate_has(0, 0);
    end();
}
END_TEST

/* --- Crashes -------------------------------------------------------------- */

/* The process dies in any phase, between any two steps; run again it goes on,
 * seals under one manifest, and is done. */
START_TEST(test_depositor_resumes_after_a_crash_in_any_phase)
{
    static const enum depositor_phase phases[] = {
        DEPOSITOR_OFFERING, DEPOSITOR_SEALING, DEPOSITOR_PUBLISHING,
        DEPOSITOR_DEALING};

    begin((uint64_t)_i);
    dw_boot(&w);
    run_to(phases[_i % 4]);
    dw_crash(&w);
    run_done();
    certificate_has(0x7f, 0x7f);
    ck_assert_uint_eq(w.rows_len, 1);
    ck_assert_uint_le(w.seals, 2);
    end();
}
END_TEST

/* The process dies often; each time the journal and the store are all there is.
 * A manifest is published once, whatever happens. */
START_TEST(test_depositor_any_crashes)
{
    begin((uint64_t)_i);
    w.crash_one_in = 60 + 3 * (unsigned)_i;
    dw_boot(&w);
    for (unsigned run = 0; run < 40 && dw_run(&w) != DEPOSITOR_DONE; run++) {
        dw_crash(&w);
    }
    w.crash_one_in = 0;
    if (depositor_phase(w.d) != DEPOSITOR_DONE) {
        dw_crash(&w);
        run_done();
    }
    ck_assert_uint_eq(w.bad, 0);
    ck_assert_uint_eq(w.rows_len, 1);
    certificate_has(0x7f, 0x7f);
    end();
}
END_TEST

/* Crashes, links lost, and stewards that are away, busy or slow for one run or
 * another: no attempt that was given up ever gets into a sealed shard, one
 * manifest is published, and when all is quiet the deposit is made. */
START_TEST(test_depositor_any_history)
{
    begin((uint64_t)_i);
    w.receipts_min = DW_K + DW_F;
    w.crash_one_in = 100 + 7 * (unsigned)_i;
    w.cut_one_in = 100 + 5 * (unsigned)_i;
    dw_boot(&w);
    for (unsigned run = 0; run < 12 && dw_run(&w) != DEPOSITOR_DONE; run++) {
        for (uint16_t i = 0; i < DW_N; i++) {
            manner(i)->down = rng_below(&w.rng, 5) == 0;
            manner(i)->busy = (unsigned)rng_below(&w.rng, 3);
            manner(i)->stalls = rng_below(&w.rng, 8) == 0;
            manner(i)->lose_after = rng_below(&w.rng, DW_LEAVES);
        }
        dw_crash(&w);
    }
    w.crash_one_in = w.cut_one_in = 0;
    for (uint16_t i = 0; i < DW_N; i++) {
        memset(manner(i), 0, sizeof(*manner(i)));
    }
    dw_crash(&w);
    run_done();
    ck_assert_uint_eq(w.bad, 0);
    ck_assert_uint_eq(w.rows_len, 1);
    for (uint16_t i = 0; i < DW_N; i++) {
        ck_assert(!w.stewards[i].refused);
    }
    certificate_has(0x7f, 0x7f);
    end();
}
END_TEST

/* A run that ended with a column missing is run again when its steward is
 * back: nothing is sealed again, and the column is filled. */
START_TEST(test_depositor_run_again_fills_the_missing)
{
    begin((uint64_t)_i);
    manner(5)->down = true;
    dw_boot(&w);
    run_fails(ERR_NOTFOUND, "only 6 of 7 stewards have given a receipt, and 7");
    manner(5)->down = false;
    dw_crash(&w);
    run_done();
    ck_assert_uint_eq(w.seals, 1);
    ck_assert_uint_eq(w.fills, 1);
    certificate_has(0x7f, 0x7f);
    end();
}
END_TEST

/* When nothing can be filled, what there is decides. */
START_TEST(test_depositor_passes_over_what_cannot_be_filled)
{
    begin((uint64_t)_i);
    manner(5)->lose_after = 4;
    w.fill_nothing = true;
    w.receipts_min = _i % 2 == 0 ? DW_N : DW_N - 1;
    dw_boot(&w);
    run_to(DEPOSITOR_PUBLISHING);
    w.mono_ms += DEPOSITOR_REDIAL_MS; /* It is back before the receipts. */
    if (w.receipts_min == DW_N) {
        run_fails(ERR_NOTFOUND, "ArchiveF: ");
    } else {
        run_done();
        certificate_has(0x7f & ~0x20U, 0x7f);
    }
    end();
}
END_TEST

/* --- Resuming: what stewards hold ----------------------------------------- */

/* A steward that lost what was committed is set aside, and filled later. */
START_TEST(test_depositor_sets_aside_who_lost_bytes)
{
    begin((uint64_t)_i);
    dw_boot(&w);
    run_to(DEPOSITOR_PUBLISHING);
    ck_assert_uint_eq(w.rows_len, 0); /* Not durable, and then lost. */
    manner(3)->forgetful = 4;
    dw_crash(&w);
    run_to(DEPOSITOR_SEALING);
    ck_assert(column(3).aside);
    ck_assert_msg(strstr(column(3).text, "holds less") != NULL, "%s",
                  column(3).text);
    run_done();
    ck_assert_uint_eq(w.fills, 1);
    certificate_has(0x7f, 0x7f);
    end();
}
END_TEST

/* What a steward says that it holds is not what the journal has committed: it
 * is set aside, with words, and the others go on. */
START_TEST(test_depositor_sets_aside_who_does_not_fit)
{
    static const char *const words[] = {"other bytes", "under a manifest",
                                        "the journal is an older copy"};
    struct dw_steward *s = &w.stewards[3];

    begin((uint64_t)_i);
    w.receipts_min = DW_N - 1;
    dw_boot(&w);
    while (w.committed < 5) {
        dw_run_some(&w, 1);
    }
    s->len = w.committed;
    s->final = 0;
    if (_i % 3 == 0) {
        s->leaves[2].bytes[0] ^= 1;
    } else if (_i % 3 == 1) {
        s->sealed = true;
    } else {
        s->leaves[s->len++] = s->leaves[0];
        s->final = s->len;
    }
    dw_crash(&w);
    run_to(DEPOSITOR_SEALING);
    ck_assert_msg(strstr(column(3).text, words[_i % 3]) != NULL, "%s",
                  column(3).text);
    ck_assert(column(3).aside && !column(3).accepted);
    dw_run_to(&w, DEPOSITOR_DEALING);
    ck_assert_int_eq(depositor_phase(w.d), DEPOSITOR_DEALING);
    ck_assert_uint_eq(w.bad, 0);
    end();
}
END_TEST

/* A steward that is away when a crash is made good holds cells of an attempt
 * that was given up: they are cut off before its column is filled. */
START_TEST(test_depositor_cuts_off_given_up_cells_before_filling)
{
    static const uint64_t sent[] = {3, 5, 7, 9};

    begin((uint64_t)_i);
    dw_boot(&w);
    while (w.job_at != sent[_i % 4]) {
        dw_run_some(&w, 1);
    }
    ck_assert_uint_lt(w.committed, w.job_at);
    manner(3)->down = true;
    dw_crash(&w);
    run_to(DEPOSITOR_SEALING);
    ck_assert_uint_eq(w.stewards[3].len, sent[_i % 4]);
    run_to(DEPOSITOR_PUBLISHING);
    manner(3)->down = false;
    run_done();
    ck_assert_uint_eq(w.fills, 1);
    ck_assert(!w.stewards[3].refused);
    certificate_has(0x7f, 0x7f);
    end();
}
END_TEST

/* A journal that was restored from a backup cannot go on. */
START_TEST(test_depositor_fails_with_an_old_journal)
{
    begin((uint64_t)_i);
    dw_boot(&w);
    run_to(DEPOSITOR_PUBLISHING);
    w.committed = 0;
    dw_crash(&w);
    run_fails(ERR_NOTFOUND, "the journal is an older copy");
    ck_assert_uint_eq(w.bad, 0);
    end();
}
END_TEST

/* --- What is false -------------------------------------------------------- */

/* A receipt for another root, and an acknowledgement with the proof of another
 * share, count for nothing. */
START_TEST(test_depositor_counts_nothing_false)
{
    begin((uint64_t)_i);
    w.receipts_min = DW_K + DW_F;
    manner(2)->false_receipt = true;
    manner(6)->foreign_ack = true;
    dw_boot(&w);
    run_done();
    ck_assert(!column(2).receipt && !column(6).acknowledged);
    ck_assert_msg(strstr(column(2).text, "does not hold") != NULL, "%s",
                  column(2).text);
    ck_assert_msg(strstr(column(6).text, "does not hold") != NULL, "%s",
                  column(6).text);
    certificate_has(0x7f & ~0x04U, 0x7f & ~0x40U);
    end();
}
END_TEST

/* False ones are missed like any other. */
START_TEST(test_depositor_fails_when_too_many_are_false)
{
    begin(1);
    manner(2)->false_receipt = true;
    dw_boot(&w);
    run_fails(ERR_NOTFOUND, "ArchiveC: it sent a receipt that does not hold");
    end();

    begin(2);
    for (uint16_t i = 0; i < 3; i++) {
        manner(i)->foreign_ack = true;
    }
    dw_boot(&w);
    run_fails(ERR_NOTFOUND, "only 4 of 7 stewards have acknowledged their key "
                            "share, and 5 must");
    end();
}
END_TEST

/* A steward whose bytes have another root says so, and is named. */
START_TEST(test_depositor_names_who_holds_other_bytes)
{
    begin((uint64_t)_i);
    manner(4)->bad_disk = true;
    dw_boot(&w);
    run_fails(ERR_NOTFOUND, "ArchiveE: the bytes have another root");
    ck_assert_uint_lt(w.mono_ms, DW_PATIENCE);
    end();
}
END_TEST

/* Two who never acknowledge are not waited for beyond patience; a third is
 * missed. */
START_TEST(test_depositor_needs_t_and_f_acknowledgements)
{
    begin((uint64_t)_i);
    manner(0)->no_ack = true;
    manner(1)->deal_denied = true;
    dw_boot(&w);
    run_done();
    certificate_has(0x7f, 0x7c);
    ck_assert_uint_ge(w.mono_ms, DW_PATIENCE);
    ck_assert_uint_eq(w.stewards[1].deals, 1);
    end();

    begin((uint64_t)_i);
    manner(0)->no_ack = true;
    manner(1)->deal_denied = true;
    manner(2)->no_ack = true;
    dw_boot(&w);
    run_fails(ERR_NOTFOUND, "ArchiveB: no shares from you");
    end();
}
END_TEST

struct counts {
    unsigned receipts, acknowledgements;
};

static struct counts count(void)
{
    struct counts c = {0, 0};

    for (uint16_t i = 0; i < DW_N; i++) {
        c.receipts += column(i).receipt ? 1 : 0;
        c.acknowledgements += column(i).acknowledged ? 1 : 0;
    }
    return c;
}

/* While the shares are dealt the shards are read back, and the deposit is done
 * when both are, whichever comes first. */
START_TEST(test_depositor_reads_back_while_it_deals)
{
    begin((uint64_t)_i);
    w.verify_held = true;
    dw_boot(&w);
    while (count().acknowledgements < DW_N) {
        dw_run_some(&w, 1);
    }
    ck_assert_int_eq(depositor_phase(w.d), DEPOSITOR_DEALING);
    ck_assert_uint_eq(w.wake_ms, 0);
    dw_verify_go(&w);
    run_done();
    ck_assert_uint_eq(w.verifies, 1);
    ck_assert_uint_lt(w.mono_ms, DW_PATIENCE);
    certificate_has(0x7f, 0x7f);
    end();

    begin((uint64_t)_i);
    manner(6)->no_ack = true;
    dw_boot(&w);
    run_to(DEPOSITOR_DEALING);
    while (w.job != 0 || count().acknowledgements < DW_N - 1) {
        dw_run_some(&w, 1);
    }
    ck_assert_uint_eq(w.verifies, 1);
    ck_assert_int_eq(depositor_phase(w.d), DEPOSITOR_DEALING);
    run_done();
    ck_assert_uint_ge(w.mono_ms, DW_PATIENCE);
    end();
}
END_TEST

/* Who has given a receipt may be read from, though its link is down as the
 * reading begins; links that are lost later are no end of it. */
START_TEST(test_depositor_reads_back_from_all_with_receipts)
{
    begin((uint64_t)_i);
    w.verify_held = true;
    dw_boot(&w);
    while (count().receipts < DW_N - 1) {
        dw_run_some(&w, 1);
    }
    for (uint16_t i = 0; i < DW_N; i++) {
        if (column(i).receipt) {
            dw_cut(&w, i);
            break;
        }
    }
    run_to(DEPOSITOR_DEALING);
    while (w.verifies == 0) {
        dw_run_some(&w, 1);
    }
    ck_assert_uint_eq(w.spec.holders, 0x7f);
    for (uint16_t i = 0; i < DW_N; i++) {
        dw_cut(&w, i);
    }
    while (count().acknowledgements < DW_N) {
        dw_run_some(&w, 1);
    }
    dw_verify_go(&w);
    run_done();
    certificate_has(0x7f, 0x7f);
    end();
}
END_TEST

/* Who waits for acknowledgements in vain says so while the shards are read
 * back; how that ends is of no matter then. When there are enough of them only
 * the reading is waited for. */
START_TEST(test_depositor_does_not_read_back_for_nothing)
{
    begin((uint64_t)_i);
    for (uint16_t i = 0; i < 3; i++) {
        manner(i)->no_ack = true;
    }
    w.verify_held = true;
    dw_boot(&w);
    run_fails(ERR_NOTFOUND, "have acknowledged their key share");
    ck_assert_uint_ne(w.job, 0);
    w.verify_status = ERR_CANCELED;
    dw_verify_go(&w);
    while (w.job != 0) {
        dw_run_some(&w, 1);
    }
    ck_assert_int_eq(depositor_phase(w.d), DEPOSITOR_FAILED);
    end();

    begin((uint64_t)_i);
    manner(0)->no_ack = true;
    w.verify_held = true;
    dw_boot(&w);
    while (count().acknowledgements < DW_N - 1) {
        dw_run_some(&w, 1);
    }
    w.mono_ms += (uint64_t)3 * DW_PATIENCE;
    dw_verify_go(&w);
    run_done();
    certificate_has(0x7f, 0x7e);
    end();
}
END_TEST

/* --- Garbage -------------------------------------------------------------- */

/* Bytes that are no message close the link, and do no more harm. */
START_TEST(test_depositor_closes_on_garbage)
{
    static const uint8_t garbage[] = {0x92, 0x0b, 0xff};

    begin((uint64_t)_i);
    dw_boot(&w);
    run_to(DEPOSITOR_PUBLISHING);
    w.receipts_min = DW_N;
    dw_say_bytes(&w, 3, slice_of(garbage, sizeof(garbage)));
    run_done();
    ck_assert_uint_ge(w.stewards[3].dials, 1);
    certificate_has(0x7f, 0x7f);
    end();
}
END_TEST

/* An answer for another shard is no answer, and an unasked one neither. */
START_TEST(test_depositor_takes_only_answers_to_its_offers)
{
    struct message *m = calloc(1, sizeof(*m));

    ck_assert_ptr_nonnull(m);
    begin((uint64_t)_i);
    w.receipts_min = DW_K + DW_F;
    manner(3)->wrong_index = true;
    dw_boot(&w);
    run_to(DEPOSITOR_SEALING);
    ck_assert(column(3).aside && !column(3).accepted);
    m->type = MESSAGE_ACCEPT;
    m->u.accept.deposit_id = w.deposit_id;
    m->u.accept.index = 3;
    dw_say(&w, 3, m);
    memset(m, 0, sizeof(*m));
    m->type = MESSAGE_FLUSH;
    m->u.flush.deposit_id = w.deposit_id;
    dw_say(&w, 2, m);
    run_done();
    ck_assert(!column(3).receipt && column(2).receipt);
    free(m);
    end();
}
END_TEST

/* Entries that cannot be read, or are of another network, close the link; ones
 * about other deposits are passed over. */
START_TEST(test_depositor_reads_feeds_with_care)
{
    struct message *m = calloc(1, sizeof(*m));
    struct feed_tip tip;
    struct digest other;
    uint8_t entry[1024];
    size_t size = 0;
    unsigned dials;

    ck_assert_ptr_nonnull(m);
    begin((uint64_t)_i);
    dw_boot(&w);
    dw_append(&w, 1, FEED_RECEIPT, slice_str("not a receipt at all"));
    run_to(DEPOSITOR_PUBLISHING);
    dw_append(&w, 2, FEED_RECEIPT, slice_str("not a receipt at all"));
    dw_append(&w, 2, FEED_HOLDING, slice_str("nothing to a lab"));
    memset(&other, 7, sizeof(other));
    feed_tip_init(&tip, &other, &w.stewards[4].card->id, 0);
    ck_assert_int_eq(feed_append(&tip, &w.stewards[4].node, FEED_RECEIPT,
                                 slice_str("x"), 1, entry, sizeof(entry),
                                 &size),
                     OK);
    m->type = MESSAGE_ENTRIES;
    m->u.entries.len = 1;
    m->u.entries.entries[0] = slice_of(entry, size);
    dials = w.stewards[4].dials;
    dw_say(&w, 4, m);
    run_done();
    ck_assert_uint_gt(w.stewards[4].dials, dials);
    certificate_has(0x7f, 0x7f);
    free(m);
    end();
}
END_TEST

/* --- Feeds ---------------------------------------------------------------- */

/* A steward that missed the push learns of the manifest by the heads, and gets
 * it by WANT. */
START_TEST(test_depositor_serves_its_own_feed)
{
    begin((uint64_t)_i);
    dw_boot(&w);
    run_to(DEPOSITOR_SEALING);
    run_to(DEPOSITOR_PUBLISHING);
    for (uint16_t i = 0; i < DW_N; i++) {
        dw_cut(&w, i); /* Before the push has left. */
    }
    run_done();
    ck_assert_uint_eq(w.stewards[0].lab_len, 1);
    certificate_has(0x7f, 0x7f);
    end();
}
END_TEST

/* A WANT of anything but the lab's own entries is refused. */
START_TEST(test_depositor_serves_nothing_else)
{
    struct message *m = calloc(1, sizeof(*m));

    ck_assert_ptr_nonnull(m);
    begin(1);
    dw_boot(&w);
    run_to(DEPOSITOR_SEALING);
    m->type = MESSAGE_WANT;
    m->u.want = (struct message_want){.author = w.stewards[1].card->id};
    dw_say(&w, 0, m);
    m->u.want = (struct message_want){.author = w.lab_id, .from = 7};
    dw_say(&w, 0, m);
    m->u.want = (struct message_want){.author = w.lab_id, .incarnation = 3};
    dw_say(&w, 0, m);
    run_done();
    ck_assert_uint_eq(w.stewards[0].lab_len, 1);
    free(m);
    end();
}
END_TEST

/* Run again after all was given, it finds receipts and acknowledgements in long
 * feeds, page by page from the end, no further than needed, and deals nothing
 * again. */
START_TEST(test_depositor_looks_back_in_feeds)
{
    begin((uint64_t)_i);
    dw_boot(&w);
    for (uint16_t i = 0; i < DW_N; i++) {
        for (unsigned j = 0; j < 100; j++) {
            dw_append(&w, i, FEED_HOLDING, slice_str("before"));
        }
    }
    run_done();
    for (uint16_t i = 0; i < DW_N; i++) {
        manner(i)->page = i == 0 ? 0 : (unsigned)_i % 7 + 1;
        w.stewards[i].wants = 0;
        for (unsigned j = 0; j < 200; j++) {
            dw_append(&w, i, FEED_HOLDING, slice_str("after"));
        }
    }
    dw_crash(&w);
    run_done();
    certificate_has(0x7f, 0x7f);
    for (uint16_t i = 0; i < DW_N; i++) {
        ck_assert_uint_eq(w.stewards[i].deals, 1);
        ck_assert_uint_eq(w.stewards[i].len, DW_LEAVES);
        ck_assert_uint_ge(w.stewards[i].wants, 4);
        /* 302 entries in pages of 64, and the two are the 101st and 102nd. */
        ck_assert_uint_eq(w.stewards[i].low, 46);
    }
    ck_assert_uint_eq(w.seals, 1);
    end();
}
END_TEST

/* A store that is older than what the stewards hold of the lab's own feed must
 * not write: the deposit stops before its manifest. */
START_TEST(test_depositor_stops_when_its_store_is_old)
{
    begin((uint64_t)_i);
    dw_write_ahead(&w, 2, &w.lab);
    dw_boot(&w);
    run_fails(ERR_ORDER, "this store is an older copy");
    ck_assert_uint_eq(w.rows_len, 0);
    end();
}
END_TEST

/* Nobody can stop a deposit by claiming so: only what the lab signed counts. */
START_TEST(test_depositor_believes_no_claim_about_its_feed)
{
    begin((uint64_t)_i);
    dw_write_ahead(&w, 2, &w.stewards[2].node);
    manner(5)->claims_ahead = true;
    dw_boot(&w);
    run_done();
    certificate_has(0x7f, 0x7f);
    end();
}
END_TEST

/* A steward that gives nothing of its feed is not searched for ever: it is
 * dealt to again, and what it pushes then counts. */
START_TEST(test_depositor_goes_on_without_a_feed)
{
    begin((uint64_t)_i);
    w.receipts_min = DW_N - 1;
    dw_boot(&w);
    run_done();
    manner(4)->no_feed = true;
    dw_crash(&w);
    run_done();
    ck_assert(!column(4).receipt && column(4).acknowledged);
    ck_assert_uint_eq(w.stewards[4].deals, 2);
    ck_assert_uint_eq(w.stewards[5].deals, 1);
    end();
}
END_TEST

/* --- Links ---------------------------------------------------------------- */

/* The newest link of a steward counts; one on which cells were sent is then
 * lost, and what it had not taken is filled in. */
START_TEST(test_depositor_uses_the_newest_link)
{
    begin((uint64_t)_i);
    dw_boot(&w);
    run_to(_i % 2 == 0 ? DEPOSITOR_SEALING : DEPOSITOR_DEALING);
    dw_relink(&w, 2);
    run_done();
    certificate_has(0x7f, 0x7f);
    end();
}
END_TEST

/* A link of somebody who is no steward of this deposit is closed. */
START_TEST(test_depositor_closes_links_of_strangers)
{
    begin(1);
    dw_boot(&w);
    dw_stranger(&w);
    run_done();
    ck_assert_uint_eq(w.strangers, 1);
    end();
}
END_TEST

/* --- Ends of jobs --------------------------------------------------------- */

/* What the driver reports ends the deposit, with words that say what to do. */
START_TEST(test_depositor_fails_with_its_jobs)
{
    begin(1);
    w.seal_status = ERR_CANCELED;
    dw_boot(&w);
    run_fails(ERR_CANCELED, "run the same command again");
    ck_assert_uint_eq(w.rows_len, 0);
    end();

    begin(2);
    w.verify_status = ERR_MISMATCH;
    dw_boot(&w);
    run_fails(ERR_MISMATCH, "do not delete your copy");
    end();

    begin(3);
    w.verify_status = ERR_IO;
    dw_boot(&w);
    run_fails(ERR_IO, "could not be read back");
    end();

    begin(4);
    manner(1)->lose_after = manner(2)->lose_after = manner(3)->lose_after = 4;
    dw_boot(&w);
    run_fails(ERR_IO, "ArchiveD: the connection was lost");
    end();
}
END_TEST

/* A manifest of another dealing, or other stewards, is not gone on with. */
START_TEST(test_depositor_wants_the_journal_of_its_manifest)
{
    begin(1);
    dw_boot(&w);
    run_to(DEPOSITOR_DONE);
    vss_polynomials_init(&w.polynomials, DW_T, &w.rng);
    dw_crash(&w);
    run_fails(ERR_MISMATCH, "start a new deposit");
    end();
}
END_TEST

/* Rows that are no feed are not written to. */
START_TEST(test_depositor_refuses_a_damaged_store)
{
    begin(1);
    dw_boot(&w);
    run_to(DEPOSITOR_DONE);
    w.rows[0].value[w.rows[0].value_size - 1] ^= 1;
    dw_crash(&w);
    run_fails(ERR_BAD, "damaged");
    end();
}
END_TEST

/* The machine is a lab's, under its own key, and its stewards are stewards. */
START_TEST(test_depositor_new_checks_who_is_who)
{
    static struct depositor_config c;
    struct depositor *d = NULL;

    begin(1);
    memset(&c, 0, sizeof(c));
    c.charter = w.charter;
    c.net = w.net;
    c.self = w.lab_id;
    c.node = w.lab;
    c.deposit_id = w.deposit_id;
    c.random = w.random;
    c.k = DW_K;
    c.n = DW_N;
    c.t = DW_T;
    c.receipts_min = DW_N;
    c.polynomials = &w.polynomials;
    c.rng = &w.machine_rng;
    for (uint16_t i = 0; i < DW_N; i++) {
        c.stewards[i] = w.stewards[i].card->id;
    }
    ck_assert_int_eq(depositor_new(&d, &c), OK);
    depositor_free(d);
    c.stewards[2] = w.lab_id;
    ck_assert_int_eq(depositor_new(&d, &c), ERR_DENIED);
    c.stewards[2] = w.stewards[2].card->id;
    c.node = w.stewards[0].node;
    ck_assert_int_eq(depositor_new(&d, &c), ERR_DENIED);
    c.self = w.stewards[0].card->id;
    manifest_deposit_id(&c.deposit_id, &c.net, &c.self, c.random.bytes);
    ck_assert_int_eq(depositor_new(&d, &c), ERR_DENIED);
    depositor_free(NULL);
    end();
}
END_TEST

/* --- As many stewards as there can be ------------------------------------- */

#define LARGE 63U /* And the lab. */

static struct core_out large_out;
static size_t large_sends;
static uint64_t large_ms;

static void large_step(struct depositor *d, struct core_event ev)
{
    ev.mono_ms = large_ms;
    ev.wall_ms = 1700000000000U;
    core_out_reset(&large_out);
    depositor_step(d, &ev, &large_out);
    for (size_t i = 0; i < large_out.acts_len; i++) {
        large_sends += large_out.acts[i].type == ACT_SEND ? 1U : 0U;
    }
}

/* Wake it as long as it has more to say at once. */
static void large_settle(struct depositor *d)
{
    while (large_out.wake_ms != 0 && large_out.wake_ms <= large_ms) {
        large_step(d, (struct core_event){.type = EV_WAKE});
    }
}

static void large_say(struct depositor *d, uint64_t link, struct message *m)
{
    static uint8_t bytes[MESSAGE_SIZE_MAX];
    size_t size = 0;

    ck_assert_int_eq(message_encode(m, bytes, sizeof(bytes), &size), OK);
    large_step(d, (struct core_event){.type = EV_MSG,
                                      .id = link,
                                      .bytes = slice_of(bytes, size)});
}

static struct charter *large_charter(struct sign_key keys[LARGE + 1])
{
    struct charter *c = calloc(1, sizeof(*c));

    ck_assert_ptr_nonnull(c);
    c->members_len = LARGE + 1;
    for (size_t i = 0; i <= LARGE; i++) {
        const uint8_t seed[SIGN_SEED_SIZE] = {(uint8_t)i, 'x'};
        const uint8_t e[RNG_SEED_SIZE] = {(uint8_t)i, 'e'};
        struct card *card = &c->members[i].card;
        uint8_t secret[HPKE_KEY_SIZE];
        struct rng r;

        sign_key_from_seed(&keys[i], seed);
        memset(card->id.bytes, (int)i + 1, DIGEST_SIZE);
        card->role = i < LARGE ? CARD_STEWARD : CARD_LAB;
        memset(card->name, 'n', CARD_NAME_MAX);
        memcpy(card->node_pk, keys[i].pk, SIGN_PK_SIZE);
        rng_init_seed(&r, e);
        hpke_keypair(&r, secret, card->custody_hpke_pk);
    }
    return c;
}

static void large_up(struct depositor *d,
                     const struct charter *c,
                     size_t i,
                     const struct sign_key *key)
{
    struct transport_cert cert = {.type = TRANSPORT_MEMBER,
                                  .net = {{5}},
                                  .transport_pk = {1},
                                  .id = c->members[i].card.id,
                                  .not_before_s = 1,
                                  .not_after_s = 2};
    uint8_t bytes[TRANSPORT_CERT_MAX];
    size_t size = 0;

    ck_assert_int_eq(
        transport_cert_encode(&cert, key, bytes, sizeof(bytes), &size), OK);
    large_step(d, (struct core_event){.type = EV_LINK,
                                      .id = i + 1,
                                      .bytes = slice_of(bytes, size)});
}

static size_t large_report(const struct depositor_config *config,
                           uint8_t *out,
                           size_t max)
{
    struct manifest *m = calloc(1, sizeof(*m));
    size_t size = 0;

    ck_assert_ptr_nonnull(m);
    m->net = config->net;
    m->deposit_id = config->deposit_id;
    m->random = config->random;
    memcpy(m->label, "large", 6);
    m->plain_size = config->segment_size;
    m->segment_size = config->segment_size;
    m->segments = 2;
    m->catalogue_segments = 1;
    m->k = config->k;
    m->n = config->n;
    m->t = config->t;
    m->shard_size = 5ULL * LEAF_SIZE;
    memcpy(m->stewards, config->stewards, sizeof(m->stewards));
    vss_commit(config->polynomials, m->commitments);
    ck_assert_int_eq(policy_default(config->t, m->policy, sizeof(m->policy),
                                    &m->policy_size),
                     OK);
    u64le_store(out, 0);
    ck_assert_int_eq(manifest_encode(m, out + 8, max - 8, &size), OK);
    free(m);
    return 8 + size;
}

/* With 63 stewards no step says more than it has room for; the rest is said in
 * the next, and the longest words still fit. */
START_TEST(test_depositor_has_room_for_the_largest)
{
    static struct depositor_config config;
    static struct sign_key keys[LARGE + 1];
    static uint8_t report[8 + MANIFEST_SIZE_MAX];
    struct charter *c = large_charter(keys);
    struct message *m = calloc(1, sizeof(*m));
    struct vss_polynomials polynomials;
    struct depositor *d = NULL;
    const char *text;
    struct rng r;
    size_t size;

    ck_assert_ptr_nonnull(m);
    rng_init_seed(&r, (const uint8_t[RNG_SEED_SIZE]){1});
    vss_polynomials_init(&polynomials, 22, &r);
    config = (struct depositor_config){.charter = c,
                                       .net = {{5}},
                                       .self = c->members[LARGE].card.id,
                                       .node = keys[LARGE],
                                       .random = {{6}},
                                       .label = "large",
                                       .k = 20,
                                       .n = LARGE,
                                       .t = 22,
                                       .segment_size = 65536,
                                       .size_max = 1 << 20,
                                       .polynomials = &polynomials,
                                       .receipts_min = 40,
                                       .patience_ms = DW_PATIENCE,
                                       .rng = &r};
    manifest_deposit_id(&config.deposit_id, &config.net, &config.self,
                        config.random.bytes);
    for (size_t i = 0; i < LARGE; i++) {
        config.stewards[i] = c->members[i].card.id;
    }
    ck_assert_int_eq(depositor_new(&d, &config), OK);
    large_ms = 1000;
    large_step(d, (struct core_event){.type = EV_START, .status = 1});
    ck_assert_uint_eq(large_out.acts_len, LARGE);
    for (size_t i = 0; i < LARGE; i++) {
        large_up(d, c, i, &keys[i]);
    }
    for (uint16_t i = 0; i < LARGE; i++) {
        memset(m, 0, sizeof(*m));
        m->type = MESSAGE_ACCEPT;
        m->u.accept.deposit_id = config.deposit_id;
        m->u.accept.index = i;
        if (i % 3 == 0 && i < 60) {
            memset(m, 0, sizeof(*m));
            m->type = MESSAGE_REFUSE;
            m->u.refuse.about = MESSAGE_OFFER;
            m->u.refuse.subject = config.deposit_id;
            m->u.refuse.status = ERR_FULL;
            memset(m->u.refuse.text, 'w', MESSAGE_TEXT_MAX);
        }
        large_say(d, i + 1U, m);
    }
    ck_assert_int_eq(depositor_phase(d), DEPOSITOR_SEALING);
    ck_assert_int_eq(large_out.acts[0].type, ACT_JOB);
    size = large_report(&config, report, sizeof(report));
    large_step(d, (struct core_event){.type = EV_JOB,
                                      .id = large_out.acts[0].id,
                                      .status = 1,
                                      .bytes = slice_of(report, 8)});
    ck_assert_uint_eq(large_out.acts_len, LARGE - 20);
    large_sends = 0;
    large_step(d, (struct core_event){.type = EV_JOB,
                                      .id = 1,
                                      .bytes = slice_of(report, size)});
    ck_assert_int_eq(depositor_phase(d), DEPOSITOR_PUBLISHING);
    large_settle(d);
    ck_assert_uint_eq(large_sends, LARGE + 20);
    for (uint64_t i = 1; i <= 4; i++) {
        large_ms += DW_PATIENCE;
        large_step(d, (struct core_event){.type = EV_WAKE});
    }
    ck_assert_int_eq(depositor_phase(d), DEPOSITOR_FAILED);
    ck_assert_int_eq(depositor_failure(d, &text), ERR_NOTFOUND);
    ck_assert_uint_ge(strlen(text), (uint64_t)LARGE * CARD_NAME_MAX);
    depositor_free(d);
    free(m);
    free(c);
}
END_TEST

/* --- Jobs as bytes -------------------------------------------------------- */

/* A job survives its encoding, at its largest too, and nothing else decodes. */
START_TEST(test_depositor_job_bytes)
{
    struct depositor_job job, got;
    uint8_t bytes[DEPOSITOR_JOB_MAX];
    size_t size = 0;

    memset(&job, 0xff, sizeof(job));
    job.type = DEPOSITOR_FILL;
    for (size_t i = 0; i < MANIFEST_SHARDS_MAX; i++) {
        job.leaves[i] = MERKLE_LEAVES_MAX;
    }
    ck_assert_int_eq(depositor_job_encode(&job, bytes, sizeof(bytes), &size),
                     OK);
    ck_assert_int_eq(depositor_job_decode(&got, slice_of(bytes, size)), OK);
    ck_assert_int_eq(got.type, job.type);
    ck_assert_uint_eq(got.columns, job.columns);
    ck_assert_uint_eq(got.holders, job.holders);
    ck_assert_mem_eq(got.links, job.links, sizeof(job.links));
    ck_assert_mem_eq(got.leaves, job.leaves, sizeof(job.leaves));
    for (size_t i = 0; i < size; i++) {
        ck_assert_int_ne(depositor_job_decode(&got, slice_of(bytes, i)), OK);
    }
    ck_assert_int_eq(depositor_job_encode(&job, bytes, size - 1, &size),
                     ERR_FULL);
    bytes[2] = 9;
    ck_assert_int_eq(depositor_job_decode(&got, slice_of(bytes, size)),
                     ERR_UNSUPPORTED);
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("depositor");
    TCase *way = tcase_create("way");
    TCase *faults = tcase_create("faults");
    TCase *feeds = tcase_create("feeds");

    tcase_set_timeout(way, 60);
    tcase_add_unchecked_fixture(way, dw_prepare, dw_forget);
    tcase_set_timeout(faults, 60);
    tcase_add_unchecked_fixture(faults, dw_prepare, dw_forget);
    tcase_set_timeout(feeds, 60);
    tcase_add_unchecked_fixture(feeds, dw_prepare, dw_forget);
    tcase_add_loop_test(way, test_depositor_seals_with_all, 0, 4);
    tcase_add_loop_test(way, test_depositor_goes_on_without_two, 0, 4);
    tcase_add_loop_test(way, test_depositor_fills_those_that_come_back, 0, 4);
    tcase_add_loop_test(way, test_depositor_fails_without_three, 0, 4);
    tcase_add_test(way, test_depositor_waits_for_the_silent);
    tcase_add_loop_test(way, test_depositor_offers_again_to_the_busy, 0, 4);
    tcase_add_loop_test(way, test_depositor_resumes_after_a_crash_in_any_phase,
                        0, 15);
    tcase_add_loop_test(way, test_depositor_run_again_fills_the_missing, 0, 4);
    tcase_add_loop_test(way, test_depositor_sets_aside_who_lost_bytes, 0, 4);
    tcase_add_loop_test(way, test_depositor_sets_aside_who_does_not_fit, 0, 9);
    tcase_add_loop_test(way, test_depositor_fails_with_an_old_journal, 0, 2);
    tcase_add_loop_test(
        way, test_depositor_cuts_off_given_up_cells_before_filling, 0, 8);
    suite_add_tcase(s, way);
    tcase_add_loop_test(
        faults, test_depositor_fills_what_was_lost_while_sealing, 0, 14);
    tcase_add_loop_test(faults, test_depositor_reconnects_to_fill_the_slow, 0,
                        4);
    tcase_add_loop_test(faults,
                        test_depositor_passes_over_what_cannot_be_filled, 0, 4);
    tcase_add_loop_test(faults, test_depositor_any_links_lost, 0, 10);
    tcase_add_loop_test(faults, test_depositor_any_crashes, 0, 10);
    tcase_add_loop_test(faults, test_depositor_any_history, 0, 20);
    tcase_add_loop_test(
        faults, test_depositor_goes_on_after_links_lost_in_any_phase, 0, 8);
    tcase_add_loop_test(faults, test_depositor_counts_nothing_false, 0, 4);
    tcase_add_test(faults, test_depositor_fails_when_too_many_are_false);
    tcase_add_loop_test(faults, test_depositor_names_who_holds_other_bytes, 0,
                        4);
    tcase_add_loop_test(faults, test_depositor_needs_t_and_f_acknowledgements,
                        0, 2);
    tcase_add_loop_test(faults, test_depositor_reads_back_while_it_deals, 0, 8);
    tcase_add_loop_test(faults,
                        test_depositor_reads_back_from_all_with_receipts, 0, 8);
    tcase_add_loop_test(faults, test_depositor_does_not_read_back_for_nothing,
                        0, 8);
    tcase_add_loop_test(faults, test_depositor_closes_on_garbage, 0, 4);
    tcase_add_loop_test(faults, test_depositor_takes_only_answers_to_its_offers,
                        0, 4);
    tcase_add_test(faults, test_depositor_fails_with_its_jobs);
    suite_add_tcase(s, faults);
    tcase_add_loop_test(feeds, test_depositor_reads_feeds_with_care, 0, 4);
    tcase_add_loop_test(feeds, test_depositor_serves_its_own_feed, 0, 4);
    tcase_add_test(feeds, test_depositor_serves_nothing_else);
    tcase_add_loop_test(feeds, test_depositor_looks_back_in_feeds, 0, 7);
    tcase_add_loop_test(feeds, test_depositor_stops_when_its_store_is_old, 0,
                        4);
    tcase_add_loop_test(feeds, test_depositor_believes_no_claim_about_its_feed,
                        0, 4);
    tcase_add_loop_test(feeds, test_depositor_goes_on_without_a_feed, 0, 4);
    tcase_add_loop_test(feeds, test_depositor_uses_the_newest_link, 0, 6);
    tcase_add_test(feeds, test_depositor_closes_links_of_strangers);
    tcase_add_test(feeds, test_depositor_wants_the_journal_of_its_manifest);
    tcase_add_test(feeds, test_depositor_refuses_a_damaged_store);
    tcase_add_test(feeds, test_depositor_new_checks_who_is_who);
    tcase_add_test(feeds, test_depositor_job_bytes);
    tcase_add_test(feeds, test_depositor_has_room_for_the_largest);
    suite_add_tcase(s, feeds);
    return s;
}
