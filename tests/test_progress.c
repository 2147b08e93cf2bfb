#include <limits.h>
#include <signal.h>

#include "node/cli/cli.h"
#include "node/cli/progress.h"
#include "tests/scratch.h"

#define MIB ((uint64_t)1 << 20)

static struct progress bar;
static char err[16384];
static int old_err;

/* Begin work of |total| bytes with stderr in a file. */
static void start(const char *style, uint64_t total)
{
    static struct cli c;

    c = (struct cli){.progress = style};
    (void)fflush(stderr);
    old_err = dup(STDERR_FILENO);
    ck_assert_ptr_nonnull(freopen(scratch_path("err"), "w", stderr));
    progress_start(&bar, &c, "sealing", total);
}

/* Let time pass: the bar's own memory of when things were moves back. */
static void pass(uint64_t ms)
{
    bar.start_ms -= ms;
    bar.shown_ms -= ms;
    bar.rate_ms -= ms;
}

/* What was printed since the start. */
static const char *printed(void)
{
    (void)fflush(stderr);
    scratch_get("err", err, sizeof(err));
    return err;
}

static void ck_assert_printed(const char *words)
{
    ck_assert_msg(strstr(printed(), words) != NULL, "'%s' is not in '%s'",
                  words, err);
}

static unsigned lines(void)
{
    unsigned count = 0;

    for (const char *at = printed(); *at != '\0'; at++) {
        count += *at == '\n' ? 1 : 0;
    }
    return count;
}

static void finish(bool ok)
{
    progress_end(&bar, ok);
    (void)fflush(stderr);
    ck_assert_int_eq(dup2(old_err, STDERR_FILENO), STDERR_FILENO);
    close(old_err);
}

/* Without a terminal there is a line a minute, and one at the end. */
START_TEST(test_progress_plain)
{
    start("auto", 1000 * MIB);
    for (uint64_t second = 1; second <= 125; second++) {
        pass(1000);
        progress_update(&bar, second * 4 * MIB, "7 of 7\033 stewards");
        ck_assert_uint_eq(lines(), second / 60);
    }
    ck_assert_printed("sealing: 24 %, 240.0 MiB of 1000.0 MiB, ");
    ck_assert_printed(", ETA 3 min ");
    ck_assert_printed(", 7 of 7? stewards\n");
    finish(true);
    ck_assert_uint_eq(lines(), 3);
    ck_assert_printed("sealing: done, 500.0 MiB in 2 min 05 s, ");
    ck_assert_printed(" on average\n");
}
END_TEST

/* The rate follows a change within its half minute; nobody guesses an ETA
 * before there is a rate, or for work that stands still. */
START_TEST(test_progress_rate)
{
    uint64_t done = 0;

    start("none", 1000 * MIB);
    ck_assert_uint_eq((uint64_t)bar.rate, 0);
    for (unsigned second = 0; second < 60; second++) {
        pass(1000);
        done += 10 * MIB;
        progress_update(&bar, done, NULL);
        ck_assert_uint_ge((uint64_t)bar.rate, 9 * MIB);
        ck_assert_uint_le((uint64_t)bar.rate, 10 * MIB);
    }
    for (unsigned second = 0; second < 30; second++) {
        pass(1000);
        progress_update(&bar, done, NULL);
    }
    ck_assert_uint_eq((uint64_t)bar.current, 0);
    ck_assert_uint_ge((uint64_t)bar.rate, 3 * MIB);
    ck_assert_uint_le((uint64_t)bar.rate, 4 * MIB);
    /* Going back is no progress, and no error. */
    pass(1000);
    progress_update(&bar, 0, NULL);
    ck_assert_uint_eq((uint64_t)bar.current, 0);
    finish(true);
    ck_assert_str_eq(printed(), "");
}
END_TEST

