#include "crypto/merkle.h"
#include "node/client/client_private.h"
#include "node/mover/job.h"
#include "tests/link_world.h"

/* A stream of a client over a real link (node a); the test says what the
 * steward (node b) would answer. Each READ is of the whole shard. */

#define LEAVES 8U
#define SIZE   ((size_t)LEAVES * LEAF_SIZE)
#define READS  4U

static const struct digest deposit = {{0xd1}};
static struct client client;
static struct client_link link_of_a;
static struct client_stream *stream;
static struct charter charter;
static struct manifest manifest;
static struct job job;
static struct mover_run *run;
static uint8_t shard[SIZE], got[READS][SIZE];
static int statuses[READS]; /* 1: not answered. */
static uint64_t next;       /* Segment to be read. */
static bool ended, workers_closed;

/* --- A mover that reads -------------------------------------------------- */

static void ask(struct mover_out *out)
{
    struct mover_action *act = mover_act(out, MV_READ_AT);

    act->stream = 0;
    act->id = next;
    act->len = SIZE;
    act->mem = got[next];
    statuses[next++] = 1;
}

/* One READ less than there may be; another each time that it is told so. */
static void step(void *mover,
                 const struct mover_event *ev,
                 struct mover_out *out)
{
    (void)mover;
    out->len = 0;
    if (ev->type == MV_START) {
        while (next < READS - 1) {
            ask(out);
        }
    } else if (ev->type == MV_LOST) {
        ask(out);
    } else if (ev->type == MV_READ) {
        statuses[ev->id] = ev->status;
    } else if (ev->type == MV_CANCEL) {
        mover_act(out, MV_END)->status = ERR_CANCELED;
    }
}

static void on_end(void *arg, int status)
{
    (void)arg;
    (void)status;
    ended = true;
}

static void on_workers_closed(void *arg)
{
    (void)arg;
    workers_closed = true;
}

/* --- What the steward says ----------------------------------------------- */

static int say_cell(uint32_t id)
{
    struct message m = {.type = MESSAGE_CELL};
    int status = OK;

    m.u.cell.deposit_id = deposit;
    m.u.cell.leaves = LEAVES;
    m.u.cell.stream = id;
    ck_assert(client_stream_message(stream, &m, &status));
    return status;
}

static void say_refuse(void)
{
    struct message m = {.type = MESSAGE_REFUSE};
    int status = OK;

    m.u.refuse.about = MESSAGE_READ;
    m.u.refuse.status = ERR_BUSY;
    ck_assert(client_stream_message(stream, &m, &status));
    ck_assert_int_eq(status, OK);
}

static int say_bytes(uint32_t id, const uint8_t *bytes, size_t size, bool end)
{
    return client_reads_data(stream, id, slice_of(bytes, size), end);
}

/* --- Fixture ------------------------------------------------------------- */

static void setup(void)
{
    struct mover_run_config config = {.loop = &loop,
                                      .step = step,
                                      .streams_len = 1,
                                      .buffer_size = LEAF_SIZE,
                                      .buffers_len = 1,
                                      .on_end = on_end};
    static struct digest steward;
    struct digest leaves[LEAVES];
    struct merkle_range range;

    world_setup();
    node_connect(&a, &b);
    rng_bytes(&rng, shard, sizeof(shard));
    merkle_leaves(shard, LEAVES, leaves);
    merkle_range_init(&range);
    for (size_t i = 0; i < LEAVES; i++) {
        merkle_range_append(&range, &leaves[i], NULL, NULL);
    }
    merkle_range_root(&range, &manifest.roots[0]);
    manifest.shard_size = SIZE;
    ck_assert_int_eq(workers_new(&job.workers, &loop, 1), OK);
    client = (struct client){.config = {.job = &job,
                                        .charter = &charter,
                                        .stewards = &steward,
                                        .deposit_id = deposit,
                                        .n = 1},
                             .manifest = &manifest};
    ck_assert_int_eq(client_streams_open(&client), OK);
    stream = &client.streams[0];
    link_of_a =
        (struct client_link){.client = &client, .link = a.link, .number = 1};
    client_stream_up(stream, &link_of_a);
    config.workers = job.workers;
    config.streams = client.by_column;
    next = 0;
    ended = workers_closed = false;
    ck_assert_int_eq(mover_run_start(&run, &config), OK);
    WAIT(b.messages == READS - 1);
}

static void teardown(void)
{
    client_stream_down(stream);
    mover_run_cancel(run);
    WAIT(ended);
    client_streams_free(&client);
    workers_close(job.workers, on_workers_closed, NULL);
    WAIT(workers_closed);
    world_teardown();
}

