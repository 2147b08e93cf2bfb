#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "crypto/secret.h"
#include "node/base/file.h"
#include "tests/scratch.h"

/* Syncs of the one file that is watched. */
static ino_t watched;
static unsigned watched_syncs;

int fsync(int fd)
{
    struct stat st;

    watched_syncs += fstat(fd, &st) == 0 && st.st_ino == watched ? 1 : 0;
    return (int)syscall(SYS_fsync, fd);
}

static char errmsg[ERRMSG_SIZE];
static uint8_t *data;
static size_t size;

static void setup(void)
{
    scratch_make();
    errmsg[0] = '\0';
    data = NULL;
    size = 4711;
}

static int read_it(const char *name, size_t max)
{
    return file_read(scratch_path(name), max, &data, &size, errmsg);
}

static int read_secret(const char *name, size_t max)
{
    return file_read_secret(scratch_path(name), max, &data, &size, errmsg);
}

static int write_it(const char *name,
                    const char *text,
                    enum file_write_mode how)
{
    return file_write(scratch_path(name), slice_str(text), 0600, how, errmsg);
}

static int may(const char *name, enum file_write_mode how)
{
    return file_write_may(scratch_path(name), how, errmsg);
}

static void holds(const char *name, const char *text)
{
    char got[256];

    scratch_get(name, got, sizeof(got));
    ck_assert_str_eq(got, text);
}

/* Entries of the scratch folder: what a failure left behind counts too. */
static unsigned entries(void)
{
    DIR *dir = opendir(scratch);
    unsigned count = 0;

    ck_assert_ptr_nonnull(dir);
    while (readdir(dir) != NULL) {
        count++;
    }
    closedir(dir);
    return count - 2; /* "." and "..". */
}

static void ck_assert_says(const char *words)
{
    ck_assert_msg(strstr(errmsg, words) != NULL, "'%s' is not in '%s'", words,
                  errmsg);
}

/* A file is read whole up to the bound, an empty one too. */
START_TEST(test_file_read)
{
    scratch_put("f", "twelve bytes", 0644);
    ck_assert_int_eq(read_it("f", 12), OK);
    ck_assert_uint_eq(size, 12);
    ck_assert_bytes_eq(data, "twelve bytes", 12);
    free(data);
    scratch_put("empty", "", 0644);
    ck_assert_int_eq(read_it("empty", 0), OK);
    ck_assert_uint_eq(size, 0);
    free(data);
}
END_TEST

/* What is too large, missing or a folder is refused, and the out parameters
 * stay as they were. */
START_TEST(test_file_read_refusals)
{
    scratch_put("f", "twelve bytes", 0644);
    ck_assert_int_eq(read_it("f", 11), ERR_FULL);
    ck_assert_says("11 bytes");
    ck_assert_int_eq(read_it("none", 99), ERR_NOTFOUND);
    ck_assert_int_eq(read_it("f/below", 99), ERR_NOTFOUND);
    ck_assert_int_eq(read_it("", 99), ERR_IO);
    ck_assert_says("is a folder");
    ck_assert_ptr_null(data);
    ck_assert_uint_eq(size, 4711);
}
END_TEST

/* Files that do not tell their size grow the memory, to the bound. */
START_TEST(test_file_read_unsized)
{
    ck_assert_int_eq(
        file_read("/proc/self/maps", 1U << 22, &data, &size, errmsg), OK);
    ck_assert_uint_gt(size, 4096);
    free(data);
    ck_assert_int_eq(file_read("/dev/zero", 100000, &data, &size, errmsg),
                     ERR_FULL);
    ck_assert_int_eq(file_read("/dev/zero", 10, &data, &size, errmsg),
                     ERR_FULL);
}
END_TEST

/* A secret that only its owner can read is read. */
START_TEST(test_file_secret)
{
    static const mode_t modes[] = {0600, 0400, 0700};

    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        scratch_put("key", "secret", modes[i]);
        ck_assert_int_eq(read_secret("key", 6), OK);
        ck_assert_uint_eq(size, 6);
        ck_assert_bytes_eq(data, "secret", 6);
        secret_free(data);
        ck_assert_int_eq(chmod(scratch_path("key"), 0600), 0);
    }
    scratch_put("key", "", 0600);
    ck_assert_int_eq(read_secret("key", 6), OK);
    ck_assert_uint_eq(size, 0);
    secret_free(data);
}
END_TEST

/* Each permission bit of group and others gives a secret away, and the words
 * say how to mend it. */
