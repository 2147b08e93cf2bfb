#include <errno.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#include "node/custody/custody_run.h"
#include "tests/scratch.h"

/* A machine of a few words drives the driver: a request is a script whose
 * letters it carries out, one a step.
 *
 *   rX   read the rows under X       wX   write the row X, and answer
 *   a    answer with what was read
 *
 * Rows under "d" are due. */

static const uint8_t store_key[32] = {1}, store_id[VOLUME_ID_SIZE] = {2};
static struct custody_store *store;
static struct custody_run *run;
static char errmsg[ERRMSG_SIZE], noted[ERRMSG_SIZE];
static uint8_t answer[CUSTODY_SIZE_MAX];
static size_t answer_size;

static int sync_errno;

int fsync(int fd)
{
    if (sync_errno != 0) {
        errno = sync_errno;
        return -1;
    }
    return (int)syscall(SYS_fsync, fd);
}

static uint64_t disk_free;

int fstatvfs(int fildes, struct statvfs *buf)
{
    (void)fildes;
    *buf = (struct statvfs){.f_frsize = 1, .f_bavail = disk_free};
    return 0;
}

/* --- The machine --------------------------------------------------------- */

#define SEEN_SIZE 256U

struct machine {
    char script[64];
    const char *at;
    uint64_t id, read_id;
    char seen[SEEN_SIZE]; /* Rows, and the status of their end. */
    char started[SEEN_SIZE];
    uint64_t wall_ms, steps;
};

static struct machine machine;

static void seen_add(char *seen, struct slice text)
{
    size_t at = strlen(seen);

    ck_assert_uint_lt(at + text.size, SEEN_SIZE);
    memcpy(seen + at, text.data, text.size);
    seen[at + text.size] = '\0';
}

static void row_seen(char *seen, const struct core_event *ev)
{
    for (size_t i = 0; i < ev->rows_len; i++) {
        seen_add(seen, ev->rows[i].key);
        seen_add(seen, slice_str("="));
        seen_add(seen, ev->rows[i].value);
        seen_add(seen, slice_str(" "));
    }
    if (ev->status != 0) {
        seen_add(seen, slice_str(ev->status == 1 ? "." : "!"));
    }
}

static void machine_go(struct machine *m, struct core_out *out)
{
    const char *at = m->at;

    if (at[0] == 'r') {
        core_act(out, ACT_READ, ++m->read_id, slice_of(at + 1, 1));
        m->at += 2;
    } else if (at[0] == 'w') {
        core_put(out, slice_of(at + 1, 1), slice_str("written"));
        core_act(out, ACT_REPLY, m->id, slice_str("done"));
    } else {
        core_act(out, ACT_REPLY, m->id, slice_str(m->seen));
    }
}

static void machine_step(void *arg,
                         const struct core_event *ev,
                         struct core_out *out)
{
    struct machine *m = arg;

    /* Secrets of the step before are gone. */
    for (size_t i = 0; i < 1024; i++) {
        ck_assert_uint_eq(out->arena[i], 0);
    }
    ck_assert_uint_ge(ev->wall_ms, m->wall_ms);
    ck_assert_uint_gt(ev->wall_ms, 1600000000000U);
    m->wall_ms = ev->wall_ms;
    m->steps++;
    if (ev->type == EV_START) {
        row_seen(m->started, ev);
    } else if (ev->type == EV_CLIENT && ev->status == ERR_FULL) {
        ck_assert_uint_eq(ev->id, m->id);
        core_act(out, ACT_REPLY, m->id, slice_str("no room"));
    } else if (ev->type == EV_CLIENT) {
        ck_assert_str_ne(m->started, "");
        ck_assert_uint_lt(ev->bytes.size, sizeof(m->script));
        memset(m->script, 0, sizeof(m->script));
        memcpy(m->script, ev->bytes.data, ev->bytes.size);
        m->at = m->script;
        m->id = ev->id;
        m->seen[0] = '\0';
        machine_go(m, out);
    } else {
        ck_assert_int_eq(ev->type, EV_ROWS);
        ck_assert_uint_eq(ev->id, m->read_id);
        row_seen(m->seen, ev);
        if (ev->status != 0) {
            machine_go(m, out);
        }
    }
}

/* --- Verbs --------------------------------------------------------------- */

static void on_note(void *arg, const char *text)
{
    ck_assert_ptr_eq(arg, &machine);
    (void)snprintf(noted, sizeof(noted), "%s", text);
}

static void boot(const char *prefix)
{
    const struct custody_run_config config = {.store = store,
                                              .step = machine_step,
                                              .machine = &machine,
                                              .start = slice_str(prefix),
                                              .due = slice_str("d"),
                                              .on_note = on_note,
                                              .arg = &machine};

    custody_run_close(run);
    run = NULL;
    memset(&machine, 0, sizeof(machine));
    ck_assert_int_eq(custody_run_open(&run, &config, errmsg), OK);
}

static void put(const char *key, const char *text)
{
    ck_assert_int_eq(
        custody_store_put(store, slice_str(key), slice_str(text), errmsg), OK);
}

