#include "protocol/text.h"
#include "tests/suite.h"

#define TEXT(s) slice_of((s), sizeof(s) - 1)

/* The first and last characters of each length pass, and so does no text. */
START_TEST(test_text_utf8)
{
    ck_assert(text_is_valid(TEXT("")));
    ck_assert(text_is_valid(TEXT("\x01 a~\x7f")));
    ck_assert(text_is_valid(TEXT("\xc2\x80\xdf\xbf")));
    ck_assert(text_is_valid(TEXT("\xe0\xa0\x80\xef\xbf\xbf")));
    ck_assert(text_is_valid(TEXT("\xed\x9f\xbf\xee\x80\x80")));
    ck_assert(text_is_valid(TEXT("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf")));
}
END_TEST

/* NUL, overlong forms, surrogates, what is above U+10FFFF, stray and missing
 * continuation bytes are no text. */
START_TEST(test_text_not_utf8)
{
    ck_assert(!text_is_valid(TEXT("a\0b")));
    ck_assert(!text_is_valid(TEXT("\x80")));
    ck_assert(!text_is_valid(TEXT("\xbf")));
    ck_assert(!text_is_valid(TEXT("\xc0\x80")));
    ck_assert(!text_is_valid(TEXT("\xc1\xbf")));
    ck_assert(!text_is_valid(TEXT("\xe0\x9f\xbf")));
    ck_assert(!text_is_valid(TEXT("\xed\xa0\x80")));
    ck_assert(!text_is_valid(TEXT("\xf0\x8f\xbf\xbf")));
    ck_assert(!text_is_valid(TEXT("\xf4\x90\x80\x80")));
    ck_assert(!text_is_valid(TEXT("\xf5\x80\x80\x80")));
    ck_assert(!text_is_valid(TEXT("\xff")));
    ck_assert(!text_is_valid(TEXT("\xc3(")));
    ck_assert(!text_is_valid(TEXT("\xe2\x82(")));
    ck_assert(!text_is_valid(TEXT("\xf0\x9f\x92(")));
    ck_assert(!text_is_valid(TEXT("\xf0\x9f(\xa9")));
    ck_assert(!text_is_valid(TEXT("\xe2\x82\xc0")));
    ck_assert(!text_is_valid(TEXT("\xf0\x9f\x92\xff")));
    ck_assert(!text_is_valid(TEXT("\xc3")));
    ck_assert(!text_is_valid(TEXT("\xe2\x82")));
    ck_assert(!text_is_valid(TEXT("\xf0\x9f\x92")));
}
END_TEST

static bool is_as_it_should(uint32_t c)
{
    bool control = c < 0x20 || (c >= 0x7f && c < 0xa0);
    bool surrogate = c >= 0xd800 && c < 0xe000;
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    uint8_t b[4];

    for (size_t i = n - 1; i > 0; i--) {
        b[i] = (uint8_t)(0x80 | ((c >> (6 * (n - 1 - i))) & 0x3f));
    }
    b[0] = (uint8_t)(c >> (6 * (n - 1)));
    if (n > 1) {
        b[0] |= (uint8_t)(0xf0 << (4 - n));
    }
    return text_is_valid(slice_of(b, n)) == !surrogate &&
           text_is_plain(slice_of(b, n)) == (!surrogate && !control) &&
           (n == 1 || !text_is_valid(slice_of(b, n - 1)));
}

/* Every scalar value has one encoding, whole, and of the controls none is
 * plain. */
START_TEST(test_text_every_character)
{
    for (uint32_t c = 1; c <= 0x10ffff; c++) {
        if (!is_as_it_should(c)) {
            ck_abort_msg("U+%04X", (unsigned)c);
        }
    }
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("text");
    TCase *tc = tcase_create("text");

    tcase_add_test(tc, test_text_utf8);
    tcase_add_test(tc, test_text_not_utf8);
    tcase_add_test(tc, test_text_every_character);
    suite_add_tcase(s, tc);
    return s;
}
