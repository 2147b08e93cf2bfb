#ifndef CAIRN_PROTOCOL_FIELD_H
#define CAIRN_PROTOCOL_FIELD_H

#include "crypto/merkle.h"
#include "crypto/sign.h"
#include "protocol/canon.h"

/* Fields that several documents have: bounded text, keys, times, compact
 * ranges, and the signature that ends a signed document. Getters note their
 * errors in the reader, as those of canon.h do. */

#define FIELD_VERSION    1
#define FIELD_TIME_MAX   253402300799U /* 9999-12-31T23:59:59Z */
#define FIELD_SSHSIG_MAX 1024U         /* An operator's signature, binary. */

/* Begin to read a document: open its array, of any length until the version
 * is known, and take the version. The caller ends it with canon_leave(). */
void field_begin(struct canon_reader *r, struct slice in);

/* Text of at most |max| bytes into |out| of max + 1 bytes, terminated. */
void field_text(struct canon_reader *r, char *out, size_t max);

/* Is the text in |text|, of max + 1 bytes, terminated, of min..max bytes and
 * without control characters? */
bool field_text_is_valid(const char *text, size_t min, size_t max);

bool field_is_zero(const uint8_t *bytes, size_t size);

/* Can anything be sealed to this X25519 key? Low-order points have no secret
 * to share. */
bool field_hpke_key_is_valid(const uint8_t pk[32]);

/* A compact range is two elements: its leaves, MERKLE_LEAVES_MAX at most, and
 * an array of exactly the nodes that so many leaves have. */
void field_put_range(struct canon_writer *w, const struct merkle_range *range);
void field_range(struct canon_reader *r, struct merkle_range *range);

/* A signed document is an array whose last element is SIGN(key, dst, net, all
 * bytes before that element). Put it, read it, and cut it off to verify. */
void field_put_signature(struct canon_writer *w,
                         const struct sign_key *key,
                         const char *dst,
                         const struct digest *net);
void field_signature(struct canon_reader *r, uint8_t sig[SIGN_SIZE]);
struct slice field_signed_bytes(struct slice in);

/* canon_write_end(), as encoders report it. */
MUST_CHECK int field_write_end(const struct canon_writer *w, size_t *size);

#endif /* CAIRN_PROTOCOL_FIELD_H */
