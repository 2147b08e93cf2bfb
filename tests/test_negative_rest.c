#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "crypto/noise.h"
#include "crypto/secret.h"
#include "node/home/home.h"
#include "tests/scratch.h"

/* What lies in memory and in files must not get out, nor be half there:
 * tests/NEGATIVE.md. */

/* Sanitizers do not lock memory, and their cores are of no ordinary size. */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#define PLANTED_SIZE 64

static int wait_for(pid_t pid)
{
    int status = 0;

    while (waitpid(pid, &status, 0) != pid) {
        ck_assert_int_eq(errno, EINTR);
    }
    return status;
}

/* Bytes that stand nowhere but where they are written: no two tests, and no two
 * calls with another |which|, have the same. */
static void plant(uint8_t *out, uint8_t which)
{
    for (size_t i = 0; i < PLANTED_SIZE; i++) {
        out[i] = (uint8_t)((i * i * 7 + i * 29 + which) ^ 0x5a);
    }
}

/* Memory that could be swapped out is no secret memory: there is none. */
START_TEST(test_rest_nothing_without_locked_memory)
{
    const struct rlimit none = {.rlim_cur = 0, .rlim_max = 0};
    char errmsg[ERRMSG_SIZE] = "";
    uint8_t *data = NULL;
    size_t size = 0;

    scratch_put("secret", "secret", 0600);
    ck_assert_int_eq(chmod(scratch, 0711), 0);
    ck_assert_int_eq(chown(scratch_path("secret"), 65534, 65534), 0);
    ck_assert_int_eq(setrlimit(RLIMIT_MEMLOCK, &none), 0);
    ck_assert(setgid(65534) == 0 && setuid(65534) == 0);
    ck_assert_ptr_null(secret_new(32));
    ck_assert_int_eq(
        file_read_secret(scratch_path("secret"), 100, &data, &size, errmsg),
        ERR_NOMEM);
    ck_assert_ptr_nonnull(strstr(errmsg, "ulimit -l"));
}
END_TEST

/* "FROM-TO ..." begins a mapping; is |p| in it? */
static bool mapping_begins(const char *line, const void *p, bool *inside)
{
    char *end = NULL;
    uint64_t from = strtoull(line, &end, 16), to;

    if (end == line || *end != '-') {
        return false;
    }
    to = strtoull(end + 1, NULL, 16);
    *inside = (uintptr_t)p >= from && (uintptr_t)p < to;
    return true;
}

/* The flags of the mapping that |p| is in, as the kernel has them. */
static void mapping_flags(const void *p, char *out, size_t max)
{
    FILE *f = fopen("/proc/self/smaps", "r");
    char line[512];
    bool inside = false;

    ck_assert_ptr_nonnull(f);
    out[0] = '\0';
    while (fgets(line, sizeof(line), f) != NULL) {
        if (!mapping_begins(line, p, &inside) && inside &&
            strncmp(line, "VmFlags:", 8) == 0) {
            (void)snprintf(out, max, "%s", line);
        }
    }
    (void)fclose(f);
}

/* Secret memory is locked against swap and left out of core files. */
START_TEST(test_rest_secret_memory_is_locked)
{
    uint8_t *secret = secret_new(PLANTED_SIZE);
    char flags[512];

    ck_assert_ptr_nonnull(secret);
    mapping_flags(secret, flags, sizeof(flags));
    ck_assert_msg(strstr(flags, " lo") != NULL, "not locked: %s", flags);
    ck_assert_msg(strstr(flags, " dd") != NULL, "in core files: %s", flags);
    secret_free(secret);
}
END_TEST

/* Die with a core file in the present folder. */
static void die_with_core(void)
{
    const struct rlimit all = {.rlim_cur = RLIM_INFINITY,
                               .rlim_max = RLIM_INFINITY};
    uint8_t *secret = secret_new(PLANTED_SIZE);
    uint8_t *plain = malloc(PLANTED_SIZE);

    if (secret == NULL || plain == NULL || chdir(scratch) != 0 ||
        setrlimit(RLIMIT_CORE, &all) != 0 ||
        prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0) {
        _exit(1);
    }
    plant(secret, 1);
    plant(plain, 2);
    (void)signal(SIGABRT, SIG_DFL);
    (void)raise(SIGABRT);
    _exit(1);
}

