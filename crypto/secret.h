#ifndef CAIRN_CRYPTO_SECRET_H
#define CAIRN_CRYPTO_SECRET_H

#include "crypto/base.h"

/* Memory for long-lived secrets: guarded pages, locked against swap, left out
 * of core files, wiped when freed. Each allocation costs at least four pages,
 * so these are a few fixed slots, not general memory. Short-lived secrets may
 * live on the stack and are wiped with sodium_memzero() on every way out. */

/* Zeroed secret memory, or NULL when it cannot be had *or cannot be locked*
 * (libsodium's own allocator ignores a failed lock). The usual cause is
 * RLIMIT_MEMLOCK. */
MUST_CHECK void *secret_new(size_t size);

/* Wipe and free. Accepts NULL. */
void secret_free(void *p);

/* Overwrite with zeros, in a way that no optimiser drops: sodium_memzero() for
 * the layers that do not include libsodium. */
void secret_wipe(void *p, size_t size);

/* Equal, in time that depends only on |size|. */
bool secret_equal(const void *a, const void *b, size_t size);

#endif /* CAIRN_CRYPTO_SECRET_H */
