#include "tests/restorer_world.h"

static void any_deposit(uint64_t seed)
{
    static const uint16_t codes[][2] = {{1, 2}, {4, 7}, {3, 5}};
    static const size_t lens[] = {1, 2, 5, 9};
    const uint16_t *code = codes[seed % 3];

    deposit(seed, code[0], code[1], 1 + (unsigned)(seed / 3 % 4),
            lens[seed / 12 % 4]);
}

/* |count| random streams, as bits. */
static uint64_t streams_choose(unsigned count)
{
    uint64_t bits = 0;

    for (uint32_t i = 0; i < params.code.n; i++) {
        if (rng_below(&dice, params.code.n - i) < count) {
            bits |= stream_bit(i);
            count--;
        }
    }
    return bits;
}

/* Several seeds in one process, because a fork takes longer than a history.
 * The loop index replays them. */
static void histories(void (*history)(uint64_t seed), uint64_t batch)
{
    for (uint64_t seed = batch * 10; seed < (batch + 1) * 10; seed++) {
        history(seed);
        forget();
    }
}

/* Any k streams are enough, whatever the order of answers. */
static void history_any_k(uint64_t seed)
{
    any_deposit(seed);
    config.streams = streams_choose(params.code.k);
    boot();
    world_start(&world);
    ends_complete();
    ck_assert_uint_eq(asked_streams, config.streams);
}

START_TEST(test_restorer_any_k)
{
    histories(history_any_k, (uint64_t)_i);
}
END_TEST

/* Each segment lacks other cells, up to n - k; streams are slow, too. */
static void history_bad_cells(uint64_t seed)
{
    any_deposit(seed);
    for (size_t i = 0; i < places_len; i++) {
        bad[i] = streams_choose(
            (unsigned)rng_below(&dice, params.code.n - params.code.k + 1U));
    }
    bad_status = seed % 2 == 0 ? ERR_MISMATCH : ERR_NOTFOUND;
    world.streams[seed % params.code.n].delay_ms =
        (uint64_t)3 * FETCHER_REST_MS;
    boot();
    world_start(&world);
    ends_complete();
}

START_TEST(test_restorer_bad_cells)
{
    histories(history_bad_cells, (uint64_t)_i);
}
END_TEST

/* One segment has fewer than k good cells: the job says so, after what comes
 * before it may have been handed out, and never what comes after. */
static void history_too_few_cells(uint64_t seed)
{
    size_t at;

    any_deposit(seed);
    at = (size_t)rng_below(&dice, places_len);
    bad[at] = streams_choose(params.code.n - params.code.k + 1U);
    boot();
    world_start(&world);
    ends(ERR_NOTFOUND);
    ck_assert_uint_le(sent, at);
}

START_TEST(test_restorer_too_few_cells)
{
    histories(history_too_few_cells, (uint64_t)_i);
}
END_TEST

/* Streams go away with reads under way; n - k of them can be spared, one more
 * cannot, unless all was fetched before. */
static void history_streams_are_lost(uint64_t seed)
{
    uint64_t lost;
    unsigned spare;

    any_deposit(seed);
    spare = params.code.n - params.code.k + (seed % 4 == 3 ? 1U : 0U);
    lost = streams_choose(spare);
    boot();
    world_start(&world);
    for (uint32_t i = 0; i < params.code.n; i++) {
        if ((lost & stream_bit(i)) != 0 &&
            !world_run(&world, (size_t)rng_below(&dice, 30))) {
            world_lose(&world, i);
        }
    }
    ck_assert(world_run(&world, SIZE_MAX));
    if (seed % 4 != 3 || world.status == OK) {
        ends_complete();
    } else {
        ends(ERR_NOTFOUND);
    }
}

START_TEST(test_restorer_streams_are_lost)
{
    histories(history_streams_are_lost, (uint64_t)_i);
}
END_TEST

/* A buffer, a worker or the sink fails: the job ends with that, once nothing
 * is under way any more, and the sink is asked no more. */
static void history_faults(uint64_t seed)
{
    static const enum mover_action_type types[] = {MV_GET_BUF, MV_WORK,
                                                   MV_SEND};

    any_deposit(seed);
    boot();
    fault_type = types[seed % 3];
    fault_at = 1 + rng_below(&dice, seed % 3 == 0 ? config.window : places_len);
    fault_status = ERR_FULL;
    world_start(&world);
    ck_assert(world_run(&world, SIZE_MAX));
    ck_assert_uint_eq(fault_at, 0);
    ends(ERR_FULL);
    if (fault_type != MV_GET_BUF) {
        ck_assert_uint_lt(sent, places_len);
    }
}

START_TEST(test_restorer_faults)
{
    histories(history_faults, (uint64_t)_i);
}
END_TEST

