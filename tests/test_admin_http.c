#include "tests/admin_world.h"

/* Connections and requests that are not as they should be. */

/* Paths and methods that are none. */
START_TEST(test_admin_unknown_paths)
{
    static const struct {
        const char *method, *url;
        unsigned code;
    } cases[] = {
        {"GET", "/", 404},
        {"GET", "/v1", 404},
        {"GET", "/v1/", 404},
        {"GET", "/v2/status", 404},
        {"GET", "/v1/status/", 404},
        {"GET", "/v1//status", 404},
        {"GET", "/v1/statusx", 404},
        {"GET", "/v1/releases/0123456789/ticket/more", 404},
        {"GET", "/v1/releases/0123456789/nothing", 404},
        {"GET", "/v1/releases/0123456789/ticket", 404},
        {"GET", "/v1/deposits/", 400},
        {"GET", "/v1/deposits/../../etc/passwd", 404},
        {"GET", "/v1/deposits/%2e%2e%2f%2e%2e%2fetc", 404},
        {"GET", "/v1/deposits/0123456g", 400},
        {"GET", "/v1/deposits/%00%00%00%00%00%00%00%00", 400},
        {"POST", "/v1/status", 405},
        {"POST", "/v1/deposits", 405},
        {"PUT", "/v1/releases", 405},
        {"DELETE", "/v1/releases", 405},
        {"BREW", "/v1/status", 405},
        {"get", "/v1/status", 405},
        {"GET", "/v1/releases/0123456789/approval", 405},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        expect_error(cases[i].method, cases[i].url, slice_of(NULL, 0),
                     cases[i].code);
    }
    expect_error("GET", "/v1/status", slice_str("body"), 400);
    expect_alive();
}
END_TEST

/* Bytes that are no HTTP end their connection, and nothing else. */
START_TEST(test_admin_garbage)
{
    static const char *const lines[] = {
        "\r\n\r\n",
        "nonsense\r\n\r\n",
        "GET\r\n\r\n",
        "GET /v1/status\r\n\r\n",
        "GET /v1/status HTTP/9.9\r\n\r\n",
        "GET /v1/status HTTP/1.1\r\nHost\r\n\r\n",
        "GET /v1/status HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "POST /v1/releases HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n",
    };
    struct client c;
    uint8_t noise[4096];

    admin_stop();
    config.idle_s = 1; /* For what may be the beginning of something. */
    admin_start();
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        client_connect(&c);
        client_send(&c, lines[i], strlen(lines[i]));
        ck_assert_int_eq(shutdown(c.fd, SHUT_WR), 0);
        client_wait(&c);
        ck_assert_uint_ne(client_code(&c), 500);
        client_close(&c);
    }
    for (unsigned i = 0; i < 20; i++) {
        rng_bytes(&w->rng, noise, sizeof(noise));
        client_connect(&c);
        client_send(&c, noise, sizeof(noise));
        ck_assert_int_eq(shutdown(c.fd, SHUT_WR), 0);
        client_wait(&c);
        ck_assert_uint_ne(client_code(&c), 200);
        client_close(&c);
    }
    ck_assert_uint_eq(asked.count, 0);
    expect_alive();
}
END_TEST

/* A head without an end is not kept. */
START_TEST(test_admin_head_without_end)
{
    static const char begin[] = "GET /v1/status HTTP/1.1\r\n";
    struct client c;

    client_connect(&c);
    client_send(&c, begin, strlen(begin));
    for (unsigned i = 0; i < 20000 && !c.ended; i++) {
        if (send(c.fd, "X-More: of it\r\n", 15, MSG_NOSIGNAL) < 0 &&
            errno != EAGAIN) {
            break;
        }
        if (i % 100 == 0) {
            client_look(&c);
        }
    }
    client_wait(&c);
    ck_assert_uint_ne(client_code(&c), 200);
    client_close(&c);
    expect_alive();
}
END_TEST

