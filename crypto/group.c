#include "crypto/group.h"

#include <sodium.h>

#include "crypto/hash.h"
#include "crypto/setup.h"

/* enc(B), RFC 9496 appendix A.1. */
const struct element group_b = {
    {0xe2, 0xf2, 0xae, 0x0a, 0x6a, 0xbc, 0x4e, 0x71, 0xa8, 0x84, 0xa9,
     0x61, 0xc5, 0x00, 0x51, 0x5f, 0x58, 0xe3, 0x0b, 0x6a, 0xa5, 0x82,
     0xdd, 0x8d, 0xb6, 0xa6, 0x59, 0x45, 0xe0, 0x8d, 0x2d, 0x76}};

const struct element group_h = {
    {0x8e, 0xcf, 0x7d, 0x46, 0xf8, 0xd9, 0xbe, 0xc8, 0x67, 0x11, 0xde,
     0xf2, 0xde, 0x4a, 0x28, 0xf7, 0x3b, 0x93, 0x1b, 0x4d, 0x9f, 0xd8,
     0xcf, 0x9c, 0x30, 0xd3, 0xf4, 0x1e, 0xdc, 0xf3, 0x62, 0x68}};

/* q = 2^252 + 27742317777372353535851937790883648493, little-endian. */
static const struct scalar order = {
    {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7,
     0xa2, 0xde, 0xf9, 0xde, 0x14, 0,    0,    0,    0,    0,    0,
     0,    0,    0,    0,    0,    0,    0,    0,    0,    0x10}};

int group_setup(void)
{
    static const struct scalar one = {{1}};
    struct element b, h;

    element_mul_base(&b, &one);
    element_hash(&h, "pedersen-H", TH_PARTS(slice_of(b.bytes, ELEMENT_SIZE)));
    return element_equal(&b, &group_b) && element_equal(&h, &group_h)
               ? OK
               : ERR_UNSUPPORTED;
}

bool scalar_is_canonical(const struct scalar *a)
{
    return sodium_compare(a->bytes, order.bytes, SCALAR_SIZE) < 0;
}

bool scalar_is_zero(const struct scalar *a)
{
    return sodium_is_zero(a->bytes, SCALAR_SIZE) == 1;
}

void scalar_from_u64(struct scalar *out, uint64_t v)
{
    memset(out, 0, sizeof(*out));
    u64le_store(out->bytes, v);
}

void scalar_random(struct scalar *out, struct rng *r)
{
    uint8_t wide[crypto_core_ristretto255_NONREDUCEDSCALARBYTES];

    do {
        rng_bytes(r, wide, sizeof(wide));
        crypto_core_ristretto255_scalar_reduce(out->bytes, wide);
    } while (scalar_is_zero(out));
    sodium_memzero(wide, sizeof(wide));
}

void scalar_add(struct scalar *out,
                const struct scalar *a,
                const struct scalar *b)
{
    assert(scalar_is_canonical(a) && scalar_is_canonical(b));
    crypto_core_ristretto255_scalar_add(out->bytes, a->bytes, b->bytes);
}

void scalar_sub(struct scalar *out,
                const struct scalar *a,
                const struct scalar *b)
{
    assert(scalar_is_canonical(a) && scalar_is_canonical(b));
    crypto_core_ristretto255_scalar_sub(out->bytes, a->bytes, b->bytes);
}

void scalar_mul(struct scalar *out,
                const struct scalar *a,
                const struct scalar *b)
{
    assert(scalar_is_canonical(a) && scalar_is_canonical(b));
    crypto_core_ristretto255_scalar_mul(out->bytes, a->bytes, b->bytes);
}

int scalar_invert(struct scalar *out, const struct scalar *a)
{
    assert(scalar_is_canonical(a));
    if (scalar_is_zero(a)) {
        return ERR_BAD;
    }
    /* It can only fail for zero. */
    return crypto_core_ristretto255_scalar_invert(out->bytes, a->bytes) == 0
               ? OK
               : ERR_BAD;
}

void scalar_hash(struct scalar *out,
                 const char *dst,
                 const struct slice *parts,
                 size_t parts_len)
{
    uint8_t wide[SHA512_SIZE];

    th512(wide, dst, parts, parts_len);
    crypto_core_ristretto255_scalar_reduce(out->bytes, wide);
    sodium_memzero(wide, sizeof(wide));
}

/* RFC 9496 section 4.3.1 has a decoder refuse integers of p and above.
 * libsodium 1.0.18 drops bit 255 before it compares, so every element, and the
 * identity too, would have a second encoding. */
static bool top_bit_is_clear(const struct element *p)
{
    return (p->bytes[ELEMENT_SIZE - 1] & 0x80) == 0;
}

static bool is_encoding(const struct element *p)
{
    return top_bit_is_clear(p) &&
           crypto_core_ristretto255_is_valid_point(p->bytes) == 1;
}

bool element_is_valid(const struct element *p)
{
    return is_encoding(p) && !element_is_identity(p);
}

bool element_equal(const struct element *a, const struct element *b)
{
    return sodium_memcmp(a->bytes, b->bytes, ELEMENT_SIZE) == 0;
}

void element_identity(struct element *out)
{
    memset(out, 0, sizeof(*out));
}

bool element_is_identity(const struct element *p)
{
    return sodium_is_zero(p->bytes, ELEMENT_SIZE) == 1;
}

void element_hash(struct element *out,
                  const char *dst,
                  const struct slice *parts,
                  size_t parts_len)
{
    uint8_t wide[SHA512_SIZE];

    th512(wide, dst, parts, parts_len);
    crypto_core_ristretto255_from_hash(out->bytes, wide);
    sodium_memzero(wide, sizeof(wide));
}

int element_add(struct element *out,
                const struct element *a,
                const struct element *b)
{
    struct element sum;

    if (!top_bit_is_clear(a) || !top_bit_is_clear(b) ||
        crypto_core_ristretto255_add(sum.bytes, a->bytes, b->bytes) != 0) {
        return ERR_BAD;
    }
    *out = sum;
    return OK;
}

int element_mul(struct element *out,
                const struct scalar *a,
                const struct element *p)
{
    struct element product;

    assert(scalar_is_canonical(a));
    if (!top_bit_is_clear(p)) {
        return ERR_BAD;
    }
    if (crypto_scalarmult_ristretto255(product.bytes, a->bytes, p->bytes) !=
        0) {
        if (!is_encoding(p)) {
            return ERR_BAD;
        }
        element_identity(&product);
    }
    *out = product;
    sodium_memzero(&product, sizeof(product));
    return OK;
}

void element_mul_base(struct element *out, const struct scalar *a)
{
    assert(scalar_is_canonical(a));
    /* It can only fail because the product is the identity. */
    if (crypto_scalarmult_ristretto255_base(out->bytes, a->bytes) != 0) {
        element_identity(out);
    }
}

void element_commit(struct element *out,
                    const struct scalar *a,
                    const struct scalar *b)
{
    struct element ab, bh;
    int rv;

    element_mul_base(&ab, a);
    rv = element_mul(&bh, b, &group_h);
    assert(rv == OK);
    rv = element_add(out, &ab, &bh);
    assert(rv == OK);
    sodium_memzero(&ab, sizeof(ab));
    sodium_memzero(&bh, sizeof(bh));
}