/* Canceled at any moment, also before there is a buffer. */
static void history_cancel(uint64_t seed)
{
    size_t before;

    any_deposit(seed);
    boot();
    world_start(&world);
    if (!world_run(&world, (size_t)seed)) {
        before = sent;
        world_cancel(&world);
        ends(ERR_CANCELED);
        ck_assert_uint_le(sent, before + 1);
    }
}

START_TEST(test_restorer_cancel)
{
    histories(history_cancel, (uint64_t)_i);
}
END_TEST

/* Canceled before it started: it asks for nothing and ends. */
START_TEST(test_restorer_cancel_before_start)
{
    any_deposit(5);
    boot();
    world_cancel(&world);
    ck_assert(world.ended);
    ck_assert_int_eq(world.status, ERR_CANCELED);
    restorer_step(&restorer, &(struct mover_event){.type = MV_START},
                  &world.out);
    ck_assert_uint_eq(world.out.len, 0);
    forget();
}
END_TEST

/* A cancel, or another error, while a segment waits for its last reads, after
 * it was found that they cannot be enough: the first reason stands. */
START_TEST(test_restorer_first_reason)
{
    deposit(1, 4, 7, 1, 1);
    bad[0] = 0x0f;
    world.streams[6].delay_ms = (uint64_t)1 << 40;
    boot();
    world_start(&world);
    while (restorer.status == OK) {
        ck_assert(!world_run(&world, 1));
    }
    ck_assert(!world.ended);
    world_cancel(&world);
    ck_assert(!world.ended);
    ends(ERR_NOTFOUND);
    ck_assert_uint_eq(sent, 0);
    forget();
}
END_TEST

/* The wrong key opens nothing, and neither do cells that the driver ought not
 * to have given. */
START_TEST(test_restorer_wrong_key_or_cell)
{
    for (unsigned i = 0; i < 2; i++) {
        deposit(2, 4, 7, 2, 3);
        if (i == 0) {
            params.key.root[3] ^= 1;
        } else {
            world.streams[2].bytes[LEAF_SIZE + 100] ^= 1;
        }
        boot();
        world_start(&world);
        ends(ERR_AUTH);
        ck_assert_uint_eq(sent, 0);
        forget();
    }
}
END_TEST

/* The lab seals |message| as segment 1, under the right key. */
static void message_ends(struct slice message, int status)
{
    static const uint8_t salt[CHUNKED_SALT_SIZE] = {1};
    uint8_t key[CHUNKED_KEY_SIZE];
    struct digest context;
    struct restorer_place *place = &places[1];

    deposit(3, 1, 2, 2, 3);
    content_key_segment(&params.key, 1, key, &context);
    chunked_seal_all(key, salt, digest_slice(&context), message,
                     world.streams[0].bytes + place->offset);
    place->size.ciphertext_size = (uint32_t)chunked_sealed_size(message.size);
    boot();
    world_start(&world);
    ends(status);
    ck_assert_uint_le(sent, 1);
    forget();
}

/* A raw message that says it is longer than it is, and an empty one: a segment
 * may be coded so, but no deposit has it. */
START_TEST(test_restorer_hostile_message)
{
    static const uint8_t longer[SEGMENT_HEADER_SIZE + 100] = {CODEC_RAW, 101};
    static const uint8_t empty[SEGMENT_HEADER_SIZE] = {CODEC_RAW, 0};

    message_ends(slice_of(longer, sizeof(longer)), ERR_BAD);
    message_ends(slice_of(empty, sizeof(empty)), ERR_BAD);
}
END_TEST

/* Only some segments are wanted. */
START_TEST(test_restorer_gaps)
{
    deposit((uint64_t)_i, 3, 5, 2, 9);
    config.places_len = 0;
    for (size_t i = 0; i < places_len; i++) {
        if (rng_below(&dice, 2) == 0) {
            places[config.places_len++] = places[i];
        }
    }
    boot();
    world_start(&world);
    ends_complete();
    forget();
}
END_TEST

/* Nothing is wanted. */
START_TEST(test_restorer_nothing_wanted)
{
    deposit(4, 3, 5, 2, 1);
    config.places_len = 0;
    boot();
    world_start(&world);
    ends_complete();
    ck_assert_uint_eq(asked_streams, 0);
    forget();
}
END_TEST

/* Data cells need no rebuilding, so they alone are asked for while they come;
 * a stream that failed is left alone for a while, then tried again. */
