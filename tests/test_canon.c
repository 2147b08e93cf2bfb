#include <stdlib.h>

#include "crypto/rng.h"
#include "protocol/canon.h"
#include "tests/suite.h"

#define ITEMS(...)                           \
    slice_of((const uint8_t[]){__VA_ARGS__}, \
             sizeof((const uint8_t[]){__VA_ARGS__}))

static uint8_t buf[1 << 20];
static struct canon_writer w;
static struct canon_reader r;

static void start(void)
{
    canon_write_init(&w, buf, sizeof(buf));
}

/* What was written. */
static struct slice written(void)
{
    struct slice out = {0};

    ck_assert_int_eq(canon_write_end(&w, &out), OK);
    return out;
}

/* Check a copy that ends where its memory ends, so that the sanitizer sees any
 * step beyond. */
static int check_copy(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size + 1);
    int rv;

    memcpy(copy + 1, data, size);
    rv = canon_check(slice_of(copy + 1, size));
    free(copy);
    return rv;
}

static void read_written(void)
{
    canon_read_init(&r, written());
}

/* Numbers around every change of width come back, in the shortest form. */
START_TEST(test_canon_uint_round_trip)
{
    static const struct {
        uint64_t v;
        size_t size;
    } cases[] = {
        {0, 1},
        {1, 1},
        {0x7f, 1},
        {0x80, 2},
        {0xff, 2},
        {0x100, 3},
        {0xffff, 3},
        {0x10000, 5},
        {0xffffffff, 5},
        {0x100000000, 9},
        {(uint64_t)INT64_MAX, 9},
        {(uint64_t)INT64_MAX + 1, 9},
        {UINT64_MAX, 9},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        start();
        canon_put_uint(&w, cases[i].v);
        ck_assert_uint_eq(written().size, cases[i].size);
        read_written();
        ck_assert(canon_uint(&r, UINT64_MAX) == cases[i].v);
        ck_assert_int_eq(canon_end(&r), OK);
    }
}
END_TEST

/* Strings around every change of width come back, in the shortest form. */
START_TEST(test_canon_bytes_round_trip)
{
    static const struct {
        size_t size, bin_head, str_head;
    } cases[] = {
        {0, 2, 1},   {1, 2, 1},   {31, 2, 1},    {32, 2, 2},
        {255, 2, 2}, {256, 3, 3}, {65535, 3, 3}, {65536, 5, 5},
    };
    static uint8_t text[65536];

    memset(text, 'x', sizeof(text));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t size = cases[i].size;

        start();
        canon_put_bin(&w, slice_of(text, size));
        ck_assert_uint_eq(written().size, size + cases[i].bin_head);
        read_written();
        ck_assert(slice_equal(canon_bin(&r, size, size), slice_of(text, size)));
        ck_assert_int_eq(canon_end(&r), OK);
        start();
        canon_put_str(&w, slice_of(text, size));
        ck_assert_uint_eq(written().size, size + cases[i].str_head);
        read_written();
        ck_assert(slice_equal(canon_str(&r, 0, size), slice_of(text, size)));
        ck_assert_int_eq(canon_end(&r), OK);
    }
}
END_TEST

/* Arrays around every change of width come back, in the shortest form. */
START_TEST(test_canon_array_round_trip)
{
    static const struct {
        uint32_t len, head;
    } cases[] = {{0, 1}, {1, 1}, {15, 1}, {16, 3}, {65535, 3}, {65536, 5}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint32_t len = cases[i].len;
        bool same = true;

        start();
        canon_put_array(&w, len);
        for (uint32_t k = 0; k < len; k++) {
            canon_put_bool(&w, k % 2 != 0);
        }
        ck_assert_uint_eq(written().size, len + cases[i].head);
        ck_assert_int_eq(canon_check(written()), OK);
        read_written();
        ck_assert_uint_eq(canon_array_between(&r, len, len), len);
        for (uint32_t k = 0; k < len; k++) {
            same = canon_bool(&r) == (k % 2 != 0) && same;
        }
        canon_leave(&r);
        ck_assert(same);
        ck_assert_int_eq(canon_end(&r), OK);
    }
}
END_TEST

