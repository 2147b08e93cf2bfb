#include <stdlib.h>

#include "crypto/rng.h"
#include "replication/coding/erasure.h"
#include "tests/suite.h"

static struct erasure code;
static struct erasure_plan plan;
static struct rng rng;

/* n cells of up to |cell_size| bytes; |truth| was made by the slow code below,
 * |got| by the code under test. */
static size_t cell_size;
static uint8_t *truth[MANIFEST_SHARDS_MAX], *got[MANIFEST_SHARDS_MAX];

/* GF(2^8) with polynomial 0x11d, one bit at a time. */
static uint8_t slow_mul(uint8_t a, uint8_t b)
{
    unsigned product = 0, shifted = a;

    for (unsigned bit = 0; bit < 8; bit++) {
        if ((b & BIT(bit)) != 0) {
            product ^= shifted;
        }
        shifted <<= 1;
        if ((shifted & 0x100U) != 0) {
            shifted ^= 0x11dU;
        }
    }
    return (uint8_t)product;
}

static uint8_t slow_inv(uint8_t a)
{
    for (unsigned b = 1; b < 256; b++) {
        if (slow_mul(a, (uint8_t)b) == 1) {
            return (uint8_t)b;
        }
    }
    ck_abort_msg("0 has no inverse");
    return 0;
}

/* Parity as docs/FORMAT.md 6 words it. */
static void slow_encode(void)
{
    uint8_t times[256], coefficient;

    for (unsigned r = code.k; r < code.n; r++) {
        memset(truth[r], 0, cell_size);
        for (unsigned j = 0; j < code.k; j++) {
            coefficient = slow_inv((uint8_t)(r ^ j));
            for (unsigned v = 0; v < 256; v++) {
                times[v] = slow_mul(coefficient, (uint8_t)v);
            }
            for (size_t b = 0; b < cell_size; b++) {
                truth[r][b] ^= times[truth[j][b]];
            }
        }
    }
}

static void setup(void)
{
    static const uint8_t seed[RNG_SEED_SIZE] = {'e'};

    rng_init_seed(&rng, seed);
}

static void finish(void)
{
    for (size_t i = 0; i < MANIFEST_SHARDS_MAX; i++) {
        free(truth[i]);
        free(got[i]);
        truth[i] = NULL;
        got[i] = NULL;
    }
}

static void refill(uint8_t *cells[MANIFEST_SHARDS_MAX], size_t size)
{
    for (size_t i = 0; i < code.n; i++) {
        free(cells[i]);
        cells[i] = calloc(1, size);
        ck_assert_ptr_nonnull(cells[i]);
    }
}

/* Random data of |size| bytes a cell under a k of n code, with its parity.
 * Exact allocations: the sanitizer sees a byte too many. */
static void start(uint16_t k, uint16_t n, size_t size)
{
    finish();
    ck_assert_int_eq(erasure_init(&code, k, n), OK);
    cell_size = size;
    refill(truth, size);
    refill(got, size);
    for (size_t i = 0; i < k; i++) {
        rng_bytes(&rng, truth[i], size);
    }
    slow_encode();
}

/* Rebuild |want| from |present| and compare. */
static void rebuild(const uint8_t *present, const uint8_t *want, size_t len)
{
    const uint8_t *have[ERASURE_K_MAX] = {NULL};
    uint8_t *out[MANIFEST_SHARDS_MAX] = {NULL};

    ck_assert_int_eq(erasure_plan_init(&plan, &code, present, want, len), OK);
    ck_assert_uint_eq(plan.want_len, len);
    for (size_t i = 0; i < code.k; i++) {
        ck_assert_uint_eq(plan.present[i], present[i]);
        have[i] = truth[present[i]];
    }
    for (size_t i = 0; i < len; i++) {
        out[i] = got[want[i]];
        memset(out[i], 0xee, cell_size);
    }
    erasure_rebuild(&plan, have, out, cell_size);
    for (size_t i = 0; i < len; i++) {
        ck_assert_bytes_eq(out[i], truth[want[i]], cell_size);
    }
}

/* Rebuild all cells that are not in the set |survivors|, which has k bits. */
static void rebuild_from(uint64_t survivors)
{
    uint8_t present[MANIFEST_SHARDS_MAX] = {0};
    uint8_t want[MANIFEST_SHARDS_MAX] = {0};
    size_t present_len = 0, want_len = 0;

    for (uint16_t i = 0; i < code.n; i++) {
        if ((survivors >> i & 1) != 0) {
            present[present_len++] = (uint8_t)i;
        } else {
            want[want_len++] = (uint8_t)i;
        }
    }
    ck_assert_uint_eq(present_len, code.k);
    rebuild(present, want, want_len);
}

/* Any order of |order|, all alike likely. */
static void shuffle(uint8_t *order, size_t order_len)
{
    size_t j;
    uint8_t kept;

    for (size_t i = order_len; i > 1; i--) {
        j = (size_t)rng_below(&rng, i);
        kept = order[i - 1];
        order[i - 1] = order[j];
        order[j] = kept;
    }
}

