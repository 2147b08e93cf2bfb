#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

#define SEGMENT         ((size_t)1 << 20)
#define STREAM_SEGMENTS 12U
#include "tests/target_world.h"

/* Files that are large enough to be written past the page cache and hashed by
 * another thread, and what lies between them. */

#define PAGE ((size_t)4096)

/* In the order of their names, as a catalogue has them. */
static const struct entry large[] = {
    {"a", 3 * SEGMENT, 0644}, /* Whole segments, from the beginning. */
    {"b", 2 * SEGMENT + 1, 0600},    {"c", 2 * SEGMENT + PAGE, 0644},
    {"d", SEGMENT - PAGE - 1, 0644}, /* Ends with a segment. */
    {"e", SEGMENT + 777, 0755},
};
#define LARGE_LEN (sizeof(large) / sizeof(large[0]))

static void large_restored(void)
{
    for (size_t i = 0; i < LARGE_LEN; i++) {
        restored("out", large, i);
    }
    no_parts();
}

/* Whole segments, and pieces that are aligned to nothing. */
START_TEST(test_target_large_files)
{
    model(large, LARGE_LEN);
    ck_assert_int_eq(plan(false), OK);
    ck_assert_int_eq(run(), OK);
    large_restored();
}
END_TEST

/* Where a file begins and ends within pages and segments does not matter. */
START_TEST(test_target_boundaries)
{
    static const size_t sizes[] = {1,           PAGE - 1,    PAGE,
                                   PAGE + 1,    SEGMENT - 1, SEGMENT,
                                   SEGMENT + 1, 2 * PAGE,    SEGMENT + PAGE,
                                   2 * SEGMENT, 3 * PAGE + 5};
    static const char *const names[] = {"a", "b", "c", "d", "e", "f",
                                        "g", "h", "i", "j", "k"};
    static struct entry odd[11];

    /* By as many bytes all of them are moved. */
    static const size_t shifts[] = {
        0, 1, PAGE - 1, PAGE, SEGMENT - PAGE, SEGMENT - 1};
    size_t shift = shifts[_i];
    size_t len = 0;

    if (shift > 0) {
        odd[len++] = (struct entry){"A", shift, 0644};
    }
    for (size_t i = 0; len < 11 && i < 11; i++) {
        odd[len++] = (struct entry){names[i], sizes[i], 0644};
    }
    model(odd, len);
    ck_assert_int_eq(plan(false), OK);
    ck_assert_int_eq(run(), OK);
    for (size_t i = 0; i < len; i++) {
        restored("out", odd, i);
    }
    no_parts();
}
END_TEST

/* Killed within a large file, whose space was taken in advance: the next run
 * begins it again. */
START_TEST(test_target_killed)
{
    model(large, LARGE_LEN);
    for (uint64_t stop = 1; stop < 8; stop += 3) {
        pid_t child = fork();
        int status = 0;

        if (child == 0) {
            int rv = plan(false);

            for (uint64_t i = 0; i < stop && rv == OK; i++) {
                rv = take(i);
            }
            _exit(rv == OK ? 0 : 1); /* Nothing is closed. */
        }
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert_int_eq(status, 0);
        ck_assert(is_there("out/a") == (stop >= 3));
        ck_assert(is_there(stop < 3   ? "out/.cairn-part-0"
                           : stop < 5 ? "out/.cairn-part-1"
                                      : "out/.cairn-part-2"));
        ck_assert_int_eq(plan(false), OK);
        ck_assert_int_eq(run(), OK);
        large_restored();
        for (size_t i = 0; i < LARGE_LEN; i++) {
            char name[32];

            (void)snprintf(name, sizeof(name), "out/%s", large[i].path);
            ck_assert_int_eq(unlink(scratch_path(name)), 0);
        }
    }
}
END_TEST

/* Wrong bytes are found wherever they are. */
START_TEST(test_target_large_wrong_bytes)
{
    static const size_t at[] = {0, SEGMENT, 3 * SEGMENT - 1};

    model(large, LARGE_LEN);
    for (size_t i = 0; i < 3; i++) {
        stream[at[i]] ^= 1;
        ck_assert_int_eq(plan(false), OK);
        ck_assert_int_eq(run(), ERR_MISMATCH);
        ck_assert_ptr_nonnull(strstr(errmsg, "SHA-256"));
        ck_assert(!is_there("out/a"));
        no_parts();
        stream[at[i]] ^= 1;
    }
}
END_TEST

/* No room for a large file: said before its first byte, in the same words, and
 * what is complete stays. */
START_TEST(test_target_large_full_disk)
{
    model(large, LARGE_LEN);
    ck_assert_int_eq(mkdir(out, 0700), 0);
    /* In a namespace that goes with the process of this test. */
    if (unshare(CLONE_NEWNS) != 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", out, "tmpfs", 0, "size=4m") != 0) {
        return;
    }
    ck_assert_int_eq(plan(false), OK);
    for (uint64_t i = 0; i < 3; i++) {
        ck_assert_int_eq(take(i), OK);
    }
    ck_assert_int_eq(take(3), ERR_FULL); /* There is room for half of `b`. */
    ck_assert_str_eq(errmsg, "write 'b': No space left on device; free space "
                             "and run it again");
    target_close(&t);
    restored("out", large, 0);
    no_parts();
    ck_assert_int_eq(mount("", out, "", MS_REMOUNT, "size=16m"), 0);
    ck_assert_int_eq(plan(false), OK);
    ck_assert_int_eq(run(), OK);
    large_restored();
    (void)umount2(out, MNT_DETACH);
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("target_large");
    TCase *tc = tcase_create("target_large");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_target_large_files);
    tcase_add_loop_test(tc, test_target_boundaries, 0, 6);
    tcase_add_test(tc, test_target_killed);
    tcase_add_test(tc, test_target_large_wrong_bytes);
    tcase_add_test(tc, test_target_large_full_disk);
    suite_add_tcase(s, tc);
    return s;
}
