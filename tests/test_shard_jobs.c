#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "node/shard/shard_file.h"
#include "node/shard/shard_jobs.h"
#include "tests/link_world.h"
#include "tests/scratch.h"

/* A lab (node a) and a steward (node b) on the loopback. The steward's link is
 * number 1, the next one 2, and so on; instead of its machine stands a list of
 * what the jobs reported. */

#define SHARD_LEAVES 1500U /* Over 5 MiB, and no whole number of buffers. */
#define SHARD_SIZE   ((uint64_t)SHARD_LEAVES * LEAF_SIZE)
#define LEAVES(n)    ((size_t)(n)*LEAF_SIZE)
#define REPORTS_MAX  128
#define LINKS_MAX    8

static struct volume volume;
static struct shard_jobs *jobs;
static struct link *links[LINKS_MAX]; /* The steward's, by number - 1. */
static uint64_t links_len;
static unsigned pauses;
static unsigned rooms; /* That were there for records. */
static bool paused, closed;
static uint32_t still_ms; /* Of the next jobs_open(). */
static char note[ERRMSG_SIZE];

static struct report {
    uint64_t job;
    int status;
    struct merkle_range range;
} reports[REPORTS_MAX];
static size_t reports_len;
static int ends[REPORTS_MAX]; /* By job: its last status, 1 while it runs. */

static uint8_t *shard; /* The bytes that the lab has. */
static struct digest hashes[SHARD_LEAVES];
static struct digest root;
static const struct digest deposit = {{0xd1, 0x05}};
static uint32_t stream; /* The last one used. */

/* What the lab got of a READ. */
static struct message answer;
static unsigned answers;
static uint8_t *got;
static uint64_t got_size;
static bool got_end, any_stream;

/* --- The steward --------------------------------------------------------- */

static uint64_t link_number(const struct link *l)
{
    for (uint64_t i = 0; i < links_len; i++) {
        if (links[i] == l) {
            return i + 1;
        }
    }
    ck_abort_msg("an unknown link");
    return 0;
}

/* Many more links than there are, for jobs that never get a byte. */
#define CROWD 100U

static struct link *link_of(void *arg, uint64_t number)
{
    (void)arg;
    if (number > CROWD) {
        return links[0];
    }
    return number >= 1 && number <= links_len ? links[number - 1] : NULL;
}

static void on_report(void *arg, uint64_t job, int status, struct slice bytes)
{
    struct report *r = &reports[reports_len++];
    struct steward_job_report report;

    (void)arg;
    ck_assert_uint_le(reports_len, REPORTS_MAX);
    ck_assert_int_eq(ends[job], 1); /* Nothing behind the end of a job. */
    *r = (struct report){.job = job, .status = status};
    if (status == 1) {
        ck_assert_int_eq(steward_job_report_decode(&report, bytes), OK);
        r->range = report.range;
    } else {
        ck_assert_uint_eq(bytes.size, 0);
    }
    ends[job] = status;
}

static bool has_reported(uint64_t job)
{
    size_t at = 0;

    while (at < reports_len && reports[at].job != job) {
        at++;
    }
    return at < reports_len;
}

static void on_pause(void *arg, uint64_t number, bool pause)
{
    struct link *l = link_of(NULL, number);

    (void)arg;
    ck_assert(pause != paused);
    paused = pause;
    pauses++;
    if (l != NULL && pause) {
        link_read_pause(l);
    } else if (l != NULL) {
        link_read_resume(l);
    }
}

static void on_note(void *arg, const char *text)
{
    (void)arg;
    (void)snprintf(note, sizeof(note), "%s", text);
}

static void steward_up(struct node *n, struct link *l)
{
    (void)n;
    ck_assert_uint_lt(links_len, LINKS_MAX);
    links[links_len++] = l;
}

static void steward_down(struct node *n, struct link *l)
{
    uint64_t number = link_number(l);

    (void)n;
    links[number - 1] = NULL;
    if (jobs != NULL) {
        shard_jobs_link_down(jobs, number);
    }
}

static int steward_message(void *arg, struct link *l, struct slice bytes)
{
    struct message *m = calloc(1, sizeof(*m));
    int status = message_decode(m, bytes);

    (void)arg;
    ck_assert_int_eq(status, OK);
    if (!shard_jobs_message(jobs, link_number(l), m, &status) &&
        m->type != MESSAGE_COMMIT) {
        status = ERR_ORDER; /* The machine would say so. */
    }
    free(m);
    return status;
}

/* Every fourth record is opened elsewhere, and copied. */
static uint8_t *steward_room(void *arg, struct link *l, size_t size)
{
    uint8_t *room = shard_jobs_room(jobs, link_number(l), size);

    (void)arg;
    rooms += room != NULL ? 1 : 0;
    return rooms % 4 == 0 ? NULL : room;
}

static int steward_data(void *arg,
                        struct link *l,
                        uint32_t s,
                        struct slice bytes,
                        bool end)
{
    (void)arg;
    return shard_jobs_data(jobs, link_number(l), s, bytes, end);
}

static void steward_writable(void *arg, struct link *l)
{
    (void)arg;
    shard_jobs_writable(jobs, link_number(l));
}

/* --- The lab ------------------------------------------------------------- */

static int lab_message(void *arg, struct link *l, struct slice bytes)
{
    (void)arg;
    (void)l;
    /* Slices in |answer| are not looked at. */
    ck_assert_int_eq(message_decode(&answer, bytes), OK);
    answers++;
    return OK;
}

static int lab_data(void *arg,
                    struct link *l,
                    uint32_t s,
                    struct slice bytes,
                    bool end)
{
    (void)arg;
    (void)l;
    if (any_stream) {
        return OK;
    }
    ck_assert_uint_eq(s, answer.u.cell.stream);
    ck_assert_uint_le(got_size + bytes.size, SHARD_SIZE);
    if (bytes.size > 0) {
        memcpy(got + got_size, bytes.data, bytes.size);
    }
    got_size += bytes.size;
    got_end = end;
    return OK;
}

static void say(const struct message *m)
{
    static uint8_t bytes[MESSAGE_SIZE_MAX];
    size_t size = 0;

    ck_assert_int_eq(message_encode(m, bytes, sizeof(bytes), &size), OK);
    ck_assert_int_eq(link_send_message(a.link, slice_of(bytes, size)), OK);
}

static void say_append(uint64_t first, uint64_t leaves)
{
    struct message m = {.type = MESSAGE_APPEND};

    m.u.append = (struct message_append){.deposit_id = deposit,
                                         .first_leaf = first,
                                         .leaves = leaves,
                                         .stream = ++stream};
    say(&m);
}

