#include <stdlib.h>

#include "crypto/hash.h"
#include "replication/depositor/depositor.h"
#include "tests/suite.h"

#define STEWARDS 10U

static struct charter *charter;
static struct digest deposit, chosen[MANIFEST_SHARDS_MAX],
    got[MANIFEST_SHARDS_MAX];
static char text[MESSAGE_TEXT_MAX + 1];

static struct card *card(size_t i)
{
    return &charter->members[i].card;
}

static void name(char *out, const char *what, size_t i)
{
    size_t size = strlen(what);

    memcpy(out, what, size);
    out[size] = (char)('A' + i);
    out[size + 1] = '\0';
}

/* Ten stewards that have nothing in common, and a lab among them. */
static void start(void)
{
    charter = calloc(1, sizeof(*charter));
    ck_assert_ptr_nonnull(charter);
    charter->members_len = STEWARDS + 1;
    for (size_t i = 0; i <= STEWARDS; i++) {
        card(i)->role = i == 5 ? CARD_LAB : CARD_STEWARD;
        memset(card(i)->id.bytes, (int)(i + 1), DIGEST_SIZE);
        name(card(i)->name, "Steward", i);
        name(card(i)->organisation, "Org", i);
        name(card(i)->jurisdiction, "J", i);
        name(card(i)->provider, "P", i);
    }
    memset(&deposit, 3, sizeof(deposit));
    memset(text, 'x', sizeof(text));
    text[MESSAGE_TEXT_MAX] = '\0';
}

static void stop(void)
{
    free(charter);
}

/* n = 7, k = 4, t = 4: f = 2, so no more than 3 in one place. */
static int place(size_t chosen_len)
{
    return depositor_place(charter, &deposit, chosen_len > 0 ? chosen : NULL,
                           chosen_len, 4, 7, 4, got, text);
}

static void choose(size_t i, size_t member)
{
    chosen[i] = card(member)->id;
}

static void choose_seven(void)
{
    static const size_t members[] = {9, 0, 4, 2, 7, 1, 3};

    for (size_t i = 0; i < 7; i++) {
        choose(i, members[i]);
    }
}

static void refused(int rv, int status, const char *words)
{
    ck_assert_int_eq(rv, status);
    ck_assert_msg(strstr(text, words) != NULL, "\"%s\" is not in \"%s\"", words,
                  text);
}

static void score(const struct digest *id, struct digest *out)
{
    TH256(out, "rendezvous", digest_slice(&deposit), digest_slice(id));
}

/* Nobody chosen: the first seven stewards by rendezvous, in that order, and
 * others for another deposit. */
START_TEST(test_place_takes_the_first_by_rendezvous)
{
    struct digest before = {.bytes = {0}}, s, last;
    struct digest first[7];
    unsigned lower = 0;

    ck_assert_int_eq(place(0), OK);
    ck_assert_str_eq(text, "");
    memcpy(first, got, sizeof(first));
    for (size_t i = 0; i < 7; i++) {
        ck_assert_ptr_nonnull(charter_steward(charter, &got[i]));
        score(&got[i], &s);
        ck_assert(i == 0 || memcmp(before.bytes, s.bytes, DIGEST_SIZE) < 0);
        before = s;
    }
    last = before;
    for (size_t i = 0; i <= STEWARDS; i++) {
        score(&card(i)->id, &s);
        lower += i != 5 && memcmp(s.bytes, last.bytes, DIGEST_SIZE) <= 0;
    }
    ck_assert_uint_eq(lower, 7);
    deposit.bytes[0]++;
    ck_assert_int_eq(place(0), OK);
    ck_assert_mem_ne(first, got, sizeof(first));
}
END_TEST

/* Those who were chosen get the columns in the order of choosing. */
START_TEST(test_place_keeps_the_order_of_choosing)
{
    choose_seven();
    ck_assert_int_eq(place(7), OK);
    ck_assert_mem_eq(got, chosen, (size_t)7 * DIGEST_SIZE);
}
END_TEST

/* Too few stewards, too few or too many chosen, and one that is none. */
START_TEST(test_place_needs_stewards)
{
    choose_seven();
    refused(place(6), ERR_NOTFOUND, "6 stewards were chosen for 7 shards");
    choose(7, 6);
    refused(place(8), ERR_BAD, "8 stewards were chosen for 7");
    choose(2, 5);
    refused(place(7), ERR_NOTFOUND, "shard 2 is no steward");
    charter->members_len = 7;
    refused(place(0), ERR_NOTFOUND, "has 6 stewards, and 7 shards");
}
END_TEST

/* One steward has one shard of a deposit. */
START_TEST(test_place_refuses_a_steward_twice)
{
    choose_seven();
    chosen[6] = chosen[1];
    refused(place(7), ERR_DENIED, "\"StewardA\" was chosen twice");
}
END_TEST

/* One organisation has one, too, whatever the charter allows. */
START_TEST(test_place_refuses_an_organisation_twice)
{
    choose_seven();
    memcpy(card(4)->organisation, card(9)->organisation, 5);
    charter->flags =
        CHARTER_FLAG_SAME_JURISDICTION | CHARTER_FLAG_SAME_PROVIDER;
    refused(place(7), ERR_DENIED, "\"OrgJ\" would have two");
}
END_TEST

