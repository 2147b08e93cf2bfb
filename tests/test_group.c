#include <signal.h>

#include "crypto/group.h"
#include "crypto/hash.h"
#include "tests/suite.h"

/* q, little-endian (RFC 9496 section 4.4). */
#define ORDER "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010"

static struct rng rng;

static void setup(void)
{
    static const uint8_t seed[RNG_SEED_SIZE] = {'g'};

    rng_init_seed(&rng, seed);
}

static struct scalar scalar_hex(const char *hex)
{
    struct scalar a;

    hex_read(hex, a.bytes, SCALAR_SIZE);
    return a;
}

static struct scalar scalar_small(uint64_t v)
{
    struct scalar a;

    scalar_from_u64(&a, v);
    return a;
}

static struct scalar minus_one(void)
{
    struct scalar zero = scalar_small(0), one = scalar_small(1), a;

    scalar_sub(&a, &zero, &one);
    return a;
}

static struct scalar some_scalar(void)
{
    struct scalar a;

    scalar_random(&a, &rng);
    return a;
}

static struct element some_element(void)
{
    struct scalar a = some_scalar();
    struct element p;

    element_mul_base(&p, &a);
    return p;
}

/* An encoding of no element (RFC 9496 A.2: negative). */
static struct element no_element(void)
{
    return (struct element){{1}};
}