/* A client may leave at any byte of what it says. */
START_TEST(test_admin_half_requests)
{
    static const char whole[] = "POST /v1/releases HTTP/1.1\r\nHost: x\r\n"
                                "Content-Length: 10\r\n\r\n0123456789";
    struct client c;

    for (size_t size = 0; size < strlen(whole); size += 3) {
        client_connect(&c);
        client_send(&c, whole, size);
        turn();
        client_close(&c);
    }
    ck_assert_uint_eq(asked.count, 0);
    expect_alive();
}
END_TEST

/* A client may leave while its answer is being made. */
START_TEST(test_admin_client_that_leaves)
{
    uint8_t bytes[RELEASE_REQUEST_MAX];
    struct release_request r;
    struct client c;
    size_t size = 0;

    manifest_put();
    request_put(&r, bytes, &size);
    for (unsigned i = 0; i < 10; i++) {
        client_request(&c, "GET", "/v1/deposits", slice_of(NULL, 0));
        client_close(&c);
    }
    client_request(&c, "POST", "/v1/releases", slice_of(bytes, size));
    while (asked.count == 0) {
        turn();
    }
    client_close(&c);
    expect_alive();
    reply(asked.id, OK, "");
    expect_alive();
}
END_TEST

/* Bodies that are too long are refused before, or without, being kept. */
START_TEST(test_admin_large_bodies)
{
    static const char huge[] = "POST /v1/releases HTTP/1.1\r\nHost: x\r\n"
                               "Content-Length: 1000000000000\r\n\r\n";
    static const char chunked[] = "POST /v1/releases HTTP/1.1\r\nHost: x\r\n"
                                  "Transfer-Encoding: chunked\r\n\r\n";
    uint8_t *body = calloc(1, (size_t)1 << 20);
    struct client c;

    ck_assert_ptr_nonnull(body);
    expect_error("POST", "/v1/releases", slice_of(body, ADMIN_BODY_MAX), 400);
    expect_error("POST", "/v1/releases", slice_of(body, ADMIN_BODY_MAX + 1),
                 413);
    expect_error("POST", "/v1/releases", slice_of(body, (size_t)1 << 20), 413);
    client_connect(&c);
    client_send(&c, huge, strlen(huge));
    client_wait(&c);
    ck_assert_uint_eq(client_code(&c), 413);
    client_close(&c);
    client_connect(&c);
    client_send(&c, chunked, strlen(chunked));
    client_wait(&c);
    ck_assert_uint_eq(client_code(&c), 411);
    client_close(&c);
    free(body);
    expect_alive();
}
END_TEST

/* What stands behind a request is no second one. */
START_TEST(test_admin_one_request_a_connection)
{
    static const char two[] = "GET /v1/releases HTTP/1.1\r\nHost: x\r\n\r\n"
                              "GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n";
    struct client c;

    client_connect(&c);
    client_send(&c, two, strlen(two));
    client_wait(&c);
    ck_assert_uint_eq(client_code(&c), 200);
    ck_assert_ptr_nonnull(strstr(c.in, "cairn.releases/1"));
    ck_assert_ptr_null(strstr(c.in, "cairn.status/1"));
    client_close(&c);
}
END_TEST

/* Sixteen clients that say nothing keep others waiting, but not for ever. */
START_TEST(test_admin_silent_clients_make_room)
{
    struct client silent[ADMIN_CONNECTIONS_MAX + 4];
    size_t len = sizeof(silent) / sizeof(silent[0]);

    admin_stop();
    config.life_ms = 500;
    admin_start();
    for (size_t i = 0; i < len; i++) {
        client_connect(&silent[i]);
        client_send(&silent[i], "GET /v", 6);
    }
    expect_alive();
    for (size_t i = 0; i < len; i++) {
        client_wait(&silent[i]);
        ck_assert_uint_eq(silent[i].size, 0);
        client_close(&silent[i]);
    }
}
END_TEST