/* A jurisdiction may have three of seven, and a fourth only by the charter. */
START_TEST(test_place_bounds_a_jurisdiction)
{
    choose_seven();
    for (size_t i = 0; i < 3; i++) {
        memcpy(card(i)->jurisdiction, "NL", 3);
    }
    ck_assert_int_eq(place(7), OK);
    memcpy(card(3)->jurisdiction, "NL", 3);
    refused(place(7), ERR_DENIED,
            "the jurisdiction \"NL\" would have more "
            "than 3 of the shards");
    charter->flags = CHARTER_FLAG_SAME_PROVIDER;
    refused(place(7), ERR_DENIED, "jurisdiction");
    charter->flags = CHARTER_FLAG_SAME_JURISDICTION;
    ck_assert_int_eq(place(7), OK);
}
END_TEST

/* Likewise a provider; those who name none have none in common. */
START_TEST(test_place_bounds_a_provider)
{
    choose_seven();
    for (size_t i = 0; i <= STEWARDS; i++) {
        card(i)->provider[0] = '\0';
    }
    ck_assert_int_eq(place(7), OK);
    for (size_t i = 0; i < 4; i++) {
        memcpy(card(i)->provider, "Cloud", 6);
    }
    refused(place(7), ERR_DENIED, "the provider \"Cloud\"");
    charter->flags = CHARTER_FLAG_SAME_JURISDICTION;
    refused(place(7), ERR_DENIED, "provider");
    charter->flags = CHARTER_FLAG_SAME_PROVIDER;
    ck_assert_int_eq(place(7), OK);
}
END_TEST

/* Fewer than open the deposit: with t = 3 two are the most. */
START_TEST(test_place_bounds_key_shares)
{
    choose_seven();
    for (size_t i = 0; i < 3; i++) {
        memcpy(card(i)->jurisdiction, "NL", 3);
    }
    refused(depositor_place(charter, &deposit, chosen, 7, 4, 7, 3, got, text),
            ERR_DENIED, "more than 2 of the shards");
}
END_TEST

/* Nobody chosen: whoever would break a rule is passed over for the next, as
 * long as there are enough. */
START_TEST(test_place_passes_over_whom_the_rules_forbid)
{
    unsigned same = 0;

    for (size_t i = 0; i < 4; i++) {
        memcpy(card(i)->organisation, "One", 4);
    }
    ck_assert_int_eq(place(0), OK);
    for (size_t i = 0; i < 7; i++) {
        same +=
            strcmp(charter_steward(charter, &got[i])->organisation, "One") == 0;
    }
    ck_assert_uint_eq(same, 1);
    memcpy(card(4)->organisation, "One", 4);
    refused(place(0), ERR_DENIED, "\"One\" would have two");
}
END_TEST

/* Codes that do not outlive their faulty stewards, or that those could open. */
START_TEST(test_place_refuses_unwise_codes)
{
    static const struct {
        uint16_t k, n, t;
        int status;
    } codes[] = {
        {4, 7, 5, OK},         {5, 7, 3, ERR_DENIED}, {4, 7, 6, ERR_DENIED},
        {4, 7, 2, ERR_DENIED}, {4, 7, 0, ERR_BAD},    {0, 7, 3, ERR_BAD},
        {7, 7, 3, ERR_BAD},    {4, 65, 30, ERR_BAD},  {1, 2, 1, ERR_DENIED},
        {1, 3, 3, OK},         {4, 7, 8, ERR_BAD},
    };

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        int rv = depositor_place(charter, &deposit, NULL, 0, codes[i].k,
                                 codes[i].n, codes[i].t, got, text);

        if (i == 8) {
            continue; /* Below. */
        }
        ck_assert_msg(rv == codes[i].status, "code %zu: %d", i, rv);
        ck_assert((text[0] == '\0') == (rv == OK));
    }
    /* With two stewards a place may have no share at all: t - 1 = 0. */
    ck_assert_int_eq(
        depositor_place(charter, &deposit, NULL, 0, 1, 2, 1, got, text),
        ERR_DENIED);
    refused(depositor_place(charter, &deposit, NULL, 0, 5, 7, 3, got, text),
            ERR_DENIED,
            "2 of which may be faulty, k is at most 4 and t from "
            "3 to 5");
}
END_TEST

/* Names of any length fit the text, cut off between two characters. */
START_TEST(test_place_cuts_long_words)
{
    choose_seven();
    for (size_t i = 0; i < 4; i++) {
        memset(card(i)->provider, 0, sizeof(card(i)->provider));
        for (size_t j = 0; j + 1 < CARD_NAME_MAX; j += 2) {
            memcpy(card(i)->provider + j, "\xc3\xbc", 2);
        }
    }
    refused(place(7), ERR_DENIED, "the provider");
    ck_assert_uint_le(strlen(text), MESSAGE_TEXT_MAX);
    ck_assert_uint_ge(strlen(text), 200);
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("place");
    TCase *tc = tcase_create("place");

    tcase_add_checked_fixture(tc, start, stop);
    tcase_add_test(tc, test_place_takes_the_first_by_rendezvous);
    tcase_add_test(tc, test_place_keeps_the_order_of_choosing);
    tcase_add_test(tc, test_place_needs_stewards);
    tcase_add_test(tc, test_place_refuses_a_steward_twice);
    tcase_add_test(tc, test_place_refuses_an_organisation_twice);
    tcase_add_test(tc, test_place_bounds_a_jurisdiction);
    tcase_add_test(tc, test_place_bounds_a_provider);
    tcase_add_test(tc, test_place_bounds_key_shares);
    tcase_add_test(tc, test_place_passes_over_whom_the_rules_forbid);
    tcase_add_test(tc, test_place_refuses_unwise_codes);
    tcase_add_test(tc, test_place_cuts_long_words);
    suite_add_tcase(s, tc);
    return s;
}
