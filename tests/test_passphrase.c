#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>

#include "crypto/secret.h"
#include "node/base/file.h"
#include "tests/scratch.h"

#define MAX 16U

static char errmsg[ERRMSG_SIZE];
static char *out;
static size_t size;

static void setup(void)
{
    scratch_make();
    out = secret_new(MAX);
    ck_assert_ptr_nonnull(out);
    size = 4711;
}

static void teardown(void)
{
    secret_free(out);
    scratch_remove();
}

static int from_file(const char *text)
{
    scratch_put("passphrase", text, 0600);
    return passphrase_read(scratch_path("passphrase"), NULL, false, out, MAX,
                           &size, errmsg);
}

static int from_command(const char *command)
{
    return passphrase_read(NULL, command, false, out, MAX, &size, errmsg);
}

static void ck_assert_got(const char *text)
{
    ck_assert_uint_eq(size, strlen(text));
    ck_assert_bytes_eq(out, text, size);
}

static void ck_assert_got_nothing(void)
{
    static const char zero[MAX];

    ck_assert_uint_eq(size, 4711);
    ck_assert_bytes_eq(out, zero, MAX);
}

/* The first line of a file, whatever its end and whatever follows it. */
START_TEST(test_passphrase_file)
{
    ck_assert_int_eq(from_file("horse battery"), OK);
    ck_assert_got("horse battery");
    ck_assert_int_eq(from_file("horse\nstaple\n"), OK);
    ck_assert_got("horse");
    ck_assert_int_eq(from_file("of two words \r\n"), OK);
    ck_assert_got("of two words ");
    ck_assert_int_eq(from_file("sixteen bytes!!!\n"), OK);
    ck_assert_got("sixteen bytes!!!");
}
END_TEST

/* An empty line, a line that is too long and a file that others can read are
 * refused. */
START_TEST(test_passphrase_file_refusals)
{
    ck_assert_int_eq(from_file(""), ERR_DENIED);
    ck_assert_int_eq(from_file("\nsecond"), ERR_DENIED);
    ck_assert_int_eq(from_file("\r\n"), ERR_DENIED);
    ck_assert_int_eq(from_file("seventeen bytes!!\n"), ERR_FULL);
    scratch_put("open", "horse", 0644);
    ck_assert_int_eq(passphrase_read(scratch_path("open"), NULL, false, out,
                                     MAX, &size, errmsg),
                     ERR_DENIED);
    ck_assert_int_eq(passphrase_read(scratch_path("none"), NULL, false, out,
                                     MAX, &size, errmsg),
                     ERR_NOTFOUND);
    ck_assert_got_nothing();
}
END_TEST

/* The first line that a command prints, however much it prints. */
START_TEST(test_passphrase_command)
{
    ck_assert_int_eq(from_command("echo horse"), OK);
    ck_assert_got("horse");
    ck_assert_int_eq(from_command("printf 'sixteen bytes!!!\\r\\n'"), OK);
    ck_assert_got("sixteen bytes!!!");
    ck_assert_int_eq(from_command("echo horse; seq 100000"), OK);
    ck_assert_got("horse");
}
END_TEST

/* A command that fails gives nothing, even if it printed something. */
START_TEST(test_passphrase_command_refusals)
{
    ck_assert_int_eq(from_command("echo horse; exit 3"), ERR_IO);
    ck_assert_ptr_nonnull(strstr(errmsg, "echo horse; exit 3"));
    ck_assert_int_eq(from_command("echo horse; kill -9 $$"), ERR_IO);
    ck_assert_int_eq(from_command("/nonexistent/command 2>/dev/null"), ERR_IO);
    ck_assert_int_eq(from_command("true"), ERR_DENIED);
    ck_assert_int_eq(from_command("echo seventeen bytes!!"), ERR_FULL);
    ck_assert_int_eq(from_command("seq 100000 | tr -d '\\n'"), ERR_FULL);
    ck_assert_got_nothing();
}
END_TEST

/* A person at a terminal: this end of it, and the process at the other. */
static int person;
static pid_t process;
static char seen[1024];

/* What the process exits with when it got "horse". */
#define GOT_HORSE 77

/* A session of its own, and the signals as a shell hands them on. */
static void process_detach(void)
{
    if (setsid() < 0) {
        _exit(1);
    }
    (void)signal(SIGINT, SIG_DFL);
    (void)signal(SIGTERM, SIG_DFL);
}