/* Maps around every change of width come back, in the shortest form. */
START_TEST(test_canon_map_round_trip)
{
    static const struct {
        uint32_t len, head;
    } cases[] = {{0, 1}, {1, 1}, {15, 1}, {16, 3}, {65535, 3}, {65536, 5}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint32_t len = cases[i].len;
        bool same = true;

        start();
        canon_put_map(&w, len);
        for (uint32_t k = 0; k < len; k++) {
            canon_put_uint(&w, (uint64_t)k << 40);
            canon_put_nil(&w);
        }
        ck_assert_int_eq(canon_check(written()), OK);
        read_written();
        ck_assert_uint_eq(canon_map(&r, len), len);
        ck_assert_uint_eq(r.at, cases[i].head);
        for (uint32_t k = 0; k < len; k++) {
            same = canon_key(&r) == (uint64_t)k << 40 && same;
            same = canon_nil(&r) && same;
        }
        canon_leave(&r);
        ck_assert(same);
        ck_assert_int_eq(canon_end(&r), OK);
    }
}
END_TEST

/* Everything together, and each getter hands back what was put. */
START_TEST(test_canon_structure)
{
    struct digest d = {{1, 2, 3}}, got;
    struct slice inner;

    start();
    canon_put_array(&w, 6);
    canon_put_uint(&w, 1);
    canon_put_digest(&w, &d);
    canon_put_nil(&w);
    canon_put_str(&w, slice_str("cairn \xe2\x98\x83"));
    canon_put_raw(&w, ITEMS(0x82, 0x01, 0x91, 0xc0, 0x02, 0xc3));
    canon_put_bool(&w, true);
    read_written();
    canon_array(&r, 6);
    canon_version(&r, 1);
    canon_digest(&r, &got);
    ck_assert(digest_equal(&d, &got));
    ck_assert(canon_nil(&r));
    ck_assert(!canon_nil(&r));
    ck_assert(
        slice_equal(canon_str(&r, 1, 9), slice_str("cairn \xe2\x98\x83")));
    inner = canon_any(&r);
    ck_assert(slice_equal(inner, ITEMS(0x82, 0x01, 0x91, 0xc0, 0x02, 0xc3)));
    ck_assert(canon_bool(&r));
    canon_leave(&r);
    ck_assert_int_eq(canon_end(&r), OK);
}
END_TEST

/* One value, but not in its one encoding, or not of the subset. */
START_TEST(test_canon_other_encodings_refused)
{
    static const struct {
        const char *hex;
        size_t size;
    } cases[] = {
        {"cc7f", 2}, /* integers that fit a shorter form */
        {"cd00ff", 3},
        {"ce0000ffff", 5},
        {"cf00000000ffffffff", 9},
        {"d07f", 2}, /* signed family */
        {"d1ffff", 3},
        {"d200000001", 5},
        {"d30000000000000001", 9},
        {"ff", 1}, /* negative */
        {"e0", 1},
        {"ca00000000", 5}, /* floats */
        {"cb0000000000000000", 9},
        {"c1", 1},     /* never used */
        {"d40100", 3}, /* extensions */
        {"c70001", 3},
        {"d6ff00000000", 6},
        {"c50001aa", 4}, /* byte strings */
        {"c600000001aa", 6},
        {"d90161", 3}, /* text */
        {"da000161", 4},
        {"db0000000161", 6},
        {"dc0001c0", 4}, /* arrays */
        {"dd00000001c0", 6},
        {"de000101c0", 5}, /* maps */
        {"df0000000101c0", 7},
        {"8201c001c0", 5}, /* repeated key */
        {"8202c001c0", 5}, /* descending keys */
        {"82ccffc07fc0", 6},
        {"81a161c0", 4}, /* keys that are no numbers */
        {"81c0c0", 3},
        {"81c3c0", 3},
        {"81ffc0", 3},
        {"8190c0", 3},
        {"a2c080", 3},   /* overlong NUL */
        {"a100", 2},     /* NUL */
        {"a3e08080", 4}, /* overlong */
        {"a4f08080af", 5},
        {"a3eda080", 4},   /* surrogate */
        {"a4f4908080", 5}, /* above U+10FFFF */
        {"a4f5808080", 5},
        {"a180", 2}, /* continuation first */
        {"a1c3", 2}, /* text ends inside a character */
        {"a2e298", 3},
        {"a3e298c3", 4},
        {"a2c341", 3},
        {"c0c0", 2}, /* trailing */
        {"9000", 2},
    };
    uint8_t in[16];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        hex_read(cases[i].hex, in, cases[i].size);
        ck_assert_msg(canon_check(slice_of(in, cases[i].size)) == ERR_BAD,
                      "accepted: %s", cases[i].hex);
    }
    ck_assert_int_eq(canon_check(slice_of(NULL, 0)), ERR_BAD);
}
END_TEST