START_TEST(test_restorer_prefers)
{
    deposit(5, 3, 5, 1, 5);
    boot();
    world_start(&world);
    ends_complete();
    ck_assert_uint_eq(asked_streams, 0x07);

    bad[0] = 0x02;
    boot();
    world_start(&world);
    while (refused[1] == 0) {
        ck_assert(!world_run(&world, 1));
    }
    asked_streams = 0;
    while (sent < 2) {
        ck_assert(!world_run(&world, 1));
    }
    ck_assert_uint_eq(asked_streams & 0x02, 0);
    world.now_ms += FETCHER_REST_MS;
    ends_complete();
    ck_assert_uint_ne(asked_streams & 0x02, 0);
    forget();
}
END_TEST

/* Where others are preferred they are asked, whatever cells they hold, and the
 * rest only in place of one that fails. */
START_TEST(test_restorer_prefers_whom_it_is_told)
{
    deposit(5, 3, 6, 2, 9);
    config.preferred = 0x2a;
    boot();
    world_start(&world);
    ends_complete();
    ck_assert_uint_eq(asked_streams, 0x2a);

    bad[8] = 0x08;
    boot();
    world_start(&world);
    ends_complete();
    ck_assert_uint_eq(refused[3], 1);
    ck_assert_uint_eq(asked_streams, 0x2b);
    forget();
}
END_TEST

/* Of the others, the one that answers fastest. */
START_TEST(test_restorer_prefers_the_fast)
{
    deposit(6, 1, 4, 1, 9);
    for (size_t i = 0; i < places_len; i++) {
        bad[i] = 0x01;
    }
    world.streams[1].delay_ms = world.streams[3].delay_ms = 1 << 20;
    boot();
    world_start(&world);
    while (sent < 4) { /* Each of them was tried. */
        ck_assert(!world_run(&world, 1));
    }
    asked_streams = 0;
    ends_complete();
    ck_assert_uint_eq(asked_streams & ~UINT64_C(1), 0x04);
    forget();
}
END_TEST

/* Exactly k streams, and each read of one of them fails, but not for good: it
 * is asked again, later each time, and the job goes on. */
static uint64_t outage_ms; /* Reads of |outage| fail before. */
static uint64_t outage;
static unsigned outage_reads;

static int on_do_outage(void *arg, const struct mover_action *a)
{
    if (a->type == MV_READ_AT && (outage & stream_bit(a->stream)) != 0 &&
        world.now_ms < outage_ms) {
        outage_reads++;
        return ERR_IO;
    }
    return on_do(arg, a);
}

static void outage_begin(uint64_t streams, uint64_t ms)
{
    outage = streams;
    outage_ms = world.now_ms + ms;
    outage_reads = 0;
    world.on_do = on_do_outage;
}

/* How long it tries: 1 + 2 + 4 + .. times FETCHER_RETRY_MS. */
#define RETRIES_MS (FETCHER_RETRY_MS * ((UINT64_C(1) << FETCHER_RETRIES) - 1))

static void history_outage(uint64_t seed)
{
    any_deposit(seed);
    config.streams = streams_choose(params.code.k);
    boot();
    world_start(&world);
    (void)world_run(&world, (size_t)rng_below(&dice, 20));
    if (!world.ended) {
        outage_begin(seed % 2 == 0 ? config.streams
                                   : config.streams & -config.streams,
                     RETRIES_MS / 2);
        ends_complete();
        /* A few times, not without end. */
        ck_assert_uint_le(outage_reads, (size_t)FETCHER_RETRIES *
                                            config.window * params.code.k);
    }
}

START_TEST(test_restorer_outage)
{
    histories(history_outage, (uint64_t)_i);
}
END_TEST

/* One that does not come back is given up, after all the tries and not before;
 * what is not there, or was lost for good, is not waited for. */
START_TEST(test_restorer_outage_lasts)
{
    uint64_t begin;

    deposit(7, 4, 7, 1, 5);
    config.streams = 0x3c;
    boot();
    begin = world.now_ms;
    outage_begin(0x08, UINT64_C(1) << 40);
    world_start(&world);
    ends(ERR_NOTFOUND);
    ck_assert_uint_ge(world.now_ms - begin, RETRIES_MS);
    ck_assert_uint_lt(world.now_ms - begin, 2 * RETRIES_MS);
    ck_assert_uint_eq(refused[3], FETCHER_RETRIES + 1);

    /* The cell is not there. */
    boot();
    world.on_do = on_do;
    begin = world.now_ms;
    bad[0] = 0x08;
    world_start(&world);
    ends(ERR_NOTFOUND);
    ck_assert_uint_lt(world.now_ms - begin, FETCHER_RETRY_MS);
    bad[0] = 0;

    /* The stream is lost while it is waited for, and before. */
    boot();
    outage_begin(0x08, UINT64_C(1) << 40);
    begin = world.now_ms;
    world_start(&world);
    while (refused[3] == 0) {
        ck_assert(!world_run(&world, 1));
    }
    world_lose(&world, 3);
    ends(ERR_NOTFOUND);
    ck_assert_uint_le(world.now_ms - begin, 2ULL * FETCHER_RETRY_MS);
    world.streams[3].lost = false;

    boot();
    begin = world.now_ms;
    world_start(&world);
    while ((asked_streams & 0x08) == 0) {
        ck_assert(!world_run(&world, 1));
    }
    world_lose(&world, 3);
    ends(ERR_NOTFOUND);
    ck_assert_uint_lt(world.now_ms - begin, FETCHER_RETRY_MS);
    forget();
}
END_TEST

