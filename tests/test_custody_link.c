#include "node/custody/custody_link.h"
#include "tests/custody_world.h"

#define ANSWERS_MAX 300

/* What the owner of the link has been told. */
static struct custody_link *cl;
static struct custody_link_config cl_config;
static struct {
    uint64_t id;
    int status;
    struct custody got; /* Slices point into |bytes|. */
    uint8_t bytes[1024];
} answers[ANSWERS_MAX];
static size_t answers_len;
static int change, changes;
static char change_text[512];
static unsigned ends;
static bool inside; /* A function of the link is running. */

static void on_answer(void *arg, uint64_t id, int status, struct slice bytes)
{
    size_t i = answers_len++;

    ck_assert_ptr_eq(arg, &cl_config);
    ck_assert(!inside);
    ck_assert_uint_lt(i, ANSWERS_MAX);
    answers[i].id = id;
    answers[i].status = status;
    if (status == OK) {
        ck_assert_uint_le(bytes.size, sizeof(answers[i].bytes));
        memcpy(answers[i].bytes, bytes.data, bytes.size);
        ck_assert_int_eq(custody_decode(&answers[i].got,
                                        slice_of(answers[i].bytes, bytes.size)),
                         OK);
    } else {
        ck_assert_uint_eq(bytes.size, 0);
    }
}

static void on_change(void *arg, int status, const char *text)
{
    (void)arg;
    ck_assert(!inside);
    ck_assert_int_le(status, 0);
    change = status;
    changes++;
    (void)snprintf(change_text, sizeof(change_text), "%s", text);
}

static void on_end(void *arg)
{
    ck_assert_ptr_eq(arg, &ends);
    ends++;
}

/* --- Verbs --------------------------------------------------------------- */

static void link_up(void)
{
    inside = true;
    ck_assert_int_eq(custody_link_open(&cl, &cl_config), OK);
    inside = false;
}

static void link_down(void)
{
    custody_link_close(cl, on_end, &ends);
    cl = NULL;
}

static void start(void)
{
    custody_start();
    answers_len = 0;
    change = 1;
    changes = 0;
    ends = 0;
    cl_config = (struct custody_link_config){.loop = &loop,
                                             .path = socket_path,
                                             .net = net,
                                             .charter_hash = charter->hash,
                                             .steward = members[ME].card.id,
                                             .on_answer = on_answer,
                                             .on_change = on_change,
                                             .arg = &cl_config};
}

static void stop(void)
{
    if (cl != NULL) {
        link_down();
    }
    custody_stop();
}

static int link_ask(uint64_t id, struct slice bytes)
{
    int rv;

    inside = true;
    rv = custody_link_ask(cl, id, bytes);
    inside = false;
    return rv;
}

static void asks(uint64_t id)
{
    ck_assert_int_eq(link_ask(id, ask_bytes()), OK);
}

/* Until so many answers are there, or changes; the suite has a time limit. */
static void until_answers(size_t len)
{
    while (answers_len < len) {
        (void)uv_run(&loop, UV_RUN_ONCE);
    }
    ck_assert_uint_eq(answers_len, len);
}

static void until_changes(int count)
{
    while (changes < count) {
        (void)uv_run(&loop, UV_RUN_ONCE);
    }
    ck_assert_int_eq(changes, count);
}

static void answered(size_t i, uint64_t id, enum custody_type type)
{
    ck_assert_uint_eq(answers[i].id, id);
    ck_assert_int_eq(answers[i].status, OK);
    ck_assert_int_eq(answers[i].got.type, type);
}

static void failed(size_t i, uint64_t id)
{
    ck_assert_uint_eq(answers[i].id, id);
    ck_assert_int_eq(answers[i].status, ERR_IO);
}

/* --- With a custodian ---------------------------------------------------- */

/* Requests are answered in order, also those that were asked before the
 * connection was there; and the custodian says of itself what it is. */
