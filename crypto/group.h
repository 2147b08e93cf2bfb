#ifndef CAIRN_CRYPTO_GROUP_H
#define CAIRN_CRYPTO_GROUP_H

#include "crypto/base.h"
#include "crypto/rng.h"

/* ristretto255 (RFC 9496) for key custody, over libsodium 1.0.18 and around
 * its traps: multiplication returns -1 and no point when the result is the
 * identity, bit 255 of a scalar and of an element is ignored, scalars >= q are
 * accepted, and the identity counts as valid. Here the identity is an ordinary
 * result, every scalar from outside is checked to be canonical, and an element
 * with bit 255 set is no encoding.
 *
 * Scalars are 32 bytes little-endian below q; elements are the canonical
 * 32-byte encodings. */

#define SCALAR_SIZE  32
#define ELEMENT_SIZE 32

struct scalar {
    uint8_t bytes[SCALAR_SIZE];
};

struct element {
    uint8_t bytes[ELEMENT_SIZE];
};

/* The generator B of RFC 9496, and the second generator of Pedersen
 * commitments, Hp("pedersen-H", enc(B)), whose discrete logarithm nobody
 * knows; the value is in docs/FORMAT.md. */
extern const struct element group_b;
extern const struct element group_h;

/* Below q, in constant time. Everything that computes with scalars asserts
 * it: check what comes from outside first. */
bool scalar_is_canonical(const struct scalar *a);
bool scalar_is_zero(const struct scalar *a);
void scalar_from_u64(struct scalar *out, uint64_t v);
/* Uniform and non-zero. */
void scalar_random(struct scalar *out, struct rng *r);
void scalar_add(struct scalar *out,
                const struct scalar *a,
                const struct scalar *b);
void scalar_sub(struct scalar *out,
                const struct scalar *a,
                const struct scalar *b);
void scalar_mul(struct scalar *out,
                const struct scalar *a,
                const struct scalar *b);
/* ERR_BAD for zero. */
MUST_CHECK int scalar_invert(struct scalar *out, const struct scalar *a);
/* Hs(dst, parts): TH512 reduced mod q (crypto.md 0.1). */
void scalar_hash(struct scalar *out,
                 const char *dst,
                 const struct slice *parts,
                 size_t parts_len);

/* A canonical encoding of an element other than the identity. */
bool element_is_valid(const struct element *p);
bool element_equal(const struct element *a, const struct element *b);
void element_identity(struct element *out);
bool element_is_identity(const struct element *p);
/* Hp(dst, parts): the one-way map of RFC 9496 on TH512. */
void element_hash(struct element *out,
                  const char *dst,
                  const struct slice *parts,
                  size_t parts_len);
/* a + b; ERR_BAD when either is not an encoding. The identity is welcome. */
MUST_CHECK int element_add(struct element *out,
                           const struct element *a,
                           const struct element *b);
/* a * p, and a * B; the identity is an ordinary input and result. */
MUST_CHECK int element_mul(struct element *out,
                           const struct scalar *a,
                           const struct element *p);
void element_mul_base(struct element *out, const struct scalar *a);

/* com(a, b) = a*B + b*H: hides |a| perfectly, binds while discrete logarithms
 * are hard. */
void element_commit(struct element *out,
                    const struct scalar *a,
                    const struct scalar *b);

#endif /* CAIRN_CRYPTO_GROUP_H */
