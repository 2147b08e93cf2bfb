#include <sodium.h>

#include "crypto/group.h"
#include "tests/vectors.h"
#include "tests/vectors_group.h"

/* RFC 9496 appendix A. */

/* The multiples of B by multiplication, and by adding B once more each time. */
static void run_multiples(const json_t *array, struct vectors_report *r)
{
    struct element want, product, via_base, sum;
    struct scalar k;
    const json_t *item;
    size_t i;
    bool ok;

    element_identity(&sum);
    json_array_foreach(array, i, item)
    {
        scalar_from_u64(&k, i);
        element_mul_base(&via_base, &k);
        ok = element_read(item, &want) &&
             element_mul(&product, &k, &group_b) == OK &&
             element_equal(&product, &want) &&
             element_equal(&via_base, &want) && element_equal(&sum, &want) &&
             element_is_valid(&want) == (i != 0) &&
             element_is_identity(&want) == (i == 0);
        vectors_case(r, ok, "multiple of the generator");
        ok = element_add(&sum, &sum, &group_b) == OK;
        assert(ok);
    }
}

static void run_invalid(const json_t *array, struct vectors_report *r)
{
    struct element bad, out;
    struct scalar two;
    const json_t *item;
    size_t i;
    bool ok;

    scalar_from_u64(&two, 2);
    json_array_foreach(array, i, item)
    {
        ok = element_read(item, &bad) && !element_is_valid(&bad) &&
             element_add(&out, &bad, &group_b) == ERR_BAD &&
             element_add(&out, &group_b, &bad) == ERR_BAD &&
             element_mul(&out, &two, &bad) == ERR_BAD;
        vectors_case(r, ok, "invalid encoding");
    }
}

/* element_hash() puts a domain before what it hashes, so the map is tested
 * through the call that it makes. */
static void run_one_way_map(const json_t *array, struct vectors_report *r)
{
    uint8_t hash[crypto_core_ristretto255_HASHBYTES];
    struct element want, got;
    const json_t *item;
    size_t i;
    bool ok;

    json_array_foreach(array, i, item)
    {
        ok = vectors_hex_into(item, "sha512", hash, sizeof(hash)) &&
             element_read(json_object_get(item, "element"), &want) &&
             crypto_core_ristretto255_from_hash(got.bytes, hash) == 0 &&
             element_equal(&got, &want) && element_is_valid(&got);
        vectors_case(r, ok, "one-way map");
    }
}

void vectors_ristretto(json_t *root, struct vectors_report *r)
{
    run_multiples(json_object_get(root, "multiples_of_generator_0_to_15"), r);
    run_invalid(json_object_get(root, "invalid_encodings"), r);
    run_one_way_map(json_object_get(root, "one_way_map"), r);
}