START_TEST(test_custody_link_asks)
{
    custodian_up();
    link_up();
    ck_assert_ptr_null(custody_link_self(cl));
    hello_ask();
    asks(7);
    deal_ask();
    asks(8);
    until_answers(2);
    answered(0, 7, CUSTODY_SELF);
    answered(1, 8, CUSTODY_ACK);
    ck_assert_int_eq(change, OK);
    ck_assert_int_eq(changes, 1);
    ck_assert(
        digest_equal(&custody_link_self(cl)->steward, &members[ME].card.id));
    hello_ask();
    ask.u.hello.net.bytes[0] ^= 1;
    asks(8);
    until_answers(3);
    answered(2, 8, CUSTODY_REFUSED);
    ck_assert_int_eq(changes, 1);
    /* Told without being asked by the owner. */
    ck_assert_uint_eq(custody_link_self(cl)->shares, 1);
    ck_assert_uint_eq(answers_len, 3);
}
END_TEST

/* A whole release, and the same again after the custodian was started anew. */
START_TEST(test_custody_link_releases)
{
    static struct buffer decision;

    custodian_up();
    link_up();
    deal_ask();
    asks(1);
    release_ask_by(T);
    asks(2);
    until_answers(2);
    answered(0, 1, CUSTODY_ACK);
    answered(1, 2, CUSTODY_DECIDED);
    memcpy(decision.bytes, answers[1].got.u.decision.data,
           answers[1].got.u.decision.size);
    decision.size = answers[1].got.u.decision.size;

    custodian_down();
    until_changes(2);
    ck_assert_int_eq(change, ERR_IO);
    ck_assert_ptr_null(custody_link_self(cl));
    custodian_up();
    until_changes(3);
    ck_assert_int_eq(change, OK);

    envelope_ask(0, 0, buffer_slice(&decision));
    asks(3);
    until_answers(3);
    answered(2, 3, CUSTODY_HANDED);
}
END_TEST

/* Nobody there: requests end with ERR_IO, it is said once, and the custodian
 * is found when it comes. */
START_TEST(test_custody_link_waits_for_a_custodian)
{
    link_up();
    hello_ask();
    asks(1);
    until_answers(1);
    failed(0, 1);
    ck_assert_int_eq(changes, 1);
    ck_assert_int_eq(change, ERR_IO);
    ck_assert_ptr_nonnull(strstr(change_text, socket_path));
    asks(2);
    asks(3);
    until_answers(3);
    failed(1, 2);
    failed(2, 3);
    uv_sleep(CUSTODY_LINK_AGAIN_MS + 100);
    (void)uv_run(&loop, UV_RUN_ONCE);
    (void)uv_run(&loop, UV_RUN_ONCE);
    ck_assert_int_eq(changes, 1);
    custodian_up();
    until_changes(2);
    ck_assert_int_eq(change, OK);
    asks(4);
    until_answers(4);
    answered(3, 4, CUSTODY_SELF);
}
END_TEST

/* A custodian of somebody else is none, and why is said. */
START_TEST(test_custody_link_wants_its_own_custodian)
{
    custodian_up();
    cl_config.steward = members[ME + 1].card.id;
    link_up();
    hello_ask();
    asks(1);
    until_answers(1);
    failed(0, 1);
    ck_assert_int_eq(changes, 1);
    ck_assert_int_eq(change, ERR_MISMATCH);
    ck_assert_ptr_nonnull(strstr(change_text, "another steward"));
    ck_assert_ptr_null(custody_link_self(cl));
    link_down();

    cl_config.steward = members[ME].card.id;
    cl_config.charter_hash.bytes[0] ^= 1;
    link_up();
    until_changes(2);
    ck_assert_int_eq(change, ERR_MISMATCH);
    ck_assert_ptr_nonnull(strstr(change_text, "refuses"));
}
END_TEST