static void say_flush(void)
{
    struct message m = {.type = MESSAGE_FLUSH};

    m.u.flush.deposit_id = deposit;
    say(&m);
}

static void say_commit(uint64_t leaves)
{
    struct message m = {.type = MESSAGE_COMMIT};

    m.u.commit = (struct message_commit){deposit, leaves};
    say(&m);
}

/* The compact range over the first leaves of the lab's bytes. */
static struct merkle_range range_of(uint64_t leaves)
{
    struct merkle_range r;

    merkle_range_init(&r);
    for (uint64_t i = 0; i < leaves; i++) {
        merkle_range_append(&r, &hashes[i], NULL, NULL);
    }
    return r;
}

static void say_cut(uint64_t leaves)
{
    struct message m = {.type = MESSAGE_CUT};

    m.u.cut = (struct message_cut){deposit, range_of(leaves)};
    say(&m);
}

/* Bulk bytes of the last APPEND. */
static void send_bytes(const uint8_t *bytes, uint64_t size, bool end)
{
    for (uint64_t done = 0; done < size;) {
        size_t take = 1 + (size_t)rng_below(&rng, LINK_DATA_MAX);
        int rv;

        if (take > size - done) {
            take = (size_t)(size - done);
        }
        rv = link_send_data(a.link, stream, slice_of(bytes + done, take),
                            end && done + take == size);
        if (rv == ERR_FULL) {
            world_run();
            continue;
        }
        ck_assert_int_eq(rv, OK);
        done += take;
    }
}

/* Append leaves [first, last) of the shard, in cells of some size. */
static void append(uint64_t first, uint64_t last)
{
    while (first < last) {
        uint64_t cell = 1 + rng_below(&rng, 400);

        if (cell > last - first) {
            cell = last - first;
        }
        say_append(first, cell);
        send_bytes(shard + first * LEAF_SIZE, cell * LEAF_SIZE, true);
        first += cell;
    }
}

/* --- Jobs ---------------------------------------------------------------- */

static void job_run(uint64_t job, const struct steward_job *spec)
{
    uint8_t bytes[STEWARD_JOB_SIZE_MAX];
    size_t size = 0;

    ck_assert_int_eq(steward_job_encode(spec, bytes, sizeof(bytes), &size), OK);
    ends[job] = 1;
    shard_jobs_start(jobs, job, slice_of(bytes, size));
}

static void intake(uint64_t job, uint64_t from, uint64_t final)
{
    struct steward_job spec = {.type = STEWARD_JOB_INTAKE,
                               .link = links_len,
                               .deposit_id = deposit,
                               .index = 3,
                               .size = SHARD_SIZE,
                               .range = range_of(from),
                               .final_leaves = final};

    job_run(job, &spec);
}

static void seal(uint64_t job, uint64_t from, const struct digest *with)
{
    struct steward_job spec = {.type = STEWARD_JOB_SEAL,
                               .manifest = slice_str("the manifest"),
                               .deposit_id = deposit,
                               .index = 3,
                               .size = SHARD_SIZE,
                               .range = range_of(from),
                               .root = *with};

    job_run(job, &spec);
}

static void reading(uint64_t job, uint64_t first, uint64_t leaves)
{
    struct steward_job spec = {.type = STEWARD_JOB_READ,
                               .link = links_len,
                               .deposit_id = deposit,
                               .index = 3,
                               .size = SHARD_SIZE,
                               .root = root,
                               .first_leaf = first,
                               .leaves = leaves,
                               .stream = (uint32_t)job};

    got_size = 0;
    got_end = false;
    answers = 0;
    job_run(job, &spec);
}

static void drop(uint64_t job)
{
    struct steward_job spec = {
        .type = STEWARD_JOB_DROP, .deposit_id = deposit, .index = 3};

    job_run(job, &spec);
}

/* Wait for the end of a job. */
static int ended(uint64_t job)
{
    WAIT(ends[job] != 1);
    return ends[job];
}

/* Wait for progress to |leaves|: the range is that of the lab. */
static void progressed(uint64_t job, uint64_t leaves)
{
    struct merkle_range want = range_of(leaves);
    size_t at = 0;

    for (;;) {
        while (at < reports_len) {
            const struct report *r = &reports[at++];

            ck_assert_int_eq(r->status, 1);
            if (r->job == job && r->range.leaves == leaves) {
                ck_assert_mem_eq(r->range.nodes, want.nodes,
                                 merkle_range_nodes_len(leaves) * DIGEST_SIZE);
                reports_len = 0;
                return;
            }
        }
        world_run();
    }
}

/* The name of the shard's file |file|. */
static const char *shard_path(const char *file)
{
    static char path[SCRATCH_PATH_SIZE * 2];
    char *folder = volume_shard_path(&volume, &deposit, 3);

    (void)snprintf(path, sizeof(path), "%s/%s", folder, file);
    free(folder);
    return path;
}

/* --- Fixture ------------------------------------------------------------- */

static void jobs_open(void)
{
    struct shard_jobs_config config = {.loop = &loop,
                                       .volume = &volume,
                                       .charter = slice_str("the charter"),
                                       .still_ms = still_ms,
                                       .link_of = link_of,
                                       .on_report = on_report,
                                       .on_pause = on_pause,
                                       .on_note = on_note};

    ck_assert_int_eq(shard_jobs_new(&jobs, &config), OK);
    closed = false;
}

static void on_jobs_closed(void *arg)
{
    (void)arg;
    closed = true;
}

static void jobs_close(void)
{
    shard_jobs_close(jobs, on_jobs_closed, NULL);
    WAIT(closed);
    jobs = NULL;
}

static void setup(void)
{
    uint8_t id[VOLUME_ID_SIZE];
    char errmsg[ERRMSG_SIZE];

    scratch_make();
    world_setup();
    ck_assert_int_eq(volume_init(scratch_path("disk"), &rng, id, errmsg), OK);
    ck_assert_int_eq(volume_open(&volume, scratch_path("disk"), id, 0, errmsg),
                     OK);
    shard = malloc(SHARD_SIZE);
    got = malloc(SHARD_SIZE);
    rng_bytes(&rng, shard, SHARD_SIZE);
    merkle_leaves(shard, SHARD_LEAVES, hashes);
    struct merkle_range all = range_of(SHARD_LEAVES);
    merkle_range_root(&all, &root);
    jobs_open();
    a.config.calls.on_message = lab_message;
    a.config.calls.on_data = lab_data;
    b.config.calls.on_message = steward_message;
    b.config.calls.on_room = steward_room;
    b.config.calls.on_data = steward_data;
    b.config.calls.on_writable = steward_writable;
    b.on_up = steward_up;
    b.on_down = steward_down;
    node_connect(&a, &b);
}