/* With --progress=json there is an object a second, each on its line. */
START_TEST(test_progress_json)
{
    static const char *const states[] = {"running", "running", "stopped"};
    const char *at;
    json_t *o;

    start("json", 100);
    progress_update(&bar, 5, NULL);
    pass(1000);
    progress_update(&bar, 10, NULL);
    progress_update(&bar, 20, NULL);
    pass(1000);
    progress_update(&bar, UINT64_MAX, "evil \xff");
    finish(false);
    ck_assert_uint_eq(lines(), 3);
    at = printed();
    for (size_t i = 0; i < 3; i++) {
        o = json_loads(at, JSON_DISABLE_EOF_CHECK, NULL);
        ck_assert_ptr_nonnull(o);
        ck_assert_str_eq(json_string_value(json_object_get(o, "schema")),
                         "cairn.progress/1");
        ck_assert_str_eq(json_string_value(json_object_get(o, "state")),
                         states[i]);
        ck_assert_int_eq(json_integer_value(json_object_get(o, "total")), 100);
        ck_assert_int_ge(json_integer_value(json_object_get(o, "rate")), 0);
        if (i == 1) {
            ck_assert_str_eq(json_string_value(json_object_get(o, "note")),
                             "evil ?");
        }
        json_decref(o);
        at = strchr(at, '\n') + 1;
    }
}
END_TEST

/* On a terminal the bar redraws its line, and goes away at the end and when
 * something else is to be said. */
START_TEST(test_progress_tty)
{
    struct cli c = {.program = "cairn"};

    start("tty", 200 * MIB);
    progress_update(&bar, 0, NULL);
    ck_assert_str_eq(printed(), "");
    pass(200);
    progress_update(&bar, 50 * MIB, NULL);
    ck_assert_str_eq(printed(),
                     "\rsealing [#####...............] 25 %, 50.0 MiB of "
                     "200.0 MiB, ETA --\033[K");
    cli_note(&c, "left out: x");
    ck_assert_printed("ETA --\033[K\r\033[Kleft out: x\n");
    pass(2000);
    progress_update(&bar, 100 * MIB,
                    "a note \xc3\xa9 that is too long for the line of the "
                    "terminal \xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9");
    ck_assert_printed("[##########..........] 50 %");
    ck_assert_uint_le(strlen(strrchr(printed(), '\r')), 80 + 4);
    finish(true);
    ck_assert_printed("\r\033[Ksealing: done, 100.0 MiB in 2 s, ");
}
END_TEST

/* Work of unknown size, too much, or stopped has its words too. */
START_TEST(test_progress_corners)
{
    start("plain", 0);
    pass(60000);
    progress_update(&bar, 6 * MIB, NULL);
    ck_assert_printed("sealing: 6.0 MiB, 102.3 KiB/s (30 s: 102.3 KiB/s)\n");
    finish(false);
    ck_assert_printed("sealing: stopped at 6.0 MiB in 1 min 00 s");
    start("plain", 10);
    pass(60000);
    progress_update(&bar, 20, NULL);
    ck_assert_printed("sealing: 100 %, 20 B of 10 B, ");
    ck_assert_printed("ETA --\n");
    finish(false);
    ck_assert_printed("sealing: stopped at 100 %, 20 B of 10 B in ");
    start("plain", UINT64_MAX / 2);
    pass(60000);
    progress_update(&bar, 120, NULL);
    ck_assert_printed("ETA --\n"); /* Not in this universe. */
    finish(true);
}
END_TEST

/* SIGUSR1 is answered with one line, even with --progress=none. */
START_TEST(test_progress_signal)
{
    start("none", 100);
    ck_assert_int_eq(raise(SIGUSR1), 0);
    ck_assert_str_eq(printed(), "");
    progress_update(&bar, 50, NULL);
    progress_update(&bar, 60, NULL);
    ck_assert_str_eq(printed(), "sealing: 50 %, 50 B of 100 B, ETA --\n");
    finish(true);
    ck_assert_uint_eq(lines(), 1);
    start("json", 100);
    ck_assert_int_eq(raise(SIGUSR1), 0);
    progress_update(&bar, 50, NULL);
    ck_assert_printed("{\"schema\":\"cairn.progress/1\",");
    finish(true);
}
END_TEST