/* There is a bound to what waits, in number and in bytes. */
START_TEST(test_custody_link_bounds)
{
    static uint8_t large[CUSTODY_SIZE_MAX];
    struct slice bytes;

    custodian_up();
    link_up();
    hello_ask();
    bytes = ask_bytes();
    for (size_t i = 0; i < CUSTODY_LINK_ASKS_MAX; i++) {
        ck_assert_int_eq(link_ask(i, bytes), OK);
    }
    ck_assert_int_eq(link_ask(0, bytes), ERR_FULL);
    until_answers(CUSTODY_LINK_ASKS_MAX);
    for (size_t i = 0; i < CUSTODY_LINK_ASKS_MAX; i++) {
        answered(i, i, CUSTODY_SELF);
    }
    for (size_t i = 0; i < CUSTODY_LINK_BYTES_MAX / CUSTODY_SIZE_MAX; i++) {
        ck_assert_int_eq(link_ask(i, slice_of(large, sizeof(large))), OK);
    }
    ck_assert_int_eq(link_ask(0, bytes), ERR_FULL);
    /* The first is no request: the custodian hangs up, and all end. */
    until_answers(CUSTODY_LINK_ASKS_MAX +
                  CUSTODY_LINK_BYTES_MAX / CUSTODY_SIZE_MAX);
    failed(CUSTODY_LINK_ASKS_MAX, 0);
    ck_assert_int_eq(link_ask(0, bytes), OK);
}
END_TEST

/* A path that no socket can have. */
START_TEST(test_custody_link_path)
{
    char path[200];

    memset(path, 'x', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    cl_config.path = path;
    ck_assert_int_eq(custody_link_open(&cl, &cl_config), ERR_FULL);
    custody_link_close(NULL, NULL, NULL);
}
END_TEST

/* --- The end ------------------------------------------------------------- */

/* Who is closed says nothing more, whatever was asked. */
START_TEST(test_custody_link_closes)
{
    custodian_up();
    for (unsigned turns = 0; turns < 12; turns++) {
        link_up();
        hello_ask();
        asks(1);
        asks(2);
        for (unsigned i = 0; i < turns; i++) {
            (void)uv_run(&loop, UV_RUN_NOWAIT);
        }
        answers_len = 0;
        changes = 0;
        ends = 0;
        custody_link_close(cl, on_end, &ends);
        ck_assert_int_eq(link_ask(3, ask_bytes()), ERR_ORDER);
        inside = true; /* Nothing may be told from now on. */
        cl = NULL;
        while (ends == 0) {
            (void)uv_run(&loop, UV_RUN_NOWAIT);
        }
        inside = false;
        ck_assert_uint_eq(answers_len, 0);
    }
}
END_TEST

static void on_answer_close(void *arg,
                            uint64_t id,
                            int status,
                            struct slice bytes)
{
    on_answer(arg, id, status, bytes);
    link_down();
}

static void on_change_close(void *arg, int status, const char *text)
{
    on_change(arg, status, text);
    link_down();
}

/* It may be closed inside of its own callbacks. */
START_TEST(test_custody_link_closes_inside)
{
    custodian_up();
    cl_config.on_answer = on_answer_close;
    link_up();
    hello_ask();
    asks(1);
    asks(2);
    while (ends < 1) {
        (void)uv_run(&loop, UV_RUN_ONCE);
    }
    ck_assert_uint_eq(answers_len, 1);

    cl_config.on_change = on_change_close;
    link_up();
    asks(3);
    while (ends < 2) {
        (void)uv_run(&loop, UV_RUN_ONCE);
    }
    custodian_down();
    link_up();
    asks(4);
    while (ends < 3) {
        (void)uv_run(&loop, UV_RUN_ONCE);
    }
    ck_assert_uint_eq(answers_len, 1);
    custodian_down();
    link_up(); /* Nobody there, and requests fail. */
    cl_config.on_change = on_change;
    asks(5);
    while (ends < 4) {
        (void)uv_run(&loop, UV_RUN_ONCE);
    }
}
END_TEST

/* --- With what is no custodian ------------------------------------------- */

/* A server that answers each message with what |says| returns for its number,
 * counted from 0 in a connection. */
static uv_pipe_t impostor;
static struct peer {
    uv_pipe_t pipe;
    uv_write_t write;
    struct custody_frame in, out;
    unsigned number;
} * peer;
static bool (*says)(unsigned number, struct custody_frame *out);
static unsigned peers;

static void on_peer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void peer_close(struct peer *p)
{
    if (peer == p) {
        peer = NULL;
    }
    uv_close((uv_handle_t *)&p->pipe, on_peer_closed);
}

static void on_peer_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct peer *p = handle->data;

    (void)suggested;
    *buf = custody_frame_room(&p->in);
}