static void teardown(void)
{
    jobs_close();
    world_teardown();
    volume_close(&volume);
    free(shard);
    free(got);
    scratch_remove();
}

/* The lab hangs up, and both sides know. */
static void hang_up(void)
{
    unsigned downs = b.downs;

    link_close(a.link, FRAME_REASON_DONE);
    WAIT(a.link == NULL && b.downs > downs);
}

/* The steward closed the link since the lab broke the protocol. */
static void protocol_broken(void)
{
    unsigned downs = b.downs;

    WAIT(b.downs > downs);
    ck_assert_uint_eq(b.reason, FRAME_REASON_PROTOCOL);
}

static void connect_again(void)
{
    unsigned ups = a.ups, other = b.ups;

    (void)node_dial(&a, b.address);
    WAIT(a.ups > ups && b.ups > other);
}

/* A whole shard, sealed. */
static void sealed_shard(void)
{
    intake(1, 0, 0);
    append(0, SHARD_LEAVES);
    say_flush();
    progressed(1, SHARD_LEAVES);
    seal(2, SHARD_LEAVES, &root);
    ck_assert_int_eq(ended(2), OK);
    ck_assert_int_eq(ends[1], ERR_CANCELED);
}

/* --- Taking in ----------------------------------------------------------- */

/* What lies beside the shard for whoever finds it. */
static void check_paper(const char *name, const char *text)
{
    uint8_t *bytes = NULL;
    size_t size = 0;

    ck_assert_int_eq(file_read(shard_path(name), 100, &bytes, &size, note), OK);
    ck_assert_uint_eq(size, strlen(text));
    ck_assert_mem_eq(bytes, text, size);
    free(bytes);
}

/* A shard comes in, in cells of all sizes; each FLUSH is answered with the
 * range that is durable; it is sealed under its root, and lies there byte for
 * byte. */
START_TEST(test_shard_jobs_take_a_shard)
{
    uint8_t *disk = NULL;
    size_t size = 0;

    intake(1, 0, 0);
    append(0, 100);
    say_flush();
    progressed(1, 100);
    append(100, 101);
    say_flush();
    append(101, SHARD_LEAVES);
    say_flush();
    progressed(1, SHARD_LEAVES);
    seal(2, SHARD_LEAVES, &root);
    ck_assert_int_eq(ended(2), OK);
    ck_assert_int_eq(ends[1], ERR_CANCELED);
    ck_assert_int_eq(
        file_read(shard_path("shard"), SHARD_SIZE, &disk, &size, note), OK);
    ck_assert_uint_eq(size, SHARD_SIZE);
    ck_assert_mem_eq(disk, shard, SHARD_SIZE);
    free(disk);
    check_paper("manifest", "the manifest");
    check_paper("charter", "the charter");
    ck_assert_int_ne(access(shard_path("shard.part"), F_OK), 0);
    ck_assert_uint_gt(pauses, 0);
    ck_assert(!paused);
    ck_assert_uint_gt(rooms, SHARD_SIZE / FRAME_BODY_MAX / 2);
}
END_TEST

/* Every FLUSH is reported once, in order, and never more than was sent before
 * it. */
START_TEST(test_shard_jobs_flushes_are_answered_in_order)
{
    size_t flushes = 0;

    intake(1, 0, 0);
    progressed(1, 0); /* It is open. */
    for (uint64_t at = 0; at < 60; at += 3) {
        append(at, at + 3);
        say_flush();
        flushes++;
    }
    WAIT(reports_len == flushes);
    for (size_t i = 0; i < flushes; i++) {
        ck_assert_uint_eq(reports[i].range.leaves, 3 * (i + 1));
    }
}
END_TEST

/* A lab may say FLUSH faster than a disk does it: then it is not listened to,
 * and what waits is bounded. */
START_TEST(test_shard_jobs_flood_of_flushes)
{
    const size_t flood = REPORTS_MAX - 1;

    intake(1, 0, 0);
    for (size_t i = 0; i < flood; i++) {
        if (_i == 0) {
            say_flush();
        } else {
            say_cut(0);
        }
    }
    WAIT(reports_len == flood + 1);
    ck_assert_uint_gt(pauses, 0);
    ck_assert(!paused);
    ck_assert_int_eq(ends[1], 1);
}
END_TEST

/* What the lab tried in vain is cut off and written again with other bytes. */
START_TEST(test_shard_jobs_cut_and_go_on)
{
    uint8_t *other = malloc(LEAVES(300));

    memset(other, 0x5a, LEAVES(300));
    intake(1, 0, 0);
    append(0, 40);
    say_append(40, 300);
    send_bytes(other, LEAVES(300), true);
    say_flush();
    WAIT(reports_len == 2);
    ck_assert_uint_eq(reports[0].range.leaves, 0);
    ck_assert_uint_eq(reports[1].range.leaves, 340);
    reports_len = 0;
    say_cut(40);
    progressed(1, 40); /* The row has to know before a restart. */
    append(40, SHARD_LEAVES);
    say_flush();
    progressed(1, SHARD_LEAVES);
    seal(2, SHARD_LEAVES, &root);
    ck_assert_int_eq(ended(2), OK);
    free(other);
}
END_TEST

/* All can be cut, and nothing is as good a place to begin. */
START_TEST(test_shard_jobs_cut_to_nothing)
{
    intake(1, 0, 0);
    append(0, 40);
    say_cut(0);
    append(0, SHARD_LEAVES);
    say_flush();
    progressed(1, SHARD_LEAVES);
    seal(2, SHARD_LEAVES, &root);
    ck_assert_int_eq(ended(2), OK);
}
END_TEST

/* A link that ends while the files are cut: where they were cut is reported
 * first, or the next intake would look for leaves that are gone. */
START_TEST(test_shard_jobs_a_cut_is_reported_to_the_end)
{
    struct message *m = calloc(1, sizeof(*m));
    uint64_t leaves = 0;
    int status = OK;

    intake(1, 0, 0);
    append(0, 100);
    say_flush();
    progressed(1, 100);
    m->type = MESSAGE_CUT;
    m->u.cut = (struct message_cut){deposit, range_of(40)};
    ck_assert(shard_jobs_message(jobs, links_len, m, &status));
    ck_assert_int_eq(status, OK);
    shard_jobs_link_down(jobs, links_len);
    ck_assert_int_eq(ended(1), ERR_CANCELED);
    for (size_t i = 0; i < reports_len; i++) {
        leaves = reports[i].status == 1 ? reports[i].range.leaves : leaves;
    }
    ck_assert_uint_eq(leaves, 40);
    reports_len = 0;
    intake(2, 40, 0);
    append(40, SHARD_LEAVES);
    say_flush();
    progressed(2, SHARD_LEAVES);
    seal(3, SHARD_LEAVES, &root);
    ck_assert_int_eq(ended(3), OK);
    free(m);
}
END_TEST