/* Are those bytes anywhere in the file? */
static bool file_holds(FILE *f, const uint8_t *bytes)
{
    static uint8_t buf[1U << 16];
    size_t have = 0, got;

    rewind(f);
    while ((got = fread(buf + have, 1, sizeof(buf) - have, f)) > 0) {
        have += got;
        if (memmem(buf, have, bytes, PLANTED_SIZE) != NULL) {
            return true;
        }
        if (have >= PLANTED_SIZE) {
            memmove(buf, buf + have - (PLANTED_SIZE - 1), PLANTED_SIZE - 1);
            have = PLANTED_SIZE - 1;
        }
    }
    return false;
}

static FILE *core_open(pid_t pid)
{
    char name[32];
    FILE *f = fopen(scratch_path("core"), "r");

    (void)snprintf(name, sizeof(name), "core.%ld", (long)pid);
    return f != NULL ? f : fopen(scratch_path(name), "r");
}

/* Where a core file is made in spite of everything, it has what is in ordinary
 * memory and nothing of the secrets. (Hosts that give cores to a program, and
 * the sanitizers, make none here.) */
START_TEST(test_rest_core_file_has_no_secret)
{
    uint8_t secret[PLANTED_SIZE], plain[PLANTED_SIZE];
    pid_t pid = fork();
    FILE *f;

    if (pid == 0) {
        die_with_core();
    }
    ck_assert(WIFSIGNALED(wait_for(pid)));
    f = core_open(pid);
    if (f == NULL) {
        return;
    }
    plant(secret, 1);
    plant(plain, 2);
    ck_assert(file_holds(f, plain));
    ck_assert(!file_holds(f, secret));
    (void)fclose(f);
}
END_TEST

/* After a fork the two processes, whatever they copied, draw different keys:
 * the system's stream has no state of ours. */
START_TEST(test_rest_fork_shares_no_randomness)
{
    uint8_t mine[NOISE_MSG1_SIZE], theirs[NOISE_MSG1_SIZE];
    const uint8_t psk[NOISE_KEY_SIZE] = {1};
    struct noise_keypair s;
    struct noise_handshake hs;
    struct rng r;
    size_t size = 0;
    int ends[2];
    pid_t pid;

    rng_init_system(&r);
    noise_keypair_init(&s, &r);
    noise_handshake_init(&hs, true, slice_str("fork"), &s, psk);
    ck_assert_int_eq(pipe(ends), 0);
    pid = fork();
    ck_assert_int_eq(noise_handshake_write(&hs, slice_str(""), &r, mine, &size),
                     OK);
    if (pid == 0) {
        _exit(write(ends[1], mine, sizeof(mine)) == (ssize_t)sizeof(mine) ? 0
                                                                          : 1);
    }
    ck_assert_int_eq(wait_for(pid), 0);
    ck_assert_int_eq(read(ends[0], theirs, sizeof(theirs)),
                     (ssize_t)sizeof(theirs));
    ck_assert_mem_ne(mine, theirs, NOISE_KEY_SIZE);
    noise_handshake_wipe(&hs);
}
END_TEST

static void write_keys_for_ever(const char *path, struct slice payload)
{
    char errmsg[ERRMSG_SIZE];

    for (;;) {
        if (home_keyfile_create(path, KEYFILE_NODE, slice_of(NULL, 0), payload,
                                errmsg) != OK ||
            unlink(path) != 0) {
            _exit(1);
        }
    }
}

/* Killed at any moment while it writes keys, a process leaves the whole file or
 * none, and what else it leaves does not keep the next one from writing. */