/* Quantities in words. */
START_TEST(test_text_words)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } sizes[] = {
        {0, "0 B"},
        {1023, "1023 B"},
        {1024, "1.0 KiB"},
        {1434, "1.4 KiB"},
        {MIB - 1, "1023.9 KiB"},
        {MIB, "1.0 MiB"},
        {3 * (MIB << 10) / 2, "1.5 GiB"},
        {MIB << 20, "1.0 TiB"},
        {UINT64_MAX, "15.9 EiB"},
    };
    static const struct {
        uint64_t seconds;
        const char *text;
    } times[] = {
        {0, "0 s"},
        {59, "59 s"},
        {60, "1 min 00 s"},
        {3599, "59 min 59 s"},
        {3600, "1 h 00 min"},
        {7380, "2 h 03 min"},
        {86399, "23 h 59 min"},
        {86400, "1 d 00 h"},
        {UINT64_MAX, "213503982334601 d 07 h"},
    };
    char out[TEXT_SIZE];

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        ck_assert_str_eq(text_size(out, sizes[i].bytes), sizes[i].text);
    }
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        ck_assert_str_eq(text_duration(out, times[i].seconds), times[i].text);
    }
    ck_assert_str_eq(text_time(out, 0), "1970-01-01T00:00:00Z");
    ck_assert_str_eq(text_time(out, 951782400), "2000-02-29T00:00:00Z");
    ck_assert_str_eq(text_time(out, 253402300799), "9999-12-31T23:59:59Z");
    ck_assert_str_eq(text_time(out, 253402300800), "@253402300800");
    ck_assert_str_eq(text_time(out, UINT64_MAX), "@18446744073709551615");
}
END_TEST

/* Hex goes there and back, and nothing else is hex. */
START_TEST(test_text_hex)
{
    static const char *const bad[] = {"",        "00fF1",  "00fF1g", "00fF123",
                                      "00fF1 2", " 0fF12", "0x0fF1", "00fF1\n"};
    const uint8_t bytes[3] = {0x00, 0xff, 0x12};
    uint8_t got[3] = {7, 7, 7};
    char out[7];

    ck_assert_str_eq(text_hex(out, bytes, 3), "00ff12");
    ck_assert_str_eq(text_hex(out, bytes, 0), "");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert(!text_hex_read(bad[i], got, 3));
        ck_assert_uint_eq(got[0], 7);
    }
    ck_assert(text_hex_read("00fF12", got, 3));
    ck_assert_bytes_eq(got, bytes, 3);
    ck_assert(text_hex_read("", got, 0));
}
END_TEST

/* Plain text stays as it is; every other byte becomes a question mark. */
START_TEST(test_text_clean)
{
    static const struct {
        const char *from, *to;
    } cases[] = {
        {"", ""},
        {"plain ~", "plain ~"},
        {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x92\xa9", /* e acute, euro, emoji */
         "\xc3\xa9\xe2\x82\xac\xf0\x9f\x92\xa9"},
        {"a\nb\tc\x1b[0m\x7f", "a?b?c?[0m?"},
        {"\xc2\x9b" /* CSI */ "31m", "??31m"},
        {"\xff\xc3", "??"},
        {"\xe2\x82", "??"},
        {"\xed\xa0\x80", "???"},
    };
    char text[32];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        (void)snprintf(text, sizeof(text), "%s", cases[i].from);
        text_clean(text);
        ck_assert_str_eq(text, cases[i].to);
    }
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("progress");
    TCase *tc = tcase_create("progress");
    TCase *text = tcase_create("text");

    tcase_add_checked_fixture(tc, scratch_make, scratch_remove);
    tcase_add_test(tc, test_progress_plain);
    tcase_add_test(tc, test_progress_rate);
    tcase_add_test(tc, test_progress_json);
    tcase_add_test(tc, test_progress_tty);
    tcase_add_test(tc, test_progress_corners);
    tcase_add_test(tc, test_progress_signal);
    suite_add_tcase(s, tc);
    tcase_add_test(text, test_text_words);
    tcase_add_test(text, test_text_hex);
    tcase_add_test(text, test_text_clean);
    suite_add_tcase(s, text);
    return s;
}
