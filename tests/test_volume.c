#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

#include "node/base/volume.h"
#include "tests/scratch.h"

static char errmsg[ERRMSG_SIZE];
static struct rng rng;
static struct volume volume;
static uint8_t id[VOLUME_ID_SIZE];

static void setup(void)
{
    static const uint8_t seed[RNG_SEED_SIZE] = {7};

    scratch_make();
    rng_init_seed(&rng, seed);
    errmsg[0] = '\0';
}

static void make(void)
{
    ck_assert_int_eq(volume_init(scratch_path("disk"), &rng, id, errmsg), OK);
}

static int try_open(const uint8_t expected[VOLUME_ID_SIZE])
{
    return volume_open(&volume, scratch_path("disk"), expected, 0, errmsg);
}

/* The error is |rv|, its words contain |words|, and no lock file was left. */
static void refused(int rv, const char *words)
{
    ck_assert_int_eq(try_open(id), rv);
    ck_assert_msg(strstr(errmsg, words) != NULL, "%s", errmsg);
    ck_assert_int_ne(access(scratch_path("disk/cairn-lock"), F_OK), 0);
}

/* What was made can be opened under its id, and its marker reads as text. */
START_TEST(test_volume_made_can_be_opened)
{
    char text[1024];

    make();
    scratch_get("disk/" VOLUME_MARKER, text, sizeof(text));
    ck_assert_ptr_nonnull(strstr(text, "cairn-volume 1\nid "));
    ck_assert_int_eq(try_open(id), OK);
    ck_assert_int_eq(volume_check(&volume, errmsg), OK);
    volume_close(&volume);
    ck_assert_int_eq(try_open(id), OK);
    volume_close(&volume);
}
END_TEST

/* Two volumes never share an id. */
START_TEST(test_volume_ids_differ)
{
    uint8_t other[VOLUME_ID_SIZE];

    make();
    ck_assert_int_eq(volume_init(scratch_path("b"), &rng, other, errmsg), OK);
    ck_assert_mem_ne(id, other, sizeof(id));
}
END_TEST

/* A volume is not made twice, and its id stays. */
START_TEST(test_volume_is_not_made_twice)
{
    uint8_t again[VOLUME_ID_SIZE] = {0};

    make();
    ck_assert_int_eq(volume_init(scratch_path("disk"), &rng, again, errmsg),
                     ERR_EXISTS);
    ck_assert_int_eq(try_open(id), OK);
    volume_close(&volume);
}
END_TEST

/* Somebody's data, or shards whose marker is gone, are not made a volume. */
START_TEST(test_volume_folder_with_anything_is_refused)
{
    ck_assert_int_eq(mkdir(scratch_path("disk"), 0700), 0);
    ck_assert_int_eq(mkdir(scratch_path("disk/shards"), 0700), 0);
    ck_assert_int_eq(volume_init(scratch_path("disk"), &rng, id, errmsg),
                     ERR_DENIED);
    ck_assert_ptr_nonnull(strstr(errmsg, "'shards'"));
}
END_TEST

/* The root of a fresh ext4 has lost+found, and is empty to us. */
START_TEST(test_volume_fresh_file_system_is_empty)
{
    ck_assert_int_eq(mkdir(scratch_path("disk"), 0700), 0);
    ck_assert_int_eq(mkdir(scratch_path("disk/lost+found"), 0700), 0);
    make();
}
END_TEST

/* A disk that is not mounted leaves an empty folder, which stays empty. */
START_TEST(test_volume_missing_mount_is_an_error)
{
    ck_assert_int_eq(mkdir(scratch_path("disk"), 0700), 0);
    refused(ERR_NOTFOUND, "mount its disk");
    ck_assert_int_eq(rmdir(scratch_path("disk")), 0);
    refused(ERR_NOTFOUND, "no such path");
    ck_assert_int_ne(access(scratch_path("disk"), F_OK), 0);
}
END_TEST

/* The wrong disk is told apart, by both ids, and gets no lock file. */
START_TEST(test_volume_another_id_is_refused)
{
    make();
    id[15] ^= 1;
    refused(ERR_MISMATCH, "mount the right disk");
}
END_TEST

/* What a marker must be; comments are free. */
START_TEST(test_volume_marker_is_read_strictly)
{
    static const struct {
        const char *text;
        int status;
    } cases[] = {
        {"cairn-volume 1\nid 000102030405060708090a0b0c0d0e0f\n", OK},
        {"cairn-volume 1\n# x\nid 000102030405060708090a0b0c0d0e0f", OK},
        {"cairn-volume 2\nid 000102030405060708090a0b0c0d0e0f\n",
         ERR_UNSUPPORTED},
        {"cairn-volume 2\nsomething new\n", ERR_UNSUPPORTED},
        {"cairn-volume 0\nid 000102030405060708090a0b0c0d0e0f\n", ERR_BAD},
        {"cairn-volume\nid 000102030405060708090a0b0c0d0e0f\n", ERR_BAD},
        {"cairn-volume 1\nid 000102030405060708090a0b0c0d0e\n", ERR_BAD},
        {"cairn-volume 1\nid 000102030405060708090a0b0c0d0e0f10\n", ERR_BAD},
        {"cairn-volume 1\n", ERR_BAD},
        {"", ERR_BAD},
        {"cairn-volume 1\nid 000102030405060708090a0b0c0d0e0f\nmore\n",
         ERR_BAD},
        {"cairn-volume 1\nid 000102030405060708090a0b0c0d0e0f\n"
         "id 000102030405060708090a0b0c0d0e0f\n",
         ERR_BAD},
    };

    for (unsigned i = 0; i < VOLUME_ID_SIZE; i++) {
        id[i] = (uint8_t)i;
    }
    ck_assert_int_eq(mkdir(scratch_path("disk"), 0700), 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        scratch_put("disk/" VOLUME_MARKER, cases[i].text, 0600);
        ck_assert_int_eq(try_open(id), cases[i].status);
        if (cases[i].status == OK) {
            volume_close(&volume);
        }
    }
}
END_TEST

