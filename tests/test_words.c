#include "protocol/words.h"
#include "tests/suite.h"

/* Texts, numbers and digests stand one after the other. */
START_TEST(test_words_join)
{
    char out[128];
    struct words w;
    struct digest d;

    memset(d.bytes, 0x0f, sizeof(d.bytes));
    d.bytes[0] = 0xa5;
    words_init(&w, out, sizeof(out));
    ck_assert_str_eq(out, "");
    words_add(&w, "of ");
    words_number(&w, 0);
    words_add(&w, " and ");
    words_number(&w, UINT64_MAX);
    ck_assert_str_eq(out, "of 0 and 18446744073709551615");
    ck_assert_uint_eq(w.len, strlen(out));
    words_init(&w, out, sizeof(out));
    words_hex(&w, &d);
    ck_assert_uint_eq(w.len, (size_t)2 * DIGEST_SIZE);
    ck_assert_int_eq(strncmp(out, "a50f0f", 6), 0);
    ck_assert(!w.cut);
}
END_TEST

/* Whatever the room, the text ends between two characters, and nothing follows
 * what was cut off. */
START_TEST(test_words_cut)
{
    static const char text[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x92\xa9";
    static const size_t ends[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6};
    char out[sizeof(text)];
    struct words w;

    for (size_t room = 0; room < sizeof(text) - 1; room++) {
        memset(out, 'x', sizeof(out));
        words_init(&w, out, room + 1);
        words_add(&w, text);
        words_add(&w, "z");
        ck_assert(w.cut);
        ck_assert_uint_eq(w.len, ends[room]);
        ck_assert_mem_eq(out, text, ends[room]);
        ck_assert_int_eq(out[ends[room]], '\0');
        ck_assert_int_eq(out[room + 1], 'x');
    }
    words_init(&w, out, sizeof(out));
    words_add(&w, text);
    ck_assert_str_eq(out, text);
    ck_assert(!w.cut);
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("words");
    TCase *tc = tcase_create("words");

    tcase_add_test(tc, test_words_join);
    tcase_add_test(tc, test_words_cut);
    suite_add_tcase(s, tc);
    return s;
}