static void start(void)
{
    sync_errno = 0;
    disk_free = UINT64_C(1) << 40;
    noted[0] = '\0';
    scratch_make();
    ck_assert_int_eq(volume_init_as(scratch, store_id, errmsg), OK);
    ck_assert_int_eq(
        custody_store_open(&store, scratch, store_id, store_key, errmsg), OK);
    put("a1", "one");
    put("a2", "two");
    put("b", "three");
    boot("");
}

static void stop(void)
{
    custody_run_close(run);
    custody_store_close(store);
    scratch_remove();
}

static int ask(const char *script)
{
    answer_size = 0;
    return custody_run_ask(run, slice_str(script), answer, &answer_size,
                           errmsg);
}

static void answers(const char *script, const char *text)
{
    ck_assert_int_eq(ask(script), OK);
    ck_assert_uint_eq(answer_size, strlen(text));
    ck_assert_mem_eq(answer, text, answer_size);
}

/* --- Tests --------------------------------------------------------------- */

/* Rows come in order, then the end; a request may read more than once. */
START_TEST(test_custody_run_reads)
{
    answers("raa", "a1=one a2=two .");
    answers("rba", "b=three .");
    answers("rca", ".");
    answers("rcrarba", ".a1=one a2=two .b=three .");
}
END_TEST

/* An answer says that its row is on the disk: it is. */
START_TEST(test_custody_run_writes)
{
    answers("wb", "done");
    answers("rba", "b=written .");
    boot("");
    answers("rba", "b=written .");
}
END_TEST

/* A row that cannot be written: no answer, then or ever after. */
START_TEST(test_custody_run_halts)
{
    uint64_t steps;

    sync_errno = EIO;
    ck_assert_int_eq(ask("wb"), ERR_IO);
    ck_assert_uint_eq(answer_size, 0);
    ck_assert_str_ne(errmsg, "");
    sync_errno = 0;
    steps = machine.steps;
    ck_assert_int_eq(ask("rba"), ERR_ORDER);
    ck_assert_uint_eq(machine.steps, steps);
    boot("");
    answers("rba", "b=three .");
}
END_TEST

/* A full disk costs the request, with words, and nothing else; no row is half
 * there, and when there is room again it goes on. */
START_TEST(test_custody_run_full)
{
    sync_errno = ENOSPC;
    answers("wc", "no room");
    ck_assert_ptr_nonnull(strstr(noted, "space"));
    answers("wd", "no room");
    answers("rca", ".");
    answers("rawd", "no room"); /* Pages of what was read still come. */
    sync_errno = 0;
    answers("rda", ".");
    answers("wd", "done");
    answers("rda", "d=written .");
}
END_TEST

/* Below the reserve only rows that are due are written. */
START_TEST(test_custody_run_reserve)
{
    disk_free = CUSTODY_STORE_RESERVE;
    answers("wc", "no room");
    ck_assert_ptr_nonnull(strstr(noted, "kept for decisions"));
    answers("rca", ".");
    answers("wd", "done");
    disk_free *= 2;
    answers("wc", "done");
}
END_TEST

/* A damaged row is told, is no missing row, and costs no other request. */
START_TEST(test_custody_run_damaged_row)
{
    scratch_put("6132", "not what was sealed", 0600); /* a2 */
    answers("raa", "a1=one !");
    ck_assert_ptr_nonnull(strstr(noted, "6132"));
    answers("rba", "b=three .");
    answers("wc", "done");
}
END_TEST

/* A folder that is gone is no store without rows. */
START_TEST(test_custody_run_lost_folder)
{
    char away[2 * SCRATCH_PATH_SIZE];

    (void)snprintf(away, sizeof(away), "%s.away", scratch);
    ck_assert_int_eq(rename(scratch, away), 0);
    answers("rba", "!");
    ck_assert_str_ne(noted, "");
    ck_assert_int_eq(rename(away, scratch), 0);
    answers("rba", "b=three .");
}
END_TEST

/* The machine begins with the rows that its owner names, but for bad ones. */
START_TEST(test_custody_run_starts)
{
    ck_assert_str_eq(machine.started, ".");
    boot("a");
    ck_assert_str_eq(machine.started, "a1=one a2=two .");
    scratch_put("6131", "bad", 0600); /* a1 */
    boot("a");
    ck_assert_str_eq(machine.started, "a2=two .");
    ck_assert_ptr_nonnull(strstr(noted, "6131"));
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("custody_run");
    TCase *tc = tcase_create("run");

    tcase_add_checked_fixture(tc, start, stop);
    tcase_add_test(tc, test_custody_run_reads);
    tcase_add_test(tc, test_custody_run_writes);
    tcase_add_test(tc, test_custody_run_halts);
    tcase_add_test(tc, test_custody_run_full);
    tcase_add_test(tc, test_custody_run_reserve);
    tcase_add_test(tc, test_custody_run_damaged_row);
    tcase_add_test(tc, test_custody_run_lost_folder);
    tcase_add_test(tc, test_custody_run_starts);
    suite_add_tcase(s, tc);
    return s;
}