/* A second process is kept out, told by whom; a dead one keeps nobody out. */
START_TEST(test_volume_second_process_is_refused)
{
    char name[32];
    int ready[2];
    char byte;
    pid_t child;

    make();
    ck_assert_int_eq(pipe(ready), 0);
    child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        int rv = try_open(id);

        (void)!write(ready[1], "x", 1);
        pause();
        _exit(rv == OK ? 0 : 1);
    }
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    ck_assert_int_eq(try_open(id), ERR_BUSY);
    (void)snprintf(name, sizeof(name), "process %ld", (long)child);
    ck_assert_msg(strstr(errmsg, name) != NULL, "%s", errmsg);
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    ck_assert_int_eq(try_open(id), OK);
    volume_close(&volume);
}
END_TEST

/* A folder that takes the place of an open volume is noticed, and no shard is
 * put there. */
START_TEST(test_volume_replaced_while_open_is_noticed)
{
    static const struct digest deposit = {{1}};

    make();
    ck_assert_int_eq(try_open(id), OK);
    ck_assert_int_eq(rename(scratch_path("disk"), scratch_path("gone")), 0);
    ck_assert_int_eq(volume_check(&volume, errmsg), ERR_NOTFOUND);
    ck_assert_int_eq(mkdir(scratch_path("disk"), 0700), 0);
    ck_assert_int_eq(volume_check(&volume, errmsg), ERR_NOTFOUND);
    ck_assert_int_eq(volume_shard_make(&volume, &deposit, 1, errmsg),
                     ERR_NOTFOUND);
    ck_assert_int_eq(rmdir(scratch_path("disk")), 0);
    volume_close(&volume);
}
END_TEST

/* The reserve counts as taken; with less free than it there is no space. */
START_TEST(test_volume_reserve_is_kept_free)
{
    struct statvfs fs;
    uint64_t all = 0, less = 0;

    make();
    if (mount("tmpfs", scratch_path("disk"), "tmpfs", 0, "size=1m") != 0) {
        (void)fprintf(stderr, "skipped: cannot mount a tmpfs\n");
        return;
    }
    make();
    ck_assert_int_eq(try_open(id), OK);
    ck_assert_int_eq(fstatvfs(volume.root, &fs), 0);
    ck_assert_int_eq(volume_free_space(&volume, &all, errmsg), OK);
    ck_assert_uint_eq(all, fs.f_bavail * fs.f_frsize);
    volume.reserve = 65536;
    ck_assert_int_eq(volume_free_space(&volume, &less, errmsg), OK);
    ck_assert_uint_eq(less, all - 65536);
    volume.reserve = all + 1;
    ck_assert_int_eq(volume_free_space(&volume, &less, errmsg), OK);
    ck_assert_uint_eq(less, 0);
    volume_close(&volume);
    ck_assert_int_eq(umount(scratch_path("disk")), 0);
}
END_TEST

/* Where a shard lies is part of the format of a volume. */
START_TEST(test_volume_shard_has_its_folder)
{
    struct digest deposit = {{0xab, 0xcd}};
    char *path;
    struct stat st;

    make();
    ck_assert_int_eq(try_open(id), OK);
    path = volume_shard_path(&volume, &deposit, 65535);
    ck_assert_str_eq(path + strlen(scratch_path("disk")),
                     "/shards/ab/abcd0000000000000000000000000000000000000000"
                     "00000000000000000000-65535");
    ck_assert_int_eq(volume_shard_make(&volume, &deposit, 65535, errmsg), OK);
    ck_assert_int_eq(volume_shard_make(&volume, &deposit, 65535, errmsg), OK);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert(S_ISDIR(st.st_mode));
    ck_assert_uint_eq(st.st_mode & 0777, 0700);
    free(path);
    volume_close(&volume);
}
END_TEST

Suite *suite_make(void)
{
    Suite *suite = suite_create("volume");
    TCase *tc = tcase_create("volume");

    /* Mounts of tests that crash go with the process. */
    if (unshare(CLONE_NEWNS) == 0) {
        (void)mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
    }
    tcase_add_checked_fixture(tc, setup, scratch_remove);
    tcase_add_test(tc, test_volume_made_can_be_opened);
    tcase_add_test(tc, test_volume_ids_differ);
    tcase_add_test(tc, test_volume_is_not_made_twice);
    tcase_add_test(tc, test_volume_folder_with_anything_is_refused);
    tcase_add_test(tc, test_volume_fresh_file_system_is_empty);
    tcase_add_test(tc, test_volume_missing_mount_is_an_error);
    tcase_add_test(tc, test_volume_another_id_is_refused);
    tcase_add_test(tc, test_volume_marker_is_read_strictly);
    tcase_add_test(tc, test_volume_second_process_is_refused);
    tcase_add_test(tc, test_volume_replaced_while_open_is_noticed);
    tcase_add_test(tc, test_volume_reserve_is_kept_free);
    tcase_add_test(tc, test_volume_shard_has_its_folder);
    suite_add_tcase(suite, tc);
    return suite;
}
