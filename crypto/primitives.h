#ifndef CAIRN_CRYPTO_PRIMITIVES_H
#define CAIRN_CRYPTO_PRIMITIVES_H

#include "crypto/base.h"

/* Make the primitives ready: initialises libsodium, fetches the OpenSSL
 * algorithms once, chooses the fastest kernels for this processor, and checks
 * that the second Pedersen generator computes to its published constant.
 *
 * Call once, first, from the main thread of every program and test. Everything
 * else in crypto/ assumes it. Returns ERR_UNSUPPORTED when a library lacks an
 * algorithm or computes a wrong value; a program must then refuse to run. */
MUST_CHECK int primitives_init(void);

#endif /* CAIRN_CRYPTO_PRIMITIVES_H */