/* --- Stories ------------------------------------------------------------- */

/* A refusal does not say of which READ it is. All without a CELL fail, and are
 * asked for elsewhere; that the others are answered after all breaks no rule,
 * and spoils nothing. */
START_TEST(test_reads_answers_behind_a_refusal)
{
    ck_assert_int_eq(say_cell(1), OK);
    say_refuse();
    ck_assert_int_eq(statuses[0], 1);
    ck_assert_int_eq(statuses[1], ERR_IO);
    ck_assert_int_eq(statuses[2], ERR_IO);
    memset(got[1], 0x5a, SIZE);
    mover_run_lost(run, 0); /* And one more. */
    WAIT(b.messages == READS);
    ck_assert_int_eq(say_cell(2), OK);
    ck_assert_int_eq(say_cell(4), OK);
    ck_assert_int_eq(say_bytes(2, shard, LEAF_SIZE, false), OK);
    ck_assert_int_eq(say_bytes(4, shard, SIZE, false), OK);
    ck_assert_int_eq(say_bytes(1, shard, SIZE, false), OK);
    ck_assert_int_eq(say_bytes(2, shard, 0, true), OK);
    ck_assert_int_eq(say_bytes(1, shard, 0, true), OK);
    ck_assert_int_eq(say_bytes(4, shard, 0, true), OK);
    WAIT(statuses[0] != 1 && statuses[3] != 1);
    ck_assert_int_eq(statuses[0], OK);
    ck_assert_int_eq(statuses[3], OK);
    ck_assert_mem_eq(got[0], shard, SIZE);
    ck_assert_mem_eq(got[3], shard, SIZE);
    ck_assert_uint_eq(got[1][0], 0x5a);
}
END_TEST

/* What nobody has asked for does. */
START_TEST(test_reads_answers_to_nothing)
{
    ck_assert_int_eq(say_cell(4), ERR_BAD);
    ck_assert_int_eq(say_bytes(1, shard, LEAF_SIZE, false), ERR_BAD);
    say_refuse();
    ck_assert_int_eq(say_cell(4), ERR_BAD);
    ck_assert_int_eq(say_bytes(4, shard, LEAF_SIZE, false), ERR_BAD);
}
END_TEST

/* One that is needed no longer is answered at once; its memory is left alone,
 * also by records of others that might have been opened there. */
START_TEST(test_reads_dropped)
{
    ck_assert_int_eq(say_cell(1), OK);
    ck_assert_int_eq(say_bytes(1, shard, LEAF_SIZE, false), OK);
    ck_assert_ptr_eq(client_reads_room(stream, LEAF_SIZE), got[0] + LEAF_SIZE);
    stream->base.drop(&stream->base, 0);
    ck_assert_int_eq(statuses[0], ERR_CANCELED);
    ck_assert_ptr_null(client_reads_room(stream, LEAF_SIZE));
    memset(got[0], 0x5a, SIZE);
    ck_assert_int_eq(say_bytes(1, shard, SIZE - LEAF_SIZE, false), OK);
    ck_assert_int_eq(say_bytes(1, shard, LEAF_SIZE, false), ERR_BAD);
    ck_assert_uint_eq(got[0][LEAF_SIZE], 0x5a);
    ck_assert_int_eq(say_bytes(1, shard, 0, true), OK);
    ck_assert_int_eq(say_cell(1), ERR_BAD);
    client_stream_down(stream);
    ck_assert_int_eq(statuses[1], ERR_IO);
    ck_assert_int_eq(statuses[2], ERR_IO);
}
END_TEST

/* One flipped bit, and no byte of the run is good. */
START_TEST(test_reads_flipped_bit)
{
    ck_assert_int_eq(say_cell(1), OK);
    shard[_i] ^= 1;
    ck_assert_int_eq(say_bytes(1, shard, SIZE, false), OK);
    ck_assert_int_eq(say_bytes(1, shard, 0, true), OK);
    WAIT(statuses[0] != 1);
    ck_assert_int_eq(statuses[0], ERR_MISMATCH);
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("client_reads");
    TCase *tc = tcase_create("client_reads");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, test_reads_answers_behind_a_refusal);
    tcase_add_test(tc, test_reads_answers_to_nothing);
    tcase_add_test(tc, test_reads_dropped);
    tcase_add_loop_test(tc, test_reads_flipped_bit, 0, 2);
    suite_add_tcase(s, tc);
    return s;
}