/* Bytes that are not those of the manifest are never sealed, and what is there
 * stays to be mended. */
START_TEST(test_shard_jobs_wrong_root_is_not_sealed)
{
    struct digest other = root;

    other.bytes[31] ^= 1;
    intake(1, 0, 0);
    append(0, SHARD_LEAVES);
    say_flush();
    progressed(1, SHARD_LEAVES);
    seal(2, SHARD_LEAVES, &other);
    ck_assert_int_eq(ended(2), ERR_MISMATCH);
    ck_assert_ptr_nonnull(strstr(note, "not the one in the manifest"));
    ck_assert_int_ne(access(shard_path("shard"), F_OK), 0);
    seal(3, SHARD_LEAVES, &root);
    ck_assert_int_eq(ended(3), OK);
}
END_TEST

/* A shard that is shorter than its manifest says is not sealed. */
START_TEST(test_shard_jobs_short_shard_is_not_sealed)
{
    intake(1, 0, 0);
    append(0, SHARD_LEAVES - 1);
    say_flush();
    progressed(1, SHARD_LEAVES - 1);
    seal(2, SHARD_LEAVES - 1, &root);
    ck_assert_int_eq(ended(2), ERR_MISMATCH);
    ck_assert_ptr_nonnull(strstr(note, "its manifest says"));
}
END_TEST

/* A seal that was asked for again, after a crash between its end and the
 * machine's row, succeeds. */
START_TEST(test_shard_jobs_sealing_twice_is_no_error)
{
    sealed_shard();
    seal(3, SHARD_LEAVES, &root);
    ck_assert_int_eq(ended(3), OK);
    root.bytes[0] ^= 1;
    seal(4, SHARD_LEAVES, &root);
    ck_assert_int_ne(ended(4), OK);
}
END_TEST

/* The link is lost in the middle of a cell: the job ends, and a new one goes on
 * from what was said to be durable, on another link and after a restart. */
START_TEST(test_shard_jobs_lost_link_and_resume)
{
    intake(1, 0, 0);
    append(0, 500);
    say_flush();
    progressed(1, 500);
    say_append(500, 300);
    send_bytes(shard + LEAVES(500), LEAVES(100) + 17, false);
    hang_up();
    ck_assert_int_eq(ended(1), ERR_CANCELED);
    reports_len = 0;

    connect_again();
    intake(2, 500, 500);
    append(500, 700);
    say_flush();
    progressed(2, 700);
    jobs_close();
    jobs_open();
    reports_len = 0;
    hang_up();
    connect_again();
    intake(3, 700, 500);
    append(700, SHARD_LEAVES);
    say_flush();
    progressed(3, SHARD_LEAVES);
    seal(4, SHARD_LEAVES, &root);
    ck_assert_int_eq(ended(4), OK);
}
END_TEST

/* A new job of a shard begins when the last call of the old one is over: the
 * pool never has two that write the same files. */
START_TEST(test_shard_jobs_of_one_shard_take_turns)
{
    unsigned idle = loop.active_reqs.count;

    for (uint64_t job = 1; job <= 3; job++) {
        intake(job, 0, 0);
        ck_assert_uint_eq(loop.active_reqs.count, idle + 1);
        shard_jobs_cancel(jobs, job);
        ck_assert_int_eq(ends[job], ERR_CANCELED);
    }
    seal(4, SHARD_LEAVES, &root);
    drop(5);
    intake(6, 0, 0);
    ck_assert_uint_eq(loop.active_reqs.count, idle + 1);
    reports_len = 0;
    append(0, 10);
    say_flush();
    WAIT(reports_len == 4);
    ck_assert_uint_eq(reports[0].job, 4);
    ck_assert_int_ne(reports[0].status, OK);
    ck_assert_uint_eq(reports[1].job, 5);
    ck_assert_int_eq(reports[1].status, OK);
    ck_assert_uint_eq(reports[2].job, 6);
    ck_assert_uint_eq(reports[2].range.leaves, 0);
    ck_assert_uint_eq(reports[3].job, 6);
    ck_assert_uint_eq(reports[3].range.leaves, 10);
}
END_TEST

/* A shard that is gone, or another than what was acknowledged, ends the intake
 * with words; the lab is not cut off before it hears why. */
START_TEST(test_shard_jobs_failed_intake_swallows_the_rest)
{
    intake(1, 0, 0);
    append(0, 100);
    say_flush();
    progressed(1, 100);
    shard_jobs_cancel(jobs, 1);
    reports_len = 0;
    ck_assert_int_eq(unlink(shard_path("shard.part")), 0);
    intake(2, 100, 0);
    append(100, 700);
    say_flush();
    ck_assert_int_eq(ended(2), ERR_NOTFOUND);
    ck_assert_str_ne(note, "");
    append(700, 900);
    say_flush();
    say_cut(3);
    WAIT(link_queued(a.link) == 0);
    for (int i = 0; i < 20; i++) {
        world_run();
    }
    ck_assert(link_is_up(a.link));
    reports_len = 0;
    intake(3, 0, 0);
    append(0, 10);
    say_flush();
    progressed(3, 10);
}
END_TEST

/* --- What a hostile lab may say ------------------------------------------ */

static void hostile_append_elsewhere(void)
{
    say_append(5, 1);
}

static void hostile_append_beyond(void)
{
    say_append(0, SHARD_LEAVES + 1);
}

static void hostile_append_in_append(void)
{
    say_append(0, 2);
    say_append(0, 2);
}

static void hostile_flush_in_append(void)
{
    say_append(0, 2);
    say_flush();
}

static void hostile_cut_in_append(void)
{
    say_append(0, 2);
    say_cut(0);
}

static void hostile_too_much(void)
{
    say_append(0, 2);
    send_bytes(shard, LEAVES(2) + 1, false);
}

static void hostile_too_little(void)
{
    say_append(0, 2);
    send_bytes(shard, LEAVES(2) - 1, true);
}

static void hostile_other_stream(void)
{
    say_append(0, 2);
    stream++;
    send_bytes(shard, LEAF_SIZE, false);
}

static void hostile_no_stream(void)
{
    stream++;
    send_bytes(shard, LEAF_SIZE, false);
}