/* Parity is what the format says, for every code and odd sizes. */
START_TEST(test_erasure_parity_is_the_format)
{
    static const struct {
        uint16_t k, n;
        size_t size;
    } cases[] = {
        {1, 2, 1},    {1, 64, 100},  {2, 3, 63},       {4, 7, 4096},
        {4, 7, 4097}, {10, 16, 65},  {10, 16, 200001}, {20, 29, 8191},
        {20, 30, 17}, {48, 64, 999}, {48, 49, 64},     {33, 64, 196608},
    };
    const uint8_t *data[ERASURE_K_MAX] = {NULL};

    for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
        start(cases[c].k, cases[c].n, cases[c].size);
        for (size_t j = 0; j < code.k; j++) {
            data[j] = truth[j];
        }
        erasure_encode(&code, data, &got[code.k], cell_size);
        for (size_t r = code.k; r < code.n; r++) {
            ck_assert_bytes_eq(got[r], truth[r], cell_size);
        }
    }
}
END_TEST

/* Any k cells give all n: every set of survivors of small codes. */
START_TEST(test_erasure_all_survivor_sets)
{
    static const struct {
        uint16_t k, n;
    } codes[] = {{1, 2}, {1, 5}, {2, 3}, {2, 6},
                 {3, 7}, {4, 7}, {5, 9}, {8, 9}};

    for (size_t c = 0; c < sizeof(codes) / sizeof(codes[0]); c++) {
        start(codes[c].k, codes[c].n, 97);
        for (uint64_t set = 0; set < (uint64_t)1 << code.n; set++) {
            if (__builtin_popcountll(set) == code.k) {
                rebuild_from(set);
            }
        }
    }
}
END_TEST

/* Wide codes: random survivors in random order, random cells wanted, over more
 * than one tile and a ragged end. The loop index is the seed. */
START_TEST(test_erasure_random_survivors)
{
    static const struct {
        uint16_t k, n;
    } codes[] = {{10, 16}, {20, 29}, {20, 30}, {48, 64}, {1, 64}};
    uint8_t order[MANIFEST_SHARDS_MAX];
    uint8_t seed[RNG_SEED_SIZE] = {(uint8_t)_i};
    uint64_t want;

    rng_init_seed(&rng, seed);
    for (size_t c = 0; c < sizeof(codes) / sizeof(codes[0]); c++) {
        start(codes[c].k, codes[c].n, _i == 0 ? 65536 + 333 : 777);
        for (uint16_t i = 0; i < code.n; i++) {
            order[i] = (uint8_t)i;
        }
        for (unsigned round = 0; round < 8; round++) {
            shuffle(order, code.n);
            want = rng_below(&rng, (uint64_t)code.n - code.k + 1);
            rebuild(order, &order[code.k], (size_t)want);
        }
    }
}
END_TEST

/* The worst that a code tolerates, and its opposite: all parity lost. */
START_TEST(test_erasure_extreme_losses)
{
    start(10, 16, 4096);
    rebuild_from(0xffc0); /* Cells 0..5 lost. */
    rebuild_from(0x03ff); /* Cells 10..15 lost. */
    start(20, 29, 4096);
    rebuild_from(0x1ffffe00);
    rebuild_from(0x000fffff);
}
END_TEST

/* Codes outside the bounds of the format are refused. */
START_TEST(test_erasure_refuses_bad_codes)
{
    static const struct {
        uint16_t k, n;
    } bad[] = {{0, 1},   {0, 0},   {1, 1},   {4, 4},      {5, 4},
               {49, 50}, {48, 65}, {64, 64}, {65535, 65}, {1, 65535}};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_int_eq(erasure_init(&code, bad[i].k, bad[i].n), ERR_BAD);
    }
}
END_TEST

/* Plans over cells that repeat, overlap or do not exist are refused. */
START_TEST(test_erasure_refuses_bad_plans)
{
    static const uint8_t good[] = {0, 2, 4, 6}, twice[] = {0, 2, 2, 6},
                         outside[] = {0, 2, 4, 7}, lost[] = {1, 3, 5},
                         present[] = {1, 6}, repeated[] = {1, 1},
                         beyond[] = {1, 200};
    uint8_t many[MANIFEST_SHARDS_MAX + 8] = {0};

    start(4, 7, 64);
    ck_assert_int_eq(erasure_plan_init(&plan, &code, good, lost, 3), OK);
    ck_assert_int_eq(erasure_plan_init(&plan, &code, good, NULL, 0), OK);
    plan.want_len = 77;
    ck_assert_int_eq(erasure_plan_init(&plan, &code, twice, lost, 1), ERR_BAD);
    ck_assert_int_eq(erasure_plan_init(&plan, &code, outside, lost, 1),
                     ERR_BAD);
    ck_assert_int_eq(erasure_plan_init(&plan, &code, good, present, 2),
                     ERR_BAD);
    ck_assert_int_eq(erasure_plan_init(&plan, &code, good, repeated, 2),
                     ERR_BAD);
    ck_assert_int_eq(erasure_plan_init(&plan, &code, good, beyond, 2), ERR_BAD);
    ck_assert_int_eq(erasure_plan_init(&plan, &code, good, many, sizeof(many)),
                     ERR_BAD);
    ck_assert_uint_eq(plan.want_len, 77);
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("erasure");
    TCase *tc = tcase_create("erasure");

    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, finish);
    tcase_add_test(tc, test_erasure_parity_is_the_format);
    tcase_add_test(tc, test_erasure_all_survivor_sets);
    tcase_add_loop_test(tc, test_erasure_random_survivors, 0, 8);
    tcase_add_test(tc, test_erasure_extreme_losses);
    tcase_add_test(tc, test_erasure_refuses_bad_codes);
    tcase_add_test(tc, test_erasure_refuses_bad_plans);
    suite_add_tcase(s, tc);
    return s;
}
