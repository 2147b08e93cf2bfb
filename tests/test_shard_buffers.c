#include <string.h>

#include "node/shard/shard_buffers.h"
#include "tests/suite.h"

#define BUFFERS 6

static struct shard_buffers buffers;
static uint8_t *taken[BUFFERS];

static void take_all(void)
{
    ck_assert_int_eq(shard_buffers_init(&buffers, BUFFERS - 1), OK);
    for (size_t i = 0; i < BUFFERS; i++) {
        taken[i] = shard_buffers_take(&buffers);
        ck_assert_ptr_nonnull(taken[i]);
        memset(taken[i], (int)(i + 1), SHARD_BUFFER_SIZE);
    }
}

static void give(size_t i)
{
    shard_buffers_give(&buffers, taken[i]);
    taken[i] = NULL;
}

static void give_all(void)
{
    for (size_t i = 0; i < BUFFERS; i++) {
        if (taken[i] != NULL) {
            give(i);
        }
    }
    shard_buffers_free(&buffers);
}

static void assert_filled(const uint8_t *mem, uint8_t with)
{
    ck_assert_uint_eq(mem[0], with);
    ck_assert_mem_eq(mem, mem + 1, SHARD_BUFFER_SIZE - 1);
}

/* Each has its own MiB, fit for direct writes; then there are no more. */
START_TEST(test_shard_buffers_lie_apart)
{
    take_all();
    ck_assert_ptr_null(shard_buffers_take(&buffers));
    for (size_t i = 0; i < BUFFERS; i++) {
        ck_assert_uint_eq((uintptr_t)taken[i] % SHARD_BUFFER_SIZE, 0);
        assert_filled(taken[i], (uint8_t)(i + 1));
    }
    give_all();
}
END_TEST

/* Few that are in use lie together, whatever was in use before. */
START_TEST(test_shard_buffers_lowest_first)
{
    uint8_t *first;

    take_all();
    first = taken[0];
    for (size_t i = 1; i < BUFFERS; i++) {
        ck_assert(taken[i] > taken[i - 1]);
    }
    give(4);
    give(0);
    give(3);
    taken[0] = shard_buffers_take(&buffers);
    ck_assert_ptr_eq(taken[0], first);
    give_all();
}
END_TEST

/* Memory goes back to the kernel when both of its halves have come back, and
 * never from under one that is in use. */
START_TEST(test_shard_buffers_pages_go_back)
{
    uint8_t *third;

    take_all();
    third = taken[2];
    give(2);
    assert_filled(taken[3], 4);
    give(3);
    assert_filled(taken[1], 2);
    assert_filled(taken[4], 5);
    taken[2] = shard_buffers_take(&buffers);
    ck_assert_ptr_eq(taken[2], third);
    assert_filled(taken[2], 0);
    give_all();
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("shard_buffers");
    TCase *tc = tcase_create("shard_buffers");

    tcase_add_test(tc, test_shard_buffers_lie_apart);
    tcase_add_test(tc, test_shard_buffers_lowest_first);
    tcase_add_test(tc, test_shard_buffers_pages_go_back);
    suite_add_tcase(s, tc);
    return s;
}
