#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "node/deposit/journal_internal.h"
#include "node/home/home.h"
#include "protocol/policy.h"
#include "tests/scratch.h"

#define SHARDS      7
#define RECORD      ((size_t)56) /* Of a segment. */
#define LEAVES_EACH 3U           /* Of a cell. */
#define SLOT_MAX    (64U << 10)

static char errmsg[ERRMSG_SIZE];
static struct journal_plan plan;
static struct journal j;
static struct rng rng;
static char folder[2 * SCRATCH_PATH_SIZE];
static struct sealer_commit commits[8];

static void setup(void)
{
    static const uint8_t seed[RNG_SEED_SIZE] = "journal";

    scratch_make();
    (void)snprintf(folder, sizeof(folder), "%s/journal", scratch);
    rng_init_seed(&rng, seed);
    memset(&plan, 0, sizeof(plan));
    rng_bytes(&rng, &plan.author, sizeof(plan.author));
    rng_bytes(&rng, &plan.random, sizeof(plan.random));
    manifest_deposit_id(&plan.deposit_id, &plan.net, &plan.author,
                        plan.random.bytes);
    rng_bytes(&rng, plan.seed, sizeof(plan.seed));
    memcpy(plan.label, "a model", 8);
    plan.time_s = 1800000000;
    plan.data_size = 123456789;
    plan.segment_size = SEGMENT_SIZE_MIN;
    plan.k = 4;
    plan.n = SHARDS;
    plan.cadence_days = 30;
    vss_polynomials_init(&plan.polynomials, 3, &rng);
    ck_assert_int_eq(
        policy_default(3, plan.policy, sizeof(plan.policy), &plan.policy_size),
        OK);
}

static void teardown(void)
{
    scratch_remove();
}

static int create(const char *passphrase)
{
    return journal_create(&j, folder, &plan, slice_str(passphrase), errmsg);
}

static int open_it(void)
{
    return journal_open(&j, folder, slice_str(""), errmsg);
}

/* The commit of segment |i|, the same whenever it is asked for. */
static const struct sealer_commit *commit_of(uint64_t i)
{
    struct sealer_commit *c = &commits[i];
    uint64_t leaves = 1 + (i + 1) * LEAVES_EACH;

    memset(c, 0, sizeof(*c));
    c->segment = i;
    c->count = 1;
    c->added[0] = (struct sealer_segment){
        .plain_size = (uint32_t)(1000 + i),
        .ciphertext_size = (uint32_t)(2000 + i),
        .cell_leaves = LEAVES_EACH,
    };
    memset(&c->added[0].plain, (int)(i + 1), DIGEST_SIZE);
    c->offset = leaves * LEAF_SIZE;
    for (uint16_t s = 0; s < SHARDS; s++) {
        merkle_range_init(&c->ranges[s]);
        for (uint64_t l = 0; l < leaves; l++) {
            struct digest leaf;

            memset(&leaf, (int)(l + 1), sizeof(leaf));
            leaf.bytes[0] = (uint8_t)s;
            merkle_range_append(&c->ranges[s], &leaf, NULL, NULL);
        }
    }
    return c;
}

static void commit_until(uint64_t count)
{
    while (j.committed < count) {
        ck_assert_int_eq(journal_commit(&j, commit_of(j.committed), errmsg),
                         OK);
    }
}

/* It stands at |count| commits, the last of which is the right one. */
static void stands_at(uint64_t count)
{
    static struct sealer_commit last;
    int rv = journal_last(&j, &last, errmsg);

    ck_assert_uint_eq(j.committed, count);
    ck_assert_int_eq(rv, count > 0 ? OK : ERR_NOTFOUND);
    if (count > 0) {
        const struct sealer_commit *want = commit_of(count - 1);

        ck_assert_uint_eq(last.segment, count - 1);
        ck_assert_uint_eq(last.offset, want->offset);
        for (uint16_t s = 0; s < SHARDS; s++) {
            ck_assert_uint_eq(last.ranges[s].leaves, want->ranges[s].leaves);
            ck_assert_bytes_eq(last.ranges[s].nodes, want->ranges[s].nodes,
                               merkle_range_nodes_len(want->ranges[s].leaves) *
                                   DIGEST_SIZE);
        }
    }
    for (uint64_t i = 0; i < count; i++) {
        struct sealer_segment got;

        ck_assert_int_eq(journal_segment(&j, i, &got, errmsg), OK);
        ck_assert_uint_eq(got.plain_size, 1000 + i);
        ck_assert_uint_eq(got.ciphertext_size, 2000 + i);
        ck_assert_uint_eq(got.cell_leaves, LEAVES_EACH);
        ck_assert_bytes_eq(got.plain.bytes, commit_of(i)->added[0].plain.bytes,
                           DIGEST_SIZE);
    }
}