static void on_peer_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct peer *p = stream->data;
    bool whole = false;
    uv_buf_t out;

    (void)buf;
    if (n < 0) {
        peer_close(p);
        return;
    }
    ck_assert_int_eq(custody_frame_take(&p->in, (size_t)n, &whole), OK);
    if (!whole) {
        return;
    }
    p->in.size = 0;
    p->out.size = 0;
    if (!says(p->number++, &p->out)) {
        peer_close(p);
    } else if (p->out.size > 0) {
        out = uv_buf_init((char *)p->out.bytes, (unsigned)p->out.size);
        ck_assert_int_eq(uv_write(&p->write, stream, &out, 1, NULL), 0);
    }
}

static void on_peer(uv_stream_t *listener, int status)
{
    struct peer *p = calloc(1, sizeof(*p));

    ck_assert_ptr_nonnull(p);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(uv_pipe_init(&loop, &p->pipe, 0), 0);
    p->pipe.data = p;
    ck_assert_int_eq(uv_accept(listener, (uv_stream_t *)&p->pipe), 0);
    ck_assert_int_eq(
        uv_read_start((uv_stream_t *)&p->pipe, on_peer_room, on_peer_read), 0);
    peer = p;
    peers++;
}

static void impostor_up(bool (*answers_with)(unsigned number,
                                             struct custody_frame *out))
{
    says = answers_with;
    ck_assert_int_eq(uv_pipe_init(&loop, &impostor, 0), 0);
    ck_assert_int_eq(uv_pipe_bind(&impostor, socket_path), 0);
    ck_assert_int_eq(uv_listen((uv_stream_t *)&impostor, 8, on_peer), 0);
}

static void impostor_down(void)
{
    if (cl != NULL) {
        link_down();
    }
    if (peer != NULL) {
        peer_close(peer);
    }
    uv_close((uv_handle_t *)&impostor, NULL);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
}

static void frame_of(struct custody_frame *out, const struct custody *c)
{
    uint8_t bytes[1024];
    size_t size = 0;

    ck_assert_int_eq(custody_encode(c, bytes, sizeof(bytes), &size), OK);
    custody_frame_put(out, slice_of(bytes, size));
}

static struct custody self_of(void)
{
    return (struct custody){.type = CUSTODY_SELF,
                            .u.self = {.net = net,
                                       .charter_hash = charter->hash,
                                       .steward = members[ME].card.id}};
}

static bool says_another_net(unsigned number, struct custody_frame *out)
{
    struct custody c = self_of();

    (void)number;
    c.u.self.net.bytes[9] ^= 1;
    frame_of(out, &c);
    return true;
}

static bool says_another_charter(unsigned number, struct custody_frame *out)
{
    struct custody c = self_of();

    (void)number;
    c.u.self.charter_hash.bytes[9] ^= 1;
    frame_of(out, &c);
    return true;
}

static bool says_another_steward(unsigned number, struct custody_frame *out)
{
    struct custody c = self_of();

    (void)number;
    c.u.self.steward.bytes[9] ^= 1;
    frame_of(out, &c);
    return true;
}

static bool says_ack(unsigned number, struct custody_frame *out)
{
    struct custody c = {.type = CUSTODY_ACK, .u.ack = slice_str("ack")};

    (void)number;
    frame_of(out, &c);
    return true;
}

static bool says_a_request(unsigned number, struct custody_frame *out)
{
    struct custody c = {.type = CUSTODY_HELLO,
                        .u.hello = {.net = net, .charter_hash = charter->hash}};

    (void)number;
    frame_of(out, &c);
    return true;
}

static bool says_junk(unsigned number, struct custody_frame *out)
{
    (void)number;
    custody_frame_put(out, slice_str("junk"));
    return true;
}

static bool says_no_length(unsigned number, struct custody_frame *out)
{
    (void)number;
    custody_frame_put(out, slice_str("junk"));
    memset(out->bytes, 0xff, 4);
    return true;
}

static bool says_nothing(unsigned number, struct custody_frame *out)
{
    (void)number;
    (void)out;
    return true;
}

static bool hangs_up(unsigned number, struct custody_frame *out)
{
    (void)number;
    (void)out;
    return false;
}