static void hostile_old_stream(void)
{
    append(0, 1);
    send_bytes(shard, LEAF_SIZE, false);
}

static void hostile_cut_forward(void)
{
    append(0, 10);
    say_cut(11);
}

static void hostile_cut_final(void)
{
    append(0, 10);
    say_flush();
    progressed(1, 10);
    say_commit(8);
    say_cut(7);
}

static void hostile_other_deposit(void)
{
    struct message m = {.type = MESSAGE_FLUSH};

    m.u.flush.deposit_id.bytes[0] = 1;
    say(&m);
}

static void (*const hostile[])(void) = {
    hostile_append_elsewhere, hostile_append_beyond, hostile_append_in_append,
    hostile_flush_in_append,  hostile_cut_in_append, hostile_too_much,
    hostile_too_little,       hostile_other_stream,  hostile_no_stream,
    hostile_old_stream,       hostile_cut_forward,   hostile_cut_final,
    hostile_other_deposit,
};

/* Whatever is out of order closes the link and ends the job; nothing else. */
START_TEST(test_shard_jobs_protocol_is_kept)
{
    unsigned downs = b.downs;

    intake(1, 0, 0);
    hostile[_i]();
    WAIT(b.downs > downs);
    ck_assert_uint_eq(b.reason, FRAME_REASON_PROTOCOL);
    ck_assert_int_eq(ended(1), ERR_CANCELED);
}
END_TEST

/* What is final cannot be cut; what is not durable is not final by a word. */
START_TEST(test_shard_jobs_commit_needs_durable)
{
    intake(1, 0, 0);
    append(0, 10);
    say_commit(10); /* Not durable yet: ignored here, refused elsewhere. */
    say_cut(3);
    say_flush();
    progressed(1, 3);
    ck_assert(link_is_up(a.link));
}
END_TEST

/* Before there is an intake, bulk bytes and its messages have no place. */
START_TEST(test_shard_jobs_bytes_without_intake)
{
    stream++;
    send_bytes(shard, LEAF_SIZE, true);
    protocol_broken();
}
END_TEST

/* A cut to a range that is not ours ends the job, and takes nothing away. */
START_TEST(test_shard_jobs_cut_to_a_foreign_range)
{
    intake(1, 0, 0);
    append(0, 100);
    say_flush();
    progressed(1, 100);
    hashes[7].bytes[0] ^= 1;
    say_cut(50);
    hashes[7].bytes[0] ^= 1;
    ck_assert_int_eq(ended(1), ERR_MISMATCH);
    reports_len = 0;
    intake(2, 100, 0);
    append(100, SHARD_LEAVES);
    say_flush();
    progressed(2, SHARD_LEAVES);
}
END_TEST

/* --- Jobs that cannot be ------------------------------------------------- */

/* One shard has one intake, and a link has one. */
START_TEST(test_shard_jobs_one_intake_each)
{
    struct steward_job spec = {.type = STEWARD_JOB_INTAKE,
                               .link = 1,
                               .deposit_id = {{9}},
                               .size = SHARD_SIZE};

    intake(1, 0, 0);
    job_run(2, &spec);
    ck_assert_int_eq(ends[2], ERR_BUSY);
    spec.link = 77;
    spec.deposit_id = deposit;
    spec.index = 3;
    job_run(3, &spec);
    ck_assert_int_eq(ends[3], ERR_BUSY);
    drop(4);
    ck_assert_int_eq(ends[4], ERR_BUSY);
    ck_assert_int_eq(ends[1], 1);
}
END_TEST

/* One job too many is refused at once; when one ends there is room again. */
START_TEST(test_shard_jobs_table_is_bounded)
{
    struct steward_job spec = {.type = STEWARD_JOB_INTAKE, .size = SHARD_SIZE};
    uint64_t job;

    for (job = 1; job <= SHARD_JOBS_MAX; job++) {
        spec.link = CROWD + job;
        u64le_store(spec.deposit_id.bytes, job);
        job_run(job, &spec);
        ck_assert_int_eq(ends[job], 1);
    }
    spec.link = CROWD + job;
    u64le_store(spec.deposit_id.bytes, job);
    job_run(job, &spec);
    ck_assert_int_eq(ends[job], ERR_BUSY);
    shard_jobs_link_down(jobs, CROWD + 1);
    ck_assert_int_eq(ends[1], ERR_CANCELED);
    WAIT(reports_len > 0);
    do {
        world_run();
        job_run(job, &spec);
    } while (ends[job] == ERR_BUSY);
    ck_assert_int_eq(ends[job], 1);
}
END_TEST

/* READs keep no shard from coming in, and there are no more of them. */
START_TEST(test_shard_jobs_reads_leave_room)
{
    uint64_t job = 1;

    for (; job <= SHARD_JOBS_MAX; job++) {
        reading(job, 0, 1);
        ck_assert_int_eq(ends[job], 1);
    }
    intake(job, 0, 0);
    ck_assert_int_eq(ends[job], 1);
    reading(job + 1, 0, 1);
    ck_assert_int_eq(ends[job + 1], ERR_BUSY);
    shard_jobs_cancel(jobs, job);
    while (job-- > 1) {
        shard_jobs_cancel(jobs, job);
    }
}
END_TEST

/* --- Who holds a place and makes no use of it ---------------------------- */

/* Start again; labs and readers are still after that time. */
static void still_after(uint32_t ms)
{
    jobs_close();
    still_ms = ms;
    jobs_open();
}

#define STILL_MS 10U

static void pass(void)
{
    uv_sleep(2 * STILL_MS);
    uv_update_time(&loop);
}

/* Intakes of labs that say nothing, until the table is full; the jobs from
 * |first| on. */
static void crowd_in(uint64_t first)
{
    struct steward_job spec = {.type = STEWARD_JOB_INTAKE, .size = SHARD_SIZE};

    for (uint64_t job = first; job <= SHARD_JOBS_MAX; job++) {
        size_t before = reports_len;

        spec.link = CROWD + job;
        u64le_store(spec.deposit_id.bytes, job);
        job_run(job, &spec);
        WAIT(reports_len > before);
        ck_assert_int_eq(ends[job], 1);
        reports_len = 0;
    }
}

/* One more. */
static void newcomer(uint64_t job)
{
    struct steward_job spec = {
        .type = STEWARD_JOB_INTAKE, .size = SHARD_SIZE, .link = CROWD + job};

    u64le_store(spec.deposit_id.bytes, job);
    job_run(job, &spec);
}

#define NEWCOMER (SHARD_JOBS_MAX + 1U)

