#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "tests/target_world.h"

/* What cannot be synced. */
static ino_t unsyncable;

int fsync(int fd)
{
    struct stat st;

    if (fstat(fd, &st) != 0 || st.st_ino == unsyncable) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fsync, fd);
}

static const struct entry files[] = {
    {"a", 70000, 0644}, {"b/c/deep", 150000, 0600}, {"b/d", 0, 0644},
    {"b/e", 5, 0755},   {"z", 100, 0640},
};
#define FILES_LEN (sizeof(files) / sizeof(files[0]))

static void all_restored(void)
{
    for (size_t i = 0; i < FILES_LEN; i++) {
        restored("out", files, i);
    }
}

/* All files come out whole, with their modes, in folders that others may
 * enter; again, there is nothing left to do. */
START_TEST(test_target_restores)
{
    uint64_t wanted[8];
    struct stat st;

    model(files, FILES_LEN);
    ck_assert_int_eq(plan(false), OK);
    ck_assert_uint_eq(target_segments(&t, wanted, 4), 4);
    ck_assert_int_eq(run(), OK);
    all_restored();
    no_parts();
    ck_assert_int_eq(stat(scratch_path("out/b/c"), &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0755);
    ck_assert_int_eq(plan(false), OK);
    ck_assert_uint_eq(target_segments(&t, wanted, 4), 0);
    ck_assert_int_eq(run(), OK);
}
END_TEST

/* What an earlier run left was perhaps not synced before it was killed: it is
 * now, or the run fails. */
START_TEST(test_target_makes_durable_what_it_finds)
{
    static const char *const names[] = {"out/b/c", "out/a"};
    struct stat st;

    model(files, FILES_LEN);
    ck_assert_int_eq(plan(false), OK);
    ck_assert_int_eq(run(), OK);
    for (size_t i = 0; i < 2; i++) {
        ck_assert_int_eq(stat(scratch_path(names[i]), &st), 0);
        unsyncable = st.st_ino;
        ck_assert_int_eq(plan(false), ERR_IO);
    }
    unsyncable = 0;
    ck_assert_int_eq(plan(false), OK);
    ck_assert_int_eq(run(), OK);
}
END_TEST

/* Interrupted after any segment, the next run does what is left, and a file
 * that was begun is not kept. */
START_TEST(test_target_resumes)
{
    model(files, FILES_LEN);
    for (uint64_t stop = 0; stop < 4; stop++) {
        ck_assert_int_eq(plan(false), OK);
        for (uint64_t i = 0; i < stop; i++) {
            ck_assert_int_eq(take(i), OK);
        }
        target_close(&t);
        no_parts();
        ck_assert(!is_there("out/z"));
        ck_assert(is_there("out/a") == (stop >= 2));
        ck_assert_int_eq(plan(false), OK);
        ck_assert_int_eq(run(), OK);
        all_restored();
        ck_assert_int_eq(unlink(scratch_path("out/a")), 0);
        ck_assert_int_eq(unlink(scratch_path("out/b/c/deep")), 0);
        ck_assert_int_eq(unlink(scratch_path("out/z")), 0);
    }
}
END_TEST

/* What a killed run left under a temporary name is taken up by the next one,
 * also when that restores something else as well. */
START_TEST(test_target_leftovers_go)
{
    const char *only[] = {"b/c"};
    pid_t child;

    model(files, FILES_LEN);
    child = fork();
    if (child == 0) {
        if (plan_only(false, only, 1) != OK || take(1) != OK) {
            _exit(1);
        }
        _exit(0); /* As if killed: nothing is closed. */
    }
    ck_assert_int_eq(waitpid(child, &(int){0}, 0), child);
    ck_assert(is_there("out/b/c/.cairn-part-1"));
    ck_assert_int_eq(plan(false), OK);
    ck_assert_int_eq(run(), OK);
    all_restored();
    no_parts();
}
END_TEST

/* Only what was asked for; a wish that fits nothing is an error by name. */
START_TEST(test_target_only)
{
    const char *some[] = {"b/", "z"};
    const char *wrong[] = {"b", "b/x"};
    uint64_t wanted[8];

    model(files, FILES_LEN);
    ck_assert_int_eq(plan_only(false, wrong, 2), ERR_NOTFOUND);
    ck_assert_ptr_nonnull(strstr(errmsg, "b/x"));
    ck_assert_int_eq(plan_only(false, (const char *[]){"b/c/dee"}, 1),
                     ERR_NOTFOUND);
    ck_assert_int_eq(plan_only(false, (const char *[]){""}, 1), ERR_NOTFOUND);
    ck_assert_int_eq(plan_only(false, some, 2), OK);
    ck_assert_uint_eq(target_segments(&t, wanted, 4), 3);
    ck_assert_uint_eq(wanted[0], 1);
    ck_assert_int_eq(run(), OK);
    ck_assert(!is_there("out/a"));
    for (size_t i = 1; i < FILES_LEN; i++) {
        restored("out", files, i);
    }
}
END_TEST

/* What is there and differs is kept unless --force; whatever it is. */
START_TEST(test_target_existing)
{
    char text[16];

    model(files, FILES_LEN);
    ck_assert_int_eq(mkdir(out, 0700), 0);
    scratch_put("out/z", "mine", 0600);
    ck_assert_int_eq(plan(false), ERR_EXISTS);
    ck_assert_ptr_nonnull(strstr(errmsg, "out/z"));
    scratch_get("out/z", text, sizeof(text));
    ck_assert_str_eq(text, "mine");
    ck_assert_int_eq(plan(true), OK);
    ck_assert_int_eq(run(), OK);
    all_restored();
    ck_assert_int_eq(unlink(scratch_path("out/z")), 0);
    ck_assert_int_eq(mkdir(scratch_path("out/z"), 0700), 0);
    ck_assert_int_eq(plan(true), ERR_EXISTS);
    ck_assert_int_eq(rmdir(scratch_path("out/z")), 0);
    ck_assert_int_eq(mkfifo(scratch_path("out/z"), 0600), 0);
    ck_assert_int_eq(plan(true), ERR_EXISTS);
    ck_assert_int_eq(unlink(scratch_path("out/z")), 0);
    ck_assert_int_eq(symlink("a", scratch_path("out/z")), 0);
    ck_assert_int_eq(plan(true), ERR_EXISTS);
}
END_TEST

/* A file that appears while its segments come is kept too. */
START_TEST(test_target_appearing_file_is_kept)
{
    char text[16];

    model(files, FILES_LEN);
    ck_assert_int_eq(plan(false), OK);
    scratch_put("out/z", "mine", 0600);
    ck_assert_int_eq(run(), ERR_EXISTS);
    scratch_get("out/z", text, sizeof(text));
    ck_assert_str_eq(text, "mine");
    no_parts();
}
END_TEST

/* A folder that is swapped for a link, before or while files are written, leads
 * nowhere. */
START_TEST(test_target_links_are_not_followed)
{
    model(files, FILES_LEN);
    ck_assert_int_eq(mkdir(scratch_path("outside"), 0700), 0);
    ck_assert_int_eq(mkdir(scratch_path("outside/c"), 0700), 0);
    ck_assert_int_eq(mkdir(out, 0700), 0);
    ck_assert_int_eq(symlink("../outside", scratch_path("out/b")), 0);
    ck_assert_int_eq(plan(true), ERR_IO);
    ck_assert_ptr_nonnull(strstr(errmsg, "link"));
    ck_assert_int_eq(unlink(scratch_path("out/b")), 0);

    ck_assert_int_eq(plan(false), OK);
    ck_assert_int_eq(symlink("../outside", scratch_path("out/b")), 0);
    ck_assert_int_eq(take(0), OK);
    ck_assert_int_eq(take(1), ERR_IO);
    target_close(&t);
    ck_assert_int_eq(unlink(scratch_path("out/b")), 0);

    ck_assert_int_eq(plan(false), OK);
    ck_assert_int_eq(take(1), OK); /* `a` is there; begins b/c/deep */
    ck_assert_int_eq(take(2), OK);
    ck_assert_int_eq(rename(scratch_path("out/b"), scratch_path("out/old")), 0);
    ck_assert_int_eq(symlink("../outside", scratch_path("out/b")), 0);
    ck_assert_int_eq(take(3), ERR_IO);
    target_close(&t);
    ck_assert_int_eq(rmdir(scratch_path("outside/c")), 0);
    ck_assert_int_eq(rmdir(scratch_path("outside")), 0);
}
END_TEST

/* No file of a model is lost for having the name of a temporary file, in
 * whatever case. */
START_TEST(test_target_names_of_temporary_files)
{
    static const struct entry odd[] = {
        {".Cairn-Part~~-2", 10, 0644},  {".cairn-part-0", 20, 0644},
        {".cairn-part-1", 30, 0644},    {".cairn-part-5", 70000, 0644},
        {".cairn-part~-5/x", 40, 0644}, {"b", 50, 0644},
    };

    model(odd, 6);
    ck_assert_int_eq(plan(false), OK);
    ck_assert_uint_eq(t.marks, 3);
    ck_assert_int_eq(run(), OK);
    for (size_t i = 0; i < 6; i++) {
        restored("out", odd, i);
    }
}
END_TEST

/* A name that is too long for the file system is an error, not another name. */
START_TEST(test_target_long_names)
{
    static char path[4096];
    struct entry one = {path, 10, 0644};

    memset(path, 'a', 300);
    memcpy(path + 300, "/x", 3);
    model(&one, 1);
    ck_assert_int_ne(plan(false), OK);
    ck_assert_ptr_nonnull(strstr(errmsg, "long"));

    /* As long as a path can be, of names that can be. */
    stream_size = 0;
    for (size_t at = 0; at < 4095; at += 256) {
        memset(path + at, 'c', 255);
        path[at + 255] = '/';
    }
    path[4095] = '\0';
    model(&one, 1);
    ck_assert_int_eq(plan(false), OK);
    ck_assert_int_eq(run(), OK);
}
END_TEST

/* Wrong bytes are never given the name, and a file that ends too early is not
 * complete. */
START_TEST(test_target_wrong_bytes)
{
    model(files, FILES_LEN);
    stream[69999] ^= 1;
    ck_assert_int_eq(plan(false), OK);
    ck_assert_int_eq(run(), ERR_MISMATCH);
    ck_assert(!is_there("out/a"));
    no_parts();
    stream[69999] ^= 1;
    ck_assert_int_eq(plan(false), OK);
    ck_assert_int_eq(take(1), ERR_BAD); /* Not where `a` begins. */
    target_close(&t);
    ck_assert_int_eq(plan(false), OK);
    ck_assert_int_eq(take(0), OK);
    ck_assert_int_eq(target_finish(&t, errmsg), ERR_BAD);
    target_close(&t);
}
END_TEST

/* Two processes do not restore into one folder at once. */
START_TEST(test_target_two_at_once)
{
    struct target other;

    model(files, FILES_LEN);
    ck_assert_int_eq(plan(false), OK);
    ck_assert_int_eq(target_open(&other, out, false, errmsg), ERR_BUSY);
    ck_assert_int_eq(run(), OK);
    ck_assert_int_eq(plan(false), OK);
    /* Where folders cannot be locked, what is given its name is still the file
     * that was written. */
    ck_assert_int_eq(unlink(scratch_path("out/z")), 0);
    target_close(&t);
    ck_assert_int_eq(plan(false), OK);
    ck_assert_int_eq(unlink(scratch_path("out/a")), 0);
    target_close(&t);
    ck_assert_int_eq(plan(false), OK);
    ck_assert_int_eq(take(0), OK);
    ck_assert_int_eq(unlink(scratch_path("out/.cairn-part-0")), 0);
    scratch_put("out/.cairn-part-0", "of another process", 0600);
    ck_assert_int_eq(take(1), ERR_IO);
    target_close(&t);
    ck_assert(!is_there("out/a"));
}
END_TEST

/* A place where nothing can be written is refused before there is anything to
 * write. Root may write everywhere, so it steps down meanwhile. */
START_TEST(test_target_that_takes_no_files)
{
    bool root = geteuid() == 0;

    scratch_put("out", "a file", 0600);
    ck_assert_int_eq(target_open(&t, out, false, errmsg), ERR_IO);
    ck_assert_int_eq(unlink(out), 0);
    ck_assert_int_eq(mkdir(out, 0555), 0);
    ck_assert_int_eq(chmod(out, 0555), 0);
    ck_assert_int_eq(chmod(scratch, 0755), 0);
    ck_assert(!root || seteuid(65534) == 0);
    ck_assert_int_eq(target_open(&t, out, false, errmsg), ERR_IO);
    ck_assert_ptr_nonnull(strstr(errmsg, "permissions"));
    ck_assert(!root || seteuid(0) == 0);
    ck_assert_int_eq(chmod(out, 0755), 0);
    ck_assert_int_eq(target_open(&t, out, false, errmsg), OK);
    target_close(&t);
    ck_assert_int_eq(rmdir(out), 0); /* It was left empty. */
    ck_assert_int_eq(target_open(&t, out, false, errmsg), OK);
    target_close(&t);
    ck_assert_int_ne(access(out, F_OK), 0); /* It was made in vain. */
}
END_TEST

/* A full disk is an error that says so, and goes on when there is room. */
START_TEST(test_target_full_disk)
{
    model(files, FILES_LEN);
    ck_assert_int_eq(mkdir(out, 0700), 0);
    /* In a namespace that goes with the process of this test. */
    if (unshare(CLONE_NEWNS) != 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", out, "tmpfs", 0, "size=160k") != 0) {
        return;
    }
    ck_assert_int_eq(plan(false), OK);
    ck_assert_uint_eq(target_lacks(&t), stream_size - (160U << 10));
    ck_assert_int_eq(run(), ERR_FULL);
    ck_assert_ptr_nonnull(strstr(errmsg, "space"));
    restored("out", files, 0);
    no_parts();
    ck_assert_int_eq(mount("", out, "", MS_REMOUNT, "size=1m"), 0);
    ck_assert_int_eq(plan(false), OK);
    ck_assert_uint_eq(target_lacks(&t), 0);
    ck_assert_int_eq(run(), OK);
    all_restored();
    (void)umount2(out, MNT_DETACH);
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("target");
    TCase *tc = tcase_create("target");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_target_restores);
    tcase_add_test(tc, test_target_makes_durable_what_it_finds);
    tcase_add_test(tc, test_target_resumes);
    tcase_add_test(tc, test_target_leftovers_go);
    tcase_add_test(tc, test_target_only);
    tcase_add_test(tc, test_target_existing);
    tcase_add_test(tc, test_target_appearing_file_is_kept);
    tcase_add_test(tc, test_target_links_are_not_followed);
    tcase_add_test(tc, test_target_names_of_temporary_files);
    tcase_add_test(tc, test_target_long_names);
    tcase_add_test(tc, test_target_wrong_bytes);
    tcase_add_test(tc, test_target_two_at_once);
    tcase_add_test(tc, test_target_that_takes_no_files);
    tcase_add_test(tc, test_target_full_disk);
    suite_add_tcase(s, tc);
    return s;
}