static size_t get(const char *name, uint8_t *out, size_t max)
{
    int fd = open(scratch_path(name), O_RDONLY);
    ssize_t got;

    ck_assert_int_ge(fd, 0);
    got = read(fd, out, max);
    ck_assert_int_ge(got, 0);
    close(fd);
    return (size_t)got;
}

static void put(const char *name, const uint8_t *bytes, size_t size)
{
    int fd = open(scratch_path(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, bytes, size), (ssize_t)size);
    close(fd);
}

static bool is_there(const char *name)
{
    return access(scratch_path(name), F_OK) == 0;
}

/* What was committed is there after closing and opening, the plan too. */
START_TEST(test_journal_commits_survive)
{
    ck_assert_int_eq(open_it(), ERR_NOTFOUND);
    ck_assert_int_eq(create(""), OK);
    for (uint64_t count = 0; count <= 6; count++) {
        commit_until(count);
        stands_at(count);
        journal_close(&j);
        ck_assert_int_eq(open_it(), OK);
        stands_at(count);
    }
    ck_assert_str_eq(j.plan->label, plan.label);
    ck_assert(digest_equal(&j.plan->random, &plan.random));
    ck_assert(digest_equal(&j.plan->deposit_id, &plan.deposit_id));
    ck_assert_uint_eq(j.plan->data_size, plan.data_size);
    ck_assert_uint_eq(j.plan->polynomials.t, 3);
    ck_assert_bytes_eq(j.plan->polynomials.a, plan.polynomials.a,
                       3 * sizeof(struct scalar));
    ck_assert_bytes_eq(j.plan->polynomials.b, plan.polynomials.b,
                       3 * sizeof(struct scalar));
    ck_assert_bytes_eq(j.plan->seed, plan.seed, sizeof(plan.seed));
    journal_close(&j);
}
END_TEST

/* A power cut at any byte of a commit's ranges leaves the commit before: what
 * is behind the cut are the slot's old bytes, or zeros. */
START_TEST(test_journal_torn_ranges_fall_back_one_commit)
{
    static uint8_t old[SLOT_MAX], new[SLOT_MAX], mixed[SLOT_MAX];
    size_t old_size;
    size_t new_size;
    size_t record; /* What of the slot is in use. */

    ck_assert_int_eq(create(""), OK);
    commit_until(4);
    old_size = get("journal/ranges-0", old, SLOT_MAX); /* Of segment 2. */
    commit_until(5);
    journal_close(&j);
    new_size = get("journal/ranges-0", new, SLOT_MAX);
    ck_assert_uint_eq(new_size, old_size); /* Old bytes behind the new ones. */
    record = 24 +
             (size_t)SHARDS * DIGEST_SIZE *
                 merkle_range_nodes_len(commit_of(4)->ranges[0].leaves) +
             DIGEST_SIZE;
    for (size_t cut = 0; cut <= 2 * new_size; cut++) {
        size_t at = cut / 2;
        bool whole;

        memset(mixed, 0, new_size);
        if (cut % 2 == 0) {
            memcpy(mixed, old, old_size);
        }
        memcpy(mixed, new, at);
        whole = memcmp(mixed, new, record) == 0;
        put("journal/ranges-0", mixed, cut % 2 == 0 ? new_size : at);
        ck_assert_int_eq(open_it(), OK);
        stands_at(whole && (cut % 2 == 0 || at >= record) ? 5 : 4);
        journal_close(&j);
    }
}
END_TEST

/* After falling back, the lost commit can be made again, and counts. */
START_TEST(test_journal_goes_on_after_a_torn_commit)
{
    ck_assert_int_eq(create(""), OK);
    commit_until(5);
    journal_close(&j);
    ck_assert_int_eq(truncate(scratch_path("journal/ranges-0"), 100), 0);
    /* Its record may be torn as well. */
    ck_assert_int_eq(
        truncate(scratch_path("journal/segments"), (off_t)(4 * RECORD + 9)), 0);
    ck_assert_int_eq(open_it(), OK);
    stands_at(4);
    commit_until(7);
    journal_close(&j);
    ck_assert_int_eq(open_it(), OK);
    stands_at(7);
    journal_close(&j);
}
END_TEST

/* A flipped bit anywhere in a slot is noticed; in both, all starts over. */
START_TEST(test_journal_flipped_ranges)
{
    static uint8_t good[SLOT_MAX];
    size_t size;

    ck_assert_int_eq(create(""), OK);
    commit_until(3);
    journal_close(&j);
    size = get("journal/ranges-0", good, SLOT_MAX);
    for (size_t at = 0; at < size; at++) {
        good[at] ^= (uint8_t)(1U << at % 8);
        put("journal/ranges-0", good, size);
        good[at] ^= (uint8_t)(1U << at % 8);
        ck_assert_int_eq(open_it(), OK);
        stands_at(2);
        journal_close(&j);
    }
    ck_assert_int_eq(truncate(scratch_path("journal/ranges-0"), 0), 0);
    ck_assert_int_eq(truncate(scratch_path("journal/ranges-1"), 30), 0);
    ck_assert_int_eq(open_it(), OK);
    stands_at(0);
    journal_close(&j);
}
END_TEST