static int process_status(void)
{
    int status = -1;

    ck_assert_int_eq(waitpid(process, &status, 0), process);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Without a terminal there is nobody to ask. */
START_TEST(test_passphrase_no_terminal)
{
    process = fork();
    ck_assert_int_ge(process, 0);
    if (process == 0) {
        process_detach();
        _exit(-passphrase_read(NULL, NULL, true, out, MAX, &size, errmsg));
    }
    ck_assert_int_eq(process_status(), -ERR_IO);
}
END_TEST

static void terminal_start(bool confirm)
{
    char path[64];

    person = posix_openpt(O_RDWR | O_NOCTTY);
    ck_assert_int_ge(person, 0);
    ck_assert_int_eq(grantpt(person), 0);
    ck_assert_int_eq(unlockpt(person), 0);
    ck_assert_int_eq(ptsname_r(person, path, sizeof(path)), 0);
    seen[0] = '\0';
    process = fork();
    ck_assert_int_ge(process, 0);
    if (process == 0) {
        int rv;

        close(person);
        process_detach();
        if (open(path, O_RDWR) < 0) {
            _exit(1);
        }
        rv = passphrase_read(NULL, NULL, confirm, out, MAX, &size, errmsg);
        if (rv == OK && size == 5 && memcmp(out, "horse", 5) == 0) {
            rv = -GOT_HORSE;
        }
        _exit(-rv);
    }
}

/* Read what the terminal shows until |text| is in it. */
static void person_waits_for(const char *text)
{
    size_t at = strlen(seen);

    while (strstr(seen, text) == NULL) {
        struct pollfd p = {.fd = person, .events = POLLIN};
        ssize_t n;

        ck_assert_int_eq(poll(&p, 1, 10000), 1);
        n = read(person, seen + at, sizeof(seen) - 1 - at);
        ck_assert_int_gt(n, 0);
        at += (size_t)n;
        seen[at] = '\0';
    }
}

static void person_types(const char *text)
{
    ck_assert_int_eq(write(person, text, strlen(text)), (ssize_t)strlen(text));
}

static bool terminal_echoes(void)
{
    struct termios t;

    ck_assert_int_eq(tcgetattr(person, &t), 0);
    return (t.c_lflag & (tcflag_t)ECHO) != 0;
}

/* The passphrase is asked for once or twice, and never shown. */
START_TEST(test_passphrase_terminal)
{
    bool confirm = _i == 1;

    terminal_start(confirm);
    person_waits_for("Passphrase: ");
    ck_assert(!terminal_echoes());
    person_types("horse\n");
    if (confirm) {
        person_waits_for("again: ");
        ck_assert(!terminal_echoes());
        person_types("horse\n");
    }
    ck_assert_int_eq(process_status(), GOT_HORSE);
    ck_assert(terminal_echoes());
    ck_assert_ptr_null(strstr(seen, "horse"));
    close(person);
}
END_TEST

/* Two passphrases that differ, none, and one that is too long are refused. */
START_TEST(test_passphrase_terminal_refusals)
{
    static const struct {
        const char *first, *second;
        int status;
    } cases[] = {
        {"horse\n", "house\n", ERR_DENIED},
        {"horse\n", "horses\n", ERR_DENIED},
        {"horse\n", "\n", ERR_DENIED},
        {"\n", "\n", ERR_DENIED},
        {"seventeen bytes!!\n", "seventeen bytes!!\n", ERR_FULL},
        {"sixteen bytes!!!x\n", "sixteen bytes!!!y\n", ERR_FULL},
        {"horse\n", "\x04", ERR_CANCELED}, /* Ctrl-D */
    };

    terminal_start(true);
    person_waits_for("Passphrase: ");
    person_types(cases[_i].first);
    person_waits_for("again: ");
    person_types(cases[_i].second);
    ck_assert_int_eq(process_status(), -cases[_i].status);
    ck_assert(terminal_echoes());
    close(person);
}
END_TEST

/* Ctrl-C ends the process as ever, but not before the echo is back. */
START_TEST(test_passphrase_terminal_interrupt)
{
    terminal_start(false);
    person_waits_for("Passphrase: ");
    person_types("hor\x03");
    ck_assert_int_eq(process_status(), 128 + SIGINT);
    ck_assert(terminal_echoes());
    close(person);
}
END_TEST

/* After a stop the question comes again. (The kernel does not stop a session
 * leader, which nobody could wake: this one comes back at once.) */
START_TEST(test_passphrase_terminal_stop)
{
    terminal_start(false);
    person_waits_for("Passphrase: ");
    ck_assert_int_eq(kill(process, SIGTSTP), 0);
    person_waits_for("\nPassphrase: ");
    ck_assert(!terminal_echoes());
    person_types("horse\n");
    ck_assert_int_eq(process_status(), GOT_HORSE);
    ck_assert(terminal_echoes());
    close(person);
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("passphrase");
    TCase *tc = tcase_create("passphrase");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_passphrase_file);
    tcase_add_test(tc, test_passphrase_file_refusals);
    tcase_add_test(tc, test_passphrase_command);
    tcase_add_test(tc, test_passphrase_command_refusals);
    tcase_add_test(tc, test_passphrase_no_terminal);
    tcase_add_loop_test(tc, test_passphrase_terminal, 0, 2);
    tcase_add_loop_test(tc, test_passphrase_terminal_refusals, 0, 7);
    tcase_add_test(tc, test_passphrase_terminal_interrupt);
    tcase_add_test(tc, test_passphrase_terminal_stop);
    suite_add_tcase(s, tc);
    return s;
}
