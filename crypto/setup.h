#ifndef CAIRN_CRYPTO_SETUP_H
#define CAIRN_CRYPTO_SETUP_H

#include "crypto/base.h"

/* Steps of primitives_init(), in their own modules. */
MUST_CHECK int hash_setup(void);
MUST_CHECK int aead_setup(void);
MUST_CHECK int merkle_setup(void);
MUST_CHECK int group_setup(void);

#endif /* CAIRN_CRYPTO_SETUP_H */