/* A committed record that changed is never used. */
START_TEST(test_journal_flipped_records)
{
    static uint8_t good[SLOT_MAX];
    size_t size;

    ck_assert_int_eq(create(""), OK);
    commit_until(3);
    journal_close(&j);
    size = get("journal/segments", good, SLOT_MAX);
    ck_assert_uint_eq(size, 3 * RECORD);
    for (size_t at = RECORD; at < 2 * RECORD; at++) {
        struct sealer_segment got;

        good[at] ^= (uint8_t)(1U << at % 8);
        put("journal/segments", good, size);
        good[at] ^= (uint8_t)(1U << at % 8);
        ck_assert_int_eq(open_it(), OK);
        ck_assert_int_eq(journal_segment(&j, 0, &got, errmsg), OK);
        ck_assert_int_eq(journal_segment(&j, 1, &got, errmsg), ERR_BAD);
        ck_assert_int_eq(journal_segment(&j, 2, &got, errmsg), OK);
        journal_close(&j);
    }
}
END_TEST

/* A plan with any byte changed, or cut anywhere, is refused. */
START_TEST(test_journal_damaged_plan)
{
    static uint8_t good[SLOT_MAX];
    size_t size;

    ck_assert_int_eq(create(""), OK);
    journal_close(&j);
    size = get("journal/plan", good, SLOT_MAX);
    for (size_t at = 0; at < size; at++) {
        put("journal/plan", good, at);
        ck_assert_int_ne(open_it(), OK);
        good[at] ^= (uint8_t)(1U << at % 8);
        put("journal/plan", good, size);
        good[at] ^= (uint8_t)(1U << at % 8);
        ck_assert_int_ne(open_it(), OK);
        ck_assert_str_ne(errmsg, "");
    }
    put("journal/plan", good, size);
    ck_assert_int_eq(open_it(), OK);
    journal_close(&j);
}
END_TEST

/* A sealed journal opens under its own passphrase only, and shows nothing. */
START_TEST(test_journal_passphrase)
{
    static uint8_t file[SLOT_MAX];
    bool sealed = false;
    size_t size;

    ck_assert_int_eq(create("correct horse"), OK);
    journal_close(&j);
    size = get("journal/plan", file, SLOT_MAX);
    ck_assert_ptr_null(memmem(file, size, plan.seed, sizeof(plan.seed)));
    ck_assert_ptr_null(memmem(file, size, &plan.polynomials.a[0], 32));
    ck_assert_int_eq(journal_is_sealed(folder, &sealed, errmsg), OK);
    ck_assert(sealed);
    ck_assert_int_eq(open_it(), ERR_AUTH);
    ck_assert_int_eq(
        journal_open(&j, folder, slice_str("battery staple"), errmsg),
        ERR_AUTH);
    ck_assert_int_eq(
        journal_open(&j, folder, slice_str("correct horse"), errmsg), OK);
    ck_assert_bytes_eq(j.plan->seed, plan.seed, sizeof(plan.seed));
    journal_close(&j);
}
END_TEST

/* The plan of an earlier version had another field for the id of the deposit.
 * It is refused, and says what to do. */
START_TEST(test_journal_of_another_version)
{
    static uint8_t payload[JOURNAL_PLAN_SIZE_MAX];
    size_t size = 0;

    ck_assert_int_eq(create(""), OK);
    journal_close(&j);
    ck_assert_int_eq(
        journal_plan_encode(&plan, payload, sizeof(payload), &size), OK);
    ck_assert_uint_eq(payload[3], 2);
    payload[3] = 1;
    ck_assert_int_eq(unlink(scratch_path("journal/plan")), 0);
    ck_assert_int_eq(home_keyfile_create(scratch_path("journal/plan"),
                                         KEYFILE_JOURNAL, slice_str(""),
                                         slice_of(payload, size), errmsg),
                     OK);
    ck_assert_int_eq(open_it(), ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(errmsg, "another version of cairn"));
}
END_TEST

/* One process at a time; a plan is never written over. */
START_TEST(test_journal_two_openers)
{
    struct journal other;

    ck_assert_int_eq(create(""), OK);
    ck_assert_int_eq(journal_open(&other, folder, slice_str(""), errmsg),
                     ERR_BUSY);
    ck_assert_int_eq(
        journal_create(&other, folder, &plan, slice_str(""), errmsg), ERR_BUSY);
    journal_close(&j);
    ck_assert_int_eq(create(""), ERR_EXISTS);
    ck_assert_int_eq(open_it(), OK);
    journal_close(&j);
}
END_TEST