/* Every head that could be one step shorter, with all of its contents. */
START_TEST(test_canon_almost_wide_refused)
{
    static const struct {
        uint8_t head, width, fill;
        uint32_t value, size; /* What the head says, and what follows. */
    } cases[] = {
        {0xc5, 2, 0, 0xff, 0xff},   {0xc6, 4, 0, 0xffff, 0xffff},
        {0xcc, 1, 0, 0x7f, 0},      {0xcd, 2, 0, 0xff, 0},
        {0xce, 4, 0, 0xffff, 0},    {0xd9, 1, 'x', 31, 31},
        {0xda, 2, 'x', 0xff, 0xff}, {0xdb, 4, 'x', 0xffff, 0xffff},
        {0xdc, 2, 0xc0, 15, 15},    {0xdd, 4, 0xc0, 0xffff, 0xffff},
        {0xde, 2, 0, 0, 0},         {0xdf, 4, 0, 0, 0},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t head = 1U + cases[i].width;

        buf[0] = cases[i].head;
        for (size_t at = 1; at < head; at++) {
            buf[at] = (uint8_t)(cases[i].value >> (8 * (head - 1 - at)));
        }
        memset(buf + head, cases[i].fill, cases[i].size);
        ck_assert_msg(canon_check(slice_of(buf, head + cases[i].size)) ==
                          ERR_BAD,
                      "accepted: head %02x", cases[i].head);
    }
}
END_TEST

/* The largest and smallest characters of each length are text. */
START_TEST(test_canon_text_limits)
{
    static const char *const texts[] = {
        "\x01",
        "\x7f",
        "\xc2\x80",
        "\xdf\xbf",
        "\xe0\xa0\x80",
        "\xed\x9f\xbf",
        "\xee\x80\x80",
        "\xef\xbf\xbf",
        "\xf0\x90\x80\x80",
        "\xf4\x8f\xbf\xbf",
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        start();
        canon_put_str(&w, slice_str(texts[i]));
        ck_assert_int_eq(canon_check(written()), OK);
    }
}
END_TEST

/* Counts and lengths that the input cannot hold are refused at once; nothing
 * is allocated for them. */