/* Two answers to one HELLO. */
static bool says_twice(unsigned number, struct custody_frame *out)
{
    struct custody c = self_of();
    uint8_t bytes[1024];
    size_t size;

    (void)number;
    frame_of(out, &c);
    size = out->size;
    memcpy(bytes, out->bytes, size);
    memcpy(out->bytes + size, bytes, size);
    out->size = 2 * size;
    return true;
}

/* Whoever does not answer HELLO as our custodian does is nobody. */
START_TEST(test_custody_link_hello)
{
    static const struct {
        bool (*says)(unsigned number, struct custody_frame *out);
        int status;
        const char *text;
    } cases[] = {
        {says_another_net, ERR_MISMATCH, "another network"},
        {says_another_charter, ERR_MISMATCH, "another charter"},
        {says_another_steward, ERR_MISMATCH, "another steward"},
        {says_ack, ERR_BAD, "nonsense"},
        {says_a_request, ERR_BAD, "nonsense"},
        {says_junk, ERR_BAD, "nonsense"},
        {says_no_length, ERR_BAD, "nonsense"},
        {says_nothing, ERR_IO, "does not answer"},
        {hangs_up, ERR_IO, "is gone"},
    };

    cl_config.patience_ms = 50;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        impostor_up(cases[i].says);
        changes = 0;
        answers_len = 0;
        ends = 0;
        link_up();
        hello_ask();
        asks(i);
        until_answers(1);
        failed(0, i);
        ck_assert_int_eq(changes, 1);
        ck_assert_int_eq(change, cases[i].status);
        ck_assert_msg(strstr(change_text, cases[i].text) != NULL, "%s",
                      change_text);
        ck_assert_ptr_null(custody_link_self(cl));
        impostor_down();
    }
}
END_TEST

/* An answer to nothing ends the connection. */
START_TEST(test_custody_link_unasked_answer)
{
    impostor_up(says_twice);
    link_up();
    until_changes(2);
    ck_assert_int_eq(change, ERR_BAD);
    impostor_down();
}
END_TEST

static bool (*then)(unsigned number, struct custody_frame *out);

static bool says_self_first(unsigned number, struct custody_frame *out)
{
    struct custody c = self_of();

    if (number > 0) {
        return then(number, out);
    }
    frame_of(out, &c);
    return true;
}

/* A connection that ends, is silent, or speaks nonsense in the middle of a
 * request: all that wait end with ERR_IO, and another connection is made. */
START_TEST(test_custody_link_lost_answer)
{
    static bool (*const cases[])(unsigned number, struct custody_frame *out) = {
        hangs_up, says_nothing, says_junk, says_a_request, says_no_length};

    cl_config.patience_ms = 50;
    impostor_up(says_self_first);
    link_up();
    until_changes(1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ck_assert_int_eq(change, OK);
        then = cases[i];
        answers_len = 0;
        hello_ask();
        asks(1);
        asks(2);
        until_answers(2);
        failed(0, 1);
        failed(1, 2);
        until_changes(2 * (int)i + 3);
    }
    ck_assert_uint_eq(peers, 1 + sizeof(cases) / sizeof(cases[0]));
    impostor_down();
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("custody_link");
    TCase *tc = tcase_create("link");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, start, stop);
    tcase_add_test(tc, test_custody_link_asks);
    tcase_add_test(tc, test_custody_link_releases);
    tcase_add_test(tc, test_custody_link_waits_for_a_custodian);
    tcase_add_test(tc, test_custody_link_wants_its_own_custodian);
    tcase_add_test(tc, test_custody_link_bounds);
    tcase_add_test(tc, test_custody_link_path);
    tcase_add_test(tc, test_custody_link_closes);
    tcase_add_test(tc, test_custody_link_closes_inside);
    suite_add_tcase(s, tc);
    tc = tcase_create("impostor");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, start, stop);
    tcase_add_test(tc, test_custody_link_hello);
    tcase_add_test(tc, test_custody_link_unasked_answer);
    tcase_add_test(tc, test_custody_link_lost_answer);
    suite_add_tcase(s, tc);
    return s;
}