/* The lab that has been silent longest gives its place to the next one, but for
 * which it would have kept it. It keeps its link, and what it sends before it
 * hears of that is passed over; what was durable stays, so that it can come
 * again and end what it began. */
START_TEST(test_shard_jobs_still_lab_gives_way)
{
    still_after(STILL_MS);
    intake(1, 0, 0);
    append(0, 100);
    say_flush();
    progressed(1, 100);
    say_append(100, 20);
    send_bytes(shard + LEAVES(100), LEAVES(10), false);
    crowd_in(2);
    pass();
    ck_assert_int_eq(ends[1], 1);
    newcomer(NEWCOMER);
    ck_assert_int_eq(ends[NEWCOMER], 1);
    ck_assert_int_eq(ends[1], ERR_BUSY);
    ck_assert_ptr_nonnull(strstr(note, "no progress"));
    send_bytes(shard + LEAVES(110), LEAVES(10), true);
    append(120, 500);
    say_flush();
    WAIT(link_queued(a.link) == 0);
    pass();
    reports_len = 0;
    intake(NEWCOMER + 1, 100, 0);
    ck_assert_int_eq(ends[2], ERR_BUSY);
    append(100, SHARD_LEAVES);
    say_flush();
    reports_len = 0;
    WAIT(ends[NEWCOMER + 1] == 1 && reports_len > 0 &&
         reports[reports_len - 1].range.leaves == SHARD_LEAVES);
    for (uint64_t job = 3; job <= SHARD_JOBS_MAX; job++) {
        ck_assert_int_eq(ends[job], 1);
    }
    seal(NEWCOMER + 2, SHARD_LEAVES, &root);
    ck_assert_int_eq(ended(NEWCOMER + 2), OK);
}
END_TEST

/* A MiB is progress, less is none. */
START_TEST(test_shard_jobs_dripping_lab_gives_way)
{
    still_after(STILL_MS);
    intake(1, 0, 0);
    progressed(1, 0);
    crowd_in(2);
    pass();
    say_append(0, 256);
    send_bytes(shard, LEAVES(255), false);
    WAIT(link_queued(a.link) == 0);
    if (_i == 1) {
        send_bytes(shard + LEAVES(255), LEAVES(1), true);
        say_flush();
        progressed(1, 256);
    }
    newcomer(NEWCOMER);
    ck_assert_int_eq(ends[NEWCOMER], 1);
    ck_assert_int_eq(ends[1], _i == 0 ? ERR_BUSY : 1);
    ck_assert_int_eq(ends[2], _i == 0 ? 1 : ERR_BUSY);
}
END_TEST

/* Nobody is ended sooner, nor when no link was listened to. */
START_TEST(test_shard_jobs_place_is_kept)
{
    still_after(_i == 0 ? 0 : STILL_MS);
    crowd_in(1);
    pass();
    if (_i == 1) {
        shard_jobs_listen(jobs);
    }
    newcomer(NEWCOMER);
    ck_assert_int_eq(ends[NEWCOMER], ERR_BUSY);
    for (uint64_t job = 1; job <= SHARD_JOBS_MAX; job++) {
        ck_assert_int_eq(ends[job], 1);
    }
}
END_TEST

static uv_sem_t pool_held, pool_goes_on;

static void pool_hold(uv_work_t *work)
{
    (void)work;
    uv_sem_post(&pool_held);
    uv_sem_wait(&pool_goes_on);
}

static void pool_done(uv_work_t *work, int status)
{
    (void)work;
    ck_assert_int_eq(status, 0);
}