START_TEST(test_file_secret_mode)
{
    for (mode_t bit = 01; bit <= 040; bit <<= 1) {
        scratch_put("key", "secret", 0600 | bit);
        ck_assert_int_eq(read_secret("key", 6), ERR_DENIED);
        ck_assert_says("chmod 600 '");
        ck_assert_int_eq(chmod(scratch_path("key"), 0600), 0);
    }
    ck_assert_ptr_null(data);
    ck_assert_uint_eq(size, 4711);
}
END_TEST

/* A secret is no link, no pipe, no folder, and has its bound. */
START_TEST(test_file_secret_refusals)
{
    scratch_put("key", "secret", 0600);
    ck_assert_int_eq(symlink("key", scratch_path("link")), 0);
    ck_assert_int_eq(mkfifo(scratch_path("pipe"), 0600), 0);
    ck_assert_int_eq(mkdir(scratch_path("folder"), 0700), 0);
    ck_assert_int_eq(read_secret("link", 6), ERR_DENIED);
    ck_assert_says("symbolic link");
    ck_assert_int_eq(read_secret("pipe", 6), ERR_IO);
    ck_assert_int_eq(read_secret("folder", 6), ERR_IO);
    ck_assert_int_eq(read_secret("key", 5), ERR_FULL);
    ck_assert_int_eq(read_secret("none", 5), ERR_NOTFOUND);
    ck_assert_ptr_null(data);
}
END_TEST

/* The mode is as asked, whatever the umask, and nothing else remains. */
START_TEST(test_file_write_mode)
{
    struct stat st;

    (void)umask(077);
    ck_assert_int_eq(file_write(scratch_path("public"), slice_str("x"), 0644,
                                FILE_NEW, errmsg),
                     OK);
    ck_assert_int_eq(stat(scratch_path("public"), &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0644);
    (void)umask(0);
    ck_assert_int_eq(write_it("key", "y", FILE_NEW), OK);
    ck_assert_int_eq(stat(scratch_path("key"), &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0600);
    ck_assert_uint_eq(st.st_nlink, 1);
    holds("public", "x");
    holds("key", "y");
    ck_assert_uint_eq(entries(), 2);
}
END_TEST

/* FILE_NEW never touches what is there: a file, a folder, a dangling link. */
START_TEST(test_file_write_new)
{
    scratch_put("f", "old", 0644);
    ck_assert_int_eq(mkdir(scratch_path("folder"), 0700), 0);
    ck_assert_int_eq(symlink("nowhere", scratch_path("link")), 0);
    ck_assert_int_eq(write_it("f", "new", FILE_NEW), ERR_EXISTS);
    ck_assert_int_eq(write_it("folder", "new", FILE_NEW), ERR_EXISTS);
    ck_assert_int_eq(write_it("link", "new", FILE_NEW), ERR_EXISTS);
    holds("f", "old");
    ck_assert_uint_eq(entries(), 3);
}
END_TEST

/* FILE_REPLACE puts the new bytes there in one step; a link is replaced, and
 * what it points to is left alone. */
START_TEST(test_file_write_replace)
{
    char before[64];
    int fd;

    scratch_put("f", "old", 0644);
    ck_assert_int_eq(symlink("f", scratch_path("link")), 0);
    fd = open(scratch_path("f"), O_RDONLY);
    ck_assert_int_eq(write_it("f", "", FILE_REPLACE), OK);
    holds("f", "");
    ck_assert_int_eq(read(fd, before, sizeof(before)), 3);
    close(fd);
    ck_assert_int_eq(write_it("link", "new", FILE_REPLACE), OK);
    holds("link", "new");
    holds("f", "");
    ck_assert_uint_eq(entries(), 2);
}
END_TEST

/* Writes that cannot be leave no trace. */
START_TEST(test_file_write_refusals)
{
    ck_assert_int_eq(write_it("none/f", "x", FILE_NEW), ERR_NOTFOUND);
    scratch_put("f", "old", 0644);
    ck_assert_int_eq(write_it("f/below", "x", FILE_NEW), ERR_NOTFOUND);
    ck_assert_int_eq(mkdir(scratch_path("folder"), 0700), 0);
    ck_assert_int_eq(write_it("folder", "x", FILE_REPLACE), ERR_EXISTS);
    ck_assert_uint_eq(entries(), 2);
    ck_assert_int_eq(
        file_write("/proc/self/none", slice_str("x"), 0600, FILE_NEW, errmsg),
        ERR_NOTFOUND);
}
END_TEST

/* Whether a file can be written is known before, and nothing shows that it was
 * asked. */
START_TEST(test_file_write_may)
{
    struct stat st;

    scratch_put("old", "as it was", 0600);
    ck_assert_int_eq(mkdir(scratch_path("folder"), 0700), 0);
    ck_assert_int_eq(mkfifo(scratch_path("pipe"), 0600), 0);
    ck_assert_int_eq(symlink("old", scratch_path("link")), 0);
    ck_assert_int_eq(may("new", FILE_NEW), OK);
    ck_assert_int_eq(may("new", FILE_REPLACE), OK);
    ck_assert_int_eq(may("old", FILE_REPLACE), OK);
    ck_assert_int_eq(may("link", FILE_REPLACE), OK);
    ck_assert_int_eq(may("old", FILE_NEW), ERR_EXISTS);
    ck_assert_int_eq(may("folder", FILE_REPLACE), ERR_EXISTS);
    ck_assert_says("is a folder");
    ck_assert_int_eq(may("none/new", FILE_REPLACE), ERR_NOTFOUND);
    ck_assert_int_eq(may("old/new", FILE_REPLACE), ERR_NOTFOUND);
    ck_assert_int_eq(may("new/", FILE_REPLACE), ERR_EXISTS);
    ck_assert_int_eq(file_write_may("", FILE_REPLACE, errmsg), ERR_EXISTS);
    ck_assert_int_eq(folder_may(scratch_path("none"), errmsg), ERR_NOTFOUND);
    ck_assert_int_eq(folder_may(scratch_path("folder"), errmsg), OK);
    /* What is no file stays what it is. */
    ck_assert_int_eq(may("pipe", FILE_REPLACE), ERR_EXISTS);
    ck_assert_int_eq(write_it("pipe", "x", FILE_REPLACE), ERR_EXISTS);
    ck_assert_int_eq(lstat(scratch_path("pipe"), &st), 0);
    ck_assert(S_ISFIFO(st.st_mode));
    holds("old", "as it was");
    ck_assert_uint_eq(entries(), 4);
}
END_TEST

/* A folder that may not be written is told. Root may write everywhere, so it
 * steps down meanwhile. */
START_TEST(test_file_write_read_only)
{
    bool root = geteuid() == 0;

    ck_assert_int_eq(chmod(scratch, 0500), 0);
    if (root) {
        ck_assert_int_eq(seteuid(65534), 0);
    }
    ck_assert_int_eq(write_it("f", "x", FILE_NEW), ERR_IO);
    ck_assert_says("check the owner and the permissions");
    ck_assert_int_eq(may("f", FILE_NEW), ERR_IO);
    ck_assert_int_eq(folder_may(scratch, errmsg), ERR_IO);
    ck_assert_int_eq(folder_make(scratch_path("d"), 0700, errmsg), ERR_IO);
    ck_assert_int_eq(file_lock(scratch_path("lock"), errmsg), ERR_IO);
    if (root) {
        ck_assert_int_eq(seteuid(0), 0);
    }
    ck_assert_int_eq(chmod(scratch, 0700), 0);
    ck_assert_uint_eq(entries(), 0);
}
END_TEST

static bool proc_put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY);
    ssize_t length = (ssize_t)strlen(text);
    bool ok = fd >= 0 && write(fd, text, (size_t)length) == length;

    if (fd >= 0) {
        close(fd);
    }
    return ok;
}