START_TEST(test_canon_huge_counts_refused)
{
    static const uint8_t heads[] = {0xdd, 0xdf, 0xc6, 0xdb};

    for (size_t i = 0; i < sizeof(heads); i++) {
        uint8_t in[] = {heads[i], 0xff, 0xff, 0xff, 0xff, 0xc0};

        ck_assert_int_eq(canon_check(slice_of(in, sizeof(in))), ERR_BAD);
    }
    ck_assert_int_eq(canon_check(ITEMS(0xdd, 0x0f, 0xff, 0xff, 0xff)), ERR_BAD);
    ck_assert_int_eq(canon_check(ITEMS(0xdd, 0xdd, 0xdd, 0xef, 0x0a, 0x0a)),
                     ERR_BAD);
    /* At once: a decoder does not get to loop over the count. */
    canon_read_init(&r, ITEMS(0xdd, 0x0f, 0xff, 0xff, 0xff, 0xc0, 0xc0));
    ck_assert_uint_eq(canon_array_between(&r, 0, UINT32_MAX), 0);
    ck_assert_int_eq(r.error, ERR_BAD);
    canon_read_init(&r, ITEMS(0x82, 0x01, 0xc0, 0x02));
    ck_assert_uint_eq(canon_map(&r, UINT32_MAX), 0);
    ck_assert_int_eq(r.error, ERR_BAD);
    /* One item or one byte too few. */
    ck_assert_int_eq(canon_check(ITEMS(0x92, 0xc0)), ERR_BAD);
    ck_assert_int_eq(canon_check(ITEMS(0x81, 0x01)), ERR_BAD);
    ck_assert_int_eq(canon_check(ITEMS(0xc4, 0x02, 0x00)), ERR_BAD);
}
END_TEST

/* Eight levels are read, nine are not, and the bomb costs no stack. */
START_TEST(test_canon_depth)
{
    memset(buf, 0x91, sizeof(buf));
    buf[CANON_DEPTH_MAX] = 0xc0;
    ck_assert_int_eq(canon_check(slice_of(buf, CANON_DEPTH_MAX + 1)), OK);
    buf[CANON_DEPTH_MAX] = 0x91;
    buf[CANON_DEPTH_MAX + 1] = 0xc0;
    ck_assert_int_eq(canon_check(slice_of(buf, CANON_DEPTH_MAX + 2)), ERR_BAD);
    buf[CANON_DEPTH_MAX + 1] = 0x91;
    ck_assert_int_eq(canon_check(slice_of(buf, sizeof(buf))), ERR_BAD);

    /* What is open already counts. */
    memset(buf, 0x91, CANON_DEPTH_MAX);
    buf[CANON_DEPTH_MAX] = 0x90;
    canon_read_init(&r, slice_of(buf, CANON_DEPTH_MAX + 1));
    canon_array(&r, 1);
    ck_assert_uint_eq(canon_any(&r).size, 0);
    ck_assert_int_eq(r.error, ERR_BAD);
}
END_TEST

/* After the first error everything is empty, and that error is the verdict. */
START_TEST(test_canon_error_sticks)
{
    uint8_t out[4] = {9, 9, 9, 9};
    struct digest d = {{9}};

    canon_read_init(&r, ITEMS(0x93, 0x02, 0x01, 0xc3));
    canon_array(&r, 3);
    canon_version(&r, 1);
    ck_assert_int_eq(r.error, ERR_UNSUPPORTED);
    ck_assert_uint_eq(canon_uint(&r, 9), 0);
    ck_assert(!canon_bool(&r));
    ck_assert(!canon_nil(&r));
    ck_assert_uint_eq(canon_array_between(&r, 0, 9), 0);
    ck_assert_uint_eq(canon_map(&r, 9), 0);
    ck_assert_uint_eq(canon_key(&r), 0);
    ck_assert_uint_eq(canon_bin(&r, 0, 9).size, 0);
    ck_assert_uint_eq(canon_str(&r, 0, 9).size, 0);
    ck_assert_uint_eq(canon_any(&r).size, 0);
    canon_bytes(&r, out, sizeof(out));
    ck_assert_bytes_eq(out, ((uint8_t[4]){0}), sizeof(out));
    canon_digest(&r, &d);
    ck_assert(digest_is_zero(&d));
    canon_leave(&r);
    canon_leave(&r);
    canon_require(&r, false);
    ck_assert_uint_eq(canon_at(&r), 0);
    ck_assert_int_eq(canon_end(&r), ERR_UNSUPPORTED);
}
END_TEST