/* The time that the steward's own disk takes is not the lab's. */
START_TEST(test_shard_jobs_slow_disk_is_not_held_against_a_lab)
{
    uv_work_t holds[4]; /* libuv's threads. */
    uint64_t began_ms, took_ms;

    ck_assert_int_eq(uv_sem_init(&pool_held, 0), 0);
    ck_assert_int_eq(uv_sem_init(&pool_goes_on, 0), 0);
    still_after(STILL_MS);
    began_ms = uv_now(&loop);
    intake(1, 0, 0);
    progressed(1, 0);
    crowd_in(2);
    took_ms = uv_now(&loop) - began_ms;
    for (size_t i = 0; i < 4; i++) {
        ck_assert_int_eq(uv_queue_work(&loop, &holds[i], pool_hold, pool_done),
                         0);
    }
    for (size_t i = 0; i < 4; i++) {
        uv_sem_wait(&pool_held);
    }
    append(0, 10);
    say_flush();
    WAIT(link_queued(a.link) == 0);
    for (int i = 0; i < 20; i++) {
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    uv_sleep((unsigned)took_ms);
    pass();
    newcomer(NEWCOMER);
    ck_assert_int_eq(ends[1], 1);
    ck_assert_int_eq(ends[2], ERR_BUSY);
    for (size_t i = 0; i < 4; i++) {
        uv_sem_post(&pool_goes_on);
    }
    WAIT(has_reported(1));
    newcomer(NEWCOMER + 1);
    ck_assert_int_eq(ends[1], 1);
    ck_assert_int_eq(ends[3], ERR_BUSY);
    uv_sem_destroy(&pool_held);
    uv_sem_destroy(&pool_goes_on);
}
END_TEST

/* A link may go before the machine's word to take in a shard has come. */
START_TEST(test_shard_jobs_link_that_went)
{
    struct steward_job spec = {.type = STEWARD_JOB_INTAKE,
                               .link = 2,
                               .deposit_id = deposit,
                               .index = 3,
                               .size = SHARD_SIZE};

    job_run(1, &spec);
    ck_assert_int_eq(ends[1], ERR_CANCELED);
    intake(2, 0, 0);
    reports_len = 0;
    progressed(2, 0);
}
END_TEST

/* A specification that is none fails as a job, not as a process. */
START_TEST(test_shard_jobs_bad_specification)
{
    ends[5] = 1;
    shard_jobs_start(jobs, 5, slice_str("nonsense"));
    ck_assert_int_eq(ends[5], ERR_BAD);
    shard_jobs_cancel(jobs, 6); /* Nor does one that is not there. */
}
END_TEST

/* A disk without room says so before the first byte. */
START_TEST(test_shard_jobs_no_room)
{
    struct steward_job spec = {.type = STEWARD_JOB_INTAKE,
                               .link = 1,
                               .deposit_id = deposit,
                               .index = 3,
                               .size = (uint64_t)1 << 59};

    job_run(1, &spec);
    ck_assert_int_ne(ended(1), OK);
    ck_assert_str_ne(note, "");
    drop(2);
    ck_assert_int_eq(ended(2), OK);
}
END_TEST

/* What was given up leaves nothing; giving up nothing is fine. */
START_TEST(test_shard_jobs_drop)
{
    intake(1, 0, 0);
    append(0, 10);
    say_flush();
    progressed(1, 10);
    shard_jobs_cancel(jobs, 1);
    drop(2);
    ck_assert_int_eq(ended(2), OK);
    ck_assert_int_ne(access(shard_path(""), F_OK), 0);
    drop(3);
    ck_assert_int_eq(ended(3), OK);
    drop(4); /* And what comes next waits for it. */
    reports_len = 0;
    intake(5, 0, 0);
    append(0, 10);
    say_flush();
    WAIT(reports_len == 3);
    ck_assert_uint_eq(reports[0].job, 4);
    ck_assert_uint_eq(reports[1].job, 5);
    ck_assert_uint_eq(reports[1].range.leaves, 0);
    ck_assert_uint_eq(reports[2].job, 5);
    ck_assert_uint_eq(reports[2].range.leaves, 10);
}
END_TEST

/* --- Reading ------------------------------------------------------------- */

/* The lab has the leaves, all of them, and the proof leads to the root. */
static void read_and_verify(uint64_t job, uint64_t first, uint64_t leaves)
{
    struct digest *seen = calloc(leaves, sizeof(*seen));

    reading(job, first, leaves);
    WAIT(got_end);
    ck_assert_int_eq(ended(job), OK);
    ck_assert_uint_eq(answers, 1);
    ck_assert_int_eq(answer.type, MESSAGE_CELL);
    ck_assert_uint_eq(answer.u.cell.first_leaf, first);
    ck_assert_uint_eq(answer.u.cell.leaves, leaves);
    ck_assert_uint_eq(got_size, leaves * LEAF_SIZE);
    merkle_leaves(got, leaves, seen);
    ck_assert_int_eq(merkle_run_verify(SHARD_LEAVES, first, leaves, seen,
                                       answer.u.cell.nodes,
                                       answer.u.cell.nodes_len, &root),
                     OK);
    ck_assert_mem_eq(got, shard + first * LEAF_SIZE, leaves * LEAF_SIZE);
    free(seen);
}

/* Any run of leaves is read with its proof. */
START_TEST(test_shard_jobs_read)
{
    uint64_t job = 3;

    sealed_shard();
    read_and_verify(job++, 0, 1);
    read_and_verify(job++, 0, SHARD_LEAVES);
    read_and_verify(job++, SHARD_LEAVES - 1, 1);
    read_and_verify(job++, 255, 258);
    for (int i = 0; i < 10; i++) {
        uint64_t first = rng_below(&rng, SHARD_LEAVES);

        read_and_verify(job++, first,
                        1 + rng_below(&rng, SHARD_LEAVES - first));
    }
}
END_TEST

/* Leaves of the shard that the page cache has. */
static size_t leaves_cached(int fd)
{
    unsigned char pages[SHARD_LEAVES];
    void *mem = mmap(NULL, SHARD_SIZE, PROT_READ, MAP_SHARED, fd, 0);
    size_t len = 0;

    ck_assert_ptr_ne(mem, MAP_FAILED);
    ck_assert_int_eq(mincore(mem, SHARD_SIZE, pages), 0);
    for (size_t i = 0; i < SHARD_LEAVES; i++) {
        len += pages[i] & 1;
    }
    munmap(mem, SHARD_SIZE);
    return len;
}

/* Who reads on and on is read ahead for; what stands alone or has a few
 * neighbours, as samples do, is read as it was asked for, and leaves nothing
 * behind. */
START_TEST(test_shard_jobs_reads_ahead_of_who_reads_on)
{
    int direct;
    int fd;

    sealed_shard();
    fd = open(shard_path("shard"), O_RDONLY);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fsync(fd), 0);
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    direct = open(shard_path("shard"), O_RDONLY | O_DIRECT);
    if (direct < 0 || leaves_cached(fd) > 0) {
        close(fd);
        close(direct);
        return; /* Not a file system that has both. */
    }
    close(direct);
    read_and_verify(3, 800, 160);
    read_and_verify(4, 96, 64);
    read_and_verify(5, 480, 16);
    ck_assert_uint_eq(leaves_cached(fd), 0);
    read_and_verify(6, 496, 64);
    ck_assert_uint_eq(leaves_cached(fd), 0);
    read_and_verify(7, 560, 64);
    ck_assert_uint_eq(leaves_cached(fd), 0);
    read_and_verify(8, 624, 64);
    ck_assert_uint_ge(leaves_cached(fd), 64);
    do {
        /* What is still being read ahead stays. */
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    } while (leaves_cached(fd) > 0);
    read_and_verify(9, 1200, 48);
    ck_assert_uint_eq(leaves_cached(fd), 0);
    close(fd);
}
END_TEST

static void flip_bit(uint64_t at)
{
    uint8_t byte;
    int fd = open(shard_path("shard"), O_RDWR);

    ck_assert_int_eq(pread(fd, &byte, 1, (off_t)at), 1);
    byte ^= 4;
    ck_assert_int_eq(pwrite(fd, &byte, 1, (off_t)at), 1);
    close(fd);
}

static void refused(uint64_t job)
{
    ck_assert_int_eq(ended(job), ERR_MISMATCH);
    WAIT(answer.type == MESSAGE_REFUSE);
    ck_assert_uint_eq(answer.u.refuse.about, MESSAGE_READ);
    ck_assert_int_eq(answer.u.refuse.status, ERR_MISMATCH);
    ck_assert(digest_equal(&answer.u.refuse.subject, &deposit));
    ck_assert_uint_eq(got_size, 0);
    ck_assert(link_is_up(a.link));
}

/* Damage on the disk is refused, never sent, with sums and without; the rest
 * can still be read. */
START_TEST(test_shard_jobs_damage_is_refused)
{
    sealed_shard();
    if (_i == 1) {
        ck_assert_int_eq(unlink(shard_path("sums")), 0);
    }
    read_and_verify(3, 600, 100);
    flip_bit(LEAVES(650) + 99);
    reading(4, 600, 100);
    refused(4);
    ck_assert_ptr_nonnull(strstr(note, "damaged"));
    read_and_verify(5, 0, 600);
}
END_TEST

/* A leaf that the proof needs is damaged: no proof is sent that would make this
 * steward look false. */
START_TEST(test_shard_jobs_damaged_neighbour_is_refused)
{
    sealed_shard();
    if (_i == 1) {
        ck_assert_int_eq(unlink(shard_path("sums")), 0);
    }
    read_and_verify(3, 601, 100);
    flip_bit(LEAVES(600) + 4095);
    reading(4, 601, 100);
    refused(4);
    ck_assert_uint_eq(answers, 1);
    read_and_verify(5, 608, 100);
}
END_TEST