START_TEST(test_rest_killed_while_keys_are_written)
{
    const char *path = scratch_path("keys");
    const struct timespec some = {.tv_nsec = 300000L * (_i + 1)};
    uint8_t payload[4000], *got = secret_new(sizeof(payload));
    struct slice bytes = slice_of(payload, sizeof(payload));
    char errmsg[ERRMSG_SIZE] = "";
    size_t size = 0;
    pid_t pid;
    int rv;

    memset(payload, 0x77, sizeof(payload));
    pid = fork();
    if (pid == 0) {
        write_keys_for_ever(path, bytes);
    }
    (void)nanosleep(&some, NULL);
    (void)kill(pid, SIGKILL);
    ck_assert(WIFSIGNALED(wait_for(pid)));
    if (access(path, F_OK) != 0) {
        rv = home_keyfile_create(path, KEYFILE_NODE, slice_of(NULL, 0), bytes,
                                 errmsg);
        ck_assert_msg(rv == OK, "%s", errmsg);
    }
    rv = home_keyfile_read(path, KEYFILE_NODE, slice_of(NULL, 0), got,
                           sizeof(payload), &size, errmsg);
    ck_assert_msg(rv == OK, "%s", errmsg);
    ck_assert(slice_equal(bytes, slice_of(got, size)));
    secret_free(got);
}
END_TEST

static int keys_read(struct slice passphrase)
{
    struct home_keys *keys = NULL;
    char errmsg[ERRMSG_SIZE] = "";
    int rv = home_keys_read(scratch_path("home"), passphrase, &keys, errmsg);

    ck_assert((rv == OK) == (keys != NULL) && (rv == OK) == (errmsg[0] == 0));
    secret_free(keys);
    return rv;
}

/* A home without its keys, with keys that others can read, with damaged ones or
 * those of something else: no member, and it is said. Nothing of it makes new
 * keys in their place. */
START_TEST(test_rest_keys_that_are_no_good)
{
    const struct slice none = slice_of(NULL, 0);
    char errmsg[ERRMSG_SIZE] = "";
    uint8_t *good = NULL;
    size_t size = 0;

    ck_assert_int_eq(home_create(scratch_path("home"), none, errmsg), OK);
    ck_assert_int_eq(keys_read(none), OK);
    ck_assert_int_eq(home_create(scratch_path("home"), none, errmsg),
                     ERR_EXISTS);
    ck_assert_int_eq(keys_read(slice_str("a passphrase")), ERR_AUTH);

    ck_assert_int_eq(chmod(scratch_path("home/keys"), 0640), 0);
    ck_assert_int_eq(keys_read(none), ERR_DENIED);
    ck_assert_int_eq(chmod(scratch_path("home/keys"), 0600), 0);

    ck_assert_int_eq(
        file_read_secret(scratch_path("home/keys"), 4096, &good, &size, errmsg),
        OK);
    for (size_t cut = 0; cut < size; cut++) {
        ck_assert_int_eq(truncate(scratch_path("home/keys"), (off_t)cut), 0);
        ck_assert_int_eq(keys_read(none), ERR_BAD);
        ck_assert_int_eq(file_write(scratch_path("home/keys"),
                                    slice_of(good, size), 0600, FILE_REPLACE,
                                    errmsg),
                         OK);
    }
    ck_assert_int_eq(
        rename(scratch_path("home/keys"), scratch_path("home/away")), 0);
    ck_assert_int_eq(keys_read(none), ERR_NOTFOUND);
    ck_assert_int_eq(symlink("away", scratch_path("home/keys")), 0);
    ck_assert_int_eq(keys_read(none), ERR_DENIED);
    ck_assert_int_eq(unlink(scratch_path("home/keys")), 0);
    ck_assert_int_eq(network_psk_create(scratch_path("home/keys"), errmsg), OK);
    ck_assert_int_eq(keys_read(none), ERR_MISMATCH);
    secret_free(good);
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("negative_rest");
    TCase *tc = tcase_create("negative_rest");

    tcase_add_checked_fixture(tc, scratch_make, scratch_remove);
    tcase_set_timeout(tc, 60);
    if (!SANITIZED) {
        tcase_add_test(tc, test_rest_secret_memory_is_locked);
        tcase_add_test(tc, test_rest_core_file_has_no_secret);
        if (geteuid() == 0) {
            tcase_add_test(tc, test_rest_nothing_without_locked_memory);
        }
    }
    tcase_add_test(tc, test_rest_fork_shares_no_randomness);
    tcase_add_test(tc, test_rest_keys_that_are_no_good);
    tcase_add_loop_test(tc, test_rest_killed_while_keys_are_written, 0, 40);
    suite_add_tcase(s, tc);
    return s;
}