/* Become root of a user namespace, where nobody else is. */
static bool user_namespace(void)
{
    char uid[32];
    char gid[32];

    (void)snprintf(uid, sizeof(uid), "0 %u 1", geteuid());
    (void)snprintf(gid, sizeof(gid), "0 %u 1", getegid());
    return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 &&
           proc_put("/proc/self/setgroups", "deny") &&
           proc_put("/proc/self/uid_map", uid) &&
           proc_put("/proc/self/gid_map", gid);
}

/* Mount a file system of |bytes| over the scratch folder, in a namespace that
 * ends with this test's process. False where that is not allowed. */
static bool small_disk(unsigned bytes)
{
    char options[32];

    (void)snprintf(options, sizeof(options), "size=%u", bytes);
    return (unshare(CLONE_NEWNS) == 0 || user_namespace()) &&
           mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", scratch, "tmpfs", 0, options) == 0;
}

/* A read-only disk is called that. */
START_TEST(test_file_write_read_only_disk)
{
    if (!small_disk(65536) ||
        mount("", scratch, "", MS_REMOUNT | MS_RDONLY, "") != 0) {
        return;
    }
    ck_assert_int_eq(may("f", FILE_NEW), ERR_IO);
    ck_assert_says("read-only");
    ck_assert_int_eq(folder_make(scratch_path("d"), 0700, errmsg), ERR_IO);
    ck_assert_says("read-only");
    ck_assert_int_eq(umount(scratch), 0);
}
END_TEST