/* The decoder's bounds are kept. */
START_TEST(test_canon_bounds)
{
    uint8_t out[3];

    canon_read_init(&r, ITEMS(0x05));
    ck_assert_uint_eq(canon_uint(&r, 4), 0);
    ck_assert_int_eq(canon_end(&r), ERR_BAD);
    canon_read_init(&r, ITEMS(0xc4, 0x02, 0x00, 0x00));
    ck_assert_uint_eq(canon_bin(&r, 3, 9).size, 0);
    ck_assert_int_eq(canon_end(&r), ERR_BAD);
    canon_read_init(&r, ITEMS(0xc4, 0x02, 0x00, 0x00));
    ck_assert_uint_eq(canon_bin(&r, 0, 1).size, 0);
    ck_assert_int_eq(canon_end(&r), ERR_BAD);
    canon_read_init(&r, ITEMS(0xc4, 0x02, 0x00, 0x00));
    canon_bytes(&r, out, sizeof(out));
    ck_assert_int_eq(canon_end(&r), ERR_BAD);
    canon_read_init(&r, ITEMS(0xa2, 0x61, 0x61));
    ck_assert_uint_eq(canon_bin(&r, 0, 9).size, 0);
    ck_assert_int_eq(canon_end(&r), ERR_BAD);
    canon_read_init(&r, ITEMS(0x91, 0xc0));
    canon_array(&r, 2);
    ck_assert_int_eq(canon_end(&r), ERR_BAD);
    canon_read_init(&r, ITEMS(0x82, 0x01, 0xc0, 0x02, 0xc0));
    ck_assert_uint_eq(canon_map(&r, 1), 0);
    ck_assert_int_eq(canon_end(&r), ERR_BAD);
    canon_read_init(&r, ITEMS(0x00));
    canon_require(&r, false);
    ck_assert_uint_eq(canon_uint(&r, 1), 0);
    ck_assert_int_eq(canon_end(&r), ERR_BAD);
}
END_TEST

/* An array is read whole, and no item beyond it. */
START_TEST(test_canon_arrays_are_closed)
{
    canon_read_init(&r, ITEMS(0x92, 0x01, 0x02));
    canon_array(&r, 2);
    canon_uint(&r, 9);
    canon_leave(&r); /* One is left. */
    ck_assert_int_eq(r.error, ERR_BAD);

    canon_read_init(&r, ITEMS(0x92, 0x91, 0x01, 0x02));
    canon_array(&r, 2);
    canon_array(&r, 1);
    ck_assert_uint_eq(canon_uint(&r, 9), 1);
    ck_assert_uint_eq(canon_uint(&r, 9), 0); /* Belongs to the outer one. */
    ck_assert_int_eq(canon_end(&r), ERR_BAD);

    canon_read_init(&r, ITEMS(0x92, 0x91, 0x01, 0xc0));
    canon_array(&r, 2);
    canon_array(&r, 1);
    canon_uint(&r, 9);
    ck_assert(!canon_nil(&r)); /* The outer one's. */
    canon_leave(&r);
    ck_assert(canon_nil(&r));
    ck_assert_int_eq(canon_end(&r), ERR_BAD); /* Still open. */
    canon_leave(&r);
    ck_assert_int_eq(canon_end(&r), OK);
}
END_TEST