/* A client that says a byte now and then is not silent, and yet ends. */
START_TEST(test_admin_trickling_client)
{
    struct client c;

    admin_stop();
    config.life_ms = 300;
    admin_start();
    client_connect(&c);
    for (unsigned i = 0; !c.ended && i < TURNS_MAX; i++) {
        (void)send(c.fd, "G", 1, MSG_NOSIGNAL);
        client_look(&c);
    }
    ck_assert(c.ended);
    client_close(&c);
    expect_alive();
}
END_TEST

/* A machine that does not answer is told as that, and may answer late. */
START_TEST(test_admin_no_answer_in_time)
{
    uint8_t bytes[RELEASE_REQUEST_MAX];
    struct release_request r;
    size_t size = 0;

    admin_stop();
    config.life_ms = 300;
    admin_start();
    request_put(&r, bytes, &size);
    expect_error("POST", "/v1/releases", slice_of(bytes, size), 503);
    ck_assert_uint_eq(asked.count, 1);
    reply(asked.id, OK, "");
    expect_alive();
}
END_TEST

/* Many at once: each gets its own. */
START_TEST(test_admin_many_at_once)
{
    struct client c[3 * ADMIN_CONNECTIONS_MAX];
    size_t len = sizeof(c) / sizeof(c[0]);

    manifest_put();
    receipt_put(0);
    for (size_t i = 0; i < len; i++) {
        client_request(&c[i], "GET",
                       i % 3 == 0   ? "/v1/status"
                       : i % 3 == 1 ? "/v1/deposits"
                                    : deposit_url("/certificate"),
                       slice_of(NULL, 0));
    }
    for (size_t i = 0; i < len; i++) {
        client_wait(&c[i]);
        ck_assert_uint_eq(client_code(&c[i]), 200);
        ck_assert_ptr_nonnull(strstr(c[i].in, i % 3 == 0   ? "cairn.status/1"
                                              : i % 3 == 1 ? "cairn.deposits/1"
                                                           : "octet-stream"));
        client_close(&c[i]);
    }
}
END_TEST

/* An end with requests at every stage: who waits is told. */
START_TEST(test_admin_closes_with_requests)
{
    uint8_t bytes[RELEASE_REQUEST_MAX];
    struct client waiting, reading[3], half;
    struct release_request r;
    size_t size = 0;

    manifest_put();
    request_put(&r, bytes, &size);
    client_request(&waiting, "POST", "/v1/releases", slice_of(bytes, size));
    while (asked.count == 0) {
        turn();
    }
    for (size_t i = 0; i < 3; i++) {
        client_request(&reading[i], "GET", "/v1/deposits", slice_of(NULL, 0));
    }
    client_connect(&half);
    client_send(&half, "GET /", 5);
    admin_stop();
    client_wait(&waiting);
    ck_assert_uint_eq(client_code(&waiting), 503);
    for (size_t i = 0; i < 3; i++) {
        client_wait(&reading[i]);
        client_close(&reading[i]);
    }
    client_wait(&half);
    client_close(&half);
    client_close(&waiting);
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("admin_http");
    TCase *tc = tcase_create("admin_http");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, test_admin_unknown_paths);
    tcase_add_test(tc, test_admin_garbage);
    tcase_add_test(tc, test_admin_head_without_end);
    tcase_add_test(tc, test_admin_half_requests);
    tcase_add_test(tc, test_admin_client_that_leaves);
    tcase_add_test(tc, test_admin_large_bodies);
    tcase_add_test(tc, test_admin_one_request_a_connection);
    tcase_add_test(tc, test_admin_silent_clients_make_room);
    tcase_add_test(tc, test_admin_trickling_client);
    tcase_add_test(tc, test_admin_no_answer_in_time);
    tcase_add_test(tc, test_admin_many_at_once);
    tcase_add_test(tc, test_admin_closes_with_requests);
    suite_add_tcase(s, tc);
    return s;
}