/* Canceled while it waits for a stream to come back: it ends at once. */
START_TEST(test_restorer_cancel_in_outage)
{
    deposit(8, 3, 5, 1, 3);
    config.streams = 0x07;
    boot();
    outage_begin(0x07, UINT64_C(1) << 40);
    world_start(&world);
    while (world.ops_len > 0) {
        ck_assert(!world_run(&world, 1));
    }
    ck_assert(!world.ended && world.wake_ms > world.now_ms);
    world_cancel(&world);
    ck_assert(world.ended);
    ck_assert_int_eq(world.status, ERR_CANCELED);
    forget();
}
END_TEST

/* A stream that alone keeps segments waiting is left alone for a while, and
 * then gets another chance; where there are just k it is asked all the same. */
START_TEST(test_restorer_slow_stream_rests)
{
    deposit(9, 3, 5, 1, 9);
    world.streams[1].delay_ms = 0;
    boot();
    world_start(&world);
    while (sent < 1) {
        ck_assert(!world_run(&world, 1));
    }
    ck_assert_uint_eq(restorer.fetcher.holders.rest_until[1], 0);
    world.streams[1].delay_ms = (uint64_t)1 << 20;
    while (restorer.fetcher.holders.rest_until[1] == 0) {
        ck_assert(!world_run(&world, 1));
    }
    ck_assert_uint_eq(restorer.fetcher.holders.errors[1], 0);
    asked_streams = 0;
    while (sent < 5) {
        ck_assert(!world_run(&world, 1));
    }
    ck_assert_uint_eq(asked_streams & 0x02, 0);
    ck_assert_uint_ne(asked_streams & 0x18, 0);
    world.now_ms += FETCHER_REST_MS;
    ends_complete();
    ck_assert_uint_ne(asked_streams & 0x02, 0);

    config.streams = 0x07;
    boot();
    world_start(&world);
    ends_complete();
    forget();
}
END_TEST

/* The actions of one step have room also for the widest code. */
START_TEST(test_restorer_widest_code)
{
    deposit((uint64_t)_i, _i % 2 == 0 ? 48 : 22, 64, RESTORER_WINDOW_MAX, 12);
    for (size_t i = 0; i < places_len; i++) {
        bad[i] = streams_choose(16);
    }
    boot();
    world_start(&world);
    for (uint32_t i = 0; _i == 1 && i < 10; i++) {
        if (!world_run(&world, 50)) {
            world_lose(&world, 6 * i);
        }
    }
    ends_complete();
    ck_assert_uint_lt(world.acts_max, MOVER_ACTS_MAX - 16);
    forget();
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("restorer");
    TCase *tc = tcase_create("restorer");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, test_restorer_any_k, 0, 20);
    tcase_add_loop_test(tc, test_restorer_bad_cells, 0, 20);
    tcase_add_loop_test(tc, test_restorer_too_few_cells, 0, 10);
    tcase_add_loop_test(tc, test_restorer_streams_are_lost, 0, 20);
    tcase_add_loop_test(tc, test_restorer_faults, 0, 10);
    tcase_add_loop_test(tc, test_restorer_cancel, 0, 12);
    tcase_add_test(tc, test_restorer_cancel_before_start);
    tcase_add_test(tc, test_restorer_first_reason);
    tcase_add_test(tc, test_restorer_wrong_key_or_cell);
    tcase_add_test(tc, test_restorer_hostile_message);
    tcase_add_loop_test(tc, test_restorer_gaps, 0, 10);
    tcase_add_test(tc, test_restorer_nothing_wanted);
    tcase_add_test(tc, test_restorer_prefers);
    tcase_add_test(tc, test_restorer_prefers_whom_it_is_told);
    tcase_add_test(tc, test_restorer_prefers_the_fast);
    tcase_add_loop_test(tc, test_restorer_outage, 0, 6);
    tcase_add_test(tc, test_restorer_outage_lasts);
    tcase_add_test(tc, test_restorer_cancel_in_outage);
    tcase_add_test(tc, test_restorer_slow_stream_rests);
    tcase_add_loop_test(tc, test_restorer_widest_code, 0, 2);
    suite_add_tcase(s, tc);
    return s;
}