/* Keys ascend in each map by itself. */
START_TEST(test_canon_nested_maps)
{
    canon_read_init(&r, ITEMS(0x82, 0x05, 0x81, 0x01, 0xc0, 0x06, 0xc0));
    ck_assert_uint_eq(canon_map(&r, 9), 2);
    ck_assert_uint_eq(canon_key(&r), 5);
    ck_assert_uint_eq(canon_map(&r, 9), 1);
    ck_assert_uint_eq(canon_key(&r), 1);
    ck_assert(canon_nil(&r));
    canon_leave(&r);
    ck_assert_uint_eq(canon_key(&r), 6);
    ck_assert(canon_nil(&r));
    canon_leave(&r);
    ck_assert_int_eq(canon_end(&r), OK);

    canon_read_init(&r, ITEMS(0x82, 0x05, 0xc0, 0x05, 0xc0));
    ck_assert_uint_eq(canon_map(&r, 9), 2);
    ck_assert_uint_eq(canon_key(&r), 5);
    ck_assert(canon_nil(&r));
    ck_assert_uint_eq(canon_key(&r), 0);
    ck_assert_int_eq(canon_end(&r), ERR_BAD);

    canon_read_init(&r, ITEMS(0x81, 0x05, 0xc0));
    ck_assert_uint_eq(canon_map(&r, 9), 1);
    ck_assert_uint_eq(canon_key(&r), 5);
    canon_leave(&r); /* Its value is left. */
    ck_assert_int_eq(r.error, ERR_BAD);
}
END_TEST

/* A sequence of values is read one after the other. */
START_TEST(test_canon_sequence)
{
    canon_read_init(&r, ITEMS(0x91, 0x07, 0xc0, 0x90));
    canon_array(&r, 1);
    ck_assert_uint_eq(canon_at(&r), 0); /* Open. */
    ck_assert_uint_eq(canon_uint(&r, 9), 7);
    canon_leave(&r);
    ck_assert_uint_eq(canon_at(&r), 2);
    ck_assert_int_eq(canon_end(&r), ERR_BAD);
    ck_assert_uint_eq(canon_any(&r).size, 1);
    ck_assert_uint_eq(canon_at(&r), 3);
    canon_array(&r, 0);
    canon_leave(&r);
    ck_assert_int_eq(canon_end(&r), OK);
    ck_assert(!canon_nil(&r)); /* At the end there is nothing. */
}
END_TEST

/* Every cut of a value is refused, and every size of buffer below its own is
 * reported full without a byte beyond it being touched. */
START_TEST(test_canon_every_cut)
{
    static uint8_t whole[4096], out[4096];
    struct slice s = {0}, got = {0};
    uint8_t blob[300] = {0};

    canon_write_init(&w, whole, sizeof(whole));
    for (size_t max = 0; max <= s.size; max++) {
        bool last = max > 0 && max == s.size;

        memset(out, 0xee, sizeof(out));
        if (s.size > 0) {
            canon_write_init(&w, out, max);
        }
        canon_put_array(&w, 20);
        canon_put_map(&w, 1);
        canon_put_uint(&w, 70000);
        canon_put_bin(&w, slice_of(blob, sizeof(blob)));
        for (uint64_t i = 0; i < 19; i++) {
            canon_put_uint(&w, (uint64_t)1 << (3 * i));
        }
        if (s.size == 0) {
            ck_assert_int_eq(canon_write_end(&w, &s), OK);
            continue;
        }
        ck_assert_int_eq(canon_write_end(&w, &got), last ? OK : ERR_FULL);
        ck_assert_uint_eq(out[max], 0xee);
        ck_assert_int_eq(check_copy(whole, max), last ? OK : ERR_BAD);
    }
    ck_assert(slice_equal(got, s));
}
END_TEST

/* After an overflow nothing more is written, however small. */
START_TEST(test_canon_overflow_sticks)
{
    struct slice out = {0};

    canon_write_init(&w, buf, 3);
    canon_put_bin(&w, slice_str("cairn"));
    canon_put_nil(&w);
    ck_assert_uint_eq(w.size, 2);
    ck_assert_int_eq(canon_write_end(&w, &out), ERR_FULL);
    ck_assert_ptr_null(out.data);
}
END_TEST