/* After a failed write nothing more is acknowledged, also when there is room
 * again; what was committed before is there. */
START_TEST(test_journal_failed_write_is_final)
{
    struct rlimit limit;

    ck_assert_int_eq(create(""), OK);
    commit_until(2);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    signal(SIGXFSZ, SIG_IGN);
    limit.rlim_cur = 2 * RECORD + 10;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert_int_ne(journal_commit(&j, commit_of(2), errmsg), OK);
    limit.rlim_cur = limit.rlim_max;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert_int_ne(journal_commit(&j, commit_of(2), errmsg), OK);
    journal_close(&j);
    ck_assert_int_eq(open_it(), OK);
    stands_at(2);
    commit_until(3);
    journal_close(&j);
}
END_TEST

/* Erasing removes everything of a journal, also the plan that a power cut left
 * half written, and overwrites before it unlinks. */
START_TEST(test_journal_erase)
{
    static uint8_t seen[SLOT_MAX];
    size_t size;

    ck_assert_int_eq(create(""), OK);
    commit_until(2);
    scratch_put("journal/.cairn-tmp-x1y2z3", "half a plan", 0600);
    /* A second name shows what became of the bytes. */
    ck_assert_int_eq(
        link(scratch_path("journal/plan"), scratch_path("witness")), 0);
    ck_assert_int_eq(journal_erase(&j, errmsg), OK);
    journal_close(&j);
    ck_assert(!is_there("journal") && !is_there("journal.done"));
    size = get("witness", seen, SLOT_MAX);
    ck_assert_uint_gt(size, 0);
    for (size_t i = 0; i < size; i++) {
        ck_assert_uint_eq(seen[i], 0);
    }
}
END_TEST

/* What a crash left of an erased journal goes; what is not of a journal stays
 * as it is, and so does all that is beside it. */
START_TEST(test_journal_clean_leaves_strangers_alone)
{
    char text[16];

    ck_assert_int_eq(journal_clean(folder, errmsg), OK);
    ck_assert_int_eq(mkdir(scratch_path("journal.done"), 0700), 0);
    scratch_put("journal.done/plan", "secret", 0600);
    scratch_put("journal.done/ranges-1", "x", 0600);
    ck_assert_int_eq(journal_clean(folder, errmsg), OK);
    ck_assert(!is_there("journal.done"));

    ck_assert_int_eq(mkdir(scratch_path("journal.done"), 0700), 0);
    scratch_put("journal.done/plan", "my plan", 0600);
    scratch_put("journal.done/notes", "mine", 0600);
    ck_assert_int_eq(journal_clean(folder, errmsg), ERR_EXISTS);
    scratch_get("journal.done/plan", text, sizeof(text));
    ck_assert_str_eq(text, "my plan");

    ck_assert_int_eq(mkdir(scratch_path("journal"), 0700), 0);
    scratch_put("journal/diary", "mine", 0600);
    ck_assert_int_eq(create(""), ERR_EXISTS);
    ck_assert(!is_there("journal/lock"));
}
END_TEST

/* Where nothing can be written and nothing is to be erased, nothing is said of
 * secrets that would have to be. */
START_TEST(test_journal_clean_of_nothing_on_a_read_only_disk)
{
    /* In a namespace that goes with the process of this test. */
    if (unshare(CLONE_NEWNS) != 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", scratch, "tmpfs", MS_RDONLY, "size=160k") != 0) {
        return;
    }
    ck_assert_int_eq(journal_clean(folder, errmsg), OK);
    ck_assert_int_eq(create(""), ERR_IO);
    ck_assert_ptr_nonnull(strstr(errmsg, "read-only"));
    ck_assert_int_eq(umount(scratch), 0);
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("journal");
    TCase *tc = tcase_create("journal");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, test_journal_commits_survive);
    tcase_add_test(tc, test_journal_torn_ranges_fall_back_one_commit);
    tcase_add_test(tc, test_journal_goes_on_after_a_torn_commit);
    tcase_add_test(tc, test_journal_flipped_ranges);
    tcase_add_test(tc, test_journal_flipped_records);
    tcase_add_test(tc, test_journal_damaged_plan);
    tcase_add_test(tc, test_journal_of_another_version);
    tcase_add_test(tc, test_journal_passphrase);
    tcase_add_test(tc, test_journal_two_openers);
    tcase_add_test(tc, test_journal_failed_write_is_final);
    tcase_add_test(tc, test_journal_erase);
    tcase_add_test(tc, test_journal_clean_leaves_strangers_alone);
    tcase_add_test(tc, test_journal_clean_of_nothing_on_a_read_only_disk);
    suite_add_tcase(s, tc);
    return s;
}