static bool scalar_equal(const struct scalar *a, const struct scalar *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

/* Only 0..q-1 are scalars; neither q and above nor a set bit 255. */
START_TEST(test_group_canonical_scalars_end_at_q)
{
    struct scalar order = scalar_hex(ORDER);
    struct scalar a = scalar_small(0);

    ck_assert(scalar_is_canonical(&a));
    a = minus_one();
    ck_assert(scalar_is_canonical(&a));
    ck_assert_uint_eq(a.bytes[0], order.bytes[0] - 1);
    ck_assert_bytes_eq(a.bytes + 1, order.bytes + 1, SCALAR_SIZE - 1);
    ck_assert(!scalar_is_canonical(&order));
    order.bytes[0]++;
    ck_assert(!scalar_is_canonical(&order));
    a = scalar_small(5);
    a.bytes[31] = 0x80;
    ck_assert(!scalar_is_canonical(&a));
    memset(&a, 0xff, sizeof(a));
    ck_assert(!scalar_is_canonical(&a));
    /* A high byte decides over all below it. */
    a.bytes[31] = 0x0f;
    ck_assert(scalar_is_canonical(&a));
}
END_TEST

/* The field laws hold, also in place. */
START_TEST(test_group_scalars_are_a_field)
{
    struct scalar a = some_scalar(), b = some_scalar(), c = some_scalar();
    struct scalar left, right, t;

    scalar_add(&left, &a, &b);
    scalar_mul(&left, &left, &c);
    scalar_mul(&right, &a, &c);
    scalar_mul(&t, &b, &c);
    scalar_add(&right, &right, &t);
    ck_assert(scalar_equal(&left, &right));
    scalar_add(&t, &a, &b);
    scalar_sub(&t, &t, &b);
    ck_assert(scalar_equal(&t, &a));
    ck_assert_int_eq(scalar_invert(&t, &a), OK);
    scalar_mul(&t, &t, &a);
    b = scalar_small(1);
    ck_assert(scalar_equal(&t, &b));
    t = a;
    ck_assert_int_eq(scalar_invert(&t, &t), OK);
    ck_assert_int_eq(scalar_invert(&t, &t), OK);
    ck_assert(scalar_equal(&t, &a));
    scalar_sub(&t, &t, &t);
    ck_assert(scalar_is_zero(&t));
    t = minus_one();
    scalar_add(&t, &t, &b);
    ck_assert(scalar_is_zero(&t));
}
END_TEST

/* Zero has no inverse, and the output stays as it was. */
START_TEST(test_group_zero_has_no_inverse)
{
    struct scalar zero = scalar_small(0), out = scalar_small(77);
    struct scalar before = out;

    ck_assert_int_eq(scalar_invert(&out, &zero), ERR_BAD);
    ck_assert(scalar_equal(&out, &before));
}
END_TEST

/* One seed draws the same scalars, all different, canonical, non-zero. */
START_TEST(test_group_random_scalars_follow_the_stream)
{
    struct scalar drawn[16], again;

    for (size_t i = 0; i < 16; i++) {
        drawn[i] = some_scalar();
        ck_assert(scalar_is_canonical(&drawn[i]));
        ck_assert(!scalar_is_zero(&drawn[i]));
        for (size_t j = 0; j < i; j++) {
            ck_assert(!scalar_equal(&drawn[i], &drawn[j]));
        }
    }
    setup();
    for (size_t i = 0; i < 16; i++) {
        again = some_scalar();
        ck_assert(scalar_equal(&again, &drawn[i]));
    }
}
END_TEST

/* Integers keep all of their 64 bits. */
START_TEST(test_group_scalar_from_u64)
{
    struct scalar a = scalar_small(UINT64_MAX);
    struct scalar want = scalar_hex(
        "ffffffffffffffff000000000000000000000000000000000000000000000000");

    ck_assert(scalar_equal(&a, &want));
}
END_TEST

/* libsodium gives no point where the product is the identity; we do. */
START_TEST(test_group_identity_is_an_ordinary_result)
{
    struct scalar zero = scalar_small(0), a = some_scalar();
    struct element p = some_element(), identity, out = p;

    element_identity(&identity);
    element_mul_base(&out, &zero);
    ck_assert(element_is_identity(&out));
    out = p;
    ck_assert_int_eq(element_mul(&out, &zero, &p), OK);
    ck_assert(element_is_identity(&out));
    out = p;
    ck_assert_int_eq(element_mul(&out, &a, &identity), OK);
    ck_assert(element_is_identity(&out));
    ck_assert_int_eq(element_add(&out, &p, &identity), OK);
    ck_assert(element_equal(&out, &p));
    ck_assert_int_eq(element_add(&out, &identity, &p), OK);
    ck_assert(element_equal(&out, &p));
    ck_assert_int_eq(element_add(&out, &identity, &identity), OK);
    ck_assert(element_is_identity(&out));
}
END_TEST

/* p + (q-1)p is the identity: an element and its negative cancel. */
START_TEST(test_group_negative_cancels)
{
    struct scalar a = minus_one();
    struct element p = some_element(), out;

    ck_assert_int_eq(element_mul(&out, &a, &p), OK);
    ck_assert(!element_is_identity(&out));
    ck_assert_int_eq(element_add(&out, &out, &p), OK);
    ck_assert(element_is_identity(&out));
}
END_TEST

/* Multiplication distributes over addition, and works in place. */
START_TEST(test_group_scalars_act_on_elements)
{
    struct scalar a = some_scalar(), b = some_scalar(), sum;
    struct element p = some_element(), left, right, t;

    scalar_add(&sum, &a, &b);
    ck_assert_int_eq(element_mul(&left, &sum, &p), OK);
    ck_assert_int_eq(element_mul(&right, &a, &p), OK);
    ck_assert_int_eq(element_mul(&t, &b, &p), OK);
    ck_assert_int_eq(element_add(&right, &right, &t), OK);
    ck_assert(element_equal(&left, &right));
    element_mul_base(&left, &a);
    ck_assert_int_eq(element_mul(&right, &a, &group_b), OK);
    ck_assert(element_equal(&left, &right));
    t = p;
    ck_assert_int_eq(element_mul(&t, &a, &t), OK);
    ck_assert_int_eq(element_mul(&right, &a, &p), OK);
    ck_assert(element_equal(&t, &right));
}
END_TEST

/* The identity is an encoding, but not an element anyone should send. */
START_TEST(test_group_valid_excludes_identity_and_junk)
{
    struct element p = some_element(), identity, bad = no_element();

    element_identity(&identity);
    ck_assert(element_is_valid(&p));
    ck_assert(element_is_valid(&group_b));
    ck_assert(element_is_valid(&group_h));
    ck_assert(!element_is_valid(&identity));
    ck_assert(!element_is_valid(&bad));
}
END_TEST

/* libsodium takes p with bit 255 set for p, and so the identity, which then is
 * not all zeroes. Here an element has one encoding. */
START_TEST(test_group_top_bit_makes_no_second_encoding)
{
    struct scalar zero = scalar_small(0), a = some_scalar();
    struct element p = some_element(), bad, out = p;

    for (int identity = 0; identity < 2; identity++) {
        bad = p;
        if (identity == 1) {
            element_identity(&bad);
        }
        bad.bytes[31] |= 0x80;
        ck_assert(!element_is_valid(&bad));
        ck_assert_int_eq(element_add(&out, &p, &bad), ERR_BAD);
        ck_assert_int_eq(element_add(&out, &bad, &p), ERR_BAD);
        ck_assert_int_eq(element_mul(&out, &a, &bad), ERR_BAD);
        ck_assert_int_eq(element_mul(&out, &zero, &bad), ERR_BAD);
        ck_assert(element_equal(&out, &p));
    }
}
END_TEST

/* What encodes no element is refused, and the output stays as it was; a
 * product with zero is no excuse. */
START_TEST(test_group_junk_is_refused)
{
    struct scalar zero = scalar_small(0), a = some_scalar();
    struct element p = some_element(), out = p, bad = no_element();

    ck_assert_int_eq(element_add(&out, &p, &bad), ERR_BAD);
    ck_assert_int_eq(element_add(&out, &bad, &p), ERR_BAD);
    ck_assert_int_eq(element_mul(&out, &a, &bad), ERR_BAD);
    ck_assert_int_eq(element_mul(&out, &zero, &bad), ERR_BAD);
    ck_assert(element_equal(&out, &p));
}
END_TEST

/* H is what its definition computes, and no small multiple of B. */
START_TEST(test_group_h_is_hashed_from_b)
{
    struct scalar one = scalar_small(1), k;
    struct element b, h;

    element_mul_base(&b, &one);
    ck_assert(element_equal(&b, &group_b));
    element_hash(&h, "pedersen-H", TH_PARTS(slice_of(b.bytes, ELEMENT_SIZE)));
    ck_assert(element_equal(&h, &group_h));
    for (uint64_t i = 0; i < 256; i++) {
        k = scalar_small(i);
        element_mul_base(&b, &k);
        ck_assert(!element_equal(&b, &group_h));
    }
}
END_TEST

/* com(a, 0) = aB, com(0, b) = bH, com(0, 0) is the identity, and commitments
 * add up like what they commit to. */
START_TEST(test_group_commitments)
{
    struct scalar zero = scalar_small(0), a = some_scalar(), b = some_scalar();
    struct scalar a2 = some_scalar(), b2 = some_scalar();
    struct element out, want, first, second;

    element_commit(&out, &a, &zero);
    element_mul_base(&want, &a);
    ck_assert(element_equal(&out, &want));
    element_commit(&out, &zero, &b);
    ck_assert_int_eq(element_mul(&want, &b, &group_h), OK);
    ck_assert(element_equal(&out, &want));
    element_commit(&out, &zero, &zero);
    ck_assert(element_is_identity(&out));
    element_commit(&first, &a, &b);
    element_commit(&out, &b, &a);
    ck_assert(!element_equal(&out, &first));
    element_commit(&second, &a2, &b2);
    ck_assert_int_eq(element_add(&want, &first, &second), OK);
    scalar_add(&a, &a, &a2);
    scalar_add(&b, &b, &b2);
    element_commit(&out, &a, &b);
    ck_assert(element_equal(&out, &want));
}
END_TEST

/* Domain and parts both decide a hash to the field and to the group. */
START_TEST(test_group_hashes_are_separated)
{
    struct scalar a, b, c;
    struct element p, q, r;

    scalar_hash(&a, "one", TH_PARTS(slice_str("ab"), slice_str("c")));
    scalar_hash(&b, "two", TH_PARTS(slice_str("ab"), slice_str("c")));
    scalar_hash(&c, "one", TH_PARTS(slice_str("a"), slice_str("bc")));
    ck_assert(scalar_is_canonical(&a));
    ck_assert(!scalar_equal(&a, &b));
    ck_assert(!scalar_equal(&a, &c));
    element_hash(&p, "one", TH_PARTS(slice_str("ab"), slice_str("c")));
    element_hash(&q, "two", TH_PARTS(slice_str("ab"), slice_str("c")));
    element_hash(&r, "one", TH_PARTS(slice_str("a"), slice_str("bc")));
    ck_assert(element_is_valid(&p));
    ck_assert(!element_equal(&p, &q));
    ck_assert(!element_equal(&p, &r));
}
END_TEST

/* libsodium would take q + 5, or 5 with bit 255 set, for 5. Nothing here
 * computes with a scalar that nobody checked. */
START_TEST(test_group_unchecked_scalar_stops_the_program)
{
    struct scalar bad = scalar_hex(ORDER), five = scalar_small(5);
    struct element p = some_element();

    switch (_i) {
    case 0:
        scalar_add(&five, &five, &bad);
        break;
    case 1:
        scalar_sub(&five, &bad, &five);
        break;
    case 2:
        scalar_mul(&five, &bad, &five);
        break;
    case 3:
        (void)!scalar_invert(&five, &bad);
        break;
    case 4:
        five.bytes[31] |= 0x80;
        (void)!element_mul(&p, &five, &p);
        break;
    case 5:
        element_mul_base(&p, &bad);
        break;
    default:
        element_commit(&p, &five, &bad);
        break;
    }
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("group");
    TCase *tc = tcase_create("group");

    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, test_group_canonical_scalars_end_at_q);
    tcase_add_test(tc, test_group_scalars_are_a_field);
    tcase_add_test(tc, test_group_zero_has_no_inverse);
    tcase_add_test(tc, test_group_random_scalars_follow_the_stream);
    tcase_add_test(tc, test_group_scalar_from_u64);
    tcase_add_test(tc, test_group_identity_is_an_ordinary_result);
    tcase_add_test(tc, test_group_negative_cancels);
    tcase_add_test(tc, test_group_scalars_act_on_elements);
    tcase_add_test(tc, test_group_valid_excludes_identity_and_junk);
    tcase_add_test(tc, test_group_top_bit_makes_no_second_encoding);
    tcase_add_test(tc, test_group_junk_is_refused);
    tcase_add_test(tc, test_group_h_is_hashed_from_b);
    tcase_add_test(tc, test_group_commitments);
    tcase_add_test(tc, test_group_hashes_are_separated);
    tcase_add_loop_test_raise_signal(
        tc, test_group_unchecked_scalar_stops_the_program, SIGABRT, 0, 7);
    suite_add_tcase(s, tc);
    return s;
}
