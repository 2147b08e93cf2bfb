#include "replication/steward/steward.h"
#include "tests/suite.h"

/* What admin requests and their answers are as bytes. */

/* What is written is read, and nothing else. */
START_TEST(test_client_codecs)
{
    uint8_t bytes[STEWARD_CLIENT_SIZE_MAX + 1];
    struct steward_client c = {.type = STEWARD_CLIENT_SUBMIT,
                               .bytes = slice_of("abc", 3)};
    struct steward_client got;
    struct steward_reply r = {.status = ERR_DENIED, .text = "no"}, r_got;
    size_t size = 0;

    ck_assert_int_eq(steward_client_encode(&c, bytes, sizeof(bytes), &size),
                     OK);
    ck_assert_int_eq(steward_client_decode(&got, slice_of(bytes, size)), OK);
    ck_assert_int_eq(got.type, STEWARD_CLIENT_SUBMIT);
    ck_assert(slice_equal(got.bytes, c.bytes));
    ck_assert_int_eq(steward_client_decode(&got, slice_of(bytes, size - 1)),
                     ERR_BAD);
    ck_assert_int_eq(steward_client_decode(&got, slice_of(bytes, size + 1)),
                     ERR_BAD);
    bytes[2] = 4;
    ck_assert_int_eq(steward_client_decode(&got, slice_of(bytes, size)),
                     ERR_UNSUPPORTED);
    c.type = STEWARD_CLIENT_DENY;
    ck_assert_int_eq(steward_client_encode(&c, bytes, sizeof(bytes), &size),
                     ERR_BAD);
    c.bytes.size = 0;
    ck_assert_int_eq(steward_client_encode(&c, bytes, sizeof(bytes), &size),
                     ERR_BAD);
    c.release_id.bytes[0] = 1;
    ck_assert_int_eq(steward_client_encode(&c, bytes, sizeof(bytes), &size),
                     OK);
    ck_assert_int_eq(steward_client_decode(&got, slice_of(bytes, size)), OK);
    c.type = STEWARD_CLIENT_APPROVE;
    ck_assert_int_eq(steward_client_encode(&c, bytes, sizeof(bytes), &size),
                     ERR_BAD);

    ck_assert_int_eq(steward_reply_encode(&r, bytes, sizeof(bytes), &size), OK);
    ck_assert_int_eq(steward_reply_decode(&r_got, slice_of(bytes, size)), OK);
    ck_assert_int_eq(r_got.status, ERR_DENIED);
    ck_assert_str_eq(r_got.text, "no");
    ck_assert_int_eq(steward_reply_decode(&r_got, slice_of(bytes, size - 1)),
                     ERR_BAD);
    r.text[0] = '\n';
    ck_assert_int_eq(steward_reply_encode(&r, bytes, sizeof(bytes), &size),
                     ERR_BAD);
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("steward_client");
    TCase *tc = tcase_create("steward_client");

    tcase_add_test(tc, test_client_codecs);
    suite_add_tcase(s, tc);
    return s;
}