/* Write a random value of the subset. */
static void put_random(struct rng *rng, unsigned depth)
{
    uint8_t blob[70];
    uint64_t kind = rng_below(rng, depth == 0 ? 5 : 7);
    uint32_t len = (uint32_t)rng_below(rng, depth > 4 ? 20 : 4);
    uint64_t key = rng_below(rng, 200);

    if (kind == 0) {
        canon_put_nil(&w);
    } else if (kind == 1) {
        canon_put_bool(&w, rng_below(rng, 2) != 0);
    } else if (kind == 2) {
        canon_put_uint(&w, UINT64_MAX >> rng_below(rng, 64));
    } else if (kind == 3) {
        rng_bytes(rng, blob, sizeof(blob));
        canon_put_bin(&w, slice_of(blob, rng_below(rng, sizeof(blob))));
    } else if (kind == 4) {
        memset(blob, 'a', sizeof(blob));
        canon_put_str(&w, slice_of(blob, rng_below(rng, sizeof(blob))));
    } else if (kind == 5) {
        canon_put_array(&w, len);
        for (uint32_t i = 0; i < len; i++) {
            put_random(rng, depth - 1);
        }
    } else {
        canon_put_map(&w, len);
        for (uint32_t i = 0; i < len; i++) {
            canon_put_uint(&w, key);
            key += 1 + rng_below(rng, 100000);
            put_random(rng, depth - 1);
        }
    }
}

/* Whatever the writer writes, the reader takes, and none of its prefixes. The
 * loop index is the seed. */
START_TEST(test_canon_random_values)
{
    const uint8_t seed[RNG_SEED_SIZE] = {(uint8_t)_i};
    struct slice s;
    struct rng rng;

    rng_init_seed(&rng, seed);
    for (int round = 0; round < 10; round++) {
        start();
        put_random(&rng, CANON_DEPTH_MAX);
        s = written();
        ck_assert_int_eq(canon_check(s), OK);
        for (size_t cut = 0; cut < s.size; cut += 1 + s.size / 50) {
            ck_assert_int_eq(check_copy(s.data, cut), ERR_BAD);
        }
        canon_put_nil(&w);
        ck_assert_int_eq(canon_check(written()), ERR_BAD);
    }
}
END_TEST

/* Random bytes neither crash the reader nor make it read past the end. */
START_TEST(test_canon_random_bytes)
{
    const uint8_t seed[RNG_SEED_SIZE] = {(uint8_t)_i, 1};
    struct rng rng;

    rng_init_seed(&rng, seed);
    for (int round = 0; round < 2000; round++) {
        size_t size = rng_below(&rng, 64);

        rng_bytes(&rng, buf, size);
        canon_read_init(&r, slice_of(buf, size));
        while (canon_any(&r).size > 0) {
            ck_assert_uint_le(canon_at(&r), size);
        }
        ck_assert_int_eq(r.error, ERR_BAD);
    }
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("canon");
    TCase *tc = tcase_create("canon");

    tcase_add_test(tc, test_canon_uint_round_trip);
    tcase_add_test(tc, test_canon_bytes_round_trip);
    tcase_add_test(tc, test_canon_array_round_trip);
    tcase_add_test(tc, test_canon_map_round_trip);
    tcase_add_test(tc, test_canon_structure);
    tcase_add_test(tc, test_canon_other_encodings_refused);
    tcase_add_test(tc, test_canon_almost_wide_refused);
    tcase_add_test(tc, test_canon_text_limits);
    tcase_add_test(tc, test_canon_huge_counts_refused);
    tcase_add_test(tc, test_canon_depth);
    tcase_add_test(tc, test_canon_error_sticks);
    tcase_add_test(tc, test_canon_bounds);
    tcase_add_test(tc, test_canon_arrays_are_closed);
    tcase_add_test(tc, test_canon_nested_maps);
    tcase_add_test(tc, test_canon_sequence);
    tcase_add_test(tc, test_canon_every_cut);
    tcase_add_test(tc, test_canon_overflow_sticks);
    tcase_add_loop_test(tc, test_canon_random_values, 0, 10);
    tcase_add_loop_test(tc, test_canon_random_bytes, 0, 5);
    suite_add_tcase(s, tc);
    return s;
}