/* A shard that is not there is refused. */
START_TEST(test_shard_jobs_missing_shard_is_refused)
{
    reading(1, 0, 1);
    ck_assert_int_eq(ended(1), ERR_NOTFOUND);
    WAIT(answers == 1);
    ck_assert_int_eq(answer.type, MESSAGE_REFUSE);
}
END_TEST

/* A reader that does not listen stops the reading; one that leaves ends it. */
START_TEST(test_shard_jobs_reader_may_be_slow_or_leave)
{
    sealed_shard();
    link_read_pause(a.link);
    reading(3, 0, SHARD_LEAVES);
    for (int i = 0; i < 40; i++) {
        world_run();
    }
    ck_assert_uint_lt(got_size, SHARD_SIZE);
    link_read_resume(a.link);
    WAIT(got_end);
    ck_assert_mem_eq(got, shard, SHARD_SIZE);
    ck_assert_int_eq(ended(3), OK);
    link_read_pause(a.link);
    reading(4, 0, SHARD_LEAVES);
    hang_up();
    ck_assert_int_eq(ended(4), ERR_CANCELED);
    connect_again();
    read_and_verify(5, 3, 4);
}
END_TEST

/* A reader that does not listen loses its link when its place is needed. */
START_TEST(test_shard_jobs_still_reader_gives_way)
{
    still_after(STILL_MS);
    sealed_shard();
    link_read_pause(a.link);
    for (uint64_t job = 3; job < 3 + SHARD_JOBS_MAX; job++) {
        reading(job, 0, SHARD_LEAVES);
        ck_assert_int_eq(ends[job], 1);
    }
    connect_again();
    for (int i = 0; i < 300; i++) {
        uv_run(&loop, UV_RUN_NOWAIT);
        uv_sleep(1);
    }
    pass();
    ck_assert_uint_eq(b.downs, 0);
    read_and_verify(3 + SHARD_JOBS_MAX, 5, 600);
    WAIT(b.downs == 1);
    ck_assert_uint_eq(b.reason, FRAME_REASON_BUSY);
    for (uint64_t job = 3; job < 3 + SHARD_JOBS_MAX; job++) {
        ck_assert_int_eq(ended(job), ERR_CANCELED);
    }
}
END_TEST

/* Several reads on one link, of which each has its own file. */
START_TEST(test_shard_jobs_reads_at_once)
{
    sealed_shard();
    any_stream = true;
    answers = 0;
    for (uint64_t job = 3; job < 3 + SHARD_JOBS_RESTING + 8; job++) {
        reading(job, job, 1);
    }
    for (uint64_t job = 3; job < 3 + SHARD_JOBS_RESTING + 8; job++) {
        ck_assert_int_eq(ended(job), OK);
    }
    WAIT(answers == SHARD_JOBS_RESTING + 8);
    drop(60);
    ck_assert_int_eq(ended(60), OK);
}
END_TEST

/* The process ends while all kinds of jobs are under way. */
START_TEST(test_shard_jobs_close_at_any_time)
{
    sealed_shard();
    reading(3, 0, SHARD_LEAVES);
    for (int i = 0; i < _i; i++) {
        world_run();
    }
    jobs_close();
    jobs_open();
}
END_TEST

Suite *suite_make(void)
{
    Suite *suite = suite_create("shard_jobs");
    TCase *tc = tcase_create("intake");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_shard_jobs_take_a_shard);
    tcase_add_test(tc, test_shard_jobs_flushes_are_answered_in_order);
    tcase_add_loop_test(tc, test_shard_jobs_flood_of_flushes, 0, 2);
    tcase_add_test(tc, test_shard_jobs_cut_and_go_on);
    tcase_add_test(tc, test_shard_jobs_cut_to_nothing);
    tcase_add_test(tc, test_shard_jobs_wrong_root_is_not_sealed);
    tcase_add_test(tc, test_shard_jobs_a_cut_is_reported_to_the_end);
    tcase_add_test(tc, test_shard_jobs_short_shard_is_not_sealed);
    tcase_add_test(tc, test_shard_jobs_sealing_twice_is_no_error);
    tcase_add_test(tc, test_shard_jobs_lost_link_and_resume);
    tcase_add_test(tc, test_shard_jobs_of_one_shard_take_turns);
    tcase_add_test(tc, test_shard_jobs_failed_intake_swallows_the_rest);
    tcase_add_loop_test(tc, test_shard_jobs_protocol_is_kept, 0,
                        (int)(sizeof(hostile) / sizeof(hostile[0])));
    tcase_add_test(tc, test_shard_jobs_commit_needs_durable);
    tcase_add_test(tc, test_shard_jobs_bytes_without_intake);
    tcase_add_test(tc, test_shard_jobs_cut_to_a_foreign_range);
    tcase_add_test(tc, test_shard_jobs_one_intake_each);
    tcase_add_test(tc, test_shard_jobs_table_is_bounded);
    tcase_add_test(tc, test_shard_jobs_reads_leave_room);
    tcase_add_test(tc, test_shard_jobs_still_lab_gives_way);
    tcase_add_loop_test(tc, test_shard_jobs_dripping_lab_gives_way, 0, 2);
    tcase_add_loop_test(tc, test_shard_jobs_place_is_kept, 0, 2);
    tcase_add_test(tc, test_shard_jobs_slow_disk_is_not_held_against_a_lab);
    tcase_add_test(tc, test_shard_jobs_link_that_went);
    tcase_add_test(tc, test_shard_jobs_bad_specification);
    tcase_add_test(tc, test_shard_jobs_no_room);
    tcase_add_test(tc, test_shard_jobs_drop);
    suite_add_tcase(suite, tc);
    tc = tcase_create("serve");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_shard_jobs_read);
    tcase_add_test(tc, test_shard_jobs_reads_ahead_of_who_reads_on);
    tcase_add_loop_test(tc, test_shard_jobs_damage_is_refused, 0, 2);
    tcase_add_loop_test(tc, test_shard_jobs_damaged_neighbour_is_refused, 0, 2);
    tcase_add_test(tc, test_shard_jobs_missing_shard_is_refused);
    tcase_add_test(tc, test_shard_jobs_reader_may_be_slow_or_leave);
    tcase_add_test(tc, test_shard_jobs_still_reader_gives_way);
    tcase_add_test(tc, test_shard_jobs_reads_at_once);
    tcase_add_loop_test(tc, test_shard_jobs_close_at_any_time, 0, 6);
    suite_add_tcase(suite, tc);
    return suite;
}