/* A full disk is ERR_FULL; the old file is whole and the new one gone. */
START_TEST(test_file_write_full)
{
    static uint8_t large[100000];
    char *before;

    if (!small_disk(65536)) {
        return;
    }
    scratch_put("f", "old", 0600);
    before = strdup(scratch_path("f"));
    ck_assert_int_eq(file_write(before, slice_of(large, sizeof(large)), 0600,
                                FILE_REPLACE, errmsg),
                     ERR_FULL);
    ck_assert_says("no space left");
    holds("f", "old");
    ck_assert_uint_eq(entries(), 1);
    ck_assert_int_eq(file_write(scratch_path("g"),
                                slice_of(large, sizeof(large)), 0600, FILE_NEW,
                                errmsg),
                     ERR_FULL);
    ck_assert_uint_eq(entries(), 1);
    ck_assert_int_eq(umount(scratch), 0);
    free(before);
}
END_TEST

/* Folders are made with their parents and the mode asked for, and a second
 * time is fine. */
START_TEST(test_folder_make)
{
    struct stat st;

    (void)umask(077);
    ck_assert_int_eq(folder_make(scratch_path("a//b/c/"), 0750, errmsg), OK);
    ck_assert_int_eq(stat(scratch_path("a/b/c"), &st), 0);
    ck_assert(S_ISDIR(st.st_mode));
    ck_assert_uint_eq(st.st_mode & 07777, 0750);
    ck_assert_int_eq(stat(scratch_path("a"), &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0750);
    ck_assert_int_eq(folder_make(scratch_path("a/b/c"), 0700, errmsg), OK);
    ck_assert_int_eq(folder_sync(scratch_path("a/b"), errmsg), OK);
    ck_assert_int_eq(chdir(scratch), 0);
    ck_assert_int_eq(folder_make("relative", 0700, errmsg), OK);
    ck_assert_int_eq(stat(scratch_path("relative"), &st), 0);
}
END_TEST

/* A folder that is there may be of a process that was killed before it synced
 * the name: that is done again, whether something is made below or not. */
START_TEST(test_folder_there_is_synced)
{
    struct stat st;

    ck_assert_int_eq(mkdir(scratch_path("a"), 0700), 0);
    ck_assert_int_eq(mkdir(scratch_path("a/b"), 0700), 0);
    ck_assert_int_eq(stat(scratch_path("a"), &st), 0);
    watched = st.st_ino;
    watched_syncs = 0;
    ck_assert_int_eq(folder_make(scratch_path("a/b/c"), 0700, errmsg), OK);
    ck_assert_uint_eq(watched_syncs, 1);
    ck_assert_int_eq(folder_make(scratch_path("a/b"), 0700, errmsg), OK);
    ck_assert_uint_eq(watched_syncs, 2);
}
END_TEST

/* A file in the way is told, and so is a folder that is none. */
START_TEST(test_folder_refusals)
{
    scratch_put("f", "x", 0600);
    ck_assert_int_eq(folder_make(scratch_path("f"), 0700, errmsg), ERR_EXISTS);
    ck_assert_int_eq(folder_make(scratch_path("f/d"), 0700, errmsg),
                     ERR_EXISTS);
    ck_assert_int_eq(folder_sync(scratch_path("f"), errmsg), ERR_NOTFOUND);
    ck_assert_int_eq(folder_sync(scratch_path("none"), errmsg), ERR_NOTFOUND);
}
END_TEST

/* Wait for a child that holds its verdict in its exit status. */
static int child_status(pid_t pid)
{
    int status = -1;

    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Of two processes one gets the lock, and the other is told which; it is free
 * when the holder ends, however that happens. */
START_TEST(test_file_lock)
{
    char expected[64];
    int ready[2];
    char c = 0;
    pid_t pid;
    int fd;

    ck_assert_int_eq(pipe(ready), 0);
    pid = fork();
    if (pid == 0) {
        if (file_lock(scratch_path("lock"), errmsg) >= 0 &&
            write(ready[1], "!", 1) == 1) {
            pause();
        }
        _exit(1);
    }
    ck_assert_int_eq(read(ready[0], &c, 1), 1);
    ck_assert_int_eq(file_lock(scratch_path("lock"), errmsg), ERR_BUSY);
    (void)snprintf(expected, sizeof(expected), "process %ld,", (long)pid);
    ck_assert_says(expected);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(child_status(pid), 128 + SIGKILL);
    fd = file_lock(scratch_path("lock"), errmsg);
    ck_assert_int_ge(fd, 0);
    (void)snprintf(expected, sizeof(expected), "%ld\n", (long)getpid());
    holds("lock", expected);
    ck_assert_int_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    /* The same process does not get it twice either. */
    ck_assert_int_eq(file_lock(scratch_path("lock"), errmsg), ERR_BUSY);
    close(fd);
}
END_TEST

/* A lock that was removed with its work does not keep the next one out, nor
 * let two in. */
START_TEST(test_file_lock_removed)
{
    int first = file_lock(scratch_path("lock"), errmsg);
    int second;

    ck_assert_int_ge(first, 0);
    ck_assert_int_eq(unlink(scratch_path("lock")), 0);
    second = file_lock(scratch_path("lock"), errmsg);
    ck_assert_int_ge(second, 0);
    ck_assert_int_eq(file_lock(scratch_path("lock"), errmsg), ERR_BUSY);
    close(first);
    ck_assert_int_eq(file_lock(scratch_path("lock"), errmsg), ERR_BUSY);
    close(second);
    ck_assert_int_eq(file_lock(scratch_path("none/lock"), errmsg), ERR_IO);
}
END_TEST

/* Take the lock and remove it, |rounds| times; false when somebody else was
 * inside meanwhile. */
static bool lock_rounds(unsigned rounds)
{
    while (rounds > 0) {
        int lock = file_lock(scratch_path("lock"), errmsg);
        int inside;

        if (lock < 0) {
            continue;
        }
        inside = open(scratch_path("inside"), O_CREAT | O_EXCL, 0600);
        if (inside < 0 || unlink(scratch_path("inside")) != 0 ||
            unlink(scratch_path("lock")) != 0) {
            return false;
        }
        close(inside);
        close(lock);
        rounds--;
    }
    return true;
}

/* Processes that race for a lock which each holder removes are never inside
 * together. */
START_TEST(test_file_lock_race)
{
    pid_t pid = fork();
    bool alone;

    if (pid == 0) {
        _exit(lock_rounds(2000) ? 0 : 1);
    }
    alone = lock_rounds(2000);
    ck_assert_int_eq(child_status(pid), 0);
    ck_assert(alone);
}
END_TEST

/* No core file, no ptrace, nothing for others; the standard descriptors are
 * open, so that no file takes the place of stderr. */
START_TEST(test_process_harden)
{
    struct rlimit limit;

    ck_assert_int_eq(getrlimit(RLIMIT_MEMLOCK, &limit), 0);
    limit.rlim_cur = 4096;
    ck_assert_int_eq(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
    close(STDIN_FILENO);
    close(STDERR_FILENO);
    process_harden();
    ck_assert_int_ge(fcntl(STDIN_FILENO, F_GETFD), 0);
    ck_assert_int_ge(fcntl(STDERR_FILENO, F_GETFD), 0);
    ck_assert_int_eq(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
    ck_assert_int_eq(getrlimit(RLIMIT_CORE, &limit), 0);
    ck_assert_uint_eq(limit.rlim_cur, 0);
    ck_assert_uint_eq(limit.rlim_max, 0);
    ck_assert_int_eq(getrlimit(RLIMIT_MEMLOCK, &limit), 0);
    ck_assert_uint_eq(limit.rlim_cur, limit.rlim_max);
    ck_assert_uint_eq(umask(0), 077);
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("file");
    TCase *tc = tcase_create("file");

    tcase_add_checked_fixture(tc, setup, scratch_remove);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_file_read);
    tcase_add_test(tc, test_file_read_refusals);
    tcase_add_test(tc, test_file_read_unsized);
    tcase_add_test(tc, test_file_secret);
    tcase_add_test(tc, test_file_secret_mode);
    tcase_add_test(tc, test_file_secret_refusals);
    tcase_add_test(tc, test_file_write_mode);
    tcase_add_test(tc, test_file_write_new);
    tcase_add_test(tc, test_file_write_replace);
    tcase_add_test(tc, test_file_write_refusals);
    tcase_add_test(tc, test_file_write_may);
    tcase_add_test(tc, test_file_write_read_only);
    tcase_add_test(tc, test_file_write_read_only_disk);
    tcase_add_test(tc, test_file_write_full);
    tcase_add_test(tc, test_folder_make);
    tcase_add_test(tc, test_folder_there_is_synced);
    tcase_add_test(tc, test_folder_refusals);
    tcase_add_test(tc, test_file_lock);
    tcase_add_test(tc, test_file_lock_removed);
    tcase_add_test(tc, test_file_lock_race);
    tcase_add_test(tc, test_process_harden);
    suite_add_tcase(s, tc);
    return s;
}
